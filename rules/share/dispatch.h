/* Which rules a row can matter to. Most detections begin with `column is one of these values`
 * (ports, programs, addresses, names) or `column has one of these terms`: one look-up per column
 * and row, or per term, in one table over the values of all rules, tells the few rules that want
 * the row, and a batch costs little more with hundreds of rules than with one.
 *
 *   RemotePort   25 -> rules 3, 9   587 -> rule 3        each rule stands under one of its tests
 * (wants.h): the one FileName     "a.exe" -> rule 4  "b.exe" -> rule 4    that the fewest rows
 * passed, of some thousand and, later on, of some more; before that, whose values the fewest rules
 * share
 *
 * A row that is handed on may still fail: the rule tests again (texts are looked up without case,
 * by hash alone). So what was learnt changes no result. */
#ifndef WR_RULES_SHARE_DISPATCH_H
#define WR_RULES_SHARE_DISPATCH_H

#include "rules/plan/plan.h"

struct wr_dispatch;
/* A rule, or a leg of its union: a tree down to its scans, and of a rule whose rows are kept the queries that run first. */
struct wr_dispatch_rule {
    const struct wr_op *root; /* NULL: it does not read the table */
    const struct wr_sub *subs;
    uint32_t nsubs;
};
/* For rules 0..n-1 over `table`. Borrows the plans. NULL when out of memory. */
struct wr_dispatch *wr_dispatch_new(enum wr_table table, const struct wr_dispatch_rule *rules, uint32_t n);
void wr_dispatch_free(struct wr_dispatch *dispatch);
/* *ret_rules: those that want rows of the batch, each once; sel[i]: its rows, ascending, borrowed until the next call, or the
 * batch's own when rule i has no such test. sel has place for all rules, is empty before the first call, and is the same in all
 * calls: sel of the others is empty. False when out of memory. */
bool wr_dispatch_rows(struct wr_dispatch *dispatch, const struct wr_batch *batch,
                      struct wr_sel *sel, const uint32_t **ret_rules,
                      uint32_t *ret_n) WR_MUST_CHECK;

#endif
