/* Two workers on loopback under a flood of datagrams and streams, while the owner's thread empties their
 * rings, reads their counters, saves their templates and changes what rules want: for the thread sanitizer,
 * and every message is accounted for. */
#include "collector/ingest/worker.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WORKERS = 2, SENDERS = 4, LINES = 5000 };

static struct wr_config config;
static struct wr_worker workers[WORKERS];
static uv_loop_t loop;
static uv_async_t owner;
static struct wr_streams streams;
static uint16_t port;

static const char line[] = "{\"category\":\"AdvancedHunting-DeviceNetworkEvents\",\"properties\":{"
                           "\"Timestamp\":\"2026-01-05T08:00:12Z\","
                           "\"DeviceName\":\"ws\",\"ActionType\":\"ConnectionSuccess\",\"Protocol\":\"Tcp\","
                           "\"LocalIP\":\"10.20.0.1\","
                           "\"LocalPort\":38039,\"RemoteIP\":\"203.0.113.1\",\"RemotePort\":587}}\n";

static void on_owner(uv_async_t *async)
{
    (void)async;
}

static int connected(int type)
{
    int fd = socket(AF_INET, type, 0);
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        abort();
    return fd;
}

/* Streams lose nothing; datagrams may. */
static void *send_stream(void *arg)
{
    (void)arg;
    int fd = connected(SOCK_STREAM), dgram = connected(SOCK_DGRAM);
    for (int i = 0; i < LINES; i++) {
        for (size_t at = 0; at < sizeof line - 1;) {
            ssize_t n = send(fd, line + at, sizeof line - 1 - at, MSG_NOSIGNAL);
            if (n <= 0)
                abort();
            at += (size_t)n;
        }
        if (i % 8 == 0)
            (void)send(dgram, line, sizeof line - 1, 0); /* refused or dropped: not this test's matter */
    }
    close(fd);
    close(dgram);
    return NULL;
}

static uint64_t take(struct wr_worker *w)
{
    uint64_t n = 0;
    struct wr_input in;
    while (wr_ring_peek(w->ring, &in)) {
        n += in.type == wr_input_row(WR_TABLE_DEVICE_NETWORK_EVENTS);
        wr_ring_pop(w->ring);
    }
    return n;
}

/* Streams' messages received by all workers. */
static uint64_t received(enum wr_listen_kind kind, uint64_t *ret_sent, uint64_t *ret_dropped)
{
    uint64_t n = 0;
    *ret_sent = *ret_dropped = 0;
    for (int i = 0; i < WORKERS; i++) {
        struct wr_worker *w = &workers[i];
        pthread_mutex_lock(&w->lock);
        for (uint32_t l = 0; l < w->nlisteners; l++)
            if (w->listeners[l].at->kind == kind)
                n += w->listeners[l].stats.received;
        *ret_sent += w->rows_sent;
        *ret_dropped += w->rows_dropped;
        pthread_mutex_unlock(&w->lock);
    }
    return n;
}

static void start(struct wr_wants *wants)
{
    static char address[32];
    struct wr_buf error = {0};
    uv_loop_init(&loop);
    uv_async_init(&loop, &owner, on_owner);
    if (!wr_config_init(&config))
        abort();
    config.workers = WORKERS;
    for (int kind = 0; kind < WR_LISTEN_NKINDS; kind++)
        wr_config_unlisten(&config, (enum wr_listen_kind)kind);
    port = (uint16_t)(20000 + getpid() % 20000);
    snprintf(address, sizeof address, "127.0.0.1:%u", port);
    if (wr_config_listen(&config, WR_LISTEN_SYSLOG_UDP, address) ||
        wr_config_listen(&config, WR_LISTEN_SYSLOG_TCP, address))
        abort();
    for (uint32_t i = 0; i < WORKERS; i++) {
        if (wr_worker_init(&workers[i], wr_io_real(), &config, i, wants, &owner, &streams, &error) != WR_OK ||
            wr_worker_start(&workers[i]) != WR_OK) {
            fprintf(stderr, "%.*s\n", (int)error.len, error.data);
            exit(1);
        }
    }
}

int main(void)
{
    static struct wr_branch every_row;
    struct wr_wants wants = {.conn = true};
    wants.events = (struct wr_scan){.table = WR_TABLE_DEVICE_NETWORK_EVENTS, .branches = &every_row, .nbranches = 1};
    wants.records = wants.events;
    wants.event_cols = wr_colset_all(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS));
    pthread_t senders[SENDERS];
    start(&wants);
    for (int i = 0; i < SENDERS; i++)
        if (pthread_create(&senders[i], NULL, send_stream, NULL) != 0)
            return 1;
    uint64_t taken = 0, sent = 0, dropped = 0;
    for (int round = 0; round < 20000 && received(WR_LISTEN_SYSLOG_TCP, &sent, &dropped) < SENDERS * LINES;
         round++) {
        struct wr_buf saved = {0};
        for (int i = 0; i < WORKERS; i++) {
            taken += take(&workers[i]);
            if (round % 50)
                continue;
            pthread_mutex_lock(&workers[i].lock);
            wr_flow_decoder_save(workers[i].decoder, &saved);
            pthread_mutex_unlock(&workers[i].lock);
            if (wr_worker_wants(&workers[i], &wants) != WR_OK)
                return 1;
        }
        wr_buf_fini(&saved);
        usleep(1000);
    }
    for (int i = 0; i < SENDERS; i++)
        pthread_join(senders[i], NULL);
    for (int i = 0; i < WORKERS; i++)
        wr_worker_stop(&workers[i]);
    for (int i = 0; i < WORKERS; i++)
        while (!atomic_load(&workers[i].finished))
            usleep(1000);
    uint64_t streamed = received(WR_LISTEN_SYSLOG_TCP, &sent, &dropped);
    for (int i = 0; i < WORKERS; i++) {
        taken += take(&workers[i]);
        wr_worker_fini(&workers[i]);
    }
    uv_close((uv_handle_t *)&owner, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    wr_config_fini(&config);
    printf("%llu stream messages, %llu rows sent, %llu taken, %llu dropped\n", (unsigned long long)streamed,
           (unsigned long long)sent, (unsigned long long)taken, (unsigned long long)dropped);
    return streamed == SENDERS * LINES && sent == taken ? 0 : 1;
}
