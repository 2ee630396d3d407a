/* top-nested: a summarize a level. */
#include "rules/plan/nested.h"
#include "rules/plan/plugin.h"

#include <stdio.h>
#include <string.h>

static bool count_of(struct wr_binder *b, const struct wr_kql_ex *ast, int64_t *ret)
{
    *ret = INT64_MAX;
    if (!ast)
        return true;
    struct wr_ex *ex = wr_bind_ex(b, ast);
    if (ex && (ex->kind != WR_EX_CONST || (ex->type != WR_LONG && ex->type != WR_INT) || ex->value.null ||
               ex->value.i < 0)) {
        wr_bind_error(b, ast->span, "top-nested takes a whole number that is known beforehand");
        return false;
    }
    *ret = ex ? ex->value.i : 0;
    return ex != NULL;
}

/* The summarize of level `i`: its last key and its one aggregate are new. */
static const struct wr_op *level_sum(struct wr_binder *b, const struct wr_kql_op *ast, uint32_t i, struct wr_op *input)
{
    struct wr_kql_ex *agg = ast->args[i]->args[0];
    struct wr_kql_op sum = *ast;
    sum.args = &agg;
    sum.nargs = 1;
    sum.nby = i + 1;
    sum.has_by = true;
    const struct wr_op *op = wr_bind_summarize(b, &sum, input);
    b->row = input->schema;
    if (op && (op->kind != WR_OP_SUMMARIZE || op->naggs != 1)) {
        wr_bind_error(b, agg->span, "top-nested ranks by one aggregate: count(), sum(x), ...");
        return NULL;
    }
    return op;
}

struct wr_op *wr_bind_top_nested(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input)
{
    struct wr_nested *spec = wr_arena_alloc(b->arena, sizeof *spec);
    struct wr_cols cols = {0};
    if (!spec || !(input = wr_op_visible(b, input)))
        return NULL;
    b->row = input->schema;
    if (ast->nargs > WR_NESTED_MAX) {
        wr_bind_error(b, ast->span, "too many levels in one top-nested (%d are read)", WR_NESTED_MAX);
        return NULL;
    }
    spec->n = ast->nargs;
    for (uint32_t i = 0; i < ast->nargs; i++) {
        struct wr_nested_level *l = &spec->level[i];
        const struct wr_kql_ex *agg = ast->args[i]->args[0];
        char name[256];
        l->asc = ast->args[i]->order & WR_KQL_ASC;
        if (!count_of(b, ast->defaults[i], &l->count) || !(l->sum = level_sum(b, ast, i, input)))
            return NULL;
        const struct wr_coldef *key = &l->sum->schema->cols[i];
        struct wr_ex type = {.type = key->type}, ranked = {.type = l->sum->schema->cols[i + 1].type};
        if (ranked.type == WR_DYNAMIC) {
            wr_bind_error(b, agg->span, "dynamic values have no order");
            return NULL;
        }
        snprintf(name, sizeof name, "aggregated_%.200s", key->name);
        bool named = agg->kind == WR_KQL_NAMED;
        if (!wr_cols_add(b, &cols, key->name, false, &type, ast->span) ||
            !wr_cols_add(b, &cols, named ? agg->names[0].text : name, named, &ranked, agg->span))
            return NULL;
    }
    return wr_op_whole(b, &wr_nested_whole, spec, wr_cols_schema(b, &cols), input, ast->span);
}
