/* Small functions over numbers and bags, as queries. */
#include "tests/unit/rules/exec/expect.h"

Test(values, around_takes_both_ends)
{
    expect("print a = around(5, 3, 2), b = around(5.1, 3, 2), c = around(datetime(2026-01-01), "
           "datetime(2026-01-02), 1d), "
           "d = around(1h, 3h, 119m), e = around(long(null), 1, 1)",
           "a|b|c|d|e;True|False|True|False|null");
    expect("print a = around(-9223372036854775807, 9223372036854775807, 1)", "a;False");
}

Test(values, beta_and_gamma)
{
    expect("print a = round(beta_cdf(0.2, 1.0, 1.0), 12), b = beta_inv(0.0, 2.0, 3.0), c = "
           "beta_inv(2.0, 2.0, 3.0), "
           "d = beta_pdf(0.5, 1.0, 1.0), e = beta_cdf(0.5, 0.0, 1.0), f = "
           "round(beta_inv(beta_cdf(0.3, 2.0, 5.0), 2.0, 5.0), 12)",
           "a|b|c|d|e|f;0.2|4.94065645841247e-324|null|1.0|NaN|0.3");
    expect("print a = gamma(5.0), b = round(loggamma(10.0), 9), c = bitset_count_ones(-1), d = "
           "ceiling(3), e = ceiling(2.1)",
           "a|b|c|d|e;24.0|12.80182748|64|3|3.0");
}

Test(values, bags_take_keys_and_paths)
{
    expect("print a = bag_has_key(dynamic({'a':{'b':1},'$.x':2}), '$.a.b'), b = "
           "bag_has_key(dynamic({'a':{'b':1}}), '$.a.c'), "
           "c = bag_has_key(dynamic({'$':2}), '$')",
           "a|b|c;True|False|True");
    expect("print a = bag_remove_keys(dynamic({'a':{'b':1,'c':2},'d':3,'e':4}), dynamic(['$.a.b', "
           "'d', '$.a.x', 'y', 7])), "
           "b = bag_remove_keys(dynamic({'a':1}), dynamic(['a'])), c = "
           "bag_remove_keys(dynamic({'a':{'b':1}}), dynamic(['$.a.b']))",
           "a|b|c;{\"a\":{\"c\":2},\"e\":4}|{}|{\"a\":{}}");
}

Test(values, one_lookup_does_not_touch_what_another_one_wrote)
{
    expect("print a = replace_strings('cat dog cat', dynamic(['cat','dog']), "
           "dynamic(['dog','bird'])), "
           "b = replace_strings('aXXb', dynamic(['X','aY']), dynamic(['Y','!'])), c = "
           "replace_strings('abc', dynamic(['', 'b']), dynamic(['x']))",
           "a|b|c;dog bird dog|aYYb|axc");
}

Test(values, functions_over_columns)
{
    expect("let T = datatable(a: string, b: int)[]; print column_names_of(T), column_names_of((T | project c = b))",
           "print_0|print_1;[\"a\",\"b\"]|[\"c\"]");
    expect("datatable(a: string, b: int, c: datetime, d: dynamic, e: guid, f: bool)['xyz', 1, datetime(null), dynamic([1,2]), guid(null), true] "
           "| project s = estimate_data_size(*), t = estimate_data_size(a, b)",
           "s|t;37|7");
    refuse("print x = column_names_of(1)", "column_names_of takes a table");
}

Test(values, masks_sets_and_repeats)
{
    expect("print parse_ipv4_mask('10.1.2.3', 8), parse_ipv4_mask('10.1.2.3/16', 24), parse_ipv4_mask('10.1.2.3', 33), parse_ipv4_mask('x', 8)",
           "print_0|print_1|print_2|print_3;167772160|167837696|null|null");
    expect("print set_equals(dynamic([1,2,2]), dynamic([2,1])), set_equals(dynamic([1]), dynamic(['1'])), set_equals(dynamic([]), dynamic({}))",
           "print_0|print_1|print_2;True|False|null");
    expect("print repeat('a', 3), repeat(1, 0), repeat(1, -1), strlen(tostring(repeat(strrep('x', 1000), 10000)))",
           "print_0|print_1|print_2|print_3;[\"a\",\"a\",\"a\"]|[]|null|0");
}

Test(values, a_name_made_from_an_expression_takes_the_columns_place)
{
    expect("datatable(x: real, y: dynamic, y_k: long)[1.5, dynamic({'k': 3}), 7] | extend tolong(x), y.k, x", "x|y|y_k;1|{\"k\":3}|3");
    expect("print x = 2.5 | project x, tolong(x)", "x|x1;2.5|2");
}

Test(values, weeks_and_old_names)
{
    expect("print week_of_year(datetime(2021-01-03)), weekofyear(datetime(2020-12-28)), extractall('([a-z])', 'a1b2')",
           "print_0|print_1|print_2;53|53|[\"a\",\"b\"]");
}

Test(values, holes_between_whole_numbers_are_filled_with_whole_ones)
{
    expect("print series_fill_linear(dynamic([null, 111, null, 36])), series_fill_linear(dynamic([null, 111.0, null, 36])), "
           "series_fill_linear(dynamic([-3, null, -2]))",
           "print_0|print_1|print_2;[111,111,73,36]|[111,111,73.5,36]|[-3,-2,-2]");
}
