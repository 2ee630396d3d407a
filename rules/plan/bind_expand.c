/* mv-expand: its arrays become columns of a MAP, which the operator then takes apart. */
#include "rules/plan/bind.h"

#include <string.h>

static bool type_of(struct wr_binder *b, const struct wr_kql_ex *ast, enum wr_type *ret)
{
    *ret = WR_DYNAMIC;
    if (!ast)
        return true;
    if (ast->name.text && wr_type_parse(ast->name.text, ast->name.len, ret))
        return true;
    wr_bind_error(b, ast->span, "a type is needed here, as in: to typeof(long)");
    return false;
}

/* Adds or replaces the column that holds one array; its number. */
static uint32_t array_column(struct wr_binder *b, struct wr_cols *cols, const struct wr_kql_ex *ast)
{
    bool named = ast->kind == WR_KQL_NAMED;
    const struct wr_kql_ex *value = named ? ast->args[0] : ast;
    struct wr_ex *ex = wr_bind_ex(b, value);
    if (ex && ex->type != WR_DYNAMIC) {
        struct wr_diag *d = wr_bind_error(b, value->span, "%s takes dynamic values; this is a %s", b->op,
                                          wr_type_name(ex->type));
        if (ex->type == WR_STRING)
            wr_diag_hint(b->diags, d, "read it with parse_json() first");
        ex = NULL;
    }
    const char *name = named ? ast->names[0].text : wr_name_of(b, value);
    if (!ex)
        return UINT32_MAX;
    uint32_t at = name && (named || value->kind == WR_KQL_NAME) ? wr_cols_find(cols, name) : UINT32_MAX;
    if (at == UINT32_MAX)
        return wr_cols_add(b, cols, name, named, ex, ast->span) ? cols->n - 1 : UINT32_MAX;
    cols->def[at].type = WR_DYNAMIC;
    cols->ex[at] = ex;
    return at;
}

static const struct wr_schema *expanded_schema(struct wr_binder *b, const struct wr_kql_op *ast,
                                               const struct wr_op *op, const enum wr_type *types)
{
    struct wr_cols cols = {0};
    const struct wr_schema *in = op->input->schema;
    for (uint16_t i = 0; i < in->ncols; i++) {
        struct wr_ex type = {.type = in->cols[i].type};
        for (uint32_t k = 0; k < op->nkeys; k++)
            if (op->cols[k]->col == i)
                type.type = types[k];
        if (!wr_cols_add(b, &cols, in->cols[i].name, true, &type, op->span))
            return NULL;
    }
    struct wr_ex index = {.type = WR_LONG};
    if (ast->label.text && !wr_cols_add(b, &cols, ast->label.text, true, &index, ast->label.span))
        return NULL;
    return wr_cols_schema(b, &cols);
}

struct wr_op *wr_bind_expand(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input)
{
    struct wr_cols cols = {0};
    struct wr_ex **keys = wr_arena_alloc(b->arena, (ast->nargs + 1) * sizeof *keys);
    enum wr_type *types = wr_arena_alloc(b->arena, (ast->nargs + 1) * sizeof *types);
    struct wr_colset expanded = {0};
    bool ok = keys && types;
    for (uint16_t i = 0; ok && i < input->schema->ncols; i++) {
        struct wr_ex *ex = input->schema->cols[i].hidden ? NULL : wr_ex_col(b, input->schema, i, ast->span);
        ok = input->schema->cols[i].hidden ||
             (ex && wr_cols_add(b, &cols, input->schema->cols[i].name, true, ex, ast->span));
    }
    for (uint32_t k = 0; ok && k < ast->nargs; k++) {
        uint32_t at = array_column(b, &cols, ast->args[k]);
        ok = at != UINT32_MAX && type_of(b, ast->by[k], &types[k]) &&
             (keys[k] = wr_ex_new(b, WR_EX_COL, WR_DYNAMIC, ast->span)) != NULL;
        if (!ok)
            break;
        keys[k]->col = (uint16_t)at;
        wr_colset_add(&expanded, (uint16_t)at);
    }
    struct wr_op *map = ok ? wr_op_map(b, &cols, input, ast->span) : NULL;
    struct wr_op *op = map ? wr_op_new(b, WR_OP_EXPAND, map, ast->span) : NULL;
    if (!op)
        return NULL;
    op->cols = keys;
    op->nkeys = ast->nargs;
    op->expanded = expanded;
    op->expand_pairs = ast->inner;
    op->count = ast->limit >= 0 ? ast->limit : INT32_MAX;
    op->schema = expanded_schema(b, ast, op, types);
    return op->schema ? op : NULL;
}
