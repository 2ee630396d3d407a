/* Functions of text. Lengths and positions count code points; invalid UTF-8 counts a byte as one. */
#include "rules/fn/json.h"
#include "rules/fn/kernel.h"

#include "base/hash.h"

#include <math.h>
#include <stdio.h>

enum { TEXT_MAX = 1024 * 1024 }; /* Kusto's limit of one string */

#define KERNEL(name)                                                                                         \
    void wr_k_##name(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,                \
                     const struct wr_sel *sel, struct wr_vec *out)

static void finish(struct wr_eval *ev, struct wr_buf *text)
{
    if (text->err)
        ev->err = WR_ENOMEM;
    wr_buf_fini(text);
}

static void put_case(struct wr_eval *ev, const struct wr_vec *args, const struct wr_sel *sel,
                     struct wr_vec *out, bool upper)
{
    WR_EACH (sel, row) {
        wr_put_text(ev, out, row, wr_str_data(&args[0].s[row]), args[0].s[row].len);
        if (ev->err)
            return;
        char *p = (char *)(uintptr_t)wr_str_data(&out->s[row]); /* our own copy */
        for (uint32_t i = 0; i < out->s[row].len; i++)
            p[i] = upper && p[i] >= 'a' && p[i] <= 'z' ? (char)(p[i] & ~0x20)
                   : upper                             ? p[i]
                                                       : wr_ascii_lower(p[i]);
        if (out->s[row].len > WR_STR_INLINE)
            memcpy(out->s[row].prefix, p, sizeof out->s[row].prefix);
    }
}

KERNEL(tolower)
{
    (void)call;
    put_case(ev, args, sel, out, false);
}

KERNEL(toupper)
{
    (void)call;
    put_case(ev, args, sel, out, true);
}

static bool starts_point(char c)
{
    return ((unsigned char)c & 0xc0) != 0x80;
}

static int64_t points(const char *p, size_t len)
{
    int64_t n = 0;
    for (size_t i = 0; i < len; i++)
        n += starts_point(p[i]);
    return n;
}

/* Byte offset of code point `n`, or `len`. */
static size_t offset_of(const char *p, size_t len, int64_t n)
{
    size_t i = 0;
    for (; i < len; i++)
        if (starts_point(p[i]) && n-- == 0)
            break;
    return i;
}

KERNEL(strlen)
{
    (void)ev, (void)call;
    WR_EACH (sel, row)
        wr_put_i(out, row, points(wr_str_data(&args[0].s[row]), args[0].s[row].len));
}

KERNEL(string_size)
{
    (void)ev, (void)call;
    WR_EACH (sel, row)
        wr_put_i(out, row, args[0].s[row].len);
}

KERNEL(substring)
{
    WR_EACH (sel, row) {
        const char *p = wr_str_data(&args[0].s[row]);
        size_t len = args[0].s[row].len;
        int64_t total = points(p, len), at = args[1].i[row], n = call->nargs > 2 ? args[2].i[row] : total;
        if (at < 0)
            at = at + total < 0 ? 0 : at + total;
        if (at >= total || n <= 0)
            continue;
        size_t from = offset_of(p, len, at);
        size_t to = n >= total - at ? len : from + offset_of(p + from, len - from, n);
        wr_put_text(ev, out, row, p + from, to - from);
    }
}

static void concat(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,
                   const struct wr_sel *sel, struct wr_vec *out, bool delim)
{
    struct wr_buf text = {0};
    WR_EACH (sel, row) {
        wr_buf_reset(&text);
        for (uint32_t a = delim; a < call->nargs && text.len <= TEXT_MAX; a++) {
            if (delim && a > 1)
                wr_text_at(&args[0], row, &text);
            wr_text_at(&args[a], row, &text);
        }
        if (!text.err && text.len)
            wr_put_text(ev, out, row, text.data, text.len);
    }
    finish(ev, &text);
}

KERNEL(strcat)
{
    concat(ev, call, args, sel, out, false);
}

KERNEL(strcat_delim)
{
    concat(ev, call, args, sel, out, true);
}

KERNEL(strcmp)
{
    (void)ev, (void)call;
    WR_EACH (sel, row) {
        int c = wr_str_cmp(&args[0].s[row], &args[1].s[row]);
        wr_put_i(out, row, (c > 0) - (c < 0));
    }
}

KERNEL(strrep)
{
    struct wr_buf text = {0};
    WR_EACH (sel, row) {
        int64_t n = args[1].i[row] > 1024 ? 1024 : args[1].i[row];
        wr_buf_reset(&text);
        for (int64_t i = 0; i < n && text.len <= TEXT_MAX; i++) {
            if (i && call->nargs > 2)
                wr_text_at(&args[2], row, &text);
            wr_text_at(&args[0], row, &text);
        }
        if (!text.err && text.len)
            wr_put_text(ev, out, row, text.data, text.len);
    }
    finish(ev, &text);
}

KERNEL(reverse)
{
    (void)call;
    struct wr_buf text = {0}, back = {0};
    WR_EACH (sel, row) {
        wr_buf_reset(&text);
        wr_buf_reset(&back);
        wr_text_at(&args[0], row, &text);
        for (size_t end = text.len; end > 0;) {
            size_t from = end - 1;
            while (from > 0 && !starts_point(text.data[from]))
                from--;
            wr_buf_add(&back, text.data + from, end - from);
            end = from;
        }
        if (!back.err && back.len)
            wr_put_text(ev, out, row, back.data, back.len);
    }
    finish(ev, &text);
    finish(ev, &back);
}

/* First place of `what` in `p`, or NULL. */
static const char *find(const char *p, size_t len, const char *what, size_t n)
{
    return n == 0 ? p : memmem(p, len, what, n);
}

KERNEL(split)
{
    struct wr_buf text = {0};
    WR_EACH (sel, row) {
        const char *p = wr_str_data(&args[0].s[row]), *d = wr_str_data(&args[1].s[row]);
        size_t len = args[0].s[row].len, n = args[1].s[row].len;
        int64_t want = call->nargs > 2 ? args[2].i[row] : -1, at = 0;
        bool all = call->nargs < 3, any = false;
        wr_buf_reset(&text);
        wr_buf_char(&text, '[');
        for (bool more = true; more; at++) {
            const char *hit = n ? memmem(p, len, d, n) : NULL;
            size_t part = hit ? (size_t)(hit - p) : len;
            if (all || at == want) {
                if (any)
                    wr_buf_char(&text, ',');
                wr_json_str(&text, p, part);
                any = true;
            }
            more = hit != NULL;
            p += more ? part + n : 0;
            len -= more ? part + n : 0;
        }
        wr_buf_char(&text, ']');
        if (any && !text.err)
            wr_put_text(ev, out, row, text.data, text.len);
    }
    finish(ev, &text);
}

static int64_t index_of(struct wr_slice text, struct wr_slice what, int64_t start, int64_t length,
                        int64_t nth)
{
    int64_t total = points(text.p, text.len);
    if (start < 0)
        start = start + total < 0 ? 0 : start + total;
    if (start > total || nth < 1 || length < -1)
        return length < -1 || nth < 0 ? INT64_MIN : -1;
    size_t from = offset_of(text.p, text.len, start);
    size_t to = length < 0 || length >= total - start
                    ? text.len
                    : from + offset_of(text.p + from, text.len - from, length);
    for (size_t at = from; at <= to; at++) {
        const char *hit = find(text.p + at, to - at, what.p, what.len);
        if (!hit)
            break;
        at = (size_t)(hit - text.p);
        if (--nth == 0)
            return points(text.p, at);
    }
    return -1;
}

KERNEL(indexof)
{
    struct wr_buf a = {0}, b = {0};
    WR_EACH (sel, row) {
        wr_buf_reset(&a);
        wr_buf_reset(&b);
        wr_text_at(&args[0], row, &a);
        wr_text_at(&args[1], row, &b);
        struct wr_slice text = {a.data ? a.data : "", a.len}, what = {b.data ? b.data : "", b.len};
        int64_t v = index_of(text, what, call->nargs > 2 ? args[2].i[row] : 0,
                             call->nargs > 3 ? args[3].i[row] : -1, call->nargs > 4 ? args[4].i[row] : 1);
        if (v != INT64_MIN)
            wr_put_i(out, row, v);
    }
    finish(ev, &a);
    finish(ev, &b);
}

KERNEL(countof)
{
    (void)ev, (void)call;
    WR_EACH (sel, row) {
        const char *p = wr_str_data(&args[0].s[row]), *w = wr_str_data(&args[1].s[row]);
        size_t len = args[0].s[row].len, n = args[1].s[row].len;
        int64_t hits = 0;
        for (const char *at = p; n && (at = memmem(at, len - (size_t)(at - p), w, n)) != NULL; at++)
            hits++; /* they may overlap */
        wr_put_i(out, row, hits);
    }
}

KERNEL(replace_string)
{
    (void)call;
    struct wr_buf text = {0};
    WR_EACH (sel, row) {
        const char *p = wr_str_data(&args[0].s[row]), *w = wr_str_data(&args[1].s[row]);
        size_t len = args[0].s[row].len, n = args[1].s[row].len;
        wr_buf_reset(&text);
        const char *hit;
        while (n && text.len <= TEXT_MAX && (hit = memmem(p, len, w, n)) != NULL) {
            wr_buf_add(&text, p, (size_t)(hit - p));
            wr_buf_add(&text, wr_str_data(&args[2].s[row]), args[2].s[row].len);
            len -= (size_t)(hit - p) + n;
            p = hit + n;
        }
        wr_buf_add(&text, p, len);
        if (!text.err && text.len)
            wr_put_text(ev, out, row, text.data, text.len);
    }
    finish(ev, &text);
}

KERNEL(hash_sha256)
{
    (void)call;
    struct wr_buf text = {0};
    WR_EACH (sel, row) {
        uint8_t digest[32];
        char hex[65];
        wr_buf_reset(&text);
        wr_text_at(&args[0], row, &text);
        wr_sha256(text.data ? text.data : "", text.len, digest);
        wr_hex(digest, sizeof digest, hex);
        wr_put_text(ev, out, row, hex, 64);
    }
    finish(ev, &text);
}

KERNEL(format_bytes)
{
    static const char *const units[] = {"Bytes", "KB", "MB", "GB", "TB", "PB", "EB"};
    WR_EACH (sel, row) {
        char text[400];
        double v = wr_num_at(&args[0], row);
        int64_t digits = call->nargs > 1 ? args[1].i[row] : 0;
        size_t unit = 0;
        while (fabs(v) >= 1024 && unit < 6) {
            v /= 1024;
            unit++;
        }
        int prec = digits < 0 ? 0 : digits > 20 ? 20 : (int)digits;
        int n = snprintf(text, sizeof text, "%.*f", prec, v);
        while (prec && n > 0 && (text[n - 1] == '0' || text[n - 1] == '.'))
            if (text[--n] == '.')
                break;
        n += snprintf(text + n, sizeof text - (size_t)n, " %s", units[unit]);
        wr_put_text(ev, out, row, text, (size_t)n);
    }
}
