/* What hundreds of rules begin with is looked at once: filters, and computed columns, that several
 * rules put over the same rows of a table before they differ.
 *
 *   T | where A | extend X = f(C) | where X > 1 | summarize count() by D      T -> A -> X > 1 ->
 * rule 1 T | where A | extend X = f(C), Y = g(C) | summarize dcount(Y) by X             \ X    \->
 * rule 3 T | where A | extend X = f(C) | where X > 1 and Y == 2                          \------>
 * rule 2 (and Y, its own)
 *
 * Rules whose tests of rows are the same (wants.h), so that they are woken by the same rows, make a
 * group: a tree of filters, and values over the columns of the table, found to be equal whatever
 * they are called and whatever other columns stand beside them. A filter narrows its parent's rows
 * once a batch; a value is computed once, for the rows of the filter that it stands behind. Each
 * rule goes on from the last place that it shares. */
#ifndef WR_RULES_SHARE_PREFIX_H
#define WR_RULES_SHARE_PREFIX_H

#include "rules/exec/eval.h"

struct wr_prefixes;
/* A rule that may share; top NULL: it does not. */
struct wr_prefix_rule {
    const struct wr_op *top;        /* the tree of operators down to the table */
    const struct wr_op *const *ops; /* those that a row goes through first, in order */
    uint32_t nops;
    const struct wr_colset *wanted; /* of the table */
};
/* Rules 0..n-1 over `table`. Borrows the plans. NULL when out of memory. */
struct wr_prefixes *wr_prefixes_new(enum wr_table table, const struct wr_prefix_rule *rules,
                                    uint32_t n);
void wr_prefixes_free(struct wr_prefixes *prefixes);
/* The rules that share with this one, itself first and ascending; *ret_n 0: it shares nothing, or
 * is not the first. */
const uint32_t *wr_prefixes_group(const struct wr_prefixes *prefixes, uint32_t rule,
                                  uint32_t *ret_n);
/* True when another rule's group has it, so that it is woken with that one. */
bool wr_prefixes_follows(const struct wr_prefixes *prefixes, uint32_t rule);

/* False: some of the rows may be amendments, whose old versions rules have to look at as well. */
bool wr_prefixes_may(const struct wr_prefixes *prefixes, const struct wr_batch *batch,
                     const struct wr_sel *rows);
/* Rows for the group of its first rule: gathered when they are few. Memory and time are those of
 * `ev`, until the next call. False when out of memory. */
bool wr_prefixes_begin(struct wr_prefixes *prefixes, uint32_t first, const struct wr_batch *batch,
                       const struct wr_sel *rows, struct wr_eval *ev) WR_MUST_CHECK;
/* What is left of them for a rule of the group. */
struct wr_prefix_rows {
    const struct wr_batch *batch; /* numbers of rows are of this one */
    const struct wr_vec *cols;    /* as the rule's operators have them from `at` on */
    struct wr_sel sel;
    uint32_t at; /* operators that are done */
};
bool wr_prefixes_rows(struct wr_prefixes *prefixes, uint32_t rule,
                      struct wr_prefix_rows *ret) WR_MUST_CHECK;
/* For explain and tests: filters and values of all groups that several rules share. */
uint32_t wr_prefixes_shared(const struct wr_prefixes *prefixes);

#endif
