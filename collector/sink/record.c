#include "collector/sink/record.h"

#include "base/str.h"
#include "base/ticks.h"

#include <errno.h>
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    const char *at, *end;
    msgpack_packer packer;
    struct wr_buf text; /* one unescaped string */
};

static int put_bytes(void *arg, const char *bytes, size_t n)
{
    struct wr_buf *out = arg;
    wr_buf_add(out, bytes, n);
    return out->err ? -1 : 0;
}

static void blanks(struct reader *r)
{
    while (r->at < r->end && strchr(" \t\r\n", *r->at) && *r->at)
        r->at++;
}

static bool hex4(struct reader *r, uint32_t *ret)
{
    if (r->end - r->at < 4)
        return false;
    uint32_t v = 0;
    for (int i = 0; i < 4; i++) {
        char c = wr_ascii_lower(*r->at++);
        if (c >= '0' && c <= '9')
            v = v << 4 | (uint32_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            v = v << 4 | (uint32_t)(c - 'a' + 10);
        else
            return false;
    }
    *ret = v;
    return true;
}

static void utf8(struct wr_buf *out, uint32_t c)
{
    if (c < 0x80) {
        wr_buf_char(out, (char)c);
        return;
    }
    int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const uint8_t lead[] = {0, 0xc0, 0xe0, 0xf0};
    wr_buf_char(out, (char)(lead[more] | c >> (6 * more)));
    while (more--)
        wr_buf_char(out, (char)(0x80 | (c >> (6 * more) & 0x3f)));
}

static bool escape(struct reader *r)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = *r->at++;
    const char *p = c ? strchr(from, c) : NULL;
    if (p) {
        wr_buf_char(&r->text, to[p - from]);
        return true;
    }
    uint32_t v, low;
    if (c != 'u' || !hex4(r, &v))
        return false;
    if (v >= 0xd800 && v < 0xe000) { /* a pair, or U+FFFD for half of one */
        const char *back = r->at;
        if (v < 0xdc00 && r->end - r->at >= 6 && r->at[0] == '\\' && r->at[1] == 'u' &&
            (r->at += 2, hex4(r, &low)) && low >= 0xdc00 && low < 0xe000) {
            v = 0x10000 + ((v - 0xd800) << 10) + (low - 0xdc00);
        } else {
            r->at = back;
            v = 0xfffd;
        }
    }
    utf8(&r->text, v);
    return true;
}

static bool string(struct reader *r)
{
    wr_buf_reset(&r->text);
    r->at++;
    while (r->at < r->end && *r->at != '"') {
        if (*r->at != '\\') {
            wr_buf_char(&r->text, *r->at++);
            continue;
        }
        r->at++;
        if (r->at == r->end || !escape(r))
            return false;
    }
    if (r->at == r->end || r->text.err)
        return false;
    r->at++;
    msgpack_pack_str(&r->packer, r->text.len);
    msgpack_pack_str_body(&r->packer, r->text.len ? r->text.data : "", r->text.len);
    return true;
}

static bool number(struct reader *r)
{
    char text[64];
    size_t n = 0;
    bool whole = true;
    while (r->at < r->end && *r->at && strchr("+-.0123456789eE", *r->at)) {
        if (n == sizeof text - 1)
            return false;
        whole = whole && !strchr(".eE", *r->at);
        text[n++] = *r->at++;
    }
    text[n] = '\0';
    char *end = text;
    errno = 0;
    if (whole) {
        int64_t v = strtoll(text, &end, 10);
        if (!errno && n && !*end) {
            msgpack_pack_int64(&r->packer, v);
            return true;
        }
    }
    double v = strtod(text, &end);
    if (!n || *end)
        return false;
    msgpack_pack_double(&r->packer, v);
    return true;
}

static bool word(struct reader *r, const char *text)
{
    size_t n = strlen(text);
    if ((size_t)(r->end - r->at) < n || memcmp(r->at, text, n) != 0)
        return false;
    r->at += n;
    return true;
}

static bool scalar(struct reader *r)
{
    if (r->at < r->end && *r->at == '"')
        return string(r);
    if (word(r, "null")) {
        msgpack_pack_nil(&r->packer);
        return true;
    }
    if (word(r, "true")) {
        msgpack_pack_true(&r->packer);
        return true;
    }
    if (word(r, "false")) {
        msgpack_pack_false(&r->packer);
        return true;
    }
    return number(r);
}

/* Past the string at r->at, or to the end when it has none. */
static void skip_string(struct reader *r)
{
    for (r->at++; r->at < r->end && *r->at != '"'; r->at++)
        if (*r->at == '\\' && r->at + 1 < r->end)
            r->at++;
    if (r->at < r->end)
        r->at++;
}

/* Past the container at r->at; brackets in strings do not count. */
static bool skip_container(struct reader *r)
{
    size_t depth = 0;
    while (r->at < r->end) {
        char c = *r->at;
        if (c == '"') {
            skip_string(r);
            continue;
        }
        r->at++;
        if (c == '[' || c == '{')
            depth++;
        else if ((c == ']' || c == '}') && --depth == 0)
            return true;
    }
    return false;
}

static bool container_as_text(struct reader *r)
{
    const char *from = r->at;
    if (!skip_container(r))
        return false;
    size_t n = (size_t)(r->at - from);
    msgpack_pack_str(&r->packer, n);
    msgpack_pack_str_body(&r->packer, from, n);
    return true;
}

/* msgpack wants the number of members first: counts the separators of the container at r->at. */
static bool count_members(const struct reader *r, uint32_t *ret_n)
{
    struct reader ahead = *r;
    ahead.at++;
    blanks(&ahead);
    uint32_t n = 0;
    while (ahead.at < ahead.end && *ahead.at != ']' && *ahead.at != '}') {
        char c = *ahead.at;
        if (c == '"') {
            skip_string(&ahead);
        } else if (c == '[' || c == '{') {
            if (!skip_container(&ahead))
                return false;
        } else {
            ahead.at++;
        }
        n += n == 0 || c == ',';
    }
    *ret_n = n;
    return ahead.at < ahead.end;
}

static bool value(struct reader *r, unsigned depth)
{
    blanks(r);
    if (r->at == r->end || (*r->at != '[' && *r->at != '{'))
        return scalar(r);
    if (depth == WR_RECORD_DEPTH)
        return container_as_text(r);
    bool map = *r->at == '{';
    uint32_t n;
    if (!count_members(r, &n))
        return false;
    r->at++;
    if (map)
        msgpack_pack_map(&r->packer, n);
    else
        msgpack_pack_array(&r->packer, n);
    for (uint32_t i = 0; i < n; i++) {
        if (i && !word(r, ","))
            return false;
        if (map) {
            blanks(r);
            if (r->at == r->end || *r->at != '"' || !string(r))
                return false;
            blanks(r);
            if (!word(r, ":"))
                return false;
        }
        if (!value(r, depth + 1)) /* at most WR_RECORD_DEPTH deep */
            return false;
        blanks(r);
    }
    blanks(r);
    return word(r, map ? "}" : "]");
}

enum wr_err wr_record_json(const char *json, size_t len, struct wr_buf *out)
{
    if (out->err)
        return out->err;
    size_t before = out->len;
    struct reader r = {.at = json, .end = json + len};
    msgpack_packer_init(&r.packer, out, put_bytes);
    bool good = value(&r, 0);
    blanks(&r);
    enum wr_err err = out->err ? out->err : r.text.err;
    if (!err && (!good || r.at != r.end))
        err = WR_EINVAL;
    if (err)
        out->len = before;
    wr_buf_fini(&r.text);
    return err;
}

enum wr_err wr_record_entry(int64_t ticks, const char *json, size_t len, struct wr_buf *out)
{
    size_t before = out->len;
    int64_t since = ticks < WR_TICKS_UNIX_EPOCH ? 0 : ticks - WR_TICKS_UNIX_EPOCH;
    int64_t second = since / WR_TICKS_SECOND;
    uint32_t nsec = (uint32_t)(since % WR_TICKS_SECOND * 100);
    uint32_t sec = second > UINT32_MAX ? UINT32_MAX : (uint32_t)second;
    uint8_t time[8];
    for (int i = 0; i < 4; i++) {
        time[i] = (uint8_t)(sec >> (24 - 8 * i));
        time[4 + i] = (uint8_t)(nsec >> (24 - 8 * i));
    }
    msgpack_packer packer;
    msgpack_packer_init(&packer, out, put_bytes);
    msgpack_pack_array(&packer, 2);
    msgpack_pack_ext(&packer, sizeof time, 0);
    msgpack_pack_ext_body(&packer, time, sizeof time);
    enum wr_err err = wr_record_json(json, len, out);
    if (err)
        out->len = before;
    return err;
}
