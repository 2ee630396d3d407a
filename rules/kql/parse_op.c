/* Queries: a source and its operators. */
#include "rules/kql/parser.h"

#include <string.h>

struct wr_kql_op *wr_parser_source_op(struct wr_parser *p, struct wr_kql_ex *ex)
{
    struct wr_kql_op *op = wr_arena_alloc(p->arena, sizeof *op);
    struct wr_list args = {0};
    if (!op || !wr_list_add(p, &args, ex)) {
        if (!op)
            wr_parser_fail(p, ex->span, "%s", wr_strerror(WR_ENOMEM));
        return NULL;
    }
    op->kind = WR_KQL_SOURCE;
    op->span = ex->span;
    op->args = args.at;
    op->nargs = 1;
    return op;
}

static const char *const leading[] = {"print", "range", "union", "search", "find", "evaluate"};

bool wr_parser_at_leading_op(const struct wr_parser *p)
{
    const struct wr_token *next = wr_parser_peek(p, 1);
    size_t i = 0, n = sizeof leading / sizeof *leading;
    while (i < n && !wr_parser_is(p, leading[i]))
        i++;
    if (i == n || next->kind == WR_TOKEN_END)
        return false;
    if (wr_parser_is(p, "range"))
        return next->kind == WR_TOKEN_NAME && wr_token_is(p, wr_parser_peek(p, 2), "from");
    if (next->kind != WR_TOKEN_PUNCT)
        return true;
    return wr_token_is(p, next, "(") || wr_token_is(p, next, "[") ||
           (wr_token_is(p, next, "*") && !wr_parser_is(p, "print")) ||
           (wr_token_is(p, next, "-") && wr_parser_is(p, "print"));
}

/* Name*, *Name, *: adjacent tokens. */
struct wr_kql_ex *wr_parse_pattern(struct wr_parser *p)
{
    uint32_t first = p->at, stars = 0;
    struct wr_span span = wr_parser_peek(p, 0)->span;
    if (wr_token_is(p, wr_parser_peek(p, 0), "[")) {
        struct wr_kql_name name = wr_parser_name(p, "a column");
        struct wr_kql_ex *ex = p->failed ? NULL : wr_parser_node(p, WR_KQL_NAME, name.span);
        if (ex)
            ex->name = name;
        return ex;
    }
    for (uint32_t end = span.at;; p->at++) {
        const struct wr_token *t = wr_parser_peek(p, 0);
        bool star = wr_token_is(p, t, "*");
        if (t->span.at != end || (t->kind != WR_TOKEN_NAME && !star))
            break;
        stars += star;
        end = t->span.at + t->span.len;
    }
    if (p->at == first) {
        wr_parser_unexpected(p, "a column or a pattern such as Init*");
        return NULL;
    }
    span = wr_parser_span(p, first);
    struct wr_kql_ex *ex = wr_parser_node(p, stars ? WR_KQL_PATTERN : WR_KQL_NAME, span);
    if (ex)
        ex->name = wr_parser_text(p, span);
    return ex;
}

/* asc, desc, granny-asc, nulls first: wraps `ex` when one stands here. */
struct wr_kql_ex *wr_parse_order(struct wr_parser *p, struct wr_kql_ex *ex, bool always)
{
    uint32_t first = p->at, order = 0;
    if (!ex)
        return NULL;
    if (wr_parser_is(p, "granny") && wr_token_is(p, wr_parser_peek(p, 1), "-")) {
        p->at += 2;
        order = WR_KQL_GRANNY;
    }
    if (wr_parser_accept(p, "asc"))
        order |= WR_KQL_ASC;
    else if (wr_parser_accept(p, "desc"))
        order |= WR_KQL_DESC;
    if (wr_parser_accept(p, "nulls")) {
        if (wr_parser_accept(p, "first"))
            order |= WR_KQL_NULLS_FIRST;
        else if (wr_parser_expect(p, "last", "'first' or 'last' after 'nulls'"))
            order |= WR_KQL_NULLS_LAST;
    }
    if (p->failed || (first == p->at && !always))
        return p->failed ? NULL : ex;
    struct wr_list args = {0};
    struct wr_kql_ex *key = wr_parser_node(p, WR_KQL_ORDER, ex->span);
    if (!key || !wr_list_add(p, &args, ex))
        return NULL;
    key->order = (uint8_t)order;
    return wr_parser_seal(p, key, &args) ? key : NULL;
}

static void set_args(struct wr_kql_op *op, const struct wr_list *list)
{
    op->args = list->at;
    op->nargs = list->n;
}

static void set_by(struct wr_kql_op *op, const struct wr_list *list)
{
    op->has_by = true;
    op->by = list->at;
    op->nby = list->n;
}

static bool parse_patterns(struct wr_parser *p, struct wr_kql_op *op)
{
    struct wr_list list = {0};
    do {
        struct wr_kql_ex *ex = wr_parse_pattern(p);
        if (ex && op->kind == WR_KQL_PROJECT_REORDER)
            ex = wr_parse_order(p, ex, false);
        if (!wr_list_add(p, &list, ex))
            return false;
    } while (wr_parser_accept(p, ","));
    set_args(op, &list);
    return true;
}

static bool parse_columns(struct wr_parser *p, struct wr_kql_op *op)
{
    struct wr_list list = {0};
    if (!wr_parse_named_list(p, &list))
        return false;
    set_args(op, &list);
    return true;
}

static bool parse_one(struct wr_parser *p, struct wr_kql_op *op)
{
    struct wr_list list = {0};
    if (!wr_list_add(p, &list, wr_parse_expr(p)))
        return false;
    set_args(op, &list);
    return true;
}

static bool parse_keys(struct wr_parser *p, struct wr_kql_op *op)
{
    struct wr_list list = {0};
    if (!wr_parser_expect(p, "by", "'by' and columns"))
        return false;
    do {
        if (!wr_list_add(p, &list, wr_parse_order(p, wr_parse_expr(p), true)))
            return false;
    } while (wr_parser_accept(p, ","));
    set_by(op, &list);
    return true;
}

bool wr_parser_skip_hints(struct wr_parser *p)
{
    while (wr_parser_is(p, "hint") && wr_token_is(p, wr_parser_peek(p, 1), ".")) {
        p->at += 2;
        wr_parser_name(p, "a hint's name");
        if (p->failed || !wr_parser_expect(p, "=", "'=' after the hint's name"))
            return false;
        p->at += wr_parser_peek(p, 0)->kind != WR_TOKEN_END;
        wr_parser_accept(p, ",");
    }
    return true;
}

static bool parse_summarize(struct wr_parser *p, struct wr_kql_op *op)
{
    struct wr_list list = {0}, by = {0};
    if (!wr_parser_skip_hints(p))
        return false;
    if (!wr_parser_is(p, "by")) {
        if (!wr_parse_named_list(p, &list))
            return false;
        set_args(op, &list);
    }
    if (!wr_parser_accept(p, "by"))
        return true;
    if (!wr_parse_named_list(p, &by))
        return false;
    set_by(op, &by);
    return true;
}

static bool parse_range(struct wr_parser *p, struct wr_kql_op *op)
{
    static const char *const words[] = {"from", "to", "step"}, *const whats[] = {"'from'", "'to'",
                                                                                 "'step'"};
    struct wr_list list = {0};
    op->label = wr_parser_name(p, "a column's name");
    for (int i = 0; i < 3; i++)
        if (p->failed || !wr_parser_expect(p, words[i], whats[i]) ||
            !wr_list_add(p, &list, wr_parse_expr(p)))
            return false;
    set_args(op, &list);
    return true;
}

static bool parse_union_options(struct wr_parser *p, struct wr_kql_op *op)
{
    while (wr_parser_peek(p, 0)->kind == WR_TOKEN_NAME &&
           wr_token_is(p, wr_parser_peek(p, 1), "=")) {
        struct wr_kql_name name = wr_parser_name(p, "an option"), value;
        p->at++;
        struct wr_span span = wr_parser_peek(p, 0)->span;
        if (wr_parser_peek(p, 0)->kind == WR_TOKEN_LITERAL)
            value = wr_parser_text(p, p->tokens.at[p->at++].span);
        else
            value = wr_parser_name(p, "a value");
        if (p->failed)
            return false;
        if (strcmp(name.text, "isfuzzy") == 0)
            op->isfuzzy = strcmp(value.text, "true") == 0;
        else if (strcmp(name.text, "kind") == 0)
            op->inner = strcmp(value.text, "inner") == 0;
        else if (strcmp(name.text, "withsource") == 0 || strcmp(name.text, "with_source") == 0)
            op->withsource = value;
        else
            return wr_parser_fail(p, span, "no union option '%s'", name.text) == NULL;
    }
    return wr_parser_skip_hints(p);
}

static bool parse_union(struct wr_parser *p, struct wr_kql_op *op)
{
    struct wr_list list = {0};
    if (!wr_parser_skip_hints(p) || !parse_union_options(p, op))
        return false;
    do {
        struct wr_kql_ex *leg;
        const struct wr_token *next = wr_parser_peek(p, 1);
        bool pattern = wr_parser_is(p, "*") ||
                       (wr_parser_peek(p, 0)->kind == WR_TOKEN_NAME && wr_token_is(p, next, "*"));
        leg = pattern ? wr_parse_pattern(p) : wr_parse_expr(p);
        if (!wr_list_add(p, &list, leg))
            return false;
    } while (wr_parser_accept(p, ","));
    set_args(op, &list);
    return true;
}

static bool parse_count(struct wr_parser *p, struct wr_kql_op *op)
{
    if (wr_parser_accept(p, "as"))
        op->label = wr_parser_name(p, "a name after 'as'");
    return !p->failed;
}

static bool parse_as(struct wr_parser *p, struct wr_kql_op *op)
{
    if (!wr_parser_skip_hints(p))
        return false;
    op->label = wr_parser_name(p, "a name after 'as'");
    return !p->failed;
}

static bool parse_top(struct wr_parser *p, struct wr_kql_op *op)
{
    return parse_one(p, op) && parse_keys(p, op);
}

static bool ends(const struct wr_parser *p)
{
    const struct wr_token *t = wr_parser_peek(p, 0);
    return t->kind == WR_TOKEN_END || wr_token_is(p, t, "|") || wr_token_is(p, t, ";") || wr_token_is(p, t, ")") ||
           wr_token_is(p, t, "}");
}

static bool parse_serialize(struct wr_parser *p, struct wr_kql_op *op)
{
    return ends(p) || parse_columns(p, op);
}

static bool parse_nothing(struct wr_parser *p, struct wr_kql_op *op)
{
    (void)op;
    return ends(p) || wr_parser_unexpected(p, "the next operator") == NULL;
}

static bool parse_schema(struct wr_parser *p, struct wr_kql_op *op)
{
    struct wr_kql_ex cols = {0};
    bool ok = wr_parse_cols(p, &cols);
    op->cols = cols.cols;
    op->ncols = cols.ncols;
    return ok;
}

/* 5 of Column, and of top-hitters `by Weight` */
static bool parse_number_of(struct wr_parser *p, struct wr_kql_op *op)
{
    struct wr_list by = {0};
    if (!parse_one(p, op) || !wr_parser_expect(p, "of", "'of' and a column") || !wr_list_add(p, &by, wr_parse_named(p)))
        return false;
    if (op->kind == WR_KQL_TOP_HITTERS && wr_parser_accept(p, "by") && !wr_list_add(p, &by, wr_parse_expr(p)))
        return false;
    set_by(op, &by);
    return true;
}

/* To the next operator: past strings, names and balanced brackets. */
static bool parse_rest(struct wr_parser *p, struct wr_kql_op *op)
{
    (void)op;
    for (;;) {
        const struct wr_token *t = wr_parser_peek(p, 0);
        if (t->kind == WR_TOKEN_END || wr_token_is(p, t, "|") || wr_token_is(p, t, ";") ||
            wr_token_is(p, t, ")") || wr_token_is(p, t, "]") || wr_token_is(p, t, "}"))
            return true;
        bool open = wr_token_is(p, t, "(") || wr_token_is(p, t, "[") || wr_token_is(p, t, "{");
        if (!open)
            p->at++;
        else if (!wr_parser_skip_brackets(p))
            return false;
    }
}

static const struct grammar {
    const char *name;
    enum wr_kql_op_kind kind;
    bool (*parse)(struct wr_parser *p, struct wr_kql_op *op);
} grammars[] = {
    {"where", WR_KQL_WHERE, parse_one},
    {"filter", WR_KQL_WHERE, parse_one},
    {"extend", WR_KQL_EXTEND, parse_columns},
    {"project", WR_KQL_PROJECT, parse_columns},
    {"project-away", WR_KQL_PROJECT_AWAY, parse_patterns},
    {"project-keep", WR_KQL_PROJECT_KEEP, parse_patterns},
    {"project-rename", WR_KQL_PROJECT_RENAME, parse_columns},
    {"project-reorder", WR_KQL_PROJECT_REORDER, parse_patterns},
    {"summarize", WR_KQL_SUMMARIZE, parse_summarize},
    {"distinct", WR_KQL_DISTINCT, parse_columns},
    {"sort", WR_KQL_SORT, parse_keys},
    {"order", WR_KQL_SORT, parse_keys},
    {"take", WR_KQL_TAKE, parse_one},
    {"limit", WR_KQL_TAKE, parse_one},
    {"top", WR_KQL_TOP, parse_top},
    {"count", WR_KQL_COUNT, parse_count},
    {"as", WR_KQL_AS, parse_as},
    {"render", WR_KQL_RENDER, parse_rest},
    {"union", WR_KQL_UNION, parse_union},
    {"print", WR_KQL_PRINT, parse_columns},
    {"range", WR_KQL_RANGE_OP, parse_range},
    {"join", WR_KQL_JOIN, wr_parse_join},
    {"lookup", WR_KQL_LOOKUP, wr_parse_join},
    {"mv-expand", WR_KQL_EXPAND, wr_parse_expand},
    {"invoke", WR_KQL_INVOKE, wr_parse_invoke},
    {"mvexpand", WR_KQL_EXPAND, wr_parse_expand},
    {"mv-apply", WR_KQL_MV_APPLY, wr_parse_mv_apply},
    {"partition", WR_KQL_PARTITION, wr_parse_partition},
    {"serialize", WR_KQL_SERIALIZE, parse_serialize},
    {"make-series", WR_KQL_SERIES, wr_parse_series},
    {"top-nested", WR_KQL_TOP_NESTED, wr_parse_top_nested},
    {"scan", WR_KQL_SCAN, wr_parse_scan},
    {"search", WR_KQL_SEARCH, wr_parse_search},
    {"find", WR_KQL_FIND, wr_parse_find},
    {"sample", WR_KQL_TAKE, parse_one},
    {"sample-distinct", WR_KQL_SAMPLE_DISTINCT, parse_number_of},
    {"top-hitters", WR_KQL_TOP_HITTERS, parse_number_of},
    {"getschema", WR_KQL_GETSCHEMA, parse_nothing},
    {"assert-schema", WR_KQL_ASSERT_SCHEMA, parse_schema},
    {"project-by-names", WR_KQL_BY_NAMES, parse_columns},
    {"consume", WR_KQL_CONSUME, parse_rest},
    {"parse", WR_KQL_PARSE, wr_parse_parse},
    {"parse-where", WR_KQL_PARSE, wr_parse_parse},
    {"parse-kv", WR_KQL_PARSE_KV, wr_parse_kv},
    {"evaluate", WR_KQL_EVALUATE, wr_parse_evaluate},
};

/* `project-away` is several tokens that stand side by side. */
static struct wr_kql_name op_name(struct wr_parser *p)
{
    uint32_t first = p->at++;
    for (;;) {
        struct wr_span so_far = wr_parser_span(p, first);
        const struct wr_token *dash = wr_parser_peek(p, 0), *word = wr_parser_peek(p, 1);
        if (!wr_token_is(p, dash, "-") || word->kind != WR_TOKEN_NAME ||
            dash->span.at != so_far.at + so_far.len || word->span.at != dash->span.at + 1)
            return wr_parser_text(p, so_far);
        p->at += 2;
    }
}

static struct wr_kql_op *parse_op(struct wr_parser *p)
{
    uint32_t first = p->at;
    if (wr_parser_peek(p, 0)->kind != WR_TOKEN_NAME) {
        wr_parser_unexpected(p, "an operator after '|'");
        return NULL;
    }
    struct wr_kql_op *op = wr_arena_alloc(p->arena, sizeof *op);
    if (!op)
        return NULL;
    op->kind = WR_KQL_OTHER;
    op->name = op_name(p);
    bool (*parse)(struct wr_parser *, struct wr_kql_op *) = parse_rest;
    for (size_t i = 0; i < sizeof grammars / sizeof *grammars; i++)
        if (strcmp(grammars[i].name, op->name.text) == 0) {
            op->kind = grammars[i].kind;
            parse = grammars[i].parse;
        }
    if (!parse(p, op) || p->failed)
        return NULL;
    op->span = wr_parser_span(p, first);
    return op;
}

static struct wr_kql_query *parse_chain(struct wr_parser *p, struct wr_kql_op *first, bool at_op)
{
    struct wr_kql_op *ops[WR_KQL_MAX_PIPES];
    uint32_t n = 0, at = p->at;
    if (!first || !wr_parser_enter(p))
        return NULL;
    ops[n++] = first;
    for (; at_op || wr_parser_accept(p, "|"); at_op = false) {
        if (n == WR_KQL_MAX_PIPES) {
            wr_parser_fail(p, wr_parser_peek(p, 0)->span,
                           "too many operators in one query (256 are read)");
            return NULL;
        }
        ops[n] = parse_op(p);
        if (!ops[n++])
            return NULL;
    }
    p->depth--;
    struct wr_kql_query *q = wr_arena_alloc(p->arena, sizeof *q);
    struct wr_kql_op **copy = wr_arena_alloc(p->arena, n * sizeof *copy);
    if (!q || !copy)
        return NULL;
    memcpy(copy, ops, n * sizeof *copy);
    struct wr_span last = p->at > at ? wr_parser_span(p, p->at - 1) : first->span;
    *q = (struct wr_kql_query){{first->span.at, last.at + last.len - first->span.at}, copy, n};
    return p->failed ? NULL : q;
}

struct wr_kql_query *wr_parse_pipes(struct wr_parser *p, struct wr_kql_op *first)
{
    return parse_chain(p, first, false);
}

struct wr_kql_query *wr_parse_piece(struct wr_parser *p)
{
    struct wr_kql_op *given = wr_arena_alloc(p->arena, sizeof *given);
    struct wr_span span = wr_parser_peek(p, 0)->span;
    if (!given || !wr_parser_expect(p, "(", "'(' and operators"))
        return NULL;
    *given = (struct wr_kql_op){.kind = WR_KQL_GIVEN, .name = {"query", 5, span}, .span = span};
    struct wr_kql_query *q = parse_chain(p, given, true);
    return q && wr_parser_expect(p, ")", "'|' or ')' after this operator") ? q : NULL;
}

/* NOLINTNEXTLINE(misc-no-recursion): depth is bounded by wr_parser_enter */
struct wr_kql_query *wr_parse_query(struct wr_parser *p)
{
    if (!wr_parser_enter(p))
        return NULL;
    struct wr_kql_op *first = NULL;
    if (wr_parser_at_leading_op(p)) {
        first = parse_op(p);
    } else {
        struct wr_kql_ex *ex = wr_parse_expr(p);
        first = ex ? wr_parser_source_op(p, ex) : NULL;
    }
    struct wr_kql_query *q = first ? wr_parse_pipes(p, first) : NULL;
    p->depth--;
    return q;
}
