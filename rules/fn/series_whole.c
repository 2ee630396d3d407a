/* series_*() that say something about a whole array: statistics, the straight line through it,
 * outliers. Source: Kusto "series_stats()", "series_fit_line()", "series_outliers()". */
#include "rules/fn/json.h"
#include "rules/fn/kernel.h"
#include "rules/fn/series.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#define KERNEL(name)                                                                               \
    void wr_k_##name(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,      \
                     const struct wr_sel *sel, struct wr_vec *out)

/* ---- statistics ---- */

struct stats {
    double min, max, avg, stdev, variance;
    int64_t min_at, max_at;
    bool some;
};

/* `finite`: others are skipped; without it one of them makes everything unknown. */
static struct stats stats_of(const struct wr_series *s, bool finite)
{
    struct stats r = {.min = INFINITY, .max = -INFINITY};
    double mean = 0, m2 = 0;
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        if (!isfinite(s->v[i])) {
            if (finite)
                continue;
            return (struct stats){0};
        }
        if (s->v[i] < r.min) {
            r.min = s->v[i];
            r.min_at = i;
        }
        if (s->v[i] > r.max) {
            r.max = s->v[i];
            r.max_at = i;
        }
        double d = s->v[i] - mean;
        mean += d / ++n;
        m2 += d * (s->v[i] - mean);
    }
    r.some = n != 0;
    r.avg = mean;
    r.variance = n > 1 ? m2 / (n - 1) : 0;
    r.stdev = sqrt(r.variance);
    return r;
}

static bool stats_at(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,
                     uint32_t row, struct stats *ret)
{
    struct wr_series s;
    if (!wr_series_at(ev, &args[0], row, &s))
        return false;
    *ret = stats_of(&s, call->nargs > 1 && wr_vec_valid(&args[1], row) && args[1].i[row]);
    return ret->some;
}

#define STAT_REAL(name, field)                                                                     \
    KERNEL(series_stats_##name)                                                                    \
    {                                                                                              \
        struct stats st;                                                                           \
        WR_EACH(sel, row)                                                                          \
        if (stats_at(ev, call, args, row, &st))                                                    \
            wr_put_r(out, row, st.field);                                                          \
    }
#define STAT_LONG(name, field)                                                                     \
    KERNEL(series_stats_##name)                                                                    \
    {                                                                                              \
        struct stats st;                                                                           \
        WR_EACH(sel, row)                                                                          \
        if (stats_at(ev, call, args, row, &st))                                                    \
            wr_put_i(out, row, st.field);                                                          \
    }
STAT_REAL(min, min)
STAT_LONG(min_idx, min_at)
STAT_REAL(max, max)
STAT_LONG(max_idx, max_at)
STAT_REAL(avg, avg)
STAT_REAL(stdev, stdev)
STAT_REAL(variance, variance)

static void member(struct wr_buf *out, const char *key, double v)
{
    wr_json_key(out, key);
    if (isfinite(v))
        wr_json_real(out, v);
    else
        wr_buf_str(out, "null");
}

KERNEL(series_stats_dynamic)
{
    struct stats st;
    WR_EACH(sel, row)
    {
        if (!stats_at(ev, call, args, row, &st))
            continue;
        struct wr_buf text = {0};
        wr_buf_char(&text, '{');
        member(&text, "min", st.min);
        wr_json_key(&text, "min_idx");
        wr_buf_i64(&text, st.min_at);
        member(&text, "max", st.max);
        wr_json_key(&text, "max_idx");
        wr_buf_i64(&text, st.max_at);
        member(&text, "avg", st.avg);
        member(&text, "stdev", st.stdev);
        member(&text, "variance", st.variance);
        wr_buf_char(&text, '}');
        if (text.err)
            ev->err = text.err;
        else
            wr_put_text(ev, out, row, text.data, text.len);
        wr_buf_fini(&text);
    }
}

/* ---- two arrays ---- */

static bool two(struct wr_eval *ev, const struct wr_vec *args, uint32_t row, struct wr_series *x,
                struct wr_series *y)
{
    return wr_series_at(ev, &args[0], row, x) && wr_series_at(ev, &args[1], row, y) &&
           x->n == y->n && x->n;
}

static double dot(const struct wr_series *x, const struct wr_series *y)
{
    double sum = 0;
    for (uint32_t i = 0; i < x->n; i++)
        sum += x->v[i] * y->v[i];
    return sum;
}

KERNEL(series_dot_product)
{
    (void)call;
    struct wr_series x, y;
    WR_EACH(sel, row)
    if (two(ev, args, row, &x, &y) && isfinite(dot(&x, &y)))
        wr_put_r(out, row, dot(&x, &y));
}

KERNEL(series_cosine_similarity)
{
    (void)call;
    struct wr_series x, y;
    WR_EACH(sel, row)
    if (two(ev, args, row, &x, &y)) {
        double v = dot(&x, &y) / (sqrt(dot(&x, &x)) * sqrt(dot(&y, &y)));
        if (isfinite(v))
            wr_put_r(out, row, v);
    }
}

KERNEL(series_pearson_correlation)
{
    (void)call;
    struct wr_series x, y;
    WR_EACH(sel, row)
    {
        if (!two(ev, args, row, &x, &y))
            continue;
        double mx = 0, my = 0, xy = 0, xx = 0, yy = 0;
        for (uint32_t i = 0; i < x.n; i++) {
            mx += x.v[i] / x.n;
            my += y.v[i] / y.n;
        }
        for (uint32_t i = 0; i < x.n; i++) {
            xy += (x.v[i] - mx) * (y.v[i] - my);
            xx += (x.v[i] - mx) * (x.v[i] - mx);
            yy += (y.v[i] - my) * (y.v[i] - my);
        }
        double r = xy / sqrt(xx * yy);
        if (isfinite(r))
            wr_put_r(out, row, r);
    }
}

/* One number of one array. */
static void fold(struct wr_eval *ev, const struct wr_vec *args, const struct wr_sel *sel,
                 struct wr_vec *out, int what)
{
    struct wr_series s;
    WR_EACH(sel, row)
    {
        if (!wr_series_at(ev, &args[0], row, &s))
            continue;
        double v = what == 1;
        for (uint32_t i = 0; i < s.n; i++)
            v = what == 0 ? v + s.v[i] : what == 1 ? v * s.v[i] : v + s.v[i] * s.v[i];
        if (isfinite(v))
            wr_put_r(out, row, what == 2 ? sqrt(v) : v);
    }
}

KERNEL(series_sum)
{
    (void)call;
    fold(ev, args, sel, out, 0);
}

KERNEL(series_product)
{
    (void)call;
    fold(ev, args, sel, out, 1);
}

KERNEL(series_magnitude)
{
    (void)call;
    fold(ev, args, sel, out, 2);
}

/* ---- the straight line ---- */

struct line {
    double rsquare, slope, variance, rvariance, interception;
    struct wr_series fit;
};

static bool line_at(struct wr_eval *ev, const struct wr_vec *args, uint32_t row, struct line *ret)
{
    struct wr_series s;
    double mx = 0, my = 0, xy = 0, xx = 0, yy = 0, rest = 0;
    uint32_t n = 0;
    *ret = (struct line){0};
    if (!wr_series_at(ev, &args[0], row, &s))
        return false;
    for (uint32_t i = 0; i < s.n; i++)
        if (isfinite(s.v[i])) {
            n++;
            mx += (i - mx) / n;
            my += (s.v[i] - my) / n;
        }
    if (n < 2)
        return false;
    for (uint32_t i = 0; i < s.n; i++)
        if (isfinite(s.v[i])) {
            xy += (i - mx) * (s.v[i] - my);
            xx += (i - mx) * (i - mx);
            yy += (s.v[i] - my) * (s.v[i] - my);
        }
    ret->slope = xy / xx;
    ret->interception = my - ret->slope * mx;
    ret->fit.v = wr_arena_alloc(ev->arena, (s.n + 1u) * sizeof *ret->fit.v);
    if (!ret->fit.v) {
        ev->err = WR_ENOMEM;
        return false;
    }
    ret->fit.n = s.n;
    for (uint32_t i = 0; i < s.n; i++) {
        ret->fit.v[i] = ret->interception + ret->slope * i;
        if (isfinite(s.v[i]))
            rest += (s.v[i] - ret->fit.v[i]) * (s.v[i] - ret->fit.v[i]);
    }
    ret->rsquare = yy > 0 ? 1 - rest / yy : 1;
    ret->variance = yy / (n - 1);
    ret->rvariance = rest / (n - 1);
    return true;
}

#define LINE(name, field)                                                                          \
    KERNEL(series_fit_line_##name)                                                                 \
    {                                                                                              \
        (void)call;                                                                                \
        struct line l;                                                                             \
        WR_EACH(sel, row)                                                                          \
        if (line_at(ev, args, row, &l) && isfinite(l.field))                                       \
            wr_put_r(out, row, l.field);                                                           \
    }
LINE(rsquare, rsquare)
LINE(slope, slope)
LINE(variance, variance)
LINE(rvariance, rvariance)
LINE(interception, interception)

KERNEL(series_fit_line_line_fit)
{
    (void)call;
    struct line l;
    WR_EACH(sel, row)
    if (line_at(ev, args, row, &l))
        wr_series_put(ev, out, row, &l.fit, false);
}

/* ---- outliers ---- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Between neighbours by distance, as Tukey's fences want it. */
static double quantile(const double *sorted, uint32_t n, double q)
{
    double at = q * (n - 1);
    uint32_t i = (uint32_t)at;
    return i + 1 < n ? sorted[i] + (sorted[i + 1] - sorted[i]) * (at - i) : sorted[i];
}

/* One side's scale: the quartiles of what lies within the percentile of that side; the far one of
 * them is where the score begins to count. Where they are alike, the range between the two
 * percentiles. */
struct side {
    double from, range;
};

static struct side side_of(const double *sorted, uint32_t n, bool up, double otherwise)
{
    double q1 = n ? quantile(sorted, n, 0.25) : 0, q3 = n ? quantile(sorted, n, 0.75) : 0;
    double least =
        1e-12 *
        (fabs(q1) + fabs(q3)); /* computed values differ from true ones in their last digits */
    return (struct side){up ? q3 : q1, q3 - q1 > least     ? q3 - q1
                                       : otherwise > least ? otherwise
                                                           : 0};
}

static double step_over(const struct side *side, double v)
{
    double over = v - side->from;
    if (side->range > 0)
        return over / side->range;
    return fabs(over) > 1e-12 * (fabs(v) + fabs(side->from)) ? copysign(DBL_MAX, over) : 0;
}

/* The page says no more than "percentiles 10 and 90, customized". Its example, up to 2020, had
 * numbers: [30,28,5,27,31,38,29,80,25,37,30]:
 * [0,0,-3.2069,-0.1724,0,2.6667,0,16.6667,-0.4483,2.3333,0] They are what Tukey's test gives when
 * it is run for each side without that side's outermost: rises against the quartiles of what is
 * below percentile 90 (27 and 30), declines against those of what is not below percentile 10 (28.25
 * and 35.5), and 0 between the quartiles of all (27.5, 34). Without percentiles (tukey) both sides
 * are measured against all. */
enum wr_err wr_series_outliers(struct wr_series *s, double low, double high, double skip)
{
    double *sorted = malloc((s->n + 1u) * sizeof *sorted);
    uint32_t n = 0, begin = 0, end;
    if (!sorted)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < s->n; i++)
        if (isfinite(s->v[i]) && s->v[i] != skip)
            sorted[n++] = s->v[i];
    qsort(sorted, n, sizeof *sorted, ascending);
    struct side all[2] = {side_of(sorted, n, false, 0), side_of(sorted, n, true, 0)},
                side[2] = {all[0], all[1]};
    if (n && low < high) {
        double a = quantile(sorted, n, low), b = quantile(sorted, n, high);
        for (end = n; end && sorted[end - 1] >= b;)
            end--;
        while (begin < n && sorted[begin] < a)
            begin++;
        side[0] = side_of(sorted + begin, n - begin, false, b - a);
        side[1] = end ? side_of(sorted, end, true, b - a) : all[1];
    }
    free(sorted);
    for (uint32_t i = 0; i < s->n; i++) {
        bool counts = isfinite(s->v[i]) && s->v[i] != skip;
        if (counts && s->v[i] > all[1].from)
            s->v[i] = fmax(step_over(&side[1], s->v[i]), 0);
        else if (counts && s->v[i] < all[0].from)
            s->v[i] = fmin(step_over(&side[0], s->v[i]), 0);
        else
            s->v[i] = 0;
    }
    return WR_OK;
}

KERNEL(series_outliers)
{
    struct wr_series s;
    const struct wr_str tukey = WR_STR_LIT("tukey");
    WR_EACH(sel, row)
    {
        if (!wr_series_at(ev, &args[0], row, &s) || !s.n)
            continue;
        bool plain = call->nargs > 1 && wr_str_eq_nocase(&args[1].s[row], &tukey);
        double low = 0.1, high = 0.9;
        double skip = call->nargs > 2 && wr_vec_valid(&args[2], row) ? args[2].r[row] : NAN;
        if (call->nargs > 3 && wr_vec_valid(&args[3], row))
            low = args[3].r[row] / 100;
        if (call->nargs > 4 && wr_vec_valid(&args[4], row))
            high = args[4].r[row] / 100;
        if (!plain && !(low >= 0.02 && high <= 0.98 && low < high))
            continue; /* out of what the page allows */
        ev->err =
            plain ? wr_series_outliers(&s, 0, 0, skip) : wr_series_outliers(&s, low, high, skip);
        if (ev->err)
            return;
        wr_series_put(ev, out, row, &s, false);
    }
}
