/* Joins whose left side is a list, as a stream needs them: each event looks up the list. */
#include "rules/plan/bind.h"

/* NOLINTNEXTLINE(misc-no-recursion): as deep as operators stand, which wr_op_new bounds */
bool wr_reads_a_table(const struct wr_op *op)
{
    bool any = op->kind == WR_OP_SCAN || (op->input && wr_reads_a_table(op->input));
    for (uint32_t i = 0; i < op->ninputs && !any; i++)
        any = wr_reads_a_table(op->inputs[i]);
    return any;
}

const struct wr_op *wr_join_turned(struct wr_binder *b, const struct wr_op *op)
{
    bool inner = op->join == WR_JOIN_INNER || op->join == WR_JOIN_INNERUNIQUE;
    if (op->kind != WR_OP_JOIN || wr_reads_a_table(op->inputs[0]) ||
        !wr_reads_a_table(op->inputs[1]) || (!inner && op->join != WR_JOIN_RIGHTOUTER))
        return NULL;
    uint16_t nlist = op->inputs[0]->schema->ncols, nevent = op->inputs[1]->schema->ncols,
             n = op->schema->ncols;
    struct wr_op *join = wr_arena_alloc(b->arena, sizeof *join),
                 *map = wr_arena_alloc(b->arena, sizeof *map);
    struct wr_op **inputs = wr_arena_alloc(b->arena, 2 * sizeof(struct wr_op *));
    struct wr_ex **keys = wr_arena_alloc(b->arena, (2 * op->nkeys + 1) * sizeof(struct wr_ex *));
    struct wr_ex **back = wr_arena_alloc(b->arena, (n + 1u) * sizeof(struct wr_ex *));
    struct wr_schema *schema = wr_arena_alloc(b->arena, sizeof *schema);
    struct wr_coldef *cols = wr_arena_alloc(b->arena, (n + 1u) * sizeof *cols);
    if (!join || !map || !inputs || !keys || !back || !schema || !cols || n != nlist + nevent)
        return NULL;
    for (uint16_t i = 0; i < n; i++) {
        uint16_t at = i < nlist ? (uint16_t)(nevent + i) : (uint16_t)(i - nlist);
        cols[at] = op->schema->cols[i];
        cols[at].store = at;
    }
    *schema = (struct wr_schema){.name = "", .cols = cols, .ncols = n};
    for (uint16_t i = 0; i < n; i++) {
        back[i] = wr_ex_new(b, WR_EX_COL, op->schema->cols[i].type, op->span);
        if (!back[i])
            return NULL;
        back[i]->col = i < nlist ? (uint16_t)(nevent + i) : (uint16_t)(i - nlist);
    }
    for (uint32_t k = 0; k < op->nkeys; k++) {
        keys[k] = op->cols[op->nkeys + k];
        keys[op->nkeys + k] = op->cols[k];
    }
    inputs[0] = op->inputs[1];
    inputs[1] = op->inputs[0];
    *join = *op;
    join->inputs = inputs;
    join->cols = keys;
    join->schema = schema;
    join->join = inner ? WR_JOIN_INNER : WR_JOIN_LEFTOUTER;
    join->first_only = op->join == WR_JOIN_INNERUNIQUE;
    *map = (struct wr_op){
        .kind = WR_OP_MAP, .span = op->span, .input = join, .schema = op->schema, .cols = back};
    return map;
}
