/* Operators that name a second table: join, lookup, invoke. */
#include "rules/kql/parser.h"

/* kind = leftouter hint.strategy = shuffle */
static bool parse_kind(struct wr_parser *p, struct wr_kql_op *op)
{
    if (!wr_parser_skip_hints(p))
        return false;
    if (wr_parser_is(p, "kind") && wr_token_is(p, wr_parser_peek(p, 1), "=")) {
        p->at += 2;
        op->label = wr_parser_name(p, "a kind of join");
    }
    return !p->failed && wr_parser_skip_hints(p);
}

bool wr_parse_join(struct wr_parser *p, struct wr_kql_op *op)
{
    struct wr_list table = {0}, on = {0};
    if (!parse_kind(p, op) || !wr_list_add(p, &table, wr_parse_unary(p)) ||
        !wr_parser_expect(p, "on", "'on' and columns"))
        return false;
    do {
        if (!wr_list_add(p, &on, wr_parse_expr(p)))
            return false;
    } while (wr_parser_accept(p, ","));
    op->args = table.at;
    op->nargs = table.n;
    op->has_by = true;
    op->by = on.at;
    op->nby = on.n;
    return true;
}

bool wr_parse_invoke(struct wr_parser *p, struct wr_kql_op *op)
{
    struct wr_list call = {0};
    if (!wr_list_add(p, &call, wr_parse_unary(p)))
        return false;
    op->args = call.at;
    op->nargs = call.n;
    return true;
}
