#ifndef WR_PARSERS_LOG_SPAN_H
#define WR_PARSERS_LOG_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Finds the end of a JSON object or array in a stream without parsing it: brackets and strings only. It also
 * notices early that bytes are no JSON (a cut line, a text that starts with a bracket), so that a broken line
 * does not swallow the lines after it. All zero is the state before the first byte. RFC 8259 sections 2
 * and 7. */
struct wr_json_span {
    uint64_t objects; /* bit d: the bracket at depth d + 1 is `{` */
    uint8_t depth;
    char last; /* last byte outside strings that is no blank; '0' for a scalar or a string */
    bool in_string;
    bool escaped;
};

enum wr_json_span_result { WR_SPAN_MORE, WR_SPAN_END, WR_SPAN_NOT_JSON };
enum { WR_SPAN_MAX_DEPTH = 64 };

/* Goes on at data[*pos]; moves *pos behind what was looked at. END: *pos is behind the closing bracket. */
enum wr_json_span_result wr_json_span_feed(struct wr_json_span *span, const char *data, size_t len,
                                           size_t *pos);

/* Length of a bracket at data[0] and what belongs to it, as long as no control character stands in it; 0: there is none, or it
 * is not sure. Where a line ends behind it the line is one message, whatever wr_json_span_feed would say of its inside.
 * Many times as fast. */
size_t wr_json_span_line(const char *data, size_t len);

#endif
