#include "collector/sink/sink.h"

#include "collector/ops/oplog.h"

#include <stdio.h>
#include <string.h>

void wr_sink_failed(struct wr_sink_outage *outage, const struct wr_sink_stats *stats, bool for_good)
{
    if (strcmp(outage->said, stats->last_error) == 0)
        return;
    snprintf(outage->said, sizeof outage->said, "%s", stats->last_error);
    wr_oplog(WR_OPLOG_WARN,
             for_good ? "nobody reads alerts here any more; from now on they are in the store only"
                      : "cannot deliver alerts; they stay in the store and are tried again",
             "sink", stats->kind, "name", stats->name, "error", stats->last_error, NULL);
}

void wr_sink_works(struct wr_sink_outage *outage, const struct wr_sink_stats *stats)
{
    if (!outage->said[0])
        return;
    outage->said[0] = '\0';
    wr_oplog(WR_OPLOG_INFO, "alerts are delivered again", "sink", stats->kind, "name", stats->name, NULL);
}
