/* SIGHUP: other rules and other settings in a running owner (owner.h). First all that can fail is made, then all is
 * put in place: a reload that is refused has changed nothing. */
#include "collector/ops/oplog.h"
#include "collector/pipeline/owner_internal.h"

#include <string.h>

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_receiver(const struct wr_forward_config *a, const struct wr_forward_config *b)
{
    return same_text(a->name, b->name) && same_text(a->host, b->host) && a->port == b->port &&
           same_text(a->tag, b->tag) && same_text(a->shared_key, b->shared_key) &&
           same_text(a->username, b->username) && same_text(a->password, b->password) &&
           same_text(a->self_hostname, b->self_hostname) && a->tls == b->tls &&
           a->tls_insecure == b->tls_insecure && a->no_ack == b->no_ack && same_text(a->tls_ca, b->tls_ca) &&
           same_text(a->tls_cert, b->tls_cert) && same_text(a->tls_key, b->tls_key) &&
           same_text(a->tls_server_name, b->tls_server_name) && a->ack_timeout_s == b->ack_timeout_s;
}

static bool same_listeners(const struct wr_config *a, const struct wr_config *b)
{
    if (a->nlisten != b->nlisten)
        return false;
    for (uint32_t i = 0; i < a->nlisten; i++)
        if (a->listen[i].kind != b->listen[i].kind || !same_text(a->listen[i].text, b->listen[i].text))
            return false;
    return true;
}

static bool same_tee(const struct wr_config *a, const struct wr_config *b)
{
    bool same = a->ntee == b->ntee;
    for (uint32_t i = 0; same && i < a->ntee; i++)
        same = same_text(a->tee[i].text, b->tee[i].text);
    return same;
}

/* What only a start can change, said by its name in the file. */
static bool same_mappings(const struct wr_config *a, const struct wr_config *b)
{
    bool same = a->nmapping_paths == b->nmapping_paths;
    for (uint32_t i = 0; same && i < a->nmapping_paths; i++)
        same = same_text(a->mapping_paths[i], b->mapping_paths[i]);
    return same;
}

static bool same_elements(const struct wr_config *a, const struct wr_config *b)
{
    bool same = a->nelement_paths == b->nelement_paths;
    for (uint32_t i = 0; same && i < a->nelement_paths; i++)
        same = same_text(a->element_paths[i], b->element_paths[i]);
    return same;
}

static void say_unchangeable(const struct wr_config *now, const struct wr_config *next)
{
    const struct {
        const char *name;
        bool same;
    } settings[] = {
        {"listen", same_listeners(now, next)},
        {"http",
         now->http_on == next->http_on && (!now->http_on || same_text(now->http.text, next->http.text))},
        {"state", same_text(now->state_dir, next->state_dir)},
        {"workers", now->workers == next->workers},
        {"batch_rows", now->batch_rows == next->batch_rows},
        {"memory", now->memory_bytes == next->memory_bytes},
        {"split_exporters", now->split_exporters == next->split_exporters},
        {"receive_buffer", now->receive_buffer_bytes == next->receive_buffer_bytes},
        {"connections", now->max_connections == next->max_connections},
        {"connections_per_peer", now->max_connections_per_peer == next->max_connections_per_peer},
        {"tee", same_tee(now, next)},
        {"exporters", now->nexporters == next->nexporters &&
                          memcmp(now->exporters, next->exporters, now->nexporters * sizeof *now->exporters) == 0},
        {"sampling", now->nrates == next->nrates &&
                         memcmp(now->rates, next->rates, now->nrates * sizeof *now->rates) == 0},
        {"mappings", same_mappings(now, next)},
        {"elements", same_elements(now, next)},
        {"commit", now->commit_ns == next->commit_ns},
    };
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (!settings[i].same)
            wr_oplog(WR_OPLOG_WARN, "this setting changed, but keeps its value until weir is started again",
                     "setting", settings[i].name, NULL);
}

/* ---- sinks ---- */

static void on_retired(struct wr_sink *sink, void *arg)
{
    (void)arg;
    wr_sink_free(sink);
}

/* The running sink that does what receiver `i` of `next` asks for; NULL: there is none. */
static struct wr_sink *running_sink(const struct wr_owner *o, const struct wr_config *next,
                                    const struct wr_owner_receivers *r, uint32_t i)
{
    for (uint32_t k = 0; k < o->nsinks; k++) {
        struct wr_sink_stats stats;
        wr_sink_stats(o->sinks[k], &stats);
        if (strcmp(stats.name, r->names[i]) != 0 || (k < o->config->nforward) != (i < r->nforward))
            continue;
        if (i >= r->nforward || same_receiver(&o->config->forward[k], &next->forward[i]))
            return o->sinks[k];
    }
    return NULL;
}

static bool among(struct wr_sink *const *sinks, uint32_t n, const struct wr_sink *sink)
{
    for (uint32_t i = 0; i < n; i++)
        if (sinks[i] == sink)
            return true;
    return false;
}

static void retire(struct wr_sink *const *sinks, uint32_t n, struct wr_sink *const *kept, uint32_t nkept)
{
    for (uint32_t i = 0; i < n; i++)
        if (!among(kept, nkept, sinks[i]))
            wr_sink_stop(sinks[i], 0, on_retired, NULL);
}

/* Receivers that stay keep their connection; one whose settings changed begins anew with what it has not
 * acknowledged. */
static enum wr_err change_sinks(struct wr_owner *o, const struct wr_config *next)
{
    struct wr_owner_receivers r, old;
    struct wr_sink *sinks[WR_OWNER_MAX_SINKS];
    struct wr_buf error = {0};
    wr_owner_receivers(next, &r);
    wr_owner_receivers(o->config, &old);
    enum wr_err err = wr_store_receivers(o->store, r.names, r.n, r.ids);
    if (err)
        wr_oplog(WR_OPLOG_ERROR, "cannot change the receivers", "error", wr_store_error(o->store), NULL);
    uint32_t n = 0;
    for (; !err && n < r.n; n++) {
        sinks[n] = running_sink(o, next, &r, n);
        if (sinks[n])
            continue;
        sinks[n] = wr_owner_make_sink(o, next, &r, n, &error);
        if (sinks[n])
            continue;
        wr_buf_char(&error, '\0');
        wr_oplog(WR_OPLOG_ERROR, "cannot change the receivers", "error", error.err ? "" : error.data, NULL);
        err = WR_EINVAL;
        break;
    }
    wr_buf_fini(&error);
    if (err) { /* the new ones go; the store knows the old ones again, without what the dropped ones still had */
        retire(sinks, n, o->sinks, o->nsinks);
        if (wr_store_receivers(o->store, old.names, old.n, old.ids) != WR_OK)
            wr_oplog(WR_OPLOG_ERROR, "cannot go back to the old receivers", "error",
                     wr_store_error(o->store), NULL);
        return err;
    }
    retire(o->sinks, o->nsinks, sinks, n);
    memcpy(o->sinks, sinks, n * sizeof *sinks);
    o->nsinks = o->sinks_running = n;
    return WR_OK;
}

/* ---- all of it ---- */

/* What may change while it runs. The texts stay `next`'s. */
static void take_settings(struct wr_config *now, const struct wr_config *next)
{
    now->orphans = next->orphans;
    now->capped = next->capped;
    memcpy(now->capped_devices, next->capped_devices, sizeof now->capped_devices);
    now->ncapped_devices = next->ncapped_devices;
    memcpy(now->nat64, next->nat64, sizeof now->nat64);
    now->nnat64 = next->nnat64;
    now->names = next->names;
    now->hostnames = next->hostnames;
    now->endpoint = next->endpoint;
    now->endpoint_wait_ns = next->endpoint_wait_ns;
    now->realert_ns = next->realert_ns;
    now->snapshot_ns = next->snapshot_ns;
    now->snapshot_log_bytes = next->snapshot_log_bytes;
    now->retention_ns = next->retention_ns;
    now->stdout_alerts = next->stdout_alerts;
    now->tls_cert = next->tls_cert;
    now->tls_key = next->tls_key;
    now->tls_client_ca = next->tls_client_ca;
    memcpy(now->rules, next->rules, sizeof now->rules);
    now->nrules = next->nrules;
    memcpy(now->files, next->files, sizeof now->files);
    now->nfiles = next->nfiles;
    memcpy(now->forward, next->forward, sizeof now->forward);
    now->nforward = next->nforward;
}

static enum wr_err change(struct wr_owner *o, struct wr_ruleset *rules, const struct wr_config *next)
{
    struct wr_core_opts old = wr_owner_core_opts(o->config), opts = wr_owner_core_opts(next);
    opts.batch_rows = old.batch_rows;
    opts.memory_bytes = old.memory_bytes;
    opts.max_connections = old.max_connections;
    struct wr_ruleset *before = wr_ruleset_ref((struct wr_ruleset *)wr_core_rules(o->core));
    enum wr_err err = wr_core_reload(o->core, rules, &opts);
    if (!err && (err = change_sinks(o, next)) != WR_OK)
        if (wr_core_reload(o->core, before, &old) != WR_OK)
            wr_oplog(WR_OPLOG_ERROR, "no memory to go back: the new rules run with the old receivers", NULL);
    wr_ruleset_unref(before);
    return err;
}

/* For the listeners that run, with the files that `next` names: they are read again though their names stay. */
static enum wr_err renew_tls(struct wr_owner *o, const struct wr_config *next, struct wr_tls_server **ret_tls)
{
    struct wr_buf error = {0};
    struct wr_config files = *o->config;
    files.tls_cert = next->tls_cert;
    files.tls_key = next->tls_key;
    files.tls_client_ca = next->tls_client_ca;
    bool made = wr_owner_make_tls(&files, ret_tls, &error);
    wr_buf_char(&error, '\0');
    if (!made)
        wr_oplog(WR_OPLOG_ERROR, "cannot take the new certificates", "error", error.err ? "" : error.data, NULL);
    wr_buf_fini(&error);
    return made ? WR_OK : WR_EINVAL;
}

void wr_owner_refdata_changed(struct wr_owner *owner)
{
    wr_core_refdata_changed(owner->core);
}

enum wr_err wr_owner_reload(struct wr_owner *owner, struct wr_ruleset *rules, const struct wr_config *next)
{
    wr_owner_turn(owner); /* what was raised under the old rules is theirs */
    struct wr_tls_server *tls = NULL;
    enum wr_err err = renew_tls(owner, next, &tls);
    if (!err)
        err = change(owner, rules, next);
    if (err) {
        wr_tls_server_free(tls);
        owner->stats.reload_errors++;
        return err;
    }
    owner->stats.reloads++;
    say_unchangeable(owner->config, next);
    take_settings(owner->config, next);
    for (uint32_t i = 0; i < owner->nworkers; i++)
        wr_worker_tls(&owner->workers[i], tls);
    wr_tls_server_free(owner->tls);
    owner->tls = tls;
    for (uint32_t i = 0; i < owner->nworkers; i++)
        if (wr_worker_wants(&owner->workers[i], wr_core_wants(owner->core)) != WR_OK)
            wr_oplog(WR_OPLOG_ERROR, "a worker has no memory for the new rules and filters by the old ones",
                     NULL);
    for (uint32_t i = 0; i < owner->nsinks; i++)
        wr_sink_reopen(owner->sinks[i]);
    wr_owner_snapshot(owner); /* the log from here on was filtered for these rules */
    return WR_OK;
}
