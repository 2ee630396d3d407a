#ifndef WR_COLLECTOR_INGEST_FORWARD_H
#define WR_COLLECTOR_INGEST_FORWARD_H

#include "base/buf.h"
#include "collector/config/config.h"

/* One connection of a Fluent Forward client (Fluent Bit, Fluentd), as a machine over bytes: what came in, what goes out. It
 * knows no socket.
 *
 *   S>C HELO, C>S PING, S>C PONG     when a shared key is set; nothing before a right PING is read as data
 *   C>S message                      -> entries -> frames
 *   S>C {"ack": chunk}               when wr_forward_conn_safe is told that the chunk's rows survive a crash
 *
 * A chunk is worked through in slices, so that a large one does not outrun the ring. One thread. */
struct wr_forward_conn;

enum {
    WR_FORWARD_MAX_MESSAGE = 16 << 20,
    WR_FORWARD_MAX_PING = 4096,
    WR_FORWARD_MAX_ACKS = 256, /* chunks whose rows are not safe yet; then nothing more is read */
    WR_FORWARD_SLICE = 1 << 18 /* bytes of frames at one step */
};

enum wr_forward_step {
    WR_FORWARD_MORE,   /* more bytes are needed */
    WR_FORWARD_WORKED, /* go on: a slice is done, or a whole message (*ret_used > 0) */
    WR_FORWARD_WAIT,   /* too many chunks wait for their acknowledgement */
    WR_FORWARD_BROKEN  /* close; `out` may hold the last answer */
};

/* What the connection hands on. */
struct wr_forward_take {
    void (*frame)(void *ctx, const char *text, size_t len);
    void (*bad_entry)(void *ctx);
    void *ctx;
};

/* `config` must outlive it. Appends the greeting to `out`. NULL: out of memory. */
struct wr_forward_conn *wr_forward_conn_new(const struct wr_forward_listen *config, struct wr_buf *out);
void wr_forward_conn_free(struct wr_forward_conn *conn);

/* Works on the unconsumed bytes data[0..len): the same message stands at their begin until *ret_used says otherwise.
 * *ret_chunk: a chunk with an id is through; call wr_forward_conn_wait with where its rows end. */
enum wr_forward_step wr_forward_conn_step(struct wr_forward_conn *conn, const uint8_t *data, size_t len,
                                          const struct wr_forward_take *take, size_t *ret_used, bool *ret_chunk,
                                          struct wr_buf *out);
/* The chunk's rows end at `position`. */
void wr_forward_conn_wait(struct wr_forward_conn *conn, uint64_t position);
/* All rows below `position` are safe: appends the acknowledgements that are due. */
void wr_forward_conn_safe(struct wr_forward_conn *conn, uint64_t position, struct wr_buf *out);
size_t wr_forward_conn_held(const struct wr_forward_conn *conn); /* bytes of its buffers */
bool wr_forward_conn_waits(const struct wr_forward_conn *conn); /* for an acknowledgement */

#endif
