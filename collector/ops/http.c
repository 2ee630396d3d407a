#include "collector/ops/http.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_CONNS = 64, MAX_HEAD = 8192, REQUEST_MS = 5000, REPLY_MS = 10000 };

struct wr_http {
    uv_tcp_t tcp;
    wr_http_handler handler;
    void *arg;
    struct conn *conns; /* list of the open ones */
    uint32_t nconns;
    bool closing;
    struct wr_http_stats stats;
};

struct conn {
    struct wr_http *http;
    struct conn *next, *prev;
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_write_t write;
    struct wr_buf reply;
    bool replied;
    int handles; /* not yet closed */
    size_t len;
    char head[MAX_HEAD];
};

static void maybe_free(struct wr_http *http)
{
    if (http->closing && http->nconns == 0 && uv_is_closing((uv_handle_t *)&http->tcp) && !http->tcp.data)
        free(http);
}

static void on_conn_closed(uv_handle_t *handle)
{
    struct conn *c = handle->data;
    if (--c->handles > 0)
        return;
    struct wr_http *http = c->http;
    if (c->prev)
        c->prev->next = c->next;
    else
        http->conns = c->next;
    if (c->next)
        c->next->prev = c->prev;
    http->nconns--;
    wr_buf_fini(&c->reply);
    free(c);
    maybe_free(http);
}

static void conn_close(struct conn *c)
{
    if (uv_is_closing((uv_handle_t *)&c->tcp))
        return;
    uv_close((uv_handle_t *)&c->tcp, on_conn_closed);
    uv_close((uv_handle_t *)&c->timer, on_conn_closed);
}

static void on_timeout(uv_timer_t *timer)
{
    struct conn *c = timer->data;
    c->http->stats.timeouts++;
    conn_close(c);
}

static void on_written(uv_write_t *req, int status)
{
    (void)status; /* either way it is over */
    conn_close(req->data);
}

static const char *reason(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 431:
        return "Request Header Fields Too Large";
    case 503:
        return "Service Unavailable";
    default:
        return "Bad Request";
    }
}

static void reply(struct conn *c, int status, const char *type, const struct wr_buf *body, bool head_only)
{
    wr_buf_fmt(&c->reply,
               "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n"
               "X-Content-Type-Options: nosniff\r\n%s\r\n",
               status, reason(status), type, body->len, status == 405 ? "Allow: GET, HEAD\r\n" : "");
    if (!head_only)
        wr_buf_add(&c->reply, body->data, body->len);
    c->replied = true;
    uv_read_stop((uv_stream_t *)&c->tcp);
    uv_timer_start(&c->timer, on_timeout, REPLY_MS, 0);
    uv_buf_t buf = uv_buf_init(c->reply.data, (unsigned)c->reply.len);
    c->write.data = c;
    if (c->reply.err || uv_write(&c->write, (uv_stream_t *)&c->tcp, &buf, 1, on_written) != 0)
        conn_close(c);
}

static void refuse(struct conn *c, int status)
{
    struct wr_buf body = {0};
    c->http->stats.bad_requests++;
    wr_buf_fmt(&body, "%d %s\n", status, reason(status));
    reply(c, status, "text/plain; charset=utf-8", &body, false);
    wr_buf_fini(&body);
}

/* Length of the head up to and with its blank line; 0 = not there yet. */
static size_t head_end(const struct conn *c)
{
    for (size_t i = 0; i + 1 < c->len; i++) {
        if (c->head[i] != '\n')
            continue;
        if (c->head[i + 1] == '\n')
            return i + 2;
        if (i + 2 < c->len && c->head[i + 1] == '\r' && c->head[i + 2] == '\n')
            return i + 3;
    }
    return 0;
}

static void answer(struct conn *c, size_t head_len)
{
    char path[256];
    bool head_only = false;
    int status = wr_http_parse(c->head, head_len, path, sizeof path, &head_only);
    if (status != 0) {
        refuse(c, status);
        return;
    }
    c->http->stats.requests++;
    struct wr_buf body = {0};
    const char *type = "text/plain; charset=utf-8";
    status = c->http->handler(c->http->arg, path, &body, &type);
    if (body.err)
        conn_close(c);
    else
        reply(c, status, type, &body, head_only);
    wr_buf_fini(&body);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct conn *c = handle->data;
    (void)suggested;
    *buf = uv_buf_init(c->head + c->len, (unsigned)(MAX_HEAD - c->len));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct conn *c = stream->data;
    (void)buf;
    if (n == UV_ENOBUFS) {
        refuse(c, 431);
        return;
    }
    if (n < 0) {
        conn_close(c);
        return;
    }
    c->len += (size_t)n;
    size_t end = head_end(c);
    if (end)
        answer(c, end);
    else if (c->len == MAX_HEAD)
        refuse(c, 431);
}

static void on_connection(uv_stream_t *server, int status)
{
    struct wr_http *http = server->data;
    if (status < 0 || http->closing)
        return;
    struct conn *c = calloc(1, sizeof *c);
    if (!c)
        return; /* stays in the backlog until memory is there */
    c->http = http;
    c->handles = 2;
    uv_tcp_init(server->loop, &c->tcp);
    uv_timer_init(server->loop, &c->timer);
    c->tcp.data = c->timer.data = c;
    c->next = http->conns;
    if (c->next)
        c->next->prev = c;
    http->conns = c;
    http->nconns++;
    if (uv_accept(server, (uv_stream_t *)&c->tcp) != 0 || http->nconns > MAX_CONNS) {
        http->stats.refused++;
        conn_close(c);
        return;
    }
    uv_timer_start(&c->timer, on_timeout, REQUEST_MS, 0);
    if (uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) != 0)
        conn_close(c);
}

static void on_server_closed(uv_handle_t *handle)
{
    struct wr_http *http = handle->data;
    handle->data = NULL; /* the mark for maybe_free */
    http->closing = true;
    maybe_free(http);
}

struct wr_http *wr_http_new(uv_loop_t *loop, const struct sockaddr *addr, wr_http_handler handler, void *arg,
                            int *ret_errno)
{
    struct wr_http *http = calloc(1, sizeof *http);
    if (!http) {
        *ret_errno = UV_ENOMEM;
        return NULL;
    }
    http->handler = handler;
    http->arg = arg;
    int rc = uv_tcp_init(loop, &http->tcp);
    if (rc != 0) {
        free(http);
        *ret_errno = rc;
        return NULL;
    }
    http->tcp.data = http;
    rc = uv_tcp_bind(&http->tcp, addr, 0);
    if (rc == 0)
        rc = uv_listen((uv_stream_t *)&http->tcp, 64, on_connection);
    if (rc != 0) {
        *ret_errno = rc;
        wr_http_close(http);
        return NULL;
    }
    return http;
}

uint16_t wr_http_port(const struct wr_http *http)
{
    struct sockaddr_storage addr;
    int len = sizeof addr;
    if (uv_tcp_getsockname(&http->tcp, (struct sockaddr *)&addr, &len) != 0)
        return 0;
    struct sockaddr_in in; /* the port is at the same place for both families */
    memcpy(&in, &addr, sizeof in);
    return ntohs(in.sin_port);
}

struct wr_http_stats wr_http_stats(const struct wr_http *http)
{
    return http->stats;
}

void wr_http_close(struct wr_http *http)
{
    http->closing = true;
    for (struct conn *c = http->conns, *next; c; c = next) {
        next = c->next;
        conn_close(c);
    }
    uv_close((uv_handle_t *)&http->tcp, on_server_closed);
}
