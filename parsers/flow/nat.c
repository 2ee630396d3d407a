/* Translated addresses: RFC 8158's events (Cisco NEL and others), ASA's and other firewalls'
 * records with both sides. natEvent (230) is left out by some; then which of start and end is there
 * says what it was. */
#include "parsers/flow/nat.h"

#include "parsers/flow/state.h"

#include <string.h>

enum { SRC4, DST4, SRC6, DST6, SRC_PORT, DST_PORT, EVENT, FIRST, LAST, COUNT };

/* ASA's old numbers are v9's 40001 to 40004. */
static const struct {
    uint32_t pen;
    uint16_t id;
    uint8_t what, len; /* len: of an address; 0: a number of up to 8 octets */
} elements[] = {
    {0, 225, SRC4, 4},
    {0, 226, DST4, 4},
    {0, 281, SRC6, 16},
    {0, 282, DST6, 16},
    {0, 227, SRC_PORT, 0},
    {0, 228, DST_PORT, 0},
    {0, 230, EVENT, 0},
    {0, 361, FIRST, 0},
    {0, 362, LAST, 0},
    {0, 364, COUNT, 0},
    {WR_PEN_V9, 7233, SRC4, 4},
    {WR_PEN_V9, 7234, DST4, 4},
    {WR_PEN_V9, 7235, SRC_PORT, 0},
    {WR_PEN_V9, 7236, DST_PORT, 0},
};

static int element_of(const struct wr_field *f)
{
    for (unsigned i = 0; i < sizeof elements / sizeof *elements; i++)
        if (elements[i].id == f->id && elements[i].pen == f->pen) {
            bool fits = elements[i].len ? f->len == elements[i].len : f->len >= 1 && f->len <= 8;
            return fits && f->legal && !f->scope ? elements[i].what : -1;
        }
    return -1;
}

void wr_nat_compile(struct wr_tmpl *t)
{
    uint16_t anchor = 0;
    uint32_t off = 0;
    bool any = false;
    for (uint32_t i = 0; i < t->nfields && !t->options; i++) {
        const struct wr_field *f = &t->fields[i];
        int what = element_of(f);
        if (what >= 0 && t->nnat < WR_NAT_FIELDS) {
            t->nat[t->nnat++] = (struct wr_nat_step){
                .what = (uint8_t)what, .anchor = anchor, .off = (uint16_t)off, .len = f->len};
            any |= what != EVENT;
        }
        if (f->len == WR_VARLEN) {
            anchor++;
            off = 0;
        } else {
            off += f->len;
        }
    }
    if (any)
        t->who_kinds |= wr_who_bit(WR_WHO_NAT);
    else
        t->nnat = 0;
}

/* RFC 8158, 4.3; 1 and 2 are those of its forerunners. */
static uint8_t event_of(const struct wr_plan *plan, uint64_t nat_event)
{
    const uint64_t starts =
        WR_T(START_S) | WR_T(START_MS) | WR_T(START_US) | WR_T(START_NS) | WR_T(START_UP);
    const uint64_t ends = starts << 1;
    switch (nat_event) {
    case 0:
        if (!plan->is_nat)
            return WR_NAT_FLOW;
        return plan->have & ends ? (plan->have & starts ? WR_NAT_WHOLE : WR_NAT_DELETE)
                                 : WR_NAT_CREATE;
    case 2:
    case 5:
    case 7:
    case 9:
    case 11:
    case 15:
    case 17:
        return WR_NAT_DELETE;
    case 3:
    case 12:
    case 13:
    case 18:
        return WR_NAT_EXHAUSTED;
    default:
        return WR_NAT_CREATE;
    }
}

static bool is_zero(const uint8_t *p, size_t n)
{
    uint8_t any = 0;
    for (size_t i = 0; i < n; i++)
        any |= p[i];
    return !any;
}

static void take_addr(struct wr_nat *nat, int end, const uint8_t *p, uint16_t len)
{
    if (is_zero(p, len))
        return;
    memcpy(nat->addr[end], p, len);
    nat->v6 = len == 16;
}

/* False: both ends are as before. */
static bool is_other(const struct wr_nat *nat, const struct wr_flow *flow)
{
    const uint8_t *before[2] = {flow->src, flow->dst};
    const uint16_t ports[2] = {flow->sport, flow->dport};
    for (int d = 0; d < 2; d++)
        if ((!is_zero(nat->addr[d], 16) && memcmp(nat->addr[d], before[d], 16) != 0) ||
            (nat->port[d] && nat->port[d] != ports[d]))
            return true;
    return false;
}

bool wr_nat_read(const struct wr_tmpl *tmpl, const uint8_t *rec, const uint32_t *anchors,
                 const struct wr_flow *flow, struct wr_nat *ret_nat)
{
    uint64_t event = 0, count = 0;
    struct wr_nat *nat = ret_nat;
    *nat = (struct wr_nat){0};
    for (uint32_t i = 0; i < tmpl->nnat; i++) {
        const struct wr_nat_step *s = &tmpl->nat[i];
        const uint8_t *p = rec + (s->anchor ? anchors[s->anchor] - anchors[0] : 0) + s->off;
        uint64_t n = s->len <= 8 ? wr_be(p, s->len) : 0;
        switch (s->what) {
        case SRC4:
        case SRC6:
        case DST4:
        case DST6:
            take_addr(nat, s->what == DST4 || s->what == DST6, p, s->len);
            break;
        case SRC_PORT:
        case DST_PORT:
            nat->port[s->what == DST_PORT] = (uint16_t)n;
            break;
        case EVENT:
            event = n;
            break;
        case FIRST:
            nat->first = (uint16_t)n;
            break;
        case LAST:
            nat->last = (uint16_t)n;
            break;
        default:
            count = n;
            break;
        }
    }
    if (!nat->last && count && nat->first + count - 1 <= UINT16_MAX)
        nat->last = (uint16_t)(nat->first + count - 1);
    nat->event = event_of(tmpl->plan, event);
    if (nat->last < nat->first)
        nat->first = nat->last = 0;
    return nat->event == WR_NAT_EXHAUSTED || is_other(nat, flow);
}
