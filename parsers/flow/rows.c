/* Data records -> flow rows, up to 32 records at a time and a column at a time, so that what to do
 * is decided once per column and not once per value:
 *
 *   1  pick    where the next records begin; with a port filter only those that pass, which costs
 * two loads each 2  base    the flow row as far as the message settles it 3  load    for each step
 * of the plan: its value of every record, into the rows or into v[record][target] 4  conclude
 * record by record: what the values mean together
 *
 * A record with variable-length fields is walked once; the ends of those fields are its anchors,
 * and a step reads at a fixed distance from one of them. */
#include "parsers/flow/state.h"

#include <stdlib.h>
#include <string.h>

struct chunk {
    struct wr_msg *msg;
    const struct wr_plan *plan;
    const uint8_t *at, *end; /* what is left of the set; not yet walked, when it has variable-length fields */
    uint32_t min_len;
    const uint64_t *ports; /* NULL: no filter */
    const uint32_t *walk;  /* anchors of the `nwalk` records that are walked and not yet picked */
    uint32_t nwalk;
    struct wr_recs recs;                 /* picked */
    const uint8_t *moved[WR_FLOW_CHUNK]; /* recs.at, at the anchor of the step in hand */
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

static inline uint64_t wanted(const uint64_t *ports, uint32_t port)
{
    return ports[port >> 6] >> (port & 63) & 1;
}

/* RemotePort of a rule is the source's or the destination's here: orientation is not known yet. */
static bool port_wanted(const struct chunk *c, const uint8_t *rec, const uint8_t *body, const uint32_t *ends)
{
    uint64_t hit = 0;
    for (uint32_t i = 0; i < c->plan->nports; i++) {
        const struct wr_step *s = &c->plan->ports[i];
        const uint8_t *from = ends ? body + ends[s->anchor] : rec;
        hit |= wanted(c->ports, wr_be16(from + s->off + s->len - 2));
    }
    return hit;
}

static void pick_two_ports(struct chunk *c)
{
    const size_t stride = c->plan->stride;
    const ptrdiff_t a = c->plan->ports[0].off, b = c->plan->ports[1].off;
    const uint8_t *at = c->at;
    uint32_t n = 0;
    while (n <= WR_FLOW_CHUNK - 4) {
        const uint32_t left = wr_records_in(&c->plan->look, (size_t)(c->end - at));
        const uint8_t *const end = at + left * stride;
        at = c->msg->dec->pass_over(c->msg->dec->port_filter, &c->plan->look, at, left);
        if (at == end)
            break;
        for (int i = 0; i < 4 && (size_t)(c->end - at) >= stride; i++, at += stride) {
            c->recs.at[n] = at;
            n += (uint32_t)(wanted(c->ports, wr_be16(at + a)) | wanted(c->ports, wr_be16(at + b)));
        }
    }
    c->at = at;
    c->recs.n = n;
}

/* Every record of a fixed length. */
static void pick_all(struct chunk *c)
{
    const uint32_t stride = c->plan->stride;
    uint32_t n = wr_records_in(&c->plan->look, (size_t)(c->end - c->at));
    const uint8_t *at = c->at;
    c->recs.at[0] = at;
    if (!c->recs.stride) {
        n = n < WR_FLOW_CHUNK ? n : WR_FLOW_CHUNK;
        for (uint32_t i = 0; i < n; i++)
            c->recs.at[i] = at + (size_t)i * stride;
    }
    c->at = at + (size_t)n * stride;
    c->recs.n = n;
}

/* Fixed length, any ports. */
static void pick_any(struct chunk *c)
{
    const uint32_t stride = c->plan->stride;
    uint32_t n = 0;
    for (; n < WR_FLOW_CHUNK && (size_t)(c->end - c->at) >= stride; c->at += stride) {
        c->recs.at[n] = c->at;
        n += !c->ports || port_wanted(c, c->at, NULL, NULL);
    }
    c->recs.n = n;
}

/* What preflight kept of a set. NULL: nothing, walk it again. */
static const struct wr_walk *kept_walk(const struct wr_flow_decoder *dec, const struct wr_plan *plan,
                                       const uint8_t *body)
{
    for (uint32_t i = 0; i < dec->nwalks; i++)
        if (dec->walks[i].body == body && dec->walks[i].plan == plan)
            return &dec->walks[i];
    return NULL;
}

/* Anchors of the next records: preflight's, or as many as there is room for. */
static void walk_on(struct chunk *c)
{
    struct wr_flow_decoder *dec = c->msg->dec;
    const uint32_t width = c->plan->nvars + 1;
    const struct wr_walk *kept = c->at == c->recs.body ? kept_walk(dec, c->plan, c->at) : NULL;
    if (kept) {
        c->walk = dec->walk + kept->first;
        c->nwalk = kept->n;
        c->at = c->end;
        return;
    }
    c->walk = dec->anchors;
    uint32_t *ends = dec->anchors;
    const size_t len = (size_t)(c->end - c->recs.body);
    size_t at = (size_t)(c->at - c->recs.body);
    while (len - at >= c->min_len && (c->nwalk + 1) * width <= WR_FLOW_ANCHORS) {
        size_t next = wr_record_ends(c->plan, c->recs.body, len, at, ends);
        at = next ? next : len; /* preflight has walked them all: never 0 */
        c->nwalk += next != 0;
        ends += width;
    }
    c->at = c->recs.body + at;
}

/* Only those that the first look lets through get the second one. */
static void pick_walked_two_ports(struct chunk *c)
{
    const uint32_t width = c->plan->nvars + 1;
    const struct wr_port_filter *filter = c->msg->dec->port_filter;
    const uint8_t *body = c->recs.body;
    const struct wr_step x = c->plan->ports[0], y = c->plan->ports[1];
    const uint8_t *a = body + x.off, *b = body + y.off;
    const uint32_t *ends = c->walk, *const last = ends + (size_t)c->nwalk * width;
    uint32_t n = 0;
    for (; n < WR_FLOW_CHUNK && ends != last; ends += width) {
        if (!(wr_first_look(filter, a + ends[x.anchor]) | wr_first_look(filter, b + ends[y.anchor])) ||
            !port_wanted(c, NULL, body, ends))
            continue;
        c->recs.at[n] = body + ends[0];
        c->recs.ends[n++] = ends;
    }
    c->walk = ends;
    c->recs.n = n;
}

static void pick_walked(struct chunk *c)
{
    const uint32_t width = c->plan->nvars + 1;
    if (!c->nwalk)
        walk_on(c);
    const uint32_t *const first = c->walk, *ends = first, *const last = ends + (size_t)c->nwalk * width;
    if (c->ports && c->plan->two_ports) {
        pick_walked_two_ports(c);
    } else {
        uint32_t n = 0;
        for (; n < WR_FLOW_CHUNK && ends != last; ends += width) {
            if (c->ports && !port_wanted(c, NULL, c->recs.body, ends))
                continue;
            c->recs.at[n] = c->recs.body + ends[0];
            c->recs.ends[n++] = ends;
        }
        c->walk = ends;
        c->recs.n = n;
    }
    c->nwalk -= (uint32_t)(c->walk - first) / width;
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

/* Where each record's octets for a step begin, but for the step's offset. */
static const uint8_t *const *records_at(struct chunk *c, uint16_t anchor)
{
    if (anchor == 0)
        return c->recs.at;
    if (anchor != c->moved_to) {
        for (uint32_t k = 0; k < c->recs.n; k++)
            c->moved[k] = c->recs.body + c->recs.ends[k][anchor];
        c->moved_to = anchor;
    }
    return c->moved;
}

#define EACH for (uint32_t k = 0; k < c->recs.n; k++)
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
        EACH v[k][dst] = wr_be32(rec[k] + off);
        break;
    case WR_OP_V8:
        EACH v[k][dst] = wr_be64(rec[k] + off);
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

static void decode_chunk(struct chunk *c, struct wr_flow *flows)
{
    const struct wr_flow base = wr_base_flow(c->msg);
    uint64_t(*v)[WR_NTARGETS] = c->msg->dec->values;
    EACH flows[k] = base;
    c->moved_to = 0;
    for (uint32_t i = 0; i < c->plan->nsteps; i++)
        load_column(c, &c->plan->steps[i], flows, v);
    EACH wr_flow_conclude(c->msg, c->plan, v[k], &flows[k]);
}
#undef EACH

/* MikroTik and SonicWALL send IPFIX uptimes and never say when they booted: the newest end is taken
 * for now.
 */
static bool boot_unknown(const struct wr_msg *msg, const struct wr_plan *plan)
{
    return msg->version == WR_FLOW_IPFIX && plan->have & (WR_T(START_UP) | WR_T(END_UP)) &&
           !(plan->have & WR_T(INIT_MS)) && !msg->stream->init_ns;
}

static __attribute__((noinline)) void guess_boot(struct wr_msg *msg, const struct wr_tmpl *tmpl,
                                                 const uint8_t *body, size_t len)
{
    const struct wr_plan *plan = tmpl->plan;
    enum wr_target which = plan->have & WR_T(END_UP) ? WR_T_END_UP : WR_T_START_UP;
    const struct wr_step *s = plan->steps;
    while (s->op < WR_OP_V4 || s->dst != which)
        s++;
    uint32_t *anchors = msg->dec->anchors;
    bool any = false;
    for (size_t at = 0; len - at >= tmpl->min_len;) {
        size_t next = plan->nvars ? wr_record_ends(plan, body, len, at, anchors) : at + plan->stride;
        if (!next)
            break;
        const uint8_t *from = body + (plan->nvars ? anchors[s->anchor] : at);
        uint32_t x = (uint32_t)wr_be(from + s->off, s->len);
        if (!any || (int32_t)(x - msg->uptime_ms) > 0)
            msg->uptime_ms = x;
        any = true;
        at = next;
    }
}

/* Chunk by chunk, from record `from` to the end of the set; returns the rows that memory had no
 * room for. */
static __attribute__((noinline)) uint32_t decode_wanted(struct wr_msg *msg, const struct wr_tmpl *tmpl,
                                                        const uint64_t *ports, const uint8_t *body,
                                                        size_t len, const uint8_t *from)
{
    struct chunk chunk, *c = &chunk; /* its arrays need no clearing */
    c->msg = msg;
    c->plan = tmpl->plan;
    c->at = from;
    c->recs.body = body;
    c->end = body + len;
    c->min_len = tmpl->min_len;
    c->ports = ports;
    c->nwalk = 0;
    struct wr_flow_vec *rows = msg->rows;
    const bool plain = wr_plain_applies(msg, c->plan);
    const bool who = msg->dec->who_wanted & (tmpl->who_kinds | wr_who_bit(WR_WHO_FIELDS));
    uint32_t no_memory = 0;
    c->recs.stride = !c->ports && plain && !who ? c->plan->stride : 0;
    while (c->nwalk || (size_t)(c->end - c->at) >= c->min_len) {
        if (c->plan->nvars)
            pick_walked(c);
        else if (!c->ports)
            pick_all(c);
        else if (c->plan->two_ports)
            pick_two_ports(c);
        else
            pick_any(c);
        const uint32_t n = c->recs.n;
        if (!n)
            continue;
        if (!reserve(rows, n)) {
            no_memory += n;
            continue;
        }
        if (plain)
            wr_plain_decode(msg, c->plan, &c->recs, rows->at + rows->n);
        else
            decode_chunk(c, rows->at + rows->n);
        for (uint32_t k = 0; who && k < n; k++)
            wr_who_note(msg, tmpl, c->recs.at[k], c->plan->nvars ? c->recs.ends[k] : NULL,
                        &rows->at[rows->n + k]);
        for (uint32_t k = 0; c->plan->is_nat && k < n; k++)
            rows->at[rows->n + k].flags |= WR_FLOW_NAT_EVENT;
        rows->n += n;
    }
    return no_memory;
}

static __attribute__((noinline)) uint32_t
count_walked(const struct wr_flow_decoder *dec, const struct wr_tmpl *tmpl, const uint8_t *body, size_t len)
{
    const struct wr_walk *kept = kept_walk(dec, tmpl->plan, body);
    if (kept)
        return kept->n;
    uint32_t records = 0;
    for (size_t at = 0; len - at >= tmpl->min_len; records++) {
        uint32_t n = wr_record_walk(tmpl->plan, body + at, len - at);
        if (!n)
            break;
        at += n;
    }
    return records;
}

static inline uint32_t count_records(const struct wr_flow_decoder *dec, const struct wr_tmpl *tmpl,
                                     const uint8_t *body, size_t len)
{
    return tmpl->plan->stride ? wr_records_in(&tmpl->plan->look, len) : count_walked(dec, tmpl, body, len);
}

/* Ports that a set is held against; NULL: all of its records are wanted. */
static const uint64_t *ports_for(const struct wr_flow_decoder *dec, const struct wr_plan *plan)
{
    return plan->ports_exact ? dec->ports : NULL;
}

static inline void count(struct wr_flow_stats *stats, bool is_flow, uint64_t seen, uint64_t kept,
                         uint64_t no_memory)
{
    stats->records += seen;
    stats->rows += kept;
    *(is_flow ? &stats->filtered_early : &stats->not_flows) += seen - kept - no_memory;
    if (__builtin_expect(no_memory || !seen, 0)) {
        stats->no_memory += no_memory;
        stats->set_no_record += !seen;
    }
}

/* What most sets are where all rows are wanted: records of one length and a plain plan. */
static inline bool all_plain(const struct wr_msg *msg, const struct wr_tmpl *tmpl, const uint64_t *ports)
{
    return !ports && tmpl->plan->stride && !(msg->dec->who_wanted & (tmpl->who_kinds | wr_who_bit(WR_WHO_FIELDS))) &&
           wr_plain_applies(msg, tmpl->plan);
}

/* Returns the rows that memory had no room for. */
static inline uint32_t decode_all(struct wr_msg *msg, const struct wr_plan *plan, const uint8_t *body, uint32_t n)
{
    struct wr_flow_vec *rows = msg->rows;
    if (!reserve(rows, n))
        return n;
    struct wr_recs recs; /* its arrays need no clearing */
    recs.n = n;
    recs.stride = plan->stride;
    recs.at[0] = body;
    wr_plain_decode(msg, plan, &recs, rows->at + rows->n);
    rows->n += n;
    return 0;
}

uint32_t wr_rows_pick(struct wr_msg *msg, const struct wr_tmpl *tmpl, const uint8_t *body, size_t len, const uint8_t *from)
{
    return decode_wanted(msg, tmpl, msg->dec->ports, body, len, from);
}

/* Records of one length whose two ports are held against those that rules want: most often none of a set is wanted. */
static inline uint32_t decode_by_ports(struct wr_msg *msg, const struct wr_tmpl *tmpl, const uint8_t *body, uint32_t n)
{
    const struct wr_flow_decoder *dec = msg->dec;
    const size_t len = (size_t)n * tmpl->plan->stride;
    const uint8_t *from = msg->from ? msg->from : dec->pass_over(dec->port_filter, &tmpl->look, body, n);
    return from == body + len ? 0 : decode_wanted(msg, tmpl, dec->ports, body, len, from);
}

void wr_rows_decode(struct wr_msg *msg, const struct wr_tmpl *tmpl, const uint8_t *body, size_t len)
{
    const struct wr_plan *plan = tmpl->plan;
    struct wr_flow_decoder *dec = msg->dec;
    const uint64_t *ports = ports_for(dec, plan);
    uint32_t before = msg->rows->n, no_memory = 0;
    const uint32_t seen = count_records(dec, tmpl, body, len);
    const bool nat = plan->is_nat && (dec->who_wanted & wr_who_bit(WR_WHO_NAT));
    if ((plan->is_flow || nat) && !dec->keep_none && !(ports && !plan->nports)) {
        if (boot_unknown(msg, plan))
            guess_boot(msg, tmpl, body, len);
        if (ports && plan->stride && plan->two_ports)
            no_memory = decode_by_ports(msg, tmpl, body, seen);
        else if (all_plain(msg, tmpl, ports))
            no_memory = decode_all(msg, plan, body, seen);
        else
            no_memory = decode_wanted(msg, tmpl, ports, body, len, body);
    }
    const uint32_t kept = msg->rows->n - before;
    msg->records += seen;
    count(&dec->stats, plan->is_flow, seen, kept, no_memory);
    count(&msg->exporter->stats, plan->is_flow, seen, kept, no_memory);
}
