#include "rules/fn/kernel.h"
#include "rules/stream/window_state.h"

#include "base/ticks.h"

#include <stdlib.h>

enum { MAX_LEAVES = 64, MAX_MISSED = 1024, MORE_MAX = 3600 };
#define AHEAD_MAX (5 * WR_TICKS_MINUTE)

/* ---- which rows are kept ------------------------------------------------------------------------
 */

static bool names_now(const struct wr_ex *ex)
{
    bool now = ex->kind == WR_EX_SUB ||
               (ex->kind == WR_EX_CALL && ex->fn->flags & (WR_FN_PER_RUN | WR_FN_NO_FOLD));
    for (uint32_t i = 0; i < ex->nargs && !now; i++)
        now = names_now(ex->args[i]);
    return now;
}

static void add_pred(struct leaf *leaf, const struct wr_ex *ex)
{
    if (ex->kind == WR_EX_CALL && strcmp(ex->fn->name, "and") == 0) {
        for (uint32_t a = ex->nargs; a-- > 0;)
            add_pred(leaf, ex->args[a]);
    } else if (!names_now(ex)) {
        if (leaf->n == LEAF_STEPS) /* the first filters refuse the most */
            memmove(leaf->step, leaf->step + 1, --leaf->n * sizeof *leaf->step);
        leaf->step[leaf->n++] = (struct step){.pred = ex};
    }
}

/* A map or parse below what the leaf has: filters above read its columns. */
static void add_op(struct leaf *leaf, const struct wr_op *op)
{
    uint32_t ncols = op->kind == WR_OP_MAP ? op->schema->ncols : 1;
    bool now = leaf->n == LEAF_STEPS;
    for (uint32_t c = 0; c < ncols && !now; c++)
        now = names_now(op->cols[c]);
    if (now)
        leaf->n = 0;
    else if (leaf->n)
        leaf->step[leaf->n++] = (struct step){.op = op};
}

/* Finds the scans below `op`; `leaf` has what stands between. False: keep every row. */
static bool find_leaves(struct wr_window *w, const struct wr_op *op, struct leaf *leaf)
{
    struct leaf none = {0};
    switch (op->kind) {
    case WR_OP_SCAN:
        if (w->nleaves == MAX_LEAVES)
            return false;
        leaf->table = op->table;
        leaf->scan = op;
        w->leaf[w->nleaves++] = *leaf;
        return true;
    case WR_OP_WHERE:
        add_pred(leaf, op->pred);
        return find_leaves(w, op->input, leaf);
    case WR_OP_ROWS:
    case WR_OP_RANGE:
    case WR_OP_GIVEN:
    case WR_OP_EXTERNAL:
        return true;
    case WR_OP_APPLY:
        if (!find_leaves(w, op->input, &none))
            return false;
        none = (struct leaf){0};
        return find_leaves(w, op->inputs[0], &none);
    case WR_OP_MAP:
    case WR_OP_PARSE:
        add_op(leaf, op);
        return find_leaves(w, op->input, leaf);
    case WR_OP_SUMMARIZE:
    case WR_OP_SORT:
    case WR_OP_TAKE:
    case WR_OP_EXPAND:
    case WR_OP_SERIAL:
    case WR_OP_WHOLE:
        return find_leaves(w, op->input, &none);
    case WR_OP_UNION:
    case WR_OP_JOIN:
        for (uint32_t i = 0; i < op->ninputs; i++) {
            none = (struct leaf){0};
            if (!find_leaves(w, op->inputs[i], &none))
                return false;
        }
        return true;
    default:
        return false; /* an operator that this file does not know */
    }
}

/* Rows of `b` that pass over the leaf. */
static enum wr_err pass(struct wr_eval *ev, const struct leaf *leaf, const struct wr_batch *b,
                        struct wr_sel *ret)
{
    struct wr_chunk chunk = {.schema = b->schema, .col = b->col, .nrows = b->nrows};
    chunk.sel.row = wr_arena_alloc(ev->arena, (b->sel.n + 1) * sizeof *chunk.sel.row);
    if (!chunk.sel.row)
        return WR_ENOMEM;
    memcpy(chunk.sel.row, b->sel.row, b->sel.n * sizeof *chunk.sel.row);
    chunk.sel.n = b->sel.n;
    for (uint32_t i = leaf->n; i-- > 0 && chunk.sel.n && !ev->err;)
        if (leaf->step[i].pred)
            wr_ex_filter(ev, leaf->step[i].pred, chunk.col, &chunk.sel);
        else
            wr_op_apply(ev, leaf->step[i].op, &chunk);
    *ret = chunk.sel;
    return ev->err;
}

/* keep[row]: not 0 for the selected rows that pass over any scan of the table; of a table of which
 * the newest rows are kept a bit for each scan that they pass over. */
static enum wr_err survivors(struct wr_window *w, enum wr_table table, struct wr_eval *ev,
                             const struct wr_batch *b, uint8_t *keep)
{
    uint8_t bit = 1;
    for (uint32_t k = 0; k < b->sel.n && !w->nleaves; k++)
        keep[b->sel.row[k]] = bit;
    for (uint32_t i = 0; i < w->nleaves; i++) {
        struct wr_sel sel;
        if (w->leaf[i].table != table)
            continue;
        enum wr_err err = pass(ev, &w->leaf[i], b, &sel);
        if (err)
            return err;
        WR_EACH(&sel, row)
        keep[row] |= bit;
        bit = (uint8_t)(w->only_newest[table] ? bit << 1 : bit);
    }
    return WR_OK;
}

/* ---- life ---------------------------------------------------------------------------------------
 */

/* Kept columns: what the plan reads, without the bookkeeping of amendments. */
static void narrow(struct wr_window *w)
{
    for (int t = 0; t < WR_NTABLES; t++) {
        const struct wr_schema *schema = wr_schema_of((enum wr_table)t);
        w->scans[t] = w->plan->scans[t];
        for (uint16_t c = 0; c < schema->ncols; c++)
            if (schema->cols[c].hidden && c != wr_ingestion_col((enum wr_table)t))
                w->scans[t].wanted.bits[c / 64] &= ~(UINT64_C(1) << c % 64);
    }
}

struct wr_window *wr_window_new(const struct wr_plan *plan, const struct wr_window_opts *opts)
{
    struct wr_window *w = calloc(1, sizeof *w);
    struct leaf none = {0};
    if (!w)
        return NULL;
    w->plan = plan;
    w->opts = *opts;
    w->alerts_end = &w->alerts;
    w->inexact_until = INT64_MIN;
    w->next = INT64_MAX;
    w->span = plan->window > 0 && plan->window < WR_TICKS_MAX ? plan->window : 0;
    w->grid = opts->schedule.frequency ? opts->schedule.frequency
              : opts->grid             ? opts->grid
                                       : WR_TICKS_SECOND;
    w->leave_grid = w->span / 1024 / w->grid * w->grid;
    if (w->leave_grid < w->grid)
        w->leave_grid = w->grid;
    narrow(w);
    bool found = find_leaves(w, plan->root, &none);
    for (uint32_t i = 0; i < plan->nsubs; i++) {
        none = (struct leaf){0};
        found = found && find_leaves(w, plan->subs[i].root, &none);
    }
    if (!found)
        w->nleaves = 0;
    wr_window_keys(w);
    wr_parts_init(w);
    wr_newest_init(w);
    w->own = opts->scratch ? NULL : wr_scratch_new();
    w->scratch = opts->scratch ? opts->scratch : w->own;
    if (!w->scratch) {
        wr_window_free(w);
        return NULL;
    }
    return w;
}

void wr_window_free(struct wr_window *window)
{
    if (!window)
        return;
    wr_kept_fini(window);
    wr_parts_fini(window);
    wr_newest_fini(window);
    for (uint32_t i = 0; i < window->nfires; i++)
        wr_fire_free(window, window->fire[i]);
    free(window->fire);
    wr_alerts_free(window->alerts);
    for (int t = 0; t < WR_NTABLES; t++)
        free(window->few_cols[t]);
    wr_scratch_free(window->own);
    wr_buf_fini(&window->pack);
    wr_buf_fini(&window->moved);
    wr_buf_fini(&window->key);
    wr_buf_fini(&window->cells);
    free(window);
}

/* A row whose connection was given up is looked at until then. */
static void inexact_until(struct wr_window *window, int64_t until)
{
    if (until > window->inexact_until)
        window->inexact_until = until;
}

bool wr_window_reads(const struct wr_window *window, enum wr_table table)
{
    return window->plan->scans[table].nbranches != 0;
}

/* ---- when it runs -------------------------------------------------------------------------------
 */

static int64_t after(int64_t t, int64_t grid)
{
    return (t / grid + 1) * grid;
}

/* When the next run may be after the last one. */
static int64_t soonest(const struct wr_window *w)
{
    uint64_t share = w->opts.work ? w->opts.work : WR_WINDOW_WORK, more = w->work / share;
    if (w->opts.schedule.frequency)
        return 0;
    int64_t slot = after(w->last_run, w->grid) / w->grid,
            apart = (int64_t)(more < MORE_MAX ? more : MORE_MAX) + 1;
    int64_t past = (slot + w->opts.phase) % apart;
    return (past ? slot + apart - past : slot) * w->grid;
}

/* Something changed at `now`. */
static void changed(struct wr_window *w)
{
    int64_t due = after(w->now, w->grid);
    if (due < soonest(w))
        due = soonest(w);
    w->next = due < w->next ? due : w->next;
    w->dirty = true;
}

void wr_window_changed(struct wr_window *window)
{
    window->all_parts = true;
    if (window->now) /* before the first instant there is nothing to run on */
        changed(window);
}

enum wr_err wr_window_advance(struct wr_window *window, int64_t now)
{
    struct wr_window *w = window;
    if (now < w->now)
        now = w->now;
    bool scheduled = w->opts.schedule.frequency != 0;
    if (!w->now) /* once over nothing: a summarize without `by` has a row even then */
        w->next = after(scheduled ? now - 1 : now, w->grid);
    if (w->next <= now &&
        (now - w->next) / w->grid > MAX_MISSED) /* after a long silence: the last ones */
        w->next = now / w->grid * w->grid - MAX_MISSED * w->grid;
    while (w->next <= now) {
        int64_t t = w->next;
        enum wr_err err = t < w->quiet_until ? WR_OK : wr_window_run(w, t);
        if (err)
            return err;
        w->last_run = t;
        w->dirty = false;
        bool busy = w->live || w->nfires;
        w->next = scheduled ? t + w->grid : busy ? after(t, w->leave_grid) : INT64_MAX;
        w->next = w->next < soonest(w) ? soonest(w) : w->next;
    }
    w->now = now;
    return WR_OK;
}

void wr_window_bound(struct wr_window *window, size_t memory_bytes)
{
    window->opts.memory_bytes = memory_bytes;
}

int64_t wr_window_due(const struct wr_window *window)
{
    return window->now ? window->next : INT64_MIN; /* the first instant tells it when to begin */
}

/* ---- rows ---------------------------------------------------------------------------------------
 */

/* The row's place in time; false when it is in no window any more. */
static bool row_time(struct wr_window *w, const struct wr_batch *b, uint32_t row, int64_t *ret_ts)
{
    const struct wr_vec *v = &b->col[WR_TIME_COL];
    *ret_ts = w->now;
    if (w->opts.schedule.by_arrival || !v->i || !wr_vec_valid(v, row))
        return true;
    *ret_ts = v->i[row] < 0 ? 0 : v->i[row];
    if (is_before(w, *ret_ts, w->now)) {
        w->stats.late++;
        return false;
    }
    if (*ret_ts > w->now + AHEAD_MAX) {
        w->stats.future++;
        *ret_ts = w->now + AHEAD_MAX;
    }
    return true;
}

static int64_t cell(const struct wr_batch *b, uint16_t col, uint32_t row)
{
    return b->col[col].i && wr_vec_valid(&b->col[col], row) ? b->col[col].i[row] : 0;
}

/* A connection has the same _RowId in every table that it is a row of. */
static uint64_t row_key(enum wr_table table, int64_t row_id)
{
    return row_id ? (uint64_t)row_id ^ (uint64_t)table << 56 : 0;
}

/* Row `row` of `b`; it is row `at` of `view`, which has the kept columns only. */
static enum wr_err take_row(struct wr_window *w, enum wr_table table, const struct wr_batch *b,
                            uint32_t row, const struct wr_batch *view, uint32_t at, uint8_t keep)
{
    const struct wr_amends *amends = wr_table_amends(table);
    uint64_t id = amends ? row_key(table, cell(b, amends->row_id, row)) : 0;
    uint32_t before = w->live;
    int64_t ts;
    int64_t marks = amends ? cell(b, amends->amend, row) : 0;
    if (marks & WR_ROW_AMENDS)
        wr_kept_drop(w, id);
    if (w->live != before)
        changed(w);
    if (!keep || !row_time(w, b, row, &ts))
        return WR_OK;
    if (w->only_newest[table] && !(keep = wr_newest_claim(w, table, view->col, at, ts, keep)))
        return WR_OK;
    wr_buf_reset(&w->pack);
    wr_row_pack_some(view, at, &w->scans[table].wanted, &w->pack);
    if (w->pack.err)
        return WR_ENOMEM;
    uint64_t serial = w->serial;
    w->stats.rows_aggregated++;
    if (marks & WR_ROW_GIVEN_UP)
        inexact_until(w, w->span ? ts + w->span : INT64_MAX);
    enum wr_err err = wr_kept_add(w, table, ts, id, w->pack.data, w->pack.len);
    changed(w);
    if (!err && w->only_newest[table] && w->serial != serial &&
        !wr_newest_put(w, w->serial, ts, keep))
        return WR_ENOMEM;
    return err;
}

/* These rows of the batch with the kept columns, side by side. */
static bool gather(struct wr_window *w, enum wr_table table, struct wr_eval *ev,
                   const struct wr_batch *b, const struct wr_sel *rows, struct wr_batch *ret)
{
    struct wr_vec **cols = &w->few_cols[table];
    if (!*cols)
        *cols = calloc(b->schema->ncols + 1u, sizeof **cols);
    if (!*cols || !wr_gather(ev, b, &w->scans[table].wanted, rows, *cols, ret))
        return false;
    ret->wanted = w->scans[table].wanted;
    return true;
}

enum wr_err wr_window_consume_rows(struct wr_window *window, enum wr_table table,
                                   const struct wr_batch *batch, const struct wr_sel *rows,
                                   int64_t now)
{
    struct wr_window *w = window;
    enum wr_err err = wr_window_advance(w, now);
    w->stats.rows_in += batch->sel.n;
    if (err || !rows->n)
        return err;
    wr_arena_reset(w->scratch->batch);
    struct wr_eval ev = {.arena = w->scratch->batch, .now = w->now, .nrows = batch->nrows};
    struct wr_batch view = *batch;
    bool many = rows->n >= batch->nrows / 4; /* whole columns are cheaper then */
    view.sel = *rows;
    if (!many && !gather(w, table, &ev, batch, rows, &view))
        return WR_ENOMEM;
    uint8_t *keep = wr_arena_alloc(w->scratch->batch, view.nrows + 1u);
    err = keep ? survivors(w, table, &ev, &view, keep) : WR_ENOMEM;
    for (uint32_t k = 0; k < rows->n && !err; k++)
        err =
            take_row(w, table, batch, rows->row[k], &view, view.sel.row[k], keep[view.sel.row[k]]);
    return err;
}

enum wr_err wr_window_consume(struct wr_window *window, enum wr_table table,
                              const struct wr_batch *batch, int64_t now)
{
    return wr_window_consume_rows(window, table, batch, &batch->sel, now);
}

/* ---- what is said -------------------------------------------------------------------------------
 */

struct wr_alert *wr_window_alerts(struct wr_window *window)
{
    struct wr_alert *list = window->alerts;
    window->alerts = NULL;
    window->alerts_end = &window->alerts;
    return list;
}

struct wr_alert *wr_window_firing(struct wr_window *window)
{
    struct wr_alert *list = NULL, **end = &list;
    if (window->dirty &&
        wr_window_run(window, window->now + 1) == WR_OK) { /* rows that no run has seen */
        window->last_run = window->now + 1;
        window->dirty = false;
    }
    for (uint32_t i = 0; i < window->nfires; i++) {
        const struct fire *f = window->fire[i];
        uint32_t seq = f->seq + !wr_cells_equal(&f->now, &f->sent);
        struct wr_alert *a = wr_cells_alert(window->plan->root->schema, &f->now,
                                            seq ? WR_ALERT_UPDATED : WR_ALERT_RAISED, f->id, seq);
        if (!a)
            continue;
        a->raised_at = f->raised_at;
        a->window_start = window->span ? window->last_run - window->span : 0;
        a->window_end = window->span ? window->last_run : 0;
        a->exact = window->last_run >= window->inexact_until;
        *end = a;
        end = &a->next;
    }
    return list;
}

bool wr_window_keeps_newest(const struct wr_window *window, enum wr_table table)
{
    return window->only_newest[table];
}

size_t wr_window_bytes(const struct wr_window *window)
{
    return window->bytes;
}

void wr_window_stats(const struct wr_window *window, struct wr_engine_stats *sum)
{
    const struct wr_engine_stats *st = &window->stats;
    sum->rows_in += st->rows_in;
    sum->rows_aggregated += st->rows_aggregated;
    sum->late += st->late;
    sum->future += st->future;
    sum->evicted += st->evicted;
    sum->raised += st->raised;
    sum->updated += st->updated;
    sum->resolved += st->resolved;
    sum->runs += st->runs;
    sum->rows_kept += window->live;
    sum->memory_bytes += window->bytes;
}
