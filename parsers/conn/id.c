/* Rows by id: alerts' samples ask for them, and a state that is loaded. */
#include "parsers/conn/table.h"

#include <stdlib.h>
#include <string.h>

static uint32_t hash_of(uint64_t id)
{
    return (uint32_t)((id * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
}

static uint64_t id_of(const struct wr_conn *c, uint32_t r)
{
    return wr_crow_at(c, r)->id;
}

static uint32_t *place_of(const struct wr_ids *ids, uint64_t id)
{
    return &ids->ring[id & (ids->size - 1)];
}

/* At least twice as many places as there ever were rows, so that few rows outlive a turn of the ring. Two rows that had places
 * of their own still do. */
static bool grow(struct wr_conn *c)
{
    struct wr_ids old = c->ids, *ids = &c->ids;
    uint32_t size = old.size ? old.size : WR_INDEX_FIRST;
    while (size / 2 < c->rows.n && size <= UINT32_MAX / 2)
        size *= 2;
    if (size == old.size)
        return true;
    uint32_t *ring = wr_big_alloc(size * sizeof *ring, true);
    if (!ring)
        return false;
    memset(ring, 0xff, size * sizeof *ring);
    ids->ring = ring;
    ids->size = size;
    for (uint32_t i = 0; i < old.size; i++)
        if (old.ring[i] != WR_NONE)
            *place_of(ids, id_of(c, old.ring[i])) = old.ring[i];
    free(old.ring);
    return true;
}

bool wr_id_put_slow(struct wr_conn *c, uint32_t r)
{
    struct wr_ids *ids = &c->ids;
    if (ids->size / 2 < c->rows.n && !grow(c))
        return false;
    uint32_t *place = place_of(ids, id_of(c, r)), aside = *place;
    if (aside != WR_NONE) {
        bool newer = id_of(c, aside) < id_of(c, r);
        uint32_t out = newer ? aside : r;
        if (!wr_index_put(&ids->old, hash_of(id_of(c, out)), out))
            return false;
        if (!newer)
            return true;
    }
    *place = r;
    return true;
}

void wr_id_del_old(struct wr_conn *c, uint32_t r)
{
    WR_ASSERT(wr_index_del(&c->ids.old, hash_of(id_of(c, r)), r));
}

uint32_t wr_id_find(const struct wr_conn *c, uint64_t id)
{
    uint32_t r = c->ids.size ? *place_of(&c->ids, id) : WR_NONE, hash = hash_of(id), pos = hash;
    if (r != WR_NONE && id_of(c, r) == id)
        return r;
    while ((r = wr_index_next(&c->ids.old, hash, &pos)) != WR_NONE)
        if (id_of(c, r) == id)
            break;
    return r;
}
