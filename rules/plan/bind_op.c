/* Operators that shape rows: where, extend, project and its kin, sort, take, top. */
#include "rules/plan/bind.h"

#include <string.h>

/* Rows behind it stand as those before it did. */
static bool keeps_order(enum wr_op_kind kind)
{
    return kind == WR_OP_WHERE || kind == WR_OP_MAP || kind == WR_OP_TAKE || kind == WR_OP_PARSE;
}

struct wr_op *wr_op_new(struct wr_binder *b, enum wr_op_kind kind, struct wr_op *input,
                        struct wr_span span)
{
    b->nodes += WR_BIND_OP_NODES;
    if (b->nodes > WR_BIND_MAX_NODES) {
        wr_bind_error(b, span, "the query is too large once its let statements are put in");
        return NULL;
    }
    struct wr_op *op = wr_arena_alloc(b->arena, sizeof *op);
    if (!op) {
        wr_bind_nomem(b);
        return NULL;
    }
    op->kind = kind;
    op->span = b->source == b->main ? span : b->call;
    op->input = input;
    op->schema = input ? input->schema : NULL;
    op->ordered = kind == WR_OP_SORT || (input && input->ordered && keeps_order(kind));
    return op;
}

struct wr_op *wr_op_map(struct wr_binder *b, const struct wr_cols *cols, struct wr_op *input,
                        struct wr_span span)
{
    struct wr_op *op = wr_op_new(b, WR_OP_MAP, input, span);
    const struct wr_schema *schema = op ? wr_cols_schema(b, cols) : NULL;
    if (!schema)
        return NULL;
    op->schema = schema;
    op->cols = cols->ex;
    return op;
}

struct wr_op *wr_op_visible(struct wr_binder *b, struct wr_op *root)
{
    struct wr_cols cols = {0};
    bool hides = false;
    for (uint16_t i = 0; i < root->schema->ncols; i++) {
        const struct wr_coldef *def = &root->schema->cols[i];
        hides |= def->hidden || def->store != i;
        struct wr_ex *ex = def->hidden ? NULL : wr_ex_col(b, root->schema, i, root->span);
        if (!def->hidden && (!ex || !wr_cols_add(b, &cols, def->name, true, ex, root->span)))
            return NULL;
    }
    return hides ? wr_op_map(b, &cols, root, root->span) : root;
}

static bool keep_column(struct wr_binder *b, struct wr_cols *cols, const struct wr_schema *schema,
                        uint16_t i, struct wr_span span)
{
    struct wr_ex *ex = wr_ex_col(b, schema, i, span);
    if (!ex || !wr_cols_add(b, cols, schema->cols[i].name, true, ex, span))
        return false;
    cols->def[cols->n - 1].own = wr_col_is_own(schema, i);
    return true;
}

/* The parts of `a and b`, or `ast` alone. */
static struct wr_kql_ex *const *conjuncts(const struct wr_kql_op *ast, uint32_t *ret_n)
{
    const struct wr_kql_ex *ex = ast->args[0];
    bool and = ex->kind == WR_KQL_CALL && ex->is_op && strcmp(ex->name.text, "and") == 0;
    *ret_n = and ? ex->nargs : 1;
    return and ? ex->args : ast->args;
}

static struct wr_op *filter(struct wr_binder *b, const struct wr_kql_ex *ast, struct wr_op *input,
                            struct wr_span span)
{
    b->row = input->schema;
    struct wr_ex *pred = wr_bind_pred(b, ast);
    if (pred && wr_join_push_where(b, input, pred))
        return input;
    if (pred && pred->kind == WR_EX_CONST && !pred->value.null && pred->value.i)
        return input;
    struct wr_op *op = pred ? wr_op_new(b, WR_OP_WHERE, input, span) : NULL;
    if (op)
        op->pred = pred;
    return op;
}

/* Conditions over a table's rows become joins, after the others. */
static struct wr_op *bind_where(struct wr_binder *b, const struct wr_kql_op *ast,
                                struct wr_op *input)
{
    uint32_t n, tables = 0;
    struct wr_kql_ex *const *parts = conjuncts(ast, &n);
    for (uint32_t i = 0; i < n; i++)
        tables += wr_is_in_table(b, parts[i]) && !wr_is_constant_list(b, parts[i]);
    if (!tables && input->kind != WR_OP_JOIN)
        return filter(b, ast->args[0], input, ast->span);
    for (uint32_t i = 0; input && i < n; i++)
        if (!wr_is_in_table(b, parts[i]) || wr_is_constant_list(b, parts[i]))
            input = filter(b, parts[i], input, ast->span);
    for (uint32_t i = 0; input && i < n; i++) {
        b->row = input->schema;
        if (wr_is_in_table(b, parts[i]) && !wr_is_constant_list(b, parts[i]))
            input = wr_bind_in_table(b, parts[i], input);
    }
    return input;
}

/* Name and value of `name = value` or of a bare expression. */
static const struct wr_kql_ex *named_value(struct wr_binder *b, const struct wr_kql_ex *ast,
                                           const char **ret_name)
{
    *ret_name = NULL;
    if (ast->kind != WR_KQL_NAMED)
        return ast;
    if (ast->nnames != 1) {
        wr_bind_unsupported(b, ast->span, "several names for one value", NULL);
        return NULL;
    }
    *ret_name = ast->names[0].text;
    return ast->args[0];
}

/* All expressions of one extend see the input row; a name that exists keeps its place. */
static struct wr_op *bind_extend(struct wr_binder *b, const struct wr_kql_op *ast,
                                 struct wr_op *input)
{
    struct wr_cols cols = {0};
    const struct wr_schema *in = input->schema;
    bool ok = true;
    for (uint16_t i = 0; ok && i < in->ncols; i++)
        ok = in->cols[i].hidden || keep_column(b, &cols, in, i, ast->span);
    uint32_t first = cols.n;
    for (uint32_t i = 0; ok && i < ast->nargs; i++) {
        const char *name;
        if (wr_is_multi(b, ast->args[i])) {
            ok = wr_bind_multi(b, ast->args[i], &cols, first);
            continue;
        }
        const struct wr_kql_ex *value = named_value(b, ast->args[i], &name);
        struct wr_ex *ex = value ? wr_bind_ex(b, value) : NULL;
        if (!ex)
            return NULL;
        /* A name that is made from the expression takes a column's place as one that is given does: extend tolong(x). */
        const char *made = name ? name : wr_name_of(b, value);
        uint32_t at = made ? wr_cols_find(&cols, made) : UINT32_MAX;
        if (!name && value->kind == WR_KQL_NAME && wr_cols_find(&cols, value->name.text) < first) {
            continue; /* a column's bare name adds none */
        } else if (at < first) {
            cols.def[at].type = ex->type;
            cols.def[at].own = false;
            cols.ex[at] = ex;
        } else {
            ok = wr_cols_add(b, &cols, made, name != NULL, ex, ast->args[i]->span);
        }
    }
    return ok ? wr_op_map(b, &cols, input, ast->span) : NULL;
}

struct wr_op *wr_bind_project(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input)
{
    struct wr_cols cols = {0};
    bool ok = true;
    for (uint32_t i = 0; i < ast->nargs; i++) {
        const char *name;
        if (wr_is_multi(b, ast->args[i])) {
            ok = wr_bind_multi(b, ast->args[i], &cols, 0) && ok;
            continue;
        }
        const struct wr_kql_ex *value = named_value(b, ast->args[i], &name);
        struct wr_ex *ex = value ? wr_bind_ex(b, value) : NULL;
        bool plain = value && value->kind == WR_KQL_NAME;
        ok = ex &&
             wr_cols_add(b, &cols, name ? name : wr_name_of(b, value), name || plain, ex,
                         ast->args[i]->span) &&
             ok;
    }
    return ok ? wr_op_map(b, &cols, input, ast->span) : NULL;
}

/* `*` in a pattern stands for any text. */
bool wr_name_glob(const char *pattern, const char *name)
{
    const char *star = NULL, *back = NULL;
    while (*name) {
        if (*pattern == '*') {
            star = pattern++;
            back = name;
        } else if (*pattern == *name) {
            pattern++;
            name++;
        } else if (star) {
            pattern = star + 1;
            name = ++back;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

static bool matches(const struct wr_kql_ex *ast, const char *name)
{
    if (ast->kind == WR_KQL_ORDER)
        ast = ast->args[0];
    return ast->kind == WR_KQL_PATTERN ? wr_name_glob(ast->name.text, name)
                                       : strcmp(ast->name.text, name) == 0;
}

/* Every plain name must be a column. */
static bool check_names(struct wr_binder *b, const struct wr_kql_op *ast,
                        const struct wr_schema *in)
{
    bool ok = true;
    for (uint32_t i = 0; i < ast->nargs; i++) {
        const struct wr_kql_ex *ex =
            ast->args[i]->kind == WR_KQL_ORDER ? ast->args[i]->args[0] : ast->args[i];
        if (ex->kind == WR_KQL_NAME &&
            wr_schema_find(in, ex->name.text, ex->name.len) == WR_NO_COL) {
            struct wr_diag *d = wr_bind_error(b, ex->span, "no column '%s' in this %s's input",
                                              ex->name.text, b->op);
            wr_hint_column(b, d, in, ex->name.text);
            ok = false;
        }
    }
    return ok;
}

static struct wr_op *bind_away(struct wr_binder *b, const struct wr_kql_op *ast,
                               struct wr_op *input)
{
    struct wr_cols cols = {0};
    const struct wr_schema *in = input->schema;
    bool ok = check_names(b, ast, in);
    for (uint16_t i = 0; ok && i < in->ncols; i++) {
        bool listed = false;
        for (uint32_t a = 0; a < ast->nargs; a++)
            listed |= matches(ast->args[a], in->cols[i].name);
        if (!in->cols[i].hidden && listed == (ast->kind == WR_KQL_PROJECT_KEEP))
            ok = keep_column(b, &cols, in, i, ast->span);
    }
    return ok ? wr_op_map(b, &cols, input, ast->span) : NULL;
}

/* Columns of one pattern, sorted by name where the author asks for it. */
static bool add_matching(struct wr_binder *b, const struct wr_kql_ex *pattern,
                         const struct wr_schema *in, struct wr_cols *cols, struct wr_span span)
{
    uint8_t order = pattern->kind == WR_KQL_ORDER ? pattern->order : 0;
    for (;;) {
        uint16_t next = WR_NO_COL;
        for (uint16_t i = 0; i < in->ncols; i++) {
            const char *name = in->cols[i].name;
            if (in->cols[i].hidden || !matches(pattern, name) ||
                wr_cols_find(cols, name) != UINT32_MAX)
                continue;
            int c = next == WR_NO_COL ? 0 : strcmp(name, in->cols[next].name);
            if (next == WR_NO_COL || (order & WR_KQL_ASC && c < 0) ||
                (order & WR_KQL_DESC && c > 0))
                next = i;
        }
        if (next == WR_NO_COL)
            return true;
        if (!keep_column(b, cols, in, next, span))
            return false;
    }
}

static struct wr_op *bind_reorder(struct wr_binder *b, const struct wr_kql_op *ast,
                                  struct wr_op *input)
{
    static const struct wr_kql_ex all = {.kind = WR_KQL_PATTERN, .name = {"*", 1, {0}}};
    struct wr_cols cols = {0};
    bool ok = check_names(b, ast, input->schema);
    for (uint32_t i = 0; ok && i < ast->nargs; i++)
        ok = add_matching(b, ast->args[i], input->schema, &cols, ast->span);
    ok = ok && add_matching(b, &all, input->schema, &cols, ast->span);
    return ok ? wr_op_map(b, &cols, input, ast->span) : NULL;
}

static struct wr_op *bind_rename(struct wr_binder *b, const struct wr_kql_op *ast,
                                 struct wr_op *input)
{
    const struct wr_schema *in = input->schema;
    struct wr_cols cols = {0};
    bool ok = true;
    for (uint32_t a = 0; a < ast->nargs; a++) {
        const struct wr_kql_ex *pair = ast->args[a];
        if (pair->kind != WR_KQL_NAMED || pair->nnames != 1 || pair->args[0]->kind != WR_KQL_NAME) {
            wr_bind_error(b, pair->span, "project-rename takes New = Old");
            return NULL;
        }
        const struct wr_kql_name *old = &pair->args[0]->name;
        if (wr_schema_find(in, old->text, old->len) == WR_NO_COL) {
            struct wr_diag *d = wr_bind_error(
                b, old->span, "no column '%s' in this project-rename's input", old->text);
            wr_hint_column(b, d, in, old->text);
            ok = false;
        }
    }
    for (uint16_t i = 0; ok && i < in->ncols; i++) {
        const char *name = in->cols[i].name;
        for (uint32_t a = 0; a < ast->nargs; a++)
            if (strcmp(ast->args[a]->args[0]->name.text, in->cols[i].name) == 0)
                name = ast->args[a]->names[0].text;
        struct wr_ex *ex = in->cols[i].hidden ? NULL : wr_ex_col(b, in, i, ast->span);
        ok = in->cols[i].hidden || (ex && wr_cols_add(b, &cols, name, true, ex, ast->span));
    }
    return ok ? wr_op_map(b, &cols, input, ast->span) : NULL;
}

struct wr_op *wr_bind_sort(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input)
{
    struct wr_op *op = wr_op_new(b, WR_OP_SORT, input, ast->span);
    struct wr_sort_key *keys = op ? wr_arena_alloc(b->arena, ast->nby * sizeof *keys) : NULL;
    if (!keys)
        return NULL;
    bool ok = true;
    for (uint32_t i = 0; i < ast->nby; i++) {
        uint8_t order = ast->by[i]->order;
        keys[i].ex = wr_bind_ex(b, ast->by[i]->args[0]);
        keys[i].desc = !(order & WR_KQL_ASC);
        keys[i].nulls_first = order & (WR_KQL_NULLS_FIRST | WR_KQL_NULLS_LAST)
                                  ? (order & WR_KQL_NULLS_FIRST) != 0
                                  : !keys[i].desc;
        if (keys[i].ex && keys[i].ex->type == WR_DYNAMIC) {
            struct wr_diag *d = wr_bind_error(b, keys[i].ex->span, "dynamic values have no order");
            wr_diag_hint(b->diags, d, "sort by tostring() or tolong() of it");
            keys[i].ex = NULL;
        }
        ok = ok && keys[i].ex;
    }
    op->keys = keys;
    op->nsort = ast->nby;
    return ok ? op : NULL;
}

struct wr_op *wr_bind_take(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input)
{
    const struct wr_schema *row = b->row;
    b->row = NULL;
    struct wr_ex *n = wr_bind_ex(b, ast->args[0]);
    b->row = row;
    if (!n)
        return NULL;
    if (n->kind != WR_EX_CONST || (n->type != WR_LONG && n->type != WR_INT) || n->value.null ||
        n->value.i < 0) {
        wr_bind_error(b, ast->args[0]->span, "'%s' takes a whole number that is known beforehand",
                      ast->name.text);
        return NULL;
    }
    struct wr_op *op = wr_op_new(b, WR_OP_TAKE, input, ast->span);
    if (op)
        op->count = n->value.i;
    return op;
}

static struct wr_op *bind_top(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input)
{
    struct wr_op *sort = wr_bind_sort(b, ast, input);
    return sort ? wr_bind_take(b, ast, sort) : NULL;
}

static struct wr_op *bind_other(struct wr_binder *b, const struct wr_kql_op *ast)
{
    wr_bind_unsupported(b, ast->name.span, "operator", ast->name.text);
    return NULL;
}

/* serialize: the rows stand in an order from here on. */
static struct wr_op *bind_serialize(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input)
{
    struct wr_op *op = ast->nargs ? bind_extend(b, ast, input) : input;
    if (op)
        op->ordered = true;
    return op;
}

/* Operators whose expressions may look at rows around theirs: what they need is computed below them. */
static struct wr_op *bind_with_serial(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input)
{
    if (ast->kind == WR_KQL_SERIALIZE)
        input->ordered = true;
    struct wr_serial_list *list = wr_serial_open(b, input);
    if (!list)
        return NULL;
    b->serial = list;
    struct wr_op *op = ast->kind == WR_KQL_WHERE     ? bind_where(b, ast, input)
                       : ast->kind == WR_KQL_EXTEND  ? bind_extend(b, ast, input)
                       : ast->kind == WR_KQL_PROJECT ? wr_bind_project(b, ast, input)
                                                     : bind_serialize(b, ast, input);
    b->serial = NULL;
    struct wr_op *below = op ? wr_serial_close(b, list, input) : NULL;
    if (!below || below == input)
        return below ? op : NULL;
    if (op->input != input) {
        wr_bind_error(b, ast->span, "a condition over a table and a function over rows cannot stand in one where");
        return NULL;
    }
    op->input = below;
    op->schema = op->kind == WR_OP_WHERE ? below->schema : op->schema;
    return op;
}

static struct wr_op *bind_op(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input)
{
    b->row = input->schema;
    b->op = ast->name.text;
    switch (ast->kind) {
    case WR_KQL_WHERE:
    case WR_KQL_EXTEND:
    case WR_KQL_PROJECT:
    case WR_KQL_SERIALIZE:
        return bind_with_serial(b, ast, input);
    case WR_KQL_MV_APPLY:
        return wr_bind_mv_apply(b, ast, input);
    case WR_KQL_PARTITION:
        return wr_bind_partition(b, ast, input);
    case WR_KQL_SERIES:
        return wr_bind_series(b, ast, input);
    case WR_KQL_TOP_NESTED:
        return wr_bind_top_nested(b, ast, input);
    case WR_KQL_SCAN:
        return wr_bind_scan(b, ast, input);
    case WR_KQL_SEARCH:
        return wr_bind_search(b, ast, input);
    case WR_KQL_FIND:
        return wr_bind_find(b, ast, input);
    case WR_KQL_GETSCHEMA:
        return wr_bind_getschema(b, ast, input);
    case WR_KQL_ASSERT_SCHEMA:
        return wr_bind_assert_schema(b, ast, input);
    case WR_KQL_BY_NAMES:
        return wr_bind_by_names(b, ast, input);
    case WR_KQL_SAMPLE_DISTINCT:
        return wr_bind_sample_distinct(b, ast, input);
    case WR_KQL_TOP_HITTERS:
        return wr_bind_top_hitters(b, ast, input);
    case WR_KQL_CONSUME: {
        struct wr_op *none = wr_op_new(b, WR_OP_TAKE, input, ast->span);
        return none;
    }
    case WR_KQL_PROJECT_AWAY:
    case WR_KQL_PROJECT_KEEP:
        return bind_away(b, ast, input);
    case WR_KQL_PROJECT_RENAME:
        return bind_rename(b, ast, input);
    case WR_KQL_PROJECT_REORDER:
        return bind_reorder(b, ast, input);
    case WR_KQL_SUMMARIZE:
        return wr_bind_summarize(b, ast, input);
    case WR_KQL_DISTINCT:
        return wr_bind_distinct(b, ast, input);
    case WR_KQL_COUNT:
        return wr_bind_count(b, ast, input);
    case WR_KQL_SORT:
        return wr_bind_sort(b, ast, input);
    case WR_KQL_TAKE:
        return wr_bind_take(b, ast, input);
    case WR_KQL_TOP:
        return bind_top(b, ast, input);
    case WR_KQL_UNION:
        return wr_bind_union(b, ast, input);
    case WR_KQL_EXPAND:
        return wr_bind_expand(b, ast, input);
    case WR_KQL_JOIN:
    case WR_KQL_LOOKUP:
        return wr_bind_join(b, ast, input);
    case WR_KQL_PARSE:
        return wr_bind_parse(b, ast, input);
    case WR_KQL_PARSE_KV:
        return wr_bind_parse_kv(b, ast, input);
    case WR_KQL_EVALUATE:
        return wr_bind_evaluate(b, ast, input);
    case WR_KQL_AS:
    case WR_KQL_RENDER:
        return input;
    default:
        return bind_other(b, ast);
    }
}

static struct wr_op *bind_first(struct wr_binder *b, const struct wr_kql_op *ast)
{
    b->row = NULL;
    b->op = ast->name.text;
    switch (ast->kind) {
    case WR_KQL_SOURCE:
        return wr_bind_source(b, ast->args[0]);
    case WR_KQL_PRINT:
        return wr_bind_print(b, ast);
    case WR_KQL_RANGE_OP:
        return wr_bind_range(b, ast);
    case WR_KQL_UNION:
        return wr_bind_union(b, ast, NULL);
    case WR_KQL_SEARCH:
        return wr_bind_search(b, ast, NULL);
    case WR_KQL_FIND:
        return wr_bind_find(b, ast, NULL);
    case WR_KQL_GIVEN: {
        struct wr_op *given = wr_op_new(b, WR_OP_GIVEN, NULL, ast->span);
        if (given) {
            given->schema = b->given;
            given->ordered = true; /* elements as they stand, rows as they came */
        }
        return given;
    }
    default:
        return bind_other(b, ast);
    }
}

/* What stands before it is bound anew, wherever the function names its table. */
static struct wr_op *bind_invoke(struct wr_binder *b, const struct wr_kql_query *query, uint32_t at)
{
    const struct wr_kql_ex *call = query->ops[at]->args[0];
    const struct wr_kql_query before = {query->span, query->ops, at};
    const struct wr_let *let =
        call->kind == WR_KQL_CALL && !call->is_op ? wr_let_find(b, call->name.text) : NULL;
    if (let && let->kind == WR_LET_FUNCTION)
        return wr_bind_fn_table(b, let, call, &before);
    if (call->kind == WR_KQL_CALL && !call->is_op && wr_bind_refused(b, &call->name))
        return NULL;
    struct wr_diag *d = wr_bind_error(b, call->span, "invoke takes the call of a function");
    wr_diag_hint(b->diags, d, "one of a let above: let f = (T: (*)) { ... };");
    return NULL;
}

/* `as Name`: from here on the name is the query before it, bound anew where it is used. */
static bool bind_as(struct wr_binder *b, const struct wr_kql_query *query, uint32_t at)
{
    const struct wr_kql_name *name = &query->ops[at]->label;
    if (query->ops[0]->kind == WR_KQL_GIVEN || !name->text)
        return true;
    struct wr_kql_query *before = wr_arena_alloc(b->arena, sizeof *before);
    struct wr_kql_let *ast = wr_arena_alloc(b->arena, sizeof *ast);
    struct wr_let *lets = wr_arena_alloc(b->arena, (b->nlets + 1) * sizeof *lets);
    if (!before || !ast || !lets)
        return wr_bind_nomem(b);
    *before = (struct wr_kql_query){query->span, query->ops, at};
    *ast = (struct wr_kql_let){.name = *name, .span = query->ops[at]->span, .query = before};
    if (b->nlets)
        memcpy(lets, b->lets, b->nlets * sizeof *lets);
    lets[b->nlets] = (struct wr_let){
        .ast = ast, .kind = WR_LET_TABLE, .source = b->source, .lets = b->lets, .nlets = b->nlets};
    b->lets = lets;
    b->nlets++;
    return true;
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by WR_BIND_MAX_DEPTH */
struct wr_op *wr_bind_query(struct wr_binder *b, const struct wr_kql_query *query)
{
    if (b->depth + 4 > WR_BIND_MAX_DEPTH) {
        wr_bind_error(b, query->span, "this is nested too deeply");
        return NULL;
    }
    struct wr_binder inner = *b; /* a query sees no columns of the one around it */
    inner.depth += 4;
    inner.aggs = NULL;
    inner.in_agg = false;
    inner.serial = NULL;
    inner.scan = NULL;
    inner.lenient = false;
    struct wr_op *op = bind_first(&inner, query->ops[0]);
    for (uint32_t i = 1; op && i < query->nops; i++) {
        if (query->ops[i]->kind == WR_KQL_AS && !bind_as(&inner, query, i))
            return NULL;
        op = query->ops[i]->kind == WR_KQL_INVOKE ? bind_invoke(&inner, query, i)
                                                  : bind_op(&inner, query->ops[i], op);
    }
    b->nodes = inner.nodes;
    return op;
}
