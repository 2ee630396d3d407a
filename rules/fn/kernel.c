#include "rules/fn/kernel.h"

#include "base/decimal.h"

#include "base/ticks.h"
#include "rules/fn/json.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

void wr_put_text(struct wr_eval *ev, struct wr_vec *out, uint32_t row, const char *text, size_t len)
{
    struct wr_str s;
    if (wr_str_copy(ev->arena, text, len, &s))
        wr_put_s(out, row, s);
    else
        ev->err = WR_ENOMEM;
}

struct wr_vec *wr_vec_new(struct wr_eval *ev, enum wr_type type)
{
    uint32_t n = ev->nrows ? ev->nrows : 1;
    struct wr_vec *v = wr_arena_alloc(ev->arena, sizeof *v);
    if (v) {
        v->type = type;
        if (wr_type_is_str(type))
            v->s = wr_arena_alloc(ev->arena, n * sizeof *v->s);
        else if (type == WR_REAL)
            v->r = wr_arena_alloc(ev->arena, n * sizeof *v->r);
        else
            v->i = wr_arena_alloc(ev->arena, n * sizeof *v->i);
        if (type != WR_STRING)
            v->valid = wr_arena_alloc(ev->arena, (n + 63) / 64 * sizeof *v->valid);
    }
    if (!v || (!v->s && !v->r && !v->i) || (type != WR_STRING && !v->valid)) {
        ev->err = WR_ENOMEM;
        return NULL;
    }
    return v;
}

/* Digits of a number into `out` (64 bytes) without the blanks around them; false when too long or empty. */
static bool trimmed(const char *text, size_t len, char *out)
{
    while (len && (text[0] == ' ' || text[0] == '\t')) {
        text++;
        len--;
    }
    while (len && (text[len - 1] == ' ' || text[len - 1] == '\t'))
        len--;
    if (len == 0 || len > 63)
        return false;
    memcpy(out, text, len);
    out[len] = '\0';
    return strlen(out) == len;
}

bool wr_text_to_long(const char *text, size_t len, int64_t *ret_v)
{
    char num[64];
    if (!trimmed(text, len, num))
        return false;
    bool neg = num[0] == '-';
    const char *p = num + (neg || num[0] == '+');
    int base = p[0] == '0' && (p[1] | 0x20) == 'x' ? 16 : 10;
    if (!wr_is_alnum(p[base == 16 ? 2 : 0]))
        return false;
    errno = 0;
    char *end;
    int64_t v = strtoll(base == 16 ? p : num, &end, base);
    if (*end || errno)
        return false;
    *ret_v = neg && base == 16 ? -v : v;
    return true;
}

bool wr_text_to_real(const char *text, size_t len, double *ret_v)
{
    char num[64];
    if (!trimmed(text, len, num))
        return false;
    char first = num[num[0] == '-' || num[0] == '+'];
    bool word = strcasecmp(num, "nan") == 0 || strcasecmp(num, "inf") == 0 || strcasecmp(num, "-inf") == 0 ||
                strcasecmp(num, "infinity") == 0 || strcasecmp(num, "-infinity") == 0;
    if (!word && first != '.' && !(first >= '0' && first <= '9'))
        return false;
    char *end;
    *ret_v = strtod(num, &end);
    return *end == '\0';
}

double wr_num_at(const struct wr_vec *vec, uint32_t row)
{
    if (vec->r)
        return vec->r[row];
    if (vec->i)
        return (double)vec->i[row];
    double v = NAN;
    (void)wr_text_to_real(wr_str_data(&vec->s[row]), vec->s[row].len, &v);
    return v;
}

static void real_text(struct wr_buf *out, double v)
{
    if (isnan(v))
        wr_buf_str(out, "NaN");
    else if (isinf(v))
        wr_buf_str(out, v < 0 ? "-Infinity" : "Infinity");
    else
        wr_json_real(out, v);
}

void wr_text_at(const struct wr_vec *vec, uint32_t row, struct wr_buf *out)
{
    if (!wr_vec_valid(vec, row))
        return;
    switch (vec->type) {
    case WR_BOOL:
        wr_buf_str(out, vec->i[row] ? "True" : "False");
        break;
    case WR_INT:
    case WR_LONG:
        wr_buf_i64(out, vec->i[row]);
        break;
    case WR_REAL:
        real_text(out, vec->r[row]);
        break;
    case WR_DATETIME:
        wr_ticks_datetime(out, vec->i[row]);
        break;
    case WR_TIMESPAN:
        wr_ticks_timespan(out, vec->i[row]);
        break;
    case WR_DYNAMIC:
        wr_json_to_text(wr_str_data(&vec->s[row]), vec->s[row].len, out);
        break;
    case WR_STRING:
    case WR_GUID:
    case WR_DECIMAL:
    case WR_NTYPES:
        wr_buf_add(out, wr_str_data(&vec->s[row]), vec->s[row].len);
        break;
    }
}

/* What a dynamic value holds. */
static struct wr_scalar dynamic_scalar(struct wr_eval *ev, const struct wr_str *json)
{
    struct wr_scalar sc = {.kind = WR_SC_OTHER, .type = WR_DYNAMIC, .s = *json};
    const char *p = wr_str_data(json);
    if (json->len == 0 || p[0] == 'n') {
        sc.kind = WR_SC_NULL;
    } else if (p[0] == 't' || p[0] == 'f') {
        sc.kind = WR_SC_BOOL;
        sc.i = p[0] == 't';
    } else if (p[0] == '"') {
        struct wr_buf text = {0};
        wr_json_to_text(p, json->len, &text);
        if (text.err || !wr_str_copy(ev->arena, text.data ? text.data : "", text.len, &sc.s))
            ev->err = WR_ENOMEM;
        sc.kind = WR_SC_TEXT;
        wr_buf_fini(&text);
    } else if (wr_text_to_long(p, json->len, &sc.i)) {
        sc.kind = WR_SC_INT;
        sc.r = (double)sc.i;
    } else if (wr_text_to_real(p, json->len, &sc.r)) {
        sc.kind = WR_SC_REAL;
    }
    return sc;
}

struct wr_scalar wr_scalar_at(struct wr_eval *ev, const struct wr_vec *vec, uint32_t row)
{
    struct wr_scalar sc = {.kind = WR_SC_NULL, .type = vec->type};
    if (!wr_vec_valid(vec, row))
        return sc;
    switch (vec->type) {
    case WR_DYNAMIC:
        return dynamic_scalar(ev, &vec->s[row]);
    case WR_REAL:
    case WR_DECIMAL:
        sc.kind = WR_SC_REAL;
        sc.r = wr_num_at(vec, row);
        sc.s = vec->type == WR_DECIMAL ? vec->s[row] : sc.s;
        break;
    case WR_STRING:
    case WR_GUID:
    case WR_NTYPES:
        sc.kind = WR_SC_TEXT;
        sc.s = vec->s[row];
        break;
    case WR_BOOL:
    case WR_INT:
    case WR_LONG:
    case WR_DATETIME:
    case WR_TIMESPAN:
        sc.kind = vec->type == WR_BOOL ? WR_SC_BOOL : WR_SC_INT;
        sc.i = vec->i[row];
        sc.r = (double)sc.i;
        break;
    }
    return sc;
}

/* A text of a dynamic value meets a time: compare as times. */
static bool text_as_time(struct wr_scalar *text, const struct wr_scalar *time)
{
    if (text->kind != WR_SC_TEXT || time->kind != WR_SC_INT)
        return false;
    const char *p = wr_str_data(&text->s);
    bool ok = time->type == WR_DATETIME   ? wr_ticks_parse_iso(p, text->s.len, &text->i)
              : time->type == WR_TIMESPAN ? wr_text_to_timespan(p, text->s.len, &text->i)
                                          : false;
    if (ok)
        text->kind = WR_SC_INT;
    return ok;
}

bool wr_scalar_cmp(const struct wr_scalar *a, const struct wr_scalar *b, int *ret_cmp)
{
    struct wr_scalar x = *a, y = *b;
    if (x.kind == WR_SC_REAL && x.type == WR_DECIMAL && y.type == WR_DECIMAL && y.kind == WR_SC_REAL) {
        *ret_cmp = wr_dec_text_cmp(wr_str_data(&x.s), x.s.len, wr_str_data(&y.s), y.s.len);
        return true;
    }
    if (x.kind == WR_SC_TEXT && y.kind == WR_SC_TEXT) {
        *ret_cmp = wr_str_cmp(&x.s, &y.s);
        return true;
    }
    if ((x.kind == WR_SC_TEXT && !text_as_time(&x, &y)) || (y.kind == WR_SC_TEXT && !text_as_time(&y, &x)))
        return false;
    if (x.kind == WR_SC_NULL || y.kind == WR_SC_NULL || x.kind == WR_SC_OTHER || y.kind == WR_SC_OTHER)
        return false;
    if (x.kind == WR_SC_REAL || y.kind == WR_SC_REAL) {
        if (isnan(x.r) || isnan(y.r))
            return false;
        *ret_cmp = (x.r > y.r) - (x.r < y.r);
    } else {
        *ret_cmp = (x.i > y.i) - (x.i < y.i);
    }
    return true;
}

bool wr_scalar_eq(const struct wr_scalar *a, const struct wr_scalar *b, bool nocase)
{
    if (nocase && a->kind == WR_SC_TEXT && b->kind == WR_SC_TEXT)
        return wr_str_eq_nocase(&a->s, &b->s);
    int cmp;
    return wr_scalar_cmp(a, b, &cmp) && cmp == 0;
}
