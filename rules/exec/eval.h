/* Evaluates bound expressions over a chunk of rows, and runs the operators that keep no state (where, map).
 * Shared by the batch and the incremental executor. */
#ifndef WR_RULES_EXEC_EVAL_H
#define WR_RULES_EXEC_EVAL_H

#include "base/batch.h"
#include "rules/plan/plan.h"

/* Rows on their way between operators: columns of `nrows` rows, of which `sel` are alive. Columns may be
 * borrowed from the batch that came in; all of it lives until the run's arena is reset. */
struct wr_chunk {
    const struct wr_schema *schema;
    const struct wr_vec *col;
    uint32_t nrows;
    struct wr_sel sel;
    const uint32_t *from; /* of joins, mv-expand and mv-apply: the row of the left side, of the input, that each came from */
};

/* Values of `ex` for the selected rows; other rows are undefined. Arena of `ev`; NULL with ev->err set. */
const struct wr_vec *wr_ex_eval(struct wr_eval *ev, const struct wr_ex *ex, const struct wr_vec *cols,
                                const struct wr_sel *sel) WR_MUST_CHECK;
/* Keeps the rows of `sel` for which `pred` is true. */
void wr_ex_filter(struct wr_eval *ev, const struct wr_ex *pred, const struct wr_vec *cols,
                  struct wr_sel *sel);
/* Runs a WR_OP_WHERE, WR_OP_MAP or WR_OP_PARSE over `chunk` in place: narrows `sel`, which must be the chunk's own, or
 * puts new columns. ev->err says when memory ran out. */
void wr_op_apply(struct wr_eval *ev, const struct wr_op *op, struct wr_chunk *chunk);
/* The given rows of a sealed batch side by side, so that what follows costs as much as there are rows, not as the batch is
 * long: columns `wanted` in the arena of `ev`, whose nrows they become, and in `cols`, which has room for every column of the
 * schema and null ones where none is wanted. False: out of memory. */
bool wr_gather(struct wr_eval *ev, const struct wr_batch *batch, const struct wr_colset *wanted,
               const struct wr_sel *given, struct wr_vec *cols, struct wr_batch *to) WR_MUST_CHECK;
/* True when every row between the first and the last selected one has a value: whoever asks once need not ask for each. False
 * when rows are not in order. */
static inline bool wr_vec_full(const struct wr_vec *vec, const struct wr_sel *sel)
{
    if (!vec->valid || !sel->n)
        return true;
    uint32_t first = sel->row[0], last = sel->row[sel->n - 1];
    uint64_t missing = first > last;
    for (uint32_t w = first / 64; w <= last / 64; w++) {
        uint64_t bits = ~vec->valid[w];
        bits &= w == first / 64 ? UINT64_MAX << (first % 64) : UINT64_MAX;
        missing |= bits & (w == last / 64 ? UINT64_MAX >> (63 - last % 64) : UINT64_MAX);
    }
    return missing == 0;
}

/* One cell. `row` must be valid. */
struct wr_value wr_value_at(const struct wr_vec *vec, uint32_t row);

#endif
