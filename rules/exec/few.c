/* Rows of groups with few: numbers in as many bytes as they need.
 *
 *   row = widths, 4 bits a word of the row; then the words, little-endian, without the bytes that the sign repeats
 *
 * A time of the same day takes 5 or 6 bytes, a row number 4, a count of bytes 3: a row of 24 bytes stands in 15. */
#include "rules/exec/state.h"

static inline uint32_t width(uint64_t v)
{
    uint64_t x = v ^ (uint64_t)((int64_t)v >> 63);
    return !v ? 0 : !x ? 1 : (64 - (uint32_t)__builtin_clzll(x)) / 8 + 1;
}

/* Eight bytes behind it may be read (statepool.h). */
static inline uint64_t number(const uint8_t *p, uint32_t w)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return w ? (uint64_t)((int64_t)(v << (64 - 8 * w)) >> (64 - 8 * w)) : 0;
}

/* Its end; up to eight bytes behind are written, too. */
static uint8_t *code(const struct wr_stream *s, const uint64_t *row, uint8_t *to)
{
    uint8_t *widths = to;
    to += (s->raw_words + 1) / 2;
    for (uint32_t i = 0; i < s->raw_words; i++) {
        uint64_t v = i ? row[i] : row[0] - (uint64_t)s->epoch;
        uint32_t w = width(v);
        memcpy(to, &v, sizeof v);
        to += w;
        widths[i / 2] = (uint8_t)(i % 2 ? widths[i / 2] | w << 4 : w);
    }
    return to;
}

static inline const uint8_t *decode(const struct wr_stream *s, const uint8_t *p, uint64_t *row)
{
    const uint8_t *widths = p;
    p += (s->raw_words + 1) / 2;
    for (uint32_t i = 0; i < s->raw_words; i++) {
        uint32_t w = widths[i / 2] >> (i % 2 * 4) & 15;
        row[i] = number(p, w);
        p += w;
    }
    row[0] += (uint64_t)s->epoch;
    return p;
}

static inline const uint8_t *skip(const struct wr_stream *s, const uint8_t *p)
{
    uint32_t n = (s->raw_words + 1) / 2, sum = n;
    for (uint32_t i = 0; i < n; i++)
        sum += (p[i] & 15u) + (p[i] >> 4);
    return p + sum;
}

static inline int64_t time_of(const struct wr_stream *s, const uint8_t *p)
{
    return (int64_t)(number(p + (s->raw_words + 1) / 2, p[0] & 15) + (uint64_t)s->epoch);
}

size_t wr_few_size(const struct wr_stream *s, const uint64_t *row)
{
    size_t sum = (s->raw_words + 1) / 2 + width(row[0] - (uint64_t)s->epoch);
    for (uint32_t i = 1; i < s->raw_words; i++)
        sum += width(row[i]);
    return sum;
}

size_t wr_few_size_most(const struct wr_stream *s)
{
    return (s->raw_words + 1) / 2 + (size_t)s->raw_words * 8;
}

int64_t wr_few_oldest(const struct wr_stream *s, const struct group *g)
{
    return g->nraw ? time_of(s, g->tail + g->key_len) : INT64_MAX;
}

int64_t wr_few_newest(const struct wr_stream *s, const struct group *g)
{
    const uint8_t *p = g->tail + g->key_len;
    for (uint32_t i = 1; i < g->nraw; i++)
        p = skip(s, p);
    return g->nraw ? time_of(s, p) : INT64_MIN;
}

void wr_few_read(struct wr_stream *s, const struct group *g)
{
    const uint8_t *p = g->tail + g->key_len;
    for (uint32_t i = 0; i < g->nraw; i++)
        p = decode(s, p, s->few + (size_t)i * s->raw_words);
}

/* `len` bytes at `at` of the cell. */
static struct group *put(struct wr_stream *s, struct group *g, size_t at, const uint8_t *coded, size_t len)
{
    if (at + len > (size_t)g->room * 8 && !(g = wr_group_resize(s, g, at + len)))
        return NULL;
    memcpy((char *)g + at, coded, len);
    return g;
}

struct group *wr_few_write(struct wr_stream *s, struct group *g, uint32_t n)
{
    uint8_t *end = s->coded;
    for (uint32_t i = 0; i < n; i++)
        end = code(s, s->few + (size_t)i * s->raw_words, end);
    g = put(s, g, sizeof *g + g->key_len, s->coded, (size_t)(end - s->coded));
    if (g)
        g->nraw = (uint8_t)(n & 127);
    return g;
}

struct group *wr_few_insert(struct wr_stream *s, struct group *g, const uint64_t *row)
{
    const uint8_t *p = g->tail + g->key_len, *last = p;
    for (uint32_t i = 0; i < g->nraw; i++) {
        last = p;
        p = skip(s, p);
    }
    if (!g->nraw || time_of(s, last) <= (int64_t)row[0]) {
        const uint8_t *end = code(s, row, s->coded);
        g = put(s, g, (size_t)(p - (const uint8_t *)g), s->coded, (size_t)(end - s->coded));
        if (g)
            g->nraw = (uint8_t)((g->nraw + 1u) & 127);
        return g;
    }
    wr_few_read(s, g);
    uint32_t i = g->nraw;
    while (i > 0 && (int64_t)s->few[(size_t)(i - 1) * s->raw_words] > (int64_t)row[0])
        i--;
    uint64_t *at = s->few + (size_t)i * s->raw_words;
    memmove(at + s->raw_words, at, (size_t)(g->nraw - i) * s->raw_words * 8);
    memcpy(at, row, s->raw_words * 8);
    return wr_few_write(s, g, g->nraw + 1u);
}

static size_t many_size(const struct wr_stream *s, uint32_t key_len, uint32_t rows)
{
    return many_from(key_len) + (MANY_WORDS + (size_t)rows * s->raw_words) * 8;
}

struct group *wr_few_to_many(struct wr_stream *s, struct group *g)
{
    uint32_t rows = RAW_MIN < s->raw_max ? RAW_MIN : s->raw_max;
    wr_few_read(s, g);
    g = wr_group_resize(s, g, many_size(s, g->key_len, rows));
    if (!g)
        return NULL;
    g->many = 1;
    g->room = (uint8_t)rows;
    *many_of(g) = (struct many){.stale = INT64_MIN, .floor = INT64_MIN}; /* the next look finds what is oldest */
    memcpy(raw_at(s, g, 0), s->few, (size_t)g->nraw * s->raw_words * 8);
    return g;
}

struct group *wr_many_grow(struct wr_stream *s, struct group *g)
{
    uint32_t rows = 2u * g->room > s->raw_max ? s->raw_max : 2u * g->room;
    g = wr_group_resize(s, g, many_size(s, g->key_len, rows));
    if (g)
        g->room = (uint8_t)rows;
    return g;
}
