#include "base/ticks.h"

static const int month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

static bool leap(int y)
{
    return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

static int64_t days_before_year(int y)
{
    int64_t n = y - 1;
    return n * 365 + n / 4 - n / 100 + n / 400;
}

bool wr_ticks_from_civil(int year, int month, int day, int64_t *ret_ticks)
{
    if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1)
        return false;
    if (day > month_days[month - 1] + (month == 2 && leap(year)))
        return false;
    int64_t days = days_before_year(year) + day - 1;
    for (int m = 1; m < month; m++)
        days += month_days[m - 1] + (m == 2 && leap(year));
    *ret_ticks = days * WR_TICKS_DAY;
    return true;
}

struct wr_civil wr_ticks_civil(int64_t ticks)
{
    if (ticks < 0)
        ticks = 0;
    if (ticks > WR_TICKS_MAX)
        ticks = WR_TICKS_MAX;
    int64_t days = ticks / WR_TICKS_DAY, rest = ticks % WR_TICKS_DAY;
    int year = (int)(days / 366) + 1; /* never too late; at most 7 steps too early in 9999 years */
    while (days_before_year(year + 1) <= days)
        year++;
    int day = (int)(days - days_before_year(year)), month = 1;
    for (;; month++) {
        int n = month_days[month - 1] + (month == 2 && leap(year));
        if (day < n)
            break;
        day -= n;
    }
    return (struct wr_civil){
        .year = year,
        .month = month,
        .day = day + 1,
        .hour = (int)(rest / WR_TICKS_HOUR),
        .minute = (int)(rest / WR_TICKS_MINUTE % 60),
        .second = (int)(rest / WR_TICKS_SECOND % 60),
        .fraction = (int)(rest % WR_TICKS_SECOND),
    };
}

void wr_ticks_datetime(struct wr_buf *buf, int64_t ticks)
{
    struct wr_civil c = wr_ticks_civil(ticks);
    wr_buf_fmt(buf, "%04d-%02d-%02dT%02d:%02d:%02d.%07dZ", c.year, c.month, c.day, c.hour, c.minute,
               c.second, c.fraction);
}

void wr_ticks_timespan(struct wr_buf *buf, int64_t ticks)
{
    uint64_t t = ticks < 0 ? 0 - (uint64_t)ticks : (uint64_t)ticks;
    if (ticks < 0)
        wr_buf_char(buf, '-');
    uint64_t days = t / (uint64_t)WR_TICKS_DAY;
    if (days)
        wr_buf_fmt(buf, "%llu.", (unsigned long long)days);
    wr_buf_fmt(buf, "%02d:%02d:%02d", (int)(t / (uint64_t)WR_TICKS_HOUR % 24),
               (int)(t / (uint64_t)WR_TICKS_MINUTE % 60), (int)(t / (uint64_t)WR_TICKS_SECOND % 60));
    int fraction = (int)(t % (uint64_t)WR_TICKS_SECOND);
    if (fraction)
        wr_buf_fmt(buf, ".%07d", fraction);
}

struct scan {
    const char *at;
    const char *end;
};

static bool digits(struct scan *s, int n, int *ret)
{
    if (s->end - s->at < n)
        return false;
    int v = 0;
    for (int i = 0; i < n; i++) {
        if (s->at[i] < '0' || s->at[i] > '9')
            return false;
        v = v * 10 + (s->at[i] - '0');
    }
    s->at += n;
    *ret = v;
    return true;
}

static bool one_of(struct scan *s, const char *set)
{
    if (s->at == s->end)
        return false;
    for (; *set; set++)
        if (*s->at == *set) {
            s->at++;
            return true;
        }
    return false;
}

static bool fraction_ticks(struct scan *s, int64_t *ret)
{
    int64_t v = 0;
    int n = 0;
    for (; s->at < s->end && *s->at >= '0' && *s->at <= '9'; s->at++, n++)
        if (n < 7)
            v = v * 10 + (*s->at - '0');
    for (int i = n; i < 7; i++)
        v *= 10;
    *ret = v;
    return n >= 1 && n <= 9;
}

static bool zone_ticks(struct scan *s, int64_t *ret)
{
    *ret = 0;
    if (one_of(s, "Zz") || s->at == s->end)
        return true;
    bool west = *s->at == '-';
    int h, m;
    if (!one_of(s, "+-") || !digits(s, 2, &h))
        return false;
    one_of(s, ":");
    if (!digits(s, 2, &m) || h > 23 || m > 59)
        return false;
    int64_t t = h * WR_TICKS_HOUR + m * WR_TICKS_MINUTE;
    *ret = west ? -t : t;
    return true;
}

static bool clock_ticks(struct scan *s, int64_t *ret)
{
    int h, m, sec = 0;
    int64_t frac = 0, zone;
    if (!digits(s, 2, &h) || !one_of(s, ":") || !digits(s, 2, &m))
        return false;
    if (one_of(s, ":")) {
        if (!digits(s, 2, &sec))
            return false;
        if (one_of(s, ".,") && !fraction_ticks(s, &frac))
            return false;
    }
    if (h > 23 || m > 59 || sec > 60 || !zone_ticks(s, &zone))
        return false;
    if (sec == 60)
        sec = 59;
    *ret = h * WR_TICKS_HOUR + m * WR_TICKS_MINUTE + sec * WR_TICKS_SECOND + frac - zone;
    return true;
}

bool wr_ticks_parse_iso(const char *text, size_t len, int64_t *ret_ticks)
{
    struct scan s = {text, text + len};
    int year, month, day;
    int64_t t, clock = 0;
    if (!digits(&s, 4, &year) || !one_of(&s, "-") || !digits(&s, 2, &month) || !one_of(&s, "-") ||
        !digits(&s, 2, &day) || !wr_ticks_from_civil(year, month, day, &t))
        return false;
    if (s.at < s.end && (!one_of(&s, "Tt ") || !clock_ticks(&s, &clock)))
        return false;
    t += clock;
    if (s.at != s.end || t < 0 || t > WR_TICKS_MAX)
        return false;
    *ret_ticks = t;
    return true;
}
