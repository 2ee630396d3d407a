#include "rules/share/prefix.h"

#include "rules/fn/kernel.h"
#include "rules/share/valueset.h"

#include <stdlib.h>

enum { ARENA = 16 * 1024, MAX_VALUES = 1024, NONE = UINT32_MAX };

/* A filter below its parent's; the first node of a group is none. */
struct node {
    uint32_t parent, nrules;
    const struct wr_ex *pred; /* over columns of the group */
    bool done;                /* of the batch at hand */
    struct wr_sel sel;
};

/* A computed column of the group, behind those of the table. */
struct value {
    uint32_t node, nrules, last; /* last: rule that was counted */
    const struct wr_ex *ex;
    bool done;
};

struct group {
    uint32_t *rule;
    uint32_t n;
    struct node *node;
    struct value *value;
    uint32_t nnodes, nvalues;
    struct wr_colset wanted;
    struct wr_vec *few_cols;
    /* The batch at hand. */
    struct wr_eval *ev;
    const struct wr_batch *batch;
    struct wr_batch few;
    struct wr_vec *cols;
};

/* Where a rule goes on. */
struct member {
    struct group *group; /* NULL: it shares nothing */
    uint32_t node, at;
    uint16_t *map; /* the group's column of each of its own; NULL: the table's, all of them */
    uint32_t ncols;
};

struct wr_prefixes {
    enum wr_table table;
    struct wr_arena *arena; /* of expressions and maps */
    struct group **group;
    struct member *member; /* one a rule */
    uint32_t ngroups, n;
};

/* ---- the same or not
 * ------------------------------------------------------------------------------------ */

static bool same_value(const struct wr_value *a, const struct wr_value *b)
{
    if (a->type != b->type || a->null != b->null)
        return false;
    return a->null ||
           (a->i == b->i && memcmp(&a->r, &b->r, sizeof a->r) == 0 && wr_str_eq(&a->s, &b->s));
}

/* NOLINTNEXTLINE(misc-no-recursion): the binder bounds the depth */
static bool same_ex(const struct wr_ex *a, const struct wr_ex *b)
{
    if (a->kind != b->kind || a->type != b->type || a->fn != b->fn || a->nargs != b->nargs ||
        a->per_run != b->per_run)
        return false;
    if (a->kind == WR_EX_COL)
        return a->col == b->col;
    if (a->kind == WR_EX_CONST)
        return same_value(&a->value, &b->value);
    for (uint32_t i = 0; i < a->nargs; i++)
        if (!same_ex(a->args[i], b->args[i]))
            return false;
    return true;
}

/* The same for every rule and row at one time. NOLINTNEXTLINE(misc-no-recursion): as same_ex */
static bool may_share(const struct wr_ex *ex)
{
    bool may = ex->kind != WR_EX_SUB && !ex->list &&
               !(ex->kind == WR_EX_CALL && ex->fn->flags & WR_FN_NO_FOLD);
    for (uint32_t i = 0; may && i < ex->nargs; i++)
        may = may_share(ex->args[i]);
    return may;
}

static bool same_want(const struct wr_want *a, const struct wr_want *b)
{
    if (a->col != b->col || a->kind != b->kind || a->n != b->n)
        return false;
    for (uint32_t i = 0; i < a->n; i++)
        if (!same_value(&a->values[i]->value, &b->values[i]->value))
            return false;
    return true;
}

static bool same_way(const struct wr_way *a, const struct wr_way *b)
{
    if (a->n != b->n)
        return false;
    for (uint32_t k = 0; k < a->n; k++) {
        if (a->must[k].n != b->must[k].n)
            return false;
        for (uint32_t i = 0; i < a->must[k].n; i++)
            if (!same_want(&a->must[k].any[i], &b->must[k].any[i]))
                return false;
    }
    return true;
}

/* Woken by the same rows. */
static bool same_ways(const struct wr_way *a, const struct wr_way *b)
{
    for (; a && b; a = a->next, b = b->next)
        if (!same_way(a, b))
            return false;
    return !a && !b;
}

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 29;
}

/* Equal for what is the same: so that few of thousands of rules are compared. */
static uint64_t hash_ways(const struct wr_way *way)
{
    uint64_t h = 0;
    for (; way; way = way->next) {
        h = mix(h, way->n);
        for (uint32_t k = 0; k < way->n; k++)
            for (uint32_t i = 0; i < way->must[k].n; i++) {
                const struct wr_want *want = &way->must[k].any[i];
                h = mix(h, (uint64_t)want->col << 32 | (uint64_t)want->kind << 24 | want->n);
                for (uint32_t v = 0; v < want->n; v++) {
                    const struct wr_value *value = &want->values[v]->value;
                    h = mix(h, (uint64_t)value->i);
                    h = mix(h, wr_value_hash_text(&value->s));
                }
            }
    }
    return h;
}

/* ---- the tree of a group
 * -------------------------------------------------------------------------------- */

/* A rule on its way through the tree: what its columns are so far. */
struct walk {
    struct wr_prefixes *p;
    struct group *g;
    uint32_t rule, node;
    bool adds; /* else: what is there is only looked up */
    bool failed;
    uint32_t ncols;
    uint16_t map[WR_MAX_COLS];
};

/* The expression over columns of the group. NOLINTNEXTLINE(misc-no-recursion): as same_ex */
static const struct wr_ex *over_group(struct walk *w, const struct wr_ex *ex)
{
    struct wr_ex *copy = wr_arena_alloc(w->p->arena, sizeof *copy);
    struct wr_ex **args =
        copy && ex->nargs ? wr_arena_alloc(w->p->arena, ex->nargs * sizeof(struct wr_ex *)) : NULL;
    w->failed |= !copy || (ex->nargs && !args);
    if (w->failed)
        return NULL;
    *copy = *ex;
    if (ex->kind == WR_EX_COL)
        copy->col = w->map[ex->col];
    for (uint32_t i = 0; i < ex->nargs && !w->failed; i++)
        args[i] = (struct wr_ex *)over_group(w, ex->args[i]);
    copy->args = args;
    return w->failed ? NULL : copy;
}

static bool stands_over(const struct group *g, uint32_t above, uint32_t node)
{
    while (node != above && node != NONE)
        node = g->node[node].parent;
    return node == above;
}

/* The filter below the node at hand; NONE: there is none, or no memory. */
static uint32_t child(struct walk *w, const struct wr_ex *pred)
{
    struct group *g = w->g;
    for (uint32_t i = 1; i < g->nnodes; i++)
        if (g->node[i].parent == w->node && same_ex(g->node[i].pred, pred))
            return i;
    if (!w->adds)
        return NONE;
    struct node *list = realloc(g->node, (g->nnodes + 1) * sizeof *list);
    w->failed |= !list;
    if (!list)
        return NONE;
    g->node = list;
    list[g->nnodes] = (struct node){.parent = w->node, .pred = pred};
    return g->nnodes++;
}

/* The value, as it stands at the node at hand or before it; NONE as above. */
static uint32_t value_of(struct walk *w, const struct wr_ex *ex)
{
    struct group *g = w->g;
    for (uint32_t i = 0; i < g->nvalues; i++)
        if (stands_over(g, g->value[i].node, w->node) && same_ex(g->value[i].ex, ex))
            return i;
    if (!w->adds || g->nvalues == MAX_VALUES)
        return NONE;
    struct value *list = realloc(g->value, (g->nvalues + 1) * sizeof *list);
    w->failed |= !list;
    if (!list)
        return NONE;
    g->value = list;
    list[g->nvalues] = (struct value){.node = w->node, .last = NONE, .ex = ex};
    return g->nvalues++;
}

/* The conjuncts of a filter, one node below the other, as far as several rules have them. False:
 * not all of them. NOLINTNEXTLINE(misc-no-recursion): as same_ex */
static bool filter(struct walk *w, const struct wr_ex *pred)
{
    if (pred->kind == WR_EX_CALL && strcmp(pred->fn->name, "and") == 0) {
        for (uint32_t a = 0; a < pred->nargs; a++)
            if (!filter(w, pred->args[a]))
                return false;
        return true;
    }
    const struct wr_ex *ex = may_share(pred) ? over_group(w, pred) : NULL;
    uint32_t node = ex ? child(w, ex) : NONE;
    if (node == NONE || (!w->adds && w->g->node[node].nrules < 2))
        return false;
    w->g->node[node].nrules += w->adds;
    w->node = node;
    return true;
}

/* False: a column is none that can be shared. *ret_shared: one of them is. */
static bool columns(struct walk *w, const struct wr_op *map, bool *ret_shared)
{
    uint16_t to[WR_MAX_COLS];
    uint16_t table_cols = wr_schema_of(w->p->table)->ncols;
    if (map->schema->ncols > WR_MAX_COLS)
        return false;
    for (uint16_t c = 0; c < map->schema->ncols; c++) {
        const struct wr_ex *ex = map->cols[c];
        if (ex->kind == WR_EX_COL) {
            to[c] = w->map[ex->col];
            continue;
        }
        ex = may_share(ex) ? over_group(w, ex) : NULL;
        uint32_t v = ex ? value_of(w, ex) : NONE;
        if (v == NONE)
            return false;
        struct value *value = &w->g->value[v];
        value->nrules += w->adds && value->last != w->rule;
        value->last = w->adds ? w->rule : value->last;
        *ret_shared |= value->nrules > 1;
        to[c] = (uint16_t)(table_cols + v);
    }
    w->ncols = map->schema->ncols;
    memcpy(w->map, to, w->ncols * sizeof *to);
    return true;
}

static void walk_begin(struct walk *w, struct wr_prefixes *p, struct group *g, uint32_t rule,
                       bool adds)
{
    *w = (struct walk){
        .p = p, .g = g, .rule = rule, .adds = adds, .ncols = wr_schema_of(p->table)->ncols};
    for (uint16_t c = 0; c < w->ncols; c++)
        w->map[c] = c;
}

/* Adds what the rule begins with. False when out of memory. */
static bool insert(struct wr_prefixes *p, struct group *g, uint32_t rule,
                   const struct wr_prefix_rule *r)
{
    struct walk w;
    bool shared = false, more = true;
    walk_begin(&w, p, g, rule, true);
    for (uint32_t i = 0; i < r->nops && more && !w.failed; i++)
        more = r->ops[i]->kind == WR_OP_WHERE
                   ? filter(&w, r->ops[i]->pred)
                   : r->ops[i]->kind == WR_OP_MAP && columns(&w, r->ops[i], &shared);
    return !w.failed;
}

/* Where the rule leaves the others, from there on its own. False when out of memory. */
static bool place(struct wr_prefixes *p, struct group *g, uint32_t rule,
                  const struct wr_prefix_rule *r)
{
    struct walk w;
    struct member m = {.group = NULL};
    bool more = true, mapped = false;
    walk_begin(&w, p, g, rule, false);
    for (uint32_t i = 0; i < r->nops && more && !w.failed; i++) {
        uint32_t node = w.node;
        bool shared = false;
        if (r->ops[i]->kind == WR_OP_WHERE) {
            more = filter(&w, r->ops[i]->pred);
            shared = w.node != node;
        } else {
            more = r->ops[i]->kind == WR_OP_MAP && columns(&w, r->ops[i], &shared);
            mapped = true;
            shared = shared && more;
        }
        if (!shared)
            continue;
        m = (struct member){.group = g, .node = w.node, .at = i + more, .ncols = w.ncols};
        if (!mapped)
            continue;
        m.map = wr_arena_alloc(p->arena, (w.ncols + 1) * sizeof *m.map);
        if (!m.map)
            return false;
        memcpy(m.map, w.map, w.ncols * sizeof *m.map);
    }
    p->member[rule] = m;
    return !w.failed;
}

static void group_free(struct group *g)
{
    if (!g)
        return;
    free(g->rule);
    free(g->node);
    free(g->value);
    free(g->few_cols);
    free(g);
}

/* The rules of these that share something. False when out of memory. */
static bool make_group(struct wr_prefixes *p, const struct wr_prefix_rule *rules,
                       const uint32_t *rule, uint32_t n)
{
    struct group *g = calloc(1, sizeof *g);
    struct group **list = g ? realloc(p->group, (p->ngroups + 1) * sizeof(struct group *)) : NULL;
    if (!list) {
        free(g);
        return false;
    }
    p->group = list;
    list[p->ngroups++] = g;
    g->rule = malloc(n * sizeof *g->rule);
    g->node = calloc(1, sizeof *g->node);
    g->few_cols = calloc(wr_schema_of(p->table)->ncols + 1u, sizeof *g->few_cols);
    if (!g->rule || !g->node || !g->few_cols)
        return false;
    g->nnodes = 1;
    g->node[0].parent = NONE;
    for (uint32_t i = 0; i < n; i++)
        if (!insert(p, g, rule[i], &rules[rule[i]]))
            return false;
    for (uint32_t i = 0; i < n; i++) {
        if (!place(p, g, rule[i], &rules[rule[i]]))
            return false;
        if (!p->member[rule[i]].group)
            continue;
        g->rule[g->n++] = rule[i];
        for (size_t b = 0; b < sizeof g->wanted.bits / sizeof *g->wanted.bits; b++)
            g->wanted.bits[b] |= rules[rule[i]].wanted->bits[b];
    }
    if (g->n == 1)
        p->member[g->rule[0]].group = NULL; /* the others left before it */
    if (g->n < 2) {
        group_free(g);
        p->ngroups--;
    }
    return true;
}

/* Rules that are woken by the same rows, each set of them once. */
static bool make_groups(struct wr_prefixes *p, const struct wr_prefix_rule *rules,
                        struct wr_way **way, uint32_t *same, uint64_t *hash)
{
    enum { TAKEN = 0 }; /* no hash is this one */
    bool ok = true;
    for (uint32_t i = 0; i < p->n; i++)
        hash[i] = rules[i].top ? hash_ways(way[i]) | 1 : TAKEN;
    for (uint32_t i = 0; i < p->n && ok; i++) {
        uint64_t h = hash[i];
        uint32_t n = 0;
        for (uint32_t k = i; k < p->n && h != TAKEN; k++)
            if (hash[k] == h && (k == i || same_ways(way[i], way[k])))
                same[n++] = k;
        for (uint32_t k = 0; k < n; k++)
            hash[same[k]] = TAKEN;
        ok = n < 2 || make_group(p, rules, same, n);
    }
    return ok;
}

struct wr_prefixes *wr_prefixes_new(enum wr_table table, const struct wr_prefix_rule *rules,
                                    uint32_t n)
{
    struct wr_prefixes *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    *p = (struct wr_prefixes){.table = table, .n = n, .arena = wr_arena_new(ARENA)};
    p->member = calloc(n + 1u, sizeof *p->member);
    struct wr_arena *ways = wr_arena_new(ARENA);
    struct wr_way **way = calloc(n + 1u, sizeof(struct wr_way *));
    uint32_t *same = calloc(n + 1u, sizeof *same);
    uint64_t *hash = calloc(n + 1u, sizeof *hash);
    bool ok = p->arena && p->member && ways && way && same && hash;
    for (uint32_t i = 0; i < n && ok; i++)
        ok = !rules[i].top || wr_ways_of(ways, table, rules[i].top, NULL, 0, &way[i]);
    ok = ok && make_groups(p, rules, way, same, hash);
    wr_arena_free(ways);
    free(hash);
    free(way);
    free(same);
    if (ok)
        return p;
    wr_prefixes_free(p);
    return NULL;
}

void wr_prefixes_free(struct wr_prefixes *prefixes)
{
    if (!prefixes)
        return;
    for (uint32_t i = 0; i < prefixes->ngroups; i++)
        group_free(prefixes->group[i]);
    free(prefixes->group);
    free(prefixes->member);
    wr_arena_free(prefixes->arena);
    free(prefixes);
}

const uint32_t *wr_prefixes_group(const struct wr_prefixes *prefixes, uint32_t rule,
                                  uint32_t *ret_n)
{
    const struct group *g = prefixes->member[rule].group;
    *ret_n = g && g->rule[0] == rule ? g->n : 0;
    return *ret_n ? g->rule : NULL;
}

bool wr_prefixes_follows(const struct wr_prefixes *prefixes, uint32_t rule)
{
    const struct group *g = prefixes->member[rule].group;
    return g && g->rule[0] != rule;
}

uint32_t wr_prefixes_shared(const struct wr_prefixes *prefixes)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < prefixes->ngroups; i++) {
        const struct group *g = prefixes->group[i];
        for (uint32_t k = 1; k < g->nnodes; k++)
            n += g->node[k].nrules > 1;
        for (uint32_t k = 0; k < g->nvalues; k++)
            n += g->value[k].nrules > 1;
    }
    return n;
}

/* ---- a batch
 * -------------------------------------------------------------------------------------------- */

bool wr_prefixes_may(const struct wr_prefixes *prefixes, const struct wr_batch *batch,
                     const struct wr_sel *rows)
{
    const struct wr_amends *amends = wr_table_amends(prefixes->table);
    const struct wr_vec *v = amends ? &batch->col[amends->amend] : NULL;
    int64_t any = 0;
    if (v && v->i)
        WR_EACH(rows, row)
    any |= v->i[row];
    return !any;
}

bool wr_prefixes_begin(struct wr_prefixes *prefixes, uint32_t first, const struct wr_batch *batch,
                       const struct wr_sel *rows, struct wr_eval *ev)
{
    struct group *g = prefixes->member[first].group;
    uint16_t ncols = batch->schema->ncols;
    g->ev = ev;
    g->batch = batch;
    g->node[0].sel = *rows;
    ev->nrows = batch->nrows;
    if (rows->n < batch->nrows / 4) {
        if (!wr_gather(ev, batch, &g->wanted, rows, g->few_cols, &g->few))
            return false;
        g->batch = &g->few;
        g->node[0].sel = g->few.sel;
    }
    g->cols = wr_arena_alloc(ev->arena, (ncols + g->nvalues + 1u) * sizeof *g->cols);
    if (!g->cols)
        return false;
    memcpy(g->cols, g->batch->col, ncols * sizeof *g->cols);
    for (uint32_t i = 0; i < g->nnodes; i++)
        g->node[i].done = i == 0;
    for (uint32_t i = 0; i < g->nvalues; i++)
        g->value[i].done = false;
    return true;
}

static bool compute(struct wr_prefixes *p, struct group *g, uint32_t v);

/* Values that the expression reads. NOLINTNEXTLINE(misc-no-recursion): as same_ex */
static bool compute_read(struct wr_prefixes *p, struct group *g, const struct wr_ex *ex)
{
    uint16_t ncols = wr_schema_of(p->table)->ncols;
    if (ex->kind == WR_EX_COL)
        return ex->col < ncols || compute(p, g, ex->col - ncols);
    for (uint32_t i = 0; i < ex->nargs; i++)
        if (!compute_read(p, g, ex->args[i]))
            return false;
    return true;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as filters stand */
static bool narrow(struct wr_prefixes *p, struct group *g, uint32_t n)
{
    struct node *node = &g->node[n];
    if (node->done)
        return true;
    if (!narrow(p, g, node->parent))
        return false;
    const struct wr_sel *above = &g->node[node->parent].sel;
    node->sel = (struct wr_sel){
        wr_arena_alloc(g->ev->arena, (above->n + 1) * sizeof *node->sel.row), above->n};
    if (!node->sel.row)
        return false;
    memcpy(node->sel.row, above->row, above->n * sizeof *above->row);
    node->done = true;
    if (!above->n)
        return true;
    if (!compute_read(p, g, node->pred))
        return false;
    wr_ex_filter(g->ev, node->pred, g->cols, &node->sel);
    return !g->ev->err;
}

/* NOLINTNEXTLINE(misc-no-recursion): values are made of those before them */
static bool compute(struct wr_prefixes *p, struct group *g, uint32_t v)
{
    struct value *value = &g->value[v];
    if (value->done)
        return true;
    if (!narrow(p, g, value->node) || !compute_read(p, g, value->ex))
        return false;
    const struct wr_vec *vec = wr_ex_eval(g->ev, value->ex, g->cols, &g->node[value->node].sel);
    if (!vec)
        return false;
    g->cols[wr_schema_of(p->table)->ncols + v] = *vec;
    value->done = true;
    return true;
}

bool wr_prefixes_rows(struct wr_prefixes *prefixes, uint32_t rule, struct wr_prefix_rows *ret)
{
    const struct member *m = &prefixes->member[rule];
    struct group *g = m->group;
    uint16_t ncols = wr_schema_of(prefixes->table)->ncols;
    if (!narrow(prefixes, g, m->node))
        return false;
    *ret = (struct wr_prefix_rows){
        .batch = g->batch, .cols = g->cols, .sel = g->node[m->node].sel, .at = m->at};
    if (!m->map || !ret->sel.n)
        return true;
    struct wr_vec *cols = wr_arena_alloc(g->ev->arena, (m->ncols + 1) * sizeof *cols);
    for (uint32_t c = 0; cols && c < m->ncols; c++) {
        const struct wr_vec *v = &g->cols[m->map[c]];
        if (m->map[c] >= ncols && !compute(prefixes, g, m->map[c] - ncols))
            return false;
        if (!v->i && !v->r && !v->s &&
            !(v = wr_vec_new(g->ev, v->type))) /* nobody filled it: null */
            return false;
        cols[c] = *v;
    }
    ret->cols = cols;
    return cols != NULL;
}
