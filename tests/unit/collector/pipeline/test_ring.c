#include "collector/pipeline/ring.h"

#include <criterion/criterion.h>
#include <string.h>

static bool push(struct wr_ring *ring, uint32_t len, int64_t n)
{
    static uint8_t bytes[4096];
    memset(bytes, (int)n, sizeof bytes);
    struct wr_input in = {.type = WR_INPUT_ROW, .len = len, .arrival_ns = n, .bytes = bytes};
    return wr_ring_push(ring, &in);
}

Test(ring, refuses_when_full_and_loses_nothing)
{
    struct wr_ring *ring = wr_ring_new(4096);
    int64_t pushed = 0, popped = 0;
    while (push(ring, 100, pushed))
        pushed++;
    cr_assert_eq(pushed, 4096 / 128);
    cr_assert_eq(wr_ring_room(ring), 0);
    struct wr_input in;
    while (wr_ring_peek(ring, &in)) {
        cr_assert_eq(in.arrival_ns, popped);
        cr_assert_eq(((const uint8_t *)in.bytes)[99], (uint8_t)popped);
        wr_ring_pop(ring);
        popped++;
    }
    cr_assert_eq(popped, pushed);
    cr_assert_eq(wr_ring_depth(ring), 0);
    wr_ring_free(ring);
}

Test(ring, longest_message_fits_wherever_an_empty_ring_stands)
{
    struct wr_ring *ring = wr_ring_new(4096);
    uint32_t max = (uint32_t)wr_ring_max(ring);
    for (int64_t i = 0; i < 300; i++) {
        struct wr_input in;
        cr_assert(push(ring, (uint32_t)(i * 7 % 100), i));
        cr_assert(wr_ring_peek(ring, &in));
        wr_ring_pop(ring);
        cr_assert_eq(wr_ring_room(ring), max, "at step %d", (int)i);
        cr_assert(push(ring, max, i), "at step %d", (int)i);
        cr_assert(wr_ring_peek(ring, &in));
        cr_assert_eq(in.len, max);
        wr_ring_pop(ring);
    }
    cr_assert_not(push(ring, max + 1, 0));
    wr_ring_free(ring);
}

Test(ring, room_never_promises_too_much)
{
    struct wr_ring *ring = wr_ring_new(4096);
    struct wr_input in;
    for (uint32_t i = 0; i < 5000; i++) {
        size_t room = wr_ring_room(ring);
        if (room)
            cr_assert(push(ring, (uint32_t)(room < 40 + i % 200 ? room : 40 + i % 200), i));
        if (i % 3 && wr_ring_peek(ring, &in))
            wr_ring_pop(ring);
    }
    wr_ring_free(ring);
}

Test(ring, who_looks_again_by_itself_is_not_woken_until_a_quarter_is_full)
{
    struct wr_ring *ring = wr_ring_new(4096);
    cr_assert(push(ring, 100, 0));
    cr_assert(wr_ring_must_wake(ring), "nobody looks");
    wr_ring_attend(ring, true);
    cr_assert_not(wr_ring_must_wake(ring));
    while (wr_ring_depth(ring) <= 1024) {
        cr_assert_not(wr_ring_must_wake(ring));
        cr_assert(push(ring, 100, 0));
    }
    cr_assert(wr_ring_must_wake(ring), "the ring fills");
    wr_ring_attend(ring, false);
    struct wr_input in;
    while (wr_ring_peek(ring, &in))
        wr_ring_pop(ring);
    cr_assert(wr_ring_must_wake(ring));
    wr_ring_free(ring);
}
