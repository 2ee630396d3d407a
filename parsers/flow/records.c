/* Records of one data set: port test, steps, then what the values mean together. */
#include "parsers/flow/state.h"

#include <stdlib.h>
#include <string.h>

static bool reserve(struct wr_flow_vec *vec, uint32_t n)
{
    if (vec->cap - vec->n >= n)
        return true;
    uint64_t cap = vec->cap ? vec->cap : 256;
    while (cap - vec->n < n)
        cap *= 2;
    struct wr_flow *at = cap <= UINT32_MAX ? realloc(vec->at, cap * sizeof *at) : NULL;
    if (!at)
        return false;
    vec->at = at;
    vec->cap = (uint32_t)cap;
    return true;
}

uint32_t wr_record_walk(const struct wr_plan *plan, const uint8_t *p, size_t left, uint32_t *anchors)
{
    size_t at = 0;
    for (uint32_t i = 0; i < plan->nvars; i++) {
        at += plan->gaps[i];
        if (at >= left)
            return 0;
        size_t n = p[at++];
        if (n == 255) {
            if (left - at < 2)
                return 0;
            n = (size_t)wr_be(p + at, 2);
            at += 2;
        }
        if (n > left - at)
            return 0;
        at += n;
        if (anchors)
            anchors[i + 1] = (uint32_t)at;
    }
    if (plan->gaps[plan->nvars] > left - at)
        return 0;
    return (uint32_t)(at + plan->gaps[plan->nvars]);
}

bool wr_set_fits(const struct wr_tmpl *tmpl, const uint8_t *body, size_t len)
{
    if (!tmpl->plan->nvars)
        return true;
    for (size_t at = 0; len - at >= tmpl->min_len;) {
        uint32_t n = wr_record_walk(tmpl->plan, body + at, len - at, NULL);
        if (!n)
            return false;
        at += n;
    }
    return true;
}

static inline const uint8_t *step_at(const struct wr_step *s, const uint8_t *rec, const uint32_t *anchors)
{
    return rec + anchors[s->anchor] + s->off;
}

/* RemotePort of a rule is the source's or the destination's here: orientation is not known yet. */
static bool port_wanted(const uint64_t *ports, const struct wr_plan *plan, const uint8_t *rec,
                        const uint32_t *anchors)
{
    uint64_t hit = 0;
    for (uint32_t i = 0; i < plan->nports; i++) {
        const struct wr_step *s = &plan->ports[i];
        const uint8_t *p = step_at(s, rec, anchors) + s->len - 2;
        uint32_t port = (uint32_t)p[0] << 8 | p[1];
        hit |= ports[port >> 6] >> (port & 63);
    }
    return hit & 1;
}

static uint64_t load_float(const uint8_t *p, uint32_t len)
{
    double d = 0;
    uint64_t bits = wr_be(p, len);
    if (len == 4) {
        float f;
        uint32_t b = (uint32_t)bits;
        memcpy(&f, &b, sizeof f);
        d = (double)f;
    } else {
        memcpy(&d, &bits, sizeof d);
    }
    memcpy(&bits, &d, sizeof bits);
    return bits;
}

static void load_addr4(struct wr_flow *flow, uint8_t *to, const uint8_t *p)
{
    if (!(p[0] | p[1] | p[2] | p[3]))
        return;
    memset(to, 0, 16);
    memcpy(to, p, 4);
    flow->flags &= ~(uint32_t)WR_FLOW_V6;
}

static void load_addr6(struct wr_flow *flow, uint8_t *to, const uint8_t *p)
{
    uint64_t w[2];
    memcpy(w, p, sizeof w);
    if (!(w[0] | w[1]))
        return;
    memcpy(to, p, 16);
    flow->flags |= WR_FLOW_V6;
}

static void run_steps(const struct wr_plan *plan, const uint8_t *rec, const uint32_t *anchors,
                      struct wr_flow *flow, uint64_t *v)
{
    for (uint32_t i = 0; i < plan->nsteps; i++) {
        const struct wr_step *s = &plan->steps[i];
        const uint8_t *p = step_at(s, rec, anchors);
        uint8_t *to = (uint8_t *)flow + s->dst;
        switch ((enum wr_op)s->op) {
        case WR_OP_ADDR4:
            load_addr4(flow, to, p);
            break;
        case WR_OP_ADDR6:
            load_addr6(flow, to, p);
            break;
        case WR_OP_PORT: {
            uint16_t port = (uint16_t)wr_be(p, s->len);
            if (port)
                memcpy(to, &port, sizeof port);
            break;
        }
        case WR_OP_U8:
            *to = p[s->len - 1];
            break;
        case WR_OP_V4: {
            uint32_t x;
            memcpy(&x, p, sizeof x);
            v[s->dst] = __builtin_bswap32(x);
            break;
        }
        case WR_OP_V8: {
            uint64_t x;
            memcpy(&x, p, sizeof x);
            v[s->dst] = __builtin_bswap64(x);
            break;
        }
        case WR_OP_VN:
            v[s->dst] = wr_be(p, s->len);
            break;
        case WR_OP_F:
            v[s->dst] = load_float(p, s->len);
            break;
        case WR_OP_MORE:
            if (!v[s->dst])
                v[s->dst] = wr_be(p, s->len);
            break;
        }
    }
}

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
    uint16_t port = flow->sport;
    flow->sport = flow->dport;
    flow->dport = port;
    uint64_t n = flow->octets[0];
    flow->octets[0] = flow->octets[1];
    flow->octets[1] = n;
    n = flow->packets[0];
    flow->packets[0] = flow->packets[1];
    flow->packets[1] = n;
}

static void set_verdicts(const struct wr_plan *plan, const uint64_t *v, struct wr_flow *flow)
{
    if (plan->has_flags) {
        flow->tcp_flags = (uint8_t)v[WR_T_TCP_FLAGS];
        flow->flags |= WR_FLOW_HAS_TCP_FLAGS;
    }
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

static void decode_flow(struct wr_msg *msg, const struct wr_plan *plan, const uint8_t *rec,
                        const uint32_t *anchors, const struct wr_flow *base, struct wr_flow *flow)
{
    uint64_t v[WR_NTARGETS];
    *flow = *base;
    run_steps(plan, rec, anchors, flow, v);
    flow->point = msg->stream->point[flow->direction < 2 ? flow->direction : 2];
    set_volume(plan, v, flow);
    set_verdicts(plan, v, flow);
    wr_times_set(msg, plan, v, flow);
    uint64_t rate = wr_sampling_rate(msg, plan, v);
    if (rate > 1)
        wr_scale(flow, rate);
}

/* MikroTik and SonicWALL send IPFIX uptimes and never say when they booted: the newest end is taken for now.
 */
static void guess_boot(struct wr_msg *msg, const struct wr_tmpl *tmpl, const uint8_t *body, size_t len)
{
    const struct wr_plan *plan = tmpl->plan;
    uint64_t up = WR_T(START_UP) | WR_T(END_UP);
    if (msg->version != WR_FLOW_IPFIX || !(plan->have & up) || plan->have & WR_T(INIT_MS) ||
        msg->stream->init_ns)
        return;
    enum wr_target which = plan->have & WR_T(END_UP) ? WR_T_END_UP : WR_T_START_UP;
    const struct wr_step *s = plan->steps;
    while (s->op < WR_OP_V4 || s->dst != which)
        s++;
    uint32_t *anchors = msg->dec->anchors;
    anchors[0] = 0;
    bool any = false;
    for (size_t at = 0; len - at >= tmpl->min_len;) {
        uint32_t n = plan->nvars ? wr_record_walk(plan, body + at, len - at, anchors) : plan->stride;
        if (!n)
            break;
        uint32_t x = (uint32_t)wr_be(step_at(s, body + at, anchors), s->len);
        if (!any || (int32_t)(x - msg->uptime_ms) > 0)
            msg->uptime_ms = x;
        any = true;
        at += n;
    }
}

static struct wr_flow base_flow(const struct wr_msg *msg)
{
    struct wr_flow base = {
        .direction = 255, .sampling = 1, .domain = msg->domain, .export_ns = msg->export_ns};
    memcpy(base.exporter, msg->exporter->addr, 16);
    return base;
}

/* Fixed stride: the port test touches two octets pairs of a record and nothing else. */
static void decode_rows(struct wr_msg *msg, const struct wr_tmpl *tmpl, const uint8_t *body, size_t len)
{
    const struct wr_plan *plan = tmpl->plan;
    struct wr_flow_decoder *dec = msg->dec;
    struct wr_flow_vec *rows = msg->rows;
    const struct wr_flow base = base_flow(msg);
    const uint64_t *ports = plan->ports_exact ? dec->ports : NULL;
    bool none = dec->keep_none || (ports && !plan->nports);
    uint32_t *anchors = dec->anchors;
    anchors[0] = 0;
    uint32_t records = 0, kept = rows->n, no_memory = 0, filtered = 0;
    guess_boot(msg, tmpl, body, len);
    if (plan->stride && (none || !plan->is_flow)) {
        records = (uint32_t)(len / plan->stride);
        filtered = plan->is_flow ? records : 0;
        len = 0; /* nothing to look at */
    }
    for (size_t at = 0; len - at >= tmpl->min_len; records++) {
        const uint8_t *rec = body + at;
        uint32_t n = plan->nvars ? wr_record_walk(plan, rec, len - at, anchors) : plan->stride;
        if (!n)
            break;
        at += n;
        if (!plan->is_flow)
            continue;
        if (none || (ports && !port_wanted(ports, plan, rec, anchors))) {
            filtered++;
            continue;
        }
        if (!reserve(rows, 1)) {
            no_memory++;
            continue;
        }
        decode_flow(msg, plan, rec, anchors, &base, &rows->at[rows->n++]);
    }
    kept = rows->n - kept;
    msg->records += records;
    WR_COUNT(msg, records, records);
    WR_COUNT(msg, rows, kept);
    WR_COUNT(msg, filtered_early, filtered);
    WR_COUNT(msg, no_memory, no_memory);
    WR_COUNT(msg, not_flows, records - kept - filtered - no_memory);
    if (!records)
        WR_COUNT(msg, set_no_record, 1);
}

/* Options, and everything when the output is JSON. */
static void decode_each(struct wr_msg *msg, const struct wr_tmpl *tmpl, const uint8_t *body, size_t len)
{
    const struct wr_plan *plan = tmpl->plan;
    uint32_t records = 0;
    for (size_t at = 0; len - at >= tmpl->min_len; records++) {
        uint32_t n = plan->nvars ? wr_record_walk(plan, body + at, len - at, NULL) : plan->stride;
        if (!n)
            break;
        if (tmpl->options)
            wr_options_record(msg, tmpl, body + at);
        if (msg->json)
            wr_json_record(msg, tmpl, body + at);
        at += n;
    }
    msg->records += records;
    if (tmpl->options) {
        WR_COUNT(msg, options_records, records);
    } else {
        WR_COUNT(msg, records, records);
        WR_COUNT(msg, not_flows, records);
    }
    if (!records)
        WR_COUNT(msg, set_no_record, 1);
}

void wr_set_decode(struct wr_msg *msg, const struct wr_tmpl *tmpl, const uint8_t *body, size_t len)
{
    if (tmpl->options || msg->json)
        decode_each(msg, tmpl, body, len);
    else
        decode_rows(msg, tmpl, body, len);
}
