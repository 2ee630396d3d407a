/* Queries inside of expressions: toscalar, tables as lists. */
#include "expect.h"

#include "rules/plan/plan.h"

#include <stdio.h>

#define L "let L = datatable(k:string, a:long)['x', 1, 'y', 2, 'x', 3, 'z', 4];"

Test(subs, toscalar_is_the_first_value)
{
    expect(L "print m = toscalar(L | summarize max(a)) + 1", "m;5");
    expect(L "let m = toscalar(L | summarize avg(a)); L | where a > m | project a", "a;3;4");
    expect(L "print n = toscalar(L | where a > 9), s = toscalar(L | where a > 9 | project k)", "n|s;|");
    expect(L "range i from 1 to toscalar(L | count) step 2", "i;1;3");
    expect(L "let f = (n:long) { toscalar(L | where a < n | count) }; print f(3), f(9)", "print_0|print_1;2|4");
    expect(L "L | extend s = toscalar(materialize(L) | where k in (L | where a > 3) | summarize sum(a)) | take 1",
           "k|a|s;x|1|4");
    expect("print x = toscalar(5), y = toscalar(print dynamic([1, 2]))[1]", "x|y;5|2");
}

/* now() makes them run at each run. */
#define N "let N = datatable(k:string, a:long)['x', 1, 'z', 4] | where now() > datetime(0001-01-01) - 1d;"

Test(subs, run_once_and_before_the_query)
{
    expect(N "print m = toscalar(N | summarize max(a)) + 1", "m;5");
    expect(N "print m = toscalar(N | where a == toscalar(N | summarize max(a)) | project k)", "m;z");
    expect(N "print toscalar(N | where a > 9)", "print_0;");
    expect(N L "let m = toscalar(N | summarize make_set(k)); L | where k in (m) | project a", "a;1;3;4");
    expect(N L "let m = toscalar(N | summarize max(a)); L | where a < m - 1 | extend b = m", "k|a|b;x|1|4;y|2|4");
}

Test(subs, a_table_is_a_list_anywhere_in_an_expression)
{
    expect(N L "L | extend t = k in (N), u = a !in ((N | project a))",
           "k|a|t|u;x|1|True|False;y|2|False|True;x|3|True|True;z|4|True|False");
    expect(N L "L | where k in (N) or a == 2 | project a", "a;1;2;3;4");
    expect(N L "L | where not(k in~ (N | project toupper(k)))", "k|a;y|2");
    expect(N L "L | summarize n = countif(k in (N))", "n;3");
    expect(N "print t = 5 in (N | project a), u = 4 in (N | project toint(a)), v = 4.0 in (N | project a)",
           "t|u|v;False|True|True");
    expect(N L "L | where k in (N | where a > 9) or k !in (N | where a > 9) | count", "Count;4");
    expect(N "print s = 'a z b' | where s has_any (N)", "s;a z b");
    expect(N "print s = 'a z b' | where s has_all (N)", "s");
    expect(L "print s = 'a Z b' | where s has_any (L)", "s;a Z b");
    expect(L "print x = 3 | where x in (L | project a)", "x;3");
    expect(L "print d = dynamic({'v': 3}) | where d.v in (L | project a) and d.v in (L | project a)", "d;{\"v\":3}");
}

Test(subs, what_is_wrong_is_told)
{
    refuse(L "print x = (L | count)", "a query is no value");
    refuse(L "print x = toscalar(L, L)", "toscalar takes one query");
    refuse(L N "L | where a in (N)", "a long is matched with a string");
    refuse(L "L | extend t = a in (L)", "a value of type long is looked for among values of type string");
    refuse(L "L | where k in (L, L)", "a table is the whole list or none of it");
    refuse(L "L | where k has_any (Nope | project x)", "no table 'Nope'");
}

static const char *way(const char *query)
{
    static char out[8192];
    struct wr_source src = {.name = "q", .text = query, .len = strlen(query), .line0 = 1};
    struct wr_diags diags;
    struct wr_buf text = {0};
    cr_assert(wr_diags_init(&diags));
    struct wr_plan *plan = wr_plan_new(&src, &diags);
    cr_assert_not_null(plan, "%s", query);
    wr_plan_explain(plan, &text);
    wr_buf_char(&text, '\0');
    snprintf(out, sizeof out, "%s", text.data);
    wr_buf_fini(&text);
    wr_plan_free(plan);
    wr_diags_fini(&diags);
    return out;
}

Test(subs, constant_lists_stay_on_streams_and_others_are_explained)
{
    const char *text = way("let bad = datatable(ip:string)['192.0.2.1', '192.0.2.2']; Flows | where sourceIPAddress in (bad)");
    cr_expect(strstr(text, "runs: stateless") && strstr(text, "sourceIPAddress in (\"192.0.2.1\", \"192.0.2.2\")"), "%s", text);
    text = way("let top1 = toscalar(Flows | summarize max(destinationTransportPort)); Flows | where destinationTransportPort == top1");
    cr_expect(strstr(text, "runs: windowed: the kept rows are run again (a query inside of an expression"), "%s", text);
    cr_expect(strstr(text, "query 1, first, for its value:\n    scan Flows"), "%s", text);
    cr_expect(strstr(text, "(destinationTransportPort == query 1)"), "%s", text);
}
