/* Cells of state against a list of what was handed out: contents stay, no two overlap, going through them finds each one
 * once, bytes fall back to nothing. */
#include <criterion/criterion.h>

#include "rules/stream/statepool.h"

#include <stdlib.h>
#include <string.h>

enum { CELLS = 30000 };

static uint64_t prng;

static uint32_t roll(uint32_t n)
{
    prng += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = prng;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    return (uint32_t)((z ^ z >> 31) % n);
}

struct cell {
    uint32_t ref;
    size_t size;
    uint8_t fill;
    bool seen;
};

static void write_cell(struct wr_statepool *p, struct cell *c, uint32_t size_most)
{
    size_t size = roll(20) ? 1 + roll(size_most) : 1 + roll(9000);
    c->ref = wr_statepool_alloc(p, size);
    cr_assert_neq(c->ref, 0);
    cr_assert_geq(wr_statepool_room(p, c->ref), size);
    c->size = wr_statepool_room(p, c->ref);
    c->fill = (uint8_t)roll(256);
    memset(wr_statepool_at(p, c->ref), c->fill, c->size);
}

static void check_cell(const struct wr_statepool *p, const struct cell *c)
{
    const uint8_t *at = wr_statepool_at(p, c->ref);
    for (size_t i = 0; i < c->size; i++)
        cr_assert_eq(at[i], c->fill);
}

static int by_ref(const void *x, const void *y)
{
    const struct cell *a = x, *b = y;
    return (a->ref > b->ref) - (a->ref < b->ref);
}

static void check_walk(const struct wr_statepool *p, const struct cell *all)
{
    static struct cell sorted[CELLS];
    uint32_t n = 0;
    for (uint32_t i = 0; i < CELLS; i++)
        if (all[i].ref)
            sorted[n++] = all[i];
    qsort(sorted, n, sizeof *sorted, by_ref);
    uint64_t cursor = 0;
    uint32_t found = 0;
    for (uint32_t ref; (ref = wr_statepool_next(p, &cursor)) != 0; found++) {
        struct cell key = {.ref = ref}, *have = bsearch(&key, sorted, n, sizeof key, by_ref);
        cr_assert(have && !have->seen);
        have->seen = true;
    }
    cr_assert_eq(found, n);
}

/* *ret_slabs: how many there were at most. */
static void churn(uint32_t cells, uint32_t steps, uint32_t size_most, uint32_t *ret_slabs)
{
    static struct cell cell[CELLS];
    struct wr_statepool pool = {0};
    size_t most = 0;
    *ret_slabs = 0;
    memset(cell, 0, sizeof cell);
    for (uint32_t i = 0; i < steps; i++) {
        struct cell *c = &cell[roll(i < steps / 2 ? cells : cells / 10)];
        if (c->ref) {
            check_cell(&pool, c);
            if (roll(2))
                wr_statepool_free(&pool, c->ref);
            else
                wr_statepool_free_later(&pool, c->ref, c->size);
            c->ref = 0;
        } else {
            write_cell(&pool, c, size_most);
        }
        most = pool.bytes > most ? pool.bytes : most;
        *ret_slabs = pool.nslabs > *ret_slabs ? pool.nslabs : *ret_slabs;
        if (i % (steps / 6) == 0) {
            wr_statepool_settle(&pool);
            check_walk(&pool, cell);
        }
    }
    for (uint32_t i = 0; i < cells; i++)
        if (cell[i].ref) {
            check_cell(&pool, &cell[i]);
            wr_statepool_free(&pool, cell[i].ref);
        }
    wr_statepool_settle(&pool);
    cr_expect_lt(pool.bytes, most / 4, "%zu of %zu bytes are kept for nothing", pool.bytes, most);
    uint64_t cursor = 0;
    cr_expect_eq(wr_statepool_next(&pool, &cursor), 0);
    wr_statepool_fini(&pool);
}

Test(statepool, keeps_cells_apart_and_finds_each_once)
{
    uint32_t slabs;
    churn(3000, 60000, 300, &slabs);
    cr_expect_eq(slabs, 0);
}

Test(statepool, does_so_in_slabs)
{
    uint32_t slabs;
    churn(CELLS, 200000, 1500, &slabs);
    cr_expect_gt(slabs, 3);
}

Test(statepool, one_cell_takes_little)
{
    struct wr_statepool pool = {0};
    cr_assert_neq(wr_statepool_alloc(&pool, 100), 0);
    cr_expect_leq(pool.bytes, 4 * 104 + 16);
    wr_statepool_fini(&pool);
}
