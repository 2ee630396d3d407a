/* Cooley-Tukey for powers of two, and Bluestein's way to any length: k*i = (k*k + i*i -
 * (k-i)*(k-i)) / 2 makes a transform of n points a convolution with a chirp, which the next power
 * of two computes. Sources: Cooley, Tukey 1965; Bluestein 1970; Wiener-Khinchin for the
 * autocovariance (padded, so that the ends do not meet). */
#include "rules/fn/fourier.h"

#include <math.h>
#include <stdlib.h>

static const double pi = 3.14159265358979323846;

struct point {
    double re, im;
};

static uint32_t power_of_two(uint32_t least)
{
    uint32_t n = 1;
    while (n < least)
        n *= 2;
    return n;
}

static struct point times(struct point a, struct point b)
{
    return (struct point){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

/* `n` is a power of two; `turns` has exp(-2 pi i k / n) for k < n/2. */
static void transform(struct point *x, uint32_t n, const struct point *turns)
{
    for (uint32_t i = 1, j = 0; i < n; i++) {
        uint32_t bit = n / 2;
        for (; j & bit; bit /= 2)
            j ^= bit;
        j ^= bit;
        if (i < j) {
            struct point t = x[i];
            x[i] = x[j];
            x[j] = t;
        }
    }
    for (uint32_t len = 2; len <= n; len *= 2)
        for (uint32_t at = 0; at < n; at += len)
            for (uint32_t k = 0; k < len / 2; k++) {
                struct point *a = &x[at + k], *b = &x[at + k + len / 2],
                             t = times(*b, turns[k * (n / len)]);
                *b = (struct point){a->re - t.re, a->im - t.im};
                *a = (struct point){a->re + t.re, a->im + t.im};
            }
}

static void make_turns(struct point *turns, uint32_t n)
{
    for (uint32_t k = 0; k < n / 2; k++)
        turns[k] = (struct point){cos(2 * pi * k / n), -sin(2 * pi * k / n)};
}

bool wr_autocovariance(const double *x, uint32_t n, uint32_t lags, double *ret)
{
    uint32_t size = power_of_two(n + lags + 1);
    struct point *a = calloc((size_t)size + size / 2, sizeof *a), *turns = a + size;
    if (!a)
        return false;
    make_turns(turns, size);
    for (uint32_t i = 0; i < n; i++)
        a[i].re = x[i];
    transform(a, size, turns);
    for (uint32_t i = 0; i < size; i++)
        a[i] = (struct point){a[i].re * a[i].re + a[i].im * a[i].im, 0};
    transform(a, size, turns); /* of an even function: the same forth and back */
    for (uint32_t k = 0; k <= lags; k++)
        ret[k] = a[k].re / size;
    free(a);
    return true;
}

bool wr_periodogram(const double *x, uint32_t n, double *ret)
{
    uint32_t size = power_of_two(2 * n);
    struct point *a = calloc(2 * (size_t)size + size / 2 + n, sizeof *a), *b = a + size,
                 *turns = b + size, *chirp = turns + size / 2;
    if (!a)
        return false;
    make_turns(turns, size);
    for (uint32_t i = 0; i < n; i++) {
        double angle = pi * (double)((uint64_t)i * i % (2 * (uint64_t)n)) / n;
        chirp[i] = (struct point){cos(angle), -sin(angle)};
        a[i] = (struct point){x[i] * chirp[i].re, x[i] * chirp[i].im};
        b[i] = b[i ? size - i : 0] = (struct point){chirp[i].re, -chirp[i].im};
    }
    transform(a, size, turns);
    transform(b, size, turns);
    for (uint32_t i = 0; i < size; i++) { /* conjugate: the way back with the way forth */
        a[i] = times(a[i], b[i]);
        a[i].im = -a[i].im;
    }
    transform(a, size, turns);
    for (uint32_t k = 0; k <= n / 2; k++)
        ret[k] = (a[k].re * a[k].re + a[k].im * a[k].im) /
                 ((double)size * size); /* the chirp's length is one */
    free(a);
    return true;
}
