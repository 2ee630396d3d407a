#ifndef WR_BASE_ARENA_H
#define WR_BASE_ARENA_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* Bump allocator with one owner and one lifetime: everything handed out dies at wr_arena_reset().
 * A reset keeps the first block, so a batch that is used again does not allocate.
 * With WR_ARENA_EMULATE each allocation is its own malloc, so ASan sees every overrun. */
struct wr_arena;

struct wr_arena *wr_arena_new(size_t block_size);
void wr_arena_free(struct wr_arena *arena);
void wr_arena_reset(struct wr_arena *arena);

/* Bytes obtained from the system, for budgets. */
size_t wr_arena_bytes(const struct wr_arena *arena);

/* Zeroed memory aligned to 16 bytes, owned by the arena; NULL when out of memory. */
void *wr_arena_alloc(struct wr_arena *arena, size_t size) WR_MUST_CHECK;

/* As wr_arena_alloc, not zeroed and with alignment 1: text. */
char *wr_arena_bytes_alloc(struct wr_arena *arena, size_t size) WR_MUST_CHECK;

/* Calls `fini(what)` when the arena is reset or freed, the last one first: for what an arena's owner holds outside
 * of its memory. False when out of memory; `what` then stays the caller's. */
bool wr_arena_defer(struct wr_arena *arena, void (*fini)(void *what), void *what) WR_MUST_CHECK;

/* NUL-terminated copy of `len` bytes; NULL when out of memory. */
char *wr_arena_strndup(struct wr_arena *arena, const char *text, size_t len) WR_MUST_CHECK;

#endif
