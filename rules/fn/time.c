/* Functions of time. Weeks start on Sunday; 0001-01-01 was a Monday. */
#include "rules/fn/kernel.h"

#include "base/ticks.h"

#include <math.h>

#define KERNEL(name)                                                                                         \
    void wr_k_##name(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,                \
                     const struct wr_sel *sel, struct wr_vec *out)

static int64_t floor_to(int64_t t, int64_t step)
{
    int64_t m = t % step;
    return t - (m < 0 ? m + step : m);
}

/* A time, when it is one that Kusto can show. */
static void put_time(struct wr_vec *out, uint32_t row, int64_t t)
{
    if (t >= 0 && t <= WR_TICKS_MAX)
        wr_put_i(out, row, t);
}

KERNEL(now)
{
    WR_EACH (sel, row) {
        int64_t t;
        if (!__builtin_add_overflow(ev->now, call->nargs ? args[0].i[row] : 0, &t))
            put_time(out, row, t);
    }
}

/* Of no table's row: nothing came. */
KERNEL(ingestion_time)
{
    (void)ev;
    (void)call;
    (void)args;
    (void)sel;
    (void)out;
}

KERNEL(ago)
{
    (void)call;
    WR_EACH (sel, row) {
        int64_t t;
        if (!__builtin_sub_overflow(ev->now, args[0].i[row], &t))
            wr_put_i(out, row, t);
    }
}

enum unit { UNIT_DAY, UNIT_WEEK, UNIT_MONTH, UNIT_YEAR };

/* First tick of the unit that holds `t`, `n` units on; false outside the calendar. */
static bool start_of(int64_t t, enum unit unit, int64_t n, int64_t *ret_t)
{
    const int64_t length = unit == UNIT_WEEK ? 7 * WR_TICKS_DAY : WR_TICKS_DAY, most = WR_TICKS_MAX / length;
    if (t < 0 || t > WR_TICKS_MAX || n > most || n < -most)
        return false;
    struct wr_civil c = wr_ticks_civil(t);
    int64_t day = floor_to(t, WR_TICKS_DAY), day0, month;
    switch (unit) {
    case UNIT_DAY:
        *ret_t = day + n * length;
        return true;
    case UNIT_WEEK:
        *ret_t = day - (day / WR_TICKS_DAY + 1) % 7 * WR_TICKS_DAY;
        *ret_t += n * length;
        return true;
    case UNIT_MONTH:
        month = (int64_t)c.year * 12 + c.month - 1 + n;
        break;
    case UNIT_YEAR:
    default:
        month = ((int64_t)c.year + n) * 12;
        break;
    }
    if (month < 12 || month >= 10000 * 12 ||
        !wr_ticks_from_civil((int)(month / 12), (int)(month % 12 + 1), 1, &day0))
        return false;
    *ret_t = day0;
    return true;
}

static void put_start(const struct wr_ex *call, const struct wr_vec *args, const struct wr_sel *sel,
                      struct wr_vec *out, enum unit unit, bool end)
{
    WR_EACH (sel, row) {
        int64_t t, n = call->nargs > 1 ? args[1].i[row] : 0;
        if (start_of(args[0].i[row], unit, n + end, &t))
            put_time(out, row, t - end);
    }
}

#define START(name, unit)                                                                                    \
    KERNEL(startof##name)                                                                                    \
    {                                                                                                        \
        (void)ev;                                                                                            \
        put_start(call, args, sel, out, unit, false);                                                        \
    }                                                                                                        \
    KERNEL(endof##name)                                                                                      \
    {                                                                                                        \
        (void)ev;                                                                                            \
        put_start(call, args, sel, out, unit, true);                                                         \
    }
START(day, UNIT_DAY)
START(week, UNIT_WEEK)
START(month, UNIT_MONTH)
START(year, UNIT_YEAR)

static int64_t weekday(int64_t t)
{
    return (t / WR_TICKS_DAY + 1) % 7;
}

static int64_t day_of_year(int64_t t)
{
    int64_t first;
    return start_of(t, UNIT_YEAR, 0, &first) ? (t - first) / WR_TICKS_DAY + 1 : 0;
}

#define PART(name, expr)                                                                                     \
    KERNEL(name)                                                                                             \
    {                                                                                                        \
        (void)ev, (void)call;                                                                                \
        WR_EACH (sel, row) {                                                                                 \
            int64_t t = args[0].i[row];                                                                      \
            if (t < 0 || t > WR_TICKS_MAX)                                                                   \
                continue;                                                                                    \
            struct wr_civil c = wr_ticks_civil(t);                                                           \
            (void)c;                                                                                         \
            wr_put_i(out, row, expr);                                                                        \
        }                                                                                                    \
    }
PART(dayofweek, weekday(t) * WR_TICKS_DAY)
PART(dayofmonth, c.day)
PART(dayofyear, day_of_year(t))
PART(hourofday, c.hour)
PART(monthofyear, c.month)
PART(getyear, c.year)

/* Names of parts, longest unit first; `ticks` 0: by the calendar. */
static const struct {
    const char *name;
    int64_t ticks;
    int months;
} parts[] = {{"year", 0, 12},
             {"quarter", 0, 3},
             {"month", 0, 1},
             {"week", 7 * WR_TICKS_DAY, 0},
             {"day", WR_TICKS_DAY, 0},
             {"hour", WR_TICKS_HOUR, 0},
             {"minute", WR_TICKS_MINUTE, 0},
             {"second", WR_TICKS_SECOND, 0},
             {"millisecond", WR_TICKS_SECOND / 1000, 0},
             {"microsecond", 10, 0},
             {"nanosecond", 0, 0}};

static int part_of(const struct wr_str *name)
{
    for (int i = 0; i < 11; i++) {
        struct wr_str have = wr_str_borrow(parts[i].name, strlen(parts[i].name));
        if (wr_str_eq_nocase(&have, name))
            return i;
    }
    return -1;
}

static bool named_part(const struct wr_str *name, int64_t t, int64_t *ret_v)
{
    const struct wr_str week = WR_STR_LIT("week_of_year"), day = WR_STR_LIT("dayofyear");
    struct wr_civil c = wr_ticks_civil(t);
    if (wr_str_eq_nocase(name, &day)) {
        *ret_v = day_of_year(t);
        return true;
    }
    int64_t vals[] = {c.year,
                      (c.month + 2) / 3,
                      c.month,
                      0,
                      c.day,
                      c.hour,
                      c.minute,
                      c.second,
                      c.fraction / 10000,
                      c.fraction / 10,
                      (int64_t)c.fraction * 100};
    int i = part_of(name);
    if (i == 3 || wr_str_eq_nocase(name, &week)) { /* ISO 8601: the week of this week's Thursday */
        int64_t thursday = t - (t / WR_TICKS_DAY % 7) * WR_TICKS_DAY + 3 * WR_TICKS_DAY;
        *ret_v = (day_of_year(thursday) - 1) / 7 + 1;
        return true;
    }
    if (i < 0)
        return false;
    *ret_v = vals[i];
    return true;
}

KERNEL(datetime_part)
{
    (void)ev, (void)call;
    WR_EACH (sel, row) {
        int64_t v, t = args[1].i[row];
        if (t >= 0 && t <= WR_TICKS_MAX && named_part(&args[0].s[row], t, &v))
            wr_put_i(out, row, v);
    }
}

KERNEL(week_of_year)
{
    (void)ev, (void)call;
    const struct wr_str week = WR_STR_LIT("week_of_year");
    WR_EACH (sel, row) {
        int64_t v, t = args[0].i[row];
        if (t >= 0 && t <= WR_TICKS_MAX && named_part(&week, t, &v))
            wr_put_i(out, row, v);
    }
}

static bool add_months(int64_t t, int64_t months, int64_t *ret_t)
{
    struct wr_civil c = wr_ticks_civil(t);
    int64_t m, day0;
    if (__builtin_add_overflow((int64_t)c.year * 12 + c.month - 1, months, &m) || m < 12 || m >= 120000)
        return false;
    for (int day = c.day; day > 27; day--) /* 31 January and a month: the last of February */
        if (wr_ticks_from_civil((int)(m / 12), (int)(m % 12 + 1), day, &day0)) {
            *ret_t = day0 + t % WR_TICKS_DAY;
            return true;
        }
    if (!wr_ticks_from_civil((int)(m / 12), (int)(m % 12 + 1), c.day, &day0))
        return false;
    *ret_t = day0 + t % WR_TICKS_DAY;
    return true;
}

KERNEL(datetime_add)
{
    (void)ev, (void)call;
    WR_EACH (sel, row) {
        int i = part_of(&args[0].s[row]);
        int64_t t = args[2].i[row], n = args[1].i[row], d;
        if (i < 0 || t < 0 || t > WR_TICKS_MAX)
            continue;
        if (parts[i].months) {
            if (!__builtin_mul_overflow(n, parts[i].months, &d) && add_months(t, d, &t))
                put_time(out, row, t);
        } else if (!__builtin_mul_overflow(parts[i].ticks ? n : n / 100, parts[i].ticks ? parts[i].ticks : 1,
                                           &d) &&
                   !__builtin_add_overflow(t, d, &t)) {
            put_time(out, row, t);
        }
    }
}

/* Boundaries of the part between the two. */
KERNEL(datetime_diff)
{
    (void)ev, (void)call;
    WR_EACH (sel, row) {
        int i = part_of(&args[0].s[row]);
        int64_t a = args[1].i[row], b = args[2].i[row];
        if (i < 0 || a < 0 || b < 0 || a > WR_TICKS_MAX || b > WR_TICKS_MAX)
            continue;
        struct wr_civil x = wr_ticks_civil(a), y = wr_ticks_civil(b);
        if (parts[i].months)
            wr_put_i(out, row,
                     ((int64_t)x.year * 12 + x.month - 1) / parts[i].months -
                         ((int64_t)y.year * 12 + y.month - 1) / parts[i].months);
        else if (i == 3)
            wr_put_i(out, row, (a / WR_TICKS_DAY + 1) / 7 - (b / WR_TICKS_DAY + 1) / 7);
        else if (parts[i].ticks)
            wr_put_i(out, row, a / parts[i].ticks - b / parts[i].ticks);
        else
            wr_put_i(out, row, (int64_t)((uint64_t)(a - b) * 100));
    }
}

KERNEL(make_datetime)
{
    (void)ev;
    WR_EACH (sel, row) {
        int64_t day0, v[5] = {0};
        for (uint32_t a = 0; a < call->nargs && a < 5; a++)
            v[a] = args[a].i[row];
        double second = call->nargs > 5 ? wr_num_at(&args[5], row) : 0;
        if (v[0] < 1 || v[0] > 9999 || v[1] < 1 || v[1] > 12 || v[2] < 1 || v[2] > 31 || v[3] < 0 ||
            v[3] > 23 || v[4] < 0 || v[4] > 59 || !(second >= 0 && second < 60) ||
            !wr_ticks_from_civil((int)v[0], (int)v[1], (int)v[2], &day0))
            continue;
        put_time(out, row,
                 day0 + v[3] * WR_TICKS_HOUR + v[4] * WR_TICKS_MINUTE +
                     llround(second * (double)WR_TICKS_SECOND));
    }
}

KERNEL(make_timespan)
{
    (void)ev;
    WR_EACH (sel, row) {
        uint32_t n = call->nargs;
        int64_t day = n > 3 ? args[0].i[row] : 0, hour = args[n > 3].i[row],
                minute = args[1 + (n > 3)].i[row];
        double second = n > 2 ? wr_num_at(&args[n - 1], row) : 0;
        if (day < 0 || day > 10675199 || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
            !(second >= 0 && second < 60))
            continue;
        wr_put_i(out, row,
                 day * WR_TICKS_DAY + hour * WR_TICKS_HOUR + minute * WR_TICKS_MINUTE +
                     llround(second * (double)WR_TICKS_SECOND));
    }
}

static void from_unix(const struct wr_vec *args, const struct wr_sel *sel, struct wr_vec *out, double ticks)
{
    WR_EACH (sel, row) {
        double t = wr_num_at(&args[0], row) * ticks + (double)WR_TICKS_UNIX_EPOCH;
        if (t >= 0 && t <= (double)WR_TICKS_MAX) /* the sum in integers: doubles are too coarse for ticks */
            put_time(out, row, llround(wr_num_at(&args[0], row) * ticks) + WR_TICKS_UNIX_EPOCH);
    }
}

#define UNIX(name, ticks)                                                                                    \
    KERNEL(unixtime_##name)                                                                                  \
    {                                                                                                        \
        (void)ev, (void)call;                                                                                \
        from_unix(args, sel, out, ticks);                                                                    \
    }
UNIX(s, 1e7)
UNIX(ms, 1e4)
UNIX(us, 10)
UNIX(ns, 0.01)
