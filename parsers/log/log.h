#ifndef WR_PARSERS_LOG_LOG_H
#define WR_PARSERS_LOG_LOG_H

#include "base/batch.h"
#include "base/scan.h"

/* Syslog and JSON lines -> rows. A frame is one message without its framing: RFC 5424, RFC 3164 and vendors'
 * headers, bare JSON, `@cee:`; the payload maps to DeviceNetworkEvents (Defender streaming records, also
 * {"records":[..]}; Sysmon event 3 as Winlogbeat, NXLog or Linux XML) or becomes a row of Syslog. */
struct wr_log;

#define WR_LOG_COUNTERS(X)                                                                         \
    X(frames) X(frame_bytes) X(mapped) X(plain) X(filtered_early)                                  \
    X(parsed_defender) X(parsed_sysmon)                                                            \
    X(unparsed_json) X(unparsed_limit) X(unparsed_missing_field) X(oversize)                       \
    X(pri_missing) X(pri_range) X(pri_noncanonical) X(bad_utf8) X(dup_key) X(clock_implausible)    \
    X(trailing_bytes)

struct wr_log_stats {
#define X(name) uint64_t name;
    WR_LOG_COUNTERS(X)
#undef X
};

struct wr_log_opts {
    bool live;      /* implausible times become the receipt time (-7 d .. +10 min) */
};
struct wr_log *wr_log_new(const struct wr_log_opts *opts);
void wr_log_free(struct wr_log *log);

/* Predicates that a row of DeviceNetworkEvents must meet (tested before the other columns are filled). Copied;
 * NULL: every row. */
enum wr_err wr_log_scan(struct wr_log *log, const struct wr_scan *scan) WR_MUST_CHECK;

/* Parses one frame from `peer` (text of an address) that arrived at `now_ns` and appends 0 or more rows to
 * `events` (DeviceNetworkEvents) or `lines` (Syslog; NULL = nobody reads it). WR_EFULL: a batch is full, nothing was
 * appended or counted: take the rows and call again. */
enum wr_err wr_log_frame(struct wr_log *log, const char *peer, const char *data, size_t len,
                         int64_t now_ns, struct wr_batch *events, struct wr_batch *lines) WR_MUST_CHECK;
const struct wr_log_stats *wr_log_stats(const struct wr_log *log);

/* Framing of one byte stream, decided again at every frame start: octet counting, newline, JSON value. */
#define WR_FRAMING_COUNTERS(X)                                                                     \
    X(bytes) X(framed_octet) X(framed_line) X(framed_json) X(filler_bytes) X(octet_count_wrong)    \
    X(oversize_frames) X(skipped_bytes) X(truncated_frames)
struct wr_framing {
    size_t max_frame; /* bytes; 0 = 1 MiB */
    bool text_only;   /* after repeated wrong counts */
    uint32_t wrong_counts, frames_seen;
    size_t scanned;   /* bytes of the pending frame already looked at */
    size_t skip;      /* bytes of an oversize frame still to drop; SIZE_MAX = to the next newline */
    struct {
#define X(name) uint64_t name;
        WR_FRAMING_COUNTERS(X)
#undef X
    } stats;
};
/* Finds the next frame in data[0..len), the unconsumed bytes of the connection. Returns how many bytes to consume
 * (0 = need more); *ret_frame is NULL when those bytes hold no frame (filler, skipped). `eof`: nothing follows, so
 * an unfinished frame is delivered. */
size_t wr_framing_next(struct wr_framing *f, const char *data, size_t len, bool eof,
                       const char **ret_frame, size_t *ret_len);

#endif
