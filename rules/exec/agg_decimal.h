/* Sums of decimals in slots (agg.h). Private to rules/exec. */
#ifndef WR_RULES_EXEC_AGG_DECIMAL_H
#define WR_RULES_EXEC_AGG_DECIMAL_H

#include "rules/exec/agg.h"

#include "base/decimal.h"

enum { WR_DEC_SLOTS = sizeof(struct wr_dec) / sizeof(union wr_slot) };

/* Adds a cell that is there; a sum beyond the range stays where it was. */
void wr_dec_slots_add(union wr_slot *s, const struct wr_vec *v, uint32_t row);
/* One sum into another, or `out` of it again. */
void wr_dec_slots_merge(union wr_slot *dst, const union wr_slot *src, bool out);
/* `n` 0: the sum, else the average of so many. */
void wr_dec_slots_put(struct wr_eval *ev, const union wr_slot *s, int64_t n, struct wr_vec *out, uint32_t row);

#endif
