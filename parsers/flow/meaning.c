/* What the loaded values of a record mean together: volume, direction, verdict, time, sampling. */
#include "parsers/flow/state.h"

#include <netinet/in.h>
#include <string.h>

/* The first of `a`, `b` that the template has and that is not zero. */
static uint64_t either(const struct wr_plan *plan, const uint64_t *v, enum wr_target a, enum wr_target b)
{
    uint64_t x = plan->have >> a & 1 ? v[a] : 0;
    return x ? x : plan->have >> b & 1 ? v[b] : 0;
}

/* Deltas first, then the two directions of one record, then totals, then what the exit or layer 2 saw: the
 * same octets by another count, so never added up. */
static void set_volume(const struct wr_plan *plan, const uint64_t *v, struct wr_flow *flow)
{
    uint64_t have = plan->have;
    if (have & (WR_T(OCTETS) | WR_T(PACKETS))) {
        flow->octets[0] = either(plan, v, WR_T_OCTETS, WR_T_POST_OCTETS);
        flow->packets[0] = either(plan, v, WR_T_PACKETS, WR_T_POST_PACKETS);
        flow->octets[1] = either(plan, v, WR_T_REV_OCTETS, WR_T_REV_OCTETS);
        flow->packets[1] = either(plan, v, WR_T_REV_PACKETS, WR_T_REV_PACKETS);
    } else if (have & (WR_T(INIT_OCTETS) | WR_T(RESP_OCTETS))) {
        flow->octets[0] = either(plan, v, WR_T_INIT_OCTETS, WR_T_INIT_OCTETS);
        flow->octets[1] = either(plan, v, WR_T_RESP_OCTETS, WR_T_RESP_OCTETS);
        flow->packets[0] = either(plan, v, WR_T_INIT_PACKETS, WR_T_INIT_PACKETS);
        flow->packets[1] = either(plan, v, WR_T_RESP_PACKETS, WR_T_RESP_PACKETS);
    } else if (have & (WR_T(TOTAL_OCTETS) | WR_T(TOTAL_PACKETS))) {
        flow->octets[0] = either(plan, v, WR_T_TOTAL_OCTETS, WR_T_TOTAL_OCTETS);
        flow->packets[0] = either(plan, v, WR_T_TOTAL_PACKETS, WR_T_TOTAL_PACKETS);
        flow->octets[1] = either(plan, v, WR_T_REV_TOTAL_OCTETS, WR_T_REV_TOTAL_OCTETS);
        flow->packets[1] = either(plan, v, WR_T_REV_TOTAL_PACKETS, WR_T_REV_TOTAL_PACKETS);
        flow->flags |= WR_FLOW_TOTALS;
    } else {
        flow->octets[0] = either(plan, v, WR_T_POST_OCTETS, WR_T_L2_OCTETS);
        flow->packets[0] = either(plan, v, WR_T_POST_PACKETS, WR_T_POST_PACKETS);
    }
    if (have & (WR_T(OCTETS) | WR_T(POST_OCTETS) | WR_T(TOTAL_OCTETS) | WR_T(INIT_OCTETS) | WR_T(L2_OCTETS)))
        flow->flags |= WR_FLOW_HAS_BYTES;
    if (have & (WR_T(REV_OCTETS) | WR_T(REV_PACKETS) | WR_T(REV_TOTAL_OCTETS) | WR_T(RESP_OCTETS)))
        flow->flags |= WR_FLOW_BIFLOW;
}

static bool is_icmp(const struct wr_flow *flow)
{
    return flow->proto == IPPROTO_ICMP || flow->proto == IPPROTO_ICMPV6;
}

static void swap16(uint8_t *a, uint8_t *b)
{
    uint8_t t[16];
    memcpy(t, a, sizeof t);
    memcpy(a, b, sizeof t);
    memcpy(b, t, sizeof t);
}

/* Makes the initiator the source of a biflow whose record says that it began at the destination (239 = 2). */
static void reverse_flow(struct wr_flow *flow)
{
    swap16(flow->src, flow->dst);
    if (!is_icmp(flow)) { /* whose type stays where it is */
        uint16_t port = flow->sport;
        flow->sport = flow->dport;
        flow->dport = port;
    }
    uint64_t n = flow->octets[0];
    flow->octets[0] = flow->octets[1];
    flow->octets[1] = n;
    n = flow->packets[0];
    flow->packets[0] = flow->packets[1];
    flow->packets[1] = n;
}

static void set_verdicts(const struct wr_plan *plan, const uint64_t *v, struct wr_flow *flow)
{
    if (plan->client_server || plan->have & (WR_T(FW_EVENT) | WR_T(INIT_OCTETS)))
        flow->flags |= WR_FLOW_INITIATOR_KNOWN;
    if (plan->have & WR_T(FW_EVENT) && v[WR_T_FW_EVENT] == 3)
        flow->flags |= WR_FLOW_DENIED;
    if (plan->have & WR_T(FORWARDING) && (v[WR_T_FORWARDING] >> 6 & 3) == 2)
        flow->flags |= WR_FLOW_DENIED;
    if (!(plan->have & WR_T(BIFLOW_DIRECTION)))
        return;
    if (v[WR_T_BIFLOW_DIRECTION] == 1) {
        flow->flags |= WR_FLOW_INITIATOR_KNOWN;
    } else if (v[WR_T_BIFLOW_DIRECTION] == 2) {
        flow->flags &= ~(uint32_t)WR_FLOW_INITIATOR_KNOWN;
        if (flow->flags & WR_FLOW_BIFLOW) {
            reverse_flow(flow);
            flow->flags |= WR_FLOW_INITIATOR_KNOWN;
        }
    }
}

/* ICMP has a type and a code where others have ports. v5 and v9 put them into the destination port, IPFIX has elements
 * for both together (32, 139), or one each (176 to 179: ASA, whose port is an identifier). */
static void set_icmp(const struct wr_plan *plan, const uint64_t *v, struct wr_flow *flow)
{
    const bool icmp = is_icmp(flow);
    uint16_t both = plan->have & WR_T(ICMP) ? (uint16_t)v[WR_T_ICMP] : 0;
    if (icmp && plan->have & WR_T(ICMP_TYPE)) {
        uint64_t code = plan->have & WR_T(ICMP_CODE) ? v[WR_T_ICMP_CODE] : 0;
        flow->dport = (uint16_t)((v[WR_T_ICMP_TYPE] & 255) << 8 | (code & 255));
    } else if (icmp && both) {
        flow->dport = both;
    }
    const bool has = plan->has_dport || (icmp && plan->have & (WR_T(ICMP) | WR_T(ICMP_TYPE)));
    flow->flags |= has ? 0 : WR_FLOW_NO_PORTS;
}

void wr_flow_conclude(struct wr_msg *msg, const struct wr_plan *plan, const uint64_t *v, struct wr_flow *flow)
{
    flow->point = msg->stream->point[flow->direction < 2 ? flow->direction : 2];
    if (plan->delta_only) {
        flow->octets[0] = v[WR_T_OCTETS];
        flow->packets[0] = v[WR_T_PACKETS];
        flow->flags |= WR_FLOW_HAS_BYTES;
    } else {
        set_volume(plan, v, flow);
    }
    if (plan->has_flags) {
        flow->tcp_flags = (uint8_t)v[WR_T_TCP_FLAGS];
        flow->flags |= WR_FLOW_HAS_TCP_FLAGS;
    }
    if (!plan->no_icmp)
        set_icmp(plan, v, flow);
    if (!plan->no_verdict)
        set_verdicts(plan, v, flow);
    wr_times_set(msg, plan, v, flow);
    uint64_t rate = msg->header_rate;
    if (!plan->no_rate || msg->exporter->nsamplers || msg->exporter->default_rate)
        rate = wr_sampling_rate(msg, plan, v);
    if (rate > 1)
        wr_scale(flow, rate);
}
