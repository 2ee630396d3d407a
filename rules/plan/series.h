/* make-series: arrays out of a summarize's rows (keys, step, aggregates). WR_OP_WHOLE's data; cols are the first, the
 * last and the step of the axis. Source: Kusto query language reference, "make-series operator". */
#ifndef WR_RULES_PLAN_SERIES_H
#define WR_RULES_PLAN_SERIES_H

#include "rules/plan/plan.h"

enum { WR_SERIES_MAX_POINTS = 1 << 20 };

struct wr_series {
    enum wr_type axis;
    bool has_from, has_to, inclusive, nonempty;
    uint32_t nkeys;
    const struct wr_value *fill; /* per aggregate: what a step without rows has */
};

extern const struct wr_whole wr_series_whole; /* rules/exec/series.c */

#endif
