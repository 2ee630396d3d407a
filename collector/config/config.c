#include "collector/config/config.h"

#include <arpa/inet.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef WR_RULES_DIR
#define WR_RULES_DIR "/usr/share/weir/rules"
#endif

static const int64_t SECOND_NS = 1000000000;

const char *wr_listen_kind_name(enum wr_listen_kind kind)
{
    static const char *const names[] = {"flow_udp",   "flow_tcp", "syslog_udp", "syslog_tcp",
                                        "forward", "flow_tls", "syslog_tls", "forward_tls", "stdin", "files"};
    return (size_t)kind < sizeof names / sizeof *names ? names[kind] : "?";
}

bool wr_config_init(struct wr_config *config)
{
    *config = (struct wr_config){
        .arena = wr_arena_new(4096),
        .http_on = true,
        .batch_rows = 1024,
        .memory_bytes = UINT64_C(512) << 20,
        .receive_buffer_bytes = UINT64_C(32) << 20,
        .max_connections = 4096,
        .max_connections_per_peer = 256,
        .endpoint_wait_ns = 600 * SECOND_NS,
        .realert_ns = 3600 * SECOND_NS,
        .commit_ns = SECOND_NS / 20,
        .snapshot_ns = 60 * SECOND_NS,
        .snapshot_log_bytes = UINT64_C(256) << 20,
        .stdout_alerts = true,
        .lists_check_ns = 10 * SECOND_NS,
        .retention_ns = 30 * 86400 * SECOND_NS,
    };
    static const struct {
        enum wr_listen_kind kind;
        const char *text;
    } defaults[] = {
        {WR_LISTEN_FLOW_UDP, "2055"},   {WR_LISTEN_FLOW_UDP, "4739"},   {WR_LISTEN_FLOW_UDP, "6343"},
        {WR_LISTEN_FLOW_TCP, "4739"},   {WR_LISTEN_SYSLOG_UDP, "5514"}, {WR_LISTEN_SYSLOG_TCP, "5514"},
    };
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
        (void)wr_config_listen(config, defaults[i].kind, defaults[i].text); /* known good */
    static char host[256];
    config->forward_listen.self_hostname = gethostname(host, sizeof host - 1) == 0 ? host : "weir";
    (void)wr_listen_parse(&config->http, "127.0.0.1:8686", 0);
    return config->arena != NULL;
}

void wr_config_fini(struct wr_config *config)
{
    wr_arena_free(config->arena);
    config->arena = NULL;
}

const char *wr_config_listen(struct wr_config *config, enum wr_listen_kind kind, const char *text)
{
    if (config->nlisten == WR_CONFIG_MAX_LISTEN)
        return "more than 64 listeners";
    struct wr_listen listen;
    const char *wrong = wr_listen_parse(&listen, text, 0);
    if (wrong)
        return wrong;
    listen.kind = kind;
    bool udp = wr_listen_is_udp(kind);
    for (uint32_t i = 0; i < config->nlisten; i++) {
        const struct wr_listen *other = &config->listen[i];
        bool other_udp = wr_listen_is_udp(other->kind);
        if (udp == other_udp && other->addr_len == listen.addr_len &&
            memcmp(&other->addr, &listen.addr, listen.addr_len) == 0)
            return "another listener has this address and port";
    }
    config->listen[config->nlisten++] = listen;
    return NULL;
}

const char *wr_config_listen_stdin(struct wr_config *config)
{
    for (uint32_t i = 0; i < config->nlisten; i++)
        if (config->listen[i].kind == WR_LISTEN_STDIN)
            return NULL;
    if (config->nlisten == WR_CONFIG_MAX_LISTEN)
        return "more than 64 listeners";
    config->listen[config->nlisten++] = (struct wr_listen){.kind = WR_LISTEN_STDIN, .text = "-"};
    return NULL;
}

const char *wr_config_listen_files(struct wr_config *config, const char *pattern)
{
    if (*pattern != '/')
        return "a file is named by its whole path, from / on";
    for (uint32_t i = 0; i < config->nlisten; i++)
        if (config->listen[i].kind == WR_LISTEN_FILES && strcmp(config->listen[i].text, pattern) == 0)
            return "this file is listed twice";
    if (config->nlisten == WR_CONFIG_MAX_LISTEN)
        return "more than 64 listeners, files included";
    config->listen[config->nlisten++] = (struct wr_listen){.kind = WR_LISTEN_FILES, .text = pattern};
    return NULL;
}

const char *wr_config_tee(struct wr_config *config, const char *text)
{
    if (config->ntee == WR_CONFIG_MAX_TEE)
        return "more than 8 collectors";
    struct wr_listen to;
    const char *wrong = wr_listen_parse(&to, text, 0);
    if (wrong || to.any)
        return "a collector is ADDRESS:PORT or [IPV6]:PORT, not a name";
    struct sockaddr_in6 v6;
    memcpy(&v6, &to.addr, sizeof v6);
    if (v6.sin6_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
        struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = v6.sin6_port};
        memcpy(&v4.sin_addr, &v6.sin6_addr.s6_addr[12], 4);
        to.addr = (struct sockaddr_storage){0};
        memcpy(&to.addr, &v4, sizeof v4);
        to.addr_len = sizeof v4;
    }
    for (uint32_t i = 0; i < config->ntee; i++)
        if (config->tee[i].addr_len == to.addr_len && memcmp(&config->tee[i].addr, &to.addr, to.addr_len) == 0)
            return "this collector is listed twice";
    config->tee[config->ntee++] = to;
    return NULL;
}

/* ADDRESS or ADDRESS/BITS without bits behind them; IPv4 as IPv4-mapped. */
static bool read_prefix(const char *text, struct wr_flow_prefix *ret_p)
{
    char addr[INET6_ADDRSTRLEN];
    size_t n = strcspn(text, "/");
    if (n >= sizeof addr)
        return false;
    memcpy(addr, text, n);
    addr[n] = '\0';
    struct wr_flow_prefix p = {.addr = {[10] = 0xff, [11] = 0xff}};
    const bool v4 = inet_pton(AF_INET, addr, p.addr + 12) == 1;
    if (!v4 && inet_pton(AF_INET6, addr, p.addr) != 1)
        return false;
    const unsigned long width = v4 ? 32 : 128;
    unsigned long bits = width;
    char *end = "";
    if (text[n] == '/')
        bits = text[n + 1] >= '0' && text[n + 1] <= '9' ? strtoul(text + n + 1, &end, 10) : 129;
    if (*end || bits > width)
        return false;
    p.bits = (uint8_t)(bits + 128 - width);
    for (uint32_t i = p.bits; i < 128; i++)
        if (p.addr[i / 8] >> (7 - i % 8) & 1)
            return false;
    *ret_p = p;
    return true;
}

const char *wr_config_exporter(struct wr_config *config, const char *text)
{
    struct wr_flow_prefix p;
    if (config->nexporters == WR_CONFIG_MAX_EXPORTERS)
        return "more than 1024 exporters";
    if (!read_prefix(text, &p))
        return "an exporter is ADDRESS or ADDRESS/BITS, without bits behind them";
    config->exporters[config->nexporters++] = p;
    return NULL;
}

const char *wr_config_rate(struct wr_config *config, const char *prefix, uint32_t rate)
{
    struct wr_flow_rate r;
    memset(&r, 0, sizeof r); /* compared as bytes */
    r.rate = rate;
    if (config->nrates == WR_CONFIG_MAX_RATES)
        return "more than 256 rates";
    if (!read_prefix(prefix, &r.of))
        return "sampling is of exporters: ADDRESS or ADDRESS/BITS, without bits behind them";
    config->rates[config->nrates++] = r;
    return NULL;
}

const char *wr_config_nat64(struct wr_config *config, const char *text)
{
    struct wr_flow_prefix p;
    if (config->nnat64 == WR_CONFIG_MAX_NAT64)
        return "more than 16 prefixes of NAT64";
    if (!strchr(text, ':') || !read_prefix(text, &p))
        return "a prefix of NAT64 is an IPv6 ADDRESS/BITS without bits behind them, such as 2001:db8:64::/96";
    struct wr_nat64_prefix prefix = {.bits = p.bits};
    memcpy(prefix.addr, p.addr, sizeof prefix.addr);
    if (!wr_nat64_prefix_good(&prefix))
        return "a prefix of NAT64 has 32, 40, 48, 56, 64 or 96 bits, and of these 64 to 71 are zero (RFC 6052)";
    config->nat64[config->nnat64++] = prefix;
    return NULL;
}

void wr_config_unlisten(struct wr_config *config, enum wr_listen_kind kind)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < config->nlisten; i++)
        if (config->listen[i].kind != kind)
            config->listen[kept++] = config->listen[i];
    config->nlisten = kept;
}

static char *path_in(struct wr_config *config, const char *dir, const char *name)
{
    size_t len = strlen(dir) + strlen(name) + 2;
    char *out = wr_arena_bytes_alloc(config->arena, len);
    if (out)
        snprintf(out, len, "%s/%s", dir, name);
    return out;
}

static const char *find_state_dir(struct wr_config *config)
{
    const char *dir = getenv("STATE_DIRECTORY"); /* systemd's StateDirectory= */
    if (dir && *dir)
        return wr_arena_strndup(config->arena, dir, strcspn(dir, ":"));
    if (geteuid() == 0)
        return "/var/lib/weir";
    if ((dir = getenv("XDG_STATE_HOME")) && *dir == '/')
        return path_in(config, dir, "weir");
    if ((dir = getenv("HOME")) && *dir == '/')
        return path_in(config, dir, ".local/state/weir");
    return NULL;
}

static bool is_dir(const char *path)
{
    struct stat st;
    return path && stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The library that belongs to this program: installed, or of the source tree that it was built in. */
const char *wr_config_library(void)
{
    static char path[4200];
    if (is_dir(WR_RULES_DIR))
        return WR_RULES_DIR;
    if (is_dir("rules/library"))
        return "rules/library";
    char exe[4096];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (n <= 0)
        return NULL;
    exe[n] = '\0';
    char *slash = strrchr(exe, '/');
    if (!slash)
        return NULL;
    *slash = '\0';
    static const char *const beside[] = {"../share/weir/rules", "../../rules/library"};
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) {
        snprintf(path, sizeof path, "%s/%s", exe, beside[i]);
        if (is_dir(path))
            return path;
    }
    return NULL;
}

static uint32_t cpus_allowed(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return n < 1 ? 1 : n > 4 ? 4 : (uint32_t)n;
}

const char *wr_config_settle(struct wr_config *config)
{
    if (config->workers == 0)
        config->workers = cpus_allowed();
    if (!config->state_dir && !(config->state_dir = find_state_dir(config)))
        return "no state directory: neither STATE_DIRECTORY nor HOME is set; give --state DIR";
    if (config->nrules == 0) {
        const char *library = wr_config_library();
        const char *rules = library ? wr_arena_strndup(config->arena, library, strlen(library)) : NULL;
        if (!rules)
            return "no rules: neither " WR_RULES_DIR " nor ./rules/library is there; give --rules DIR";
        config->rules[config->nrules++] = rules;
    }
    return NULL;
}
