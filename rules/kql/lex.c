#include "rules/kql/token.h"

#include <stdlib.h>
#include <string.h>

struct lexer {
    const struct wr_source *source;
    struct wr_arena *arena;
    struct wr_diags *diags;
    const char *text;
    uint32_t at, len;
    struct wr_tokens out;
    uint32_t cap;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
    return (wr_ascii_lower(c) >= 'a' && wr_ascii_lower(c) <= 'z') || c == '_' || c == '$';
}

static bool is_word(char c)
{
    return is_alpha(c) || is_digit(c);
}

static bool lex_error(struct lexer *lx, uint32_t at, uint32_t len, const char *text)
{
    wr_diag_add(lx->diags, WR_ERROR, lx->source, (struct wr_span){at, len}, "%s", text);
    return false;
}

/* Bytes of a white-space code point at `at`, 0 when there is none. Beside ASCII: U+00A0, U+FEFF,
 * U+2000..200B, U+3000. */
static uint32_t blank_len(const struct lexer *lx, uint32_t at)
{
    const unsigned char *p = (const unsigned char *)lx->text + at;
    uint32_t left = lx->len - at;
    if (!left)
        return 0;
    if (*p == ' ' || (*p >= '\t' && *p <= '\r'))
        return 1;
    if (left >= 2 && p[0] == 0xc2 && p[1] == 0xa0)
        return 2;
    if (left < 3)
        return 0;
    bool wide = (p[0] == 0xef && p[1] == 0xbb && p[2] == 0xbf) ||
                (p[0] == 0xe3 && p[1] == 0x80 && p[2] == 0x80) ||
                (p[0] == 0xe2 && p[1] == 0x80 && p[2] >= 0x80 && p[2] <= 0x8b);
    return wide ? 3 : 0;
}

static void skip_blanks(struct lexer *lx)
{
    for (;;) {
        uint32_t n = blank_len(lx, lx->at);
        if (n) {
            lx->at += n;
        } else if (lx->at + 1 < lx->len && lx->text[lx->at] == '/' && lx->text[lx->at + 1] == '/') {
            while (lx->at < lx->len && lx->text[lx->at] != '\n')
                lx->at++;
        } else {
            return;
        }
    }
}

static struct wr_token *push(struct lexer *lx, enum wr_token_kind kind, uint32_t at, uint32_t len)
{
    struct wr_token *t = &lx->out.at[lx->out.n++];
    *t = (struct wr_token){.kind = kind, .span = {at, len}};
    return t;
}

static bool word_is(const struct lexer *lx, uint32_t at, uint32_t len, const char *word)
{
    return strlen(word) == len && memcmp(lx->text + at, word, len) == 0;
}

/* Length of a string literal's prefix at `at` (h, H, @, h@) when a quote follows, else UINT32_MAX.
 */
static uint32_t string_prefix(const struct lexer *lx, uint32_t at)
{
    uint32_t i = at;
    if (i < lx->len && (lx->text[i] == 'h' || lx->text[i] == 'H'))
        i++;
    if (i < lx->len && lx->text[i] == '@')
        i++;
    if (i < lx->len && (lx->text[i] == '"' || lx->text[i] == '\''))
        return i - at;
    bool fence = i + 2 < lx->len && (lx->text[i] == '`' || lx->text[i] == '~') &&
                 lx->text[i + 1] == lx->text[i] && lx->text[i + 2] == lx->text[i];
    return fence ? i - at : UINT32_MAX;
}

static bool lex_string(struct lexer *lx, uint32_t prefix)
{
    uint32_t start = lx->at, skip = prefix;
    if (skip && lx->text[start + skip - 1] == '@')
        skip--; /* the reader of strings wants to see the @ */
    struct wr_str s;
    size_t used = 0;
    const char *why;
    if (!wr_kql_string(lx->text + start + skip, lx->len - start - skip, lx->arena, &s, &used, &why))
        return lex_error(lx, start, (uint32_t)used + skip, why);
    lx->at = start + skip + (uint32_t)used;
    struct wr_token *t = push(lx, WR_TOKEN_STRING, start, lx->at - start);
    t->value = (struct wr_value){.type = WR_STRING, .s = s};
    return true;
}

/* End of the bracket that opens at `at`, past strings and nested brackets; `len` when it stays
 * open. */
static uint32_t skip_brackets(struct lexer *lx, uint32_t at)
{
    uint32_t depth = 0;
    while (at < lx->len) {
        char c = lx->text[at];
        if (c == '"' || c == '\'') {
            struct wr_str s;
            size_t used = 0;
            const char *why;
            if (!wr_kql_string(lx->text + at, lx->len - at, lx->arena, &s, &used, &why))
                return lx->len;
            at += (uint32_t)used;
            continue;
        }
        if (c == '/' && at + 1 < lx->len && lx->text[at + 1] == '/' && lx->text[at - 1] != ':') {
            while (at < lx->len && lx->text[at] != '\n')
                at++;
            continue;
        }
        depth += c == '(' || c == '[' || c == '{';
        at++;
        if ((c == ')' || c == ']' || c == '}') && --depth == 0)
            return at;
    }
    return lx->len;
}

/* `datetime(2020-01-01)`: a type's name and brackets hold a literal, not an expression. */
static bool lex_typed(struct lexer *lx, uint32_t start, enum wr_type type, uint32_t open)
{
    uint32_t end = type == WR_DYNAMIC ? skip_brackets(lx, open) : open;
    if (type != WR_DYNAMIC) {
        while (end < lx->len && lx->text[end] != ')')
            end++;
        end += end < lx->len;
    }
    if (end <= open + 1 || lx->text[end - 1] != ')')
        return lex_error(lx, start, open + 1 - start,
                         "the bracket of this literal is never closed");
    struct wr_value v;
    const char *why = NULL;
    const char *body = lx->text + open + 1;
    size_t n = end - open - 2;
    bool ok = type == WR_DYNAMIC ? wr_kql_dynamic(body, n, lx->arena, &v, &why)
                                 : wr_kql_typed_literal(type, body, n, lx->arena, &v, &why);
    if (!ok)
        return lex_error(lx, start, end - start, why);
    push(lx, WR_TOKEN_LITERAL, start, end - start)->value = v;
    lx->at = end;
    return true;
}

static bool lex_word(struct lexer *lx)
{
    uint32_t start = lx->at, end = start;
    while (end < lx->len && is_word(lx->text[end]))
        end++;
    lx->at = end;
    uint32_t n = end - start;
    static const char *const truths[] = {"true", "True", "TRUE", "false", "False", "FALSE"};
    for (int i = 0; i < 6; i++)
        if (word_is(lx, start, n, truths[i])) {
            push(lx, WR_TOKEN_LITERAL, start, n)->value = (struct wr_value){.type = WR_BOOL, .i = i < 3};
            return true;
        }
    if (word_is(lx, start, n, "in") && end < lx->len && lx->text[end] == '~') {
        push(lx, WR_TOKEN_PUNCT, start, n + 1);
        lx->at++;
        return true;
    }
    uint32_t open = end;
    while (open < lx->len && blank_len(lx, open))
        open += blank_len(lx, open);
    enum wr_type type;
    bool after_dot = lx->out.n && word_is(lx, lx->out.at[lx->out.n - 1].span.at,
                                          lx->out.at[lx->out.n - 1].span.len, ".");
    if (open < lx->len && lx->text[open] == '(' && !after_dot &&
        wr_type_parse(lx->text + start, n, &type) && type != WR_STRING)
        return lex_typed(lx, start, type, open);
    push(lx, WR_TOKEN_NAME, start, n);
    return true;
}

static bool lex_hex(struct lexer *lx)
{
    uint32_t start = lx->at, end = start + 2;
    uint64_t v = 0;
    while (end < lx->len && is_word(lx->text[end])) {
        char c = wr_ascii_lower(lx->text[end++]);
        if ((!is_digit(c) && (c < 'a' || c > 'f')) || v >> 60)
            return lex_error(lx, start, end - start, "not a hexadecimal number of 64 bits");
        v = v << 4 | (uint64_t)(is_digit(c) ? c - '0' : c - 'a' + 10);
    }
    push(lx, WR_TOKEN_LITERAL, start, end - start)->value =
        (struct wr_value){.type = WR_LONG, .i = (int64_t)v};
    lx->at = end;
    return true;
}

static uint32_t skip_digits(const struct lexer *lx, uint32_t at)
{
    while (at < lx->len && is_digit(lx->text[at]))
        at++;
    return at;
}

static bool lex_long(struct lexer *lx, uint32_t start, uint32_t end)
{
    uint64_t v = 0;
    for (uint32_t i = start; i < end; i++) {
        uint64_t digit = (uint64_t)(lx->text[i] - '0');
        if (v > ((uint64_t)INT64_MAX - digit) / 10)
            return lex_error(lx, start, end - start, "the number does not fit a long (64 bits)");
        v = v * 10 + digit;
    }
    push(lx, WR_TOKEN_LITERAL, start, end - start)->value =
        (struct wr_value){.type = WR_LONG, .i = (int64_t)v};
    return true;
}

/* 12, 1.5, 1e5, 0x1f, 24h, 1.5d; `4xx` is a name. */
static bool lex_number(struct lexer *lx)
{
    uint32_t start = lx->at, end = skip_digits(lx, start);
    if (end == start + 1 && lx->text[start] == '0' && end + 1 < lx->len &&
        wr_ascii_lower(lx->text[end]) == 'x')
        return lex_hex(lx);
    bool real = end + 1 < lx->len && lx->text[end] == '.' && is_digit(lx->text[end + 1]);
    if (real)
        end = skip_digits(lx, end + 1);
    else if (end < lx->len && lx->text[end] == '.' &&
             (end + 1 == lx->len || !is_alpha(lx->text[end + 1])) &&
             (end + 1 == lx->len || lx->text[end + 1] != '.')) {
        real = true; /* `1.` */
        end++;
    }
    uint32_t exp = end;
    if (exp < lx->len && wr_ascii_lower(lx->text[exp]) == 'e') {
        exp++;
        exp += exp < lx->len && (lx->text[exp] == '+' || lx->text[exp] == '-');
        uint32_t stop = skip_digits(lx, exp);
        if (stop > exp && (stop == lx->len || !is_alpha(lx->text[stop]))) {
            end = stop;
            real = true;
        }
    }
    lx->at = end;
    if (end == lx->len || !is_alpha(lx->text[end])) {
        if (!real)
            return lex_long(lx, start, end);
        double r = strtod(lx->text + start, NULL);
        push(lx, WR_TOKEN_LITERAL, start, end - start)->value =
            (struct wr_value){.type = WR_REAL, .r = r};
        return true;
    }
    uint32_t unit = end;
    while (end < lx->len && is_word(lx->text[end]))
        end++;
    lx->at = end;
    struct wr_value v = {.type = WR_TIMESPAN};
    if (wr_kql_timespan(strtod(lx->text + start, NULL), lx->text + unit, end - unit, &v.i)) {
        push(lx, WR_TOKEN_LITERAL, start, end - start)->value = v;
        return true;
    }
    if (real)
        return lex_error(lx, start, end - start,
                         "neither a number nor a time span (units: d h m s ms)");
    push(lx, WR_TOKEN_NAME, start, end - start);
    return true;
}

static bool lex_punct(struct lexer *lx)
{
    static const char *const two[] = {"==", "!=", "<>", "<=", ">=", "=~", "!~", "..", "=>"};
    uint32_t at = lx->at, left = lx->len - at;
    if (lx->text[at] == '!' && left > 1 && is_alpha(lx->text[at + 1])) {
        uint32_t end = at + 1;
        while (end < lx->len && is_word(lx->text[end]))
            end++;
        end += word_is(lx, at, end - at, "!in") && end < lx->len && lx->text[end] == '~';
        push(lx, WR_TOKEN_PUNCT, at, end - at);
        lx->at = end;
        return true;
    }
    for (size_t i = 0; left >= 2 && i < sizeof two / sizeof *two; i++)
        if (memcmp(lx->text + at, two[i], 2) == 0) {
            push(lx, WR_TOKEN_PUNCT, at, 2);
            lx->at += 2;
            return true;
        }
    if (!lx->text[at] || !strchr("()[]{}|,;:.=<>+-*/%!~@#?", lx->text[at]))
        return lex_error(lx, at, 1, "a character that KQL does not have");
    push(lx, WR_TOKEN_PUNCT, at, 1);
    lx->at++;
    return true;
}

static bool lex_token(struct lexer *lx)
{
    char c = lx->text[lx->at];
    uint32_t prefix = string_prefix(lx, lx->at);
    if (prefix != UINT32_MAX)
        return lex_string(lx, prefix);
    if (is_digit(c))
        return lex_number(lx);
    if (is_alpha(c))
        return lex_word(lx);
    return lex_punct(lx);
}

bool wr_kql_lex(const struct wr_source *source, struct wr_arena *arena, struct wr_diags *diags,
                struct wr_tokens *ret_tokens)
{
    struct lexer lx = {.source = source, .arena = arena, .diags = diags};
    if (source->len > WR_KQL_MAX_TEXT)
        return lex_error(&lx, 0, 1, "the query is longer than 64 KiB");
    lx.text =
        wr_arena_strndup(arena, source->text, source->len); /* strtod wants the NUL at its end */
    lx.len = (uint32_t)source->len;
    lx.out.at = wr_arena_alloc(arena, (lx.len + 1) * sizeof *lx.out.at); /* no token is empty */
    if (!lx.text || !lx.out.at)
        return lex_error(&lx, 0, 1, wr_strerror(WR_ENOMEM));
    for (skip_blanks(&lx); lx.at < lx.len; skip_blanks(&lx))
        if (!lex_token(&lx))
            return false;
    push(&lx, WR_TOKEN_END, lx.len, 0);
    *ret_tokens = lx.out;
    return true;
}
