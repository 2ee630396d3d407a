/* Cost of a row in the incremental engine, and bytes of a group. By hand, from a release build:
 *   bench_rules [groups] [rows of a group] [rule: wide | seed]
 * Data set: DeviceNetworkEvents made here, groups in random order, times ascending over 20 h of a 24 h
 * window. */
#include "base/ticks.h"
#include "rules/exec/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROWS = 1024, RUNS = 9 };

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
    "| where N > 50";

static uint64_t state = 1;

static uint32_t roll(uint32_t n)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((state >> 33) % n);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static bool put(struct wr_batch *b, uint16_t col, uint32_t row, const char *fmt, uint32_t n)
{
    char text[64];
    int len = snprintf(text, sizeof text, "%s%u", fmt, n);
    return wr_batch_set_str(b, col, row, text, (size_t)len);
}

static bool fill(struct wr_batch *b, uint32_t groups, int64_t now)
{
    bool ok = wr_batch_reset(b);
    for (uint32_t i = 0; ok && i < ROWS; i++) {
        uint32_t r = wr_batch_row(b), g = roll(groups);
        wr_batch_set_i64(b, WR_DNE_Timestamp, r, now - (int64_t)roll(1000));
        wr_batch_set_i64(b, WR_DNE_SentBytes, r, roll(100000));
        wr_batch_set_i64(b, WR_DNE_InitiatingProcessId, r, roll(5000));
        wr_batch_set_i64(b, WR_DNE_RemotePort, r, g % 3 ? 587 : 25);
        wr_batch_set_i64(b, WR_DNE__RowId, r, (int64_t)state >> 8);
        ok = put(b, WR_DNE_DeviceName, r, "ws-", g / 4) && put(b, WR_DNE_RemoteIP, r, "192.0.2.", g % 4) &&
             put(b, WR_DNE_InitiatingProcessFileName, r, "python.exe", 0) &&
             put(b, WR_DNE_Protocol, r, "Tcp", 0) && put(b, WR_DNE_LocalIP, r, "10.1.2.", roll(3)) &&
             put(b, WR_DNE_InitiatingProcessAccountName, r, "user", g / 4);
    }
    wr_batch_seal(b);
    return ok;
}

static struct wr_stream *stream_new(const struct wr_plan *plan)
{
    struct wr_stream_opts opts = {.rule_id = "bench",
                                  .rule_version = "1",
                                  .realert = WR_TICKS_HOUR,
                                  .memory_bytes = SIZE_MAX,
                                  .secret = {0x1234, 0x5678}};
    return wr_stream_new(plan, &opts);
}

/* Seconds of the engine alone for `batches` batches. */
static double one_run(const struct wr_plan *plan, uint32_t groups, uint32_t batches,
                      struct wr_engine_stats *ret_stats)
{
    struct wr_colset all = wr_colset_all(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS));
    struct wr_batch *b = wr_batch_new(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS), &all, ROWS);
    struct wr_stream *s = stream_new(plan);
    int64_t now = INT64_C(638000000000000000), step = 20 * WR_TICKS_HOUR / (batches ? batches : 1);
    double spent = 0;
    for (uint32_t i = 0; s && b && i < batches; i++, now += step) {
        if (!fill(b, groups, now))
            exit(1);
        double t = seconds();
        if (wr_stream_consume(s, b, now) != WR_OK)
            exit(1);
        spent += seconds() - t;
    }
    *ret_stats = (struct wr_engine_stats){0};
    if (s)
        wr_stream_stats(s, ret_stats);
    wr_stream_free(s);
    wr_batch_free(b);
    return spent;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    uint32_t groups = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 10000;
    uint32_t each = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 100;
    const char *text = argc > 3 && strcmp(argv[3], "seed") == 0 ? seed : wide;
    struct wr_source source = {.name = "bench.kql", .text = text, .len = strlen(text), .line0 = 1};
    struct wr_diags diags;
    if (!groups || !each || !wr_diags_init(&diags))
        return 2;
    struct wr_plan *plan = wr_plan_new(&source, &diags);
    struct wr_buf said = {0};
    wr_diags_print(&diags, &said);
    fwrite(said.data, 1, said.len, stderr);
    wr_buf_fini(&said);
    if (!plan || plan->mode != WR_MODE_INCREMENTAL) {
        fprintf(stderr, "%s\n", plan ? plan->why : "refused");
        return 1;
    }
    uint32_t batches = (uint32_t)((uint64_t)groups * each / ROWS) + 1;
    double ns[RUNS];
    struct wr_engine_stats st;
    for (int i = 0; i < RUNS; i++)
        ns[i] = one_run(plan, groups, batches, &st) * 1e9 / ((double)batches * ROWS);
    qsort(ns, RUNS, sizeof *ns, by_value);
    printf("groups=%llu rows=%llu ns_per_row best=%.1f median=%.1f (%.1f M rows/s) bytes_per_group=%.0f "
           "panes=%llu\n",
           (unsigned long long)st.groups, (unsigned long long)st.rows_in, ns[0], ns[RUNS / 2],
           1e3 / ns[RUNS / 2], (double)st.memory_bytes / (double)(st.groups ? st.groups : 1),
           (unsigned long long)st.panes);
    wr_plan_free(plan);
    wr_diags_fini(&diags);
    return 0;
}
