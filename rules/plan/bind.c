/* wr_plan_new: let statements, then the query, then what is made of it. */
#include "rules/plan/bind.h"

#include <string.h>

struct wr_diag *wr_bind_error(struct wr_binder *b, struct wr_span span, const char *fmt, ...)
{
    struct wr_buf text = {0};
    va_list ap;
    va_start(ap, fmt);
    wr_buf_vfmt(&text, fmt, ap);
    va_end(ap);
    struct wr_diag *d = wr_diag_add(b->diags, WR_ERROR, b->source, span, "%.*s", (int)text.len,
                                    text.data ? text.data : "");
    wr_buf_fini(&text);
    return d;
}

bool wr_bind_nomem(struct wr_binder *b)
{
    wr_bind_error(b, (struct wr_span){0, 1}, "%s", wr_strerror(WR_ENOMEM));
    return false;
}

static const struct refused {
    const char *name, *why;
} refused[] = {
#define REFUSED(name, why) {name, why},
#include "rules/plan/operators.def"
#undef REFUSED
};

static const char *const here[] = {
    "where",           "extend",    "project",  "project-away", "project-keep", "project-rename",
    "project-reorder", "summarize", "distinct", "sort",         "order",        "take",
    "limit",           "top",       "count",    "union",        "as",           "render",
    "print",           "range",     "join",     "lookup",       "invoke",
    "mv-expand",       "evaluate",      "parse",        "parse-where",
    "parse-kv",        "mv-apply",  "partition",     "serialize",   "make-series", "top-nested",
    "scan",            "search",    "find",     "sample",       "sample-distinct", "top-hitters",
    "getschema",       "assert-schema", "project-by-names", "consume"};

static const char *nearest_operator(const char *name)
{
    size_t len = strlen(name);
    const char *best = NULL;
    /* Short words: one wrong letter, or a prefix. */
    for (size_t i = 0; i < sizeof here / sizeof *here; i++) {
        size_t n = strlen(here[i]), same = 0;
        while (same < n && same < len && here[i][same] == name[same])
            same++;
        size_t tail = 0;
        while (tail < n - same && tail < len - same &&
               here[i][n - 1 - tail] == name[len - 1 - tail])
            tail++;
        if (same + tail + 1 >= n && same + tail + 2 >= len && same + tail > 1)
            best = here[i];
    }
    return best;
}

void wr_bind_unsupported(struct wr_binder *b, struct wr_span span, const char *what,
                         const char *name)
{
    bool operator = name && strcmp(what, "operator") == 0;
    size_t n = sizeof refused / sizeof *refused, i = 0;
    while (operator && i < n && strcmp(refused[i].name, name) != 0)
        i++;
    const char *near = operator && i == n ? nearest_operator(name) : NULL;
    struct wr_diag *d;
    if (operator && i == n)
        d = wr_bind_error(b, span, "no operator '%s'", name);
    else if (operator)
        d = wr_bind_error(b, span, "operator '%s' is refused: %s", name, refused[i].why);
    else if (name)
        d = wr_bind_error(b, span, "%s '%s' is not supported yet", what, name);
    else
        d = wr_bind_error(b, span, "%s is not supported yet", what);
    if (near)
        wr_diag_hint(b->diags, d, "did you mean '%s'?", near);
    else
        d->page = operator ? "docs/kql.md#refused" : "docs/kql.md";
}

/* ---- let statements ---- */

static bool names_a_table(const struct wr_binder *b, const struct wr_kql_name *name)
{
    enum wr_table table;
    for (uint32_t i = b->nlets; i-- > 0;)
        if (strcmp(b->lets[i].ast->name.text, name->text) == 0)
            return b->lets[i].kind == WR_LET_TABLE;
    return wr_table_find(name->text, name->len, &table) || wr_is_list(b, name);
}

/* A let of one expression is a value unless the expression can only be a table. */
static bool is_table(const struct wr_binder *b, const struct wr_kql_query *q)
{
    if (q->nops > 1 || q->ops[0]->kind != WR_KQL_SOURCE)
        return true;
    const struct wr_kql_ex *ex = q->ops[0]->args[0];
    switch (ex->kind) {
    case WR_KQL_NAME:
        return names_a_table(b, &ex->name);
    case WR_KQL_SUBQUERY:
    case WR_KQL_DATATABLE:
    case WR_KQL_EXTERNAL:
        return true;
    case WR_KQL_CALL:
        return !ex->is_op && (wr_is_table_ex(b, ex) || ex->name.text[0] == '_');
    default:
        return false;
    }
}

void wr_bind_let(struct wr_binder *b, const struct wr_kql_let *ast, struct wr_let *ret)
{
    *ret = (struct wr_let){
        .ast = ast, .kind = WR_LET_BAD, .source = b->source, .lets = b->lets, .nlets = b->nlets};
    if (ast->is_function) {
        ret->kind = WR_LET_FUNCTION;
        ret->gives_table = wr_fn_gives_table(b, ast);
        return;
    }
    if (wr_missing_source(b, ast->query)) {
        ret->kind = WR_LET_MISSING;
        return;
    }
    if (is_table(b, ast->query)) {
        uint32_t nsubs = b->plan->nsubs; /* it is bound again where it is named */
        ret->kind = wr_bind_query(b, ast->query) ? WR_LET_TABLE : WR_LET_BAD;
        b->plan->nsubs = nsubs;
        return;
    }
    uint32_t before = b->nodes;
    b->op = "let";
    struct wr_ex *ex = wr_bind_ex(b, ast->query->ops[0]->args[0]);
    if (!ex)
        return;
    ret->value = ex->value;
    ret->arg = ex;
    ret->size = b->nodes - before + 1;
    ret->kind = ex->kind == WR_EX_CONST ? WR_LET_CONST : WR_LET_ARG;
}

static bool bind_lets(struct wr_binder *b)
{
    struct wr_let *lets = wr_arena_alloc(b->arena, (b->kql->nlets + 1) * sizeof *lets);
    if (!lets)
        return wr_bind_nomem(b);
    b->lets = lets;
    if (b->kql->nlets > WR_BIND_MAX_LETS) {
        wr_bind_error(b, b->kql->lets[WR_BIND_MAX_LETS].span,
                      "too many let statements (%d are read)", WR_BIND_MAX_LETS);
        return false;
    }
    for (uint32_t i = 0; i < b->kql->nlets; i++) {
        wr_bind_let(b, &b->kql->lets[i], &lets[i]);
        b->nlets = i + 1;
    }
    return true;
}

/* ---- the plan ---- */

static bool bind_all(struct wr_binder *b)
{
    uint32_t errors = b->diags->nerrors;
    if (!bind_lets(b))
        return false;
    if (!b->kql->query) {
        struct wr_diag *d =
            wr_bind_error(b, (struct wr_span){(uint32_t)b->source->len, 0}, "there is no query");
        wr_diag_hint(b->diags, d,
                     "after the let statements comes a table: DeviceNetworkEvents | ...");
        return false;
    }
    struct wr_op *root = wr_bind_query(b, b->kql->query);
    if (!root || b->diags->nerrors != errors)
        return false;
    b->plan->root = wr_op_visible(b, root);
    return b->plan->root && wr_plan_prune(b) && wr_plan_sink(b) && wr_plan_stream(b) && wr_plan_scans(b);
}

struct wr_plan *wr_plan_new(const struct wr_source *source, struct wr_diags *diags)
{
    return wr_plan_new_env(source, NULL, diags);
}

struct wr_plan *wr_plan_new_env(const struct wr_source *source, const struct wr_plan_env *env,
                                struct wr_diags *diags)
{
    uint32_t errors = diags->nerrors;
    source = wr_diags_source(diags, source); /* messages may outlive the caller's text */
    if (!source)
        return NULL;
    struct wr_kql *kql = wr_kql_parse(source, diags);
    if (!kql)
        return NULL;
    struct wr_arena *arena = wr_arena_new(16384);
    struct wr_plan *plan = arena ? wr_arena_alloc(arena, sizeof *plan) : NULL;
    struct wr_saved_let *saved = NULL;
    struct wr_binder b = {.plan = plan, .env = env, .arena = arena, .source = source, .main = source,
                          .saved = &saved, .diags = diags, .kql = kql, .op = "query"};
    bool ok = false;
    if (plan) {
        plan->arena = arena;
        ok = bind_all(&b) && diags->nerrors == errors;
    }
    wr_kql_free(kql);
    wr_saved_free(saved);
    if (ok) {
        wr_plan_hash(plan);
        return plan;
    }
    if (diags->nerrors == errors && !(env && env->missing && *env->missing->table))
        wr_bind_nomem(&b);
    wr_arena_free(arena);
    return NULL;
}

void wr_plan_free(struct wr_plan *plan)
{
    if (plan)
        wr_arena_free(plan->arena);
}
