/* Expressions, by precedence climbing. Loose to tight (read off Microsoft's parser):
 *
 *   or | and | == != <> in has_any has_all between | < > <= >= | + - | * / % | =~ has contains ...
 * | - a.b a[i] f()
 *
 * Comparisons do not chain. `and` and `or` become one node with all their arguments, so that a long
 * list of them is not a deep tree. */
#include "rules/kql/parser.h"

#include <string.h>

enum level {
    LEVEL_OR,
    LEVEL_AND,
    LEVEL_EQUAL,
    LEVEL_ORDER,
    LEVEL_ADD,
    LEVEL_MUL,
    LEVEL_TEXT,
    LEVEL_UNARY
};
enum form { FORM_VALUE, FORM_LIST, FORM_BETWEEN };

struct infix {
    const char *symbol;
    uint8_t level, form;
};

static const struct infix infixes[] = {
    {"or", LEVEL_OR, 0},
    {"and", LEVEL_AND, 0},
    {"==", LEVEL_EQUAL, 0},
    {"!=", LEVEL_EQUAL, 0},
    {"<>", LEVEL_EQUAL, 0},
    {"in", LEVEL_EQUAL, FORM_LIST},
    {"!in", LEVEL_EQUAL, FORM_LIST},
    {"in~", LEVEL_EQUAL, FORM_LIST},
    {"!in~", LEVEL_EQUAL, FORM_LIST},
    {"has_any", LEVEL_EQUAL, FORM_LIST},
    {"has_all", LEVEL_EQUAL, FORM_LIST},
    {"between", LEVEL_EQUAL, FORM_BETWEEN},
    {"!between", LEVEL_EQUAL, FORM_BETWEEN},
    {"<", LEVEL_ORDER, 0},
    {">", LEVEL_ORDER, 0},
    {"<=", LEVEL_ORDER, 0},
    {">=", LEVEL_ORDER, 0},
    {"+", LEVEL_ADD, 0},
    {"-", LEVEL_ADD, 0},
    {"*", LEVEL_MUL, 0},
    {"/", LEVEL_MUL, 0},
    {"%", LEVEL_MUL, 0},
    {"=~", LEVEL_TEXT, 0},
    {"!~", LEVEL_TEXT, 0},
    {":", LEVEL_TEXT, 0},
    {"has", LEVEL_TEXT, 0},
    {"!has", LEVEL_TEXT, 0},
    {"has_cs", LEVEL_TEXT, 0},
    {"!has_cs", LEVEL_TEXT, 0},
    {"hasprefix", LEVEL_TEXT, 0},
    {"!hasprefix", LEVEL_TEXT, 0},
    {"hasprefix_cs", LEVEL_TEXT, 0},
    {"!hasprefix_cs", LEVEL_TEXT, 0},
    {"hassuffix", LEVEL_TEXT, 0},
    {"!hassuffix", LEVEL_TEXT, 0},
    {"hassuffix_cs", LEVEL_TEXT, 0},
    {"!hassuffix_cs", LEVEL_TEXT, 0},
    {"contains", LEVEL_TEXT, 0},
    {"!contains", LEVEL_TEXT, 0},
    {"contains_cs", LEVEL_TEXT, 0},
    {"!contains_cs", LEVEL_TEXT, 0},
    {"startswith", LEVEL_TEXT, 0},
    {"!startswith", LEVEL_TEXT, 0},
    {"startswith_cs", LEVEL_TEXT, 0},
    {"!startswith_cs", LEVEL_TEXT, 0},
    {"endswith", LEVEL_TEXT, 0},
    {"!endswith", LEVEL_TEXT, 0},
    {"endswith_cs", LEVEL_TEXT, 0},
    {"!endswith_cs", LEVEL_TEXT, 0},
    {"like", LEVEL_TEXT, 0},
    {"notlike", LEVEL_TEXT, 0},
    {"matches", LEVEL_TEXT, 0},
};

static const struct infix *peek_infix(const struct wr_parser *p)
{
    const struct wr_token *t = wr_parser_peek(p, 0);
    if (t->kind != WR_TOKEN_NAME && t->kind != WR_TOKEN_PUNCT)
        return NULL;
    for (size_t i = 0; i < sizeof infixes / sizeof *infixes; i++)
        if (wr_token_is(p, t, infixes[i].symbol))
            return &infixes[i];
    return NULL;
}

static struct wr_kql_ex *parse_level(struct wr_parser *p, enum level level);

static struct wr_kql_ex *op_node(struct wr_parser *p, const char *symbol, struct wr_span span,
                                 uint32_t first, const struct wr_list *args)
{
    struct wr_kql_ex *ex = wr_parser_node(p, WR_KQL_CALL, wr_parser_span(p, first));
    if (!ex)
        return NULL;
    ex->is_op = true;
    ex->name = (struct wr_kql_name){symbol, (uint32_t)strlen(symbol), span};
    return wr_parser_seal(p, ex, args) ? ex : NULL;
}

/* Right side of in, has_any: a list in brackets, or one value. Each item may be a subquery. */
static bool parse_list_side(struct wr_parser *p, struct wr_list *args)
{
    if (!wr_parser_accept(p, "("))
        return wr_list_add(p, args, parse_level(p, LEVEL_UNARY));
    do {
        if (wr_parser_is(p, ")"))
            break; /* a comma at the end, or an empty list: the binder has the words for that */
        struct wr_kql_ex *item = wr_parse_item(p);
        if (p->failed || !wr_list_add(p, args, item))
            return false;
    } while (wr_parser_accept(p, ","));
    return wr_parser_expect(p, ")", "')' at the end of this list");
}

static bool parse_between_side(struct wr_parser *p, struct wr_list *args)
{
    uint32_t first = p->at;
    if (!wr_parser_expect(p, "(", "'(' and a range, as in between (1 .. 10)"))
        return false;
    struct wr_list ends = {0};
    if (!wr_list_add(p, &ends, wr_parse_expr(p)) ||
        !wr_parser_expect(p, "..", "'..' between the two ends") ||
        !wr_list_add(p, &ends, wr_parse_expr(p)) ||
        !wr_parser_expect(p, ")", "')' at the end of this range"))
        return false;
    struct wr_kql_ex *range = wr_parser_node(p, WR_KQL_RANGE, wr_parser_span(p, first));
    return range && wr_parser_seal(p, range, &ends) && wr_list_add(p, args, range);
}

/* One infix operator and its right side, onto `args`. */
static bool parse_right(struct wr_parser *p, const struct infix *op, struct wr_list *args)
{
    p->at++;
    if (strcmp(op->symbol, "matches") == 0 &&
        !wr_parser_expect(p, "regex", "'regex' after 'matches'"))
        return false;
    if (op->form == FORM_LIST)
        return parse_list_side(p, args);
    if (op->form == FORM_BETWEEN)
        return parse_between_side(p, args);
    return wr_list_add(p, args, parse_level(p, op->level + 1));
}

static const char *canonical(const char *symbol)
{
    if (strcmp(symbol, "<>") == 0)
        return "!=";
    if (strcmp(symbol, ":") == 0)
        return "has";
    return strcmp(symbol, "matches") == 0 ? "matches regex" : symbol;
}

/* NOLINTNEXTLINE(misc-no-recursion): depth is bounded by wr_parser_enter */
static struct wr_kql_ex *parse_level(struct wr_parser *p, enum level level)
{
    uint32_t first = p->at;
    struct wr_kql_ex *left = wr_parse_unary(p);
    /* The loosest operator seen so far bounds what may follow: a == b < c is a == (b < c), which
     * parse_right took. */
    for (const struct infix *op;
         left && !p->failed && (op = peek_infix(p)) != NULL && op->level >= level;) {
        struct wr_list args = {0};
        struct wr_span span = wr_parser_peek(p, 0)->span;
        if (!wr_list_add(p, &args, left) || !parse_right(p, op, &args))
            return NULL;
        while (op->level <= LEVEL_AND && wr_parser_is(p, op->symbol))
            if (!parse_right(p, op, &args))
                return NULL;
        left = op_node(p, canonical(op->symbol), span, first, &args);
        const struct infix *next = left ? peek_infix(p) : NULL;
        bool comparison =
            op->level == LEVEL_EQUAL || op->level == LEVEL_ORDER || op->level == LEVEL_TEXT;
        if (next && comparison && next->level == op->level) {
            struct wr_diag *d =
                wr_parser_fail(p, wr_parser_peek(p, 0)->span, "comparisons do not chain");
            wr_diag_hint(p->diags, d, "put brackets around one of them, or join them with 'and'");
            return NULL;
        }
    }
    return left;
}

struct wr_kql_ex *wr_parse_expr(struct wr_parser *p)
{
    if (!wr_parser_enter(p))
        return NULL;
    struct wr_kql_ex *ex = parse_level(p, LEVEL_OR);
    p->depth--;
    return p->failed ? NULL : ex;
}
