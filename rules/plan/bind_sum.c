/* summarize, distinct, count.
 *
 *   summarize r = round(avg(x), 2), c = count() by k      becomes
 *   SUMMARIZE avg(x), count() by k  ->  MAP k, r = round(#1, 2), c = #2
 *
 * The MAP is left out when every argument is an aggregate and no more. */
#include "rules/plan/bind.h"

#include <string.h>

static const struct wr_agg *best_agg(const char *name, struct wr_ex *const *args, uint32_t nargs,
                                     enum wr_type *want, enum wr_type *scratch,
                                     enum wr_type *ret_type)
{
    const struct wr_agg *best = NULL;
    uint32_t cost = UINT32_MAX;
    for (const struct wr_agg *agg = wr_agg_find(name, strlen(name)); agg; agg = wr_agg_next(agg)) {
        struct wr_match m;
        if (!wr_signature_match(agg->signature, args, nargs, false, scratch, &m) || m.cost >= cost)
            continue;
        best = agg;
        cost = m.cost;
        *ret_type = m.result;
        memcpy(want, scratch, nargs * sizeof *want);
    }
    return best;
}

static bool push_agg(struct wr_binder *b, struct wr_agg_list *list, const struct wr_agg_call *call)
{
    if (list->nkeys + list->n >= WR_MAX_COLS)
        return false;
    if (list->n == list->cap) {
        uint32_t cap = list->cap ? 2 * list->cap : 8;
        struct wr_agg_call *at = wr_arena_alloc(b->arena, cap * sizeof *at);
        if (!at)
            return false;
        if (list->n)
            memcpy(at, list->at, list->n * sizeof *at);
        list->at = at;
        list->cap = cap;
    }
    list->at[list->n++] = *call;
    return true;
}

/* minif(x, p) is min(iff(p, x, null)): these leave nulls out. */
static bool folds_pred(enum wr_agg_kind kind)
{
    return kind == WR_AGG_MIN || kind == WR_AGG_MAX || kind == WR_AGG_AVG || kind == WR_AGG_STDEV ||
           kind == WR_AGG_VARIANCE || kind == WR_AGG_STDEVP || kind == WR_AGG_VARIANCEP ||
           kind == WR_AGG_TAKE_ANY;
}

struct wr_ex *wr_where_true(struct wr_binder *b, struct wr_ex *value, struct wr_ex *pred)
{
    struct wr_value none = {.type = value->type, .null = value->type != WR_STRING};
    struct wr_ex *nothing = wr_ex_const(b, &none, pred->span);
    struct wr_ex *const args[] = {pred, value, nothing};
    return nothing ? wr_ex_call(b, "iff", args, 3, pred->span) : NULL;
}

/* percentiles gives several columns and is bound as one percentile a column. */
static bool is_percentile(struct wr_binder *b, const struct wr_agg *agg, const struct wr_ex *p,
                          struct wr_span span)
{
    if (strcmp(agg->name, "percentile") != 0)
        wr_diag_hint(b->diags, wr_bind_error(b, span, "'%s' gives several columns and cannot stand in an expression", agg->name),
                     "percentile(x, 95) is one of them, percentiles_array(x, 50, 95) all, as an array: [1] is its second");
    else if (p->kind != WR_EX_CONST || p->value.null || !(p->value.r >= 0 && p->value.r <= 100))
        wr_bind_error(b, span, "the percentile is a constant from 0 to 100");
    else
        return true;
    return false;
}

static bool ranks(enum wr_agg_kind kind)
{
    return kind == WR_AGG_MIN || kind == WR_AGG_MAX || kind == WR_AGG_ARG_MAX || kind == WR_AGG_ARG_MIN;
}

/* Adds the aggregate `name` over `args` to the summarize; the column of its result. */
static struct wr_ex *add_agg(struct wr_binder *b, const char *name, struct wr_ex **args,
                             uint32_t nargs, struct wr_span span)
{
    enum { ARGS_MAX = 16 };
    enum wr_type want[ARGS_MAX], scratch[ARGS_MAX], type = WR_LONG;
    const struct wr_agg *agg =
        nargs <= ARGS_MAX ? best_agg(name, args, nargs, want, scratch, &type) : NULL;
    if (!agg) {
        struct wr_diag *d =
            wr_bind_error(b, span, "'%s' does not take %s%s", name, nargs ? "" : "no arguments",
                          nargs ? wr_type_name(args[0]->type) : "");
        if (nargs && (args[0]->type == WR_DATETIME || args[0]->type == WR_TIMESPAN))
            wr_diag_hint(b->diags, d, "make numbers of it: (t - ago(1d)) / 1s, span / 1s");
        else
            d->page = "docs/kql.md";
        return NULL;
    }
    if (nargs && ranks(agg->kind) && args[0]->type == WR_DYNAMIC) {
        struct wr_diag *d = wr_bind_error(b, span, "'%s' does not take dynamic: such values have no order", name);
        wr_diag_hint(b->diags, d, "convert it: tostring(), tolong(), todatetime()");
        return NULL;
    }
    for (uint32_t i = 0; i < nargs; i++) {
        args[i] = wr_ex_convert(b, args[i], want[i]);
        if (!args[i])
            return NULL;
    }
    if (agg->kind == WR_AGG_PERCENTILE && !is_percentile(b, agg, args[1], span))
        return NULL;
    if (agg->kind >= WR_AGG_FIRST_KEPT && !wr_bind_kept(b, agg, args, &nargs, span))
        return NULL;
    if (nargs == 2 && folds_pred(agg->kind)) {
        args[0] = wr_where_true(b, args[0], args[1]);
        if (!args[0])
            return NULL;
        nargs = 1;
    }
    struct wr_agg_call call = {.agg = agg, .args = args, .nargs = nargs, .type = type};
    struct wr_ex *col = wr_ex_new(b, WR_EX_COL, type, span);
    if (!col)
        return NULL;
    if (!push_agg(b, b->aggs, &call)) {
        wr_bind_error(b, span, "too many aggregates (256 columns are kept)");
        return NULL;
    }
    col->col = (uint16_t)(b->aggs->nkeys + b->aggs->n - 1);
    return col;
}

struct wr_ex *wr_bind_agg(struct wr_binder *b, const struct wr_kql_ex *ast)
{
    struct wr_ex **args = wr_arena_alloc(b->arena, (ast->nargs + 1) * sizeof *args);
    bool ok = args != NULL || wr_bind_nomem(b);
    b->in_agg = true;
    for (uint32_t i = 0; args && i < ast->nargs; i++) {
        args[i] = wr_bind_ex(b, ast->args[i]);
        ok = ok && args[i];
    }
    b->in_agg = false;
    return ok ? add_agg(b, ast->name.text, args, ast->nargs, ast->span) : NULL;
}

/* What a summarize is made of while its arguments are bound. */
struct summarize {
    struct wr_cols keys;
    struct wr_cols out; /* results; their expressions are over keys and aggregates */
    struct wr_agg_list aggs;
};

static bool is_key(const struct summarize *s, const struct wr_schema *in, uint16_t col)
{
    for (uint32_t i = 0; i < s->keys.n; i++)
        if (s->keys.ex[i]->kind == WR_EX_COL && s->keys.ex[i]->col == in->cols[col].store)
            return true;
    return false;
}

static bool add_pair(struct wr_binder *b, struct summarize *s, const char *agg, struct wr_ex *by,
                     struct wr_ex *value, const char *name, bool named, struct wr_span span)
{
    bool two = strncmp(agg, "arg_", 4) == 0;
    struct wr_value same = {.type = WR_LONG};
    struct wr_ex **args = wr_arena_alloc(b->arena, 2 * sizeof *args);
    if (!args || !by || !value)
        return args != NULL || wr_bind_nomem(b);
    args[0] = two ? by : wr_ex_const(b, &same, span); /* take_any(a, b): of one row, the first */
    args[1] = value;
    struct wr_ex *ex = args[0] ? add_agg(b, two ? agg : "arg_max", args, 2, span) : NULL;
    return ex && wr_cols_add(b, &s->out, name, named, ex, span);
}

/* Every column that is no key. */
static bool add_star(struct wr_binder *b, struct summarize *s, const char *agg,
                     const struct wr_kql_ex *by, struct wr_span span)
{
    for (uint16_t i = 0; i < b->row->ncols; i++) {
        const struct wr_coldef *col = &b->row->cols[i];
        bool first = by && by->kind == WR_KQL_NAME && strcmp(by->name.text, col->name) == 0;
        if (col->hidden || first || col->store != i || is_key(s, b->row, i))
            continue;
        struct wr_ex *value = wr_ex_col(b, b->row, i, span), *key = by ? wr_bind_ex(b, by) : value;
        if (!value || !key || !add_pair(b, s, agg, key, value, wr_name_of_column(b, agg, col->name), false, span))
            return false;
    }
    return true;
}

/* arg_max(t, a, b): columns t, a, b; take_any(a, b): a, b. */
static bool add_row_agg(struct wr_binder *b, struct summarize *s, const struct wr_kql_ex *call,
                        const struct wr_kql_name *names, uint32_t nnames)
{
    bool arg = strncmp(call->name.text, "arg_", 4) == 0;
    const struct wr_kql_ex *by = arg ? call->args[0] : NULL;
    b->in_agg = true;
    for (uint32_t i = 0; i < call->nargs; i++) {
        const struct wr_kql_ex *value = call->args[i];
        if (value->kind == WR_KQL_STAR) {
            if (!add_star(b, s, call->name.text, by, call->span))
                return false;
            continue;
        }
        struct wr_ex *ex = wr_bind_ex(b, value), *key = by ? wr_bind_ex(b, by) : ex;
        const char *name = i < nnames ? names[i].text : wr_name_of_column(b, call->name.text, wr_name_of(b, value));
        if (!ex || !key || !(name = name ? name : wr_name_of_arg(b, call, i)) ||
            !add_pair(b, s, call->name.text, key, ex, name, i < nnames, call->span))
            return false;
    }
    b->in_agg = false;
    return true;
}

/* percentiles(x, 50, 95), percentilesw(x, weight, 50, 95): a column for each. */
static bool add_percentiles(struct wr_binder *b, struct summarize *s, const struct wr_kql_ex *call,
                            const struct wr_kql_name *names, uint32_t nnames)
{
    uint32_t first = strcmp(call->name.text, "percentilesw") == 0 ? 2 : 1;
    for (uint32_t i = first; i < call->nargs; i++) {
        struct wr_kql_ex *args[] = {call->args[0], first == 2 ? call->args[1] : call->args[i], call->args[i]};
        struct wr_kql_ex one = *call;
        one.name.text = first == 2 ? "percentilew" : "percentile";
        one.name.len = (uint32_t)strlen(one.name.text);
        one.args = args;
        one.nargs = first + 1;
        struct wr_ex *ex = wr_bind_ex(b, &one);
        bool named = i - first < nnames;
        const char *name = named ? names[i - first].text : wr_name_of(b, &one);
        if (!ex || !wr_cols_add(b, &s->out, name, named, ex, call->span))
            return false;
    }
    return true;
}

static bool is_row_agg(const struct wr_kql_ex *ex)
{
    if (ex->kind != WR_KQL_CALL || ex->is_op || !ex->nargs)
        return false;
    bool any = strcmp(ex->name.text, "take_any") == 0 || strcmp(ex->name.text, "any") == 0;
    bool arg = strcmp(ex->name.text, "arg_max") == 0 || strcmp(ex->name.text, "arg_min") == 0;
    return arg ? ex->nargs > 1 : any && (ex->nargs > 1 || ex->args[0]->kind == WR_KQL_STAR);
}

static bool add_result(struct wr_binder *b, struct summarize *s, const struct wr_kql_ex *ast)
{
    const struct wr_kql_ex *value = ast->kind == WR_KQL_NAMED ? ast->args[0] : ast;
    if (is_row_agg(value))
        return add_row_agg(b, s, value, ast->names, ast->nnames);
    if (value->kind == WR_KQL_CALL && !value->is_op && value->nargs > 1 &&
        (strcmp(value->name.text, "percentiles") == 0 || (value->nargs > 2 && strcmp(value->name.text, "percentilesw") == 0)))
        return add_percentiles(b, s, value, ast->names, ast->nnames);
    if (ast->nnames > 1) {
        wr_bind_unsupported(b, ast->span, "several names for one value", NULL);
        return false;
    }
    uint32_t before = s->aggs.n;
    struct wr_ex *ex = wr_bind_ex(b, value);
    if (!ex)
        return false;
    if (s->aggs.n == before && ex->kind != WR_EX_CONST) {
        wr_bind_error(b, value->span, "an aggregate is needed here: count(), sum(), ...");
        return false;
    }
    const char *name = ast->nnames ? ast->names[0].text : wr_name_of(b, value);
    return wr_cols_add(b, &s->out, name, ast->nnames != 0, ex, ast->span);
}

static bool add_keys(struct wr_binder *b, struct summarize *s, struct wr_kql_ex *const *by,
                     uint32_t n)
{
    bool ok = true;
    for (uint32_t i = 0; i < n; i++) {
        const struct wr_kql_ex *value = by[i]->kind == WR_KQL_NAMED ? by[i]->args[0] : by[i];
        const char *name =
            by[i]->kind == WR_KQL_NAMED ? by[i]->names[0].text : wr_name_of(b, value);
        struct wr_ex *ex = wr_bind_ex(b, value);
        if (ex && ex->type == WR_DYNAMIC) {
            struct wr_diag *d = wr_bind_error(b, value->span, "dynamic values cannot be keys");
            wr_diag_hint(b->diags, d, "group by tostring() or tolong() of it");
            ex = NULL;
        }
        bool named = by[i]->kind == WR_KQL_NAMED || value->kind == WR_KQL_NAME;
        ok = ex && wr_cols_add(b, &s->keys, name, named, ex, by[i]->span) && ok;
    }
    return ok;
}

/* Keys, then one column an aggregate. */
static struct wr_op *summarize_op(struct wr_binder *b, struct summarize *s, struct wr_op *input,
                                  struct wr_span span)
{
    struct wr_op *op = wr_op_new(b, WR_OP_SUMMARIZE, input, span);
    struct wr_cols cols = {0};
    bool ok = op != NULL;
    for (uint32_t i = 0; ok && i < s->keys.n; i++)
        ok = wr_cols_add(b, &cols, s->keys.def[i].name, false, s->keys.ex[i], span);
    for (uint32_t i = 0; ok && i < s->aggs.n; i++) {
        struct wr_ex type = {.type = s->aggs.at[i].type};
        const char *name = s->aggs.at[i].agg->name;
        /* A result that is an aggregate and no more gives it its name. */
        for (uint32_t r = s->keys.n; r < s->out.n; r++)
            if (s->out.ex[r]->kind == WR_EX_COL && s->out.ex[r]->col == s->keys.n + i)
                name = s->out.def[r].name;
        ok = wr_cols_add(b, &cols, name, false, &type, span);
    }
    if (!ok)
        return NULL;
    op->schema = wr_cols_schema(b, &cols);
    op->cols = s->keys.ex;
    op->nkeys = s->keys.n;
    op->aggs = s->aggs.at;
    op->naggs = s->aggs.n;
    return op->schema ? op : NULL;
}

static bool plain_results(const struct summarize *s)
{
    if (s->out.n != s->keys.n + s->aggs.n)
        return false;
    for (uint32_t i = 0; i < s->out.n; i++)
        if (s->out.ex[i]->kind != WR_EX_COL || s->out.ex[i]->col != i)
            return false;
    return true;
}

static struct wr_op *finish(struct wr_binder *b, struct summarize *s, struct wr_op *input,
                            struct wr_span span)
{
    struct wr_op *op = summarize_op(b, s, input, span);
    if (!op || plain_results(s))
        return op;
    return wr_op_map(b, &s->out, op, span);
}

/* The keys as first results. */
static bool open_results(struct wr_binder *b, struct summarize *s, struct wr_span span)
{
    for (uint32_t i = 0; i < s->keys.n; i++) {
        struct wr_ex *col = wr_ex_new(b, WR_EX_COL, s->keys.def[i].type, span);
        if (!col)
            return false;
        col->col = (uint16_t)i;
        if (!wr_cols_add(b, &s->out, s->keys.def[i].name, s->keys.named[i], col, span))
            return false;
    }
    s->aggs.nkeys = s->keys.n;
    return true;
}

struct wr_op *wr_bind_summarize(struct wr_binder *b, const struct wr_kql_op *ast,
                                struct wr_op *input)
{
    struct summarize s = {.keys.numbers = true, .out.numbers = true};
    if (!add_keys(b, &s, ast->by, ast->nby) || !open_results(b, &s, ast->span))
        return NULL;
    bool ok = true;
    b->aggs = &s.aggs;
    for (uint32_t i = 0; i < ast->nargs; i++)
        ok = add_result(b, &s, ast->args[i]) && ok;
    b->aggs = NULL;
    b->in_agg = false;
    return ok ? finish(b, &s, input, ast->span) : NULL;
}

struct wr_op *wr_bind_distinct(struct wr_binder *b, const struct wr_kql_op *ast,
                               struct wr_op *input)
{
    struct summarize s = {0};
    bool ok = true;
    if (ast->nargs == 1 && ast->args[0]->kind == WR_KQL_STAR) {
        for (uint16_t i = 0; ok && i < input->schema->ncols; i++) {
            if (!input->schema->cols[i].hidden && input->schema->cols[i].type == WR_DYNAMIC) {
                wr_bind_error(b, ast->span, "column '%s' is dynamic and cannot be a key",
                              input->schema->cols[i].name);
                return NULL;
            }
            struct wr_ex *ex = wr_ex_col(b, input->schema, i, ast->span);
            ok = ex && (input->schema->cols[i].hidden ||
                        wr_cols_add(b, &s.keys, input->schema->cols[i].name, true, ex, ast->span));
        }
    } else {
        ok = add_keys(b, &s, ast->args, ast->nargs);
    }
    return ok && open_results(b, &s, ast->span) ? finish(b, &s, input, ast->span) : NULL;
}

struct wr_op *wr_bind_count(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input)
{
    struct summarize s = {0};
    b->aggs = &s.aggs;
    struct wr_ex **none = wr_arena_alloc(b->arena, sizeof *none);
    struct wr_ex *count = none ? add_agg(b, "count", none, 0, ast->span) : NULL;
    b->aggs = NULL;
    const char *name = ast->label.text ? ast->label.text : "Count";
    return count && wr_cols_add(b, &s.out, name, true, count, ast->span)
               ? finish(b, &s, input, ast->span)
               : NULL;
}
