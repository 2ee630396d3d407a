/* parse_url, parse_urlquery, parse_path, parse_version: a text in parts. Source: Kusto "parse-url function" and its
 * kin. Values stay percent-coded, as there. */
#include "rules/fn/json.h"
#include "rules/fn/kernel.h"

#define KERNEL(name)                                                                                         \
    void wr_k_##name(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,                \
                     const struct wr_sel *sel, struct wr_vec *out)

static struct wr_slice slice_at(const struct wr_vec *v, uint32_t row)
{
    return (struct wr_slice){wr_str_data(&v->s[row]), v->s[row].len};
}

static const char *find(struct wr_slice s, char c)
{
    return s.len ? memchr(s.p, c, s.len) : NULL;
}

/* Cuts at the first `c`: what stands before it is returned, `s` becomes what follows, or nothing. */
static struct wr_slice cut(struct wr_slice *s, char c)
{
    const char *hit = find(*s, c);
    struct wr_slice head = {s->p, hit ? (size_t)(hit - s->p) : s->len};
    *s = hit ? (struct wr_slice){hit + 1, s->len - head.len - 1} : (struct wr_slice){s->p + s->len, 0};
    return head;
}

static void add(struct wr_buf *json, const char *key, struct wr_slice value)
{
    wr_json_key(json, key);
    wr_json_str(json, value.p, value.len);
}

/* The first of equal keys holds: a query of a stranger has few or is cut. */
static void add_query(struct wr_buf *json, struct wr_slice query)
{
    enum { PARAMS_MAX = 256 };
    struct wr_slice keys[PARAMS_MAX];
    int n = 0;
    wr_json_key(json, "Query Parameters");
    wr_buf_char(json, '{');
    while (query.len && n < PARAMS_MAX) {
        struct wr_slice value = cut(&query, '&'), key = cut(&value, '=');
        bool seen = key.len == 0;
        for (int i = 0; i < n && !seen; i++)
            seen = keys[i].len == key.len && memcmp(keys[i].p, key.p, key.len) == 0;
        if (seen)
            continue;
        keys[n] = key;
        if (n++)
            wr_buf_char(json, ',');
        wr_json_str(json, key.p, key.len);
        wr_buf_char(json, ':');
        wr_json_str(json, value.p, value.len);
    }
    wr_buf_char(json, '}');
}

/* scheme://user:password@host:port/path?query#fragment */
static void add_url(struct wr_buf *json, struct wr_slice scheme, struct wr_slice rest)
{
    struct wr_slice fragment = rest, query, path, host, user = {"", 0}, port = {"", 0};
    rest = cut(&fragment, '#');
    query = rest;
    rest = cut(&query, '?');
    path = rest;
    host = cut(&path, '/');
    path = (struct wr_slice){rest.p + host.len, rest.len - host.len};
    const char *at = host.len ? memrchr(host.p, '@', host.len) : NULL;
    if (at) {
        user = (struct wr_slice){host.p, (size_t)(at - host.p)};
        host = (struct wr_slice){at + 1, host.len - user.len - 1};
    }
    const char *colon = host.len ? memrchr(host.p, ':', host.len) : NULL;
    if (colon && !memchr(colon, ']', (size_t)(host.p + host.len - colon))) { /* not inside [v6] */
        port = (struct wr_slice){colon + 1, (size_t)(host.p + host.len - colon) - 1};
        host.len = (size_t)(colon - host.p);
    }
    struct wr_slice password = user, name = cut(&password, ':');
    wr_buf_char(json, '{');
    add(json, "Scheme", scheme);
    add(json, "Host", host);
    add(json, "Port", port);
    add(json, "Path", path);
    add(json, "Username", name);
    add(json, "Password", password);
    add_query(json, query);
    add(json, "Fragment", fragment);
    wr_buf_char(json, '}');
}

static void put_parts(struct wr_eval *ev, struct wr_buf *json, struct wr_vec *out, uint32_t row)
{
    if (json->err)
        ev->err = WR_ENOMEM;
    else
        wr_put_text(ev, out, row, json->data, json->len);
}

KERNEL(parse_url)
{
    (void)call;
    struct wr_buf json = {0};
    WR_EACH (sel, row) {
        struct wr_slice rest = slice_at(&args[0], row), scheme;
        if (!rest.len)
            continue;
        wr_buf_reset(&json);
        scheme = cut(&rest, ':');
        if (rest.len >= 2 && rest.p[0] == '/' && rest.p[1] == '/' && scheme.len)
            add_url(&json, scheme, (struct wr_slice){rest.p + 2, rest.len - 2});
        else
            add_url(&json, (struct wr_slice){"", 0}, (struct wr_slice){"", 0});
        put_parts(ev, &json, out, row);
    }
    wr_buf_fini(&json);
}

KERNEL(parse_urlquery)
{
    (void)call;
    struct wr_buf json = {0};
    WR_EACH (sel, row) {
        struct wr_slice query = slice_at(&args[0], row);
        if (query.len && query.p[0] == '?')
            query = (struct wr_slice){query.p + 1, query.len - 1};
        wr_buf_reset(&json);
        wr_buf_char(&json, '{');
        add_query(&json, query);
        wr_buf_char(&json, '}');
        put_parts(ev, &json, out, row);
    }
    wr_buf_fini(&json);
}

/* 1.2.3.4 as one number: eight digits a part, so that versions compare. Up to four parts. */
KERNEL(parse_version)
{
    (void)call;
    WR_EACH (sel, row) {
        struct wr_slice rest = slice_at(&args[0], row);
        char text[40];
        size_t n = 0;
        bool ok = rest.len > 0;
        for (int part = 0; part < 4 && ok; part++) {
            struct wr_slice digits = cut(&rest, '.');
            ok = digits.len <= 8 && (digits.len || part);
            for (size_t i = digits.len; i < 8 && ok; i++)
                text[n++] = '0';
            for (size_t i = 0; i < digits.len && ok; i++) {
                ok = digits.p[i] >= '0' && digits.p[i] <= '9';
                text[n++] = digits.p[i];
            }
        }
        if (!ok || rest.len)
            continue;
        size_t zero = 0;
        while (zero + 1 < n && text[zero] == '0')
            zero++;
        wr_put_text(ev, out, row, text + zero, n - zero);
    }
}

/* "C:\\a\\b.txt": scheme, root, directory, names and the stream behind a colon. */
KERNEL(parse_path)
{
    (void)call;
    struct wr_buf json = {0};
    WR_EACH (sel, row) {
        struct wr_slice all = slice_at(&args[0], row), scheme = {"", 0}, root = {"", 0}, stream = {"", 0};
        const char *mark = all.len > 2 ? memmem(all.p, all.len, "://", 3) : NULL;
        if (mark) {
            scheme = (struct wr_slice){all.p, (size_t)(mark - all.p)};
            all = (struct wr_slice){mark + 3, all.len - scheme.len - 3};
        }
        if (all.len > 1 && all.p[1] == ':')
            root = (struct wr_slice){all.p, 2};
        size_t base = all.len;
        while (base > root.len && all.p[base - 1] != '/' && all.p[base - 1] != '\\')
            base--;
        struct wr_slice file = {all.p + base, all.len - base}, dir = {all.p, base ? base - (base > root.len) : 0};
        stream = file;
        file = cut(&stream, ':');
        const char *dot = file.len ? memrchr(file.p, '.', file.len) : NULL;
        struct wr_slice extension = {dot ? dot + 1 : "", dot ? (size_t)(file.p + file.len - dot) - 1 : 0};
        size_t last = dir.len;
        while (last > 0 && dir.p[last - 1] != '/' && dir.p[last - 1] != '\\')
            last--;
        wr_buf_reset(&json);
        wr_buf_char(&json, '{');
        add(&json, "Scheme", scheme);
        add(&json, "RootPath", root);
        add(&json, "DirectoryPath", dir);
        add(&json, "DirectoryName", (struct wr_slice){dir.p + last, dir.len - last});
        add(&json, "Filename", file);
        add(&json, "Extension", extension);
        add(&json, "AlternateDataStreamName", stream);
        wr_buf_char(&json, '}');
        put_parts(ev, &json, out, row);
    }
    wr_buf_fini(&json);
}
