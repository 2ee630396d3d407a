/* Operators over several tables, and functions of one's own: text in, rows out, in batches of 1, 2, 3, 1024. */
#include "expect.h"

#define L "let L = datatable(k:string, a:long)['x', 1, 'y', 2, 'x', 3, 'z', 4];"
#define R "let R = datatable(k:string, b:long)['x', 10, 'y', 20, 'x', 30, 'w', 40];"

Test(ops, joins_of_every_kind)
{
    expect(L R "L | join R on k", "k|a|k1|b;x|1|x|10;x|1|x|30;y|2|y|20");
    expect(L R "L | join kind=inner hint.strategy=shuffle (R) on k",
           "k|a|k1|b;x|1|x|10;x|1|x|30;y|2|y|20;x|3|x|10;x|3|x|30");
    expect(L R "L | join kind=leftouter (R) on $left.k == $right.k",
           "k|a|k1|b;x|1|x|10;x|1|x|30;y|2|y|20;x|3|x|10;x|3|x|30;z|4||null");
    expect(L R "L | where a < 3 | join kind=rightouter R on k", "k|a|k1|b;x|1|x|10;x|1|x|30;y|2|y|20;|null|w|40");
    expect(L R "L | where a > 2 | join kind=fullouter R on k",
           "k|a|k1|b;x|3|x|10;x|3|x|30;z|4||null;|null|y|20;|null|w|40");
    expect(L R "L | join kind=leftsemi R on k", "k|a;x|1;y|2;x|3");
    expect(L R "L | join kind=leftanti R on k", "k|a;z|4");
    expect(L R "L | join kind=rightsemi R on k", "k|b;x|10;y|20;x|30");
    expect(L R "L | join kind=rightanti R on k", "k|b;w|40");
}

Test(ops, join_columns_get_free_names_and_filters_go_below_innerunique)
{
    expect("print k = 1, a = 2, k1 = 3 | join (print k = 1, a1 = 5, a = 6) on k", "k|a|k1|k2|a1|a2;1|2|3|1|5|6");
    expect(L R "L | join R on k | where a == 3 | project a, b", "a|b;3|10;3|30");
    expect(L R "L | join R on k | summarize n = count(), s = sum(b)", "n|s;3|60");
}

/* arg_max(t, *) over a table of Microsoft's has an aggregate for each of 160 columns. */
Test(ops, aggregates_for_every_column_of_a_wide_table)
{
    struct wr_buf query = {0}, want = {0};
    wr_buf_str(&query, "range x from 1 to 9 step 1 | extend k = x % 2 | summarize ");
    for (int i = 0; i < 200; i++)
        wr_buf_fmt(&query, "%sa%d = %s(x + %d%s)", i ? ", " : "", i, i % 4 == 0 ? "min" : i % 4 == 1 ? "max" : i % 4 == 2 ? "sum" : "arg_max",
                   i, i % 4 == 3 ? ", x" : "");
    wr_buf_str(&query, " by k | sort by k asc | project k");
    wr_buf_str(&want, "k");
    for (int i = 0; i < 200; i += 7) {
        wr_buf_fmt(&query, ", a%d", i);
        wr_buf_fmt(&want, "|a%d", i);
    }
    for (int k = 0; k < 2; k++) {
        int n = k ? 5 : 4, least = k ? 1 : 2, most = k ? 9 : 8, sum = k ? 25 : 20;
        wr_buf_fmt(&want, ";%d", k);
        for (int i = 0; i < 200; i += 7)
            wr_buf_fmt(&want, "|%d", i % 4 == 0 ? least + i : i % 4 == 1 ? most + i : i % 4 == 2 ? sum + n * i : most + i);
    }
    wr_buf_char(&query, '\0');
    wr_buf_char(&want, '\0');
    cr_assert(!query.err && !want.err);
    expect(query.data, want.data);
    wr_buf_fini(&query);
    wr_buf_fini(&want);
}

Test(ops, a_join_can_have_conditions_beside_its_keys)
{
    expect(L R "L | join kind=inner R where $left.k == $right.k and $right.b > 10 * $left.a", "k|a|k1|b;x|1|x|30");
    expect(L R "L | join kind=inner (R) where $right.k == $left.k and ($left.a == 2 or $right.b < 20) and a > 1", "k|a|k1|b;y|2|y|20;x|3|x|10");
    expect("datatable(a:long)[1, 2] | join kind=inner (datatable(b:long, a:long)[7, 1, 8, 2]) where $left.a < $right.a", "a|b|a1;1|8|2");
    expect("datatable(p:string)['1,23', '5'] | join kind=inner (datatable(n:int)[23, 5]) where p has tostring(n) | sort by n asc",
           "p|n;5|5;1,23|23");
    expect("datatable(a:long)[1, 2] | join kind=inner (datatable(b:long)[3]) where a + b > 4", "a|b;2|3");
    expect(L "L | join kind=inner (L) where $left.k == $right.k and $left.a < $right.a | project a, a1", "a|a1;1|3");
}

Test(ops, tables_by_pattern_and_by_text)
{
#define V "let Va = view () { print x = 1 }; let Vb = view () { print x = 2 }; let Vc = () { print x = 3 };"
    expect(V "union V*", "x;2;1");
    expect(V "union withsource=T V*, (Vc)", "T|x;Vb|2;Va|1;Vc|3");
    expect(V "search in (V*) x == 2", "$table|x;Vb|2");
    expect(V "find in (Va, V*) where x > 0 project x", "source_|x;Va|1;Vb|2;Va|1");
    expect("union Syslo*, ASim* | count", "Count;0");
    expect("let n = strcat('Sys', 'log'); table(n) | count", "Count;0");
    expect("union isfuzzy=true table('Nope'), (table('Syslog') | count)", "Count;0");
    expect("print x = 'a' | where x in (table('Syslog') | project HostName)", "x");
}

Test(ops, nulls_meet_nobody)
{
    expect("datatable(k:long)[1, long(null)] | join kind=inner (datatable(k:long)[long(null), 1]) on k",
           "k|k1;1|1");
    expect("datatable(k:long)[1, long(null)] | join kind=leftanti (datatable(k:long)[long(null), 1]) on k",
           "k;null");
    expect("datatable(k:int)[1, 2] | join kind=inner (datatable(k:long)[2]) on k", "k|k1;2|2");
}

Test(ops, lookup_drops_the_right_keys)
{
    expect(L R "L | lookup (R | where b > 10) on k", "k|a|b;x|1|30;y|2|20;x|3|30;z|4|null");
    expect(L R "L | lookup kind=inner (R | where b > 10) on k", "k|a|b;x|1|30;y|2|20;x|3|30");
}

Test(ops, in_over_a_table)
{
    expect("let M = print l = dynamic(['a', 'B']); datatable(x:string)['a', 'b', 'c'] | where x in (M)", "x;a");
    expect("let M = print l = dynamic(['a', 'B']); datatable(x:string)['a', 'b', 'c'] | where x in~ (M)", "x;a;b");
    expect("let M = print l = dynamic(['a', 'B']); datatable(x:string)['a', 'b', 'c'] | where x !in (M)", "x;b;c");
    expect(L "let M = L | where a > 0 | summarize make_list(k); datatable(x:string)['x', 'q'] | where x in (M)", "x;x");
    expect("let M = print l = dynamic([1, 3]); datatable(x:long)[1, 2, 3] | where x in (M)", "x;1;3");
    expect("let M = print l = dynamic(['com']); datatable(h:string)['a.COM', 'a.org'] | extend p = split(h, '.') | extend t = p[1] "
           "| where t in~ (M) | project h", "h;a.COM");
    expect("let M = print l = dynamic([]); datatable(x:string)['a'] | where x in (M) | count", "Count;0");
    expect(L R "L | where k in (R)", "k|a;x|1;y|2;x|3");
    expect(L R "L | where k !in ((R | project k)) and a > 1", "k|a;z|4");
    expect(L "L | where toupper(k) in~ (datatable(v:string)['X']) | project a", "a;1;3");
    expect(L "L | where a + 1 in (range i from 4 to 9 step 1)", "k|a;x|3;z|4");
}

Test(ops, functions_of_ones_own)
{
    expect("let f = (a:long, b:long = 10) { let c = a * 2; c + b }; print f(1), f(b=1, a=4)",
           "print_0|print_1;12|9");
    expect(L "let f = (T:(k:string), n:long) { T | where a >= n | summarize c = count() by k }; f(L, 2)",
           "k|c;y|1;x|1;z|1");
    expect(L "let f = (T:(*), n:long) { T | where a >= n | union (T | take 1) }; L | extend b = 1 | invoke f(4)",
           "k|a|b;z|4|1;x|1|1");
    expect(L "let f = (s:string) { strcat(s, '!') }; L | where a < 2 | extend s = f(k)", "k|a|s;x|1|x!");
    expect("let V = view () { print x = 1 }; V | union V | count", "Count;2");
}

Test(ops, mv_expand)
{
    expect("print a = 1, d = dynamic([5, \"x\", null]) | mv-expand with_itemindex=i d", "a|d|i;1|5|0;1|x|1;1|null|2");
    expect("print d = dynamic([5, \"x\", true]) | mv-expand d to typeof(string)", "d;;x;");
    expect("print d = dynamic([5, \"x\", 7]) | mv-expand d to typeof(long)", "d;5;null;7");
    expect("print d = dynamic([]) | mv-expand d | count", "Count;0");
    expect("print d = dynamic(null) | mv-expand d | count", "Count;1");
    expect("print d = dynamic({\"a\": 1, \"b\": 2}) | mv-expand kind=array d", "d;[\"a\",1];[\"b\",2]");
    expect("print d = dynamic({\"a\": 1}), e = dynamic([1, 2]) | mv-expand d, e", "d|e;{\"a\":1}|1;null|2");
    expect("print d = dynamic({\"k\": [1, 2, 3]}) | mv-expand x = d.k limit 2 | project x", "x;1;2");
}

/* More groups than are at hand at once, with short and long keys; none is lost or met twice, and they come in the order in which they were seen. */
Test(ops, many_groups)
{
    expect("range x from 1 to 60000 step 1 | extend k = x % 9001, s = strcat(\"key-\", iff(x % 2 == 0, \"\", \"with a long tail behind it-\"), x % 9001)"
           " | summarize c = count(), t = sum(x), o = min(x) by k, s"
           " | serialize | extend late = o < prev(o) | summarize n = count(), c = sum(c), t = sum(t), late = countif(late), most = max(c)",
           "n|c|t|late|most;18002|60000|1800030000|0|4");
}

#define MANY "range x from 1 to 20000 step 1 | extend k = iff(x % 2 == 0, long(null), x % 7)"

Test(ops, a_sort_keeps_what_a_take_behind_it_wants)
{
    expect(MANY "| sort by k asc nulls last | take 3", "x|k;7|0;21|0;35|0"); /* equal ones as they came */
    expect(MANY "| sort by k desc nulls first | take 2", "x|k;2|null;4|null");
    expect(MANY "| top 2 by x", "x|k;20000|null;19999|0");
    expect(MANY "| sort by x | extend x = x + 1 | take 1", "x|k;20001|null");
    expect(MANY "| sort by x asc | where x > 15000 | take 1", "x|k;15001|0");
    expect(MANY "| sort by x | take 0", "x|k");
    expect("range x from 1 to 100001 step 1 | top 1 by -x", "x;1");
}

/* What Microsoft's binder takes, weir takes, and the other way round; what either does is the value as a text. */
Test(ops, texts_are_read_where_kusto_reads_them)
{
    expect("print a = 'x 12' | project p = a has_any (12, 'y'), q = a has_all ('x', 12), r = a has_any (1.5, true), s = a !in~ (7, 'X 12')",
           "p|q|r|s;True|True|False|False");
    expect("print d = dynamic(['x', 2]) | project p = d has_any (2), q = d has_all (2, 'X'), r = d has 'x', s = d contains '2]', "
           "u = d startswith '['",
           "p|q|r|s|u;True|True|True|True|True");
    expect("print a = 'x', d = dynamic({'k': 'X', 'n': 12}) | project p = a has d.k, q = d.k startswith a, r = d.n has '12', s = "
           "d.n has '1', u = d.none contains 'x', v = d.none !contains 'x'",
           "p|q|r|s|u|v;True|True|True|False|False|True");
    expect("print t = datetime(2024-01-01), s = 5m | project p = t in ('2024-01-01', 'x'), q = t == '2024-01-01', r = t != "
           "'2024-01-02', u = t == 'x', v = s in ('00:05:00'), w = t !in ('2024-01-01')",
           "p|q|r|u|v|w;True|True|True|False|True|False");
    refuse("print a = 12 | where a has '1'", "'has' does not take (long, string)");
    refuse("print a = 12 | where a !contains '1'", "'!contains' does not take long and string");
    refuse("print a = 1.5 | where a startswith '1'", "'startswith' does not take (real, string)");
    refuse("print a = now() | where a hasprefix '2024'", "'hasprefix' does not take (datetime, string)");
    refuse("print a = 5m | where a endswith '5'", "'endswith' does not take (timespan, string)");
    refuse("print a = true | where a has_cs 'True'", "'has_cs' does not take (bool, string)");
    refuse("print a = 'x' | where a has 1", "'has' does not take (string, long)");
    refuse("print a = 12, d = dynamic(1) | where a has d", "'has' does not take (long, dynamic)");
    refuse("print a = 12 | where a has_any ('12')", "'has_any' does not take (long, string)");
    refuse("print a = 12 | where a has_any ((print 'x'))", "a value of type long is looked for among values of type string");
    refuse("print a = 12 | where a in~ ('12')", "'in~' does not take (long, string)");
    refuse("print a = 12 | where a matches regex '1'", "'matches regex' does not take (long, string)");
    refuse("print t = now() | extend bin(t, t)", "'bin' does not take (datetime, datetime)");
    refuse("print t = now() | where t > '2024-01-01'", "'>' does not take datetime and string");
    refuse("print t = now() | summarize stdev(t)", "'stdev' does not take datetime");
    refuse("print t = 1h | summarize varianceif(t, true)", "'varianceif' does not take timespan");
    refuse("print t = now() | summarize sum(t)", "'sum' does not take datetime");
    refuse("print t = 'a' | summarize percentile(t, 50)", "'percentile' does not take string");
    refuse("print d = dynamic(1) | summarize max(d)", "'max' does not take dynamic: such values have no order");
    refuse("print d = dynamic({}), a = 1 | summarize arg_min(d.k, a)", "'arg_min' does not take dynamic: such values have no order");
}

/* The order of two texts is a number of any size. */
Test(ops, extremes_of_texts)
{
    expect("datatable(k:long, s:string)[1, 'm', 1, 'a device with a long name', 1, 'x', 1, '', 1, 'zz top of all names', 2, 'b', 2, 'z']"
           " | summarize a = min(s), b = max(s), c = maxif(strlen(s), s != 'x') by k | project k, a, b, c",
           "k|a|b|c;1||zz top of all names|25;2|b|z|1");
    expect("datatable(s:string, n:long)['a', 1, 'z', 2, 'm', 3] | summarize arg_max(s, n), arg_min(s, n)", "s|n|s1|n1;z|2|a|1");
    expect("datatable(n:decimal)[decimal(2), decimal(100), decimal(-7.5)] | summarize a = min(n), b = max(n)", "a|b;-7.5|100");
}

Test(ops, what_is_refused_says_why_and_where)
{
    expect("print a = 1 | make-graph a --> a",
           "q.kql:1:15: error: operator 'make-graph' is refused: graphs of nodes and edges are not kept\n"
           "    print a = 1 | make-graph a --> a\n"
           "                  ^~~~~~~~~~ (see docs/kql.md#refused)\n");
    expect("print geo_point_to_h3cell(1.0, 2.0)",
           "q.kql:1:7: error: function 'geo_point_to_h3cell' is refused: cells of six corners: no detection of the public ones needs "
           "them; cells of geohash and S2 are there\n"
           "    print geo_point_to_h3cell(1.0, 2.0)\n"
           "          ^~~~~~~~~~~~~~~~~~~ (see docs/kql.md)\n");
    refuse("print geo_polygon_to_s2cells(dynamic({}))",
           "function 'geo_polygon_to_s2cells' is refused: shapes that are computed from several, or rounded: no detection of the public "
           "ones needs them, and only the library that Kusto uses gives the same points");
    refuse("graph('x')", "function 'graph' is refused: graphs of nodes and edges are not kept");
    refuse("print a = 1 | graph-match (c)-[e]->(d) project c", "operator 'graph-match' is refused: graphs of nodes and edges are not kept");
    refuse("print a = 1 | reduce by a", "operator 'reduce' is refused: its result depends on how patterns are tried");
    refuse("print a = 1 | evaluate sequence_detect(a)",
           "plugin 'sequence_detect' is refused: which of the sequences that overlap it takes is not published; scan says it in the query");
    refuse("print a = 1 | evaluate geo_polygon_lookup(a)",
           "plugin 'geo_polygon_lookup' is refused: shapes are compared with geo_point_in_polygon() and its kin");
    refuse("print a = 1 | wher a > 1", "no operator 'wher'");
}

Test(ops, as_names_the_query_before_it)
{
    expect(L "L | where a > 1 | as Q | where k == 'x' | join kind=inner Q on k", "k|a|k1|a1;x|3|x|3");
    expect(L "L | as Q | where a in ((Q | where k == 'z' | project a)) | extend n = toscalar(Q | count) | union Q",
           "k|a|n;z|4|4;x|1|null;y|2|null;x|3|null;z|4|null");
    expect("let Q = datatable(k:string)['let']; print k = 'pipe' | as Q | union Q", "k;pipe;pipe");
    expect("print d = dynamic([1, 2]) | mv-apply x = d to typeof(long) on (as Q | summarize s = sum(x))", "d|s;[1,2]|3");
    refuse("print k = 1 | union Q | as Q", "no table 'Q'");
}

Test(ops, a_table_for_a_parameter_that_wants_a_list)
{
#define F "let f = (l:dynamic) { print n = array_length(l), has = set_has_element(l, 'y') };"
    expect(L F "f(L)", "n|has;3|True");
    expect(L F "f(l=(L | where a > 3))", "n|has;1|False");
    expect(F "f(datatable(k:string)[])", "n|has;0|False");
    expect(F "f(table('Syslog') | project HostName)", "n|has;0|False");
    expect("let ips = datatable(p:string)['10.']; _Im_NetworkSession(srcipaddr_has_any_prefix=ips) | count", "Count;0");
    refuse(L "let f = (l:long) { print l }; f(L)", "'L' is a table; a value is needed here");
}
