/* Saved functions: those of the program and those that it was given. One that is called becomes a let above all others; its
 * text is read once a query. */
#include "rules/plan/bind.h"
#include "rules/plan/external.h"

#include <string.h>

struct wr_saved_let {
    struct wr_let let;
    struct wr_kql *kql;
    struct wr_saved_let *next;
};

static const struct wr_saved_fn *find(const struct wr_binder *b, const char *name)
{
    const struct wr_functions *given = b->env ? b->env->functions : NULL;
    const struct wr_saved_fn *fn = given ? given->find(given, name) : NULL;
    for (size_t i = 0; i < wr_program_nfns && !fn; i++)
        if (strcmp(wr_program_fns[i].name, name) == 0)
            fn = &wr_program_fns[i];
    return fn;
}

/* True when the text is `(parameters) { ... }`: its first character that is no blank and no comment is a bracket. */
static bool has_parameters(const char *p, size_t len)
{
    for (const char *end = p + len; p < end; p++) {
        if (*p == '/' && p + 1 < end && p[1] == '/') {
            p = memchr(p, '\n', (size_t)(end - p));
            if (!p)
                return false;
        } else if (*p != ' ' && *p != '\t' && *p != '\r' && *p != '\n') {
            return *p == '(';
        }
    }
    return false;
}

/* The text as the body of a let, with lines as in its file. */
static const struct wr_source *as_let(const struct wr_binder *b, const struct wr_saved_fn *fn)
{
    struct wr_buf text = {0};
    size_t len = fn->len;
    bool bare = !has_parameters(fn->text, len);
    while (len && strchr(" \t\r\n;", fn->text[len - 1]))
        len--;
    wr_buf_fmt(&text, "let ['%s'] = %s", fn->name, bare ? "() { " : "");
    wr_buf_add(&text, fn->text, len);
    wr_buf_str(&text, bare ? "\n};" : "\n;");
    struct wr_source source = {.name = fn->file, .text = text.data, .len = text.len, .line0 = 1};
    const struct wr_source *own = text.err ? NULL : wr_diags_source(b->diags, &source);
    wr_buf_fini(&text);
    return own;
}

const struct wr_let *wr_saved_find(const struct wr_binder *b, const char *name)
{
    if (wr_fn_find(name, strlen(name)))
        return NULL;
    for (struct wr_saved_let *s = *b->saved; s; s = s->next)
        if (strcmp(s->let.ast->name.text, name) == 0)
            return &s->let;
    const struct wr_saved_fn *fn = find(b, name);
    struct wr_saved_let *s = fn ? wr_arena_alloc(b->arena, sizeof *s) : NULL;
    const struct wr_source *source = s ? as_let(b, fn) : NULL;
    s = source ? s : NULL;
    if (!s || !(s->kql = wr_kql_parse(source, b->diags)))
        return NULL;
    struct wr_span all = {0, (uint32_t)source->len};
    if (s->kql->nlets != 1 || s->kql->query || !s->kql->lets[0].is_function) {
        wr_diag_add(b->diags, WR_ERROR, source, all, "a saved function is one query, or (parameters) { ... }");
        wr_kql_free(s->kql);
        return NULL;
    }
    struct wr_binder outer = *b;
    outer.source = source;
    outer.lets = NULL;
    outer.nlets = 0;
    s->let = (struct wr_let){.ast = &s->kql->lets[0], .kind = WR_LET_BAD, .source = source}; /* it may name itself */
    s->next = *b->saved;
    *b->saved = s;
    wr_bind_let(&outer, &s->kql->lets[0], &s->let);
    return &s->let;
}

void wr_saved_free(struct wr_saved_let *list)
{
    for (; list; list = list->next)
        wr_kql_free(list->kql);
}
