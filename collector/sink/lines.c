#include "collector/sink/lines.h"

#include "collector/sink/store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    CHUNK_ALERTS = 256,
    TURN_CHUNKS = 8,
    CHUNK_BYTES = 256 << 10,
    PIECE = 4096, /* poll() promises room for PIPE_BUF bytes and no more */
    FULL_RETRY_MS = 50,
    FAIL_RETRY_MS = 1000,
    STOP_RETRY_MS = 20
};

struct lines {
    struct wr_sink base;
    struct wr_store *store;
    int64_t receiver;
    char *name, *path;
    int fd; /* -1: not open */
    bool to_stdout, broken, stopping;
    bool torn; /* the file's last line has no end: a write failed half way */
    struct wr_chunk chunk;
    uint32_t chunk_alerts;
    bool has_chunk; /* its text is in `text`, its first `written` bytes in the file */
    struct wr_buf text;
    size_t written;
    uv_timer_t timer;
    uint64_t give_up_ms; /* loop time */
    wr_sink_stopped stopped;
    void *arg;
    struct wr_sink_stats stats;
    struct wr_sink_outage outage;
};

static void note_error(struct lines *l, const char *what, const char *why)
{
    l->stats.errors++;
    l->stats.connected = false;
    snprintf(l->stats.last_error, sizeof l->stats.last_error, "%s: %s: %s",
             l->to_stdout ? "standard output" : l->path, what, why);
    wr_sink_failed(&l->outage, &l->stats, l->broken);
}

/* ---- the file ---- */

/* After a crash in the middle of a line the next one must start on its own. */
static bool ends_in_a_line(int fd)
{
    off_t size = lseek(fd, 0, SEEK_END);
    char last = '\n';
    if (size > 0 && pread(fd, &last, 1, size - 1) != 1)
        return true; /* a pipe or a device: nothing to look at */
    return last == '\n';
}

static bool open_file(struct lines *l)
{
    if (l->fd >= 0)
        return true;
    if (l->to_stdout) {
        l->fd = STDOUT_FILENO;
        return true;
    }
    /* O_NONBLOCK: opening a FIFO that nobody reads fails instead of waiting */
    int flags = O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    l->fd = open(l->path, flags | O_RDWR, 0640);
    if (l->fd < 0 && errno == EACCES) /* may write, may not read */
        l->fd = open(l->path, flags | O_WRONLY, 0640);
    if (l->fd < 0) {
        note_error(l, "cannot open", strerror(errno));
        return false;
    }
    l->torn = !ends_in_a_line(l->fd);
    return true;
}

static void close_file(struct lines *l)
{
    if (l->fd >= 0 && !l->to_stdout)
        close(l->fd);
    l->fd = -1;
}

enum outcome { DONE, FULL, FAILED };

/* Writes without waiting, also to a descriptor that blocks: standard output is shared with the shell, whose
 * descriptor must not become non-blocking. */
static enum outcome write_some(struct lines *l, const char *bytes, size_t n, size_t *ret_written)
{
    struct pollfd ready = {.fd = l->fd, .events = POLLOUT};
    if (poll(&ready, 1, 0) <= 0)
        return FULL;
    ssize_t w = write(l->fd, bytes, n < PIECE ? n : PIECE);
    if (w >= 0) {
        *ret_written = (size_t)w;
        return w ? DONE : FULL;
    }
    if (errno == EAGAIN || errno == EINTR)
        return FULL;
    if (errno == EPIPE && l->to_stdout)
        l->broken = true;
    note_error(l, "cannot write", strerror(errno));
    return FAILED;
}

static enum outcome write_chunk(struct lines *l)
{
    if (!open_file(l))
        return FAILED;
    size_t n;
    if (l->torn) {
        enum outcome o = write_some(l, "\n", 1, &n);
        if (o != DONE)
            return o;
        l->torn = false;
    }
    while (l->written < l->text.len) {
        enum outcome o = write_some(l, l->text.data + l->written, l->text.len - l->written, &n);
        if (o != DONE)
            return o;
        l->written += n;
    }
    l->stats.connected = true;
    return DONE;
}

/* ---- the outbox ---- */

static void store_failed(struct lines *l)
{
    l->stats.errors++;
    snprintf(l->stats.last_error, sizeof l->stats.last_error, "%s", wr_store_error(l->store));
    wr_sink_failed(&l->outage, &l->stats, l->broken);
}

/* The next chunk: one that was taken before a restart, else a new one. */
static enum wr_err next_chunk(struct lines *l)
{
    enum wr_err err = wr_store_chunk(l->store, l->receiver, 0, &l->chunk);
    if (err == WR_ENOENT)
        err = wr_store_take(l->store, l->receiver, CHUNK_BYTES, CHUNK_ALERTS, &l->chunk);
    if (err)
        return err;
    wr_buf_reset(&l->text);
    l->written = 0;
    err = wr_store_read(l->store, &l->chunk, WR_STORE_LINES, &l->text, &l->chunk_alerts);
    l->has_chunk = !err;
    return err;
}

static void finish_chunk(struct lines *l)
{
    if (l->broken) {
        l->stats.lost += l->chunk_alerts;
    } else {
        l->stats.sent += l->chunk_alerts;
        l->stats.acknowledged += l->chunk_alerts;
        wr_sink_works(&l->outage, &l->stats);
    }
}

static void retry_in(struct lines *l, uint64_t ms);

/* Delivers until nothing is left or the file takes no more; true when nothing is left. */
static bool deliver(struct lines *l)
{
    for (int i = 0; i < TURN_CHUNKS; i++) {
        enum wr_err err = l->has_chunk ? WR_OK : next_chunk(l);
        if (err == WR_ENOENT)
            return true;
        if (err) {
            store_failed(l);
            retry_in(l, FAIL_RETRY_MS);
            return false;
        }
        enum outcome o = l->broken ? DONE : write_chunk(l);
        if (o != DONE && !l->broken) {
            retry_in(l, o == FULL ? FULL_RETRY_MS : FAIL_RETRY_MS);
            return false;
        }
        if (wr_store_ack(l->store, l->chunk.id)) {
            store_failed(l);
            retry_in(l, FAIL_RETRY_MS);
            return false;
        }
        finish_chunk(l);
        l->has_chunk = false;
    }
    retry_in(l, 0); /* let the loop serve others first */
    return false;
}

static void closed(uv_handle_t *handle)
{
    struct lines *l = handle->data;
    l->stopped(&l->base, l->arg);
}

static void end_stop(struct lines *l)
{
    if (uv_is_closing((uv_handle_t *)&l->timer))
        return;
    uv_close((uv_handle_t *)&l->timer, closed);
}

static void on_timer(uv_timer_t *timer)
{
    struct lines *l = timer->data;
    bool done = deliver(l);
    if (l->stopping && (done || uv_now(timer->loop) >= l->give_up_ms))
        end_stop(l);
}

static void retry_in(struct lines *l, uint64_t ms)
{
    if (l->stopping && ms > STOP_RETRY_MS)
        ms = STOP_RETRY_MS;
    uv_timer_start(&l->timer, on_timer, ms, 0);
}

/* ---- the sink ---- */

static void lines_wake(struct wr_sink *sink)
{
    struct lines *l = (struct lines *)sink;
    if (!l->stopping && !uv_is_active((uv_handle_t *)&l->timer))
        deliver(l);
}

static void lines_reopen(struct wr_sink *sink)
{
    struct lines *l = (struct lines *)sink;
    if (l->to_stdout)
        return;
    if (l->fd >= 0 && l->written)
        l->written = 0; /* the half line stays in the old file; the new one gets the whole chunk */
    close_file(l);
    if (!l->stopping)
        retry_in(l, 0);
}

static void lines_stop(struct wr_sink *sink, uint64_t flush_ms, wr_sink_stopped stopped, void *arg)
{
    struct lines *l = (struct lines *)sink;
    l->stopping = true;
    l->stopped = stopped;
    l->arg = arg;
    l->give_up_ms = uv_now(l->timer.loop) + flush_ms;
    uv_timer_start(&l->timer, on_timer, 0, 0);
}

static void lines_stats(const struct wr_sink *sink, struct wr_sink_stats *ret_stats)
{
    const struct lines *l = (const struct lines *)sink;
    *ret_stats = l->stats;
    if (wr_store_pending(l->store, l->receiver, &ret_stats->pending))
        ret_stats->pending = 0;
}

static void lines_free(struct wr_sink *sink)
{
    struct lines *l = (struct lines *)sink;
    close_file(l);
    wr_buf_fini(&l->text);
    free(l->name);
    free(l->path);
    free(l);
}

struct wr_sink *wr_lines_new(uv_loop_t *loop, struct wr_store *store, int64_t receiver, const char *name,
                             const char *path)
{
    static const struct wr_sink_ops ops = {lines_wake, lines_reopen, lines_stop, lines_stats, lines_free};
    struct lines *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->base.ops = &ops;
    l->store = store;
    l->receiver = receiver;
    l->fd = -1;
    l->name = strdup(name);
    l->path = strdup(path);
    if (!l->name || !l->path) {
        lines_free(&l->base);
        return NULL;
    }
    l->to_stdout = strcmp(path, "-") == 0;
    l->stats.kind = "lines";
    l->stats.name = l->name;
    uv_timer_init(loop, &l->timer);
    l->timer.data = l;
    if (open_file(l))
        l->stats.connected = true;
    uv_timer_start(&l->timer, on_timer, 0, 0); /* what an earlier run left */
    return &l->base;
}
