/* Rows that a windowed rule keeps: where they lie, how they leave. */
#include "rules/stream/window_state.h"

#include <stdlib.h>

enum { ROW_COST = sizeof(struct kept) + 2 * sizeof(uint32_t), NEWEST_COST = 96 /* its keys' places */, FEW = 64 };

static uint32_t place(const struct wr_window *w, uint64_t id)
{
    uint32_t at = (uint32_t)((id * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (w->nindex - 1);
    while (w->index[at]) {
        const struct kept *k = &w->row[w->index[at] - 1];
        if (k->in && k->id == id)
            break;
        at = (at + 1) & (w->nindex - 1);
    }
    return at;
}

static bool index_build(struct wr_window *w, uint32_t size)
{
    uint32_t *index = calloc(size, sizeof *index);
    if (!index)
        return false;
    free(w->index);
    w->index = index;
    w->nindex = size;
    w->used = 0;
    for (uint32_t i = w->head; i < w->nrows; i++)
        if (w->row[i].in && w->row[i].id) {
            w->index[place(w, w->row[i].id)] = i + 1;
            w->used++;
        }
    return true;
}

/* ---- columns ------------------------------------------------------------------------------------ */

/* One row less in a batch; the last takes it along. */
static void leave(struct wr_window *w, struct kept_batch *in, uint8_t table)
{
    if (--in->live)
        return;
    w->slots -= in->b->nrows;
    if (w->open[table] == in)
        w->open[table] = NULL;
    wr_batch_free(in->b);
    free(in);
}

static struct kept_batch *batch_new(struct wr_window *w, enum wr_table table)
{
    struct kept_batch *in = calloc(1, sizeof *in);
    if (in && !(in->b = wr_batch_new(wr_schema_of(table), &w->scans[table].wanted, batch_rows(w->live)))) {
        free(in);
        in = NULL;
    }
    return in;
}

/* The packed row behind the table's others; k->table says of which. */
static enum wr_err append(struct wr_window *w, struct kept *k, const void *bytes, size_t len)
{
    struct kept_batch **open = &w->open[k->table], *in = *open;
    bool full = !in || in->b->nrows == in->b->cap;
    if (full && !(in = batch_new(w, (enum wr_table)k->table)))
        return WR_ENOMEM;
    enum wr_err err = wr_row_unpack(in->b, bytes, len);
    if (err) {
        if (full) {
            wr_batch_free(in->b);
            free(in);
        }
        return err;
    }
    k->in = *open = in;
    k->row = (uint16_t)(in->b->nrows - 1);
    in->live++;
    w->slots++;
    return WR_OK;
}

/* Rows that are left, side by side again. */
static enum wr_err gather(struct wr_window *w)
{
    enum wr_err err = WR_OK;
    memset(w->open, 0, sizeof w->open); /* each still has a row */
    for (uint32_t i = w->head; i < w->nrows && !err; i++) {
        struct kept *k = &w->row[i];
        struct kept_batch *was = k->in;
        if (!was)
            continue;
        wr_buf_reset(&w->moved);
        wr_row_pack(was->b, k->row, &w->moved);
        err = w->moved.err ? WR_ENOMEM : append(w, k, w->moved.data, w->moved.len);
        if (!err)
            leave(w, was, k->table);
    }
    return err;
}

/* ---- rows --------------------------------------------------------------------------------------- */

static void drop_at(struct wr_window *w, uint32_t i)
{
    struct kept *k = &w->row[i];
    w->bytes -= k->cost;
    w->live--;
    wr_part_change(w, k->part);
    leave(w, k->in, k->table);
    k->in = NULL;
}

void wr_kept_drop(struct wr_window *w, uint64_t id)
{
    uint32_t at = w->nindex && id ? w->index[place(w, id)] : 0;
    if (at)
        drop_at(w, at - 1);
}

uint64_t wr_window_hash(const struct wr_window *w, uint64_t seed, const struct wr_vec *cols, const uint16_t *col, uint32_t n,
                        uint32_t row)
{
    uint64_t h = seed;
    for (uint32_t i = 0; i < n; i++) {
        const struct wr_vec *v = &cols[col[i]];
        struct wr_hash_key key = {w->opts.secret.k0 + h, w->opts.secret.k1 ^ i};
        bool some = wr_vec_valid(v, row);
        h = some && v->s   ? wr_hash(&key, wr_str_data(&v->s[row]), v->s[row].len)
            : some && v->i ? wr_hash(&key, &v->i[row], sizeof v->i[row])
                           : wr_hash(&key, "", 0);
    }
    return h;
}

struct kept *wr_kept_find(const struct wr_window *w, uint64_t serial)
{
    uint32_t lo = w->head, hi = w->nrows;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (w->row[mid].serial < serial)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < w->nrows && w->row[lo].serial == serial && w->row[lo].in ? &w->row[lo] : NULL;
}

void wr_kept_drop_row(struct wr_window *w, const struct kept *row)
{
    drop_at(w, (uint32_t)(row - w->row));
}

/* Closes the gaps; places in the index change. */
static enum wr_err compact(struct wr_window *w)
{
    uint32_t n = 0, size = 64;
    for (uint32_t i = w->head; i < w->nrows; i++)
        if (w->row[i].in)
            w->row[n++] = w->row[i];
    w->head = 0;
    w->nrows = n;
    while (size < 2 * (uint64_t)n + 2)
        size *= 2;
    enum wr_err err = index_build(w, size) ? WR_OK : WR_ENOMEM;
    return err || w->slots <= 2 * (uint64_t)w->live + FEW ? err : gather(w);
}

enum wr_err wr_kept_prune(struct wr_window *w, int64_t t)
{
    for (uint32_t i = w->head; w->span && i < w->nrows; i++)
        if (w->row[i].in && is_before(w, w->row[i].ts, t))
            drop_at(w, i);
    bool gaps = w->nrows - w->live > w->live / 4 + FEW;
    return gaps || (w->nrows && !w->live) ? compact(w) : WR_OK;
}

/* Alerts are not exact for as long as the row would have been looked at. */
static void evict(struct wr_window *w, uint32_t i)
{
    int64_t until = w->span ? w->row[i].ts + w->span : INT64_MAX;
    if (until > w->inexact_until)
        w->inexact_until = until;
    w->stats.evicted++;
    drop_at(w, i);
}

void wr_kept_halve(struct wr_window *w)
{
    for (uint32_t n = (w->live + 1) / 2; n && w->head < w->nrows; w->head++)
        if (w->row[w->head].in) {
            evict(w, w->head);
            n--;
        }
}

/* Its cells beside the packed row, which is longer than its long texts. */
static size_t row_cost(const struct wr_window *w, enum wr_table table)
{
    size_t cost = ROW_COST;
    for (size_t i = 0; i < sizeof w->scans[table].wanted.bits / sizeof(uint64_t); i++)
        cost += 8 * (size_t)__builtin_popcountll(w->scans[table].wanted.bits[i]);
    return cost + (w->only_newest[table] ? NEWEST_COST : 0);
}

enum wr_err wr_kept_add(struct wr_window *w, enum wr_table table, int64_t ts, uint64_t id, const void *bytes,
                        size_t len)
{
    size_t cost = len + row_cost(w, table);
    if (len > UINT32_MAX / 2 || cost > w->opts.memory_bytes / 4 || w->nrows > UINT32_MAX / 4) {
        w->stats.evicted++; /* a row this long is not kept */
        w->inexact_until = w->span ? w->now + w->span : INT64_MAX;
        return WR_OK;
    }
    for (; w->bytes + cost > w->opts.memory_bytes && w->head < w->nrows; w->head++)
        if (w->row[w->head].in)
            evict(w, w->head);
    if (w->nrows == w->crows || (w->nrows > 1024 && w->live < w->nrows / 4)) {
        enum wr_err err = w->live < w->nrows / 2 ? compact(w) : WR_OK;
        if (err)
            return err;
    }
    if (w->nrows == w->crows) {
        uint32_t cap = w->crows ? 2 * w->crows : 64;
        struct kept *rows = realloc(w->row, cap * sizeof *rows);
        if (!rows)
            return WR_ENOMEM;
        w->row = rows;
        w->crows = cap;
    }
    if (4 * (uint64_t)w->used >= 3 * (uint64_t)w->nindex && !index_build(w, w->nindex ? 2 * w->nindex : 64))
        return WR_ENOMEM;
    struct kept k = {.ts = ts, .serial = w->serial + 1, .id = id, .cost = (uint32_t)cost, .table = (uint8_t)table};
    enum wr_err err = append(w, &k, bytes, len);
    if (err)
        return err;
    const struct wr_batch *b = k.in->b;
    const struct wr_vec *time = &b->col[WR_TIME_COL];
    k.elsewhen = !time->i || !wr_vec_valid(time, k.row) || time->i[k.row] != ts;
    if (w->parts) {
        k.part = wr_part_of(w, b->col, w->parts->col[table], k.row);
        wr_part_change(w, k.part);
    }
    w->serial++;
    w->row[w->nrows] = k;
    if (id) {
        uint32_t at = place(w, id);
        w->used += !w->index[at];
        w->index[at] = w->nrows + 1;
    }
    w->nrows++;
    w->live++;
    w->bytes += cost;
    return WR_OK;
}

void wr_kept_fini(struct wr_window *w)
{
    for (uint32_t i = w->head; i < w->nrows; i++)
        if (w->row[i].in)
            drop_at(w, i);
    free(w->row);
    free(w->index);
}
