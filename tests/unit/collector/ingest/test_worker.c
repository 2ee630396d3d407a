/* A worker on loopback: what goes into its sockets comes out of its ring, and every datagram and message is
 * counted. */
#include "collector/ingest/worker.h"

#include "collector/pipeline/block.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

static struct wr_config config;
static struct wr_wants wants;
static struct wr_worker worker;
static uv_loop_t loop;
static uv_async_t owner;
static struct wr_streams streams;
static struct wr_branch every_row;

static void on_owner(uv_async_t *async)
{
    (void)async;
}

static uint16_t free_port(int type)
{
    int fd = socket(AF_INET, type, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    cr_assert_eq(bind(fd, (struct sockaddr *)&at, len), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    close(fd);
    return ntohs(at.sin_port);
}

static char addresses[WR_LISTEN_NKINDS][32];
static uint16_t ports[WR_LISTEN_NKINDS];

static void setup_still(void)
{
    cr_assert(wr_config_init(&config));
    config.workers = 1;
    config.batch_rows = WR_BATCH_ROWS;
    config.receive_buffer_bytes = 1 << 20;
    config.max_connections_per_peer = 3;
    for (int kind = 0; kind < WR_LISTEN_NKINDS; kind++) {
        bool udp = kind == WR_LISTEN_FLOW_UDP || kind == WR_LISTEN_SYSLOG_UDP;
        wr_config_unlisten(&config, (enum wr_listen_kind)kind);
        const char *wrong = "";
        for (int tries = 0; wrong && tries < 20; tries++) { /* the kernel may give a port out twice */
            ports[kind] = free_port(udp ? SOCK_DGRAM : SOCK_STREAM);
            snprintf(addresses[kind], sizeof addresses[kind], "127.0.0.1:%u", ports[kind]);
            wrong = wr_config_listen(&config, (enum wr_listen_kind)kind, addresses[kind]);
        }
        cr_assert_null(wrong, "%s", wrong);
    }
    static const enum wr_table read[] = {WR_TABLE_DEVICE_NETWORK_EVENTS, WR_TABLE_SYSLOG,
                                         WR_TABLE_DEVICE_PROCESS_EVENTS};
    for (size_t i = 0; i < sizeof read / sizeof *read; i++)
        wants.scan[read[i]] = (struct wr_scan){.table = read[i],
                                               .wanted = wr_colset_all(wr_schema_of(read[i])),
                                               .branches = &every_row,
                                               .nbranches = 1};
    wants.events = wants.scan[WR_TABLE_DEVICE_NETWORK_EVENTS];
    wants.records = wants.events;
    wants.event_cols = wants.events.wanted;
    wants.conn = true;
    uv_loop_init(&loop);
    uv_async_init(&loop, &owner, on_owner);
    struct wr_buf error = {0};
    cr_assert_eq(wr_worker_init(&worker, wr_io_real(), &config, 0, &wants, &owner, &streams, &error), WR_OK,
                 "%.*s", (int)error.len, error.data);
}

static void setup(void)
{
    setup_still();
    cr_assert_eq(wr_worker_start(&worker), WR_OK);
}

static void teardown(void)
{
    wr_worker_fini(&worker);
    uv_close((uv_handle_t *)&owner, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    wr_config_fini(&config);
}

TestSuite(worker, .init = setup, .fini = teardown, .timeout = 30);
/* Its loop runs when the test says so: what belongs to the worker's thread can be called. */
TestSuite(worker_still, .init = setup_still, .fini = teardown, .timeout = 30);

static int connected(int type, enum wr_listen_kind kind)
{
    int fd = socket(AF_INET, type, 0);
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(ports[kind]), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* Empties the ring; returns the flows or rows of `type` that were in it. */
static uint32_t drain(uint32_t type)
{
    uint32_t n = 0;
    struct wr_input in;
    while (wr_ring_peek(worker.ring, &in)) {
        if (in.type == type)
            n += type == WR_INPUT_FLOWS ? in.len / (uint32_t)sizeof(struct wr_flow) : 1;
        cr_assert_gt(in.arrival_ns, 0);
        wr_ring_pop(worker.ring);
    }
    return n;
}

/* Takes messages of `type` out of the ring until `want` came or 5 s have gone; returns flows or rows. */
static uint32_t take(uint32_t type, uint32_t want)
{
    uint32_t n = drain(type);
    for (int tries = 0; tries < 500 && n < want; tries++) {
        n += drain(type);
        if (n < want)
            poll(NULL, 0, 10);
    }
    return n;
}

static struct wr_listener_stats stats_of(enum wr_listen_kind kind)
{
    pthread_mutex_lock(&worker.lock);
    struct wr_listener_stats out = {0};
    for (uint32_t i = 0; i < worker.nlisteners; i++)
        if (worker.listeners[i].at->kind == kind)
            out = worker.listeners[i].stats;
    pthread_mutex_unlock(&worker.lock);
    return out;
}

static void wait_received(enum wr_listen_kind kind, uint64_t n)
{
    for (int tries = 0; tries < 500 && stats_of(kind).received < n; tries++)
        poll(NULL, 0, 10);
    cr_assert_eq(stats_of(kind).received, n);
}

/* NetFlow v5 with one record to port 25. */
static size_t netflow5(uint8_t out[72])
{
    memset(out, 0, 72);
    out[1] = 5;
    out[3] = 1;
    out[8] = 0x65; /* export time: 2023 */
    out[24] = 10;
    out[27] = 1; /* 10.0.0.1 */
    out[28] = 10;
    out[31] = 2;
    out[24 + 19] = 1;  /* packets */
    out[24 + 23] = 60; /* octets */
    out[24 + 33] = 9;  /* source port */
    out[24 + 35] = 25;
    out[24 + 38] = 6;
    return 72;
}

static const char event[] = "{\"category\":\"AdvancedHunting-DeviceNetworkEvents\",\"properties\":{"
                            "\"Timestamp\":\"2026-01-05T08:00:12Z\","
                            "\"DeviceName\":\"ws\",\"ActionType\":\"ConnectionSuccess\",\"Protocol\":\"Tcp\","
                            "\"LocalIP\":\"10.20.0.1\","
                            "\"LocalPort\":38039,\"RemoteIP\":\"203.0.113.1\",\"RemotePort\":587}}";

Test(worker, datagrams_become_flows_and_bad_ones_are_counted)
{
    int fd = connected(SOCK_DGRAM, WR_LISTEN_FLOW_UDP);
    uint8_t packet[72];
    size_t len = netflow5(packet);
    for (int i = 0; i < 100; i++)
        cr_assert_eq(send(fd, packet, len, 0), (ssize_t)len);
    cr_assert_eq(send(fd, "junk", 4, 0), 4);
    cr_assert_eq(send(fd, "", 0, 0), 0);
    wait_received(WR_LISTEN_FLOW_UDP, 102);
    cr_assert_eq(take(WR_INPUT_FLOWS, 100), 100);
    struct wr_listener_stats s = stats_of(WR_LISTEN_FLOW_UDP);
    cr_assert_eq(s.decoded, 100);
    cr_assert_eq(s.rejected, 2);
    close(fd);
}

/* Where rules read both, all go as blocks, and those that are connections' go whole beside them. */
Test(worker, flows_that_connections_want_go_whole_beside_their_block)
{
    static uint64_t wanted_ports[WR_CONN_PORTS_BYTES / 8];
    struct wr_wants all = wants;
    all.scan[WR_TABLE_FLOWS] = (struct wr_scan){.table = WR_TABLE_FLOWS, .branches = &every_row, .nbranches = 1};
    all.conn_ports = wanted_ports;
    uint8_t packet[72];
    size_t len = netflow5(packet);
    for (int wanted = 0; wanted < 2; wanted++) {
        struct wr_input in;
        uint32_t rows = 0, whole = 0;
        if (wanted)
            memset(wanted_ports, 0xff, sizeof wanted_ports);
        cr_assert_eq(wr_worker_wants(&worker, &all), WR_OK);
        int fd = connected(SOCK_DGRAM, WR_LISTEN_FLOW_UDP);
        for (int i = 0; i < 50; i++)
            cr_assert_eq(send(fd, packet, len, 0), (ssize_t)len);
        wait_received(WR_LISTEN_FLOW_UDP, 50u * (unsigned)(wanted + 1));
        for (int tries = 0; tries < 500 && (rows < 50 || whole < 50u * (unsigned)wanted); tries++) {
            struct wr_block block;
            for (; wr_ring_peek(worker.ring, &in); wr_ring_pop(worker.ring)) {
                if (in.type == WR_INPUT_CONN_FLOWS) {
                    whole += in.len / (uint32_t)sizeof(struct wr_flow);
                    continue;
                }
                cr_assert_eq(in.type, WR_INPUT_FLOW_BLOCK);
                cr_assert(wr_block_open(in.bytes, in.len, &block));
                rows += block.n;
            }
            if (rows < 50 || whole < 50u * (unsigned)wanted)
                poll(NULL, 0, 10);
        }
        cr_expect_eq(rows, 50);
        cr_expect_eq(whole, 50u * (unsigned)wanted);
        close(fd);
    }
}

/* Where rules read Flows and nobody connections, only the columns that they read go on. */
Test(worker, flows_that_only_rules_read_go_as_blocks)
{
    struct wr_wants all = wants;
    const struct wr_branch branch = {0};
    all.conn = false;
    all.records = (struct wr_scan){.table = WR_TABLE_DEVICE_NETWORK_EVENTS, .branches = &branch, .nbranches = 1};
    all.scan[WR_TABLE_FLOWS] = (struct wr_scan){.table = WR_TABLE_FLOWS, .branches = &every_row, .nbranches = 1};
    wr_colset_add(&all.scan[WR_TABLE_FLOWS].wanted, WR_FLOWS_destinationTransportPort);
    cr_assert_eq(wr_worker_wants(&worker, &all), WR_OK);
    int fd = connected(SOCK_DGRAM, WR_LISTEN_FLOW_UDP);
    uint8_t packet[72];
    size_t len = netflow5(packet);
    for (int i = 0; i < 100; i++)
        cr_assert_eq(send(fd, packet, len, 0), (ssize_t)len);
    wait_received(WR_LISTEN_FLOW_UDP, 100);
    uint32_t n = 0;
    for (int tries = 0; tries < 500 && n < 100; tries++) {
        struct wr_input in;
        struct wr_block block;
        for (; wr_ring_peek(worker.ring, &in); wr_ring_pop(worker.ring)) {
            cr_assert_eq(in.type, WR_INPUT_FLOW_BLOCK);
            cr_assert(wr_block_open(in.bytes, in.len, &block));
            cr_assert_eq(block.parts, 1u << WR_PART_FLAGS | 1u << WR_PART_DPORT | 1u << WR_PART_PROTO);
            n += block.n;
        }
        if (n < 100)
            poll(NULL, 0, 10);
    }
    cr_assert_eq(n, 100);
    close(fd);
    cr_assert_eq(wr_worker_wants(&worker, &wants), WR_OK); /* and whole again when connections are read */
    fd = connected(SOCK_DGRAM, WR_LISTEN_FLOW_UDP);
    cr_assert_eq(send(fd, packet, len, 0), (ssize_t)len);
    cr_assert_eq(take(WR_INPUT_FLOWS, 1), 1);
    close(fd);
}

static bool looks_later(void)
{
    pthread_mutex_lock(&worker.lock);
    bool later = false;
    for (uint32_t i = 0; i < worker.nlisteners; i++)
        if (worker.listeners[i].at->kind == WR_LISTEN_FLOW_UDP)
            later = uv_is_active((uv_handle_t *)&worker.listeners[i].later);
    pthread_mutex_unlock(&worker.lock);
    return later;
}

/* Frequent datagrams turn wake-ups into looks every few ms; none is lost, and silence turns them back. */
Test(worker, datagrams_that_come_often_are_looked_for_later)
{
    int fd = connected(SOCK_DGRAM, WR_LISTEN_FLOW_UDP);
    uint8_t packet[72];
    size_t len = netflow5(packet);
    uint64_t sent = 0, want = 0;
    bool later = false;
    for (int i = 0; i < 20000 && !later; i++) {
        cr_assert_eq(send(fd, packet, len, 0), (ssize_t)len);
        sent++;
        later = looks_later();
        usleep(100);
        want += drain(WR_INPUT_FLOWS);
    }
    cr_assert(later);
    for (int i = 0; i < 100; i++, sent++)
        cr_assert_eq(send(fd, packet, len, 0), (ssize_t)len);
    wait_received(WR_LISTEN_FLOW_UDP, sent);
    cr_assert_eq(want + take(WR_INPUT_FLOWS, (uint32_t)(sent - want)), sent);
    for (int tries = 0; tries < 500 && looks_later(); tries++)
        poll(NULL, 0, 2);
    cr_assert_not(looks_later());
    cr_assert_eq(send(fd, packet, len, 0), (ssize_t)len);
    wait_received(WR_LISTEN_FLOW_UDP, sent + 1);
    close(fd);
}

static struct wr_listener *flow_listener(void)
{
    for (uint32_t i = 0; i < worker.nlisteners; i++)
        if (worker.listeners[i].at->kind == WR_LISTEN_FLOW_UDP)
            return &worker.listeners[i];
    cr_assert(false);
    return NULL;
}

static int trains_together(void)
{
    pthread_mutex_lock(&worker.lock);
    int n = flow_listener()->together;
    pthread_mutex_unlock(&worker.lock);
    return n;
}

/* Of long trains few are received at once, so that the first is still in the cache when it is decoded. */
Test(worker, long_trains_are_received_few_at_a_time)
{
    enum { PACKETS = 48, SIZE = 24 + 29 * 48 };
    int fd = connected(SOCK_DGRAM, WR_LISTEN_FLOW_UDP), segment = SIZE;
    static uint8_t train[PACKETS * SIZE];
    uint8_t one[72];
    netflow5(one);
    for (int i = 0; i < PACKETS; i++) {
        uint8_t *p = train + i * SIZE;
        memcpy(p, one, 24);
        p[3] = 29;
        for (int r = 0; r < 29; r++)
            memcpy(p + 24 + 48 * r, one + 24, 48);
    }
    cr_assert_eq(trains_together(), WR_UDP_BATCH);
    if (setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment) != 0)
        cr_skip_test("this kernel cannot cut trains");
    uint64_t want = 0;
    for (int i = 0; i < 20; i++) {
        ssize_t n = send(fd, train, 44 * SIZE, 0);
        cr_assert_eq(n, 44 * SIZE);
        wait_received(WR_LISTEN_FLOW_UDP, (uint64_t)(i + 1) * 44);
        want += 44 * 29;
    }
    cr_assert_eq(take(WR_INPUT_FLOWS, (uint32_t)want), want);
    struct wr_listener_stats s = stats_of(WR_LISTEN_FLOW_UDP);
    cr_assert_eq(s.decoded, 20 * 44);
    cr_assert_eq(s.kernel_dropped, 0);
    int few = trains_together();
    cr_assert(few >= 2 && few <= 4, "%d", few);
    segment = 0;
    setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment);
    cr_assert_eq(send(fd, one, sizeof one, 0), (ssize_t)sizeof one);
    wait_received(WR_LISTEN_FLOW_UDP, 20 * 44 + 1);
    cr_assert_eq(trains_together(), WR_UDP_BATCH);
    close(fd);
}

/* What comes in a while must fit the buffer several times over: else every datagram wakes, however often they come. */
Test(worker, a_small_buffer_is_never_left_alone)
{
    int fd = connected(SOCK_DGRAM, WR_LISTEN_FLOW_UDP);
    pthread_mutex_lock(&worker.lock);
    flow_listener()->udp.receive_buffer = 2048;
    pthread_mutex_unlock(&worker.lock);
    uint8_t packet[72];
    size_t len = netflow5(packet);
    uint64_t got = 0;
    for (int i = 0; i < 2000; i++) {
        cr_assert_eq(send(fd, packet, len, 0), (ssize_t)len);
        cr_assert_not(looks_later());
        usleep(20);
        got += drain(WR_INPUT_FLOWS);
    }
    wait_received(WR_LISTEN_FLOW_UDP, 2000);
    cr_assert_eq(got + take(WR_INPUT_FLOWS, (uint32_t)(2000 - got)), 2000);
    close(fd);
}

Test(worker, syslog_datagrams_become_events_and_lines)
{
    int fd = connected(SOCK_DGRAM, WR_LISTEN_SYSLOG_UDP);
    for (int i = 0; i < 50; i++)
        cr_assert_eq(send(fd, event, sizeof event - 1, 0), (ssize_t)sizeof event - 1);
    wait_received(WR_LISTEN_SYSLOG_UDP, 50);
    cr_assert_eq(take(wr_input_row(WR_TABLE_DEVICE_NETWORK_EVENTS), 50), 50);
    const char *lines = "<34>Oct 11 22:14:15 mymachine su: one\n<34>Oct 11 22:14:15 mymachine su: two\n";
    cr_assert_gt(send(fd, lines, strlen(lines), 0), 0);
    cr_assert_eq(take(wr_input_row(WR_TABLE_SYSLOG), 2), 2);
    cr_assert_eq(send(fd, "", 0, 0), 0);
    wait_received(WR_LISTEN_SYSLOG_UDP, 53);
    struct wr_listener_stats s = stats_of(WR_LISTEN_SYSLOG_UDP);
    cr_assert_eq(s.decoded, 52);
    cr_assert_eq(s.rejected, 1, "the empty one");
    close(fd);
}

Test(worker, a_stream_of_both_framings_byte_by_byte)
{
    int fd = connected(SOCK_STREAM, WR_LISTEN_SYSLOG_TCP);
    char text[1024];
    int len = snprintf(text, sizeof text, "%zu %s\n%s\n%s", sizeof event - 1, event, event, event);
    for (int i = 0; i < len; i++)
        cr_assert_eq(send(fd, text + i, 1, 0), 1);
    shutdown(fd, SHUT_WR); /* the last one has no end of its own */
    uint32_t got = take(wr_input_row(WR_TABLE_DEVICE_NETWORK_EVENTS), 3);
    struct wr_listener_stats at = stats_of(WR_LISTEN_SYSLOG_TCP);
    cr_assert_eq(got, 3, "%u events; %lu received, %lu decoded", got, (unsigned long)at.received,
                 (unsigned long)at.decoded);
    char byte;
    cr_assert_eq(recv(fd, &byte, 1, 0), 0, "the stream is closed from the other side, too");
    close(fd);
    struct wr_listener_stats s = stats_of(WR_LISTEN_SYSLOG_TCP);
    cr_assert_eq(s.received, 3);
    cr_assert_eq(s.decoded, 3);
}

Test(worker, ipfix_stream_that_is_none_is_closed)
{
    int fd = connected(SOCK_STREAM, WR_LISTEN_FLOW_TCP);
    cr_assert_eq(send(fd, "GET / HTTP/1.1\r\n\r\n", 18, 0), 18);
    char byte;
    cr_assert_leq(recv(fd, &byte, 1, 0), 0);
    close(fd);
    cr_assert_eq(stats_of(WR_LISTEN_FLOW_TCP).connections_broken, 1);
}

static int64_t an_hour_on(void *ctx)
{
    const struct wr_io *real = wr_io_real();
    (void)ctx;
    return real->wall_ns(real->ctx) + INT64_C(3600) * 1000000000;
}

static void run_until_received(enum wr_listen_kind kind, uint64_t n)
{
    for (int tries = 0; tries < 500 && stats_of(kind).received < n; tries++) {
        uv_run(&worker.loop, UV_RUN_NOWAIT);
        poll(NULL, 0, 10);
    }
    cr_assert_eq(stats_of(kind).received, n);
}

/* One that has told a template stays. */
Test(worker_still, an_ipfix_session_without_templates_is_closed)
{
    static const uint8_t data[] = {0, 10, 0, 28, 101, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 12, 10, 0, 0, 1, 10, 0, 0, 2};
    static const uint8_t tmpl[] = {0, 10, 0, 32, 101, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
                                   0, 2,  0, 16, 1,   0, 0, 2, 0, 8, 0, 4, 0, 12, 0, 4};
    int good = connected(SOCK_STREAM, WR_LISTEN_FLOW_TCP), bad = connected(SOCK_STREAM, WR_LISTEN_FLOW_TCP);
    cr_assert_eq(send(good, tmpl, sizeof tmpl, 0), (ssize_t)sizeof tmpl);
    cr_assert_eq(send(good, data, sizeof data, 0), (ssize_t)sizeof data);
    cr_assert_eq(send(bad, data, sizeof data, 0), (ssize_t)sizeof data);
    run_until_received(WR_LISTEN_FLOW_TCP, 3);
    wr_ingest_streams_sweep(&worker);
    cr_assert_eq(stats_of(WR_LISTEN_FLOW_TCP).connections_broken, 0, "it may still tell one");
    struct wr_io later = *wr_io_real();
    later.wall_ns = an_hour_on;
    worker.io = &later;
    wr_ingest_streams_sweep(&worker);
    worker.io = wr_io_real();
    struct wr_listener_stats s = stats_of(WR_LISTEN_FLOW_TCP);
    cr_assert_eq(s.connections_untold, 1);
    cr_assert_eq(s.connections_broken, 1);
    uv_run(&worker.loop, UV_RUN_NOWAIT);
    char byte;
    cr_assert_eq(recv(bad, &byte, 1, 0), 0);
    cr_assert_eq(send(good, data, sizeof data, 0), (ssize_t)sizeof data);
    run_until_received(WR_LISTEN_FLOW_TCP, 4);
    cr_assert_eq(stats_of(WR_LISTEN_FLOW_TCP).decoded, 4);
    close(good);
    close(bad);
}

Test(worker, one_peer_gets_no_more_connections_than_allowed)
{
    int fds[5];
    for (int i = 0; i < 5; i++)
        fds[i] = connected(SOCK_STREAM, WR_LISTEN_SYSLOG_TCP);
    for (int tries = 0; tries < 500; tries++) {
        struct wr_listener_stats s = stats_of(WR_LISTEN_SYSLOG_TCP);
        if (s.connections + s.connections_refused == 5)
            break;
        poll(NULL, 0, 10);
    }
    cr_assert_eq(stats_of(WR_LISTEN_SYSLOG_TCP).connections, 3);
    cr_assert_eq(stats_of(WR_LISTEN_SYSLOG_TCP).connections_refused, 2);
    for (int i = 0; i < 5; i++)
        close(fds[i]);
}

Test(worker, a_full_ring_holds_a_stream_back_and_loses_nothing)
{
    int fd = connected(SOCK_STREAM, WR_LISTEN_SYSLOG_TCP);
    enum { LINES = 100000 }; /* 34 MB: more than ring and socket buffers hold together */
    char line[400];
    int len = snprintf(line, sizeof line, "<34>Oct 11 22:14:15 mymachine su: %0300d\n", 0);
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    uint32_t sent = 0, got = 0;
    size_t in_line = 0;
    bool stalled = false;
    while (sent < LINES) {
        if (!stalled && poll(&p, 1, 1000) == 0)
            stalled = true; /* the worker reads no more: only now something is taken out */
        if (stalled)
            got += drain(wr_input_row(WR_TABLE_SYSLOG));
        ssize_t n = send(fd, line + in_line, (size_t)len - in_line, MSG_DONTWAIT);
        if (n > 0)
            in_line += (size_t)n;
        if (in_line == (size_t)len) {
            in_line = 0;
            sent++;
        }
    }
    while (got < LINES) {
        uint32_t more = take(wr_input_row(WR_TABLE_SYSLOG), 1);
        if (!more)
            break;
        got += more;
    }
    close(fd);
    cr_assert_eq(got, LINES);
    cr_assert(stalled, "the ring was never full: the test shows nothing");
    cr_assert_gt(stats_of(WR_LISTEN_SYSLOG_TCP).paused, 0);
    cr_assert_eq(worker.rows_dropped, 0);
}

Test(worker, datagrams_that_find_the_ring_full_are_counted)
{
    int fd = connected(SOCK_DGRAM, WR_LISTEN_SYSLOG_UDP);
    char line[8000];
    int len = snprintf(line, sizeof line, "<34>Oct 11 22:14:15 mymachine su: %07000d", 0);
    uint64_t sent = 0;
    for (; sent < 2000; sent++) { /* about 14 MB into a ring of 8 MiB */
        cr_assert_eq(send(fd, line, (size_t)len, 0), len);
        if (sent % 50 == 49)
            wait_received(WR_LISTEN_SYSLOG_UDP, sent + 1);
    }
    wait_received(WR_LISTEN_SYSLOG_UDP, 2000);
    uint64_t got = drain(wr_input_row(WR_TABLE_SYSLOG));
    pthread_mutex_lock(&worker.lock);
    uint64_t dropped = worker.rows_dropped;
    pthread_mutex_unlock(&worker.lock);
    cr_assert_gt(dropped, 0);
    cr_assert_eq(got + dropped, 2000);
    close(fd);
}

/* 3 MiB for all streams together (an eighth of `memory`): those that hold most go, their beginning is a row, the others
 * go on. */
Test(worker, the_largest_streams_go_when_all_together_hold_too_much)
{
    static char half[900000];
    enum { LARGE = 5 };
    pthread_mutex_lock(&worker.lock);
    config.memory_bytes = 24 << 20;
    config.max_connections_per_peer = LARGE + 1;
    pthread_mutex_unlock(&worker.lock);
    memset(half, 'x', sizeof half);
    int small = connected(SOCK_STREAM, WR_LISTEN_SYSLOG_TCP), large[LARGE];
    cr_assert_eq(send(small, "begins ", 7, 0), 7);
    for (int i = 0; i < LARGE; i++) {
        large[i] = connected(SOCK_STREAM, WR_LISTEN_SYSLOG_TCP);
        for (size_t at = 0; at < sizeof half;) { /* the reader may close it meanwhile */
            ssize_t n = send(large[i], half + at, sizeof half - at, MSG_NOSIGNAL);
            if (n <= 0)
                break;
            at += (size_t)n;
        }
    }
    for (int tries = 0; tries < 500 && stats_of(WR_LISTEN_SYSLOG_TCP).connections_shed < 1; tries++)
        poll(NULL, 0, 10);
    cr_assert_eq(send(small, "and ends\n", 9, 0), 9);
    for (int tries = 0; tries < 500; tries++) {
        struct wr_listener_stats s = stats_of(WR_LISTEN_SYSLOG_TCP);
        if (s.received > s.connections_shed)
            break;
        poll(NULL, 0, 10);
    }
    struct wr_listener_stats s = stats_of(WR_LISTEN_SYSLOG_TCP);
    cr_assert_geq(s.connections_shed, 1);
    cr_assert_lt(s.connections_shed, LARGE);
    cr_assert_eq(s.connections_broken, s.connections_shed);
    cr_assert_eq(s.received, s.connections_shed + 1, "a row of each that went, and one of the small one");
    cr_assert_eq(s.received, s.decoded + s.rejected);
    cr_assert_leq(atomic_load(&streams.held), 3 << 20);
    for (int i = 0; i < LARGE; i++)
        close(large[i]);
    close(small);
}
