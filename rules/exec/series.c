/* make-series: rows of (keys, step, aggregates), of which each series gets its array. Rows of a series need not stand
 * together. */
#include "rules/plan/series.h"

#include "rules/exec/key.h"
#include "rules/exec/rows.h"
#include "rules/fn/json.h"
#include "rules/fn/kernel.h"
#include "rules/plan/bind.h"

#include <math.h>
#include <stdlib.h>

struct axis {
    bool real;
    int64_t from, step;
    double rfrom, rstep;
    uint64_t n; /* points */
};

struct entry {
    struct wr_buf key;
    uint64_t row; /* of the input */
    uint64_t at;  /* point of the axis */
};

struct work {
    struct wr_eval *ev;
    const struct wr_op *op;
    const struct wr_series *spec;
    const struct wr_rows *in;
    struct axis axis;
};

static bool end_value(struct work *w, uint32_t which, int64_t *ret, double *ret_real)
{
    uint16_t zero = 0;
    w->ev->nrows = 1;
    const struct wr_vec *v = wr_ex_eval(w->ev, w->op->cols[which], NULL, &(struct wr_sel){&zero, 1});
    if (!v || !wr_vec_valid(v, 0))
        return false;
    *ret = v->i ? v->i[0] : 0;
    *ret_real = v->r ? v->r[0] : (double)*ret;
    return true;
}

/* The step's column of every row, least and greatest. */
static bool seen(const struct work *w, struct axis *low, struct axis *high)
{
    bool any = false;
    for (uint32_t i = 0; i < w->in->nbatches; i++) {
        const struct wr_vec *v = &w->in->batch[i]->col[w->spec->nkeys];
        for (uint32_t r = 0; r < w->in->batch[i]->nrows; r++) {
            if (!wr_vec_valid(v, r))
                continue;
            int64_t x = v->i ? v->i[r] : 0;
            double y = v->r ? v->r[r] : (double)x;
            if (!any || y < low->rfrom) {
                low->from = x;
                low->rfrom = y;
            }
            if (!any || y > high->rfrom) {
                high->from = x;
                high->rfrom = y;
            }
            any = true;
        }
    }
    return any;
}

/* The points of the axis. False when there are none; *ret_why when there are too many. */
static bool lay_out(struct work *w, const char **ret_why)
{
    struct axis low = {0}, high = {0}, *a = &w->axis;
    bool any = seen(w, &low, &high);
    a->real = w->spec->axis == WR_REAL;
    if (!end_value(w, 2, &a->step, &a->rstep) || !(a->rstep > 0))
        return false;
    if ((w->spec->has_from && !end_value(w, 0, &low.from, &low.rfrom)) ||
        (w->spec->has_to && !end_value(w, 1, &high.from, &high.rfrom)) ||
        (!any && !(w->spec->has_from && w->spec->has_to)))
        return false;
    if (w->spec->inclusive && !a->real) {
        int64_t rest = low.from % a->step;
        low.from -= rest < 0 ? rest + a->step : rest;
        low.rfrom = (double)low.from;
    } else if (w->spec->inclusive) {
        low.rfrom = floor(low.rfrom / a->rstep) * a->rstep;
    }
    a->from = low.from;
    a->rfrom = low.rfrom;
    double n = a->real ? (high.rfrom - low.rfrom) / a->rstep
                       : ((double)high.from - (double)low.from) / (double)a->step;
    bool open = w->spec->has_to && !w->spec->inclusive;
    n = open ? ceil(n) : floor(n) + 1;
    if (n > WR_SERIES_MAX_POINTS)
        *ret_why = "this series has more than 1,048,576 points";
    a->n = n > 0 && n <= WR_SERIES_MAX_POINTS ? (uint64_t)n : 0;
    return a->n > 0;
}

static int by_key(const void *x, const void *y)
{
    const struct entry *a = x, *b = y;
    size_t n = a->key.len < b->key.len ? a->key.len : b->key.len;
    int c = n ? memcmp(a->key.data, b->key.data, n) : 0;
    if (!c)
        c = (a->key.len > b->key.len) - (a->key.len < b->key.len);
    return c ? c : (a->row > b->row) - (a->row < b->row);
}

/* Which point a row belongs to; n when none. */
static uint64_t point_of(const struct work *w, const struct wr_vec *v, uint32_t row)
{
    const struct axis *a = &w->axis;
    if (!wr_vec_valid(v, row))
        return a->n;
    double at = a->real ? round((v->r[row] - a->rfrom) / a->rstep)
                        : (double)((v->i[row] - a->from) / a->step);
    return at >= 0 && at < (double)a->n ? (uint64_t)at : a->n;
}

static void axis_value(const struct work *w, uint64_t n, struct wr_buf *out)
{
    int64_t i = w->axis.from + (int64_t)n * w->axis.step;
    double r = w->axis.rfrom + (double)n * w->axis.rstep;
    struct wr_vec v = {.type = w->spec->axis, .i = w->axis.real ? NULL : &i, .r = w->axis.real ? &r : NULL};
    wr_json_cell(&v, 0, out);
}

static void fill_value(const struct wr_value *f, struct wr_buf *out)
{
    struct wr_value v = *f;
    uint64_t valid = !v.null;
    bool text = wr_type_is_str(v.type), real = v.type == WR_REAL;
    struct wr_vec vec = {.type = v.type, .valid = &valid};
    vec.s = text ? &v.s : NULL;
    vec.r = real ? &v.r : NULL;
    vec.i = text || real ? NULL : &v.i;
    wr_json_cell(&vec, 0, out);
}

/* One series: rows e[0..n), n 0: all points are filled. */
static enum wr_err emit(struct work *w, struct entry *e, uint64_t n, uint64_t *at, struct wr_rows *out)
{
    uint16_t ncols = w->op->schema->ncols, zero = 0;
    uint32_t nkeys = w->spec->nkeys, naggs = ncols - nkeys - 1u;
    struct wr_vec *cols = wr_arena_alloc(w->ev->arena, ncols * sizeof *cols);
    struct wr_buf text = {0};
    w->ev->nrows = 1;
    if (!cols)
        return WR_ENOMEM;
    for (uint64_t p = 0; p < w->axis.n; p++)
        at[p] = 0;
    for (uint64_t i = 0; i < n; i++)
        if (e[i].at < w->axis.n)
            at[e[i].at] = e[i].row + 1;
    for (uint16_t c = 0; c < ncols; c++) {
        struct wr_vec *v = wr_vec_new(w->ev, w->op->schema->cols[c].type);
        uint32_t row = 0;
        if (!v)
            return WR_ENOMEM;
        cols[c] = *v;
        if (c < nkeys) {
            const struct wr_batch *b = n ? wr_rows_at(w->in, e[0].row, &row) : NULL;
            if (b)
                wr_cell_copy(&b->col[c], row, &cols[c], 0);
            continue;
        }
        uint32_t agg = c - nkeys;
        wr_buf_reset(&text);
        for (uint64_t p = 0; p < w->axis.n; p++) {
            wr_buf_char(&text, p ? ',' : '[');
            const struct wr_batch *b = at[p] ? wr_rows_at(w->in, at[p] - 1, &row) : NULL;
            if (agg == naggs)
                axis_value(w, p, &text);
            else if (b)
                wr_json_cell(&b->col[nkeys + 1 + agg], row, &text);
            else
                fill_value(&w->spec->fill[agg], &text);
        }
        wr_buf_char(&text, ']');
        if (!text.err)
            wr_put_text(w->ev, &cols[c], 0, text.data, text.len);
    }
    enum wr_err err = text.err || w->ev->err ? WR_ENOMEM : wr_rows_add(out, cols, &(struct wr_sel){&zero, 1});
    wr_buf_fini(&text);
    return err;
}

static enum wr_err all_series(struct work *w, struct entry *e, uint64_t *at, struct wr_rows *out,
                              const char **ret_why)
{
    uint64_t n = 0, points = 0;
    enum wr_err err = WR_OK;
    for (uint32_t i = 0; i < w->in->nbatches && !err; i++) {
        const struct wr_batch *b = w->in->batch[i];
        for (uint32_t r = 0; r < b->nrows && !err; r++, n++) {
            wr_key_pack(b->col, w->spec->nkeys, r, &e[n].key);
            e[n].row = n;
            e[n].at = point_of(w, &b->col[w->spec->nkeys], r);
            err = e[n].key.err ? WR_ENOMEM : WR_OK;
        }
    }
    if (!err)
        qsort(e, n, sizeof *e, by_key);
    for (uint64_t i = 0, k; i < n && !err; i = k) {
        for (k = i + 1; k < n && e[k].key.len == e[i].key.len &&
                        (!e[i].key.len || memcmp(e[k].key.data, e[i].key.data, e[i].key.len) == 0);)
            k++;
        points += w->axis.n;
        if (points > 16 * (uint64_t)WR_SERIES_MAX_POINTS) {
            *ret_why = "all series together have more than 16,777,216 points";
            return WR_ELIMIT;
        }
        err = emit(w, e + i, k - i, at, out);
    }
    if (!n && !err && w->spec->nonempty && !w->spec->nkeys)
        err = emit(w, e, 0, at, out);
    return err;
}

static enum wr_err run(struct wr_eval *ev, const struct wr_op *op, const struct wr_rows *in, struct wr_rows *out,
                       const char **ret_why)
{
    struct work w = {.ev = ev, .op = op, .spec = op->data, .in = in};
    if (!lay_out(&w, ret_why))
        return ev->err ? ev->err : *ret_why ? WR_ELIMIT : WR_OK;
    struct entry *e = calloc(in->nrows + 1, sizeof *e);
    uint64_t *at = calloc(w.axis.n, sizeof *at);
    enum wr_err err = e && at ? all_series(&w, e, at, out, ret_why) : WR_ENOMEM;
    for (uint64_t i = 0; e && i < in->nrows; i++)
        wr_buf_fini(&e[i].key);
    free(e);
    free(at);
    return err;
}

static void print(const struct wr_op *op, struct wr_buf *out)
{
    const struct wr_series *spec = op->data;
    static const char *const what[] = {"from ", "to ", "step "};
    wr_buf_fmt(out, "of %u keys%s%s", spec->nkeys, spec->nonempty ? " nonempty" : "", spec->inclusive ? " closed" : "");
    for (int i = 0; i < 3; i++) {
        if ((i == 0 && !spec->has_from) || (i == 1 && !spec->has_to))
            continue;
        wr_buf_fmt(out, ", %s", what[i]);
        wr_ex_print(op->cols[i], NULL, out);
    }
    for (uint32_t c = spec->nkeys; c + 1u < op->schema->ncols; c++) {
        wr_buf_str(out, c == spec->nkeys ? " else " : ", ");
        fill_value(&spec->fill[c - spec->nkeys], out);
    }
}

const struct wr_whole wr_series_whole = {.name = "make-series", .run = run, .print = print};
