/* Operators that begin a plan: rows of constants, ranges, lists from outside. */
#include "rules/exec/run_state.h"

#include "rules/plan/external.h"

#include <math.h>

/* datatable, print: cells are expressions over nothing. */
void wr_run_leaf_rows(struct wr_run *run, struct node *n)
{
    struct wr_rows rows;
    uint16_t zero = 0, ncols = n->op->schema->ncols;
    struct wr_sel first = {&zero, 1};
    wr_rows_init(&rows, n->op->schema, run->batch_rows);
    for (uint32_t r = 0; r < n->op->nrows && !run->err; r++) {
        struct wr_vec *cols = wr_arena_alloc(run->scratch, (ncols + 1u) * sizeof *cols);
        run->ev.nrows = 1;
        for (uint16_t c = 0; cols && c < ncols; c++) {
            const struct wr_vec *v = wr_ex_eval(&run->ev, n->op->rows[r * ncols + c], NULL, &first);
            if (!v)
                break;
            cols[c] = *v;
        }
        if (!cols || run->ev.err || wr_rows_add(&rows, cols, &first) != WR_OK)
            wr_run_fail(run, n, WR_ENOMEM, "out of memory");
        wr_arena_reset(run->scratch);
    }
    wr_run_push_rows(run, n->out, &rows);
    wr_rows_fini(&rows);
}

/* from, from + step, ... to: both ends included; none when an end is null or the step leads away. */
void wr_run_leaf_range(struct wr_run *run, struct node *n)
{
    uint16_t zero = 0;
    struct wr_sel first = {&zero, 1};
    struct wr_vec end[3];
    bool real = n->op->schema->cols[0].type == WR_REAL, all = true;
    run->ev.nrows = 1;
    for (int i = 0; i < 3 && all; i++) {
        const struct wr_vec *v = wr_ex_eval(&run->ev, n->op->rows[i], NULL, &first);
        all = v && wr_vec_valid(v, 0);
        if (all)
            end[i] = *v;
    }
    if (run->ev.err)
        wr_run_fail(run, n, run->ev.err, wr_strerror(run->ev.err));
    if (!all || run->err)
        return;
    double step = real ? end[2].r[0] : (double)end[2].i[0];
    double width = real ? end[1].r[0] - end[0].r[0] : (double)end[1].i[0] - (double)end[0].i[0];
    double count = step != 0 && width / step >= 0 ? floor(width / step) + 1 : 0;
    struct wr_rows rows;
    wr_rows_init(&rows, n->op->schema, run->batch_rows);
    if (!(count <= WR_RANGE_ROWS_MAX))
        wr_run_fail(run, n, WR_ELIMIT, "range makes more than 1,000,000 rows");
    for (int64_t k = 0; k < (int64_t)count && !run->err; k++) {
        int64_t i = real ? 0 : end[0].i[0] + k * end[2].i[0];
        double r = real ? end[0].r[0] + (double)k * step : 0;
        struct wr_vec v = {.type = n->op->schema->cols[0].type, .i = real ? NULL : &i, .r = real ? &r : NULL};
        if (wr_rows_add(&rows, &v, &first) != WR_OK)
            wr_run_fail(run, n, WR_ENOMEM, "out of memory");
    }
    wr_arena_reset(run->scratch);
    wr_run_push_rows(run, n->out, &rows);
    wr_rows_fini(&rows);
}

void wr_run_leaf_external(struct wr_run *run, struct node *n)
{
    const struct wr_external_table *table = n->op->external;
    const struct wr_rows *rows = table->acquire(table);
    if (!rows) {
        wr_run_fail(run, n, WR_ENOMEM, "out of memory");
        return;
    }
    wr_run_push_rows(run, n->out, rows);
    table->release(table, rows);
}
