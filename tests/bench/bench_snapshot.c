/* For how long a snapshot holds the owner up: the copy of connections and windows into memory, which is all that the
 * owner waits for; and beside it what a thread of the pool does (checksum, file, sync). Wall time, best and worst of
 * 5 rounds; connections are the groups, too. bench_snapshot FOLDER, from a release build. */
#include "collector/pipeline/core.h"
#include "collector/state/snapshot.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 5, TURN = 1000 };
static const int64_t T0 = INT64_C(1767600000000000000);

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool fill(struct wr_core *core, uint32_t connections, uint32_t groups)
{
    for (uint32_t i = 0; i < connections; i++) {
        struct wr_flow f = {.proto = 6, .tcp_flags = 0x1a, .sampling = 1, .point = 1, .dport = 25};
        uint32_t from = i % groups, to = i / groups;
        memcpy(f.src, &from, 4);
        f.src[0] = 10;
        memcpy(f.src + 1, &from, 3);
        memcpy(f.dst, &to, 4);
        f.dst[0] = 198;
        memcpy(f.dst + 1, &to, 3);
        f.sport = (uint16_t)(1024 + i / groups);
        f.flags = WR_FLOW_HAS_BYTES | WR_FLOW_HAS_TCP_FLAGS | WR_FLOW_BIFLOW | WR_FLOW_INITIATOR_KNOWN;
        f.start_ns = f.end_ns = T0;
        struct wr_input in = {.type = WR_INPUT_FLOWS, .len = sizeof f, .arrival_ns = T0, .bytes = &f};
        struct wr_input turn = {.type = WR_INPUT_TURN, .arrival_ns = T0};
        if (wr_core_apply(core, &in) != WR_OK || (i % TURN == 0 && wr_core_apply(core, &turn) != WR_OK))
            return false;
    }
    struct wr_input turn = {.type = WR_INPUT_TURN, .arrival_ns = T0 + 10000000000};
    return wr_core_apply(core, &turn) == WR_OK;
}

static bool measure(const char *dir, struct wr_core *core, const char *name)
{
    double best = 1e9, worst = 0, store = 0;
    size_t bytes = 0;
    for (int i = 0; i < ROUNDS; i++) {
        struct wr_buf conn = {0}, engine = {0}, out = {0};
        double begin = seconds();
        wr_snapshot_begin(&out, 1, 0, 0);
        wr_core_save(core, &conn, &engine);
        wr_snapshot_add(&out, WR_SECTION_CONN, conn.data, conn.len);
        wr_snapshot_add(&out, WR_SECTION_ENGINE, engine.data, engine.len);
        wr_buf_fini(&conn);
        wr_buf_fini(&engine);
        double copied = seconds();
        if (wr_snapshot_store(wr_io_real(), dir, 1, &out) != 0)
            return false;
        double took = copied - begin;
        best = took < best ? took : best;
        worst = took > worst ? took : worst;
        store = seconds() - copied;
        bytes = out.len;
        wr_buf_fini(&out);
    }
    printf("%s: live %llu, groups %llu, %.1f MB: owner %.1f to %.1f ms, thread %.1f ms\n", name,
           (unsigned long long)wr_core_conn_stats(core)->live,
           (unsigned long long)wr_core_engine_stats(core).groups, (double)bytes / 1e6, best * 1e3, worst * 1e3,
           store * 1e3);
    return true;
}

int main(int argc, char **argv)
{
    static const char rule[] = "DeviceNetworkEvents | where Timestamp > ago(1h) | where RemotePort == 25"
                               " | summarize N = count(), S = dcount(RemoteIP) by LocalIP | where N > 1000000";
    static const struct {
        const char *name;
        uint32_t connections, groups;
    } sizes[] = {{"10 k", 10000, 10000}, {"100 k", 100000, 100000}, {"1 M", 1000000, 100000}};
    for (size_t i = 0; argc == 2 && i < sizeof sizes / sizeof *sizes; i++) {
        struct wr_diags diags;
        struct wr_ruleset *rules = wr_ruleset_new();
        struct wr_core_opts opts = {
            .batch_rows = 1024, .memory_bytes = (size_t)1 << 30, .orphans = WR_ORPHANS_EVENTS, .realert_ns = 1};
        if (!rules || !wr_diags_init(&diags) ||
            wr_ruleset_add(rules, "r.kql", rule, sizeof rule - 1, &diags) != WR_OK)
            return 1;
        struct wr_core *core = wr_core_new(rules, &opts);
        bool ok = core && fill(core, sizes[i].connections, sizes[i].groups) && measure(argv[1], core, sizes[i].name);
        wr_core_free(core);
        wr_ruleset_unref(rules);
        wr_diags_fini(&diags);
        if (!ok)
            return 1;
    }
    return argc == 2 ? 0 : 2;
}
