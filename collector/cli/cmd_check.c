#include "base/yaml.h"
#include "collector/cli/args.h"
#include "collector/cli/cli.h"
#include "collector/cli/lists.h"
#include "collector/cli/out.h"
#include "collector/cli/rulefiles.h"
#include "collector/config/config.h"
#include "collector/io/tls.h"
#include "parsers/flow/elements.h"
#include "parsers/log/mapping.h"
#include "rules/rules.h"

#include <errno.h>
#include <glob.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct wr_opt options[] = {
    {"format", "WORD", "text or json", 'f'},
    {"config", "FILE", "configuration whose `lists:` (watchlists, externaldata, tables,\nfunctions, geo) rules may read", 'c'},
    {0},
};

static const struct wr_args_spec spec = {
    "check",
    "[OPTION]... FILE...",
    "Says what is wrong in rules (.kql, .yaml, .json), mappings, element files (.xml) and\n"
    "configuration files, with place and remedy. A directory stands for all rules in it and\n"
    "below; - is standard input, read as KQL. Rules are checked together, as `weir run` loads\n"
    "them. Exit code 1 when there is an error; warnings alone are none.",
    options,
    "  weir check rules/\n"
    "  weir check --format json /etc/weir/weir.yaml my-rule.kql | jq '.[].message'",
};

struct check {
    struct wr_ruleset *rules;
    struct wr_mappings *mappings;
    struct wr_model *model;
    struct wr_out out;
    bool json, any;
    unsigned files, errors, warnings;
};

/* A YAML file is a rule when it says anything that Sentinel's rules say, else a configuration; so is one that
 * has all its settings commented out. */
static bool is_config(const char *name, const char *text, size_t len)
{
    static const char *const rule_keys[] = {"id", "name", "query", "description", "severity", "kind",
                                            "queryFrequency", "queryPeriod", "triggerOperator",
                                            "triggerThreshold", "tactics", "relevantTechniques",
                                            "entityMappings", "version"};
    const char *dot = strrchr(name, '.');
    if (!dot || (strcmp(dot, ".yaml") && strcmp(dot, ".yml") && strcmp(dot, ".conf")))
        return false;
    struct wr_diags unused;
    struct wr_yaml *file = NULL;
    bool config = false;
    if (wr_diags_init(&unused) && (file = wr_yaml_new(name, text, len, &unused))) {
        config = !file->ndocs || file->docs[0]->kind == WR_YAML_MAPPING;
        for (size_t i = 0; i < sizeof rule_keys / sizeof *rule_keys; i++)
            config = config && !(file->ndocs && wr_yaml_get(file->docs[0], rule_keys[i]));
    }
    wr_yaml_free(file);
    wr_diags_fini(&unused);
    return config;
}

/* A mapping says how its records are told apart and what columns they fill; no other file says either. */
static bool is_mapping(const char *name, const char *text, size_t len)
{
    const char *dot = strrchr(name, '.');
    struct wr_diags unused;
    bool mapping = false;
    if (!dot || (strcmp(dot, ".yaml") && strcmp(dot, ".yml")) || !wr_diags_init(&unused))
        return false;
    struct wr_yaml *file = wr_yaml_new(name, text, len, &unused);
    if (file && file->ndocs)
        mapping = (wr_yaml_get(file->docs[0], "columns") || wr_yaml_get(file->docs[0], "when")) &&
                  !wr_yaml_get(file->docs[0], "query");
    wr_yaml_free(file);
    wr_diags_fini(&unused);
    return mapping;
}

static enum wr_err check_elements(struct check *c, const char *name, const char *text, size_t len,
                                  struct wr_diags *diags)
{
    struct wr_buf error = {0};
    enum wr_err err = wr_model_add(c->model, text, len, &error);
    if (err)
        wr_diag_file(diags, WR_ERROR, name, 0, "no elements that can be used: %.*s", (int)error.len,
                     error.len ? error.data : "");
    wr_buf_fini(&error);
    return err;
}

static void check_path(const struct wr_yaml *file, const struct wr_yaml_node *node, const char *setting)
{
    if (node && node->kind == WR_YAML_SCALAR && !wr_yaml_is_null(node) && access(node->text, R_OK) != 0)
        wr_yaml_diag(file, node, WR_ERROR, "%s: cannot read '%s': %s", setting, node->text, strerror(errno));
}

/* A file that is read while it grows, or a pattern of such: it may come later, but what is there must be readable. */
static void check_tail(const struct wr_yaml *file, const struct wr_yaml_node *node)
{
    glob_t g;
    if (!node || node->kind != WR_YAML_SCALAR || node->text[0] != '/')
        return;
    bool pattern = strpbrk(node->text, "*?[") != NULL;
    if (glob(node->text, 0, NULL, &g) != 0) {
        bool hidden = !pattern && access(node->text, F_OK) != 0 && errno == EACCES;
        wr_yaml_diag(file, node, hidden ? WR_ERROR : WR_WARNING, "files: %s '%s'%s", pattern ? "nothing matches" : "there is no",
                     node->text, hidden ? ", or a directory of it may not be searched" : " yet: weir reads it when it comes");
        return;
    }
    for (size_t i = 0; i < g.gl_pathc; i++) {
        struct stat st;
        if (stat(g.gl_pathv[i], &st) == 0 && !S_ISREG(st.st_mode)) {
            if (!pattern)
                wr_yaml_diag(file, node, WR_ERROR, "files: '%s' is no file; what is in a directory is DIRECTORY/*", g.gl_pathv[i]);
        } else if (access(g.gl_pathv[i], R_OK) != 0) {
            wr_yaml_diag(file, node, WR_ERROR, "files: cannot read '%s': %s", g.gl_pathv[i], strerror(errno));
        }
    }
    globfree(&g);
}

/* Files and directories that a configuration names and that nothing has opened yet: one or a list. */
static void check_paths(const struct wr_config *config, const char *name, const char *text, size_t len,
                        struct wr_diags *diags)
{
    static const char *const lists[] = {"rules", "mappings", "elements"};
    static const char *const tls[] = {"tls_ca", "tls_cert", "tls_key"};
    static const char *const listeners[] = {"cert", "key", "client_ca"};
    uint32_t errors = diags->nerrors;
    struct wr_yaml *file = wr_yaml_new(name, text, len, diags);
    const struct wr_yaml_node *root = file && file->ndocs ? file->docs[0] : NULL;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        const struct wr_yaml_node *node = wr_yaml_get(root, lists[i]);
        check_path(file, node, lists[i]);
        for (uint32_t k = 0; node && node->kind == WR_YAML_SEQUENCE && k < node->n; k++)
            check_path(file, node->items[k], lists[i]);
    }
    const struct wr_yaml_node *tail = wr_yaml_get(root, "files");
    check_tail(file, tail);
    for (uint32_t k = 0; tail && tail->kind == WR_YAML_SEQUENCE && k < tail->n; k++)
        check_tail(file, tail->items[k]);
    const struct wr_yaml_node *listen_tls = wr_yaml_get(root, "tls"), *cert = wr_yaml_get(listen_tls, "cert");
    for (size_t i = 0; i < sizeof listeners / sizeof *listeners; i++)
        check_path(file, wr_yaml_get(listen_tls, listeners[i]), listeners[i]);
    if (cert && config->tls_cert && diags->nerrors == errors) {
        struct wr_buf error = {0};
        struct wr_tls_server *server =
            wr_tls_server_new(config->tls_cert, config->tls_key, config->tls_client_ca, &error);
        if (!server)
            wr_yaml_diag(file, cert, WR_ERROR, "tls: %.*s", (int)error.len, error.len ? error.data : "");
        wr_tls_server_free(server);
        wr_buf_fini(&error);
    }
    const struct wr_yaml_node *forward = wr_yaml_get(root, "forward");
    for (uint32_t k = 0; forward && forward->kind == WR_YAML_SEQUENCE && k < forward->n; k++)
        for (size_t i = 0; i < sizeof tls / sizeof *tls; i++)
            check_path(file, wr_yaml_get(forward->items[k], tls[i]), tls[i]);
    wr_yaml_free(file);
}

static enum wr_err check_text(struct check *c, const char *name, const char *text, size_t len,
                              struct wr_diags *diags)
{
    const char *dot = strrchr(name, '.');
    if (dot && strcmp(dot, ".xml") == 0)
        return check_elements(c, name, text, len, diags);
    if (is_mapping(name, text, len))
        return wr_mappings_add(c->mappings, name, text, len, diags);
    if (!is_config(name, text, len))
        return wr_ruleset_add(c->rules, strcmp(name, "-") ? name : "standard-input.kql", text, len, diags);
    struct wr_config config;
    if (!wr_config_init(&config))
        return WR_ENOMEM;
    enum wr_err err = wr_config_load(&config, name, text, len, diags);
    if (!err) { /* and the files that it names */
        check_paths(&config, name, text, len, diags);
        struct wr_listfiles *files = wr_listfiles_new(&config, NULL, 0, diags);
        err = files ? WR_OK : WR_EINVAL;
        wr_listfiles_free(files);
    }
    wr_config_fini(&config);
    return err;
}

/* The messages of one file, joined to those of the files before it. */
static void tell(struct check *c, const struct wr_diags *diags)
{
    struct wr_buf *out = &c->out.buf;
    if (!c->json) {
        wr_diags_print(diags, out);
    } else if (diags->first) {
        struct wr_buf list = {0};
        wr_diags_json(diags, &list);
        const char *from = list.err ? NULL : memchr(list.data, '[', list.len);
        const char *to = from ? memrchr(list.data, ']', list.len) : NULL;
        wr_buf_str(out, c->any ? ",\n" : "");
        if (from && to)
            wr_buf_add(out, from + 1, (size_t)(to - from - 1));
        c->any = true;
        wr_buf_fini(&list);
    }
    wr_out_spill(&c->out);
}

static void check_file(void *arg, const char *path, const char *text, size_t len)
{
    struct check *c = arg;
    struct wr_diags diags;
    if (!wr_diags_init(&diags)) {
        c->errors++;
        return;
    }
    c->files++;
    enum wr_err err = check_text(c, path, text, len, &diags);
    if (err && !diags.nerrors)
        wr_diag_file(&diags, WR_ERROR, path, 0, "%s", wr_strerror(err));
    c->errors += diags.nerrors - diags.nrepeated;
    c->warnings += diags.nwarnings;
    tell(c, &diags);
    wr_diags_fini(&diags);
}

static void summary(struct check *c)
{
    if (c->json) {
        wr_buf_str(&c->out.buf, "]\n");
        return;
    }
    uint32_t rules = wr_ruleset_count(c->rules), ntables, left_out = 0;
    const struct wr_left_out *left = wr_ruleset_left_out(c->rules, &ntables);
    for (uint32_t i = 0; i < ntables; i++)
        left_out += left[i].rules;
    wr_buf_fmt(&c->out.buf, "%u file%s, %u rule%s", c->files, c->files == 1 ? "" : "s", rules, rules == 1 ? "" : "s");
    if (left_out)
        wr_buf_fmt(&c->out.buf, " and %u left out for a table", left_out);
    wr_buf_fmt(&c->out.buf, ": %u error%s, %u warning%s\n", c->errors, c->errors == 1 ? "" : "s", c->warnings,
               c->warnings == 1 ? "" : "s");
}

int wr_cmd_check(int argc, char **argv)
{
    static const char *const formats[] = {"text", "json", NULL};
    struct wr_args args;
    const char *config = NULL;
    int key, format = 0;
    wr_args_init(&args, &spec, argc, argv);
    while ((key = wr_args_next(&args)) != WR_ARGS_END)
        if (key == WR_ARGS_STOP)
            return args.code;
        else if (key == 'c')
            config = args.value;
        else if (!wr_args_choice(&args, formats, &format))
            return WR_EXIT_USAGE;
    int at = wr_args_operands(&args);
    if (at == argc)
        return wr_args_mistake(&spec, "no file given");
    struct check c = {
        .rules = wr_ruleset_new(), .mappings = wr_mappings_new(), .model = wr_model_new(), .json = format == 1};
    if (!c.rules || !c.mappings || !c.model) {
        wr_model_free(c.model);
        wr_ruleset_unref(c.rules);
        wr_mappings_free(c.mappings);
        wr_cli_error("%s", wr_strerror(WR_ENOMEM));
        return WR_EXIT_FOUND;
    }
    struct wr_cli_lists lists;
    if (!wr_cli_lists_init(&lists, config, (const char *const *)argv + at, (uint32_t)(argc - at))) {
        wr_cli_lists_fini(&lists);
        wr_ruleset_unref(c.rules);
        wr_mappings_free(c.mappings);
        return WR_EXIT_FOUND;
    }
    wr_ruleset_refdata(c.rules, wr_cli_lists_refdata(&lists));
    wr_out_init(&c.out, STDOUT_FILENO);
    if (c.json)
        wr_buf_char(&c.out.buf, '[');
    unsigned unread = 0;
    for (; at < argc; at++)
        unread += wr_rulefiles(argv[at], check_file, &c);
    summary(&c);
    wr_ruleset_unref(c.rules);
    wr_cli_lists_fini(&lists);
    wr_mappings_free(c.mappings);
    wr_model_free(c.model);
    return wr_out_fini(&c.out, c.errors || unread ? WR_EXIT_FOUND : WR_EXIT_OK);
}
