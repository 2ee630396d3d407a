/* The tree as text: one operator a line, expressions as (symbol args). */
#include "base/ticks.h"
#include "rules/kql/ast.h"

static void dump_ex(const struct wr_kql_ex *ex, struct wr_buf *out);

static void dump_value(const struct wr_value *v, struct wr_buf *out)
{
    if (v->null) {
        wr_buf_fmt(out, "%s(null)", wr_type_name(v->type));
        return;
    }
    switch (v->type) {
    case WR_BOOL:
        wr_buf_str(out, v->i ? "true" : "false");
        break;
    case WR_REAL:
        wr_json_real(out, v->r);
        wr_buf_char(out, 'r');
        break;
    case WR_DATETIME:
        wr_ticks_datetime(out, v->i);
        break;
    case WR_TIMESPAN:
        wr_ticks_timespan(out, v->i);
        break;
    case WR_STRING:
        wr_json_str(out, wr_str_data(&v->s), v->s.len);
        break;
    case WR_INT:
    case WR_LONG:
        wr_buf_i64(out, v->i);
        break;
    default:
        wr_buf_fmt(out, "%s(%.*s)", wr_type_name(v->type), (int)v->s.len, wr_str_data(&v->s));
    }
}

static void dump_list(struct wr_kql_ex *const *args, uint32_t n, const char *before,
                      struct wr_buf *out)
{
    for (uint32_t i = 0; i < n; i++) {
        wr_buf_str(out, i ? " " : before);
        dump_ex(args[i], out);
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as operators hold queries, bounded by the parser */
static void dump_query(const struct wr_kql_query *q, const char *sep, struct wr_buf *out)
{
    for (uint32_t i = 0; i < q->nops; i++) {
        const struct wr_kql_op *op = q->ops[i];
        wr_buf_str(out, i ? sep : "");
        wr_buf_str(out, op->kind == WR_KQL_SOURCE ? "" : op->name.text);
        if (op->label.text)
            wr_buf_fmt(out, " %s", op->label.text);
        dump_list(op->args, op->nargs, op->kind == WR_KQL_SOURCE ? "" : " ", out);
        if (op->has_by)
            wr_buf_str(out, " by");
        dump_list(op->by, op->nby, " ", out);
    }
}

static void dump_datatable(const struct wr_kql_ex *ex, struct wr_buf *out)
{
    wr_buf_str(out, "(datatable");
    for (uint32_t i = 0; i < ex->ncols; i++)
        wr_buf_fmt(out, " %s:%s", ex->cols[i].name.text, wr_type_name(ex->cols[i].type));
    wr_buf_str(out, " [");
    dump_list(ex->args, ex->nargs, "", out);
    wr_buf_str(out, "])");
}

static void dump_order(const struct wr_kql_ex *ex, struct wr_buf *out)
{
    wr_buf_str(out, "(");
    dump_ex(ex->args[0], out);
    wr_buf_str(out, ex->order & WR_KQL_GRANNY ? " granny" : "");
    wr_buf_str(out, ex->order & WR_KQL_ASC ? " asc" : ex->order & WR_KQL_DESC ? " desc" : "");
    wr_buf_str(out, ex->order & WR_KQL_NULLS_FIRST ? " nulls-first" : "");
    wr_buf_str(out, ex->order & WR_KQL_NULLS_LAST ? " nulls-last" : "");
    wr_buf_str(out, ")");
}

/* NOLINTNEXTLINE(misc-no-recursion): the parser bounds the depth */
static void dump_ex(const struct wr_kql_ex *ex, struct wr_buf *out)
{
    switch (ex->kind) {
    case WR_KQL_LITERAL:
        dump_value(&ex->value, out);
        return;
    case WR_KQL_NAME:
    case WR_KQL_PATTERN:
        wr_buf_str(out, ex->name.text);
        return;
    case WR_KQL_STAR:
        wr_buf_char(out, '*');
        return;
    case WR_KQL_SUBQUERY:
        wr_buf_char(out, '(');
        dump_query(ex->query, " | ", out);
        wr_buf_char(out, ')');
        return;
    case WR_KQL_DATATABLE:
        dump_datatable(ex, out);
        return;
    case WR_KQL_ORDER:
        dump_order(ex, out);
        return;
    case WR_KQL_EXTERNAL:
        wr_buf_str(out, "(externaldata");
        for (uint32_t i = 0; i < ex->ncols; i++)
            wr_buf_fmt(out, " %s:%s", ex->cols[i].name.text, wr_type_name(ex->cols[i].type));
        dump_list(ex->with, ex->nwith, " ", out);
        break;
    case WR_KQL_TYPEOF:
        wr_buf_fmt(out, "typeof(%s)", ex->name.text ? ex->name.text : "...");
        return;
    case WR_KQL_PATH:
        wr_buf_fmt(out, "(.%s", ex->name.text);
        break;
    case WR_KQL_CALL:
        wr_buf_fmt(out, "(%s", ex->name.text);
        break;
    case WR_KQL_INDEX:
        wr_buf_str(out, "([]");
        break;
    case WR_KQL_RANGE:
        wr_buf_str(out, "(..");
        break;
    case WR_KQL_NAMED:
        wr_buf_str(out, "(=");
        for (uint32_t i = 0; i < ex->nnames; i++)
            wr_buf_fmt(out, " %s", ex->names[i].text);
        break;
    }
    dump_list(ex->args, ex->nargs, " ", out);
    wr_buf_char(out, ')');
}

void wr_kql_dump(const struct wr_kql *kql, struct wr_buf *out)
{
    for (uint32_t i = 0; i < kql->nlets; i++) {
        wr_buf_fmt(out, "let %s = ", kql->lets[i].name.text);
        if (kql->lets[i].query)
            dump_query(kql->lets[i].query, " | ", out);
        else
            wr_buf_str(out, "function");
        wr_buf_str(out, ";\n");
    }
    if (kql->query)
        dump_query(kql->query, "\n| ", out);
}
