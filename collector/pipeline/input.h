#ifndef WR_COLLECTOR_PIPELINE_INPUT_H
#define WR_COLLECTOR_PIPELINE_INPUT_H

#include <stdint.h>

/* What the owner of the state is given, in one order: this is what rings carry, what the log stores and what
 * recovery replays. Everything that the state depends on is one of these, the passing of time included.
 * Values are on disk. */
enum wr_input_type {
    WR_INPUT_FLOWS = 1, /* struct wr_flow, one or more */
    WR_INPUT_FLOW_WHO = 5, /* one struct wr_flow, then what it says of process and host (parsers/flow/who.h) */
    /* How far a file was read (collector/state/filepos.h), then what came of it: u32 type, u32 length, bytes, of rows.
     * One input, so that no crash can part them. */
    WR_INPUT_FILE = 6,
    WR_INPUT_FLOW_BLOCK = 7, /* flow records as columns (block.h): rows of Flows alone */
    WR_INPUT_CONN_FLOWS = 8, /* struct wr_flow, one or more: for connections alone, their rows came as a block */
    WR_INPUT_TURN = 4, /* no bytes: everything before is worked through, time moves on to `arrival_ns` */
    WR_INPUT_ROW = 256 /* and above: packed row (wr_row_pack) of the table whose number stands above it */
};

static inline uint32_t wr_input_row(uint32_t table)
{
    return WR_INPUT_ROW + table;
}

struct wr_input {
    uint32_t type;
    uint32_t len;
    int64_t arrival_ns; /* wall clock of the worker that received it; the owner makes it never step back */
    const void *bytes;
};

#endif
