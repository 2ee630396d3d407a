/* Cells of state: many small pieces of memory of few sizes, named by 32 bits and gone through in one order, without a
 * header each. A chunk holds cells of one size; which are taken stands in bits beside it.
 *
 *   ref = chunk << 12 | offset in words of 8 bytes        0: none
 *
 * Chunks grow with the number of cells of their size up to 32 KiB, so that a rule with three groups stays small; a cell
 * of more than 4 KiB has a chunk of its own. Once a pool holds some MiB its chunks come out of slabs of 2 MiB for which huge
 * pages are asked: cells are touched at random, and a TLB reaches few pages. Eight bytes behind every cell may be read (not
 * meant). */
#ifndef WR_RULES_STREAM_STATEPOOL_H
#define WR_RULES_STREAM_STATEPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wr_statechunk {
    uint64_t *taken; /* a bit a cell */
    uint32_t words, ncells, nfree, hint; /* words: of a cell; hint: no cell before this one is free */
    uint32_t next, prev;                 /* chunks of this size with free cells; 0: none */
    uint32_t slab;                       /* number + 1; 0: by malloc */
};

/* All zero is empty. */
struct wr_statepool {
    uint64_t **base; /* of each chunk; [0] is none. NULL: number is free */
    struct wr_statechunk *chunk;
    uint32_t nchunks, cchunks, spare; /* spare: a free number, linked by `next` */
    uint32_t empty;                   /* one chunk without cells stays: sizes that come and go cost no allocation */
    struct wr_statesize {
        uint32_t open, ncells; /* first chunk with free cells; cells there are */
        uint32_t late;         /* a cell to be freed or taken again; the next one's name stands in it */
    } *size;                   /* by words */
    uint32_t nsizes;
    struct wr_stateslab {
        char *at;
        uint64_t taken; /* a bit a chunk */
    } *slab;
    uint32_t nslabs, slab_hint; /* no slab before the hint has room */
    uint32_t nlate; /* cells to be freed */
    size_t bytes;               /* of all chunks */
};

enum { WR_STATEPOOL_UNITS = 4096, WR_STATEPOOL_SHIFT = 12 };

static inline void *wr_statepool_at(const struct wr_statepool *pool, uint32_t ref)
{
    return pool->base[ref >> WR_STATEPOOL_SHIFT] + (ref & (WR_STATEPOOL_UNITS - 1));
}

/* Bytes of the cell: what was asked for, rounded up to 8. */
static inline size_t wr_statepool_room(const struct wr_statepool *pool, uint32_t ref)
{
    return (size_t)pool->chunk[ref >> WR_STATEPOOL_SHIFT].words * 8;
}

/* Memory for what is touched at random, with any content: `size` is made a multiple of 2 MiB for which huge pages are asked when it is as much
 * or more. Of free(); NULL when out of memory. */
void *wr_state_memory(size_t size);
/* A cell of at least `size` bytes with any content; 0 when out of memory. */
uint32_t wr_statepool_alloc(struct wr_statepool *pool, size_t size);
void wr_statepool_free(struct wr_statepool *pool, uint32_t ref);
/* The same some calls later, of a cell of `size` bytes (wr_statepool_room), unless one of its size is wanted before: what says which cells
 * are taken lies all over memory, a cell that was just left is at hand. */
void wr_statepool_free_later(struct wr_statepool *pool, uint32_t ref, size_t size);
/* Frees what was to be freed later: before cells are gone through. */
void wr_statepool_settle(struct wr_statepool *pool);
/* The next cell from *cursor on, which it moves; 0 at the end. Start with 0. Cells that are taken meanwhile may come or
 * not. */
uint32_t wr_statepool_next(const struct wr_statepool *pool, uint64_t *cursor);
/* Frees all cells at once. */
void wr_statepool_fini(struct wr_statepool *pool);

#endif
