/* Functions and aggregates of KQL as tables (fn/functions.def, fn/aggregates.def): the binder reads
 * signatures, the executors call kernels, docs/kql.md is printed from them. Operators are functions with a
 * symbol as name ("==",
 * "!in~", "has", "+", "and"). */
#ifndef WR_RULES_FN_FN_H
#define WR_RULES_FN_FN_H

#include "base/arena.h"
#include "base/batch.h"
#include "base/diag.h"

struct wr_ex;

/* One value; null only with types that have nulls (all but string). */
struct wr_value {
    enum wr_type type;
    bool null;
    int64_t i;       /* bool int long datetime timespan */
    double r;        /* real */
    struct wr_str s; /* string guid dynamic decimal; long text belongs to the plan's or the run's arena */
};

/* What a query inside of an expression gave in this run (struct wr_sub). */
struct wr_sub_result {
    struct wr_value value;
    struct wr_ex **items; /* list: items[1..n] are constants; items[0] is free for the value that is looked for */
    uint32_t n;
    const void *prepared; /* list: by `prepare` of the function that has it, at its first use */
    bool tried;
    struct wr_arena *arena; /* of all of it */
};

/* What a kernel may use while it runs over one batch. */
struct wr_eval {
    struct wr_arena *arena; /* results and their strings; reset by the executor after the batch */
    int64_t now;            /* ticks: now() */
    struct wr_sub_result *subs; /* WR_EX_SUB */
    uint32_t nrows;         /* rows of the batch: vectors have room for them */
    enum wr_err err;        /* a kernel that ran out of memory sets it */
};

/* Computes `out` (storage for ev->nrows rows, all rows null) for the rows in `sel`. Arguments are vectors of
 * the types in the signature; a constant argument is a vector whose rows are all alike. */
typedef void wr_fn_eval(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,
                        const struct wr_sel *sel, struct wr_vec *out);

/* Signature: one letter a parameter, ':' , result.
 *   b bool  i int  l long  r real  d datetime  t timespan  s string  g guid  y dynamic  c decimal
 *   T any type, the same one at every T (after widening int < long < real < decimal); also as result
 *   * any type
 *   B bool, L long, R real; a dynamic value becomes one (elsewhere it becomes a string only)
 *   N a number or a dynamic value, as it is
 *   + after a letter: one or more of it; must be the last parameter. `(bT)+` repeats a group.
 *   ? after a letter: may be left out, with all that follow
 * Example: "==" has "TT:b"; iff "bTT:T"; case "(bT)+T:T"; strcat "*+:s"; "in" "TT+:b"; substring "sll?:s". */
enum {
    WR_FN_PER_RUN = 1 << 0, /* depends on the run (now) but not on rows */
    WR_FN_NO_FOLD = 1 << 1, /* rand(), new_guid(): never folded into a constant */
    WR_FN_LAZY_NULL =
        1 << 2, /* handles nulls itself; otherwise any null argument gives null before the kernel runs */
    WR_FN_EVAL_ALL = 1 << 3 /* what was prepared stands for some constants only: all arguments are computed */
};

struct wr_fn {
    const char *name;
    const char *signature;
    wr_fn_eval *eval;
    /* Optional: called once at bind time; returns what `prepared` becomes (in `arena`); NULL with a message
     * in `ret_why` when a constant argument is wrong (a bad pattern, say). */
    const void *(*prepare)(struct wr_arena *arena, const struct wr_ex *call, const char **ret_why);
    uint32_t flags;
    const char *page; /* Kusto page, last part of its address: "case-function" */
};

/* First overload of a name (operators by symbol), or NULL; the next one of the same name follows with
 * wr_fn_next. Names are case-sensitive as in Kusto. */
const struct wr_fn *wr_fn_find(const char *name, size_t len);
const struct wr_fn *wr_fn_next(const struct wr_fn *fn);
/* All of them, for docs and for "did you mean". */
const struct wr_fn *wr_fn_all(uint32_t *ret_n);

/* Why weir has not a function that Kusto has; NULL: nothing is known of it. */
const char *wr_fn_refused(const char *name);

/* Aggregates. State is a fixed-size block per group and pane plus what it keeps in `arena`-like storage of
 * the executor (distinct sets). How each is kept over panes decides whether it can run incrementally. */
enum wr_agg_kind {
    WR_AGG_COUNT,
    WR_AGG_COUNTIF,
    WR_AGG_SUM,
    WR_AGG_SUMIF,
    WR_AGG_MIN,
    WR_AGG_MAX,
    WR_AGG_AVG,
    WR_AGG_DCOUNT,
    WR_AGG_DCOUNTIF,
    WR_AGG_MAKE_SET,
    WR_AGG_MAKE_LIST,
    WR_AGG_TAKE_ANY,
    WR_AGG_ARG_MAX,
    WR_AGG_ARG_MIN,
    WR_AGG_STDEV,
    WR_AGG_VARIANCE,
    WR_AGG_STDEVP,
    WR_AGG_VARIANCEP,
    WR_AGG_MAKE_BAG,
    WR_AGG_PERCENTILE,
    WR_AGG_BITS_AND, /* from here on: computed at the end, from the values that a group has kept */
    WR_AGG_FIRST_KEPT = WR_AGG_BITS_AND,
    WR_AGG_BITS_OR,
    WR_AGG_BITS_XOR,
    WR_AGG_LIST_NULLS,
    WR_AGG_COVARIANCE,
    WR_AGG_COVARIANCEP,
    WR_AGG_PERCENTILEW,
    WR_AGG_PERCENTILES_ARRAY,
    WR_AGG_PERCENTILESW_ARRAY,
    WR_AGG_BUILDSCHEMA,
    WR_AGG_HLL,
    WR_AGG_HLL_MERGE,
    WR_AGG_TDIGEST,
    WR_AGG_TDIGEST_MERGE,
    WR_AGG_NKINDS
};

struct wr_agg {
    const char *name;
    const char *signature; /* as for functions; result "l" for count ... */
    enum wr_agg_kind kind;
    bool incremental; /* rules/exec can keep it over panes */
    const char *page;
};

const struct wr_agg *wr_agg_find(const char *name, size_t len);
const struct wr_agg *wr_agg_next(const struct wr_agg *agg);
const struct wr_agg *wr_agg_all(uint32_t *ret_n);

#endif
