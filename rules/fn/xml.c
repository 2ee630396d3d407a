/* parse_xml(): an element is an object, an attribute its member `@name`, text `#text`; an element with text alone is that text,
 * one without anything null, several of one name an array. Text that is no XML, or longer than 1 MiB, is null. No document types,
 * hence no entities but the five of the language. Source: Kusto "parse_xml()"; W3C XML 1.0. */
#include "rules/fn/json.h"
#include "rules/fn/kernel.h"

#include <string.h>

enum { MAX_TEXT = 1 << 20, MAX_DEPTH = 60, MAX_NODES = 65536 };

struct node {
    const char *name;
    uint32_t len;
    bool attribute, done; /* done: written with an earlier one of its name */
    const char *text;     /* raw, entities and all; NULL: none */
    uint32_t text_len;
    bool cdata;
    struct node *first, **end, *next; /* attributes and elements, in order */
};

struct reader {
    const char *p, *end;
    struct wr_arena *arena;
    uint32_t nodes;
};

static struct node *node_new(struct reader *r, struct node *parent)
{
    struct node *n = r->nodes++ < MAX_NODES ? wr_arena_alloc(r->arena, sizeof *n) : NULL;
    if (!n)
        return NULL;
    n->end = &n->first;
    if (parent) {
        *parent->end = n;
        parent->end = &n->next;
    }
    return n;
}

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip(struct reader *r)
{
    while (r->p < r->end && blank(*r->p))
        r->p++;
}

static bool starts(const struct reader *r, const char *text)
{
    size_t n = strlen(text);
    return (size_t)(r->end - r->p) >= n && memcmp(r->p, text, n) == 0;
}

/* Behind the next `text`; false: there is none. */
static bool behind(struct reader *r, const char *text)
{
    const char *at = memmem(r->p, (size_t)(r->end - r->p), text, strlen(text));
    if (at)
        r->p = at + strlen(text);
    return at != NULL;
}

static bool name(struct reader *r, struct node *n)
{
    n->name = r->p;
    while (r->p < r->end && !blank(*r->p) && !strchr("<>/=\"'&!?", *r->p))
        r->p++;
    n->len = (uint32_t)(r->p - n->name);
    return n->len && !strchr("-.0123456789", *n->name);
}

/* Comments, processing instructions, blanks; false: one that does not end, or a document type. */
static bool misc(struct reader *r)
{
    for (;;) {
        skip(r);
        bool comment = starts(r, "<!--");
        if (!comment && !starts(r, "<?"))
            return !starts(r, "<!DOCTYPE");
        if (!behind(r, comment ? "-->" : "?>"))
            return false;
    }
}

static bool attributes(struct reader *r, struct node *n)
{
    for (;;) {
        const char *before = r->p;
        skip(r);
        if (r->p == r->end || *r->p == '>' || *r->p == '/')
            return r->p < r->end;
        struct node *a = before == r->p ? NULL : node_new(r, n);
        if (!a || !name(r, a))
            return false;
        a->attribute = true;
        skip(r);
        if (r->p == r->end || *r->p++ != '=')
            return false;
        skip(r);
        if (r->p == r->end || (*r->p != '"' && *r->p != '\''))
            return false;
        char quote = *r->p++;
        const char *stop = memchr(r->p, quote, (size_t)(r->end - r->p));
        if (!stop || memchr(r->p, '<', (size_t)(stop - r->p)))
            return false;
        a->text = r->p;
        a->text_len = (uint32_t)(stop - r->p);
        r->p = stop + 1;
    }
}

/* Text up to the next `<`; blanks alone are none. Of several pieces the first counts. */
static bool text(struct reader *r, struct node *n)
{
    const char *from = r->p, *stop = memchr(from, '<', (size_t)(r->end - from));
    if (!stop)
        return false;
    r->p = stop;
    while (from < stop && blank(*from))
        from++;
    if (from == stop || n->text)
        return true;
    n->text = from;
    n->text_len = (uint32_t)(stop - from);
    return true;
}

static bool cdata(struct reader *r, struct node *n)
{
    const char *from = r->p += 9;
    if (!behind(r, "]]>"))
        return false;
    if (!n->text) {
        n->text = from;
        n->text_len = (uint32_t)(r->p - 3 - from);
        n->cdata = true;
    }
    return true;
}

/* NOLINTNEXTLINE(misc-no-recursion): depth is bounded */
static bool element(struct reader *r, struct node *parent, unsigned depth)
{
    struct node *n = depth < MAX_DEPTH ? node_new(r, parent) : NULL;
    if (!n || r->p == r->end || *r->p++ != '<' || !name(r, n) || !attributes(r, n))
        return false;
    if (*r->p == '/') {
        r->p += 2;
        return r->p <= r->end && r->p[-1] == '>';
    }
    for (r->p++; r->p < r->end;) {
        bool ok;
        if (starts(r, "</")) {
            r->p += 2;
            if ((size_t)(r->end - r->p) < n->len || memcmp(r->p, n->name, n->len) != 0)
                return false;
            r->p += n->len;
            skip(r);
            return r->p < r->end && *r->p++ == '>';
        }
        if (starts(r, "<!--"))
            ok = behind(r, "-->");
        else if (starts(r, "<![CDATA["))
            ok = cdata(r, n);
        else if (starts(r, "<?"))
            ok = behind(r, "?>");
        else if (*r->p == '<')
            ok = element(r, n, depth + 1);
        else
            ok = text(r, n);
        if (!ok)
            return false;
    }
    return false;
}

/* ---- JSON ---- */

static void utf8(struct wr_buf *out, uint32_t c)
{
    if (c < 0x80) {
        wr_buf_char(out, (char)c);
    } else if (c < 0x800) {
        wr_buf_char(out, (char)(0xc0 | c >> 6));
        wr_buf_char(out, (char)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        wr_buf_char(out, (char)(0xe0 | c >> 12));
        wr_buf_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
        wr_buf_char(out, (char)(0x80 | (c & 0x3f)));
    } else {
        wr_buf_char(out, (char)(0xf0 | c >> 18));
        wr_buf_char(out, (char)(0x80 | (c >> 12 & 0x3f)));
        wr_buf_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
        wr_buf_char(out, (char)(0x80 | (c & 0x3f)));
    }
}

/* The character of an entity at `p` (behind `&`); its length with `;`, or 0. */
static size_t entity(const char *p, size_t len, uint32_t *ret)
{
    static const struct {
        const char *name;
        char c;
    } known[] = {{"lt;", '<'}, {"gt;", '>'}, {"amp;", '&'}, {"quot;", '"'}, {"apos;", '\''}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (len >= strlen(known[i].name) && memcmp(p, known[i].name, strlen(known[i].name)) == 0) {
            *ret = (uint32_t)known[i].c;
            return strlen(known[i].name);
        }
    const char *semicolon = memchr(p, ';', len < 12 ? len : 12);
    bool hex = len > 2 && p[1] == 'x';
    *ret = 0;
    if (!semicolon || *p != '#')
        return 0;
    for (const char *d = p + 1 + hex; d < semicolon; d++) {
        int digit = *d >= '0' && *d <= '9' ? *d - '0' : hex && wr_is_alnum(*d) ? (*d | 0x20) - 'a' + 10 : 99;
        if (digit >= (hex ? 16 : 10) || *ret > 0x10ffff)
            return 0;
        *ret = *ret * (hex ? 16 : 10) + (uint32_t)digit;
    }
    return *ret && *ret <= 0x10ffff && (*ret < 0xd800 || *ret > 0xdfff) ? (size_t)(semicolon - p) + 1 : 0;
}

static void put_text(const struct node *n, struct wr_buf *out)
{
    struct wr_buf plain = {0};
    const char *p = n->text, *end = p + n->text_len;
    while (!n->cdata && end > p && blank(end[-1]) && !n->attribute)
        end--;
    for (; p < end; p++) {
        uint32_t c;
        size_t used = *p == '&' && !n->cdata ? entity(p + 1, (size_t)(end - p - 1), &c) : 0;
        if (used)
            utf8(&plain, c);
        else
            wr_buf_char(&plain, *p);
        p += used;
    }
    wr_json_str(out, plain.data ? plain.data : "", plain.len);
    if (plain.err)
        out->err = plain.err;
    wr_buf_fini(&plain);
}

static bool same_name(const struct node *a, const struct node *b)
{
    return a->attribute == b->attribute && a->len == b->len && memcmp(a->name, b->name, a->len) == 0;
}

static void put_value(struct node *n, struct wr_buf *out);

/* Member of a bag with all its brothers of the same name. NOLINTNEXTLINE(misc-no-recursion): depth is bounded */
static void put_member(struct node *n, struct wr_buf *out)
{
    struct wr_buf key = {0};
    uint32_t count = 0;
    wr_buf_str(&key, n->attribute ? "@" : "");
    wr_buf_add(&key, n->name, n->len);
    wr_buf_str(out, out->len && out->data[out->len - 1] != '{' ? "," : "");
    wr_json_str(out, key.data ? key.data : "", key.len);
    wr_buf_char(out, ':');
    wr_buf_fini(&key);
    for (struct node *b = n; b; b = b->next)
        count += same_name(n, b);
    wr_buf_str(out, count > 1 ? "[" : "");
    bool first = true;
    for (struct node *b = n; b; b = b->next) {
        if (!same_name(n, b))
            continue;
        wr_buf_str(out, first ? "" : ",");
        first = false;
        b->done = true;
        put_value(b, out);
    }
    wr_buf_str(out, count > 1 ? "]" : "");
}

/* NOLINTNEXTLINE(misc-no-recursion): depth is bounded */
static void put_value(struct node *n, struct wr_buf *out)
{
    if (n->attribute) {
        put_text(n, out);
    } else if (!n->first && !n->text) {
        wr_buf_str(out, "null");
    } else if (!n->first) {
        put_text(n, out);
    } else {
        wr_buf_char(out, '{');
        for (struct node *c = n->first; c; c = c->next)
            if (!c->done)
                put_member(c, out);
        if (n->text) {
            wr_buf_str(out, ",\"#text\":");
            put_text(n, out);
        }
        wr_buf_char(out, '}');
    }
}

void wr_k_parse_xml(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args, const struct wr_sel *sel,
                    struct wr_vec *out)
{
    (void)call;
    WR_EACH (sel, row) {
        const struct wr_str *s = &args[0].s[row];
        struct reader r = {.p = wr_str_data(s), .end = wr_str_data(s) + s->len, .arena = wr_arena_new(4096)};
        struct node root = {.end = &root.first};
        struct wr_buf json = {0};
        bool ok = r.arena && s->len && s->len <= MAX_TEXT && misc(&r) && element(&r, &root, 0) && misc(&r) && r.p == r.end;
        if (ok) {
            wr_buf_char(&json, '{');
            put_member(root.first, &json);
            wr_buf_char(&json, '}');
        }
        if (ok && !json.err)
            wr_put_text(ev, out, row, json.data, json.len);
        if (!r.arena || json.err)
            ev->err = WR_ENOMEM;
        wr_buf_fini(&json);
        wr_arena_free(r.arena);
    }
}
