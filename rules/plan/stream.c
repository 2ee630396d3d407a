/* How a plan can run on a stream: its window, and what stands in the way.
 *
 *   SCAN, (WHERE|MAP)*                              stateless: each row that passes is a result; queries
 *                                                   inside of its expressions may read lists
 *   SCAN, (WHERE|MAP)*, SUMMARIZE, (WHERE|MAP|SORT|TAKE)*   incremental: panes of partial
 * aggregates
 *   UNION of such SCANs (legs), ...                 the same: a row goes through its table's legs, and what
 *                                                   stands above the union is shared
 *
 * `Timestamp > ago(x)` over the table is the window. Everything else that names now() would change
 * while nothing arrives, so it stands in the way of panes. SentBytes and ReceivedBytes grow while a
 * connection lives: an amendment can be added to a sum, but cannot take back what a comparison let
 * through. */
#include "rules/plan/apply.h"
#include "rules/plan/bind.h"

#include <stdio.h>
#include <string.h>

enum { MAX_CHAIN = 512, MAX_CONJUNCTS = 256 };

/* Operators from a table or a union on. */
struct chain {
    const struct wr_op *at[MAX_CHAIN]; /* the table first */
    uint32_t n, sum;                   /* at[sum] is the summarize; n when there is none */
};

struct stream {
    struct wr_binder *b;
    bool sums;          /* there is a summarize, above all legs */
    bool keep_windows;  /* legs look back differently: each tests its own */
    bool differ;        /* they do */
    uint32_t legs, leg; /* so far; the one at hand, 0: what stands above */
    uint32_t ops;       /* above the table at hand, in its leg and beyond */
    uint32_t noted;     /* where the last note about a window points to, + 1 */
    /* Of the operator at hand. */
    uint16_t time[WR_MAX_COLS]; /* 1 where the column is the table's time */
    struct wr_colset mutable_cols;
    int64_t window;
    const char *window_from;
    bool uses_now;
};

static bool in_the_way(struct stream *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static bool in_the_way(struct stream *s, const char *fmt, ...)
{
    struct wr_plan *plan = s->b->plan;
    struct wr_buf text = {0};
    if (!plan->why) {
        va_list ap;
        if (s->leg)
            wr_buf_fmt(&text, "leg %u of its union: ", s->leg);
        va_start(ap, fmt);
        wr_buf_vfmt(&text, fmt, ap);
        va_end(ap);
        plan->why = wr_arena_strndup(plan->arena, text.data ? text.data : "", text.len);
        wr_buf_fini(&text);
    }
    return false;
}

static bool names_now(const struct wr_ex *ex)
{
    if (ex->kind == WR_EX_CALL && ex->fn->flags & WR_FN_PER_RUN)
        return true;
    for (uint32_t i = 0; i < ex->nargs; i++)
        if (names_now(ex->args[i]))
            return true;
    return false;
}

static bool asks_clock(const struct wr_ex *ex, void *arg)
{
    (void)arg;
    return names_now(ex);
}

static bool names_mutable(const struct stream *s, const struct wr_ex *ex)
{
    if (ex->kind == WR_EX_COL)
        return wr_colset_has(&s->mutable_cols, ex->col);
    for (uint32_t i = 0; i < ex->nargs; i++)
        if (names_mutable(s, ex->args[i]))
            return true;
    return false;
}

/* ---- the window ---- */

static bool is_call(const struct wr_ex *ex, const char *name, uint32_t nargs)
{
    return ex->kind == WR_EX_CALL && ex->nargs == nargs && strcmp(ex->fn->name, name) == 0;
}

static bool span_const(const struct wr_ex *ex, int64_t *ret)
{
    *ret = ex->value.i;
    return ex->kind == WR_EX_CONST && ex->type == WR_TIMESPAN && !ex->value.null;
}

bool wr_before_now(const struct wr_ex *ex, int64_t *ret)
{
    int64_t t, rest;
    *ret = 0;
    if (is_call(ex, "now", 0))
        return true;
    if (is_call(ex, "ago", 1))
        return span_const(ex->args[0], ret);
    bool minus = is_call(ex, "-", 2), plus = is_call(ex, "+", 2);
    if ((!minus && !plus) || !span_const(ex->args[1], &t) || !wr_before_now(ex->args[0], &rest))
        return false;
    return minus ? !__builtin_add_overflow(rest, t, ret) : !__builtin_sub_overflow(rest, t, ret);
}

static bool is_time(const struct stream *s, const struct wr_ex *ex)
{
    return ex->kind == WR_EX_COL && s->time[ex->col];
}

static void set_window(struct stream *s, const struct wr_ex *bound, int64_t ticks, bool closed)
{
    if (ticks <= 0 || (s->window && s->window <= ticks))
        return;
    uint32_t line, col;
    char text[128];
    const struct wr_source *src = s->b->source;
    wr_source_locate(src, bound->span.at, &line, &col);
    int n = bound->span.len < 60 ? (int)bound->span.len : 60;
    snprintf(text, sizeof text, "%.*s at line %u", n, src->text + bound->span.at, line);
    s->window = ticks;
    s->window_from = wr_arena_strndup(s->b->plan->arena, text, strlen(text));
    bool said = s->noted == bound->span.at + 1;
    s->noted = closed ? bound->span.at + 1 : s->noted;
    if (closed && !said)
        wr_diag_add(s->b->diags, WR_NOTE, src, bound->span,
                    "on a stream the window begins just after this instant: '>=' runs as '>'");
}

/* True when `ex` is part of the window and need not be tested row by row. */
static bool take_window(struct stream *s, const struct wr_ex *ex)
{
    int64_t t;
    if (ex->kind == WR_EX_CALL && ex->nargs == 3 && strcmp(ex->fn->name, "between") == 0 &&
        is_time(s, ex->args[0])) {
        int64_t upper;
        if (wr_before_now(ex->args[1], &t) && wr_before_now(ex->args[2], &upper) && upper <= 0) {
            set_window(s, ex->args[1], t, true);
            return true;
        }
        return false;
    }
    if (ex->kind != WR_EX_CALL || ex->nargs != 2 || (*ex->fn->name != '<' && *ex->fn->name != '>'))
        return false;
    bool flipped = is_time(s, ex->args[1]), closed = ex->fn->name[1] == '=';
    const struct wr_ex *col = ex->args[flipped], *bound = ex->args[!flipped];
    bool lower = (*ex->fn->name == '>') != flipped;
    if (!is_time(s, col) || !wr_before_now(bound, &t))
        return false;
    if (lower && t > 0)
        set_window(s, bound, t, closed);
    return lower ? t > 0 : t <= 0;
}

static uint32_t conjuncts(struct wr_ex *ex, struct wr_ex **out, uint32_t n)
{
    if (is_call(ex, "and", 2)) {
        n = conjuncts(ex->args[0], out, n);
        return conjuncts(ex->args[1], out, n);
    }
    if (n < MAX_CONJUNCTS)
        out[n] = ex;
    return n + 1;
}

/* The predicate without its window; *ret NULL when nothing is left. */
static bool strip_window(struct stream *s, struct wr_ex *pred, struct wr_ex **ret)
{
    struct wr_ex *all[MAX_CONJUNCTS];
    uint32_t n = conjuncts(pred, all, 0), left = 0;
    if (n > MAX_CONJUNCTS) {
        *ret = pred;
        return true;
    }
    for (uint32_t i = 0; i < n; i++)
        if (!take_window(s, all[i]))
            all[left++] = all[i];
    *ret = left == n ? pred : NULL;
    for (uint32_t i = 0; left < n && i < left; i++) {
        struct wr_ex *const both[] = {*ret, all[i]};
        *ret = *ret ? wr_ex_call(s->b, "and", both, 2, pred->span) : all[i];
        if (!*ret)
            return false;
    }
    return true;
}

/* ---- the chain ---- */

/* What a row comes through: a join's left side where the right one reads lists only. */
static const struct wr_op *before(const struct wr_op *op)
{
    return op->kind != WR_OP_JOIN ? op->input : wr_reads_a_table(op->inputs[1]) ? NULL : op->inputs[0];
}

/* False: it stands on something else than a table or a union. */
static bool collect(struct stream *s, const struct wr_op *root, struct chain *c)
{
    for (const struct wr_op *op = root; op; op = op->kind == WR_OP_UNION ? NULL : before(op)) {
        const struct wr_op *other = wr_join_turned(s->b, op);
        op = other ? other : op;
        if (c->n == MAX_CHAIN)
            return in_the_way(s, "it has too many operators");
        c->at[c->n++] = op;
    }
    for (uint32_t i = 0; i < c->n / 2; i++) {
        const struct wr_op *op = c->at[i];
        c->at[i] = c->at[c->n - 1 - i];
        c->at[c->n - 1 - i] = op;
    }
    if (c->at[0]->kind == WR_OP_JOIN)
        return in_the_way(s, "a join has no panes");
    if (c->at[0]->kind != WR_OP_SCAN && c->at[0]->kind != WR_OP_UNION)
        return in_the_way(s, "it reads no table");
    c->sum = c->n;
    for (uint32_t i = c->n; i-- > 1;)
        if (c->at[i]->kind == WR_OP_SUMMARIZE)
            c->sum = i;
    if (c->sum < c->n && s->leg)
        return in_the_way(s, "a summarize stands in it");
    s->sums |= c->sum < c->n;
    return true;
}

/* Rows of the left side against a list: each by itself. */
static bool join_fits(struct stream *s, const struct wr_op *op)
{
    if (s->sums)
        return in_the_way(s, "rows that were counted would have to be judged again when a list changes");
    if (op->join == WR_JOIN_INNERUNIQUE)
        return in_the_way(s, "a join of kind innerunique keeps the first row of each key");
    if (op->join == WR_JOIN_RIGHTOUTER || op->join == WR_JOIN_FULLOUTER)
        return in_the_way(s, "a join asks for the list's rows that no event met");
    return true;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as expressions stand */
static bool differs(const struct wr_ex *ex, void *arg)
{
    bool any = ex->kind == WR_EX_SUB || (ex->kind == WR_EX_CALL && ex->fn->flags & (WR_FN_PER_RUN | WR_FN_NO_FOLD));
    for (uint32_t i = 0; i < ex->nargs && !any; i++)
        any = differs(ex->args[i], arg);
    return any;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as operators stand, which wr_op_new bounds */
static bool reads_lists(const struct wr_op *op)
{
    bool any = op->kind == WR_OP_EXTERNAL || op->kind == WR_OP_APPLY || (op->input && reads_lists(op->input));
    for (uint32_t i = 0; i < op->ninputs && !any; i++)
        any = reads_lists(op->inputs[i]);
    return any;
}

/* mv-apply over rows that never change, whose piece knows nothing but its row: each row by itself. */
static bool apply_fits(struct stream *s, const struct chain *c, const struct wr_op *op)
{
    const struct wr_apply *spec = op->data;
    const struct wr_op *piece = op->inputs[0];
    if (s->sums || !spec->expand || wr_table_amends(c->at[0]->table))
        return in_the_way(s, "a piece of it runs for each row or part");
    if (wr_reads_a_table(piece) || reads_lists(piece) || wr_tree_any_ex(piece, differs, NULL))
        return in_the_way(s, "the piece of its mv-apply reads more than a row, or the time");
    return true;
}

static bool shape_fits(struct stream *s, const struct chain *c)
{
    for (uint32_t i = 1; i < c->n; i++) {
        enum wr_op_kind kind = c->at[i]->kind;
        if (kind == WR_OP_EXPAND && s->sums)
            return in_the_way(s, "mv-expand has no panes");
        if (kind == WR_OP_JOIN && !join_fits(s, c->at[i]))
            return false;
        if (kind == WR_OP_APPLY && !apply_fits(s, c, c->at[i]))
            return false;
        if (kind == WR_OP_SERIAL)
            return in_the_way(s, "functions over rows around a row need all rows at once");
        if (kind == WR_OP_WHOLE)
            return in_the_way(s, "%s needs all rows at once", c->at[i]->whole->name);
        if (kind == WR_OP_SUMMARIZE && i != c->sum)
            return in_the_way(s,
                              "a summarize over the result of another has no panes");
        if (kind == WR_OP_SORT && i < c->sum && s->sums)
            return in_the_way(s, "a sort stands before the summarize");
        if (kind == WR_OP_TAKE)
            return in_the_way(s, "take and top choose among all rows of a result");
    }
    return true;
}

static void through_map(struct stream *s, const struct wr_op *op)
{
    uint16_t time[WR_MAX_COLS] = {0};
    struct wr_colset grows = {0};
    for (uint16_t i = 0; i < op->schema->ncols; i++) {
        time[i] = is_time(s, op->cols[i]);
        if (names_mutable(s, op->cols[i]))
            wr_colset_add(&grows, i);
        if (op->cols[i]->kind != WR_EX_COL && names_mutable(s, op->cols[i]) && s->sums)
            in_the_way(s,
                       "column '%s' is made from bytes that still grow; only sum() of them can "
                       "follow a stream",
                       op->schema->cols[i].name);
        s->uses_now |= names_now(op->cols[i]);
    }
    memcpy(s->time, time, sizeof time);
    s->mutable_cols = grows;
}

static void through_parse(struct stream *s, const struct wr_op *op)
{
    bool grows = names_mutable(s, op->cols[0]);
    s->uses_now |= names_now(op->cols[0]);
    if (grows)
        in_the_way(s, "parse reads bytes that still grow");
    for (uint16_t i = op->input->schema->ncols; i < op->schema->ncols; i++)
        s->time[i] = 0;
}

/* Columns of the left side stay where they are; those behind them are the list's, or the item's number. */
static void through_wider(struct stream *s, const struct wr_op *op, uint16_t kept)
{
    for (uint32_t i = 0; i < op->nkeys; i++)
        if (names_mutable(s, op->cols[i]))
            in_the_way(s, "a join or mv-expand reads bytes that still grow");
    for (uint16_t i = 0; i < WR_MAX_COLS; i++)
        if (i >= kept || (op->kind == WR_OP_EXPAND && wr_colset_has(&op->expanded, i))) {
            s->time[i] = 0;
            s->mutable_cols.bits[i / 64] &= ~(UINT64_C(1) << i % 64);
        }
}

static bool aggregates_fit(struct stream *s, const struct wr_op *op)
{
    for (uint32_t i = 0; i < op->nkeys; i++) {
        if (names_mutable(s, op->cols[i]))
            return in_the_way(
                s, "'by' has bytes that still grow; only sum() of them can follow a stream");
        s->uses_now |= names_now(op->cols[i]);
    }
    for (uint32_t i = 0; i < op->naggs; i++) {
        const struct wr_agg_call *agg = &op->aggs[i];
        bool direct = agg->agg->kind == WR_AGG_SUM && agg->args[0]->kind == WR_EX_COL;
        if (!agg->agg->incremental)
            return in_the_way(s, "%s() of a %s cannot be kept over a moving window yet",
                              agg->agg->name,
                              agg->nargs ? wr_type_name(agg->args[0]->type) : "row");
        for (uint32_t a = 0; a < agg->nargs; a++) {
            s->uses_now |= names_now(agg->args[a]);
            if (!direct && names_mutable(s, agg->args[a]))
                return in_the_way(
                    s, "%s() reads bytes that still grow; only sum() of them can follow a stream",
                    agg->agg->name);
        }
    }
    return true;
}

static bool where_fits(struct stream *s, const struct wr_ex *pred)
{
    s->uses_now |= names_now(pred);
    if (!names_mutable(s, pred))
        return true;
    return in_the_way(
        s, "a where reads bytes that still grow; only sum() of them can follow a stream");
}

static void through_apply(struct stream *s, const struct wr_apply *spec, uint16_t ncols)
{
    uint16_t time[WR_MAX_COLS] = {0};
    for (uint16_t i = 0; i < ncols; i++)
        time[i] = spec->from[i] < WR_MAX_COLS ? s->time[spec->from[i]] : 0;
    memcpy(s->time, time, sizeof time);
}

/* Copies one operator onto the stream's tree; *top is what it stands on. */
static bool add_op(struct stream *s, const struct chain *c, uint32_t i, struct wr_op **top)
{
    const struct wr_op *op = c->at[i];
    struct wr_ex *pred = op->pred;
    if (op->kind == WR_OP_WHERE && i < c->sum) {
        if ((!s->keep_windows && !strip_window(s, op->pred, &pred)) || (pred && !where_fits(s, pred)))
            return false;
        if (!pred)
            return true;
    } else if (op->kind == WR_OP_MAP && i < c->sum) {
        through_map(s, op);
    } else if (op->kind == WR_OP_PARSE && i < c->sum) {
        through_parse(s, op);
    } else if (op->kind == WR_OP_APPLY) {
        through_apply(s, op->data, op->schema->ncols);
    } else if (op->kind == WR_OP_JOIN || op->kind == WR_OP_EXPAND) {
        through_wider(s, op, c->at[i - 1]->schema->ncols);
        if (op->kind == WR_OP_JOIN)
            s->b->plan->lists_ask_clock |= wr_tree_any_ex(op->inputs[1], asks_clock, NULL);
    } else if (op->kind == WR_OP_SUMMARIZE) {
        if (!aggregates_fit(s, op))
            return false;
    } else if (op->kind == WR_OP_SORT && !s->sums) {
        return true; /* single rows need no order */
    } else {
        s->uses_now |= pred && names_now(pred);
        for (uint16_t col = 0; op->kind == WR_OP_MAP && col < op->schema->ncols; col++)
            s->uses_now |= names_now(op->cols[col]);
        s->uses_now |= op->kind == WR_OP_PARSE && names_now(op->cols[0]);
    }
    struct wr_op *copy = wr_arena_alloc(s->b->arena, sizeof *copy);
    if (!copy)
        return wr_bind_nomem(s->b);
    *copy = *op;
    copy->pred = pred;
    copy->input = *top;
    *top = copy;
    if (op->kind == WR_OP_SUMMARIZE)
        s->b->plan->summarize = copy;
    return true;
}

static bool build(struct stream *s, const struct wr_op *root, struct wr_op **ret);

/* What is known of a table's rows. */
static void begin_scan(struct stream *s, const struct wr_op *scan)
{
    memset(s->time, 0, sizeof s->time);
    s->time[WR_TIME_COL] = 1;
    s->mutable_cols = (struct wr_colset){0};
    const struct wr_amends *amends = wr_table_amends(scan->table);
    for (uint16_t i = 0; amends && i < amends->ncols; i++)
        wr_colset_add(&s->mutable_cols, amends->cols[i].col);
    s->window = 0;
    s->window_from = NULL;
}

/* What is known of the rows of all legs: a column is the time where it is in each, and grows where it does in one. The copy's
 * legs are copies. NOLINTNEXTLINE(misc-no-recursion): as deep as unions stand */
static bool build_legs(struct stream *s, const struct wr_op *op, struct wr_op *copy)
{
    struct stream *all = wr_arena_alloc(s->b->arena, sizeof *all);
    struct wr_op **legs = wr_arena_alloc(s->b->arena, op->ninputs * sizeof *legs);
    uint32_t outer = s->leg;
    if (!all || !legs)
        return wr_bind_nomem(s->b);
    *copy = *op;
    copy->inputs = legs;
    for (uint32_t i = 0; i < op->ninputs; i++) {
        s->leg = outer ? outer : i + 1;
        if (!build(s, op->inputs[i], &legs[i]))
            return false;
        if (i == 0)
            *all = *s;
        s->differ |= s->window != all->window;
        for (uint16_t col = 0; col < WR_MAX_COLS; col++)
            all->time[col] &= s->time[col];
        for (size_t w = 0; w < sizeof s->mutable_cols.bits / sizeof *s->mutable_cols.bits; w++)
            all->mutable_cols.bits[w] |= s->mutable_cols.bits[w];
    }
    memcpy(s->time, all->time, sizeof s->time);
    s->mutable_cols = all->mutable_cols;
    s->window = all->window;
    s->window_from = all->window_from;
    s->leg = outer;
    return true;
}

/* A table and what stands on it, or a union and that. False: something is in the way, or an error was added.
 * NOLINTNEXTLINE(misc-no-recursion): as deep as unions stand */
static bool build(struct stream *s, const struct wr_op *root, struct wr_op **ret)
{
    struct chain *c = wr_arena_alloc(s->b->arena, sizeof *c);
    struct wr_op *top = wr_arena_alloc(s->b->arena, sizeof *top);
    if (!c || !top)
        return wr_bind_nomem(s->b);
    if (!collect(s, root, c) || !shape_fits(s, c))
        return false;
    s->ops += c->n;
    if (c->at[0]->kind == WR_OP_UNION) {
        if (!build_legs(s, c->at[0], top))
            return false;
    } else {
        *top = *c->at[0];
        begin_scan(s, top);
        if (++s->legs > WR_STREAM_LEGS_MAX || s->ops > WR_STREAM_OPS_MAX)
            return in_the_way(s, "it has too many operators");
    }
    s->ops -= c->n;
    for (uint32_t i = 1; i < c->n; i++)
        if (!add_op(s, c, i, &top))
            return false;
    *ret = top;
    return true;
}

static bool subs_read_a_table(const struct wr_plan *plan)
{
    for (uint32_t i = 0; i < plan->nsubs; i++)
        if (wr_reads_a_table(plan->subs[i].root))
            return true;
    return false;
}

static bool stream(struct wr_binder *b)
{
    struct stream *s = wr_arena_alloc(b->arena, sizeof *s);
    struct wr_plan *plan = b->plan;
    struct wr_op *top;
    if (!s)
        return wr_bind_nomem(b);
    s->b = b;
    uint32_t errors = b->diags->nerrors;
    plan->mode = WR_MODE_BATCH;
    plan->time_col = WR_NO_COL;
    if (subs_read_a_table(plan) && !in_the_way(s, "a query inside of an expression reads events"))
        return true;
    if (!build(s, plan->root, &top))
        return b->diags->nerrors == errors;
    if (s->differ && s->sums)
        in_the_way(s, "the legs of its union look back differently far");
    if (s->differ && !s->sums) {
        *s = (struct stream){.b = b, .keep_windows = true};
        if (!build(s, plan->root, &top))
            return b->diags->nerrors == errors;
    }
    if (s->uses_now && s->sums)
        in_the_way(s, "now() or ago() is read outside of the window's lower bound");
    for (uint32_t i = 0; i < plan->nsubs; i++)
        plan->lists_ask_clock |= wr_tree_any_ex(plan->subs[i].root, asks_clock, NULL);
    if (plan->nsubs && s->sums)
        in_the_way(s, "rows that were counted would have to be judged again when a list changes");
    if (plan->why)
        return true;
    plan->time_col = WR_TIME_COL;
    plan->window = s->window;
    plan->window_from = s->keep_windows ? "each leg its own, tested as a row comes" : s->window_from;
    plan->stream = top;
    plan->mode = s->sums ? WR_MODE_INCREMENTAL : WR_MODE_STATELESS;
    return true;
}

/* ---- windowed: kept rows are run again ---- */

/* How far back `ex` looks: the largest ago(). Never true: all expressions are asked. */
static bool look_back(const struct wr_ex *ex, void *arg)
{
    int64_t t, *far = arg;
    if (ex->kind == WR_EX_CALL && wr_before_now(ex, &t) && t > *far)
        *far = t;
    for (uint32_t i = 0; i < ex->nargs; i++)
        (void)look_back(ex->args[i], arg);
    return false;
}

bool wr_plan_stream(struct wr_binder *b)
{
    struct wr_plan *plan = b->plan;
    if (!stream(b))
        return false;
    bool reads = wr_reads_a_table(plan->root);
    for (uint32_t i = 0; i < plan->nsubs && !reads; i++)
        reads = wr_reads_a_table(plan->subs[i].root);
    if (plan->mode != WR_MODE_BATCH || !reads)
        return true;
    plan->mode = WR_MODE_WINDOWED;
    plan->stream = plan->summarize = NULL;
    plan->time_col = WR_NO_COL;
    plan->window = 0;
    (void)wr_tree_any_ex(plan->root, look_back, &plan->window);
    for (uint32_t i = 0; i < plan->nsubs; i++)
        (void)wr_tree_any_ex(plan->subs[i].root, look_back, &plan->window);
    plan->window_from = plan->window ? "the largest ago()" : NULL;
    return wr_plan_parts(b);
}
