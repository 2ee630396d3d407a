/* Random numbers that a seed repeats (SplitMix64). */
#ifndef TESTS_RULES_STREAM_ROLL_H
#define TESTS_RULES_STREAM_ROLL_H

#include <stdint.h>

static uint64_t prng; /* set it to the seed */

/* 0..n-1 */
static inline uint32_t roll(uint32_t n)
{
    prng += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = prng;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)((z ^ z >> 31) % n);
}

#endif
