#include "rules/exec/eval.h"

#include "rules/exec/filter.h"
#include "rules/exec/parse.h"
#include "rules/fn/kernel.h"

static void fill(struct wr_vec *v, const struct wr_value *c, const struct wr_sel *sel)
{
    if (c->null && c->type != WR_STRING)
        return;
    WR_EACH (sel, row) {
        if (v->s)
            wr_put_s(v, row, c->s);
        else if (v->r)
            wr_put_r(v, row, c->type == WR_REAL ? c->r : (double)c->i);
        else
            wr_put_i(v, row, c->i);
    }
}

/* A column nobody filled reads as null. */
static const struct wr_vec *column(struct wr_eval *ev, const struct wr_ex *ex, const struct wr_vec *cols)
{
    const struct wr_vec *v = &cols[ex->col];
    return v->i || v->r || v->s ? v : wr_vec_new(ev, ex->type);
}

/* Functions that do not look at nulls see only rows in which every argument has a value. */
static bool without_nulls(struct wr_eval *ev, const struct wr_vec *args, uint32_t nargs,
                          const struct wr_sel *sel, struct wr_sel *ret_sel)
{
    bool any = false;
    for (uint32_t a = 0; a < nargs; a++)
        any |= args[a].valid != NULL;
    *ret_sel = *sel;
    if (!any)
        return true;
    ret_sel->row = wr_arena_alloc(ev->arena, (sel->n + 1) * sizeof *sel->row);
    ret_sel->n = 0;
    if (!ret_sel->row)
        return false;
    WR_EACH (sel, row) {
        bool all = true;
        for (uint32_t a = 0; a < nargs; a++)
            all &= wr_vec_valid(&args[a], row);
        ret_sel->row[ret_sel->n] = (uint16_t)row;
        ret_sel->n += all;
    }
    return true;
}

static const struct wr_vec *call_fn(struct wr_eval *ev, const struct wr_ex *ex, const struct wr_vec *cols,
                                    const struct wr_sel *sel)
{
    struct wr_vec *args = wr_arena_alloc(ev->arena, (ex->nargs + 1) * sizeof *args);
    struct wr_vec *out = args ? wr_vec_new(ev, ex->type) : NULL;
    if (!out) {
        ev->err = WR_ENOMEM;
        return NULL;
    }
    /* What was prepared from the constants stands for them. */
    bool first_only = ex->prepared && ex->nargs > 1 && !(ex->fn->flags & WR_FN_EVAL_ALL);
    uint32_t nargs = first_only ? 1 : ex->nargs;
    for (uint32_t a = 0; a < nargs; a++) {
        const struct wr_vec *v = wr_ex_eval(ev, ex->args[a], cols, sel);
        if (!v)
            return NULL;
        args[a] = *v;
    }
    struct wr_sel some = *sel;
    if (!(ex->fn->flags & WR_FN_LAZY_NULL) && !without_nulls(ev, args, nargs, sel, &some)) {
        ev->err = WR_ENOMEM;
        return NULL;
    }
    ex->fn->eval(ev, ex, args, &some, out);
    return ev->err ? NULL : out;
}

/* The same for all rows: computed once, then spread. */
static const struct wr_vec *call_once(struct wr_eval *ev, const struct wr_ex *ex, const struct wr_sel *sel)
{
    uint16_t zero = 0;
    struct wr_sel first = {.row = &zero, .n = 1};
    uint32_t nrows = ev->nrows;
    ev->nrows = 1;
    const struct wr_vec *one = call_fn(ev, ex, NULL, &first);
    ev->nrows = nrows;
    struct wr_vec *out = one ? wr_vec_new(ev, ex->type) : NULL;
    if (!out)
        return NULL;
    if (wr_vec_valid(one, 0)) {
        struct wr_value v = wr_value_at(one, 0);
        fill(out, &v, sel);
    }
    return out;
}

/* `x in (query n)`: as if its values were written out. */
static const struct wr_vec *call_list(struct wr_eval *ev, const struct wr_ex *ex, const struct wr_vec *cols,
                                      const struct wr_sel *sel)
{
    struct wr_sub_result *list = &ev->subs[ex->args[1]->col];
    struct wr_ex call = *ex;
    const char *why;
    if (!list->n) {
        struct wr_vec *out = wr_vec_new(ev, WR_BOOL);
        struct wr_value none = {.type = WR_BOOL, .i = *ex->fn->name == '!'};
        if (out)
            fill(out, &none, sel);
        return out;
    }
    list->items[0] = ex->args[0];
    call.args = list->items;
    call.nargs = list->n + 1;
    if (!list->tried)
        list->prepared = ex->fn->prepare ? ex->fn->prepare(list->arena, &call, &why) : NULL;
    list->tried = true;
    call.prepared = list->prepared;
    return call_fn(ev, &call, cols, sel);
}

const struct wr_vec *wr_ex_eval(struct wr_eval *ev, const struct wr_ex *ex, const struct wr_vec *cols,
                                const struct wr_sel *sel)
{
    if (ex->kind == WR_EX_COL)
        return column(ev, ex, cols);
    if (ex->kind == WR_EX_CONST || ex->kind == WR_EX_SUB) {
        struct wr_vec *v = wr_vec_new(ev, ex->type);
        if (v)
            fill(v, ex->kind == WR_EX_SUB ? &ev->subs[ex->col].value : &ex->value, sel);
        return v;
    }
    if (ex->list)
        return call_list(ev, ex, cols, sel);
    if (ex->per_run && sel->n > 1 && !(ex->fn->flags & WR_FN_NO_FOLD))
        return call_once(ev, ex, sel);
    return call_fn(ev, ex, cols, sel);
}

void wr_ex_filter(struct wr_eval *ev, const struct wr_ex *pred, const struct wr_vec *cols, struct wr_sel *sel)
{
    /* `a and b` is true where both are: b is computed for what a left over. */
    if (pred->kind == WR_EX_CALL && strcmp(pred->fn->name, "and") == 0) {
        for (uint32_t a = 0; a < pred->nargs && !ev->err; a++)
            wr_ex_filter(ev, pred->args[a], cols, sel);
        return;
    }
    struct wr_test test;
    if (sel->n == 0 ||
        (wr_test_of(pred, &test) && wr_filter(wr_filter_kernels(), ev->arena, &test, cols, ev->nrows, sel)))
        return;
    const struct wr_vec *v = wr_ex_eval(ev, pred, cols, sel);
    if (!v)
        return;
    uint32_t n = 0;
    for (uint32_t k = 0; k < sel->n; k++) {
        uint16_t row = sel->row[k];
        sel->row[n] = row;
        n += wr_vec_valid(v, row) && v->i[row];
    }
    sel->n = n;
}

void wr_op_apply(struct wr_eval *ev, const struct wr_op *op, struct wr_chunk *chunk)
{
    ev->nrows = chunk->nrows;
    if (op->kind == WR_OP_WHERE) {
        wr_ex_filter(ev, op->pred, chunk->col, &chunk->sel);
        chunk->schema = op->schema;
        return;
    }
    if (op->kind == WR_OP_PARSE) {
        wr_parse_apply(ev, op, chunk);
        return;
    }
    WR_ASSERT(op->kind == WR_OP_MAP);
    struct wr_vec *cols = wr_arena_alloc(ev->arena, (op->schema->ncols + 1u) * sizeof *cols);
    if (!cols) {
        ev->err = WR_ENOMEM;
        return;
    }
    for (uint16_t c = 0; c < op->schema->ncols; c++) {
        const struct wr_vec *v = wr_ex_eval(ev, op->cols[c], chunk->col, &chunk->sel);
        if (!v)
            return;
        cols[c] = *v;
    }
    chunk->col = cols;
    chunk->schema = op->schema;
}

static bool gather_column(struct wr_eval *ev, const struct wr_vec *v, const struct wr_sel *given, struct wr_vec *to)
{
    const struct wr_vec *copy = wr_vec_new(ev, v->type);
    if (!copy)
        return false;
    *to = *copy;
    if (!v->valid)
        to->valid = NULL;
    const uint16_t *row = given->row;
    if (v->s)
        for (uint32_t k = 0; k < given->n; k++)
            to->s[k] = v->s[row[k]];
    else if (v->r)
        for (uint32_t k = 0; k < given->n; k++)
            to->r[k] = v->r[row[k]];
    else
        for (uint32_t k = 0; k < given->n; k++)
            to->i[k] = v->i[row[k]];
    for (uint32_t k = 0; v->valid && k < given->n; k++)
        to->valid[k / 64] |= (v->valid[row[k] / 64] >> (row[k] % 64) & 1) << (k % 64);
    return true;
}

bool wr_gather(struct wr_eval *ev, const struct wr_batch *batch, const struct wr_colset *wanted,
               const struct wr_sel *given, struct wr_vec *cols, struct wr_batch *to)
{
    uint16_t ncols = batch->schema->ncols;
    *to = (struct wr_batch){.schema = batch->schema, .nrows = given->n, .cap = given->n, .sealed = true, .col = cols};
    to->sel.row = wr_arena_alloc(ev->arena, (given->n + 1) * sizeof *to->sel.row);
    if (!to->sel.row)
        return false;
    for (; to->sel.n < given->n; to->sel.n++)
        to->sel.row[to->sel.n] = (uint16_t)to->sel.n;
    ev->nrows = given->n;
    for (uint32_t w = 0; w * 64 < ncols; w++)
        for (uint64_t bits = wanted->bits[w]; bits; bits &= bits - 1) {
            uint32_t c = w * 64 + (uint32_t)__builtin_ctzll(bits);
            const struct wr_vec *v = c < ncols ? &batch->col[c] : NULL;
            if (!v)
                break;
            if (!v->i && !v->r && !v->s)
                cols[c] = (struct wr_vec){.type = v->type};
            else if (!gather_column(ev, v, given, &cols[c]))
                return false;
        }
    return true;
}

struct wr_value wr_value_at(const struct wr_vec *vec, uint32_t row)
{
    struct wr_value v = {.type = vec->type};
    if (vec->s)
        v.s = vec->s[row];
    else if (vec->r)
        v.r = vec->r[row];
    else
        v.i = vec->i[row];
    return v;
}
