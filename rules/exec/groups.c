#include "rules/exec/key.h"
#include "rules/exec/state.h"

#include <stdlib.h>

/* What an allocation costs: glibc adds a word and rounds to 16; the same everywhere, so that evictions are
 * too. */
static size_t cost(size_t size)
{
    return size ? (size + 8 + 15) & ~(size_t)15 : 0;
}

static size_t block_size(const struct wr_stream *s, uint32_t craw, uint32_t key_len)
{
    size_t words = (key_len + 7) / 8 + (size_t)craw * s->raw_words;
    return sizeof(struct group) + (words + (craw > FEW ? MANY_WORDS + s->key_words : 0)) * 8;
}

static void index_put(struct wr_stream *s, uint32_t hash, uint32_t at)
{
    uint32_t mask = s->nindex - 1, i = hash & mask;
    while (s->index[i].at)
        i = (i + 1) & mask;
    s->index[i] = (struct slot){hash, at + 1};
}

static uint32_t index_find(const struct wr_stream *s, const struct group *g)
{
    uint32_t mask = s->nindex - 1, i = g->hash & mask;
    while (s->index[i].at != g->at + 1)
        i = (i + 1) & mask;
    return i;
}

/* Takes one out and moves those behind it up, so that every probe still ends right. */
static void index_remove(struct wr_stream *s, const struct group *g)
{
    uint32_t mask = s->nindex - 1, hole = index_find(s, g);
    for (uint32_t i = (hole + 1) & mask; s->index[i].at; i = (i + 1) & mask) {
        uint32_t home = s->index[i].hash & mask;
        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        s->index[hole] = s->index[i];
        hole = i;
    }
    s->index[hole] = (struct slot){0};
}

static bool index_room(struct wr_stream *s)
{
    if (4 * ((uint64_t)s->ngroups + 1) <= 3 * (uint64_t)s->nindex)
        return true;
    uint32_t n = s->nindex ? 2 * s->nindex : 64;
    struct slot *index = calloc(n, sizeof *index);
    if (!index)
        return false;
    free(s->index);
    s->bytes += (n - s->nindex) * sizeof *index;
    s->index = index;
    s->nindex = n;
    for (uint32_t i = 0; i < s->ngroups; i++)
        index_put(s, s->dense[i]->hash, i);
    return true;
}

static bool dense_room(struct wr_stream *s)
{
    if (s->ngroups < s->cgroups)
        return true;
    uint32_t cap = s->cgroups ? s->cgroups + s->cgroups / 4 : 64;
    struct group **dense = realloc(s->dense, cap * sizeof(struct group *));
    if (!dense)
        return false;
    s->bytes += (cap - s->cgroups) * sizeof(struct group *);
    s->dense = dense;
    s->cgroups = cap;
    return true;
}

static bool is_group(const struct wr_stream *s, struct group *g, const struct wanted *want)
{
    if (g->craw > FEW && memcmp(words_of(g), want->words, s->key_words * sizeof *want->words) != 0)
        return false;
    if (g->craw > FEW && !(want->words[0] >> 63))
        return true;
    return wr_key_equal(key_of(g), want->keys, s->summarize->nkeys, want->row);
}

struct group *wr_group_find(struct wr_stream *s, struct wanted want)
{
    if (!s->nindex)
        return NULL;
    uint32_t mask = s->nindex - 1, hash = want.hash;
    for (uint32_t i = hash & mask; s->index[i].at; i = (i + 1) & mask) {
        if (s->index[i].hash != hash)
            continue;
        struct group *g = s->dense[s->index[i].at - 1];
        if (is_group(s, g, &want))
            return g;
    }
    return NULL;
}

struct group *wr_group_new(struct wr_stream *s, struct wanted want, enum wr_err *ret_err)
{
    *ret_err = WR_ENOMEM;
    wr_buf_reset(&s->key);
    wr_key_pack(want.keys, s->summarize->nkeys, want.row, &s->key);
    if (s->key.err || !index_room(s) || !dense_room(s))
        return NULL;
    size_t len = s->key.len, size = block_size(s, 1, (uint32_t)len);
    struct group *g = len > UINT16_MAX ? NULL : malloc(size);
    if (!g) {
        *ret_err = len > UINT16_MAX ? WR_ELIMIT : WR_ENOMEM;
        return NULL;
    }
    *g = (struct group){.hash = want.hash, .at = s->ngroups, .key_len = (uint16_t)len, .craw = 1};
    if (len)
        memcpy(g->tail, s->key.data, len);
    s->bytes += cost(size);
    s->dense[s->ngroups++] = g;
    index_put(s, want.hash, g->at);
    s->created++;
    *ret_err = WR_OK;
    return g;
}

void wr_group_key(struct wr_stream *s, const uint8_t *key)
{
    memset(s->key_valid, 0, s->summarize->nkeys * sizeof *s->key_valid);
    wr_key_unpack(key, s->key_row, s->summarize->nkeys, 0);
}

/* `new` has many rows from here on, `old` had few. */
static void few_to_many(struct wr_stream *s, struct group *old, struct group *new)
{
    uint16_t zero = 0;
    struct wr_sel first = {&zero, 1};
    uint32_t hash;
    struct many *m = many_of(new);
    wr_group_key(s, key_of(new));
    wr_keys_read(&s->opts.secret, s->key_row, s->summarize->nkeys, &first, words_of(new), &hash);
    *m = (struct many){.stale = INT64_MIN, .floor = INT64_MIN}; /* the next look finds what is oldest */
    if (old->nraw)
        memcpy(raw_at(s, new, 0), raw_at(s, old, 0), (size_t)old->nraw * s->raw_words * 8);
}

struct group *wr_group_grow(struct wr_stream *s, struct group *g)
{
    uint32_t craw = 2u * g->craw > s->raw_max ? s->raw_max : 2u * g->craw;
    size_t old = block_size(s, g->craw, g->key_len), size = block_size(s, craw, g->key_len);
    bool cross = g->craw <= FEW && craw > FEW;
    struct group *new = cross ? malloc(size) : realloc(g, size);
    if (!new)
        return NULL;
    if (cross)
        memcpy(new, g, sizeof *g + key_room(g) * sizeof *g->tail);
    new->craw = (uint8_t)craw;
    if (cross) {
        few_to_many(s, g, new);
        free(g);
    }
    s->bytes += cost(size) - cost(old);
    s->dense[new->at] = new;
    return new;
}

bool wr_group_ext(struct wr_stream *s, struct group *g)
{
    if (g->ext)
        return true;
    struct ext *x = calloc(1, sizeof *x);
    if (!x)
        return false;
    if (s->layout.ndsets && !(x->dsets = calloc(s->layout.ndsets, sizeof *x->dsets))) {
        free(x);
        return false;
    }
    s->bytes += cost(sizeof *x) + cost(s->layout.ndsets * sizeof *x->dsets);
    g->ext = x;
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
    s->bytes -= cost(sizeof *x) + cost(s->layout.ndsets * sizeof *x->dsets) + x->cpanes * s->pane_words * 8;
    s->npanes -= x->npanes;
    wr_firing_free(s, x->firing);
    free(x->panes);
    free(x->dsets);
    free(x);
}

/* ---- heap of times ---- */

static void heap_set(struct wr_stream *s, uint32_t i, struct due d)
{
    s->heap[i] = d;
    s->dense[d.at]->heap = i + 1;
}

int wr_group_compare(const struct wr_stream *s, const struct group *a, const struct group *b)
{
    (void)s;
    uint32_t n = a->key_len < b->key_len ? a->key_len : b->key_len;
    int cmp = n ? memcmp(key_of(a), key_of(b), n) : 0;
    return cmp ? cmp : (a->key_len > b->key_len) - (a->key_len < b->key_len);
}

/* Equal times in order of keys: places change when groups are swept, which depends on how rows came in
 * batches. */
static bool before(const struct wr_stream *s, struct due a, struct due b)
{
    return a.t < b.t || (a.t == b.t && wr_group_compare(s, s->dense[a.at], s->dense[b.at]) < 0);
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
    if (!g->heap)
        return;
    uint32_t i = g->heap - 1;
    g->heap = 0;
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
    if (!g->heap) {
        if (s->nheap == s->cheap) {
            uint32_t cap = s->cheap ? 2 * s->cheap : 32;
            struct due *heap = realloc(s->heap, cap * sizeof *heap);
            if (!heap)
                return false;
            s->bytes += (cap - s->cheap) * sizeof *heap;
            s->heap = heap;
            s->cheap = cap;
        }
        heap_set(s, s->nheap++, (struct due){t, g->at});
    }
    s->heap[g->heap - 1].t = t;
    heap_fix(s, g->heap - 1);
    return true;
}

/* ---- end of groups ---- */

void wr_group_free(struct wr_stream *s, struct group *g)
{
    heap_remove(s, g);
    index_remove(s, g);
    uint32_t at = g->at;
    struct group *last = s->dense[--s->ngroups];
    if (last != g) {
        uint32_t i = index_find(s, last);
        s->dense[at] = last;
        last->at = at;
        s->index[i].at = at + 1;
        if (last->heap) {
            s->heap[last->heap - 1].at = at;
            heap_fix(s, last->heap - 1);
        }
    }
    if (g->ext)
        ext_free(s, g->ext);
    s->bytes -= cost(block_size(s, g->craw, g->key_len));
    free(g);
}

void wr_groups_sweep(struct wr_stream *s, uint32_t n)
{
    for (uint32_t i = 0; i < n && s->ngroups && s->window; i++) {
        if (s->hand >= s->ngroups)
            s->hand = 0;
        struct group *g = s->dense[s->hand];
        if (wr_rows_newest(s, g) <= edge(s, s->now) && !(g->ext && g->ext->firing) && !g->heap)
            wr_group_free(s, g);
        else
            s->hand++;
    }
}

/* The oldest of the next few that does not fire; one that fires only when all of them do. */
static struct group *victim(struct wr_stream *s)
{
    struct group *best = NULL;
    for (uint32_t i = 0; i < 16 && i < s->ngroups; i++, s->hand++) {
        if (s->hand >= s->ngroups)
            s->hand = 0;
        struct group *g = s->dense[s->hand];
        bool fires = g->ext && g->ext->firing, best_fires = best && best->ext && best->ext->firing;
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
        enum wr_err err = g->ext && g->ext->firing ? wr_group_resolve(s, g, s->now) : WR_OK;
        if (err)
            return err;
        wr_group_free(s, g);
    }
    return WR_OK;
}

void wr_groups_fini(struct wr_stream *s)
{
    while (s->ngroups)
        wr_group_free(s, s->dense[s->ngroups - 1]);
    free(s->dense);
    free(s->index);
    free(s->heap);
}
