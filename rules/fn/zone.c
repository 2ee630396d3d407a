/* TZif: transitions in seconds from 1970, each with the type that holds from then on; behind them a
 * rule in the form of POSIX's TZ variable for all later years. Source: RFC 9636; POSIX.1-2017, 8.3
 * "TZ". */
#include "rules/fn/zone.h"

#include "base/buf.h"
#include "base/ticks.h"
#include "rules/fn/json.h"
#include "rules/fn/kernel.h"

#include <pthread.h>
#include <stdlib.h>

enum {
    NAME_MAX_LEN = 63,
    TIMES_MAX = 4096,
    TYPES_MAX = 256,
    RULE_MAX = 127,
    ZONES_MAX = 2048,
    HEADER = 44
};

#define KERNEL(name)                                                                               \
    void wr_k_##name(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,      \
                     const struct wr_sel *sel, struct wr_vec *out)

/* Mm.w.d, or the n-th day; and seconds after midnight. */
struct change {
    enum { MONTH_WEEK, JULIAN, DAY } kind;
    int month, week, day;
    int32_t time;
};

struct wr_zone {
    char name[NAME_MAX_LEN + 1];
    int64_t *at;     /* ntimes */
    int32_t *offset; /* from at[i] on */
    uint32_t ntimes;
    int32_t first; /* before at[0] */
    bool has_rule, has_dst;
    int32_t standard, daylight;
    struct change begin, end;
};

/* ---- reading ---- */

static bool read_name(const char **p)
{
    const char *from = *p;
    if (**p == '<') {
        while (**p && **p != '>')
            (*p)++;
        return *(*p) == '>' && (*p)++;
    }
    while ((**p | 0x20) >= 'a' && (**p | 0x20) <= 'z')
        (*p)++;
    return *p - from >= 3;
}

static bool read_int(const char **p, int most, int *ret)
{
    int v = 0;
    const char *from = *p;
    while (**p >= '0' && **p <= '9' && v <= most)
        v = v * 10 + *(*p)++ - '0';
    *ret = v;
    return *p > from && v <= most;
}

/* [+-]h[h][:mm[:ss]] in seconds. */
static bool read_time(const char **p, int32_t *ret)
{
    int sign = **p == '-' ? -1 : 1, part[3] = {0, 0, 0};
    *p += **p == '-' || **p == '+';
    if (!read_int(p, 167, &part[0]))
        return false;
    for (int i = 1; i < 3 && **p == ':'; i++) {
        (*p)++;
        if (!read_int(p, 59, &part[i]))
            return false;
    }
    *ret = sign * (part[0] * 3600 + part[1] * 60 + part[2]);
    return true;
}

static bool read_change(const char **p, struct change *c)
{
    *c = (struct change){.kind = DAY, .time = 7200};
    if (*(*p)++ != ',')
        return false;
    if (**p == 'M') {
        c->kind = MONTH_WEEK;
        (*p)++;
        if (!read_int(p, 12, &c->month) || *(*p)++ != '.' || !read_int(p, 5, &c->week) ||
            *(*p)++ != '.' || !read_int(p, 6, &c->day) || c->month < 1 || c->week < 1)
            return false;
    } else {
        c->kind = **p == 'J' ? JULIAN : DAY;
        *p += c->kind == JULIAN;
        if (!read_int(p, 365, &c->day) || (c->kind == JULIAN && c->day < 1))
            return false;
    }
    if (**p != '/')
        return true;
    (*p)++;
    return read_time(p, &c->time);
}

/* std offset [dst [offset] , start , end]; offsets are west of UTC. */
static bool read_rule(const char *p, struct wr_zone *z)
{
    int32_t west;
    if (!*p)
        return true; /* nothing is known of later years: the last type goes on */
    if (!read_name(&p) || !read_time(&p, &west))
        return false;
    z->has_rule = true;
    z->standard = -west;
    if (!*p)
        return true;
    z->has_dst = true;
    z->daylight = z->standard + 3600;
    if (!read_name(&p))
        return false;
    if (*p && *p != ',') {
        if (!read_time(&p, &west))
            return false;
        z->daylight = -west;
    }
    return read_change(&p, &z->begin) && read_change(&p, &z->end) && !*p;
}

struct counts {
    uint32_t isut, isstd, leap, times, types, chars;
};

static bool read_header(struct wr_rd *rd, struct counts *c)
{
    const uint8_t *magic = wr_rd_take(rd, 4);
    if (!magic || memcmp(magic, "TZif", 4) != 0 || !wr_rd_take(rd, 16))
        return false;
    uint32_t v[6];
    for (int i = 0; i < 6; i++) {
        const uint8_t *b = wr_rd_take(rd, 4);
        if (!b)
            return false;
        v[i] = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    }
    *c = (struct counts){v[0], v[1], v[2], v[3], v[4], v[5]};
    return c->times <= TIMES_MAX && c->types >= 1 && c->types <= TYPES_MAX && c->chars <= 256 &&
           c->leap <= 64 && c->isut <= TYPES_MAX && c->isstd <= TYPES_MAX;
}

static int64_t big_endian(const uint8_t *b, int n)
{
    uint64_t v = 0;
    for (int i = 0; i < n; i++)
        v = v << 8 | b[i];
    return n == 4 ? (int32_t)(uint32_t)v : (int64_t)v;
}

/* The second block: 64-bit times. */
static bool read_block(struct wr_rd *rd, const struct counts *c, struct wr_zone *z)
{
    const uint8_t *times = wr_rd_take(rd, 8 * (size_t)c->times), *index = wr_rd_take(rd, c->times);
    const uint8_t *types = wr_rd_take(rd, 6 * (size_t)c->types);
    if (!times || !index || !types ||
        !wr_rd_take(rd, c->chars + 12 * (size_t)c->leap + c->isstd + c->isut))
        return false;
    z->at = malloc((c->times + 1) * sizeof *z->at);
    z->offset = malloc((c->times + 1) * sizeof *z->offset);
    if (!z->at || !z->offset)
        return false;
    z->first = (int32_t)big_endian(types, 4);
    for (uint32_t i = 0; i < c->times; i++) {
        if (index[i] >= c->types)
            return false;
        z->at[i] = big_endian(times + 8 * i, 8);
        z->offset[i] = (int32_t)big_endian(types + 6 * index[i], 4);
        if ((i && z->at[i] <= z->at[i - 1]) || z->offset[i] < -93600 || z->offset[i] > 93600)
            return false;
    }
    z->ntimes = c->times;
    return z->first >= -93600 && z->first <= 93600;
}

static bool parse(const uint8_t *bytes, size_t len, struct wr_zone *z)
{
    struct wr_rd rd = wr_rd_init(bytes, len);
    struct counts c;
    char rule[RULE_MAX + 1];
    if (len < HEADER || bytes[4] < '2' || !read_header(&rd, &c))
        return false;
    if (!wr_rd_take(&rd, 5 * (size_t)c.times + 6 * (size_t)c.types + c.chars + 8 * (size_t)c.leap +
                             c.isstd + c.isut))
        return false;
    if (!read_header(&rd, &c) || !read_block(&rd, &c, z))
        return false;
    /* A line of its own between two line ends. */
    const uint8_t *nl = wr_rd_take(&rd, 1), *b = nl;
    size_t n = 0;
    while (b && (b = wr_rd_take(&rd, 1)) && *b != '\n' && n < RULE_MAX)
        rule[n++] = (char)*b;
    rule[n] = '\0';
    return nl && *nl == '\n' && b && *b == '\n' && strlen(rule) == n && read_rule(rule, z);
}

struct wr_zone *wr_zone_parse(const char *name, const uint8_t *bytes, size_t len)
{
    struct wr_zone *z = calloc(1, sizeof *z);
    if (!z || strlen(name) > NAME_MAX_LEN || !parse(bytes, len, z)) {
        wr_zone_free(z);
        return NULL;
    }
    memcpy(z->name, name, strlen(name) + 1);
    return z;
}

void wr_zone_free(struct wr_zone *zone)
{
    if (!zone)
        return;
    free(zone->at);
    free(zone->offset);
    free(zone);
}

/* ---- asking ---- */

/* Seconds from 1970 to the change in `year`, by the clock before it. */
static int64_t change_in(const struct change *c, int year)
{
    int64_t ticks = 0, first;
    (void)wr_ticks_from_civil(year, c->kind == MONTH_WEEK ? c->month : 1, 1, &ticks);
    int64_t day = (ticks - WR_TICKS_UNIX_EPOCH) / WR_TICKS_DAY;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (c->kind == MONTH_WEEK) {
        static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
        int length = days[c->month - 1] + (leap && c->month == 2);
        first = (c->day - (day + 4) % 7 + 7) % 7; /* 1970-01-01 was a Thursday */
        day += first + 7 * (c->week - 1);
        while (day - ((ticks - WR_TICKS_UNIX_EPOCH) / WR_TICKS_DAY) >= length)
            day -= 7; /* week 5 is the last one */
    } else {
        day += c->kind == DAY ? c->day : c->day - 1 + (leap && c->day >= 60);
    }
    return day * 86400 + c->time;
}

static int32_t by_rule(const struct wr_zone *z, int64_t utc)
{
    int64_t ticks = (utc + z->standard) * WR_TICKS_SECOND + WR_TICKS_UNIX_EPOCH;
    if (!z->has_dst || ticks < 0 || ticks > WR_TICKS_MAX)
        return z->standard;
    int year = wr_ticks_civil(ticks).year;
    if (year < 1971)
        return z->standard;
    int64_t begin = change_in(&z->begin, year) - z->standard,
            end = change_in(&z->end, year) - z->daylight;
    bool summer = begin < end ? utc >= begin && utc < end : utc >= begin || utc < end;
    return summer ? z->daylight : z->standard;
}

int32_t wr_zone_offset(const struct wr_zone *zone, int64_t utc)
{
    if (!zone->ntimes || utc < zone->at[0])
        return zone->ntimes || !zone->has_rule ? zone->first : by_rule(zone, utc);
    if (zone->has_rule && utc >= zone->at[zone->ntimes - 1])
        return by_rule(zone, utc);
    uint32_t low = 0, high = zone->ntimes;
    while (low + 1 < high) {
        uint32_t mid = (low + high) / 2;
        if (zone->at[mid] <= utc)
            low = mid;
        else
            high = mid;
    }
    return zone->offset[low];
}

bool wr_zone_instant(const struct wr_zone *zone, int64_t local, int64_t *ret_utc)
{
    int32_t around[2] = {wr_zone_offset(zone, local - 86400), wr_zone_offset(zone, local + 86400)};
    bool found = false;
    for (int i = 0; i < 2; i++) {
        int64_t utc = local - around[i];
        if (wr_zone_offset(zone, utc) != around[i] || (found && utc < *ret_utc))
            continue;
        *ret_utc = utc;
        found = true;
    }
    return found;
}

/* ---- all of them ---- */

static struct {
    wr_zone_each *each;
    pthread_once_t once;
    struct wr_zone **zone;
    uint32_t n;
} all = {.once = PTHREAD_ONCE_INIT};

void wr_zones_from(wr_zone_each *each)
{
    all.each = each;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(struct wr_zone *const *)a)->name, (*(struct wr_zone *const *)b)->name);
}

static void take(void *ctx, const char *name, const uint8_t *bytes, size_t len)
{
    (void)ctx;
    struct wr_zone *z = all.n < ZONES_MAX ? wr_zone_parse(name, bytes, len) : NULL;
    if (z)
        all.zone[all.n++] = z;
}

static void load(void)
{
    all.zone = calloc(ZONES_MAX, sizeof(struct wr_zone *));
    if (all.each && all.zone)
        all.each(take, NULL);
    if (all.n)
        qsort(all.zone, all.n, sizeof(struct wr_zone *), by_name);
}

const struct wr_zone *wr_zone_find(const char *name, size_t len)
{
    struct wr_zone key, *k = &key;
    pthread_once(&all.once, load);
    if (!all.n || len > NAME_MAX_LEN)
        return NULL;
    memcpy(key.name, name, len);
    key.name[len] = '\0';
    struct wr_zone **found = strlen(key.name) == len
                                 ? bsearch(&k, all.zone, all.n, sizeof(struct wr_zone *), by_name)
                                 : NULL;
    return found ? *found : NULL;
}

/* A constant zone is found here, or refused; one of a column is looked up row by row. */
const void *wr_prepare_zone(struct wr_arena *arena, const struct wr_ex *call, const char **ret_why)
{
    (void)arena;
    const struct wr_ex *name = call->args[1];
    if (name->kind != WR_EX_CONST)
        return NULL;
    const struct wr_zone *z = wr_zone_find(wr_str_data(&name->value.s), name->value.s.len);
    if (!z)
        *ret_why = all.n ? "there is no such time zone; names are those of the IANA database, as "
                           "\"Europe/Berlin\""
                         : "no time zones: install tzdata";
    return z;
}

static void convert(const struct wr_ex *call, const struct wr_vec *args, const struct wr_sel *sel,
                    struct wr_vec *out, bool to_utc)
{
    WR_EACH(sel, row)
    {
        const struct wr_zone *z = call->prepared;
        if (!z)
            z = wr_zone_find(wr_str_data(&args[1].s[row]), args[1].s[row].len);
        int64_t t = args[0].i[row], from = t - WR_TICKS_UNIX_EPOCH;
        int64_t seconds = from / WR_TICKS_SECOND - (from % WR_TICKS_SECOND < 0), utc = seconds;
        if (!z || t < 0 || t > WR_TICKS_MAX || (to_utc && !wr_zone_instant(z, seconds, &utc)))
            continue;
        t += (to_utc ? utc - seconds : wr_zone_offset(z, seconds)) * WR_TICKS_SECOND;
        if (t >= 0 && t <= WR_TICKS_MAX)
            wr_put_i(out, row, t);
    }
}

KERNEL(datetime_utc_to_local)
{
    (void)ev;
    convert(call, args, sel, out, false);
}

KERNEL(datetime_local_to_utc)
{
    (void)ev;
    convert(call, args, sel, out, true);
}

KERNEL(datetime_list_timezones)
{
    (void)call, (void)args;
    struct wr_buf json = {0};
    pthread_once(&all.once, load);
    wr_buf_char(&json, '[');
    for (uint32_t i = 0; i < all.n; i++) {
        wr_buf_str(&json, i ? "," : "");
        wr_json_cstr(&json, all.zone[i]->name);
    }
    wr_buf_char(&json, ']');
    WR_EACH(sel, row)
    if (!json.err)
        wr_put_text(ev, out, row, json.data, json.len);
    if (json.err)
        ev->err = WR_ENOMEM;
    wr_buf_fini(&json);
}
