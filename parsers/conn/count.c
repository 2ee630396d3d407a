/* Bytes of one direction = the greatest of the observation points' sums: every router on the path
 * reports the same packets. A point that sees all packets beats one that samples, then the finer
 * sampling, then the greater sum. The chosen figure never falls, so that what rules were told can
 * be amended by adding. */
#include "parsers/conn/table.h"

static uint64_t add_sat(uint64_t a, uint64_t b)
{
    return a > (uint64_t)INT64_MAX - b ? (uint64_t)INT64_MAX : a + b;
}

static uint64_t cap_bytes(uint64_t v)
{
    return v > (uint64_t)INT64_MAX ? (uint64_t)INT64_MAX : v;
}

static uint32_t cap_packets(uint64_t v)
{
    return v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

struct wr_point *wr_point_find(const struct wr_conn *c, struct wr_entry *e, uint32_t id)
{
    if (!(e->flags & WR_CONN_FLOW))
        return NULL;
    for (struct wr_point *p = &e->point;; p = wr_point_at(c, p->next)) {
        if (p->id == id)
            return p;
        if (p->next == WR_NONE)
            return NULL;
    }
}

/* The point `id` of the entry, added when there is room; *ret_point is NULL when there is none. */
static enum wr_err point_get(struct wr_conn *c, struct wr_entry *e, uint32_t id, uint32_t sampling,
                             struct wr_point **ret_point)
{
    *ret_point = wr_point_find(c, e, id);
    if (*ret_point)
        return WR_OK;
    if (!(e->flags & WR_CONN_FLOW)) {
        e->point =
            (struct wr_point){.id = id, .sampling = sampling, .next = WR_NONE, .total = WR_NONE};
        e->flags |= WR_CONN_FLOW;
        *ret_point = &e->point;
        return WR_OK;
    }
    struct wr_point *tail = &e->point;
    uint32_t n = 1;
    for (; tail->next != WR_NONE; n++)
        tail = wr_point_at(c, tail->next);
    if (n == WR_POINTS_MAX)
        return WR_OK;
    uint32_t i = wr_pool_take(&c->points);
    if (i == WR_NONE)
        return WR_ENOMEM;
    *ret_point = wr_point_at(c, i);
    **ret_point =
        (struct wr_point){.id = id, .sampling = sampling, .next = WR_NONE, .total = WR_NONE};
    tail->next = i;
    return WR_OK;
}

static bool add_seen(struct wr_point *p, uint32_t fingerprint)
{
    for (int i = 0; i < WR_SEEN; i++)
        if (p->seen[i] == fingerprint)
            return false;
    for (int i = WR_SEEN - 1; i > 0; i--)
        p->seen[i] = p->seen[i - 1];
    p->seen[0] = fingerprint;
    return true;
}

static void add_delta(struct wr_point *p, int dir, uint64_t bytes, uint64_t packets)
{
    p->bytes[dir] = add_sat(p->bytes[dir], cap_bytes(bytes));
    p->packets[dir] = cap_packets((uint64_t)p->packets[dir] + cap_packets(packets));
}

/* Totals since the flow's start: only the growth counts. A later start begins again at 0; an
 * earlier one comes late and is part of what was counted. */
static void add_total(struct wr_point *p, struct wr_total *t, int dir, int64_t start,
                      uint64_t bytes, uint64_t packets)
{
    if (start < t->start[dir])
        return;
    if (start > t->start[dir]) {
        t->start[dir] = start;
        t->bytes[dir] = 0;
        t->packets[dir] = 0;
    }
    uint32_t n = cap_packets(packets);
    bytes = cap_bytes(bytes);
    if (bytes > t->bytes[dir]) {
        p->bytes[dir] = add_sat(p->bytes[dir], bytes - t->bytes[dir]);
        t->bytes[dir] = bytes;
    }
    if (n > t->packets[dir]) {
        p->packets[dir] = cap_packets((uint64_t)p->packets[dir] + (n - t->packets[dir]));
        t->packets[dir] = n;
    }
}

static enum wr_err add_counters(struct wr_conn *c, struct wr_point *p, const struct wr_record *rec,
                                const struct wr_flow *flow)
{
    bool totals = flow->flags & WR_FLOW_TOTALS;
    if (totals && p->total == WR_NONE) {
        p->total = wr_pool_take(&c->totals);
        if (p->total == WR_NONE)
            return WR_ENOMEM;
    }
    int dirs = flow->flags & WR_FLOW_BIFLOW ? 2 : 1;
    for (int d = 0; d < dirs; d++) {
        int dir = d ? !rec->src : rec->src;
        uint64_t bytes = flow->flags & WR_FLOW_HAS_BYTES ? flow->octets[d] : 0;
        if (totals)
            add_total(p, wr_total_at(c, p->total), dir, rec->start, bytes, flow->packets[d]);
        else
            add_delta(p, dir, bytes, flow->packets[d]);
    }
    return WR_OK;
}

/* The best point's figures for one direction. */
static const struct wr_point *choose(const struct wr_conn *c, const struct wr_entry *e, int dir)
{
    const struct wr_point *best = NULL;
    for (const struct wr_point *p = &e->point;; p = wr_point_at(c, p->next)) {
        bool some = p->bytes[dir] || p->packets[dir];
        if (some && (!best || p->sampling < best->sampling ||
                     (p->sampling == best->sampling && p->bytes[dir] > best->bytes[dir])))
            best = p;
        if (p->next == WR_NONE)
            return best;
    }
}

static void rechoose(const struct wr_conn *c, struct wr_entry *e)
{
    if (e->point.next == WR_NONE) { /* no choice */
        for (int dir = 0; dir < 2; dir++)
            e->bytes[dir] = e->point.bytes[dir] > e->bytes[dir] ? e->point.bytes[dir] : e->bytes[dir];
        return;
    }
    for (int dir = 0; dir < 2; dir++) {
        const struct wr_point *p = choose(c, e, dir);
        if (p && p->bytes[dir] > e->bytes[dir])
            e->bytes[dir] = p->bytes[dir];
    }
}

uint64_t wr_count_packets(const struct wr_conn *c, const struct wr_entry *e, int dir)
{
    const struct wr_point *p = e->point.next == WR_NONE ? &e->point : choose(c, e, dir);
    return p ? p->packets[dir] : 0;
}

bool wr_count_estimated(const struct wr_conn *c, const struct wr_entry *e)
{
    for (int dir = 0; dir < 2; dir++) {
        const struct wr_point *p = e->flags & WR_CONN_FLOW ? choose(c, e, dir) : NULL;
        if (p && p->sampling > 1)
            return true;
    }
    return false;
}

/* The type that the connection began with, a request's before its reply's, as long as rules have no row of it. */
static void add_icmp(struct wr_entry *e, const struct wr_flow *flow)
{
    uint8_t type = (uint8_t)(flow->dport >> 8), request = e->key.proto == 1 ? 8 : 128, reply = e->key.proto == 1 ? 0 : 129;
    bool known = e->flags & WR_CONN_TCP_FLAGS, better = type == request && e->tcp[0] == reply;
    if (flow->flags & WR_FLOW_NO_PORTS || (known && !better) || e->rows != WR_NONE)
        return;
    e->flags |= WR_CONN_TCP_FLAGS;
    e->tcp[0] = type;
    e->tcp[1] = (uint8_t)flow->dport;
}

/* What the record says about direction and end. */
static void add_evidence(struct wr_entry *e, const struct wr_record *rec,
                         const struct wr_flow *flow, bool first)
{
    uint8_t s = rec->src;
    if (first || rec->start < e->start) {
        e->start = rec->start;
        e->first_src = s;
    }
    if (first || rec->end > e->last)
        e->last = rec->end;
    if (flow->flags & WR_FLOW_INITIATOR_KNOWN) {
        e->flags |= WR_CONN_KNOWN;
        e->initiator = s;
    }
    if (flow->flags & WR_FLOW_BIFLOW)
        e->flags |= WR_CONN_BIFLOW;
    if (flow->flags & WR_FLOW_DENIED)
        e->flags |= WR_CONN_DENIED;
    if (flow->flags & WR_FLOW_HAS_BYTES)
        e->bytes_known |= (uint8_t)(flow->flags & WR_FLOW_BIFLOW ? 3 : 1 << s);
    if (wr_is_icmp(e->key.proto))
        add_icmp(e, flow);
    if (!rec->tcp_flags)
        return;
    e->flags |= WR_CONN_TCP_FLAGS;
    e->tcp[s] |= flow->tcp_flags;
    if (rec->closes)
        e->flags |= WR_CONN_CLOSED;
    if (!rec->syn)
        return;
    e->flags |= WR_CONN_SYN;
    if (!(flow->tcp_flags & WR_ACK))
        e->lone_syn |= (uint8_t)(1 << s);
    if (flow->point == e->point.id && rec->start < e->syn_start[s])
        e->syn_start[s] = rec->start;
}

enum wr_err wr_count_record(struct wr_conn *c, struct wr_entry *e, const struct wr_record *rec,
                            const struct wr_flow *flow, bool *ret_dup)
{
    bool first = !(e->flags & WR_CONN_FLOW);
    uint32_t sampling = flow->sampling ? flow->sampling : 1;
    struct wr_point *p;
    *ret_dup = false;
    enum wr_err err = WR_OK;
    if (!first && e->point.id == flow->point)
        p = &e->point;
    else if ((err = point_get(c, e, flow->point, sampling, &p)) || !p)
        return err;
    if (!add_seen(p, rec->fingerprint)) {
        *ret_dup = true;
        return WR_OK;
    }
    if (sampling > p->sampling)
        p->sampling = sampling;
    err = add_counters(c, p, rec, flow);
    if (err)
        return err;
    add_evidence(e, rec, flow, first);
    rechoose(c, e);
    return WR_OK;
}

static void merge_evidence(struct wr_entry *into, const struct wr_entry *from)
{
    if (from->start < into->start) {
        into->start = from->start;
        into->first_src = from->first_src;
    }
    if (from->last > into->last)
        into->last = from->last;
    if ((from->flags & WR_CONN_KNOWN) && !(into->flags & WR_CONN_KNOWN))
        into->initiator = from->initiator;
    into->flags |= from->flags;
    into->lone_syn |= from->lone_syn;
    into->bytes_known |= from->bytes_known;
    for (int d = 0; d < 2; d++) {
        into->tcp[d] |= from->tcp[d];
        if (from->syn_start[d] < into->syn_start[d] && from->point.id == into->point.id)
            into->syn_start[d] = from->syn_start[d];
    }
}

/* The newest total of each direction is the one that will go on growing. */
static void merge_totals(const struct wr_conn *c, struct wr_point *p, struct wr_point *q)
{
    if (p->total == WR_NONE) {
        p->total = q->total;
        q->total = WR_NONE;
        return;
    }
    struct wr_total *into = wr_total_at(c, p->total);
    const struct wr_total *from = wr_total_at(c, q->total);
    for (int d = 0; d < 2; d++) {
        if (from->start[d] <= into->start[d])
            continue;
        into->start[d] = from->start[d];
        into->bytes[d] = from->bytes[d];
        into->packets[d] = from->packets[d];
    }
}

enum wr_err wr_count_merge(struct wr_conn *c, struct wr_entry *into, struct wr_entry *from)
{
    for (struct wr_point *q = &from->point;; q = wr_point_at(c, q->next)) {
        struct wr_point *p;
        enum wr_err err = point_get(c, into, q->id, q->sampling, &p);
        if (err)
            return err;
        for (int d = 0; p && d < 2; d++)
            add_delta(p, d, q->bytes[d], q->packets[d]);
        if (p && q->total != WR_NONE)
            merge_totals(c, p, q);
        for (int i = WR_SEEN - 1; p && i >= 0; i--)
            if (q->seen[i])
                (void)add_seen(p, q->seen[i]);
        if (q->next == WR_NONE)
            break;
    }
    merge_evidence(into, from);
    rechoose(c, into);
    return WR_OK;
}
