/* Random queries over random rows, the same question asked in several ways: batches of 1, 2, 3 and 2048 rows must give the same result,
 * and on a stream, incremental or windowed, what fires at an aligned time must be the batch result at that time. A tape of bytes
 * makes every choice, so that a fuzzer can steer it and a find can be kept. */
#ifndef WR_TESTS_SUPPORT_QUERY_DIFF_H
#define WR_TESTS_SUPPORT_QUERY_DIFF_H

#include "base/ticks.h"
#include "rules/exec/rows.h"
#include "rules/exec/run.h"
#include "rules/stream/cells.h"
#include "rules/stream/stream.h"
#include "rules/stream/window.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- choices ------------------------------------------------------------------------------------ */

struct tape {
    const uint8_t *data;
    size_t len, at;
};

/* 0 once the tape has ended. */
static uint32_t pick(struct tape *t, uint32_t n)
{
    return t->at < t->len ? t->data[t->at++] % n : 0;
}

/* ---- a query ------------------------------------------------------------------------------------ */

enum { MAX_NAMES = 24, MAX_EVENTS = 48 };

struct column {
    char name[40];
    enum wr_type type;
    bool grows; /* bytes: on a stream only sum() may read them without the rule becoming windowed */
};

struct gen {
    struct tape *tape;
    struct wr_buf text;
    struct column col[MAX_NAMES];
    uint32_t ncols, fresh;
    bool stream; /* one summarize whose values do not depend on the order of rows */
};

static void start_columns(struct gen *g)
{
    static const struct column cols[] = {
        {"DeviceName", WR_STRING, false}, {"RemoteIP", WR_STRING, false}, {"RemotePort", WR_INT, false},
        {"InitiatingProcessId", WR_LONG, false}, {"Timestamp", WR_DATETIME, false},
        {"IsInitiatingProcessRemoteSession", WR_BOOL, false}, {"AdditionalFields", WR_DYNAMIC, false},
        {"SentBytes", WR_LONG, true}};
    g->ncols = sizeof cols / sizeof *cols;
    for (uint32_t i = 0; i < g->ncols; i++)
        g->col[i] = cols[i];
}

/* A column of the type, or NULL. */
static const struct column *column_of(struct gen *g, enum wr_type type)
{
    uint32_t from = pick(g->tape, g->ncols ? g->ncols : 1);
    for (uint32_t i = 0; i < g->ncols; i++)
        if (g->col[(from + i) % g->ncols].type == type)
            return &g->col[(from + i) % g->ncols];
    return NULL;
}

static const struct column *any_column(struct gen *g)
{
    return &g->col[pick(g->tape, g->ncols)];
}

static const char *literal(struct gen *g, enum wr_type type)
{
    static const char *const strings[] = {"\"\"", "\"ws-1\"", "'192.0.2.1'", "\"Mail.EXE\"", "\"2001:db8::1\"", "\"a b\""};
    static const char *const longs[] = {"0", "1", "25", "-3", "9223372036854775807", "long(null)"};
    static const char *const times[] = {"datetime(2026-01-01)", "datetime(2026-01-01 00:00:07)", "datetime(null)"};
    static const char *const spans[] = {"1s", "3s", "0s", "1d"};
    static const char *const bags[] = {"dynamic([1,\"a\"])", "dynamic({\"k\":2})", "dynamic(null)", "dynamic(\"x\")"};
    switch (type) {
    case WR_STRING:
        return strings[pick(g->tape, 6)];
    case WR_INT:
        return pick(g->tape, 2) ? "int(25)" : "int(587)";
    case WR_LONG:
        return longs[pick(g->tape, 6)];
    case WR_REAL:
        return pick(g->tape, 2) ? "2.5" : "-0.5";
    case WR_DATETIME:
        return times[pick(g->tape, 3)];
    case WR_TIMESPAN:
        return spans[pick(g->tape, 4)];
    case WR_BOOL:
        return pick(g->tape, 2) ? "true" : "bool(null)";
    default:
        return bags[pick(g->tape, 4)];
    }
}

static void expression(struct gen *g, enum wr_type type, int depth);

/* `template` with each %X replaced: s string, i int, l long, r real, d datetime, t timespan, b bool, y dynamic. */
static void fill(struct gen *g, const char *template, int depth)
{
    static const char letters[] = "bilrdtsgy"; /* in the order of enum wr_type */
    for (const char *p = template; *p; p++) {
        if (*p != '%' || p[1] == ' ') /* the operator */
            wr_buf_char(&g->text, *p);
        else
            expression(g, (enum wr_type)(strchr(letters, *++p) - letters), depth - 1);
    }
}

static void leaf(struct gen *g, enum wr_type type)
{
    const struct column *c = pick(g->tape, 3) ? column_of(g, type) : NULL;
    wr_buf_str(&g->text, c ? c->name : literal(g, type));
}

static void expression(struct gen *g, enum wr_type type, int depth)
{
    static const char *const forms[WR_NTYPES][12] = {
        [WR_BOOL] = {"(%l == %l)", "(%i != %i)", "(%s =~ %s)", "(%s has %s)", "(%s in (%s, %s))", "not(%b)", "(%b and %b)",
                     "(%b or %b)", "(%d > %d)", "(%l between (%l .. %l))", "(%s startswith %s)", "isempty(%s)"},
        [WR_INT] = {"toint(%l)", "iff(%b, %i, %i)", "toint(%s)"},
        [WR_LONG] = {"(%l + %i)", "(%l * %l)", "(%l / %l)", "(%l % %l)", "strlen(%s)", "iff(%b, %l, %l)", "bin(%l, 7)",
                     "tolong(%y.k)", "array_length(%y)", "coalesce(%l, %l)"},
        [WR_REAL] = {"todouble(%l)", "(%r * 2)", "(%t / 1s)"},
        [WR_DATETIME] = {"bin(%d, 3s)", "(%d + %t)", "iff(%b, %d, %d)"},
        [WR_TIMESPAN] = {"(%d - %d)", "(%t + %t)"},
        [WR_STRING] = {"strcat(%s, %s)", "tolower(%s)", "substring(%s, 1, 3)", "tostring(%l)", "iff(%b, %s, %s)", "tostring(%y)",
                       "case(%b, %s, %b, %s, %s)", "replace_string(%s, \"1\", \"x\")"},
        [WR_DYNAMIC] = {"pack_array(%s, %l)", "split(%s, \".\")", "%y.k", "parse_json(%s)", "bag_pack(\"k\", %l)"}};
    uint32_t n = 0;
    while (n < 12 && forms[type][n])
        n++;
    if (depth <= 0 || !n || pick(g->tape, 3) == 0) {
        leaf(g, type);
        return;
    }
    const char *form = forms[type][pick(g->tape, n)];
    if (form[0] == '%' && form[1] == 'y') { /* a path goes on from a column */
        const struct column *c = column_of(g, WR_DYNAMIC);
        wr_buf_fmt(&g->text, "%s%s", c ? c->name : "dynamic({\"k\":1})", c ? form + 2 : "");
        return;
    }
    fill(g, form, depth);
}

static void add_column(struct gen *g, const char *name, enum wr_type type)
{
    if (g->ncols == MAX_NAMES)
        return;
    snprintf(g->col[g->ncols].name, sizeof g->col[0].name, "%s", name);
    g->col[g->ncols].grows = false;
    g->col[g->ncols++].type = type;
}

static enum wr_type scalar_type(struct gen *g)
{
    static const enum wr_type types[] = {WR_LONG, WR_STRING, WR_BOOL, WR_DATETIME, WR_INT, WR_REAL};
    return types[pick(g->tape, 6)];
}

static void extend(struct gen *g)
{
    char name[24];
    enum wr_type type = pick(g->tape, 5) ? scalar_type(g) : WR_DYNAMIC;
    snprintf(name, sizeof name, "e%u", g->fresh++);
    wr_buf_fmt(&g->text, " | extend %s = ", name);
    expression(g, type, 2);
    add_column(g, name, type);
}

static void where(struct gen *g)
{
    wr_buf_str(&g->text, " | where ");
    expression(g, WR_BOOL, 2);
}

struct agg {
    const char *form;
    enum wr_type type;
    bool ordered; /* depends on the order of rows */
};

static void summarize(struct gen *g)
{
    static const struct agg aggs[] = {
        {"count()", WR_LONG, false}, {"countif(%b)", WR_LONG, false}, {"dcount(%s)", WR_LONG, false},
        {"sum(%l)", WR_LONG, false}, {"min(%l)", WR_LONG, false}, {"max(%d)", WR_DATETIME, false},
        {"sumif(%l, %b)", WR_LONG, false}, {"avg(%l)", WR_REAL, false}, {"min(%i)", WR_INT, false},
        {"dcountif(%l, %b)", WR_LONG, false}, {"maxif(%l, %b)", WR_LONG, false}, {"max(%t)", WR_TIMESPAN, false},
        {"min(%s)", WR_STRING, false}, {"max(%s)", WR_STRING, false}, {"percentile(%l, 50)", WR_LONG, false},
        {"binary_all_or(%l)", WR_LONG, false},
        {"make_set(%s)", WR_DYNAMIC, true}, {"make_list(%l)", WR_DYNAMIC, true}, {"take_any(%s)", WR_STRING, true},
        {"stdev(%l)", WR_REAL, true}};
    struct column out[MAX_NAMES];
    uint32_t n = 0, nkeys = 0;
    wr_buf_str(&g->text, " | summarize ");
    struct column result[4];
    uint32_t naggs = 1 + pick(g->tape, 3);
    for (uint32_t i = 0; i < naggs; i++) {
        const struct agg *a = &aggs[pick(g->tape, g->stream ? 16 : 20)];
        snprintf(result[i].name, sizeof result[i].name, "a%u", g->fresh++);
        result[i].type = a->type;
        wr_buf_fmt(&g->text, "%s%s = ", i ? ", " : "", result[i].name);
        fill(g, a->form, pick(g->tape, 3) ? 1 : 2);
    }
    /* Over nothing a summarize without keys has one row in a batch, and no group on a stream. */
    for (uint32_t k = pick(g->tape, 3) + g->stream; k > 0; k--) {
        const struct column *c = g->stream && !nkeys ? &g->col[0] : any_column(g);
        bool again = c->type == WR_DYNAMIC;
        for (uint32_t i = 0; i < nkeys; i++)
            again |= strcmp(out[i].name, c->name) == 0;
        if (again)
            continue;
        wr_buf_fmt(&g->text, "%s%s", nkeys ? ", " : " by ", c->name);
        out[n++] = *c;
        nkeys++;
    }
    for (uint32_t i = 0; i < naggs; i++)
        out[n++] = result[i];
    memcpy(g->col, out, n * sizeof *out);
    g->ncols = n;
}

static void sort_and_take(struct gen *g)
{
    wr_buf_str(&g->text, " | sort by ");
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->ncols; i++) {
        bool dynamic = g->col[i].type == WR_DYNAMIC;
        wr_buf_fmt(&g->text, "%s%s%s%s %s", n++ ? ", " : "", dynamic ? "tostring(" : "", g->col[i].name, dynamic ? ")" : "",
                   pick(g->tape, 2) ? "asc" : "desc");
    }
    wr_buf_fmt(&g->text, " | take %u", 1 + pick(g->tape, 9));
}

static void distinct(struct gen *g)
{
    const struct column c = *any_column(g);
    if (c.type == WR_DYNAMIC)
        return;
    wr_buf_fmt(&g->text, " | distinct %s", c.name);
    g->col[0] = c;
    g->ncols = 1;
}

static void join(struct gen *g)
{
    static const char *const kinds[] = {"inner", "leftouter", "leftsemi", "leftanti"};
    uint32_t kind = pick(g->tape, 4);
    const struct column *c = column_of(g, WR_STRING);
    if (!c || strcmp(c->name, "DeviceName") != 0)
        return;
    wr_buf_fmt(&g->text, " | join kind=%s (DeviceNetworkEvents | where RemotePort == 25 | summarize j%u = count() by DeviceName) "
                         "on DeviceName",
               kinds[kind], g->fresh);
    char name[24];
    snprintf(name, sizeof name, "j%u", g->fresh++);
    if (kind < 2)
        add_column(g, name, WR_LONG);
}

static void expand(struct gen *g)
{
    const struct column *c = column_of(g, WR_DYNAMIC);
    if (c)
        wr_buf_fmt(&g->text, " | mv-expand %s", c->name);
}

/* The text of a query; owned. */
static char *query_text(struct tape *tape, bool stream)
{
    static void (*const steps[])(struct gen *) = {where, extend, summarize, sort_and_take, distinct, join, expand};
    static const char *const sources[] = {
        "DeviceNetworkEvents", "DeviceNetworkEvents", "DeviceNetworkEvents",
        "union (DeviceNetworkEvents | where RemotePort == 25), (DeviceNetworkEvents | where DeviceName != 'ws-1')",
        "union DeviceProcessEvents, (union (DeviceNetworkEvents | where RemotePort > 25), DeviceNetworkEvents) | where "
        "isnotnull(RemotePort) or DeviceName has 'ws'"};
    struct gen g = {.tape = tape, .stream = stream};
    start_columns(&g);
    wr_buf_str(&g.text, sources[pick(tape, sizeof sources / sizeof *sources)]);
    if (stream)
        wr_buf_str(&g.text, " | where Timestamp > ago(16s)");
    for (uint32_t n = 1 + pick(tape, 4); n > 0 && g.ncols; n--)
        steps[pick(tape, stream ? 3 : 7)](&g);
    if (stream && pick(tape, 2))
        where(&g);
    wr_buf_char(&g.text, '\0');
    return g.text.err ? NULL : g.text.data;
}

/* ---- rows --------------------------------------------------------------------------------------- */

struct event {
    int64_t now, ts, bytes, prev, pid;
    uint32_t id, device, ip, port, bag;
    bool amend, no_bytes;
};

#define DIFF_START (INT64_C(639028224000000000)) /* 2026-01-01, a multiple of every pane */

static uint32_t events_of(struct tape *t, struct event *out, bool stream)
{
    uint32_t n = pick(t, MAX_EVENTS + 1), ids = 0;
    int64_t now = DIFF_START;
    for (uint32_t i = 0; i < n; i++) {
        now += (int64_t)pick(t, 8) * WR_TICKS_SECOND / 4;
        struct event e = {.now = now, .id = ++ids};
        uint32_t of = stream && i ? pick(t, 3) : 1;
        if (of == 0) {
            e = out[pick(t, i)];
            e.amend = true;
            e.now = now;
            ids--;
            for (uint32_t k = 0; k < i; k++) /* the newest version of that row */
                if (out[k].id == e.id)
                    e.prev = out[k].bytes;
            e.bytes = e.prev + pick(t, 50);
        } else {
            e.ts = now - (int64_t)pick(t, 80) * WR_TICKS_SECOND / 4;
            e.device = pick(t, 3);
            e.ip = pick(t, 3);
            e.port = pick(t, 3);
            e.bag = pick(t, 5);
            e.pid = pick(t, 5) - 2;
            e.bytes = pick(t, 200);
        }
        out[i] = e;
    }
    return n;
}

static void put_event(struct wr_batch *b, const struct event *e, bool as_row)
{
    static const char *const devices[] = {"ws-1", "a device with a long name", ""};
    static const char *const ips[] = {"192.0.2.1", "192.0.2.2", "2001:db8::1"};
    static const char *const bags[] = {NULL, "[1,\"a\",null]", "{\"k\":7}", "\"text\"", "[]"};
    static const int64_t ports[] = {0, 25, 587};
    uint32_t r = wr_batch_row(b);
    wr_batch_set_i64(b, WR_DNE_Timestamp, r, e->ts);
    wr_batch_set_i64(b, WR_DNE_InitiatingProcessId, r, e->pid);
    wr_batch_set_i64(b, WR_DNE_SentBytes, r, e->bytes);
    wr_batch_set_i64(b, WR_DNE__RowId, r, e->id);
    if (ports[e->port])
        wr_batch_set_i64(b, WR_DNE_RemotePort, r, ports[e->port]);
    if (e->bag % 2)
        wr_batch_set_i64(b, WR_DNE_IsInitiatingProcessRemoteSession, r, e->pid > 0);
    bool ok = wr_batch_set_str(b, WR_DNE_DeviceName, r, devices[e->device], strlen(devices[e->device])) &&
              wr_batch_set_str(b, WR_DNE_RemoteIP, r, ips[e->ip], strlen(ips[e->ip])) &&
              (!bags[e->bag] || wr_batch_set_str(b, WR_DNE_AdditionalFields, r, bags[e->bag], strlen(bags[e->bag])));
    WR_ASSERT(ok);
    if (as_row || !e->amend)
        return;
    wr_batch_set_i64(b, WR_DNE__Amend, r, 1);
    wr_batch_set_i64(b, WR_DNE__PrevSentBytes, r, e->prev);
}

static struct wr_batch *event_batch(void)
{
    struct wr_colset all = wr_colset_all(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS));
    struct wr_batch *b = wr_batch_new(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS), &all, MAX_EVENTS);
    WR_ASSERT(b);
    return b;
}

/* ---- results as text, rows sorted -------------------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Frees the list. NULL: more rows than are compared. */
static char *cells_text(struct wr_alert *list)
{
    enum { MOST = 4096 };
    static char *line[MOST];
    uint32_t n = 0;
    bool all = true;
    for (struct wr_alert *a = list; a && (all = n < MOST); a = a->next) {
        struct wr_buf text = {0};
        for (uint32_t c = 0; c < a->ncells; c++) {
            wr_cell_json(&a->cells[c], &text);
            wr_buf_char(&text, '|');
        }
        wr_buf_char(&text, '\0');
        line[n++] = text.data;
    }
    wr_alerts_free(list);
    qsort(line, n, sizeof *line, by_text);
    struct wr_buf out = {0};
    for (uint32_t i = 0; i < n; i++) {
        wr_buf_fmt(&out, "%s\n", line[i]);
        free(line[i]);
    }
    wr_buf_char(&out, '\0');
    if (all)
        return out.data;
    wr_buf_fini(&out);
    return NULL;
}

static char *rows_text(const struct wr_rows *rows)
{
    struct wr_alert *list = NULL, **end = &list;
    for (uint64_t n = 0; n < rows->nrows; n++) {
        uint32_t row;
        const struct wr_batch *b = wr_rows_at(rows, n, &row);
        struct wr_buf cells = {0};
        wr_cells_pack(rows->schema, b->col, row, &cells);
        *end = wr_cells_alert(rows->schema, &cells, WR_ALERT_RAISED, "01234567890123456789012345678901", 0);
        WR_ASSERT(*end);
        end = &(*end)->next;
        wr_buf_fini(&cells);
    }
    return cells_text(list);
}

/* Rows `size` at a time, kept or (where the plan is a chain) streamed. */
static void feed_parts(struct wr_run *run, const struct wr_batch *b, uint32_t size)
{
    struct wr_batch part = *b;
    for (uint32_t at = 0; at < b->sel.n; at += size) {
        part.sel = (struct wr_sel){b->sel.row + at, b->sel.n - at < size ? b->sel.n - at : size};
        WR_ASSERT(wr_run_feed(run, WR_TABLE_DEVICE_NETWORK_EVENTS, &part) == WR_OK);
    }
}

/* The batch result at `now` over the newest version of the first `n` rows. NULL: it stopped at a bound. */
static char *batch_text(const struct wr_plan *plan, const struct event *e, uint32_t n, int64_t now, uint32_t batch_rows,
                        bool stream)
{
    struct wr_run *run = wr_run_new(plan->root, &(struct wr_run_opts){.batch_rows = batch_rows});
    struct wr_batch *b = event_batch();
    for (uint32_t i = 0; i < n; i++) {
        bool newest = true;
        for (uint32_t k = i + 1; k < n; k++)
            newest &= e[k].id != e[i].id;
        if (newest)
            put_event(b, &e[i], true);
    }
    wr_batch_seal(b);
    WR_ASSERT(run);
    if (stream)
        (void)wr_run_stream(run, now);
    feed_parts(run, b, batch_rows);
    const struct wr_rows *rows;
    const char *why;
    struct wr_span span;
    char *text = wr_run_go(run, now, &rows, &why, &span) == WR_OK ? rows_text(rows) : NULL;
    wr_run_free(run);
    wr_batch_free(b);
    return text;
}

static void must_be_equal(const char *have, const char *want, const char *query, const char *what)
{
    bool both = have && want;
    if (both ? strcmp(have, want) == 0 : !have && !want)
        return;
    fprintf(stderr, "%s\n%s gives\n%s\nand not\n%s\n", query, what, have ? have : "(stopped)", want ? want : "(stopped)");
    abort();
}

/* ---- the comparisons ---------------------------------------------------------------------------------- */

static void batches_agree(const struct wr_plan *plan, const char *query, const struct event *e, uint32_t n)
{
    static const uint32_t sizes[] = {1, 2, 3};
    int64_t now = DIFF_START + 60 * WR_TICKS_SECOND;
    char *want = batch_text(plan, e, n, now, 2048, false);
    for (int i = 0; i < 6; i++) {
        bool stream = i >= 3;
        char *have = batch_text(plan, e, n, now, sizes[i % 3], stream), what[60];
        snprintf(what, sizeof what, "with batches of %u, %s", sizes[i % 3], stream ? "streamed" : "kept");
        must_be_equal(have, want, query, what);
        free(have);
    }
    free(want);
}

/* The newest of `e` at each moment decides; rows that a windowed rule has let go are out of the batch, too: the query says so itself. */
static void incremental_agrees(const struct wr_plan *plan, const char *query, const struct event *e, uint32_t n)
{
    struct wr_stream *s = wr_stream_new(
        plan, &(struct wr_stream_opts){.rule_id = "r", .rule_version = "1", .realert = WR_TICKS_SECOND, .memory_bytes = 1 << 24});
    for (uint32_t i = 0; s && i < n; i++) {
        struct wr_batch *b = event_batch();
        put_event(b, &e[i], false);
        wr_batch_seal(b);
        WR_ASSERT(wr_stream_consume(s, WR_TABLE_DEVICE_NETWORK_EVENTS, b, e[i].now) == WR_OK);
        wr_batch_free(b);
        int64_t t = (e[i].now + WR_TICKS_SECOND - 1) / WR_TICKS_SECOND * WR_TICKS_SECOND;
        if (i + 1 < n && e[i + 1].now < t)
            continue;
        WR_ASSERT(wr_stream_advance(s, t) == WR_OK);
        struct wr_rows rows;
        wr_rows_init(&rows, plan->stream->schema, 64);
        WR_ASSERT(wr_stream_rows(s, &rows) == WR_OK);
        char *have = rows_text(&rows), *want = batch_text(plan, e, i + 1, t, 2048, false);
        must_be_equal(have, want, query, "the stream");
        free(have);
        free(want);
        wr_rows_fini(&rows);
        wr_alerts_free(wr_stream_alerts(s));
    }
    wr_stream_free(s);
}

static void windowed_agrees(const struct wr_plan *plan, const char *query, const struct event *e, uint32_t n)
{
    struct wr_window *w = wr_window_new(
        plan, &(struct wr_window_opts){.rule_id = "r", .rule_version = "1", .realert = WR_TICKS_SECOND, .memory_bytes = 1 << 24});
    for (uint32_t i = 0; w && i < n; i++) {
        struct wr_batch *b = event_batch();
        put_event(b, &e[i], false);
        wr_batch_seal(b);
        WR_ASSERT(wr_window_consume(w, WR_TABLE_DEVICE_NETWORK_EVENTS, b, e[i].now) == WR_OK);
        wr_batch_free(b);
        int64_t t = (e[i].now / WR_TICKS_SECOND + 1) * WR_TICKS_SECOND;
        if (i + 1 < n && e[i + 1].now < t)
            continue;
        WR_ASSERT(wr_window_advance(w, t) == WR_OK);
        char *have = cells_text(wr_window_firing(w)), *want = batch_text(plan, e, i + 1, t, 2048, false);
        must_be_equal(have, want, query, "the windowed rule");
        free(have);
        free(want);
        wr_alerts_free(wr_window_alerts(w));
    }
    wr_window_free(w);
}

struct diff_tally {
    unsigned queries, refused, incremental, windowed;
};

/* One tape; ends the process when two ways differ. */
static void query_diff(const uint8_t *data, size_t len, struct diff_tally *tally)
{
    struct tape tape = {data, len, 0};
    bool stream = pick(&tape, 2);
    char *query = query_text(&tape, stream);
    struct wr_diags diags;
    if (!query || !wr_diags_init(&diags)) {
        free(query);
        return;
    }
    struct wr_source src = {.name = "q", .text = query, .len = strlen(query), .line0 = 1};
    struct wr_plan *plan = wr_plan_new(&src, &diags);
    struct event e[MAX_EVENTS];
    uint32_t n = events_of(&tape, e, stream);
    tally->queries++;
    tally->refused += !plan;
    if (!plan && getenv("WR_DIFF_VERBOSE")) {
        struct wr_buf said = {0};
        wr_diags_print(&diags, &said);
        fprintf(stderr, "%s\n%.*s\n", query, (int)said.len, said.data);
        wr_buf_fini(&said);
    }
    if (plan && !stream)
        batches_agree(plan, query, e, n);
    if (plan && stream && plan->mode == WR_MODE_INCREMENTAL) {
        tally->incremental++;
        incremental_agrees(plan, query, e, n);
    }
    if (plan && stream && plan->mode == WR_MODE_WINDOWED && wr_plan_set_window(plan, 16 * WR_TICKS_SECOND, "the test")) {
        tally->windowed++;
        windowed_agrees(plan, query, e, n);
    }
    wr_plan_free(plan);
    wr_diags_fini(&diags);
    free(query);
}

#endif
