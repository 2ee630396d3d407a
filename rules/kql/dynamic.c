/* dynamic(...): JSON in which KQL's own literals and single quotes may stand, as compact JSON text.
 * Source: Kusto "dynamic data type". */
#include "base/buf.h"
#include "base/ticks.h"
#include "rules/kql/token.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 64 };

struct json {
    const char *at, *end;
    struct wr_arena *arena;
    struct wr_buf out;
    const char *why;
    unsigned depth;
};

static void blanks(struct json *j)
{
    for (; j->at < j->end; j->at++) {
        if (j->end - j->at > 1 && j->at[0] == '/' && j->at[1] == '/')
            while (j->at + 1 < j->end && *j->at != '\n')
                j->at++;
        else if (*j->at != ' ' && (*j->at < '\t' || *j->at > '\r'))
            return;
    }
}

static bool fail(struct json *j, const char *why)
{
    j->why = why;
    return false;
}

static bool string(struct json *j)
{
    struct wr_str s;
    size_t used = 0;
    if (!wr_kql_string(j->at, (size_t)(j->end - j->at), j->arena, &s, &used, &j->why))
        return false;
    j->at += used;
    wr_json_str(&j->out, wr_str_data(&s), s.len);
    return true;
}

static bool is_word(char c)
{
    return (wr_ascii_lower(c) >= 'a' && wr_ascii_lower(c) <= 'z') || (c >= '0' && c <= '9') ||
           c == '_' || c == '.' || c == '-' || c == '+';
}

/* datetime(2020-01-01) inside: as its text. */
static bool typed(struct json *j, enum wr_type type)
{
    const char *close = memchr(j->at, ')', (size_t)(j->end - j->at));
    if (!close)
        return fail(j, "a literal inside this dynamic value is never closed");
    struct wr_value v;
    if (!wr_kql_typed_literal(type, j->at + 1, (size_t)(close - j->at - 1), j->arena, &v, &j->why))
        return false;
    j->at = close + 1;
    struct wr_buf text = {0};
    if (v.null)
        wr_buf_str(&j->out, "null");
    else if (type == WR_DATETIME)
        wr_ticks_datetime(&text, v.i);
    else if (type == WR_TIMESPAN)
        wr_ticks_timespan(&text, v.i);
    else if (type == WR_BOOL)
        wr_buf_str(&j->out, v.i ? "true" : "false");
    else if (type == WR_REAL)
        wr_json_real(&j->out, v.r);
    else if (type == WR_INT || type == WR_LONG)
        wr_buf_i64(&j->out, v.i);
    else
        wr_json_str(&j->out, wr_str_data(&v.s), v.s.len);
    if (text.len)
        wr_json_str(&j->out, text.data, text.len);
    wr_buf_fini(&text);
    return true;
}

static bool number(struct json *j, const char *word, size_t n)
{
    char buf[64];
    if (n >= sizeof buf)
        return fail(j, "a number inside this dynamic value is too long");
    memcpy(buf, word, n);
    buf[n] = '\0';
    char *end;
    if (strspn(buf, "+-.0123456789eE") != n || !strpbrk(buf, "0123456789"))
        return fail(j, "dynamic(...) takes JSON: a text in it needs quotes");
    if (strspn(buf, "-0123456789") == n && n < 19) {
        wr_buf_i64(&j->out, strtoll(buf, &end, 10));
        return !*end || fail(j, "not a number inside this dynamic value");
    }
    double r = strtod(buf, &end);
    if (*end || !isfinite(r))
        return fail(j, "not a number inside this dynamic value");
    wr_json_real(&j->out, r);
    return true;
}

static bool word(struct json *j)
{
    const char *start = j->at;
    while (j->at < j->end && is_word(*j->at))
        j->at++;
    size_t n = (size_t)(j->at - start);
    enum wr_type type;
    if (!n)
        return fail(j, "dynamic(...) takes JSON: a value is missing");
    if (j->at < j->end && *j->at == '(' && wr_type_parse(start, n, &type) && type != WR_STRING &&
        type != WR_DYNAMIC)
        return typed(j, type);
    bool constant = (n == 4 && (memcmp(start, "true", 4) == 0 || memcmp(start, "null", 4) == 0)) ||
                    (n == 5 && memcmp(start, "false", 5) == 0);
    if (!constant)
        return number(j, start, n);
    wr_buf_add(&j->out, start, n);
    return true;
}

static bool value(struct json *j);

static bool member(struct json *j, char open)
{
    if (open == '[')
        return value(j);
    if (j->at == j->end || (*j->at != '"' && *j->at != '\'' && *j->at != '@'))
        return fail(j, "dynamic({...}) takes quoted keys");
    if (!string(j))
        return false;
    blanks(j);
    if (j->at == j->end || *j->at != ':')
        return fail(j, "dynamic({...}) takes \"key\": value");
    j->at++;
    wr_buf_char(&j->out, ':');
    return value(j);
}

static bool collection(struct json *j, char open)
{
    char close = open == '[' ? ']' : '}';
    wr_buf_char(&j->out, open);
    j->at++;
    for (bool first = true;; first = false) {
        blanks(j);
        if (j->at < j->end && *j->at == close)
            break;
        if (!first) {
            if (j->at == j->end || *j->at != ',')
                return fail(j, "a bracket inside this dynamic value is never closed");
            j->at++;
            blanks(j);
            if (j->at < j->end && *j->at == close) /* a comma at the end */
                break;
            wr_buf_char(&j->out, ',');
        }
        if (!member(j, open))
            return false;
    }
    j->at++;
    wr_buf_char(&j->out, close);
    return true;
}

/* NOLINTNEXTLINE(misc-no-recursion): depth is bounded by MAX_DEPTH */
static bool value(struct json *j)
{
    blanks(j);
    if (j->at == j->end)
        return fail(j, "dynamic(...) takes JSON: a value is missing");
    if (*j->at == '"' || *j->at == '\'' || *j->at == '@')
        return string(j);
    if (*j->at != '[' && *j->at != '{')
        return word(j);
    if (j->depth == MAX_DEPTH)
        return fail(j, "this dynamic value is nested too deeply (64 levels are read)");
    j->depth++;
    bool ok = collection(j, *j->at);
    j->depth--;
    return ok;
}

bool wr_kql_dynamic(const char *text, size_t len, struct wr_arena *arena,
                    struct wr_value *ret_value, const char **ret_why)
{
    struct json j = {.at = text, .end = text + len, .arena = arena};
    struct wr_value v = {.type = WR_DYNAMIC};
    bool ok = value(&j);
    if (ok) {
        blanks(&j);
        if (j.at != j.end)
            ok = fail(&j, "dynamic(...) takes one JSON value");
    }
    const char *json = j.out.data ? j.out.data : "";
    v.null = ok && j.out.len == 4 && memcmp(json, "null", 4) == 0;
    if (ok && !v.null && (j.out.err || !wr_str_copy(arena, json, j.out.len, &v.s)))
        ok = fail(&j, wr_strerror(WR_ENOMEM));
    wr_buf_fini(&j.out);
    *ret_value = v;
    *ret_why = j.why;
    return ok;
}
