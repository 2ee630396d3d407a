/* sort: rows in order of their keys, those of equal keys as they came. */
#include "rules/exec/run_state.h"

#include "rules/fn/kernel.h"

#include "base/decimal.h"

#include <math.h>
#include <stdlib.h>

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

void wr_run_sort_flush(struct wr_run *run, struct node *n)
{
    uint64_t *order = malloc((n->kept.nrows + 1) * sizeof *order);
    struct wr_rows sorted;
    wr_rows_init(&sorted, n->kept.schema, run->batch_rows);
    for (uint64_t i = 0; order && i < n->kept.nrows; i++)
        order[i] = i;
    if (order)
        qsort_r(order, n->kept.nrows, sizeof *order, compare_rows, n);
    else
        wr_run_fail(run, n, WR_ENOMEM, "out of memory");
    for (uint64_t i = 0; order && i < n->kept.nrows && !run->err; i++) {
        uint32_t row;
        const struct wr_batch *b = wr_rows_at(&n->kept, order[i], &row);
        uint16_t at = (uint16_t)row;
        struct wr_sel one = {&at, 1};
        if (wr_rows_add(&sorted, b->col, &one) != WR_OK)
            wr_run_fail(run, n, WR_ENOMEM, "out of memory");
    }
    free(order);
    wr_run_push_rows(run, n->out, &sorted);
    wr_rows_fini(&sorted);
}
