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
/* Turns each value into how far it is out: 0 within, 1.5 and more an outlier upwards, -1.5 and less downwards, DBL_MAX where
 * nothing else moves. `low` and `high` (0..1): percentiles of ctukey; both 0: tukey. What is not finite, and `skip` (NaN: none),
 * has 0 and does not count. */
enum wr_err wr_series_outliers(struct wr_series *s, double low, double high, double skip);

#endif
