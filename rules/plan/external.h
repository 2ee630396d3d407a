/* Lists from outside the stream: what externaldata, _GetWatchlist and threat-intelligence tables read. Whoever has the
 * files implements this; the binder asks for a table by what the query says about it, the batch executor reads its
 * rows at each run. Nothing here goes over the network. */
#ifndef WR_RULES_PLAN_EXTERNAL_H
#define WR_RULES_PLAN_EXTERNAL_H

#include "rules/kql/ast.h"
#include "rules/plan/plan.h"

/* One list. Implementations put it first in a structure of their own. */
struct wr_external_table {
    const char *name; /* for explain and the plan's hash: what was asked for, not what the file holds today */
    const struct wr_schema *schema; /* of every content; lives as long as the table */
    /* The rows as they are now (a reload gives others to the next run). Valid until released; NULL: no memory.
     * Called from the thread that runs the rule; several runs may hold rows at once. */
    const struct wr_rows *(*acquire)(const struct wr_external_table *table);
    void (*release)(const struct wr_external_table *table, const struct wr_rows *rows);
};

/* What a query says about the list it wants. Texts are borrowed during the call. */
struct wr_external_request {
    const char *function; /* "externaldata"; else the name as in `_GetWatchlist('x')` or a plain table's name */
    const struct wr_value *args; /* addresses; arguments of the call: constants */
    uint32_t nargs;
    const struct wr_kql_col *cols; /* externaldata: what the author declares */
    uint32_t ncols;
    const struct wr_external_property {
        const char *name;
        struct wr_value value; /* a bare name (format=csv) is its text */
    } *with;
    uint32_t nwith;
};

struct wr_external {
    /* The table for a request, owned by the provider for as long as it lives. NULL: *ret_why says why not, *ret_hint
     * what to do (both static or of `arena`); both NULL: this name is none of the provider's, look elsewhere. */
    const struct wr_external_table *(*find)(const struct wr_external *lists, const struct wr_external_request *req,
                                            struct wr_arena *arena, const char **ret_why, const char **ret_hint);
    /* The name of the n-th table that a query names as it names weir's; NULL: there are no more. Lives as long as the lists. */
    const char *(*table)(const struct wr_external *lists, uint32_t n);
};

/* A function that queries may call beside their own: `(a: long) { ... }`, or a query without parameters. Lives as long as
 * its provider. */
struct wr_saved_fn {
    const char *name, *file;
    const char *text;
    size_t len;
};

struct wr_functions {
    const struct wr_saved_fn *(*find)(const struct wr_functions *functions, const char *name); /* NULL: none */
};

/* Functions of the program: rules/refdata/functions/ as C arrays. */
extern const struct wr_saved_fn wr_program_fns[];
extern const size_t wr_program_nfns;

#endif
