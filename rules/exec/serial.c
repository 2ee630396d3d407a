/* Functions over ordered rows: each call goes over all rows once, with what it must remember in a struct row_state. */
#include "rules/plan/serial.h"

#include "rules/exec/rows.h"
#include "rules/fn/kernel.h"
#include "rules/plan/bind.h"

#include <math.h>

struct work {
    struct wr_eval *ev;
    const struct wr_op *op;
    const struct wr_rows *in;
    struct wr_vec **cols; /* per batch: the input's columns, then a result per call */
    uint16_t **all;       /* per batch: every row */
};

/* An argument of a call over all batches. */
static const struct wr_vec **values(struct work *w, uint32_t arg)
{
    const struct wr_vec **v = wr_arena_alloc(w->ev->arena, (w->in->nbatches + 1) * sizeof *v);
    for (uint32_t i = 0; v && i < w->in->nbatches; i++) {
        uint32_t n = w->in->batch[i]->nrows;
        w->ev->nrows = n;
        v[i] = wr_ex_eval(w->ev, w->op->cols[arg], w->cols[i], &(struct wr_sel){w->all[i], n});
        if (!v[i])
            return NULL;
    }
    return v;
}

static bool is_true(const struct wr_vec **v, uint64_t n, uint32_t rows)
{
    return v && wr_vec_valid(v[n / rows], (uint32_t)(n % rows)) && v[n / rows]->i[n % rows];
}

/* prev and next: the value `offset` rows away, or the default of this row. */
static void shift(struct work *w, const struct wr_serial_call *call, const struct wr_vec **v,
                  const struct wr_vec **other, uint16_t out)
{
    uint32_t rows = w->in->batch_rows;
    int64_t away = call->fn == WR_SERIAL_PREV ? -call->offset : call->offset;
    for (uint64_t n = 0; n < w->in->nrows; n++) {
        struct wr_vec *to = &w->cols[n / rows][out];
        int64_t from = (int64_t)n + away;
        if (from >= 0 && (uint64_t)from < w->in->nrows)
            wr_cell_copy(v[from / rows], (uint32_t)(from % rows), to, (uint32_t)(n % rows));
        else if (other)
            wr_cell_copy(other[n / rows], (uint32_t)(n % rows), to, (uint32_t)(n % rows));
    }
}

static bool same(const struct wr_vec *a, uint32_t i, const struct wr_vec *b, uint32_t j)
{
    if (!wr_vec_valid(a, i) || !wr_vec_valid(b, j))
        return wr_vec_valid(a, i) == wr_vec_valid(b, j);
    if (a->s)
        return wr_str_eq(&a->s[i], &b->s[j]);
    return a->r ? a->r[i] == b->r[j] : a->i[i] == b->i[j];
}

/* Numbers from 1: of the row, or of its value among equal ones before it. */
static void number(struct work *w, const struct wr_serial_call *call, const struct wr_vec **v,
                   const struct wr_vec **restart, uint16_t out)
{
    uint32_t rows = w->in->batch_rows;
    int64_t dense = 0, seen = 0, rank = 0;
    for (uint64_t n = 0; n < w->in->nrows; n++) {
        uint32_t row = (uint32_t)(n % rows);
        bool first = n == 0 || is_true(restart, n, rows);
        bool other = first || (v && !same(v[n / rows], row, v[(n - 1) / rows], (uint32_t)((n - 1) % rows)));
        seen = first ? 1 : seen + 1;
        dense = first ? 1 : dense + other;
        rank = other ? seen : rank;
        wr_put_i(&w->cols[n / rows][out], row,
                 call->fn == WR_SERIAL_ROW_NUMBER   ? seen - 1 + call->offset
                 : call->fn == WR_SERIAL_RANK_DENSE ? dense
                                                    : rank);
    }
}

static void cumsum(struct work *w, const struct wr_vec **v, const struct wr_vec **restart, uint16_t out)
{
    uint32_t rows = w->in->batch_rows;
    uint64_t whole = 0; /* wraps, as sums of long do */
    double real = 0;
    for (uint64_t n = 0; n < w->in->nrows; n++) {
        uint32_t row = (uint32_t)(n % rows);
        const struct wr_vec *x = v[n / rows];
        bool valid = wr_vec_valid(x, row);
        if (is_true(restart, n, rows)) {
            whole = 0;
            real = 0;
        }
        whole += valid && x->i ? (uint64_t)x->i[row] : 0;
        real += valid && x->r ? x->r[row] : 0;
        if (x->r)
            wr_put_r(&w->cols[n / rows][out], row, real);
        else
            wr_put_i(&w->cols[n / rows][out], row, (int64_t)whole);
    }
}

/* The first time of the session that each row belongs to. */
static void session(struct work *w, const struct wr_vec **time, const struct wr_vec **longest,
                    const struct wr_vec **between, const struct wr_vec **restart, uint16_t out)
{
    uint32_t rows = w->in->batch_rows;
    bool open = false;
    int64_t start = 0, last = 0, gap;
    for (uint64_t n = 0; n < w->in->nrows; n++) {
        uint32_t row = (uint32_t)(n % rows), b = (uint32_t)(n / rows);
        if (!wr_vec_valid(time[b], row))
            continue;
        int64_t t = time[b]->i[row];
        bool begins = !open || is_true(restart, n, rows);
        begins |= wr_vec_valid(longest[b], row) && !__builtin_sub_overflow(t, start, &gap) && gap > longest[b]->i[row];
        begins |= wr_vec_valid(between[b], row) && !__builtin_sub_overflow(t, last, &gap) && gap > between[b]->i[row];
        start = begins ? t : start;
        last = t;
        open = true;
        wr_put_i(&w->cols[b][out], row, start);
    }
}

static bool run_call(struct work *w, const struct wr_serial_call *call, uint16_t out)
{
    const struct wr_vec **arg[4] = {NULL};
    for (uint32_t i = 0; i < call->nargs && i < 4; i++)
        if (!(arg[i] = values(w, call->first + i)))
            return false;
    for (uint32_t i = 0; i < w->in->nbatches; i++) {
        w->ev->nrows = w->in->batch[i]->nrows;
        struct wr_vec *v = wr_vec_new(w->ev, call->type);
        if (!v)
            return false;
        w->cols[i][out] = *v;
    }
    switch (call->fn) {
    case WR_SERIAL_PREV:
    case WR_SERIAL_NEXT:
        shift(w, call, arg[0], arg[1], out);
        break;
    case WR_SERIAL_ROW_NUMBER:
        number(w, call, NULL, arg[0], out);
        break;
    case WR_SERIAL_RANK_DENSE:
    case WR_SERIAL_RANK_MIN:
        number(w, call, arg[0], arg[1], out);
        break;
    case WR_SERIAL_CUMSUM:
        cumsum(w, arg[0], arg[1], out);
        break;
    case WR_SERIAL_SESSION:
        session(w, arg[0], arg[1], arg[2], arg[3], out);
        break;
    }
    return !w->ev->err;
}

static enum wr_err run(struct wr_eval *ev, const struct wr_op *op, const struct wr_rows *in, struct wr_rows *out,
                       const char **ret_why)
{
    const struct wr_serial *spec = op->data;
    uint16_t nin = op->input->schema->ncols;
    struct work w = {.ev = ev, .op = op, .in = in};
    (void)ret_why;
    w.cols = wr_arena_alloc(ev->arena, (in->nbatches + 1) * sizeof *w.cols);
    w.all = wr_arena_alloc(ev->arena, (in->nbatches + 1) * sizeof *w.all);
    if (!w.cols || !w.all)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < in->nbatches; i++) {
        const struct wr_batch *b = in->batch[i];
        w.cols[i] = wr_arena_alloc(ev->arena, (op->schema->ncols + 1u) * sizeof(struct wr_vec));
        w.all[i] = wr_arena_alloc(ev->arena, (b->nrows + 1) * sizeof(uint16_t));
        if (!w.cols[i] || !w.all[i])
            return WR_ENOMEM;
        memcpy(w.cols[i], b->col, nin * sizeof(struct wr_vec));
        for (uint32_t r = 0; r < b->nrows; r++)
            w.all[i][r] = (uint16_t)r;
    }
    for (uint32_t c = 0; c < spec->ncalls; c++)
        if (!run_call(&w, &spec->call[c], (uint16_t)(nin + c)))
            return ev->err ? ev->err : WR_ENOMEM;
    enum wr_err err = WR_OK;
    for (uint32_t i = 0; i < in->nbatches && !err; i++)
        err = wr_rows_add(out, w.cols[i], &(struct wr_sel){w.all[i], in->batch[i]->nrows});
    return err;
}

static void print(const struct wr_op *op, struct wr_buf *out)
{
    const struct wr_serial *spec = op->data;
    for (uint32_t c = 0; c < spec->ncalls; c++) {
        const struct wr_serial_call *call = &spec->call[c];
        wr_buf_fmt(out, "%s%s(", c ? ", " : "", call->name);
        for (uint32_t i = 0; i < call->nargs; i++) {
            wr_buf_str(out, i ? ", " : "");
            wr_ex_print(op->cols[call->first + i], op->schema, out);
        }
        wr_buf_fmt(out, "; %lld)", (long long)call->offset);
    }
}

const struct wr_whole wr_serial_whole = {.name = "serial", .run = run, .print = print};
