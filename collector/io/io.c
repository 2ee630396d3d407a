#include "collector/io/io.h"

#include "collector/io/child.h"
#include "collector/io/udp.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { TIMER_SLACK_NS = 2000000 };

void wr_io_timers_together(void)
{
    (void)prctl(PR_SET_TIMERSLACK, (unsigned long)TIMER_SLACK_NS, 0, 0, 0); /* without it: only more wake-ups */
}

static int64_t clock_ns(clockid_t id)
{
    struct timespec t = {0};
    (void)clock_gettime(id, &t); /* cannot fail for these two clocks */
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t real_wall(void *ctx)
{
    (void)ctx;
    return clock_ns(CLOCK_REALTIME);
}

static int64_t real_mono(void *ctx)
{
    (void)ctx;
    return clock_ns(CLOCK_MONOTONIC);
}

static int real_random(void *ctx, void *bytes, size_t n)
{
    (void)ctx;
    uint8_t *at = bytes;
    while (n) {
        ssize_t got = getrandom(at, n, 0);
        if (got < 0 && errno != EINTR)
            return -errno;
        if (got > 0) {
            at += got;
            n -= (size_t)got;
        }
    }
    return 0;
}

static int real_open(void *ctx, const char *path, enum wr_io_open how)
{
    (void)ctx;
    static const int flags[] = {[WR_IO_READ] = O_RDONLY,
                                [WR_IO_CREATE] = O_WRONLY | O_CREAT | O_TRUNC | O_APPEND,
                                [WR_IO_RDWR] = O_RDWR};
    int fd = open(path, flags[how] | O_CLOEXEC, 0600);
    return fd < 0 ? -errno : fd;
}

static int real_close(void *ctx, int fd)
{
    (void)ctx;
    return close(fd) == 0 ? 0 : -errno;
}

static ssize_t real_write(void *ctx, int fd, const void *bytes, size_t n)
{
    (void)ctx;
    ssize_t rc;
    do
        rc = write(fd, bytes, n);
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? -errno : rc;
}

static ssize_t real_pread(void *ctx, int fd, void *bytes, size_t n, uint64_t at)
{
    (void)ctx;
    ssize_t rc;
    do
        rc = pread(fd, bytes, n, (off_t)at);
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? -errno : rc;
}

static int real_truncate(void *ctx, int fd, uint64_t len)
{
    (void)ctx;
    return ftruncate(fd, (off_t)len) == 0 ? 0 : -errno;
}

static int real_datasync(void *ctx, int fd)
{
    (void)ctx;
    return fdatasync(fd) == 0 ? 0 : -errno;
}

static int real_rename(void *ctx, const char *from, const char *to)
{
    (void)ctx;
    return rename(from, to) == 0 ? 0 : -errno;
}

static int real_unlink(void *ctx, const char *path)
{
    (void)ctx;
    return unlink(path) == 0 ? 0 : -errno;
}

static int real_sync_dir(void *ctx, const char *path)
{
    (void)ctx;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int rc = fsync(fd) == 0 ? 0 : -errno;
    close(fd);
    return rc;
}

static int real_list(void *ctx, const char *path, void (*each)(void *arg, const char *name), void *arg)
{
    (void)ctx;
    DIR *dir = opendir(path);
    if (!dir)
        return -errno;
    int rc = 0;
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(dir);
        if (!entry) {
            rc = -errno;
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            each(arg, entry->d_name);
    }
    closedir(dir);
    return rc;
}

static int real_tcp_listen(void *ctx, const struct sockaddr_storage *addr, socklen_t len)
{
    (void)ctx;
    return wr_socket_bound(SOCK_STREAM, addr, len);
}

const struct wr_io *wr_io_real(void)
{
    static const struct wr_io io = {
        .wall_ns = real_wall,
        .mono_ns = real_mono,
        .random = real_random,
        .open = real_open,
        .close = real_close,
        .write = real_write,
        .pread = real_pread,
        .truncate = real_truncate,
        .datasync = real_datasync,
        .rename = real_rename,
        .unlink = real_unlink,
        .sync_dir = real_sync_dir,
        .list = real_list,
        .child_start = wr_child_start,
        .child_kill = wr_child_kill,
        .child_end = wr_child_end,
        .udp_open = wr_udp_open,
        .udp_close = wr_udp_close,
        .udp_steer = wr_udp_steer,
        .udp_recv = wr_udp_recv,
        .tcp_listen = real_tcp_listen,
    };
    return &io;
}

int wr_io_read_file(const struct wr_io *io, const char *path, size_t max, char **ret_data, size_t *ret_len)
{
    int fd = io->open(io->ctx, path, WR_IO_READ);
    if (fd < 0)
        return fd;
    char *data = NULL;
    size_t len = 0, cap = 0;
    int rc = 0;
    for (;;) {
        if (len == cap) {
            cap = cap ? cap * 2 : 65536;
            char *more = realloc(data, cap + 1);
            if (!more) {
                rc = -ENOMEM;
                break;
            }
            data = more;
        }
        ssize_t got = io->pread(io->ctx, fd, data + len, cap - len, len);
        if (got <= 0) {
            rc = (int)got;
            break;
        }
        len += (size_t)got;
        if (len > max) {
            rc = -EFBIG;
            break;
        }
    }
    io->close(io->ctx, fd);
    if (rc != 0) {
        free(data);
        return rc;
    }
    data[len] = '\0';
    *ret_data = data;
    *ret_len = len;
    return 0;
}

int wr_io_write_all(const struct wr_io *io, int fd, const void *bytes, size_t n)
{
    const char *at = bytes;
    while (n) {
        ssize_t put = io->write(io->ctx, fd, at, n);
        if (put <= 0)
            return put < 0 ? (int)put : -EIO;
        at += put;
        n -= (size_t)put;
    }
    return 0;
}

enum { SYNC_EVERY = 8 << 20 };

static int write_synced(const struct wr_io *io, int fd, const char *bytes, size_t n)
{
    int rc = 0;
    do {
        size_t part = n < SYNC_EVERY ? n : SYNC_EVERY;
        rc = wr_io_write_all(io, fd, bytes, part);
        if (rc == 0)
            rc = io->datasync(io->ctx, fd);
        bytes += part;
        n -= part;
    } while (rc == 0 && n);
    return rc;
}

int wr_io_replace_file(const struct wr_io *io, const char *dir, const char *name, const void *bytes, size_t n)
{
    char tmp[4096], path[4096];
    if (snprintf(tmp, sizeof tmp, "%s/.%s.tmp", dir, name) >= (int)sizeof tmp ||
        snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path)
        return -ENAMETOOLONG;
    int fd = io->open(io->ctx, tmp, WR_IO_CREATE);
    if (fd < 0)
        return fd;
    int rc = write_synced(io, fd, bytes, n);
    int closed = io->close(io->ctx, fd);
    if (rc == 0)
        rc = closed;
    if (rc == 0)
        rc = io->rename(io->ctx, tmp, path);
    if (rc == 0)
        return io->sync_dir(io->ctx, dir);
    (void)io->unlink(io->ctx, tmp); /* best effort: the next try writes over it */
    return rc;
}
