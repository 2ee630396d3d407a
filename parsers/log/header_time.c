#include "parsers/log/header.h"

#include "base/ticks.h"

#include <string.h>

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

/* 1 to `max` digits. */
static bool number(const char **at, const char *end, int max, int *ret)
{
    const char *p = *at;
    int v = 0, n = 0;
    for (; p < end && digit(*p) && n < max; p++, n++)
        v = v * 10 + (*p - '0');
    if (n == 0 || (p < end && digit(*p)))
        return false;
    *at = p;
    *ret = v;
    return true;
}

static bool byte(const char **at, const char *end, char c)
{
    if (*at == end || **at != c)
        return false;
    (*at)++;
    return true;
}

static void blanks(const char **at, const char *end)
{
    while (*at < end && **at == ' ')
        (*at)++;
}

static bool month(const char **at, const char *end, int *ret)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    if (end - *at < 4 || (*at)[3] != ' ')
        return false;
    for (int m = 0; m < 12; m++)
        if (!memcmp(*at, names + (size_t)m * 3, 3)) {
            *at += 3;
            *ret = m + 1;
            return true;
        }
    return false;
}

/* `22:14:15` with an optional fraction of 1 to 9 digits. */
static bool clock_time(const char **at, const char *end, int64_t *ret)
{
    int h, m, s;
    if (!number(at, end, 2, &h) || !byte(at, end, ':') || !number(at, end, 2, &m) || !byte(at, end, ':') ||
        !number(at, end, 2, &s) || h > 23 || m > 59 || s > 60)
        return false;
    int64_t ticks = h * WR_TICKS_HOUR + m * WR_TICKS_MINUTE + (s == 60 ? 59 : s) * WR_TICKS_SECOND;
    if (end - *at >= 2 && (**at == '.' || **at == ',') && digit((*at)[1])) {
        int64_t unit = WR_TICKS_SECOND;
        for ((*at)++; *at < end && digit(**at); (*at)++) {
            unit /= 10;
            ticks += unit * (**at - '0');
        }
    }
    *ret = ticks;
    return true;
}

/* The year that puts a date nearest to `now`: a line of Dec 31 that comes on Jan 1 is of last year. */
static bool nearest_year(int mon, int day, int64_t clock, int64_t now, int64_t *ret)
{
    int year = wr_ticks_civil(now).year;
    int64_t best = INT64_MAX;
    for (int y = year - 1; y <= year + 1; y++) {
        int64_t t;
        if (!wr_ticks_from_civil(y, mon, day, &t))
            continue;
        t += clock;
        int64_t off = t > now ? t - now : now - t;
        if (off < best) {
            best = off;
            *ret = t;
        }
    }
    return best != INT64_MAX;
}

/* ` GMT+02:00`, ` +0200`, ` -05:00`: how far ahead of UTC; 0 where there is none, or one with a name that is not known. */
static int64_t zone(const char **at, const char *end)
{
    const char *p = *at;
    int h, m = 0;
    blanks(&p, end);
    if (end - p >= 3 && (!memcmp(p, "GMT", 3) || !memcmp(p, "UTC", 3)))
        p += 3;
    if (end - p < 3 || (*p != '+' && *p != '-'))
        return 0;
    const int64_t sign = *p++ == '-' ? -1 : 1;
    const bool four = end - p >= 4 && digit(p[0]) && digit(p[1]) && digit(p[2]) && digit(p[3]);
    if (four) {
        h = (p[0] - '0') * 10 + p[1] - '0';
        m = (p[2] - '0') * 10 + p[3] - '0';
        p += 4;
    } else if (!number(&p, end, 2, &h) || (byte(&p, end, ':') && !number(&p, end, 2, &m))) {
        return 0;
    }
    if (h > 14 || m > 59 || (p < end && *p != ' '))
        return 0;
    *at = p;
    return sign * (h * WR_TICKS_HOUR + m * WR_TICKS_MINUTE);
}

bool wr_time_bsd_zone(const char **at, const char *end, int64_t now, int64_t *ret_ticks)
{
    int64_t t;
    if (!wr_time_bsd(at, end, now, &t))
        return false;
    t -= zone(at, end);
    if (t < 0 || t > WR_TICKS_MAX)
        return false;
    *ret_ticks = t;
    return true;
}

bool wr_time_bsd(const char **at, const char *end, int64_t now, int64_t *ret_ticks)
{
    const char *p = *at;
    int year = 0, mon, day;
    int64_t clock, t;
    if (p < end && digit(*p) && (!number(&p, end, 4, &year) || !byte(&p, end, ' ')))
        return false;
    if (!month(&p, end, &mon))
        return false;
    blanks(&p, end);
    if (!number(&p, end, 2, &day) || !byte(&p, end, ' '))
        return false;
    blanks(&p, end);
    if (!year && end - p > 4 && p[4] == ' ' && (!number(&p, end, 4, &year) || !byte(&p, end, ' ')))
        return false;
    if (!clock_time(&p, end, &clock))
        return false;
    if (year ? !wr_ticks_from_civil(year, mon, day, &t) : !nearest_year(mon, day, clock, now, &t))
        return false;
    *ret_ticks = year ? t + clock : t;
    *at = p;
    return true;
}

bool wr_time_iso(const char **at, const char *end, int64_t *ret_ticks)
{
    const char *p = *at;
    size_t left = (size_t)(end - p);
    if (left < 19 || p[4] != '-' || (p[10] != 'T' && p[10] != 't'))
        return false;
    const char *stop = memchr(p, ' ', left < 48 ? left : 48);
    if (!stop)
        stop = left < 48 ? end : p + 48;
    while (stop > p && stop[-1] == ':') /* `2026-11-23T22:14:15Z: %ASA-..` */
        stop--;
    if (!wr_ticks_parse_iso(p, (size_t)(stop - p), ret_ticks))
        return false;
    *at = stop;
    return true;
}

bool wr_time_epoch(const char **at, const char *end, int64_t *ret_ticks)
{
    const char *p = *at;
    int64_t s = 0, frac = 0, unit = WR_TICKS_SECOND;
    int n = 0;
    for (; p < end && digit(*p) && n < 11; p++, n++)
        s = s * 10 + (*p - '0');
    if (n < 9 || n > 10)
        return false;
    if (end - p >= 2 && *p == '.' && digit(p[1]))
        for (p++; p < end && digit(*p); p++) {
            unit /= 10;
            frac += unit * (*p - '0');
        }
    if (p < end && *p != ' ')
        return false;
    *ret_ticks = WR_TICKS_UNIX_EPOCH + s * WR_TICKS_SECOND + frac;
    *at = p;
    return true;
}

/* Seconds run to 1e11 (year 5138), milliseconds to 1e14, microseconds to 1e17. */
bool wr_time_of_epoch_int(int64_t number_, int64_t *ret_ticks)
{
    int64_t t;
    if (number_ < 0)
        return false;
    if (number_ < INT64_C(100000000000))
        t = number_ * WR_TICKS_SECOND;
    else if (number_ < INT64_C(100000000000000))
        t = number_ * 10000;
    else if (number_ < INT64_C(100000000000000000))
        t = number_ * 10;
    else
        t = number_ / 100;
    if (t > WR_TICKS_MAX - WR_TICKS_UNIX_EPOCH)
        return false;
    *ret_ticks = t + WR_TICKS_UNIX_EPOCH;
    return true;
}

bool wr_time_of_epoch(double number_, int64_t *ret_ticks)
{
    if (!(number_ >= 0 && number_ < 9e18))
        return false;
    if (number_ >= 1e11)
        return wr_time_of_epoch_int((int64_t)number_, ret_ticks);
    int64_t s = (int64_t)number_, t;
    if (!wr_time_of_epoch_int(s, &t))
        return false;
    /* A double near 2e9 resolves 0.24 us: to the microsecond is what the sender wrote. */
    *ret_ticks = t + (int64_t)((number_ - (double)s) * 1e6 + 0.5) * 10;
    return true;
}

bool wr_time_loose(const char *text, size_t len, int64_t *ret_ticks)
{
    while (len && *text == ' ')
        text++, len--;
    while (len && text[len - 1] == ' ')
        len--;
    if (wr_ticks_parse_iso(text, len, ret_ticks))
        return true;
    const char *end = text + len;
    int64_t v = 0;
    size_t n = 0;
    while (n < len && n < 18 && digit(text[n]))
        v = v * 10 + (text[n++] - '0');
    if (n == len && n >= 9)
        return wr_time_of_epoch_int(v, ret_ticks);
    if (len == 19 && n == 18 && digit(text[18]) && v < INT64_MAX / 10 - 1)
        return wr_time_of_epoch_int(v * 10 + (text[18] - '0'), ret_ticks);
    return wr_time_epoch(&text, end, ret_ticks) && text == end;
}
