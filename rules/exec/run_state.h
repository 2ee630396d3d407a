/* State of one batch run, private to rules/exec/run*.c. */
#ifndef WR_RULES_EXEC_RUN_STATE_H
#define WR_RULES_EXEC_RUN_STATE_H

#include "rules/exec/apply.h"
#include "rules/exec/join.h"
#include "rules/exec/rows.h"
#include "rules/exec/run.h"
#include "rules/exec/summarize.h"

enum { MAX_OPS = 1000, SCRATCH = 64 * 1024 };

/* One operator at work. */
struct node {
    const struct wr_op *op;
    struct node *out; /* NULL: the result */
    struct node *input;
    struct node *next;         /* the next input of the same union */
    struct wr_rows kept, keys; /* sort: rows and what they are ordered by; whole, result: kept */
    struct wr_schema key_schema;
    struct wr_groups *groups;
    struct wr_join *join;
    struct wr_applier *applier;
    struct wr_arena *made; /* mv-expand: rows on their way out */
    bool cut;     /* sort: what stands behind the last row kept is not wanted */
    bool probing; /* join: the right side is in, left rows come */
    int64_t left; /* take */
};

struct wr_run {
    struct wr_arena *nodes; /* for the run's life */
    struct wr_arena *scratch;
    struct node *root, *sink;
    const struct wr_sub *subs; /* with sub_sinks and ev.subs: nsubs */
    struct node **sub_sinks;
    uint32_t nsubs;
    struct wr_arena *sub_arena; /* what they gave, for one run */
    uint32_t nnodes, batch_rows;
    uint64_t work, work_max; /* rows that went into operators */
    size_t memory;
    struct wr_rows fed[WR_NTABLES];
    const struct wr_rows *tables; /* fed; in a piece, what the run around it was fed */
    const struct wr_rows *given;  /* WR_OP_GIVEN */
    struct wr_sub_result *outer_subs; /* in a piece */
    struct node *stream; /* the scan whose rows go on as they are fed; NULL: they are kept */
    struct wr_eval ev;
    struct wr_hash_key secret;
    enum wr_err err;
    const char *why;
    struct wr_span span;
};

/* run.c. The first failure of a run counts. */
void wr_run_fail(struct wr_run *run, const struct node *node, enum wr_err err, const char *why);
void wr_run_push_rows(struct wr_run *run, struct node *to, const struct wr_rows *rows);

/* run_sort.c. WR_ENOMEM. */
enum wr_err wr_run_sort_add(struct wr_run *run, struct node *n, const struct wr_chunk *chunk) WR_MUST_CHECK;
void wr_run_sort_flush(struct wr_run *run, struct node *n);

/* run_leaf.c: operators without an input give their rows. */
void wr_run_leaf_rows(struct wr_run *run, struct node *n);
void wr_run_leaf_range(struct wr_run *run, struct node *n);
void wr_run_leaf_external(struct wr_run *run, struct node *n);

#endif
