/* Lets by name, and calls of functions that are lets. A call binds the body again, with the
 * arguments in the place of the parameters: that is what Kusto says a let is. */
#include "rules/plan/bind.h"

#include <string.h>

const struct wr_let *wr_let_find(const struct wr_binder *b, const char *name)
{
    for (uint32_t i = b->nlets; i-- > 0;)
        if (strcmp(b->lets[i].ast->name.text, name) == 0)
            return &b->lets[i];
    return wr_saved_find(b, name);
}

static const struct wr_let *called(const struct wr_binder *b, const struct wr_kql_ex *ast)
{
    bool call = ast->kind == WR_KQL_CALL && !ast->is_op;
    const struct wr_let *let =
        call || ast->kind == WR_KQL_NAME ? wr_let_find(b, ast->name.text) : NULL;
    bool function = let && let->kind == WR_LET_FUNCTION;
    return let && (function == call || (function && wr_fn_is_bare(let->ast))) ? let : NULL;
}

bool wr_fn_is_bare(const struct wr_kql_let *fn)
{
    for (uint32_t i = 0; i < fn->nparams; i++)
        if (!fn->params[i].value)
            return false;
    return true;
}

bool wr_is_table_ex(const struct wr_binder *b, const struct wr_kql_ex *ast)
{
    enum wr_table table;
    if (ast->kind == WR_KQL_SUBQUERY || ast->kind == WR_KQL_DATATABLE || ast->kind == WR_KQL_EXTERNAL)
        return true;
    if (ast->kind == WR_KQL_CALL && !ast->is_op && strcmp(ast->name.text, "materialize") == 0)
        return true;
    if (wr_is_table_call(b, ast))
        return true;
    if (ast->kind == WR_KQL_NAME && b->row &&
        wr_schema_find(b->row, ast->name.text, ast->name.len) != WR_NO_COL)
        return false;
    const struct wr_let *let = called(b, ast);
    if (ast->kind == WR_KQL_NAME && !wr_let_find(b, ast->name.text))
        return wr_table_find(ast->name.text, ast->name.len, &table) || wr_is_list(b, &ast->name);
    return let && (let->kind == WR_LET_TABLE || (let->kind == WR_LET_FUNCTION && let->gives_table));
}

/* What a function gives, from the form of its body. */
bool wr_fn_gives_table(const struct wr_binder *b, const struct wr_kql_let *fn)
{
    const struct wr_kql_query *q = fn->query;
    if (q->nops > 1 || q->ops[0]->kind != WR_KQL_SOURCE)
        return true;
    const struct wr_kql_ex *ex = q->ops[0]->args[0];
    enum wr_table table;
    for (uint32_t i = 0; ex->kind == WR_KQL_NAME && i < fn->nparams; i++)
        if (strcmp(fn->params[i].name.text, ex->name.text) == 0)
            return fn->params[i].is_table;
    for (uint32_t i = fn->nlets; i-- > 0;)
        if (strcmp(fn->lets[i].name.text, ex->name.text) == 0)
            return fn->lets[i].query->nops > 1 ||
                   fn->lets[i].query->ops[0]->kind != WR_KQL_SOURCE ||
                   fn->lets[i].query->ops[0]->args[0]->kind == WR_KQL_SUBQUERY ||
                   fn->lets[i].query->ops[0]->args[0]->kind == WR_KQL_DATATABLE;
    const struct wr_let *let = ex->kind == WR_KQL_NAME ? wr_let_find(b, ex->name.text) : NULL;
    return wr_is_table_ex(b, ex) || (let && let->kind == WR_LET_FUNCTION && let->gives_table) ||
           (ex->kind == WR_KQL_NAME && wr_table_find(ex->name.text, ex->name.len, &table));
}

struct wr_ex *wr_bind_let_value(struct wr_binder *b, const struct wr_let *let,
                                const struct wr_kql_ex *ast)
{
    if (let->kind == WR_LET_CONST)
        return wr_ex_const(b, &let->value, ast->span);
    if (let->kind == WR_LET_ARG) {
        b->nodes += let->size;
        if (b->nodes <= WR_BIND_MAX_NODES)
            return let->arg;
        wr_bind_error(b, ast->span, "the query is too large once its let statements are put in");
        return NULL;
    }
    if (let->kind == WR_LET_TABLE) {
        struct wr_diag *d = wr_bind_error(b, ast->span, "'%s' is a table; a value is needed here", ast->name.text);
        wr_diag_hint(b->diags, d, "toscalar(%s | summarize make_list(COLUMN)) is a column's values as one", ast->name.text);
    }
    if (let->kind == WR_LET_FUNCTION && !let->gives_table && wr_fn_is_bare(let->ast))
        return wr_bind_fn_value(b, let, ast);
    if (let->kind == WR_LET_FUNCTION) {
        struct wr_diag *d = wr_bind_error(
            b, ast->span, "'%s' is a function; a value is needed here", ast->name.text);
        wr_diag_hint(b->diags, d, "call it: %s()", ast->name.text);
    }
    return NULL; /* a bad let was told where it stands */
}

struct wr_op *wr_bind_let_table(struct wr_binder *b, const struct wr_let *let)
{
    struct wr_binder inner = *b;
    inner.source = let->source;
    inner.lets = let->lets;
    inner.nlets = let->nlets;
    inner.part = NULL;
    struct wr_op *op = wr_bind_query(&inner, let->ast->query);
    b->nodes = inner.nodes;
    return op;
}

/* ---- calls ---- */

/* The argument for parameter `at`: by name, else by place; NULL: none given. */
static const struct wr_kql_ex *argument(const struct wr_kql_ex *call,
                                        const struct wr_kql_param *param, uint32_t at)
{
    for (uint32_t i = 0; i < call->nargs; i++)
        if (call->args[i]->kind == WR_KQL_NAMED &&
            strcmp(call->args[i]->names[0].text, param->name.text) == 0)
            return call->args[i]->args[0];
    return at < call->nargs && call->args[at]->kind != WR_KQL_NAMED ? call->args[at] : NULL;
}

/* `table` as a query that can be bound at each use. */
static bool table_argument(struct wr_binder *b, const struct wr_kql_param *param,
                           const struct wr_kql_ex *arg, const struct wr_kql_query *given,
                           struct wr_let *ret)
{
    struct wr_kql_let *ast = wr_arena_alloc(b->arena, sizeof *ast);
    struct wr_kql_query *q = wr_arena_alloc(b->arena, sizeof *q);
    struct wr_kql_op *source = wr_arena_alloc(b->arena, sizeof *source);
    struct wr_kql_op **ops = wr_arena_alloc(b->arena, sizeof(struct wr_kql_op *));
    const struct wr_kql_ex **args = wr_arena_alloc(b->arena, sizeof(struct wr_kql_ex *));
    if (!ast || !q || !source || !ops || !args)
        return wr_bind_nomem(b);
    if (!given) {
        args[0] = arg;
        *source = (struct wr_kql_op){.kind = WR_KQL_SOURCE, .span = arg->span, .nargs = 1};
        source->args = (struct wr_kql_ex *const *)args;
        ops[0] = source;
        *q = (struct wr_kql_query){arg->span, ops, 1};
    }
    *ast = (struct wr_kql_let){.name = param->name, .query = given ? NULL : q};
    if (given) {
        *q = *given;
        ast->query = q;
    }
    *ret = (struct wr_let){
        .ast = ast, .kind = WR_LET_TABLE, .source = b->source, .lets = b->lets, .nlets = b->nlets};
    return true;
}

static bool value_argument(struct wr_binder *b, const struct wr_kql_param *param,
                           const struct wr_kql_ex *arg, struct wr_let *ret)
{
    struct wr_kql_let *ast = wr_arena_alloc(b->arena, sizeof *ast);
    uint32_t before = b->nodes;
    bool list = param->type == WR_DYNAMIC && wr_is_table_ex(b, arg); /* its first column's values */
    struct wr_ex *ex = list ? wr_bind_list_value(b, arg) : wr_bind_ex(b, arg);
    if (!ast || !ex)
        return false;
    if (ex->type != param->type && !(ex = wr_ex_convert(b, ex, param->type)))
        return false;
    ast->name = param->name;
    *ret = (struct wr_let){.ast = ast, .arg = ex, .size = b->nodes - before + 1, .kind = WR_LET_ARG};
    if (ex->kind == WR_EX_CONST) {
        ret->kind = WR_LET_CONST;
        ret->value = ex->value;
    }
    return true;
}

/* False when an argument is named as no parameter is. */
static bool names_fit(struct wr_binder *b, const struct wr_kql_let *fn, const struct wr_kql_ex *call)
{
    for (uint32_t i = 0; i < call->nargs; i++) {
        bool known = call->args[i]->kind != WR_KQL_NAMED;
        for (uint32_t p = 0; p < fn->nparams && !known; p++)
            known = strcmp(call->args[i]->names[0].text, fn->params[p].name.text) == 0;
        if (known)
            continue;
        wr_bind_error(b, call->args[i]->span, "'%s' has no parameter '%s'", fn->name.text,
                      call->args[i]->names[0].text);
        return false;
    }
    return true;
}

static bool bind_params(struct wr_binder *b, const struct wr_kql_let *fn,
                        const struct wr_kql_ex *call, const struct wr_kql_query *piped,
                        struct wr_let *lets)
{
    uint32_t shift = piped != NULL;
    if (!names_fit(b, fn, call))
        return false;
    for (uint32_t i = 0; i < fn->nparams; i++) {
        const struct wr_kql_param *param = &fn->params[i];
        bool given = piped && i == 0;
        const struct wr_kql_ex *arg = given ? NULL : argument(call, param, i - shift);
        if (!given && !arg)
            arg = param->value;
        if (!arg && !given) {
            wr_bind_error(b, call->span, "'%s' needs a value for '%s'", fn->name.text,
                          param->name.text);
            return false;
        }
        if (given && !param->is_table) {
            wr_bind_error(b, call->span, "'%s' takes no table", fn->name.text);
            return false;
        }
        if (param->is_table ? !table_argument(b, param, arg, given ? piped : NULL, &lets[i])
                            : !value_argument(b, param, arg, &lets[i]))
            return false;
    }
    if (call->nargs + shift > fn->nparams) {
        wr_bind_error(b, call->span, "'%s' takes %u arguments", fn->name.text, fn->nparams);
        return false;
    }
    return true;
}

/* `inner` becomes the function's scope. */
static bool enter(struct wr_binder *b, const struct wr_let *let, const struct wr_kql_ex *call,
                  const struct wr_kql_query *piped, struct wr_binder *inner)
{
    const struct wr_kql_let *fn = let->ast;
    uint32_t n = let->nlets, all = n + fn->nparams + fn->nlets;
    if (b->depth + 8 > WR_BIND_MAX_DEPTH) {
        wr_bind_error(b, call->span, "this is nested too deeply");
        return false;
    }
    b->nodes += all + 1;
    struct wr_let *lets =
        b->nodes > WR_BIND_MAX_NODES ? NULL : wr_arena_alloc(b->arena, (all + 1) * sizeof *lets);
    if (!lets) {
        wr_bind_error(b, call->span, "the query is too large once its let statements are put in");
        return false;
    }
    if (n)
        memcpy(lets, let->lets, n * sizeof *lets);
    if (!bind_params(b, fn, call, piped, lets + n))
        return false;
    *inner = *b;
    inner->source = let->source;
    if (b->source == b->main && let->source != b->main)
        inner->call = call->span;
    inner->depth += 4;
    inner->row = NULL;
    inner->aggs = NULL;
    inner->in_agg = false;
    inner->lets = lets;
    inner->nlets = n + fn->nparams;
    for (uint32_t i = 0; i < fn->nlets; i++) {
        wr_bind_let(inner, &fn->lets[i], &lets[inner->nlets]);
        if (lets[inner->nlets].kind == WR_LET_BAD)
            return false;
        inner->nlets++;
    }
    return true;
}

struct wr_op *wr_bind_fn_table(struct wr_binder *b, const struct wr_let *let,
                               const struct wr_kql_ex *call, const struct wr_kql_query *piped)
{
    struct wr_binder inner;
    if (!enter(b, let, call, piped, &inner))
        return NULL;
    struct wr_op *op = wr_bind_query(&inner, let->ast->query);
    b->nodes = inner.nodes;
    return op;
}

struct wr_ex *wr_bind_fn_value(struct wr_binder *b, const struct wr_let *let,
                               const struct wr_kql_ex *call)
{
    struct wr_binder inner;
    if (let->gives_table) {
        wr_bind_error(b, call->span, "'%s' gives a table; a value is needed here", call->name.text);
        return NULL;
    }
    if (!enter(b, let, call, NULL, &inner))
        return NULL;
    struct wr_ex *ex = wr_bind_ex(&inner, let->ast->query->ops[0]->args[0]);
    b->nodes = inner.nodes;
    return ex;
}
