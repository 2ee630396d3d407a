#ifndef WR_BASE_SCAN_H
#define WR_BASE_SCAN_H

#include "base/schema.h"
#include "base/str.h"

/* What the loaded rules want from one table, as plain data: the rules compile it, the parsers obey it.
 * A decoder may skip every row that no branch accepts and every column that is not wanted; it may also
 * deliver more than asked: the rules test again. */
enum wr_pred_op {
    WR_PRED_IN_INT, /* the integer column is one of ints[0..n); null is not */
    WR_PRED_IN_STR, /* the string column equals one of strs[0..n) */
    WR_PRED_IN_STR_NOCASE,
    WR_PRED_SET /* the column has a value that is not empty */
};

struct wr_pred {
    uint16_t col;
    enum wr_pred_op op;
    uint32_t n;
    const int64_t *ints;
    const struct wr_str *strs;
};

/* All predicates must hold; none = every row is wanted. */
struct wr_branch {
    const struct wr_pred *preds;
    uint32_t npreds;
};

/* A row is wanted when any branch accepts it. No branch: no rule reads the table. */
struct wr_scan {
    enum wr_table table;
    struct wr_colset wanted;
    const struct wr_branch *branches;
    uint32_t nbranches;
};

#endif
