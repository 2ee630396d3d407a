#ifndef WR_PARSERS_LOG_LOG_H
#define WR_PARSERS_LOG_LOG_H

#include "base/batch.h"
#include "base/scan.h"
#include "parsers/log/mapping.h"
#include "parsers/log/rows.h"
#include "parsers/log/span.h"

/* Syslog and JSON lines -> rows. A frame is one message without its framing: RFC 5424, RFC 3164 and vendors'
 * headers, bare JSON, `@cee:`. Its payload becomes rows of the tables that its mapping says (Defender streaming
 * records, also {"records":[..]}; Sysmon as Winlogbeat, NXLog or Linux XML; the data files of mapping.h), or a
 * row of Syslog.
 * One thread. */
struct wr_log;

/* A record is a frame, or one element of a frame that holds a list. Each is counted in exactly one place:
 *     records  = mapped + plain + rejected
 *     rejected = unparsed_json + unparsed_limit + unparsed_missing_field + unmapped + oversize
 *     mapped   = parsed_defender + parsed_sysmon + parsed_mapping + parsed_cef
 *     rows     = rows appended + filtered_early + unread      (of mapped records; rows >= mapped)
 * and every record that is not mapped is one row of Syslog (if anybody reads it); frames <= records.
 * filtered_early: no rule accepts the row; unread: no rule reads its table.
 * ParseError is "json", "limit", "missing_field", "no_mapping" or "oversize", in that order of counters;
 * empty for plain text. bad_utf8, pri_*, trailing_bytes count frames, clock_implausible records, dup_key keys
 * of mapped records that came twice (the last wins). A line of the audit daemon (audit.h) is a row of Syslog, counted plain, and
 * its event's rows come beside it when the event is over: audit_events; of these audit_incomplete had no end, or not what
 * a row needs. */
#define WR_LOG_COUNTERS(X)                                                                         \
    X(frames) X(frame_bytes) X(records) X(mapped) X(plain) X(rows) X(filtered_early) X(unread)     \
    X(parsed_defender) X(parsed_sysmon) X(parsed_mapping) X(parsed_cef) X(lookup_missed)            \
    X(unparsed_json) X(unparsed_limit) X(unparsed_missing_field) X(unmapped) X(oversize)           \
    X(pri_missing) X(pri_range) X(pri_noncanonical) X(bad_utf8) X(dup_key) X(clock_implausible)    \
    X(trailing_bytes) X(audit_events) X(audit_incomplete)

struct wr_log_stats {
#define X(name) uint64_t name;
    WR_LOG_COUNTERS(X)
#undef X
};

struct wr_log_opts {
    bool live;        /* implausible times become the receipt time (-7 d .. +10 min) */
    size_t max_frame; /* bytes; a longer or equal frame is oversize: text up to here. 0 = 1 MiB */
    const struct wr_mappings *mappings; /* borrowed, no longer changed; NULL: those that come with weir */
    struct wr_lookups *lookups; /* of these mappings, borrowed; others may share it. NULL: one of its own */
};
struct wr_log *wr_log_new(const struct wr_log_opts *opts);
void wr_log_free(struct wr_log *log);

/* Predicates that a row of `table` must meet, tested before its columns are filled. Those on what a flow may
 * still add (bytes, RemoteUrl) are left to the rules. Copied; NULL: every row. WR_EINVAL: a scan of another
 * table, or no such column. */
enum wr_err wr_log_scan(struct wr_log *log, enum wr_table table, const struct wr_scan *scan) WR_MUST_CHECK;

/* Parses one frame from `peer` (text of an address) that arrived at `now_ns` and appends 0 or more rows to
 * the batches of their tables. WR_EFULL: a batch is full,
 * nothing was appended or counted: take the rows of all batches and call again with the same frame. Only a
 * list of more records than an empty batch holds comes in slices: then WR_EFULL means that the batches hold
 * the next part of it, counted, and the same frame again goes on from there. WR_ENOMEM: the frame may be
 * lost. */
enum wr_err wr_log_frame(struct wr_log *log, const char *peer, const char *data, size_t len,
                         int64_t now_ns, struct wr_rows *rows) WR_MUST_CHECK;
/* Bytes of the JSON object at `data` when it is like one of the last that came, 0 when that is not seen at a glance; len: all
 * that has come, with behind it what wr_json_known needs there. Called when a frame is looked for: it spares framing its search for the end, and wr_log_frame, when that
 * comes next with just these bytes, its parsing. */
size_t wr_log_known(struct wr_log *log, const char *data, size_t len);
/* Rows of events whose further lines did not come in time: call now and then, and at the end of the input with INT64_MAX.
 * WR_EFULL: take the rows and call again. */
enum wr_err wr_log_idle(struct wr_log *log, int64_t now_ns, struct wr_rows *rows) WR_MUST_CHECK;
/* The layout that took the last record of the last frame: "defender", "sysmon", "cef", "leef", a mapping's name; "" for
 * none. Borrowed until the mappings go. */
const char *wr_log_layout(const struct wr_log *log);
const struct wr_log_stats *wr_log_stats(const struct wr_log *log);
/* True while no record has been kept for a later one, or has asked for an earlier one (mappings with lookups, auditd): frames parsed
 * by other parsers would have given the same rows. */
bool wr_log_alone(const struct wr_log *log);

/* Framing of one byte stream, decided again at every frame start: octet counting, newline (or NUL), JSON
 * value. RFC 6587 section 3.4. Every consumed byte is counted once:
 *     bytes = frame_bytes + framing_bytes (counts, line ends) + filler_bytes + skipped_bytes */
#define WR_FRAMING_COUNTERS(X)                                                                     \
    X(bytes) X(frame_bytes) X(framing_bytes) X(framed_octet) X(framed_line) X(framed_json)         \
    X(filler_bytes) X(octet_count_wrong) X(oversize_frames) X(skipped_bytes) X(truncated_frames)
struct wr_framing {
    size_t max_frame; /* bytes; 0 = 1 MiB. An oversize frame comes as its first max_frame bytes */
    bool no_counts;   /* a file: digits at a line's begin are text */
    bool text_only;   /* after repeated wrong counts */
    bool not_json;    /* the pending frame starts with a bracket and is text all the same */
    uint32_t wrong_counts, frames_seen;
    size_t scanned;   /* bytes of the pending frame already looked at */
    size_t skip;      /* bytes of an oversize frame still to drop; SIZE_MAX = to the next newline */
    struct wr_json_span span;
    struct wr_log *log; /* that takes the frames, borrowed: asked for those it knows, so WR_JSON_ZEROS stand behind the data. NULL:
                           nobody is asked */
    struct {
#define X(name) uint64_t name;
        WR_FRAMING_COUNTERS(X)
#undef X
    } stats;
};
/* Finds the next frame in data[0..len), the unconsumed bytes of the connection. Returns how many bytes to
 * consume (0 = need more); *ret_frame is NULL when those bytes hold no frame (filler, skipped). `eof`:
 * nothing follows, so an unfinished frame is delivered. The bytes of a pending frame stay where the next
 * call's data starts; the caller's buffer holds at least max_frame + 16 bytes. */
size_t wr_framing_next(struct wr_framing *f, const char *data, size_t len, bool eof,
                       const char **ret_frame, size_t *ret_len);

/* The messages of one datagram (RFC 5426): usually one; a line end before `<digit` starts another, and so
 * does what follows a whole JSON value. Call with *pos 0 until it returns false. wr_log_frame strips trailing
 * line ends and a count that equals the rest. */
bool wr_datagram_next(const char *data, size_t len, size_t *pos, const char **ret_frame, size_t *ret_len);

#endif
