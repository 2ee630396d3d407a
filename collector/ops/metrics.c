/* /metrics in the Prometheus text format 0.0.4, /healthz. Counters of the workers are read under their lock
 * and summed here; nothing is counted twice. docs/operations.md lists every name with what to do about it. */
#include "collector/ops/oplog.h"
#include "collector/ops/prom_merge.h"
#include "collector/pipeline/owner.h"
#include "rules/load/rule.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void head(struct wr_buf *out, const char *name, const char *type, const char *help)
{
    wr_buf_fmt(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void one(struct wr_buf *out, const char *name, const char *type, const char *help, uint64_t value)
{
    head(out, name, type, help);
    wr_buf_fmt(out, "%s %" PRIu64 "\n", name, value);
}

static void seconds(struct wr_buf *out, const char *name, const char *help, int64_t ns)
{
    head(out, name, "gauge", help);
    wr_buf_fmt(out, "%s %.6f\n", name, (double)ns / 1e9);
}

/* A label's value: backslash, quote and newline escaped, as the format asks. */
static void label(struct wr_buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\\' || *text == '"')
            wr_buf_char(out, '\\');
        if (*text == '\n')
            wr_buf_str(out, "\\n");
        else
            wr_buf_char(out, *text);
    }
}

static void listener_labels(struct wr_buf *out, const struct wr_listen *at)
{
    wr_buf_fmt(out, "{listener=\"%s\",address=\"", wr_listen_kind_name(at->kind));
    label(out, at->text);
    wr_buf_str(out, "\"} ");
}

/* One family: the same counter of every listener, summed over the workers. */
static void listener_family(const struct wr_owner *o, const struct wr_listener_stats *sums, const char *name,
                            const char *help, size_t offset, struct wr_buf *out)
{
    wr_buf_fmt(out, "# HELP weir_listener_%s_total %s\n# TYPE weir_listener_%s_total counter\n", name, help,
               name);
    for (uint32_t i = 0; i < o->config->nlisten; i++) {
        uint64_t v;
        memcpy(&v, (const char *)&sums[i] + offset, sizeof v);
        wr_buf_fmt(out, "weir_listener_%s_total", name);
        listener_labels(out, &o->config->listen[i]);
        wr_buf_fmt(out, "%" PRIu64 "\n", v);
    }
}

/* What all workers counted together. */
struct sums {
    struct wr_listener_stats listeners[WR_CONFIG_MAX_LISTEN];
    uint32_t receive_buffer[WR_CONFIG_MAX_LISTEN]; /* smallest */
    struct wr_tee_stats tee[WR_CONFIG_MAX_TEE];
    struct wr_flow_stats flow;
    struct wr_log_stats log;
    struct wr_framing framing;
    uint64_t files[WR_CONFIG_MAX_LISTEN], behind_bytes[WR_CONFIG_MAX_LISTEN];
    uint64_t received[WR_MAX_WORKERS]; /* by each worker */
    uint64_t rows_sent, rows_dropped, ring_bytes, streams;
};

static void add_u64s(void *sum, const void *part, size_t bytes)
{
    uint64_t *to = sum;
    const uint64_t *from = part;
    for (size_t i = 0; i < bytes / sizeof *to; i++)
        to[i] += from[i];
}

static void add_worker(struct sums *s, uint32_t index, struct wr_worker *w)
{
    pthread_mutex_lock(&w->lock);
    for (uint32_t i = 0; i < w->nlisteners; i++) {
        const struct wr_listener *l = &w->listeners[i];
        add_u64s(&s->listeners[i], &l->stats, sizeof l->stats);
        s->received[index] += l->stats.received;
        if (l->udp.receive_buffer && (!s->receive_buffer[i] || l->udp.receive_buffer < s->receive_buffer[i]))
            s->receive_buffer[i] = l->udp.receive_buffer;
    }
    for (uint32_t i = 0; w->tail && i < w->nlisteners; i++)
        wr_tail_behind(w->tail, w->listeners[i].at, &s->files[i], &s->behind_bytes[i]);
    for (uint32_t i = 0; w->tee && i < w->config->ntee; i++)
        add_u64s(&s->tee[i], wr_tee_stats(w->tee, i), sizeof s->tee[i]);
    add_u64s(&s->flow, wr_flow_decoder_stats(w->decoder), sizeof s->flow);
    add_u64s(&s->log, wr_log_stats(w->log), sizeof s->log);
    wr_ingest_framing_sum(w, &s->framing);
    s->rows_sent += w->rows_sent;
    s->rows_dropped += w->rows_dropped;
    s->streams += w->nstreams;
    pthread_mutex_unlock(&w->lock);
    s->ring_bytes += wr_ring_depth(w->ring);
}

/* The reasons that a listener of its kind can have, all of them, so that each starts at 0. */
static void rejects(const struct wr_owner *o, const struct sums *s, struct wr_buf *out)
{
    static const char *const flow[] = {
#define X(name, text) #name,
        WR_FLOW_REJECTS(X)
#undef X
    };
    static const char *const line[] = {
#define X(name) #name,
        WR_LINE_REJECTS(X)
#undef X
    };
    head(out, "weir_listener_rejected_total", "counter",
         "of those received, refused whole: received = decoded + rejected over all reasons");
    for (uint32_t i = 0; i < o->config->nlisten; i++) {
        enum wr_listen_kind kind = o->config->listen[i].kind;
        bool is_flow = wr_listen_is_flow(kind);
        for (int r = 0; r < (is_flow ? (int)WR_FLOW_NREJECTS : (int)WR_LINE_NREJECTS); r++) {
            wr_buf_str(out, "weir_listener_rejected_total");
            listener_labels(out, &o->config->listen[i]);
            out->len -= 2; /* the closing bracket and blank */
            wr_buf_fmt(out, ",reason=\"%s\"} %" PRIu64 "\n", is_flow ? flow[r] : line[r],
                       s->listeners[i].rejected_by[r]);
        }
    }
}

static void tee_line(const struct wr_owner *o, uint32_t i, const char *name, const char *by, uint64_t v,
                     struct wr_buf *out)
{
    wr_buf_fmt(out, "%s{receiver=\"", name);
    label(out, o->config->tee[i].text);
    wr_buf_fmt(out, "\",%s\"} %" PRIu64 "\n", by, v);
}

static void tees(const struct wr_owner *o, const struct sums *s, struct wr_buf *out)
{
    static const char *const why[] = {
#define X(name) "reason=\"" #name,
        WR_TEE_DROPS(X)
#undef X
    };
    if (o->config->ntee == 0)
        return;
    head(out, "weir_tee_sent_total", "counter", "flow datagrams sent on, with the exporter's source address or the own one");
    for (uint32_t i = 0; i < o->config->ntee; i++) {
        tee_line(o, i, "weir_tee_sent_total", "source=\"exporter", s->tee[i].kept, out);
        tee_line(o, i, "weir_tee_sent_total", "source=\"own", s->tee[i].own, out);
    }
    head(out, "weir_tee_dropped_total", "counter", "flow datagrams not sent on");
    for (uint32_t i = 0; i < o->config->ntee; i++)
        for (int r = 0; r < WR_TEE_NDROPS; r++)
            tee_line(o, i, "weir_tee_dropped_total", why[r], s->tee[i].dropped[r], out);
}

static void listeners(const struct wr_owner *o, const struct sums *s, struct wr_buf *out)
{
#define X(name, help)                                                                                        \
    listener_family(o, s->listeners, #name, help, offsetof(struct wr_listener_stats, name), out);
    WR_LISTENER_COUNTERS(X)
#undef X
    rejects(o, s, out);
    head(out, "weir_listener_receive_buffer_bytes", "gauge", "socket receive buffer that the kernel granted");
    for (uint32_t i = 0; i < o->config->nlisten; i++) {
        if (!s->receive_buffer[i])
            continue;
        wr_buf_str(out, "weir_listener_receive_buffer_bytes");
        listener_labels(out, &o->config->listen[i]);
        wr_buf_fmt(out, "%" PRIu32 "\n", s->receive_buffer[i]);
    }
}

static void files(const struct wr_owner *o, const struct sums *s, struct wr_buf *out)
{
    static const struct {
        const char *name, *help;
    } family[] = {{"weir_files_open", "files of this pattern that are read"},
                  {"weir_files_behind_bytes", "bytes in them that were not read yet, a line without its end included"}};
    bool any = false;
    for (uint32_t i = 0; i < o->config->nlisten; i++)
        any |= o->config->listen[i].kind == WR_LISTEN_FILES;
    for (int k = 0; any && k < 2; k++) {
        head(out, family[k].name, "gauge", family[k].help);
        for (uint32_t i = 0; i < o->config->nlisten; i++) {
            if (o->config->listen[i].kind != WR_LISTEN_FILES)
                continue;
            wr_buf_str(out, family[k].name);
            listener_labels(out, &o->config->listen[i]);
            wr_buf_fmt(out, "%" PRIu64 "\n", k ? s->behind_bytes[i] : s->files[i]);
        }
    }
}

static void flow_decoder(const struct wr_flow_stats *f, struct wr_buf *out)
{
    one(out, "weir_decoder_messages_total", "counter", "flow messages received = ok + rejected", f->messages);
    one(out, "weir_decoder_messages_ok_total", "counter", "flow messages decoded", f->ok);
    head(out, "weir_decoder_messages_rejected_total", "counter", "flow messages refused whole, by reason");
#define X(name, text)                                                                                        \
    wr_buf_fmt(out, "weir_decoder_messages_rejected_total{reason=\"" #name "\"} %" PRIu64 "\n",              \
               f->rejected_whole[WR_FLOW_REJECT_##name]);
    WR_FLOW_REJECTS(X)
#undef X
    one(out, "weir_decoder_records_total", "counter", "flow records in them", f->records);
    one(out, "weir_decoder_rows_total", "counter", "records that a rule may want", f->rows);
    one(out, "weir_decoder_filtered_total", "counter", "records that no rule wants", f->filtered_early);
    one(out, "weir_decoder_options_records_total", "counter", "option records", f->options_records);
    one(out, "weir_decoder_sets_held_total", "counter", "data sets that came before their template",
        f->sets_held);
    one(out, "weir_decoder_sets_released_total", "counter", "of them, decoded later", f->sets_released);
    one(out, "weir_decoder_sets_dropped_total", "counter", "of them, given up", f->sets_dropped);
    one(out, "weir_decoder_templates_total", "counter", "templates learned", f->templates);
    one(out, "weir_decoder_templates_changed_total", "counter", "templates that changed their layout",
        f->templates_changed);
    one(out, "weir_decoder_sequence_lost_total", "counter", "records or packets missing by sequence number",
        f->seq_lost);
    one(out, "weir_decoder_sequence_duplicate_total", "counter", "messages that came twice or late",
        f->seq_dup);
    one(out, "weir_decoder_sequence_reset_total", "counter", "exporters that began to count anew",
        f->seq_reset);
    one(out, "weir_decoder_unknown_elements_total", "counter", "fields of elements that weir has no name for",
        f->unknown_ie);
    one(out, "weir_decoder_clock_future_total", "counter", "records from the future: arrival time was used",
        f->clock_future);
}

static void exporters(const struct wr_owner *o, struct wr_buf *out)
{
    struct wr_buf texts[WR_MAX_WORKERS] = {0};
    for (uint32_t i = 0; i < o->nworkers; i++) {
        pthread_mutex_lock(&o->workers[i].lock);
        wr_flow_decoder_metrics(o->workers[i].decoder, &texts[i]);
        pthread_mutex_unlock(&o->workers[i].lock);
    }
    wr_prom_merge(texts, o->nworkers, out);
    for (uint32_t i = 0; i < o->nworkers; i++)
        wr_buf_fini(&texts[i]);
}

static void log_parser(const struct wr_log_stats *l, const struct wr_framing *framing, struct wr_buf *out)
{
#define X(name)                                                                                              \
    one(out, "weir_log_" #name "_total", "counter",                                                          \
        "syslog and JSON messages: " #name ", see docs/operations.md", l->name);
    WR_LOG_COUNTERS(X)
#undef X
    head(out, "weir_framing_total", "counter", "syslog streams: how messages were told apart");
#define X(name) wr_buf_fmt(out, "weir_framing_total{what=\"" #name "\"} %" PRIu64 "\n", framing->stats.name);
    WR_FRAMING_COUNTERS(X)
#undef X
}

/* Which rule costs what. */
static void rule_metrics(const struct wr_core *core, struct wr_buf *out)
{
    static const struct {
        const char *name, *type, *help;
        size_t at;
    } family[] = {
        {"weir_rule_seconds_total", "counter", "time spent in each rule since it was loaded", offsetof(struct wr_rule_cost, ns)},
        {"weir_rule_looked_at_total", "counter", "rows that each rule looked at", offsetof(struct wr_rule_cost, rows)},
        {"weir_rule_runs_total", "counter", "runs of each rule over its kept rows", offsetof(struct wr_rule_cost, runs)},
        {"weir_rule_kept_rows", "gauge", "rows that each rule keeps", offsetof(struct wr_rule_cost, rows_kept)},
        {"weir_rule_own_memory_bytes", "gauge", "memory of each rule's window",
         offsetof(struct wr_rule_cost, memory_bytes)},
    };
    const struct wr_ruleset *rules = wr_core_rules(core);
    for (size_t f = 0; f < sizeof family / sizeof *family; f++) {
        head(out, family[f].name, family[f].type, family[f].help);
        for (uint32_t i = 0; i < wr_ruleset_count(rules); i++) {
            struct wr_rule_cost cost = wr_core_rule_cost(core, i);
            uint64_t v;
            memcpy(&v, (const char *)&cost + family[f].at, sizeof v);
            wr_buf_fmt(out, "%s{rule=\"", family[f].name);
            label(out, wr_ruleset_rule(rules, i)->id);
            if (f == 0)
                wr_buf_fmt(out, "\"} %.6f\n", (double)v / 1e9);
            else
                wr_buf_fmt(out, "\"} %" PRIu64 "\n", v);
        }
    }
}

static void state_metrics(const struct wr_owner *o, const struct sums *s, struct wr_buf *out)
{
    const struct wr_conn_stats *c = wr_core_conn_stats(o->core);
    struct wr_engine_stats e = wr_core_engine_stats(o->core);
    one(out, "weir_ring_rows_sent_total", "counter", "records and rows handed to the owner", s->rows_sent);
    one(out, "weir_ring_rows_dropped_total", "counter", "of datagrams, lost because the owner was behind",
        s->rows_dropped);
    one(out, "weir_ring_bytes", "gauge", "bytes waiting for the owner", s->ring_bytes);
    one(out, "weir_streams", "gauge", "open stream connections", s->streams);
    head(out, "weir_connections_total", "counter", "connection table, by what happened");
#define X(name) wr_buf_fmt(out, "weir_connections_total{what=\"" #name "\"} %" PRIu64 "\n", c->name);
    X(flows)
    X(events) X(connections) X(openings) X(matched) X(orphans) X(dup_record) X(evicted) X(evicted_undecided) X(evicted_open) X(evicted_ended) X(late_bind) X(leases) X(answers) X(answers_dropped) X(nat_told) X(nat_moved) X(nat_late) X(nat_exhausted) X(nat_dropped)
        X(ambiguous) X(amends) X(inserts) X(who_dropped) X(raised) X(host) X(host_ambiguous) X(remote) X(remote_dropped) X(unseen) X(agents_dropped)
#undef X
            one(out, "weir_connections_live", "gauge", "connections in the table", c->live);
    one(out, "weir_device_clocks_off", "gauge", "devices whose clock is more than a minute off", c->clocks_off);
    one(out, "weir_rules", "gauge", "rules that run", wr_ruleset_count(wr_core_rules(o->core)));
    one(out, "weir_rule_files_refused", "gauge", "files of rules in which something is wrong", wr_ruleset_refused(wr_core_rules(o->core)));
    one(out, "weir_rule_rows_total", "counter", "rows given to the rules", e.rows_in);
    one(out, "weir_rule_rows_aggregated_total", "counter", "rows that entered a window", e.rows_aggregated);
    one(out, "weir_rule_rows_late_total", "counter", "rows too old for their window", e.late);
    one(out, "weir_rule_rows_future_total", "counter", "rows whose time lies ahead", e.future);
    one(out, "weir_rule_groups", "gauge", "groups in windows", e.groups);
    one(out, "weir_rule_panes", "gauge", "panes of these groups", e.panes);
    one(out, "weir_rule_groups_evicted_total", "counter", "groups given up: memory bound", e.evicted);
    one(out, "weir_rule_memory_bytes", "gauge", "memory of windows", e.memory_bytes);
    rule_metrics(o->core, out);
    head(out, "weir_alerts_total", "counter", "alerts by kind");
    wr_buf_fmt(out, "weir_alerts_total{kind=\"raised\"} %" PRIu64 "\n", e.raised);
    wr_buf_fmt(out, "weir_alerts_total{kind=\"updated\"} %" PRIu64 "\n", e.updated);
    wr_buf_fmt(out, "weir_alerts_total{kind=\"resolved\"} %" PRIu64 "\n", e.resolved);
}

static void disk_metrics(const struct wr_owner *o, struct wr_buf *out)
{
    struct wr_store_stats st = wr_store_stats(o->store);
    one(out, "weir_alerts_stored_total", "counter", "alerts put into the store", st.put);
    one(out, "weir_alerts_known_total", "counter", "alerts that were there already (replay after a crash)",
        st.known);
    one(out, "weir_alerts_waiting", "gauge", "alerts in memory because the store fails", o->nunstored);
    one(out, "weir_alerts_lost_total", "counter", "alerts lost because the store failed for too long",
        o->stats.alerts_unstored);
    one(out, "weir_alerts_dead_total", "counter", "alerts forgotten before some receiver had them", st.dead);
    one(out, "weir_store_errors_total", "counter", "failed writes of the alert store", o->stats.store_errors);
    one(out, "weir_wal_records_total", "counter", "inputs given to the log", o->state.wal.records);
    one(out, "weir_wal_unlogged_total", "counter", "of them, not written: the log failed",
        o->state.wal.unlogged);
    one(out, "weir_wal_errors_total", "counter", "failed writes and syncs of the log", o->state.wal.errors);
    one(out, "weir_wal_syncs_total", "counter", "group commits", o->stats.syncs);
    one(out, "weir_wal_durable", "gauge", "1 while the log can be written", o->state.wal.fd >= 0);
    one(out, "weir_snapshots_total", "counter", "snapshots written", o->state.snapshots);
    one(out, "weir_snapshot_errors_total", "counter", "snapshots that could not be written",
        o->state.snapshot_errors);
    one(out, "weir_snapshots_inline_total", "counter", "snapshots that the rules waited for: no process could be made",
        o->snapshots_inline);
    one(out, "weir_snapshot_bytes", "gauge", "size of the last snapshot", o->state.snapshot_bytes);
    seconds(out, "weir_snapshot_stall_seconds", "for how long the last snapshot held up the rules",
            o->snapshot_stall_ns);
    seconds(out, "weir_snapshot_stall_max_seconds", "the longest of these", o->snapshot_stall_max_ns);
    one(out, "weir_recovered_records_total", "counter", "log records replayed at start", o->stats.replayed);
    one(out, "weir_recovery_torn_bytes", "gauge", "bytes cut off the log at start",
        o->recovered.log.torn_bytes);
    one(out, "weir_recovery_lost_records", "gauge", "log records that were damaged at start",
        o->recovered.log.lost_records);
    one(out, "weir_input_errors_total", "counter", "inputs that could not be worked through",
        o->stats.input_errors);
    one(out, "weir_reloads_total", "counter", "successful reloads of the rules", o->stats.reloads);
    one(out, "weir_reload_errors_total", "counter", "reloads refused; the old rules went on",
        o->stats.reload_errors);
    one(out, "weir_oplog_suppressed_total", "counter", "log lines left out by the rate limit",
        wr_oplog_stats().suppressed);
}

static void sink_family(const struct wr_owner *o, const struct wr_sink_stats *stats, const char *name,
                        const char *type, const char *help, size_t offset, struct wr_buf *out)
{
    head(out, name, type, help);
    for (uint32_t i = 0; i < o->nsinks; i++) {
        uint64_t v;
        memcpy(&v, (const char *)&stats[i] + offset, sizeof v);
        wr_buf_fmt(out, "%s{sink=\"%s\",name=\"", name, stats[i].kind);
        label(out, stats[i].name);
        wr_buf_fmt(out, "\"} %" PRIu64 "\n", v);
    }
}

static void sinks(const struct wr_owner *o, struct wr_buf *out)
{
    struct wr_sink_stats stats[WR_OWNER_MAX_SINKS];
    if (o->nsinks == 0)
        return;
    for (uint32_t i = 0; i < o->nsinks; i++)
        wr_sink_stats(o->sinks[i], &stats[i]);
#define X(field, suffix, type, help)                                                                         \
    sink_family(o, stats, "weir_sink_" suffix, type, help, offsetof(struct wr_sink_stats, field), out);
    X(sent, "sent_total", "counter", "alerts handed to the receiver, repeats included")
    X(acknowledged, "acknowledged_total", "counter", "alerts delivered for good")
    X(retried, "retried_total", "counter", "alerts sent again")
    X(lost, "lost_total", "counter", "alerts given up")
    X(errors, "errors_total", "counter", "failed connections, writes, late acknowledgements")
    X(unknown_acks, "unknown_acks_total", "counter", "acknowledgements of nothing that was in flight")
    X(pending, "pending", "gauge", "alerts that wait for this receiver")
#undef X
    head(out, "weir_sink_connected", "gauge", "1 while the receiver can be reached");
    for (uint32_t i = 0; i < o->nsinks; i++) {
        wr_buf_fmt(out, "weir_sink_connected{sink=\"%s\",name=\"", stats[i].kind);
        label(out, stats[i].name);
        wr_buf_fmt(out, "\"} %d\n", stats[i].connected);
    }
}

static uint64_t resident_bytes(void)
{
    char *data;
    size_t len;
    unsigned long pages = 0;
    if (wr_io_read_file(wr_io_real(), "/proc/self/statm", 4096, &data, &len) != 0)
        return 0;
    (void)sscanf(data, "%*u %lu", &pages);
    free(data);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void wr_owner_metrics(struct wr_owner *o, struct wr_buf *out)
{
    struct sums s = {0};
    for (uint32_t i = 0; i < o->nworkers; i++)
        add_worker(&s, i, &o->workers[i]);
    head(out, "weir_build_info", "gauge", "version of this weir");
    wr_buf_str(out, "weir_build_info{version=\"" WR_VERSION "\"} 1\n");
    one(out, "weir_workers", "gauge", "worker threads", o->nworkers);
    head(out, "weir_worker_received_total", "counter", "datagrams and messages of each worker: how evenly senders are spread");
    for (uint32_t i = 0; i < o->nworkers; i++)
        wr_buf_fmt(out, "weir_worker_received_total{worker=\"%" PRIu32 "\"} %" PRIu64 "\n", i, s.received[i]);
    one(out, "process_resident_memory_bytes", "gauge", "resident memory", resident_bytes());
    listeners(o, &s, out);
    files(o, &s, out);
    tees(o, &s, out);
    flow_decoder(&s.flow, out);
    exporters(o, out);
    log_parser(&s.log, &s.framing, out);
    state_metrics(o, &s, out);
    disk_metrics(o, out);
    sinks(o, out);
}

bool wr_owner_healthy(const struct wr_owner *o, struct wr_buf *out)
{
    const char *wrong = NULL;
    if (o->phase != WR_OWNER_RUNNING)
        wrong = "stopping";
    else if (o->state.wal.fd < 0)
        wrong = "the log in the state directory cannot be written";
    else if (o->unstored)
        wrong = "the alert store cannot be written";
    wr_buf_fmt(out, "%s\n", wrong ? wrong : "ok");
    return !wrong;
}
