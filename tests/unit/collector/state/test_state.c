#include "collector/state/state.h"
#include "tests/support/sim_disk.h"

#include <criterion/criterion.h>
#include <unistd.h>

/* A state that is the sum of all it was given: easy to compare. */
struct sum {
    uint64_t total, n;
    bool refuse_newest;
};

static void fill(void *arg, struct wr_buf *out)
{
    struct sum *sum = arg;
    uint64_t both[2] = {sum->total, sum->n};
    for (int i = 0; i < 2; i++) {
        size_t section = wr_snapshot_open(out, i == 0 ? WR_SECTION_CONN : WR_SECTION_ENGINE);
        wr_buf_add(out, &both[i], 8);
        wr_snapshot_close(out, section);
    }
}

static enum wr_err load(void *arg, const struct wr_snapshot *snapshot)
{
    struct sum *sum = arg;
    size_t at = 0, len;
    enum wr_section kind;
    const uint8_t *bytes;
    while (wr_snapshot_next(snapshot, &at, &kind, &bytes, &len)) {
        if (len != 8)
            return WR_ECORRUPT;
        memcpy(kind == WR_SECTION_CONN ? &sum->total : &sum->n, bytes, 8);
    }
    if (sum->refuse_newest) {
        sum->refuse_newest = false;
        return WR_ECORRUPT;
    }
    return WR_OK;
}

static enum wr_err reset(void *arg)
{
    *(struct sum *)arg = (struct sum){0};
    return WR_OK;
}

static bool apply(void *arg, const struct wr_input *in)
{
    struct sum *sum = arg;
    sum->total += (uint64_t)in->arrival_ns;
    sum->n++;
    return true;
}

static struct wr_recovery recovery_of(struct sum *sum)
{
    return (struct wr_recovery){.arg = sum, .reset = reset, .load = load, .apply = apply};
}

/* Recovers and says what came out; the caller ends the state. */
static enum wr_err recover(struct wr_state *state, struct wr_io *io, struct sum *sum, bool force,
                           struct wr_recovery_report *report)
{
    struct wr_buf error = {0};
    *state = (struct wr_state){.io = io, .dir = "s", .lock_fd = -1, .wal = {.fd = -1}};
    struct wr_recovery r = recovery_of(sum);
    enum wr_err err = wr_state_recover(state, &r, force, report, &error);
    cr_assert_eq(err == WR_OK, error.len == 0);
    wr_buf_fini(&error);
    return err;
}

static void give(struct wr_state *state, struct sum *sum, int n)
{
    for (int i = 0; i < n; i++) {
        struct wr_input in = {.type = WR_INPUT_TURN, .arrival_ns = (int64_t)(sum->n * 3 + 1)};
        wr_wal_append(&state->wal, &in);
        apply(sum, &in);
    }
    cr_assert_eq(wr_wal_write(&state->wal), 0);
}

/* As the owner does it: beside, or itself when there is no child. */
static int take(struct wr_state *state, int64_t now_ns, struct sum *sum)
{
    struct wr_snapshot_job job;
    int rc = wr_state_cut(state, now_ns, fill, sum, &job);
    if (rc != 0)
        return rc;
    return wr_snapshot_start(&job) == 0 ? wr_snapshot_end(&job) : wr_snapshot_write(&job);
}

/* Runs of 10 inputs with a snapshot after the first `snapshots` ones; the last run ends without one, as kill
 * -9 does. */
static struct sum run(struct wr_io *io, int runs, int snapshots)
{
    struct sum sum = {0};
    struct wr_state state;
    struct wr_recovery_report report;
    cr_assert_eq(recover(&state, io, &sum, false, &report), WR_OK);
    for (int i = 0; i < runs; i++) {
        give(&state, &sum, 10);
        if (i < snapshots)
            cr_assert_eq(take(&state, (int64_t)i + 1, &sum), 0);
    }
    wr_buf_fini(&state.wal.pending);
    return sum;
}

static struct sim_file *newest(struct sim_disk *disk, const char *prefix)
{
    struct sim_file *f = NULL;
    for (int i = 0; i < SIM_FILES; i++)
        if (disk->files[i].name && strstr(disk->files[i].name, prefix) &&
            (!f || strcmp(disk->files[i].name, f->name) > 0))
            f = &disk->files[i];
    return f;
}

Test(state, snapshot_and_log_give_what_was_there)
{
    for (int snapshots = 0; snapshots < 5; snapshots++) {
        struct sim_disk disk = {0};
        struct wr_io io = sim_io(&disk);
        struct sum want = run(&io, 5, snapshots), got = {0};
        struct wr_state state;
        struct wr_recovery_report report;
        cr_assert_eq(recover(&state, &io, &got, false, &report), WR_OK);
        cr_assert_eq(got.n, want.n);
        cr_assert_eq(got.total, want.total);
        cr_assert_eq(state.wal.lsn, 50);
        wr_state_close(&state);
        sim_free(&disk);
    }
}

Test(state, each_damaged_byte_of_the_newest_snapshot_falls_back_to_the_older)
{
    struct sim_disk disk = {0};
    struct wr_io io = sim_io(&disk);
    struct sum want = run(&io, 5, 3);
    struct sim_file *f = newest(&disk, "snap-");
    for (size_t at = 0; at < f->len; at++) {
        f->data[at] ^= 1;
        struct sum got = {0};
        struct wr_state state;
        struct wr_recovery_report report;
        cr_assert_eq(recover(&state, &io, &got, false, &report), WR_OK);
        cr_assert_eq(report.snapshots.damaged, 1);
        cr_assert_eq(got.total, want.total, "byte %zu", at);
        cr_assert_eq(got.n, want.n);
        wr_state_close(&state);
        sim_drop(newest(&disk, "log-")); /* the new, empty segment */
        f->data[at] ^= 1;
    }
    struct sum got = {.refuse_newest = true}; /* whole, but its content does not load */
    struct wr_state state;
    struct wr_recovery_report report;
    cr_assert_eq(recover(&state, &io, &got, false, &report), WR_OK);
    cr_assert_eq(got.total, want.total);
    wr_state_close(&state);
    sim_free(&disk);
}

Test(state, no_usable_snapshot_is_no_silent_empty_start)
{
    struct sim_disk disk = {0};
    struct wr_io io = sim_io(&disk);
    (void)run(&io, 4, 3);
    for (int i = 0; i < SIM_FILES; i++)
        if (disk.files[i].name && strstr(disk.files[i].name, "snap-"))
            disk.files[i].data[20] ^= 1;
    struct sum got = {0};
    struct wr_state state;
    struct wr_recovery_report report;
    cr_assert_eq(recover(&state, &io, &got, false, &report), WR_ECORRUPT);
    got = (struct sum){0};
    cr_assert_eq(recover(&state, &io, &got, true, &report), WR_OK);
    cr_assert_eq(got.n, 20, "the log since the older snapshot: %d", (int)got.n);
    wr_state_close(&state);
    sim_free(&disk);
}

Test(state, every_failing_call_of_a_snapshot_loses_nothing)
{
    for (int n = 1; n < 20; n++) {
        struct sim_disk disk = {0};
        struct wr_io io = sim_io(&disk);
        struct sum sum = {0};
        struct wr_state state;
        struct wr_recovery_report report;
        cr_assert_eq(recover(&state, &io, &sum, false, &report), WR_OK);
        give(&state, &sum, 10);
        cr_assert_eq(take(&state, 1, &sum), 0);
        give(&state, &sum, 10);
        disk.calls = 0;
        disk.fail_at = n;
        disk.fail_errno = EIO;
        (void)take(&state, 2, &sum);
        disk.fail_at = 0;
        bool log_failed = state.wal.fd < 0;
        if (log_failed) /* the way out: another snapshot */
            cr_assert_eq(take(&state, 3, &sum), 0);
        give(&state, &sum, 5);
        wr_state_close(&state);
        struct sum got = {0};
        cr_assert_eq(recover(&state, &io, &got, false, &report), WR_OK);
        cr_assert_eq(got.total, sum.total, "call %d", n);
        cr_assert_eq(got.n, sum.n, "call %d", n);
        wr_state_close(&state);
        sim_free(&disk);
    }
}

Test(state, what_a_dead_process_was_writing_is_removed)
{
    struct sim_disk disk = {0};
    struct wr_io io = sim_io(&disk);
    struct sum want = run(&io, 3, 2), got = {0};
    static const char *const left[] = {"s/.snap-00000000000000000009.tmp", "s/.snap-00000000000000000010.tmp"};
    for (int i = 0; i < 2; i++)
        cr_assert_geq(io.open(io.ctx, left[i], WR_IO_CREATE), 0);
    struct wr_state state;
    struct wr_recovery_report report;
    cr_assert_eq(recover(&state, &io, &got, false, &report), WR_OK);
    cr_assert_eq(got.total, want.total);
    cr_assert_null(newest(&disk, ".tmp"));
    wr_state_close(&state);
    sim_free(&disk);
}

Test(state, one_process_at_a_time)
{
    char dir[] = "state-test-XXXXXX";
    cr_assert_not_null(mkdtemp(dir));
    struct wr_state one, two;
    struct wr_buf error = {0};
    cr_assert_eq(wr_state_open(&one, wr_io_real(), dir, &error), WR_OK);
    cr_assert_eq(wr_state_open(&two, wr_io_real(), dir, &error), WR_ELIMIT);
    wr_buf_char(&error, '\0');
    char pid[32];
    snprintf(pid, sizeof pid, "process %ld)", (long)getpid());
    cr_assert_not_null(strstr(error.data, pid), "%s", error.data);
    wr_state_close(&one);
    wr_buf_reset(&error);
    cr_assert_eq(wr_state_open(&two, wr_io_real(), dir, &error), WR_OK);
    wr_state_close(&two);
    wr_buf_fini(&error);
    char path[64];
    snprintf(path, sizeof path, "%s/lock", dir);
    unlink(path);
    rmdir(dir);
}
