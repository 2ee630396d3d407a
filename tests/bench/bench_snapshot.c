/* For how long a snapshot holds the owner up: the making of the child that writes it (best and
 * worst of 5 rounds), and how long that child then runs and what memory it has for itself, copies
 * of changed pages included; once beside an idle owner and once beside one that takes flows as fast
 * as it can. Wall time. bench_snapshot FOLDER, from a release build. */
#include "collector/pipeline/core.h"
#include "collector/state/snapshot.h"

#include <poll.h>
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

struct job {
    struct wr_core *core;
    const char *dir;
};

/* Flows of connections from..from + n, one each, and a turn. */
static bool give(struct wr_core *core, uint32_t from, uint32_t n, uint32_t groups)
{
    for (uint32_t i = from; i < from + n; i++) {
        struct wr_flow f = {.proto = 6, .tcp_flags = 0x1a, .sampling = 1, .point = 1, .dport = 25};
        uint32_t source = i % groups, to = i / groups;
        memcpy(f.src, &source, 4);
        f.src[0] = 10;
        memcpy(f.src + 1, &source, 3);
        memcpy(f.dst, &to, 4);
        f.dst[0] = 198;
        memcpy(f.dst + 1, &to, 3);
        f.sport = (uint16_t)(1024 + i / groups);
        f.flags = WR_FLOW_HAS_BYTES | WR_FLOW_HAS_TCP_FLAGS | WR_FLOW_BIFLOW | WR_FLOW_INITIATOR_KNOWN;
        f.start_ns = f.end_ns = T0;
        struct wr_input in = {.type = WR_INPUT_FLOWS, .len = sizeof f, .arrival_ns = T0, .bytes = &f};
        if (wr_core_apply(core, &in) != WR_OK)
            return false;
    }
    struct wr_input turn = {.type = WR_INPUT_TURN, .arrival_ns = T0};
    return wr_core_apply(core, &turn) == WR_OK;
}

static bool fill(struct wr_core *core, uint32_t connections, uint32_t groups)
{
    for (uint32_t i = 0; i < connections; i += TURN)
        if (!give(core, i, TURN, groups))
            return false;
    struct wr_input turn = {.type = WR_INPUT_TURN, .arrival_ns = T0 + 10000000000};
    return wr_core_apply(core, &turn) == WR_OK;
}

static int64_t write_it(void *arg)
{
    const struct job *job = arg;
    struct wr_buf out = {0};
    wr_snapshot_begin(&out, 1, 0, 0);
    size_t section = wr_snapshot_open(&out, WR_SECTION_CONN);
    wr_core_save(job->core, &out, NULL);
    wr_snapshot_close(&out, section);
    section = wr_snapshot_open(&out, WR_SECTION_ENGINE);
    wr_core_save(job->core, NULL, &out);
    wr_snapshot_close(&out, section);
    int rc = wr_snapshot_store(wr_io_real(), job->dir, 1, &out);
    int64_t len = (int64_t)out.len;
    wr_buf_fini(&out);
    return rc < 0 ? rc : len;
}

/* Memory of one process alone, which a copy-on-write costs, in kB. */
static unsigned long private_kb(int pid)
{
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
    FILE *f = fopen(path, "r");
    unsigned long kb = 0, n;
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "Private_Dirty: %lu", &n) == 1)
            kb = n;
    if (f)
        fclose(f);
    return kb;
}

/* `busy`: the owner goes on taking flows of the same connections meanwhile, as fast as it can. */
static bool measure(struct job *job, const char *name, uint32_t connections, bool busy)
{
    const struct wr_io *io = wr_io_real();
    double best = 1e9, worst = 0, took = 0, longest = 0;
    unsigned long most_kb = 0;
    int64_t bytes = 0;
    for (int i = 0; i < ROUNDS; i++) {
        struct wr_child child;
        double begin = seconds();
        if (io->child_start(io->ctx, write_it, job, &child) != 0)
            return false;
        double made = seconds() - begin;
        best = made < best ? made : best;
        worst = made > worst ? made : worst;
        struct pollfd p = {.fd = child.fd, .events = POLLIN};
        for (uint32_t at = 0; poll(&p, 1, busy ? 0 : 20) == 0; at = (at + TURN) % connections) {
            double turn = seconds();
            if (busy && !give(job->core, at, TURN, connections))
                return false;
            turn = seconds() - turn;
            longest = turn > longest && busy ? turn : longest;
            unsigned long kb = at % (100 * TURN) == 0 ? private_kb(child.pid) : 0;
            most_kb = kb > most_kb ? kb : most_kb;
        }
        bytes = io->child_end(io->ctx, &child);
        if (bytes < 0)
            return false;
        took = seconds() - begin;
    }
    printf("%s%s: live %llu, groups %llu, %.1f MB: owner %.1f to %.1f ms, child %.0f ms and up to "
           "%.0f MB of its own",
           name, busy ? ", busy" : "", (unsigned long long)wr_core_conn_stats(job->core)->live,
           (unsigned long long)wr_core_engine_stats(job->core).groups, (double)bytes / 1e6, best * 1e3,
           worst * 1e3, took * 1e3, (double)most_kb / 1e3);
    if (busy)
        printf("; longest turn of %d flows %.1f ms", TURN, longest * 1e3);
    printf("\n");
    return true;
}

int main(int argc, char **argv)
{
    static const char rule[] =
        "DeviceNetworkEvents | where Timestamp > ago(1h) | where RemotePort == 25"
        " | summarize N = count(), S = dcount(RemoteIP) by LocalIP | where N > 1000000";
    static const struct {
        const char *name;
        uint32_t connections, groups;
    } sizes[] = {{"10 k", 10000, 10000}, {"100 k", 100000, 100000}, {"1 M", 1000000, 100000}};
    for (size_t i = 0; argc == 2 && i < sizeof sizes / sizeof *sizes; i++) {
        struct wr_diags diags;
        struct wr_ruleset *rules = wr_ruleset_new();
        struct wr_core_opts opts = {.batch_rows = 1024,
                                    .memory_bytes = (size_t)1 << 30,
                                    .orphans = WR_ORPHANS_EVENTS,
                                    .realert_ns = 1};
        if (!rules || !wr_diags_init(&diags) ||
            wr_ruleset_add(rules, "r.kql", rule, sizeof rule - 1, &diags) != WR_OK)
            return 1;
        struct wr_core *core = wr_core_new(rules, &opts);
        bool ok = core && fill(core, sizes[i].connections, sizes[i].groups);
        struct job job = {.core = core, .dir = argv[1]};
        ok = ok && measure(&job, sizes[i].name, sizes[i].groups, false) &&
             measure(&job, sizes[i].name, sizes[i].groups, true);
        wr_core_free(core);
        wr_ruleset_unref(rules);
        wr_diags_fini(&diags);
        if (!ok)
            return 1;
    }
    return argc == 2 ? 0 : 2;
}
