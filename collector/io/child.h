/* struct wr_io's child_* on the real machine. */
#ifndef WR_COLLECTOR_IO_CHILD_H
#define WR_COLLECTOR_IO_CHILD_H

#include "collector/io/io.h"

int wr_child_start(void *ctx, int64_t (*job)(void *arg), void *arg, struct wr_child *ret_child);
void wr_child_kill(void *ctx, struct wr_child *child);
int64_t wr_child_end(void *ctx, struct wr_child *child);

#endif
