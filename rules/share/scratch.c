#include "rules/share/scratch.h"

#include <stdlib.h>

enum { BATCH_ARENA = 64 * 1024, ROW_ARENA = 16 * 1024, LEAST = 1024 };

/* The largest first: who asked when it was smaller keeps what was there. */
struct wr_scratch_area {
    struct wr_scratch_area *smaller;
    size_t size;
    _Alignas(64) uint8_t bytes[];
};

struct wr_scratch *wr_scratch_new(void)
{
    struct wr_scratch *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->batch = wr_arena_new(BATCH_ARENA);
    s->row = wr_arena_new(ROW_ARENA);
    s->shared = wr_arena_new(BATCH_ARENA);
    if (s->batch && s->row && s->shared)
        return s;
    wr_scratch_free(s);
    return NULL;
}

void wr_scratch_free(struct wr_scratch *scratch)
{
    if (!scratch)
        return;
    for (int i = 0; i < WR_SCRATCH_PIECES; i++)
        for (struct wr_scratch_area *a = scratch->area[i], *next; a; a = next) {
            next = a->smaller;
            free(a);
        }
    wr_arena_free(scratch->batch);
    wr_arena_free(scratch->row);
    wr_arena_free(scratch->shared);
    wr_keys_fini(&scratch->keys);
    free(scratch);
}

void *wr_scratch_take(struct wr_scratch *scratch, enum wr_scratch_piece piece, size_t size)
{
    struct wr_scratch_area **largest = &scratch->area[piece];
    size_t room = *largest ? (*largest)->size : LEAST;
    if (*largest && size <= room)
        return (*largest)->bytes;
    while (room < size)
        room *= 2;
    struct wr_scratch_area *a = aligned_alloc(64, (sizeof *a + room + 63) & ~(size_t)63);
    if (!a)
        return NULL;
    *a = (struct wr_scratch_area){.smaller = *largest, .size = room};
    *largest = a;
    return a->bytes;
}
