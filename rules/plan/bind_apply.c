/* mv-apply and partition: operators that run a piece of a query. */
#include "rules/plan/apply.h"
#include "rules/plan/bind.h"

#include <string.h>

static struct wr_op *bind_piece(struct wr_binder *b, const struct wr_kql_query *query, const struct wr_schema *given)
{
    struct wr_binder inner = *b;
    inner.given = given;
    struct wr_op *op = wr_bind_query(&inner, query);
    b->nodes = inner.nodes;
    return op ? wr_op_visible(b, op) : NULL;
}

static struct wr_op *apply_op(struct wr_binder *b, struct wr_op *input, struct wr_op *piece,
                              const struct wr_apply *spec, struct wr_span span)
{
    struct wr_op *op = piece ? wr_op_new(b, WR_OP_APPLY, input, span) : NULL;
    struct wr_op **inputs = op ? wr_arena_alloc(b->arena, sizeof(struct wr_op *)) : NULL;
    if (!inputs)
        return NULL;
    inputs[0] = piece;
    op->inputs = inputs;
    op->ninputs = 1;
    op->data = spec;
    op->schema = piece->schema;
    return op;
}

static uint16_t column_of(const struct wr_schema *schema, const char *name)
{
    for (uint16_t i = 0; i < schema->ncols; i++)
        if (!schema->cols[i].hidden && strcmp(schema->cols[i].name, name) == 0)
            return i;
    return WR_NO_COL;
}

/* Columns of the outer row that are not taken apart, then what else the piece gives. A column of the piece with an
 * outer one's name takes its place. */
static bool result(struct wr_binder *b, struct wr_op *op, struct wr_apply *spec)
{
    struct wr_cols cols = {0};
    const struct wr_schema *outer = op->input->schema, *piece = op->inputs[0]->schema;
    uint16_t *from = wr_arena_alloc(b->arena, (WR_MAX_COLS + 1) * sizeof *from);
    if (!from)
        return wr_bind_nomem(b);
    for (uint16_t i = 0; i < outer->ncols; i++) {
        uint16_t at = column_of(piece, outer->cols[i].name);
        if (wr_colset_has(&spec->expand->expanded, i))
            continue;
        struct wr_ex type = {.type = at == WR_NO_COL ? outer->cols[i].type : piece->cols[at].type};
        from[cols.n] = at == WR_NO_COL ? i : (uint16_t)(WR_MAX_COLS + at);
        if (!wr_cols_add(b, &cols, outer->cols[i].name, true, &type, op->span))
            return false;
    }
    for (uint16_t i = 0; i < piece->ncols; i++) {
        struct wr_ex type = {.type = piece->cols[i].type};
        if (wr_cols_find(&cols, piece->cols[i].name) != UINT32_MAX)
            continue;
        from[cols.n] = (uint16_t)(WR_MAX_COLS + i);
        if (!wr_cols_add(b, &cols, piece->cols[i].name, true, &type, op->span))
            return false;
    }
    spec->from = from;
    op->schema = wr_cols_schema(b, &cols);
    return op->schema != NULL;
}

struct wr_op *wr_bind_mv_apply(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input)
{
    struct wr_apply *spec = wr_arena_alloc(b->arena, sizeof *spec);
    struct wr_op *expand = spec ? wr_bind_expand(b, ast, input) : NULL;
    if (!expand)
        return NULL;
    spec->given = expand->schema;
    spec->expand = expand;
    spec->key_sub = WR_NO_COL;
    struct wr_op *op = apply_op(b, expand->input, bind_piece(b, ast->piece, expand->schema), spec, ast->span);
    return op && result(b, op, spec) ? op : NULL;
}

static struct wr_ex *part_column(struct wr_binder *b, const struct wr_kql_ex *ast)
{
    struct wr_ex *key = wr_bind_ex(b, ast);
    if (!key || key->type != WR_DYNAMIC)
        return key;
    wr_diag_hint(b->diags, wr_bind_error(b, ast->span, "dynamic values cannot be keys"),
                 "extend a column with tostring() or tolong() of it");
    return NULL;
}

struct wr_op *wr_bind_partition(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input)
{
    struct wr_apply *spec = wr_arena_alloc(b->arena, sizeof *spec);
    struct wr_ex **key = wr_arena_alloc(b->arena, sizeof *key);
    if (!spec || !key || !(input = wr_op_visible(b, input)))
        return NULL;
    b->row = input->schema;
    key[0] = part_column(b, ast->args[0]);
    if (!key[0])
        return NULL;
    struct wr_part part = {.name = &ast->args[0]->name, .type = key[0]->type, .sub = WR_NO_COL};
    struct wr_binder inner = *b;
    inner.part = &part;
    inner.row = NULL;
    spec->given = input->schema;
    spec->own_source = ast->piece->ops[0]->kind != WR_KQL_GIVEN;
    struct wr_op *op = apply_op(&inner, input, bind_piece(&inner, ast->piece, input->schema), spec, ast->span);
    b->nodes = inner.nodes;
    if (!op)
        return NULL;
    spec->key_sub = part.sub;
    op->cols = key;
    op->nkeys = 1;
    return op;
}
