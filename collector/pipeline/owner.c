#include "collector/pipeline/owner.h"

#include "base/ticks.h"
#include "collector/ops/oplog.h"

#include <errno.h>
#include <string.h>

enum {
    WORK_PER_TURN = 65536, /* of one worker (wr_core_weight); so that timers and sinks get their turn under load */
    GATHER_MS = 10,         /* of what an alert may take, 100 */
    UNSTORED_MAX = 10000,
    HUNG_INTERVALS = 10,
    TICK_MS = 100, /* how late time is noticed, while something comes in */
    IDLE_TICK_MS = 1000
};
static const int64_t SECOND_NS = 1000000000;
static const int64_t HUNG_MIN_NS = 10 * INT64_C(1000000000);
static const int64_t BUSY_NS =
    15 * INT64_C(1000000000); /* after an input time moves on ten times a second, later each second */

static void work_through(struct wr_owner *o, const struct wr_input *in)
{
    enum wr_err err = wr_core_apply(o->core, in);
    o->stats.inputs++;
    if (err) {
        o->stats.input_errors++;
        wr_oplog(WR_OPLOG_ERROR, "an input was not worked through", "error", wr_strerror(err), NULL);
    }
}

static void apply(struct wr_owner *o, const struct wr_input *in)
{
    wr_wal_append(&o->state.wal, in);
    work_through(o, in);
    o->inputs_to_turn = true;
    if (wr_wal_full(&o->state.wal))
        (void)wr_wal_write(&o->state.wal); /* a failure shows in wal.fd: housekeeping deals with it */
}

static uint32_t take_inputs(struct wr_owner *o)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < o->nworkers; i++) {
        struct wr_input in;
        uint32_t n = 0;
        while (n < WORK_PER_TURN && wr_ring_peek(o->workers[i].ring, &in)) {
            n += wr_core_weight(&in);
            apply(o, &in);
            wr_ring_pop(o->workers[i].ring);
        }
        if (n > most)
            most = n;
    }
    return most;
}

void wr_owner_take_alerts(struct wr_owner *o)
{
    struct wr_alert *list = wr_core_alerts(o->core);
    while (list) {
        struct wr_alert *next = list->next;
        list->next = NULL;
        o->stats.alerts++;
        if (o->nunstored < UNSTORED_MAX) {
            *o->unstored_end = list;
            o->unstored_end = &list->next;
            o->nunstored++;
        } else {
            o->stats.alerts_unstored++;
            wr_alert_free(list);
        }
        list = next;
    }
}

/* The log first: an alert that a sink has seen must not be raised anew, with other rows, after a
 * power loss.
 */
bool wr_owner_store_alerts(struct wr_owner *o)
{
    if (!o->unstored)
        return true;
    struct wr_wal *wal = &o->state.wal;
    if (wr_wal_write(wal) == 0 && wal->fd >= 0) {
        int rc = wr_wal_sync(wal, wal->fd);
        if (rc != 0)
            wr_wal_failed(wal, rc);
        else
            wal->dirty = false;
        o->stats.syncs++;
    }
    uint32_t fresh = 0;
    enum wr_err err = wr_store_put(o->store, o->unstored, &fresh);
    if (err) {
        o->stats.store_errors++;
        if (!o->store_failing)
            wr_oplog(WR_OPLOG_ERROR,
                     "cannot store alerts: they wait in memory and are sent when they are stored", "dir",
                     o->state.dir, "error", wr_store_error(o->store), NULL);
        o->store_failing = true;
        return false;
    }
    if (o->store_failing)
        wr_oplog(WR_OPLOG_INFO, "alerts are stored again", "alerts", WR_FMT("%u", o->nunstored), NULL);
    o->store_failing = false;
    while (o->unstored) {
        struct wr_alert *next = o->unstored->next;
        wr_alert_free(o->unstored);
        o->unstored = next;
    }
    o->unstored_end = &o->unstored;
    o->nunstored = 0;
    for (uint32_t i = 0; fresh && i < o->nsinks; i++)
        wr_sink_wake(o->sinks[i]);
    return true;
}

/* Worked through first: a turn without inputs that changed nothing need not be in the log, or an idle weir
 * would write and sync one every second. It is there before an alert of its is stored. */
static void turn(struct wr_owner *o)
{
    struct wr_input in = {.type = WR_INPUT_TURN, .arrival_ns = o->io->wall_ns(o->io->ctx)};
    struct wr_core_counts before, after;
    o->stats.turns++;
    if (!o->inputs_to_turn) /* counting asks every rule */
        before = wr_core_counts(o->core);
    work_through(o, &in);
    if (!o->inputs_to_turn) {
        after = wr_core_counts(o->core);
        if (memcmp(&before, &after, sizeof before) == 0) {
            o->stats.idle_turns++;
            return;
        }
    }
    o->inputs_to_turn = false;
    wr_wal_append(&o->state.wal, &in);
}

void wr_owner_turn(struct wr_owner *o)
{
    turn(o);
    o->last_turn_ns = o->io->mono_ns(o->io->ctx);
    (void)wr_wal_write(&o->state.wal); /* with the kernel: survives kill -9 */
    wr_owner_take_alerts(o);
    (void)wr_owner_store_alerts(o);
    wr_owner_commit_later(o);
}

static bool workers_finished(const struct wr_owner *o)
{
    for (uint32_t i = 0; i < o->nworkers; i++)
        if (!atomic_load(&o->workers[i].finished))
            return false;
    return true;
}

/* What has gathered: also what came while this was running, as long as it is little. */
static void look(struct wr_owner *o)
{
    bool finished =
        o->phase == WR_OWNER_DRAINING && workers_finished(o); /* before the last look at the rings */
    uint32_t n = take_inputs(o);
    if (n) {
        o->last_input_ns = o->io->mono_ns(o->io->ctx);
        if (uv_timer_get_repeat(&o->tick) != TICK_MS)
            uv_timer_start(&o->tick, wr_owner_on_tick, TICK_MS, TICK_MS);
        wr_owner_turn(o);
    }
    if (n >= WORK_PER_TURN)
        uv_async_send(&o->wake);
    else if (finished && !o->syncing && !o->saving)
        wr_owner_drained(o);
}

static void attend(struct wr_owner *o, bool attended)
{
    for (uint32_t i = 0; i < o->nworkers; i++)
        wr_ring_attend(o->workers[i].ring, attended);
}

static bool anything(const struct wr_owner *o)
{
    for (uint32_t i = 0; i < o->nworkers; i++)
        if (wr_ring_depth(o->workers[i].ring))
            return true;
    return false;
}

/* The first row is worked on at once. After that the owner looks every GATHER_MS by itself and needs no
 * waking, until it finds nothing. */
void wr_owner_on_wake(uv_async_t *wake)
{
    struct wr_owner *o = wake->data;
    look(o);
    if (o->phase == WR_OWNER_RUNNING && atomic_exchange(&o->workers[0].input_ended, false) && o->on_input_end)
        o->on_input_end(o->on_input_end_arg);
    if (o->phase != WR_OWNER_RUNNING || uv_is_active((uv_handle_t *)&o->gather))
        return;
    uv_timer_start(&o->gather, wr_owner_on_gather, GATHER_MS, GATHER_MS);
    attend(o, true);
}

void wr_owner_on_gather(uv_timer_t *timer)
{
    struct wr_owner *o = timer->data;
    if (anything(o)) {
        look(o);
        return;
    }
    uv_timer_stop(timer);
    attend(o, false);
    if (anything(o))
        uv_async_send(&o->wake);
}

void wr_owner_on_tick(uv_timer_t *timer)
{
    struct wr_owner *o = timer->data;
    int64_t now = o->io->mono_ns(o->io->ctx);
    if (now - o->last_turn_ns >= SECOND_NS / 11)
        wr_owner_turn(o);
    if (now - o->last_input_ns >= BUSY_NS && uv_timer_get_repeat(timer) != IDLE_TICK_MS)
        uv_timer_start(timer, wr_owner_on_tick, IDLE_TICK_MS, IDLE_TICK_MS);
}

/* ---- log and snapshot ---- */

/* What was taken from each ring up to here is in the log, and written. */
static void mark_taken(struct wr_owner *o)
{
    for (uint32_t i = 0; i < o->nworkers; i++)
        o->workers[i].safe_mark = wr_ring_taken(o->workers[i].ring);
}

/* The marks are on disk: who waits for that may be told. Not while rows are only in memory, of a time when the log
 * failed. */
static void say_safe(struct wr_owner *o)
{
    if (o->state.wal.fd < 0 || o->state.wal.unlogged != o->unlogged_saved)
        return;
    for (uint32_t i = 0; i < o->nworkers; i++) {
        struct wr_worker *w = &o->workers[i];
        size_t before = atomic_exchange(&w->safe, w->safe_mark);
        if (before != w->safe_mark && atomic_load(&w->acks_wanted))
            uv_async_send(&w->wake);
    }
}

static void sync_work(uv_work_t *req)
{
    struct wr_owner *o = req->data;
    o->sync_rc = wr_wal_sync(&o->state.wal, o->sync_fd);
}

static void sync_done(uv_work_t *req, int status)
{
    struct wr_owner *o = req->data;
    o->syncing = false;
    /* The log may have begun another segment meanwhile: then this result says nothing about it. */
    bool same = o->state.wal.fd == o->sync_fd && o->state.wal.segment == o->sync_segment;
    if (status == 0 && o->sync_rc != 0 && same)
        wr_wal_failed(&o->state.wal, o->sync_rc);
    if (status == 0 && o->sync_rc == 0)
        say_safe(o);
    if (o->phase == WR_OWNER_DRAINING)
        uv_async_send(&o->wake);
    else if (o->snapshot_wanted && o->phase == WR_OWNER_RUNNING)
        wr_owner_snapshot(o);
    wr_owner_commit_later(o);
}

/* Unless one is under way: its end asks again. */
void wr_owner_commit_later(struct wr_owner *o)
{
    uint64_t ms = (uint64_t)o->config->commit_ns / 1000000;
    if (!o->syncing && !o->state.wal.dirty && !o->state.wal.pending.len) { /* synced with an alert, or a new segment */
        mark_taken(o);
        say_safe(o);
    }
    if (o->phase == WR_OWNER_RUNNING && o->state.wal.dirty && !o->syncing &&
        !uv_is_active((uv_handle_t *)&o->commit))
        uv_timer_start(&o->commit, wr_owner_on_commit, ms, 0);
}

void wr_owner_on_commit(uv_timer_t *timer)
{
    struct wr_owner *o = timer->data;
    struct wr_wal *wal = &o->state.wal;
    (void)wr_wal_write(wal);
    if (o->syncing || !wal->dirty || wal->fd < 0)
        return;
    o->sync.data = o;
    o->sync_fd = wal->fd;
    o->sync_segment = wal->segment;
    mark_taken(o);
    wal->dirty = false;
    if (uv_queue_work(o->loop, &o->sync, sync_work, sync_done) == 0) {
        o->syncing = true;
        o->stats.syncs++;
    } else {
        wal->dirty = true;
    }
}

/* In the child, or here when there is none. */
static void fill_snapshot(void *arg, struct wr_buf *out)
{
    struct wr_owner *o = arg;
    size_t section = wr_snapshot_open(out, WR_SECTION_CONN);
    wr_core_save(o->core, out, NULL);
    wr_snapshot_close(out, section);
    section = wr_snapshot_open(out, WR_SECTION_ENGINE);
    wr_core_save(o->core, NULL, out);
    wr_snapshot_close(out, section);
    section = wr_snapshot_open(out, WR_SECTION_FILES);
    wr_fileposs_save(wr_core_files(o->core), out);
    wr_snapshot_close(out, section);
    if (o->config->lookups) {
        section = wr_snapshot_open(out, WR_SECTION_LOOKUPS);
        wr_lookups_save(o->config->lookups, out);
        wr_snapshot_close(out, section);
    }
    section = wr_snapshot_open(out, WR_SECTION_TEMPLATES);
    wr_flow_hosts_save(o->config->hosts, out); /* in the child its lock is free: it is taken under a worker's alone */
    wr_snapshot_close(out, section);
    for (uint32_t i = 0; i < o->nworkers; i++) {
        section = wr_snapshot_open(out, WR_SECTION_TEMPLATES);
        if (!o->workers_held)
            pthread_mutex_lock(&o->workers[i].lock);
        wr_flow_decoder_save(o->workers[i].decoder, out);
        if (!o->workers_held)
            pthread_mutex_unlock(&o->workers[i].lock);
        wr_snapshot_close(out, section);
    }
}

static void say_saved(struct wr_owner *o, int rc)
{
    if (rc == 0) {
        o->unlogged_saved = o->unlogged_cut;
        if (o->snapshot_failing)
            wr_oplog(WR_OPLOG_INFO, "snapshots are written again", "dir", o->state.dir, NULL);
        o->snapshot_failing = false;
        return;
    }
    if (o->snapshot_failing)
        return;
    o->snapshot_failing = true;
    const char *why = o->snapshot.child.signal
                          ? WR_FMT("its process ended by signal %d", o->snapshot.child.signal)
                          : strerror(-rc);
    wr_oplog(WR_OPLOG_ERROR, "cannot write a snapshot; the log goes on", "dir", o->state.dir, "error", why,
             NULL);
}

static void on_saved_closed(uv_handle_t *handle)
{
    struct wr_owner *o = handle->data;
    o->saving = false;
    if (o->phase == WR_OWNER_DRAINING)
        uv_async_send(&o->wake);
    else if (o->snapshot_wanted && o->phase == WR_OWNER_RUNNING)
        wr_owner_snapshot(o);
}

static void on_saved(uv_poll_t *poll, int status, int events)
{
    struct wr_owner *o = poll->data;
    (void)status;
    (void)events;
    uv_poll_stop(poll);
    int rc = wr_snapshot_end(&o->snapshot);
    if (o->phase != WR_OWNER_DRAINING || !o->snapshot.child.signal) /* the stop ends it: no news */
        say_saved(o, rc);
    uv_close((uv_handle_t *)poll, on_saved_closed);
}

/* The child copies the memory of all threads: no worker may be in the middle of something. */
static int start_child(struct wr_owner *o)
{
    for (uint32_t i = 0; i < o->nworkers; i++)
        pthread_mutex_lock(&o->workers[i].lock);
    o->workers_held = true;
    int rc = wr_snapshot_start(&o->snapshot);
    o->workers_held = false;
    for (uint32_t i = 0; i < o->nworkers; i++)
        pthread_mutex_unlock(&o->workers[i].lock);
    return rc;
}

static void store_snapshot(struct wr_owner *o, bool beside)
{
    int rc = beside ? start_child(o) : -ENOTSUP;
    if (rc != 0) {
        if (beside) {
            o->snapshots_inline++;
            wr_oplog(WR_OPLOG_WARN, "no process for a snapshot: alerts wait until it is written", "error",
                     strerror(-rc), NULL);
        }
        say_saved(o, wr_snapshot_write(&o->snapshot));
        return;
    }
    int fd = o->snapshot.child.fd;
    if (fd >= 0 && uv_poll_init(o->loop, &o->saved, fd) == 0) {
        o->saved.data = o;
        o->saving = true;
        uv_poll_start(&o->saved, UV_READABLE, on_saved);
    } else {
        say_saved(o, wr_snapshot_end(&o->snapshot));
    }
}

/* Not while a sync runs (it holds the segment's file), and not while an alert is in memory only:
 * the log before it is then what raises it again after a crash. */
static void snapshot(struct wr_owner *o, bool beside)
{
    o->snapshot_wanted = true;
    if (o->syncing || o->saving || !wr_owner_store_alerts(o))
        return;
    o->snapshot_wanted = false;
    o->unlogged_cut = o->state.wal.unlogged;
    int64_t now = wr_core_now(o->core), begin = o->io->mono_ns(o->io->ctx);
    int rc = wr_state_cut(&o->state, now == INT64_MIN ? 0 : now, fill_snapshot, o, &o->snapshot);
    if (rc == 0)
        store_snapshot(o, beside);
    else
        say_saved(o, rc);
    o->log_bytes = o->state.wal.bytes;
    o->snapshot_at_ns = o->io->mono_ns(o->io->ctx);
    o->snapshot_stall_ns = o->snapshot_at_ns - begin;
    if (o->snapshot_stall_ns > o->snapshot_stall_max_ns)
        o->snapshot_stall_max_ns = o->snapshot_stall_ns;
}

/* The owner only pays for the child's making and for the pages that change while it runs
 * (docs/design/0006). */
void wr_owner_snapshot(struct wr_owner *o)
{
    snapshot(o, true);
}

void wr_owner_snapshot_now(struct wr_owner *o)
{
    snapshot(o, false);
}

/* A child that is stuck (a disk that does not answer) must not keep all later snapshots away. */
static void watch_child(struct wr_owner *o, int64_t now)
{
    int64_t limit = HUNG_INTERVALS * o->config->snapshot_ns;
    if (limit < HUNG_MIN_NS)
        limit = HUNG_MIN_NS;
    if (!o->saving || now - o->snapshot_at_ns < limit)
        return;
    wr_oplog(WR_OPLOG_ERROR, "a snapshot is not getting done: its process is ended", "seconds",
             WR_FMT("%lld", (long long)((now - o->snapshot_at_ns) / SECOND_NS)), NULL);
    o->io->child_kill(o->io->ctx, &o->snapshot.child);
}

static void watch_log(struct wr_owner *o)
{
    bool broken = o->state.wal.fd < 0;
    if (broken) {
        if (!o->failing)
            wr_oplog(WR_OPLOG_ERROR, "the log cannot be written: state would not survive a crash", "dir",
                     o->state.dir, "error", strerror(o->state.wal.last_errno), NULL);
        wr_owner_snapshot(o); /* a new segment with the whole state is the way back */
        if (o->state.wal.fd >= 0)
            wr_oplog(WR_OPLOG_INFO, "the log is written again", "dir", o->state.dir, NULL);
    }
    o->failing = o->state.wal.fd < 0;
}

/* What snapshots hold has changed: the log has grown, or templates may have come, which are in no log. */
static bool worth_a_snapshot(struct wr_owner *o)
{
    uint64_t received = 0;
    for (uint32_t i = 0; i < o->nworkers; i++) {
        struct wr_worker *w = &o->workers[i];
        pthread_mutex_lock(&w->lock);
        for (uint32_t l = 0; l < w->nlisteners; l++)
            received += w->listeners[l].stats.received;
        pthread_mutex_unlock(&w->lock);
    }
    bool changed = received != o->received_before || o->state.wal.bytes != o->log_bytes;
    o->received_before = received;
    return changed;
}

/* Once for each device: events of a clock that is far off match late, or not at all. */
static void tell_clocks(struct wr_owner *o)
{
    struct wr_who name;
    int32_t ms;
    for (int n = 0; n < 16 && wr_conn_clock_news(wr_core_conn(o->core), &name, &ms); n++)
        wr_oplog(WR_OPLOG_WARN, "a device's clock is off: set it right; until then its events are moved", "device",
                 WR_FMT("%.*s", (int)(name.len < 200 ? name.len : 200), (const char *)name.at), "seconds_ahead",
                 WR_FMT("%d", (int)(ms / 1000)), NULL);
}

void wr_owner_on_housekeeping(uv_timer_t *timer)
{
    struct wr_owner *o = timer->data;
    int64_t now = o->io->mono_ns(o->io->ctx);
    watch_log(o);
    tell_clocks(o);
    watch_child(o, now);
    if (o->unstored)
        (void)wr_owner_store_alerts(o);
    bool due = now - o->snapshot_at_ns >= o->config->snapshot_ns;
    if (due && !o->saving && !worth_a_snapshot(o)) {
        o->snapshot_at_ns = now;
        due = false;
    }
    if (!o->failing && (due || o->state.wal.bytes - o->log_bytes >= o->config->snapshot_log_bytes))
        wr_owner_snapshot(o);
    if (now - o->last_trim_ns < 60 * SECOND_NS)
        return;
    o->last_trim_ns = now;
    struct wr_store_limits limits = {.max_age_ticks = o->config->retention_ns / 100,
                                     .max_alerts = 10000000,
                                     .max_alerts_undelivered = 20000000};
    uint64_t forgotten, dead;
    int64_t wall = wr_ticks_of_unix_ns(o->io->wall_ns(o->io->ctx));
    enum wr_err err = wr_store_trim(o->store, &limits, wall, &forgotten, &dead);
    if (err)
        wr_oplog(WR_OPLOG_WARN, "cannot trim the alert store", "error", wr_store_error(o->store), NULL);
    else if (dead)
        wr_oplog(WR_OPLOG_ERROR, "alerts were given up: a receiver took none for too long", "alerts",
                 WR_FMT("%llu", (unsigned long long)dead), NULL);
}
