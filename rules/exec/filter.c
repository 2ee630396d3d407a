#include "rules/exec/filter.h"

#include "rules/fn/kernel.h"

enum { FEW = 8 /* values that are compared one after the other */ };

/* The column under conversions that keep its words. */
static const struct wr_ex *bare_column(const struct wr_ex *ex)
{
    while (ex->kind == WR_EX_CALL && ex->nargs == 1 && ex->type == WR_LONG && ex->args[0]->type == WR_INT)
        ex = ex->args[0];
    return ex->kind == WR_EX_COL ? ex : NULL;
}

/* Kept as whole numbers. */
static bool is_whole(enum wr_type type)
{
    return type == WR_BOOL || type == WR_INT || type == WR_LONG || type == WR_DATETIME || type == WR_TIMESPAN;
}

bool wr_test_of(const struct wr_ex *ex, struct wr_test *ret_test)
{
    static const struct {
        wr_fn_eval *eval;
        struct wr_test test;
    } known[] = {{wr_k_eq, {.how = WR_TEST_EQ}},
                 {wr_k_ne, {.how = WR_TEST_EQ, .negate = true}},
                 {wr_k_eq_nocase, {.how = WR_TEST_EQ, .nocase = true}},
                 {wr_k_ne_nocase, {.how = WR_TEST_EQ, .nocase = true, .negate = true}},
                 {wr_k_in, {.how = WR_TEST_EQ}},
                 {wr_k_not_in, {.how = WR_TEST_EQ, .negate = true}},
                 {wr_k_in_nocase, {.how = WR_TEST_EQ, .nocase = true}},
                 {wr_k_not_in_nocase, {.how = WR_TEST_EQ, .nocase = true, .negate = true}},
                 {wr_k_lt, {.how = WR_TEST_LT}},
                 {wr_k_le, {.how = WR_TEST_LE}},
                 {wr_k_gt, {.how = WR_TEST_GT}},
                 {wr_k_ge, {.how = WR_TEST_GE}}};
    size_t i = 0, n = sizeof known / sizeof *known;
    if (ex->kind != WR_EX_CALL || ex->nargs < 2)
        return false;
    while (i < n && known[i].eval != ex->fn->eval)
        i++;
    const struct wr_ex *col = i < n ? bare_column(ex->args[0]) : NULL;
    if (!col)
        return false;
    *ret_test = known[i].test;
    ret_test->col = col->col;
    ret_test->text = col->type == WR_STRING;
    ret_test->n = ex->nargs - 1;
    ret_test->values = ex->args + 1;
    ret_test->members = ex->prepared;
    if (ret_test->text ? ret_test->how != WR_TEST_EQ : !is_whole(col->type))
        return false;
    for (uint32_t a = 1; a < ex->nargs; a++) {
        const struct wr_ex *c = ex->args[a];
        if (c->kind != WR_EX_CONST || (ret_test->text ? c->type != WR_STRING : !is_whole(c->type)) ||
            (!ret_test->text && c->value.null))
            return false;
    }
    return true;
}

const struct wr_filter_kernels *wr_filter_kernels(void)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2"))
        return &wr_filter_avx2;
#endif
    return &wr_filter_generic;
}

/* True when the values are few and, texts, short: compared one after the other. */
static bool all_few(const struct wr_test *t)
{
    bool few = t->n <= FEW;
    for (uint32_t i = 0; t->text && few && i < t->n; i++)
        few = t->values[i]->value.s.len <= WR_STR_INLINE;
    return few;
}

static void mark(const struct wr_filter_kernels *kernels, const struct wr_test *t, const struct wr_vec *v,
                 uint8_t *pass, uint32_t nrows)
{
    for (uint32_t i = 0; i < t->n; i++) {
        const struct wr_value *c = &t->values[i]->value;
        if (!t->text) {
            kernels->ints(v->i, t->how, c->i, pass, nrows, i > 0);
            continue;
        }
        struct wr_str lowered = c->s;
        for (uint32_t k = 0; t->nocase && k < lowered.len; k++)
            lowered.inl[k] = wr_ascii_lower(lowered.inl[k]);
        kernels->texts(v->s, &lowered, t->nocase, pass, nrows, i > 0);
    }
}

static bool equals(const struct wr_test *t, const struct wr_vec *v, uint32_t row)
{
    if (t->members)
        return t->text ? wr_members_text(t->members, &v->s[row]) : wr_members_int(t->members, v->i[row]);
    for (uint32_t i = 0; i < t->n; i++) {
        const struct wr_value *c = &t->values[i]->value;
        if (!t->text ? v->i[row] == c->i
                     : (t->nocase ? wr_str_eq_nocase : wr_str_eq)(&v->s[row], &c->s))
            return true;
    }
    return false;
}

static bool holds(const struct wr_test *t, int64_t v)
{
    int64_t c = t->values[0]->value.i;
    switch (t->how) {
    case WR_TEST_LT:
        return v < c;
    case WR_TEST_LE:
        return v <= c;
    case WR_TEST_GT:
        return v > c;
    case WR_TEST_GE:
        return v >= c;
    case WR_TEST_EQ:
        break;
    }
    return v == c;
}

/* Row by row, for the few that are left or values that are many. */
static void one_by_one(const struct wr_test *t, const struct wr_vec *v, struct wr_sel *sel)
{
    uint32_t m = 0;
    for (uint32_t k = 0; k < sel->n; k++) {
        uint16_t row = sel->row[k];
        bool valid = wr_vec_valid(v, row);
        bool pass = valid && (t->how == WR_TEST_EQ ? equals(t, v, row) : holds(t, v->i[row]));
        sel->row[m] = row;
        m += pass != t->negate;
    }
    sel->n = m;
}

bool wr_filter(const struct wr_filter_kernels *kernels, struct wr_arena *arena, const struct wr_test *test,
               const struct wr_vec *cols, uint32_t nrows, struct wr_sel *sel)
{
    const struct wr_vec *v = &cols[test->col];
    if (test->text ? !v->s : !v->i)
        return false; /* nobody filled it */
    if (sel->n < nrows / 4 || !all_few(test)) {
        one_by_one(test, v, sel);
        return true;
    }
    uint8_t *pass = (uint8_t *)wr_arena_bytes_alloc(arena, nrows + 1u);
    if (!pass)
        return false;
    mark(kernels, test, v, pass, nrows);
    for (uint32_t r = 0; test->negate && r < nrows; r++)
        pass[r] ^= 1;
    if (v->valid && test->negate)
        for (uint32_t r = 0; r < nrows; r++)
            pass[r] |= !wr_vec_valid(v, r);
    kernels->pick(pass, sel, nrows);
    if (!v->valid || test->negate)
        return true;
    uint32_t m = 0;
    for (uint32_t k = 0; k < sel->n; k++) {
        uint16_t row = sel->row[k];
        sel->row[m] = row;
        m += wr_vec_valid(v, row);
    }
    sel->n = m;
    return true;
}
