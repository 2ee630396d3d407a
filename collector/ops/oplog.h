/* The daemon's own log: one logfmt line a message on standard error.
 *
 *   2026-01-05T08:12:13.600Z level=warn msg="cannot bind" listen=2055 error="Address already in use"
 *
 * Values are escaped, so that nothing from a message reaches a terminal or forges a line. Every distinct
 * `msg` may speak 20 times, then twice a second; what was left out is in the next line's suppressed=N. Any
 * thread. */
#ifndef WR_COLLECTOR_OPS_OPLOG_H
#define WR_COLLECTOR_OPS_OPLOG_H

#include "base/buf.h"

#include <stdint.h>

enum wr_oplog_level { WR_OPLOG_ERROR, WR_OPLOG_WARN, WR_OPLOG_INFO };

/* `msg` is static text; then pairs of key and value (const char *), ended by NULL. */
void wr_oplog(enum wr_oplog_level level, const char *msg, ...) __attribute__((sentinel));
/* One pair whose value is formatted: wr_oplog(.., "n", wr_fmt(&(struct wr_fmt){0}, "%u", n), NULL). */
struct wr_fmt {
    char text[256];
};
const char *wr_fmt(struct wr_fmt *fmt, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define WR_FMT(...) wr_fmt(&(struct wr_fmt){0}, __VA_ARGS__)

/* Lines written and left out since the start. */
struct wr_oplog_stats {
    uint64_t lines, suppressed;
};
struct wr_oplog_stats wr_oplog_stats(void);

/* The line itself, for tests: `values` as above, as an array of pairs. */
void wr_oplog_format(struct wr_buf *out, int64_t now_ns, enum wr_oplog_level level, const char *msg,
                     const char *const *pairs, uint64_t suppressed);

#endif
