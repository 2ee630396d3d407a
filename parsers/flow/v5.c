/* NetFlow v5: a fixed record, read through the same plan as everything else.
 * Header 24: version 0, count 2, sysUptime 4, unix secs 8, nsecs 12, sequence 16, engine type 20, engine id
 * 21, sampling 22 (mode 2 bits, interval 14). Record 48, at most 30 a datagram. */
#include "parsers/flow/state.h"

enum { HEADER = 24, RECORD = 48 };

static const uint8_t spec[] = {
#define F(id, len) 0, id, 0, len
    0,       20,       F(8, 4),  F(12, 4), F(15, 4), F(10, 2),  F(14, 2), F(2, 4),
    F(1, 4), F(22, 4), F(21, 4), F(7, 2),  F(11, 2), F(210, 1), F(6, 1),  F(4, 1),
    F(5, 1), F(16, 2), F(17, 2), F(9, 1),  F(13, 1), F(210, 2)
#undef F
};

struct wr_tmpl *wr_v5_template(const struct wr_model *model)
{
    return wr_tmpl_new(model, WR_FLOW_V9, 0, false, spec, sizeof spec);
}

bool wr_v5_message(struct wr_msg *msg, enum wr_flow_reject *ret_why)
{
    struct wr_wire w = wr_wire_init(msg->data, msg->len);
    wr_wire_u16(&w);
    msg->count = wr_wire_u16(&w);
    msg->uptime_ms = wr_wire_u32(&w);
    uint32_t secs = wr_wire_u32(&w), nsecs = wr_wire_u32(&w);
    msg->seq = wr_wire_u32(&w);
    msg->domain = wr_wire_u16(&w);
    uint16_t sampling = wr_wire_u16(&w);
    size_t fits = wr_wire_left(&w) / RECORD;
    if (w.err || (fits == 0 && msg->count)) {
        *ret_why = WR_FLOW_REJECT_truncated;
        return false;
    }
    if (!wr_stream_enter(msg)) {
        *ret_why = WR_FLOW_REJECT_exporter_cap;
        return false;
    }
    /* Octets after the last record are ignored; a count that lies costs what is not there. */
    size_t n = msg->count;
    if (n > fits) {
        WR_COUNT(msg, rejected[WR_FLOW_REJECT_truncated], 1);
        n = fits;
    }
    wr_export_time(msg, secs, nsecs < 1000000000 ? nsecs : 0);
    msg->header_rate = sampling & 0x3fff; /* Junos sends an interval with mode 0 */
    if (n)
        wr_set_decode(msg, msg->dec->v5, msg->data + HEADER, n * RECORD);
    return true;
}
