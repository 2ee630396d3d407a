#include "rules/exec/rows.h"

#include "rules/fn/kernel.h"

#include <stdlib.h>

void wr_rows_init(struct wr_rows *rows, const struct wr_schema *schema, uint32_t batch_rows)
{
    *rows = (struct wr_rows){.schema = schema, .wanted = wr_colset_all(schema), .batch_rows = batch_rows};
}

void wr_rows_fini(struct wr_rows *rows)
{
    for (uint32_t i = 0; i < rows->nbatches; i++)
        wr_batch_free(rows->batch[i]);
    free(rows->batch);
    *rows = (struct wr_rows){.schema = rows->schema, .wanted = rows->wanted, .batch_rows = rows->batch_rows};
}

static struct wr_batch *room(struct wr_rows *rows)
{
    struct wr_batch *last = rows->nbatches ? rows->batch[rows->nbatches - 1] : NULL;
    if (last && last->nrows < last->cap)
        return last;
    if (rows->nbatches == rows->cap) {
        uint32_t cap = rows->cap ? 2 * rows->cap : 4;
        struct wr_batch **list = realloc(rows->batch, cap * sizeof(struct wr_batch *));
        if (!list)
            return NULL;
        rows->batch = list;
        rows->cap = cap;
    }
    last = wr_batch_new(rows->schema, &rows->wanted, rows->batch_rows);
    if (!last)
        return NULL;
    rows->bytes += wr_arena_bytes(last->arena);
    rows->batch[rows->nbatches++] = last;
    return last;
}

static bool put_cell(struct wr_batch *b, uint16_t c, uint32_t to, const struct wr_vec *v, uint32_t row)
{
    if (!wr_vec_valid(v, row))
        return true;
    if (v->s)
        return wr_batch_set_str(b, c, to, wr_str_data(&v->s[row]), v->s[row].len);
    if (v->r)
        wr_batch_set_real(b, c, to, v->r[row]);
    else if (v->i && b->schema->cols[c].type == WR_REAL)
        wr_batch_set_real(b, c, to, (double)v->i[row]);
    else if (v->i)
        wr_batch_set_i64(b, c, to, v->i[row]);
    return true;
}

enum wr_err wr_rows_add(struct wr_rows *rows, const struct wr_vec *cols, const struct wr_sel *sel)
{
    for (uint32_t k = 0; k < sel->n; k++) {
        struct wr_batch *b = room(rows);
        if (!b)
            return WR_ENOMEM;
        rows->bytes -= wr_arena_bytes(b->arena);
        uint32_t to = wr_batch_row(b);
        bool ok = true;
        for (uint16_t c = 0; ok && c < rows->schema->ncols; c++)
            if (rows->schema->cols[c].store == c && wr_colset_has(&rows->wanted, c))
                ok = put_cell(b, c, to, &cols[c], sel->row[k]);
        rows->bytes += wr_arena_bytes(b->arena);
        if (!ok)
            return WR_ENOMEM;
        rows->nrows++;
    }
    return WR_OK;
}

void wr_rows_seal(struct wr_rows *rows)
{
    for (uint32_t i = 0; i < rows->nbatches; i++)
        if (!rows->batch[i]->sealed)
            wr_batch_seal(rows->batch[i]);
}
