/* The client against a receiver on the same loop that answers, stalls, refuses and drops as a test says. */
#include "alerts.h"
#include "base/hash.h"
#include "collector/sink/forward.h"

#include <openssl/evp.h>
#include <signal.h>

enum answer { ACK, ACK_SPLIT, ACK_OTHER_FIRST, STALL, NACK, DROP, NONSENSE };

static struct {
    uv_tcp_t listener;
    uint16_t port;
    enum answer answer; /* to each chunk; DROP and NACK turn into ACK after `bad` of them */
    int bad;
    bool asks_key, wrong_digest, wrong_key, one_shot;
    int connections, chunks;
    char ids[64][25]; /* chunk ids in the order in which they came */
} server;

struct peer {
    uv_tcp_t tcp;
    struct wr_buf in;
    bool in_session;
    int sent_chunks;
};

static const char *db;
static struct wr_store *store;
static int64_t receiver;
static uv_loop_t loop;
static bool stopped;

static void peer_closed(uv_handle_t *handle)
{
    struct peer *p = handle->data;
    wr_buf_fini(&p->in);
    free(p);
}

static void say(struct peer *p, const void *bytes, size_t n)
{
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)bytes, (unsigned)n);
    uv_try_write((uv_stream_t *)&p->tcp, &buf, 1);
}

static void say_ack(struct peer *p, const char *id)
{
    char ack[30] = "\x81\xa3"
                   "ack\xb8";
    memcpy(ack + 6, id, 24);
    say(p, ack, 30);
}

static void answer(struct peer *p, const char *id)
{
    enum answer how = server.answer;
    if (how != ACK && how != ACK_SPLIT && how != ACK_OTHER_FIRST && how != STALL && server.bad-- <= 0)
        how = ACK;
    switch (how) {
    case ACK_OTHER_FIRST:
        say_ack(p, "EBESExQVFhcYGRobHB0eHw==");
        say_ack(p, id);
        break;
    case ACK:
        say_ack(p, id);
        break;
    case ACK_SPLIT: {
        char ack[30] = "\x81\xa3"
                       "ack\xb8";
        memcpy(ack + 6, id, 24);
        for (int i = 0; i < 30; i++)
            say(p, ack + i, 1);
        break;
    }
    case NACK:
        say(p, "\x80", 1);
        break;
    case NONSENSE:
        say(p, "HTTP/1.1 400 Bad Request\r\n", 26);
        break;
    case DROP:
        uv_close((uv_handle_t *)&p->tcp, peer_closed);
        break;
    case STALL:
        break;
    }
}

static void digest(const char *salt, const char *host, char *out)
{
    uint8_t md[64];
    char text[256];
    int n = snprintf(text, sizeof text, "%.32s%s%.16s%s", salt, host, "0123456789abcdef",
                     server.wrong_digest ? "other" : "secret");
    EVP_Digest(text, (size_t)n, md, NULL, EVP_sha512(), NULL);
    wr_hex(md, 64, out);
}

static void handshake(struct peer *p)
{
    /* ["PING", "weir-1", salt (str 8, 32), ...]; 96 a450494e47 a6776569722d31 d920 */
    if (p->in.len < 179)
        return;
    char want[129], pong[400] = "\x95\xa4PONG\xc3\xa0\xa5"
                                "agg-1\xd9\x80";
    digest(p->in.data + 15, "weir-1", want);
    bool good = server.wrong_digest || memcmp(p->in.data + 49, want, 128) == 0;
    if (!good || server.wrong_key) {
        say(p, "\x95\xa4PONG\xc2\xaano entry\x1b!\xa0\xa0", 20);
        return;
    }
    digest(p->in.data + 15, "agg-1", pong + 16);
    say(p, pong, 16 + 128);
    p->in_session = true;
    p->in.len = 0;
}

static void on_bytes(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct peer *p = stream->data;
    if (n > 0)
        wr_buf_add(&p->in, buf->base, (size_t)n);
    free(buf->base);
    if (n < 0) {
        uv_close((uv_handle_t *)stream, peer_closed);
        return;
    }
    if (!p->in_session) {
        handshake(p);
        return;
    }
    char *at;
    while (!uv_is_closing((uv_handle_t *)stream) && (at = memmem(p->in.data, p->in.len, "chunk\xb8", 6)) &&
           (size_t)(at - p->in.data) + 30 <= p->in.len) {
        char id[25] = "";
        memcpy(id, at + 6, 24);
        if (server.chunks < 64)
            memcpy(server.ids[server.chunks], id, 25);
        server.chunks++;
        cr_expect(p->in.len > 11 && memcmp(p->in.data, "\x93\xaaweir.alert", 12) == 0);
        size_t used = (size_t)(at - p->in.data) + 30;
        p->in.len -= used;
        memmove(p->in.data, p->in.data + used, p->in.len);
        cr_expect(!(server.one_shot && p->sent_chunks++));
        answer(p, id);
    }
}

static void room(uv_handle_t *handle, size_t n, uv_buf_t *buf)
{
    (void)handle;
    *buf = uv_buf_init(malloc(n), (unsigned)n);
}

static void on_peer(uv_stream_t *listener, int status)
{
    cr_assert_eq(status, 0);
    struct peer *p = calloc(1, sizeof *p);
    uv_tcp_init(listener->loop, &p->tcp);
    p->tcp.data = p;
    uv_accept(listener, (uv_stream_t *)&p->tcp);
    server.connections++;
    p->in_session = !server.asks_key;
    char helo[] = "\x92\xa4HELO\x83\xa5nonce\xb0"
                  "0123456789abcdef\xa4"
                  "auth\xa0\xa9keepalive\xc3";
    if (server.asks_key) {
        helo[sizeof helo - 2] = server.one_shot ? '\xc2' : '\xc3';
        say(p, helo, sizeof helo - 1);
    }
    uv_read_start((uv_stream_t *)&p->tcp, room, on_bytes);
}

static void listen_on(uint16_t port)
{
    struct sockaddr_in addr;
    int len = sizeof addr;
    uv_ip4_addr("127.0.0.1", port, &addr);
    uv_tcp_init(&loop, &server.listener);
    cr_assert_eq(uv_tcp_bind(&server.listener, (struct sockaddr *)&addr, 0), 0);
    cr_assert_eq(uv_listen((uv_stream_t *)&server.listener, 8, on_peer), 0);
    uv_tcp_getsockname(&server.listener, (struct sockaddr *)&addr, &len);
    server.port = ntohs(addr.sin_port);
}

static void setup(void)
{
    signal(SIGPIPE, SIG_IGN);
    db = temp_path("alerts.db");
    store = store_at(db);
    const char *const names[] = {"agg"};
    cr_assert_eq(wr_store_receivers(store, names, 1, &receiver), WR_OK);
    uv_loop_init(&loop);
    listen_on(0);
}

static void close_any(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, handle->data && handle != (uv_handle_t *)&server.listener ? peer_closed : NULL);
}

static void teardown(void)
{
    uv_walk(&loop, close_any, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    cr_expect_eq(uv_loop_close(&loop), 0);
    wr_store_close(store);
    temp_remove(db);
}

TestSuite(forward, .init = setup, .fini = teardown);

static struct wr_sink *client(struct wr_forward_opts opts)
{
    const char *error = NULL;
    opts.host = opts.host ? opts.host : "127.0.0.1";
    opts.port = opts.port ? opts.port : server.port;
    opts.backoff_min_ms = 10;
    opts.backoff_max_ms = 40;
    opts.self_hostname = "weir-1";
    struct wr_sink *sink = wr_forward_new(&loop, store, receiver, &opts, &error);
    cr_assert(sink, "%s", error);
    return sink;
}

static struct wr_sink_stats stats_of(struct wr_sink *sink)
{
    struct wr_sink_stats stats;
    wr_sink_stats(sink, &stats);
    return stats;
}

/* Runs the loop until `n` alerts are acknowledged, or for 5 s. */
static void run_until(struct wr_sink *sink, uint64_t n)
{
    uint64_t end = uv_hrtime() + UINT64_C(5000000000);
    while (stats_of(sink).acknowledged < n && uv_hrtime() < end)
        uv_run(&loop, UV_RUN_NOWAIT);
    cr_expect_eq(stats_of(sink).acknowledged, n, "%s", stats_of(sink).last_error);
    cr_expect_eq(stats_of(sink).pending, 0);
}

/* ... or until `n` errors were counted. */
static void run_until_errors(struct wr_sink *sink, uint64_t n)
{
    uint64_t end = uv_hrtime() + UINT64_C(5000000000);
    while (stats_of(sink).errors < n && uv_hrtime() < end)
        uv_run(&loop, UV_RUN_NOWAIT);
    cr_expect(stats_of(sink).errors >= n);
}

static void on_stopped(struct wr_sink *sink, void *arg)
{
    *(bool *)arg = true;
    wr_sink_free(sink);
}

static void stop(struct wr_sink *sink, uint64_t flush_ms)
{
    uint64_t end = uv_hrtime() + UINT64_C(5000000000);
    wr_sink_stop(sink, flush_ms, on_stopped, &stopped);
    while (!stopped && uv_hrtime() < end)
        uv_run(&loop, UV_RUN_NOWAIT);
    cr_expect(stopped);
}

Test(forward, alerts_before_and_after_the_start_are_acknowledged)
{
    put_alerts(store, 1, 5);
    struct wr_sink *sink = client((struct wr_forward_opts){.chunk_alerts = 2});
    run_until(sink, 5);
    cr_expect_eq(server.chunks, 3);
    put_alerts(store, 6, 3);
    wr_sink_wake(sink);
    run_until(sink, 8);
    struct wr_sink_stats stats = stats_of(sink);
    cr_expect_eq(stats.sent, 8);
    cr_expect_eq(stats.retried, 0);
    cr_expect(stats.connected);
    cr_expect_eq(server.connections, 1);
    stop(sink, 1000);
}

Test(forward, split_and_foreign_acknowledgements)
{
    server.answer = ACK_SPLIT;
    put_alerts(store, 1, 3);
    struct wr_sink *sink = client((struct wr_forward_opts){.chunk_alerts = 1});
    run_until(sink, 3);
    server.answer = ACK_OTHER_FIRST;
    put_alerts(store, 4, 1);
    wr_sink_wake(sink);
    run_until(sink, 4);
    cr_expect_eq(stats_of(sink).unknown_acks, 1);
    stop(sink, 1000);
}

Test(forward, a_silent_receiver_gets_the_same_chunk_again)
{
    server.answer = STALL;
    put_alerts(store, 1, 4);
    struct wr_sink *sink = client((struct wr_forward_opts){.chunk_alerts = 2, .ack_timeout_ms = 50});
    run_until_errors(sink, 2);
    cr_expect(strstr(stats_of(sink).last_error, "no acknowledgement in time"));
    server.answer = ACK;
    run_until(sink, 4);
    cr_expect(server.connections >= 3);
    cr_expect_str_eq(server.ids[0], server.ids[2]); /* same bytes, same id */
    cr_expect_str_eq(server.ids[1], server.ids[3]);
    cr_expect(stats_of(sink).retried >= 4);
    stop(sink, 1000);
}

static void expect_recovery(enum answer how, const char *error)
{
    server.answer = how;
    server.bad = 2;
    put_alerts(store, 1, 6);
    struct wr_sink *sink = client((struct wr_forward_opts){.chunk_alerts = 2});
    run_until_errors(sink, 1);
    cr_expect(strstr(stats_of(sink).last_error, error), "%s", stats_of(sink).last_error);
    run_until(sink, 6);
    cr_expect(server.connections >= 2);
    stop(sink, 1000);
}

Test(forward, a_dropped_connection_is_made_again)
{
    expect_recovery(DROP, "closed the connection");
}

Test(forward, an_empty_acknowledgement_sends_again)
{
    expect_recovery(NACK, "could not take a chunk");
}

Test(forward, nonsense_ends_the_connection)
{
    expect_recovery(NONSENSE, "no Forward message");
}

Test(forward, shared_key)
{
    server.asks_key = true;
    put_alerts(store, 1, 2);
    struct wr_sink *sink = client((struct wr_forward_opts){.shared_key = "secret"});
    run_until(sink, 2);
    stop(sink, 1000);
}

Test(forward, one_message_a_connection_when_the_receiver_says_so)
{
    server.asks_key = server.one_shot = true;
    put_alerts(store, 1, 6);
    struct wr_sink *sink = client((struct wr_forward_opts){.shared_key = "secret", .chunk_alerts = 2});
    run_until(sink, 6);
    cr_expect(server.connections >= 3);
    cr_expect_eq(stats_of(sink).errors, 0);
    stop(sink, 1000);
}

static void expect_no_entry(const char *key, const char *error)
{
    put_alerts(store, 1, 2);
    struct wr_sink *sink = client((struct wr_forward_opts){.shared_key = key, .connect_timeout_ms = 50});
    run_until_errors(sink, 2);
    cr_expect(strstr(stats_of(sink).last_error, error), "%s", stats_of(sink).last_error);
    cr_expect_eq(server.chunks, 0); /* nothing is told to a stranger */
    cr_expect_eq(stats_of(sink).pending, 2);
    stop(sink, 20);
}

Test(forward, a_receiver_that_does_not_know_the_key_gets_nothing)
{
    server.asks_key = server.wrong_digest = true;
    expect_no_entry("secret", "does not know the shared key");
}

Test(forward, a_refusal_is_told_safely)
{
    server.asks_key = server.wrong_key = true;
    expect_no_entry("secret", "handshake refused: no entry\\x1b");
}

Test(forward, a_receiver_without_security_never_says_helo)
{
    expect_no_entry("secret", "no HELO in time");
}

Test(forward, a_key_that_is_asked_for_and_not_set_is_said)
{
    server.asks_key = true;
    struct wr_sink *sink = client((struct wr_forward_opts){0});
    run_until_errors(sink, 1);
    cr_expect(strstr(stats_of(sink).last_error, "asks for a shared key"));
    stop(sink, 20);
}

Test(forward, without_acknowledgement_written_is_delivered)
{
    put_alerts(store, 1, 5);
    struct wr_sink *sink = client((struct wr_forward_opts){.no_ack = true, .chunk_alerts = 2});
    run_until(sink, 5);
    cr_expect_eq(server.chunks, 0); /* no chunk id was sent */
    stop(sink, 1000);
}

Test(forward, nobody_listens_then_somebody_does)
{
    uint16_t port = server.port;
    uv_close((uv_handle_t *)&server.listener, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
    put_alerts(store, 1, 2);
    struct wr_sink *sink = client((struct wr_forward_opts){.port = port});
    run_until_errors(sink, 3);
    cr_expect(strstr(stats_of(sink).last_error, "cannot connect: connection refused"));
    cr_expect_not(stats_of(sink).connected);
    listen_on(port);
    run_until(sink, 2);
    stop(sink, 1000);
}

Test(forward, stopping_flushes_what_is_there)
{
    put_alerts(store, 1, 5);
    struct wr_sink *sink = client((struct wr_forward_opts){.chunk_alerts = 1});
    stop(sink, 3000); /* at once, before the connection is made */
    uint64_t pending;
    cr_assert_eq(wr_store_pending(store, receiver, &pending), WR_OK);
    cr_expect_eq(pending, 0);
}

Test(forward, stopping_does_not_wait_for_a_silent_receiver)
{
    server.answer = STALL;
    put_alerts(store, 1, 5);
    uint64_t start = uv_hrtime();
    stop(client((struct wr_forward_opts){0}), 100);
    cr_expect(uv_hrtime() - start < UINT64_C(2000000000));
    uint64_t pending;
    cr_assert_eq(wr_store_pending(store, receiver, &pending), WR_OK);
    cr_expect_eq(pending, 5);
}

Test(forward, options_that_cannot_be_right_are_refused)
{
    const char *error;
    struct wr_forward_opts none = {0}, user = {.host = "h", .username = "u"},
                           ca = {.host = "h", .ca_file = "x"};
    cr_expect_null(wr_forward_new(&loop, store, receiver, &none, &error));
    cr_expect(strstr(error, "host"));
    cr_expect_null(wr_forward_new(&loop, store, receiver, &user, &error));
    cr_expect(strstr(error, "shared_key"));
    cr_expect_null(wr_forward_new(&loop, store, receiver, &ca, &error));
    cr_expect(strstr(error, "tls: true"));
}

Test(forward, a_name_without_an_address_is_said)
{
    struct wr_sink *sink = client((struct wr_forward_opts){.host = "no-such-host.invalid"});
    run_until_errors(sink, 1);
    cr_expect(strstr(stats_of(sink).last_error, "resolve"), "%s", stats_of(sink).last_error);
    stop(sink, 20);
}
