/* Random worlds of rows and amendments for windowed rules, and what the batch executor makes of them. */
#ifndef TESTS_RULES_STREAM_WINDOW_KIT_H
#define TESTS_RULES_STREAM_WINDOW_KIT_H

#include "roll.h"
#include "rows_text.h"

#include "base/ticks.h"
#include "rules/exec/run.h"
#include "rules/stream/window.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define GRID WR_TICKS_SECOND
#define WINDOW (16 * GRID)
enum { MAX_ROWS = 120 };
#define START (1000 * WR_TICKS_DAY)

struct event {
    int64_t now, ts, bytes, prev;
    uint32_t id, device, port;
    bool amend;
};

static inline struct wr_plan *plan_of(const char *text)
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

static inline void put_event(struct wr_batch *b, const struct event *e, bool as_row)
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

static inline struct wr_batch *batch_new(uint32_t cap)
{
    struct wr_colset all = wr_colset_all(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS));
    struct wr_batch *b = wr_batch_new(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS), &all, cap);
    cr_assert_not_null(b);
    return b;
}

static inline uint32_t world(struct event *out, uint32_t n, bool amends)
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

static inline struct wr_window *window_new(const struct wr_plan *plan, const struct wr_rule_schedule *schedule,
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

static inline void feed(struct wr_window *w, const struct event *e, uint32_t n)
{
    struct wr_batch *b = batch_new(n);
    for (uint32_t i = 0; i < n; i++)
        put_event(b, &e[i], false);
    wr_batch_seal(b);
    cr_assert_eq(wr_window_consume(w, WR_TABLE_DEVICE_NETWORK_EVENTS, b, e[n - 1].now), WR_OK);
    wr_batch_free(b);
}

/* At t, over the last versions with from <= time < to; `arrival`: that is when they came. */
static inline char *batch_between(const struct wr_plan *plan, const struct event *e, uint32_t n, int64_t t, int64_t from, int64_t to,
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

static inline struct event row_at(int64_t now, uint32_t id)
{
    return (struct event){.now = now, .ts = now, .bytes = 100, .id = id, .port = 25};
}

#endif
