/* What mv-apply and partition run: WR_OP_APPLY's data; the piece is inputs[0], over WR_OP_GIVEN. */
#ifndef WR_RULES_PLAN_APPLY_H
#define WR_RULES_PLAN_APPLY_H

#include "rules/plan/plan.h"

struct wr_apply {
    const struct wr_schema *given; /* of the rows that the piece gets */
    const struct wr_op *expand;    /* mv-apply: the EXPAND over the operator's input; NULL: partition by cols[0] */
    const uint16_t *from;          /* mv-apply: per result column the outer one, or WR_MAX_COLS + the piece's */
};

#endif
