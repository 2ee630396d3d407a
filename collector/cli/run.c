#include "collector/cli/run.h"

#include "collector/cli/args.h"
#include "collector/cli/cli.h"
#include "collector/cli/lists.h"
#include "collector/cli/elemfiles.h"
#include "collector/cli/mapfiles.h"
#include "collector/cli/rulefiles.h"
#include "collector/ops/notify.h"
#include "collector/ops/oplog.h"
#include "collector/pipeline/core.h"
#include "collector/pipeline/owner.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
    OPT_RULES = 256,
    OPT_STATE,
    OPT_WORKERS,
    OPT_BATCH_ROWS,
    OPT_LISTEN,
    OPT_STDIN,
    OPT_HTTP,
    OPT_ORPHANS,
    OPT_NO_STDOUT,
    OPT_RECOVER
};

static const struct wr_opt options[] = {
    {"config", "FILE",
     "configuration (YAML); without one the defaults run, see\ndeploy/weir.yaml for all settings", 'c'},
    {"rules", "PATH",
     "rule file or directory (.kql, .yaml, .json); may be given again;\nelse the library that came with weir",
     OPT_RULES},
    {"state", "DIR", "state directory; else $STATE_DIRECTORY, /var/lib/weir as\nroot, ~/.local/state/weir",
     OPT_STATE},
    {"workers", "N", "receiving threads (1 to 64); else one a CPU, at most 4", OPT_WORKERS},
    {"batch-rows", "N", "rows worked on together (1 to 65535; 1024)", OPT_BATCH_ROWS},
    {"listen", "KIND=ADDR",
     "listen on a port or ADDRESS:PORT; KIND is flow_udp, flow_tcp,\nflow_tls, syslog_udp, syslog_tcp, syslog_tls, forward or\nforward_tls. May "
     "be given again; the first of a kind replaces that kind's\ndefaults. KIND=off listens on none",
     OPT_LISTEN},
    {"stdin", NULL,
     "read syslog and JSON lines on standard input, too; when it\nends and every listener is off, weir stops", OPT_STDIN},
    {"http", "ADDR", "address of /metrics and /healthz, or off (127.0.0.1:8686)", OPT_HTTP},
    {"orphans", "WHERE",
     "where flows go that no endpoint event explains: auto, events\n(DeviceNetworkEvents), table "
     "(FlowOrphans)",
     OPT_ORPHANS},
    {"no-stdout", NULL, "do not write alerts to standard output", OPT_NO_STDOUT},
    {"recover", NULL, "start although no snapshot in the state directory is whole", OPT_RECOVER},
    {0},
};

static const struct wr_args_spec spec = {
    .name = "run",
    .usage = "[OPTION]...",
    .about = "Receives NetFlow, IPFIX and sFlow (UDP 2055, 4739 and 6343, IPFIX also TCP 4739) and\n"
             "syslog and JSON lines (UDP and TCP 5514), runs the rules on them and gives out alerts:\n"
             "as JSON lines on standard output, in the store of the state directory (weir alerts),\n"
             "and to every receiver that the configuration names. TLS listeners need a certificate\n"
             "in the configuration. SIGHUP reads rules, configuration and certificates again,\n"
             "SIGTERM stops.",
    .opts = options,
    .examples = "  weir run\n"
                "  weir run -c /etc/weir/weir.yaml\n"
                "  weir run --rules my-rules --state /tmp/weir --listen flow_udp=127.0.0.1:9995\n"
                "  tail -F /var/log/app.json | weir run --stdin\n",
};

/* What file and command line say together. */
struct settings {
    struct wr_config config;
    const char *path;
    bool rules_given, kind_given[WR_LISTEN_NKINDS], recover;
};

struct run {
    int argc;
    char **argv;
    struct settings start;      /* what it runs with; changed by reloads, whose texts live in `reloaded` */
    struct wr_config *reloaded; /* the last one; NULL: none */
    struct wr_listfiles *lists; /* what the rules that run read beside events */
    uv_timer_t lists_timer;
    uv_loop_t loop;
    struct wr_owner owner;
    uv_signal_t signals[3];
    uv_timer_t watchdog;
};

/* ---- command line and configuration ---- */

static int opt_listen(struct settings *set, const char *value)
{
    for (int kind = 0; kind < WR_LISTEN_NKINDS; kind++) {
        const char *name = wr_listen_kind_name((enum wr_listen_kind)kind);
        size_t len = strlen(name);
        if (strncmp(value, name, len) != 0 || value[len] != '=')
            continue;
        if (!set->kind_given[kind])
            wr_config_unlisten(&set->config, (enum wr_listen_kind)kind);
        set->kind_given[kind] = true;
        if (strcmp(value + len + 1, "off") == 0)
            return 0;
        const char *wrong = wr_config_listen(&set->config, (enum wr_listen_kind)kind, value + len + 1);
        return wrong ? wr_args_mistake(&spec, "--listen %s: %s", value, wrong) : 0;
    }
    return wr_args_mistake(&spec, "--listen %s: KIND=ADDR with flow_udp, flow_tcp, flow_tls, syslog_udp, syslog_tcp, syslog_tls, forward or forward_tls",
                           value);
}

static int opt_stdin(struct settings *set)
{
    if (fcntl(STDIN_FILENO, F_GETFD) < 0) /* else weir's next file would have its number */
        return wr_args_mistake(&spec, "--stdin: standard input is closed");
    const char *wrong = wr_config_listen_stdin(&set->config);
    return wrong ? wr_args_mistake(&spec, "--stdin: %s", wrong) : 0;
}

static int opt_http(struct settings *set, const char *value)
{
    set->config.http_on = strcmp(value, "off") != 0;
    const char *wrong = set->config.http_on ? wr_listen_parse(&set->config.http, value, 8686) : NULL;
    return wrong ? wr_args_mistake(&spec, "--http %s: %s", value, wrong) : 0;
}

static int opt_rules(struct settings *set, const char *value)
{
    if (!set->rules_given)
        set->config.nrules = 0; /* the command line replaces the file's list */
    set->rules_given = true;
    if (set->config.nrules == WR_CONFIG_MAX_RULES)
        return wr_args_mistake(&spec, "--rules: more than %d", WR_CONFIG_MAX_RULES);
    set->config.rules[set->config.nrules++] = value;
    return 0;
}

static int set_option(struct settings *set, const struct wr_args *args, int key)
{
    static const char *const orphans[] = {"auto", "events", "table", NULL};
    int choice = 0;
    switch (key) {
    case 'c':
        return 0; /* read before */
    case OPT_RULES:
        return opt_rules(set, args->value);
    case OPT_STATE:
        set->config.state_dir = args->value;
        return 0;
    case OPT_WORKERS:
        return wr_args_number(args, 1, WR_MAX_WORKERS, &set->config.workers) ? 0 : WR_EXIT_USAGE;
    case OPT_BATCH_ROWS:
        return wr_args_number(args, 1, 65535, &set->config.batch_rows) ? 0 : WR_EXIT_USAGE;
    case OPT_LISTEN:
        return opt_listen(set, args->value);
    case OPT_STDIN:
        return opt_stdin(set);
    case OPT_HTTP:
        return opt_http(set, args->value);
    case OPT_ORPHANS:
        if (!wr_args_choice(args, orphans, &choice))
            return WR_EXIT_USAGE;
        set->config.orphans = (enum wr_config_orphans)choice;
        return 0;
    case OPT_NO_STDOUT:
        set->config.stdout_alerts = false;
        return 0;
    default:
        set->recover = true;
        return 0;
    }
}

/* 0, or the exit code. */
static int load_config(struct wr_config *config, const char *path)
{
    return wr_cli_config(config, path) ? 0 : WR_EXIT_FOUND;
}

/* Two passes: the file first, so that every option wins over it wherever it stands. -1 goes on. */
static int read_settings(struct settings *set, int argc, char **argv)
{
    struct wr_args args;
    int key;
    wr_args_init(&args, &spec, argc, argv);
    while ((key = wr_args_next(&args)) >= 0)
        if (key == 'c')
            set->path = args.value;
    if (key == WR_ARGS_STOP)
        return args.code;
    if (wr_args_operands(&args) < argc)
        return wr_args_mistake(&spec, "run takes no operand: '%s'", argv[wr_args_operands(&args)]);
    int code = set->path ? load_config(&set->config, set->path) : 0;
    if (code)
        return code;
    wr_args_init(&args, &spec, argc, argv);
    while ((key = wr_args_next(&args)) >= 0)
        if ((code = set_option(set, &args, key)))
            return code;
    const char *wrong = wr_config_settle(&set->config);
    if (wrong) {
        wr_cli_error("%s", wrong);
        return WR_EXIT_FOUND;
    }
    return -1;
}

/* ---- rules ---- */

struct loading {
    struct wr_ruleset *rules;
    const struct wr_ruleset *running; /* NULL: at the start */
    uint32_t errors, files;           /* in rules; files with any */
    bool lost;                        /* a rule that runs stands in a file that is now wrong */
};

/* A rule that is wrong stops no other: public collections have some that no collector can run. */
static void add_rule_file(void *arg, const char *path, const char *text, size_t len)
{
    struct loading *l = arg;
    struct wr_diags diags;
    if (!wr_diags_init(&diags)) {
        l->lost = true;
        return;
    }
    enum wr_err err = wr_ruleset_add(l->rules, path, text, len, &diags);
    if (err && !diags.nerrors)
        wr_diag_file(&diags, WR_ERROR, path, 0, "%s", wr_strerror(err));
    wr_cli_diags(&diags);
    l->errors += diags.nerrors - diags.nrepeated;
    l->files += diags.nerrors > 0;
    if (diags.nerrors && l->running && wr_ruleset_from(l->rules, path) < wr_ruleset_from(l->running, path)) {
        wr_cli_error("%s: a rule of this file runs and is wrong now: nothing is reloaded before it is mended", path);
        l->lost = true;
    }
    wr_diags_fini(&diags);
}

static void tell_left_out(const struct loading *l)
{
    uint32_t nleft;
    const struct wr_left_out *left = wr_ruleset_left_out(l->rules, &nleft);
    for (uint32_t i = 0; i < nleft; i++)
        wr_oplog(WR_OPLOG_WARN, "rules are left out: a table is not here", "table", left[i].table, "why", left[i].why, "rules",
                 WR_FMT("%u", left[i].rules), NULL);
    if (l->files)
        wr_oplog(WR_OPLOG_ERROR, "rules are refused, the others run: `weir check` says what is wrong", "files",
                 WR_FMT("%u", l->files), "errors", WR_FMT("%u", l->errors), NULL);
}

/* Owned, as is *ret_lists, which they read; NULL after the messages were printed. `running`: the rules that these shall
 * replace, or NULL. */
static struct wr_ruleset *load_rules(const struct wr_config *config, const struct wr_ruleset *running,
                                     struct wr_listfiles **ret_lists)
{
    struct loading l = {.rules = wr_ruleset_new(), .running = running};
    struct wr_diags diags;
    if (!wr_diags_init(&diags) || !l.rules) {
        wr_cli_error("out of memory");
        wr_ruleset_unref(l.rules);
        return NULL;
    }
    unsigned unread = 0;
    struct wr_listfiles *lists = wr_listfiles_new(config, config->rules, config->nrules, &diags);
    wr_cli_diags(&diags);
    if (lists)
        wr_ruleset_refdata(l.rules, wr_listfiles_refdata(lists));
    for (uint32_t i = 0; lists && i < config->nrules; i++)
        unread += wr_rulefiles(config->rules[i], add_rule_file, &l);
    bool bad = diags.nerrors > 0 || unread > 0 || !lists || l.lost;
    if (!bad && wr_ruleset_count(l.rules) == 0) {
        wr_cli_error("no rule in %s that can run: give a directory with .kql, .yaml or .json files with --rules",
                     config->rules[0]);
        bad = true;
    }
    wr_diags_fini(&diags);
    if (!bad) {
        tell_left_out(&l);
        *ret_lists = lists;
        return l.rules;
    }
    wr_ruleset_unref(l.rules);
    wr_listfiles_free(lists);
    return NULL;
}

/* ---- running ---- */

/* The texts of a reload that was taken live on, those of the one before it go; a refused one leaves nothing. */
static void keep_texts(struct run *run, struct settings *next, bool taken)
{
    struct wr_config *gone = next ? &next->config : NULL;
    if (taken) {
        gone = run->reloaded;
        run->reloaded = &next->config; /* the first member of what was allocated */
    }
    if (gone)
        wr_config_fini(gone);
    free(gone);
}

/* Files of lists that changed are read again; windowed rules run again over them. */
static void on_lists(uv_timer_t *timer)
{
    struct run *run = timer->data;
    struct wr_diags diags;
    struct wr_buf text = {0};
    if (run->owner.phase != WR_OWNER_RUNNING || !wr_diags_init(&diags))
        return;
    bool changed = wr_listfiles_check(run->lists, &diags);
    wr_diags_print(&diags, &text);
    wr_buf_char(&text, '\0');
    if (diags.first)
        wr_oplog(diags.nerrors ? WR_OPLOG_ERROR : WR_OPLOG_WARN,
                 diags.nerrors ? "a list is wrong; its old content stays" : "about lists", "detail",
                 text.err ? "" : text.data, NULL);
    if (changed) {
        wr_owner_refdata_changed(&run->owner);
        wr_oplog(WR_OPLOG_INFO, "lists were read again", NULL);
    }
    wr_buf_fini(&text);
    wr_diags_fini(&diags);
}

static void watch_lists(struct run *run, int64_t every_ns)
{
    uint64_t ms = (uint64_t)every_ns / 1000000;
    run->lists_timer.data = run;
    uv_timer_start(&run->lists_timer, on_lists, ms, ms);
}

/* File and command line are read again as at the start; whatever is wrong was printed with its place. */
static enum wr_err read_again(struct run *run, struct settings *next, struct wr_ruleset **ret_rules)
{
    if (!wr_config_init(&next->config))
        return WR_ENOMEM;
    if (read_settings(next, run->argc, run->argv) >= 0)
        return WR_EINVAL;
    struct wr_listfiles *lists = NULL;
    *ret_rules = load_rules(&next->config, wr_core_rules(run->owner.core), &lists);
    next->config.hostnames = *ret_rules ? wr_listfiles_names(lists) : NULL;
    enum wr_err err = *ret_rules ? wr_owner_reload(&run->owner, *ret_rules, &next->config) : WR_EINVAL;
    if (err) {
        wr_ruleset_unref(*ret_rules); /* before what it reads */
        *ret_rules = NULL;
        wr_listfiles_free(lists);
        return err;
    }
    wr_listfiles_free(run->lists);
    run->lists = lists;
    watch_lists(run, next->config.lists_check_ns);
    return WR_OK;
}

static void reload(struct run *run)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    (void)wr_notify(
        WR_FMT("RELOADING=1\nMONOTONIC_USEC=%lld", (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000));
    struct wr_ruleset *rules = NULL;
    struct settings *next = calloc(1, sizeof *next);
    uint64_t counted = run->owner.stats.reload_errors;
    enum wr_err err = next ? read_again(run, next, &rules) : WR_ENOMEM;
    if (err) {
        run->owner.stats.reload_errors = counted + 1;
        wr_oplog(WR_OPLOG_ERROR, "reload refused; the old rules and settings go on", "error",
                 wr_strerror(err), NULL);
    } else {
        wr_oplog(WR_OPLOG_INFO, "reloaded", "rules", WR_FMT("%u", wr_ruleset_count(rules)), "receivers",
                 WR_FMT("%u", run->owner.nsinks), NULL);
    }
    keep_texts(run, next, !err);
    wr_ruleset_unref(rules);
    (void)wr_notify("READY=1");
}

static void stop(struct run *run)
{
    (void)wr_notify("STOPPING=1");
    for (int i = 0; i < 3; i++)
        uv_close((uv_handle_t *)&run->signals[i], NULL); /* a second one ends the process at once */
    uv_close((uv_handle_t *)&run->watchdog, NULL);
    uv_close((uv_handle_t *)&run->lists_timer, NULL);
    wr_owner_stop(&run->owner);
}

static void on_signal(uv_signal_t *handle, int signum)
{
    struct run *run = handle->data;
    if (signum == SIGHUP) {
        if (run->owner.phase == WR_OWNER_RUNNING)
            reload(run);
        return;
    }
    wr_oplog(WR_OPLOG_INFO, "stopping", "signal", signum == SIGTERM ? "SIGTERM" : "SIGINT", NULL);
    stop(run);
}

/* What it gave is in the rings, and the stop works through them. */
static void on_input_end(void *arg)
{
    struct run *run = arg;
    bool alone = run->start.config.nlisten == 1;
    wr_oplog(WR_OPLOG_INFO, alone ? "standard input ended and nothing else listens: stopping"
                                  : "standard input ended; the listeners go on", NULL);
    if (alone)
        stop(run);
}

static void on_watchdog(uv_timer_t *timer)
{
    (void)timer;
    (void)wr_notify("WATCHDOG=1");
}

static void arm(struct run *run)
{
    static const int numbers[3] = {SIGTERM, SIGINT, SIGHUP};
    for (int i = 0; i < 3; i++) {
        uv_signal_init(&run->loop, &run->signals[i]);
        run->signals[i].data = run;
        uv_signal_start(&run->signals[i], on_signal, numbers[i]);
    }
    uint64_t every = wr_notify_watchdog_ms();
    uv_timer_init(&run->loop, &run->watchdog);
    uv_timer_init(&run->loop, &run->lists_timer);
    watch_lists(run, run->start.config.lists_check_ns);
    if (every)
        uv_timer_start(&run->watchdog, on_watchdog, every, every);
}

/* What listens where, in one line; and what the kernel did not give. */
static void say_ready(const struct run *run)
{
    const struct wr_config *c = &run->start.config;
    struct wr_buf line = {0};
    for (int kind = 0; kind < WR_LISTEN_NALL; kind++) {
        const char *before = line.len ? "; " : "";
        for (uint32_t i = 0; i < c->nlisten; i++) {
            if ((int)c->listen[i].kind != kind)
                continue;
            if (before)
                wr_buf_fmt(&line, "%s%s ", before, wr_listen_kind_name((enum wr_listen_kind)kind));
            else
                wr_buf_str(&line, ", ");
            wr_buf_str(&line, c->listen[i].text);
            before = NULL;
        }
    }
    wr_buf_char(&line, '\0');
    wr_oplog(WR_OPLOG_INFO, "ready", "listen", line.err ? "" : line.data, "http",
             c->http_on ? c->http.text : "off", "rules",
             WR_FMT("%u", wr_ruleset_count(wr_core_rules(run->owner.core))), "workers",
             WR_FMT("%u", c->workers), "state", c->state_dir, NULL);
    wr_buf_fini(&line);
    const struct wr_worker *w = &run->owner.workers[0];
    for (uint32_t i = 0; i < w->nlisteners; i++) {
        uint32_t got = w->listeners[i].udp.receive_buffer;
        if (got && got < c->receive_buffer_bytes) {
            wr_oplog(WR_OPLOG_WARN, "the kernel gave a small receive buffer: bursts may be dropped", "bytes",
                     WR_FMT("%u", got), "remedy",
                     WR_FMT("sysctl -w net.core.rmem_max=%llu, or CAP_NET_ADMIN",
                            (unsigned long long)c->receive_buffer_bytes),
                     NULL);
            return; /* they all got the same */
        }
    }
}

static int serve(struct run *run, struct wr_ruleset *rules)
{
    struct wr_buf error = {0};
    enum wr_err err =
        wr_owner_start(&run->owner, wr_io_real(), &run->start.config, rules, run->start.recover, &run->loop, &error);
    if (err) {
        wr_buf_char(&error, '\0');
        wr_cli_error("%s", error.err || error.len < 2 ? wr_strerror(err) : error.data);
    } else {
        arm(run);
        run->owner.on_input_end_arg = run;
        run->owner.on_input_end = on_input_end;
        say_ready(run);
        (void)wr_notify("READY=1");
        uv_run(&run->loop, UV_RUN_DEFAULT);
        wr_oplog(WR_OPLOG_INFO, "stopped", NULL);
    }
    wr_owner_fini(&run->owner);
    wr_buf_fini(&error);
    return err ? WR_EXIT_FOUND : WR_EXIT_OK;
}

/* One descriptor a connection: the soft limit (1024 by default) is below what is allowed. */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max < 65536 ? limit.rlim_max : 65536;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* less only means fewer connections */
}

int wr_cmd_run(int argc, char **argv)
{
    static struct run run; /* large; there is one */
    run.argc = argc;
    run.argv = argv;
    if (!wr_config_init(&run.start.config)) {
        wr_cli_error("out of memory");
        return WR_EXIT_FOUND;
    }
    int code = read_settings(&run.start, argc, argv);
    if (code >= 0) {
        wr_config_fini(&run.start.config);
        return code;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    raise_file_limit();
    struct wr_config *config = &run.start.config;
    struct wr_mappings *mappings = wr_mapfiles_load(config->mapping_paths, config->nmapping_paths);
    struct wr_model *model = mappings ? wr_elemfiles_load(config->element_paths, config->nelement_paths) : NULL;
    struct wr_ruleset *rules = model ? load_rules(config, NULL, &run.lists) : NULL;
    config->mappings = mappings;
    config->model = model;
    config->hostnames = rules ? wr_listfiles_names(run.lists) : NULL;
    if (!rules || uv_loop_init(&run.loop) != 0) {
        wr_ruleset_unref(rules);
        wr_listfiles_free(run.lists);
        wr_mappings_free(mappings);
        wr_model_free(model);
        wr_config_fini(config);
        return WR_EXIT_FOUND;
    }
    code = serve(&run, rules);
    wr_ruleset_unref(rules);
    uv_run(&run.loop, UV_RUN_DEFAULT); /* handles that were just closed */
    uv_loop_close(&run.loop);
    wr_listfiles_free(run.lists);
    if (run.reloaded)
        wr_config_fini(run.reloaded);
    free(run.reloaded);
    wr_mappings_free(mappings);
    wr_model_free(model);
    wr_config_fini(config);
    return code;
}
