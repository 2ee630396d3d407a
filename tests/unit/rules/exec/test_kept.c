/* Aggregates that are computed from kept values, and the sketches. */
#include "expect.h"

#define T "datatable(k: string, x: long, y: real, w: long, d: dynamic)[" \
          "'a', 12, 1.0, 8, dynamic({'p': 1}), 'a', 10, 2.0, 6, dynamic({'p': 'x', 'q': [1, 2.5]}), " \
          "'b', 5, 4.0, 3, dynamic([true]), 'b', long(null), 5.0, 1, dynamic(null)] "

Test(kept, bits_of_all_values)
{
    expect(T "| summarize binary_all_and(x), o = binary_all_or(x), e = binary_all_xor(x) by k", "k|x|o|e;a|8|14|6;b|5|5|5");
    expect(T "| where x == 0 | summarize binary_all_and(x)", "x;null");
}

Test(kept, lists_with_their_nulls)
{
    expect(T "| summarize make_list_with_nulls(x), make_list(x) by k", "k|list_x|list_x1;a|[12,10]|[12,10];b|[5,null]|[5]");
    expect("datatable(d: dynamic)[dynamic([1,2]), dynamic(null)] | summarize make_list_with_nulls(d), make_list(d)",
           "list_d|list_d1;[[1,2],null]|[1,2]");
}

Test(kept, covariance_of_samples_and_of_all)
{
    expect("range i from 1 to 4 step 1 | extend j = i * i | summarize covariance(i, j), covariancep(i, j), c = covarianceif(i, j, i < 3)",
           "covariance_i|covariancep_i|c;8.333333333333334|6.25|1.5");
}

Test(kept, percentiles_with_weights)
{
    expect(T "| summarize percentilew(x, w, 50), percentilesw(y, w, 50, 100), percentilesw_array(y, w, 50, 100), percentiles_array(x, dynamic([0, 100])) by k",
           "k|percentile_x_50|percentile_y_50|percentile_y_100|percentiles_y|percentiles_x;"
           "a|12|1.0|2.0|[1.0,2.0]|[10,12];b|5|4.0|5.0|[4.0,5.0]|[5,5]");
    expect("datatable(t: datetime)[datetime(2026-01-01), datetime(2026-01-02)] | summarize percentiles_array(t, 50, 100)",
           "percentiles_t;[\"2026-01-01T00:00:00.0000000Z\",\"2026-01-02T00:00:00.0000000Z\"]");
    refuse(T "| summarize percentiles_array(x, 50, 101)", "the percentiles are constants from 0 to 100");
    refuse(T "| summarize percentilew(x, w, y)", "the percentile is a constant from 0 to 100");
}

Test(kept, schemas_in_the_order_of_their_parts)
{
    expect(T "| summarize buildschema(d) by k", "k|schema_d;a|{\"p\":[\"long\",\"string\"],\"q\":{\"`indexer`\":[\"long\",\"double\"]}};b|{\"`indexer`\":\"bool\"}");
    expect("range i from 1 to 5000 step 1 | extend d = bag_pack(tostring(i), i) | summarize buildschema(d)",
           "q.kql:1:71: error: a configured limit was reached\n"
           "    range i from 1 to 5000 step 1 | extend d = bag_pack(tostring(i), i) | summarize buildschema(d)\n"
           "                                                                          ^~~~~~~~~~~~~~~~~~~~~~~~\n");
}

Test(kept, sketches_of_few_values_are_exact)
{
    expect("range i from 1 to 1000 step 1 | summarize h = hll(i % 700), h2 = hll_if(i, i > 990), t = tdigest(i) "
           "| project dcount_hll(h), dcount_hll(h2), dcount_hll(hll_merge(h, h2)), percentile_tdigest(t, 50), rank_tdigest(t, 685), "
           "percentrank_tdigest(t, 250), percentiles_array_tdigest(t, 10, 90)",
           "dcount_hll_h|dcount_hll_h2|dcount_hll_hll_merged_result|percentile_tdigest_t|Column1|Column2|percentile_tdigest_t1;700|10|710|500|685.0|25.0|[100,900]");
}

Test(kept, sketches_of_many_values_are_near)
{
    expect("range i from 1 to 60000 step 1 | summarize h = hll(i), h4 = hll(i, 4), t = tdigest(i) "
           "| extend n = dcount_hll(h), n4 = dcount_hll(h4), p = todouble(percentile_tdigest(t, 99)) "
           "| project abs(n - 60000) < 1500, abs(n4 - 60000) < 400, abs(p - 59400) < 60, isnull(hll_merge(h, h4)), strlen(tostring(h)) < 17000",
           "Column1|Column2|Column3|Column4|Column5;True|True|True|True|True");
    expect("range i from 1 to 60000 step 1 | summarize h = hll(i), t = tdigest(i) by g = i % 7 | summarize h = hll_merge(h), t = tdigest_merge(t) "
           "| project abs(dcount_hll(h) - 60000) < 1500, abs(todouble(percentile_tdigest(t, 50)) - 30000) < 200",
           "Column1|Column2;True|True");
}

Test(kept, what_is_no_sketch_gives_null)
{
    expect("print dcount_hll(dynamic({})), dcount_hll(dynamic({'hll':14,'registers':'AB'})), dcount_hll(dynamic({'hll':99,'hashes':[]})), "
           "dcount_hll(dynamic({'hll':14,'hashes':['x']})), percentile_tdigest(dynamic({'tdigest':[1]}), 5), "
           "percentile_tdigest(dynamic({'tdigest':[1,-1]}), 5), percentile_tdigest(dynamic({'tdigest':[]}), 5), percentile_tdigest(dynamic({'tdigest':[1,1]}), 101)",
           "print_0|print_1|print_2|print_3|print_4|print_5|print_6|print_7;null|null|null|null|null|null|null|null");
    expect("print percentile_tdigest(dynamic({'tdigest':[1.5,2]}), 50, typeof(real)), dcount_hll(dynamic({'hll':12,'hashes':[7,7,9]}))",
           "print_0|print_1;1.5|2");
    refuse("print x = 1 | summarize hll(x, 5)", "the accuracy is a constant from 0 to 4");
}
