#include "base/schema.h"

#include "base/hash.h"

#include <string.h>

static const char *const type_names[WR_NTYPES] = {"bool",     "int",    "long", "real",    "datetime",
                                                  "timespan", "string", "guid", "dynamic", "decimal"};

const char *wr_type_name(enum wr_type type)
{
    return type < WR_NTYPES ? type_names[type] : "unknown";
}

bool wr_type_parse(const char *name, size_t len, enum wr_type *ret_type)
{
    static const struct {
        const char *name;
        enum wr_type type;
    } also[] = {{"double", WR_REAL}, {"date", WR_DATETIME}, {"time", WR_TIMESPAN}, {"boolean", WR_BOOL}, {"uuid", WR_GUID}};
    for (int t = 0; t < WR_NTYPES; t++)
        if (strlen(type_names[t]) == len && memcmp(type_names[t], name, len) == 0) {
            *ret_type = (enum wr_type)t;
            return true;
        }
    for (size_t i = 0; i < sizeof also / sizeof *also; i++)
        if (strlen(also[i].name) == len && memcmp(also[i].name, name, len) == 0) {
            *ret_type = also[i].type;
            return true;
        }
    return false;
}

#define PREFIX(name) WR_DNE_##name
#define COL(n, t) {.name = #n, .type = WR_##t, .store = PREFIX(n)},
#define OWN(n, t) {.name = #n, .type = WR_##t, .store = PREFIX(n), .own = true},
#define HIDDEN(n, t) {.name = #n, .type = WR_##t, .store = PREFIX(n), .own = true, .hidden = true},
#define ALIAS(n, t, of) {.name = #n, .type = WR_##t, .store = PREFIX(of)},
#define OWN_ALIAS(n, t, of) {.name = #n, .type = WR_##t, .store = PREFIX(of), .own = true},
static const struct wr_coldef dne_cols[] = {
#include "base/tables/device_network_events.def"
};
#undef PREFIX
#define PREFIX(name) WR_SYSLOG_##name
static const struct wr_coldef syslog_cols[] = {
#include "base/tables/syslog.def"
};
#undef PREFIX
#define PREFIX(name) WR_FLOWS_##name
static const struct wr_coldef flows_cols[] = {
#include "base/tables/flows.def"
};
#undef PREFIX
#define PREFIX(name) WR_NETSESSION_##name
static const struct wr_coldef netsession_cols[] = {
#include "base/tables/asim_network_session_logs.def"
};
#undef PREFIX
#define PREFIX(name) WR_DNS_##name
static const struct wr_coldef dns_cols[] = {
#include "base/tables/asim_dns_activity_logs.def"
};
#undef PREFIX
#define PREFIX(name) WR_CSL_##name
static const struct wr_coldef csl_cols[] = {
#include "base/tables/common_security_log.def"
};
#undef PREFIX
#define PREFIX(name) WR_DPE_##name
static const struct wr_coldef dpe_cols[] = {
#include "base/tables/device_process_events.def"
};
#undef PREFIX
#define PREFIX(name) WR_SMTP_##name
static const struct wr_coldef smtp_cols[] = {
#include "base/tables/smtp_messages.def"
};
#undef PREFIX
#define PREFIX(name) WR_SIDE_##name
static const struct wr_coldef side_cols[] = {
#include "base/tables/one_sided.def"
};
#undef PREFIX

_Static_assert((int)WR_DNE_NCOLS <= (int)WR_MAX_COLS && (int)WR_NETSESSION_NCOLS <= (int)WR_MAX_COLS &&
                   (int)WR_DNS_NCOLS <= (int)WR_MAX_COLS && (int)WR_CSL_NCOLS <= (int)WR_MAX_COLS,
               "a column set holds every column");

static const struct wr_schema tables[WR_NTABLES] = {
    [WR_TABLE_DEVICE_NETWORK_EVENTS] = {"DeviceNetworkEvents", dne_cols, WR_DNE_NCOLS},
    [WR_TABLE_FLOW_ORPHANS] = {"FlowOrphans", dne_cols, WR_DNE_NCOLS},
    [WR_TABLE_SYSLOG] = {"Syslog", syslog_cols, WR_SYSLOG_NCOLS},
    [WR_TABLE_FLOWS] = {"Flows", flows_cols, WR_FLOWS_NCOLS},
    [WR_TABLE_ASIM_NETWORK_SESSION_LOGS] = {"ASimNetworkSessionLogs", netsession_cols, WR_NETSESSION_NCOLS},
    [WR_TABLE_ASIM_DNS_ACTIVITY_LOGS] = {"ASimDnsActivityLogs", dns_cols, WR_DNS_NCOLS},
    [WR_TABLE_COMMON_SECURITY_LOG] = {"CommonSecurityLog", csl_cols, WR_CSL_NCOLS},
    [WR_TABLE_DEVICE_PROCESS_EVENTS] = {"DeviceProcessEvents", dpe_cols, WR_DPE_NCOLS},
    [WR_TABLE_SMTP_MESSAGES] = {"SmtpMessages", smtp_cols, WR_SMTP_NCOLS},
    [WR_TABLE_UNMANAGED_DEVICE] = {"UnmanagedDevice", side_cols, WR_SIDE_NCOLS},
    [WR_TABLE_HIDDEN_CONNECTION] = {"HiddenConnection", side_cols, WR_SIDE_NCOLS},
    [WR_TABLE_AGENT_SILENT] = {"AgentSilent", side_cols, WR_SIDE_NCOLS},
};

static const struct wr_amends dne_amends = {
    WR_DNE__RowId, WR_DNE__Amend, 4,
    {{WR_DNE_SentBytes, WR_DNE__PrevSentBytes}, {WR_DNE_ReceivedBytes, WR_DNE__PrevReceivedBytes},
     {WR_DNE_MatchQuality, WR_NO_COL}, {WR_DNE_BytesEstimated, WR_NO_COL}}};
static const struct wr_amends netsession_amends = {
    WR_NETSESSION__RowId, WR_NETSESSION__Amend, 11,
    {{WR_NETSESSION_SrcBytes, WR_NETSESSION__PrevSrcBytes},
     {WR_NETSESSION_DstBytes, WR_NETSESSION__PrevDstBytes},
     {WR_NETSESSION_NetworkBytes, WR_NETSESSION__PrevNetworkBytes},
     {WR_NETSESSION_SrcPackets, WR_NETSESSION__PrevSrcPackets},
     {WR_NETSESSION_DstPackets, WR_NETSESSION__PrevDstPackets},
     {WR_NETSESSION_NetworkPackets, WR_NETSESSION__PrevNetworkPackets},
     {WR_NETSESSION_NetworkDuration, WR_NETSESSION__PrevNetworkDuration},
     {WR_NETSESSION_EventEndTime, WR_NO_COL},
     {WR_NETSESSION_NetworkApplicationProtocol, WR_NO_COL},
     {WR_NETSESSION_MatchQuality, WR_NO_COL},
     {WR_NETSESSION_BytesEstimated, WR_NO_COL}}};

const struct wr_amends *wr_table_amends(enum wr_table table)
{
    return table == WR_TABLE_DEVICE_NETWORK_EVENTS || table == WR_TABLE_FLOW_ORPHANS ? &dne_amends
           : table == WR_TABLE_ASIM_NETWORK_SESSION_LOGS                             ? &netsession_amends
                                                                                     : NULL;
}

uint16_t wr_ingestion_col(enum wr_table table)
{
    return (uint16_t)(tables[table].ncols - 1);
}

const struct wr_schema *wr_schema_of(enum wr_table table)
{
    return &tables[table];
}

bool wr_table_find(const char *name, size_t len, enum wr_table *ret_table)
{
    for (int t = 0; t < WR_NTABLES; t++)
        if (strlen(tables[t].name) == len && memcmp(tables[t].name, name, len) == 0) {
            *ret_table = (enum wr_table)t;
            return true;
        }
    return false;
}

uint16_t wr_schema_find(const struct wr_schema *schema, const char *name, size_t len)
{
    for (uint16_t c = 0; c < schema->ncols; c++)
        if (!schema->cols[c].hidden && strlen(schema->cols[c].name) == len &&
            memcmp(schema->cols[c].name, name, len) == 0)
            return c;
    return WR_NO_COL;
}

uint32_t wr_schema_fingerprint(void)
{
    uint32_t crc = 0;
    for (int t = 0; t < WR_NTABLES; t++) {
        crc = wr_crc32c(crc, tables[t].name, strlen(tables[t].name) + 1);
        for (uint16_t c = 0; c < tables[t].ncols; c++) {
            const struct wr_coldef *col = &tables[t].cols[c];
            uint8_t type = (uint8_t)col->type;
            crc = wr_crc32c(crc, col->name, strlen(col->name) + 1);
            crc = wr_crc32c(crc, &type, 1);
        }
    }
    return crc;
}

struct wr_colset wr_colset_all(const struct wr_schema *schema)
{
    struct wr_colset set = {{0}};
    for (uint16_t c = 0; c < schema->ncols; c++)
        wr_colset_add(&set, schema->cols[c].store);
    return set;
}
