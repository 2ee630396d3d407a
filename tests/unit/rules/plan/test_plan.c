#include "base/ticks.h"
#include "rules/plan/plan.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static struct wr_diags diags;
static struct wr_buf out;

static void setup(void)
{
    cr_assert(wr_diags_init(&diags));
}

static void teardown(void)
{
    wr_diags_fini(&diags);
    wr_buf_fini(&out);
}

TestSuite(plan, .init = setup, .fini = teardown);

static struct wr_plan *bind(const char *text)
{
    struct wr_source src = {.name = "q.kql", .text = text, .len = strlen(text), .line0 = 1};
    return wr_plan_new(&src, &diags);
}

static const char *terminated(void)
{
    wr_buf_char(&out, '\0');
    return out.data;
}

static void again(void)
{
    wr_diags_fini(&diags);
    cr_assert(wr_diags_init(&diags));
    wr_buf_reset(&out);
}

/* The operators of the plan, as explain prints them, or the messages. */
static const char *operators(const char *text)
{
    again();
    struct wr_plan *plan = bind(text);
    if (!plan) {
        wr_diags_print(&diags, &out);
        return terminated();
    }
    wr_plan_explain(plan, &out);
    wr_plan_free(plan);
    char *all = (char *)terminated(), *from = strstr(all, "\n  "), *to = strstr(all, "pushed into");
    if (to)
        *to = '\0';
    return from ? from + 1 : all;
}

static const struct {
    const char *query, *plan;
} shapes[] = {
    /* constants fold; lets are put in */
    {"print 1 + 2 * 3, x = 7 / 2, strcat('a', 1)",
     "  rows 1 of (print_0:long, x:long, print_2:string) [7, 3, \"a1\"]\n"},
    {"let a = 5; let b = a * 2; print b + a", "  rows 1 of (print_0:long) [15]\n"},
    {"let t = ago(1h); print t", "  rows 1 of (print_0:datetime) [ago(01:00:00)]\n"},
    /* literals take the other side's type */
    {"Flows | where sourceTransportPort == '22' | project observationDomainId",
     "  scan Flows\n  where (sourceTransportPort == int(22))\n  map observationDomainId\n"},
    {"Flows | where octetDeltaCount > 1.5 | count",
     "  scan Flows\n  where (toreal(octetDeltaCount) > 1.5)\n  summarize Count = count()\n"},
    {"let P = dynamic([25, 587]); Flows | where sourceTransportPort in (P) | count",
     "  scan Flows\n  where sourceTransportPort in (int(25), int(587))\n  summarize Count = "
     "count()\n"},
    /* extend keeps a column's place, and sees the input row */
    {"datatable(a:long, b:long)[1, 2] | extend b = 7, c = b",
     "  rows 1 of (a:long, b:long) [1, 2]\n  map a, b = 7, c = b\n"},
    /* what nothing reads goes */
    {"Flows | extend x = 1, y = sourceTransportPort | project y | where y > 0",
     "  scan Flows\n  where (sourceTransportPort > int(0))\n  map y = sourceTransportPort\n  map y\n"},
    {"union (Flows | where sourceTransportPort > 5), Syslog | where sourceTransportPort == 25 or HostName == 'h' | extend z = 1 | "
     "project HostName, z, protocolIdentifier",
     "    scan Flows\n    where (sourceTransportPort > int(5))\n    where (sourceTransportPort == int(25))\n"
     "    map sourceTransportPort, protocolIdentifier, HostName = \"\"\n"
     "    map protocolIdentifier, HostName, z = 1\n    map HostName, z, protocolIdentifier\n"
     "    scan Syslog\n    where (HostName == \"h\")\n"
     "    map sourceTransportPort = int(null), protocolIdentifier = int(null), HostName\n"
     "    map protocolIdentifier, HostName, z = 1\n    map HostName, z, protocolIdentifier\n  union of 2\n"},
    {"let f = (a:int = 25, b:string = 'x') { Flows | where sourceTransportPort == a }; let g = () { 3 }; f | project p = g",
     "  scan Flows\n  where (sourceTransportPort == int(25))\n  map p = 3\n"},
    {"union Flows, Syslog | where sourceTransportPort == 25 | project HostName",
     "  scan Flows\n  where (sourceTransportPort == int(25))\n  map sourceTransportPort, HostName = \"\"\n  map HostName\n"},
    {"Flows | summarize a = count(), b = sum(octetDeltaCount) by Exporter | project b",
     "  scan Flows\n  summarize b = sum(octetDeltaCount) by Exporter\n  map b\n"},
    /* aggregates inside of expressions */
    {"Flows | summarize round(avg(octetDeltaCount), 1), r = sum(packetDeltaCount) / count() by "
     "Exporter",
     "  scan Flows\n  summarize avg = avg(octetDeltaCount), sum = sum(packetDeltaCount), count = "
     "count() by Exporter\n"
     "  map Exporter, avg_octetDeltaCount = round(avg, 1), r = (sum / count)\n"},
    {"Flows | top 3 by octetDeltaCount asc | project-rename o = octetDeltaCount | project-keep o*",
     "  scan Flows\n  sort by octetDeltaCount asc nulls first\n  take 3\n  map "
     "observationDomainId, "
     "o = octetDeltaCount\n"
     "  map observationDomainId, o\n"},
    {"range x from 1 to 3 step 1 | where x != 2",
     "  range x: 1, 3, 1\n  where (x != 2)\n"},
};

Test(plan, shapes)
{
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        cr_expect_str_eq(operators(shapes[i].query), shapes[i].plan);
}

/* Names of result columns, as Kusto gives them. */
static const struct {
    const char *query, *columns;
} names[] = {
    {"T | summarize count(), sum(x), dcount(s), avg(x+1), make_set(s), make_list(d.k), take_any(s), "
     "make_list(d.a[0].q) by k",
     "k count_ sum_x dcount_s avg_ set_s list_d_k s list_d_a_0_q"},
    {"T | summarize count(), count() by bin(t, 1h), tolower(s), strcat(s, k), v = 1",
     "t Column1 Column2 v count_ count_1"},
    {"T | summarize arg_max(t, *) by k", "k t x s d"},
    {"T | summarize m = arg_max(t, s) by k", "k m s"},
    {"T | summarize round(avg(x), 2), countif(x > 1), count_x = 1", "avg_x countif_ count_x"},
    {"T | extend tostring(x), strlen(s), x + 1, d.k", "k x s t d strlen_s Column1 d_k"},
    {"T | extend s, x", "k x s t d"},
    {"T | project d.k, d['k'], d.a[0].q, gettype(x), x, ['y z'] = 1",
     "d_k d_k1 d_a_0_q type_x x y z"},
    {"T | distinct s, k", "s k"},
    {"T | count", "Count"},
    {"T | count as N", "N"},
    {"print 1, a = 2, 3", "print_0 a print_2"},
    {"T | project-reorder t, s", "t s k x d"},
    {"T | project-reorder * desc", "x t s k d"},
    {"T | project-away d, t*", "k x s"},
    {"union withsource=W T, (T | project k = 1)", "W k_string k_long x s t d"},
    {"union kind=inner T, (T | project s, x = '')", "s"},
};

Test(plan, names_of_result_columns)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char query[400];
        snprintf(query, sizeof query,
                 "let T = datatable(k:string, x:long, s:string, t:datetime, d:dynamic)[]; %s",
                 names[i].query);
        again();
        struct wr_plan *plan = bind(query);
        if (!plan)
            wr_diags_print(&diags, &out);
        for (uint16_t c = 0; plan && c < plan->root->schema->ncols; c++)
            wr_buf_fmt(&out, "%s%s", c ? " " : "", plan->root->schema->cols[c].name);
        wr_plan_free(plan);
        cr_expect_str_eq(terminated(), names[i].columns);
    }
}

static const struct {
    const char *query, *message;
} mistakes[] = {
    {"DeviceNetworkEvent | count",
     "q.kql:1:1: error: no table 'DeviceNetworkEvent'\n    DeviceNetworkEvent | count\n"
     "    ^~~~~~~~~~~~~~~~~~ did you mean 'DeviceNetworkEvents'?\n"},
    {"SecurityEvent | count",
     "q.kql:1:1: error: no table 'SecurityEvent' here: Windows' own logs, which weir does not read\n"
     "    SecurityEvent | count\n"
     "    ^~~~~~~~~~~~~ `lists: tables:` in the configuration gives it a file, or `missing: empty`\n"},
    {"Zzzzzzzzz | count", "q.kql:1:1: error: no table 'Zzzzzzzzz'\n    Zzzzzzzzz | count\n"
                         "    ^~~~~~~~~ `weir tables` shows those that are here\n"},
    {"Flows | where sourceTransportPrt == 1",
     "q.kql:1:15: error: no column 'sourceTransportPrt' in this where's input\n"
     "    Flows | where sourceTransportPrt == 1\n"
     "                  ^~~~~~~~~~~~~~~~~~ did you mean 'sourceTransportPort'?\n"},
    {"Flows | wher x == 1", "q.kql:1:9: error: no operator 'wher'\n    Flows | wher x == 1\n       "
                            "     ^~~~ did you mean 'where'?\n"},
    {"Flows | evaluate autocluster()",
     "q.kql:1:18: error: plugin 'autocluster' is refused: it looks for patterns by trial: a result that nobody could "
     "hold against Kusto's\n"
     "    Flows | evaluate autocluster()\n                     ^~~~~~~~~~~ (see docs/kql.md#plugins)\n"},
    {"Flows | facet by DeviceName",
     "q.kql:1:9: error: operator 'facet' is refused: it gives several results, and an alert needs one\n"
     "    Flows | facet by DeviceName\n            ^~~~~ (see docs/kql.md#refused)\n"},
    {"Flows | join kind=left (Flows) on Exporter", "q.kql:1:19: error: no join of kind 'left'\n"},
    {"Flows | join (Flows | project x = Exporter) on Exporter",
     "q.kql:1:48: error: no column 'Exporter' in the second table of this join\n"},
    {"Flows | join (print k = 1) on $left.Exporter == $right.k",
     "q.kql:1:31: error: a string is matched with a long\n"},
    {"Flows | join (Flows) on Exporter > 1",
     "q.kql:1:25: error: a condition of this join is no pair of columns\n"},
    {"Flows | fork (count)",
     "q.kql:1:9: error: operator 'fork' is refused: it gives several results, and an alert needs one\n"},
    {"Flows | where Exporter > 'a'", "q.kql:1:15: error: values of type string have no order\n"},
    {"Flows | where Timestamp > '2026-01-01'",
     "q.kql:1:15: error: '>' does not take datetime and string\n"},
    {"Flows | where octetDeltaCount",
     "q.kql:1:15: error: a condition is needed here; this is a long\n"},
    {"Flows | where count() > 1",
     "q.kql:1:15: error: aggregate 'count' stands outside of a summarize\n"},
    {"Flows | summarize sum(count())",
     "q.kql:1:23: error: aggregate 'count' stands outside of a summarize\n"},
    {"Flows | summarize Exporter",
     "q.kql:1:19: error: column 'Exporter' stands outside of an aggregate\n"},
    {"Flows | summarize a = count(), a = sum(octetDeltaCount)",
     "q.kql:1:32: error: a second column 'a'\n"},
    {"Flows | summarize a = count() by a = Exporter", "q.kql:1:19: error: a second column 'a'\n"},
    {"Flows | project Exporter, Exporter", "q.kql:1:27: error: a second column 'Exporter'\n"},
    {"Flows | extend x = tolowr(Exporter)",
     "q.kql:1:20: error: function 'tolowr' is not supported yet, or misspelt\n"},
    {"Flows | extend x = tolower(Exporter, 1)",
     "q.kql:1:20: error: 'tolower' does not take (string, long)\n"},
    {"Flows | extend x = Exporter.name",
     "q.kql:1:20: error: only dynamic values have members; this is a string\n"},
    {"Flows | summarize sum(Exporter)", "q.kql:1:19: error: 'sum' does not take string\n"},
    {"Flows | where Exporter in ()", "q.kql:1:15: error: the list of 'in' is empty\n"},
    {"Flows | extend x = sourceTransportPort in ((Flows | project Exporter))",
     "q.kql:1:20: error: a value of type int is looked for among values of type string\n"},
    {"Flows | take -1",
     "q.kql:1:14: error: 'take' takes a whole number that is known beforehand\n"},
    {"let x = 5; x | count", "q.kql:1:12: error: 'x' is a value; a table is needed here\n"},
    {"let T = Flows | take 1; Flows | where Exporter == T",
     "q.kql:1:51: error: 'T' is a table; a value is needed here\n"},
    {"let f = (a:long) { a }; print f()", "q.kql:1:31: error: 'f' needs a value for 'a'\n"},
    {"let f = (a:long) { a }; print f(1, 2)", "q.kql:1:31: error: 'f' takes 1 arguments\n"},
    {"let f = (a:long) { range x from 1 to a step 1 }; f",
     "q.kql:1:50: error: function 'f' is named without its arguments\n"},
    {"DeviceNetworkEvents | distinct *",
     "q.kql:1:23: error: column 'AdditionalFields' is dynamic and cannot be a key\n"},
    {"let x = 5;", "q.kql:1:11: error: there is no query\n"},
    {"datatable(a:long, b:long)[1, 2, 3]",
     "q.kql:1:1: error: 3 values do not fill rows of 2 columns\n"},
    {"externaldata(a:string)['http://x'] | count",
     "q.kql:1:1: error: externaldata is not supported yet\n"},
    {"cluster('a').database('b').T | count", "q.kql:1:14: error: function 'database' is refused: there is one weir, not a cluster of databases\n"},
    {"_GetWatchlist('x') | count",
     "q.kql:1:1: error: a table from function '_GetWatchlist' is not supported yet\n"},
    {"print d = dynamic({'a': 1}) | summarize count() by d.a",
     "q.kql:1:52: error: dynamic values cannot be keys\n"},
    {"print d = dynamic({'a': 1}) | sort by d",
     "q.kql:1:39: error: dynamic values have no order\n"},
    {"Flows | project-away Exportr",
     "q.kql:1:22: error: no column 'Exportr' in this project-away's input\n"},
    {"Flows | project-rename a = b",
     "q.kql:1:28: error: no column 'b' in this project-rename's input\n"},
    {"union Q*, Flows", "q.kql:1:7: error: no table matches 'Q*'\n"},
    {"union *", "q.kql:1:7: error: '*' over every table is refused\n"},
    {"search in (*) 'x'", "q.kql:1:12: error: '*' over every table is refused\n"},
    {"table('Nope') | count", "q.kql:1:1: error: no table 'Nope'\n"},
    {"table(Nope) | count", "q.kql:1:7: error: "},
    {"Flows | extend table = 1 | where table in (table(Exporter))", "q.kql:1:44: error: table() takes the name of a table, a constant\n"},
    {"Flows | extend x = 1 | where ingestion_time() > ago(1h)", "q.kql:1:30: error: ingestion_time() is not known here\n"},
    {"Flows | join Flows where $left.Exporter == $right.Exporter", "q.kql:1:26: error: 'where' in a join needs kind=inner here\n"},
    {"Flows | join kind=inner Flows where $left.Exporter == $right.Exporter and $right.x > 1",
     "q.kql:1:82: error: no column 'x' in the second table of this join\n"},
    {"union Nope, Nada", "q.kql:1:7: error: no table 'Nope'\n"},
    {"Flows | where Exporter == 'a' and (octetDeltaCount + Exporter) > 1",
     "q.kql:1:36: error: '+' does not take long and string\n"},
    {"Flows | where _RowId > 1", "q.kql:1:15: error: no column '_RowId' in this where's input\n"},
};

Test(plan, mistakes_are_told_with_place_and_hint)
{
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        const char *got = operators(mistakes[i].query);
        cr_expect(strncmp(got, mistakes[i].message, strlen(mistakes[i].message)) == 0,
                  "wanted %s\ngot %s", mistakes[i].message, got);
    }
}

Test(plan, all_arguments_are_looked_at)
{
    operators("Flows | project a = nope1, b = nope2, Exporter");
    cr_expect_eq(diags.nerrors, 2);
}

Test(plan, size_after_lets_is_bounded)
{
    struct wr_buf text = {0};
    wr_buf_str(&text, "let x0 = now(); ");
    for (int i = 1; i < 40; i++)
        wr_buf_fmt(&text, "let x%d = coalesce(x%d, x%d); ", i, i - 1, i - 1);
    wr_buf_str(&text, "print x39");
    wr_buf_char(&text, '\0');
    cr_expect(strstr(operators(text.data),
                     "error: the query is too large once its let statements are put in"));
    wr_buf_fini(&text);
}

static char *slurp(const char *path, size_t *ret_len)
{
    FILE *f = fopen(path, "rb");
    cr_assert(f, "%s", path);
    char *text = calloc(1, 65536);
    *ret_len = fread(text, 1, 65535, f);
    fclose(f);
    return text;
}

static const struct wr_pred *only_pred(const struct wr_plan *plan, uint32_t p)
{
    const struct wr_scan *scan = &plan->scans[WR_TABLE_DEVICE_NETWORK_EVENTS];
    cr_assert_eq(scan->nbranches, 1);
    cr_assert_lt(p, scan->branches[0].npreds);
    return &scan->branches[0].preds[p];
}

Test(plan, the_seed_runs_over_panes_with_its_ports_pushed_down)
{
    size_t len;
    char *text = slurp(WR_SOURCE_DIR "/tests/data/rules/T1071.003.kql", &len);
    struct wr_plan *plan = bind(text);
    wr_diags_print(&diags, &out);
    cr_assert(plan, "%s", terminated());
    cr_expect_eq(diags.nerrors, 0);
    cr_expect_eq(diags.nwarnings, 2, "%s", terminated());
    cr_expect(strstr(out.data, "q.kql:20:21: warning: column 'SentBytes'"), "%s", out.data);
    cr_expect(strstr(out.data, "q.kql:23:79: warning: column 'AccountName'"), "%s", out.data);
    cr_expect_eq(plan->mode, WR_MODE_INCREMENTAL);
    cr_expect_eq(plan->window, 24 * WR_TICKS_HOUR);
    cr_expect_str_eq(plan->window_from, "ago(TimeWindow) at line 4");
    cr_expect_eq(plan->time_col, WR_DNE_Timestamp);
    cr_assert(plan->summarize);
    cr_expect_eq(plan->summarize->nkeys, 6);
    cr_expect_eq(plan->summarize->naggs, 4, "FirstSeen is projected away");

    const struct wr_pred *ports = only_pred(plan, 0), *action = only_pred(plan, 1);
    struct wr_str success = WR_STR_LIT("ConnectionSuccess");
    static const int64_t want[] = {25, 465, 587, 110, 995, 143, 993};
    cr_expect_eq(ports->col, WR_DNE_RemotePort);
    cr_assert_eq(ports->n, 7);
    cr_expect_eq(memcmp(ports->ints, want, sizeof want), 0);
    cr_expect_eq(action->col, WR_DNE_ActionType);
    cr_expect_eq(action->op, WR_PRED_IN_STR);
    cr_expect(wr_str_eq(&action->strs[0], &success));

    const struct wr_colset *wanted = &plan->scans[WR_TABLE_DEVICE_NETWORK_EVENTS].wanted;
    cr_expect(wr_colset_has(wanted, WR_DNE_SentBytes) &&
              wr_colset_has(wanted, WR_DNE_InitiatingProcessAccountName));
    cr_expect(wr_colset_has(wanted, WR_DNE__RowId) && wr_colset_has(wanted, WR_DNE__Amend));
    cr_expect_not(wr_colset_has(wanted, WR_DNE_Protocol),
                  "it is shadowed before anything reads it");
    cr_expect_not(wr_colset_has(wanted, WR_DNE_ReceivedBytes));

    static const struct {
        const char *name;
        enum wr_type type;
    } columns[] = {{"LastSeen", WR_DATETIME},    {"DeviceName", WR_STRING},
                   {"AccountName", WR_STRING},   {"InitiatingProcessFileName", WR_STRING},
                   {"RemoteIP", WR_STRING},      {"Protocol", WR_STRING},
                   {"RemotePort", WR_INT},       {"ConnectionCount", WR_LONG},
                   {"UniqueRemoteIPs", WR_LONG}, {"BytesSent", WR_LONG}};
    cr_assert_eq(plan->root->schema->ncols, 10);
    for (uint16_t i = 0; i < 10; i++) {
        cr_expect_str_eq(plan->root->schema->cols[i].name, columns[i].name);
        cr_expect_eq(plan->root->schema->cols[i].type, columns[i].type);
    }
    wr_plan_free(plan);
    free(text);
}

static const struct {
    const char *query;
    enum wr_mode mode;
    int64_t window_s;
    const char *why;
} modes[] = {
    {"DeviceNetworkEvents | where RemotePort == 25", WR_MODE_STATELESS, 0, NULL},
    {"DeviceNetworkEvents | where RemotePort == 25 | project RemoteIP | sort by RemoteIP",
     WR_MODE_STATELESS, 0, NULL},
    {"DeviceNetworkEvents | where Timestamp > ago(1h) | summarize count() by RemoteIP",
     WR_MODE_INCREMENTAL, 3600, NULL},
    {"DeviceNetworkEvents | where ago(1h) < TimeGenerated | summarize count() by RemoteIP",
     WR_MODE_INCREMENTAL, 3600, NULL},
    {"DeviceNetworkEvents | where Timestamp >= now() - 2h and RemotePort == 1 | count",
     WR_MODE_INCREMENTAL, 7200, NULL},
    {"DeviceNetworkEvents | where Timestamp between (ago(1d) .. now()) | count",
     WR_MODE_INCREMENTAL, 86400, NULL},
    {"DeviceNetworkEvents | extend x = 1 | where Timestamp > ago(30m) and Timestamp > ago(1h) | "
     "summarize sum(x) by RemoteIP | sort by sum_x",
     WR_MODE_INCREMENTAL, 1800, NULL},
    {"DeviceNetworkEvents | where Timestamp > ago(1h) | summarize count() by RemoteIP | top 3 by count_",
     WR_MODE_WINDOWED, 3600, "take and top choose"},
    {"DeviceNetworkEvents | where SentBytes > 1000 | project RemoteIP", WR_MODE_WINDOWED, 0,
     "a where reads bytes that still grow"},
    {"Syslog | where TimeGenerated > ago(5m) | summarize dcount(HostName) by Facility | where "
     "dcount_HostName > 3",
     WR_MODE_INCREMENTAL, 300, NULL},
    {"DeviceNetworkEvents | where Timestamp between (ago(2d) .. ago(1d)) | count", WR_MODE_WINDOWED, 172800,
     "now() or ago() is read outside"},
    {"DeviceNetworkEvents | summarize m = max(Timestamp) by RemoteIP | where m > ago(1h)",
     WR_MODE_WINDOWED, 3600, "now() or ago() is read outside"},
    {"DeviceNetworkEvents | summarize count() by RemoteIP | summarize max(count_)", WR_MODE_WINDOWED,
     0, "a summarize over the result"},
    {"DeviceNetworkEvents | where SentBytes > 10 | summarize count() by RemoteIP", WR_MODE_WINDOWED, 0,
     "a where reads bytes that still grow"},
    {"DeviceNetworkEvents | extend kb = SentBytes / 1024 | summarize sum(kb) by RemoteIP",
     WR_MODE_WINDOWED, 0, "column 'kb' is made from bytes"},
    {"DeviceNetworkEvents | summarize avg(SentBytes) by RemoteIP", WR_MODE_WINDOWED, 0,
     "avg() reads bytes that still grow"},
    {"DeviceNetworkEvents | extend b = SentBytes | summarize sum(b), sum(ReceivedBytes) by "
     "RemoteIP",
     WR_MODE_INCREMENTAL, 0, NULL},
    {"ASimNetworkSessionLogs | where TimeGenerated > ago(1h) | summarize sum(SrcBytes) by SrcIpAddr",
     WR_MODE_INCREMENTAL, 3600, NULL},
    {"ASimNetworkSessionLogs | where EventEndTime > ago(1h) | summarize count() by SrcIpAddr",
     WR_MODE_WINDOWED, 3600, "a where reads"},
    {"CommonSecurityLog | where TimeGenerated > ago(1h) | summarize sum(SentBytes) by SourceIP",
     WR_MODE_INCREMENTAL, 3600, NULL},
    {"DeviceNetworkEvents | take 5 | summarize count()", WR_MODE_WINDOWED, 0,
     "take and top choose"},
    {"DeviceNetworkEvents | summarize arg_max(Timestamp, RemoteIP) by DeviceName", WR_MODE_INCREMENTAL, 0, NULL},
    {"DeviceNetworkEvents | summarize arg_max(Timestamp, *) by DeviceName", WR_MODE_WINDOWED, 0,
     "arg_max() reads bytes that still grow"},
    {"Syslog | summarize arg_max(TimeGenerated, *), take_any(HostIP) by HostName", WR_MODE_INCREMENTAL, 0, NULL},
    {"Syslog | summarize arg_max(HostIP, SyslogMessage) by HostName", WR_MODE_INCREMENTAL, 0, NULL},
    {"Syslog | summarize hll(HostIP) by HostName", WR_MODE_WINDOWED, 0, "hll() of a string"},
    {"union DeviceNetworkEvents, FlowOrphans | count", WR_MODE_INCREMENTAL, 0, NULL},
    {"union (DeviceNetworkEvents | where Timestamp > ago(1h)), FlowOrphans | project Timestamp", WR_MODE_STATELESS, 0, NULL},
    {"union (DeviceNetworkEvents | where Timestamp > ago(1h)), FlowOrphans | count", WR_MODE_WINDOWED, 3600,
     "the legs of its union look back differently far"},
    {"union DeviceNetworkEvents, FlowOrphans | where Timestamp > ago(1h) | project Timestamp", WR_MODE_STATELESS, 3600, NULL},
    {"union DeviceNetworkEvents, (Syslog | distinct HostName)", WR_MODE_WINDOWED, 0,
     "leg 2 of its union: a summarize stands in it"},
    {"print 1", WR_MODE_BATCH, 0, "it reads no table"},
};

Test(plan, what_mv_expand_and_mv_apply_leave_out_is_not_read)
{
    static const char *const texts[] = {
        "SmtpMessages | where Timestamp > ago(1h) | mv-expand H = Headers | summarize count() by MailFrom, tostring(H.name)",
        "SmtpMessages | where Timestamp > ago(1h) | mv-apply H = Headers on (summarize n = count() by N = tostring(H.name)) | "
        "project MailFrom, N, n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct wr_plan *plan = bind(texts[i]);
        const struct wr_colset *wanted = &plan->scans[WR_TABLE_SMTP_MESSAGES].wanted;
        cr_expect(wr_colset_has(wanted, WR_SMTP_Headers) && wr_colset_has(wanted, WR_SMTP_MailFrom));
        cr_expect_not(wr_colset_has(wanted, WR_SMTP_Subject) || wr_colset_has(wanted, WR_SMTP_AttachmentName));
        wr_plan_free(plan);
    }
}

Test(plan, ways_to_run_and_what_stands_in_the_way)
{
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        again();
        struct wr_plan *plan = bind(modes[i].query);
        cr_assert(plan, "%s", modes[i].query);
        cr_expect_eq(plan->mode, modes[i].mode, "%s: %s", modes[i].query, plan->why);
        cr_expect(!modes[i].why || strncmp(plan->why, modes[i].why, strlen(modes[i].why)) == 0,
                  "%s: %s", modes[i].query, plan->why);
        if (plan->mode != WR_MODE_BATCH)
            cr_expect_eq(plan->window, modes[i].window_s * WR_TICKS_SECOND, "%s", modes[i].query);
        wr_plan_free(plan);
    }
}

static const struct {
    const char *query, *pushed;
} pushed[] = {
    {"DeviceNetworkEvents | where RemotePort == 25 or RemotePort in (110, 143) | count",
     "  RemotePort in (25)\n  or RemotePort in (110, 143)\n"},
    {"DeviceNetworkEvents | where (RemotePort == 25 or LocalPort == 25) and Protocol =~ 'tcp' | "
     "count",
     "  RemotePort in (25) and Protocol in~ (\"tcp\")\n  or LocalPort in (25) and Protocol in~ "
     "(\"tcp\")\n"},
    {"DeviceNetworkEvents | where RemotePort == 25 or DeviceName startswith 'x' | count",
     "  every row\n"},
    {"DeviceNetworkEvents | where RemotePort != 25 | count", "  every row\n"},
    /* a name that is shadowed is not the table's; one that is handed on is */
    {"DeviceNetworkEvents | extend RemotePort = LocalPort | where RemotePort == 25 | count",
     "  LocalPort in (25)\n"},
    {"DeviceNetworkEvents | extend RemotePort = 25 | where RemotePort == 25 | count",
     "  every row\n"},
    {"DeviceNetworkEvents | extend p = RemotePort + 1 | where p == 25 | count", "  every row\n"},
    /* behind an aggregate nothing is the table's */
    {"DeviceNetworkEvents | summarize count() by RemotePort | where RemotePort == 25",
     "  every row\n"},
    {"DeviceNetworkEvents | where RemotePort == 25 | summarize count() by RemotePort | where "
     "RemotePort == 110",
     "  RemotePort in (25)\n"},
    /* several readers of one table: either of them */
    {"union (DeviceNetworkEvents | where RemotePort == 1), (DeviceNetworkEvents | where RemotePort "
     "== 2) | count",
     "  RemotePort in (1)\n  or RemotePort in (2)\n"},
};

Test(plan, pushdown)
{
    for (size_t i = 0; i < sizeof pushed / sizeof *pushed; i++) {
        again();
        struct wr_plan *plan = bind(pushed[i].query);
        cr_assert(plan, "%s", pushed[i].query);
        wr_plan_explain(plan, &out);
        char *from = strstr((char *)terminated(), "pushed into");
        from = strchr(from, '\n') + 1;
        *strstr(from, "columns read") = '\0';
        cr_expect_str_eq(from, pushed[i].pushed, "%s: %s", pushed[i].query, from);
        wr_plan_free(plan);
    }
}

Test(plan, hash_tells_plans_apart_and_not_their_spelling)
{
    static const char *const q[] = {
        "DeviceNetworkEvents | where RemotePort == 25 | count",
        "let p = 25;\nDeviceNetworkEvents // c\n| where RemotePort == p | count",
        "DeviceNetworkEvents | where RemotePort == 26 | count"};
    uint64_t hash[3];
    for (int i = 0; i < 3; i++) {
        struct wr_plan *plan = bind(q[i]);
        hash[i] = plan->hash[0];
        wr_plan_free(plan);
    }
    cr_expect_eq(hash[0], hash[1]);
    cr_expect_neq(hash[0], hash[2]);
}

/* Refusals point at the page: it promises nothing that is not there. */
Test(plan, every_function_and_aggregate_on_the_page_exists)
{
    size_t len;
    char *page = slurp(WR_SOURCE_DIR "/docs/kql.md", &len);
    char *from = strstr(page, "## Functions"), *end = strstr(page, "## Literals");
    uint32_t n = 0;
    cr_assert(from && end);
    *end = '\0';
    char *refused = strstr(from, "<!-- refused functions -->"), *behind = refused ? strstr(refused, "<!-- end -->") : NULL;
    cr_assert(behind);
    memset(refused, ' ', (size_t)(behind - refused));
    for (char *at = strchr(from, '`'); at; at = strchr(at, '`')) {
        char *name = at + 1, *close = strchr(name, '`');
        cr_assert(close);
        *close = '\0';
        at = close + 1;
        bool there = wr_fn_find(name, strlen(name)) || wr_agg_find(name, strlen(name));
        uint32_t all;
        const struct wr_fn *fns = wr_fn_all(&all);
        for (uint32_t i = 0; i < all && !there; i++) /* one result of it */
            there = strncmp(fns[i].name, name, strlen(name)) == 0 && fns[i].name[strlen(name)] == '.';
        cr_expect(there || strcmp(name, "weir query") == 0, "docs/kql.md promises %s", name);
        n++;
    }
    cr_expect_gt(n, 100);
    free(page);
}

/* Each leg's way, and whose the window is. */
Test(plan, legs_of_a_union_are_explained)
{
    static const struct {
        const char *query, *lines;
    } cases[] = {
        {"union DeviceNetworkEvents, FlowOrphans | where Timestamp > ago(1h) | summarize n = count() by Protocol",
         "runs: incremental: partial aggregates over panes of the window\nwindow: 01:00:00, from ago(1h) at line 1\n"
         "leg 1: DeviceNetworkEvents, row by row into the groups of all legs\n"
         "leg 2: FlowOrphans, row by row into the groups of all legs\n"},
        {"union (DeviceNetworkEvents | where Timestamp > ago(1h)), FlowOrphans | project Timestamp",
         "runs: stateless: each row that passes is a result\nwindow: each leg its own, tested as a row comes\n"
         "leg 1: DeviceNetworkEvents, row by row\nleg 2: FlowOrphans, row by row\n"},
        {"union FlowOrphans, (DeviceNetworkEvents | take 3)",
         "runs: windowed: the kept rows are run again (leg 2 of its union: take and top choose among all rows of a result)\n"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        again();
        struct wr_plan *plan = bind(cases[i].query);
        struct wr_buf text = {0};
        cr_assert_not_null(plan);
        wr_plan_explain(plan, &text);
        wr_buf_char(&text, '\0');
        cr_expect(strncmp(text.data, cases[i].lines, strlen(cases[i].lines)) == 0, "%s", text.data);
        wr_buf_fini(&text);
        wr_plan_free(plan);
    }
}
