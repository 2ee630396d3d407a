/* Frame -> addresses, ports, flags, payload. Every length is checked against what was captured;
 * what the IP header says beyond that counts as octets (a capture cut by its snap length still has
 * true byte counts). */
#include "parsers/capture/packet.h"

#include "base/wire.h"

#include <string.h>

enum { /* tcpdump.org/linktypes.html */
       LINK_NULL = 0,
       LINK_ETHERNET = 1,
       LINK_RAW_BSD = 12,
       LINK_RAW_OPENBSD = 14,
       LINK_RAW = 101,
       LINK_LOOP = 108,
       LINK_SLL = 113,
       LINK_IPV4 = 228,
       LINK_IPV6 = 229,
       LINK_SLL2 = 276
};
enum {
    TYPE_IPV4 = 0x0800,
    TYPE_IPV6 = 0x86dd,
    TYPE_VLAN = 0x8100,
    TYPE_QINQ = 0x88a8,
    TYPE_QINQ_OLD = 0x9100,
    TYPE_MPLS = 0x8847,
    TYPE_MPLS_MULTICAST = 0x8848,
    TYPE_PPPOE = 0x8864
};
enum { ICMP = 1, TCP = 6, UDP = 17, DCCP = 33, AH = 51, ICMPV6 = 58, SCTP = 132, UDPLITE = 136 };
enum { MAX_TAGS = 4, MAX_LABELS = 16, MAX_EXTENSIONS = 16 };

/* What is left of a frame while its headers are taken off. */
struct cursor {
    const uint8_t *at;
    size_t len;  /* captured */
    size_t wire; /* on the wire, >= len */
};

static bool skip(struct cursor *c, size_t n)
{
    if (c->len < n)
        return false;
    c->at += n;
    c->len -= n;
    c->wire -= n;
    return true;
}

/* Ports, flags and payload; `c` is the IP payload. Other protocols have no ports: 0. */
static bool decode_transport(struct cursor *c, struct wr_packet *p)
{
    if ((p->proto == ICMP || p->proto == ICMPV6) && c->len >= 2) {
        p->icmp = (uint16_t)wr_be(c->at, 2);
        p->has_ports = true;
        return true;
    }
    bool ports = p->proto == TCP || p->proto == UDP || p->proto == SCTP || p->proto == DCCP ||
                 p->proto == UDPLITE;
    if (!ports)
        return true;
    if (c->len < 8)
        return false;
    p->has_ports = true;
    p->sport = (uint16_t)wr_be(c->at, 2);
    p->dport = (uint16_t)wr_be(c->at + 2, 2);
    size_t header = 8, room = c->len;
    if (p->proto == TCP) {
        if (c->len < 14)
            return false;
        p->tcp_flags = c->at[13];
        header = (size_t)(c->at[12] >> 4) * 4;
        if (header < 20)
            return false;
    } else if (p->proto == UDP) {
        size_t udp = wr_be(c->at + 4, 2);
        if (udp && udp < 8)
            return false;
        if (udp && udp < room)
            room = udp;
    } else {
        return true;
    }
    if (room > header) {
        p->payload = c->at + header;
        p->payload_len = room - header;
    }
    return true;
}

/* Cuts link padding: the IP packet is `octets` long. */
static void trim(struct cursor *c, size_t octets)
{
    if (c->wire > octets)
        c->wire = octets;
    if (c->len > octets)
        c->len = octets;
}

static enum wr_frame decode_v4(struct cursor *c, struct wr_packet *p)
{
    if (c->len < 20 || c->at[0] >> 4 != 4)
        return WR_FRAME_BROKEN;
    size_t header = (size_t)(c->at[0] & 15) * 4, total = wr_be(c->at + 2, 2);
    if (total == 0)
        total = c->wire; /* segmentation offload: the sender's own capture sees no length yet */
    if (header < 20 || total < header)
        return WR_FRAME_BROKEN;
    p->ip_octets = (uint32_t)total;
    p->proto = c->at[9];
    memcpy(p->src, c->at + 12, 4);
    memcpy(p->dst, c->at + 16, 4);
    bool later_fragment = (wr_be(c->at + 6, 2) & 0x1fff) != 0;
    trim(c, total);
    if (!skip(c, header))
        return WR_FRAME_BROKEN;
    if (later_fragment)
        return WR_FRAME_SKIP;
    return decode_transport(c, p) ? WR_FRAME_IP : WR_FRAME_BROKEN;
}

/* Takes extension headers off (RFC 8200 section 4; RFC 4302 counts AH in 4-byte units). */
static enum wr_frame skip_extensions(struct cursor *c, struct wr_packet *p)
{
    for (int i = 0; i < MAX_EXTENSIONS; i++) {
        bool fragment = p->proto == 44;
        if (p->proto != 0 && p->proto != 43 && p->proto != 60 && p->proto != 135 &&
            p->proto != 139 && p->proto != 140 && p->proto != AH && !fragment)
            return WR_FRAME_IP;
        if (c->len < 8)
            return WR_FRAME_BROKEN;
        size_t n = p->proto == AH ? ((size_t)c->at[1] + 2) * 4 : ((size_t)c->at[1] + 1) * 8;
        bool later = fragment && (wr_be(c->at + 2, 2) & 0xfff8) != 0;
        p->proto = c->at[0];
        if (!skip(c, fragment ? 8 : n))
            return WR_FRAME_BROKEN;
        if (later)
            return WR_FRAME_SKIP;
    }
    return WR_FRAME_BROKEN;
}

static enum wr_frame decode_v6(struct cursor *c, struct wr_packet *p)
{
    if (c->len < 40 || c->at[0] >> 4 != 6)
        return WR_FRAME_BROKEN;
    size_t total = 40 + wr_be(c->at + 4, 2);
    p->proto = c->at[6];
    if (total == 40 && (p->proto == 0 || p->proto == TCP || p->proto == UDP))
        total = c->wire; /* jumbogram or segmentation offload */
    p->v6 = true;
    p->ip_octets = (uint32_t)total;
    memcpy(p->src, c->at + 8, 16);
    memcpy(p->dst, c->at + 24, 16);
    trim(c, total);
    if (!skip(c, 40))
        return WR_FRAME_BROKEN;
    enum wr_frame got = skip_extensions(c, p);
    if (got != WR_FRAME_IP)
        return got;
    return decode_transport(c, p) ? WR_FRAME_IP : WR_FRAME_BROKEN;
}

static enum wr_frame decode_raw(struct cursor *c, struct wr_packet *p)
{
    if (!c->len)
        return WR_FRAME_BROKEN;
    if (c->at[0] >> 4 == 4)
        return decode_v4(c, p);
    return c->at[0] >> 4 == 6 ? decode_v6(c, p) : WR_FRAME_SKIP;
}

/* Labels of 4 octets up to the one that says it is the bottom (RFC 3032); what is below names itself by its first
 * four bits, unless it is no IP. */
static enum wr_frame decode_mpls(struct cursor *c, struct wr_packet *p)
{
    for (int i = 0; i < MAX_LABELS; i++) {
        if (c->len < 4)
            return WR_FRAME_BROKEN;
        bool bottom = c->at[2] & 1;
        (void)skip(c, 4);
        if (bottom)
            return decode_raw(c, p);
    }
    return WR_FRAME_SKIP;
}

/* PPPoE session (RFC 2516): 6 octets, then PPP's protocol. */
static enum wr_frame decode_pppoe(struct cursor *c, struct wr_packet *p)
{
    enum { PPP_IPV4 = 0x0021, PPP_IPV6 = 0x0057 };
    if (c->len < 8)
        return WR_FRAME_BROKEN;
    uint64_t protocol = wr_be(c->at + 6, 2);
    (void)skip(c, 8);
    return protocol == PPP_IPV4 || protocol == PPP_IPV6 ? decode_raw(c, p) : WR_FRAME_SKIP;
}

static enum wr_frame decode_type(struct cursor *c, uint32_t type, struct wr_packet *p)
{
    for (int i = 0;
         i < MAX_TAGS && (type == TYPE_VLAN || type == TYPE_QINQ || type == TYPE_QINQ_OLD); i++) {
        if (c->len < 4)
            return WR_FRAME_BROKEN;
        type = (uint32_t)wr_be(c->at + 2, 2);
        (void)skip(c, 4);
    }
    if (type == TYPE_IPV4)
        return decode_v4(c, p);
    if (type == TYPE_MPLS || type == TYPE_MPLS_MULTICAST)
        return decode_mpls(c, p);
    if (type == TYPE_PPPOE)
        return decode_pppoe(c, p);
    return type == TYPE_IPV6 ? decode_v6(c, p) : WR_FRAME_SKIP;
}

/* Null and loop start with a BSD address family, in the byte order of whoever captured (null). */
static bool family_is_ip(const uint8_t *at)
{
    uint64_t family = wr_be(at, 4);
    if (family > 0xffff)
        family =
            (uint64_t)at[0] | (uint64_t)at[1] << 8 | (uint64_t)at[2] << 16 | (uint64_t)at[3] << 24;
    return family == 2 || family == 10 || family == 24 || family == 28 || family == 30;
}

enum wr_frame wr_packet_decode(uint32_t link, const uint8_t *frame, size_t len, size_t wire_len,
                               struct wr_packet *ret_packet)
{
    struct cursor c = {.at = frame, .len = len, .wire = wire_len > len ? wire_len : len};
    *ret_packet = (struct wr_packet){0};
    size_t header, type_at;
    switch (link) {
    case LINK_ETHERNET:
        header = 14, type_at = 12;
        break;
    case LINK_SLL:
        header = 16, type_at = 14;
        break;
    case LINK_SLL2:
        header = 20, type_at = 0;
        break;
    case LINK_NULL:
    case LINK_LOOP:
        if (!skip(&c, 4))
            return WR_FRAME_BROKEN;
        return family_is_ip(frame) ? decode_raw(&c, ret_packet) : WR_FRAME_SKIP;
    case LINK_RAW:
    case LINK_RAW_BSD:
    case LINK_RAW_OPENBSD:
    case LINK_IPV4:
    case LINK_IPV6:
        return decode_raw(&c, ret_packet);
    default:
        return WR_FRAME_SKIP;
    }
    if (!skip(&c, header))
        return WR_FRAME_BROKEN;
    return decode_type(&c, (uint32_t)wr_be(frame + type_at, 2), ret_packet);
}
