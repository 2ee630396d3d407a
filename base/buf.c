#include "base/buf.h"

#include "base/str.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void wr_buf_fini(struct wr_buf *buf)
{
    free(buf->data);
    *buf = (struct wr_buf){0};
}

void wr_buf_reset(struct wr_buf *buf)
{
    buf->len = 0;
    buf->err = WR_OK;
}

char *wr_buf_room(struct wr_buf *buf, size_t n)
{
    if (buf->err)
        return NULL;
    if (!buf->data || buf->cap - buf->len < n) {
        size_t cap = buf->cap ? buf->cap : 256;
        while (cap - buf->len < n) {
            if (cap > SIZE_MAX / 2) {
                buf->err = WR_ENOMEM;
                return NULL;
            }
            cap *= 2;
        }
        char *p = realloc(buf->data, cap);
        if (!p) {
            buf->err = WR_ENOMEM;
            return NULL;
        }
        buf->data = p;
        buf->cap = cap;
    }
    return buf->data + buf->len;
}

void wr_buf_add(struct wr_buf *buf, const void *bytes, size_t n)
{
    char *p = n ? wr_buf_room(buf, n) : NULL;
    if (p) {
        memcpy(p, bytes, n);
        buf->len += n;
    }
}

void wr_buf_str(struct wr_buf *buf, const char *text)
{
    wr_buf_add(buf, text, strlen(text));
}

void wr_buf_char(struct wr_buf *buf, char c)
{
    wr_buf_add(buf, &c, 1);
}

void wr_buf_vfmt(struct wr_buf *buf, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    char *p = n < 0 ? NULL : wr_buf_room(buf, (size_t)n + 1);
    if (p) {
        vsnprintf(p, (size_t)n + 1, fmt, again);
        buf->len += (size_t)n;
    }
    va_end(again);
}

void wr_buf_fmt(struct wr_buf *buf, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    wr_buf_vfmt(buf, fmt, ap);
    va_end(ap);
}

void wr_buf_i64(struct wr_buf *buf, int64_t v)
{
    char digits[20];
    size_t n = 0;
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    do
        digits[n++] = (char)('0' + u % 10);
    while (u /= 10);
    if (v < 0)
        wr_buf_char(buf, '-');
    char *p = wr_buf_room(buf, n);
    if (!p)
        return;
    for (size_t i = 0; i < n; i++)
        p[i] = digits[n - 1 - i];
    buf->len += n;
}

/* Writes one code point or invalid byte of a JSON string; returns the bytes it consumed. */
static size_t json_special(struct wr_buf *buf, const unsigned char *p, size_t left)
{
    static const char *const named[] = {['\b'] = "\\b", ['\t'] = "\\t", ['\n'] = "\\n",
                                        ['\f'] = "\\f", ['\r'] = "\\r"};
    if (p[0] == '"' || p[0] == '\\') {
        wr_buf_char(buf, '\\');
        wr_buf_char(buf, (char)p[0]);
    } else if (p[0] < 0x20 && p[0] <= '\r' && named[p[0]]) {
        wr_buf_str(buf, named[p[0]]);
    } else if (p[0] < 0x20 || p[0] == 0x7f) {
        wr_buf_fmt(buf, "\\u%04x", p[0]);
    } else {
        size_t n = 2;
        while (n <= 4 && n <= left && !wr_utf8_valid((const char *)p, n))
            n++;
        if (n > 4 || n > left) {
            wr_buf_str(buf, "\xef\xbf\xbd");
            return 1;
        }
        bool c1 = p[0] == 0xc2 && p[1] < 0xa0;
        bool separator = n == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] | 1) == 0xa9;
        if (c1)
            wr_buf_fmt(buf, "\\u%04x", p[1]);
        else if (separator)
            wr_buf_fmt(buf, "\\u20%02x", p[2] == 0xa8 ? 0x28 : 0x29);
        else
            wr_buf_add(buf, p, n);
        return n;
    }
    return 1;
}

void wr_json_str(struct wr_buf *buf, const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text;
    wr_buf_char(buf, '"');
    size_t plain = 0;
    for (size_t i = 0; i < len;) {
        if (p[i] >= 0x20 && p[i] < 0x7f && p[i] != '"' && p[i] != '\\') {
            i++;
            continue;
        }
        wr_buf_add(buf, p + plain, i - plain);
        i += json_special(buf, p + i, len - i);
        plain = i;
    }
    wr_buf_add(buf, p + plain, len - plain);
    wr_buf_char(buf, '"');
}

void wr_json_raw(struct wr_buf *buf, const char *json, size_t len)
{
    const unsigned char *p = (const unsigned char *)json;
    size_t plain = 0;
    for (size_t i = 0; i < len;) {
        if (p[i] >= 0x20 && p[i] < 0x7f) {
            i++;
            continue;
        }
        wr_buf_add(buf, p + plain, i - plain);
        if (p[i] == '\n' || p[i] == '\r' || p[i] == '\t') {
            wr_buf_char(buf, ' '); /* within a string they would be no JSON */
            i++;
        } else {
            i += json_special(buf, p + i, len - i);
        }
        plain = i;
    }
    wr_buf_add(buf, p + plain, len - plain);
}

void wr_json_cstr(struct wr_buf *buf, const char *text)
{
    wr_json_str(buf, text, strlen(text));
}

void wr_json_key(struct wr_buf *buf, const char *key)
{
    char last = buf->len ? buf->data[buf->len - 1] : '{';
    if (last != '{' && last != '[')
        wr_buf_char(buf, ',');
    wr_json_cstr(buf, key);
    wr_buf_char(buf, ':');
}

void wr_json_real(struct wr_buf *buf, double v)
{
    if (isnan(v)) {
        wr_buf_str(buf, "\"NaN\"");
        return;
    }
    if (isinf(v)) {
        wr_buf_str(buf, v > 0 ? "\"Infinity\"" : "\"-Infinity\"");
        return;
    }
    char text[32];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    wr_buf_str(buf, text);
    if (!strpbrk(text, ".e"))
        wr_buf_str(buf, ".0");
}

void wr_buf_printable(struct wr_buf *buf, const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text;
    for (size_t i = 0; i < len;) {
        size_t n = 1;
        while (n <= 4 && n <= len - i && !wr_utf8_valid(text + i, n))
            n++;
        bool bad = n > 4 || n > len - i;
        if (bad)
            n = 1;
        bool control = (p[i] < 0x20 && p[i] != '\n') || p[i] == 0x7f;
        bool c1 = n == 2 && p[i] == 0xc2 && p[i + 1] < 0xa0;
        if (!bad && !control && !c1)
            wr_buf_add(buf, p + i, n);
        else
            for (size_t k = 0; k < n; k++)
                wr_buf_fmt(buf, "\\x%02x", p[i + k]);
        i += n;
    }
}

static void buf_le(struct wr_buf *buf, uint64_t v, size_t n)
{
    char *p = wr_buf_room(buf, n);
    if (!p)
        return;
    for (size_t i = 0; i < n; i++)
        p[i] = (char)(v >> (8 * i));
    buf->len += n;
}

void wr_buf_u8(struct wr_buf *buf, uint8_t v)
{
    buf_le(buf, v, 1);
}

void wr_buf_u16(struct wr_buf *buf, uint16_t v)
{
    buf_le(buf, v, 2);
}

void wr_buf_u32(struct wr_buf *buf, uint32_t v)
{
    buf_le(buf, v, 4);
}

void wr_buf_u64(struct wr_buf *buf, uint64_t v)
{
    buf_le(buf, v, 8);
}

void wr_buf_blob(struct wr_buf *buf, const void *bytes, uint32_t n)
{
    wr_buf_u32(buf, n);
    wr_buf_add(buf, bytes, n);
}

struct wr_rd wr_rd_init(const void *data, size_t len)
{
    return (struct wr_rd){.at = data, .end = len ? (const uint8_t *)data + len : data}; /* NULL + 0 is undefined */
}

const uint8_t *wr_rd_take(struct wr_rd *rd, size_t n)
{
    if ((size_t)(rd->end - rd->at) < n) {
        rd->err = WR_ETRUNC;
        rd->at = rd->end;
        return NULL;
    }
    const uint8_t *p = rd->at;
    if (n)
        rd->at += n; /* NULL + 0 is undefined */
    return p;
}

static uint64_t rd_le(struct wr_rd *rd, size_t n)
{
    const uint8_t *p = wr_rd_take(rd, n);
    uint64_t v = 0;
    for (size_t i = 0; p && i < n; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

uint8_t wr_rd_u8(struct wr_rd *rd)
{
    return (uint8_t)rd_le(rd, 1);
}

uint16_t wr_rd_u16(struct wr_rd *rd)
{
    return (uint16_t)rd_le(rd, 2);
}

uint32_t wr_rd_u32(struct wr_rd *rd)
{
    return (uint32_t)rd_le(rd, 4);
}

uint64_t wr_rd_u64(struct wr_rd *rd)
{
    return rd_le(rd, 8);
}

const uint8_t *wr_rd_blob(struct wr_rd *rd, uint32_t *ret_n)
{
    uint32_t n = wr_rd_u32(rd);
    const uint8_t *p = wr_rd_take(rd, n);
    *ret_n = p ? n : 0;
    return p;
}
