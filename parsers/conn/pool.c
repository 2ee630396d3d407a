#include "parsers/conn/table.h"

#include <stdlib.h>
#include <string.h>

uint32_t wr_pool_take(struct wr_pool *pool)
{
    uint32_t i = pool->free;
    if (i != WR_NONE) {
        memcpy(&pool->free, wr_pool_at(pool, i), sizeof pool->free);
    } else {
        if (pool->n == pool->nblocks << WR_POOL_SHIFT) {
            if (pool->nblocks == (WR_NONE >> WR_POOL_SHIFT))
                return WR_NONE;
            char **block = realloc(pool->block, (pool->nblocks + (size_t)1) * sizeof *block);
            if (!block)
                return WR_NONE;
            pool->block = block;
            block[pool->nblocks] = malloc((size_t)pool->size << WR_POOL_SHIFT);
            if (!block[pool->nblocks])
                return WR_NONE;
            pool->nblocks++;
        }
        i = pool->n++;
    }
    memset(wr_pool_at(pool, i), 0, pool->size);
    return i;
}

void wr_pool_give(struct wr_pool *pool, uint32_t i)
{
    memcpy(wr_pool_at(pool, i), &pool->free, sizeof pool->free);
    pool->free = i;
}

void wr_pool_fini(struct wr_pool *pool)
{
    for (uint32_t b = 0; b < pool->nblocks; b++)
        free(pool->block[b]);
    free(pool->block);
}

/* tag 0 .. 2^32-1, item WR_NONE = empty slot. */
static bool index_grow(struct wr_index *ix)
{
    uint32_t cap = ix->slot ? (ix->mask + 1) * 2 : WR_INDEX_FIRST;
    if (cap == 0)
        return false;
    struct wr_slot *slot = malloc((size_t)cap * sizeof *slot);
    if (!slot)
        return false;
    memset(slot, 0xff, (size_t)cap * sizeof *slot);
    for (uint32_t i = 0; ix->slot && i <= ix->mask; i++) {
        if (ix->slot[i].item == WR_NONE)
            continue;
        uint32_t at = ix->slot[i].tag & (cap - 1);
        while (slot[at].item != WR_NONE)
            at = (at + 1) & (cap - 1);
        slot[at] = ix->slot[i];
    }
    free(ix->slot);
    ix->slot = slot;
    ix->mask = cap - 1;
    return true;
}

bool wr_index_put(struct wr_index *index, uint32_t hash, uint32_t item)
{
    if ((!index->slot || index->n >= (index->mask + 1) / 4 * 3) && !index_grow(index))
        return false;
    uint32_t at = hash & index->mask;
    while (index->slot[at].item != WR_NONE)
        at = (at + 1) & index->mask;
    index->slot[at] = (struct wr_slot){hash, item};
    index->n++;
    return true;
}

uint32_t wr_index_next(const struct wr_index *index, uint32_t hash, uint32_t *pos)
{
    if (!index->slot)
        return WR_NONE;
    for (uint32_t at = *pos & index->mask;; at = (at + 1) & index->mask) {
        if (index->slot[at].item == WR_NONE)
            return WR_NONE;
        if (index->slot[at].tag == hash) {
            *pos = at + 1;
            return index->slot[at].item;
        }
    }
}

bool wr_index_has(const struct wr_index *index, uint32_t hash, uint32_t item)
{
    for (uint32_t at = hash & index->mask; index->slot && index->slot[at].item != WR_NONE; at = (at + 1) & index->mask)
        if (index->slot[at].item == item)
            return true;
    return false;
}

/* Closes the gap, so that no tombstones pile up: every later item of the run that may move back
 * does. */
void wr_index_del(struct wr_index *index, uint32_t hash, uint32_t item)
{
    uint32_t hole = hash & index->mask;
    while (index->slot[hole].item != item)
        hole = (hole + 1) & index->mask;
    index->n--;
    for (uint32_t at = (hole + 1) & index->mask; index->slot[at].item != WR_NONE;
         at = (at + 1) & index->mask) {
        uint32_t home = index->slot[at].tag & index->mask;
        if (((at - home) & index->mask) >= ((at - hole) & index->mask)) {
            index->slot[hole] = index->slot[at];
            hole = at;
        }
    }
    index->slot[hole].item = WR_NONE;
}
