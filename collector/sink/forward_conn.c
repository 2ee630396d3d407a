/* One connection: addresses, TLS, handshake, what is written and what is read. */
#include "collector/sink/forward_internal.h"

#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEEPALIVE_S = 60 };

struct write {
    uv_write_t req;
    struct wr_forward_conn *conn;
    struct wr_buf bytes;
    int64_t chunk_id; /* 0: part of the handshake */
    uint32_t alerts;
};

/* ---- ends ---- */

static void conn_free(struct wr_forward_conn *c)
{
    struct wr_forward *f = c->f;
    if (c->addrs)
        uv_freeaddrinfo(c->addrs);
    wr_tls_free(c->tls);
    wr_buf_fini(&c->in);
    free(c);
    wr_forward_closed(f);
}

static void tcp_closed(uv_handle_t *handle)
{
    conn_free(handle->data);
}

/* The connection's memory goes with its last callback. */
void wr_forward_hang_up(struct wr_forward *f)
{
    struct wr_forward_conn *c = f->conn;
    f->conn = NULL;
    f->nflight = 0;
    f->after_id = 0;
    f->stats.connected = false;
    if (!c)
        return;
    c->dead = true;
    if (c->phase == RESOLVING)
        uv_cancel((uv_req_t *)&c->resolve); /* its callback frees c either way */
    else if (c->has_tcp && !uv_is_closing((uv_handle_t *)&c->tcp))
        uv_close((uv_handle_t *)&c->tcp, tcp_closed);
}

/* ---- writing ---- */

static void on_written(uv_write_t *req, int status)
{
    struct write *w = (struct write *)req;
    struct wr_forward_conn *c = w->conn;
    struct wr_forward *f = c->f;
    bool live = !c->dead;
    int64_t chunk_id = w->chunk_id;
    uint32_t alerts = w->alerts;
    wr_buf_fini(&w->bytes);
    free(w);
    /* A failed write is left to the reader: what the receiver said before it hung up explains more than
     * "connection reset", and is still to be read. The reader sees the end of the connection in any case. */
    if (live && !status && chunk_id)
        wr_forward_written(f, chunk_id, alerts);
}

/* Takes `w`. False when the connection was given up. */
static bool post(struct write *w, enum wr_err err)
{
    struct wr_forward_conn *c = w->conn;
    uv_buf_t buf = uv_buf_init(w->bytes.data, (unsigned)w->bytes.len);
    if (!err && !w->bytes.err && uv_write(&w->req, (uv_stream_t *)&c->tcp, &buf, 1, on_written) == 0)
        return true;
    wr_buf_fini(&w->bytes);
    free(w);
    wr_forward_fail(c->f, "cannot send", c->tls && err ? wr_tls_error(c->tls) : NULL);
    return false;
}

static struct write *write_new(struct wr_forward_conn *c)
{
    struct write *w = calloc(1, sizeof *w);
    if (w)
        w->conn = c;
    else
        wr_forward_fail(c->f, "cannot send", wr_strerror(WR_ENOMEM));
    return w;
}

bool wr_forward_send(struct wr_forward_conn *c, struct wr_buf *bytes, int64_t chunk_id, uint32_t alerts)
{
    struct write *w = write_new(c);
    if (!w) {
        wr_buf_fini(bytes);
        return false;
    }
    w->chunk_id = chunk_id;
    w->alerts = alerts;
    enum wr_err err = bytes->err;
    if (c->tls && !err) {
        err = wr_tls_write(c->tls, bytes->data, bytes->len);
        wr_tls_take(c->tls, &w->bytes);
        wr_buf_fini(bytes);
    } else {
        w->bytes = *bytes;
        *bytes = (struct wr_buf){0};
    }
    return post(w, err);
}

/* What TLS wants to say by itself: handshake, alerts. */
static bool send_tls(struct wr_forward_conn *c)
{
    struct write *w = write_new(c);
    if (!w)
        return false;
    wr_tls_take(c->tls, &w->bytes);
    if (w->bytes.len || w->bytes.err)
        return post(w, WR_OK);
    free(w);
    return true;
}

/* ---- reading ---- */

static struct wr_forward_login login_of(const struct wr_forward_conn *c)
{
    const struct wr_forward_opts *o = &c->f->o;
    return (struct wr_forward_login){o->self_hostname, c->salt, o->shared_key, o->username ? o->username : "",
                                     o->password ? o->password : ""};
}

static enum wr_err read_helo(struct wr_forward_conn *c, size_t *used)
{
    enum wr_err err = wr_forward_read_helo(c->in.data, c->in.len, used, &c->helo);
    if (err)
        return err;
    uint8_t salt[16];
    if (uv_random(NULL, NULL, salt, sizeof salt, 0, NULL) != 0) {
        wr_forward_fail(c->f, "no randomness for the handshake", NULL);
        return WR_OK;
    }
    wr_hex(salt, sizeof salt, c->salt);
    struct wr_forward_login login = login_of(c);
    struct wr_buf ping = {0};
    wr_forward_pack_ping(&ping, &c->helo, &login);
    c->phase = AWAIT_PONG;
    c->one_shot = !c->helo.keepalive;
    wr_forward_watch(c->f);
    wr_forward_send(c, &ping, 0, 0); /* in one write: Fluent Bit reads PING with one read */
    return WR_OK;
}

static enum wr_err read_pong(struct wr_forward_conn *c, size_t *used)
{
    struct wr_forward_login login = login_of(c);
    char refusal[WR_FORWARD_REASON];
    enum wr_err err = wr_forward_read_pong(c->in.data, c->in.len, &c->helo, &login, used, refusal);
    if (err)
        return err;
    if (refusal[0])
        wr_forward_fail(c->f, "handshake refused", refusal);
    else
        wr_forward_ready(c);
    return WR_OK;
}

static enum wr_err read_ack(struct wr_forward_conn *c, size_t *used)
{
    char id[WR_FORWARD_ID + 1];
    bool refused;
    enum wr_err err = wr_forward_read_ack(c->in.data, c->in.len, used, id, &refused);
    if (err)
        return err;
    if (refused)
        wr_forward_fail(c->f, "the receiver could not take a chunk (empty acknowledgement)", NULL);
    else
        wr_forward_acknowledged(c->f, id);
    return WR_OK;
}

static enum wr_err read_message(struct wr_forward_conn *c, size_t *used)
{
    if (c->phase == AWAIT_HELO)
        return read_helo(c, used);
    if (c->phase == AWAIT_PONG)
        return read_pong(c, used);
    return read_ack(c, used);
}

static const char *nonsense(const struct wr_forward_conn *c)
{
    struct wr_forward_helo helo;
    size_t used;
    if (c->phase == READY && wr_forward_read_helo(c->in.data, c->in.len, &used, &helo) == WR_OK)
        return "the receiver asks for a shared key and none is configured";
    return "the answer is no Forward message";
}

/* Reads what has come. Ends when more is needed or the connection is given up. */
static void read_messages(struct wr_forward_conn *c)
{
    struct wr_forward *f = c->f;
    size_t at = 0;
    while (!c->dead && c->in.len) {
        enum wr_err err = read_message(c, &at);
        if (err == WR_ETRUNC && c->in.len <= WR_FORWARD_ANSWER)
            break;
        if (err) {
            wr_forward_fail(f, nonsense(c), NULL);
            return;
        }
        c->in.len -= at;
        memmove(c->in.data, c->in.data + at, c->in.len);
    }
    if (!c->dead && c->phase == READY)
        wr_forward_idle(c);
}

static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct wr_forward_conn *c = handle->data;
    *buf = uv_buf_init(c->bytes, sizeof c->bytes);
}

static void secured(struct wr_forward_conn *c)
{
    if (!c->f->o.shared_key) {
        wr_forward_ready(c);
        return;
    }
    c->phase = AWAIT_HELO;
    wr_forward_watch(c->f);
}

static void feed_tls(struct wr_forward_conn *c, const char *bytes, size_t n)
{
    enum wr_err err = wr_tls_feed(c->tls, bytes, n, &c->in);
    if (!send_tls(c))
        return;
    if (err) {
        wr_forward_fail(c->f, err == WR_ENOMEM ? wr_strerror(err) : wr_tls_error(c->tls), NULL);
        return;
    }
    if (c->phase == SECURING && wr_tls_ready(c->tls))
        secured(c);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct wr_forward_conn *c = stream->data;
    if (c->dead || n == 0)
        return;
    if (n < 0) {
        const char *why = n == UV_EOF ? "the receiver closed the connection" : uv_strerror((int)n);
        wr_forward_fail(c->f, why, c->phase == AWAIT_PONG ? "during the handshake" : NULL);
        return;
    }
    if (c->tls)
        feed_tls(c, buf->base, (size_t)n);
    else
        wr_buf_add(&c->in, buf->base, (size_t)n);
    if (!c->dead && c->in.err)
        wr_forward_fail(c->f, wr_strerror(c->in.err), NULL);
    if (!c->dead && c->phase != SECURING)
        read_messages(c);
}

/* ---- connecting ---- */

static void try_address(struct wr_forward_conn *c);

static void address_closed(uv_handle_t *handle)
{
    struct wr_forward_conn *c = handle->data;
    c->has_tcp = false;
    if (c->dead)
        conn_free(c);
    else
        try_address(c);
}

static bool start_tls(struct wr_forward_conn *c)
{
    const struct wr_forward_opts *o = &c->f->o;
    struct wr_tls_opts opts = {o->tls_name ? o->tls_name : o->host, o->ca_file, o->cert_file, o->key_file,
                               o->tls_insecure};
    struct wr_buf error = {0};
    c->tls = wr_tls_new(&opts, &error);
    wr_buf_char(&error, '\0');
    if (!c->tls)
        wr_forward_fail(c->f, error.err ? "out of memory" : error.data, NULL);
    wr_buf_fini(&error);
    if (!c->tls)
        return false;
    c->phase = SECURING;
    if (wr_tls_handshake(c->tls)) {
        wr_forward_fail(c->f, wr_tls_error(c->tls), NULL);
        return false;
    }
    return send_tls(c);
}

static void on_connected(uv_connect_t *req, int status)
{
    struct wr_forward_conn *c = req->data;
    if (c->dead)
        return; /* tcp_closed or address_closed frees it */
    if (status < 0 && c->next) {
        uv_close((uv_handle_t *)&c->tcp, address_closed);
        return;
    }
    if (status < 0) {
        wr_forward_fail(c->f, "cannot connect", uv_strerror(status));
        return;
    }
    uv_tcp_nodelay(&c->tcp, 1);
    uv_tcp_keepalive(&c->tcp, 1, KEEPALIVE_S);
    wr_forward_watch(c->f);
    if (c->f->o.tls && !start_tls(c))
        return;
    int rc = uv_read_start((uv_stream_t *)&c->tcp, give_room, on_read);
    if (rc < 0)
        wr_forward_fail(c->f, "cannot read", uv_strerror(rc));
    else if (!c->f->o.tls)
        secured(c);
}

static void try_address(struct wr_forward_conn *c)
{
    struct addrinfo *a = c->next;
    c->next = a->ai_next;
    c->phase = CONNECTING;
    uv_tcp_init(c->f->loop, &c->tcp);
    c->has_tcp = true;
    c->tcp.data = c;
    c->connect.data = c;
    int rc = uv_tcp_connect(&c->connect, &c->tcp, a->ai_addr, on_connected);
    if (rc < 0 && c->next) /* no route for this family, say */
        uv_close((uv_handle_t *)&c->tcp, address_closed);
    else if (rc < 0)
        wr_forward_fail(c->f, "cannot connect", uv_strerror(rc));
}

static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *res)
{
    struct wr_forward_conn *c = req->data;
    c->addrs = res;
    if (c->dead) {
        conn_free(c);
        return;
    }
    if (status < 0 || !res) {
        c->phase = CONNECTING; /* nothing to cancel */
        wr_forward_fail(c->f, "cannot resolve the name", uv_strerror(status));
        conn_free(c);
        return;
    }
    c->next = res;
    try_address(c);
}

void wr_forward_attempt(struct wr_forward *f)
{
    struct wr_forward_conn *c = calloc(1, sizeof *c);
    if (!c) {
        wr_forward_fail(f, wr_strerror(WR_ENOMEM), NULL);
        return;
    }
    c->f = f;
    c->resolve.data = c;
    char port[8];
    snprintf(port, sizeof port, "%u", f->o.port);
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    int rc = uv_getaddrinfo(f->loop, &c->resolve, on_resolved, f->o.host, port, &hints);
    if (rc < 0) {
        free(c);
        wr_forward_fail(f, "cannot resolve the name", uv_strerror(rc));
        return;
    }
    f->conn = c;
    f->nconns++;
    wr_forward_watch(f);
}
