#ifndef WR_COLLECTOR_CLI_MAPFILES_H
#define WR_COLLECTOR_CLI_MAPFILES_H

#include "parsers/log/mapping.h"

/* Mappings that a command line names, once or more often. */
enum { WR_MAPFILES_MAX = 16 };
struct wr_mapfiles {
    const char *paths[WR_MAPFILES_MAX];
    uint32_t n;
};
#define WR_MAPFILES_OPT(key)                                                                                 \
    {                                                                                                        \
        "mappings", "PATH", "a mapping file or a directory of them, above weir's own; again for more", key   \
    }

/* False, told on standard error: too many. */
bool wr_mapfiles_add(struct wr_mapfiles *files, const char *path);
/* The mappings that come with weir and those of the files and directories paths[0..n) above them. NULL after
 * telling on standard error what is wrong. Owned. */
struct wr_mappings *wr_mapfiles_load(const char *const *paths, uint32_t n);

#endif
