/* Rows whose value may be among many, told by a few bits of a hash, without a branch a row: most
 * are not, and are never looked at again. Compiled for any processor and, several rows at once, for
 * AVX2. */
#ifndef WR_RULES_SHARE_SIFT_H
#define WR_RULES_SHARE_SIFT_H

#include "base/str.h"

/* A bit for the highest bits of each value's hash: bit (hash >> shift). */
struct wr_sift_bits {
    uint32_t *bits;
    uint32_t shift;
};

/* What the first three bytes of the terms that are looked for can be, in either case: of set k, bit
 * h of low[k][l] is byte h * 16 + l. Only bytes below 128. `any`: a term is as short as that, and
 * anything may stand there. */
struct wr_sift_heads {
    uint8_t low[3][16];
    bool any[3];
};

/* Hashes without case; of a long text only its length and first four bytes. */
static inline uint32_t wr_sift_int(int64_t v)
{
    return (uint32_t)(uint64_t)v * UINT32_C(0x9e3779b1) +
           (uint32_t)((uint64_t)v >> 32) * UINT32_C(0x85ebca77);
}

static inline uint32_t wr_sift_text(const struct wr_str *s)
{
    const uint32_t no_case = UINT32_C(0x20202020);
    uint32_t w[4], is_short = UINT32_C(0) - ((int32_t)s->len <= WR_STR_INLINE);
    memcpy(w, s, sizeof w);
    return w[0] * UINT32_C(0x9e3779b1) + (w[1] | no_case) * UINT32_C(0x85ebca77) +
           ((w[2] | no_case) & is_short) * UINT32_C(0xc2b2ae3d) +
           ((w[3] | no_case) & is_short) * UINT32_C(0x27d4eb2f);
}

static inline bool wr_sift_may(const struct wr_sift_bits *b, uint32_t hash)
{
    uint32_t at = hash >> b->shift;
    return b->bits[at / 32] >> (at % 32) & 1;
}

/* Each: those of n rows that may have one of the values, or a term, in order, to ret_row, which has
 * room for n; how many. */
struct wr_sift_kernels {
    uint32_t (*ints)(const struct wr_sift_bits *may, const int64_t *v, const uint16_t *row,
                     uint32_t n, uint16_t *ret_row);
    uint32_t (*texts)(const struct wr_sift_bits *may, const struct wr_str *v, const uint16_t *row,
                      uint32_t n, uint16_t *ret_row);
    uint32_t (*terms)(const struct wr_sift_heads *heads, const struct wr_str *v,
                      const uint16_t *row, uint32_t n, uint16_t *ret_row);
};
extern const struct wr_sift_kernels wr_sift_generic, wr_sift_avx2;
/* Those that this processor runs best. */
const struct wr_sift_kernels *wr_sift_kernels(void);

#endif
