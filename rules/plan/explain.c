/* The plan as text, and its hash, which is made from that text: whatever decides results stands in
 * it. */
#include "base/hash.h"
#include "base/ticks.h"
#include "rules/exec/agg.h"
#include "rules/plan/bind.h"
#include "rules/plan/apply.h"
#include "rules/plan/external.h"

#include <inttypes.h>
#include <string.h>

/* As tostring() has it. */
void wr_value_print(const struct wr_value *v, struct wr_buf *out)
{
    if (v->null)
        return;
    switch (v->type) {
    case WR_BOOL:
        wr_buf_str(out, v->i ? "True" : "False");
        break;
    case WR_INT:
    case WR_LONG:
        wr_buf_i64(out, v->i);
        break;
    case WR_REAL:
        wr_json_real(out, v->r);
        break;
    case WR_DATETIME:
        wr_ticks_datetime(out, v->i);
        break;
    case WR_TIMESPAN:
        wr_ticks_timespan(out, v->i);
        break;
    default:
        wr_buf_add(out, wr_str_data(&v->s), v->s.len);
    }
}

static void print_const(const struct wr_value *v, struct wr_buf *out)
{
    if (v->null)
        wr_buf_fmt(out, "%s(null)", wr_type_name(v->type));
    else if (v->type == WR_STRING)
        wr_json_str(out, wr_str_data(&v->s), v->s.len);
    else if (v->type == WR_LONG || v->type == WR_REAL || v->type == WR_TIMESPAN)
        wr_value_print(v, out);
    else {
        wr_buf_fmt(out, "%s(", wr_type_name(v->type));
        wr_value_print(v, out);
        wr_buf_char(out, ')');
    }
}

static void print_list(struct wr_ex *const *args, uint32_t n, const struct wr_schema *schema,
                       struct wr_buf *out)
{
    for (uint32_t i = 0; i < n; i++) {
        wr_buf_str(out, i ? ", " : "");
        wr_ex_print(args[i], schema, out);
    }
}

static bool is_word(char c)
{
    return (wr_ascii_lower(c) >= 'a' && wr_ascii_lower(c) <= 'z') || c == '_';
}

/* NOLINTNEXTLINE(misc-no-recursion): the binder bounds the depth */
static void print_call(const struct wr_ex *ex, const struct wr_schema *schema, struct wr_buf *out)
{
    const char *name = ex->fn->name;
    bool list = strstr(name, "in") && (name[0] == '!' || name[0] == 'i') && strlen(name) <= 4 &&
                strcmp(name, "bin") != 0;
    bool logic = strcmp(name, "and") == 0 || strcmp(name, "or") == 0;
    bool infix = ex->nargs == 2 && (!is_word(name[0]) || logic || strcmp(name, "has") == 0);
    if (list || (infix && strcmp(name, "[]") != 0)) {
        wr_buf_str(out, list ? "" : "(");
        wr_ex_print(ex->args[0], schema, out);
        wr_buf_fmt(out, " %s %s", name, list ? "(" : "");
        print_list(ex->args + 1, ex->nargs - 1, schema, out);
        wr_buf_char(out, ')');
        return;
    }
    wr_buf_fmt(out, "%s(", name);
    print_list(ex->args, ex->nargs, schema, out);
    wr_buf_char(out, ')');
}

void wr_ex_print(const struct wr_ex *ex, const struct wr_schema *schema, struct wr_buf *out)
{
    if (ex->kind == WR_EX_CONST)
        print_const(&ex->value, out);
    else if (ex->kind == WR_EX_SUB)
        wr_buf_fmt(out, "query %u", ex->col + 1u);
    else if (ex->kind == WR_EX_COL)
        wr_buf_str(out, schema && ex->col < schema->ncols ? schema->cols[ex->col].name : "?");
    else
        print_call(ex, schema, out);
}

static void print_cols(const struct wr_op *op, uint32_t n, struct wr_buf *out)
{
    const struct wr_schema *in = op->input->schema;
    for (uint32_t i = 0; i < n; i++) {
        const char *name = op->schema->cols[i].name;
        bool same =
            op->cols[i]->kind == WR_EX_COL && strcmp(in->cols[op->cols[i]->col].name, name) == 0;
        wr_buf_fmt(out, "%s%s", i ? ", " : "", name);
        if (!same) {
            wr_buf_str(out, " = ");
            wr_ex_print(op->cols[i], in, out);
        }
    }
}

static void print_summarize(const struct wr_op *op, struct wr_buf *out)
{
    wr_buf_str(out, "summarize ");
    for (uint32_t i = 0; i < op->naggs; i++) {
        wr_buf_fmt(out, "%s%s = %s(", i ? ", " : "", op->schema->cols[op->nkeys + i].name,
                   op->aggs[i].agg->name);
        print_list(op->aggs[i].args, op->aggs[i].nargs, op->input->schema, out);
        wr_buf_char(out, ')');
    }
    wr_buf_str(out, op->naggs && op->nkeys ? " " : "");
    wr_buf_str(out, op->nkeys ? "by " : "");
    print_cols(op, op->nkeys, out);
}

static void print_rows(const struct wr_op *op, struct wr_buf *out)
{
    wr_buf_fmt(out, "rows %u of (", op->nrows);
    for (uint16_t i = 0; i < op->schema->ncols; i++)
        wr_buf_fmt(out, "%s%s:%s", i ? ", " : "", op->schema->cols[i].name,
                   wr_type_name(op->schema->cols[i].type));
    wr_buf_str(out, ") [");
    print_list(op->rows, op->nrows * op->schema->ncols, NULL, out);
    wr_buf_char(out, ']');
}

static void print_sort(const struct wr_op *op, struct wr_buf *out)
{
    wr_buf_str(out, "sort by ");
    for (uint32_t i = 0; i < op->nsort; i++) {
        wr_buf_str(out, i ? ", " : "");
        wr_ex_print(op->keys[i].ex, op->input->schema, out);
        wr_buf_fmt(out, " %s nulls %s", op->keys[i].desc ? "desc" : "asc",
                   op->keys[i].nulls_first ? "first" : "last");
    }
}

static void print_join(const struct wr_op *op, struct wr_buf *out)
{
    static const char *const kinds[] = {"innerunique", "inner", "leftouter", "rightouter",
                                        "fullouter",   "semi",  "anti"};
    wr_buf_fmt(out, "%s join on ", kinds[op->join]);
    for (uint32_t k = 0; k < op->nkeys; k++) {
        wr_buf_str(out, k ? ", " : "");
        wr_ex_print(op->cols[k], op->inputs[0]->schema, out);
        wr_buf_str(out, " == ");
        wr_ex_print(op->cols[op->nkeys + k], op->inputs[1]->schema, out);
    }
}

/* Of mv-expand: rows of one row at most, when the query says so. */
static void print_limit(const struct wr_op *op, struct wr_buf *out)
{
    if (op->count != INT32_MAX)
        wr_buf_fmt(out, " limit %" PRId64, op->count);
}

static void print_apply(const struct wr_op *op, struct wr_buf *out)
{
    const struct wr_apply *spec = op->data;
    if (!spec->expand) {
        wr_buf_str(out, "partition by ");
        wr_ex_print(op->cols[0], op->input->schema, out);
        if (spec->key_sub != WR_NO_COL)
            wr_buf_fmt(out, ", which is query %u", spec->key_sub + 1u);
        return;
    }
    wr_buf_str(out, "mv-apply");
    print_limit(spec->expand, out);
    for (uint32_t k = 0; k < spec->expand->nkeys; k++) {
        const struct wr_coldef *col = &spec->expand->schema->cols[spec->expand->cols[k]->col];
        wr_buf_fmt(out, " %s:%s", col->name, wr_type_name(col->type));
    }
}

static void print_op(const struct wr_op *op, struct wr_buf *out)
{
    switch (op->kind) {
    case WR_OP_SCAN:
        wr_buf_fmt(out, "scan %s", op->schema->name);
        break;
    case WR_OP_RANGE:
        wr_buf_fmt(out, "range %s: ", op->schema->cols[0].name);
        print_list(op->rows, 3, NULL, out);
        break;
    case WR_OP_ROWS:
        print_rows(op, out);
        break;
    case WR_OP_WHERE:
        wr_buf_str(out, "where ");
        wr_ex_print(op->pred, op->input->schema, out);
        break;
    case WR_OP_MAP:
        wr_buf_str(out, "map ");
        print_cols(op, op->schema->ncols, out);
        break;
    case WR_OP_SUMMARIZE:
        print_summarize(op, out);
        break;
    case WR_OP_SORT:
        print_sort(op, out);
        break;
    case WR_OP_TAKE:
        wr_buf_fmt(out, "take %" PRId64, op->count);
        break;
    case WR_OP_EXPAND:
        wr_buf_fmt(out, "mv-expand%s", op->expand_pairs ? " kind=array" : "");
        print_limit(op, out);
        wr_buf_char(out, ' ');
        print_list(op->cols, op->nkeys, op->input->schema, out);
        for (uint32_t k = 0; k < op->nkeys; k++)
            wr_buf_fmt(out, " %s", wr_type_name(op->schema->cols[op->cols[k]->col].type));
        break;
    case WR_OP_JOIN:
        print_join(op, out);
        break;
    case WR_OP_PARSE:
        wr_parse_print(op, out);
        break;
    case WR_OP_APPLY:
        print_apply(op, out);
        break;
    case WR_OP_GIVEN:
        wr_buf_str(out, "given rows");
        break;
    case WR_OP_SERIAL:
    case WR_OP_WHOLE:
        wr_buf_str(out, op->whole->name);
        if (op->whole->print) {
            wr_buf_char(out, ' ');
            op->whole->print(op, out);
        }
        break;
    case WR_OP_EXTERNAL:
        wr_buf_fmt(out, "list %s", op->external->name);
        break;
    case WR_OP_UNION:
        wr_buf_fmt(out, "union of %u", op->ninputs);
        break;
    }
}

/* The source first, as the query reads. */
static void print_tree(const struct wr_op *op, unsigned indent, struct wr_buf *out)
{
    if (op->input)
        print_tree(op->input, indent, out);
    for (uint32_t i = 0; i < op->ninputs; i++)
        print_tree(op->inputs[i], indent + 2, out);
    for (unsigned i = 0; i < indent; i++)
        wr_buf_char(out, ' ');
    print_op(op, out);
    wr_buf_char(out, '\n');
}

static void print_subs(const struct wr_plan *plan, struct wr_buf *out)
{
    for (uint32_t i = 0; i < plan->nsubs; i++) {
        if (plan->subs[i].part) {
            wr_buf_fmt(out, "query %u: the key of each part, a %s\n", i + 1,
                       wr_type_name(plan->subs[i].root->schema->cols[0].type));
            continue;
        }
        wr_buf_fmt(out, "query %u, first, for its %s:\n", i + 1, plan->subs[i].list ? "values" : "value");
        print_tree(plan->subs[i].root, 4, out);
    }
}

static void print_pred(const struct wr_pred *pred, const struct wr_schema *schema,
                       struct wr_buf *out)
{
    const char *op = pred->op == WR_PRED_IN_STR_NOCASE ? "in~" : "in";
    wr_buf_fmt(out, "%s %s (", schema->cols[pred->col].name, op);
    for (uint32_t i = 0; i < pred->n; i++) {
        wr_buf_str(out, i ? ", " : "");
        if (pred->op == WR_PRED_IN_INT)
            wr_buf_i64(out, pred->ints[i]);
        else
            wr_json_str(out, wr_str_data(&pred->strs[i]), pred->strs[i].len);
    }
    wr_buf_char(out, ')');
}

static void print_scan(const struct wr_scan *scan, struct wr_buf *out)
{
    const struct wr_schema *schema = wr_schema_of(scan->table);
    wr_buf_fmt(out, "pushed into the decoders of %s:\n", schema->name);
    for (uint32_t i = 0; i < scan->nbranches; i++) {
        wr_buf_str(out, i ? "  or " : "  ");
        for (uint32_t p = 0; p < scan->branches[i].npreds; p++) {
            wr_buf_str(out, p ? " and " : "");
            print_pred(&scan->branches[i].preds[p], schema, out);
        }
        wr_buf_str(out, scan->branches[i].npreds ? "\n" : "every row\n");
    }
    wr_buf_str(out, "columns read:");
    for (uint16_t c = 0; c < schema->ncols; c++)
        if (wr_colset_has(&scan->wanted, c) && !schema->cols[c].hidden)
            wr_buf_fmt(out, " %s", schema->cols[c].name);
    wr_buf_char(out, '\n');
}

/* Each leg's way. NOLINTNEXTLINE(misc-no-recursion): as deep as unions stand */
static void print_legs(const struct wr_plan *plan, const struct wr_op *op, bool in_union, uint32_t *leg, struct wr_buf *out)
{
    while (op->input)
        op = op->input;
    for (uint32_t i = 0; i < op->ninputs; i++)
        print_legs(plan, op->inputs[i], true, leg, out);
    if (in_union && op->kind == WR_OP_SCAN)
        wr_buf_fmt(out, "leg %u: %s, row by row%s\n", ++*leg, op->schema->name,
                   plan->mode == WR_MODE_INCREMENTAL ? " into the groups of all legs" : "");
}

/* Right sides that a stream looks up. NOLINTNEXTLINE(misc-no-recursion): as deep as unions stand */
static bool joins(const struct wr_op *op)
{
    for (; op; op = op->input) {
        if (op->kind == WR_OP_JOIN)
            return true;
        for (uint32_t i = 0; op->kind == WR_OP_UNION && i < op->ninputs; i++)
            if (joins(op->inputs[i]))
                return true;
    }
    return false;
}

static void print_distinct(const struct wr_agg_call *call, struct wr_buf *out)
{
    static const char *const errors[] = {"1.6", "0.8", "0.4", "0.28", "0.2"};
    int64_t accuracy = wr_agg_accuracy(call);
    wr_buf_fmt(out, "kept in a group for %s(): %u values exactly; of more a sample, with a standard error of %s %% while they come steadily "
                    "(alerts say: exact false)\n",
               call->agg->name, wr_dset_limit(accuracy), errors[accuracy < 0 ? 1 : accuracy > 4 ? 4 : accuracy]);
}

/* What a group keeps of values, and when that is not all. */
static void print_exact(const struct wr_op *sum, struct wr_buf *out)
{
    for (uint32_t a = 0; sum && a < sum->naggs; a++) {
        enum wr_agg_kind kind = sum->aggs[a].agg->kind;
        bool again = false;
        for (uint32_t k = 0; k < a; k++)
            again |= strcmp(sum->aggs[k].agg->name, sum->aggs[a].agg->name) == 0;
        for (uint32_t k = 0; k < sum->nkeys; k++) /* dcount() of a key is 1 */
            again |= kind == WR_AGG_DCOUNT && sum->aggs[a].args[0]->kind == WR_EX_COL &&
                     sum->cols[k]->kind == WR_EX_COL && sum->cols[k]->col == sum->aggs[a].args[0]->col;
        if (again || kind < WR_AGG_DCOUNT || (kind >= WR_AGG_STDEV && kind <= WR_AGG_VARIANCEP))
            continue;
        if (kind == WR_AGG_DCOUNT || kind == WR_AGG_DCOUNTIF) {
            print_distinct(&sum->aggs[a], out);
            continue;
        }
        const char *more = kind == WR_AGG_PERCENTILE || kind == WR_AGG_PERCENTILES_ARRAY
                               ? "values exactly; more of them by rank, within about 1 %"
                           : kind == WR_AGG_TAKE_ANY || kind == WR_AGG_ARG_MAX || kind == WR_AGG_ARG_MIN
                               ? "rows that can still win, exact at the ends of panes; of more the latest"
                               : "values exactly; of more the latest";
        wr_buf_fmt(out, "kept in a group for %s(): %u %s (alerts say: exact false)\n", sum->aggs[a].agg->name, WR_GROUP_VALUES, more);
    }
}

void wr_plan_explain(const struct wr_plan *plan, struct wr_buf *out)
{
    static const char *const modes[] = {"stateless: each row that passes is a result",
                                        "incremental: partial aggregates over panes of the window",
                                        "windowed: the kept rows are run again",
                                        "batch only"};
    wr_buf_fmt(out, "runs: %s", modes[plan->mode]);
    if (plan->mode >= WR_MODE_WINDOWED && plan->why)
        wr_buf_fmt(out, " (%s)", plan->why);
    wr_buf_char(out, '\n');
    if (plan->mode != WR_MODE_BATCH) {
        wr_buf_str(out, "window: ");
        if (plan->window)
            wr_ticks_timespan(out, plan->window);
        if (plan->window)
            wr_buf_fmt(out, ", from %s\n", plan->window_from);
        else
            wr_buf_fmt(out, "%s\n", plan->window_from ? plan->window_from : "none given");
    }
    uint32_t leg = 0;
    if (plan->stream)
        print_legs(plan, plan->stream, false, &leg, out);
    bool lists = plan->nsubs != 0 || (plan->stream && joins(plan->stream));
    if (lists && plan->mode == WR_MODE_STATELESS)
        wr_buf_str(out, "lists: each row is judged by them as they are when it comes, times in them to the minute\n");
    print_exact(plan->summarize, out);
    print_subs(plan, out);
    print_tree(plan->root, 2, out);
    for (int t = 0; t < WR_NTABLES; t++)
        if (plan->scans[t].nbranches)
            print_scan(&plan->scans[t], out);
}

void wr_plan_hash(struct wr_plan *plan)
{
    struct wr_buf text = {0};
    uint8_t digest[32];
    print_subs(plan, &text);
    print_tree(plan->root, 0, &text);
    for (uint16_t i = 0; i < plan->root->schema->ncols; i++)
        wr_buf_str(&text, wr_type_name(plan->root->schema->cols[i].type));
    wr_buf_i64(&text, plan->window);
    wr_sha256(text.data ? text.data : "", text.len, digest);
    memcpy(plan->hash, digest, sizeof plan->hash);
    wr_buf_fini(&text);
}

bool wr_plan_set_window(struct wr_plan *plan, int64_t ticks, const char *from)
{
    plan->window = ticks;
    plan->window_from = wr_arena_strndup(plan->arena, from, strlen(from));
    wr_plan_hash(plan);
    return plan->window_from != NULL;
}
