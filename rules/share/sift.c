/* sift.h for any processor. */
#include "rules/share/sift.h"

const struct wr_sift_kernels *wr_sift_kernels(void)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2"))
        return &wr_sift_avx2;
#endif
    return &wr_sift_generic;
}

static uint32_t ints(const struct wr_sift_bits *may, const int64_t *v, const uint16_t *row,
                     uint32_t n, uint16_t *ret_row)
{
    uint32_t m = 0;
    for (uint32_t k = 0; k < n; k++) {
        ret_row[m] = row[k];
        m += wr_sift_may(may, wr_sift_int(v[row[k]]));
    }
    return m;
}

static uint32_t texts(const struct wr_sift_bits *may, const struct wr_str *v, const uint16_t *row,
                      uint32_t n, uint16_t *ret_row)
{
    uint32_t m = 0;
    for (uint32_t k = 0; k < n; k++) {
        ret_row[m] = row[k];
        m += wr_sift_may(may, wr_sift_text(&v[row[k]]));
    }
    return m;
}

static uint32_t terms(const struct wr_sift_heads *heads, const struct wr_str *v,
                      const uint16_t *row, uint32_t n, uint16_t *ret_row)
{
    (void)heads; /* one byte after the other this would cost what it saves */
    uint32_t m = 0;
    for (uint32_t k = 0; k < n; k++) {
        ret_row[m] = row[k];
        m += v[row[k]].len != 0;
    }
    return m;
}

const struct wr_sift_kernels wr_sift_generic = {ints, texts, terms};
