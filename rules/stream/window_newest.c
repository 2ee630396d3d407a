/* Rows of which only the newest can matter: over a table that is read for `summarize max(Timestamp)
 * by k` (or arg_max of it, or the keys alone), a newer row with the same keys stands for the older
 * ones at any later time, as it leaves the window after them. Such a rule keeps a row a key in
 * place of every row of its window:
 *
 *   Flows | join (Events | where Timestamp > ago(1d) | summarize LastHeard = max(Timestamp) by
 * LocalIP) on ...
 *
 * It holds for a table when it is read like that wherever the plan reads it, through filters and
 * maps that say the same at any time and know nothing that amendments change, and when nothing in
 * the plan asks for the order of rows. Keys are told apart by a hash of 64 bits under the window's
 * secret. Rows from a saved state stay until they leave. */
#include "rules/fn/kernel.h"
#include "rules/plan/bind.h"
#include "rules/stream/window_state.h"

#include <stdlib.h>

/* ---- which tables ---- */

/* Another value at another time, or when a list changes. NOLINTNEXTLINE(misc-no-recursion): as deep
 * as expressions stand */
static bool differs(const struct wr_ex *ex, void *arg)
{
    bool any = ex->kind == WR_EX_SUB ||
               (ex->kind == WR_EX_CALL && ex->fn->flags & (WR_FN_PER_RUN | WR_FN_NO_FOLD));
    for (uint32_t i = 0; i < ex->nargs && !any; i++)
        any = differs(ex->args[i], arg);
    return any;
}

static bool changes(enum wr_table table, uint16_t col)
{
    const struct wr_amends *amends = wr_table_amends(table);
    for (uint32_t i = 0; amends && i < amends->ncols; i++)
        if (amends->cols[i].col == col)
            return true;
    return false;
}

/* The table's column that `ex` over what `op` gives is, or WR_NO_COL. */
static uint16_t source(const struct wr_op *op, const struct wr_ex *ex)
{
    for (; ex->kind == WR_EX_COL && op; op = op->input)
        if (op->kind == WR_OP_SCAN)
            return ex->col;
        else if (op->kind == WR_OP_MAP)
            ex = op->cols[ex->col];
    return WR_NO_COL;
}

/* Reads what amendments change. NOLINTNEXTLINE(misc-no-recursion): as deep as expressions stand */
static bool reads_changing(const struct wr_op *op, const struct wr_ex *ex)
{
    bool any = false;
    for (; ex->kind == WR_EX_COL && op->kind != WR_OP_SCAN; op = op->input)
        ex = op->kind == WR_OP_MAP ? op->cols[ex->col] : ex;
    if (ex->kind == WR_EX_COL)
        return changes(op->table, ex->col);
    for (uint32_t i = 0; i < ex->nargs && !any; i++)
        any = reads_changing(op, ex->args[i]);
    return any;
}

/* What a filter over `op` lets through stays through, and newer rows with it. */
static bool filter_fits(const struct wr_op *op, const struct wr_ex *ex)
{
    int64_t t;
    const char *name = ex->kind == WR_EX_CALL ? ex->fn->name : "";
    if (strcmp(name, "and") == 0)
        return filter_fits(op, ex->args[0]) && filter_fits(op, ex->args[1]);
    bool above = *name == '>' && ex->nargs == 2, below = *name == '<' && ex->nargs == 2;
    if ((above || below) && source(op, ex->args[below]) == WR_TIME_COL &&
        wr_before_now(ex->args[above], &t))
        return true;
    return !differs(ex, NULL) && !reads_changing(op, ex);
}

static bool is_time(const struct wr_op *below, const struct wr_ex *ex)
{
    return source(below, ex) == WR_TIME_COL;
}

/* The summarize asks for the newest of its rows; *ret: the table's columns that are its keys. */
static bool asks_newest(const struct wr_op *sum, struct newest *ret)
{
    const struct wr_op *op = sum->input;
    *ret = (struct newest){0};
    while (op->kind == WR_OP_WHERE || op->kind == WR_OP_MAP)
        op = op->input;
    if (op->kind != WR_OP_SCAN)
        return false;
    op = sum->input;
    for (uint32_t a = 0; a < sum->naggs; a++) {
        const struct wr_agg_call *call = &sum->aggs[a];
        if ((call->agg->kind != WR_AGG_MAX && call->agg->kind != WR_AGG_ARG_MAX) ||
            !is_time(op, call->args[0]) || differs(call->args[call->nargs - 1], NULL))
            return false;
    }
    for (; op->kind == WR_OP_WHERE || op->kind == WR_OP_MAP; op = op->input) {
        if (op->pred && !filter_fits(op->input, op->pred))
            return false;
        for (uint16_t c = 0; op->kind == WR_OP_MAP && c < op->schema->ncols; c++)
            if (differs(op->cols[c], NULL))
                return false;
    }
    if (!sum->nkeys || sum->nkeys > NEWEST_COLS || changes(op->table, WR_TIME_COL))
        return false;
    for (uint32_t k = 0; k < sum->nkeys; k++) {
        enum wr_type type = sum->cols[k]->type;
        uint16_t col = source(sum->input, sum->cols[k]);
        if (col == WR_NO_COL || changes(op->table, col) || type == WR_REAL || type == WR_DECIMAL ||
            type == WR_DYNAMIC)
            return false;
        ret->col[ret->ncols++] = col;
    }
    ret->scan = op;
    return true;
}

/* Results that do not show in which order rows came. */
static bool orderless(const struct wr_op *op)
{
    for (uint32_t a = 0; a < op->naggs; a++) {
        enum wr_agg_kind kind = op->aggs[a].agg->kind;
        bool sums = kind == WR_AGG_SUM || kind == WR_AGG_SUMIF;
        if ((kind > WR_AGG_MAX && kind != WR_AGG_DCOUNT && kind != WR_AGG_DCOUNTIF) ||
            (sums && op->aggs[a].args[0]->type == WR_REAL))
            return false;
    }
    return true;
}

/* Finds them; false: the order of rows shows somewhere. NOLINTNEXTLINE(misc-no-recursion): as deep
 * as operators stand */
static bool find(struct wr_window *w, const struct wr_op *op, uint32_t *nscans)
{
    struct newest one;
    bool ok = true;
    switch (op->kind) {
    case WR_OP_SCAN:
        nscans[op->table]++;
        break;
    case WR_OP_SUMMARIZE:
        if (w->nnewest < NEWEST_MAX && asks_newest(op, &one))
            w->newest[w->nnewest++] = one;
        else
            ok = orderless(op);
        break;
    case WR_OP_JOIN:
        ok = op->join != WR_JOIN_INNERUNIQUE && !op->first_only;
        break;
    case WR_OP_WHERE:
    case WR_OP_MAP:
    case WR_OP_PARSE:
    case WR_OP_UNION:
    case WR_OP_EXTERNAL:
    case WR_OP_ROWS:
    case WR_OP_RANGE:
        break;
    default:
        return false;
    }
    for (uint32_t i = 0; ok && i < op->ninputs; i++)
        ok = find(w, op->inputs[i], nscans);
    return ok && (!op->input || find(w, op->input, nscans));
}

void wr_newest_init(struct wr_window *w)
{
    uint32_t nscans[WR_NTABLES] = {0}, have[WR_NTABLES] = {0};
    bool ok = w->nleaves && !w->opts.schedule.frequency && !w->opts.schedule.by_arrival &&
              find(w, w->plan->root, nscans);
    for (uint32_t i = 0; ok && i < w->plan->nsubs; i++)
        ok = !wr_reads_a_table(w->plan->subs[i].root);
    for (uint32_t i = 0; ok && i < w->nnewest; i++)
        for (uint32_t l = 0; l < w->nleaves; l++)
            if (w->leaf[l].scan == w->newest[i].scan && w->leaf[l].n < LEAF_STEPS) {
                w->leaf[l].newest = &w->newest[i];
                have[w->leaf[l].table]++;
            }
    for (int t = 0; ok && t < WR_NTABLES; t++)
        w->only_newest[t] = have[t] && have[t] == nscans[t];
}

/* ---- rows ---- */

/* The newest row of one key. */
struct newest_at {
    uint64_t hash; /* 0: free */
    uint64_t serial;
    int64_t ts;
};

void wr_newest_fini(struct wr_window *w)
{
    free(w->newest_at);
}

static uint32_t place(const struct newest_at *list, uint32_t cap, uint64_t hash)
{
    uint32_t at = (uint32_t)(hash >> 8) & (cap - 1);
    while (list[at].hash && list[at].hash != hash)
        at = (at + 1) & (cap - 1);
    return at;
}

/* Room for one more, without those whose row left. */
static bool grow(struct wr_window *w)
{
    if (w->newest_at && 2 * (w->nnewest_at + 1) <= w->cnewest_at)
        return true;
    uint32_t live = 0, cap = 64;
    for (uint32_t i = 0; i < w->cnewest_at; i++)
        live += w->newest_at[i].hash && wr_kept_find(w, w->newest_at[i].serial);
    while (cap < 4 * (live + 1))
        cap *= 2;
    struct newest_at *list = calloc(cap, sizeof *list);
    if (!list)
        return false;
    w->nnewest_at = 0;
    for (uint32_t i = 0; i < w->cnewest_at; i++) {
        const struct newest_at *e = &w->newest_at[i];
        if (!e->hash || !wr_kept_find(w, e->serial))
            continue;
        list[place(list, cap, e->hash)] = *e;
        w->nnewest_at++;
    }
    free(w->newest_at);
    w->newest_at = list;
    w->cnewest_at = cap;
    return true;
}

uint8_t wr_newest_claim(struct wr_window *w, enum wr_table table, const struct wr_vec *cols,
                        uint32_t row, int64_t ts, uint8_t leaves)
{
    const struct wr_vec *time = &cols[WR_TIME_COL];
    w->claimed = (struct claim){0};
    if (!time->i || !wr_vec_valid(time, row) ||
        time->i[row] != ts) /* its place in time is not its own */
        return leaves;
    w->claimed.any = true;
    for (uint32_t l = 0, bit = 0; l < w->nleaves; l++) {
        if (w->leaf[l].table != table)
            continue;
        uint8_t mask = (uint8_t)(1 << bit);
        w->claimed.hash[bit++] = 0;
        if (!(leaves & mask))
            continue;
        const struct newest *keys = w->leaf[l].newest;
        uint64_t h = wr_window_hash(w, l + 1, cols, keys->col, keys->ncols, row) | 1;
        const struct newest_at *e =
            w->cnewest_at ? &w->newest_at[place(w->newest_at, w->cnewest_at, h)] : NULL;
        if (e && e->hash && e->ts >= ts && wr_kept_find(w, e->serial)) /* of equal ones the first */
            leaves &= (uint8_t)~mask;
        else
            w->claimed.hash[bit - 1] = h;
    }
    return leaves;
}

bool wr_newest_put(struct wr_window *w, uint64_t serial, int64_t ts, uint8_t leaves)
{
    struct kept *new = wr_kept_find(w, serial);
    if (!new || !w->claimed.any)
        return true;
    new->leaves = leaves;
    for (uint32_t bit = 0; bit < NEWEST_MAX; bit++) {
        if (!w->claimed.hash[bit])
            continue;
        if (!grow(w))
            return false;
        struct newest_at *e =
            &w->newest_at[place(w->newest_at, w->cnewest_at, w->claimed.hash[bit])];
        struct kept *old = e->hash ? wr_kept_find(w, e->serial) : NULL;
        w->nnewest_at += !e->hash;
        *e = (struct newest_at){w->claimed.hash[bit], serial, ts};
        if (old && old->leaves && !(old->leaves &= (uint8_t) ~(1 << bit)))
            wr_kept_drop_row(w, old);
    }
    return true;
}
