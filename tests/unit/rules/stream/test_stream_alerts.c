/* Alerts of the incremental engine: they fire exactly while their rows hold, whatever the batches, over a restart, within memory. */
#include "stream_kit.h"

static uint32_t count_lines(const char *text)
{
    uint32_t n = 0;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

Test(stream_alerts, fires_exactly_while_the_count_is_above_the_threshold)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        prng = seed;
        struct rule r = rule_new(false, roll(7), true);
        struct wr_stream *s = stream_new(&r, (size_t)1 << 24);
        struct world w;
        world_new(&w, 60, false);
        for (uint32_t i = 0; i < w.n; i++) {
            feed(s, &w.event[i], 1);
            int64_t t = w.event[i].now + roll(30);
            if (i + 1 < w.n && t > w.event[i + 1].now)
                t = w.event[i + 1].now;
            cr_assert_eq(wr_stream_advance(s, t), WR_OK);
            char *want = batch_text(&r, &w, i + 1, t);
            struct wr_alert *firing = wr_stream_firing(s);
            uint32_t n = 0;
            for (struct wr_alert *a = firing; a; a = a->next, n++) {
                struct wr_buf line = {0};
                wr_buf_add(&line, wr_str_data(&a->cells[0].s), a->cells[0].s.len);
                if (a->cells[1].null)
                    wr_buf_fmt(&line, "|null|%lld|", (long long)a->cells[2].i);
                else
                    wr_buf_fmt(&line, "|%lld|%lld|", (long long)a->cells[1].i, (long long)a->cells[2].i);
                wr_buf_char(&line, '\0');
                cr_expect_not_null(strstr(want, line.data), "seed %llu: %s not in\n%s",
                                   (unsigned long long)seed, line.data, want);
                wr_buf_fini(&line);
            }
            cr_expect_eq(n, count_lines(want), "seed %llu at %lld", (unsigned long long)seed, (long long)t);
            wr_alerts_free(firing);
            free(want);
        }
        wr_stream_free(s);
        wr_arena_free(r.a);
    }
}

static void alerts_text(struct wr_stream *s, struct wr_buf *out)
{
    struct wr_alert *list = wr_stream_alerts(s);
    for (struct wr_alert *a = list; a; a = a->next) {
        wr_alert_json(a, out);
        wr_buf_char(out, '\n');
    }
    wr_alerts_free(list);
}

/* Alerts of a whole stream, fed in batches of up to `most` rows that arrive together; saved and loaded at
 * `cut`. */
static char *run_alerts(const struct rule *r, const struct world *w, uint32_t most, uint32_t cut,
                        size_t memory)
{
    struct wr_stream *s = stream_new(r, memory);
    struct wr_buf out = {0};
    for (uint32_t i = 0; i < w->n;) {
        uint32_t n = 1;
        while (n < most && i + n < w->n && w->event[i + n].now == w->event[i].now)
            n++;
        feed(s, &w->event[i], n);
        i += n;
        alerts_text(s, &out);
        if (i < cut || cut == 0)
            continue;
        cut = 0;
        struct wr_buf state = {0};
        wr_stream_save(s, &state);
        wr_stream_free(s);
        s = stream_new(r, memory);
        cr_assert_eq(wr_stream_load(s, state.data, state.len), WR_OK);
        wr_buf_fini(&state);
    }
    cr_assert_eq(wr_stream_advance(s, w->event[w->n - 1].now + 2 * WINDOW), WR_OK);
    alerts_text(s, &out);
    wr_stream_free(s);
    wr_buf_char(&out, '\0');
    return out.data;
}

static void together(struct world *w)
{
    for (uint32_t i = 1; i < w->n; i++)
        if (roll(2) && w->event[i].ts <= w->event[i - 1].now)
            w->event[i].now = w->event[i - 1].now;
    for (uint32_t i = 1; i < w->n; i++)
        if (w->event[i].now < w->event[i - 1].now)
            w->event[i].now = w->event[i - 1].now;
}

static void same_alerts(const char *a, const char *b, uint64_t seed, const char *what)
{
    size_t n = 0;
    while (a[n] && a[n] == b[n])
        n++;
    size_t from = n > 300 ? n - 300 : 0;
    cr_assert(a[n] == b[n], "seed %llu, %s: %.400s\n\n%.400s", (unsigned long long)seed, what, a + from,
              b + from);
}

Test(stream_alerts, alerts_do_not_depend_on_batches_nor_on_a_restart)
{
    uint64_t seen = 0;
    for (uint64_t seed = 1; seed <= 260; seed++) {
        prng = seed;
        crowded = seed > 200;
        struct rule r = rule_new(roll(2), roll(4), roll(2));
        struct world w;
        world_new(&w, 80, roll(2));
        together(&w);
        char *one = run_alerts(&r, &w, 1, 0, (size_t)1 << 24),
             *many = run_alerts(&r, &w, 50, 0, (size_t)1 << 24);
        char *cut = run_alerts(&r, &w, 3, 1 + roll(w.n - 1), (size_t)1 << 24);
        same_alerts(one, many, seed, "batches");
        same_alerts(one, cut, seed, "restart");
        seen += count_lines(one);
        free(one);
        free(many);
        free(cut);
        wr_arena_free(r.a);
    }
    cr_expect_gt(seen, 200);
}

Test(stream_alerts, raises_updates_and_resolves_with_one_id)
{
    struct rule r = rule_new(false, 2, false);
    struct wr_stream *s = stream_new(&r, (size_t)1 << 24);
    struct event e[] = {row_at(start, 1, 0), row_at(start + 10, 2, 0), row_at(start + 20, 3, 0),
                        row_at(start + 30, 4, 0), row_at(start + 600, 5, 0)};
    e[2].null_bytes = true;
    for (int i = 0; i < 3; i++)
        feed(s, &e[i], 1);
    struct wr_alert *a = wr_stream_alerts(s);
    cr_assert_not_null(a);
    cr_expect_null(a->next);
    cr_expect_eq(a->kind, WR_ALERT_RAISED);
    cr_expect_eq(a->seq, 0);
    cr_expect_eq(a->cells[2].i, 3);
    cr_expect_eq(a->cells[4].i, 20);
    cr_expect_eq(a->nsamples, 3);
    cr_expect_eq(a->sample_rows[0], 3);
    cr_expect(a->exact);
    char id[33];
    memcpy(id, a->id, sizeof id);
    wr_alerts_free(a);
    feed(s, &e[3], 1);
    cr_expect_null(wr_stream_alerts(s)); /* too soon after the first */
    struct event known = e[2];
    known.amend = true;
    known.now = start + 40;
    known.null_prev = true;
    known.null_bytes = false;
    known.bytes = 500;
    feed(s, &known, 1);
    a = wr_stream_alerts(s); /* but bytes that became known are said at once */
    cr_assert_not_null(a);
    cr_expect_eq(a->kind, WR_ALERT_UPDATED);
    cr_expect_eq(a->seq, 1);
    cr_expect_eq(a->cells[4].i, 530);
    cr_expect_str_eq(a->id, id);
    wr_alerts_free(a);
    feed(s, &e[4], 1);
    a = wr_stream_alerts(s); /* realert has passed */
    cr_assert_not_null(a);
    cr_expect_eq(a->seq, 2);
    wr_alerts_free(a);
    cr_assert_eq(wr_stream_advance(s, start + 30 + WINDOW - 1), WR_OK); /* rows 4 and 5 are left */
    a = wr_stream_alerts(s);
    cr_assert_not_null(a);
    cr_expect_eq(a->kind, WR_ALERT_RESOLVED);
    cr_expect_eq(a->window_end, start + 20 + WINDOW);
    cr_expect_str_eq(a->id, id);
    wr_alerts_free(a);
    wr_stream_free(s);
    wr_arena_free(r.a);
}

static struct wr_stream *restarted(struct wr_stream *s, const struct rule *r)
{
    struct wr_buf state = {0};
    wr_stream_save(s, &state);
    wr_stream_free(s);
    s = stream_new(r, (size_t)1 << 24);
    cr_assert_eq(wr_stream_load(s, state.data, state.len), WR_OK);
    wr_buf_fini(&state);
    return s;
}

/* The newest alert of the group after four more rows that are at `ts`. */
static void expect_exact(struct wr_stream *s, int64_t ts, uint32_t id, bool want, int variant)
{
    for (uint32_t k = 0; k < 4; k++) {
        struct event later = row_at(ts, id + k, 1);
        later.now = ts + 500 + k;
        feed(s, &later, 1);
    }
    struct wr_alert *a = wr_stream_alerts(s), *newest = a;
    cr_assert_not_null(a, "variant %d", variant);
    while (newest->next)
        newest = newest->next;
    cr_expect_eq(newest->exact, want, "variant %d", variant);
    wr_alerts_free(a);
}

/* A row whose connection was given up, or the last version of one, marks the alerts of its group from then on, and no others,
 * however rows come together; once it has left the window they are exact again. */
Test(stream_alerts, a_row_that_was_given_up_marks_its_group_while_it_is_in_the_window)
{
    struct rule r = rule_new(false, 2, false);
    for (int variant = 0; variant < 8; variant++) {
        bool one = variant & 1, last_version = variant & 2, restart = variant & 4;
        struct wr_stream *s = stream_new(&r, (size_t)1 << 24);
        struct event e[12];
        uint32_t n = 0;
        for (uint32_t k = 0; k < 9; k++) {
            e[n] = row_at(start, 1 + k, k % 3);
            e[n].given_up = k == 4 && !last_version;
            n++;
            if (k != 4 || !last_version)
                continue;
            e[n] = e[n - 1];
            e[n].prev = e[n].bytes;
            e[n].amend = e[n].given_up = true;
            n++;
        }
        for (uint32_t k = 0; k < (one ? n : 1); k++)
            feed(s, &e[k], one ? 1 : n);
        struct wr_alert *a = wr_stream_alerts(s);
        uint32_t seen = 0;
        for (const struct wr_alert *at = a; at; at = at->next, seen++)
            cr_expect_eq(at->exact, seen != 1, "variant %d, group %u", variant, seen);
        cr_expect_eq(seen, 3);
        wr_alerts_free(a);
        if (restart)
            s = restarted(s, &r);
        expect_exact(s, start + WINDOW / 2, 100, false, variant);
        expect_exact(s, start + WINDOW + 1, 200, true, variant);
        wr_stream_free(s);
    }
    wr_arena_free(r.a);
}

Test(stream_alerts, memory_bound_evicts_and_marks_alerts)
{
    prng = 7;
    struct rule r = rule_new(false, 1, false);
    struct wr_stream *s = stream_new(&r, 4000);
    for (uint32_t i = 0; i < 200; i++) {
        struct event e = row_at(start + i, i + 1, i % DEVICES);
        e.port = 1 + i / 2;
        feed(s, &e, 1);
    }
    struct wr_engine_stats st = {0};
    wr_stream_stats(s, &st);
    cr_expect_gt(st.evicted, 0);
    cr_expect_leq(st.memory_bytes, 4000 + 1024);
    struct event e[] = {row_at(start + 300, 900, 0), row_at(start + 301, 901, 0)};
    wr_alerts_free(wr_stream_alerts(s));
    feed(s, e, 2);
    struct wr_alert *a = wr_stream_alerts(s);
    while (a && a->kind != WR_ALERT_RAISED) {
        struct wr_alert *next = a->next;
        wr_alert_free(a);
        a = next;
    }
    cr_assert_not_null(a);
    cr_expect_not(a->exact);
    wr_alerts_free(a);
    wr_stream_free(s);
    wr_arena_free(r.a);
}

Test(stream_alerts, stateless_rows_alert_once)
{
    struct wr_arena *a = wr_arena_new(4096);
    struct wr_op *scan = op_scan(a, WR_TABLE_DEVICE_NETWORK_EVENTS);
    struct wr_op *where = op_where(
        a, scan, ex_call(a, "==", "TT:b", WR_BOOL, 2, ex_col(a, WR_DNE_RemotePort, WR_INT), ex_long(a, 25)));
    struct wr_op *map = op_new(a, WR_OP_MAP, where);
    struct wr_ex *cols[] = {ex_col(a, WR_DNE_DeviceName, WR_STRING)};
    map->cols = cols;
    map->schema = schema_new(a, 1, (enum wr_type[]){WR_STRING});
    struct rule r = {.a = a,
                     .plan = {.mode = WR_MODE_STATELESS, .stream = map, .time_col = WR_DNE_Timestamp}};
    struct wr_stream *s = stream_new(&r, 1 << 20);
    struct event e[] = {row_at(start, 1, 0), row_at(start, 2, 0), row_at(start, 1, 0), row_at(start, 3, 0)};
    e[2].amend = true;
    e[3].port = 26;
    feed(s, e, 4);
    struct wr_alert *list = wr_stream_alerts(s);
    cr_assert(list && list->next && !list->next->next);
    cr_expect_str_neq(list->id, list->next->id);
    wr_alerts_free(list);
    wr_stream_free(s);
    wr_arena_free(a);
}
