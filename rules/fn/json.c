#include "rules/fn/json.h"

#include "rules/fn/kernel.h"

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static const char *skip(const char *p, const char *end)
{
    while (p < end && blank(*p))
        p++;
    return p;
}

static const char *string_end(const char *p, const char *end)
{
    for (p++; p < end; p++) {
        if (*p == '"')
            return p + 1;
        if (*p == '\\')
            p++;
        else if ((unsigned char)*p < 0x20)
            return NULL;
    }
    return NULL;
}

static const char *number_end(const char *p, const char *end)
{
    const char *start = p;
    if (p < end && *p == '-')
        p++;
    if (p == end || *p < '0' || *p > '9')
        return NULL;
    while (p < end &&
           ((*p >= '0' && *p <= '9') || *p == '.' || *p == 'e' || *p == 'E' || *p == '+' || *p == '-'))
        p++;
    double v;
    return wr_text_to_real(start, (size_t)(p - start), &v) ? p : NULL;
}

static const char *word_end(const char *p, const char *end)
{
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < 3; i++) {
        size_t n = strlen(words[i]);
        if ((size_t)(end - p) >= n && memcmp(p, words[i], n) == 0)
            return p + n;
    }
    return NULL;
}

const char *wr_json_end(const char *p, const char *end, unsigned depth)
{
    p = skip(p, end);
    if (p == end || depth > WR_JSON_DEPTH)
        return NULL;
    if (*p == '"')
        return string_end(p, end);
    if (*p != '{' && *p != '[')
        return *p == '-' || (*p >= '0' && *p <= '9') ? number_end(p, end) : word_end(p, end);
    bool bag = *p == '{';
    char close = bag ? '}' : ']';
    p = skip(p + 1, end);
    if (p < end && *p == close)
        return p + 1;
    while (p < end) {
        if (bag) {
            p = skip(p, end);
            if (p == end || *p != '"' || !(p = string_end(p, end)))
                return NULL;
            p = skip(p, end);
            if (p == end || *p++ != ':')
                return NULL;
        }
        p = wr_json_end(p, end, depth + 1);
        if (!p)
            return NULL;
        p = skip(p, end);
        if (p == end)
            return NULL;
        if (*p == close)
            return p + 1;
        if (*p++ != ',')
            return NULL;
    }
    return NULL;
}

bool wr_json_compact(const char *text, size_t len, struct wr_buf *out)
{
    const char *end = text + len;
    const char *stop = wr_json_end(text, end, 0);
    if (!stop || skip(stop, end) != end)
        return false;
    for (const char *p = text; p < stop;) {
        if (*p == '"') {
            const char *e = string_end(p, stop);
            wr_buf_add(out, p, (size_t)(e - p));
            p = e;
        } else {
            if (!blank(*p))
                wr_buf_char(out, *p);
            p++;
        }
    }
    return true;
}

static int hex4(const char *p, const char *end)
{
    int v = 0;
    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = wr_ascii_lower(p[i]);
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return -1;
        v = v * 16 + (c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return v;
}

static void add_utf8(struct wr_buf *out, uint32_t cp)
{
    if (cp < 0x80) {
        wr_buf_char(out, (char)cp);
        return;
    }
    if (cp < 0x800) {
        wr_buf_char(out, (char)(0xc0 | cp >> 6));
    } else {
        if (cp < 0x10000) {
            wr_buf_char(out, (char)(0xe0 | cp >> 12));
        } else {
            wr_buf_char(out, (char)(0xf0 | cp >> 18));
            wr_buf_char(out, (char)(0x80 | (cp >> 12 & 0x3f)));
        }
        wr_buf_char(out, (char)(0x80 | (cp >> 6 & 0x3f)));
    }
    wr_buf_char(out, (char)(0x80 | (cp & 0x3f)));
}

/* `p` is behind the backslash; returns what follows the escape. */
static const char *unescape(const char *p, const char *end, struct wr_buf *out)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    const char *at = memchr(from, *p, 5);
    if (at) {
        wr_buf_char(out, to[at - from]);
        return p + 1;
    }
    if (*p != 'u') {
        wr_buf_char(out, *p);
        return p + 1;
    }
    int hi = hex4(p + 1, end);
    if (hi < 0)
        return p + 1;
    p += 5;
    uint32_t cp = (uint32_t)hi;
    if (cp >= 0xd800 && cp < 0xdc00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
        int lo = hex4(p + 2, end);
        if (lo >= 0xdc00 && lo < 0xe000) {
            cp = 0x10000 + ((cp - 0xd800) << 10) + ((uint32_t)lo - 0xdc00);
            p += 6;
        }
    }
    add_utf8(out, cp >= 0xd800 && cp < 0xe000 ? 0xfffd : cp); /* half a pair is no character */
    return p;
}

void wr_json_to_text(const char *text, size_t len, struct wr_buf *out)
{
    const char *end = text + len;
    if (len >= 4 && memcmp(text, "null", 4) == 0)
        return;
    if (len < 2 || text[0] != '"') {
        wr_buf_add(out, text, len);
        return;
    }
    for (const char *p = text + 1; p < end && *p != '"';) {
        if (*p == '\\' && p + 1 < end)
            p = unescape(p + 1, end, out);
        else
            wr_buf_char(out, *p++);
    }
}

/* The next value of an array or bag whose first byte is `open`; with a bag also its key (with quotes). */
static bool next_of(struct wr_slice all, char open, const char **at, struct wr_slice *ret_key,
                    struct wr_slice *ret_value)
{
    const char *end = all.p + all.len, *p = *at;
    if (!p) {
        p = skip(all.p, end);
        if (p == end || *p != open)
            return false;
        p++;
    } else {
        p = skip(p, end);
        if (p == end || *p != ',')
            return false;
        p++;
    }
    p = skip(p, end);
    if (open == '{') {
        const char *stop = p < end && *p == '"' ? string_end(p, end) : NULL;
        if (!stop)
            return false;
        *ret_key = (struct wr_slice){p, (size_t)(stop - p)};
        p = skip(stop, end);
        if (p == end || *p != ':')
            return false;
        p = skip(p + 1, end);
    }
    const char *stop = wr_json_end(p, end, 0);
    if (!stop)
        return false;
    *ret_value = (struct wr_slice){p, (size_t)(stop - p)};
    *at = stop;
    return true;
}

bool wr_json_next(struct wr_slice array, const char **at, struct wr_slice *ret_value)
{
    return next_of(array, '[', at, NULL, ret_value);
}

bool wr_json_next_member(struct wr_slice bag, const char **at, struct wr_slice *ret_key,
                         struct wr_slice *ret_value)
{
    return next_of(bag, '{', at, ret_key, ret_value);
}

static bool key_is(struct wr_slice key, const char *want, size_t len)
{
    if (!memchr(key.p, '\\', key.len))
        return key.len - 2 == len && memcmp(key.p + 1, want, len) == 0;
    struct wr_buf text = {0};
    wr_json_to_text(key.p, key.len, &text);
    bool same = text.len == len && memcmp(text.data ? text.data : "", want, len) == 0;
    wr_buf_fini(&text);
    return same;
}

bool wr_json_member(struct wr_slice bag, const char *key, size_t key_len, struct wr_slice *ret_value)
{
    const char *at = NULL;
    struct wr_slice have, value;
    while (next_of(bag, '{', &at, &have, &value)) {
        if (!key_is(have, key, key_len))
            continue;
        *ret_value = value;
        return true;
    }
    return false;
}

int64_t wr_json_count(struct wr_slice array)
{
    const char *p = skip(array.p, array.p + array.len), *at = NULL;
    if (p == array.p + array.len || *p != '[')
        return -1;
    struct wr_slice value;
    int64_t n = 0;
    while (wr_json_next(array, &at, &value))
        n++;
    return n;
}

bool wr_json_element(struct wr_slice array, int64_t index, struct wr_slice *ret_value)
{
    if (index < 0)
        index += wr_json_count(array);
    if (index < 0)
        return false;
    const char *at = NULL;
    while (wr_json_next(array, &at, ret_value))
        if (index-- == 0)
            return true;
    return false;
}

void wr_json_cell(const struct wr_vec *vec, uint32_t row, struct wr_buf *out)
{
    if (!wr_vec_valid(vec, row)) {
        wr_buf_str(out, "null");
    } else if (vec->type == WR_DYNAMIC) {
        wr_buf_add(out, wr_str_data(&vec->s[row]), vec->s[row].len);
    } else if (vec->type == WR_BOOL) {
        wr_buf_str(out, vec->i[row] ? "true" : "false");
    } else if (vec->type == WR_INT || vec->type == WR_LONG) {
        wr_buf_i64(out, vec->i[row]);
    } else if (vec->type == WR_REAL) {
        wr_json_real(out, vec->r[row]);
    } else if (vec->s) {
        wr_json_str(out, wr_str_data(&vec->s[row]), vec->s[row].len);
    } else {
        wr_buf_char(out, '"'); /* a time: digits and marks only */
        wr_text_at(vec, row, out);
        wr_buf_char(out, '"');
    }
}

void wr_json_put(struct wr_eval *ev, const struct wr_vec *from, uint32_t row, struct wr_vec *out)
{
    struct wr_buf text = {0};
    wr_json_cell(from, row, &text);
    if (text.err)
        ev->err = WR_ENOMEM;
    else
        wr_put_text(ev, out, row, text.data, text.len);
    wr_buf_fini(&text);
}
