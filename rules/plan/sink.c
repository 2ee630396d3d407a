/* Operators over single rows go below a union, into each of its legs, and filters on below the map
 * that makes a leg's columns the union's: a leg then has all that a query over its table alone
 * would have, in the same order.
 *
 *   union A, B | where Port == 25 | project X      union (A | where Port == 25 | map | project X),
 *                                                        (B | where Port == 25 | map | project X)
 *
 * So filters reach kept rows, dispatch and decoders of each table; a leg in which a filter can
 * never be true (a column that its table has not, compared with a value) goes, as does one of no
 * rows; unions inside of unions become one. What is copied is bounded: past it operators stay above
 * the union, where they mean the same. Runs after prune.c: legs have equal columns. */
#include "rules/plan/bind.h"

#include <string.h>

enum {
    MAX_OPS = 800,
    MAX_PARTS = 256
}; /* a run has room for a few more operators (rules/exec/run_state.h) */

struct sink {
    struct wr_binder *b;
    uint32_t ops;
};

static bool is_and(const struct wr_ex *ex)
{
    return ex->kind == WR_EX_CALL && ex->nargs == 2 && strcmp(ex->fn->name, "and") == 0;
}

static uint32_t conjuncts(struct wr_ex *ex, struct wr_ex **out, uint32_t n)
{
    if (is_and(ex)) {
        n = conjuncts(ex->args[0], out, n);
        return conjuncts(ex->args[1], out, n);
    }
    if (n < MAX_PARTS)
        out[n] = ex;
    return n + 1;
}

/* Every column that `ex` reads is handed on or constant in `map`. */
static bool can_pass(const struct wr_ex *ex, const struct wr_op *map)
{
    if (ex->kind == WR_EX_COL)
        return map->cols[ex->col]->kind == WR_EX_COL || map->cols[ex->col]->kind == WR_EX_CONST;
    for (uint32_t i = 0; i < ex->nargs; i++)
        if (!can_pass(ex->args[i], map))
            return false;
    return true;
}

/* `ex` over the map as an expression over its input. NOLINTNEXTLINE(misc-no-recursion): as deep as
 * the expression */
static struct wr_ex *passed(struct sink *s, struct wr_ex *ex, const struct wr_op *map)
{
    if (ex->kind == WR_EX_COL)
        return map->cols[ex->col];
    if (!ex->nargs)
        return ex;
    struct wr_ex *copy = wr_arena_alloc(s->b->arena, sizeof *copy);
    struct wr_ex **args = wr_arena_alloc(s->b->arena, ex->nargs * sizeof *args);
    if (!copy || !args) {
        wr_bind_nomem(s->b);
        return NULL;
    }
    *copy = *ex;
    copy->args = args;
    for (uint32_t i = 0; i < ex->nargs; i++)
        if (!(args[i] = passed(s, ex->args[i], map)))
            return NULL;
    return wr_ex_fold(s->b, copy);
}

static struct wr_op *copy_of(struct sink *s, const struct wr_op *op, struct wr_op *input)
{
    struct wr_op *copy = wr_arena_alloc(s->b->arena, sizeof *copy);
    if (!copy) {
        wr_bind_nomem(s->b);
        return NULL;
    }
    *copy = *op;
    copy->input = input;
    if (op->kind == WR_OP_WHERE)
        copy->schema = input->schema;
    return copy;
}

/* `parts` as a filter over `input`; constants that are true are left out. */
static struct wr_op *filter(struct sink *s, const struct wr_op *where, struct wr_op *input,
                            struct wr_ex **parts, uint32_t n)
{
    struct wr_ex *all = NULL;
    for (uint32_t i = 0; i < n; i++) {
        if (parts[i]->kind == WR_EX_CONST && !parts[i]->value.null && parts[i]->value.i)
            continue;
        struct wr_ex *const both[] = {all, parts[i]};
        all = all ? wr_ex_call(s->b, "and", both, 2, where->span) : parts[i];
        if (!all)
            return NULL;
    }
    struct wr_op *op = all ? copy_of(s, where, input) : input;
    if (op && all)
        op->pred = all;
    return op;
}

/* A filter onto `input`, below its map as far as it goes. NULL: no memory.
 * NOLINTNEXTLINE(misc-no-recursion): as deep as operators stand, which wr_op_new bounds */
static struct wr_op *put_filter(struct sink *s, const struct wr_op *where, struct wr_op *input)
{
    struct wr_ex *part[MAX_PARTS], *below[MAX_PARTS], *here[MAX_PARTS];
    uint32_t n = conjuncts(where->pred, part, 0), nbelow = 0, nhere = 0;
    if (input->kind != WR_OP_MAP || n > MAX_PARTS)
        return copy_of(s, where, input);
    for (uint32_t i = 0; i < n; i++)
        if (!can_pass(part[i], input))
            here[nhere++] = part[i];
        else if (!(below[nbelow++] = passed(s, part[i], input)))
            return NULL;
    struct wr_op lower = *where;
    lower.input = input->input;
    struct wr_op *op = nbelow ? filter(s, where, input->input, below, nbelow) : input->input;
    if (op && op != input->input) {
        lower.pred = op->pred;
        op = put_filter(s, &lower, input->input);
    }
    op = op ? copy_of(s, input, op) : NULL;
    return op && nhere ? filter(s, where, op, here, nhere) : op;
}

/* No row comes out of it. */
static bool gives_nothing(const struct wr_op *op)
{
    for (; op; op = op->input) {
        if (op->kind == WR_OP_ROWS && !op->nrows)
            return true;
        if (op->kind == WR_OP_WHERE && op->pred->kind == WR_EX_CONST &&
            (op->pred->value.null || !op->pred->value.i))
            return true;
        if (op->kind != WR_OP_WHERE && op->kind != WR_OP_MAP && op->kind != WR_OP_PARSE &&
            op->kind != WR_OP_EXPAND)
            return false;
    }
    return false;
}

/* Legs that are unions give theirs; those of no rows go, but for the last. */
static struct wr_op *flatten(struct sink *s, struct wr_op *op)
{
    uint32_t n = 0, k = 0;
    for (uint32_t i = 0; i < op->ninputs; i++)
        n += op->inputs[i]->kind == WR_OP_UNION ? op->inputs[i]->ninputs : 1;
    struct wr_op **legs = wr_arena_alloc(s->b->arena, (n + 1) * sizeof *legs);
    if (!legs) {
        wr_bind_nomem(s->b);
        return NULL;
    }
    for (uint32_t i = 0; i < op->ninputs; i++) {
        struct wr_op *leg = op->inputs[i];
        bool many = leg->kind == WR_OP_UNION;
        for (uint32_t m = 0; m < (many ? leg->ninputs : 1); m++) {
            struct wr_op *one = many ? leg->inputs[m] : leg;
            if (!gives_nothing(one))
                legs[k++] = one;
        }
    }
    if (!k)
        legs[k++] = op->inputs[0];
    op->inputs = legs;
    op->ninputs = k;
    op->schema = legs[0]->schema;
    return k == 1 ? legs[0] : op;
}

/* `op`, which looks at single rows, into each leg. */
static struct wr_op *distribute(struct sink *s, const struct wr_op *op, struct wr_op *onto)
{
    s->ops += onto->ninputs;
    for (uint32_t i = 0; i < onto->ninputs; i++) {
        struct wr_op *leg = onto->inputs[i];
        onto->inputs[i] = op->kind == WR_OP_WHERE ? put_filter(s, op, leg) : copy_of(s, op, leg);
        if (!onto->inputs[i])
            return NULL;
    }
    onto->schema = onto->inputs[0]->schema;
    return flatten(s, onto);
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as operators stand, which wr_op_new bounds */
static struct wr_op *sink(struct sink *s, struct wr_op *op)
{
    if (op->input && !(op->input = sink(s, op->input)))
        return NULL;
    for (uint32_t i = 0; i < op->ninputs; i++)
        if (!(op->inputs[i] = sink(s, op->inputs[i])))
            return NULL;
    if (op->kind == WR_OP_UNION)
        return flatten(s, op);
    bool single = op->kind == WR_OP_WHERE || op->kind == WR_OP_MAP || op->kind == WR_OP_PARSE;
    if (single && op->input->kind == WR_OP_UNION && s->ops + op->input->ninputs <= MAX_OPS)
        return distribute(s, op, op->input);
    return op->kind == WR_OP_WHERE && op->input->kind == WR_OP_MAP ? put_filter(s, op, op->input)
                                                                   : op;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as operators stand, which wr_op_new bounds */
static uint32_t count_ops(const struct wr_op *op)
{
    uint32_t n = 1 + (op->input ? count_ops(op->input) : 0);
    for (uint32_t i = 0; i < op->ninputs; i++)
        n += count_ops(op->inputs[i]);
    return n;
}

bool wr_plan_sink(struct wr_binder *b)
{
    struct sink s = {.b = b, .ops = count_ops(b->plan->root)};
    for (uint32_t i = 0; i < b->plan->nsubs; i++)
        s.ops += count_ops(b->plan->subs[i].root);
    for (uint32_t i = 0; i < b->plan->nsubs; i++)
        if (!(b->plan->subs[i].root = sink(&s, b->plan->subs[i].root)))
            return false;
    b->plan->root = sink(&s, b->plan->root);
    return b->plan->root != NULL;
}
