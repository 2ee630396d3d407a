#include "base/schema.h"
#include "collector/cli/args.h"
#include "collector/cli/cli.h"
#include "collector/cli/mapfiles.h"
#include "collector/cli/out.h"
#include "collector/cli/rulefiles.h"
#include "rules/rules.h"

#include <stdlib.h>

#include <string.h>
#include <unistd.h>

enum { MAX_PATHS = 16, MAX_FILES = 1024, MAX_PRODUCTS = 256 };

static const struct wr_opt options[] = {
    {"rules", "PATH", "say of each column which rule files here read it; again for more", 'r'},
    {"mappings", "PATH", "a mapping file or a directory of them, above weir's own; again for more", 'm'},
    {0},
};

/* A rule file, compiled by itself. */
struct reader {
    char *path;
    struct wr_ruleset *set;
};

/* Mappings of one table whose names are the same up to their first `-`: zeek-conn, zeek-http. */
struct product {
    const char *name; /* of one of them; `len` bytes of it are all that they share */
    size_t len;
    unsigned kinds;
    struct wr_colset cols;
};

struct tables {
    struct wr_mappings *mappings;
    struct product products[MAX_PRODUCTS];
    uint32_t nproducts;
    struct reader readers[MAX_FILES];
    uint32_t nreaders;
    unsigned failed;
    struct wr_buf line;
};

static const struct wr_args_spec spec = {
    "tables",
    "[NAME]...",
    "Lists the tables that rules and queries can read, or the columns of the named ones: name\n"
    "and type, what an alias stands for, which columns Microsoft's table does not have (weir's\n"
    "own) and, with --rules, which rule files read it. Behind them the products whose records\n"
    "fill the table by mappings, a line each: how many kinds of record and which columns.\n"
    "Flows, connections and the layouts in code (Defender, Sysmon 3, CEF, LEEF, plain lines)\n"
    "are told of beside the table's name.",
    options,
    "  weir tables\n"
    "  weir tables DeviceNetworkEvents | grep own\n"
    "  weir tables --rules my-rules SmtpMessages",
};

static void list(struct wr_buf *out)
{
    for (int t = 0; t < WR_NTABLES; t++) {
        const struct wr_schema *s = wr_schema_of((enum wr_table)t);
        unsigned own = 0, all = 0;
        for (uint16_t c = 0; c < s->ncols; c++) {
            all += !s->cols[c].hidden;
            own += !s->cols[c].hidden && s->cols[c].own;
        }
        wr_buf_fmt(out, "%-23s %3u columns, %u weir's own\n", s->name, all, own);
    }
}

/* What fills a table beside mappings. */
static const char *in_code(enum wr_table table)
{
    switch (table) {
    case WR_TABLE_DEVICE_NETWORK_EVENTS:
        return "connections of flows, Defender (columns of the same name), Sysmon 3, ECS with a process";
    case WR_TABLE_DEVICE_PROCESS_EVENTS:
        return "Defender (columns of the same name)";
    case WR_TABLE_ASIM_NETWORK_SESSION_LOGS:
        return "connections of flows and events, CEF and LEEF sessions";
    case WR_TABLE_COMMON_SECURITY_LOG:
        return "CEF, LEEF";
    case WR_TABLE_SYSLOG:
        return "plain lines, and lines that nothing else takes";
    case WR_TABLE_SMTP_MESSAGES:
        return "flow records with mail (YAF)";
    case WR_TABLE_FLOWS:
        return "flow records";
    case WR_TABLE_FLOW_ORPHANS:
        return "connections of flows";
    default:
        return "";
    }
}

static void add_name(struct wr_buf *out, const char *before, const char *name)
{
    wr_buf_fmt(out, "%s%s", out->len ? ", " : before, name);
}

/* Who reads the column. */
static void readers(struct tables *t, enum wr_table table, uint16_t col, struct wr_buf *out)
{
    wr_buf_reset(&t->line);
    for (uint32_t i = 0; i < t->nreaders; i++) {
        const struct wr_scan *scan = wr_ruleset_scan(t->readers[i].set, table);
        if (scan->nbranches && wr_colset_has(&scan->wanted, col))
            add_name(&t->line, "  read by ", t->readers[i].path);
    }
    wr_buf_add(out, t->line.data, t->line.len);
}

static size_t product_len(const char *name)
{
    return strcspn(name, "-");
}

static void add_product(struct tables *t, const char *name, const struct wr_colset *cols)
{
    size_t len = product_len(name);
    struct product *p = t->products, *end = p + t->nproducts;
    while (p < end && (product_len(p->name) != len || memcmp(p->name, name, len) != 0))
        p++;
    if (p == end && t->nproducts == MAX_PRODUCTS)
        return;
    if (p == end) {
        t->nproducts++;
        *p = (struct product){.name = name, .len = strlen(name)};
    } else if (strcmp(p->name, name) != 0) {
        p->len = len;
    }
    p->kinds++;
    for (size_t w = 0; w < sizeof cols->bits / sizeof *cols->bits; w++)
        p->cols.bits[w] |= cols->bits[w];
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct product *)a)->name, ((const struct product *)b)->name);
}

/* The products whose mappings fill the table, and with which columns. */
static void products(struct tables *t, struct wr_buf *out, enum wr_table table)
{
    const struct wr_schema *s = wr_schema_of(table);
    t->nproducts = 0;
    for (uint32_t i = 0; i < wr_mappings_count(t->mappings); i++) {
        struct wr_colset cols;
        enum wr_table of;
        const char *name = wr_mappings_fills(t->mappings, i, &of, &cols);
        if (of == table)
            add_product(t, name, &cols);
    }
    qsort(t->products, t->nproducts, sizeof *t->products, by_name);
    wr_buf_str(out, t->nproducts ? "filled by mappings:\n" : "");
    for (const struct product *p = t->products; p < t->products + t->nproducts; p++) {
        wr_buf_reset(&t->line);
        for (uint16_t c = 0; c < s->ncols; c++)
            if (wr_colset_has(&p->cols, c) && !s->cols[c].hidden)
                add_name(&t->line, "", s->cols[c].name);
        wr_buf_fmt(out, "  %.*s", (int)p->len, p->name);
        if (p->kinds > 1)
            wr_buf_fmt(out, " (%u kinds)", p->kinds);
        wr_buf_fmt(out, ": %.*s\n", (int)t->line.len, t->line.data ? t->line.data : "");
    }
}

static void columns(struct tables *t, struct wr_buf *out, enum wr_table table)
{
    const struct wr_schema *s = wr_schema_of(table);
    const char *code = in_code(table);
    wr_buf_fmt(out, "%s%s%s\n", s->name, *code ? ": " : "", code);
    for (uint16_t c = 0; c < s->ncols; c++) {
        const struct wr_coldef *col = &s->cols[c];
        if (col->hidden)
            continue;
        bool alias = col->store != c;
        wr_buf_fmt(out, "  %-45s %s", col->name, wr_type_name(col->type));
        if (alias || col->own)
            wr_buf_fmt(out, "%*s %s%s%s%s", (int)(9 - strlen(wr_type_name(col->type))), "", col->own ? "own" : "",
                       alias && col->own ? ", " : "", alias ? "is " : "", alias ? s->cols[col->store].name : "");
        readers(t, table, c, out);
        wr_buf_char(out, '\n');
    }
    products(t, out, table);
}

static void add_reader(void *arg, const char *path, const char *text, size_t len)
{
    struct tables *t = arg;
    struct wr_diags diags;
    if (t->nreaders == MAX_FILES || !wr_diags_init(&diags)) {
        t->failed++;
        return;
    }
    struct reader *r = &t->readers[t->nreaders];
    r->path = strdup(path);
    r->set = wr_ruleset_new();
    t->nreaders++;
    if (!r->path || !r->set || wr_ruleset_add(r->set, path, text, len, &diags) != WR_OK)
        t->failed++;
    wr_cli_diags(&diags);
    wr_diags_fini(&diags);
}

static int unknown(const char *word)
{
    const char *names[WR_NTABLES + 1] = {0};
    for (int t = 0; t < WR_NTABLES; t++)
        names[t] = wr_schema_of((enum wr_table)t)->name;
    const char *near = wr_args_near(word, names);
    wr_cli_error("there is no table '%s'%s%s%s", word, near ? "; did you mean '" : "", near ? near : "",
                 near ? "'?" : "");
    return WR_EXIT_FOUND;
}

static int print(struct tables *t, int argc, char **argv, int at)
{
    int code = WR_EXIT_OK;
    struct wr_out out;
    wr_out_init(&out, STDOUT_FILENO);
    if (at == argc)
        list(&out.buf);
    for (; at < argc; at++) {
        enum wr_table table;
        if (wr_table_find(argv[at], strlen(argv[at]), &table))
            columns(t, &out.buf, table);
        else
            code = unknown(argv[at]);
    }
    return wr_out_fini(&out, code);
}

int wr_cmd_tables(int argc, char **argv)
{
    static struct tables t; /* large; there is one */
    const char *rules[MAX_PATHS], *mappings[MAX_PATHS];
    uint32_t nrules = 0, nmappings = 0;
    struct wr_args args;
    int key;
    wr_args_init(&args, &spec, argc, argv);
    while ((key = wr_args_next(&args)) != WR_ARGS_END) {
        if (key == WR_ARGS_STOP)
            return args.code;
        uint32_t *n = key == 'r' ? &nrules : &nmappings;
        if (*n == MAX_PATHS)
            return wr_args_mistake(&spec, "more than %d paths", MAX_PATHS);
        (key == 'r' ? rules : mappings)[(*n)++] = args.value;
    }
    for (uint32_t i = 0; i < nrules; i++)
        t.failed += wr_rulefiles(rules[i], add_reader, &t);
    t.mappings = wr_mapfiles_load(mappings, nmappings);
    int code = WR_EXIT_FOUND;
    if (t.mappings && !t.failed)
        code = print(&t, argc, argv, wr_args_operands(&args));
    for (uint32_t i = 0; i < t.nreaders; i++) {
        free(t.readers[i].path);
        wr_ruleset_unref(t.readers[i].set);
    }
    wr_mappings_free(t.mappings);
    wr_buf_fini(&t.line);
    return code;
}
