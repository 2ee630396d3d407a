/* Kusto says what a season is good for but not how it finds one. The way here is AUTOPERIOD
 * (Vlachos, Yu, Castelli, "On Periodicity Detection and Structural Periodic Similarity", SDM 2005):
 * each peak of the periodogram says about where a season may be, the autocorrelation says exactly
 * where, and whether.
 *
 *   periodogram    a peak at k turns of n points, with at least the mean power: a season of n/(k+1)
 * to n/(k-1) points autocorrelation   the highest point of that stretch must be a hill: above both
 * of its neighbours score          how far the series resembles itself a season later, and two
 * seasons later where half of the series is long enough: the smaller of the two, not below 0
 *
 * The mean is taken off before, and a straight line if it explains more than a fifth of the
 * variance; missing points stand at it. A multiple of a season counts only where it scores higher.
 * Gives the documented 0.84 for 14 points (and 0 for 10) of "series_periods_detect()" and the
 * seasons of "series_seasonal()", "series_decompose()": tests/unit/rules/fn/test_season.c. Bad at:
 * seasons that the series holds only twice, where the hill stands on few pairs. */
#include "rules/fn/season.h"

#include "rules/fn/fourier.h"

#include <math.h>
#include <stdlib.h>

enum { CANDIDATES_MAX = 256 };

struct likeness {
    uint32_t n, half;
    double *level; /* the series around its level */
    double *r;     /* 0..half: correlation with itself that many points later */
    double *power; /* 0..n/2 */
};

/* The level is a line where that says enough. False when nothing moves. */
static bool take_level(const struct wr_series *s, double *out)
{
    double mx = 0, my = 0, xx = 0, xy = 0, yy = 0;
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n; i++)
        if (isfinite(s->v[i])) {
            n++;
            mx += (i - mx) / n;
            my += (s->v[i] - my) / n;
        }
    for (uint32_t i = 0; i < s->n; i++)
        if (isfinite(s->v[i])) {
            xx += (i - mx) * (i - mx);
            xy += (i - mx) * (s->v[i] - my);
            yy += (s->v[i] - my) * (s->v[i] - my);
        }
    if (!n || !(yy > 1e-18 * (my * my + 1) * n) || !isfinite(yy))
        return false;
    double slope = xy * xy > 0.2 * xx * yy ? xy / xx : 0;
    for (uint32_t i = 0; i < s->n; i++)
        out[i] = isfinite(s->v[i]) ? s->v[i] - my - slope * (i - mx) : 0;
    return true;
}

/* False with `*ret_err` WR_OK: a series too short, or without movement. */
static bool likeness_init(struct likeness *l, const struct wr_series *s, enum wr_err *ret_err)
{
    *ret_err = WR_OK;
    *l = (struct likeness){.n = s->n, .half = s->n / 2};
    if (l->half < WR_PERIOD_MIN)
        return false;
    l->level = calloc(2 * (size_t)s->n + 2, sizeof *l->level);
    if (!l->level) {
        *ret_err = WR_ENOMEM;
        return false;
    }
    l->r = l->level + s->n;
    l->power = l->r + l->half + 1;
    if (take_level(s, l->level)) {
        if (wr_autocovariance(l->level, l->n, l->half, l->r) &&
            wr_periodogram(l->level, l->n, l->power)) {
            for (uint32_t k = l->half + 1; k-- > 0;)
                l->r[k] = l->r[k] / l->r[0] * l->n / (l->n - k);
            return true;
        }
        *ret_err = WR_ENOMEM;
    }
    free(l->level);
    return false;
}

static double score(const struct likeness *l, uint32_t length)
{
    if (length < WR_PERIOD_MIN || length > l->half)
        return 0;
    double r = l->r[length];
    if (2 * length <= l->half)
        r = fmin(r, l->r[2 * length]);
    return fmin(fmax(r, 0), 1);
}

/* The hill near n/k points, or 0. */
static uint32_t hill(const struct likeness *l, uint32_t k)
{
    double n = l->n;
    double from = ceil((n / (k + 1) + n / k) / 2 - 1),
           to = k > 1 ? floor((n / k + n / (k - 1)) / 2 + 1) : l->half;
    uint32_t best = 0;
    for (uint32_t p = (uint32_t)fmax(from, WR_PERIOD_MIN); p <= to && p < l->half; p++)
        if (!best || l->r[p] > l->r[best])
            best = p;
    return best && l->r[best] > l->r[best - 1] && l->r[best] >= l->r[best + 1] ? best : 0;
}

static int by_score(const void *a, const void *b)
{
    const struct wr_period *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return (x->length > y->length) - (x->length < y->length);
}

/* One season and its double are one: the better or, of equals, the shorter one stands for both. */
static bool known(const struct wr_period *found, uint32_t n, double length)
{
    for (uint32_t i = 0; i < n; i++) {
        double times = round(length / found[i].length);
        if (times >= 1 && fabs(length - times * found[i].length) <= 1)
            return true;
    }
    return false;
}

static uint32_t candidates(const struct likeness *l, double least, double most,
                           struct wr_period *ret)
{
    double mean = 0;
    uint32_t n = 0;
    for (uint32_t k = 1; k <= l->half; k++)
        mean += (l->power[k] - mean) / k;
    for (uint32_t k = 1; k <= l->half && n < CANDIDATES_MAX; k++) {
        if (l->power[k] < mean || (k > 1 && l->power[k] < l->power[k - 1]) ||
            (k < l->half && l->power[k] < l->power[k + 1]))
            continue;
        uint32_t length = hill(l, k);
        if (length >= least && length <= most && length && score(l, length) > 0)
            ret[n++] = (struct wr_period){length, score(l, length)};
    }
    return n;
}

enum wr_err wr_periods_find(const struct wr_series *s, double least, double most, uint32_t room,
                            struct wr_period *ret, uint32_t *ret_n)
{
    struct wr_period all[CANDIDATES_MAX];
    struct likeness l;
    enum wr_err err;
    *ret_n = 0;
    if (!likeness_init(&l, s, &err))
        return err;
    uint32_t n = candidates(&l, least, most, all);
    free(l.level);
    qsort(all, n, sizeof *all, by_score);
    for (uint32_t i = 0; i < n && *ret_n < room; i++)
        if (!known(ret, *ret_n, all[i].length))
            ret[(*ret_n)++] = all[i];
    return WR_OK;
}

enum wr_err wr_periods_score(const struct wr_series *s, struct wr_period *periods, uint32_t n)
{
    struct likeness l;
    enum wr_err err;
    bool some = likeness_init(&l, s, &err);
    for (uint32_t i = 0; i < n; i++) {
        double length = periods[i].length;
        bool within = some && length >= WR_PERIOD_MIN && length <= s->n / 2.0;
        periods[i].score = within ? score(&l, (uint32_t)round(length)) : 0;
    }
    if (some)
        free(l.level);
    return err;
}

enum wr_err wr_season_length(const struct wr_series *s, uint32_t learn, int64_t asked,
                             double threshold, uint32_t *ret_length)
{
    struct wr_series known_part = {.v = s->v, .n = learn};
    struct wr_period best;
    uint32_t n;
    *ret_length = asked > 0 ? (uint32_t)(asked < s->n ? asked : s->n) : 0;
    if (asked >= 0)
        return WR_OK;
    enum wr_err err = wr_periods_find(&known_part, WR_PERIOD_MIN, learn, 1, &best, &n);
    if (!err && n && best.score >= threshold)
        *ret_length = (uint32_t)best.length;
    return err;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

enum wr_err wr_season_shape(const struct wr_series *s, uint32_t learn, uint32_t length, double *to)
{
    for (uint32_t i = 0; !length && i < s->n; i++)
        to[i] = 0;
    if (!length)
        return WR_OK;
    double *same = malloc((learn / length + 1u) * sizeof *same);
    if (!same)
        return WR_ENOMEM;
    for (uint32_t phase = 0; phase < length && phase < s->n; phase++) {
        uint32_t n = 0;
        for (uint32_t i = phase; i < learn; i += length)
            if (isfinite(s->v[i]))
                same[n++] = s->v[i];
        qsort(same, n, sizeof *same, ascending);
        double median = n ? (same[(n - 1) / 2] + same[n / 2]) / 2 : NAN;
        for (uint32_t i = phase; i < s->n; i += length)
            to[i] = median;
    }
    free(same);
    return WR_OK;
}
