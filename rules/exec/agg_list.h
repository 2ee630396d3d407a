/* Results of the aggregates that keep their values (dset.h). Private to rules/exec. Source: Kusto "make-bag
 * aggregation function", "percentiles aggregation function". */
#ifndef WR_RULES_EXEC_AGG_LIST_H
#define WR_RULES_EXEC_AGG_LIST_H

#include "rules/exec/dset.h"
#include "rules/plan/plan.h"

/* make_list_if and its kin: the second argument is a condition. */
bool wr_agg_has_pred(const struct wr_agg_call *call);
/* An array of the values, in order of the first sighting, cut at the author's limit. */
void wr_agg_put_list(struct wr_eval *ev, const struct wr_agg_call *call, enum wr_type in, const struct wr_dset *set,
                     struct wr_vec *out, uint32_t row);
/* One bag of all members; of equal keys the first. What is no bag is left out. */
void wr_agg_put_bag(struct wr_eval *ev, const struct wr_agg_call *call, const struct wr_dset *set,
                    struct wr_vec *out, uint32_t row);
/* Exact; null over nothing. */
void wr_agg_put_percentile(struct wr_eval *ev, const struct wr_agg_call *call, enum wr_type in,
                           const struct wr_dset *set, struct wr_vec *out, uint32_t row);

/* Kinds whose values are kept one by one; those of which equal values are kept each. */
bool wr_agg_keeps(enum wr_agg_kind kind);
bool wr_agg_keeps_all(enum wr_agg_kind kind);
/* Results of the kinds from WR_AGG_FIRST_KEPT on. */
void wr_agg_put_kept(struct wr_eval *ev, const struct wr_agg_call *call, enum wr_type in, const struct wr_dset *set,
                     struct wr_vec *out, uint32_t row);

#endif
