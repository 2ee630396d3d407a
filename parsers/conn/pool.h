#ifndef WR_PARSERS_CONN_POOL_H
#define WR_PARSERS_CONN_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* What the connection table keeps its things in: numbered elements that never move, numbers by hash, pieces of
 * memory. Large ones ask for huge pages: at a million connections every line that is touched is a miss, and with
 * small pages one of the address, too. */
#define WR_NONE UINT32_MAX

/* Memory for free(); large ones begin a huge page. NULL when there is none. */
void *wr_big_alloc(size_t size);

/* Fixed-size elements in blocks; a freed one holds the number of the next free one in its first 4
 * bytes. Sizes of whole cache lines begin one. */
struct wr_pool {
    char **block;
    uint32_t nblocks, size, n, free;
};
uint32_t wr_pool_take(struct wr_pool *pool); /* zeroed; WR_NONE when out of memory */
void wr_pool_give(struct wr_pool *pool, uint32_t i);
void wr_pool_fini(struct wr_pool *pool);
/* Builds that look at everything begin small, so that every test grows what it fills. */
#if defined WR_CHECKS && WR_CHECKS >= 2
enum { WR_POOL_SHIFT = 3, WR_INDEX_FIRST = 16 };
#else
enum { WR_POOL_SHIFT = 10, WR_INDEX_FIRST = 1024 };
#endif
static inline void *wr_pool_at(const struct wr_pool *pool, uint32_t i)
{
    return pool->block[i >> WR_POOL_SHIFT] + (size_t)(i & ((1u << WR_POOL_SHIFT) - 1)) * pool->size;
}

/* Numbers by hash: open addressing, linear, at most 3/4 full; equal hashes are told apart by the
 * caller. */
struct wr_slot {
    uint32_t tag, item;
};
struct wr_index {
    struct wr_slot *slot;
    uint32_t mask, n;
};
bool wr_index_put(struct wr_index *index, uint32_t hash, uint32_t item) WR_MUST_CHECK;
void wr_index_del(struct wr_index *index, uint32_t hash, uint32_t item);
/* Another item in the place of one that is in it, under the same hash. */
void wr_index_set(struct wr_index *index, uint32_t hash, uint32_t item, uint32_t to);
/* Is this item in it, under this hash? Looks at nothing but the index. */
bool wr_index_has(const struct wr_index *index, uint32_t hash, uint32_t item);

/* Items of this hash one by one, WR_NONE at the end; *pos starts as `hash`. */
static inline uint32_t wr_index_next(const struct wr_index *index, uint32_t hash, uint32_t *pos)
{
    const struct wr_slot *slot = index->slot;
    for (uint32_t at = *pos & index->mask; slot && slot[at].item != WR_NONE; at = (at + 1) & index->mask)
        if (slot[at].tag == hash) {
            *pos = at + 1;
            return slot[at].item;
        }
    return WR_NONE;
}

static inline void wr_index_foresee(const struct wr_index *index, uint32_t hash)
{
    if (index->slot)
        __builtin_prefetch(&index->slot[hash & index->mask]);
}

/* Pieces of memory by size, in steps of 16 bytes, cut from large blocks; a piece that is given back is used again for its size
 * only. Those over WR_SLAB_MAX are malloc's. */
enum { WR_SLAB_STEP = 16, WR_SLAB_MAX = 1024 };
struct wr_slab_large;
struct wr_slab {
    void *free[WR_SLAB_MAX / WR_SLAB_STEP + 1];
    void *blocks; /* each holds the one before it in its first bytes */
    char *at;
    size_t left, grown;
    struct wr_slab_large *large;
};
void *wr_slab_take(struct wr_slab *slab, size_t len); /* NULL when out of memory */
void wr_slab_give(struct wr_slab *slab, void *piece, size_t len); /* `len` as it was taken; NULL is none */
void wr_slab_fini(struct wr_slab *slab);

#endif
