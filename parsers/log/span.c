#include "parsers/log/span.h"

static bool in_object(const struct wr_json_span *s)
{
    return s->objects >> (s->depth - 1) & 1;
}

/* May a value that begins with `c` stand here? */
static bool value_allowed(const struct wr_json_span *s, char c)
{
    if (s->depth == 0)
        return c != '"';
    if (s->last == ':')
        return in_object(s);
    if (s->last == ',' || s->last == '[')
        return c == '"' || !in_object(s);
    return s->last == '{' && c == '"';
}

/* A list of events is a list of objects, and an object starts with a key. Anything else at the very start is
 * a text in brackets: `[error] disk full`, `{thread-1} started`. */
static bool plausible_start(const struct wr_json_span *s, char c)
{
    if (s->depth != 1 || (s->last != '[' && s->last != '{') || c == '"' || c == '}')
        return true;
    return s->last == '[' && (c == '{' || c == ']');
}

static bool scalar_byte(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '+' || c == '.';
}

static enum wr_json_span_result outside(struct wr_json_span *s, char c)
{
    if (!plausible_start(s, c))
        return WR_SPAN_NOT_JSON;
    switch (c) {
    case '{':
    case '[':
        if (s->depth == WR_SPAN_MAX_DEPTH || !value_allowed(s, c))
            return WR_SPAN_NOT_JSON;
        s->objects &= ~(UINT64_C(1) << s->depth);
        s->objects |= (uint64_t)(c == '{') << s->depth;
        s->depth++;
        break;
    case '}':
    case ']':
        if (s->depth == 0 || in_object(s) != (c == '}'))
            return WR_SPAN_NOT_JSON;
        if (--s->depth == 0)
            return WR_SPAN_END;
        break;
    case '"':
        if (!value_allowed(s, c))
            return WR_SPAN_NOT_JSON;
        s->in_string = true;
        s->last = '0';
        return WR_SPAN_MORE;
    case ',':
    case ':':
        break;
    default:
        if (!scalar_byte(c) || s->depth == 0)
            return WR_SPAN_NOT_JSON;
        c = '0';
    }
    s->last = c;
    return WR_SPAN_MORE;
}

enum wr_json_span_result wr_json_span_feed(struct wr_json_span *s, const char *data, size_t len, size_t *pos)
{
    for (size_t i = *pos; i < len; i++) {
        char c = data[i];
        *pos = i + 1;
        if (s->in_string) {
            if ((unsigned char)c < 0x20)
                return WR_SPAN_NOT_JSON; /* a string never spans lines */
            if (s->escaped)
                s->escaped = false;
            else if (c == '\\')
                s->escaped = true;
            else if (c == '"')
                s->in_string = false;
            continue;
        }
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
            continue;
        enum wr_json_span_result r = outside(s, c);
        if (r != WR_SPAN_MORE)
            return r;
    }
    return WR_SPAN_MORE;
}
