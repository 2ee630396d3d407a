/* make-series, top-nested: operators of several clauses. */
#include "rules/kql/parser.h"

#include <string.h>

/* count() default = 0, ...: values in `args`, defaults (or NULL) in `by` of `values`. */
static bool parse_aggregates(struct wr_parser *p, struct wr_kql_op *op)
{
    struct wr_list args = {0};
    struct wr_kql_ex **defaults = wr_arena_alloc(p->arena, WR_KQL_MAX_PIPES * sizeof(struct wr_kql_ex *));
    if (!defaults)
        return false;
    do {
        if (args.n == WR_KQL_MAX_PIPES || !wr_list_add(p, &args, wr_parse_named(p)))
            return false;
        if (wr_parser_is(p, "default") && wr_token_is(p, wr_parser_peek(p, 1), "=")) {
            p->at += 2;
            if (!(defaults[args.n - 1] = wr_parse_unary(p)))
                return false;
        }
    } while (wr_parser_accept(p, ","));
    op->args = args.at;
    op->nargs = args.n;
    op->defaults = defaults;
    return true;
}

static bool parse_bound(struct wr_parser *p, const char *word, struct wr_kql_ex **ret)
{
    if (!wr_parser_accept(p, word))
        return true;
    *ret = wr_parse_expr(p);
    return *ret != NULL;
}

/* in range(from, to, step) */
static bool parse_in_range(struct wr_parser *p, struct wr_kql_ex **axis)
{
    if (!wr_parser_expect(p, "range", "'range' after 'in'") || !wr_parser_expect(p, "(", "'(' and the range's ends"))
        return false;
    for (int i = 1; i <= 3; i++)
        if (!(axis[i] = wr_parse_expr(p)) ||
            !wr_parser_expect(p, i < 3 ? "," : ")", i < 3 ? "',' and the next of start, stop, step" : "')'"))
            return false;
    return true;
}

/* `t`, `bin(t, 1h)`, `x = t`: an `in` behind it is no operator of it. */
static struct wr_kql_ex *parse_axis(struct wr_parser *p)
{
    uint32_t first = p->at;
    struct wr_list args = {0};
    bool named = wr_parser_peek(p, 0)->kind == WR_TOKEN_NAME && wr_token_is(p, wr_parser_peek(p, 1), "=");
    if (!named)
        return wr_parse_unary(p);
    struct wr_kql_name *name = wr_arena_alloc(p->arena, sizeof *name);
    if (!name)
        return NULL;
    *name = wr_parser_name(p, "a name");
    p->at++;
    if (!wr_list_add(p, &args, wr_parse_unary(p)))
        return NULL;
    struct wr_kql_ex *ex = wr_parser_node(p, WR_KQL_NAMED, wr_parser_span(p, first));
    if (!ex)
        return NULL;
    ex->names = name;
    ex->nnames = 1;
    return wr_parser_seal(p, ex, &args) ? ex : NULL;
}

bool wr_parse_series(struct wr_parser *p, struct wr_kql_op *op)
{
    struct wr_kql_ex **axis = wr_arena_alloc(p->arena, 4 * sizeof *axis); /* axis, from, to, step */
    struct wr_list by = {0};
    if (wr_parser_is(p, "kind") && wr_token_is(p, wr_parser_peek(p, 1), "=")) {
        p->at += 2;
        op->label = wr_parser_name(p, "'nonempty'");
    }
    if (!axis || p->failed || !wr_parser_skip_hints(p) || !parse_aggregates(p, op) ||
        !wr_parser_expect(p, "on", "'on' and the axis") || !(axis[0] = parse_axis(p)))
        return false;
    op->axis = axis;
    op->inner = wr_parser_accept(p, "in");
    if (op->inner ? !parse_in_range(p, axis)
                  : !parse_bound(p, "from", &axis[1]) || !parse_bound(p, "to", &axis[2]) ||
                        !wr_parser_expect(p, "step", "'step'") || !(axis[3] = wr_parse_expr(p)))
        return false;
    if (!wr_parser_accept(p, "by"))
        return true;
    if (!wr_parse_named_list(p, &by))
        return false;
    op->by = by.at;
    op->nby = by.n;
    op->has_by = true;
    return true;
}

static bool parse_others(struct wr_parser *p, struct wr_kql_ex **ret)
{
    return !wr_parser_accept(p, "with") ||
           (wr_parser_expect(p, "others", "'others' after 'with'") &&
            wr_parser_expect(p, "=", "'=' after 'others'") && (*ret = wr_parse_unary(p)) != NULL);
}

/* 3 of Column with others = "rest" by sum(x) desc, top-nested 2 of ... : per level its number (or NULL), key, others (or
 * NULL), aggregate with its order. */
bool wr_parse_top_nested(struct wr_parser *p, struct wr_kql_op *op)
{
    struct wr_list args = {0}, keys = {0};
    struct wr_kql_ex **counts = wr_arena_alloc(p->arena, WR_KQL_MAX_PIPES * sizeof(struct wr_kql_ex *));
    struct wr_kql_ex **others = wr_arena_alloc(p->arena, WR_KQL_MAX_PIPES * sizeof(struct wr_kql_ex *));
    do {
        if (args.n && !(wr_parser_accept(p, "top") && wr_parser_accept(p, "-") && wr_parser_accept(p, "nested")))
            return wr_parser_unexpected(p, "'top-nested' after ','") == NULL;
        if (!counts || !others || args.n == WR_KQL_MAX_PIPES)
            return false;
        if (!wr_parser_is(p, "of") && !(counts[args.n] = wr_parse_unary(p)))
            return false;
        if (!wr_parser_expect(p, "of", "'of' and what is ranked") || !wr_list_add(p, &keys, wr_parse_named(p)))
            return false;
        if (!parse_others(p, &others[args.n]) || !wr_parser_expect(p, "by", "'by' and an aggregate") ||
            !wr_list_add(p, &args, wr_parse_order(p, wr_parse_named(p), true)))
            return false;
    } while (wr_parser_accept(p, ","));
    op->args = args.at;
    op->nargs = args.n;
    op->by = keys.at;
    op->nby = keys.n;
    op->defaults = counts;
    op->axis = others;
    return true;
}
