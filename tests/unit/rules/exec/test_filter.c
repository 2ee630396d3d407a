/* Filters on whole columns against the evaluator, on random columns: nulls, long texts, sets of every size, selections
 * from none to all, both tables of loops. */
#include "build.h"

#include "rules/exec/eval.h"
#include "rules/exec/filter.h"
#include "rules/fn/kernel.h"

enum { ROWS = 75 };

static uint64_t prng;

static uint32_t roll(uint32_t n)
{
    prng += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = prng;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    return (uint32_t)((z ^ z >> 31) % n);
}

static const char *const texts[] = {"",          "a",           "A",           "ws-1",           "WS-1",
                                    "python.exe", "Python.EXE",  "twelve bytes", "TWELVE bytes", "@[`{twelve",
                                    "thirteen bytes", "THIRTEEN bytes", "thirteen bytez", "\xc3\x84", "\xc3\xa4"};
enum { NTEXTS = sizeof texts / sizeof *texts };

/* c0: long, c1: long with nulls, c2: string, c3: int */
static struct wr_vec *columns(struct wr_arena *a)
{
    struct wr_vec *cols = wr_arena_alloc(a, 4 * sizeof *cols);
    for (int c = 0; c < 4; c++) {
        cols[c].type = c == 2 ? WR_STRING : c == 3 ? WR_INT : WR_LONG;
        cols[c].i = c == 2 ? NULL : wr_arena_alloc(a, ROWS * sizeof(int64_t));
        cols[c].s = c == 2 ? wr_arena_alloc(a, ROWS * sizeof(struct wr_str)) : NULL;
        cols[c].valid = c == 1 ? wr_arena_alloc(a, 16) : NULL;
        for (uint32_t r = 0; r < ROWS; r++) {
            const char *t = texts[roll(NTEXTS)];
            if (c == 2)
                cols[c].s[r] = wr_str_borrow(t, strlen(t));
            else
                cols[c].i[r] = (int64_t)roll(7) - 3;
            if (c == 1 && roll(3))
                wr_vec_set_valid(&cols[c], r);
        }
    }
    return cols;
}

static struct wr_ex *random_test(struct wr_arena *a)
{
    static const char *const text_ops[] = {"==", "!=", "=~", "!~"}, *const int_ops[] = {"==", "!=", "<", "<=", ">", ">="};
    static const char *const sets[] = {"in", "!in", "in~", "!in~"};
    bool text = roll(2);
    uint16_t c = text ? 2 : (uint16_t)(roll(3) == 2 ? 3 : roll(2));
    struct wr_ex *args[20] = {ex_col(a, c, text ? WR_STRING : c == 3 ? WR_INT : WR_LONG)};
    uint32_t n = 1 + (roll(2) ? 1 + roll(3) : roll(2) ? 1 + roll(16) : 1);
    const char *name = n > 2 ? sets[roll(text ? 4 : 2)] : text ? text_ops[roll(4)] : int_ops[roll(6)];
    for (uint32_t i = 1; i < n; i++)
        args[i] = text ? ex_text(a, texts[roll(NTEXTS)]) : ex_long(a, (int64_t)roll(7) - 3);
    const struct wr_fn *fn = wr_fn_find(name, strlen(name));
    struct wr_ex e = {.kind = WR_EX_CALL, .type = WR_BOOL, .fn = fn, .nargs = n};
    e.args = put(a, args, sizeof args);
    struct wr_ex *p = put(a, &e, sizeof e);
    const char *why = NULL;
    while (fn && strcmp(name, fn->name) == 0 && fn->eval != wr_k_in && fn->eval != wr_k_not_in &&
           fn->eval != wr_k_in_nocase && fn->eval != wr_k_not_in_nocase && n > 2)
        fn = wr_fn_next(fn); /* over a list of values, not over an array */
    cr_assert_not_null(fn);
    p->fn = fn;
    if (fn->prepare)
        p->prepared = fn->prepare(a, p, &why);
    return p;
}

/* How many rows passed in all. */
static uint32_t check(uint64_t seed, const struct wr_filter_kernels *kernels)
{
    prng = seed;
    struct wr_arena *a = wr_arena_new(1 << 16);
    struct wr_vec *cols = columns(a);
    struct wr_ex *ex = random_test(a);
    uint16_t some[ROWS], left[ROWS];
    struct wr_sel sel = {some, 0}, fast = {left, 0};
    uint32_t keep = roll(4), n = 0;
    for (uint16_t r = 0; r < ROWS; r++)
        if (keep == 3 || roll(4) < keep || roll(9) == 0)
            some[sel.n++] = r;
    fast.n = sel.n;
    memcpy(left, some, sizeof some);
    struct wr_eval ev = {.arena = a, .nrows = ROWS};
    const struct wr_vec *v = wr_ex_eval(&ev, ex, cols, &sel);
    cr_assert_not_null(v);
    struct wr_test test;
    cr_assert(wr_test_of(ex, &test), "seed %llu: %s", (unsigned long long)seed, ex->fn->name);
    cr_assert(wr_filter(kernels, a, &test, cols, ROWS, &fast));
    for (uint32_t k = 0; k < sel.n; k++) {
        bool want = wr_vec_valid(v, some[k]) && v->i[some[k]];
        bool have = n < fast.n && left[n] == some[k];
        cr_assert_eq(have, want, "seed %llu: %s with %u values, row %u", (unsigned long long)seed, ex->fn->name,
                     ex->nargs - 1, some[k]);
        n += have;
    }
    cr_assert_eq(n, fast.n, "seed %llu", (unsigned long long)seed);
    wr_arena_free(a);
    return n;
}

Test(filter, equals_the_evaluator)
{
    uint64_t passed = 0;
    for (uint64_t seed = 1; seed <= 4000; seed++) {
        passed += check(seed, &wr_filter_generic);
        if (wr_filter_kernels() != &wr_filter_generic)
            passed += check(seed, wr_filter_kernels());
    }
    cr_expect_gt(passed, 4000);
}

Test(filter, leaves_other_predicates_to_the_evaluator)
{
    struct wr_arena *a = wr_arena_new(4096);
    struct wr_test test;
    struct wr_ex *col = ex_col(a, 0, WR_LONG);
    cr_expect_not(wr_test_of(ex_call(a, "==", "TT:b", WR_BOOL, 2, col, ex_null(a, WR_LONG)), &test));
    cr_expect_not(wr_test_of(ex_call(a, "==", "TT:b", WR_BOOL, 2, col, ex_col(a, 3, WR_LONG)), &test));
    cr_expect_not(wr_test_of(col, &test));
    wr_arena_free(a);
}
