/* parse, parse-where, parse-kv: columns out of a text. */
#include "rules/kql/parser.h"

#include <string.h>

static struct wr_kql_ex *parse_column(struct wr_parser *p)
{
    struct wr_kql_name name = wr_parser_name(p, "a column's name");
    struct wr_kql_ex *ex = p->failed ? NULL : wr_parser_node(p, WR_KQL_NAME, name.span);
    struct wr_kql_col *col = ex ? wr_arena_alloc(p->arena, sizeof *col) : NULL;
    if (!col)
        return NULL;
    *col = (struct wr_kql_col){name, WR_STRING};
    ex->name = name;
    ex->cols = col;
    ex->ncols = 1;
    if (!wr_parser_accept(p, ":"))
        return ex;
    struct wr_kql_name type = wr_parser_name(p, "a type");
    if (!p->failed && !wr_type_parse(type.text, type.len, &col->type))
        wr_parser_fail(p, type.span, "no type '%s'", type.text);
    return p->failed ? NULL : ex;
}

static bool ends(const struct wr_parser *p)
{
    const struct wr_token *t = wr_parser_peek(p, 0);
    return t->kind == WR_TOKEN_END || wr_token_is(p, t, "|") || wr_token_is(p, t, ";") || wr_token_is(p, t, ")") ||
           wr_token_is(p, t, "}");
}

/* kind = regex flags = Ui */
static bool parse_options(struct wr_parser *p, struct wr_kql_op *op)
{
    if (wr_parser_is(p, "kind") && wr_token_is(p, wr_parser_peek(p, 1), "=")) {
        p->at += 2;
        op->label = wr_parser_name(p, "'simple', 'relaxed' or 'regex'");
    }
    if (!p->failed && wr_parser_is(p, "flags") && wr_token_is(p, wr_parser_peek(p, 1), "=")) {
        p->at += 2;
        op->withsource = wr_parser_name(p, "flags among U, i, m, s");
    }
    return !p->failed;
}

/* text with * "a=" A: long "," B */
bool wr_parse_parse(struct wr_parser *p, struct wr_kql_op *op)
{
    struct wr_list text = {0}, parts = {0};
    if (!parse_options(p, op) || !wr_list_add(p, &text, wr_parse_expr(p)) ||
        !wr_parser_expect(p, "with", "'with' and a pattern"))
        return false;
    while (!ends(p)) {
        const struct wr_token *t = wr_parser_peek(p, 0);
        bool literal = t->kind == WR_TOKEN_STRING || wr_parser_is(p, "*");
        if (!wr_list_add(p, &parts, literal ? wr_parse_unary(p) : parse_column(p)))
            return false;
    }
    op->args = text.at;
    op->nargs = text.n;
    op->by = parts.at;
    op->nby = parts.n;
    op->has_by = true;
    return parts.n || wr_parser_unexpected(p, "a text, a column or '*'") == NULL;
}

/* text as (A: long, B: string) with (pair_delimiter = ",", ...) */
bool wr_parse_kv(struct wr_parser *p, struct wr_kql_op *op)
{
    struct wr_list text = {0}, with = {0};
    struct wr_kql_ex cols = {0};
    if (!wr_list_add(p, &text, wr_parse_expr(p)) || !wr_parser_expect(p, "as", "'as' and columns") ||
        !wr_parse_cols(p, &cols))
        return false;
    op->args = text.at;
    op->nargs = text.n;
    op->cols = cols.cols;
    op->ncols = cols.ncols;
    if (!wr_parser_accept(p, "with"))
        return true;
    if (!wr_parser_expect(p, "(", "'(' and options") || !wr_parse_named_list(p, &with))
        return false;
    op->by = with.at;
    op->nby = with.n;
    op->has_by = true;
    return wr_parser_expect(p, ")", "',' or ')' after this option");
}
