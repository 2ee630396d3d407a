#include "rules/exec/best.h"
#include "rules/exec/key.h"
#include "rules/exec/rows.h"
#include "rules/exec/summarize.h"
#include "rules/fn/kernel.h"
#include "rules/share/prefix.h"
#include "rules/stream/state.h"

#include <stddef.h>
#include <stdlib.h>

enum { SWEEP = 64 };
#define SWEEP_TICKS (WR_TICKS_SECOND / 10)

/* What one look at a batch gives: the rows that passed, their keys and arguments. */
struct view {
    struct wr_chunk chunk;
    uint32_t at; /* operators of the prefix that it went through: all but what multiplies rows, and what follows */
    struct wr_vec *keys;
    struct wr_agg_args *args;
    bool *in;             /* only when there are amendments */
};

/* From operator `at` of the prefix on. */
static bool look(struct wr_stream *s, const struct wr_batch *b, const struct wr_vec *cols, uint32_t at,
                 const struct wr_sel *sel, struct view *v)
{
    *v = (struct view){.chunk = {.schema = b->schema, .col = cols, .nrows = b->nrows}, .at = at};
    v->chunk.sel.row = wr_arena_alloc(s->ev.arena, (sel->n + 1) * sizeof *sel->row);
    if (!v->chunk.sel.row)
        return false;
    memcpy(v->chunk.sel.row, sel->row, sel->n * sizeof *sel->row);
    v->chunk.sel.n = sel->n;
    s->ev.nrows = b->nrows;
    for (; v->at < s->leg->nprefix && v->chunk.sel.n && !wr_op_multiplies(s->leg->prefix[v->at]); v->at++)
        if (wr_stream_apply(s, s->leg->prefix[v->at], &v->chunk))
            return false;
    if (!s->summarize || !v->chunk.sel.n)
        return true;
    return wr_summarize_eval(&s->ev, s->summarize, &v->chunk, &v->keys, &v->args);
}

/* Rows of a plain leg, which its sieve let through: where they lie in the batch. False: nobody filled one of the columns, or
 * there is no memory. */
static bool look_plain(struct wr_stream *s, const struct wr_batch *b, const struct wr_sel *sel, struct view *v)
{
    const struct wr_op *op = s->summarize;
    const struct leg *leg = s->leg;
    struct wr_vec *keys = wr_arena_alloc(s->ev.arena, (op->nkeys + 1) * sizeof *keys);
    struct wr_agg_args *args = wr_arena_alloc(s->ev.arena, (op->naggs + 1) * sizeof *args->arg); /* no more are read */
    if (!keys || !args)
        return false;
    for (uint32_t i = 0; i < op->nkeys + 2 * op->naggs; i++) {
        const struct wr_vec *c = leg->col[i] == WR_NO_COL ? NULL : &b->col[leg->col[i]];
        uint32_t a = i - op->nkeys;
        if (!c)
            continue;
        if (!c->i && !c->r && !c->s)
            return false;
        *(i < op->nkeys ? &keys[i] : &args->arg[a / 2][a % 2]) = *c;
    }
    *v = (struct view){.chunk = {.schema = b->schema, .col = b->col, .nrows = b->nrows, .sel = *sel},
                       .at = leg->nprefix,
                       .keys = keys,
                       .args = args};
    return true;
}

/* Keys and states of at most WR_KEY_BLOCK rows, from place `at` of the stream's scratch on. */
static bool read_rows(struct wr_stream *s, const struct view *v, const struct wr_sel *sel, uint32_t at)
{
    memset(row_at(s, at), 0, (size_t)sel->n * s->raw_words * 8);
    wr_agg_rows(&s->layout, slots_at(s, at), s->raw_words, v->args, sel, &s->opts.secret);
    return wr_keys_pack(&s->opts.secret, v->keys, s->summarize->nkeys, sel, at, s->keys);
}

/* Which rows passed, by number. */
static bool mark(struct wr_stream *s, const struct wr_batch *b, struct view *v)
{
    v->in = wr_arena_alloc(s->ev.arena, b->nrows + 1u);
    if (!v->in)
        return false;
    WR_EACH (&v->chunk.sel, row)
        v->in[row] = true;
    return true;
}

/* The batch as it was before its amendments: byte columns hold what they held. */
static const struct wr_vec *old_columns(struct wr_stream *s, const struct wr_batch *b)
{
    struct wr_vec *cols = wr_arena_alloc(s->ev.arena, b->schema->ncols * sizeof *cols);
    if (!cols)
        return NULL;
    memcpy(cols, b->col, b->schema->ncols * sizeof *cols);
    for (uint16_t i = 0; i < s->leg->amends->ncols; i++)
        if (s->leg->amends->cols[i].prev != WR_NO_COL)
            cols[s->leg->amends->cols[i].col] = b->col[s->leg->amends->cols[i].prev];
    return cols;
}

/* The row into the set of aggregate `a`. */
static enum wr_err add_value(struct wr_stream *s, uint32_t a, struct wr_dset *set, const struct view *v, uint32_t row,
                             int64_t ts)
{
    const struct wr_agg_place *p = &s->layout.agg[a];
    struct wr_hash_key secret = wr_stream_secret(s, p->kind, ts);
    if (p->best)
        return wr_best_add(&s->layout, a, v->args, row, set, ts, s->pane, DISTINCT_MAX);
    enum wr_err err = WR_OK;
    if (set->n >= DISTINCT_MAX && wr_agg_thins(p->kind))
        err = wr_dset_thin(set, p->in, s->pane, DISTINCT_MAX / 2);
    uint32_t before = set->n;
    if (!err)
        err = wr_agg_distinct_add(&s->layout, a, v->args, row, set, &secret, ts, DISTINCT_MAX);
    if (set->weighted && set->n > before)
        set->val[before].hash = 1;
    return err;
}

static enum wr_err add_distinct(struct wr_stream *s, struct group *g, const struct view *v, uint32_t row,
                                int64_t ts)
{
    if (!wr_group_ext(s, g))
        return WR_ENOMEM;
    for (uint32_t a = 0; a < s->layout.naggs; a++) {
        const struct wr_agg_place *p = &s->layout.agg[a];
        if (p->dset == WR_NO_DSET || p->hashed || p->follows)
            continue;
        struct ext *x = ext_of(s, g);
        struct wr_dset *set = &x->dsets[p->dset];
        s->bytes -= wr_dset_bytes(set);
        enum wr_err err = add_value(s, a, set, v, row, ts);
        s->bytes += wr_dset_bytes(set);
        if (err)
            return err;
        x->approx |= set->lost;
    }
    return WR_OK;
}

/* A row that was read to place `at`. `coded`: in s->form, or NULL. */
static enum wr_err insert(struct wr_stream *s, const struct view *v, uint32_t at, uint32_t row, uint32_t *place,
                          const uint8_t *coded)
{
    const uint64_t *words = row_at(s, at);
    int64_t ts = (int64_t)words[0];
    if (ts == WR_GONE)
        return WR_OK;
    enum wr_err err = s->bytes > s->opts.memory_bytes ? wr_groups_make_room(s) : WR_OK;
    if (err)
        return err;
    struct group *g = wr_group_find(s, at, place);
    if (!g) {
        g = wr_few_begin(s, at, words, coded, &err);
        if (!g && err != WR_ELIMIT)
            return err;
        if (!g) {
            s->stats.evicted++; /* a key this long is not kept */
            s->inexact_until = s->window ? s->now + s->window : INT64_MAX;
            return WR_OK;
        }
    } else {
        if (group_oldest(s, g) <= edge(s, s->now))
            wr_rows_prune(s, g, s->now);
        if (!many_append(s, g, words))
            err = wr_rows_insert(s, &g, words);
    }
    if (!err && s->sets_by_row)
        err = add_distinct(s, g, v, row, ts);
    if (!err && s->sums && !wr_group_count(s, g, slots_at(s, at), NULL))
        err = WR_ENOMEM;
    s->stats.rows_aggregated++;
    return err ? err : group_rows(g) < s->least_rows ? WR_OK : wr_group_grown(s, g, ts);
}

/* Bytes that were unknown are known now. */
static bool bytes_appeared(const struct wr_stream *s, const struct wr_batch *b, uint32_t row)
{
    for (uint16_t i = 0; i < s->leg->amends->ncols; i++) {
        if (s->leg->amends->cols[i].prev == WR_NO_COL)
            continue;
        const struct wr_vec *now = &b->col[s->leg->amends->cols[i].col], *was = &b->col[s->leg->amends->cols[i].prev];
        if (now->i && wr_vec_valid(now, row) && !(was->i && wr_vec_valid(was, row)))
            return true;
    }
    return false;
}

/* An amended row of a group that is there: its new version is read to place 0 (when it passes), the old one to place 1. */
static enum wr_err amend_group(struct wr_stream *s, struct group *g, const struct wr_batch *b, const struct view *new,
                               uint32_t row)
{
    bool same = new->in[row], there; /* no key reads what amendments change (rules/plan/stream.c) */
    wr_rows_prune(s, g, s->now);
    enum wr_err err = wr_rows_amend(s, &g, 0, slots_at(s, 1), same ? slots_at(s, 0) : NULL, &there);
    if (err)
        return err;
    if (there && same && s->sums && !wr_group_count(s, g, slots_at(s, 0), slots_at(s, 1)))
        return WR_ENOMEM;
    if (!same && g->ext && s->sets_by_row) /* no set reads what amendments change, either */
        ext_of(s, g)->approx = true; /* a value's last sighting cannot be taken back */
    if (!err && there && (firing_of(s, g) || !group_rises(s, g) || !wr_group_cannot_fire(s, g))) /* counts may have fallen, too */
        err = wr_group_evaluate(s, g, s->now, (int64_t)row_at(s, 0)[0], bytes_appeared(s, b, row) ? WHY_EARLY : WHY_ROW);
    return err;
}

static enum wr_err amend(struct wr_stream *s, const struct wr_batch *b, const struct view *new,
                         const struct view *old, uint32_t row)
{
    uint16_t r = (uint16_t)row;
    struct wr_sel one = {&r, 1};
    if (!new->in[row] && !old->in[row])
        return WR_OK;
    if (!read_rows(s, new->in[row] ? new : old, &one, 0))
        return WR_ENOMEM;
    wr_read_times(s, b, &one);
    if (!old->in[row])
        return insert(s, new, 0, row, NULL, NULL);
    if (!read_rows(s, old, &one, 1))
        return WR_ENOMEM;
    struct group *g = (int64_t)row_at(s, 0)[0] == WR_GONE ? NULL : wr_group_find(s, 1, NULL);
    return g ? amend_group(s, g, b, new, row) : WR_OK;
}

/* Some rows of a block, those that are as most are and others. */
static enum wr_err insert_rows(struct wr_stream *s, const struct view *v, const struct wr_sel *sel,
                               const struct going *go, uint32_t k, uint32_t end, bool plain)
{
    uint32_t moved = s->moved;
    enum wr_err err = WR_OK;
    while (k < end && !err) {
        struct group *g = NULL;
        uint32_t from = k;
        bool known = s->moved == moved; /* where groups stand */
        if (plain && known && s->bytes <= s->opts.memory_bytes)
            k = wr_rows_quick(s, go, k, end, &g);
        s->stats.rows_aggregated += k - from;
        if (k == end)
            return WR_OK;
        const uint8_t *coded = go->fit[k] ? s->narrow + (size_t)k * s->narrow_each : NULL;
        if (g && !wr_few_full(s, g)) {
            s->found = go->place[k];
            g = coded ? wr_few_put(s, g, coded, (int64_t)row_at(s, k)[0]) : wr_few_insert(s, g, row_at(s, k));
            err = g ? WR_OK : WR_ENOMEM;
            s->stats.rows_aggregated++;
        } else {
            err = insert(s, v, k, sel->row[k], known ? go->place[k] : NULL, coded);
        }
        k++;
    }
    return err;
}

static enum wr_err insert_block(struct wr_stream *s, const struct wr_batch *b, const struct view *v,
                                const struct wr_sel *sel)
{
    enum wr_err err = read_rows(s, v, sel, 0) ? WR_OK : WR_ENOMEM;
    if (err)
        return err;
    struct going go; /* large: place and fit are written before they are read */
    go.n = sel->n;
    go.bound = edge(s, s->now);
    uint32_t moved = s->moved;
    bool plain = !s->sets_by_row && !s->sums;
    wr_read_times(s, b, sel);
    wr_few_code(s, go.n, go.fit);
    for (int32_t from = -3 * WR_STEP; from < (int32_t)go.n && !err; from += WR_STEP) {
        if (s->moved != moved)
            memset(go.place, 0, sizeof go.place);
        moved = s->moved;
        wr_groups_ahead(s, from, go.n, go.place);
        uint32_t end = from + WR_STEP < (int32_t)go.n ? (uint32_t)(from + WR_STEP) : go.n;
        if (from >= 0)
            err = insert_rows(s, v, sel, &go, (uint32_t)from, end, plain);
    }
    return err;
}

/* The row's connection was given up: what its group says from here on is not exact until the row has left the window. */
static enum wr_err doubt(struct wr_stream *s, const struct view *v, uint32_t row, int64_t until)
{
    uint16_t r = (uint16_t)row;
    if (!s->summarize || !read_rows(s, v, &(struct wr_sel){&r, 1}, 0))
        return s->summarize ? WR_ENOMEM : WR_OK;
    struct group *g = wr_group_find(s, 0, NULL);
    if (!g)
        return WR_OK;
    if (!wr_group_ext(s, g))
        return WR_ENOMEM;
    struct ext *x = ext_of(s, g);
    x->inexact_until = until > x->inexact_until ? until : x->inexact_until;
    return WR_OK;
}

static int64_t leaves_at(const struct wr_stream *s, const struct wr_batch *b, uint32_t row)
{
    const struct wr_vec *time = s->plan->time_col == WR_NO_COL ? NULL : &b->col[s->plan->time_col];
    bool known = s->window && time && time->i && wr_vec_valid(time, row) && time->i[row] < WR_TICKS_MAX - s->window;
    return known ? time->i[row] + s->window : INT64_MAX;
}

/* Rows in order of arrival, some of them amendments. */
static enum wr_err amended_rows(struct wr_stream *s, const struct wr_batch *b, const struct wr_sel *sel,
                                struct view *new, const struct wr_sel *amends)
{
    struct view old = {0};
    const struct wr_vec *cols = old_columns(s, b);
    if (!cols || !look(s, b, cols, 0, amends, &old) || !mark(s, b, &old) || !mark(s, b, new))
        return WR_ENOMEM;
    enum wr_err err = WR_OK;
    uint32_t fresh = 0;
    for (uint32_t k = 0; k < sel->n && !err; k++) {
        uint32_t row = sel->row[k];
        int64_t marks = wr_row_marks(s, b, row);
        bool amended = marks & WR_ROW_AMENDS, given_up = marks & WR_ROW_GIVEN_UP && s->summarize && (new->in[row] || old.in[row]);
        s->row_inexact_until = given_up ? leaves_at(s, b, row) : INT64_MIN;
        if (s->summarize && amended)
            err = amend(s, b, new, &old, row);
        else if (s->summarize && new->in[row])
            err = insert_block(s, b, new, &(struct wr_sel){&sel->row[k], 1});
        else if (!s->summarize && new->in[row] && !(amended && old.in[row]))
            new->chunk.sel.row[fresh++] = (uint16_t)row;
        if (!err && given_up)
            err = doubt(s, new->in[row] ? new : &old, row, s->row_inexact_until);
    }
    s->row_inexact_until = INT64_MIN;
    new->chunk.sel.n = fresh;
    return err || s->summarize ? err : wr_stateless_rows(s, b, &new->chunk, new->at);
}

/* Rows of the batch that are amendments, or given up. */
static bool amendments(struct wr_stream *s, const struct wr_batch *b, const struct wr_sel *sel,
                       struct wr_sel *ret_sel)
{
    *ret_sel = (struct wr_sel){0};
    const struct wr_vec *v = s->leg->amends ? &b->col[s->leg->amends->amend] : NULL;
    int64_t any = 0;
    if (!v || !v->i)
        return true;
    WR_EACH (sel, row)
        any |= v->i[row];
    if (!any)
        return true;
    ret_sel->row = wr_arena_alloc(s->ev.arena, (sel->n + 1) * sizeof *ret_sel->row);
    if (!ret_sel->row)
        return false;
    WR_EACH (sel, row) {
        ret_sel->row[ret_sel->n] = (uint16_t)row;
        ret_sel->n += wr_row_marks(s, b, row) != 0;
    }
    return true;
}

/* What is new in the batch, as `new` sees it. */
static enum wr_err new_rows(struct wr_stream *s, const struct wr_batch *b, struct view *new)
{
    enum wr_err err = WR_OK;
    const struct wr_sel *sel = &new->chunk.sel;
    for (uint32_t k = 0; s->summarize && k < sel->n && !err; k += WR_KEY_BLOCK) {
        struct wr_sel block = {sel->row + k, sel->n - k < WR_KEY_BLOCK ? sel->n - k : WR_KEY_BLOCK};
        err = insert_block(s, b, new, &block);
    }
    return err || s->summarize ? err : wr_stateless_rows(s, b, &new->chunk, new->at);
}

/* From operator `at` of the prefix on, which is 0 when there can be amendments. */
static enum wr_err rows(struct wr_stream *s, const struct wr_batch *b, uint32_t at, const struct wr_sel *given)
{
    struct view new;
    struct wr_sel amends = {0};
    if ((at == 0 && !amendments(s, b, given, &amends)) || !look(s, b, b->col, at, given, &new))
        return WR_ENOMEM;
    return amends.n ? amended_rows(s, b, given, &new, &amends) : new_rows(s, b, &new);
}

enum wr_err wr_stream_advance(struct wr_stream *stream, int64_t now)
{
    struct wr_stream *s = stream;
    if (now < s->now)
        now = s->now;
    while (s->nheap && s->heap[0].t <= now) {
        int64_t t = s->heap[0].t;
        struct group *g = group_at(s, s->heap[0].ref);
        wr_rows_prune(s, g, t);
        enum wr_err err = wr_group_evaluate(s, g, t, t, WHY_TIME);
        if (err)
            return err;
        if (!group_rows(g) && !firing_of(s, g))
            wr_group_free(s, g);
    }
    s->now = now;
    if (s->time_shift && s->epoch && now - s->epoch > EPOCH_MOST)
        wr_few_rebase(s);
    if (s->created || now >= s->sweep_at) { /* a cache line each: few, as rows may come one by one */
        bool due = now >= s->sweep_at;
        wr_groups_sweep(s, (due ? SWEEP : 0) + 2 * s->created);
        s->created = 0;
        s->sweep_at = due ? now + SWEEP_TICKS : s->sweep_at;
    }
    return WR_OK;
}

void wr_stream_bound(struct wr_stream *stream, size_t memory_bytes)
{
    stream->opts.memory_bytes = memory_bytes;
}

int64_t wr_stream_due(const struct wr_stream *stream)
{
    int64_t due = stream->nheap ? stream->heap[0].t : INT64_MAX;
    return stream->ngroups && stream->sweep_at < due ? stream->sweep_at : due;
}

/* True when a row may be an amendment: then its old version must be looked at, too. */
static bool any_amended(const struct wr_stream *s, const struct wr_batch *b, const struct wr_sel *sel)
{
    const struct wr_vec *v = s->leg->amends ? &b->col[s->leg->amends->amend] : NULL;
    int64_t any = 0;
    if (v && v->i)
        WR_EACH (sel, row)
            any |= v->i[row];
    return any != 0;
}

/* Rows of the table of the leg at hand. */
static enum wr_err leg_rows(struct wr_stream *s, const struct wr_batch *batch, const struct wr_sel *given)
{
    struct wr_sub_result *subs = s->ev.subs;
    struct wr_sel left = *given;
    struct wr_batch few;
    uint32_t at = 0;
    wr_arena_reset(s->batch_arena);
    s->ev = (struct wr_eval){.arena = s->batch_arena, .now = s->now, .nrows = batch->nrows, .subs = subs};
    bool many = given->n >= batch->nrows / 4; /* whole columns are cheaper then */
    if (s->leg->sieve && !many && !any_amended(s, batch, given)) {
        struct view v;
        left.row = wr_arena_alloc(s->ev.arena, given->n * sizeof *left.row);
        if (!left.row)
            return WR_ENOMEM;
        left.n = wr_sieve_rows(s->leg->sieve, batch->col, given, left.row);
        at = s->leg->nsieved;
        if (!left.n)
            return WR_OK;
        if (s->leg->plain && look_plain(s, batch, &left, &v))
            return new_rows(s, batch, &v);
    }
    enum wr_err err;
    if (many)
        err = rows(s, batch, 0, given);
    else
        err = wr_gather(&s->ev, batch, &s->plan->scans[s->leg->table].wanted, &left, s->leg->few_cols, &few)
                  ? rows(s, &few, at, &few.sel)
                  : WR_ENOMEM;
    return err ? err : s->ev.err;
}

/* What the plan reads beside its rows, as it is now. *ret_lost: it is beyond the bounds, and nothing can be said of `n` rows. */
static enum wr_err read_lists(struct wr_stream *s, uint32_t n, bool *ret_lost)
{
    enum wr_err err = s->lists ? wr_lists_now(s->lists, s->now, &s->ev.subs) : WR_OK;
    *ret_lost = s->lists && !s->ev.subs;
    if (*ret_lost && err != WR_ENOMEM)
        s->stats.evicted += n;
    return err == WR_ENOMEM ? err : WR_OK;
}

enum wr_err wr_stream_consume_rows(struct wr_stream *stream, enum wr_table table, const struct wr_batch *batch,
                                   const struct wr_sel *given, int64_t now)
{
    struct wr_stream *s = stream;
    enum wr_err err = wr_stream_advance(s, now);
    uint32_t n = 0;
    bool lost = false;
    s->stats.rows_in += batch->sel.n;
    for (uint32_t i = 0; i < s->nlegs; i++)
        n += s->legs[i].table == table ? given[i].n : 0;
    if (!err && n)
        err = read_lists(s, n, &lost);
    for (uint32_t i = 0; i < s->nlegs && n && !err && !lost; i++) {
        s->leg = &s->legs[i];
        if (s->leg->table == table && given[i].n)
            err = leg_rows(s, batch, &given[i]);
    }
    return err;
}

enum wr_err wr_stream_consume_rest(struct wr_stream *stream, const struct wr_prefix_rows *rows, int64_t now)
{
    struct wr_stream *s = stream;
    struct view v;
    bool lost = false;
    enum wr_err err = wr_stream_advance(s, now);
    s->stats.rows_in += rows->sel.n;
    if (!err && rows->sel.n)
        err = read_lists(s, rows->sel.n, &lost);
    if (err || !rows->sel.n || lost)
        return err;
    struct wr_sub_result *subs = s->ev.subs;
    s->leg = s->legs;
    wr_arena_reset(s->batch_arena);
    s->ev = (struct wr_eval){.arena = s->batch_arena, .now = s->now, .nrows = rows->batch->nrows, .subs = subs};
    if (!look(s, rows->batch, rows->cols, rows->at, &rows->sel, &v))
        return WR_ENOMEM;
    err = new_rows(s, rows->batch, &v);
    return err ? err : s->ev.err;
}

enum wr_err wr_stream_consume(struct wr_stream *stream, enum wr_table table, const struct wr_batch *batch, int64_t now)
{
    struct wr_sel all[WR_STREAM_LEGS_MAX];
    for (uint32_t i = 0; i < stream->nlegs; i++)
        all[i] = batch->sel;
    return wr_stream_consume_rows(stream, table, batch, all, now);
}

struct wr_alert *wr_stream_alerts(struct wr_stream *stream)
{
    struct wr_alert *list = stream->alerts;
    stream->alerts = NULL;
    stream->alerts_end = &stream->alerts;
    return list;
}

size_t wr_stream_bytes(const struct wr_stream *stream)
{
    return stream->bytes;
}

void wr_stream_prefetch(const struct wr_stream *stream)
{
    for (size_t at = 0; at < offsetof(struct wr_stream, layout.agg); at += 64)
        __builtin_prefetch((const char *)stream + at);
}

void wr_stream_stats(const struct wr_stream *stream, struct wr_engine_stats *sum)
{
    const struct wr_engine_stats *st = &stream->stats;
    sum->rows_in += st->rows_in;
    sum->rows_aggregated += st->rows_aggregated;
    sum->late += st->late;
    sum->future += st->future;
    sum->evicted += st->evicted;
    sum->raised += st->raised;
    sum->updated += st->updated;
    sum->resolved += st->resolved;
    sum->groups += stream->ngroups;
    sum->panes += stream->npanes;
    sum->memory_bytes += stream->bytes;
}

enum wr_err wr_stream_rows(struct wr_stream *stream, struct wr_rows *rows)
{
    uint16_t zero = 0;
    struct wr_sel first = {&zero, 1};
    uint64_t cursor = 0;
    for (struct group *g; (g = wr_group_next(stream, &cursor)) != NULL;) {
        struct wr_chunk chunk;
        int64_t a, b;
        if (!wr_group_row(stream, g, stream->now, false, &chunk, &a, &b))
            continue;
        enum wr_err err = wr_rows_add(rows, chunk.col, &first);
        if (err)
            return err;
    }
    return WR_OK;
}
