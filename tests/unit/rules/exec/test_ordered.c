/* Operators over ordered rows and over parts of a table. */
#include "expect.h"

#define T "datatable(k:string, a:long, t:datetime)['x', 1, datetime(2026-01-01 00:10), 'y', 5, datetime(2026-01-01 00:20), " \
          "'x', 2, datetime(2026-01-01 02:30), 'x', long(null), datetime(2026-01-01 02:40)]"

Test(ordered, rows_around_a_row)
{
    expect(T "| serialize | project p = prev(a), n = next(a, 2, -1), q = prev(k, 1, 'none')",
           "p|n|q;null|2|none;1|null|x;5|-1|y;2|-1|x");
    expect(T "| sort by a asc | project a, d = a - prev(a)", "a|d;null|null;1|null;2|1;5|3");
    expect(T "| serialize | where prev(a) == 1 | project a", "a;5");
    expect(T "| sort by t asc | extend n = row_number(), c = row_cumsum(a), m = row_number(10, k != prev(k)) | project n, c, m",
           "n|c|m;1|1|10;2|6|10;3|8|10;4|8|11");
    expect(T "| serialize s = row_cumsum(a, k != prev(k)) | project s", "s;1;5;2;2");
    expect(T "| sort by k asc, a asc nulls last | extend d = row_rank_dense(k), m = row_rank_min(k) | project k, d, m",
           "k|d|m;x|1|1;x|1|1;x|1|1;y|2|4");
    expect(T "| serialize | extend s = row_window_session(t, 1d, 1h) | summarize n = count() by s",
           "s|n;2026-01-01T00:10:00.0000000Z|2;2026-01-01T02:30:00.0000000Z|2");
    expect(T "| serialize | extend s = row_window_session(t, 15m, 1h, k == 'y') | summarize n = count() by s | project n",
           "n;1;1;2");
    expect("range x from 1 to 3 step 1 | extend prev(x)", "x|Column1;1|null;2|1;3|2");
    expect(T "| sort by a | take 2 | project row_number()", "Column1;1;2");
}

Test(ordered, order_is_asked_for)
{
    refuse(T "| extend prev(a)", "'prev' needs rows in an order");
    refuse(T "| sort by a | summarize count() by k | extend row_number()", "'row_number' needs rows in an order");
    refuse(T "| sort by a | summarize x = max(prev(a))", "'prev' cannot stand here");
    refuse(T "| serialize | extend x = prev(a, 0)", "a whole number that is known beforehand is needed here");
    refuse(T "| serialize | extend x = row_cumsum(k)", "row_cumsum takes numbers; this is a string");
    refuse(T "| serialize | extend x = next()", "'next' takes 1 to 3 arguments");
    refuse(T "| scan with (step s: true;)", "scan needs rows in an order");
}

Test(ordered, pieces_run_for_each_row)
{
    expect("datatable(a:int, d:dynamic)[1, dynamic([3, 1]), 2, dynamic([]), 3, dynamic(null)]"
           "| mv-apply d to typeof(long) on (summarize s = sum(d), n = count())",
           "a|s|n;1|4|2;2|0|0;3|0|1");
    expect("datatable(a:int, d:dynamic)[1, dynamic([3, 1, 5]), 2, dynamic([2])] | mv-apply with_itemindex=i x = d to typeof(long)"
           " on (top 1 by x) | project a, x, i",
           "a|x|i;1|5|2;2|2|0");
    expect("datatable(a:int, d:dynamic)[1, dynamic([1, 2]), 2, dynamic([2])] | mv-apply x = d to typeof(int) on (where x == a)"
           "| project a, x",
           "a|x;1|1;2|2");
    /* Columns that nothing reads stand before and between those that the piece and the result read. */
    expect("datatable(u:int, a:int, v:string, d:dynamic, e:int)[9, 1, 'v', dynamic([3, 1]), 7, 8, 2, 'w', dynamic([2]), 6] "
           "| extend f = e + 1, g = u | mv-apply with_itemindex=i x = d to typeof(long) on (summarize s = sum(x * a), m = max(i))"
           " | project s, e, m, f",
           "s|e|m|f;4|7|1|8;4|6|0|7");
    expect("datatable(u:int, d:dynamic, v:string)[1, dynamic([[1, 2], [3]]), 'v'] | mv-apply x = d on (extend z = x | mv-apply "
           "with_itemindex=k y = x to typeof(long) on (summarize s = sum(y + u), n = max(k)) | project s, n, z) | project n, s, z",
           "n|s|z;1|5|[1,2];0|4|[3]");
    expect("datatable(u:int, d:dynamic, v:string, w:int)[1, dynamic([5, 6]), 'v', 4] | mv-expand with_itemindex=i x = d to "
           "typeof(long) | extend q = x + i + w | project v, q",
           "v|q;v|9;v|11");
    expect("datatable(u:int, d:dynamic)[1, dynamic([5, 6])] | mv-expand d to typeof(long) | summarize n = count()", "n;2");
    expect("print d = dynamic([1, 2, 3]) | mv-apply d limit 2 on (extend y = 1 | project y)", "y;1;1");
    expect("let L = datatable(v:long)[2, 3]; print d = dynamic([1, 2, 3]) | mv-apply d to typeof(long) on (where d in (L))",
           "d;2;3");
    expect("print d = dynamic([1, 2]) | mv-apply d to typeof(long) on (extend e = row_cumsum(d))", "d|e;1|1;2|3");
    expect("print d = dynamic(['2026-01-01T00:00:00Z', 5]), e = dynamic(['00:00:05', 'x']) | mv-expand d to typeof(datetime), "
           "e to typeof(timespan)",
           "d|e;2026-01-01T00:00:00.0000000Z|00:00:05;null|null");
    expect("print g = dynamic(['6f9619ff-8b86-d011-b42d-00cf4fc964ff', 'x']) | mv-expand g to typeof(guid)",
           "g;6f9619ff-8b86-d011-b42d-00cf4fc964ff;null");
    refuse("print d = 1 | mv-apply d on (count)", "mv-apply takes dynamic values; this is a long");
    refuse("print d = dynamic([]) | mv-apply d on (nonsense)", "no operator 'nonsense'");
}

Test(ordered, parts_of_a_table)
{
    expect(T "| partition by k (top 1 by a | project k, a)", "k|a;x|2;y|5");
    expect(T "| partition hint.strategy=native by k (summarize n = count(), s = sum(a))", "n|s;3|3;1|5");
    expect(T "| partition by k (extend n = row_number() | where n == 2) | project a", "a;2");
    expect(T "| partition by k (extend m = strcat(k, toscalar(k)) | project m, a | top 1 by a)", "m|a;xx|2;yy|5");
    refuse(T "| partition by z (count)", "no column 'z' in this partition's input");
    refuse(T "| partition by d (count) | extend d = 1", "no column 'd' in this partition's input");
    refuse("print d = dynamic(1) | partition by d (count)", "dynamic values cannot be keys");
}

#define S "let S = datatable(k:string, b:long)['x', 10, 'y', 20, 'x', 30, 'z', 40]; "

Test(ordered, parts_with_a_source_of_their_own)
{
    expect(S T "| partition by k { S | where k == toscalar(k) | summarize n = count(), b = sum(b) by k }",
           "k|n|b;x|2|40;y|1|20");
    expect(S T "| partition hint.strategy=legacy hint.concurrency=4 by k { S | where k != toscalar(k) | top 1 by b asc | "
               "extend not = toscalar(k) }",
           "k|b|not;y|20|x;x|10|y");
    expect(T "| partition by a { print v = toscalar(a) | extend w = isnull(v) } | where isnull(v) or v > 1",
           "v|w;5|False;2|False;null|True");
    expect(S T "| where a > 100 | partition by k { S | take 1 }", "k|b");
    expect(S T "| partition by k { S | join kind=inner (S | where k == toscalar(k) | project b) on b | project b }",
           "b;10;30;20");
    expect(S "S | partition by k { range x from 1 to 2 step 1 | extend d = pack_array(x, 7) | mv-apply d to typeof(long) on "
             "(summarize m = max(d), k = take_any(toscalar(k))) }",
           "x|m|k;1|7|x;2|7|x;1|7|y;2|7|y;1|7|z;2|7|z");
    expect("range x from 1 to 64 step 1 | partition by x { print v = toscalar(x) } | summarize max(v), count()",
           "max_v|count_;64|64");
    expect("range x from 1 to 65 step 1 | partition by x { print v = 1 }",
           "q.kql:1:31: error: a partition whose query has a source of its own runs for at most 64 different keys\n"
           "    range x from 1 to 65 step 1 | partition by x { print v = 1 }\n"
           "                                  ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n");
    expect(S T "| partition by k { S | where b in ((S | where k == toscalar(k) | project b)) }", "k|b;x|10;x|30;y|20");
    refuse(S T "| partition by k { S | where b == toscalar(a) }", "no value 'a'");
    refuse(S T "| partition by k { S | where b == a }", "no column 'a' in this where's input");
    refuse(S T "| partition by k { S | where b > toscalar(S | where k == toscalar(k) | summarize max(b)) }",
           "'k' of a part is not known here");
    refuse(S T "| partition by k { S | extend h = b in ((S | where k == toscalar(k) | project b)) }",
           "'k' of a part is not known here");
    refuse(S T "| partition by k { S | count ", "expected '|' or '}' after this query, but the query ends here");
    refuse("let L = datatable(b:long)[1] | where b == toscalar(k); " T "| partition by k { L }", "no value 'k'");
}

Test(ordered, series)
{
    expect(T "| make-series n = count(), s = sum(a) default = -1 on t from datetime(2026-01-01) to datetime(2026-01-01 04:00) "
             "step 1h by k | sort by k asc | project k, n, s, m = array_length(t)",
           "k|n|s|m;x|[1,0,2,0]|[1,-1,2,-1]|4;y|[1,0,0,0]|[5,-1,-1,-1]|4");
    expect(T "| make-series n = count() on t step 1h | project n, t[0], t[2]",
           "n|t_0|t_2;[2,0,2]|2026-01-01T00:00:00.0000000Z|2026-01-01T02:00:00.0000000Z");
    expect(T "| make-series n = count() on a in range(1, 5, 2) | project n, a", "n|a;[1,1,1]|[0,2,4]");
    expect(T "| make-series n = count() default = 7 on x = a from 0.5 to 3.0 step 1.0 by k | sort by k asc | project k, n, x",
           "k|n|x;x|[1,1,7]|[0.5,1.5,2.5]");
    expect("print a = 1 | where a > 1 | make-series kind=nonempty n = count() on a from 0 to 3 step 1", "n|a;[0,0,0]|[0,1,2]");
    expect("print a = 1 | where a > 1 | make-series n = count() on a from 0 to 3 step 1 | count", "Count;0");
    refuse(T "| make-series kind=full count() on t step 1h", "no make-series of kind 'full'");
    refuse(T "| make-series count() on k step 1h", "a series runs along numbers or times; this is a string");
    refuse(T "| make-series count() on t from 1 to 2 step 1h", "'>=' does not take datetime and long");
    expect("print a = 1 | make-series n = count() on a from 0 to 10000000 step 1",
           "q.kql:1:15: error: this series has more than 1,048,576 points\n    print a = 1 | make-series n = count() on a from 0 to 10000000 step 1\n"
           "                  ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n");
}

Test(ordered, nested_tops)
{
    expect(T "| top-nested 1 of k by sum(a), top-nested 1 of a by n = count() asc",
           "k|aggregated_k|a|n;y|5|5|1");
    expect(T "| top-nested of k by c = count() asc, top-nested 2 of a by max(a)",
           "k|c|a|aggregated_a;y|1|5|5;x|3|2|2;x|3|1|1");
    expect(T "| top-nested 1 of k by s = 1 + sum(a)", "k|s;y|6");
    expect(T "| top-nested of k by ignore = max(1), top-nested 1 of a by m = todouble(sum(a)) / count() | project-away ignore",
           "k|a|m;x|2|2.0;y|5|5.0");
    refuse(T "| top-nested 1 of k by strlen(k)", "column 'k' stands outside of an aggregate");
    refuse(T "| top-nested 1 of k by (x, y) = arg_max(a, t)", "top-nested ranks by one value: count(), sum(x) / count(), ...");
}

/* State, source, place: storms as on the page that shows all of what others can be. */
#define W "let W = datatable(s:string, o:string, p:string, d:long)['KS', 'law', 'ft', 9, 'KS', 'law', 'x', 4, 'KS', 'pub', 'b', 8, " \
          "'KS', 'pub', 'b', 7, 'KS', 'spot', 'y', 1, 'KS', 'mail', 'y', 2, 'TX', 'pub', 'am', 20, 'TX', 'law', 'pe', 9, " \
          "'TX', 'law', 'q', 2, 'NE', 'law', 'o', 6, 'NE', 'pub', 'o', 5, 'IA', 'pub', 'r', 3]; "

Test(ordered, nested_tops_with_others)
{
    expect(W "W | top-nested 2 of s with others = 'rest' by sum(d)", "s|aggregated_s;KS|31;TX|31;rest|14");
    expect(W "W | top-nested 2 of s with others = 'rest states' by sum(d), top-nested 2 of o by sum(d), "
             "top-nested 1 of p with others = 'rest places' by sum(d)",
           "s|aggregated_s|o|aggregated_o|p|aggregated_p;KS|31|pub|15|b|15;KS|31|law|13|ft|9;TX|31|pub|20|am|20;"
           "TX|31|law|11|pe|9;KS|31|law|13|rest places|4;KS|31||null|rest places|3;TX|31|law|11|rest places|2;"
           "rest states|14||null|rest places|14");
    expect(W "W | top-nested 1 of s with others = 'rest' by dcount(o), top-nested 1 of p by count()",
           "s|aggregated_s|p|aggregated_p;KS|4|b|2;rest|2||null");
    expect(W "W | top-nested of s with others = 'none' by max(1) | count", "Count;4");
    expect(W "W | top-nested 1 of d with others = -1 by r = sum(d) * 1.0 / count() asc", "d|r;1|1.0;-1|6.818181818181818");
    expect("datatable(k:string, n:long)['a', 1, '', 2, 'a', long(null)] | top-nested 1 of k by count(), top-nested 1 of n with "
           "others = 7 by count()",
           "k|aggregated_k|n|aggregated_n;a|2|1|1;|null|7|1;a|2|7|1");
    refuse(W "W | top-nested 1 of s with others = 5 by sum(d)", "the others' value is a long, and the key a string");
    refuse(W "W | top-nested 1 of s with others = o by sum(d)", "no value 'o'");
    refuse(W "W | top-nested 1 of s with others = tostring(now()) by sum(d)", "the others' value is a constant");
    refuse(W "W | top-nested 1 of s with rest = 'x' by sum(d)", "expected 'others' after 'with', found 'rest'");
}

Test(ordered, steps)
{
    expect("range x from 1 to 6 step 1 | scan with_match_id=m declare (n:long = 0) with (step a output=last: x % 3 != 0 => n = a.n + 1; "
           "step b: x % 3 == 0;)",
           "x|n|m;2|2|0;3|0|0;5|2|1;6|0|1");
    expect("range x from 1 to 4 step 1 | scan declare (first:long) with (step a output=none: x == 2 => first = x; "
           "step b: x > a.x => first = a.first;) | project x, first",
           "x|first;3|2;4|2");
    refuse("range x from 1 to 4 step 1 | scan with (step a: true => y = 1;)", "an assignment goes to a declared column");
    refuse("range x from 1 to 4 step 1 | scan with (step a: x > a.z;)", "no column 'z' in this scan");
    refuse("range x from 1 to 4 step 1 | scan with (step a optional: true;)", "optional steps of scan are not supported");
    refuse("range x from 1 to 4 step 1 | scan order by x partition by x with (step a: true;)", "'order' of scan is not supported");
    refuse("range x from 1 to 4 step 1 | scan kind=full with (step a: true;)", "'kind' of scan is not supported");
    refuse("range x from 1 to 4 step 1 | scan with (step a: true; step a: true;)", "a second step 'a'");
}

/* The walk-through, the fill and the sessions of the operator's page; users whose log-ins meet their log-outs. */
Test(ordered, steps_as_on_the_page)
{
    expect("let E = datatable(Ts:timespan, Event:string)[0m, 'A', 1m, 'Start', 2m, 'B', 3m, 'D', 4m, 'Stop', 6m, 'C', 8m, 'Start',"
           " 11m, 'E', 12m, 'Stop']; E | sort by Ts asc | scan with_match_id=m with (step s1: Event == 'Start'; step s2: Event != "
           "'Start' and Event != 'Stop' and Ts - s1.Ts <= 5m; step s3: Event == 'Stop' and Ts - s1.Ts <= 5m;)",
           "Ts|Event|m;00:01:00|Start|0;00:02:00|B|0;00:03:00|D|0;00:04:00|Stop|0;00:08:00|Start|1;00:11:00|E|1;00:12:00|Stop|1");
    expect("datatable(Ts:timespan, E:string)[0m, 'A', 1m, '', 2m, 'B', 3m, '', 6m, 'C', 8m, ''] | sort by Ts asc | scan declare "
           "(F:string=\"\") with (step s1: true => F = iff(isempty(E), s1.F, E);) | project F",
           "F;A;A;B;B;C;C");
    expect("datatable(t:datetime, u:int, e:string)[datetime(2024-05-28 08:15:23), 1, 'login', datetime(2024-05-28 08:30:15), 2, "
           "'login', datetime(2024-05-28 12:30:45), 1, 'logout', datetime(2024-05-28 11:45:32), 2, 'logout'] | sort by u asc, t asc"
           " | partition hint.strategy=native by u (sort by t asc | scan declare (start:datetime, d:timespan) with ("
           "step s1 output=none: e == 'login' => start = t; step s2 output=all: e == 'logout' => start = s1.start, "
           "d = t - s1.start;)) | project start, u, d",
           "start|u|d;2024-05-28T08:15:23.0000000Z|1|04:15:22;2024-05-28T08:30:15.0000000Z|2|03:15:17");
    expect("datatable(t:int, e:string)[1, 'a', 2, 'a', 3, 'b', 4, 'b', 5, 'c', 6, 'a'] | sort by t asc | scan with_match_id=m with "
           "(step x output=last: e == 'a'; step y output=none: e == 'b'; step z: e == 'c' and t - x.t < 5 and y.t == 4;)",
           "t|e|m;2|a|0;5|c|0;6|a|1");
}

#define U "let A = datatable(s:string, n:long)['a fox', 1, 'dog', 2]; let B = datatable(s:string, r:real)['fox', 1.5, 'b', 2.0];"

Test(ordered, conditions_about_any_column)
{
    expect(U "A | where * has 'FOX' | project n", "n;1");
    expect(U "A | where * == 2 | project s", "s;dog");
    expect(U "search in (A, B) 'fox'", "$table|s|n|r;A|a fox|1|null;B|fox|null|1.5");
    expect(U "search in (A, B) 'fo*' and n == 1", "$table|s|n|r;A|a fox|1|null");
    expect(U "A | search s:'*og' or n == 1 | project n", "n;1;2");
    expect(U "A | search kind=case_sensitive 'Fox' | count", "Count;0");
    expect(U "find in (A, B) where s has 'fox'", "source_|s|pack_;A|a fox|{\"n\":1};B|fox|{\"r\":1.5}");
    expect(U "find in (A, B) where r == 2.0", "source_|s|r;B|b|2.0");
    expect(U "find withsource=src in (A, B) where s == 'dog' project n, r", "src|n|r;A|2|null");
    refuse(U "search 'fox'", "search over every table is refused");
    refuse(U "search in (A) z == 1", "no column 'z' in the tables of this search");
    refuse(U "A | where * + 1 > 2", "'*' cannot stand here");
}

Test(ordered, small_ones)
{
    expect(U "A | getschema", "ColumnName|ColumnOrdinal|DataType|ColumnType;s|0|System.String|string;n|1|System.Int64|long");
    expect(U "A | assert-schema (s:string, n:long) | count", "Count;2");
    expect(U "A | project-by-names 'n', dynamic(['z', 's'])", "n|s;1|a fox;2|dog");
    expect(U "union A, A | sample-distinct 1 of s", "s;a fox");
    expect(U "union A, A | top-hitters 1 of s by n", "s|approximate_sum_n;dog|4");
    expect(U "A | consume", "s|n");
    expect("range t from now() to now() + 150m step 1h | project h = (t - now()) / 1h, r = row_number()", "h|r;0.0|1;1.0|2;2.0|3");
    expect("range x from 3 to tolong(now() - now()) step -1 | project x", "x;3;2;1;0");
    expect("range x from now() to now() + 1d step 1tick | count",
           "q.kql:1:1: error: range makes more than 1,000,000 rows\n    range x from now() to now() + 1d step 1tick | count\n"
           "    ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n");
    expect(U "A | sample 1 | count", "Count;1");
    refuse(U "A | assert-schema (s:string, n:int)", "column 2 is 'n' of type long");
}
