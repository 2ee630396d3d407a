/* When rows of a batch were, and their numbers: a column at a time where it has no nulls. */
#include "rules/stream/state.h"

/* The row's place in time; false when it is in no window any more. */
static inline bool row_time(struct wr_stream *s, const struct wr_batch *b, uint32_t row, int64_t *ret_ts)
{
    *ret_ts = s->now;
    if (s->plan->time_col == WR_NO_COL)
        return true;
    const struct wr_vec *v = &b->col[s->plan->time_col];
    if (!v->i || !wr_vec_valid(v, row)) {
        s->stats.late += s->window != 0; /* `null > ago(..)` is not true */
        return s->window == 0;
    }
    *ret_ts = v->i[row] < 0 ? 0 : v->i[row]; /* before the calendar */
    if (s->window && *ret_ts <= edge(s, s->now)) {
        s->stats.late++;
        return false;
    }
    if (*ret_ts > s->now + FUTURE_MAX) {
        s->stats.future++; /* would keep its group alive for as long as a clock is wrong */
        *ret_ts = s->now + FUTURE_MAX;
    }
    return true;
}

static inline uint64_t rowid_of(const struct wr_stream *s, const struct wr_batch *b, uint32_t row)
{
    const struct wr_vec *v = s->leg->amends ? &b->col[s->leg->amends->row_id] : NULL;
    uint64_t id = v && v->i && wr_vec_valid(v, row) ? (uint64_t)v->i[row] : 0;
    return id ? id ^ (uint64_t)(s->leg - s->legs) << ROW_LEG_SHIFT : 0;
}

bool wr_row_time(struct wr_stream *s, const struct wr_batch *b, uint32_t row, int64_t *ret_ts)
{
    return row_time(s, b, row, ret_ts);
}

uint64_t wr_row_id(const struct wr_stream *s, const struct wr_batch *b, uint32_t row)
{
    return rowid_of(s, b, row);
}

/* Times of rows whose column has one for each; false: some are not as they come. */
static bool read_plain_times(struct wr_stream *s, const int64_t *ticks, const struct wr_sel *sel)
{
    int64_t high = s->now + FUTURE_MAX, low = s->window && edge(s, s->now) > 0 ? edge(s, s->now) : 0;
    uint32_t each = s->raw_words, n = sel->n;
    const uint16_t *row = sel->row;
    uint64_t *to = s->block;
    bool odd = false;
    for (uint32_t k = 0; k < n; k++, to += each) {
        int64_t ts = ticks[row[k]];
        odd |= (ts <= low) | (ts > high);
        to[0] = (uint64_t)ts;
    }
    return !odd;
}

/* Times and numbers of the rows whose keys and states are read. */
void wr_read_times(struct wr_stream *s, const struct wr_batch *b, const struct wr_sel *sel)
{
    const struct wr_vec *time = s->plan->time_col == WR_NO_COL ? NULL : &b->col[s->plan->time_col];
    uint32_t each = s->raw_words, n = sel->n;
    if (!(time && time->i && wr_vec_full(time, sel) && read_plain_times(s, time->i, sel)))
        for (uint32_t k = 0; k < n; k++) {
            int64_t ts;
            s->block[(size_t)k * each] = (uint64_t)(row_time(s, b, sel->row[k], &ts) ? ts : WR_GONE);
        }
    const struct wr_vec *id = s->leg->amends ? &b->col[s->leg->amends->row_id] : NULL;
    uint64_t *to = s->block + 1, leg = (uint64_t)(s->leg - s->legs) << ROW_LEG_SHIFT;
    if (s->raw_slots > 1 && id && id->i && wr_vec_full(id, sel))
        for (uint32_t k = 0; k < n; k++, to += each) {
            uint64_t v = (uint64_t)id->i[sel->row[k]];
            *to = v ? v ^ leg : 0;
        }
    else if (s->raw_slots > 1)
        for (uint32_t k = 0; k < n; k++, to += each)
            *to = rowid_of(s, b, sel->row[k]);
    if (!s->epoch && n && !s->ngroups)
        s->epoch = s->now;
}
