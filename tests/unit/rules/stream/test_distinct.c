/* Distinct values beyond what a group keeps: a sample's estimate beside the true count, over moving windows, in any order of
 * arrival, through bursts and restarts. */
#include "rules/exec/dset.h"
#include "rules/stream/stream.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VALUES = 1 << 17, WINDOW = 100000 };
static int64_t last[VALUES]; /* of each value; 0: never */
static uint64_t prng;

static uint64_t mix(uint64_t z)
{
    z += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static uint32_t roll(uint32_t n)
{
    return (uint32_t)(mix(prng++) % n);
}

static void see(struct wr_dset *set, uint32_t value, int64_t t, uint32_t limit)
{
    cr_assert_eq(wr_dset_add_hash(set, mix(value) >> 17, t, limit), WR_OK);
    last[value] = t > last[value] ? t : last[value];
}

static uint32_t truth(int64_t bound)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < VALUES; i++)
        n += last[i] > bound;
    return n;
}

struct errors {
    uint32_t n;
    double sum, squares, worst;
};

static void compare(struct wr_dset *set, int64_t now, struct errors *e)
{
    wr_dset_expire(set, WR_LONG, now - WINDOW);
    double want = truth(now - WINDOW), off = want > 0 ? wr_dset_distinct(set) / want - 1 : 0;
    if (!set->sample)
        cr_expect_eq((uint32_t)wr_dset_distinct(set), (uint32_t)want, "all values are here: %f of %f", wr_dset_distinct(set), want);
    e->n++;
    e->sum += off;
    e->squares += off * off;
    e->worst = fabs(off) > e->worst ? fabs(off) : e->worst;
}

/* A steady stream of `each` different values a window, one in eight rows late. */
static struct errors steady(uint32_t limit, uint32_t each, uint64_t seed)
{
    struct wr_dset set = {0};
    struct errors e = {0};
    memset(last, 0, sizeof last);
    prng = seed << 32;
    uint32_t rows = 2 * each;
    for (uint32_t i = 0; i < 3 * rows; i++) {
        int64_t now = WINDOW + (int64_t)i * WINDOW / rows;
        int64_t t = roll(8) ? now : now - roll(WINDOW);
        see(&set, (roll(each) + i / 4) % VALUES, t, limit);
        if (i > rows / 2 && i % (rows / 16) == 0)
            compare(&set, now, &e);
    }
    wr_dset_fini(&set, WR_LONG);
    return e;
}

/* What Kusto's page says of each accuracy. */
Test(distinct, the_error_is_the_one_that_the_accuracy_promises)
{
    static const double promised[] = {0.016, 0.008};
    for (int a = 0; a < 2; a++) {
        struct errors all = {0};
        for (uint64_t seed = 1; seed <= 5; seed++) {
            struct errors e = steady(wr_dset_limit(a), 60000, seed);
            cr_expect_lt(e.worst, 5 * promised[a], "accuracy %d, seed %llu: %f", a, (unsigned long long)seed, e.worst);
            all.n += e.n;
            all.sum += e.sum;
            all.squares += e.squares;
        }
        cr_expect_lt(sqrt(all.squares / all.n), 1.25 * promised[a], "accuracy %d: %f", a, sqrt(all.squares / all.n));
        cr_expect_lt(fabs(all.sum / all.n), promised[a], "accuracy %d: off by %f on average", a, all.sum / all.n);
    }
    cr_expect(wr_dset_limit(-1) == wr_dset_limit(1) && wr_dset_limit(9) == wr_dset_limit(4));
}

Test(distinct, few_values_are_counted_exactly)
{
    struct errors e = steady(wr_dset_limit(0), 3000, 7);
    cr_expect(e.n > 20 && e.worst == 0);
}

/* A window after a burst every value is there again; between, the estimate has no bias, though fewer values stand for more. */
Test(distinct, after_a_burst_it_is_exact_again)
{
    uint32_t limit = wr_dset_limit(0);
    struct errors between = {0}, after = {0};
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct wr_dset set = {0};
        memset(last, 0, sizeof last);
        prng = seed << 40;
        int64_t now = WINDOW;
        for (uint32_t i = 0; i < 120000; i++, now += i % 100 == 0)
            see(&set, roll(100000), now, limit);
        cr_expect(set.sample && set.lost && set.n <= limit);
        int64_t over = now;
        for (uint32_t i = 0; now < over + 5 * (int64_t)WINDOW / 2; i++, now += 50) {
            see(&set, 100000 + roll(3000), now - roll(2000), limit);
            if (i % 200 == 0)
                compare(&set, now, now < over + WINDOW ? &(struct errors){0} : now < over + 9 * (int64_t)WINDOW / 4 ? &between : &after);
        }
        cr_expect(!set.sample && !set.lost, "seed %llu", (unsigned long long)seed);
        wr_dset_fini(&set, WR_LONG);
    }
    cr_expect_lt(fabs(between.sum / between.n), 0.1, "off by %f on average", between.sum / between.n);
    cr_expect(after.n && after.worst == 0);
}

Test(distinct, what_no_set_can_have_is_not_taken_from_disk)
{
    struct wr_dset_sample good = {.newest = 50, .limit = 4465, .nsteps = 2, .step = {{INT64_MIN, 1 << 20}, {20, 1 << 21}}}, bad;
    struct wr_dset set = {0};
    cr_expect(wr_dset_resample(&set, &good));
    wr_dset_fini(&set, WR_LONG);
#define BROKEN(change)                                                                                       \
    bad = good;                                                                                              \
    bad.change;                                                                                              \
    cr_expect_not(wr_dset_resample(&set, &bad), #change)
    BROKEN(nsteps = 0);
    BROKEN(nsteps = WR_DSET_STEPS + 1);
    BROKEN(step[0].since = 5);
    BROKEN(step[0].below = 0);
    BROKEN(step[1].below = 1 << 20);
    BROKEN(step[1].below = (UINT64_C(1) << 32) + 1);
    BROKEN(step[1].since = 52);
    cr_expect_null(set.sample);
}

static struct wr_plan *plan_of(const char *since, const char *summarize, const char *where)
{
    char text[512];
    struct wr_diags diags;
    cr_assert(wr_diags_init(&diags));
    snprintf(text, sizeof text, "DeviceNetworkEvents | where Timestamp > %s | summarize %s by DeviceName | where %s", since, summarize, where);
    struct wr_source src = {.name = "q", .text = text, .len = strlen(text), .line0 = 1};
    struct wr_plan *plan = wr_plan_new(&src, &diags);
    cr_assert(plan && plan->mode == WR_MODE_INCREMENTAL, "%s", text);
    wr_diags_fini(&diags);
    return plan;
}

static struct wr_stream *stream_of(const struct wr_plan *plan)
{
    struct wr_stream_opts opts = {.rule_id = "r", .rule_version = "1", .realert = 1000, .memory_bytes = 1 << 26, .secret = {3, 1}};
    struct wr_stream *s = wr_stream_new(plan, &opts);
    cr_assert_not_null(s);
    return s;
}

/* Ports from `from` on, each twice. */
static void feed(struct wr_stream *s, uint32_t from, uint32_t n)
{
    struct wr_colset all = wr_colset_all(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS));
    for (uint32_t i = 0; i < n; i += 100) {
        struct wr_batch *b = wr_batch_new(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS), &all, 200);
        for (uint32_t k = 0; k < 200; k++) {
            uint32_t r = wr_batch_row(b);
            wr_batch_set_i64(b, WR_DNE_Timestamp, r, 1000 + from + i);
            cr_assert(wr_batch_set_str(b, WR_DNE_DeviceName, r, "ws", 2));
            wr_batch_set_i64(b, WR_DNE_LocalPort, r, from + i + k / 2);
        }
        wr_batch_seal(b);
        cr_assert_eq(wr_stream_consume(s, WR_TABLE_DEVICE_NETWORK_EVENTS, b, 1000 + from + i), WR_OK);
        wr_batch_free(b);
    }
}

static struct wr_alert *firing(struct wr_stream *s)
{
    wr_alerts_free(wr_stream_alerts(s));
    struct wr_alert *a = wr_stream_firing(s);
    cr_assert_not_null(a);
    return a;
}

Test(distinct, a_rule_counts_on_where_its_group_is_full)
{
    struct wr_plan *plan = plan_of("ago(1000000tick)", "d = dcount(LocalPort, 0)", "d > 3000");
    struct wr_stream *s = stream_of(plan);
    feed(s, 0, 4000);
    struct wr_alert *a = firing(s);
    cr_expect(a->exact && a->cells[1].i > 3000 && a->cells[1].i <= 4000);
    wr_alerts_free(a);
    feed(s, 4000, 36000);
    cr_assert_eq(wr_stream_advance(s, 50000), WR_OK);
    a = firing(s);
    cr_expect(!a->exact && llabs(a->cells[1].i - 40000) < 5 * 640, "%lld", (long long)a->cells[1].i);
    int64_t before = a->cells[1].i;
    wr_alerts_free(a);
    struct wr_buf state = {0};
    wr_stream_save(s, &state);
    wr_stream_free(s);
    s = stream_of(plan);
    cr_assert_eq(wr_stream_load(s, state.data, state.len), WR_OK);
    cr_assert_eq(wr_stream_advance(s, 50001), WR_OK);
    a = firing(s);
    cr_expect(!a->exact && a->cells[1].i == before, "%lld %lld", (long long)a->cells[1].i, (long long)before);
    wr_alerts_free(a);
    feed(s, 50000, 10000);
    cr_assert_eq(wr_stream_advance(s, 70000), WR_OK);
    a = firing(s);
    cr_expect(llabs(a->cells[1].i - 50000) < 5 * 800, "%lld", (long long)a->cells[1].i);
    wr_alerts_free(a);
    wr_buf_fini(&state);
    wr_stream_free(s);
    wr_plan_free(plan);
}

/* weir explain's figures: what a group holds when all of it is full, beside what is said of it. */
static size_t filled(const char *summarize, uint32_t rows, size_t *ret_most, size_t *ret_first, size_t *ret_least)
{
    static const uint32_t each = 200;
    const uint32_t step = 1000000000 / rows; /* through a window of 100 s */
    struct wr_plan *plan = plan_of("ago(100s)", summarize, "c > 1000000"); /* which is not looked at while c is small */
    struct wr_stream *s = stream_of(plan);
    struct wr_colset all = wr_colset_all(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS));
    size_t none = wr_stream_bytes(s), most = 0;
    *ret_most = wr_stream_group_most(s, 16);
    *ret_least = wr_stream_group_least(s, 16);
    for (uint32_t i = 0; i < rows; i += each) {
        struct wr_batch *b = wr_batch_new(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS), &all, each);
        uint32_t n = i ? each : 1;
        for (uint32_t k = 0; k < n; k++) {
            uint32_t r = wr_batch_row(b);
            char name[400];
            memset(name, 'x', sizeof name);
            snprintf(name, sizeof name, "%020u", i + k);
            name[20] = 'x';
            wr_batch_set_i64(b, WR_DNE_Timestamp, r, 1000 + (int64_t)(i + k) * step);
            cr_assert(wr_batch_set_str(b, WR_DNE_DeviceName, r, "ws", 2));
            cr_assert(wr_batch_set_str(b, WR_DNE_RemoteUrl, r, name, sizeof name));
            wr_batch_set_i64(b, WR_DNE_LocalPort, r, i + k);
        }
        wr_batch_seal(b);
        cr_assert_eq(wr_stream_consume(s, WR_TABLE_DEVICE_NETWORK_EVENTS, b, 1000 + (int64_t)(i + n - 1) * step), WR_OK);
        wr_batch_free(b);
        size_t now = wr_stream_bytes(s);
        most = now - none > most ? now - none : most;
        *ret_first = i ? *ret_first : now - none;
    }
    wr_stream_free(s);
    wr_plan_free(plan);
    return most;
}

Test(distinct, a_full_group_holds_no_more_than_is_said)
{
    static const char *const queries[] = {
        "c = count()",
        "c = count(), s = sum(LocalPort), a = avg(LocalPort), m = max(LocalPort)",
        "c = count(), s = make_set(LocalPort)",
        "c = count(), s = make_set(RemoteUrl), l = make_list(LocalPort)",
        "c = count(), p = percentile(LocalPort, 95)",
        "c = count(), d = dcount(LocalPort, 0)",
        "c = count(), d = dcount(LocalPort), e = dcount(RemoteUrl, 0)",
        "c = count(), m = min(RemoteUrl), (t, u, p) = arg_max(Timestamp, RemoteUrl, LocalPort)",
    };
    for (size_t q = 0; q < sizeof queries / sizeof *queries; q++) {
        size_t most, first = 0, least;
        size_t have = filled(queries[q], q == 6 ? 20000 : 5000, &most, &first, &least);
        size_t index = 4096; /* of all groups together */
        cr_expect(have <= most + index, "%s: %zu bytes, %zu said", queries[q], have, most);
        cr_expect(first <= least + index, "%s: %zu bytes with a row, %zu said", queries[q], first, least);
        /* Of the first two either the rows are many or the panes, and none of those are of the five minutes to come. */
        cr_expect(q == 7 || have >= most / (q < 2 ? 8 : 4), "%s: %zu bytes, %zu said", queries[q], have, most);
    }
}
