/* top-nested: a summarize a level; another over the rows that fell out, where `with others` asks
 * for them. */
#include "rules/plan/nested.h"
#include "rules/plan/plugin.h"

#include <stdio.h>
#include <string.h>

static bool count_of(struct wr_binder *b, const struct wr_kql_ex *ast, int64_t *ret)
{
    *ret = INT64_MAX;
    if (!ast)
        return true;
    struct wr_ex *ex = wr_bind_ex(b, ast);
    if (ex && (ex->kind != WR_EX_CONST || (ex->type != WR_LONG && ex->type != WR_INT) ||
               ex->value.null || ex->value.i < 0)) {
        wr_bind_error(b, ast->span, "top-nested takes a whole number that is known beforehand");
        return false;
    }
    *ret = ex ? ex->value.i : 0;
    return ex != NULL;
}

/* The summarize of level `i` by these keys: its one result is what ranks. */
static const struct wr_op *level_sum(struct wr_binder *b, const struct wr_kql_op *ast, uint32_t i,
                                     struct wr_op *input, struct wr_kql_ex *const *by, uint32_t nby)
{
    struct wr_kql_ex *agg = ast->args[i]->args[0];
    struct wr_kql_op sum = *ast;
    sum.args = &agg;
    sum.nargs = 1;
    sum.by = by;
    sum.nby = nby;
    sum.has_by = true;
    b->row = input->schema;
    const struct wr_op *op = wr_bind_summarize(b, &sum, input);
    b->row = input->schema;
    if (op && op->schema->ncols != nby + 1) {
        wr_bind_error(b, agg->span,
                      "top-nested ranks by one value: count(), sum(x) / count(), ...");
        return NULL;
    }
    return op;
}

static bool is_number(enum wr_type t)
{
    return t == WR_INT || t == WR_LONG || t == WR_REAL || t == WR_DECIMAL;
}

/* The constant that stands for the others, as a value of the key's type. */
static bool other_value(struct wr_binder *b, const struct wr_kql_ex *ast, enum wr_type type,
                        struct wr_value *ret)
{
    const struct wr_schema *row = b->row;
    b->row = NULL;
    struct wr_ex *ex = wr_bind_ex(b, ast);
    b->row = row;
    bool fits = ex && (ex->type == type || (is_number(ex->type) && is_number(type)));
    if (ex && !fits) {
        wr_bind_error(b, ast->span, "the others' value is a %s, and the key a %s",
                      wr_type_name(ex->type), wr_type_name(type));
        return false;
    }
    ex = ex ? wr_ex_convert(b, ex, type) : NULL;
    if (ex && ex->kind != WR_EX_CONST) {
        wr_bind_error(b, ast->span, "the others' value is a constant");
        return false;
    }
    if (ex)
        *ret = ex->value;
    ret->type = type;
    return ex != NULL;
}

/* What `others` are counted over: rows with the level at which they fell out, and the keys above
 * it. */
static struct wr_op *fallen_rows(struct wr_binder *b, struct wr_nested *spec,
                                 const struct wr_op *input, struct wr_kql_ex **by,
                                 struct wr_span span)
{
    static const char names[WR_NESTED_MAX + 1][4] = {"\1l", "\1a", "\1b", "\1c", "\1d", "\1e",
                                                     "\1f", "\1g", "\1h", "\1i", "\1j", "\1k",
                                                     "\1m", "\1n", "\1o", "\1p", "\1q"};
    uint16_t nin = input->schema->ncols;
    struct wr_schema *schema = wr_arena_alloc(b->arena, sizeof *schema);
    struct wr_coldef *cols = wr_arena_alloc(b->arena, (nin + spec->n + 1u) * sizeof *cols);
    struct wr_op *op = wr_op_new(b, WR_OP_GIVEN, NULL, span);
    if (!schema || !cols || !op)
        return NULL;
    if (nin + spec->n + 1u > WR_MAX_COLS) {
        wr_bind_error(b, span, "too many columns before a top-nested with others");
        return NULL;
    }
    memcpy(cols, input->schema->cols, nin * sizeof *cols);
    for (uint16_t k = 0; k <= spec->n; k++) {
        enum wr_type type = k ? spec->level[k - 1].sum->schema->cols[k - 1].type : WR_LONG;
        cols[nin + k] =
            (struct wr_coldef){.name = names[k], .type = type, .store = (uint16_t)(nin + k)};
        struct wr_kql_ex *name = wr_arena_alloc(b->arena, sizeof *name);
        if (!name)
            return NULL;
        *name = (struct wr_kql_ex){.kind = WR_KQL_NAME, .span = span, .name = {names[k], 2, span}};
        by[k] = name;
    }
    *schema = (struct wr_schema){.name = "", .cols = cols, .ncols = (uint16_t)(nin + spec->n + 1)};
    op->schema = spec->fallen = schema;
    return op;
}

static bool bind_others(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_nested *spec,
                        struct wr_op *input)
{
    struct wr_kql_ex *by[WR_NESTED_MAX + 1];
    struct wr_op *fallen = NULL;
    for (uint32_t i = 0; i < spec->n; i++) {
        struct wr_nested_level *l = &spec->level[i];
        if (!ast->axis[i])
            continue;
        if (!fallen && !(fallen = fallen_rows(b, spec, input, by, ast->span)))
            return false;
        if (!other_value(b, ast->axis[i], l->sum->schema->cols[i].type, &l->other) ||
            !(l->others = level_sum(b, ast, i, fallen, by, spec->n + 1)))
            return false;
    }
    return true;
}

struct wr_op *wr_bind_top_nested(struct wr_binder *b, const struct wr_kql_op *ast,
                                 struct wr_op *input)
{
    struct wr_nested *spec = wr_arena_alloc(b->arena, sizeof *spec);
    struct wr_cols cols = {0};
    if (!spec || !(input = wr_op_visible(b, input)))
        return NULL;
    b->row = input->schema;
    if (ast->nargs > WR_NESTED_MAX) {
        wr_bind_error(b, ast->span, "too many levels in one top-nested (%d are read)",
                      WR_NESTED_MAX);
        return NULL;
    }
    spec->n = ast->nargs;
    for (uint32_t i = 0; i < ast->nargs; i++) {
        struct wr_nested_level *l = &spec->level[i];
        const struct wr_kql_ex *agg = ast->args[i]->args[0];
        char name[256];
        l->asc = ast->args[i]->order & WR_KQL_ASC;
        if (!count_of(b, ast->defaults[i], &l->count) ||
            !(l->sum = level_sum(b, ast, i, input, ast->by, i + 1)))
            return NULL;
        const struct wr_coldef *key = &l->sum->schema->cols[i];
        struct wr_ex type = {.type = key->type},
                     ranked = {.type = l->sum->schema->cols[i + 1].type};
        if (ranked.type == WR_DYNAMIC) {
            wr_bind_error(b, agg->span, "dynamic values have no order");
            return NULL;
        }
        snprintf(name, sizeof name, "aggregated_%.200s", key->name);
        bool named = agg->kind == WR_KQL_NAMED;
        if (!wr_cols_add(b, &cols, key->name, false, &type, ast->span) ||
            !wr_cols_add(b, &cols, named ? agg->names[0].text : name, named, &ranked, agg->span))
            return NULL;
    }
    if (!bind_others(b, ast, spec, input))
        return NULL;
    return wr_op_whole(b, &wr_nested_whole, spec, wr_cols_schema(b, &cols), input, ast->span);
}
