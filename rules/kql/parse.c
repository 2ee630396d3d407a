/* Cursor, nodes and statements of the parser. */
#include "rules/kql/parser.h"

#include <string.h>

const struct wr_token *wr_parser_peek(const struct wr_parser *p, uint32_t ahead)
{
    uint32_t i = p->at + ahead;
    return &p->tokens.at[i < p->tokens.n ? i : p->tokens.n - 1];
}

bool wr_token_is(const struct wr_parser *p, const struct wr_token *t, const char *text)
{
    return (t->kind == WR_TOKEN_PUNCT || t->kind == WR_TOKEN_NAME) && strlen(text) == t->span.len &&
           memcmp(p->source->text + t->span.at, text, t->span.len) == 0;
}

bool wr_parser_is(const struct wr_parser *p, const char *text)
{
    return wr_token_is(p, wr_parser_peek(p, 0), text);
}

bool wr_parser_accept(struct wr_parser *p, const char *text)
{
    bool is = !p->failed && wr_parser_is(p, text);
    p->at += is;
    return is;
}

struct wr_diag *wr_parser_fail(struct wr_parser *p, struct wr_span span, const char *fmt, ...)
{
    static _Thread_local struct wr_diag later; /* only the first error is told */
    if (p->failed)
        return &later;
    p->failed = true;
    struct wr_buf text = {0};
    va_list ap;
    va_start(ap, fmt);
    wr_buf_vfmt(&text, fmt, ap);
    va_end(ap);
    struct wr_diag *d = wr_diag_add(p->diags, WR_ERROR, p->source, span, "%.*s", (int)text.len,
                                    text.data ? text.data : "");
    wr_buf_fini(&text);
    return d;
}

struct wr_diag *wr_parser_unexpected(struct wr_parser *p, const char *wanted)
{
    const struct wr_token *t = wr_parser_peek(p, 0);
    if (t->kind == WR_TOKEN_END)
        return wr_parser_fail(p, t->span, "expected %s, but the query ends here", wanted);
    int n = t->span.len < 40 ? (int)t->span.len : 40;
    return wr_parser_fail(p, t->span, "expected %s, found '%.*s'", wanted, n,
                          p->source->text + t->span.at);
}

bool wr_parser_expect(struct wr_parser *p, const char *text, const char *what)
{
    if (wr_parser_accept(p, text))
        return true;
    struct wr_diag *d = p->failed ? NULL : wr_parser_unexpected(p, what);
    if (d && wr_parser_is(p, "=") && strcmp(text, ")") == 0)
        wr_diag_hint(p->diags, d, "'=' names a result; to compare, write '=='");
    return false;
}

bool wr_parser_enter(struct wr_parser *p)
{
    if (p->depth < WR_KQL_MAX_DEPTH) {
        p->depth++;
        return true;
    }
    wr_parser_fail(p, wr_parser_peek(p, 0)->span,
                   "this is nested too deeply (256 levels are read)");
    return false;
}

struct wr_kql_name wr_parser_text(struct wr_parser *p, struct wr_span span)
{
    const char *text = wr_arena_strndup(p->arena, p->source->text + span.at, span.len);
    if (!text)
        wr_parser_fail(p, span, "%s", wr_strerror(WR_ENOMEM));
    return (struct wr_kql_name){text ? text : "", span.len, span};
}

bool wr_parser_is_name(const struct wr_parser *p, uint32_t ahead)
{
    if (wr_parser_peek(p, ahead)->kind == WR_TOKEN_NAME)
        return true;
    return wr_token_is(p, wr_parser_peek(p, ahead), "[") &&
           wr_parser_peek(p, ahead + 1)->kind == WR_TOKEN_STRING &&
           wr_token_is(p, wr_parser_peek(p, ahead + 2), "]");
}

struct wr_kql_name wr_parser_name(struct wr_parser *p, const char *what)
{
    if (!p->failed && wr_parser_peek(p, 0)->kind == WR_TOKEN_NAME)
        return wr_parser_text(p, p->tokens.at[p->at++].span);
    if (p->failed || !wr_parser_is_name(p, 0)) {
        if (!p->failed)
            wr_parser_unexpected(p, what);
        return (struct wr_kql_name){.text = ""};
    }
    const struct wr_str *s = &wr_parser_peek(p, 1)->value.s;
    struct wr_kql_name name = {wr_arena_strndup(p->arena, wr_str_data(s), s->len), s->len,
                               wr_parser_peek(p, 1)->span};
    p->at += 3;
    if (!name.text || memchr(name.text, 0, name.len) || !name.len) {
        wr_parser_fail(p, name.span, "this cannot be a name");
        name.text = "";
    }
    return name;
}

struct wr_span wr_parser_span(const struct wr_parser *p, uint32_t first_token)
{
    struct wr_span first = p->tokens.at[first_token].span;
    struct wr_span last = p->tokens.at[p->at > first_token ? p->at - 1 : first_token].span;
    return (struct wr_span){first.at, last.at + last.len - first.at};
}

struct wr_kql_ex *wr_parser_node(struct wr_parser *p, enum wr_kql_kind kind, struct wr_span span)
{
    struct wr_kql_ex *ex = wr_arena_alloc(p->arena, sizeof *ex);
    if (!ex) {
        wr_parser_fail(p, span, "%s", wr_strerror(WR_ENOMEM));
        return NULL;
    }
    ex->kind = kind;
    ex->span = span;
    ex->depth = 1;
    return ex;
}

bool wr_list_add(struct wr_parser *p, struct wr_list *list, struct wr_kql_ex *ex)
{
    if (p->failed || !ex)
        return false;
    if (list->n == WR_KQL_MAX_ITEMS) {
        wr_parser_fail(p, ex->span, "a list with too many items (10,000 are read)");
        return false;
    }
    if (list->n == list->cap) {
        uint32_t cap = list->cap ? 2 * list->cap : 4;
        struct wr_kql_ex **at = wr_arena_alloc(p->arena, cap * sizeof *at);
        if (!at) {
            wr_parser_fail(p, ex->span, "%s", wr_strerror(WR_ENOMEM));
            return false;
        }
        if (list->n)
            memcpy(at, list->at, list->n * sizeof *at);
        list->at = at;
        list->cap = cap;
    }
    list->at[list->n++] = ex;
    return true;
}

bool wr_parser_seal(struct wr_parser *p, struct wr_kql_ex *ex, const struct wr_list *args)
{
    ex->args = args->at;
    ex->nargs = args->n;
    for (uint32_t i = 0; i < args->n; i++)
        if (args->at[i]->depth >= ex->depth)
            ex->depth = (uint16_t)(args->at[i]->depth + 1);
    if (ex->depth <= WR_KQL_MAX_DEPTH)
        return true;
    wr_parser_fail(p, ex->span, "this is nested too deeply (256 levels are read)");
    return false;
}

bool wr_parser_skip_brackets(struct wr_parser *p)
{
    uint32_t depth = 0, open = p->at;
    do {
        const struct wr_token *t = wr_parser_peek(p, 0);
        if (t->kind == WR_TOKEN_END) {
            wr_parser_fail(p, p->tokens.at[open].span, "this bracket is never closed");
            return false;
        }
        depth += wr_token_is(p, t, "(") || wr_token_is(p, t, "[") || wr_token_is(p, t, "{");
        depth -= wr_token_is(p, t, ")") || wr_token_is(p, t, "]") || wr_token_is(p, t, "}");
        p->at++;
    } while (depth && depth < UINT32_MAX / 2);
    return true;
}

static bool parse_other_statement(struct wr_parser *p)
{
    const struct wr_token *t = wr_parser_peek(p, 0);
    struct wr_diag *d = wr_parser_fail(p, t->span, "statement '%.*s' is not supported",
                                       (int)t->span.len, p->source->text + t->span.at);
    wr_diag_hint(p->diags, d, "a rule is let statements and one query");
    d->page = "docs/kql.md";
    return false;
}

static bool at_other_statement(const struct wr_parser *p)
{
    static const char *const words[] = {"declare", "alias", "restrict", "pattern"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (wr_parser_is(p, words[i]) && wr_parser_peek(p, 1)->kind == WR_TOKEN_NAME)
            return true;
    return wr_parser_is(p, ".");
}

/* `set` options steer Microsoft's servers; here they change nothing. */
static void skip_set(struct wr_parser *p)
{
    const struct wr_span span = wr_parser_peek(p, 0)->span;
    wr_diag_add(p->diags, WR_WARNING, p->source, span, "'set' has no effect in weir");
    while (wr_parser_peek(p, 0)->kind != WR_TOKEN_END && !wr_parser_is(p, ";"))
        p->at++;
}

static bool parse_statement(struct wr_parser *p, struct wr_kql *kql, struct wr_kql_let *lets)
{
    if (at_other_statement(p))
        return parse_other_statement(p);
    if (wr_parser_is(p, "let") && !wr_token_is(p, wr_parser_peek(p, 1), "|"))
        return wr_parse_let(p, &lets[kql->nlets++]);
    if (wr_parser_is(p, "set") && wr_parser_peek(p, 1)->kind == WR_TOKEN_NAME) {
        skip_set(p);
        return true;
    }
    if (kql->query) {
        struct wr_diag *d = wr_parser_fail(p, wr_parser_peek(p, 0)->span, "a second query");
        wr_diag_hint(p->diags, d, "one text gives one result; put the first into a let");
        return false;
    }
    kql->query = wr_parse_query(p);
    return kql->query != NULL;
}

/* A file of several queries with empty lines between them, of which the portals run the one under the cursor. */
static bool at_second_query(const struct wr_parser *p, const struct wr_kql *kql)
{
    const struct wr_token *next = wr_parser_peek(p, 0);
    bool begins = wr_parser_is(p, "let") || wr_parser_at_leading_op(p) ||
                  (next->kind == WR_TOKEN_NAME && wr_token_is(p, wr_parser_peek(p, 1), "|"));
    if (!kql->query || !p->at || !begins)
        return false;
    struct wr_span last = p->tokens.at[p->at - 1].span;
    bool blank = false;
    for (uint32_t i = last.at + last.len; i < next->span.at; i++) {
        char c = p->source->text[i];
        if (c == '\n' && blank)
            return true;
        blank = c == '\n' || (blank && (c == ' ' || c == '\t' || c == '\r'));
    }
    return false;
}

static bool parse_statements(struct wr_parser *p, struct wr_kql *kql)
{
    uint32_t nlets = 0;
    for (uint32_t i = 0; i < p->tokens.n; i++)
        nlets += wr_token_is(p, &p->tokens.at[i], "let");
    struct wr_kql_let *lets = wr_arena_alloc(p->arena, (nlets + 1) * sizeof *lets);
    if (!lets)
        return false;
    kql->lets = lets;
    while (wr_parser_peek(p, 0)->kind != WR_TOKEN_END) {
        if (wr_parser_accept(p, ";"))
            continue;
        if (!parse_statement(p, kql, lets))
            return false;
        if (at_second_query(p, kql)) {
            struct wr_diag *d = wr_diag_add(p->diags, WR_WARNING, p->source, wr_parser_peek(p, 0)->span,
                                            "a second query begins here: only the one above is read");
            wr_diag_hint(p->diags, d, "a file holds one query: put this one into its own");
            return true;
        }
        if (wr_parser_peek(p, 0)->kind != WR_TOKEN_END && !wr_parser_accept(p, ";")) {
            struct wr_diag *d = wr_parser_unexpected(p, "'|', ';' or the end of the query");
            if (wr_parser_is(p, "="))
                wr_diag_hint(p->diags, d, "to compare, write '=='");
            return false;
        }
    }
    return true;
}

struct wr_kql *wr_kql_parse(const struct wr_source *source, struct wr_diags *diags)
{
    struct wr_arena *arena = wr_arena_new(16384);
    struct wr_kql *kql = arena ? wr_arena_alloc(arena, sizeof *kql) : NULL;
    struct wr_parser p = {.source = source, .diags = diags, .arena = arena};
    uint32_t errors = diags->nerrors;
    if (kql) {
        kql->arena = arena;
        if (wr_kql_lex(source, arena, diags, &p.tokens) && parse_statements(&p, kql) && !p.failed)
            return kql;
    }
    if (diags->nerrors == errors)
        wr_diag_add(diags, WR_ERROR, source, (struct wr_span){0, 1}, "%s", wr_strerror(WR_ENOMEM));
    wr_arena_free(arena);
    return NULL;
}

void wr_kql_free(struct wr_kql *kql)
{
    if (kql)
        wr_arena_free(kql->arena);
}
