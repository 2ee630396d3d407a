#include "collector/cli/cli.h"
#include "collector/lists/zones.h"

#include "collector/cli/args.h"
#include "collector/cli/out.h"
#include "collector/cli/run.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
};

static const struct command commands[] = {
    {"run", wr_cmd_run, "receive flows and syslog, run the rules, send alerts: the daemon"},
    {"check", wr_cmd_check, "say what is wrong in rules and configuration, and where"},
    {"explain", wr_cmd_explain, "show how a rule runs: plan, pushdown, window, memory bound"},
    {"replay", wr_cmd_replay, "run the rules over captures and logs; print the alerts"},
    {"query", wr_cmd_query, "run a KQL query over captures and logs; print its result"},
    {"decode", wr_cmd_decode, "print every flow record of a file as JSON"},
    {"probe", wr_cmd_probe, "say what becomes of each message: layout, columns, unused fields"},
    {"tables", wr_cmd_tables, "list tables, their columns and types"},
    {"alerts", wr_cmd_alerts, "print the alerts that a running weir has raised"},
    {"exporters", wr_cmd_exporters, "who sends flows: templates, rates, loss, sampling, last error"},
};
enum { NCOMMANDS = sizeof commands / sizeof *commands };

static int print_text(const char *text, size_t len)
{
    struct wr_out out;
    wr_out_init(&out, STDOUT_FILENO);
    wr_buf_add(&out.buf, text, len);
    return wr_out_fini(&out, WR_EXIT_OK);
}

static int print_help(void)
{
    struct wr_buf text = {0};
    wr_buf_str(
        &text,
        "Usage: weir COMMAND [OPTION]... [ARGUMENT]...\n\n"
        "Runs KQL detections on NetFlow, IPFIX and syslog, and forwards only the alerts.\n\nCommands:\n");
    for (int i = 0; i < NCOMMANDS; i++)
        wr_buf_fmt(&text, "  %-9s %s\n", commands[i].name, commands[i].help);
    wr_buf_str(&text,
               "\nOptions:\n"
               "  -h, --help     this text; `weir COMMAND --help` tells more\n"
               "  -V, --version  the version\n\n"
               "Exit code: 0 all well, 1 errors in the input or files, 2 a mistake in the command line.\n");
    int code = text.err ? WR_EXIT_FOUND : print_text(text.data, text.len);
    wr_buf_fini(&text);
    return code;
}

static int unknown_command(const char *word)
{
    const char *names[NCOMMANDS + 1] = {0};
    if (word[0] == '-') {
        wr_cli_error("there is no option %s before a command (see weir --help)", word);
        return WR_EXIT_USAGE;
    }
    for (int i = 0; i < NCOMMANDS; i++)
        names[i] = commands[i].name;
    const char *near = wr_args_near(word, names);
    wr_cli_error("there is no command '%s'%s%s%s (see weir --help)", word, near ? "; did you mean '" : "",
                 near ? near : "", near ? "'?" : "");
    return WR_EXIT_USAGE;
}

int wr_cli_main(int argc, char **argv)
{
    wr_zones_from(wr_system_zones);
    signal(SIGPIPE, SIG_IGN); /* a reader that goes away is seen as EPIPE: nothing more is written then */
    const char *word = argc > 1 ? argv[1] : "";
    if (!*word) {
        print_help();
        return WR_EXIT_USAGE;
    }
    if (!strcmp(word, "-V") || !strcmp(word, "--version"))
        return print_text("weir " WR_VERSION "\n", sizeof "weir " WR_VERSION);
    char *help[] = {argc > 2 ? argv[2] : NULL, (char[]){"--help"}, NULL};
    bool asked = !strcmp(word, "help");
    if (!strcmp(word, "-h") || !strcmp(word, "--help") || (asked && !help[0]))
        return print_help();
    if (asked)
        word = help[0];
    for (int i = 0; i < NCOMMANDS; i++)
        if (!strcmp(word, commands[i].name))
            return asked ? commands[i].run(2, help) : commands[i].run(argc - 1, argv + 1);
    return unknown_command(word);
}
