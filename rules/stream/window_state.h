/* State of one windowed rule, private to window*.c. */
#ifndef WR_RULES_STREAM_WINDOW_STATE_H
#define WR_RULES_STREAM_WINDOW_STATE_H

#include "rules/exec/run.h"
#include "rules/share/scratch.h"
#include "rules/stream/cells.h"
#include "rules/stream/window.h"

/* Kept rows of one table, as columns that the plan wants: a run reads them where they lie. */
struct kept_batch {
    struct wr_batch *b; /* never sealed: its selection is made for each run */
    uint32_t live;
};

/* A kept row. */
struct kept {
    int64_t ts;            /* what the window is about */
    uint64_t serial;       /* ascending */
    uint64_t id;           /* _RowId; 0: none */
    struct kept_batch *in; /* NULL: gone */
    uint32_t cost;         /* bytes that it is reckoned with */
    uint32_t part;         /* of the result; 0: the rule has none */
    uint16_t row;
    uint8_t table;
    bool elsewhen;  /* its own time is not ts */
    uint8_t leaves; /* for which it is the newest of its key, by their order among the table's; 0: it stays */
};

/* One alert that fires. */
struct fire {
    char id[33];
    uint32_t seq;
    int64_t raised_at, emitted_at;
    bool seen;                    /* in the run at hand */
    uint32_t part;                /* as kept rows have it */
    struct wr_buf key, sent, now; /* cells as last sent, and as of the last run */
};

enum { NEWEST_MAX = 8, NEWEST_COLS = 8 };
/* A scan whose rows matter while they are the newest with these columns' values (window_newest.c). */
struct newest {
    const struct wr_op *scan;
    uint32_t ncols;
    uint16_t col[NEWEST_COLS];
};

enum { LEAF_STEPS = 32 };
/* What stands right above one scan and does to a row the same at any time: filters, and the maps that they read. */
struct leaf {
    enum wr_table table;
    const struct wr_op *scan;
    const struct newest *newest; /* NULL: all its rows matter */
    struct step {
        const struct wr_ex *pred; /* or NULL: op */
        const struct wr_op *op;
    } step[LEAF_STEPS]; /* the one that rows come to last first */
    uint32_t n;
};

struct wr_window {
    const struct wr_plan *plan;
    struct wr_window_opts opts;
    int64_t grid, leave_grid, span;
    struct wr_scan scans[WR_NTABLES]; /* what rows are kept with */
    struct leaf leaf[64];
    uint32_t nleaves; /* 0: every row is kept */
    struct wr_colset key_cols;
    const struct wr_parts *parts; /* NULL: each run is over all rows */
    bool all_parts;               /* the next one is */
    uint32_t *part, nparts, cparts; /* hash set: what changed since the last run */
    struct wr_value watched[WR_PART_WATCH];

    struct newest newest[NEWEST_MAX];
    uint32_t nnewest;
    bool only_newest[WR_NTABLES];  /* of this table only such rows are kept */
    struct newest_at *newest_at;   /* hash table by key */
    uint32_t nnewest_at, cnewest_at;
    struct claim {
        bool any;
        uint64_t hash[NEWEST_MAX]; /* of a row's keys, for the leaves that it is the newest for; 0: it is not */
    } claimed;

    int64_t now, next, last_run, quiet_until, inexact_until;
    struct kept *row; /* in order of arrival of each row's last version; of one table in order of batches, too */
    uint32_t nrows, crows, head, live;
    struct kept_batch *open[WR_NTABLES]; /* where the next row goes; NULL: into a new one */
    uint32_t slots;                      /* rows of all batches, gone or not */
    uint64_t serial;                     /* of the row kept last */
    uint32_t *index; /* id -> place + 1 */
    uint32_t nindex, used;
    struct fire **fire; /* ascending by key */
    uint32_t nfires, cfires;
    uint64_t work; /* of the last run */
    bool dirty;    /* rows came or went since the last run */
    size_t bytes;

    struct wr_scratch *scratch, *own; /* own: NULL when it is the engine's */
    struct wr_vec *few_cols[WR_NTABLES]; /* of rows of a batch that lie side by side */
    struct wr_buf pack, moved, key, cells;
    struct wr_alert *alerts, **alerts_end;
    struct wr_engine_stats stats;
};

/* True when a row of that time is before the window of a run at `t`. Runs by schedule look at [t - span, t), so that a row
 * stands in one of the runs that follow each other when they look back no farther than to the last; others at what is after
 * t - span, as `> ago(span)` does. */
static inline bool is_before(const struct wr_window *w, int64_t ts, int64_t t)
{
    return w->span && (w->opts.schedule.frequency ? ts < t - w->span : ts <= t - w->span);
}

/* Rows of a batch: room that is not used costs as much as room that is. */
static inline uint32_t batch_rows(uint32_t n)
{
    enum { MOST = 1024, LEAST = 16 };
    return n > MOST ? MOST : n < LEAST ? LEAST : n;
}

/* window_rows.c */
/* A packed row (base/batch.h). WR_ENOMEM, WR_ECORRUPT. */
enum wr_err wr_kept_add(struct wr_window *w, enum wr_table table, int64_t ts, uint64_t id, const void *bytes,
                        size_t len);
/* Takes back the version that is there. */
void wr_kept_drop(struct wr_window *w, uint64_t id);
/* NULL: it left. */
/* Of the row's values in `n` columns, under the window's secret. */
uint64_t wr_window_hash(const struct wr_window *w, uint64_t seed, const struct wr_vec *cols, const uint16_t *col, uint32_t n, uint32_t row);
struct kept *wr_kept_find(const struct wr_window *w, uint64_t serial);
void wr_kept_drop_row(struct wr_window *w, const struct kept *row);
/* Drops what left the window at `t`. */
enum wr_err wr_kept_prune(struct wr_window *w, int64_t t);
/* The oldest half leaves, counted. */
void wr_kept_halve(struct wr_window *w);
void wr_kept_fini(struct wr_window *w);

/* window_newest.c */
void wr_newest_init(struct wr_window *w);
void wr_newest_fini(struct wr_window *w);
/* Of the table's leaves that let row `row` of `cols` through, a bit each: those for which it is the newest. 0: no run needs it. */
uint8_t wr_newest_claim(struct wr_window *w, enum wr_table table, const struct wr_vec *cols, uint32_t row, int64_t ts,
                        uint8_t leaves);
/* The row that was claimed last is kept: those that it stands for leave. False when out of memory. */
bool wr_newest_put(struct wr_window *w, uint64_t serial, int64_t ts, uint8_t leaves);

/* window_parts.c */
void wr_parts_init(struct wr_window *w);
void wr_parts_fini(struct wr_window *w);
/* The part of a row: of a table with columns parts->col[table], of the result with parts->out. Only when the rule has parts. */
uint32_t wr_part_of(const struct wr_window *w, const struct wr_vec *cols, const uint16_t *col, uint32_t row);
void wr_part_change(struct wr_window *w, uint32_t part);
bool wr_part_changed(const struct wr_window *w, uint32_t part);
/* What time alone changed between the last run and the one at `t`. */
void wr_parts_look(struct wr_window *w, int64_t t);
/* A run is over. */
void wr_parts_done(struct wr_window *w);

/* window_run.c */
enum wr_err wr_window_run(struct wr_window *w, int64_t t);
void wr_window_keys(struct wr_window *w);
void wr_fire_free(struct wr_window *w, struct fire *f);
/* Puts the alert in its place by key; false when out of memory. */
bool wr_fire_put(struct wr_window *w, struct fire *f);

#endif
