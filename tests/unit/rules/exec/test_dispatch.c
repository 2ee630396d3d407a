/* Rows handed to the rules that want them: no row that a rule would have taken is missing, and with the rest left out the
 * rule says the same. */
#include "rules/exec/dispatch.h"
#include "rules/exec/stream.h"

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
                                      "notbad.example", "worse1.worse"};
    static const int64_t ports[] = {25, 26, 443, 587, 8080};
    cr_assert(wr_batch_reset(b));
    for (uint32_t i = 0; i < ROWS; i++) {
        uint32_t r = wr_batch_row(b);
        wr_batch_set_i64(b, WR_DNE_Timestamp, r, 1000 + i);
        if (roll(5))
            wr_batch_set_i64(b, WR_DNE_RemotePort, r, ports[roll(5)]);
        wr_batch_set_i64(b, WR_DNE_SentBytes, r, roll(5));
        wr_batch_set_i64(b, WR_DNE__RowId, r, i + 1);
        if (roll(9) == 0) {
            wr_batch_set_i64(b, WR_DNE__Amend, r, 1);
            wr_batch_set_i64(b, WR_DNE__PrevSentBytes, r, roll(5));
        }
        put(b, WR_DNE_InitiatingProcessFileName, r, programs[roll(4)]);
        put(b, WR_DNE_DeviceName, r, devices[roll(5)]);
        put(b, WR_DNE_RemoteUrl, r, urls[roll(7)]);
        put(b, WR_DNE_ActionType, r, roll(3) ? "ConnectionSuccess" : "ConnectionFailed");
    }
    wr_batch_seal(b);
    uint32_t n = 0;
    for (uint32_t k = 0; k < ROWS; k++)
        if (roll(4))
            b->sel.row[n++] = (uint16_t)k;
    b->sel.n = n;
}

static struct wr_plan *plan_of(const char *rule)
{
    char text[512];
    snprintf(text, sizeof text, "DeviceNetworkEvents | where Timestamp > ago(1h) | %s", rule);
    struct wr_source source = {.name = "t", .text = text, .len = strlen(text), .line0 = 1};
    struct wr_diags diags;
    cr_assert(wr_diags_init(&diags));
    struct wr_plan *plan = wr_plan_new(&source, &diags);
    cr_assert_not_null(plan, "%s", rule);
    cr_assert_eq(plan->mode, WR_MODE_STATELESS, "%s", rule);
    wr_diags_fini(&diags);
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
static uint32_t drain(struct wr_stream *s, struct wr_buf *out)
{
    uint32_t n = 0;
    struct wr_alert *list = wr_stream_alerts(s);
    for (struct wr_alert *a = list; a; a = a->next, n++)
        wr_buf_fmt(out, "%s\n", a->id);
    wr_alerts_free(list);
    wr_buf_char(out, '\0');
    return n;
}

Test(dispatch, rules_say_what_they_say_over_every_row)
{
    const struct wr_plan *plans[NRULES];
    const struct wr_op *chain[NRULES];
    struct wr_stream *whole[NRULES], *part[NRULES];
    struct wr_sel sel[NRULES];
    for (int i = 0; i < NRULES; i++) {
        plans[i] = plan_of(rules[i]);
        whole[i] = stream_of(plans[i]);
        part[i] = stream_of(plans[i]);
    }
    for (uint32_t i = 0; i < NRULES; i++)
        chain[i] = wr_stream_leg(whole[i], 0, WR_TABLE_DEVICE_NETWORK_EVENTS);
    struct wr_dispatch *d = wr_dispatch_new(WR_TABLE_DEVICE_NETWORK_EVENTS, chain, NRULES);
    struct wr_colset all = wr_colset_all(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS));
    struct wr_batch *b = wr_batch_new(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS), &all, ROWS);
    uint64_t handed = 0, alerts = 0, given = 0;
    cr_assert(d && b);
    for (uint64_t seed = 1; seed <= 30; seed++) {
        prng = seed;
        fill(b);
        cr_assert(wr_dispatch_rows(d, b, sel));
        for (int i = 0; i < NRULES; i++) {
            struct wr_buf want = {0}, have = {0};
            for (uint32_t k = 1; k < sel[i].n; k++)
                cr_assert_lt(sel[i].row[k - 1], sel[i].row[k]);
            handed += sel[i].n;
            given += b->sel.n;
            cr_assert_eq(wr_stream_consume(whole[i], WR_TABLE_DEVICE_NETWORK_EVENTS, b, 5000), WR_OK);
            cr_assert_eq(wr_stream_consume_rows(part[i], WR_TABLE_DEVICE_NETWORK_EVENTS, b, &sel[i], 5000), WR_OK);
            alerts += drain(whole[i], &want);
            drain(part[i], &have);
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
