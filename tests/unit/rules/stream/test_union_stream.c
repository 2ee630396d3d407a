/* Unions of tables on a stream: row by row, and counted over panes, they give what a batch run
 * gives, in any order of arrival, with amendments, restarts, and rows that stand in several legs.
 */
#include "roll.h"
#include "rows_text.h"

#include "base/ticks.h"
#include "rules/exec/run.h"
#include "rules/rules.h"
#include "rules/stream/stream.h"
#include "rules/stream/window.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define GRID WR_TICKS_SECOND
#define WINDOW (16 * GRID)
#define START (1000 * WR_TICKS_DAY)
enum { MAX_EVENTS = 120, NTABLES = 2 };

static const enum wr_table tables[NTABLES] = {WR_TABLE_DEVICE_NETWORK_EVENTS,
                                              WR_TABLE_DEVICE_PROCESS_EVENTS};
/* A connection, its amendment, or a process. */
struct event {
    int64_t now, ts, bytes, prev;
    uint32_t id, device, port;
    bool amend, process;
};

static void put_text(struct wr_batch *b, uint16_t col, uint32_t row, const char *text)
{
    cr_assert(wr_batch_set_str(b, col, row, text, strlen(text)));
}

static void put(struct wr_batch *b, const struct event *e, bool as_row)
{
    static const char *const devices[] = {"ws-1", "a device with a long name", "ws-3"};
    uint32_t r = wr_batch_row(b);
    if (e->process) {
        wr_batch_set_i64(b, WR_DPE_Timestamp, r, e->ts);
        put_text(b, WR_DPE_DeviceName, r, devices[e->device]);
        put_text(b, WR_DPE_FileName, r, e->port == 25 ? "a.exe" : "b.exe");
        wr_batch_set_i64(b, WR_DPE_ProcessId, r, e->bytes);
        return;
    }
    wr_batch_set_i64(b, WR_DNE_Timestamp, r, e->ts);
    put_text(b, WR_DNE_DeviceName, r, devices[e->device]);
    wr_batch_set_i64(b, WR_DNE_RemotePort, r, e->port);
    wr_batch_set_i64(b, WR_DNE_SentBytes, r, e->bytes);
    wr_batch_set_i64(b, WR_DNE__RowId, r, e->id);
    if (e->amend && !as_row) {
        wr_batch_set_i64(b, WR_DNE__Amend, r, 1);
        wr_batch_set_i64(b, WR_DNE__PrevSentBytes, r, e->prev);
    }
}

static struct wr_batch *batch_new(enum wr_table table, uint32_t cap)
{
    struct wr_colset all = wr_colset_all(wr_schema_of(table));
    struct wr_batch *b = wr_batch_new(wr_schema_of(table), &all, cap);
    cr_assert_not_null(b);
    return b;
}

/* Times come in any order within the window, and some too late. */
static uint32_t world(struct event *out, uint32_t n)
{
    int64_t now = START;
    struct event last[MAX_EVENTS + 1];
    uint32_t ids = 0;
    for (uint32_t i = 0; i < n; i++) {
        now += roll(4) ? roll(GRID / 2) : roll(WINDOW / 2);
        struct event e = {.now = now};
        if (ids && roll(4) == 0) {
            e = last[1 + roll(ids)];
            e.amend = true;
            e.now = now;
            e.prev = e.bytes;
            e.bytes += roll(80);
        } else {
            e.ts = now - (roll(3) ? roll(GRID) : roll(WINDOW + GRID));
            e.device = roll(3);
            e.port = roll(2) ? 25 : 587;
            e.bytes = roll(120);
            e.process = roll(2);
            e.id = e.process ? 0 : ++ids;
        }
        if (e.id)
            last[e.id] = e;
        out[i] = e;
    }
    return n;
}

static struct wr_plan *plan_of(const char *text, enum wr_mode mode)
{
    struct wr_diags diags;
    cr_assert(wr_diags_init(&diags));
    struct wr_source src = {.name = "q", .text = text, .len = strlen(text), .line0 = 1};
    struct wr_plan *plan = wr_plan_new(&src, &diags);
    cr_assert_not_null(plan, "%s", text);
    cr_assert_eq(plan->mode, mode, "%s: %s", text, plan->why ? plan->why : "");
    wr_diags_fini(&diags);
    return plan;
}

static struct wr_stream *stream_of(const struct wr_plan *plan)
{
    struct wr_stream_opts opts = {.rule_id = "r",
                                  .rule_version = "1",
                                  .realert = GRID,
                                  .memory_bytes = 1 << 24,
                                  .secret = {prng, 1}};
    struct wr_stream *s = wr_stream_new(plan, &opts);
    cr_assert_not_null(s);
    return s;
}

/* The plan over the last versions of `e` at t. */
static char *batch_text(const struct wr_plan *plan, const struct event *e, uint32_t n, int64_t t)
{
    struct wr_run_opts opts = {.subs = plan->subs, .nsubs = plan->nsubs};
    struct wr_run *run = wr_run_new(plan->root, &opts);
    for (int k = 0; k < NTABLES; k++) {
        struct wr_batch *b = batch_new(tables[k], MAX_EVENTS);
        for (uint32_t i = 0; i < n; i++) {
            bool newest = e[i].process == (k == 1);
            for (uint32_t j = i + 1; j < n && e[i].id; j++)
                newest &= e[j].id != e[i].id;
            if (newest)
                put(b, &e[i], true);
        }
        wr_batch_seal(b);
        cr_assert_eq(wr_run_feed(run, tables[k], b), WR_OK);
        wr_batch_free(b);
    }
    const struct wr_rows *rows;
    const char *why;
    struct wr_span span;
    cr_assert_eq(wr_run_go(run, t, &rows, &why, &span), WR_OK);
    char *text = rows_text(rows);
    wr_run_free(run);
    return text;
}

/* Events of one table that come together. */
static void feed(struct wr_stream *s, const struct event *e, uint32_t n)
{
    enum wr_table table = tables[e[0].process];
    struct wr_batch *b = batch_new(table, n);
    for (uint32_t i = 0; i < n; i++)
        put(b, &e[i], false);
    wr_batch_seal(b);
    cr_assert_eq(wr_stream_consume(s, table, b, e[n - 1].now), WR_OK);
    wr_batch_free(b);
}

static struct wr_stream *restart(const struct wr_plan *plan, struct wr_stream *s)
{
    struct wr_buf state = {0};
    wr_stream_save(s, &state);
    wr_stream_free(s);
    s = stream_of(plan);
    cr_assert_eq(wr_stream_load(s, state.data, state.len), WR_OK);
    wr_buf_fini(&state);
    return s;
}

/* ---- row by row ---- */

static const char *const row_by_row[] = {
    "union DeviceNetworkEvents, DeviceProcessEvents | where Timestamp > ago(16s) | project "
    "Timestamp, DeviceName, RemotePort, "
    "FileName",
    "union withsource=T DeviceNetworkEvents, DeviceProcessEvents | where DeviceName has 'ws' | "
    "extend x = strcat(T, FileName)"
    " | project x, DeviceName, n = ProcessId",
    "let A = DeviceNetworkEvents | where RemotePort == 25 | project DeviceName, V = RemotePort; "
    "let B = DeviceProcessEvents | where FileName =~ 'A.EXE' | project DeviceName, V = "
    "tostring(ProcessId); "
    "union A, B | where isnotempty(V_string) or V_int > 3",
    "union (union DeviceProcessEvents, (DeviceNetworkEvents | where RemotePort == 25) | extend k = "
    "1), "
    "(DeviceNetworkEvents | where DeviceName == 'ws-1' | extend k = 2) | project DeviceName, k, "
    "FileName",
    "union DeviceNetworkEvents, DeviceProcessEvents | where RemotePort == 25 or FileName == "
    "'b.exe' | parse DeviceName with p "
    "'-' n:int | project p, n, RemotePort",
    "union kind=inner DeviceNetworkEvents, DeviceProcessEvents | mv-expand k = pack_array(1, 2) | "
    "where tolong(k) == 2 or "
    "DeviceName == 'ws-3' | project DeviceName, k",
    "find in (DeviceNetworkEvents, DeviceProcessEvents) where DeviceName == 'ws-1' project "
    "DeviceName, RemotePort",
    "search in (DeviceProcessEvents, DeviceNetworkEvents) DeviceName == 'ws-3' | project $table, "
    "DeviceName",
    "union Device*vents | where DeviceName startswith 'ws' | project DeviceName",
    "union (DeviceNetworkEvents | where Timestamp > ago(4s)), (DeviceProcessEvents | where "
    "Timestamp > ago(10s)) | project "
    "DeviceName, RemotePort",
    "union DeviceNetworkEvents, (datatable(DeviceName:string, Extra:long)[]), DeviceProcessEvents "
    "| project DeviceName, Extra",
    "let bad = datatable(DeviceName:string, why:string)['ws-1', 'x', 'ws-3', 'y', 'ws-3', 'z']; "
    "union DeviceNetworkEvents, "
    "DeviceProcessEvents | lookup kind=inner bad on DeviceName | where RemotePort != 587 | project "
    "DeviceName, why, FileName",
    "union DeviceNetworkEvents, DeviceProcessEvents | project DeviceName, SentBytes"};

/* What a row gives when it comes is what a batch run over it alone gives then; an amendment gives
 * nothing. */
static void check_rows(uint64_t seed, const char *query)
{
    prng = seed;
    struct event e[MAX_EVENTS];
    struct wr_plan *plan = plan_of(query, WR_MODE_STATELESS);
    struct wr_stream *s = stream_of(plan);
    uint32_t n = world(e, 30 + roll(60));
    for (uint32_t i = 0; i < n; i++) {
        if (roll(8) == 0)
            s = restart(plan, s);
        feed(s, &e[i], 1);
        char *have = cells_text(wr_stream_alerts(s)),
             *want = e[i].amend ? NULL : batch_text(plan, &e[i], 1, e[i].now);
        cr_assert_str_eq(have, want ? want : "", "seed %llu, %s: %s\nbatch:\n%s",
                         (unsigned long long)seed, query, have, want ? want : "");
        free(have);
        free(want);
    }
    wr_stream_free(s);
    wr_plan_free(plan);
}

Test(union_stream, each_row_gives_what_a_batch_of_it_gives)
{
    for (size_t q = 0; q < sizeof row_by_row / sizeof *row_by_row; q++)
        for (uint64_t seed = 1; seed <= 4; seed++)
            check_rows(seed, row_by_row[q]);
}

/* ---- counted ---- */

static const char *const counted[] = {
    "union DeviceNetworkEvents, DeviceProcessEvents | where Timestamp > ago(16s) | summarize n = "
    "count(), d = dcount(FileName), "
    "l = max(Timestamp), f = min(Timestamp) by DeviceName",
    "union withsource=T DeviceNetworkEvents, DeviceProcessEvents | where Timestamp > ago(16s) | "
    "summarize n = count(), b = "
    "sum(SentBytes), p = sum(ProcessId) by DeviceName, T | where n > 1",
    "let A = DeviceNetworkEvents | where RemotePort == 25 and Timestamp > ago(16s) | project "
    "Timestamp, DeviceName, V = SentBytes;"
    " let B = DeviceProcessEvents | where Timestamp > ago(16s) | project Timestamp, DeviceName, V "
    "= tolong(ProcessId);"
    " union A, B | summarize s = sum(V), n = count() by DeviceName",
    "union (DeviceNetworkEvents | where RemotePort == 25), (DeviceNetworkEvents | where DeviceName "
    "== 'ws-1'), "
    "DeviceProcessEvents | where Timestamp > ago(16s) | summarize n = count(), b = sum(SentBytes) "
    "by DeviceName",
    "union (DeviceNetworkEvents | where RemotePort == 25 | extend k = 1), (DeviceNetworkEvents | "
    "extend k = 2) | where Timestamp "
    "> ago(16s) | summarize n = count(), b = sum(SentBytes) by k | where n > 2",
    "union DeviceNetworkEvents, DeviceProcessEvents | where Timestamp > ago(16s) | where "
    "RemotePort == 25 or FileName == 'b.exe'"
    " | distinct DeviceName, RemotePort",
    "union DeviceNetworkEvents, DeviceProcessEvents | where Timestamp > ago(16s) | summarize m = "
    "max(ProcessId), "
    "i = countif(isempty(FileName)) by bin(Timestamp, 4s)"};

/* At aligned times groups are those of a batch run over all that came, in whatever parts it came.
 */
static void check_counts(uint64_t seed, const char *query)
{
    prng = seed;
    struct event e[MAX_EVENTS];
    struct wr_plan *plan = plan_of(query, WR_MODE_INCREMENTAL);
    struct wr_stream *s = stream_of(plan);
    uint32_t n = world(e, 40 + roll(60)), from = 0;
    cr_assert_eq(plan->window, WINDOW);
    for (uint32_t i = 0; i < n; i++) {
        int64_t t = (e[i].now + GRID - 1) / GRID * GRID;
        bool aligned = i + 1 == n || e[i + 1].now >= t;
        if (!aligned && e[i + 1].process == e[i].process && roll(2))
            continue; /* comes together with the next */
        feed(s, &e[from], i + 1 - from);
        from = i + 1;
        if (roll(6) == 0)
            s = restart(plan, s);
        if (!aligned)
            continue;
        cr_assert_eq(wr_stream_advance(s, t), WR_OK);
        struct wr_rows rows;
        wr_rows_init(&rows, plan->stream->schema, 64);
        cr_assert_eq(wr_stream_rows(s, &rows), WR_OK);
        char *have = rows_text(&rows), *want = batch_text(plan, e, i + 1, t);
        cr_assert_str_eq(have, want, "seed %llu at %lld, %s: %s\nbatch:\n%s",
                         (unsigned long long)seed, (long long)(t - START), query, have, want);
        free(have);
        free(want);
        wr_rows_fini(&rows);
        wr_alerts_free(wr_stream_alerts(s));
    }
    wr_stream_free(s);
    wr_plan_free(plan);
}

Test(union_stream, groups_are_those_of_a_batch_at_aligned_times)
{
    for (size_t q = 0; q < sizeof counted / sizeof *counted; q++)
        for (uint64_t seed = 1; seed <= 8; seed++)
            check_counts(seed, counted[q]);
}

/* ---- bytes that grow ---- */

static const char *const grow[] = {
    "union DeviceNetworkEvents, DeviceProcessEvents | where Timestamp > ago(16s) | summarize n = "
    "count() by DeviceName | where n "
    "> 3",
    "union DeviceNetworkEvents, DeviceProcessEvents | where Timestamp > ago(16s) | summarize b = "
    "sum(SentBytes), n = count() by "
    "DeviceName | where b > 300 and n > 2",
    "union (DeviceNetworkEvents | extend k = 'a'), (DeviceNetworkEvents | where RemotePort == 25 | "
    "extend k = 'b'), "
    "(DeviceProcessEvents | extend k = 'a') | where Timestamp > ago(16s) | summarize b = "
    "sum(SentBytes), l = max(Timestamp) by k"
    " | where b > 250"};

/* Whatever is raised holds in a batch run at that instant; a count above a threshold is told at
 * every instant. */
static void check_alerts(uint64_t seed, size_t q)
{
    prng = seed;
    struct event e[MAX_EVENTS];
    struct wr_plan *plan = plan_of(grow[q], WR_MODE_INCREMENTAL);
    struct wr_stream *s = stream_of(plan);
    uint32_t n = world(e, 50 + roll(50));
    for (uint32_t i = 0; i < n; i++) {
        feed(s, &e[i], 1);
        struct wr_alert *list = wr_stream_alerts(s);
        for (const struct wr_alert *a = list; a; a = a->next) {
            char *rows = batch_text(plan, e, a->raised_at < e[i].now ? i : i + 1, a->raised_at);
            struct wr_buf key = {0};
            wr_buf_char(&key, '"');
            wr_buf_add(&key, wr_str_data(&a->cells[0].s), a->cells[0].s.len);
            wr_buf_str(&key, "\"|");
            wr_buf_char(&key, '\0');
            cr_assert(a->kind != WR_ALERT_RAISED || strstr(rows, key.data),
                      "seed %llu: %s is not in\n%s", (unsigned long long)seed, key.data, rows);
            wr_buf_fini(&key);
            free(rows);
        }
        wr_alerts_free(list);
        char *have = cells_text(wr_stream_firing(s)), *want = batch_text(plan, e, i + 1, e[i].now);
        cr_assert(q > 0 || strcmp(have, want) == 0, "seed %llu: %s\nbatch:\n%s",
                  (unsigned long long)seed, have, want);
        free(have);
        free(want);
    }
    wr_stream_free(s);
    wr_plan_free(plan);
}

Test(union_stream, nothing_false_is_raised_while_bytes_grow)
{
    for (size_t q = 0; q < sizeof grow / sizeof *grow; q++)
        for (uint64_t seed = 1; seed <= 12; seed++)
            check_alerts(seed, q);
}

static const char *const regrown[] = {
    "union (DeviceNetworkEvents | where SentBytes > 60), DeviceProcessEvents | project Timestamp, "
    "DeviceName, FileName, SentBytes",
    "union DeviceNetworkEvents, DeviceProcessEvents | extend big = SentBytes > 80 | summarize n = "
    "count() by DeviceName, big",
    "union (DeviceNetworkEvents | where SentBytes > 90), (DeviceNetworkEvents | where RemotePort "
    "== 25) | summarize n = count(), "
    "m = max(SentBytes) by DeviceName"};

/* Where bytes decide which rows pass, the kept rows are run again: at each run as a batch of the
 * last versions. */
static void check_runs(uint64_t seed, const char *query)
{
    prng = seed;
    struct event e[MAX_EVENTS];
    struct wr_plan *plan = plan_of(query, WR_MODE_WINDOWED);
    struct wr_window_opts opts = {.rule_id = "r",
                                  .rule_version = "1",
                                  .realert = GRID,
                                  .memory_bytes = 1 << 20,
                                  .secret = {seed, 1}};
    struct wr_window *w = wr_window_new(plan, &opts);
    uint32_t n = world(e, 30 + roll(40));
    for (uint32_t i = 0; w && i < n; i++) {
        struct wr_batch *b = batch_new(tables[e[i].process], 1);
        int64_t t = (e[i].now / GRID + 1) * GRID;
        put(b, &e[i], false);
        wr_batch_seal(b);
        cr_assert_eq(wr_window_consume(w, tables[e[i].process], b, e[i].now), WR_OK);
        wr_batch_free(b);
        if (i + 1 < n && e[i + 1].now < t)
            continue;
        cr_assert_eq(wr_window_advance(w, t), WR_OK);
        char *have = cells_text(wr_window_firing(w)), *want = batch_text(plan, e, i + 1, t);
        cr_assert_str_eq(have, want, "seed %llu, %s: %s\nbatch:\n%s", (unsigned long long)seed,
                         query, have, want);
        free(have);
        free(want);
    }
    wr_window_free(w);
    wr_plan_free(plan);
}

Test(union_stream, rows_that_bytes_let_through_are_those_of_a_batch_at_each_run)
{
    for (size_t q = 0; q < sizeof regrown / sizeof *regrown; q++)
        for (uint64_t seed = 1; seed <= 6; seed++)
            check_runs(seed, regrown[q]);
}

/* ---- what cannot ---- */

Test(union_stream, what_stands_in_the_way_is_told_with_its_leg)
{
    static const struct {
        const char *query, *why;
    } cases[] = {
        {"union DeviceProcessEvents, (DeviceNetworkEvents | where SentBytes > 5) | project "
         "DeviceName",
         "leg 2 of its union: a where reads bytes that still grow; only sum() of them can follow a "
         "stream"},
        {"union DeviceProcessEvents, (DeviceNetworkEvents | summarize n = count() by DeviceName)",
         "leg 2 of its union: a summarize stands in it"},
        {"union (print DeviceName = 'x'), DeviceNetworkEvents | project DeviceName",
         "leg 1 of its union: it reads no table"},
        {"union (DeviceNetworkEvents | where Timestamp > ago(4s)), (DeviceProcessEvents | where "
         "Timestamp > ago(8s)) | summarize "
         "count() by DeviceName",
         "the legs of its union look back differently far"},
        {"union DeviceNetworkEvents, DeviceProcessEvents | top 3 by Timestamp",
         "take and top choose among all rows of a result"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct wr_plan *plan = plan_of(cases[i].query, WR_MODE_WINDOWED);
        cr_expect_str_eq(plan->why, cases[i].why, "%s", cases[i].query);
        wr_plan_free(plan);
    }
}

/* A table's filter that the other has no column for: only one leg is left. */
Test(union_stream, a_leg_that_no_row_can_pass_is_left_out)
{
    struct wr_plan *plan = plan_of(
        "union DeviceNetworkEvents, DeviceProcessEvents | where RemotePort in (25, 587) and "
        "isnotempty(DeviceName) | project DeviceName",
        WR_MODE_STATELESS);
    cr_expect_eq(plan->scans[WR_TABLE_DEVICE_PROCESS_EVENTS].nbranches, 0);
    cr_assert_eq(plan->scans[WR_TABLE_DEVICE_NETWORK_EVENTS].nbranches, 1);
    cr_expect_eq(plan->scans[WR_TABLE_DEVICE_NETWORK_EVENTS].branches[0].npreds, 1);
    wr_plan_free(plan);
}

Test(union_stream, one_row_in_two_legs_is_two_alerts_with_the_row_as_sample)
{
    struct wr_plan *plan = plan_of("union DeviceNetworkEvents, (DeviceNetworkEvents | where "
                                   "RemotePort == 25) | project DeviceName",
                                   WR_MODE_STATELESS);
    struct wr_stream *s = stream_of(plan);
    struct event e = {.now = START, .ts = START, .id = 7, .port = 25};
    feed(s, &e, 1);
    struct wr_alert *a = wr_stream_alerts(s);
    cr_assert(a && a->next && !a->next->next);
    cr_expect_str_neq(a->id, a->next->id);
    cr_expect(a->nsamples == 1 && a->sample_rows[0] == 7);
    cr_expect(a->next->nsamples == 1 && a->next->sample_rows[0] == 7);
    wr_alerts_free(a);
    wr_stream_free(s);
    wr_plan_free(plan);
}

/* Among other rules: each leg gets the rows that its filter wants, of its table. */
Test(union_stream, an_engine_hands_each_leg_its_rows)
{
    static const struct {
        const char *name, *text;
        uint32_t alerts;
    } rules[] = {{"a.kql", "DeviceNetworkEvents | where RemotePort == 587", 2},
                 {"b.kql",
                  "union DeviceNetworkEvents, DeviceProcessEvents | where RemotePort == 25 or "
                  "FileName =~ 'A.EXE' | project "
                  "DeviceName",
                  4},
                 {"c.kql", "DeviceProcessEvents | where FileName == 'b.exe'", 1},
                 {"d.kql",
                  "union (DeviceNetworkEvents | where RemotePort == 25), (DeviceNetworkEvents | "
                  "where DeviceName == 'ws-1'), "
                  "(DeviceProcessEvents | where FileName == 'b.exe') | project DeviceName",
                  5}};
    enum { NRULES = sizeof rules / sizeof *rules };
    struct wr_ruleset *set = wr_ruleset_new();
    struct wr_diags diags;
    cr_assert(set && wr_diags_init(&diags));
    for (size_t i = 0; i < NRULES; i++)
        cr_assert_eq(
            wr_ruleset_add(set, rules[i].name, rules[i].text, strlen(rules[i].text), &diags),
            WR_OK);
    struct wr_engine *engine = wr_engine_new(set, NULL);
    struct wr_batch *net = batch_new(tables[0], 8), *process = batch_new(tables[1], 8);
    static const struct event events[] = {
        {.device = 0, .port = 25, .id = 1},         {.device = 2, .port = 587, .id = 2},
        {.device = 0, .port = 587, .id = 3},        {.device = 2, .port = 25, .id = 4},
        {.device = 1, .port = 25, .process = true}, {.device = 1, .port = 25, .process = true},
        {.device = 0, .port = 587, .process = true}};
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        struct event e = events[i];
        e.ts = START;
        put(e.process ? process : net, &e, true);
    }
    wr_batch_seal(net);
    wr_batch_seal(process);
    cr_assert_eq(wr_engine_consume(engine, tables[0], net, START), WR_OK);
    cr_assert_eq(wr_engine_consume(engine, tables[1], process, START), WR_OK);
    uint32_t count[NRULES] = {0};
    struct wr_alert *list = wr_engine_alerts(engine);
    for (struct wr_alert *a = list; a; a = a->next)
        count[a->rule_id[0] - 'a']++;
    for (size_t i = 0; i < NRULES; i++)
        cr_expect_eq(count[i], rules[i].alerts, "%s: %u", rules[i].name, count[i]);
    cr_expect_eq(wr_engine_stats(engine).rows_in, 4 + 3 + 7 + 7);
    wr_alerts_free(list);
    wr_engine_free(engine);
    wr_ruleset_unref(set);
    wr_batch_free(net);
    wr_batch_free(process);
    wr_diags_fini(&diags);
}
