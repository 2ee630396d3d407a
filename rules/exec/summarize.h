/* Hash aggregation of a batch run: groups in the order in which they were first seen. */
#ifndef WR_RULES_EXEC_SUMMARIZE_H
#define WR_RULES_EXEC_SUMMARIZE_H

#include "rules/exec/agg.h"
#include "rules/exec/rows.h"

struct wr_groups;
/* Borrows both; NULL when out of memory or the aggregates are too many. */
struct wr_groups *wr_groups_new(const struct wr_op *op, const struct wr_hash_key *secret);
void wr_groups_free(struct wr_groups *groups);
/* Adds the chunk's rows; ev->err. */
void wr_groups_add(struct wr_groups *groups, struct wr_eval *ev, const struct wr_chunk *chunk);
size_t wr_groups_bytes(const struct wr_groups *groups);
/* One row a group, without keys always one, in chunks of at most `most` rows: in ev's arena, which is emptied after each. Ends with
 * the first error that `out` returns. */
enum wr_err wr_groups_each(struct wr_groups *groups, struct wr_eval *ev, uint32_t most,
                           enum wr_err (*out)(void *arg, struct wr_chunk *chunk), void *arg) WR_MUST_CHECK;
enum wr_err wr_groups_result(struct wr_groups *groups, struct wr_eval *ev,
                             struct wr_rows *rows) WR_MUST_CHECK;

/* Keys and arguments of a summarize over one chunk, in the run's arena; false with ev->err set. */
bool wr_summarize_eval(struct wr_eval *ev, const struct wr_op *op, const struct wr_chunk *chunk,
                       struct wr_vec **ret_keys, struct wr_agg_args **ret_args);

#endif
