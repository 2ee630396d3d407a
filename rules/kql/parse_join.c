/* Operators that name a second table: join, lookup, invoke. */
#include "rules/kql/parser.h"

#include <string.h>

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
    if (!parse_kind(p, op) || !wr_list_add(p, &table, wr_parse_unary(p)))
        return false;
    op->where = wr_parser_accept(p, "where");
    if (!op->where && !wr_parser_expect(p, "on", "'on' and columns"))
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

/* kind = array, bagexpansion = bag, with_itemindex = i */
static bool parse_expand_options(struct wr_parser *p, struct wr_kql_op *op)
{
    while (wr_token_is(p, wr_parser_peek(p, 1), "=")) {
        const struct wr_token *t = wr_parser_peek(p, 0);
        if (wr_token_is(p, t, "with_itemindex")) {
            p->at += 2;
            op->label = wr_parser_name(p, "a column's name");
        } else if (wr_token_is(p, t, "kind") || wr_token_is(p, t, "bagexpansion")) {
            p->at += 2;
            op->inner = wr_parser_accept(p, "array");
            if (!op->inner && !wr_parser_expect(p, "bag", "'array' or 'bag'"))
                return false;
        } else {
            break;
        }
        if (p->failed)
            return false;
    }
    return true;
}

bool wr_parse_expand(struct wr_parser *p, struct wr_kql_op *op)
{
    struct wr_list args = {0};
    struct wr_kql_ex **types = wr_arena_alloc(p->arena, WR_KQL_MAX_PIPES * sizeof(struct wr_kql_ex *));
    op->limit = strcmp(op->name.text, "mvexpand") == 0 ? 128 : -1; /* the old name's own limit */
    if (!types || !parse_expand_options(p, op))
        return false;
    do {
        if (args.n == WR_KQL_MAX_PIPES || !wr_list_add(p, &args, wr_parse_named(p)))
            return false;
        if (wr_parser_accept(p, "to") && !(types[args.n - 1] = wr_parse_unary(p)))
            return false;
    } while (wr_parser_accept(p, ","));
    if (wr_parser_accept(p, "limit")) {
        struct wr_kql_ex *n = wr_parse_unary(p);
        if (!n || n->kind != WR_KQL_LITERAL || n->value.type != WR_LONG || n->value.i < 0) {
            wr_parser_unexpected(p, "a whole number after 'limit'");
            return false;
        }
        op->limit = n->value.i;
    }
    op->args = args.at;
    op->nargs = args.n;
    op->by = types; /* typeof() of each argument, or NULL; has_by is not set */
    return true;
}

bool wr_parse_mv_apply(struct wr_parser *p, struct wr_kql_op *op)
{
    if (!wr_parse_expand(p, op) || !wr_parser_expect(p, "on", "'on' and operators in brackets"))
        return false;
    op->piece = wr_parse_piece(p);
    return op->piece != NULL;
}

/* `by Column (operators)` is no call of a function. */
static void column_then_piece(struct wr_parser *p, struct wr_list *key)
{
    struct wr_kql_name name = wr_parser_name(p, "a column");
    struct wr_kql_ex *ex = p->failed ? NULL : wr_parser_node(p, WR_KQL_NAME, name.span);
    if (ex)
        ex->name = name;
    (void)wr_list_add(p, key, ex);
}

bool wr_parse_partition(struct wr_parser *p, struct wr_kql_op *op)
{
    struct wr_list key = {0};
    if (!wr_parser_skip_hints(p) || !wr_parser_expect(p, "by", "'by' and a column"))
        return false;
    column_then_piece(p, &key);
    if (p->failed)
        return false;
    op->args = key.at;
    op->nargs = key.n;
    if (!wr_parser_accept(p, "{")) {
        op->piece = wr_parse_piece(p);
        return op->piece != NULL;
    }
    op->piece = wr_parse_query(p); /* with a source of its own */
    return op->piece && wr_parser_expect(p, "}", "'|' or '}' after this query");
}
