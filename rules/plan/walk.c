/* Expressions of operators, in one place for all who look at every one. */
#include "rules/plan/bind.h"

static bool any_of(struct wr_ex *const *exs, size_t n, bool (*test)(const struct wr_ex *, void *), void *arg)
{
    for (size_t i = 0; i < n; i++)
        if (test(exs[i], arg))
            return true;
    return false;
}

/* How many expressions `cols` has. */
static size_t count_cols(const struct wr_op *op)
{
    switch (op->kind) {
    case WR_OP_MAP:
        return op->schema->ncols;
    case WR_OP_JOIN:
        return 2 * (size_t)op->nkeys;
    default:
        return op->nkeys;
    }
}

bool wr_op_any_ex(const struct wr_op *op, bool (*test)(const struct wr_ex *ex, void *arg), void *arg)
{
    if ((op->pred && test(op->pred, arg)) || any_of(op->cols, count_cols(op), test, arg) ||
        any_of(op->rows, (size_t)op->nrows * op->schema->ncols, test, arg))
        return true;
    for (uint32_t i = 0; i < op->naggs; i++)
        if (any_of(op->aggs[i].args, op->aggs[i].nargs, test, arg))
            return true;
    for (uint32_t i = 0; i < op->nsort; i++)
        if (test(op->keys[i].ex, arg))
            return true;
    return false;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as operators stand, which wr_op_new bounds */
bool wr_tree_any_ex(const struct wr_op *root, bool (*test)(const struct wr_ex *ex, void *arg), void *arg)
{
    for (uint32_t i = 0; i < root->ninputs; i++)
        if (wr_tree_any_ex(root->inputs[i], test, arg))
            return true;
    return wr_op_any_ex(root, test, arg) || (root->input && wr_tree_any_ex(root->input, test, arg));
}
