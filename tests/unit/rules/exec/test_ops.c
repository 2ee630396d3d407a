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

Test(ops, a_join_can_have_conditions_beside_its_keys)
{
    expect(L R "L | join kind=inner R where $left.k == $right.k and $right.b > 10 * $left.a", "k|a|k1|b;x|1|x|30");
    expect(L R "L | join kind=inner (R) where $right.k == $left.k and ($left.a == 2 or $right.b < 20) and a > 1", "k|a|k1|b;y|2|y|20;x|3|x|10");
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
