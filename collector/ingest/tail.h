#ifndef WR_COLLECTOR_INGEST_TAIL_H
#define WR_COLLECTOR_INGEST_TAIL_H

#include "collector/config/config.h"
#include "collector/state/filepos.h"
#include "parsers/log/log.h"

/* The files that the configuration names (`files:`), on one worker: looks for them, reads what is
 * new, hands it on together with how far it was read.
 *
 *   pattern --glob--> file --tail_file--> messages --> rows --+--> ring, one input (WR_INPUT_FILE)
 *                                                  position --+
 *
 * A file that was renamed is read on under its old name until it was silent for 30 s, one that weir
 * knew before its start is looked for by its inode. A full ring: files wait. What stops a file is
 * said once.
 *
 * Threads    the worker's; the functions below with its lock held. */
struct wr_tail;
struct wr_worker;

/* NULL: no memory. `known` is copied. */
struct wr_tail *wr_tail_new(struct wr_worker *worker,
                            const struct wr_fileposs *known) WR_MUST_CHECK;
void wr_tail_stop(struct wr_tail *tail);   /* closes files and handles, before the loop ends */
void wr_tail_resume(struct wr_tail *tail); /* there is room in the ring again */
void wr_tail_free(struct wr_tail *tail);   /* NULL: nothing; the loop has ended */

void wr_tail_framing_sum(const struct wr_tail *tail, struct wr_framing *ret_sum);
/* Of one listener: files that are open, and bytes in them that were not read yet. */
void wr_tail_behind(const struct wr_tail *tail, const struct wr_listen *at, uint64_t *ret_files,
                    uint64_t *ret_bytes);

#endif
