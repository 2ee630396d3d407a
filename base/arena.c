#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define WR_HAVE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WR_HAVE_ASAN 1
#endif
#endif
#ifdef WR_HAVE_ASAN
#include <sanitizer/asan_interface.h>
#define poison(p, n) ASAN_POISON_MEMORY_REGION(p, n)
#define unpoison(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
enum { REDZONE = 16 };
#else
#define poison(p, n) ((void)(p), (void)(n))
#define unpoison(p, n) ((void)(p), (void)(n))
enum { REDZONE = 0 };
#endif

enum { ALIGN = 16, BLOCK_ALIGN = 64 };

struct block {
    struct block *next;
    size_t size;
    size_t used;
    _Alignas(BLOCK_ALIGN) uint8_t bytes[];
};

struct deferred {
    struct deferred *next;
    void (*fini)(void *what);
    void *what;
};

struct wr_arena {
    struct block *head;
    struct deferred *deferred;
    size_t block_size;
    size_t total_bytes;
};

static size_t round_up(size_t n, size_t align)
{
    return (n + align - 1) & ~(align - 1);
}

static struct block *block_push(struct wr_arena *arena, size_t size)
{
    size_t bytes = round_up(sizeof(struct block) + size, BLOCK_ALIGN);
    struct block *b = aligned_alloc(BLOCK_ALIGN, bytes);
    if (!b)
        return NULL;
    *b = (struct block){.next = arena->head, .size = size};
    poison(b->bytes, size);
    arena->head = b;
    arena->total_bytes += bytes;
    return b;
}

static void blocks_free(struct wr_arena *arena, struct block *b)
{
    while (b) {
        struct block *next = b->next;
        unpoison(b->bytes, b->size);
        arena->total_bytes -= round_up(sizeof *b + b->size, BLOCK_ALIGN);
        free(b);
        b = next;
    }
}

struct wr_arena *wr_arena_new(size_t block_size)
{
    struct wr_arena *arena = calloc(1, sizeof *arena);
    if (!arena)
        return NULL;
    arena->block_size = round_up(block_size, BLOCK_ALIGN);
    return arena;
}

/* Before the blocks go: the list lies in them. */
static void run_deferred(struct wr_arena *arena)
{
    for (struct deferred *d = arena->deferred; d; d = d->next)
        d->fini(d->what);
    arena->deferred = NULL;
}

void wr_arena_free(struct wr_arena *arena)
{
    if (!arena)
        return;
    run_deferred(arena);
    blocks_free(arena, arena->head);
    free(arena);
}

size_t wr_arena_bytes(const struct wr_arena *arena)
{
    return arena->total_bytes;
}

void wr_arena_reset(struct wr_arena *arena)
{
    run_deferred(arena);
#ifndef WR_ARENA_EMULATE
    /* The oldest block has the ordinary size unless its first allocation was larger. */
    struct block *keep = NULL;
    while (arena->head) {
        struct block *b = arena->head;
        arena->head = b->next;
        b->next = NULL;
        if (!keep && b->size == arena->block_size)
            keep = b;
        else
            blocks_free(arena, b);
    }
    if (keep) {
        keep->used = 0;
        poison(keep->bytes, keep->size);
        arena->head = keep;
    }
#else
    blocks_free(arena, arena->head);
    arena->head = NULL;
#endif
}

static uint8_t *arena_take(struct wr_arena *arena, size_t size, size_t align)
{
    if (size > SIZE_MAX / 4)
        return NULL;
    size_t need = size + REDZONE + align;
    struct block *b = arena->head;
#ifdef WR_ARENA_EMULATE
    b = block_push(arena, need);
#else
    if (!b || b->size - b->used < need)
        b = block_push(arena, need > arena->block_size ? need : arena->block_size);
#endif
    if (!b)
        return NULL;
    size_t at = round_up(b->used, align);
    b->used = at + size + REDZONE;
    unpoison(b->bytes + at, size);
    return b->bytes + at;
}

void *wr_arena_alloc(struct wr_arena *arena, size_t size)
{
    uint8_t *p = arena_take(arena, size, ALIGN);
    return p ? memset(p, 0, size) : NULL;
}

char *wr_arena_bytes_alloc(struct wr_arena *arena, size_t size)
{
    return (char *)arena_take(arena, size, REDZONE ? 8 : 1); /* ASan poisons in units of 8 */
}

char *wr_arena_strndup(struct wr_arena *arena, const char *text, size_t len)
{
    char *p = wr_arena_bytes_alloc(arena, len + 1);
    if (!p)
        return NULL;
    if (len)
        memcpy(p, text, len);
    p[len] = '\0';
    return p;
}

bool wr_arena_defer(struct wr_arena *arena, void (*fini)(void *what), void *what)
{
    struct deferred *d = wr_arena_alloc(arena, sizeof *d);
    if (!d)
        return false;
    *d = (struct deferred){.next = arena->deferred, .fini = fini, .what = what};
    arena->deferred = d;
    return true;
}
