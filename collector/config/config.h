/* Configuration of `weir run`: one YAML file, every key optional, no file at all is a working set-up.
 *
 * What      struct wr_config is plain data. wr_config_init fills the defaults, wr_config_load lays a file's
 *           text over them, the command line over that, wr_config_settle finds what depends on the machine
 *           (state directory, rules, number of workers).
 * Lifetime  every string and list lives in the config's arena, until wr_config_fini.
 * Failure   a bad file adds errors with place and hint to `diags`; unknown keys are errors. */
#ifndef WR_COLLECTOR_CONFIG_CONFIG_H
#define WR_COLLECTOR_CONFIG_CONFIG_H

#include "base/diag.h"
#include "parsers/conn/conn.h"
#include "parsers/flow/decoder.h"
#include "rules/refdata/refdata.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct wr_lookups;
struct wr_flow_hosts;
struct wr_mappings;
struct wr_model;
struct wr_hostnames;

enum wr_listen_kind {
    WR_LISTEN_FLOW_UDP, /* NetFlow v5, v9, IPFIX */
    WR_LISTEN_FLOW_TCP, /* IPFIX */
    WR_LISTEN_SYSLOG_UDP,
    WR_LISTEN_SYSLOG_TCP,
    WR_LISTEN_FORWARD, /* Fluent Forward */
    WR_LISTEN_FLOW_TLS, /* as the two of TCP, within TLS, and Forward in it; no default */
    WR_LISTEN_SYSLOG_TLS,
    WR_LISTEN_FORWARD_TLS,
    WR_LISTEN_NKINDS,                   /* kinds with an address */
    WR_LISTEN_STDIN = WR_LISTEN_NKINDS, /* standard input, read like a stream of SYSLOG_TCP */
    WR_LISTEN_FILES,                    /* files that grow, by a path or a pattern (glob(7)) */
    WR_LISTEN_NALL
};
static inline bool wr_listen_is_port(enum wr_listen_kind kind)
{
    return kind < WR_LISTEN_NKINDS;
}
static inline bool wr_listen_is_udp(enum wr_listen_kind kind)
{
    return kind == WR_LISTEN_FLOW_UDP || kind == WR_LISTEN_SYSLOG_UDP;
}
static inline bool wr_listen_is_flow(enum wr_listen_kind kind)
{
    return kind == WR_LISTEN_FLOW_UDP || kind == WR_LISTEN_FLOW_TCP || kind == WR_LISTEN_FLOW_TLS;
}
static inline bool wr_listen_is_forward(enum wr_listen_kind kind)
{
    return kind == WR_LISTEN_FORWARD || kind == WR_LISTEN_FORWARD_TLS;
}
static inline bool wr_listen_is_tls(enum wr_listen_kind kind)
{
    return kind == WR_LISTEN_FLOW_TLS || kind == WR_LISTEN_SYSLOG_TLS || kind == WR_LISTEN_FORWARD_TLS;
}
const char *wr_listen_kind_name(enum wr_listen_kind kind); /* "flow_udp", as in the file and in metrics */

/* An address to listen on. A bare port is every address, IPv6 and IPv4 on one socket where the kernel has
 * IPv6. */
struct wr_listen {
    enum wr_listen_kind kind;
    bool any; /* bare port: [::] dual-stack, else 0.0.0.0 */
    struct sockaddr_storage addr;
    socklen_t addr_len;
    const char *text; /* as it was written, "2055" or "127.0.0.1:2055"; "-" of standard input; a file's pattern */
};

/* A Fluent Forward receiver (`forward:` list). NULL strings are not set. */
struct wr_forward_config {
    const char *name; /* label in metrics and store; default "host:port" */
    const char *host;
    uint16_t port;          /* default 24224 */
    const char *tag;        /* default "weir.alert" */
    const char *shared_key; /* from shared_key, or the first line of shared_key_file */
    const char *username, *password;
    const char *self_hostname; /* name given in HELO's answer; default the machine's */
    bool tls, tls_insecure;    /* insecure: do not verify; only for tests */
    bool no_ack;               /* the receiver never acknowledges (Logstash) */
    const char *tls_ca, *tls_cert, *tls_key, *tls_server_name;
    uint32_t ack_timeout_s; /* default 30 */
};

/* One list of `lists:`. */
struct wr_list_config {
    struct wr_list_def def;
    const char *file; /* NULL: none, `missing: empty` */
    struct wr_list_config *next;
};

/* What Fluent Forward clients must show (`forward_input:`). */
enum { WR_FORWARD_MAX_USERS = 16 };
struct wr_forward_listen {
    const char *shared_key;    /* NULL: no handshake */
    const char *self_hostname; /* default the machine's name */
    struct {
        const char *name, *password;
    } users[WR_FORWARD_MAX_USERS];
    uint32_t nusers; /* 0: the key alone opens */
};

enum {
    WR_CONFIG_MAX_LISTEN = 64,
    WR_MAX_WORKERS = 64,
    WR_CONFIG_MAX_FORWARD = 16,
    WR_CONFIG_MAX_TEE = 8,
    WR_CONFIG_MAX_EXPORTERS = 1024,
    WR_CONFIG_MAX_RATES = 256,
    WR_CONFIG_MAX_FILES = 16,
    WR_CONFIG_MAX_RULES = 64,
    WR_CONFIG_MAX_MAPPINGS = 16,
    WR_CONFIG_MAX_FUNCTIONS = 16,
    WR_CONFIG_MAX_CAPPED = 64,
    WR_CONFIG_MAX_NAT64 = 16
};
enum wr_config_capped { WR_CONFIG_CAPPED_AUTO, WR_CONFIG_CAPPED_ALL, WR_CONFIG_CAPPED_NONE };
enum wr_config_orphans { WR_CONFIG_ORPHANS_AUTO, WR_CONFIG_ORPHANS_EVENTS, WR_CONFIG_ORPHANS_TABLE };

struct wr_config {
    struct wr_arena *arena;
    struct wr_listen listen[WR_CONFIG_MAX_LISTEN];
    uint32_t nlisten; /* the defaults, less the kinds that the file sets */
    bool files_from_end; /* what stands in files at the very first start is not read */
    struct wr_listen tee[WR_CONFIG_MAX_TEE]; /* where flow datagrams are sent on; `kind`, `any` unused */
    uint32_t ntee;
    struct wr_flow_prefix exporters[WR_CONFIG_MAX_EXPORTERS]; /* that always have room; none: all are equal */
    uint32_t nexporters;
    struct wr_flow_rate rates[WR_CONFIG_MAX_RATES]; /* sampling of exporters that do not tell theirs */
    uint32_t nrates;
    struct wr_forward_listen forward_listen;
    const char *tls_cert, *tls_key, *tls_client_ca; /* of the TLS listeners, PEM; NULL: not set */
    bool http_on;
    struct wr_listen http;                  /* `kind` unused */
    const char *rules[WR_CONFIG_MAX_RULES]; /* files or directories */
    uint32_t nrules;
    const char *mapping_paths[WR_CONFIG_MAX_MAPPINGS]; /* files or directories, above weir's own */
    uint32_t nmapping_paths;
    const char *element_paths[WR_CONFIG_MAX_MAPPINGS]; /* files of vendors' elements, beside weir's own */
    uint32_t nelement_paths;
    struct wr_model *model; /* set before workers start; NULL: weir's */
    const struct wr_mappings *mappings; /* set before workers start; NULL: weir's */
    struct wr_lookups *lookups;         /* of these mappings, shared by all workers, the owner's; NULL: one each */
    struct wr_flow_hosts *hosts;       /* endpoints by device id, shared by all workers, the owner's; NULL: one each */
    const char *state_dir;             /* NULL until settled */
    uint32_t workers;                  /* 0 until settled */
    uint32_t batch_rows;               /* 1..65535 */
    uint64_t memory_bytes;             /* for windows 1/2, connections 1/4, templates 1/8, streams 1/8; default 512 MiB */
    bool split_exporters;              /* an exporter's observation domains may go to different workers */
    uint64_t receive_buffer_bytes;     /* asked for on each UDP socket; default 32 MiB */
    uint32_t max_connections;          /* TCP, in all; default 4096 */
    uint32_t max_connections_per_peer; /* default 256 */
    enum wr_config_orphans orphans;
    enum wr_config_capped capped; /* whose sensors cap their events */
    const char *capped_devices[WR_CONFIG_MAX_CAPPED]; /* patterns of names of devices whose do, beside AUTO */
    uint32_t ncapped_devices;
    struct wr_nat64_prefix nat64[WR_CONFIG_MAX_NAT64]; /* beside 64:ff9b::/96 */
    uint32_t nnat64;
    const char *names; /* file of reverse names; NULL: none */
    const struct wr_hostnames *hostnames; /* what it holds; set before the owner starts; NULL: none */
    bool endpoint; /* an endpoint source is configured: orphans: auto decides for FlowOrphans at once */
    int64_t endpoint_wait_ns; /* how long a flow waits for its endpoint event; default 600 s */
    int64_t realert_ns;       /* longest gap between updates of an alert that grows (else half its age); default 1 h */
    int64_t commit_ns;        /* group commit of the log; default 50 ms */
    int64_t snapshot_ns;      /* default 60 s */
    uint64_t
        snapshot_log_bytes; /* a snapshot sooner when the log since the last one is larger; default 256 MiB */
    bool stdout_alerts;     /* JSON lines on standard output; default on */
    const char *files[WR_CONFIG_MAX_FILES]; /* append alerts as JSON lines */
    uint32_t nfiles;
    int64_t retention_ns; /* of alerts in the store; default 30 d */
    struct wr_forward_config forward[WR_CONFIG_MAX_FORWARD];
    uint32_t nforward;
    struct wr_list_config *lists, **lists_end;           /* in the file's order */
    const char *functions[WR_CONFIG_MAX_FUNCTIONS];     /* directories of saved functions */
    uint32_t nfunctions;
    const char *geo;        /* database of geo_info_from_ip_address; NULL: none */
    int64_t lists_check_ns; /* how often files of lists are looked at; default 10 s */
};

/* Defaults; false when out of memory. */
bool wr_config_init(struct wr_config *config) WR_MUST_CHECK;
void wr_config_fini(struct wr_config *config);

/* Lays the YAML `text` of the file `name` over `config`. WR_EINVAL with errors in `diags`, which borrow
 * neither: the source is copied into the list's arena. Reads no other file except the ones that
 * shared_key_file names. */
enum wr_err wr_config_load(struct wr_config *config, const char *name, const char *text, size_t len,
                           struct wr_diags *diags) WR_MUST_CHECK;

/* Adds a listener; NULL, or what is wrong (static text). */
const char *wr_config_listen(struct wr_config *config, enum wr_listen_kind kind, const char *text);
/* Standard input as one; again: nothing. NULL, or what is wrong. */
const char *wr_config_listen_stdin(struct wr_config *config);
/* Files that grow as one; `pattern` must outlive the configuration. NULL, or what is wrong. */
const char *wr_config_listen_files(struct wr_config *config, const char *pattern);
/* Adds a collector that flow datagrams are sent on to; the same. */
const char *wr_config_tee(struct wr_config *config, const char *text);
/* ADDRESS or ADDRESS/BITS. NULL, or what is wrong. */
/* One of `rate` packets of exporters under `prefix`; what is wrong, or NULL. */
const char *wr_config_rate(struct wr_config *config, const char *prefix, uint32_t rate);
const char *wr_config_exporter(struct wr_config *config, const char *text);
/* A prefix of NAT64 (RFC 6052), as text. */
const char *wr_config_nat64(struct wr_config *config, const char *text);
/* Takes every listener of a kind out. */
void wr_config_unlisten(struct wr_config *config, enum wr_listen_kind kind);

/* "2055", "10.0.0.1:2055", "[::1]:2055"; also a bare address when `default_port` is not 0. NULL on success,
 * else what is wrong (static text). `text` must outlive the listener. */
const char *wr_listen_parse(struct wr_listen *listen, const char *text, uint16_t default_port);
/* Fills what the machine decides: state_dir ($STATE_DIRECTORY; /var/lib/weir as root; $XDG_STATE_HOME/weir or
 * ~/.local/state/weir), rules (installed library, else ./rules/library), workers (CPUs allowed, at most 4).
 * Text of what could not be found, or NULL. */
const char *wr_config_settle(struct wr_config *config);
/* Directory of the rules that came with weir; static until the next call, NULL: not found. */
const char *wr_config_library(void);

struct wr_yaml;
struct wr_yaml_node;
/* `lists:` of the file; false: no memory. Private to config/. */
bool wr_config_read_lists(struct wr_config *config, const struct wr_yaml *file, const struct wr_yaml_node *root);

#endif
