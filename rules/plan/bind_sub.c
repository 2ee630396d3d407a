/* Queries inside of expressions: toscalar(), and tables as the list of in, has_any, has_all. They see no row of the
 * query around them, so each runs once, before it: wr_plan.subs, inner ones first. What is the same at every run is
 * computed here.
 *
 *   x in (T | project a)        a table of members, made of T's distinct values at the start of a run
 *   x has_any (T | project a)   x has_any (toscalar(T | summarize make_set(tostring(a)))) */
#include "rules/exec/rows.h"
#include "rules/plan/plugin.h"

#include <string.h>

/* A query's place among those that run first; NULL after an error. */
static struct wr_ex *add_sub(struct wr_binder *b, struct wr_op *root, bool list, struct wr_span span)
{
    struct wr_plan *plan = b->plan;
    if (plan->nsubs == WR_PLAN_MAX_SUBS) {
        wr_bind_error(b, span, "too many queries inside of expressions (%d are read)", WR_PLAN_MAX_SUBS);
        return NULL;
    }
    if (!plan->subs && !(plan->subs = wr_arena_alloc(b->arena, WR_PLAN_MAX_SUBS * sizeof *plan->subs))) {
        wr_bind_nomem(b);
        return NULL;
    }
    struct wr_ex *ex = wr_ex_new(b, WR_EX_SUB, root->schema->cols[0].type, span);
    if (!ex)
        return NULL;
    ex->per_run = true;
    ex->col = (uint16_t)plan->nsubs;
    plan->subs[plan->nsubs++] = (struct wr_sub){.root = root, .list = list};
    return ex;
}

/* toscalar(Column) in a partition's piece: a query that gives a null, until the part at hand says its key. */
static struct wr_ex *part_key(struct wr_binder *b, const struct wr_kql_ex *ast)
{
    struct wr_part *part = b->part;
    if (part->hidden) {
        struct wr_diag *d = wr_bind_error(b, ast->span, "'%s' of a part is not known here", part->name->text);
        wr_diag_hint(b->diags, d, "a query inside of an expression runs once, before the parts");
        d->page = "docs/kql.md#partition";
        return NULL;
    }
    if (part->sub == WR_NO_COL) {
        struct wr_value none = {.type = part->type, .null = part->type != WR_STRING};
        struct wr_ex **cell = wr_arena_alloc(b->arena, sizeof *cell);
        struct wr_cols cols = {0};
        struct wr_ex *null = wr_ex_const(b, &none, ast->span);
        if (!cell || !null || !wr_cols_add(b, &cols, part->name->text, true, null, ast->span))
            return NULL;
        cell[0] = null;
        struct wr_op *row = wr_op_rows(b, &cols, cell, 1, ast->span);
        struct wr_ex *ex = row ? add_sub(b, row, false, ast->span) : NULL;
        if (!ex)
            return NULL;
        b->plan->subs[ex->col].part = true;
        part->sub = ex->col;
        return ex;
    }
    struct wr_ex *ex = wr_ex_new(b, WR_EX_SUB, part->type, ast->span);
    if (ex) {
        ex->per_run = true;
        ex->col = part->sub;
    }
    return ex;
}

/* The source of a query inside of an expression: it sees no row, and no part. */
static struct wr_op *source_of(struct wr_binder *b, const struct wr_kql_ex *ast)
{
    struct wr_part part = b->part ? *b->part : (struct wr_part){0};
    struct wr_binder inner = *b;
    part.hidden = true;
    inner.part = b->part ? &part : NULL;
    struct wr_op *op = wr_bind_source(&inner, ast);
    b->nodes = inner.nodes;
    return op;
}

static struct wr_value cell(const struct wr_rows *rows, uint64_t n, enum wr_type type)
{
    uint32_t row;
    const struct wr_vec *v = &wr_rows_at(rows, n, &row)->col[0];
    struct wr_value value = {.type = type, .null = type != WR_STRING};
    if (wr_vec_valid(v, row)) {
        value = wr_value_at(v, row);
        value.type = type;
    }
    return value;
}

/* The first row's value, now or at each run. */
static struct wr_ex *scalar(struct wr_binder *b, struct wr_op *root, struct wr_span span)
{
    struct wr_rows rows;
    enum wr_type type = root->schema->cols[0].type;
    if (!wr_op_is_constant(root))
        return add_sub(b, root, false, span);
    if (!wr_op_rows_now(b, root, &rows))
        return NULL;
    struct wr_value value = {.type = type, .null = type != WR_STRING};
    if (rows.nrows)
        value = cell(&rows, 0, type);
    struct wr_ex *ex = wr_ex_const(b, &value, span);
    wr_rows_fini(&rows);
    return ex;
}

/* The first column alone. */
static struct wr_op *first_column(struct wr_binder *b, struct wr_op *op, struct wr_span span)
{
    struct wr_cols cols = {0};
    op = op ? wr_op_visible(b, op) : NULL;
    struct wr_ex *ex = op ? wr_ex_col(b, op->schema, 0, span) : NULL;
    if (!ex || !wr_cols_add(b, &cols, op->schema->cols[0].name, true, ex, span))
        return NULL;
    return wr_op_map(b, &cols, op, span);
}

struct wr_ex *wr_bind_toscalar(struct wr_binder *b, const struct wr_kql_ex *ast)
{
    struct wr_binder inner = *b;
    inner.row = NULL;
    inner.aggs = NULL;
    inner.in_agg = false;
    inner.serial = NULL;
    inner.scan = NULL;
    inner.lenient = false;
    if (ast->nargs != 1) {
        wr_bind_error(b, ast->span, "toscalar takes one query");
        return NULL;
    }
    const struct wr_kql_ex *what = ast->args[0];
    if (b->part && what->kind == WR_KQL_NAME && strcmp(what->name.text, b->part->name->text) == 0)
        return part_key(b, ast);
    struct wr_ex *ex;
    if (!wr_is_table_ex(&inner, what)) {
        ex = wr_bind_ex(&inner, what);
    } else {
        struct wr_op *root = first_column(&inner, source_of(&inner, what), ast->span);
        ex = root ? scalar(&inner, root, ast->span) : NULL;
    }
    b->nodes = inner.nodes;
    return ex;
}

/* ---- lists ---- */

static struct wr_op *converted(struct wr_binder *b, struct wr_op *op, enum wr_type type, struct wr_span span)
{
    struct wr_cols cols = {0};
    struct wr_ex *ex = wr_ex_col(b, op->schema, 0, span);
    if (op->schema->cols[0].type == type)
        return op;
    ex = ex ? wr_ex_convert(b, ex, type) : NULL;
    return ex && wr_cols_add(b, &cols, "item", true, ex, span) ? wr_op_map(b, &cols, op, span) : NULL;
}

struct wr_op *wr_op_spread(struct wr_binder *b, struct wr_op *op, enum wr_type want, struct wr_span span)
{
    struct wr_op *list = first_column(b, op, span);
    if (!list || list->schema->cols[0].type != WR_DYNAMIC)
        return list;
    struct wr_op *each = wr_op_new(b, WR_OP_EXPAND, list, span);
    struct wr_ex **keys = each ? wr_arena_alloc(b->arena, sizeof *keys) : NULL;
    if (!keys || !(keys[0] = wr_ex_new(b, WR_EX_COL, WR_DYNAMIC, span)))
        return NULL;
    keys[0]->col = 0;
    each->cols = keys;
    each->nkeys = 1;
    each->count = INT32_MAX;
    each->schema = list->schema;
    wr_colset_add(&each->expanded, 0);
    return converted(b, each, want, span);
}

/* All values as one array. */
static struct wr_ex *array_of(struct wr_binder *b, struct wr_op *list, struct wr_span span)
{
    struct wr_agg_call *call = wr_arena_alloc(b->arena, sizeof *call);
    struct wr_ex **args = wr_arena_alloc(b->arena, sizeof *args);
    const struct wr_agg *agg = wr_agg_find("make_set", strlen("make_set"));
    struct wr_op *op = call && args && agg ? wr_op_new(b, WR_OP_SUMMARIZE, list, span) : NULL;
    struct wr_cols cols = {0};
    struct wr_ex type = {.type = WR_DYNAMIC};
    if (!op || !(args[0] = wr_ex_col(b, list->schema, 0, span)) || !wr_cols_add(b, &cols, "items", true, &type, span))
        return NULL;
    *call = (struct wr_agg_call){.agg = agg, .args = args, .nargs = 1, .type = WR_DYNAMIC};
    op->aggs = call;
    op->naggs = 1;
    op->schema = wr_cols_schema(b, &cols);
    return op->schema ? scalar(b, op, span) : NULL;
}

struct wr_ex *wr_bind_list_value(struct wr_binder *b, const struct wr_kql_ex *ast)
{
    struct wr_op *list = first_column(b, source_of(b, ast), ast->span);
    return list ? array_of(b, list, ast->span) : NULL;
}

/* The overload looks into an array for such a value. */
static bool looks_into_array(const struct wr_fn *fn, enum wr_type value)
{
    char first = *fn->signature;
    return strcmp(fn->signature + 1, "y:b") == 0 &&
           (first == '*' || (first == 's' && value == WR_STRING) || (first == 'y' && value == WR_DYNAMIC));
}

/* `value name (array)`; NULL: it takes no such value, or no memory. */
static struct wr_ex *among(struct wr_binder *b, const char *name, struct wr_ex *value, struct wr_ex *array,
                           struct wr_span span)
{
    const struct wr_fn *fn = wr_fn_find(name, strlen(name));
    while (fn && !looks_into_array(fn, value->type))
        fn = wr_fn_next(fn);
    struct wr_ex *ex = array && fn ? wr_ex_new(b, WR_EX_CALL, WR_BOOL, span) : NULL;
    struct wr_ex **args = ex ? wr_arena_alloc(b->arena, 2 * sizeof *args) : NULL;
    if (!args)
        return NULL;
    args[0] = value;
    args[1] = array;
    ex->fn = fn;
    ex->args = args;
    ex->nargs = 2;
    ex->per_run = value->per_run && array->per_run;
    return wr_ex_fold(b, ex);
}

/* Each value once. */
static struct wr_op *distinct(struct wr_binder *b, struct wr_op *list, struct wr_span span)
{
    struct wr_op *op = wr_op_new(b, WR_OP_SUMMARIZE, list, span);
    struct wr_ex **keys = op ? wr_arena_alloc(b->arena, sizeof *keys) : NULL;
    if (!keys || !(keys[0] = wr_ex_col(b, list->schema, 0, span)))
        return NULL;
    op->cols = keys;
    op->nkeys = 1;
    return op;
}

/* `x in (list)` over members; a short constant list as if it were written out. */
static struct wr_ex *members(struct wr_binder *b, const char *name, struct wr_ex *value, struct wr_op *list,
                             struct wr_span span)
{
    struct wr_rows rows;
    struct wr_ex *two[2] = {value, NULL}, **args = two;
    uint32_t n = 1;
    list = distinct(b, list, span);
    if (!list)
        return NULL;
    bool constant = wr_op_is_constant(list);
    if (constant && !wr_op_rows_now(b, list, &rows))
        return NULL;
    bool written = constant && rows.nrows && rows.nrows <= WR_KQL_MAX_ITEMS;
    if (written) {
        args = wr_arena_alloc(b->arena, (rows.nrows + 1) * sizeof *args);
        bool ok = args != NULL;
        for (uint64_t i = 0; ok && i < rows.nrows; i++) {
            struct wr_value v = cell(&rows, i, list->schema->cols[0].type);
            args[0] = value;
            args[n] = wr_ex_const(b, &v, span);
            ok = args[n++] != NULL;
        }
        args = ok ? args : NULL;
    } else {
        two[n++] = add_sub(b, list, true, span);
    }
    if (constant)
        wr_rows_fini(&rows);
    struct wr_ex *call = args && args[1] ? wr_ex_call(b, name, args, n, span) : NULL;
    if (call)
        call->list = !written;
    return call;
}

bool wr_is_constant_list(struct wr_binder *b, const struct wr_kql_ex *ast)
{
    struct wr_diags quiet;
    struct wr_binder probe = *b;
    uint32_t nsubs = b->plan->nsubs;
    if (!wr_diags_init(&quiet))
        return false;
    probe.diags = &quiet;
    const struct wr_op *list = source_of(&probe, ast->args[1]);
    bool constant = list && wr_op_is_constant(list);
    b->plan->nsubs = nsubs;
    b->nodes = probe.nodes; /* looking costs as much as reading */
    wr_diags_fini(&quiet);
    return constant;
}

static bool whole(enum wr_type t)
{
    return t == WR_INT || t == WR_LONG;
}

/* Types that a table of members can be made of. */
static bool hashes(enum wr_type t)
{
    return t != WR_REAL && t != WR_DECIMAL && t != WR_DYNAMIC;
}

static struct wr_ex *mismatch(struct wr_binder *b, enum wr_type value, enum wr_type item, struct wr_span span)
{
    struct wr_diag *d =
        wr_bind_error(b, span, "a value of type %s is looked for among values of type %s", wr_type_name(value), wr_type_name(item));
    wr_diag_hint(b->diags, d, "convert one of them");
    return NULL;
}

struct wr_ex *wr_bind_list_member(struct wr_binder *b, const struct wr_kql_ex *ast)
{
    const char *name = ast->name.text, *plain = name + (*name == '!');
    bool nocase = strcmp(plain, "in~") == 0, terms = strncmp(plain, "has", 3) == 0;
    struct wr_ex *value = wr_bind_ex(b, ast->args[0]);
    struct wr_op *list = value ? wr_op_spread(b, source_of(b, ast->args[1]), WR_DYNAMIC, ast->args[1]->span) : NULL;
    if (!list)
        return NULL;
    enum wr_type have = value->type, item = list->schema->cols[0].type, want = item;
    if (terms || nocase || (item == WR_DYNAMIC && have == WR_STRING))
        want = WR_STRING;
    else if (whole(have) && whole(item))
        want = have == WR_LONG || item == WR_LONG ? WR_LONG : WR_INT;
    else if ((have == WR_REAL && whole(item)) || (whole(have) && item == WR_REAL))
        want = WR_REAL;
    list = converted(b, list, want, ast->args[1]->span);
    bool number = (whole(have) || have == WR_REAL) && (whole(want) || want == WR_REAL);
    if (list && (number || (nocase && have == WR_DYNAMIC)))
        value = wr_ex_convert(b, value, want);
    if (!list || !value)
        return NULL;
    if (!terms && hashes(want) && value->type == want)
        return members(b, name, value, list, ast->span);
    if (!terms && value->type != want && value->type != WR_DYNAMIC && want != WR_DYNAMIC)
        return mismatch(b, have, item, ast->span);
    if (terms && value->type != WR_STRING && value->type != WR_DYNAMIC)
        return mismatch(b, have, WR_STRING, ast->span);
    return among(b, name, value, array_of(b, list, ast->span), ast->span);
}
