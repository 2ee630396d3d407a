/* Expressions: names, literals, operators, calls. */
#include "base/nearest.h"
#include "rules/fn/json.h"
#include "rules/plan/bind.h"

#include <stdio.h>
#include <string.h>

struct wr_ex *wr_ex_new(struct wr_binder *b, enum wr_ex_kind kind, enum wr_type type,
                        struct wr_span span)
{
    if (++b->nodes > WR_BIND_MAX_NODES) {
        if (b->nodes == WR_BIND_MAX_NODES + 1)
            wr_bind_error(b, span, "the query is too large once its let statements are put in");
        return NULL;
    }
    struct wr_ex *ex = wr_arena_alloc(b->arena, sizeof *ex);
    if (!ex) {
        wr_bind_nomem(b);
        return NULL;
    }
    ex->kind = kind;
    ex->type = type;
    ex->span = span;
    ex->col = WR_NO_COL;
    return ex;
}

struct wr_ex *wr_ex_const(struct wr_binder *b, const struct wr_value *value, struct wr_span span)
{
    struct wr_ex *ex = wr_ex_new(b, WR_EX_CONST, value->type, span);
    if (!ex)
        return NULL;
    ex->value = *value;
    ex->per_run = true;
    struct wr_str s = value->s;
    if (wr_type_is_str(value->type) &&
        !wr_str_copy(b->arena, wr_str_data(&s), s.len, &ex->value.s)) {
        wr_bind_nomem(b);
        return NULL;
    }
    return ex;
}

struct wr_ex *wr_ex_col(struct wr_binder *b, const struct wr_schema *schema, uint16_t col,
                        struct wr_span span)
{
    struct wr_ex *ex = wr_ex_new(b, WR_EX_COL, schema->cols[col].type, span);
    if (ex)
        ex->col = schema->cols[col].store;
    return ex;
}

/* ---- names ---- */

void wr_hint_column(struct wr_binder *b, struct wr_diag *d, const struct wr_schema *schema,
                    const char *name)
{
    struct wr_nearest near = wr_nearest_to(name, strlen(name));
    for (uint16_t i = 0; schema && i < schema->ncols; i++)
        if (!schema->cols[i].hidden)
            wr_nearest_try(&near, schema->cols[i].name, strlen(schema->cols[i].name));
    for (uint32_t i = 0; i < b->nlets; i++)
        wr_nearest_try(&near, b->lets[i].ast->name.text, b->lets[i].ast->name.len);
    if (near.best)
        wr_diag_hint(b->diags, d, "did you mean '%s'?", near.best);
}

bool wr_col_is_own(const struct wr_schema *schema, uint16_t col)
{
    bool weirs =
        schema == wr_schema_of(WR_TABLE_FLOWS) || schema == wr_schema_of(WR_TABLE_FLOW_ORPHANS) ||
        schema == wr_schema_of(WR_TABLE_SMTP_MESSAGES);
    return schema->cols[col].own && !weirs;
}

/* Once a column. */
static void warn_own(struct wr_binder *b, const char *name, struct wr_span span)
{
    char text[200];
    snprintf(text, sizeof text,
             "column '%.100s' is weir's own: Microsoft's table has none of that name", name);
    for (const struct wr_diag *d = b->diags->first; d; d = d->next)
        if (d->source == b->source && strcmp(d->text, text) == 0)
            return;
    struct wr_diag *d = wr_diag_add(b->diags, WR_WARNING, b->source, span, "%s", text);
    wr_diag_hint(b->diags, d, "the rule runs here as it stands, but not in Sentinel");
}

static struct wr_ex *bind_name(struct wr_binder *b, const struct wr_kql_ex *ast)
{
    uint16_t col = b->row && !(b->aggs && !b->in_agg)
                       ? wr_schema_find(b->row, ast->name.text, ast->name.len)
                       : (uint16_t)WR_NO_COL;
    if (col != WR_NO_COL) {
        if (b->source == b->main && wr_col_is_own(b->row, col))
            warn_own(b, b->row->cols[col].name, ast->span);
        return wr_ex_col(b, b->row, col, ast->span);
    }
    const struct wr_let *let = wr_let_find(b, ast->name.text);
    if (let)
        return wr_bind_let_value(b, let, ast);
    if (b->lenient) {
        struct wr_value null = {.type = WR_DYNAMIC, .null = true};
        return wr_ex_const(b, &null, ast->span);
    }
    bool exists = b->row && wr_schema_find(b->row, ast->name.text, ast->name.len) != WR_NO_COL;
    struct wr_diag *d;
    if (exists) {
        d = wr_bind_error(b, ast->span, "column '%s' stands outside of an aggregate",
                          ast->name.text);
        wr_diag_hint(b->diags, d, "put it behind 'by', or into max(%s) or take_any(%s)",
                     ast->name.text, ast->name.text);
    } else if (b->row) {
        d = wr_bind_error(b, ast->span, "no column '%s' in this %s's input", ast->name.text, b->op);
        wr_hint_column(b, d, b->row, ast->name.text);
    } else {
        d = wr_bind_error(b, ast->span, "no value '%s'", ast->name.text);
        wr_hint_column(b, d, NULL, ast->name.text);
    }
    return NULL;
}

/* ---- operators and functions ---- */

/* `a or b or c or d` as (a or b) or (c or d): the order does not matter, and the tree stays flat.
 */
static struct wr_ex *balance(struct wr_binder *b, const char *name, struct wr_ex *const *args,
                             uint32_t n, struct wr_span span)
{
    if (n == 1)
        return args[0];
    struct wr_ex *left = balance(b, name, args, n / 2, span);
    struct wr_ex *right = left ? balance(b, name, args + n / 2, n - n / 2, span) : NULL;
    struct wr_ex *const both[] = {left, right};
    return right ? wr_ex_call(b, name, both, 2, span) : NULL;
}

/* An element of an array as a text or a number; NULL for what is neither. */
static struct wr_ex *element(struct wr_binder *b, struct wr_slice item, struct wr_span span)
{
    struct wr_value v = {.type = WR_DYNAMIC};
    struct wr_buf text = {0};
    bool is_text = item.len && *item.p == '"', number = item.len && strchr("-0123456789", *item.p);
    if (is_text)
        wr_json_to_text(item.p, item.len, &text);
    const char *why;
    bool ok =
        is_text ? wr_str_copy(b->arena, text.data ? text.data : "", text.len, &v.s)
                : number && (wr_kql_typed_literal(WR_LONG, item.p, item.len, b->arena, &v, &why) ||
                             wr_kql_typed_literal(WR_REAL, item.p, item.len, b->arena, &v, &why));
    wr_buf_fini(&text);
    if (is_text)
        v.type = WR_STRING;
    return ok ? wr_ex_const(b, &v, span) : NULL;
}

/* The elements of a constant array as constants of their own, so that `in` can be prepared and
 * pushed down. Mixed and nested ones stay as they are: they are compared as dynamic values. */
static void spread_array(struct wr_binder *b, struct wr_ex ***args, uint32_t *n)
{
    const struct wr_ex *array = (*args)[1];
    if (array->kind != WR_EX_CONST || array->type != WR_DYNAMIC || array->value.null)
        return;
    struct wr_slice all = {wr_str_data(&array->value.s), array->value.s.len}, item;
    int64_t count = wr_json_count(all);
    if (count < 1 || count > WR_KQL_MAX_ITEMS)
        return;
    struct wr_ex **spread = wr_arena_alloc(b->arena, ((size_t)count + 1) * sizeof *spread);
    uint32_t at = 0;
    if (!spread)
        return;
    spread[at++] = (*args)[0];
    for (const char *p = NULL; at <= count && wr_json_next(all, &p, &item); at++) {
        spread[at] = element(b, item, array->span);
        if (!spread[at] || spread[at]->type != spread[1]->type)
            return;
    }
    *args = spread;
    *n = at;
}

static bool is_membership(const char *name)
{
    const char *plain = name + (*name == '!');
    return strcmp(plain, "in") == 0 || strcmp(plain, "in~") == 0 || strcmp(plain, "has_any") == 0 ||
           strcmp(plain, "has_all") == 0;
}

static bool bind_args(struct wr_binder *b, const struct wr_kql_ex *ast, struct wr_ex ***ret)
{
    struct wr_ex **args = wr_arena_alloc(b->arena, (ast->nargs + 1) * sizeof *args);
    bool ok = args != NULL || wr_bind_nomem(b);
    for (uint32_t i = 0; args && i < ast->nargs; i++) {
        args[i] = wr_bind_ex(b, ast->args[i]);
        ok = ok && args[i];
    }
    *ret = args;
    return ok;
}

/* in, has_any and their kin: the list's items, or those of one constant array. */
static struct wr_ex *bind_membership(struct wr_binder *b, const struct wr_kql_ex *ast)
{
    struct wr_ex **args;
    uint32_t n = ast->nargs;
    if (n < 2) {
        wr_bind_error(b, ast->span, "the list of '%s' is empty", ast->name.text);
        return NULL;
    }
    for (uint32_t i = 1; i < n; i++)
        if (wr_is_table_ex(b, ast->args[i]) && n > 2) {
            struct wr_diag *d = wr_bind_error(b, ast->args[i]->span, "a table is the whole list or none of it");
            wr_diag_hint(b->diags, d, "put the values into one table with union");
            return NULL;
        }
    if (wr_is_table_ex(b, ast->args[1]))
        return wr_bind_list_member(b, ast);
    if (!bind_args(b, ast, &args))
        return NULL;
    if (n == 2)
        spread_array(b, &args, &n);
    return wr_ex_call(b, ast->name.text, args, n, ast->span);
}

static struct wr_ex *bind_between(struct wr_binder *b, const struct wr_kql_ex *ast)
{
    const struct wr_kql_ex *range = ast->args[1];
    struct wr_ex *args[3] = {wr_bind_ex(b, ast->args[0]), wr_bind_ex(b, range->args[0]),
                             wr_bind_ex(b, range->args[1])};
    return args[0] && args[1] && args[2] ? wr_ex_call(b, ast->name.text, args, 3, ast->span) : NULL;
}

/* column_ifexists("name", default): decided here. The name may come from a let or an argument of one. */
static struct wr_ex *bind_ifexists(struct wr_binder *b, const struct wr_kql_ex *ast)
{
    const struct wr_value *name = ast->nargs == 2 ? wr_bind_written(b, ast->args[0]) : NULL;
    if (!name || name->type != WR_STRING) {
        wr_bind_error(b, ast->span, "%s takes a column's name in quotes and a default",
                      ast->name.text);
        return NULL;
    }
    const struct wr_str *s = &name->s;
    uint16_t col = b->row ? wr_schema_find(b->row, wr_str_data(s), s->len) : (uint16_t)WR_NO_COL;
    return col == WR_NO_COL ? wr_bind_ex(b, ast->args[1]) : wr_ex_col(b, b->row, col, ast->span);
}

static struct wr_ex *unknown_function(struct wr_binder *b, const struct wr_kql_ex *ast)
{
    uint32_t n;
    const char *name = ast->name.text;
    if (wr_agg_find(name, ast->name.len)) {
        struct wr_diag *d =
            wr_bind_error(b, ast->name.span, "aggregate '%s' stands outside of a summarize", name);
        wr_diag_hint(b->diags, d,
                     b->in_agg ? "aggregates do not nest; use a second summarize"
                               : "put it into one");
        return NULL;
    }
    struct wr_nearest near = wr_nearest_to(name, ast->name.len);
    const struct wr_fn *fns = wr_fn_all(&n);
    for (uint32_t i = 0; i < n; i++)
        wr_nearest_try(&near, fns[i].name, strlen(fns[i].name));
    const struct wr_agg *aggs = wr_agg_all(&n);
    for (uint32_t i = 0; b->aggs && i < n; i++)
        wr_nearest_try(&near, aggs[i].name, strlen(aggs[i].name));
    const char *what = ast->is_op ? "operator" : "function", *why = ast->is_op ? NULL : wr_fn_refused(name);
    if (why) {
        wr_bind_error(b, ast->name.span, "function '%s' is refused: %s", name, why)->page = "docs/kql.md";
        return NULL;
    }
    struct wr_diag *d =
        wr_bind_error(b, ast->name.span, "%s '%s' is not supported yet, or misspelt", what, name);
    d->page = "docs/kql.md";
    if (near.best && !ast->is_op)
        wr_diag_hint(b->diags, d, "did you mean '%s'?", near.best);
    return NULL;
}

/* When the row came to weir; nothing else than a table's own rows knows. */
static struct wr_ex *bind_ingestion(struct wr_binder *b, const struct wr_kql_ex *ast)
{
    for (uint16_t i = 0; b->row && i < b->row->ncols; i++)
        if (b->row->cols[i].hidden && strcmp(b->row->cols[i].name, "_IngestionTime") == 0)
            return wr_ex_col(b, b->row, i, ast->span);
    if (!b->row)
        return wr_ex_call(b, ast->name.text, NULL, 0, ast->span);
    struct wr_diag *d = wr_bind_error(b, ast->span, "ingestion_time() is not known here");
    wr_diag_hint(b->diags, d, "it stands directly behind the table, before extend, project and summarize");
    return NULL;
}

static struct wr_ex *bind_call(struct wr_binder *b, const struct wr_kql_ex *ast)
{
    const char *name = ast->name.text;
    const struct wr_let *let = ast->is_op ? NULL : wr_let_find(b, name);
    if (let && let->kind == WR_LET_FUNCTION)
        return wr_bind_fn_value(b, let, ast);
    if (ast->is_op && ast->nargs && ast->args[0]->kind == WR_KQL_STAR)
        return wr_bind_star(b, ast);
    if (!ast->is_op && wr_is_serial_fn(name))
        return wr_bind_serial(b, ast);
    if (!ast->is_op && strcmp(name, "toscalar") == 0)
        return wr_bind_toscalar(b, ast);
    if (!ast->is_op &&
        (strcmp(name, "column_ifexists") == 0 || strcmp(name, "columnifexists") == 0))
        return bind_ifexists(b, ast);
    if (!ast->is_op && !ast->nargs && strcmp(name, "ingestion_time") == 0)
        return bind_ingestion(b, ast);
    if (wr_is_columns_fn(ast))
        return wr_bind_columns_fn(b, ast);
    if (b->aggs && !b->in_agg && wr_names_agg(ast))
        return wr_bind_agg(b, ast);
    if (!wr_fn_find(name, ast->name.len))
        return unknown_function(b, ast);
    if (wr_takes_type(ast))
        return wr_bind_typed(b, ast);
    if (ast->is_op && is_membership(name))
        return bind_membership(b, ast);
    if (ast->is_op && strstr(name, "between"))
        return bind_between(b, ast);
    struct wr_ex **args;
    if (!bind_args(b, ast, &args))
        return NULL;
    if (ast->is_op && ast->nargs > 1 && (strcmp(name, "and") == 0 || strcmp(name, "or") == 0))
        return balance(b, name, args, ast->nargs, ast->span);
    return wr_ex_call(b, name, args, ast->nargs, ast->span);
}

/* a.b, a["b"], a[0] */
static struct wr_ex *bind_member(struct wr_binder *b, const struct wr_kql_ex *ast)
{
    bool is_ref;
    struct wr_ex *ref = wr_bind_scan_ref(b, ast, &is_ref);
    if (is_ref)
        return ref;
    const struct wr_kql_ex *of = ast->args[0];
    struct wr_ex *args[2] = {wr_is_sort(of) ? wr_bind_sort_all(b, of) : wr_bind_ex(b, of), NULL};
    if (!args[0])
        return NULL;
    if (args[0]->type != WR_DYNAMIC) {
        struct wr_diag *d =
            wr_bind_error(b, ast->args[0]->span, "only dynamic values have members; this is a %s",
                          wr_type_name(args[0]->type));
        if (args[0]->type == WR_STRING)
            wr_diag_hint(b->diags, d, "read it with parse_json() first");
        return NULL;
    }
    if (ast->kind == WR_KQL_INDEX) {
        args[1] = wr_bind_ex(b, ast->args[1]);
    } else {
        struct wr_value v = {.type = WR_STRING, .s = wr_str_borrow(ast->name.text, ast->name.len)};
        args[1] = wr_ex_const(b, &v, ast->name.span);
    }
    return args[1] ? wr_ex_call(b, "[]", args, 2, ast->span) : NULL;
}

static struct wr_ex *bind_kind(struct wr_binder *b, const struct wr_kql_ex *ast)
{
    switch (ast->kind) {
    case WR_KQL_LITERAL:
        return wr_ex_const(b, &ast->value, ast->span);
    case WR_KQL_NAME:
        return bind_name(b, ast);
    case WR_KQL_CALL:
        return bind_call(b, ast);
    case WR_KQL_PATH:
    case WR_KQL_INDEX:
        return bind_member(b, ast);
    case WR_KQL_NAMED:
        wr_bind_error(b, ast->span, "a name with '=' is not expected here");
        return NULL;
    case WR_KQL_SUBQUERY:
        wr_diag_hint(b->diags, wr_bind_error(b, ast->span, "a query is no value"), "toscalar(...) is its first one");
        return NULL;
    case WR_KQL_STAR:
        wr_bind_unsupported(b, ast->span, "'*' for any column", NULL);
        return NULL;
    default:
        wr_bind_error(b, ast->span, "a value is needed here");
        return NULL;
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by WR_BIND_MAX_DEPTH */
struct wr_ex *wr_bind_ex(struct wr_binder *b, const struct wr_kql_ex *ast)
{
    if (b->depth == WR_BIND_MAX_DEPTH) {
        wr_bind_error(b, ast->span, "this is nested too deeply");
        return NULL;
    }
    b->depth++;
    struct wr_ex *ex = bind_kind(b, ast);
    b->depth--;
    return ex;
}

struct wr_ex *wr_bind_pred(struct wr_binder *b, const struct wr_kql_ex *ast)
{
    struct wr_ex *ex = wr_bind_ex(b, ast);
    if (!ex || ex->type == WR_BOOL)
        return ex;
    struct wr_diag *d =
        wr_bind_error(b, ast->span, "a condition is needed here; this is a %s", wr_type_name(ex->type));
    if (ex->type == WR_DYNAMIC)
        wr_diag_hint(b->diags, d, "write tobool(...) around it");
    return NULL;
}
