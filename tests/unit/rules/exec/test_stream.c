/* The incremental engine against the batch executor, on random streams: duplicates, disorder, expiry,
 * amendments. */
#include "build.h"

#include "rules/exec/rows.h"
#include "rules/exec/run.h"
#include "rules/exec/stream.h"
#include "rules/fn/kernel.h"

#include "base/ticks.h"

#include <stdlib.h>

enum { WINDOW = 1600, PANE = 100, DEVICES = 3, MAX_ROWS = 400 };
static const int64_t start = 1000000;

static uint64_t prng;
/* Worlds of one group with some thirty rows in the window, rules without sets: some rows share panes, some do not. */
static bool crowded;

static uint32_t roll(uint32_t n)
{
    prng += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = prng;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)((z ^ z >> 31) % n);
}

/* One event; `amend`: the row `of` has new bytes. */
struct event {
    int64_t now, ts, bytes, prev;
    bool null_bytes, null_prev, amend;
    uint32_t id, device, port, ip;
};

static void add_event(struct wr_batch *b, const struct event *e, bool as_row)
{
    static const char *const devices[] = {"ws-1", "a device with a long name", "ws-3"};
    static const char *const ips[] = {"192.0.2.1", "192.0.2.2", "2001:db8::dead:beef"};
    uint32_t r = wr_batch_row(b);
    wr_batch_set_i64(b, WR_DNE_Timestamp, r, e->ts);
    cr_assert(wr_batch_set_str(b, WR_DNE_DeviceName, r, devices[e->device], strlen(devices[e->device])));
    cr_assert(wr_batch_set_str(b, WR_DNE_RemoteIP, r, ips[e->ip], strlen(ips[e->ip])));
    if (e->port)
        wr_batch_set_i64(b, WR_DNE_RemotePort, r, e->port);
    if (!e->null_bytes)
        wr_batch_set_i64(b, WR_DNE_SentBytes, r, e->bytes);
    wr_batch_set_i64(b, WR_DNE__RowId, r, e->id);
    if (as_row || !e->amend)
        return;
    wr_batch_set_i64(b, WR_DNE__Amend, r, 1);
    if (!e->null_prev)
        wr_batch_set_i64(b, WR_DNE__PrevSentBytes, r, e->prev);
}

static struct wr_batch *batch_new(uint32_t cap)
{
    struct wr_colset all = wr_colset_all(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS));
    struct wr_batch *b = wr_batch_new(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS), &all, cap);
    cr_assert_not_null(b);
    return b;
}

struct rule {
    struct wr_arena *a;
    struct wr_plan plan;
};

/* scan | [where SentBytes > 50] | summarize ... by DeviceName, RemotePort | where count_ > more */
static struct wr_op *tail(struct wr_arena *a, struct wr_op *in, bool bytes_filter, int64_t more,
                          bool counts_only)
{
    struct wr_ex *bytes = ex_col(a, WR_DNE_SentBytes, WR_LONG),
                 *ts = ex_col(a, WR_DNE_Timestamp, WR_DATETIME);
    struct wr_ex *ip = ex_col(a, WR_DNE_RemoteIP, WR_STRING);
    if (bytes_filter)
        in = op_where(a, in, ex_call(a, ">", "TT:b", WR_BOOL, 2, bytes, ex_long(a, 50)));
    struct wr_ex *keys[] = {ex_col(a, WR_DNE_DeviceName, WR_STRING), ex_col(a, WR_DNE_RemotePort, WR_INT)};
    struct wr_ex *big = ex_call(a, ">", "TT:b", WR_BOOL, 2, bytes, ex_long(a, 100));
    struct wr_agg_call aggs[] = {
        agg_call(a, "count", ":l", WR_LONG, NULL, NULL),
        crowded ? agg_call(a, "count", ":l", WR_LONG, NULL, NULL) : agg_call(a, "dcount", "*l?:l", WR_LONG, ip, NULL),
        agg_call(a, "sum", "l:l", WR_LONG, bytes, NULL),  agg_call(a, "min", "d:d", WR_DATETIME, ts, NULL),
        agg_call(a, "max", "d:d", WR_DATETIME, ts, NULL), agg_call(a, "max", "l:l", WR_LONG, bytes, NULL),
        agg_call(a, "avg", "l:r", WR_REAL, bytes, NULL),  agg_call(a, "countif", "b:l", WR_LONG, big, NULL)};
    struct wr_op *sum = op_summarize(a, in, 2, keys, counts_only ? 1 : 8, aggs);
    return op_where(a, sum, ex_call(a, ">", "TT:b", WR_BOOL, 2, ex_col(a, 2, WR_LONG), ex_long(a, more)));
}

static struct rule rule_new(bool bytes_filter, int64_t more, bool counts_only)
{
    struct rule r = {.a = wr_arena_new(4096)};
    struct wr_arena *a = r.a;
    struct wr_op *scan = op_scan(a, WR_TABLE_DEVICE_NETWORK_EVENTS);
    struct wr_ex *recent = ex_call(a, ">", "TT:b", WR_BOOL, 2, ex_col(a, WR_DNE_Timestamp, WR_DATETIME),
                                   ex_call(a, "ago", "t:d", WR_DATETIME, 1, ex_span(a, WINDOW)));
    r.plan = (struct wr_plan){.mode = WR_MODE_INCREMENTAL, .window = WINDOW, .time_col = WR_DNE_Timestamp};
    r.plan.root = tail(a, op_where(a, scan, recent), bytes_filter, more, counts_only);
    r.plan.stream = tail(a, scan, bytes_filter, more, counts_only);
    return r;
}

static struct wr_stream *stream_new(const struct rule *r, size_t memory)
{
    struct wr_stream_opts opts = {.rule_id = "r1",
                                  .rule_version = "1.0.0",
                                  .realert = 500,
                                  .memory_bytes = memory,
                                  .secret = {prng, 1}};
    struct wr_stream *s = wr_stream_new(&r->plan, &opts);
    cr_assert_not_null(s);
    return s;
}

/* A random stream in order of arrival; `last[id]` is each row's newest version. */
struct world {
    struct event event[MAX_ROWS];
    uint32_t n;
};

static void world_new(struct world *w, uint32_t n, bool amends)
{
    int64_t now = start;
    w->n = 0;
    struct event *last = calloc(n + 1, sizeof *last);
    uint32_t ids = 0;
    for (uint32_t i = 0; i < n; i++) {
        now += crowded ? roll(roll(2) ? 60 : 160) : roll(4) ? roll(40) : roll(WINDOW);
        struct event e = {.now = now};
        if (amends && ids && roll(3) == 0) {
            e = last[roll(ids)];
            e.amend = true;
            e.now = now;
            e.null_prev = e.null_bytes;
            e.prev = e.bytes;
            e.null_bytes = false;
            e.bytes = e.prev + roll(80);
        } else {
            e.ts = now - (roll(3) ? roll(30) : roll(WINDOW + PANE));
            e.device = crowded ? 0 : roll(DEVICES);
            e.port = crowded ? 25 : roll(2) * 25;
            e.ip = roll(3);
            e.bytes = roll(120);
            e.null_bytes = roll(4) == 0;
            e.bytes = e.null_bytes ? 0 : e.bytes;
            e.id = ++ids;
        }
        last[e.id - 1] = e;
        w->event[w->n++] = e;
    }
    free(last);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Rows as one text, sorted. */
static char *rows_text(const struct wr_rows *rows)
{
    char *line[64];
    uint32_t n = 0;
    for (uint32_t i = 0; i < rows->nbatches; i++)
        for (uint32_t r = 0; r < rows->batch[i]->nrows; r++) {
            struct wr_buf text = {0};
            for (uint16_t c = 0; c < rows->schema->ncols; c++) {
                if (wr_vec_valid(&rows->batch[i]->col[c], r))
                    wr_text_at(&rows->batch[i]->col[c], r, &text);
                else
                    wr_buf_str(&text, "null");
                wr_buf_char(&text, '|');
            }
            wr_buf_char(&text, '\0');
            cr_assert_lt(n, 64);
            line[n++] = text.data;
        }
    qsort(line, n, sizeof *line, by_text);
    struct wr_buf all = {0};
    for (uint32_t i = 0; i < n; i++) {
        wr_buf_str(&all, line[i]);
        wr_buf_char(&all, '\n');
        free(line[i]);
    }
    wr_buf_char(&all, '\0');
    return all.data;
}

static char *batch_text(const struct rule *r, const struct world *w, uint32_t upto, int64_t t)
{
    struct wr_run *run = wr_run_new(r->plan.root, NULL);
    struct wr_batch *b = batch_new(MAX_ROWS);
    for (uint32_t i = 0; i < upto; i++) {
        bool newest = true;
        for (uint32_t k = i + 1; k < upto; k++)
            newest &= w->event[k].id != w->event[i].id;
        if (newest)
            add_event(b, &w->event[i], true);
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

static char *stream_text(struct wr_stream *s, const struct rule *r)
{
    struct wr_rows rows;
    wr_rows_init(&rows, r->plan.stream->schema, 64);
    cr_assert_eq(wr_stream_rows(s, &rows), WR_OK);
    char *text = rows_text(&rows);
    wr_rows_fini(&rows);
    return text;
}

static void feed(struct wr_stream *s, const struct event *e, uint32_t n)
{
    struct wr_batch *b = batch_new(n);
    for (uint32_t i = 0; i < n; i++)
        add_event(b, &e[i], false);
    wr_batch_seal(b);
    cr_assert_eq(wr_stream_consume(s, WR_TABLE_DEVICE_NETWORK_EVENTS, b, e[n - 1].now), WR_OK);
    wr_batch_free(b);
}

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

static uint32_t count_lines(const char *text)
{
    uint32_t n = 0;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

Test(stream, fires_exactly_while_the_count_is_above_the_threshold)
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

Test(stream, alerts_do_not_depend_on_batches_nor_on_a_restart)
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

static struct event row_at(int64_t now, uint32_t id, uint32_t device)
{
    return (struct event){.now = now, .ts = now, .bytes = 10, .id = id, .device = device, .port = 25};
}

Test(stream, raises_updates_and_resolves_with_one_id)
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

Test(stream, memory_bound_evicts_and_marks_alerts)
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

Test(stream, stateless_rows_alert_once)
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
