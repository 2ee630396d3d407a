#ifndef WR_COLLECTOR_PIPELINE_WANTS_H
#define WR_COLLECTOR_PIPELINE_WANTS_H

#include "parsers/conn/conn.h"
#include "rules/rules.h"

/* What a rule set wants of each stage. DeviceNetworkEvents, FlowOrphans and ASimNetworkSessionLogs are filled from the
 * same records, so a record or event is wanted when the rules of any of them accept it. Who reads UnmanagedDevice and its
 * like needs all of them: which agent speaks shows in every event. */
struct wr_wants {
    struct wr_arena *arena; /* owns branches of `events` and `records`; the values behind them belong to the rule set */
    struct wr_scan events;  /* of connections and endpoint events, all tables together, as DeviceNetworkEvents */
    struct wr_scan records; /* of flow records: what connections and rules on Flows accept, their ports as DeviceNetworkEvents */
    struct wr_colset conn_cols;  /* what the connection table gives to rules, and its hidden columns */
    struct wr_colset session_cols; /* the same for ASimNetworkSessionLogs; empty: nobody reads it */
    struct wr_colset event_cols; /* what endpoint events carry: what rules read and what binds them to a flow */
    /* Of every table what its rules accept and read, its time included; without branches nobody reads it. */
    struct wr_scan scan[WR_NTABLES];
    uint32_t who; /* kinds of parsers/flow/who.h that fill one of these columns */
    const uint64_t *conn_ports; /* a bit each: of records that rules on Flows read, too, only these are connections'; NULL: all are */
    bool conn;               /* somebody reads connections */
    bool sessions_only;      /* of connections only ASimNetworkSessionLogs is read */
    uint8_t one_sided;       /* WR_ONE_SIDED_*: read of UnmanagedDevice, HiddenConnection, AgentSilent */
};

/* Rows that come by way of connections only. */
static inline bool wr_wants_is_conn(enum wr_table table)
{
    return table == WR_TABLE_DEVICE_NETWORK_EVENTS || table == WR_TABLE_FLOW_ORPHANS ||
           table == WR_TABLE_UNMANAGED_DEVICE || table == WR_TABLE_HIDDEN_CONNECTION ||
           table == WR_TABLE_AGENT_SILENT;
}

/* The columns that the connection table gives of one of its tables. */
const struct wr_colset *wr_wants_conn_cols(const struct wr_wants *wants, enum wr_table table);

/* Somebody reads rows of this table that lines or flows hold as they are, not by way of connections. */
static inline bool wr_wants_rows(const struct wr_wants *wants, enum wr_table table)
{
    return !wr_wants_is_conn(table) && wants->scan[table].nbranches > 0;
}

enum { WR_CONN_PORTS_BYTES = 65536 / 8 };
/* Is the record one of a connection that somebody reads, by its ports? */
static inline bool wr_port_is_in(const uint64_t *ports, uint16_t port)
{
    return ports[port / 64] >> (port % 64) & 1;
}
static inline bool wr_wants_connection(const uint64_t *conn_ports, const struct wr_flow *flow)
{
    return !(flow->flags & WR_FLOW_ASIDE) && (!conn_ports || flow->flags & WR_FLOW_NAT_EVENT ||
                                              wr_port_is_in(conn_ports, flow->sport) || wr_port_is_in(conn_ports, flow->dport));
}

/* The rule set must outlive it. False when out of memory. */
bool wr_wants_init(struct wr_wants *wants, const struct wr_ruleset *rules) WR_MUST_CHECK;
/* The same from scans; NULL or without branches: nobody reads that table. */
bool wr_wants_of(struct wr_wants *wants, const struct wr_scan *const scan[WR_NTABLES]) WR_MUST_CHECK;
void wr_wants_fini(struct wr_wants *wants);

#endif
