/* Seasons of a series: how long they are, what they look like. Private to rules/fn. */
#ifndef WR_RULES_FN_SEASON_H
#define WR_RULES_FN_SEASON_H

#include "rules/fn/series.h"

enum { WR_PERIODS_MAX = 64, WR_PERIOD_MIN = 4 };

struct wr_period {
    double length, score; /* points; 0..1 */
};

/* The best seasons between `least` and `most` points, by score, `room` (<= WR_PERIODS_MAX) at most;
 * their number in *ret_n. */
enum wr_err wr_periods_find(const struct wr_series *s, double least, double most, uint32_t room,
                            struct wr_period *ret, uint32_t *ret_n);
/* Scores of lengths that are given; 0 outside of 4 points to half of the series. */
enum wr_err wr_periods_score(const struct wr_series *s, struct wr_period *periods, uint32_t n);
/* For a series whose first `learn` points count: the season's length as asked for (>= 0), or (-1)
 * the best of at least `threshold`; 0: none. */
enum wr_err wr_season_length(const struct wr_series *s, uint32_t learn, int64_t asked,
                             double threshold, uint32_t *ret_length);
/* to[i] for i < s->n: the median of the points of the first `learn` that stand `length` points
 * apart from i, NaN without one; zeros when `length` is 0. */
enum wr_err wr_season_shape(const struct wr_series *s, uint32_t learn, uint32_t length, double *to);

#endif
