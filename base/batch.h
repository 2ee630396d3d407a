/* Event batch: the one value that crosses stages.
 *
 *   parsers --batch--> connection table --batch--> rules
 *
 * A batch is up to `cap` rows of one table, stored column by column, with a validity bitmap per
 * column and one ascending selection. A builder fills rows [0, nrows) directly; wr_batch_seal()
 * freezes it and selects every row; operators read columns and narrow `sel`, they never write.
 *
 *   column  DeviceName   RemotePort  SentBytes     sel
 *   row 0   "ws-7"       587         18432         0
 *   row 1   "ws-7"       443         null          .
 *   row 2   "ws-9"       25          1200          2      (after RemotePort in (25, 587))
 *
 * Lifetime   columns and their strings live in the batch's arena and die at wr_batch_reset() or
 *            wr_batch_free(). No operator keeps a pointer into a batch after its consume() returns.
 * Threads    one thread at a time; a batch moves between threads whole, through a ring.
 */
#ifndef WR_BASE_BATCH_H
#define WR_BASE_BATCH_H

#include "base/arena.h"
#include "base/schema.h"
#include "base/str.h"

/* Default rows per batch; WR_BATCH_ROWS sets it at build time, --batch-rows at run time. */
#ifndef WR_BATCH_ROWS
#define WR_BATCH_ROWS 1024
#endif
enum { WR_BATCH_MAX_ROWS = 65535 };

/* Row numbers that are still alive, ascending; n == 0 means nothing matches. */
struct wr_sel {
    uint16_t *row;
    uint32_t n;
};

/* One column. `i`, `r` or `s` is set by type (see enum wr_type), all NULL when nobody wants it.
 * `valid` bit r = row r has a value; NULL = all rows do. Bits past nrows are undefined. */
struct wr_vec {
    enum wr_type type;
    int64_t *i;
    double *r;
    struct wr_str *s;
    uint64_t *valid;
};

struct wr_batch {
    const struct wr_schema *schema;
    struct wr_colset wanted;
    struct wr_arena *arena;
    struct wr_vec *col; /* schema->ncols of them */
    uint32_t nrows, cap;
    struct wr_sel sel;
    bool sealed;
};

/* An empty batch of `cap` rows with storage for the columns in `wanted` (stores, not aliases). Owned;
 * NULL when out of memory. `schema` must outlive it. */
struct wr_batch *wr_batch_new(const struct wr_schema *schema, const struct wr_colset *wanted,
                              uint32_t cap) WR_MUST_CHECK;
void wr_batch_free(struct wr_batch *batch);
/* Empties it for reuse; false when out of memory (then only wr_batch_free is allowed). */
bool wr_batch_reset(struct wr_batch *batch) WR_MUST_CHECK;

/* Adds one row in which every wanted column is null ("" for strings). Returns its number; the batch must
 * not be full or sealed. Fill it with the setters below. */
uint32_t wr_batch_row(struct wr_batch *batch);
/* Takes the last row back (the record turned out broken). */
void wr_batch_unrow(struct wr_batch *batch);

/* Setters of row `row`; a column that is not wanted is ignored. */
void wr_batch_set_i64(struct wr_batch *batch, uint16_t col, uint32_t row, int64_t v);
void wr_batch_set_real(struct wr_batch *batch, uint16_t col, uint32_t row, double v);
/* Copies long strings into the batch's arena; false when out of memory. Makes dynamic, guid valid. */
bool wr_batch_set_str(struct wr_batch *batch, uint16_t col, uint32_t row, const char *text,
                      size_t len) WR_MUST_CHECK;

/* Ends building: every row is selected, columns are read-only from here on. */
void wr_batch_seal(struct wr_batch *batch);

static inline bool wr_vec_valid(const struct wr_vec *vec, uint32_t row)
{
    return !vec->valid || (vec->valid[row / 64] >> (row % 64) & 1);
}

static inline void wr_vec_set_valid(struct wr_vec *vec, uint32_t row)
{
    if (vec->valid)
        vec->valid[row / 64] |= UINT64_C(1) << (row % 64);
}

/* One row as bytes: the form in which the connection table keeps a row, rings carry it and the log
 * stores it. Holds the non-null wanted columns, (u16 column, value) each, ascending; little-endian. A string's value is
 * u32 length and bytes, all others' 8 bytes. */
struct wr_buf;
/* Those of these columns that the batch has. */
void wr_row_pack_some(const struct wr_batch *batch, uint32_t row, const struct wr_colset *cols, struct wr_buf *out);
void wr_row_pack(const struct wr_batch *batch, uint32_t row, struct wr_buf *out);
/* Appends a packed row to `batch` (same schema); columns that the batch does not want are skipped.
 * WR_EFULL, WR_ECORRUPT (nothing appended), WR_ENOMEM. */
enum wr_err wr_row_unpack(struct wr_batch *batch, const void *bytes, size_t len) WR_MUST_CHECK;

/* One column of a packed row. */
struct wr_packed_col {
    uint16_t col;
    uint32_t len;
    const uint8_t *at; /* a string's bytes, or a number's 8 */
};

static inline uint32_t wr_le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t wr_le64(const uint8_t *p)
{
    return wr_le32(p) | (uint64_t)wr_le32(p + 4) << 32;
}

/* The number of the column at *at; -1: cut short. */
static inline int wr_row_col_number(const uint8_t *at, const uint8_t *end)
{
    return end - at < 6 ? -1 : at[0] | at[1] << 8;
}

/* Reads the value of that column, a string or a number, and moves *at behind it; false: cut short. */
static inline bool wr_row_col_value(const uint8_t **at, const uint8_t *end, bool is_str, struct wr_packed_col *ret)
{
    const uint8_t *p = *at + 2;
    ret->len = 8;
    if (is_str) {
        ret->len = wr_le32(p);
        p += 4;
    }
    if ((size_t)(end - p) < ret->len)
        return false;
    ret->at = p;
    *at = p + ret->len;
    return true;
}

/* Reads the column at *at and moves on; false: cut short, or none that this schema stores. */
static inline bool wr_row_col(const struct wr_schema *schema, const uint8_t **at, const uint8_t *end, struct wr_packed_col *ret)
{
    const int c = wr_row_col_number(*at, end);
    if (c < 0 || c >= schema->ncols || schema->cols[c].store != c)
        return false;
    ret->col = (uint16_t)c;
    return wr_row_col_value(at, end, wr_type_is_str(schema->cols[c].type), ret);
}

/* Are these bytes a packed row? */
bool wr_row_is_sound(const struct wr_schema *schema, const void *bytes, size_t len);

#endif
