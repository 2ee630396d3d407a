/* The state directory: one process at a time, newest snapshot + log at start, log and snapshots
 * while running.
 *
 *   lock        held with flock by the running process
 *   snap-N      snapshots (snapshot.h), the two newest
 *   log-N       segments of the log (log.h), from the older snapshot on
 *   alerts.db   the alert store (collector/sink/store.h)
 */
#ifndef WR_COLLECTOR_STATE_STATE_H
#define WR_COLLECTOR_STATE_STATE_H

#include "collector/state/log.h"
#include "collector/state/snapshot.h"

#define WR_STATE_STORE "alerts.db"

struct wr_state {
    const struct wr_io *io;
    const char *dir; /* borrowed */
    int lock_fd;     /* -1: not locked */
    struct wr_wal wal;
    uint64_t snapshots, snapshot_errors;
    uint64_t snapshot_bytes;
};

/* Makes the directory (mode 0700) when it is missing, and locks it. WR_EIO, WR_ELIMIT (another
 * process has it), with a line in `error`. */
enum wr_err wr_state_open(struct wr_state *state, const struct wr_io *io, const char *dir,
                          struct wr_buf *error) WR_MUST_CHECK;

/* What recovery hands its caller. `load` takes a snapshot's sections (WR_ECORRUPT: try the one
 * before; the caller must then start over with an empty state at `reset`). */
struct wr_recovery {
    void *arg;
    enum wr_err (*reset)(void *arg);
    enum wr_err (*load)(void *arg, const struct wr_snapshot *snapshot);
    bool (*apply)(void *arg, const struct wr_input *input);
};
struct wr_recovery_report {
    struct wr_snapshot_report snapshots;
    uint64_t snapshot_segment; /* 0: started without one */
    struct wr_wal_report log;
};
/* Newest usable snapshot, then the log over it, then a new log segment. `force`: goes on with what
 * can be read when there are snapshots and none is usable; without it that is an error
 * (WR_ECORRUPT), never a silent empty start. */
enum wr_err wr_state_recover(struct wr_state *state, const struct wr_recovery *recovery, bool force,
                             struct wr_recovery_report *ret_report, struct wr_buf *error) WR_MUST_CHECK;

/* A snapshot, so that writing it does not hold the owner up:
 *
 *   cut    the log goes on in a new segment
 *   start  a child (io.h) begins to put the sections together and to write them. What `fill` finds
 * in the memory of this moment and the new segment's begin belong together: no input is taken
 * between cut and start end    takes the child's result and counts it
 *
 * wr_snapshot_write instead of start and end does the same here and now. One at a time; the owner's
 * thread. Until it is stored, recovery takes the snapshot before and a segment more. Also the way
 * out of a failed log. */
struct wr_snapshot_job {
    struct wr_state *state;
    uint64_t segment, lsn;
    int64_t now_ns;
    void (*fill)(void *arg, struct wr_buf *out);
    void *arg;
    struct wr_child child;
};
/* -errno: the log goes on as it is, there is nothing to store (counted). */
int wr_state_cut(struct wr_state *state, int64_t now_ns, void (*fill)(void *arg, struct wr_buf *out),
                 void *arg, struct wr_snapshot_job *ret_job);
int wr_snapshot_start(struct wr_snapshot_job *job); /* -errno: no child; write it here */
int wr_snapshot_end(struct wr_snapshot_job *job);   /* waits for the child; 0 or -errno */
int wr_snapshot_write(struct wr_snapshot_job *job); /* 0 or -errno */

/* Log written and synced, lock released. */
void wr_state_close(struct wr_state *state);

#endif
