/* How a key's values are written, and the loops over a block of rows that take most of its time: once in source,
 * compiled for any processor and for AVX2 (key_kernels.inc.c). Private to rules/exec/key*.c. */
#ifndef WR_RULES_EXEC_KEY_FORM_H
#define WR_RULES_EXEC_KEY_FORM_H

#include "rules/exec/key.h"

#include <endian.h>
#include <string.h>
#ifdef __AVX2__
#include <immintrin.h>
#elif defined __SSE2__
#include <emmintrin.h>
#endif

enum { WR_KEY_PAD = 32 }; /* zeros behind a key; one is hashed so many bytes at a time */

/* Where the keys of a block go: each `each` bytes behind the one before, `begin` on with a byte of null bits; NULL:
 * they are begun. */
struct wr_key_places {
    uint8_t *begin;
    size_t each;
    uint8_t **end;
};

struct wr_key_kernels {
    /* Short texts without nulls of 1 to 3 columns, then whole numbers without nulls unless `whole` is NULL, to the
     * rows' ends. False: some text is long, and what was written worthless. */
    bool (*texts)(const struct wr_vec *cols, uint32_t ncols, const int64_t *whole, const struct wr_sel *sel,
                  struct wr_key_places to);
    /* Of keys that end there: zeros behind them, lengths and hashes, from place `first` on. */
    void (*finish)(struct wr_packed_keys *keys, uint32_t first, uint32_t n, uint8_t *const *end);
};
extern const struct wr_key_kernels wr_key_generic, wr_key_avx2;

static inline uint64_t fold(uint64_t a, uint64_t b)
{
    __uint128_t r = (__uint128_t)a * b;
    return (uint64_t)r ^ (uint64_t)(r >> 64);
}

static inline uint64_t zigzag(int64_t v)
{
    return (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
}

static inline uint8_t *varint_at(uint8_t *p, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        *p++ = (uint8_t)(v | 0x80);
    *p++ = (uint8_t)v;
    return p;
}

/* Ports, protocols and the like without a branch on their size: four bytes are written whatever it is. */
static inline uint8_t *whole_at(uint8_t *p, int64_t i)
{
    uint64_t v = zigzag(i);
    if (v >> 21)
        return varint_at(p, v);
    uint32_t low = (uint32_t)v, two = low >= 1u << 7, three = low >= 1u << 14;
    uint32_t word = (low & 0x7f) | (low & 0x3f80) << 1 | (low & 0x1fc000) << 2 | two << 7 | three << 15;
    word = htole32(word);
    memcpy(p, &word, sizeof word);
    return p + 1 + two + three;
}

/* 12 bytes and up to three zeros are written whatever the length is. */
static inline uint8_t *short_text(uint8_t *p, const struct wr_str *s, uint32_t len)
{
#if defined __AVX2__
    const __m128i order = _mm_setr_epi8(0, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, -1, -1, -1);
    _mm_storeu_si128((__m128i *)p, _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)s), order));
#elif defined __SSE2__
    /* The cell without three of its length's four bytes. */
    _mm_storeu_si128((__m128i *)p, _mm_srli_si128(_mm_loadu_si128((const __m128i *)s), 3));
    *p = (uint8_t)len;
#else
    uint64_t low;
    uint32_t high;
    memcpy(&low, s->inl, sizeof low);
    memcpy(&high, s->inl + 8, sizeof high);
    *p = (uint8_t)len;
    memcpy(p + 1, &low, sizeof low);
    memcpy(p + 9, &high, sizeof high);
#endif
    return p + 1 + len;
}

#endif
