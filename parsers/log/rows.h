#ifndef WR_PARSERS_LOG_ROWS_H
#define WR_PARSERS_LOG_ROWS_H

#include "base/batch.h"

/* Where the rows of a frame go: a batch a table; NULL: nobody reads that table. Owned by the
 * caller. */
struct wr_rows {
    struct wr_batch *of[WR_NTABLES];
};

static inline bool wr_rows_full(const struct wr_rows *rows)
{
    for (int t = 0; t < WR_NTABLES; t++)
        if (rows->of[t] && rows->of[t]->nrows == rows->of[t]->cap)
            return true;
    return false;
}

/* Rows in all batches together. */
static inline uint32_t wr_rows_count(const struct wr_rows *rows)
{
    uint32_t n = 0;
    for (int t = 0; t < WR_NTABLES; t++)
        n += rows->of[t] ? rows->of[t]->nrows : 0;
    return n;
}

/* Rows of any one table that still fit. */
static inline uint32_t wr_rows_room(const struct wr_rows *rows)
{
    uint32_t least = UINT32_MAX;
    for (int t = 0; t < WR_NTABLES; t++)
        if (rows->of[t] && rows->of[t]->cap - rows->of[t]->nrows < least)
            least = rows->of[t]->cap - rows->of[t]->nrows;
    return least;
}

/* Empties the batches that have rows. False: out of memory, then only wr_rows_free is allowed. */
static inline bool wr_rows_reset(struct wr_rows *rows)
{
    for (int t = 0; t < WR_NTABLES; t++)
        if (rows->of[t] && rows->of[t]->nrows && !wr_batch_reset(rows->of[t]))
            return false;
    return true;
}

static inline void wr_rows_free(struct wr_rows *rows)
{
    for (int t = 0; t < WR_NTABLES; t++) {
        wr_batch_free(rows->of[t]);
        rows->of[t] = NULL;
    }
}

/* Empty batches of `rows` rows in the place of those in `now`, for the same tables and columns.
 * False: out of memory, `now` is as it was. */
static inline bool wr_rows_grow(struct wr_rows *now, uint32_t rows)
{
    struct wr_rows larger = {{0}};
    for (int t = 0; t < WR_NTABLES; t++) {
        if (!now->of[t])
            continue;
        larger.of[t] = wr_batch_new(now->of[t]->schema, &now->of[t]->wanted, rows);
        if (!larger.of[t]) {
            wr_rows_free(&larger);
            return false;
        }
    }
    wr_rows_free(now);
    *now = larger;
    return true;
}

#endif
