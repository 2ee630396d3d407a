/* search, find, and '*' for any column.
 *
 *   search in (A, B) "x"     union withsource=$table (A | where * has "x"), (B | where * has "x") */
#include "rules/plan/bind.h"

#include <string.h>

enum { MAX_TABLES = 64 };

static struct wr_ex *either(struct wr_binder *b, struct wr_ex *a, struct wr_ex *c, struct wr_span span)
{
    struct wr_ex *const args[] = {a, c};
    return a && c ? wr_ex_call(b, "or", args, 2, span) : NULL;
}

static struct wr_ex *never(struct wr_binder *b, struct wr_span span)
{
    struct wr_value no = {.type = WR_BOOL};
    return wr_ex_const(b, &no, span);
}

/* ---- * ---- */

static bool is_number(enum wr_type t)
{
    return t == WR_INT || t == WR_LONG || t == WR_REAL || t == WR_DECIMAL;
}

/* The columns that a condition of this kind can be about. */
static bool suits(enum wr_type col, enum wr_type value)
{
    if (value == WR_STRING)
        return col == WR_STRING || col == WR_DYNAMIC;
    return col == value || (is_number(col) && is_number(value));
}

struct wr_ex *wr_bind_star(struct wr_binder *b, const struct wr_kql_ex *ast)
{
    const char *name = ast->name.text;
    struct wr_ex *any = never(b, ast->span);
    struct wr_ex *value = ast->nargs > 1 && b->row ? wr_bind_ex(b, ast->args[1]) : NULL;
    if (!value || *name == '!' || strchr("+-*/%", *name) || strcmp(name, "and") == 0 || strcmp(name, "or") == 0) {
        struct wr_diag *d = wr_bind_error(b, ast->span, "'*' cannot stand here");
        wr_diag_hint(b->diags, d, "it stands for any column: * has \"text\", * == 5");
        return NULL;
    }
    for (uint16_t i = 0; any && i < b->row->ncols; i++) {
        const struct wr_coldef *def = &b->row->cols[i];
        if (def->hidden || def->store != i || !suits(def->type, value->type))
            continue;
        struct wr_ex **args = wr_arena_alloc(b->arena, ast->nargs * sizeof *args);
        if (!args || !(args[0] = wr_ex_col(b, b->row, i, ast->span)) ||
            (def->type == WR_DYNAMIC && !(args[0] = wr_ex_convert(b, args[0], WR_STRING))))
            return NULL;
        for (uint32_t a = 1; a < ast->nargs; a++)
            if (!(args[a] = wr_bind_ex(b, ast->args[a])))
                return NULL;
        any = either(b, any, wr_ex_call(b, name, args, ast->nargs, ast->span), ast->span);
    }
    return any;
}

/* ---- conditions of search ---- */

/* "x", "x*", "*x", "*x*" as an operator and a text. */
static bool term(struct wr_binder *b, const struct wr_kql_ex *literal, bool cs, struct wr_kql_ex *ret_op,
                 struct wr_kql_ex *ret_text)
{
    static const char *const ops[2][4] = {{"has", "hasprefix", "hassuffix", "contains"},
                                          {"has_cs", "hasprefix_cs", "hassuffix_cs", "contains_cs"}};
    const char *p = wr_str_data(&literal->value.s);
    size_t n = literal->value.s.len;
    bool front = n && *p == '*', back = n > front && p[n - 1] == '*';
    *ret_text = *literal;
    if (!wr_str_copy(b->arena, p + front, n - front - back, &ret_text->value.s))
        return wr_bind_nomem(b);
    const char *name = ops[cs][(back ? 1 : 0) + (front ? 2 : 0)];
    ret_op->name = (struct wr_kql_name){name, (uint32_t)strlen(name), literal->span};
    return true;
}

static bool is_text(const struct wr_kql_ex *ast)
{
    return ast->kind == WR_KQL_LITERAL && ast->value.type == WR_STRING;
}

/* `column op literal`, where the column may be '*'. */
static struct wr_ex *search_term(struct wr_binder *b, struct wr_kql_ex *column, const struct wr_kql_ex *literal,
                                 bool cs)
{
    struct wr_kql_ex *ast = wr_arena_alloc(b->arena, 2 * sizeof *ast);
    struct wr_kql_ex **args = wr_arena_alloc(b->arena, 2 * sizeof *args);
    if (!ast || !args)
        return NULL;
    ast[0] = (struct wr_kql_ex){.kind = WR_KQL_CALL, .is_op = true, .span = literal->span, .args = args, .nargs = 2};
    if (!term(b, literal, cs, &ast[0], &ast[1]))
        return NULL;
    args[0] = column;
    args[1] = &ast[1];
    return wr_bind_ex(b, &ast[0]);
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the expression, which the parser bounds */
static struct wr_ex *condition(struct wr_binder *b, const struct wr_kql_ex *ast, bool cs)
{
    static struct wr_kql_ex star = {.kind = WR_KQL_STAR};
    bool op = ast->kind == WR_KQL_CALL && ast->is_op;
    if (is_text(ast))
        return search_term(b, &star, ast, cs);
    if (op && (strcmp(ast->name.text, "and") == 0 || strcmp(ast->name.text, "or") == 0)) {
        struct wr_ex *all = NULL;
        for (uint32_t i = 0; i < ast->nargs; i++) {
            struct wr_ex *ex = condition(b, ast->args[i], cs);
            struct wr_ex *const both[] = {all, ex};
            all = !ex ? NULL : i ? wr_ex_call(b, ast->name.text, both, 2, ast->span) : ex;
            if (!all)
                return NULL;
        }
        return all;
    }
    if (ast->kind == WR_KQL_CALL && !ast->is_op && strcmp(ast->name.text, "not") == 0 && ast->nargs == 1) {
        struct wr_ex *ex = condition(b, ast->args[0], cs);
        return ex ? wr_ex_call(b, "not", &ex, 1, ast->span) : NULL;
    }
    bool colon = op && ast->nargs == 2 && ast->name.span.len == 1 && b->source->text[ast->name.span.at] == ':';
    if (colon && is_text(ast->args[1]))
        return search_term(b, ast->args[0], ast->args[1], cs);
    return wr_bind_pred(b, ast);
}

/* ---- tables ---- */

struct legs {
    struct wr_op *op[MAX_TABLES];
    const char *name[MAX_TABLES];
    uint32_t n;
};

static bool filter(struct wr_binder *b, const struct wr_kql_op *ast, struct legs *legs, struct wr_op *table,
                   const char *name, bool cs)
{
    struct wr_binder inner = *b;
    table = table ? wr_op_visible(b, table) : NULL;
    if (!table)
        return false;
    inner.row = table->schema;
    inner.lenient = true;
    inner.nodes = b->nodes;
    struct wr_ex *pred = condition(&inner, ast->by[0], cs);
    b->nodes = inner.nodes;
    struct wr_op *where = pred ? wr_op_new(b, WR_OP_WHERE, table, ast->span) : NULL;
    if (!where)
        return false;
    where->pred = pred;
    legs->op[legs->n] = where;
    legs->name[legs->n++] = name;
    return true;
}

/* A name that no table has is a mistake. NOLINTNEXTLINE(misc-no-recursion): as deep as the expression */
static bool names_exist(struct wr_binder *b, const struct wr_kql_ex *ast, const struct legs *legs)
{
    if (ast->kind == WR_KQL_NAME && !wr_let_find(b, ast->name.text)) {
        for (uint32_t i = 0; i < legs->n; i++)
            if (wr_schema_find(legs->op[i]->schema, ast->name.text, ast->name.len) != WR_NO_COL)
                return true;
        struct wr_diag *d =
            wr_bind_error(b, ast->span, "no column '%s' in the tables of this %s", ast->name.text, b->op);
        wr_hint_column(b, d, legs->n ? legs->op[0]->schema : NULL, ast->name.text);
        return false;
    }
    for (uint32_t i = 0; ast->kind != WR_KQL_SUBQUERY && i < ast->nargs; i++)
        if (!names_exist(b, ast->args[i], legs))
            return false;
    return true;
}

static bool open_tables(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input, struct legs *legs,
                        bool cs)
{
    if (!input && !ast->nargs) {
        struct wr_diag *d = wr_bind_error(b, ast->name.span, "%s over every table is refused", ast->name.text);
        wr_diag_hint(b->diags, d, "name the tables: %s in (Flows, Syslog) ...", ast->name.text);
        d->page = "docs/kql.md";
        return false;
    }
    if (input && !filter(b, ast, legs, input, "", cs))
        return false;
    for (uint32_t i = 0; i < ast->nargs; i++) {
        uint32_t n;
        const struct wr_kql_ex *const *tables = wr_tables_of(b, ast->args[i], &n);
        for (uint32_t t = 0; tables && t < n; t++) {
            const struct wr_kql_ex *table = tables[t];
            if (legs->n == MAX_TABLES) {
                wr_bind_error(b, ast->span, "too many tables in one %s (%d are read)", ast->name.text, MAX_TABLES);
                return false;
            }
            if (!filter(b, ast, legs, wr_bind_source(b, table), table->kind == WR_KQL_NAME ? table->name.text : "", cs))
                return false;
        }
        if (!tables)
            return false;
    }
    return names_exist(b, ast->by[0], legs);
}

struct wr_op *wr_bind_search(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input)
{
    struct legs *legs = wr_arena_alloc(b->arena, sizeof *legs);
    struct wr_kql_op as_union = *ast;
    bool cs = ast->label.text && strcmp(ast->label.text, "case_sensitive") == 0;
    as_union.withsource = (struct wr_kql_name){"$table", 6, ast->span};
    as_union.inner = false;
    return legs && open_tables(b, ast, input, legs, cs) ? wr_union_of(b, &as_union, legs->op, legs->name, legs->n)
                                                        : NULL;
}

/* ---- find ---- */

static bool named_in(const struct wr_kql_ex *ast, const char *name)
{
    if (ast->kind == WR_KQL_NAME)
        return strcmp(ast->name.text, name) == 0;
    for (uint32_t i = 0; i < ast->nargs; i++)
        if (named_in(ast->args[i], name))
            return true;
    return false;
}

static uint16_t column_of(const struct wr_op *op, const char *name)
{
    return wr_schema_find(op->schema, name, (uint32_t)strlen(name));
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the expression, which the parser bounds */
static bool has_names(const struct wr_kql_ex *ast, const struct wr_op *leg, const struct legs *legs)
{
    if (ast->kind == WR_KQL_NAME && column_of(leg, ast->name.text) == WR_NO_COL)
        for (uint32_t i = 0; i < legs->n; i++)
            if (column_of(legs->op[i], ast->name.text) != WR_NO_COL)
                return false; /* a column, of another table */
    for (uint32_t i = 0; ast->kind != WR_KQL_SUBQUERY && i < ast->nargs; i++)
        if (!has_names(ast->args[i], leg, legs))
            return false;
    return true;
}

/* Tables that have every column of the condition come first; how many they are, or all when none has. */
static uint32_t with_all_names(const struct wr_kql_ex *cond, struct legs *legs)
{
    struct legs all = *legs;
    uint32_t n = 0;
    for (uint32_t i = 0; i < all.n; i++)
        if (has_names(cond, all.op[i], &all)) {
            legs->op[n] = all.op[i];
            legs->name[n++] = all.name[i];
        }
    if (!n)
        *legs = all;
    return n ? n : all.n;
}

/* In the condition, or in every table. */
static bool is_chosen(const struct wr_kql_op *ast, const struct legs *legs, const char *name)
{
    if (named_in(ast->by[0], name))
        return true;
    for (uint32_t i = 0; i < legs->n; i++)
        if (column_of(legs->op[i], name) == WR_NO_COL)
            return false;
    return true;
}

/* What is not chosen, as one bag. */
static struct wr_ex *packed(struct wr_binder *b, const struct wr_kql_op *ast, const struct legs *legs,
                            const struct wr_op *leg, bool all)
{
    struct wr_ex *args[2 * WR_MAX_COLS];
    uint32_t n = 0;
    for (uint16_t i = 0; i < leg->schema->ncols; i++) {
        const char *name = leg->schema->cols[i].name;
        struct wr_value key = {.type = WR_STRING, .s = wr_str_borrow(name, strlen(name))};
        if (!all && is_chosen(ast, legs, name))
            continue;
        args[n] = wr_ex_const(b, &key, ast->span);
        args[n + 1] = wr_ex_col(b, leg->schema, i, ast->span);
        if (!args[n] || !args[n + 1])
            return NULL;
        n += 2;
    }
    struct wr_value empty = {.type = WR_DYNAMIC, .s = wr_str_borrow("{}", 2)};
    return n ? wr_ex_call(b, "bag_pack", args, n, ast->span) : wr_ex_const(b, &empty, ast->span);
}

static bool add_found(struct wr_binder *b, const struct wr_kql_op *ast, const struct legs *legs,
                      const struct wr_op *leg, const char *name, struct wr_cols *cols)
{
    enum wr_type type = WR_NTYPES;
    for (uint32_t i = 0; i < legs->n; i++) {
        uint16_t at = column_of(legs->op[i], name);
        enum wr_type own = at == WR_NO_COL ? WR_NTYPES : legs->op[i]->schema->cols[at].type;
        if (own != WR_NTYPES && (type == WR_NTYPES || (is_number(own) && is_number(type) && own > type)))
            type = own;
    }
    if (type == WR_NTYPES) {
        wr_bind_error(b, ast->span, "no column '%s' in the tables of this find", name);
        return false;
    }
    uint16_t at = column_of(leg, name);
    struct wr_value null = {.type = type, .null = type != WR_STRING};
    struct wr_ex *ex = at == WR_NO_COL ? wr_ex_const(b, &null, ast->span) : wr_ex_col(b, leg->schema, at, ast->span);
    ex = ex ? wr_ex_convert(b, ex, type) : NULL;
    return ex && wr_cols_add(b, cols, name, true, ex, ast->span);
}

/* Some table has columns that are not chosen. */
static bool packs(const struct wr_kql_op *ast, const struct legs *legs)
{
    for (uint32_t l = 0; l < legs->n; l++)
        for (uint16_t i = 0; i < legs->op[l]->schema->ncols; i++)
            if (!is_chosen(ast, legs, legs->op[l]->schema->cols[i].name))
                return true;
    return false;
}

/* One table's columns as find gives them. */
static struct wr_op *found(struct wr_binder *b, const struct wr_kql_op *ast, const struct legs *legs, struct wr_op *leg)
{
    struct wr_cols cols = {0};
    bool ok = true, pack = !ast->nproject && packs(ast, legs);
    for (uint32_t i = 0; ok && i < ast->nproject; i++) {
        const struct wr_kql_ex *p = ast->project[i];
        bool all = p->kind == WR_KQL_CALL && !p->is_op && strcmp(p->name.text, "pack") == 0;
        pack |= all;
        if (!all && p->kind != WR_KQL_NAME) {
            wr_bind_error(b, p->span, "find projects columns and pack(*)");
            return NULL;
        }
        ok = all || add_found(b, ast, legs, leg, p->name.text, &cols);
    }
    for (uint32_t l = 0; ok && !ast->nproject && l < legs->n; l++)
        for (uint16_t i = 0; ok && i < legs->op[l]->schema->ncols; i++) {
            const char *name = legs->op[l]->schema->cols[i].name;
            if (is_chosen(ast, legs, name) && wr_cols_find(&cols, name) == UINT32_MAX)
                ok = add_found(b, ast, legs, leg, name, &cols);
        }
    struct wr_ex *bag = ok && pack ? packed(b, ast, legs, leg, ast->nproject > 0) : NULL;
    if (!ok || (pack && (!bag || !wr_cols_add(b, &cols, "pack_", false, bag, ast->span))))
        return NULL;
    return wr_op_map(b, &cols, leg, ast->span);
}

struct wr_op *wr_bind_find(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input)
{
    struct legs *legs = wr_arena_alloc(b->arena, sizeof *legs), *out = wr_arena_alloc(b->arena, sizeof *out);
    struct wr_kql_op as_union = *ast;
    if (!ast->withsource.text)
        as_union.withsource = (struct wr_kql_name){"source_", 7, ast->span};
    as_union.inner = false;
    if (!legs || !out || !open_tables(b, ast, input, legs, false))
        return NULL;
    legs->n = with_all_names(ast->by[0], legs);
    *out = *legs;
    for (uint32_t i = 0; i < legs->n; i++)
        if (!(out->op[i] = found(b, ast, legs, legs->op[i])))
            return NULL;
    return wr_union_of(b, &as_union, out->op, out->name, out->n);
}
