#ifndef WR_COLLECTOR_CLI_ELEMFILES_H
#define WR_COLLECTOR_CLI_ELEMFILES_H

#include "parsers/flow/elements.h"

#include <stdbool.h>
#include <stdint.h>

enum { WR_ELEMFILES_MAX = 16 };

/* Paths of `--elements`, again and again. */
struct wr_elemfiles {
    const char *paths[WR_ELEMFILES_MAX];
    uint32_t n;
};
#define WR_ELEMFILES_OPT(key)                                                                                \
    {                                                                                                        \
        "elements", "FILE", "names and types of vendors' elements (IANA's XML with\n"                        \
                            "cert:enterpriseId), beside those that weir has; again for more",                \
            key                                                                                              \
    }

/* False, told on standard error: too many. */
bool wr_elemfiles_add(struct wr_elemfiles *files, const char *path);
/* The model that comes with weir and the elements of the files; NULL after telling what is wrong. Owned. */
struct wr_model *wr_elemfiles_load(const char *const *paths, uint32_t n);

#endif
