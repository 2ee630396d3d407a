/* Typed reading of a YAML tree. */
#include "base/nearest.h"
#include "base/ticks.h"
#include "base/yaml.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const struct wr_yaml_node *wr_yaml_get(const struct wr_yaml_node *map, const char *key)
{
    if (!map || map->kind != WR_YAML_MAPPING)
        return NULL;
    for (uint32_t i = 0; i < map->n; i++)
        if (strcmp(map->pairs[i].key->text, key) == 0)
            return map->pairs[i].value;
    return NULL;
}

bool wr_yaml_is_null(const struct wr_yaml_node *node)
{
    if (!node || node->kind != WR_YAML_SCALAR || !node->plain)
        return false;
    return !node->len || strcmp(node->text, "~") == 0 || strcasecmp(node->text, "null") == 0;
}

/* The value when there is one to read. */
static const struct wr_yaml_node *present(const struct wr_yaml_node *map, const char *key)
{
    const struct wr_yaml_node *v = wr_yaml_get(map, key);
    return v && !wr_yaml_is_null(v) ? v : NULL;
}

static bool wants(const struct wr_yaml *file, const struct wr_yaml_node *v, const char *key,
                  const char *what)
{
    wr_yaml_diag(file, v, WR_ERROR, "'%s' must be %s", key, what);
    return false;
}

const char *wr_yaml_text(const struct wr_yaml_node *map, const char *key)
{
    const struct wr_yaml_node *v = wr_yaml_get(map, key);
    return v && v->kind == WR_YAML_SCALAR && !wr_yaml_is_null(v) ? v->text : "";
}

bool wr_yaml_str(const struct wr_yaml *file, const struct wr_yaml_node *map, const char *key,
                 const char **ret)
{
    const struct wr_yaml_node *v = present(map, key);
    if (!v)
        return true;
    if (v->kind != WR_YAML_SCALAR)
        return wants(file, v, key, "a text");
    *ret = v->text;
    return true;
}

bool wr_yaml_bool(const struct wr_yaml *file, const struct wr_yaml_node *map, const char *key,
                  bool *ret)
{
    static const char *const yes[] = {"true", "yes", "on"}, *const no[] = {"false", "no", "off"};
    const struct wr_yaml_node *v = present(map, key);
    if (!v)
        return true;
    for (size_t i = 0; v->kind == WR_YAML_SCALAR && i < 3; i++)
        if (strcasecmp(v->text, yes[i]) == 0 || strcasecmp(v->text, no[i]) == 0) {
            *ret = strcasecmp(v->text, yes[i]) == 0;
            return true;
        }
    return wants(file, v, key, "true or false");
}

bool wr_yaml_int(const struct wr_yaml *file, const struct wr_yaml_node *map, const char *key,
                 int64_t min, int64_t max, int64_t *ret)
{
    const struct wr_yaml_node *v = present(map, key);
    if (!v)
        return true;
    char *end = NULL;
    errno = 0;
    long long n = v->kind == WR_YAML_SCALAR && v->len ? strtoll(v->text, &end, 10) : 0;
    if (!end || *end || errno)
        return wants(file, v, key, "a whole number");
    if (n < min || n > max) {
        wr_yaml_diag(file, v, WR_ERROR, "'%s' must lie between %" PRId64 " and %" PRId64, key, min,
                     max);
        return false;
    }
    *ret = n;
    return true;
}

static const char *skip_blanks(const char *p)
{
    while (*p == ' ')
        p++;
    return p;
}

/* Power of two of a unit of size, or -1. */
static int size_shift(const char *unit)
{
    static const struct {
        const char *name;
        int shift;
    } units[] = {{"", 0},    {"b", 0},    {"k", 10}, {"kb", 10}, {"kib", 10}, {"m", 20},
                 {"mb", 20}, {"mib", 20}, {"g", 30}, {"gb", 30}, {"gib", 30}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcasecmp(unit, units[i].name) == 0)
            return units[i].shift;
    return -1;
}

bool wr_yaml_bytes(const struct wr_yaml *file, const struct wr_yaml_node *map, const char *key,
                   uint64_t min, uint64_t max, uint64_t *ret)
{
    const struct wr_yaml_node *v = present(map, key);
    if (!v)
        return true;
    bool digit = v->kind == WR_YAML_SCALAR && v->text[0] >= '0' && v->text[0] <= '9';
    char *end = NULL;
    errno = 0;
    unsigned long long n = digit ? strtoull(v->text, &end, 10) : 0;
    int shift = digit && !errno ? size_shift(skip_blanks(end)) : -1;
    if (shift < 0)
        return wants(file, v, key, "a size such as 512 MiB");
    if (n > UINT64_MAX >> shift || n << shift < min || n << shift > max) {
        wr_yaml_diag(file, v, WR_ERROR, "'%s' must lie between %" PRIu64 " and %" PRIu64 " bytes",
                     key, min, max);
        return false;
    }
    *ret = n << shift;
    return true;
}

static bool digits(const char **at, const char *end, int64_t *ret)
{
    const char *p = *at;
    int64_t n = 0;
    for (; p < end && *p >= '0' && *p <= '9'; p++) {
        if (n > INT32_MAX)
            return false;
        n = 10 * n + (*p - '0');
    }
    bool any = p > *at;
    *at = p;
    *ret = n;
    return any;
}

/* [d.]hh:mm:ss, what .NET writes for a TimeSpan. */
static bool parse_clock(const char *p, const char *end, int64_t *ret)
{
    int64_t day = 0, h, m, s;
    if (!digits(&p, end, &h))
        return false;
    if (p < end && *p == '.') {
        day = h;
        p++;
        if (!digits(&p, end, &h))
            return false;
    }
    if (p == end || *p++ != ':' || !digits(&p, end, &m) || p == end || *p++ != ':' ||
        !digits(&p, end, &s) || p != end)
        return false;
    if (h > 23 || m > 59 || s > 59 || day > 36500)
        return false;
    *ret = day * WR_TICKS_DAY + h * WR_TICKS_HOUR + m * WR_TICKS_MINUTE + s * WR_TICKS_SECOND;
    return true;
}

/* ISO 8601, what exports of Sentinel and Defender write: PT1H, P1DT2H, P2W. Whole numbers; months and years have no
 * length. */
static bool parse_iso(const char *p, const char *end, int64_t *ret)
{
    static const struct {
        char unit;
        bool time; /* behind the T */
        int64_t ticks;
    } units[] = {{'W', false, 7 * WR_TICKS_DAY},   {'D', false, WR_TICKS_DAY},   {'H', true, WR_TICKS_HOUR},
                 {'M', true, WR_TICKS_MINUTE}, {'S', true, WR_TICKS_SECOND}};
    int64_t sum = 0, n;
    bool time = false, any = false;
    size_t next = 0; /* each unit once, the large ones first */
    if (p == end || *p++ != 'P')
        return false;
    while (p < end) {
        if (*p == 'T' && !time) {
            time = true;
            any = false; /* something follows a T */
            p++;
            continue;
        }
        if (!digits(&p, end, &n) || p == end)
            return false;
        while (next < 5 && (units[next].unit != *p || units[next].time != time))
            next++;
        if (next == 5 || n > (WR_TICKS_MAX - sum) / units[next].ticks)
            return false;
        sum += n * units[next++].ticks;
        any = true;
        p++;
    }
    *ret = sum;
    return any;
}

bool wr_ticks_parse_span(const char *text, size_t len, int64_t *ret_ticks)
{
    static const struct {
        const char *name;
        int64_t ticks;
    } units[] = {{"ms", WR_TICKS_SECOND / 1000},
                 {"s", WR_TICKS_SECOND},
                 {"m", WR_TICKS_MINUTE},
                 {"h", WR_TICKS_HOUR},
                 {"d", WR_TICKS_DAY}};
    const char *p = text, *end = text + len;
    int64_t n;
    if (parse_clock(p, end, ret_ticks) || parse_iso(p, end, ret_ticks))
        return true;
    if (!digits(&p, end, &n))
        return false;
    while (p < end && *p == ' ')
        p++;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strlen(units[i].name) == (size_t)(end - p) &&
            strncasecmp(units[i].name, p, (size_t)(end - p)) == 0) {
            if (n > WR_TICKS_MAX / units[i].ticks)
                return false;
            *ret_ticks = n * units[i].ticks;
            return true;
        }
    return false;
}

bool wr_yaml_ticks(const struct wr_yaml *file, const struct wr_yaml_node *map, const char *key,
                   int64_t min, int64_t max, int64_t *ret)
{
    const struct wr_yaml_node *v = present(map, key);
    if (!v)
        return true;
    int64_t t;
    if (v->kind != WR_YAML_SCALAR || !wr_ticks_parse_span(v->text, v->len, &t))
        return wants(file, v, key, "a time span such as 30s, 5m, 1h or 14d");
    if (t < min || t > max) {
        struct wr_buf lo = {0}, hi = {0};
        wr_ticks_timespan(&lo, min);
        wr_ticks_timespan(&hi, max);
        wr_yaml_diag(file, v, WR_ERROR, "'%s' must lie between %.*s and %.*s", key, (int)lo.len,
                     lo.data, (int)hi.len, hi.data);
        wr_buf_fini(&lo);
        wr_buf_fini(&hi);
        return false;
    }
    *ret = t;
    return true;
}

bool wr_yaml_map(const struct wr_yaml *file, const struct wr_yaml_node *map, const char *key,
                 const struct wr_yaml_node **ret)
{
    *ret = present(map, key);
    if (*ret && (*ret)->kind != WR_YAML_MAPPING)
        return wants(file, *ret, key, "a mapping (key: value)");
    return true;
}

bool wr_yaml_seq(const struct wr_yaml *file, const struct wr_yaml_node *map, const char *key,
                 const struct wr_yaml_node **ret)
{
    *ret = present(map, key);
    if (*ret && (*ret)->kind != WR_YAML_SEQUENCE)
        return wants(file, *ret, key, "a list (- value)");
    return true;
}

bool wr_yaml_only(const struct wr_yaml *file, const struct wr_yaml_node *map,
                  const char *const *known, enum wr_severity severity)
{
    bool ok = true;
    for (uint32_t i = 0; map && map->kind == WR_YAML_MAPPING && i < map->n; i++) {
        const struct wr_yaml_node *key = map->pairs[i].key;
        struct wr_nearest near = wr_nearest_to(key->text, key->len);
        bool found = false;
        for (const char *const *k = known; *k && !found; k++) {
            found = strcmp(*k, key->text) == 0;
            wr_nearest_try(&near, *k, strlen(*k));
        }
        if (found)
            continue;
        struct wr_diag *d = wr_yaml_diag(file, key, severity, "unknown key '%s'", key->text);
        if (near.best)
            wr_diag_hint(file->diags, d, "did you mean '%s'?", near.best);
        ok = ok && severity != WR_ERROR;
    }
    return ok;
}
