#ifndef WR_COLLECTOR_CLI_FLOW_ROW_H
#define WR_COLLECTOR_CLI_FLOW_ROW_H

#include "base/batch.h"
#include "parsers/flow/flow.h"

/* Appends a flow record to a batch of the table Flows that is neither full nor sealed. Bytes that the record
 * does not give, and fields that mean "unknown", stay null. False when out of memory: nothing was appended.
 */
bool wr_flow_row(const struct wr_flow *flow, struct wr_who who, struct wr_batch *batch) WR_MUST_CHECK;

/* The kinds of who.h that fill a wanted column of Flows. */
uint32_t wr_flow_row_who(const struct wr_colset *wanted);

#endif
