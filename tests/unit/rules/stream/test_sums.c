/* Rules that ask for large sums: which groups fire, at aligned times, against sums made here; with
 * values below zero and beyond what a sum may hold without being looked at when rows leave. */
#include "rules/plan/plan.h"
#include "rules/stream/stream.h"

#include "base/ticks.h"

#include <criterion/criterion.h>
#include <stdio.h>

enum { GROUPS = 4, ROWS = 300, SECONDS = 3600, PANE = 225 }; /* of one hour: a sixteenth */
static const int64_t begin =
    INT64_C(638000000000000000) / (PANE * WR_TICKS_SECOND) * (PANE * WR_TICKS_SECOND);

static uint64_t prng;

static uint32_t roll(uint32_t n)
{
    prng = prng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(((prng >> 32) * n) >> 32);
}

struct row {
    int64_t ts, bytes;
    uint32_t group;
};

static struct wr_plan *plan_of(const char *tail)
{
    char text[512];
    (void)snprintf(text, sizeof text,
                   "DeviceNetworkEvents | where Timestamp > ago(1h)\n"
                   "| summarize N = count(), S = sum(SentBytes) by RemotePort %s",
                   tail);
    struct wr_source source = {.name = "sums.kql", .text = text, .len = strlen(text), .line0 = 1};
    struct wr_diags diags;
    cr_assert(wr_diags_init(&diags));
    struct wr_plan *plan = wr_plan_new(&source, &diags);
    cr_assert_not_null(plan, "%s", tail);
    cr_assert_eq(plan->mode, WR_MODE_INCREMENTAL);
    wr_diags_fini(&diags);
    return plan;
}

static struct wr_stream *stream_of(const struct wr_plan *plan)
{
    struct wr_stream_opts opts = {
        .rule_id = "sums", .rule_version = "1", .realert = WR_TICKS_HOUR, .secret = {7, 9}};
    opts.memory_bytes = (size_t)1 << 24;
    struct wr_stream *s = wr_stream_new(plan, &opts);
    cr_assert_not_null(s);
    return s;
}

/* Saved and loaded into a stream of its own. */
static struct wr_stream *again(struct wr_stream *s, const struct wr_plan *plan)
{
    struct wr_buf state = {0};
    wr_stream_save(s, &state);
    wr_stream_free(s);
    s = stream_of(plan);
    cr_assert_eq(wr_stream_load(s, state.data, state.len), WR_OK);
    wr_buf_fini(&state);
    return s;
}

static void feed(struct wr_stream *s, const struct wr_plan *plan, const struct row *rows,
                 uint32_t n, int64_t now)
{
    struct wr_batch *b = wr_batch_new(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS),
                                      &plan->scans[WR_TABLE_DEVICE_NETWORK_EVENTS].wanted, n);
    cr_assert_not_null(b);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t r = wr_batch_row(b);
        wr_batch_set_i64(b, WR_DNE_Timestamp, r, rows[i].ts);
        wr_batch_set_i64(b, WR_DNE_SentBytes, r, rows[i].bytes);
        wr_batch_set_i64(b, WR_DNE_RemotePort, r, rows[i].group);
    }
    wr_batch_seal(b);
    cr_assert_eq(wr_stream_consume(s, WR_TABLE_DEVICE_NETWORK_EVENTS, b, now), WR_OK);
    wr_batch_free(b);
}

/* Which groups pass, a bit each, among the rows that are in the window. */
static uint32_t passing(const struct row *rows, uint32_t n, int64_t t,
                        bool (*pred)(int64_t, uint64_t))
{
    uint32_t bits = 0;
    for (uint32_t g = 0; g < GROUPS; g++) {
        uint64_t sum = 0, count = 0;
        for (uint32_t i = 0; i < n; i++)
            if (rows[i].group == g && rows[i].ts > t - SECONDS * WR_TICKS_SECOND) {
                sum += (uint64_t)rows[i].bytes;
                count++;
            }
        bits |= (uint32_t)(count && pred((int64_t)sum, count)) << g;
    }
    return bits;
}

static uint32_t firing(struct wr_stream *s)
{
    uint32_t bits = 0;
    struct wr_alert *list = wr_stream_firing(s);
    for (struct wr_alert *a = list; a; a = a->next)
        bits |= 1u << a->cells[0].i;
    wr_alerts_free(list);
    return bits;
}

enum values { POSITIVE, SOME_NEGATIVE, SOME_HUGE };

static int64_t value(enum values kind)
{
    if (kind == SOME_NEGATIVE && roll(6) == 0)
        return -(int64_t)roll(400);
    if (kind == SOME_HUGE && roll(30) == 0)
        return INT64_MAX - (int64_t)roll(1000);
    return roll(4) ? roll(100) : 0;
}

static uint32_t check(uint64_t seed, const char *tail, bool (*pred)(int64_t, uint64_t),
                      enum values kind)
{
    prng = seed;
    struct wr_plan *plan = plan_of(tail);
    struct wr_stream *s = stream_of(plan);
    static struct row rows[ROWS];
    uint32_t n = 0, seen = 0;
    int64_t now = begin;
    while (n < ROWS) {
        uint32_t some = 1 + roll(12);
        some = some < ROWS - n ? some : ROWS - n;
        now += roll(3) ? roll(120) * WR_TICKS_SECOND : PANE * WR_TICKS_SECOND * (1 + roll(12));
        for (uint32_t i = n; i < n + some; i++)
            rows[i] = (struct row){now - roll(roll(5) ? 60 : SECONDS) * WR_TICKS_SECOND,
                                   value(kind), roll(GROUPS)};
        feed(s, plan, rows + n, some, now);
        n += some;
        if (roll(10) == 0)
            s = again(s, plan);
        int64_t step = PANE * WR_TICKS_SECOND, t = (now + step - 1) / step * step;
        cr_assert_eq(wr_stream_advance(s, t), WR_OK);
        uint32_t want = passing(rows, n, t, pred), have = firing(s);
        cr_assert_eq(have, want, "seed %llu%s after %u rows: %x, not %x", (unsigned long long)seed,
                     tail, n, have, want);
        seen += want != 0;
        now = t;
    }
    wr_stream_free(s);
    wr_plan_free(plan);
    return seen;
}

static bool above(int64_t sum, uint64_t n)
{
    (void)n;
    return sum > 300;
}

static bool mean_share(int64_t sum, uint64_t n)
{
    (void)n;
    return (double)sum / 3.5 >= 80;
}

static bool above_with_many(int64_t sum, uint64_t n)
{
    return sum >= 300 && n > 9;
}

Test(sums, fire_exactly_while_they_are_large)
{
    static const struct {
        const char *tail;
        bool (*pred)(int64_t, uint64_t);
    } rules[] = {{"| where S > 300", above},
                 {"| extend Share = S / 3.5 | where Share >= 80", mean_share},
                 {"| where S >= 3e2 and N > 9", above_with_many}};
    for (enum values kind = POSITIVE; kind <= SOME_HUGE; kind++)
        for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
            uint32_t seen = 0;
            for (uint64_t seed = 1; seed <= 40; seed++)
                seen += check(seed, rules[i].tail, rules[i].pred, kind);
            cr_expect_gt(seen, 40, "%s: %u", rules[i].tail, seen);
        }
}
