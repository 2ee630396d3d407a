#include "rules/exec/key.h"
#include "rules/exec/rows.h"
#include "rules/exec/state.h"
#include "rules/exec/summarize.h"
#include "rules/fn/kernel.h"

#include <stdlib.h>

enum { BATCH_ARENA = 64 * 1024, ROW_ARENA = 16 * 1024, MAX_OPS = 64, SWEEP = 64 };
#define SWEEP_TICKS (WR_TICKS_SECOND / 10)

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
    s->least_rows = s->rising ? (uint64_t)s->need_rows : 0;
    uint32_t keep = s->need_rows <= NEED_MAX ? 2 * (uint32_t)s->need_rows : 0;
    s->raw_max = keep > RAW_MIN ? keep : RAW_MIN;
    /* A divisor of the window near min(300 s, window / 16), so that aligned times fall between panes. */
    int64_t want = s->window / 16 < 300 * WR_TICKS_SECOND ? s->window / 16 : 300 * WR_TICKS_SECOND;
    int64_t n = want > 0 ? (s->window + want - 1) / want : 1;
    for (int64_t top = n + 100000; n < top && s->window % n != 0;)
        n++;
    s->pane = s->window == 0 ? 300 * WR_TICKS_SECOND : s->window % n == 0 ? s->window / n : s->window;
}

/* Room for one row of keys. */
static bool make_key_row(struct wr_stream *s)
{
    uint32_t n = s->summarize->nkeys;
    s->key_row = calloc(n + 1, sizeof *s->key_row);
    s->key_cells = calloc(n + 1, sizeof *s->key_cells);
    s->key_valid = calloc(n + 1, sizeof *s->key_valid);
    if (!s->key_row || !s->key_cells || !s->key_valid)
        return false;
    for (uint32_t k = 0; k < n; k++) {
        struct wr_vec *v = &s->key_row[k];
        v->type = s->summarize->cols[k]->type;
        v->s = wr_type_is_str(v->type) ? &s->key_cells[k] : NULL;
        v->r = v->type == WR_REAL ? (double *)&s->key_cells[k] : NULL;
        v->i = !v->s && !v->r ? (int64_t *)&s->key_cells[k] : NULL;
        v->valid = v->type == WR_STRING ? NULL : &s->key_valid[k];
    }
    return true;
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
    s->key_words = 1;
    for (uint32_t k = 0; k < s->summarize->nkeys; k++)
        s->key_words += 1u + wr_type_is_str(s->summarize->cols[k]->type);
    s->raw_slots = 1u + (s->amends != NULL);
    s->raw_words = s->raw_slots + s->layout.nslots;
    s->pane_words = PANE_SLOTS + s->layout.nslots;
    s->sum_slots = calloc(s->layout.nslots + 1, sizeof *s->sum_slots);
    s->slots = malloc(BLOCK * (s->layout.nslots + 1) * sizeof *s->slots);
    s->words = malloc(BLOCK * s->key_words * sizeof *s->words);
    s->hash = malloc(BLOCK * sizeof *s->hash);
    return s->sum_slots && s->slots && s->words && s->hash && make_key_row(s);
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
    free(stream->sum_slots);
    free(stream->slots);
    free(stream->words);
    free(stream->hash);
    free(stream->key_row);
    free(stream->key_cells);
    free(stream->key_valid);
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
    bool *in;             /* only when there are amendments */
};

static bool look(struct wr_stream *s, const struct wr_batch *b, const struct wr_vec *cols,
                 const struct wr_sel *sel, struct view *v)
{
    *v = (struct view){.chunk = {.schema = b->schema, .col = cols, .nrows = b->nrows}};
    v->chunk.sel.row = wr_arena_alloc(s->ev.arena, (sel->n + 1) * sizeof *sel->row);
    if (!v->chunk.sel.row)
        return false;
    memcpy(v->chunk.sel.row, sel->row, sel->n * sizeof *sel->row);
    v->chunk.sel.n = sel->n;
    s->ev.nrows = b->nrows;
    for (uint32_t i = 0; i < s->nprefix && v->chunk.sel.n && !s->ev.err; i++)
        wr_op_apply(&s->ev, s->prefix[i], &v->chunk);
    if (s->ev.err)
        return false;
    if (!s->summarize || !v->chunk.sel.n)
        return true;
    return wr_summarize_eval(&s->ev, s->summarize, &v->chunk, &v->keys, &v->args);
}

/* Keys and states of at most BLOCK rows, from place `at` of the stream's scratch on. */
static void read_rows(struct wr_stream *s, const struct view *v, const struct wr_sel *sel, uint32_t at)
{
    wr_keys_read(&s->opts.secret, v->keys, s->summarize->nkeys, sel, s->words + (size_t)at * s->key_words,
                 s->hash + at);
    wr_agg_rows(&s->layout, s->slots + (size_t)at * s->layout.nslots, v->args, sel);
}

static inline struct wanted wanted(const struct wr_stream *s, const struct view *v, uint32_t at, uint32_t row)
{
    return (struct wanted){v->keys, s->words + (size_t)at * s->key_words, s->hash[at], row};
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
    for (uint16_t i = 0; i < s->amends->ncols; i++)
        if (s->amends->cols[i].prev != WR_NO_COL)
            cols[s->amends->cols[i].col] = b->col[s->amends->cols[i].prev];
    return cols;
}

static inline bool is_amend(const struct wr_stream *s, const struct wr_batch *b, uint32_t row)
{
    const struct wr_vec *v = s->amends ? &b->col[s->amends->amend] : NULL;
    return v && v->i && wr_vec_valid(v, row) && v->i[row];
}

/* The row's place in time; false when it is in no window any more. */
static inline bool row_time(struct wr_stream *s, const struct wr_batch *b, uint32_t row, int64_t *ret_ts)
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
static bool cannot_fire(const struct wr_stream *s, struct group *g)
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

static inline uint64_t rowid_of(const struct wr_stream *s, const struct wr_batch *b, uint32_t row)
{
    const struct wr_vec *v = s->amends ? &b->col[s->amends->row_id] : NULL;
    return v && v->i && wr_vec_valid(v, row) ? (uint64_t)v->i[row] : 0;
}

/* A row that was read to place `at`. */
static enum wr_err insert(struct wr_stream *s, const struct wr_batch *b, const struct view *v, uint32_t at,
                          uint32_t row)
{
    int64_t ts;
    if (!row_time(s, b, row, &ts))
        return WR_OK;
    enum wr_err err = s->bytes > s->opts.memory_bytes ? wr_groups_make_room(s) : WR_OK;
    struct wanted want = wanted(s, v, at, row);
    struct group *g = err ? NULL : wr_group_find(s, want);
    if (!g && !err) {
        g = wr_group_new(s, want, &err);
        if (!g && err == WR_ELIMIT) {
            s->stats.evicted++; /* a key this long is not kept */
            s->inexact_until = s->window ? s->now + s->window : INT64_MAX;
            return WR_OK;
        }
    }
    if (!g)
        return err ? err : WR_ENOMEM;
    wr_rows_prune(s, g, s->now);
    err = wr_rows_insert(s, &g, ts, rowid_of(s, b, row), s->slots + (size_t)at * s->layout.nslots);
    if (!err && s->layout.ndsets)
        err = add_distinct(s, g, v, row, ts);
    s->stats.rows_aggregated++;
    return err ? err : group_rows(g) < s->least_rows ? WR_OK : grown(s, g, ts);
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

/* Reads the new version of an amended row to place 0, the old one to place 1. */
static enum wr_err amend(struct wr_stream *s, const struct wr_batch *b, const struct view *new,
                         const struct view *old, uint32_t row)
{
    uint16_t r = (uint16_t)row;
    struct wr_sel one = {&r, 1};
    if (new->in[row])
        read_rows(s, new, &one, 0);
    if (!old->in[row])
        return new->in[row] ? insert(s, b, new, 0, row) : WR_OK;
    read_rows(s, old, &one, 1);
    int64_t ts;
    if (!row_time(s, b, row, &ts))
        return WR_OK;
    struct group *g = wr_group_find(s, wanted(s, old, 1, row));
    bool same = new->in[row]; /* no key reads what amendments change (rules/plan/stream.c) */
    if (g) {
        const union wr_slot *was = s->slots + s->layout.nslots;
        wr_rows_prune(s, g, s->now);
        bool there = wr_rows_amend(s, g, ts, rowid_of(s, b, row), was, same ? s->slots : NULL);
        uint64_t before = g->ext && s->layout.ndsets ? g->ext->dsets[0].n : 0;
        enum wr_err err = there && same && s->layout.ndsets ? add_distinct(s, g, new, row, ts) : WR_OK;
        if (g->ext && s->layout.ndsets && (!same || g->ext->dsets[0].n != before))
            g->ext->approx = true; /* a value's last sighting cannot be taken back */
        bool fires = g->ext && g->ext->firing;
        if (!err && there && (fires || !s->rising || !cannot_fire(s, g))) /* counts may have fallen, too */
            err = wr_group_evaluate(s, g, s->now, ts, bytes_appeared(s, b, row) ? WHY_EARLY : WHY_ROW);
        if (err || same)
            return err;
    }
    return WR_OK;
}

/* Touches what row `k` of the block will need: its slot, some rows later the place, then the group. Three cache
 * misses in the dark instead of three in a row. */
static inline void prefetch(const struct wr_stream *s, uint32_t k, uint32_t n)
{
    uint32_t mask = s->nindex - 1;
    if (k + 12 < n)
        __builtin_prefetch(&s->index[s->hash[k + 12] & mask]);
    if (k + 8 < n) {
        uint32_t at = s->index[s->hash[k + 8] & mask].at;
        if (at)
            __builtin_prefetch(&s->dense[at - 1]);
    }
    if (k + 4 < n) {
        uint32_t at = s->index[s->hash[k + 4] & mask].at;
        const char *g = at ? (const char *)s->dense[at - 1] : NULL;
        __builtin_prefetch(g);
        __builtin_prefetch(g + 64);
        __builtin_prefetch(g + 128);
        __builtin_prefetch(g + 192);
    }
}

static enum wr_err insert_block(struct wr_stream *s, const struct wr_batch *b, const struct view *v,
                                const struct wr_sel *sel)
{
    enum wr_err err = WR_OK;
    read_rows(s, v, sel, 0);
    for (uint32_t k = 0; k < sel->n && !err; k++) {
        if (s->nindex)
            prefetch(s, k, sel->n);
        err = insert(s, b, v, k, sel->row[k]);
    }
    return err;
}

/* Rows in order of arrival, some of them amendments. */
static enum wr_err amended_rows(struct wr_stream *s, const struct wr_batch *b, const struct wr_sel *sel,
                                struct view *new, const struct wr_sel *amends)
{
    struct view old = {0};
    const struct wr_vec *cols = old_columns(s, b);
    if (!cols || !look(s, b, cols, amends, &old) || !mark(s, b, &old) || !mark(s, b, new))
        return WR_ENOMEM;
    enum wr_err err = WR_OK;
    for (uint32_t k = 0; k < sel->n && !err; k++) {
        uint32_t row = sel->row[k];
        int64_t ts;
        bool amended = is_amend(s, b, row);
        if (s->summarize && amended)
            err = amend(s, b, new, &old, row);
        else if (s->summarize && new->in[row])
            err = insert_block(s, b, new, &(struct wr_sel){&sel->row[k], 1});
        else if (!s->summarize && new->in[row] && !(amended && old.in[row]) && row_time(s, b, row, &ts))
            err = wr_stateless_raise(s, &new->chunk, row, ts, rowid_of(s, b, row));
    }
    return err;
}

/* Rows of the batch that are amendments. */
static bool amendments(struct wr_stream *s, const struct wr_batch *b, const struct wr_sel *sel,
                       struct wr_sel *ret_sel)
{
    *ret_sel = (struct wr_sel){0};
    const struct wr_vec *v = s->amends ? &b->col[s->amends->amend] : NULL;
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
        ret_sel->n += is_amend(s, b, row);
    }
    return true;
}

static enum wr_err rows(struct wr_stream *s, const struct wr_batch *b, const struct wr_sel *given)
{
    struct view new;
    struct wr_sel amends;
    if (!amendments(s, b, given, &amends) || !look(s, b, b->col, given, &new))
        return WR_ENOMEM;
    if (amends.n)
        return amended_rows(s, b, given, &new, &amends);
    enum wr_err err = WR_OK;
    const struct wr_sel *sel = &new.chunk.sel;
    for (uint32_t k = 0; s->summarize && k < sel->n && !err; k += BLOCK) {
        struct wr_sel block = {sel->row + k, sel->n - k < BLOCK ? sel->n - k : BLOCK};
        err = insert_block(s, b, &new, &block);
    }
    for (uint32_t k = 0; !s->summarize && k < sel->n && !err; k++) {
        int64_t ts;
        if (row_time(s, b, sel->row[k], &ts))
            err = wr_stateless_raise(s, &new.chunk, sel->row[k], ts, rowid_of(s, b, sel->row[k]));
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
    if (s->created || now >= s->sweep_at) {
        wr_groups_sweep(s, SWEEP + 2 * s->created);
        s->created = 0;
        s->sweep_at = now + SWEEP_TICKS;
    }
    return WR_OK;
}

/* The given rows side by side: what follows costs as much as there are rows, not as the batch is long. */
static bool gather(struct wr_stream *s, const struct wr_batch *b, const struct wr_sel *given, struct wr_batch *to)
{
    const struct wr_colset *wanted = &s->plan->scans[s->table].wanted;
    *to = (struct wr_batch){.schema = b->schema, .nrows = given->n, .cap = given->n, .sealed = true};
    to->col = wr_arena_alloc(s->ev.arena, b->schema->ncols * sizeof *to->col);
    to->sel.row = wr_arena_alloc(s->ev.arena, given->n * sizeof *to->sel.row);
    if (!to->col || !to->sel.row)
        return false;
    for (; to->sel.n < given->n; to->sel.n++)
        to->sel.row[to->sel.n] = (uint16_t)to->sel.n;
    s->ev.nrows = given->n;
    for (uint16_t c = 0; c < b->schema->ncols; c++) {
        const struct wr_vec *v = &b->col[c];
        to->col[c] = (struct wr_vec){.type = v->type};
        if (!wr_colset_has(wanted, c) || (!v->i && !v->r && !v->s))
            continue;
        struct wr_vec *copy = wr_vec_new(&s->ev, v->type);
        if (!copy)
            return false;
        for (uint32_t k = 0; k < given->n; k++) {
            uint32_t row = given->row[k];
            if (!wr_vec_valid(v, row))
                continue;
            if (v->s)
                wr_put_s(copy, k, v->s[row]);
            else if (v->r)
                wr_put_r(copy, k, v->r[row]);
            else
                wr_put_i(copy, k, v->i[row]);
        }
        to->col[c] = *copy;
    }
    return true;
}

enum wr_err wr_stream_consume_rows(struct wr_stream *stream, const struct wr_batch *batch,
                                   const struct wr_sel *given, int64_t now)
{
    struct wr_stream *s = stream;
    enum wr_err err = wr_stream_advance(s, now);
    s->stats.rows_in += batch->sel.n;
    if (err || !given->n)
        return err;
    wr_arena_reset(s->batch_arena);
    s->ev = (struct wr_eval){.arena = s->batch_arena, .now = s->now, .nrows = batch->nrows};
    struct wr_batch few;
    if (given->n >= batch->nrows / 4)
        err = rows(s, batch, given);
    else
        err = gather(s, batch, given, &few) ? rows(s, &few, &few.sel) : WR_ENOMEM;
    return err ? err : s->ev.err;
}

enum wr_err wr_stream_consume(struct wr_stream *stream, const struct wr_batch *batch, int64_t now)
{
    return wr_stream_consume_rows(stream, batch, &batch->sel, now);
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
