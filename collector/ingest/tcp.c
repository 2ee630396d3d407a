/* Streams: IPFIX over TCP, syslog over TCP. Bytes gather in the stream's buffer until they hold a whole
 * message; what is whole is decoded at once. When the ring has little room the stream is not read: TCP itself
 * then holds the sender back, and nothing that was received is lost. */
#include "collector/ingest/worker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    READ_BYTES = 65536,
    MAX_FRAME = 1 << 20,
    /* A frame's rows are never larger than a few times the frame. Below this room nothing more is decoded. */
    RING_RESERVE = 3 << 20,
    FLUSH_BYTES = 1 << 19,
    HALF_FRAME_MS = 300000
};

struct wr_stream {
    struct wr_listener *listener;
    struct wr_stream *next, *prev;
    uv_tcp_t tcp;
    struct wr_flow_peer peer;
    char peer_text[INET6_ADDRSTRLEN];
    struct wr_framing framing;
    struct wr_buf buf; /* bytes from `at` on are not consumed */
    size_t at;
    uint64_t progress_ms; /* loop time of the last whole message */
    bool paused, closing, eof;
};

static bool is_flow(const struct wr_stream *s)
{
    return s->listener->at->kind == WR_LISTEN_FLOW_TCP;
}

static void add_framing(struct wr_framing *sum, const struct wr_framing *f)
{
#define X(name) sum->stats.name += f->stats.name;
    WR_FRAMING_COUNTERS(X)
#undef X
}

static void on_closed(uv_handle_t *handle)
{
    struct wr_stream *s = handle->data;
    struct wr_worker *w = s->listener->worker;
    if (s->prev)
        s->prev->next = s->next;
    else
        w->streams = s->next;
    if (s->next)
        s->next->prev = s->prev;
    w->nstreams--;
    atomic_fetch_sub(w->open_streams, 1);
    add_framing(&w->framing_total, &s->framing);
    wr_buf_fini(&s->buf);
    free(s);
}

static void on_closed_locked(uv_handle_t *handle)
{
    struct wr_stream *s = handle->data;
    struct wr_worker *w = s->listener->worker;
    pthread_mutex_lock(&w->lock);
    on_closed(handle);
    pthread_mutex_unlock(&w->lock);
}

static void stream_close(struct wr_stream *s)
{
    if (s->closing)
        return;
    s->closing = true;
    if (is_flow(s))
        wr_flow_session_end(s->listener->worker->decoder, &s->peer);
    uv_close((uv_handle_t *)&s->tcp, on_closed_locked);
}

static void stream_broken(struct wr_stream *s)
{
    s->listener->stats.connections_broken++;
    stream_close(s);
}

/* One message off the front of the buffer. Returns the bytes used, 0 = more are needed. */
static size_t take_message(struct wr_stream *s, int64_t now_ns)
{
    const char *data = s->buf.data + s->at;
    size_t len = s->buf.len - s->at;
    if (is_flow(s)) {
        int32_t n = wr_flow_frame((const uint8_t *)data, len);
        if (n < 0) {
            stream_broken(s); /* no way to find the next message in a stream that is not IPFIX */
            return 0;
        }
        if (n == 0 || (size_t)n > len)
            return 0;
        wr_worker_flow(s->listener, &s->peer, (const uint8_t *)data, (size_t)n, now_ns);
        return (size_t)n;
    }
    const char *frame;
    size_t frame_len;
    size_t used = wr_framing_next(&s->framing, data, len, s->eof, &frame, &frame_len);
    if (used && frame)
        wr_worker_line(s->listener, s->peer_text, frame, frame_len, now_ns);
    return used;
}

static void compact(struct wr_stream *s)
{
    if (s->at == 0)
        return;
    memmove(s->buf.data, s->buf.data + s->at, s->buf.len - s->at);
    s->buf.len -= s->at;
    s->at = 0;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf);
static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);

static bool read_on(struct wr_stream *s)
{
    int rc = uv_read_start((uv_stream_t *)&s->tcp, on_alloc, on_read);
    return rc == 0 || rc == UV_EALREADY;
}

/* Works through what the buffer holds; stops and waits for room in the ring. */
static void process(struct wr_stream *s)
{
    struct wr_worker *w = s->listener->worker;
    int64_t now_ns = w->io->wall_ns(w->io->ctx);
    size_t since_flush = FLUSH_BYTES; /* look at the ring before the first message, too */
    s->paused = false;
    while (s->at < s->buf.len && !s->closing) {
        if (since_flush >= FLUSH_BYTES) {
            wr_worker_flush(w);
            since_flush = 0;
            if (wr_ring_room(w->ring) < RING_RESERVE) {
                s->paused = true;
                s->listener->stats.paused++;
                break;
            }
        }
        size_t used = take_message(s, now_ns);
        if (used == 0)
            break;
        s->at += used;
        since_flush += used;
        s->progress_ms = uv_now(&w->loop);
    }
    wr_worker_flush(w);
    compact(s);
    if (s->closing)
        return;
    if (s->paused) {
        uv_read_stop((uv_stream_t *)&s->tcp);
        wr_worker_resume_later(w);
    } else if (s->eof || !read_on(s)) {
        stream_close(s);
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct wr_stream *s = handle->data;
    (void)suggested;
    char *room = s->buf.len < MAX_FRAME + READ_BYTES ? wr_buf_room(&s->buf, READ_BYTES) : NULL;
    *buf = uv_buf_init(room, room ? READ_BYTES : 0);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct wr_stream *s = stream->data;
    struct wr_worker *w = s->listener->worker;
    (void)buf;
    if (n == 0 || s->closing)
        return;
    pthread_mutex_lock(&w->lock);
    if (n == UV_EOF) {
        s->eof = true; /* an unfinished syslog frame is delivered, an unfinished IPFIX message is not */
        uv_read_stop(stream);
        process(s);
    } else if (n < 0) {
        stream_broken(s);
    } else {
        s->buf.len += (size_t)n;
        process(s);
    }
    wr_worker_tell(w);
    pthread_mutex_unlock(&w->lock);
}

void wr_ingest_streams_resume(struct wr_worker *worker)
{
    for (struct wr_stream *s = worker->streams; s; s = s->next) {
        if (!s->paused || s->closing)
            continue;
        if (wr_ring_room(worker->ring) >= RING_RESERVE)
            process(s);
        else
            wr_worker_resume_later(worker);
    }
}

/* Half a message for five minutes is a stalled or hostile sender; silence between messages is not. */
void wr_ingest_streams_sweep(struct wr_worker *worker)
{
    uint64_t now = uv_now(&worker->loop);
    for (struct wr_stream *s = worker->streams; s; s = s->next)
        if (!s->closing && !s->paused && s->buf.len > s->at && now - s->progress_ms > HALF_FRAME_MS)
            stream_broken(s);
}

void wr_ingest_streams_close(struct wr_worker *worker)
{
    for (struct wr_stream *s = worker->streams; s; s = s->next)
        stream_close(s);
}

void wr_ingest_framing_sum(const struct wr_worker *worker, struct wr_framing *ret_sum)
{
    add_framing(ret_sum, &worker->framing_total);
    for (const struct wr_stream *s = worker->streams; s; s = s->next)
        add_framing(ret_sum, &s->framing);
}

/* Address of the other end, as sockets and as text give it. */
static bool learn_peer(struct wr_stream *s)
{
    struct sockaddr_storage addr;
    int len = sizeof addr;
    if (uv_tcp_getpeername(&s->tcp, (struct sockaddr *)&addr, &len) != 0)
        return false;
    struct sockaddr_in6 v6 = {0};
    if (addr.ss_family == AF_INET6) {
        memcpy(&v6, &addr, sizeof v6);
    } else {
        struct sockaddr_in v4;
        memcpy(&v4, &addr, sizeof v4);
        v6.sin6_port = v4.sin_port;
        v6.sin6_addr.s6_addr[10] = v6.sin6_addr.s6_addr[11] = 0xff;
        memcpy(&v6.sin6_addr.s6_addr[12], &v4.sin_addr, 4);
    }
    memcpy(s->peer.addr, &v6.sin6_addr, 16);
    s->peer.port = ntohs(v6.sin6_port);
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr))
        (void)inet_ntop(AF_INET, &v6.sin6_addr.s6_addr[12], s->peer_text, sizeof s->peer_text);
    else
        (void)inet_ntop(AF_INET6, &v6.sin6_addr, s->peer_text, sizeof s->peer_text);
    return true;
}

/* False when this peer or all peers together have too many connections. */
static bool within_limits(const struct wr_stream *s)
{
    const struct wr_worker *w = s->listener->worker;
    if (atomic_load(w->open_streams) > (int)w->config->max_connections)
        return false;
    uint32_t same = 0;
    for (const struct wr_stream *o = w->streams; o; o = o->next)
        same += memcmp(o->peer.addr, s->peer.addr, 16) == 0;
    return same <= w->config->max_connections_per_peer;
}

static void accept_stream(struct wr_listener *l)
{
    struct wr_worker *w = l->worker;
    struct wr_stream *s = calloc(1, sizeof *s);
    if (!s)
        return;
    s->listener = l;
    s->framing.max_frame = MAX_FRAME;
    uv_tcp_init(&w->loop, &s->tcp);
    s->tcp.data = s;
    s->next = w->streams;
    if (s->next)
        s->next->prev = s;
    w->streams = s;
    w->nstreams++;
    atomic_fetch_add(w->open_streams, 1);
    s->peer.session = (uint64_t)(w->index + 1) << 48 | ++w->next_session;
    s->progress_ms = uv_now(&w->loop);
    if (uv_accept((uv_stream_t *)&l->tcp, (uv_stream_t *)&s->tcp) != 0 || !learn_peer(s) ||
        !within_limits(s) || !read_on(s)) {
        l->stats.connections_refused++;
        stream_close(s);
        return;
    }
    l->stats.connections++;
}

static void on_connection(uv_stream_t *server, int status)
{
    struct wr_listener *l = server->data;
    pthread_mutex_lock(&l->worker->lock);
    if (status < 0)
        l->stats.receive_errors++;
    else
        accept_stream(l);
    pthread_mutex_unlock(&l->worker->lock);
}

static int bound_fd(struct wr_listener *l)
{
    const struct wr_io *io = l->worker->io;
    int fd = io->tcp_listen(io->ctx, &l->at->addr, l->at->addr_len);
    if (fd != -EAFNOSUPPORT || !l->at->any)
        return fd;
    struct sockaddr_in6 v6;
    memcpy(&v6, &l->at->addr, sizeof v6);
    struct sockaddr_storage v4 = {0};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = v6.sin6_port};
    memcpy(&v4, &in, sizeof in);
    return io->tcp_listen(io->ctx, &v4, sizeof in);
}

int wr_ingest_tcp_open(struct wr_listener *l)
{
    int fd = bound_fd(l);
    if (fd < 0)
        return fd;
    int rc = uv_tcp_init(&l->worker->loop, &l->tcp);
    if (rc != 0) {
        close(fd);
        return rc;
    }
    l->tcp.data = l;
    rc = uv_tcp_open(&l->tcp, fd);
    if (rc != 0)
        close(fd);
    else
        rc = uv_listen((uv_stream_t *)&l->tcp, 511, on_connection);
    if (rc != 0)
        uv_close((uv_handle_t *)&l->tcp, NULL);
    return rc;
}

void wr_ingest_tcp_close(struct wr_listener *l)
{
    uv_close((uv_handle_t *)&l->tcp, NULL);
}
