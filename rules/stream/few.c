/* Rows of groups without panes: numbers side by side, each in as many bytes as its column of the row has.
 *
 * A stream knows three forms of a row, each at least as wide as the one before: of numbers as most are, of somewhat
 * larger ones, and of any. Times count from the stream's epoch. The rows of a group have one form, and so stand at
 * equal distances; a row that does not fit gives its group the next form that it does fit. A row of the seed's rule
 * takes 13 bytes in the place of 24. */
#include "rules/stream/state.h"

/* ---- forms ------------------------------------------------------------------------------------------------ */

enum { WIDE = FORMS - 1 };

static void set_width(struct wr_stream *s, uint32_t word, uint8_t narrow, uint8_t wider)
{
    s->width[word] = narrow;
    s->width[s->raw_words + word] = wider;
}

void wr_few_forms(struct wr_stream *s)
{
    const struct wr_agg_layout *l = &s->layout;
    memset(s->width, 8, (size_t)FORMS * s->raw_words);
    bool near = s->window && s->window <= EPOCH_MOST;
    s->time_shift = near ? 16 : 0;
    for (uint32_t f = 0; f < FORMS; f++)
        s->width[f * s->raw_words] = near ? 6 : 8;
    if (s->raw_slots > 1)
        set_width(s, 1, 4, 5);
    if (l->has_valid)
        set_width(s, s->raw_slots, (uint8_t)(l->naggs / 8 + 1), (uint8_t)(l->naggs / 8 + 1));
    for (uint32_t a = 0; a < l->naggs; a++) {
        const struct wr_agg_place *p = &l->agg[a];
        bool whole = p->in == WR_INT || p->in == WR_LONG;
        if (p->hashed)
            set_width(s, s->raw_slots + p->first, 6, 6);
        else if (p->dset != WR_NO_DSET || p->by_key || p->of_time)
            continue;
        else if (p->kind == WR_AGG_COUNTIF)
            set_width(s, s->raw_slots + p->first, 1, 1);
        else if (whole &&
                 (p->kind == WR_AGG_SUM || p->kind == WR_AGG_SUMIF || p->kind == WR_AGG_MIN || p->kind == WR_AGG_MAX))
            set_width(s, s->raw_slots + p->first, 3, 4);
    }
    for (uint32_t f = 0; f < FORMS; f++) {
        uint32_t size = 0;
        for (uint32_t i = 0; i < s->raw_words; i++)
            size += s->width[f * s->raw_words + i];
        s->form_size[f] = (uint16_t)size;
    }
    s->few_most =
        s->rising && !s->sums ? s->raw_most : FEW; /* where rows are added up time and again they stand as words */
}

static inline const uint8_t *widths(const struct wr_stream *s, uint32_t form)
{
    return s->width + form * s->raw_words;
}

/* The word has more than `w` bytes. */
static inline bool exceeds(uint64_t v, uint32_t w)
{
    return v != few_number(v, 64u - 8u * w);
}

static bool fits(const struct wr_stream *s, const uint64_t *row, uint32_t form)
{
    const uint8_t *w = widths(s, form);
    bool more = exceeds(row[0] - (uint64_t)s->epoch, w[0]);
    for (uint32_t i = 1; i < s->raw_words; i++)
        more |= exceeds(row[i], w[i]);
    return !more;
}

bool wr_few_time_fits(const struct wr_stream *s, int64_t ts)
{
    return !exceeds((uint64_t)ts - (uint64_t)s->epoch, s->width[0]);
}

/* Its end; up to eight bytes behind are written, too. */
static inline uint8_t *code(const struct wr_stream *s, const uint64_t *row, uint32_t form, uint8_t *to)
{
    const uint8_t *w = widths(s, form);
    uint64_t v = row[0] - (uint64_t)s->epoch;
    for (uint32_t i = 0;; v = row[i]) {
        memcpy(to, &v, sizeof v);
        to += w[i];
        if (++i == s->raw_words)
            return to;
    }
}

static inline const uint8_t *decode(const struct wr_stream *s, const uint8_t *p, uint32_t form, uint64_t *row)
{
    const uint8_t *w = widths(s, form);
    uint64_t v;
    for (uint32_t i = 0; i < s->raw_words; i++) {
        memcpy(&v, p, sizeof v);
        row[i] = few_number(v, 64u - 8u * w[i]);
        p += w[i];
    }
    row[0] += (uint64_t)s->epoch;
    return p;
}

/* One copy of the loop for each number of words that is common. */
static inline __attribute__((always_inline)) uint32_t code_rows(const struct wr_stream *s, uint32_t words, uint32_t n,
                                                                uint8_t *fit)
{
    const uint8_t *w = widths(s, s->form);
    const uint64_t *row = s->block;
    uint8_t *to = s->narrow;
    uint64_t epoch = (uint64_t)s->epoch;
    uint32_t missing = 0;
    for (uint32_t k = 0; k < n; k++, row += words, to += s->narrow_each) {
        uint64_t v = row[0] - epoch, more = 0;
        uint8_t *p = to;
        memcpy(p, &v, sizeof v);
        p += w[0];
        for (uint32_t i = 1; i < words; i++) {
            v = row[i];
            memcpy(p, &v, sizeof v);
            p += w[i];
            more |= v ^ few_number(v, 64u - 8u * w[i]);
        }
        fit[k] = more == 0;
        missing += more != 0;
    }
    return missing;
}

void wr_few_code(struct wr_stream *s, uint32_t n, uint8_t *fit)
{
    for (;; s->form++) {
        uint32_t words = s->raw_words;
        uint32_t missing = words == 2   ? code_rows(s, 2, n, fit)
                           : words == 3 ? code_rows(s, 3, n, fit)
                           : words == 4 ? code_rows(s, 4, n, fit)
                                        : code_rows(s, words, n, fit);
        if (missing <= n / 2 || s->form == WIDE)
            return;
    }
}

size_t wr_few_size_most(const struct wr_stream *s)
{
    return s->form_size[WIDE];
}

/* ---- rows of one group -------------------------------------------------------------------------------------- */

int64_t wr_few_oldest(const struct wr_stream *s, const struct group *g)
{
    return g->nraw ? few_time(s, few_at(s, g, 0)) : INT64_MAX;
}

int64_t wr_few_newest(const struct wr_stream *s, const struct group *g)
{
    return g->nraw ? few_time(s, few_at(s, g, g->nraw - 1u)) : INT64_MIN;
}

void wr_few_read(struct wr_stream *s, const struct group *g)
{
    const uint8_t *p = few_at(s, g, 0);
    for (uint32_t i = 0; i < g->nraw; i++)
        p = decode(s, p, g->form, s->few + (size_t)i * s->raw_words);
}

/* Rows after so many before which to fold or to grow. What decides is how many rows there are and nothing that was, so
 * that state that was saved and read goes on as it would have. */
static uint32_t room_after(const struct wr_stream *s, uint32_t rows)
{
    uint32_t most = rows < s->raw_max ? s->raw_max : s->raw_most;
    return 2 * rows < most ? 2 * rows : most;
}

static uint32_t room_of(const struct wr_stream *s, uint32_t n)
{
    uint32_t room = RAW_MIN;
    while (room < n)
        room = room_after(s, room);
    return room;
}

/* Of few rows: small cells are as large as they need, since most groups stay there. */
static uint32_t few_room(const struct wr_stream *s, uint32_t n)
{
    uint32_t room = n <= 2 ? n : n <= 4 ? 4 : room_of(s, n);
    return room < s->few_most ? room : s->few_most;
}

bool wr_few_full(const struct wr_stream *s, const struct group *g)
{
    return g->nraw >= s->few_most || (g->nraw == g->room && g->nraw >= s->raw_max && g->nraw >= RAW_MIN);
}

void wr_few_rows(const struct wr_stream *s, struct group *g, uint32_t n)
{
    g->nraw = n & 127;
    if (g->room >= RAW_MIN) /* what the cell could hold beyond is found when it grows (wr_group_resize) */
        g->room = room_of(s, n) & 127;
}

static size_t few_size(const struct wr_stream *s, const struct group *g, uint32_t form, uint32_t rows)
{
    return sizeof *g + g->key_len + (size_t)rows * s->form_size[form];
}

int64_t wr_few_sum(const struct wr_stream *s, const struct group *g, uint32_t word)
{
    const uint8_t *w = widths(s, g->form), *p = few_at(s, g, 0);
    uint64_t v, sum = 0;
    for (uint32_t i = 0; i < word; i++)
        p += w[i];
    for (uint32_t i = 0; i < g->nraw; i++, p += s->form_size[g->form]) {
        memcpy(&v, p, sizeof v);
        sum += few_number(v, 64u - 8u * w[word]);
    }
    return (int64_t)sum;
}

struct group *wr_few_write(struct wr_stream *s, struct group *g, uint32_t n)
{
    uint32_t form = g->form;
    for (uint32_t i = 0; i < n; i++)
        while (form < WIDE && !fits(s, s->few + (size_t)i * s->raw_words, form))
            form++;
    if (form != g->form || n > g->room) {
        uint32_t room = few_room(s, n);
        room = room > g->room ? room : g->room; /* never a smaller cell: what it holds is told by its room */
        g = wr_group_resize(s, g, few_size(s, g, form, room));
        if (!g)
            return NULL;
        g->form = form & 3;
        g->room = room & 127;
    }
    uint8_t *end = s->coded;
    for (uint32_t i = 0; i < n; i++)
        end = code(s, s->few + (size_t)i * s->raw_words, form, end);
    memcpy(few_at(s, g, 0), s->coded, (size_t)(end - s->coded));
    wr_few_rows(s, g, n);
    return g;
}

struct group *wr_few_begin(struct wr_stream *s, uint32_t at, const uint64_t *row, const uint8_t *coded,
                           enum wr_err *ret_err)
{
    uint32_t form = s->form;
    while (!coded && form < WIDE && !fits(s, row, form))
        form++;
    struct group *g = wr_group_new(s, at, s->form_size[form], ret_err);
    if (!g)
        return NULL;
    if (!coded) {
        (void)code(s, row, form, s->coded);
        coded = s->coded;
    }
    g->form = form & 3;
    g->room = g->nraw = 1;
    few_copy(few_at(s, g, 0), coded, s->form_size[form]);
    int64_t ts = (int64_t)row[0];
    s->round_oldest = ts < s->round_oldest ? ts : s->round_oldest;
    s->calm = ts < s->calm - s->window ? ts + s->window : s->calm;
    return g;
}

struct group *wr_few_put(struct wr_stream *s, struct group *g, const uint8_t *coded, int64_t ts)
{
    uint32_t n = g->nraw, size = s->form_size[g->form], back = 0;
    if (n >= g->room) {
        uint32_t room = few_room(s, n + 1);
        g = wr_group_resize(s, g, few_size(s, g, g->form, room));
        if (!g)
            return NULL;
        g->room = room & 127;
    }
    uint8_t *p = few_at(s, g, n);
    for (; back < n && few_time(s, p - size) > ts; back++)
        p -= size;
    if (back)
        memmove(p + size, p, (size_t)back * size);
    few_copy(p, coded, size);
    g->nraw = (n + 1) & 127;
    return g;
}

struct group *wr_few_insert(struct wr_stream *s, struct group *g, const uint64_t *row)
{
    if (fits(s, row, g->form)) {
        (void)code(s, row, g->form, s->coded);
        return wr_few_put(s, g, s->coded, (int64_t)row[0]);
    }
    uint32_t n = g->nraw; /* all in another form */
    wr_few_read(s, g);
    uint64_t *at = s->few + (size_t)n * s->raw_words;
    for (; n > 0 && (int64_t)at[-(ptrdiff_t)s->raw_words] > (int64_t)row[0]; n--, at -= s->raw_words)
        memcpy(at, at - s->raw_words, s->raw_words * 8);
    memcpy(at, row, s->raw_words * 8);
    return wr_few_write(s, g, g->nraw + 1u);
}

void wr_few_rebase(struct wr_stream *s)
{
    uint64_t cursor = 0, delta = (uint64_t)s->now - (uint64_t)s->epoch;
    for (struct group *g; (g = wr_group_next(s, &cursor)) != NULL;) {
        if (is_many(g))
            continue;
        wr_rows_prune(s, g, s->now);
        for (uint32_t i = 0; i < g->nraw; i++) {
            uint64_t v;
            memcpy(&v, few_at(s, g, i), sizeof v);
            v = few_number(v, s->time_shift) - delta;
            memcpy(few_at(s, g, i), &v, s->width[0]);
        }
    }
    s->epoch = s->now;
}

/* ---- many rows ------------------------------------------------------------------------------------------------ */

size_t wr_many_size(const struct wr_stream *s, uint32_t key_len, uint32_t rows)
{
    return many_from(key_len) + (MANY_WORDS + (size_t)rows * s->raw_words) * 8;
}

struct group *wr_few_to_many(struct wr_stream *s, struct group *g)
{
    uint32_t rows = room_of(s, g->nraw);
    wr_few_read(s, g);
    g = wr_group_resize(s, g, wr_many_size(s, g->key_len, rows));
    if (!g)
        return NULL;
    g->form = FORM_MANY;
    g->room = rows & 127;
    *many_of(g) = (struct many){.stale = INT64_MIN, .floor = INT64_MIN}; /* the next look finds what is oldest */
    memcpy(raw_at(s, g, 0), s->few, (size_t)g->nraw * s->raw_words * 8);
    return g;
}

void wr_many_rows(const struct wr_stream *s, struct group *g, uint32_t n)
{
    g->nraw = n & 127;
    g->room = room_of(s, n) & 127;
}

struct group *wr_many_grow(struct wr_stream *s, struct group *g)
{
    uint32_t rows = room_after(s, g->room);
    g = wr_group_resize(s, g, wr_many_size(s, g->key_len, rows));
    if (g)
        g->room = rows & 127;
    return g;
}
