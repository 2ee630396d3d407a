/* A disk in memory behind struct wr_io: keeps apart what was written and what was synced, fails the n-th call
 * on request. Directories are a name's prefix. Enough for the log and the snapshot; sockets are not there. */
#ifndef WR_TESTS_SUPPORT_SIM_DISK_H
#define WR_TESTS_SUPPORT_SIM_DISK_H

#include "collector/io/io.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIM_FILES = 64 };

struct sim_file {
    char *name; /* NULL: free */
    uint8_t *data;
    size_t len, synced;
};

struct sim_disk {
    struct sim_file files[SIM_FILES];
    int64_t now_ns;
    int fail_at; /* the n-th call that can fail does, with `fail_errno`; 0 = none */
    int fail_errno;
    int calls;
};

static bool sim_fails(struct sim_disk *d)
{
    d->calls++;
    return d->fail_at && d->calls == d->fail_at;
}

static struct sim_file *sim_find(struct sim_disk *d, const char *name)
{
    for (int i = 0; i < SIM_FILES; i++)
        if (d->files[i].name && strcmp(d->files[i].name, name) == 0)
            return &d->files[i];
    return NULL;
}

static void sim_drop(struct sim_file *f)
{
    free(f->name);
    free(f->data);
    *f = (struct sim_file){0};
}

static int64_t sim_now(void *ctx)
{
    return ((struct sim_disk *)ctx)->now_ns;
}

static int sim_open(void *ctx, const char *path, enum wr_io_open how)
{
    struct sim_disk *d = ctx;
    if (sim_fails(d))
        return -d->fail_errno;
    struct sim_file *f = sim_find(d, path);
    if (how == WR_IO_CREATE && f)
        f->len = f->synced = 0;
    for (int i = 0; how == WR_IO_CREATE && !f && i < SIM_FILES; i++) {
        if (!d->files[i].name) {
            f = &d->files[i];
            f->name = strdup(path);
        }
    }
    return f ? (int)(f - d->files) : -ENOENT;
}

static int sim_close(void *ctx, int fd)
{
    (void)ctx;
    (void)fd;
    return 0;
}

static ssize_t sim_write(void *ctx, int fd, const void *bytes, size_t n)
{
    struct sim_disk *d = ctx;
    struct sim_file *f = &d->files[fd];
    bool fails = sim_fails(d);
    if (fails)
        n /= 2; /* as a full disk does: a part is there */
    f->data = realloc(f->data, f->len + n + 1);
    memcpy(f->data + f->len, bytes, n);
    f->len += n;
    return fails ? -d->fail_errno : (ssize_t)n;
}

static ssize_t sim_pread(void *ctx, int fd, void *bytes, size_t n, uint64_t at)
{
    struct sim_file *f = &((struct sim_disk *)ctx)->files[fd];
    if (at >= f->len)
        return 0;
    if (n > f->len - at)
        n = f->len - at;
    memcpy(bytes, f->data + at, n);
    return (ssize_t)n;
}

static int sim_truncate(void *ctx, int fd, uint64_t len)
{
    struct sim_disk *d = ctx;
    if (sim_fails(d))
        return -d->fail_errno;
    d->files[fd].len = len;
    return 0;
}

static int sim_datasync(void *ctx, int fd)
{
    struct sim_disk *d = ctx;
    if (sim_fails(d))
        return -d->fail_errno;
    d->files[fd].synced = d->files[fd].len;
    return 0;
}

static int sim_rename(void *ctx, const char *from, const char *to)
{
    struct sim_disk *d = ctx;
    if (sim_fails(d))
        return -d->fail_errno;
    struct sim_file *f = sim_find(d, from), *old = sim_find(d, to);
    if (!f)
        return -ENOENT;
    if (old)
        sim_drop(old);
    free(f->name);
    f->name = strdup(to);
    return 0;
}

static int sim_unlink(void *ctx, const char *path)
{
    struct sim_file *f = sim_find(ctx, path);
    if (!f)
        return -ENOENT;
    sim_drop(f);
    return 0;
}

static int sim_sync_dir(void *ctx, const char *path)
{
    struct sim_disk *d = ctx;
    (void)path;
    return sim_fails(d) ? -d->fail_errno : 0;
}

static int sim_list(void *ctx, const char *path, void (*each)(void *arg, const char *name), void *arg)
{
    struct sim_disk *d = ctx;
    size_t len = strlen(path);
    for (int i = 0; i < SIM_FILES; i++)
        if (d->files[i].name && strncmp(d->files[i].name, path, len) == 0 && d->files[i].name[len] == '/')
            each(arg, d->files[i].name + len + 1);
    return 0;
}

/* Runs the job at once: it sees the memory of this moment as a forked one would. */
static int sim_child_start(void *ctx, int64_t (*job)(void *arg), void *arg, struct wr_child *ret_child)
{
    struct sim_disk *d = ctx;
    if (sim_fails(d))
        return -d->fail_errno;
    *ret_child = (struct wr_child){.fd = -1, .result = job(arg)};
    return 0;
}

static int64_t sim_child_end(void *ctx, struct wr_child *child)
{
    (void)ctx;
    return child->result;
}

static struct wr_io sim_io(struct sim_disk *d)
{
    return (struct wr_io){.ctx = d,
                          .wall_ns = sim_now,
                          .mono_ns = sim_now,
                          .open = sim_open,
                          .close = sim_close,
                          .write = sim_write,
                          .pread = sim_pread,
                          .truncate = sim_truncate,
                          .datasync = sim_datasync,
                          .rename = sim_rename,
                          .unlink = sim_unlink,
                          .sync_dir = sim_sync_dir,
                          .list = sim_list,
                          .child_start = sim_child_start,
                          .child_end = sim_child_end};
}

/* The machine loses power: what was not synced is gone, but for a torn part of `keep` bytes of each file. */
static inline void sim_power_loss(struct sim_disk *d, size_t keep)
{
    for (int i = 0; i < SIM_FILES; i++) {
        struct sim_file *f = &d->files[i];
        if (f->name && f->len > f->synced + keep)
            f->len = f->synced + keep;
    }
}

static inline void sim_free(struct sim_disk *d)
{
    for (int i = 0; i < SIM_FILES; i++)
        if (d->files[i].name)
            sim_drop(&d->files[i]);
}

#endif
