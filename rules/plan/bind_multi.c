/* Functions with several results: each is a column. functions.def has one row for each result,
 * NAME.RESULT. */
#include "rules/plan/bind.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    const char *results[8];
} multi[] = {
    {"series_stats", {"min", "min_idx", "max", "max_idx", "avg", "stdev", "variance", NULL}},
    {"series_fit_line",
     {"rsquare", "slope", "variance", "rvariance", "interception", "line_fit", NULL}},
    {"series_periods_detect", {"periods", "scores", NULL}},
    {"series_periods_validate", {"periods", "scores", NULL}},
    {"series_decompose", {"baseline", "seasonal", "trend", "residual", NULL}},
    {"series_decompose_anomalies", {"ad_flag", "ad_score", "baseline", NULL}},
    {"series_decompose_forecast", {"baseline", "seasonal", "trend", "residual", NULL}},
};

static const char *const *results_of(const struct wr_binder *b, const struct wr_kql_ex *ast)
{
    if (ast->kind == WR_KQL_NAMED)
        ast = ast->args[0];
    if (ast->kind != WR_KQL_CALL || ast->is_op || wr_let_find(b, ast->name.text))
        return NULL;
    for (size_t i = 0; i < sizeof multi / sizeof *multi; i++)
        if (strcmp(multi[i].name, ast->name.text) == 0)
            return multi[i].results;
    return NULL;
}

bool wr_is_sort(const struct wr_kql_ex *ast)
{
    return ast->kind == WR_KQL_CALL && !ast->is_op && ast->nargs > 1 &&
           (strcmp(ast->name.text, "array_sort_asc") == 0 ||
            strcmp(ast->name.text, "array_sort_desc") == 0);
}

struct wr_ex *wr_bind_sort_all(struct wr_binder *b, const struct wr_kql_ex *ast)
{
    enum { MAX_ARRAYS = 8 };
    struct wr_ex *args[MAX_ARRAYS];
    bool ok = ast->nargs <= MAX_ARRAYS;
    for (uint32_t i = 0; i < ast->nargs && ok; i++) {
        ok = (args[i] = wr_bind_ex(b, ast->args[i])) != NULL;
        if (!ok)
            return NULL;
        ok = args[i]->type == WR_DYNAMIC || (i && i == ast->nargs - 1 && args[i]->type == WR_BOOL);
    }
    if (!ok) {
        wr_bind_error(b, ast->span, "'%s' takes arrays, 8 at most, and a bool behind them", ast->name.text);
        return NULL;
    }
    bool down = strcmp(ast->name.text, "array_sort_desc") == 0;
    return wr_ex_call(b, down ? "array_sort_desc.all" : "array_sort_asc.all", args, ast->nargs,
                      ast->span);
}

/* The call, without the name before it. */
static const struct wr_kql_ex *call_of(const struct wr_kql_ex *ast)
{
    return ast->kind == WR_KQL_NAMED ? ast->args[0] : ast;
}

bool wr_is_multi(const struct wr_binder *b, const struct wr_kql_ex *ast)
{
    const struct wr_kql_ex *call = call_of(ast);
    return results_of(b, ast) != NULL || (wr_is_sort(call) && !wr_let_find(b, call->name.text));
}

/* Where results go: the first `nin` columns are those of an extend's input, which they may replace. */
struct results {
    struct wr_cols *cols;
    uint32_t nin;
    const struct wr_kql_ex *ast;
};

/* Result `i`, by the name that the author gave it, else by `name`. */
static bool add_result(struct wr_binder *b, const struct results *to, uint32_t i, const char *name, struct wr_ex *ex)
{
    struct wr_cols *cols = to->cols;
    bool named = to->ast->kind == WR_KQL_NAMED && i < to->ast->nnames;
    const char *column = named ? to->ast->names[i].text : name;
    uint32_t at = named ? wr_cols_find(cols, column) : UINT32_MAX;
    if (!ex)
        return false;
    if (at >= to->nin && (at == UINT32_MAX || cols->named[at]))
        return wr_cols_add(b, cols, column, named, ex, to->ast->span);
    cols->ex[at] = ex;
    cols->def[at].type = ex->type;
    cols->def[at].own = false;
    return true;
}

/* array_sort_asc(a, b): a column for each array. */
static bool add_sorted(struct wr_binder *b, const struct results *to)
{
    const struct wr_kql_ex *call = call_of(to->ast);
    struct wr_ex *all = wr_bind_sort_all(b, call);
    bool ok = all != NULL;
    uint32_t n = call->nargs;
    if (ok && all->kind == WR_EX_CALL)
        n = all->nargs - (all->args[all->nargs - 1]->type == WR_BOOL);
    else
        n -= call->args[n - 1]->kind == WR_KQL_LITERAL && call->args[n - 1]->value.type == WR_BOOL;
    for (uint32_t i = 0; ok && i < n; i++) {
        struct wr_value index = {.type = WR_LONG, .i = i};
        struct wr_ex *args[2] = {all, wr_ex_const(b, &index, call->span)};
        const char *name = wr_name_of_sorted(b, call, i);
        ok = args[1] && name && add_result(b, to, i, name, wr_ex_call(b, "[]", args, 2, call->span));
    }
    return ok;
}

bool wr_bind_multi(struct wr_binder *b, const struct wr_kql_ex *ast, struct wr_cols *cols, uint32_t nin)
{
    const struct results to = {cols, nin, ast};
    enum { MAX_ARGS = 17 }; /* series_periods_validate: a series, 16 periods */
    const char *const *results = results_of(b, ast);
    const struct wr_kql_ex *call = call_of(ast);
    struct wr_ex *args[MAX_ARGS];
    if (!results)
        return add_sorted(b, &to);
    bool ok = call->nargs && call->nargs <= MAX_ARGS;
    if (!ok)
        wr_bind_error(b, call->span, "'%s' takes an array, and 17 arguments at most",
                      call->name.text);
    for (uint32_t i = 0; i < call->nargs && ok; i++)
        ok = (args[i] = wr_bind_ex(b, call->args[i])) != NULL;
    const char *of = ok ? wr_name_of(b, call->args[0]) : NULL;
    for (uint32_t i = 0; ok && results[i]; i++) {
        char fn[64], name[320];
        snprintf(fn, sizeof fn, "%s.%s", call->name.text, results[i]);
        snprintf(name, sizeof name, "%s_%.200s_%s", call->name.text, of ? of : "", results[i]);
        struct wr_ex *ex = wr_ex_call(b, wr_arena_strndup(b->arena, fn, strlen(fn)), args,
                                      call->nargs, call->span);
        ok = add_result(b, &to, i, name, ex);
    }
    return ok;
}
