#include "rules/exec/key.h"
#include "rules/exec/rows.h"
#include "rules/exec/state.h"
#include "rules/exec/summarize.h"
#include "rules/fn/kernel.h"

#include <stdlib.h>

enum { BATCH_ARENA = 64 * 1024, ROW_ARENA = 16 * 1024, MAX_OPS = 64, SWEEP = 64 };

/* Operators from the scan on, split at the summarize. False when there are too many. */
static bool line_up(struct wr_stream *s)
{
    const struct wr_op *ops[2 * MAX_OPS];
    uint32_t n = 0;
    for (const struct wr_op *op = s->plan->stream; op; op = op->input) {
        if (n == 2 * MAX_OPS)
            return false;
        ops[n++] = op;
    }
    if (n == 0 || ops[n - 1]->kind != WR_OP_SCAN)
        return false;
    s->table = ops[n - 1]->table;
    for (uint32_t i = n - 1; i-- > 0;) {
        if (ops[i]->kind == WR_OP_SUMMARIZE && !s->summarize) {
            s->summarize = ops[i];
            continue;
        }
        uint32_t *count = s->summarize ? &s->nsuffix : &s->nprefix;
        if (*count == MAX_OPS || ops[i]->kind == WR_OP_SUMMARIZE || ops[i]->kind == WR_OP_UNION)
            return false;
        if (ops[i]->kind != WR_OP_SORT && ops[i]->kind != WR_OP_TAKE) /* of one row: nothing to do */
            (s->summarize ? s->suffix : s->prefix)[(*count)++] = ops[i];
    }
    s->out_schema = s->plan->stream->schema;
    return true;
}

/* The column of the operator below all maps of the list that `ex` is, or WR_NO_COL. */
static uint16_t source_col(const struct wr_op *const *ops, uint32_t n, const struct wr_ex *ex)
{
    while (ex->kind == WR_EX_COL && n-- > 0)
        if (ops[n]->kind == WR_OP_MAP)
            ex = ops[n]->cols[ex->col];
        else if (ops[n]->kind == WR_OP_PARSE && ex->col >= ops[n]->input->schema->ncols)
            return WR_NO_COL;
    return ex->kind == WR_EX_COL ? ex->col : WR_NO_COL;
}

/* dcount of a group's own key, min and max of the window's time: no state of their own. */
static void shorten(struct wr_stream *s)
{
    const struct wr_op *op = s->summarize;
    uint8_t sets = 0;
    for (uint32_t a = 0; a < op->naggs; a++) {
        struct wr_agg_place *p = &s->layout.agg[a];
        const struct wr_ex *arg = op->aggs[a].nargs ? op->aggs[a].args[0] : NULL;
        if (p->kind == WR_AGG_DCOUNT && arg->kind == WR_EX_COL)
            for (uint32_t k = 0; k < op->nkeys && k < UINT8_MAX; k++)
                if (op->cols[k]->kind == WR_EX_COL && op->cols[k]->col == arg->col) {
                    p->by_key = (uint8_t)(k + 1);
                    p->dset = WR_NO_DSET;
                }
        if ((p->kind == WR_AGG_MIN || p->kind == WR_AGG_MAX) && s->plan->time_col != WR_NO_COL) {
            uint16_t col = source_col(s->prefix, s->nprefix, arg);
            const struct wr_schema *scan = wr_schema_of(s->table);
            p->of_time = col != WR_NO_COL && scan->cols[col].store == scan->cols[s->plan->time_col].store;
        }
        if (p->dset != WR_NO_DSET)
            p->dset = sets++;
    }
    s->layout.ndsets = sets;
    wr_agg_layout_place(&s->layout);
}

/* What a predicate says about rows that come: true when they can only make it true. Collects the least counts
 * that it asks for while `all` holds (the predicate is one of conjuncts). */
static bool rises(struct wr_stream *s, const struct wr_ex *ex, uint32_t nops, bool all)
{
    const struct wr_op *sum = s->summarize;
    if (ex->kind == WR_EX_CONST)
        return true;
    if (ex->kind == WR_EX_COL)
        return source_col(s->suffix, nops, ex) < sum->nkeys;
    const char *name = ex->fn->name;
    bool and = strcmp(name, "and") == 0;
    if (and || strcmp(name, "or") == 0)
        return rises(s, ex->args[0], nops, all && and) & rises(s, ex->args[1], nops, all && and);
    bool greater = strcmp(name, ">") == 0 || strcmp(name, ">=") == 0;
    if (greater && ex->args[0]->kind == WR_EX_COL && ex->args[1]->kind == WR_EX_CONST &&
        !ex->args[1]->value.null) {
        uint16_t col = source_col(s->suffix, nops, ex->args[0]);
        const struct wr_value *v = &ex->args[1]->value;
        uint32_t a = col == WR_NO_COL || col < sum->nkeys ? WR_AGGS_MAX : (uint32_t)col - sum->nkeys;
        enum wr_agg_kind kind = a < sum->naggs ? s->layout.agg[a].kind : WR_AGG_NKINDS;
        bool counts = kind == WR_AGG_COUNT || kind == WR_AGG_COUNTIF || kind == WR_AGG_DCOUNT ||
                      kind == WR_AGG_DCOUNTIF;
        if (counts && v->type != WR_REAL && all && s->nquick < 16 && v->i < INT64_MAX)
            s->quick[s->nquick++] = (struct quick){(uint8_t)a, v->i + (name[1] != '=')};
        if (counts || kind == WR_AGG_MAX)
            return true;
    }
    if (ex->fn->flags & (WR_FN_PER_RUN | WR_FN_NO_FOLD))
        return false;
    for (uint32_t i = 0; i < ex->nargs; i++) /* else: constant for the group */
        if (!rises(s, ex->args[i], nops, false) || (ex->args[i]->kind == WR_EX_CALL && !ex->args[i]->per_run))
            return false;
    return true;
}

static void analyse(struct wr_stream *s)
{
    s->rising = true;
    for (uint32_t i = 0; i < s->nsuffix; i++)
        if (s->suffix[i]->kind == WR_OP_WHERE)
            s->rising &= rises(s, s->suffix[i]->pred, i, true);
        else if (s->suffix[i]->kind == WR_OP_PARSE)
            s->rising = false;
    s->need_rows = 1;
    for (uint32_t q = 0; q < s->nquick; q++)
        if (s->quick[q].min > s->need_rows)
            s->need_rows = s->quick[q].min;
    uint32_t keep = s->need_rows <= NEED_MAX ? 2 * (uint32_t)s->need_rows : 0;
    s->raw_max = keep > RAW_MIN ? keep : RAW_MIN;
    /* A divisor of the window near min(300 s, window / 16), so that aligned times fall between panes. */
    int64_t want = s->window / 16 < 300 * WR_TICKS_SECOND ? s->window / 16 : 300 * WR_TICKS_SECOND;
    int64_t n = want > 0 ? (s->window + want - 1) / want : 1;
    for (int64_t top = n + 100000; n < top && s->window % n != 0;)
        n++;
    s->pane = s->window == 0 ? 300 * WR_TICKS_SECOND : s->window % n == 0 ? s->window / n : s->window;
}

static bool set_up(struct wr_stream *s)
{
    s->amends = wr_table_amends(s->table);
    s->window = s->plan->window <= 0 ? 0 : s->plan->window < WR_TICKS_MAX ? s->plan->window : WR_TICKS_MAX;
    if (!s->summarize)
        return true;
    if (!wr_agg_layout_init(&s->layout, s->summarize))
        return false;
    shorten(s);
    analyse(s);
    s->raw_slots = 1u + (s->amends != NULL);
    s->raw_words = s->raw_slots + s->layout.nslots;
    s->pane_words = PANE_SLOTS + s->layout.nslots;
    s->row_slots = calloc(3 * (s->layout.nslots + 1), sizeof *s->row_slots);
    if (!s->row_slots)
        return false;
    s->old_slots = s->row_slots + s->layout.nslots + 1;
    s->sum_slots = s->old_slots + s->layout.nslots + 1;
    return true;
}

struct wr_stream *wr_stream_new(const struct wr_plan *plan, const struct wr_stream_opts *opts)
{
    struct wr_stream *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->plan = plan;
    s->opts = *opts;
    s->alerts_end = &s->alerts;
    s->inexact_until = INT64_MIN;
    s->batch_arena = wr_arena_new(BATCH_ARENA);
    s->row_arena = wr_arena_new(ROW_ARENA);
    if (!s->batch_arena || !s->row_arena || !line_up(s) || !set_up(s)) {
        wr_stream_free(s);
        return NULL;
    }
    return s;
}

void wr_stream_free(struct wr_stream *stream)
{
    if (!stream)
        return;
    wr_groups_fini(stream);
    wr_alerts_free(stream->alerts);
    wr_arena_free(stream->batch_arena);
    wr_arena_free(stream->row_arena);
    free(stream->row_slots);
    wr_buf_fini(&stream->key);
    free(stream);
}

bool wr_stream_reads(const struct wr_stream *stream, enum wr_table table)
{
    return stream->table == table;
}

/* What one look at a batch gives: the rows that passed, their keys and arguments. */
struct view {
    struct wr_chunk chunk;
    struct wr_vec *keys;
    struct wr_agg_args *args;
    uint64_t *hash;
    bool *in;
};

static bool look(struct wr_stream *s, const struct wr_batch *b, const struct wr_vec *cols,
                 const struct wr_sel *sel, struct view *v)
{
    *v = (struct view){.chunk = {.schema = b->schema, .col = cols, .nrows = b->nrows}};
    v->chunk.sel.row = wr_arena_alloc(s->ev.arena, (sel->n + 1) * sizeof *sel->row);
    v->in = wr_arena_alloc(s->ev.arena, b->nrows + 1u);
    v->hash = wr_arena_alloc(s->ev.arena, (b->nrows + 1) * sizeof *v->hash);
    if (!v->chunk.sel.row || !v->in || !v->hash)
        return false;
    memcpy(v->chunk.sel.row, sel->row, sel->n * sizeof *sel->row);
    v->chunk.sel.n = sel->n;
    s->ev.nrows = b->nrows;
    for (uint32_t i = 0; i < s->nprefix && v->chunk.sel.n && !s->ev.err; i++)
        wr_op_apply(&s->ev, s->prefix[i], &v->chunk);
    if (s->ev.err)
        return false;
    WR_EACH (&v->chunk.sel, row)
        v->in[row] = true;
    if (!s->summarize || !v->chunk.sel.n)
        return true;
    if (!wr_summarize_eval(&s->ev, s->summarize, &v->chunk, &v->keys, &v->args))
        return false;
    wr_key_hash(&s->opts.secret, v->keys, s->summarize->nkeys, &v->chunk.sel, v->hash);
    return true;
}

/* The batch as it was before its amendments: byte columns hold what they held. */
static const struct wr_vec *old_columns(struct wr_stream *s, const struct wr_batch *b)
{
    struct wr_vec *cols = wr_arena_alloc(s->ev.arena, b->schema->ncols * sizeof *cols);
    if (!cols)
        return NULL;
    memcpy(cols, b->col, b->schema->ncols * sizeof *cols);
    for (uint16_t i = 0; i < s->amends->ncols; i++)
        if (s->amends->cols[i].prev != WR_NO_COL)
            cols[s->amends->cols[i].col] = b->col[s->amends->cols[i].prev];
    return cols;
}

static bool is_amend(const struct wr_stream *s, const struct wr_batch *b, uint32_t row)
{
    const struct wr_vec *v = s->amends ? &b->col[s->amends->amend] : NULL;
    return v && v->i && wr_vec_valid(v, row) && v->i[row];
}

/* The row's place in time; false when it is in no window any more. */
static bool row_time(struct wr_stream *s, const struct wr_batch *b, uint32_t row, int64_t *ret_ts)
{
    *ret_ts = s->now;
    if (s->plan->time_col == WR_NO_COL)
        return true;
    const struct wr_vec *v = &b->col[s->plan->time_col];
    if (!v->i || !wr_vec_valid(v, row)) {
        s->stats.late += s->window != 0; /* `null > ago(..)` is not true */
        return s->window == 0;
    }
    *ret_ts = v->i[row] < 0 ? 0 : v->i[row]; /* before the calendar */
    if (s->window && *ret_ts <= edge(s, s->now)) {
        s->stats.late++;
        return false;
    }
    if (*ret_ts > s->now + FUTURE_MAX) {
        s->stats.future++; /* would keep its group alive for as long as a clock is wrong */
        *ret_ts = s->now + FUTURE_MAX;
    }
    return true;
}

/* Cheap and on the safe side: not enough rows or values for the predicate. */
static bool cannot_fire(const struct wr_stream *s, const struct group *g)
{
    uint64_t rows = group_rows(g);
    for (uint32_t q = 0; q < s->nquick; q++) {
        uint8_t d = s->layout.agg[s->quick[q].agg].dset;
        uint64_t have = d != WR_NO_DSET && g->ext ? g->ext->dsets[d].n : rows;
        if (s->quick[q].min > 0 && have < (uint64_t)s->quick[q].min)
            return true;
    }
    return false;
}

/* After a row came into a group: does it begin or cease to fire, is there something to say? */
static enum wr_err grown(struct wr_stream *s, struct group *g, int64_t ts)
{
    struct firing *f = g->ext ? g->ext->firing : NULL;
    if (!s->rising)
        return wr_group_evaluate(s, g, s->now, ts, WHY_ROW);
    if (!f)
        return cannot_fire(s, g) ? WR_OK : wr_group_evaluate(s, g, s->now, ts, WHY_ROW);
    if (s->now >= wr_firing_due(s, f))
        return wr_group_evaluate(s, g, s->now, ts, WHY_ROW);
    /* Said later. A late row may leave before all others. */
    int64_t t = s->window ? ts + s->window : INT64_MAX, due = g->heap ? s->heap[g->heap - 1].t : INT64_MAX;
    t = t < due ? t : due;
    if (!f->dirty && wr_firing_due(s, f) < t)
        t = wr_firing_due(s, f);
    f->dirty = true;
    return t == due || wr_group_schedule(s, g, t) ? WR_OK : WR_ENOMEM;
}

static enum wr_err add_distinct(struct wr_stream *s, struct group *g, const struct view *v, uint32_t row,
                                int64_t ts)
{
    if (!s->layout.ndsets)
        return WR_OK;
    if (!wr_group_ext(s, g))
        return WR_ENOMEM;
    for (uint32_t a = 0; a < s->layout.naggs; a++) {
        if (s->layout.agg[a].dset == WR_NO_DSET)
            continue;
        struct wr_dset *set = &g->ext->dsets[s->layout.agg[a].dset];
        s->bytes -= wr_dset_bytes(set);
        enum wr_err err =
            wr_agg_distinct_add(&s->layout, a, v->args, row, set, &s->opts.secret, ts, DISTINCT_MAX);
        s->bytes += wr_dset_bytes(set);
        if (err)
            return err;
        g->ext->approx |= set->lost;
    }
    return WR_OK;
}

static void state_of(struct wr_stream *s, const struct view *v, uint32_t row, union wr_slot *slots)
{
    memset(slots, 0, (s->layout.nslots + 1) * sizeof *slots);
    (void)wr_agg_add(&s->layout, slots, v->args, row, s->row_arena); /* incremental kinds copy no text */
}

static uint64_t rowid_of(const struct wr_stream *s, const struct wr_batch *b, uint32_t row)
{
    const struct wr_vec *v = s->amends ? &b->col[s->amends->row_id] : NULL;
    return v && v->i && wr_vec_valid(v, row) ? (uint64_t)v->i[row] : 0;
}

static enum wr_err insert(struct wr_stream *s, const struct wr_batch *b, const struct view *v, uint32_t row)
{
    int64_t ts;
    if (!row_time(s, b, row, &ts))
        return WR_OK;
    enum wr_err err = wr_groups_make_room(s);
    uint32_t hash = (uint32_t)(v->hash[row] >> 32);
    struct group *g = err ? NULL : wr_group_find(s, hash, v->keys, row);
    if (!g && !err) {
        wr_buf_reset(&s->key);
        wr_key_pack(v->keys, s->summarize->nkeys, row, &s->key);
        g = s->key.err ? NULL : wr_group_new(s, hash, s->key.data, s->key.len, &err);
        if (!g && err == WR_ELIMIT) {
            s->stats.evicted++; /* a key this long is not kept */
            s->inexact_until = s->window ? s->now + s->window : INT64_MAX;
            return WR_OK;
        }
    }
    if (!g)
        return err ? err : WR_ENOMEM;
    wr_rows_prune(s, g, s->now);
    state_of(s, v, row, s->row_slots);
    err = wr_rows_insert(s, &g, ts, rowid_of(s, b, row), s->row_slots);
    if (!err)
        err = add_distinct(s, g, v, row, ts);
    s->stats.rows_aggregated++;
    return err ? err : grown(s, g, ts);
}

/* Bytes that were unknown are known now. */
static bool bytes_appeared(const struct wr_stream *s, const struct wr_batch *b, uint32_t row)
{
    for (uint16_t i = 0; i < s->amends->ncols; i++) {
        if (s->amends->cols[i].prev == WR_NO_COL)
            continue;
        const struct wr_vec *now = &b->col[s->amends->cols[i].col], *was = &b->col[s->amends->cols[i].prev];
        if (now->i && wr_vec_valid(now, row) && !(was->i && wr_vec_valid(was, row)))
            return true;
    }
    return false;
}

static enum wr_err amend(struct wr_stream *s, const struct wr_batch *b, const struct view *new,
                         const struct view *old, uint32_t row)
{
    if (!old->in[row])
        return new->in[row] ? insert(s, b, new, row) : WR_OK;
    int64_t ts;
    if (!row_time(s, b, row, &ts))
        return WR_OK;
    struct group *g = wr_group_find(s, (uint32_t)(old->hash[row] >> 32), old->keys, row);
    bool same = new->in[row] && old->hash[row] == new->hash[row];
    if (g) {
        wr_rows_prune(s, g, s->now);
        state_of(s, old, row, s->old_slots);
        if (same)
            state_of(s, new, row, s->row_slots);
        bool there = wr_rows_amend(s, g, ts, rowid_of(s, b, row), s->old_slots, same ? s->row_slots : NULL);
        uint64_t before = g->ext && s->layout.ndsets ? g->ext->dsets[0].n : 0;
        enum wr_err err = there && same ? add_distinct(s, g, new, row, ts) : WR_OK;
        if (g->ext && s->layout.ndsets && (!same || g->ext->dsets[0].n != before))
            g->ext->approx = true; /* a value's last sighting cannot be taken back */
        bool fires = g->ext && g->ext->firing;
        if (!err && there && (fires || !s->rising || !cannot_fire(s, g))) /* counts may have fallen, too */
            err = wr_group_evaluate(s, g, s->now, ts, bytes_appeared(s, b, row) ? WHY_EARLY : WHY_ROW);
        if (err || same)
            return err;
    }
    return new->in[row] && !same ? insert(s, b, new, row) : WR_OK;
}

/* Touches what row `k` will need: its slot, some rows later the place, then the group. Three cache misses in the dark
 * instead of three in a row. */
static void prefetch(const struct wr_stream *s, const struct wr_sel *sel, const uint64_t *hash, uint32_t k)
{
    uint32_t mask = s->nindex - 1;
    if (!s->nindex)
        return;
    if (k + 12 < sel->n)
        __builtin_prefetch(&s->index[(uint32_t)(hash[sel->row[k + 12]] >> 32) & mask]);
    if (k + 8 < sel->n) {
        uint32_t at = s->index[(uint32_t)(hash[sel->row[k + 8]] >> 32) & mask].at;
        if (at)
            __builtin_prefetch(&s->dense[at - 1]);
    }
    if (k + 4 < sel->n) {
        uint32_t at = s->index[(uint32_t)(hash[sel->row[k + 4]] >> 32) & mask].at;
        if (at) {
            __builtin_prefetch(s->dense[at - 1]);
            __builtin_prefetch((const char *)s->dense[at - 1] + 64);
        }
    }
}

static enum wr_err rows(struct wr_stream *s, const struct wr_batch *b)
{
    struct view new, old = {0};
    struct wr_sel amends = {.row = wr_arena_alloc(s->ev.arena, (b->sel.n + 1) * sizeof *b->sel.row)};
    if (!amends.row || !look(s, b, b->col, &b->sel, &new))
        return WR_ENOMEM;
    WR_EACH (&b->sel, row)
        if (is_amend(s, b, row))
            amends.row[amends.n++] = (uint16_t)row;
    if (amends.n) {
        const struct wr_vec *cols = old_columns(s, b);
        if (!cols || !look(s, b, cols, &amends, &old))
            return WR_ENOMEM;
    }
    enum wr_err err = WR_OK;
    for (uint32_t k = 0; k < b->sel.n && !err; k++) {
        uint32_t row = b->sel.row[k];
        if (s->summarize)
            prefetch(s, &b->sel, new.hash, k);
        bool amended = amends.n && is_amend(s, b, row);
        if (s->summarize) {
            if (amended)
                err = amend(s, b, &new, &old, row);
            else if (new.in[row])
                err = insert(s, b, &new, row);
        } else if (new.in[row] && !(amended && old.in[row])) {
            int64_t ts;
            if (row_time(s, b, row, &ts))
                err = wr_stateless_raise(s, &new.chunk, row, ts, rowid_of(s, b, row));
        }
    }
    return err;
}

enum wr_err wr_stream_advance(struct wr_stream *stream, int64_t now)
{
    struct wr_stream *s = stream;
    if (now < s->now)
        now = s->now;
    while (s->nheap && s->heap[0].t <= now) {
        int64_t t = s->heap[0].t;
        struct group *g = s->dense[s->heap[0].at];
        wr_rows_prune(s, g, t);
        enum wr_err err = wr_group_evaluate(s, g, t, t, WHY_TIME);
        if (err)
            return err;
        if (!group_rows(g) && !(g->ext && g->ext->firing))
            wr_group_free(s, g);
    }
    s->now = now;
    wr_groups_sweep(s, SWEEP);
    return WR_OK;
}

enum wr_err wr_stream_consume(struct wr_stream *stream, const struct wr_batch *batch, int64_t now)
{
    struct wr_stream *s = stream;
    enum wr_err err = wr_stream_advance(s, now);
    if (err)
        return err;
    wr_arena_reset(s->batch_arena);
    s->ev = (struct wr_eval){.arena = s->batch_arena, .now = s->now, .nrows = batch->nrows};
    s->stats.rows_in += batch->sel.n;
    err = rows(s, batch);
    wr_groups_sweep(s, batch->sel.n);
    return err ? err : s->ev.err;
}

struct wr_alert *wr_stream_alerts(struct wr_stream *stream)
{
    struct wr_alert *list = stream->alerts;
    stream->alerts = NULL;
    stream->alerts_end = &stream->alerts;
    return list;
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
    for (uint32_t i = 0; i < stream->ngroups; i++) {
        struct wr_chunk chunk;
        int64_t a, b;
        if (!wr_group_row(stream, stream->dense[i], stream->now, false, &chunk, &a, &b))
            continue;
        enum wr_err err = wr_rows_add(rows, chunk.col, &first);
        if (err)
            return err;
    }
    return WR_OK;
}
