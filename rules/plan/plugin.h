/* Plugins of `evaluate`. A plugin is bound to operators that are there (map, join, ...), or to a WR_OP_WHOLE of its own
 * whose function lies in rules/exec. One line in plugins.def names it. */
#ifndef WR_RULES_PLAN_PLUGIN_H
#define WR_RULES_PLAN_PLUGIN_H

#include "rules/exec/rows.h"
#include "rules/plan/bind.h"

/* `evaluate name(args) : (*, cols)`. */
struct wr_plugin_call {
    const char *name;
    struct wr_span span; /* of the call */
    struct wr_kql_ex *const *args;
    uint32_t nargs;
    const struct wr_kql_col *cols; /* of the schema that the author gives; NULL: none given */
    uint32_t ncols;
    bool star; /* the schema begins with the input's columns */
    bool has_schema;
};

/* Binds one call over `input`, whose columns are in b->row (none hidden, no aliases); NULL after an error. */
typedef struct wr_op *wr_plugin_bind(struct wr_binder *b, const struct wr_plugin_call *call, struct wr_op *input);

#define PLUGIN(name, bind, page) wr_plugin_bind bind;
#define REFUSED(name, why)
#include "rules/plan/plugins.def"
#undef PLUGIN
#undef REFUSED

/* ---- for plugins' binders ---- */

/* An operator that `whole` runs, with `schema` as its result. `input` has no hidden columns and aliases. */
struct wr_op *wr_op_whole(struct wr_binder *b, const struct wr_whole *whole, const void *data,
                          const struct wr_schema *schema, struct wr_op *input, struct wr_span span);
/* True when rows of `op` are the same at every run: it reads neither table nor list nor the clock. */
bool wr_op_is_constant(const struct wr_op *op);
/* Rows of a constant operator now, for plugins whose columns depend on data; `now` of the run is 0. False after an
 * error. wr_rows_fini when done. */
bool wr_op_rows_now(struct wr_binder *b, const struct wr_op *op, struct wr_rows *ret_rows);

#endif
