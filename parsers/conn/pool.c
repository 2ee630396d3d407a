#include "parsers/conn/pool.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { LINE = 64, HUGE_PAGE = 2 << 20, REGION = 2 * HUGE_PAGE, SMALL_BLOCKS = 8192 >> WR_POOL_SHIFT };
/* From this size on a table's next region is of huge pages: what is never used of them is little beside it. */
enum { HUGE_FROM = 8 * REGION, HUGE_FROM_ELEMENTS = 192 << 10 };

static void *whole(size_t unit, size_t size)
{
    return aligned_alloc(unit, (size + unit - 1) / unit * unit);
}

void *wr_big_alloc(size_t size, bool huge)
{
    size_t unit = !huge || size < HUGE_PAGE ? LINE : HUGE_PAGE;
    void *p = whole(unit, size);
    if (p && unit == HUGE_PAGE)
        (void)madvise(p, size, MADV_HUGEPAGE); /* where there are none it is as before */
    return p;
}

/* It begins a huge page, whether it is to be of huge pages yet or not. */
static void *region_alloc(size_t size, bool huge)
{
    return huge ? wr_big_alloc(size, true) : whole(HUGE_PAGE, size);
}

/* A region that was filled before its table was large: of huge pages now, a region at a time as the table grows. Where that is
 * not to be had (before Linux 6.1) it stays as it is. */
static void make_huge(void *region)
{
#ifdef MADV_COLLAPSE
    (void)madvise(region, REGION, MADV_COLLAPSE);
#else
    (void)madvise(region, REGION, MADV_HUGEPAGE);
#endif
}

/* ---- pools ---- */

static size_t block_size(const struct wr_pool *pool)
{
    return (size_t)pool->size << WR_POOL_SHIFT;
}

/* The first blocks are a piece of memory each, so that a small table is small; then as many together as a region holds. */
static uint32_t blocks_together(const struct wr_pool *pool, uint32_t nblocks)
{
    return nblocks < SMALL_BLOCKS || block_size(pool) > REGION ? 1 : (uint32_t)(REGION / block_size(pool));
}

/* So large that its regions are of huge pages. */
static bool is_large(const struct wr_pool *pool)
{
    return pool->nblocks << WR_POOL_SHIFT >= HUGE_FROM_ELEMENTS;
}

/* The oldest region that was made before that. */
static void catch_up(struct wr_pool *pool)
{
    uint32_t n = blocks_together(pool, SMALL_BLOCKS), at = SMALL_BLOCKS + pool->nhuge * n;
    if (n == 1 || at >= HUGE_FROM_ELEMENTS >> WR_POOL_SHIFT || at >= pool->nblocks)
        return;
    make_huge(pool->block[at]);
    pool->nhuge++;
}

bool wr_pool_grow(struct wr_pool *pool)
{
    uint32_t n = blocks_together(pool, pool->nblocks);
    if (pool->nblocks > (WR_NONE >> WR_POOL_SHIFT) - n)
        return false;
    char **block = realloc(pool->block, (pool->nblocks + (size_t)n) * sizeof *block);
    if (!block)
        return false;
    pool->block = block;
    if (is_large(pool))
        catch_up(pool);
    char *memory = n == 1 ? wr_big_alloc(block_size(pool), false) : region_alloc(n * block_size(pool), is_large(pool));
    if (!memory)
        return false;
    for (uint32_t k = 0; k < n; k++)
        block[pool->nblocks++] = memory + k * block_size(pool);
    return true;
}

uint32_t wr_pool_take(struct wr_pool *pool)
{
    uint32_t i = wr_pool_take_raw(pool);
    if (i != WR_NONE)
        memset(wr_pool_at(pool, i), 0, pool->size);
    return i;
}

void wr_pool_fini(struct wr_pool *pool)
{
    for (uint32_t b = 0; b < pool->nblocks; b += blocks_together(pool, b))
        free(pool->block[b]);
    free(pool->block);
}

/* ---- indexes ---- */

/* tag 0 .. 2^32-1, item WR_NONE = empty slot. */
static bool index_grow(struct wr_index *ix)
{
    uint32_t cap = ix->slot ? (ix->mask + 1) * 2 : WR_INDEX_FIRST;
    if (cap == 0)
        return false;
    struct wr_slot *slot = wr_big_alloc((size_t)cap * sizeof *slot, true);
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

bool wr_index_has(const struct wr_index *index, uint32_t hash, uint32_t item)
{
    for (uint32_t at = hash & index->mask; index->slot && index->slot[at].item != WR_NONE; at = (at + 1) & index->mask)
        if (index->slot[at].item == item)
            return true;
    return false;
}

void wr_index_set(struct wr_index *index, uint32_t hash, uint32_t item, uint32_t to)
{
    uint32_t at = hash & index->mask;
    while (index->slot[at].item != item)
        at = (at + 1) & index->mask;
    index->slot[at].item = to;
}

/* Closes the gap, so that no tombstones pile up: every later item of the run that may move back
 * does. */
bool wr_index_del(struct wr_index *index, uint32_t hash, uint32_t item)
{
    struct wr_slot *slot = index->slot;
    uint32_t mask = index->mask, hole = hash & mask;
    while (slot[hole].item != item) {
        if (slot[hole].item == WR_NONE)
            return false;
        hole = (hole + 1) & mask;
    }
    index->n--;
    for (uint32_t at = (hole + 1) & mask; slot[at].item != WR_NONE; at = (at + 1) & mask) {
        uint32_t home = slot[at].tag & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            slot[hole] = slot[at];
            hole = at;
        }
    }
    slot[hole].item = WR_NONE;
    return true;
}

/* ---- pieces ---- */

enum { BLOCK_FIRST = 64 << 10 };

struct wr_slab_large {
    struct wr_slab_large *next, *prev;
    char bytes[];
};

static void *take_large(struct wr_slab *s, size_t len)
{
    struct wr_slab_large *large = malloc(sizeof *large + len + WR_SLAB_SLACK);
    if (!large)
        return NULL;
    large->prev = NULL;
    large->next = s->large;
    if (s->large)
        s->large->prev = large;
    s->large = large;
    return large->bytes;
}

void wr_slab_give_large(struct wr_slab *slab, void *piece)
{
    struct wr_slab_large *large = (struct wr_slab_large *)((char *)piece - offsetof(struct wr_slab_large, bytes));
    *(large->prev ? &large->prev->next : &slab->large) = large->next;
    if (large->next)
        large->next->prev = large->prev;
    free(large);
}

/* Blocks double up to a region; what is left of the one before is not used any more. */
static bool slab_grow(struct wr_slab *s)
{
    size_t size = s->grown < BLOCK_FIRST ? BLOCK_FIRST : s->grown > REGION ? REGION : s->grown;
    bool huge = s->grown >= HUGE_FROM;
    if (huge && s->nsmall) { /* the newest that was made before */
        make_huge(s->small);
        memcpy(&s->small, s->small, sizeof s->small);
        s->nsmall--;
    }
    char *block = size == REGION ? region_alloc(size, huge) : wr_big_alloc(size, false);
    if (!block)
        return false;
    memcpy(block, &s->blocks, sizeof s->blocks);
    s->blocks = block;
    if (size == REGION && !huge) {
        s->small = block;
        s->nsmall++;
    }
    s->at = block + LINE;
    s->left = size - LINE - WR_SLAB_SLACK;
    s->grown += size;
    return true;
}

void *wr_slab_cut(struct wr_slab *slab, size_t len)
{
    size_t size = wr_slab_size(len) * WR_SLAB_STEP;
    if (len > WR_SLAB_MAX)
        return take_large(slab, len);
    if (slab->left < size && !slab_grow(slab))
        return NULL;
    void *piece = slab->at;
    slab->at += size;
    slab->left -= size;
    return piece;
}

void wr_slab_fini(struct wr_slab *slab)
{
    while (slab->blocks) {
        void *block = slab->blocks;
        memcpy(&slab->blocks, block, sizeof slab->blocks);
        free(block);
    }
    while (slab->large)
        wr_slab_give_large(slab, slab->large->bytes);
}
