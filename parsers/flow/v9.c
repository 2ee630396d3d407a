/* NetFlow v9 (RFC 3954). Header 20: version 0, count 2, sysUptime 4, unix secs 8, sequence 12,
 * source id 16. The count is not to be trusted: nothing is sized or stopped by it. */
#include "parsers/flow/state.h"

enum { HEADER = 20 };

bool wr_v9_message(struct wr_msg *msg, enum wr_flow_reject *ret_why)
{
    const uint8_t *p = msg->data;
    if (msg->len < HEADER) {
        *ret_why = WR_FLOW_REJECT_truncated;
        return false;
    }
    msg->count = wr_be16(p + 2);
    msg->uptime_ms = wr_be32(p + 4);
    wr_export_time(msg, wr_be32(p + 8), 0);
    msg->seq = wr_be32(p + 12);
    msg->domain = wr_be32(p + 16);
    if (wr_message_settled(msg, HEADER))
        return true;
    if (!wr_preflight(msg, HEADER, ret_why))
        return false;
    *ret_why = WR_FLOW_REJECT_exporter_cap;
    if (!wr_stream_enter(msg))
        return false;
    wr_sets_apply(msg, HEADER);
    return true;
}
