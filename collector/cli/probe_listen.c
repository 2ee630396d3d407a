/* `weir probe --listen`: one UDP and one TCP socket; whether a datagram or a stream holds flow records or lines is seen in
 * its first bytes. One thread, poll(2). */
#include "collector/cli/cli.h"
#include "collector/cli/flow_row.h"
#include "collector/cli/probe.h"
#include "collector/config/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_STREAMS = 64, MAX_FRAME = 1 << 20, READ_BYTES = 65536 };

struct stream {
    int fd;
    struct wr_buf buf;
    struct wr_framing framing;
    struct wr_flow_peer peer;
    char source[64];
    bool told; /* what it is not */
};

struct port {
    struct wr_probe *p;
    struct pollfd fds[2 + MAX_STREAMS];
    struct stream streams[MAX_STREAMS];
    uint64_t next_session, refused_streams;
};

static volatile sig_atomic_t stopped;

static void on_signal(int sig)
{
    (void)sig;
    stopped = 1;
}

static int64_t now_ns(clockid_t id)
{
    struct timespec t = {0};
    (void)clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- messages ---- */

/* NetFlow v1, v5, v7, v9, IPFIX: a version in two octets; sFlow v5: in four. No line begins with a NUL. */
static const char *flow_kind(const uint8_t *data, size_t len)
{
    if (len < 4 || data[0] != 0)
        return NULL;
    switch (data[1]) {
    case 0:
        return data[2] == 0 && data[3] == 5 ? "sFlow v5" : NULL;
    case 1:
        return "NetFlow v1";
    case 5:
        return "NetFlow v5";
    case 7:
        return "NetFlow v7";
    case 9:
        return "NetFlow v9";
    case 10:
        return "IPFIX";
    default:
        return NULL;
    }
}

static void flow_message(struct wr_probe *p, const char *kind, const struct wr_flow_peer *peer, const uint8_t *data, size_t len)
{
    struct wr_batch *b = p->rows.of[WR_TABLE_FLOWS];
    struct wr_flow_stats was = *wr_flow_decoder_stats(p->flows);
    bool good = wr_flow_decode(p->flows, peer, data, len, now_ns(CLOCK_REALTIME), &p->vec);
    const struct wr_flow_stats *is = wr_flow_decoder_stats(p->flows);
    p->n++;
    p->refused += !good;
    char what[64];
    if (good)
        snprintf(what, sizeof what, "%s%s", kind, p->vec.n ? "" : is->templates != was.templates ? ", templates" : ", no flows");
    else
        snprintf(what, sizeof what, "%s, rejected (%s)", kind, wr_flow_reject_name(wr_flow_decoder_why(p->flows)));
    bool told = wr_probe_kind_of(p, what, b->schema);
    if (told)
        wr_buf_fmt(&p->out.buf, "%llu: %s, %u records, from %s\n", (unsigned long long)p->n, what, p->vec.n, p->source);
    for (uint32_t i = 0; i < p->vec.n && wr_batch_reset(b); i++)
        if (wr_flow_row(&p->vec.at[i], wr_flow_who(&p->vec, &p->vec.at[i]), b))
            wr_probe_row(p, b, told && i == 0);
    wr_flow_vec_reset(&p->vec);
    wr_out_spill(&p->out);
}

static void lines(struct wr_probe *p, const char *peer, const char *data, size_t len)
{
    size_t pos = 0, n;
    const char *frame;
    while (wr_datagram_next(data, len, &pos, &frame, &n))
        if (wr_probe_frame(p, peer, frame, n, now_ns(CLOCK_REALTIME)))
            return;
}

/* ---- sockets ---- */

static void name_peer(const struct sockaddr_storage *from, const char *proto, struct wr_flow_peer *ret_peer, char *ret_text,
                      char *ret_source, size_t size)
{
    *ret_peer = (struct wr_flow_peer){0};
    struct sockaddr_in6 v6;
    struct sockaddr_in v4;
    memcpy(&v6, from, sizeof v6);
    memcpy(&v4, from, sizeof v4);
    if (from->ss_family == AF_INET6) {
        memcpy(ret_peer->addr, &v6.sin6_addr, 16);
        ret_peer->port = ntohs(v6.sin6_port);
    } else {
        memcpy(ret_peer->addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
        memcpy(ret_peer->addr + 12, &v4.sin_addr, 4);
        ret_peer->port = ntohs(v4.sin_port);
    }
    struct in6_addr addr;
    memcpy(&addr, ret_peer->addr, 16);
    bool four = IN6_IS_ADDR_V4MAPPED(&addr);
    (void)inet_ntop(four ? AF_INET : AF_INET6, ret_peer->addr + (four ? 12 : 0), ret_text, INET6_ADDRSTRLEN);
    snprintf(ret_source, size, "%s %s", proto, ret_text);
}

static void on_udp(struct port *port)
{
    static uint8_t data[65536];
    struct sockaddr_storage from;
    socklen_t from_len = sizeof from;
    ssize_t n = recvfrom(port->fds[0].fd, data, sizeof data, MSG_DONTWAIT, (struct sockaddr *)&from, &from_len);
    struct wr_flow_peer peer;
    char text[INET6_ADDRSTRLEN] = "", source[64];
    if (n < 0)
        return;
    name_peer(&from, "udp", &peer, text, source, sizeof source);
    port->p->source = source;
    const char *kind = flow_kind(data, (size_t)n);
    if (kind)
        flow_message(port->p, kind, &peer, data, (size_t)n);
    else
        lines(port->p, text, (const char *)data, (size_t)n);
    port->p->source = NULL;
}

static void on_connection(struct port *port)
{
    struct sockaddr_storage from;
    socklen_t from_len = sizeof from;
    int fd = accept4(port->fds[1].fd, (struct sockaddr *)&from, &from_len, SOCK_CLOEXEC | SOCK_NONBLOCK), i = 0;
    while (i < MAX_STREAMS && port->streams[i].fd >= 0)
        i++;
    if (fd < 0)
        return;
    if (i == MAX_STREAMS) {
        port->refused_streams++;
        close(fd);
        return;
    }
    struct stream *s = &port->streams[i];
    char text[INET6_ADDRSTRLEN] = "";
    *s = (struct stream){.fd = fd};
    name_peer(&from, "tcp", &s->peer, text, s->source, sizeof s->source);
    s->peer.session = ++port->next_session;
    port->fds[2 + i] = (struct pollfd){.fd = fd, .events = POLLIN};
}

static void close_stream(struct port *port, struct stream *s)
{
    wr_flow_session_end(port->p->flows, &s->peer);
    close(s->fd);
    wr_buf_fini(&s->buf);
    s->fd = -1;
    port->fds[2 + (s - port->streams)].fd = -1;
}

/* What comes first in streams that this port does not read. */
static const char *other_protocol(const uint8_t *d, size_t len)
{
    if (len >= 2 && d[0] == 0x16 && d[1] == 3)
        return "this is TLS: weir takes it on `listen: syslog_tls` or `flow_tls`";
    if (len >= 2 && (d[0] & 0xf0) == 0x90)
        return "this looks like Fluent Forward: weir takes it on `listen: forward`";
    return NULL;
}

/* One message off the front; 0: more is needed, -1: close. */
static int64_t take(struct port *port, struct stream *s, const uint8_t *data, size_t len, bool eof)
{
    const char *kind = flow_kind(data, len), *frame = NULL;
    size_t n = 0;
    if (kind || (len < 4 && data[0] == 0)) {
        int32_t whole = wr_flow_frame(data, len);
        if (whole <= 0 || (size_t)whole > len)
            return whole < 0 ? -1 : 0;
        flow_message(port->p, kind, &s->peer, data, (size_t)whole);
        return whole;
    }
    size_t used = wr_framing_next(&s->framing, (const char *)data, len, eof, &frame, &n);
    if (used && frame && wr_probe_frame(port->p, strchr(s->source, ' ') + 1, frame, n, now_ns(CLOCK_REALTIME)))
        return -1;
    return (int64_t)used;
}

static void on_stream(struct port *port, struct stream *s)
{
    char *room = wr_buf_room(&s->buf, READ_BYTES);
    ssize_t n = room ? read(s->fd, room, READ_BYTES) : -1;
    if (n < 0 && room && (errno == EAGAIN || errno == EINTR))
        return;
    bool eof = n <= 0;
    s->buf.len += n > 0 ? (size_t)n : 0;
    const char *other = other_protocol((const uint8_t *)s->buf.data, s->buf.len);
    if (other) {
        wr_cli_error("%s: %s", s->source, other);
        close_stream(port, s);
        return;
    }
    port->p->source = s->source;
    size_t at = 0;
    int64_t used = 1;
    while (at < s->buf.len && (used = take(port, s, (const uint8_t *)s->buf.data + at, s->buf.len - at, eof)) > 0)
        at += (size_t)used;
    port->p->source = NULL;
    if (eof || used < 0) {
        close_stream(port, s);
        return;
    }
    memmove(s->buf.data, s->buf.data + at, s->buf.len - at);
    s->buf.len -= at;
    if (s->buf.len > MAX_FRAME + READ_BYTES) /* framing gives out what is longer */
        close_stream(port, s);
}

static int open_socket(const struct wr_listen *at, int type)
{
    int fd = socket(at->addr.ss_family, type | SOCK_CLOEXEC, 0), one = 1, zero = 0, buffer = 8 << 20;
    if (fd < 0)
        return -errno;
    if (at->addr.ss_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
    if (type == SOCK_STREAM)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    else
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    if (bind(fd, (const struct sockaddr *)&at->addr, at->addr_len) == 0 && (type == SOCK_DGRAM || listen(fd, 16) == 0))
        return fd;
    int err = errno;
    close(fd);
    return -err;
}

static bool open_port(struct port *port, const char *address)
{
    struct wr_listen at;
    const char *wrong = wr_listen_parse(&at, address, 0);
    if (wrong) {
        wr_cli_error("--listen %s: %s", address, wrong);
        return false;
    }
    static const int types[] = {SOCK_DGRAM, SOCK_STREAM};
    for (int i = 0; i < 2; i++) {
        int fd = open_socket(&at, types[i]);
        if (fd == -EAFNOSUPPORT && at.any) { /* a kernel without IPv6 */
            struct sockaddr_in6 v6;
            memcpy(&v6, &at.addr, sizeof v6);
            struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = v6.sin6_port};
            memcpy(&at.addr, &v4, sizeof v4);
            at.addr_len = sizeof v4;
            fd = open_socket(&at, types[i]);
        }
        port->fds[i] = (struct pollfd){.fd = fd, .events = POLLIN};
        if (fd < 0) {
            wr_cli_error("cannot listen on %s: %s%s", address, strerror(-fd),
                         fd == -EADDRINUSE ? "; if weir runs, choose another port and let a sender send there, too" : "");
            if (i == 1)
                close(port->fds[0].fd);
            return false;
        }
    }
    for (int i = 0; i < MAX_STREAMS; i++)
        port->fds[2 + i].fd = port->streams[i].fd = -1;
    return true;
}

/* ---- the end ---- */

static void put_columns(struct wr_buf *out, const struct wr_probe_kind *k, bool always)
{
    unsigned n = 0;
    for (uint16_t c = 0; k->filled && c < k->table->ncols; c++) {
        if (k->table->cols[c].hidden || !k->filled[c] || (k->filled[c] >= k->n) != always)
            continue;
        wr_buf_fmt(out, "%s%s", n++ ? " " : always ? "        filled: " : "        in some: ", k->table->cols[c].name);
        if (!always)
            wr_buf_fmt(out, " (%llu)", (unsigned long long)k->filled[c]);
    }
    if (n)
        wr_buf_char(out, '\n');
}

static void summary(struct wr_probe *p, double seconds)
{
    struct wr_buf *out = &p->out.buf;
    const struct wr_flow_stats *f = wr_flow_decoder_stats(p->flows);
    wr_buf_fmt(out, "---- %llu messages in %.1f s, %llu refused\n", (unsigned long long)p->n, seconds,
               (unsigned long long)p->refused);
    for (uint32_t i = 0; i <= p->nkinds; i++) {
        const struct wr_probe_kind *k = &p->kinds[i];
        if (!k->n)
            continue;
        wr_buf_fmt(out, "%7llu ", (unsigned long long)k->n);
        wr_buf_printable(out, i < WR_PROBE_KINDS ? k->what : "of other kinds", strlen(i < WR_PROBE_KINDS ? k->what : "of other kinds"));
        wr_buf_fmt(out, "%s%s\n", k->table ? ", rows of " : "", k->table ? k->table->name : "");
        if (!k->table)
            continue;
        put_columns(out, k, true);
        put_columns(out, k, false);
        for (uint32_t u = 0; u < k->nunused; u++) {
            wr_buf_str(out, u ? ", " : "        not used: ");
            wr_json_str(out, k->unused[u], strlen(k->unused[u]));
        }
        wr_buf_str(out, k->nunused ? "\n" : "");
    }
    if (f->messages)
        wr_buf_fmt(out, "flows: %llu records, %llu templates, %llu sets wait for a template, %llu fields without a name\n",
                   (unsigned long long)f->records, (unsigned long long)f->templates,
                   (unsigned long long)(f->sets_held - f->sets_released - f->sets_dropped), (unsigned long long)f->unknown_ie);
}

static void catch_signals(void)
{
    struct sigaction act = {.sa_handler = on_signal}; /* poll(2) returns */
    (void)sigaction(SIGINT, &act, NULL);
    (void)sigaction(SIGTERM, &act, NULL);
}

int wr_probe_listen(struct wr_probe *p, const char *address, uint32_t count, uint32_t seconds)
{
    static struct port port; /* large; there is one */
    port.p = p;
    p->flows = wr_flow_decoder_new(&(struct wr_flow_decoder_opts){0});
    if (!p->flows || !open_port(&port, address)) {
        wr_flow_decoder_free(p->flows);
        return WR_EXIT_FOUND;
    }
    wr_flow_decoder_who(p->flows, wr_flow_row_who(&p->rows.of[WR_TABLE_FLOWS]->wanted));
    catch_signals();
    wr_cli_error("listening on %s, UDP and TCP; ^C ends it", address);
    int64_t begin = now_ns(CLOCK_MONOTONIC), end = seconds ? begin + (int64_t)seconds * 1000000000 : INT64_MAX;
    while (!stopped && !p->out.closed && (!count || p->n < count)) {
        int64_t left = end - now_ns(CLOCK_MONOTONIC);
        if (left <= 0)
            break;
        if (poll(port.fds, 2 + MAX_STREAMS, left > INT64_C(1000000000) ? 1000 : (int)(left / 1000000) + 1) <= 0)
            continue;
        if (port.fds[0].revents)
            on_udp(&port);
        if (port.fds[1].revents)
            on_connection(&port);
        for (int i = 0; i < MAX_STREAMS; i++)
            if (port.streams[i].fd >= 0 && port.fds[2 + i].revents)
                on_stream(&port, &port.streams[i]);
        wr_out_flush(&p->out);
    }
    for (int i = 0; i < MAX_STREAMS; i++)
        if (port.streams[i].fd >= 0)
            close_stream(&port, &port.streams[i]);
    close(port.fds[0].fd);
    close(port.fds[1].fd);
    summary(p, (double)(now_ns(CLOCK_MONOTONIC) - begin) / 1e9);
    wr_flow_vec_fini(&p->vec);
    wr_flow_decoder_free(p->flows);
    return p->n && !p->refused ? WR_EXIT_OK : WR_EXIT_FOUND;
}
