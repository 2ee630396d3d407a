/* The batch executor: a plan over rows that were fed, once. Rows are pushed from the leaves through the
 * operators chunk by chunk; sort, summarize and the result keep copies, within one memory bound. It is what
 * `weir query` runs, and what the incremental engine is held against. */
#ifndef WR_RULES_EXEC_RUN_H
#define WR_RULES_EXEC_RUN_H

#include "rules/exec/rows.h"

struct wr_run;
struct wr_run_opts {
    uint32_t batch_rows; /* 0: WR_BATCH_ROWS */
    const struct wr_scan
        *scans;          /* WR_NTABLES: columns of the tables that the plan reads; NULL: all of them */
    const struct wr_rows *tables; /* WR_NTABLES, in the place of what is fed (of sealed batches the selected rows): of the run around a piece, or kept rows; or NULL */
    const struct wr_sub *subs; /* of the plan */
    uint32_t nsubs;
    uint64_t work_rows;  /* rows that go into operators, all together; 0: any number */
    size_t memory_bytes; /* of everything that operators keep; 0: 1 GiB */
};

/* Borrows the tree. NULL when out of memory. Without a root it has nothing but the queries that run first. */
struct wr_run *wr_run_new(const struct wr_op *root, const struct wr_run_opts *opts);
void wr_run_free(struct wr_run *run);
/* Before the first row: from here on rows go through the operators as they are fed, at this time, and only what operators keep
 * is kept. False, and nothing changes, when the plan is no chain over one table. wr_run_go may be called once then. */
bool wr_run_stream(struct wr_run *run, int64_t now);
/* Keeps a copy of the selected rows, or streams them: then what goes wrong is told by wr_run_go. WR_ENOMEM, WR_ELIMIT. */
enum wr_err wr_run_feed(struct wr_run *run, enum wr_table table, const struct wr_batch *batch) WR_MUST_CHECK;
/* Runs the plan; may be called again after more rows. The result is borrowed until the next call. On
 * WR_ELIMIT and others `ret_why` says in words what stopped it, and at which operator. */
enum wr_err wr_run_go(struct wr_run *run, int64_t now, const struct wr_rows **ret_rows, const char **ret_why,
                      struct wr_span *ret_span) WR_MUST_CHECK;
/* Rows that went into operators in the last run, its pieces' included: what it cost, the same wherever it runs. */
uint64_t wr_run_work(const struct wr_run *run);
/* Only the queries that run first. What they gave belongs to the run, until its next call. Errors as for wr_run_go. */
enum wr_err wr_run_subs(struct wr_run *run, int64_t now, struct wr_sub_result **ret_subs) WR_MUST_CHECK;
/* A piece of a query (WR_OP_APPLY), over these rows, within the run whose `outer` it is. */
enum wr_err wr_run_go_over(struct wr_run *run, const struct wr_eval *outer, const struct wr_rows *given,
                           const struct wr_rows **ret_rows, const char **ret_why,
                           struct wr_span *ret_span) WR_MUST_CHECK;

#endif
