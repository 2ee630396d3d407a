/* evaluate, externaldata, and operators that run over all their rows at once. */
#include "rules/plan/plugin.h"

#include "base/nearest.h"
#include "rules/exec/run.h"
#include "rules/plan/external.h"

#include <string.h>

struct wr_op *wr_op_whole(struct wr_binder *b, const struct wr_whole *whole, const void *data,
                          const struct wr_schema *schema, struct wr_op *input, struct wr_span span)
{
    struct wr_op *op = schema ? wr_op_new(b, WR_OP_WHOLE, input, span) : NULL;
    if (!op)
        return NULL;
    op->whole = whole;
    op->data = data;
    op->schema = schema;
    return op;
}

/* ---- constant operators ---- */

static bool differs(const struct wr_ex *ex, void *arg)
{
    if (ex->kind == WR_EX_SUB || (ex->kind == WR_EX_CALL && ex->fn->flags & (WR_FN_PER_RUN | WR_FN_NO_FOLD)))
        return true;
    for (uint32_t i = 0; i < ex->nargs; i++)
        if (differs(ex->args[i], arg))
            return true;
    return false;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as operators stand, which wr_op_new bounds */
static bool reads_something(const struct wr_op *op)
{
    for (uint32_t i = 0; i < op->ninputs; i++)
        if (reads_something(op->inputs[i]))
            return true;
    return op->kind == WR_OP_SCAN || op->kind == WR_OP_EXTERNAL || (op->input && reads_something(op->input));
}

bool wr_op_is_constant(const struct wr_op *op)
{
    return !reads_something(op) && !wr_tree_any_ex(op, differs, NULL);
}

bool wr_op_rows_now(struct wr_binder *b, const struct wr_op *op, struct wr_rows *ret_rows)
{
    enum { MEMORY_MAX = 16 << 20, WORK_MAX = 4000000 }; /* some tenths of a second */
    struct wr_run_opts opts = {.memory_bytes = MEMORY_MAX, .work_rows = WORK_MAX};
    struct wr_run *run = wr_run_new(op, &opts);
    const struct wr_rows *rows;
    const char *why = NULL;
    struct wr_span span = op->span;
    enum wr_err err = run ? wr_run_go(run, 0, &rows, &why, &span) : WR_ENOMEM;
    wr_rows_init(ret_rows, op->schema, WR_BATCH_ROWS);
    for (uint32_t i = 0; !err && i < rows->nbatches; i++)
        err = wr_rows_add(ret_rows, rows->batch[i]->col, &rows->batch[i]->sel);
    wr_run_free(run);
    if (!err)
        return true;
    wr_rows_fini(ret_rows);
    wr_bind_error(b, span, "%s", why ? why : wr_strerror(err));
    return false;
}

/* ---- evaluate ---- */

static const struct plugin {
    const char *name;
    wr_plugin_bind *bind; /* NULL: refused */
    const char *text;     /* page, or the reason */
} plugins[] = {
#define PLUGIN(name, bind, page) {name, bind, page},
#define REFUSED(name, why) {name, NULL, why},
#include "rules/plan/plugins.def"
#undef PLUGIN
#undef REFUSED
};

static struct wr_op *no_plugin(struct wr_binder *b, const struct wr_kql_ex *call)
{
    struct wr_nearest near = wr_nearest_to(call->name.text, call->name.len);
    struct wr_diag *d = wr_bind_error(b, call->name.span, "plugin '%s' is not supported yet, or misspelt",
                                      call->name.text);
    for (size_t i = 0; i < sizeof plugins / sizeof *plugins; i++)
        if (plugins[i].bind)
            wr_nearest_try(&near, plugins[i].name, strlen(plugins[i].name));
    if (near.best)
        wr_diag_hint(b->diags, d, "did you mean '%s'?", near.best);
    d->page = "docs/kql.md#plugins";
    return NULL;
}

struct wr_op *wr_bind_evaluate(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input)
{
    const struct wr_kql_ex *call = ast->args[0];
    input = wr_op_visible(b, input);
    if (!input)
        return NULL;
    b->row = input->schema;
    if (call->kind != WR_KQL_CALL || call->is_op) {
        wr_bind_error(b, call->span, "evaluate takes the call of a plugin");
        return NULL;
    }
    const struct wr_plugin_call plugin = {
        .name = call->name.text,
        .span = call->span,
        .args = call->args,
        .nargs = call->nargs,
        .cols = ast->cols,
        .ncols = ast->ncols,
        .star = ast->star,
        .has_schema = ast->cols || ast->star,
    };
    for (size_t i = 0; i < sizeof plugins / sizeof *plugins; i++) {
        if (strcmp(plugins[i].name, call->name.text) != 0)
            continue;
        if (plugins[i].bind)
            return plugins[i].bind(b, &plugin, input);
        struct wr_diag *d =
            wr_bind_error(b, call->name.span, "plugin '%s' is refused: %s", call->name.text, plugins[i].text);
        d->page = "docs/kql.md#plugins";
        return NULL;
    }
    return no_plugin(b, call);
}

/* ---- lists from outside ---- */

static bool constant_of(struct wr_binder *b, const struct wr_kql_ex *ast, struct wr_value *ret)
{
    if (ast->kind == WR_KQL_NAME && !wr_let_find(b, ast->name.text)) { /* format=csv */
        *ret = (struct wr_value){.type = WR_STRING, .s = wr_str_borrow(ast->name.text, ast->name.len)};
        return true;
    }
    struct wr_ex *ex = wr_bind_ex(b, ast);
    if (!ex)
        return false;
    if (ex->kind != WR_EX_CONST) {
        wr_bind_error(b, ast->span, "a constant is needed here");
        return false;
    }
    *ret = ex->value;
    return true;
}

bool wr_is_list(const struct wr_binder *b, const struct wr_kql_name *name)
{
    const struct wr_external *lists = b->env ? b->env->lists : NULL;
    const struct wr_external_request req = {.function = name->text};
    const char *why, *hint;
    return lists && lists->find(lists, &req, b->arena, &why, &hint);
}

struct wr_op *wr_bind_list(struct wr_binder *b, const struct wr_kql_ex *ast, const char *function, bool *ret_known)
{
    const struct wr_external *lists = b->env ? b->env->lists : NULL;
    struct wr_value *args = wr_arena_alloc(b->arena, (ast->nargs + 1) * sizeof *args);
    struct wr_external_property *with = wr_arena_alloc(b->arena, (ast->nwith + 1) * sizeof *with);
    const char *why = NULL, *hint = NULL;
    *ret_known = true;
    if (!args || !with) {
        wr_bind_nomem(b);
        return NULL;
    }
    for (uint32_t i = 0; i < ast->nargs; i++)
        if (!constant_of(b, ast->args[i], &args[i]))
            return NULL;
    for (uint32_t i = 0; i < ast->nwith; i++) {
        with[i].name = ast->with[i]->names[0].text;
        if (!constant_of(b, ast->with[i]->args[0], &with[i].value))
            return NULL;
    }
    const struct wr_external_request req = {.function = function, .args = args, .nargs = ast->nargs,
                                            .cols = ast->cols, .ncols = ast->ncols, .with = with, .nwith = ast->nwith};
    const struct wr_external_table *table = lists ? lists->find(lists, &req, b->arena, &why, &hint) : NULL;
    *ret_known = table || why;
    if (!table) {
        if (why)
            wr_diag_hint(b->diags, wr_bind_error(b, ast->span, "%s", why), "%s", hint ? hint : "");
        return NULL;
    }
    struct wr_op *op = wr_op_new(b, WR_OP_EXTERNAL, NULL, ast->span);
    if (op) {
        op->external = table;
        op->schema = table->schema;
    }
    return op;
}
