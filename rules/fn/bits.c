/* Bits, angles, and small functions of text. Source: Kusto "binary-and function", "translate
 * function" and their kin. */
#include "rules/fn/json.h"
#include "rules/fn/kernel.h"

#include <math.h>

enum { TEXT_MAX = 1024 * 1024 };

#define KERNEL(name)                                                                               \
    void wr_k_##name(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,      \
                     const struct wr_sel *sel, struct wr_vec *out)

#define BITS(name, expr)                                                                           \
    KERNEL(binary_##name)                                                                          \
    {                                                                                              \
        (void)ev, (void)call;                                                                      \
        WR_EACH(sel, row)                                                                          \
        {                                                                                          \
            int64_t a = args[0].i[row], b = args[call->nargs - 1].i[row];                          \
            (void)b;                                                                               \
            wr_put_i(out, row, expr);                                                              \
        }                                                                                          \
    }
BITS(and, a &b)
BITS(or, a | b)
BITS(xor, a ^ b)
BITS(not, ~a)

/* Shifts are by n modulo 64; a negative n has no result. */
#define SHIFT(name, expr)                                                                          \
    KERNEL(binary_shift_##name)                                                                    \
    {                                                                                              \
        (void)ev, (void)call;                                                                      \
        WR_EACH(sel, row)                                                                          \
        {                                                                                          \
            int64_t a = args[0].i[row], n = args[1].i[row];                                        \
            if (n >= 0)                                                                            \
                wr_put_i(out, row, expr);                                                          \
        }                                                                                          \
    }
SHIFT(left, (int64_t)((uint64_t)a << (n & 63)))
SHIFT(right, a >> (n & 63))

#define REAL(name, expr)                                                                           \
    KERNEL(name)                                                                                   \
    {                                                                                              \
        (void)ev, (void)call;                                                                      \
        WR_EACH(sel, row)                                                                          \
        {                                                                                          \
            double x = args[0].r[row], y = args[call->nargs - 1].r[row];                           \
            (void)y;                                                                               \
            wr_put_r(out, row, expr);                                                              \
        }                                                                                          \
    }
REAL(sin, sin(x))
REAL(cos, cos(x))
REAL(tan, tan(x))
REAL(cot, 1 / tan(x))
REAL(asin, asin(x))
REAL(acos, acos(x))
REAL(atan, atan(x))
REAL(atan2, atan2(x, y))
REAL(degrees, x * 180 / M_PI)
REAL(radians, x *M_PI / 180)
REAL(erf, erf(x))
REAL(erfc, erfc(x))

KERNEL(bitset_count_ones)
{
    (void)ev, (void)call;
    WR_EACH(sel, row)
    wr_put_i(out, row, __builtin_popcountll((uint64_t)args[0].i[row]));
}

KERNEL(isutf8)
{
    (void)ev, (void)call;
    WR_EACH(sel, row)
    wr_put_i(out, row, wr_utf8_valid(wr_str_data(&args[0].s[row]), args[0].s[row].len));
}

KERNEL(isascii)
{
    (void)ev, (void)call;
    WR_EACH(sel, row)
    {
        const char *p = wr_str_data(&args[0].s[row]);
        bool yes = true;
        for (uint32_t i = 0; i < args[0].s[row].len; i++)
            yes &= (unsigned char)p[i] < 0x80;
        wr_put_i(out, row, yes);
    }
}

/* Bytes of the code point at `i`. */
static size_t point(const char *p, size_t len, size_t i)
{
    size_t n = 1;
    while (i + n < len && ((unsigned char)p[i + n] & 0xc0) == 0x80)
        n++;
    return n;
}

/* The counterpart of a code point: the one at its place in `to`, the last one where `to` is
 * shorter. */
static struct wr_slice counterpart(struct wr_slice from, struct wr_slice to, struct wr_slice c)
{
    size_t t = 0, m = to.len ? point(to.p, to.len, 0) : 0;
    for (size_t f = 0; f < from.len;) {
        size_t n = point(from.p, from.len, f);
        if (n == c.len && memcmp(from.p + f, c.p, n) == 0)
            return (struct wr_slice){to.p + t, m};
        f += n;
        if (t + m < to.len) {
            t += m;
            m = point(to.p, to.len, t);
        }
    }
    return c;
}

KERNEL(translate)
{
    (void)call;
    struct wr_buf text = {0};
    WR_EACH(sel, row)
    {
        struct wr_slice in[3];
        for (int a = 0; a < 3; a++)
            in[a] = (struct wr_slice){wr_str_data(&args[a].s[row]), args[a].s[row].len};
        wr_buf_reset(&text);
        for (size_t i = 0, n; i < in[2].len; i += n) {
            n = point(in[2].p, in[2].len, i);
            struct wr_slice c = counterpart(in[0], in[1], (struct wr_slice){in[2].p + i, n});
            wr_buf_add(&text, c.p, c.len);
        }
        if (text.len && !text.err)
            wr_put_text(ev, out, row, text.data, text.len);
    }
    if (text.err)
        ev->err = WR_ENOMEM;
    wr_buf_fini(&text);
}

/* A text and, for each of its bytes, whether it was put there by an earlier lookup. */
struct rewritten {
    struct wr_buf text, fixed;
};

static void append(struct rewritten *to, const char *p, const char *fixed, size_t n)
{
    wr_buf_add(&to->text, p, n);
    char *flags = wr_buf_room(&to->fixed, n);
    if (flags && fixed)
        memcpy(flags, fixed, n);
    else if (flags)
        memset(flags, 1, n);
    to->fixed.len += flags ? n : 0;
}

/* All of one text that is still of the input by another, from `a` into `b`. */
static void replace_one(const struct rewritten *a, const struct wr_buf *what,
                        const struct wr_buf *by, struct rewritten *b)
{
    const char *p = a->text.data, *end = p + a->text.len;
    wr_buf_reset(&b->text);
    wr_buf_reset(&b->fixed);
    while (p < end) {
        const char *fixed = a->fixed.data + (p - a->text.data);
        const char *hit = what->len && b->text.len <= TEXT_MAX
                              ? memmem(p, (size_t)(end - p), what->data, what->len)
                              : NULL;
        size_t before = hit ? (size_t)(hit - p) : (size_t)(end - p);
        bool taken = hit && memchr(fixed + before, 1, what->len) != NULL;
        append(b, p, fixed, before + taken);
        p += before + taken;
        if (!hit || taken)
            continue;
        if (by->len)
            append(b, by->data, NULL, by->len);
        p += what->len;
    }
}

/* replace_strings(text, lookups, rewrites): one lookup after the other, none in what an earlier one
 * has written; a single rewrite serves all. */
KERNEL(replace_strings)
{
    (void)call;
    struct rewritten a = {0}, b = {0};
    struct wr_buf what = {0}, by = {0};
    WR_EACH(sel, row)
    {
        struct wr_slice list[2], item[2];
        const char *at[2] = {NULL, NULL};
        size_t len = args[0].s[row].len;
        for (int i = 0; i < 2; i++)
            list[i] = (struct wr_slice){wr_str_data(&args[i + 1].s[row]), args[i + 1].s[row].len};
        wr_buf_reset(&a.text);
        wr_buf_reset(&a.fixed);
        if (len)
            append(&a, wr_str_data(&args[0].s[row]), NULL, len);
        if (len && a.fixed.data)
            memset(a.fixed.data, 0, len);
        while (a.text.len && !a.text.err && !a.fixed.err &&
               wr_json_next(list[0], &at[0], &item[0])) {
            wr_buf_reset(&what);
            wr_json_to_text(item[0].p, item[0].len, &what);
            if (wr_json_next(list[1], &at[1], &item[1])) {
                wr_buf_reset(&by);
                wr_json_to_text(item[1].p, item[1].len, &by);
            }
            replace_one(&a, &what, &by, &b);
            struct rewritten t = a;
            a = b;
            b = t;
        }
        if (a.text.len && !a.text.err)
            wr_put_text(ev, out, row, a.text.data, a.text.len);
    }
    struct wr_buf *all[] = {&a.text, &a.fixed, &b.text, &b.fixed, &what, &by};
    for (int i = 0; i < 6; i++) {
        if (all[i]->err)
            ev->err = WR_ENOMEM;
        wr_buf_fini(all[i]);
    }
}

/* One record of RFC 4180 as an array of texts. */
KERNEL(parse_csv)
{
    (void)call;
    struct wr_buf json = {0}, field = {0};
    WR_EACH(sel, row)
    {
        const char *p = wr_str_data(&args[0].s[row]), *end = p + args[0].s[row].len;
        wr_buf_reset(&json);
        wr_buf_char(&json, '[');
        for (bool more = true; more; p++) {
            bool quoted = p < end && *p == '"';
            wr_buf_reset(&field);
            for (p += quoted; p < end && (quoted || (*p != ',' && *p != '\n' && *p != '\r')); p++) {
                if (quoted && *p == '"' && (p + 1 == end || p[1] != '"')) {
                    quoted = false;
                    continue;
                }
                p += quoted && *p == '"';
                wr_buf_char(&field, *p);
            }
            if (json.len > 1)
                wr_buf_char(&json, ',');
            wr_json_str(&json, field.data ? field.data : "", field.len);
            more = p < end && *p == ',';
        }
        wr_buf_char(&json, ']');
        if (!json.err)
            wr_put_text(ev, out, row, json.data, json.len);
    }
    if (json.err || field.err)
        ev->err = WR_ENOMEM;
    wr_buf_fini(&json);
    wr_buf_fini(&field);
}
