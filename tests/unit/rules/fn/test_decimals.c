/* Decimals in queries: arithmetic, comparison, order, aggregates. */
#include "../exec/expect.h"

Test(decimals, arithmetic_has_34_digits_and_mixes_with_other_numbers)
{
    expect("print a = decimal(0.1) + decimal(0.2), b = decimal(1) / 3, c = decimal(2) * 1.5, d = 7 "
           "- decimal(0.5), e = decimal(-7) % 3",
           "a|b|c|d|e;0.3|0.3333333333333333333333333333333333|3|6.5|2");
    expect("print a = -decimal(1.50), b = decimal(1) / 0, c = decimal(1e6000) * decimal(1e6000), d "
           "= abs(decimal(-2)), e = ceiling(decimal(-1.2))",
           "a|b|c|d|e;-1.5|null|null|2|-1");
    expect("print a = round(decimal(2.345), 2), b = round(decimal(2.5)), c = bin(decimal(17.3), "
           "5), d = sqrt(decimal(16)), e = 1d / decimal(2)",
           "a|b|c|d|e;2.35|3|15|4.0|12:00:00");
    expect("print a = tolong(decimal(12)), b = toreal(decimal(1.5)), c = tostring(decimal(1.50)), "
           "d = todecimal('12345678901234567.89'), "
           "e = todecimal('x')",
           "a|b|c|d|e;12|1.5|1.5|12345678901234567.89|null");
}

Test(decimals, compare_by_value)
{
    expect("print a = decimal(1.50) == decimal(1.5), b = decimal(10) > decimal(9), c = "
           "decimal(12345678901234567.1) < decimal(12345678901234567.2), "
           "d = decimal(2) == 2, e = decimal(2) in (1, 2), f = decimal(2.5) between (2 .. 3)",
           "a|b|c|d|e|f;True|True|True|True|True|True");
    expect("datatable(x: decimal)[decimal(10), decimal(9.5), decimal(null), decimal(-3)] | sort by "
           "x asc",
           "x;null;-3;9.5;10");
    expect("datatable(x: decimal)[decimal(1.0), decimal(1), decimal(1.00)] | summarize n = count() "
           "by x",
           "x|n;1|3");
    expect("print x = max_of(decimal(12345678901234567.1), decimal(12345678901234567.2))",
           "x;12345678901234567.2");
}

Test(decimals, aggregate)
{
    expect("datatable(x: decimal)[decimal(0.1), decimal(0.2), decimal(null), decimal(10)] "
           "| summarize s = sum(x), a = avg(x), lo = min(x), hi = max(x), n = dcount(x), c = "
           "sumif(x, x < 1)",
           "s|a|lo|hi|n|c;10.3|3.433333333333333333333333333333333|0.1|10|3|0.3");
    expect("datatable(x: decimal)[] | summarize s = sum(x), a = avg(x), lo = min(x)",
           "s|a|lo;0|null|null");
    expect("datatable(k: string, x: decimal)['a', decimal(9), 'b', decimal(10)] | summarize "
           "arg_max(x, k)",
           "x|k;10|b");
}
