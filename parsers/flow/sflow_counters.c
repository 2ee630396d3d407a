/* Counter samples of sFlow: of an interface (RFC 2863) and its name, of Ethernet (RFC 3635), of a VLAN, of the
 * processor. */
#include "parsers/flow/sflow.h"

#include <inttypes.h>

static const struct counter {
    const char *name;
    uint8_t len;
} generic[] = {
    {"ifIndex", 4},          {"ifType", 4},           {"ifSpeed", 8},         {"ifDirection", 4},
    {"ifStatus", 4},         {"ifInOctets", 8},       {"ifInUcastPkts", 4},   {"ifInMulticastPkts", 4},
    {"ifInBroadcastPkts", 4}, {"ifInDiscards", 4},    {"ifInErrors", 4},      {"ifInUnknownProtos", 4},
    {"ifOutOctets", 8},      {"ifOutUcastPkts", 4},   {"ifOutMulticastPkts", 4}, {"ifOutBroadcastPkts", 4},
    {"ifOutDiscards", 4},    {"ifOutErrors", 4},      {"ifPromiscuousMode", 4},
}, ethernet[] = {
    {"dot3StatsAlignmentErrors", 4},         {"dot3StatsFCSErrors", 4},
    {"dot3StatsSingleCollisionFrames", 4},   {"dot3StatsMultipleCollisionFrames", 4},
    {"dot3StatsSQETestErrors", 4},           {"dot3StatsDeferredTransmissions", 4},
    {"dot3StatsLateCollisions", 4},          {"dot3StatsExcessiveCollisions", 4},
    {"dot3StatsInternalMacTransmitErrors", 4}, {"dot3StatsCarrierSenseErrors", 4},
    {"dot3StatsFrameTooLongs", 4},           {"dot3StatsInternalMacReceiveErrors", 4},
    {"dot3StatsSymbolErrors", 4},
}, vlan[] = {
    {"vlanId", 4}, {"vlanOctets", 8}, {"vlanUcastPkts", 4}, {"vlanMulticastPkts", 4}, {"vlanBroadcastPkts", 4},
    {"vlanDiscards", 4},
}, processor[] = {
    {"cpu5sPercentage", 4}, {"cpu1mPercentage", 4}, {"cpu5mPercentage", 4}, {"totalMemory", 8}, {"freeMemory", 8},
};
#define COUNTERS(format, list)                                                                                         \
    {                                                                                                                  \
        format, sizeof list / sizeof *list, list                                                                       \
    }
static const struct {
    uint32_t format, n;
    const struct counter *list;
} counters[] = {COUNTERS(1, generic), COUNTERS(2, ethernet), COUNTERS(5, vlan), COUNTERS(1001, processor)};
enum { NCOUNTERS = sizeof counters / sizeof *counters, PORT_NAME = 1005 };

static uint32_t width_of(uint32_t which)
{
    uint32_t width = 0;
    for (uint32_t k = 0; k < counters[which].n; k++)
        width += counters[which].list[k].len;
    return width;
}

static bool write_port_name(struct wr_buf *out, struct wr_wire w)
{
    uint32_t len;
    const uint8_t *name = wr_sflow_string(&w, &len);
    if (!name)
        return false;
    wr_json_key(out, "ifName");
    wr_json_str(out, (const char *)name, len);
    return true;
}

bool wr_sflow_counters(struct wr_buf *out, struct wr_wire w, bool expanded)
{
    const uint32_t named = UINT32_C(1) << NCOUNTERS;
    struct wr_wire body;
    uint32_t kind;
    uint32_t seq = wr_wire_u32(&w);
    uint32_t source = wr_wire_u32(&w); /* kind and index: 8 and 24 bits, or 32 each */
    source = expanded ? wr_wire_u32(&w) : source & 0xffffff;
    wr_json_key(out, "sampleSequence");
    wr_buf_fmt(out, "%" PRIu32 ",\"sampleSource\":%" PRIu32, seq, source);
    uint32_t n = wr_wire_u32(&w), seen = 0;
    for (uint32_t i = 0; i < n && wr_sflow_block(&w, &kind, &body); i++) {
        if (kind == PORT_NAME && !(seen & named)) {
            seen |= write_port_name(out, body) ? named : 0;
            continue;
        }
        uint32_t c = 0;
        while (c < NCOUNTERS && counters[c].format != kind)
            c++;
        if (c == NCOUNTERS || seen >> c & 1 || wr_wire_left(&body) < width_of(c))
            continue;
        seen |= UINT32_C(1) << c;
        for (uint32_t k = 0; k < counters[c].n; k++) {
            wr_json_key(out, counters[c].list[k].name);
            wr_buf_fmt(out, "%" PRIu64, counters[c].list[k].len == 8 ? wr_wire_u64(&body) : wr_wire_u32(&body));
        }
    }
    return seen;
}
