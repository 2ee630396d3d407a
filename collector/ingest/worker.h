/* A worker: one thread with its own loop, its own SO_REUSEPORT sockets, decoder and parser. It receives,
 * decodes, filters, and hands survivors to the owner of the state through its ring.
 *
 *   sockets --> decode + filter --> ring --> owner
 *
 * A full ring is back-pressure: streams stop being read until there is room, datagrams are dropped and
 * counted.
 *
 * Threads    the worker's own thread runs everything between start and join. `lock` is held while it works on
 *            what it received; the owner takes it to read counters, to save templates and to change what
 *            rules want. */
#ifndef WR_COLLECTOR_INGEST_WORKER_H
#define WR_COLLECTOR_INGEST_WORKER_H

#include "collector/config/config.h"
#include "collector/ingest/tail.h"
#include "collector/ingest/tee.h"
#include "collector/io/io.h"
#include "collector/io/tls.h"
#include "collector/pipeline/ring.h"
#include "collector/pipeline/wants.h"
#include "parsers/flow/decoder.h"
#include "parsers/log/log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

/* Per listener. received = decoded + rejected = decoded + rejected_by[], in datagrams or in messages framed out of a
 * stream. A syslog message with several records is rejected when none of them could be used. */
#define WR_LISTENER_COUNTERS(X)                                                                              \
    X(received, "datagrams and messages received")                                                           \
    X(received_bytes, "their bytes")                                                                         \
    X(decoded, "of them, decoded")                                                                           \
    X(kernel_dropped, "datagrams the kernel had no room for (SO_RXQ_OVFL)")                                  \
    X(receive_errors, "failed receive calls")                                                                \
    X(connections, "stream connections accepted, files opened")                                                            \
    X(connections_refused, "stream connections closed at once: a limit was reached")                         \
    X(connections_broken, "stream connections closed because of their content or silence")                   \
    X(connections_untold, "of them, IPFIX sessions that sent data and no template for a minute")             \
    X(connections_shed, "of them, closed because all streams together held too much and this one most")       \
    X(tls_failed, "TLS handshakes and sessions that failed")                                                  \
    X(tls_refused, "of them, the client's certificate was refused or missing")                               \
    X(tls_timeout, "TLS handshakes given up after 10 s")                                                      \
    X(paused, "times a stream or file was not read because the ring was full")                              \
    X(overwritten, "files that were cut, or written anew, in place: read from their begin again")

/* Reasons of syslog listeners; flow listeners have WR_FLOW_REJECTS. */
#define WR_LINE_REJECTS(X) X(empty) X(json) X(limit) X(missing_field) X(oversize) X(no_memory) X(not_forward)
enum wr_line_reject {
#define X(name) WR_LINE_REJECT_##name,
    WR_LINE_REJECTS(X)
#undef X
        WR_LINE_NREJECTS
};
_Static_assert((int)WR_LINE_NREJECTS <= (int)WR_FLOW_NREJECTS, "rejected_by has room for both");

/* All u64: they are summed over the workers as an array. */
struct wr_listener_stats {
#define X(name, help) uint64_t name;
    WR_LISTENER_COUNTERS(X)
#undef X
    uint64_t rejected, rejected_by[WR_FLOW_NREJECTS];
};

struct wr_worker;

struct wr_listener {
    struct wr_worker *worker;
    const struct wr_listen *at;
    struct wr_udp udp; /* datagrams */
    uv_poll_t poll;
    uv_timer_t later; /* runs instead of `poll` while they come often; see udp.c */
    int64_t woken_ns; /* monotonic */
    uint32_t often;   /* wake-ups in quick succession */
    int together;     /* trains that the next receive call may bring */
    uv_tcp_t tcp; /* streams */
    bool open; /* a socket that is to be closed */
    struct wr_listener_stats stats;
};

struct wr_stream; /* tcp.c */

/* Of all workers together; the owner's. */
struct wr_streams {
    atomic_int open;
    atomic_size_t held; /* bytes of their buffers */
};

struct wr_worker {
    const struct wr_io *io;
    const struct wr_config *config;
    uint32_t index;
    uv_async_t *owner; /* told when the ring has something */
    struct wr_ring *ring;
    atomic_bool stop, finished;
    struct wr_streams *all_streams;
    atomic_bool input_ended;  /* standard input, all of it is in the ring; the owner was told */
    /* Forward clients wait for their acknowledgement until the owner says that the log up to `safe` (wr_ring_given) is on
     * disk. `safe_mark` is the owner's: what the sync under way covers. */
    _Atomic size_t safe;
    atomic_bool acks_wanted;
    size_t safe_mark;

    pthread_mutex_t lock; /* everything below */
    uv_loop_t loop;
    uv_thread_t thread;
    bool started;
    uv_async_t wake;
    uv_timer_t resume; /* tries paused streams again */
    uv_timer_t sweep;  /* closes silent ones */
    struct wr_flow_decoder *decoder;
    struct wr_log *log;
    struct wr_tee *tee; /* NULL: none */
    struct wr_tail *tail; /* NULL: no files */
    struct wr_buf *unit;  /* while a file is worked on: its rows gather here, not in the ring */
    const struct wr_tls_server *tls; /* of new connections; the owner's */
    struct wr_flow_vec flows;
    uint32_t flow_parts;  /* what rules on Flows read of records, which go as blocks (pipeline/block.h); 0: they go whole */
    uint64_t *conn_ports; /* of those, which go whole beside it, to connections (wr_wants_connection); NULL: none */
    struct wr_rows rows; /* a batch for each table that some rule reads */
    bool broken;         /* no memory: frames are refused and counted until a reload */
    struct wr_buf packed;
    bool pushed; /* since the owner was last told */
    struct wr_listener listeners[WR_CONFIG_MAX_LISTEN];
    uint32_t nlisteners;
    struct wr_stream *streams;
    uint32_t nstreams;
    size_t held;         /* bytes of their buffers */
    struct wr_buf inbox; /* what a stream is read into */
    uint64_t next_session;
    struct wr_framing framing_total;  /* counters of streams that have closed */
    uint64_t rows_sent, rows_dropped; /* rows that went into the ring; that had no room */
};

/* Decoder, parser, ring and bound sockets; nothing runs yet. On failure `error` gets a line and nothing is
 * left. */
enum wr_err wr_worker_init(struct wr_worker *worker, const struct wr_io *io, const struct wr_config *config,
                           uint32_t index, const struct wr_wants *wants, uv_async_t *owner,
                           struct wr_streams *all_streams, struct wr_buf *error) WR_MUST_CHECK;
enum wr_err wr_worker_start(struct wr_worker *worker) WR_MUST_CHECK;
/* Before the first starts: flow datagrams are spread over the `n` workers by exporter. -errno: by the
 * kernel's hash of addresses and ports. */
int wr_workers_steer(struct wr_worker *workers, uint32_t n);
/* Asks it to end: it takes what its sockets still hold, closes them and sets `finished`. The owner goes on
 * emptying the ring until then. */
void wr_worker_stop(struct wr_worker *worker);
/* After `finished` or when it was never started: joins and frees. */
void wr_worker_fini(struct wr_worker *worker);

/* Owner: other rules. WR_ENOMEM: what it had stays. */
enum wr_err wr_worker_wants(struct wr_worker *worker, const struct wr_wants *wants) WR_MUST_CHECK;

/* Owner: certificates for connections from now on; before the start, too. It keeps `server`. */
void wr_worker_tls(struct wr_worker *worker, const struct wr_tls_server *server);

/* Before the start: files are read on from where they are known to have been read to. */
enum wr_err wr_worker_files(struct wr_worker *worker, const struct wr_fileposs *known) WR_MUST_CHECK;

/* Inside the worker, with `lock` held. */
bool wr_worker_push(struct wr_worker *worker, uint32_t type, const void *bytes, size_t len); /* into the ring; false: no room */
void wr_worker_flush(struct wr_worker *worker);        /* what was decoded goes into the ring */
void wr_worker_tell(struct wr_worker *worker);         /* the owner, when something did */
void wr_worker_resume_later(struct wr_worker *worker); /* a stream is held back */
/* Datagrams of one peer. */
void wr_worker_flows(struct wr_listener *l, const struct wr_flow_coming *train, int64_t now_ns);
/* One message of a listener; `peer_text` is the address for syslog. */
void wr_worker_flow(struct wr_listener *l, const struct wr_flow_peer *peer, const uint8_t *data, size_t len,
                    int64_t now_ns);
void wr_worker_reject(struct wr_listener *l, unsigned why); /* enum wr_flow_reject or wr_line_reject, as the listener is */
void wr_worker_line(struct wr_listener *l, const char *peer_text, const char *data, size_t len,
                    int64_t now_ns);

/* Address of a connection's other end, IPv4 mapped into IPv6 and as text. False: it is gone already. */
bool wr_ingest_peer(const uv_tcp_t *tcp, struct wr_flow_peer *ret_peer, char ret_text[INET6_ADDRSTRLEN]);

/* udp.c, tcp.c: a listener of the worker. -errno. */
int wr_ingest_udp_open(struct wr_listener *l);
void wr_ingest_udp_drain(struct wr_listener *l);
void wr_ingest_udp_close(struct wr_listener *l);
int wr_ingest_tcp_open(struct wr_listener *l);
void wr_ingest_tcp_close(struct wr_listener *l);
int wr_ingest_stdin_open(struct wr_listener *l); /* closed with the streams */
void wr_ingest_streams_resume(struct wr_worker *worker);
void wr_ingest_streams_sweep(struct wr_worker *worker);
void wr_ingest_streams_close(struct wr_worker *worker);
void wr_ingest_streams_acks(struct wr_worker *worker); /* what has become safe is acknowledged */
void wr_ingest_framing_sum(const struct wr_worker *worker, struct wr_framing *ret_sum);

#endif
