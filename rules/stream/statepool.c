#include "rules/stream/statepool.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { MIN_CELLS = 4, OWN_WORDS = 512, MAX_CHUNKS = 1 << 20, LATE_MOST = 256 };
enum { HUGE_PAGE = 2 << 20, SLABS_FROM = 4 << 20 };
/* A chunk of the largest size in a slab: its cells, a word behind them, a bit each; of whole cache lines. */
enum { SLOT = (WR_STATEPOOL_UNITS * 8 + 8 + WR_STATEPOOL_UNITS / 8 + 63) / 64 * 64, SLOTS = HUGE_PAGE / SLOT };
_Static_assert(SLOTS < 64, "a slab's chunks are bits of a word");

void *wr_state_memory(size_t size)
{
    size_t unit = size < HUGE_PAGE ? 64 : HUGE_PAGE;
    size = (size + unit - 1) / unit * unit;
    void *p = aligned_alloc(unit, size);
    if (p && unit == HUGE_PAGE)
        (void)madvise(p, size, MADV_HUGEPAGE); /* where there are none it is as before */
    return p;
}

/* Room for a chunk in a slab; *ret_slab: its number + 1. NULL when out of memory. */
static uint64_t *slot_take(struct wr_statepool *p, uint32_t *ret_slab)
{
    const uint64_t full = (UINT64_C(1) << SLOTS) - 1;
    uint32_t i = p->slab_hint;
    while (i < p->nslabs && (!p->slab[i].at || p->slab[i].taken == full))
        i++;
    p->slab_hint = i;
    if (i == p->nslabs) {
        struct wr_stateslab *slab = realloc(p->slab, (i + 1) * sizeof *slab);
        if (!slab)
            return NULL;
        p->slab = slab;
        slab[i] = (struct wr_stateslab){.at = wr_state_memory(HUGE_PAGE)};
        if (!slab[i].at)
            return NULL;
        p->nslabs++;
    }
    uint32_t k = (uint32_t)__builtin_ctzll(~p->slab[i].taken);
    p->slab[i].taken |= UINT64_C(1) << k;
    *ret_slab = i + 1;
    return (uint64_t *)(p->slab[i].at + (size_t)k * SLOT);
}

static void slot_free(struct wr_statepool *p, uint32_t slab, uint64_t *base)
{
    struct wr_stateslab *s = &p->slab[slab - 1];
    s->taken &= ~(UINT64_C(1) << ((size_t)((char *)base - s->at) / SLOT));
    if (s->taken) {
        p->slab_hint = slab - 1 < p->slab_hint ? slab - 1 : p->slab_hint;
        return;
    }
    free(s->at);
    s->at = NULL;
    while (p->nslabs && !p->slab[p->nslabs - 1].at)
        p->nslabs--;
    p->slab_hint = p->slab_hint < p->nslabs ? p->slab_hint : p->nslabs;
}

static bool sizes_room(struct wr_statepool *p, uint32_t words)
{
    if (words < p->nsizes)
        return true;
    uint32_t n = words + 8 < OWN_WORDS ? words + 8 : OWN_WORDS + 1;
    struct wr_statesize *size = realloc(p->size, n * sizeof *size);
    if (!size)
        return false;
    memset(size + p->nsizes, 0, (n - p->nsizes) * sizeof *size);
    p->size = size;
    p->nsizes = n;
    return true;
}

/* A free chunk number; 0: out of memory. */
static uint32_t number(struct wr_statepool *p)
{
    if (p->spare) {
        uint32_t c = p->spare;
        p->spare = p->chunk[c].next;
        return c;
    }
    if (p->nchunks == p->cchunks) {
        uint32_t cap = p->cchunks ? 2 * p->cchunks : 8;
        uint64_t **base = cap <= MAX_CHUNKS ? realloc(p->base, cap * sizeof(uint64_t *)) : NULL;
        if (base)
            p->base = base;
        struct wr_statechunk *chunk = base ? realloc(p->chunk, cap * sizeof *chunk) : NULL;
        if (!chunk)
            return 0;
        p->chunk = chunk;
        p->cchunks = cap;
        if (p->nchunks == 0) {
            p->base[0] = NULL;
            p->chunk[0] = (struct wr_statechunk){0};
            p->nchunks = 1;
        }
    }
    return p->nchunks++;
}

static void number_back(struct wr_statepool *p, uint32_t c)
{
    p->base[c] = NULL;
    p->chunk[c] = (struct wr_statechunk){.next = p->spare};
    p->spare = c;
}

/* Chunks with free cells: a list a size. */
static void open_chunk(struct wr_statepool *p, uint32_t c)
{
    struct wr_statechunk *k = &p->chunk[c];
    uint32_t *head = &p->size[k->words].open;
    k->prev = 0;
    k->next = *head;
    if (*head)
        p->chunk[*head].prev = c;
    *head = c;
}

static void close_chunk(struct wr_statepool *p, uint32_t c)
{
    struct wr_statechunk *k = &p->chunk[c];
    if (k->prev)
        p->chunk[k->prev].next = k->next;
    else
        p->size[k->words].open = k->next;
    if (k->next)
        p->chunk[k->next].prev = k->prev;
}

static size_t chunk_bytes(const struct wr_statechunk *k)
{
    return ((size_t)k->ncells * k->words + 1 + (k->ncells + 63) / 64) * 8;
}

static uint32_t chunk_new(struct wr_statepool *p, uint32_t words)
{
    bool own = words > OWN_WORDS;
    uint32_t c = number(p), n = 1;
    if (!c)
        return 0;
    if (!own) {
        n = p->size[words].ncells;
        n = n < MIN_CELLS ? MIN_CELLS : n;
        n = n * words > WR_STATEPOOL_UNITS ? WR_STATEPOOL_UNITS / words : n;
    }
    struct wr_statechunk *k = &p->chunk[c];
    *k = (struct wr_statechunk){.words = words, .ncells = n, .nfree = n};
    bool huge = !own && p->bytes >= SLABS_FROM;
    uint64_t *base = huge ? slot_take(p, &k->slab) : malloc(chunk_bytes(k));
    if (!base) {
        number_back(p, c);
        return 0;
    }
    k->taken = base + (size_t)n * words + 1;
    memset(k->taken, 0, (n + 63) / 64 * 8);
    base[(size_t)n * words] = 0;
    p->base[c] = base;
    p->bytes += chunk_bytes(k);
    if (!own) {
        p->size[words].ncells += n;
        open_chunk(p, c);
    }
    return c;
}

uint32_t wr_statepool_alloc(struct wr_statepool *pool, size_t size)
{
    uint32_t words = (uint32_t)((size + 7) / 8);
    bool own = words > OWN_WORDS;
    if (words < pool->nsizes && pool->size[words].late) {
        uint32_t ref = pool->size[words].late;
        memcpy(&pool->size[words].late, wr_statepool_at(pool, ref), sizeof ref);
        pool->nlate--;
        return ref;
    }
    if (size > UINT32_MAX / 2 || (!own && !sizes_room(pool, words)))
        return 0;
    uint32_t c = own ? 0 : pool->size[words].open;
    if (!c && !(c = chunk_new(pool, words)))
        return 0;
    struct wr_statechunk *k = &pool->chunk[c];
    uint32_t w = k->hint / 64;
    while (k->taken[w] == UINT64_MAX)
        w++;
    uint32_t cell = 64 * w + (uint32_t)__builtin_ctzll(~k->taken[w]);
    WR_ASSERT(cell < k->ncells);
    k->taken[w] |= UINT64_C(1) << (cell % 64);
    k->hint = cell + 1 < k->ncells ? cell + 1 : cell;
    if (--k->nfree == 0 && !own)
        close_chunk(pool, c);
    return c << WR_STATEPOOL_SHIFT | cell * words;
}

/* Of a chunk without cells. */
static void drop(struct wr_statepool *p, uint32_t c)
{
    struct wr_statechunk *k = &p->chunk[c];
    if (k->words <= OWN_WORDS) {
        close_chunk(p, c);
        p->size[k->words].ncells -= k->ncells;
    }
    p->bytes -= chunk_bytes(k);
    if (k->slab)
        slot_free(p, k->slab, p->base[c]);
    else
        free(p->base[c]);
    number_back(p, c);
}

void wr_statepool_free(struct wr_statepool *pool, uint32_t ref)
{
    uint32_t c = ref >> WR_STATEPOOL_SHIFT;
    struct wr_statechunk *k = &pool->chunk[c];
    uint32_t cell = (ref & (WR_STATEPOOL_UNITS - 1)) / k->words;
    bool own = k->words > OWN_WORDS;
    k->taken[cell / 64] &= ~(UINT64_C(1) << (cell % 64));
    if (cell < k->hint)
        k->hint = cell;
    if (k->nfree++ == 0 && !own)
        open_chunk(pool, c);
    if (k->nfree < k->ncells)
        return;
    uint32_t before = pool->empty;
    pool->empty = own ? before : c;
    if (own)
        drop(pool, c);
    else if (before && before != c && pool->base[before] && pool->chunk[before].nfree == pool->chunk[before].ncells)
        drop(pool, before);
}

/* Frees the late cells of a size, some at a time, so that their misses overlap. */
static void settle_size(struct wr_statepool *p, uint32_t words)
{
    enum { SOME = 16 };
    uint32_t ref = p->size[words].late, some[SOME];
    p->size[words].late = 0;
    while (ref) {
        uint32_t n = 0;
        for (; ref && n < SOME; n++) {
            some[n] = ref;
            __builtin_prefetch(&p->chunk[ref >> WR_STATEPOOL_SHIFT]);
            memcpy(&ref, wr_statepool_at(p, ref), sizeof ref);
        }
        for (uint32_t i = 0; i < n; i++)
            __builtin_prefetch(p->chunk[some[i] >> WR_STATEPOOL_SHIFT].taken + (some[i] & (WR_STATEPOOL_UNITS - 1)) / words / 64);
        for (uint32_t i = 0; i < n; i++)
            wr_statepool_free(p, some[i]);
    }
}

void wr_statepool_settle(struct wr_statepool *pool)
{
    for (uint32_t words = 0; pool->nlate && words < pool->nsizes; words++)
        if (pool->size[words].late)
            settle_size(pool, words);
    pool->nlate = 0;
}

void wr_statepool_free_later(struct wr_statepool *pool, uint32_t ref, size_t size)
{
    uint32_t words = (uint32_t)(size / 8);
    if (words > OWN_WORDS) {
        wr_statepool_free(pool, ref);
        return;
    }
    if (pool->nlate == LATE_MOST)
        wr_statepool_settle(pool);
    memcpy(wr_statepool_at(pool, ref), &pool->size[words].late, sizeof ref);
    pool->size[words].late = ref;
    pool->nlate++;
}

uint32_t wr_statepool_next(const struct wr_statepool *pool, uint64_t *cursor)
{
    uint32_t c = (uint32_t)(*cursor >> 32), cell = (uint32_t)*cursor;
    for (; c < pool->nchunks; c++, cell = 0) {
        const struct wr_statechunk *k = &pool->chunk[c];
        if (!pool->base[c])
            continue;
        while (cell < k->ncells) {
            uint64_t rest = k->taken[cell / 64] >> (cell % 64);
            if (!rest) {
                cell = (cell / 64 + 1) * 64;
                continue;
            }
            cell += (uint32_t)__builtin_ctzll(rest);
            *cursor = (uint64_t)c << 32 | (cell + 1);
            return c << WR_STATEPOOL_SHIFT | cell * k->words;
        }
    }
    *cursor = (uint64_t)c << 32;
    return 0;
}

void wr_statepool_fini(struct wr_statepool *pool)
{
    for (uint32_t c = 1; c < pool->nchunks; c++)
        if (!pool->chunk[c].slab)
            free(pool->base[c]);
    for (uint32_t i = 0; i < pool->nslabs; i++)
        free(pool->slab[i].at);
    free(pool->slab);
    free(pool->base);
    free(pool->chunk);
    free(pool->size);
    *pool = (struct wr_statepool){0};
}
