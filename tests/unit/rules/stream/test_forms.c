/* Rows of every size: numbers that the narrow forms of a row hold and numbers that they do not, side by side in one
 * group, and times that jump by more than a coded time reaches. What a stream tells of its groups at aligned times,
 * against what is added up here. */
#include "rules/plan/plan.h"
#include "rules/stream/stream.h"

#include "base/ticks.h"

#include <criterion/criterion.h>
#include <stdio.h>

enum { GROUPS = 3, ROWS = 400, SECONDS = 3600, PANE = 225 }; /* of one hour: a sixteenth */
static const int64_t begin = INT64_C(638000000000000000) / (PANE * WR_TICKS_SECOND) * (PANE * WR_TICKS_SECOND);

static uint64_t prng;

static uint32_t roll(uint32_t n)
{
    prng = prng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(((prng >> 32) * n) >> 32);
}

struct row {
    int64_t ts, bytes, process, id;
    uint32_t group;
};

static struct wr_plan *plan_of(void)
{
    static const char text[] = "DeviceNetworkEvents | where Timestamp > ago(1h)\n"
                               "| summarize N = count(), S = sum(SentBytes), Lo = min(InitiatingProcessId), Hi = "
                               "max(InitiatingProcessId), First = min(Timestamp)\n"
                               "    by RemotePort | where N > 0";
    struct wr_source source = {.name = "forms.kql", .text = text, .len = strlen(text), .line0 = 1};
    struct wr_diags diags;
    cr_assert(wr_diags_init(&diags));
    struct wr_plan *plan = wr_plan_new(&source, &diags);
    cr_assert_not_null(plan);
    cr_assert_eq(plan->mode, WR_MODE_INCREMENTAL);
    wr_diags_fini(&diags);
    return plan;
}

static struct wr_stream *stream_of(const struct wr_plan *plan)
{
    struct wr_stream_opts opts = {.rule_id = "forms",
                                  .rule_version = "1",
                                  .realert = WR_TICKS_HOUR,
                                  .memory_bytes = (size_t)1 << 24,
                                  .secret = {7, 9}};
    struct wr_stream *s = wr_stream_new(plan, &opts);
    cr_assert_not_null(s);
    return s;
}

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

static void feed(struct wr_stream *s, const struct wr_plan *plan, const struct row *rows, uint32_t n, int64_t now)
{
    struct wr_batch *b = wr_batch_new(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS),
                                      &plan->scans[WR_TABLE_DEVICE_NETWORK_EVENTS].wanted, n);
    cr_assert_not_null(b);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t r = wr_batch_row(b);
        wr_batch_set_i64(b, WR_DNE_Timestamp, r, rows[i].ts);
        wr_batch_set_i64(b, WR_DNE_SentBytes, r, rows[i].bytes);
        wr_batch_set_i64(b, WR_DNE_InitiatingProcessId, r, rows[i].process);
        wr_batch_set_i64(b, WR_DNE_RemotePort, r, rows[i].group);
        wr_batch_set_i64(b, WR_DNE__RowId, r, rows[i].id);
    }
    wr_batch_seal(b);
    cr_assert_eq(wr_stream_consume(s, WR_TABLE_DEVICE_NETWORK_EVENTS, b, now), WR_OK);
    wr_batch_free(b);
}

/* The group's row as it should be: its cells; false: it has no row in the window. */
static bool wanted(const struct row *rows, uint32_t n, int64_t t, uint32_t g, int64_t ret[5])
{
    int64_t lo = INT64_MAX, hi = INT64_MIN, first = INT64_MAX;
    uint64_t sum = 0, count = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (rows[i].group != g || rows[i].ts <= t - SECONDS * WR_TICKS_SECOND)
            continue;
        count++;
        sum += (uint64_t)rows[i].bytes;
        lo = rows[i].process < lo ? rows[i].process : lo;
        hi = rows[i].process > hi ? rows[i].process : hi;
        first = rows[i].ts < first ? rows[i].ts : first;
    }
    memcpy(ret, (int64_t[5]){(int64_t)count, (int64_t)sum, lo, hi, first}, 5 * sizeof *ret);
    return count > 0;
}

static void check_firing(struct wr_stream *s, const struct row *rows, uint32_t n, int64_t t, uint64_t seed)
{
    uint32_t seen = 0, want = 0;
    int64_t cell[5];
    struct wr_alert *list = wr_stream_firing(s);
    for (struct wr_alert *a = list; a; a = a->next, seen++) {
        cr_assert(wanted(rows, n, t, (uint32_t)a->cells[0].i, cell), "seed %llu", (unsigned long long)seed);
        for (int k = 0; k < 5; k++)
            cr_assert_eq(a->cells[1 + k].i, cell[k], "seed %llu, %u rows, cell %d: %lld, not %lld",
                         (unsigned long long)seed, n, k, (long long)a->cells[1 + k].i, (long long)cell[k]);
    }
    wr_alerts_free(list);
    for (uint32_t g = 0; g < GROUPS; g++)
        want += wanted(rows, n, t, g, cell);
    cr_assert_eq(seen, want);
}

/* `wide`: one value in so many is of any size. */
static int64_t value(uint32_t wide)
{
    if (roll(wide))
        return roll(100);
    int64_t v = (int64_t)((uint64_t)roll(UINT32_MAX) << roll(31));
    return roll(2) ? v : -v;
}

/* `leap`: seconds that pass once, after the first rows; `jumps`: many days do, again and again. */
static void check(uint64_t seed, uint32_t wide, bool jumps, int64_t leap)
{
    prng = seed;
    struct wr_plan *plan = plan_of();
    struct wr_stream *s = stream_of(plan);
    static struct row rows[ROWS];
    uint32_t n = 0;
    int64_t now = begin, id = INT64_C(1) << roll(45);
    while (n < ROWS) {
        uint32_t some = 1 + roll(40);
        some = some < ROWS - n ? some : ROWS - n;
        now += roll(3) ? roll(120) * WR_TICKS_SECOND : PANE * WR_TICKS_SECOND * (1 + roll(12));
        if (jumps && roll(4) == 0)
            now += INT64_C(86400) * (30 + roll(200)) * WR_TICKS_SECOND / (PANE * WR_TICKS_SECOND) *
                   (PANE * WR_TICKS_SECOND);
        for (uint32_t i = n; i < n + some; i++)
            rows[i] = (struct row){now - roll(roll(5) ? 60 : SECONDS) * WR_TICKS_SECOND, value(wide), value(wide), id++,
                                   roll(GROUPS)};
        feed(s, plan, rows + n, some, now);
        n += some;
        if (roll(6) == 0)
            s = again(s, plan);
        int64_t step = PANE * WR_TICKS_SECOND, t = (now + step - 1) / step * step;
        cr_assert_eq(wr_stream_advance(s, t), WR_OK);
        check_firing(s, rows, n, t, seed);
        now = t + leap / PANE * PANE * WR_TICKS_SECOND;
        leap = 0;
    }
    wr_stream_free(s);
    wr_plan_free(plan);
}

Test(forms, hold_any_number)
{
    for (uint64_t seed = 1; seed <= 60; seed++)
        check(seed, 1u << seed % 6, false, 0);
}

Test(forms, hold_times_after_any_jump)
{
    for (uint64_t seed = 1; seed <= 60; seed++)
        check(seed, 1u << seed % 6, true, 0);
}

/* Times count from another epoch after 2^45 ticks; there are rows in the window then. */
Test(forms, hold_times_over_a_new_epoch)
{
    for (uint64_t seed = 1; seed <= 60; seed++)
        check(seed, 1u << seed % 6, false, (INT64_C(1) << 45) / WR_TICKS_SECOND - 1800);
}
