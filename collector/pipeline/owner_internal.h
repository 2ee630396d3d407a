/* Between owner_life.c and owner_reload.c. */
#ifndef WR_COLLECTOR_PIPELINE_OWNER_INTERNAL_H
#define WR_COLLECTOR_PIPELINE_OWNER_INTERNAL_H

#include "collector/pipeline/owner.h"

struct wr_core_opts wr_owner_core_opts(const struct wr_config *config);

/* Certificates of the TLS listeners, when there are any: else *ret_tls is NULL. False, with a line in `error`. */
bool wr_owner_make_tls(const struct wr_config *config, struct wr_tls_server **ret_tls, struct wr_buf *error);

/* The receivers that a configuration asks for, in the order of owner->sinks: Forward first, then standard
 * output, then files. Names are borrowed. */
struct wr_owner_receivers {
    const char *names[WR_OWNER_MAX_SINKS];
    int64_t ids[WR_OWNER_MAX_SINKS]; /* wr_store_receivers fills them */
    uint32_t n, nforward, files_from;
};
void wr_owner_receivers(const struct wr_config *config, struct wr_owner_receivers *ret);
/* A sink for receiver `i`; NULL, with a line in `error`. */
struct wr_sink *wr_owner_make_sink(struct wr_owner *owner, const struct wr_config *config,
                                   const struct wr_owner_receivers *receivers, uint32_t i,
                                   struct wr_buf *error);

#endif
