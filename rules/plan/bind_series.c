/* make-series: a summarize by its keys and the step of the axis, then one array a series.
 *
 *   make-series n = count() default = 0 on t from a to b step s by k     becomes
 *   where t >= a and t < b | summarize n = count() by k, bin_at(t, s, a)  ->  SERIES a, b, s */
#include "rules/plan/bind.h"
#include "rules/plan/plugin.h"
#include "rules/plan/series.h"

#include <string.h>

static struct wr_kql_ex *call(struct wr_binder *b, const char *name, bool is_op, struct wr_kql_ex *x,
                              struct wr_kql_ex *y, struct wr_kql_ex *z)
{
    struct wr_kql_ex *ex = wr_arena_alloc(b->arena, sizeof *ex);
    struct wr_kql_ex **args = wr_arena_alloc(b->arena, 3 * sizeof *args);
    if (!ex || !args) {
        wr_bind_nomem(b);
        return NULL;
    }
    args[0] = x;
    args[1] = y;
    args[2] = z;
    *ex = (struct wr_kql_ex){.kind = WR_KQL_CALL, .is_op = is_op, .span = x->span, .args = args};
    ex->name = (struct wr_kql_name){name, (uint32_t)strlen(name), x->span};
    ex->nargs = 1u + (y != NULL) + (z != NULL);
    return ex;
}

/* Rows between the ends, which the author may leave out. */
static struct wr_op *within(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_kql_ex *axis,
                            struct wr_op *input)
{
    struct wr_kql_ex *ends[2] = {NULL, NULL};
    if (ast->axis[1])
        ends[0] = call(b, ">=", true, axis, ast->axis[1], NULL);
    if (ast->axis[2])
        ends[1] = call(b, ast->inner ? "<=" : "<", true, axis, ast->axis[2], NULL);
    if (!ends[0] && !ends[1])
        ends[0] = call(b, "isnotnull", false, axis, NULL, NULL);
    for (int i = 0; i < 2 && input; i++) {
        if (!ends[i])
            continue;
        struct wr_ex *pred = wr_bind_pred(b, ends[i]);
        input = pred ? wr_op_new(b, WR_OP_WHERE, input, ast->span) : NULL;
        if (input)
            input->pred = pred;
    }
    return input;
}

/* An end of the axis: one value for the whole run, in the axis' type. */
static struct wr_ex *end_of(struct wr_binder *b, const struct wr_kql_ex *ast, enum wr_type type)
{
    struct wr_ex *ex = wr_bind_ex(b, ast);
    if (ex && ex->type != type && type != WR_DATETIME && type != WR_TIMESPAN)
        ex = wr_ex_convert(b, ex, type);
    if (ex && (!ex->per_run || ex->type != type)) {
        wr_bind_error(b, ast->span, "the ends of a series are values of type %s, the same for all rows",
                      wr_type_name(type));
        return NULL;
    }
    return ex;
}

static const struct wr_schema *series_schema(struct wr_binder *b, const struct wr_kql_op *ast, const struct wr_op *sum,
                                             const char *axis)
{
    struct wr_cols cols = {0};
    uint32_t nkeys = ast->nby, n = sum->schema->ncols;
    for (uint32_t i = 0; i < n; i++) {
        struct wr_ex type = {.type = i < nkeys ? sum->schema->cols[i].type : WR_DYNAMIC};
        if (i != nkeys && !wr_cols_add(b, &cols, sum->schema->cols[i].name, i < nkeys, &type, ast->span))
            return NULL;
    }
    struct wr_ex type = {.type = WR_DYNAMIC};
    return wr_cols_add(b, &cols, axis, false, &type, ast->span) ? wr_cols_schema(b, &cols) : NULL;
}

/* What a step without rows has, in each aggregate's type. */
static bool fill_values(struct wr_binder *b, const struct wr_kql_op *ast, const struct wr_op *sum,
                        struct wr_series *spec)
{
    struct wr_value *fill = wr_arena_alloc(b->arena, (ast->nargs + 1) * sizeof *fill);
    if (!fill)
        return wr_bind_nomem(b);
    if (sum->schema->ncols != ast->nby + 1 + ast->nargs) {
        wr_bind_error(b, ast->span, "make-series takes aggregates of one column each");
        return false;
    }
    for (uint32_t i = 0; i < ast->nargs; i++) {
        enum wr_type type = sum->schema->cols[ast->nby + 1 + i].type;
        fill[i] = (struct wr_value){.type = type, .null = type > WR_REAL};
        if (!ast->defaults[i])
            continue;
        struct wr_ex *ex = wr_bind_ex(b, ast->defaults[i]);
        if (ex && ex->kind == WR_EX_CONST && ex->type == WR_REAL && type != WR_REAL && type != WR_STRING)
            type = WR_REAL; /* avg() of nothing as 0.5 beside counts: JSON numbers are all alike */
        ex = ex ? wr_ex_convert(b, ex, type) : NULL;
        if (ex && ex->kind != WR_EX_CONST) {
            wr_bind_error(b, ast->defaults[i]->span, "a default is a constant");
            ex = NULL;
        }
        if (!ex)
            return false;
        fill[i] = ex->value;
        fill[i].type = type;
    }
    spec->fill = fill;
    return true;
}

/* The author's keys, then the step that a row belongs to. */
static struct wr_kql_ex **keys_of(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_kql_ex *axis)
{
    struct wr_kql_ex **keys = wr_arena_alloc(b->arena, (ast->nby + 1) * sizeof *keys);
    struct wr_kql_ex **step = wr_arena_alloc(b->arena, sizeof *step);
    struct wr_kql_ex *key = wr_arena_alloc(b->arena, sizeof *key);
    struct wr_kql_name *name = wr_arena_alloc(b->arena, sizeof *name);
    if (!keys || !step || !key || !name) {
        wr_bind_nomem(b);
        return NULL;
    }
    if (ast->nby)
        memcpy(keys, ast->by, ast->nby * sizeof *keys);
    step[0] = ast->axis[1] && !ast->inner ? call(b, "bin_at", false, axis, ast->axis[3], ast->axis[1])
                                          : call(b, "bin", false, axis, ast->axis[3], NULL);
    *name = (struct wr_kql_name){"$axis", 5, axis->span};
    *key = (struct wr_kql_ex){
        .kind = WR_KQL_NAMED, .span = axis->span, .names = name, .nnames = 1, .args = step, .nargs = 1};
    keys[ast->nby] = key;
    return step[0] ? keys : NULL;
}

struct wr_op *wr_bind_series(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input)
{
    struct wr_kql_ex *named = ast->axis[0], *axis = named->kind == WR_KQL_NAMED ? named->args[0] : named;
    struct wr_series *spec = wr_arena_alloc(b->arena, sizeof *spec);
    struct wr_kql_op sum_ast = *ast;
    struct wr_ex **ends = wr_arena_alloc(b->arena, 3 * sizeof *ends);
    if (!spec || !ends || !(input = wr_op_visible(b, input)))
        return NULL;
    b->row = input->schema;
    if (ast->label.text && strcmp(ast->label.text, "nonempty") != 0) {
        wr_diag_hint(b->diags, wr_bind_error(b, ast->label.span, "no make-series of kind '%s'", ast->label.text),
                     "the only kind is nonempty");
        return NULL;
    }
    struct wr_ex *type = wr_bind_ex(b, axis);
    if (!type || !(input = within(b, ast, axis, input)))
        return NULL;
    enum wr_type t = type->type;
    if (t != WR_INT && t != WR_LONG && t != WR_REAL && t != WR_DATETIME && t != WR_TIMESPAN) {
        wr_bind_error(b, axis->span, "a series runs along numbers or times; this is a %s", wr_type_name(t));
        return NULL;
    }
    spec->has_from = ast->axis[1] != NULL;
    spec->has_to = ast->axis[2] != NULL;
    spec->inclusive = ast->inner;
    spec->nonempty = ast->label.text != NULL;
    spec->nkeys = ast->nby;
    if (!(sum_ast.by = keys_of(b, ast, axis)))
        return NULL;
    sum_ast.nby = ast->nby + 1;
    struct wr_op *sum = wr_bind_summarize(b, &sum_ast, input);
    b->row = input->schema;
    const char *axis_name = named->kind == WR_KQL_NAMED ? named->names[0].text : wr_name_of(b, axis);
    if (!sum || !fill_values(b, ast, sum, spec))
        return NULL;
    spec->axis = sum->schema->cols[ast->nby].type;
    enum wr_type step = spec->axis == WR_DATETIME ? WR_TIMESPAN : spec->axis;
    if ((spec->has_from && !(ends[0] = end_of(b, ast->axis[1], spec->axis))) ||
        (spec->has_to && !(ends[1] = end_of(b, ast->axis[2], spec->axis))) ||
        !(ends[2] = end_of(b, ast->axis[3], step)))
        return NULL;
    for (int i = 0; i < 2; i++)
        ends[i] = ends[i] ? ends[i] : ends[2];
    struct wr_op *op = wr_op_whole(b, &wr_series_whole, spec, series_schema(b, ast, sum, axis_name), sum, ast->span);
    if (op) {
        op->cols = ends;
        op->nkeys = 3;
    }
    return op;
}
