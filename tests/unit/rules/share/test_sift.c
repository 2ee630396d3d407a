/* No row that has a value is sifted out, in either build; and most that have none are. */
#include "rules/share/sift.h"
#include "rules/share/valueset.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 203, BITS = 14 };

static uint64_t prng = 3;

static uint32_t roll(uint32_t n)
{
    prng = prng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(((prng >> 32) * n) >> 32);
}

/* Texts of every length about the ends of cells and blocks, in allocations of their own: reading
 * past one is an error. */
static struct wr_str text_of(const char *term, uint32_t before, uint32_t after, char **ret_mine)
{
    size_t len = before + strlen(term) + after;
    *ret_mine = malloc(len + (len == 0));
    cr_assert_not_null(*ret_mine);
    for (size_t i = 0; i < len; i++)
        (*ret_mine)[i] = "./-\x80_zq90"[roll(9)];
    if (before)
        (*ret_mine)[before - 1] = '.';
    memcpy(*ret_mine + before, term, strlen(term));
    if (after)
        (*ret_mine)[before + strlen(term)] = '-';
    return wr_str_borrow(*ret_mine, len);
}

static const struct wr_sift_kernels *const kernels[] = {&wr_sift_generic, &wr_sift_avx2};

/* The kernels that run here. */
static uint32_t nkernels(void)
{
    return wr_sift_kernels() == &wr_sift_avx2 ? 2 : 1;
}

static void rows_of(uint16_t *row, uint32_t *ret_n)
{
    *ret_n = 0;
    for (uint16_t r = 0; r < ROWS; r++)
        if (roll(8))
            row[(*ret_n)++] = r;
}

static void set_bit(struct wr_sift_bits *may, uint32_t hash)
{
    uint32_t at = hash >> may->shift;
    may->bits[at / 32] |= UINT32_C(1) << (at % 32);
}

/* The rows that come out of a kernel are exactly those whose bit is set. */
static void expect_rows(const uint16_t *row, uint32_t n, const bool *may, const uint16_t *out,
                        uint32_t m)
{
    uint32_t at = 0;
    for (uint32_t k = 0; k < n; k++)
        if (may[row[k]]) {
            cr_assert_lt(at, m);
            cr_assert_eq(out[at++], row[k]);
        }
    cr_assert_eq(at, m);
}

Test(sift, numbers_and_cells_are_told_as_by_one_at_a_time)
{
    struct wr_sift_bits may = {calloc(1, (1 << BITS) / 8), 32 - BITS};
    int64_t number[ROWS];
    struct wr_str text[ROWS];
    char *mine[ROWS];
    uint16_t row[ROWS], out[ROWS];
    bool has[2][ROWS];
    uint32_t n, found = 0;
    cr_assert_not_null(may.bits);
    for (uint32_t r = 0; r < ROWS; r++) {
        number[r] = roll(2) ? (int64_t)roll(70000) : (int64_t)prng;
        text[r] = text_of(roll(2) ? "" : "Abc", roll(20), roll(3), &mine[r]);
        if (roll(4) == 0) {
            set_bit(&may, wr_sift_int(number[r]));
            set_bit(&may, wr_sift_text(&text[r]));
        }
    }
    for (uint32_t r = 0; r < ROWS; r++) {
        has[0][r] = wr_sift_may(&may, wr_sift_int(number[r]));
        has[1][r] = wr_sift_may(&may, wr_sift_text(&text[r]));
    }
    for (uint32_t i = 0; i < 200; i++) {
        rows_of(row, &n);
        n = i < ROWS && i < n ? i : n; /* every remainder of eight, none, all */
        for (uint32_t k = 0; k < nkernels(); k++) {
            uint32_t m = kernels[k]->ints(&may, number, row, n, out);
            expect_rows(row, n, has[0], out, m);
            found += m;
            expect_rows(row, n, has[1], out, kernels[k]->texts(&may, text, row, n, out));
        }
    }
    cr_expect_gt(found, 100);
    for (uint32_t r = 0; r < ROWS; r++)
        free(mine[r]);
    free(may.bits);
}

Test(sift, texts_differ_by_more_than_case)
{
    struct wr_str a = wr_str_borrow("Program.EXE", 11), b = wr_str_borrow("program.exe", 11),
                  c = wr_str_borrow("program.exf", 11);
    struct wr_str d = wr_str_borrow("prog-a long text", 16),
                  e = wr_str_borrow("PROG-b long text", 16);
    cr_expect_eq(wr_sift_text(&a), wr_sift_text(&b));
    cr_expect_neq(wr_sift_text(&a), wr_sift_text(&c));
    cr_expect_eq(wr_sift_text(&d), wr_sift_text(&e)); /* not where they lie */
}

/* The heads of terms as a rule gives them. */
static void heads_of(const char *const *terms, uint32_t n, struct wr_sift_heads *ret)
{
    struct wr_ex ex[8], *values[8];
    struct wr_way way = {.n = 1}, *ways[1] = {&way};
    struct wr_valuesets sets = {0};
    for (uint32_t i = 0; i < n; i++) {
        ex[i] = (struct wr_ex){.kind = WR_EX_CONST, .type = WR_STRING};
        ex[i].value =
            (struct wr_value){.type = WR_STRING, .s = wr_str_borrow(terms[i], strlen(terms[i]))};
        values[i] = &ex[i];
    }
    way.must[0].n = 1;
    way.must[0].any[0] = (struct wr_want){3, WR_WANT_TERM, n, values};
    cr_assert(wr_valuesets_make(&sets, ways, 1, true));
    cr_assert_eq(sets.n, 1);
    *ret = sets.at[0].heads;
    wr_valuesets_free(&sets);
}

Test(sift, a_text_with_a_term_is_never_sifted_out)
{
    static const char *const few[] = {"bad7"}, *const some[] = {"evil", "b-ad.kit", "worse"},
                             *const shorter[] = {"x", "ab"};
    static const struct {
        const char *const *terms;
        uint32_t n;
        const char *has[4];
        bool selects; /* texts without a term are left out */
    } cases[] = {{few, 1, {"bad7", "BAD7", "Bad7", "bAd7"}, true},
                 {some, 3, {"Evil", "kit", "WORSE", "evil"}, true},
                 {shorter, 2, {"x", "AB", "X", "ab"}, false}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct wr_sift_heads heads;
        uint32_t left_out = 0;
        heads_of(cases[c].terms, cases[c].n, &heads);
        for (uint32_t i = 0; i < 20000; i++) {
            char *mine;
            uint32_t before = roll(70), after = roll(40);
            bool has = roll(2);
            struct wr_str s = text_of(has ? cases[c].has[roll(4)] : "", before, after, &mine);
            uint16_t row = 0, out;
            for (uint32_t k = 0; k < nkernels(); k++) {
                uint32_t m = kernels[k]->terms(&heads, &s, &row, 1, &out);
                cr_assert(m == 1 || !has, "%.*s", (int)s.len, wr_str_data(&s));
                left_out += k == 1 && !m;
            }
            free(mine);
        }
        cr_expect(left_out > 7000 || !cases[c].selects || nkernels() == 1, "%u", left_out);
    }
}
