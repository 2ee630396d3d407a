#ifndef WR_COLLECTOR_CLI_AHEAD_H
#define WR_COLLECTOR_CLI_AHEAD_H

#include "parsers/log/log.h"

/* Lines of one file parsed ahead by a thread for each processor, for `weir query`: the file is cut at line ends into slices,
 * each is framed and parsed as if it stood alone, and the rows come out in the file's order, the same as one thread would
 * have made them.
 *
 *   slice 0 | slice 1 | slice 2 ...     workers take the next one while at most SLOTS are not handed on
 *
 * That holds where every slice ends between two frames and no record asks what an earlier one said (mappings with
 * lookups). A slice for which it does not hold is thrown away, and the caller reads on from its start by itself. */
struct wr_ahead;
struct wr_ahead_opts {
    const uint8_t *data; /* borrowed */
    size_t at, len;
    struct wr_framing framing; /* of a reader that stands at `at` */
    int64_t time_ns;           /* of lines that tell none */
    /* A parser for one thread, with its scans; empty batches for its rows. NULL, false: out of memory. */
    struct wr_log *(*log)(const void *ctx);
    bool (*rows)(const void *ctx, struct wr_rows *rows);
    const void *ctx;
};
/* NULL: out of memory, or there is one processor only. */
struct wr_ahead *wr_ahead_new(const struct wr_ahead_opts *opts);
void wr_ahead_free(struct wr_ahead *ahead);
/* Takes the place of `rows` with the next rows, parsed in their order; false at the end of what could be parsed ahead, or
 * when memory ran out (*ret_err). */
bool wr_ahead_next(struct wr_ahead *ahead, struct wr_rows *rows, enum wr_err *ret_err);
/* After the end: where the caller reads on. Lines handed on, and those of them that no mapping could take. */
size_t wr_ahead_at(const struct wr_ahead *ahead);
uint64_t wr_ahead_lines(const struct wr_ahead *ahead);
uint64_t wr_ahead_rejected(const struct wr_ahead *ahead);

#endif
