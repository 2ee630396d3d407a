/* Snapshot: the owner's state at the begin of a log segment, in one file.
 *
 *   snap-00000000000000000007       number = the segment to replay from
 *   "WEIRSNP1", u64 segment, u64 LSN of the last record in it, i64 time ns,
 *   { u32 kind, u64 length, bytes }*, u32 0, u32 crc32c of all before
 *
 * Written to a temporary file, synced, renamed, directory synced; only then are older files
 * removed. Two are kept, and the log from the older one on: when the newer is damaged, the older
 * and a longer log give the same state. */
#ifndef WR_COLLECTOR_STATE_SNAPSHOT_H
#define WR_COLLECTOR_STATE_SNAPSHOT_H

#include "base/buf.h"
#include "collector/io/io.h"

enum wr_section { WR_SECTION_CONN = 1, WR_SECTION_ENGINE = 2, WR_SECTION_TEMPLATES = 3, WR_SECTION_FILES = 4, WR_SECTION_LOOKUPS = 5 };

/* Building: begin, then per section open, its bytes appended to `out`, close; store. */
void wr_snapshot_begin(struct wr_buf *out, uint64_t segment, uint64_t lsn, int64_t now_ns);
size_t wr_snapshot_open(struct wr_buf *out, enum wr_section kind); /* what close takes */
void wr_snapshot_close(struct wr_buf *out, size_t section);
/* Completes `out`, stores it and removes what nothing needs any more. -errno. One at a time. */
int wr_snapshot_store(const struct wr_io *io, const char *dir, uint64_t segment, struct wr_buf *out);

/* Removes what a snapshot left that was being written when its process died. At start, before the
 * first one. */
void wr_snapshot_sweep(const struct wr_io *io, const char *dir);

struct wr_snapshot {
    char *data; /* owned: wr_snapshot_fini */
    size_t len;
    uint64_t segment, lsn;
    int64_t now_ns;
};
struct wr_snapshot_report {
    uint32_t found, damaged;
};
/* The newest whole snapshot with a number below `before` (UINT64_MAX: of all). 1 found, 0 none is
 * whole, -errno. */
int wr_snapshot_find(const struct wr_io *io, const char *dir, uint64_t before, struct wr_snapshot *ret,
                     struct wr_snapshot_report *report);
void wr_snapshot_fini(struct wr_snapshot *snapshot);
/* Sections in order: *at starts at 0. False after the last. */
bool wr_snapshot_next(const struct wr_snapshot *snapshot, size_t *at, enum wr_section *ret_kind,
                      const uint8_t **ret_bytes, size_t *ret_len);

#endif
