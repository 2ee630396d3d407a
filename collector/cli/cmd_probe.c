/* `weir probe`: what becomes of each record of a file, or of what arrives on a port (probe_listen.c). Batches of one row, so
 * that each is told by itself. */
#include "base/ticks.h"
#include "collector/cli/args.h"
#include "collector/cli/cli.h"
#include "collector/cli/infile.h"
#include "collector/cli/mapfiles.h"
#include "collector/cli/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_FILE = 256 << 20, MAX_DEPTH = 16, OPT_SECONDS = 256 };

static const struct wr_opt options[] = {
    WR_MAPFILES_OPT('m'),
    {"listen", "ADDR", "instead of a file: what arrives on a port or ADDRESS:PORT, UDP\nand TCP, log lines or flow records: the first three of each\n"
                       "kind, and at the end (^C) how many came and what they filled", 'l'},
    {"count", "N", "with --listen: end after so many messages", 'n'},
    {"seconds", "N", "with --listen: end after so many seconds", OPT_SECONDS},
    {0},
};

static const struct wr_args_spec spec = {
    "probe",
    "[OPTION]... FILE|- | --listen ADDR",
    "Says for each message of a file (syslog, JSON lines, any framing that a port takes) which\n"
    "layout it has, which columns it fills, and which of its fields are not used. What no\n"
    "layout takes is a row of Syslog, with the reason.",
    options,
    "  head -3 conn.log | weir probe -\n"
    "  weir probe -m my-source.yaml sample.jsonl\n"
    "  weir probe --listen 5514 --seconds 60",
};

static void put_value(struct wr_buf *out, const struct wr_vec *v, uint32_t row)
{
    if (v->s)
        wr_json_str(out, wr_str_data(&v->s[row]), v->s[row].len);
    else if (v->type == WR_DATETIME)
        wr_ticks_datetime(out, v->i[row]);
    else if (v->r)
        wr_buf_fmt(out, "%.17g", v->r[row]);
    else
        wr_buf_fmt(out, "%lld", (long long)v->i[row]);
}

void wr_probe_row(struct wr_probe *p, const struct wr_batch *b, bool told)
{
    struct wr_buf *out = &p->out.buf;
    for (uint16_t c = 0; c < b->schema->ncols; c++) {
        const struct wr_vec *v = &b->col[c];
        if ((!v->s && !v->i && !v->r) || b->schema->cols[c].hidden || !wr_vec_valid(v, 0) || (v->s && !v->s[0].len))
            continue;
        if (p->kind && p->kind->filled)
            p->kind->filled[c]++;
        if (!told)
            continue;
        wr_buf_fmt(out, "    %-34s ", b->schema->cols[c].name);
        put_value(out, v, 0);
        wr_buf_char(out, '\n');
    }
}

/* ---- kinds ---- */

bool wr_probe_kind_of(struct wr_probe *p, const char *what, const struct wr_schema *table)
{
    uint32_t i = 0;
    if (!p->live)
        return true;
    while (i < p->nkinds && (strcmp(p->kinds[i].what, what) != 0 || p->kinds[i].table != table))
        i++;
    struct wr_probe_kind *k = p->kind = &p->kinds[i];
    if (i == p->nkinds && i < WR_PROBE_KINDS) {
        snprintf(k->what, sizeof k->what, "%s", what);
        k->table = table;
        k->filled = calloc(table->ncols, sizeof *k->filled); /* without it columns are not counted */
        p->nkinds++;
    }
    return k->n++ < WR_PROBE_SHOWN;
}

void wr_probe_fini_kinds(struct wr_probe *p)
{
    for (uint32_t i = 0; i < p->nkinds; i++) {
        free(p->kinds[i].filled);
        for (uint32_t u = 0; u < p->kinds[i].nunused; u++)
            free(p->kinds[i].unused[u]);
    }
}

static void remember_unused(struct wr_probe_kind *k, const char *path, size_t len)
{
    for (uint32_t i = 0; i < k->nunused; i++)
        if (strlen(k->unused[i]) == len && !memcmp(k->unused[i], path, len))
            return;
    char *copy = k->nunused < WR_PROBE_UNUSED && !memchr(path, '\0', len) ? strndup(path, len) : NULL;
    if (copy)
        k->unused[k->nunused++] = copy;
}

/* ---- fields that no column takes ---- */

static bool is_used(const struct wr_probe *p, const char *layout, const char *path, size_t len)
{
    static const char data[] = "winlog.event_data.", properties[] = "properties.";
    uint16_t id;
    if (strcmp(layout, "defender") == 0) {
        size_t cut = len > sizeof properties && !memcmp(path, properties, sizeof properties - 1)
                         ? sizeof properties - 1
                         : 0;
        return wr_keys_find(&p->maps.network.keys, path + cut, len - cut, &id) ||
               wr_keys_find(&p->maps.process.keys, path + cut, len - cut, &id) ||
               (len == 8 && !memcmp(path, "category", 8)) || (len == 4 && !memcmp(path, "time", 4)) ||
               (len == 8 && !memcmp(path, "tenantId", 8));
    }
    if (strcmp(layout, "sysmon") == 0) {
        size_t cut = len > sizeof data && !memcmp(path, data, sizeof data - 1) ? sizeof data - 1 : 0;
        return wr_keys_find(&p->maps.paths, path, len, &id) ||
               wr_keys_find(&p->maps.data, path + cut, len - cut, &id);
    }
    return wr_mappings_uses(p->mappings, layout, path, len);
}

/* Leaves of the document by path; a list that is used as a whole counts as used. Depth is bounded. */
struct leaves {
    struct wr_probe *p;
    const char *layout;
    char path[WR_PROBE_PATH];
    unsigned n;
    bool told;
};

static void unused(struct leaves *l, const struct wr_json_val *at, size_t len, int depth)
{
    char *path = l->path;
    struct wr_json_iter it = wr_json_begin(at);
    struct wr_json_val v;
    const char *key;
    size_t keylen;
    char index[16];
    for (unsigned i = 0; wr_json_iter_next(&it, &key, &keylen, &v); i++) {
        if (!it.object) {
            keylen = (size_t)snprintf(index, sizeof index, "%u", i);
            key = index;
        }
        if (len + keylen + 1 >= WR_PROBE_PATH)
            continue;
        memcpy(path + len, key, keylen);
        size_t end = len + keylen;
        if (is_used(l->p, l->layout, path, end))
            continue;
        if ((v.type == WR_JSON_OBJECT || v.type == WR_JSON_ARRAY) && v.len && depth < MAX_DEPTH) {
            path[end] = '.';
            unused(l, &v, end + 1, depth + 1);
            continue;
        }
        if (l->p->kind)
            remember_unused(l->p->kind, path, end);
        if (!l->told)
            continue;
        wr_buf_str(&l->p->out.buf, l->n++ ? ", " : "    not used: ");
        wr_json_str(&l->p->out.buf, path, end);
    }
}

/* `{"records":[..]}` or the array itself, whose elements are records: *at becomes the list. */
static bool is_list(struct wr_json_val *at)
{
    struct wr_json_iter it = wr_json_begin(at);
    struct wr_json_val v;
    const char *key;
    size_t len;
    while (at->type == WR_JSON_OBJECT && wr_json_iter_next(&it, &key, &len, &v))
        if (len == 7 && !memcmp(key, "records", 7) && v.type == WR_JSON_ARRAY)
            *at = v;
    return at->type == WR_JSON_ARRAY;
}

static bool element(struct wr_json_val *at, uint32_t i)
{
    struct wr_json_iter it = wr_json_begin(at);
    struct wr_json_val v;
    const char *key;
    size_t len;
    while (wr_json_iter_next(&it, &key, &len, &v))
        if (i-- == 0) {
            *at = v;
            return v.type == WR_JSON_OBJECT;
        }
    return false;
}

static void put_unused(struct wr_probe *p, const char *layout, const char *frame, size_t len, bool told)
{
    struct leaves l = {.p = p, .layout = layout, .told = told};
    const char *brace = len && *frame == '[' ? frame : memchr(frame, '{', len);
    struct wr_json_val root;
    bool repaired;
    while (len && strchr("\n\r", frame[len - 1]))
        len--;
    if (!brace || !*layout || wr_json_parse(p->json, brace, (size_t)(frame + len - brace), &root, &repaired))
        return;
    if (is_list(&root) && !element(&root, p->element))
        return;
    unused(&l, &root, 0, 0);
    if (l.n)
        wr_buf_char(&p->out.buf, '\n');
}

/* ---- messages ---- */

static void put_head(struct wr_probe *p, const char *what, const struct wr_schema *table)
{
    struct wr_buf *out = &p->out.buf;
    wr_buf_fmt(out, "%llu: ", (unsigned long long)p->n);
    wr_buf_printable(out, what, strlen(what));
    wr_buf_fmt(out, ", a row of %s", table->name);
    if (p->source)
        wr_buf_fmt(out, ", from %s", p->source);
    wr_buf_char(out, '\n');
}

static void put_refused(struct wr_probe *p, const char *layout)
{
    const struct wr_batch *lines = p->rows.of[WR_TABLE_SYSLOG];
    const struct wr_str *why = &lines->col[WR_SYSLOG_ParseError].s[0];
    char what[64];
    p->refused += why->len > 0;
    if (why->len)
        snprintf(what, sizeof what, "%.*s%s%s", (int)why->len, wr_str_data(why), *layout ? " for " : "", layout);
    else
        snprintf(what, sizeof what, "%s", *layout ? layout : "text");
    bool told = wr_probe_kind_of(p, what, lines->schema);
    if (told)
        put_head(p, what, lines->schema);
    wr_probe_row(p, lines, told);
}

static void put_record(struct wr_probe *p, const char *frame, size_t len)
{
    const char *layout = wr_log_layout(p->log);
    bool mapped = false, told = false;
    p->n++;
    for (int t = 0; t < WR_NTABLES; t++) {
        const struct wr_batch *b = p->rows.of[t];
        if (!b || !b->nrows || t == WR_TABLE_SYSLOG)
            continue;
        mapped = true;
        told = wr_probe_kind_of(p, layout, b->schema);
        if (told)
            put_head(p, layout, b->schema);
        wr_probe_row(p, b, told);
    }
    if (mapped)
        put_unused(p, layout, frame, len, told);
    else if (p->rows.of[WR_TABLE_SYSLOG]->nrows)
        put_refused(p, layout);
    wr_out_spill(&p->out);
}

enum wr_err wr_probe_frame(struct wr_probe *p, const char *peer, const char *frame, size_t len, int64_t now_ns)
{
    enum wr_err err;
    p->element = 0;
    do {
        if (!wr_rows_reset(&p->rows))
            return WR_ENOMEM;
        err = wr_log_frame(p->log, peer, frame, len, now_ns, &p->rows);
        if (!err || err == WR_EFULL)
            put_record(p, frame, len);
        p->element++; /* a batch holds one row: each call takes one element of a list */
    } while (err == WR_EFULL && !p->out.closed);
    return err == WR_EFULL ? WR_OK : err;
}

/* Events that waited for lines which the file does not have. */
static enum wr_err probe_rest(struct wr_probe *p)
{
    enum wr_err err;
    do {
        if (!wr_rows_reset(&p->rows))
            return WR_ENOMEM;
        err = wr_log_idle(p->log, INT64_MAX, &p->rows);
        if (wr_rows_count(&p->rows))
            put_record(p, "", 0);
    } while (err == WR_EFULL && !p->out.closed);
    return err == WR_EFULL ? WR_OK : err;
}

static enum wr_err probe_text(struct wr_probe *p, const char *text, size_t len)
{
    struct wr_framing framing = {0};
    struct timespec now = {0};
    enum wr_err err = WR_OK;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    for (size_t at = 0; at < len && !err && !p->out.closed;) {
        const char *frame = NULL;
        size_t n = 0, used = wr_framing_next(&framing, text + at, len - at, true, &frame, &n);
        if (used == 0)
            break;
        at += used;
        if (frame)
            err = wr_probe_frame(p, "", frame, n, (int64_t)now.tv_sec * 1000000000 + now.tv_nsec);
    }
    return err ? err : probe_rest(p);
}

static bool probe_init(struct wr_probe *p, const char *const *paths, uint32_t n)
{
    bool batches = true;
    p->mappings = wr_mapfiles_load(paths, n);
    if (!p->mappings)
        return false;
    wr_maps_init(&p->maps);
    p->log = wr_log_new(&(struct wr_log_opts){.mappings = p->mappings});
    p->json = wr_json_new();
    for (int t = 0; t < WR_NTABLES; t++) {
        const struct wr_schema *schema = wr_schema_of((enum wr_table)t);
        struct wr_colset all = wr_colset_all(schema);
        p->rows.of[t] = wr_batch_new(schema, &all, 1);
        batches = batches && p->rows.of[t];
    }
    if (p->log && p->json && batches)
        return true;
    wr_cli_error("%s", wr_strerror(WR_ENOMEM));
    return false;
}

static int probe_file(struct wr_probe *p, const char *path)
{
    struct wr_buf error = {0};
    char *text = NULL;
    size_t len = 0;
    enum wr_err err = wr_infile_slurp(path, MAX_FILE, &text, &len, &error);
    if (err)
        wr_cli_error("%.*s", (int)error.len, error.len ? error.data : "");
    else if ((err = probe_text(p, text ? text : "", len)))
        wr_cli_error("%s: %s", path, wr_strerror(err));
    wr_buf_fini(&error);
    free(text);
    return err || p->refused ? WR_EXIT_FOUND : WR_EXIT_OK;
}

int wr_cmd_probe(int argc, char **argv)
{
    static struct wr_probe p; /* large; there is one */
    struct wr_mapfiles mappings = {0};
    struct wr_args args;
    int key;
    const char *listen = NULL;
    uint32_t count = 0, seconds = 0;
    wr_args_init(&args, &spec, argc, argv);
    while ((key = wr_args_next(&args)) != WR_ARGS_END) {
        if (key == WR_ARGS_STOP)
            return args.code;
        if (key == 'l')
            listen = args.value;
        else if (key == 'n' || key == OPT_SECONDS) {
            if (!wr_args_number(&args, 1, UINT32_MAX, key == 'n' ? &count : &seconds))
                return WR_EXIT_USAGE;
        } else if (!wr_mapfiles_add(&mappings, args.value)) {
            return WR_EXIT_USAGE;
        }
    }
    int at = wr_args_operands(&args), code = WR_EXIT_FOUND;
    if (argc - at != (listen ? 0 : 1))
        return wr_args_mistake(&spec, listen ? "--listen takes no file" : "one file is expected");
    if (!listen && (count || seconds))
        return wr_args_mistake(&spec, "--count and --seconds go with --listen");
    p.live = listen != NULL;
    wr_out_init(&p.out, STDOUT_FILENO);
    if (probe_init(&p, mappings.paths, mappings.n))
        code = listen ? wr_probe_listen(&p, listen, count, seconds) : probe_file(&p, argv[at]);
    wr_probe_fini_kinds(&p);
    wr_log_free(p.log);
    wr_json_free(p.json);
    wr_rows_free(&p.rows);
    wr_mappings_free(p.mappings);
    return wr_out_fini(&p.out, code);
}
