/* The loops of filter.h; KERNELS names the table. Branch-free, no calls: the compiler makes vectors of them. */
#include "rules/exec/filter.h"

#include <string.h>

#define COMPARE(op)                                                                                          \
    for (uint32_t i = 0; i < n; i++)                                                                         \
        pass[i] = (uint8_t)((v[i] op c) | (pass[i] & keep));                                                 \
    break

static void ints(const int64_t *v, enum wr_test_how how, int64_t c, uint8_t *restrict pass, uint32_t n, bool add)
{
    uint8_t keep = add;
    switch (how) {
    case WR_TEST_EQ:
        COMPARE(==);
    case WR_TEST_LT:
        COMPARE(<);
    case WR_TEST_LE:
        COMPARE(<=);
    case WR_TEST_GT:
        COMPARE(>);
    case WR_TEST_GE:
        COMPARE(>=);
    }
}

/* ASCII letters of eight bytes to lower case. */
static inline uint64_t lower(uint64_t w)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = 0x80 * ones;
    uint64_t low = w & ~high;
    uint64_t from_a = low + (0x80 - 'A') * ones, past_z = low + (0x7f - 'Z') * ones;
    return w | ((~w & (from_a ^ past_z) & high) >> 2);
}

/* A length is at most 12 here and is no letter; one of a long text may become another long one. */
static void texts(const struct wr_str *v, const struct wr_str *c, bool nocase, uint8_t *restrict pass, uint32_t n,
                  bool add)
{
    const char *at = (const char *)v;
    uint64_t want[2], have[2];
    uint8_t keep = add;
    memcpy(want, c, sizeof want);
    if (nocase) {
        for (uint32_t i = 0; i < n; i++) {
            memcpy(have, at + 16 * (size_t)i, sizeof have);
            uint64_t differs = (lower(have[0]) ^ want[0]) | (lower(have[1]) ^ want[1]);
            pass[i] = (uint8_t)((differs == 0) | (pass[i] & keep));
        }
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        memcpy(have, at + 16 * (size_t)i, sizeof have);
        uint64_t differs = (have[0] ^ want[0]) | (have[1] ^ want[1]);
        pass[i] = (uint8_t)((differs == 0) | (pass[i] & keep));
    }
}

/* Eight at a time while every row is selected: mostly there are none. */
static void pick(const uint8_t *pass, struct wr_sel *sel, uint32_t n)
{
    uint32_t m = 0, i = 0;
    uint64_t eight;
    for (; sel->n == n && i + 8 <= n; i += 8) {
        memcpy(&eight, pass + i, sizeof eight);
        for (; eight; eight &= eight - 1)
            sel->row[m++] = (uint16_t)(i + (uint32_t)__builtin_ctzll(eight) / 8);
    }
    for (; i < sel->n; i++) {
        uint16_t row = sel->row[i];
        sel->row[m] = row;
        m += pass[row];
    }
    sel->n = m;
}

const struct wr_filter_kernels KERNELS = {ints, texts, pick};
