/* What a stream looks up as its rows come, beside them: queries inside of its expressions (struct
 * wr_sub) and right sides of joins that read lists but no events. Computed once, again when a list
 * changed, and each minute where they ask the clock. */
#ifndef WR_RULES_STREAM_LISTS_H
#define WR_RULES_STREAM_LISTS_H

#include "base/hash.h"
#include "rules/plan/plan.h"

struct wr_lists;
struct wr_join;

enum { WR_LISTS_CLOCK_SECONDS = 60 };

/* Borrows all. NULL: no memory, or more than it
 * has room for. `memory`: what one run over lists may keep. */
struct wr_lists *wr_lists_new(const struct wr_plan *plan, const struct wr_hash_key *secret,
                              size_t memory);
void wr_lists_free(struct wr_lists *lists);
/* Brings everything up to date at `now` (ticks). WR_ELIMIT: it grew beyond the bounds; what was
 * valid before still is, or (*ret_subs NULL) there is nothing to judge rows by. WR_ENOMEM. */
enum wr_err wr_lists_now(struct wr_lists *lists, int64_t now,
                         struct wr_sub_result **ret_subs) WR_MUST_CHECK;
/* The right side of a join of the chain, ready to be probed; valid until the next wr_lists_now. */
struct wr_join *wr_lists_join(const struct wr_lists *lists, const struct wr_op *op);

#endif
