/* Start and stop of the owner (owner.h). */
#include "collector/ops/oplog.h"
#include "collector/pipeline/owner_internal.h"
#include "collector/sink/forward.h"
#include "collector/sink/lines.h"
#include "collector/state/files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SINK_FLUSH_MS = 5000, WORKER_STOP_MS = 5000, REPLAY_ALERTS = 1000 };
enum { HOSTS_SHARE = 32 }; /* of the memory setting, for names of endpoints */

struct wr_core_opts wr_owner_core_opts(const struct wr_config *c)
{
    uint64_t connections = c->memory_bytes / 4 / WR_CONN_BYTES;
    return (struct wr_core_opts){.batch_rows = c->batch_rows,
                                 .memory_bytes = c->memory_bytes / 2,
                                 .max_connections = connections < UINT32_MAX / 4 ? (uint32_t)connections : UINT32_MAX / 4,
                                 .orphans = (enum wr_orphans)c->orphans,
                                 .capped = c->capped == WR_CONFIG_CAPPED_ALL    ? WR_CAPPED_YES
                                           : c->capped == WR_CONFIG_CAPPED_NONE ? WR_CAPPED_NO
                                                                                : WR_CAPPED_AUTO,
                                 .capped_devices = c->capped_devices,
                                 .ncapped_devices = c->ncapped_devices,
                                 .nat64 = c->nat64,
                                 .nnat64 = c->nnat64,
                                 .hostnames = c->hostnames,
                                 .expect_endpoint = c->endpoint,
                                 .hold_ns = c->endpoint_wait_ns,
                                 .realert_ns = c->realert_ns};
}

/* ---- recovery ---- */

struct recover {
    struct wr_owner *owner;
    struct wr_ruleset *rules;
    struct wr_buf templates; /* blobs of the snapshot, one after the other: u32 length, bytes */
};

static enum wr_err recover_reset(void *arg)
{
    struct recover *r = arg;
    wr_core_free(r->owner->core);
    wr_buf_reset(&r->templates);
    struct wr_core_opts opts = wr_owner_core_opts(r->owner->config);
    r->owner->core = wr_core_new(r->rules, &opts);
    return r->owner->core ? WR_OK : WR_ENOMEM;
}

static enum wr_err recover_load(void *arg, const struct wr_snapshot *snapshot)
{
    struct recover *r = arg;
    const uint8_t *conn = NULL, *engine = NULL, *files = NULL, *bytes;
    size_t conn_len = 0, engine_len = 0, files_len = 0, at = 0, len;
    enum wr_section kind;
    while (wr_snapshot_next(snapshot, &at, &kind, &bytes, &len)) {
        if (kind == WR_SECTION_CONN) {
            conn = bytes;
            conn_len = len;
        } else if (kind == WR_SECTION_ENGINE) {
            engine = bytes;
            engine_len = len;
        } else if (kind == WR_SECTION_LOOKUPS && r->owner->config->lookups) {
            if (wr_lookups_load(r->owner->config->lookups, bytes, len))
                return WR_ECORRUPT;
        } else if (kind == WR_SECTION_FILES) {
            files = bytes;
            files_len = len;
        } else if (kind == WR_SECTION_TEMPLATES && len <= UINT32_MAX) {
            wr_buf_blob(&r->templates, bytes, (uint32_t)len);
        }
    }
    if (!conn || !engine)
        return WR_ECORRUPT;
    enum wr_err err = files ? wr_core_load_files(r->owner->core, files, files_len) : WR_OK; /* older ones have none */
    return err ? err : wr_core_load(r->owner->core, snapshot->now_ns, conn, conn_len, engine, engine_len);
}

static bool recover_apply(void *arg, const struct wr_input *input)
{
    struct wr_owner *o = ((struct recover *)arg)->owner;
    if (wr_core_apply(o->core, input) != WR_OK)
        o->stats.input_errors++;
    o->stats.replayed++;
    if (input->type == WR_INPUT_TURN) {
        wr_owner_take_alerts(o);
        if (o->nunstored >= REPLAY_ALERTS)
            (void)wr_owner_store_alerts(o); /* tried again when the replay is over */
    }
    return true;
}

/* Templates go to every worker: which one an exporter's datagrams reach may change between two starts. */
static void load_templates(struct wr_owner *o, const struct wr_buf *blobs)
{
    struct wr_rd rd = wr_rd_init(blobs->data, blobs->len);
    while (rd.at < rd.end) {
        uint32_t len;
        const uint8_t *bytes = wr_rd_blob(&rd, &len);
        if (!bytes)
            return;
        for (uint32_t i = 0; i < o->nworkers; i++)
            if (wr_flow_decoder_load(o->workers[i].decoder, bytes, len) != WR_OK)
                wr_oplog(WR_OPLOG_WARN, "saved templates were left out: exporters will send theirs again",
                         NULL);
    }
}

static void say_recovered(const struct wr_owner *o)
{
    const struct wr_recovery_report *r = &o->recovered;
    if (r->snapshots.damaged || r->log.first_damage)
        wr_oplog(WR_OPLOG_ERROR, "the state directory was damaged; windows may miss rows", "dir",
                 o->state.dir, "damaged_snapshots", WR_FMT("%u", r->snapshots.damaged), "log_damage",
                 r->log.first_damage ? r->log.first_damage : "none", "segment",
                 WR_FMT("%llu", (unsigned long long)r->log.damage_segment), "at",
                 WR_FMT("%llu", (unsigned long long)r->log.damage_at), "lost_records",
                 WR_FMT("%llu", (unsigned long long)r->log.lost_records), NULL);
    if (r->snapshots.found || r->log.records)
        wr_oplog(WR_OPLOG_INFO, "recovered", "snapshot", r->snapshot_segment ? "yes" : "none", "log_records",
                 WR_FMT("%llu", (unsigned long long)r->log.records), "torn_bytes",
                 WR_FMT("%llu", (unsigned long long)r->log.torn_bytes), NULL);
}

/* ---- start ---- */

static enum wr_err open_store(struct wr_owner *o, struct wr_buf *error)
{
    char path[WR_PATH_MAX];
    if (snprintf(path, sizeof path, "%s/" WR_STATE_STORE, o->config->state_dir) >= (int)sizeof path)
        return WR_EINVAL;
    return wr_store_open(path, WR_STORE_OWN, error, &o->store);
}

static struct wr_sink *forward_sink(struct wr_owner *o, const struct wr_forward_config *f, int64_t id,
                                    struct wr_buf *error)
{
    struct wr_forward_opts opts = {.name = f->name,
                                   .host = f->host,
                                   .port = f->port,
                                   .tag = f->tag,
                                   .shared_key = f->shared_key,
                                   .username = f->username,
                                   .password = f->password,
                                   .self_hostname = f->self_hostname,
                                   .tls = f->tls,
                                   .tls_insecure = f->tls_insecure,
                                   .ca_file = f->tls_ca,
                                   .cert_file = f->tls_cert,
                                   .key_file = f->tls_key,
                                   .tls_name = f->tls_server_name,
                                   .no_ack = f->no_ack,
                                   .ack_timeout_ms = f->ack_timeout_s * 1000};
    const char *why = "out of memory";
    struct wr_sink *sink = wr_forward_new(o->loop, o->store, id, &opts, &why);
    if (!sink)
        wr_buf_fmt(error, "cannot forward to %s: %s", f->name, why);
    return sink;
}

void wr_owner_receivers(const struct wr_config *c, struct wr_owner_receivers *ret)
{
    *ret = (struct wr_owner_receivers){.nforward = c->nforward};
    for (uint32_t i = 0; i < c->nforward; i++)
        ret->names[ret->n++] = c->forward[i].name;
    if (c->stdout_alerts)
        ret->names[ret->n++] = "stdout";
    ret->files_from = ret->n;
    for (uint32_t i = 0; i < c->nfiles; i++)
        ret->names[ret->n++] = c->files[i];
}

struct wr_sink *wr_owner_make_sink(struct wr_owner *o, const struct wr_config *c,
                                   const struct wr_owner_receivers *r, uint32_t i, struct wr_buf *error)
{
    if (i < r->nforward)
        return forward_sink(o, &c->forward[i], r->ids[i], error);
    const char *path = i < r->files_from ? "-" : c->files[i - r->files_from];
    struct wr_sink *sink = wr_lines_new(o->loop, o->store, r->ids[i], r->names[i], path);
    if (!sink)
        wr_buf_str(error, "out of memory");
    return sink;
}

/* Receivers in the store by name: what was not delivered before a restart goes on. */
static enum wr_err make_sinks(struct wr_owner *o, struct wr_buf *error)
{
    struct wr_owner_receivers r;
    wr_owner_receivers(o->config, &r);
    enum wr_err err = wr_store_receivers(o->store, r.names, r.n, r.ids);
    if (err) {
        wr_buf_fmt(error, "alert store: %s", wr_store_error(o->store));
        return err;
    }
    for (uint32_t i = 0; i < r.n; i++) {
        struct wr_sink *sink = wr_owner_make_sink(o, o->config, &r, i, error);
        if (!sink)
            return WR_EINVAL;
        o->sinks[o->nsinks++] = sink;
        o->sinks_running++;
    }
    return WR_OK;
}

bool wr_owner_make_tls(const struct wr_config *c, struct wr_tls_server **ret_tls, struct wr_buf *error)
{
    *ret_tls = NULL;
    for (uint32_t i = 0; i < c->nlisten; i++) {
        if (!wr_listen_is_tls(c->listen[i].kind))
            continue;
        if (!c->tls_cert)
            wr_buf_fmt(error, "%s needs a certificate: `tls: {cert: FILE, key: FILE}` in the configuration",
                       wr_listen_kind_name(c->listen[i].kind));
        else
            *ret_tls = wr_tls_server_new(c->tls_cert, c->tls_key, c->tls_client_ca, error);
        return *ret_tls != NULL;
    }
    return true;
}

/* Once, at the start: who will not see the exporters' addresses. */
static void say_tee(const struct wr_owner *o)
{
    for (uint32_t i = 0; i < o->config->ntee; i++) {
        int why = wr_tee_source_lost(o->workers[0].tee, i);
        if (why)
            wr_oplog(WR_OPLOG_WARN, "tee: this collector gets flows from this machine's address, not the exporters'",
                     "receiver", o->config->tee[i].text, "why",
                     why == EAFNOSUPPORT ? "the exporter's address is kept over IPv4 only"
                                         : "a raw socket was refused: it needs CAP_NET_RAW", NULL);
    }
}

static enum wr_err make_workers(struct wr_owner *o, struct wr_buf *error)
{
    if (!wr_owner_make_tls(o->config, &o->tls, error))
        return WR_EINVAL;
    o->workers = aligned_alloc(64, (sizeof *o->workers * o->config->workers + 63) / 64 * 64);
    if (!o->workers)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < o->config->workers; i++) {
        enum wr_err err = wr_worker_init(&o->workers[i], o->io, o->config, i, wr_core_wants(o->core),
                                         &o->wake, &o->streams, error);
        if (err)
            return err;
        wr_worker_tls(&o->workers[i], o->tls);
        o->nworkers++;
        err = wr_worker_files(&o->workers[i], wr_core_files(o->core));
        if (err)
            return err;
    }
    say_tee(o);
    int rc = wr_workers_steer(o->workers, o->nworkers);
    if (rc != 0)
        wr_oplog(WR_OPLOG_WARN, "exporters are spread over workers by port too, not by address alone",
                 "error", strerror(-rc), NULL);
    return WR_OK;
}

static int on_http(void *arg, const char *path, struct wr_buf *body, const char **ret_type)
{
    struct wr_owner *o = arg;
    if (strcmp(path, "/metrics") == 0) {
        *ret_type = "text/plain; version=0.0.4; charset=utf-8";
        wr_owner_metrics(o, body);
        return 200;
    }
    if (strcmp(path, "/healthz") == 0)
        return wr_owner_healthy(o, body) ? 200 : 503;
    if (strcmp(path, "/exporters") == 0) {
        *ret_type = "application/x-ndjson";
        for (uint32_t i = 0; i < o->nworkers; i++) {
            pthread_mutex_lock(&o->workers[i].lock);
            wr_flow_decoder_exporters(o->workers[i].decoder, o->io->wall_ns(o->io->ctx), body);
            pthread_mutex_unlock(&o->workers[i].lock);
        }
        return 200;
    }
    if (strcmp(path, "/clocks") == 0) {
        *ret_type = "application/x-ndjson";
        wr_conn_clocks(wr_core_conn(o->core), body);
        return 200;
    }
    wr_buf_str(body, "weir has /metrics, /healthz, /exporters and /clocks\n");
    return 404;
}

static enum wr_err open_http(struct wr_owner *o, struct wr_buf *error)
{
    if (!o->config->http_on)
        return WR_OK;
    int rc = 0;
    o->http = wr_http_new(o->loop, (const struct sockaddr *)&o->config->http.addr, on_http, o, &rc);
    if (o->http)
        return WR_OK;
    wr_buf_fmt(error, "cannot listen on %s (http): %s; choose another address with `http:` or --http",
               o->config->http.text, uv_strerror(rc));
    return WR_EIO;
}

static void init_handles(struct wr_owner *o)
{
    uv_async_init(o->loop, &o->wake, wr_owner_on_wake);
    uv_timer_init(o->loop, &o->gather);
    uv_timer_init(o->loop, &o->tick);
    uv_timer_init(o->loop, &o->commit);
    uv_timer_init(o->loop, &o->housekeeping);
    uv_timer_init(o->loop, &o->deadline);
    o->wake.data = o->gather.data = o->tick.data = o->commit.data = o->housekeeping.data = o->deadline.data =
        o;
}

static enum wr_err recover(struct wr_owner *o, struct recover *r, bool force, struct wr_buf *error)
{
    struct wr_recovery recovery = {
        .arg = r, .reset = recover_reset, .load = recover_load, .apply = recover_apply};
    enum wr_err err = wr_state_recover(&o->state, &recovery, force, &o->recovered, error);
    if (err)
        return err;
    say_recovered(o);
    wr_owner_take_alerts(o);
    return WR_OK;
}

enum wr_err wr_owner_start(struct wr_owner *owner, const struct wr_io *io, struct wr_config *config,
                           struct wr_ruleset *rules, bool force_recover, uv_loop_t *loop,
                           struct wr_buf *error)
{
    *owner = (struct wr_owner){
        .io = io, .config = config, .loop = loop, .state = {.lock_fd = -1, .wal = {.fd = -1}}};
    owner->unstored_end = &owner->unstored;
    init_handles(owner);
    if (config->mappings) {
        config->lookups = wr_lookups_new(config->mappings);
        if (!config->lookups)
            return WR_ENOMEM;
    }
    config->hosts = wr_flow_hosts_new(config->memory_bytes / HOSTS_SHARE);
    if (!config->hosts)
        return WR_ENOMEM;
    enum wr_err err = wr_state_open(&owner->state, io, config->state_dir, error);
    if (!err)
        err = open_store(owner, error);
    if (!err)
        err = make_sinks(owner, error);
    struct recover r = {.owner = owner, .rules = rules};
    if (!err)
        err = recover_reset(&r);
    if (!err)
        err = recover(owner, &r, force_recover, error);
    if (!err)
        err = make_workers(owner, error);
    if (!err)
        load_templates(owner, &r.templates);
    wr_buf_fini(&r.templates);
    if (!err)
        err = open_http(owner, error);
    wr_io_timers_together();
    for (uint32_t i = 0; !err && i < owner->nworkers; i++)
        err = wr_worker_start(&owner->workers[i]);
    if (err)
        return err;
    owner->phase = WR_OWNER_RUNNING;
    (void)wr_owner_store_alerts(owner); /* those that the replay raised anew: known ones are left out */
    wr_owner_snapshot(owner);           /* so that a damaged or long log is behind us */
    wr_owner_commit_later(owner);
    uv_timer_start(&owner->tick, wr_owner_on_tick, 1000, 1000);
    uv_timer_start(&owner->housekeeping, wr_owner_on_housekeeping, 1000, 1000);
    return WR_OK;
}

/* ---- stop ---- */

static void close_handles(struct wr_owner *o)
{
    uv_handle_t *handles[] = {(uv_handle_t *)&o->wake,         (uv_handle_t *)&o->gather,
                              (uv_handle_t *)&o->tick,         (uv_handle_t *)&o->commit,
                              (uv_handle_t *)&o->housekeeping, (uv_handle_t *)&o->deadline};
    for (size_t i = 0; i < sizeof handles / sizeof *handles; i++)
        if (!uv_is_closing(handles[i]))
            uv_close(handles[i], NULL);
    if (o->http)
        wr_http_close(o->http);
    o->http = NULL;
}

static void on_sink_stopped(struct wr_sink *sink, void *arg)
{
    struct wr_owner *o = arg;
    (void)sink;
    if (--o->sinks_running == 0)
        close_handles(o);
}

static void stop_sinks(struct wr_owner *o, uint64_t flush_ms)
{
    o->phase = WR_OWNER_STOPPING;
    if (o->nsinks == 0)
        close_handles(o);
    for (uint32_t i = 0; i < o->nsinks; i++)
        wr_sink_stop(o->sinks[i], flush_ms, on_sink_stopped, o);
}

/* Every worker has ended and its ring is empty. */
void wr_owner_drained(struct wr_owner *o)
{
    if (o->phase != WR_OWNER_DRAINING)
        return;
    uv_timer_stop(&o->deadline);
    uv_timer_stop(&o->gather);
    uv_timer_stop(&o->tick);
    uv_timer_stop(&o->commit);
    uv_timer_stop(&o->housekeeping);
    wr_owner_turn(o);
    wr_owner_snapshot_now(o);
    stop_sinks(o, SINK_FLUSH_MS);
}

static void on_deadline(uv_timer_t *timer)
{
    (void)timer;
    wr_oplog(WR_OPLOG_WARN, "workers are still busy after 5 s; waiting for them", NULL);
}

void wr_owner_stop(struct wr_owner *owner)
{
    if (owner->phase != WR_OWNER_RUNNING)
        return;
    owner->phase = WR_OWNER_DRAINING;
    for (uint32_t i = 0; i < owner->nworkers; i++)
        wr_worker_stop(&owner->workers[i]);
    if (owner->saving) /* a newer one follows */
        owner->io->child_kill(owner->io->ctx, &owner->snapshot.child);
    uv_timer_start(&owner->deadline, on_deadline, WORKER_STOP_MS, 0);
}

void wr_owner_fini(struct wr_owner *o)
{
    for (uint32_t i = 0; i < o->nworkers; i++)
        wr_worker_fini(&o->workers[i]);
    o->nworkers = 0;
    if (o->phase == WR_OWNER_STARTING) { /* it did not start: nothing of it has run in the loop */
        stop_sinks(o, 0);
        uv_run(o->loop, UV_RUN_DEFAULT);
    }
    free(o->workers);
    wr_lookups_free(o->config->lookups);
    wr_flow_hosts_free(o->config->hosts);
    o->config->lookups = NULL;
    o->config->hosts = NULL;
    wr_tls_server_free(o->tls);
    for (uint32_t i = 0; i < o->nsinks; i++)
        wr_sink_free(o->sinks[i]);
    while (o->unstored) {
        struct wr_alert *next = o->unstored->next;
        wr_alert_free(o->unstored);
        o->unstored = next;
    }
    wr_store_close(o->store);
    wr_state_close(&o->state);
    wr_core_free(o->core);
}
