/* Options records that change how flows are read: sampling rates by sampler, interface or whole exporter, and
 * the boot time. Sources: RFC 5477, RFC 3954 6.1, RFC 5476; a rate of 0 means 1. */
#include "parsers/flow/state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Sorted by what it applies to: domain, then kind. ANY: what any domain of the exporter said last, for the flows
 * of a domain that said nothing (line cards, options from a management domain). */
#define ANY (UINT64_C(1) << 32)
static uint64_t sampler_key(uint64_t domain, enum wr_sampler_kind kind)
{
    return domain << 2 | (uint64_t)kind;
}

static uint32_t lower_bound(const struct wr_exporter *x, uint64_t key, uint64_t id)
{
    uint32_t lo = 0, hi = x->nsamplers;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        const struct wr_sampler *s = &x->samplers[mid];
        if (s->key < key || (s->key == key && s->id < id))
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static uint32_t sampler_rate(const struct wr_exporter *x, uint64_t key, uint64_t id)
{
    uint32_t at = lower_bound(x, key, id);
    if (at < x->nsamplers && x->samplers[at].key == key && x->samplers[at].id == id)
        return x->samplers[at].rate;
    return 0;
}

/* A full table keeps what it has: rates change rarely, and a flood must not push the real ones out. */
void wr_sampler_set(struct wr_flow_decoder *dec, struct wr_exporter *x, uint64_t key, uint64_t id, uint32_t rate)
{
    uint32_t at = lower_bound(x, key, id);
    if (at < x->nsamplers && x->samplers[at].key == key && x->samplers[at].id == id) {
        x->samplers[at].rate = rate;
        return;
    }
    if (x->nsamplers == WR_FLOW_MAX_SAMPLERS)
        return;
    if (x->nsamplers == x->cap_samplers) {
        uint32_t cap = x->cap_samplers ? x->cap_samplers * 2 : 8;
        size_t more = (cap - x->cap_samplers) * sizeof *x->samplers;
        if (!wr_exporter_room(dec, x, more))
            return;
        struct wr_sampler *grown = realloc(x->samplers, cap * sizeof *grown);
        if (!grown)
            return;
        dec->bytes += more;
        wr_exporter_charge(dec, x, (int64_t)more);
        x->samplers = grown;
        x->cap_samplers = cap;
    }
    memmove(&x->samplers[at + 1], &x->samplers[at], (x->nsamplers - at) * sizeof *x->samplers);
    x->samplers[at] = (struct wr_sampler){.key = key, .id = id, .rate = rate};
    if (x->nsamplers++ == 0)
        wr_exporter_mark(x);
}

/* Of the last row; of the header; where no rule wanted a row yet, what options say of the exporter, or of the first of its
 * samplers or interfaces, in the stream's domain, then in any; of the configuration. */
uint32_t wr_stream_rate(const struct wr_stream *s)
{
    const struct wr_exporter *x = s->exporter;
    const uint64_t domains[] = {s->key.domain, ANY};
    uint32_t rate = s->rate;
    for (int d = 0; d < 2 && !rate; d++) {
        rate = sampler_rate(x, sampler_key(domains[d], WR_SAMPLER_SYSTEM), 0);
        for (int kind = WR_SAMPLER_ID; kind < WR_SAMPLER_SYSTEM && !rate; kind++) {
            const uint64_t key = sampler_key(domains[d], (enum wr_sampler_kind)kind);
            const uint32_t at = lower_bound(x, key, 0);
            rate = at < x->nsamplers && x->samplers[at].key == key ? x->samplers[at].rate : 0;
        }
    }
    rate = rate ? rate : x->default_rate;
    return rate ? rate : 1;
}

/* The rate that a record's own elements give; 0 when they give none. */
static uint64_t own_rate(const struct wr_plan *plan, const uint64_t *v)
{
    uint64_t have = plan->have;
    if (have & WR_T(RATE) && v[WR_T_RATE])
        return v[WR_T_RATE];
    if (have & WR_T(INTERVAL) && v[WR_T_INTERVAL]) {
        uint64_t space = have & WR_T(SPACE) ? v[WR_T_SPACE] & UINT32_MAX : 0;
        uint64_t taken = v[WR_T_INTERVAL] & UINT32_MAX;
        return taken ? (taken + space) / taken : 0;
    }
    if (have & WR_T(POPULATION) && have & WR_T(SIZE) && v[WR_T_SIZE])
        return v[WR_T_POPULATION] / v[WR_T_SIZE];
    if (have & WR_T(PROBABILITY)) {
        double p;
        memcpy(&p, &v[WR_T_PROBABILITY], sizeof p);
        if (p > 1e-9 && p <= 1)
            return (uint64_t)(1 / p + 0.5);
    }
    return 0;
}

static bool states_rate(const struct wr_plan *plan)
{
    return plan->have & (WR_T(RATE) | WR_T(INTERVAL) | WR_T(SIZE) | WR_T(POPULATION) | WR_T(PROBABILITY));
}

static uint32_t described_rate(const struct wr_exporter *x, uint64_t domain, const struct wr_plan *plan,
                               const uint64_t *v)
{
    uint32_t rate = 0;
    if (plan->have & WR_T(SAMPLER))
        rate = sampler_rate(x, sampler_key(domain, WR_SAMPLER_ID), v[WR_T_SAMPLER]);
    if (!rate && plan->have & WR_T(INTERFACE))
        rate = sampler_rate(x, sampler_key(domain, WR_SAMPLER_INTERFACE), v[WR_T_INTERFACE]);
    return rate ? rate : sampler_rate(x, sampler_key(domain, WR_SAMPLER_SYSTEM), 0);
}

uint64_t wr_sampling_rate(struct wr_msg *msg, const struct wr_plan *plan, const uint64_t *v)
{
    uint64_t rate = own_rate(plan, v);
    if (rate)
        return rate;
    const struct wr_exporter *x = msg->exporter;
    uint64_t sampler = plan->have & WR_T(SAMPLER) ? v[WR_T_SAMPLER] : 0;
    if (x->nsamplers)
        rate = described_rate(x, msg->domain, plan, v);
    if (!rate && x->nsamplers)
        rate = described_rate(x, ANY, plan, v);
    if (!rate && sampler) /* it names a sampler (0 is none) that nobody has described */
        WR_COUNT(msg, sampling_unknown, 1);
    if (!rate)
        rate = msg->header_rate;
    return rate ? rate : x->default_rate;
}

static uint64_t times_capped(uint64_t n, uint64_t rate)
{
    uint64_t x;
    return __builtin_mul_overflow(n, rate, &x) ? UINT64_MAX : x;
}

void wr_scale(struct wr_flow *flow, uint64_t rate)
{
    flow->sampling = rate > UINT32_MAX ? UINT32_MAX : (uint32_t)rate;
    for (int i = 0; i < 2; i++) {
        flow->octets[i] = times_capped(flow->octets[i], rate);
        flow->packets[i] = times_capped(flow->packets[i], rate);
    }
}

/* What an options record says, gathered field by field: options are rare, so no plan. */
struct gathered {
    uint64_t v[WR_NTARGETS];
    bool by_interface, by_sampler;
};

static bool target_of_option(const struct wr_field *f, uint32_t *ret_target)
{
    static const struct {
        uint16_t id;
        uint8_t target;
    } known[] = {{34, WR_T_RATE},     {50, WR_T_RATE},        {305, WR_T_INTERVAL},    {306, WR_T_SPACE},
                 {309, WR_T_SIZE},    {310, WR_T_POPULATION}, {311, WR_T_PROBABILITY}, {48, WR_T_SAMPLER},
                 {302, WR_T_SAMPLER}, {10, WR_T_INTERFACE},   {14, WR_T_INTERFACE},    {160, WR_T_INIT_MS}};
    if (f->pen == WR_PEN_V9_SCOPE && f->id == 2) {
        *ret_target = WR_T_INTERFACE;
        return true;
    }
    for (size_t i = 0; f->pen == 0 && i < sizeof known / sizeof *known; i++) {
        if (known[i].id == f->id) {
            *ret_target = known[i].target;
            return true;
        }
    }
    return false;
}

/* The walk that found the record has held every length against its set. */
static void gather(struct wr_exporter *from, const struct wr_tmpl *tmpl, const uint8_t *rec, struct gathered *g)
{
    *g = (struct gathered){0};
    for (uint32_t i = 0, at = 0; i < tmpl->nfields; i++) {
        const struct wr_field *f = &tmpl->fields[i];
        uint32_t len = f->len, target;
        if (len == WR_VARLEN) {
            len = rec[at++];
            if (len == 255) {
                len = (uint32_t)wr_be(rec + at, 2);
                at += 2;
            }
        }
        if (len >= 1 && len <= 8 && f->legal && f->pen == 0 && (f->id == 164 || f->id == 166))
            *(f->id == 166 ? &from->not_sent : &from->ignored_packets) = wr_be(rec + at, len);
        if (len >= 1 && len <= 8 && f->legal && target_of_option(f, &target)) {
            uint64_t x = wr_be(rec + at, len);
            if (target == WR_T_PROBABILITY && len == 4) {
                float p;
                uint32_t bits = (uint32_t)x;
                memcpy(&p, &bits, sizeof p);
                double d = (double)p;
                memcpy(&x, &d, sizeof x);
            }
            if (!g->v[target])
                g->v[target] = x;
            g->by_interface |= target == WR_T_INTERFACE;
            g->by_sampler |= target == WR_T_SAMPLER;
        }
        at += len;
    }
}

/* An exporter boots once, whichever port and message say so. A message full of different times pays for a few. */
static void note_boot(struct wr_msg *msg, int64_t boot_ns)
{
    enum { MAX_BOOTS = 4 };
    if (msg->stream->init_ns == boot_ns || msg->boots++ >= MAX_BOOTS)
        return;
    for (struct wr_stream *s = msg->exporter->streams; s; s = s->next_sibling)
        if (s->key.domain == msg->domain && s->key.version == msg->version)
            s->init_ns = boot_ns;
}

void wr_options_record(struct wr_msg *msg, const struct wr_tmpl *tmpl, const uint8_t *rec)
{
    struct gathered g;
    gather(msg->exporter, tmpl, rec, &g);
    if (g.v[WR_T_INIT_MS] && g.v[WR_T_INIT_MS] < (uint64_t)(INT64_MAX / 1000000))
        note_boot(msg, (int64_t)g.v[WR_T_INIT_MS] * 1000000);
    uint64_t have = 0;
    for (unsigned t = 0; t < WR_NTARGETS; t++)
        have |= (uint64_t)(g.v[t] != 0) << t;
    const struct wr_plan said = {.have = have};
    if (!states_rate(&said))
        return;
    uint64_t rate = own_rate(&said, g.v);
    if (!rate)
        return;
    enum wr_sampler_kind kind = g.by_sampler     ? WR_SAMPLER_ID
                                : g.by_interface ? WR_SAMPLER_INTERFACE
                                                 : WR_SAMPLER_SYSTEM;
    uint64_t id = g.by_sampler ? g.v[WR_T_SAMPLER] : g.by_interface ? g.v[WR_T_INTERFACE] : 0;
    uint32_t capped = rate > UINT32_MAX ? UINT32_MAX : (uint32_t)rate;
    wr_sampler_set(msg->dec, msg->exporter, sampler_key(msg->domain, kind), id, capped);
    wr_sampler_set(msg->dec, msg->exporter, sampler_key(ANY, kind), id, capped);
}
