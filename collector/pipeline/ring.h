/* Bounded ring of messages between one producer thread and one consumer thread: a worker and the owner of the
 * state.
 *
 *   tail (consumer)          head (producer)
 *     v                        v
 *   [ . . |h payload|h payload| . . . . ]       h: 16 bytes {length, type, arrival}
 *
 * Messages are contiguous, so a reader needs no copy; one that does not fit before the end of the memory
 * starts again at its beginning, behind a skip mark. Each side keeps the other's index cached and on cache
 * lines of its own: the lines only travel when the ring looks full or empty.
 *
 * Threads    push, room, must_wake: producer. peek, pop, attend: consumer. depth: any, a moment's estimate.
 * Failure    push returns false when there is no room: nothing was written, the caller counts or waits. */
#ifndef WR_COLLECTOR_PIPELINE_RING_H
#define WR_COLLECTOR_PIPELINE_RING_H

#include "base/err.h"
#include "collector/pipeline/input.h"

#include <stdbool.h>
#include <stddef.h>

struct wr_ring;

/* `bytes` is a power of two, at least 4096. Owned; NULL when out of memory. */
struct wr_ring *wr_ring_new(size_t bytes) WR_MUST_CHECK;
void wr_ring_free(struct wr_ring *ring);
/* The longest payload that always fits into an empty ring: half of it, less a header. */
size_t wr_ring_max(const struct wr_ring *ring);

bool wr_ring_push(struct wr_ring *ring, const struct wr_input *input) WR_MUST_CHECK;
/* Bytes that could be pushed now as one message; 0 when full. */
size_t wr_ring_room(struct wr_ring *ring);

/* The oldest message; its bytes are borrowed until wr_ring_pop. False when the ring is empty. */
bool wr_ring_peek(struct wr_ring *ring, struct wr_input *ret_input);
void wr_ring_pop(struct wr_ring *ring);

size_t wr_ring_depth(const struct wr_ring *ring); /* bytes in use */

/* Where the producer stands, and the consumer: what was pushed before the first read `given` is popped when `taken` has
 * reached it. */
size_t wr_ring_given(const struct wr_ring *ring);
size_t wr_ring_taken(const struct wr_ring *ring);

/* Waking the consumer costs both sides more than a message does. A consumer that will look again by itself,
 * soon, says so; the producer asks before it wakes. After `attended` has become false the consumer must look
 * once more: then no message is left lying. */
void wr_ring_attend(struct wr_ring *ring, bool attended);
/* Producer: must the consumer be woken? Also when it looks by itself but a quarter of the ring is in use. */
bool wr_ring_must_wake(struct wr_ring *ring);

#endif
