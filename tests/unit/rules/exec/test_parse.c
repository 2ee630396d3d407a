/* parse, parse-where, parse-kv. */
#include "expect.h"

#include "rules/plan/plan.h"

#define P(text) "print s = '" text "' | "

Test(parse, texts_stand_in_order_and_numbers_end_where_they_end)
{
    expect(P("a=1, b=two") "parse s with 'a=' A:long ', b=' B | project-away s", "A|B;1|two");
    expect(P("x a=1 rest") "parse s with * 'a=' A:long * | project-away s", "A;1");
    expect(P("a=1 rest") "parse s with 'a=' A:long | project-away s", "A;null");
    expect(P("a)b)") "parse s with X ')' | project X", "X;a)b");
    expect(P("12.5kg") "parse s with N:real U | project N, U", "N|U;12.5|kg");
    expect(P("begin") "parse s with * 'none' A | project A", "A;");
    expect(P("a1") "parse s with 'a' s | project s", "s;1");
    expect("print d = dynamic({'k': 'a-b'}) | parse d.k with A '-' B | project A, B", "A|B;a|b");
    expect(P("t=2026-01-31 g=6F9619FF-8B86-D011-B42D-00CF4FC964FF d=1.5")
           "parse s with 't=' T:datetime ' g=' G:guid ' d=' D:decimal | project T, G, D",
           "T|G|D;2026-01-31T00:00:00.0000000Z|6f9619ff-8b86-d011-b42d-00cf4fc964ff|1.5");
    expect(P("[1, 2]") "parse s with D:dynamic | project x = D[1]", "x;2");
}

Test(parse, one_value_that_does_not_convert_leaves_all_or_one_empty)
{
    expect(P("a=x b=2") "parse s with 'a=' A:long ' b=' B:long | project A, B", "A|B;null|null");
    expect(P("a=x b=2") "parse kind=relaxed s with 'a=' A:long ' b=' B:long | project A, B", "A|B;null|2");
    expect("datatable(s:string)['a=1', 'b=2', 'a=x', 'a=3'] | parse-where s with 'a=' A:long | project A", "A;1;3");
}

Test(parse, patterns_and_their_flags)
{
    expect(P("k=1,v=2,w") "parse kind=regex s with 'k=' A ',' * | project A", "A;1,v=2");
    expect(P("k=1,v=2,w") "parse kind=regex flags=U s with 'k=' A ',' * | project A", "A;1");
    expect(P("KEY 7") "parse kind=regex flags=i s with 'k[a-z]+' N:long | project N", "N;7");
    expect("datatable(s:string)['u 1', 'v 2'] | parse-where kind=regex s with 'v ' N:int | project N", "N;2");
}

Test(parse, pairs)
{
    expect(P("a=1;b=2;a=3;c") "parse-kv s as (a:long, b:string, c:string) with (pair_delimiter=';', kv_delimiter='=')"
           " | project-away s", "a|b|c;1|2|");
    expect(P("k1: v1 k2: (v2 v3)") "parse-kv s as (k2:string, k1:string) | project k1, k2", "k1|k2;v1|v2");
    expect(P("a=x y b=2 c=z") "parse-kv s as (a:string, b:string) with (pair_delimiter=' ', kv_delimiter='=', greedy=true)"
           " | project a, b", "a|b;x y|2 c=z");
    expect(P("<a>1<b>2") "parse-kv s as (a:long, b:long) with (regex=@'<([a-z]+)>([^<]*)') | project a, b", "a|b;1|2");
}

Test(parse, what_is_wrong_is_told)
{
    refuse(P("") "parse s with", "expected a text, a column or '*', but the query ends here");
    refuse(P("") "parse kind=fuzzy s with 'a'", "no parse of kind 'fuzzy'");
    refuse(P("") "parse s with A B", "column 'A' has no end here");
    refuse(P("") "parse s with A '-' A", "a second column 'A'");
    refuse(P("") "parse kind=regex flags=x s with 'a' A", "flags are among U, i, m, s");
    refuse(P("") "parse kind=regex s with '(' A",
           "this pattern cannot be used: missing ): \\A(?:()(?P<weir_0>.*)\\z");
    refuse(P("") "parse 1 with 'a' A", "parse takes a text; this is a long");
    refuse(P("") "parse s with 'a' A:txt", "no type 'txt'");
    refuse(P("") "parse-kv s as (a:long) with (pair='x')", "no such option of parse-kv");
    refuse(P("") "parse-kv s as (a:long) with (regex='x')", "the pattern needs two groups: the key, and the value");
    refuse(P("") "parse-kv s as (a:long) with (greedy=true)", "greedy needs pair_delimiter and kv_delimiter");
    refuse(P("") "parse-kv s as (a:long) with (quote='abc')",
           "'quote' has one character, or two: opening and closing");
}

Test(parse, runs_on_streams_row_by_row_and_into_a_summarize)
{
    static const struct {
        const char *query;
        enum wr_mode mode;
        const char *explained;
    } all[] = {{"Syslog | parse-where SyslogMessage with * 'user=' U ' ' *", WR_MODE_STATELESS,
                "parse-where simple SyslogMessage with * \"user=\" U \" \" * (U:string)"},
               {"Syslog | parse SyslogMessage with 'n=' N:long | where N > 2 | summarize count() by N",
                WR_MODE_INCREMENTAL, "parse simple SyslogMessage with \"n=\" N (N:long)"}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct wr_source src = {.name = "q", .text = all[i].query, .len = strlen(all[i].query), .line0 = 1};
        struct wr_diags diags;
        struct wr_buf text = {0};
        cr_assert(wr_diags_init(&diags));
        struct wr_plan *plan = wr_plan_new(&src, &diags);
        cr_assert_not_null(plan);
        cr_expect_eq(plan->mode, all[i].mode);
        wr_plan_explain(plan, &text);
        wr_buf_char(&text, '\0');
        cr_expect(strstr(text.data, all[i].explained), "%s", text.data);
        wr_buf_fini(&text);
        wr_plan_free(plan);
        wr_diags_fini(&diags);
    }
}
