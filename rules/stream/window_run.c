/* One run of a windowed rule over its kept rows, and what its result says about alerts.
 *
 * A result row keeps its alert from run to run by its key: the keys of the last summarize when all
 * of them are in the result; the texts, whole numbers of 32 bits and booleans when they are not;
 * without a summarize also the times, but never what can still grow (long, real, timespan,
 * dynamic). Rows with equal keys are told apart by their place. */
#include "rules/fn/kernel.h"
#include "rules/stream/window_state.h"

#include "base/ticks.h"

#include <stdlib.h>

enum {
    MAX_FIRING = 10000,
    PER_RUN_MAX = 150,
    FEW_OF = 4, /* rows of a run are copied when they are less than 1/FEW_OF of all */
    CHEAP = 16  /* rows that are passed over cost as much as one that goes through an operator */
};

/* Every key of the summarize under maps and filters, as columns of the result. */
static bool by_groups(const struct wr_op *op, uint16_t *at, uint16_t n, struct wr_colset *ret)
{
    for (; op && op->kind != WR_OP_SUMMARIZE; op = op->input) {
        if (op->kind == WR_OP_MAP) {
            for (uint16_t c = 0; c < n; c++)
                if (at[c] != WR_NO_COL)
                    at[c] = op->cols[at[c]]->kind == WR_EX_COL ? op->cols[at[c]]->col
                                                               : (uint16_t)WR_NO_COL;
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

static void key_of(const struct wr_window *w, const struct wr_vec *cols, uint32_t row,
                   struct wr_buf *out)
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

static enum wr_err emit(struct wr_window *w, const struct fire *f, enum wr_alert_kind kind,
                        int64_t t)
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

/* The alert as of the last run, when it is time to say it. */
static enum wr_err tell(struct wr_window *w, struct fire *f, int64_t t)
{
    if (wr_cells_equal(&f->now, &f->sent) || t < due(w, f))
        return WR_OK;
    f->seq++;
    f->emitted_at = t;
    return copy(&f->sent, &f->now) ? emit(w, f, WR_ALERT_UPDATED, t) : WR_ENOMEM;
}

/* A row of the result, of a part: its alert begins, goes on, or has news. */
static enum wr_err row_fires(struct wr_window *w, uint32_t part, int64_t t)
{
    bool found;
    uint32_t at = fire_at(w, &w->key, &found);
    struct fire *f = found ? w->fire[at] : NULL;
    if (f && f->seen) { /* equal keys: one more, told apart by its place */
        wr_buf_u32(&w->key, 1);
        return w->key.err ? WR_ENOMEM : row_fires(w, part, t);
    }
    if (f) {
        f->seen = true;
        f->part = part;
        return copy(&f->now, &w->cells) ? tell(w, f, t) : WR_ENOMEM;
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
    f->part = part;
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
    for (uint32_t i = 0; i < w->nfires && !err; i++) {
        struct fire *f = w->fire[i];
        f->seen = !wr_part_changed(w, f->part); /* of another part: as it was */
        if (f->seen)
            err = tell(w, f, t);
    }
    for (uint64_t n = 0; n < most && n < rows->nrows && !err; n++) {
        uint32_t row;
        const struct wr_batch *b = wr_rows_at(rows, n, &row);
        wr_buf_reset(&w->cells);
        wr_cells_pack(w->plan->root->schema, b->col, row, &w->cells);
        if (s->single)
            break;
        key_of(w, b->col, row, &w->key);
        uint32_t part = w->parts ? wr_part_of(w, b->col, w->parts->out, row) : 0;
        err = w->key.err || w->cells.err ? WR_ENOMEM : row_fires(w, part, t);
    }
    if (holds && s->single)
        err = alert_once(w, t);
    else if (!err && !s->single)
        err = resolve(w, t);
    if (s->suppression && w->stats.raised != raised)
        w->quiet_until = t + s->suppression;
    return err;
}

/* Rows that a run sees, side by side in `rows`: of one table, in order. */
struct seen {
    uint32_t *at, n;
};

/* The rows of the parts that changed: by schedule, of a clock that is ahead only the next run sees
 * a row. False when out of memory. */
static bool see(const struct wr_window *w, int64_t t, struct seen *table)
{
    int64_t end = w->opts.schedule.frequency ? t : INT64_MAX;
    uint32_t *at = wr_arena_alloc(w->scratch->batch, (w->live + 1u) * sizeof *at),
             of[WR_NTABLES] = {0};
    for (int i = 0; i < WR_NTABLES; i++)
        table[i] = (struct seen){0};
    if (!at)
        return false;
    uint32_t n = 0;
    for (uint32_t i = w->head; i < w->nrows; i++) {
        const struct kept *k = &w->row[i];
        if (!k->in || k->ts >= end || !wr_part_changed(w, k->part))
            continue;
        at[n++] = i;
        of[k->table]++;
    }
    for (int i = 0; i < WR_NTABLES; i++)
        if (of[i] && !(table[i].at = wr_arena_alloc(w->scratch->batch, of[i] * sizeof *at)))
            return false;
    for (uint32_t i = 0; i < n; i++) {
        struct seen *to = &table[w->row[at[i]].table];
        to->at[to->n++] = at[i];
    }
    return true;
}

/* Where they are kept. False when out of memory. */
static bool lay_out(const struct wr_window *w, const struct seen *rows, struct wr_rows *ret)
{
    struct wr_arena *arena = w->scratch->batch;
    const struct kept_batch *last = NULL;
    uint32_t n = 0;
    for (uint32_t i = 0; i < rows->n; i++) {
        n += w->row[rows->at[i]].in != last;
        last = w->row[rows->at[i]].in;
    }
    struct wr_batch *b = wr_arena_alloc(arena, (n + 1u) * sizeof *b);
    ret->batch = wr_arena_alloc(arena, (n + 1u) * sizeof(struct wr_batch *));
    last = NULL;
    for (uint32_t i = 0; i < rows->n && b && ret->batch; i++) {
        const struct kept *k = &w->row[rows->at[i]];
        if (k->in != last) { /* its columns, and a selection of its own */
            last = k->in;
            b[ret->nbatches] = *k->in->b;
            b[ret->nbatches].sealed = true;
            b[ret->nbatches].sel =
                (struct wr_sel){wr_arena_alloc(arena, k->in->b->nrows * sizeof(uint16_t)), 0};
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

/* A few of many, which lie apart: copies of them, so that operators need not go through whole
 * columns for each. */
static bool copy_out(const struct wr_window *w, const struct seen *rows, struct wr_rows *ret)
{
    enum { MOST = 1024, LEAST = 8 };
    ret->batch_rows = rows->n > MOST ? MOST : rows->n < LEAST ? LEAST : rows->n;
    for (uint32_t i = 0; i < rows->n; i++) {
        const struct kept *k = &w->row[rows->at[i]];
        uint16_t row = k->row;
        if (wr_rows_add(ret, k->in->b->col, &(struct wr_sel){&row, 1}) != WR_OK)
            return false;
    }
    return true;
}

/* The plan over the rows, and what it says. */
static enum wr_err run_over(struct wr_window *w, const struct wr_rows *table, uint32_t n, int64_t t)
{
    struct wr_run_opts opts = {.batch_rows = batch_rows(n),
                               .scans = w->scans,
                               .tables = table,
                               .subs = w->plan->subs,
                               .nsubs = w->plan->nsubs,
                               .memory_bytes = w->opts.run_bytes};
    const struct wr_rows *rows;
    const char *why;
    struct wr_span span;
    struct wr_run *run = wr_run_new(w->plan->root, &opts);
    if (!run)
        return WR_ENOMEM;
    enum wr_err err = wr_run_go(run, t, &rows, &why, &span);
    w->work = wr_run_work(run) + (n < w->live ? n + w->live / CHEAP : n);
    if (!err)
        err = judge(w, rows, t);
    wr_run_free(run);
    return err;
}

enum wr_err wr_window_run(struct wr_window *w, int64_t t)
{
    enum wr_err err = wr_kept_prune(w, t);
    struct wr_rows table[WR_NTABLES];
    struct seen seen[WR_NTABLES];
    uint32_t n = 0;
    if (err)
        return err;
    wr_arena_reset(w->scratch->batch);
    wr_parts_look(w, t);
    bool ok = see(w, t, seen);
    for (int i = 0; i < WR_NTABLES && ok; i++)
        n += seen[i].n;
    bool few = n < w->live / FEW_OF;
    for (int i = 0; i < WR_NTABLES; i++) {
        wr_rows_init(&table[i], wr_schema_of((enum wr_table)i), 0);
        table[i].wanted = w->scans[i].wanted;
        ok = ok && (few ? copy_out(w, &seen[i], &table[i]) : lay_out(w, &seen[i], &table[i]));
    }
    if (!ok)
        err = WR_ENOMEM;
    else if (!n && !w->all_parts) /* of parts without rows there is no result */
        err = judge(w, &(struct wr_rows){0}, t);
    else
        err = run_over(w, table, n, t);
    w->stats.runs++;
    if (!err)
        wr_parts_done(w);
    for (int i = 0; few && i < WR_NTABLES; i++)
        wr_rows_fini(&table[i]);
    if (err == WR_ELIMIT) { /* the next run shall fit */
        wr_kept_halve(w);
        err = WR_OK;
    }
    return err;
}
