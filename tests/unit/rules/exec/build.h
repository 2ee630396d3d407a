/* Small plans by hand: what the binder would make, without it. Everything lives in one arena. */
#ifndef TESTS_RULES_EXEC_BUILD_H
#define TESTS_RULES_EXEC_BUILD_H

#include "rules/plan/plan.h"

#include <criterion/criterion.h>
#include <stdarg.h>

static inline void *put(struct wr_arena *a, const void *what, size_t size)
{
    void *p = wr_arena_alloc(a, size);
    cr_assert_not_null(p);
    if (size)
        memcpy(p, what, size);
    return p;
}

static inline struct wr_ex *ex_col(struct wr_arena *a, uint16_t col, enum wr_type type)
{
    struct wr_ex e = {.kind = WR_EX_COL, .type = type, .col = col};
    return put(a, &e, sizeof e);
}

static inline struct wr_ex *ex_long(struct wr_arena *a, int64_t v)
{
    struct wr_ex e = {
        .kind = WR_EX_CONST, .type = WR_LONG, .per_run = true, .value = {.type = WR_LONG, .i = v}};
    return put(a, &e, sizeof e);
}

static inline struct wr_ex *ex_null(struct wr_arena *a, enum wr_type type)
{
    struct wr_ex e = {
        .kind = WR_EX_CONST, .type = type, .per_run = true, .value = {.type = type, .null = true}};
    return put(a, &e, sizeof e);
}

static inline struct wr_ex *ex_text(struct wr_arena *a, const char *text)
{
    struct wr_ex e = {.kind = WR_EX_CONST, .type = WR_STRING, .per_run = true, .value = {.type = WR_STRING}};
    e.value.s = wr_str_borrow(text, strlen(text));
    return put(a, &e, sizeof e);
}

static inline struct wr_ex *ex_span(struct wr_arena *a, int64_t ticks)
{
    struct wr_ex e = {.kind = WR_EX_CONST,
                      .type = WR_TIMESPAN,
                      .per_run = true,
                      .value = {.type = WR_TIMESPAN, .i = ticks}};
    return put(a, &e, sizeof e);
}

/* The overload with this signature; `n` arguments follow. */
static inline struct wr_ex *ex_call(struct wr_arena *a, const char *name, const char *sig, enum wr_type type,
                                    uint32_t n, ...)
{
    const struct wr_fn *fn = wr_fn_find(name, strlen(name));
    while (fn && strcmp(fn->signature, sig) != 0)
        fn = wr_fn_next(fn);
    cr_assert_not_null(fn, "%s %s", name, sig);
    struct wr_ex **args = wr_arena_alloc(a, (n + 1) * sizeof(struct wr_ex *));
    cr_assert_not_null(args);
    struct wr_ex e = {.kind = WR_EX_CALL, .type = type, .fn = fn, .args = args, .nargs = n};
    e.per_run = true;
    va_list ap;
    va_start(ap, n);
    for (uint32_t i = 0; i < n; i++) {
        args[i] = va_arg(ap, struct wr_ex *);
        e.per_run &= args[i]->per_run;
    }
    va_end(ap);
    struct wr_ex *p = put(a, &e, sizeof e);
    const char *why = NULL;
    if (fn->prepare)
        p->prepared = fn->prepare(a, p, &why);
    return p;
}

static inline const struct wr_schema *schema_new(struct wr_arena *a, uint16_t n, const enum wr_type *types)
{
    static const char *const names[] = {"c0", "c1", "c2", "c3", "c4",  "c5",
                                        "c6", "c7", "c8", "c9", "c10", "c11"};
    struct wr_coldef *cols = wr_arena_alloc(a, (n + 1u) * sizeof *cols);
    cr_assert_not_null(cols);
    for (uint16_t c = 0; c < n; c++)
        cols[c] = (struct wr_coldef){.name = names[c], .type = types[c], .store = c};
    struct wr_schema s = {.name = "t", .cols = cols, .ncols = n};
    return put(a, &s, sizeof s);
}

static inline struct wr_op *op_new(struct wr_arena *a, enum wr_op_kind kind, struct wr_op *input)
{
    struct wr_op op = {.kind = kind, .input = input, .schema = input ? input->schema : NULL};
    return put(a, &op, sizeof op);
}

static inline struct wr_op *op_scan(struct wr_arena *a, enum wr_table table)
{
    struct wr_op *op = op_new(a, WR_OP_SCAN, NULL);
    op->table = table;
    op->schema = wr_schema_of(table);
    return op;
}

static inline struct wr_op *op_where(struct wr_arena *a, struct wr_op *input, struct wr_ex *pred)
{
    struct wr_op *op = op_new(a, WR_OP_WHERE, input);
    op->pred = pred;
    return op;
}

static inline struct wr_agg_call agg_call(struct wr_arena *a, const char *name, const char *sig,
                                          enum wr_type type, struct wr_ex *arg0, struct wr_ex *arg1)
{
    const struct wr_agg *agg = wr_agg_find(name, strlen(name));
    while (agg && strcmp(agg->signature, sig) != 0)
        agg = wr_agg_next(agg);
    cr_assert_not_null(agg, "%s %s", name, sig);
    struct wr_ex **args = wr_arena_alloc(a, 2 * sizeof(struct wr_ex *));
    cr_assert_not_null(args);
    args[0] = arg0;
    args[1] = arg1;
    return (struct wr_agg_call){.agg = agg, .args = args, .nargs = arg1 ? 2 : arg0 ? 1 : 0, .type = type};
}

static inline struct wr_op *op_summarize(struct wr_arena *a, struct wr_op *input, uint32_t nkeys,
                                         struct wr_ex **keys, uint32_t naggs, const struct wr_agg_call *aggs)
{
    enum wr_type types[12];
    struct wr_op *op = op_new(a, WR_OP_SUMMARIZE, input);
    op->nkeys = nkeys;
    op->naggs = naggs;
    op->cols = put(a, keys, nkeys * sizeof *keys);
    op->aggs = put(a, aggs, naggs * sizeof *aggs);
    for (uint32_t i = 0; i < nkeys + naggs; i++)
        types[i] = i < nkeys ? keys[i]->type : aggs[i - nkeys].type;
    op->schema = schema_new(a, (uint16_t)(nkeys + naggs), types);
    return op;
}

#endif
