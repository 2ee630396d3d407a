/* Tables that a query does not name outright: patterns (union Device*, find in (ASim*)) and
 * table('Name'). */
#include "rules/plan/bind.h"
#include "rules/plan/external.h"

#include <string.h>

enum { MAX_MATCHES = 64 };

static struct wr_kql_ex *named(struct wr_binder *b, const char *name, struct wr_span span)
{
    struct wr_kql_ex *ex = wr_arena_alloc(b->arena, sizeof *ex);
    const char *own = wr_arena_strndup(b->arena, name, strlen(name));
    if (!ex || !own) {
        wr_bind_nomem(b);
        return NULL;
    }
    *ex = (struct wr_kql_ex){
        .kind = WR_KQL_NAME, .span = span, .name = {own, (uint32_t)strlen(own), span}};
    return ex;
}

bool wr_is_table_call(const struct wr_binder *b, const struct wr_kql_ex *ast)
{
    return ast->kind == WR_KQL_CALL && !ast->is_op && strcmp(ast->name.text, "table") == 0 &&
           !wr_let_find(b, "table");
}

const struct wr_kql_ex *wr_table_call(struct wr_binder *b, const struct wr_kql_ex *ast)
{
    struct wr_ex *ex = ast->nargs == 1 ? wr_bind_ex(b, ast->args[0]) : NULL;
    if (ex && ex->kind == WR_EX_CONST && ex->type == WR_STRING && ex->value.s.len &&
        ex->value.s.len < 256) {
        char name[256];
        memcpy(name, wr_str_data(&ex->value.s), ex->value.s.len);
        name[ex->value.s.len] = '\0';
        return named(b, name, ast->span);
    }
    if (ex || ast->nargs != 1)
        wr_bind_error(b, ast->span, "table() takes the name of a table, a constant");
    return NULL;
}

struct matches {
    struct wr_binder *b;
    const struct wr_kql_ex *pattern;
    const struct wr_kql_ex **at;
    uint32_t n;
};

static bool try_name(struct matches *m, const char *name)
{
    for (uint32_t i = 0; i < m->n; i++)
        if (strcmp(m->at[i]->name.text, name) == 0)
            return true;
    if (!wr_name_glob(m->pattern->name.text, name))
        return true;
    if (m->n == MAX_MATCHES) {
        wr_bind_error(m->b, m->pattern->span, "more than %d tables match '%s'", MAX_MATCHES,
                      m->pattern->name.text);
        return false;
    }
    return (m->at[m->n++] = named(m->b, name, m->pattern->span)) != NULL;
}

/* Views among the lets, weir's tables, those of the user's own: each once. */
static bool try_all(struct matches *m)
{
    struct wr_binder *b = m->b;
    bool ok = true;
    for (uint32_t i = b->nlets; ok && i-- > 0;)
        if (b->lets[i].ast->view && b->lets[i].kind == WR_LET_FUNCTION)
            ok = try_name(m, b->lets[i].ast->name.text);
    for (int t = 0; ok && t < WR_NTABLES; t++)
        ok = try_name(m, wr_schema_of((enum wr_table)t)->name);
    const struct wr_external *lists = b->env ? b->env->lists : NULL;
    const char *name;
    for (uint32_t i = 0; ok && lists && (name = lists->table(lists, i)) != NULL; i++)
        ok = try_name(m, name);
    return ok;
}

const struct wr_kql_ex *const *wr_tables_of(struct wr_binder *b, const struct wr_kql_ex *ast,
                                            uint32_t *ret_n)
{
    bool pattern = ast->kind == WR_KQL_PATTERN;
    struct matches m = {.b = b,
                        .pattern = ast,
                        .at = wr_arena_alloc(b->arena, (pattern ? MAX_MATCHES : 1) * sizeof *m.at)};
    if (!m.at) {
        wr_bind_nomem(b);
        return NULL;
    }
    *ret_n = m.n = !pattern;
    m.at[0] = wr_is_table_call(b, ast) ? wr_table_call(b, ast) : ast;
    if (!pattern)
        return m.at[0] ? m.at : NULL;
    if (strspn(ast->name.text, "*") == ast->name.len) {
        struct wr_diag *d = wr_bind_error(b, ast->span, "'*' over every table is refused");
        wr_diag_hint(
            b->diags, d,
            "name the tables, or write a pattern such as Device*; Sentinel's rules refuse it too");
        d->page = "docs/kql.md";
        return NULL;
    }
    if (!try_all(&m))
        return NULL;
    if (!m.n)
        wr_bind_error(b, ast->span, "no table matches '%s'", ast->name.text);
    *ret_n = m.n;
    return m.n ? m.at : NULL;
}
