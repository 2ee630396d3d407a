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

Test(values, values_of_several_types_in_one_column)
{
    expect("datatable(n:long)[1, 2] | project x = iff(n == 1, n, 'none'), y = case(n == 1, 'a', n == 2, 1h, 5), z = iff(n == 1, '5', 2)",
           "x|y|z;1|a|5;none|01:00:00|2");
    expect("print gettype(iff(true, '5', 2)), gettype(iff(false, '5', 2)), x = iff(true, '', 2), y = iff(true, long(null), 'x')",
           "print_0|print_1|x|y;string|long||null");
    expect("print a = iff(true, dynamic('7'), 2) + 1, b = case(false, 1h, dynamic('02:00:00')) * 2, c = iff(true, dynamic([1]), 5), d = iff(false, 1, dynamic(2.5))",
           "a|b|c|d;8|04:00:00|null|2");
    refuse("print coalesce('a', 1)", "'coalesce' does not take (string, long)");
}

Test(values, a_number_beside_a_bool_is_one_or_zero)
{
    expect("datatable(b:bool, n:long)[true, 1, false, 0, bool(null), 1, true, 2] | where b == 1 | project b, n, s = b == n, t = n != b, u = b in (0, 2)",
           "b|n|s|t|u;True|1|True|False|False;True|2|False|True|False");
    expect("datatable(b:bool)[true, false, bool(null)] | where b != 0", "b;True;null");
    refuse("print b = true | where b > 0", "'>' does not take bool and long");
}

Test(values, whole_numbers_stay_whole_when_rounded)
{
    expect("print a = round(12345, -2), b = round(-15, -1), c = round(25, -1), d = round(9223372036854775807, -1), e = round(7, 3), f = round(5, -30), "
           "g = gettype(round(int(5))), h = gettype(round(5.5)), i = round(long(null))",
           "a|b|c|d|e|f|g|h|i;12300|-20|20|null|7|0|int|real|null");
}

Test(values, several_arrays_are_sorted_together)
{
    expect("datatable(a:dynamic, b:dynamic, c:dynamic)[dynamic([3,null,1,1]), dynamic(['x','y','z','w']), dynamic([1])] "
           "| project array_sort_asc(a, b, c), (d, e) = array_sort_desc(a, b, false), f = array_sort_asc(a, false), array_sort_desc(a, b)[1]",
           "a_sorted|b_sorted|c_sorted|d|e|f|b_sorted1;[1,1,3,null]|[\"z\",\"w\",\"x\",\"y\"]|null|[null,3,1,1]|"
           "[\"y\",\"x\",\"z\",\"w\"]|[null,1,1,3]|[\"x\",\"z\",\"w\",\"y\"]");
    expect("print array_sort_asc(dynamic([2,1]), dynamic(['b','a'])), array_sort_asc(dynamic(5), dynamic([1]))[0]",
           "array0_sorted|array1_sorted|print_1;[1,2]|[\"a\",\"b\"]|null");
    expect("datatable(a:dynamic, b:dynamic)[dynamic([1]), dynamic(null)] | extend a = array_sort_asc(a, b)", "a|b|b_sorted;[1]|null|null");
    refuse("print array_sort_asc(dynamic([1]), 5)", "'array_sort_asc' takes arrays, 8 at most, and a bool behind them");
}

#define NOT_IN_RE2(what) "this regular expression cannot be used: " what " (not in RE2, whose matches take linear time)"

Test(values, patterns_that_the_library_would_read_otherwise_are_refused_by_name)
{
    expect("print 'b' matches regex '[]b]', ']' matches regex '[^]a]', 'é' matches regex '[[:^ascii:]]', '[' matches regex @'[\\[\\]]', "
           "'a--' matches regex @'^[a\\--]+$', 'x' matches regex '(?<n>x)(?i-s:Y)?', '&&--~~' matches regex '&&--~~'",
           "print_0|print_1|print_2|print_3|print_4|print_5|print_6;True|False|True|True|True|True|True");
    refuse("print 'a' matches regex '(?=a)'", NOT_IN_RE2("look-ahead"));
    refuse("print 'a' matches regex 'a(?!b)'", NOT_IN_RE2("look-ahead"));
    refuse("print extract('(?<=x)a', 0, 'xa')", NOT_IN_RE2("look-behind"));
    refuse("print replace_regex('aa', @'(a)\\1', 'b')", NOT_IN_RE2("a back-reference"));
    refuse("print 'a' matches regex '(?>a)'", NOT_IN_RE2("an atomic group"));
    refuse("print 'a' matches regex '(?ix) a'", NOT_IN_RE2("flags x, u and R"));
    refuse("print 'b' matches regex '[a-c&&[^b]]'", NOT_IN_RE2("&&, -- or ~~ between classes; write the class that comes out, and \\ before a character"));
    refuse("print 'b' matches regex '[a-z--c]'", NOT_IN_RE2("&&, -- or ~~ between classes; write the class that comes out, and \\ before a character"));
    refuse("print 'b' matches regex '[b[c]]'", NOT_IN_RE2("a class inside of a class; the character is \\["));
    refuse("print 'a' matches regex 'a{1001}'", "this regular expression cannot be used: what repeats may repeat 1,000 times at most");
    refuse("print 'a' matches regex '[a'", "this regular expression cannot be used: missing ]: [a");
}

Test(values, reals_that_are_no_numbers)
{
    expect("print real(nan), real(inf), real(+inf), double(-Inf)", "print_0|print_1|print_2|print_3;NaN|Infinity|Infinity|-Infinity");
}

Test(values, a_month_and_a_year_begin_with_their_first_day)
{
    expect("print a = datetime(2021-05), b = todatetime('2021'), c = todatetime('2021-12'), d = todatetime('20 Dec 2022'), e = todatetime('2021-13'), "
           "f = todatetime('202105')",
           "a|b|c|d|e|f;2021-05-01T00:00:00.0000000Z|2021-01-01T00:00:00.0000000Z|2021-12-01T00:00:00.0000000Z|2022-12-20T00:00:00.0000000Z|null|null");
}
