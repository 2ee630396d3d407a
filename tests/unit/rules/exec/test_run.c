#include "build.h"

#include "rules/exec/run.h"
#include "rules/fn/kernel.h"

/* A datatable of (text, long or null) rows. */
struct cell_row {
    const char *text;
    int64_t v;
    bool null;
};

static struct wr_op *op_rows(struct wr_arena *a, uint32_t n, const struct cell_row *rows)
{
    struct wr_op *op = op_new(a, WR_OP_ROWS, NULL);
    struct wr_ex **cells = wr_arena_alloc(a, (2 * n + 1) * sizeof(struct wr_ex *));
    for (uint32_t i = 0; i < n; i++) {
        cells[2 * i] = ex_text(a, rows[i].text);
        cells[2 * i + 1] = rows[i].null ? ex_null(a, WR_LONG) : ex_long(a, rows[i].v);
    }
    op->schema = schema_new(a, 2, (enum wr_type[]){WR_STRING, WR_LONG});
    op->rows = cells;
    op->nrows = n;
    return op;
}

/* The result as "a|b;c|d;". */
static void expect_rows(const struct wr_op *root, uint32_t batch_rows, const char *want)
{
    struct wr_run_opts opts = {.batch_rows = batch_rows};
    struct wr_run *run = wr_run_new(root, &opts);
    const struct wr_rows *rows;
    const char *why;
    struct wr_span span;
    enum wr_err err = wr_run_go(run, 0, &rows, &why, &span);
    cr_assert_eq(err, WR_OK, "%s", why);
    struct wr_buf text = {0};
    for (uint32_t i = 0; i < rows->nbatches; i++)
        for (uint32_t k = 0; k < rows->batch[i]->sel.n; k++) {
            for (uint16_t c = 0; c < rows->schema->ncols; c++) {
                if (c)
                    wr_buf_char(&text, '|');
                if (wr_vec_valid(&rows->batch[i]->col[c], rows->batch[i]->sel.row[k]))
                    wr_text_at(&rows->batch[i]->col[c], rows->batch[i]->sel.row[k], &text);
                else
                    wr_buf_str(&text, "null");
            }
            wr_buf_char(&text, ';');
        }
    wr_buf_char(&text, '\0');
    cr_expect_str_eq(text.data, want, "batch of %u: %s, not %s", batch_rows, text.data, want);
    wr_buf_fini(&text);
    wr_run_free(run);
}

static void expect(const struct wr_op *root, const char *want)
{
    static const uint32_t sizes[] = {1, 2, 3, 1024};
    for (size_t i = 0; i < 4; i++)
        expect_rows(root, sizes[i], want);
}

static const struct cell_row table[] = {{"a", 3, false}, {"b", 0, true},  {"a", 1, false},
                                        {"c", 2, false}, {"b", 5, false}, {"a long text value", 1, false},
                                        {"c", 0, true}};

Test(run, where_keeps_true_only)
{
    struct wr_arena *a = wr_arena_new(4096);
    struct wr_op *t = op_rows(a, 7, table);
    expect(op_where(a, t, ex_call(a, ">", "TT:b", WR_BOOL, 2, ex_col(a, 1, WR_LONG), ex_long(a, 1))),
           "a|3;c|2;b|5;");
    expect(op_where(a, t, ex_call(a, "!=", "TT:b", WR_BOOL, 2, ex_col(a, 1, WR_LONG), ex_long(a, 1))),
           "a|3;b|null;c|2;b|5;c|null;");
    wr_arena_free(a);
}

Test(run, sort_is_stable_and_puts_nulls_where_asked)
{
    struct wr_arena *a = wr_arena_new(4096);
    struct wr_op *sort = op_new(a, WR_OP_SORT, op_rows(a, 7, table));
    struct wr_sort_key key = {.ex = ex_col(a, 1, WR_LONG), .desc = true};
    sort->keys = &key;
    sort->nsort = 1;
    expect(sort, "b|5;a|3;c|2;a|1;a long text value|1;b|null;c|null;");
    key.desc = false;
    key.nulls_first = true;
    expect(sort, "b|null;c|null;a|1;a long text value|1;c|2;a|3;b|5;");
    struct wr_op *take = op_new(a, WR_OP_TAKE, sort);
    take->count = 3;
    expect(take, "b|null;c|null;a|1;");
    wr_arena_free(a);
}

Test(run, summarize_by_key_in_first_seen_order)
{
    struct wr_arena *a = wr_arena_new(4096);
    struct wr_ex *v = ex_col(a, 1, WR_LONG), *k = ex_col(a, 0, WR_STRING);
    struct wr_agg_call aggs[] = {
        agg_call(a, "count", ":l", WR_LONG, NULL, NULL),       agg_call(a, "sum", "l:l", WR_LONG, v, NULL),
        agg_call(a, "min", "l:l", WR_LONG, v, NULL),           agg_call(a, "max", "l:l", WR_LONG, v, NULL),
        agg_call(a, "dcount", "*l?:l", WR_LONG, v, NULL),      agg_call(a, "avg", "l:r", WR_REAL, v, NULL),
        agg_call(a, "make_list", "*l?:y", WR_DYNAMIC, v, NULL)};
    expect(
        op_summarize(a, op_rows(a, 7, table), 1, &k, 7, aggs),
        "a|2|4|1|3|2|2.0|[3,1];b|2|5|5|5|1|5.0|[5];c|2|2|2|2|1|2.0|[2];a long text value|1|1|1|1|1|1.0|[1];");
    struct wr_ex *by_value = v;
    expect(op_summarize(a, op_rows(a, 7, table), 1, &by_value, 0, NULL), "3;null;1;2;5;");
    wr_arena_free(a);
}

Test(run, summarize_of_nothing_is_one_row_without_keys_and_none_with)
{
    struct wr_arena *a = wr_arena_new(4096);
    struct wr_ex *v = ex_col(a, 1, WR_LONG), *k = ex_col(a, 0, WR_STRING);
    struct wr_agg_call aggs[] = {
        agg_call(a, "count", ":l", WR_LONG, NULL, NULL), agg_call(a, "sum", "l:l", WR_LONG, v, NULL),
        agg_call(a, "max", "l:l", WR_LONG, v, NULL), agg_call(a, "avg", "l:r", WR_REAL, v, NULL),
        agg_call(a, "make_set", "*l?:y", WR_DYNAMIC, v, NULL)};
    expect(op_summarize(a, op_rows(a, 0, table), 0, NULL, 5, aggs), "0|0|null|NaN|[];");
    expect(op_summarize(a, op_rows(a, 0, table), 1, &k, 5, aggs), "");
    wr_arena_free(a);
}

Test(run, aggregates_of_text_and_rows_of_extremes)
{
    struct wr_arena *a = wr_arena_new(4096);
    struct wr_ex *v = ex_col(a, 1, WR_LONG), *k = ex_col(a, 0, WR_STRING);
    struct wr_agg_call aggs[] = {
        agg_call(a, "max", "s:s", WR_STRING, k, NULL), agg_call(a, "arg_max", "*T:T", WR_STRING, v, k),
        agg_call(a, "arg_min", "*T:T", WR_STRING, v, k), agg_call(a, "take_any", "T:T", WR_STRING, k, NULL),
        agg_call(a, "stdev", "r:r", WR_REAL, v, NULL)};
    expect(op_summarize(a, op_rows(a, 5, table), 0, NULL, 5, aggs), "c|b|a|a|1.707825127659933;");
    wr_arena_free(a);
}

Test(run, union_gives_the_rows_of_both)
{
    struct wr_arena *a = wr_arena_new(4096);
    struct wr_op *both[] = {op_rows(a, 2, table), op_rows(a, 1, table + 3)};
    struct wr_op *u = op_new(a, WR_OP_UNION, NULL);
    u->schema = both[0]->schema;
    u->inputs = both;
    u->ninputs = 2;
    expect(u, "a|3;b|null;c|2;");
    wr_arena_free(a);
}

Test(run, map_sees_the_input_row)
{
    struct wr_arena *a = wr_arena_new(4096);
    struct wr_op *map = op_new(a, WR_OP_MAP, op_rows(a, 2, table));
    struct wr_ex *cols[] = {ex_long(a, 7), ex_col(a, 0, WR_STRING),
                            ex_call(a, "+", "LL:l", WR_LONG, 2, ex_col(a, 1, WR_LONG), ex_long(a, 1))};
    map->cols = cols;
    map->schema = schema_new(a, 3, (enum wr_type[]){WR_LONG, WR_STRING, WR_LONG});
    expect(map, "7|a|4;7|b|null;");
    wr_arena_free(a);
}

Test(run, memory_bound_stops_with_a_reason)
{
    struct wr_arena *a = wr_arena_new(4096);
    struct wr_ex *k = ex_col(a, 0, WR_STRING);
    struct wr_op *sum = op_summarize(a, op_rows(a, 7, table), 1, &k, 0, NULL);
    sum->span = (struct wr_span){17, 9};
    struct wr_run_opts opts = {.batch_rows = 2, .memory_bytes = 100};
    struct wr_run *run = wr_run_new(sum, &opts);
    const struct wr_rows *rows;
    const char *why;
    struct wr_span span;
    cr_expect_eq(wr_run_go(run, 0, &rows, &why, &span), WR_ELIMIT);
    cr_expect_eq(span.at, 17);
    cr_expect_not_null(strstr(why, "memory"));
    wr_run_free(run);
    wr_arena_free(a);
}
