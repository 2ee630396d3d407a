/* Random streams of rows and amendments, the rules that they go through, and what the batch executor makes of them. */
#ifndef TESTS_RULES_STREAM_STREAM_KIT_H
#define TESTS_RULES_STREAM_STREAM_KIT_H

#include "tests/unit/rules/exec/build.h"
#include "roll.h"

#include "rules/exec/rows.h"
#include "rules/exec/run.h"
#include "rules/fn/kernel.h"
#include "rules/stream/stream.h"

#include "base/ticks.h"

#include <stdlib.h>

enum { WINDOW = 1600, PANE = 100, DEVICES = 3, MAX_ROWS = 400 };
static const int64_t start = 1000000;

/* Worlds of one group with some thirty rows in the window, rules without sets: some rows share panes, some do not. */
static bool crowded;

/* One event; `amend`: the row `of` has new bytes. */
struct event {
    int64_t now, ts, bytes, prev;
    bool null_bytes, null_prev, amend, given_up;
    uint32_t id, device, port, ip;
};

static inline void add_event(struct wr_batch *b, const struct event *e, bool as_row)
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
    if (!as_row && (e->amend || e->given_up))
        wr_batch_set_i64(b, WR_DNE__Amend, r, (e->amend ? WR_ROW_AMENDS : 0) | (e->given_up ? WR_ROW_GIVEN_UP : 0));
    if (as_row || !e->amend)
        return;
    if (!e->null_prev)
        wr_batch_set_i64(b, WR_DNE__PrevSentBytes, r, e->prev);
}

static inline struct wr_batch *batch_new(uint32_t cap)
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
static inline struct wr_op *tail(struct wr_arena *a, struct wr_op *in, bool bytes_filter, int64_t more,
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

static inline struct rule rule_new(bool bytes_filter, int64_t more, bool counts_only)
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

static inline struct wr_stream *stream_new(const struct rule *r, size_t memory)
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

static inline void world_new(struct world *w, uint32_t n, bool amends)
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

static inline int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Rows as one text, sorted. */
static inline char *rows_text(const struct wr_rows *rows)
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

static inline char *batch_text(const struct rule *r, const struct world *w, uint32_t upto, int64_t t)
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

static inline char *stream_text(struct wr_stream *s, const struct rule *r)
{
    struct wr_rows rows;
    wr_rows_init(&rows, r->plan.stream->schema, 64);
    cr_assert_eq(wr_stream_rows(s, &rows), WR_OK);
    char *text = rows_text(&rows);
    wr_rows_fini(&rows);
    return text;
}

static inline void feed(struct wr_stream *s, const struct event *e, uint32_t n)
{
    struct wr_batch *b = batch_new(n);
    for (uint32_t i = 0; i < n; i++)
        add_event(b, &e[i], false);
    wr_batch_seal(b);
    cr_assert_eq(wr_stream_consume(s, WR_TABLE_DEVICE_NETWORK_EVENTS, b, e[n - 1].now), WR_OK);
    wr_batch_free(b);
}

static inline struct event row_at(int64_t now, uint32_t id, uint32_t device)
{
    return (struct event){.now = now, .ts = now, .bytes = 10, .id = id, .device = device, .port = 25};
}

#endif
