/* Streams: IPFIX and syslog over TCP and TLS, Fluent Forward, standard input. Bytes gather in the stream's buffer until they hold a whole
 * message; what is whole is decoded at once. When the ring has little room the stream is not read: TCP itself
 * then holds the sender back, and nothing that was received is lost. */
#include "collector/ingest/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    INBOX_BYTES = 4 * WR_STREAM_READ_BYTES, /* read at once when no large message is under way */
    /* A frame's rows are never larger than a few times the frame. Below this room nothing more is decoded. */
    RING_RESERVE = 3 << 20,
    FLUSH_BYTES = 1 << 19,
    HALF_FRAME_MS = 300000,
    UNSENT_MAX = 1 << 16, /* bytes that a Forward or TLS client does not read */
    HANDSHAKE_MS = 10000
};

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
    w->held -= s->held;
    atomic_fetch_sub(&w->all_streams->held, s->held);
    atomic_fetch_sub(&w->all_streams->open, 1);
    add_framing(&w->framing_total, &s->framing);
    wr_forward_conn_free(s->forward);
    wr_buf_fini(&s->buf);
    wr_buf_fini(&s->cipher);
    wr_buf_fini(&s->greeting);
    wr_tls_free(s->tls);
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
    if (s->tls) { /* best effort: the handle goes, whatever was not sent with it */
        struct wr_buf bye = {0};
        wr_tls_end(s->tls);
        wr_tls_take(s->tls, &bye);
        uv_buf_t buf = uv_buf_init(bye.data, (unsigned)bye.len);
        if (bye.len)
            (void)uv_try_write((uv_stream_t *)&s->tcp, &buf, 1);
        wr_buf_fini(&bye);
    }
    if (wr_stream_is_flow(s))
        wr_flow_session_end(s->listener->worker->decoder, &s->peer);
    if (s->listener->at->kind == WR_LISTEN_STDIN) {
        atomic_store(&s->listener->worker->input_ended, true);
        uv_async_send(s->listener->worker->owner);
    }
    uv_close((uv_handle_t *)&s->tcp, on_closed_locked);
}

void wr_stream_broken(struct wr_stream *s)
{
    s->listener->stats.connections_broken++;
    stream_close(s);
}

/* ---- answers ---- */

struct write {
    uv_write_t req;
    struct wr_buf bytes;
};

static void on_written(uv_write_t *req, int status)
{
    struct write *w = (struct write *)req;
    (void)status; /* a connection that is gone shows when it is read */
    wr_buf_fini(&w->bytes);
    free(w);
}

void wr_stream_answer(struct wr_stream *s, struct wr_buf *bytes)
{
    struct write *w = bytes->len && !bytes->err ? calloc(1, sizeof *w) : NULL;
    if (!w) {
        wr_buf_fini(bytes);
        return;
    }
    w->bytes = *bytes;
    *bytes = (struct wr_buf){0};
    uv_buf_t buf = uv_buf_init(w->bytes.data, (unsigned)w->bytes.len);
    if (uv_write(&w->req, (uv_stream_t *)&s->tcp, &buf, 1, on_written) != 0)
        on_written(&w->req, -1);
    else if (uv_stream_get_write_queue_size((uv_stream_t *)&s->tcp) > UNSENT_MAX)
        wr_stream_broken(s);
}

/* One message off the front of the buffer. Returns the bytes used, 0 = more are needed. */
static size_t take_message(struct wr_stream *s, int64_t now_ns)
{
    const char *data = s->buf.data + s->at;
    size_t len = s->buf.len - s->at;
    if (wr_stream_is_flow(s)) {
        int32_t n = wr_flow_frame((const uint8_t *)data, len);
        if (n < 0) {
            wr_stream_broken(s); /* no way to find the next message in a stream that is not IPFIX */
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
    if (s->buf.len == 0 && s->buf.cap > 2 * (WR_STREAM_MAX_FRAME + WR_STREAM_READ_BYTES))
        wr_buf_fini(&s->buf);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf);
static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);

/* A piece at each turn of the loop, between what sockets have. */
static void on_file(uv_idle_t *idle)
{
    struct wr_stream *s = idle->data;
    uv_buf_t buf;
    on_alloc((uv_handle_t *)idle, WR_STREAM_READ_BYTES, &buf);
    ssize_t n = buf.len ? read(STDIN_FILENO, buf.base, buf.len) : UV_ENOBUFS;
    if (buf.len && n <= 0)
        n = n == 0 ? UV_EOF : errno == EINTR ? 0 : uv_translate_sys_error(errno);
    on_read((uv_stream_t *)&s->tcp, n, &buf);
}

static bool read_on(struct wr_stream *s)
{
    if (s->is_file)
        return uv_idle_start(&s->file, on_file) == 0;
    int rc = uv_read_start((uv_stream_t *)&s->tcp, on_alloc, on_read);
    return rc == 0 || rc == UV_EALREADY;
}

static void read_off(struct wr_stream *s)
{
    if (s->is_file)
        uv_idle_stop(&s->file);
    else
        uv_read_stop((uv_stream_t *)&s->tcp);
}

/* One message, or a part of one. False: more bytes are needed, or another time. */
static bool step(struct wr_stream *s, int64_t now_ns, size_t *ret_cost)
{
    if (s->forward)
        return wr_stream_forward_step(s, now_ns, ret_cost);
    size_t used = take_message(s, now_ns);
    s->at += used;
    *ret_cost = used;
    return used > 0;
}

/* What a parser that looks for frames needs to stand there. */
static bool zeros_behind(struct wr_stream *s)
{
    if (s->at == s->buf.len || s->forward || wr_stream_is_flow(s))
        return false;
    char *behind = wr_buf_room(&s->buf, WR_JSON_ZEROS);
    if (behind)
        memset(behind, 0, WR_JSON_ZEROS);
    return behind != NULL;
}

/* Works through what the buffer holds; stops and waits for room in the ring. */
static void process(struct wr_stream *s)
{
    struct wr_worker *w = s->listener->worker;
    int64_t now_ns = w->io->wall_ns(w->io->ctx);
    s->framing.log = zeros_behind(s) ? w->log : NULL;
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
        size_t cost = 0;
        if (!step(s, now_ns, &cost))
            break;
        since_flush += cost;
        s->progress_ms = uv_now(&w->loop);
    }
    s->framing.log = NULL;
    wr_worker_flush(w);
    compact(s);
    if (s->closing)
        return;
    if (s->paused) {
        read_off(s);
        wr_worker_resume_later(w);
    } else if (s->eof || !read_on(s)) {
        stream_close(s);
    }
}

/* Most streams hold less than a message between two reads: the worker's inbox, which stays in the cache, takes that and what
 * comes. */
static bool into_inbox(struct wr_stream *s, uv_buf_t *buf)
{
    struct wr_buf *in = &s->listener->worker->inbox;
    wr_buf_reset(in);
    if (s->buf.len > WR_STREAM_READ_BYTES || !wr_buf_room(in, WR_STREAM_READ_BYTES + INBOX_BYTES + WR_JSON_ZEROS))
        return false;
    wr_buf_add(in, s->buf.data, s->buf.len);
    *buf = uv_buf_init(in->data + in->len, INBOX_BYTES);
    return true;
}

/* What was read into the inbox; what is left of it is the stream's own. */
static void from_inbox(struct wr_stream *s, size_t n)
{
    struct wr_worker *w = s->listener->worker;
    struct wr_buf own = s->buf;
    s->buf = w->inbox;
    s->buf.len += n;
    w->inbox = (struct wr_buf){0};
    process(s);
    struct wr_buf in = s->buf;
    s->buf = own;
    wr_buf_reset(&s->buf);
    if (in.len && !s->closing)
        wr_buf_add(&s->buf, in.data, in.len);
    else
        wr_buf_fini(&s->buf); /* thousands of connections may be silent */
    w->inbox = in;
    if (s->buf.err)
        wr_stream_broken(s);
    wr_stream_count_held(s);
}

static void alloc(struct wr_stream *s, uv_buf_t *buf)
{
    if (!s->tls && into_inbox(s, buf))
        return;
    if (s->tls) {
        wr_buf_reset(&s->cipher);
        char *in = wr_stream_may_grow(s) ? wr_buf_room(&s->cipher, WR_STREAM_READ_BYTES) : NULL;
        *buf = uv_buf_init(in, in ? WR_STREAM_READ_BYTES : 0);
        return;
    }
    char *room = wr_stream_may_grow(s) ? wr_buf_room(&s->buf, WR_STREAM_READ_BYTES + WR_JSON_ZEROS) : NULL;
    *buf = uv_buf_init(room, room ? WR_STREAM_READ_BYTES : 0);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct wr_stream *s = handle->data;
    (void)suggested;
    pthread_mutex_lock(&s->listener->worker->lock); /* streams may be shed */
    alloc(s, buf);
    pthread_mutex_unlock(&s->listener->worker->lock);
}

void wr_stream_say(struct wr_stream *s, struct wr_buf *bytes)
{
    if (!s->tls) {
        wr_stream_answer(s, bytes);
        return;
    }
    struct wr_buf cipher = {0};
    enum wr_err err = bytes->err;
    if (bytes->len && !err)
        err = wr_tls_ready(s->tls) ? wr_tls_write(s->tls, bytes->data, bytes->len) : WR_EIO;
    wr_buf_fini(bytes);
    wr_tls_take(s->tls, &cipher);
    wr_stream_answer(s, &cipher);
    if (err)
        wr_stream_broken(s);
}

/* Ciphertext in; what it says goes to the buffer as if it had come in the clear. */
static void on_cipher(struct wr_stream *s, const char *bytes, size_t len)
{
    enum wr_err err = wr_tls_feed(s->tls, bytes, len, &s->buf);
    wr_buf_fini(&s->cipher);     /* thousands of connections may be silent */
    struct wr_buf out = {0};
    wr_tls_take(s->tls, &out);
    wr_stream_answer(s, &out); /* after a failure, too: the alert that says why */
    if (s->closing || (!wr_tls_ready(s->tls) && !err))
        return;
    if (!err)
        wr_stream_say(s, &s->greeting);
    if (err && !wr_tls_ended(s->tls)) {
        s->listener->stats.tls_failed++;
        s->listener->stats.tls_refused += wr_tls_refused(s->tls);
    }
    s->eof = wr_tls_ended(s->tls);
    if (err && !s->eof)
        wr_stream_broken(s);
    else
        process(s);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct wr_stream *s = stream->data;
    struct wr_worker *w = s->listener->worker;
    if (n == 0 || s->closing)
        return;
    pthread_mutex_lock(&w->lock);
    if (n == UV_EOF) {
        s->eof = true; /* an unfinished syslog frame is delivered, an unfinished IPFIX message is not */
        read_off(s);
        process(s);
    } else if (n == UV_ENOBUFS && wr_streams_too_much_held(w)) {
        wr_stream_shed(s);
    } else if (n < 0) {
        wr_stream_broken(s);
    } else if (s->tls) {
        on_cipher(s, buf->base, (size_t)n);
    } else {
        bool inbox = w->inbox.data && buf->base == w->inbox.data + w->inbox.len;
        if (inbox) {
            from_inbox(s, (size_t)n);
        } else {
            s->buf.len += (size_t)n;
            process(s);
        }
    }
    wr_stream_count_held(s);
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

/* A handshake that takes 10 s, or half a message for five minutes, is a stalled or hostile sender; silence between messages is not.
 * An IPFIX session that never tells a template has to begin anew: then its exporter tells them. */
void wr_ingest_streams_sweep(struct wr_worker *worker)
{
    uint64_t now = uv_now(&worker->loop);
    int64_t wall_ns = worker->io->wall_ns(worker->io->ctx);
    for (struct wr_stream *s = worker->streams; s; s = s->next) {
        if (s->closing || s->paused || s->listener->at->kind == WR_LISTEN_STDIN)
            continue;
        bool shaking = s->tls && !wr_tls_ready(s->tls) && now - s->progress_ms > HANDSHAKE_MS;
        s->listener->stats.tls_timeout += shaking;
        bool untold = wr_stream_is_flow(s) && wr_flow_session_untold(worker->decoder, &s->peer, wall_ns);
        s->listener->stats.connections_untold += untold;
        if (shaking || untold || (s->buf.len > s->at && now - s->progress_ms > HALF_FRAME_MS))
            wr_stream_broken(s);
    }
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
    if (worker->tail)
        wr_tail_framing_sum(worker->tail, ret_sum);
}

/* False when this peer or all peers together have too many connections. */
static bool within_limits(const struct wr_stream *s)
{
    const struct wr_worker *w = s->listener->worker;
    if (atomic_load(&w->all_streams->open) > (int)w->config->max_connections)
        return false;
    uint32_t same = 0;
    for (const struct wr_stream *o = w->streams; o; o = o->next)
        same += memcmp(o->peer.addr, s->peer.addr, 16) == 0;
    return same <= w->config->max_connections_per_peer;
}

static bool wrap(struct wr_stream *s)
{
    const struct wr_tls_server *server = s->listener->worker->tls;
    if (!wr_listen_is_tls(s->listener->at->kind))
        return true;
    s->tls = server ? wr_tls_accept(server) : NULL;
    return s->tls != NULL;
}

/* In the list; its handle is still to be made. */
static struct wr_stream *stream_new(struct wr_listener *l)
{
    struct wr_worker *w = l->worker;
    struct wr_stream *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->listener = l;
    s->framing.max_frame = WR_STREAM_MAX_FRAME;
    s->tcp.data = s; /* of whichever handle it becomes */
    s->next = w->streams;
    if (s->next)
        s->next->prev = s;
    w->streams = s;
    w->nstreams++;
    atomic_fetch_add(&w->all_streams->open, 1);
    s->peer.session = (uint64_t)(w->index + 1) << 48 | ++w->next_session;
    s->progress_ms = uv_now(&w->loop);
    s->rows_dropped = w->rows_dropped;
    return s;
}

static void accept_stream(struct wr_listener *l)
{
    struct wr_worker *w = l->worker;
    struct wr_stream *s = stream_new(l);
    if (!s)
        return;
    uv_tcp_init(&w->loop, &s->tcp);
    struct wr_buf greeting = {0};
    bool forward = wr_listen_is_forward(l->at->kind);
    if (forward)
        s->forward = wr_forward_conn_new(&w->config->forward_listen, &greeting);
    if (uv_accept((uv_stream_t *)&l->tcp, (uv_stream_t *)&s->tcp) != 0 || !wr_ingest_peer(&s->tcp, &s->peer, s->peer_text) ||
        !within_limits(s) || (forward && !s->forward) || !wrap(s) || !read_on(s)) {
        wr_buf_fini(&greeting);
        l->stats.connections_refused++;
        stream_close(s);
        return;
    }
    l->stats.connections++;
    if (s->tls)
        s->greeting = greeting;
    else
        wr_stream_answer(s, &greeting);
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

int wr_ingest_stdin_open(struct wr_listener *l)
{
    uv_handle_type type = uv_guess_handle(STDIN_FILENO);
    if (type == UV_UNKNOWN_HANDLE || type == UV_UDP)
        return -EINVAL;
    struct wr_stream *s = stream_new(l);
    if (!s)
        return -ENOMEM;
    s->is_file = type == UV_FILE;
    int rc;
    if (s->is_file) {
        rc = uv_idle_init(&l->worker->loop, &s->file);
    } else {
        uv_pipe_init(&l->worker->loop, &s->pipe, 0);
        /* Not blocking is a state of the open file: standard output, often the same terminal, must not get it. */
        int own = type == UV_TTY ? open("/proc/self/fd/0", O_RDONLY | O_NOCTTY | O_CLOEXEC) : -1;
        rc = uv_pipe_open(&s->pipe, own >= 0 ? own : STDIN_FILENO);
        if (rc != 0 && own >= 0)
            close(own);
    }
    if (rc == 0 && !read_on(s))
        rc = -EIO;
    if (rc == 0)
        l->stats.connections++;
    else
        stream_close(s);
    return rc;
}
