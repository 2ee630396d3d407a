#include "collector/pipeline/ring.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 64, SKIP = UINT32_MAX };

struct head {
    uint32_t len, type;
    int64_t arrival_ns;
};
_Static_assert(sizeof(struct head) == 16,
               "messages are aligned to their header: one always fits before the end");

struct wr_ring {
    _Alignas(LINE) _Atomic size_t
        head; /* written by the producer; counts bytes, never wraps in practice (64 bits) */
    size_t tail_seen;
    _Alignas(LINE) _Atomic size_t tail; /* written by the consumer */
    size_t head_seen;
    atomic_bool attended; /* written by the consumer, rarely */
    _Alignas(LINE) size_t mask;
    uint8_t *bytes;
};

static size_t stored(size_t len)
{
    return sizeof(struct head) + ((len + 15) & ~(size_t)15);
}

struct wr_ring *wr_ring_new(size_t bytes)
{
    WR_ASSERT(bytes >= 4096 && (bytes & (bytes - 1)) == 0);
    struct wr_ring *ring = aligned_alloc(LINE, sizeof *ring);
    if (!ring)
        return NULL;
    memset(ring, 0, sizeof *ring);
    ring->mask = bytes - 1;
    ring->bytes = aligned_alloc(LINE, bytes);
    if (!ring->bytes) {
        free(ring);
        return NULL;
    }
    return ring;
}

void wr_ring_free(struct wr_ring *ring)
{
    if (!ring)
        return;
    free(ring->bytes);
    free(ring);
}

size_t wr_ring_max(const struct wr_ring *ring)
{
    return (ring->mask + 1) / 2 - sizeof(struct head);
}

/* Free bytes as the producer may use them; asks the consumer's line only when `want` does not fit what it
 * knew. */
static size_t producer_free(struct wr_ring *ring, size_t head, size_t want)
{
    size_t size = ring->mask + 1;
    if (size - (head - ring->tail_seen) < want)
        ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
    return size - (head - ring->tail_seen);
}

bool wr_ring_push(struct wr_ring *ring, const struct wr_input *input)
{
    if (input->len > wr_ring_max(ring))
        return false;
    size_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    size_t need = stored(input->len);
    size_t to_end = ring->mask + 1 - (head & ring->mask);
    size_t skip = need > to_end ? to_end : 0;
    if (producer_free(ring, head, skip + need) < skip + need)
        return false;
    if (skip) {
        struct head mark = {.len = (uint32_t)(skip - sizeof mark), .type = SKIP};
        memcpy(ring->bytes + (head & ring->mask), &mark, sizeof mark);
        head += skip;
    }
    struct head mark = {.len = input->len, .type = input->type, .arrival_ns = input->arrival_ns};
    uint8_t *at = ring->bytes + (head & ring->mask);
    memcpy(at, &mark, sizeof mark);
    if (input->len)
        memcpy(at + sizeof mark, input->bytes, input->len);
    atomic_store_explicit(&ring->head, head + need, memory_order_release);
    return true;
}

size_t wr_ring_room(struct wr_ring *ring)
{
    size_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    size_t left = producer_free(ring, head, ring->mask + 1);
    size_t to_end = ring->mask + 1 - (head & ring->mask);
    size_t best = left < to_end ? left : to_end; /* before the end, or behind it */
    if (left > to_end && left - to_end > best)
        best = left - to_end;
    if (best > wr_ring_max(ring) + sizeof(struct head))
        return wr_ring_max(ring);
    return best > sizeof(struct head) ? best - sizeof(struct head) : 0;
}

bool wr_ring_peek(struct wr_ring *ring, struct wr_input *ret_input)
{
    for (;;) {
        size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
        if (tail == ring->head_seen) {
            ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
            if (tail == ring->head_seen)
                return false;
        }
        struct head mark;
        const uint8_t *at = ring->bytes + (tail & ring->mask);
        memcpy(&mark, at, sizeof mark);
        if (mark.type != (uint32_t)SKIP) {
            *ret_input = (struct wr_input){mark.type, mark.len, mark.arrival_ns, at + sizeof mark};
            return true;
        }
        atomic_store_explicit(&ring->tail, tail + sizeof mark + mark.len, memory_order_release);
    }
}

void wr_ring_pop(struct wr_ring *ring)
{
    size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    struct head mark;
    memcpy(&mark, ring->bytes + (tail & ring->mask), sizeof mark);
    atomic_store_explicit(&ring->tail, tail + stored(mark.len), memory_order_release);
}

size_t wr_ring_given(const struct wr_ring *ring)
{
    return atomic_load_explicit(&ring->head, memory_order_relaxed);
}

size_t wr_ring_taken(const struct wr_ring *ring)
{
    return atomic_load_explicit(&ring->tail, memory_order_relaxed);
}

size_t wr_ring_depth(const struct wr_ring *ring)
{
    size_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    return atomic_load_explicit(&ring->head, memory_order_acquire) - tail;
}

/* The fences pair: either the producer sees that nobody attends any more, or the consumer's next look sees
 * the message. */
void wr_ring_attend(struct wr_ring *ring, bool attended)
{
    atomic_store_explicit(&ring->attended, attended, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
    ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
}

bool wr_ring_must_wake(struct wr_ring *ring)
{
    atomic_thread_fence(memory_order_seq_cst);
    return !atomic_load_explicit(&ring->attended, memory_order_relaxed) ||
           wr_ring_depth(ring) > (ring->mask + 1) / 4;
}
