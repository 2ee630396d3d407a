/* Memory in which the streams and windows of one engine work, one after the other: with one for all
 * of them hundreds of rules find it in the cache, and each holds no more than its state. Nothing in
 * it lasts from one call of a stream or window to the next. */
#ifndef WR_RULES_SHARE_SCRATCH_H
#define WR_RULES_SHARE_SCRATCH_H

#include "base/arena.h"
#include "rules/exec/key.h"

/* Pieces for which a user asks by size. */
enum wr_scratch_piece { WR_SCRATCH_BLOCK, WR_SCRATCH_FEW, WR_SCRATCH_CODED, WR_SCRATCH_NARROW, WR_SCRATCH_PIECES };

struct wr_scratch {
    struct wr_arena *batch, *row; /* while a batch is at hand; while one group is */
    struct wr_arena *shared;      /* while a batch is in the hands of several, one after the other */
    struct wr_packed_keys keys;   /* of a block of rows */
    struct wr_scratch_area *area[WR_SCRATCH_PIECES];
};

/* Owned by the engine, whose streams and windows borrow it; of one thread. NULL when out of memory.
 */
struct wr_scratch *wr_scratch_new(void);
void wr_scratch_free(struct wr_scratch *scratch);
/* At least `size` bytes with any content, which stay where they are as long as the scratch does,
 * and are others' as well. NULL when out of memory. */
void *wr_scratch_take(struct wr_scratch *scratch, enum wr_scratch_piece piece, size_t size);

#endif
