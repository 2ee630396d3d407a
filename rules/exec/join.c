#include "rules/exec/join.h"

#include "rules/exec/key.h"
#include "rules/fn/kernel.h"

#include <stdlib.h>

static const uint64_t NONE = UINT64_MAX; /* no row */

struct wr_join {
    const struct wr_op *op;
    const struct wr_hash_key *secret;
    struct wr_rows right;
    uint64_t *hash; /* of each right row */
    uint64_t cap;
    uint64_t *first, *next; /* rows of a bucket in the order in which they came; row + 1, 0 ends */
    uint64_t mask;
    uint8_t *met;           /* right rows that had a partner */
    struct wr_arena *arena; /* rows that go out */
    uint16_t nleft;         /* columns of the left side in the result */
};

/* Pairs on their way out. */
struct pairs {
    const struct wr_vec *left; /* NULL: no left side */
    uint32_t *l;
    uint64_t *r;
    uint32_t n, cap;
};

struct wr_join *wr_join_new(const struct wr_op *op, const struct wr_hash_key *secret,
                            uint32_t batch_rows)
{
    struct wr_join *j = calloc(1, sizeof *j);
    if (!j)
        return NULL;
    j->op = op;
    j->secret = secret;
    j->nleft = op->inputs[0]->schema->ncols;
    j->arena = wr_arena_new(64 * 1024);
    wr_rows_init(&j->right, op->inputs[1]->schema, batch_rows);
    if (j->arena)
        return j;
    wr_join_free(j);
    return NULL;
}

void wr_join_free(struct wr_join *join)
{
    if (!join)
        return;
    wr_rows_fini(&join->right);
    wr_arena_free(join->arena);
    free(join->hash);
    free(join->first);
    free(join->next);
    free(join->met);
    free(join);
}

size_t wr_join_bytes(const struct wr_join *join)
{
    return join->right.bytes + join->cap * 5 * sizeof(uint64_t); /* hash, next, buckets */
}

/* Keys are columns: of the left side first, then of the right. */
static bool keys_of(struct wr_eval *ev, const struct wr_op *op, uint32_t side,
                    const struct wr_chunk *chunk, struct wr_vec **ret_keys, uint64_t **ret_hash,
                    const struct wr_hash_key *secret)
{
    struct wr_vec *keys = wr_arena_alloc(ev->arena, (op->nkeys + 1) * sizeof *keys);
    uint64_t *hash = wr_arena_alloc(ev->arena, (chunk->nrows + 1) * sizeof *hash);
    if (!keys || !hash)
        return false;
    for (uint32_t k = 0; k < op->nkeys; k++)
        keys[k] = chunk->col[op->cols[side * op->nkeys + k]->col];
    wr_key_hash(secret, keys, op->nkeys, &chunk->sel, hash);
    *ret_keys = keys;
    *ret_hash = hash;
    return true;
}

enum wr_err wr_join_add(struct wr_join *join, struct wr_eval *ev, const struct wr_chunk *chunk)
{
    struct wr_vec *keys;
    uint64_t *hash;
    if (!keys_of(ev, join->op, 1, chunk, &keys, &hash, join->secret))
        return WR_ENOMEM;
    if (join->right.nrows + chunk->sel.n > join->cap) {
        uint64_t cap = 2 * (join->right.nrows + chunk->sel.n);
        uint64_t *more = realloc(join->hash, cap * sizeof *more);
        if (!more)
            return WR_ENOMEM;
        join->hash = more;
        join->cap = cap;
    }
    uint64_t at = join->right.nrows;
    WR_EACH(&chunk->sel, row)
    join->hash[at++] = hash[row];
    return wr_rows_add(&join->right, chunk->col, &chunk->sel);
}

static bool has_keys(const struct wr_join *join, uint64_t n)
{
    uint32_t row;
    const struct wr_batch *b = wr_rows_at(&join->right, n, &row);
    for (uint32_t k = 0; k < join->op->nkeys; k++)
        if (!wr_vec_valid(&b->col[join->op->cols[join->op->nkeys + k]->col], row))
            return false;
    return true;
}

enum wr_err wr_join_ready(struct wr_join *join)
{
    uint64_t n = join->right.nrows, buckets = 16;
    while (buckets < 2 * n)
        buckets *= 2;
    join->mask = buckets - 1;
    join->first = calloc(buckets, sizeof *join->first);
    join->next = calloc(n + 1, sizeof *join->next);
    join->met = calloc(n + 1, 1);
    if (!join->first || !join->next || !join->met)
        return WR_ENOMEM;
    for (uint64_t i = n; i-- > 0;) {
        if (!has_keys(join, i))
            continue;
        uint64_t *bucket = &join->first[join->hash[i] & join->mask];
        join->next[i] = *bucket;
        *bucket = i + 1;
    }
    return WR_OK;
}

static bool same(const struct wr_vec *a, uint32_t i, const struct wr_vec *b, uint32_t j)
{
    if (!wr_vec_valid(a, i) || !wr_vec_valid(b, j))
        return false;
    if (a->s)
        return wr_str_cmp(&a->s[i], &b->s[j]) == 0;
    return a->r ? a->r[i] == b->r[j] : a->i[i] == b->i[j];
}

/* The next right row of the chain `at` whose keys are those of the left row. */
static uint64_t match(const struct wr_join *join, uint64_t at, uint64_t hash,
                      const struct wr_vec *keys, uint32_t row)
{
    for (; at; at = join->next[at - 1]) {
        uint32_t r, k = 0;
        if (join->hash[at - 1] != hash)
            continue;
        const struct wr_batch *b = wr_rows_at(&join->right, at - 1, &r);
        while (k < join->op->nkeys &&
               same(&keys[k], row, &b->col[join->op->cols[join->op->nkeys + k]->col], r))
            k++;
        if (k == join->op->nkeys)
            break;
    }
    return at;
}

static void fill_column(const struct wr_join *join, const struct pairs *p, uint16_t c,
                        struct wr_vec *out)
{
    for (uint32_t i = 0; i < p->n; i++) {
        uint32_t row;
        if (c < join->nleft) {
            if (p->left)
                wr_cell_copy(&p->left[c], p->l[i], out, i);
        } else if (p->r[i] != NONE) {
            const struct wr_batch *b = wr_rows_at(&join->right, p->r[i], &row);
            wr_cell_copy(&b->col[c - join->nleft], row, out, i);
        }
    }
}

/* Makes rows of the pairs and hands them on. */
static enum wr_err flush(struct wr_join *join, struct wr_eval *ev, struct pairs *p,
                         wr_join_emit *emit, void *arg)
{
    const struct wr_schema *schema = join->op->schema;
    struct wr_arena *outer = ev->arena;
    if (!p->n)
        return WR_OK;
    ev->arena = join->arena;
    ev->nrows = p->n;
    struct wr_vec *cols = wr_arena_alloc(join->arena, (schema->ncols + 1u) * sizeof *cols);
    uint16_t *sel = wr_arena_alloc(join->arena, (p->n + 1) * sizeof *sel);
    bool ok = cols && sel;
    for (uint16_t c = 0; ok && c < schema->ncols; c++) {
        struct wr_vec *v = wr_vec_new(ev, schema->cols[c].type);
        ok = v != NULL;
        if (!ok)
            break;
        fill_column(join, p, c, v);
        cols[c] = *v;
    }
    for (uint32_t i = 0; ok && i < p->n; i++)
        sel[i] = (uint16_t)i;
    struct wr_chunk chunk = {.schema = schema, .col = cols, .nrows = p->n, .sel = {sel, p->n}, .from = p->l};
    if (ok)
        emit(arg, &chunk);
    wr_arena_reset(join->arena);
    ev->arena = outer;
    p->n = 0;
    return ok ? ev->err : WR_ENOMEM;
}

static bool pairs_init(const struct wr_join *join, struct wr_eval *ev, struct pairs *p,
                       const struct wr_vec *left)
{
    uint32_t cap = join->right.batch_rows;
    *p = (struct pairs){.left = left, .cap = cap};
    p->l = wr_arena_alloc(ev->arena, cap * sizeof *p->l);
    p->r = wr_arena_alloc(ev->arena, cap * sizeof *p->r);
    return p->l && p->r;
}

static bool wants_right(enum wr_join_kind kind)
{
    return kind == WR_JOIN_RIGHTOUTER || kind == WR_JOIN_FULLOUTER;
}

static enum wr_err probe_row(struct wr_join *join, struct wr_eval *ev, struct pairs *p,
                             uint64_t hash, const struct wr_vec *keys, uint32_t row,
                             wr_join_emit *emit, void *arg)
{
    enum wr_join_kind kind = join->op->join;
    uint64_t at = match(join, join->first[hash & join->mask], hash, keys, row);
    bool first = true;
    if (kind == WR_JOIN_INNERUNIQUE && at && join->met[at - 1])
        return WR_OK; /* a left row with these keys came before */
    if (!at && (kind == WR_JOIN_INNER || kind == WR_JOIN_INNERUNIQUE || kind == WR_JOIN_RIGHTOUTER))
        return WR_OK;
    for (; at || first; first = false) {
        p->l[p->n] = row;
        p->r[p->n++] = at ? at - 1 : NONE;
        if (at) {
            join->met[at - 1] = 1;
            at = join->op->first_only ? 0 : match(join, join->next[at - 1], hash, keys, row);
        }
        enum wr_err err = p->n == p->cap ? flush(join, ev, p, emit, arg) : WR_OK;
        if (err)
            return err;
        if (!at)
            break;
    }
    return WR_OK;
}

/* Rows pass or not, and stay as they are. */
static void probe_semi(struct wr_join *join, struct wr_chunk *chunk, const uint64_t *hash,
                       const struct wr_vec *keys)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < chunk->sel.n; k++) {
        uint16_t row = chunk->sel.row[k];
        bool met = match(join, join->first[hash[row] & join->mask], hash[row], keys, row) != 0;
        chunk->sel.row[n] = row;
        n += met == (join->op->join == WR_JOIN_SEMI);
    }
    chunk->sel.n = n;
}

enum wr_err wr_join_probe(struct wr_join *join, struct wr_eval *ev, struct wr_chunk *chunk,
                          wr_join_emit *emit, void *arg)
{
    struct wr_vec *keys;
    uint64_t *hash;
    struct pairs p;
    if (!keys_of(ev, join->op, 0, chunk, &keys, &hash, join->secret) ||
        !pairs_init(join, ev, &p, chunk->col))
        return WR_ENOMEM;
    if (join->op->join == WR_JOIN_SEMI || join->op->join == WR_JOIN_ANTI) {
        probe_semi(join, chunk, hash, keys);
        emit(arg, chunk);
        return WR_OK;
    }
    WR_EACH(&chunk->sel, row)
    {
        enum wr_err err = probe_row(join, ev, &p, hash[row], keys, row, emit, arg);
        if (err)
            return err;
    }
    return flush(join, ev, &p, emit, arg);
}

enum wr_err wr_join_rest(struct wr_join *join, struct wr_eval *ev, wr_join_emit *emit, void *arg)
{
    struct pairs p;
    if (!wants_right(join->op->join))
        return WR_OK;
    if (!pairs_init(join, ev, &p, NULL))
        return WR_ENOMEM;
    for (uint64_t i = 0; i < join->right.nrows; i++) {
        if (join->met[i])
            continue;
        p.l[p.n] = 0;
        p.r[p.n++] = i;
        enum wr_err err = p.n == p.cap ? flush(join, ev, &p, emit, arg) : WR_OK;
        if (err)
            return err;
    }
    return flush(join, ev, &p, emit, arg);
}
