/* Tables that weir has not, by name. */
#include "rules/plan/bind.h"

#include <string.h>

static const struct {
    const char *name, *why;
} tables[] = {
#define MISSING(name, why) {name, why},
#include "rules/plan/missing.def"
#undef MISSING
};

const char *wr_missing_why(const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        size_t len = strlen(tables[i].name);
        bool prefix = tables[i].name[len - 1] == '*';
        if (prefix ? n >= len && strncmp(tables[i].name, name, len - 1) == 0 : strcmp(tables[i].name, name) == 0)
            return tables[i].why;
    }
    if (n > 3 && strcmp(name + n - 3, "_CL") == 0)
        return "a custom log, which weir has only if you name a file for it";
    return NULL;
}

bool wr_bind_missing(struct wr_binder *b, const struct wr_kql_ex *ast)
{
    const char *why = wr_missing_why(ast->name.text);
    struct wr_missing *missing = b->env ? b->env->missing : NULL;
    if (!why)
        return false;
    if (missing && !*missing->table) {
        size_t n = ast->name.len < sizeof missing->table - 1 ? ast->name.len : sizeof missing->table - 1;
        memcpy(missing->table, ast->name.text, n);
        missing->why = why;
        missing->span = b->source == b->main ? ast->span : b->call;
    }
    if (missing)
        return true;
    struct wr_diag *d = wr_bind_error(b, ast->span, "no table '%s' here: %s", ast->name.text, why);
    wr_diag_hint(b->diags, d, "`lists: tables:` in the configuration gives it a file, or `missing: empty`");
    return true;
}

const struct wr_kql_ex *wr_missing_source(const struct wr_binder *b, const struct wr_kql_query *query)
{
    enum wr_table table;
    const struct wr_kql_ex *ex = NULL;
    for (; query && query->ops[0]->kind == WR_KQL_SOURCE; query = ex->query) {
        ex = query->ops[0]->args[0];
        while (ex->kind == WR_KQL_CALL && !ex->is_op && strcmp(ex->name.text, "materialize") == 0 && ex->nargs == 1)
            ex = ex->args[0];
        if (ex->kind != WR_KQL_SUBQUERY)
            break;
    }
    if (!ex || (ex->kind != WR_KQL_NAME && (ex->kind != WR_KQL_CALL || ex->is_op)))
        return NULL;
    const struct wr_let *let = wr_let_find(b, ex->name.text);
    if (let)
        return let->kind == WR_LET_MISSING ? wr_missing_source(b, let->ast->query) : NULL;
    if (wr_table_find(ex->name.text, ex->name.len, &table) || (ex->kind == WR_KQL_NAME && wr_is_list(b, &ex->name)))
        return NULL;
    return wr_missing_why(ex->name.text) ? ex : NULL;
}
