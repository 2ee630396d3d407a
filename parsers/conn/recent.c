/* Sensors that cap their events (Defender: one a day for the same fields) say nothing of most
 * connections. What such a device last told of (its address, remote address and port, protocol)
 * stands for its next connections there for a day: MatchQuality "remote". Bounded; the one that was
 * told longest ago goes, counted. */
#include "parsers/conn/table.h"

#include "base/ticks.h"

#include <stdlib.h>
#include <string.h>

#define DAY (86400 * WR_SECOND)

static struct wr_recent *recent_at(const struct wr_conn *c, uint32_t i)
{
    return wr_pool_at(&c->recents, i);
}

/* The connection without its local port. */
static struct wr_remote_key key_of(const struct wr_conn_key *key, uint8_t side)
{
    struct wr_remote_key k = {.port = key->port[!side], .proto = key->proto, .v6 = key->v6};
    memcpy(k.local, key->addr[side], 16);
    memcpy(k.remote, key->addr[!side], 16);
    return k;
}

static uint32_t hash_of(const struct wr_conn *c, const struct wr_remote_key *key)
{
    return (uint32_t)wr_hash(&c->hash_key, key, sizeof *key);
}

static uint32_t find(const struct wr_conn *c, const struct wr_remote_key *key)
{
    uint32_t hash = hash_of(c, key), pos = hash, i;
    while ((i = wr_index_next(&c->by_remote, hash, &pos)) != WR_NONE)
        if (memcmp(&recent_at(c, i)->key, key, sizeof *key) == 0)
            break;
    return i;
}

static void unlist(struct wr_conn *c, uint32_t i)
{
    const struct wr_recent *r = recent_at(c, i);
    *(r->prev == WR_NONE ? &c->recent.head : &recent_at(c, r->prev)->next) = r->next;
    *(r->next == WR_NONE ? &c->recent.tail : &recent_at(c, r->next)->prev) = r->prev;
}

static void enlist(struct wr_conn *c, uint32_t i)
{
    struct wr_recent *r = recent_at(c, i);
    r->prev = c->recent.tail;
    r->next = WR_NONE;
    *(c->recent.tail == WR_NONE ? &c->recent.head : &recent_at(c, c->recent.tail)->next) = i;
    c->recent.tail = i;
}

static void drop(struct wr_conn *c, uint32_t i)
{
    struct wr_recent *r = recent_at(c, i);
    unlist(c, i);
    wr_index_del(&c->by_remote, hash_of(c, &r->key), i);
    free(r->packed);
    c->nrecent--;
    wr_pool_give(&c->recents, i);
}

static enum wr_err add(struct wr_conn *c, const struct wr_remote_key *key, uint32_t *ret_i)
{
    if (c->nrecent == WR_RECENT_MAX) {
        drop(c, c->recent.head);
        c->stats.remote_dropped++;
    }
    uint32_t i = wr_pool_take(&c->recents);
    if (i == WR_NONE)
        return WR_ENOMEM;
    recent_at(c, i)->key = *key;
    if (!wr_index_put(&c->by_remote, hash_of(c, key), i)) {
        wr_pool_give(&c->recents, i);
        return WR_ENOMEM;
    }
    c->nrecent++;
    enlist(c, i);
    *ret_i = i;
    return WR_OK;
}

/* Events come nearly in order of time; the list is by arrival. */
static enum wr_err put(struct wr_conn *c, const struct wr_remote_key *key, int64_t when,
                       const void *bytes, size_t len)
{
    uint32_t i = find(c, key);
    char *packed = malloc(len + 1);
    if (!packed)
        return WR_ENOMEM;
    if (len)
        memcpy(packed, bytes, len);
    if (i != WR_NONE) {
        unlist(c, i);
        enlist(c, i);
    } else {
        enum wr_err err = add(c, key, &i);
        if (err) {
            free(packed);
            return err;
        }
    }
    struct wr_recent *r = recent_at(c, i);
    free(r->packed);
    r->packed = packed;
    r->len = (uint32_t)len;
    r->when = when;
    return WR_OK;
}

enum wr_err wr_recent_note(struct wr_conn *c, const struct wr_conn_key *key, uint8_t side,
                           int64_t when, const char *packed, size_t len)
{
    struct wr_remote_key k = key_of(key, side);
    while (c->recent.head != WR_NONE && recent_at(c, c->recent.head)->when < when - DAY)
        drop(c, c->recent.head);
    return put(c, &k, when, packed, len);
}

/* The event's columns with the connection's time and local port, in c->buf. */
static enum wr_err repack(struct wr_conn *c, const struct wr_recent *r, const struct wr_entry *e,
                          uint8_t side)
{
    if (!wr_batch_reset(c->scratch))
        return WR_ENOMEM;
    enum wr_err err = wr_row_unpack(c->scratch, r->packed, r->len);
    if (err)
        return err;
    wr_batch_set_i64(c->scratch, WR_DNE_Timestamp, 0, wr_ticks_of_unix_ns(e->start));
    wr_batch_set_i64(c->scratch, WR_DNE_LocalPort, 0, e->key.port[side]);
    wr_buf_reset(&c->buf);
    wr_row_pack(c->scratch, 0, &c->buf);
    return c->buf.err ? WR_ENOMEM : WR_OK;
}

enum wr_err wr_recent_event(struct wr_conn *c, const struct wr_entry *e, uint8_t side,
                            bool *ret_found)
{
    struct wr_remote_key k = key_of(&e->key, side);
    uint32_t i = find(c, &k);
    *ret_found = false;
    if (i == WR_NONE)
        return WR_OK;
    int64_t apart = e->start - recent_at(c, i)->when;
    if (apart > DAY || apart < -DAY)
        return WR_OK;
    *ret_found = true;
    return repack(c, recent_at(c, i), e, side);
}

void wr_recents_fini(struct wr_conn *c)
{
    for (uint32_t i = c->recent.head; i != WR_NONE; i = recent_at(c, i)->next)
        free(recent_at(c, i)->packed);
    wr_pool_fini(&c->recents);
    free(c->by_remote.slot);
}

void wr_recents_save(const struct wr_conn *c, struct wr_buf *out)
{
    wr_buf_u32(out, c->nrecent);
    for (uint32_t i = c->recent.head; i != WR_NONE; i = recent_at(c, i)->next) {
        const struct wr_recent *r = recent_at(c, i);
        wr_buf_add(out, &r->key, sizeof r->key);
        wr_buf_u64(out, (uint64_t)r->when);
        wr_buf_blob(out, r->packed, r->len);
    }
}

enum wr_err wr_recents_load(struct wr_conn *c, struct wr_rd *rd)
{
    uint32_t n = wr_rd_u32(rd);
    if (n > WR_RECENT_MAX)
        return WR_ECORRUPT;
    while (n--) {
        struct wr_remote_key key;
        const uint8_t *at = wr_rd_take(rd, sizeof key);
        int64_t when = (int64_t)wr_rd_u64(rd);
        uint32_t len;
        const uint8_t *bytes = wr_rd_blob(rd, &len);
        if (rd->err || when < 0 || when > WR_TIME_MAX)
            return WR_ECORRUPT;
        memcpy(&key, at, sizeof key);
        if (key.v6 > 1 || key.pad[0] || key.pad[1] || find(c, &key) != WR_NONE)
            return WR_ECORRUPT;
        if (!wr_batch_reset(c->scratch))
            return WR_ENOMEM;
        enum wr_err err = wr_row_unpack(c->scratch, bytes, len);
        if (!err)
            err = put(c, &key, when, bytes, len);
        if (err)
            return err;
    }
    return WR_OK;
}
