/* Which rules a row can matter to. Most detections begin with `column is one of these values` (ports, programs,
 * addresses, names) or `column has one of these terms`: one look-up per column and row, or per term, in one table over
 * the values of all rules, tells the few rules that want the row, and a batch costs little more with hundreds of rules
 * than with one.
 *
 *   RemotePort   25 -> rules 3, 9   587 -> rule 3        each rule stands under one of its tests: the one
 *   FileName     "a.exe" -> rule 4  "b.exe" -> rule 4    whose values the fewest rules share
 *
 * A row that is handed on may still fail: the rule tests again (texts are looked up without case, by hash alone). */
#ifndef WR_RULES_EXEC_DISPATCH_H
#define WR_RULES_EXEC_DISPATCH_H

#include "rules/plan/plan.h"

struct wr_dispatch;
/* For rules 0..n-1 over `table`, each a chain down to its scan (a leg of a union is a rule here); chain[i] NULL: not rule i's
 * table. Borrows the chains. NULL when out of memory. */
struct wr_dispatch *wr_dispatch_new(enum wr_table table, const struct wr_op *const *chain, uint32_t n);
void wr_dispatch_free(struct wr_dispatch *dispatch);
/* sel[i]: rows of the batch for rule i, ascending; its rows are borrowed until the next call, or the batch's own when the
 * rule has no such test. False when out of memory. */
bool wr_dispatch_rows(struct wr_dispatch *dispatch, const struct wr_batch *batch, struct wr_sel *sel) WR_MUST_CHECK;

#endif
