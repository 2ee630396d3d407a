#ifndef WR_PARSERS_CONN_CONN_H
#define WR_PARSERS_CONN_CONN_H

#include "base/batch.h"
#include "base/buf.h"
#include "parsers/flow/flow.h"

/* Connection table: flow records of both directions, several exporters and repeated exports, and
 * the endpoint events of the same 5-tuple, become one row of DeviceNetworkEvents and one of
 * ASimNetworkSessionLogs a connection.
 * Deterministic: state and output depend only on the calls and their arguments. One thread.
 *
 * Output batches hold inserts (_Amend false) and amendments (_Amend true: same _RowId, same keys
 * and Timestamp, new SentBytes/ReceivedBytes, the old ones in _PrevSentBytes/_PrevReceivedBytes,
 * null = were unknown). In `final_only` mode (weir query) rows come at wr_conn_flush, one each, no
 * amends; earlier only those that can change no more (an event that is no connection's) or were
 * evicted: drain as you go.
 *
 * An endpoint that reports a connection makes its row: all columns are the event's, the bytes are
 * the flows', from that endpoint's side (two endpoints on one connection: two rows). A connection
 * without one makes a flow-only row: the local side is the initiator, DeviceName is its address. An
 * event that comes after the flow-only row is counted late_bind; it becomes a row when that one
 * went to FlowOrphans, else it is dropped, for the connection is in the table already. The same
 * event again is dropped (dup_record).
 *
 * ASimNetworkSessionLogs has one row a connection, explained or not, from the initiator's side (Src): bytes and packets
 * each way, end and duration are amended. It comes with the connection's first row in the other tables, and what it says
 * of process, account and host is what was known then. Of counters that nobody reported nothing is said, not 0.
 *
 * UnmanagedDevice, HiddenConnection and AgentSilent have rows of connections that no event explained in time; they never
 * change. Where an agent named a device, its name stands for its address in the rows of flows, too.
 *
 * A record sent again is known while it is among the 4 newest of its observation point. An endpoint
 * whose clock is up to 120 s off finds its flow when nothing nearer has the tuple (ambiguous); after a few such matches
 * its clock is known and they are exact.
 *
 * An event of action ConnectionRequest waits for its flow, `hold_ns` at most, and is ConnectionSuccess when that shows the
 * handshake. A flow that no event explains in time takes what a capping sensor last told of the same device, remote
 * address, port and protocol within a day. MatchQuality says which it was: exact, remote, ambiguous, none.
 *
 * An event that tells its host, remote address and port and not its own end is a row at once; the one flow of that host to
 * there that began within 5 s amends its bytes (MatchQuality "host").
 *
 * Memory: WR_CONN_BYTES a flow-only connection with its row and index; 64 more for each further
 * observation point, 48 for counters that are totals, and the packed columns of an event. */
struct wr_conn;

enum { WR_CONN_BYTES = 376 };

enum wr_orphans { WR_ORPHANS_AUTO, WR_ORPHANS_EVENTS, WR_ORPHANS_TABLE };

/* Do sensors cap their events? AUTO: those do that give a ReportId (Defender). */
enum wr_capped { WR_CAPPED_AUTO, WR_CAPPED_YES, WR_CAPPED_NO };

/* Behind which NAT64 puts IPv4 addresses (RFC 6052). */
struct wr_nat64_prefix {
    uint8_t addr[16];
    uint8_t bits;
};
/* Of a length that holds an address (32, 40, 48, 56, 64, 96), no bits behind it, bits 64 to 71 zero. */
bool wr_nat64_prefix_good(const struct wr_nat64_prefix *prefix);

enum { WR_ONE_SIDED_UNMANAGED = 1, WR_ONE_SIDED_HIDDEN = 2, WR_ONE_SIDED_SILENT = 4 };

struct wr_conn_opts {
    struct wr_colset
        wanted; /* columns of DeviceNetworkEvents that rules read (+ hidden ones always) */
    struct wr_colset sessions; /* columns of ASimNetworkSessionLogs that rules read; none: no such rows */
    bool sessions_only;        /* no rows of DeviceNetworkEvents and FlowOrphans */
    uint8_t one_sided;         /* WR_ONE_SIDED_*: tables of what only the network saw that rules read */
    uint32_t max_connections; /* 0 = 1 M; beyond it the oldest goes, counted evicted */
    enum wr_orphans
        orphans; /* AUTO: FlowOrphans once an endpoint event was seen, else DeviceNetworkEvents */
    bool expect_endpoint; /* AUTO decides for FlowOrphans from the start (an endpoint source is
                             configured) */
    enum wr_capped capped;
    const char *const *capped_devices; /* borrowed: names, with *, of devices whose sensors cap whatever `capped` says */
    uint32_t ncapped_devices;
    const struct wr_nat64_prefix *nat64; /* borrowed: beside 64:ff9b::/96 */
    uint32_t nnat64;
    int64_t hold_ns;      /* how long a flow waits for its endpoint event; 0 = 600 s */
    int64_t pair_ns;      /* how long an undecided flow-only row waits for its reverse; 0 = 2 s */
    bool final_only;
    const struct wr_hostnames *hostnames; /* borrowed, may be NULL: what devices are called where nobody tells */
};

struct wr_conn_stats {
    uint64_t flows, events, connections, openings, matched, orphans, dup_record, evicted, late_bind,
        ambiguous, amends, inserts, live;
    uint64_t who_dropped; /* attributions that 64 MiB had no room for */
    uint64_t raised;      /* requests that their flow showed to have succeeded */
    uint64_t host, host_ambiguous; /* connections explained by an event without its own end; left unexplained or in doubt, since
                                      several processes were told of, or several flows had one event */
    uint64_t remote, remote_dropped; /* connections explained by an earlier event of a capping sensor; such events given up */
    uint64_t unseen; /* connections that an endpoint reported and no exporter: with `matched` the coverage */
    uint64_t leases;      /* lines of DHCP servers that gave an address to a named host */
    uint64_t answers, answers_dropped; /* addresses of names that were asked for; given up: more than 65,536 */
    uint64_t agents_dropped; /* addresses given up: more than 65,536 */
    uint64_t clocks_off;  /* devices whose clock is more than a minute off, now */
    /* Of those evicted: its row was not decided (became one early); it was open, or its flow has yet to come (bytes may be
     * missing, or come as a connection of its own); it had ended (only a late exporter's record would). They add up. */
    uint64_t evicted_undecided, evicted_open, evicted_ended;
    uint64_t nat_told;    /* events of translations, and records with both sides of one */
    uint64_t nat_moved;   /* connections whose flows came first under their tuple on the other side */
    uint64_t nat_late;    /* those for which it was too late: rules had the row */
    uint64_t nat_exhausted; /* events that addresses, ports or a quota were used up */
    uint64_t nat_dropped; /* translations given up: more than max_connections */
    uint64_t nat_live;    /* translations known now */
};

/* The columns that event batches need: those wanted, those that name a connection, and what sessions are made of. */
struct wr_colset wr_conn_event_cols(const struct wr_colset *wanted, const struct wr_colset *sessions);

/* The kinds of who.h that fill a wanted column: what the decoder has to gather. */
uint32_t wr_conn_who(const struct wr_colset *wanted, const struct wr_colset *sessions);

struct wr_conn *wr_conn_new(const struct wr_conn_opts *opts);
void wr_conn_free(struct wr_conn *conn);

/* `now_ns` is the time of arrival (live) or of the input's clock (replay); never steps back. */
enum wr_err wr_conn_flow(struct wr_conn *conn, const struct wr_flow *flow,
                         int64_t now_ns) WR_MUST_CHECK;
/* `n` of them that arrived together: faster than one by one, and the same. */
enum wr_err wr_conn_flows(struct wr_conn *conn, const struct wr_flow *flows, uint32_t n, int64_t now_ns) WR_MUST_CHECK;
/* The same with what the record says about process, account and host. It fills the flow-only row; one that names
 * the process of its local end is as good as an endpoint's event: it waits for none, and is a row of
 * DeviceNetworkEvents always. Of several records each adds what is still missing, until rules have the row. */
enum wr_err wr_conn_flow_who(struct wr_conn *conn, const struct wr_flow *flow, struct wr_who who,
                             int64_t now_ns) WR_MUST_CHECK;
/* Row `row` of a DeviceNetworkEvents batch made by parsers/log: an endpoint event. The batch must
 * want wr_conn_event_cols(). */
enum wr_err wr_conn_event(struct wr_conn *conn, const struct wr_batch *batch, uint32_t row,
                          int64_t now_ns) WR_MUST_CHECK;
/* `n` of them in a row, each as wr_row_pack() made it of such a batch, with its own time: the same, and faster. One that is no
 * packed row (WR_ECORRUPT) or fails is left out; the others are taken, and the first failure is returned. */
struct wr_packed {
    const void *bytes;
    uint32_t len;
    int64_t now_ns;
};
enum wr_err wr_conn_events(struct wr_conn *conn, const struct wr_packed *rows, uint32_t n) WR_MUST_CHECK;
/* Row `row` of CommonSecurityLog: a firewall's line may tell of a translation. The batch has wr_conn_firewall_cols(). */
enum wr_err wr_conn_firewall(struct wr_conn *conn, const struct wr_batch *batch, uint32_t row,
                             int64_t now_ns) WR_MUST_CHECK;
void wr_conn_firewall_cols(struct wr_colset *set);
/* Row `row` of ASimDnsActivityLogs: the addresses of its answer are called what was asked for. The batch has
 * wr_conn_dns_cols(). */
enum wr_err wr_conn_dns(struct wr_conn *conn, const struct wr_batch *batch, uint32_t row, int64_t now_ns) WR_MUST_CHECK;
void wr_conn_dns_cols(struct wr_colset *set);
/* Row `row` of Syslog: a DHCP server's line may say which host an address was given to; only lines of these processes do. Or a
 * row of CommonSecurityLog of that DeviceEventClassID. The batches have wr_conn_dhcp_cols(). */
enum { WR_CONN_DHCP_NAMES = 2 };
extern const char *const wr_conn_dhcp_names[WR_CONN_DHCP_NAMES];
extern const char wr_conn_lease_class[sizeof "dhcp-lease"];
enum wr_err wr_conn_dhcp(struct wr_conn *conn, const struct wr_batch *batch, uint32_t row, int64_t now_ns) WR_MUST_CHECK;
enum wr_err wr_conn_lease(struct wr_conn *conn, const struct wr_batch *batch, uint32_t row, int64_t now_ns) WR_MUST_CHECK;
void wr_conn_dhcp_cols(struct wr_colset *syslog, struct wr_colset *firewalls);
/* A row of one of the tables that the connection table learns from beside events: CommonSecurityLog, ASimDnsActivityLogs, Syslog. */
enum wr_err wr_conn_learn(struct wr_conn *conn, enum wr_table table, const struct wr_batch *batch, uint32_t row,
                          int64_t now_ns) WR_MUST_CHECK;
/* Moves time on: holds end, idle connections go. */
enum wr_err wr_conn_advance(struct wr_conn *conn, int64_t now_ns) WR_MUST_CHECK;
/* End of the input: every held flow becomes a row. */
enum wr_err wr_conn_flush(struct wr_conn *conn) WR_MUST_CHECK;

/* The next device whose clock is found to be more than a minute off, and has not been told of yet; false: no other. Borrowed
 * until the next call. */
bool wr_conn_clock_news(struct wr_conn *conn, struct wr_who *ret_name, int32_t *ret_ms);
/* All of them as JSON lines. */
void wr_conn_clocks(const struct wr_conn *conn, struct wr_buf *out);

/* The tables that wr_conn_drain fills. */
enum { WR_CONN_TABLES = 6 };
extern const enum wr_table wr_conn_tables[WR_CONN_TABLES];

/* Fills `out` (empty, schema of `table`, wanted at least opts.wanted or opts.sessions + hidden) with rows
 * that are due for `table`; call until it returns 0. Not sealed. Texts of rows may be borrowed from the table: they are
 * good until the next call that gives it something. Rows are amended when a column in opts.wanted changes. */
uint32_t wr_conn_drain(struct wr_conn *conn, enum wr_table table, struct wr_batch *out);

/* A connection by _RowId as one JSON object for an alert's samples: 5-tuple, times, bytes,
 * MatchQuality; false when it has gone. */
bool wr_conn_sample(const struct wr_conn *conn, uint64_t row_id, struct wr_buf *out);

const struct wr_conn_stats *wr_conn_stats(const struct wr_conn *conn);
void wr_conn_save(const struct wr_conn *conn, struct wr_buf *out);
enum wr_err wr_conn_load(struct wr_conn *conn, const void *bytes, size_t len) WR_MUST_CHECK;

#endif
