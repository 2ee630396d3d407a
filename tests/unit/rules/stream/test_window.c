/* Windowed rules: the result of each run is the batch result over the last versions of the rows in the
 * window; state survives a restart. */
#include "window_kit.h"

#include "rules/stream/stream.h"

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

/* Of the table only the newest row of each key is kept. */
static const char *const newest[] = {
    "DeviceNetworkEvents | where RemotePort == 587 | summarize l = max(Timestamp) by DeviceName | join kind=leftouter "
    "(DeviceNetworkEvents | where Timestamp > ago(9s) | summarize k = max(Timestamp) by DeviceName, RemotePort) on DeviceName | "
    "summarize n = count(), k = max(k), l = max(l) by DeviceName",
    "DeviceNetworkEvents | distinct DeviceName, RemotePort | join kind=leftanti (DeviceNetworkEvents | where RemotePort == 25 and "
    "Timestamp > ago(5s) | summarize by DeviceName) on DeviceName",
    "DeviceNetworkEvents | extend T = Timestamp, D = DeviceName | summarize arg_max(T, SentBytes) by D | where SentBytes > 60 | "
    "summarize n = count(), b = sum(SentBytes)"};

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

Test(window, equals_batch_where_only_the_newest_rows_are_kept)
{
    for (size_t q = 0; q < sizeof newest / sizeof *newest; q++)
        for (uint64_t seed = 1; seed <= 60; seed++)
            check(seed, newest[q], false);
}

Test(window, keeps_a_row_a_key_where_only_the_newest_matters)
{
    for (size_t q = 0; q < sizeof newest / sizeof *newest; q++) {
        struct wr_plan *plan = plan_of(newest[q]);
        struct wr_window *w = window_new(plan, NULL, 1 << 20);
        struct event e[MAX_ROWS];
        prng = 7;
        for (uint32_t i = 0; i < MAX_ROWS; i++) {
            e[i] = (struct event){.now = START + i * GRID / 100, .ts = START + i * GRID / 100, .id = i + 1, .device = roll(3), .port = 25};
            feed(w, &e[i], 1);
        }
        struct wr_engine_stats st = {0};
        wr_window_stats(w, &st);
        cr_expect_leq(st.rows_kept, 3, "%s: %llu", newest[q], (unsigned long long)st.rows_kept);
        cr_expect(wr_window_keeps_newest(w, WR_TABLE_DEVICE_NETWORK_EVENTS));
        wr_window_free(w);
        wr_plan_free(plan);
    }
    for (size_t q = 0; q < sizeof queries / sizeof *queries; q++) { /* whose other rows matter, too */
        struct wr_plan *plan = plan_of(queries[q]);
        struct wr_window *w = window_new(plan, NULL, 1 << 20);
        cr_expect_not(wr_window_keeps_newest(w, WR_TABLE_DEVICE_NETWORK_EVENTS), "%s", queries[q]);
        wr_window_free(w);
        wr_plan_free(plan);
    }
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
