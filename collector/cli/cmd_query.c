#include "base/ticks.h"
#include "collector/cli/args.h"
#include "collector/cli/cli.h"
#include "collector/cli/elemfiles.h"
#include "collector/cli/feed.h"
#include "collector/cli/mapfiles.h"
#include "collector/cli/infile.h"
#include "collector/cli/lists.h"
#include "collector/cli/output.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { KEY_NOW = 256, KEY_BATCH_ROWS, KEY_ORPHANS, MAX_QUERY = 1 << 20, MAX_INPUTS = 256 };

static const struct wr_opt options[] = {
    {"input", "FILE", "read this file; - is standard input; give it again for more files", 'i'},
    {"format", "WORD", "json, jsonl, csv or table; table on a terminal, else json", 'f'},
    {"now", "TIME",
     "what now() and ago() count from; else the newest time in the\n"
     "input, else the clock",
     KEY_NOW},
    {"orphans", "WORD",
     "where flows go that no endpoint event explains:\n"
     "auto    FlowOrphans when the input has endpoint events,\n"
     "        else DeviceNetworkEvents\n"
     "events  DeviceNetworkEvents\n"
     "table   FlowOrphans",
     KEY_ORPHANS},
    {"config", "FILE", "configuration whose `lists:` (watchlists, externaldata, tables,\nfunctions, geo) the query may read", 'c'},
    WR_ELEMFILES_OPT('e'),
    WR_MAPFILES_OPT('m'),
    {"batch-rows", "N", "rows that an operator sees at once", KEY_BATCH_ROWS},
    {0},
};

static const struct wr_args_spec spec = {
    "query",
    "[OPTION]... QUERY | @FILE",
    "Runs a KQL query over files and prints its result. Files are pcap, pcapng, IPFIX,\n"
    "NetFlow messages, JSON lines or syslog, told apart by content; all of them meet in one\n"
    "run. A capture of NetFlow, IPFIX or syslog packets is decoded, one of ordinary traffic\n"
    "is metered into connections. Tables: DeviceNetworkEvents, FlowOrphans, Flows, Syslog,\n"
    "ASimNetworkSessionLogs. A query that reads no table (print, datatable, range) needs no\n"
    "input.",
    options,
    "  weir query 'print 1 + 1'\n"
    "  weir query -i lab.pcap -i endpoint.jsonl 'DeviceNetworkEvents | summarize count() by RemotePort'\n"
    "  weir query -i router.pcap -f csv @top-talkers.kql > talkers.csv\n"
    "  zcat events.json.gz | weir query -i - 'Syslog | take 10'",
};

struct request {
    const char *inputs[MAX_INPUTS];
    uint32_t ninputs;
    struct wr_elemfiles elements;
    struct wr_mapfiles mappings;
    int format;  /* enum wr_format; -1: by where it goes */
    int64_t now; /* ticks; 0: by the input */
    uint32_t batch_rows;
    int orphans;
    const char *config;
    struct wr_refdata *refdata;
    const struct wr_hostnames *hostnames; /* NULL: none */
};

static int parse(struct wr_args *args, struct request *req)
{
    static const char *const orphans[] = {"auto", "events", "table", NULL};
    for (;;) {
        bool ok = true;
        switch (wr_args_next(args)) {
        case 'i':
            if (req->ninputs == MAX_INPUTS)
                return wr_args_mistake(args->spec, "more than %d inputs", MAX_INPUTS);
            req->inputs[req->ninputs++] = args->value;
            break;
        case 'f':
            ok = wr_args_choice(args, wr_format_names, &req->format);
            break;
        case 'c':
            req->config = args->value;
            break;
        case 'e':
            ok = wr_elemfiles_add(&req->elements, args->value);
            break;
        case 'm':
            ok = wr_mapfiles_add(&req->mappings, args->value);
            break;
        case KEY_NOW:
            ok = wr_args_time(args, &req->now);
            break;
        case KEY_ORPHANS:
            ok = wr_args_choice(args, orphans, &req->orphans);
            break;
        case KEY_BATCH_ROWS:
            ok = wr_args_number(args, 1, WR_BATCH_MAX_ROWS, &req->batch_rows);
            break;
        case WR_ARGS_STOP:
            return args->code;
        default:
            return -1;
        }
        if (!ok)
            return WR_EXIT_USAGE;
    }
}

static int64_t machine_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return wr_ticks_of_unix_ns((int64_t)t.tv_sec * 1000000000 + t.tv_nsec);
}

static enum wr_err feed_query(void *ctx, enum wr_table table, struct wr_batch *batch, int64_t now)
{
    (void)now;
    return wr_query_feed(ctx, table, batch);
}

/* Reads all inputs into the query; *ret_newest is the newest time met, *ret_code the exit code so far. False:
 * they could not be read, which has been told. */
static bool read_inputs(const struct request *req, struct wr_query *query, int64_t *ret_newest, int *ret_code)
{
    struct wr_model *model = wr_elemfiles_load(req->elements.paths, req->elements.n);
    struct wr_mappings *mappings = model ? wr_mapfiles_load(req->mappings.paths, req->mappings.n) : NULL;
    if (!mappings) {
        wr_model_free(model);
        *ret_code = WR_EXIT_FOUND;
        return false;
    }
    struct wr_feed_opts opts = {.model = model,
                                .mappings = mappings,
                                .orphans = (enum wr_orphans)req->orphans,
                                .hostnames = req->hostnames,
                                .final_only = true,
                                .batch_rows = req->batch_rows,
                                .consume = feed_query,
                                .ctx = query};
    for (int t = 0; t < WR_NTABLES; t++)
        opts.scan[t] = wr_query_scan(query, t);
    struct wr_feed *feed = wr_feed_new(&opts);
    struct wr_buf text = {0};
    enum wr_err err = feed ? WR_OK : WR_ENOMEM;
    for (uint32_t i = 0; i < req->ninputs && !err; i++)
        err = wr_feed_add(feed, req->inputs[i], &text);
    if (!err)
        err = wr_feed_run(feed);
    if (err) {
        wr_feed_failed(err, &text);
        *ret_code = WR_EXIT_FOUND;
    } else {
        *ret_code = wr_feed_report(feed);
        *ret_newest = wr_feed_clock(feed);
    }
    wr_buf_fini(&text);
    wr_feed_free(feed);
    wr_mappings_free(mappings);
    wr_model_free(model);
    return !err;
}

static int print_result(const struct request *req, const struct wr_result *result, int code)
{
    struct wr_out out;
    wr_out_init(&out, STDOUT_FILENO);
    int format = req->format;
    if (format < 0)
        format = isatty(STDOUT_FILENO) ? WR_FORMAT_TABLE : WR_FORMAT_JSON;
    enum wr_err err = wr_output_result(result, (enum wr_format)format, &out);
    if (err) {
        wr_cli_error("cannot write the result: %s", wr_strerror(err));
        code = WR_EXIT_FOUND;
    }
    return wr_out_fini(&out, code);
}

/* Name of a table that the query reads, or NULL. */
static const char *reads_table(const struct wr_query *query)
{
    for (int t = 0; t < WR_NTABLES; t++) {
        const struct wr_scan *scan = wr_query_scan(query, t);
        if (scan && scan->nbranches)
            return wr_schema_of(t)->name;
    }
    return NULL;
}

/* Files do not say when they would have come: a filter on that leaves nothing, and looks like a detection that does not fire. */
static void tell_ingestion(const struct wr_query *query)
{
    for (int t = 0; t < WR_NTABLES; t++)
        if (wr_colset_has(&wr_query_scan(query, t)->wanted, wr_ingestion_col((enum wr_table)t))) {
            wr_cli_error("note: ingestion_time() is null here, as nothing came in: `weir replay` runs the rule as if its rows came");
            return;
        }
}

static int run(const struct request *req, const char *name, const char *text, size_t len,
               struct wr_diags *diags)
{
    struct wr_query *query = wr_query_new_with(req->refdata, name, text, len, req->batch_rows, diags);
    if (!query) {
        if (!diags->nerrors)
            wr_cli_error("cannot compile the query: %s", wr_strerror(WR_ENOMEM));
        wr_cli_diags(diags);
        return WR_EXIT_FOUND;
    }
    int code = WR_EXIT_OK;
    int64_t newest = 0;
    const char *table = req->ninputs ? NULL : reads_table(query);
    if (table)
        code = wr_args_mistake(
            &spec, "the query reads %s: give --input FILE, or --input - for standard input", table);
    (void)wr_query_stream(query, req->now ? &req->now : NULL);
    if (table || (req->ninputs && !read_inputs(req, query, &newest, &code))) {
        wr_query_free(query);
        return code;
    }
    struct wr_result result;
    int64_t now = req->now ? req->now : newest ? newest : machine_now();
    tell_ingestion(query);
    enum wr_err err = wr_query_run(query, now, diags, &result);
    if (err) {
        wr_cli_diags(diags);
        if (!diags->nerrors)
            wr_cli_error("cannot run the query: %s", wr_strerror(err));
        code = WR_EXIT_FOUND;
    } else {
        code = print_result(req, &result, code);
    }
    wr_query_free(query);
    return code;
}

int wr_cmd_query(int argc, char **argv)
{
    struct request req = {.format = -1, .batch_rows = WR_BATCH_ROWS};
    struct wr_args args;
    wr_args_init(&args, &spec, argc, argv);
    int code = parse(&args, &req);
    if (code >= 0)
        return code;
    int at = wr_args_operands(&args);
    if (argc - at != 1)
        return wr_args_mistake(&spec, argc == at ? "no query given"
                                                 : "more than one query; quote it as one argument");
    const char *name = "query";
    char *owned = NULL;
    const char *text = argv[at];
    size_t len = strlen(text);
    if (text[0] == '@') {
        struct wr_buf error = {0};
        name = text + 1;
        if (wr_infile_slurp(name, MAX_QUERY, &owned, &len, &error)) {
            wr_cli_error("%.*s", (int)error.len, error.len ? error.data : "");
            wr_buf_fini(&error);
            return WR_EXIT_FOUND;
        }
        text = owned ? owned : "";
        name = strcmp(name, "-") ? name : "standard input";
    }
    struct wr_cli_lists lists;
    struct wr_diags diags = {0};
    code = WR_EXIT_FOUND;
    const char *beside = strcmp(name, "query") ? name : NULL;
    if (wr_cli_lists_init(&lists, req.config, &beside, beside != NULL) && wr_diags_init(&diags)) {
        req.refdata = wr_cli_lists_refdata(&lists);
        req.hostnames = wr_listfiles_names(lists.files);
        code = run(&req, name, text, len, &diags);
    }
    wr_diags_fini(&diags);
    wr_cli_lists_fini(&lists);
    free(owned);
    return code;
}
