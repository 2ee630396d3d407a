/* Arrays of numbers for series_*(). Private to rules/fn. */
#ifndef WR_RULES_FN_SERIES_H
#define WR_RULES_FN_SERIES_H

#include "rules/fn/fn.h"

enum { WR_SERIES_MAX = 1 << 20 };

struct wr_series {
    double *v; /* NaN: no number */
    uint32_t n;
};
/* False when the cell is no array, or one of more than WR_SERIES_MAX. Memory: the run's arena. */
bool wr_series_at(struct wr_eval *ev, const struct wr_vec *vec, uint32_t row, struct wr_series *ret);
/* As JSON: what is not finite as null, whole numbers without fraction; `truth`: true and false. */
void wr_series_put(struct wr_eval *ev, struct wr_vec *out, uint32_t row, const struct wr_series *s, bool truth);

#endif
