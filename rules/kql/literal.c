/* Literals of KQL: strings, times, and what stands between the brackets of `type(...)`. */
#include "base/decimal.h"
#include "base/buf.h"
#include "base/ticks.h"
#include "rules/kql/token.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int hex_digit(char c)
{
    c = wr_ascii_lower(c);
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void put_utf8(struct wr_buf *buf, uint32_t c)
{
    if (c < 0x80) {
        wr_buf_char(buf, (char)c);
        return;
    }
    int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const unsigned char lead[] = {0, 0xc0, 0xe0, 0xf0};
    wr_buf_char(buf, (char)(lead[more] | c >> (6 * more)));
    while (more-- > 0)
        wr_buf_char(buf, (char)(0x80 | (c >> (6 * more) & 0x3f)));
}

static bool hex_run(const char *p, size_t left, size_t n, uint32_t *ret)
{
    uint32_t c = 0;
    if (left < n)
        return false;
    for (size_t i = 0; i < n; i++) {
        int d = hex_digit(p[i]);
        if (d < 0)
            return false;
        c = c << 4 | (uint32_t)d;
    }
    *ret = c;
    return true;
}

/* \uD83D\uDE00 is one character. Returns the bytes used after the backslash, 0 when it is no
 * escape. */
static size_t unicode_escape(const char *p, size_t left, struct wr_buf *out)
{
    uint32_t c, low;
    size_t n = p[0] == 'U' ? 8 : p[0] == 'x' ? 2 : 4;
    if (!hex_run(p + 1, left - 1, n, &c))
        return 0;
    size_t used = n + 1;
    if (c >= 0xd800 && c < 0xdc00 && left >= used + 6 && p[used] == '\\' && p[used + 1] == 'u' &&
        hex_run(p + used + 2, 4, 4, &low) && low >= 0xdc00 && low < 0xe000) {
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        used += 6;
    }
    if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return 0;
    put_utf8(out, c);
    return used;
}

static size_t escape(const char *p, size_t left, struct wr_buf *out)
{
    static const char names[] = "\\\"'ntrabfv0", values[] = "\\\"'\n\t\r\a\b\f\v";
    if (!left)
        return 0;
    if (*p == 'u' || *p == 'U' || *p == 'x')
        return unicode_escape(p, left, out);
    const char *at = *p ? strchr(names, *p) : NULL;
    if (!at)
        return 0;
    wr_buf_char(out, values[at - names]);
    return 1;
}

static bool quoted(const char *text, size_t len, struct wr_buf *out, size_t *ret_used,
                   const char **ret_why)
{
    char quote = text[0];
    size_t i = 1;
    while (i < len && text[i] != quote && text[i] != '\n') {
        if (text[i] != '\\') {
            wr_buf_char(out, text[i++]);
            continue;
        }
        size_t n = escape(text + i + 1, len - i - 1, out);
        if (!n) {
            *ret_used = i + 1;
            *ret_why = "a backslash in a string must begin \\\\ \\\" \\' \\n \\r \\t or \\uXXXX; "
                       "write @\"...\" for a text with plain backslashes";
            return false;
        }
        i += n + 1;
    }
    *ret_used = i + (i < len);
    *ret_why = "this string is not closed on its line";
    return i < len && text[i] == quote;
}

static bool verbatim(const char *text, size_t len, struct wr_buf *out, size_t *ret_used,
                     const char **ret_why)
{
    char quote = text[1];
    size_t i = 2;
    for (; i < len && text[i] != '\n'; i++) {
        if (text[i] == quote) {
            if (i + 1 == len || text[i + 1] != quote) {
                *ret_used = i + 1;
                return true;
            }
            i++;
        }
        wr_buf_char(out, text[i]);
    }
    *ret_used = i;
    *ret_why = "this string is not closed on its line";
    return false;
}

static bool fenced(const char *text, size_t len, struct wr_buf *out, size_t *ret_used,
                   const char **ret_why)
{
    for (size_t i = 3; i + 3 <= len; i++)
        if (memcmp(text + i, text, 3) == 0) {
            wr_buf_add(out, text + 3, i - 3);
            *ret_used = i + 3;
            return true;
        }
    *ret_used = 3;
    *ret_why = "this multi-line string is never closed";
    return false;
}

bool wr_kql_string(const char *text, size_t len, struct wr_arena *arena, struct wr_str *ret_s,
                   size_t *ret_used, const char **ret_why)
{
    struct wr_buf out = {0};
    bool ok = text[0] == '@'                     ? verbatim(text, len, &out, ret_used, ret_why)
              : text[0] == '`' || text[0] == '~' ? fenced(text, len, &out, ret_used, ret_why)
                                                 : quoted(text, len, &out, ret_used, ret_why);
    if (ok && (out.err || !wr_str_copy(arena, out.data ? out.data : "", out.len, ret_s))) {
        *ret_why = wr_strerror(WR_ENOMEM);
        ok = false;
    }
    wr_buf_fini(&out);
    return ok;
}

bool wr_kql_timespan(double number, const char *unit, size_t len, int64_t *ret_ticks)
{
    static const struct {
        const char *names;
        double ticks;
    } units[] = {{" d day days ", 864e9},
                 {" h hr hrs hour hours ", 36e9},
                 {" m min minute minutes ", 600e6},
                 {" s sec second seconds ", 10e6},
                 {" ms milli millis millisec millisecond milliseconds ", 10e3},
                 {" micro micros microsec microsecond microseconds ", 10},
                 {" nano nanos nanosec nanosecond nanoseconds ", 0.01},
                 {" tick ticks ", 1}};
    char word[20];
    if (len + 3 > sizeof word)
        return false;
    snprintf(word, sizeof word, " %.*s ", (int)len, unit);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strstr(units[i].names, word)) {
            double t = nearbyint(number * units[i].ticks);
            if (!(fabs(t) < 9.2e18))
                return false;
            *ret_ticks = (int64_t)t;
            return true;
        }
    return false;
}

static void trim(const char **text, size_t *len)
{
    while (*len && strchr(" \t\r\n", (*text)[0]) && (*text)[0])
        ++*text, --*len;
    while (*len && strchr(" \t\r\n", (*text)[*len - 1]) && (*text)[*len - 1])
        --*len;
}

/* ---- datetime ---- */

static int month_of(const char *p)
{
    static const char *const names[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                        "jul", "aug", "sep", "oct", "nov", "dec"};
    for (int m = 0; m < 12; m++)
        if (strncasecmp(p, names[m], 3) == 0)
            return m + 1;
    return 0;
}

static const char *skip_letters(const char *p)
{
    while (wr_ascii_lower(*p) >= 'a' && wr_ascii_lower(*p) <= 'z')
        p++;
    return p;
}

/* Date and what follows it; the year of RFC 850 has two digits. */
static const char *read_date(const char *p, int *year, int *month, int *day)
{
    char name[4] = "", sep[2] = "";
    int n = 0;
    if (sscanf(p, "%2d%1[ -]%3[A-Za-z]%n", day, sep, name, &n) == 3 &&
        (*month = month_of(name)) != 0) {
        p = skip_letters(p + n);
        if ((*p != ' ' && *p != '-') || sscanf(p + 1, "%4d%n", year, &n) != 1)
            return NULL;
        if (n == 2)
            *year += *year < 50 ? 2000 : 1900;
        return p + 1 + n;
    }
    if ((*month = month_of(p)) != 0) {
        p = skip_letters(p);
        if (sscanf(p, " %2d%n", day, &n) != 1)
            return NULL;
        p += n + (p[n] == ',');
        return sscanf(p, " %4d%n", year, &n) == 1 ? p + n : NULL;
    }
    if (sscanf(p, "%2d%1[-/]%2d%*1[-/]%4d%n", month, sep, day, year, &n) == 4 && *year > 99)
        return p + n;
    if (strspn(p, "0123456789") == 8 && sscanf(p, "%4d%2d%2d%n", year, month, day, &n) == 3)
        return p + n;
    if (sscanf(p, "%4d%1[-/]%2d%*1[-/]%2d%n", year, sep, month, day, &n) == 4 && *year > 99)
        return p + n;
    *day = 1; /* what was tried above may have written there */
    if (strspn(p, "0123456789") == 4 && sscanf(p, "%4d-%2d%n", year, month, &n) == 2)
        return p + n;
    *month = 1;
    if (strspn(p, "0123456789") == 4 && !p[4] && sscanf(p, "%4d%n", year, &n) == 1)
        return p + n;
    return NULL;
}

bool wr_kql_datetime(const char *text, size_t len, int64_t *ret_ticks)
{
    char buf[64], iso[96];
    trim(&text, &len);
    if (len >= sizeof buf)
        return false;
    if (wr_ticks_parse_iso(text, len, ret_ticks))
        return true;
    memcpy(buf, text, len);
    buf[len] = '\0';
    const char *p = buf, *comma = skip_letters(buf);
    if (*comma == ',') /* a weekday */
        for (p = comma + 1; *p == ' ';)
            p++;
    int year = 0, month = 0, day = 1, hour = 0, n = 0;
    p = read_date(p, &year, &month, &day);
    if (!p || year < 1 || month < 1 || day < 1)
        return false;
    int used = snprintf(iso, sizeof iso, "%04d-%02d-%02d", year, month, day);
    while (*p == ' ' || *p == 'T')
        p++;
    if (*p) {
        if (sscanf(p, "%2d%n", &hour, &n) != 1 || hour < 0)
            return false;
        size_t clock = strspn(p + n, ":.0123456789");
        const char *zone = p + n + clock;
        while (*zone == ' ')
            zone++;
        if (strcasecmp(zone, "gmt") == 0 || strcasecmp(zone, "utc") == 0)
            zone = "Z";
        used += snprintf(iso + used, sizeof iso - (size_t)used, "T%02d%.*s%s", hour, (int)clock,
                         p + n, zone);
    }
    return wr_ticks_parse_iso(iso, (size_t)used, ret_ticks);
}

/* ---- timespan(...) ---- */

/* [-][d.]hh:mm[:ss[.fffffff]], a number of days, or a number with its unit. */
static bool timespan_body(const char *text, size_t len, int64_t *ret_ticks)
{
    char buf[64];
    if (!len || len >= sizeof buf)
        return false;
    memcpy(buf, text, len);
    buf[len] = '\0';
    const char *p = buf + (buf[0] == '-');
    int64_t sign = buf[0] == '-' ? -1 : 1;
    int day = 0, h, m, n = 0;
    double s = 0;
    if (*p < '0' || *p > '9')
        return false;
    if (sscanf(p, "%7d.%2d:%2d%n", &day, &h, &m, &n) != 3) {
        day = 0;
        n = 0;
        if (sscanf(p, "%2d:%2d%n", &h, &m, &n) != 2)
            n = 0;
    }
    if (n) {
        int more = 0;
        if (p[n] == ':' && p[n + 1] >= '0' && p[n + 1] <= '9' &&
            sscanf(p + n + 1, "%12lf%n", &s, &more) == 1)
            n += 1 + more;
        if (p[n] || h < 0 || h > 23 || m < 0 || m > 59 || !(s >= 0 && s < 60))
            return false;
        *ret_ticks = sign * (day * WR_TICKS_DAY + h * WR_TICKS_HOUR + m * WR_TICKS_MINUTE +
                             llround(s * 1e7));
        return true;
    }
    char *end;
    double number = strtod(p, &end);
    while (*end == ' ')
        end++;
    int64_t t;
    if (!wr_kql_timespan(number, *end ? end : "d", *end ? strlen(end) : 1, &t))
        return false;
    *ret_ticks = sign * t;
    return true;
}

/* ---- type(...) ---- */

static bool integer_body(const char *text, size_t len, int64_t *ret)
{
    char buf[32];
    if (!len || len >= sizeof buf)
        return false;
    memcpy(buf, text, len);
    buf[len] = '\0';
    char *end;
    errno = 0;
    bool hex = strncasecmp(buf, "0x", 2) == 0;
    *ret = hex ? (int64_t)strtoull(buf, &end, 16) : strtoll(buf, &end, 10);
    return !errno && end != buf && !*end && buf[0] != ' ';
}

static bool real_body(const char *text, size_t len, double *ret)
{
    char buf[64];
    if (!len || len >= sizeof buf)
        return false;
    memcpy(buf, text, len);
    buf[len] = '\0';
    char *end;
    if (strcasecmp(buf, "nan") == 0 || strcasecmp(buf + (*buf == '+' || *buf == '-'), "inf") == 0) {
        *ret = wr_ascii_lower(*buf) == 'n' ? NAN : *buf == '-' ? -INFINITY : INFINITY;
        return true;
    }
    if (strspn(buf, "+-.0123456789eE") != len)
        return false;
    *ret = strtod(buf, &end);
    return end != buf && !*end;
}

static bool guid_body(const char *text, size_t len, char out[36])
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '-' && (n == 8 || n == 13 || n == 18 || n == 23))
            continue;
        if (hex_digit(text[i]) < 0 || n == 36)
            return false;
        if (n == 8 || n == 13 || n == 18 || n == 23)
            out[n++] = '-';
        out[n++] = wr_ascii_lower(text[i]);
    }
    return n == 36;
}

static bool decimal_body(const char *text, size_t len, struct wr_arena *arena, struct wr_str *ret)
{
    struct wr_dec v;
    char digits[WR_DEC_TEXT];
    return wr_dec_parse(text, len, &v) && wr_str_copy(arena, digits, (uint32_t)wr_dec_text(&v, digits), ret);
}

/* datetime("...") and guid('...') may have quotes inside. */
static void unquote(const char **text, size_t *len)
{
    if (*len >= 2 && ((*text)[0] == '"' || (*text)[0] == '\'') && (*text)[*len - 1] == (*text)[0]) {
        ++*text;
        *len -= 2;
    }
}

bool wr_kql_typed_literal(enum wr_type type, const char *text, size_t len, struct wr_arena *arena,
                          struct wr_value *ret_value, const char **ret_why)
{
    static const char *const why[WR_NTYPES] = {
        [WR_BOOL] = "bool(...) takes true, false or null",
        [WR_INT] = "int(...) takes a whole number of 32 bits",
        [WR_LONG] = "long(...) takes a whole number of 64 bits",
        [WR_REAL] = "real(...) takes a number",
        [WR_DATETIME] =
            "not a date and time; write datetime(2026-01-31) or datetime(2026-01-31 08:15:00)",
        [WR_TIMESPAN] = "not a time span; write 2d, 30m, time(1.02:03:04)",
        [WR_GUID] = "guid(...) takes 32 hex digits",
        [WR_DECIMAL] = "decimal(...) takes a number",
        [WR_STRING] = "",
        [WR_DYNAMIC] = ""};
    struct wr_value v = {.type = type};
    trim(&text, &len);
    unquote(&text, &len);
    bool ok = true;
    char guid[36];
    if (len == 4 && memcmp(text, "null", 4) == 0)
        v.null = true;
    else if (type == WR_BOOL)
        ok = (len == 4 && strncasecmp(text, "true", 4) == 0) ||
             (len == 5 && strncasecmp(text, "false", 5) == 0) || (integer_body(text, len, &v.i));
    else if (type == WR_INT || type == WR_LONG)
        ok = integer_body(text, len, &v.i) &&
             (type == WR_LONG || (v.i >= INT32_MIN && v.i <= INT32_MAX));
    else if (type == WR_REAL)
        ok = real_body(text, len, &v.r);
    else if (type == WR_DATETIME)
        ok = wr_kql_datetime(text, len, &v.i);
    else if (type == WR_TIMESPAN)
        ok = timespan_body(text, len, &v.i);
    else if (type == WR_GUID)
        ok = guid_body(text, len, guid) && wr_str_copy(arena, guid, 36, &v.s);
    else
        ok = decimal_body(text, len, arena, &v.s);
    if (ok && type == WR_BOOL && !v.null)
        v.i = v.i != 0 || wr_ascii_lower(text[0]) == 't';
    *ret_why = why[type];
    *ret_value = v;
    return ok;
}
