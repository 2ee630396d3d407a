/* Rules that look something up in lists: one row at a time, by the list as it is when the row
 * comes. */
#include "base/ticks.h"
#include "rules/exec/run.h"
#include "rules/fn/kernel.h"
#include "rules/refdata/refdata.h"
#include "rules/stream/stream.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW (1000 * WR_TICKS_DAY)

static struct wr_refdata *ref;
static struct wr_diags diags;
static int64_t clock_now;

static void load(const char *text)
{
    cr_assert_eq(
        wr_refdata_load(ref, WR_LIST_WATCHLIST, "w", "w.csv", text, strlen(text), NOW, &diags),
        WR_OK);
}

static void begin(void)
{
    ref = wr_refdata_new();
    cr_assert(ref && wr_diags_init(&diags));
    struct wr_list_def def = {.kind = WR_LIST_WATCHLIST, .name = "w", .format = WR_LIST_CSV};
    cr_assert_eq(wr_refdata_define(ref, &def), WR_OK);
    load("name,port\nws-1,25\n");
    clock_now = NOW;
}

static void end(void)
{
    wr_refdata_unref(ref);
    wr_diags_fini(&diags);
}

TestSuite(list_stream, .init = begin, .fini = end);

static struct wr_plan *plan_of(const char *text)
{
    struct wr_source src = {.name = "q", .text = text, .len = strlen(text), .line0 = 1};
    struct wr_plan *plan = wr_plan_new_env(&src, wr_refdata_env(ref), &diags);
    cr_assert_not_null(plan, "%s", text);
    return plan;
}

static struct wr_stream *stream_of(const struct wr_plan *plan)
{
    struct wr_stream_opts opts = {
        .rule_id = "r", .rule_version = "1", .realert = WR_TICKS_HOUR, .memory_bytes = 1 << 24};
    struct wr_stream *s = wr_stream_new(plan, &opts);
    cr_assert_not_null(s);
    return s;
}

enum { MAX_RESULTS = 32 };

/* Rows as texts, in the order of the alphabet. */
struct results {
    uint32_t n;
    char *text[MAX_RESULTS];
};

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_cell(struct wr_buf *out, enum wr_type type, bool null, int64_t i, double r,
                     struct wr_str s)
{
    struct wr_vec v = {.type = type, .i = &i, .r = &r, .s = &s};
    if (!null)
        wr_text_at(&v, 0, out);
    wr_buf_char(out, '|');
}

static void add_row(struct results *to, struct wr_buf *text)
{
    wr_buf_char(text, '\0');
    cr_assert(!text->err && to->n < MAX_RESULTS);
    to->text[to->n++] = strdup(text->data);
    wr_buf_fini(text);
}

static struct results alerts_of(struct wr_stream *s, int64_t ts)
{
    struct results r = {0};
    struct wr_alert *alerts = wr_stream_alerts(s);
    for (const struct wr_alert *a = alerts; a; a = a->next) {
        struct wr_buf text = {0};
        for (uint32_t c = 0; c < a->ncells; c++)
            add_cell(&text, a->cells[c].type, a->cells[c].null, a->cells[c].i, a->cells[c].r,
                     a->cells[c].s);
        add_row(&r, &text);
        cr_expect(a->nsamples == 1 && a->sample_rows[0] > 0 && a->sample_rows[0] < 4);
        cr_expect_eq(a->first_seen,
                     ts - (int64_t)a->sample_rows[0]); /* the time of the row it came from */
    }
    wr_alerts_free(alerts);
    qsort(r.text, r.n, sizeof *r.text, by_text);
    return r;
}

static struct results batch_of(const struct wr_plan *plan, enum wr_table table, const struct wr_batch *b)
{
    struct results r = {0};
    struct wr_run_opts opts = {.subs = plan->subs, .nsubs = plan->nsubs};
    struct wr_run *run = wr_run_new(plan->root, &opts);
    const struct wr_rows *rows;
    const char *why;
    struct wr_span span;
    cr_assert(run && wr_run_feed(run, table, b) == WR_OK);
    cr_assert_eq(wr_run_go(run, clock_now, &rows, &why, &span), WR_OK);
    for (uint64_t i = 0; i < rows->nrows; i++) {
        uint32_t row;
        struct wr_buf text = {0};
        const struct wr_batch *of = wr_rows_at(rows, i, &row);
        for (uint16_t c = 0; c < rows->schema->ncols; c++) {
            const struct wr_coldef *def = &rows->schema->cols[c];
            if (def->hidden)
                continue;
            wr_text_at(&of->col[def->store], row, &text);
            wr_buf_char(&text, '|');
        }
        add_row(&r, &text);
    }
    wr_run_free(run);
    qsort(r.text, r.n, sizeof *r.text, by_text);
    return r;
}

/* Rows of ws-1, ws-2, no name, with the ports 25, 26, null; returns the number of alerts, which are
 * the rows of a batch run. */
static uint32_t pass(struct wr_stream *s, const struct wr_plan *plan)
{
    static const char *const names[] = {"ws-1", "ws-2", ""};
    struct wr_colset all = wr_colset_all(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS));
    struct wr_batch *b = wr_batch_new(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS), &all, 8);
    cr_assert_not_null(b);
    clock_now += WR_TICKS_SECOND;
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t r = wr_batch_row(b);
        wr_batch_set_i64(b, WR_DNE_Timestamp, r, clock_now - 1 - i);
        wr_batch_set_i64(b, WR_DNE__RowId, r, 1 + i);
        cr_assert(wr_batch_set_str(b, WR_DNE_DeviceName, r, names[i], strlen(names[i])));
        if (i < 2)
            wr_batch_set_i64(b, WR_DNE_RemotePort, r, 25 + i);
    }
    wr_batch_seal(b);
    cr_assert_eq(wr_stream_consume(s, WR_TABLE_DEVICE_NETWORK_EVENTS, b, clock_now), WR_OK);
    struct results got = alerts_of(s, clock_now), want = batch_of(plan, WR_TABLE_DEVICE_NETWORK_EVENTS, b);
    wr_batch_free(b);
    cr_expect_eq(got.n, want.n);
    for (uint32_t i = 0; i < got.n && i < want.n; i++)
        cr_expect_str_eq(got.text[i], want.text[i]);
    for (uint32_t i = 0; i < got.n; i++)
        free(got.text[i]);
    for (uint32_t i = 0; i < want.n; i++)
        free(want.text[i]);
    return got.n;
}

static const struct {
    const char *query;
    uint32_t before, empty, after; /* alerts with ws-1; with none; with ws-1, ws-2 */
} rules[] = {
    {"DeviceNetworkEvents | where DeviceName in (_GetWatchlist('w') | project SearchKey)", 1, 0, 2},
    {"DeviceNetworkEvents | where DeviceName !in ((_GetWatchlist('w') | project SearchKey))", 2, 3,
     1},
    {"DeviceNetworkEvents | where Timestamp > ago(1h) and DeviceName in~ (_GetWatchlist('w') | "
     "project toupper(SearchKey))",
     1, 0, 2},
    {"let L = _GetWatchlist('w') | project name; DeviceNetworkEvents | where DeviceName has_any "
     "(L) | project DeviceName",
     1, 0, 2},
    {"let n = toscalar(_GetWatchlist('w') | count); DeviceNetworkEvents | where RemotePort == 24 + "
     "n",
     1, 0, 1},
    {"let P = _GetWatchlist('w') | where name startswith 'ws' | project toint(port); "
     "DeviceNetworkEvents | where RemotePort in (P)",
     1, 0, 2},
    {"DeviceNetworkEvents | where DeviceName in (_GetWatchlist('w') | where now() > "
     "datetime(0002-01-01) | project SearchKey)",
     1, 0, 2},
    {"DeviceNetworkEvents | join kind=inner (_GetWatchlist('w')) on $left.DeviceName == "
     "$right.name | project DeviceName, port",
     1, 0, 2},
    {"DeviceNetworkEvents | join kind=leftouter (_GetWatchlist('w')) on $left.DeviceName == "
     "$right.name | where isempty(port)",
     2, 3, 1},
    {"DeviceNetworkEvents | lookup kind=inner (_GetWatchlist('w') | project DeviceName = name, "
     "port) on DeviceName",
     1, 0, 2},
    {"DeviceNetworkEvents | join kind=leftanti (_GetWatchlist('w')) on $left.DeviceName == "
     "$right.name",
     2, 3, 1},
    {"_GetWatchlist('w') | join (DeviceNetworkEvents | where Timestamp > ago(1d)) on $left.name == "
     "$right.DeviceName",
     1, 0, 2},
    {"_GetWatchlist('w') | extend k = 'x' | join kind=inner (DeviceNetworkEvents | extend k = 'x') "
     "on k | project k, DeviceName, port",
     3, 0, 6},
    {"_GetWatchlist('w') | extend k = 'x' | join (DeviceNetworkEvents | extend k = 'x') on k | "
     "project k, DeviceName, port",
     3, 0, 3},
    {"_GetWatchlist('w') | join kind=rightouter (DeviceNetworkEvents) on $left.name == "
     "$right.DeviceName | where isempty(name)",
     2, 3, 1},
    {"DeviceNetworkEvents | extend p = pack_array(RemotePort, 1) | mv-expand p to typeof(long) | "
     "where isnotnull(p)",
     5, 5, 5},
    {"DeviceNetworkEvents | extend n = pack_array(DeviceName, 'ws-1') | mv-expand n to "
     "typeof(string) "
     "| join kind=inner (_GetWatchlist('w')) on $left.n == $right.name | mv-expand i = range(1, 2) "
     "| project DeviceName, n, port, i",
     8, 0, 10},
    {"DeviceNetworkEvents | mv-expand a = pack_array(1, 2, 3) to typeof(long) | mv-expand b = pack_array(a, 9) to typeof(long) "
     "| where b >= a",
     18, 18, 18},
};

Test(list_stream, each_row_is_judged_by_the_list_of_its_time)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        load("name,port\nws-1,25\n");
        struct wr_plan *plan = plan_of(rules[i].query);
        cr_assert_eq(plan->mode, WR_MODE_STATELESS, "%s: %s", rules[i].query, plan->why);
        struct wr_stream *s = stream_of(plan);
        cr_expect_eq(pass(s, plan), rules[i].before, "%s", rules[i].query);
        cr_expect_eq(pass(s, plan), rules[i].before, "%s", rules[i].query);
        load("name,port\n");
        cr_expect_eq(pass(s, plan), rules[i].empty, "%s", rules[i].query);
        load("name,port\nws-1,25\nws-2,26\n");
        cr_expect_eq(pass(s, plan), rules[i].after, "%s", rules[i].query);
        wr_stream_free(s);
        wr_plan_free(plan);
    }
}

static const struct {
    const char *query, *why;
} windowed[] = {
    {"DeviceNetworkEvents | mv-apply x = pack_array(1, 2) to typeof(long) on (summarize s = sum(x))",
     "a piece of it runs for each row or part"},
    {"Syslog | mv-apply x = pack_array(1, 2) to typeof(long) on (where now() > datetime(2001-01-01) | summarize s = sum(x))",
     "reads more than a row, or the time"},
    {"Syslog | mv-apply x = pack_array(1, 2) to typeof(long) on (summarize s = sum(x)) | summarize count() by s",
     "a piece of it runs for each row or part"},
    {"DeviceNetworkEvents | where DeviceName in (_GetWatchlist('w') | project SearchKey) | "
     "summarize count() by DeviceName",
     "judged again when a list changes"},
    {"DeviceNetworkEvents | where DeviceName in (Syslog | project HostName)",
     "a join has no panes"},
    {"let n = toscalar(Syslog | count); DeviceNetworkEvents | where RemotePort == n",
     "reads events"},
    {"DeviceNetworkEvents | join (_GetWatchlist('w')) on $left.DeviceName == $right.name",
     "keeps the first row of each key"},
    {"_GetWatchlist('w') | join kind=leftouter (DeviceNetworkEvents) on $left.name == "
     "$right.DeviceName",
     "a join has no panes"},
    {"DeviceNetworkEvents | join kind=fullouter (_GetWatchlist('w')) on $left.DeviceName == "
     "$right.name",
     "the list's rows"},
    {"DeviceNetworkEvents | mv-expand p = range(1, 2) | summarize count() by tostring(p)",
     "mv-expand has no panes"},
};

Test(list_stream, what_is_more_than_a_list_needs_the_kept_rows)
{
    for (size_t i = 0; i < sizeof windowed / sizeof *windowed; i++) {
        struct wr_plan *plan = plan_of(windowed[i].query);
        cr_expect_eq(plan->mode, WR_MODE_WINDOWED, "%s", windowed[i].query);
        cr_expect(plan->why && strstr(plan->why, windowed[i].why), "%s: %s", windowed[i].query,
                  plan->why);
        wr_plan_free(plan);
    }
}

/* The bytes of a connection came later: the row was judged when it came. */
Test(list_stream, amendments_are_not_looked_up_again)
{
    struct wr_plan *plan = plan_of("DeviceNetworkEvents | join kind=inner (_GetWatchlist('w')) on "
                                   "$left.DeviceName == $right.name | project DeviceName, port");
    struct wr_stream *s = stream_of(plan);
    cr_expect_eq(pass(s, plan), 1);
    struct wr_colset all = wr_colset_all(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS));
    struct wr_batch *b = wr_batch_new(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS), &all, 8);
    for (uint32_t amend = 0; amend < 2; amend++) {
        uint32_t r = wr_batch_row(b);
        wr_batch_set_i64(b, WR_DNE_Timestamp, r, clock_now - 1);
        wr_batch_set_i64(b, WR_DNE__RowId, r, amend ? 1 : 7);
        wr_batch_set_i64(b, WR_DNE__Amend, r, amend);
        wr_batch_set_i64(b, WR_DNE_SentBytes, r, 100);
        cr_assert(wr_batch_set_str(b, WR_DNE_DeviceName, r, "ws-1", 4));
    }
    wr_batch_seal(b);
    cr_assert_eq(wr_stream_consume(s, WR_TABLE_DEVICE_NETWORK_EVENTS, b, clock_now), WR_OK);
    struct wr_alert *alerts = wr_stream_alerts(s);
    cr_assert_not_null(alerts);
    cr_expect_eq(alerts->sample_rows[0], 7);
    cr_expect_null(alerts->next);
    wr_alerts_free(alerts);
    wr_batch_free(b);
    wr_stream_free(s);
    wr_plan_free(plan);
}

/* ---- ASIM's filter parameters, each given a list in every way that KQL has ---- */

struct asim_row {
    const char *src, *dst, *host, *action;
    int64_t port;
};

static struct wr_batch *sessions(void)
{
    static const struct asim_row rows[] = {{"192.0.2.1", "198.51.100.7", "ws-1", "Allow", 25},
                                           {"203.0.113.5", "192.0.2.1", "ws-2", "Deny", 26},
                                           {"203.0.113.6", "198.51.100.8", "", "", 25}};
    struct wr_colset all = wr_colset_all(wr_schema_of(WR_TABLE_ASIM_NETWORK_SESSION_LOGS));
    struct wr_batch *b = wr_batch_new(wr_schema_of(WR_TABLE_ASIM_NETWORK_SESSION_LOGS), &all, 4);
    cr_assert_not_null(b);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint32_t r = wr_batch_row(b);
        wr_batch_set_i64(b, WR_NETSESSION_TimeGenerated, r, clock_now - 1 - (int64_t)i);
        wr_batch_set_i64(b, WR_NETSESSION__RowId, r, 1 + (int64_t)i);
        wr_batch_set_i64(b, WR_NETSESSION_DstPortNumber, r, rows[i].port);
        cr_assert(wr_batch_set_str(b, WR_NETSESSION_SrcIpAddr, r, rows[i].src, strlen(rows[i].src)) &&
                  wr_batch_set_str(b, WR_NETSESSION_DstIpAddr, r, rows[i].dst, strlen(rows[i].dst)) &&
                  wr_batch_set_str(b, WR_NETSESSION_SrcHostname, r, rows[i].host, strlen(rows[i].host)) &&
                  wr_batch_set_str(b, WR_NETSESSION_DvcAction, r, rows[i].action, strlen(rows[i].action)));
    }
    wr_batch_seal(b);
    return b;
}

/* The list stands where %s is; each way gives the same values. */
static const struct {
    const char *query;
    uint32_t hits[2]; /* of one value; of none: a filter that is not there */
} asim[] = {{"_Im_NetworkSession(ipaddr_has_any_prefix=%s) | project SrcIpAddr, DstIpAddr", {2, 3}},
            {"_Im_NetworkSession(srcipaddr_has_any_prefix=%s, starttime=ago(1h)) | project SrcIpAddr", {1, 3}},
            {"_Im_NetworkSession(dstipaddr_has_any_prefix=%s, dstportnumber=26) | project DstIpAddr", {1, 1}},
            {"imNetworkSession(datetime(null), now(), dynamic([]), %s) | project DstIpAddr", {1, 3}},
            {"_ASim_NetworkSession | where SrcIpAddr in (%s) | project SrcIpAddr", {1, 0}},
            {"ASimNetworkSession() | where DstIpAddr has_any (%s) | project DstIpAddr, Src", {1, 0}}};

static const char *const ways[] = {
    "dynamic(['192.0.2.1'])",
    "pack_array('192.0.2.1')",
    "toscalar(datatable(a:string)['192.0.2.1'] | summarize make_list(a))",
    "toscalar(_GetWatchlist('ips') | summarize make_list(SearchKey))",
    "toscalar(externaldata(a:string)['https://lists.example/ips.csv'] | summarize make_set(a))",
    "toscalar(List | summarize make_list(ip))",
    "FromLet",
    "Values()"};

static void load_ips(const char *text)
{
    char csv[64];
    snprintf(csv, sizeof csv, "ip\n%s", text);
    cr_assert_eq(wr_refdata_load(ref, WR_LIST_WATCHLIST, "ips", "ips.csv", csv, strlen(csv), NOW, &diags), WR_OK);
    cr_assert_eq(wr_refdata_load(ref, WR_LIST_ADDRESS, "https://lists.example/ips.csv", "x.csv", text, strlen(text), NOW, &diags),
                 WR_OK);
}

static uint32_t count_alerts(struct wr_stream *s)
{
    uint32_t n = 0;
    struct wr_alert *list = wr_stream_alerts(s);
    for (const struct wr_alert *a = list; a; a = a->next)
        n++;
    wr_alerts_free(list);
    return n;
}

static void check_asim(size_t q, size_t way)
{
    char call[256], text[1024];
    snprintf(call, sizeof call, asim[q].query, ways[way]);
    snprintf(text, sizeof text,
             "let List = _GetWatchlist('ips') | project ip; let FromLet = toscalar(List | summarize make_set(ip));"
             "let Values = () { toscalar(List | summarize make_list(ip)) };\n%s",
             call);
    load_ips("192.0.2.1\n");
    struct wr_plan *plan = plan_of(text);
    cr_assert_eq(plan->mode, WR_MODE_STATELESS, "%s: %s", text, plan->why);
    struct wr_stream *s = stream_of(plan);
    struct wr_batch *b = sessions();
    for (int empty = 0; empty <= (way >= 3); empty++) {
        load_ips(empty ? "" : "192.0.2.1\n");
        clock_now += WR_TICKS_SECOND;
        cr_assert_eq(wr_stream_consume(s, WR_TABLE_ASIM_NETWORK_SESSION_LOGS, b, clock_now), WR_OK);
        cr_expect_eq(count_alerts(s), asim[q].hits[empty], "%s, %s", call, empty ? "no value" : "one value");
    }
    wr_batch_free(b);
    wr_stream_free(s);
    wr_plan_free(plan);
}

Test(list_stream, lists_from_anywhere_are_arguments_of_asim_parsers)
{
    struct wr_list_def watchlist = {.kind = WR_LIST_WATCHLIST, .name = "ips", .format = WR_LIST_CSV};
    struct wr_list_def address = {.kind = WR_LIST_ADDRESS, .name = "https://lists.example/ips.csv"};
    cr_assert_eq(wr_refdata_define(ref, &watchlist), WR_OK);
    cr_assert_eq(wr_refdata_define(ref, &address), WR_OK);
    for (size_t q = 0; q < sizeof asim / sizeof *asim; q++)
        for (size_t way = 0; way < sizeof ways / sizeof *ways; way++)
            check_asim(q, way);
}

/* Rows of a table that never change: a piece of the query for each row needs no window. */
static const struct {
    const char *query;
    uint32_t rows;
} pieces[] = {
    {"Syslog | mv-apply C = extract_all(@'(.)', SyslogMessage) to typeof(string) on (summarize N = count() by C "
     "| summarize M = max(N)) | where M >= 2 | project HostName, M",
     4},
    {"Syslog | extend P = split(SyslogMessage, ' ') | mv-apply P to typeof(string) on (where P startswith 'a' | top 1 by P asc) "
     "| mv-expand I = range(1, 2) to typeof(long) | project HostName, P, I",
     6},
    {"Syslog | mv-expand W = split(SyslogMessage, ' ') to typeof(string) "
     "| mv-apply C = extract_all(@'(.)', W) to typeof(string) on (summarize N = dcount(C)) | where N == 2 | project W, N",
     6},
    {"Syslog | mv-apply C = split(SyslogMessage, ' ') to typeof(string) on (where C == HostName) "
     "| where TimeGenerated > ago(1h)",
     1},
};

Test(list_stream, a_piece_runs_for_each_row_of_a_table_that_does_not_change)
{
    static const char *const messages[] = {"aa ab ac", "b aab", "", "x yy yx", "ab ba ws-4"};
    struct wr_colset all = wr_colset_all(wr_schema_of(WR_TABLE_SYSLOG));
    struct wr_batch *b = wr_batch_new(wr_schema_of(WR_TABLE_SYSLOG), &all, 8);
    cr_assert_not_null(b);
    for (uint32_t i = 0; i < 5; i++) {
        char host[8];
        uint32_t r = wr_batch_row(b);
        snprintf(host, sizeof host, "ws-%u", i);
        wr_batch_set_i64(b, WR_SYSLOG_TimeGenerated, r, NOW - 1);
        cr_assert(wr_batch_set_str(b, WR_SYSLOG_SyslogMessage, r, messages[i], strlen(messages[i])));
        cr_assert(wr_batch_set_str(b, WR_SYSLOG_HostName, r, host, strlen(host)));
    }
    wr_batch_seal(b);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct wr_plan *plan = plan_of(pieces[i].query);
        cr_assert_eq(plan->mode, WR_MODE_STATELESS, "%s: %s", pieces[i].query, plan->why);
        struct wr_stream *s = stream_of(plan);
        struct results got = {0}, want = batch_of(plan, WR_TABLE_SYSLOG, b);
        cr_assert_eq(wr_stream_consume(s, WR_TABLE_SYSLOG, b, NOW), WR_OK);
        struct wr_alert *alerts = wr_stream_alerts(s);
        for (const struct wr_alert *a = alerts; a; a = a->next) {
            struct wr_buf text = {0};
            for (uint32_t c = 0; c < a->ncells; c++)
                add_cell(&text, a->cells[c].type, a->cells[c].null, a->cells[c].i, a->cells[c].r, a->cells[c].s);
            add_row(&got, &text);
            cr_expect_eq(a->first_seen, NOW - 1);
        }
        wr_alerts_free(alerts);
        qsort(got.text, got.n, sizeof *got.text, by_text);
        cr_expect_eq(want.n, pieces[i].rows, "%s", pieces[i].query);
        cr_expect_eq(got.n, want.n, "%s", pieces[i].query);
        for (uint32_t k = 0; k < got.n && k < want.n; k++)
            cr_expect_str_eq(got.text[k], want.text[k]);
        for (uint32_t k = 0; k < got.n; k++)
            free(got.text[k]);
        for (uint32_t k = 0; k < want.n; k++)
            free(want.text[k]);
        wr_stream_free(s);
        wr_plan_free(plan);
    }
    wr_batch_free(b);
}
