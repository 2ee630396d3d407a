/* series_periods_*(), series_seasonal(), series_decompose*(): a series as season + trend +
 * residual. Source: Kusto pages of the same names; how a season is found: season.c. */
#include "rules/fn/kernel.h"
#include "rules/fn/season.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#define KERNEL(name)                                                                               \
    void wr_k_##name(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,      \
                     const struct wr_sel *sel, struct wr_vec *out)

/* An optional argument: `missing` where it is left out or null. */
static double real_arg(const struct wr_ex *call, const struct wr_vec *args, uint32_t k,
                       uint32_t row, double missing)
{
    return call->nargs > k && wr_vec_valid(&args[k], row) ? args[k].r[row] : missing;
}

static int64_t long_arg(const struct wr_ex *call, const struct wr_vec *args, uint32_t k,
                        uint32_t row, int64_t missing)
{
    return call->nargs > k && wr_vec_valid(&args[k], row) ? args[k].i[row] : missing;
}

/* ---- periods ---- */

static void put_periods(struct wr_eval *ev, struct wr_vec *out, uint32_t row,
                        const struct wr_period *p, uint32_t n, bool scores)
{
    double v[WR_PERIODS_MAX];
    for (uint32_t i = 0; i < n; i++)
        v[i] = scores ? p[i].score : p[i].length;
    struct wr_series s = {.v = v, .n = n};
    wr_series_put(ev, out, row, &s, false);
}

static void detect(struct wr_eval *ev, const struct wr_vec *args, const struct wr_sel *sel,
                   struct wr_vec *out, bool scores)
{
    struct wr_series s;
    WR_EACH(sel, row)
    {
        struct wr_period found[WR_PERIODS_MAX] = {
            {0, 0}}; /* what is not found stays 0, as on Kusto's page */
        uint32_t n;
        int64_t wanted = args[3].i[row];
        if (wanted < 1 || wanted > WR_PERIODS_MAX || !wr_series_at(ev, &args[0], row, &s))
            continue;
        ev->err = wr_periods_find(&s, args[1].r[row], args[2].r[row], (uint32_t)wanted, found, &n);
        if (ev->err)
            return;
        put_periods(ev, out, row, found, (uint32_t)wanted, scores);
    }
}

KERNEL(series_periods_detect_periods)
{
    (void)call;
    detect(ev, args, sel, out, false);
}

KERNEL(series_periods_detect_scores)
{
    (void)call;
    detect(ev, args, sel, out, true);
}

static void validate(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,
                     const struct wr_sel *sel, struct wr_vec *out, bool scores)
{
    struct wr_series s;
    WR_EACH(sel, row)
    {
        struct wr_period p[WR_PERIODS_MAX];
        uint32_t n = call->nargs - 1;
        if (n > WR_PERIODS_MAX || !wr_series_at(ev, &args[0], row, &s))
            continue;
        for (uint32_t i = 0; i < n; i++)
            p[i] = (struct wr_period){.length = real_arg(call, args, i + 1, row, NAN)};
        ev->err = wr_periods_score(&s, p, n);
        if (ev->err)
            return;
        put_periods(ev, out, row, p, n, scores);
    }
}

KERNEL(series_periods_validate_periods)
{
    validate(ev, call, args, sel, out, false);
}

KERNEL(series_periods_validate_scores)
{
    validate(ev, call, args, sel, out, true);
}

KERNEL(series_seasonal)
{
    struct wr_series s;
    WR_EACH(sel, row)
    {
        int64_t asked = long_arg(call, args, 1, row, -1);
        uint32_t length = 0;
        if (asked < -1 || !wr_series_at(ev, &args[0], row, &s))
            continue;
        struct wr_series season = {.v = wr_arena_alloc(ev->arena, (s.n + 1u) * sizeof *season.v),
                                   .n = s.n};
        ev->err = season.v ? wr_season_length(&s, s.n, asked, 0.7, &length) : WR_ENOMEM;
        if (!ev->err)
            ev->err = wr_season_shape(&s, s.n, length, season.v);
        if (ev->err)
            return;
        wr_series_put(ev, out, row, &season, false);
    }
}

/* ---- season + trend + residual ---- */

enum { AVG, LINEFIT, NONE };

static int trend_of(const struct wr_str *s)
{
    const struct wr_str avg = WR_STR_LIT("avg"), linefit = WR_STR_LIT("linefit"),
                        none = WR_STR_LIT("none");
    return wr_str_eq_nocase(s, &avg)       ? AVG
           : wr_str_eq_nocase(s, &linefit) ? LINEFIT
           : wr_str_eq_nocase(s, &none)    ? NONE
                                           : -1;
}

static bool is_method(const struct wr_str *s)
{
    const struct wr_str tukey = WR_STR_LIT("tukey"), ctukey = WR_STR_LIT("ctukey");
    return wr_str_eq_nocase(s, &tukey) || wr_str_eq_nocase(s, &ctukey);
}

static const void *check(const struct wr_ex *call, uint32_t trend, uint32_t method,
                         const char **ret_why)
{
    if (call->nargs > trend && call->args[trend]->kind == WR_EX_CONST &&
        trend_of(&call->args[trend]->value.s) < 0)
        *ret_why = "the trend is 'avg', 'linefit' or 'none'";
    if (method && call->nargs > method && call->args[method]->kind == WR_EX_CONST &&
        !is_method(&call->args[method]->value.s))
        *ret_why = "a method is 'ctukey' or 'tukey'";
    return NULL;
}

const void *wr_prepare_decompose(struct wr_arena *arena, const struct wr_ex *call,
                                 const char **ret_why)
{
    (void)arena;
    return check(call, 2, 0, ret_why);
}

const void *wr_prepare_anomalies(struct wr_arena *arena, const struct wr_ex *call,
                                 const char **ret_why)
{
    (void)arena;
    return check(call, 3, 5, ret_why);
}

const void *wr_prepare_forecast(struct wr_arena *arena, const struct wr_ex *call,
                                const char **ret_why)
{
    (void)arena;
    return check(call, 3, 0, ret_why);
}

/* Where the arguments stand; 0: the function has it not. */
struct places {
    uint32_t seasonality, trend, test, threshold;
};
static const struct places of_decompose = {1, 2, 3, 4}, of_anomalies = {2, 3, 4, 6},
                           of_forecast = {2, 3, 1, 4};

struct parts {
    struct wr_series x, baseline, seasonal, trend, residual;
    double *memory;
};

static void fit_trend(struct parts *p, uint32_t learn, int kind)
{
    double mx = 0, my = 0, xx = 0, xy = 0, slope = 0;
    uint32_t n = 0;
    const double *x = p->x.v, *seasonal = p->seasonal.v;
    for (uint32_t i = 0; kind != NONE && i < learn; i++)
        if (isfinite(x[i] - seasonal[i])) {
            n++;
            mx += (i - mx) / n;
            my += (x[i] - seasonal[i] - my) / n;
        }
    for (uint32_t i = 0; kind == LINEFIT && i < learn; i++)
        if (isfinite(x[i] - seasonal[i])) {
            xx += (i - mx) * (i - mx);
            xy += (i - mx) * (x[i] - seasonal[i] - my);
        }
    if (xx > 0)
        slope = xy / xx;
    for (uint32_t i = 0; i < p->x.n; i++)
        p->trend.v[i] = my + slope * (i - mx);
}

/* False: nothing to give for this row, or ev->err. */
static bool decompose(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,
                      uint32_t row, const struct places *at, struct parts *ret)
{
    const struct wr_str avg = WR_STR_LIT("avg");
    int64_t asked = long_arg(call, args, at->seasonality, row, -1),
            test = long_arg(call, args, at->test, row, 0);
    int kind = trend_of(call->nargs > at->trend ? &args[at->trend].s[row] : &avg);
    if (kind < 0 || asked < -1 || test < 0 || !wr_series_at(ev, &args[0], row, &ret->x) ||
        test >= ret->x.n)
        return false;
    uint32_t n = ret->x.n, learn = n - (uint32_t)test, length = 0;
    ret->memory = malloc(4 * (size_t)n * sizeof *ret->memory);
    if (!ret->memory) {
        ev->err = WR_ENOMEM;
        return false;
    }
    ret->baseline = (struct wr_series){.v = ret->memory, .n = n};
    ret->seasonal = (struct wr_series){.v = ret->memory + n, .n = n};
    ret->trend = (struct wr_series){.v = ret->memory + 2 * (size_t)n, .n = n};
    ret->residual = (struct wr_series){.v = ret->memory + 3 * (size_t)n, .n = n};
    ev->err = wr_season_length(&ret->x, learn, asked, real_arg(call, args, at->threshold, row, 0.6),
                               &length);
    if (!ev->err)
        ev->err = wr_season_shape(&ret->x, learn, length, ret->seasonal.v);
    if (ev->err) {
        free(ret->memory);
        return false;
    }
    fit_trend(ret, learn, kind);
    for (uint32_t i = 0; i < n; i++) {
        ret->baseline.v[i] = ret->seasonal.v[i] + ret->trend.v[i];
        ret->residual.v[i] = ret->x.v[i] - ret->baseline.v[i];
    }
    return true;
}

#define PART(function, places, part)                                                               \
    KERNEL(function##_##part)                                                                      \
    {                                                                                              \
        struct parts p;                                                                            \
        WR_EACH(sel, row)                                                                          \
        if (decompose(ev, call, args, row, &(places), &p)) {                                       \
            wr_series_put(ev, out, row, &p.part, false);                                           \
            free(p.memory);                                                                        \
        }                                                                                          \
    }
PART(series_decompose, of_decompose, baseline)
PART(series_decompose, of_decompose, seasonal)
PART(series_decompose, of_decompose, trend)
PART(series_decompose, of_decompose, residual)
PART(series_decompose_forecast, of_forecast, baseline)
PART(series_decompose_forecast, of_forecast, seasonal)
PART(series_decompose_forecast, of_forecast, trend)
PART(series_decompose_forecast, of_forecast, residual)
PART(series_decompose_anomalies, of_anomalies, baseline)

/* The score is what series_outliers() says of the residual. */
static void anomalies(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,
                      const struct wr_sel *sel, struct wr_vec *out, bool flags)
{
    const struct wr_str tukey = WR_STR_LIT("tukey");
    struct parts p;
    WR_EACH(sel, row)
    {
        if (call->nargs > 5 && !is_method(&args[5].s[row]))
            continue;
        if (!decompose(ev, call, args, row, &of_anomalies, &p))
            continue;
        bool plain = call->nargs > 5 && wr_str_eq_nocase(&args[5].s[row], &tukey);
        double threshold = real_arg(call, args, 1, row, 1.5);
        ev->err = wr_series_outliers(&p.residual, plain ? 0 : 0.1, plain ? 0 : 0.9, NAN);
        for (uint32_t i = 0; flags && i < p.residual.n; i++)
            p.residual.v[i] = p.residual.v[i] > threshold    ? 1
                              : p.residual.v[i] < -threshold ? -1
                                                             : 0;
        if (!ev->err)
            wr_series_put(ev, out, row, &p.residual, false);
        free(p.memory);
        if (ev->err)
            return;
    }
}

KERNEL(series_decompose_anomalies_ad_flag)
{
    anomalies(ev, call, args, sel, out, true);
}

KERNEL(series_decompose_anomalies_ad_score)
{
    anomalies(ev, call, args, sel, out, false);
}
