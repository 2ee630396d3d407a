/* parse-kv: pairs of keys and values in a text.
 *
 *   src=10.0.0.1 "event time"=2026-01-31 text=(a b)      pair " ", key and value "=", quotes
 *
 * Without delimiters words are what letters and digits make, and the word behind a key is its value. Of equal keys the
 * first counts. Source: Kusto query language reference, "parse-kv operator". */
#include "rules/exec/parse.h"

#include "rules/fn/kernel.h"

#include <string.h>

struct reader {
    struct wr_eval *ev;
    const struct wr_parse *spec;
    const char *at, *end;
    struct wr_str *found;
    bool *has;
};

/* Column with this key, or ncols. */
static uint32_t column_of(const struct wr_parse *spec, const char *key, size_t len)
{
    uint32_t i = 0;
    while (i < spec->ncols && (strlen(spec->cols[i].name) != len || memcmp(spec->cols[i].name, key, len) != 0))
        i++;
    return i;
}

static void keep(struct reader *r, uint32_t col, struct wr_str value)
{
    if (col == r->spec->ncols || r->has[col])
        return;
    r->found[col] = value;
    r->has[col] = true;
}

static bool starts(const struct reader *r, const struct wr_str *what)
{
    return (size_t)(r->end - r->at) >= what->len && memcmp(r->at, wr_str_data(what), what->len) == 0;
}

static void skip_blanks(struct reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || (*r->at >= '\t' && *r->at <= '\r')))
        r->at++;
}

static struct wr_str trimmed(const char *p, size_t len)
{
    while (len && (*p == ' ' || (*p >= '\t' && *p <= '\r'))) {
        p++;
        len--;
    }
    while (len && (p[len - 1] == ' ' || (p[len - 1] >= '\t' && p[len - 1] <= '\r')))
        len--;
    return wr_str_borrow(p, len);
}

/* A quoted text at r->at, escapes taken away; false when it is not closed: then it is no quote. */
static bool quoted(struct reader *r, struct wr_str *ret)
{
    const struct wr_parse *spec = r->spec;
    const char *p = r->at + 1;
    bool escapes = false;
    for (; p < r->end && *p != spec->quote[1]; p++)
        if (spec->escape && *p == spec->escape && p + 1 < r->end) {
            escapes = true;
            p++;
        }
    if (p == r->end)
        return false;
    const char *body = r->at + 1;
    size_t len = (size_t)(p - body), n = 0;
    r->at = p + 1;
    *ret = wr_str_borrow(body, len);
    char *plain = escapes ? wr_arena_bytes_alloc(r->ev->arena, len + 1) : NULL;
    if (escapes && !plain)
        r->ev->err = WR_ENOMEM;
    for (size_t i = 0; plain && i < len; i++) {
        i += body[i] == spec->escape && i + 1 < len;
        plain[n++] = body[i];
    }
    if (plain)
        *ret = wr_str_borrow(plain, n);
    return true;
}

static bool at_quote(const struct reader *r)
{
    return r->spec->quote[0] && r->at < r->end && *r->at == r->spec->quote[0];
}

/* ---- delimiters are given ---- */

/* The pair behind the delimiter at `p` has a key that is asked for: where a greedy value ends. */
static bool known_key_follows(const struct reader *r, const char *p)
{
    struct reader k = *r;
    struct wr_str key;
    k.at = p + r->spec->pair.len;
    if (at_quote(&k) && quoted(&k, &key))
        return starts(&k, &r->spec->kv) && column_of(r->spec, wr_str_data(&key), key.len) < r->spec->ncols;
    enum { KEY_MAX = 512 }; /* a key that is asked for is shorter, so the search stays short */
    size_t left = (size_t)(r->end - k.at) < KEY_MAX ? (size_t)(r->end - k.at) : KEY_MAX;
    const char *kv = memmem(k.at, left, wr_str_data(&r->spec->kv), r->spec->kv.len);
    if (!kv)
        return false;
    key = trimmed(k.at, (size_t)(kv - k.at));
    return column_of(r->spec, wr_str_data(&key), key.len) < r->spec->ncols;
}

static struct wr_str value_of(struct reader *r)
{
    const char *from = r->at;
    struct wr_str value;
    skip_blanks(r);
    if (at_quote(r) && quoted(r, &value))
        return value;
    r->at = from;
    while (r->at < r->end && !(starts(r, &r->spec->pair) && (!r->spec->greedy || known_key_follows(r, r->at))))
        r->at++;
    return trimmed(from, (size_t)(r->at - from));
}

static void next_pair(struct reader *r)
{
    const struct wr_parse *spec = r->spec;
    struct wr_str key = {0};
    const char *from = r->at;
    skip_blanks(r);
    bool is_quoted = at_quote(r) && quoted(r, &key);
    if (!is_quoted)
        r->at = from;
    while (r->at < r->end && !starts(r, &spec->kv) && !starts(r, &spec->pair))
        r->at++;
    if (!is_quoted)
        key = trimmed(from, (size_t)(r->at - from));
    if (r->at < r->end && starts(r, &spec->kv)) {
        r->at += spec->kv.len;
        keep(r, column_of(spec, wr_str_data(&key), key.len), value_of(r));
    }
    while (r->at < r->end && !starts(r, &spec->pair))
        r->at++;
    r->at += r->at < r->end ? spec->pair.len : 0;
}

/* ---- words ---- */

static struct wr_str word(struct reader *r)
{
    struct wr_str value = {0};
    while (r->at < r->end && !wr_is_alnum(*r->at) && !at_quote(r))
        r->at++;
    if (at_quote(r) && quoted(r, &value))
        return value;
    if (at_quote(r))
        r->at++;
    const char *from = r->at;
    while (r->at < r->end && wr_is_alnum(*r->at))
        r->at++;
    return wr_str_borrow(from, (size_t)(r->at - from));
}

static void words(struct reader *r)
{
    struct wr_str w = word(r);
    while (r->at < r->end && !r->ev->err) {
        uint32_t col = column_of(r->spec, wr_str_data(&w), w.len);
        w = word(r);
        keep(r, col, w);
    }
}

/* ---- a pattern ---- */

static void by_regex(struct reader *r)
{
    struct wr_re_span s[3];
    size_t at = 0, len = (size_t)(r->end - r->at);
    while (at <= len) {
        int found = wr_re_find(r->spec->re, r->at, len, at, s, 3);
        if (found < 0)
            r->ev->err = WR_ENOMEM;
        if (found <= 0)
            return;
        if (s[1].from <= s[1].to && s[2].from <= s[2].to) {
            struct wr_str key = trimmed(r->at + s[1].from, s[1].to - s[1].from);
            keep(r, column_of(r->spec, wr_str_data(&key), key.len),
                 trimmed(r->at + s[2].from, s[2].to - s[2].from));
        }
        at = s[0].to > at ? s[0].to : at + 1;
    }
}

void wr_parse_pairs(struct wr_eval *ev, const struct wr_parse *spec, const char *text, size_t len,
                    struct wr_str *found, bool *has)
{
    struct reader r = {.ev = ev, .spec = spec, .at = text, .end = text + len, .found = found, .has = has};
    if (spec->re) {
        by_regex(&r);
    } else if (spec->pair.len && spec->kv.len) {
        while (r.at < r.end && !ev->err)
            next_pair(&r);
    } else {
        words(&r);
    }
}
