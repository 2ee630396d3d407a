#ifndef WR_COLLECTOR_CLI_OUT_H
#define WR_COLLECTOR_CLI_OUT_H

#include "base/buf.h"

#include <stdbool.h>

/* Standard output of a command. Text is added to `buf`; wr_out_spill writes it when there is much of it. When
 * the reader has gone (`weir ... | head`) the command should stop, and that is no error; a full disk is one.
 */
struct wr_out {
    struct wr_buf buf;
    int fd;
    bool closed; /* the reader has gone, or a write failed: nothing more can be written */
    int failed;  /* errno of the write that failed; 0 when the reader has gone */
};

void wr_out_init(struct wr_out *out, int fd);
/* Writes what is buffered once it is 64 KiB; false when the command should stop. */
bool wr_out_spill(struct wr_out *out);
/* Writes all of it now; false when the command should stop. */
bool wr_out_flush(struct wr_out *out);
/* Flushes, releases, and says on standard error what went wrong. Returns `code`, or WR_EXIT_FOUND when not
 * all could be written. */
int wr_out_fini(struct wr_out *out, int code);

#endif
