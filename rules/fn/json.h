/* Dynamic values are JSON text; this reads them in place (a member is a slice of its parent) and writes them.
 * Every walk is bounded by the text and by WR_JSON_DEPTH; what is not JSON answers as missing. Source: RFC
 * 8259. */
#ifndef WR_RULES_FN_JSON_H
#define WR_RULES_FN_JSON_H

#include "base/batch.h"
#include "base/buf.h"

struct wr_eval;

enum { WR_JSON_DEPTH = 64 };

/* End of the value that starts at `p` (blanks before it allowed), or NULL when there is none. */
const char *wr_json_end(const char *p, const char *end, unsigned depth);
/* True when the whole text is one value; it is appended without blanks between tokens. */
bool wr_json_compact(const char *text, size_t len, struct wr_buf *out);
/* tostring(): a string unquoted, null as nothing, the rest as it is. */
void wr_json_to_text(const char *text, size_t len, struct wr_buf *out);

struct wr_slice {
    const char *p;
    size_t len;
};
bool wr_json_member(struct wr_slice bag, const char *key, size_t key_len, struct wr_slice *ret_value);
/* Elements count from 0; negative ones from the end. */
bool wr_json_element(struct wr_slice array, int64_t index, struct wr_slice *ret_value);
/* Elements of an array, -1 when it is none. */
int64_t wr_json_count(struct wr_slice array);
/* Walks an array: `*at` starts as NULL; false at the end. */
bool wr_json_next(struct wr_slice array, const char **at, struct wr_slice *ret_value);

/* The same for a bag; the key comes with its quotes. */
bool wr_json_next_member(struct wr_slice bag, const char **at, struct wr_slice *ret_key,
                         struct wr_slice *ret_value);

/* A cell of any type as a JSON value: times as text, null as null. */
void wr_json_cell(const struct wr_vec *vec, uint32_t row, struct wr_buf *out);
/* The same as a dynamic cell of `out`. */
void wr_json_put(struct wr_eval *ev, const struct wr_vec *from, uint32_t row, struct wr_vec *out);

/* Percent coding taken away (RFC 3986); what is none stays as it is. */
void wr_url_decode(const char *p, size_t len, struct wr_buf *out);

#endif
