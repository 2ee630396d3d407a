#include "rules/share/sieve.h"

#include "rules/exec/filter.h"
#include "rules/fn/kernel.h"

#include <stdlib.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { FEW = 8 /* values that are compared one after the other */ };

union value {
    int64_t i;
    struct wr_str s;
};

struct test {
    uint16_t col;
    uint8_t how;
    bool text, nocase, negate;
    bool cells; /* texts of at most WR_STR_INLINE bytes, without case in lower case: compared as
                   cells */
    uint32_t first, n;   /* among the values */
    const void *members; /* of many values; NULL: one by one */
};

struct wr_sieve {
    uint32_t n;
    const union value *value; /* behind the tests */
    struct test test[];
};

/* A cell, in lower case if asked: a length of at most 12 is no letter, one of a long text may
 * become another long one. */
#ifdef __SSE2__
typedef __m128i cell;

static inline cell cell_of(const struct wr_str *s, bool nocase)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)s);
    __m128i from_a = _mm_sub_epi8(v, _mm_set1_epi8('A'));
    __m128i capital = _mm_cmpeq_epi8(_mm_min_epu8(from_a, _mm_set1_epi8(25)), from_a);
    return _mm_or_si128(v, _mm_and_si128(capital, _mm_set1_epi8(nocase ? 0x20 : 0)));
}

static inline bool same_cell(cell a, const struct wr_str *s)
{
    return _mm_movemask_epi8(
               _mm_cmpeq_epi8(a, _mm_loadu_si128((const __m128i *)(const void *)s))) == 0xffff;
}
#else
typedef struct wr_str cell;

static inline cell cell_of(const struct wr_str *s, bool nocase)
{
    cell c = *s;
    for (uint32_t i = 0; nocase && s->len <= WR_STR_INLINE && i < s->len; i++)
        c.inl[i] = wr_ascii_lower(c.inl[i]);
    return c;
}

static inline bool same_cell(cell a, const struct wr_str *s)
{
    return memcmp(&a, s, sizeof a) == 0;
}
#endif

static void put_text(const struct wr_test *t, bool cells, const struct wr_str *s, union value *to)
{
    to->s = *s;
    for (uint32_t i = 0; cells && t->nocase && i < s->len; i++)
        to->s.inl[i] = wr_ascii_lower(s->inl[i]);
}

/* Conjuncts of a filter that can be tested here: counted, or (`to`) added. True: all of them are.
 */
static bool collect(const struct wr_ex *ex, struct wr_sieve *to, union value *value,
                    uint32_t *ntests, uint32_t *nvalues)
{
    struct wr_test t;
    if (ex->kind == WR_EX_CALL && strcmp(ex->fn->name, "and") == 0) {
        bool all = true;
        for (uint32_t a = 0; a < ex->nargs; a++)
            all = collect(ex->args[a], to, value, ntests, nvalues) && all;
        return all;
    }
    if (!wr_test_of(ex, &t))
        return false;
    bool many = t.members && t.n > FEW, cells = t.text;
    for (uint32_t i = 0; cells && i < t.n; i++)
        cells = t.values[i]->value.s.len <= WR_STR_INLINE;
    if (to)
        to->test[*ntests] = (struct test){.col = t.col,
                                          .how = (uint8_t)t.how,
                                          .text = t.text,
                                          .nocase = t.nocase,
                                          .negate = t.negate,
                                          .cells = cells,
                                          .first = *nvalues,
                                          .n = many ? 0 : t.n,
                                          .members = many ? t.members : NULL};
    for (uint32_t i = 0; !many && i < t.n; i++, ++*nvalues) {
        if (to && t.text)
            put_text(&t, cells, &t.values[i]->value.s, &value[*nvalues]);
        else if (to)
            value[*nvalues].i = t.values[i]->value.i;
    }
    ++*ntests;
    return true;
}

bool wr_sieve_new(const struct wr_op *const *ops, uint32_t n, struct wr_sieve **ret,
                  uint32_t *ret_whole)
{
    uint32_t whole = 0, ntests = 0, nvalues = 0, filters = 0;
    for (bool all = true; filters < n && all && ops[filters]->kind == WR_OP_WHERE; filters++) {
        all = collect(ops[filters]->pred, NULL, NULL, &ntests, &nvalues);
        whole += all;
    }
    *ret = NULL;
    *ret_whole = whole;
    if (!ntests)
        return true;
    struct wr_sieve *s = NULL;
    size_t head = (sizeof *s + ntests * sizeof s->test[0] + 15) & ~(size_t)15,
           size = head + nvalues * sizeof *s->value;
    s = aligned_alloc(64, (size + 63) & ~(size_t)63);
    if (!s)
        return false;
    union value *value = (union value *)((char *)s + head);
    s->value = value;
    ntests = nvalues = 0;
    for (uint32_t i = 0; i < filters; i++)
        (void)collect(ops[i]->pred, s, value, &ntests, &nvalues);
    s->n = ntests;
    *ret = s;
    return true;
}

void wr_sieve_free(struct wr_sieve *sieve)
{
    free(sieve);
}

static inline bool is_one_of(const struct wr_sieve *s, const struct test *t,
                             const struct wr_str *have)
{
    const union value *v = s->value + t->first;
    if (t->members)
        return wr_members_text(t->members, have);
    if (t->cells) {
        cell c = cell_of(have, t->nocase);
        bool any = false;
        for (uint32_t i = 0; i < t->n; i++)
            any |= same_cell(c, &v[i].s);
        return any;
    }
    for (uint32_t i = 0; i < t->n; i++)
        if (v[i].s.len == have->len && (t->nocase ? wr_str_eq_nocase : wr_str_eq)(have, &v[i].s))
            return true;
    return false;
}

static inline bool holds(const struct wr_sieve *s, const struct test *t, int64_t have)
{
    const union value *v = s->value + t->first;
    if (t->members)
        return wr_members_int(t->members, have);
    switch ((enum wr_test_how)t->how) {
    case WR_TEST_LT:
        return have < v->i;
    case WR_TEST_LE:
        return have <= v->i;
    case WR_TEST_GT:
        return have > v->i;
    case WR_TEST_GE:
        return have >= v->i;
    case WR_TEST_EQ:
        break;
    }
    bool any = false;
    for (uint32_t i = 0; i < t->n; i++)
        any |= v[i].i == have;
    return any;
}

uint32_t wr_sieve_rows(const struct wr_sieve *sieve, const struct wr_vec *cols,
                       const struct wr_sel *given, uint16_t *ret_row)
{
    static const struct wr_str empty;
    const uint16_t *from = given->row;
    uint32_t n = given->n;
    for (uint32_t i = 0; i < sieve->n && n; i++, from = ret_row) {
        const struct test *t = &sieve->test[i];
        const struct wr_vec *v = &cols[t->col];
        uint32_t m = 0;
        for (uint32_t k = 0; k < n; k++) {
            uint16_t row = from[k];
            bool pass = t->text ? is_one_of(sieve, t,
                                            v->s ? &v->s[row]
                                                 : &empty) /* nobody filled it: empty, or null */
                                : v->i && wr_vec_valid(v, row) && holds(sieve, t, v->i[row]);
            ret_row[m] = row;
            m += pass != t->negate;
        }
        n = m;
    }
    return n;
}
