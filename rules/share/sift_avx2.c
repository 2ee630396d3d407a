/* sift.h for processors with AVX2 (CMakeLists.txt gives the option): eight numbers or cells of
 * texts at once, their words side by side, and up to 32 bytes of a text. */
#include "rules/share/sift.h"

#ifdef __AVX2__
#include <immintrin.h>

enum { LANES = 8 };

/* Those of eight rows whose hash has its bit. */
static inline uint32_t keep(const struct wr_sift_bits *may, __m256i hash, const uint16_t *row,
                            uint16_t *ret_row, uint32_t m)
{
    __m256i at = _mm256_srl_epi32(hash, _mm_cvtsi32_si128((int)may->shift));
    __m256i word =
        _mm256_i32gather_epi32((const int *)(const void *)may->bits, _mm256_srli_epi32(at, 5), 4);
    __m256i bit = _mm256_sllv_epi32(
        word, _mm256_sub_epi32(_mm256_set1_epi32(31), _mm256_and_si256(at, _mm256_set1_epi32(31))));
    uint32_t mask = (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(bit));
    for (uint32_t j = 0; mask && j < LANES; j++) {
        ret_row[m] = row[j];
        m += mask >> j & 1;
    }
    return m;
}

static uint32_t ints(const struct wr_sift_bits *may, const int64_t *v, const uint16_t *row,
                     uint32_t n, uint16_t *ret_row)
{
    const __m256i by = _mm256_set1_epi64x((int64_t)UINT64_C(0x85ebca779e3779b1));
    uint32_t m = 0, k = 0;
    for (; k + LANES <= n; k += LANES) {
        const uint16_t *r = row + k;
        __m256i a = _mm256_set_epi64x(v[r[5]], v[r[4]], v[r[1]], v[r[0]]);
        __m256i b = _mm256_set_epi64x(v[r[7]], v[r[6]], v[r[3]], v[r[2]]);
        a = _mm256_mullo_epi32(a, by);
        b = _mm256_mullo_epi32(b, by);
        a = _mm256_add_epi32(a, _mm256_srli_epi64(a, 32));
        b = _mm256_add_epi32(b, _mm256_srli_epi64(b, 32));
        __m256 low = _mm256_shuffle_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b), 0x88);
        m = keep(may, _mm256_castps_si256(low), r, ret_row, m);
    }
    for (; k < n; k++) {
        ret_row[m] = row[k];
        m += wr_sift_may(may, wr_sift_int(v[row[k]]));
    }
    return m;
}

static inline __m256i two(const struct wr_str *a, const struct wr_str *b)
{
    __m128i low = _mm_loadu_si128((const __m128i *)(const void *)a);
    return _mm256_inserti128_si256(_mm256_castsi128_si256(low),
                                   _mm_loadu_si128((const __m128i *)(const void *)b), 1);
}

static uint32_t texts(const struct wr_sift_bits *may, const struct wr_str *v, const uint16_t *row,
                      uint32_t n, uint16_t *ret_row)
{
    const __m256i no_case = _mm256_set1_epi32(0x20202020),
                  longer = _mm256_set1_epi32(WR_STR_INLINE + 1);
    uint32_t m = 0, k = 0;
    for (; k + LANES <= n; k += LANES) {
        const uint16_t *r = row + k;
        __m256i p0 = two(&v[r[0]], &v[r[4]]), p1 = two(&v[r[1]], &v[r[5]]);
        __m256i p2 = two(&v[r[2]], &v[r[6]]), p3 = two(&v[r[3]], &v[r[7]]);
        __m256i u0 = _mm256_unpacklo_epi32(p0, p1), u1 = _mm256_unpacklo_epi32(p2, p3);
        __m256i u2 = _mm256_unpackhi_epi32(p0, p1), u3 = _mm256_unpackhi_epi32(p2, p3);
        __m256i len = _mm256_unpacklo_epi64(u0, u1), a = _mm256_unpackhi_epi64(u0, u1);
        __m256i b = _mm256_unpacklo_epi64(u2, u3), c = _mm256_unpackhi_epi64(u2, u3);
        __m256i is_short = _mm256_cmpgt_epi32(longer, len);
        a = _mm256_or_si256(a, no_case);
        b = _mm256_and_si256(_mm256_or_si256(b, no_case), is_short);
        c = _mm256_and_si256(_mm256_or_si256(c, no_case), is_short);
        __m256i h =
            _mm256_add_epi32(_mm256_mullo_epi32(len, _mm256_set1_epi32((int)UINT32_C(0x9e3779b1))),
                             _mm256_mullo_epi32(a, _mm256_set1_epi32((int)UINT32_C(0x85ebca77))));
        h = _mm256_add_epi32(
            h,
            _mm256_add_epi32(_mm256_mullo_epi32(b, _mm256_set1_epi32((int)UINT32_C(0xc2b2ae3d))),
                             _mm256_mullo_epi32(c, _mm256_set1_epi32((int)UINT32_C(0x27d4eb2f)))));
        m = keep(may, h, r, ret_row, m);
    }
    for (; k < n; k++) {
        ret_row[m] = row[k];
        m += wr_sift_may(may, wr_sift_text(&v[row[k]]));
    }
    return m;
}

/* The sets as registers; `fill`: of every byte, or none. */
struct heads {
    __m256i low[3];
    uint32_t any[3];
};

static inline __m256i both(__m128i v)
{
    return _mm256_broadcastsi128_si256(v);
}

/* A bit for each byte of v that is in the set. */
static inline uint32_t members(__m256i set, __m256i low, __m256i bit)
{
    __m256i none = _mm256_cmpeq_epi8(_mm256_and_si256(_mm256_shuffle_epi8(set, low), bit),
                                     _mm256_setzero_si256());
    return ~(uint32_t)_mm256_movemask_epi8(none);
}

/* A bit for each byte at which one of the terms may begin. `edge`: bytes behind which it is not
 * known what follows. */
static inline uint32_t begins(const struct heads *h, __m256i v, uint32_t edge)
{
    const __m256i row = both(_mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0)),
                  four = _mm256_set1_epi8(15);
    __m256i low = _mm256_and_si256(v, four);
    __m256i bit = _mm256_shuffle_epi8(row, _mm256_and_si256(_mm256_srli_epi16(v, 4), four));
    uint32_t first = members(h->low[0], low, bit),
             second = members(h->low[1], low, bit) | h->any[1],
             third = members(h->low[2], low, bit) | h->any[2];
    return first & (second >> 1 | edge) & (third >> 2 | edge | edge >> 1);
}

static inline __m128i load(const char *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static inline uint32_t any_begin(const struct heads *h, const struct wr_str *s)
{
    const char *p = wr_str_data(s);
    uint32_t len = s->len, found = 0, at = 0;
    if (len <= WR_STR_INLINE) /* zeros stand behind it; its length, before it, is no letter */
        return begins(h, _mm256_castsi128_si256(load((const char *)s)), UINT32_C(0x8000)) & 0xffff;
    if (len < 16) { /* its first eight bytes and its last */
        int64_t low, high;
        memcpy(&low, p, sizeof low);
        memcpy(&high, p + len - 8, sizeof high);
        return begins(h, _mm256_castsi128_si256(_mm_set_epi64x(high, low)), UINT32_C(0x8080)) &
               0xffff;
    }
    if (len < 32)
        return begins(
            h, _mm256_inserti128_si256(_mm256_castsi128_si256(load(p)), load(p + len - 16), 1),
            UINT32_C(0x80008000));
    for (; at + 32 <= len && !found; at += 32)
        found = begins(h, _mm256_loadu_si256((const __m256i *)(const void *)(p + at)),
                       UINT32_C(0x80000000));
    return found ? found
                 : begins(h, _mm256_loadu_si256((const __m256i *)(const void *)(p + len - 32)),
                          UINT32_C(0x80000000));
}

static uint32_t terms(const struct wr_sift_heads *heads, const struct wr_str *v,
                      const uint16_t *row, uint32_t n, uint16_t *ret_row)
{
    struct heads h;
    uint32_t m = 0;
    for (int i = 0; i < 3; i++) {
        h.low[i] = both(_mm_loadu_si128((const __m128i *)(const void *)heads->low[i]));
        h.any[i] = UINT32_C(0) - heads->any[i];
    }
    for (uint32_t k = 0; k < n; k++) {
        ret_row[m] = row[k];
        m += any_begin(&h, &v[row[k]]) != 0;
    }
    return m;
}

const struct wr_sift_kernels wr_sift_avx2 = {ints, texts, terms};
#else
const struct wr_sift_kernels wr_sift_avx2 = {0};
#endif
