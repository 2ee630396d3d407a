#include "rules/exec/apply.h"

#include "rules/exec/expand.h"
#include "rules/exec/key.h"
#include "rules/fn/kernel.h"
#include "rules/plan/apply.h"

#include <stdlib.h>

enum { ROWS = 64 }; /* of a batch in a piece: most have few */

struct wr_applier {
    const struct wr_op *op;
    const struct wr_apply *spec;
    struct wr_run *run;
    struct wr_rows given;
    struct wr_arena *arena; /* of one row's or group's results */
    const char *why;
    struct wr_span span;
    enum wr_err err;
};

static bool is_key(const struct wr_op *expand, uint16_t col)
{
    bool is = false;
    for (uint32_t k = 0; k < expand->nkeys; k++)
        is |= expand->cols[k]->col == col;
    return is;
}

struct wr_applier *wr_applier_new(const struct wr_op *op, const struct wr_rows *tables, size_t memory_bytes,
                                  uint64_t work_rows)
{
    struct wr_applier *a = calloc(1, sizeof *a);
    struct wr_run_opts opts = {.batch_rows = ROWS, .memory_bytes = memory_bytes, .tables = tables, .work_rows = work_rows};
    if (!a)
        return NULL;
    a->op = op;
    a->spec = op->data;
    a->arena = wr_arena_new(16384);
    a->run = wr_run_new(op->inputs[0], &opts);
    wr_rows_init(&a->given, a->spec->given, ROWS);
    const struct wr_op *expand = a->spec->expand;
    for (uint16_t c = 0; expand && c < expand->schema->ncols; c++) /* what the piece does not read */
        if (wr_colset_has(&expand->expanded, c) && !is_key(expand, c))
            a->given.wanted.bits[c / 64] &= ~(UINT64_C(1) << c % 64);
    if (a->arena && a->run)
        return a;
    wr_applier_free(a);
    return NULL;
}

void wr_applier_free(struct wr_applier *a)
{
    if (!a)
        return;
    wr_rows_fini(&a->given);
    wr_run_free(a->run);
    wr_arena_free(a->arena);
    free(a);
}

uint64_t wr_applier_work(const struct wr_applier *a)
{
    return wr_run_work(a->run);
}

const char *wr_applier_why(const struct wr_applier *a, struct wr_span *ret_span)
{
    *ret_span = a->span;
    return a->why;
}

/* Columns of the outer row beside those of one batch that the piece gave. */
static struct wr_vec *outer_columns(struct wr_applier *a, struct wr_eval *ev, const struct wr_chunk *outer,
                                    uint32_t row, const struct wr_batch *b)
{
    uint16_t n = a->op->schema->ncols;
    struct wr_vec *cols = wr_arena_alloc(a->arena, (n + 1u) * sizeof *cols);
    ev->nrows = b->nrows;
    for (uint16_t c = 0; cols && c < n; c++) {
        uint16_t from = a->spec->from[c];
        if (from >= WR_MAX_COLS) {
            cols[c] = b->col[from - WR_MAX_COLS];
            continue;
        }
        struct wr_vec *v = wr_vec_new(ev, a->op->schema->cols[c].type);
        if (!v)
            return NULL;
        for (uint32_t r = 0; r < b->nrows; r++)
            wr_cell_copy(&outer->col[from], row, v, r);
        cols[c] = *v;
    }
    return cols;
}

/* Runs the piece over what is given and hands its rows on. */
static enum wr_err run_piece(struct wr_applier *a, struct wr_eval *ev, const struct wr_chunk *outer, uint32_t row,
                             wr_apply_emit *emit, void *arg)
{
    const struct wr_rows *got;
    struct wr_arena *before = ev->arena;
    wr_rows_seal(&a->given);
    enum wr_err err = wr_run_go_over(a->run, ev, &a->given, &got, &a->why, &a->span);
    ev->arena = a->arena;
    for (uint32_t i = 0; !err && i < got->nbatches; i++) {
        const struct wr_batch *b = got->batch[i];
        uint16_t *sel = wr_arena_alloc(a->arena, (b->nrows + 1) * sizeof *sel);
        uint32_t *from = wr_arena_alloc(a->arena, (b->nrows + 1) * sizeof *from);
        struct wr_vec *cols = outer ? outer_columns(a, ev, outer, row, b) : b->col;
        for (uint32_t r = 0; sel && from && r < b->nrows; r++) {
            sel[r] = (uint16_t)r;
            from[r] = row;
        }
        struct wr_chunk chunk = {.schema = a->op->schema,
                                 .col = cols,
                                 .nrows = b->nrows,
                                 .sel = {sel, b->nrows},
                                 .from = outer ? from : NULL};
        if (cols && sel && from)
            emit(arg, &chunk);
        err = cols && sel && from ? ev->err : WR_ENOMEM;
        wr_arena_reset(a->arena);
    }
    ev->arena = before;
    return err;
}

static void collect(void *arg, struct wr_chunk *chunk)
{
    struct wr_applier *a = arg;
    if (!a->err)
        a->err = wr_rows_add(&a->given, chunk->col, &chunk->sel);
}

enum wr_err wr_applier_rows(struct wr_applier *a, struct wr_eval *ev, const struct wr_chunk *chunk,
                            wr_apply_emit *emit, void *arg)
{
    a->err = WR_OK;
    for (uint32_t k = 0; k < chunk->sel.n && !a->err; k++) {
        uint16_t row = chunk->sel.row[k];
        struct wr_chunk one = {.schema = chunk->schema, .col = chunk->col, .nrows = chunk->nrows, .sel = {&row, 1}};
        wr_rows_fini(&a->given);
        enum wr_err err = wr_expand(ev, a->spec->expand, &one, ROWS, a->arena, collect, a);
        wr_arena_reset(a->arena);
        if (!a->err)
            a->err = err;
        if (!a->err)
            a->err = run_piece(a, ev, chunk, row, emit, arg);
    }
    return a->err;
}

/* ---- groups ---- */

struct group {
    struct wr_buf key;
    uint64_t hash, last; /* row number + 1 */
    uint64_t first;
};

struct groups {
    struct group *at;
    uint32_t n, cap, mask;
    uint32_t *index;
    uint64_t *next; /* row number + 1 of the group's next row */
};

static bool grow(struct groups *g)
{
    uint32_t cap = g->cap ? 2 * g->cap : 16;
    struct group *at = realloc(g->at, cap * sizeof *at);
    uint32_t *index = calloc(2 * cap, sizeof *index);
    if (at)
        g->at = at;
    if (!at || !index) {
        free(index);
        return false;
    }
    free(g->index);
    g->index = index;
    g->cap = cap;
    g->mask = 2 * cap - 1;
    for (uint32_t i = 0; i < g->n; i++) {
        uint64_t h = g->at[i].hash;
        while (index[h & g->mask])
            h++;
        index[h & g->mask] = i + 1;
    }
    return true;
}

static bool add_row(struct groups *g, const struct wr_hash_key *secret, const struct wr_vec *key, uint32_t row,
                    uint64_t n)
{
    struct wr_buf packed = {0};
    wr_key_pack(key, 1, row, &packed);
    if (packed.err || (g->n == g->cap && !grow(g))) {
        wr_buf_fini(&packed);
        return false;
    }
    uint64_t hash = wr_key_hash_text(secret, (const char *)packed.data, packed.len), h = hash;
    struct group *found = NULL;
    for (; g->index[h & g->mask] && !found; h++) {
        struct group *x = &g->at[g->index[h & g->mask] - 1];
        if (x->hash == hash && x->key.len == packed.len && memcmp(x->key.data, packed.data, packed.len) == 0)
            found = x;
    }
    if (found) {
        g->next[found->last - 1] = n + 1;
        found->last = n + 1;
        wr_buf_fini(&packed);
        return true;
    }
    g->index[h & g->mask] = g->n + 1;
    g->at[g->n++] = (struct group){.key = packed, .hash = hash, .first = n + 1, .last = n + 1};
    return true;
}

static bool find_groups(struct wr_eval *ev, const struct wr_op *op, const struct wr_rows *rows, struct groups *g)
{
    struct wr_hash_key secret = {0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9};
    g->next = calloc(rows->nrows + 1, sizeof *g->next);
    uint64_t n = 0;
    for (uint32_t i = 0; g->next && i < rows->nbatches; i++) {
        const struct wr_batch *b = rows->batch[i];
        uint16_t *all = wr_arena_alloc(ev->arena, (b->nrows + 1) * sizeof *all);
        for (uint32_t r = 0; all && r < b->nrows; r++)
            all[r] = (uint16_t)r;
        ev->nrows = b->nrows;
        const struct wr_vec *key = all ? wr_ex_eval(ev, op->cols[0], b->col, &(struct wr_sel){all, b->nrows}) : NULL;
        for (uint32_t r = 0; key && r < b->nrows; r++)
            if (!add_row(g, &secret, key, r, n++))
                return false;
        if (!key)
            return false;
    }
    return g->next != NULL;
}

/* Hands the part's key to whoever asks for it in the piece; NULL `rows`: there is no part. */
static bool say_key(const struct wr_applier *a, struct wr_eval *ev, const struct wr_rows *rows, uint64_t n)
{
    uint16_t sub = a->spec->key_sub;
    enum wr_type type = a->op->cols[0]->type;
    if (sub == WR_NO_COL)
        return true;
    struct wr_value *to = &ev->subs[sub].value;
    *to = (struct wr_value){.type = type, .null = type != WR_STRING};
    if (!rows)
        return true;
    uint32_t row;
    const struct wr_batch *b = wr_rows_at(rows, n, &row);
    uint16_t at = (uint16_t)row;
    ev->nrows = b->nrows;
    const struct wr_vec *key = wr_ex_eval(ev, a->op->cols[0], b->col, &(struct wr_sel){&at, 1});
    if (key && wr_vec_valid(key, row)) {
        *to = wr_value_at(key, row);
        to->type = type;
    }
    return key != NULL;
}

static enum wr_err group_rows(struct wr_applier *a, const struct wr_rows *rows, const struct groups *g, uint32_t i)
{
    enum wr_err err = WR_OK;
    wr_rows_fini(&a->given);
    for (uint64_t n = g->at[i].first; n && !err && !a->spec->own_source; n = g->next[n - 1]) {
        uint32_t row;
        const struct wr_batch *b = wr_rows_at(rows, n - 1, &row);
        uint16_t at = (uint16_t)row;
        err = wr_rows_add(&a->given, b->col, &(struct wr_sel){&at, 1});
    }
    return err;
}

enum wr_err wr_applier_groups(struct wr_applier *a, struct wr_eval *ev, const struct wr_rows *rows,
                              wr_apply_emit *emit, void *arg)
{
    struct groups g = {0};
    a->err = find_groups(ev, a->op, rows, &g) ? WR_OK : WR_ENOMEM;
    if (!a->err && a->spec->own_source && g.n > WR_PARTS_MAX) {
        a->why = "a partition whose query has a source of its own runs for at most 64 different keys";
        a->span = a->op->span;
        a->err = WR_ELIMIT;
    }
    for (uint32_t i = 0; i < g.n && !a->err; i++) {
        a->err = say_key(a, ev, rows, g.at[i].first - 1) ? group_rows(a, rows, &g, i) : WR_ENOMEM;
        if (!a->err)
            a->err = run_piece(a, ev, NULL, 0, emit, arg);
    }
    (void)say_key(a, ev, NULL, 0); /* its text is one of the rows */
    for (uint32_t i = 0; i < g.n; i++)
        wr_buf_fini(&g.at[i].key);
    free(g.at);
    free(g.index);
    free(g.next);
    return a->err;
}
