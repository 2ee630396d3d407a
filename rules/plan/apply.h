/* What mv-apply and partition run: WR_OP_APPLY's data; the piece is inputs[0], over WR_OP_GIVEN. */
#ifndef WR_RULES_PLAN_APPLY_H
#define WR_RULES_PLAN_APPLY_H

#include "rules/plan/plan.h"

/* Of a partition whose piece has a source of its own: Kusto's "legacy" strategy has the same. */
enum { WR_PARTS_MAX = 64 };

struct wr_apply {
    const struct wr_schema *given; /* of the rows that the piece gets */
    const struct wr_op *expand;    /* mv-apply: the EXPAND over the operator's input; NULL: partition by cols[0] */
    bool own_source;               /* partition: the piece reads what it names, and of the parts only their key */
    uint16_t key_sub;              /* partition: the query whose value is the part's key; WR_NO_COL: none */
    const uint16_t *from;          /* mv-apply: per result column the outer one, or WR_MAX_COLS + the piece's */
};

#endif
