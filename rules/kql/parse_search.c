/* search and find: rows of several tables by one condition. */
#include "rules/kql/parser.h"

/* in (A, B) */
static bool parse_tables(struct wr_parser *p, struct wr_kql_op *op)
{
    struct wr_list tables = {0};
    if (!wr_parser_accept(p, "in"))
        return true;
    if (!wr_parser_expect(p, "(", "'(' and tables"))
        return false;
    do {
        bool pattern = wr_parser_is(p, "*") || (wr_parser_peek(p, 0)->kind == WR_TOKEN_NAME &&
                                                wr_token_is(p, wr_parser_peek(p, 1), "*"));
        if (!wr_list_add(p, &tables, pattern ? wr_parse_pattern(p) : wr_parse_item(p)))
            return false;
    } while (wr_parser_accept(p, ","));
    op->args = tables.at;
    op->nargs = tables.n;
    return wr_parser_expect(p, ")", "',' or ')' after this table");
}

static bool parse_condition(struct wr_parser *p, struct wr_kql_op *op)
{
    struct wr_list cond = {0};
    if (!wr_list_add(p, &cond, wr_parse_expr(p)))
        return false;
    op->by = cond.at;
    op->nby = 1;
    op->has_by = true;
    return true;
}

bool wr_parse_search(struct wr_parser *p, struct wr_kql_op *op)
{
    if (wr_parser_is(p, "kind") && wr_token_is(p, wr_parser_peek(p, 1), "=")) {
        p->at += 2;
        op->label = wr_parser_name(p, "'case_sensitive' or 'case_insensitive'");
    }
    return !p->failed && parse_tables(p, op) && parse_condition(p, op);
}

/* project a, b | project-smart */
static bool parse_project(struct wr_parser *p, struct wr_kql_op *op)
{
    struct wr_list cols = {0};
    if (!wr_parser_accept(p, "project"))
        return true;
    if (wr_parser_accept(p, "-"))
        return wr_parser_expect(p, "smart", "'project-smart'");
    if (!wr_parse_named_list(p, &cols))
        return false;
    op->project = cols.at;
    op->nproject = cols.n;
    return true;
}

bool wr_parse_find(struct wr_parser *p, struct wr_kql_op *op)
{
    if (wr_parser_is(p, "withsource") && wr_token_is(p, wr_parser_peek(p, 1), "=")) {
        p->at += 2;
        op->withsource = wr_parser_name(p, "a column's name");
    }
    if (p->failed || !parse_tables(p, op))
        return false;
    wr_parser_accept(p, "where");
    return parse_condition(p, op) && parse_project(p, op);
}
