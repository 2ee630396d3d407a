/* Punycode, and domain names in it: a label of letters beyond ASCII becomes `xn--` and ASCII.
 * Look-alike domains are found in the decoded form. Labels of more than 1,024 code points have no
 * result: the coding takes the square of their number. Source: RFC 3492; Kusto
 * "punycode_from_string()" and its kin. */
#include "rules/fn/kernel.h"

enum {
    BASE = 36,
    TMIN = 1,
    TMAX = 26,
    SKEW = 38,
    DAMP = 700,
    BIAS = 72,
    FIRST = 128,
    POINTS_MAX = 1024
};

#define KERNEL(name)                                                                               \
    void wr_k_##name(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,      \
                     const struct wr_sel *sel, struct wr_vec *out)

struct points {
    uint32_t c[POINTS_MAX], n;
};

/* RFC 3492, 6.1. */
static uint32_t adapt(uint32_t delta, uint32_t n, bool first)
{
    uint32_t k = 0;
    delta = first ? delta / DAMP : delta / 2;
    delta += delta / n;
    for (; delta > (BASE - TMIN) * TMAX / 2; k += BASE)
        delta /= BASE - TMIN;
    return k + (BASE - TMIN + 1) * delta / (delta + SKEW);
}

static uint32_t threshold(uint32_t k, uint32_t bias)
{
    return k <= bias ? TMIN : k >= bias + TMAX ? TMAX : k - bias;
}

static bool code_points(const char *text, size_t len, struct points *ret)
{
    const unsigned char *p = (const unsigned char *)text, *end = p + len;
    ret->n = 0;
    if (!wr_utf8_valid(text, len))
        return false;
    while (p < end) {
        uint32_t n = *p < 0x80 ? 0 : *p < 0xe0 ? 1 : *p < 0xf0 ? 2 : 3;
        uint32_t c = n ? *p & (0x3fu >> n) : *p;
        for (p++; n; n--)
            c = c << 6 | (*p++ & 0x3f);
        if (ret->n == POINTS_MAX)
            return false;
        ret->c[ret->n++] = c;
    }
    return true;
}

static void put_point(struct wr_buf *out, uint32_t c)
{
    if (c < 0x80) {
        wr_buf_u8(out, (uint8_t)c);
        return;
    }
    uint32_t more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    wr_buf_u8(out, (uint8_t)((0xff80u >> more) | c >> 6 * more));
    while (more--)
        wr_buf_u8(out, (uint8_t)(0x80 | (c >> 6 * more & 0x3f)));
}

static char digit(uint32_t d)
{
    return (char)(d < 26 ? 'a' + d : '0' + d - 26);
}

/* One number of variable length. */
static void put_delta(struct wr_buf *out, uint32_t delta, uint32_t bias)
{
    for (uint32_t k = BASE;; k += BASE) {
        uint32_t t = threshold(k, bias);
        if (delta < t)
            break;
        wr_buf_char(out, digit(t + (delta - t) % (BASE - t)));
        delta = (delta - t) / (BASE - t);
    }
    wr_buf_char(out, digit(delta));
}

static bool encode(const char *text, size_t len, struct wr_buf *out)
{
    struct points in;
    if (!code_points(text, len, &in))
        return false;
    uint32_t basic = 0;
    for (uint32_t i = 0; i < in.n; i++)
        if (in.c[i] < FIRST) {
            wr_buf_u8(out, (uint8_t)in.c[i]);
            basic++;
        }
    if (basic)
        wr_buf_char(out, '-');
    /* At most 1,025 places times 0x110000 code points: 32 bits hold it. */
    uint32_t n = FIRST, delta = 0, bias = BIAS;
    for (uint32_t done = basic; done < in.n;) {
        uint32_t next = UINT32_MAX;
        for (uint32_t i = 0; i < in.n; i++)
            if (in.c[i] >= n && in.c[i] < next)
                next = in.c[i];
        delta += (next - n) * (done + 1);
        n = next;
        for (uint32_t i = 0; i < in.n; i++) {
            delta += in.c[i] < n;
            if (in.c[i] != n)
                continue;
            put_delta(out, delta, bias);
            bias = adapt(delta, done + 1, done == basic);
            delta = 0;
            done++;
        }
        delta++;
        n++;
    }
    return true;
}

static uint32_t digit_of(char c)
{
    c = wr_ascii_lower(c);
    return c >= 'a' && c <= 'z'   ? (uint32_t)(c - 'a')
           : c >= '0' && c <= '9' ? (uint32_t)(c - '0' + 26)
                                  : BASE;
}

/* Reads one number; false when it is none or too large. */
static bool read_delta(const char **p, const char *end, uint32_t bias, uint32_t *ret)
{
    uint64_t w = 1, value = 0;
    for (uint32_t k = BASE;; k += BASE) {
        uint32_t d = *p < end ? digit_of(**p) : BASE, t = threshold(k, bias);
        if (d == BASE)
            return false;
        (*p)++;
        value += d * w;
        if (value > INT32_MAX)
            return false;
        *ret = (uint32_t)value;
        if (d < t)
            return true;
        w *= BASE - t;
        if (w > INT32_MAX)
            return false;
    }
}

static bool decode(const char *p, size_t len, struct wr_buf *out)
{
    struct points to = {.n = 0};
    const char *end = p + len, *hyphen = memrchr(p, '-', len);
    for (; hyphen && p < hyphen; p++) {
        if ((unsigned char)*p >= FIRST || to.n == POINTS_MAX)
            return false;
        to.c[to.n++] = (unsigned char)*p;
    }
    p += hyphen != NULL;
    uint32_t n = FIRST, i = 0, bias = BIAS, delta;
    for (bool first = true; p < end; first = false) {
        if (to.n == POINTS_MAX || !read_delta(&p, end, bias, &delta))
            return false;
        to.n++;
        bias = adapt(delta, to.n, first);
        if (delta > INT32_MAX - i)
            return false;
        i += delta;
        n += i / to.n;
        i %= to.n;
        if (n > 0x10ffff || (n >= 0xd800 && n < 0xe000))
            return false;
        memmove(&to.c[i + 1], &to.c[i], (to.n - 1 - i) * sizeof *to.c);
        to.c[i++] = n;
    }
    for (uint32_t k = 0; k < to.n; k++)
        put_point(out, to.c[k]);
    return true;
}

/* Bytes of the mark between labels at `p`: a full stop, or one of those that people type in its
 * place (RFC 3490, 3.1). */
static size_t dot(const char *p, size_t len)
{
    static const char *const dots[] = {"\u3002", "\uff0e", "\uff61"};
    if (*p == '.')
        return 1;
    for (size_t i = 0; i < sizeof dots / sizeof *dots; i++)
        if (len >= 3 && memcmp(p, dots[i], 3) == 0)
            return 3;
    return 0;
}

static bool label(const char *p, size_t len, bool to_ascii, struct wr_buf *out)
{
    bool ascii = true, coded = len > 4 && strncasecmp(p, "xn--", 4) == 0;
    for (size_t i = 0; i < len; i++)
        ascii &= (unsigned char)p[i] < 0x80;
    if (to_ascii ? ascii : !coded) {
        wr_buf_add(out, p, len);
        return true;
    }
    if (!to_ascii)
        return decode(p + 4, len - 4, out);
    wr_buf_str(out, "xn--");
    return encode(p, len, out);
}

static bool domain(const char *p, size_t len, bool to_ascii, struct wr_buf *out)
{
    size_t from = 0;
    for (size_t i = 0, n; i <= len; i++) {
        n = i < len ? dot(p + i, len - i) : 0;
        if (i < len && !n)
            continue;
        if (!label(p + from, i - from, to_ascii, out))
            return false;
        if (n)
            wr_buf_char(out, '.');
        from = i + n;
        i += n ? n - 1 : 0;
    }
    return true;
}

static bool encode_domain(const char *p, size_t len, struct wr_buf *out)
{
    return domain(p, len, true, out);
}

static bool decode_domain(const char *p, size_t len, struct wr_buf *out)
{
    return domain(p, len, false, out);
}

static void each(struct wr_eval *ev, const struct wr_vec *args, const struct wr_sel *sel,
                 struct wr_vec *out, bool (*code)(const char *, size_t, struct wr_buf *))
{
    struct wr_buf text = {0};
    WR_EACH(sel, row)
    {
        wr_buf_reset(&text);
        if (code(wr_str_data(&args[0].s[row]), args[0].s[row].len, &text) && text.len && !text.err)
            wr_put_text(ev, out, row, text.data, text.len);
    }
    if (text.err)
        ev->err = WR_ENOMEM;
    wr_buf_fini(&text);
}

KERNEL(punycode_from_string)
{
    (void)call;
    each(ev, args, sel, out, encode);
}

KERNEL(punycode_to_string)
{
    (void)call;
    each(ev, args, sel, out, decode);
}

KERNEL(punycode_domain_to_string)
{
    (void)call;
    each(ev, args, sel, out, encode_domain);
}

KERNEL(punycode_domain_from_string)
{
    (void)call;
    each(ev, args, sel, out, decode_domain);
}
