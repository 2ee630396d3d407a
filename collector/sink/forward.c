/* One receiver: what is sent when, what comes back, when to try again. */
#include "collector/sink/forward_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_QUEUED = 4 << 20 };

static void pump(struct wr_forward *f);
static void on_timer(uv_timer_t *timer);

/* ---- ends ---- */

static void maybe_stopped(struct wr_forward *f)
{
    if (f->ended && !f->nconns && !f->timer.data && !f->stop_timer.data)
        f->stopped(&f->base, f->arg);
}

static void timer_closed(uv_handle_t *handle)
{
    struct wr_forward *f = handle->data;
    handle->data = NULL;
    maybe_stopped(f);
}

void wr_forward_closed(struct wr_forward *f)
{
    f->nconns--;
    maybe_stopped(f);
}

static void end(struct wr_forward *f)
{
    if (f->ended)
        return;
    f->ended = true;
    wr_forward_hang_up(f);
    uv_close((uv_handle_t *)&f->timer, timer_closed);
    uv_close((uv_handle_t *)&f->stop_timer, timer_closed);
}

/* Half of the back-off is certain, half is chance: many weirs must not come back at the same moment. */
static uint64_t next_backoff(struct wr_forward *f)
{
    uint32_t chance = 0;
    if (uv_random(NULL, NULL, &chance, sizeof chance, 0, NULL) != 0)
        chance = (uint32_t)uv_hrtime();
    uint32_t half = f->backoff_ms / 2;
    uint64_t ms = half + chance % (half + 1);
    f->backoff_ms = f->backoff_ms > f->o.backoff_max_ms / 2 ? f->o.backoff_max_ms : f->backoff_ms * 2;
    return ms;
}

void wr_forward_fail(struct wr_forward *f, const char *what, const char *why)
{
    f->stats.errors++;
    snprintf(f->stats.last_error, sizeof f->stats.last_error, "%s:%u: %s%s%s", f->o.host, f->o.port, what,
             why ? ": " : "", why ? why : "");
    wr_sink_failed(&f->outage, &f->stats, false);
    wr_forward_hang_up(f);
    if (f->stopping)
        end(f);
    else
        uv_timer_start(&f->timer, on_timer, next_backoff(f), 0);
}

/* ---- sending ---- */

/* The next chunk for this connection: one that was sent or taken before, else a new one. */
static enum wr_err next_chunk(struct wr_forward *f, struct wr_chunk *chunk)
{
    enum wr_err err = wr_store_chunk(f->store, f->receiver, f->after_id, chunk);
    if (err == WR_ENOENT)
        err = wr_store_take(f->store, f->receiver, f->o.chunk_bytes, f->o.chunk_alerts, chunk);
    return err;
}

static bool send_chunk(struct wr_forward *f, const struct wr_chunk *chunk)
{
    struct wr_forward_flight flight = {.chunk = *chunk, .deadline_ms = uv_now(f->loop) + f->o.ack_timeout_ms};
    struct wr_buf entries = {0}, message = {0};
    enum wr_err err = wr_store_read(f->store, chunk, WR_STORE_ENTRIES, &entries, &flight.alerts);
    if (!err && !flight.alerts) { /* the retention took all of it */
        wr_buf_fini(&entries);
        err = wr_store_ack(f->store, chunk->id);
    } else if (!err) {
        wr_forward_id(entries.data, entries.len, flight.id);
        wr_forward_pack(&message, f->o.tag, entries.data, entries.len, flight.alerts,
                        f->o.no_ack ? NULL : flight.id);
    }
    wr_buf_fini(&entries);
    if (err) {
        wr_buf_fini(&message);
        wr_forward_fail(f, wr_store_error(f->store), NULL);
        return false;
    }
    f->after_id = chunk->id;
    if (!flight.alerts)
        return true;
    f->stats.sent += flight.alerts;
    if (chunk->id <= f->ever_id)
        f->stats.retried += flight.alerts;
    else
        f->ever_id = chunk->id;
    if (!f->o.no_ack)
        f->flight[f->nflight++] = flight;
    return wr_forward_send(f->conn, &message, chunk->id, flight.alerts);
}

/* The timer shows the oldest deadline; chunks are in the order in which they were sent. */
static void watch_acks(struct wr_forward *f)
{
    if (!f->conn || f->conn->phase != READY)
        return;
    if (!f->nflight) {
        uv_timer_stop(&f->timer);
        return;
    }
    uint64_t now = uv_now(f->loop), at = f->flight[0].deadline_ms;
    uv_timer_start(&f->timer, on_timer, at > now ? at - now : 0, 0);
}

static bool has_room(const struct wr_forward *f)
{
    const struct wr_forward_conn *c = f->conn;
    if (!c || c->phase != READY)
        return false;
    uint32_t most = c->one_shot ? 1 : f->o.inflight;
    if (c->one_shot && f->after_id)
        return false;
    return f->nflight < most && uv_stream_get_write_queue_size((const uv_stream_t *)&c->tcp) < MAX_QUEUED;
}

static void pump(struct wr_forward *f)
{
    while (has_room(f)) {
        struct wr_chunk chunk;
        enum wr_err err = next_chunk(f, &chunk);
        if (err == WR_ENOENT) {
            bool flushed = !f->nflight && !uv_stream_get_write_queue_size((uv_stream_t *)&f->conn->tcp);
            if (f->stopping && flushed)
                end(f);
            break;
        }
        if (err) {
            wr_forward_fail(f, wr_store_error(f->store), NULL);
            return;
        }
        if (!send_chunk(f, &chunk))
            return;
    }
    watch_acks(f);
}

/* ---- what the connection tells ---- */

void wr_forward_ready(struct wr_forward_conn *c)
{
    c->phase = READY;
    c->f->stats.connected = true;
    uv_timer_stop(&c->f->timer);
    pump(c->f);
}

void wr_forward_acknowledged(struct wr_forward *f, const char *id)
{
    uint32_t i = 0;
    while (i < f->nflight && strcmp(f->flight[i].id, id) != 0)
        i++;
    if (i == f->nflight) {
        f->stats.unknown_acks++;
        return;
    }
    if (wr_store_ack(f->store, f->flight[i].chunk.id)) {
        wr_forward_fail(f, wr_store_error(f->store), NULL);
        return;
    }
    f->stats.acknowledged += f->flight[i].alerts;
    f->backoff_ms = f->o.backoff_min_ms; /* only now does it work: a receiver may accept and drop for ever */
    wr_sink_works(&f->outage, &f->stats);
    f->nflight--;
    memmove(&f->flight[i], &f->flight[i + 1], (f->nflight - i) * sizeof *f->flight);
}

/* A receiver that takes one message a connection has it: the next one needs the next connection. */
static bool next_connection(struct wr_forward *f)
{
    if (!f->conn->one_shot || !f->after_id || f->nflight)
        return false;
    wr_forward_hang_up(f);
    uv_timer_start(&f->timer, on_timer, 0, 0);
    return true;
}

void wr_forward_written(struct wr_forward *f, int64_t chunk_id, uint32_t alerts)
{
    if (f->o.no_ack) {
        if (wr_store_ack(f->store, chunk_id)) {
            wr_forward_fail(f, wr_store_error(f->store), NULL);
            return;
        }
        f->stats.acknowledged += alerts;
        f->backoff_ms = f->o.backoff_min_ms;
        wr_sink_works(&f->outage, &f->stats);
        if (next_connection(f))
            return;
    }
    pump(f);
}

void wr_forward_idle(struct wr_forward_conn *c)
{
    if (!next_connection(c->f))
        pump(c->f);
}

void wr_forward_watch(struct wr_forward *f)
{
    uv_timer_start(&f->timer, on_timer, f->o.connect_timeout_ms, 0);
}

static void on_timer(uv_timer_t *timer)
{
    static const char *const late[] = {"the name was not resolved in time",
                                       "no connection in time",
                                       "no TLS session in time",
                                       "no HELO in time: does the receiver have a shared key?",
                                       "no PONG in time",
                                       "no acknowledgement in time"};
    struct wr_forward *f = timer->data;
    if (!f->conn)
        wr_forward_attempt(f);
    else
        wr_forward_fail(f, late[f->conn->phase], NULL);
}

/* ---- the sink ---- */

static void forward_wake(struct wr_sink *sink)
{
    pump((struct wr_forward *)sink);
}

static void forward_reopen(struct wr_sink *sink)
{
    (void)sink; /* certificates are read at every connection */
}

static void on_stop_timer(uv_timer_t *timer)
{
    end(timer->data);
}

static void forward_stop(struct wr_sink *sink, uint64_t flush_ms, wr_sink_stopped stopped, void *arg)
{
    struct wr_forward *f = (struct wr_forward *)sink;
    f->stopping = true;
    f->stopped = stopped;
    f->arg = arg;
    uint64_t pending = 0;
    bool nothing = !wr_store_pending(f->store, f->receiver, &pending) && !pending;
    if (!f->conn || !flush_ms || nothing) { /* while backing off it would most likely wait in vain */
        end(f);
        return;
    }
    uv_timer_start(&f->stop_timer, on_stop_timer, flush_ms, 0);
    pump(f);
}

static void forward_stats(const struct wr_sink *sink, struct wr_sink_stats *ret_stats)
{
    const struct wr_forward *f = (const struct wr_forward *)sink;
    *ret_stats = f->stats;
    if (wr_store_pending(f->store, f->receiver, &ret_stats->pending))
        ret_stats->pending = 0;
}

/* ---- options ---- */

enum { NSTRINGS = 11 };

/* Every string of the options, so that copying and freeing cannot forget one. */
static void strings_of(struct wr_forward_opts *o, const char **at[NSTRINGS])
{
    const char **all[NSTRINGS] = {&o->name,      &o->host,     &o->tag,           &o->shared_key,
                                  &o->username,  &o->password, &o->self_hostname, &o->ca_file,
                                  &o->cert_file, &o->key_file, &o->tls_name};
    memcpy(at, all, sizeof all);
}

static void forward_free(struct wr_sink *sink)
{
    struct wr_forward *f = (struct wr_forward *)sink;
    const char **at[NSTRINGS];
    strings_of(&f->o, at);
    for (size_t i = 0; i < NSTRINGS; i++)
        free((void *)(uintptr_t)*at[i]);
    free(f);
}

static bool copy_strings(struct wr_forward_opts *o)
{
    const char **at[NSTRINGS];
    bool good = true;
    strings_of(o, at);
    for (size_t i = 0; i < NSTRINGS; i++) /* all of them, so that none of the caller's is freed */
        if (*at[i]) {
            *at[i] = strdup(*at[i]);
            good = good && *at[i];
        }
    return good;
}

static uint32_t or_default(uint32_t v, uint32_t standard)
{
    return v ? v : standard;
}

/* Before the strings are copied: `text` holds what the defaults point to. */
static void set_defaults(struct wr_forward_opts *o, char text[2][300])
{
    o->port = o->port ? o->port : 24224;
    o->tag = o->tag ? o->tag : "weir.alert";
    snprintf(text[0], 300, "%s:%u", o->host, o->port);
    o->name = o->name ? o->name : text[0];
    if (gethostname(text[1], 255) != 0)
        snprintf(text[1], 300, "weir");
    o->self_hostname = o->self_hostname ? o->self_hostname : text[1];
    o->ack_timeout_ms = or_default(o->ack_timeout_ms, 30000);
    o->connect_timeout_ms = or_default(o->connect_timeout_ms, 10000);
    o->backoff_min_ms = or_default(o->backoff_min_ms, 1000);
    o->backoff_max_ms = or_default(o->backoff_max_ms, 60000);
    o->inflight = or_default(o->inflight, 16);
    o->chunk_bytes = or_default(o->chunk_bytes, 1000000);
    o->chunk_alerts = or_default(o->chunk_alerts, 1000);
    if (o->inflight > MAX_INFLIGHT)
        o->inflight = MAX_INFLIGHT;
}

static const char *check_opts(const struct wr_forward_opts *o)
{
    if (!o->host || !o->host[0])
        return "forward: host is missing";
    if ((o->username || o->password) && !o->shared_key)
        return "forward: username and password need shared_key";
    if (!o->tls && (o->ca_file || o->cert_file || o->key_file || o->tls_name || o->tls_insecure))
        return "forward: tls options need tls: true";
    if (o->key_file && !o->cert_file)
        return "forward: a key needs its certificate";
    return NULL;
}

struct wr_sink *wr_forward_new(uv_loop_t *loop, struct wr_store *store, int64_t receiver,
                               const struct wr_forward_opts *opts, const char **ret_error)
{
    static const struct wr_sink_ops ops = {forward_wake, forward_reopen, forward_stop, forward_stats,
                                           forward_free};
    *ret_error = check_opts(opts);
    if (*ret_error)
        return NULL;
    *ret_error = "out of memory";
    struct wr_forward *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    char text[2][300] = {"", ""};
    f->o = *opts;
    set_defaults(&f->o, text);
    f->base.ops = &ops;
    f->loop = loop;
    f->store = store;
    f->receiver = receiver;
    f->backoff_ms = f->o.backoff_min_ms;
    if (!copy_strings(&f->o)) {
        forward_free(&f->base);
        return NULL;
    }
    f->stats.kind = "forward";
    f->stats.name = f->o.name;
    uv_timer_init(loop, &f->timer);
    uv_timer_init(loop, &f->stop_timer);
    f->timer.data = f->stop_timer.data = f;
    wr_forward_attempt(f);
    *ret_error = NULL;
    return &f->base;
}
