/* top-nested: each level's groups, sorted by parent and rank; then a walk down from the first
 * level. The others: each row goes down the chosen groups to where there is none; those that fall
 * out at one place are one group more. */
#include "rules/plan/nested.h"

#include "rules/exec/key.h"
#include "rules/exec/summarize.h"
#include "rules/fn/kernel.h"
#include "rules/plan/bind.h"

#include <stdlib.h>

struct entry {
    struct wr_buf key; /* of all levels down to this one */
    size_t parent;     /* its first bytes, less the null bits, are the parent's: see pack() */
    uint64_t row;
    bool chosen; /* it is in the result */
};

struct level {
    struct wr_rows rows, others;
    struct entry *e, **by_key;
    struct wr_groups *fallen; /* of `others` */
    const struct wr_nested_level *spec;
    uint32_t depth;
};

struct work {
    struct wr_eval *ev;
    const struct wr_op *op;
    const struct wr_nested *spec;
    struct level level[WR_NESTED_MAX];
    struct wr_arena *own; /* wr_groups_result() empties the run's */
    struct wr_vec *cols;  /* one row of the result */
    struct wr_rows *out;
};

/* Each key by itself, so that a parent's bytes begin its children's. */
static bool pack(const struct wr_batch *b, uint32_t row, uint32_t nkeys, struct entry *e)
{
    for (uint32_t k = 0; k < nkeys; k++) {
        e->parent = e->key.len;
        wr_key_pack(&b->col[k], 1, row, &e->key);
    }
    return !e->key.err;
}

static int bytes_cmp(const uint8_t *a, size_t n, const uint8_t *b, size_t m)
{
    size_t least = n < m ? n : m;
    int c = least ? memcmp(a, b, least) : 0;
    return c ? c : (n > m) - (n < m);
}

static int entry_cmp(const void *x, const void *y, void *arg)
{
    const struct entry *a = x, *b = y;
    const struct level *l = arg;
    uint32_t i, j;
    int c =
        bytes_cmp((const uint8_t *)a->key.data, a->parent, (const uint8_t *)b->key.data, b->parent);
    if (c)
        return c;
    const struct wr_vec *v = &wr_rows_at(&l->rows, a->row, &i)->col[l->depth + 1];
    const struct wr_vec *w = &wr_rows_at(&l->rows, b->row, &j)->col[l->depth + 1];
    bool there = wr_vec_valid(v, i), other = wr_vec_valid(w, j);
    if (there != other)
        return there ? -1 : 1;
    if (there && v->s)
        c = wr_str_cmp(&v->s[i], &w->s[j]);
    else if (there && v->r)
        c = (v->r[i] > w->r[j]) - (v->r[i] < w->r[j]);
    else if (there)
        c = (v->i[i] > w->i[j]) - (v->i[i] < w->i[j]);
    if (!l->spec->asc)
        c = -c;
    return c ? c : (a->row > b->row) - (a->row < b->row);
}

/* All rows of a batch. */
static bool chunk_of(struct work *w, const struct wr_schema *schema, const struct wr_batch *b,
                     struct wr_chunk *ret)
{
    *ret = (struct wr_chunk){.schema = schema, .col = b->col, .nrows = b->nrows};
    ret->sel.row = wr_arena_alloc(w->ev->arena, (b->nrows + 1) * sizeof *ret->sel.row);
    if (!ret->sel.row) {
        w->ev->err = WR_ENOMEM;
        return false;
    }
    for (uint32_t r = 0; r < b->nrows; r++)
        ret->sel.row[r] = (uint16_t)r;
    ret->sel.n = b->nrows;
    w->ev->nrows = b->nrows;
    return true;
}

/* What the groups give, through the map that stands over the summarize. */
static enum wr_err results(struct work *w, const struct wr_op *op, struct wr_groups *g,
                           struct wr_rows *out)
{
    struct wr_rows rows;
    struct wr_chunk chunk;
    wr_rows_init(out, op->schema, WR_BATCH_ROWS);
    if (op->kind != WR_OP_MAP) {
        enum wr_err plain = wr_groups_result(g, w->ev, out);
        wr_rows_seal(out);
        return plain;
    }
    wr_rows_init(&rows, op->input->schema, WR_BATCH_ROWS);
    enum wr_err err = wr_groups_result(g, w->ev, &rows);
    wr_rows_seal(&rows);
    for (uint32_t i = 0; i < rows.nbatches && !err; i++) {
        if (chunk_of(w, rows.schema, rows.batch[i], &chunk))
            wr_op_apply(w->ev, op, &chunk);
        err = w->ev->err ? w->ev->err : wr_rows_add(out, chunk.col, &chunk.sel);
    }
    wr_rows_fini(&rows);
    wr_rows_seal(out);
    return err;
}

/* The groups of one level. */
static enum wr_err summarize(struct work *w, struct level *l, const struct wr_rows *in)
{
    struct wr_hash_key secret = {0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9};
    struct wr_groups *g = wr_groups_new(wr_nested_sum(l->spec->sum), &secret);
    struct wr_chunk chunk;
    for (uint32_t i = 0; g && i < in->nbatches && !w->ev->err; i++)
        if (chunk_of(w, in->schema, in->batch[i], &chunk))
            wr_groups_add(g, w->ev, &chunk);
    enum wr_err err = !g           ? WR_ENOMEM
                      : w->ev->err ? w->ev->err
                                   : results(w, l->spec->sum, g, &l->rows);
    wr_groups_free(g);
    l->e = err ? NULL : calloc(l->rows.nrows + 1, sizeof *l->e);
    if (!l->e)
        return err ? err : WR_ENOMEM;
    for (uint64_t n = 0; n < l->rows.nrows; n++) {
        uint32_t row;
        const struct wr_batch *b = wr_rows_at(&l->rows, n, &row);
        l->e[n].row = n;
        if (!pack(b, row, l->depth + 1, &l->e[n]))
            return WR_ENOMEM;
    }
    qsort_r(l->e, l->rows.nrows, sizeof *l->e, entry_cmp, l);
    return WR_OK;
}

/* First entry whose parent is not before `key`. */
static uint64_t lower_bound(const struct level *l, const uint8_t *key, size_t len)
{
    uint64_t from = 0, to = l->rows.nrows;
    while (from < to) {
        uint64_t mid = from + (to - from) / 2;
        const struct entry *e = &l->e[mid];
        if (bytes_cmp((const uint8_t *)e->key.data, e->parent, key, len) < 0)
            from = mid + 1;
        else
            to = mid;
    }
    return from;
}

/* A level's two cells of the result. */
static void put_cells(struct work *w, uint32_t depth, const struct wr_vec *key,
                      const struct wr_vec *ranked, uint32_t row)
{
    wr_cell_clear(&w->cols[2 * depth], 0);
    wr_cell_clear(&w->cols[2 * depth + 1], 0);
    if (key)
        wr_cell_copy(key, row, &w->cols[2 * depth], 0);
    if (ranked)
        wr_cell_copy(ranked, row, &w->cols[2 * depth + 1], 0);
}

static void put_entry(struct work *w, uint32_t depth, const struct entry *e)
{
    uint32_t row;
    const struct wr_batch *b = wr_rows_at(&w->level[depth].rows, e->row, &row);
    put_cells(w, depth, &b->col[depth], &b->col[depth + 1], row);
}

/* NOLINTNEXTLINE(misc-no-recursion): WR_NESTED_MAX deep */
static enum wr_err walk(struct work *w, uint32_t depth, const uint8_t *key, size_t len)
{
    uint16_t zero = 0;
    if (depth == w->spec->n)
        return wr_rows_add(w->out, w->cols, &(struct wr_sel){&zero, 1});
    struct level *l = &w->level[depth];
    int64_t left = l->spec->count;
    enum wr_err err = WR_OK;
    for (uint64_t i = lower_bound(l, key, len); i < l->rows.nrows && left-- > 0 && !err; i++) {
        struct entry *e = &l->e[i];
        if (bytes_cmp((const uint8_t *)e->key.data, e->parent, key, len) != 0)
            break;
        e->chosen = true;
        put_entry(w, depth, e);
        err = walk(w, depth + 1, (const uint8_t *)e->key.data, e->key.len);
    }
    return err;
}

/* ---- others ---- */

static int entries_cmp(const void *x, const void *y)
{
    const struct entry *a = *(struct entry *const *)x, *b = *(struct entry *const *)y;
    return bytes_cmp((const uint8_t *)a->key.data, a->key.len, (const uint8_t *)b->key.data,
                     b->key.len);
}

static const struct entry *find(const struct level *l, const struct wr_buf *key)
{
    const struct entry wanted = {.key = *key}, *at = &wanted;
    struct entry *const *found =
        bsearch(&at, l->by_key, l->rows.nrows, sizeof *l->by_key, entries_cmp);
    return found ? *found : NULL;
}

/* The level at which the row falls out; the number of levels: at none. */
static uint32_t falls_at(const struct work *w, const struct wr_vec *const *keys, uint32_t row,
                         struct wr_buf *key)
{
    wr_buf_reset(key);
    for (uint32_t i = 0; i < w->spec->n; i++) {
        wr_key_pack(keys[i], 1, row, key);
        const struct entry *e = find(&w->level[i], key);
        if (!e || !e->chosen)
            return i;
    }
    return w->spec->n;
}

/* Whether any level from `depth` on shows its others. */
static bool shown(const struct work *w, uint32_t depth)
{
    while (depth < w->spec->n && !w->spec->level[depth].others)
        depth++;
    return depth < w->spec->n;
}

/* The rows of a batch that fell out, with where, and with the keys above. */
static bool fallen_of(struct work *w, const struct wr_batch *b, struct wr_chunk *chunk,
                      struct wr_buf *key)
{
    const struct wr_vec *keys[WR_NESTED_MAX];
    const struct wr_op *last = wr_nested_sum(w->level[w->spec->n - 1].spec->sum);
    uint16_t nin = w->op->input->schema->ncols, n = w->spec->fallen->ncols;
    struct wr_vec *cols = wr_arena_alloc(w->ev->arena, n * sizeof *cols);
    if (!cols || !chunk_of(w, w->spec->fallen, b, chunk))
        return false;
    memcpy(cols, b->col, nin * sizeof *cols);
    for (uint16_t c = nin; c < n; c++) {
        struct wr_vec *v = wr_vec_new(w->ev, w->spec->fallen->cols[c].type);
        if (!v)
            return false;
        cols[c] = *v;
    }
    for (uint32_t i = 0; i < w->spec->n; i++)
        if (!(keys[i] = wr_ex_eval(w->ev, last->cols[i], b->col, &chunk->sel)))
            return false;
    uint32_t left = 0;
    for (uint32_t r = 0; r < b->nrows; r++) {
        uint32_t at = falls_at(w, keys, r, key);
        if (at == w->spec->n || !shown(w, at))
            continue;
        wr_put_i(&cols[nin], r, at);
        for (uint32_t i = 0; i < at; i++)
            wr_cell_copy(keys[i], r, &cols[nin + 1 + i], r);
        chunk->sel.row[left++] = (uint16_t)r;
    }
    chunk->sel.n = left;
    chunk->col = cols;
    return !key->err;
}

/* The groups of the fallen rows: the same ones, in the same order, at every level that shows its
 * others. */
static enum wr_err count_fallen(struct work *w, const struct wr_rows *in, struct wr_buf *key)
{
    struct wr_hash_key secret = {0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9};
    struct wr_chunk chunk;
    for (uint32_t i = 0; i < w->spec->n; i++) {
        struct level *l = &w->level[i];
        l->by_key = calloc(l->rows.nrows + 1, sizeof *l->by_key);
        if (l->spec->others)
            l->fallen = wr_groups_new(wr_nested_sum(l->spec->others), &secret);
        if (!l->by_key || (l->spec->others && !l->fallen))
            return WR_ENOMEM;
        for (uint64_t n = 0; n < l->rows.nrows; n++)
            l->by_key[n] = &l->e[n];
        qsort(l->by_key, l->rows.nrows, sizeof *l->by_key, entries_cmp);
    }
    for (uint32_t b = 0; b < in->nbatches && !w->ev->err; b++) {
        if (!fallen_of(w, in->batch[b], &chunk, key))
            return WR_ENOMEM;
        for (uint32_t i = 0; i < w->spec->n && chunk.sel.n; i++)
            if (w->level[i].fallen)
                wr_groups_add(w->level[i].fallen, w->ev, &chunk);
    }
    enum wr_err err = w->ev->err;
    for (uint32_t i = 0; i < w->spec->n && !err; i++)
        if (w->level[i].fallen)
            err = results(w, w->level[i].spec->others, w->level[i].fallen, &w->level[i].others);
    return err;
}

/* Group number `n` of the fallen rows: chosen keys, then what stands for the others. */
static enum wr_err put_others(struct work *w, const struct level *first, uint64_t n,
                              struct wr_buf *key)
{
    uint16_t zero = 0;
    uint32_t row, at = 0;
    const struct wr_batch *b = wr_rows_at(&first->others, n, &row);
    int64_t fell = b->col[0].i[row];
    wr_buf_reset(key);
    for (; at < fell; at++) {
        wr_key_pack(&b->col[1 + at], 1, row, key);
        const struct entry *e = find(&w->level[at], key);
        if (!e)
            return WR_ENOMEM; /* the key could not be packed: it was found when the row fell */
        put_entry(w, at, e);
    }
    for (; at < w->spec->n; at++) {
        const struct level *l = &w->level[at];
        put_cells(w, at, NULL, NULL, 0);
        if (!l->spec->others)
            continue;
        b = wr_rows_at(&l->others, n, &row);
        put_cells(w, at, NULL, &b->col[w->spec->n + 1], row);
        wr_put_value(&w->cols[2 * at], 0, &l->spec->other);
    }
    return wr_rows_add(w->out, w->cols, &(struct wr_sel){&zero, 1});
}

static enum wr_err others(struct work *w, const struct wr_rows *in)
{
    struct wr_buf key = {0};
    struct level *first = w->level;
    if (!w->spec->fallen)
        return WR_OK;
    enum wr_err err = count_fallen(w, in, &key);
    while (!first->fallen)
        first++;
    for (uint64_t n = 0; !err && n < first->others.nrows; n++)
        err = put_others(w, first, n, &key);
    wr_buf_fini(&key);
    return err;
}

static bool result_row(struct work *w)
{
    const struct wr_schema *schema = w->op->schema;
    struct wr_arena *outer = w->ev->arena;
    w->own = wr_arena_new(4096);
    w->cols = w->own ? wr_arena_alloc(w->own, (schema->ncols + 1u) * sizeof *w->cols) : NULL;
    w->ev->arena = w->own;
    w->ev->nrows = 1;
    for (uint16_t c = 0; w->cols && c < schema->ncols; c++) {
        struct wr_vec *v = wr_vec_new(w->ev, schema->cols[c].type);
        if (v)
            w->cols[c] = *v;
    }
    w->ev->arena = outer;
    return w->cols && !w->ev->err;
}

static void level_free(struct level *l)
{
    for (uint64_t n = 0; l->e && n < l->rows.nrows; n++)
        wr_buf_fini(&l->e[n].key);
    free(l->e);
    free(l->by_key);
    wr_groups_free(l->fallen);
    if (l->others.schema)
        wr_rows_fini(&l->others);
    if (l->rows.schema)
        wr_rows_fini(&l->rows);
}

static enum wr_err run(struct wr_eval *ev, const struct wr_op *op, const struct wr_rows *in,
                       struct wr_rows *out, const char **ret_why)
{
    struct work w = {.ev = ev, .op = op, .spec = op->data, .out = out};
    enum wr_err err = WR_OK;
    (void)ret_why;
    for (uint32_t i = 0; i < w.spec->n && !err; i++) {
        w.level[i].spec = &w.spec->level[i];
        w.level[i].depth = i;
        err = summarize(&w, &w.level[i], in);
    }
    if (!err && !result_row(&w))
        err = WR_ENOMEM;
    if (!err)
        err = walk(&w, 0, (const uint8_t *)"", 0);
    if (!err)
        err = others(&w, in);
    for (uint32_t i = 0; i < w.spec->n; i++)
        level_free(&w.level[i]);
    wr_arena_free(w.own);
    return err;
}

/* The value of a level, and the aggregates that it is made of. */
static void print_ranked(const struct wr_op *op, const struct wr_schema *in, uint32_t depth,
                         struct wr_buf *out)
{
    if (op->kind == WR_OP_MAP) {
        wr_ex_print(op->cols[depth + 1], op->input->schema, out);
        wr_buf_str(out, " where ");
        op = op->input;
    }
    for (uint32_t k = 0; k < op->naggs; k++) {
        wr_buf_fmt(out, "%s%s(", k ? ", " : "", op->aggs[k].agg->name);
        for (uint32_t a = 0; a < op->aggs[k].nargs; a++) {
            wr_buf_str(out, a ? ", " : "");
            wr_ex_print(op->aggs[k].args[a], in, out);
        }
        wr_buf_char(out, ')');
    }
}

static void print(const struct wr_op *op, struct wr_buf *out)
{
    const struct wr_nested *spec = op->data;
    for (uint32_t i = 0; i < spec->n; i++) {
        const struct wr_nested_level *l = &spec->level[i];
        wr_buf_fmt(out, "%s%lld of ", i ? ", " : "", (long long)l->count);
        wr_ex_print(wr_nested_sum(l->sum)->cols[i], op->input->schema, out);
        if (l->others) {
            wr_buf_str(out, " with others = ");
            wr_value_print(&l->other, out);
        }
        wr_buf_str(out, " by ");
        print_ranked(l->sum, op->input->schema, i, out);
        wr_buf_str(out, l->asc ? " asc" : " desc");
    }
}

const struct wr_whole wr_nested_whole = {.name = "top-nested", .run = run, .print = print};
