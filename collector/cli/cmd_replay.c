#include "collector/cli/args.h"
#include "collector/cli/cli.h"
#include "collector/cli/elemfiles.h"
#include "collector/cli/feed.h"
#include "collector/cli/mapfiles.h"
#include "collector/cli/lists.h"
#include "collector/cli/out.h"
#include "collector/cli/rulefiles.h"
#include "collector/config/config.h"
#include "rules/rules.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { KEY_ALL_UPDATES = 256, KEY_BATCH_ROWS, KEY_ORPHANS, MAX_RULES = 64 };

static const struct wr_opt options[] = {
    {"rules", "PATH",
     "a rule file, or a directory of them; give it again for more;\n"
     "else the rules that ship with weir",
     'r'},
    {"config", "FILE", "configuration whose `lists:` (watchlists, externaldata, tables,\nfunctions, geo) rules may read", 'c'},
    {"all-updates", NULL,
     "print every version of every alert as it is raised, updated\n"
     "or resolved, not only the last",
     KEY_ALL_UPDATES},
    {"orphans", "WORD",
     "where flows go that no endpoint event explains: auto, events\n"
     "or table (see weir query --help)",
     KEY_ORPHANS},
    WR_ELEMFILES_OPT('e'),
    WR_MAPFILES_OPT('m'),
    {"batch-rows", "N", "rows that an operator sees at once", KEY_BATCH_ROWS},
    {0},
};

static const struct wr_args_spec spec = {
    "replay",
    "[OPTION]... FILE...",
    "Runs the rules over files as `weir run` runs them on live data, in the files' own time\n"
    "and as fast as it goes. Prints each alert once, in its last version, as a JSON line; a\n"
    "summary goes to standard error. Files are pcap, pcapng, IPFIX, NetFlow messages, JSON\n"
    "lines or syslog, told apart by content; - is standard input.",
    options,
    "  weir replay router.pcap\n"
    "  weir replay --rules my-rules/ lab.pcap endpoint.jsonl | jq -c '[.rule_name, .columns]'",
};

struct replay {
    struct wr_ruleset *rules;
    struct wr_cli_lists lists;
    unsigned rule_errors;
    struct wr_engine *engine;
    struct wr_feed *feed;
    struct wr_out out;
    bool all_updates;
    uint64_t alerts;
};

static void add_rule(void *arg, const char *path, const char *text, size_t len)
{
    struct replay *r = arg;
    struct wr_diags diags;
    if (!wr_diags_init(&diags)) {
        r->rule_errors++;
        return;
    }
    enum wr_err err =
        wr_ruleset_add(r->rules, strcmp(path, "-") ? path : "standard-input.kql", text, len, &diags);
    wr_cli_diags(&diags);
    if (err && !diags.nerrors)
        wr_cli_error("%s: %s", path, wr_strerror(err));
    r->rule_errors += diags.nerrors + (err != WR_OK);
    wr_diags_fini(&diags);
}

/* The rules given, or those that belong to this program. False: told. */
static bool load_rules(struct replay *r, const char *const *paths, uint32_t n, const char *lists)
{
    struct wr_config config = {0};
    const char *missing = NULL;
    if (!n) {
        if (!wr_config_init(&config))
            return false;
        config.state_dir = "."; /* replay has no state */
        missing = wr_config_settle(&config);
        paths = config.rules;
        n = config.nrules;
    }
    if (missing)
        wr_cli_error("%s", missing);
    bool listed = !missing && wr_cli_lists_init(&r->lists, lists, paths, n);
    if (listed)
        wr_ruleset_refdata(r->rules, wr_cli_lists_refdata(&r->lists));
    for (uint32_t i = 0; i < n && listed; i++)
        r->rule_errors += wr_rulefiles(paths[i], add_rule, r);
    bool none = listed && !r->rule_errors && !wr_ruleset_count(r->rules);
    if (none)
        wr_cli_error("there is no rule in %s", paths[0]);
    if (config.arena)
        wr_config_fini(&config);
    return listed && !none && !r->rule_errors;
}

/* The connections behind an alert, as far as they are still known. */
static void add_samples(struct replay *r, struct wr_alert *alert)
{
    const struct wr_conn *conn = wr_feed_conn(r->feed);
    struct wr_buf list = {0};
    wr_buf_char(&list, '[');
    for (uint32_t i = 0; i < alert->nsamples && conn; i++) {
        size_t before = list.len;
        if (before > 1)
            wr_buf_char(&list, ',');
        if (!wr_conn_sample(conn, alert->sample_rows[i], &list))
            list.len = before;
    }
    wr_buf_char(&list, ']');
    if (!list.err)
        alert->samples_json = wr_arena_strndup(alert->arena, list.data, list.len);
    wr_buf_fini(&list);
}

static void print_alert(struct replay *r, struct wr_alert *alert)
{
    add_samples(r, alert);
    wr_alert_json(alert, &r->out.buf);
    wr_buf_char(&r->out.buf, '\n');
    wr_out_spill(&r->out);
}

/* An alert that no later version follows is printed at once; others are printed at the end, in the version that they have then. */
static void take_alerts(struct replay *r)
{
    struct wr_alert *next;
    for (struct wr_alert *a = wr_engine_alerts(r->engine); a; a = next) {
        next = a->next;
        r->alerts += a->kind == WR_ALERT_RAISED;
        if (r->all_updates || a->kind == WR_ALERT_RESOLVED || a->final)
            print_alert(r, a);
        wr_alert_free(a);
    }
}

static int earlier(const void *x, const void *y)
{
    const struct wr_alert *a = *(struct wr_alert *const *)x, *b = *(struct wr_alert *const *)y;
    if (a->raised_at != b->raised_at)
        return a->raised_at < b->raised_at ? -1 : 1;
    return strcmp(a->id, b->id);
}

/* Alerts that are still firing, in the order in which they were raised. */
static enum wr_err print_firing(struct replay *r)
{
    struct wr_alert *list = wr_engine_firing(r->engine);
    size_t n = 0, i = 0;
    for (const struct wr_alert *a = list; a; a = a->next)
        n++;
    struct wr_alert **order = malloc((n + 1) * sizeof *order);
    for (struct wr_alert *a = list; a && order; a = a->next)
        order[i++] = a;
    if (order)
        qsort(order, n, sizeof *order, earlier);
    for (i = 0; i < n && order && !r->out.closed; i++)
        print_alert(r, order[i]);
    wr_alerts_free(list);
    enum wr_err err = order ? WR_OK : WR_ENOMEM;
    free(order);
    return err;
}

/* A reader that has gone ends the run without an error. */
static enum wr_err consume(void *ctx, enum wr_table table, struct wr_batch *batch, int64_t now)
{
    struct replay *r = ctx;
    enum wr_err err = wr_engine_consume(r->engine, table, batch, now);
    take_alerts(r);
    return err ? err : r->out.closed ? WR_EIO : WR_OK;
}

static enum wr_err run_files(struct replay *r, char *const *files, int n, struct wr_buf *error)
{
    enum wr_err err = WR_OK;
    for (int i = 0; i < n && !err; i++)
        err = wr_feed_add(r->feed, files[i], error);
    if (!err)
        err = wr_feed_run(r->feed);
    if (!err && wr_feed_clock(r->feed))
        err = wr_engine_advance(r->engine, wr_feed_clock(r->feed));
    if (err)
        return err;
    take_alerts(r);
    return r->all_updates ? WR_OK : print_firing(r);
}

static void summary(const struct replay *r, const struct timespec *began)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    double seconds = (double)(now.tv_sec - began->tv_sec) + (double)(now.tv_nsec - began->tv_nsec) / 1e9;
    struct wr_feed_stats st = wr_feed_stats(r->feed);
    wr_cli_error("%llu records, %llu rows, %llu alert%s, %.3f s",
                 (unsigned long long)(st.flows + st.events + st.lines), (unsigned long long)st.rows,
                 (unsigned long long)r->alerts, r->alerts == 1 ? "" : "s", seconds);
}

static int replay(struct replay *r, struct wr_feed_opts *opts, char *const *files, int n)
{
    opts->hostnames = wr_listfiles_names(r->lists.files);
    struct timespec began;
    clock_gettime(CLOCK_MONOTONIC, &began);
    for (int t = 0; t < WR_NTABLES; t++)
        opts->scan[t] = wr_ruleset_scan(r->rules, t);
    opts->consume = consume;
    opts->ctx = r;
    r->engine = wr_engine_new(r->rules, &(struct wr_engine_opts){0});
    r->feed = wr_feed_new(opts);
    wr_out_init(&r->out, STDOUT_FILENO);
    struct wr_buf error = {0};
    enum wr_err err = r->engine && r->feed ? run_files(r, files, n, &error) : WR_ENOMEM;
    int code = WR_EXIT_OK;
    bool closed = r->out.closed; /* then the run ended early because of it, which wr_out_fini judges */
    if (err && !closed)
        wr_feed_failed(err, &error);
    if (err && !closed)
        code = WR_EXIT_FOUND;
    code = wr_out_fini(&r->out, code);
    if (!err) {
        int found = wr_feed_report(r->feed);
        code = code ? code : found;
        summary(r, &began);
    }
    wr_buf_fini(&error);
    wr_feed_free(r->feed);
    wr_engine_free(r->engine);
    return code;
}

int wr_cmd_replay(int argc, char **argv)
{
    static const char *const orphans[] = {"auto", "events", "table", NULL};
    struct replay r = {0};
    struct wr_feed_opts opts = {.batch_rows = WR_BATCH_ROWS};
    struct wr_mapfiles paths = {0};
    struct wr_elemfiles elements = {0};
    struct wr_mappings *mappings = NULL;
    const char *rules[MAX_RULES], *config = NULL;
    uint32_t nrules = 0;
    int key, where = 0;
    bool ok = true;
    struct wr_args args;
    wr_args_init(&args, &spec, argc, argv);
    while (ok && (key = wr_args_next(&args)) != WR_ARGS_END) {
        if (key == WR_ARGS_STOP)
            return args.code;
        if (key == 'r' && nrules == MAX_RULES)
            return wr_args_mistake(&spec, "more than %d rule paths", MAX_RULES);
        if (key == 'r')
            rules[nrules++] = args.value;
        else if (key == 'c')
            config = args.value;
        else if (key == 'e')
            ok = wr_elemfiles_add(&elements, args.value);
        else if (key == 'm')
            ok = wr_mapfiles_add(&paths, args.value);
        else if (key == KEY_ALL_UPDATES)
            r.all_updates = true;
        else if (key == KEY_ORPHANS)
            ok = wr_args_choice(&args, orphans, &where);
        else
            ok = wr_args_number(&args, 1, WR_BATCH_MAX_ROWS, &opts.batch_rows);
    }
    if (!ok)
        return WR_EXIT_USAGE;
    opts.orphans = (enum wr_orphans)where;
    int at = wr_args_operands(&args), code = WR_EXIT_FOUND;
    if (at == argc)
        return wr_args_mistake(&spec, "no file given");
    r.rules = wr_ruleset_new();
    if (!r.rules)
        wr_cli_error("%s", wr_strerror(WR_ENOMEM));
    else if (load_rules(&r, rules, nrules, config) && (mappings = wr_mapfiles_load(paths.paths, paths.n)) &&
             (opts.model = wr_elemfiles_load(elements.paths, elements.n))) {
        opts.mappings = mappings;
        code = replay(&r, &opts, argv + at, argc - at);
    }
    wr_mappings_free(mappings);
    wr_model_free(opts.model);
    wr_ruleset_unref(r.rules);
    wr_cli_lists_fini(&r.lists);
    return code;
}
