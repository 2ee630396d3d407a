#include "rules/exec/expand.h"

#include "rules/exec/parse.h"
#include "rules/fn/json.h"
#include "rules/fn/kernel.h"
#include "rules/kql/token.h"

/* Where one column of one row stands. */
struct cursor {
    struct wr_slice all, item, key;
    const char *at;
    bool array, bag, more;
};

static void next(struct cursor *c)
{
    if (c->array)
        c->more = wr_json_next(c->all, &c->at, &c->item);
    else if (c->bag)
        c->more = wr_json_next_member(c->all, &c->at, &c->key, &c->item);
    else
        c->more = false;
}

/* Null and single values are one row. */
static void start(struct cursor *c, const struct wr_vec *v, uint32_t row)
{
    *c = (struct cursor){.more = true};
    if (!wr_vec_valid(v, row))
        return;
    c->item = c->all = (struct wr_slice){wr_str_data(&v->s[row]), v->s[row].len};
    c->array = c->all.len && *c->all.p == '[';
    c->bag = c->all.len && *c->all.p == '{';
    if (c->array || c->bag)
        next(c);
}

/* One element as a cell: values of another type than asked for are null. */
static void put(struct wr_eval *ev, const struct wr_op *op, const struct cursor *c,
                struct wr_vec *out, uint32_t row)
{
    struct wr_buf text = {0};
    int64_t i = 0;
    double r = 0;
    if (!c->more || !c->item.len || (c->item.len == 4 && memcmp(c->item.p, "null", 4) == 0))
        return;
    char first = c->bag ? '{' : *c->item.p;
    bool number = first == '-' || (first >= '0' && first <= '9');
    if (out->type == WR_LONG && number && wr_text_to_long(c->item.p, c->item.len, &i)) {
        wr_put_i(out, row, i);
    } else if (out->type == WR_INT && number && wr_text_to_long(c->item.p, c->item.len, &i) &&
               i == (int32_t)i) {
        wr_put_i(out, row, i);
    } else if (out->type == WR_REAL && number && wr_text_to_real(c->item.p, c->item.len, &r)) {
        wr_put_r(out, row, r);
    } else if (out->type == WR_BOOL && (first == 't' || first == 'f')) {
        wr_put_i(out, row, first == 't');
    } else if (out->type == WR_STRING && first == '"') {
        wr_json_to_text(c->item.p, c->item.len, &text);
        wr_put_text(ev, out, row, text.data ? text.data : "", text.len);
    } else if (out->type == WR_DATETIME || out->type == WR_TIMESPAN || out->type == WR_GUID) {
        if (first == '"') { /* JSON has no such values: they are texts of that form */
            wr_json_to_text(c->item.p, c->item.len, &text);
            (void)wr_parse_cell(ev, text.data ? text.data : "", text.len, out, row);
        }
    } else if (out->type == WR_DECIMAL) {
        if (number)
            (void)wr_parse_cell(ev, c->item.p, c->item.len, out, row);
    } else if (out->type == WR_DYNAMIC) {
        if (c->bag)
            wr_buf_fmt(&text, op->expand_pairs ? "[%.*s," : "{%.*s:", (int)c->key.len, c->key.p);
        wr_buf_add(&text, c->item.p, c->item.len);
        if (c->bag)
            wr_buf_char(&text, op->expand_pairs ? ']' : '}');
        wr_put_text(ev, out, row, text.data ? text.data : "", text.len);
    }
    if (text.err)
        ev->err = WR_ENOMEM;
    wr_buf_fini(&text);
}

/* Columns of a chunk to fill; NULL when out of memory. */
static struct wr_vec *columns(struct wr_eval *ev, const struct wr_schema *schema, uint32_t nrows)
{
    struct wr_vec *cols = wr_arena_alloc(ev->arena, (schema->ncols + 1u) * sizeof *cols);
    ev->nrows = nrows;
    for (uint16_t c = 0; cols && c < schema->ncols; c++) {
        struct wr_vec *v = wr_vec_new(ev, schema->cols[c].type);
        if (!v)
            return NULL;
        cols[c] = *v;
    }
    return cols;
}

/* A chunk being filled. */
struct filling {
    struct wr_vec *cols;
    uint16_t *sel;
    uint32_t *from, n, cap;
};

/* Rows of `row` go on where the chunk ends; true when it is full before they end. */
static bool fill(struct wr_eval *ev, const struct wr_op *op, const struct wr_chunk *chunk,
                 uint32_t row, struct cursor *cursors, int64_t *index, struct filling *to)
{
    uint16_t nin = op->input->schema->ncols;
    for (;; (*index)++) {
        bool more = false;
        for (uint32_t k = 0; k < op->nkeys; k++)
            more |= cursors[k].more;
        if (!more || *index >= op->count || ev->err)
            return false;
        if (to->n == to->cap)
            return true;
        uint32_t n = to->n++;
        to->sel[n] = (uint16_t)n;
        to->from[n] = row;
        for (uint16_t c = 0; c < nin; c++)
            if (!wr_colset_has(&op->expanded, c))
                wr_cell_copy(&chunk->col[c], row, &to->cols[c], n);
        for (uint32_t k = 0; k < op->nkeys; k++) {
            put(ev, op, &cursors[k], &to->cols[op->cols[k]->col], n);
            if (cursors[k].more)
                next(&cursors[k]);
        }
        if (op->schema->ncols > nin)
            wr_put_i(&to->cols[nin], n, *index);
    }
}

static bool begin(struct wr_eval *ev, const struct wr_op *op, uint32_t cap, struct filling *to)
{
    *to = (struct filling){.cap = cap};
    to->cols = columns(ev, op->schema, cap);
    to->sel = wr_arena_alloc(ev->arena, (cap + 1) * sizeof *to->sel);
    to->from = wr_arena_alloc(ev->arena, (cap + 1) * sizeof *to->from);
    return to->cols && to->sel && to->from;
}

enum wr_err wr_expand(struct wr_eval *ev, const struct wr_op *op, const struct wr_chunk *chunk,
                      uint32_t batch_rows, struct wr_arena *arena, wr_expand_emit *emit, void *arg)
{
    struct wr_arena *outer = ev->arena;
    struct cursor *cursors = wr_arena_alloc(ev->arena, (op->nkeys + 1) * sizeof *cursors);
    struct filling to;
    /* Most rows become few; who has many gets whole chunks, once the first is full. */
    uint32_t cap = chunk->sel.n < batch_rows / 4 ? 4 * chunk->sel.n + 4 : batch_rows;
    cap = cap < batch_rows ? cap : batch_rows;
    ev->arena = arena;
    enum wr_err err = cursors && begin(ev, op, cap, &to) ? WR_OK : WR_ENOMEM;
    for (uint32_t s = 0; !err && s < chunk->sel.n; s++) {
        int64_t index = 0;
        for (uint32_t k = 0; k < op->nkeys; k++)
            start(&cursors[k], &chunk->col[op->cols[k]->col], chunk->sel.row[s]);
        bool full = true;
        while (!err && full) {
            full = fill(ev, op, chunk, chunk->sel.row[s], cursors, &index, &to);
            err = ev->err;
            if (err || (!full && s + 1 < chunk->sel.n) || !to.n)
                continue;
            struct wr_chunk out = {.schema = op->schema,
                                   .col = to.cols,
                                   .nrows = to.n,
                                   .sel = {to.sel, to.n},
                                   .from = to.from};
            emit(arg, &out);
            wr_arena_reset(arena);
            err = full && !begin(ev, op, batch_rows, &to) ? WR_ENOMEM : ev->err;
        }
    }
    ev->arena = outer;
    return err;
}
