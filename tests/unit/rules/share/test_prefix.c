/* Rules that begin alike say together what each says alone; and what they have in common is found,
 * whatever it is called. */
#include "rules/load/rule.h"
#include "rules/rules.h"
#include "rules/share/prefix.h"
#include "rules/stream/stream.h"

#include <criterion/criterion.h>
#include <stdio.h>

enum { ROWS = 120 };

/* Each line a rule over DeviceNetworkEvents. */
static const char *const rules[] = {
    /* the same filter and column, kept beside different others and under different names */
    "where RemotePort in (25, 587) | extend X = strcat(DeviceName, '/', RemoteUrl) | where X has "
    "'bad' | summarize N = count() by X",
    "where RemotePort in (25, 587) | extend Y = strcat(DeviceName, '/', RemoteUrl), Z = RemotePort "
    "+ 1 | where Y has 'bad'\n"
    "| summarize B = sum(Z) by Y | where B > 5",
    "where RemotePort in (25, 587) | extend X = strcat(DeviceName, '/', RemoteUrl) | where X has "
    "'bad' | where strlen(X) > 8",
    "where RemotePort in (25, 587) | extend L = strlen(DeviceName) | where L > 3 | project "
    "Timestamp, DeviceName, L",
    "where RemotePort in (25, 587) | project Timestamp, D = DeviceName, U = RemoteUrl | extend L = "
    "strlen(D) | where L > 3 and U has 'good'\n"
    "| summarize take_any(U), max(L) by D",
    /* part of a filter */
    "where RemotePort == 443 and LocalPort > 1 and strlen(RemoteUrl) > 3 | summarize N = count() "
    "by DeviceName",
    "where RemotePort == 443 and LocalPort > 1 and strlen(RemoteUrl) > 5 | summarize N = count() "
    "by DeviceName",
    "where RemotePort == 443 and LocalPort > 1 | where ActionType == 'ConnectionFailed'",
    /* every row */
    "extend L = strlen(RemoteUrl) | where L > 4 | extend M = L * 2 | summarize S = sum(M), N = "
    "count() by DeviceName | where N > 3",
    "extend K = strlen(RemoteUrl) | where K > 4 | extend M = K * 2 | where M < 12 | summarize N = "
    "count() by RemotePort",
    "extend K = strlen(RemoteUrl) | where K > 4 | extend Q = tolower(ActionType) | where strlen(Q) "
    "== 16",
    /* lists are a rule's own; one behind what is shared */
    "where RemotePort == 8080 | extend A = tolower(DeviceName) | where A in ((datatable(D: string) "
    "['ws-1', 'ws-2']))",
    "where RemotePort == 8080 | extend A = tolower(DeviceName)\n"
    "| join kind=inner (datatable(D: string, O: string) ['ws-1', 'x', 'ws-2', 'y']) on $left.A == "
    "$right.D",
    /* the time of the run */
    "where RemotePort == 26 | extend Age = now() - Timestamp | where Age > 1ms | project "
    "Timestamp, ActionType",
    "where RemotePort == 26 | extend Age = now() - Timestamp | where Age > 1ms | project "
    "Timestamp, DeviceName, RemoteUrl",
    /* alone */
    "where DeviceName == 'ws-3' | extend X = strcat(DeviceName, '/', RemoteUrl)",
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

static void fill(struct wr_batch *b, bool amendments)
{
    static const char *const devices[] = {"", "ws-1", "WS-2", "ws-3", "server-4"};
    static const char *const urls[] = {"", "bad", "good", "x.Bad.example/bad",
                                       "a-long-name.example/with/a/path/bad"};
    static const int64_t ports[] = {25, 26, 443, 587, 8080};
    cr_assert(wr_batch_reset(b));
    for (uint32_t i = 0, n = 1 + roll(ROWS); i < n; i++) {
        uint32_t r = wr_batch_row(b), id = 1 + roll(3 * ROWS);
        uint64_t after;
        wr_batch_set_i64(b, WR_DNE_SentBytes, r, roll(7));
        wr_batch_set_i64(b, WR_DNE__RowId, r, id);
        if (amendments && roll(9) == 0) {
            wr_batch_set_i64(b, WR_DNE__Amend, r, 1);
            wr_batch_set_i64(b, WR_DNE__PrevSentBytes, r, roll(7));
        }
        after = prng;
        prng = id; /* the rest of a row is the same whenever it comes */
        roll(2);
        wr_batch_set_i64(b, WR_DNE_Timestamp, r, 1000000000 + id);
        if (roll(4))
            wr_batch_set_i64(b, WR_DNE_LocalPort, r, roll(5));
        if (roll(6))
            wr_batch_set_i64(b, WR_DNE_RemotePort, r, ports[roll(5)]);
        put(b, WR_DNE_DeviceName, r, devices[roll(5)]);
        put(b, WR_DNE_RemoteUrl, r, urls[roll(5)]);
        put(b, WR_DNE_ActionType, r, roll(3) ? "ConnectionSuccess" : "ConnectionFailed");
        prng = after;
        roll(2);
    }
    wr_batch_seal(b);
}

static struct wr_ruleset *set_of(const char *const *texts, int n, int first)
{
    struct wr_diags diags;
    struct wr_ruleset *set = wr_ruleset_new();
    cr_assert(wr_diags_init(&diags) && set);
    for (int i = 0; i < n; i++) {
        char text[512], name[16];
        int len = snprintf(text, sizeof text,
                           "DeviceNetworkEvents | where Timestamp > ago(1h) | %s", texts[i]);
        snprintf(name, sizeof name, "r%d.kql", first + i);
        cr_assert_eq(wr_ruleset_add(set, name, text, (size_t)len, &diags), WR_OK, "%s", texts[i]);
    }
    wr_diags_fini(&diags);
    return set;
}

static uint32_t drain(struct wr_engine *e, struct wr_buf *out)
{
    struct wr_alert *list = wr_engine_alerts(e);
    uint32_t n = 0;
    for (struct wr_alert *a = list; a; a = a->next, n++) {
        wr_alert_json(a, out);
        wr_buf_char(out, '\n');
    }
    wr_alerts_free(list);
    return n;
}

static void together_as_alone(bool amendments)
{
    struct wr_ruleset *all = set_of(rules, NRULES, 0), *one[NRULES];
    struct wr_engine *e = wr_engine_new(all, NULL), *alone[NRULES];
    struct wr_colset wanted = wr_ruleset_scan(all, WR_TABLE_DEVICE_NETWORK_EVENTS)->wanted;
    struct wr_batch *b = wr_batch_new(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS), &wanted, ROWS);
    uint64_t alerts = 0;
    cr_assert(e && b);
    for (int i = 0; i < NRULES; i++) {
        one[i] = set_of(&rules[i], 1, i);
        alone[i] = wr_engine_new(one[i], NULL);
        cr_assert_not_null(alone[i]);
    }
    for (uint64_t seed = 1; seed <= 60; seed++) {
        int64_t now = 1000100000 + (int64_t)seed * 20000;
        struct wr_buf want = {0}, have = {0};
        prng = seed;
        fill(b, amendments);
        cr_assert_eq(wr_engine_consume(e, WR_TABLE_DEVICE_NETWORK_EVENTS, b, now), WR_OK);
        alerts += drain(e, &have);
        for (int i = 0; i < NRULES; i++) {
            cr_assert_eq(wr_engine_consume(alone[i], WR_TABLE_DEVICE_NETWORK_EVENTS, b, now),
                         WR_OK);
            drain(alone[i], &want);
        }
        wr_buf_char(&want, '\0');
        wr_buf_char(&have, '\0');
        cr_assert_str_eq(have.data, want.data, "seed %llu", (unsigned long long)seed);
        wr_buf_fini(&want);
        wr_buf_fini(&have);
    }
    cr_expect_gt(alerts, 2000);
    for (int i = 0; i < NRULES; i++) {
        wr_engine_free(alone[i]);
        wr_ruleset_unref(one[i]);
    }
    wr_engine_free(e);
    wr_ruleset_unref(all);
    wr_batch_free(b);
}

Test(prefix, rules_say_together_what_each_says_alone)
{
    together_as_alone(false);
}

Test(prefix, rules_say_together_what_each_says_alone_when_rows_are_amended)
{
    together_as_alone(true);
}

/* Groups over rules [from, to): members of each, and what they share together. */
static uint32_t shared_of(int from, int to, char *ret_groups)
{
    struct wr_ruleset *set = set_of(rules + from, to - from, from);
    struct wr_stream *stream[NRULES];
    struct wr_prefix_rule leg[NRULES] = {0};
    uint32_t n = (uint32_t)(to - from);
    for (uint32_t i = 0; i < n; i++) {
        const struct wr_plan *plan = wr_ruleset_rule(set, i)->plan;
        struct wr_stream_opts opts = {
            .rule_id = "r", .rule_version = "1", .realert = 1, .memory_bytes = 1 << 20};
        stream[i] = wr_stream_new(plan, &opts);
        cr_assert_not_null(stream[i], "%s", rules[from + (int)i]);
        leg[i].top = wr_stream_leg(stream[i], 0, WR_TABLE_DEVICE_NETWORK_EVENTS);
        leg[i].ops = wr_stream_prefix(stream[i], 0, &leg[i].nops);
        leg[i].wanted = &plan->scans[WR_TABLE_DEVICE_NETWORK_EVENTS].wanted;
    }
    struct wr_prefixes *p = wr_prefixes_new(WR_TABLE_DEVICE_NETWORK_EVENTS, leg, n);
    cr_assert_not_null(p);
    uint32_t shared = wr_prefixes_shared(p);
    ret_groups[0] = '\0';
    for (uint32_t i = 0; i < n; i++) {
        uint32_t members;
        const uint32_t *rule = wr_prefixes_group(p, i, &members);
        for (uint32_t k = 0; k < members; k++) {
            cr_expect_eq(wr_prefixes_follows(p, rule[k]), k > 0);
            sprintf(ret_groups + strlen(ret_groups), "%s%u", k ? "," : " ",
                    rule[k] + (uint32_t)from);
        }
        wr_stream_free(stream[i]);
    }
    wr_prefixes_free(p);
    wr_ruleset_unref(set);
    return shared;
}

Test(prefix, what_several_rules_begin_with_is_found)
{
    static const struct {
        int from, to;
        uint32_t shared; /* filters and columns */
        const char *groups;
    } cases[] = {
        {0, 5, 3, " 0,1,2,3"}, /* the fifth stands under a test of its own */
        {5, 8, 2, " 5,6"},     {8, 11, 3, " 8,9,10"},
        {11, 13, 2, " 11,12"}, {13, 15, 3, " 13,14"},
        {15, 16, 0, ""},       {0, NRULES, 13, " 0,1,2,3 5,6 8,9,10 11,12 13,14"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char groups[256];
        uint32_t shared = shared_of(cases[i].from, cases[i].to, groups);
        cr_expect_eq(shared, cases[i].shared, "%d to %d: %u", cases[i].from, cases[i].to, shared);
        cr_expect_str_eq(groups, cases[i].groups, "%d to %d", cases[i].from, cases[i].to);
    }
}
