/* ns per call of the connection table with 20 thousand and 1 million live connections: first
 * record, later record of a random connection (which misses the cache everywhere), one drained row,
 * saving and loading. CPU time of the process, best of 9 rounds where a round can be repeated. */
#include "base/ticks.h"
#include "parsers/conn/conn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 9, DRAIN_EVERY = 1024 };
#define T0 INT64_C(1767600000000000000)

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct wr_flow flow_of(uint32_t i)
{
    struct wr_flow f = {.proto = 6, .tcp_flags = 0x1a, .sampling = 1, .point = 1, .dport = 25};
    uint32_t addr = i * 2654435761u;
    memcpy(f.src, &addr, 4);
    f.dst[0] = 9;
    f.sport = 40000;
    f.flags = WR_FLOW_HAS_BYTES | WR_FLOW_HAS_TCP_FLAGS | WR_FLOW_BIFLOW | WR_FLOW_INITIATOR_KNOWN;
    f.start_ns = f.end_ns = T0;
    f.octets[0] = f.octets[1] = 100;
    f.packets[0] = f.packets[1] = 1;
    return f;
}

static uint64_t drain(struct wr_conn *c, struct wr_batch *b)
{
    uint64_t rows = 0;
    for (uint32_t n = 1; n; rows += n) {
        if (!wr_batch_reset(b))
            return 0;
        n = wr_conn_drain(c, WR_TABLE_DEVICE_NETWORK_EVENTS, b);
    }
    return rows;
}

/* Updates of random connections; the drained amendments are timed apart. */
static int update(struct wr_conn *c, struct wr_batch *b, uint32_t live, double *ret_update,
                  double *ret_amend)
{
    static uint64_t state = 88172645463325252u;
    static struct wr_flow flows[DRAIN_EVERY];
    double in = 0, out = 0;
    uint64_t rows = 0;
    for (uint32_t k = 0; k < live; k += DRAIN_EVERY) {
        for (uint32_t i = 0; i < DRAIN_EVERY; i++) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            flows[i] = flow_of((uint32_t)(state % live));
            flows[i].octets[0] = state >> 40;
        }
        double start = seconds();
        if (wr_conn_flows(c, flows, DRAIN_EVERY, T0 + k))
            return 1;
        double middle = seconds();
        rows += drain(c, b);
        out += seconds() - middle;
        in += middle - start;
    }
    in = in / live * 1e9;
    out = out / (double)rows * 1e9;
    *ret_update = in < *ret_update ? in : *ret_update;
    *ret_amend = out < *ret_amend ? out : *ret_amend;
    return 0;
}

static int measure(uint32_t live)
{
    struct wr_conn_opts opts = {.wanted =
                                    wr_colset_all(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS)),
                                .max_connections = live};
    struct wr_conn *c = wr_conn_new(&opts), *copy = wr_conn_new(&opts);
    struct wr_batch *b =
        wr_batch_new(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS), &opts.wanted, 1024);
    struct wr_buf saved = {0};
    double first = 0, later = 1e9, amend = 1e9, start;
    int failed = !c || !copy || !b;
    for (uint32_t i = 0; !failed && i < live;) {
        start = seconds();
        for (uint32_t end = i + DRAIN_EVERY; !failed && i < live && i < end; i++) {
            struct wr_flow f = flow_of(i);
            failed = wr_conn_flow(c, &f, T0) != WR_OK;
        }
        first += seconds() - start;
        (void)drain(c, b);
    }
    for (int r = 0; !failed && r < ROUNDS; r++)
        failed = update(c, b, live, &later, &amend);
    start = seconds();
    if (!failed)
        wr_conn_save(c, &saved);
    double save = seconds() - start;
    failed = failed || saved.err || wr_conn_load(copy, saved.data, saved.len);
    double load = seconds() - start - save;
    printf("%8u live: first record %5.0f ns, later %5.0f ns, amendment out %5.0f ns\n", live,
           first / live * 1e9, later, amend);
    printf("%8u live: save %6.1f ms, load %6.1f ms, %zu bytes each\n", live, save * 1e3, load * 1e3,
           saved.len / live);
    wr_conn_free(c);
    wr_conn_free(copy);
    wr_batch_free(b);
    wr_buf_fini(&saved);
    return failed;
}

/* A mail rule's columns, as wanted by rules/library. */
static struct wr_colset mail_columns(void)
{
    static const uint16_t cols[] = {WR_DNE_Timestamp,
                                    WR_DNE_DeviceName,
                                    WR_DNE_ActionType,
                                    WR_DNE_RemoteIP,
                                    WR_DNE_RemotePort,
                                    WR_DNE_Protocol,
                                    WR_DNE_InitiatingProcessFileName,
                                    WR_DNE_InitiatingProcessAccountName,
                                    WR_DNE_SentBytes};
    struct wr_colset set = {{0}};
    for (size_t i = 0; i < sizeof cols / sizeof *cols; i++)
        wr_colset_add(&set, cols[i]);
    return set;
}

static int put(struct wr_batch *b, uint16_t col, const char *text)
{
    return !wr_batch_set_str(b, col, b->nrows - 1, text, strlen(text));
}

/* One more row of `b`. */
static int add_event(struct wr_batch *b, const struct wr_flow *f, uint32_t host)
{
    char ip[16], remote[16], device[32], account[32];
    (void)snprintf(ip, sizeof ip, "%u.%u.%u.%u", f->src[0], f->src[1], f->src[2], f->src[3]);
    (void)snprintf(remote, sizeof remote, "%u.%u.%u.%u", f->dst[0], f->dst[1], f->dst[2],
                   f->dst[3]);
    (void)snprintf(device, sizeof device, "ws-%05u.corp.example", host);
    (void)snprintf(account, sizeof account, "user%05u", host);
    uint32_t r = wr_batch_row(b);
    wr_batch_set_i64(b, WR_DNE_Timestamp, r, wr_ticks_of_unix_ns(f->start_ns));
    wr_batch_set_i64(b, WR_DNE_LocalPort, r, f->sport);
    wr_batch_set_i64(b, WR_DNE_RemotePort, r, f->dport);
    return put(b, WR_DNE_DeviceName, device) || put(b, WR_DNE_ActionType, "ConnectionSuccess") ||
           put(b, WR_DNE_LocalIP, ip) || put(b, WR_DNE_RemoteIP, remote) ||
           put(b, WR_DNE_Protocol, "Tcp") ||
           put(b, WR_DNE_InitiatingProcessFileName, "outlook.exe") ||
           put(b, WR_DNE_InitiatingProcessAccountName, account);
}

static int give_event(struct wr_conn *c, struct wr_batch *b, const struct wr_flow *f, uint32_t host,
                      int64_t now)
{
    return !wr_batch_reset(b) || add_event(b, f, host) || wr_conn_event(c, b, 0, now) != WR_OK;
}

/* Connection `i` of the mix: of `hosts` (a power of 2) 10.x to a server. */
static struct wr_flow mixed_flow(uint32_t i, uint32_t hosts)
{
    struct wr_flow f = flow_of(0);
    uint32_t host = i * 2654435761u & (hosts - 1);
    f.src[0] = 10;
    f.src[1] = 0;
    f.src[2] = (uint8_t)(host >> 8);
    f.src[3] = (uint8_t)host;
    f.sport = (uint16_t)(1024 + i / hosts % 64000);
    f.dport = 587;
    f.tcp_flags = 0x1b;
    return f;
}

/* The rows of `b` as the pipeline has them: packed, one after another in `bytes`. */
static int pack(const struct wr_batch *b, int64_t now, struct wr_buf *bytes, struct wr_packed *ret)
{
    wr_buf_reset(bytes);
    for (uint32_t i = 0; i < b->nrows; i++) {
        size_t before = bytes->len;
        wr_row_pack(b, i, bytes);
        ret[i] = (struct wr_packed){.len = (uint32_t)(bytes->len - before), .now_ns = now};
    }
    size_t at = 0;
    for (uint32_t i = 0; i < b->nrows; at += ret[i++].len)
        ret[i].bytes = bytes->data + at;
    return bytes->err != WR_OK;
}

/* Events of new connections and flows of those that have one, 1:1, with `live` connections in the table: the oldest go as new
 * ones come; flows are of the newer half, which cannot have gone. In batches of 1,024, events made and packed before the clock runs; rows drained within. */
static int mixed(uint32_t live, uint32_t rounds)
{
    struct wr_conn_opts opts = {.wanted = mail_columns(), .expect_endpoint = true, .max_connections = live};
    struct wr_colset cols = wr_conn_event_cols(&opts.wanted, &opts.sessions);
    struct wr_conn *c = wr_conn_new(&opts);
    struct wr_batch *b = wr_batch_new(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS), &opts.wanted, 1024);
    struct wr_batch *events = wr_batch_new(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS), &cols, DRAIN_EVERY);
    static struct wr_flow flows[DRAIN_EVERY];
    static struct wr_packed packed[DRAIN_EVERY];
    static uint64_t state = 88172645463325252u;
    struct wr_buf bytes = {0};
    int failed = !c || !b || !events;
    double in[2] = {0, 0}, out = 0;
    uint32_t fill = live / DRAIN_EVERY, hosts = 1024;
    while (hosts < 32768 && hosts < live / 32)
        hosts *= 2;
    for (uint32_t k = 0; !failed && k < fill + rounds; k++) {
        int64_t now = T0 + k * INT64_C(1000000);
        failed = !wr_batch_reset(events);
        for (uint32_t i = 0; !failed && i < DRAIN_EVERY; i++) {
            struct wr_flow f = mixed_flow(k * DRAIN_EVERY + i, hosts);
            f.start_ns = f.end_ns = now;
            failed = add_event(events, &f, (uint32_t)f.src[2] << 8 | f.src[3]);
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            uint32_t back = k < fill ? 0 : (uint32_t)(state % (live / 2 - DRAIN_EVERY)) + DRAIN_EVERY;
            flows[i] = mixed_flow(k * DRAIN_EVERY + i - back, hosts);
            flows[i].start_ns = flows[i].end_ns = T0 + (k * DRAIN_EVERY + i - back) / DRAIN_EVERY * INT64_C(1000000) + 1000;
            flows[i].octets[0] = state >> 40;
        }
        failed = failed || pack(events, now, &bytes, packed);
        double start = seconds();
        failed = failed || wr_conn_events(c, packed, DRAIN_EVERY) != WR_OK;
        double middle = seconds();
        failed = failed || wr_conn_flows(c, flows, DRAIN_EVERY, now) != WR_OK;
        double end = seconds();
        (void)drain(c, b);
        if (k < fill)
            continue;
        in[0] += middle - start;
        in[1] += end - middle;
        out += seconds() - end;
    }
    double rows = (double)rounds * DRAIN_EVERY;
    printf("%8u live, mixed 1:1: event %5.0f ns, flow %5.0f ns, rows out %5.0f ns a row in; %.2f M rows/s (goal 3 at 1 M)\n", live,
           in[0] / rows * 1e9, in[1] / rows * 1e9, out / rows / 2 * 1e9, 2 * rows / (in[0] + in[1] + out) / 1e6);
    wr_conn_free(c);
    wr_batch_free(b);
    wr_batch_free(events);
    wr_buf_fini(&bytes);
    return failed;
}

/* Bytes of memory that the process has: what an allocator's own count says misses large pieces, or counts what was never touched. */
static size_t resident(void)
{
    unsigned long size = 0, pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%lu %lu", &size, &pages) != 2)
        pages = 0;
    if (f)
        (void)fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* 50,000 endpoints, 0.33 connections a second each, 1 % of them mail; every one has an event and a
 * flow of 30 s. Two hours: what has ended goes, so memory is level long before. */
static int mail_site(void)
{
    enum { ENDPOINTS = 50000, PER_SECOND = 165, SECONDS = 7200 };
    struct wr_conn_opts opts = {.wanted = mail_columns(), .expect_endpoint = true};
    struct wr_colset cols = wr_conn_event_cols(&opts.wanted, &opts.sessions);
    size_t before = resident(), most = 0;
    struct wr_conn *c = wr_conn_new(&opts);
    struct wr_batch *b =
        wr_batch_new(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS), &opts.wanted, 1024);
    struct wr_batch *event = wr_batch_new(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS), &cols, 1);
    int failed = !c || !b || !event;
    double start = seconds();
    for (uint32_t s = 0; !failed && s < SECONDS; s++) {
        int64_t now = T0 + s * INT64_C(1000000000);
        for (uint32_t i = 0; !failed && i < PER_SECOND; i++) {
            uint32_t n = s * PER_SECOND + i, host = n * 2654435761u % ENDPOINTS;
            struct wr_flow f = flow_of(0);
            f.src[0] = 10;
            f.src[1] = 0;
            f.src[2] = (uint8_t)(host >> 8);
            f.src[3] = (uint8_t)host;
            f.sport = (uint16_t)(40000 + n / ENDPOINTS);
            f.dport = 587;
            f.tcp_flags = 0x1b;
            f.start_ns = now - INT64_C(30000000000);
            f.end_ns = now;
            failed = give_event(c, event, &f, host, now) || wr_conn_flow(c, &f, now) != WR_OK;
        }
        (void)drain(c, b);
        size_t used = resident() - before;
        most = used > most ? used : most;
    }
    const struct wr_conn_stats *st = wr_conn_stats(c);
    printf("50,000 endpoints, mail rules: %.1f MiB at most (goal 64), %lu live connections, %lu "
           "matched, %lu evicted, "
           "%.0f ns an event and its flow\n",
           (double)most / 1048576, (unsigned long)st->live, (unsigned long)st->matched,
           (unsigned long)st->evicted, (seconds() - start) / (SECONDS * (double)PER_SECOND) * 1e9);
    wr_conn_free(c);
    wr_batch_free(b);
    wr_batch_free(event);
    return failed;
}

/* `bench_conn mixed LIVE ROUNDS`, `bench_conn mail`: that alone. */
int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "mixed") == 0)
        return mixed((uint32_t)atoi(argv[2]), (uint32_t)atoi(argv[3]));
    if (argc == 2 && strcmp(argv[1], "mail") == 0)
        return mail_site();
    return mixed(1000000, 100) || mail_site() || measure(20000) || measure(1000000);
}
