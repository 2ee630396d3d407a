/* The loops of key_form.h; KERNELS names the table. */
#include "rules/exec/key_form.h"

/* One copy of the loop for each case. */
static inline __attribute__((always_inline)) bool some(const struct wr_vec *cols, uint32_t ncols, const int64_t *whole,
                                                       const struct wr_sel *sel, struct wr_key_places to, bool first)
{
    const struct wr_str *a = cols[0].s, *b = ncols > 1 ? cols[1].s : NULL, *c = ncols > 2 ? cols[2].s : NULL;
    const uint16_t *restrict row = sel->row;
    uint8_t **restrict end = to.end, *p = to.begin;
    const uint32_t above = 15 - WR_STR_INLINE; /* lengths of more than 12 have a bit from 16 on with it */
    uint32_t any = 0;
    for (uint32_t k = 0, n = sel->n; k < n; k++) {
        size_t r = row[k];
        uint8_t *at = p;
        if (first) {
            *at++ = 0;
            p += to.each;
        } else {
            at = end[k];
        }
        uint32_t len = a[r].len;
        at = short_text(at, &a[r], len & 15);
        any |= len + above;
        if (ncols > 1) {
            len = b[r].len;
            at = short_text(at, &b[r], len & 15);
            any |= len + above;
        }
        if (ncols > 2) {
            len = c[r].len;
            at = short_text(at, &c[r], len & 15);
            any |= len + above;
        }
        end[k] = whole ? whole_at(at, whole[r]) : at;
    }
    return any < 16;
}

static inline __attribute__((always_inline)) bool few(const struct wr_vec *cols, uint32_t n, const int64_t *whole,
                                                      const struct wr_sel *sel, struct wr_key_places to, bool first)
{
    return n == 3   ? some(cols, 3, whole, sel, to, first)
           : n == 2 ? some(cols, 2, whole, sel, to, first)
                    : some(cols, 1, whole, sel, to, first);
}

static bool texts(const struct wr_vec *cols, uint32_t n, const int64_t *whole, const struct wr_sel *sel,
                  struct wr_key_places to)
{
    if (to.begin)
        return whole ? few(cols, n, whole, sel, to, true) : few(cols, n, NULL, sel, to, true);
    return whole ? few(cols, n, whole, sel, to, false) : few(cols, n, NULL, sel, to, false);
}

/* NH of a piece of a key, its bytes as words of 32 bits; zeros stand behind it up to a multiple of WR_KEY_PAD. */
static inline uint64_t hash_piece(const uint32_t *restrict word, const uint8_t *p, size_t len)
{
#ifdef __AVX2__
    __m256i sum = _mm256_setzero_si256();
    for (size_t i = 0; i < len; i += WR_KEY_PAD) {
        __m256i a = _mm256_add_epi32(_mm256_loadu_si256((const __m256i *)(p + i)),
                                     _mm256_loadu_si256((const __m256i *)(word + i / 4)));
        sum = _mm256_add_epi64(sum, _mm256_mul_epu32(a, _mm256_srli_epi64(a, 32)));
    }
    __m128i half = _mm_add_epi64(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    return (uint64_t)_mm_cvtsi128_si64(_mm_add_epi64(half, _mm_unpackhi_epi64(half, half)));
#else
    uint64_t sum = 0;
    uint32_t w[WR_KEY_PAD / 4];
    for (size_t i = 0; i < len; i += WR_KEY_PAD) {
        memcpy(w, p + i, sizeof w);
        for (size_t k = 0; k < WR_KEY_PAD / 4; k += 2)
            sum += (uint64_t)(w[k] + word[i / 4 + k]) * (w[k + 1] + word[i / 4 + k + 1]);
    }
    return sum;
#endif
}

/* Zeros first, all of them: a load that reaches over a store that was just made waits for it. */
static void finish(struct wr_packed_keys *keys, uint32_t first, uint32_t n, uint8_t *const *restrict end)
{
    const uint64_t k0 = keys->secret.k0, k1 = keys->secret.k1 ^ UINT64_C(0x9e3779b97f4a7c15);
    const size_t piece = 4 * WR_KEY_SECRETS;
    const uint8_t *data = keys->data;
    const size_t *restrict at = keys->at + first;
    uint32_t *restrict lens = keys->len + first, *restrict hash = keys->hash + first;
    for (uint32_t i = 0; i < n; i++) {
        memset(end[i], 0, WR_KEY_PAD);
        lens[i] = (uint32_t)(end[i] - (data + at[i]));
    }
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *p = data + at[i];
        size_t len = lens[i];
        uint64_t h = k0;
        for (; len > piece; p += piece, len -= piece)
            h = fold(h + hash_piece(keys->word, p, piece), k1);
        hash[i] = (uint32_t)(fold(h + hash_piece(keys->word, p, len), k1) >> 32);
    }
}

const struct wr_key_kernels KERNELS = {texts, finish};
