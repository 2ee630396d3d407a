#include "collector/pipeline/core.h"

#include "base/ticks.h"
#include "collector/cli/flow_row.h"
#include "collector/pipeline/block.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { EVENTS = 64 };

struct wr_core {
    struct wr_core_opts opts;
    struct wr_ruleset *rules;
    struct wr_wants wants;
    struct wr_conn *conn; /* NULL: no rule reads connections */
    struct wr_engine *engine;
    struct wr_batch *made[WR_CONN_TABLES]; /* rows of wr_conn_tables on their way to the rules */
    struct wr_packed event[EVENTS]; /* endpoint events, until something else comes or there are enough: together they are faster */
    struct wr_buf event_bytes;
    uint32_t nevents;
    struct wr_batch *gather[WR_NTABLES]; /* rows until the turn; NULL: nobody reads them, or by way of connections */
    struct wr_fileposs files;
    int64_t now_ns;
};

static struct wr_batch *table_batch(enum wr_table table, const struct wr_colset *cols, uint32_t rows)
{
    return wr_batch_new(wr_schema_of(table), cols, rows);
}

/* Only to tell what rules cost: what they say depends on the inputs' times alone. */
static uint64_t clock_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static bool make_parts(struct wr_core *core)
{
    const struct wr_core_opts *o = &core->opts;
    if (!wr_wants_init(&core->wants, core->rules))
        return false;
    const struct wr_wants *w = &core->wants;
    struct wr_conn_opts conn = {.wanted = w->conn_cols,
                                .sessions = w->session_cols,
                                .sessions_only = w->sessions_only,
                                .one_sided = w->one_sided,
                                .max_connections = o->max_connections,
                                .orphans = o->orphans,
                                .capped = o->capped,
                                .capped_devices = o->capped_devices,
                                .ncapped_devices = o->ncapped_devices,
                                .nat64 = o->nat64,
                                .nnat64 = o->nnat64,
                                .hostnames = o->hostnames,
                                .expect_endpoint = o->expect_endpoint,
                                .hold_ns = o->hold_ns};
    struct wr_engine_opts engine = {
        .memory_bytes = o->memory_bytes, .realert_ticks = o->realert_ns / 100, .clock_ns = clock_ns};
    core->conn = wr_conn_new(&conn);
    core->engine = wr_engine_new(core->rules, &engine);
    for (int i = 0; i < WR_CONN_TABLES; i++) {
        enum wr_table table = wr_conn_tables[i];
        core->made[i] = table_batch(table, wr_wants_conn_cols(w, table), o->batch_rows);
        if (!core->made[i])
            return false;
    }
    for (int t = 0; t < WR_NTABLES; t++) {
        if (!wr_wants_rows(w, (enum wr_table)t))
            continue;
        core->gather[t] = table_batch((enum wr_table)t, &w->scan[t].wanted, o->batch_rows);
        if (!core->gather[t])
            return false;
    }
    return core->conn && core->engine;
}

struct wr_core *wr_core_new(struct wr_ruleset *rules, const struct wr_core_opts *opts)
{
    struct wr_core *core = calloc(1, sizeof *core);
    if (!core)
        return NULL;
    core->opts = *opts;
    core->rules = wr_ruleset_ref(rules);
    core->now_ns = INT64_MIN;
    if (!make_parts(core)) {
        wr_core_free(core);
        return NULL;
    }
    return core;
}

static void free_parts(struct wr_core *core)
{
    for (int i = 0; i < WR_CONN_TABLES; i++)
        wr_batch_free(core->made[i]);
    wr_buf_fini(&core->event_bytes);
    for (int t = 0; t < WR_NTABLES; t++)
        wr_batch_free(core->gather[t]);
    wr_conn_free(core->conn);
    wr_engine_free(core->engine);
    wr_wants_fini(&core->wants);
    wr_fileposs_fini(&core->files);
    wr_ruleset_unref(core->rules);
}

void wr_core_free(struct wr_core *core)
{
    if (!core)
        return;
    free_parts(core);
    free(core);
}

static int64_t ticks(const struct wr_core *core)
{
    return wr_ticks_of_unix_ns(core->now_ns);
}

/* Hands the rows of `batch` to the rules and empties it. */
static enum wr_err give(struct wr_core *core, enum wr_table table, struct wr_batch *batch)
{
    if (batch->nrows == 0)
        return WR_OK;
    wr_batch_seal(batch);
    enum wr_err err = wr_engine_consume(core->engine, table, batch, ticks(core));
    return wr_batch_reset(batch) ? err : WR_ENOMEM;
}

/* A row of Flows. */
static enum wr_err gather_flow(struct wr_core *core, const struct wr_flow *flow, struct wr_who who)
{
    struct wr_batch *flows = core->gather[WR_TABLE_FLOWS];
    if (!flows || (flow->flags & WR_FLOW_NAT_EVENT))
        return WR_OK;
    enum wr_err err = flows->nrows == flows->cap ? give(core, WR_TABLE_FLOWS, flows) : WR_OK;
    return err ? err : wr_flow_row(flow, who, flows) ? WR_OK : WR_ENOMEM;
}

static enum wr_err apply_flow(struct wr_core *core, const struct wr_flow *flow, struct wr_who who)
{
    bool connects = core->wants.conn && wr_wants_connection(core->wants.conn_ports, flow);
    enum wr_err err = connects ? wr_conn_flow_who(core->conn, flow, who, core->now_ns) : WR_OK;
    return err ? err : gather_flow(core, flow, who);
}

/* Those of `n` flows that are connections'. */
static uint32_t pick_connections(const struct wr_core *core, const struct wr_flow *flows, uint32_t n, struct wr_flow *ret)
{
    uint32_t picked = 0;
    for (uint32_t i = 0; i < n; i++)
        if (wr_wants_connection(core->wants.conn_ports, &flows[i]))
            ret[picked++] = flows[i];
    return picked;
}

/* Connections first, all together: what they touch can be asked for ahead. */
static enum wr_err apply_flows(struct wr_core *core, const struct wr_input *input, bool rows)
{
    enum { SOME = 64 };
    struct wr_flow flows[SOME], picked[SOME];
    if (input->len % sizeof *flows != 0)
        return WR_ECORRUPT;
    const uint8_t *at = input->bytes;
    for (uint32_t n = (uint32_t)(input->len / sizeof *flows), some; n; n -= some, at += some * sizeof *flows) {
        some = n < SOME ? n : SOME;
        memcpy(flows, at, some * sizeof *flows);
        enum wr_err err = WR_OK;
        if (core->wants.conn_ports)
            err = wr_conn_flows(core->conn, picked, pick_connections(core, flows, some, picked), core->now_ns);
        else if (core->wants.conn)
            err = wr_conn_flows(core->conn, flows, some, core->now_ns);
        for (uint32_t i = 0; rows && i < some && !err; i++)
            err = gather_flow(core, &flows[i], (struct wr_who){0});
        if (err)
            return err;
    }
    return WR_OK;
}

static enum wr_err apply_block(struct wr_core *core, const struct wr_input *input)
{
    struct wr_batch *flows = core->gather[WR_TABLE_FLOWS];
    struct wr_block block;
    if (!wr_block_open(input->bytes, input->len, &block))
        return WR_ECORRUPT;
    for (uint32_t at = 0, some; flows && at < block.n; at += some) {
        enum wr_err err = flows->nrows == flows->cap ? give(core, WR_TABLE_FLOWS, flows) : WR_OK;
        if (err)
            return err;
        some = flows->cap - flows->nrows < block.n - at ? flows->cap - flows->nrows : block.n - at;
        if (!wr_block_rows(&block, at, some, flows))
            return WR_ENOMEM;
    }
    return WR_OK;
}

static enum wr_err apply_flow_who(struct wr_core *core, const struct wr_input *input)
{
    struct wr_flow flow;
    if (input->len < sizeof flow)
        return WR_ECORRUPT;
    memcpy(&flow, input->bytes, sizeof flow);
    struct wr_who who = {.at = (const uint8_t *)input->bytes + sizeof flow,
                         .len = input->len - (uint32_t)sizeof flow};
    return apply_flow(core, &flow, who);
}

/* The events that have gathered: before anything that comes after them. */
static enum wr_err give_events(struct wr_core *core)
{
    uint32_t n = core->nevents;
    size_t at = 0;
    for (uint32_t i = 0; i < n; i++) { /* only now: the buffer has moved as it grew */
        core->event[i].bytes = core->event_bytes.data + at;
        at += core->event[i].len;
    }
    core->nevents = 0;
    enum wr_err err = n ? wr_conn_events(core->conn, core->event, n) : WR_OK;
    wr_buf_reset(&core->event_bytes);
    return err;
}

static enum wr_err apply_event(struct wr_core *core, const struct wr_input *input)
{
    if (!wr_row_is_sound(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS), input->bytes, input->len))
        return WR_ECORRUPT;
    enum wr_err err = core->nevents == EVENTS ? give_events(core) : WR_OK;
    wr_buf_add(&core->event_bytes, input->bytes, input->len);
    if (core->event_bytes.err)
        return WR_ENOMEM;
    core->event[core->nevents++] = (struct wr_packed){.len = input->len, .now_ns = core->now_ns};
    return err;
}

static enum wr_err apply_row(struct wr_core *core, enum wr_table table, const struct wr_input *input)
{
    struct wr_batch *batch = core->gather[table];
    if (table == WR_TABLE_DEVICE_NETWORK_EVENTS)
        return apply_event(core, input);
    if (!batch)
        return WR_OK; /* logged under other rules */
    enum wr_err err = give_events(core);
    if (!err && batch->nrows == batch->cap)
        err = give(core, table, batch);
    if (err)
        return err;
    err = wr_row_unpack(batch, input->bytes, input->len);
    if (!err && core->wants.conn)
        err = wr_conn_learn(core->conn, table, batch, batch->nrows - 1, core->now_ns);
    return err;
}

static enum wr_err drain(struct wr_core *core)
{
    enum wr_err err = WR_OK;
    for (int i = 0; i < WR_CONN_TABLES && !err; i++)
        while (!err && wr_conn_drain(core->conn, wr_conn_tables[i], core->made[i]))
            err = give(core, wr_conn_tables[i], core->made[i]);
    return err;
}

static enum wr_err turn(struct wr_core *core)
{
    enum wr_err err = give_events(core);
    if (!err)
        err = wr_conn_advance(core->conn, core->now_ns);
    if (!err)
        err = drain(core);
    for (int t = 0; t < WR_NTABLES && !err; t++)
        if (core->gather[t])
            err = give(core, (enum wr_table)t, core->gather[t]);
    return err ? err : wr_engine_advance(core->engine, ticks(core));
}

/* One of the inputs that a file's position comes with; false: there is none, or rd->err. */
static bool next_of_file(struct wr_rd *rd, int64_t arrival_ns, struct wr_input *ret)
{
    if (rd->at == rd->end)
        return false;
    *ret = (struct wr_input){.type = wr_rd_u32(rd), .arrival_ns = arrival_ns};
    ret->bytes = wr_rd_blob(rd, &ret->len);
    if (!rd->err && (ret->type < WR_INPUT_ROW || ret->type >= wr_input_row(WR_NTABLES)))
        rd->err = WR_ECORRUPT;
    return !rd->err;
}

static enum wr_err apply_file(struct wr_core *core, const struct wr_input *input)
{
    struct wr_rd rd = wr_rd_init(input->bytes, input->len);
    struct wr_filepos pos;
    struct wr_input in;
    const char *path;
    uint32_t path_len;
    if (!wr_filepos_get(&rd, &pos, &path, &path_len))
        return WR_ECORRUPT;
    struct wr_rd look = rd;
    while (next_of_file(&look, input->arrival_ns, &in))
        ;
    if (look.err)
        return WR_ECORRUPT;
    enum wr_err err = WR_OK;
    while (next_of_file(&rd, input->arrival_ns, &in)) {
        enum wr_err one = apply_row(core, (enum wr_table)(in.type - WR_INPUT_ROW), &in);
        err = err ? err : one;
    }
    enum wr_err set = wr_fileposs_set(&core->files, &pos, path, path_len);
    return err ? err : set;
}

enum wr_err wr_core_apply(struct wr_core *core, const struct wr_input *input)
{
    if (input->arrival_ns > core->now_ns)
        core->now_ns = input->arrival_ns;
    enum wr_err err;
    switch (input->type) {
    case WR_INPUT_FLOWS:
        err = give_events(core);
        return err ? err : apply_flows(core, input, true);
    case WR_INPUT_CONN_FLOWS:
        err = give_events(core);
        return err ? err : apply_flows(core, input, false);
    case WR_INPUT_FLOW_BLOCK:
        err = give_events(core);
        return err ? err : apply_block(core, input);
    case WR_INPUT_FLOW_WHO:
        err = give_events(core);
        return err ? err : apply_flow_who(core, input);
    case WR_INPUT_FILE:
        return apply_file(core, input);
    case WR_INPUT_TURN:
        return turn(core);
    default:
        if (input->type >= WR_INPUT_ROW && input->type < wr_input_row(WR_NTABLES))
            return apply_row(core, (enum wr_table)(input->type - WR_INPUT_ROW), input);
        return WR_ECORRUPT;
    }
}

uint32_t wr_core_weight(const struct wr_input *input)
{
    enum { CONNECTION = 4, ROW = 16, FILE_ROW_OCTETS = 256 }; /* a row of a log, and about how long it is */
    uint32_t n;
    switch (input->type) {
    case WR_INPUT_FLOW_BLOCK:
        n = wr_block_count(input->bytes, input->len);
        break;
    case WR_INPUT_FLOWS:
    case WR_INPUT_CONN_FLOWS:
        n = CONNECTION * (input->len / (uint32_t)sizeof(struct wr_flow));
        break;
    case WR_INPUT_FILE:
        n = (1 + input->len / FILE_ROW_OCTETS) * ROW;
        break;
    default:
        n = ROW;
    }
    return n ? n : 1;
}

/* The newest connections of the group as a JSON array in the alert's own arena. */
static void fill_samples(const struct wr_core *core, struct wr_alert *alert, struct wr_buf *buf)
{
    wr_buf_reset(buf);
    wr_buf_char(buf, '[');
    for (uint32_t i = 0; i < alert->nsamples; i++) {
        size_t before = buf->len;
        if (before > 1)
            wr_buf_char(buf, ',');
        if (!wr_conn_sample(core->conn, alert->sample_rows[i], buf))
            buf->len = before; /* the connection has gone */
    }
    wr_buf_char(buf, ']');
    if (!buf->err && buf->len > 2)
        alert->samples_json = wr_arena_strndup(alert->arena, buf->data, buf->len);
}

struct wr_alert *wr_core_alerts(struct wr_core *core)
{
    struct wr_alert *list = wr_engine_alerts(core->engine);
    struct wr_buf buf = {0};
    for (struct wr_alert *a = list; a; a = a->next)
        fill_samples(core, a, &buf);
    wr_buf_fini(&buf);
    return list;
}

enum wr_err wr_core_reload(struct wr_core *core, struct wr_ruleset *rules, const struct wr_core_opts *opts)
{
    struct wr_core *fresh = wr_core_new(rules, opts);
    struct wr_buf conn = {0}, engine = {0};
    enum wr_err err = fresh ? give_events(core) : WR_ENOMEM;
    if (!err) {
        wr_core_save(core, &conn, &engine);
        err = conn.err ? conn.err : engine.err;
    }
    if (!err)
        err = wr_core_load(fresh, core->now_ns, conn.data, conn.len, engine.data, engine.len);
    wr_buf_fini(&conn);
    wr_buf_fini(&engine);
    if (err) {
        wr_core_free(fresh);
        return err;
    }
    struct wr_core old = *core;
    *core = *fresh;
    core->files = old.files;
    old.files = (struct wr_fileposs){0};
    *fresh = old;
    wr_core_free(fresh);
    return WR_OK;
}

void wr_core_refdata_changed(struct wr_core *core)
{
    wr_engine_refdata_changed(core->engine);
}

int64_t wr_core_now(const struct wr_core *core)
{
    return core->now_ns;
}

const struct wr_wants *wr_core_wants(const struct wr_core *core)
{
    return &core->wants;
}

const struct wr_ruleset *wr_core_rules(const struct wr_core *core)
{
    return core->rules;
}

const struct wr_conn_stats *wr_core_conn_stats(const struct wr_core *core)
{
    return wr_conn_stats(core->conn);
}

struct wr_conn *wr_core_conn(struct wr_core *core)
{
    return core->conn;
}

struct wr_engine_stats wr_core_engine_stats(const struct wr_core *core)
{
    return wr_engine_stats(core->engine);
}

struct wr_rule_cost wr_core_rule_cost(const struct wr_core *core, uint32_t rule)
{
    return wr_engine_cost(core->engine, rule);
}

struct wr_core_counts wr_core_counts(const struct wr_core *core)
{
    struct wr_core_counts counts = {.conn = *wr_conn_stats(core->conn), .engine = wr_engine_stats(core->engine)};
    return counts;
}

void wr_core_save(const struct wr_core *core, struct wr_buf *conn, struct wr_buf *engine)
{
    if (conn)
        wr_conn_save(core->conn, conn);
    if (engine)
        wr_engine_save(core->engine, engine);
}

const struct wr_fileposs *wr_core_files(const struct wr_core *core)
{
    return &core->files;
}

enum wr_err wr_core_load_files(struct wr_core *core, const void *bytes, size_t len)
{
    wr_fileposs_fini(&core->files);
    return wr_fileposs_load(&core->files, bytes, len);
}

enum wr_err wr_core_load(struct wr_core *core, int64_t now_ns, const void *conn, size_t conn_len,
                         const void *engine, size_t engine_len)
{
    enum wr_err err = wr_conn_load(core->conn, conn, conn_len);
    if (!err)
        err = wr_engine_load(core->engine, engine, engine_len);
    if (!err && now_ns > core->now_ns)
        core->now_ns = now_ns;
    return err;
}
