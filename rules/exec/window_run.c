/* One run of a windowed rule over its kept rows, and what its result says about alerts.
 *
 * A result row keeps its alert from run to run by its key: the keys of the last summarize when all of them
 * are in the result; the texts, whole numbers of 32 bits and booleans when they are not; without a summarize
 * also the times, but never what can still grow (long, real, timespan, dynamic). Rows with equal keys are
 * told apart by their place. */
#include "rules/exec/window_state.h"
#include "rules/fn/kernel.h"

#include "base/ticks.h"

#include <stdlib.h>

enum { MAX_FIRING = 10000, PER_RUN_MAX = 150 };

/* Every key of the summarize under maps and filters, as columns of the result. */
static bool by_groups(const struct wr_op *op, uint16_t *at, uint16_t n, struct wr_colset *ret)
{
    for (; op && op->kind != WR_OP_SUMMARIZE; op = op->input) {
        if (op->kind == WR_OP_MAP) {
            for (uint16_t c = 0; c < n; c++)
                if (at[c] != WR_NO_COL)
                    at[c] = op->cols[at[c]]->kind == WR_EX_COL ? op->cols[at[c]]->col : (uint16_t)WR_NO_COL;
        } else if (op->kind != WR_OP_WHERE && op->kind != WR_OP_SORT && op->kind != WR_OP_TAKE) {
            return false;
        }
    }
    uint32_t found = 0;
    for (uint32_t k = 0; op && k < op->nkeys; k++)
        for (uint16_t c = 0; c < n; c++)
            if (at[c] == k) {
                wr_colset_add(ret, c);
                found++;
                break;
            }
    return op && found == op->nkeys;
}

static bool summarizes(const struct wr_op *op)
{
    bool any = op->kind == WR_OP_SUMMARIZE || (op->input && summarizes(op->input));
    for (uint32_t i = 0; i < op->ninputs && !any; i++)
        any = summarizes(op->inputs[i]);
    return any;
}

void wr_window_keys(struct wr_window *w)
{
    const struct wr_schema *out = w->plan->root->schema;
    uint16_t at[WR_MAX_COLS];
    for (uint16_t c = 0; c < out->ncols && c < WR_MAX_COLS; c++)
        at[c] = c;
    if (by_groups(w->plan->root, at, out->ncols, &w->key_cols))
        return;
    w->key_cols = (struct wr_colset){0};
    bool grouped = summarizes(w->plan->root);
    for (uint16_t c = 0; c < out->ncols; c++) {
        enum wr_type type = out->cols[c].type;
        if (type == WR_BOOL || type == WR_INT || type == WR_STRING || type == WR_GUID ||
            (type == WR_DATETIME && !grouped))
            wr_colset_add(&w->key_cols, c);
    }
}

static void key_of(const struct wr_window *w, const struct wr_vec *cols, uint32_t row, struct wr_buf *out)
{
    const struct wr_schema *schema = w->plan->root->schema;
    wr_buf_reset(out);
    for (uint16_t c = 0; c < schema->ncols; c++)
        if (wr_colset_has(&w->key_cols, c)) {
            struct wr_coldef def = schema->cols[c];
            struct wr_schema one = {.cols = &def, .ncols = 1};
            wr_cells_pack(&one, &cols[c], row, out);
        }
}

static int compare(const struct wr_buf *a, const struct wr_buf *b)
{
    size_t n = a->len < b->len ? a->len : b->len;
    int cmp = n ? memcmp(a->data, b->data, n) : 0;
    return cmp ? cmp : (a->len > b->len) - (a->len < b->len);
}

/* Place of the key, or where it would stand. */
static uint32_t fire_at(const struct wr_window *w, const struct wr_buf *key, bool *ret_found)
{
    uint32_t lo = 0, hi = w->nfires;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        int cmp = compare(&w->fire[mid]->key, key);
        if (cmp == 0) {
            *ret_found = true;
            return mid;
        }
        if (cmp < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    *ret_found = false;
    return lo;
}

bool wr_fire_put(struct wr_window *w, struct fire *f)
{
    bool found;
    uint32_t at = fire_at(w, &f->key, &found);
    if (found)
        return false;
    if (w->nfires == w->cfires) {
        uint32_t cap = w->cfires ? 2 * w->cfires : 16;
        struct fire **list = realloc(w->fire, cap * sizeof(struct fire *));
        if (!list)
            return false;
        w->fire = list;
        w->cfires = cap;
    }
    memmove(&w->fire[at + 1], &w->fire[at], (w->nfires - at) * sizeof(struct fire *));
    w->fire[at] = f;
    w->nfires++;
    return true;
}

void wr_fire_free(struct wr_window *w, struct fire *f)
{
    (void)w;
    wr_buf_fini(&f->key);
    wr_buf_fini(&f->sent);
    wr_buf_fini(&f->now);
    free(f);
}

static enum wr_err emit(struct wr_window *w, const struct fire *f, enum wr_alert_kind kind, int64_t t)
{
    struct wr_alert *a = wr_cells_alert(w->plan->root->schema, &f->sent, kind, f->id, f->seq);
    if (!a)
        return WR_ENOMEM;
    a->raised_at = f->raised_at;
    a->window_start = w->span ? t - w->span : 0;
    a->window_end = w->span ? t : 0;
    a->exact = t >= w->inexact_until;
    a->final = kind == WR_ALERT_RESOLVED || w->opts.schedule.single;
    *w->alerts_end = a;
    w->alerts_end = &a->next;
    w->stats.raised += kind == WR_ALERT_RAISED;
    w->stats.updated += kind == WR_ALERT_UPDATED;
    w->stats.resolved += kind == WR_ALERT_RESOLVED;
    return WR_OK;
}

static bool copy(struct wr_buf *to, const struct wr_buf *from)
{
    wr_buf_reset(to);
    if (from->len)
        wr_buf_add(to, from->data, from->len);
    return !to->err && !from->err;
}

/* As wr_firing_due: half the alert's age after the last update. */
static int64_t due(const struct wr_window *w, const struct fire *f)
{
    int64_t gap = (f->emitted_at - f->raised_at) / 2;
    gap = gap > WR_TICKS_SECOND ? gap : WR_TICKS_SECOND;
    return f->emitted_at + (gap < w->opts.realert ? gap : w->opts.realert);
}

/* A row of the result: its alert begins, goes on, or has news. */
static enum wr_err row_fires(struct wr_window *w, int64_t t)
{
    bool found;
    uint32_t at = fire_at(w, &w->key, &found);
    struct fire *f = found ? w->fire[at] : NULL;
    if (f && f->seen) { /* equal keys: one more, told apart by its place */
        wr_buf_u32(&w->key, 1);
        return w->key.err ? WR_ENOMEM : row_fires(w, t);
    }
    if (f) {
        f->seen = true;
        if (!copy(&f->now, &w->cells))
            return WR_ENOMEM;
        if (wr_cells_equal(&f->now, &f->sent) || t < due(w, f))
            return WR_OK;
        f->seq++;
        f->emitted_at = t;
        return copy(&f->sent, &f->now) ? emit(w, f, WR_ALERT_UPDATED, t) : WR_ENOMEM;
    }
    if (w->nfires >= MAX_FIRING) {
        w->stats.evicted++;
        w->inexact_until = w->span ? t + w->span : INT64_MAX;
        return WR_OK;
    }
    f = calloc(1, sizeof *f);
    if (!f)
        return WR_ENOMEM;
    f->raised_at = f->emitted_at = t;
    f->seen = true;
    if (!copy(&f->key, &w->key) || !copy(&f->sent, &w->cells) || !copy(&f->now, &w->cells) ||
        !wr_cells_id(w->opts.rule_id, w->opts.rule_version, f->key.data, f->key.len, t, f->id) ||
        !wr_fire_put(w, f)) {
        wr_fire_free(w, f);
        return WR_ENOMEM;
    }
    return emit(w, f, WR_ALERT_RAISED, t);
}

/* Alerts whose row is gone. */
static enum wr_err resolve(struct wr_window *w, int64_t t)
{
    uint32_t n = 0;
    enum wr_err err = WR_OK;
    for (uint32_t i = 0; i < w->nfires; i++) {
        struct fire *f = w->fire[i];
        if (f->seen || err) {
            w->fire[n++] = f;
            continue;
        }
        f->seq++;
        err = emit(w, f, WR_ALERT_RESOLVED, t);
        wr_fire_free(w, f);
    }
    w->nfires = n;
    return err;
}

/* One alert for the whole result: its first row. It does not go on to the next run. */
static enum wr_err alert_once(struct wr_window *w, int64_t t)
{
    struct fire f = {.raised_at = t};
    const struct wr_schema *schema = w->plan->root->schema;
    bool none = !w->cells.len; /* no row, as `lt 1` asks for: every cell is null */
    for (uint16_t c = 0; none && c < schema->ncols; c++)
        wr_buf_u8(&w->cells, 1);
    f.sent = w->cells;
    if (w->cells.err || !wr_cells_id(w->opts.rule_id, w->opts.rule_version, "", 0, t, f.id))
        return WR_ENOMEM;
    return emit(w, &f, WR_ALERT_RAISED, t);
}

static bool triggers(const struct wr_rule_schedule *s, uint64_t rows)
{
    int64_t n = rows > INT64_MAX ? INT64_MAX : (int64_t)rows;
    switch (s->op) {
    case WR_TRIGGER_LT:
        return n < s->threshold;
    case WR_TRIGGER_EQ:
        return n == s->threshold;
    case WR_TRIGGER_NE:
        return n != s->threshold;
    case WR_TRIGGER_GT:
        break;
    }
    return n > s->threshold;
}

static enum wr_err judge(struct wr_window *w, const struct wr_rows *rows, int64_t t)
{
    const struct wr_rule_schedule *s = &w->opts.schedule;
    uint64_t raised = w->stats.raised;
    bool holds = triggers(s, rows->nrows);
    uint64_t most = !holds ? 0 : s->single ? 1 : s->frequency ? PER_RUN_MAX : rows->nrows;
    enum wr_err err = WR_OK;
    wr_buf_reset(&w->cells);
    for (uint32_t i = 0; i < w->nfires; i++)
        w->fire[i]->seen = false;
    for (uint64_t n = 0; n < most && n < rows->nrows && !err; n++) {
        uint32_t row;
        const struct wr_batch *b = wr_rows_at(rows, n, &row);
        wr_buf_reset(&w->cells);
        wr_cells_pack(w->plan->root->schema, b->col, row, &w->cells);
        if (s->single)
            break;
        key_of(w, b->col, row, &w->key);
        err = w->key.err || w->cells.err ? WR_ENOMEM : row_fires(w, t);
    }
    if (holds && s->single)
        err = alert_once(w, t);
    else if (!err && !s->single)
        err = resolve(w, t);
    if (s->suppression && w->stats.raised != raised)
        w->quiet_until = t + s->suppression;
    return err;
}

/* Whether the run that ends at `end` sees the row. */
static inline bool seen(const struct kept *k, int table, int64_t end)
{
    return k->in && k->table == table && k->ts < end;
}

/* Rows of one table as the run at `t` sees them, where they are kept: by schedule, of a clock that is ahead only the next
 * one. False when out of memory. */
static bool lay_out(struct wr_window *w, int table, int64_t t, struct wr_rows *ret)
{
    struct wr_arena *arena = w->scratch->batch;
    int64_t end = w->opts.schedule.frequency ? t : INT64_MAX;
    const struct kept_batch *last = NULL;
    uint32_t n = 0;
    *ret = (struct wr_rows){.schema = wr_schema_of((enum wr_table)table), .wanted = w->scans[table].wanted};
    if (!w->plan->scans[table].nbranches)
        return true;
    for (uint32_t i = w->head; i < w->nrows; i++)
        if (seen(&w->row[i], table, end)) {
            n += w->row[i].in != last;
            last = w->row[i].in;
        }
    struct wr_batch *b = wr_arena_alloc(arena, (n + 1u) * sizeof *b);
    ret->batch = wr_arena_alloc(arena, (n + 1u) * sizeof(struct wr_batch *));
    last = NULL;
    for (uint32_t i = w->head; i < w->nrows && b && ret->batch; i++) {
        const struct kept *k = &w->row[i];
        if (!seen(k, table, end))
            continue;
        if (k->in != last) { /* its columns, and a selection of its own */
            last = k->in;
            b[ret->nbatches] = *k->in->b;
            b[ret->nbatches].sealed = true;
            b[ret->nbatches].sel = (struct wr_sel){wr_arena_alloc(arena, k->in->b->nrows * sizeof(uint16_t)), 0};
            ret->batch[ret->nbatches] = &b[ret->nbatches];
            if (!b[ret->nbatches++].sel.row)
                return false;
        }
        struct wr_sel *sel = &b[ret->nbatches - 1].sel;
        sel->row[sel->n++] = k->row;
        ret->nrows++;
    }
    return b && ret->batch;
}

enum wr_err wr_window_run(struct wr_window *w, int64_t t)
{
    enum wr_err err = wr_kept_prune(w, t);
    struct wr_rows table[WR_NTABLES];
    struct wr_run_opts opts = {.batch_rows = batch_rows(w),
                               .scans = w->scans,
                               .tables = table,
                               .subs = w->plan->subs,
                               .nsubs = w->plan->nsubs,
                               .memory_bytes = w->opts.run_bytes};
    const struct wr_rows *rows;
    const char *why;
    struct wr_span span;
    wr_arena_reset(w->scratch->batch);
    for (int i = 0; i < WR_NTABLES && !err; i++)
        err = lay_out(w, i, t, &table[i]) ? WR_OK : WR_ENOMEM;
    struct wr_run *run = err ? NULL : wr_run_new(w->plan->root, &opts);
    if (!run)
        return err ? err : WR_ENOMEM;
    err = wr_run_go(run, t, &rows, &why, &span);
    w->stats.runs++;
    w->work = wr_run_work(run) + w->live;
    if (!err)
        err = judge(w, rows, t);
    else if (err == WR_ELIMIT) { /* the next run shall fit */
        wr_kept_halve(w);
        err = WR_OK;
    }
    wr_run_free(run);
    return err;
}
