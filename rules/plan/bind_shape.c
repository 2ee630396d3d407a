/* Operators about columns as such, and small ones that are others in disguise. */
#include "rules/fn/json.h"
#include "rules/plan/bind.h"

#include <stdio.h>
#include <string.h>

/* ---- getschema, assert-schema ---- */

static struct wr_ex *text(struct wr_binder *b, const char *s, struct wr_span span)
{
    struct wr_value v = {.type = WR_STRING, .s = wr_str_borrow(s, strlen(s))};
    return wr_ex_const(b, &v, span);
}

struct wr_op *wr_bind_getschema(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input)
{
    static const char *const net[WR_NTYPES] = {"System.SByte",    "System.Int32",    "System.Int64",  "System.Double",
                                               "System.DateTime", "System.TimeSpan", "System.String", "System.Guid",
                                               "System.Object",   "System.Data.SqlTypes.SqlDecimal"};
    static const char *const names[] = {"ColumnName", "ColumnOrdinal", "DataType", "ColumnType"};
    struct wr_cols cols = {0};
    struct wr_ex **rows = wr_arena_alloc(b->arena, (4u * input->schema->ncols + 1) * sizeof *rows);
    uint32_t n = 0;
    for (uint32_t i = 0; i < 4; i++) {
        struct wr_ex type = {.type = i == 1 ? WR_LONG : WR_STRING};
        if (!rows || !wr_cols_add(b, &cols, names[i], true, &type, ast->span))
            return NULL;
    }
    for (uint16_t i = 0; i < input->schema->ncols; i++) {
        const struct wr_coldef *def = &input->schema->cols[i];
        struct wr_value at = {.type = WR_LONG, .i = n};
        if (def->hidden)
            continue;
        struct wr_ex **row = rows + 4 * (size_t)n++;
        row[0] = text(b, def->name, ast->span);
        row[1] = wr_ex_const(b, &at, ast->span);
        row[2] = text(b, net[def->type], ast->span);
        row[3] = text(b, wr_type_name(def->type), ast->span);
        if (!row[0] || !row[1] || !row[2] || !row[3])
            return NULL;
    }
    return wr_op_rows(b, &cols, rows, n, ast->span);
}

struct wr_op *wr_bind_assert_schema(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input)
{
    uint32_t n = 0;
    for (uint16_t i = 0; i < input->schema->ncols; i++) {
        const struct wr_coldef *def = &input->schema->cols[i];
        if (def->hidden)
            continue;
        if (n >= ast->ncols || strcmp(ast->cols[n].name.text, def->name) != 0 || ast->cols[n].type != def->type) {
            wr_bind_error(b, n < ast->ncols ? ast->cols[n].name.span : ast->span,
                          "column %u is '%s' of type %s", n + 1, def->name, wr_type_name(def->type));
            return NULL;
        }
        n++;
    }
    if (n < ast->ncols)
        wr_bind_error(b, ast->cols[n].name.span, "there are only %u columns", n);
    return n < ast->ncols ? NULL : input;
}

/* ---- project-by-names ---- */

static bool add_by_name(struct wr_binder *b, const struct wr_schema *in, const char *name, size_t len,
                        struct wr_cols *cols, struct wr_span span)
{
    bool star = len && name[len - 1] == '*';
    for (uint16_t i = 0; i < in->ncols; i++) {
        const char *have = in->cols[i].name;
        bool is = star ? strncmp(have, name, len - 1) == 0 : strlen(have) == len && memcmp(have, name, len) == 0;
        if (in->cols[i].hidden || !is || wr_cols_find(cols, have) != UINT32_MAX)
            continue;
        struct wr_ex *ex = wr_ex_col(b, in, i, span);
        if (!ex || !wr_cols_add(b, cols, have, true, ex, span))
            return false;
    }
    return true; /* a name that is not there is left out, as in Kusto */
}

struct wr_op *wr_bind_by_names(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input)
{
    struct wr_cols cols = {0};
    bool ok = true;
    b->row = NULL;
    for (uint32_t i = 0; ok && i < ast->nargs; i++) {
        struct wr_ex *ex = wr_bind_ex(b, ast->args[i]);
        if (ex && (ex->kind != WR_EX_CONST || (ex->type != WR_STRING && ex->type != WR_DYNAMIC))) {
            wr_bind_error(b, ast->args[i]->span, "project-by-names takes texts, and arrays of texts, that are known");
            return NULL;
        }
        if (!ex)
            return NULL;
        struct wr_slice all = {wr_str_data(&ex->value.s), ex->value.s.len}, item;
        if (ex->type == WR_STRING)
            ok = add_by_name(b, input->schema, all.p, all.len, &cols, ast->span);
        for (const char *at = NULL; ok && ex->type == WR_DYNAMIC && wr_json_next(all, &at, &item);) {
            struct wr_buf name = {0};
            wr_json_to_text(item.p, item.len, &name);
            ok = !name.err && add_by_name(b, input->schema, name.data ? name.data : "", name.len, &cols, ast->span);
            wr_buf_fini(&name);
        }
    }
    return ok ? wr_op_map(b, &cols, input, ast->span) : NULL;
}

/* ---- sample-distinct, top-hitters ---- */

struct wr_op *wr_bind_sample_distinct(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input)
{
    struct wr_kql_op distinct = *ast;
    distinct.args = ast->by;
    distinct.nargs = ast->nby;
    struct wr_op *op = wr_bind_distinct(b, &distinct, input);
    return op ? wr_bind_take(b, ast, op) : NULL;
}

/* Counted exactly: summarize approximate_count_x = count() by x | top n by approximate_count_x. */
struct wr_op *wr_bind_top_hitters(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input)
{
    bool sums = ast->nby > 1;
    const struct wr_kql_ex *value = ast->by[0]->kind == WR_KQL_NAMED ? ast->by[0]->args[0] : ast->by[0];
    const char *of = wr_name_of(b, sums ? ast->by[1] : value);
    struct wr_kql_name name = {NULL, 0, ast->span};
    struct wr_kql_ex agg = {.kind = WR_KQL_CALL, .span = ast->span}, named = {.kind = WR_KQL_NAMED, .span = ast->span};
    struct wr_kql_ex *args[1] = {sums ? ast->by[1] : NULL}, *aggs[1] = {&agg}, *list[1] = {&named};
    char buf[256];
    snprintf(buf, sizeof buf, "approximate_%s_%.200s", sums ? "sum" : "count", of ? of : "");
    name.text = wr_arena_strndup(b->arena, buf, strlen(buf));
    if (!name.text)
        return NULL;
    agg.name = (struct wr_kql_name){sums ? "sum" : "count", sums ? 3 : 5, ast->span};
    agg.args = args;
    agg.nargs = sums;
    named.names = &name;
    named.nnames = 1;
    named.args = aggs;
    named.nargs = 1;
    struct wr_kql_op sum = *ast;
    sum.args = list;
    sum.nargs = 1;
    sum.nby = 1;
    struct wr_op *op = wr_bind_summarize(b, &sum, input);
    struct wr_op *sort = op ? wr_op_new(b, WR_OP_SORT, op, ast->span) : NULL;
    struct wr_sort_key *key = sort ? wr_arena_alloc(b->arena, sizeof *key) : NULL;
    if (!key || !(key->ex = wr_ex_col(b, op->schema, 1, ast->span)))
        return NULL;
    key->desc = true;
    sort->keys = key;
    sort->nsort = 1;
    return wr_bind_take(b, ast, sort);
}
