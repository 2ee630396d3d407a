#include "parsers/log/span.h"

#include <string.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

static bool in_object(const struct wr_json_span *s)
{
    return s->objects >> (s->depth - 1) & 1;
}

/* May a value that begins with `c` stand here? */
static bool value_allowed(const struct wr_json_span *s, char c)
{
    if (s->depth == 0)
        return c != '"';
    if (s->last == ':')
        return in_object(s);
    if (s->last == ',' || s->last == '[')
        return c == '"' || !in_object(s);
    return s->last == '{' && c == '"';
}

/* A list of events is a list of objects, and an object starts with a key. Anything else at the very start is
 * a text in brackets: `[error] disk full`, `{thread-1} started`. */
static bool plausible_start(const struct wr_json_span *s, char c)
{
    if (s->depth != 1 || (s->last != '[' && s->last != '{') || c == '"' || c == '}')
        return true;
    return s->last == '[' && (c == '{' || c == ']');
}

static bool scalar_byte(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '+' || c == '.';
}

static enum wr_json_span_result outside(struct wr_json_span *s, char c)
{
    if (!plausible_start(s, c))
        return WR_SPAN_NOT_JSON;
    switch (c) {
    case '{':
    case '[':
        if (s->depth == WR_SPAN_MAX_DEPTH || !value_allowed(s, c))
            return WR_SPAN_NOT_JSON;
        s->objects &= ~(UINT64_C(1) << s->depth);
        s->objects |= (uint64_t)(c == '{') << s->depth;
        s->depth++;
        break;
    case '}':
    case ']':
        if (s->depth == 0 || in_object(s) != (c == '}'))
            return WR_SPAN_NOT_JSON;
        if (--s->depth == 0)
            return WR_SPAN_END;
        break;
    case '"':
        if (!value_allowed(s, c))
            return WR_SPAN_NOT_JSON;
        s->in_string = true;
        s->last = '0';
        return WR_SPAN_MORE;
    case ',':
    case ':':
        break;
    default:
        if (!scalar_byte(c) || s->depth == 0)
            return WR_SPAN_NOT_JSON;
        c = '0';
    }
    s->last = c;
    return WR_SPAN_MORE;
}

enum wr_json_span_result wr_json_span_feed(struct wr_json_span *s, const char *data, size_t len, size_t *pos)
{
    for (size_t i = *pos; i < len; i++) {
        char c = data[i];
        *pos = i + 1;
        if (s->in_string) {
            if ((unsigned char)c < 0x20)
                return WR_SPAN_NOT_JSON; /* a string never spans lines */
            if (s->escaped)
                s->escaped = false;
            else if (c == '\\')
                s->escaped = true;
            else if (c == '"')
                s->in_string = false;
            continue;
        }
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
            continue;
        enum wr_json_span_result r = outside(s, c);
        if (r != WR_SPAN_MORE)
            return r;
    }
    return WR_SPAN_MORE;
}

#ifdef __x86_64__

/* What stands where in 64 bytes, a bit a byte. */
struct marks {
    uint64_t quote, backslash, open, close, control;
};

static void mark(const char *p, struct marks *m)
{
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), open = _mm_set1_epi8('{'),
                  close = _mm_set1_epi8('}'), low = _mm_set1_epi8(0x1f), lower = _mm_set1_epi8(0x20);
    *m = (struct marks){0};
    for (int i = 0; i < 4; i++) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + 16 * i));
        __m128i bracket = _mm_or_si128(v, lower); /* [ and ] become { and } */
        m->quote |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(v, quote)) << (16 * i);
        m->backslash |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(v, backslash)) << (16 * i);
        m->open |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(bracket, open)) << (16 * i);
        m->close |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(bracket, close)) << (16 * i);
        m->control |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(v, low), v)) << (16 * i);
    }
}

__attribute__((target("avx2"))) static inline void mark_avx2(const char *p, struct marks *m)
{
    const __m256i quote = _mm256_set1_epi8('"'), backslash = _mm256_set1_epi8('\\'), open = _mm256_set1_epi8('{'),
                  close = _mm256_set1_epi8('}'), low = _mm256_set1_epi8(0x1f), lower = _mm256_set1_epi8(0x20);
    *m = (struct marks){0};
    for (int i = 0; i < 2; i++) {
        __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(p + 32 * i));
        __m256i bracket = _mm256_or_si256(v, lower);
        m->quote |= (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(v, quote)) << (32 * i);
        m->backslash |= (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(v, backslash)) << (32 * i);
        m->open |= (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(bracket, open)) << (32 * i);
        m->close |= (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(bracket, close)) << (32 * i);
        m->control |= (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_min_epu8(v, low), v)) << (32 * i);
    }
}

/* Bytes behind a backslash that is none itself; *carry: the next block begins with one. */
static uint64_t escaped_bytes(uint64_t backslash, bool *carry)
{
    uint64_t out = *carry;
    if (!(backslash | out))
        return 0;
    backslash &= ~out;
    *carry = false;
    while (backslash) {
        int i = __builtin_ctzll(backslash);
        *carry = i == 63;
        uint64_t next = i == 63 ? 0 : UINT64_C(2) << i;
        out |= next;
        backslash &= backslash - 1;
        backslash &= ~next;
    }
    return out;
}

/* Bit i: an odd number of bits up to i. */
static uint64_t odd_from_here(uint64_t x)
{
    for (int shift = 1; shift < 64; shift *= 2)
        x ^= x << shift;
    return x;
}

/* The same: a product without carries with all bits set. */
__attribute__((target("pclmul"))) static inline uint64_t odd_from_here_pclmul(uint64_t x)
{
    __m128i product = _mm_clmulepi64_si128(_mm_set_epi64x(0, (long long)x), _mm_set1_epi8((char)0xff), 0);
    return (uint64_t)_mm_cvtsi128_si64(product);
}

/* The brackets of a block, one by one: the bit where the outermost closes, 64 when it does not, -1 when they go too deep. */
static int walk(uint64_t open, uint64_t close, int *depth)
{
    for (uint64_t both = open | close; both; both &= both - 1) {
        int i = __builtin_ctzll(both);
        *depth += open >> i & 1 ? 1 : -1;
        if (*depth > WR_SPAN_MAX_DEPTH)
            return -1;
        if (*depth == 0)
            return i;
    }
    return 64;
}

/* Compiled once for each pair of the two that differ by what the processor has. */
static inline __attribute__((always_inline)) size_t line(const char *data, size_t len, void (*mark_block)(const char *, struct marks *),
                                                         uint64_t (*odd)(uint64_t))
{
    char tail[64];
    struct marks m;
    bool escape = false;
    uint64_t inside = 0; /* all bits set: the block begins within a string */
    int depth = 0;
    if (len < 2 || (*data != '{' && *data != '['))
        return 0;
    for (size_t at = 0; at < len; at += 64) {
        const char *p = data + at;
        if (len - at < 64) {
            memset(tail, ' ', sizeof tail);
            memcpy(tail, p, len - at);
            p = tail;
        }
        mark_block(p, &m);
        uint64_t string = odd(m.quote & ~escaped_bytes(m.backslash, &escape)) ^ inside;
        inside = string >> 63 ? UINT64_MAX : 0;
        m.open &= ~string;
        m.close &= ~string;
        int end = m.open | m.close ? walk(m.open, m.close, &depth) : 64;
        if (end < 0 || m.control & (end < 64 ? (UINT64_C(1) << end) - 1 : UINT64_MAX))
            return 0;
        if (end < 64)
            return at + (size_t)end + 1;
    }
    return 0;
}

static size_t line_sse2(const char *data, size_t len)
{
    return line(data, len, mark, odd_from_here);
}

__attribute__((target("avx2,pclmul"))) static size_t line_avx2(const char *data, size_t len)
{
    return line(data, len, mark_avx2, odd_from_here_pclmul);
}

size_t wr_json_span_line(const char *data, size_t len)
{
    static size_t (*best)(const char *, size_t); /* any thread writes the same */
    size_t (*f)(const char *, size_t) = __atomic_load_n(&best, __ATOMIC_RELAXED);
    if (!f) {
        f = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("pclmul") ? line_avx2 : line_sse2;
        __atomic_store_n(&best, f, __ATOMIC_RELAXED);
    }
    return f(data, len);
}

#else

size_t wr_json_span_line(const char *data, size_t len)
{
    (void)data;
    (void)len;
    return 0;
}

#endif
