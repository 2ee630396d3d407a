/* A text parsed by parsers/log/json against simdjson's own parser, which wr_json_minify goes
 * through: both take it or neither does, and every key and value is the same. Shared by the unit
 * test and the fuzz target. */
#ifndef WR_TESTS_JSON_SAME_H
#define WR_TESTS_JSON_SAME_H

#include "base/buf.h"
#include "parsers/log/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What simdjson wrote, eaten from the front. */
struct json_text {
    const char *p, *end;
};

static inline bool json_eat(struct json_text *t, const char *s, size_t len)
{
    if ((size_t)(t->end - t->p) < len || memcmp(t->p, s, len) != 0)
        return false;
    t->p += len;
    return true;
}

/* A string as simdjson escapes it. */
static inline bool json_eat_str(struct json_text *t, const char *s, size_t len)
{
    static const char named[] = "\b\f\n\r\t\"\\", letter[] = "bfnrt\"\\";
    char code[8];
    bool same = json_eat(t, "\"", 1);
    for (size_t i = 0; same && i < len; i++) {
        const char *k = s[i] ? strchr(named, s[i]) : NULL;
        if (k) {
            same = json_eat(t, "\\", 1) && json_eat(t, &letter[k - named], 1);
        } else if ((unsigned char)s[i] < 0x20) {
            int n = snprintf(code, sizeof code, "\\u%04x", (unsigned)s[i]);
            same = json_eat(t, code, (size_t)n);
        } else {
            same = json_eat(t, &s[i], 1);
        }
    }
    return same && json_eat(t, "\"", 1);
}

static inline bool json_eat_number(struct json_text *t, const struct wr_json_val *v)
{
    char text[64], *end;
    size_t n = 0;
    while (t->p < t->end && n < sizeof text - 1 && strchr("+-.eE0123456789", *t->p))
        text[n++] = *t->p++;
    text[n] = '\0';
    bool real = strpbrk(text, ".eE") != NULL;
    if (v->type == WR_JSON_REAL) {
        double r = strtod(text, &end);
        return real && !*end && r == v->r && signbit(r) == signbit(v->r);
    }
    if (v->type == WR_JSON_UINT)
        return !real && v->u > INT64_MAX && strtoull(text, &end, 10) == v->u && !*end;
    return !real && v->type == WR_JSON_INT && strtoll(text, &end, 10) == v->i && !*end;
}

static inline bool json_eat_value(struct json_text *t, const struct wr_json_val *v)
{
    if (v->type == WR_JSON_STR)
        return json_eat_str(t, v->s, v->len);
    if (v->type == WR_JSON_NULL)
        return json_eat(t, "null", 4);
    if (v->type == WR_JSON_BOOL)
        return v->b ? json_eat(t, "true", 4) : json_eat(t, "false", 5);
    if (v->type != WR_JSON_OBJECT && v->type != WR_JSON_ARRAY)
        return json_eat_number(t, v);
    bool object = v->type == WR_JSON_OBJECT, same = json_eat(t, object ? "{" : "[", 1);
    struct wr_json_iter it = wr_json_begin(v);
    struct wr_json_val member;
    const char *key;
    size_t len;
    uint32_t n = 0;
    for (; same && wr_json_iter_next(&it, &key, &len, &member); n++) {
        if (n)
            same = json_eat(t, ",", 1);
        if (object)
            same = same && json_eat_str(t, key, len) && json_eat(t, ":", 1);
        same = same && json_eat_value(t, &member);
    }
    return same && n == v->len && json_eat(t, object ? "}" : "]", 1);
}

/* Where a text is known at a glance, what is seen of it is what simdjson reads there. It is not changed, and nothing behind its
 * zeros is touched. */
static inline bool json_known_same(struct wr_json *json, const char *data, size_t len)
{
    struct wr_json_val root;
    const char *text = "";
    size_t n = 0;
    char *copy = calloc(len + WR_JSON_ZEROS, 1);
    if (!copy)
        return false;
    memcpy(copy, data, len);
    size_t known = wr_json_known(json, copy, len, &root);
    bool same = !known || (known <= len && wr_json_minify(json, copy, known, &text, &n));
    struct json_text t = {text, text + n};
    same = same && (!known || (json_eat_value(&t, &root) && t.p == t.end));
    same = same && !memcmp(copy, data, len);
    free(copy);
    return same;
}

/* Texts that are one value alone, and those with half a surrogate pair, are not compared. */
static inline bool json_same(struct wr_json *json, const char *data, size_t len)
{
    struct wr_json_val root;
    struct json_text t;
    const char *text;
    size_t n, all;
    bool repaired = false;
    if (!json_known_same(json, data, len))
        return false;
    bool taken = wr_json_parse(json, data, len, &root, &repaired) == WR_JSON_OK;
    if (repaired || (taken && root.type != WR_JSON_OBJECT && root.type != WR_JSON_ARRAY))
        return true;
    if (wr_json_minify(json, data, len, &text, &n) != taken)
        return false;
    if (!taken)
        return true;
    t = (struct json_text){text, text + n};
    all = n;
    return json_eat_value(&t, &root) && t.p == t.end && wr_json_text(json, &root, &text, &n) &&
           n == all;
}

#endif
