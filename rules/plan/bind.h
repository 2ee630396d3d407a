/* What the binder's files share. Private to rules/plan.
 *
 * Names are looked up in the operator's input first, then in the let statements above, as Kusto
 * does. A let is bound again at every use; `nodes` bounds what that may make of a text. The first
 * error of an operator ends its query, since the columns behind it are not known; other operators'
 * arguments are all looked at. */
#ifndef WR_RULES_PLAN_BIND_H
#define WR_RULES_PLAN_BIND_H

#include "rules/kql/ast.h"
#include "rules/plan/plan.h"

enum { WR_BIND_OP_NODES = 200, /* what an operator counts: executors walk down the chain, some 500 of them */
       WR_BIND_MAX_NODES = 400000, WR_BIND_MAX_DEPTH = 300, WR_BIND_MAX_LETS = 64 };

enum wr_let_kind { 
    WR_LET_BAD,
    WR_LET_MISSING, /* a table that weir is known not to have: told where it is used */
    WR_LET_CONST,
    WR_LET_TABLE,
    WR_LET_FUNCTION,
    WR_LET_ARG /* a value that is bound already: a scalar, an argument of a function's call */
};

struct wr_let {
    const struct wr_kql_let *ast;
    enum wr_let_kind kind;
    struct wr_value value; /* WR_LET_CONST */
    struct wr_ex *arg;     /* WR_LET_ARG; shared by all uses, each of which counts its `size` */
    uint32_t size;         /* expressions that it is made of */
    bool gives_table;      /* WR_LET_FUNCTION */
    const struct wr_source *source; /* where it stands */
    const struct wr_let *lets; /* what it may name: those above it */
    uint32_t nlets;
};

/* Aggregates that were met while a summarize's arguments were bound. */
struct wr_agg_list {
    struct wr_agg_call *at;
    uint32_t n, cap;
    uint32_t nkeys; /* results are columns from here on */
};

struct wr_binder {
    struct wr_plan *plan;
    const struct wr_plan_env *env; /* or NULL */
    struct wr_arena *arena; /* the plan's */
    const struct wr_source *source; /* of the text at hand; `main` is the query's, `call` where it called a saved function */
    const struct wr_source *main;
    struct wr_span call;
    struct wr_saved_let **saved; /* functions that were read for this query */
    struct wr_diags *diags;
    const struct wr_kql *kql;
    const struct wr_let *lets;
    uint32_t nlets; /* that may be named here: those above */
    uint32_t nodes, depth;
    const struct wr_schema *row; /* input of the operator; NULL: no columns here */
    const char *op;              /* "summarize": for messages */
    struct wr_agg_list *aggs; /* not NULL: in a summarize's arguments, outside of any aggregate */
    bool in_agg;
    struct wr_serial_list *serial; /* calls of prev() and its kin in the operator at hand; NULL: none may stand there */
    struct wr_scan_binding *scan;  /* in a scan's steps: `step.column` */
    const struct wr_schema *given; /* of WR_KQL_GIVEN */
    struct wr_given_rows *given_rows; /* of the piece at hand (prune.c) */
    struct wr_part *part; /* in a partition's piece: what toscalar(Column) stands for; NULL: elsewhere */
    bool lenient; /* search, find: a column that this table has not is null */
};

/* The key of the part at hand. */
struct wr_part {
    const struct wr_kql_name *name;
    enum wr_type type;
    uint16_t sub; /* among the plan's queries, which stands for it; WR_NO_COL: nobody asked */
    bool hidden;  /* in a query inside of an expression, which runs before there are parts */
};

/* Columns that an operator makes, in order. */
struct wr_cols {
    struct wr_coldef *def;
    struct wr_ex **ex;
    bool *named; /* by the query's author, so that a second one is a mistake */
    uint32_t n, cap;
    bool numbers; /* summarize: a name given after a made one that is the same gets a number, as in Kusto */
};

struct wr_diag *wr_bind_error(struct wr_binder *b, struct wr_span span, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
bool wr_bind_nomem(struct wr_binder *b); /* adds the error; false */

/* ---- expressions: all return arena memory, or NULL after an error ---- */
struct wr_ex *wr_bind_ex(struct wr_binder *b, const struct wr_kql_ex *ast);
/* The same; a result of another type than bool is an error. */
struct wr_ex *wr_bind_pred(struct wr_binder *b, const struct wr_kql_ex *ast);
struct wr_ex *wr_ex_new(struct wr_binder *b, enum wr_ex_kind kind, enum wr_type type,
                        struct wr_span span);
struct wr_ex *wr_ex_col(struct wr_binder *b, const struct wr_schema *schema, uint16_t col,
                        struct wr_span span);
struct wr_ex *wr_ex_const(struct wr_binder *b, const struct wr_value *value, struct wr_span span);
/* A call of `name` with these arguments: picks the overload, converts, folds. */
struct wr_ex *wr_ex_call(struct wr_binder *b, const char *name, struct wr_ex *const *args,
                         uint32_t nargs, struct wr_span span);
struct wr_ex *wr_ex_convert(struct wr_binder *b, struct wr_ex *ex, enum wr_type type);
/* What a call with constant arguments gives, else `ex` itself. */
struct wr_ex *wr_ex_fold(struct wr_binder *b, struct wr_ex *ex);
/* Value of a constant in another type: false when it has none there. */
bool wr_value_convert(struct wr_arena *arena, const struct wr_value *v, enum wr_type type,
                      struct wr_value *ret);

/* ---- overloads ---- */
struct wr_match {
    uint32_t cost;
    enum wr_type result;
    enum wr_type *want; /* per argument: what it must become; its own type where any will do */
};
/* False when `signature` does not take the arguments. `literals_bend`: a long constant may become
 * int. */
bool wr_signature_match(const char *signature, struct wr_ex *const *args, uint32_t nargs,
                        bool literals_bend, enum wr_type *want, struct wr_match *ret);

/* ---- calls that end in typeof(...) ---- */
bool wr_takes_type(const struct wr_kql_ex *call);
struct wr_ex *wr_bind_typed(struct wr_binder *b, const struct wr_kql_ex *call);

/* ---- queries inside of expressions ---- */
struct wr_ex *wr_bind_toscalar(struct wr_binder *b, const struct wr_kql_ex *ast);
/* A table as an array of its first column's different values. */
struct wr_ex *wr_bind_list_value(struct wr_binder *b, const struct wr_kql_ex *ast);
/* in, has_any and their kin whose list is a table. */
/* The first column; where it is dynamic, as `want`, and each value of its arrays a row: what `in` looks through. */
struct wr_op *wr_op_spread(struct wr_binder *b, struct wr_op *op, enum wr_type want, struct wr_span span);
struct wr_ex *wr_bind_list_member(struct wr_binder *b, const struct wr_kql_ex *ast);
/* True for some expression of the operator itself, not of those below it: `test` is asked about whole expressions. */
bool wr_op_any_ex(const struct wr_op *op, bool (*test)(const struct wr_ex *ex, void *arg), void *arg);
/* The same for all operators of a tree. */
bool wr_tree_any_ex(const struct wr_op *root, bool (*test)(const struct wr_ex *ex, void *arg), void *arg);

/* ---- functions with several results ---- */
/* `f(x)` or `(a, b) = f(x)` of such a function. */
/* array_sort_asc() or _desc() of several arrays, and all that it gives as one array. */
bool wr_is_sort(const struct wr_kql_ex *ast);
struct wr_ex *wr_bind_sort_all(struct wr_binder *b, const struct wr_kql_ex *ast);
bool wr_is_multi(const struct wr_binder *b, const struct wr_kql_ex *ast);
/* Adds its columns; of `cols` the first `nin` are an extend's input, which a result of the same name replaces. */
bool wr_bind_multi(struct wr_binder *b, const struct wr_kql_ex *ast, struct wr_cols *cols, uint32_t nin);

/* ---- lets and functions ---- */
/* Binds a let statement in the scope of `b`; ret->kind WR_LET_BAD after an error. */
void wr_bind_let(struct wr_binder *b, const struct wr_kql_let *ast, struct wr_let *ret);
const struct wr_let *wr_let_find(const struct wr_binder *b, const char *name);
/* A saved function; NULL: none of that name, or an error was added. */
const struct wr_let *wr_saved_find(const struct wr_binder *b, const char *name);
void wr_saved_free(struct wr_saved_let *list);
/* A let's value where it is named; its table; a call of a function, which gives one or the other. */
struct wr_ex *wr_bind_let_value(struct wr_binder *b, const struct wr_let *let,
                                const struct wr_kql_ex *ast);
struct wr_op *wr_bind_let_table(struct wr_binder *b, const struct wr_let *let);
struct wr_ex *wr_bind_fn_value(struct wr_binder *b, const struct wr_let *let,
                               const struct wr_kql_ex *call);
/* `piped`: the query before `| invoke`, which becomes the first argument; or NULL. */
struct wr_op *wr_bind_fn_table(struct wr_binder *b, const struct wr_let *let,
                               const struct wr_kql_ex *call, const struct wr_kql_query *piped);
bool wr_fn_gives_table(const struct wr_binder *b, const struct wr_kql_let *fn);
/* No parameter wants an argument: the function's name alone is a call. */
bool wr_fn_is_bare(const struct wr_kql_let *fn);
/* True when the expression can only be a table. */
bool wr_is_table_ex(const struct wr_binder *b, const struct wr_kql_ex *ast);

/* ---- aggregates ---- */
struct wr_ex *wr_bind_agg(struct wr_binder *b, const struct wr_kql_ex *ast);

/* ---- names of columns ---- */
/* The name that Kusto gives to an unnamed expression; NULL when it is one of Column1, Column2, ...
 */
const char *wr_name_of(struct wr_binder *b, const struct wr_kql_ex *ast);
/* The constant that stands there, or that a let's name there means; NULL: it is computed. */
const struct wr_value *wr_bind_written(const struct wr_binder *b, const struct wr_kql_ex *ast);
/* Of array `at` of array_sort_asc() or _desc(). */
const char *wr_name_of_sorted(struct wr_binder *b, const struct wr_kql_ex *call, uint32_t at);
/* What an aggregate over rows calls a column: any(x) any_x, the others x. */
const char *wr_name_of_column(struct wr_binder *b, const char *agg, const char *column);
/* Of argument `at` of arg_max() and its kin, which has no name of its own: max_x_arg1, any_arg0; the first of arg_max: max_. */
const char *wr_name_of_arg(struct wr_binder *b, const struct wr_kql_ex *call, uint32_t at);
bool wr_cols_add(struct wr_binder *b, struct wr_cols *cols, const char *name, bool named,
                 struct wr_ex *ex, struct wr_span span);
/* `name` with a number behind it. */
void wr_name_numbered(char *out, size_t size, const char *name, uint32_t number);
const struct wr_schema *wr_cols_schema(struct wr_binder *b, const struct wr_cols *cols);
uint32_t wr_cols_find(const struct wr_cols *cols, const char *name); /* UINT32_MAX: none */
/* Not in Microsoft's table, while the table is one of Microsoft's. */
bool wr_col_is_own(const struct wr_schema *schema, uint16_t col);
/* What an author may have meant by `name` among the columns and lets. */
void wr_hint_column(struct wr_binder *b, struct wr_diag *d, const struct wr_schema *schema,
                    const char *name);

/* ---- tables that weir has not ---- */
/* Why; NULL: the name means nothing. */
const char *wr_missing_why(const char *name);
/* Says so for the source `ast`; false when the name means nothing. */
bool wr_bind_missing(struct wr_binder *b, const struct wr_kql_ex *ast);
/* The source of a leg or a let that is such a table, or NULL. */
const struct wr_kql_ex *wr_missing_source(const struct wr_binder *b, const struct wr_kql_query *query);

/* ---- operators ---- */
struct wr_op *wr_op_new(struct wr_binder *b, enum wr_op_kind kind, struct wr_op *input,
                        struct wr_span span);
struct wr_op *wr_bind_query(struct wr_binder *b, const struct wr_kql_query *query);
struct wr_op *wr_bind_source(struct wr_binder *b, const struct wr_kql_ex *ast);
struct wr_op *wr_bind_summarize(struct wr_binder *b, const struct wr_kql_op *ast,
                                struct wr_op *input);
struct wr_op *wr_bind_distinct(struct wr_binder *b, const struct wr_kql_op *ast,
                               struct wr_op *input);
struct wr_op *wr_bind_count(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input);
struct wr_op *wr_bind_sort(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input);
struct wr_op *wr_bind_take(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input);
struct wr_op *wr_bind_project(struct wr_binder *b, const struct wr_kql_op *ast,
                              struct wr_op *input);
struct wr_op *wr_bind_union(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input);
struct wr_op *wr_bind_expand(struct wr_binder *b, const struct wr_kql_op *ast,
                             struct wr_op *input);
struct wr_op *wr_bind_join(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input);
/* Puts a filter on left columns below an innerunique join; false when it cannot go there. */
bool wr_join_push_where(struct wr_binder *b, struct wr_op *join, struct wr_ex *pred);
/* `x in (table)` and its kin as a join. */
bool wr_is_in_table(const struct wr_binder *b, const struct wr_kql_ex *ast);
/* Its table is the same at every run: a filter like any other. */
bool wr_is_constant_list(struct wr_binder *b, const struct wr_kql_ex *ast);
struct wr_op *wr_bind_in_table(struct wr_binder *b, const struct wr_kql_ex *ast,
                               struct wr_op *input);
struct wr_op *wr_bind_mv_apply(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input);
struct wr_op *wr_bind_partition(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input);
struct wr_op *wr_bind_series(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input);
struct wr_op *wr_bind_top_nested(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input);
struct wr_op *wr_bind_scan(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input);
struct wr_op *wr_bind_search(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input);
struct wr_op *wr_bind_find(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input);
struct wr_op *wr_bind_getschema(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input);
struct wr_op *wr_bind_assert_schema(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input);
struct wr_op *wr_bind_by_names(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input);
struct wr_op *wr_bind_sample_distinct(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input);
struct wr_op *wr_bind_top_hitters(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input);
/* A union of tables that are bound already: ast says withsource and inner. `legs` is changed and kept. */
struct wr_op *wr_union_of(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op **legs,
                          const char *const *names, uint32_t n);
/* Rows of constants: one expression a cell. */
struct wr_op *wr_op_rows(struct wr_binder *b, const struct wr_cols *cols, struct wr_ex **rows, uint32_t nrows,
                         struct wr_span span);
/* prev(), row_number(), ...: a column of the WR_OP_SERIAL below the operator at hand, which open and close put there. */
bool wr_is_serial_fn(const char *name);
struct wr_ex *wr_bind_serial(struct wr_binder *b, const struct wr_kql_ex *ast);
struct wr_serial_list *wr_serial_open(struct wr_binder *b, struct wr_op *input);
struct wr_op *wr_serial_close(struct wr_binder *b, struct wr_serial_list *list, struct wr_op *input);
/* `step.column` of a scan; *ret_is false: it is none. */
struct wr_ex *wr_bind_scan_ref(struct wr_binder *b, const struct wr_kql_ex *ast, bool *ret_is);
/* `* has "x"`: for any column. */
struct wr_ex *wr_bind_star(struct wr_binder *b, const struct wr_kql_ex *ast);
struct wr_op *wr_bind_parse(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input);
struct wr_op *wr_bind_parse_kv(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input);
void wr_parse_print(const struct wr_op *op, struct wr_buf *out); /* for explain */
struct wr_op *wr_bind_evaluate(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input);
/* A list from outside, by externaldata, a call or a name; *ret_known false: nobody has one of that name. */
struct wr_op *wr_bind_list(struct wr_binder *b, const struct wr_kql_ex *ast, const char *function, bool *ret_known);
/* True after an error: weir has not this function of Kusto's, and says why. */
bool wr_bind_refused(struct wr_binder *b, const struct wr_kql_name *function);
/* `*` in a pattern stands for any text. */
bool wr_name_glob(const char *pattern, const char *name);
/* table('Name') as the name; NULL after an error. */
bool wr_is_table_call(const struct wr_binder *b, const struct wr_kql_ex *ast);
const struct wr_kql_ex *wr_table_call(struct wr_binder *b, const struct wr_kql_ex *ast);
/* What stands for tables in union, find, search: itself, or every name that a pattern matches. NULL after an error. */
const struct wr_kql_ex *const *wr_tables_of(struct wr_binder *b, const struct wr_kql_ex *ast, uint32_t *ret_n);
bool wr_is_list(const struct wr_binder *b, const struct wr_kql_name *name);
struct wr_op *wr_bind_print(struct wr_binder *b, const struct wr_kql_op *ast);
struct wr_op *wr_bind_range(struct wr_binder *b, const struct wr_kql_op *ast);
struct wr_op *wr_bind_datatable(struct wr_binder *b, const struct wr_kql_ex *ast);
/* MAP of `cols` over `input`. */
struct wr_op *wr_op_map(struct wr_binder *b, const struct wr_cols *cols, struct wr_op *input,
                        struct wr_span span);
/* Without hidden columns and aliases: what results are, and what operators over whole rows stand on. */
struct wr_op *wr_op_visible(struct wr_binder *b, struct wr_op *op);
/* Says that KQL has it and weir does not, yet. */
void wr_bind_unsupported(struct wr_binder *b, struct wr_span span, const char *what,
                         const char *name);

/* ---- after binding ---- */
bool wr_plan_prune(struct wr_binder *b);  /* drops columns that nothing reads */
bool wr_plan_sink(struct wr_binder *b);   /* filters and maps into the legs of unions; after prune */
bool wr_plan_stream(struct wr_binder *b); /* mode, window, stream */
bool wr_plan_parts(struct wr_binder *b);  /* of a windowed one */
bool wr_plan_scans(struct wr_binder *b);  /* pushdown, wanted columns */
/* `ex` is now() less *ret ticks. */
bool wr_before_now(const struct wr_ex *ex, int64_t *ret);
void wr_plan_hash(struct wr_plan *plan);
bool wr_reads_a_table(const struct wr_op *op); /* some operator of the tree does */
/* List | join (events): as events that look up the list, with the columns put back. innerunique takes the first of the
 * list's rows that have a key, and each event. NULL: not such a join, or no memory. */
const struct wr_op *wr_join_turned(struct wr_binder *b, const struct wr_op *op);

/* An expression as text, with column names of `schema`. */
void wr_ex_print(const struct wr_ex *ex, const struct wr_schema *schema, struct wr_buf *out);
void wr_value_print(const struct wr_value *v, struct wr_buf *out);
/* Calls `each` for every column that `ex` reads. */
void wr_ex_columns(const struct wr_ex *ex, struct wr_colset *set);

/* The call is one of an aggregate, where such may stand. */
bool wr_names_agg(const struct wr_kql_ex *call);
/* The arguments of an aggregate of rules/fn/fn.h's kept kinds: values that belong together become one. */
bool wr_bind_kept(struct wr_binder *b, const struct wr_agg *agg, struct wr_ex **args, uint32_t *nargs, struct wr_span span);
/* The value where the condition is true, else null. */
struct wr_ex *wr_where_true(struct wr_binder *b, struct wr_ex *value, struct wr_ex *pred);

/* Functions whose arguments are columns or tables. */
bool wr_is_columns_fn(const struct wr_kql_ex *ast);
struct wr_ex *wr_bind_columns_fn(struct wr_binder *b, const struct wr_kql_ex *ast);

#endif
