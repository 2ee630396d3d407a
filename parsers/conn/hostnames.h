#ifndef WR_PARSERS_CONN_HOSTNAMES_H
#define WR_PARSERS_CONN_HOSTNAMES_H

#include "base/err.h"
#include "parsers/flow/who.h"

/* Reverse names from a file as hosts(5): an address, then names, the first of which counts; #
 * begins a comment. Read by one thread; a new text takes the place of the old one at once. */
struct wr_hostnames;

struct wr_hostnames *wr_hostnames_new(void);
void wr_hostnames_free(struct wr_hostnames *names);
/* Of an address that stands twice the first line counts. WR_EINVAL: a line (*ret_line) is neither;
 * WR_ELIMIT: more than 1,000,000 addresses. On failure the old names stay. */
enum wr_err wr_hostnames_read(struct wr_hostnames *names, const char *text, size_t len,
                              uint32_t *ret_line) WR_MUST_CHECK;
/* Borrowed until the next read; empty: not there. NULL has none. */
struct wr_who wr_hostnames_find(const struct wr_hostnames *names, const uint8_t addr[16], bool v6);
uint32_t wr_hostnames_count(const struct wr_hostnames *names);

#endif
