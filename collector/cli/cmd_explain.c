#include "collector/cli/args.h"
#include "collector/cli/cli.h"
#include "collector/cli/lists.h"
#include "collector/cli/out.h"
#include "collector/cli/rulefiles.h"
#include "rules/rules.h"

#include <string.h>
#include <unistd.h>

static const struct wr_opt options[] = {
    {"config", "FILE", "configuration whose `lists:` (watchlists, externaldata, tables,\nfunctions, geo) rules may read", 'c'},
    {0},
};

static const struct wr_args_spec spec = {
    "explain",
    "[OPTION]... RULE...",
    "Shows how rules run: the plan, what the decoders can test before they decode the rest\n"
    "(pushdown), the window and where it comes from, the most memory it may take, and whether\n"
    "each result is exact. RULE is a .kql, .yaml or .json file, a directory of them, or -\n"
    "for KQL on standard input.",
    options,
    "  weir explain rules/library/T1071.003-mail-protocols.yaml",
};

struct explain {
    struct wr_ruleset *rules;
    unsigned errors;
};

static void add_rule(void *arg, const char *path, const char *text, size_t len)
{
    struct explain *e = arg;
    struct wr_diags diags;
    if (!wr_diags_init(&diags)) {
        e->errors++;
        return;
    }
    enum wr_err err =
        wr_ruleset_add(e->rules, strcmp(path, "-") ? path : "standard-input.kql", text, len, &diags);
    wr_cli_diags(&diags);
    if (err && !diags.nerrors)
        wr_cli_error("%s: %s", path, wr_strerror(err));
    e->errors += diags.nerrors + (err != WR_OK);
    wr_diags_fini(&diags);
}

int wr_cmd_explain(int argc, char **argv)
{
    struct wr_args args;
    wr_args_init(&args, &spec, argc, argv);
    const char *config = NULL;
    for (int key; (key = wr_args_next(&args)) != WR_ARGS_END; config = args.value)
        if (key == WR_ARGS_STOP)
            return args.code;
    int at = wr_args_operands(&args);
    if (at == argc)
        return wr_args_mistake(&spec, "no rule given");
    struct explain e = {.rules = wr_ruleset_new()};
    if (!e.rules) {
        wr_cli_error("%s", wr_strerror(WR_ENOMEM));
        return WR_EXIT_FOUND;
    }
    struct wr_cli_lists lists;
    if (!wr_cli_lists_init(&lists, config, (const char *const *)argv + at, (uint32_t)(argc - at))) {
        wr_cli_lists_fini(&lists);
        wr_ruleset_unref(e.rules);
        return WR_EXIT_FOUND;
    }
    wr_ruleset_refdata(e.rules, wr_cli_lists_refdata(&lists));
    for (; at < argc; at++)
        e.errors += wr_rulefiles(argv[at], add_rule, &e);
    struct wr_out out;
    wr_out_init(&out, STDOUT_FILENO);
    if (wr_ruleset_count(e.rules))
        wr_ruleset_explain(e.rules, &out.buf);
    wr_ruleset_unref(e.rules);
    wr_cli_lists_fini(&lists);
    return wr_out_fini(&out, e.errors ? WR_EXIT_FOUND : WR_EXIT_OK);
}
