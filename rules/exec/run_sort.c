/* sort: rows in order of their keys, those of equal keys as they came. */
#include "rules/exec/run_state.h"

#include "rules/fn/kernel.h"

#include "base/decimal.h"

#include <math.h>
#include <stdlib.h>

/* Of a sort whose first rows are all that is wanted: sorted and cut each time that so many more have come. */
enum { CUT_MORE = 8192, CUT_MOST = 1 << 20 };

/* -1, 0, 1 of two keys; nulls and NaN go where the key says, NaN nearer to the values. */
static int compare_key(const struct wr_sort_key *key, const struct wr_vec *a, uint32_t i,
                       const struct wr_vec *b, uint32_t j)
{
    int out_a = !wr_vec_valid(a, i) ? 2 : a->r && isnan(a->r[i]);
    int out_b = !wr_vec_valid(b, j) ? 2 : b->r && isnan(b->r[j]);
    if (out_a || out_b)
        return key->nulls_first ? (out_a < out_b) - (out_a > out_b) : (out_a > out_b) - (out_a < out_b);
    int cmp = a->type == WR_DECIMAL
                  ? wr_dec_text_cmp(wr_str_data(&a->s[i]), a->s[i].len, wr_str_data(&b->s[j]), b->s[j].len)
              : a->s ? wr_str_cmp(&a->s[i], &b->s[j])
              : a->r ? (a->r[i] > b->r[j]) - (a->r[i] < b->r[j])
                     : (a->i[i] > b->i[j]) - (a->i[i] < b->i[j]);
    return key->desc ? -cmp : cmp;
}

static int compare_rows(const void *x, const void *y, void *arg)
{
    const struct node *n = arg;
    uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;
    uint32_t i, j;
    const struct wr_batch *p = wr_rows_at(&n->keys, a, &i), *q = wr_rows_at(&n->keys, b, &j);
    for (uint32_t k = 0; k < n->op->nsort; k++) {
        int cmp = compare_key(&n->op->keys[k], &p->col[k], i, &q->col[k], j);
        if (cmp)
            return cmp;
    }
    return (a > b) - (a < b); /* stable */
}

/* How many rows the operators behind want at most: `sort | take 10` need not keep all. */
static uint64_t wanted(const struct node *n)
{
    const struct node *out = n->out;
    while (out && out->op && out->op->kind == WR_OP_MAP) /* row for row */
        out = out->out;
    return out && out->op && out->op->kind == WR_OP_TAKE ? (uint64_t)out->op->count : UINT64_MAX;
}

static enum wr_err add_at(struct wr_rows *to, const struct wr_rows *from, uint64_t n)
{
    uint32_t row;
    const struct wr_batch *b = wr_rows_at(from, n, &row);
    uint16_t at = (uint16_t)row;
    return wr_rows_add(to, b->col, &(struct wr_sel){&at, 1});
}

/* The first `most` rows in order are what is kept. */
static enum wr_err put_in_order(struct wr_run *run, struct node *n, uint64_t most)
{
    uint64_t *order = malloc((n->kept.nrows + 1) * sizeof *order), nrows = n->kept.nrows;
    if (!order)
        return WR_ENOMEM;
    for (uint64_t i = 0; i < nrows; i++)
        order[i] = i;
    qsort_r(order, nrows, sizeof *order, compare_rows, n);
    struct wr_rows kept, keys;
    wr_rows_init(&kept, n->kept.schema, run->batch_rows);
    wr_rows_init(&keys, n->keys.schema, run->batch_rows);
    enum wr_err err = WR_OK;
    for (uint64_t i = 0; i < nrows && i < most && !err; i++) {
        err = add_at(&kept, &n->kept, order[i]);
        if (!err && most != UINT64_MAX)
            err = add_at(&keys, &n->keys, order[i]);
    }
    free(order);
    wr_rows_fini(&n->kept);
    wr_rows_fini(&n->keys);
    n->kept = kept;
    n->keys = keys;
    return err;
}

/* Rows that come before the last one kept. */
static struct wr_sel before_last(struct wr_run *run, struct node *n, const struct wr_vec *keys, const struct wr_sel *sel,
                                 uint64_t most)
{
    struct wr_sel some = {wr_arena_alloc(run->scratch, (sel->n + 1) * sizeof *some.row), 0};
    uint32_t last;
    const struct wr_batch *b = wr_rows_at(&n->keys, most - 1, &last);
    for (uint32_t i = 0; some.row && i < sel->n; i++) {
        int cmp = 0;
        for (uint32_t k = 0; k < n->op->nsort && !cmp; k++)
            cmp = compare_key(&n->op->keys[k], &keys[k], sel->row[i], &b->col[k], last);
        if (cmp < 0) /* an equal one stands behind it */
            some.row[some.n++] = sel->row[i];
    }
    return some;
}

enum wr_err wr_run_sort_add(struct wr_run *run, struct node *n, const struct wr_chunk *chunk)
{
    uint64_t most = wanted(n);
    struct wr_vec *keys = wr_arena_alloc(run->scratch, (n->op->nsort + 1) * sizeof *keys);
    for (uint32_t k = 0; keys && k < n->op->nsort; k++) {
        const struct wr_vec *v = wr_ex_eval(&run->ev, n->op->keys[k].ex, chunk->col, &chunk->sel);
        if (!v)
            return WR_ENOMEM;
        keys[k] = *v;
    }
    if (!keys || run->ev.err)
        return WR_ENOMEM;
    struct wr_sel sel = n->cut ? before_last(run, n, keys, &chunk->sel, most) : chunk->sel;
    if (!sel.row)
        return WR_ENOMEM;
    enum wr_err err = most ? wr_rows_add(&n->keys, keys, &sel) : WR_OK;
    if (!err && most)
        err = wr_rows_add(&n->kept, chunk->col, &sel);
    if (err || most > CUT_MOST || n->kept.nrows < most + CUT_MORE)
        return err;
    n->cut = true;
    return put_in_order(run, n, most);
}

void wr_run_sort_flush(struct wr_run *run, struct node *n)
{
    if (put_in_order(run, n, wanted(n)) != WR_OK)
        wr_run_fail(run, n, WR_ENOMEM, "out of memory");
    wr_run_push_rows(run, n->out, &n->kept);
}
