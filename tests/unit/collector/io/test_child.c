#include "collector/io/io.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* A job in a process of its own: what it sees, what it does not keep, what is known of its end. */

struct seen {
    int value;
    int fd;
};

static void wait_for(const struct wr_child *child)
{
    struct pollfd p = {.fd = child->fd, .events = POLLIN};
    cr_assert_eq(poll(&p, 1, 10000), 1);
}

static int64_t look(void *arg)
{
    const struct seen *seen = arg;
    usleep(50000); /* the parent has changed its copy by then */
    char *more = malloc(100000);
    bool works = more != NULL;
    free(more);
    return works && fcntl(seen->fd, F_GETFD) < 0 && errno == EBADF ? seen->value : -1;
}

Test(child, sees_the_memory_of_the_call_and_holds_no_descriptor)
{
    const struct wr_io *io = wr_io_real();
    struct seen seen = {.value = 41, .fd = dup(0)};
    struct wr_child child;
    cr_assert_eq(io->child_start(io->ctx, look, &seen, &child), 0);
    seen.value = 42;
    wait_for(&child);
    cr_assert_eq(io->child_end(io->ctx, &child), 41);
    cr_assert_eq(child.signal, 0);
    cr_assert_eq(child.fd, -1);
    cr_assert_eq(io->child_end(io->ctx, &child), 41, "it may be asked again");
    close(seen.fd);
}

static int64_t fails(void *arg)
{
    (void)arg;
    return -ENOSPC;
}

static int64_t dies(void *arg)
{
    (void)arg;
    (void)raise(SIGKILL);
    return 0;
}

static int64_t hangs(void *arg)
{
    (void)arg;
    for (;;)
        pause();
    return 0;
}

Test(child, its_end_is_known)
{
    const struct wr_io *io = wr_io_real();
    struct wr_child child;
    cr_assert_eq(io->child_start(io->ctx, fails, NULL, &child), 0);
    cr_assert_eq(io->child_end(io->ctx, &child), -ENOSPC);
    cr_assert_eq(io->child_start(io->ctx, dies, NULL, &child), 0);
    cr_assert_eq(io->child_end(io->ctx, &child), -ECANCELED);
    cr_assert_eq(child.signal, SIGKILL);
    cr_assert_eq(io->child_start(io->ctx, hangs, NULL, &child), 0);
    (void)kill(child.pid, SIGTERM); /* of the group: not for it to decide */
    struct pollfd p = {.fd = child.fd, .events = POLLIN};
    cr_assert_eq(poll(&p, 1, 100), 0, "it still runs");
    io->child_kill(io->ctx, &child);
    wait_for(&child);
    cr_assert_eq(io->child_end(io->ctx, &child), -ECANCELED);
    cr_assert_eq(child.signal, SIGKILL);
}

/* A zombie that nobody has waited for does not. */
static bool runs(pid_t pid)
{
    char path[64], line[256] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "r");
    if (!f)
        return false;
    bool there = fgets(line, sizeof line, f) && !strstr(line, ") Z ");
    fclose(f);
    return there;
}

/* kill -9 of the parent while the child works: the lock is free for the next start, and the child
 * is gone. */
Test(child, holds_no_lock_and_does_not_outlive_its_parent)
{
    const struct wr_io *io = wr_io_real();
    char path[] = "child-test-XXXXXX";
    int fd = mkstemp(path), pid_of_child[2];
    cr_assert_geq(fd, 0);
    close(fd);
    cr_assert_eq(pipe(pid_of_child), 0);
    pid_t parent = fork();
    if (parent == 0) {
        int lock = open(path, O_RDWR | O_CLOEXEC);
        struct wr_child child;
        if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) != 0 ||
            io->child_start(io->ctx, hangs, NULL, &child) != 0)
            _exit(1);
        if (write(pid_of_child[1], &child.pid, sizeof child.pid) < 0)
            _exit(1);
        pause();
    }
    pid_t grandchild = 0;
    cr_assert_eq(read(pid_of_child[0], &grandchild, sizeof grandchild), (ssize_t)sizeof grandchild);
    usleep(100000); /* it has let go by then */
    (void)kill(parent, SIGKILL);
    fd = open(path, O_RDWR);
    int tries = 100;
    while (flock(fd, LOCK_EX | LOCK_NB) != 0 && tries-- > 0)
        usleep(10000);
    cr_assert_gt(tries, 0, "the lock is still held");
    tries = 500;
    while (runs(grandchild) && tries-- > 0)
        usleep(10000);
    cr_assert_gt(tries, 0, "the child lives on");
    close(fd);
    unlink(path);
}
