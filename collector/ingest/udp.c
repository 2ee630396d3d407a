#include "collector/ingest/worker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

/* Trains received at one wake-up: enough to empty a full socket buffer soon, few enough that other
 * sockets and the owner's lock get their turn. */
enum { TRAINS = 1024, DRAIN_TRAINS = 262144 };

/* What is received together is decoded while it is still in the core's second cache; a train has up
 * to 64 KiB. */
enum { TOGETHER_BYTES = 192 << 10, TOGETHER_MIN = 2 };

/* A wake-up costs 2 to 3 us, on a virtual machine that had fallen asleep 10 to 40, a datagram 0.15
 * to 0.9. When they come often the socket is left alone for a while, up to LATER_MS, as long as
 * what comes meanwhile leaves most of its buffer free: BUFFER_SHARE of it in payload, which the
 * kernel accounts with up to 4 times as much for small datagrams. */
enum { LATER_MIN_MS = 2, LATER_MS = 10, OFTEN = 8, BUFFER_SHARE = 16 };
static const int64_t OFTEN_NS = 1000000;

/* A datagram of syslog holds one message or, from some relays, several lines; an empty one is a
 * refused message. */
static void give_lines(struct wr_listener *l, const char *peer_text, const char *data, size_t len,
                       int64_t now_ns)
{
    size_t pos = 0, n;
    const char *frame;
    bool any = false;
    while (wr_datagram_next(data, len, &pos, &frame, &n)) {
        wr_worker_line(l, peer_text, frame, n, now_ns);
        any = true;
    }
    if (!any) {
        l->stats.received++;
        l->stats.received_bytes += len;
        wr_worker_reject(l, WR_LINE_REJECT_empty);
    }
}

static void give_syslog(struct wr_listener *l, const struct wr_dgrams *trains, int n, int64_t now_ns)
{
    for (int i = 0; i < n; i++) {
        const struct wr_dgrams *train = &trains[i];
        char text[INET6_ADDRSTRLEN] = "";
        if (IN6_IS_ADDR_V4MAPPED(&train->src.sin6_addr))
            (void)inet_ntop(AF_INET, &train->src.sin6_addr.s6_addr[12], text, sizeof text);
        else
            (void)inet_ntop(AF_INET6, &train->src.sin6_addr, text, sizeof text);
        uint32_t at = 0;
        do { /* an empty datagram is one, too */
            uint32_t len = train->len - at < train->segment ? train->len - at : train->segment;
            give_lines(l, text, (const char *)train->data + at, len, now_ns);
            at += len;
        } while (at < train->len);
    }
}

/* What the decoder will touch for all of them is on its way before the first is decoded. */
static void give_flows(struct wr_listener *l, const struct wr_dgrams *trains, int n, int64_t now_ns)
{
    struct wr_flow_coming coming[WR_UDP_BATCH];
    _Static_assert((int)WR_UDP_BATCH <= (int)WR_FLOW_FORESEEN, "all are foreseen");
    for (int i = 0; i < n; i++) {
        coming[i] = (struct wr_flow_coming){.peer = {.port = ntohs(trains[i].src.sin6_port)},
                                            .data = trains[i].data,
                                            .len = trains[i].len,
                                            .segment = trains[i].segment};
        memcpy(coming[i].peer.addr, &trains[i].src.sin6_addr, 16);
    }
    if (n > 1)
        wr_flow_foresee(l->worker->decoder, coming, (uint32_t)n);
    for (int i = 0; i < n; i++)
        wr_worker_flows(l, &coming[i], now_ns);
}

/* How many trains of so many octets are received at once. */
static int fit_together(uint64_t train_bytes)
{
    uint64_t n = TOGETHER_BYTES / (train_bytes + 1);
    return n > WR_UDP_BATCH ? WR_UDP_BATCH : n < TOGETHER_MIN ? TOGETHER_MIN : (int)n;
}

/* Returns payload octets; *ret_more: the socket may hold more. Flows that rules want leave together
 * at the end, or when there are many: the owner's work on each is less. */
static uint64_t receive(struct wr_listener *l, uint32_t most, bool *ret_more)
{
    struct wr_worker *w = l->worker;
    struct wr_dgrams trains[WR_UDP_BATCH];
    const bool flows = l->at->kind == WR_LISTEN_FLOW_UDP;
    uint64_t bytes = 0;
    uint32_t got = 0;
    bool more = true;
    while (more && got < most) {
        int n = w->io->udp_recv(w->io->ctx, &l->udp, trains, l->together);
        l->stats.kernel_dropped = l->udp.dropped;
        if (n < 0)
            l->stats.receive_errors++;
        more = n == l->together;
        if (n <= 0)
            break;
        int64_t now_ns = w->io->wall_ns(w->io->ctx);
        uint64_t before = bytes;
        for (int i = 0; i < n; i++)
            bytes += trains[i].len;
        if (flows)
            give_flows(l, trains, n, now_ns);
        else
            give_syslog(l, trains, n, now_ns);
        if (w->tee && flows)
            wr_tee_send(w->tee, trains, n);
        if (!flows)
            wr_worker_flush(w);
        wr_worker_tell(w);
        got += (uint32_t)n;
        l->together = fit_together((bytes - before) / (uint64_t)n);
    }
    wr_worker_flush(w);
    wr_worker_tell(w);
    *ret_more = more;
    return bytes;
}

/* How long the socket can be left alone when `bytes` come in `in_ns`; 0: not at all. */
static uint64_t can_wait_ms(const struct wr_listener *l, uint64_t bytes, int64_t in_ns)
{
    uint64_t share = l->udp.receive_buffer / BUFFER_SHARE;
    if (in_ns <= 0 || !bytes)
        return 0;
    uint64_t ms = share * ((uint64_t)in_ns / 1000) / bytes / 1000;
    return ms > LATER_MS ? LATER_MS : ms < LATER_MIN_MS ? 0 : ms;
}

static void on_readable(uv_poll_t *poll, int status, int events);

/* Nothing has come, or too much at a time: at every datagram again. */
static void on_later(uv_timer_t *later)
{
    struct wr_listener *l = later->data;
    const struct wr_io *io = l->worker->io;
    int64_t now_ns = io->mono_ns(io->ctx), since_ns = now_ns - l->woken_ns;
    bool more;
    pthread_mutex_lock(&l->worker->lock);
    uint64_t bytes = receive(l, TRAINS, &more), ms = more ? 0 : can_wait_ms(l, bytes, since_ns);
    l->woken_ns = now_ns;
    if (ms)
        uv_timer_start(later, on_later, ms, 0);
    else
        uv_poll_start(&l->poll, UV_READABLE, on_readable); /* cannot fail: it ran before */
    pthread_mutex_unlock(&l->worker->lock);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct wr_listener *l = poll->data;
    const struct wr_io *io = l->worker->io;
    bool more = true;
    uint64_t bytes = 0;
    int64_t now_ns = io->mono_ns(io->ctx), since_ns = now_ns - l->woken_ns;
    (void)events;
    pthread_mutex_lock(&l->worker->lock);
    if (status < 0)
        l->stats.receive_errors++;
    else
        bytes = receive(l, TRAINS, &more);
    l->woken_ns = now_ns;
    uint64_t ms = since_ns < OFTEN_NS && !more ? can_wait_ms(l, bytes, since_ns) : 0;
    l->often = ms ? l->often + 1 : 0;
    if (l->often == OFTEN) {
        l->often = 0;
        uv_poll_stop(poll);
        uv_timer_start(&l->later, on_later, ms, 0);
    }
    pthread_mutex_unlock(&l->worker->lock);
}

void wr_ingest_udp_drain(struct wr_listener *l)
{
    bool more;
    receive(l, DRAIN_TRAINS, &more);
}

/* A bare port means every address: one IPv6 socket that takes IPv4 too, or IPv4 alone on a kernel
 * without IPv6. */
static int open_any(const struct wr_io *io, struct wr_listener *l)
{
    uint64_t buffer = l->worker->config->receive_buffer_bytes;
    int rc = io->udp_open(io->ctx, &l->at->addr, l->at->addr_len, buffer, &l->udp);
    if (rc != -EAFNOSUPPORT || !l->at->any)
        return rc;
    struct sockaddr_in6 v6;
    memcpy(&v6, &l->at->addr, sizeof v6);
    struct sockaddr_storage v4 = {0};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = v6.sin6_port};
    memcpy(&v4, &in, sizeof in);
    return io->udp_open(io->ctx, &v4, sizeof in, buffer, &l->udp);
}

int wr_ingest_udp_open(struct wr_listener *l)
{
    const struct wr_io *io = l->worker->io;
    l->together = WR_UDP_BATCH;
    int rc = open_any(io, l);
    if (rc != 0)
        return rc;
    rc = uv_poll_init(&l->worker->loop, &l->poll, l->udp.fd);
    if (rc == 0) {
        uv_timer_init(&l->worker->loop, &l->later);
        l->poll.data = l->later.data = l;
        rc = uv_poll_start(&l->poll, UV_READABLE, on_readable);
        if (rc == 0)
            return 0;
        uv_close((uv_handle_t *)&l->poll, NULL);
        uv_close((uv_handle_t *)&l->later, NULL);
    }
    io->udp_close(io->ctx, &l->udp);
    return rc;
}

void wr_ingest_udp_close(struct wr_listener *l)
{
    uv_poll_stop(&l->poll);
    uv_close((uv_handle_t *)&l->poll, NULL);
    uv_close((uv_handle_t *)&l->later, NULL);
    l->worker->io->udp_close(l->worker->io->ctx, &l->udp);
}
