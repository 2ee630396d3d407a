#ifndef WR_COLLECTOR_CLI_FLOW_ROW_H
#define WR_COLLECTOR_CLI_FLOW_ROW_H

#include "base/batch.h"
#include "parsers/flow/flow.h"

/* Appends a flow record to a batch of the table Flows that is neither full nor sealed. Bytes that the record
 * does not give, and fields that mean "unknown", stay null. False when out of memory: nothing was appended.
 */
bool wr_flow_row(const struct wr_flow *flow, struct wr_batch *batch) WR_MUST_CHECK;

#endif
