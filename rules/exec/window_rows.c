/* Rows that a windowed rule keeps: where they lie, how they leave. */
#include "rules/exec/window_state.h"

#include <stdlib.h>

enum { ROW_COST = sizeof(struct kept) + sizeof(struct kept *) + 2 * sizeof(uint32_t) + 16 };

static uint32_t place(const struct wr_window *w, uint64_t id)
{
    uint32_t at = (uint32_t)((id * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (w->nindex - 1);
    while (w->index[at]) {
        const struct kept *k = w->row[w->index[at] - 1];
        if (k && k->id == id)
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
        if (w->row[i] && w->row[i]->id) {
            w->index[place(w, w->row[i]->id)] = i + 1;
            w->used++;
        }
    return true;
}

static void drop_at(struct wr_window *w, uint32_t i)
{
    w->bytes -= w->row[i]->len + ROW_COST;
    free(w->row[i]);
    w->row[i] = NULL;
    w->live--;
}

void wr_kept_drop(struct wr_window *w, uint64_t id)
{
    uint32_t at = w->nindex && id ? w->index[place(w, id)] : 0;
    if (at)
        drop_at(w, at - 1);
}

/* Closes the gaps; places in the index change. */
static enum wr_err compact(struct wr_window *w)
{
    uint32_t n = 0, size = 64;
    for (uint32_t i = w->head; i < w->nrows; i++)
        if (w->row[i])
            w->row[n++] = w->row[i];
    w->head = 0;
    w->nrows = n;
    while (size < 2 * (uint64_t)n + 2)
        size *= 2;
    return index_build(w, size) ? WR_OK : WR_ENOMEM;
}

enum wr_err wr_kept_prune(struct wr_window *w, int64_t t)
{
    uint32_t before = w->live;
    for (uint32_t i = w->head; w->span && i < w->nrows; i++)
        if (w->row[i] && is_before(w, w->row[i]->ts, t))
            drop_at(w, i);
    return w->live != before || w->live < w->nrows / 2 ? compact(w) : WR_OK;
}

/* Alerts are not exact for as long as the row would have been looked at. */
static void evict(struct wr_window *w, uint32_t i)
{
    int64_t until = w->span ? w->row[i]->ts + w->span : INT64_MAX;
    if (until > w->inexact_until)
        w->inexact_until = until;
    w->stats.evicted++;
    drop_at(w, i);
}

void wr_kept_halve(struct wr_window *w)
{
    for (uint32_t n = (w->live + 1) / 2; n && w->head < w->nrows; w->head++)
        if (w->row[w->head]) {
            evict(w, w->head);
            n--;
        }
}

enum wr_err wr_kept_add(struct wr_window *w, enum wr_table table, int64_t ts, uint64_t id, const void *bytes,
                        size_t len)
{
    if (len > UINT32_MAX / 2 || len + ROW_COST > w->opts.memory_bytes / 4 || w->nrows > UINT32_MAX / 4) {
        w->stats.evicted++; /* a row this long is not kept */
        w->inexact_until = w->span ? w->now + w->span : INT64_MAX;
        return WR_OK;
    }
    for (; w->bytes + len + ROW_COST > w->opts.memory_bytes && w->head < w->nrows; w->head++)
        if (w->row[w->head])
            evict(w, w->head);
    if (w->nrows == w->crows || (w->nrows > 1024 && w->live < w->nrows / 4)) {
        enum wr_err err = w->live < w->nrows / 2 ? compact(w) : WR_OK;
        if (err)
            return err;
    }
    if (w->nrows == w->crows) {
        uint32_t cap = w->crows ? 2 * w->crows : 64;
        struct kept **rows = realloc(w->row, cap * sizeof(struct kept *));
        if (!rows)
            return WR_ENOMEM;
        w->row = rows;
        w->crows = cap;
    }
    if (4 * (uint64_t)w->used >= 3 * (uint64_t)w->nindex && !index_build(w, w->nindex ? 2 * w->nindex : 64))
        return WR_ENOMEM;
    struct kept *k = malloc(sizeof *k + len);
    if (!k)
        return WR_ENOMEM;
    *k = (struct kept){.ts = ts, .id = id, .len = (uint32_t)len, .table = (uint8_t)table};
    if (len)
        memcpy(k->bytes, bytes, len);
    w->row[w->nrows] = k;
    if (id) {
        uint32_t at = place(w, id);
        w->used += !w->index[at];
        w->index[at] = w->nrows + 1;
    }
    w->nrows++;
    w->live++;
    w->bytes += len + ROW_COST;
    return WR_OK;
}

void wr_kept_fini(struct wr_window *w)
{
    for (uint32_t i = 0; i < w->nrows; i++)
        free(w->row[i]);
    free(w->row);
    free(w->index);
}
