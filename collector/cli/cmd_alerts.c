#include "base/ticks.h"
#include "collector/cli/alert_row.h"
#include "collector/cli/args.h"
#include "collector/cli/cli.h"
#include "collector/cli/out.h"
#include "collector/config/config.h"
#include "collector/sink/store.h"
#include "collector/state/state.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { KEY_SINCE = 256, FOLLOW_FROM = 10, POLL_MS = 250 };

static const struct wr_opt options[] = {
    {"state", "DIR",
     "state directory of weir run; else $STATE_DIRECTORY,\n"
     "/var/lib/weir as root, ~/.local/state/weir",
     's'},
    {"since", "TIME", "raised at or after this time, or this long ago: 30m, 12h, 7d", KEY_SINCE},
    {"limit", "N", "only the newest N", 'n'},
    {"all", NULL, "every version of an alert, not only its last", 'a'},
    {"follow", NULL,
     "then wait for new ones and new versions, until interrupted; shows\n"
     "the last 10 first, unless --limit or --since says otherwise",
     'F'},
    {"format", "WORD", "jsonl or table; table on a terminal, else jsonl", 'f'},
    {0},
};

static const struct wr_args_spec spec = {
    "alerts",
    "[OPTION]...",
    "Prints the alerts that weir run has raised, oldest first, from the store in its state\n"
    "directory: each in its last version (raised, updated, resolved; docs/alerts.md), with the\n"
    "rule's own columns. The daemon may run meanwhile.",
    options,
    "  weir alerts --since 1d\n"
    "  weir alerts --follow --format jsonl | jq -c '.columns'",
};

struct listing {
    struct wr_out out;
    bool table;
    int64_t last_n;
};

static bool print_alert(void *arg, int64_t n, const char *json, size_t len)
{
    struct listing *l = arg;
    l->last_n = n;
    if (l->table) {
        wr_alert_row(json, len, &l->out.buf);
    } else {
        wr_buf_add(&l->out.buf, json, len);
        wr_buf_char(&l->out.buf, '\n');
    }
    return wr_out_spill(&l->out);
}

/* "30m", "12h", "7d": that long before now. */
static bool long_ago(const char *text, int64_t *ret_ticks)
{
    static const char units[] = "smhd";
    static const int64_t ticks[] = {WR_TICKS_SECOND, WR_TICKS_MINUTE, WR_TICKS_HOUR, WR_TICKS_DAY};
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    const char *unit = end > text && *end ? strchr(units, *end) : NULL;
    if (!unit || end[1] || text[0] == '-' || n > 36525)
        return false;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    *ret_ticks = wr_ticks_of_unix_ns((int64_t)now.tv_sec * 1000000000 + now.tv_nsec) -
                 (int64_t)n * ticks[unit - units];
    return true;
}

static int list(struct wr_store *store, struct listing *l, struct wr_store_query query, bool follow)
{
    if (l->table)
        wr_alert_row_head(&l->out.buf);
    for (;;) {
        if (wr_store_history(store, &query, print_alert, l)) {
            wr_cli_error("%s", wr_store_error(store));
            return WR_EXIT_FOUND;
        }
        if (!wr_out_flush(&l->out) || !follow)
            return WR_EXIT_OK;
        query = (struct wr_store_query){.after_n = l->last_n, .all_versions = true};
        nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000L}, NULL);
    }
}

/* Opens the store of a state directory, NULL: the usual one. */
static struct wr_store *open_store(const char *dir)
{
    struct wr_config config;
    struct wr_buf path = {0}, error = {0};
    struct wr_store *store = NULL;
    if (!wr_config_init(&config))
        return NULL;
    config.state_dir = dir;
    config.rules[config.nrules++] = ""; /* not looked for */
    const char *missing = wr_config_settle(&config);
    wr_buf_fmt(&path, "%s/" WR_STATE_STORE, config.state_dir ? config.state_dir : "");
    wr_buf_char(&path, '\0');
    if (missing)
        wr_cli_error("%s", missing);
    else if (path.err)
        wr_cli_error("%s", wr_strerror(path.err));
    else if (access(path.data, F_OK) != 0)
        wr_cli_error(
            "no alerts: there is no %s; did weir run ever start with this state directory? (see --state)",
            path.data);
    else if (wr_store_open(path.data, WR_STORE_READ, &error, &store))
        wr_cli_error("%.*s", (int)error.len, error.len ? error.data : "cannot open the store");
    wr_buf_fini(&path);
    wr_buf_fini(&error);
    wr_config_fini(&config);
    return store;
}

int wr_cmd_alerts(int argc, char **argv)
{
    static const char *const formats[] = {"jsonl", "table", NULL};
    struct wr_args args;
    struct wr_store_query query = {0};
    const char *dir = NULL;
    int key, format = isatty(STDOUT_FILENO);
    bool ok = true, follow = false;
    wr_args_init(&args, &spec, argc, argv);
    while (ok && (key = wr_args_next(&args)) != WR_ARGS_END) {
        if (key == WR_ARGS_STOP)
            return args.code;
        if (key == 's')
            dir = args.value;
        else if (key == KEY_SINCE)
            ok = long_ago(args.value, &query.since_ticks) || wr_args_time(&args, &query.since_ticks);
        else if (key == 'n')
            ok = wr_args_number(&args, 1, UINT32_MAX, &query.limit);
        else if (key == 'a')
            query.all_versions = true;
        else if (key == 'f')
            ok = wr_args_choice(&args, formats, &format);
        else
            follow = true;
    }
    if (!ok)
        return WR_EXIT_USAGE;
    if (wr_args_operands(&args) != argc)
        return wr_args_mistake(&spec, "it takes no argument such as '%s'", argv[wr_args_operands(&args)]);
    if (follow && !query.limit && !query.since_ticks)
        query.limit = FOLLOW_FROM;
    struct wr_store *store = open_store(dir);
    if (!store)
        return WR_EXIT_FOUND;
    struct listing l = {.table = format == 1};
    wr_out_init(&l.out, STDOUT_FILENO);
    int code = wr_out_fini(&l.out, list(store, &l, query, follow));
    wr_store_close(store);
    return code;
}
