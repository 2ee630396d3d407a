/* Fluent Forward on a stream: steps of the machine in forward.c, acknowledgements when rows are safe. */
#include "collector/ingest/stream.h"

static void acknowledge(struct wr_stream *s)
{
    struct wr_worker *w = s->listener->worker;
    struct wr_buf out = {0};
    if (!s->forward || s->closing)
        return;
    wr_forward_conn_safe(s->forward, atomic_load(&w->safe), &out);
    wr_stream_say(s, &out);
}

void wr_ingest_streams_acks(struct wr_worker *worker)
{
    bool wanted = false;
    atomic_store(&worker->acks_wanted, false);
    for (struct wr_stream *s = worker->streams; s; s = s->next) {
        acknowledge(s);
        wanted |= s->forward && wr_forward_conn_waits(s->forward);
    }
    if (wanted)
        atomic_store(&worker->acks_wanted, true);
}

/* All rows of a chunk are in the ring; or some had no room, and then the client keeps it. */
static void end_chunk(struct wr_stream *s)
{
    struct wr_worker *w = s->listener->worker;
    wr_worker_flush(w);
    if (w->rows_dropped != s->rows_dropped || w->broken) {
        wr_stream_broken(s);
        return;
    }
    wr_forward_conn_wait(s->forward, wr_ring_given(w->ring));
    atomic_store(&w->acks_wanted, true);
    acknowledge(s); /* nothing of it went into the ring, and all before is safe */
}

struct forward_frame {
    struct wr_stream *s;
    int64_t now_ns;
};

static void on_frame(void *ctx, const char *text, size_t len)
{
    struct forward_frame *f = ctx;
    wr_worker_line(f->s->listener, f->s->peer_text, text, len, f->now_ns);
}

static void on_bad_entry(void *ctx)
{
    struct forward_frame *f = ctx;
    f->s->listener->stats.received++;
    wr_worker_reject(f->s->listener, WR_LINE_REJECT_not_forward);
}

bool wr_stream_forward_step(struct wr_stream *s, int64_t now_ns, size_t *ret_cost)
{
    struct wr_worker *w = s->listener->worker;
    struct forward_frame f = {s, now_ns};
    struct wr_forward_take take = {.frame = on_frame, .bad_entry = on_bad_entry, .ctx = &f};
    struct wr_buf out = {0};
    size_t used = 0;
    bool chunk = false;
    enum wr_forward_step step = wr_forward_conn_step(s->forward, (const uint8_t *)s->buf.data + s->at,
                                                     s->buf.len - s->at, &take, &used, &chunk, &out);
    s->at += used;
    *ret_cost = WR_FORWARD_SLICE;
    wr_stream_say(s, &out);
    if (chunk)
        end_chunk(s);
    if (used)
        s->rows_dropped = w->rows_dropped;
    if (step == WR_FORWARD_BROKEN)
        wr_stream_broken(s);
    s->paused = step == WR_FORWARD_WAIT;
    return step == WR_FORWARD_WORKED && !s->closing;
}
