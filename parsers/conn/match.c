/* Which connection does a record, or an endpoint's event, belong to?
 *
 * A key's chain holds its newest connections, as intervals [start, last]. A record [s, e] either
 * overlaps one, or falls into a gap; then how wide the gap may be depends on what both sides show:
 *
 *      [== conn A ==]FIN        [== conn B ==
 *            [rec]                                 overlap: A
 *                      [rec SYN]                   after an end: another connection
 *                      [rec]                       no SYN, within 60 s of the end: a straggler of A
 *                            [rec]                 before B, which began with SYN: not B
 *
 * An entry that only an event made has no interval yet: a record that starts about then takes it.
 */
#include "parsers/conn/table.h"

#include <string.h>

#define GAP_TCP_OPEN (7200 * WR_SECOND) /* keep-alives */
#define GAP_TCP_BLIND (300 * WR_SECOND) /* no flags in the record */
#define GAP_OTHER (60 * WR_SECOND)
#define GAP_OPENING (3600 * WR_SECOND) /* twice the usual active timeout */

static int64_t clamp_time(int64_t ns)
{
    return ns < 0 ? 0 : ns > WR_TIME_MAX ? WR_TIME_MAX : ns;
}

static uint64_t mix(uint64_t h, uint64_t word)
{
    h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 32;
}

/* Only keeps a record from being counted twice. Not of the key's ends: a translation that becomes known may turn them
 * round. */
static uint32_t fingerprint(const struct wr_flow *flow)
{
    uint64_t h = mix(flow->point, (uint64_t)flow->start_ns);
    h = mix(h, (uint64_t)flow->end_ns);
    h = mix(h, flow->octets[0]);
    h = mix(h, flow->octets[1]);
    h = mix(h, flow->packets[0]);
    h = mix(h, flow->packets[1]);
    h = mix(h, (uint64_t)flow->tcp_flags << 32 | (uint64_t)flow->sport << 16 | flow->dport);
    uint32_t hash = (uint32_t)mix(h, flow->src[3] | (uint64_t)flow->dst[3] << 8);
    return hash ? hash : 1;
}

/* Numbers that compare as the four octets do. */
static uint32_t in_order(const uint8_t addr[4])
{
    return (uint32_t)addr[0] << 24 | (uint32_t)addr[1] << 16 | (uint32_t)addr[2] << 8 | addr[3];
}

uint8_t wr_key_make(struct wr_conn_key *ret_key, const uint8_t a[16], uint16_t aport, const uint8_t b[16], uint16_t bport,
                    uint8_t proto, bool v6)
{
    *ret_key = (struct wr_conn_key){.proto = proto, .v6 = v6};
    uint8_t end;
    if (v6) {
        int cmp = memcmp(a, b, 16);
        end = cmp > 0 || (cmp == 0 && aport > bport);
        memcpy(ret_key->addr[end], a, 16);
        memcpy(ret_key->addr[!end], b, 16);
    } else {
        uint64_t x = (uint64_t)in_order(a) << 16 | aport, y = (uint64_t)in_order(b) << 16 | bport;
        end = x > y;
        memcpy(ret_key->addr[end], a, 4);
        memcpy(ret_key->addr[!end], b, 4);
    }
    ret_key->port[end] = aport;
    ret_key->port[!end] = bport;
    return end;
}

void wr_record_of(const struct wr_conn *c, const struct wr_flow *flow, struct wr_record *ret_rec)
{
    struct wr_record *r = ret_rec;
    bool v6 = flow->flags & WR_FLOW_V6;
    *r = (struct wr_record){.nat = WR_NAT_DIRECT};
    /* exporters put ICMP's type and code into the ports, and a reply has another type than its
     * request */
    bool icmp = wr_is_icmp(flow->proto);
    uint16_t sport = icmp ? 0 : flow->sport, dport = icmp ? 0 : flow->dport;
    r->src = wr_key_make(&r->key, flow->src, sport, flow->dst, dport, flow->proto, v6);
    r->start = clamp_time(flow->start_ns);
    r->end = clamp_time(flow->end_ns);
    if (r->end < r->start)
        r->end = r->start;
    r->hash = wr_table_hash(c, &r->key);
    r->fingerprint = fingerprint(flow);
    if (flow->proto == WR_TCP && (flow->flags & WR_FLOW_HAS_TCP_FLAGS) && flow->tcp_flags) {
        r->tcp_flags = true;
        r->syn = flow->tcp_flags & WR_SYN;
        r->closes = flow->tcp_flags & (WR_FIN | WR_RST);
    }
}

/* Widest silence inside one connection. */
static int64_t gap_limit(const struct wr_record *rec, bool ended)
{
    if (rec->key.proto == WR_TCP && rec->tcp_flags)
        return ended ? GAP_OTHER : GAP_TCP_OPEN;
    return rec->key.proto == WR_TCP ? GAP_TCP_BLIND : GAP_OTHER;
}

static bool seen_by(const struct wr_conn *c, struct wr_entry *e, uint32_t point)
{
    return wr_point_find(c, e, point) != NULL;
}

/* The record starts `gap` after the last that is known of `e`. */
static bool continues(const struct wr_conn *c, struct wr_entry *e, const struct wr_record *rec,
                      int64_t gap, uint32_t point)
{
    bool closed = e->flags & WR_CONN_CLOSED;
    if (rec->syn) /* another exporter's clock may be ahead; the same one's is not */
        return gap <= WR_SKEW && !(closed && seen_by(c, e, point));
    return gap <= gap_limit(rec, closed);
}

/* The record ends `gap` before the first that is known of `e`. */
static bool precedes(const struct wr_entry *e, const struct wr_record *rec, int64_t gap)
{
    if (e->flags & WR_CONN_SYN)
        return gap <= WR_SKEW && !rec->closes;
    return gap <= gap_limit(rec, rec->closes);
}

/* Could the record be the first of what an event announced? 2: about then; 1: for want of a nearer
 * one. */
static int announced(const struct wr_entry *e, const struct wr_record *rec)
{
    int64_t after = rec->start - e->start;
    if (after < -WR_OPEN_SLACK || (rec->syn && after > WR_OPEN_SLACK))
        return after >= -WR_OPEN_FAR && after <= WR_OPEN_FAR;
    return after <= (rec->key.proto == WR_TCP ? GAP_OPENING : GAP_OTHER) ? 2 : 0;
}

struct rank {
    int grade; /* 0 no, 1 across a gap, 2 an event's, 3 overlap */
    int64_t distance;
};

static struct rank rank_of(const struct wr_conn *c, struct wr_entry *e, const struct wr_record *rec,
                           uint32_t point)
{
    int64_t apart = rec->start > e->start ? rec->start - e->start : e->start - rec->start;
    if (!(e->flags & WR_CONN_FLOW))
        return (struct rank){announced(e, rec), apart};
    if (rec->start > e->last) {
        int64_t gap = rec->start - e->last;
        return (struct rank){continues(c, e, rec, gap, point), gap};
    }
    if (rec->end < e->start) {
        int64_t gap = e->start - rec->end;
        return (struct rank){precedes(e, rec, gap), gap};
    }
    /* A SYN well inside a connection that has ended: clocks differ and this is the next one, if
     * announced. */
    bool odd = rec->syn && (e->flags & WR_CONN_CLOSED) && apart > WR_SKEW;
    return (struct rank){odd ? 1 : 3, apart};
}

/* A record touched both: are they one? Not when the later began with SYN after the earlier's end.
 */
static bool joinable(const struct wr_conn *c, uint32_t i, uint32_t k)
{
    const struct wr_entry *a = wr_entry_at(c, i), *b = wr_entry_at(c, k);
    if (a->start > b->start) {
        const struct wr_entry *t = a;
        a = b;
        b = t;
    }
    if (!(a->flags & b->flags & WR_CONN_FLOW) || (a->rows != WR_NONE && b->rows != WR_NONE))
        return false;
    return !(b->flags & WR_CONN_SYN) ||
           (!(a->flags & WR_CONN_CLOSED) && b->start - a->last <= WR_SKEW);
}

uint32_t wr_match_record(const struct wr_conn *c, const struct wr_record *rec,
                         const struct wr_flow *flow, uint32_t *ret_second)
{
    struct rank best = {0, 0};
    uint32_t found = WR_NONE, second = WR_NONE;
    for (uint32_t i = wr_table_newest_of(c, &rec->key, rec->hash); i != WR_NONE; i = wr_entry_at(c, i)->older) {
        struct rank r = rank_of(c, wr_entry_at(c, i), rec, flow->point);
        if (!r.grade)
            continue;
        if (r.grade > best.grade || (r.grade == best.grade && r.distance < best.distance)) {
            second = found;
            found = i;
            best = r;
        } else if (second == WR_NONE) {
            second = i;
        }
    }
    *ret_second = second != WR_NONE && joinable(c, found, second) ? second : WR_NONE;
    return found;
}

bool wr_match_is_alone(const struct wr_conn *c, uint32_t i)
{
    const struct wr_entry *e = wr_entry_at(c, i);
    return e->older == WR_NONE && e->head;
}

/* The event that `e` already has on this side, or NULL. */
static const struct wr_crow *event_on(const struct wr_conn *c, const struct wr_entry *e,
                                      uint8_t side)
{
    for (uint32_t r = e->rows; r != WR_NONE; r = wr_crow_at(c, r)->next)
        if (wr_crow_at(c, r)->packed && wr_crow_at(c, r)->side == side)
            return wr_crow_at(c, r);
    return NULL;
}

/* How far from the entry's interval the opening is; 0 inside. */
static int64_t outside(const struct wr_entry *e, int64_t opened)
{
    return opened < e->start ? e->start - opened : opened > e->last ? opened - e->last : 0;
}

enum wr_open_match wr_match_opening(const struct wr_conn *c, const struct wr_opening *open,
                                    uint32_t *ret_i, bool *ret_ambiguous, bool *ret_alone)
{
    int64_t best = INT64_MAX;
    bool near = false;
    *ret_i = WR_NONE;
    *ret_ambiguous = false;
    uint32_t newest = wr_table_newest_of(c, &open->key, open->hash);
    *ret_alone = newest == WR_NONE;
    for (uint32_t i = newest; i != WR_NONE; i = wr_entry_at(c, i)->older) {
        const struct wr_entry *e = wr_entry_at(c, i);
        if (outside(e, open->opened) > WR_OPEN_FAR)
            continue;
        bool here = outside(e, open->opened) <= WR_OPEN_SLACK;
        const struct wr_crow *row = event_on(c, e, open->side);
        if (row && row->opened == open->opened + open->skew && row->told_len == open->len &&
            memcmp(row->packed, open->packed, open->len) == 0)
            return WR_OPEN_AGAIN;
        int64_t apart = open->opened > e->start ? open->opened - e->start : e->start - open->opened;
        bool request = row && row->action == WR_ACTION_REQUEST && row->state == WR_ROW_HELD;
        if (row && !request) {
            int64_t told = row->opened - row->skew;
            int64_t between = open->opened > told ? open->opened - told : told - open->opened;
            *ret_ambiguous |= between <= WR_OPEN_SLACK;
        } else if (here > near || (here == near && apart < best)) {
            best = apart;
            near = here;
            *ret_i = i;
        }
    }
    if (*ret_i == WR_NONE)
        return WR_OPEN_NEW;
    *ret_ambiguous |= !near;
    return WR_OPEN_BIND;
}
