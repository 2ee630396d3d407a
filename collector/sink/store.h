/* Alerts on disk: history, and the outbox of every receiver. One SQLite file (WAL).
 *
 *   alert     n (never reused), id, seq, raised_at, rule, severity, kind, json, entry     unique (id, seq)
 *   receiver  name, taken: every alert with n <= taken is in a chunk or was acknowledged
 *   chunk     receiver, first, last: taken and not yet acknowledged
 *
 *        acknowledged | in a chunk          | not taken yet
 *   n:   1 2 3 4 5    | [6 7 8] [9 10]      | 11 12 13
 *                                      ^ taken
 *
 * A chunk's bounds are written before it is first sent, so that a retry, also after kill -9, sends the same
 * bytes.
 *
 * Durability  wr_store_put returns when the alerts are synced. Taking and acknowledging survive kill -9; power
 *             loss may undo the last ones, which repeats a delivery and never loses one.
 * Threads     one at a time.
 * Failure     WR_EIO (disk, permission, full), WR_ECORRUPT (not a store, damaged), WR_EUNSUPPORTED (newer
 *             schema); wr_store_error() says what, where and the remedy. A failed call changes nothing. */
#ifndef WR_COLLECTOR_SINK_STORE_H
#define WR_COLLECTOR_SINK_STORE_H

#include "base/alert.h"

struct wr_store;

enum wr_store_mode {
    WR_STORE_OWN,  /* the daemon: creates the file, one process at a time */
    WR_STORE_READ, /* weir alerts: beside a running daemon */
};

/* Opens `path`. On failure *ret_store is NULL and `error` (may be NULL) gets one line without a line end. */
enum wr_err wr_store_open(const char *path, enum wr_store_mode mode, struct wr_buf *error,
                          struct wr_store **ret_store) WR_MUST_CHECK;
void wr_store_close(struct wr_store *store);
/* Text of the last failure; borrowed until the next call. */
const char *wr_store_error(const struct wr_store *store);

/* Stores a list in one synced transaction; alerts whose (id, seq) is there already are left out. *ret_new
 * (may be NULL) is the number that was new. The list stays the caller's. */
enum wr_err wr_store_put(struct wr_store *store, const struct wr_alert *list,
                         uint32_t *ret_new) WR_MUST_CHECK;

/* Sets the receivers, all at once, before any sink is made; ret_ids[i] belongs to names[i]. A name that is
 * new gets the alerts stored from now on. One that is gone is forgotten, with what was waiting for it. */
enum wr_err wr_store_receivers(struct wr_store *store, const char *const *names, uint32_t n,
                               int64_t *ret_ids) WR_MUST_CHECK;

struct wr_chunk {
    int64_t id;
    int64_t first, last; /* alerts with n in [first, last]; trimmed ones are missing */
};

/* Takes the next alerts of a receiver: at least one, then while bytes and count stay within the bounds.
 * WR_ENOENT when it has taken all. */
enum wr_err wr_store_take(struct wr_store *store, int64_t receiver, uint32_t max_bytes, uint32_t max_alerts,
                          struct wr_chunk *ret_chunk) WR_MUST_CHECK;
/* The receiver's first unacknowledged chunk with an id above `after_id` (0 starts); else WR_ENOENT. */
enum wr_err wr_store_chunk(struct wr_store *store, int64_t receiver, int64_t after_id,
                           struct wr_chunk *ret_chunk) WR_MUST_CHECK;

enum wr_store_form {
    WR_STORE_ENTRIES, /* Fluent Forward entries [EventTime, record], back to back */
    WR_STORE_LINES,   /* JSON, a line each */
};
/* Appends a chunk's content to `out`; *ret_alerts is their number. */
enum wr_err wr_store_read(struct wr_store *store, const struct wr_chunk *chunk, enum wr_store_form form,
                          struct wr_buf *out, uint32_t *ret_alerts) WR_MUST_CHECK;
/* The receiver has the chunk for good. */
enum wr_err wr_store_ack(struct wr_store *store, int64_t chunk_id) WR_MUST_CHECK;
/* Alerts that the receiver has not acknowledged. */
enum wr_err wr_store_pending(struct wr_store *store, int64_t receiver, uint64_t *ret_alerts) WR_MUST_CHECK;

/* What may be kept; 0 = no bound. The first two apply to alerts that every receiver has acknowledged, the
 * last to all: beyond it the oldest go, delivered or not. */
struct wr_store_limits {
    int64_t max_age_ticks;
    uint64_t max_alerts;
    uint64_t max_alerts_undelivered;
};
/* Forgets what the limits do not cover; at most 10,000 alerts a call. *ret_dead counts those that some
 * receiver never got. Call it every minute or so. */
enum wr_err wr_store_trim(struct wr_store *store, const struct wr_store_limits *limits, int64_t now_ticks,
                          uint64_t *ret_forgotten, uint64_t *ret_dead) WR_MUST_CHECK;

/* History, oldest first: alerts with n > after_n, raised at or after since_ticks (0 = all), of those the
 * newest `limit` (0 = all); of each alert its last version, unless all are asked for. To follow, ask again with the last n. `each` gets borrowed JSON text; it returns
 * false to stop. */
struct wr_store_query {
    int64_t after_n;
    int64_t since_ticks;
    uint32_t limit;
    bool all_versions;
};
typedef bool (*wr_store_each)(void *arg, int64_t n, const char *json, size_t len);
enum wr_err wr_store_history(struct wr_store *store, const struct wr_store_query *query, wr_store_each each,
                             void *arg) WR_MUST_CHECK;

struct wr_store_stats {
    uint64_t put, known;          /* alerts stored, alerts that were there already */
    uint64_t taken, acknowledged; /* alerts, over all receivers */
    uint64_t forgotten, dead;     /* by wr_store_trim */
};
struct wr_store_stats wr_store_stats(const struct wr_store *store);

#endif
