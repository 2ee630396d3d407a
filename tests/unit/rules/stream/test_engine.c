/* The seed rule as its file stands, worked through a day: rows, a late one, bytes that come later, the end of
 * the window. */
#include "rules/load/rule.h"
#include "rules/rules.h"

#include "base/ticks.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static char *file_text(const char *path, size_t *ret_len)
{
    FILE *f = fopen(path, "rb");
    cr_assert_not_null(f, "%s", path);
    char *text = malloc(65536);
    *ret_len = fread(text, 1, 65536, f);
    fclose(f);
    return text;
}

static struct wr_ruleset *seed_rule(void)
{
    size_t len;
    char *text = file_text(WR_SOURCE_DIR "/tests/data/rules/T1071.003.kql", &len);
    struct wr_diags diags;
    cr_assert(wr_diags_init(&diags));
    struct wr_ruleset *set = wr_ruleset_new();
    cr_assert_eq(wr_ruleset_add(set, "T1071.003.kql", text, len, &diags), WR_OK);
    cr_expect_eq(diags.nerrors, 0);
    cr_assert_eq(wr_ruleset_count(set), 1);
    wr_diags_fini(&diags);
    free(text);
    return set;
}

static int64_t at(const char *iso)
{
    int64_t t;
    cr_assert(wr_ticks_parse_iso(iso, strlen(iso), &t));
    return t;
}

struct row {
    const char *ts, *process;
    int64_t port, bytes, prev, id;
    bool amend;
};

static struct wr_batch *batch_of(const struct row *r)
{
    static const char *const texts[] = {"ws-7", "ConnectionSuccess", "192.0.2.25", "lab7"};
    static const uint16_t cols[] = {WR_DNE_DeviceName, WR_DNE_ActionType, WR_DNE_RemoteIP,
                                    WR_DNE_InitiatingProcessAccountName};
    struct wr_colset all = wr_colset_all(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS));
    struct wr_batch *b = wr_batch_new(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS), &all, 1);
    uint32_t n = wr_batch_row(b);
    wr_batch_set_i64(b, WR_DNE_Timestamp, n, at(r->ts));
    wr_batch_set_i64(b, WR_DNE_RemotePort, n, r->port);
    wr_batch_set_i64(b, WR_DNE_SentBytes, n, r->bytes);
    wr_batch_set_i64(b, WR_DNE__RowId, n, r->id);
    for (int i = 0; i < 4; i++)
        cr_assert(wr_batch_set_str(b, cols[i], n, texts[i], strlen(texts[i])));
    cr_assert(wr_batch_set_str(b, WR_DNE_InitiatingProcessFileName, n, r->process, strlen(r->process)));
    if (r->amend) {
        wr_batch_set_i64(b, WR_DNE__Amend, n, 1);
        wr_batch_set_i64(b, WR_DNE__PrevSentBytes, n, r->prev);
    }
    wr_batch_seal(b);
    return b;
}

static void feed(struct wr_engine *e, const char *now, const struct row *r)
{
    struct wr_batch *b = batch_of(r);
    cr_assert_eq(wr_engine_consume(e, WR_TABLE_DEVICE_NETWORK_EVENTS, b, at(now)), WR_OK);
    wr_batch_free(b);
}

static const struct wr_alert_cell *cell(const struct wr_alert *a, const char *name)
{
    for (uint32_t i = 0; i < a->ncells; i++)
        if (strcmp(a->cells[i].name, name) == 0)
            return &a->cells[i];
    cr_assert_fail("no column %s", name);
    return NULL;
}

static const struct row rows[] = {{"2026-01-05T09:00:00Z", "python.exe", 587, 1200, 0, 1, false},
                                  {"2026-01-05T13:30:10.5Z", "python.exe", 587, 800, 0, 2, false},
                                  {"2026-01-05T19:59:58Z", "python.exe", 587, 5000, 0, 3, false},
                                  {"2026-01-05T08:59:00Z", "python.exe", 587, 10, 0, 4, false},
                                  {"2026-01-05T19:59:58Z", "python.exe", 587, 45000, 5000, 3, true}};

static const struct row not_matching[] = {{"2026-01-05T12:00:00Z", "Outlook.EXE", 587, 1, 0, 5, false},
                                          {"2026-01-05T12:00:00Z", "python.exe", 443, 1, 0, 6, false}};

static void no_alert(struct wr_engine *e)
{
    struct wr_alert *a = wr_engine_alerts(e);
    cr_expect_null(a);
    wr_alerts_free(a);
}

static struct wr_alert *one_alert(struct wr_engine *e, enum wr_alert_kind kind, uint32_t seq)
{
    struct wr_alert *a = wr_engine_alerts(e);
    cr_assert_not_null(a);
    cr_expect_null(a->next);
    cr_expect_eq(a->kind, kind);
    cr_expect_eq(a->seq, seq);
    return a;
}

Test(engine, seed_rule_through_a_day)
{
    struct wr_ruleset *set = seed_rule();
    struct wr_engine *e = wr_engine_new(set, NULL);
    cr_assert_not_null(e);
    feed(e, "2026-01-05T09:00:01Z", &rows[0]);
    feed(e, "2026-01-05T12:00:01Z", &not_matching[0]);
    feed(e, "2026-01-05T12:00:01Z", &not_matching[1]);
    feed(e, "2026-01-05T13:30:11Z", &rows[1]);
    no_alert(e);
    feed(e, "2026-01-05T20:00:00Z", &rows[2]);
    struct wr_alert *a = one_alert(e, WR_ALERT_RAISED, 0);
    cr_expect_eq(cell(a, "ConnectionCount")->i, 3);
    cr_expect_eq(cell(a, "BytesSent")->i, 7000);
    cr_expect_eq(cell(a, "UniqueRemoteIPs")->i, 1);
    cr_expect_eq(cell(a, "LastSeen")->i, at("2026-01-05T19:59:58Z"));
    struct wr_str smtp = WR_STR_LIT("SMTP");
    cr_expect(wr_str_eq(&cell(a, "Protocol")->s, &smtp));
    cr_expect_eq(a->nsamples, 3);
    cr_expect_eq(a->raised_at, at("2026-01-05T20:00:00Z"));
    char id[33];
    memcpy(id, a->id, sizeof id);
    wr_alerts_free(a);

    /* Updates come half the alert's age after the last one, at least a second. */
    feed(e, "2026-01-05T20:00:40Z", &rows[3]);
    a = one_alert(e, WR_ALERT_UPDATED, 1);
    cr_expect_eq(cell(a, "BytesSent")->i, 7010);
    cr_expect_eq(cell(a, "ConnectionCount")->i, 4);
    cr_expect_str_eq(a->id, id);
    wr_alerts_free(a);
    feed(e, "2026-01-05T20:00:41Z", &rows[4]);
    cr_assert_eq(wr_engine_advance(e, at("2026-01-05T20:01:00Z") - 1), WR_OK);
    no_alert(e);
    struct wr_alert *firing = wr_engine_firing(e);
    cr_assert_not_null(firing);
    cr_expect_eq(cell(firing, "BytesSent")->i, 47010);
    cr_expect_eq(cell(firing, "ConnectionCount")->i, 4);
    wr_alerts_free(firing);
    cr_assert_eq(wr_engine_advance(e, at("2026-01-05T20:01:00Z")), WR_OK);
    a = one_alert(e, WR_ALERT_UPDATED, 2);
    cr_expect_eq(cell(a, "BytesSent")->i, 47010);
    cr_expect_str_eq(a->id, id);
    wr_alerts_free(a);

    cr_assert_eq(wr_engine_advance(e, at("2026-01-06T09:00:00Z") - 1), WR_OK);
    no_alert(e);
    cr_assert_eq(wr_engine_advance(e, at("2026-01-06T09:00:00Z")), WR_OK);
    a = one_alert(e, WR_ALERT_RESOLVED, 3);
    cr_expect_str_eq(a->id, id);
    wr_alerts_free(a);
    cr_expect_null(wr_engine_firing(e));
    wr_engine_free(e);
    wr_ruleset_unref(set);
}

Test(engine, query_gives_the_same_row)
{
    size_t len;
    char *text = file_text(WR_SOURCE_DIR "/tests/data/rules/T1071.003.kql", &len);
    struct wr_diags diags;
    cr_assert(wr_diags_init(&diags));
    struct wr_query *q = wr_query_new("T1071.003.kql", text, len, 2, &diags);
    cr_assert_not_null(q);
    for (int i = 0; i < 6; i++) {
        static const int order[] = {0, 1, 3, 4};
        struct row r = i < 4 ? rows[order[i]] : not_matching[i - 4];
        struct wr_batch *b = batch_of(&r);
        cr_assert_eq(wr_query_feed(q, WR_TABLE_DEVICE_NETWORK_EVENTS, b), WR_OK);
        wr_batch_free(b);
    }
    struct wr_result res;
    cr_assert_eq(wr_query_run(q, at("2026-01-05T20:30:00Z"), &diags, &res), WR_OK);
    cr_assert_eq(res.nbatches, 1);
    cr_assert_eq(res.batches[0]->sel.n, 1);
    cr_expect_eq(res.batches[0]->col[wr_schema_find(res.schema, "BytesSent", 9)].i[0], 47010);
    cr_expect_eq(res.batches[0]->col[wr_schema_find(res.schema, "ConnectionCount", 15)].i[0], 4);
    cr_assert_eq(wr_query_run(q, at("2026-01-06T09:00:00Z"), &diags, &res), WR_OK);
    cr_expect_eq(res.nbatches, 0); /* two rows are left: not above the threshold */
    wr_query_free(q);
    wr_diags_fini(&diags);
    free(text);
}

Test(engine, state_is_taken_over_by_the_same_rule)
{
    struct wr_ruleset *set = seed_rule();
    struct wr_engine *e = wr_engine_new(set, NULL);
    feed(e, "2026-01-05T09:00:01Z", &rows[0]);
    feed(e, "2026-01-05T13:30:11Z", &rows[1]);
    struct wr_buf state = {0};
    wr_engine_save(e, &state);
    wr_engine_free(e);
    e = wr_engine_new(set, NULL);
    cr_assert_eq(wr_engine_load(e, state.data, state.len), WR_OK);
    for (size_t n = 0; n < state.len; n += 7)
        cr_expect_eq(wr_engine_load(e, state.data, n), WR_ECORRUPT);
    state.data[state.len - 3] ^= 1;
    cr_expect_eq(wr_engine_load(e, state.data, state.len), WR_ECORRUPT); /* and what was there stays */
    feed(e, "2026-01-05T20:00:00Z", &rows[2]);
    struct wr_alert *a = one_alert(e, WR_ALERT_RAISED, 0);
    cr_expect_eq(cell(a, "BytesSent")->i, 7000);
    wr_alerts_free(a);
    wr_buf_fini(&state);
    wr_engine_free(e);
    wr_ruleset_unref(set);
}

static struct wr_ruleset *rule_of(const char *text)
{
    struct wr_diags diags;
    cr_assert(wr_diags_init(&diags));
    struct wr_ruleset *set = wr_ruleset_new();
    cr_assert_eq(wr_ruleset_add(set, "rule.kql", text, strlen(text), &diags), WR_OK);
    cr_assert_eq(wr_ruleset_count(set), 1, "%s", text);
    wr_diags_fini(&diags);
    return set;
}

/* The event is six hours old when it comes. */
Test(engine, ingestion_time_is_when_the_row_came)
{
    static const struct {
        const char *query;
        bool fires;
    } rules[] = {
        {"DeviceNetworkEvents | where ingestion_time() > ago(1h) | project DeviceName, At = Timestamp", true},
        {"DeviceNetworkEvents | where Timestamp > ago(1d) | project Late = ingestion_time() - Timestamp | where Late < 1h", false},
        {"DeviceNetworkEvents | where Timestamp > ago(1d) and ingestion_time() > ago(1h) | summarize dcount(RemotePort) by DeviceName", true},
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        struct wr_ruleset *set = rule_of(rules[i].query);
        struct wr_engine *e = wr_engine_new(set, NULL);
        feed(e, "2026-01-05T15:00:00Z", &rows[0]);
        cr_assert_eq(wr_engine_advance(e, at("2026-01-05T15:10:00Z")), WR_OK);
        struct wr_alert *a = wr_engine_alerts(e);
        cr_expect_eq(a != NULL, rules[i].fires, "%s", rules[i].query);
        wr_alerts_free(a);
        wr_engine_free(e);
        wr_ruleset_unref(set);
    }
}

Test(engine, a_source_that_goes_silent_is_seen)
{
    struct wr_ruleset *set = rule_of("// id: silent\nDeviceNetworkEvents | where Timestamp > ago(10m) | where RemotePort == 587 "
                                     "| summarize n = count() | where n == 0");
    struct wr_engine *e = wr_engine_new(set, NULL);
    cr_assert_eq(wr_engine_advance(e, at("2026-01-05T07:59:00Z")), WR_OK);
    cr_assert_eq(wr_engine_advance(e, at("2026-01-05T07:59:01Z")), WR_OK);
    struct wr_alert *a = wr_engine_alerts(e); /* nothing has come yet: as a scheduled rule would say */
    cr_assert(a && a->kind == WR_ALERT_RAISED && !a->next);
    wr_alerts_free(a);
    feed(e, "2026-01-05T08:00:00Z", &(struct row){"2026-01-05T08:00:00Z", "x.exe", 587, 1, 0, 1, false});
    cr_assert_eq(wr_engine_advance(e, at("2026-01-05T08:00:05Z")), WR_OK);
    a = wr_engine_alerts(e);
    cr_assert(a && a->kind == WR_ALERT_RESOLVED && !a->next);
    wr_alerts_free(a);
    cr_assert_eq(wr_engine_advance(e, at("2026-01-05T08:09:00Z")), WR_OK);
    cr_expect_null(wr_engine_alerts(e));
    cr_assert_eq(wr_engine_advance(e, at("2026-01-05T08:10:05Z")), WR_OK);
    a = wr_engine_alerts(e);
    cr_assert(a && a->kind == WR_ALERT_RAISED && !a->next);
    cr_expect_eq(cell(a, "n")->i, 0);
    wr_alerts_free(a);
    wr_engine_free(e);
    wr_ruleset_unref(set);
}

static uint64_t ticking(void)
{
    static uint64_t t;
    return t += 7;
}

Test(engine, a_rule_costs_what_it_looks_at)
{
    static const char *const texts[] = {"// id: hit\nDeviceNetworkEvents | where RemotePort == 587",
                                        "// id: miss\nDeviceNetworkEvents | where RemotePort == 25",
                                        "// id: kept\nDeviceNetworkEvents | where Timestamp > ago(1h) | where RemotePort == 587 "
                                        "| top 1 by Timestamp",
                                        "// id: idle\nDeviceNetworkEvents | where Timestamp > ago(1h) | where RemotePort == 25 "
                                        "| top 1 by Timestamp"};
    struct wr_ruleset *set = wr_ruleset_new();
    struct wr_diags diags;
    cr_assert(set && wr_diags_init(&diags));
    for (int i = 0; i < 4; i++)
        cr_assert_eq(wr_ruleset_add(set, "t.kql", texts[i], strlen(texts[i]), &diags), WR_OK);
    struct wr_engine_opts opts = {.clock_ns = ticking};
    struct wr_engine *e = wr_engine_new(set, &opts);
    cr_assert_eq(wr_engine_advance(e, at("2026-01-05T07:59:59Z")), WR_OK);
    uint64_t idle = wr_engine_cost(e, 3).ns; /* the first instant is anybody's */
    for (int i = 0; i < 3; i++)
        feed(e, "2026-01-05T08:00:00.5Z", &(struct row){"2026-01-05T08:00:00Z", "x.exe", 587, 1, 0, i + 1, false});
    struct wr_rule_cost c[4];
    for (uint32_t i = 0; i < 4; i++)
        c[i] = wr_engine_cost(e, i);
    cr_expect_eq(c[0].rows, 3);
    cr_expect_eq(c[0].ns, 3 * 7 + wr_engine_cost(e, 1).ns);
    cr_expect_eq(c[1].rows, 0);
    cr_expect_eq(c[2].rows, 3);
    cr_expect_eq(c[2].rows_kept, 3);
    cr_expect_gt(c[2].ns, c[3].ns);
    cr_expect_eq(c[3].rows + c[3].rows_kept, 0);
    cr_assert_eq(wr_engine_advance(e, at("2026-01-05T08:00:09Z")), WR_OK);
    cr_expect_eq(wr_engine_cost(e, 2).runs, c[2].runs + 4); /* for what came; then every 3 s, as time moves rows */
    cr_expect_leq(wr_engine_cost(e, 3).ns, idle + 2 * 7);
    cr_expect_eq(wr_engine_stats(e).rows_in, 3 * 4);
    wr_alerts_free(wr_engine_alerts(e));
    wr_engine_free(e);
    wr_ruleset_unref(set);
    wr_diags_fini(&diags);
}

/* Memory that other rules do not need is there for the one that does; all together keep to the bound. */
Test(engine, memory_goes_to_the_rule_that_needs_it)
{
    enum { BOUND = 4 << 20, ROWS = 1000 };
    struct wr_ruleset *set = wr_ruleset_new();
    struct wr_diags diags;
    char text[256];
    cr_assert(set && wr_diags_init(&diags));
    for (int i = 0; i < 8; i++) {
        snprintf(text, sizeof text, "// id: r%d\nDeviceNetworkEvents | where Timestamp > ago(1h) | where RemotePort == %d\n"
                                    "| summarize N = count() by RemoteUrl, DeviceName | where N > 1000", i, i);
        cr_assert_eq(wr_ruleset_add(set, "t.kql", text, strlen(text), &diags), WR_OK);
    }
    struct wr_engine_opts opts = {.memory_bytes = BOUND};
    struct wr_engine *e = wr_engine_new(set, &opts);
    struct wr_colset all = wr_colset_all(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS));
    struct wr_batch *b = wr_batch_new(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS), &all, ROWS);
    int64_t now = at("2026-01-05T08:00:00Z");
    for (uint32_t k = 0; k < 60; k++) { /* one rule's rows first, then all of them */
        cr_assert(e && b && wr_batch_reset(b));
        for (uint32_t i = 0; i < ROWS; i++) {
            uint32_t r = wr_batch_row(b);
            int n = snprintf(text, sizeof text, "https://a-rather-long-name-of-a-host.example/%u", k * ROWS + i);
            wr_batch_set_i64(b, WR_DNE_Timestamp, r, now);
            wr_batch_set_i64(b, WR_DNE_RemotePort, r, k < 10 ? 3 : i % 8);
            cr_assert(wr_batch_set_str(b, WR_DNE_RemoteUrl, r, text, (size_t)n));
        }
        wr_batch_seal(b);
        cr_assert_eq(wr_engine_consume(e, WR_TABLE_DEVICE_NETWORK_EVENTS, b, now + k), WR_OK);
        if (k == 9) {
            cr_expect_eq(wr_engine_stats(e).evicted, 0);
            cr_expect_gt(wr_engine_cost(e, 3).memory_bytes, (uint64_t)BOUND / 8);
        }
    }
    struct wr_engine_stats st = wr_engine_stats(e);
    cr_expect_gt(st.evicted, 0);
    cr_expect_leq(st.memory_bytes, (uint64_t)BOUND + BOUND / 8);
    for (uint32_t i = 0; i < 8; i++)
        cr_expect_geq(wr_engine_cost(e, i).memory_bytes, (uint64_t)BOUND / 2 / 8 / 2, "%u", i);
    wr_batch_free(b);
    wr_engine_free(e);
    wr_ruleset_unref(set);
    wr_diags_fini(&diags);
}
