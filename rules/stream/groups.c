#include "rules/exec/key.h"
#include "rules/stream/state.h"

#include <stdlib.h>

/* What an allocation costs: glibc adds a word and rounds to 16; the same everywhere, so that evictions are
 * too. */
static size_t cost(size_t size)
{
    return size ? (size + 8 + 15) & ~(size_t)15 : 0;
}

/* ---- the index ----------------------------------------------------------------------------------- */

static inline uint32_t home_of(const struct wr_stream *s, uint32_t hash)
{
    return (uint32_t)((uint64_t)hash * s->nlines >> 32);
}

static inline uint8_t tag_of(uint32_t hash)
{
    uint8_t tag = (uint8_t)hash;
    return tag ? tag : 1;
}

#ifdef __SSE2__
/* A bit for each place of the line that holds the tag. */
static inline uint32_t places(const struct line *l, uint8_t tag)
{
    __m128i same = _mm_cmpeq_epi8(_mm_load_si128((const __m128i *)l), _mm_set1_epi8((char)tag));
    return (uint32_t)_mm_movemask_epi8(same) & ((1u << LINE_REFS) - 1);
}
#else
/* Bit 8i + 7: byte i of `word` may be `tag`; none is missed. */
static inline uint64_t match(uint64_t word, uint8_t tag)
{
    uint64_t x = word ^ tag * UINT64_C(0x0101010101010101);
    return (x - UINT64_C(0x0101010101010101)) & ~x & UINT64_C(0x8080808080808080);
}

/* A bit for each place of the line that may hold the tag. */
static inline uint32_t places(const struct line *l, uint8_t tag)
{
    uint64_t low, high;
    memcpy(&low, l->tag, 8);
    memcpy(&high, l->tag + 4, 8); /* bytes 4 to 11 */
    low = match(low, tag);
    high = match(high, tag) >> 32;
    const uint64_t gather = UINT64_C(0x0002040810204081); /* bits 7, 15, .. 63 to the top byte */
    return (uint32_t)((low * gather >> 56) | (high * gather >> 56 & 15) << 8);
}
#endif

static inline uint32_t next_line(const struct wr_stream *s, uint32_t i)
{
    return i + 1 == s->nlines ? 0 : i + 1;
}

static uint32_t *index_put(struct wr_stream *s, uint32_t hash, uint32_t ref)
{
    uint32_t i = home_of(s, hash), free = 0;
    while (!(free = places(&s->index[i], 0))) {
        s->index[i].over++;
        i = next_line(s, i);
    }
    uint32_t k = (uint32_t)__builtin_ctz(free); /* the first is never wrong */
    s->index[i].tag[k] = tag_of(hash);
    s->index[i].ref[k] = ref;
    return &s->index[i].ref[k];
}

/* Where the group stands: its line and the place in it. */
static uint32_t *index_find(const struct wr_stream *s, const struct group *g, uint32_t *ret_line)
{
    uint8_t tag = tag_of(g->hash);
    for (uint32_t i = home_of(s, g->hash);; i = next_line(s, i))
        for (uint32_t m = places(&s->index[i], tag); m; m &= m - 1) {
            uint32_t k = (uint32_t)__builtin_ctz(m);
            if (s->index[i].tag[k] == tag && group_at(s, s->index[i].ref[k]) == g) {
                *ret_line = i;
                return &s->index[i].ref[k];
            }
        }
}

static void index_remove(struct wr_stream *s, const struct group *g)
{
    uint32_t at, *ref = index_find(s, g, &at);
    for (uint32_t i = home_of(s, g->hash); i != at; i = next_line(s, i))
        s->index[i].over--;
    s->index[at].tag[ref - s->index[at].ref] = 0;
    *ref = 0;
}

struct group *wr_group_next(struct wr_stream *s, uint64_t *cursor)
{
    wr_statepool_settle(&s->groups);
    uint32_t ref = wr_statepool_next(&s->groups, cursor);
    return ref ? group_at(s, ref) : NULL;
}

/* Room for one more: at most ten of twelve places are taken. */
static bool index_room(struct wr_stream *s)
{
    if ((uint64_t)s->ngroups + 1 <= (uint64_t)s->nlines * (LINE_REFS - 2))
        return true;
    uint32_t n = s->nlines ? 2 * s->nlines : 2;
    struct line *index = wr_state_memory(n * sizeof *index);
    if (!index)
        return false;
    memset(index, 0, n * sizeof *index);
    free(s->index);
    s->moved++;
    s->found = NULL;
    s->bytes += (n - s->nlines) * sizeof *index;
    s->index = index;
    s->nlines = n;
    /* Groups come as they lie, lines at random: these are touched some groups ahead. */
    enum { AHEAD = 16 };
    wr_statepool_settle(&s->groups);
    uint32_t hash[AHEAD], ref[AHEAD], i = 0;
    uint64_t cursor = 0;
    for (uint32_t next; (next = wr_statepool_next(&s->groups, &cursor)) != 0; i++) {
        if (i >= AHEAD)
            index_put(s, hash[i % AHEAD], ref[i % AHEAD]);
        ref[i % AHEAD] = next;
        hash[i % AHEAD] = group_at(s, next)->hash;
        __builtin_prefetch(&index[home_of(s, hash[i % AHEAD])]);
    }
    for (uint32_t k = i < AHEAD ? 0 : i - AHEAD; k < i; k++)
        index_put(s, hash[k % AHEAD], ref[k % AHEAD]);
    return true;
}

enum { REACHED = 3 * 64 }; /* bytes of a group that are touched first */

/* Where the group of the hash most likely stands; touches it. */
static inline uint32_t *reach(const struct wr_stream *s, uint32_t hash)
{
    uint32_t i = home_of(s, hash);
    struct line *l = &s->index[i];
    uint32_t m = places(l, tag_of(hash));
    if (!m && l->over) { /* of a nearly full index every fifth line is */
        l = &s->index[next_line(s, i)];
        m = places(l, tag_of(hash));
    }
    if (!m)
        return NULL;
    uint32_t *place = &l->ref[__builtin_ctz(m)];
    const char *g = wr_statepool_at(&s->groups, *place); /* of no group: chunk 0, which is nowhere */
    __builtin_prefetch(g);
    __builtin_prefetch(g + 64);
    __builtin_prefetch(g + 128);
    return place;
}

/* Part of the rows from `at` on, as many as are in a step and there. */
static inline uint32_t from(int32_t at)
{
    return at < 0 ? 0 : (uint32_t)at;
}

static inline uint32_t upto(int32_t at, uint32_t n)
{
    return at < 0 ? 0 : (uint32_t)at < n ? (uint32_t)at : n;
}

void wr_groups_ahead(const struct wr_stream *s, int32_t at, uint32_t n, uint32_t **place)
{
    const uint32_t *hash = s->keys->hash;
    uint32_t end = upto(at + 4 * WR_STEP, n);
    for (uint32_t k = from(at + 3 * WR_STEP); k < end && s->nlines; k++)
        __builtin_prefetch(&s->index[home_of(s, hash[k])]);
    end = upto(at + 3 * WR_STEP, n);
    for (uint32_t k = from(at + 2 * WR_STEP); k < end; k++)
        place[k] = s->nlines ? reach(s, hash[k]) : NULL;
    end = upto(at + 2 * WR_STEP, n);
    for (uint32_t k = from(at + WR_STEP); k < end; k++) { /* the newest row: of many that may be lines away */
        const struct group *g = place[k] && *place[k] ? group_at(s, *place[k]) : NULL;
        if (!g || !g->nraw)
            continue;
        const char *last = is_many(g) ? (const char *)g + many_from(g->key_len) + ((g->nraw - 1u) * s->raw_words + MANY_WORDS) * 8
                                      : (const char *)few_at(s, g, g->nraw - 1u);
        if (last - (const char *)g >= REACHED - 32) {
            __builtin_prefetch(last);
            __builtin_prefetch(last + 31);
        }
    }
}

static struct group *find(struct wr_stream *s, uint32_t hash, const uint8_t *key, uint32_t len)
{
    uint8_t tag = tag_of(hash);
    for (uint32_t i = home_of(s, hash);; i = next_line(s, i)) {
        struct line *l = &s->index[i];
        for (uint32_t m = places(l, tag); m; m &= m - 1) {
            uint32_t k = (uint32_t)__builtin_ctz(m);
            struct group *g = l->tag[k] == tag ? group_at(s, l->ref[k]) : NULL;
            if (g && group_is(g, hash, key, len)) {
                s->found = &l->ref[k];
                return g;
            }
        }
        if (!l->over)
            return NULL;
    }
}

struct group *wr_group_find(struct wr_stream *s, uint32_t at, uint32_t *place)
{
    uint32_t hash = s->keys->hash[at], len = s->keys->len[at], ref = place ? *place : 0;
    const uint8_t *key = s->keys->data + s->keys->at[at];
    struct group *g = ref ? group_at(s, ref) : NULL;
    if (g && group_is(g, hash, key, len)) {
        s->found = place;
        return g;
    }
    return s->nlines ? find(s, hash, key, len) : NULL;
}

/* ---- groups --------------------------------------------------------------------------------------- */

struct group *wr_group_new(struct wr_stream *s, uint32_t at, size_t rows_bytes, enum wr_err *ret_err)
{
    uint32_t len = s->keys->len[at];
    *ret_err = len > UINT16_MAX ? WR_ELIMIT : WR_ENOMEM;
    if (*ret_err == WR_ELIMIT || !index_room(s))
        return NULL;
    size_t size = (sizeof(struct group) + len + rows_bytes + 7) & ~(size_t)7;
    uint32_t ref = wr_statepool_alloc(&s->groups, size);
    if (!ref)
        return NULL;
    struct group *g = group_at(s, ref);
    *g = (struct group){.hash = s->keys->hash[at], .key_len = (uint16_t)len};
    memcpy(g->tail, s->keys->data + s->keys->at[at], len);
    s->bytes += size;
    s->found = index_put(s, g->hash, ref);
    s->ngroups++;
    s->created++;
    *ret_err = WR_OK;
    return g;
}

void wr_group_key(struct wr_stream *s, const uint8_t *key)
{
    memset(s->key_valid, 0, s->summarize->nkeys * sizeof *s->key_valid);
    wr_key_unpack(key, s->key_row, s->summarize->nkeys, 0);
}

/* For when the sweep has something to do again (state.h: calm). */
static void seen(struct wr_stream *s, struct group *g)
{
    int64_t oldest = group_oldest(s, g);
    s->round_oldest = oldest < s->round_oldest ? oldest : s->round_oldest;
}

/* A cell's content into one that is larger by 8 bytes at least; 8 bytes more than there are may be read and written. */
static inline void copy_cell(void *to, const void *from, size_t size)
{
    enum { SHORT = 128 };
    if (size > SHORT) {
        memcpy(to, from, size);
        return;
    }
    for (size_t i = 0; i < size; i += 16)
        memcpy((char *)to + i, (const char *)from + i, 16);
}

struct group *wr_group_resize(struct wr_stream *s, struct group *g, size_t size)
{
    uint32_t line, *place = s->found;
    if (!place || group_at(s, *place) != g)
        place = index_find(s, g, &line);
    uint32_t old = *place;
    bool known = !is_many(g) && g->room < RAW_MIN; /* what the chunk says is a cache miss away */
    size_t room = known ? (sizeof *g + g->key_len + (size_t)g->room * s->form_size[g->form] + 7) & ~(size_t)7
                        : wr_statepool_room(&s->groups, old);
    if (size <= room)
        return g;
    size = (size + 7) & ~(size_t)7;
    uint32_t ref = wr_statepool_alloc(&s->groups, size);
    if (!ref)
        return NULL;
    struct group *new = group_at(s, ref);
    copy_cell(new, g, room);
    *place = ref;
    if (new->ext && ext_of(s, new)->heap)
        s->heap[ext_of(s, new)->heap - 1].ref = ref;
    s->bytes += size - room;
    wr_statepool_free_later(&s->groups, old, room);
    seen(s, new); /* the hand may have passed where it lies now */
    return new;
}

bool wr_group_ext(struct wr_stream *s, struct group *g)
{
    if (g->ext)
        return true;
    uint32_t ref = wr_statepool_alloc(&s->exts, sizeof(struct ext));
    if (!ref)
        return false;
    struct ext *x = wr_statepool_at(&s->exts, ref);
    *x = (struct ext){0};
    if (s->layout.ndsets && !(x->dsets = calloc(s->layout.ndsets, sizeof *x->dsets))) {
        wr_statepool_free(&s->exts, ref);
        return false;
    }
    s->bytes += sizeof *x + cost(s->layout.ndsets * sizeof *x->dsets);
    g->ext = ref;
    return true;
}

static void ext_free(struct wr_stream *s, struct ext *x)
{
    for (uint32_t a = 0; a < s->layout.naggs; a++) {
        uint8_t d = s->layout.agg[a].dset;
        if (d == WR_NO_DSET)
            continue;
        s->bytes -= wr_dset_bytes(&x->dsets[d]);
        wr_dset_fini(&x->dsets[d], s->layout.agg[a].in);
    }
    s->bytes -= sizeof *x + cost(s->layout.ndsets * sizeof *x->dsets) + x->cpanes * s->pane_words * 8;
    s->npanes -= x->npanes;
    wr_firing_free(s, x->firing);
    free(x->panes);
    free(x->dsets);
}

/* ---- heap of times ---- */

static void heap_set(struct wr_stream *s, uint32_t i, struct due d)
{
    s->heap[i] = d;
    ext_of(s, group_at(s, d.ref))->heap = i + 1;
}

int wr_group_compare(const struct group *a, const struct group *b)
{
    uint32_t n = a->key_len < b->key_len ? a->key_len : b->key_len;
    int cmp = n ? memcmp(key_of(a), key_of(b), n) : 0;
    return cmp ? cmp : (a->key_len > b->key_len) - (a->key_len < b->key_len);
}

/* Equal times in order of keys: places depend on how rows came in batches. */
static bool before(const struct wr_stream *s, struct due a, struct due b)
{
    return a.t < b.t || (a.t == b.t && wr_group_compare(group_at(s, a.ref), group_at(s, b.ref)) < 0);
}

static void heap_fix(struct wr_stream *s, uint32_t i)
{
    struct due d = s->heap[i];
    while (i > 0 && before(s, d, s->heap[(i - 1) / 2])) {
        heap_set(s, i, s->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    for (uint32_t c = 2 * i + 1; c < s->nheap; c = 2 * i + 1) {
        if (c + 1 < s->nheap && before(s, s->heap[c + 1], s->heap[c]))
            c++;
        if (!before(s, s->heap[c], d))
            break;
        heap_set(s, i, s->heap[c]);
        i = c;
    }
    heap_set(s, i, d);
}

static void heap_remove(struct wr_stream *s, struct group *g)
{
    struct ext *x = ext_of(s, g);
    if (!x || !x->heap)
        return;
    uint32_t i = x->heap - 1;
    x->heap = 0;
    struct due last = s->heap[--s->nheap];
    if (i == s->nheap)
        return;
    heap_set(s, i, last);
    heap_fix(s, i);
}

bool wr_group_schedule(struct wr_stream *s, struct group *g, int64_t t)
{
    if (t == INT64_MAX) {
        heap_remove(s, g);
        return true;
    }
    if (!wr_group_ext(s, g))
        return false;
    if (!ext_of(s, g)->heap) {
        if (s->nheap == s->cheap) {
            uint32_t cap = s->cheap ? 2 * s->cheap : 32;
            struct due *heap = realloc(s->heap, cap * sizeof *heap);
            if (!heap)
                return false;
            s->bytes += (cap - s->cheap) * sizeof *heap;
            s->heap = heap;
            s->cheap = cap;
        }
        uint32_t line;
        heap_set(s, s->nheap++, (struct due){t, *index_find(s, g, &line)});
    }
    uint32_t i = ext_of(s, g)->heap - 1;
    s->heap[i].t = t;
    heap_fix(s, i);
    return true;
}

/* ---- end of groups ---- */

void wr_group_free(struct wr_stream *s, struct group *g)
{
    uint32_t line, ref = *index_find(s, g, &line);
    heap_remove(s, g);
    index_remove(s, g);
    s->ngroups--;
    if (g->ext) {
        ext_free(s, ext_of(s, g));
        wr_statepool_free(&s->exts, g->ext);
    }
    s->bytes -= wr_statepool_room(&s->groups, ref);
    wr_statepool_free(&s->groups, ref);
}

/* The next group in the hand's way, round and round; there is one. */
static struct group *under_hand(struct wr_stream *s)
{
    struct group *g = wr_group_next(s, &s->hand);
    if (!g) {
        s->hand = 0;
        s->calm = s->round_oldest > INT64_MAX - s->window ? INT64_MAX : s->round_oldest + s->window;
        s->round_oldest = INT64_MAX;
        g = wr_group_next(s, &s->hand);
    }
    seen(s, g);
    return g;
}

void wr_groups_sweep(struct wr_stream *s, uint32_t n)
{
    int64_t bound = edge(s, s->now);
    if (s->now < s->calm)
        return;
    n = n < s->ngroups ? n : s->ngroups;
    for (uint32_t i = 0; i < n && s->window; i++) {
        struct group *g = under_hand(s);
        if (group_oldest(s, g) > bound)
            continue;
        const struct ext *x = ext_of(s, g);
        if (wr_rows_newest(s, g) <= bound && !(x && (x->firing || x->heap)))
            wr_group_free(s, g);
    }
}

/* The oldest of the next few that does not fire; one that fires only when all of them do. */
static struct group *victim(struct wr_stream *s)
{
    struct group *best = NULL;
    for (uint32_t i = 0; i < 8 && i < s->ngroups; i++) {
        struct group *g = under_hand(s);
        bool fires = firing_of(s, g) != NULL, best_fires = best && firing_of(s, best);
        if (!best || (best_fires && !fires) ||
            (best_fires == fires && wr_rows_newest(s, g) < wr_rows_newest(s, best)))
            best = g;
    }
    return best;
}

enum wr_err wr_groups_make_room(struct wr_stream *s)
{
    while (s->bytes > s->opts.memory_bytes && s->ngroups) {
        struct group *g = victim(s);
        s->stats.evicted++;
        s->inexact_until = s->window ? s->now + s->window : INT64_MAX;
        enum wr_err err = firing_of(s, g) ? wr_group_resolve(s, g, s->now) : WR_OK;
        if (err)
            return err;
        wr_group_free(s, g);
    }
    return WR_OK;
}

void wr_groups_fini(struct wr_stream *s)
{
    uint64_t cursor = 0;
    for (struct group *g; (g = wr_group_next(s, &cursor)) != NULL;)
        if (g->ext)
            ext_free(s, ext_of(s, g));
    wr_statepool_fini(&s->groups);
    wr_statepool_fini(&s->exts);
    free(s->index);
    free(s->heap);
}
