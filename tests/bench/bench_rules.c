/* Cost of a row in the incremental engine, and bytes of a group. By hand, from a release build:
 *   bench_rules [groups] [rows of a group] [rule: seed | wide] [hours that the rows span]
 * Data set: DeviceNetworkEvents made here, groups in random order, times ascending over `hours` (20) of a 24 h
 * window: few rows a pane when it is long, many when it is short. Six keys; `seed` has the aggregates of the
 * seed's rule (distinct values of a key, times), `wide` keeps a distinct set and extremes of other columns. */
#include "rows.h"
#include "rules/stream/stream.h"

#include <stdio.h>

enum { ROWS = 1024, RUNS = 7 };

static const char wide[] =
    "DeviceNetworkEvents | where Timestamp > ago(24h)\n"
    "| summarize N = count(), D = dcount(LocalIP), S = sum(SentBytes), Min = min(InitiatingProcessId), Max = "
    "max(InitiatingProcessId)\n"
    "    by DeviceName, InitiatingProcessFileName, RemoteIP, RemotePort, Protocol, AccountName\n"
    "| where N > 1000000000";
static const char seed[] =
    "DeviceNetworkEvents | where Timestamp > ago(24h)\n"
    "| summarize N = count(), U = dcount(RemoteIP), B = sum(SentBytes), F = min(Timestamp), L = "
    "max(Timestamp)\n"
    "    by DeviceName, InitiatingProcessFileName, RemoteIP, RemotePort, Protocol, AccountName\n"
    "| where N > 1000000000";

static struct wr_stream *stream_new(const struct wr_plan *plan)
{
    struct wr_stream_opts opts = {.rule_id = "bench",
                                  .rule_version = "1",
                                  .realert = WR_TICKS_HOUR,
                                  .memory_bytes = SIZE_MAX,
                                  .secret = {0x1234, 0x5678}};
    return wr_stream_new(plan, &opts);
}

/* A name of its own for instruction counts: valgrind --tool=callgrind --toggle-collect=bench_timed */
__attribute__((noinline)) static void bench_timed(struct wr_stream *s, const struct wr_batch *b, int64_t now)
{
    if (wr_stream_consume(s, WR_TABLE_DEVICE_NETWORK_EVENTS, b, now) != WR_OK)
        exit(1);
}

/* Seconds of the engine alone for `batches` batches. */
static double one_run(const struct wr_plan *plan, uint32_t groups, uint32_t batches, int64_t span,
                      struct wr_engine_stats *ret_stats)
{
    struct wr_batch *b = wr_batch_new(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS),
                                      &plan->scans[WR_TABLE_DEVICE_NETWORK_EVENTS].wanted, ROWS);
    struct wr_stream *s = stream_new(plan);
    int64_t now = INT64_C(638000000000000000), step = span / batches;
    double spent = 0;
    for (uint32_t i = 0; s && b && i < batches; i++, now += step) {
        bench_fill(b, ROWS, groups, now, 1000);
        double t = bench_seconds();
        bench_timed(s, b, now);
        spent += bench_seconds() - t;
    }
    *ret_stats = (struct wr_engine_stats){0};
    if (s)
        wr_stream_stats(s, ret_stats);
    wr_stream_free(s);
    wr_batch_free(b);
    return spent;
}

int main(int argc, char **argv)
{
    uint32_t groups = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 10000;
    uint32_t each = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 100;
    const char *text = argc > 3 && strcmp(argv[3], "wide") == 0 ? wide : seed;
    int64_t hours = argc > 4 ? strtol(argv[4], NULL, 10) : 20;
    struct wr_source source = {.name = "bench.kql", .text = text, .len = strlen(text), .line0 = 1};
    struct wr_diags diags;
    if (!groups || !each || hours < 1 || !wr_diags_init(&diags))
        return 2;
    struct wr_plan *plan = wr_plan_new(&source, &diags);
    if (!plan || plan->mode != WR_MODE_INCREMENTAL) {
        fprintf(stderr, "%s\n", plan ? plan->why : "refused");
        return 1;
    }
    uint32_t batches = (uint32_t)((uint64_t)groups * each / ROWS) + 1;
    double ns[RUNS];
    struct wr_engine_stats st;
    for (int i = 0; i < RUNS; i++)
        ns[i] = one_run(plan, groups, batches, hours * WR_TICKS_HOUR, &st) * 1e9 / ((double)batches * ROWS);
    qsort(ns, RUNS, sizeof *ns, bench_by_value);
    printf("groups=%llu rows=%llu ns_per_row best=%.1f median=%.1f (%.1f M rows/s) bytes_per_group=%.0f "
           "panes=%llu\n",
           (unsigned long long)st.groups, (unsigned long long)st.rows_in, ns[0], ns[RUNS / 2],
           1e3 / ns[RUNS / 2], (double)st.memory_bytes / (double)(st.groups ? st.groups : 1),
           (unsigned long long)st.panes);
    wr_plan_free(plan);
    wr_diags_fini(&diags);
    return 0;
}
