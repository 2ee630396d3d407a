#ifndef WR_PARSERS_CONN_POOL_H
#define WR_PARSERS_CONN_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"

/* What the connection table keeps its things in: numbered elements that never move, numbers by hash, pieces of
 * memory. Large tables ask for huge pages: at a million connections every line that is touched is a miss, and with
 * small pages one of the address, too. */
#define WR_NONE UINT32_MAX

/* Memory for free(), of whole lines; `huge`: large ones of huge pages. NULL when there is none. */
void *wr_big_alloc(size_t size, bool huge);

/* Fixed-size elements in blocks; a freed one holds the number of the next free one in its first 4
 * bytes. Sizes of whole cache lines begin one. */
struct wr_pool {
    char **block;
    uint32_t nblocks, size, n, free;
    uint32_t nhuge; /* regions that became of huge pages later */
};
uint32_t wr_pool_take(struct wr_pool *pool); /* zeroed; WR_NONE when out of memory */
bool wr_pool_grow(struct wr_pool *pool) WR_MUST_CHECK;
void wr_pool_fini(struct wr_pool *pool);
/* Builds that look at everything begin small, so that every test grows what it fills. */
#if defined WR_CHECKS && WR_CHECKS >= 2
enum { WR_POOL_SHIFT = 3, WR_INDEX_FIRST = 16 };
#else
enum { WR_POOL_SHIFT = 10, WR_INDEX_FIRST = 1024 };
#endif
/* The block of element i, and its place there: for who knows the element's type. */
static inline void *wr_pool_block(const struct wr_pool *pool, uint32_t i)
{
    return pool->block[i >> WR_POOL_SHIFT];
}
static inline uint32_t wr_pool_place(uint32_t i)
{
    return i & ((1u << WR_POOL_SHIFT) - 1);
}
static inline void *wr_pool_at(const struct wr_pool *pool, uint32_t i)
{
    return pool->block[i >> WR_POOL_SHIFT] + (size_t)wr_pool_place(i) * pool->size;
}

/* As wr_pool_take(), but what it held before is still there; of a new one nothing is touched. */
static inline uint32_t wr_pool_take_raw(struct wr_pool *pool)
{
    uint32_t i = pool->free;
    if (i != WR_NONE) {
        memcpy(&pool->free, wr_pool_at(pool, i), sizeof pool->free);
        return i;
    }
    if (pool->n == pool->nblocks << WR_POOL_SHIFT && !wr_pool_grow(pool))
        return WR_NONE;
    return pool->n++;
}

static inline void wr_pool_give(struct wr_pool *pool, uint32_t i)
{
    memcpy(wr_pool_at(pool, i), &pool->free, sizeof pool->free);
    pool->free = i;
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
/* False: it is not in it. */
bool wr_index_del(struct wr_index *index, uint32_t hash, uint32_t item);
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

/* Pieces of memory by size, in steps of 8 bytes, cut from large blocks; a piece that is given back is used again for its size
 * only. Those over WR_SLAB_MAX are malloc's. */
enum { WR_SLAB_STEP = 8, WR_SLAB_MAX = 1024, WR_SLAB_SLACK = 16 /* bytes behind any piece that may be read */ };
struct wr_slab_large;
struct wr_slab {
    void *free[WR_SLAB_MAX / WR_SLAB_STEP + 1];
    void *blocks; /* each holds the one before it in its first bytes */
    char *at;
    size_t left, grown;
    struct wr_slab_large *large;
    void *small; /* the newest region that is not of huge pages, one of nsmall */
    uint32_t nsmall;
};
void *wr_slab_cut(struct wr_slab *slab, size_t len);
void wr_slab_give_large(struct wr_slab *slab, void *piece);
void wr_slab_fini(struct wr_slab *slab);

static inline size_t wr_slab_size(size_t len)
{
    return len ? (len + WR_SLAB_STEP - 1) / WR_SLAB_STEP : 1;
}

/* NULL when out of memory. */
static inline void *wr_slab_take(struct wr_slab *slab, size_t len)
{
    void *piece = len <= WR_SLAB_MAX ? slab->free[wr_slab_size(len)] : NULL;
    if (!piece)
        return wr_slab_cut(slab, len);
    memcpy(&slab->free[wr_slab_size(len)], piece, sizeof piece);
    return piece;
}

/* `len` as it was taken; NULL is none. */
static inline void wr_slab_give(struct wr_slab *slab, void *piece, size_t len)
{
    if (!piece)
        return;
    if (len > WR_SLAB_MAX) {
        wr_slab_give_large(slab, piece);
        return;
    }
    memcpy(piece, &slab->free[wr_slab_size(len)], sizeof piece);
    slab->free[wr_slab_size(len)] = piece;
}

#endif
