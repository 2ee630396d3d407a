/* Drops what nothing reads: columns of extend and project, aggregates, columns of tables. What is
 * left of a table's columns becomes scan->wanted (scans.c). Expressions are copied, never changed:
 * others may share them. */
#include "rules/plan/apply.h"
#include "rules/plan/bind.h"

#include <string.h>

/* Where an operator's columns went: new number of old column, or WR_NO_COL. */
struct moved {
    uint16_t to[WR_MAX_COLS];
};

/* The rows that a piece is given. */
struct wr_given_rows {
    struct wr_colset read;         /* by the piece */
    const struct moved *moved;     /* NULL: they are as they were */
    const struct wr_schema *schema; /* as moved */
};

void wr_ex_columns(const struct wr_ex *ex, struct wr_colset *set)
{
    if (ex->kind == WR_EX_COL)
        wr_colset_add(set, ex->col);
    for (uint32_t i = 0; i < ex->nargs; i++)
        wr_ex_columns(ex->args[i], set);
}

static struct wr_ex *move_ex(struct wr_binder *b, const struct wr_ex *ex, const struct moved *moved)
{
    struct wr_ex *copy = wr_arena_alloc(b->arena, sizeof *copy);
    if (!copy) {
        wr_bind_nomem(b);
        return NULL;
    }
    *copy = *ex;
    if (ex->kind == WR_EX_COL)
        copy->col = moved->to[ex->col];
    struct wr_ex **args = ex->nargs ? wr_arena_alloc(b->arena, ex->nargs * sizeof *args) : NULL;
    if (ex->nargs && !args)
        return NULL;
    for (uint32_t i = 0; i < ex->nargs; i++) {
        args[i] = move_ex(b, ex->args[i], moved);
        if (!args[i])
            return NULL;
    }
    copy->args = args;
    return copy;
}

static bool prune(struct wr_binder *b, struct wr_op *op, const struct wr_colset *need,
                  struct moved *ret);

static void identity(const struct wr_schema *schema, struct moved *ret)
{
    for (uint16_t i = 0; i < schema->ncols; i++)
        ret->to[i] = i;
}

/* The schema without columns that were dropped; `moved` says where the others go. */
static const struct wr_schema *kept_schema(struct wr_binder *b, const struct wr_schema *old,
                                           const struct moved *moved)
{
    struct wr_schema *schema = wr_arena_alloc(b->arena, sizeof *schema);
    struct wr_coldef *cols = wr_arena_alloc(b->arena, (old->ncols + 1u) * sizeof *cols);
    if (!schema || !cols) {
        wr_bind_nomem(b);
        return NULL;
    }
    *schema = (struct wr_schema){.name = "", .cols = cols};
    for (uint16_t i = 0; i < old->ncols; i++)
        if (moved->to[i] != WR_NO_COL) {
            cols[moved->to[i]] = old->cols[i];
            cols[moved->to[i]].store = moved->to[i];
            schema->ncols++;
        }
    return schema;
}

static bool prune_map(struct wr_binder *b, struct wr_op *op, const struct wr_colset *need,
                      struct moved *ret)
{
    struct wr_colset below = {0};
    struct moved in;
    uint16_t n = 0;
    for (uint16_t i = 0; i < op->schema->ncols; i++) {
        ret->to[i] = wr_colset_has(need, i) ? n++ : (uint16_t)WR_NO_COL;
        if (ret->to[i] != WR_NO_COL)
            wr_ex_columns(op->cols[i], &below);
    }
    struct wr_ex **cols = wr_arena_alloc(b->arena, (n + 1u) * sizeof *cols);
    if (!cols || !prune(b, op->input, &below, &in))
        return cols != NULL ? false : wr_bind_nomem(b);
    for (uint16_t i = 0; i < op->schema->ncols; i++)
        if (ret->to[i] != WR_NO_COL) {
            cols[ret->to[i]] = move_ex(b, op->cols[i], &in);
            if (!cols[ret->to[i]])
                return false;
        }
    op->schema = kept_schema(b, op->schema, ret);
    op->cols = cols;
    return op->schema != NULL;
}

/* Keys stay, they make the groups; an aggregate that nothing reads goes. */
static bool prune_summarize(struct wr_binder *b, struct wr_op *op, const struct wr_colset *need,
                            struct moved *ret)
{
    struct wr_colset below = {0};
    struct moved in;
    uint32_t naggs = 0;
    struct wr_agg_call *aggs = wr_arena_alloc(b->arena, (op->naggs + 1) * sizeof *aggs);
    struct wr_ex **keys = wr_arena_alloc(b->arena, (op->nkeys + 1) * sizeof *keys);
    if (!aggs || !keys)
        return wr_bind_nomem(b);
    for (uint32_t i = 0; i < op->nkeys; i++) {
        ret->to[i] = (uint16_t)i;
        wr_ex_columns(op->cols[i], &below);
    }
    for (uint32_t i = 0; i < op->naggs; i++) {
        bool keep = wr_colset_has(need, (uint16_t)(op->nkeys + i));
        ret->to[op->nkeys + i] = keep ? (uint16_t)(op->nkeys + naggs) : (uint16_t)WR_NO_COL;
        if (!keep)
            continue;
        aggs[naggs++] = op->aggs[i];
        for (uint32_t a = 0; a < op->aggs[i].nargs; a++)
            wr_ex_columns(op->aggs[i].args[a], &below);
    }
    if (!prune(b, op->input, &below, &in))
        return false;
    for (uint32_t i = 0; i < op->nkeys; i++)
        if (!(keys[i] = move_ex(b, op->cols[i], &in)))
            return false;
    for (uint32_t i = 0; i < naggs; i++) {
        struct wr_ex **args = wr_arena_alloc(b->arena, (aggs[i].nargs + 1) * sizeof *args);
        if (!args)
            return wr_bind_nomem(b);
        for (uint32_t a = 0; a < aggs[i].nargs; a++)
            if (!(args[a] = move_ex(b, aggs[i].args[a], &in)))
                return false;
        aggs[i].args = args;
    }
    op->schema = kept_schema(b, op->schema, ret);
    op->cols = keys;
    op->aggs = aggs;
    op->naggs = naggs;
    return op->schema != NULL;
}

static bool prune_union(struct wr_binder *b, struct wr_op *op, const struct wr_colset *need,
                        struct moved *ret)
{
    for (uint32_t i = 0; i < op->ninputs;
         i++) /* each leg is a MAP of the same columns: all move alike */
        if (!prune(b, op->inputs[i], need, ret))
            return false;
    op->schema = op->inputs[0]->schema;
    return true;
}

/* A hidden column a call, behind what is left of the input's; a call may read those before it. */
static bool prune_serial(struct wr_binder *b, struct wr_op *op, const struct wr_colset *need,
                         struct moved *ret)
{
    struct wr_colset read = *need, below = {0};
    struct wr_ex **cols = wr_arena_alloc(b->arena, (op->nkeys + 1) * sizeof *cols);
    uint16_t nin = op->input->schema->ncols, nout = op->schema->ncols;
    for (uint32_t i = 0; i < op->nkeys; i++)
        wr_ex_columns(op->cols[i], &read);
    for (uint16_t i = 0; i < nin; i++)
        if (wr_colset_has(&read, i))
            wr_colset_add(&below, i);
    if (!cols || !prune(b, op->input, &below, ret))
        return cols != NULL ? false : wr_bind_nomem(b);
    for (uint16_t i = nin; i < nout; i++)
        ret->to[i] = (uint16_t)(op->input->schema->ncols + i - nin);
    for (uint32_t i = 0; i < op->nkeys; i++)
        if (!(cols[i] = move_ex(b, op->cols[i], ret)))
            return false;
    op->schema = kept_schema(b, op->schema, ret);
    op->cols = cols;
    return op->schema != NULL;
}

static struct wr_colset all_of(const struct wr_schema *schema)
{
    struct wr_colset all = {0};
    for (uint16_t i = 0; i < schema->ncols; i++)
        wr_colset_add(&all, i);
    return all;
}

/* Over a piece that was pruned, but for the rows that it is given: `read` of their columns. */
static bool prune_piece(struct wr_binder *b, struct wr_op *piece, struct wr_given_rows *given, struct moved *ret)
{
    struct wr_given_rows *outer = b->given_rows;
    struct wr_colset own = all_of(piece->schema);
    b->given_rows = given;
    bool ok = prune(b, piece, &own, ret);
    b->given_rows = outer;
    return ok;
}

/* The mv-expand whose rows the piece of a mv-apply is given, over what is left of its input; it leaves out what the piece does
 * not read. */
static struct wr_op *apply_expand(struct wr_binder *b, const struct wr_op *old, uint16_t nin, struct wr_op *input,
                                  const struct wr_colset *read, const struct moved *in, struct moved *ret)
{
    struct wr_op *op = wr_arena_alloc(b->arena, sizeof *op);
    struct wr_ex **keys = wr_arena_alloc(b->arena, (old->nkeys + 1) * sizeof *keys);
    if (!op || !keys) {
        wr_bind_nomem(b);
        return NULL;
    }
    *op = *old;
    op->input = input;
    op->cols = keys;
    op->expanded = (struct wr_colset){0};
    for (uint32_t k = 0; k < old->nkeys; k++)
        if (!(keys[k] = move_ex(b, old->cols[k], in)))
            return NULL;
    for (uint16_t i = 0; i < old->schema->ncols; i++) {
        ret->to[i] = i < nin ? in->to[i] : input->schema->ncols;
        if (i < nin && in->to[i] != WR_NO_COL && (wr_colset_has(&old->expanded, i) || !wr_colset_has(read, i)))
            wr_colset_add(&op->expanded, in->to[i]);
    }
    op->schema = kept_schema(b, old->schema, ret);
    return op->schema ? op : NULL;
}

/* mv-apply: of the outer row what the result or the piece reads. The piece gives all of its own columns, and partition sees
 * and gives all. */
static bool prune_apply(struct wr_binder *b, struct wr_op *op, const struct wr_colset *need, struct moved *ret)
{
    const struct wr_apply *old = op->data;
    struct wr_apply *spec = wr_arena_alloc(b->arena, sizeof *spec);
    uint16_t *from = wr_arena_alloc(b->arena, (WR_MAX_COLS + 1) * sizeof *from);
    struct moved in, own, given;
    struct wr_colset below = all_of(op->input->schema);
    struct wr_given_rows rows = {0};
    if (!spec || !from)
        return wr_bind_nomem(b);
    if (!old->expand) {
        identity(op->schema, ret);
        return prune(b, op->input, &below, &in) && prune_piece(b, op->inputs[0], &rows, &own);
    }
    if (!prune_piece(b, op->inputs[0], &rows, &own))
        return false;
    const struct wr_op *expand = old->expand;
    uint16_t nin = op->input->schema->ncols, n = 0;
    below = (struct wr_colset){0};
    for (uint16_t i = 0; i < nin; i++)
        if (wr_colset_has(&rows.read, i) || wr_colset_has(&expand->expanded, i))
            wr_colset_add(&below, i);
    for (uint16_t c = 0; c < op->schema->ncols; c++)
        if (old->from[c] < WR_MAX_COLS && wr_colset_has(need, c))
            wr_colset_add(&below, old->from[c]);
    struct wr_op *copy = NULL;
    if (!prune(b, op->input, &below, &in) || !(copy = apply_expand(b, expand, nin, op->input, &rows.read, &in, &given)))
        return false;
    *spec = *old;
    spec->expand = copy;
    spec->given = copy->schema;
    spec->from = from;
    rows.moved = &given;
    rows.schema = copy->schema;
    if (!prune_piece(b, op->inputs[0], &rows, &own))
        return false;
    for (uint16_t c = 0; c < op->schema->ncols; c++) {
        bool outer = old->from[c] < WR_MAX_COLS;
        ret->to[c] = !outer || wr_colset_has(need, c) ? n++ : (uint16_t)WR_NO_COL;
        if (ret->to[c] != WR_NO_COL)
            from[ret->to[c]] = outer ? in.to[old->from[c]] : (uint16_t)(WR_MAX_COLS + own.to[old->from[c] - WR_MAX_COLS]);
    }
    op->data = spec;
    op->schema = kept_schema(b, op->schema, ret);
    return op->schema != NULL;
}

/* New columns stay, behind what is left of the input's. */
static bool prune_parse(struct wr_binder *b, struct wr_op *op, const struct wr_colset *need,
                        struct moved *ret)
{
    struct wr_colset below = {0};
    struct wr_ex **cols = wr_arena_alloc(b->arena, sizeof *cols);
    uint16_t nin = op->input->schema->ncols;
    for (uint16_t i = 0; i < nin; i++)
        if (wr_colset_has(need, i))
            wr_colset_add(&below, i);
    wr_ex_columns(op->cols[0], &below);
    if (!cols || !prune(b, op->input, &below, ret) || !(cols[0] = move_ex(b, op->cols[0], ret)))
        return cols != NULL ? false : wr_bind_nomem(b);
    for (uint16_t i = nin; i < op->schema->ncols; i++)
        ret->to[i] = (uint16_t)(op->input->schema->ncols + i - nin);
    op->schema = kept_schema(b, op->schema, ret);
    op->cols = cols;
    return op->schema != NULL;
}

/* All columns stay of what runs over whole rows. */
static bool prune_whole(struct wr_binder *b, struct wr_op *op, struct moved *ret)
{
    struct wr_colset all = all_of(op->input->schema);
    struct moved in;
    identity(op->schema, ret);
    return prune(b, op->input, &all, &in);
}

/* What is taken apart stays, it makes the rows; the item's number stands behind what is left of the input's. */
static bool prune_expand(struct wr_binder *b, struct wr_op *op, const struct wr_colset *need, struct moved *ret)
{
    struct wr_colset below = {0}, expanded = {0};
    struct wr_ex **keys = wr_arena_alloc(b->arena, (op->nkeys + 1) * sizeof *keys);
    uint16_t nin = op->input->schema->ncols;
    for (uint16_t i = 0; i < nin; i++)
        if (wr_colset_has(need, i) || wr_colset_has(&op->expanded, i))
            wr_colset_add(&below, i);
    if (!keys || !prune(b, op->input, &below, ret))
        return keys != NULL ? false : wr_bind_nomem(b);
    for (uint32_t k = 0; k < op->nkeys; k++) {
        if (!(keys[k] = move_ex(b, op->cols[k], ret)))
            return false;
        wr_colset_add(&expanded, keys[k]->col);
    }
    for (uint16_t i = nin; i < op->schema->ncols; i++)
        ret->to[i] = (uint16_t)(op->input->schema->ncols + i - nin);
    op->schema = kept_schema(b, op->schema, ret);
    op->cols = keys;
    op->expanded = expanded;
    return op->schema != NULL;
}

/* The rows of a piece: which columns it reads; later where those went. */
static bool prune_given(struct wr_binder *b, struct wr_op *op, const struct wr_colset *need, struct moved *ret)
{
    struct wr_given_rows *rows = b->given_rows;
    identity(op->schema, ret);
    if (!rows->moved) {
        rows->read = *need;
        return true;
    }
    *ret = *rows->moved;
    op->schema = rows->schema;
    return true;
}

/* A side's part of what is needed, and its keys. */
static bool prune_side(struct wr_binder *b, struct wr_op *op, uint32_t side, uint16_t from,
                       const struct wr_colset *need, struct moved *ret)
{
    struct wr_colset below = {0};
    for (uint16_t i = 0; i < op->inputs[side]->schema->ncols; i++)
        if (from + i < op->schema->ncols && wr_colset_has(need, (uint16_t)(from + i)))
            wr_colset_add(&below, i);
    for (uint32_t k = 0; k < op->nkeys; k++)
        wr_ex_columns(op->cols[side * op->nkeys + k], &below);
    return prune(b, op->inputs[side], &below, ret);
}

static bool prune_join(struct wr_binder *b, struct wr_op *op, const struct wr_colset *need,
                       struct moved *ret)
{
    struct moved side[2];
    uint16_t nleft = op->inputs[0]->schema->ncols, ncols = op->schema->ncols;
    struct wr_ex **keys = wr_arena_alloc(b->arena, (2 * op->nkeys + 1) * sizeof *keys);
    if (!keys)
        return wr_bind_nomem(b);
    /* Of a semi join's right side only the keys are read: WR_MAX_COLS is past every column. */
    if (!prune_side(b, op, 0, 0, need, &side[0]) ||
        !prune_side(b, op, 1, ncols > nleft ? nleft : (uint16_t)WR_MAX_COLS, need, &side[1]))
        return false;
    for (uint32_t k = 0; k < 2 * op->nkeys; k++)
        if (!(keys[k] = move_ex(b, op->cols[k], &side[k >= op->nkeys])))
            return false;
    uint16_t kept_left = op->inputs[0]->schema->ncols;
    for (uint16_t i = 0; i < ncols; i++) {
        uint16_t to = i < nleft ? side[0].to[i] : side[1].to[i - nleft];
        ret->to[i] = to == WR_NO_COL || i < nleft ? to : (uint16_t)(kept_left + to);
    }
    op->cols = keys;
    op->schema = kept_schema(b, op->schema, ret);
    return op->schema != NULL;
}

/* where, sort, take: what they read is needed too, and columns keep their meaning. */
static bool prune_filter(struct wr_binder *b, struct wr_op *op, const struct wr_colset *need,
                         struct moved *ret)
{
    struct wr_colset below = *need;
    if (op->pred)
        wr_ex_columns(op->pred, &below);
    for (uint32_t i = 0; i < op->nsort; i++)
        wr_ex_columns(op->keys[i].ex, &below);
    if (!prune(b, op->input, &below, ret))
        return false;
    op->schema = op->input->schema;
    if (op->pred && !(op->pred = move_ex(b, op->pred, ret)))
        return false;
    struct wr_sort_key *keys = wr_arena_alloc(b->arena, (op->nsort + 1) * sizeof *keys);
    if (!keys)
        return wr_bind_nomem(b);
    for (uint32_t i = 0; i < op->nsort; i++) {
        keys[i] = op->keys[i];
        if (!(keys[i].ex = move_ex(b, op->keys[i].ex, ret)))
            return false;
    }
    op->keys = keys;
    return true;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as operators stand, which wr_op_new bounds */
static bool prune(struct wr_binder *b, struct wr_op *op, const struct wr_colset *need,
                  struct moved *ret)
{
    switch (op->kind) {
    case WR_OP_MAP:
        return prune_map(b, op, need, ret);
    case WR_OP_SUMMARIZE:
        return prune_summarize(b, op, need, ret);
    case WR_OP_UNION:
        return prune_union(b, op, need, ret);
    case WR_OP_PARSE:
        return prune_parse(b, op, need, ret);
    case WR_OP_SERIAL:
        return prune_serial(b, op, need, ret);
    case WR_OP_APPLY:
        return prune_apply(b, op, need, ret);
    case WR_OP_EXPAND:
        return prune_expand(b, op, need, ret);
    case WR_OP_WHOLE:
        return prune_whole(b, op, ret);
    case WR_OP_JOIN:
        return prune_join(b, op, need, ret);
    case WR_OP_SCAN: {
        struct wr_scan *scan = &b->plan->scans[op->table];
        for (size_t i = 0; i < sizeof need->bits / sizeof *need->bits; i++)
            scan->wanted.bits[i] |= need->bits[i];
        identity(op->schema, ret);
        return true;
    }
    case WR_OP_GIVEN:
        return prune_given(b, op, need, ret);
    case WR_OP_ROWS:
    case WR_OP_RANGE:
    case WR_OP_EXTERNAL:
        identity(op->schema, ret);
        return true;
    default:
        return prune_filter(b, op, need, ret);
    }
}

bool wr_plan_prune(struct wr_binder *b)
{
    struct wr_colset all = {0}, first = {{1}};
    struct moved moved;
    for (uint16_t i = 0; i < b->plan->root->schema->ncols; i++)
        wr_colset_add(&all, i);
    for (uint32_t i = 0; i < b->plan->nsubs; i++)
        if (!prune(b, b->plan->subs[i].root, &first, &moved))
            return false;
    return prune(b, b->plan->root, &all, &moved);
}
