/* Random queries, each run in every way that there is: stress_queries [N [FIRST_SEED]] (tests/support/query_diff.h). */
#include "tests/support/query_diff.h"

enum { WR_DIFF_RUNS = 1500 };

int main(int argc, char **argv)
{
    unsigned long n = argc > 1 ? strtoul(argv[1], NULL, 10) : WR_DIFF_RUNS, first = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
    struct diff_tally tally = {0};
    for (unsigned long seed = first; seed < first + n; seed++) {
        uint8_t tape[600];
        uint64_t x = seed * UINT64_C(0x9e3779b97f4a7c15);
        for (size_t i = 0; i < sizeof tape; i++) {
            x += UINT64_C(0x9e3779b97f4a7c15);
            uint64_t z = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
            tape[i] = (uint8_t)((z ^ z >> 27) * UINT64_C(0x94d049bb133111eb) >> 56);
        }
        query_diff(tape, sizeof tape, &tally);
    }
    printf("%u queries, %u refused, %u incremental, %u windowed: all ways agree\n", tally.queries, tally.refused, tally.incremental,
           tally.windowed);
    return tally.refused * 3 < tally.queries && tally.incremental * 20 > tally.queries && tally.windowed * 20 > tally.queries ? 0 : 1;
}
