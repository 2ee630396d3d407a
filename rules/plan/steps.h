/* scan: WR_OP_WHOLE's data. Expressions see the input's columns, then the declared ones, then what steps hold: `refs`.
 * Source: Kusto query language reference, "scan operator". */
#ifndef WR_RULES_PLAN_STEPS_H
#define WR_RULES_PLAN_STEPS_H

#include "rules/plan/plan.h"

enum { WR_SCAN_MAX_STEPS = 32, WR_SCAN_MAX_REFS = 128 };

struct wr_scan_step {
    const char *name;
    enum wr_scan_output { WR_SCAN_ALL, WR_SCAN_LAST, WR_SCAN_NONE } output;
    uint32_t cond;           /* among the operator's cols */
    uint32_t first, nassign; /* among assign[] */
};

struct wr_scan_spec {
    struct wr_scan_step step[WR_SCAN_MAX_STEPS];
    uint32_t nsteps;
    struct wr_scan_assign {
        uint16_t col; /* declared column */
        uint32_t ex;  /* among the operator's cols */
    } *assign;
    struct wr_scan_ref {
        uint16_t step, col; /* of input and declared columns */
    } ref[WR_SCAN_MAX_REFS];
    uint32_t nrefs, ndeclared;
    const struct wr_value *initial; /* of the declared columns */
    bool match_id;                  /* one more result column */
    const struct wr_schema *row;    /* what expressions see */
};

extern const struct wr_whole wr_scan_whole; /* rules/exec/scan.c */

#endif
