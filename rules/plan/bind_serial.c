/* serialize, and functions that look at rows around theirs. While the expressions of an operator are bound, their calls
 * are collected; each becomes a hidden column of a WR_OP_SERIAL below that operator. */
#include "rules/plan/serial.h"

#include "rules/plan/bind.h"

#include <string.h>

enum { MAX_CALLS = 64, MAX_ARGS = 4 * MAX_CALLS };

struct wr_serial_list {
    struct wr_op *op; /* over the operator's input; its schema grows with each call */
    struct wr_coldef cols[WR_MAX_COLS];
    struct wr_schema schema;
    struct wr_serial_call call[MAX_CALLS];
    uint32_t ncalls;
    struct wr_ex *args[MAX_ARGS];
    uint32_t nargs;
};

static const struct form {
    const char *name;
    enum wr_serial_fn fn;
    uint32_t least, most;
} forms[] = {{"prev", WR_SERIAL_PREV, 1, 3},
             {"next", WR_SERIAL_NEXT, 1, 3},
             {"row_number", WR_SERIAL_ROW_NUMBER, 0, 2},
             {"row_cumsum", WR_SERIAL_CUMSUM, 1, 2},
             {"row_rank_dense", WR_SERIAL_RANK_DENSE, 1, 2},
             {"row_rank_min", WR_SERIAL_RANK_MIN, 1, 2},
             {"row_window_session", WR_SERIAL_SESSION, 3, 4}};

static const struct form *form_of(const char *name)
{
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (strcmp(forms[i].name, name) == 0)
            return &forms[i];
    return NULL;
}

bool wr_is_serial_fn(const char *name)
{
    return form_of(name) != NULL;
}

static struct wr_ex *of_type(struct wr_binder *b, const struct wr_kql_ex *ast, enum wr_type type)
{
    struct wr_ex *ex = wr_bind_ex(b, ast);
    if (ex && ex->type != type) {
        wr_bind_error(b, ast->span, "a %s is needed here; this is a %s", wr_type_name(type), wr_type_name(ex->type));
        return NULL;
    }
    return ex;
}

static bool whole_constant(struct wr_binder *b, const struct wr_kql_ex *ast, int64_t least, int64_t *ret)
{
    struct wr_ex *ex = wr_bind_ex(b, ast);
    if (!ex)
        return false;
    if (ex->kind != WR_EX_CONST || (ex->type != WR_LONG && ex->type != WR_INT) || ex->value.null ||
        ex->value.i < least || ex->value.i > INT32_MAX) {
        wr_bind_error(b, ast->span, "a whole number that is known beforehand is needed here");
        return false;
    }
    *ret = ex->value.i;
    return true;
}

/* Arguments in the order of wr_serial_fn; NULL in `args`: not given. */
static bool bind_args(struct wr_binder *b, const struct wr_kql_ex *ast, struct wr_serial_call *call,
                      struct wr_ex *args[4])
{
    uint32_t restart = call->fn == WR_SERIAL_SESSION ? 3 : 1, n = 0;
    switch (call->fn) {
    case WR_SERIAL_PREV:
    case WR_SERIAL_NEXT:
        call->offset = 1;
        if (!(args[n++] = wr_bind_ex(b, ast->args[0])) ||
            (ast->nargs > 1 && !whole_constant(b, ast->args[1], 1, &call->offset)))
            return false;
        call->type = args[0]->type;
        if (ast->nargs > 2 && (args[n] = wr_bind_ex(b, ast->args[2])) != NULL)
            args[n] = wr_ex_convert(b, args[n], call->type);
        n += ast->nargs > 2;
        call->nargs = n;
        return n == 1 || args[1];
    case WR_SERIAL_ROW_NUMBER:
        call->offset = 1;
        call->type = WR_LONG;
        if (ast->nargs > 0 && !whole_constant(b, ast->args[0], INT32_MIN, &call->offset))
            return false;
        if (ast->nargs > 1 && !(args[n++] = of_type(b, ast->args[1], WR_BOOL)))
            return false;
        call->nargs = n;
        return true;
    case WR_SERIAL_SESSION:
        call->type = WR_DATETIME;
        if (!(args[0] = of_type(b, ast->args[0], WR_DATETIME)) || !(args[1] = of_type(b, ast->args[1], WR_TIMESPAN)) ||
            !(args[2] = of_type(b, ast->args[2], WR_TIMESPAN)))
            return false;
        n = 3;
        break;
    default:
        if (!(args[n++] = wr_bind_ex(b, ast->args[0])))
            return false;
        call->type = call->fn == WR_SERIAL_CUMSUM ? args[0]->type : WR_LONG;
        bool sums = call->type == WR_INT || call->type == WR_LONG || call->type == WR_REAL || call->type == WR_TIMESPAN;
        if (!sums) {
            wr_bind_error(b, ast->args[0]->span, "row_cumsum takes numbers; this is a %s", wr_type_name(call->type));
            return false;
        }
    }
    if (ast->nargs > restart && !(args[n++] = of_type(b, ast->args[restart], WR_BOOL)))
        return false;
    call->nargs = n;
    return true;
}

struct wr_ex *wr_bind_serial(struct wr_binder *b, const struct wr_kql_ex *ast)
{
    const struct form *form = form_of(ast->name.text);
    struct wr_serial_list *list = b->serial;
    struct wr_serial_call call = {.fn = form->fn, .name = form->name};
    struct wr_ex *args[4] = {NULL};
    if (!list || !b->row) {
        struct wr_diag *d = wr_bind_error(b, ast->span, "'%s' cannot stand here", form->name);
        wr_diag_hint(b->diags, d, "put it into an extend, project, where or serialize");
        return NULL;
    }
    if (!list->op->input->ordered) {
        struct wr_diag *d = wr_bind_error(b, ast->span, "'%s' needs rows in an order", form->name);
        wr_diag_hint(b->diags, d, "put a sort, or serialize, before this %s", b->op);
        d->page = "docs/kql.md#order";
        return NULL;
    }
    if (ast->nargs < form->least || ast->nargs > form->most) {
        wr_bind_error(b, ast->span, "'%s' takes %u to %u arguments", form->name, form->least, form->most);
        return NULL;
    }
    if (!bind_args(b, ast, &call, args))
        return NULL;
    if (list->ncalls == MAX_CALLS || list->schema.ncols == WR_MAX_COLS) {
        wr_bind_error(b, ast->span, "too many calls of functions over rows in one operator (%d are read)", MAX_CALLS);
        return NULL;
    }
    call.first = list->nargs;
    for (uint32_t i = 0; i < call.nargs; i++)
        list->args[list->nargs++] = args[i];
    struct wr_ex *ex = wr_ex_new(b, WR_EX_COL, call.type, ast->span);
    if (!ex)
        return NULL;
    ex->col = list->schema.ncols;
    list->cols[list->schema.ncols] =
        (struct wr_coldef){.name = call.name, .type = call.type, .store = list->schema.ncols, .hidden = true};
    list->schema.ncols++;
    list->call[list->ncalls++] = call;
    return ex;
}

struct wr_serial_list *wr_serial_open(struct wr_binder *b, struct wr_op *input)
{
    struct wr_serial_list *list = wr_arena_alloc(b->arena, sizeof *list);
    list = list && (list->op = wr_op_new(b, WR_OP_SERIAL, input, input->span)) != NULL ? list : NULL;
    if (!list)
        return NULL;
    b->nodes -= WR_BIND_OP_NODES; /* most are not used */
    memcpy(list->cols, input->schema->cols, input->schema->ncols * sizeof *list->cols);
    list->schema = (struct wr_schema){.name = "", .cols = list->cols, .ncols = input->schema->ncols};
    return list;
}

struct wr_op *wr_serial_close(struct wr_binder *b, struct wr_serial_list *list, struct wr_op *input)
{
    struct wr_serial *spec = wr_arena_alloc(b->arena, sizeof *spec);
    if (!list->ncalls)
        return input;
    if (!spec) {
        wr_bind_nomem(b);
        return NULL;
    }
    b->nodes += WR_BIND_OP_NODES;
    *spec = (struct wr_serial){list->call, list->ncalls};
    list->op->whole = &wr_serial_whole;
    list->op->data = spec;
    list->op->cols = list->args;
    list->op->nkeys = list->nargs;
    list->op->schema = &list->schema;
    list->op->ordered = true;
    return list->op;
}
