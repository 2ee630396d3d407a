/* Where rows come from: tables, lets, datatable, print, range, union. */
#include "base/nearest.h"
#include "rules/plan/bind.h"

#include <stdio.h>
#include <string.h>

static struct wr_op *scan(struct wr_binder *b, enum wr_table table, struct wr_span span)
{
    struct wr_op *op = wr_op_new(b, WR_OP_SCAN, NULL, span);
    if (op) {
        op->table = table;
        op->schema = wr_schema_of(table);
    }
    return op;
}

static struct wr_op *unknown_table(struct wr_binder *b, const struct wr_kql_ex *ast)
{
    if (wr_bind_missing(b, ast))
        return NULL;
    struct wr_diag *d = wr_bind_error(b, ast->span, "no table '%s'", ast->name.text);
    struct wr_nearest near = wr_nearest_to(ast->name.text, ast->name.len);
    for (int t = 0; t < WR_NTABLES; t++) {
        const char *name = wr_schema_of((enum wr_table)t)->name;
        wr_nearest_try(&near, name, strlen(name));
    }
    for (uint32_t i = 0; i < b->nlets; i++)
        wr_nearest_try(&near, b->lets[i].ast->name.text, b->lets[i].ast->name.len);
    if (near.best)
        wr_diag_hint(b->diags, d, "did you mean '%s'?", near.best);
    else
        wr_diag_hint(b->diags, d, "`weir tables` shows those that are here");
    return NULL;
}

static struct wr_op *named_source(struct wr_binder *b, const struct wr_kql_ex *ast)
{
    enum wr_table table;
    for (uint32_t i = b->nlets; i-- > 0;) {
        const struct wr_let *let = &b->lets[i];
        if (strcmp(let->ast->name.text, ast->name.text) != 0)
            continue;
        if (let->kind == WR_LET_TABLE)
            return wr_bind_let_table(b, let);
        if (let->kind == WR_LET_MISSING)
            return unknown_table(b, wr_missing_source(b, let->ast->query));
        if (let->kind == WR_LET_FUNCTION && wr_fn_is_bare(let->ast) && let->gives_table)
            return wr_bind_fn_table(b, let, ast, NULL);
        if (let->kind == WR_LET_FUNCTION)
            wr_bind_error(b, ast->span, "function '%s' is named without its arguments", ast->name.text);
        if (let->kind == WR_LET_CONST || let->kind == WR_LET_ARG) {
            struct wr_diag *d = wr_bind_error(
                b, ast->span, "'%s' is a value; a table is needed here", ast->name.text);
            wr_diag_hint(b->diags, d, "print %s shows it", ast->name.text);
        }
        return NULL;
    }
    bool known;
    if (wr_table_find(ast->name.text, ast->name.len, &table))
        return scan(b, table, ast->span);
    struct wr_op *list = wr_bind_list(b, ast, ast->name.text, &known);
    if (known)
        return list;
    const struct wr_let *saved = wr_saved_find(b, ast->name.text);
    return saved && saved->gives_table ? wr_bind_fn_table(b, saved, ast, NULL) : unknown_table(b, ast);
}

bool wr_bind_refused(struct wr_binder *b, const struct wr_kql_name *function)
{
    const char *why = wr_fn_refused(function->text);
    if (why)
        wr_bind_error(b, function->span, "function '%s' is refused: %s", function->text, why)->page = "docs/kql.md";
    return why != NULL;
}

struct wr_op *wr_bind_source(struct wr_binder *b, const struct wr_kql_ex *ast)
{
    if (ast->kind == WR_KQL_NAME)
        return named_source(b, ast);
    if (ast->kind == WR_KQL_SUBQUERY)
        return wr_bind_query(b, ast->query);
    if (ast->kind == WR_KQL_DATATABLE)
        return wr_bind_datatable(b, ast);
    if (wr_is_table_call(b, ast)) {
        const struct wr_kql_ex *name = wr_table_call(b, ast);
        return name ? named_source(b, name) : NULL;
    }
    const struct wr_let *let =
        ast->kind == WR_KQL_CALL && !ast->is_op ? wr_let_find(b, ast->name.text) : NULL;
    if (let && let->kind == WR_LET_FUNCTION && let->gives_table)
        return wr_bind_fn_table(b, let, ast, NULL);
    if (ast->kind == WR_KQL_EXTERNAL) {
        bool known;
        struct wr_op *list = wr_bind_list(b, ast, "externaldata", &known);
        if (!known)
            wr_bind_unsupported(b, ast->span, "externaldata", NULL);
        return list;
    }
    if (ast->kind == WR_KQL_CALL && !ast->is_op &&
             strcmp(ast->name.text, "materialize") == 0 && ast->nargs == 1)
        return wr_bind_source(
            b, ast->args[0]); /* one instant, no rand(): a shared result is an equal one */
    if (ast->kind == WR_KQL_CALL && !ast->is_op) {
        bool known;
        if (wr_bind_missing(b, ast))
            return NULL;
        struct wr_op *list = wr_bind_list(b, ast, ast->name.text, &known);
        if (!known && !wr_bind_refused(b, &ast->name))
            wr_bind_unsupported(b, ast->span, "a table from function", ast->name.text);
        return list;
    }
    const struct wr_kql_ex *first = ast; /* cluster('a').database('b').T */
    while ((first->kind == WR_KQL_PATH || first->kind == WR_KQL_INDEX) && first->nargs)
        first = first->args[0];
    if (first->kind == WR_KQL_CALL && !first->is_op && wr_bind_refused(b, &first->name))
        return NULL;
    wr_bind_error(b, ast->span, "a table is needed here");
    return NULL;
}

/* ---- rows of constants ---- */

struct wr_op *wr_op_rows(struct wr_binder *b, const struct wr_cols *cols, struct wr_ex **rows,
                             uint32_t nrows, struct wr_span span)
{
    struct wr_op *op = wr_op_new(b, WR_OP_ROWS, NULL, span);
    if (!op)
        return NULL;
    op->schema = wr_cols_schema(b, cols);
    op->rows = rows;
    op->nrows = nrows;
    return op->schema ? op : NULL;
}

static struct wr_ex *datatable_cell(struct wr_binder *b, const struct wr_kql_ex *ast,
                                    enum wr_type type)
{
    struct wr_ex *ex = wr_bind_ex(b, ast);
    if (!ex || ex->type == type)
        return ex;
    if (ex->kind != WR_EX_CONST) {
        wr_bind_error(b, ast->span, "a datatable takes constants");
        return NULL;
    }
    struct wr_value v = {.type = type, .null = true};
    if (type != WR_DYNAMIC && ex->type != WR_DYNAMIC &&
        wr_value_convert(b->arena, &ex->value, type, &v))
        return wr_ex_const(b, &v, ast->span);
    return wr_ex_convert(b, ex, type);
}

struct wr_op *wr_bind_datatable(struct wr_binder *b, const struct wr_kql_ex *ast)
{
    struct wr_cols cols = {0};
    if (!ast->ncols || ast->nargs % ast->ncols) {
        struct wr_diag *d = wr_bind_error(b, ast->span, "%u values do not fill rows of %u columns",
                                          ast->nargs, ast->ncols);
        wr_diag_hint(b->diags, d, "is a comma missing?");
        return NULL;
    }
    for (uint32_t i = 0; i < ast->ncols; i++) {
        struct wr_ex type = {.type = ast->cols[i].type};
        if (!wr_cols_add(b, &cols, ast->cols[i].name.text, true, &type, ast->cols[i].name.span))
            return NULL;
    }
    struct wr_ex **rows = wr_arena_alloc(b->arena, (ast->nargs + 1) * sizeof *rows);
    bool ok = rows != NULL || wr_bind_nomem(b);
    for (uint32_t i = 0; rows && i < ast->nargs; i++) {
        rows[i] = datatable_cell(b, ast->args[i], ast->cols[i % ast->ncols].type);
        ok = ok && rows[i];
    }
    return ok ? wr_op_rows(b, &cols, rows, ast->nargs / ast->ncols, ast->span) : NULL;
}

struct wr_op *wr_bind_print(struct wr_binder *b, const struct wr_kql_op *ast)
{
    struct wr_cols cols = {0};
    bool ok = true;
    for (uint32_t i = 0; i < ast->nargs; i++) {
        const struct wr_kql_ex *value = ast->args[i];
        bool named = value->kind == WR_KQL_NAMED;
        char position[24];
        if (wr_is_multi(b, value)) {
            ok = wr_bind_multi(b, value, &cols, 0) && ok;
            continue;
        }
        snprintf(position, sizeof position, "print_%u", i);
        struct wr_ex *ex = wr_bind_ex(b, named ? value->args[0] : value);
        ok = ex &&
             wr_cols_add(b, &cols, named ? value->names[0].text : position, named, ex,
                         value->span) &&
             ok;
    }
    return ok ? wr_op_rows(b, &cols, cols.ex, 1, ast->span) : NULL;
}

/* Constant ends: how many rows they make. */
static double range_rows(struct wr_ex *const end[3])
{
    double v[3];
    for (int i = 0; i < 3; i++)
        v[i] = end[i]->type == WR_REAL ? end[i]->value.r : (double)end[i]->value.i;
    return v[2] != 0 && (v[1] - v[0]) / v[2] >= 0 ? (v[1] - v[0]) / v[2] + 1 : 0;
}

/* range: its rows are made at each run, since now() and toscalar() of a table may stand in its ends. */
struct wr_op *wr_bind_range(struct wr_binder *b, const struct wr_kql_op *ast)
{
    struct wr_ex *end[3];
    bool ok = true, real = false, later = false;
    for (int i = 0; i < 3; i++) {
        end[i] = wr_bind_ex(b, ast->args[i]);
        bool constant = end[i] && end[i]->kind == WR_EX_CONST;
        if (end[i] && (!end[i]->per_run || (constant && end[i]->value.null) || wr_type_is_str(end[i]->type) ||
                       end[i]->type == WR_BOOL)) {
            wr_bind_error(b, ast->args[i]->span, "range takes numbers or times, the same for a whole run");
            end[i] = NULL;
        }
        later |= end[i] && !constant;
        ok = ok && end[i];
        real |= end[i] && end[i]->type == WR_REAL;
    }
    if (!ok)
        return NULL;
    if (!later && !(range_rows(end) <= WR_RANGE_ROWS_MAX)) {
        wr_bind_error(b, ast->span, "range makes too many rows (1,000,000 are made)");
        return NULL;
    }
    enum wr_type type = real ? WR_REAL : end[0]->type == WR_INT ? WR_LONG : end[0]->type;
    struct wr_cols cols = {0};
    struct wr_ex shape = {.type = type}, **rows = wr_arena_alloc(b->arena, 3 * sizeof *rows);
    if (!rows || !wr_cols_add(b, &cols, ast->label.text, true, &shape, ast->label.span))
        return NULL;
    for (int i = 0; i < 3; i++) {
        enum wr_type want = i == 2 && type == WR_DATETIME ? WR_TIMESPAN : type;
        rows[i] = type == WR_REAL || type == WR_LONG ? wr_ex_convert(b, end[i], want) : end[i];
        if (rows[i] && rows[i]->type != want) {
            wr_bind_error(b, ast->args[i]->span, "a %s is needed here", wr_type_name(want));
            return NULL;
        }
        if (!rows[i])
            return NULL;
    }
    struct wr_op *op = wr_op_rows(b, &cols, rows, 3, ast->span);
    if (op) {
        op->kind = WR_OP_RANGE;
        op->ordered = true;
    }
    return op;
}

/* ---- union ---- */

enum { MAX_LEGS = 64 };

static bool leg_is_missing(struct wr_binder *b, const struct wr_kql_ex *ast)
{
    enum wr_table table;
    while (ast->kind == WR_KQL_SUBQUERY && ast->query->ops[0]->kind == WR_KQL_SOURCE)
        ast = ast->query->ops[0]->args[0];
    if (wr_is_table_call(b, ast) && !(ast = wr_table_call(b, ast)))
        return false; /* told */
    if (ast->kind == WR_KQL_CALL && !ast->is_op)
        return (ast->name.text[0] != '_' || wr_missing_why(ast->name.text)) && strcmp(ast->name.text, "materialize") != 0 &&
               !wr_let_find(b, ast->name.text);
    if (ast->kind != WR_KQL_NAME || wr_table_find(ast->name.text, ast->name.len, &table) ||
        wr_is_list(b, &ast->name) || wr_saved_find(b, ast->name.text))
        return false;
    for (uint32_t i = 0; i < b->nlets; i++)
        if (strcmp(b->lets[i].ast->name.text, ast->name.text) == 0)
            return b->lets[i].kind == WR_LET_MISSING;
    return true;
}

static const char *leg_name(struct wr_binder *b, const struct wr_kql_ex *ast, uint32_t i)
{
    if (ast && ast->kind == WR_KQL_NAME)
        return ast->name.text;
    for (uint32_t o = 0; ast && ast->kind == WR_KQL_SUBQUERY && o < ast->query->nops; o++)
        if (ast->query->ops[o]->kind == WR_KQL_AS)
            return ast->query->ops[o]->label.text;
    char buf[32];
    snprintf(buf, sizeof buf, "union_arg%u", i);
    return wr_arena_strndup(b->arena, buf, strlen(buf));
}

/* Column of a leg by name and type; another type under the same name is another column. */
static uint16_t leg_column(const struct wr_op *leg, const char *name, enum wr_type type)
{
    for (uint16_t i = 0; i < leg->schema->ncols; i++)
        if (!leg->schema->cols[i].hidden && strcmp(leg->schema->cols[i].name, name) == 0 &&
            leg->schema->cols[i].type == type)
            return i;
    return WR_NO_COL;
}

struct union_col {
    const char *name; /* in the legs */
    enum wr_type type;
    bool clash; /* another leg has it with another type: name_type */
};

static uint32_t collect(struct wr_op *const *legs, uint32_t nlegs, bool inner,
                        struct union_col *cols)
{
    uint32_t n = 0;
    for (uint32_t l = 0; l < nlegs; l++)
        for (uint16_t i = 0; i < legs[l]->schema->ncols && n < WR_MAX_COLS; i++) {
            const struct wr_coldef *def = &legs[l]->schema->cols[i];
            bool known = def->hidden, clash = false;
            uint32_t at = n; /* beside those of its name */
            for (uint32_t k = 0; k < n; k++) {
                bool same = strcmp(cols[k].name, def->name) == 0;
                known |= same && cols[k].type == def->type;
                clash |= same && cols[k].type != def->type;
                at = same ? k + 1 : at;
            }
            for (uint32_t m = 0; inner && m < nlegs; m++)
                known |= leg_column(legs[m], def->name, def->type) == WR_NO_COL;
            if (known)
                continue;
            for (uint32_t k = 0; clash && k < n; k++)
                cols[k].clash |= strcmp(cols[k].name, def->name) == 0;
            memmove(&cols[at + 1], &cols[at], (n - at) * sizeof *cols);
            cols[at] = (struct union_col){def->name, def->type, clash};
            n++;
        }
    return n;
}

/* One leg's columns in the union's order. */
static struct wr_op *leg_map(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *leg,
                             const char *name, const struct union_col *want, uint32_t n)
{
    struct wr_cols cols = {0};
    char text[256];
    if (ast->withsource.text) {
        struct wr_value v = {.type = WR_STRING, .s = wr_str_borrow(name, strlen(name))};
        struct wr_ex *ex = wr_ex_const(b, &v, ast->span);
        if (!ex || !wr_cols_add(b, &cols, ast->withsource.text, true, ex, ast->withsource.span))
            return NULL;
    }
    for (uint32_t i = 0; i < n; i++) {
        struct wr_value null = {.type = want[i].type, .null = want[i].type != WR_STRING};
        uint16_t at = leg_column(leg, want[i].name, want[i].type);
        struct wr_ex *ex = at == WR_NO_COL ? wr_ex_const(b, &null, ast->span)
                                           : wr_ex_col(b, leg->schema, at, ast->span);
        snprintf(text, sizeof text, want[i].clash ? "%.200s_%s" : "%.200s", want[i].name,
                 wr_type_name(want[i].type));
        /* A name that another column has already goes to that one. */
        for (uint32_t k = 0; want[i].clash && k < n; k++)
            if (!want[k].clash && strcmp(want[k].name, text) == 0)
                strcat(text, "1"); /* room: a name is cut at 200 bytes */
        if (!ex || !wr_cols_add(b, &cols, text, false, ex, ast->span))
            return NULL;
    }
    return wr_op_map(b, &cols, leg, ast->span);
}

static uint32_t bind_legs(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input,
                          struct wr_op **legs, const char **names)
{
    uint32_t n = 0;
    bool ok = true;
    if (input) {
        names[n] = leg_name(b, NULL, 0);
        legs[n++] = input;
    }
    for (uint32_t i = 0; i < ast->nargs; i++) {
        uint32_t ntables = 0;
        const struct wr_kql_ex *const *tables = wr_tables_of(b, ast->args[i], &ntables);
        ok = tables && ok;
        for (uint32_t t = 0; tables && t < ntables; t++) {
            const struct wr_kql_ex *arg = tables[t];
            if (ast->isfuzzy && leg_is_missing(b, arg)) {
                wr_diag_add(b->diags, WR_WARNING, b->source, arg->span,
                            "this table is not here; isfuzzy leaves it out");
                continue;
            }
            if (n == MAX_LEGS) {
                wr_bind_error(b, ast->span, "too many tables in one union (64 are read)");
                return 0;
            }
            names[n] = leg_name(b, arg, i + (input != NULL));
            legs[n] = wr_bind_source(b, arg);
            ok = legs[n] && ok;
            n += legs[n] != NULL;
        }
    }
    if (ok && !n)
        wr_bind_error(b, ast->span, "none of the union's tables is here");
    return ok ? n : 0;
}

struct wr_op *wr_bind_union(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input)
{
    struct wr_op **legs = wr_arena_alloc(b->arena, MAX_LEGS * sizeof *legs);
    const char **names = wr_arena_alloc(b->arena, MAX_LEGS * sizeof *names);
    uint32_t n = legs && names ? bind_legs(b, ast, input, legs, names) : 0;
    return n ? wr_union_of(b, ast, legs, names, n) : NULL;
}

struct wr_op *wr_union_of(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op **legs,
                          const char *const *names, uint32_t n)
{
    struct union_col *cols = wr_arena_alloc(b->arena, WR_MAX_COLS * sizeof *cols);
    struct wr_op *op = cols ? wr_op_new(b, WR_OP_UNION, NULL, ast->span) : NULL;
    if (!op)
        return NULL;
    uint32_t ncols = collect(legs, n, ast->inner, cols);
    for (uint32_t i = 0; i < n; i++) {
        legs[i] = leg_map(b, ast, legs[i], names[i], cols, ncols);
        if (!legs[i])
            return NULL;
    }
    op->inputs = legs;
    op->ninputs = n;
    op->schema = legs[0]->schema;
    return op;
}
