/* The third way to run a rule: the rows that survive the filters over each table are kept for the rule's
 * look-back, and the whole plan runs over them again (rules/exec/run.h), so that its result is by
 * construction the batch result over the kept rows.
 *
 * Runs happen at multiples of a grid only: `frequency` when the rule has one, else a second, and then only
 * after a change and every 1/1024 of the window while rows are kept, since time moves them; a second later for each time
 * that the last run's work (rows that went into operators) exceeds the rule's share, so that rules together cannot starve the
 * rest, however many rows they keep. The run at T sees the rows that arrived before T with Timestamp > T - window (by
 * schedule: T - window <= Timestamp < T); so alerts depend on the times of rows and not on how they came in batches. */
#ifndef WR_RULES_STREAM_WINDOW_H
#define WR_RULES_STREAM_WINDOW_H

#include "rules/load/rule.h"
#include "rules/stream/stream.h"

struct wr_window;
enum { WR_WINDOW_WORK = 200000 }; /* of all windowed rules without a schedule together: 2 to 20 % of a core */
struct wr_window_opts {
    const char *rule_id, *rule_version; /* part of alert ids; borrowed */
    int64_t realert;
    size_t memory_bytes; /* of kept rows and alerts */
    size_t run_bytes;    /* of one run; 0: as run.h */
    uint64_t work;       /* rows into operators that its runs may cost a second; 0: WR_WINDOW_WORK */
    uint32_t phase;      /* runs apart by n seconds are at those where (second + phase) % n is 0: rules take turns */
    int64_t grid;        /* ticks between runs of a rule without frequency; 0: a second */
    struct wr_hash_key secret;
    struct wr_rule_schedule schedule;
    struct wr_scratch *scratch; /* borrowed; NULL: it has its own */
};

/* Borrows the plan, which reads a table. NULL when out of memory. */
struct wr_window *wr_window_new(const struct wr_plan *plan, const struct wr_window_opts *opts);
void wr_window_free(struct wr_window *window);
/* What it reads beside its rows is another: it runs again, as after a row. */
void wr_window_changed(struct wr_window *window);
bool wr_window_reads(const struct wr_window *window, enum wr_table table);
/* Of the table's rows only the newest with each key are kept: no run can need the others. */
bool wr_window_keeps_newest(const struct wr_window *window, enum wr_table table);
enum wr_err wr_window_consume(struct wr_window *window, enum wr_table table, const struct wr_batch *batch,
                              int64_t now) WR_MUST_CHECK;
/* The same when only these rows of the batch can matter (dispatch.h). */
enum wr_err wr_window_consume_rows(struct wr_window *window, enum wr_table table, const struct wr_batch *batch,
                                   const struct wr_sel *rows, int64_t now) WR_MUST_CHECK;
enum wr_err wr_window_advance(struct wr_window *window, int64_t now) WR_MUST_CHECK;
/* The bound of kept rows and alerts from here on. */
void wr_window_bound(struct wr_window *window, size_t memory_bytes);
/* As wr_stream_due. */
int64_t wr_window_due(const struct wr_window *window);
/* Alerts since the last call; only what the window knows is filled. Caller owns the list. */
struct wr_alert *wr_window_alerts(struct wr_window *window);
/* What fires, after a last run when rows came since: the end of a replay. */
struct wr_alert *wr_window_firing(struct wr_window *window);
/* Memory of its kept rows. */
size_t wr_window_bytes(const struct wr_window *window);
void wr_window_stats(const struct wr_window *window, struct wr_engine_stats *sum);
void wr_window_save(struct wr_window *window, struct wr_buf *out);
/* Into a new window only. WR_ECORRUPT: free it. */
enum wr_err wr_window_load(struct wr_window *window, const void *bytes, size_t len) WR_MUST_CHECK;

#endif
