#ifndef WR_PARSERS_CONN_SAVE_H
#define WR_PARSERS_CONN_SAVE_H

#include "parsers/conn/table.h"

/* What the files that write and read the table's state share. */

/* Reads a number that must not pass `max`. */
static inline uint64_t wr_rd_below(struct wr_rd *rd, uint64_t v, uint64_t max)
{
    if (v > max && !rd->err)
        rd->err = WR_ECORRUPT;
    return v > max ? max : v;
}

static inline uint8_t wr_rd_u8_max(struct wr_rd *rd, uint8_t max)
{
    return (uint8_t)wr_rd_below(rd, wr_rd_u8(rd), max);
}

static inline int64_t wr_rd_time(struct wr_rd *rd)
{
    return (int64_t)wr_rd_below(rd, wr_rd_u64(rd), (uint64_t)WR_TIME_MAX);
}

/* save_row.c: a row and its packed columns. A loaded one has its place in the index by id, and in no list; what a row of its
 * kind cannot be is WR_ECORRUPT. */
void wr_row_save(const struct wr_conn *c, const struct wr_crow *row, struct wr_buf *out);
enum wr_err wr_row_load(struct wr_conn *c, struct wr_rd *rd, uint32_t *ret_r);

#endif
