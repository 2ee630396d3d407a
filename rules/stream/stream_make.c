/* The making of a stream: what its plan asks of it, and room for its state. */
#include "rules/exec/agg_list.h"
#include "rules/exec/apply.h"
#include "rules/exec/best.h"
#include "rules/stream/state.h"

#include <math.h>
#include <stdlib.h>

/* Operators on the way down to a table, the last that a row goes through first. */
struct path {
    const struct wr_op *op[WR_STREAM_OPS_MAX];
    uint32_t n;
};

/* False: no memory, or it is not a plan that streams. NOLINTNEXTLINE(misc-no-recursion): as deep as unions stand */
static bool add_legs(struct wr_stream *s, const struct wr_op *top, struct path *path)
{
    const struct wr_op *op = top;
    uint32_t outer = path->n;
    for (; op && op->kind != WR_OP_SCAN && op->kind != WR_OP_UNION; op = op->input) {
        if (path->n == WR_STREAM_OPS_MAX || op->kind == WR_OP_SUMMARIZE)
            return false;
        if (op->kind != WR_OP_SORT && op->kind != WR_OP_TAKE) /* of one row: nothing to do */
            path->op[path->n++] = op;
    }
    bool ok = op != NULL;
    for (uint32_t i = 0; ok && op->kind == WR_OP_UNION && i < op->ninputs; i++)
        ok = add_legs(s, op->inputs[i], path);
    if (ok && op->kind == WR_OP_SCAN) {
        struct leg *list = s->nlegs < WR_STREAM_LEGS_MAX ? realloc(s->legs, (s->nlegs + 1) * sizeof *list) : NULL;
        if (!list)
            return false;
        s->legs = list;
        struct leg *leg = &list[s->nlegs++];
        *leg = (struct leg){.top = top, .table = op->table, .amends = wr_table_amends(op->table), .nprefix = path->n};
        for (uint32_t i = 0; i < path->n; i++)
            leg->prefix[i] = path->op[path->n - 1 - i];
    }
    path->n = outer;
    return ok;
}

/* Operators from the scans on, split at the summarize. False when there are too many. */
static bool line_up(struct wr_stream *s)
{
    struct path above = {.n = 0}, below = {.n = 0};
    const struct wr_op *op = s->plan->stream;
    for (; op && op->kind != WR_OP_SUMMARIZE && op->kind != WR_OP_SCAN && op->kind != WR_OP_UNION; op = op->input) {
        if (above.n == WR_STREAM_OPS_MAX)
            return false;
        if (op->kind != WR_OP_SORT && op->kind != WR_OP_TAKE)
            above.op[above.n++] = op;
    }
    s->summarize = op && op->kind == WR_OP_SUMMARIZE ? op : NULL;
    for (uint32_t i = 0; s->summarize && i < above.n; i++)
        s->suffix[i] = above.op[above.n - 1 - i];
    s->nsuffix = s->summarize ? above.n : 0;
    s->out_schema = op ? s->plan->stream->schema : NULL;
    return op && add_legs(s, s->summarize ? op->input : s->plan->stream, &below);
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

/* The window's time, over all maps of the leg. */
static bool is_time(const struct wr_stream *s, const struct leg *leg, const struct wr_ex *ex)
{
    uint16_t col = source_col(leg->prefix, leg->nprefix, ex);
    const struct wr_schema *scan = wr_schema_of(leg->table);
    return col != WR_NO_COL && scan->cols[col].store == scan->cols[s->plan->time_col].store;
}

/* An aggregate that keeps candidates: its own, or those of the one before it. */
static void place_best(struct wr_agg_layout *layout, uint32_t a, uint8_t *sets)
{
    struct wr_agg_place *p = &layout->agg[a], *before = a ? p - 1 : NULL;
    p->best = true;
    if (before && before->best && wr_best_shares(before, p)) {
        p->follows = before->follows ? before->follows : (uint8_t)a;
        p->dset = before->dset;
    } else {
        p->dset = (*sets)++;
    }
}

/* dcount of a group's own key, min and max of the window's time: no state of their own. Values of other dcounts come as
 * hashes. */
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
            p->of_time = true;
            for (uint32_t l = 0; l < s->nlegs; l++)
                p->of_time &= is_time(s, &s->legs[l], arg);
        }
        if (wr_best_is(p)) {
            place_best(&s->layout, a, &sets);
            s->sets_by_row++;
        } else if (p->dset != WR_NO_DSET) {
            p->dset = sets++;
            p->hashed = p->kind == WR_AGG_DCOUNT || p->kind == WR_AGG_DCOUNTIF;
            p->keeps = p->hashed ? wr_dset_limit(wr_agg_accuracy(&op->aggs[a])) : 0;
            s->sets_by_row += !p->hashed;
        }
    }
    for (uint32_t a = 0; a < op->naggs; a++)
        if (s->layout.agg[a].best)
            s->layout.agg[a].in = WR_STRING; /* of its set */
    s->layout.ndsets = sets;
    wr_agg_layout_place(&s->layout);
}

/* Never falls when its first argument grows; `*plain`: it is the same number, too. */
static bool keeps_order(const struct wr_ex *ex, bool *plain)
{
    static const char *const same[] = {"toreal", "todouble", "tolong"};
    const char *name = ex->kind == WR_EX_CALL ? ex->fn->name : "";
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (strcmp(name, same[i]) == 0 && ex->nargs == 1)
            return true;
    *plain = false;
    if (strcmp(name, "/") != 0 && (strcmp(name, "*") != 0 || ex->type != WR_REAL)) /* whole numbers may wrap */
        return false;
    const struct wr_ex *by = ex->args[1];
    return by->kind == WR_EX_CONST && !by->value.null && !wr_type_is_str(by->type) &&
           (by->type == WR_REAL ? by->value.r > 0 : by->value.i > 0);
}

/* The column of the summarize with which `ex`, after the first n operators of the suffix, grows, or WR_NO_COL. */
static uint16_t grows_with(const struct wr_stream *s, uint32_t n, const struct wr_ex *ex, bool *ret_plain)
{
    *ret_plain = true;
    for (;; ex = ex->args[0]) {
        for (; ex->kind == WR_EX_COL && n; n--)
            if (s->suffix[n - 1]->kind == WR_OP_MAP)
                ex = s->suffix[n - 1]->cols[ex->col];
            else if (s->suffix[n - 1]->kind == WR_OP_PARSE && ex->col >= s->suffix[n - 1]->input->schema->ncols)
                return WR_NO_COL;
        if (ex->kind == WR_EX_COL)
            return ex->col;
        if (!keeps_order(ex, ret_plain))
            return WR_NO_COL;
    }
}

/* The least whole number above the constant (`or_it`: or equal to it); 0: none that is worth knowing. */
static int64_t least_above(const struct wr_value *v, bool or_it)
{
    const double exact = 9007199254740992.0; /* 2^53 */
    if (v->type != WR_REAL)
        return v->i < INT64_MAX ? v->i + !or_it : 0;
    double least = or_it ? ceil(v->r) : floor(v->r) + 1;
    return least > 0 && least < exact ? (int64_t)least : 0;
}

/* `ex` > or >= a constant: true when rows that come can only make it true. */
static bool rises_above(struct wr_stream *s, const struct wr_ex *ex, uint32_t nops, bool all)
{
    const struct wr_op *sum = s->summarize;
    bool plain;
    uint16_t col = grows_with(s, nops, ex->args[0], &plain);
    uint32_t a = col == WR_NO_COL || col < sum->nkeys ? WR_AGGS_MAX : (uint32_t)col - sum->nkeys;
    if (a >= sum->naggs)
        return false;
    const struct wr_agg_place *p = &s->layout.agg[a];
    int64_t min = plain && all ? least_above(&ex->args[1]->value, ex->fn->name[1] == '=') : 0;
    switch (p->kind) {
    case WR_AGG_COUNT:
    case WR_AGG_COUNTIF:
    case WR_AGG_DCOUNT:
    case WR_AGG_DCOUNTIF:
        if (min > 0 && s->nquick < sizeof s->quick / sizeof *s->quick)
            s->quick[s->nquick++] = (struct quick){(uint8_t)a, min};
        return true;
    case WR_AGG_SUM:
    case WR_AGG_SUMIF:
        if (p->in == WR_REAL || p->in == WR_DECIMAL)
            return false;
        s->sums |= UINT64_C(1) << a;
        if (min > s->sum.min)
            s->sum = (struct quick){(uint8_t)a, min};
        return true;
    default:
        return p->kind == WR_AGG_MAX;
    }
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
    if (and || strcmp(name, "or") == 0) { /* both are looked at: each may ask for counts */
        bool left = rises(s, ex->args[0], nops, all && and), right = rises(s, ex->args[1], nops, all && and);
        return left && right;
    }
    bool greater = strcmp(name, ">") == 0 || strcmp(name, ">=") == 0;
    if (greater && ex->args[1]->kind == WR_EX_CONST && !ex->args[1]->value.null && rises_above(s, ex, nops, all))
        return true;
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
    s->raw_max = keep > RAW_MIN ? keep < 127 ? keep : 127 : RAW_MIN;
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
    bool joins = false, changes = false;
    for (uint32_t l = 0; l < s->nlegs; l++) {
        changes |= s->legs[l].amends != NULL;
        for (uint32_t i = 0; i < s->legs[l].nprefix; i++)
            joins |= s->legs[l].prefix[i]->kind == WR_OP_JOIN;
    }
    if ((joins || s->plan->nsubs) && !(s->lists = wr_lists_new(s->plan, &s->opts.secret, s->opts.memory_bytes)))
        return false;
    s->window = s->plan->window <= 0 ? 0 : s->plan->window < WR_TICKS_MAX ? s->plan->window : WR_TICKS_MAX;
    if (!s->summarize)
        return true;
    if (!wr_agg_layout_init(&s->layout, s->summarize))
        return false;
    shorten(s);
    analyse(s);
    s->raw_slots = 1u + changes;
    s->raw_words = s->raw_slots + s->layout.nrow;
    s->pane_words = PANE_SLOTS + s->layout.nslots;
    s->sum_slots = calloc(s->layout.nslots + 1, sizeof *s->sum_slots);
    /* Values of distinct sets are told apart row by row as long as the rows are there: few rows, then. */
    s->raw_most = s->layout.nrow > s->layout.nslots || s->raw_max > RAW_MOST ? s->raw_max : RAW_MOST;
    s->width = malloc((size_t)FORMS * s->raw_words);
    if (!s->width)
        return false;
    wr_few_forms(s);
    size_t row = s->raw_words * sizeof *s->block, most = s->few_most > FEW ? s->few_most : FEW;
    s->narrow_each = (uint32_t)(row + 8 + 15) & ~15u;
    s->block = wr_scratch_take(s->scratch, WR_SCRATCH_BLOCK, WR_KEY_BLOCK * row);
    s->few = wr_scratch_take(s->scratch, WR_SCRATCH_FEW, most * row);
    s->coded = wr_scratch_take(s->scratch, WR_SCRATCH_CODED, most * wr_few_size_most(s) + 8);
    s->narrow = wr_scratch_take(s->scratch, WR_SCRATCH_NARROW, (size_t)WR_KEY_BLOCK * s->narrow_each);
    return s->sum_slots && s->block && s->few && s->coded && s->narrow && make_key_row(s);
}

static void add_plain(struct leg *leg, uint32_t *n, const struct wr_ex *ex)
{
    leg->plain = leg->plain && *n < PLAIN_COLS && (!ex || ex->kind == WR_EX_COL);
    if (leg->plain)
        leg->col[(*n)++] = ex ? ex->col : (uint16_t)WR_NO_COL;
}

/* What can be told of the leg's rows without its operators. */
static bool make_sieve(const struct wr_stream *s, struct leg *leg)
{
    const struct wr_op *op = s->summarize;
    uint32_t n = 0;
    if (!wr_sieve_new(leg->prefix, leg->nprefix, &leg->sieve, &leg->nsieved))
        return false;
    leg->plain = op && leg->nsieved == leg->nprefix;
    for (uint32_t k = 0; leg->plain && k < op->nkeys; k++)
        add_plain(leg, &n, op->cols[k]);
    for (uint32_t a = 0; leg->plain && a < op->naggs; a++)
        for (uint32_t i = 0; i < 2; i++)
            add_plain(leg, &n, i < op->aggs[a].nargs ? op->aggs[a].args[i] : NULL);
    return true;
}

static bool make_appliers(const struct wr_stream *s, struct leg *leg)
{
    bool ok = true;
    for (uint32_t i = 0; ok && i < leg->nprefix; i++)
        if (leg->prefix[i]->kind == WR_OP_APPLY) {
            leg->applier[i] = wr_applier_new(leg->prefix[i], NULL, s->opts.memory_bytes, 0);
            ok = leg->applier[i] != NULL;
        }
    return ok;
}

struct wr_stream *wr_stream_new(const struct wr_plan *plan, const struct wr_stream_opts *opts)
{
    struct wr_stream *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->plan = plan;
    s->opts = *opts;
    s->alerts_end = &s->alerts;
    s->inexact_until = s->row_inexact_until = INT64_MIN;
    s->calm = s->round_oldest = INT64_MAX; /* there is no group yet */
    s->own = opts->scratch ? NULL : wr_scratch_new();
    s->scratch = opts->scratch ? opts->scratch : s->own;
    bool ok = s->scratch && line_up(s);
    if (ok) {
        s->batch_arena = s->scratch->batch;
        s->row_arena = s->scratch->row;
        s->keys = &s->scratch->keys;
    }
    for (uint32_t l = 0; ok && l < s->nlegs; l++) {
        s->legs[l].few_cols = calloc(wr_schema_of(s->legs[l].table)->ncols + 1u, sizeof *s->legs[l].few_cols);
        ok = s->legs[l].few_cols != NULL && make_appliers(s, &s->legs[l]) && make_sieve(s, &s->legs[l]);
    }
    if (!ok || !set_up(s)) {
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
    wr_lists_free(stream->lists);
    wr_alerts_free(stream->alerts);
    for (uint32_t l = 0; l < stream->nlegs; l++) {
        free(stream->legs[l].few_cols);
        wr_sieve_free(stream->legs[l].sieve);
        for (uint32_t i = 0; i < stream->legs[l].nprefix; i++)
            wr_applier_free(stream->legs[l].applier[i]);
    }
    free(stream->legs);
    free(stream->sum_slots);
    free(stream->width);
    wr_scratch_free(stream->own);
    free(stream->key_row);
    free(stream->key_cells);
    free(stream->key_valid);
    free(stream);
}

/* ---- what it reads ---------------------------------------------------------------------------------------- */

bool wr_stream_reads(const struct wr_stream *stream, enum wr_table table)
{
    for (uint32_t i = 0; i < stream->nlegs; i++)
        if (stream->legs[i].table == table)
            return true;
    return false;
}

uint32_t wr_stream_legs(const struct wr_stream *stream)
{
    return stream->nlegs;
}

const struct wr_op *wr_stream_leg(const struct wr_stream *stream, uint32_t leg, enum wr_table table)
{
    return stream->legs[leg].table == table ? stream->legs[leg].top : NULL;
}

const struct wr_op *const *wr_stream_prefix(const struct wr_stream *stream, uint32_t leg, uint32_t *ret_n)
{
    *ret_n = stream->legs[leg].nprefix;
    return stream->legs[leg].prefix;
}

size_t wr_stream_group_most(const struct wr_stream *stream, uint32_t key_bytes)
{
    const struct wr_stream *s = stream;
    if (!s->summarize)
        return 0;
    size_t n = wr_many_size(s, key_bytes, s->raw_most) + sizeof(struct ext);
    int64_t panes = s->window ? (s->window + FUTURE_MAX) / s->pane + 2 : 1;
    n += (size_t)(panes + panes / 2 + 1) * s->pane_words * 8;
    n += s->layout.ndsets * sizeof(struct wr_dset) + 24;
    for (uint32_t a = 0; a < s->layout.naggs; a++) {
        const struct wr_agg_place *p = &s->layout.agg[a];
        bool own = p->dset != WR_NO_DSET && !p->follows, distinct = !p->best && !wr_agg_keeps_all(p->kind);
        if (own && p->hashed)
            n += wr_dset_most(p->keeps, false, true, false);
        else if (own)
            n += wr_dset_most(DISTINCT_MAX, true, distinct, wr_type_is_str(p->in));
    }
    return n;
}

size_t wr_stream_group_least(const struct wr_stream *stream, uint32_t key_bytes)
{
    size_t n = stream->summarize ? sizeof(struct group) + key_bytes + wr_few_size_most(stream) + 7 : 0;
    return n && stream->sets_by_row ? n + sizeof(struct ext) + stream->layout.ndsets * sizeof(struct wr_dset) : n;
}
