/* series_*(): arrays of numbers, element by element and as a whole. What is no number is NaN inside, null outside. Source: Kusto
 * "Series processing functions". */
#include "rules/fn/series.h"

#include "rules/fn/json.h"
#include "rules/fn/kernel.h"

#include <math.h>

#define KERNEL(name)                                                                                         \
    void wr_k_##name(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,                \
                     const struct wr_sel *sel, struct wr_vec *out)

bool wr_series_at(struct wr_eval *ev, const struct wr_vec *vec, uint32_t row, struct wr_series *ret)
{
    *ret = (struct wr_series){0};
    if (!wr_vec_valid(vec, row) || !vec->s)
        return false;
    struct wr_slice array = {wr_str_data(&vec->s[row]), vec->s[row].len}, item;
    int64_t n = wr_json_count(array);
    if (n < 0 || n > WR_SERIES_MAX)
        return false;
    ret->v = wr_arena_alloc(ev->arena, ((size_t)n + 1) * sizeof *ret->v);
    if (!ret->v) {
        ev->err = WR_ENOMEM;
        return false;
    }
    const char *at = NULL;
    while (ret->n < (uint64_t)n && wr_json_next(array, &at, &item)) {
        double v = NAN;
        if (item.len == 4 && memcmp(item.p, "true", 4) == 0)
            v = 1;
        else if (item.len == 5 && memcmp(item.p, "false", 5) == 0)
            v = 0;
        else if (item.len && item.p[0] != '"' && !wr_text_to_real(item.p, item.len, &v))
            v = NAN;
        ret->v[ret->n++] = v;
    }
    return true;
}

void wr_series_put(struct wr_eval *ev, struct wr_vec *out, uint32_t row, const struct wr_series *s, bool truth)
{
    struct wr_buf text = {0};
    wr_buf_char(&text, '[');
    for (uint32_t i = 0; i < s->n; i++) {
        wr_buf_str(&text, i ? "," : "");
        if (!isfinite(s->v[i]))
            wr_buf_str(&text, "null");
        else if (truth)
            wr_buf_str(&text, s->v[i] != 0 ? "true" : "false");
        else if (s->v[i] == floor(s->v[i]) && fabs(s->v[i]) < 1e15)
            wr_buf_i64(&text, (int64_t)s->v[i]);
        else
            wr_json_real(&text, s->v[i]);
    }
    wr_buf_char(&text, ']');
    if (text.err)
        ev->err = text.err;
    else
        wr_put_text(ev, out, row, text.data, text.len);
    wr_buf_fini(&text);
}

/* ---- element by element ---- */

static void each(struct wr_eval *ev, const struct wr_vec *args, const struct wr_sel *sel, struct wr_vec *out,
                 double (*f)(double))
{
    struct wr_series s;
    WR_EACH (sel, row) {
        if (!wr_series_at(ev, &args[0], row, &s))
            continue;
        for (uint32_t i = 0; i < s.n; i++)
            s.v[i] = f(s.v[i]);
        wr_series_put(ev, out, row, &s, false);
    }
}

static double sign(double v)
{
    return v > 0 ? 1 : v < 0 ? -1 : v;
}

#define EACH(name, f)                                                                                        \
    KERNEL(series_##name)                                                                                    \
    {                                                                                                        \
        (void)call;                                                                                          \
        each(ev, args, sel, out, f);                                                                         \
    }
EACH(abs, fabs)
EACH(acos, acos)
EACH(asin, asin)
EACH(atan, atan)
EACH(ceiling, ceil)
EACH(cos, cos)
EACH(exp, exp)
EACH(floor, floor)
EACH(log, log)
EACH(sign, sign)
EACH(sin, sin)
EACH(tan, tan)

/* Two arrays, or an array and a number; the shorter one ends the result, as null. */
static void both(struct wr_eval *ev, const struct wr_vec *args, const struct wr_sel *sel, struct wr_vec *out,
                 double (*f)(double, double), bool truth)
{
    struct wr_series s[2];
    WR_EACH (sel, row) {
        bool array[2];
        double number[2] = {NAN, NAN};
        for (int k = 0; k < 2; k++) {
            array[k] = args[k].type == WR_DYNAMIC && wr_series_at(ev, &args[k], row, &s[k]);
            if (array[k])
                continue;
            s[k] = (struct wr_series){0};
            struct wr_scalar x = wr_scalar_at(ev, &args[k], row);
            number[k] = x.kind == WR_SC_INT || x.kind == WR_SC_BOOL ? (double)x.i : x.kind == WR_SC_REAL ? x.r : NAN;
        }
        if ((!array[0] && isnan(number[0])) || (!array[1] && isnan(number[1])) || (!array[0] && !array[1]))
            continue;
        struct wr_series r = {.n = s[0].n > s[1].n ? s[0].n : s[1].n};
        r.v = wr_arena_alloc(ev->arena, (r.n + 1u) * sizeof *r.v);
        if (!r.v) {
            ev->err = WR_ENOMEM;
            return;
        }
        for (uint32_t i = 0; i < r.n; i++) {
            double x = array[0] ? (i < s[0].n ? s[0].v[i] : NAN) : number[0];
            double y = array[1] ? (i < s[1].n ? s[1].v[i] : NAN) : number[1];
            r.v[i] = isnan(x) || isnan(y) ? NAN : f(x, y);
        }
        wr_series_put(ev, out, row, &r, truth);
    }
}

static double add(double x, double y)
{
    return x + y;
}
static double subtract(double x, double y)
{
    return x - y;
}
static double multiply(double x, double y)
{
    return x * y;
}
static double divide(double x, double y)
{
    return x / y;
}
static double equals(double x, double y)
{
    return x == y;
}
static double not_equals(double x, double y)
{
    return x != y;
}
static double less(double x, double y)
{
    return x < y;
}
static double less_equals(double x, double y)
{
    return x <= y;
}
static double greater(double x, double y)
{
    return x > y;
}
static double greater_equals(double x, double y)
{
    return x >= y;
}

#define BOTH(name, f, truth)                                                                                 \
    KERNEL(series_##name)                                                                                    \
    {                                                                                                        \
        (void)call;                                                                                          \
        both(ev, args, sel, out, f, truth);                                                                  \
    }
BOTH(add, add, false)
BOTH(subtract, subtract, false)
BOTH(multiply, multiply, false)
BOTH(divide, divide, false)
BOTH(pow, pow, false)
BOTH(equals, equals, true)
BOTH(not_equals, not_equals, true)
BOTH(less, less, true)
BOTH(less_equals, less_equals, true)
BOTH(greater, greater, true)
BOTH(greater_equals, greater_equals, true)

/* ---- holes ---- */

/* Marks the elements that stand for a hole: null, or the value that the caller names, which then counts instead. */
static bool holes(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args, uint32_t which, uint32_t row,
                  struct wr_series *s)
{
    if (!wr_series_at(ev, &args[0], row, s))
        return false;
    if (call->nargs <= which)
        return true;
    struct wr_scalar x = wr_scalar_at(ev, &args[which], row);
    double mark = x.kind == WR_SC_INT ? (double)x.i : x.kind == WR_SC_REAL ? x.r : NAN;
    for (uint32_t i = 0; i < s->n && !isnan(mark); i++)
        if (s->v[i] == mark)
            s->v[i] = NAN;
    return true;
}

KERNEL(series_fill_forward)
{
    struct wr_series s;
    WR_EACH (sel, row) {
        if (!holes(ev, call, args, 1, row, &s))
            continue;
        for (uint32_t i = 1; i < s.n; i++)
            if (isnan(s.v[i]))
                s.v[i] = s.v[i - 1];
        wr_series_put(ev, out, row, &s, false);
    }
}

KERNEL(series_fill_backward)
{
    struct wr_series s;
    WR_EACH (sel, row) {
        if (!holes(ev, call, args, 1, row, &s))
            continue;
        for (uint32_t i = s.n; i-- > 1;)
            if (isnan(s.v[i - 1]))
                s.v[i - 1] = s.v[i];
        wr_series_put(ev, out, row, &s, false);
    }
}

KERNEL(series_fill_const)
{
    struct wr_series s;
    WR_EACH (sel, row) {
        if (!holes(ev, call, args, 2, row, &s))
            continue;
        double v = wr_vec_valid(&args[1], row) ? args[1].r[row] : NAN;
        for (uint32_t i = 0; i < s.n; i++)
            if (isnan(s.v[i]))
                s.v[i] = v;
        wr_series_put(ev, out, row, &s, false);
    }
}

/* Between two values a straight line; before the first and behind the last that value, unless `edges` is false; without any
 * value the constant. */
static void fill_linear(struct wr_series *s, bool edges, double constant)
{
    uint32_t last = UINT32_MAX;
    for (uint32_t i = 0; i < s->n; i++) {
        if (isnan(s->v[i]))
            continue;
        for (uint32_t k = last == UINT32_MAX ? 0 : last + 1; k < i; k++)
            if (last != UINT32_MAX)
                s->v[k] = s->v[last] + (s->v[i] - s->v[last]) * (k - last) / (i - last);
            else if (edges)
                s->v[k] = s->v[i];
        last = i;
    }
    for (uint32_t k = last == UINT32_MAX ? 0 : last + 1; k < s->n; k++)
        if (last == UINT32_MAX)
            s->v[k] = constant;
        else if (edges)
            s->v[k] = s->v[last];
}

/* Whole numbers and nulls only: what is filled in is whole then, cut. */
static bool all_whole(const struct wr_vec *vec, uint32_t row)
{
    struct wr_slice array = {wr_str_data(&vec->s[row]), vec->s[row].len}, item;
    const char *at = NULL;
    bool any = false;
    int64_t v;
    while (wr_json_next(array, &at, &item)) {
        bool null = item.len && item.p[0] == 'n';
        if (!null && !wr_text_to_long(item.p, item.len, &v))
            return false;
        any |= !null;
    }
    return any;
}

KERNEL(series_fill_linear)
{
    struct wr_series s;
    WR_EACH (sel, row) {
        if (!holes(ev, call, args, 1, row, &s))
            continue;
        bool whole = all_whole(&args[0], row);
        bool edges = call->nargs < 3 || !wr_vec_valid(&args[2], row) || args[2].i[row];
        double constant = call->nargs > 3 && wr_vec_valid(&args[3], row) ? args[3].r[row] : 0;
        fill_linear(&s, edges, constant);
        for (uint32_t i = 0; whole && i < s.n; i++)
            s.v[i] = trunc(s.v[i]);
        wr_series_put(ev, out, row, &s, false);
    }
}

/* ---- filters ---- */

KERNEL(series_fir)
{
    struct wr_series s, f;
    WR_EACH (sel, row) {
        if (!wr_series_at(ev, &args[0], row, &s) || !wr_series_at(ev, &args[1], row, &f) || !f.n || f.n > 1024)
            continue;
        double sum = 0;
        bool negative = false, scale = call->nargs < 3 || !wr_vec_valid(&args[2], row) || args[2].i[row];
        bool center = call->nargs > 3 && wr_vec_valid(&args[3], row) && args[3].i[row];
        for (uint32_t i = 0; i < f.n; i++) {
            sum += f.v[i];
            negative |= f.v[i] < 0;
        }
        if (scale && (negative || sum == 0)) {
            if (call->nargs > 2)
                continue; /* such a filter cannot be normalized */
            scale = false;
        }
        struct wr_series r = {.v = wr_arena_alloc(ev->arena, (s.n + 1u) * sizeof *r.v), .n = s.n};
        if (!r.v) {
            ev->err = WR_ENOMEM;
            return;
        }
        int64_t shift = center ? f.n / 2 : 0;
        for (int64_t i = 0; i < s.n; i++) {
            double y = 0;
            for (int64_t k = 0; k < f.n; k++)
                if (i + shift - k >= 0 && i + shift - k < s.n && !isnan(s.v[i + shift - k]))
                    y += f.v[k] * s.v[i + shift - k];
            r.v[i] = scale ? y / sum : y;
        }
        wr_series_put(ev, out, row, &r, false);
    }
}

KERNEL(series_iir)
{
    (void)call;
    struct wr_series s, b, a;
    WR_EACH (sel, row) {
        if (!wr_series_at(ev, &args[0], row, &s) || !wr_series_at(ev, &args[1], row, &b) ||
            !wr_series_at(ev, &args[2], row, &a) || !a.n || a.v[0] == 0 || a.n > 1024 || b.n > 1024)
            continue;
        struct wr_series r = {.v = wr_arena_alloc(ev->arena, (s.n + 1u) * sizeof *r.v), .n = s.n};
        if (!r.v) {
            ev->err = WR_ENOMEM;
            return;
        }
        for (uint32_t i = 0; i < s.n; i++) {
            double y = 0;
            for (uint32_t k = 0; k < b.n && k <= i; k++)
                y += b.v[k] * (isnan(s.v[i - k]) ? 0 : s.v[i - k]);
            for (uint32_t k = 1; k < a.n && k <= i; k++)
                y -= a.v[k] * r.v[i - k];
            r.v[i] = y / a.v[0];
        }
        wr_series_put(ev, out, row, &r, false);
    }
}
