#include "collector/cli/feed_internal.h"

#include "base/ticks.h"
#include "collector/cli/flow_row.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_FILES = 256, PARSE_AHEAD = 512, LOG_ROWS = 1024, PROBE_PACKETS = 1000, THREADS_FROM = 1 << 20 };
/* Rows wait at most this long, in the files' time, for their batch to fill. */
#define DRAIN_NS INT64_C(1000000000)

static bool wants(const struct wr_feed *f, enum wr_table table)
{
    return f->opts.scan[table] && f->opts.scan[table]->nbranches > 0;
}

static bool make_outputs(struct wr_feed *f)
{
    const struct wr_wants *w = &f->wants;
    for (int t = 0; t < WR_NTABLES; t++) {
        bool conn = wr_wants_is_conn((enum wr_table)t) || t == WR_TABLE_ASIM_NETWORK_SESSION_LOGS;
        const struct wr_colset *cols = conn          ? wr_wants_conn_cols(w, (enum wr_table)t)
                                       : wr_wants_rows(w, (enum wr_table)t) ? &w->scan[t].wanted
                                                     : NULL;
        f->out[t] = cols ? wr_batch_new(wr_schema_of(t), cols, f->opts.batch_rows) : NULL;
        if (cols && !f->out[t])
            return false;
    }
    f->line_cols = w->scan[WR_TABLE_SYSLOG].wanted;
    wr_colset_add(&f->line_cols, WR_SYSLOG_EventTime);
    return true;
}

struct wr_feed *wr_feed_new(const struct wr_feed_opts *opts)
{
    struct wr_feed *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->opts = *opts;
    f->clock_ns = f->drained_ns = INT64_MIN;
    f->sources = calloc(MAX_FILES, sizeof *f->sources);
    f->decoder = wr_flow_decoder_new(&(struct wr_flow_decoder_opts){.model = opts->model});
    f->log = wr_log_new(&(struct wr_log_opts){.live = false, .mappings = opts->mappings});
    if (!wr_wants_of(&f->wants, f->opts.scan) || !f->sources || !f->decoder || !f->log || !make_outputs(f)) {
        wr_feed_free(f);
        return NULL;
    }
    return f;
}

static void source_fini(struct source *s)
{
    wr_meter_free(s->meter);
    wr_ahead_free(s->ahead);
    wr_rows_free(&s->rows);
    wr_infile_close(&s->in);
}

void wr_feed_free(struct wr_feed *feed)
{
    if (!feed)
        return;
    for (uint32_t i = 0; i < feed->nsources; i++)
        source_fini(&feed->sources[i]);
    for (int t = 0; t < WR_NTABLES; t++)
        wr_batch_free(feed->out[t]);
    wr_rows_free(&feed->rows);
    wr_wants_fini(&feed->wants);
    wr_conn_free(feed->conn);
    wr_flow_decoder_free(feed->decoder);
    wr_log_free(feed->log);
    wr_flow_vec_fini(&feed->flows);
    wr_buf_fini(&feed->row);
    free(feed->sources);
    free(feed);
}

/* Batches that lines are parsed into: of network events always, of other tables where somebody reads them. */
static bool row_batches(const struct wr_feed *f, struct wr_rows *rows)
{
    for (int t = 0; t < WR_NTABLES; t++) {
        bool events = t == WR_TABLE_DEVICE_NETWORK_EVENTS;
        if (!events && (wr_wants_is_conn((enum wr_table)t) || t == WR_TABLE_FLOWS || !wr_wants_rows(&f->wants, (enum wr_table)t)))
            continue;
        const struct wr_colset *cols = events                 ? &f->wants.event_cols
                                       : t == WR_TABLE_SYSLOG ? &f->line_cols
                                                              : &f->wants.scan[t].wanted;
        rows->of[t] = wr_batch_new(wr_schema_of(t), cols, LOG_ROWS);
        if (!rows->of[t])
            return false;
    }
    return true;
}

enum wr_err wr_feed_add(struct wr_feed *feed, const char *path, struct wr_buf *error)
{
    if (feed->nsources == MAX_FILES) {
        wr_buf_fmt(error, "%s: more than %d files", path, MAX_FILES);
        return WR_ELIMIT;
    }
    struct source *s = &feed->sources[feed->nsources];
    enum wr_err err = wr_infile_open(&s->in, path, feed->nsources + 1, error);
    if (err)
        return err;
    feed->nsources++;
    bool ok = true;
    if (s->in.kind == WR_INFILE_TEXT)
        ok = row_batches(feed, &s->rows);
    else if (s->in.kind == WR_INFILE_TRAFFIC)
        ok = (s->meter = wr_meter_new()) != NULL;
    else if (s->in.kind == WR_INFILE_EXPORTS && !feed->rows.of[WR_TABLE_DEVICE_NETWORK_EVENTS])
        ok = row_batches(feed, &feed->rows);
    if (ok)
        return WR_OK;
    wr_buf_fmt(error, "%s: %s", s->in.name, wr_strerror(WR_ENOMEM));
    return WR_ENOMEM;
}

/* ---- rows out ------------------------------------------------------------------------------------ */

static enum wr_err emit(struct wr_feed *f, enum wr_table table)
{
    struct wr_batch *b = f->out[table];
    if (!b || !b->nrows)
        return WR_OK;
    enum wr_err err = WR_OK;
    if (wants(f, table)) {
        f->stats.rows += b->nrows;
        wr_batch_seal(b);
        err = f->opts.consume(f->opts.ctx, table, b, wr_feed_clock(f));
    }
    if (!wr_batch_reset(b) && !err)
        err = WR_ENOMEM;
    return err;
}

static enum wr_err drain_conn(struct wr_feed *f)
{
    for (int i = 0; i < WR_CONN_TABLES; i++)
        while (wr_conn_drain(f->conn, wr_conn_tables[i], f->out[wr_conn_tables[i]])) {
            enum wr_err err = emit(f, wr_conn_tables[i]);
            if (err)
                return err;
        }
    return WR_OK;
}

static enum wr_err drain(struct wr_feed *f)
{
    f->pending = 0;
    f->drained_ns = f->clock_ns;
    enum wr_err err = WR_OK;
    for (int t = 0; t < WR_NTABLES && !err; t++)
        if (!wr_wants_is_conn((enum wr_table)t))
            err = emit(f, (enum wr_table)t);
    if (!err && f->conn)
        err = wr_conn_advance(f->conn, f->clock_ns);
    if (!err && f->conn)
        err = drain_conn(f);
    return err;
}

/* ---- records in ---------------------------------------------------------------------------------- */

static void clock_to(struct wr_feed *f, int64_t time_ns)
{
    if (time_ns > f->clock_ns)
        f->clock_ns = time_ns;
}

static enum wr_err take_packed(struct wr_feed *f, enum wr_table table, const void *row, size_t len)
{
    enum wr_err err = wr_row_unpack(f->out[table], row, len);
    if (!err && f->conn)
        err = wr_conn_learn(f->conn, table, f->out[table], f->out[table]->nrows - 1, f->clock_ns);
    if (!err && f->out[table]->nrows == f->opts.batch_rows)
        err = emit(f, table);
    return err;
}

static enum wr_err take_flows(struct wr_feed *f)
{
    enum wr_err err = WR_OK;
    for (uint32_t i = 0; i < f->flows.n && !err; i++) {
        f->stats.flows++;
        f->pending++;
        const struct wr_flow *flow = &f->flows.at[i];
        struct wr_who who = wr_flow_who(&f->flows, flow);
        if (f->conn && wr_wants_connection(f->wants.conn_ports, flow))
            err = wr_conn_flow_who(f->conn, flow, who, f->clock_ns);
        if (err || !wants(f, WR_TABLE_FLOWS) || (flow->flags & WR_FLOW_NAT_EVENT))
            continue;
        if (!wr_flow_row(flow, who, f->out[WR_TABLE_FLOWS]))
            err = WR_ENOMEM;
        else if (f->out[WR_TABLE_FLOWS]->nrows == f->opts.batch_rows)
            err = emit(f, WR_TABLE_FLOWS);
    }
    struct wr_rd mail = wr_rd_init(f->flows.mail.data, f->flows.mail.len);
    while (!err && mail.at < mail.end) {
        uint32_t len;
        const uint8_t *row = wr_rd_blob(&mail, &len);
        err = row ? take_packed(f, WR_TABLE_SMTP_MESSAGES, row, len) : WR_ECORRUPT;
    }
    wr_flow_vec_reset(&f->flows);
    return err;
}

static enum wr_err take_event(struct wr_feed *f, const struct wr_batch *events, uint32_t row)
{
    f->stats.events++;
    f->pending++;
    return f->conn ? wr_conn_event(f->conn, events, row, f->clock_ns) : WR_OK;
}

static enum wr_err take_row(struct wr_feed *f, enum wr_table table, const struct wr_batch *rows, uint32_t row)
{
    if (wr_wants_is_conn(table))
        return take_event(f, rows, row);
    f->stats.lines++;
    wr_buf_reset(&f->row);
    wr_row_pack(rows, row, &f->row);
    return f->row.err ? f->row.err : take_packed(f, table, f->row.data, f->row.len);
}

/* Parses one line. WR_EFULL: the rows that are there must go first. A frame with more rows than an empty batch
 * holds gets larger ones, up to what a batch can be. */
static enum wr_err parse_line(struct wr_feed *f, const struct wr_unit *unit, struct wr_rows *rows)
{
    for (;;) {
        enum wr_err err =
            wr_log_frame(f->log, unit->host, (const char *)unit->data, unit->len, unit->time_ns, rows);
        if (err != WR_EFULL || wr_rows_count(rows))
            return err;
        uint32_t cap = rows->of[WR_TABLE_DEVICE_NETWORK_EVENTS]->cap * 2;
        if (cap > WR_BATCH_MAX_ROWS) { /* more rows in one line than any batch holds: refused */
            f->stats.lines_rejected++;
            return WR_OK;
        }
        if (!wr_rows_grow(rows, cap))
            return WR_ENOMEM;
    }
}

/* A line of a capture arrived at its packet's time, whatever time it tells. */
static enum wr_err packet_line(struct wr_feed *f, const struct wr_unit *unit)
{
    if (!wr_rows_reset(&f->rows))
        return WR_ENOMEM;
    enum wr_err err = parse_line(f, unit, &f->rows);
    for (int t = 0; t < WR_NTABLES; t++)
        for (uint32_t r = 0; !err && f->rows.of[t] && r < f->rows.of[t]->nrows; r++)
            err = take_row(f, (enum wr_table)t, f->rows.of[t], r);
    return err;
}

/* ---- text files: parsed ahead, because a line's time is known only then -------------------------- */

static bool row_time(const struct wr_batch *batch, uint16_t col, uint32_t row, int64_t *ret_ns)
{
    const struct wr_vec *v = &batch->col[col];
    if (!v->i || !wr_vec_valid(v, row))
        return false;
    int64_t since = v->i[row] - WR_TICKS_UNIX_EPOCH, most = INT64_MAX / 100; /* 1677 to 2262 */
    *ret_ns = 100 * (since > most ? most : since < -most ? -most : since);
    return true;
}

/* Time of the source's next row of a table; of a line the time that it tells itself, before that of its receipt. */
static int64_t next_time(const struct wr_feed *f, const struct source *s, int t)
{
    int64_t ns = t == WR_TABLE_DEVICE_NETWORK_EVENTS && f->clock_ns > 0 ? f->clock_ns : s->in.mtime_ns;
    const struct wr_batch *b = s->rows.of[t];
    if (t != WR_TABLE_SYSLOG || !row_time(b, WR_SYSLOG_EventTime, s->at[t], &ns))
        (void)row_time(b, WR_TIME_COL, s->at[t], &ns);
    return ns;
}

static bool has_row(const struct source *s, int t)
{
    return s->rows.of[t] && s->at[t] < s->rows.of[t]->nrows;
}

/* The table whose next row is the earliest; WR_NTABLES: there is none. */
static int next_table(const struct wr_feed *f, const struct source *s, int64_t *ret_ns)
{
    int best = WR_NTABLES;
    for (int t = 0; t < WR_NTABLES; t++) {
        if (!has_row(s, t))
            continue;
        int64_t ns = next_time(f, s, t);
        if (best == WR_NTABLES || ns < *ret_ns) {
            best = t;
            *ret_ns = ns;
        }
    }
    return best;
}

/* What the threads parsed; what they could not is read here, from where they stopped. */
static enum wr_err from_threads(struct wr_feed *f, struct source *s)
{
    enum wr_err err;
    memset(s->at, 0, sizeof s->at);
    while (wr_ahead_next(s->ahead, &s->rows, &err))
        if (wr_rows_count(&s->rows))
            return WR_OK;
    s->in.at = wr_ahead_at(s->ahead);
    s->in.units += wr_ahead_lines(s->ahead);
    f->stats.lines_rejected += wr_ahead_rejected(s->ahead);
    wr_ahead_free(s->ahead);
    s->ahead = NULL;
    return err;
}

/* At the end of the last source: what waits for further lines waits in vain. */
static enum wr_err no_more(struct wr_feed *f, struct source *s)
{
    for (uint32_t i = 0; i < f->nsources; i++)
        if (&f->sources[i] != s && !f->sources[i].ended)
            return WR_OK;
    enum wr_err err = wr_log_idle(f->log, INT64_MAX, &s->rows);
    return err == WR_EFULL ? WR_OK : err;
}

static enum wr_err read_ahead(struct wr_feed *f, struct source *s)
{
    enum wr_err ahead = s->ahead ? from_threads(f, s) : WR_OK;
    if (ahead || s->ahead)
        return ahead;
    if (!wr_rows_reset(&s->rows))
        return WR_ENOMEM;
    memset(s->at, 0, sizeof s->at);
    for (uint32_t i = 0; i < PARSE_AHEAD || !wr_rows_count(&s->rows); i++) {
        if (!s->have && !(s->have = wr_infile_next(&s->in, &s->unit)))
            return no_more(f, s);
        enum wr_err err = parse_line(f, &s->unit, &s->rows);
        if (err)
            return err == WR_EFULL ? WR_OK : err; /* full: this line comes first the next time */
        s->have = false;
    }
    return WR_OK;
}

/* Time of what comes next, read ahead as far as needed. */
static enum wr_err peek(struct wr_feed *f, struct source *s, int64_t *ret_ns)
{
    if (s->in.kind != WR_INFILE_TEXT) {
        if (!s->have && !s->ended)
            s->have = wr_infile_next(&s->in, &s->unit);
        s->ended = !s->have;
        *ret_ns = s->unit.time_ns;
        return WR_OK;
    }
    if (s->ended || next_table(f, s, ret_ns) != WR_NTABLES)
        return WR_OK;
    enum wr_err err = read_ahead(f, s);
    s->ended = !err && next_table(f, s, ret_ns) == WR_NTABLES;
    return err;
}

/* ---- the merge ----------------------------------------------------------------------------------- */

static enum wr_err end_of(struct wr_feed *f, struct source *s)
{
    if (!s->meter)
        return WR_OK;
    enum wr_err err = wr_meter_flush(s->meter, &f->flows);
    wr_meter_free(s->meter);
    s->meter = NULL;
    return err ? err : take_flows(f);
}

/* Rows of one table of lines, parsed ahead of the only file, as one batch: nothing else has an earlier time. */
static enum wr_err hand_on(struct wr_feed *f, struct source *s, int t)
{
    struct wr_batch *b = s->rows.of[t];
    enum wr_err err = WR_OK;
    for (; s->at[t] < b->nrows; s->at[t]++)
        clock_to(f, next_time(f, s, t));
    f->stats.lines += b->nrows;
    if (wants(f, (enum wr_table)t)) {
        f->stats.rows += b->nrows;
        wr_batch_seal(b);
        err = f->opts.consume(f->opts.ctx, (enum wr_table)t, b, wr_feed_clock(f));
    }
    return !wr_batch_reset(b) && !err ? WR_ENOMEM : err;
}

/* A query over one file of lines needs no merge: what was parsed ahead goes on whole. */
static bool whole_batches(const struct wr_feed *f)
{
    return f->opts.final_only && f->nsources == 1 && f->sources[0].in.kind == WR_INFILE_TEXT &&
           f->opts.batch_rows >= LOG_ROWS;
}

static enum wr_err step(struct wr_feed *f, struct source *s, int64_t time_ns)
{
    clock_to(f, time_ns);
    if (s->in.kind == WR_INFILE_TEXT) {
        int64_t ns = 0;
        int t = next_table(f, s, &ns);
        if (!wr_wants_is_conn((enum wr_table)t) && s->at[t] == 0 && whole_batches(f))
            return hand_on(f, s, t);
        return take_row(f, (enum wr_table)t, s->rows.of[t], s->at[t]++);
    }
    s->have = false;
    enum wr_err err = WR_OK;
    switch (s->unit.kind) {
    case WR_UNIT_LINE:
        return packet_line(f, &s->unit);
    case WR_UNIT_PACKET:
        err = wr_meter_packet(s->meter, &s->unit.packet, &f->flows);
        break;
    case WR_UNIT_MESSAGE:
        wr_flow_decode(f->decoder, &s->unit.peer, s->unit.data, s->unit.len, s->unit.time_ns, &f->flows);
        break;
    }
    return err ? err : take_flows(f);
}

/* The source whose next unit is the earliest; NULL when all have ended. */
static enum wr_err earliest(struct wr_feed *f, struct source **ret_source, int64_t *ret_ns)
{
    *ret_source = NULL;
    for (uint32_t i = 0; i < f->nsources; i++) {
        struct source *s = &f->sources[i];
        if (s->ended)
            continue;
        int64_t t = 0;
        enum wr_err err = peek(f, s, &t);
        if (!err && s->ended)
            err = end_of(f, s);
        if (err)
            return err;
        if (!s->ended && (!*ret_source || t < *ret_ns)) {
            *ret_source = s;
            *ret_ns = t;
        }
    }
    return WR_OK;
}

/* True when the first packets of a capture with exports hold an endpoint event. */
static enum wr_err events_ahead(struct wr_feed *f, const struct source *s, bool *ret_found)
{
    struct wr_infile probe = s->in; /* reads the same memory from where the file stands; owns nothing */
    struct wr_log *log = wr_log_new(&(struct wr_log_opts){.live = false, .mappings = f->opts.mappings});
    struct wr_unit unit = s->unit;
    enum wr_err err = log ? WR_OK : WR_ENOMEM;
    for (int i = 0; i < PROBE_PACKETS && !err && !*ret_found; i++) {
        if ((i > 0 || !s->have) && !wr_infile_next(&probe, &unit))
            break;
        if (unit.kind != WR_UNIT_LINE)
            continue;
        if (!wr_rows_reset(&f->rows))
            err = WR_ENOMEM;
        else
            err = wr_log_frame(log, unit.host, (const char *)unit.data, unit.len, unit.time_ns, &f->rows);
        err = err == WR_EFULL ? WR_OK : err;
        *ret_found |= f->rows.of[WR_TABLE_DEVICE_NETWORK_EVENTS]->nrows > 0;
    }
    wr_log_free(log);
    return err;
}

/* Predicates and columns that are wanted of lines. */
static enum wr_err set_scans(const struct wr_feed *f, struct wr_log *log)
{
    const struct wr_wants *w = &f->wants;
    enum wr_err err = w->conn ? wr_log_scan(log, WR_TABLE_DEVICE_NETWORK_EVENTS, &w->events) : WR_OK;
    for (int t = 0; t < WR_NTABLES && !err; t++)
        if (wr_wants_rows(w, (enum wr_table)t))
            err = wr_log_scan(log, (enum wr_table)t, &w->scan[t]);
    return err;
}

static struct wr_log *thread_log(const void *ctx)
{
    const struct wr_feed *f = ctx;
    struct wr_log *log = wr_log_new(&(struct wr_log_opts){.live = false, .mappings = f->opts.mappings});
    if (log && set_scans(f, log) == WR_OK)
        return log;
    wr_log_free(log);
    return NULL;
}

static bool thread_rows(const void *ctx, struct wr_rows *rows)
{
    return row_batches(ctx, rows);
}

/* The only file, of many JSON lines: threads parse them. */
static void parse_by_threads(struct wr_feed *f)
{
    struct source *s = &f->sources[0];
    if (!whole_batches(f) || s->in.len - s->in.at < THREADS_FROM || s->in.data[s->in.at] != '{')
        return;
    s->ahead = wr_ahead_new(&(struct wr_ahead_opts){.data = s->in.data,
                                                    .at = s->in.at,
                                                    .len = s->in.len,
                                                    .framing = s->in.framing,
                                                    .time_ns = s->in.mtime_ns,
                                                    .log = thread_log,
                                                    .rows = thread_rows,
                                                    .ctx = f});
}

/* What the rules push down, and the connection table. Endpoint events met in the files' beginnings decide
 * `auto`. */
static enum wr_err start(struct wr_feed *f)
{
    const struct wr_wants *w = &f->wants;
    enum wr_err err = set_scans(f, f->log);
    if (!err && (w->conn || wr_wants_rows(w, WR_TABLE_FLOWS)))
        err = wr_flow_decoder_scan(f->decoder, &w->records);
    if (!err && wr_wants_rows(w, WR_TABLE_SMTP_MESSAGES))
        err = wr_flow_decoder_mail(f->decoder, &w->scan[WR_TABLE_SMTP_MESSAGES].wanted);
    wr_flow_decoder_who(f->decoder, w->who);
    struct source *first;
    int64_t t;
    parse_by_threads(f);
    if (!err)
        err = earliest(f, &first, &t);
    if (err || !w->conn)
        return err;
    struct wr_conn_opts opts = {.wanted = w->conn_cols,
                                .sessions = w->session_cols,
                                .sessions_only = w->sessions_only,
                                .one_sided = w->one_sided,
                                .orphans = f->opts.orphans,
                                .hostnames = f->opts.hostnames,
                                .final_only = f->opts.final_only};
    for (uint32_t i = 0; i < f->nsources && !err && !opts.expect_endpoint; i++) {
        opts.expect_endpoint = has_row(&f->sources[i], WR_TABLE_DEVICE_NETWORK_EVENTS);
        if (f->sources[i].in.kind == WR_INFILE_EXPORTS)
            err = events_ahead(f, &f->sources[i], &opts.expect_endpoint);
    }
    if (!err)
        f->conn = wr_conn_new(&opts);
    return err ? err : f->conn ? WR_OK : WR_ENOMEM;
}

enum wr_err wr_feed_run(struct wr_feed *feed)
{
    WR_ASSERT(!feed->started);
    feed->started = true;
    enum wr_err err = start(feed);
    while (!err) {
        struct source *s;
        int64_t t = 0;
        err = earliest(feed, &s, &t);
        if (err || !s)
            break;
        if (feed->drained_ns == INT64_MIN)
            feed->drained_ns = t;
        err = step(feed, s, t);
        if (!err && !feed->opts.final_only &&
            (feed->pending >= feed->opts.batch_rows || feed->clock_ns - feed->drained_ns >= DRAIN_NS))
            err = drain(feed);
    }
    if (!err && feed->conn)
        err = wr_conn_flush(feed->conn);
    return err ? err : drain(feed);
}

int64_t wr_feed_clock(const struct wr_feed *feed)
{
    return feed->clock_ns == INT64_MIN ? 0 : wr_ticks_of_unix_ns(feed->clock_ns);
}

const struct wr_conn *wr_feed_conn(const struct wr_feed *feed)
{
    return feed->conn;
}
