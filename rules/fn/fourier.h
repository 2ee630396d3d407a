/* Fourier transforms of series: how a series resembles itself at a distance, and which frequencies
 * it holds. Private to rules/fn. Cost: O(n log n) time, 16 bytes * 4n at most in passing. */
#ifndef WR_RULES_FN_FOURIER_H
#define WR_RULES_FN_FOURIER_H

#include <stdbool.h>
#include <stdint.h>

/* ret[k], k = 0..lags: the sum of x[i] * x[i + k]. False when out of memory. */
bool wr_autocovariance(const double *x, uint32_t n, uint32_t lags, double *ret);
/* ret[k], k = 0..n/2: the power at k turns over the whole series. False when out of memory. */
bool wr_periodogram(const double *x, uint32_t n, double *ret);

#endif
