/* Rows kept by an operator: copies, in batches of one schema. */
#ifndef WR_RULES_EXEC_ROWS_H
#define WR_RULES_EXEC_ROWS_H

#include "rules/exec/eval.h"

struct wr_rows {
    const struct wr_schema *schema;
    struct wr_colset wanted; /* stores to keep; others read as null */
    struct wr_batch **batch;
    uint32_t nbatches, cap;
    uint32_t batch_rows;
    uint64_t nrows;
    size_t bytes;
};

/* Keeps every column; narrow `wanted` before the first row. */
void wr_rows_init(struct wr_rows *rows, const struct wr_schema *schema, uint32_t batch_rows);
void wr_rows_fini(struct wr_rows *rows);
/* Copies the selected rows of columns laid out as the schema. WR_ENOMEM. */
enum wr_err wr_rows_add(struct wr_rows *rows, const struct wr_vec *cols,
                        const struct wr_sel *sel) WR_MUST_CHECK;
void wr_rows_seal(struct wr_rows *rows);
/* Where row `n` lies. */
static inline const struct wr_batch *wr_rows_at(const struct wr_rows *rows, uint64_t n, uint32_t *ret_row)
{
    *ret_row = (uint32_t)(n % rows->batch_rows);
    return rows->batch[n / rows->batch_rows];
}

#endif
