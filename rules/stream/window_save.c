/* State of a windowed rule as bytes, and back, checked as a whole:
 *   u64 now, next, last run, quiet until, inexact until, work; u8 dirty; u32 rows; each: u8 table, u64 ts, id,
 *   blob; u32 firing; each: 32 id, u32 seq, u64 raised, emitted, blob key, sent, now */
#include "rules/stream/window_state.h"

#include "base/ticks.h"

#include <stdlib.h>

void wr_window_save(struct wr_window *window, struct wr_buf *out)
{
    struct wr_window *w = window;
    wr_buf_u64(out, (uint64_t)w->now);
    wr_buf_u64(out, (uint64_t)w->next);
    wr_buf_u64(out, (uint64_t)w->last_run);
    wr_buf_u64(out, (uint64_t)w->quiet_until);
    wr_buf_u64(out, (uint64_t)w->inexact_until);
    wr_buf_u64(out, w->work);
    wr_buf_u8(out, w->dirty);
    wr_buf_u32(out, w->live);
    for (uint32_t i = w->head; i < w->nrows; i++) {
        const struct kept *k = &w->row[i];
        if (!k->in)
            continue;
        wr_buf_reset(&w->pack);
        wr_row_pack(k->in->b, k->row, &w->pack);
        if (w->pack.err)
            out->err = WR_ENOMEM;
        wr_buf_u8(out, k->table);
        wr_buf_u64(out, (uint64_t)k->ts);
        wr_buf_u64(out, k->id);
        wr_buf_blob(out, w->pack.data, (uint32_t)w->pack.len);
    }
    wr_buf_u32(out, w->nfires);
    for (uint32_t i = 0; i < w->nfires; i++) {
        const struct fire *f = w->fire[i];
        wr_buf_add(out, f->id, 32);
        wr_buf_u32(out, f->seq);
        wr_buf_u64(out, (uint64_t)f->raised_at);
        wr_buf_u64(out, (uint64_t)f->emitted_at);
        wr_buf_blob(out, f->key.data, (uint32_t)f->key.len);
        wr_buf_blob(out, f->sent.data, (uint32_t)f->sent.len);
        wr_buf_blob(out, f->now.data, (uint32_t)f->now.len);
    }
}

static bool is_time(int64_t t)
{
    return t >= 0 && t <= WR_TICKS_MAX + WR_TICKS_HOUR;
}

static enum wr_err load_row(struct wr_window *w, struct wr_rd *rd)
{
    uint32_t len;
    uint8_t table = wr_rd_u8(rd);
    int64_t ts = (int64_t)wr_rd_u64(rd);
    uint64_t id = wr_rd_u64(rd);
    const uint8_t *bytes = wr_rd_blob(rd, &len);
    if (rd->err || table >= WR_NTABLES || !w->plan->scans[table].nbranches || !is_time(ts))
        return WR_ECORRUPT;
    return wr_kept_add(w, (enum wr_table)table, ts, id, bytes, len);
}

static bool load_blob(struct wr_rd *rd, struct wr_buf *to)
{
    uint32_t n;
    const uint8_t *bytes = wr_rd_blob(rd, &n);
    if (!rd->err && n)
        wr_buf_add(to, bytes, n);
    return !rd->err && !to->err;
}

static enum wr_err load_fire(struct wr_window *w, struct wr_rd *rd)
{
    const struct wr_schema *schema = w->plan->root->schema;
    struct fire *f = calloc(1, sizeof *f);
    if (!f)
        return WR_ENOMEM;
    const uint8_t *id = wr_rd_take(rd, 32);
    if (id)
        memcpy(f->id, id, 32);
    f->seq = wr_rd_u32(rd);
    f->raised_at = (int64_t)wr_rd_u64(rd);
    f->emitted_at = (int64_t)wr_rd_u64(rd);
    bool ok = load_blob(rd, &f->key) && load_blob(rd, &f->sent) && load_blob(rd, &f->now);
    ok = ok && is_time(f->raised_at) && is_time(f->emitted_at) &&
         wr_cells_check(schema, f->sent.data, f->sent.len) && wr_cells_check(schema, f->now.data, f->now.len);
    if (ok && wr_fire_put(w, f)) /* refuses a key that stands twice */
        return WR_OK;
    wr_fire_free(w, f);
    return WR_ECORRUPT;
}

enum wr_err wr_window_load(struct wr_window *window, const void *bytes, size_t len)
{
    struct wr_window *w = window;
    struct wr_rd rd = wr_rd_init(bytes, len);
    w->now = (int64_t)wr_rd_u64(&rd);
    w->next = (int64_t)wr_rd_u64(&rd);
    w->last_run = (int64_t)wr_rd_u64(&rd);
    w->quiet_until = (int64_t)wr_rd_u64(&rd);
    w->inexact_until = (int64_t)wr_rd_u64(&rd);
    w->work = wr_rd_u64(&rd);
    w->dirty = wr_rd_u8(&rd) != 0;
    uint32_t n = wr_rd_u32(&rd);
    bool ok = !rd.err && is_time(w->now) && is_time(w->last_run) &&
              (w->next == INT64_MAX || (is_time(w->next) && w->next % w->grid == 0));
    enum wr_err err = ok ? WR_OK : WR_ECORRUPT;
    for (uint32_t i = 0; i < n && !err; i++)
        err = load_row(w, &rd);
    n = wr_rd_u32(&rd);
    for (uint32_t i = 0; i < n && !err; i++)
        err = load_fire(w, &rd);
    return err ? err : rd.at == rd.end && !rd.err ? WR_OK : WR_ECORRUPT;
}
