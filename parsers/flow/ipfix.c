/* IPFIX (RFC 7011 3.1). Header 16: version 0, length 2, export time 4, sequence 8, observation
 * domain 12. */
#include "parsers/flow/state.h"

enum { HEADER = 16 };

bool wr_ipfix_message(struct wr_msg *msg, enum wr_flow_reject *ret_why)
{
    const uint8_t *p = msg->data;
    size_t length = msg->len >= 4 ? wr_be16(p + 2) : 0;
    if (msg->len < HEADER || length != msg->len) {
        bool cut = msg->len < HEADER || length > msg->len;
        *ret_why = cut ? WR_FLOW_REJECT_truncated : WR_FLOW_REJECT_length;
        return false;
    }
    wr_export_time(msg, wr_be32(p + 4), 0);
    msg->seq = wr_be32(p + 8);
    msg->domain = wr_be32(p + 12);
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

int32_t wr_flow_frame(const uint8_t *data, size_t len)
{
    if (len >= 1 && data[0] != 0)
        return -1;
    if (len >= 2 && data[1] != WR_FLOW_IPFIX)
        return -1;
    if (len < 4)
        return 0;
    int32_t length = (int32_t)wr_be(data + 2, 2);
    if (length < HEADER)
        return -1;
    return (size_t)length <= len ? length : 0;
}
