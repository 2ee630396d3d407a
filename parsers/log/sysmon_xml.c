/* Sysmon for Linux writes its events to syslog as one line of XML, always in the same few elements, and so do
 * Windows' own in XML. This scanner knows just these: <Provider Name=..>, <EventID>, <Computer>, <TimeCreated
 * SystemTime=..> and <Data Name="..">, and the entities of XML 1.0 section 4.6. */
#include "parsers/log/sysmon.h"

#include <stdlib.h>
#include <string.h>

struct cur {
    const char *at, *end;
};

static bool to(struct cur *c, const char *mark)
{
    size_t n = strlen(mark);
    const char *p = memmem(c->at, (size_t)(c->end - c->at), mark, n);
    if (!p)
        return false;
    c->at = p + n;
    return true;
}

/* Appends the UTF-8 form of a character reference's number; 0 bytes when it is none. */
static size_t put_utf8(char *out, unsigned long u)
{
    if (u == 0 || u > 0x10ffff || (u >= 0xd800 && u <= 0xdfff))
        return 0;
    if (u < 0x80) {
        out[0] = (char)u;
        return 1;
    }
    size_t n = u < 0x800 ? 2 : u < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, u >>= 6)
        out[i] = (char)(0x80 | (u & 0x3f));
    out[0] = (char)((0xf00u >> n & 0xffu) | u);
    return n;
}

/* One `&..;` at p[0..left): bytes taken, with the character in out[0..*ret_n); 0 when it is no reference. A
 * reference is at least as long as its character. */
static size_t entity(const char *p, size_t left, char *out, size_t *ret_n)
{
    static const struct {
        const char *name;
        char c;
    } names[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
    for (size_t i = 0; i < 5; i++) {
        size_t n = strlen(names[i].name);
        if (left >= n && !memcmp(p, names[i].name, n)) {
            *out = names[i].c;
            *ret_n = 1;
            return n;
        }
    }
    const char *semi = memchr(p, ';', left < 12 ? left : 12);
    if (!semi || semi - p < 3 || p[1] != '#')
        return 0;
    char digits[12] = {0};
    bool hex = p[2] == 'x';
    memcpy(digits, p + 2 + hex, (size_t)(semi - p - 2 - hex));
    if (!digits[0] || strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789") != strlen(digits))
        return 0;
    *ret_n = put_utf8(out, strtoul(digits, NULL, hex ? 16 : 10));
    return *ret_n ? (size_t)(semi - p + 1) : 0;
}

static struct wr_json_val text_value(const char *p, size_t len, struct wr_arena *scratch)
{
    struct wr_json_val v = {.type = WR_JSON_STR, .len = (uint32_t)len, .s = p};
    if (!memchr(p, '&', len))
        return v;
    char *out = wr_arena_bytes_alloc(scratch, len);
    if (!out)
        return (struct wr_json_val){0};
    size_t n = 0;
    for (size_t i = 0; i < len;) {
        size_t put = 0, took = p[i] == '&' ? entity(p + i, len - i, out + n, &put) : 0;
        if (!took) {
            out[n] = p[i];
            took = put = 1;
        }
        n += put;
        i += took;
    }
    v.s = out;
    v.len = (uint32_t)n;
    return v;
}

/* Text up to the next `<`. */
static struct wr_json_val element_text(struct cur *c, struct wr_arena *scratch)
{
    const char *lt = memchr(c->at, '<', (size_t)(c->end - c->at));
    const char *p = c->at;
    if (!lt)
        return (struct wr_json_val){0};
    c->at = lt;
    return text_value(p, (size_t)(lt - p), scratch);
}

/* The value of an attribute in quotes of either kind; c is behind `Name=`. */
static struct wr_json_val quoted(struct cur *c, struct wr_arena *scratch)
{
    if (c->at == c->end || (*c->at != '"' && *c->at != '\''))
        return (struct wr_json_val){0};
    char quote = *c->at++;
    const char *p = c->at, *stop = memchr(p, quote, (size_t)(c->end - p));
    if (!stop)
        return (struct wr_json_val){0};
    c->at = stop + 1;
    return text_value(p, (size_t)(stop - p), scratch);
}

/* What stands in <System>, under the paths that Winlogbeat gives it. */
static void system_part(struct cur all, struct wr_arena *scratch, wr_xml_each *each, void *ctx)
{
    static const struct {
        const char *mark, *path;
        bool attribute;
    } parts[] = {{"<Provider Name=", "winlog.provider_name", true},
                 {"<EventID>", "winlog.event_id", false},
                 {"<Computer>", "winlog.computer_name", false},
                 {"<TimeCreated SystemTime=", "@timestamp", true}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        struct cur c = all;
        struct wr_json_val v = {0};
        if (to(&c, parts[i].mark))
            v = parts[i].attribute ? quoted(&c, scratch) : element_text(&c, scratch);
        if (v.type == WR_JSON_NULL && i == 0) /* whose event it is must be said */
            v = (struct wr_json_val){.type = WR_JSON_STR, .s = "", .len = 0};
        if (v.type != WR_JSON_NULL)
            each(ctx, parts[i].path, strlen(parts[i].path), &v);
    }
}

void wr_xml_event(const char *text, size_t len, struct wr_arena *scratch, wr_xml_each *each, void *ctx)
{
    static const char prefix[] = "winlog.event_data.";
    char path[128];
    struct cur c = {text, text + len}, data = c;
    if (to(&data, "<EventData>"))
        c.end = data.at;
    else
        data.at = data.end;
    system_part(c, scratch, each, ctx);
    memcpy(path, prefix, sizeof prefix);
    for (int n = 0; n < WR_JSON_MAX_KEYS && to(&data, "<Data Name="); n++) {
        struct wr_json_val name = quoted(&data, scratch);
        if (name.type != WR_JSON_STR || data.at == data.end || *data.at++ != '>')
            continue;
        struct wr_json_val v = element_text(&data, scratch);
        if (v.type != WR_JSON_STR || name.len > sizeof path - sizeof prefix)
            continue;
        memcpy(path + sizeof prefix - 1, name.s, name.len);
        each(ctx, path, sizeof prefix - 1 + name.len, &v);
    }
}
