#ifndef WR_COLLECTOR_INGEST_STREAM_H
#define WR_COLLECTOR_INGEST_STREAM_H

#include "collector/ingest/forward.h"
#include "collector/ingest/worker.h"

/* One stream: between tcp.c (life, reading), stream_forward.c (Fluent Forward) and stream_held.c (memory of all together). The
 * worker's lock is held. */
enum { WR_STREAM_READ_BYTES = 65536, WR_STREAM_MAX_FRAME = 1 << 20 };

struct wr_stream {
    struct wr_listener *listener;
    struct wr_stream *next, *prev;
    union {
        uv_tcp_t tcp;
        uv_pipe_t pipe; /* standard input: a pipe, a socket or a terminal; */
        uv_idle_t file; /* or a file, which no kernel says to be readable */
    };
    struct wr_flow_peer peer;
    char peer_text[INET6_ADDRSTRLEN];
    struct wr_framing framing;
    struct wr_forward_conn *forward; /* Forward only */
    uint64_t rows_dropped;           /* of the worker, when its chunk began */
    struct wr_buf buf; /* bytes from `at` on are not consumed */
    size_t at;
    uint64_t progress_ms; /* loop time of the last whole message */
    struct wr_tls *tls;    /* NULL: plain TCP */
    struct wr_buf cipher;  /* as received */
    struct wr_buf greeting; /* Forward within TLS: when its handshake is done */
    size_t held;           /* bytes of it that the worker's `held` has counted */
    bool paused, closing, eof, is_file;
};

static inline bool wr_stream_is_flow(const struct wr_stream *s)
{
    return wr_listen_is_flow(s->listener->at->kind);
}

void wr_stream_broken(struct wr_stream *s);                       /* closed and counted */
void wr_stream_answer(struct wr_stream *s, struct wr_buf *bytes); /* sends and takes the bytes as they are */
void wr_stream_say(struct wr_stream *s, struct wr_buf *bytes);    /* the same, within TLS where there is some */

/* One step of a Forward client. *ret_cost: about the bytes of the frames that it gave. False: more must come first. */
bool wr_stream_forward_step(struct wr_stream *s, int64_t now_ns, size_t *ret_cost);

void wr_stream_count_held(struct wr_stream *s); /* after its buffers changed */
/* All streams hold more than their part of the memory, and this worker's more than its part of that. */
bool wr_streams_too_much_held(const struct wr_worker *w);
/* Room for WR_STREAM_READ_BYTES more in the stream's own buffer: within the bound of one message, and within that of all
 * streams, for which others may go. */
bool wr_stream_may_grow(struct wr_stream *s);
void wr_stream_shed(struct wr_stream *s); /* closed for what it holds, and counted */

#endif
