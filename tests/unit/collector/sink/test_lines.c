#include "alerts.h"
#include "collector/sink/lines.h"

#include <fcntl.h>
#include <signal.h>

static const char *db;
static char out[300], moved[310];
static struct wr_store *store;
static int64_t receiver;
static uv_loop_t loop;
static bool stopped;

static void setup(void)
{
    signal(SIGPIPE, SIG_IGN);
    db = temp_path("alerts.db");
    snprintf(out, sizeof out, "%.*s/out.jsonl", (int)(strrchr(db, '/') - db), db);
    snprintf(moved, sizeof moved, "%s.1", out);
    store = store_at(db);
    const char *const names[] = {"lines"};
    cr_assert_eq(wr_store_receivers(store, names, 1, &receiver), WR_OK);
    uv_loop_init(&loop);
}

static void teardown(void)
{
    cr_expect_eq(uv_loop_close(&loop), 0);
    wr_store_close(store);
    temp_remove(db);
}

TestSuite(lines, .init = setup, .fini = teardown);

static void on_stopped(struct wr_sink *sink, void *arg)
{
    (void)sink;
    *(bool *)arg = true;
}

static struct wr_sink_stats stop(struct wr_sink *sink, uint64_t flush_ms)
{
    struct wr_sink_stats stats;
    wr_sink_stop(sink, flush_ms, on_stopped, &stopped);
    uv_run(&loop, UV_RUN_DEFAULT);
    cr_expect(stopped);
    wr_sink_stats(sink, &stats);
    wr_sink_free(sink);
    return stats;
}

static int count(const char *file)
{
    FILE *f = fopen(file, "r");
    if (!f)
        return -1;
    int n = 0;
    char *line = NULL;
    size_t cap = 0;
    while (getline(&line, &cap, f) > 0)
        n += line[0] == '{' && strstr(line, "\"samples\":[]}\n") != NULL;
    free(line);
    fclose(f);
    return n;
}

Test(lines, each_alert_is_a_line_once_over_restarts)
{
    put_alerts(store, 1, 700);
    struct wr_sink *sink = wr_lines_new(&loop, store, receiver, "lines", out);
    uv_run(&loop, UV_RUN_DEFAULT);
    cr_expect_eq(count(out), 700);
    put_alerts(store, 701, 5);
    wr_sink_wake(sink);
    cr_expect_eq(count(out), 705);
    struct wr_sink_stats stats = stop(sink, 100);
    cr_expect_eq(stats.acknowledged, 705);
    cr_expect_eq(stats.pending, 0);
    cr_expect(stats.connected);
    stopped = false;
    sink = wr_lines_new(&loop, store, receiver, "lines", out);
    stop(sink, 100);
    cr_expect_eq(count(out), 705);
}

Test(lines, a_moved_file_is_left_alone_after_reopen)
{
    struct wr_sink *sink = wr_lines_new(&loop, store, receiver, "lines", out);
    put_alerts(store, 1, 2);
    wr_sink_wake(sink);
    uv_run(&loop, UV_RUN_DEFAULT);
    cr_assert_eq(rename(out, moved), 0);
    wr_sink_reopen(sink);
    put_alerts(store, 3, 3);
    wr_sink_wake(sink);
    stop(sink, 1000);
    cr_expect_eq(count(moved), 2);
    cr_expect_eq(count(out), 3);
}

Test(lines, a_torn_last_line_does_not_spoil_the_next)
{
    FILE *f = fopen(out, "w");
    fputs("{\"alert_id\":\"0", f);
    fclose(f);
    put_alerts(store, 1, 2);
    stop(wr_lines_new(&loop, store, receiver, "lines", out), 1000);
    cr_expect_eq(count(out), 2);
}

Test(lines, a_full_disk_is_counted_and_the_alerts_stay)
{
    put_alerts(store, 1, 2);
    struct wr_sink_stats stats = stop(wr_lines_new(&loop, store, receiver, "lines", "/dev/full"), 500);
    cr_expect(stats.errors >= 2);
    cr_expect_not(stats.connected);
    cr_expect_eq(stats.pending, 2);
    cr_expect(strstr(stats.last_error, "/dev/full: cannot write: No space"), "%s", stats.last_error);
}

Test(lines, a_file_that_cannot_be_opened_is_tried_again)
{
    char late[320];
    snprintf(late, sizeof late, "%s.d/x", out);
    put_alerts(store, 1, 2);
    struct wr_sink *sink = wr_lines_new(&loop, store, receiver, "lines", late);
    uv_run(&loop, UV_RUN_NOWAIT);
    *strrchr(late, '/') = '\0';
    char cmd[400];
    snprintf(cmd, sizeof cmd, "mkdir %s", late);
    cr_assert_eq(system(cmd), 0);
    struct wr_sink_stats stats = stop(sink, 3000);
    cr_expect_eq(stats.acknowledged, 2);
    cr_expect(stats.errors >= 1);
}

Test(lines, a_full_pipe_never_blocks_and_loses_nothing)
{
    int fds[2];
    cr_assert_eq(pipe(fds), 0);
    int real = dup(STDOUT_FILENO);
    dup2(fds[1], STDOUT_FILENO);
    put_alerts(store, 1, 1000); /* about 400 kB; the pipe holds 64 */
    struct wr_sink *sink = wr_lines_new(&loop, store, receiver, "lines", "-");
    uv_run(&loop, UV_RUN_NOWAIT); /* returns, or the test times out */
    struct wr_sink_stats stats;
    wr_sink_stats(sink, &stats);
    cr_expect(stats.pending > 500);
    cr_expect_eq(fcntl(STDOUT_FILENO, F_GETFL) & O_NONBLOCK, 0);
    size_t lines = 0;
    char buf[65536];
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    for (int i = 0; i < 400 && lines < 1000; i++) {
        ssize_t n = read(fds[0], buf, sizeof buf);
        for (ssize_t k = 0; k < n; k++)
            lines += buf[k] == '\n';
        uv_run(&loop, UV_RUN_ONCE);
    }
    cr_expect_eq(lines, 1000);
    stats = stop(sink, 1000);
    dup2(real, STDOUT_FILENO);
    cr_expect_eq(stats.acknowledged, 1000);
    cr_expect_eq(stats.lost, 0);
}

Test(lines, a_reader_that_left_does_not_fill_the_store)
{
    int fds[2];
    cr_assert_eq(pipe(fds), 0);
    int real = dup(STDOUT_FILENO);
    dup2(fds[1], STDOUT_FILENO);
    close(fds[0]);
    close(fds[1]);
    put_alerts(store, 1, 3);
    struct wr_sink_stats stats = stop(wr_lines_new(&loop, store, receiver, "lines", "-"), 1000);
    dup2(real, STDOUT_FILENO);
    cr_expect_eq(stats.lost, 3);
    cr_expect_eq(stats.pending, 0);
    cr_expect(strstr(stats.last_error, "Broken pipe"), "%s", stats.last_error);
}
