#include "base/str.h"

bool wr_str_copy(struct wr_arena *arena, const char *text, size_t len, struct wr_str *ret_s)
{
    if (len > UINT32_MAX)
        return false;
    if (len > WR_STR_INLINE) {
        char *p = wr_arena_bytes_alloc(arena, len);
        if (!p)
            return false;
        memcpy(p, text, len);
        text = p;
    }
    *ret_s = wr_str_borrow(text, len);
    return true;
}

bool wr_str_eq(const struct wr_str *a, const struct wr_str *b)
{
    if (memcmp(a, b, 8) != 0) /* length and prefix */
        return false;
    if (a->len <= WR_STR_INLINE)
        return memcmp(a->inl, b->inl, WR_STR_INLINE) == 0;
    return memcmp(wr_str_data(a), wr_str_data(b), a->len) == 0;
}

int wr_str_cmp(const struct wr_str *a, const struct wr_str *b)
{
    uint32_t n = a->len < b->len ? a->len : b->len;
    int c = n ? memcmp(wr_str_data(a), wr_str_data(b), n) : 0;
    if (c)
        return c;
    return (a->len > b->len) - (a->len < b->len);
}

bool wr_str_eq_nocase(const struct wr_str *a, const struct wr_str *b)
{
    if (a->len != b->len)
        return false;
    const char *p = wr_str_data(a), *q = wr_str_data(b);
    for (uint32_t i = 0; i < a->len; i++)
        if (wr_ascii_lower(p[i]) != wr_ascii_lower(q[i]))
            return false;
    return true;
}

/* Length of the well-formed sequence at `p`, 0 when it is none. RFC 3629 section 4. */
static size_t utf8_seq(const unsigned char *p, size_t left)
{
    if (p[0] < 0x80)
        return 1;
    size_t n;
    unsigned char lo = 0x80, hi = 0xbf;
    if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        n = 2;
    } else if (p[0] >= 0xe0 && p[0] <= 0xef) {
        n = 3;
        if (p[0] == 0xe0)
            lo = 0xa0;
        if (p[0] == 0xed)
            hi = 0x9f;
    } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        n = 4;
        if (p[0] == 0xf0)
            lo = 0x90;
        if (p[0] == 0xf4)
            hi = 0x8f;
    } else {
        return 0;
    }
    if (left < n || p[1] < lo || p[1] > hi)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

bool wr_utf8_valid(const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t i = 0;
    while (i < len) {
        uint64_t w, four[4];
        if (len - i >= sizeof four) {
            memcpy(four, p + i, sizeof four);
            if (!((four[0] | four[1] | four[2] | four[3]) & 0x8080808080808080u)) {
                i += sizeof four;
                continue;
            }
        }
        if (len - i >= 8 && (memcpy(&w, p + i, 8), !(w & 0x8080808080808080u))) {
            i += 8;
            continue;
        }
        size_t n = utf8_seq(p + i, len - i);
        if (!n)
            return false;
        i += n;
    }
    return true;
}

size_t wr_utf8_repair(const char *text, size_t len, char *out, size_t *ret_replaced)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t o = 0, replaced = 0;
    for (size_t i = 0; i < len;) {
        size_t n = utf8_seq(p + i, len - i);
        if (n) {
            memcpy(out + o, p + i, n);
            o += n;
            i += n;
        } else {
            memcpy(out + o, "\xef\xbf\xbd", 3);
            o += 3;
            i++;
            replaced++;
        }
    }
    *ret_replaced = replaced;
    return o;
}
