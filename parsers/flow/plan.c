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

struct target {
    uint32_t pen;
    uint16_t id;
    uint8_t target;
};

static const struct target targets[] = {
    {0, 1, WR_T_OCTETS},
    {0, 2, WR_T_PACKETS},
    {0, 23, WR_T_POST_OCTETS},
    {0, 24, WR_T_POST_PACKETS},
    {0, 85, WR_T_TOTAL_OCTETS},
    {0, 86, WR_T_TOTAL_PACKETS},
    {0, 352, WR_T_L2_OCTETS},
    {0, 231, WR_T_INIT_OCTETS},
    {0, 232, WR_T_RESP_OCTETS},
    {0, 298, WR_T_INIT_PACKETS},
    {0, 299, WR_T_RESP_PACKETS},
    {9, 8338, WR_T_INIT_OCTETS},
    {9, 8337, WR_T_RESP_OCTETS},
    {9, 12347, WR_T_INIT_OCTETS},
    {9, 12346, WR_T_RESP_OCTETS},
    {WR_PEN_REVERSE, 1, WR_T_REV_OCTETS},
    {WR_PEN_REVERSE, 85, WR_T_REV_TOTAL_OCTETS},
    {WR_PEN_REVERSE, 2, WR_T_REV_PACKETS},
    {WR_PEN_REVERSE, 86, WR_T_REV_TOTAL_PACKETS},
    {0, 150, WR_T_START_S},
    {0, 151, WR_T_END_S},
    {0, 152, WR_T_START_MS},
    {0, 153, WR_T_END_MS},
    {0, 154, WR_T_START_US},
    {0, 155, WR_T_END_US},
    {0, 156, WR_T_START_NS},
    {0, 157, WR_T_END_NS},
    {0, 22, WR_T_START_UP},
    {0, 21, WR_T_END_UP},
    {0, 158, WR_T_START_DELTA},
    {0, 159, WR_T_END_DELTA},
    {0, 161, WR_T_DURATION_MS},
    {0, 162, WR_T_DURATION_US},
    {0, 160, WR_T_INIT_MS},
    {0, 322, WR_T_EVENT_S},
    {0, 323, WR_T_EVENT_MS},
    {0, 324, WR_T_EVENT_US},
    {0, 325, WR_T_EVENT_NS},
    {0, 34, WR_T_RATE},
    {0, 50, WR_T_RATE},
    {0, 305, WR_T_INTERVAL},
    {0, 306, WR_T_SPACE},
    {0, 309, WR_T_SIZE},
    {0, 310, WR_T_POPULATION},
    {0, 311, WR_T_PROBABILITY},
    {0, 48, WR_T_SAMPLER},
    {0, 302, WR_T_SAMPLER},
    {0, 10, WR_T_INTERFACE},
    {0, 233, WR_T_FW_EVENT},
    {WR_PEN_V9, 40005 - 32768, WR_T_FW_EVENT},
    {0, 89, WR_T_FORWARDING},
    {0, 239, WR_T_BIFLOW_DIRECTION},
    {0, 6, WR_T_TCP_FLAGS},
    {0, 32, WR_T_ICMP},
    {0, 139, WR_T_ICMP},
    {0, 176, WR_T_ICMP_TYPE},
    {0, 178, WR_T_ICMP_TYPE},
    {0, 177, WR_T_ICMP_CODE},
    {0, 179, WR_T_ICMP_CODE},
};

/* Elements copied straight into the flow, worst rank first. */
struct direct {
    uint32_t pen;
    uint16_t id;
    uint8_t op, dst;
};
#define DST(member) (uint8_t) offsetof(struct wr_flow, member)
static const struct direct directs[] = {
    {0, 27, WR_OP_ADDR6, DST(src)},      {0, 28, WR_OP_ADDR6, DST(dst)},
    {0, 8, WR_OP_ADDR4, DST(src)},       {0, 12, WR_OP_ADDR4, DST(dst)},
    {9, 12238, WR_OP_ADDR6, DST(src)},   {9, 12239, WR_OP_ADDR6, DST(dst)},
    {9, 12236, WR_OP_ADDR4, DST(src)},   {9, 12237, WR_OP_ADDR4, DST(dst)},
    {6876, 883, WR_OP_ADDR6, DST(src)},  {6876, 884, WR_OP_ADDR6, DST(dst)},
    {6876, 881, WR_OP_ADDR4, DST(src)},  {6876, 882, WR_OP_ADDR4, DST(dst)},
    {0, 180, WR_OP_PORT, DST(sport)},    {0, 181, WR_OP_PORT, DST(dport)},
    {0, 182, WR_OP_PORT, DST(sport)},    {0, 183, WR_OP_PORT, DST(dport)},
    {0, 7, WR_OP_PORT, DST(sport)},      {0, 11, WR_OP_PORT, DST(dport)},
    {9, 12240, WR_OP_PORT, DST(sport)},  {9, 12241, WR_OP_PORT, DST(dport)},
    {6876, 886, WR_OP_PORT, DST(sport)}, {6876, 887, WR_OP_PORT, DST(dport)},
    {0, 4, WR_OP_U8, DST(proto)},        {6876, 880, WR_OP_U8, DST(proto)},
    {0, 136, WR_OP_U8, DST(end_reason)}, {0, 61, WR_OP_U8, DST(direction)},
};
enum { NDIRECT = sizeof directs / sizeof *directs, NTARGET = sizeof targets / sizeof *targets };

struct compiler {
    const struct wr_tmpl *tmpl;
    struct wr_plan *plan;
    uint16_t *anchor; /* per field: where it starts */
    uint32_t *off;
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
    c->plan->inverse = c->plan->stride ? ((UINT64_C(1) << 32) + off - 1) / off : 0;
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

static void compile_direct(struct compiler *c, const struct direct *d)
{
    struct wr_plan *plan = c->plan;
    for (uint32_t i = 0; i < c->tmpl->nfields; i++) {
        const struct wr_field *f = &c->tmpl->fields[i];
        if (f->id != d->id || f->pen != d->pen || !loadable(f) || f->repeat)
            continue;
        struct wr_step s = step_of(c, i, d->op, d->dst);
        if (is_address(d->op))
            plan->is_flow = true;
        if (d->pen == 9 && is_address(d->op))
            plan->client_server = true;
        if (d->op == WR_OP_PORT) {
            plan->has_dport |= d->dst == DST(dport);
            if (plan->nports < WR_PLAN_PORTS && s.len >= 2)
                plan->ports[plan->nports++] = s;
            else
                plan->ports_exact = false;
        }
        plan->steps[plan->nsteps++] = s;
        return; /* a repeated address or port: the first is the flow's */
    }
}

static const struct target *target_of(const struct wr_field *f)
{
    for (uint32_t i = 0; i < NTARGET; i++)
        if (targets[i].id == f->id && targets[i].pen == f->pen)
            return &targets[i];
    return NULL;
}

static uint8_t value_op(const struct wr_plan *plan, const struct wr_field *f, uint8_t target)
{
    if (f->ie.type == WR_IE_FLOAT)
        return WR_OP_F;
    if (plan->have >> target & 1)
        return WR_OP_MORE;
    return (uint8_t)(f->len == 4 ? WR_OP_V4 : f->len == 8 ? WR_OP_V8 : WR_OP_VN);
}

static void compile_values(struct compiler *c)
{
    struct wr_plan *plan = c->plan;
    for (uint32_t i = 0; i < c->tmpl->nfields; i++) {
        const struct wr_field *f = &c->tmpl->fields[i];
        const struct target *t = loadable(f) ? target_of(f) : NULL;
        if (!t || f->len > 8)
            continue;
        plan->steps[plan->nsteps++] = step_of(c, i, value_op(plan, f, t->target), t->target);
        plan->have |= UINT64_C(1) << t->target;
    }
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

struct wr_plan *wr_plan_compile(const struct wr_tmpl *tmpl)
{
    uint32_t max_steps = tmpl->nfields + NDIRECT;
    size_t size = sizeof(struct wr_plan) + max_steps * sizeof(struct wr_step);
    struct wr_plan *plan = calloc(1, size + (tmpl->nfields + 1u) * sizeof *plan->gaps);
    struct compiler c = {.tmpl = tmpl, .plan = plan};
    c.anchor = calloc(tmpl->nfields + 1u, sizeof *c.anchor);
    c.off = calloc(tmpl->nfields + 1u, sizeof *c.off);
    if (!plan || !c.anchor || !c.off) {
        free(plan);
        plan = NULL;
        goto done;
    }
    plan->gaps = (uint16_t *)(void *)((uint8_t *)plan + size);
    plan->ports_exact = true;
    place_fields(&c);
    for (uint32_t i = 0; i < NDIRECT; i++)
        compile_direct(&c, &directs[i]);
    compile_values(&c);
    count_fields(plan, tmpl);
    plan->has_flags = plan->have & WR_T(TCP_FLAGS);
    plan->two_ports = plan->nports == 2 && plan->ports[0].len == 2 && plan->ports[1].len == 2;
    set_shortcuts(plan);
    uint64_t volume =
        WR_T(OCTETS) | WR_T(TOTAL_OCTETS) | WR_T(INIT_OCTETS) | WR_T(PACKETS) | WR_T(POST_OCTETS);
    if (tmpl->options || (has_field(tmpl, 230) && !(plan->have & volume)))
        plan->is_flow = false; /* a NAT mapping (RFC 8158) carries no traffic: not a connection */
    wr_plain_compile(plan);
done:
    free(c.anchor);
    free(c.off);
    return plan;
}
