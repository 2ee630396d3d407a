/* What feed.c works with and feed_told.c tells of. */
#ifndef WR_COLLECTOR_CLI_FEED_INTERNAL_H
#define WR_COLLECTOR_CLI_FEED_INTERNAL_H

#include "collector/cli/ahead.h"
#include "collector/cli/feed.h"
#include "collector/cli/infile.h"
#include "collector/pipeline/wants.h"

/* A file, with what was read ahead of it to know its next time. */
struct source {
    struct wr_infile in;
    struct wr_unit unit;
    bool have; /* `unit` is read and not worked through */
    bool ended;
    struct wr_meter *meter; /* traffic only */
    struct wr_ahead *ahead; /* text only: threads that parse it; NULL: none, or they are through */
    struct wr_rows rows;    /* text only: rows parsed ahead, and of each table the next one to hand on */
    uint32_t at[WR_NTABLES];
};

struct wr_feed {
    struct wr_feed_opts opts;
    struct source *sources;
    uint32_t nsources;
    struct wr_flow_decoder *decoder;
    struct wr_log *log;
    struct wr_conn *conn;
    struct wr_flow_vec flows;
    struct wr_rows rows; /* of captures' lines: parsed at their packet's time */
    struct wr_batch *out[WR_NTABLES];
    struct wr_wants wants;
    struct wr_colset line_cols; /* of lines before their time is taken */
    int64_t clock_ns, drained_ns;
    uint32_t pending;
    bool started;
    struct wr_feed_stats stats;
    struct wr_buf row;
};

#endif
