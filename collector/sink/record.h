/* An alert's JSON as a msgpack record: what a Forward receiver sees is what `weir alerts` prints, by
 * construction.
 *
 * Maps and arrays keep their order; numbers without fraction and exponent that fit int64 become integers,
 * others float64; text stays text. No bin, no ext, no integer above int64, keys are str: the subset every
 * receiver takes. */
#ifndef WR_COLLECTOR_SINK_RECORD_H
#define WR_COLLECTOR_SINK_RECORD_H

#include "base/buf.h"

/* Deeper values become the text of their JSON. */
enum { WR_RECORD_DEPTH = 32 };

/* Appends the record of one JSON value to `out`. WR_EINVAL when `json` is not one, WR_ENOMEM; then `out` is
 * as before. */
enum wr_err wr_record_json(const char *json, size_t len, struct wr_buf *out) WR_MUST_CHECK;

/* Appends a Forward entry: [EventTime, record]. Seconds are cut to 1970..2106, which is all that EventTime
 * holds. */
enum wr_err wr_record_entry(int64_t ticks, const char *json, size_t len, struct wr_buf *out) WR_MUST_CHECK;

#endif
