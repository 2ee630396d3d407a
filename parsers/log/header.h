#ifndef WR_PARSERS_LOG_HEADER_H
#define WR_PARSERS_LOG_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A piece of the frame, borrowed; len 0 = not there. */
struct wr_slice {
    const char *p;
    size_t len;
};

/* One syslog header. RFC 5424 (section 6), RFC 3164 (section 4.1) and what devices send in its place. */
struct wr_header {
    int facility, severity; /* 0..23, 0..7; -1: the number before them is none (above 191) */
    bool pri_missing;       /* then user.notice */
    bool pri_noncanonical;  /* leading zeros */
    bool has_time;
    int64_t time; /* ticks, UTC */
    struct wr_slice host, process, pid, sd;
    struct wr_slice message;
};

/* `now` in ticks decides the year of times that have none: the nearest one. Never fails: what is no header is
 * message. */
void wr_header_parse(const char *data, size_t len, int64_t now, struct wr_header *ret_header);

/* Names as Azure Monitor's table Syslog has them; "" outside 0..23 and 0..7. */
const char *wr_facility_name(int facility);
const char *wr_severity_name(int severity);

/* ---- times, header_time.c: each reads at *at and moves it behind what it took; false: nothing moved ---- */

/* `2026-11-23T22:14:15.003+01:00` up to a blank or the end. */
bool wr_time_iso(const char **at, const char *end, int64_t *ret_ticks);
/* `Nov  3 22:14:15`, `Nov 23 2026 22:14:15.123`, `2026 Nov 23 22:14:15`. */
bool wr_time_bsd(const char **at, const char *end, int64_t now, int64_t *ret_ticks);
/* The same with a zone behind it: ` GMT+02:00`, ` +0200`; others count as UTC. */
bool wr_time_bsd_zone(const char **at, const char *end, int64_t now, int64_t *ret_ticks);
/* `1700000000.123456789` (seconds of the Unix epoch). */
bool wr_time_epoch(const char **at, const char *end, int64_t *ret_ticks);

/* The times that event records hold: ISO with a blank or T, `+0000`, epoch in s, ms, us or ns by its size. */
bool wr_time_loose(const char *text, size_t len, int64_t *ret_ticks);
bool wr_time_of_epoch(double number, int64_t *ret_ticks);
bool wr_time_of_epoch_int(int64_t number, int64_t *ret_ticks);

#endif
