/* Clock, disk, sockets and randomness behind one table of functions, so that state and pipeline run
 * the same on a simulated machine: the tests pass a table that tears writes, fails the n-th call or
 * sets the clock.
 *
 * Everything returns 0 or more, or -errno. Paths are as the kernel takes them. The disk calls may
 * be made from any thread; the others belong to the thread that opened the socket. TCP streams are
 * libuv's; only their listening socket comes from here (libuv 1.44 cannot ask for SO_REUSEPORT). */
#ifndef WR_COLLECTOR_IO_IO_H
#define WR_COLLECTOR_IO_IO_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum wr_io_open { WR_IO_READ, WR_IO_CREATE, WR_IO_RDWR }; /* CREATE: new or emptied, write only */

/* One received UDP train: `len` bytes of equal datagrams of `segment` bytes (the last may be
 * shorter), all from `src`. */
struct wr_dgrams {
    struct sockaddr_in6 src; /* IPv4 as IPv4-mapped */
    const uint8_t *data;     /* borrowed until the next receive */
    uint32_t len, segment;
    bool truncated; /* longer than the buffer: the tail is missing */
};

/* What a UDP socket obtained; `dropped` is the kernel's own count of datagrams it had no room for.
 */
struct wr_udp {
    int fd;
    bool gro;
    uint32_t receive_buffer; /* bytes, as the kernel reports it (it doubles what it is asked for) */
    uint32_t last_ovfl;      /* SO_RXQ_OVFL is 32 bits and may wrap: extended into `dropped` by its delta */
    uint64_t dropped;
    struct wr_udp_slab *slab; /* receive buffers */
};

enum { WR_UDP_BATCH = 64 };

/* A job beside the caller, on a copy of its memory as it was at the call. */
struct wr_child {
    int fd;         /* readable when the process has ended; -1: it has, `result` is there */
    int pid;        /* 0: no process */
    int signal;     /* after child_end: what ended it early; 0: nothing did */
    int64_t result; /* after child_end: what the job returned */
    int64_t *shared;
};

struct wr_io {
    void *ctx;
    int64_t (*wall_ns)(void *ctx); /* since 1970; may step */
    int64_t (*mono_ns)(void *ctx); /* for timers; never steps */
    int (*random)(void *ctx, void *bytes, size_t n);

    int (*open)(void *ctx, const char *path, enum wr_io_open how);
    int (*close)(void *ctx, int fd);
    ssize_t (*write)(void *ctx, int fd, const void *bytes, size_t n); /* at the end; may be short */
    ssize_t (*pread)(void *ctx, int fd, void *bytes, size_t n, uint64_t at);
    int (*truncate)(void *ctx, int fd, uint64_t len);
    int (*datasync)(void *ctx, int fd);
    int (*rename)(void *ctx, const char *from, const char *to);
    int (*unlink)(void *ctx, const char *path);
    int (*sync_dir)(void *ctx, const char *path);
    /* Calls `each` with every name in a directory, in no order. */
    int (*list)(void *ctx, const char *path, void (*each)(void *arg, const char *name), void *arg);

    /* Runs job(arg) in a process of its own (fork), which dies with this one, holds none of its
     * descriptors but 0 to 2, and may use memory and the disk calls above, nothing else: locks
     * other than the caller's may be held for ever. -errno: the machine has no room for a process.
     * The caller's thread must be the one that lives longest. */
    int (*child_start)(void *ctx, int64_t (*job)(void *arg), void *arg, struct wr_child *ret_child);
    void (*child_kill)(void *ctx, struct wr_child *child); /* it still has to be ended */
    /* Waits for the end, then returns the job's result; -ECANCELED when the process died without
     * one. */
    int64_t (*child_end)(void *ctx, struct wr_child *child);

    int (*udp_open)(void *ctx, const struct sockaddr_storage *addr, socklen_t len, uint64_t receive_buffer,
                    struct wr_udp *ret_udp);
    void (*udp_close)(void *ctx, struct wr_udp *udp);
    /* The datagrams of a group of `n` sockets that were bound to one address in turn, of which `first` is the
     * first: each source address goes to one of them, or with `by_domain` each source address and observation
     * domain. */
    int (*udp_steer)(void *ctx, const struct wr_udp *first, uint32_t n, bool by_domain);
    /* Up to WR_UDP_BATCH trains without waiting; 0 when nothing is there. */
    int (*udp_recv)(void *ctx, struct wr_udp *udp, struct wr_dgrams *ret, int max);
    int (*tcp_listen)(void *ctx, const struct sockaddr_storage *addr,
                      socklen_t len); /* bound fd, not yet listening */
};

/* Timers of the calling thread, and of threads that it starts from now on, may be up to 2 ms late, so that the kernel
 * lets those of several threads run at one wake-up of the core: for a virtual machine each costs 10 to 40 us. */
void wr_io_timers_together(void);

/* The real machine. Static. */
const struct wr_io *wr_io_real(void);

/* Whole file into a malloc'ed block that the caller frees (NUL after the end, not counted). -EFBIG
 * above `max`. */
int wr_io_read_file(const struct wr_io *io, const char *path, size_t max, char **ret_data, size_t *ret_len);
/* Writes all of it, or -errno. */
int wr_io_write_all(const struct wr_io *io, int fd, const void *bytes, size_t n);
/* New content under `path` that survives power loss whole: temporary file, datasync, rename,
 * directory synced. Large content is synced in parts, so that another file's sync never waits for
 * all of it. */
int wr_io_replace_file(const struct wr_io *io, const char *dir, const char *name, const void *bytes,
                       size_t n);

#endif
