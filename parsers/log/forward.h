#ifndef WR_PARSERS_LOG_FORWARD_H
#define WR_PARSERS_LOG_FORWARD_H

#include "parsers/log/msgpack.h"

/* Fluent Forward (v1, v1.5) as input: a client's message -> entries -> frames for wr_log_frame. All modes:
 *
 *   [tag, time, record, option?]                 Message
 *   [tag, [[time, record], ..], option?]         Forward
 *   [tag, bin | str, option?]                    PackedForward; option compressed: "gzip" or "zstd" CompressedPackedForward
 *
 * Times: EventTime, whole or broken seconds, [time, metadata]. Source: Forward Protocol Specification v1 and v1.5. */
enum { WR_FORWARD_MAX_CHUNK_ID = 256, WR_FORWARD_MAX_INFLATED = 64 << 20 };

enum wr_forward_packing { WR_FORWARD_PLAIN, WR_FORWARD_GZIP, WR_FORWARD_ZSTD };

struct wr_forward_msg {
    const char *tag;
    uint32_t tag_len;
    bool keepalive;         /* nil: nothing is said */
    bool single;            /* Message: `at` is the time, the record follows */
    enum wr_forward_packing packing;
    const uint8_t *at, *end; /* entries, packed or not; borrowed */
    uint32_t count;          /* entries; UINT32_MAX: to the end */
    const uint8_t *chunk;    /* the id as it came, msgpack head included; NULL: no acknowledgement is asked for */
    uint32_t chunk_len;
};
/* A whole message (wr_mp_span_feed). WR_EINVAL: none of the forms; WR_EUNSUPPORTED: another compression. */
enum wr_err wr_forward_read(const uint8_t *bytes, size_t len, struct wr_forward_msg *ret_msg) WR_MUST_CHECK;

/* The next entry as one frame, in `frame` (emptied before). A record that is little but a text (log, message, MESSAGE) is
 * that text; any other is JSON, with `@timestamp` (the entry's time) and `_tag` in front where it has none. 1: there is one;
 * 0: no more; 2: it was none and is passed over; -1: broken, no next one can be found. */
int wr_forward_entry(struct wr_forward_msg *msg, struct wr_buf *frame);

/* Unpacks gzip members or zstd frames (RFC 8878; windows up to 8 MiB, which every decoder must take), at most `max` bytes.
 * WR_ELIMIT, WR_EINVAL, WR_ENOMEM. */
enum wr_err wr_forward_inflate(enum wr_forward_packing packing, const uint8_t *bytes, size_t len, size_t max,
                               struct wr_buf *out) WR_MUST_CHECK;

#endif
