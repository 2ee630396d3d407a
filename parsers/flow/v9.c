/* NetFlow v9 (RFC 3954). Header 20: version 0, count 2, sysUptime 4, unix secs 8, sequence 12, source id 16.
 * The count is not to be trusted: nothing is sized or stopped by it. */
#include "parsers/flow/state.h"

enum { HEADER = 20 };

bool wr_v9_message(struct wr_msg *msg, enum wr_flow_reject *ret_why)
{
    struct wr_wire w = wr_wire_init(msg->data, msg->len);
    wr_wire_u16(&w);
    msg->count = wr_wire_u16(&w);
    msg->uptime_ms = wr_wire_u32(&w);
    wr_export_time(msg, wr_wire_u32(&w), 0);
    msg->seq = wr_wire_u32(&w);
    msg->domain = wr_wire_u32(&w);
    if (w.err) {
        *ret_why = WR_FLOW_REJECT_truncated;
        return false;
    }
    if (!wr_preflight(msg, HEADER, ret_why))
        return false;
    *ret_why = WR_FLOW_REJECT_exporter_cap;
    if (!wr_stream_enter(msg))
        return false;
    wr_sets_apply(msg, HEADER);
    return true;
}
