/* Hash join. The right side is kept, whole; left rows are matched as they come, so results keep the left
 * side's order. Null keys match nothing. Source: Kusto query language reference, "join operator". */
#ifndef WR_RULES_EXEC_JOIN_H
#define WR_RULES_EXEC_JOIN_H

#include "base/hash.h"
#include "rules/exec/rows.h"

struct wr_join;
/* Gets rows in the join's schema, alive until it returns. */
typedef void wr_join_emit(void *arg, struct wr_chunk *chunk);

/* Borrows all. NULL when out of memory. */
struct wr_join *wr_join_new(const struct wr_op *op, const struct wr_hash_key *secret, uint32_t batch_rows);
void wr_join_free(struct wr_join *join);
size_t wr_join_bytes(const struct wr_join *join);
/* Rows of the right side; then wr_join_ready once. WR_ENOMEM. */
enum wr_err wr_join_add(struct wr_join *join, struct wr_eval *ev, const struct wr_chunk *chunk) WR_MUST_CHECK;
enum wr_err wr_join_ready(struct wr_join *join) WR_MUST_CHECK;
/* Rows of the left side. WR_ENOMEM. */
enum wr_err wr_join_probe(struct wr_join *join, struct wr_eval *ev, struct wr_chunk *chunk,
                          wr_join_emit *emit, void *arg) WR_MUST_CHECK;
/* After the left side: right rows that met no partner, where the kind asks for them. */
enum wr_err wr_join_rest(struct wr_join *join, struct wr_eval *ev, wr_join_emit *emit,
                         void *arg) WR_MUST_CHECK;

#endif
