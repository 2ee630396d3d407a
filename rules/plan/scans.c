/* What decoders may skip: predicates that stand between a table and the first operator that is no
 * filter or map, as branches (an "or" of "and"s). Leaving something out is always allowed, the
 * rules test again: a branch that grows too long drops tests, and too many branches become one that
 * takes every row. A column is followed through extend and project only while it is handed on
 * unchanged, so a name that is shadowed later never reaches the decoder. */
#include "rules/plan/bind.h"

#include <string.h>

enum { MAX_BRANCHES = 8, MAX_PREDS = 6, MAX_TOTAL = 64 };

struct branch {
    struct wr_pred pred[MAX_PREDS];
    uint32_t n; /* 0: every row */
};

struct dnf {
    struct branch at[MAX_BRANCHES];
    uint32_t n;
};

/* A table on its way up. */
struct source {
    struct wr_arena *values; /* the plan's: what the predicates point to */
    bool open;
    enum wr_table table;
    uint16_t col[WR_MAX_COLS]; /* the table's column behind each column; WR_NO_COL: none */
    struct dnf dnf;
};

static void take_all(struct dnf *d)
{
    d->n = 1;
    d->at[0].n = 0;
}

static bool takes_all(const struct dnf *d)
{
    for (uint32_t i = 0; i < d->n; i++)
        if (!d->at[i].n)
            return true;
    return false;
}

static void either(struct dnf *a, const struct dnf *b)
{
    if (takes_all(a) || takes_all(b) || a->n + b->n > MAX_BRANCHES) {
        take_all(a);
        return;
    }
    memcpy(&a->at[a->n], b->at, b->n * sizeof *b->at);
    a->n += b->n;
}

static void both(struct wr_arena *arena, struct dnf *a, const struct dnf *b)
{
    if (takes_all(b))
        return;
    if (takes_all(a)) {
        *a = *b;
        return;
    }
    struct dnf *out = a->n * b->n <= MAX_BRANCHES ? wr_arena_alloc(arena, sizeof *out) : NULL;
    if (!out)
        return; /* a alone takes more rows, which is allowed */
    for (uint32_t i = 0; i < a->n; i++)
        for (uint32_t j = 0; j < b->n; j++) {
            struct branch *to = &out->at[out->n++];
            *to = a->at[i];
            for (uint32_t k = 0; k < b->at[j].n && to->n < MAX_PREDS; k++)
                to->pred[to->n++] = b->at[j].pred[k];
        }
    *a = *out;
}

/* The column under conversions that keep the value of whole numbers. */
static const struct wr_ex *bare_column(const struct wr_ex *ex)
{
    while (ex->kind == WR_EX_CALL && ex->nargs == 1 && ex->type == WR_LONG &&
           ex->args[0]->type == WR_INT && strcmp(ex->fn->name, "tolong") == 0)
        ex = ex->args[0];
    return ex->kind == WR_EX_COL ? ex : NULL;
}

static bool add_values(struct wr_arena *arena, const struct wr_ex *call, uint32_t first,
                       struct wr_pred *pred)
{
    int64_t *ints = wr_arena_alloc(arena, call->nargs * sizeof *ints);
    struct wr_str *strs = wr_arena_alloc(arena, call->nargs * sizeof *strs);
    if (!ints || !strs)
        return false;
    for (uint32_t i = first; i < call->nargs; i++) {
        const struct wr_value *v = &call->args[i]->value;
        if (call->args[i]->kind != WR_EX_CONST)
            return false;
        if (v->null)
            continue;
        if (v->type == WR_STRING && !v->s.len)
            return false; /* a decoder may not know an empty text from a missing one */
        ints[pred->n] = v->i;
        strs[pred->n++] = v->s;
    }
    pred->ints = pred->op == WR_PRED_IN_INT ? ints : NULL;
    pred->strs = pred->op == WR_PRED_IN_INT ? NULL : strs;
    return pred->n > 0;
}

/* A test that a decoder can make. */
static bool simple(const struct wr_ex *ex, const struct source *s, struct wr_pred *pred)
{
    static const struct {
        const char *name;
        bool nocase;
    } ops[] = {{"==", false}, {"in", false}, {"=~", true}, {"in~", true}};
    size_t op = 0, n = sizeof ops / sizeof *ops;
    while (op < n && strcmp(ops[op].name, ex->fn->name) != 0)
        op++;
    if (op == n || ex->nargs < 2)
        return false;
    struct wr_ex *swapped[2] = {ex->args[1], ex->args[0]};
    struct wr_ex call = *ex;
    if (ex->nargs == 2 && ex->args[0]->kind == WR_EX_CONST)
        call.args = swapped;
    const struct wr_ex *col = bare_column(call.args[0]);
    if (!col || s->col[col->col] == WR_NO_COL)
        return false;
    bool integer = (col->type == WR_INT || col->type == WR_LONG) && call.args[1]->type != WR_REAL;
    if (!integer && col->type != WR_STRING)
        return false;
    enum wr_type type = call.args[1]->type;
    if (integer ? type != WR_INT && type != WR_LONG : type != WR_STRING)
        return false;
    *pred = (struct wr_pred){.col = s->col[col->col]};
    pred->op = integer ? WR_PRED_IN_INT : ops[op].nocase ? WR_PRED_IN_STR_NOCASE : WR_PRED_IN_STR;
    return add_values(s->values, &call, 1, pred);
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the expression, which the parser bounds */
static struct dnf *dnf_of(struct wr_arena *arena, const struct wr_ex *ex, const struct source *s)
{
    struct dnf *d = wr_arena_alloc(arena, sizeof *d);
    if (!d)
        return NULL;
    take_all(d);
    if (ex->kind != WR_EX_CALL)
        return d;
    bool and = strcmp(ex->fn->name, "and") == 0, or = strcmp(ex->fn->name, "or") == 0;
    if ((and || or) && ex->nargs == 2) {
        struct dnf *a = dnf_of(arena, ex->args[0], s), *b = dnf_of(arena, ex->args[1], s);
        if (!a || !b)
            return NULL;
        if (and)
            both(arena, a, b);
        else
            either(a, b);
        return a;
    }
    if (simple(ex, s, &d->at[0].pred[0]))
        d->at[0].n = 1;
    return d;
}

/* The values of a predicate, from scratch memory to the plan's. */
static bool keep_values(struct wr_arena *arena, struct wr_pred *pred)
{
    bool integer = pred->op == WR_PRED_IN_INT;
    size_t size = pred->n * (integer ? sizeof *pred->ints : sizeof *pred->strs);
    void *kept = wr_arena_alloc(arena, size);
    if (!kept)
        return false;
    memcpy(kept, integer ? (const void *)pred->ints : (const void *)pred->strs, size);
    pred->ints = integer ? kept : NULL;
    pred->strs = integer ? NULL : kept;
    return true;
}

static bool publish(struct wr_binder *b, struct source *s)
{
    if (!s->open)
        return true;
    s->open = false;
    struct wr_scan *scan = &b->plan->scans[s->table];
    struct wr_branch *all = wr_arena_alloc(b->arena, (scan->nbranches + s->dnf.n) * sizeof *all);
    if (!all)
        return wr_bind_nomem(b);
    uint32_t n = scan->nbranches;
    if (n)
        memcpy(all, scan->branches, n * sizeof *all);
    if (n + s->dnf.n > MAX_TOTAL) {
        n = 0;
        take_all(&s->dnf);
    }
    for (uint32_t i = 0; i < s->dnf.n; i++) {
        struct wr_pred *preds = wr_arena_alloc(b->arena, (s->dnf.at[i].n + 1) * sizeof *preds);
        if (!preds)
            return wr_bind_nomem(b);
        memcpy(preds, s->dnf.at[i].pred, s->dnf.at[i].n * sizeof *preds);
        for (uint32_t k = 0; k < s->dnf.at[i].n; k++)
            if (!keep_values(b->arena, &preds[k]))
                return wr_bind_nomem(b);
        all[n++] = (struct wr_branch){preds, s->dnf.at[i].n};
    }
    scan->branches = all;
    scan->nbranches = n;
    return true;
}

/* From the table up to `op`. */
static bool visit(struct wr_binder *b, const struct wr_op *op, struct wr_arena *scratch,
                  struct source *s)
{
    const struct wr_op *chain[512];
    uint32_t n = 0;
    for (; op && n < 512; op = op->input)
        chain[n++] = op;
    while (n-- > 0) {
        op = chain[n];
        if (op->ninputs) {
            if (!publish(b, s)) /* of an APPLY's own input */
                return false;
            for (uint32_t i = 0; i < op->ninputs; i++)
                if (!visit(b, op->inputs[i], scratch, s))
                    return false;
        } else if (op->kind == WR_OP_SCAN) {
            s->open = true;
            s->table = op->table;
            for (uint16_t i = 0; i < op->schema->ncols; i++)
                s->col[i] = i;
            take_all(&s->dnf);
        } else if (op->kind == WR_OP_WHERE && s->open) {
            struct dnf *d = dnf_of(scratch, op->pred, s);
            if (d)
                both(scratch, &s->dnf, d);
        } else if (op->kind == WR_OP_MAP && s->open) {
            uint16_t col[WR_MAX_COLS];
            for (uint16_t i = 0; i < op->schema->ncols; i++)
                col[i] =
                    op->cols[i]->kind == WR_EX_COL ? s->col[op->cols[i]->col] : (uint16_t)WR_NO_COL;
            memcpy(s->col, col, op->schema->ncols * sizeof *col);
        } else if (op->kind == WR_OP_PARSE && s->open) {
            for (uint16_t i = op->input->schema->ncols; i < op->schema->ncols; i++)
                s->col[i] = WR_NO_COL;
        } else if (!publish(b, s)) {
            return false;
        }
    }
    return publish(b, s);
}

bool wr_plan_scans(struct wr_binder *b)
{
    struct wr_arena *scratch = wr_arena_new(65536);
    struct source *s = scratch ? wr_arena_alloc(scratch, sizeof *s) : NULL;
    if (s)
        s->values = b->arena;
    bool ok = s ? visit(b, b->plan->root, scratch, s) : wr_bind_nomem(b);
    for (uint32_t i = 0; ok && i < b->plan->nsubs; i++)
        ok = visit(b, b->plan->subs[i].root, scratch, s);
    for (int t = 0; ok && t < WR_NTABLES; t++) {
        struct wr_scan *scan = &b->plan->scans[t];
        scan->table = (enum wr_table)t;
        if (!scan->nbranches || b->plan->mode == WR_MODE_BATCH)
            continue;
        wr_colset_add(&scan->wanted, WR_TIME_COL);
        for (uint16_t c = 0; c < wr_schema_of(scan->table)->ncols; c++)
            if (wr_schema_of(scan->table)->cols[c].hidden && c != wr_ingestion_col(scan->table))
                wr_colset_add(&scan->wanted, c);
    }
    wr_arena_free(scratch);
    return ok;
}
