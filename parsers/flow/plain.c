/* The template that nearly every router sends: fixed length, one address pair, two ports, one octet and one
 * packet counter, one pair of times. Its records need no steps and no v[]: every field of the row is written
 * once, from offsets that are settled at compile time. A record whose times need a second look gets it from
 * wr_times_set, so both ways give the same rows (tests/unit/parsers/flow/test_plain.c).
 *
 * Counters of 1 to 8 octets are one load of 8 and a shift, so a record is read up to 7 octets past its end: the
 * last one of a set is copied to a buffer first. */
#include "parsers/flow/state.h"

#include <stddef.h>
#include <string.h>

struct place {
    uint16_t off, len;
    uint8_t times; /* met in the plan */
};

static void note(struct place *place, const struct wr_step *s)
{
    place->off = s->off;
    place->len = s->len;
    place->times++;
}

enum {
    SRC,
    DST,
    SPORT,
    DPORT,
    PROTO,
    FLAGS,
    DIRECTION,
    REASON,
    OCTETS,
    PACKETS,
    START,
    END,
    NPLACES
};

static int place_of_direct(const struct wr_step *s)
{
    switch (s->dst) {
    case offsetof(struct wr_flow, src):
        return SRC;
    case offsetof(struct wr_flow, dst):
        return DST;
    case offsetof(struct wr_flow, sport):
        return SPORT;
    case offsetof(struct wr_flow, dport):
        return DPORT;
    case offsetof(struct wr_flow, proto):
        return PROTO;
    case offsetof(struct wr_flow, direction):
        return DIRECTION;
    case offsetof(struct wr_flow, end_reason):
        return REASON;
    default:
        return -1;
    }
}

static int place_of_value(const struct wr_step *s)
{
    switch (s->dst) {
    case WR_T_OCTETS:
        return OCTETS;
    case WR_T_PACKETS:
        return PACKETS;
    case WR_T_START_MS:
    case WR_T_START_UP:
        return START;
    case WR_T_END_MS:
    case WR_T_END_UP:
        return END;
    case WR_T_TCP_FLAGS:
        return FLAGS;
    default:
        return -1; /* means nothing to a plan with delta_only, no_verdict, no_rate and its own times */
    }
}

/* All that must be there once, and nothing twice. */
static bool complete(const struct place *p)
{
    for (int i = 0; i < NPLACES; i++) {
        bool optional = i == FLAGS || i == DIRECTION || i == REASON;
        if (p[i].times > 1 || (!optional && !p[i].times))
            return false;
    }
    return p[SPORT].len == 2 && p[DPORT].len == 2;
}

void wr_plain_compile(struct wr_plan *plan)
{
    struct place p[NPLACES] = {0};
    bool v4 = false, v6 = false;
    if (!plan->is_flow || !plan->stride || plan->stride > WR_PLAIN_STRIDE || !plan->delta_only ||
        !plan->no_verdict || !plan->no_rate || plan->times == WR_TIMES_ANY)
        return;
    for (uint32_t i = 0; i < plan->nsteps; i++) {
        const struct wr_step *s = &plan->steps[i];
        int at = s->op < WR_OP_V4 ? place_of_direct(s) : place_of_value(s);
        v4 |= s->op == WR_OP_ADDR4;
        v6 |= s->op == WR_OP_ADDR6;
        if (at >= 0)
            note(&p[at], s);
    }
    if (!complete(p) || v4 == v6)
        return;
    struct wr_plain *plain = &plan->plain;
    *plain = (struct wr_plain){.src = p[SRC].off, .dst = p[DST].off, .sport = p[SPORT].off,
                               .dport = p[DPORT].off, .octets = p[OCTETS].off, .packets = p[PACKETS].off,
                               .start = p[START].off, .end = p[END].off};
    plain->octets_shift = (uint8_t)(64 - 8 * p[OCTETS].len);
    plain->packets_shift = (uint8_t)(64 - 8 * p[PACKETS].len);
    plain->start_shift = (uint8_t)(64 - 8 * p[START].len);
    plain->end_shift = (uint8_t)(64 - 8 * p[END].len);
    plain->proto = (uint16_t)(p[PROTO].off + p[PROTO].len - 1);
    /* What is absent is read from octet 0 and masked away. */
    plain->tcp_flags = p[FLAGS].times ? (uint16_t)(p[FLAGS].off + p[FLAGS].len - 1) : 0;
    plain->tcp_flags_and = p[FLAGS].times ? 255 : 0;
    plain->direction = p[DIRECTION].times ? (uint16_t)(p[DIRECTION].off + p[DIRECTION].len - 1) : 0;
    plain->direction_or = p[DIRECTION].times ? 0 : 255;
    plain->end_reason = p[REASON].times ? (uint16_t)(p[REASON].off + p[REASON].len - 1) : 0;
    plain->end_reason_and = p[REASON].times ? 255 : 0;
    plan->is_plain = v4 ? WR_PLAIN_V4 : WR_PLAIN_V6;
}

static inline uint64_t load(const uint8_t *p, uint8_t shift)
{
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return __builtin_bswap64(x) >> shift;
}

static inline uint16_t load16(const uint8_t *p)
{
    uint16_t x;
    memcpy(&x, p, sizeof x);
    return __builtin_bswap16(x);
}

/* What a set's records have in common. */
struct common {
    uint32_t flags, point[3];
    uint64_t limit_ms; /* latest time that is believed */
    int64_t limit_ns;
};

static inline uint32_t load_addrs(const struct wr_plain *plain, bool v6, const uint8_t *rec,
                                  struct wr_flow *flow)
{
    if (v6) {
        uint64_t w[4];
        memcpy(w, rec + plain->src, 16);
        memcpy(w + 2, rec + plain->dst, 16);
        memcpy(flow->src, w, 16);
        memcpy(flow->dst, w + 2, 16);
        return w[0] | w[1] | w[2] | w[3] ? WR_FLOW_V6 : 0;
    }
    uint8_t src[16] = {0}, dst[16] = {0};
    memcpy(src, rec + plain->src, 4);
    memcpy(dst, rec + plain->dst, 4);
    memcpy(flow->src, src, 16);
    memcpy(flow->dst, dst, 16);
    return 0;
}

/* False: the general rules must say. */
static inline bool load_times(const struct wr_msg *msg, const struct common *common, bool uptime,
                              uint64_t start, uint64_t end, struct wr_flow *flow)
{
    if (uptime) {
        int64_t a = (int32_t)(msg->uptime_ms - (uint32_t)start);
        int64_t b = (int32_t)(msg->uptime_ms - (uint32_t)end);
        flow->start_ns = msg->export_ns - a * 1000000;
        flow->end_ns = msg->export_ns - b * 1000000;
        return flow->start_ns > 0 && flow->start_ns <= flow->end_ns && flow->end_ns <= common->limit_ns;
    }
    if (start - 1 >= end || end > common->limit_ms) /* also a start of 0 */
        return false;
    flow->start_ns = (int64_t)start * 1000000;
    flow->end_ns = (int64_t)end * 1000000;
    return true;
}

static void other_times(struct wr_msg *msg, const struct wr_plan *plan, uint64_t start, uint64_t end,
                        struct wr_flow *flow)
{
    uint64_t v[WR_NTARGETS];
    bool uptime = plan->times == WR_TIMES_UPTIME;
    v[uptime ? WR_T_START_UP : WR_T_START_MS] = start;
    v[uptime ? WR_T_END_UP : WR_T_END_MS] = end;
    wr_times_set(msg, plan, v, flow);
}

/* Inlined with `v6` and `uptime` known, so that the loop has no questions. */
static inline __attribute__((always_inline)) void decode(struct wr_msg *msg, const struct wr_plan *plan,
                                                         const uint8_t *const *recs, uint32_t n, bool v6,
                                                         bool uptime, const struct wr_flow *base,
                                                         struct wr_flow *flows)
{
    const struct wr_plain plain = plan->plain;
    const struct common common = {
        .flags = WR_FLOW_HAS_BYTES | (plan->has_flags ? WR_FLOW_HAS_TCP_FLAGS : 0),
        .point = {msg->stream->point[0], msg->stream->point[1], msg->stream->point[2]},
        .limit_ns = msg->export_ns + WR_FLOW_AHEAD_NS,
        .limit_ms = (uint64_t)(msg->export_ns + WR_FLOW_AHEAD_NS) / 1000000,
    };
    for (uint32_t k = 0; k < n; k++) {
        const uint8_t *rec = recs[k];
        struct wr_flow *flow = &flows[k];
        uint64_t start = load(rec + plain.start, plain.start_shift);
        uint64_t end = load(rec + plain.end, plain.end_shift);
        flow->flags = common.flags | load_addrs(&plain, v6, rec, flow);
        flow->sport = load16(rec + plain.sport);
        flow->dport = load16(rec + plain.dport);
        flow->proto = rec[plain.proto];
        flow->tcp_flags = rec[plain.tcp_flags] & plain.tcp_flags_and;
        flow->end_reason = rec[plain.end_reason] & plain.end_reason_and;
        flow->direction = rec[plain.direction] | plain.direction_or;
        flow->point = common.point[flow->direction < 2 ? flow->direction : 2];
        flow->sampling = base->sampling;
        flow->domain = base->domain;
        flow->export_ns = base->export_ns;
        flow->octets[0] = load(rec + plain.octets, plain.octets_shift);
        flow->packets[0] = load(rec + plain.packets, plain.packets_shift);
        flow->octets[1] = flow->packets[1] = 0;
        memcpy(flow->exporter, base->exporter, sizeof flow->exporter);
        flow->who = 0;
        if (__builtin_expect(!load_times(msg, &common, uptime, start, end, flow), 0))
            other_times(msg, plan, start, end, flow);
    }
}

bool wr_plain_applies(const struct wr_msg *msg, const struct wr_plan *plan)
{
    return plan->is_plain && !msg->exporter->nsamplers &&
           (plan->times != WR_TIMES_UPTIME || msg->version != WR_FLOW_IPFIX);
}

void wr_plain_decode(struct wr_msg *msg, const struct wr_plan *plan, const uint8_t **recs, uint32_t n,
                     const uint8_t *end, const struct wr_flow *base, struct wr_flow *flows)
{
    uint8_t tail[WR_PLAIN_STRIDE + 8];
    bool v6 = plan->is_plain == WR_PLAIN_V6;
    if ((size_t)(end - recs[n - 1]) < plan->stride + 8u) { /* only the last: a record is longer than that */
        memcpy(tail, recs[n - 1], plan->stride);
        memset(tail + plan->stride, 0, 8);
        recs[n - 1] = tail;
    }
    if (plan->times == WR_TIMES_UPTIME && v6)
        decode(msg, plan, recs, n, true, true, base, flows);
    else if (plan->times == WR_TIMES_UPTIME)
        decode(msg, plan, recs, n, false, true, base, flows);
    else if (v6)
        decode(msg, plan, recs, n, true, false, base, flows);
    else
        decode(msg, plan, recs, n, false, false, base, flows);
    for (uint32_t k = 0; msg->header_rate > 1 && k < n; k++)
        wr_scale(&flows[k], msg->header_rate);
}
