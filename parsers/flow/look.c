/* The first look at the ports of records of one length: most sets have none that a rule wants, so what matters is how
 * fast that is known. Four records at a time by a table of 4 KiB; with AVX2, where the ports lie beside each other as
 * they nearly always do, eight, and each octet's halves say in which of 8 groups of wanted ports it occurs:
 *
 *   port 25 = 0x0019, group 1     upper octet: halves 0 and 0 have bit 1; lower octet: 9 and 1 have it
 *   a port may be wanted when all four of its halves have a bit in common
 *
 * 3 instructions a record against 10 (callgrind, 19 records a set). */
#include "parsers/flow/state.h"

static const uint8_t *by_table(const struct wr_port_filter *filter, const struct wr_look *look, const uint8_t *at,
                               uint32_t n)
{
    const size_t stride = look->stride;
    if (n < 4)
        return at;
    const ptrdiff_t a = look->off[0], b = look->off[1];
    const uint8_t *const stop = at + n * stride, *const last = stop - 4 * stride + a;
    const size_t three = 3 * stride;
    for (const uint8_t *x = at + a, *y = at + b;;) {
        uint8_t any = wr_first_look(filter, x);
        any |= wr_first_look(filter, y);
        any |= wr_first_look(filter, x + stride);
        any |= wr_first_look(filter, y + stride);
        any |= wr_first_look(filter, x + 2 * stride);
        any |= wr_first_look(filter, y + 2 * stride);
        any |= wr_first_look(filter, x + three);
        any |= wr_first_look(filter, y + three);
        if (any)
            return x - a;
        x += 4 * stride;
        y += 4 * stride;
        if (x > last) { /* the last four of a set may hold some that were passed over */
            if (x - a >= stop)
                return stop;
            y -= x - last;
            x = last;
        }
    }
}

#if defined __x86_64__
#include <immintrin.h>

__attribute__((target("avx2"))) static inline __m128i four(const uint8_t *p, size_t stride, size_t three)
{
    int32_t w[4]; /* never stored: each goes where it is inserted */
    memcpy(&w[0], p, 4);
    memcpy(&w[1], p + stride, 4);
    memcpy(&w[2], p + 2 * stride, 4);
    memcpy(&w[3], p + three, 4);
    return _mm_insert_epi32(_mm_insert_epi32(_mm_insert_epi32(_mm_cvtsi32_si128(w[0]), w[1], 1), w[2], 2), w[3], 3);
}

__attribute__((target("avx2"))) static inline __m256i halves(const uint8_t *table)
{
    return _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)(const void *)table));
}

__attribute__((target("avx2"))) static const uint8_t *by_halves(const struct wr_port_filter *filter,
                                                                 const struct wr_look *look, const uint8_t *at,
                                                                 uint32_t n)
{
    const ptrdiff_t a = look->off[0];
    if (n < 8 || look->off[1] != a + 2)
        return by_table(filter, look, at, n);
    const size_t stride = look->stride, three = 3 * stride;
    const uint8_t *const stop = at + n * stride, *const last = stop - 8 * stride;
    const __m256i low = _mm256_set1_epi8(0x0f);
    const __m256i upper_low = halves(filter->halves[0][0]), upper_high = halves(filter->halves[0][1]);
    const __m256i lower_low = halves(filter->halves[1][0]), lower_high = halves(filter->halves[1][1]);
    for (;;) {
        const uint8_t *p = at + a, *q = p + 4 * stride;
        const __m256i v = _mm256_set_m128i(four(q, stride, three), four(p, stride, three));
        const __m256i l = _mm256_and_si256(v, low), h = _mm256_and_si256(_mm256_srli_epi16(v, 4), low);
        const __m256i upper = _mm256_and_si256(_mm256_shuffle_epi8(upper_low, l), _mm256_shuffle_epi8(upper_high, h));
        const __m256i lower = _mm256_and_si256(_mm256_shuffle_epi8(lower_low, l), _mm256_shuffle_epi8(lower_high, h));
        const __m256i hit = _mm256_and_si256(upper, _mm256_srli_epi16(lower, 8)); /* the upper octet is sent first */
        if (!_mm256_testz_si256(hit, hit)) {
            const __m256i none = _mm256_cmpeq_epi32(hit, _mm256_setzero_si256());
            const uint32_t some = ~(uint32_t)_mm256_movemask_epi8(none);
            return at + (size_t)(__builtin_ctz(some) / 4) * stride;
        }
        at += 8 * stride;
        if (at > last) { /* the last eight of a set may hold some that were passed over */
            if (at >= stop)
                return stop;
            at = last;
        }
    }
}
#endif

wr_pass_over *wr_pass_over_best(void)
{
#if defined __x86_64__
    if (__builtin_cpu_supports("avx2"))
        return by_halves;
#endif
    return by_table;
}

wr_pass_over *wr_pass_over_plain(void)
{
    return by_table;
}
