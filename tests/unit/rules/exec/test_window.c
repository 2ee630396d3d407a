/* Windowed rules: the result of each run is the batch result over the last versions of the rows in the
 * window; state survives a restart; the schedule's threshold, grouping and silence. */
#include "base/ticks.h"
#include "rules/exec/cells.h"
#include "rules/exec/rows.h"
#include "rules/exec/run.h"
#include "rules/exec/stream.h"
#include "rules/exec/window.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define GRID WR_TICKS_SECOND
#define WINDOW (16 * GRID)
enum { MAX_ROWS = 120 };
#define START (1000 * WR_TICKS_DAY)

static uint64_t prng;

static uint32_t roll(uint32_t n)
{
    prng += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = prng;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)((z ^ z >> 31) % n);
}

struct event {
    int64_t now, ts, bytes, prev;
    uint32_t id, device, port;
    bool amend;
};

static struct wr_plan *plan_of(const char *text)
{
    struct wr_diags diags;
    cr_assert(wr_diags_init(&diags));
    struct wr_source src = {.name = "q", .text = text, .len = strlen(text), .line0 = 1};
    struct wr_plan *plan = wr_plan_new(&src, &diags);
    cr_assert_not_null(plan, "%s", text);
    cr_assert(wr_plan_set_window(plan, WINDOW, "the test"));
    wr_diags_fini(&diags);
    return plan;
}

static void put_event(struct wr_batch *b, const struct event *e, bool as_row)
{
    static const char *const devices[] = {"ws-1", "a device with a long name", "ws-3"};
    uint32_t r = wr_batch_row(b);
    wr_batch_set_i64(b, WR_DNE_Timestamp, r, e->ts);
    cr_assert(wr_batch_set_str(b, WR_DNE_DeviceName, r, devices[e->device], strlen(devices[e->device])));
    wr_batch_set_i64(b, WR_DNE_RemotePort, r, e->port);
    wr_batch_set_i64(b, WR_DNE_SentBytes, r, e->bytes);
    wr_batch_set_i64(b, WR_DNE__RowId, r, e->id);
    if (e->amend && !as_row) {
        wr_batch_set_i64(b, WR_DNE__Amend, r, 1);
        wr_batch_set_i64(b, WR_DNE__PrevSentBytes, r, e->prev);
    }
}

static struct wr_batch *batch_new(uint32_t cap)
{
    struct wr_colset all = wr_colset_all(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS));
    struct wr_batch *b = wr_batch_new(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS), &all, cap);
    cr_assert_not_null(b);
    return b;
}

static uint32_t world(struct event *out, uint32_t n, bool amends)
{
    int64_t now = START;
    struct event last[MAX_ROWS];
    uint32_t ids = 0;
    for (uint32_t i = 0; i < n; i++) {
        now += roll(4) ? roll(GRID / 2) : roll(WINDOW);
        struct event e = {.now = now};
        if (amends && ids && roll(3) == 0) {
            e = last[roll(ids)];
            e.amend = true;
            e.now = now;
            e.prev = e.bytes;
            e.bytes += roll(80);
        } else {
            e.ts = now - (roll(3) ? roll(GRID) : roll(WINDOW + GRID));
            e.device = roll(3);
            e.port = roll(2) ? 25 : 587;
            e.bytes = roll(120);
            e.id = ++ids;
        }
        last[e.id - 1] = e;
        out[i] = e;
    }
    return n;
}

static struct wr_window *window_new(const struct wr_plan *plan, const struct wr_rule_schedule *schedule,
                                    size_t memory)
{
    struct wr_window_opts opts = {.rule_id = "r1",
                                  .rule_version = "1.0.0",
                                  .realert = 3 * GRID,
                                  .memory_bytes = memory,
                                  .secret = {prng, 1}};
    if (schedule)
        opts.schedule = *schedule;
    struct wr_window *w = wr_window_new(plan, &opts);
    cr_assert_not_null(w);
    return w;
}

static void feed(struct wr_window *w, const struct event *e, uint32_t n)
{
    struct wr_batch *b = batch_new(n);
    for (uint32_t i = 0; i < n; i++)
        put_event(b, &e[i], false);
    wr_batch_seal(b);
    cr_assert_eq(wr_window_consume(w, WR_TABLE_DEVICE_NETWORK_EVENTS, b, e[n - 1].now), WR_OK);
    wr_batch_free(b);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Cells of alerts as one text, sorted; frees the list. */
static char *cells_text(struct wr_alert *list)
{
    char *line[256];
    uint32_t n = 0;
    for (struct wr_alert *a = list; a; a = a->next) {
        struct wr_buf text = {0};
        for (uint32_t c = 0; c < a->ncells; c++) {
            wr_cell_json(&a->cells[c], &text);
            wr_buf_char(&text, '|');
        }
        wr_buf_char(&text, '\0');
        cr_assert_lt(n, 256);
        line[n++] = text.data;
    }
    wr_alerts_free(list);
    qsort(line, n, sizeof *line, by_text);
    struct wr_buf all = {0};
    for (uint32_t i = 0; i < n; i++) {
        wr_buf_fmt(&all, "%s\n", line[i]);
        free(line[i]);
    }
    wr_buf_char(&all, '\0');
    return all.data;
}

static char *rows_text(const struct wr_rows *rows)
{
    struct wr_alert *list = NULL, **end = &list;
    for (uint64_t n = 0; n < rows->nrows; n++) {
        uint32_t row;
        const struct wr_batch *b = wr_rows_at(rows, n, &row);
        struct wr_buf cells = {0};
        wr_cells_pack(rows->schema, b->col, row, &cells);
        *end = wr_cells_alert(rows->schema, &cells, WR_ALERT_RAISED, "01234567890123456789012345678901", 0);
        cr_assert_not_null(*end);
        end = &(*end)->next;
        wr_buf_fini(&cells);
    }
    return cells_text(list);
}

/* At t, over the last versions with from <= time < to; `arrival`: that is when they came. */
static char *batch_between(const struct wr_plan *plan, const struct event *e, uint32_t n, int64_t t, int64_t from, int64_t to,
                           bool arrival)
{
    struct wr_run_opts opts = {.subs = plan->subs, .nsubs = plan->nsubs};
    struct wr_run *run = wr_run_new(plan->root, &opts);
    struct wr_batch *b = batch_new(MAX_ROWS);
    for (uint32_t i = 0; i < n; i++) {
        int64_t time = arrival ? e[i].now : e[i].ts;
        bool newest = time >= from && time < to;
        for (uint32_t k = i + 1; k < n; k++)
            newest &= e[k].id != e[i].id;
        if (newest)
            put_event(b, &e[i], true);
    }
    wr_batch_seal(b);
    cr_assert_eq(wr_run_feed(run, WR_TABLE_DEVICE_NETWORK_EVENTS, b), WR_OK);
    const struct wr_rows *rows;
    const char *why;
    struct wr_span span;
    cr_assert_eq(wr_run_go(run, t, &rows, &why, &span), WR_OK);
    char *text = rows_text(rows);
    wr_run_free(run);
    wr_batch_free(b);
    return text;
}

static char *batch_text(const struct wr_plan *plan, const struct event *e, uint32_t n, int64_t t)
{
    return batch_between(plan, e, n, t, t - WINDOW + 1, INT64_MAX, false);
}

static const char *const queries[] = {
    "DeviceNetworkEvents | where SentBytes > 60 | project Timestamp, DeviceName, SentBytes",
    "DeviceNetworkEvents | where RemotePort == 25 | summarize n = count() by DeviceName, RemotePort | "
    "summarize m = max(n), devices = count()",
    "DeviceNetworkEvents | where SentBytes > 20 and Timestamp > ago(8s) | summarize n = count(), a = "
    "avg(SentBytes) by DeviceName | where n > 1",
    "DeviceNetworkEvents | summarize n = count(), b = sum(SentBytes) by DeviceName | top 2 by DeviceName",
    "union (DeviceNetworkEvents | where RemotePort == 25 | project DeviceName, SentBytes), "
    "(DeviceNetworkEvents | where RemotePort == 587 | summarize SentBytes = max(SentBytes) by DeviceName)",
    "DeviceNetworkEvents | where Timestamp between (ago(12s) .. ago(4s)) | summarize count() by DeviceName",
    "DeviceNetworkEvents | where RemotePort == 25 | join kind=inner (DeviceNetworkEvents | where RemotePort == "
    "587 | summarize n = count() by DeviceName) on DeviceName | project Timestamp, DeviceName, SentBytes, n",
    "DeviceNetworkEvents | summarize arg_max(SentBytes, RemotePort) by DeviceName",
    "let m = toscalar(DeviceNetworkEvents | summarize avg(SentBytes)); DeviceNetworkEvents | where SentBytes > m | "
    "summarize n = count() by DeviceName",
    "DeviceNetworkEvents | extend h = DeviceName in (DeviceNetworkEvents | where SentBytes > 90 | project DeviceName) | "
    "summarize n = count() by DeviceName, h",
    "DeviceNetworkEvents | sort by Timestamp asc, SentBytes asc, DeviceName asc | extend d = SentBytes - prev(SentBytes) | "
    "summarize m = max(d) by DeviceName",
    "DeviceNetworkEvents | extend d = pack_array(RemotePort, SentBytes) | mv-apply d to typeof(long) on (summarize s = max(d))"
    " | summarize m = max(s) by DeviceName",
    "DeviceNetworkEvents | partition by DeviceName (summarize m = max(SentBytes), D = take_any(DeviceName))",
    "DeviceNetworkEvents | where RemotePort == 25 | partition by DeviceName { DeviceNetworkEvents | where DeviceName == "
    "toscalar(DeviceName) and RemotePort != 25 | summarize m = max(SentBytes), n = count() by DeviceName }",
    "DeviceNetworkEvents | make-series n = count() on SentBytes from 0 to 300 step 60 by DeviceName | project DeviceName, "
    "n = tostring(n)",
    "DeviceNetworkEvents | top-nested 2 of DeviceName by sum(SentBytes), top-nested 1 of RemotePort by max(SentBytes)",
    "DeviceNetworkEvents | top-nested 1 of DeviceName with others = 'rest' by sum(SentBytes) / count(), top-nested 1 of RemotePort "
    "with others = -1 by max(SentBytes)"};

/* Each run of these looks at the parts that changed only. */
static const char *const parted[] = {
    "DeviceNetworkEvents | where SentBytes > 60 | summarize n = count(), b = max(SentBytes) by DeviceName, RemotePort",
    "DeviceNetworkEvents | where Timestamp > ago(8s) and SentBytes > 20 | summarize n = count() by DeviceName | where n > 1",
    "DeviceNetworkEvents | extend new = Timestamp between (ago(10s) .. ago(3s)) | summarize n = countif(new), m = max(SentBytes)"
    " by DeviceName",
    "DeviceNetworkEvents | where SentBytes > 0 | summarize n = count() by DeviceName, h = toint(hourofday(now() - 20s)), "
    "s = toint(datetime_part('second', now())) / 5 | where n > 1",
    "DeviceNetworkEvents | where SentBytes > 30 | summarize n = count(), f = min(Timestamp), l = max(Timestamp) by DeviceName, "
    "RemotePort | where f > ago(7s) and l < ago(2s)",
    "DeviceNetworkEvents | where RemotePort == 25 | join kind=inner (DeviceNetworkEvents | where RemotePort == 587 and Timestamp > "
    "ago(9s) | summarize n = count() by DeviceName) on DeviceName | summarize m = max(SentBytes), k = max(n) by DeviceName",
    "DeviceNetworkEvents | where RemotePort == 25 | join kind=leftanti (DeviceNetworkEvents | where RemotePort == 587 and "
    "SentBytes > 90) on DeviceName | summarize m = max(SentBytes) by DeviceName",
    "DeviceNetworkEvents | summarize b = sum(SentBytes) by DeviceName | join kind=leftouter (DeviceNetworkEvents | where SentBytes > "
    "60 | summarize n = count() by DeviceName, RemotePort) on DeviceName | summarize b = max(b), n = sum(n) by DeviceName",
    "DeviceNetworkEvents | where SentBytes > 40 | join (DeviceNetworkEvents | where RemotePort == 25) on DeviceName, RemotePort | "
    "summarize n = count() by DeviceName, RemotePort",
    "DeviceNetworkEvents | where SentBytes > 40 | lookup (datatable(RemotePort: int, P: string)[int(25), 'smtp']) on RemotePort | "
    "summarize n = count() by DeviceName, P",
    "union (DeviceNetworkEvents | where SentBytes > 90), (DeviceNetworkEvents | where RemotePort == 25) | "
    "summarize n = count(), b = max(SentBytes) by DeviceName",
    "DeviceNetworkEvents | extend d = pack_array(RemotePort, SentBytes) | mv-expand d to typeof(long) | summarize s = max(d) by "
    "DeviceName, RemotePort",
    "DeviceNetworkEvents | where SentBytes > 60 | project DeviceName, Timestamp, SentBytes"};

static void check(uint64_t seed, const char *query, bool parts)
{
    prng = seed;
    struct event e[MAX_ROWS];
    struct wr_plan *plan = plan_of(query);
    uint32_t again = parts ? 20 : 4; /* a run after a restart is over all rows */
    cr_assert(!parts || plan->parts, "%s", query);
    cr_assert_eq(plan->mode, WR_MODE_WINDOWED, "%s", query);
    struct wr_window *w = window_new(plan, NULL, 1 << 20);
    uint32_t n = world(e, 30 + roll(60), true);
    for (uint32_t i = 0; i < n; i++) {
        feed(w, &e[i], 1);
        int64_t t = (e[i].now / GRID + 1) * GRID;
        if (roll(again) == 0) {
            struct wr_buf state = {0};
            wr_window_save(w, &state);
            wr_window_free(w);
            w = window_new(plan, NULL, 1 << 20);
            cr_assert_eq(wr_window_load(w, state.data, state.len), WR_OK);
            wr_buf_fini(&state);
        }
        if (i + 1 < n && e[i + 1].now < t)
            continue;
        cr_assert_eq(wr_window_advance(w, t), WR_OK);
        char *want = batch_text(plan, e, i + 1, t), *have = cells_text(wr_window_firing(w));
        cr_assert_str_eq(have, want, "seed %llu, %s: %s\nbatch:\n%s", (unsigned long long)seed, query, have,
                         want);
        free(want);
        free(have);
    }
    wr_window_free(w);
    wr_plan_free(plan);
}

Test(window, equals_batch_at_each_run_with_amendments_and_restarts)
{
    for (size_t q = 0; q < sizeof queries / sizeof *queries; q++)
        for (uint64_t seed = 1; seed <= (q < 9 ? 25 : 3); seed++) /* the later ones are slow */
            check(seed, queries[q], false);
}

Test(window, equals_batch_where_a_run_looks_at_what_changed)
{
    for (size_t q = 0; q < sizeof parted / sizeof *parted; q++)
        for (uint64_t seed = 1; seed <= 40; seed++)
            check(seed, parted[q], true);
}

Test(window, equals_the_incremental_engine_at_aligned_times)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        prng = seed;
        struct event e[MAX_ROWS];
        struct wr_plan *plan = plan_of(
            "DeviceNetworkEvents | where Timestamp > ago(16s) | summarize n = count(), b = "
            "sum(SentBytes), l = max(Timestamp) by DeviceName, RemotePort | where n > 1");
        cr_assert_eq(plan->mode, WR_MODE_INCREMENTAL);
        struct wr_stream_opts opts = {.rule_id = "r1",
                                      .rule_version = "1",
                                      .realert = GRID,
                                      .memory_bytes = 1 << 24,
                                      .secret = {seed, 1}};
        struct wr_stream *s = wr_stream_new(plan, &opts);
        struct wr_window *w = window_new(plan, NULL, 1 << 20);
        uint32_t n = world(e, 80, true);
        for (uint32_t i = 0; i < n; i++) {
            struct wr_batch *b = batch_new(1);
            put_event(b, &e[i], false);
            wr_batch_seal(b);
            cr_assert_eq(wr_stream_consume(s, WR_TABLE_DEVICE_NETWORK_EVENTS, b, e[i].now), WR_OK);
            wr_batch_free(b);
            feed(w, &e[i], 1);
            int64_t t = (e[i].now / GRID + 1) * GRID;
            if (i + 1 < n && e[i + 1].now < t)
                continue;
            struct wr_rows rows;
            wr_rows_init(&rows, plan->stream->schema, 64);
            cr_assert_eq(wr_stream_advance(s, t), WR_OK);
            cr_assert_eq(wr_window_advance(w, t), WR_OK);
            cr_assert_eq(wr_stream_rows(s, &rows), WR_OK);
            char *want = rows_text(&rows), *have = cells_text(wr_window_firing(w));
            cr_assert_str_eq(have, want, "seed %llu: %s\nincremental:\n%s", (unsigned long long)seed, have,
                             want);
            free(want);
            free(have);
            wr_rows_fini(&rows);
        }
        wr_stream_free(s);
        wr_window_free(w);
        wr_plan_free(plan);
    }
}

static struct event row_at(int64_t now, uint32_t id)
{
    return (struct event){.now = now, .ts = now, .bytes = 100, .id = id, .port = 25};
}

Test(window, raises_updates_and_resolves_with_one_id)
{
    struct wr_plan *plan = plan_of(queries[3]);
    struct wr_window *w = window_new(plan, NULL, 1 << 20);
    struct event e[] = {row_at(START, 1), row_at(START + 4 * GRID, 2)};
    feed(w, &e[0], 1);
    feed(w, &e[1], 1);
    struct wr_alert *a = wr_window_alerts(w);
    cr_assert(a && !a->next && a->kind == WR_ALERT_RAISED && a->exact);
    cr_expect_eq(a->raised_at, START + GRID);
    cr_assert_eq(wr_window_advance(w, START + 6 * GRID), WR_OK);
    struct wr_alert *b = wr_window_alerts(w);
    cr_assert(b && !b->next && b->kind == WR_ALERT_UPDATED && b->seq == 1);
    cr_expect_str_eq(a->id, b->id);
    cr_expect_eq(b->cells[1].i, 2);
    wr_alerts_free(b);
    cr_assert_eq(wr_window_advance(w, START + 30 * GRID), WR_OK);
    b = wr_window_alerts(w);
    while (b && b->kind == WR_ALERT_UPDATED) {
        struct wr_alert *next = b->next;
        wr_alert_free(b);
        b = next;
    }
    cr_assert(b && !b->next && b->kind == WR_ALERT_RESOLVED);
    cr_expect_str_eq(a->id, b->id);
    wr_alerts_free(a);
    wr_alerts_free(b);
    wr_window_free(w);
    wr_plan_free(plan);
}

Test(window, a_schedule_counts_rows_alerts_once_a_run_and_keeps_quiet)
{
    struct wr_plan *plan = plan_of("DeviceNetworkEvents | where RemotePort == 25 | project DeviceName");
    struct wr_rule_schedule schedule = {.frequency = 5 * GRID, .threshold = 1, .single = true};
    struct wr_window *w = window_new(plan, &schedule, 1 << 20);
    struct event e[] = {row_at(START + 1, 1), row_at(START + 6 * GRID, 2)};
    feed(w, &e[0], 1);
    feed(w, &e[1], 1);
    cr_expect_null(wr_window_alerts(w)); /* one row: not more than one */
    cr_assert_eq(wr_window_advance(w, START + 15 * GRID), WR_OK);
    struct wr_alert *a = wr_window_alerts(w);
    cr_assert(a && a->next && !a->next->next); /* the runs at 10 and 15 s */
    cr_expect_eq(a->raised_at, START + 10 * GRID);
    cr_expect_str_neq(a->id, a->next->id);
    wr_alerts_free(a);
    wr_window_free(w);
    schedule.suppression = 10 * GRID;
    w = window_new(plan, &schedule, 1 << 20);
    feed(w, &e[0], 1);
    feed(w, &e[1], 1);
    cr_assert_eq(wr_window_advance(w, START + 15 * GRID), WR_OK);
    a = wr_window_alerts(w);
    cr_assert(a && !a->next);
    wr_alerts_free(a);
    wr_window_free(w);
    wr_plan_free(plan);
}

Test(window, memory_is_bounded_and_alerts_say_so)
{
    struct wr_plan *plan = plan_of(queries[3]);
    struct wr_window *w = window_new(plan, NULL, 4096);
    for (uint32_t i = 0; i < 200; i++) {
        struct event e = row_at(START + i, i + 1);
        feed(w, &e, 1);
    }
    cr_assert_eq(wr_window_advance(w, START + GRID), WR_OK);
    struct wr_engine_stats stats = {0};
    wr_window_stats(w, &stats);
    cr_expect_leq(stats.memory_bytes, 4096);
    cr_expect_eq(stats.evicted + stats.rows_kept, 200);
    struct wr_alert *a = wr_window_alerts(w);
    cr_assert_not_null(a);
    cr_expect_not(a->exact);
    wr_alerts_free(a);
    wr_window_free(w);
    wr_plan_free(plan);
}

/* Kept rows that are replaced all the time: the few that are left are gathered, in their order, and nothing is lost of them. */
Test(window, rows_that_change_all_the_time_are_what_they_became)
{
    enum { IDS = 90, ROUNDS = 60 };
    struct wr_plan *plan = plan_of("DeviceNetworkEvents | where RemotePort == 25 | summarize N = count(), S = sum(SentBytes),\n"
                                   "L = make_list(SentBytes) by DeviceName | top 5 by S");
    struct wr_window *w = window_new(plan, NULL, 1 << 20), *fresh = window_new(plan, NULL, 1 << 20);
    struct event last[IDS], e[IDS], order[IDS];
    uint32_t n = 0;
    for (uint32_t i = 0; i < IDS; i++)
        last[i] = (struct event){.now = START + 1, .ts = START + 1, .bytes = i, .id = i + 1, .device = i % 3, .port = 25};
    feed(w, last, IDS);
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        for (n = 0; n < IDS / 2; n++) { /* each a few times, in another order */
            struct event *v = &last[roll(IDS)];
            v->now = START + round * (GRID / 10);
            v->amend = true;
            v->prev = v->bytes;
            v->bytes += roll(50);
            e[n] = *v;
        }
        feed(w, e, n);
    }
    struct wr_engine_stats stats = {0};
    wr_window_stats(w, &stats);
    cr_expect_eq(stats.rows_kept, IDS);
    struct wr_buf state = {0};
    wr_window_save(w, &state);
    cr_assert_eq(wr_window_load(fresh, state.data, state.len), WR_OK);
    char *have = cells_text(wr_window_firing(w)), *again = cells_text(wr_window_firing(fresh));
    cr_expect_str_eq(have, again);
    wr_window_free(fresh);
    fresh = window_new(plan, NULL, 1 << 20);
    memcpy(order, last, sizeof order);
    wr_buf_fini(&state);
    for (uint32_t i = 0; i < IDS; i++) {
        order[i].amend = false;
        order[i].now = START + ROUNDS * (GRID / 10);
    }
    feed(fresh, order, IDS);
    char *want = cells_text(wr_window_firing(fresh)), *p = want, *q = have;
    /* lists are in order of the last change: the sums before them are the same */
    for (; *p && *q; p++, q++) {
        cr_assert_eq(*p, *q, "%s and not %s", have, want);
        if (*p == '[') {
            p = strchr(p, '\n');
            q = strchr(q, '\n');
        }
    }
    cr_expect_eq(*p, *q);
    free(have);
    free(again);
    free(want);
    wr_window_free(fresh);
    wr_window_free(w);
    wr_plan_free(plan);
}

/* Rules that keep many rows run less often, and say the same then. */
Test(window, a_run_that_costs_more_than_its_share_waits_for_the_next)
{
    struct wr_plan *plan = plan_of("DeviceNetworkEvents | where Timestamp > ago(16s) | where RemotePort == 25 | sort by Timestamp asc\n"
                                   "| extend Before = prev(SentBytes) | summarize N = count() | where N >= 40");
    struct wr_window *often = window_new(plan, NULL, 1 << 20), *seldom, *again;
    struct wr_window_opts opts = {.rule_id = "r1", .rule_version = "1.0.0", .realert = 3 * GRID, .memory_bytes = 1 << 20,
                                  .work = 50};
    struct wr_engine_stats many = {0}, few = {0}, after = {0};
    struct wr_buf state = {0};
    seldom = wr_window_new(plan, &opts);
    again = wr_window_new(plan, &opts);
    cr_assert(seldom && again);
    for (uint32_t i = 0; i < 100; i++) {
        struct wr_batch *b = batch_new(1);
        put_event(b, &(struct event){.ts = START + i * GRID / 10, .port = 25, .id = i + 1}, true);
        wr_batch_seal(b);
        cr_assert_eq(wr_window_consume(often, WR_TABLE_DEVICE_NETWORK_EVENTS, b, START + i * GRID / 10), WR_OK);
        cr_assert_eq(wr_window_consume(seldom, WR_TABLE_DEVICE_NETWORK_EVENTS, b, START + i * GRID / 10), WR_OK);
        wr_batch_free(b);
    }
    wr_window_stats(often, &many);
    wr_window_stats(seldom, &few);
    cr_expect_geq(many.runs, 9);
    cr_expect_leq(few.runs, 6);
    cr_expect_geq(few.runs, 2);
    wr_window_save(seldom, &state);
    cr_assert_eq(wr_window_load(again, state.data, state.len), WR_OK);
    cr_assert_eq(wr_window_advance(seldom, START + 15 * GRID), WR_OK); /* one second at a time, or at once */
    for (uint32_t t = 10; t <= 15; t++)
        cr_assert_eq(wr_window_advance(again, START + t * GRID), WR_OK);
    wr_window_stats(seldom, &after);
    cr_expect_leq(after.runs, few.runs + 3);
    struct wr_alert *a = wr_window_alerts(seldom), *same = wr_window_alerts(again), *last = a;
    cr_assert_not_null(a);
    cr_expect_eq(a->kind, WR_ALERT_RAISED);
    for (; last->next; last = last->next)
        ;
    const struct wr_alert *end = same;
    for (; end && end->next; end = end->next)
        ;
    cr_expect(!end || end->raised_at == last->raised_at); /* it was raised before the state was saved, or at the same time */
    struct wr_alert *firing = wr_window_firing(seldom);
    cr_assert_not_null(firing);
    cr_expect_eq(firing->cells[0].i, 100); /* nothing was left out */
    wr_alerts_free(a);
    wr_alerts_free(same);
    wr_alerts_free(firing);
    wr_buf_fini(&state);
    wr_window_free(often);
    wr_window_free(seldom);
    wr_window_free(again);
    wr_plan_free(plan);
}

/* Of rules with the same work each runs as often, and no two of them in one second. */
Test(window, rules_take_turns)
{
    enum { RULES = 4, SECONDS = 60 };
    struct wr_plan *plan = plan_of("DeviceNetworkEvents | where Timestamp > ago(16s) | sort by Timestamp asc | extend Before = prev(SentBytes) "
                                   "| summarize N = count() | where N > 1000");
    struct wr_window *w[RULES];
    uint64_t runs[RULES] = {0};
    for (uint32_t i = 0; i < RULES; i++) {
        struct wr_window_opts opts = {.rule_id = "r1", .rule_version = "1.0.0", .realert = GRID, .memory_bytes = 1 << 20,
                                      .work = 30, .phase = i};
        w[i] = wr_window_new(plan, &opts);
        cr_assert_not_null(w[i]);
    }
    for (uint32_t t = 0; t < SECONDS; t++) {
        uint32_t ran = 0;
        struct wr_batch *b = batch_new(1);
        put_event(b, &(struct event){.ts = START + t * GRID, .port = 25, .id = t + 1}, true);
        wr_batch_seal(b);
        for (uint32_t i = 0; i < RULES; i++) {
            struct wr_engine_stats st = {0};
            cr_assert_eq(wr_window_consume(w[i], WR_TABLE_DEVICE_NETWORK_EVENTS, b, START + t * GRID), WR_OK);
            wr_window_stats(w[i], &st);
            ran += st.runs != runs[i];
            runs[i] = st.runs;
        }
        if (t > 40) /* each keeps 16 rows, and a run costs as much as three to four seconds have */
            cr_expect_leq(ran, 2, "second %u: %u", t, ran);
        wr_batch_free(b);
    }
    for (uint32_t i = 0; i < RULES; i++) {
        cr_expect(runs[i] >= SECONDS / 6 && runs[i] <= SECONDS * 2 / 3, "%u: %llu", i, (unsigned long long)runs[i]);
        wr_window_free(w[i]);
    }
    wr_plan_free(plan);
}

Test(window, damaged_state_is_refused_or_harmless)
{
    struct wr_plan *plan = plan_of(queries[3]);
    struct wr_window *w = window_new(plan, NULL, 1 << 20);
    for (uint32_t i = 0; i < 5; i++) {
        struct event e = row_at(START + i * GRID, i + 1);
        feed(w, &e, 1);
    }
    struct wr_buf state = {0};
    wr_window_save(w, &state);
    wr_window_free(w);
    for (size_t n = 0; n < state.len; n++) {
        w = window_new(plan, NULL, 1 << 20);
        cr_expect_eq(wr_window_load(w, state.data, n), WR_ECORRUPT);
        wr_window_free(w);
    }
    for (int i = 0; i < 1000; i++) {
        size_t at = roll((uint32_t)state.len);
        char was = state.data[at];
        state.data[at] = (char)roll(256);
        w = window_new(plan, NULL, 1 << 20);
        if (wr_window_load(w, state.data, state.len) == WR_OK)
            cr_expect_eq(wr_window_advance(w, START + WR_TICKS_HOUR), WR_OK);
        wr_window_free(w);
        state.data[at] = was;
    }
    wr_buf_fini(&state);
    wr_plan_free(plan);
}

/* ---- by schedule: each run is a batch run over [run - period, run) ------------------------------- */

static const struct {
    const char *query;
    uint32_t nkey; /* columns that a row keeps its alert by */
} scheduled[] = {
    {"DeviceNetworkEvents | where RemotePort == 25 | summarize n = count(), b = sum(SentBytes) by DeviceName", 1},
    {"DeviceNetworkEvents | where RemotePort == 587 | project Timestamp, DeviceName, SentBytes", 2},
    {"DeviceNetworkEvents | summarize n = count()", 0},
    {"DeviceNetworkEvents | where SentBytes > 60 | summarize m = max(SentBytes) by DeviceName, RemotePort | where m < 140", 2}};

/* Lines of a text, each cut behind its n-th column. */
static uint32_t lines_of(const char *text, uint32_t n, char out[][128])
{
    uint32_t lines = 0;
    for (const char *end; (end = strchr(text, '\n')) != NULL; text = end + 1, lines++) {
        const char *cut = text;
        for (uint32_t k = 0; k < n; k++)
            cut = strchr(cut, '|') + 1;
        cr_assert(lines < MAX_ROWS && cut - text < 128);
        memcpy(out[lines], text, (size_t)(cut - text));
        out[lines][cut - text] = '\0';
    }
    return lines;
}

/* Of sorted lists: how many of `a` are not in `b`. */
static uint32_t without(char a[][128], uint32_t na, char b[][128], uint32_t nb)
{
    uint32_t only = 0;
    for (uint32_t i = 0, k = 0; i < na; i++) {
        while (k < nb && strcmp(b[k], a[i]) < 0)
            k++;
        only += k == nb || strcmp(b[k], a[i]) != 0;
        k += k < nb && strcmp(b[k], a[i]) == 0;
    }
    return only;
}

struct model {
    struct wr_rule_schedule schedule;
    int64_t period, quiet_until;
    char *firing; /* rows of the last run that held, sorted */
    uint32_t nkey;
};

static bool model_holds(const struct wr_rule_schedule *s, uint32_t rows)
{
    int64_t n = rows;
    return s->op == WR_TRIGGER_GT   ? n > s->threshold
           : s->op == WR_TRIGGER_LT ? n < s->threshold
           : s->op == WR_TRIGGER_EQ ? n == s->threshold
                                    : n != s->threshold;
}

/* The run at t, of which `w` has just told. */
static void check_run(struct model *m, struct wr_window *w, const struct wr_plan *plan, const struct event *e, uint32_t n,
                      int64_t t)
{
    static char have[MAX_ROWS][128], was[MAX_ROWS][128];
    uint32_t count[3] = {0}, raised = 0, resolved = 0; /* by enum wr_alert_kind */
    struct wr_alert *list = wr_window_alerts(w);
    for (const struct wr_alert *a = list; a; a = a->next)
        count[a->kind == WR_ALERT_RAISED ? 0 : a->kind == WR_ALERT_RESOLVED ? 1 : 2]++;
    if (t < m->quiet_until) {
        cr_assert_null(list, "a run while it is to be quiet");
        return;
    }
    char *rows = batch_between(plan, e, n, t, t - m->period, t, m->schedule.by_arrival);
    uint32_t nrows = lines_of(rows, 0, have);
    bool holds = model_holds(&m->schedule, nrows);
    if (m->schedule.single) {
        raised = holds;
        char *said = cells_text(list);
        cr_assert(!raised || !nrows || strstr(rows, said), "%s is none of\n%s", said, rows);
        free(said);
    } else {
        wr_alerts_free(list);
        if (!holds)
            *rows = '\0';
        char *firing = cells_text(wr_window_firing(w));
        cr_assert_str_eq(firing, rows, "at %lld: %s\nbatch:\n%s", (long long)(t - START), firing, rows);
        free(firing);
        uint32_t nhave = lines_of(rows, m->nkey, have), nwas = lines_of(m->firing, m->nkey, was);
        raised = without(have, nhave, was, nwas);
        resolved = without(was, nwas, have, nhave);
    }
    cr_assert_eq(count[0], raised);
    cr_assert_eq(count[1], resolved);
    if (raised && m->schedule.suppression)
        m->quiet_until = t + m->schedule.suppression;
    free(m->firing);
    m->firing = m->schedule.single ? strdup("") : strdup(rows);
    free(rows);
}

/* Times on a grid of their own, so that many are those of runs; some clocks are ahead. */
static void coarse(struct event *e, uint32_t n)
{
    int64_t ahead[MAX_ROWS + 1];
    for (uint32_t i = 0; i <= n; i++)
        ahead[i] = roll(8) ? 0 : (int64_t)roll(5) * GRID;
    for (uint32_t i = 0; i < n; i++) {
        e[i].now = (e[i].now + GRID / 2 - 1) / (GRID / 2) * (GRID / 2);
        e[i].ts = e[i].ts / (GRID / 2) * (GRID / 2) + ahead[e[i].id];
    }
}

static void check_schedule(uint64_t seed, size_t q)
{
    prng = seed;
    struct event e[MAX_ROWS];
    int64_t f = (int64_t)(1 + roll(4)) * GRID;
    struct model m = {.schedule = {.frequency = f,
                                   .op = (enum wr_trigger)roll(4),
                                   .threshold = roll(3),
                                   .single = roll(3) == 0,
                                   .suppression = roll(3) ? 0 : (int64_t)(1 + roll(3)) * f,
                                   .by_arrival = roll(4) == 0},
                      .period = (int64_t)(1 + roll(4)) * f,
                      .firing = strdup(""),
                      .nkey = scheduled[q].nkey};
    struct wr_plan *plan = plan_of(scheduled[q].query);
    cr_assert(wr_plan_set_window(plan, m.period, "the test"));
    struct wr_window *w = window_new(plan, &m.schedule, 1 << 20);
    uint32_t n = world(e, 30 + roll(50), true);
    coarse(e, n);
    int64_t t = (e[0].now + f - 1) / f * f;
    for (uint32_t i = 0; i < n; i++) {
        for (; t <= e[i].now; t += f) {
            cr_assert_eq(wr_window_advance(w, t), WR_OK);
            check_run(&m, w, plan, e, i, t);
        }
        feed(w, &e[i], 1);
        if (roll(6))
            continue;
        struct wr_buf state = {0};
        wr_window_save(w, &state);
        wr_window_free(w);
        w = window_new(plan, &m.schedule, 1 << 20);
        cr_assert_eq(wr_window_load(w, state.data, state.len), WR_OK);
        wr_buf_fini(&state);
    }
    free(m.firing);
    wr_window_free(w);
    wr_plan_free(plan);
}

Test(window, each_run_of_a_schedule_is_a_batch_run_over_its_period)
{
    for (size_t q = 0; q < sizeof scheduled / sizeof *scheduled; q++)
        for (uint64_t seed = 1; seed <= 60; seed++)
            check_schedule(seed * 7 + q, q);
}
