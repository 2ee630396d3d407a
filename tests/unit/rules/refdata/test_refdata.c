/* Lists from texts: formats, columns, reloads that keep the old rows, watchlists that expire, saved functions. */
#include "rules/refdata/refdata.h"
#include "rules/fn/kernel.h"
#include "rules/rules.h"

#include "base/ticks.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct wr_refdata *ref;
static struct wr_diags diags;
static struct wr_buf said;
static int64_t now;

static void begin(void)
{
    ref = wr_refdata_new();
    cr_assert(ref && wr_diags_init(&diags));
    cr_assert(wr_ticks_parse_iso("2026-11-24T10:00:00Z", 20, &now));
}

static void end(void)
{
    wr_refdata_unref(ref);
    wr_diags_fini(&diags);
    wr_buf_fini(&said);
}

static void define(enum wr_list_kind kind, const char *name, const char *key)
{
    struct wr_list_def def = {.kind = kind, .name = name, .key = key};
    cr_assert_eq(wr_refdata_define(ref, &def), WR_OK);
}

static enum wr_err load(enum wr_list_kind kind, const char *name, const char *text)
{
    return wr_refdata_load(ref, kind, name, "list.csv", text, strlen(text), now, &diags);
}

/* The result's cells as text, `|` between them, `\n` behind rows; errors as they are printed. */
static const char *ask(const char *query)
{
    struct wr_result res;
    wr_buf_reset(&said);
    struct wr_query *q = wr_query_new_with(ref, "q", query, strlen(query), 2, &diags);
    if (!q || wr_query_run(q, now, &diags, &res) != WR_OK) {
        wr_diags_print(&diags, &said);
    } else {
        for (uint32_t b = 0; b < res.nbatches; b++)
            WR_EACH (&res.batches[b]->sel, row) {
                for (uint16_t c = 0; c < res.schema->ncols; c++) {
                    wr_buf_str(&said, c ? "|" : "");
                    wr_text_at(&res.batches[b]->col[c], row, &said);
                }
                wr_buf_char(&said, '\n');
            }
    }
    wr_query_free(q);
    wr_buf_char(&said, '\0');
    return said.data;
}

#define ASK(query, want) cr_expect_str_eq(ask(query), want, "%s\n%s", query, said.data)
#define REFUSED(query, text) cr_expect(strstr(ask(query), text), "%s\n%s", query, said.data)

TestSuite(refdata, .init = begin, .fini = end);

Test(refdata, externaldata_reads_every_format_of_a_mapped_address)
{
    static const struct {
        const char *format, *text, *want;
    } t[] = {
        {"csv", "a,1\n\"b \"\"x\"\",y\",2\r\nc\n", "a|1\nb \"x\",y|2\nc|\n"},
        {"csv", "\xef\xbb\xbf" "a,x\n\n\"two\nlines\",7", "a|\ntwo\nlines|7\n"},
        {"tsv", "a\t1\n\"b\t2\n", "a|1\n\"b|2\n"},
        {"psv", "a|1", "a|1\n"},
        {"scsv", "a;1", "a|1\n"},
        {"txt", "a,1\n b \n", "a,1|\n b |\n"},
        {"json", "{\"k\":\"a\",\"n\":1}\n{\"n\":\"2\",\"k\":[1]}", "a|1\n[1]|2\n"},
        {"multijson", "[{\"k\":\"a\",\"n\":1},\n{\"k\":null}]", "a|1\n|\n"},
        {"raw", "one\ntwo", "one\ntwo|\n"},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        char address[40], query[200];
        snprintf(address, sizeof address, "https://lists.test/%zu", i);
        define(WR_LIST_ADDRESS, address, NULL);
        cr_assert_eq(load(WR_LIST_ADDRESS, address, t[i].text), WR_OK);
        snprintf(query, sizeof query, "externaldata(k: string, n: long)[@'%s'] with (format=%s)", address, t[i].format);
        ASK(query, t[i].want);
    }
    ASK("externaldata(k: string)['https://lists.test/0?sig=1'] with (ignoreFirstRecord=true) | take 1", "b \"x\",y\n");
    ASK("externaldata(k: dynamic, n: real)['https://lists.test/0'] | where n > 1", "b \"x\",y|2.0\n");
    ASK("externaldata(k: string)[' https://lists.test/0 '] with (ignoreFirstRecord=true, zipPattern='*.csv') | take 1", "b \"x\",y\n");
    ASK("_Im_Dns | project Query, QueryType, QueryTypeName, ResponseName, ResponseCode, ResponseCodeName | count", "0\n");
}

Test(refdata, what_externaldata_cannot_do_is_refused_with_a_remedy)
{
    REFUSED("externaldata(k: string)[@'https://other.test/x']", "mapped to no file: 'https://other.test/x'");
    define(WR_LIST_ADDRESS, "a", NULL);
    REFUSED("externaldata(k: string)['a']", "mapped to no file");
    cr_assert_eq(load(WR_LIST_ADDRESS, "a", "1"), WR_OK);
    REFUSED("externaldata(k: string)['a'] with (format=parquet)", "does not read the format 'parquet'");
    REFUSED("externaldata(k: string)['a'] with (ingestionMapping='x')", "has no property 'ingestionMapping'");
    REFUSED("externaldata(k: string)['a', 'a']", "takes one address here");
}

Test(refdata, a_broken_text_leaves_the_rows_and_says_where)
{
    static const struct {
        const char *text, *why;
    } t[] = {
        {"k\nx\n\"open", "list.csv:3: error: a quote is opened and never closed"},
        {"k\n\xff\n", "list.csv:2: error: this is not UTF-8"},
        {"other\nx\n", "the list has no longer a column 'k'"},
        {"k,k\n", "two columns are named 'k'"},
        {"", "the list is empty or broken"},
    };
    define(WR_LIST_WATCHLIST, "w", NULL);
    cr_assert_eq(load(WR_LIST_WATCHLIST, "w", "k\nfirst\n"), WR_OK);
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        uint64_t version = wr_refdata_version(ref);
        cr_expect_eq(load(WR_LIST_WATCHLIST, "w", t[i].text), WR_EINVAL);
        struct wr_buf text = {0};
        wr_diags_print(&diags, &text);
        wr_buf_char(&text, '\0');
        cr_expect(strstr(text.data, t[i].why), "%s", text.data);
        wr_buf_fini(&text);
        cr_expect_eq(wr_refdata_version(ref), version);
        ASK("_GetWatchlist('w') | project k, SearchKey", "first|first\n");
    }
    cr_assert_eq(load(WR_LIST_WATCHLIST, "w", "new,k\n1,second\n"), WR_OK);
    ASK("_GetWatchlist('w') | project k", "second\n");
}

Test(refdata, a_watchlist_has_its_columns_and_SearchKey)
{
    define(WR_LIST_WATCHLIST, "first", NULL);
    define(WR_LIST_WATCHLIST, "named", NULL);
    define(WR_LIST_WATCHLIST, "keyed", "Net");
    cr_assert_eq(load(WR_LIST_WATCHLIST, "first", "Ip,Role\n10.0.0.1,db\n"), WR_OK);
    cr_assert_eq(load(WR_LIST_WATCHLIST, "named", "Role,SearchKey\ndb,10.0.0.2\n"), WR_OK);
    cr_assert_eq(load(WR_LIST_WATCHLIST, "keyed", "Role,Net\ndb,10.0.0.3\n"), WR_OK);
    ASK("_GetWatchlist('first') | project SearchKey, Role", "10.0.0.1|db\n");
    ASK("_GetWatchlist('named') | project SearchKey, Role", "10.0.0.2|db\n");
    ASK("_GetWatchlist('keyed') | project SearchKey, Role, LastUpdatedTimeUTC",
        "10.0.0.3|db|2026-11-24T10:00:00.0000000Z\n");
    ASK("let W = _GetWatchlist('first') | project SearchKey; print x='10.0.0.1' | where x in (W)", "10.0.0.1\n");
    REFUSED("_GetWatchlist('frist')", "there is no watchlist 'frist'");
    REFUSED("_GetWatchlist('frist')", "did you mean 'first'?");
}

Test(refdata, a_row_that_expired_is_left_out)
{
    define(WR_LIST_WATCHLIST, "w", NULL);
    const char *text = "k,Expires\nold,2026-11-01\nnow,2026-11-25\never,\n";
    cr_assert_eq(load(WR_LIST_WATCHLIST, "w", text), WR_OK);
    ASK("_GetWatchlist('w') | project k", "now\never\n");
    cr_expect_eq(wr_refdata_expiry(ref), now - 10 * WR_TICKS_HOUR + WR_TICKS_DAY);
    now = wr_refdata_expiry(ref);
    cr_assert_eq(load(WR_LIST_WATCHLIST, "w", text), WR_OK);
    ASK("_GetWatchlist('w') | project k", "ever\n");
    cr_expect_eq(wr_refdata_expiry(ref), INT64_MAX);
    cr_expect_eq(load(WR_LIST_WATCHLIST, "w", "k,Expires\nx,soon\n"), WR_EINVAL);
}

Test(refdata, a_table_of_ones_own_is_typed_and_knows_when_it_was_loaded)
{
    static const struct wr_list_col cols[] = {
        {"TimeGenerated", WR_DATETIME}, {"NetworkIP", WR_STRING}, {"Score", WR_INT}, {"Extra", WR_DYNAMIC}};
    struct wr_list_def def = {.kind = WR_LIST_TABLE, .name = "ThreatIntelligenceIndicator", .cols = cols, .ncols = 4};
    cr_assert_eq(wr_refdata_define(ref, &def), WR_OK);
    cr_assert_eq(load(WR_LIST_TABLE, def.name, "Score,NetworkIP,Extra\n7,192.0.2.1,\"{\"\"a\"\": 1}\"\n"), WR_OK);
    ASK("ThreatIntelligenceIndicator | where TimeGenerated > ago(14d) | project NetworkIP, Score + 1, Extra.a",
        "192.0.2.1|8|1\n");
    def = (struct wr_list_def){.kind = WR_LIST_TABLE, .name = "SigninLogs", .cols = cols, .ncols = 2, .empty = true};
    cr_assert_eq(wr_refdata_define(ref, &def), WR_OK);
    ASK("SigninLogs | summarize n = count() by NetworkIP", "");
    ASK("union isfuzzy=true SigninLogs, NotHere, ThreatIntelligenceIndicator | count", "1\n");
}

Test(refdata, a_saved_function_is_a_query_or_has_parameters)
{
    static const char *const fns[][2] = {
        {"Three", "// three of them\nrange x from 1 to 3 step 1;"},
        {"From", "(low: long, top: long = 3) { Three | where x >= low and x <= top }"},
        {"Twice", "(x: long) { x * 2 }"},
        {"Loop", "Loop | take 1"},
        {"Bad", "(x: long) { Three | where y > x }"},
        {"Broken", "Three | where ("},
    };
    for (size_t i = 0; i < sizeof fns / sizeof *fns; i++)
        cr_assert_eq(wr_refdata_function(ref, fns[i][0], "fn.kql", fns[i][1], strlen(fns[i][1])), WR_OK);
    ASK("Three | count", "3\n");
    ASK("From(2)", "2\n3\n");
    ASK("From(low=1, top=1) | extend y = Twice(x)", "1|2\n");
    ASK("let Three = print x = 9; Three", "9\n");
    REFUSED("Loop", "error:");
    REFUSED("print 1 | extend y = 2 | join Bad(1) on y", "fn.kql:1:");
    REFUSED("Broken", "fn.kql:");
}

Test(refdata, functions_of_the_program_filter_only_by_what_is_given)
{
    struct wr_ruleset *set = wr_ruleset_new();
    struct wr_buf text = {0};
    const char *all = "_Im_NetworkSession | project Src, Dvc", *some = "_Im_NetworkSession(starttime=ago(1h), dstportnumber=25, "
                      "srcipaddr_has_any_prefix=dynamic(['10.'])) | where Dst != '' | project Src, Dst";
    cr_assert_eq(wr_ruleset_add(set, "all.kql", all, strlen(all), &diags), WR_OK);
    wr_ruleset_explain(set, &text);
    wr_buf_char(&text, '\0');
    cr_expect_null(strstr(text.data, "where"), "%s", text.data);
    text.len = 0;
    cr_assert_eq(wr_ruleset_add(set, "some.kql", some, strlen(some), &diags), WR_OK);
    wr_ruleset_explain(set, &text);
    wr_buf_char(&text, '\0');
    cr_expect(strstr(text.data, "window: 01:00:00"), "%s", text.data);
    cr_expect(strstr(text.data, "DstPortNumber in (25)"), "%s", text.data);
    cr_expect(strstr(text.data, "has_any_ipv4_prefix(SrcIpAddr"), "%s", text.data);
    const char *code = "_Im_Dns(responsecodename='NXDOMAIN') | project DnsResponseCodeName";
    uint32_t warnings = diags.nwarnings;
    cr_assert_eq(wr_ruleset_add(set, "code.kql", code, strlen(code), &diags), WR_OK);
    cr_expect_eq(diags.nwarnings, warnings, "the function has the column, also in Sentinel");
    wr_buf_fini(&text);
    wr_ruleset_unref(set);
    REFUSED("_Im_Dns(nosuch=1)", "error:");
}
