/* to...(): any type in; what cannot be converted is null (Kusto: "tolong function" and its kin). */
#include "rules/fn/json.h"
#include "rules/fn/kernel.h"
#include "rules/kql/token.h"

#include "base/decimal.h"
#include "base/ticks.h"

#include <math.h>
#include <stdio.h>

#define KERNEL(name)                                                                                         \
    void wr_k_##name(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,                \
                     const struct wr_sel *sel, struct wr_vec *out)

KERNEL(tostring)
{
    (void)call;
    struct wr_buf text = {0};
    WR_EACH (sel, row) {
        if (args[0].type == WR_STRING) {
            wr_put_s(out, row, args[0].s[row]);
            continue;
        }
        wr_buf_reset(&text);
        wr_text_at(&args[0], row, &text);
        if (text.len)
            wr_put_text(ev, out, row, text.data, text.len);
    }
    if (text.err)
        ev->err = WR_ENOMEM;
    wr_buf_fini(&text);
}

/* Truncated toward zero; false outside `long`. */
static bool real_to_long(double r, int64_t *ret_v)
{
    if (!(r > -9223372036854775809.0 && r < 9223372036854775808.0))
        return false;
    *ret_v = (int64_t)r;
    return true;
}

static bool scalar_to_long(const struct wr_scalar *x, int64_t *ret_v)
{
    double r;
    switch (x->kind) {
    case WR_SC_BOOL:
    case WR_SC_INT:
        *ret_v = x->i;
        return true;
    case WR_SC_REAL:
        return real_to_long(x->r, ret_v);
    case WR_SC_TEXT:
        return wr_text_to_long(wr_str_data(&x->s), x->s.len, ret_v) ||
               (wr_text_to_real(wr_str_data(&x->s), x->s.len, &r) && real_to_long(r, ret_v));
    case WR_SC_NULL:
    case WR_SC_OTHER:
        break;
    }
    return false;
}

KERNEL(tolong)
{
    bool narrow = call->type == WR_INT;
    WR_EACH (sel, row) {
        struct wr_scalar x = wr_scalar_at(ev, &args[0], row);
        int64_t v;
        if (scalar_to_long(&x, &v) && (!narrow || (v >= INT32_MIN && v <= INT32_MAX)))
            wr_put_i(out, row, v);
    }
}

KERNEL(toreal)
{
    (void)call;
    WR_EACH (sel, row) {
        struct wr_scalar x = wr_scalar_at(ev, &args[0], row);
        double v;
        if (x.kind == WR_SC_TEXT) {
            if (wr_text_to_real(wr_str_data(&x.s), x.s.len, &v))
                wr_put_r(out, row, v);
        } else if (x.kind == WR_SC_BOOL || x.kind == WR_SC_INT) {
            wr_put_r(out, row, (double)x.i);
        } else if (x.kind == WR_SC_REAL) {
            wr_put_r(out, row, x.r);
        }
    }
}

KERNEL(tobool)
{
    (void)call;
    WR_EACH (sel, row) {
        struct wr_scalar x = wr_scalar_at(ev, &args[0], row);
        const struct wr_str yes = WR_STR_LIT("true"), no = WR_STR_LIT("false");
        int64_t v;
        if (x.kind == WR_SC_TEXT && wr_str_eq_nocase(&x.s, &yes))
            wr_put_i(out, row, 1);
        else if (x.kind == WR_SC_TEXT && wr_str_eq_nocase(&x.s, &no))
            wr_put_i(out, row, 0);
        else if (x.kind == WR_SC_REAL)
            wr_put_i(out, row, x.r != 0);
        else if (scalar_to_long(&x, &v))
            wr_put_i(out, row, v != 0);
    }
}

KERNEL(todatetime)
{
    (void)call;
    WR_EACH (sel, row) {
        struct wr_scalar x = wr_scalar_at(ev, &args[0], row);
        int64_t v;
        if (x.kind == WR_SC_TEXT && wr_kql_datetime(wr_str_data(&x.s), x.s.len, &v))
            wr_put_i(out, row, v);
        else if (x.kind == WR_SC_INT)
            wr_put_i(out, row, x.i);
    }
}

/* Up to `max` digits at *p. */
static bool digits(const char **p, const char *end, int max, int64_t *ret_v)
{
    int n = 0;
    *ret_v = 0;
    while (*p < end && **p >= '0' && **p <= '9' && n++ < max)
        *ret_v = *ret_v * 10 + (*(*p)++ - '0');
    return n > 0 && n <= max;
}

static bool suffix_span(const char *text, size_t len, int64_t *ret_v)
{
    static const struct {
        const char *unit;
        int64_t ticks;
    } units[] = {{"d", WR_TICKS_DAY},
                 {"h", WR_TICKS_HOUR},
                 {"m", WR_TICKS_MINUTE},
                 {"s", WR_TICKS_SECOND},
                 {"ms", WR_TICKS_SECOND / 1000},
                 {"microsecond", 10},
                 {"tick", 1},
                 {"min", WR_TICKS_MINUTE},
                 {"sec", WR_TICKS_SECOND},
                 {"day", WR_TICKS_DAY},
                 {"hour", WR_TICKS_HOUR},
                 {"minute", WR_TICKS_MINUTE},
                 {"second", WR_TICKS_SECOND}};
    size_t n = 0;
    while (n < len && (wr_is_alnum(text[n]) ? text[n] <= '9' : text[n] == '.' || text[n] == '-'))
        n++;
    double v;
    if (n == len || !wr_text_to_real(text, n, &v))
        return false;
    while (n < len && text[n] == ' ')
        n++;
    size_t m = len - n;
    if (m > 3 && text[len - 1] == 's')
        m--;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strlen(units[i].unit) == m && memcmp(units[i].unit, text + n, m) == 0) {
            double t = round(v * (double)units[i].ticks);
            return real_to_long(t, ret_v);
        }
    return false;
}

bool wr_text_to_timespan(const char *text, size_t len, int64_t *ret_v)
{
    enum { MAX_DAYS = 10675198 }; /* what 64 bits of ticks hold, and a part of a day */
    const char *p = text, *end = text + len;
    int64_t day = 0, hour, minute, second = 0, fraction = 0;
    bool neg = p < end && *p == '-';
    if (neg)
        p++;
    if (!digits(&p, end, 8, &hour) || hour > MAX_DAYS)
        return false;
    if (p < end && *p == '.') {
        p++;
        day = hour;
        if (!digits(&p, end, 2, &hour))
            return suffix_span(text, len, ret_v);
    }
    if (p == end && !day) {
        *ret_v = (neg ? -hour : hour) * WR_TICKS_DAY; /* a bare number counts days */
        return true;
    }
    if (p == end || *p++ != ':')
        return suffix_span(text, len, ret_v);
    if (!digits(&p, end, 2, &minute) || hour > 23 || minute > 59)
        return false;
    if (p < end) {
        if (*p++ != ':' || !digits(&p, end, 2, &second) || second > 59)
            return false;
        if (p < end) {
            const char *from = p + 1;
            if (*p++ != '.' || !digits(&p, end, 7, &fraction))
                return false;
            for (ptrdiff_t n = p - from; n < 7; n++)
                fraction *= 10;
        }
    }
    int64_t v = day * WR_TICKS_DAY + hour * WR_TICKS_HOUR + minute * WR_TICKS_MINUTE +
                second * WR_TICKS_SECOND + fraction;
    *ret_v = neg ? -v : v;
    return p == end;
}

KERNEL(totimespan)
{
    (void)call;
    WR_EACH (sel, row) {
        struct wr_scalar x = wr_scalar_at(ev, &args[0], row);
        int64_t v;
        if (x.kind == WR_SC_TEXT && wr_text_to_timespan(wr_str_data(&x.s), x.s.len, &v))
            wr_put_i(out, row, v);
        else if (x.kind == WR_SC_INT)
            wr_put_i(out, row, x.i);
    }
}

KERNEL(todecimal)
{
    (void)call;
    struct wr_buf text = {0};
    WR_EACH (sel, row) {
        struct wr_dec v;
        char digits[WR_DEC_TEXT];
        wr_buf_reset(&text);
        wr_text_at(&args[0], row, &text);
        if (!text.err && wr_dec_parse(text.data ? text.data : "", text.len, &v))
            wr_put_text(ev, out, row, digits, wr_dec_text(&v, digits));
    }
    wr_buf_fini(&text);
}

/* 32 hex digits, with or without the hyphens of 8-4-4-4-12, into the lower-case form with them. */
static bool guid_text(const char *p, size_t len, char out[36])
{
    if (len == 38 && p[0] == '{' && p[37] == '}') {
        p++;
        len = 36;
    }
    if (len != 32 && len != 36)
        return false;
    size_t o = 0;
    for (size_t i = 0; i < len; i++) {
        bool hyphen = o == 8 || o == 13 || o == 18 || o == 23;
        if (hyphen)
            out[o++] = '-';
        if (hyphen && len == 36) {
            if (p[i] != '-')
                return false;
            continue;
        }
        char c = wr_ascii_lower(p[i]);
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')) || o == 36)
            return false;
        out[o++] = c;
    }
    return o == 36;
}

KERNEL(toguid)
{
    (void)call;
    WR_EACH (sel, row) {
        struct wr_scalar x = wr_scalar_at(ev, &args[0], row);
        char text[36];
        if (x.kind == WR_SC_TEXT && guid_text(wr_str_data(&x.s), x.s.len, text))
            wr_put_text(ev, out, row, text, sizeof text);
    }
}

KERNEL(tohex)
{
    WR_EACH (sel, row) {
        char text[80];
        if (args[0].type != WR_INT && args[0].type != WR_LONG)
            continue;
        int64_t width = call->nargs > 1 ? args[1].i[row] : 0;
        width = width < 0 ? 0 : width > 64 ? 64 : width;
        int n =
            snprintf(text, sizeof text, "%0*llx", (int)width,
                     args[0].type == WR_INT ? (uint32_t)args[0].i[row] : (unsigned long long)args[0].i[row]);
        wr_put_text(ev, out, row, text, (size_t)n);
    }
}

KERNEL(gettype)
{
    (void)call;
    static const char *const held[] = {"null", "bool", "long", "double", "string", "dictionary"};
    WR_EACH (sel, row) {
        const char *name = wr_type_name(args[0].type);
        if (args[0].type == WR_DYNAMIC) {
            struct wr_scalar x = wr_scalar_at(ev, &args[0], row);
            name = x.kind == WR_SC_OTHER && wr_str_data(&x.s)[0] == '[' ? "array" : held[x.kind];
        }
        wr_put_text(ev, out, row, name, strlen(name));
    }
}

KERNEL(parse_json)
{
    (void)call;
    struct wr_buf text = {0};
    WR_EACH (sel, row) {
        if (args[0].type == WR_DYNAMIC) {
            wr_put_s(out, row, args[0].s[row]);
            continue;
        }
        if (args[0].type != WR_STRING) {
            wr_json_put(ev, &args[0], row, out);
            continue;
        }
        const struct wr_str *s = &args[0].s[row];
        wr_buf_reset(&text);
        if (s->len == 0)
            continue;
        if (!wr_json_compact(wr_str_data(s), s->len, &text)) {
            wr_buf_reset(&text);
            wr_json_str(&text, wr_str_data(s), s->len); /* not JSON: the text itself */
        }
        if (!text.err && !(text.len == 4 && memcmp(text.data, "null", 4) == 0))
            wr_put_text(ev, out, row, text.data, text.len);
    }
    if (text.err)
        ev->err = WR_ENOMEM;
    wr_buf_fini(&text);
}
