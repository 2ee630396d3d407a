/* top-nested: WR_OP_WHOLE's data. Level i is a summarize by the keys of levels 0..i over the operator's input, outside of
 * the tree. Source: Kusto query language reference, "top-nested operator". */
#ifndef WR_RULES_PLAN_NESTED_H
#define WR_RULES_PLAN_NESTED_H

#include "rules/plan/plan.h"

enum { WR_NESTED_MAX = 16 };

struct wr_nested {
    struct wr_nested_level {
        const struct wr_op *sum; /* nkeys: level + 1; one aggregate */
        int64_t count;           /* rows below one parent; INT64_MAX: all */
        bool asc;
    } level[WR_NESTED_MAX];
    uint32_t n;
};

extern const struct wr_whole wr_nested_whole; /* rules/exec/nested.c */

#endif
