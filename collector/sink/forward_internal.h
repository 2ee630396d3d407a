/* Shared by forward.c (what is sent when, back-off, options) and forward_conn.c (one connection's life).
 *
 * A connection is a `struct wr_forward_conn`, made for one attempt and freed by its last callback; a sink has at most
 * one that is not `dead`. Chunks in flight are known by id and deadline; their bytes are read from the store
 * again when they must be sent again, so that a slow receiver costs no memory. */
#ifndef WR_COLLECTOR_SINK_FORWARD_INTERNAL_H
#define WR_COLLECTOR_SINK_FORWARD_INTERNAL_H

#include "collector/sink/forward.h"
#include "collector/sink/forward_wire.h"
#include "collector/sink/store.h"
#include "collector/io/tls.h"

enum { MAX_INFLIGHT = 64, READ_BYTES = 16384 };

enum wr_forward_phase { RESOLVING, CONNECTING, SECURING, AWAIT_HELO, AWAIT_PONG, READY };

struct wr_forward;

struct wr_forward_conn {
    struct wr_forward *f;
    enum wr_forward_phase phase;
    bool dead;     /* given up; waits for its callbacks */
    bool has_tcp;  /* tcp is open, or is being closed */
    bool one_shot; /* the receiver takes one message a connection */
    uv_getaddrinfo_t resolve;
    uv_connect_t connect;
    uv_tcp_t tcp;
    struct addrinfo *addrs, *next;
    struct wr_tls *tls;
    struct wr_buf in; /* plaintext that is not read yet */
    struct wr_forward_helo helo;
    char salt[33];
    char bytes[READ_BYTES];
};

struct wr_forward_flight {
    struct wr_chunk chunk;
    char id[WR_FORWARD_ID + 1];
    uint32_t alerts;
    uint64_t deadline_ms;
};

struct wr_forward {
    struct wr_sink base;
    uv_loop_t *loop;
    struct wr_store *store;
    int64_t receiver;
    struct wr_forward_opts o;     /* strings owned */
    struct wr_forward_conn *conn; /* NULL while backing off */
    uint32_t nconns;              /* not freed yet */
    uv_timer_t timer;             /* back-off, or the deadline of the phase or of the oldest chunk */
    uv_timer_t stop_timer;
    uint32_t backoff_ms;
    struct wr_forward_flight flight[MAX_INFLIGHT];
    uint32_t nflight;
    int64_t after_id; /* chunks up to here were sent on this connection */
    int64_t ever_id;  /* chunks up to here were sent on some connection */
    bool stopping, ended;
    wr_sink_stopped stopped;
    void *arg;
    struct wr_sink_stats stats;
    struct wr_sink_outage outage;
};

/* forward_conn.c */

/* Starts a connection: f->conn, unless that fails at once. */
void wr_forward_attempt(struct wr_forward *f);
/* Gives the connection up, if there is one; what is in flight must be sent again. */
void wr_forward_hang_up(struct wr_forward *f);
/* Sends plaintext, as it is or through TLS, and frees `bytes`. `chunk_id` 0: part of the handshake. False
 * when the connection was given up. */
bool wr_forward_send(struct wr_forward_conn *c, struct wr_buf *bytes, int64_t chunk_id, uint32_t alerts);

/* forward.c */

/* Counts, hangs up and backs off. `why` may be NULL. */
void wr_forward_fail(struct wr_forward *f, const char *what, const char *why);
/* The phase's deadline starts now. */
void wr_forward_watch(struct wr_forward *f);
/* The handshake is done. */
void wr_forward_ready(struct wr_forward_conn *c);
/* A chunk's bytes are in the kernel. */
void wr_forward_written(struct wr_forward *f, int64_t chunk_id, uint32_t alerts);
/* An acknowledgement came. */
void wr_forward_acknowledged(struct wr_forward *f, const char *id);
/* Every answer that came has been read. */
void wr_forward_idle(struct wr_forward_conn *c);
/* A connection was freed. */
void wr_forward_closed(struct wr_forward *f);

#endif
