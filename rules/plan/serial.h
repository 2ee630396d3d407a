/* Functions over ordered rows: prev, next, row_number, row_cumsum, row_rank_dense, row_rank_min, row_window_session.
 * WR_OP_SERIAL adds a hidden column for each call behind its input's; a call may read those before it. Source: Kusto query
 * language reference, "window functions". */
#ifndef WR_RULES_PLAN_SERIAL_H
#define WR_RULES_PLAN_SERIAL_H

#include "rules/plan/plan.h"

enum wr_serial_fn {
    WR_SERIAL_PREV,        /* value, default; offset */
    WR_SERIAL_NEXT,
    WR_SERIAL_ROW_NUMBER,  /* restart; start in offset */
    WR_SERIAL_CUMSUM,      /* value, restart */
    WR_SERIAL_RANK_DENSE,  /* value, restart */
    WR_SERIAL_RANK_MIN,
    WR_SERIAL_SESSION      /* time, longest from the first, longest between, restart */
};

struct wr_serial_call {
    enum wr_serial_fn fn;
    const char *name;
    enum wr_type type;
    uint32_t first, nargs; /* among the operator's cols */
    int64_t offset;
};

struct wr_serial {
    const struct wr_serial_call *call;
    uint32_t ncalls;
};

extern const struct wr_whole wr_serial_whole; /* rules/exec/serial.c */

#endif
