#include "rules/exec/key.h"
#include "rules/fn/kernel.h"
#include "rules/stream/cells.h"
#include "rules/stream/state.h"

#include <stdlib.h>

void wr_firing_free(struct wr_stream *s, struct firing *f)
{
    if (!f)
        return;
    s->bytes -= sizeof *f + f->cells.cap;
    wr_buf_fini(&f->cells);
    free(f);
}

int64_t wr_firing_due(const struct wr_stream *s, const struct firing *f)
{
    int64_t gap = (f->emitted_at - f->raised_at) / 2;
    gap = gap > WR_TICKS_SECOND ? gap : WR_TICKS_SECOND;
    return f->emitted_at + (gap < s->opts.realert ? gap : s->opts.realert);
}

bool wr_group_count(struct wr_stream *s, struct group *g, const union wr_slot *slots, const union wr_slot *was)
{
    if (!steady_row(s, slots)) {
        if (!wr_group_ext(s, g))
            return false;
        ext_of(s, g)->unsteady = true;
    }
    struct many *m = many_of(g);
    uint32_t at = s->layout.agg[s->sum.agg].first;
    if (m && !group_rises(s, g))
        m->left = 0;
    else if (m && m->left > 0 && (!was || was[at].i < slots[at].i))
        m->left -= was ? slots[at].i - was[at].i : slots[at].i;
    return true;
}

/* Of a group that is steady. */
static bool sum_too_small(struct wr_stream *s, struct group *g)
{
    if (is_many(g))
        return many_of(g)->left > 0;
    return wr_few_sum(s, g, s->raw_slots + s->layout.agg[s->sum.agg].first) < s->sum.min;
}

bool wr_group_cannot_fire(struct wr_stream *s, struct group *g)
{
    uint64_t rows = group_rows(g);
    for (uint32_t q = 0; q < s->nquick; q++) {
        uint8_t d = s->layout.agg[s->quick[q].agg].dset;
        uint64_t have = rows;
        if (d != WR_NO_DSET && g->ext && ext_of(s, g)->dsets[d].sample)
            continue;
        if (d != WR_NO_DSET && g->ext)
            have = ext_of(s, g)->dsets[d].n + (s->layout.agg[s->quick[q].agg].hashed ? g->nraw : 0u);
        if (s->quick[q].min > 0 && have < (uint64_t)s->quick[q].min)
            return true;
    }
    return s->sum.min > 0 && sum_too_small(s, g);
}

enum wr_err wr_group_grown(struct wr_stream *s, struct group *g, int64_t ts)
{
    struct firing *f = firing_of(s, g);
    if (!group_rises(s, g))
        return wr_group_evaluate(s, g, s->now, ts, WHY_ROW);
    if (!f)
        return wr_group_cannot_fire(s, g) ? WR_OK : wr_group_evaluate(s, g, s->now, ts, WHY_ROW);
    if (s->now >= wr_firing_due(s, f))
        return wr_group_evaluate(s, g, s->now, ts, WHY_ROW);
    /* Said later. A late row may leave before all others. */
    int64_t t = s->window ? ts + s->window : INT64_MAX, due = INT64_MAX;
    if (ext_of(s, g)->heap)
        due = s->heap[ext_of(s, g)->heap - 1].t;
    t = t < due ? t : due;
    if (!f->dirty && wr_firing_due(s, f) < t)
        t = wr_firing_due(s, f);
    f->dirty = true;
    return t == due || wr_group_schedule(s, g, t) ? WR_OK : WR_ENOMEM;
}

/* One aggregate of a group into row 0 of its column. */
static void put_agg(struct wr_stream *s, struct group *g, uint32_t a, uint64_t n, int64_t first,
                    int64_t last, struct wr_vec *cols)
{
    const struct wr_agg_place *p = &s->layout.agg[a];
    struct wr_vec *out = &cols[s->summarize->nkeys + a];
    static const struct wr_dset none;
    if (p->by_key)
        wr_put_i(out, 0, wr_vec_valid(&cols[p->by_key - 1], 0));
    else if (p->hashed)
        wr_put_i(out, 0, (int64_t)wr_rows_distinct(s, g, a, s->row_ev.now));
    else if (p->of_time)
        wr_put_i(out, 0, p->kind == WR_AGG_MIN ? first : last);
    else
        wr_agg_final(&s->row_ev, &s->layout, a, s->sum_slots, n,
                     p->dset == WR_NO_DSET ? NULL
                     : g->ext              ? &ext_of(s, g)->dsets[p->dset]
                                           : &none,
                     out, 0);
}

bool wr_group_row(struct wr_stream *s, struct group *g, int64_t t, bool firing, struct wr_chunk *ret_chunk,
                  int64_t *ret_first, int64_t *ret_last)
{
    const struct wr_op *op = s->summarize;
    wr_arena_reset(s->row_arena);
    s->row_ev = (struct wr_eval){.arena = s->row_arena, .now = t, .nrows = 1};
    wr_rows_prune(s, g, t);
    uint64_t n = wr_rows_sum(s, g, t, firing, ret_first, ret_last);
    if (!n)
        return false;
    struct wr_vec *cols = wr_arena_alloc(s->row_arena, (op->schema->ncols + 1u) * sizeof *cols);
    uint16_t *row = wr_arena_alloc(s->row_arena, sizeof *row);
    for (uint16_t c = 0; cols && c < op->schema->ncols; c++) {
        struct wr_vec *v = wr_vec_new(&s->row_ev, op->schema->cols[c].type);
        if (v)
            cols[c] = *v;
    }
    if (!cols || !row || s->row_ev.err) {
        s->row_ev.err = WR_ENOMEM;
        return false;
    }
    wr_key_unpack(key_of(g), cols, op->nkeys, 0);
    for (uint32_t a = 0; a < op->naggs; a++)
        put_agg(s, g, a, n, *ret_first, *ret_last, cols);
    *ret_chunk = (struct wr_chunk){.schema = op->schema, .col = cols, .nrows = 1, .sel = {row, 1}};
    for (uint32_t i = 0; i < s->nsuffix && ret_chunk->sel.n && !s->row_ev.err; i++)
        wr_op_apply(&s->row_ev, s->suffix[i], ret_chunk);
    return ret_chunk->sel.n == 1 && !s->row_ev.err;
}

static struct wr_alert *alert_new(const struct wr_stream *s, enum wr_alert_kind kind, const char *id,
                                  uint32_t seq, const struct wr_buf *cells)
{
    return wr_cells_alert(s->out_schema, cells, kind, id, seq);
}

static void emit(struct wr_stream *s, struct wr_alert *a)
{
    *s->alerts_end = a;
    s->alerts_end = &a->next;
    s->stats.raised += a->kind == WR_ALERT_RAISED;
    s->stats.updated += a->kind == WR_ALERT_UPDATED;
    s->stats.resolved += a->kind == WR_ALERT_RESOLVED;
}

/* What the group adds: window, times, samples. */
static void alert_times(struct wr_stream *s, struct group *g, const struct firing *f, int64_t t,
                        int64_t first, int64_t last, struct wr_alert *a)
{
    a->raised_at = f->raised_at;
    a->window_start = s->window ? t - s->window : 0;
    a->window_end = s->window ? t : 0;
    a->first_seen = first == INT64_MAX ? 0 : first;
    a->last_seen = last == INT64_MIN ? 0 : last;
    const struct ext *x = ext_of(s, g);
    a->exact = !x->approx && t >= s->inexact_until && t >= x->inexact_until && t >= s->row_inexact_until;
    const uint64_t *rows = raw_rows(s, g);
    for (uint32_t i = g->nraw; s->raw_slots > 1 && i-- > 0 && a->nsamples < 5;)
        if (rows[(size_t)i * s->raw_words + 1] & ROW_ID_MASK)
            a->sample_rows[a->nsamples++] = rows[(size_t)i * s->raw_words + 1] & ROW_ID_MASK;
}

static enum wr_err raise(struct wr_stream *s, struct group *g, const struct wr_chunk *chunk, int64_t t,
                         int64_t t_cross, int64_t first, int64_t last)
{
    struct firing *f = wr_group_ext(s, g) ? calloc(1, sizeof *f) : NULL;
    if (!f)
        return WR_ENOMEM;
    f->t_cross = t_cross;
    f->raised_at = f->emitted_at = t;
    wr_cells_pack(s->out_schema, chunk->col, chunk->sel.row[0], &f->cells);
    bool named =
        wr_cells_id(s->opts.rule_id, s->opts.rule_version, key_of(g), g->key_len, t_cross, f->id);
    struct wr_alert *a = !named ? NULL : alert_new(s, WR_ALERT_RAISED, f->id, 0, &f->cells);
    if (!a) {
        wr_buf_fini(&f->cells);
        free(f);
        return WR_ENOMEM;
    }
    s->bytes += sizeof *f + f->cells.cap;
    ext_of(s, g)->firing = f;
    alert_times(s, g, f, t, first, last, a);
    emit(s, a);
    return WR_OK;
}

static enum wr_err update(struct wr_stream *s, struct group *g, const struct wr_chunk *chunk, int64_t t,
                          enum why why, int64_t first, int64_t last)
{
    struct firing *f = firing_of(s, g);
    bool may_early = why == WHY_EARLY && !f->early;
    if (why == WHY_ROW || why == WHY_EARLY)
        f->dirty = true;
    if (!f->dirty || (t < wr_firing_due(s, f) && !may_early))
        return WR_OK;
    struct wr_buf cells = {0};
    wr_cells_pack(s->out_schema, chunk->col, chunk->sel.row[0], &cells);
    f->dirty = false;
    if (!cells.err && cells.len == f->cells.len && memcmp(cells.data, f->cells.data, cells.len) == 0) {
        wr_buf_fini(&cells);
        return WR_OK; /* the row is as it was: nothing to say */
    }
    struct wr_alert *a = alert_new(s, WR_ALERT_UPDATED, f->id, f->seq + 1, &cells);
    if (!a) {
        wr_buf_fini(&cells);
        return WR_ENOMEM;
    }
    s->bytes += cells.cap - f->cells.cap;
    wr_buf_fini(&f->cells);
    f->cells = cells;
    f->seq++;
    f->emitted_at = t;
    f->early |= may_early;
    alert_times(s, g, f, t, first, last, a);
    emit(s, a);
    return WR_OK;
}

enum wr_err wr_group_resolve(struct wr_stream *s, struct group *g, int64_t t)
{
    struct firing *f = firing_of(s, g);
    struct wr_alert *a = alert_new(s, WR_ALERT_RESOLVED, f->id, f->seq + 1, &f->cells);
    if (!a)
        return WR_ENOMEM;
    int64_t first, last;
    (void)wr_rows_sum(s, g, t, true, &first, &last);
    alert_times(s, g, f, t, first, last, a);
    emit(s, a);
    wr_firing_free(s, f);
    ext_of(s, g)->firing = NULL;
    return WR_OK;
}

bool wr_group_watch(struct wr_stream *s, struct group *g, int64_t t, bool both)
{
    const struct firing *f = firing_of(s, g);
    int64_t next = INT64_MAX;
    if (f || !group_rises(s, g))
        next = wr_rows_next(s, g, t, f != NULL);
    if (!f && both && !group_rises(s, g)) {
        int64_t whole = wr_rows_next(s, g, t, true);
        next = whole < next ? whole : next;
    }
    if (f && f->dirty && wr_firing_due(s, f) < next)
        next = wr_firing_due(s, f);
    return wr_group_schedule(s, g, next);
}

enum wr_err wr_group_evaluate(struct wr_stream *s, struct group *g, int64_t t, int64_t t_cross, enum why why)
{
    struct firing *f = firing_of(s, g);
    struct wr_chunk chunk;
    int64_t first, last;
    enum wr_err err = WR_OK;
    bool passes = wr_group_row(s, g, t, f != NULL, &chunk, &first, &last);
    if (s->row_ev.err)
        return s->row_ev.err;
    if (is_many(g)) {
        int64_t sum = s->sum_slots[s->layout.agg[s->sum.agg].first].i;
        many_of(g)->left = passes || f || !s->sum.min || sum < 0 ? 0 : s->sum.min - sum;
    }
    if (passes && !f)
        err = raise(s, g, &chunk, t, t_cross, first, last);
    else if (passes)
        err = update(s, g, &chunk, t, why, first, last);
    else if (f)
        err = wr_group_resolve(s, g, t);
    if (err)
        return err;
    return wr_group_watch(s, g, t, f && !passes) ? WR_OK : WR_ENOMEM;
}

enum wr_err wr_stateless_raise(struct wr_stream *s, const struct wr_chunk *chunk, uint32_t row, int64_t ts,
                               uint64_t rowid)
{
    struct wr_buf cells = {0}, key = {0};
    char id[33];
    wr_cells_pack(s->out_schema, chunk->col, row, &cells);
    /* The row's own number; without one its place among the rule's alerts tells equal rows apart. */
    wr_buf_u64(&key, rowid ? rowid : s->stateless_rows);
    s->stateless_rows++;
    wr_buf_add(&key, cells.data, cells.len);
    bool named = !key.err &&
                 wr_cells_id(s->opts.rule_id, s->opts.rule_version, key.data, key.len, ts, id);
    struct wr_alert *a = !named ? NULL : alert_new(s, WR_ALERT_RAISED, id, 0, &cells);
    wr_buf_fini(&cells);
    wr_buf_fini(&key);
    if (!a)
        return WR_ENOMEM;
    a->raised_at = s->now;
    a->first_seen = a->last_seen = ts;
    a->exact = s->row_inexact_until == INT64_MIN;
    a->final = true;
    if (rowid)
        a->sample_rows[a->nsamples++] = rowid & ROW_ID_MASK;
    emit(s, a);
    return WR_OK;
}

static struct wr_alert *firing_alert(struct wr_stream *s, struct group *g)
{
    struct firing *f = firing_of(s, g);
    struct wr_chunk chunk;
    int64_t first, last;
    if (!wr_group_row(s, g, s->now, true, &chunk, &first, &last))
        return NULL;
    struct wr_buf cells = {0};
    wr_cells_pack(s->out_schema, chunk.col, chunk.sel.row[0], &cells);
    bool same = cells.len == f->cells.len && memcmp(cells.data, f->cells.data, cells.len) == 0;
    uint32_t seq = f->seq + !same;
    struct wr_alert *a = alert_new(s, seq ? WR_ALERT_UPDATED : WR_ALERT_RAISED, f->id, seq, &cells);
    wr_buf_fini(&cells);
    if (a)
        alert_times(s, g, f, s->now, first, last, a);
    return a;
}

static int by_crossing(const void *x, const void *y, void *arg)
{
    const struct group *a = *(struct group *const *)x, *b = *(struct group *const *)y;
    int64_t ta = firing_of(arg, a)->raised_at, tb = firing_of(arg, b)->raised_at;
    return ta != tb ? (ta > tb) - (ta < tb) : wr_group_compare(a, b);
}

struct wr_alert *wr_stream_firing(struct wr_stream *stream)
{
    struct wr_alert *list = NULL, **end = &list;
    struct group **firing = malloc((stream->ngroups + 1) * sizeof(struct group *));
    uint32_t n = 0;
    uint64_t cursor = 0;
    for (struct group *g; firing && (g = wr_group_next(stream, &cursor)) != NULL;)
        if (firing_of(stream, g))
            firing[n++] = g;
    if (n)
        qsort_r(firing, n, sizeof(struct group *), by_crossing, stream);
    for (uint32_t i = 0; i < n; i++) {
        *end = firing_alert(stream, firing[i]);
        if (*end)
            end = &(*end)->next;
    }
    free(firing);
    return list;
}
