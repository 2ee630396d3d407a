/* NetFlow v1, v5 and v7: fixed records, read through the same plan as everything else. All headers
 * begin with version 0, count 2, sysUptime 4, unix secs 8, nsecs 12. v1  header 16; record 52: as
 * v5 up to the port at 34, then protocol 38, tos 39, flags 40 v5  header 24: sequence 16, engine
 * type 20, engine id 21, sampling 22 (mode 2 bits, interval 14); record 48 v7  header 24: sequence
 * 16, reserved 20; record 52: as v5, then the router that was bypassed, 48 */
#include "parsers/flow/state.h"

#define F(id, len) 0, id, 0, len
#define TO_PORTS                                                                                             \
    F(8, 4), F(12, 4), F(15, 4), F(10, 2), F(14, 2), F(2, 4), F(1, 4), F(22, 4), F(21, 4), F(7, 2), F(11, 2)
#define FROM_FLAGS F(6, 1), F(4, 1), F(5, 1), F(16, 2), F(17, 2), F(9, 1), F(13, 1), F(210, 2)
static const uint8_t spec1[] = {0, 16, TO_PORTS, F(210, 2), F(4, 1), F(5, 1), F(6, 1), F(210, 11)};
static const uint8_t spec5[] = {0, 20, TO_PORTS, F(210, 1), FROM_FLAGS};
static const uint8_t spec7[] = {0, 21, TO_PORTS, F(210, 1), FROM_FLAGS, F(130, 4)};
#undef F

static const struct dialect {
    uint16_t version, header, record, spec_len;
    const uint8_t *spec;
} dialects[WR_FLOW_NFIXED] = {
    {WR_FLOW_V1, 16, 52, sizeof spec1, spec1},
    {WR_FLOW_V5, 24, 48, sizeof spec5, spec5},
    {WR_FLOW_V7, 24, 52, sizeof spec7, spec7},
};

struct wr_tmpl *wr_fixed_template(const struct wr_model *model, uint32_t which)
{
    return wr_tmpl_new(model, WR_FLOW_V9, 0, false, dialects[which].spec, dialects[which].spec_len);
}

/* Sequence, domain and sampling: v1 has none of them. */
static void read_rest(struct wr_msg *msg, const uint8_t *p)
{
    if (msg->version == WR_FLOW_V1)
        return;
    msg->seq = wr_be32(p + 16);
    if (msg->version == WR_FLOW_V7)
        return;
    msg->domain = wr_be16(p + 20);
    msg->header_rate = wr_be16(p + 22) & 0x3fff; /* Junos sends an interval with mode 0 */
}

bool wr_fixed_message(struct wr_msg *msg, uint32_t which, enum wr_flow_reject *ret_why)
{
    const struct dialect *d = &dialects[which];
    const uint8_t *p = msg->data;
    if (msg->len < d->header) {
        *ret_why = WR_FLOW_REJECT_truncated;
        return false;
    }
    msg->count = wr_be16(p + 2);
    msg->uptime_ms = wr_be32(p + 4);
    uint32_t secs = wr_be32(p + 8), nsecs = wr_be32(p + 12);
    read_rest(msg, p);
    size_t fits = (msg->len - d->header) / d->record;
    if (fits == 0 && msg->count) {
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
        WR_REFUSED(msg, WR_FLOW_REJECT_truncated);
        n = fits;
    }
    wr_export_time(msg, secs, nsecs < 1000000000 ? nsecs : 0);
    if (n)
        wr_set_decode(msg, msg->dec->fixed[which], msg->data + d->header, n * d->record);
    return true;
}
