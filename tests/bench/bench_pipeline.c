/* What a flow record costs behind the socket: a worker and the owner's part (log, connections, rules) in one
 * thread, on IPFIX datagrams that lie in memory, in trains of 32 as UDP GRO gives them.
 *
 *   bench_pipeline RULE.kql [MILLIONS] [SOURCES] [MAIL_PERCENT] [TRAINS]
 *
 * Records are those of flowgen: 20 elements, 71 octets, 19 a datagram; every record from the next of SOURCES
 * addresses (0: any of 65,536), MAIL_PERCENT on ports of mail among 100,000 connections. A turn takes TRAINS
 * trains. Prints ns of CPU time a record: all of it, then worker, log and state (connections and rules), and
 * octets of log. Reading the clock is in it, four times a message: some 20 ns where every row is summed, of which
 * most under log. The log is written to a folder in $TMPDIR or /tmp, never synced. */
#include "collector/ingest/worker.h"
#include "collector/pipeline/core.h"
#include "collector/state/log.h"
#include "tests/bench/rows.h"

#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    RECORDS = 19,
    RECORD = 71,
    HEAD = 20,
    DATAGRAM = HEAD + RECORDS * RECORD,
    TRAIN = 32,
    POOL = 64,
    FLOWS = 100000,
    DEFAULT_TRAINS = 8
};

static const uint16_t fields[][2] = {{8, 4},  {12, 4}, {1, 8},  {2, 8},  {152, 8}, {153, 8}, {7, 2},
                                     {11, 2}, {10, 4}, {14, 4}, {4, 1},  {6, 1},   {5, 1},   {16, 4},
                                     {17, 4}, {9, 1},  {13, 1}, {15, 4}, {136, 1}, {61, 1}};
enum { NFIELDS = sizeof fields / sizeof *fields };

static uint8_t pool[POOL][TRAIN * DATAGRAM], template_message[HEAD + 4 + 4 * NFIELDS];
static uint32_t sequence, source, sources, next_train, trains_left, mail_per_million = 10000;
static bool template_sent;

static void put(uint8_t *at, uint64_t v, uint32_t len)
{
    while (len--)
        *at++ = (uint8_t)(v >> (8 * len));
}

static void put_head(uint8_t *at, uint32_t len, uint32_t set)
{
    put(at, 10, 2);
    put(at + 2, len, 2);
    put(at + 4, (uint64_t)time(NULL), 4);
    put(at + 8, sequence, 4);
    put(at + 16, set, 2);
    put(at + 18, len - 16, 2);
}

static void put_record(uint8_t *at)
{
    static const uint16_t mail_ports[] = {25, 465, 587, 110, 995, 143, 993};
    const bool mail = bench_roll(1000000) < mail_per_million;
    const uint32_t flow = mail ? bench_roll(FLOWS) : bench_roll(UINT32_MAX);
    const uint64_t now_ms = (uint64_t)time(NULL) * 1000;
    const uint64_t values[NFIELDS] = {0x0a000000 | (flow & 0xffff),
                                      0xcb007100 | (flow >> 16 & 0xff),
                                      64 + bench_roll(100000),
                                      1 + bench_roll(100),
                                      now_ms - 1000,
                                      now_ms,
                                      1024 + flow % 60000,
                                      mail ? mail_ports[flow % 7] : 10000 + flow % 50000,
                                      1,
                                      2,
                                      6,
                                      0x1b,
                                      0,
                                      0,
                                      0,
                                      0,
                                      0,
                                      0,
                                      3,
                                      0};
    for (uint32_t i = 0; i < NFIELDS; at += fields[i++][1])
        put(at, values[i], fields[i][1]);
}

static void fill_pool(void)
{
    put_head(template_message, sizeof template_message, 2);
    put(template_message + HEAD, 256, 2);
    put(template_message + HEAD + 2, NFIELDS, 2);
    for (uint32_t i = 0; i < NFIELDS; i++) {
        put(template_message + HEAD + 4 + 4 * i, fields[i][0], 2);
        put(template_message + HEAD + 6 + 4 * i, fields[i][1], 2);
    }
    for (uint32_t t = 0; t < POOL; t++)
        for (uint32_t d = 0; d < TRAIN; d++)
            for (uint32_t r = 0; r < RECORDS; r++)
                put_record(pool[t] + d * DATAGRAM + HEAD + r * RECORD);
}

static double stamping; /* seconds that making the datagrams took: not the pipeline's */

static const uint8_t *next_of_pool(void)
{
    const double begin = bench_seconds();
    uint8_t *train = pool[next_train++ % POOL];
    for (uint32_t d = 0; d < TRAIN; d++) {
        put_head(train + d * DATAGRAM, DATAGRAM, 256);
        sequence += RECORDS;
        for (uint32_t r = 0; sources && r < RECORDS; r++, source = (source + 1) % sources)
            put(train + d * DATAGRAM + HEAD + r * RECORD, 0x0a000000 + source, 4);
    }
    stamping += bench_seconds() - begin;
    return train;
}

static int memory_open(void *ctx, const struct sockaddr_storage *addr, socklen_t len, uint64_t receive_buffer,
                       struct wr_udp *ret_udp)
{
    (void)ctx, (void)addr, (void)len, (void)receive_buffer;
    *ret_udp = (struct wr_udp){.fd = eventfd(0, EFD_NONBLOCK), .receive_buffer = 1 << 25};
    return ret_udp->fd < 0 ? -1 : 0;
}

static void memory_close(void *ctx, struct wr_udp *udp)
{
    (void)ctx;
    close(udp->fd);
}

static int memory_recv(void *ctx, struct wr_udp *udp, struct wr_dgrams *ret, int max)
{
    (void)ctx, (void)udp;
    int n = 0;
    for (; n < max && trains_left; n++) {
        struct sockaddr_in6 src = {.sin6_family = AF_INET6, .sin6_port = htons(2055)};
        src.sin6_addr.s6_addr[10] = src.sin6_addr.s6_addr[11] = 0xff;
        src.sin6_addr.s6_addr[12] = 127;
        ret[n] = (struct wr_dgrams){.src = src,
                                    .data = template_message,
                                    .len = sizeof template_message,
                                    .segment = sizeof template_message};
        if (!template_sent) {
            template_sent = true;
            continue;
        }
        trains_left--;
        ret[n].data = next_of_pool();
        ret[n].len = TRAIN * DATAGRAM;
        ret[n].segment = DATAGRAM;
    }
    return n;
}

static void on_owner(uv_async_t *owner)
{
    (void)owner;
}

struct spent {
    double worker, log, state;
};

/* What the owner does in a turn. */
static bool take_turn(struct wr_worker *worker, struct wr_wal *wal, struct wr_core *core, struct spent *spent)
{
    struct wr_input in;
    bool ok = true;
    while (ok && wr_ring_peek(worker->ring, &in)) {
        const double a = bench_seconds();
        wr_wal_append(wal, &in);
        const double b = bench_seconds();
        ok = wr_core_apply(core, &in) == WR_OK;
        const double c = bench_seconds();
        ok &= !wr_wal_full(wal) || wr_wal_write(wal) == 0;
        wr_ring_pop(worker->ring);
        spent->log += b - a + bench_seconds() - c;
        spent->state += c - b;
    }
    const double a = bench_seconds();
    in = (struct wr_input){.type = WR_INPUT_TURN, .arrival_ns = worker->io->wall_ns(worker->io->ctx)};
    ok = ok && wr_core_apply(core, &in) == WR_OK;
    const double b = bench_seconds();
    wr_wal_append(wal, &in);
    ok = ok && wr_wal_write(wal) == 0;
    spent->state += b - a;
    spent->log += bench_seconds() - b;
    wr_alerts_free(wr_core_alerts(core));
    return ok;
}

static struct wr_core *core_of(const char *path, const struct wr_config *config)
{
    char *text;
    size_t len;
    struct wr_diags diags;
    struct wr_ruleset *rules = wr_ruleset_new();
    struct wr_core_opts opts = {.batch_rows = config->batch_rows,
                                .memory_bytes = config->memory_bytes / 2,
                                .orphans = WR_ORPHANS_EVENTS,
                                .hold_ns = INT64_C(600000000000),
                                .realert_ns = INT64_C(3600000000000)};
    if (!rules || !wr_diags_init(&diags) || wr_io_read_file(wr_io_real(), path, 1 << 20, &text, &len) != 0)
        return NULL;
    const bool ok = wr_ruleset_add(rules, path, text, len, &diags) == WR_OK && wr_ruleset_count(rules);
    struct wr_core *core = ok ? wr_core_new(rules, &opts) : NULL;
    wr_ruleset_unref(rules);
    wr_diags_fini(&diags);
    free(text);
    return core;
}

static int fail(const char *what)
{
    fprintf(stderr, "bench_pipeline: %s\n", what);
    return 1;
}

static int measure(struct wr_worker *worker, struct wr_core *core, const char *dir, uint64_t records,
                   uint32_t trains)
{
    struct wr_wal wal;
    struct spent spent = {0};
    uint64_t bytes = 0;
    if (wr_wal_open(&wal, worker->io, dir, 1, 0) != 0)
        return fail("cannot write the log");
    for (uint64_t done = 0; done < records; done += (uint64_t)trains * TRAIN * RECORDS) {
        const double begin = bench_seconds();
        stamping = 0;
        trains_left = trains;
        wr_ingest_udp_drain(&worker->listeners[0]);
        spent.worker += bench_seconds() - begin - stamping;
        if (!take_turn(worker, &wal, core, &spent))
            return fail("an input was not worked through");
    }
    bytes = wal.bytes;
    if (wr_wal_close(&wal) != 0)
        return fail("cannot write the log");
    const uint64_t n = wr_flow_decoder_stats(worker->decoder)->records;
    const double ns = 1e9 / (double)n;
    printf("records=%llu rows=%llu dropped=%llu groups=%llu ns=%.1f worker=%.1f log=%.1f state=%.1f "
           "log_octets=%.1f\n",
           (unsigned long long)n, (unsigned long long)worker->rows_sent,
           (unsigned long long)worker->rows_dropped, (unsigned long long)wr_core_engine_stats(core).groups,
           (spent.worker + spent.log + spent.state) * ns, spent.worker * ns, spent.log * ns, spent.state * ns,
           (double)bytes / (double)n);
    return worker->rows_dropped || n < records ? fail("rows were lost") : 0;
}

int main(int argc, char **argv)
{
    struct wr_config config;
    static struct wr_worker worker;
    static struct wr_streams streams;
    struct wr_buf error = {0};
    struct wr_io io = *wr_io_real();
    uv_loop_t loop;
    uv_async_t owner;
    const char *tmp = getenv("TMPDIR");
    char dir[256], path[300];
    if (argc < 2 || !wr_config_init(&config))
        return fail("bench_pipeline RULE.kql [MILLIONS] [SOURCES] [MAIL_PERCENT] [TRAINS]");
    const double millions = argc > 2 ? atof(argv[2]) : 2;
    sources = argc > 3 ? (uint32_t)atoi(argv[3]) : 1000000;
    mail_per_million = argc > 4 ? (uint32_t)(atof(argv[4]) * 10000) : 10000;
    const uint32_t trains = argc > 5 ? (uint32_t)atoi(argv[5]) : DEFAULT_TRAINS;
    io.udp_open = memory_open;
    io.udp_close = memory_close;
    io.udp_recv = memory_recv;
    for (int kind = 0; kind < WR_LISTEN_NKINDS; kind++)
        wr_config_unlisten(&config, (enum wr_listen_kind)kind);
    snprintf(dir, sizeof dir, "%s/bench-pipeline.XXXXXX", tmp ? tmp : "/tmp");
    struct wr_core *core = core_of(argv[1], &config);
    if (!core || wr_config_listen(&config, WR_LISTEN_FLOW_UDP, "127.0.0.1:2055") || !mkdtemp(dir))
        return fail("no rule in that file, or no folder for the log");
    fill_pool();
    uv_loop_init(&loop);
    uv_async_init(&loop, &owner, on_owner);
    config.workers = 1;
    /* Not the first worker: that one looks whether another program has the port. */
    if (wr_worker_init(&worker, &io, &config, 1, wr_core_wants(core), &owner, &streams, &error) != WR_OK)
        return fail(error.data);
    int rc = measure(&worker, core, dir, (uint64_t)(millions * 1e6), trains);
    wr_worker_fini(&worker);
    wr_core_free(core);
    uv_close((uv_handle_t *)&owner, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    snprintf(path, sizeof path, "%s/log-%020d", dir, 1);
    unlink(path);
    rmdir(dir);
    wr_config_fini(&config);
    return rc;
}
