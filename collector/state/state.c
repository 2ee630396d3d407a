#include "collector/state/state.h"

#include "collector/state/files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* As mkdir -p, mode 0700. */
static int make_dirs(const char *dir)
{
    char path[WR_PATH_MAX];
    size_t len = strlen(dir);
    if (len == 0 || len >= sizeof path)
        return -ENAMETOOLONG;
    memcpy(path, dir, len + 1);
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        char c = path[i];
        path[i] = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            return -errno;
        path[i] = c;
    }
    return 0;
}

enum wr_err wr_state_open(struct wr_state *state, const struct wr_io *io, const char *dir,
                          struct wr_buf *error)
{
    *state = (struct wr_state){.io = io, .dir = dir, .lock_fd = -1, .wal = {.fd = -1}};
    int rc = make_dirs(dir);
    if (rc != 0) {
        wr_buf_fmt(error, "state directory '%s': %s; give a writable one with --state DIR", dir,
                   strerror(-rc));
        return WR_EIO;
    }
    char path[WR_PATH_MAX];
    if (snprintf(path, sizeof path, "%s/lock", dir) >= (int)sizeof path) {
        wr_buf_fmt(error, "state directory '%s': the name is too long", dir);
        return WR_EIO;
    }
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        wr_buf_fmt(error, "state directory '%s': %s; give a writable one with --state DIR", dir,
                   strerror(errno));
        return WR_EIO;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        char holder[32] = "";
        ssize_t n = pread(fd, holder, sizeof holder - 1, 0);
        holder[n > 0 ? strcspn(holder, "\n") : 0] = '\0';
        wr_buf_fmt(error,
                   "state directory '%s' is in use by another weir (process %s); stop it or give "
                   "--state DIR",
                   dir, *holder ? holder : "unknown");
        close(fd);
        return WR_ELIMIT;
    }
    if (ftruncate(fd, 0) == 0)
        (void)dprintf(fd, "%ld\n", (long)getpid()); /* only for that message */
    state->lock_fd = fd;
    return WR_OK;
}

/* The newest snapshot that the caller can load. *ret_from is the segment to replay from. */
static enum wr_err load_snapshot(struct wr_state *state, const struct wr_recovery *r,
                                 struct wr_recovery_report *report, uint64_t *ret_from, uint64_t *ret_lsn)
{
    uint64_t before = UINT64_MAX;
    for (;;) {
        struct wr_snapshot snapshot;
        int rc = wr_snapshot_find(state->io, state->dir, before, &snapshot, &report->snapshots);
        if (rc < 0)
            return WR_EIO;
        if (rc == 0)
            return report->snapshots.found ? WR_ECORRUPT : WR_OK;
        enum wr_err err = r->load(r->arg, &snapshot);
        *ret_from = before = snapshot.segment;
        *ret_lsn = snapshot.lsn;
        wr_snapshot_fini(&snapshot);
        if (!err) {
            report->snapshot_segment = before;
            return WR_OK;
        }
        report->snapshots.damaged++;
        if ((err = r->reset(r->arg)))
            return err;
    }
}

enum wr_err wr_state_recover(struct wr_state *state, const struct wr_recovery *recovery, bool force,
                             struct wr_recovery_report *ret_report, struct wr_buf *error)
{
    *ret_report = (struct wr_recovery_report){0};
    wr_snapshot_sweep(state->io, state->dir);
    uint64_t from = 1, lsn = 0;
    enum wr_err err = load_snapshot(state, recovery, ret_report, &from, &lsn);
    if (err == WR_ECORRUPT && force) {
        from = 1;
        lsn = 0;
        err = WR_OK;
    }
    if (err == WR_ECORRUPT) {
        wr_buf_fmt(error,
                   "state directory '%s': none of its %u snapshots can be used (damaged, or of another "
                   "version of weir); --recover starts with what the log has (windows may miss rows), or "
                   "move the snap-* and log-* files away",
                   state->dir, (unsigned)ret_report->snapshots.found);
        return err;
    }
    int rc = 0;
    if (!err)
        rc = wr_wal_replay(state->io, state->dir, from, recovery->apply, recovery->arg, &ret_report->log);
    if (err || rc != 0) {
        wr_buf_fmt(error, "state directory '%s': %s", state->dir, rc ? strerror(-rc) : wr_strerror(err));
        return err ? err : WR_EIO;
    }
    if (ret_report->log.last_lsn > lsn)
        lsn = ret_report->log.last_lsn;
    rc = wr_wal_open(&state->wal, state->io, state->dir, ret_report->log.next_segment, lsn);
    if (rc != 0) {
        wr_buf_fmt(error, "state directory '%s': cannot begin a log: %s", state->dir, strerror(-rc));
        return WR_EIO;
    }
    return WR_OK;
}

int wr_state_cut(struct wr_state *state, int64_t now_ns, void (*fill)(void *arg, struct wr_buf *out),
                 void *arg, struct wr_snapshot_job *ret_job)
{
    int rc = wr_wal_rotate(&state->wal);
    if (rc != 0) {
        state->snapshot_errors++;
        return rc;
    }
    *ret_job = (struct wr_snapshot_job){.state = state,
                                        .segment = state->wal.segment,
                                        .lsn = state->wal.lsn,
                                        .now_ns = now_ns,
                                        .fill = fill,
                                        .arg = arg,
                                        .child = {.fd = -1}};
    return 0;
}

/* Bytes of the snapshot, or -errno. Runs in the child, too. */
static int64_t put_together(void *arg)
{
    const struct wr_snapshot_job *job = arg;
    struct wr_buf bytes = {0};
    wr_snapshot_begin(&bytes, job->segment, job->lsn, job->now_ns);
    job->fill(job->arg, &bytes);
    int rc = wr_snapshot_store(job->state->io, job->state->dir, job->segment, &bytes);
    int64_t len = (int64_t)bytes.len;
    wr_buf_fini(&bytes);
    return rc < 0 ? rc : len;
}

static int count(struct wr_state *state, int64_t result)
{
    if (result < 0) {
        state->snapshot_errors++;
        return (int)result;
    }
    state->snapshots++;
    state->snapshot_bytes = (uint64_t)result;
    return 0;
}

int wr_snapshot_start(struct wr_snapshot_job *job)
{
    const struct wr_io *io = job->state->io;
    return io->child_start(io->ctx, put_together, job, &job->child);
}

int wr_snapshot_end(struct wr_snapshot_job *job)
{
    const struct wr_io *io = job->state->io;
    return count(job->state, io->child_end(io->ctx, &job->child));
}

int wr_snapshot_write(struct wr_snapshot_job *job)
{
    return count(job->state, put_together(job));
}

void wr_state_close(struct wr_state *state)
{
    if (state->wal.io)
        (void)wr_wal_close(&state->wal); /* a failure was counted; recovery deals with what is there */
    if (state->lock_fd >= 0)
        close(state->lock_fd);
    state->lock_fd = -1;
}
