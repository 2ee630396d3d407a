/* A value of the record -> a column, as its mapping says: choose, join, cut, look up, change. */
#include "base/buf.h"
#include "base/ticks.h"
#include "parsers/log/mapping_internal.h"

#include <string.h>

/* Tetragon writes IPPROTO_TCP. */
static void protocol(struct wr_event *ev, uint16_t col, const struct wr_json_val *v)
{
    struct wr_json_val word = *v;
    if (v->type == WR_JSON_STR && v->len > 8 && !memcmp(v->s, "IPPROTO_", 8)) {
        word.s += 8;
        word.len -= 8;
    }
    wr_event_take_protocol(ev, col, &word);
}

static void words(struct wr_event *ev, uint16_t col, const struct wr_json_val *v, enum map_as as)
{
    struct wr_json_val out = *v;
    bool base = as == AS_BASENAME || as == AS_LOWER_BASENAME;
    if (v->type == WR_JSON_STR && base) {
        uint32_t cut = v->len;
        while (cut && v->s[cut - 1] != '\\' && v->s[cut - 1] != '/')
            cut--;
        out.s += cut;
        out.len -= cut;
    }
    if (v->type == WR_JSON_STR && (as == AS_LOWER || as == AS_LOWER_BASENAME || as == AS_UPPER)) {
        char *copy = wr_arena_strndup(ev->scratch, out.s, out.len);
        if (!copy)
            return;
        for (uint32_t i = 0; i < out.len; i++)
            copy[i] = as != AS_UPPER                     ? wr_ascii_lower(copy[i])
                      : copy[i] >= 'a' && copy[i] <= 'z' ? (char)(copy[i] - 32)
                                                         : copy[i];
        out.s = copy;
    }
    wr_event_set(ev, col, &out);
}

/* `<a@B.example> SIZE=1` -> `a@b.example`: RFC 5321 section 4.1.2; only the domain has no case. */
static void mail(struct wr_event *ev, uint16_t col, const struct wr_json_val *v)
{
    if (v->type != WR_JSON_STR)
        return;
    const char *p = v->s, *end = p + v->len;
    const char *open = memchr(p, '<', v->len),
               *close = open ? memchr(open, '>', (size_t)(end - open)) : NULL;
    if (close) {
        p = open + 1;
        end = close;
    } else if (memmem(p, (size_t)(end - p), " SIZE=", 6)) {
        end = memmem(p, (size_t)(end - p), " SIZE=", 6);
    }
    while (p < end && *p == ' ')
        p++;
    while (p < end && end[-1] == ' ')
        end--;
    char *copy = wr_arena_strndup(ev->scratch, p, (size_t)(end - p));
    if (!copy)
        return;
    char *at = memrchr(copy, '@', (size_t)(end - p));
    for (; at && *at; at++)
        *at = wr_ascii_lower(*at);
    wr_event_set_text(ev, col, copy, (size_t)(end - p));
}

/* A time in a unit that its size does not tell: written out, as a number would be guessed at again.
 */
static void epoch(struct wr_event *ev, uint16_t col, const struct wr_json_val *v, int64_t unit_ns)
{
    int64_t n, ns;
    struct wr_buf text = {0};
    if (v->type == WR_JSON_REAL && v->r >= 0 && v->r < 9e18 / (double)unit_ns)
        ns = (int64_t)(v->r * (double)unit_ns);
    else if (!wr_val_i64(v, &n) || n < 0 || __builtin_mul_overflow(n, unit_ns, &ns))
        return;
    wr_ticks_datetime(&text, wr_ticks_of_unix_ns(ns));
    const char *copy = text.err ? NULL : wr_arena_strndup(ev->scratch, text.data, text.len);
    if (copy)
        wr_event_set_text(ev, col, copy, text.len);
    wr_buf_fini(&text);
}

/* NOLINTNEXTLINE(readability-function-size): one case a transform */
static void put(struct wr_event *ev, const struct map_pick *p, const struct wr_json_val *v)
{
    struct wr_json_val count = {.type = WR_JSON_INT, .i = v->type == WR_JSON_ARRAY ? v->len : 1};
    switch (p->as) {
    case AS_IP:
        if (p->col2 == WR_DNE_LocalIPType && (wr_val_is(v, "0.0.0.0") || wr_val_is(v, "::")))
            break; /* not bound when the event was made */
        (void)wr_event_take_ip(ev, v, p->col, p->col2);
        break;
    case AS_PROTOCOL:
        protocol(ev, p->col, v);
        break;
    case AS_IMAGE:
        if (v->type == WR_JSON_STR)
            wr_event_take_image(ev, v, p->col, p->col2);
        break;
    case AS_USER:
        if (v->type == WR_JSON_STR)
            wr_event_take_user(ev, v, p->col, p->col2);
        break;
    case AS_COUNT:
        wr_event_set(ev, p->col, &count);
        break;
    case AS_MAIL:
        mail(ev, p->col, v);
        break;
    case AS_SECONDS:
        epoch(ev, p->col, v, 1000000000);
        break;
    case AS_MILLISECONDS:
        epoch(ev, p->col, v, 1000000);
        break;
    case AS_MICROSECONDS:
        epoch(ev, p->col, v, 1000);
        break;
    case AS_NANOSECONDS:
        epoch(ev, p->col, v, 1);
        break;
    default:
        words(ev, p->col, v, p->as);
        break;
    }
}

/* ---- from fields to one value ---- */

static bool add_text(struct wr_event *ev, struct wr_buf *out, const struct map_text *between,
                     const struct wr_json_val *v)
{
    const char *s;
    size_t n;
    if (v->type == WR_JSON_NULL || !wr_val_text(ev->json, ev->scratch, v, &s, &n) || n == 0)
        return false;
    if (out->len)
        wr_buf_add(out, between->s, between->len);
    wr_buf_add(out, s, n);
    return true;
}

/* All values that are there, elements of lists one by one, in one text. */
static bool joined(const struct map_pick *p, struct wr_fields *f, struct wr_event *ev,
                   struct wr_json_val *ret)
{
    struct wr_buf out = {0};
    for (uint32_t i = 0; i < p->nfrom; i++) {
        const struct wr_json_val *v = wr_map_value(f, p->from[i]);
        if (!v)
            continue;
        if (v->type != WR_JSON_ARRAY) {
            (void)add_text(ev, &out, &p->join, v);
            continue;
        }
        struct wr_json_iter it = wr_json_begin(v);
        struct wr_json_val e;
        const char *key;
        size_t n;
        while (wr_json_iter_next(&it, &key, &n, &e))
            (void)add_text(ev, &out, &p->join, &e);
    }
    const char *copy =
        out.err || !out.len ? NULL : wr_arena_strndup(ev->scratch, out.data, out.len);
    *ret = (struct wr_json_val){.type = WR_JSON_STR, .len = (uint32_t)out.len, .s = copy};
    wr_buf_fini(&out);
    return copy != NULL;
}

/* `SHA1=AB,MD5=CD`: what stands behind NAME=; empty when it is not there. */
static void pick_pair(struct wr_json_val *v, const struct map_text *name)
{
    const char *end = v->s + v->len;
    for (const char *p = v->s; p < end;) {
        const char *stop = memchr(p, ',', (size_t)(end - p));
        stop = stop ? stop : end;
        if ((size_t)(stop - p) > name->len && !memcmp(p, name->s, name->len) &&
            p[name->len] == '=') {
            v->s = p + name->len + 1;
            v->len = (uint32_t)(stop - v->s);
            return;
        }
        p = stop < end ? stop + 1 : end;
    }
    v->len = 0;
}

static void pick_piece(struct wr_json_val *v, const struct map_pick *p)
{
    const char *from = v->s, *end = v->s + v->len;
    for (int i = 0; i != p->take; i++) {
        const char *next = memmem(from, (size_t)(end - from), p->split.s, p->split.len);
        if (!next && p->take >= 0) {
            v->len = 0; /* so many pieces there are not */
            return;
        }
        if (!next)
            break;
        from = next + p->split.len;
    }
    const char *stop = memmem(from, (size_t)(end - from), p->split.s, p->split.len);
    v->s = from;
    v->len = (uint32_t)((stop ? stop : end) - from);
}

/* Cuts a text as the pick says. False: nothing is left. */
static bool cut(const struct map_pick *p, struct wr_json_val *v)
{
    if (v->type != WR_JSON_STR)
        return true;
    bool any = p->pair.s || p->until || p->split.s;
    if (p->pair.s)
        pick_pair(v, &p->pair);
    const char *end = p->until ? memchr(v->s, p->until, v->len) : NULL;
    if (end)
        v->len = (uint32_t)(end - v->s);
    if (p->split.s)
        pick_piece(v, p);
    return !any || v->len > 0;
}

/* `"*": TEXT` is what every other value becomes; `else` also stands in for one that is not there. */
static bool is_any(const struct map_text *when)
{
    return when->len == 1 && *when->s == '*';
}

void wr_map_fill(const struct map_pick *p, struct wr_fields *f, struct wr_event *ev)
{
    const struct wr_json_val *first = NULL;
    const struct map_text *text = &p->other;
    struct wr_json_val v;
    for (uint32_t i = 0; i < p->nfrom && !first; i++)
        first = wr_map_value(f, p->from[i]);
    bool have = first != NULL;
    if (have)
        v = *first;
    if (have && p->join.s)
        have = joined(p, f, ev, &v);
    have = have && cut(p, &v);
    if (have && p->nchoices) {
        for (uint32_t i = 0; i < p->nchoices; i++)
            if (is_any(&p->choices[i].when) || wr_map_same(&v, &p->choices[i].when)) {
                text = &p->choices[i].then;
                break;
            }
        have = false;
    }
    if (!have && text->s) {
        v = (struct wr_json_val){.type = WR_JSON_STR, .len = text->len, .s = text->s};
        have = true;
    }
    if (have)
        put(ev, p, &v);
}
