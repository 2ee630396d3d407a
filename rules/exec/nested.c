/* top-nested: each level's groups, sorted by parent and rank; then a walk down from the first level. */
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
};

struct level {
    struct wr_rows rows;
    struct entry *e;
    const struct wr_nested_level *spec;
    uint32_t depth;
};

struct work {
    struct wr_eval *ev;
    const struct wr_op *op;
    const struct wr_nested *spec;
    struct level level[WR_NESTED_MAX];
    struct wr_vec *cols; /* one row of the result */
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
    int c = bytes_cmp((const uint8_t *)a->key.data, a->parent, (const uint8_t *)b->key.data, b->parent);
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

/* The groups of one level. */
static enum wr_err summarize(struct work *w, struct level *l, const struct wr_rows *in)
{
    struct wr_hash_key secret = {0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9};
    struct wr_groups *g = wr_groups_new(l->spec->sum, &secret);
    for (uint32_t i = 0; g && i < in->nbatches && !w->ev->err; i++) {
        const struct wr_batch *b = in->batch[i];
        uint16_t *all = wr_arena_alloc(w->ev->arena, (b->nrows + 1) * sizeof *all);
        for (uint32_t r = 0; all && r < b->nrows; r++)
            all[r] = (uint16_t)r;
        struct wr_chunk chunk = {.schema = in->schema, .col = b->col, .nrows = b->nrows, .sel = {all, b->nrows}};
        w->ev->nrows = b->nrows;
        if (all)
            wr_groups_add(g, w->ev, &chunk);
        else
            w->ev->err = WR_ENOMEM;
    }
    enum wr_err err = !g ? WR_ENOMEM : w->ev->err ? w->ev->err : wr_groups_result(g, w->ev, &l->rows);
    wr_groups_free(g);
    wr_rows_seal(&l->rows);
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
        const struct entry *e = &l->e[i];
        uint32_t row;
        if (bytes_cmp((const uint8_t *)e->key.data, e->parent, key, len) != 0)
            break;
        const struct wr_batch *b = wr_rows_at(&l->rows, e->row, &row);
        wr_cell_clear(&w->cols[2 * depth], 0);
        wr_cell_clear(&w->cols[2 * depth + 1], 0);
        wr_cell_copy(&b->col[depth], row, &w->cols[2 * depth], 0);
        wr_cell_copy(&b->col[depth + 1], row, &w->cols[2 * depth + 1], 0);
        err = walk(w, depth + 1, (const uint8_t *)e->key.data, e->key.len);
    }
    return err;
}

static enum wr_err run(struct wr_eval *ev, const struct wr_op *op, const struct wr_rows *in, struct wr_rows *out,
                       const char **ret_why)
{
    struct work w = {.ev = ev, .op = op, .spec = op->data, .out = out};
    enum wr_err err = WR_OK;
    (void)ret_why;
    for (uint32_t i = 0; i < w.spec->n && !err; i++) {
        struct level *l = &w.level[i];
        l->spec = &w.spec->level[i];
        l->depth = i;
        wr_rows_init(&l->rows, l->spec->sum->schema, WR_BATCH_ROWS);
        err = summarize(&w, l, in);
    }
    w.cols = wr_arena_alloc(ev->arena, (op->schema->ncols + 1u) * sizeof *w.cols);
    ev->nrows = 1;
    for (uint16_t c = 0; w.cols && c < op->schema->ncols; c++) {
        struct wr_vec *v = wr_vec_new(ev, op->schema->cols[c].type);
        if (v)
            w.cols[c] = *v;
    }
    if (!w.cols || ev->err)
        err = WR_ENOMEM;
    if (!err)
        err = walk(&w, 0, (const uint8_t *)"", 0);
    for (uint32_t i = 0; i < w.spec->n; i++) {
        for (uint64_t n = 0; w.level[i].e && n < w.level[i].rows.nrows; n++)
            wr_buf_fini(&w.level[i].e[n].key);
        free(w.level[i].e);
        if (w.level[i].spec)
            wr_rows_fini(&w.level[i].rows);
    }
    return err;
}

static void print(const struct wr_op *op, struct wr_buf *out)
{
    const struct wr_nested *spec = op->data;
    for (uint32_t i = 0; i < spec->n; i++) {
        const struct wr_nested_level *l = &spec->level[i];
        wr_buf_fmt(out, "%s%lld of ", i ? ", " : "", (long long)l->count);
        wr_ex_print(l->sum->cols[i], op->input->schema, out);
        wr_buf_fmt(out, " by %s(", l->sum->aggs[0].agg->name);
        for (uint32_t a = 0; a < l->sum->aggs[0].nargs; a++) {
            wr_buf_str(out, a ? ", " : "");
            wr_ex_print(l->sum->aggs[0].args[a], op->input->schema, out);
        }
        wr_buf_str(out, l->asc ? ") asc" : ") desc");
    }
}

const struct wr_whole wr_nested_whole = {.name = "top-nested", .run = run, .print = print};
