/* The filters that a rule's rows come to first, when they compare a column with constants, in one
 * piece of memory: what dispatch.h hands to a rule is a row or two of the batch, and a walk over
 * the plan's expressions for each would cost more than all that follows. Filters of other kinds are
 * left to the operators. */
#ifndef WR_RULES_SHARE_SIEVE_H
#define WR_RULES_SHARE_SIEVE_H

#include "rules/plan/plan.h"

struct wr_sieve;
/* Of the first of `n` operators, as far as they are filters. *ret_whole: so many of them are in the
 * sieve with all that they ask for. Borrows the plan. *ret NULL: there is nothing that it can test.
 * False when out of memory. */
bool wr_sieve_new(const struct wr_op *const *ops, uint32_t n, struct wr_sieve **ret,
                  uint32_t *ret_whole) WR_MUST_CHECK;
void wr_sieve_free(struct wr_sieve *sieve);
/* Rows of `given` that pass, in order, to `ret_row`, which has room for all of them; how many.
 * `cols` are the table's. */
uint32_t wr_sieve_rows(const struct wr_sieve *sieve, const struct wr_vec *cols,
                       const struct wr_sel *given, uint16_t *ret_row);

#endif
