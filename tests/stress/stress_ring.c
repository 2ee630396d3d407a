/* One producer, one consumer, messages of every size up to the largest: each arrives once, whole, in order.
 * Plain main, because Criterion aborts under the thread sanitizer. */
#include "base/schema.h"
#include "collector/pipeline/ring.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RING_BYTES = 1 << 16, MESSAGES = 200000 };

static uint32_t size_of(uint64_t i, size_t max)
{
    uint64_t x = i * UINT64_C(0x9e3779b97f4a7c15);
    x ^= x >> 29;
    return (uint32_t)(i % 1000 == 0 ? max : x % 300); /* mostly small, now and then the largest */
}

static void *produce(void *arg)
{
    struct wr_ring *ring = arg;
    size_t max = wr_ring_max(ring);
    uint8_t *bytes = malloc(max);
    if (!bytes)
        abort();
    for (uint64_t i = 0; i < MESSAGES; i++) {
        uint32_t len = size_of(i, max);
        memset(bytes, (int)(i & 0xff), len);
        struct wr_input in = {.type = wr_input_row(WR_TABLE_DEVICE_NETWORK_EVENTS), .len = len, .arrival_ns = (int64_t)i, .bytes = bytes};
        while (!wr_ring_push(ring, &in))
            sched_yield();
    }
    free(bytes);
    return NULL;
}

int main(void)
{
    struct wr_ring *ring = wr_ring_new(RING_BYTES);
    pthread_t producer;
    if (!ring || pthread_create(&producer, NULL, produce, ring) != 0)
        return 1;
    size_t max = wr_ring_max(ring);
    int bad = 0;
    for (uint64_t i = 0; i < MESSAGES && !bad;) {
        struct wr_input in;
        if (!wr_ring_peek(ring, &in)) {
            sched_yield();
            continue;
        }
        const uint8_t *at = in.bytes;
        bad = in.arrival_ns != (int64_t)i || in.len != size_of(i, max) || in.type != wr_input_row(WR_TABLE_DEVICE_NETWORK_EVENTS);
        for (uint32_t k = 0; k < in.len && !bad; k++)
            bad = at[k] != (uint8_t)i;
        if (bad)
            fprintf(stderr, "message %llu is not what was sent\n", (unsigned long long)i);
        wr_ring_pop(ring);
        i++;
    }
    if (bad)
        return 1; /* the producer may still wait for room: no join */
    pthread_join(producer, NULL);
    bad = wr_ring_depth(ring) != 0;
    wr_ring_free(ring);
    if (!bad)
        printf("%d messages, in order\n", MESSAGES);
    return bad;
}
