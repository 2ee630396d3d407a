/* One rule on a stream: the state of its windows, and the alerts that it gives. Knows nothing of rule files:
 * the engine (engine.c) adds their words to the alerts. */
#ifndef WR_RULES_STREAM_STREAM_H
#define WR_RULES_STREAM_STREAM_H

#include "base/alert.h"
#include "base/hash.h"
#include "rules/plan/plan.h"
#include "rules/rules.h"

struct wr_stream;
struct wr_scratch; /* scratch.h */
struct wr_stream_opts {
    const char *rule_id, *rule_version; /* part of alert ids; borrowed */
    int64_t realert;
    size_t memory_bytes;
    struct wr_hash_key secret;
    struct wr_scratch *scratch; /* borrowed; NULL: it has its own */
};

/* Borrows the plan, whose mode is not WR_MODE_BATCH. NULL when out of memory or a summarize has too many
 * aggregates. */
struct wr_stream *wr_stream_new(const struct wr_plan *plan, const struct wr_stream_opts *opts);
void wr_stream_free(struct wr_stream *stream);
/* True when the plan reads `table`. */
bool wr_stream_reads(const struct wr_stream *stream, enum wr_table table);
/* Legs of its union, one without any: 1 to WR_STREAM_LEGS_MAX. */
uint32_t wr_stream_legs(const struct wr_stream *stream);
/* The operators down to a leg's table; NULL: it reads another table. */
const struct wr_op *wr_stream_leg(const struct wr_stream *stream, uint32_t leg, enum wr_table table);
/* Rows of `table`: each goes through every leg that reads it. */
enum wr_err wr_stream_consume(struct wr_stream *stream, enum wr_table table, const struct wr_batch *batch,
                              int64_t now) WR_MUST_CHECK;
/* The same when only these rows of the batch can matter (dispatch.h), one selection a leg. */
enum wr_err wr_stream_consume_rows(struct wr_stream *stream, enum wr_table table, const struct wr_batch *batch,
                                   const struct wr_sel *rows, int64_t now) WR_MUST_CHECK;
/* The same for a stream of one leg, whose first operators are done (prefix.h). */
struct wr_prefix_rows;
enum wr_err wr_stream_consume_rest(struct wr_stream *stream, const struct wr_prefix_rows *rows, int64_t now) WR_MUST_CHECK;
/* What the rows of a leg go through first, in order; of the stream. */
const struct wr_op *const *wr_stream_prefix(const struct wr_stream *stream, uint32_t leg, uint32_t *ret_n);
enum wr_err wr_stream_advance(struct wr_stream *stream, int64_t now) WR_MUST_CHECK;
/* The bound of its state from here on. */
void wr_stream_bound(struct wr_stream *stream, size_t memory_bytes);
/* When wr_stream_advance next has something to do, unless rows come before. */
int64_t wr_stream_due(const struct wr_stream *stream);
/* Alerts since the last call; only what the stream knows is filled. Caller owns the list. */
struct wr_alert *wr_stream_alerts(struct wr_stream *stream);
struct wr_alert *wr_stream_firing(struct wr_stream *stream);
/* Memory of its state. */
size_t wr_stream_bytes(const struct wr_stream *stream);
/* The most that one group can hold whose packed key has `key_bytes`: rows, panes of a whole window and sets, all full; without
 * the row of an alert that fires. 0: the rule has no groups. */
size_t wr_stream_group_most(const struct wr_stream *stream, uint32_t key_bytes);
/* The same of a group with one row, whose numbers take as many bytes as they can. */
size_t wr_stream_group_least(const struct wr_stream *stream, uint32_t key_bytes);
/* Asks the processor for what the next call of wr_stream_consume_rows touches first. */
void wr_stream_prefetch(const struct wr_stream *stream);
void wr_stream_stats(const struct wr_stream *stream, struct wr_engine_stats *sum);
void wr_stream_save(struct wr_stream *stream, struct wr_buf *out);
/* Into a new stream only. WR_ECORRUPT: free it. */
enum wr_err wr_stream_load(struct wr_stream *stream, const void *bytes, size_t len) WR_MUST_CHECK;
/* Result of every group at its last time, as the plan's rows, whether it fires or not: for tests against a
 * batch run. */
struct wr_rows;
enum wr_err wr_stream_rows(struct wr_stream *stream, struct wr_rows *rows) WR_MUST_CHECK;

#endif
