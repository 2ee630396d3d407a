#ifndef WR_COLLECTOR_CLI_MAPFILES_H
#define WR_COLLECTOR_CLI_MAPFILES_H

#include "parsers/log/mapping.h"

/* The mappings that come with weir and those of the files and directories paths[0..n) above them. NULL after
 * telling on standard error what is wrong. Owned. */
struct wr_mappings *wr_mapfiles_load(const char *const *paths, uint32_t n);

#endif
