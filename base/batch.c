#include "base/batch.h"

#include "base/buf.h"
#include "base/str_short.h"

#include <stdlib.h>

/* The arena's blocks: about what the rows need, so that thousands of small batches (a query's result at
 * --batch-rows 1) do not each hold a large one. */
enum { BATCH_BLOCK = 256 * 1024, BATCH_BLOCK_MIN = 4096, ROW_BYTES = 256 };

static bool vec_carve(struct wr_batch *b, uint16_t c)
{
    struct wr_vec *v = &b->col[c];
    v->type = b->schema->cols[c].type;
    if (!wr_colset_has(&b->wanted, c) || b->schema->cols[c].store != c)
        return true;
    if (wr_type_is_str(v->type))
        v->s = wr_arena_alloc(b->arena, b->cap * sizeof *v->s);
    else if (v->type == WR_REAL)
        v->r = wr_arena_alloc(b->arena, b->cap * sizeof *v->r);
    else
        v->i = wr_arena_alloc(b->arena, b->cap * sizeof *v->i);
    if (!v->s && !v->r && !v->i)
        return false;
    if (v->type == WR_STRING)
        return true; /* a string is never null */
    v->valid = wr_arena_alloc(b->arena, (b->cap + 63) / 64 * sizeof *v->valid);
    return v->valid != NULL;
}

static bool batch_carve(struct wr_batch *b)
{
    b->nrows = 0;
    b->sealed = false;
    b->col = wr_arena_alloc(b->arena, (size_t)b->schema->ncols * sizeof *b->col);
    b->sel = (struct wr_sel){.row = wr_arena_alloc(b->arena, b->cap * sizeof *b->sel.row)};
    if (!b->col || !b->sel.row)
        return false;
    for (uint16_t c = 0; c < b->schema->ncols; c++)
        if (!vec_carve(b, c))
            return false;
    for (uint16_t c = 0; c < b->schema->ncols; c++)
        if (b->schema->cols[c].store != c)
            b->col[c] = b->col[b->schema->cols[c].store];
    return true;
}

struct wr_batch *wr_batch_new(const struct wr_schema *schema, const struct wr_colset *wanted, uint32_t cap)
{
    WR_ASSERT(cap >= 1 && cap <= WR_BATCH_MAX_ROWS);
    struct wr_batch *b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->schema = schema;
    b->wanted = *wanted;
    b->cap = cap;
    size_t block = (size_t)cap * ROW_BYTES;
    block = block > BATCH_BLOCK ? BATCH_BLOCK : block < BATCH_BLOCK_MIN ? BATCH_BLOCK_MIN : block;
    b->arena = wr_arena_new(block);
    if (!b->arena || !batch_carve(b)) {
        wr_batch_free(b);
        return NULL;
    }
    return b;
}

void wr_batch_free(struct wr_batch *batch)
{
    if (!batch)
        return;
    wr_arena_free(batch->arena);
    free(batch);
}

bool wr_batch_reset(struct wr_batch *batch)
{
    wr_arena_reset(batch->arena);
    return batch_carve(batch);
}

uint32_t wr_batch_row(struct wr_batch *batch)
{
    WR_ASSERT(!batch->sealed && batch->nrows < batch->cap);
    return batch->nrows++;
}

void wr_batch_unrow(struct wr_batch *batch)
{
    WR_ASSERT(!batch->sealed && batch->nrows > 0);
    uint32_t r = --batch->nrows;
    for (uint16_t c = 0; c < batch->schema->ncols; c++) {
        struct wr_vec *v = &batch->col[c];
        if (v->valid)
            v->valid[r / 64] &= ~(UINT64_C(1) << (r % 64));
        if (v->s)
            v->s[r] = (struct wr_str){0};
        if (v->i)
            v->i[r] = 0;
    }
}

void wr_batch_set_i64(struct wr_batch *batch, uint16_t col, uint32_t row, int64_t v)
{
    struct wr_vec *vec = &batch->col[col];
    if (!vec->i)
        return;
    vec->i[row] = v;
    wr_vec_set_valid(vec, row);
}

void wr_batch_set_real(struct wr_batch *batch, uint16_t col, uint32_t row, double v)
{
    struct wr_vec *vec = &batch->col[col];
    if (!vec->r)
        return;
    vec->r[row] = v;
    wr_vec_set_valid(vec, row);
}

bool wr_batch_set_str(struct wr_batch *batch, uint16_t col, uint32_t row, const char *text, size_t len)
{
    struct wr_vec *vec = &batch->col[col];
    if (!vec->s)
        return true;
    wr_vec_set_valid(vec, row);
    return wr_str_copy(batch->arena, text, len, &vec->s[row]);
}

void wr_batch_seal(struct wr_batch *batch)
{
    WR_ASSERT(!batch->sealed);
    for (uint32_t i = 0; i < batch->nrows; i++)
        batch->sel.row[i] = (uint16_t)i;
    batch->sel.n = batch->nrows;
    batch->sealed = true;
}

static void put_le(char *at, uint64_t v, int n)
{
    for (int i = 0; i < n; i++)
        at[i] = (char)(v >> (8 * i));
}

static void pack_col(const struct wr_batch *batch, uint16_t c, uint32_t row, struct wr_buf *out)
{
    const struct wr_vec *v = &batch->col[c];
    if (!wr_vec_valid(v, row))
        return;
    if (v->s) {
        const struct wr_str *s = &v->s[row];
        if (v->type == WR_STRING && s->len == 0)
            return;
        char *at = wr_buf_room(out, (size_t)s->len + 6);
        if (!at)
            return;
        put_le(at, c, 2);
        put_le(at + 2, s->len, 4);
        if (s->len)
            memcpy(at + 6, wr_str_data(s), s->len);
        out->len += (size_t)s->len + 6;
    } else if (v->i || v->r) {
        uint64_t bits;
        memcpy(&bits, v->i ? (void *)&v->i[row] : (void *)&v->r[row], sizeof bits);
        char *at = wr_buf_room(out, 10);
        if (!at)
            return;
        put_le(at, c, 2);
        put_le(at + 2, bits, 8);
        out->len += 10;
    }
}

void wr_row_pack_some(const struct wr_batch *batch, uint32_t row, const struct wr_colset *cols, struct wr_buf *out)
{
    for (size_t w = 0; w < sizeof cols->bits / sizeof *cols->bits; w++)
        for (uint64_t todo = cols->bits[w] & batch->wanted.bits[w]; todo; todo &= todo - 1) {
            uint16_t c = (uint16_t)(w * 64 + (unsigned)__builtin_ctzll(todo));
            if (batch->schema->cols[c].store == c)
                pack_col(batch, c, row, out);
        }
}

void wr_row_pack(const struct wr_batch *batch, uint32_t row, struct wr_buf *out)
{
    wr_row_pack_some(batch, row, &batch->wanted, out);
}

/* The rest of a packed row in the batch's arena, from the first string on that is borrowed from it: one piece of memory a row. */
struct rest {
    const uint8_t *from;
    char *copy;
};

/* One string of a packed row into row `r`. */
static inline bool unpack_str(struct wr_batch *b, struct wr_vec *v, uint32_t r, const struct wr_packed_col *f,
                              const uint8_t *end, struct rest *rest)
{
    wr_vec_set_valid(v, r);
    if (f->len <= WR_STR_INLINE) {
        const char *text = (const char *)f->at;
        v->s[r] = end - f->at >= WR_STR_INLINE ? wr_str_short(text, f->len) : wr_str_borrow(text, f->len);
        return true;
    }
    if (!rest->copy) {
        size_t n = (size_t)(end - f->at);
        if (!(rest->copy = wr_arena_bytes_alloc(b->arena, n)))
            return false;
        memcpy(rest->copy, f->at, n);
        rest->from = f->at;
    }
    v->s[r] = wr_str_borrow(rest->copy + (f->at - rest->from), f->len);
    return true;
}

enum wr_err wr_row_unpack(struct wr_batch *batch, const void *bytes, size_t len)
{
    if (batch->nrows == batch->cap)
        return WR_EFULL;
    uint32_t r = wr_batch_row(batch);
    const uint8_t *at = bytes, *end = len ? at + len : at;
    struct wr_packed_col f;
    struct rest rest = {0};
    enum wr_err err = WR_OK;
    while (!err && at < end) {
        if (!wr_row_col(batch->schema, &at, end, &f)) {
            err = WR_ECORRUPT;
            break;
        }
        struct wr_vec *v = &batch->col[f.col];
        if (v->s) {
            err = unpack_str(batch, v, r, &f, end, &rest) ? WR_OK : WR_ENOMEM;
        } else if (v->i || v->r) {
            uint64_t bits = wr_le64(f.at);
            memcpy(v->i ? (void *)&v->i[r] : (void *)&v->r[r], &bits, sizeof bits);
            wr_vec_set_valid(v, r);
        }
    }
    if (err)
        wr_batch_unrow(batch);
    return err;
}

bool wr_row_is_sound(const struct wr_schema *schema, const void *bytes, size_t len)
{
    const uint8_t *at = bytes, *end = len ? at + len : at;
    struct wr_packed_col f;
    while (at < end)
        if (!wr_row_col(schema, &at, end, &f))
            return false;
    return true;
}
