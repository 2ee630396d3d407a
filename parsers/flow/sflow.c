/* sFlow version 5 (sflow.org/sflow_version_5.txt; XDR, big-endian). Header: version 4, address type 4 (1 IPv4, 2
 * IPv6), agent, sub-agent 4, sequence 4, uptime 4, number of samples 4. A sample: format 4 (enterprise 20 bits,
 * format 12), length 4, body. A flow sample holds records of the same form; the first that tells addresses counts.
 *
 * A sampled packet is a row of its own: the frame's length and one packet, times the sampling rate. The agent's
 * clock is not in the datagram, so the time of arrival stands in. What is not known is stepped over by its length.
 * Counters of an interface are a row only where somebody reads whole records (Flows.Fields). */
#include "parsers/capture/packet.h"
#include "parsers/flow/sflow.h"
#include "parsers/flow/state.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

enum { FLOW_SAMPLE = 1, COUNTER_SAMPLE = 2, FLOW_EXPANDED = 3, COUNTER_EXPANDED = 4, DISCARDED_PACKET = 5 };
enum { RAW_HEADER = 1, SAMPLED_IPV4 = 3, SAMPLED_IPV6 = 4, EXTENDED_SWITCH = 1001, EXTENDED_ROUTER = 1002,
       EXTENDED_GATEWAY = 1003, EXTENDED_USER = 1004, EGRESS_QUEUE = 1036 };
enum { VXLAN_PORT = 4789, MAX_PATH = 16 };
enum { LINK_ETHERNET = 1, LINK_RAW = 101 }; /* of wr_packet_decode */
enum { PROTOCOL_ETHERNET = 1, PROTOCOL_IPV4 = 11, PROTOCOL_IPV6 = 12 };

struct hop {
    uint8_t at[16];
    bool v6, known;
};

/* One flow sample, or one packet that was dropped. */
struct sample {
    uint32_t seq, source[2], rate, pool, drops, input, output, nrecords; /* source: kind, index */
    struct wr_wire records;
    uint32_t frame_len;
    bool is_ip, has_vlan, has_router, has_gateway, has_queue, discarded;
    uint32_t vlan[2], priority[2]; /* in, out */
    uint32_t reason, missed;   /* of a discard: why; how many more the agent could not report */
    uint32_t queue;
    struct hop router, gateway; /* the next, by routing and by BGP */
    uint32_t prefix[2];        /* lengths: of the source, of the destination */
    uint32_t as[3];            /* of the router, the source, the source's peer */
    uint32_t path[MAX_PATH], npath; /* to the destination, nearest first */
    uint32_t local_pref;
    const uint8_t *user;       /* borrowed; of the source, else of the destination */
    const uint8_t *frame;      /* borrowed; the header that was sampled, or the one inside a tunnel; NULL */
    uint32_t frame_has;        /* octets of it */
    bool raw;                  /* it begins with IP */
    uint32_t user_len;
    struct wr_packet packet;
};

static bool is_flow_sample(uint32_t format)
{
    return format == FLOW_SAMPLE || format == FLOW_EXPANDED || format == DISCARDED_PACKET;
}

/* sflow.org/sflow_drops.txt: every packet that was dropped is told, unless there are too many; nothing is sampled. */
static bool open_discard(struct wr_wire w, struct sample *s)
{
    s->discarded = true;
    s->rate = 1;
    s->seq = wr_wire_u32(&w);
    for (int i = 0; i < 2; i++)
        s->source[i] = wr_wire_u32(&w);
    s->missed = wr_wire_u32(&w);
    s->input = wr_wire_u32(&w);
    s->output = wr_wire_u32(&w);
    s->reason = wr_wire_u32(&w);
    s->nrecords = wr_wire_u32(&w);
    s->records = w;
    return !w.err;
}

static bool open_sample(uint32_t format, struct wr_wire w, struct sample *s)
{
    bool expanded = format == FLOW_EXPANDED;
    *s = (struct sample){0};
    if (format == DISCARDED_PACKET)
        return open_discard(w, s);
    s->seq = wr_wire_u32(&w);
    s->source[0] = wr_wire_u32(&w);
    s->source[1] = expanded ? wr_wire_u32(&w) : s->source[0] & 0xffffff;
    s->source[0] >>= expanded ? 0 : 24;
    s->rate = wr_wire_u32(&w);
    s->pool = wr_wire_u32(&w);
    s->drops = wr_wire_u32(&w);
    if (expanded)
        wr_wire_u32(&w);
    s->input = wr_wire_u32(&w);
    if (expanded)
        wr_wire_u32(&w);
    s->output = wr_wire_u32(&w);
    s->nrecords = wr_wire_u32(&w);
    s->records = w;
    return !w.err;
}

/* Every length of the datagram, before anything of it counts. */
static bool samples_fit(struct wr_wire w, uint32_t n)
{
    struct wr_wire body, inner;
    struct sample s;
    uint32_t format, kind;
    for (uint32_t i = 0; i < n; i++) {
        if (!wr_sflow_block(&w, &format, &body))
            return false;
        if (!is_flow_sample(format))
            continue;
        if (!open_sample(format, body, &s))
            return false;
        for (uint32_t k = 0; k < s.nrecords; k++)
            if (!wr_sflow_block(&s.records, &kind, &inner))
                return false;
    }
    return true;
}

/* What a VXLAN tunnel carries (RFC 7348: flags with the I bit, network identifier, a frame) are the ends that talk;
 * the outer ones are the tunnel's. */
static void look_inside(struct sample *s)
{
    struct wr_packet inner, *p = &s->packet;
    if (p->proto != IPPROTO_UDP || p->dport != VXLAN_PORT || p->payload_len <= 8 || !(p->payload[0] & 8))
        return;
    (void)wr_packet_decode(LINK_ETHERNET, p->payload + 8, p->payload_len - 8, p->payload_len - 8, &inner);
    if (!inner.ip_octets)
        return;
    s->frame = p->payload + 8;
    s->frame_has = (uint32_t)p->payload_len - 8;
    s->raw = false;
    *p = inner;
}

/* A header cut before its ports, or of a later fragment, still has its addresses. */
static void read_header(struct wr_wire w, struct sample *s)
{
    uint32_t protocol = wr_wire_u32(&w);
    s->frame_len = wr_wire_u32(&w);
    wr_wire_u32(&w); /* octets stripped */
    uint32_t len = wr_wire_u32(&w);
    const uint8_t *frame = wr_wire_take(&w, len);
    if (!frame)
        return;
    bool raw = protocol == PROTOCOL_IPV4 || protocol == PROTOCOL_IPV6;
    if (!raw && protocol != PROTOCOL_ETHERNET)
        return;
    (void)wr_packet_decode(raw ? LINK_RAW : LINK_ETHERNET, frame, len, s->frame_len, &s->packet);
    s->is_ip = s->packet.ip_octets != 0;
    s->frame = frame;
    s->frame_has = len;
    s->raw = raw;
    if (s->is_ip)
        look_inside(s);
}

/* Character set and name of the source's user, then of the destination's. */
static void read_user(struct wr_wire w, struct sample *s)
{
    for (int end = 0; end < 2 && !s->user_len; end++) {
        wr_wire_u32(&w);
        s->user = wr_sflow_string(&w, &s->user_len);
        if (!s->user)
            s->user_len = 0;
    }
}

static void read_switch(struct wr_wire w, struct sample *s)
{
    for (int i = 0; i < 2; i++) {
        s->vlan[i] = wr_wire_u32(&w);
        s->priority[i] = wr_wire_u32(&w);
    }
    s->has_vlan = !w.err;
}

/* Type 1 IPv4, 2 IPv6, 0 none. */
static struct hop read_hop(struct wr_wire *w)
{
    struct hop hop = {0};
    uint32_t type = wr_wire_u32(w), width = type == 1 ? 4 : type == 2 ? 16 : 0;
    const uint8_t *at = width ? wr_wire_take(w, width) : NULL;
    if (at)
        memcpy(hop.at, at, width);
    hop.v6 = type == 2;
    hop.known = at;
    return hop;
}

static void read_router(struct wr_wire w, struct sample *s)
{
    s->router = read_hop(&w);
    s->prefix[0] = wr_wire_u32(&w);
    s->prefix[1] = wr_wire_u32(&w);
    s->has_router = !w.err;
}

/* Next hop, AS of the router, the source, its peer; the path in segments of a kind and AS numbers; communities;
 * local preference. */
static void read_gateway(struct wr_wire w, struct sample *s)
{
    s->gateway = read_hop(&w);
    for (int i = 0; i < 3; i++)
        s->as[i] = wr_wire_u32(&w);
    s->npath = 0;
    for (uint32_t segments = wr_wire_u32(&w); segments && !w.err; segments--) {
        wr_wire_u32(&w); /* a set or a sequence */
        for (uint32_t n = wr_wire_u32(&w); n && !w.err; n--) {
            uint32_t as = wr_wire_u32(&w);
            s->npath += s->npath < MAX_PATH;
            s->path[s->npath - 1] = as; /* a longer one keeps its last: the destination */
        }
    }
    for (uint32_t n = wr_wire_u32(&w); n && !w.err; n--)
        wr_wire_u32(&w); /* a community */
    s->local_pref = wr_wire_u32(&w);
    s->has_gateway = !w.err;
}

static bool is_icmp(const struct wr_packet *p)
{
    return p->proto == IPPROTO_ICMP || p->proto == IPPROTO_ICMPV6;
}

/* "Port or equivalent": agents put ICMP's type and code into one port each, the type into the destination's, or both
 * into that one as NetFlow has them. Type 0, the echo's reply, has no code but 0. */
static uint16_t icmp_of(uint16_t sport, uint16_t dport)
{
    uint32_t both = sport ? (uint32_t)sport << 8 | dport : (uint32_t)dport << 8;
    return sport < 256 && dport < 256 ? (uint16_t)both : dport;
}

static void read_sampled_ip(struct wr_wire w, bool v6, struct sample *s)
{
    uint32_t width = v6 ? 16 : 4;
    struct wr_packet *p = &s->packet;
    s->frame_len = wr_wire_u32(&w);
    p->proto = (uint8_t)wr_wire_u32(&w);
    const uint8_t *src = wr_wire_take(&w, width), *dst = wr_wire_take(&w, width);
    p->sport = (uint16_t)wr_wire_u32(&w);
    p->dport = (uint16_t)wr_wire_u32(&w);
    p->tcp_flags = (uint8_t)wr_wire_u32(&w);
    p->has_ports = true;
    if (is_icmp(p)) {
        p->icmp = icmp_of(p->sport, p->dport);
        p->sport = p->dport = 0;
    }
    if (!src || !dst || w.err) {
        *p = (struct wr_packet){0};
        return;
    }
    p->v6 = v6;
    memcpy(p->src, src, width);
    memcpy(p->dst, dst, width);
    s->is_ip = true;
}

static void read_sample(uint32_t format, struct wr_wire body, struct sample *s)
{
    struct wr_wire w;
    uint32_t kind;
    (void)open_sample(format, body, s);
    for (uint32_t k = 0; k < s->nrecords && wr_sflow_block(&s->records, &kind, &w); k++) {
        if (kind == RAW_HEADER && !s->is_ip)
            read_header(w, s);
        else if ((kind == SAMPLED_IPV4 || kind == SAMPLED_IPV6) && !s->is_ip)
            read_sampled_ip(w, kind == SAMPLED_IPV6, s);
        else if (kind == EXTENDED_SWITCH)
            read_switch(w, s);
        else if (kind == EXTENDED_USER)
            read_user(w, s);
        else if (kind == EXTENDED_ROUTER)
            read_router(w, s);
        else if (kind == EXTENDED_GATEWAY)
            read_gateway(w, s);
        else if (kind == EGRESS_QUEUE) {
            s->queue = wr_wire_u32(&w);
            s->has_queue = !w.err;
        }
    }
}

/* A packet without an IP header has no ports to hold against those that are wanted: rows that are read anyway want it. */
static bool wanted(const struct wr_flow_decoder *dec, const struct sample *s)
{
    const struct wr_packet *p = &s->packet;
    if (dec->keep_none)
        return false;
    if (!dec->ports)
        return true;
    return s->is_ip && ((dec->ports[p->sport >> 6] >> (p->sport & 63) | dec->ports[p->dport >> 6] >> (p->dport & 63)) & 1);
}

static void write_address(struct wr_buf *out, const char *end, const uint8_t *addr, bool v6)
{
    char text[INET6_ADDRSTRLEN];
    inet_ntop(v6 ? AF_INET6 : AF_INET, addr, text, sizeof text);
    wr_buf_fmt(out, ",\"%s%sAddress\":\"%s\"", end, v6 ? "IPv6" : "IPv4", text);
}

static void write_hop(struct wr_buf *out, const char *what, const struct hop *hop)
{
    if (hop->known)
        write_address(out, what, hop->at, hop->v6);
}

static void write_routing(struct wr_buf *out, const struct sample *s)
{
    if (s->has_router) {
        write_hop(out, "ipNextHop", &s->router);
        wr_buf_fmt(out, ",\"source%sPrefixLength\":%" PRIu32, s->router.v6 ? "IPv6" : "IPv4", s->prefix[0]);
        wr_buf_fmt(out, ",\"destination%sPrefixLength\":%" PRIu32, s->router.v6 ? "IPv6" : "IPv4", s->prefix[1]);
    }
    if (!s->has_gateway)
        return;
    write_hop(out, "bgpNextHop", &s->gateway);
    wr_buf_fmt(out, ",\"bgpRouterAsNumber\":%" PRIu32 ",\"bgpSourceAsNumber\":%" PRIu32, s->as[0], s->as[1]);
    wr_buf_fmt(out, ",\"bgpPrevAdjacentAsNumber\":%" PRIu32, s->as[2]);
    if (s->npath) {
        wr_buf_fmt(out, ",\"bgpNextAdjacentAsNumber\":%" PRIu32, s->path[0]);
        wr_buf_fmt(out, ",\"bgpDestinationAsNumber\":%" PRIu32, s->path[s->npath - 1]);
        wr_json_key(out, "bgpAsPath");
        for (uint32_t i = 0; i < s->npath; i++)
            wr_buf_fmt(out, "%c%" PRIu32, i ? ',' : '[', s->path[i]);
        wr_buf_char(out, ']');
    }
    wr_buf_fmt(out, ",\"bgpLocalPreference\":%" PRIu32, s->local_pref);
}

static void write_discard(struct wr_buf *out, const struct sample *s)
{
    const char *why = wr_sflow_drop(s->reason);
    wr_json_key(out, "dropReason");
    if (why)
        wr_json_cstr(out, why);
    else
        wr_buf_fmt(out, "%" PRIu32, s->reason);
    wr_buf_fmt(out, ",\"dropsNotReported\":%" PRIu32, s->missed);
    if (s->has_queue)
        wr_buf_fmt(out, ",\"egressQueue\":%" PRIu32, s->queue);
}

/* Which of the agent's sources told it, out of how many packets; by an interface it is the way in or out. */
static void write_source(struct wr_buf *out, const struct sample *s)
{
    wr_buf_fmt(out, ",\"sampleSequence\":%" PRIu32 ",\"sampleSource\":%" PRIu32, s->seq, s->source[1]);
    if (!s->discarded)
        wr_buf_fmt(out, ",\"samplePool\":%" PRIu32 ",\"sampleDrops\":%" PRIu32, s->pool, s->drops);
    if (s->source[0] == 0 && (s->source[1] == s->input || s->source[1] == s->output))
        wr_buf_fmt(out, ",\"flowDirection\":%u", s->source[1] == s->input ? 0 : 1);
}

/* The members of an object. */
static void write_fields(struct wr_buf *out, const struct sample *s)
{
    const struct wr_packet *p = &s->packet;
    wr_json_key(out, "samplingInterval");
    wr_buf_fmt(out, "%" PRIu32 ",\"ingressInterface\":%" PRIu32, s->rate, s->input);
    wr_buf_fmt(out, ",\"egressInterface\":%" PRIu32 ",\"dataLinkFrameSize\":%" PRIu32, s->output, s->frame_len);
    write_source(out, s);
    if (s->has_vlan) {
        wr_buf_fmt(out, ",\"vlanId\":%" PRIu32 ",\"postVlanId\":%" PRIu32, s->vlan[0], s->vlan[1]);
        wr_buf_fmt(out, ",\"vlanPriority\":%" PRIu32 ",\"postVlanPriority\":%" PRIu32, s->priority[0],
                   s->priority[1]);
    }
    if (s->user_len) {
        wr_json_key(out, "userName");
        wr_json_str(out, (const char *)s->user, s->user_len);
    }
    if (s->is_ip) {
        write_address(out, "source", p->src, p->v6);
        write_address(out, "destination", p->dst, p->v6);
        if (is_icmp(p))
            wr_buf_fmt(out, ",\"%s\":%u", p->v6 ? "icmpTypeCodeIPv6" : "icmpTypeCodeIPv4", p->icmp);
        else
            wr_buf_fmt(out, ",\"sourceTransportPort\":%u,\"destinationTransportPort\":%u", p->sport, p->dport);
        wr_buf_fmt(out, ",\"protocolIdentifier\":%u,\"tcpControlBits\":%u", p->proto, p->tcp_flags);
    }
    if (s->frame)
        wr_sflow_frame(out, s->frame, s->frame_has, s->raw);
    if (s->has_router || s->has_gateway)
        write_routing(out, s);
    if (s->discarded)
        write_discard(out, s);
}

static void say_who(struct wr_msg *msg, const struct sample *s, struct wr_flow *flow)
{
    struct wr_buf fields = {0};
    if (msg->dec->who_wanted & wr_who_bit(WR_WHO_FIELDS)) {
        wr_buf_char(&fields, '{');
        write_fields(&fields, s);
        wr_buf_char(&fields, '}');
    }
    wr_who_sample(msg, flow, s->user, s->user_len, &fields);
    wr_buf_fini(&fields);
}

static void write_row(struct wr_msg *msg, const struct sample *s)
{
    const struct wr_packet *p = &s->packet;
    if (!s->is_ip && !s->discarded) {
        WR_COUNT(msg, not_flows, 1);
        return;
    }
    if (!wanted(msg->dec, s)) {
        WR_COUNT(msg, filtered_early, 1);
        return;
    }
    struct wr_flow *flow = wr_flow_vec_push(msg->rows);
    if (!flow) {
        WR_COUNT(msg, no_memory, 1);
        return;
    }
    memcpy(flow->src, p->src, 16);
    memcpy(flow->dst, p->dst, 16);
    memcpy(flow->exporter, msg->exporter->addr, 16);
    flow->sport = p->sport;
    flow->dport = is_icmp(p) ? p->icmp : p->dport;
    flow->proto = p->proto;
    flow->tcp_flags = p->tcp_flags;
    flow->direction = 255;
    flow->flags = WR_FLOW_HAS_BYTES | WR_FLOW_TIME_APPROX | (p->v6 ? WR_FLOW_V6 : 0) |
                  (p->proto == IPPROTO_TCP ? WR_FLOW_HAS_TCP_FLAGS : 0) | (p->has_ports ? 0 : WR_FLOW_NO_PORTS) |
                  (s->discarded ? WR_FLOW_DISCARD : 0) | (s->is_ip ? 0 : WR_FLOW_NO_ENDS);
    flow->point = msg->stream->point[2];
    flow->sampling = 1;
    flow->domain = msg->domain;
    flow->start_ns = flow->end_ns = flow->export_ns = msg->export_ns;
    flow->octets[0] = s->frame_len;
    flow->packets[0] = 1;
    wr_scale(flow, s->rate ? s->rate : 1);
    if (msg->dec->who_wanted & ~wr_who_bit(WR_WHO_NAT))
        say_who(msg, s, flow);
    WR_COUNT(msg, rows, 1);
}

static void write_line(struct wr_msg *msg, const struct sample *s)
{
    wr_json_open(msg, 0, s->discarded ? "discard" : "sample");
    write_fields(msg->json, s);
    wr_buf_str(msg->json, "}\n");
    WR_COUNT(msg, not_flows, 1);
}

/* A row without ends: what it says stands in its fields. */
static void write_counter_row(struct wr_msg *msg, struct wr_wire body, bool expanded)
{
    struct wr_buf *text = &msg->dec->who_text;
    wr_buf_reset(text);
    wr_buf_char(text, '{');
    bool any = wr_sflow_counters(text, body, expanded);
    wr_buf_char(text, '}');
    struct wr_flow *flow = any && !text->err ? wr_flow_vec_push(msg->rows) : NULL;
    if (!flow)
        return;
    memcpy(flow->exporter, msg->exporter->addr, 16);
    flow->flags = WR_FLOW_COUNTERS | WR_FLOW_TIME_APPROX;
    flow->direction = 255;
    flow->point = msg->stream->point[2];
    flow->sampling = 1;
    flow->domain = msg->domain;
    flow->start_ns = flow->end_ns = flow->export_ns = msg->export_ns;
    wr_who_fields(msg, flow, text->data, (uint32_t)text->len);
    msg->records++;
    WR_COUNT(msg, records, 1);
    WR_COUNT(msg, rows, 1);
}

static void take_counters(struct wr_msg *msg, struct wr_wire body, bool expanded)
{
    if (msg->json) {
        wr_json_open(msg, 0, "counters");
        (void)wr_sflow_counters(msg->json, body, expanded);
        wr_buf_str(msg->json, "}\n");
    } else if (msg->dec->who_wanted & wr_who_bit(WR_WHO_FIELDS)) {
        write_counter_row(msg, body, expanded);
    }
}

static void apply_samples(struct wr_msg *msg, struct wr_wire w, uint32_t n)
{
    struct wr_wire body;
    struct sample s;
    uint32_t format;
    for (uint32_t i = 0; i < n && wr_sflow_block(&w, &format, &body); i++) {
        if (!is_flow_sample(format)) {
            bool of_interface = format == COUNTER_SAMPLE || format == COUNTER_EXPANDED;
            WR_COUNT(msg, counter_samples, of_interface);
            WR_COUNT(msg, other_samples, !of_interface);
            if (of_interface)
                take_counters(msg, body, format == COUNTER_EXPANDED);
            continue;
        }
        read_sample(format, body, &s);
        msg->records++;
        WR_COUNT(msg, records, 1);
        WR_COUNT(msg, discards, s.discarded);
        if (msg->json)
            write_line(msg, &s);
        else
            write_row(msg, &s);
    }
}

bool wr_sflow_message(struct wr_msg *msg, enum wr_flow_reject *ret_why)
{
    struct wr_wire w = wr_wire_init(msg->data, msg->len);
    wr_wire_u32(&w);
    uint32_t type = wr_wire_u32(&w);
    wr_wire_take(&w, type == 2 ? 16 : 4);
    msg->version = WR_FLOW_SFLOW;
    msg->domain = wr_wire_u32(&w);
    msg->seq = wr_wire_u32(&w);
    msg->uptime_ms = wr_wire_u32(&w);
    uint32_t n = wr_wire_u32(&w);
    *ret_why = WR_FLOW_REJECT_truncated;
    if (w.err || (type != 1 && type != 2) || !samples_fit(w, n))
        return false;
    *ret_why = WR_FLOW_REJECT_exporter_cap;
    if (!wr_stream_enter(msg))
        return false;
    msg->export_ns = msg->now_ns;
    apply_samples(msg, w, n);
    return true;
}
