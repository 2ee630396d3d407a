/* Time zones of the IANA database, for datetime_utc_to_local() and its kin. Whoever can read files
 * hands them in; they are read when the first query asks for a zone, and kept for the life of the
 * program. */
#ifndef WR_RULES_FN_ZONE_H
#define WR_RULES_FN_ZONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Takes one zone's file; what is no such file (RFC 9636) is left out. */
typedef void wr_zone_take(void *ctx, const char *name, const uint8_t *bytes, size_t len);
/* Calls `take` for each zone of the system. */
typedef void wr_zone_each(wr_zone_take *take, void *ctx);

/* Before the first query is bound; one thread. */
void wr_zones_from(wr_zone_each *each);

struct wr_zone;
/* NULL when there is none of that name. Any thread; lives as long as the program. */
const struct wr_zone *wr_zone_find(const char *name, size_t len);
/* Seconds east of UTC at an instant in seconds from 1970. */
int32_t wr_zone_offset(const struct wr_zone *zone, int64_t utc);
/* The instant of a local time: of two the later one (standard time); false where clocks skip it. */
bool wr_zone_instant(const struct wr_zone *zone, int64_t local, int64_t *ret_utc);
/* Reads one file; NULL when it is wrong. On the heap, for tests and fuzzers: wr_zone_free. */
struct wr_zone *wr_zone_parse(const char *name, const uint8_t *bytes, size_t len);
void wr_zone_free(struct wr_zone *zone);

#endif
