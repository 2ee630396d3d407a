/* Alerts as JSON lines, to standard output or a file (append).
 *
 * Never waits: a pipe that is full is tried again later, the alerts stay in the store meanwhile. A full disk
 * is counted and tried again. When the reader of standard output has gone (EPIPE) it will not come back: from
 * then on alerts are acknowledged unseen and counted as lost, so that the store does not grow for nobody. */
#ifndef WR_COLLECTOR_SINK_LINES_H
#define WR_COLLECTOR_SINK_LINES_H

#include "base/err.h"
#include "collector/sink/sink.h"

#include <uv.h>

struct wr_store;

/* A sink for the receiver `receiver` (wr_store_receivers). `path` "-" is standard output; else a file, made
 * with mode 0640 when it is not there. `name` as in the store; both are copied. A file that cannot be opened
 * is tried again every second. SIGPIPE must be ignored by the process. NULL when out of memory. */
struct wr_sink *wr_lines_new(uv_loop_t *loop, struct wr_store *store, int64_t receiver, const char *name,
                             const char *path) WR_MUST_CHECK;

#endif
