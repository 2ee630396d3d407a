/* What the buffers of all streams hold together, bounded: the largest goes. */
#include "collector/ingest/stream.h"

enum { STREAMS_SHARE = 8 }; /* of the memory setting */

void wr_stream_count_held(struct wr_stream *s)
{
    struct wr_worker *w = s->listener->worker;
    size_t now = s->buf.cap + s->cipher.cap + (s->forward ? wr_forward_conn_held(s->forward) : 0);
    if (now == s->held)
        return;
    w->held += now - s->held;
    atomic_fetch_add(&w->all_streams->held, now - s->held); /* wraps when it is less */
    s->held = now;
}

/* It goes for what it holds: what it has is a row (syslog) or comes again (Forward). */
void wr_stream_shed(struct wr_stream *s)
{
    struct wr_worker *w = s->listener->worker;
    const char *frame;
    size_t len;
    s->listener->stats.connections_shed++;
    if (!s->forward && !wr_stream_is_flow(s) && s->at < s->buf.len &&
        wr_framing_next(&s->framing, s->buf.data + s->at, s->buf.len - s->at, true, &frame, &len) && frame)
        wr_worker_line(s->listener, s->peer_text, frame, len, w->io->wall_ns(w->io->ctx));
    wr_stream_broken(s);
    wr_buf_fini(&s->buf);
    s->at = 0;
    wr_stream_count_held(s);
}

/* Holds most; NULL: there is none. Standard input is no stranger. */
static struct wr_stream *largest(const struct wr_worker *w)
{
    struct wr_stream *most = NULL;
    for (struct wr_stream *s = w->streams; s; s = s->next)
        if (!s->closing && s->listener->at->kind != WR_LISTEN_STDIN && (!most || s->held > most->held))
            most = s;
    return most;
}

bool wr_streams_too_much_held(const struct wr_worker *w)
{
    size_t most = w->config->memory_bytes / STREAMS_SHARE;
    return atomic_load(&w->all_streams->held) + WR_STREAM_READ_BYTES > most && w->held + WR_STREAM_READ_BYTES > most / w->config->workers;
}

bool wr_stream_may_grow(struct wr_stream *s)
{
    struct wr_worker *w = s->listener->worker;
    size_t most = s->forward ? WR_FORWARD_MAX_MESSAGE : WR_STREAM_MAX_FRAME + WR_STREAM_READ_BYTES;
    if (s->buf.len > most)
        return false;
    wr_stream_count_held(s);
    while (wr_streams_too_much_held(w)) {
        struct wr_stream *most_held = largest(w);
        if (!most_held || most_held == s) /* libuv lets no stream be closed while it asks for room: on_read does it */
            return s->listener->at->kind == WR_LISTEN_STDIN;
        wr_stream_shed(most_held);
    }
    return true;
}
