/* Rows that are results by themselves: through what is left of the plan once rows can become
 * several (joins with lists, mv-expand, mv-apply), each with the row of the batch that it came from, and out
 * as alerts. */
#include "rules/exec/apply.h"
#include "rules/exec/expand.h"
#include "rules/exec/join.h"
#include "rules/fn/kernel.h"
#include "rules/stream/state.h"

enum { EXPAND_ROWS = 64, EXPAND_ARENA = 16384 };

struct way {
    struct wr_stream *s;
    const struct wr_batch *b;
    uint32_t at; /* the next operator */
    const uint32_t
        *from; /* of the rows before: their rows in the batch; NULL: they are the batch's */
    enum wr_err err;
};

static enum wr_err go_on(struct way *w, struct wr_chunk *chunk);

/* NOLINTNEXTLINE(misc-no-recursion): once for each operator */
static void onward(void *arg, struct wr_chunk *chunk)
{
    struct way *w = arg, next = *w;
    uint32_t *from = wr_arena_alloc(w->s->ev.arena, (chunk->nrows + 1u) * sizeof *from);
    if (w->err)
        return;
    if (!from) {
        w->err = WR_ENOMEM;
        return;
    }
    for (uint32_t i = 0; i < chunk->nrows; i++)
        from[i] = w->from ? w->from[chunk->from[i]] : chunk->from[i];
    next.from = from;
    w->err = go_on(&next, chunk);
}

static void stay(void *arg, struct wr_chunk *chunk)
{
    (void)arg;
    (void)chunk;
}

bool wr_op_multiplies(const struct wr_op *op)
{
    return op->kind == WR_OP_EXPAND || op->kind == WR_OP_APPLY ||
           (op->kind == WR_OP_JOIN && op->join != WR_JOIN_SEMI && op->join != WR_JOIN_ANTI);
}

enum wr_err wr_stream_apply(struct wr_stream *s, const struct wr_op *op, struct wr_chunk *chunk)
{
    if (op->kind == WR_OP_JOIN)
        return wr_join_probe(wr_lists_join(s->lists, op), &s->ev, chunk, stay, NULL);
    wr_op_apply(&s->ev, op, chunk);
    return s->ev.err;
}

/* NOLINTNEXTLINE(misc-no-recursion): once for each operator */
static enum wr_err go_on(struct way *w, struct wr_chunk *chunk)
{
    struct wr_stream *s = w->s;
    enum wr_err err = WR_OK;
    for (; w->at < s->leg->nprefix && chunk->sel.n && !err; w->at++) {
        const struct wr_op *op = s->leg->prefix[w->at];
        struct way next = *w;
        next.at++;
        if (!wr_op_multiplies(op)) {
            err = wr_stream_apply(s, op, chunk);
            continue;
        }
        if (op->kind == WR_OP_JOIN) {
            err = wr_join_probe(wr_lists_join(s->lists, op), &s->ev, chunk, onward, &next);
        } else if (op->kind == WR_OP_APPLY) {
            err = wr_applier_rows(s->leg->applier[w->at], &s->ev, chunk, onward, &next);
            if (err == WR_ELIMIT) { /* a row's piece needs more than there is: nothing can be said of it */
                s->stats.evicted++;
                err = WR_OK;
            }
        } else {
            struct wr_arena *made = wr_arena_new(EXPAND_ARENA); /* its own: it may stand behind another */
            err = made ? wr_expand(&s->ev, op, chunk, EXPAND_ROWS, made, onward, &next) : WR_ENOMEM;
            wr_arena_free(made);
        }
        return err ? err : next.err;
    }
    for (uint32_t k = 0; k < chunk->sel.n && !err; k++) {
        uint32_t row = chunk->sel.row[k], origin = w->from ? w->from[row] : row;
        int64_t ts;
        s->row_inexact_until = wr_row_marks(s, w->b, origin) & WR_ROW_GIVEN_UP ? INT64_MAX : INT64_MIN;
        if (wr_row_time(s, w->b, origin, &ts))
            err = wr_stateless_raise(s, chunk, row, ts, wr_row_id(s, w->b, origin));
    }
    return err;
}

enum wr_err wr_stateless_rows(struct wr_stream *s, const struct wr_batch *b, struct wr_chunk *chunk,
                              uint32_t at)
{
    struct way w = {.s = s, .b = b, .at = at};
    return go_on(&w, chunk);
}
