/* Rows as bytes, part of the table's state (save.c). */
#include "parsers/conn/save.h"

#include <string.h>

#define SKEW_MAX (INT32_MAX * INT64_C(1000000)) /* ns; as clocks are kept */

static void put_bytes_pair(struct wr_buf *out, const int64_t v[2])
{
    for (int d = 0; d < 2; d++)
        wr_buf_u64(out, (uint64_t)v[d]);
}

/* Each -1 (unknown) or more. */
static void rd_bytes_pair(struct wr_rd *rd, int64_t v[2])
{
    for (int d = 0; d < 2; d++) {
        v[d] = (int64_t)wr_rd_u64(rd);
        if (v[d] < -1 && !rd->err)
            rd->err = WR_ECORRUPT;
    }
}

void wr_row_save(const struct wr_conn *c, const struct wr_crow *row, struct wr_buf *out)
{
    bool session = row->table == WR_DUE_SESSIONS;
    wr_buf_u64(out, row->id);
    wr_buf_u64(out, (uint64_t)row->ticks);
    wr_buf_u8(out, row->table);
    if (session) {
        wr_buf_u64(out, (uint64_t)row->told.end);
        put_bytes_pair(out, row->told.packets);
        wr_buf_u16(out, row->told_label);
        wr_buf_u8(out, row->packed ? 0 : row->tcp);
    } else {
        wr_buf_u32(out, row->told_len);
        put_bytes_pair(out, row->reported);
        wr_buf_u32(out, row->device);
    }
    put_bytes_pair(out, row->emitted);
    wr_buf_u8(out, row->state);
    wr_buf_u8(out, row->side);
    wr_buf_u8(out, row->action);
    wr_buf_u8(out, session && !row->packed ? row->denied : 0);
    wr_buf_u8(out, session ? 0 : (uint8_t)row->via);
    wr_buf_u8(out, row->why);
    wr_buf_u8(out, row->told_quality);
    wr_buf_u8(out, row->packed != NULL);
    if (row->packed) {
        wr_buf_u64(out, (uint64_t)row->opened);
        wr_buf_blob(out, row->packed, row->len);
        return;
    }
    for (int d = 0; d < 2; d++) {
        struct wr_who name = wr_who_at(c, row->name[d]);
        wr_buf_blob(out, name.at, name.len);
    }
}

/* The packed columns, once they have proved to read back. */
static enum wr_err load_packed(struct wr_conn *c, struct wr_rd *rd, struct wr_crow *row)
{
    uint32_t n;
    int64_t opened = wr_rd_time(rd);
    const uint8_t *p = wr_rd_blob(rd, &n);
    if (rd->err)
        return WR_ECORRUPT;
    struct wr_batch *scratch = wr_row_scratch(c, row->table);
    if (!wr_batch_reset(scratch))
        return WR_ENOMEM;
    enum wr_err err = wr_row_unpack(scratch, p, n);
    if (err)
        return err;
    row->packed = wr_slab_take(&c->pieces, n);
    if (!row->packed)
        return WR_ENOMEM;
    if (n)
        memcpy(row->packed, p, n);
    row->len = n;
    row->opened = opened;
    bool event = row->table == WR_DUE_EVENTS && row->state != WR_ROW_IMAGE;
    return !event || row->told_len <= n || row->told_len == WR_NONE ? WR_OK : WR_ECORRUPT;
}

static enum wr_err load_names(struct wr_conn *c, struct wr_rd *rd, struct wr_crow *row)
{
    for (int d = 0; d < 2; d++) {
        struct wr_who name;
        name.at = wr_rd_blob(rd, &name.len);
        enum wr_err err = rd->err ? WR_ECORRUPT : wr_who_take(c, name, &row->name[d]);
        if (err)
            return err;
    }
    return WR_OK;
}

enum wr_err wr_row_load(struct wr_conn *c, struct wr_rd *rd, uint32_t *ret_r)
{
    uint32_t r = wr_pool_take(&c->rows);
    if (r == WR_NONE)
        return WR_ENOMEM;
    struct wr_crow *row = wr_crow_at(c, r);
    row->id = wr_rd_u64(rd);
    if (rd->err || !row->id || row->id >= c->next_id || wr_id_find(c, row->id) != WR_NONE) {
        wr_pool_give(&c->rows, r);
        return WR_ECORRUPT;
    }
    if (!wr_id_put(c, r)) {
        wr_pool_give(&c->rows, r);
        return WR_ENOMEM;
    }
    row->entry = row->next = row->name[0] = row->name[1] = WR_NONE;
    row->ticks = (int64_t)wr_rd_u64(rd);
    row->table = wr_rd_u8_max(rd, WR_NDUE - 1);
    if (row->table == WR_DUE_SESSIONS) {
        row->told.end = (int64_t)wr_rd_below(rd, wr_rd_u64(rd) + 1, (uint64_t)WR_TIME_MAX) - 1;
        rd_bytes_pair(rd, row->told.packets);
        row->told_label = (uint16_t)wr_rd_below(rd, wr_rd_u16(rd), c->labels.n);
        row->tcp = wr_rd_u8(rd);
    } else {
        row->told_len = wr_rd_u32(rd);
        rd_bytes_pair(rd, row->reported);
        row->device = wr_rd_u32(rd);
    }
    rd_bytes_pair(rd, row->emitted);
    row->state = wr_rd_u8_max(rd, WR_ROW_IMAGE);
    row->side = wr_rd_u8_max(rd, 1);
    row->action = wr_rd_u8_max(rd, WR_NACTIONS - 1);
    uint8_t denied = wr_rd_u8_max(rd, 1), via = wr_rd_u8_max(rd, WR_NVIA - 1);
    if (row->table == WR_DUE_SESSIONS)
        row->denied = denied;
    else
        row->via = via;
    row->why = wr_rd_u8_max(rd, WR_NWHY - 1);
    row->told_quality = wr_rd_u8_max(rd, WR_NMATCH - 1);
    *ret_r = r;
    uint8_t packed = wr_rd_u8_max(rd, 1);
    bool far = packed && row->table != WR_DUE_SESSIONS && (row->skew > SKEW_MAX || row->skew < -SKEW_MAX);
    if (rd->err || (far && row->state != WR_ROW_IMAGE))
        return WR_ECORRUPT;
    return packed ? load_packed(c, rd, row) : load_names(c, rd, row);
}
