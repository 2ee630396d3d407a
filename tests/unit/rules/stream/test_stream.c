/* The incremental engine against the batch executor, on random streams: duplicates, disorder, expiry,
 * amendments. */
#include "stream_kit.h"

static void check_aligned(uint64_t seed, bool bytes_filter, bool amends)
{
    prng = seed;
    struct rule r = rule_new(bytes_filter, roll(4), false);
    struct wr_stream *s = stream_new(&r, (size_t)1 << 24);
    struct world w;
    world_new(&w, 30 + roll(60), amends);
    for (uint32_t i = 0; i < w.n; i++) {
        feed(s, &w.event[i], 1);
        if (roll(8) && i + 1 < w.n)
            continue;
        int64_t t = (w.event[i].now + PANE - 1) / PANE * PANE;
        if (i + 1 < w.n && w.event[i + 1].now < t)
            continue;
        cr_assert_eq(wr_stream_advance(s, t), WR_OK);
        char *want = batch_text(&r, &w, i + 1, t), *have = stream_text(s, &r);
        cr_assert_str_eq(have, want, "seed %llu at %lld:\n%s\nbatch:\n%s", (unsigned long long)seed,
                         (long long)t, have, want);
        free(want);
        free(have);
    }
    wr_stream_free(s);
    wr_arena_free(r.a);
}

Test(stream, equals_batch_at_aligned_times)
{
    for (uint64_t seed = 1; seed <= 150; seed++)
        check_aligned(seed, false, false);
}

Test(stream, equals_batch_with_amendments)
{
    for (uint64_t seed = 1; seed <= 150; seed++)
        check_aligned(seed, false, true);
}

Test(stream, equals_batch_with_amendments_behind_a_filter_on_bytes)
{
    for (uint64_t seed = 1; seed <= 150; seed++)
        check_aligned(seed, true, true);
}

Test(stream, equals_batch_where_many_rows_of_a_group_stay)
{
    crowded = true;
    for (uint64_t seed = 1; seed <= 100; seed++)
        check_aligned(seed, seed % 3 == 0, seed % 2);
}

/* Rows of which each has its own pane, nearly: they take less as they are, and then they leave one by one. */
Test(stream, rows_far_apart_stay_as_they_are)
{
    struct rule r = rule_new(false, 0, true);
    struct wr_stream *s = stream_new(&r, (size_t)1 << 24);
    for (uint32_t i = 0; i < 80; i++) {
        struct event e = {.now = start + 73 * i, .ts = start + 73 * i, .id = i + 1, .port = 25};
        feed(s, &e, 1);
        cr_assert_eq(wr_stream_advance(s, e.now + 31), WR_OK);
        struct wr_alert *firing = wr_stream_firing(s);
        int64_t in_window = i + 1 < 22 ? i + 1 : (WINDOW - 31 + 72) / 73;
        cr_assert_not_null(firing);
        cr_expect_eq(firing->cells[2].i, in_window, "row %u: %lld", i, (long long)firing->cells[2].i);
        wr_alerts_free(firing);
    }
    struct wr_engine_stats st = {0};
    wr_stream_stats(s, &st);
    cr_expect_eq(st.panes, 0);
    wr_stream_free(s);
    wr_arena_free(r.a);
}

/* Rows that lie apart, then many that do not: what a fold leaves is as many as room was made for first. */
Test(stream, rows_apart_and_then_together_are_all_counted)
{
    struct rule r = rule_new(false, 0, true);
    struct wr_stream *s = stream_new(&r, (size_t)1 << 24);
    for (uint32_t i = 0; i < 600; i++) {
        int64_t ts = start + (i < 6 ? 70 * i : 420 + i / 4);
        struct event e = {.now = ts, .ts = ts, .id = i + 1, .port = 25};
        feed(s, &e, 1);
        struct wr_alert *firing = wr_stream_firing(s);
        cr_assert_not_null(firing);
        cr_assert_eq(firing->cells[2].i, i + 1, "row %u: %lld", i, (long long)firing->cells[2].i);
        wr_alerts_free(firing);
    }
    wr_stream_free(s);
    wr_arena_free(r.a);
}

static uint64_t groups_of(const struct wr_stream *s)
{
    struct wr_engine_stats st = {0};
    wr_stream_stats(s, &st);
    return st.groups;
}

/* The sweep rests while nothing can have left: not a row longer. */
Test(stream, groups_go_when_their_rows_have_left)
{
    struct rule r = rule_new(false, 1000, true);
    struct wr_stream *s = stream_new(&r, (size_t)1 << 24);
    uint32_t id = 0;
    for (uint32_t i = 0; i < 300; i++) { /* groups of 1 to 9 rows: some move, the sweep goes round */
        for (uint32_t k = 0; k < 1 + i % 9; k++) {
            struct event e = {.now = start + i, .ts = start + i, .id = ++id, .port = 1 + i};
            feed(s, &e, 1);
        }
    }
    cr_expect_eq(groups_of(s), 300);
    struct event late = {.now = start + 400, .ts = start + 410 - WINDOW, .id = ++id, .port = 1000};
    feed(s, &late, 1);
    cr_expect_eq(groups_of(s), 301);
    for (uint32_t i = 0; i < 2000; i++) { /* each looks at two groups */
        struct event e = {.now = start + 420, .ts = start + 420, .id = ++id, .port = 2000 + i};
        feed(s, &e, 1);
    }
    cr_expect_eq(groups_of(s), 2300, "the late one has gone, the others have not: %llu", (unsigned long long)groups_of(s));
    for (uint32_t i = 1; i < 100; i++)
        cr_assert_eq(wr_stream_advance(s, start + 500 + WINDOW + i * WR_TICKS_SECOND), WR_OK);
    cr_expect_eq(groups_of(s), 0);
    wr_stream_free(s);
    wr_arena_free(r.a);
}

Test(stream, late_rows_are_dropped_and_counted_future_ones_clamped)
{
    struct rule r = rule_new(false, 0, false);
    struct wr_stream *s = stream_new(&r, (size_t)1 << 24);
    struct event late = row_at(start, 1, 0), future = row_at(start, 2, 1);
    late.ts = start - WINDOW;
    future.ts = INT64_MAX;
    feed(s, &late, 1);
    feed(s, &future, 1);
    struct wr_engine_stats st = {0};
    wr_stream_stats(s, &st);
    cr_expect_eq(st.late, 1);
    cr_expect_eq(st.future, 1);
    cr_expect_eq(st.groups, 1);
    wr_stream_free(s);
    wr_arena_free(r.a);
}

Test(stream, damaged_state_is_refused)
{
    prng = 11;
    struct rule r = rule_new(false, 2, false);
    struct wr_stream *s = stream_new(&r, (size_t)1 << 24);
    struct world w;
    world_new(&w, 100, true);
    for (uint32_t i = 0; i < w.n; i++)
        feed(s, &w.event[i], 1);
    struct wr_buf state = {0};
    wr_stream_save(s, &state);
    wr_stream_free(s);
    for (size_t n = 0; n < state.len; n += 1 + n / 16) { /* cut anywhere */
        s = stream_new(&r, (size_t)1 << 24);
        cr_expect_neq(wr_stream_load(s, state.data, n), WR_OK, "%zu bytes", n);
        wr_stream_free(s);
    }
    for (int i = 0; i < 400; i++) { /* any byte changed: refused or harmless */
        size_t at = roll((uint32_t)state.len);
        char was = state.data[at];
        state.data[at] = (char)roll(256);
        s = stream_new(&r, (size_t)1 << 24);
        if (wr_stream_load(s, state.data, state.len) == WR_OK)
            cr_expect_eq(wr_stream_advance(s, start + 100000000), WR_OK);
        wr_stream_free(s);
        state.data[at] = was;
    }
    wr_buf_fini(&state);
    wr_arena_free(r.a);
}
