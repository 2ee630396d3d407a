/* mv-apply and partition: a piece of a query, run for each row's elements or for each group of rows. Source: Kusto query
 * language reference, "mv-apply operator", "partition operator". */
#ifndef WR_RULES_EXEC_APPLY_H
#define WR_RULES_EXEC_APPLY_H

#include "rules/exec/run.h"

struct wr_applier;
/* Gets rows in the operator's schema, alive until it returns. */
typedef void wr_apply_emit(void *arg, struct wr_chunk *chunk);

/* `op` is a WR_OP_APPLY; `tables` is what its piece reads beside the rows. Borrows all. NULL: no memory. */
struct wr_applier *wr_applier_new(const struct wr_op *op, const struct wr_rows *tables, size_t memory_bytes,
                                  uint64_t work_rows);
void wr_applier_free(struct wr_applier *a);
/* Rows that went into the operators of its piece, in all its runs. */
uint64_t wr_applier_work(const struct wr_applier *a);
/* Why it stopped, and where; NULL: nothing to say beside the error. */
const char *wr_applier_why(const struct wr_applier *a, struct wr_span *ret_span);
/* mv-apply: the piece over the elements of each selected row. */
enum wr_err wr_applier_rows(struct wr_applier *a, struct wr_eval *ev, const struct wr_chunk *chunk,
                            wr_apply_emit *emit, void *arg) WR_MUST_CHECK;
/* partition: the piece over the rows of each key, in the order in which keys were first seen. */
enum wr_err wr_applier_groups(struct wr_applier *a, struct wr_eval *ev, const struct wr_rows *rows,
                              wr_apply_emit *emit, void *arg) WR_MUST_CHECK;

#endif
