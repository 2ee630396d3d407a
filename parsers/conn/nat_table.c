/* Translations as they are kept: tuples (aliases) and ports of an outside address (blocks), each
 * with the time it held, in bounded memory: what ended goes first, then what was not used for
 * longest. Those that ended stay as long as late flow records may tell of that time. by_wild:
 * entries by all of their key but one port, kept once there are blocks. */
#include "parsers/conn/table.h"

#include <stdlib.h>
#include <string.h>

#define DAY (86400 * WR_SECOND)
#define TOUCH (60 * WR_SECOND)
enum { SAME_TUPLE_MAX = 8, BUCKET_SHIFT = 9 };

void wr_nats_init(struct wr_nats *nat)
{
    nat->aliases = (struct wr_pool){.size = sizeof(struct wr_alias), .free = WR_NONE};
    nat->blocks = (struct wr_pool){.size = sizeof(struct wr_block), .free = WR_NONE};
    for (int l = 0; l < WR_NAT_NLISTS; l++)
        nat->alias[l] = nat->block[l] = (struct wr_list){WR_NONE, WR_NONE};
}

void wr_nats_fini(struct wr_nats *nat)
{
    wr_pool_fini(&nat->aliases);
    wr_pool_fini(&nat->blocks);
    free(nat->by_seen.slot);
    free(nat->by_block.slot);
    free(nat->by_wild.slot);
    free(nat->by_inside.slot);
}

/* How far `when` is from the interval. */
static int64_t outside(int64_t from, int64_t to, int64_t when)
{
    return when < from ? from - when : when > to ? when - to : 0;
}

/* ---- aliases ---- */

static void alias_unlist(struct wr_conn *c, uint32_t i)
{
    const struct wr_alias *a = wr_alias_at(c, i);
    struct wr_list *l = &c->nat.alias[a->list];
    *(a->prev == WR_NONE ? &l->head : &wr_alias_at(c, a->prev)->next) = a->next;
    *(a->next == WR_NONE ? &l->tail : &wr_alias_at(c, a->next)->prev) = a->prev;
}

static void alias_enlist(struct wr_conn *c, uint32_t i, uint8_t list)
{
    struct wr_alias *a = wr_alias_at(c, i);
    struct wr_list *l = &c->nat.alias[list];
    a->list = list;
    a->prev = l->tail;
    a->next = WR_NONE;
    *(l->tail == WR_NONE ? &l->head : &wr_alias_at(c, l->tail)->next) = i;
    l->tail = i;
}

void wr_alias_touch(struct wr_conn *c, uint32_t i)
{
    struct wr_alias *a = wr_alias_at(c, i);
    if (c->now - a->touched < TOUCH)
        return;
    a->touched = c->now;
    alias_unlist(c, i);
    alias_enlist(c, i, a->list);
}

void wr_alias_drop(struct wr_conn *c, uint32_t i)
{
    alias_unlist(c, i);
    wr_alias_hide(c, i);
    wr_index_del(&c->nat.by_seen, wr_table_hash(c, &wr_alias_at(c, i)->seen), i);
    wr_pool_give(&c->nat.aliases, i);
    c->nat.naliases--;
    c->stats.nat_live--;
}

static void alias_close(struct wr_conn *c, uint32_t i, int64_t to)
{
    struct wr_alias *a = wr_alias_at(c, i);
    a->to = to > a->from ? to : a->from;
    a->touched = c->now;
    alias_unlist(c, i);
    alias_enlist(c, i, WR_NAT_ENDED);
}

uint32_t wr_alias_find(const struct wr_conn *c, const struct wr_conn_key *seen, int64_t when)
{
    uint32_t hash, pos, i, found = WR_NONE;
    int64_t best = WR_OPEN_SLACK + 1;
    if (!c->nat.naliases)
        return WR_NONE;
    hash = pos = wr_table_hash(c, seen);
    while ((i = wr_index_next(&c->nat.by_seen, hash, &pos)) != WR_NONE) {
        const struct wr_alias *a = wr_alias_at(c, i);
        if (memcmp(&a->seen, seen, sizeof *seen) != 0)
            continue;
        int64_t apart = outside(a->from, a->to, when);
        bool later = found != WR_NONE && apart == best && a->from > wr_alias_at(c, found)->from;
        if (apart >= best && !later)
            continue;
        best = apart;
        found = i;
    }
    return found;
}

static bool same_alias(const struct wr_alias *a, const struct wr_alias *b)
{
    return memcmp(&a->seen, &b->seen, sizeof a->seen) == 0 &&
           memcmp(&a->inside, &b->inside, sizeof a->inside) == 0;
}

/* The newest of the same two tuples that holds; or whose end overtook this begin. */
static uint32_t alias_open(const struct wr_conn *c, const struct wr_alias *alias)
{
    uint32_t hash = wr_table_hash(c, &alias->seen), pos = hash, i, found = WR_NONE;
    while ((i = wr_index_next(&c->nat.by_seen, hash, &pos)) != WR_NONE) {
        const struct wr_alias *a = wr_alias_at(c, i);
        bool overtaken = a->guessed && alias->to == WR_TIME_MAX && alias->from <= a->to;
        if ((a->to == WR_TIME_MAX || overtaken) && same_alias(a, alias))
            found = i;
    }
    return found;
}

bool wr_alias_end(struct wr_conn *c, const struct wr_alias *alias, int64_t to)
{
    uint32_t i = c->nat.naliases ? alias_open(c, alias) : WR_NONE;
    if (i == WR_NONE || wr_alias_at(c, i)->to != WR_TIME_MAX)
        return i != WR_NONE; /* told again */
    alias_close(c, i, to);
    return true;
}

/* An outside tuple is one connection's at a time: another inside end for it ends what held before.
 * Of one tuple the newest few are kept. */
static void supersede(struct wr_conn *c, struct wr_alias *alias)
{
    uint32_t hash = wr_table_hash(c, &alias->seen), pos = hash, i, n = 0, oldest = WR_NONE;
    while ((i = wr_index_next(&c->nat.by_seen, hash, &pos)) != WR_NONE) {
        struct wr_alias *a = wr_alias_at(c, i);
        if (memcmp(&a->seen, &alias->seen, sizeof a->seen) != 0)
            continue;
        n++;
        if (oldest == WR_NONE || a->from < wr_alias_at(c, oldest)->from)
            oldest = i;
        if (a->from > alias->from && a->from < alias->to)
            alias->to = a->from;
        else if (a->from <= alias->from && a->to == WR_TIME_MAX)
            alias_close(c, i, alias->from);
    }
    if (n < SAME_TUPLE_MAX)
        return;
    wr_alias_drop(c, oldest);
    c->stats.nat_dropped++;
}

static void alias_make_room(struct wr_conn *c)
{
    if (c->nat.naliases < c->opts.max_connections)
        return;
    uint32_t ended = c->nat.alias[WR_NAT_ENDED].head;
    wr_alias_drop(c, ended != WR_NONE ? ended : c->nat.alias[WR_NAT_OPEN].head);
    c->stats.nat_dropped++;
}

enum wr_err wr_alias_add(struct wr_conn *c, const struct wr_alias *alias, uint32_t *ret_i)
{
    uint32_t i = c->nat.naliases ? alias_open(c, alias) : WR_NONE;
    if (i != WR_NONE) { /* told again */
        struct wr_alias *a = wr_alias_at(c, i);
        a->from = a->guessed || alias->from < a->from ? alias->from : a->from;
        a->guessed = alias->guessed;
        if (alias->to != WR_TIME_MAX)
            alias_close(c, i, alias->to);
        else
            wr_alias_touch(c, i);
        *ret_i = i;
        return WR_OK;
    }
    struct wr_alias new = *alias;
    alias_make_room(c);
    if (c->nat.naliases)
        supersede(c, &new);
    i = wr_pool_take(&c->nat.aliases);
    if (i == WR_NONE)
        return WR_ENOMEM;
    new.since = c->next_id;
    *wr_alias_at(c, i) = new;
    if (!wr_alias_show(c, i)) {
        wr_pool_give(&c->nat.aliases, i);
        return WR_ENOMEM;
    }
    if (!wr_index_put(&c->nat.by_seen, wr_table_hash(c, &new.seen), i)) {
        wr_alias_hide(c, i);
        wr_pool_give(&c->nat.aliases, i);
        return WR_ENOMEM;
    }
    wr_alias_at(c, i)->touched = c->now;
    alias_enlist(c, i, new.to == WR_TIME_MAX ? WR_NAT_OPEN : WR_NAT_ENDED);
    c->nat.naliases++;
    c->stats.nat_live++;
    *ret_i = i;
    return WR_OK;
}

/* ---- blocks ---- */

static uint32_t bucket_hash(const struct wr_conn *c, const uint8_t addr[16], uint32_t bucket)
{
    uint8_t part[17];
    memcpy(part, addr, 16);
    part[16] = (uint8_t)bucket;
    return (uint32_t)wr_hash(&c->hash_key, part, sizeof part);
}

static void block_unlist(struct wr_conn *c, uint32_t i)
{
    const struct wr_block *b = wr_block_at(c, i);
    struct wr_list *l = &c->nat.block[b->list];
    *(b->prev == WR_NONE ? &l->head : &wr_block_at(c, b->prev)->next) = b->next;
    *(b->next == WR_NONE ? &l->tail : &wr_block_at(c, b->next)->prev) = b->prev;
}

static void block_enlist(struct wr_conn *c, uint32_t i, uint8_t list)
{
    struct wr_block *b = wr_block_at(c, i);
    struct wr_list *l = &c->nat.block[list];
    b->list = list;
    b->prev = l->tail;
    b->next = WR_NONE;
    *(l->tail == WR_NONE ? &l->head : &wr_block_at(c, l->tail)->next) = i;
    l->tail = i;
}

void wr_block_touch(struct wr_conn *c, uint32_t i)
{
    struct wr_block *b = wr_block_at(c, i);
    if (c->now - b->touched < TOUCH)
        return;
    b->touched = c->now;
    block_unlist(c, i);
    block_enlist(c, i, b->list);
}

static void block_drop(struct wr_conn *c, uint32_t i)
{
    const struct wr_block *b = wr_block_at(c, i);
    block_unlist(c, i);
    for (uint32_t k = b->first >> BUCKET_SHIFT; k <= (uint32_t)b->last >> BUCKET_SHIFT; k++)
        wr_index_del(&c->nat.by_block, bucket_hash(c, b->outside, k), i);
    wr_pool_give(&c->nat.blocks, i);
    c->nat.nblocks--;
    c->stats.nat_live--;
}

static void block_close(struct wr_conn *c, uint32_t i, int64_t to)
{
    struct wr_block *b = wr_block_at(c, i);
    b->to = to > b->from ? to : b->from;
    b->touched = c->now;
    block_unlist(c, i);
    block_enlist(c, i, WR_NAT_ENDED);
}

/* Is `b` surer than `a`? One port before a range, a small range before a great one, then the later.
 */
static bool is_better(const struct wr_block *b, int64_t apart, const struct wr_block *a,
                      int64_t best)
{
    if (apart != best)
        return apart < best;
    uint32_t m = (uint32_t)b->last - b->first, n = (uint32_t)a->last - a->first;
    return m != n ? m < n : b->from > a->from;
}

uint32_t wr_block_find(const struct wr_conn *c, const uint8_t addr[16], bool v6, uint16_t port,
                       uint8_t proto, int64_t when)
{
    uint32_t hash, pos, i, found = WR_NONE;
    int64_t best = 0;
    bool shared = false;
    if (!c->nat.nblocks)
        return WR_NONE;
    hash = pos = bucket_hash(c, addr, port >> BUCKET_SHIFT);
    while ((i = wr_index_next(&c->nat.by_block, hash, &pos)) != WR_NONE) {
        const struct wr_block *b = wr_block_at(c, i);
        int64_t apart = outside(b->from, b->to, when);
        if (b->v6 != v6 || memcmp(b->outside, addr, 16) != 0 || port < b->first || port > b->last ||
            (b->proto && b->proto != proto) || apart > WR_OPEN_SLACK)
            continue;
        const struct wr_block *a = found == WR_NONE ? NULL : wr_block_at(c, found);
        /* an address that several inside addresses have says nothing about a port */
        bool whole = b->first == 0 && b->last == UINT16_MAX;
        shared |= whole && a && a->first == 0 && a->last == UINT16_MAX &&
                  memcmp(a->inside, b->inside, 16) != 0;
        if (a && !is_better(b, apart, a, best))
            continue;
        best = apart;
        found = i;
    }
    bool whole = found != WR_NONE && wr_block_at(c, found)->first == 0 &&
                 wr_block_at(c, found)->last == UINT16_MAX;
    return whole && shared ? WR_NONE : found;
}

static bool same_ports(const struct wr_block *a, const struct wr_block *b)
{
    return a->v6 == b->v6 && a->proto == b->proto && a->first == b->first && a->last == b->last &&
           memcmp(a->outside, b->outside, 16) == 0;
}

static uint32_t block_open(const struct wr_conn *c, const struct wr_block *block)
{
    uint32_t hash, pos, i;
    if (!c->nat.nblocks)
        return WR_NONE;
    hash = pos = bucket_hash(c, block->outside, block->first >> BUCKET_SHIFT);
    while ((i = wr_index_next(&c->nat.by_block, hash, &pos)) != WR_NONE) {
        const struct wr_block *b = wr_block_at(c, i);
        if (b->to == WR_TIME_MAX && same_ports(b, block) && b->port == block->port &&
            memcmp(b->inside, block->inside, 16) == 0)
            return i;
    }
    return WR_NONE;
}

bool wr_block_end(struct wr_conn *c, const struct wr_block *block, int64_t to)
{
    uint32_t i = block_open(c, block);
    if (i != WR_NONE)
        block_close(c, i, to);
    return i != WR_NONE;
}

/* The same ports for another inside address: what held before has ended. Whole addresses may be
 * shared. */
static void supersede_block(struct wr_conn *c, struct wr_block *block)
{
    uint32_t hash = bucket_hash(c, block->outside, block->first >> BUCKET_SHIFT), pos = hash, i;
    bool whole = block->first == 0 && block->last == UINT16_MAX;
    while (!whole && c->nat.nblocks &&
           (i = wr_index_next(&c->nat.by_block, hash, &pos)) != WR_NONE) {
        const struct wr_block *b = wr_block_at(c, i);
        if (!same_ports(b, block))
            continue;
        if (b->from > block->from && b->from < block->to)
            block->to = b->from;
        else if (b->from <= block->from && b->to == WR_TIME_MAX)
            block_close(c, i, block->from);
    }
}

static bool block_index(struct wr_conn *c, uint32_t i)
{
    const struct wr_block *b = wr_block_at(c, i);
    const uint32_t from = b->first >> BUCKET_SHIFT, to = b->last >> BUCKET_SHIFT;
    for (uint32_t k = from; k <= to; k++) {
        if (wr_index_put(&c->nat.by_block, bucket_hash(c, b->outside, k), i))
            continue;
        while (k > from)
            wr_index_del(&c->nat.by_block, bucket_hash(c, b->outside, --k), i);
        return false;
    }
    return true;
}

enum wr_err wr_block_add(struct wr_conn *c, const struct wr_block *block, uint32_t *ret_i)
{
    uint32_t i = block_open(c, block);
    if (i != WR_NONE) {
        struct wr_block *b = wr_block_at(c, i);
        b->from = block->from < b->from ? block->from : b->from;
        wr_block_touch(c, i);
        *ret_i = i;
        return WR_OK;
    }
    struct wr_block new = *block;
    if (c->nat.nblocks >= c->opts.max_connections) {
        uint32_t ended = c->nat.block[WR_NAT_ENDED].head;
        block_drop(c, ended != WR_NONE ? ended : c->nat.block[WR_NAT_OPEN].head);
        c->stats.nat_dropped++;
    }
    supersede_block(c, &new);
    enum wr_err err = wr_wild_begin(c);
    i = err ? WR_NONE : wr_pool_take(&c->nat.blocks);
    if (i == WR_NONE)
        return WR_ENOMEM;
    *wr_block_at(c, i) = new;
    if (!block_index(c, i)) {
        wr_pool_give(&c->nat.blocks, i);
        return WR_ENOMEM;
    }
    wr_block_at(c, i)->touched = c->now;
    block_enlist(c, i, new.to == WR_TIME_MAX ? WR_NAT_OPEN : WR_NAT_ENDED);
    c->nat.nblocks++;
    c->stats.nat_live++;
    *ret_i = i;
    return WR_OK;
}

void wr_nats_expire(struct wr_conn *c, int64_t ended_ns)
{
    for (uint8_t list = 0; list < WR_NAT_NLISTS; list++) {
        int64_t alias = list == WR_NAT_OPEN ? DAY : ended_ns,
                block = list == WR_NAT_OPEN ? 7 * DAY : ended_ns;
        while (c->nat.alias[list].head != WR_NONE &&
               c->now - wr_alias_at(c, c->nat.alias[list].head)->touched > alias)
            wr_alias_drop(c, c->nat.alias[list].head);
        while (c->nat.block[list].head != WR_NONE &&
               c->now - wr_block_at(c, c->nat.block[list].head)->touched > block)
            block_drop(c, c->nat.block[list].head);
    }
}

/* ---- as bytes ---- */

static void put_times(struct wr_buf *out, int64_t from, int64_t to, int64_t touched)
{
    wr_buf_u64(out, (uint64_t)from);
    wr_buf_u64(out, (uint64_t)to);
    wr_buf_u64(out, (uint64_t)touched);
}

static void put_alias(struct wr_buf *out, const struct wr_alias *a)
{
    wr_buf_add(out, &a->seen, sizeof a->seen);
    wr_buf_add(out, &a->inside, sizeof a->inside);
    put_times(out, a->from, a->to, a->touched);
    wr_buf_u64(out, a->since);
    wr_buf_u8(out, a->swap);
    wr_buf_u8(out, a->learned);
    wr_buf_u8(out, a->guessed);
}

static void put_block(struct wr_buf *out, const struct wr_block *b)
{
    wr_buf_add(out, b->outside, sizeof b->outside);
    wr_buf_add(out, b->inside, sizeof b->inside);
    put_times(out, b->from, b->to, b->touched);
    wr_buf_u16(out, b->first);
    wr_buf_u16(out, b->last);
    wr_buf_u16(out, b->port);
    wr_buf_u8(out, b->proto);
    wr_buf_u8(out, b->v6);
    wr_buf_u8(out, b->exact);
}

void wr_nats_save(const struct wr_conn *c, struct wr_buf *out)
{
    wr_buf_u8(out, c->nat.wild);
    for (int list = 0; list < WR_NAT_NLISTS; list++) {
        uint32_t n = 0;
        for (uint32_t i = c->nat.alias[list].head; i != WR_NONE; i = wr_alias_at(c, i)->next)
            n++;
        wr_buf_u32(out, n);
        for (uint32_t i = c->nat.alias[list].head; i != WR_NONE; i = wr_alias_at(c, i)->next)
            put_alias(out, wr_alias_at(c, i));
        n = 0;
        for (uint32_t i = c->nat.block[list].head; i != WR_NONE; i = wr_block_at(c, i)->next)
            n++;
        wr_buf_u32(out, n);
        for (uint32_t i = c->nat.block[list].head; i != WR_NONE; i = wr_block_at(c, i)->next)
            put_block(out, wr_block_at(c, i));
    }
}

static bool rd_times(const struct wr_conn *c, struct wr_rd *rd, bool ended, int64_t *from,
                     int64_t *to, int64_t *touched)
{
    *from = (int64_t)wr_rd_u64(rd);
    *to = (int64_t)wr_rd_u64(rd);
    *touched = (int64_t)wr_rd_u64(rd);
    return *from >= 0 && *from <= *to && *to <= WR_TIME_MAX && *touched >= 0 &&
           *touched <= c->now && (*to == WR_TIME_MAX) == !ended;
}

static bool rd_key(struct wr_rd *rd, struct wr_conn_key *key)
{
    const uint8_t *at = wr_rd_take(rd, sizeof *key);
    if (!at)
        return false;
    memcpy(key, at, sizeof *key);
    return key->v6 <= 1 && !key->pad[0] && !key->pad[1] && wr_key_is_canonical(key);
}

static enum wr_err load_alias(struct wr_conn *c, struct wr_rd *rd, uint8_t list)
{
    struct wr_alias a;
    memset(&a, 0, sizeof a);
    bool good = rd_key(rd, &a.seen) && rd_key(rd, &a.inside) && a.seen.proto == a.inside.proto &&
                rd_times(c, rd, list, &a.from, &a.to, &a.touched);
    a.since = wr_rd_u64(rd);
    a.swap = wr_rd_u8(rd);
    a.learned = wr_rd_u8(rd);
    a.guessed = wr_rd_u8(rd);
    if (!good || rd->err || a.since > c->next_id || a.swap > 1 || a.learned > 1 || a.guessed > 1)
        return WR_ECORRUPT;
    uint32_t i = wr_pool_take(&c->nat.aliases);
    if (i == WR_NONE)
        return WR_ENOMEM;
    *wr_alias_at(c, i) = a;
    if (!wr_index_put(&c->nat.by_seen, wr_table_hash(c, &a.seen), i) || !wr_alias_show(c, i))
        return WR_ENOMEM;
    alias_enlist(c, i, list);
    c->nat.naliases++;
    c->stats.nat_live++;
    return WR_OK;
}

static enum wr_err load_block(struct wr_conn *c, struct wr_rd *rd, uint8_t list)
{
    struct wr_block b;
    memset(&b, 0, sizeof b);
    const uint8_t *at = wr_rd_take(rd, 32);
    if (!at)
        return WR_ECORRUPT;
    memcpy(b.outside, at, 16);
    memcpy(b.inside, at + 16, 16);
    bool good = rd_times(c, rd, list, &b.from, &b.to, &b.touched);
    b.first = wr_rd_u16(rd);
    b.last = wr_rd_u16(rd);
    b.port = wr_rd_u16(rd);
    b.proto = wr_rd_u8(rd);
    b.v6 = wr_rd_u8(rd);
    b.exact = wr_rd_u8(rd);
    if (!good || rd->err || b.v6 > 1 || b.exact > 1 || b.first > b.last ||
        (b.exact && b.first != b.last))
        return WR_ECORRUPT;
    uint32_t i = wr_pool_take(&c->nat.blocks);
    if (i == WR_NONE)
        return WR_ENOMEM;
    *wr_block_at(c, i) = b;
    if (!block_index(c, i))
        return WR_ENOMEM;
    block_enlist(c, i, list);
    c->nat.nblocks++;
    c->stats.nat_live++;
    return WR_OK;
}

enum wr_err wr_nats_load(struct wr_conn *c, struct wr_rd *rd)
{
    uint8_t wild = wr_rd_u8(rd);
    enum wr_err err = wild > 1 ? WR_ECORRUPT : WR_OK;
    c->stats.nat_live = 0;
    for (uint8_t list = 0; list < WR_NAT_NLISTS && !err; list++) {
        for (uint32_t n = wr_rd_u32(rd); n && !err; n--)
            err = load_alias(c, rd, list);
        for (uint32_t n = wr_rd_u32(rd); n && !err; n--)
            err = load_block(c, rd, list);
    }
    if (err || rd->err)
        return err ? err : WR_ECORRUPT;
    return wild ? wr_wild_begin(c) : c->nat.nblocks ? WR_ECORRUPT : WR_OK;
}
