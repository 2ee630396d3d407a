/* top-nested: WR_OP_WHOLE's data. Level i is a summarize by the keys of levels 0..i over the operator's input, outside of
 * the tree. `with others`: rows that a level let fall out are counted once more, a group for each parent that they had. Source: Kusto query language reference, "top-nested operator". */
#ifndef WR_RULES_PLAN_NESTED_H
#define WR_RULES_PLAN_NESTED_H

#include "rules/plan/plan.h"

enum { WR_NESTED_MAX = 16 };

struct wr_nested {
    struct wr_nested_level {
        const struct wr_op *sum; /* a summarize, or a map over one: level + 1 keys, then what ranks */
        int64_t count;           /* rows below one parent; INT64_MAX: all */
        bool asc;
        const struct wr_op *others; /* the same over `fallen`: its level, all keys, then what `sum` ranks; NULL: not asked */
        struct wr_value other;      /* their key */
    } level[WR_NESTED_MAX];
    uint32_t n;
    const struct wr_schema *fallen; /* the input's columns; the level that let the row fall out; keys of those above it */
};

/* The summarize under the map, if there is one. */
static inline const struct wr_op *wr_nested_sum(const struct wr_op *op)
{
    return op->kind == WR_OP_MAP ? op->input : op;
}

extern const struct wr_whole wr_nested_whole; /* rules/exec/nested.c */

#endif
