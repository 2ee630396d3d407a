/* The owner of the state: one loop that takes what the workers received, in one order, and turns it
 * into alerts.
 *
 *   rings --> log --> core --> alerts --> store --> sinks
 *              '--every minute: snapshot
 *
 * An input is in the log before it is worked on; an alert is stored, and the log behind it synced,
 * before any sink sees it. Nothing here waits on a sink.
 *
 * Threads    the owner's loop; workers only touch their ring and `wake`. */
#ifndef WR_COLLECTOR_PIPELINE_OWNER_H
#define WR_COLLECTOR_PIPELINE_OWNER_H

#include "collector/ingest/worker.h"
#include "collector/ops/http.h"
#include "collector/pipeline/core.h"
#include "collector/sink/sink.h"
#include "collector/sink/store.h"
#include "collector/state/state.h"

enum { WR_OWNER_MAX_SINKS = WR_CONFIG_MAX_FORWARD + WR_CONFIG_MAX_FILES + 1 };

struct wr_owner_stats {
    uint64_t inputs, turns, idle_turns, input_errors, alerts, alerts_unstored, store_errors, reloads,
        reload_errors, syncs;
    uint64_t replayed, crash_gap_records;
};

struct wr_owner {
    const struct wr_io *io;
    struct wr_config *config;
    uv_loop_t *loop;
    struct wr_core *core;
    struct wr_state state;
    struct wr_recovery_report recovered;
    struct wr_store *store;
    struct wr_sink *sinks[WR_OWNER_MAX_SINKS];
    uint32_t nsinks, sinks_running;
    struct wr_worker *workers; /* config->workers of them */
    uint32_t nworkers;
    struct wr_tls_server *tls; /* NULL: no listener needs it */
    struct wr_streams streams;
    struct wr_http *http;
    void (*on_input_end)(void *arg); /* standard input has ended; set by the caller after the start */
    void *on_input_end_arg;

    uv_async_t wake;
    uv_timer_t gather; /* runs while inputs come; see wr_owner_on_wake */
    uv_timer_t tick, commit, housekeeping, deadline;
    uv_work_t sync;
    int sync_fd, sync_rc;
    uint64_t sync_segment;
    uint64_t unlogged_cut, unlogged_saved; /* records that no log has, of them those that a stored snapshot has */
    bool syncing;         /* `sync` runs in the thread pool */
    bool snapshot_wanted; /* as soon as no sync and no snapshot runs */
    bool saving;          /* a child writes `snapshot`; `saved` watches it */
    uv_poll_t saved;
    struct wr_snapshot_job snapshot;
    bool workers_held;         /* their locks are held: while the child is made, and so in the child */
    uint64_t snapshots_inline; /* written by the owner itself: the machine had no room for a child */
    int64_t snapshot_at_ns;    /* monotonic, begin of the last one */
    int64_t snapshot_stall_ns,
        snapshot_stall_max_ns; /* the last one held the owner up for so long; the longest did */
    uint64_t log_bytes;        /* since the last snapshot */
    uint64_t received_before;  /* messages of all listeners at the last snapshot */
    bool inputs_to_turn;       /* some were applied since the last turn */
    int64_t last_input_ns, last_turn_ns, last_trim_ns;
    struct wr_alert *unstored, **unstored_end; /* raised, the store could not take them yet */
    uint32_t nunstored;
    bool failing, store_failing, snapshot_failing; /* log, store, snapshots: said once, and once when it is over */
    enum { WR_OWNER_STARTING, WR_OWNER_RUNNING, WR_OWNER_DRAINING, WR_OWNER_STOPPING } phase;
    struct wr_owner_stats stats;
};

/* State directory, store, recovery, sinks, workers, HTTP, in this order. On failure `error` gets a
 * line; wr_owner_fini is then still to be called. `rules` is referenced. */
enum wr_err wr_owner_start(struct wr_owner *owner, const struct wr_io *io, struct wr_config *config,
                           struct wr_ruleset *rules, bool force_recover, uv_loop_t *loop,
                           struct wr_buf *error) WR_MUST_CHECK;
/* Ends in order: workers, last turn, snapshot, sinks (5 s to flush), handles. The loop then runs
 * out. */
void wr_owner_stop(struct wr_owner *owner);
void wr_owner_fini(struct wr_owner *owner);

/* Other rules and, of `next`, what can change while it runs: how rules run, receivers, retention,
 * snapshots. What cannot is said in the log. On failure all goes on as it was. Texts of `next` must
 * outlive the next reload. */
enum wr_err wr_owner_reload(struct wr_owner *owner, struct wr_ruleset *rules,
                            const struct wr_config *next) WR_MUST_CHECK;

/* What rules read beside events changed. */
void wr_owner_refdata_changed(struct wr_owner *owner);

/* Prometheus text; one line of health, false when something is wrong. ops/metrics.c */
void wr_owner_metrics(struct wr_owner *owner, struct wr_buf *out);
bool wr_owner_healthy(const struct wr_owner *owner, struct wr_buf *out);

/* Between owner.c and owner_life.c. */
void wr_owner_turn(struct wr_owner *owner);
void wr_owner_on_wake(uv_async_t *wake);
void wr_owner_on_gather(uv_timer_t *timer);
void wr_owner_on_tick(uv_timer_t *timer);
void wr_owner_on_commit(uv_timer_t *timer);
void wr_owner_on_housekeeping(uv_timer_t *timer);
void wr_owner_snapshot(struct wr_owner *owner);
void wr_owner_snapshot_now(struct wr_owner *owner); /* waits until it is stored: at the stop */
void wr_owner_commit_later(struct wr_owner *owner);
void wr_owner_take_alerts(struct wr_owner *owner);
bool wr_owner_store_alerts(struct wr_owner *owner);
void wr_owner_drained(struct wr_owner *owner);

#endif
