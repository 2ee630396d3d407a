/* Entries by all of their key but one port, kept once there are blocks: where only an address is told, the event of that
 * address to that peer at that time has the port. */
#include "parsers/conn/table.h"


uint32_t wr_wild_hash(const struct wr_conn *c, const struct wr_conn_key *key, uint8_t side)
{
    struct wr_conn_key k = *key;
    k.port[side] = 0;
    k.pad[0] = (uint8_t)(side + 1);
    return wr_table_hash(c, &k);
}

enum wr_err wr_wild_add(struct wr_conn *c, uint32_t i, uint8_t side)
{
    struct wr_entry *e = wr_entry_at(c, i);
    if (!c->nat.wild || e->nat & WR_NAT_WILD * 3)
        return WR_OK;
    if (!wr_index_put(&c->nat.by_wild, wr_wild_hash(c, &e->key, side), i))
        return WR_ENOMEM;
    e->nat |= (uint8_t)(WR_NAT_WILD << side);
    return WR_OK;
}

void wr_wild_del(struct wr_conn *c, uint32_t i)
{
    struct wr_entry *e = wr_entry_at(c, i);
    if (!(e->nat & WR_NAT_WILD * 3))
        return;
    wr_index_del(&c->nat.by_wild, wr_wild_hash(c, &e->key, e->nat & WR_NAT_WILD ? 0 : 1), i);
    e->nat &= WR_NAT_SAVED;
}

/* The first block: events that wait for their flow, and flows under an outside port, from now on
 * are found. */
enum wr_err wr_wild_begin(struct wr_conn *c)
{
    enum wr_err err = WR_OK;
    if (c->nat.wild)
        return WR_OK;
    c->nat.wild = true;
    for (uint32_t i = 0; !err && i < c->entries.n; i++) {
        const struct wr_entry *e = wr_entry_at(c, i);
        if (e->lru == WR_LRU_NOT || wr_key_is_host(&e->key))
            continue;
        if (e->nat & WR_NAT_OUTPORT * 3)
            err = wr_wild_add(c, i, e->nat & WR_NAT_OUTPORT ? 0 : 1);
        for (uint32_t r = e->flags & WR_CONN_FLOW ? WR_NONE : e->rows; !err && r != WR_NONE;
             r = wr_crow_at(c, r)->next)
            if (wr_crow_at(c, r)->packed)
                err = wr_wild_add(c, i, wr_crow_at(c, r)->side);
    }
    return err;
}
