/* What brings its own shape: evaluate and its plugins, externaldata. */
#include "rules/kql/parser.h"

/* plugin(args) : (*, Name: type) */
bool wr_parse_evaluate(struct wr_parser *p, struct wr_kql_op *op)
{
    struct wr_list call = {0};
    struct wr_kql_ex cols = {0};
    if (!wr_parser_skip_hints(p) || !wr_list_add(p, &call, wr_parse_unary(p)))
        return false;
    op->args = call.at;
    op->nargs = call.n;
    if (!wr_parser_accept(p, ":"))
        return true;
    if (wr_token_is(p, wr_parser_peek(p, 1), "*")) { /* the columns are read from the token behind "(" on */
        uint32_t open = p->at;
        p->at += 2;
        op->star = true;
        if (wr_parser_accept(p, ")"))
            return true;
        if (!wr_parser_is(p, ",")) {
            wr_parser_unexpected(p, "',' or ')' after '*'");
            return false;
        }
        p->tokens.at[p->at] = p->tokens.at[open];
    }
    bool ok = wr_parse_cols(p, &cols);
    op->cols = cols.cols;
    op->ncols = cols.ncols;
    return ok;
}

/* with (format = "csv", ignoreFirstRecord = true) */
static bool parse_with(struct wr_parser *p, struct wr_kql_ex *ex)
{
    struct wr_list with = {0};
    if (!wr_parser_expect(p, "(", "'(' and properties"))
        return false;
    while (!wr_parser_is(p, ")")) {
        struct wr_kql_ex *property = wr_parse_named(p);
        if (property && property->kind != WR_KQL_NAMED) {
            wr_parser_fail(p, property->span, "a property is a name and its value: format = \"csv\"");
            return false;
        }
        if (!wr_list_add(p, &with, property))
            return false;
        if (!wr_parser_accept(p, ","))
            break;
    }
    ex->with = with.at;
    ex->nwith = with.n;
    return wr_parser_expect(p, ")", "',' or ')' after this property");
}

/* externaldata (Name: type) [address, ...] with (...) */
struct wr_kql_ex *wr_parse_external(struct wr_parser *p)
{
    uint32_t first = p->at++;
    struct wr_kql_ex *ex = wr_parser_node(p, WR_KQL_EXTERNAL, wr_parser_span(p, first));
    struct wr_list addresses = {0};
    if (!ex || !wr_parse_cols(p, ex) || !wr_parser_expect(p, "[", "'[' and the addresses of the data"))
        return NULL;
    while (!wr_parser_is(p, "]")) {
        if (!wr_list_add(p, &addresses, wr_parse_expr(p)))
            return NULL;
        if (!wr_parser_accept(p, ","))
            break;
    }
    if (!wr_parser_expect(p, "]", "',' or ']' after this address"))
        return NULL;
    if (wr_parser_accept(p, "with") && !parse_with(p, ex))
        return NULL;
    ex->span = wr_parser_span(p, first);
    return wr_parser_seal(p, ex, &addresses) ? ex : NULL;
}
