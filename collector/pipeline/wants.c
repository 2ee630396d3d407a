#include "collector/pipeline/wants.h"

#include "collector/cli/flow_row.h"
#include "parsers/conn/conn.h"

#include <string.h>

/* An endpoint event is bound to its flow by these, whether a rule reads them or not. */
static const uint16_t binding_cols[] = {
    WR_DNE_Timestamp, WR_DNE_DeviceId,   WR_DNE_DeviceName, WR_DNE_ActionType,
    WR_DNE_RemoteIP,  WR_DNE_RemotePort, WR_DNE_LocalIP,    WR_DNE_LocalPort,
    WR_DNE_Protocol,  WR_DNE_ReportId,   WR_DNE_EventCount, WR_DNE_InitiatingProcessId,
};

static void join(struct wr_colset *set, const struct wr_scan *scan)
{
    const struct wr_schema *schema = wr_schema_of(scan->table);
    for (uint16_t c = 0; c < schema->ncols; c++)
        if (wr_colset_has(&scan->wanted, c))
            wr_colset_add(set, schema->cols[c].store);
}

bool wr_wants_init(struct wr_wants *wants, const struct wr_ruleset *rules)
{
    const struct wr_scan *dne = wr_ruleset_scan(rules, WR_TABLE_DEVICE_NETWORK_EVENTS);
    const struct wr_scan *orphans = wr_ruleset_scan(rules, WR_TABLE_FLOW_ORPHANS);
    const struct wr_scan *syslog = wr_ruleset_scan(rules, WR_TABLE_SYSLOG);
    const struct wr_scan *flows = wr_ruleset_scan(rules, WR_TABLE_FLOWS);
    *wants = (struct wr_wants){.arena = wr_arena_new(1024)};
    if (!wants->arena)
        return false;
    uint32_t n = dne->nbranches + orphans->nbranches;
    struct wr_branch *branches = wr_arena_alloc(wants->arena, (n + 1) * sizeof *branches);
    if (!branches) {
        wr_wants_fini(wants);
        return false;
    }
    for (uint32_t i = 0; i < n; i++)
        branches[i] = i < dne->nbranches ? dne->branches[i] : orphans->branches[i - dne->nbranches];
    join(&wants->conn_cols, dne);
    join(&wants->conn_cols, orphans);
    const struct wr_schema *schema = wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS);
    for (uint16_t c = 0; c < schema->ncols; c++)
        if (schema->cols[c].hidden)
            wr_colset_add(&wants->conn_cols, c);
    wr_colset_add(&wants->conn_cols, WR_DNE_Timestamp);
    wants->event_cols = wants->conn_cols;
    for (size_t i = 0; i < sizeof binding_cols / sizeof *binding_cols; i++)
        wr_colset_add(&wants->event_cols, binding_cols[i]);
    wants->events = (struct wr_scan){.table = WR_TABLE_DEVICE_NETWORK_EVENTS,
                                     .wanted = wants->event_cols,
                                     .branches = branches,
                                     .nbranches = n};
    join(&wants->line_cols, syslog);
    wr_colset_add(&wants->line_cols, WR_SYSLOG_TimeGenerated);
    join(&wants->flow_cols, flows);
    wr_colset_add(&wants->flow_cols, WR_FLOWS_Timestamp);
    wants->conn = n > 0;
    wants->lines = syslog->nbranches > 0;
    wants->flows = flows->nbranches > 0;
    wants->who = (wants->conn ? wr_conn_who(&wants->conn_cols) : 0) |
                 (wants->flows ? wr_flow_row_who(&wants->flow_cols) : 0);
    return true;
}

void wr_wants_fini(struct wr_wants *wants)
{
    wr_arena_free(wants->arena);
    wants->arena = NULL;
}
