/* A connection shows under other addresses on the other side of a translation. Here all of its
 * tuples become one, that of its own ends: the source as it is before, the destination as it is
 * behind (from one address family to another: all as before). Records and events are looked up
 * under that, so what was seen inside and outside meets in one entry.
 *
 *   event or record with both sides        tuple -> tuple                         exact (wr_alias)
 *   no peer in it, one port for one        outside address, port -> inside ones   exact (wr_block)
 *   a block of ports, a whole address      outside address, ports -> address      the inside port
 * is not told: the event of that address to that peer at that time is taken, and its tuple
 * remembered
 *
 * What is told later moves entries that rules have not seen (join.c). */
#include "parsers/flow/nat.h"

#include "base/ticks.h"
#include "parsers/conn/address.h"
#include "parsers/conn/table.h"

#include <string.h>

#define ACTIVE_TIMEOUT (1800 * WR_SECOND)
#define IDLE (7200 * WR_SECOND)

static int64_t clamp_time(int64_t ns)
{
    return ns < 0 ? 0 : ns > WR_TIME_MAX - 1 ? WR_TIME_MAX - 1 : ns;
}

static bool is_zero(const uint8_t addr[16])
{
    static const uint8_t zero[16];
    return memcmp(addr, zero, 16) == 0;
}

/* ---- what is told ---- */

/* Entries that wait under the other tuple get their own. */
static enum wr_err pull(struct wr_conn *c, uint32_t alias)
{
    const struct wr_alias a = *wr_alias_at(c, alias);
    enum wr_err err = WR_OK;
    for (uint32_t i = wr_table_newest(c, &a.seen), next; i != WR_NONE && !err; i = next) {
        const struct wr_entry *e = wr_entry_at(c, i);
        next = e->older;
        bool then = e->last >= a.from - WR_OPEN_SLACK &&
                    (a.to == WR_TIME_MAX || e->start <= a.to + WR_OPEN_SLACK);
        if (!then || !(e->flags & WR_CONN_FLOW))
            continue;
        if (e->rows != WR_NONE) {
            c->stats.nat_late++;
            continue;
        }
        err = wr_join_move(c, i, &a.inside, a.swap, &i);
    }
    return err;
}

/* Flows that came before this was told, while their tuple was still taken for that of `was`. */
static enum wr_err take_back(struct wr_conn *c, const struct wr_alias *was,
                             const struct wr_alias *now)
{
    enum wr_err err = WR_OK;
    for (uint32_t i = wr_table_newest(c, &was->inside), next; i != WR_NONE && !err; i = next) {
        const struct wr_entry *e = wr_entry_at(c, i);
        next = e->older;
        bool moved = (e->nat & (WR_NAT_MOVED | WR_NAT_DIRECT)) == WR_NAT_MOVED;
        if (moved && e->rows == WR_NONE && e->start >= now->from - WR_OPEN_SLACK &&
            e->start <= now->to)
            err = wr_join_move(c, i, &now->inside, was->swap != now->swap, &i);
    }
    return err;
}

/* When it began is not told: at most an active timeout ago, and not while the tuple was another
 * connection's. */
static int64_t guess_begin(const struct wr_conn *c, const struct wr_alias *a, int64_t when)
{
    int64_t from = when > ACTIVE_TIMEOUT ? when - ACTIVE_TIMEOUT : 0;
    uint32_t i = wr_alias_find(c, &a->seen, when);
    const struct wr_alias *was = i == WR_NONE ? NULL : wr_alias_at(c, i);
    if (!was || memcmp(&was->inside, &a->inside, sizeof a->inside) == 0)
        return from;
    int64_t to = was->to < when ? was->to : when - WR_OPEN_SLACK;
    return to > from ? to : from;
}

static enum wr_err tell_alias(struct wr_conn *c, struct wr_alias *a, uint8_t event, int64_t from,
                              int64_t to)
{
    uint32_t i;
    if (memcmp(&a->seen, &a->inside, sizeof a->seen) == 0)
        return WR_OK;
    a->from = from >= 0 ? from : guess_begin(c, a, to);
    a->to = event == WR_NAT_WHOLE ? to : WR_TIME_MAX;
    if (event == WR_NAT_DELETE) { /* its begin may have been lost */
        if (wr_alias_end(c, a, to))
            return WR_OK;
        a->from = guess_begin(c, a, to);
        a->to = to;
        a->guessed = 1;
    }
    uint32_t had = wr_alias_find(c, &a->seen, a->from);
    struct wr_alias was = had == WR_NONE ? *a : *wr_alias_at(c, had);
    enum wr_err err = wr_alias_add(c, a, &i);
    if (!err && memcmp(&was.inside, &a->inside, sizeof a->inside) != 0)
        err = take_back(c, &was, a);
    return err ? err : pull(c, i);
}

/* Both ends' addresses and ports on either side. */
struct sides {
    const uint8_t *addr[2][2]; /* [before, after][source, destination] */
    uint16_t port[2][2];
    bool v6[2];
    uint8_t proto;
};

static enum wr_err tell_session(struct wr_conn *c, const struct sides *x, uint8_t event,
                                int64_t from, int64_t to)
{
    enum wr_err err = WR_OK;
    int behind = x->v6[0] == x->v6[1]; /* which side the destination is taken from */
    struct wr_conn_key inside;
    uint8_t own = wr_key_make(&inside, x->addr[0][0], x->port[0][0], x->addr[behind][1],
                              x->port[behind][1], x->proto, x->v6[0]);
    for (int s = 0; s < 2 && !err; s++) {
        struct wr_alias a;
        memset(&a, 0, sizeof a);
        a.inside = inside;
        a.swap = own != wr_key_make(&a.seen, x->addr[s][0], x->port[s][0], x->addr[s][1],
                                    x->port[s][1], x->proto, x->v6[s]);
        err = tell_alias(c, &a, event, from, to);
    }
    return err;
}

/* Without a peer: ports of an outside address. */
static enum wr_err tell_block(struct wr_conn *c, const struct wr_nat *nat, const struct sides *x,
                              int64_t from, int64_t to)
{
    struct wr_block b;
    uint32_t i;
    if (x->v6[0] != x->v6[1] || is_zero(nat->addr[0]))
        return WR_OK; /* the peer's address in the other family is not known */
    memset(&b, 0, sizeof b);
    memcpy(b.outside, x->addr[1][0], 16);
    memcpy(b.inside, x->addr[0][0], 16);
    b.v6 = x->v6[1];
    b.proto = x->proto;
    b.from = from;
    b.to = nat->event == WR_NAT_WHOLE ? to : WR_TIME_MAX;
    b.first = nat->last ? nat->first : x->port[1][0];
    b.last = nat->last ? nat->last : x->port[1][0];
    b.exact = !nat->last && x->port[1][0] && x->port[0][0];
    b.port = b.exact ? x->port[0][0] : 0;
    if (!b.last)
        b.last = UINT16_MAX;
    if (nat->event == WR_NAT_DELETE) {
        if (wr_block_end(c, &b, to))
            return WR_OK;
        b.from = to > IDLE ? to - IDLE : 0;
        b.to = to;
    }
    return wr_block_add(c, &b, &i);
}

static bool nat_of(struct wr_who who, struct wr_nat *ret_nat)
{
    enum wr_who_kind kind;
    const char *text;
    uint32_t len;
    while (wr_who_next(&who, &kind, &text, &len))
        if (kind == WR_WHO_NAT && len == sizeof *ret_nat) {
            memcpy(ret_nat, text, len);
            return ret_nat->event < WR_NAT_NEVENTS && ret_nat->v6 <= 1 &&
                   ret_nat->first <= ret_nat->last;
        }
    return false;
}

/* `from` is -1 where it is not told. */
static enum wr_err tell(struct wr_conn *c, const struct wr_flow *flow, const struct wr_nat *told,
                        int64_t from, int64_t to)
{
    static const uint8_t nowhere[16];
    uint8_t peer[16];
    struct wr_nat nat = *told;
    c->stats.nat_told++;
    c->stats.nat_exhausted += nat.event == WR_NAT_EXHAUSTED;
    if (nat.event == WR_NAT_EXHAUSTED || wr_is_icmp(flow->proto) || is_zero(flow->src))
        return WR_OK;
    bool v6 = flow->flags & WR_FLOW_V6, other = !is_zero(nat.addr[0]) || !is_zero(nat.addr[1]);
    struct sides x = {.addr = {{flow->src, flow->dst}, {flow->src, flow->dst}},
                      .port = {{flow->sport, flow->dport}, {flow->sport, flow->dport}},
                      .v6 = {v6, other ? nat.v6 : v6},
                      .proto = flow->proto};
    for (int end = 0; end < 2; end++) {
        if (!is_zero(nat.addr[end]))
            x.addr[1][end] = nat.addr[end];
        else if (x.v6[0] != x.v6[1]) /* translators need not tell what stands in the peer's own address */
            x.addr[1][end] = end == 1 && x.v6[0] && wr_nat64_inside(c, flow->dst, peer) ? peer : nowhere;
        if (nat.port[end])
            x.port[1][end] = nat.port[end];
    }
    if (nat.last || is_zero(flow->dst))
        return tell_block(c, &nat, &x, from, to);
    if (is_zero(x.addr[1][0]) || is_zero(x.addr[1][1]))
        return WR_OK;
    return tell_session(c, &x, nat.event, from, to);
}

enum wr_err wr_nat_told(struct wr_conn *c, const struct wr_flow *flow, struct wr_who who)
{
    struct wr_nat nat;
    return nat_of(who, &nat)
               ? tell(c, flow, &nat, clamp_time(flow->start_ns), clamp_time(flow->end_ns))
               : WR_OK;
}

/* ---- firewalls' logs ---- */

static bool csl_address(const struct wr_batch *b, uint16_t col, uint32_t row, uint8_t addr[16],
                        bool *ret_v6)
{
    const struct wr_vec *v = &b->col[col];
    return v->s && v->s[row].len &&
           wr_address_parse(wr_str_data(&v->s[row]), v->s[row].len, addr, ret_v6);
}

static uint16_t csl_port(const struct wr_batch *b, uint16_t col, uint32_t row)
{
    const struct wr_vec *v = &b->col[col];
    bool good = v->i && wr_vec_valid(v, row) && v->i[row] > 0 && v->i[row] <= UINT16_MAX;
    return good ? (uint16_t)v->i[row] : 0;
}

static int64_t csl_time(const struct wr_batch *b, uint16_t col, uint32_t row)
{
    const struct wr_vec *v = &b->col[col];
    bool good = v->i && wr_vec_valid(v, row) && v->i[row] > WR_TICKS_UNIX_EPOCH;
    return good ? clamp_time(wr_ticks_to_unix_ns(v->i[row])) : -1;
}

static const uint16_t csl_cols[] = {WR_CSL_TimeGenerated,
                                    WR_CSL_StartTime,
                                    WR_CSL_Protocol,
                                    WR_CSL_SourceIP,
                                    WR_CSL_SourcePort,
                                    WR_CSL_DestinationIP,
                                    WR_CSL_DestinationPort,
                                    WR_CSL_SourceTranslatedAddress,
                                    WR_CSL_SourceTranslatedPort,
                                    WR_CSL_DestinationTranslatedAddress,
                                    WR_CSL_DestinationTranslatedPort};

void wr_conn_firewall_cols(struct wr_colset *set)
{
    for (size_t i = 0; i < sizeof csl_cols / sizeof *csl_cols; i++)
        wr_colset_add(set, csl_cols[i]);
}

enum wr_err wr_conn_firewall(struct wr_conn *conn, const struct wr_batch *b, uint32_t row,
                             int64_t now_ns)
{
    struct wr_flow f = {.sport = csl_port(b, WR_CSL_SourcePort, row),
                        .dport = csl_port(b, WR_CSL_DestinationPort, row)};
    struct wr_nat nat = {.event = WR_NAT_FLOW,
                         .port = {csl_port(b, WR_CSL_SourceTranslatedPort, row),
                                  csl_port(b, WR_CSL_DestinationTranslatedPort, row)}};
    const struct wr_vec *proto = &b->col[WR_CSL_Protocol];
    bool v6[2], post[2] = {false, false};
    bool source = csl_address(b, WR_CSL_SourceTranslatedAddress, row, nat.addr[0], &post[0]);
    bool dest = csl_address(b, WR_CSL_DestinationTranslatedAddress, row, nat.addr[1], &post[1]);
    if ((!source && !dest) || !proto->s ||
        !wr_protocol_parse(wr_str_data(&proto->s[row]), proto->s[row].len, &f.proto) ||
        !csl_address(b, WR_CSL_SourceIP, row, f.src, &v6[0]) ||
        !csl_address(b, WR_CSL_DestinationIP, row, f.dst, &v6[1]) || v6[0] != v6[1] ||
        (source && dest && post[0] != post[1]))
        return WR_OK;
    enum wr_err err = wr_conn_advance(conn, now_ns);
    f.flags = v6[0] ? WR_FLOW_V6 : 0;
    nat.v6 = post[0] || post[1];
    int64_t from = csl_time(b, WR_CSL_StartTime, row), to = csl_time(b, WR_CSL_TimeGenerated, row);
    to = to < 0 ? conn->now : to;
    return err ? err : tell(conn, &f, &nat, from <= to ? from : to, to);
}

/* ---- translation ---- */

static uint32_t apply_alias(struct wr_conn *c, struct wr_conn_key *key, uint8_t *end, int64_t when)
{
    uint32_t i = wr_alias_find(c, key, when);
    if (i == WR_NONE)
        return i;
    wr_alias_touch(c, i);
    *key = wr_alias_at(c, i)->inside;
    *end ^= wr_alias_at(c, i)->swap;
    return i;
}

/* Ends that are ports of an outside address. *ret_outport: WR_NAT_OUTPORT << the end whose inside
 * port is not told. */
static bool apply_blocks(struct wr_conn *c, struct wr_conn_key *key, uint8_t *end, int64_t when,
                         uint8_t *ret_outport)
{
    bool any = false;
    uint8_t open = 0; /* bit per end as given by `end`: 0 is *end, 1 the other */
    struct wr_conn_key k = *key;
    for (int d = 0; d < 2; d++) {
        uint8_t s = d ? !*end : *end;
        uint32_t i = wr_block_find(c, k.addr[s], k.v6, k.port[s], k.proto, when);
        if (i == WR_NONE)
            continue;
        wr_block_touch(c, i);
        const struct wr_block *b = wr_block_at(c, i);
        memcpy(k.addr[s], b->inside, 16);
        if (b->exact)
            k.port[s] = b->port;
        else
            open |= (uint8_t)(1 << d);
        any = true;
    }
    if (!any)
        return false;
    uint8_t a = *end;
    *end = wr_key_make(key, k.addr[a], k.port[a], k.addr[!a], k.port[!a], k.proto, k.v6);
    if (open == 1 || open == 2) /* of both at once nothing can be said */
        *ret_outport = (uint8_t)(WR_NAT_OUTPORT << (open == 1 ? *end : !*end));
    return true;
}

static uint8_t outport_side(uint8_t outport)
{
    return outport == WR_NAT_OUTPORT ? 0 : 1;
}

static bool same_but_port(const struct wr_conn_key *a, const struct wr_conn_key *b, uint8_t side)
{
    return memcmp(a->addr, b->addr, sizeof a->addr) == 0 && a->port[!side] == b->port[!side] &&
           a->proto == b->proto && a->v6 == b->v6;
}

/* The nearest entry whose key is this but for one end's port. `flows`: one of flows under an
 * outside port that rules have not seen; else one that an event made and no flow has met. */
static uint32_t wild_find(const struct wr_conn *c, const struct wr_conn_key *key, uint8_t side,
                          int64_t when, bool flows, bool *ret_ambiguous)
{
    uint32_t hash = wr_wild_hash(c, key, side), pos = hash, i, found = WR_NONE;
    int64_t best = 0;
    *ret_ambiguous = false;
    while ((i = wr_index_next(&c->nat.by_wild, hash, &pos)) != WR_NONE) {
        const struct wr_entry *e = wr_entry_at(c, i);
        int64_t apart = when < e->start ? e->start - when : when - e->start;
        bool open = flows ? e->rows == WR_NONE && (e->nat & WR_NAT_OUTPORT << side)
                          : !(e->flags & WR_CONN_FLOW);
        if (!open || apart > WR_OPEN_SLACK || !(e->nat & WR_NAT_WILD << side) ||
            !same_but_port(&e->key, key, side))
            continue;
        *ret_ambiguous |= found != WR_NONE;
        if (found != WR_NONE &&
            (apart > best || (apart == best && e->born > wr_entry_at(c, found)->born)))
            continue;
        best = apart;
        found = i;
    }
    return found;
}

/* What stands under an outside port is this: from now on, and for what comes later. */
static enum wr_err learn(struct wr_conn *c, const struct wr_conn_key *seen,
                         const struct wr_conn_key *inside, int64_t from)
{
    struct wr_alias a;
    uint32_t i;
    if (memcmp(seen, inside, sizeof *seen) == 0)
        return WR_OK;
    memset(&a, 0, sizeof a);
    a.seen = *seen;
    a.inside = *inside;
    a.from = from;
    a.to = WR_TIME_MAX;
    a.learned = 1;
    return wr_alias_add(c, &a, &i);
}

/* A record under an outside port whose inside one is not told. */
static enum wr_err record_outport(struct wr_conn *c, struct wr_record *rec,
                                  const struct wr_flow *flow, uint8_t outport)
{
    struct wr_record other = *rec;
    uint8_t side = outport_side(outport);
    uint32_t second, alias = apply_alias(c, &other.key, &other.src, rec->start);
    if (alias != WR_NONE) {
        other.hash = wr_table_hash(c, &other.key);
        if (wr_match_record(c, &other, flow, &second) != WR_NONE) {
            *rec = other;
            return WR_OK;
        }
        wr_alias_drop(c, alias); /* the port is used for another connection */
    }
    bool ambiguous;
    uint32_t i = wr_match_record(c, rec, flow, &second);
    if (i == WR_NONE || !(wr_entry_at(c, i)->flags & WR_CONN_FLOW))
        i = wild_find(c, &rec->key, side, rec->start, false, &ambiguous);
    else
        i = WR_NONE; /* it goes on */
    if (i == WR_NONE) {
        rec->nat |= outport;
        return WR_OK;
    }
    struct wr_entry *e = wr_entry_at(c, i);
    if (ambiguous)
        e->flags |= WR_CONN_AMBIGUOUS;
    struct wr_conn_key seen = rec->key;
    rec->hash = e->hash;
    rec->key = e->key; /* the same addresses: the same ends, unless these are equal */
    return learn(c, &seen, &e->key, rec->start);
}

enum wr_err wr_nat_record(struct wr_conn *c, struct wr_record *rec, const struct wr_flow *flow)
{
    uint8_t outport = 0;
    if (wr_is_icmp(rec->key.proto))
        return WR_OK;
    uint32_t second, was = wr_match_record(c, rec, flow, &second);
    if (was != WR_NONE && wr_entry_at(c, was)->rows != WR_NONE)
        return WR_OK; /* rules have it under this tuple, which stays */
    if (apply_alias(c, &rec->key, &rec->src, rec->start) != WR_NONE) {
        rec->nat = WR_NAT_MOVED;
        rec->hash = wr_table_hash(c, &rec->key);
        return WR_OK;
    }
    if (!apply_blocks(c, &rec->key, &rec->src, rec->start, &outport))
        return WR_OK;
    rec->nat = WR_NAT_MOVED;
    rec->hash = wr_table_hash(c, &rec->key);
    return outport ? record_outport(c, rec, flow, outport) : WR_OK;
}

void wr_nat_opening(struct wr_conn *c, struct wr_opening *open)
{
    struct wr_conn_key key = open->key;
    uint8_t end = open->side, outport = 0;
    if (wr_is_icmp(key.proto))
        return;
    bool moved = apply_alias(c, &key, &end, open->opened) != WR_NONE ||
                 apply_blocks(c, &key, &end, open->opened, &outport);
    if (!moved || outport)
        return;
    open->key = key;
    open->hash = wr_table_hash(c, &key);
    open->side = end;
    open->moved = true;
}

enum wr_err wr_nat_claim(struct wr_conn *c, const struct wr_opening *open, uint32_t *ret_i)
{
    bool ambiguous;
    *ret_i = wild_find(c, &open->key, open->side, open->opened, true, &ambiguous);
    if (*ret_i == WR_NONE)
        return WR_OK;
    struct wr_conn_key seen = wr_entry_at(c, *ret_i)->key;
    enum wr_err err = learn(c, &seen, &open->key, wr_entry_at(c, *ret_i)->start);
    if (!err)
        err = wr_join_move(c, *ret_i, &open->key, false, ret_i);
    if (!err && ambiguous)
        wr_entry_at(c, *ret_i)->flags |= WR_CONN_AMBIGUOUS;
    return err;
}

enum wr_err wr_nat_settle(struct wr_conn *c, uint32_t i, uint32_t *ret_i)
{
    const struct wr_entry *e = wr_entry_at(c, i);
    struct wr_conn_key key = e->key;
    uint8_t end = 0, outport = 0;
    *ret_i = i;
    if (wr_is_icmp(key.proto) || (e->nat & WR_NAT_MOVED) || !(e->flags & WR_CONN_FLOW))
        return WR_OK;
    bool moved = apply_alias(c, &key, &end, e->start) != WR_NONE ||
                 apply_blocks(c, &key, &end, e->start, &outport);
    if (!moved || memcmp(&key, &e->key, sizeof key) == 0)
        return WR_OK;
    bool ambiguous = false;
    uint32_t k =
        outport ? wild_find(c, &key, outport_side(outport), e->start, false, &ambiguous) : WR_NONE;
    if (k != WR_NONE) {
        struct wr_conn_key seen = key;
        key = wr_entry_at(c, k)->key;
        enum wr_err err = learn(c, &seen, &key, e->start);
        if (err)
            return err;
    }
    enum wr_err err = wr_join_move(c, i, &key, end == 1, ret_i);
    if (!err && ambiguous)
        wr_entry_at(c, *ret_i)->flags |= WR_CONN_AMBIGUOUS;
    return err;
}
