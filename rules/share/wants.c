#include "rules/share/wants.h"

#include "rules/exec/filter.h"
#include "rules/fn/kernel.h"

#define TEN(from)                                                                                  \
    from, from + 1, from + 2, from + 3, from + 4, from + 5, from + 6, from + 7, from + 8, from + 9
#define LETTERS TEN('a'), TEN('k'), 'u', 'v', 'w', 'x', 'y', 'z'
const uint8_t wr_term_byte[256] = {['0'] = TEN('0'), ['A'] = LETTERS, ['a'] = LETTERS};

struct walk {
    struct wr_arena *arena;
    enum wr_table table;
    struct wr_way *found;
    bool every, failed;
};

bool wr_longest_term(const char *text, uint32_t len, uint32_t *ret_at, uint32_t *ret_len)
{
    uint32_t best = 0;
    for (uint32_t i = 0, start; i < len; i++) {
        for (start = i; i < len && wr_term_byte[(unsigned char)text[i]]; i++)
            ;
        if (i - start > best) {
            best = i - start;
            *ret_at = start;
            *ret_len = best;
        }
    }
    return best > 0;
}

/* ---- one predicate ------------------------------------------------------------------------------
 */

/* `has` and its kin over a column and constants, each with a term. */
static bool term_want(const struct wr_ex *ex, struct wr_want *ret)
{
    wr_fn_eval *f = ex->fn->eval;
    bool any = f == wr_k_has || f == wr_k_has_cs || f == wr_k_has_any, all = f == wr_k_has_all;
    uint32_t at, len;
    if ((!any && !all) || ex->nargs < 2 || ex->args[0]->kind != WR_EX_COL ||
        ex->args[0]->type != WR_STRING)
        return false;
    for (uint32_t a = 1; a < ex->nargs; a++)
        if (ex->args[a]->kind != WR_EX_CONST || ex->args[a]->type != WR_STRING ||
            !wr_longest_term(wr_str_data(&ex->args[a]->value.s), ex->args[a]->value.s.len, &at,
                             &len))
            return false;
    *ret = (struct wr_want){ex->args[0]->col, WR_WANT_TERM, all ? 1 : ex->nargs - 1, ex->args + 1};
    return true;
}

static bool is_lower(const struct wr_ex *ex)
{
    return ex->kind == WR_EX_CALL && ex->fn->eval == wr_k_tolower;
}

/* tolower(column) is one of these texts: the column is, without case. */
static bool lower_want(const struct wr_ex *ex, struct wr_want *ret)
{
    wr_fn_eval *f = ex->fn->eval;
    if ((f != wr_k_eq && f != wr_k_in && f != wr_k_eq_nocase && f != wr_k_in_nocase) ||
        ex->nargs < 2 || !is_lower(ex->args[0]) || ex->args[0]->args[0]->kind != WR_EX_COL ||
        ex->args[0]->args[0]->type != WR_STRING)
        return false;
    for (uint32_t a = 1; a < ex->nargs; a++)
        if (ex->args[a]->kind != WR_EX_CONST || ex->args[a]->type != WR_STRING)
            return false;
    *ret = (struct wr_want){ex->args[0]->args[0]->col, WR_WANT_TEXT, ex->nargs - 1, ex->args + 1};
    return true;
}

static bool want_of(const struct wr_ex *ex, struct wr_want *ret)
{
    struct wr_test t;
    if (ex->kind != WR_EX_CALL)
        return false;
    if (wr_test_of(ex, &t) && t.how == WR_TEST_EQ && !t.negate) {
        *ret = (struct wr_want){t.col, t.text ? WR_WANT_TEXT : WR_WANT_NUMBER, t.n, t.values};
        return true;
    }
    return lower_want(ex, ret) || term_want(ex, ret);
}

static bool named(const struct wr_ex *ex, const char *name)
{
    return ex->kind == WR_EX_CALL && strcmp(ex->fn->name, name) == 0;
}

/* Adds to the choice what lets `ex` be true; false: something that is none of these can. */
static bool choose(const struct wr_ex *ex, struct wr_choice *to)
{
    if (named(ex, "or")) {
        for (uint32_t a = 0; a < ex->nargs; a++)
            if (!choose(ex->args[a], to))
                return false;
        return true;
    }
    if (named(ex, "and")) { /* of a disjunction: one of what it asks for is enough to know */
        for (uint32_t a = 0; a < ex->nargs; a++) {
            uint32_t before = to->n;
            if (choose(ex->args[a], to))
                return true;
            to->n = before;
        }
        return false;
    }
    if (to->n == WR_WANT_ANY || !want_of(ex, &to->any[to->n]))
        return false;
    to->n++;
    return true;
}

static void add_conjuncts(const struct wr_ex *ex, struct wr_way *way)
{
    if (named(ex, "and")) {
        for (uint32_t a = 0; a < ex->nargs; a++)
            add_conjuncts(ex->args[a], way);
        return;
    }
    if (way->n == WR_WANT_CHOICES)
        return;
    struct wr_choice *c = &way->must[way->n];
    c->n = 0;
    way->n += choose(ex, c);
}

/* ---- operators ----------------------------------------------------------------------------------
 */

/* The column below a map that column `col` above it is, perhaps in lower case; WR_NO_COL: something
 * else. */
static uint16_t below(const struct wr_op *map, uint16_t col, enum wr_want_kind kind)
{
    const struct wr_ex *ex = map->cols[col];
    if (is_lower(ex) && kind == WR_WANT_TEXT)
        ex = ex->args[0];
    return ex->kind == WR_EX_COL ? ex->col : (uint16_t)WR_NO_COL;
}

/* Columns of the choices, above `op`, to those below it; choices over what `op` makes go. */
static void through(const struct wr_op *op, struct wr_way *way)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < way->n; i++) {
        struct wr_choice *c = &way->must[i];
        bool stays = true;
        for (uint32_t k = 0; k < c->n && stays; k++) {
            if (op->kind == WR_OP_MAP)
                c->any[k].col = below(op, c->any[k].col, c->any[k].kind);
            stays = op->kind == WR_OP_MAP ? c->any[k].col != WR_NO_COL
                                          : c->any[k].col < op->input->schema->ncols;
        }
        if (stays)
            way->must[n++] = *c;
    }
    way->n = n;
}

static bool changes(enum wr_table table, uint16_t col)
{
    const struct wr_amends *amends = wr_table_amends(table);
    for (uint16_t i = 0; amends && i < amends->ncols; i++)
        if (amends->cols[i].col == col)
            return true;
    return false;
}

static void arrive(struct walk *w, const struct wr_op *scan, const struct wr_way *way)
{
    if (scan->table != w->table)
        return;
    struct wr_way *add = wr_arena_alloc(w->arena, sizeof *add);
    if (!add) {
        w->failed = true;
        return;
    }
    uint32_t n = 0;
    *add = *way;
    for (uint32_t i = 0; i < way->n;
         i++) { /* of a row that grows, only what it had from the beginning */
        bool stays = true;
        for (uint32_t k = 0; k < way->must[i].n; k++)
            stays = stays && !changes(w->table, way->must[i].any[k].col);
        if (stays)
            add->must[n++] = way->must[i];
    }
    add->n = n;
    add->next = w->found;
    w->found = add;
    w->every = w->every || !n;
}

/* Constants of column `col` of a list that stands in the rule, under maps and filters; NULL: it
 * does not, or is empty. */
static struct wr_ex **listed(struct walk *w, const struct wr_op *op, uint16_t col, uint32_t *ret_n)
{
    for (; op->kind == WR_OP_WHERE || op->kind == WR_OP_MAP; op = op->input)
        if (op->kind == WR_OP_MAP && (col = below(op, col, WR_WANT_NUMBER)) == WR_NO_COL)
            return NULL;
    if (op->kind != WR_OP_ROWS || !op->nrows)
        return NULL;
    struct wr_ex **list = wr_arena_alloc(w->arena, op->nrows * sizeof(struct wr_ex *));
    w->failed = w->failed || !list;
    for (uint32_t r = 0; list && r < op->nrows; r++) {
        list[r] = op->rows[(size_t)r * op->schema->ncols + col];
        if (list[r]->kind != WR_EX_CONST || list[r]->value.null)
            return NULL;
    }
    *ret_n = op->nrows;
    return list;
}

/* Left rows matter only when their key is one of a list that stands in the rule on the right. */
static void join_key(struct walk *w, const struct wr_op *join, struct wr_way *way)
{
    bool needed = join->join == WR_JOIN_INNER || join->join == WR_JOIN_INNERUNIQUE ||
                  join->join == WR_JOIN_SEMI;
    for (uint32_t k = 0; needed && k < join->nkeys && way->n < WR_WANT_CHOICES; k++) {
        const struct wr_ex *left = join->cols[k], *right = join->cols[join->nkeys + k];
        struct wr_want *want = &way->must[way->n].any[0];
        if (left->kind != WR_EX_COL || right->kind != WR_EX_COL ||
            (left->type != WR_STRING && left->type != WR_INT && left->type != WR_LONG) ||
            right->type != left->type)
            continue;
        want->values = listed(w, join->inputs[1], right->col, &want->n);
        if (!want->values)
            continue;
        want->col = left->col;
        want->kind = left->type == WR_STRING ? WR_WANT_TEXT : WR_WANT_NUMBER;
        way->must[way->n++].n = 1;
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as operators stand, which wr_op_new bounds */
static void walk(struct walk *w, const struct wr_op *op, struct wr_way *way)
{
    for (; op; op = op->input) {
        switch (op->kind) {
        case WR_OP_SCAN:
            arrive(w, op, way);
            return;
        case WR_OP_WHERE:
            add_conjuncts(op->pred, way);
            continue;
        case WR_OP_MAP:
        case WR_OP_PARSE:
            through(op, way);
            continue;
        case WR_OP_SUMMARIZE:
        case WR_OP_SORT:
        case WR_OP_TAKE:
        case WR_OP_EXPAND:
        case WR_OP_SERIAL:
        case WR_OP_WHOLE:
            way->n = 0;
            continue;
        case WR_OP_JOIN:
        case WR_OP_APPLY:
        case WR_OP_UNION:
            break;
        case WR_OP_ROWS:
        case WR_OP_RANGE:
        case WR_OP_GIVEN:
        case WR_OP_EXTERNAL:
            return;
        default:
            w->every = true; /* an operator that this file does not know */
            return;
        }
        struct wr_way *side = wr_arena_alloc(w->arena, sizeof *side);
        w->failed = w->failed || !side;
        for (uint32_t i = 0; side && i < op->ninputs; i++) {
            side->n = 0;
            if (op->kind == WR_OP_UNION)
                *side = *way;
            if (op->kind == WR_OP_JOIN && i == 0)
                join_key(w, op, side);
            if (i > 0 || op->kind != WR_OP_JOIN ||
                !op->input) /* a join of a stream has its left side as input */
                walk(w, op->inputs[i], side);
        }
        way->n = 0;
        if (op->kind == WR_OP_JOIN && op->input)
            join_key(w, op, way);
    }
}

bool wr_ways_of(struct wr_arena *arena, enum wr_table table, const struct wr_op *root, const struct wr_sub *subs,
                uint32_t nsubs, struct wr_way **ret)
{
    struct walk w = {.arena = arena, .table = table};
    struct wr_way *way = wr_arena_alloc(arena, sizeof *way);
    if (!way)
        return false;
    walk(&w, root, way);
    for (uint32_t i = 0; i < nsubs; i++) {
        way->n = 0;
        walk(&w, subs[i].root, way);
    }
    *ret = w.every ? NULL : w.found;
    return !w.failed;
}
