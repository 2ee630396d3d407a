/* Which parts of a windowed rule's result may be others than at its last run (struct wr_parts): a
 * run looks at their rows only, and the alerts of the other parts stay as they are. A part is a
 * hash of its columns' values; when two have the same, both are looked at.
 *
 * Cost: a word and a look-up for each kept row and run, beside the rows of parts that changed. Bad
 * at: rules whose parts all change between two runs, which copy nothing then and run over all rows.
 */
#include "rules/stream/window_state.h"

#include <stdlib.h>

void wr_parts_init(struct wr_window *w)
{
    const struct wr_parts *p = w->plan->parts;
    const struct wr_rule_schedule *s = &w->opts.schedule;
    w->all_parts = true;
    /* By schedule the number of all rows decides, and the first 150 are told. */
    if (!p || s->frequency || s->single || s->op != WR_TRIGGER_GT || s->threshold)
        return;
    for (uint32_t i = 0; i < p->ncols; i++)
        if (!wr_colset_has(
                &w->key_cols,
                p->out[i])) /* else alerts of two parts could be told apart by their place alone */
            return;
    w->parts = p;
}

void wr_parts_fini(struct wr_window *w)
{
    free(w->part);
}

uint32_t wr_part_of(const struct wr_window *w, const struct wr_vec *cols, const uint16_t *col,
                    uint32_t row)
{
    return (uint32_t)wr_window_hash(w, 0, cols, col, w->parts->ncols, row) | 1; /* 0: none */
}

static uint32_t part_at(const struct wr_window *w, uint32_t part)
{
    uint32_t at = (part * UINT32_C(0x9e3779b1)) >> 7 & (w->cparts - 1);
    while (w->part[at] && w->part[at] != part)
        at = (at + 1) & (w->cparts - 1);
    return at;
}

bool wr_part_changed(const struct wr_window *w, uint32_t part)
{
    return w->all_parts || (w->nparts && w->part[part_at(w, part)] == part);
}

/* Room for twice as many. */
static bool grow(struct wr_window *w)
{
    uint32_t *old = w->part, n = w->cparts, *list = calloc(n ? 2 * (size_t)n : 64, sizeof *list);
    if (!list)
        return false;
    w->part = list;
    w->cparts = n ? 2 * n : 64;
    for (uint32_t i = 0; i < n; i++)
        if (old[i])
            list[part_at(w, old[i])] = old[i];
    free(old);
    return true;
}

void wr_part_change(struct wr_window *w, uint32_t part)
{
    if (!w->parts || w->all_parts)
        return;
    if (2 * (w->nparts + 1) > w->cparts && !grow(w)) {
        w->all_parts = true; /* that is always right */
        return;
    }
    uint32_t at = part_at(w, part);
    w->nparts += !w->part[at];
    w->part[at] = part;
}

void wr_parts_done(struct wr_window *w)
{
    enum { KEEP = 4096 };
    if (w->cparts > KEEP) {
        free(w->part);
        w->part = NULL;
        w->cparts = 0;
    } else if (w->nparts) {
        memset(w->part, 0, w->cparts * sizeof *w->part);
    }
    w->nparts = 0;
    w->all_parts = !w->parts;
}

/* Whether an expression that names the clock has another value than at the last run. */
static bool watched(struct wr_window *w, int64_t t)
{
    struct wr_eval ev = {.arena = w->scratch->batch, .now = t, .nrows = 1};
    uint16_t zero = 0;
    struct wr_sel first = {&zero, 1};
    bool other = false;
    for (uint32_t i = 0; i < w->parts->nwatch; i++) {
        const struct wr_vec *v = wr_ex_eval(&ev, w->parts->watch[i], NULL, &first);
        if (!v || ev.err)
            return true;
        struct wr_value now = wr_vec_valid(v, 0) ? wr_value_at(v, 0)
                                                 : (struct wr_value){.null = true},
                        *was = &w->watched[i];
        other |= now.null != was->null || (!now.null && memcmp(&now.i, &was->i, sizeof now.i) != 0);
        *was = now;
    }
    return other;
}

void wr_parts_look(struct wr_window *w, int64_t t)
{
    const struct wr_parts *p = w->parts;
    if (!p)
        return;
    w->all_parts |= watched(w, t);
    for (uint32_t k = 0; k < p->ntimes && !w->all_parts; k++) {
        int64_t from = w->last_run - p->time[k], to = t - p->time[k];
        if (p->time[k] == w->span) /* rows leave then */
            continue;
        for (uint32_t i = w->head; i < w->nrows; i++) {
            const struct kept *row = &w->row[i];
            if (row->in && ((row->ts >= from && row->ts <= to) || row->elsewhen))
                wr_part_change(w, row->part);
        }
    }
}
