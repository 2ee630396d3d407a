#include "base/ticks.h"
#include "base/yaml.h"
#include "collector/config/config.h"
#include "collector/io/io.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What every reader below needs. A reader that fails has added its error; reading goes on to find the others.
 */
struct load {
    struct wr_config *config;
    struct wr_yaml *file;
    bool failed;
};

static const char *keep(struct load *load, const char *text)
{
    char *copy = wr_arena_strndup(load->config->arena, text, strlen(text));
    if (!copy)
        load->failed = true;
    return copy ? copy : "";
}

static void read_str(struct load *load, const struct wr_yaml_node *map, const char *key, const char **ret)
{
    const char *text = NULL;
    if (wr_yaml_str(load->file, map, key, &text) && text)
        *ret = keep(load, text);
}

static void read_u32(struct load *load, const struct wr_yaml_node *map, const char *key, int64_t min,
                     int64_t max, uint32_t *ret)
{
    int64_t v = *ret;
    if (wr_yaml_int(load->file, map, key, min, max, &v))
        *ret = (uint32_t)v;
}

static void read_ns(struct load *load, const struct wr_yaml_node *map, const char *key, int64_t min_ns,
                    int64_t max_ns, int64_t *ret_ns)
{
    int64_t ticks = *ret_ns / 100;
    if (wr_yaml_ticks(load->file, map, key, min_ns / 100, max_ns / 100, &ticks))
        *ret_ns = ticks * 100;
}

/* A text, or a list of texts, each given to `take`, which returns what is wrong with it or NULL. */
static void read_texts(struct load *load, const struct wr_yaml_node *node,
                       const char *(*take)(struct load *load, const char *text, int kind), int kind)
{
    uint32_t n = node->kind == WR_YAML_SEQUENCE ? node->n : 1;
    for (uint32_t i = 0; i < n; i++) {
        const struct wr_yaml_node *item = node->kind == WR_YAML_SEQUENCE ? node->items[i] : node;
        const char *wrong = "a text or a list of texts is expected here";
        if (item->kind == WR_YAML_SCALAR)
            wrong = take(load, keep(load, item->text), kind);
        if (wrong)
            wr_yaml_diag(load->file, item, WR_ERROR, "%s", wrong);
    }
}

static bool is_off(const struct wr_yaml_node *node)
{
    if (wr_yaml_is_null(node) || (node->kind == WR_YAML_SEQUENCE && node->n == 0))
        return true;
    return node->kind == WR_YAML_SCALAR &&
           (strcmp(node->text, "off") == 0 || strcmp(node->text, "false") == 0 ||
            strcmp(node->text, "no") == 0);
}

static const char *take_listen(struct load *load, const char *text, int kind)
{
    return wr_config_listen(load->config, (enum wr_listen_kind)kind, text);
}

static void read_listen(struct load *load, const struct wr_yaml_node *root)
{
    static const char *const known[] = {"flow_udp", "flow_tcp", "syslog_udp", "syslog_tcp",
                                        "forward", "flow_tls", "syslog_tls", "forward_tls", NULL};
    const struct wr_yaml_node *map = NULL;
    if (!wr_yaml_map(load->file, root, "listen", &map) || !map)
        return;
    (void)wr_yaml_only(load->file, map, known, WR_ERROR); /* counted in the list of messages */
    for (int kind = 0; kind < WR_LISTEN_NKINDS;
         kind++) /* first all out: a port may move from one kind to another */
        if (wr_yaml_get(map, known[kind]))
            wr_config_unlisten(load->config, (enum wr_listen_kind)kind);
    for (int kind = 0; kind < WR_LISTEN_NKINDS; kind++) {
        const struct wr_yaml_node *node = wr_yaml_get(map, known[kind]);
        if (node && !is_off(node))
            read_texts(load, node, take_listen, kind);
    }
}

static const char *take_files(struct load *load, const char *text, int kind)
{
    (void)kind;
    return wr_config_listen_files(load->config, text);
}

static void read_files(struct load *load, const struct wr_yaml_node *root)
{
    const struct wr_yaml_node *files = wr_yaml_get(root, "files");
    const char *from = "start";
    if (files && !is_off(files))
        read_texts(load, files, take_files, 0);
    if (!wr_yaml_str(load->file, root, "files_from", &from) || !from)
        return;
    load->config->files_from_end = strcmp(from, "end") == 0;
    if (!load->config->files_from_end && strcmp(from, "start") != 0)
        wr_yaml_diag(load->file, wr_yaml_get(root, "files_from"), WR_ERROR, "files_from is start or end, not '%s'", from);
}

/* The first line of a file with a secret; NULL after a message. */
static const char *secret_of(struct load *load, const struct wr_yaml_node *map, const char *key, const char *path)
{
    char *data;
    size_t len;
    int rc = wr_io_read_file(wr_io_real(), path, 65536, &data, &len);
    if (rc != 0) {
        wr_yaml_diag(load->file, wr_yaml_get(map, key), WR_ERROR, "cannot read '%s': %s", path, strerror(-rc));
        return NULL;
    }
    data[strcspn(data, "\r\n")] = '\0';
    const char *secret = keep(load, data);
    if (!*data)
        wr_yaml_diag(load->file, wr_yaml_get(map, key), WR_ERROR, "'%s' begins with an empty line", path);
    free(data);
    return secret;
}

static void read_forward_input(struct load *load, const struct wr_yaml_node *root)
{
    static const char *const known[] = {"shared_key", "shared_key_file", "self_hostname", "users", NULL};
    struct wr_forward_listen *f = &load->config->forward_listen;
    const struct wr_yaml_node *map = NULL, *users = NULL;
    const char *path = NULL;
    if (!wr_yaml_map(load->file, root, "forward_input", &map) || !map)
        return;
    (void)wr_yaml_only(load->file, map, known, WR_ERROR);
    read_str(load, map, "shared_key", &f->shared_key);
    read_str(load, map, "self_hostname", &f->self_hostname);
    read_str(load, map, "shared_key_file", &path);
    if (path)
        f->shared_key = secret_of(load, map, "shared_key_file", path);
    if (f->self_hostname && strlen(f->self_hostname) > 255)
        wr_yaml_diag(load->file, wr_yaml_get(map, "self_hostname"), WR_ERROR, "longer than 255 bytes");
    if (!wr_yaml_map(load->file, map, "users", &users) || !users)
        return;
    if (!f->shared_key)
        wr_yaml_diag(load->file, users, WR_ERROR, "users need shared_key: the protocol has no other log-in");
    for (uint32_t i = 0; i < users->n; i++) {
        const struct wr_yaml_pair *p = &users->pairs[i];
        if (f->nusers == WR_FORWARD_MAX_USERS || p->value->kind != WR_YAML_SCALAR) {
            wr_yaml_diag(load->file, p->key, WR_ERROR, "at most %d users: NAME: PASSWORD", WR_FORWARD_MAX_USERS);
            return;
        }
        f->users[f->nusers].name = keep(load, p->key->text);
        f->users[f->nusers++].password = keep(load, p->value->text);
    }
}

/* The files of the TLS listeners; whether they can be used is seen when they are opened. */
static void read_tls(struct load *load, const struct wr_yaml_node *root)
{
    static const char *const known[] = {"cert", "key", "client_ca", NULL};
    struct wr_config *c = load->config;
    const struct wr_yaml_node *map = NULL;
    if (wr_yaml_map(load->file, root, "tls", &map) && map) {
        (void)wr_yaml_only(load->file, map, known, WR_ERROR);
        read_str(load, map, "cert", &c->tls_cert);
        read_str(load, map, "key", &c->tls_key);
        read_str(load, map, "client_ca", &c->tls_client_ca);
    }
    for (uint32_t i = 0; i < c->nlisten; i++)
        if (wr_listen_is_tls(c->listen[i].kind) && !c->tls_cert) {
            wr_yaml_diag(load->file, wr_yaml_get(root, "listen"), WR_ERROR,
                         "%s needs a certificate: `tls: {cert: FILE, key: FILE}`", wr_listen_kind_name(c->listen[i].kind));
            return;
        }
}

static void read_http(struct load *load, const struct wr_yaml_node *root)
{
    const struct wr_yaml_node *node = wr_yaml_get(root, "http");
    if (!node)
        return;
    load->config->http_on = !is_off(node);
    if (!load->config->http_on)
        return;
    const char *wrong = "ADDRESS:PORT, a port or off is expected here";
    if (node->kind == WR_YAML_SCALAR)
        wrong = wr_listen_parse(&load->config->http, keep(load, node->text), 8686);
    if (wrong)
        wr_yaml_diag(load->file, node, WR_ERROR, "http: %s", wrong);
}

static const char *take_rules(struct load *load, const char *text, int kind)
{
    (void)kind;
    if (load->config->nrules == WR_CONFIG_MAX_RULES)
        return "more than 64 rule files and directories";
    load->config->rules[load->config->nrules++] = text;
    return NULL;
}

static const char *take_tee(struct load *load, const char *text, int kind)
{
    (void)kind;
    return wr_config_tee(load->config, text);
}

static const char *take_exporter(struct load *load, const char *text, int kind)
{
    (void)kind;
    return wr_config_exporter(load->config, text);
}

static const char *take_nat64(struct load *load, const char *text, int kind)
{
    (void)kind;
    return wr_config_nat64(load->config, text);
}

static const char *take_elements(struct load *load, const char *text, int kind)
{
    (void)kind;
    if (load->config->nelement_paths == WR_CONFIG_MAX_MAPPINGS)
        return "more than 16 files of elements";
    load->config->element_paths[load->config->nelement_paths++] = text;
    return NULL;
}

static const char *take_mapping(struct load *load, const char *text, int kind)
{
    (void)kind;
    if (load->config->nmapping_paths == WR_CONFIG_MAX_MAPPINGS)
        return "more than 16 mapping files and directories";
    load->config->mapping_paths[load->config->nmapping_paths++] = text;
    return NULL;
}

static const char *take_file(struct load *load, const char *text, int kind)
{
    (void)kind;
    if (load->config->nfiles == WR_CONFIG_MAX_FILES)
        return "more than 16 files";
    for (uint32_t i = 0; i < load->config->nfiles; i++)
        if (strcmp(load->config->files[i], text) == 0)
            return "this file is listed twice";
    load->config->files[load->config->nfiles++] = text;
    return NULL;
}

static void read_alerts(struct load *load, const struct wr_yaml_node *root)
{
    static const char *const known[] = {"stdout", "files", "retention", NULL};
    const struct wr_yaml_node *map = NULL;
    if (!wr_yaml_map(load->file, root, "alerts", &map) || !map)
        return;
    (void)wr_yaml_only(load->file, map, known, WR_ERROR);
    (void)wr_yaml_bool(load->file, map, "stdout", &load->config->stdout_alerts);
    const struct wr_yaml_node *files = wr_yaml_get(map, "files");
    if (files && !is_off(files))
        read_texts(load, files, take_file, 0);
    read_ns(load, map, "retention", INT64_C(3600) * 1000000000, INT64_C(3650) * 86400 * 1000000000,
            &load->config->retention_ns);
}

static void read_orphans(struct load *load, const struct wr_yaml_node *root)
{
    static const char *const names[] = {"auto", "events", "table"};
    const char *text = NULL;
    if (!wr_yaml_str(load->file, root, "orphans", &text) || !text)
        return;
    for (int i = 0; i < 3; i++) {
        if (strcmp(text, names[i]) == 0) {
            load->config->orphans = (enum wr_config_orphans)i;
            return;
        }
    }
    wr_yaml_diag(load->file, wr_yaml_get(root, "orphans"), WR_ERROR,
                 "orphans is auto, events or table, not '%s'", text);
}

static const char *take_capped(struct load *load, const char *text, int kind)
{
    struct wr_config *c = load->config;
    (void)kind;
    if (strcmp(text, "auto") == 0)
        return NULL;
    if (!*text || c->ncapped_devices == WR_CONFIG_MAX_CAPPED)
        return *text ? "more than 64 patterns of devices" : "a pattern of devices' names is expected here, such as ws-*";
    c->capped_devices[c->ncapped_devices++] = text;
    return NULL;
}

/* A word, or patterns of devices. */
static void read_capped(struct load *load, const struct wr_yaml_node *root)
{
    const struct wr_yaml_node *node = wr_yaml_get(root, "capped");
    bool word = node && node->kind == WR_YAML_SCALAR;
    if (!node || wr_yaml_is_null(node))
        return;
    if (word && strcmp(node->text, "all") == 0)
        load->config->capped = WR_CONFIG_CAPPED_ALL;
    else if (word && strcmp(node->text, "none") == 0)
        load->config->capped = WR_CONFIG_CAPPED_NONE;
    else
        read_texts(load, node, take_capped, 0);
}

/* A secret may stand in a file of its own, so that the configuration can be shown around. */
static void read_key_file(struct load *load, const struct wr_yaml_node *map,
                          struct wr_forward_config *forward)
{
    const char *path = NULL;
    read_str(load, map, "shared_key_file", &path);
    if (!path)
        return;
    forward->shared_key = secret_of(load, map, "shared_key_file", path);
}

static void check_forward(struct load *load, const struct wr_yaml_node *map,
                          struct wr_forward_config *forward)
{
    struct wr_config *config = load->config;
    if (!forward->host || !*forward->host) {
        wr_yaml_diag(load->file, map, WR_ERROR, "a receiver needs `host`");
        return;
    }
    if (!forward->tls && (forward->tls_ca || forward->tls_cert || forward->tls_insecure))
        wr_yaml_diag(load->file, map, WR_ERROR,
                     "TLS settings without `tls: true`: the alerts would go in clear");
    if ((forward->tls_cert != NULL) != (forward->tls_key != NULL))
        wr_yaml_diag(load->file, map, WR_ERROR, "tls_cert and tls_key go together");
    if (forward->username && !forward->shared_key)
        wr_yaml_diag(load->file, map, WR_ERROR,
                     "username needs shared_key: the protocol has no other log-in");
    if (!forward->name) {
        char name[320];
        snprintf(name, sizeof name, "%.300s:%u", forward->host, forward->port);
        forward->name = keep(load, name);
    }
    for (uint32_t i = 0; i < config->nforward; i++)
        if (strcmp(config->forward[i].name, forward->name) == 0)
            wr_yaml_diag(load->file, map, WR_ERROR, "two receivers are named '%s'; set `name`",
                         forward->name);
}

static void read_receiver(struct load *load, const struct wr_yaml_node *map)
{
    static const char *const known[] = {"name",     "host",         "port",
                                        "tag",      "shared_key",   "shared_key_file",
                                        "username", "password",     "self_hostname",
                                        "tls",      "tls_insecure", "tls_ca",
                                        "tls_cert", "tls_key",      "tls_server_name",
                                        "ack",      "ack_timeout",  NULL};
    struct wr_forward_config forward = {.tag = "weir.alert"};
    if (map->kind != WR_YAML_MAPPING) {
        wr_yaml_diag(load->file, map, WR_ERROR, "a receiver is a mapping with `host`");
        return;
    }
    (void)wr_yaml_only(load->file, map, known, WR_ERROR);
    const struct {
        const char *key;
        const char **to;
    } texts[] = {{"name", &forward.name},
                 {"host", &forward.host},
                 {"tag", &forward.tag},
                 {"shared_key", &forward.shared_key},
                 {"username", &forward.username},
                 {"password", &forward.password},
                 {"self_hostname", &forward.self_hostname},
                 {"tls_ca", &forward.tls_ca},
                 {"tls_cert", &forward.tls_cert},
                 {"tls_key", &forward.tls_key},
                 {"tls_server_name", &forward.tls_server_name}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        read_str(load, map, texts[i].key, texts[i].to);
    uint32_t port = 24224;
    read_u32(load, map, "port", 1, 65535, &port);
    forward.port = (uint16_t)port;
    bool ack = true;
    (void)wr_yaml_bool(load->file, map, "ack", &ack);
    forward.no_ack = !ack;
    (void)wr_yaml_bool(load->file, map, "tls", &forward.tls);
    (void)wr_yaml_bool(load->file, map, "tls_insecure", &forward.tls_insecure);
    int64_t timeout = INT64_C(30) * 1000000000;
    read_ns(load, map, "ack_timeout", INT64_C(1000000000), INT64_C(3600) * 1000000000, &timeout);
    forward.ack_timeout_s = (uint32_t)(timeout / 1000000000);
    read_key_file(load, map, &forward);
    check_forward(load, map, &forward);
    if (load->config->nforward < WR_CONFIG_MAX_FORWARD)
        load->config->forward[load->config->nforward++] = forward;
    else
        wr_yaml_diag(load->file, map, WR_ERROR, "more than 16 receivers");
}

/* sampling: { ADDRESS/BITS: one of so many packets } */
static void read_sampling(struct load *load, const struct wr_yaml_node *root)
{
    const struct wr_yaml_node *map = NULL;
    if (!wr_yaml_map(load->file, root, "sampling", &map) || !map)
        return;
    for (uint32_t i = 0; i < map->n; i++) {
        const char *key = map->pairs[i].key->text;
        uint32_t rate = 0;
        read_u32(load, map, key, 1, UINT32_MAX, &rate);
        const char *error = rate ? wr_config_rate(load->config, key, rate) : NULL;
        if (error)
            wr_yaml_diag(load->file, map->pairs[i].key, WR_ERROR, "%s", error);
    }
}

static void read_scalars(struct load *load, const struct wr_yaml_node *root)
{
    struct wr_config *c = load->config;
    const struct wr_yaml *f = load->file;
    const int64_t second = 1000000000;
    read_str(load, root, "state", &c->state_dir);
    read_u32(load, root, "workers", 1, WR_MAX_WORKERS, &c->workers);
    read_u32(load, root, "batch_rows", 1, 65535, &c->batch_rows);
    read_u32(load, root, "connections", 1, 1 << 20, &c->max_connections);
    read_u32(load, root, "connections_per_peer", 1, 1 << 20, &c->max_connections_per_peer);
    (void)wr_yaml_bytes(f, root, "memory", UINT64_C(64) << 20, UINT64_C(1) << 42, &c->memory_bytes);
    (void)wr_yaml_bytes(f, root, "receive_buffer", 4096, UINT64_C(1) << 30, &c->receive_buffer_bytes);
    (void)wr_yaml_bytes(f, root, "snapshot_log", UINT64_C(1) << 20, UINT64_C(2) << 30,
                        &c->snapshot_log_bytes);
    (void)wr_yaml_bool(f, root, "endpoint", &c->endpoint);
    (void)wr_yaml_bool(f, root, "split_exporters", &c->split_exporters);
    read_ns(load, root, "endpoint_wait", 0, 86400 * second, &c->endpoint_wait_ns);
    read_ns(load, root, "realert", second, 365 * 86400 * second, &c->realert_ns);
    read_ns(load, root, "commit", second / 1000, 10 * second, &c->commit_ns);
    read_ns(load, root, "snapshot", second, 86400 * second, &c->snapshot_ns);
}

static void read_root(struct load *load, const struct wr_yaml_node *root)
{
    static const char *const known[] = {
        "listen",     "forward_input", "http",         "rules",           "state",       "workers",
        "batch_rows", "memory",       "receive_buffer",  "connections", "connections_per_peer",
        "orphans",    "endpoint",     "endpoint_wait",   "realert",     "commit",
        "snapshot",   "snapshot_log", "split_exporters", "alerts",      "forward",
        "mappings",   "lists",        "elements",        "tls",         "tee",
        "files",      "files_from",   "names",        "capped",      "exporters",
        "nat64",      "sampling",     NULL};
    if (root->kind != WR_YAML_MAPPING) {
        wr_yaml_diag(load->file, root, WR_ERROR,
                     "a configuration is a mapping of settings, such as `workers: 2`");
        return;
    }
    (void)wr_yaml_only(load->file, root, known, WR_ERROR);
    read_scalars(load, root);
    read_listen(load, root);
    read_files(load, root);
    read_forward_input(load, root);
    read_tls(load, root);
    read_http(load, root);
    read_orphans(load, root);
    read_capped(load, root);
    read_sampling(load, root);
    read_str(load, root, "names", &load->config->names);
    read_alerts(load, root);
    if (!wr_config_read_lists(load->config, load->file, root))
        load->failed = true;
    const struct wr_yaml_node *rules = wr_yaml_get(root, "rules");
    if (rules && !wr_yaml_is_null(rules))
        read_texts(load, rules, take_rules, 0);
    const struct wr_yaml_node *tee = wr_yaml_get(root, "tee");
    if (tee && !is_off(tee))
        read_texts(load, tee, take_tee, 0);
    const struct wr_yaml_node *exporters = wr_yaml_get(root, "exporters");
    if (exporters)
        read_texts(load, exporters, take_exporter, 0);
    const struct wr_yaml_node *nat64 = wr_yaml_get(root, "nat64");
    if (nat64 && !wr_yaml_is_null(nat64))
        read_texts(load, nat64, take_nat64, 0);
    const struct wr_yaml_node *elements = wr_yaml_get(root, "elements");
    if (elements && !wr_yaml_is_null(elements))
        read_texts(load, elements, take_elements, 0);
    const struct wr_yaml_node *mappings = wr_yaml_get(root, "mappings");
    if (mappings && !wr_yaml_is_null(mappings))
        read_texts(load, mappings, take_mapping, 0);
    const struct wr_yaml_node *forward = NULL;
    if (wr_yaml_seq(load->file, root, "forward", &forward) && forward)
        for (uint32_t i = 0; i < forward->n; i++)
            read_receiver(load, forward->items[i]);
}

enum wr_err wr_config_load(struct wr_config *config, const char *name, const char *text, size_t len,
                           struct wr_diags *diags)
{
    uint32_t errors = diags->nerrors;
    struct load load = {.config = config, .file = wr_yaml_new(name, text, len, diags)};
    if (!load.file)
        return WR_EINVAL;
    if (load.file->ndocs > 1)
        wr_yaml_diag(load.file, load.file->docs[1], WR_ERROR, "a configuration is one YAML document");
    else if (load.file->ndocs == 1)
        read_root(&load, load.file->docs[0]);
    wr_yaml_free(load.file);
    if (load.failed)
        return WR_ENOMEM;
    return diags->nerrors > errors ? WR_EINVAL : WR_OK;
}
