/* The beta distribution and the gamma function. The incomplete beta function by its continued
 * fraction, with the modified Lentz method. Source: Kusto "beta_cdf()" and its kin; NIST Digital
 * Library of Mathematical Functions, 8.17. */
#include "rules/fn/kernel.h"

#include <math.h>

enum { STEPS_MAX = 1000 };

#define KERNEL(name)                                                                               \
    void wr_k_##name(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,      \
                     const struct wr_sel *sel, struct wr_vec *out)

static double log_gamma(double x)
{
    int sign;
    return lgamma_r(x, &sign);
}

static double log_beta(double a, double b)
{
    return log_gamma(a) + log_gamma(b) - log_gamma(a + b);
}

static double away_from_0(double x)
{
    return fabs(x) < 1e-300 ? 1e-300 : x;
}

static double fraction(double x, double a, double b)
{
    double c = 1, d = 1 / away_from_0(1 - (a + b) * x / (a + 1)), f = d;
    for (int m = 1; m <= STEPS_MAX; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        d = 1 / away_from_0(1 + even * d);
        c = away_from_0(1 + even / c);
        f *= d * c;
        d = 1 / away_from_0(1 + odd * d);
        c = away_from_0(1 + odd / c);
        f *= d * c;
        if (fabs(d * c - 1) < 1e-16)
            break;
    }
    return f;
}

static double cdf(double x, double a, double b)
{
    if (!(a > 0 && b > 0 && x >= 0 && x <= 1))
        return NAN;
    if (x <= 0 || x >= 1)
        return x <= 0 ? 0 : 1;
    double front = exp(a * log(x) + b * log1p(-x) - log_beta(a, b));
    return x < (a + 1) / (a + b + 2) ? front * fraction(x, a, b) / a
                                     : 1 - front * fraction(1 - x, b, a) / b;
}

static double pdf(double x, double a, double b)
{
    if (!(a > 0 && b > 0 && x >= 0 && x <= 1))
        return NAN;
    return exp((a - 1) * log(x) + (b - 1) * log1p(-x) - log_beta(a, b));
}

/* Halves the interval until it is one number wide. */
static double inverse(double p, double a, double b)
{
    double low = 0, high = 1;
    if (!(a > 0 && b > 0))
        return NAN;
    for (int i = 0; i < 1100; i++) {
        double mid = (low + high) / 2;
        if (mid <= low || mid >= high)
            break;
        if (cdf(mid, a, b) < p)
            low = mid;
        else
            high = mid;
    }
    return high;
}

KERNEL(beta_cdf)
{
    (void)ev, (void)call;
    WR_EACH(sel, row)
    wr_put_r(out, row, cdf(args[0].r[row], args[1].r[row], args[2].r[row]));
}

KERNEL(beta_pdf)
{
    (void)ev, (void)call;
    WR_EACH(sel, row)
    wr_put_r(out, row, pdf(args[0].r[row], args[1].r[row], args[2].r[row]));
}

/* Null for what is no probability. */
KERNEL(beta_inv)
{
    (void)ev, (void)call;
    WR_EACH(sel, row)
    if (args[0].r[row] >= 0 && args[0].r[row] <= 1)
        wr_put_r(out, row, inverse(args[0].r[row], args[1].r[row], args[2].r[row]));
}

KERNEL(gamma)
{
    (void)ev, (void)call;
    WR_EACH(sel, row)
    wr_put_r(out, row, tgamma(args[0].r[row]));
}

KERNEL(loggamma)
{
    (void)ev, (void)call;
    WR_EACH(sel, row)
    wr_put_r(out, row, log_gamma(args[0].r[row]));
}
