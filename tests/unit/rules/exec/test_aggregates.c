/* Aggregates through wr_query: one datatable with nulls, one result each. */
#include "rules/fn/kernel.h"
#include "rules/rules.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct wr_query *compile(const char *aggregate, struct wr_diags *diags)
{
    char text[1024];
    int n = snprintf(text, sizeof text,
                     "datatable(k:string, x:long, r:real, b:bool, d:dynamic)["
                     "'a', 1, 1.5, true, dynamic({'p':1}), 'b', 4, 2.5, false, dynamic({'q':2}),"
                     "'', long(null), real(null), bool(null), dynamic(null),"
                     "'c', 9, -1.0, true, dynamic({'p':3,'s':4}), 'a', 2, 8.5, true, dynamic([1])]"
                     " | summarize %s",
                     aggregate);
    return wr_query_new("t.kql", text, (size_t)n, 2, diags);
}

/* The only row: its cells as text with blanks between; "null" for null. */
static void check(const char *aggregate, const char *names, const char *want)
{
    struct wr_diags diags;
    struct wr_buf said = {0}, have = {0}, cols = {0};
    cr_assert(wr_diags_init(&diags));
    struct wr_query *q = compile(aggregate, &diags);
    wr_diags_print(&diags, &said);
    wr_buf_char(&said, '\0');
    cr_assert_not_null(q, "%s: %s", aggregate, said.data);
    struct wr_result res;
    cr_assert_eq(wr_query_run(q, 0, &diags, &res), WR_OK);
    cr_assert(res.nbatches == 1 && res.batches[0]->sel.n == 1);
    for (uint16_t c = 0; c < res.schema->ncols; c++) {
        const struct wr_vec *v = &res.batches[0]->col[c];
        uint32_t row = res.batches[0]->sel.row[0];
        wr_buf_str(&cols, c ? " " : "");
        wr_buf_str(&cols, res.schema->cols[c].name);
        wr_buf_str(&have, c ? " " : "");
        if (wr_vec_valid(v, row))
            wr_text_at(v, row, &have);
        else
            wr_buf_str(&have, "null");
    }
    wr_buf_char(&have, '\0');
    wr_buf_char(&cols, '\0');
    cr_expect_str_eq(have.data, want, "%s: %s, not %s", aggregate, have.data, want);
    cr_expect_str_eq(cols.data, names, "%s: %s, not %s", aggregate, cols.data, names);
    wr_query_free(q);
    wr_diags_fini(&diags);
    wr_buf_fini(&said);
    wr_buf_fini(&have);
    wr_buf_fini(&cols);
}

static void refused(const char *aggregate, const char *why)
{
    struct wr_diags diags;
    struct wr_buf said = {0};
    cr_assert(wr_diags_init(&diags));
    cr_expect_null(compile(aggregate, &diags));
    wr_diags_print(&diags, &said);
    wr_buf_char(&said, '\0');
    cr_expect(strstr(said.data, why) != NULL, "%s: %s", aggregate, said.data);
    wr_diags_fini(&diags);
    wr_buf_fini(&said);
}

Test(aggregates, a_condition_that_is_null_does_not_count)
{
    check("minif(x, b), maxif(x, not(b))", "minif_x maxif_x", "1 4");
    check("avgif(r, b), minif(r, x > 100)", "avgif_r minif_r", "3.0 null");
    check("make_list_if(x, b), make_set_if(k, b)", "list_x set_k", "[1,9,2] [\"a\",\"c\"]");
    check("make_list_if(x, b, 2)", "list_x", "[1,9]");
    check("take_anyif(k, x > 5)", "k", "c");
    check("count_distinct(k), count_distinctif(k, b)", "count_distinct_k count_distinctif_k", "4 2");
}

Test(aggregates, several_columns_come_from_one_row)
{
    check("take_any(d, k, x), take_any(x), any(r, k)", "d k x x1 any_r any_k", "{\"p\":1} a 1 1 1.5 a");
    check("take_any(iff(x == 1, long(null), x), k), take_any(iff(x == 1, long(null), x))", "any_arg0 k any_arg01", "null a 4");
}

Test(aggregates, deviations_of_a_sample_and_of_all)
{
    check("variance(x), variancep(x)", "variance_x variancep_x", "12.666666666666666 9.5");
    check("varianceif(x, b), variancepif(x, x > 100)", "varianceif_x variancepif_x", "19.0 0.0");
    check("stdevp(x) > stdev(x)", "Column1", "False");
}

Test(aggregates, bags_are_merged_and_the_first_member_holds)
{
    check("make_bag(d), make_bag(d, 1)", "bag_d bag_d1", "{\"p\":1,\"q\":2,\"s\":4} {\"p\":1}");
    check("make_bag_if(d, x > 4), make_bag_if(d, x > 100)", "bag_d bag_d1", "{\"p\":3,\"s\":4} {}");
}

Test(aggregates, percentiles_are_the_nearest_rank)
{
    check("percentile(x, 50), percentile(r, 100), percentile(x, 0)", "percentile_x_50 percentile_r_100 percentile_x_0",
          "2 8.5 1");
    check("percentile(x, 50) / count(), round(percentile(r, 100) * 1.0 / max(x), 2)", "Column1 Column2", "0 0.94");
    check("percentiles(x, 25, 99.9)", "percentile_x_25 percentile_x_99_9", "1 9");
    check("(lo, hi) = percentiles(x, 5, 95)", "lo hi", "1 9");
    check("percentile(x, 50) * 2", "Column1", "4");
    refused("percentile(x, 101)", "constant from 0 to 100");
    refused("percentiles(x, 1, 2) * 2", "several columns");
}

Test(aggregates, a_wrong_pattern_is_told_with_its_place)
{
    refused("countif(k matches regex '(a')", "missing )");
    refused("countif(isempty(extract_all('a', k)))", "needs a group");
}
