/* Bound plan: what the binder (rules/plan) makes of a syntax tree (rules/kql), and what the executors
 * (rules/exec) run. Every name is resolved to a number, every expression has its type, every conversion is
 * explicit. Plain data, owned by one arena, immutable after binding: many engines may share it.
 *
 *   text -> rules/kql (tokens, tree) -> rules/plan (bind, fold, push down) -> rules/exec (batch | incremental)
 */
#ifndef WR_RULES_PLAN_PLAN_H
#define WR_RULES_PLAN_PLAN_H

#include "base/arena.h"
#include "base/diag.h"
#include "base/scan.h"
#include "base/schema.h"
#include "base/str.h"
#include "rules/fn/fn.h"

/* ---- expressions ----------------------------------------------------------------------------------- */

enum wr_ex_kind {
    WR_EX_CONST,
    WR_EX_COL,  /* column `col` of the operator's input; aliases already resolved to their store */
    WR_EX_CALL, /* function or operator with its arguments */
    WR_EX_SUB,  /* what the plan's query `col` of those that run first gave: its value; as args[1] of `in`: its list */
};

struct wr_ex {
    enum wr_ex_kind kind;
    enum wr_type type;
    bool list;    /* CALL: args[1] is a WR_EX_SUB that stands for the values of its query */
    bool per_run; /* same for all rows of one run: constants, now(), ago(x) and what is made of them only */
    struct wr_span span;
    uint16_t col;
    struct wr_value value;
    const struct wr_fn *fn;
    struct wr_ex *const *args;
    uint32_t nargs;
    const void *prepared; /* by fn->prepare at bind time from constant arguments (membership table, pattern); or NULL */
};

enum { WR_RANGE_ROWS_MAX = 1000000 };

/* ---- operators: a tree, `input` upstream -------------------------------------------------------------- */

enum wr_op_kind {
    WR_OP_SCAN,      /* rows of a built-in table */
    WR_OP_RANGE,     /* range: rows[0..2] are from, to, step, known at each run */
    WR_OP_ROWS,      /* datatable, print: rows of constants (print: one row, expressions over no input) */
    WR_OP_WHERE,     /* keeps rows whose predicate is true (null is not) */
    WR_OP_MAP,       /* extend, project, project-away, ...: every output column is an expression over the input */
    WR_OP_SUMMARIZE, /* also count, distinct */
    WR_OP_SORT,
    WR_OP_TAKE,      /* take, limit; top = sort + take */
    WR_OP_UNION,     /* rows of several inputs, columns already mapped to one schema */
    WR_OP_EXPAND,    /* mv-expand: columns `cols` of its input; one more column is the item's number */
    WR_OP_JOIN,      /* inputs: left, right, each a MAP; columns of the left, then of the right (semi, anti: the left's) */
    WR_OP_PARSE,     /* parse and its kin: cols[0] is the text, data a struct wr_parse; new columns behind the input's */
    WR_OP_APPLY,     /* mv-apply, partition: inputs[0] is the piece, over GIVEN; data a struct wr_apply */
    WR_OP_GIVEN,     /* the rows that APPLY hands to its piece */
    WR_OP_SERIAL,    /* as WHOLE; a hidden column for each call behind the input's; data a struct wr_serial */
    WR_OP_WHOLE,     /* all rows at once, in order, through `whole` */
    WR_OP_EXTERNAL   /* rows of a list that the program was given: `external` */
};

struct wr_op;
struct wr_rows;

/* An operator that must see all its rows before it gives the first: what ordered operators and plugins are made of. */
struct wr_whole {
    const char *name; /* for explain */
    /* `in` has the rows of op->input, as columns of its schema (stores; aliases and hidden ones too); rows in op's
     * schema go to `out`, which is empty. Memory: ev->arena, which lives until the operator is done. WR_ENOMEM, or
     * WR_ELIMIT with what was too much in *ret_why. */
    enum wr_err (*run)(struct wr_eval *ev, const struct wr_op *op, const struct wr_rows *in, struct wr_rows *out,
                       const char **ret_why);
    /* Whatever in `data` decides the result, as text: it is explained, and hashed. NULL: nothing does. */
    void (*print)(const struct wr_op *op, struct wr_buf *out);
};

/* Right semi and anti joins are these with their sides swapped. */
enum wr_join_kind {
    WR_JOIN_INNERUNIQUE, /* one left row a key: the first to arrive */
    WR_JOIN_INNER,
    WR_JOIN_LEFTOUTER,
    WR_JOIN_RIGHTOUTER,
    WR_JOIN_FULLOUTER,
    WR_JOIN_SEMI,
    WR_JOIN_ANTI
};

struct wr_sort_key {
    struct wr_ex *ex;
    bool desc, nulls_first;
};

struct wr_agg_call {
    const struct wr_agg *agg;
    struct wr_ex *const *args; /* over the summarize's input */
    uint32_t nargs;
    enum wr_type type;
};

struct wr_op {
    enum wr_op_kind kind;
    struct wr_span span;
    bool ordered;                    /* rows come in an order that means something: prev, next, row_number, scan */
    struct wr_op *input;             /* NULL for SCAN, ROWS, UNION */
    const struct wr_schema *schema;  /* output */
    enum wr_table table;             /* SCAN: schema is the built-in one (store columns, aliases, hidden) */
    struct wr_ex *pred;              /* WHERE */
    struct wr_ex *const *cols;       /* MAP: schema->ncols; SUMMARIZE: the `by` keys, output columns 0..nkeys-1 */
    uint32_t nkeys;
    const struct wr_agg_call *aggs;  /* SUMMARIZE: output columns nkeys.. */
    uint32_t naggs;
    struct wr_ex *const *rows;       /* ROWS: nrows * schema->ncols expressions, row by row, per_run */
    uint32_t nrows;
    const struct wr_sort_key *keys;  /* SORT */
    uint32_t nsort;
    int64_t count;                   /* TAKE; EXPAND: rows of one row at most */
    struct wr_op **inputs;           /* UNION, JOIN */
    uint32_t ninputs;
    struct wr_colset expanded;       /* EXPAND: the same columns, and of a mv-apply's those that its piece does not read: they are not filled */
    bool expand_pairs;               /* EXPAND: slots of a bag as [key, value] */
    const struct wr_whole *whole;    /* WHOLE */
    const void *data;                /* PARSE, APPLY, SERIAL; WHOLE: what its function made of the arguments; arena of the plan */
    const struct wr_external_table *external; /* EXTERNAL; schema is its own */
    bool first_only;                 /* JOIN: a left row meets the first of its right rows only */
    enum wr_join_kind join;          /* JOIN: cols are 2 * nkeys columns, of the left side and then of the right */
};

/* ---- plan ---------------------------------------------------------------------------------------------- */

/* Of a plan that streams: tables that it reads, each time one is named; operators that a row goes through. */
enum { WR_STREAM_LEGS_MAX = 64, WR_STREAM_OPS_MAX = 128 };

/* How a rule can run on a stream. */
enum wr_mode {
    WR_MODE_STATELESS,   /* scans, where, map: each row that passes is an alert */
    WR_MODE_INCREMENTAL, /* scans, (where|map)*, summarize, (where|map|sort|take)*: panes */
    WR_MODE_WINDOWED,    /* anything else that reads a table: run again over kept rows; `why` says why */
    WR_MODE_BATCH        /* `weir query` only */
};

/* A query inside of an expression: it runs before the rest, once a run. */
struct wr_sub {
    struct wr_op *root;
    bool list; /* its first column's values, each once; else one value: the first row's */
    bool part; /* the key of a partition's part: set before its piece runs; `root` gives a null */
};
enum {
    WR_PLAN_MAX_SUBS = 64,
    WR_GROUP_VALUES = 4096 /* what a group of a stream keeps of one aggregate's values; more is not exact */
};

enum { WR_PART_COLS = 4, WR_PART_TIMES = 8, WR_PART_WATCH = 8 };
/* Columns that each row of a result shares with all rows of tables that it is made of: rows with other values there change
 * nothing about it (parts.c). */
struct wr_parts {
    uint32_t ncols;
    uint16_t out[WR_PART_COLS];             /* of the result */
    uint16_t col[WR_NTABLES][WR_PART_COLS]; /* of a table's rows; WR_NO_COL: it is not read */
    int64_t time[WR_PART_TIMES];            /* a row may mean something else from its time and these ticks on */
    uint32_t ntimes;
    const struct wr_ex *watch[WR_PART_WATCH]; /* no texts; when one has another value, all parts may be others */
    uint32_t nwatch;
};

struct wr_plan {
    struct wr_arena *arena; /* owns all of it */
    struct wr_op *root;
    struct wr_sub *subs; /* a query names only those before it */
    uint32_t nsubs;
    struct wr_scan scans[WR_NTABLES]; /* nbranches 0: not read */
    enum wr_mode mode;
    const char *why;           /* WR_MODE_WINDOWED, WR_MODE_BATCH: for people */
    const struct wr_parts *parts; /* WR_MODE_WINDOWED; NULL: its result is one piece */
    /* Streaming modes. The conjunct `Timestamp > ago(x)` over the scan is the window: it stands in `root` for batch
     * runs and is left out of `stream`. */
    struct wr_op *stream;      /* root without the window conjunct: a chain from a SCAN, or from a UNION of such chains */
    struct wr_op *summarize;   /* in `stream`; NULL when stateless */
    bool lists_ask_clock;      /* stateless: what it reads of lists names now() */
    int64_t window;            /* ticks; 0 = no bound given */
    const char *window_from;   /* "ago(24h) at line 3", "queryPeriod", "default"; without a window: why, or NULL */
    uint16_t time_col;         /* of the scan: what the window is about; WR_NO_COL: arrival, or windowed */
    uint64_t hash[2];          /* of everything that decides results: state is kept over a reload when equal */
};

/* A table that weir is known not to have (missing.def). */
struct wr_missing {
    char table[128]; /* "": none */
    const char *why; /* static */
    struct wr_span span;
};

/* What the program gives to queries beside tables; borrowed, must outlive every plan made with it. */
struct wr_plan_env {
    const struct wr_external *lists; /* externaldata, watchlists; NULL: there are none (rules/plan/external.h) */
    const struct wr_functions *functions; /* saved ones; NULL: only those of the program */
    const struct wr_geo *geo;             /* geo_info_from_ip_address(); NULL: it knows nothing */
    struct wr_missing *missing; /* gets the table that a plan failed for, instead of an error; NULL: an error */
};

/* Parses and binds one query. NULL with errors in `diags`; `source` is borrowed during the call only (diags keep it).
 * Warnings may be added on success. */
struct wr_plan *wr_plan_new(const struct wr_source *source, struct wr_diags *diags);
/* The same, with an environment; NULL `env`: none. */
struct wr_plan *wr_plan_new_env(const struct wr_source *source, const struct wr_plan_env *env,
                                struct wr_diags *diags);
void wr_plan_free(struct wr_plan *plan);
/* Gives a window from outside (queryPeriod, a default) before the plan is shared; `from` is copied. False: no memory. */
bool wr_plan_set_window(struct wr_plan *plan, int64_t ticks, const char *from) WR_MUST_CHECK;
/* The plan as indented text, one operator a line with its pushdown and window. */
void wr_plan_explain(const struct wr_plan *plan, struct wr_buf *out);

#endif
