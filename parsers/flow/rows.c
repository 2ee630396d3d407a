/* Data records -> flow rows, up to 32 records at a time and a column at a time, so that what to do is decided
 * once per column and not once per value:
 *
 *   1  pick    where the next records begin; with a port filter only those that pass, which costs two loads
 * each 2  base    the flow row as far as the message settles it 3  load    for each step of the plan: its
 * value of every record, into the rows or into v[record][target] 4  conclude  record by record: what the
 * values mean together
 *
 * A record with variable-length fields is walked once; the ends of those fields are its anchors, and a step
 * reads at a fixed distance from one of them. */
#include "parsers/flow/state.h"

#include <stdlib.h>
#include <string.h>

struct chunk {
    struct wr_msg *msg;
    const struct wr_tmpl *tmpl;
    const struct wr_plan *plan;
    const uint8_t *at, *end; /* what is left of the set */
    uint32_t min_len, cap;   /* cap: records whose anchors fit */
    const uint64_t *ports;   /* NULL: no filter */
    uint32_t n;              /* records picked */
    uint32_t seen;           /* records passed over or picked, of the whole set */
    const uint8_t *rec[WR_FLOW_CHUNK];
    const uint8_t *moved[WR_FLOW_CHUNK]; /* rec, at the anchor of the step in hand */
    uint16_t moved_to;
};

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

/* RemotePort of a rule is the source's or the destination's here: orientation is not known yet. */
static inline bool port_wanted(const struct chunk *c, const uint8_t *rec, const uint32_t *anchors)
{
    uint64_t hit = 0;
    for (uint32_t i = 0; i < c->plan->nports; i++) {
        const struct wr_step *s = &c->plan->ports[i];
        const uint8_t *p = rec + anchors[s->anchor] + s->off + s->len - 2;
        uint32_t port = (uint32_t)p[0] << 8 | p[1];
        hit |= c->ports[port >> 6] >> (port & 63);
    }
    return hit & 1;
}

/* Two ports of two octets at fixed offsets: nearly every template there is. */
static void pick_two_ports(struct chunk *c)
{
    const uint32_t a = c->plan->ports[0].off, b = c->plan->ports[1].off, stride = c->plan->stride;
    const uint64_t *ports = c->ports;
    const uint8_t *at = c->at;
    uint32_t n = 0;
    for (; (size_t)(c->end - at) >= stride && n < WR_FLOW_CHUNK; at += stride) {
        uint16_t x, y;
        memcpy(&x, at + a, sizeof x);
        memcpy(&y, at + b, sizeof y);
        x = __builtin_bswap16(x);
        y = __builtin_bswap16(y);
        c->rec[n] = at;
        n += (uint32_t)((ports[x >> 6] >> (x & 63) | ports[y >> 6] >> (y & 63)) & 1);
    }
    c->seen += (uint32_t)(at - c->at) / stride;
    c->at = at;
    c->n = n;
}

/* Every record of a fixed length. */
static void pick_all(struct chunk *c)
{
    const uint32_t stride = c->plan->stride;
    const uint8_t *at = c->at;
    uint32_t n = 0;
    for (; (size_t)(c->end - at) >= stride && n < WR_FLOW_CHUNK; at += stride)
        c->rec[n++] = at;
    c->seen += n;
    c->at = at;
    c->n = n;
}

static void pick_any(struct chunk *c)
{
    const struct wr_plan *plan = c->plan;
    uint32_t *anchors = c->msg->dec->anchors, width = plan->nvars + 1;
    for (c->n = 0; c->n < c->cap && (size_t)(c->end - c->at) >= c->min_len; c->seen++) {
        uint32_t *mine = anchors + (size_t)c->n * width;
        size_t left = (size_t)(c->end - c->at);
        mine[0] = 0;
        uint32_t len = plan->nvars ? wr_record_walk(plan, c->at, left, mine) : plan->stride;
        if (!len) { /* preflight has walked them all: never */
            c->at = c->end;
            return;
        }
        if (!c->ports || port_wanted(c, c->at, mine))
            c->rec[c->n++] = c->at;
        c->at += len;
    }
}

static bool two_ports(const struct wr_plan *plan)
{
    return plan->stride && plan->nports == 2 && plan->ports[0].len == 2 && plan->ports[1].len == 2;
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

static inline void load_addr4(struct wr_flow *flow, uint8_t dst, const uint8_t *p)
{
    uint32_t x;
    memcpy(&x, p, sizeof x);
    if (!x)
        return;
    uint8_t *to = (uint8_t *)flow + dst;
    memset(to, 0, 16);
    memcpy(to, p, 4);
    flow->flags &= ~(uint32_t)WR_FLOW_V6;
}

static inline void load_addr6(struct wr_flow *flow, uint8_t dst, const uint8_t *p)
{
    uint64_t w[2];
    memcpy(w, p, sizeof w);
    if (!(w[0] | w[1]))
        return;
    memcpy((uint8_t *)flow + dst, p, 16);
    flow->flags |= WR_FLOW_V6;
}

static inline void load_port(struct wr_flow *flow, uint8_t dst, uint64_t v)
{
    uint16_t port = (uint16_t)v;
    if (port)
        memcpy((uint8_t *)flow + dst, &port, sizeof port);
}

static inline uint64_t be32(const uint8_t *p)
{
    uint32_t x;
    memcpy(&x, p, sizeof x);
    return __builtin_bswap32(x);
}

static inline uint64_t be64(const uint8_t *p)
{
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return __builtin_bswap64(x);
}

/* Where each record's octets for a step begin, but for the step's offset. */
static const uint8_t *const *records_at(struct chunk *c, uint16_t anchor)
{
    if (anchor == 0)
        return c->rec;
    if (anchor != c->moved_to) {
        const uint32_t *anchors = c->msg->dec->anchors + anchor;
        uint32_t width = c->plan->nvars + 1;
        for (uint32_t k = 0; k < c->n; k++)
            c->moved[k] = c->rec[k] + anchors[(size_t)k * width];
        c->moved_to = anchor;
    }
    return c->moved;
}

#define EACH for (uint32_t k = 0; k < c->n; k++)
static void load_column(struct chunk *c, const struct wr_step *s, struct wr_flow *flows,
                        uint64_t (*v)[WR_NTARGETS])
{
    const uint8_t *const *rec = records_at(c, s->anchor);
    const uint32_t off = s->off, len = s->len;
    const uint8_t dst = s->dst;
    switch ((enum wr_op)s->op) {
    case WR_OP_ADDR4:
        EACH load_addr4(&flows[k], dst, rec[k] + off);
        break;
    case WR_OP_ADDR6:
        EACH load_addr6(&flows[k], dst, rec[k] + off);
        break;
    case WR_OP_PORT:
        EACH load_port(&flows[k], dst, len == 2 ? wr_be(rec[k] + off, 2) : wr_be(rec[k] + off, len));
        break;
    case WR_OP_U8:
        EACH((uint8_t *)&flows[k])[dst] = rec[k][off + len - 1];
        break;
    case WR_OP_V4:
        EACH v[k][dst] = be32(rec[k] + off);
        break;
    case WR_OP_V8:
        EACH v[k][dst] = be64(rec[k] + off);
        break;
    case WR_OP_VN:
        EACH v[k][dst] = len == 1 ? rec[k][off] : wr_be(rec[k] + off, len);
        break;
    case WR_OP_F:
        EACH v[k][dst] = load_float(rec[k] + off, len);
        break;
    case WR_OP_MORE:
        EACH v[k][dst] = v[k][dst] ? v[k][dst] : wr_be(rec[k] + off, len);
        break;
    }
}

static void decode_chunk(struct chunk *c, const struct wr_flow *base, struct wr_flow *flows)
{
    uint64_t(*v)[WR_NTARGETS] = c->msg->dec->values;
    EACH flows[k] = *base;
    c->moved_to = 0;
    for (uint32_t i = 0; i < c->plan->nsteps; i++)
        load_column(c, &c->plan->steps[i], flows, v);
    EACH wr_flow_conclude(c->msg, c->plan, v[k], &flows[k]);
}
#undef EACH

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
        uint32_t x = (uint32_t)wr_be(body + at + anchors[s->anchor] + s->off, s->len);
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

/* Chunk by chunk to the end of the set; returns the rows that memory had no room for. */
static uint32_t decode_wanted(struct chunk *c)
{
    const struct wr_flow base = base_flow(c->msg);
    struct wr_flow_vec *rows = c->msg->rows;
    bool plain = wr_plain_applies(c->msg, c->plan);
    bool all = plain && !c->ports, fast = c->ports && two_ports(c->plan);
    bool who = c->msg->dec->who_wanted & (c->tmpl->who_kinds | wr_who_bit(WR_WHO_FIELDS));
    uint32_t no_memory = 0;
    while ((size_t)(c->end - c->at) >= c->min_len) {
        if (all)
            pick_all(c);
        else if (fast)
            pick_two_ports(c);
        else
            pick_any(c);
        if (!c->n)
            continue;
        if (!reserve(rows, c->n)) {
            no_memory += c->n;
            continue;
        }
        const uint8_t *last = c->rec[c->n - 1];
        if (plain)
            wr_plain_decode(c->msg, c->plan, c->rec, c->n, c->end, &base, rows->at + rows->n);
        else
            decode_chunk(c, &base, rows->at + rows->n);
        c->rec[c->n - 1] = last;
        for (uint32_t k = 0; who && k < c->n; k++)
            wr_who_note(c->msg, c->tmpl, c->rec[k], c->msg->dec->anchors + (size_t)k * (c->plan->nvars + 1),
                        &rows->at[rows->n + k]);
        rows->n += c->n;
    }
    return no_memory;
}

/* Records of a set, without a look at their values. */
static uint32_t count_records(const struct wr_tmpl *tmpl, const uint8_t *body, size_t len)
{
    uint32_t records = 0;
    if (tmpl->plan->stride)
        return (uint32_t)(len / tmpl->plan->stride);
    for (size_t at = 0; len - at >= tmpl->min_len; records++) {
        uint32_t n = wr_record_walk(tmpl->plan, body + at, len - at, NULL);
        if (!n)
            break;
        at += n;
    }
    return records;
}

void wr_rows_decode(struct wr_msg *msg, const struct wr_tmpl *tmpl, const uint8_t *body, size_t len)
{
    const struct wr_plan *plan = tmpl->plan;
    const struct wr_flow_decoder *dec = msg->dec;
    struct chunk c; /* its arrays need no clearing */
    c.msg = msg;
    c.tmpl = tmpl;
    c.plan = plan;
    c.at = body;
    c.end = body + len;
    c.min_len = tmpl->min_len;
    c.seen = 0;
    uint32_t before = msg->rows->n, no_memory = 0, fits = WR_FLOW_ANCHORS / (plan->nvars + 1);
    c.cap = fits < WR_FLOW_CHUNK ? fits : WR_FLOW_CHUNK;
    c.ports = plan->ports_exact ? dec->ports : NULL;
    bool none = dec->keep_none || (c.ports && !plan->nports);
    if (!plan->is_flow || none) {
        c.seen = count_records(tmpl, body, len);
    } else {
        guess_boot(msg, tmpl, body, len);
        no_memory = decode_wanted(&c);
    }
    uint32_t kept = msg->rows->n - before, rest = c.seen - kept - no_memory;
    msg->records += c.seen;
    WR_COUNT(msg, records, c.seen);
    WR_COUNT(msg, rows, kept);
    WR_COUNT(msg, no_memory, no_memory);
    if (plan->is_flow)
        WR_COUNT(msg, filtered_early, rest);
    else
        WR_COUNT(msg, not_flows, rest);
    if (!c.seen)
        WR_COUNT(msg, set_no_record, 1);
}
