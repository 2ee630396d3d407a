/* Where alerts go. Every sink is a receiver of the store (store.h): alerts are put into the store first, then
 * every sink is woken and takes what it has not delivered yet. A sink never holds an alert that is not on
 * disk, and the store forgets an alert only after every receiver acknowledged it.
 *
 *   engine --alerts--> wr_store_put --wake--> sink: take chunk -> deliver -> ack
 *
 * Lifetime  made by wr_forward_new or wr_lines_new on a loop and a store that outlive it. wr_sink_stop once,
 *           then, from or after its callback, wr_sink_free.
 * Threads   the loop's thread, which is the store's.
 * Failure   never returned: a sink retries for ever, counts, and keeps the last error as text. */
#ifndef WR_COLLECTOR_SINK_SINK_H
#define WR_COLLECTOR_SINK_SINK_H

#include <stdbool.h>
#include <stdint.h>

struct wr_sink;

/* Counters since the start; `pending` and `connected` are as of now. */
struct wr_sink_stats {
    const char *kind;      /* "forward", "lines" */
    const char *name;      /* the receiver's name in the store; borrowed from the sink */
    bool connected;        /* forward: handshake done; lines: the file is open and the last write worked */
    uint64_t sent;         /* alerts handed to the receiver, repeats included */
    uint64_t acknowledged; /* alerts delivered for good */
    uint64_t retried;      /* alerts sent again */
    uint64_t lost;         /* alerts given up: standard output was closed by its reader */
    uint64_t errors;       /* failed connections, writes, handshakes, late acknowledgements */
    uint64_t unknown_acks; /* acknowledgements of something that was not in flight */
    uint64_t pending;      /* alerts in the store that this receiver has not acknowledged */
    char last_error[192];  /* "" when there was none; never holds a key or password */
};

typedef void (*wr_sink_stopped)(struct wr_sink *sink, void *arg);

struct wr_sink_ops {
    void (*wake)(struct wr_sink *sink);
    void (*reopen)(struct wr_sink *sink);
    void (*stop)(struct wr_sink *sink, uint64_t flush_ms, wr_sink_stopped stopped, void *arg);
    void (*stats)(const struct wr_sink *sink, struct wr_sink_stats *ret_stats);
    void (*free)(struct wr_sink *sink);
};

/* The first member of every sink. */
struct wr_sink {
    const struct wr_sink_ops *ops;
};

/* The store has new alerts. */
static inline void wr_sink_wake(struct wr_sink *sink)
{
    sink->ops->wake(sink);
}

/* Opens files again (logrotate moved them); reads certificates again at the next connection. */
static inline void wr_sink_reopen(struct wr_sink *sink)
{
    sink->ops->reopen(sink);
}

/* Delivers what it can for at most `flush_ms`, closes its handles, then calls `stopped` from the loop. */
static inline void wr_sink_stop(struct wr_sink *sink, uint64_t flush_ms, wr_sink_stopped stopped, void *arg)
{
    sink->ops->stop(sink, flush_ms, stopped, arg);
}

static inline void wr_sink_stats(const struct wr_sink *sink, struct wr_sink_stats *ret_stats)
{
    sink->ops->stats(sink, ret_stats);
}

static inline void wr_sink_free(struct wr_sink *sink)
{
    if (sink)
        sink->ops->free(sink);
}

/* For sinks: what has been said about a receiver, so that an outage is two lines in the log and not one a
 * try. */
struct wr_sink_outage {
    char said[192]; /* "" while all is well */
};
/* Logs stats->last_error unless it was the last thing said. `for_good`: it will not be tried again. */
void wr_sink_failed(struct wr_sink_outage *outage, const struct wr_sink_stats *stats, bool for_good);
/* Something was delivered: logs it when a failure was logged before. */
void wr_sink_works(struct wr_sink_outage *outage, const struct wr_sink_stats *stats);

#endif
