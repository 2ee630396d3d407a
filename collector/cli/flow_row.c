#include "collector/cli/flow_row.h"

#include "base/ticks.h"
#include "parsers/conn/address.h"

#include <netinet/in.h>

enum { DIRECTION_UNKNOWN = 255 };

static bool set_addr(struct wr_batch *batch, uint16_t col, uint32_t row, bool v6, const uint8_t *addr)
{
    char text[WR_ADDRESS_TEXT];
    if (!batch->col[col].s) /* nobody reads it: no text to make */
        return true;
    wr_address_text(addr, v6, text);
    return wr_batch_set_str(batch, col, row, text, strlen(text));
}

/* An exporter is an IPv6 address, or an IPv4 one mapped into it (RFC 4291 section 2.5.5.2). */
static bool set_exporter(struct wr_batch *batch, uint32_t row, const uint8_t *addr)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    bool v4 = memcmp(addr, mapped, sizeof mapped) == 0;
    return set_addr(batch, WR_FLOWS_Exporter, row, !v4, v4 ? addr + 12 : addr);
}

/* The first column is Timestamp, which no kind fills. */
static const uint16_t who_columns[WR_WHO_NKINDS] = {
    [WR_WHO_DEVICE_NAME] = WR_FLOWS_virtualStationName, [WR_WHO_PROCESS] = WR_FLOWS_processName,
    [WR_WHO_USER] = WR_FLOWS_userName,                  [WR_WHO_APPLICATION] = WR_FLOWS_applicationName,
    [WR_WHO_IN_INTERFACE] = WR_FLOWS_ingressInterfaceName,
    [WR_WHO_OUT_INTERFACE] = WR_FLOWS_egressInterfaceName,
    [WR_WHO_IN_VRF] = WR_FLOWS_ingressVRFName,          [WR_WHO_OUT_VRF] = WR_FLOWS_egressVRFName,
    [WR_WHO_FIELDS] = WR_FLOWS_Fields,
};

uint32_t wr_flow_row_who(const struct wr_colset *wanted)
{
    uint32_t kinds = 0;
    for (uint32_t k = 0; k < WR_WHO_NKINDS; k++)
        if (who_columns[k] && wr_colset_has(wanted, who_columns[k]))
            kinds |= wr_who_bit(k);
    return kinds;
}

static bool set_who(struct wr_batch *batch, uint32_t row, struct wr_who who)
{
    enum wr_who_kind kind;
    const char *text;
    uint32_t len;
    while (wr_who_next(&who, &kind, &text, &len))
        if (who_columns[kind] && !wr_batch_set_str(batch, who_columns[kind], row, text, len))
            return false;
    return true;
}

static bool set_ends(const struct wr_flow *flow, struct wr_batch *batch, uint32_t r, bool v6)
{
    return set_addr(batch, WR_FLOWS_sourceIPAddress, r, v6, flow->src) &&
           set_addr(batch, WR_FLOWS_destinationIPAddress, r, v6, flow->dst);
}

static void set_ports(const struct wr_flow *flow, struct wr_batch *batch, uint32_t r)
{
    bool icmp = flow->proto == IPPROTO_ICMP || flow->proto == IPPROTO_ICMPV6;
    if (flow->flags & WR_FLOW_NO_PORTS)
        return;
    wr_batch_set_i64(batch, icmp ? WR_FLOWS_icmpType : WR_FLOWS_sourceTransportPort, r,
                     icmp ? flow->dport >> 8 : flow->sport);
    wr_batch_set_i64(batch, icmp ? WR_FLOWS_icmpCode : WR_FLOWS_destinationTransportPort, r,
                     icmp ? flow->dport & 255 : flow->dport);
}

bool wr_flow_row(const struct wr_flow *flow, struct wr_who who, struct wr_batch *batch)
{
    uint32_t r = wr_batch_row(batch);
    bool v6 = flow->flags & WR_FLOW_V6, counters = flow->flags & WR_FLOW_COUNTERS;
    bool ends = !counters && !(flow->flags & WR_FLOW_NO_ENDS);
    const char *kind = counters ? "counters" : flow->flags & WR_FLOW_DISCARD ? "discard" : "flow";
    if ((ends && !set_ends(flow, batch, r, v6)) ||
        (batch->col[WR_FLOWS_recordType].s && !wr_batch_set_str(batch, WR_FLOWS_recordType, r, kind, strlen(kind))) ||
        !set_exporter(batch, r, flow->exporter) || !set_who(batch, r, who)) {
        wr_batch_unrow(batch);
        return false;
    }
    wr_batch_set_i64(batch, WR_FLOWS_Timestamp, r, wr_ticks_of_unix_ns(flow->start_ns));
    wr_batch_set_i64(batch, WR_FLOWS_FlowEndTime, r, wr_ticks_of_unix_ns(flow->end_ns));
    wr_batch_set_i64(batch, WR_FLOWS_observationDomainId, r, flow->domain);
    if (counters)
        return true;
    if (ends) {
        set_ports(flow, batch, r);
        wr_batch_set_i64(batch, WR_FLOWS_protocolIdentifier, r, flow->proto);
    }
    if (flow->flags & WR_FLOW_HAS_TCP_FLAGS)
        wr_batch_set_i64(batch, WR_FLOWS_tcpControlBits, r, flow->tcp_flags);
    if (flow->flags & WR_FLOW_HAS_BYTES) {
        wr_batch_set_i64(batch, WR_FLOWS_octetDeltaCount, r, (int64_t)flow->octets[0]);
        wr_batch_set_i64(batch, WR_FLOWS_packetDeltaCount, r, (int64_t)flow->packets[0]);
    }
    if (flow->end_reason)
        wr_batch_set_i64(batch, WR_FLOWS_flowEndReason, r, flow->end_reason);
    if (flow->direction != DIRECTION_UNKNOWN)
        wr_batch_set_i64(batch, WR_FLOWS_flowDirection, r, flow->direction);
    wr_batch_set_i64(batch, WR_FLOWS_samplingInterval, r, flow->sampling);
    return true;
}
