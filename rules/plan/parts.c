/* Into which parts a plan's result falls: columns that each row of the result has from the rows of
 * tables that it is made of, so that rows with other values there change nothing about it. A filter
 * and a map leave such a column be; a summarize does when it is one of its keys, a join when both
 * sides have it as a key. What runs again over kept rows then looks at the parts that changed only
 * (rules/stream/window_parts.c).
 *
 *   A | join kind=inner (B | summarize n = count() by Device) on Device | summarize max(n) by
 * Device, User     parts: Device
 *
 * A row can change its part without coming or going, by time alone: where a comparison of its time
 * with now() less a constant turns (`time`). Whatever else names now() is watched: with another
 * value all parts are looked at. */
#include "rules/plan/apply.h"
#include "rules/plan/bind.h"

#include <string.h>

enum { MAX_LEAVES = 64 };

/* What is known of an operator's rows. */
struct known {
    enum wr_table leaf[MAX_LEAVES]; /* tables below it, each time one is read */
    uint32_t nleaves;
    uint16_t *from; /* column c is column from[c * nleaves + l] of leaf l; WR_NO_COL: of none, or
                       not of all leaves */
    bool *time;     /* it is the time of its row */
};

struct walk {
    struct wr_binder *b;
    struct wr_arena *arena; /* for the walk */
    struct wr_parts *parts;
    const bool *time; /* of the columns that the expressions at hand read; NULL: of none */
    bool failed;
};

/* ---- what time changes ---- */

static bool compares(const struct wr_ex *ex)
{
    char c = ex->fn->name[0];
    return ex->nargs == 2 && (c == '<' || c == '>') && (!ex->fn->name[1] || ex->fn->name[1] == '=');
}

static bool is_time(const struct walk *w, const struct wr_ex *ex)
{
    return w->time && ex->kind == WR_EX_COL && w->time[ex->col];
}

static void add_time(struct walk *w, int64_t ticks)
{
    struct wr_parts *p = w->parts;
    for (uint32_t i = 0; i < p->ntimes; i++)
        if (p->time[i] == ticks)
            return;
    if (p->ntimes == WR_PART_TIMES)
        w->failed = true;
    else
        p->time[p->ntimes++] = ticks;
}

/* A comparison of the row's time with constants before now(). */
static bool turns(struct walk *w, const struct wr_ex *ex)
{
    int64_t t, u;
    if (compares(ex)) {
        bool flipped = is_time(w, ex->args[1]);
        if (!is_time(w, ex->args[flipped]) || !wr_before_now(ex->args[!flipped], &t))
            return false;
        add_time(w, t);
        return true;
    }
    if (ex->nargs != 3 || strcmp(ex->fn->name, "between") != 0 || !is_time(w, ex->args[0]) ||
        !wr_before_now(ex->args[1], &t) || !wr_before_now(ex->args[2], &u))
        return false;
    add_time(w, t);
    add_time(w, u);
    return true;
}

/* Whether `ex` names the clock. NOLINTNEXTLINE(misc-no-recursion): as deep as expressions stand */
static bool look(const struct wr_ex *ex, void *arg)
{
    struct walk *w = arg;
    struct wr_parts *p = w->parts;
    bool any = ex->kind == WR_EX_CALL && ex->fn->flags & WR_FN_PER_RUN;
    if (ex->kind == WR_EX_CALL && ex->fn->flags & WR_FN_NO_FOLD)
        w->failed = true;
    if (w->failed || (ex->kind == WR_EX_CALL && turns(w, ex)))
        return false;
    uint32_t before = p->nwatch;
    for (uint32_t i = 0; i < ex->nargs; i++)
        any |= look(ex->args[i], arg);
    if (any && ex->per_run) { /* the whole of it stands for its parts */
        p->nwatch = before;
        if (before == WR_PART_WATCH || wr_type_is_str(ex->type))
            w->failed = true;
        else
            p->watch[p->nwatch++] = ex;
    }
    return any && ex->per_run;
}

static bool look_all(const struct wr_ex *ex, void *arg)
{
    (void)look(ex, arg);
    return false;
}

/* ---- operators ---- */

static bool make(struct walk *w, const struct wr_op *op, struct known *k)
{
    uint16_t n = op->schema->ncols;
    k->from = wr_arena_alloc(w->arena, ((size_t)n * k->nleaves + 1) * sizeof *k->from);
    k->time = wr_arena_alloc(w->arena, n + 1u);
    if (!k->from || !k->time)
        return false;
    memset(k->from, 0xff, (size_t)n * k->nleaves * sizeof *k->from);
    memset(k->time, 0, n);
    return true;
}

static const uint16_t *from(const struct known *k, uint16_t col)
{
    return k->from + (size_t)col * k->nleaves;
}

static bool has(const struct known *k, uint16_t col)
{
    return k->nleaves && *from(k, col) != WR_NO_COL;
}

/* Column `to` is column `col` of what stands below. */
static void take(struct known *k, uint16_t to, const struct known *below, uint16_t col)
{
    memcpy(k->from + (size_t)to * k->nleaves, from(below, col), below->nleaves * sizeof *k->from);
    k->time[to] = below->time[col];
}

static bool walk(struct walk *w, const struct wr_op *op, struct known *ret);

static bool through_join(struct walk *w, const struct wr_op *op, struct known *ret)
{
    struct known *side = wr_arena_alloc(w->arena, 2 * sizeof *side);
    if (!side || !walk(w, op->inputs[0], &side[0]) || !walk(w, op->inputs[1], &side[1]))
        return false;
    struct known *l = &side[0], *r = &side[1];
    uint16_t nleft = op->inputs[0]->schema->ncols;
    bool list = !r->nleaves, unique = op->join == WR_JOIN_INNERUNIQUE;
    if (!l->nleaves || l->nleaves + r->nleaves > MAX_LEAVES || op->join == WR_JOIN_RIGHTOUTER ||
        op->join == WR_JOIN_FULLOUTER)
        return false;
    *ret = *l;
    memcpy(ret->leaf + l->nleaves, r->leaf, r->nleaves * sizeof *r->leaf);
    ret->nleaves += r->nleaves;
    if (!make(w, op, ret))
        return false;
    for (uint16_t c = 0; c < nleft; c++) {
        ret->time[c] = l->time[c];
        if (list && !unique && has(l, c))
            take(ret, c, l, c);
    }
    for (uint32_t k = 0; k < op->nkeys; k++) {
        uint16_t c = op->cols[k]->col, d = op->cols[op->nkeys + k]->col;
        if (!has(l, c) || (!list && !has(r, d)))
            continue;
        take(ret, c, l, c);
        if (!list)
            memcpy(ret->from + (size_t)c * ret->nleaves + l->nleaves, from(r, d),
                   r->nleaves * sizeof *r->from);
    }
    return true;
}

static bool through_union(struct walk *w, const struct wr_op *op, struct known *ret)
{
    struct known *in = wr_arena_alloc(w->arena, op->ninputs * sizeof *in);
    bool ok = in != NULL;
    ret->nleaves = 0;
    for (uint32_t i = 0; ok && i < op->ninputs; i++) {
        ok = walk(w, op->inputs[i], &in[i]) && in[i].nleaves &&
             ret->nleaves + in[i].nleaves <= MAX_LEAVES;
        if (ok)
            memcpy(ret->leaf + ret->nleaves, in[i].leaf, in[i].nleaves * sizeof *ret->leaf);
        ret->nleaves += ok ? in[i].nleaves : 0;
    }
    if (!ok || !make(w, op, ret))
        return false;
    for (uint16_t c = 0; c < op->schema->ncols; c++) {
        uint16_t *to = ret->from + (size_t)c * ret->nleaves;
        bool all = true;
        ret->time[c] = true;
        for (uint32_t i = 0; i < op->ninputs; i++) {
            all &= has(&in[i], c);
            ret->time[c] &= in[i].time[c];
        }
        for (uint32_t i = 0; i < op->ninputs && all; to += in[i].nleaves, i++)
            memcpy(to, from(&in[i], c), in[i].nleaves * sizeof *to);
    }
    return true;
}

static bool scan(struct walk *w, const struct wr_op *op, struct known *ret)
{
    ret->leaf[0] = op->table;
    ret->nleaves = 1;
    if (!make(w, op, ret))
        return false;
    for (uint16_t c = 0; c < op->schema->ncols; c++) {
        const struct wr_coldef *col = &op->schema->cols[c];
        ret->from[c] = col->hidden ? (uint16_t)WR_NO_COL : col->store;
        ret->time[c] = col->store == WR_TIME_COL;
    }
    return true;
}

/* The aggregate is the time of one of its rows, which are all of one part. */
static bool one_of_times(const struct wr_agg_call *agg, const struct known *below)
{
    enum wr_agg_kind kind = agg->agg->kind;
    return (kind == WR_AGG_MIN || kind == WR_AGG_MAX || kind == WR_AGG_TAKE_ANY) && agg->nargs &&
           agg->args[0]->kind == WR_EX_COL && below->time[agg->args[0]->col];
}

/* Operators of one input, which knows `below`. */
static bool through(struct walk *w, const struct wr_op *op, const struct known *below,
                    struct known *ret)
{
    *ret = *below;
    if (op->kind == WR_OP_WHERE || op->kind == WR_OP_SORT)
        return true;
    if (!make(w, op, ret))
        return false;
    uint16_t n = op->schema->ncols, kept = op->input->schema->ncols;
    const struct wr_apply *spec = op->kind == WR_OP_APPLY ? op->data : NULL;
    for (uint16_t c = 0; c < n; c++) {
        uint16_t col = WR_NO_COL;
        if (op->kind == WR_OP_MAP || (op->kind == WR_OP_SUMMARIZE && c < op->nkeys))
            col = op->cols[c]->kind == WR_EX_COL ? op->cols[c]->col : (uint16_t)WR_NO_COL;
        else if (op->kind == WR_OP_PARSE ||
                 (op->kind == WR_OP_EXPAND && !wr_colset_has(&op->expanded, c)))
            col = c < kept ? c : (uint16_t)WR_NO_COL;
        else if (spec)
            col = spec->from[c] < WR_MAX_COLS ? spec->from[c] : (uint16_t)WR_NO_COL;
        if (col != WR_NO_COL)
            take(ret, c, below, col);
        else if (op->kind == WR_OP_SUMMARIZE && c >= op->nkeys)
            ret->time[c] = one_of_times(&op->aggs[c - op->nkeys], below);
    }
    return true;
}

/* False: nothing can be said. NOLINTNEXTLINE(misc-no-recursion): as deep as operators stand, which
 * wr_op_new bounds */
static bool walk(struct walk *w, const struct wr_op *op, struct known *ret)
{
    struct known *below = wr_arena_alloc(w->arena, sizeof *below);
    const struct wr_apply *spec = op->kind == WR_OP_APPLY ? op->data : NULL;
    bool ok = below != NULL;
    ret->nleaves = 0;
    w->time = NULL;
    if (!wr_reads_a_table(op)) { /* the same at each run, but for the clock and lists */
        (void)wr_tree_any_ex(op, look_all, w);
        return ok && make(w, op, ret);
    }
    switch (op->kind) {
    case WR_OP_SCAN:
        return scan(w, op, ret);
    case WR_OP_JOIN:
        return through_join(w, op, ret);
    case WR_OP_UNION:
        return through_union(w, op, ret);
    case WR_OP_APPLY:
        if (!spec->expand || wr_reads_a_table(op->inputs[0]))
            return false;
        (void)wr_tree_any_ex(op->inputs[0], look_all, w);
        (void)wr_op_any_ex(spec->expand, look_all, w);
        break;
    case WR_OP_WHERE:
    case WR_OP_MAP:
    case WR_OP_PARSE:
    case WR_OP_EXPAND:
    case WR_OP_SORT:
    case WR_OP_SUMMARIZE:
        break;
    default: /* what looks at rows beside a row, or chooses among them */
        return false;
    }
    if (!ok || !walk(w, op->input, below))
        return false;
    w->time = below->time;
    (void)wr_op_any_ex(op, look_all, w);
    return !w->failed && through(w, op, below, ret);
}

/* ---- the parts ---- */

static bool fits(enum wr_type type)
{
    return type == WR_BOOL || type == WR_INT || type == WR_STRING ||
           type == WR_GUID; /* as wr_window_keys has them */
}

/* The column as one more that tells parts apart, when each table has one column for it. */
static void add_col(struct wr_parts *p, const struct wr_op *root, const struct known *k, uint16_t c)
{
    uint16_t col[WR_NTABLES];
    enum wr_type type = root->schema->cols[c].type;
    if (!has(k, c) || !fits(type) || p->ncols == WR_PART_COLS)
        return;
    memset(col, 0xff, sizeof col);
    for (uint32_t l = 0; l < k->nleaves; l++) {
        uint16_t one = from(k, c)[l], *at = &col[k->leaf[l]];
        if ((*at != WR_NO_COL && *at != one) || wr_schema_of(k->leaf[l])->cols[one].type != type)
            return;
        *at = one;
    }
    for (uint32_t i = 0; i < p->ncols; i++) {
        bool same = true;
        for (int t = 0; t < WR_NTABLES; t++)
            same &= p->col[t][i] == col[t];
        if (same)
            return;
    }
    p->out[p->ncols] = c;
    for (int t = 0; t < WR_NTABLES; t++)
        p->col[t][p->ncols] = col[t];
    p->ncols++;
}

bool wr_plan_parts(struct wr_binder *b)
{
    struct wr_plan *plan = b->plan;
    struct walk w = {
        .b = b, .arena = wr_arena_new(4096), .parts = wr_arena_alloc(plan->arena, sizeof *w.parts)};
    struct known *k = w.arena ? wr_arena_alloc(w.arena, sizeof *k) : NULL;
    if (!w.parts || !k) {
        wr_arena_free(w.arena);
        return wr_bind_nomem(b);
    }
    *w.parts = (struct wr_parts){0};
    for (uint32_t i = 0; i < plan->nsubs; i++) {
        w.failed |= wr_reads_a_table(plan->subs[i].root);
        (void)wr_tree_any_ex(plan->subs[i].root, look_all, &w);
    }
    bool ok = !w.failed && walk(&w, plan->root, k) && !w.failed;
    for (uint16_t c = 0; ok && c < plan->root->schema->ncols; c++)
        if (!plan->root->schema->cols[c].hidden)
            add_col(w.parts, plan->root, k, c);
    plan->parts = ok && w.parts->ncols ? w.parts : NULL;
    wr_arena_free(w.arena);
    return true;
}
