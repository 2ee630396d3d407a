/* One frame -> rows. The frame is made valid UTF-8, its syslog header is read, and the rest is tried as JSON
 * (one record or a list), as Sysmon's XML, and is text otherwise. Counts are collected beside the statistics
 * and added when the frame's rows are out, so that a full batch leaves no trace. */
#include "parsers/log/log.h"

#include "base/hash.h"
#include "base/ticks.h"
#include "parsers/log/line.h"
#include "parsers/log/log_internal.h"

#include <stdlib.h>

enum { MAX_FRAME = 1024 * 1024, SCRATCH_BLOCK = 16384 };

struct wr_log *wr_log_new(const struct wr_log_opts *opts)
{
    struct wr_log *log = calloc(1, sizeof *log);
    if (!log)
        return NULL;
    log->opts = *opts;
    if (!log->opts.max_frame)
        log->opts.max_frame = MAX_FRAME;
    wr_maps_init(&log->maps);
    wr_cef_init(&log->cef);
    log->json = wr_json_new();
    log->scratch = wr_arena_new(SCRATCH_BLOCK);
    if (!log->opts.mappings)
        log->own_mappings = wr_mappings_new();
    log->mappings = log->opts.mappings ? log->opts.mappings : log->own_mappings;
    if (log->mappings && !log->opts.lookups)
        log->own_lookups = wr_lookups_new(log->mappings);
    struct wr_lookups *lookups = log->opts.lookups ? log->opts.lookups : log->own_lookups;
    log->fields = lookups ? wr_fields_new(log->mappings, lookups) : NULL;
    log->layout = "";
    if (!log->json || !log->scratch || !log->fields) {
        wr_log_free(log);
        return NULL;
    }
    log->ev.json = log->json;
    log->ev.scratch = log->scratch;
    return log;
}

void wr_log_free(struct wr_log *log)
{
    if (!log)
        return;
    for (int t = 0; t < WR_NTABLES; t++)
        wr_filter_fini(&log->filter[t]);
    wr_fields_free(log->fields);
    wr_lookups_free(log->own_lookups);
    wr_mappings_free(log->own_mappings);
    wr_json_free(log->json);
    wr_audit_free(log->audit);
    wr_arena_free(log->scratch);
    wr_buf_fini(&log->repaired);
    wr_buf_fini(&log->batch);
    free(log);
}

enum wr_err wr_log_scan(struct wr_log *log, enum wr_table table, const struct wr_scan *scan)
{
    struct wr_filter filter = {0};
    if (scan) {
        if (scan->table != table)
            return WR_EINVAL;
        for (uint32_t b = 0; b < scan->nbranches; b++)
            for (uint32_t i = 0; i < scan->branches[b].npreds; i++)
                if (scan->branches[b].preds[i].col >= wr_schema_of(table)->ncols)
                    return WR_EINVAL;
        enum wr_err err = wr_filter_init(&filter, scan);
        if (err)
            return err;
    }
    wr_filter_fini(&log->filter[table]);
    log->filter[table] = filter;
    return WR_OK;
}

const char *wr_log_layout(const struct wr_log *log)
{
    return log->layout;
}

const struct wr_log_stats *wr_log_stats(const struct wr_log *log)
{
    return &log->stats;
}

bool wr_log_alone(const struct wr_log *log)
{
    return !wr_fields_remember(log->fields) && !log->audit;
}

void wr_frame_commit(const struct frame *f)
{
#define X(name) f->log->stats.name += f->n.name;
    WR_LOG_COUNTERS(X)
#undef X
}

/* Live, a clock that is far off would put rows into windows that are long gone, or keep them open for years.
 */
static bool implausible(const struct frame *f, int64_t t)
{
    return f->log->opts.live && (t < f->now - 7 * WR_TICKS_DAY || t > f->now + 10 * WR_TICKS_MINUTE);
}

/* A row of Syslog; `error` says why no mapping took it, "" for plain text. */
enum wr_err wr_frame_text(struct frame *f, const char *text, size_t len, const char *error)
{
    f->n.records++;
    f->n.clock_implausible += f->bad_time;
    if (!f->rows->of[WR_TABLE_SYSLOG])
        return WR_OK;
    struct wr_line line = {.header = &f->header, .peer = f->peer, .text = text, .len = len, .error = error};
    line.time = f->header.has_time && !f->bad_time ? f->header.time : f->now;
    return wr_line_append(&line, f->rows->of[WR_TABLE_SYSLOG]) ? WR_OK : WR_ENOMEM;
}

/* An event of a process is told by the host that it ran on: where it does not say which, that of its syslog header. */
static void name_device(const struct frame *f, struct wr_event *ev)
{
    const struct wr_slice *host = &f->header.host;
    if (!host->len)
        return;
    if (ev->table == WR_TABLE_DEVICE_NETWORK_EVENTS && !wr_event_has(ev, WR_DNE_DeviceName) &&
        (wr_event_has(ev, WR_DNE_InitiatingProcessFileName) || wr_event_has(ev, WR_DNE_InitiatingProcessId)))
        wr_event_set_text(ev, WR_DNE_DeviceName, host->p, host->len);
    if (ev->table == WR_TABLE_DEVICE_PROCESS_EVENTS && !wr_event_has(ev, WR_DPE_DeviceName))
        wr_event_set_text(ev, WR_DPE_DeviceName, host->p, host->len);
}

/* The row that the event holds, of whatever table. */
static enum wr_err event_row(struct frame *f)
{
    struct wr_event *ev = &f->log->ev;
    struct wr_batch *batch = f->rows->of[ev->table];
    f->n.rows++;
    f->n.dup_key += ev->dup_keys;
    if (implausible(f, ev->time)) {
        f->n.clock_implausible++;
        ev->time = f->now;
    }
    if (!batch) {
        f->n.unread++;
        return WR_OK;
    }
    name_device(f, ev);
    if (!wr_filter_accepts(&f->log->filter[ev->table], ev)) {
        f->n.filtered_early++;
        return WR_OK;
    }
    uint32_t row = wr_batch_row(batch);
    if (wr_event_fill(ev, batch, row))
        return WR_OK;
    wr_batch_unrow(batch);
    return WR_ENOMEM;
}

/* Counts a record that was mapped; its rows are out. */
static void count_mapped(struct frame *f, enum wr_map map)
{
    uint64_t missed = wr_fields_lookups_missed(f->log->fields);
    f->n.records++;
    f->n.mapped++;
    f->n.lookup_missed += missed - f->log->lookups_missed;
    f->log->lookups_missed = missed;
    f->n.parsed_defender += map == WR_MAP_DEFENDER;
    f->n.parsed_sysmon += map == WR_MAP_SYSMON;
    f->n.parsed_mapping += map == WR_MAP_DATA;
    f->n.parsed_cef += map == WR_MAP_CEF;
}

/* The row of Syslog of a record that no mapping took. */
static enum wr_err refused_row(struct frame *f, enum wr_map map, const char *text, size_t len)
{
    switch (map) {
    case WR_MAP_MISSING:
        f->n.unparsed_missing_field++;
        return wr_frame_text(f, text, len, "missing_field");
    case WR_MAP_LIMIT:
        f->n.unparsed_limit++;
        return wr_frame_text(f, text, len, "limit");
    default:
        f->n.unmapped++;
        return wr_frame_text(f, text, len, "no_mapping");
    }
}

/* Rows by the data files of what the fields hold: at most one a table. NONE, MISSING: no row. */
enum wr_err wr_frame_rows(struct frame *f, enum wr_map *ret_map)
{
    struct wr_log *log = f->log;
    log->ev.rows = f->rows;
    log->ev.filter = log->filter;
    *ret_map = WR_MAP_NONE;
    for (;;) {
        enum wr_map map = wr_mappings_next(log->mappings, log->fields, &log->ev, &log->layout);
        if (map == WR_MAP_NONE)
            return WR_OK;
        if (map == WR_MAP_MISSING) {
            *ret_map = *ret_map == WR_MAP_DATA ? WR_MAP_DATA : WR_MAP_MISSING;
            continue;
        }
        *ret_map = WR_MAP_DATA;
        enum wr_err err = event_row(f);
        if (err)
            return err;
    }
}

/* Defender's and Sysmon's network events have code of their own, for speed and for what tables cannot say; the
 * data files are asked when neither knows the record. */
static enum wr_err rows_of_record(struct frame *f, const struct wr_json_val *record, enum wr_map *ret_map)
{
    struct wr_log *log = f->log;
    log->layout = "";
    *ret_map = wr_map_json(&log->maps, record, &log->ev);
    if (*ret_map == WR_MAP_DEFENDER || *ret_map == WR_MAP_SYSMON) {
        log->layout = *ret_map == WR_MAP_DEFENDER ? "defender" : "sysmon";
        return event_row(f);
    }
    if (*ret_map != WR_MAP_NONE)
        return WR_OK;
    if (!wr_mappings_begin(log->mappings, log->fields, log->scratch, record)) {
        *ret_map = WR_MAP_LIMIT;
        return WR_OK;
    }
    return wr_frame_rows(f, ret_map);
}

static bool is_mapped(enum wr_map map)
{
    return map == WR_MAP_DEFENDER || map == WR_MAP_SYSMON || map == WR_MAP_DATA || map == WR_MAP_CEF;
}

static bool same_frame(const struct frame *f)
{
    const struct unfinished *u = &f->log->unfinished;
    return (u->refused || u->sliced) && u->len == f->len && u->crc == wr_crc32c(0, f->data, f->len);
}

enum wr_err wr_frame_element(struct frame *f, const struct wr_json_val *v)
{
    struct wr_log *log = f->log;
    enum wr_map map;
    const char *text = "null";
    size_t len = 4;
    enum wr_err err = rows_of_record(f, v, &map);
    if (err)
        return err;
    if (is_mapped(map)) {
        count_mapped(f, map);
        return WR_OK;
    }
    if (v->type != WR_JSON_NULL && !wr_val_text(log->json, log->scratch, v, &text, &len))
        return WR_ENOMEM;
    return refused_row(f, map, text, len);
}

static enum wr_json_result parse(struct frame *f, const char *text, size_t len, struct wr_json_val *root)
{
    bool repaired = false;
    enum wr_json_result r = wr_json_parse(f->log->json, text, len, root, &repaired);
    if (r == WR_JSON_BAD) {
        struct wr_json_span span = {0};
        size_t end = 0;
        if (wr_json_span_feed(&span, text, len, &end) == WR_SPAN_END && end < len) {
            r = wr_json_parse(f->log->json, text, end, root, &repaired);
            f->n.trailing_bytes += r == WR_JSON_OK;
        }
    }
    if (r == WR_JSON_OK)
        f->n.bad_utf8 |= repaired;
    return r;
}

enum wr_err wr_frame_finish(struct frame *f, enum wr_err err)
{
    if (!err)
        wr_frame_commit(f);
    return err;
}

/* Text in brackets is no JSON: an object begins with a key, a list of events with an object. */
static bool json_start(const char *p, size_t len)
{
    size_t i = 1;
    if (len < 2 || (*p != '{' && *p != '['))
        return false;
    while (i < len && (p[i] == ' ' || p[i] == '\t' || p[i] == '\r' || p[i] == '\n'))
        i++;
    if (i == len)
        return false;
    return *p == '{' ? p[i] == '"' || p[i] == '}' : p[i] == '{' || p[i] == ']';
}

static bool begins(const char *p, size_t len, const char *word)
{
    size_t n = strlen(word);
    return len >= n && !memcmp(p, word, n);
}

/* Where JSON starts in a message, behind `@cee:` too; len when there is none. */
static size_t json_at(const char *p, size_t len)
{
    size_t i = 0;
    while (i < len && p[i] == ' ')
        i++;
    if (begins(p + i, len - i, "@cee:"))
        for (i += 5; i < len && p[i] == ' ';)
            i++;
    return json_start(p + i, len - i) ? i : len;
}

/* Every byte that goes into a row is valid UTF-8. */
static bool repair(struct frame *f)
{
    size_t replaced;
    if (wr_utf8_valid(f->data, f->len))
        return true;
    struct wr_buf *buf = &f->log->repaired;
    wr_buf_reset(buf);
    char *out = wr_buf_room(buf, f->len * 3);
    if (!out) {
        wr_buf_fini(buf);
        return false;
    }
    f->len = wr_utf8_repair(f->data, f->len, out, &replaced);
    f->data = out;
    f->n.bad_utf8 = 1;
    return true;
}

/* The end of a frame that is one record. */
static enum wr_err record_end(struct frame *f, enum wr_err err, enum wr_map map)
{
    const struct wr_slice *whole = &f->header.message;
    if (err)
        return err;
    if (!is_mapped(map))
        return wr_frame_finish(f, refused_row(f, map, whole->p, whole->len));
    count_mapped(f, map);
    return wr_frame_finish(f, WR_OK);
}

static enum wr_err root_rows(struct frame *f, const struct wr_json_val *root, bool again)
{
    struct wr_json_val list;
    if (wr_frame_list_of(root, &list))
        return wr_frame_list_start(f, &list, again);
    enum wr_map map;
    enum wr_err err = rows_of_record(f, root, &map);
    return record_end(f, err, map);
}

static enum wr_err json_rows(struct frame *f, const char *text, size_t len, bool again)
{
    const struct wr_slice *whole = &f->header.message;
    struct wr_json_val root;
    switch (parse(f, text, len, &root)) {
    case WR_JSON_OK:
        return root_rows(f, &root, again);
    case WR_JSON_NOMEM:
        return WR_ENOMEM;
    case WR_JSON_LIMIT:
        f->n.unparsed_limit++;
        return wr_frame_finish(f, wr_frame_text(f, whole->p, whole->len, "limit"));
    default:
        f->n.unparsed_json++;
        return wr_frame_finish(f, wr_frame_text(f, whole->p, whole->len, "json"));
    }
}

/* ---- one frame ---- */

static bool xml_start(const char *p, size_t len)
{
    return begins(p, len, "<Event>") || begins(p, len, "<Event ");
}

static bool line_end(char c)
{
    return c == '\n' || c == '\r' || c == '\0';
}

/* What transports leave on a message: line ends, and in a datagram a count of what follows. */
static void strip(struct frame *f)
{
    size_t head = 0, count = 0, all = f->len;
    while (f->len && line_end(f->data[f->len - 1]))
        f->len--;
    while (head < f->len && head < 7 && f->data[head] >= '0' && f->data[head] <= '9')
        count = count * 10 + (size_t)(f->data[head++] - '0');
    if (head == 0 || head >= f->len || f->data[head] != ' ')
        return;
    head++;
    if (count == f->len - head || count == all - head) {
        f->data += head;
        f->len -= head;
    }
}

void wr_frame_plain_header(struct frame *f)
{
    static const struct wr_header none = {.facility = 1, .severity = 5};
    f->header = none;
    f->header.message = (struct wr_slice){f->data, f->len};
}

static void read_header(struct frame *f)
{
    struct wr_header *h = &f->header;
    if (json_at(f->data, f->len) < f->len || xml_start(f->data, f->len)) {
        wr_frame_plain_header(f);
        return;
    }
    wr_header_parse(f->data, f->len, f->now, h);
    f->n.pri_missing += h->pri_missing;
    f->n.pri_range += h->facility < 0;
    f->n.pri_noncanonical += h->pri_noncanonical;
    f->bad_time = h->has_time && implausible(f, h->time);
    if (h->message.len == 0 && h->sd.len)
        h->message = h->sd; /* Junos says everything there */
}

static enum wr_err xml_rows(struct frame *f)
{
    const struct wr_slice *m = &f->header.message;
    struct wr_log *log = f->log;
    enum wr_map map = wr_map_sysmon_xml(&log->maps, m->p, m->len, &log->ev);
    enum wr_err err = WR_OK;
    if (map == WR_MAP_SYSMON) {
        log->layout = "sysmon";
        err = event_row(f);
    } else if (map == WR_MAP_NONE) {
        wr_mappings_begin_xml(log->mappings, log->fields, log->scratch, m->p, m->len);
        err = wr_frame_rows(f, &map);
    }
    return record_end(f, err, map);
}

/* A CEF or LEEF event; a session of a firewall is a row of its own, too. */
static enum wr_err cef_rows(struct frame *f)
{
    struct wr_log *log = f->log;
    bool leef = false;
    enum wr_map map = wr_map_cef(&log->cef, &f->header, f->peer, f->now, &log->ev, &leef);
    if (map != WR_MAP_DATA)
        return record_end(f, WR_OK, map);
    log->layout = leef ? "leef" : "cef";
    enum wr_err err = event_row(f);
    if (!err && wr_cef_session(&log->ev))
        err = event_row(f);
    return record_end(f, err, WR_MAP_CEF);
}

/* `CEF:0|..` looks like a tag to RFC 3164, which ends at a colon. */
static void tag_is_payload(struct wr_header *h)
{
    const char *end = h->message.p + h->message.len;
    size_t len = h->process.len ? (size_t)(end - h->process.p) : 0;
    if (len && h->message.p >= h->process.p && wr_cef_start(h->process.p, len)) {
        h->message = (struct wr_slice){h->process.p, len};
        h->process = (struct wr_slice){NULL, 0};
    }
}

static enum wr_err payload(struct frame *f, bool again)
{
    tag_is_payload(&f->header);
    const struct wr_slice *m = &f->header.message;
    if (wr_cef_start(m->p, m->len))
        return cef_rows(f);
    size_t at = json_at(m->p, m->len);
    if (at < m->len)
        return json_rows(f, m->p + at, m->len - at, again);
    if (xml_start(m->p, m->len))
        return xml_rows(f);
    struct wr_audit_record record;
    if (wr_frame_audit_at(f, &record))
        return wr_frame_audit(f, &record);
    f->n.plain++;
    return wr_frame_finish(f, wr_frame_text(f, m->p, m->len, ""));
}

/* A frame that is one JSON object, as most are: parsing sees for itself whether its bytes are valid UTF-8. What is none is looked
 * at from its begin, as if this had not been tried. */
static bool object_first(struct frame *f, bool known, struct wr_json_val *ret_root)
{
    struct wr_log *log = f->log;
    bool repaired = false;
    if (known) {
        *ret_root = log->root;
        wr_frame_plain_header(f);
        return true;
    }
    if (f->len < 2 || f->data[0] != '{' || f->data[f->len - 1] != '}' || log->unfinished.refused || log->unfinished.sliced ||
        wr_json_parse(log->json, f->data, f->len, ret_root, &repaired) != WR_JSON_OK)
        return false;
    f->n.bad_utf8 |= repaired;
    wr_frame_plain_header(f);
    return true;
}

enum wr_err wr_log_frame(struct wr_log *log, const char *peer, const char *data, size_t len, int64_t now_ns,
                         struct wr_rows *rows)
{
    if (wr_rows_full(rows))
        return WR_EFULL;
    struct frame f; /* its header comes with its payload */
    f.log = log;
    f.data = len ? data : "";
    f.len = len;
    f.peer = peer ? peer : "";
    f.now = wr_ticks_of_unix_ns(now_ns);
    f.bad_time = false;
    f.rows = rows;
#define X(name) f.n.name = 0;
    WR_LOG_COUNTERS(X)
#undef X
    f.n.frames = 1;
    f.n.frame_bytes = len;
    bool oversize = len >= log->opts.max_frame;
    if (oversize)
        f.len = log->opts.max_frame;
    strip(&f);
    wr_arena_reset(log->scratch);
    log->layout = "";
    struct wr_json_val root;
    enum wr_err err;
    bool known = log->known == f.data && log->known_len == f.len;
    log->known = NULL;
    log->unmet = log->unfinished.refused ? log->unmet : 0;
    if (!oversize && !known && wr_frame_batch(&f, &err))
        return err;
    bool object = !oversize && object_first(&f, known, &root);
    if (object)
        return root_rows(&f, &root, false);
    if (!repair(&f))
        return WR_ENOMEM;
    read_header(&f);
    bool again = same_frame(&f), sliced = again && log->unfinished.sliced;
    log->unfinished.refused = log->unfinished.sliced = false;
    if (sliced) {
        f.n = (struct wr_log_stats){0};
        return wr_frame_list_rows(&f, log->unfinished.iter);
    }
    if (oversize) {
        f.n.oversize++;
        return wr_frame_finish(&f, wr_frame_text(&f, f.header.message.p, f.header.message.len, "oversize"));
    }
    return payload(&f, again);
}
