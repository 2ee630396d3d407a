/* The template that nearly every router sends: one address pair, two ports, one octet and one
 * packet counter, one pair of times. Its records need no steps and no v[]: every field of the row
 * is written once, from offsets that are settled at compile time; in a record with variable-length
 * fields each offset counts from the end of one of them. A record whose times need a second look
 * gets it from wr_times_set, so both ways give the same rows
 * (tests/unit/parsers/flow/test_plain.c).
 *
 * Counters of 1 to 8 octets are one load of the 8 octets that end with them, and a mask. A record
 * never begins a message: at least WR_FLOW_BEFORE octets of headers lie before it. */
#include "parsers/flow/state.h"

#include <stddef.h>
#include <string.h>

struct place {
    uint16_t off, len, anchor;
    uint8_t times; /* met in the plan */
};

static void note(struct place *place, const struct wr_step *s)
{
    place->off = s->off;
    place->len = s->len;
    place->anchor = s->anchor;
    place->times++;
}

static int place_of_direct(const struct wr_step *s)
{
    switch (s->dst) {
    case offsetof(struct wr_flow, src):
        return WR_AT_SRC;
    case offsetof(struct wr_flow, dst):
        return WR_AT_DST;
    case offsetof(struct wr_flow, sport):
        return WR_AT_SPORT;
    case offsetof(struct wr_flow, dport):
        return WR_AT_DPORT;
    case offsetof(struct wr_flow, proto):
        return WR_AT_PROTO;
    case offsetof(struct wr_flow, direction):
        return WR_AT_DIRECTION;
    case offsetof(struct wr_flow, end_reason):
        return WR_AT_REASON;
    default:
        return -1;
    }
}

static int place_of_value(const struct wr_step *s)
{
    switch (s->dst) {
    case WR_T_OCTETS:
        return WR_AT_OCTETS;
    case WR_T_PACKETS:
        return WR_AT_PACKETS;
    case WR_T_START_MS:
    case WR_T_START_UP:
    case WR_T_START_S:
        return WR_AT_START;
    case WR_T_END_MS:
    case WR_T_END_UP:
    case WR_T_END_S:
        return WR_AT_END;
    case WR_T_TCP_FLAGS:
        return WR_AT_FLAGS;
    default:
        return -1; /* means nothing to a plan with delta_only, no_verdict, no_rate, no_icmp and its own times */
    }
}

/* All that must be there once, and nothing twice. */
static bool complete(const struct place *p)
{
    for (int i = 0; i < WR_NPLACES; i++) {
        bool optional = i == WR_AT_FLAGS || i == WR_AT_DIRECTION || i == WR_AT_REASON;
        if (p[i].times > 1 || (!optional && !p[i].times))
            return false;
    }
    return p[WR_AT_SPORT].len == 2 && p[WR_AT_DPORT].len == 2;
}

static uint64_t mask_of(const struct place *p)
{
    return UINT64_MAX >> (64 - 8 * p->len);
}

void wr_plain_compile(struct wr_plan *plan)
{
    struct place p[WR_NPLACES] = {0};
    bool v4 = false, v6 = false;
    if (!plan->is_flow || !plan->delta_only || !plan->no_verdict || !plan->no_rate || !plan->no_icmp ||
        plan->times == WR_TIMES_ANY)
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
    for (int i = 0; i < WR_NPLACES; i++) { /* what is absent: octet 0 */
        bool octet = i == WR_AT_PROTO || i == WR_AT_FLAGS || i == WR_AT_DIRECTION || i == WR_AT_REASON;
        int32_t back = i >= WR_AT_OCTETS ? 8 : octet ? 1 : p[i].len;
        plain->off[i] = p[i].times ? p[i].off + p[i].len - back : 0;
        plain->anchor[i] = p[i].anchor;
    }
    plain->octets_and = mask_of(&p[WR_AT_OCTETS]);
    plain->packets_and = mask_of(&p[WR_AT_PACKETS]);
    plain->start_and = mask_of(&p[WR_AT_START]);
    plain->end_and = mask_of(&p[WR_AT_END]);
    plain->flags_and = p[WR_AT_FLAGS].times ? 255 : 0;
    plain->reason_and = p[WR_AT_REASON].times ? 255 : 0;
    plain->direction_or = p[WR_AT_DIRECTION].times ? 0 : 255;
    plain->usual = !plan->nvars && p[WR_AT_FLAGS].times && !p[WR_AT_REASON].times &&
                   p[WR_AT_DPORT].off == p[WR_AT_SPORT].off + 2;
    plan->is_plain = v4 ? WR_PLAIN_V4 : WR_PLAIN_V6;
}

typedef uint64_t pair __attribute__((vector_size(16))); /* one store */
typedef uint32_t quad __attribute__((vector_size(16)));

static inline uint32_t load_addrs(bool v6, const uint8_t *src, const uint8_t *dst, struct wr_flow *flow)
{
    if (v6) {
        uint64_t w[4];
        memcpy(w, src, 16);
        memcpy(w + 2, dst, 16);
        memcpy(flow->src, w, 16);
        memcpy(flow->dst, w + 2, 16);
        return w[0] | w[1] | w[2] | w[3] ? WR_FLOW_V6 : 0;
    }
    uint32_t a, b;
    memcpy(&a, src, sizeof a);
    memcpy(&b, dst, sizeof b);
    quad x = {a, 0, 0, 0}, y = {b, 0, 0, 0}; /* little-endian: the first 4 octets of 16 */
    memcpy(flow->src, &x, sizeof x);
    memcpy(flow->dst, &y, sizeof y);
    return 0;
}

/* What a set's records have in common about time: the latest that is believed, in ns and in the
 * record's unit. */
struct clock {
    uint32_t uptime_ms;
    int64_t export_ns, limit_ns;
    uint64_t limit;
};

/* False: the general rules must say. */
static inline bool load_times(struct clock clock, enum wr_plan_times times, uint64_t start, uint64_t end,
                              int64_t *ret_start, int64_t *ret_end)
{
    if (times == WR_TIMES_UPTIME) {
        *ret_start = clock.export_ns - (int64_t)(int32_t)(clock.uptime_ms - (uint32_t)start) * 1000000;
        *ret_end = clock.export_ns - (int64_t)(int32_t)(clock.uptime_ms - (uint32_t)end) * 1000000;
        return *ret_start > 0 && *ret_start <= *ret_end && *ret_end <= clock.limit_ns;
    }
    const uint64_t unit = times == WR_TIMES_S ? (uint64_t)WR_SECOND_NS : 1000000;
    *ret_start = (int64_t)(start * unit);
    *ret_end = (int64_t)(end * unit);
    return start - 1 < end && end <= clock.limit; /* also no start of 0 */
}

/* Seconds above 32 bits are no time (times.c). */
static uint64_t seconds_limit(int64_t limit_ns)
{
    uint64_t limit = (uint64_t)limit_ns / (uint64_t)WR_SECOND_NS;
    return limit < UINT32_MAX ? limit : UINT32_MAX;
}

/* Times of the rows that are marked, whose start and end are still the record's. */
static __attribute__((noinline)) void other_times(struct wr_msg *msg, const struct wr_plan *plan,
                                                  struct wr_flow *flows, uint32_t n)
{
    static const enum wr_target first[] = {
        [WR_TIMES_MS] = WR_T_START_MS, [WR_TIMES_UPTIME] = WR_T_START_UP, [WR_TIMES_S] = WR_T_START_S};
    uint64_t v[WR_NTARGETS];
    for (uint32_t k = 0; k < n; k++) {
        if (!flows[k].who)
            continue;
        flows[k].who = 0;
        v[first[plan->times]] = (uint64_t)flows[k].start_ns;
        v[first[plan->times] + 1] = (uint64_t)flows[k].end_ns;
        wr_times_set(msg, plan, v, &flows[k]);
    }
}

#define AT(place)                                                                                            \
    ((how == WALKED ? recs->body + ends[plain.anchor[WR_AT_##place]] : rec) + plain.off[WR_AT_##place])

/* A row for other_times. */
static __attribute__((noinline, cold)) void mark(struct wr_flow *flow, uint64_t start, uint64_t end)
{
    flow->start_ns = (int64_t)start;
    flow->end_ns = (int64_t)end;
    flow->who = true;
}

/* Records follow each other, and those that are `usual`; or were picked, or were walked since they have
 * variable-length fields. */
enum how { EVERY, USUAL, PICKED, WALKED };

/* Inlined with `v6`, `times` and `how` known, so that the loop has no questions. */
_Static_assert(offsetof(struct wr_flow, domain) == offsetof(struct wr_flow, sampling) + 4 &&
                   offsetof(struct wr_flow, dport) == offsetof(struct wr_flow, sport) + 2,
               "written together");
static inline __attribute__((always_inline)) void decode(struct wr_msg *msg, const struct wr_plan *plan,
                                                         const struct wr_recs *recs, bool v6,
                                                         enum wr_plan_times times, enum how how,
                                                         struct wr_flow *flows)
{
    const struct wr_plain plain = plan->plain;
    const uint32_t flags = WR_FLOW_HAS_BYTES | (plan->has_flags ? WR_FLOW_HAS_TCP_FLAGS : 0);
    const uint32_t point[3] = {msg->stream->point[0], msg->stream->point[1], msg->stream->point[2]};
    const uint64_t sampling_domain = (uint64_t)msg->domain << 32 | 1;
    const int64_t limit_ns = msg->export_ns + WR_FLOW_AHEAD_NS;
    const struct clock clock = {msg->uptime_ms, msg->export_ns, limit_ns,
                                times == WR_TIMES_S ? seconds_limit(limit_ns) : (uint64_t)limit_ns / 1000000};
    pair exporter;
    memcpy(&exporter, msg->stream->key.addr, sizeof exporter);
    const uint8_t *rec = recs->at[0];
    const size_t stride = recs->stride;
    struct wr_flow *const last = flows + recs->n;
    bool odd = false;
    uint32_t k = 0;
    for (struct wr_flow *flow = flows; flow != last; flow++, k++) {
        const uint32_t *ends = how == WALKED ? recs->ends[k] : NULL;
        rec = how == PICKED ? recs->at[k] : rec;
        __asm__("" : "+r"(rec)); /* else the compiler counts a field's place instead, and takes it off again for all others */
        uint64_t start = wr_be64(AT(START)), end = wr_be64(AT(END));
        if (times == WR_TIMES_S) { /* the others have 8 octets, or are cut to 4 */
            start &= plain.start_and;
            end &= plain.end_and;
        }
        flow->flags = flags | load_addrs(v6, AT(SRC), AT(DST), flow);
        flow->proto = *AT(PROTO);
        if (how == USUAL) {
            uint32_t ports = wr_be32(AT(SPORT));
            ports = ports << 16 | ports >> 16; /* little-endian: the source's first */
            memcpy(&flow->sport, &ports, sizeof ports);
            flow->tcp_flags = *AT(FLAGS);
            flow->end_reason = 0;
        } else {
            flow->sport = wr_be16(AT(SPORT));
            flow->dport = wr_be16(AT(DPORT));
            flow->tcp_flags = *AT(FLAGS) & plain.flags_and;
            flow->end_reason = *AT(REASON) & plain.reason_and;
        }
        uint8_t direction = *AT(DIRECTION) | plain.direction_or;
        flow->direction = direction;
        flow->point = point[direction < 2 ? direction : 2];
        memcpy(&flow->sampling, &sampling_domain, sizeof sampling_domain);
        flow->export_ns = clock.export_ns;
        pair two = {wr_be64(AT(OCTETS)) & plain.octets_and, 0};
        memcpy(flow->octets, &two, sizeof two);
        two = (pair){wr_be64(AT(PACKETS)) & plain.packets_and, 0};
        memcpy(flow->packets, &two, sizeof two);
        memcpy(flow->exporter, &exporter, sizeof exporter);
        flow->who = 0;
        if (__builtin_expect(!load_times(clock, times, start, end, &flow->start_ns, &flow->end_ns), 0)) {
            mark(flow, start, end);
            odd = true;
        }
        if (how == EVERY || how == USUAL)
            rec += stride;
    }
    if (odd)
        other_times(msg, plan, flows, recs->n);
}
#undef AT

static inline __attribute__((always_inline)) void decode_times(struct wr_msg *msg, const struct wr_plan *plan,
                                                               const struct wr_recs *recs, bool v6,
                                                               enum how how, struct wr_flow *flows)
{
    if (plan->times == WR_TIMES_UPTIME)
        decode(msg, plan, recs, v6, WR_TIMES_UPTIME, how, flows);
    else if (plan->times == WR_TIMES_S)
        decode(msg, plan, recs, v6, WR_TIMES_S, how, flows);
    else
        decode(msg, plan, recs, v6, WR_TIMES_MS, how, flows);
}

static inline __attribute__((always_inline)) void decode_how(struct wr_msg *msg, const struct wr_plan *plan,
                                                             const struct wr_recs *recs, bool v6,
                                                             struct wr_flow *flows)
{
    if (plan->nvars)
        decode_times(msg, plan, recs, v6, WALKED, flows);
    else if (recs->stride && plan->plain.usual)
        decode_times(msg, plan, recs, v6, USUAL, flows);
    else if (recs->stride)
        decode_times(msg, plan, recs, v6, EVERY, flows);
    else
        decode_times(msg, plan, recs, v6, PICKED, flows);
}

void wr_plain_decode(struct wr_msg *msg, const struct wr_plan *plan, const struct wr_recs *recs,
                     struct wr_flow *flows)
{
    if (plan->is_plain == WR_PLAIN_V6)
        decode_how(msg, plan, recs, true, flows);
    else
        decode_how(msg, plan, recs, false, flows);
    for (uint32_t k = 0; msg->header_rate > 1 && k < recs->n; k++)
        wr_scale(&flows[k], msg->header_rate);
}
