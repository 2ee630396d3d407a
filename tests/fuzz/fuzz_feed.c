/* Any file, as `weir query` and `weir replay` read it: kind, framing, decoders, meter, connection table, batches. Time
 * never steps back and no batch is larger than asked. */
#include "collector/cli/feed.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BATCH_ROWS = 7, MAX_BYTES = 1 << 16 };

static enum wr_err check(void *ctx, enum wr_table table, struct wr_batch *batch, int64_t now)
{
    int64_t *last = ctx;
    (void)table;
    WR_ASSERT(now >= *last);
    WR_ASSERT(batch->sealed && batch->nrows >= 1 && batch->nrows <= BATCH_ROWS);
    *last = now;
    return WR_OK;
}

static void feed_once(const char *path, bool final_only)
{
    static const struct wr_branch every = {0};
    struct wr_scan scans[WR_NTABLES];
    int64_t last = INT64_MIN;
    struct wr_feed_opts opts = {
        .final_only = final_only, .batch_rows = BATCH_ROWS, .consume = check, .ctx = &last};
    for (int t = 0; t < WR_NTABLES; t++) {
        scans[t] = (struct wr_scan){t, wr_colset_all(wr_schema_of(t)), &every, 1};
        opts.scan[t] = &scans[t];
    }
    struct wr_feed *feed = wr_feed_new(&opts);
    struct wr_buf text = {0};
    if (feed && wr_feed_add(feed, path, &text) == WR_OK && wr_feed_run(feed) == WR_OK)
        wr_feed_notes(feed, &text);
    wr_buf_fini(&text);
    wr_feed_free(feed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[40];
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0)
        return 0;
    if (size <= MAX_BYTES && write(fd, data, size) == (ssize_t)size) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        feed_once(path, true);
        feed_once(path, false);
    }
    close(fd);
    return 0;
}
