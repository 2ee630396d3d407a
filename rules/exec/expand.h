/* mv-expand: a row for each element of its arrays. Source: Kusto query language reference, "mv-expand". */
#ifndef WR_RULES_EXEC_EXPAND_H
#define WR_RULES_EXEC_EXPAND_H

#include "rules/exec/eval.h"

/* Gets rows in the operator's schema, alive until it returns. */
typedef void wr_expand_emit(void *arg, struct wr_chunk *chunk);

/* Rows of `chunk`, at most `batch_rows` a time. They lie in `arena`, which is reset after each. WR_ENOMEM. */
enum wr_err wr_expand(struct wr_eval *ev, const struct wr_op *op, const struct wr_chunk *chunk,
                      uint32_t batch_rows, struct wr_arena *arena, wr_expand_emit *emit,
                      void *arg) WR_MUST_CHECK;

#endif
