/* format_datetime, format_timespan. Source: Kusto "format-datetime function", "format-timespan function". */
#include "rules/fn/kernel.h"

#include "base/ticks.h"

#define KERNEL(name)                                                                                         \
    void wr_k_##name(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,                \
                     const struct wr_sel *sel, struct wr_vec *out)

static void number(struct wr_buf *out, int64_t v, size_t width)
{
    wr_buf_fmt(out, "%0*lld", (int)(width > 9 ? 9 : width), (long long)v);
}

/* f..fffffff: digits of the fraction; F: the same without trailing zeros. */
static void fraction(struct wr_buf *out, int64_t ticks, size_t n, bool trim)
{
    char digits[8];
    n = n > 7 ? 7 : n;
    for (int i = 6; i >= 0; i--, ticks /= 10)
        digits[i] = (char)('0' + ticks % 10);
    while (trim && n && digits[n - 1] == '0')
        n--;
    wr_buf_add(out, digits, n);
}

static bool is_mark(char c)
{
    return memchr(" /-:,._[]", c, 9) != NULL;
}

/* One run of a letter; false when the format has no such part. */
static bool date_part(struct wr_buf *out, const struct wr_civil *c, char letter, size_t n)
{
    int hour12 = c->hour % 12 ? c->hour % 12 : 12;
    switch (letter) {
    case 'y':
        number(out, n <= 2 ? c->year % 100 : c->year, n);
        return n <= 4;
    case 'M':
        number(out, c->month, n);
        return n <= 2;
    case 'd':
        number(out, c->day, n);
        return n <= 2;
    case 'H':
        number(out, c->hour, n);
        return n <= 2;
    case 'h':
        number(out, hour12, n);
        return n <= 2;
    case 'm':
        number(out, c->minute, n);
        return n <= 2;
    case 's':
        number(out, c->second, n);
        return n <= 2;
    case 't':
        wr_buf_str(out, c->hour < 12 ? "AM" : "PM");
        return n == 2;
    case 'f':
    case 'F':
        fraction(out, c->fraction, n, letter == 'F');
        return n <= 7;
    default:
        return false;
    }
}

static bool span_part(struct wr_buf *out, int64_t ticks, char letter, size_t n)
{
    switch (letter) {
    case 'd':
        number(out, ticks / WR_TICKS_DAY, n);
        return n <= 8;
    case 'H':
    case 'h':
        number(out, ticks / WR_TICKS_HOUR % 24, n);
        return n <= 2;
    case 'm':
        number(out, ticks / WR_TICKS_MINUTE % 60, n);
        return n <= 2;
    case 's':
        number(out, ticks / WR_TICKS_SECOND % 60, n);
        return n <= 2;
    case 'f':
    case 'F':
        fraction(out, ticks % WR_TICKS_SECOND, n, letter == 'F');
        return n <= 7;
    default:
        return false;
    }
}

static bool format(struct wr_buf *out, int64_t ticks, bool span, const struct wr_str *how)
{
    const char *p = wr_str_data(how), *end = p + how->len;
    struct wr_civil c = span ? (struct wr_civil){0} : wr_ticks_civil(ticks);
    while (p < end) {
        size_t n = 1;
        if (is_mark(*p)) {
            wr_buf_char(out, *p);
        } else {
            while (p + n < end && p[n] == *p)
                n++;
            if (!(span ? span_part(out, ticks, *p, n) : date_part(out, &c, *p, n)))
                return false;
        }
        p += n;
    }
    return true;
}

static void put_format(struct wr_eval *ev, const struct wr_vec *args, const struct wr_sel *sel,
                       struct wr_vec *out, bool span)
{
    struct wr_buf text = {0};
    WR_EACH (sel, row) {
        int64_t t = args[0].i[row];
        wr_buf_reset(&text);
        if (span && t < 0 && t > INT64_MIN) {
            wr_buf_char(&text, '-');
            t = -t;
        }
        if (t >= 0 && (span || t <= WR_TICKS_MAX) && format(&text, t, span, &args[1].s[row]) && text.len)
            wr_put_text(ev, out, row, text.data, text.len);
    }
    if (text.err)
        ev->err = WR_ENOMEM;
    wr_buf_fini(&text);
}

KERNEL(format_datetime)
{
    (void)call;
    put_format(ev, args, sel, out, false);
}

KERNEL(format_timespan)
{
    (void)call;
    put_format(ev, args, sel, out, true);
}
