/* What the benchmarks of the rule engine share: the thread's own time (other load does not count), random numbers, connections as DeviceNetworkEvents. */
#ifndef WR_TESTS_BENCH_ROWS_H
#define WR_TESTS_BENCH_ROWS_H

#include "base/batch.h"
#include "base/ticks.h"

#include <stdlib.h>
#include <time.h>

static uint64_t bench_state = 1;

static inline uint32_t bench_roll(uint32_t n)
{
    bench_state = bench_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(((bench_state >> 32) * n) >> 32);
}

static inline double bench_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static inline int bench_by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* `head` (at most 80 bytes) and a number; at most 12 bytes keep making rows cheap beside what is measured. */
static inline void bench_text(struct wr_batch *b, uint16_t col, uint32_t row, const char *head, uint32_t n)
{
    char text[96], digit[10];
    size_t len = strlen(head), k = 0;
    memcpy(text, head, len);
    do
        digit[k++] = (char)('0' + n % 10);
    while ((n /= 10) != 0);
    while (k)
        text[len++] = digit[--k];
    if (!wr_batch_set_str(b, col, row, text, len))
        abort();
}

/* Rows of `groups` connections' keys in random order: device, account and address follow from the group's number. Times
 * lie within `spread` ticks before `now`, ids ascend. */
static inline void bench_fill(struct wr_batch *b, uint32_t rows, uint32_t groups, int64_t now, uint32_t spread)
{
    static int64_t id;
    if (!wr_batch_reset(b))
        abort();
    for (uint32_t i = 0; i < rows; i++) {
        uint32_t r = wr_batch_row(b), g = bench_roll(groups);
        wr_batch_set_i64(b, WR_DNE_Timestamp, r, now - (int64_t)bench_roll(spread));
        wr_batch_set_i64(b, WR_DNE_SentBytes, r, bench_roll(100000));
        wr_batch_set_i64(b, WR_DNE_InitiatingProcessId, r, bench_roll(5000));
        wr_batch_set_i64(b, WR_DNE_RemotePort, r, g % 3 ? 587 : 25);
        wr_batch_set_i64(b, WR_DNE__RowId, r, ++id);
        bench_text(b, WR_DNE_DeviceName, r, "ws-", g / 4);
        bench_text(b, WR_DNE_RemoteIP, r, "192.0.2.", g % 4);
        bench_text(b, WR_DNE_InitiatingProcessFileName, r, "python", 3);
        bench_text(b, WR_DNE_Protocol, r, "Tcp", 4);
        bench_text(b, WR_DNE_LocalIP, r, "10.1.2.", bench_roll(3));
        bench_text(b, WR_DNE_InitiatingProcessAccountName, r, "user", g / 4);
    }
    wr_batch_seal(b);
}

#endif
