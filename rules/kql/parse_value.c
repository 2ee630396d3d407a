/* What an expression is made of: literals, names, calls, brackets, paths. */
#include "rules/kql/parser.h"

#include <string.h>

/* NOLINTNEXTLINE(misc-no-recursion): depth is bounded by wr_parser_enter */
struct wr_kql_ex *wr_parse_item(struct wr_parser *p)
{
    uint32_t first = p->at;
    struct wr_kql_query *query = NULL;
    struct wr_kql_ex *ex = NULL;
    if (wr_parser_at_leading_op(p)) {
        query = wr_parse_query(p);
    } else {
        ex = wr_parse_named(p);
        if (ex && wr_parser_is(p, "|"))
            query = wr_parse_pipes(p, wr_parser_source_op(p, ex));
    }
    if (!query)
        return p->failed ? NULL : ex;
    struct wr_kql_ex *sub = wr_parser_node(p, WR_KQL_SUBQUERY, wr_parser_span(p, first));
    if (sub)
        sub->query = query;
    return p->failed ? NULL : sub;
}

static struct wr_kql_ex *parse_brackets(struct wr_parser *p)
{
    p->at++;
    struct wr_kql_ex *ex = wr_parse_item(p);
    return ex && wr_parser_expect(p, ")", "')' to close this bracket") ? ex : NULL;
}

/* Adjacent strings are one. */
static struct wr_kql_ex *parse_string(struct wr_parser *p)
{
    uint32_t first = p->at;
    struct wr_buf joined = {0};
    while (wr_parser_peek(p, 0)->kind == WR_TOKEN_STRING) {
        const struct wr_str *s = &wr_parser_peek(p, 0)->value.s;
        wr_buf_add(&joined, wr_str_data(s), s->len);
        p->at++;
    }
    struct wr_kql_ex *ex = wr_parser_node(p, WR_KQL_LITERAL, wr_parser_span(p, first));
    if (ex) {
        ex->value.type = WR_STRING;
        if (joined.err ||
            !wr_str_copy(p->arena, joined.data ? joined.data : "", joined.len, &ex->value.s)) {
            wr_parser_fail(p, ex->span, "%s", wr_strerror(WR_ENOMEM));
            ex = NULL;
        }
    }
    wr_buf_fini(&joined);
    return ex;
}

static bool parse_args(struct wr_parser *p, struct wr_list *args)
{
    p->at++;
    if (wr_parser_accept(p, ")"))
        return true;
    do {
        if (!wr_list_add(p, args, wr_parse_item(p)))
            return false;
    } while (wr_parser_accept(p, ","));
    return wr_parser_expect(p, ")", "',' or ')' after this argument");
}

static struct wr_kql_ex *parse_call(struct wr_parser *p)
{
    uint32_t first = p->at;
    struct wr_kql_name name = wr_parser_text(p, wr_parser_peek(p, 0)->span);
    p->at++;
    struct wr_list args = {0};
    if (!parse_args(p, &args))
        return NULL;
    struct wr_kql_ex *ex = wr_parser_node(p, WR_KQL_CALL, wr_parser_span(p, first));
    if (!ex)
        return NULL;
    ex->name = name;
    return wr_parser_seal(p, ex, &args) ? ex : NULL;
}

bool wr_parse_cols(struct wr_parser *p, struct wr_kql_ex *ex)
{
    enum { MAX_COLS = 256 };
    struct wr_kql_col *cols = wr_arena_alloc(p->arena, MAX_COLS * sizeof *cols);
    if (!cols || !wr_parser_expect(p, "(", "'(' and columns, as in (Name: string)"))
        return false;
    do {
        if (wr_parser_is(p, ")"))
            break;
        if (ex->ncols == MAX_COLS) {
            wr_parser_fail(p, wr_parser_peek(p, 0)->span, "too many columns (256 are read)");
            return false;
        }
        struct wr_kql_col *col = &cols[ex->ncols];
        col->name = wr_parser_name(p, "a column's name");
        if (p->failed || !wr_parser_expect(p, ":", "':' and the column's type"))
            return false;
        struct wr_kql_name type = wr_parser_name(p, "a type");
        if (p->failed)
            return false;
        if (!wr_type_parse(type.text, type.len, &col->type)) {
            struct wr_diag *d = wr_parser_fail(p, type.span, "no type '%s'", type.text);
            wr_diag_hint(p->diags, d,
                         "types: bool int long real datetime timespan string guid dynamic decimal");
            return false;
        }
        ex->ncols++;
    } while (wr_parser_accept(p, ","));
    ex->cols = cols;
    return wr_parser_expect(p, ")", "')' after the columns");
}

static struct wr_kql_ex *parse_datatable(struct wr_parser *p)
{
    uint32_t first = p->at++;
    struct wr_kql_ex *ex = wr_parser_node(p, WR_KQL_DATATABLE, wr_parser_span(p, first));
    struct wr_list values = {0};
    if (!ex || !wr_parse_cols(p, ex) || !wr_parser_expect(p, "[", "'[' and the values"))
        return NULL;
    while (!wr_parser_is(p, "]")) {
        if (!wr_list_add(p, &values, wr_parse_expr(p)))
            return NULL;
        if (!wr_parser_accept(p, ","))
            break;
    }
    if (!wr_parser_expect(p, "]", "',' or ']' after this value"))
        return NULL;
    ex->span = wr_parser_span(p, first);
    return wr_parser_seal(p, ex, &values) ? ex : NULL;
}

static struct wr_kql_ex *parse_typeof(struct wr_parser *p)
{
    uint32_t first = p->at++;
    if (!wr_parser_skip_brackets(p))
        return NULL;
    struct wr_kql_ex *ex = wr_parser_node(p, WR_KQL_TYPEOF, wr_parser_span(p, first));
    if (ex && p->at - first == 4) /* typeof ( name ) */
        ex->name = wr_parser_text(p, p->tokens.at[first + 2].span);
    return ex;
}

static struct wr_kql_ex *parse_name(struct wr_parser *p)
{
    if (wr_token_is(p, wr_parser_peek(p, 1), "(") && wr_parser_peek(p, 0)->kind == WR_TOKEN_NAME) {
        if (wr_parser_is(p, "datatable"))
            return parse_datatable(p);
        if (wr_parser_is(p, "externaldata") || wr_parser_is(p, "external_data"))
            return wr_parse_external(p);
        return wr_parser_is(p, "typeof") ? parse_typeof(p) : parse_call(p);
    }
    struct wr_kql_name name = wr_parser_name(p, "a name");
    struct wr_kql_ex *ex = p->failed ? NULL : wr_parser_node(p, WR_KQL_NAME, name.span);
    if (ex)
        ex->name = name;
    return ex;
}

static struct wr_kql_ex *parse_primary(struct wr_parser *p)
{
    const struct wr_token *t = wr_parser_peek(p, 0);
    if (t->kind == WR_TOKEN_STRING)
        return parse_string(p);
    if (t->kind == WR_TOKEN_LITERAL) {
        p->at++;
        struct wr_kql_ex *ex = wr_parser_node(p, WR_KQL_LITERAL, t->span);
        if (ex)
            ex->value = t->value;
        return ex;
    }
    if (wr_parser_is_name(p, 0))
        return parse_name(p);
    if (wr_parser_is(p, "("))
        return parse_brackets(p);
    if (wr_parser_is(p, "*")) {
        p->at++;
        return wr_parser_node(p, WR_KQL_STAR, t->span);
    }
    wr_parser_unexpected(p, "a value");
    return NULL;
}

static struct wr_kql_ex *parse_path(struct wr_parser *p, struct wr_kql_ex *object, uint32_t first)
{
    struct wr_list args = {0};
    if (!wr_list_add(p, &args, object))
        return NULL;
    bool call = wr_token_is(p, wr_parser_peek(p, 1), "(");
    struct wr_kql_name name = wr_parser_name(p, "a name after '.'");
    if (p->failed || (call && !parse_args(p, &args)))
        return NULL;
    struct wr_kql_ex *ex =
        wr_parser_node(p, call ? WR_KQL_CALL : WR_KQL_PATH, wr_parser_span(p, first));
    if (!ex)
        return NULL;
    ex->name = name;
    return wr_parser_seal(p, ex, &args) ? ex : NULL;
}

static struct wr_kql_ex *parse_index(struct wr_parser *p, struct wr_kql_ex *object, uint32_t first)
{
    struct wr_list args = {0};
    if (!wr_list_add(p, &args, object) || !wr_list_add(p, &args, wr_parse_expr(p)) ||
        !wr_parser_expect(p, "]", "']' after the index"))
        return NULL;
    struct wr_kql_ex *ex = wr_parser_node(p, WR_KQL_INDEX, wr_parser_span(p, first));
    return ex && wr_parser_seal(p, ex, &args) ? ex : NULL;
}

static struct wr_kql_ex *parse_postfix(struct wr_parser *p)
{
    uint32_t first = p->at;
    struct wr_kql_ex *ex = parse_primary(p);
    while (ex && !p->failed) {
        bool dot = wr_parser_accept(p, ".");
        if (wr_parser_accept(p, "[")) /* also `a.[0]`, `a.["b"]` */
            ex = parse_index(p, ex, first);
        else if (dot)
            ex = parse_path(p, ex, first);
        else
            break;
    }
    return p->failed ? NULL : ex;
}

/* A minus before a number is part of the number. */
static bool negate(struct wr_kql_ex *ex)
{
    if (ex->kind != WR_KQL_LITERAL || ex->value.null)
        return false;
    if (ex->value.type == WR_REAL)
        ex->value.r = -ex->value.r;
    else if (ex->value.type == WR_LONG || ex->value.type == WR_INT || ex->value.type == WR_TIMESPAN)
        ex->value.i = -ex->value.i;
    else
        return false;
    return true;
}

/* NOLINTNEXTLINE(misc-no-recursion): depth is bounded by wr_parser_enter */
struct wr_kql_ex *wr_parse_unary(struct wr_parser *p)
{
    const struct wr_token *t = wr_parser_peek(p, 0);
    bool minus = wr_token_is(p, t, "-");
    if (!minus && !wr_token_is(p, t, "+"))
        return parse_postfix(p);
    uint32_t first = p->at++;
    if (!wr_parser_enter(p))
        return NULL;
    struct wr_kql_ex *arg = wr_parse_unary(p);
    p->depth--;
    if (!arg)
        return NULL;
    if (minus ? negate(arg) : arg->kind == WR_KQL_LITERAL) {
        arg->span = wr_parser_span(p, first);
        return arg;
    }
    struct wr_list args = {0};
    struct wr_kql_ex *ex = wr_parser_node(p, WR_KQL_CALL, wr_parser_span(p, first));
    if (!ex || !wr_list_add(p, &args, arg))
        return NULL;
    ex->is_op = true;
    ex->name = (struct wr_kql_name){minus ? "-" : "+", 1, t->span};
    return wr_parser_seal(p, ex, &args) ? ex : NULL;
}

/* Position after `(a, b) =`, or 0. */
static uint32_t compound_names(const struct wr_parser *p)
{
    uint32_t i = 0;
    if (!wr_token_is(p, wr_parser_peek(p, i++), "("))
        return 0;
    for (;;) {
        if (wr_parser_peek(p, i++)->kind != WR_TOKEN_NAME)
            return 0;
        if (wr_token_is(p, wr_parser_peek(p, i), ")"))
            break;
        if (!wr_token_is(p, wr_parser_peek(p, i++), ","))
            return 0;
    }
    return wr_token_is(p, wr_parser_peek(p, i + 1), "=") ? i + 2 : 0;
}

static uint32_t single_name(const struct wr_parser *p)
{
    if (wr_parser_peek(p, 0)->kind == WR_TOKEN_NAME && wr_token_is(p, wr_parser_peek(p, 1), "="))
        return 2;
    return wr_parser_is_name(p, 0) && wr_token_is(p, wr_parser_peek(p, 3), "=") &&
                   wr_token_is(p, wr_parser_peek(p, 0), "[")
               ? 4
               : 0;
}

struct wr_kql_ex *wr_parse_named(struct wr_parser *p)
{
    uint32_t first = p->at, skip = single_name(p), many = skip ? 0 : compound_names(p);
    if (!skip && !many)
        return wr_parse_expr(p);
    struct wr_kql_name *names = wr_arena_alloc(p->arena, (many ? many : 1) * sizeof *names);
    struct wr_kql_ex *ex = wr_parser_node(p, WR_KQL_NAMED, wr_parser_peek(p, 0)->span);
    if (!names || !ex)
        return NULL;
    if (many)
        p->at++;
    do
        names[ex->nnames++] = wr_parser_name(p, "a name");
    while (many && wr_parser_accept(p, ","));
    p->at = first + (skip ? skip : many);
    struct wr_list args = {0};
    if (!wr_list_add(p, &args, wr_parser_at_leading_op(p) ? wr_parse_item(p) : wr_parse_expr(p)))
        return NULL;
    ex->names = names;
    ex->span = wr_parser_span(p, first);
    return wr_parser_seal(p, ex, &args) ? ex : NULL;
}

bool wr_parse_named_list(struct wr_parser *p, struct wr_list *list)
{
    do {
        if (!wr_list_add(p, list, wr_parse_named(p)))
            return false;
    } while (wr_parser_accept(p, ","));
    return true;
}
