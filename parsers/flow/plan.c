/* Template -> plan. A record is read in three moves: port test on raw octets, steps into the flow
 * and v[], then the rules of records.c that choose between several elements for one thing.
 * Addresses and ports are written by rank: a later step overwrites an earlier one when its value is
 * not zero, so the better element comes later.
 *
 *   template 27(16) 8(4) 7(2) 1(4)   ->  ADDR6 src@0, ADDR4 src@16, PORT sport@20, V4 octets@22
 */
#include "parsers/flow/plan.h"

#include "parsers/flow/state.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* What elements are for; by (pen, id), since it is searched. DIRECT: copied straight into the flow; of several for one
 * member the one of the greatest rank counts. TARGET: into v[]. */
struct known {
    uint32_t pen;
    uint16_t id;
    uint8_t op, dst, rank; /* op WR_OP_VN: a target */
};
#define DST(member) (uint8_t) offsetof(struct wr_flow, member)
#define DIRECT(pen, id, op, member, rank) {pen, id, WR_OP_##op, DST(member), rank}
#define TARGET(pen, id, target) {pen, id, WR_OP_VN, WR_T_##target, 0}
/* clang-format off */
static const struct known known[] = {
    TARGET(0, 1, OCTETS),
    TARGET(0, 2, PACKETS),
    DIRECT(0, 4, U8, proto, 22),
    TARGET(0, 6, TCP_FLAGS),
    DIRECT(0, 7, PORT, sport, 16),
    DIRECT(0, 8, ADDR4, src, 2),
    TARGET(0, 10, INTERFACE),
    DIRECT(0, 11, PORT, dport, 17),
    DIRECT(0, 12, ADDR4, dst, 3),
    TARGET(0, 21, END_UP),
    TARGET(0, 22, START_UP),
    TARGET(0, 23, POST_OCTETS),
    TARGET(0, 24, POST_PACKETS),
    DIRECT(0, 27, ADDR6, src, 0),
    DIRECT(0, 28, ADDR6, dst, 1),
    TARGET(0, 32, ICMP),
    TARGET(0, 34, RATE),
    TARGET(0, 48, SAMPLER),
    TARGET(0, 50, RATE),
    DIRECT(0, 61, U8, direction, 25),
    TARGET(0, 85, TOTAL_OCTETS),
    TARGET(0, 86, TOTAL_PACKETS),
    TARGET(0, 89, FORWARDING),
    DIRECT(0, 136, U8, end_reason, 24),
    TARGET(0, 139, ICMP),
    TARGET(0, 150, START_S),
    TARGET(0, 151, END_S),
    TARGET(0, 152, START_MS),
    TARGET(0, 153, END_MS),
    TARGET(0, 154, START_US),
    TARGET(0, 155, END_US),
    TARGET(0, 156, START_NS),
    TARGET(0, 157, END_NS),
    TARGET(0, 158, START_DELTA),
    TARGET(0, 159, END_DELTA),
    TARGET(0, 160, INIT_MS),
    TARGET(0, 161, DURATION_MS),
    TARGET(0, 162, DURATION_US),
    TARGET(0, 176, ICMP_TYPE),
    TARGET(0, 177, ICMP_CODE),
    TARGET(0, 178, ICMP_TYPE),
    TARGET(0, 179, ICMP_CODE),
    DIRECT(0, 180, PORT, sport, 12),
    DIRECT(0, 181, PORT, dport, 13),
    DIRECT(0, 182, PORT, sport, 14),
    DIRECT(0, 183, PORT, dport, 15),
    TARGET(0, 231, INIT_OCTETS),
    TARGET(0, 232, RESP_OCTETS),
    TARGET(0, 233, FW_EVENT),
    TARGET(0, 239, BIFLOW_DIRECTION),
    TARGET(0, 298, INIT_PACKETS),
    TARGET(0, 299, RESP_PACKETS),
    TARGET(0, 302, SAMPLER),
    TARGET(0, 305, INTERVAL),
    TARGET(0, 306, SPACE),
    TARGET(0, 309, SIZE),
    TARGET(0, 310, POPULATION),
    TARGET(0, 311, PROBABILITY),
    TARGET(0, 322, EVENT_S),
    TARGET(0, 323, EVENT_MS),
    TARGET(0, 324, EVENT_US),
    TARGET(0, 325, EVENT_NS),
    TARGET(0, 352, L2_OCTETS),
    TARGET(9, 8337, RESP_OCTETS),
    TARGET(9, 8338, INIT_OCTETS),
    DIRECT(9, 12236, ADDR4, src, 6),
    DIRECT(9, 12237, ADDR4, dst, 7),
    DIRECT(9, 12238, ADDR6, src, 4),
    DIRECT(9, 12239, ADDR6, dst, 5),
    DIRECT(9, 12240, PORT, sport, 18),
    DIRECT(9, 12241, PORT, dport, 19),
    TARGET(9, 12346, RESP_OCTETS),
    TARGET(9, 12347, INIT_OCTETS),
    DIRECT(6876, 880, U8, proto, 23),
    DIRECT(6876, 881, ADDR4, src, 10),
    DIRECT(6876, 882, ADDR4, dst, 11),
    DIRECT(6876, 883, ADDR6, src, 8),
    DIRECT(6876, 884, ADDR6, dst, 9),
    DIRECT(6876, 886, PORT, sport, 20),
    DIRECT(6876, 887, PORT, dport, 21),
    TARGET(WR_PEN_REVERSE, 1, REV_OCTETS),
    TARGET(WR_PEN_REVERSE, 2, REV_PACKETS),
    TARGET(WR_PEN_REVERSE, 85, REV_TOTAL_OCTETS),
    TARGET(WR_PEN_REVERSE, 86, REV_TOTAL_PACKETS),
    TARGET(WR_PEN_V9, 40005 - 32768, FW_EVENT),
};
/* clang-format on */
enum { NKNOWN = sizeof known / sizeof *known, NDIRECT = 26 /* ranks */ };

static const struct known *known_of(const struct wr_field *f)
{
    uint32_t lo = 0, hi = NKNOWN;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (known[mid].pen < f->pen || (known[mid].pen == f->pen && known[mid].id < f->id))
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < NKNOWN && known[lo].pen == f->pen && known[lo].id == f->id ? &known[lo] : NULL;
}

struct compiler {
    const struct wr_tmpl *tmpl;
    struct wr_plan *plan;
    uint16_t *anchor; /* per field: where it starts */
    uint32_t *off;
    const struct known **known; /* per field: its target */
};

static void place_fields(struct compiler *c)
{
    uint16_t anchor = 0;
    uint32_t off = 0;
    for (uint32_t i = 0; i < c->tmpl->nfields; i++) {
        c->anchor[i] = anchor;
        c->off[i] = off;
        if (c->tmpl->fields[i].len == WR_VARLEN) {
            c->plan->gaps[anchor++] = (uint16_t)off;
            off = 0;
        } else {
            off += c->tmpl->fields[i].len;
        }
    }
    c->plan->gaps[anchor] = (uint16_t)off;
    c->plan->nvars = anchor;
    c->plan->stride = anchor ? 0 : off;
}

static struct wr_step step_of(const struct compiler *c, uint32_t i, uint8_t op, uint8_t dst)
{
    return (struct wr_step){.op = op,
                            .dst = dst,
                            .anchor = c->anchor[i],
                            .off = (uint16_t)c->off[i],
                            .len = c->tmpl->fields[i].len};
}

static bool loadable(const struct wr_field *f)
{
    return f->legal && f->len != WR_VARLEN && f->len != 0 && !f->scope;
}

static bool is_address(uint8_t op)
{
    return op == WR_OP_ADDR4 || op == WR_OP_ADDR6;
}

static void add_direct(struct compiler *c, const struct known *d, uint32_t i)
{
    struct wr_plan *plan = c->plan;
    struct wr_step s = step_of(c, i, d->op, d->dst);
    plan->is_flow |= is_address(d->op);
    plan->client_server |= d->pen == 9 && is_address(d->op);
    if (d->op == WR_OP_PORT) {
        plan->has_dport |= d->dst == DST(dport);
        if (plan->nports < WR_PLAN_PORTS && s.len >= 2)
            plan->ports[plan->nports++] = s;
        else
            plan->ports_exact = false;
    }
    plan->steps[plan->nsteps++] = s;
}

static uint8_t value_op(const struct wr_plan *plan, const struct wr_field *f, uint8_t target)
{
    if (f->ie.type == WR_IE_FLOAT)
        return WR_OP_F;
    if (plan->have >> target & 1)
        return WR_OP_MORE;
    return (uint8_t)(f->len == 4 ? WR_OP_V4 : f->len == 8 ? WR_OP_V8 : WR_OP_VN);
}

static void add_value(struct compiler *c, const struct known *k, uint32_t i)
{
    const struct wr_field *f = &c->tmpl->fields[i];
    struct wr_plan *plan = c->plan;
    if (f->len > 8)
        return;
    plan->steps[plan->nsteps++] = step_of(c, i, value_op(plan, f, k->dst), k->dst);
    plan->have |= UINT64_C(1) << k->dst;
}

/* Direct ones first, by rank; of a repeated address or port the first is the flow's. */
static void compile_fields(struct compiler *c)
{
    const struct known *direct[NDIRECT] = {0};
    uint16_t at[NDIRECT];
    for (uint32_t i = 0; i < c->tmpl->nfields; i++) {
        const struct wr_field *f = &c->tmpl->fields[i];
        const struct known *k = loadable(f) ? known_of(f) : NULL;
        c->known[i] = k && k->op == WR_OP_VN ? k : NULL;
        if (!k || k->op == WR_OP_VN || (f->repeat && direct[k->rank])) /* one that can be read, after one that cannot */
            continue;
        direct[k->rank] = k;
        at[k->rank] = (uint16_t)i;
    }
    for (uint32_t r = 0; r < NDIRECT; r++)
        if (direct[r])
            add_direct(c, direct[r], at[r]);
    for (uint32_t i = 0; i < c->tmpl->nfields; i++)
        if (c->known[i])
            add_value(c, c->known[i], i);
}

static void count_fields(struct wr_plan *plan, const struct wr_tmpl *tmpl)
{
    for (uint32_t i = 0; i < tmpl->nfields; i++) {
        plan->nillegal += !tmpl->fields[i].legal;
        plan->nunknown += !tmpl->fields[i].ie.name;
    }
}

static bool has_field(const struct wr_tmpl *tmpl, uint16_t id)
{
    for (uint32_t i = 0; i < tmpl->nfields; i++)
        if (tmpl->fields[i].pen == 0 && tmpl->fields[i].id == id)
            return true;
    return false;
}

/* Some leave natEvent out and say by the time alone what it was. */
static bool tells_of_nat(const struct wr_tmpl *tmpl)
{
    return has_field(tmpl, 230) || has_field(tmpl, 225) || has_field(tmpl, 281) || has_field(tmpl, 361);
}

/* A session's event is wanted by its ports on either side of the translation; what names no peer always is. */
static void set_nat(struct compiler *c)
{
    struct wr_plan *plan = c->plan;
    plan->is_flow = false;
    plan->is_nat = true;
    plan->ports_exact &= has_field(c->tmpl, 11);
    for (uint32_t i = 0; i < c->tmpl->nfields && plan->nports < WR_PLAN_PORTS; i++) {
        const struct wr_field *f = &c->tmpl->fields[i];
        if (f->pen == 0 && (f->id == 227 || f->id == 228) && loadable(f) && f->len >= 2)
            plan->ports[plan->nports++] = step_of(c, i, WR_OP_PORT, 0);
    }
}

static void set_shortcuts(struct wr_plan *plan)
{
    const uint64_t volume = WR_T(OCTETS) | WR_T(PACKETS);
    const uint64_t counters = (WR_T(REV_TOTAL_PACKETS) << 1) - 1;
    const uint64_t times = ((WR_T(EVENT_NS) << 1) - 1) & ~counters;
    const uint64_t verdicts = WR_T(FW_EVENT) | WR_T(FORWARDING) | WR_T(BIFLOW_DIRECTION) | WR_T(INIT_OCTETS);
    plan->delta_only = (plan->have & counters) == volume;
    plan->no_verdict = !plan->client_server && !(plan->have & verdicts);
    plan->no_rate = !(plan->have & (WR_T(RATE) | WR_T(INTERVAL) | WR_T(SIZE) | WR_T(POPULATION) |
                                    WR_T(PROBABILITY) | WR_T(SAMPLER)));
    plan->no_icmp = plan->has_dport && !(plan->have & (WR_T(ICMP) | WR_T(ICMP_TYPE)));
    if ((plan->have & times) == (WR_T(START_MS) | WR_T(END_MS)))
        plan->times = WR_TIMES_MS;
    else if ((plan->have & times) == (WR_T(START_UP) | WR_T(END_UP)))
        plan->times = WR_TIMES_UPTIME;
    else if ((plan->have & times) == (WR_T(START_S) | WR_T(END_S)))
        plan->times = WR_TIMES_S;
}

static void set_look(struct wr_plan *plan)
{
    struct wr_look *look = &plan->look;
    look->stride = plan->stride;
    look->inverse = plan->stride ? ((UINT64_C(1) << 32) + plan->stride - 1) / plan->stride : 0;
    for (uint32_t i = 0; plan->two_ports && i < 2; i++) {
        look->off[i] = plan->ports[i].off;
        look->anchor[i] = plan->ports[i].anchor;
    }
}

struct wr_plan *wr_plan_compile(const struct wr_tmpl *tmpl)
{
    uint32_t max_steps = tmpl->nfields + NDIRECT;
    size_t size = sizeof(struct wr_plan) + max_steps * sizeof(struct wr_step);
    struct wr_plan *plan = calloc(1, size + (tmpl->nfields + 1u) * sizeof *plan->gaps);
    struct compiler c = {.tmpl = tmpl, .plan = plan};
    c.anchor = calloc(tmpl->nfields + 1u, sizeof *c.anchor);
    c.off = calloc(tmpl->nfields + 1u, sizeof *c.off);
    c.known = calloc(tmpl->nfields + 1u, sizeof *c.known);
    if (!plan || !c.anchor || !c.off || !c.known) {
        free(plan);
        plan = NULL;
        goto done;
    }
    plan->gaps = (uint16_t *)(void *)((uint8_t *)plan + size);
    plan->ports_exact = true;
    place_fields(&c);
    compile_fields(&c);
    count_fields(plan, tmpl);
    plan->has_flags = plan->have & WR_T(TCP_FLAGS);
    set_shortcuts(plan);
    uint64_t volume =
        WR_T(OCTETS) | WR_T(TOTAL_OCTETS) | WR_T(INIT_OCTETS) | WR_T(PACKETS) | WR_T(POST_OCTETS);
    if (tmpl->options)
        plan->is_flow = false;
    else if (!(plan->have & (volume | WR_T(FW_EVENT))) && tells_of_nat(tmpl))
        set_nat(&c); /* a NAT mapping (RFC 8158) carries no traffic: not a connection */
    plan->two_ports = plan->nports == 2 && plan->ports[0].len == 2 && plan->ports[1].len == 2;
    plan->by_ports = plan->two_ports && plan->is_flow && plan->ports_exact;
    set_look(plan);
    wr_plain_compile(plan);
done:
    free(c.anchor);
    free(c.off);
    free(c.known);
    return plan;
}
