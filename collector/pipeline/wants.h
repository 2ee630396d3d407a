#ifndef WR_COLLECTOR_PIPELINE_WANTS_H
#define WR_COLLECTOR_PIPELINE_WANTS_H

#include "rules/rules.h"

/* What a rule set wants of each stage. DeviceNetworkEvents and FlowOrphans are filled from the same records,
 * so a record or event is wanted when either table's rules accept it. */
struct wr_wants {
    struct wr_arena *arena; /* owns `events.branches`; the predicates behind them belong to the rule set */
    struct wr_scan events;  /* of connections and endpoint events, both tables together */
    struct wr_colset conn_cols;  /* what the connection table gives to rules, and its hidden columns */
    struct wr_colset event_cols; /* what endpoint events carry: conn_cols and what binds them to a flow */
    struct wr_colset line_cols, flow_cols;
    uint32_t who; /* kinds of parsers/flow/who.h that fill one of these columns */
    bool conn, lines, flows; /* somebody reads connections, Syslog, Flows */
};

/* The rule set must outlive it. False when out of memory. */
bool wr_wants_init(struct wr_wants *wants, const struct wr_ruleset *rules) WR_MUST_CHECK;
void wr_wants_fini(struct wr_wants *wants);

#endif
