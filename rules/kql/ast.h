/* Syntax tree of a KQL query, before any name has a meaning. Plain data in one arena; every node
 * has its place.
 *
 *   text -> wr_kql_lex -> tokens -> wr_kql_parse -> struct wr_kql -> rules/plan binds it
 *
 * The parser takes more than weir can run: an operator whose grammar is not read here becomes
 * WR_KQL_OTHER with its name and extent, and the binder refuses it with its place. Source: Kusto
 * query language reference. */
#ifndef WR_RULES_KQL_AST_H
#define WR_RULES_KQL_AST_H

#include "base/diag.h"
#include "rules/kql/token.h"

enum {
    WR_KQL_MAX_DEPTH = 256,   /* of the tree: expressions, brackets, subqueries */
    WR_KQL_MAX_ITEMS = 10000, /* of one list */
    WR_KQL_MAX_PIPES = 256    /* operators of one query */
};

enum wr_kql_kind {
    WR_KQL_LITERAL,
    WR_KQL_NAME,    /* column, let or table */
    WR_KQL_STAR,    /* * */
    WR_KQL_PATTERN, /* Init*, *Name: names of columns or tables */
    WR_KQL_CALL, /* name(args), or an operator: then `name` is its symbol and `is_op` is set. "and",
                    "or" have two or more arguments, "-" and "+" one or two; "in", "has_any", ...
                    the left side, then the list */
    WR_KQL_PATH, /* args[0].name */
    WR_KQL_INDEX,     /* args[0][args[1]] */
    WR_KQL_NAMED,     /* names[0..] = args[0] */
    WR_KQL_RANGE,     /* args[0] .. args[1], right of between */
    WR_KQL_SUBQUERY,  /* (query) */
    WR_KQL_DATATABLE, /* cols, args: values row by row */
    WR_KQL_EXTERNAL,  /* externaldata: cols, args: addresses, with */
    WR_KQL_TYPEOF,    /* typeof(type) */
    WR_KQL_ORDER      /* args[0] asc|desc nulls first|last */
};

struct wr_kql_name {
    const char *text; /* NUL-terminated */
    uint32_t len;
    struct wr_span span;
};

struct wr_kql_col {
    struct wr_kql_name name;
    enum wr_type type;
};

enum wr_kql_order {
    WR_KQL_ASC = 1,
    WR_KQL_DESC = 2,
    WR_KQL_NULLS_FIRST = 4,
    WR_KQL_NULLS_LAST = 8,
    WR_KQL_GRANNY = 16
};

struct wr_kql_ex {
    enum wr_kql_kind kind;
    bool is_op;
    uint8_t order;  /* WR_KQL_ORDER: bits of enum wr_kql_order */
    uint16_t depth; /* of the tree below, from 1 */
    struct wr_span span;
    struct wr_kql_name name;
    struct wr_value value;
    struct wr_kql_ex *const *args;
    uint32_t nargs;
    const struct wr_kql_name *names;
    uint32_t nnames;
    const struct wr_kql_col *cols;
    uint32_t ncols;
    struct wr_kql_ex *const *with; /* externaldata: its properties, each WR_KQL_NAMED */
    uint32_t nwith;
    struct wr_kql_query *query;
};

enum wr_kql_op_kind {
    WR_KQL_SOURCE, /* args[0]: a name, call, datatable or bracket */
    WR_KQL_PRINT,
    WR_KQL_RANGE_OP, /* name; args: from, to, step */
    WR_KQL_UNION,
    WR_KQL_WHERE,
    WR_KQL_EXTEND,
    WR_KQL_PROJECT,
    WR_KQL_PROJECT_AWAY,
    WR_KQL_PROJECT_KEEP,
    WR_KQL_PROJECT_RENAME,
    WR_KQL_PROJECT_REORDER,
    WR_KQL_SUMMARIZE, /* args, by */
    WR_KQL_DISTINCT,
    WR_KQL_SORT,
    WR_KQL_TAKE,  /* args[0]: how many */
    WR_KQL_TOP,   /* args[0]: how many; by */
    WR_KQL_COUNT, /* name: of the column, or NULL text */
    WR_KQL_AS,
    WR_KQL_RENDER, /* no effect */
    WR_KQL_JOIN,   /* label: its kind, or NULL text; args[0]: the other table; by: conditions */
    WR_KQL_LOOKUP, /* as join */
    WR_KQL_EXPAND, /* label: of the item's number; by: typeof() or NULL, one an argument; inner: kind=array */
    WR_KQL_INVOKE, /* args[0]: the call */
    WR_KQL_PARSE,    /* label: kind, withsource: flags, args[0]: text, by: literals, '*', names with one of cols */
    WR_KQL_PARSE_KV, /* args[0]: text, cols, by: options */
    WR_KQL_MV_APPLY,  /* as EXPAND, and piece */
    WR_KQL_PARTITION, /* args[0]: the column; piece, whose ops[0] may be a source of its own */
    WR_KQL_GIVEN,     /* first of a piece: the rows that the operator around it hands over */
    WR_KQL_SERIALIZE, /* args: columns, as in extend */
    WR_KQL_SERIES,    /* make-series. label: kind; args, defaults; axis: itself, from, to, step; inner: in range(); by */
    WR_KQL_TOP_NESTED, /* args: aggregates with their order; by: keys; defaults: how many, axis: `with others`, or NULL */
    WR_KQL_SCAN,      /* label: of the match's number; cols, defaults: declared; steps */
    WR_KQL_SEARCH,    /* label: kind; args: tables; by[0]: condition */
    WR_KQL_FIND,      /* as search; withsource; project */
    WR_KQL_SAMPLE_DISTINCT, /* args[0]: how many; by[0]: the column */
    WR_KQL_TOP_HITTERS, /* args[0]: how many; by[0]: the column; by[1], when given: what is summed */
    WR_KQL_GETSCHEMA,
    WR_KQL_ASSERT_SCHEMA, /* cols */
    WR_KQL_BY_NAMES,  /* project-by-names: args */
    WR_KQL_CONSUME,
    WR_KQL_EVALUATE, /* args[0]: the call of a plugin; cols, star: what it gives */
    WR_KQL_OTHER   /* not supported: `name` */
};

struct wr_kql_step {
    struct wr_kql_name name;
    uint8_t output; /* 0 all, 1 last, 2 none */
    struct wr_kql_ex *cond;
    struct wr_kql_ex *const *assign; /* each WR_KQL_NAMED */
    uint32_t nassign;
};

struct wr_kql_op {
    enum wr_kql_op_kind kind;
    struct wr_kql_name name; /* the operator's, for messages; see also the kinds above */
    struct wr_kql_name label;
    struct wr_span span;
    struct wr_kql_ex *const *args;
    uint32_t nargs;
    struct wr_kql_ex *const *by;
    uint32_t nby;
    bool has_by;
    /* union */
    bool isfuzzy, inner;
    int64_t limit; /* mv-expand; -1: none */
    struct wr_kql_name withsource; /* NULL text: not given */
    const struct wr_kql_col *cols; /* evaluate: `: (a: long)` behind the call; NULL: not given */
    uint32_t ncols;
    struct wr_kql_query *piece; /* mv-apply, partition: ops[0] is WR_KQL_GIVEN, or partition's own source */
    struct wr_kql_ex *const *axis;
    struct wr_kql_ex *const *defaults; /* beside args or cols; NULL where none is given */
    const struct wr_kql_step *steps;
    uint32_t nsteps;
    struct wr_kql_ex *const *project; /* find */
    uint32_t nproject;
    bool where; /* join: `where` in the place of `on` */
    bool star; /* evaluate: `: (*, a: long)`: the input's columns first */
};

struct wr_kql_query {
    struct wr_span span;
    struct wr_kql_op *const *ops; /* ops[0] makes rows, the others take them */
    uint32_t nops;
};

struct wr_kql_param {
    struct wr_kql_name name;
    bool is_table; /* T:(*), T:(a:long): then `cols`, ncols 0 for (*) */
    const struct wr_kql_col *cols;
    uint32_t ncols;
    enum wr_type type;
    struct wr_kql_ex *value; /* default, or NULL */
};

struct wr_kql_let {
    struct wr_kql_name name;
    struct wr_span span;
    bool is_function;
    struct wr_kql_query *query; /* a scalar is a query of one WR_KQL_SOURCE; a function's body */
    const struct wr_kql_param *params; /* functions */
    bool view; /* a function that patterns of tables match */
    uint32_t nparams;
    const struct wr_kql_let *lets; /* in a function's body, before its query */
    uint32_t nlets;
};

struct wr_kql {
    struct wr_arena *arena;
    const struct wr_kql_let *lets;
    uint32_t nlets;
    struct wr_kql_query *query; /* NULL: the text has let statements only */
};

/* Reads a query. Owned; NULL with one error in `diags`, which keeps `source`. */
struct wr_kql *wr_kql_parse(const struct wr_source *source, struct wr_diags *diags);
void wr_kql_free(struct wr_kql *kql);
/* The tree as text, fully bracketed, for tests and diagnosis. */
void wr_kql_dump(const struct wr_kql *kql, struct wr_buf *out);

#endif
