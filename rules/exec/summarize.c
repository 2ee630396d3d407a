#include "rules/exec/summarize.h"

#include "rules/exec/key.h"
#include "rules/fn/kernel.h"

#include <stdlib.h>

enum { MANY = 4096 /* groups that are not all at hand */, DISTINCT_MAX = 1 << 20, RESULT_ROWS = 1024 /* groups whose results are made together */, AHEAD = 16 };

struct group {
    uint32_t hash, key_len;
    const uint8_t *key; /* packed (key.h), zeros up to a multiple of 16 */
    uint64_t nrows;
    union wr_slot *slots;
    struct wr_dset *dsets;
};

/* A place of the table: the hash is compared before the group is touched. */
struct place {
    uint32_t hash, group; /* number + 1; 0: free */
};

struct wr_groups {
    const struct wr_op *op;
    const struct wr_hash_key *secret;
    struct wr_agg_layout layout;
    struct wr_arena *arena; /* keys, states */
    struct group *group;
    uint32_t n, cap;
    struct place *index;
    uint32_t nindex;
    size_t dset_bytes;
    struct wr_packed_keys keys; /* of a block of rows */
};

struct wr_groups *wr_groups_new(const struct wr_op *op, const struct wr_hash_key *secret)
{
    struct wr_groups *g = calloc(1, sizeof *g);
    if (!g)
        return NULL;
    g->op = op;
    g->secret = secret;
    g->arena = wr_arena_new(16 * 1024);
    g->nindex = 64;
    g->index = calloc(g->nindex, sizeof *g->index);
    if (!g->arena || !g->index || !wr_agg_layout_init(&g->layout, op)) {
        wr_groups_free(g);
        return NULL;
    }
    return g;
}

void wr_groups_free(struct wr_groups *groups)
{
    if (!groups)
        return;
    for (uint32_t i = 0; i < groups->n && groups->layout.ndsets; i++)
        for (uint32_t a = 0; a < groups->layout.naggs; a++)
            if (groups->layout.agg[a].dset != WR_NO_DSET)
                wr_dset_fini(&groups->group[i].dsets[groups->layout.agg[a].dset], groups->layout.agg[a].in);
    wr_arena_free(groups->arena);
    free(groups->group);
    free(groups->index);
    wr_keys_fini(&groups->keys);
    free(groups);
}

size_t wr_groups_bytes(const struct wr_groups *groups)
{
    return wr_arena_bytes(groups->arena) + groups->cap * sizeof *groups->group +
           groups->nindex * sizeof *groups->index + groups->dset_bytes;
}

bool wr_summarize_eval(struct wr_eval *ev, const struct wr_op *op, const struct wr_chunk *chunk,
                       struct wr_vec **ret_keys, struct wr_agg_args **ret_args)
{
    struct wr_vec *keys = wr_arena_alloc(ev->arena, (op->nkeys + 1) * sizeof *keys);
    struct wr_agg_args *args = wr_arena_alloc(ev->arena, (op->naggs + 1) * sizeof *args->arg); /* no more are read */
    if (!keys || !args) {
        ev->err = WR_ENOMEM;
        return false;
    }
    for (uint32_t k = 0; k < op->nkeys; k++) {
        const struct wr_vec *v = wr_ex_eval(ev, op->cols[k], chunk->col, &chunk->sel);
        if (!v)
            return false;
        keys[k] = *v;
    }
    for (uint32_t a = 0; a < op->naggs; a++)
        for (uint32_t i = 0; i < op->aggs[a].nargs && i < 2; i++) {
            const struct wr_vec *v = wr_ex_eval(ev, op->aggs[a].args[i], chunk->col, &chunk->sel);
            if (!v)
                return false;
            args->arg[a][i] = *v;
        }
    *ret_keys = keys;
    *ret_args = args;
    return true;
}

static bool grow(struct wr_groups *g)
{
    if (g->n == g->cap) {
        uint32_t cap = g->cap ? 2 * g->cap : 32;
        struct group *list = realloc(g->group, cap * sizeof *list);
        if (!list)
            return false;
        g->group = list;
        g->cap = cap;
    }
    if (4 * (g->n + 1) <= 3 * g->nindex)
        return true;
    uint32_t n = 2 * g->nindex;
    struct place *index = calloc(n, sizeof *index);
    if (!index)
        return false;
    for (uint32_t i = 0; i < g->nindex; i++) {
        uint32_t h = g->index[i].hash;
        if (!g->index[i].group)
            continue;
        while (index[h & (n - 1)].group)
            h++;
        index[h & (n - 1)] = g->index[i];
    }
    free(g->index);
    g->index = index;
    g->nindex = n;
    return true;
}

enum { PAD = 16 };

static uint32_t padded(uint32_t len)
{
    return (len + PAD - 1) & ~(uint32_t)(PAD - 1);
}

static struct group *group_new(struct wr_groups *g, uint32_t hash, const uint8_t *key, uint32_t len)
{
    if (!grow(g))
        return NULL;
    struct group *new = &g->group[g->n];
    char *copy = wr_arena_bytes_alloc(g->arena, padded(len) + PAD);
    *new = (struct group){.hash = hash, .key = (const uint8_t *)copy, .key_len = len};
    if (g->layout.nslots)
        new->slots = wr_arena_alloc(g->arena, g->layout.nslots * sizeof *new->slots);
    if (g->layout.ndsets)
        new->dsets = wr_arena_alloc(g->arena, g->layout.ndsets * sizeof *new->dsets);
    if (!copy || (g->layout.nslots && !new->slots) || (g->layout.ndsets && !new->dsets))
        return NULL;
    memset(copy + (len & ~(uint32_t)(PAD - 1)), 0, PAD);
    if (len)
        memcpy(copy, key, len);
    uint32_t at = hash;
    while (g->index[at & (g->nindex - 1)].group)
        at++;
    g->index[at & (g->nindex - 1)] = (struct place){hash, ++g->n};
    return new;
}

/* Zeros stand behind both up to a multiple of 16. */
static bool same_key(const uint8_t *a, const uint8_t *b, uint32_t len)
{
    uint64_t x[2], y[2], other = 0;
    for (uint32_t i = 0; i < len && !other; i += PAD) {
        memcpy(x, a + i, sizeof x);
        memcpy(y, b + i, sizeof y);
        other = (x[0] ^ y[0]) | (x[1] ^ y[1]);
    }
    return !other;
}

/* Of the key at place `at` of the block. */
static struct group *group_of(struct wr_groups *g, uint32_t at)
{
    const uint8_t *key = g->keys.data + g->keys.at[at];
    uint32_t hash = g->keys.hash[at], len = g->keys.len[at];
    for (uint32_t h = hash;; h++) {
        struct place p = g->index[h & (g->nindex - 1)];
        if (!p.group)
            return group_new(g, hash, key, len);
        struct group *have = &g->group[p.group - 1];
        if (p.hash == hash && have->key_len == len && same_key(have->key, key, len))
            return have;
    }
}

/* Many groups lie far apart: what a block of rows will touch is asked for before it is needed, one step after the other. */
static void fetch_groups(const struct wr_groups *g, uint32_t n)
{
    uint32_t group[WR_KEY_BLOCK];
    for (uint32_t k = 0; k < n; k++)
        __builtin_prefetch(&g->index[g->keys.hash[k] & (g->nindex - 1)]);
    for (uint32_t k = 0; k < n; k++) {
        struct place p = g->index[g->keys.hash[k] & (g->nindex - 1)];
        group[k] = p.hash == g->keys.hash[k] ? p.group : 0;
        if (group[k])
            __builtin_prefetch(&g->group[group[k] - 1], 1);
    }
    for (uint32_t k = 0; k < n; k++) {
        if (!group[k])
            continue;
        const struct group *have = &g->group[group[k] - 1];
        __builtin_prefetch(have->key);
        if (have->slots)
            __builtin_prefetch(have->slots, 1);
    }
}

static enum wr_err add_row(struct wr_groups *g, struct group *to, const struct wr_agg_args *args,
                           uint32_t row)
{
    to->nrows++;
    if (!wr_agg_add(&g->layout, to->slots, args, row, g->arena))
        return WR_ENOMEM;
    for (uint32_t a = 0; g->layout.ndsets && a < g->layout.naggs; a++) {
        if (g->layout.agg[a].dset == WR_NO_DSET)
            continue;
        struct wr_dset *set = &to->dsets[g->layout.agg[a].dset];
        g->dset_bytes -= wr_dset_bytes(set);
        enum wr_err err = wr_agg_distinct_add(&g->layout, a, args, row, set, g->secret, 0, DISTINCT_MAX);
        g->dset_bytes += wr_dset_bytes(set);
        if (err || set->lost)
            return err ? err : WR_ELIMIT; /* a batch answers exactly or not at all */
    }
    return WR_OK;
}

void wr_groups_add(struct wr_groups *groups, struct wr_eval *ev, const struct wr_chunk *chunk)
{
    struct wr_vec *keys;
    struct wr_agg_args *args;
    if (!wr_summarize_eval(ev, groups->op, chunk, &keys, &args))
        return;
    enum wr_err err = WR_OK;
    const struct wr_sel *sel = &chunk->sel;
    for (uint32_t from = 0; from < sel->n && !err; from += WR_KEY_BLOCK) {
        struct wr_sel block = {sel->row + from, sel->n - from < WR_KEY_BLOCK ? sel->n - from : WR_KEY_BLOCK};
        if (!wr_keys_pack(groups->secret, keys, groups->op->nkeys, &block, 0, &groups->keys))
            err = WR_ENOMEM;
        if (!err && groups->n >= MANY)
            fetch_groups(groups, block.n);
        for (uint32_t k = 0; k < block.n && !err; k++) {
            struct group *to = group_of(groups, k);
            err = to ? add_row(groups, to, args, block.row[k]) : WR_ENOMEM;
        }
    }
    if (err)
        ev->err = err;
}

/* Results of at most RESULT_ROWS groups from `from` on, in columns that last until the arena's next reset; texts of keys are the
 * groups' own. NULL: out of memory. */
static struct wr_vec *some_results(struct wr_groups *groups, struct wr_eval *ev, uint32_t from, uint32_t n)
{
    const struct wr_op *op = groups->op;
    struct wr_vec *cols = wr_arena_alloc(ev->arena, (op->schema->ncols + 1u) * sizeof *cols);
    ev->nrows = n;
    for (uint16_t c = 0; cols && c < op->schema->ncols; c++) {
        struct wr_vec *v = wr_vec_new(ev, op->schema->cols[c].type);
        if (v)
            cols[c] = *v;
    }
    if (!cols || ev->err)
        return NULL;
    for (uint32_t r = 0; r < n; r++) {
        struct group *g = &groups->group[from + r];
        if (from + r + AHEAD < groups->n)
            __builtin_prefetch(groups->group[from + r + AHEAD].key);
        wr_key_unpack(g->key, cols, op->nkeys, r);
        for (uint32_t a = 0; a < op->naggs; a++) {
            const struct wr_agg_place *p = &groups->layout.agg[a];
            wr_agg_final(ev, &groups->layout, a, g->slots, g->nrows, p->dset == WR_NO_DSET ? NULL : &g->dsets[p->dset],
                         &cols[op->nkeys + a], r);
        }
    }
    return ev->err ? NULL : cols;
}

enum wr_err wr_groups_each(struct wr_groups *groups, struct wr_eval *ev, uint32_t most,
                           enum wr_err (*out)(void *arg, struct wr_chunk *chunk), void *arg)
{
    const struct wr_op *op = groups->op;
    if (op->nkeys == 0 && groups->n == 0 && !group_new(groups, 0, NULL, 0))
        return WR_ENOMEM;
    most = most < RESULT_ROWS ? most : RESULT_ROWS;
    enum wr_err err = WR_OK;
    for (uint32_t from = 0; from < groups->n && !err; from += most) {
        struct wr_chunk chunk = {.schema = op->schema, .nrows = groups->n - from < most ? groups->n - from : most};
        chunk.col = some_results(groups, ev, from, chunk.nrows);
        chunk.sel = (struct wr_sel){wr_arena_alloc(ev->arena, chunk.nrows * sizeof *chunk.sel.row), chunk.nrows};
        if (!chunk.col || !chunk.sel.row)
            return ev->err ? ev->err : WR_ENOMEM;
        for (uint32_t r = 0; r < chunk.nrows; r++)
            chunk.sel.row[r] = (uint16_t)r;
        err = out(arg, &chunk);
        wr_arena_reset(ev->arena);
    }
    return err;
}

static enum wr_err keep_rows(void *arg, struct wr_chunk *chunk)
{
    return wr_rows_add(arg, chunk->col, &chunk->sel);
}

enum wr_err wr_groups_result(struct wr_groups *groups, struct wr_eval *ev, struct wr_rows *rows)
{
    return wr_groups_each(groups, ev, RESULT_ROWS, keep_rows, rows);
}
