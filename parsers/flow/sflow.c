/* sFlow version 5 (sflow.org/sflow_version_5.txt; XDR, big-endian). Header: version 4, address type 4 (1 IPv4, 2
 * IPv6), agent, sub-agent 4, sequence 4, uptime 4, number of samples 4. A sample: format 4 (enterprise 20 bits,
 * format 12), length 4, body. A flow sample holds records of the same form; the first that tells addresses counts.
 *
 * A sampled packet is a row of its own: the frame's length and one packet, times the sampling rate. The agent's
 * clock is not in the datagram, so the time of arrival stands in. Whatever is not known is stepped over. */
#include "parsers/capture/packet.h"
#include "parsers/flow/state.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

enum { FLOW_SAMPLE = 1, COUNTER_SAMPLE = 2, FLOW_EXPANDED = 3, COUNTER_EXPANDED = 4 };
enum { RAW_HEADER = 1, SAMPLED_IPV4 = 3, SAMPLED_IPV6 = 4 };
enum { LINK_ETHERNET = 1, LINK_RAW = 101 }; /* of wr_packet_decode */
enum { PROTOCOL_ETHERNET = 1, PROTOCOL_IPV4 = 11, PROTOCOL_IPV6 = 12 };

/* One flow sample. */
struct sample {
    uint32_t rate, input, output, nrecords;
    struct wr_wire records;
    uint32_t frame_len;
    bool is_ip;
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
    for (uint32_t k = 0; k < s->nrecords && !s->is_ip && next_block(&s->records, &kind, &w); k++) {
        if (kind == RAW_HEADER)
            read_header(w, s);
        else if (kind == SAMPLED_IPV4 || kind == SAMPLED_IPV6)
            read_sampled_ip(w, kind == SAMPLED_IPV6, s);
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
    WR_COUNT(msg, rows, 1);
}

static void write_address(struct wr_buf *out, const char *end, const uint8_t *addr, bool v6)
{
    char text[INET6_ADDRSTRLEN];
    inet_ntop(v6 ? AF_INET6 : AF_INET, addr, text, sizeof text);
    wr_buf_fmt(out, ",\"%s%sAddress\":\"%s\"", end, v6 ? "IPv6" : "IPv4", text);
}

static void write_line(struct wr_msg *msg, const struct sample *s)
{
    const struct wr_packet *p = &s->packet;
    struct wr_buf *out = msg->json;
    wr_json_open(msg, 0, "sample");
    wr_buf_fmt(out, ",\"samplingInterval\":%" PRIu32 ",\"ingressInterface\":%" PRIu32, s->rate, s->input);
    wr_buf_fmt(out, ",\"egressInterface\":%" PRIu32 ",\"dataLinkFrameSize\":%" PRIu32, s->output, s->frame_len);
    if (s->is_ip) {
        write_address(out, "source", p->src, p->v6);
        write_address(out, "destination", p->dst, p->v6);
        wr_buf_fmt(out, ",\"sourceTransportPort\":%u,\"destinationTransportPort\":%u", p->sport, p->dport);
        wr_buf_fmt(out, ",\"protocolIdentifier\":%u,\"tcpControlBits\":%u", p->proto, p->tcp_flags);
    }
    wr_buf_str(out, "}\n");
    WR_COUNT(msg, not_flows, 1);
}

static void apply_samples(struct wr_msg *msg, struct wr_wire w, uint32_t n)
{
    struct wr_wire body;
    struct sample s;
    uint32_t format;
    for (uint32_t i = 0; i < n && next_block(&w, &format, &body); i++) {
        if (!is_flow_sample(format)) {
            bool counters = format == COUNTER_SAMPLE || format == COUNTER_EXPANDED;
            WR_COUNT(msg, counter_samples, counters);
            WR_COUNT(msg, other_samples, !counters);
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
