#ifndef WR_COLLECTOR_STATE_FILES_H
#define WR_COLLECTOR_STATE_FILES_H

#include "collector/io/io.h"

/* Numbered files of the state directory: PREFIX and 20 digits. */
enum { WR_PATH_MAX = 4096 };

/* Sorted ascending, malloc'ed (NULL when there is none). -errno. */
int wr_files_list(const struct wr_io *io, const char *dir, const char *prefix, uint64_t **ret_numbers,
                  size_t *ret_n);
/* "dir/prefix00000000000000000007"; false when it does not fit. */
bool wr_files_path(char *out, const char *dir, const char *prefix, uint64_t number);

#endif
