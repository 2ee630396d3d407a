#ifndef WR_COLLECTOR_CLI_FEED_H
#define WR_COLLECTOR_CLI_FEED_H

#include "base/batch.h"
#include "base/scan.h"
#include "parsers/conn/conn.h"
#include "parsers/flow/elements.h"
#include "parsers/log/mapping.h"

/* Files -> rows, for `weir query` and `weir replay`: what `weir run` does with sockets, in the files' own
 * time.
 *
 *   file --unit--+                      +--> connection table --+
 *   file --unit--+--> earliest first ---+--> Flows -------------+--batch--> consume
 *   file --unit--+    (a merge)         +--> tables of lines ---+
 *
 * The clock is the newest time met so far: packet time, export time, the event's own Timestamp. It never
 * steps back; nothing here reads the machine's clock, so that the same files always give the same rows at the
 * same times. Each file is taken in its own order, and of several files the one whose next unit is the
 * earliest goes first. */
struct wr_feed;

struct wr_feed_opts {
    const struct wr_scan *scan[WR_NTABLES]; /* what is wanted; NULL or without branches: not read. Borrowed */
    enum wr_orphans orphans;
    const struct wr_hostnames *hostnames; /* borrowed; NULL: none */
    bool final_only;     /* one row a connection, at the end (query); else as they come, with amendments */
    struct wr_model *model; /* of elements; borrowed, NULL: weir's */
    const struct wr_mappings *mappings; /* of lines; borrowed, NULL: weir's */
    uint32_t batch_rows; /* 1..WR_BATCH_MAX_ROWS */
    /* Takes the rows of a sealed batch at `now` (ticks); anything but WR_OK ends the run with it. */
    enum wr_err (*consume)(void *ctx, enum wr_table table, struct wr_batch *batch, int64_t now);
    void *ctx;
};

struct wr_feed_stats {
    uint64_t units;                /* packets, messages and lines read */
    uint64_t flows, events, lines; /* records of each kind that they held */
    uint64_t rows;                 /* rows handed to consume */
    uint64_t messages_rejected, lines_rejected, packets_malformed, packets_skipped, sets_waiting;
    uint64_t damaged; /* files that could not be read to their end */
};

/* NULL when out of memory. */
struct wr_feed *wr_feed_new(const struct wr_feed_opts *opts);
void wr_feed_free(struct wr_feed *feed);
/* Opens a file ("-": standard input); on failure `error` gets a line. `path` outlives the feed. */
enum wr_err wr_feed_add(struct wr_feed *feed, const char *path, struct wr_buf *error) WR_MUST_CHECK;
/* Reads all of it to the end. */
enum wr_err wr_feed_run(struct wr_feed *feed) WR_MUST_CHECK;
/* Newest time met, in ticks; 0: none. */
int64_t wr_feed_clock(const struct wr_feed *feed);
struct wr_feed_stats wr_feed_stats(const struct wr_feed *feed);
/* What was refused or damaged, a line each, "" when nothing was. */
void wr_feed_notes(const struct wr_feed *feed, struct wr_buf *out);
/* Tells the notes on standard error. Returns WR_EXIT_FOUND when a file could not be read to its end, else
 * WR_EXIT_OK: single broken packets and lines are counted and told, and are no failure. */
int wr_feed_report(const struct wr_feed *feed);
/* Tells why wr_feed_add (its `error` text) or wr_feed_run (no text) failed. */
void wr_feed_failed(enum wr_err err, const struct wr_buf *error);
/* NULL before wr_feed_run and when no rule reads connections. */
const struct wr_conn *wr_feed_conn(const struct wr_feed *feed);

#endif
