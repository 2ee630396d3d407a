/* The row of a maximum, the first value, the least text, over a moving window: candidates in order of arrival, in a set
 * of texts (dset.h). A candidate is a row that can still win: none that came before it is as good and stays as long,
 * none that came after it is better and stays as long.
 *
 *   arg_max(Timestamp, *)   rows that come in order: one candidate
 *   arg_min(Timestamp, *)   every row is one, until there are many: then the best of each pane, until its pane ends
 *
 * So the winner is exact at every instant while candidates are few, and at pane-aligned times else; of equal ones the
 * first to arrive, as in a batch. Not thread-safe. Private to rules/exec. */
#ifndef WR_RULES_EXEC_BEST_H
#define WR_RULES_EXEC_BEST_H

#include "rules/exec/agg.h"

/* True for the aggregates that a stream keeps so; their p->in is WR_STRING there. */
bool wr_best_is(const struct wr_agg_place *p);
/* True when aggregate `b` can share the candidates of `a`: the same kind and measure. */
bool wr_best_shares(const struct wr_agg_place *a, const struct wr_agg_place *b);
/* The row into the set of aggregate `a`, the first of those that share it. `pane` ticks. WR_ENOMEM. */
enum wr_err wr_best_add(const struct wr_agg_layout *layout, uint32_t a, const struct wr_agg_args *args, uint32_t row,
                        struct wr_dset *set, int64_t seen, int64_t pane, uint32_t limit) WR_MUST_CHECK;
/* What aggregate `a` gives. */
void wr_best_final(struct wr_eval *ev, const struct wr_agg_layout *layout, uint32_t a, const struct wr_dset *set,
                   struct wr_vec *out, uint32_t row);
/* A candidate that comes from disk: whether it has the form of those of aggregate `a`. */
bool wr_best_check(const struct wr_agg_layout *layout, uint32_t a, const char *bytes, size_t len);

#endif
