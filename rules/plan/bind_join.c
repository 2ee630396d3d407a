/* join, lookup, and `in` over a table: hash joins. */
#include "rules/plan/bind.h"

#include <string.h>

/* What a query can name, as columns of their own. */
static struct wr_op *side(struct wr_binder *b, struct wr_op *input, struct wr_span span)
{
    struct wr_cols cols = {0};
    for (uint16_t i = 0; i < input->schema->ncols; i++) {
        const struct wr_coldef *def = &input->schema->cols[i];
        struct wr_ex *ex = def->hidden ? NULL : wr_ex_col(b, input->schema, i, span);
        if (!def->hidden && (!ex || !wr_cols_add(b, &cols, def->name, true, ex, span)))
            return NULL;
    }
    return wr_op_map(b, &cols, input, span);
}

static bool kind_of(struct wr_binder *b, const struct wr_kql_op *ast, enum wr_join_kind *ret,
                    bool *ret_swap)
{
    static const struct {
        const char *name;
        enum wr_join_kind kind;
        bool swap;
    } kinds[] = {{"innerunique", WR_JOIN_INNERUNIQUE, false},
                 {"inner", WR_JOIN_INNER, false},
                 {"leftouter", WR_JOIN_LEFTOUTER, false},
                 {"rightouter", WR_JOIN_RIGHTOUTER, false},
                 {"fullouter", WR_JOIN_FULLOUTER, false},
                 {"leftsemi", WR_JOIN_SEMI, false},
                 {"rightsemi", WR_JOIN_SEMI, true},
                 {"leftanti", WR_JOIN_ANTI, false},
                 {"anti", WR_JOIN_ANTI, false},
                 {"leftantisemi", WR_JOIN_ANTI, false},
                 {"rightanti", WR_JOIN_ANTI, true},
                 {"rightantisemi", WR_JOIN_ANTI, true}};
    bool lookup = ast->kind == WR_KQL_LOOKUP;
    const char *name = ast->label.text ? ast->label.text : lookup ? "leftouter" : "innerunique";
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kinds[i].name, name) != 0)
            continue;
        *ret = kinds[i].kind;
        *ret_swap = kinds[i].swap;
        if (!lookup || *ret == WR_JOIN_INNER || *ret == WR_JOIN_LEFTOUTER)
            return true;
    }
    struct wr_diag *d = wr_bind_error(b, ast->label.span, "no %s of kind '%s'", b->op, name);
    wr_diag_hint(b->diags, d,
                 lookup ? "kinds: leftouter inner"
                        : "kinds: innerunique inner leftouter rightouter fullouter leftsemi "
                          "rightsemi leftanti rightanti");
    return false;
}

/* ---- keys ---- */

struct on {
    struct wr_ex *left[WR_MAX_COLS], *right[WR_MAX_COLS];
    uint32_t n;
};

static struct wr_ex *key_column(struct wr_binder *b, const struct wr_schema *schema,
                                const struct wr_kql_name *name, const char *which)
{
    uint16_t col = wr_schema_find(schema, name->text, name->len);
    if (col != WR_NO_COL)
        return wr_ex_col(b, schema, col, name->span);
    struct wr_diag *d = wr_bind_error(b, name->span, "no column '%s' in the %s table of this %s",
                                      name->text, which, b->op);
    wr_hint_column(b, d, schema, name->text);
    return NULL;
}

static bool add_key(struct wr_binder *b, struct on *on, struct wr_ex *left, struct wr_ex *right,
                    struct wr_span span)
{
    if (!left || !right)
        return false;
    bool whole = (left->type == WR_INT || left->type == WR_LONG) &&
                 (right->type == WR_INT || right->type == WR_LONG);
    if (left->type == WR_DYNAMIC || right->type == WR_DYNAMIC) {
        struct wr_diag *d = wr_bind_error(b, span, "dynamic values cannot be keys");
        wr_diag_hint(b->diags, d, "extend a column with tostring() or tolong() of it");
        return false;
    }
    if (left->type != right->type && !whole) {
        struct wr_diag *d = wr_bind_error(b, span, "a %s is matched with a %s",
                                          wr_type_name(left->type), wr_type_name(right->type));
        wr_diag_hint(b->diags, d, "convert one side in an extend before");
        return false;
    }
    if (on->n == WR_MAX_COLS / 2) {
        wr_bind_error(b, span, "too many columns behind 'on'");
        return false;
    }
    on->left[on->n] = left;
    on->right[on->n++] = right;
    return true;
}

/* $left.a or $right.a */
static bool sided(const struct wr_kql_ex *ast, const char *which)
{
    return ast->kind == WR_KQL_PATH && ast->args[0]->kind == WR_KQL_NAME &&
           strcmp(ast->args[0]->name.text, which) == 0;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the expression, which the parser bounds */
static bool bind_on(struct wr_binder *b, const struct wr_kql_ex *ast, const struct wr_schema *left,
                    const struct wr_schema *right, struct on *on)
{
    if (ast->kind == WR_KQL_NAME)
        return add_key(b, on, key_column(b, left, &ast->name, "first"),
                       key_column(b, right, &ast->name, "second"), ast->span);
    bool op = ast->kind == WR_KQL_CALL && ast->is_op;
    if (op && strcmp(ast->name.text, "and") == 0) {
        for (uint32_t i = 0; i < ast->nargs; i++)
            if (!bind_on(b, ast->args[i], left, right, on))
                return false;
        return true;
    }
    if (op && strcmp(ast->name.text, "==") == 0 && ast->nargs == 2) {
        bool swapped = sided(ast->args[0], "$right");
        const struct wr_kql_ex *l = ast->args[swapped], *r = ast->args[!swapped];
        if (sided(l, "$left") && sided(r, "$right"))
            return add_key(b, on, key_column(b, left, &l->name, "first"),
                           key_column(b, right, &r->name, "second"), ast->span);
    }
    struct wr_diag *d =
        wr_bind_error(b, ast->span, "a condition of this %s is no pair of columns", b->op);
    wr_diag_hint(b->diags, d, "write: on Name, or: on $left.A == $right.B");
    return false;
}

/* ---- join ... where ---- */

/* Pairs of columns become keys, the other conditions are left for the rows that match. NOLINTNEXTLINE(misc-no-recursion): as deep
 * as the expression, which the parser bounds */
static bool split_where(struct wr_binder *b, struct wr_kql_ex *ast, const struct wr_schema *left, const struct wr_schema *right,
                        struct on *on, struct wr_kql_ex **rest)
{
    bool op = ast->kind == WR_KQL_CALL && ast->is_op;
    if (op && strcmp(ast->name.text, "and") == 0) {
        for (uint32_t i = 0; i < ast->nargs; i++)
            if (!split_where(b, ast->args[i], left, right, on, rest))
                return false;
        return true;
    }
    bool pair = op && strcmp(ast->name.text, "==") == 0 && ast->nargs == 2 &&
                ((sided(ast->args[0], "$left") && sided(ast->args[1], "$right")) ||
                 (sided(ast->args[0], "$right") && sided(ast->args[1], "$left")));
    if (pair)
        return bind_on(b, ast, left, right, on);
    struct wr_kql_ex *both = *rest ? wr_arena_alloc(b->arena, sizeof *both) : ast;
    struct wr_kql_ex **args = wr_arena_alloc(b->arena, 2 * sizeof(struct wr_kql_ex *));
    if (!both || !args)
        return wr_bind_nomem(b);
    args[0] = *rest;
    args[1] = ast;
    if (*rest)
        *both = (struct wr_kql_ex){
            .kind = WR_KQL_CALL, .is_op = true, .span = ast->span, .name = {"and", 3, ast->span}, .args = args, .nargs = 2};
    *rest = both;
    return true;
}

static bool where_fits(struct wr_binder *b, const struct wr_kql_op *ast, enum wr_join_kind kind, bool swap)
{
    const char *why = kind != WR_JOIN_INNER || swap ? "needs kind=inner" : NULL;
    if (!why)
        return true;
    struct wr_diag *d = wr_bind_error(b, ast->by[0]->span, "'where' in a join %s here", why);
    wr_diag_hint(b->diags, d, "write: join kind=inner (T) where $left.A == $right.B and ...");
    return false;
}

static struct wr_op *keyed(struct wr_binder *b, struct wr_op *input, struct wr_ex *key, bool nocase, struct wr_span span);

/* $left.a and $right.a as the columns of the result. NOLINTNEXTLINE(misc-no-recursion): as above */
static struct wr_kql_ex *of_result(struct wr_binder *b, struct wr_kql_ex *ast, const struct wr_op *join)
{
    bool left = sided(ast, "$left");
    struct wr_kql_ex *copy = wr_arena_alloc(b->arena, sizeof *copy);
    struct wr_kql_ex **args = wr_arena_alloc(b->arena, (ast->nargs + 1) * sizeof(struct wr_kql_ex *));
    if (!copy || !args) {
        wr_bind_nomem(b);
        return NULL;
    }
    *copy = *ast;
    if (left || sided(ast, "$right")) {
        const struct wr_schema *side = join->inputs[!left]->schema;
        struct wr_ex *key = key_column(b, side, &ast->name, left ? "first" : "second");
        const char *name = key ? join->schema->cols[key->col + (left ? 0 : join->inputs[0]->schema->ncols)].name : NULL;
        *copy = (struct wr_kql_ex){.kind = WR_KQL_NAME, .span = ast->span};
        if (name)
            copy->name = (struct wr_kql_name){name, (uint32_t)strlen(name), ast->span};
        return name ? copy : NULL;
    }
    if (ast->kind == WR_KQL_SUBQUERY)
        return copy;
    for (uint32_t i = 0; i < ast->nargs; i++)
        if (!(args[i] = of_result(b, ast->args[i], join)))
            return NULL;
    copy->args = args;
    return copy;
}

static struct wr_op *filter_pairs(struct wr_binder *b, struct wr_kql_ex *rest, struct wr_op *join)
{
    struct wr_kql_ex *ast = of_result(b, rest, join);
    struct wr_op *op = ast ? wr_op_new(b, WR_OP_WHERE, join, rest->span) : NULL;
    b->row = join->schema;
    if (!op || !(op->pred = wr_bind_pred(b, ast)))
        return NULL;
    return op;
}

/* ---- the operator ---- */

static bool is_right_key(const struct on *on, uint16_t col)
{
    for (uint32_t k = 0; k < on->n; k++)
        if (on->right[k]->col == col)
            return true;
    return false;
}

/* Columns of the left side, then, unless rows only pass, of the right. */
static const struct wr_schema *join_schema(struct wr_binder *b, const struct wr_op *op,
                                           const struct on *on, bool lookup)
{
    struct wr_cols cols = {0};
    const struct wr_schema *left = op->inputs[0]->schema, *right = op->inputs[1]->schema;
    for (uint16_t i = 0; i < left->ncols; i++) {
        struct wr_ex type = {.type = left->cols[i].type};
        if (!wr_cols_add(b, &cols, left->cols[i].name, true, &type, op->span))
            return NULL;
    }
    bool one_sided = op->join == WR_JOIN_SEMI || op->join == WR_JOIN_ANTI;
    /* Right names that are free keep themselves, and the others get the least number that is free
     * of both sides' names. */
    for (uint16_t i = 0; !one_sided && i < right->ncols; i++) {
        struct wr_ex type = {.type = right->cols[i].type};
        const char *name = lookup && is_right_key(on, i) ? "" : right->cols[i].name;
        char buf[256];
        if (*name && wr_cols_find(&cols, name) != UINT32_MAX) {
            for (uint32_t n = 1; n <= 2 * WR_MAX_COLS; n++) {
                wr_name_numbered(buf, sizeof buf, name, n);
                if (wr_cols_find(&cols, buf) == UINT32_MAX &&
                    wr_schema_find(right, buf, strlen(buf)) == WR_NO_COL)
                    break;
            }
            name = buf;
        }
        if (!wr_cols_add(b, &cols, name, false, &type, op->span))
            return NULL;
    }
    return wr_cols_schema(b, &cols);
}

static struct wr_op *join_op(struct wr_binder *b, enum wr_join_kind kind, struct wr_op *left,
                             struct wr_op *right, const struct on *on, bool lookup,
                             struct wr_span span)
{
    struct wr_op *op = wr_op_new(b, WR_OP_JOIN, NULL, span);
    struct wr_op **inputs = wr_arena_alloc(b->arena, 2 * sizeof(struct wr_op *));
    struct wr_ex **keys = wr_arena_alloc(b->arena, (2 * on->n + 1) * sizeof *keys);
    if (!op || !inputs || !keys)
        return NULL;
    for (uint32_t k = 0; k < on->n; k++) {
        keys[k] = on->left[k];
        keys[on->n + k] = on->right[k];
    }
    inputs[0] = left;
    inputs[1] = right;
    op->join = kind;
    op->inputs = inputs;
    op->ninputs = 2;
    op->cols = keys;
    op->nkeys = on->n;
    op->schema = join_schema(b, op, on, lookup);
    return op->schema ? op : NULL;
}

/* lookup: without the keys of the right side. */
static struct wr_op *drop_keys(struct wr_binder *b, struct wr_op *op, const struct on *on)
{
    struct wr_cols cols = {0};
    uint16_t nleft = op->inputs[0]->schema->ncols;
    for (uint16_t i = 0; i < op->schema->ncols; i++) {
        if (i >= nleft && is_right_key(on, (uint16_t)(i - nleft)))
            continue;
        struct wr_ex *ex = wr_ex_col(b, op->schema, i, op->span);
        if (!ex || !wr_cols_add(b, &cols, op->schema->cols[i].name, true, ex, op->span))
            return NULL;
    }
    return wr_op_map(b, &cols, op, op->span);
}

/* `where` without a pair of columns: a key that all rows share makes every pair, which the conditions then judge. */
static struct wr_op *every_pair(struct wr_binder *b, struct wr_op *left, struct wr_op *right, struct wr_kql_ex *rest,
                                struct wr_span span)
{
    struct on *on = wr_arena_alloc(b->arena, sizeof *on);
    const struct wr_value one = {.type = WR_LONG, .i = 1};
    uint16_t l = left->schema->ncols;
    struct wr_ex *first = wr_ex_const(b, &one, span), *second = wr_ex_const(b, &one, span);
    if (!on || !first || !second || !(left = keyed(b, left, first, false, span)) ||
        !(right = keyed(b, right, second, false, span)))
        return NULL;
    uint16_t last = (uint16_t)(l + right->schema->ncols);
    if (!add_key(b, on, wr_ex_col(b, left->schema, l, span), wr_ex_col(b, right->schema, (uint16_t)(last - l - 1), span), span))
        return NULL;
    struct wr_op *op = join_op(b, WR_JOIN_INNER, left, right, on, false, span);
    if (op && rest)
        op = filter_pairs(b, rest, op);
    struct wr_cols cols = {0};
    for (uint16_t i = 0; op && i < last; i++) {
        struct wr_ex *ex = i == l ? NULL : wr_ex_col(b, op->schema, i, span);
        if (i != l && (!ex || !wr_cols_add(b, &cols, op->schema->cols[i].name, true, ex, span)))
            return NULL;
    }
    return op ? wr_op_map(b, &cols, op, span) : NULL;
}

struct wr_op *wr_bind_join(struct wr_binder *b, const struct wr_kql_op *ast, struct wr_op *input)
{
    enum wr_join_kind kind;
    bool swap, lookup = ast->kind == WR_KQL_LOOKUP;
    struct on *on = wr_arena_alloc(b->arena, sizeof *on);
    if (!on || !kind_of(b, ast, &kind, &swap))
        return NULL;
    struct wr_op *other = wr_bind_source(b, ast->args[0]);
    struct wr_op *left = other ? side(b, input, ast->span) : NULL;
    struct wr_op *right = left ? side(b, other, ast->span) : NULL;
    if (!right)
        return NULL;
    b->op = ast->name.text;
    struct wr_kql_ex *rest = NULL;
    for (uint32_t i = 0; i < ast->nby; i++)
        if (!(ast->where ? split_where(b, ast->by[i], left->schema, right->schema, on, &rest)
                         : bind_on(b, ast->by[i], left->schema, right->schema, on)))
            return NULL;
    if (ast->where && !where_fits(b, ast, kind, swap))
        return NULL;
    if (ast->where && !on->n)
        return every_pair(b, left, right, rest, ast->span);
    if (swap) {
        struct wr_op *first = left;
        left = right;
        right = first;
        for (uint32_t k = 0; k < on->n; k++) {
            struct wr_ex *key = on->left[k];
            on->left[k] = on->right[k];
            on->right[k] = key;
        }
    }
    struct wr_op *op = join_op(b, kind, left, right, on, lookup, ast->span);
    if (op && rest)
        return filter_pairs(b, rest, op);
    return op && lookup ? drop_keys(b, op, on) : op;
}

/* innerunique keeps one left row a key; a filter on left columns works before it. */
bool wr_join_push_where(struct wr_binder *b, struct wr_op *join, struct wr_ex *pred)
{
    struct wr_colset cols = {0};
    if (join->kind != WR_OP_JOIN || join->join != WR_JOIN_INNERUNIQUE)
        return false;
    wr_ex_columns(pred, &cols);
    for (uint16_t i = join->inputs[0]->schema->ncols; i < WR_MAX_COLS; i++)
        if (wr_colset_has(&cols, i))
            return false;
    struct wr_op *where = wr_op_new(b, WR_OP_WHERE, join->inputs[0], pred->span);
    if (!where)
        return false;
    where->pred = pred;
    join->inputs[0] = where;
    return true;
}

/* ---- where x in (table) ---- */

bool wr_is_in_table(const struct wr_binder *b, const struct wr_kql_ex *ast)
{
    if (ast->kind != WR_KQL_CALL || !ast->is_op || ast->nargs != 2)
        return false;
    const char *name = ast->name.text + (*ast->name.text == '!');
    return (strcmp(name, "in") == 0 || strcmp(name, "in~") == 0) && wr_is_table_ex(b, ast->args[1]);
}

/* A side with one more column: the key, in small letters when case does not count. */
static struct wr_op *keyed(struct wr_binder *b, struct wr_op *input, struct wr_ex *key, bool nocase,
                           struct wr_span span)
{
    struct wr_cols cols = {0};
    if (nocase && key->type == WR_STRING) {
        struct wr_ex *const args[] = {key};
        key = wr_ex_call(b, "tolower", args, 1, span);
    }
    for (uint16_t i = 0; key && i < input->schema->ncols; i++) {
        struct wr_ex *ex = wr_ex_col(b, input->schema, i, span);
        if (!ex || !wr_cols_add(b, &cols, input->schema->cols[i].name, true, ex, span))
            return NULL;
    }
    return key && wr_cols_add(b, &cols, "in", false, key, span) ? wr_op_map(b, &cols, input, span)
                                                                : NULL;
}

struct wr_op *wr_bind_in_table(struct wr_binder *b, const struct wr_kql_ex *ast,
                               struct wr_op *input)
{
    struct on *on = wr_arena_alloc(b->arena, sizeof *on);
    bool nocase = ast->name.text[ast->name.len - 1] == '~';
    struct wr_op *left = on ? side(b, input, ast->span) : NULL;
    if (!left)
        return NULL;
    b->row = left->schema;
    struct wr_ex *value = wr_bind_ex(b, ast->args[0]);
    struct wr_op *list = value ? wr_bind_source(b, ast->args[1]) : NULL;
    if (value && nocase && value->type == WR_DYNAMIC)
        value = wr_ex_convert(b, value, WR_STRING);
    list = list && value ? wr_op_spread(b, list, value->type, ast->span) : NULL;
    struct wr_op *right = list ? side(b, list, ast->span) : NULL;
    struct wr_ex *item = right ? wr_ex_col(b, right->schema, 0, ast->span) : NULL;
    if (!item || !(left = keyed(b, left, value, nocase, ast->span)) ||
        !(right = keyed(b, right, item, nocase, ast->span)))
        return NULL;
    uint16_t l = (uint16_t)(left->schema->ncols - 1), r = (uint16_t)(right->schema->ncols - 1);
    if (!add_key(b, on, wr_ex_col(b, left->schema, l, ast->span),
                 wr_ex_col(b, right->schema, r, ast->span), ast->span))
        return NULL;
    enum wr_join_kind kind = *ast->name.text == '!' ? WR_JOIN_ANTI : WR_JOIN_SEMI;
    struct wr_op *op = join_op(b, kind, left, right, on, false, ast->span);
    struct wr_cols cols = {0};
    for (uint16_t i = 0; op && i < l; i++) {
        struct wr_ex *ex = wr_ex_col(b, op->schema, i, ast->span);
        if (!ex || !wr_cols_add(b, &cols, op->schema->cols[i].name, true, ex, ast->span))
            return NULL;
    }
    return op ? wr_op_map(b, &cols, op, ast->span) : NULL;
}
