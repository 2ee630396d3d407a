/* What the table keeps its things in, against plain models. */
#include "conn_kit.h"

#include "parsers/conn/pool.h"

#include <stdlib.h>

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* Pieces of every size, taken and given back in any order: none overlaps another, none loses what was written into it. */
Test(pool, pieces)
{
    enum { N = 600, ROUNDS = 40000 };
    static struct {
        uint8_t *at;
        size_t len;
        uint8_t mark;
    } piece[N];
    struct wr_slab slab = {0};
    uint32_t state = 7;
    for (uint32_t r = 0; r < ROUNDS; r++) {
        uint32_t i = next_random(&state) % N;
        if (piece[i].at) {
            for (size_t k = 0; k < piece[i].len; k++)
                cr_assert_eq(piece[i].at[k], piece[i].mark);
            wr_slab_give(&slab, piece[i].at, piece[i].len);
            piece[i].at = NULL;
            continue;
        }
        piece[i].len = next_random(&state) % (r % 7 ? 300 : 2 * WR_SLAB_MAX);
        piece[i].mark = (uint8_t)r;
        piece[i].at = wr_slab_take(&slab, piece[i].len);
        cr_assert_not_null(piece[i].at);
        cr_assert_eq((uintptr_t)piece[i].at % 8, 0);
        memset(piece[i].at, piece[i].mark, piece[i].len);
    }
    wr_slab_give(&slab, NULL, 5);
    wr_slab_fini(&slab);
}

/* What is given back is used again: memory does not grow with what has gone. */
Test(pool, pieces_are_used_again)
{
    struct wr_slab slab = {0};
    for (int r = 0; r < 100000; r++) {
        void *a = wr_slab_take(&slab, 100), *b = wr_slab_take(&slab, 112);
        cr_assert(a && b && a != b);
        wr_slab_give(&slab, a, 100);
        wr_slab_give(&slab, b, 112);
    }
    cr_assert_leq(slab.grown, 64u << 10);
    wr_slab_fini(&slab);
}

/* Elements keep their place over the first small blocks and the large ones, and begin lines where their size is of lines. */
Test(pool, elements)
{
    enum { N = 40000 };
    struct wr_pool pool = {.size = 192, .free = WR_NONE};
    for (uint32_t i = 0; i < N; i++) {
        cr_assert_eq(wr_pool_take(&pool), i);
        cr_assert_eq((uintptr_t)wr_pool_at(&pool, i) % 64, 0);
        memcpy(wr_pool_at(&pool, i), &i, sizeof i);
    }
    for (uint32_t i = 0; i < N; i++)
        cr_assert_eq(memcmp(wr_pool_at(&pool, i), &i, sizeof i), 0);
    wr_pool_give(&pool, 5);
    cr_assert_eq(wr_pool_take(&pool), 5);
    wr_pool_fini(&pool);
}

/* An index with many equal hashes, against a list. */
Test(pool, index)
{
    enum { N = 5000 };
    static uint32_t hash[N];
    static bool in[N];
    struct wr_index index = {0};
    uint32_t state = 3, pos, item;
    for (uint32_t r = 0; r < 60000; r++) {
        uint32_t i = next_random(&state) % N;
        if (in[i]) {
            cr_assert(wr_index_has(&index, hash[i], i));
            wr_index_del(&index, hash[i], i);
        } else {
            hash[i] = next_random(&state) % 900 * 7919;
            cr_assert(wr_index_put(&index, hash[i], i));
        }
        in[i] = !in[i];
    }
    for (uint32_t i = 0; i < N; i++) {
        pos = hash[i];
        while ((item = wr_index_next(&index, hash[i], &pos)) != WR_NONE && item != i)
            cr_assert_eq(hash[item], hash[i]);
        cr_assert_eq(item == i, in[i]);
    }
    free(index.slot);
}

static struct wr_flow flow_from(uint16_t port, int64_t at_ms)
{
    struct wr_flow f = flow(true, at_ms, at_ms, ALL, 100);
    f.sport = port;
    return f;
}

/* Rows are found by id long after thousands of younger ones came and went, also in a state that was loaded. */
Test(pool, rows_by_id)
{
    enum { LIVE = 64, COME = 5000 };
    struct kit *k = kit_new((struct wr_conn_opts){.max_connections = LIVE, .orphans = WR_ORPHANS_EVENTS, .pair_ns = 1});
    struct wr_buf text = {0}, state = {0};
    for (uint32_t i = 0; i < COME; i++) {
        struct wr_flow f = flow_from((uint16_t)(10000 + i), i), first = flow_from(9999, i);
        first.tcp_flags = ACK | PSH;
        cr_assert_eq(wr_conn_flow(k->conn, &first, T0 + i * MS), WR_OK); /* the first connection goes on all the time */
        cr_assert_eq(wr_conn_flow(k->conn, &f, T0 + i * MS), WR_OK);
        if (i % 500 == 499)
            do
                cr_assert(wr_batch_reset(k->out));
            while (wr_conn_drain(k->conn, WR_TABLE_DEVICE_NETWORK_EVENTS, k->out));
    }
    cr_assert_eq(wr_conn_stats(k->conn)->live, LIVE);
    struct wr_conn *copy = wr_conn_new(&k->opts);
    wr_conn_save(k->conn, &state);
    cr_assert_eq(wr_conn_load(copy, state.data, state.len), WR_OK);
    uint32_t found[2] = {0, 0};
    for (uint64_t id = 1; id <= COME + 1; id++) {
        wr_buf_reset(&text);
        found[0] += wr_conn_sample(k->conn, id, &text);
        found[1] += wr_conn_sample(copy, id, &text);
    }
    cr_assert(wr_conn_sample(k->conn, 1, &text), "the first connection's row");
    cr_assert(wr_conn_sample(copy, 1, &text));
    cr_assert_geq(found[0], LIVE - 1, "%u", found[0]);
    cr_assert_eq(found[0], found[1]);
    wr_buf_fini(&text);
    wr_buf_fini(&state);
    wr_conn_free(copy);
    kit_free(k);
}
