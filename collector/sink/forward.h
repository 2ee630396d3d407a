/* Fluent Forward v1 client: one receiver of the store over TCP or TLS.
 *
 *   idle -> resolve -> connect -> [TLS] -> [HELO PING PONG] -> send, up to `inflight` chunks unacknowledged
 *     ^                                                          |
 *     +--- back-off, doubled and jittered <--- any failure, refusal or late acknowledgement
 *
 * After a reconnect every chunk that is not acknowledged is sent again with the same bytes and the same chunk
 * id. Sent is PackedForward, [tag, bin, {size, chunk}], which every known receiver takes (docs/forwarding.md).
 *
 * Source: Forward Protocol Specification v1, fluent/fluentd wiki. */
#ifndef WR_COLLECTOR_SINK_FORWARD_H
#define WR_COLLECTOR_SINK_FORWARD_H

#include "base/err.h"
#include "collector/sink/sink.h"

#include <uv.h>

struct wr_store;

/* 0 and NULL take the default. Strings are copied. */
struct wr_forward_opts {
    const char *name;       /* the receiver's name in the store and in metrics; "host:port" */
    const char *host;       /* name or address; must be set */
    uint16_t port;          /* 24224 */
    const char *tag;        /* "weir.alert" */
    const char *shared_key; /* set: the HELO/PING/PONG handshake is asked for */
    const char *username;   /* with shared_key only */
    const char *password;
    const char *self_hostname; /* our name in PING; the machine's */
    bool tls;
    bool tls_insecure;     /* does not verify the peer; tests only */
    const char *ca_file;   /* PEM; the system's authorities */
    const char *cert_file; /* client certificate, PEM chain */
    const char *key_file;
    const char *tls_name;        /* name that the certificate must have, and SNI; `host` */
    bool no_ack;                 /* the receiver never acknowledges (Logstash): delivered = written */
    uint32_t ack_timeout_ms;     /* 30000 */
    uint32_t connect_timeout_ms; /* resolve, connect, TLS and handshake: 10000 each */
    uint32_t backoff_min_ms;     /* 1000 */
    uint32_t backoff_max_ms;     /* 60000 */
    uint32_t inflight;           /* chunks: 16 */
    uint32_t chunk_bytes;        /* 1000000; one larger alert goes alone */
    uint32_t chunk_alerts;       /* 1000 */
};

/* A sink for the receiver `receiver` (wr_store_receivers); it starts to connect at once. `loop` and `store`
 * outlive it. NULL when out of memory or when an option cannot be right; *ret_error is then static text. */
struct wr_sink *wr_forward_new(uv_loop_t *loop, struct wr_store *store, int64_t receiver,
                               const struct wr_forward_opts *opts, const char **ret_error) WR_MUST_CHECK;

#endif
