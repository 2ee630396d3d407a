/* Rows of groups with few: numbers in as many bytes as they need.
 *
 *   row = widths, 4 bits a word of the row; then the words, little-endian, without the bytes that the sign repeats
 *
 * A time of the same day takes 5 or 6 bytes, a row number 4, a count of bytes 3: a row of 24 bytes stands in 15. */
#include "rules/exec/state.h"

static inline uint32_t width(uint64_t v)
{
    uint64_t x = v ^ (uint64_t)((int64_t)v >> 63);
    return (64 - (uint32_t)__builtin_clzll(x | 1)) / 8 + (v != 0);
}

/* Its end; up to eight bytes behind are written, too. */
static inline uint8_t *code(const struct wr_stream *s, const uint64_t *row, uint8_t *to)
{
    uint8_t *widths = to;
    uint32_t n = s->raw_words;
    uint64_t v = row[0] - (uint64_t)s->epoch;
    to += s->few_head;
    for (uint32_t i = 0;; v = row[i]) {
        uint32_t low = width(v), high = 0;
        memcpy(to, &v, sizeof v);
        to += low;
        if (++i < n) {
            high = width(row[i]);
            memcpy(to, &row[i], sizeof v);
            to += high;
        }
        *widths++ = (uint8_t)(low | high << 4);
        if (++i >= n)
            return to;
    }
}

static inline const uint8_t *decode(const struct wr_stream *s, const uint8_t *p, uint64_t *row)
{
    const uint8_t *widths = p;
    p += s->few_head;
    for (uint32_t i = 0; i < s->raw_words; i++) {
        uint32_t w = widths[i / 2] >> (i % 2 * 4) & 15;
        row[i] = few_number(p, w);
        p += w;
    }
    row[0] += (uint64_t)s->epoch;
    return p;
}

static inline const uint8_t *skip(const struct wr_stream *s, const uint8_t *p)
{
    uint32_t n = s->few_head, sum = n;
    if (n <= 8) { /* all widths at once */
        const uint64_t low = UINT64_C(0x0f0f0f0f0f0f0f0f);
        uint64_t w;
        memcpy(&w, p, sizeof w);
        w &= s->few_mask;
        return p + n + (((w & low) + (w >> 4 & low)) * UINT64_C(0x0101010101010101) >> 56);
    }
    for (uint32_t i = 0; i < n; i++)
        sum += (p[i] & 15u) + (p[i] >> 4);
    return p + sum;
}

size_t wr_few_size_most(const struct wr_stream *s)
{
    return s->few_head + (size_t)s->raw_words * 8;
}

int64_t wr_few_oldest(const struct wr_stream *s, const struct group *g)
{
    return g->nraw ? few_time(s, g->tail + g->key_len) : INT64_MAX;
}

int64_t wr_few_newest(const struct wr_stream *s, const struct group *g)
{
    const uint8_t *p = g->tail + g->key_len;
    for (uint32_t i = 1; i < g->nraw; i++)
        p = skip(s, p);
    return g->nraw ? few_time(s, p) : INT64_MIN;
}

void wr_few_read(struct wr_stream *s, const struct group *g)
{
    const uint8_t *p = g->tail + g->key_len;
    for (uint32_t i = 0; i < g->nraw; i++)
        p = decode(s, p, s->few + (size_t)i * s->raw_words);
}

/* memcpy without a call for what a row takes. */
static inline void copy_coded(uint8_t *restrict to, const uint8_t *restrict from, size_t len)
{
    if (len >= 8 && len <= 16) {
        memcpy(to, from, 8);
        memcpy(to + len - 8, from + len - 8, 8);
    } else if (len > 16 && len <= 32) {
        memcpy(to, from, 16);
        memcpy(to + len - 16, from + len - 16, 16);
    } else {
        memcpy(to, from, len);
    }
}

/* `len` bytes at `at` of the cell; when it has to grow, `more` beyond them. */
static inline struct group *put(struct wr_stream *s, struct group *g, size_t at, const uint8_t *coded, size_t len, size_t more)
{
    if (at + len > (size_t)g->room * 8 && !(g = wr_group_resize(s, g, at + len + more)))
        return NULL;
    copy_coded((uint8_t *)g + at, coded, len);
    return g;
}

struct group *wr_few_write(struct wr_stream *s, struct group *g, uint32_t n)
{
    uint8_t *end = s->coded;
    for (uint32_t i = 0; i < n; i++)
        end = code(s, s->few + (size_t)i * s->raw_words, end);
    g = put(s, g, sizeof *g + g->key_len, s->coded, (size_t)(end - s->coded), 0);
    if (g)
        g->nraw = (uint8_t)(n & 127);
    return g;
}

struct group *wr_few_begin(struct wr_stream *s, uint32_t at, const uint64_t *row, enum wr_err *ret_err)
{
    size_t len = (size_t)(code(s, row, s->coded) - s->coded);
    struct group *g = wr_group_new(s, at, len, ret_err);
    if (!g)
        return NULL;
    copy_coded(g->tail + g->key_len, s->coded, len);
    g->nraw = 1;
    int64_t ts = (int64_t)row[0];
    s->round_oldest = ts < s->round_oldest ? ts : s->round_oldest;
    s->calm = ts < s->calm - s->window ? ts + s->window : s->calm;
    return g;
}

struct group *wr_few_insert(struct wr_stream *s, struct group *g, const uint64_t *row)
{
    const uint8_t *p = g->tail + g->key_len, *last = p;
    for (uint32_t i = 0; i < g->nraw; i++) {
        last = p;
        p = skip(s, p);
    }
    if (!g->nraw || few_time(s, last) <= (int64_t)row[0]) {
        /* The third row's cell has room for the fourth, the fifth's for the sixth: a third less moves, 4 bytes a group of 2.3 rows. */
        size_t len = (size_t)(code(s, row, s->coded) - s->coded), more = g->nraw == 2 || g->nraw == 4 ? len : 0;
        g = put(s, g, (size_t)(p - (const uint8_t *)g), s->coded, len, more);
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

size_t wr_many_size(const struct wr_stream *s, uint32_t key_len, uint32_t rows)
{
    return many_from(key_len) + (MANY_WORDS + (size_t)rows * s->raw_words) * 8;
}

struct group *wr_few_to_many(struct wr_stream *s, struct group *g)
{
    uint32_t rows = RAW_MIN;
    wr_few_read(s, g);
    g = wr_group_resize(s, g, wr_many_size(s, g->key_len, rows));
    if (!g)
        return NULL;
    g->many = 1;
    g->room = (uint8_t)rows;
    *many_of(g) = (struct many){.stale = INT64_MIN, .floor = INT64_MIN}; /* the next look finds what is oldest */
    memcpy(raw_at(s, g, 0), s->few, (size_t)g->nraw * s->raw_words * 8);
    return g;
}

/* Rows before which to fold or to grow, after `rows` of them: which it is depends on how many rows there are and on nothing
 * that was, so that state that was saved and read goes on as it would have. */
static uint32_t room_after(const struct wr_stream *s, uint32_t rows)
{
    uint32_t most = rows < s->raw_max ? s->raw_max : s->raw_most;
    return 2 * rows < most ? 2 * rows : most;
}

void wr_many_rows(const struct wr_stream *s, struct group *g, uint32_t n)
{
    uint32_t room = RAW_MIN;
    while (room < n)
        room = room_after(s, room);
    g->nraw = (uint8_t)(n & 127);
    g->room = (uint8_t)room;
}

struct group *wr_many_grow(struct wr_stream *s, struct group *g)
{
    uint32_t rows = room_after(s, g->room);
    g = wr_group_resize(s, g, wr_many_size(s, g->key_len, rows));
    if (g)
        g->room = (uint8_t)rows;
    return g;
}
