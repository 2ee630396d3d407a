/* sFlow version 5 (sflow.org/sflow_version_5.txt; XDR, big-endian). Header: version 4, address type 4 (1 IPv4, 2
 * IPv6), agent, sub-agent 4, sequence 4, uptime 4, number of samples 4. A sample: format 4 (enterprise 20 bits,
 * format 12), length 4, body. A flow sample holds records of the same form; the first that tells addresses counts.
 *
 * A sampled packet is a row of its own: the frame's length and one packet, times the sampling rate. The agent's
 * clock is not in the datagram, so the time of arrival stands in. What is not known is stepped over by its length.
 * Counters of an interface are a row only where somebody reads whole records (Flows.Fields). */
#include "parsers/capture/packet.h"
#include "parsers/flow/state.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

enum { FLOW_SAMPLE = 1, COUNTER_SAMPLE = 2, FLOW_EXPANDED = 3, COUNTER_EXPANDED = 4 };
enum { RAW_HEADER = 1, SAMPLED_IPV4 = 3, SAMPLED_IPV6 = 4, EXTENDED_SWITCH = 1001, EXTENDED_USER = 1004 };
enum { GENERIC_COUNTERS = 1, VXLAN_PORT = 4789 };
enum { LINK_ETHERNET = 1, LINK_RAW = 101 }; /* of wr_packet_decode */
enum { PROTOCOL_ETHERNET = 1, PROTOCOL_IPV4 = 11, PROTOCOL_IPV6 = 12 };

/* One flow sample. */
struct sample {
    uint32_t rate, input, output, nrecords;
    struct wr_wire records;
    uint32_t frame_len;
    bool is_ip, has_vlan;
    uint32_t vlan[2];          /* in, out */
    const uint8_t *user;       /* borrowed; of the source, else of the destination */
    uint32_t user_len;
    struct wr_packet packet;
};

static bool is_flow_sample(uint32_t format)
{
    return format == FLOW_SAMPLE || format == FLOW_EXPANDED;
}

/* A format and a body of the stated length; false past the end. */
static bool next_block(struct wr_wire *w, uint32_t *ret_format, struct wr_wire *ret_body)
{
    *ret_format = wr_wire_u32(w);
    uint32_t len = wr_wire_u32(w);
    const uint8_t *body = wr_wire_take(w, len);
    if (!body || w->err)
        return false;
    *ret_body = wr_wire_init(body, len);
    return true;
}

static bool open_sample(uint32_t format, struct wr_wire w, struct sample *s)
{
    bool expanded = format == FLOW_EXPANDED;
    *s = (struct sample){0};
    wr_wire_take(&w, expanded ? 12 : 8); /* sequence, source */
    s->rate = wr_wire_u32(&w);
    wr_wire_take(&w, 8); /* pool, drops */
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
        if (!next_block(&w, &format, &body))
            return false;
        if (!is_flow_sample(format))
            continue;
        if (!open_sample(format, body, &s))
            return false;
        for (uint32_t k = 0; k < s.nrecords; k++)
            if (!next_block(&s.records, &kind, &inner))
                return false;
    }
    return true;
}

/* What a VXLAN tunnel carries (RFC 7348: flags with the I bit, network identifier, a frame) are the ends that talk;
 * the outer ones are the tunnel's. */
static void look_inside(struct wr_packet *p)
{
    struct wr_packet inner;
    if (p->proto != IPPROTO_UDP || p->dport != VXLAN_PORT || p->payload_len <= 8 || !(p->payload[0] & 8))
        return;
    (void)wr_packet_decode(LINK_ETHERNET, p->payload + 8, p->payload_len - 8, p->payload_len - 8, &inner);
    if (inner.ip_octets)
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
    if (s->is_ip)
        look_inside(&s->packet);
}

/* XDR: a length, octets, padding to 4. */
static const uint8_t *xdr_string(struct wr_wire *w, uint32_t *ret_len)
{
    *ret_len = wr_wire_u32(w);
    const uint8_t *p = wr_wire_take(w, *ret_len);
    wr_wire_take(w, (4 - *ret_len % 4) % 4);
    return p;
}

/* Character set and name of the source's user, then of the destination's. */
static void read_user(struct wr_wire w, struct sample *s)
{
    for (int end = 0; end < 2 && !s->user_len; end++) {
        wr_wire_u32(&w);
        s->user = xdr_string(&w, &s->user_len);
        if (!s->user)
            s->user_len = 0;
    }
}

static void read_switch(struct wr_wire w, struct sample *s)
{
    s->vlan[0] = wr_wire_u32(&w);
    wr_wire_u32(&w); /* priority */
    s->vlan[1] = wr_wire_u32(&w);
    s->has_vlan = !w.err;
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
    for (uint32_t k = 0; k < s->nrecords && next_block(&s->records, &kind, &w); k++) {
        if (kind == RAW_HEADER && !s->is_ip)
            read_header(w, s);
        else if ((kind == SAMPLED_IPV4 || kind == SAMPLED_IPV6) && !s->is_ip)
            read_sampled_ip(w, kind == SAMPLED_IPV6, s);
        else if (kind == EXTENDED_SWITCH)
            read_switch(w, s);
        else if (kind == EXTENDED_USER)
            read_user(w, s);
    }
}

static bool wanted(const struct wr_flow_decoder *dec, const struct wr_packet *p)
{
    if (dec->keep_none)
        return false;
    if (!dec->ports)
        return true;
    return (dec->ports[p->sport >> 6] >> (p->sport & 63) | dec->ports[p->dport >> 6] >> (p->dport & 63)) & 1;
}

static void write_address(struct wr_buf *out, const char *end, const uint8_t *addr, bool v6)
{
    char text[INET6_ADDRSTRLEN];
    inet_ntop(v6 ? AF_INET6 : AF_INET, addr, text, sizeof text);
    wr_buf_fmt(out, ",\"%s%sAddress\":\"%s\"", end, v6 ? "IPv6" : "IPv4", text);
}

/* The members of an object. */
static void write_fields(struct wr_buf *out, const struct sample *s)
{
    const struct wr_packet *p = &s->packet;
    wr_json_key(out, "samplingInterval");
    wr_buf_fmt(out, "%" PRIu32 ",\"ingressInterface\":%" PRIu32, s->rate, s->input);
    wr_buf_fmt(out, ",\"egressInterface\":%" PRIu32 ",\"dataLinkFrameSize\":%" PRIu32, s->output, s->frame_len);
    if (s->has_vlan)
        wr_buf_fmt(out, ",\"vlanId\":%" PRIu32 ",\"postVlanId\":%" PRIu32, s->vlan[0], s->vlan[1]);
    if (s->user_len) {
        wr_json_key(out, "userName");
        wr_json_str(out, (const char *)s->user, s->user_len);
    }
    if (s->is_ip) {
        write_address(out, "source", p->src, p->v6);
        write_address(out, "destination", p->dst, p->v6);
        wr_buf_fmt(out, ",\"sourceTransportPort\":%u,\"destinationTransportPort\":%u", p->sport, p->dport);
        wr_buf_fmt(out, ",\"protocolIdentifier\":%u,\"tcpControlBits\":%u", p->proto, p->tcp_flags);
    }
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
    if (!s->is_ip) {
        WR_COUNT(msg, not_flows, 1);
        return;
    }
    if (!wanted(msg->dec, p)) {
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
    flow->dport = p->dport;
    flow->proto = p->proto;
    flow->tcp_flags = p->tcp_flags;
    flow->direction = 255;
    flow->flags = WR_FLOW_HAS_BYTES | WR_FLOW_TIME_APPROX | (p->v6 ? WR_FLOW_V6 : 0) |
                  (p->proto == IPPROTO_TCP ? WR_FLOW_HAS_TCP_FLAGS : 0);
    flow->point = msg->stream->point[2];
    flow->sampling = 1;
    flow->domain = msg->domain;
    flow->start_ns = flow->end_ns = flow->export_ns = msg->export_ns;
    flow->octets[0] = s->frame_len;
    flow->packets[0] = 1;
    wr_scale(flow, s->rate ? s->rate : 1);
    if (msg->dec->who_wanted)
        say_who(msg, s, flow);
    WR_COUNT(msg, rows, 1);
}

static void write_line(struct wr_msg *msg, const struct sample *s)
{
    wr_json_open(msg, 0, "sample");
    write_fields(msg->json, s);
    wr_buf_str(msg->json, "}\n");
    WR_COUNT(msg, not_flows, 1);
}

/* ---- interface counters: the generic record, RFC 2863's counters -------------------------------------- */

static const struct counter {
    const char *name;
    uint8_t len;
} counters[] = {
    {"ifIndex", 4},          {"ifType", 4},           {"ifSpeed", 8},         {"ifDirection", 4},
    {"ifStatus", 4},         {"ifInOctets", 8},       {"ifInUcastPkts", 4},   {"ifInMulticastPkts", 4},
    {"ifInBroadcastPkts", 4}, {"ifInDiscards", 4},    {"ifInErrors", 4},      {"ifInUnknownProtos", 4},
    {"ifOutOctets", 8},      {"ifOutUcastPkts", 4},   {"ifOutMulticastPkts", 4}, {"ifOutBroadcastPkts", 4},
    {"ifOutDiscards", 4},    {"ifOutErrors", 4},      {"ifPromiscuousMode", 4},
};

/* The members of an object; false: the sample has no such record. */
static bool write_counters(struct wr_buf *out, struct wr_wire w, bool expanded)
{
    struct wr_wire body;
    uint32_t kind;
    wr_wire_take(&w, expanded ? 12 : 8); /* sequence, source */
    uint32_t n = wr_wire_u32(&w);
    for (uint32_t i = 0; i < n && next_block(&w, &kind, &body); i++) {
        if (kind != GENERIC_COUNTERS || wr_wire_left(&body) < 88)
            continue;
        for (size_t k = 0; k < sizeof counters / sizeof *counters; k++) {
            wr_json_key(out, counters[k].name);
            wr_buf_fmt(out, "%" PRIu64, counters[k].len == 8 ? wr_wire_u64(&body) : wr_wire_u32(&body));
        }
        return true;
    }
    return false;
}

/* A row without ends: what it says stands in its fields. */
static void write_counter_row(struct wr_msg *msg, struct wr_wire body, bool expanded)
{
    struct wr_buf *text = &msg->dec->who_text;
    wr_buf_reset(text);
    wr_buf_char(text, '{');
    bool any = write_counters(text, body, expanded);
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
        (void)write_counters(msg->json, body, expanded);
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
    for (uint32_t i = 0; i < n && next_block(&w, &format, &body); i++) {
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
