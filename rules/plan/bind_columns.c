/* Functions over columns instead of values: pack_all(), bag_pack_columns(), column_names_of(), estimate_data_size(). */
#include "rules/plan/bind.h"

#include "base/buf.h"

#include <string.h>

static bool is(const struct wr_kql_ex *ast, const char *name)
{
    return strcmp(ast->name.text, name) == 0;
}

/* pack_all(), bag_pack_columns(a, b): columns under their own names. */
static struct wr_ex *bind_pack(struct wr_binder *b, const struct wr_kql_ex *ast)
{
    bool all = strcmp(ast->name.text, "pack_all") == 0;
    uint32_t n = 0, most = all && b->row ? b->row->ncols : ast->nargs;
    struct wr_ex **args = wr_arena_alloc(b->arena, (2 * most + 1) * sizeof *args);
    if (!args || (all && (ast->nargs || !b->row))) {
        wr_bind_error(b, ast->span, "pack_all stands where columns are, and takes no argument here");
        return NULL;
    }
    for (uint32_t i = 0; i < most; i++) {
        const struct wr_kql_ex *arg = all ? NULL : ast->args[i];
        if (all && b->row->cols[i].hidden)
            continue;
        if (arg && arg->kind != WR_KQL_NAME) {
            wr_bind_error(b, arg->span, "bag_pack_columns takes columns");
            return NULL;
        }
        const char *name = all ? b->row->cols[i].name : arg->name.text;
        struct wr_value key = {.type = WR_STRING, .s = wr_str_borrow(name, strlen(name))};
        args[n] = wr_ex_const(b, &key, ast->span);
        args[n + 1] = all ? wr_ex_col(b, b->row, (uint16_t)i, ast->span) : wr_bind_ex(b, arg);
        if (!args[n] || !args[n + 1])
            return NULL;
        n += 2;
    }
    return wr_ex_call(b, "bag_pack", args, n, ast->span);
}

/* column_names_of(T): an array that is known here. */
static struct wr_ex *bind_names(struct wr_binder *b, const struct wr_kql_ex *ast)
{
    struct wr_binder inner = *b;
    inner.row = NULL;
    inner.aggs = NULL;
    inner.in_agg = false;
    inner.serial = NULL;
    inner.scan = NULL;
    if (ast->nargs != 1 || !wr_is_table_ex(&inner, ast->args[0])) {
        wr_bind_error(b, ast->span, "column_names_of takes a table");
        return NULL;
    }
    struct wr_op *op = wr_bind_source(&inner, ast->args[0]);
    b->nodes = inner.nodes;
    if (!op)
        return NULL;
    struct wr_buf json = {0};
    wr_buf_char(&json, '[');
    for (uint16_t i = 0; i < op->schema->ncols; i++) {
        if (op->schema->cols[i].hidden)
            continue;
        wr_buf_str(&json, json.len > 1 ? "," : "");
        wr_json_cstr(&json, op->schema->cols[i].name);
    }
    wr_buf_char(&json, ']');
    struct wr_value v = {.type = WR_DYNAMIC};
    bool ok = !json.err && wr_str_copy(b->arena, json.data, json.len, &v.s);
    wr_buf_fini(&json);
    if (!ok)
        (void)wr_bind_nomem(b);
    return ok ? wr_ex_const(b, &v, ast->span) : NULL;
}

/* estimate_data_size(*), estimate_data_size(a, b) */
static struct wr_ex *bind_size(struct wr_binder *b, const struct wr_kql_ex *ast)
{
    bool all = ast->nargs == 1 && ast->args[0]->kind == WR_KQL_STAR;
    uint32_t n = 0, most = all && b->row ? b->row->ncols : ast->nargs;
    struct wr_ex **args = wr_arena_alloc(b->arena, (most + 1) * sizeof *args);
    if (!args || (all && !b->row) || !ast->nargs) {
        wr_bind_error(b, ast->span, "estimate_data_size takes columns");
        return NULL;
    }
    for (uint32_t i = 0; i < most; i++) {
        if (all && b->row->cols[i].hidden)
            continue;
        args[n] = all ? wr_ex_col(b, b->row, (uint16_t)i, ast->span) : wr_bind_ex(b, ast->args[i]);
        if (!args[n++])
            return NULL;
    }
    return wr_ex_call(b, "estimate_data_size", args, n, ast->span);
}

bool wr_is_columns_fn(const struct wr_kql_ex *ast)
{
    return ast->kind == WR_KQL_CALL && !ast->is_op &&
           (is(ast, "pack_all") || is(ast, "bag_pack_columns") || is(ast, "column_names_of") || is(ast, "estimate_data_size"));
}

struct wr_ex *wr_bind_columns_fn(struct wr_binder *b, const struct wr_kql_ex *ast)
{
    return is(ast, "column_names_of")      ? bind_names(b, ast)
           : is(ast, "estimate_data_size") ? bind_size(b, ast)
                                           : bind_pack(b, ast);
}
