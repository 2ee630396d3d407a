#ifndef WR_COLLECTOR_CLI_RULEFILES_H
#define WR_COLLECTOR_CLI_RULEFILES_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* Calls `each` for the file `path`, or, when it is a directory, for every .kql, .yaml, .yml and .json file in it
 * and below, in the order of their names; hidden files and folders
 * named `functions` and `tuning` are left out. `text` is the file's content, borrowed for
 * the call. A file or directory that cannot be read is told on standard error. Returns how many could not be
 * read. */
typedef void (*wr_rulefile_each)(void *arg, const char *path, const char *text, size_t len);
unsigned wr_rulefiles(const char *path, wr_rulefile_each each, void *arg);

#endif
