/* evaluate pivot: values of a column become columns, each an aggregate over the rows that have the value. It is bound as the
 * summarize that it stands for. The values are those of the schema that the author gives; without one, those of the data, where
 * that is constant. Source: Kusto "pivot plugin". */
#include "rules/fn/kernel.h"
#include "rules/plan/plugin.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_VALUES = 200 };

static const char *const conditional[][2] = {
    {"count", "countif"},       {"sum", "sumif"},           {"avg", "avgif"},
    {"min", "minif"},           {"max", "maxif"},           {"dcount", "dcountif"},
    {"stdev", "stdevif"},       {"variance", "varianceif"}, {"take_any", "take_anyif"},
    {"make_list", "make_list_if"}, {"make_set", "make_set_if"}, {"make_bag", "make_bag_if"},
};

struct pivot {
    struct wr_binder *b;
    const struct wr_plugin_call *call;
    struct wr_op *input;
    uint16_t col;
    const struct wr_kql_ex *agg; /* NULL: count() */
    const char *agg_name;
    struct wr_kql_name value[MAX_VALUES];
    uint32_t n;
};

static struct wr_kql_ex *ex_new(struct pivot *p, enum wr_kql_kind kind, uint32_t nargs)
{
    struct wr_kql_ex *ex = wr_arena_alloc(p->b->arena, sizeof *ex);
    struct wr_kql_ex **args = wr_arena_alloc(p->b->arena, (nargs + 1) * sizeof(struct wr_kql_ex *));
    if (!ex || !args) {
        wr_bind_nomem(p->b);
        return NULL;
    }
    ex->kind = kind;
    ex->span = p->call->span;
    ex->args = (struct wr_kql_ex *const *)args;
    ex->nargs = nargs;
    return ex;
}

static struct wr_kql_name name_of(const char *text, struct wr_span span)
{
    return (struct wr_kql_name){.text = text, .len = (uint32_t)strlen(text), .span = span};
}

static struct wr_kql_ex *column_ex(struct pivot *p, const char *name)
{
    struct wr_kql_ex *ex = ex_new(p, WR_KQL_NAME, 0);
    if (ex)
        ex->name = name_of(name, p->call->span);
    return ex;
}

/* tostring(col) == "value" */
static struct wr_kql_ex *condition(struct pivot *p, const struct wr_kql_name *value)
{
    struct wr_kql_ex *eq = ex_new(p, WR_KQL_CALL, 2), *text = ex_new(p, WR_KQL_CALL, 1), *lit = ex_new(p, WR_KQL_LITERAL, 0);
    struct wr_kql_ex *col = column_ex(p, p->input->schema->cols[p->col].name);
    if (!eq || !text || !lit || !col)
        return NULL;
    eq->name = name_of("==", p->call->span);
    eq->is_op = true;
    text->name = name_of("tostring", p->call->span);
    lit->value = (struct wr_value){.type = WR_STRING, .s = wr_str_borrow(value->text, value->len)};
    ((struct wr_kql_ex **)text->args)[0] = col;
    ((struct wr_kql_ex **)eq->args)[0] = text;
    ((struct wr_kql_ex **)eq->args)[1] = lit;
    return eq;
}

/* value = aggif(args, condition) */
static struct wr_kql_ex *aggregate(struct pivot *p, const struct wr_kql_name *value)
{
    uint32_t nargs = p->agg ? p->agg->nargs : 0;
    struct wr_kql_ex *named = ex_new(p, WR_KQL_NAMED, 1), *call = ex_new(p, WR_KQL_CALL, nargs + 1);
    struct wr_kql_ex *cond = condition(p, value);
    if (!named || !call || !cond)
        return NULL;
    call->name = name_of(p->agg_name, p->call->span);
    /* the condition stands behind the value: dcountif(x, condition, accuracy) */
    uint32_t at = nargs ? 1 : 0;
    for (uint32_t i = 0; i < nargs; i++)
        ((struct wr_kql_ex **)call->args)[i < at ? i : i + 1] = p->agg->args[i];
    ((struct wr_kql_ex **)call->args)[at] = cond;
    struct wr_kql_name *names = wr_arena_alloc(p->b->arena, sizeof *names);
    if (!names)
        return NULL;
    *names = *value;
    named->names = names;
    named->nnames = 1;
    ((struct wr_kql_ex **)named->args)[0] = call;
    return named;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(((const struct wr_kql_name *)a)->text, ((const struct wr_kql_name *)b)->text);
}

static bool add_value(struct pivot *p, const char *text, size_t len)
{
    for (uint32_t i = 0; i < p->n; i++)
        if (p->value[i].len == len && memcmp(p->value[i].text, text, len) == 0)
            return true;
    if (p->n == MAX_VALUES) {
        wr_bind_error(p->b, p->call->span, "the column has more than %d values", MAX_VALUES);
        return false;
    }
    const char *own = wr_arena_strndup(p->b->arena, text, len);
    if (own)
        p->value[p->n++] = name_of(own, p->call->span);
    return own || wr_bind_nomem(p->b);
}

static bool values_of_data(struct pivot *p)
{
    struct wr_rows rows;
    bool ok = true;
    if (!wr_op_is_constant(p->input)) {
        struct wr_diag *d = wr_bind_error(p->b, p->call->span, "pivot must be told its columns here: nothing has arrived yet");
        wr_diag_hint(p->b->diags, d, "write pivot(Action) : (Host: string, allow: long, deny: long)");
        return false;
    }
    if (!wr_op_rows_now(p->b, p->input, &rows))
        return false;
    for (uint64_t n = 0; n < rows.nrows && ok; n++) {
        uint32_t row;
        struct wr_buf text = {0};
        const struct wr_batch *batch = wr_rows_at(&rows, n, &row);
        wr_text_at(&batch->col[p->col], row, &text);
        if (text.len)
            ok = add_value(p, text.data, text.len);
        wr_buf_fini(&text);
    }
    wr_rows_fini(&rows);
    qsort(p->value, p->n, sizeof *p->value, by_text);
    return ok;
}

/* Every column of the given schema that the input has not is a value. */
static bool values_of_schema(struct pivot *p)
{
    bool ok = true;
    for (uint32_t i = 0; i < p->call->ncols && ok; i++) {
        const struct wr_kql_col *c = &p->call->cols[i];
        if (wr_schema_find(p->input->schema, c->name.text, c->name.len) == WR_NO_COL)
            ok = add_value(p, c->name.text, c->name.len);
    }
    return ok;
}

static bool in_agg(const struct pivot *p, const char *name)
{
    for (uint32_t i = 0; p->agg && i < p->agg->nargs; i++)
        if (p->agg->args[i]->kind == WR_KQL_NAME && strcmp(p->agg->args[i]->name.text, name) == 0)
            return true;
    return false;
}

static struct wr_op *as_summarize(struct pivot *p, uint32_t first_by)
{
    const struct wr_schema *in = p->input->schema;
    struct wr_kql_op *op = wr_arena_alloc(p->b->arena, sizeof *op);
    struct wr_kql_ex **args = wr_arena_alloc(p->b->arena, (p->n + 1) * sizeof(struct wr_kql_ex *));
    struct wr_kql_ex **by = wr_arena_alloc(p->b->arena, (in->ncols + p->call->nargs + 1u) * sizeof(struct wr_kql_ex *));
    if (!op || !args || !by) {
        wr_bind_nomem(p->b);
        return NULL;
    }
    for (uint32_t i = 0; i < p->n; i++)
        if (!(args[op->nargs++] = aggregate(p, &p->value[i])))
            return NULL;
    for (uint32_t i = first_by; i < p->call->nargs; i++)
        by[op->nby++] = p->call->args[i];
    for (uint16_t c = 0; c < in->ncols && first_by >= p->call->nargs; c++)
        if (c != p->col && !in_agg(p, in->cols[c].name) && !(by[op->nby++] = column_ex(p, in->cols[c].name)))
            return NULL;
    op->kind = WR_KQL_SUMMARIZE;
    op->span = p->call->span;
    op->args = (struct wr_kql_ex *const *)args;
    op->by = (struct wr_kql_ex *const *)by;
    op->has_by = op->nby != 0;
    return wr_bind_summarize(p->b, op, p->input);
}

struct wr_op *wr_bind_pivot(struct wr_binder *b, const struct wr_plugin_call *call, struct wr_op *input)
{
    struct pivot *p = wr_arena_alloc(b->arena, sizeof *p);
    if (!p) {
        wr_bind_nomem(b);
        return NULL;
    }
    *p = (struct pivot){.b = b, .call = call, .input = input, .agg_name = "countif"};
    const struct wr_kql_ex *col = call->nargs ? call->args[0] : NULL;
    p->col = col && col->kind == WR_KQL_NAME ? wr_schema_find(input->schema, col->name.text, col->name.len) : (uint16_t)WR_NO_COL;
    if (p->col == WR_NO_COL) {
        wr_bind_error(b, col ? col->span : call->span, "pivot takes a column's name first");
        return NULL;
    }
    uint32_t first_by = 1;
    if (call->nargs > 1 && call->args[1]->kind == WR_KQL_CALL) {
        p->agg = call->args[1];
        p->agg_name = NULL;
        for (size_t i = 0; i < sizeof conditional / sizeof *conditional; i++)
            if (strcmp(conditional[i][0], p->agg->name.text) == 0)
                p->agg_name = conditional[i][1];
        first_by = 2;
    }
    if (!p->agg_name) {
        wr_bind_error(b, p->agg->span, "pivot does not take the aggregate '%s'", p->agg->name.text);
        return NULL;
    }
    if (!(call->has_schema ? values_of_schema(p) : values_of_data(p)))
        return NULL;
    return as_summarize(p, first_by);
}
