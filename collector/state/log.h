/* Log of what the owner was given (collector/pipeline/input.h): append-only segments, replayed over the
 * newest snapshot at start.
 *
 *   log-00000000000000000007         segment file; number = file name, 20 digits
 *   header  32 bytes: "WEIRLOG2", u64 segment, u64 first LSN, u32 crc32c of all but itself, u32 shape
 *   record  u32 0x5752474c, u32 length, u64 LSN, i64 arrival ns, u32 type, u32 crc32c(length..type, bytes),
 *           bytes, zeros up to a multiple of 8
 *
 * The crc starts from the segment number, so a record copied into another file is no record there. LSNs count
 * records from 1 and never repeat within a state directory.
 *
 * Append gathers in memory; wr_wal_write hands it to the kernel, which survives kill -9; wr_wal_sync makes it
 * survive power loss. A write or sync that fails ends the log (never a second fsync on the same file):
 * records are counted unlogged until wr_wal_rotate begins a new segment, which only makes sense with a
 * snapshot of the state.
 *
 * Reading: a broken end of the newest segment is a torn tail (the crash came in the middle of a write): cut
 * off and counted. Records of another version's shape (other columns, other flow records) are not read: they count
 * as lost, and a weir that stopped in order leaves none. Broken bytes with whole records after them are damage: passed over, the lost LSNs are
 * counted.
 *
 * Threads    one, except wr_wal_sync, which may run beside append and write. */
#ifndef WR_COLLECTOR_STATE_LOG_H
#define WR_COLLECTOR_STATE_LOG_H

#include "base/buf.h"
#include "collector/io/io.h"
#include "collector/pipeline/input.h"

enum { WR_WAL_MAX_RECORD = 8 << 20 };

struct wr_wal {
    const struct wr_io *io;
    const char *dir;       /* borrowed */
    int fd;                /* -1: none, or it failed */
    uint64_t segment, lsn; /* lsn: of the last record appended */
    uint64_t bytes;        /* in this segment, what waits included */
    struct wr_buf pending;
    uint64_t pending_records;
    bool dirty; /* written since the last sync was begun */
    uint64_t records, unlogged, errors;
    int last_errno;
};

/* Begins segment `segment` with the record after `last_lsn`. -errno. */
int wr_wal_open(struct wr_wal *wal, const struct wr_io *io, const char *dir, uint64_t segment,
                uint64_t last_lsn);
void wr_wal_append(struct wr_wal *wal, const struct wr_input *input);
/* Room for what the caller may gather before it should write. */
static inline bool wr_wal_full(const struct wr_wal *wal)
{
    return wal->pending.len >= 1 << 20;
}
int wr_wal_write(struct wr_wal *wal);
/* Data on stable storage. Pass `fd` as it was on the loop's thread; a failure goes to wr_wal_failed there. */
int wr_wal_sync(const struct wr_wal *wal, int fd);
void wr_wal_failed(struct wr_wal *wal, int err);
/* Ends the segment (written and synced, unless it failed) and begins the next. -errno: the log stays as it
 * was. */
int wr_wal_rotate(struct wr_wal *wal);
/* Writes, syncs, closes. */
int wr_wal_close(struct wr_wal *wal);

struct wr_wal_report {
    uint64_t segments, records, torn_bytes, damaged_bytes, lost_records, last_lsn, next_segment;
    const char *first_damage; /* static text of what was wrong first, NULL = nothing */
    uint64_t damage_segment, damage_at;
};
/* Gives every record of the segments >= `first_segment`, in order, to `each`; cuts a torn tail off. `each`
 * returns false to stop (its own error). Segments below are only counted in next_segment. -errno when the
 * directory or a segment cannot be read. */
int wr_wal_replay(const struct wr_io *io, const char *dir, uint64_t first_segment,
                  bool (*each)(void *arg, const struct wr_input *input), void *arg,
                  struct wr_wal_report *ret);
/* Deletes the segments below `segment`. */
void wr_wal_trim(const struct wr_io *io, const char *dir, uint64_t segment);

#endif
