#ifndef WR_COLLECTOR_OPS_PROM_MERGE_H
#define WR_COLLECTOR_OPS_PROM_MERGE_H

#include "base/buf.h"

/* Several texts in the Prometheus format with the same families in the same order become one: a family once,
 * a series once, its values added up. Values are unsigned integers. Each worker writes its own text; an
 * exporter that two workers know would else be there twice, which a scraper refuses. */
void wr_prom_merge(const struct wr_buf *texts, size_t n, struct wr_buf *out);

#endif
