#include "rules/stream/state.h"

#include "base/err.h"

#include <stdlib.h>

static int64_t pane_of(const struct wr_stream *s, int64_t ts)
{
    return wr_pane_of(ts, s->pane);
}

/* Of many. */
static int64_t raw_ts(const struct wr_stream *s, struct group *g, uint32_t n)
{
    return (int64_t)raw_at(s, g, n)[0];
}

static union wr_slot *raw_state(const struct wr_stream *s, uint64_t *raw)
{
    return (union wr_slot *)(raw + s->raw_slots);
}

static union wr_slot *pane_state(uint64_t *pane)
{
    return (union wr_slot *)(pane + PANE_SLOTS);
}

/* Room for so many panes more. */
static bool panes_room(struct wr_stream *s, struct ext *x, uint32_t more)
{
    if (x->npanes + more <= x->cpanes)
        return true;
    uint32_t cap = x->cpanes ? x->cpanes + x->cpanes / 2 + 1 : 2;
    cap = cap < x->npanes + more ? x->npanes + more : cap;
    uint64_t *panes = realloc(x->panes, (size_t)cap * s->pane_words * 8);
    if (!panes)
        return false;
    s->bytes += (size_t)(cap - x->cpanes) * s->pane_words * 8;
    x->panes = panes;
    x->cpanes = cap;
    return true;
}

/* The pane `id`, made when it is not there; NULL when out of memory. */
static uint64_t *pane_get(struct wr_stream *s, struct ext *x, int64_t id)
{
    uint32_t i = x->npanes;
    while (i > 0 && (int64_t)pane_at(s, x, i - 1)[PANE_ID] > id)
        i--;
    if (i > 0 && (int64_t)pane_at(s, x, i - 1)[PANE_ID] == id)
        return pane_at(s, x, i - 1);
    if (!panes_room(s, x, 1))
        return NULL;
    uint64_t *p = pane_at(s, x, i);
    memmove(p + s->pane_words, p, (size_t)(x->npanes - i) * s->pane_words * 8);
    memset(p, 0, (size_t)s->pane_words * 8);
    p[PANE_ID] = (uint64_t)id;
    p[PANE_FIRST] = (uint64_t)INT64_MAX;
    p[PANE_LAST] = (uint64_t)INT64_MIN;
    x->npanes++;
    s->npanes++;
    return p;
}

static void pane_drop(struct wr_stream *s, struct group *g, uint32_t n)
{
    struct ext *x = ext_of(s, g);
    uint64_t *p = pane_at(s, x, n);
    struct many *m = many_of(g);
    m->pane_rows -= p[PANE_N];
    memmove(p, p + s->pane_words, (size_t)(x->npanes - n - 1) * s->pane_words * 8);
    x->npanes--;
    s->npanes--;
    m->floor = x->npanes ? (int64_t)pane_at(s, x, x->npanes - 1)[PANE_LAST] : INT64_MIN;
}

/* The row's values into the group's sets. */
static enum wr_err fold_hashes(struct wr_stream *s, struct group *g, int64_t ts, const union wr_slot *slots)
{
    struct ext *x = ext_of(s, g);
    for (uint32_t a = 0; a < s->layout.naggs; a++) {
        const struct wr_agg_place *p = &s->layout.agg[a];
        if (!p->hashed || !slots[p->first].u)
            continue;
        struct wr_dset *set = &x->dsets[p->dset];
        size_t before = wr_dset_bytes(set);
        enum wr_err err = wr_dset_add_hash(set, slots[p->first].u, ts, p->keeps);
        s->bytes += wr_dset_bytes(set) - before;
        if (err)
            return err;
        x->approx |= set->lost;
    }
    return WR_OK;
}

/* A row's state into its pane. */
static inline enum wr_err fold_into(struct wr_stream *s, struct group *g, struct many *m, uint64_t *p, int64_t ts,
                                    const union wr_slot *slots)
{
    p[PANE_N]++;
    m->pane_rows++;
    if (ts < (int64_t)p[PANE_FIRST])
        p[PANE_FIRST] = (uint64_t)ts;
    if (ts > (int64_t)p[PANE_LAST])
        p[PANE_LAST] = (uint64_t)ts;
    if (ts > m->floor)
        m->floor = ts;
    if (ts < m->stale)
        m->stale = ts;
    wr_agg_merge(&s->layout, pane_state(p), slots);
    return s->layout.nrow > s->layout.nslots ? fold_hashes(s, g, ts, slots) : WR_OK;
}

static enum wr_err fold(struct wr_stream *s, struct group *g, int64_t ts, const union wr_slot *slots)
{
    uint64_t *p = wr_group_ext(s, g) ? pane_get(s, ext_of(s, g), pane_of(s, ts)) : NULL;
    return p ? fold_into(s, g, many_of(g), p, ts, slots) : WR_ENOMEM;
}

/* The older half of a full raw block goes into panes. */
static enum wr_err fold_half(struct wr_stream *s, struct group *g)
{
    if (!wr_group_ext(s, g))
        return WR_ENOMEM;
    struct ext *x = ext_of(s, g);
    struct many *m = many_of(g);
    uint64_t *rows = raw_at(s, g, 0), *raw = rows, *p = NULL;
    int64_t after = INT64_MAX, upto = 0; /* the pane's interval */
    uint32_t n = g->nraw / 2u;
    int64_t span = pane_of(s, raw_ts(s, g, n - 1)) - pane_of(s, raw_ts(s, g, 0)); /* rows are in order */
    if (!panes_room(s, x, span < n - 1 ? (uint32_t)span + 1 : n))
        return WR_ENOMEM;
    for (uint32_t i = 0; i < n; i++, raw += s->raw_words) {
        int64_t ts = (int64_t)raw[0];
        if (ts <= after || ts > upto) {
            int64_t id = pane_of(s, ts);
            p = pane_get(s, x, id);
            after = id * s->pane;
            upto = after + s->pane;
        }
        enum wr_err err = p ? fold_into(s, g, m, p, ts, raw_state(s, raw)) : WR_ENOMEM;
        if (err)
            return err;
    }
    memmove(rows, raw, (size_t)(g->nraw - n) * s->raw_words * 8);
    wr_many_rows(s, g, g->nraw - n);
    return WR_OK;
}

/* The older half of a full raw block would take less as panes. */
static bool folds_well(const struct wr_stream *s, struct group *g)
{
    uint32_t n = g->nraw / 2u, panes = 0;
    int64_t upto = INT64_MIN;
    for (uint32_t i = 0; i < n && panes * s->pane_words <= n * s->raw_words; i++) {
        int64_t ts = is_many(g) ? raw_ts(s, g, i) : few_time(s, few_at(s, g, i));
        if (ts <= upto)
            continue;
        upto = (pane_of(s, ts) + 1) * s->pane;
        panes++;
    }
    return panes * s->pane_words <= n * s->raw_words;
}

static enum wr_err insert_many(struct wr_stream *s, struct group **g, const uint64_t *row)
{
    struct group *to = *g;
    struct many *m = many_of(to);
    int64_t ts = (int64_t)row[0];
    const union wr_slot *slots = (const union wr_slot *)(row + s->raw_slots);
    if (ts <= m->floor) /* late: to its pane */
        return fold(s, to, ts, slots);
    while (to->nraw == to->room) { /* what a fold leaves may be as many as it takes to fold again, or to grow */
        if (to->room < s->raw_max || (to->room < s->raw_most && !folds_well(s, to))) {
            to = wr_many_grow(s, to);
            if (!to)
                return WR_ENOMEM;
            *g = to;
            m = many_of(to);
            continue;
        }
        if (ts < raw_ts(s, to, 0))
            return fold(s, to, ts, slots);
        enum wr_err err = fold_half(s, to);
        if (err)
            return err;
        if (ts <= m->floor)
            return fold(s, to, ts, slots);
    }
    WR_ASSERT(to->nraw < to->room);
    uint32_t each = s->raw_words, n = to->nraw, back = 0;
    uint64_t *raw = (uint64_t *)(m + 1) + (size_t)n * each;
    for (; back < n && (int64_t)raw[-(ptrdiff_t)each] > ts; back++)
        raw -= each;
    if (back)
        memmove(raw + each, raw, (size_t)back * each * 8);
    if (ts < m->stale)
        m->stale = ts;
    for (uint32_t k = 0; k < each; k++)
        raw[k] = row[k];
    to->nraw = (n + 1) & 127;
    return WR_OK;
}

enum wr_err wr_rows_insert(struct wr_stream *s, struct group **g, const uint64_t *row)
{
    struct group *to = *g;
    if (many_append(s, to, row))
        return WR_OK;
    if (is_many(to))
        return insert_many(s, g, row);
    bool more = to->nraw < s->few_most && !(wr_few_full(s, to) && (to->nraw >= s->raw_most || folds_well(s, to)));
    to = more ? wr_few_insert(s, to, row) : wr_few_to_many(s, to);
    if (!to)
        return WR_ENOMEM;
    *g = to;
    return is_many(to) ? insert_many(s, g, row) : WR_OK;
}

uint32_t wr_rows_quick(const struct wr_stream *s, const struct going *go, uint32_t k, uint32_t end,
                       struct group **ret_group)
{
    uint64_t *const *base = s->groups.base;
    const struct wr_packed_keys *keys = s->keys;
    const uint8_t *data = keys->data, *narrow = s->narrow;
    const uint64_t *block = s->block;
    const uint32_t each = s->raw_words, narrow_each = s->narrow_each, form = s->form, size = s->form_size[form],
                   shift = s->time_shift;
    const int64_t epoch = s->epoch, bound = go->bound, coded_bound = s->window ? bound - epoch : INT64_MIN;
    const uint64_t least = s->least_rows;
    *ret_group = NULL;
    for (; k < end; k++) {
        uint32_t ref = go->place[k] ? *go->place[k] : 0;
        if (!ref)
            return k;
        struct group *g = (struct group *)(base[ref >> WR_STATEPOOL_SHIFT] + (ref & (WR_STATEPOOL_UNITS - 1)));
        const uint64_t *words = block + (size_t)k * each;
        int64_t ts = (int64_t)words[0];
        if (ts == WR_GONE || !group_is(g, keys->hash[k], data + keys->at[k], keys->len[k]))
            return k;
        uint32_t n = g->nraw;
        if (g->form != form) {
            if (!is_many(g) || group_oldest(s, g) <= bound || group_rows(g) + 1 >= least || !many_append(s, g, words))
                return k;
            continue;
        }
        uint8_t *first = g->tail + g->key_len, *p = first + n * size;
        if (g->ext || !n || n + 1 >= least || few_coded(first, shift) <= coded_bound)
            return k;
        if (n >= g->room || !go->fit[k] || few_coded(p - size, shift) > ts - epoch) {
            *ret_group = g;
            return k;
        }
        few_copy(p, narrow + (size_t)k * narrow_each, size);
        g->nraw = (n + 1) & 127;
    }
    return k;
}

static bool amend_pane(struct wr_stream *s, struct group *g, int64_t ts, const union wr_slot *old,
                       const union wr_slot *new)
{
    struct ext *x = ext_of(s, g);
    int64_t id = pane_of(s, ts);
    for (uint32_t i = x->npanes; i-- > 0;) {
        uint64_t *p = pane_at(s, x, i);
        if ((int64_t)p[PANE_ID] != id)
            continue;
        if (!wr_agg_amend(&s->layout, pane_state(p), old, new))
            x->approx = true;
        for (uint32_t h = s->layout.nslots; h < s->layout.nrow; h++)
            if (!new || old[h].u != new[h].u)
                x->approx = true; /* a value's last sighting cannot be taken back */
        if (new && fold_hashes(s, g, ts, new) != WR_OK)
            x->approx = true;
        if (new)
            return true;
        if (ts == (int64_t)p[PANE_FIRST] || ts == (int64_t)p[PANE_LAST])
            x->approx = true; /* whether another row has this time is not known */
        p[PANE_N]--;
        many_of(g)->pane_rows--;
        if (p[PANE_N] == 0)
            pane_drop(s, g, i);
        return true;
    }
    return false;
}

/* The raw row of that time, or UINT32_MAX. */
static uint32_t raw_find(const struct wr_stream *s, const uint64_t *rows, uint32_t n, int64_t ts, uint64_t rowid)
{
    while (n-- > 0) {
        const uint64_t *raw = rows + (size_t)n * s->raw_words;
        if ((int64_t)raw[0] == ts && (s->raw_slots < 2 || raw[1] == rowid))
            return n;
    }
    return UINT32_MAX;
}

enum wr_err wr_rows_amend(struct wr_stream *s, struct group **g, uint32_t at, const union wr_slot *old,
                          const union wr_slot *new, bool *ret_there)
{
    struct group *in = *g;
    int64_t ts = (int64_t)row_at(s, at)[0];
    uint64_t *rows = raw_rows(s, in);
    uint32_t n = in->nraw, i = raw_find(s, rows, n, ts, s->raw_slots > 1 ? row_at(s, at)[1] : 0);
    *ret_there = true;
    if (i == UINT32_MAX) {
        *ret_there = in->ext && amend_pane(s, in, ts, old, new);
        return WR_OK;
    }
    uint64_t *raw = rows + (size_t)i * s->raw_words;
    if (!new) /* may be the last: gone before its time */
        s->round_oldest = s->calm = 0;
    if (new && s->layout.nrow)
        memcpy(raw + s->raw_slots, new, s->layout.nrow * sizeof *new);
    if (!new)
        memmove(raw, raw + s->raw_words, (size_t)(--n - i) * s->raw_words * 8);
    if (is_many(in)) {
        wr_many_rows(s, in, n);
        return WR_OK;
    }
    in = wr_few_write(s, in, n);
    if (!in)
        return WR_ENOMEM;
    *g = in;
    return WR_OK;
}

/* The oldest time that a group still holds. */
static int64_t oldest(const struct wr_stream *s, struct group *g)
{
    const struct ext *x = ext_of(s, g);
    int64_t t = !is_many(g) ? wr_few_oldest(s, g) : g->nraw ? raw_ts(s, g, 0) : INT64_MAX;
    if (x && x->npanes && (int64_t)pane_at(s, x, 0)[PANE_LAST] < t)
        t = (int64_t)pane_at(s, x, 0)[PANE_LAST];
    for (uint32_t d = 0; x && d < s->layout.ndsets; d++)
        if (x->dsets[d].n && x->dsets[d].oldest < t)
            t = x->dsets[d].oldest;
    return t;
}

static void prune_raw(struct wr_stream *s, struct group *g, int64_t bound)
{
    bool many = is_many(g);
    uint32_t n = 0;
    while (n < g->nraw && (many ? raw_ts(s, g, n) : few_time(s, few_at(s, g, n))) <= bound)
        n++;
    if (!n)
        return;
    uint32_t left = g->nraw - n;
    if (many) {
        memmove(raw_at(s, g, 0), raw_at(s, g, n), (size_t)left * s->raw_words * 8);
        wr_many_rows(s, g, left);
    } else {
        memmove(few_at(s, g, 0), few_at(s, g, n), (size_t)left * s->form_size[g->form]);
        wr_few_rows(s, g, left);
    }
}

static void prune_sets(struct wr_stream *s, struct ext *x, int64_t bound)
{
    for (uint32_t a = 0; a < s->layout.naggs; a++) {
        uint8_t d = s->layout.agg[a].dset;
        if (d != WR_NO_DSET && x->dsets[d].n && x->dsets[d].oldest <= bound) {
            s->bytes -= wr_dset_bytes(&x->dsets[d]);
            wr_dset_expire(&x->dsets[d], s->layout.agg[a].in, bound);
            s->bytes += wr_dset_bytes(&x->dsets[d]);
        }
    }
}

void wr_rows_prune(struct wr_stream *s, struct group *g, int64_t t)
{
    int64_t bound = edge(s, t);
    struct many *m = many_of(g);
    if (!s->window || (m ? m->stale : g->ext ? oldest(s, g) : wr_few_oldest(s, g)) > bound)
        return;
    prune_raw(s, g, bound);
    struct ext *x = ext_of(s, g);
    while (x && x->npanes && (int64_t)pane_at(s, x, 0)[PANE_LAST] <= bound)
        pane_drop(s, g, 0);
    if (x && s->layout.ndsets)
        prune_sets(s, x, bound);
    if (m)
        m->stale = oldest(s, g);
}

/* Whether a pane counts at `t`: all of it, none, or, when the edge cuts it, as state.h says. */
static bool pane_counts(const uint64_t *p, int64_t bound, bool firing)
{
    return (int64_t)(firing ? p[PANE_LAST] : p[PANE_FIRST]) > bound;
}

uint64_t wr_rows_sum(struct wr_stream *s, struct group *g, int64_t t, bool firing, int64_t *ret_first,
                     int64_t *ret_last)
{
    int64_t bound = edge(s, t);
    uint64_t n = 0;
    *ret_first = INT64_MAX;
    *ret_last = INT64_MIN;
    memset(s->sum_slots, 0, (s->layout.nslots + 1) * sizeof *s->sum_slots);
    const struct ext *x = ext_of(s, g);
    for (uint32_t i = 0; x && i < x->npanes; i++) {
        uint64_t *p = pane_at(s, x, i);
        if (!pane_counts(p, bound, firing))
            continue;
        n += p[PANE_N];
        wr_agg_merge(&s->layout, s->sum_slots, pane_state(p));
        if ((int64_t)p[PANE_FIRST] < *ret_first)
            *ret_first = (int64_t)p[PANE_FIRST];
        if ((int64_t)p[PANE_LAST] > *ret_last)
            *ret_last = (int64_t)p[PANE_LAST];
    }
    uint64_t *raw = raw_rows(s, g);
    for (uint32_t i = 0; i < g->nraw; i++, raw += s->raw_words) {
        int64_t ts = (int64_t)raw[0];
        if (ts <= bound && s->window)
            continue;
        n++;
        wr_agg_merge(&s->layout, s->sum_slots, raw_state(s, raw));
        if (ts < *ret_first)
            *ret_first = ts;
        if (ts > *ret_last)
            *ret_last = ts;
    }
    return n;
}

uint64_t wr_rows_distinct(struct wr_stream *s, struct group *g, uint32_t a, int64_t t)
{
    const struct wr_agg_place *p = &s->layout.agg[a];
    const struct ext *x = ext_of(s, g);
    const struct wr_dset *set = x ? &x->dsets[p->dset] : NULL;
    const uint64_t *raw = raw_rows(s, g);
    double n = set ? wr_dset_distinct(set) : 0;
    uint32_t at = s->raw_slots + p->first, each = s->raw_words, gone = 0;
    while (s->window && gone < g->nraw && (int64_t)raw[gone * each] <= edge(s, t))
        gone++;
    for (uint32_t i = gone; i < g->nraw; i++) {
        uint64_t hash = raw[i * each + at];
        bool known = !hash || (set && wr_dset_has_hash(set, hash));
        for (uint32_t k = gone; k < i && !known; k++)
            known = raw[k * each + at] == hash;
        if (!known)
            n += set ? wr_dset_would_stand(set, hash, (int64_t)raw[i * each]) : 1;
    }
    return (uint64_t)(n + 0.5);
}

static void sooner(int64_t *best, int64_t t, int64_t now)
{
    if (t > now && t < *best)
        *best = t;
}

int64_t wr_rows_next(struct wr_stream *s, struct group *g, int64_t t, bool firing)
{
    int64_t next = INT64_MAX;
    if (!s->window)
        return next;
    if (g->nraw)
        sooner(&next, (is_many(g) ? raw_ts(s, g, 0) : wr_few_oldest(s, g)) + s->window, t);
    const struct ext *x = ext_of(s, g);
    for (uint32_t i = 0; x && i < x->npanes && i < 2; i++) {
        const uint64_t *p = pane_at(s, x, i);
        sooner(&next, (int64_t)(firing ? p[PANE_LAST] : p[PANE_FIRST]) + s->window, t);
    }
    for (uint32_t d = 0; x && d < s->layout.ndsets; d++)
        if (x->dsets[d].n)
            sooner(&next, x->dsets[d].oldest + s->window, t);
    return next;
}

int64_t wr_rows_newest(const struct wr_stream *s, struct group *g)
{
    if (!is_many(g))
        return wr_few_newest(s, g);
    return g->nraw ? raw_ts(s, g, g->nraw - 1u) : many_of(g)->floor;
}
