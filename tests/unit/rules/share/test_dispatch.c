/* Rows handed to the rules that want them: no row that a rule would have taken is missing, and with the rest left out the
 * rule says the same. */
#include "rules/share/dispatch.h"
#include "rules/stream/stream.h"
#include "rules/stream/window.h"

#include <criterion/criterion.h>
#include <stdio.h>

enum { ROWS = 200 };
static const char *const rules[] = {
    "where RemotePort in (25, 587)",
    "where RemotePort == 25 and InitiatingProcessFileName =~ 'PYTHON.exe'",
    "where InitiatingProcessFileName in~ ('python.exe', 'a program of a long name.exe', 'python.exe')",
    "where ActionType == 'ConnectionSuccess' | where DeviceName == 'ws-3'",
    "where DeviceName == ''",
    "where RemoteUrl has 'bad'",
    "where RemoteUrl has_any ('worse', 'b-bad.example') and ActionType == 'ConnectionSuccess'",
    "where RemoteUrl has_all ('EXAMPLE', 'bad')",
    "where RemoteUrl has '.'",
    "where RemotePort != 25",
    "where ActionType == 'ConnectionSuccess' and RemotePort == 443",
    "extend P = RemotePort + 1 | where P == 26",
    "where RemotePort == 25 or RemotePort == 443",
    "where LocalPort == 9",
    "where DeviceName in ('ws-1', 'WS-2') and RemotePort in (25, 443, 8080)",
    "where RemotePort == 26 or RemoteUrl has 'bad'",
    "where RemotePort == 26 or RemotePort != 25",
    "where (RemotePort == 25 and ActionType == 'ConnectionFailed') or DeviceName == 'ws-2'",
    "where tolower(InitiatingProcessFileName) in ('python.exe', 'bash')",
    "where tolower(InitiatingProcessFileName) == 'Python.exe'",
    "extend F = tolower(InitiatingProcessFileName) | where F == 'python.exe' or RemotePort == 8080",
    "project Timestamp, P = RemotePort, U = RemoteUrl, DeviceName | where P in (25, 26) and U has 'bad'",
    "extend F = strcat(InitiatingProcessFileName, '') | where F == 'bash'",
    "parse RemoteUrl with Host '.Bad' Rest | where Host == 'x' or RemotePort == 587",
    "join kind=inner (datatable(F: string) ['bash', 'Python.EXE']) on $left.InitiatingProcessFileName == $right.F",
    "join kind=leftouter (datatable(F: string) ['bash']) on $left.InitiatingProcessFileName == $right.F | where isempty(F)",
};
enum { NRULES = sizeof rules / sizeof *rules };

static uint64_t prng;

static uint32_t roll(uint32_t n)
{
    prng = prng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(((prng >> 32) * n) >> 32);
}

static void put(struct wr_batch *b, uint16_t col, uint32_t row, const char *text)
{
    cr_assert(wr_batch_set_str(b, col, row, text, strlen(text)));
}

static void fill(struct wr_batch *b)
{
    static const char *const programs[] = {"python.exe", "Python.EXE", "A program of a long NAME.exe", "bash"};
    static const char *const devices[] = {"", "ws-1", "ws-2", "WS-2", "ws-3"};
    static const char *const urls[] = {"", "bad", "good", "x.Bad.example/bad", "b-bad.example",
                                      "notbad.example", "worse1.worse",
                                      "https://a-long-name.example/with/a/path/bad", "0123456789abcde.bad/0123456789.x",
                                      "0123456789abcdefbad", "0123456789abc.worse.bad"};
    static const int64_t ports[] = {25, 26, 443, 587, 8080};
    cr_assert(wr_batch_reset(b));
    for (uint32_t i = 0; i < ROWS; i++) {
        uint32_t r = wr_batch_row(b), id = 1 + roll(3 * ROWS), sent = roll(5);
        uint64_t after = prng;
        wr_batch_set_i64(b, WR_DNE_Timestamp, r, 1000 + id);
        wr_batch_set_i64(b, WR_DNE_SentBytes, r, sent);
        wr_batch_set_i64(b, WR_DNE__RowId, r, id);
        if (roll(9) == 0) {
            wr_batch_set_i64(b, WR_DNE__Amend, r, 1);
            wr_batch_set_i64(b, WR_DNE__PrevSentBytes, r, roll(5));
        }
        prng = id; /* the rest of a row is the same whenever it comes */
        roll(2);
        if (roll(5))
            wr_batch_set_i64(b, WR_DNE_RemotePort, r, ports[roll(5)]);
        put(b, WR_DNE_InitiatingProcessFileName, r, programs[roll(4)]);
        put(b, WR_DNE_DeviceName, r, devices[roll(5)]);
        put(b, WR_DNE_RemoteUrl, r, urls[roll(11)]);
        put(b, WR_DNE_ActionType, r, roll(3) ? "ConnectionSuccess" : "ConnectionFailed");
        prng = after;
        roll(2);
    }
    wr_batch_seal(b);
    uint32_t n = 0;
    for (uint32_t k = 0; k < ROWS; k++)
        if (roll(4))
            b->sel.row[n++] = (uint16_t)k;
    b->sel.n = n;
}

static struct wr_plan *bind(const char *text)
{
    struct wr_source source = {.name = "t", .text = text, .len = strlen(text), .line0 = 1};
    struct wr_diags diags;
    cr_assert(wr_diags_init(&diags));
    struct wr_plan *plan = wr_plan_new(&source, &diags);
    cr_assert_not_null(plan, "%s", text);
    wr_diags_fini(&diags);
    return plan;
}

static struct wr_plan *plan_of(const char *rule)
{
    char text[512];
    snprintf(text, sizeof text, "DeviceNetworkEvents | where Timestamp > ago(1h) | %s", rule);
    struct wr_plan *plan = bind(text);
    cr_assert_eq(plan->mode, WR_MODE_STATELESS, "%s", rule);
    return plan;
}

static struct wr_stream *stream_of(const struct wr_plan *plan)
{
    struct wr_stream_opts opts = {.rule_id = "r", .rule_version = "1", .realert = 1, .memory_bytes = 1 << 20};
    struct wr_stream *s = wr_stream_new(plan, &opts);
    cr_assert_not_null(s);
    return s;
}

/* Ids of the alerts, as text. */
static uint32_t drain(struct wr_alert *list, struct wr_buf *out)
{
    uint32_t n = 0;
    for (struct wr_alert *a = list; a; a = a->next, n++)
        wr_buf_fmt(out, "%s\n", a->id);
    wr_alerts_free(list);
    wr_buf_char(out, '\0');
    return n;
}

Test(dispatch, rules_say_what_they_say_over_every_row)
{
    const struct wr_plan *plans[NRULES];
    struct wr_dispatch_rule legs[NRULES] = {0};
    const uint32_t *wanted;
    uint32_t nwanted;
    struct wr_stream *whole[NRULES], *part[NRULES];
    struct wr_sel sel[NRULES] = {0};
    for (int i = 0; i < NRULES; i++) {
        plans[i] = plan_of(rules[i]);
        whole[i] = stream_of(plans[i]);
        part[i] = stream_of(plans[i]);
    }
    for (uint32_t i = 0; i < NRULES; i++)
        legs[i].root = wr_stream_leg(whole[i], 0, WR_TABLE_DEVICE_NETWORK_EVENTS);
    struct wr_dispatch *d = wr_dispatch_new(WR_TABLE_DEVICE_NETWORK_EVENTS, legs, NRULES);
    struct wr_colset all = wr_colset_all(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS));
    struct wr_batch *b = wr_batch_new(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS), &all, ROWS);
    uint64_t handed = 0, alerts = 0, given = 0;
    cr_assert(d && b);
    for (uint64_t seed = 1; seed <= 30; seed++) {
        prng = seed;
        fill(b);
        cr_assert(wr_dispatch_rows(d, b, sel, &wanted, &nwanted));
        for (int i = 0; i < NRULES; i++) {
            struct wr_buf want = {0}, have = {0};
            for (uint32_t k = 1; k < sel[i].n; k++)
                cr_assert_lt(sel[i].row[k - 1], sel[i].row[k]);
            handed += sel[i].n;
            given += b->sel.n;
            cr_assert_eq(wr_stream_consume(whole[i], WR_TABLE_DEVICE_NETWORK_EVENTS, b, 5000), WR_OK);
            cr_assert_eq(wr_stream_consume_rows(part[i], WR_TABLE_DEVICE_NETWORK_EVENTS, b, &sel[i], 5000), WR_OK);
            alerts += drain(wr_stream_alerts(whole[i]), &want);
            drain(wr_stream_alerts(part[i]), &have);
            cr_assert_str_eq(have.data, want.data, "seed %llu: %s", (unsigned long long)seed, rules[i]);
            wr_buf_fini(&want);
            wr_buf_fini(&have);
        }
    }
    cr_expect_gt(alerts, 1000);
    cr_expect_lt(handed, given * 3 / 4); /* the point of it */
    wr_batch_free(b);
    wr_dispatch_free(d);
    for (int i = 0; i < NRULES; i++) {
        wr_stream_free(whole[i]);
        wr_stream_free(part[i]);
        wr_plan_free((struct wr_plan *)plans[i]);
    }
}

/* Rows of these are kept and looked at together. */
static const char *const windowed[] = {
    "let M = DeviceNetworkEvents | where Timestamp > ago(1h) and ActionType == 'ConnectionSuccess';\n"
    "M | where RemotePort == 25 | join kind=inner (M | where RemotePort in (443, 587)) on DeviceName\n"
    "| summarize N = count() by DeviceName, RemotePort, RemotePort1",
    "DeviceNetworkEvents | extend F = tolower(InitiatingProcessFileName), L = strlen(RemoteUrl)\n"
    "| where L > 3 and F in ('python.exe', 'bash') | where RemotePort == 25 | top 3 by SentBytes, Timestamp",
    "let n = toscalar(DeviceNetworkEvents | where RemoteUrl has 'worse' | count);\n"
    "DeviceNetworkEvents | where RemotePort == 25 | where n > 3 | project DeviceName, n",
    "DeviceNetworkEvents | where SentBytes == 3 and DeviceName in ('ws-1', 'ws-2') | sort by Timestamp asc\n"
    "| extend Before = prev(RemotePort) | where Before == 25",
    "union (DeviceNetworkEvents | where RemotePort == 26 or RemoteUrl has 'bad'), (DeviceNetworkEvents | where DeviceName == '')\n"
    "| summarize N = dcount(RemoteUrl) by DeviceName | join kind=leftouter (DeviceNetworkEvents | where RemotePort == 8080\n"
    "| summarize P = count() by DeviceName) on DeviceName",
    "DeviceNetworkEvents | extend Late = Timestamp < ago(10m), P = RemotePort | where P == 25 | where not(Late)\n"
    "| join kind=innerunique (datatable(F: string, O: string) ['bash', 'x', 'Python.EXE', 'y'] | where O != 'x')\n"
    " on $left.InitiatingProcessFileName == $right.F",
};
enum { NWINDOWED = sizeof windowed / sizeof *windowed };

static struct wr_window *window_of(const struct wr_plan *plan)
{
    struct wr_window_opts opts = {.rule_id = "r", .rule_version = "1", .realert = 1, .memory_bytes = 1 << 20};
    struct wr_window *w = wr_window_new(plan, &opts);
    cr_assert_not_null(w);
    return w;
}

Test(dispatch, kept_rows_are_those_that_the_rule_would_have_kept)
{
    struct wr_plan *plan[NWINDOWED];
    struct wr_dispatch_rule legs[NWINDOWED];
    struct wr_window *whole[NWINDOWED], *part[NWINDOWED];
    struct wr_sel sel[NWINDOWED] = {0};
    for (int i = 0; i < NWINDOWED; i++) {
        plan[i] = bind(windowed[i]);
        legs[i] = (struct wr_dispatch_rule){plan[i]->root, plan[i]->subs, plan[i]->nsubs};
        cr_assert_eq(plan[i]->mode, WR_MODE_WINDOWED, "%s", windowed[i]);
        whole[i] = window_of(plan[i]);
        part[i] = window_of(plan[i]);
    }
    struct wr_dispatch *d = wr_dispatch_new(WR_TABLE_DEVICE_NETWORK_EVENTS, legs, NWINDOWED);
    struct wr_colset all = wr_colset_all(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS));
    struct wr_batch *b = wr_batch_new(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS), &all, ROWS);
    const uint32_t *wanted;
    uint32_t nwanted, alerts[NWINDOWED] = {0}, handed[NWINDOWED] = {0};
    cr_assert(d && b);
    for (uint64_t seed = 1; seed <= 30; seed++) {
        int64_t now = (int64_t)seed * 20000000;
        prng = seed;
        fill(b);
        cr_assert(wr_dispatch_rows(d, b, sel, &wanted, &nwanted));
        for (int i = 0; i < NWINDOWED; i++) {
            struct wr_buf want = {0}, have = {0};
            handed[i] += sel[i].n;
            cr_assert_eq(wr_window_consume(whole[i], WR_TABLE_DEVICE_NETWORK_EVENTS, b, now), WR_OK);
            cr_assert_eq(wr_window_consume_rows(part[i], WR_TABLE_DEVICE_NETWORK_EVENTS, b, &sel[i], now), WR_OK);
            alerts[i] += drain(wr_window_alerts(whole[i]), &want);
            drain(wr_window_alerts(part[i]), &have);
            cr_assert_str_eq(have.data, want.data, "seed %llu: %s", (unsigned long long)seed, windowed[i]);
            wr_buf_fini(&want);
            wr_buf_fini(&have);
        }
    }
    for (int i = 0; i < NWINDOWED; i++) {
        cr_expect_gt(alerts[i], 0, "%s", windowed[i]);
        cr_expect_lt(handed[i], 30 * ROWS * 3 / 5, "%s", windowed[i]);
        wr_window_free(whole[i]);
        wr_window_free(part[i]);
        wr_plan_free(plan[i]);
    }
    wr_batch_free(b);
    wr_dispatch_free(d);
}
