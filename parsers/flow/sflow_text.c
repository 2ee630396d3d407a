/* What a sampled header says beside the ends that talk, and why packets were dropped: text for whoever reads whole
 * records. Names are those of the IPFIX registry. */
#include "parsers/flow/sflow.h"

#include <inttypes.h>

enum { ETHERNET_HEADER = 14, TYPE_IPV4 = 0x0800, TYPE_IPV6 = 0x86dd, MAX_TAGS = 4 };

static void write_mac(struct wr_buf *out, const char *key, const uint8_t *p)
{
    wr_json_key(out, key);
    wr_buf_fmt(out, "\"%02x:%02x:%02x:%02x:%02x:%02x\"", p[0], p[1], p[2], p[3], p[4], p[5]);
}

static void write_v4(struct wr_buf *out, const uint8_t *p)
{
    wr_buf_fmt(out, ",\"ipVersion\":4,\"internetHeaderLengthIPv4\":%u,\"ipClassOfService\":%u", p[0] & 15, p[1]);
    wr_buf_fmt(out, ",\"totalLengthIPv4\":%u,\"fragmentIdentification\":%u", wr_be16(p + 2), wr_be16(p + 4));
    wr_buf_fmt(out, ",\"fragmentFlags\":%u,\"fragmentOffset\":%u", p[6] & 0xe0, wr_be16(p + 6) & 0x1fff);
    wr_buf_fmt(out, ",\"ipTTL\":%u", p[8]);
}

static void write_v6(struct wr_buf *out, const uint8_t *p)
{
    uint32_t first = wr_be32(p);
    wr_buf_fmt(out, ",\"ipVersion\":6,\"ipClassOfService\":%u,\"flowLabelIPv6\":%u", first >> 20 & 255,
               first & 0xfffff);
    wr_buf_fmt(out, ",\"payloadLengthIPv6\":%u,\"ipTTL\":%u", wr_be16(p + 4), p[7]);
}

static bool is_tag(uint32_t type)
{
    return type == 0x8100 || type == 0x88a8 || type == 0x9100;
}

void wr_sflow_frame(struct wr_buf *out, const uint8_t *frame, uint32_t len, bool raw)
{
    uint32_t at = 0, type = 0;
    if (!raw) {
        if (len < ETHERNET_HEADER)
            return;
        write_mac(out, "destinationMacAddress", frame);
        write_mac(out, "sourceMacAddress", frame + 6);
        type = wr_be16(frame + 12);
        at = ETHERNET_HEADER;
        if (is_tag(type) && len >= at + 4)
            wr_buf_fmt(out, ",\"dot1qVlanId\":%u,\"dot1qPriority\":%u", wr_be16(frame + at) & 0xfff, frame[at] >> 5);
        for (int i = 0; i < MAX_TAGS && is_tag(type) && len >= at + 4; i++, at += 4)
            type = wr_be16(frame + at + 2);
        wr_buf_fmt(out, ",\"ethernetType\":%" PRIu32, type);
    }
    uint32_t version = len > at ? frame[at] >> 4 : 0;
    if ((raw || type == TYPE_IPV4) && version == 4 && len >= at + 20)
        write_v4(out, frame + at);
    else if ((raw || type == TYPE_IPV6) && version == 6 && len >= at + 40)
        write_v6(out, frame + at);
}

/* Names of sflow.org/sflow_drops.txt: ICMP's codes of "unreachable" from 0, others from 256. */
static const char *const unreachable[] = {
    "net_unreachable",      "host_unreachable",      "protocol_unreachable",      "port_unreachable",
    "frag_needed",          "src_route_failed",      "dst_net_unknown",           "dst_host_unknown",
    "src_host_isolated",    "dst_net_prohibited",    "dst_host_prohibited",       "dst_net_tos_unreachable",
    "dst_host_tos_unreacheable", "comm_admin_prohibited", "host_precedence_violation", "precedence_cutoff"};
static const char *const dropped[] = {
    "unknown",             "ttl_exceeded",         "acl",                     "no_buffer_space",
    "red",                 "traffic_shaping",      "pkt_too_big",             "src_mac_is_multicast",
    "vlan_tag_mismatch",   "ingress_vlan_filter",  "ingress_spanning_tree_filter", "port_list_is_empty",
    "port_loopback_filter", "blackhole_route",     "non_ip",                  "uc_dip_over_mc_dmac",
    "dip_is_loopback_address", "sip_is_mc",        "sip_is_loopback_address", "ip_header_corrupted",
    "ipv4_sip_is_limited_bc", "ipv6_mc_dip_reserved_scope", "ipv6_mc_dip_interface_local_scope", "unresolved_neigh",
    "mc_reverse_path_forwarding", "non_routable_packet", "decap_error",       "overlay_smac_is_mc",
    "unknown_l2",          "unknown_l3",           "unknown_l3_exception",    "unknown_buffer",
    "unknown_tunnel",      "unknown_l4"};
enum { NUNREACHABLE = sizeof unreachable / sizeof *unreachable, NDROPPED = sizeof dropped / sizeof *dropped };

const char *wr_sflow_drop(uint32_t reason)
{
    if (reason < NUNREACHABLE)
        return unreachable[reason];
    return reason - 256 < NDROPPED ? dropped[reason - 256] : NULL;
}
