/* The row of an alert as bytes, and alerts made of it. Shared by the ways a rule runs on a stream.
 *
 *   packed = each column: u8 null; unless null: text as blob, anything else as 8 bytes */
#ifndef WR_RULES_STREAM_CELLS_H
#define WR_RULES_STREAM_CELLS_H

#include "base/alert.h"
#include "base/batch.h"

/* Appends row `row` of columns laid out as `schema`. */
void wr_cells_pack(const struct wr_schema *schema, const struct wr_vec *cols, uint32_t row,
                   struct wr_buf *out);
/* True when the bytes are exactly one packed row of these columns: for state from disk. */
bool wr_cells_check(const struct wr_schema *schema, const void *bytes, size_t len);
/* An alert with an arena of its own and these cells. Owned; NULL when out of memory. */
struct wr_alert *wr_cells_alert(const struct wr_schema *schema, const struct wr_buf *cells,
                                enum wr_alert_kind kind, const char *id, uint32_t seq);
/* 128 bits that name an alert for ever: rule, version, key, time of crossing. False: no memory. */
bool wr_cells_id(const char *rule_id, const char *rule_version, const void *key, size_t len, int64_t t_cross,
                 char id[33]) WR_MUST_CHECK;
static inline bool wr_cells_equal(const struct wr_buf *a, const struct wr_buf *b)
{
    return a->len == b->len && (!a->len || memcmp(a->data, b->data, a->len) == 0);
}

#endif
