#include "collector/pipeline/wants.h"

#include "collector/cli/flow_row.h"
#include "parsers/conn/conn.h"

#include <string.h>

/* An endpoint event carries these too, whether a rule reads them or not. */
static const uint16_t binding_cols[] = {WR_DNE_DeviceId, WR_DNE_DeviceName, WR_DNE_ReportId,
                                        WR_DNE_EventCount, WR_DNE_InitiatingProcessId};

static bool is_read(const struct wr_scan *scan)
{
    return scan && scan->nbranches > 0;
}

static void join(struct wr_colset *set, const struct wr_scan *scan)
{
    if (!is_read(scan))
        return;
    const struct wr_schema *schema = wr_schema_of(scan->table);
    for (uint16_t c = 0; c < schema->ncols; c++)
        if (wr_colset_has(&scan->wanted, c) || schema->cols[c].hidden || c == WR_TIME_COL)
            wr_colset_add(set, schema->cols[c].store);
}

/* The column of DeviceNetworkEvents that holds what the session's does, when the endpoint is its
 * Src (0) or Dst (1). */
static uint16_t event_col(uint16_t session_col, int local)
{
    switch (session_col) {
    case WR_NETSESSION_SrcPortNumber:
        return local ? WR_DNE_RemotePort : WR_DNE_LocalPort;
    case WR_NETSESSION_DstPortNumber:
        return local ? WR_DNE_LocalPort : WR_DNE_RemotePort;
    default:
        return WR_NO_COL;
    }
}

/* A session's branch as two of the event behind it, for either end. Other columns are left to the
 * rules. */
static bool translate(struct wr_arena *arena, const struct wr_branch *from,
                      struct wr_branch ret_to[2])
{
    for (int local = 0; local < 2; local++) {
        struct wr_pred *preds = wr_arena_alloc(arena, (from->npreds + 1u) * sizeof *preds);
        if (!preds)
            return false;
        ret_to[local] = (struct wr_branch){.preds = preds};
        for (uint32_t i = 0; i < from->npreds; i++) {
            uint16_t col = event_col(from->preds[i].col, local);
            if (col == WR_NO_COL)
                continue;
            preds[ret_to[local].npreds] = from->preds[i];
            preds[ret_to[local].npreds++].col = col;
        }
    }
    return true;
}

static bool make_branches(struct wr_wants *wants, const struct wr_scan *const scan[WR_NTABLES])
{
    static const enum wr_table direct[] = {WR_TABLE_DEVICE_NETWORK_EVENTS, WR_TABLE_FLOW_ORPHANS};
    const struct wr_scan *sessions = scan[WR_TABLE_ASIM_NETWORK_SESSION_LOGS];
    uint32_t n = is_read(sessions) ? 2 * sessions->nbranches : 0;
    for (int t = 0; t < 2; t++)
        n += is_read(scan[direct[t]]) ? scan[direct[t]]->nbranches : 0;
    n += wants->one_sided != 0;
    struct wr_branch *branches = wr_arena_alloc(wants->arena, (n + 1) * sizeof *branches);
    if (!branches)
        return false;
    wants->events = (struct wr_scan){.table = WR_TABLE_DEVICE_NETWORK_EVENTS,
                                     .wanted = wants->event_cols,
                                     .branches = branches,
                                     .nbranches = n};
    wants->conn = n > 0;
    for (int t = 0; t < 2; t++)
        for (uint32_t i = 0; is_read(scan[direct[t]]) && i < scan[direct[t]]->nbranches; i++)
            *branches++ = scan[direct[t]]->branches[i];
    for (uint32_t i = 0; is_read(sessions) && i < sessions->nbranches; i++, branches += 2)
        if (!translate(wants->arena, &sessions->branches[i], branches))
            return false;
    if (wants->one_sided)
        *branches = (struct wr_branch){0}; /* every row */
    return true;
}

/* Rules on Flows accept records with one of the ports that they ask for, at either end; those that ask for none accept all. */
static bool make_records(struct wr_wants *wants)
{
    const struct wr_scan *flows = &wants->scan[WR_TABLE_FLOWS];
    wants->records = wants->events;
    if (!wr_wants_rows(wants, WR_TABLE_FLOWS))
        return true;
    uint32_t n = wants->events.nbranches;
    struct wr_branch *branches = wr_arena_alloc(wants->arena, (n + flows->nbranches) * sizeof *branches);
    if (!branches)
        return false;
    for (uint32_t i = 0; i < n; i++)
        branches[i] = wants->events.branches[i];
    for (uint32_t i = 0; i < flows->nbranches; i++, n++) {
        const struct wr_branch *from = &flows->branches[i];
        for (uint32_t k = 0; k < from->npreds && !branches[n].npreds; k++) {
            const uint16_t col = from->preds[k].col;
            if (from->preds[k].op != WR_PRED_IN_INT ||
                (col != WR_FLOWS_sourceTransportPort && col != WR_FLOWS_destinationTransportPort))
                continue;
            struct wr_pred *port = wr_arena_alloc(wants->arena, sizeof *port);
            if (!port)
                return false;
            *port = from->preds[k];
            port->col = WR_DNE_RemotePort;
            branches[n] = (struct wr_branch){.preds = port, .npreds = 1};
        }
    }
    wants->records = (struct wr_scan){.table = WR_TABLE_DEVICE_NETWORK_EVENTS, .branches = branches, .nbranches = n};
    return true;
}

enum { PORTS = 65536 };

/* The predicate that names the ports of a branch of `events`; NULL: it takes any. */
static const struct wr_pred *ports_of(const struct wr_branch *branch)
{
    for (uint32_t i = 0; i < branch->npreds; i++)
        if (branch->preds[i].op == WR_PRED_IN_INT &&
            (branch->preds[i].col == WR_DNE_RemotePort || branch->preds[i].col == WR_DNE_LocalPort))
            return &branch->preds[i];
    return NULL;
}

/* Records that only rules on Flows read are none of the connection table's: it would be full of them. */
static bool make_conn_ports(struct wr_wants *wants)
{
    if (!wants->conn || !wr_wants_rows(wants, WR_TABLE_FLOWS))
        return true;
    for (uint32_t i = 0; i < wants->events.nbranches; i++)
        if (!ports_of(&wants->events.branches[i]))
            return true;
    uint64_t *ports = wr_arena_alloc(wants->arena, WR_CONN_PORTS_BYTES);
    if (!ports)
        return false;
    for (uint32_t i = 0; i < wants->events.nbranches; i++) {
        const struct wr_pred *p = ports_of(&wants->events.branches[i]);
        for (uint32_t k = 0; k < p->n; k++)
            if (p->ints[k] >= 0 && p->ints[k] < PORTS)
                ports[p->ints[k] / 64] |= UINT64_C(1) << (p->ints[k] % 64);
    }
    wants->conn_ports = ports;
    return true;
}

/* Who reads connections reads what firewalls tell of translations (conn/nat.c): of the ports that are wanted. */
static bool add_firewalls(struct wr_wants *wants)
{
    static const uint16_t translated[2] = {WR_CSL_SourceTranslatedAddress, WR_CSL_DestinationTranslatedAddress};
    static const uint16_t ports[2] = {WR_CSL_DestinationPort, WR_CSL_DestinationTranslatedPort};
    struct wr_scan *scan = &wants->scan[WR_TABLE_COMMON_SECURITY_LOG];
    const struct wr_scan *events = &wants->events;
    uint32_t n = scan->nbranches;
    struct wr_branch *branches = wr_arena_alloc(wants->arena, (n + 4u * events->nbranches) * sizeof *branches);
    if (!branches)
        return false;
    for (uint32_t i = 0; i < n; i++)
        branches[i] = scan->branches[i];
    for (uint32_t i = 0; i < 4 * events->nbranches; i++) {
        const struct wr_branch *from = &events->branches[i / 4];
        struct wr_pred *preds = wr_arena_alloc(wants->arena, 2 * sizeof *preds);
        if (!preds)
            return false;
        preds[0] = (struct wr_pred){.col = translated[i & 1], .op = WR_PRED_SET};
        branches[n] = (struct wr_branch){.preds = preds, .npreds = 1};
        for (uint32_t k = 0; k < from->npreds; k++)
            if (from->preds[k].col == WR_DNE_RemotePort && from->preds[k].op == WR_PRED_IN_INT) {
                preds[1] = from->preds[k];
                preds[1].col = ports[i >> 1 & 1];
                branches[n].npreds = 2;
            }
        n++;
    }
    scan->branches = branches;
    scan->nbranches = n;
    wr_conn_firewall_cols(&scan->wanted);
    return true;
}

/* One more branch of a table that others may read, too. */
static bool add_branch(struct wr_wants *wants, enum wr_table table, struct wr_pred pred)
{
    struct wr_scan *scan = &wants->scan[table];
    struct wr_branch *branches = wr_arena_alloc(wants->arena, (scan->nbranches + 1) * sizeof *branches);
    struct wr_pred *own = wr_arena_alloc(wants->arena, sizeof *own);
    if (!branches || !own)
        return false;
    for (uint32_t i = 0; i < scan->nbranches; i++)
        branches[i] = scan->branches[i];
    *own = pred;
    branches[scan->nbranches++] = (struct wr_branch){.preds = own, .npreds = 1};
    scan->branches = branches;
    return true;
}

/* Names of devices and of what clients asked for, where somebody reads them. */
static bool add_names(struct wr_wants *wants)
{
    bool far = wr_colset_has(&wants->event_cols, WR_DNE_RemoteUrl) ||
               wr_colset_has(&wants->session_cols, WR_NETSESSION_DstHostname);
    struct wr_str *names = wr_arena_alloc(wants->arena, (WR_CONN_DHCP_NAMES + 1) * sizeof *names);
    for (int i = 0; names && i <= WR_CONN_DHCP_NAMES; i++) {
        const char *text = i < WR_CONN_DHCP_NAMES ? wr_conn_dhcp_names[i] : wr_conn_lease_class;
        if (!wr_str_copy(wants->arena, text, strlen(text), &names[i]))
            return false;
    }
    if (!names)
        return false;
    struct wr_pred syslog = {
        .col = WR_SYSLOG_ProcessName, .op = WR_PRED_IN_STR, .n = WR_CONN_DHCP_NAMES, .strs = names};
    struct wr_pred lease = {
        .col = WR_CSL_DeviceEventClassID, .op = WR_PRED_IN_STR, .n = 1, .strs = &names[WR_CONN_DHCP_NAMES]};
    wr_conn_dhcp_cols(&wants->scan[WR_TABLE_SYSLOG].wanted, &wants->scan[WR_TABLE_COMMON_SECURITY_LOG].wanted);
    if (!add_branch(wants, WR_TABLE_SYSLOG, syslog) || !add_branch(wants, WR_TABLE_COMMON_SECURITY_LOG, lease))
        return false;
    if (!far)
        return true;
    struct wr_pred pred = {.col = WR_DNS_DnsResponseName, .op = WR_PRED_SET};
    wr_conn_dns_cols(&wants->scan[WR_TABLE_ASIM_DNS_ACTIVITY_LOGS].wanted);
    return add_branch(wants, WR_TABLE_ASIM_DNS_ACTIVITY_LOGS, pred);
}

bool wr_wants_of(struct wr_wants *wants, const struct wr_scan *const scan[WR_NTABLES])
{
    const struct wr_scan *dne = scan[WR_TABLE_DEVICE_NETWORK_EVENTS],
                         *orphans = scan[WR_TABLE_FLOW_ORPHANS];
    const struct wr_scan *sessions = scan[WR_TABLE_ASIM_NETWORK_SESSION_LOGS];
    *wants = (struct wr_wants){.arena = wr_arena_new(1024)};
    if (!wants->arena)
        return false;
    join(&wants->conn_cols, dne);
    join(&wants->conn_cols, orphans);
    wr_colset_add(&wants->conn_cols, WR_DNE_Timestamp);
    join(&wants->session_cols, sessions);
    wants->event_cols = wr_conn_event_cols(&wants->conn_cols, &wants->session_cols);
    for (size_t i = 0; i < sizeof binding_cols / sizeof *binding_cols; i++)
        wr_colset_add(&wants->event_cols, binding_cols[i]);
    for (int t = 0; t < WR_NTABLES; t++) {
        wants->scan[t].table = (enum wr_table)t;
        if (!is_read(scan[t]))
            continue;
        wants->scan[t] = *scan[t];
        wants->scan[t].wanted = (struct wr_colset){0};
        join(&wants->scan[t].wanted, scan[t]);
        wr_colset_add(&wants->scan[t].wanted, WR_TIME_COL);
    }
    wants->one_sided = (uint8_t)((is_read(scan[WR_TABLE_UNMANAGED_DEVICE]) ? WR_ONE_SIDED_UNMANAGED : 0) |
                                 (is_read(scan[WR_TABLE_HIDDEN_CONNECTION]) ? WR_ONE_SIDED_HIDDEN : 0) |
                                 (is_read(scan[WR_TABLE_AGENT_SILENT]) ? WR_ONE_SIDED_SILENT : 0));
    wants->sessions_only = is_read(sessions) && !is_read(dne) && !is_read(orphans);
    bool made = make_branches(wants, scan) && make_records(wants) && make_conn_ports(wants) && (!wants->conn || (add_firewalls(wants) && add_names(wants)));
    wants->who = (wants->conn ? wr_conn_who(&wants->conn_cols, &wants->session_cols) | wr_who_bit(WR_WHO_NAT) : 0) |
                 (wr_wants_rows(wants, WR_TABLE_FLOWS) ? wr_flow_row_who(&wants->scan[WR_TABLE_FLOWS].wanted) : 0);
    if (made)
        return true;
    wr_wants_fini(wants);
    return false;
}

bool wr_wants_init(struct wr_wants *wants, const struct wr_ruleset *rules)
{
    const struct wr_scan *scan[WR_NTABLES];
    for (int t = 0; t < WR_NTABLES; t++)
        scan[t] = wr_ruleset_scan(rules, t);
    return wr_wants_of(wants, scan);
}

const struct wr_colset *wr_wants_conn_cols(const struct wr_wants *wants, enum wr_table table)
{
    if (table == WR_TABLE_DEVICE_NETWORK_EVENTS || table == WR_TABLE_FLOW_ORPHANS)
        return &wants->conn_cols;
    return table == WR_TABLE_ASIM_NETWORK_SESSION_LOGS ? &wants->session_cols : &wants->scan[table].wanted;
}

void wr_wants_fini(struct wr_wants *wants)
{
    wr_arena_free(wants->arena);
    wants->arena = NULL;
}
