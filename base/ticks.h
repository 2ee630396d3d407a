#ifndef WR_BASE_TICKS_H
#define WR_BASE_TICKS_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

/* Time as Kusto has it: ticks of 100 ns. A datetime counts from 0001-01-01T00:00:00Z, a timespan is a
 * difference. Never a double. Source: Kusto "datetime data type", "timespan data type". */
#define WR_TICKS_SECOND INT64_C(10000000)
#define WR_TICKS_MINUTE (60 * WR_TICKS_SECOND)
#define WR_TICKS_HOUR (60 * WR_TICKS_MINUTE)
#define WR_TICKS_DAY (24 * WR_TICKS_HOUR)
#define WR_TICKS_UNIX_EPOCH INT64_C(621355968000000000) /* 1970-01-01 */
#define WR_TICKS_MAX INT64_C(3155378975999999999)       /* 9999-12-31T23:59:59.9999999 */

static inline int64_t wr_ticks_of_unix_ns(int64_t ns)
{
    return ns / 100 + WR_TICKS_UNIX_EPOCH;
}

static inline int64_t wr_ticks_to_unix_ns(int64_t ticks)
{
    return (ticks - WR_TICKS_UNIX_EPOCH) * 100;
}

/* `2026-01-05T08:12:13.6006160Z`: always 7 digits, as Kusto's tostring(). */
void wr_ticks_datetime(struct wr_buf *buf, int64_t ticks);
/* `[-][d.]hh:mm:ss[.fffffff]` */
void wr_ticks_timespan(struct wr_buf *buf, int64_t ticks);

/* Reads ISO 8601 / RFC 3339: `YYYY-MM-DD` then optionally `T` or blank, `hh:mm[:ss[.f{1,9}]]`, then
 * optionally `Z`, `z`, `+hh:mm`, `+hhmm`. Without a zone: UTC. Second 60 reads as 59. Digits past the
 * seventh are cut. False, and nothing written, when `text` is anything else. */
bool wr_ticks_parse_iso(const char *text, size_t len, int64_t *ret_ticks);
/* Days from 0001-01-01 to a date of the Gregorian calendar; false when there is no such date. */
bool wr_ticks_from_civil(int year, int month, int day, int64_t *ret_ticks);
struct wr_civil {
    int year, month, day, hour, minute, second, fraction; /* fraction in ticks */
};
struct wr_civil wr_ticks_civil(int64_t ticks);

#endif
