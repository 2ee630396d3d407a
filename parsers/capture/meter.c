/* Flow meter: one entry per 5-tuple, both directions, in two lists ordered by the last packet:
 * `slow` for open TCP connections (2 h), `quick` for all others and for TCP that has ended (15 s).
 * A list's head is always its longest silent entry, so each packet looks at two heads and nothing
 * else. */
#include "parsers/capture/capture.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16, TCP = 6 };
enum { END_IDLE = 1, END_ACTIVE = 2, END_DETECTED = 3, END_FORCED = 4, END_RESOURCES = 5 };
enum { MAX_FLOWS = 1 << 18, BUCKETS = 1 << 16, NONE = UINT32_MAX, QUICK = 0, SLOW = 1 };
#define SECOND INT64_C(1000000000)
static const int64_t idle_ns[2] = {15 * SECOND, 7200 * SECOND};
static const int64_t active_ns = 1800 * SECOND;

/* The smaller (address, port) first, so that both directions have one key. */
struct key {
    uint8_t addr[2][16];
    uint16_t port[2];
    uint8_t proto, v6, pad[2];
};

struct entry {
    struct key key;
    uint32_t chain, prev, next;
    uint8_t list, src /* index in key: the initiator */, flags[2];
    bool known, ended, has_ports;
    uint16_t icmp; /* of its first packet */
    int64_t start, last;
    uint64_t octets[2], packets[2];
};

struct list {
    uint32_t head, tail;
};

struct wr_meter {
    struct wr_hash_key hash_key;
    struct entry *entries;
    uint32_t n, cap, free;
    uint32_t bucket[BUCKETS];
    struct list list[2];
    int64_t now;
};

struct wr_meter *wr_meter_new(void)
{
    struct wr_meter *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->hash_key = wr_hash_key_random();
    m->free = NONE;
    memset(m->bucket, 0xff, sizeof m->bucket);
    m->list[QUICK] = m->list[SLOW] = (struct list){NONE, NONE};
    return m;
}

void wr_meter_free(struct wr_meter *meter)
{
    if (!meter)
        return;
    free(meter->entries);
    free(meter);
}

/* Returns which of the key's ends sent the packet. */
static uint8_t make_key(const struct wr_packet *p, struct key *ret_key)
{
    *ret_key = (struct key){.proto = p->proto, .v6 = p->v6};
    int cmp = memcmp(p->src, p->dst, 16);
    uint8_t src = cmp > 0 || (cmp == 0 && p->sport > p->dport);
    memcpy(ret_key->addr[src], p->src, 16);
    memcpy(ret_key->addr[!src], p->dst, 16);
    ret_key->port[src] = p->sport;
    ret_key->port[!src] = p->dport;
    return src;
}

static uint32_t *bucket_of(struct wr_meter *m, const struct key *key)
{
    return &m->bucket[wr_hash(&m->hash_key, key, sizeof *key) % BUCKETS];
}

static uint32_t find(struct wr_meter *m, const struct key *key)
{
    uint32_t i = *bucket_of(m, key);
    while (i != NONE && memcmp(&m->entries[i].key, key, sizeof *key) != 0)
        i = m->entries[i].chain;
    return i;
}

static void unlist(struct wr_meter *m, uint32_t i)
{
    struct entry *e = &m->entries[i];
    struct list *l = &m->list[e->list];
    *(e->prev == NONE ? &l->head : &m->entries[e->prev].next) = e->next;
    *(e->next == NONE ? &l->tail : &m->entries[e->next].prev) = e->prev;
}

static void enlist(struct wr_meter *m, uint32_t i, uint8_t list)
{
    struct entry *e = &m->entries[i];
    struct list *l = &m->list[list];
    e->list = list;
    e->prev = l->tail;
    e->next = NONE;
    *(l->tail == NONE ? &l->head : &m->entries[l->tail].next) = i;
    l->tail = i;
}

static enum wr_err emit(const struct wr_meter *m, const struct entry *e, uint8_t reason,
                        struct wr_flow_vec *out)
{
    struct wr_flow *f = wr_flow_vec_push(out);
    if (!f)
        return WR_ENOMEM;
    uint8_t s = e->src;
    memcpy(f->src, e->key.addr[s], 16);
    memcpy(f->dst, e->key.addr[!s], 16);
    f->sport = e->key.port[s];
    f->dport = e->icmp ? e->icmp : e->key.port[!s];
    f->proto = e->key.proto;
    f->tcp_flags = e->flags[s];
    f->end_reason = reason;
    f->direction = 255;
    f->flags = WR_FLOW_HAS_BYTES | WR_FLOW_BIFLOW | (e->key.v6 ? WR_FLOW_V6 : 0u) |
               (e->key.proto == TCP ? WR_FLOW_HAS_TCP_FLAGS : 0u) |
               (e->known ? WR_FLOW_INITIATOR_KNOWN : 0u) | (e->has_ports ? 0u : WR_FLOW_NO_PORTS);
    f->sampling = 1;
    f->start_ns = e->start;
    f->end_ns = e->last;
    f->export_ns = m->now;
    for (int d = 0; d < 2; d++) {
        f->octets[d] = e->octets[d ? !s : s];
        f->packets[d] = e->packets[d ? !s : s];
    }
    return WR_OK;
}

/* Exports an entry and forgets it. */
static enum wr_err finish(struct wr_meter *m, uint32_t i, uint8_t reason, struct wr_flow_vec *out)
{
    struct entry *e = &m->entries[i];
    enum wr_err err = emit(m, e, reason == END_IDLE && e->ended ? END_DETECTED : reason, out);
    if (err)
        return err;
    uint32_t *at = bucket_of(m, &e->key);
    while (*at != i)
        at = &m->entries[*at].chain;
    *at = e->chain;
    unlist(m, i);
    e->next = m->free;
    m->free = i;
    return WR_OK;
}

static enum wr_err expire(struct wr_meter *m, struct wr_flow_vec *out)
{
    for (int l = 0; l < 2; l++)
        while (m->list[l].head != NONE && m->now - m->entries[m->list[l].head].last > idle_ns[l]) {
            enum wr_err err = finish(m, m->list[l].head, END_IDLE, out);
            if (err)
                return err;
        }
    return WR_OK;
}

/* The entry that has been silent longest; NONE when there is none. */
static uint32_t oldest(const struct wr_meter *m)
{
    uint32_t a = m->list[QUICK].head, b = m->list[SLOW].head;
    if (a == NONE || b == NONE)
        return a == NONE ? b : a;
    return m->entries[a].last <= m->entries[b].last ? a : b;
}

static bool grow(struct wr_meter *m)
{
    uint32_t cap = m->cap ? m->cap * 2 : 256;
    struct entry *entries = realloc(m->entries, (size_t)cap * sizeof *entries);
    if (!entries)
        return false;
    m->entries = entries;
    m->cap = cap;
    return true;
}

static enum wr_err add(struct wr_meter *m, const struct key *key, struct wr_flow_vec *out,
                       uint32_t *ret_i)
{
    if (m->free == NONE && m->n == MAX_FLOWS) {
        enum wr_err err = finish(m, oldest(m), END_RESOURCES, out);
        if (err)
            return err;
    }
    if (m->free == NONE && m->n == m->cap && !grow(m))
        return WR_ENOMEM;
    uint32_t i = m->free;
    if (i != NONE)
        m->free = m->entries[i].next;
    else
        i = m->n++;
    uint32_t *at = bucket_of(m, key);
    m->entries[i] = (struct entry){.key = *key, .chain = *at, .start = m->now};
    *at = i;
    enlist(m, i, QUICK);
    *ret_i = i;
    return WR_OK;
}

/* Does this packet begin another connection than the one of `e`? */
static bool begins_anew(const struct entry *e, const struct wr_packet *p)
{
    bool closing = e->ended || ((e->flags[0] | e->flags[1]) & (FIN | RST));
    return p->proto == TCP && (p->tcp_flags & (SYN | ACK)) == SYN && closing;
}

static void count(struct entry *e, const struct wr_packet *p, uint8_t sender, int64_t now)
{
    if (!e->known && p->proto == TCP && (p->tcp_flags & SYN)) {
        e->src = p->tcp_flags & ACK ? !sender : sender;
        e->known = true;
    }
    e->flags[sender] |= p->proto == TCP ? p->tcp_flags : 0;
    e->octets[sender] += p->ip_octets;
    e->packets[sender]++;
    e->last = now;
    if (p->proto == TCP && (((e->flags[0] & e->flags[1]) & FIN) || (p->tcp_flags & RST)))
        e->ended = true;
}

/* Active timeout: what is known so far goes out, the entry lives on with counters at 0. */
static enum wr_err slice(struct wr_meter *m, struct entry *e, struct wr_flow_vec *out)
{
    enum wr_err err = emit(m, e, END_ACTIVE, out);
    if (err)
        return err;
    memset(e->octets, 0, sizeof e->octets);
    memset(e->packets, 0, sizeof e->packets);
    memset(e->flags, 0, sizeof e->flags);
    e->start = m->now;
    return WR_OK;
}

enum wr_err wr_meter_packet(struct wr_meter *meter, const struct wr_packet *packet,
                            struct wr_flow_vec *out)
{
    struct key key;
    uint8_t sender = make_key(packet, &key);
    if (packet->time_ns > meter->now)
        meter->now = packet->time_ns;
    enum wr_err err = expire(meter, out);
    if (err)
        return err;
    uint32_t i = find(meter, &key);
    if (i != NONE && begins_anew(&meter->entries[i], packet)) {
        err = finish(meter, i, END_DETECTED, out);
        i = NONE;
    } else if (i != NONE && meter->now - meter->entries[i].start >= active_ns) {
        err = slice(meter, &meter->entries[i], out);
    }
    if (err)
        return err;
    if (i == NONE) {
        err = add(meter, &key, out, &i);
        if (err)
            return err;
        meter->entries[i].src = sender;
        meter->entries[i].icmp = packet->icmp;
        meter->entries[i].has_ports = packet->has_ports;
    }
    struct entry *e = &meter->entries[i];
    count(e, packet, sender, meter->now);
    unlist(meter, i);
    enlist(meter, i, packet->proto == TCP && !e->ended ? SLOW : QUICK);
    return WR_OK;
}

enum wr_err wr_meter_flush(struct wr_meter *meter, struct wr_flow_vec *out)
{
    for (uint32_t i = oldest(meter); i != NONE; i = oldest(meter)) {
        enum wr_err err =
            finish(meter, i, meter->entries[i].ended ? END_DETECTED : END_FORCED, out);
        if (err)
            return err;
    }
    meter->now = 0;
    return WR_OK;
}
