/* A job in a forked process. What the child may still touch after a fork with other threads
 * running: its memory, malloc (glibc takes the allocator's locks around fork) and system calls.
 *
 * It must not outlive the parent's claim on what they share. flock() belongs to the open file, not
 * to the process: a child that kept the descriptor would keep the state directory locked after its
 * parent's death. So it closes all it inherited but 0 to 2 (where a sanitizer reports), and the
 * kernel kills it when the parent's thread ends.
 *
 * The result comes through a shared page, the end through a pipe that nobody writes to: it closes
 * after the child's memory was taken apart (0.1 s for some 100 MB), so the parent never waits for
 * that. */
#include "collector/io/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NICE = 5 }; /* the parent has alerts to bring out */

/* The first to go when memory runs out: the parent goes on without it. Best effort, as the
 * priority. */
static void stand_back(void)
{
    (void)setpriority(PRIO_PROCESS, 0, NICE);
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t n = write(fd, "1000", 4);
        (void)n;
        close(fd);
    }
}

/* Only after the handlers of the parent are gone are signals let in again: libuv's would write to
 * its loop. */
static void default_signals(const sigset_t *mask)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP,
                                  SIGPIPE}; /* of the group: the parent sees them and decides */
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        (void)sigaction(ignored[i], &ignore, NULL);
    (void)sigprocmask(SIG_SETMASK, mask, NULL);
}

static void be_child(pid_t parent, int out, const sigset_t *mask)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* it died before that */
        _exit(1);
    if (out > 3)
        (void)close_range(3, (unsigned)out - 1, 0);
    (void)close_range((unsigned)out + 1, ~0U, 0);
    default_signals(mask);
    stand_back();
}

int wr_child_start(void *ctx, int64_t (*job)(void *arg), void *arg, struct wr_child *ret_child)
{
    (void)ctx;
    int fds[2];
    int64_t *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return -errno;
    *shared = -ECANCELED;
    if (pipe2(fds, O_CLOEXEC) != 0) {
        int rc = -errno;
        munmap(shared, sizeof *shared);
        return rc;
    }
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t parent = getpid(), pid = fork();
    int failed = errno;
    if (pid == 0) {
        be_child(parent, fds[1], &before);
        *shared = job(arg);
        _exit(0);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(fds[1]);
    if (pid < 0) {
        close(fds[0]);
        munmap(shared, sizeof *shared);
        return -failed;
    }
    *ret_child = (struct wr_child){.fd = fds[0], .pid = pid, .shared = shared};
    return 0;
}

void wr_child_kill(void *ctx, struct wr_child *child)
{
    (void)ctx;
    if (child->pid > 0)
        (void)kill(child->pid, SIGKILL); /* not yet waited for: the number is still its own */
}

int64_t wr_child_end(void *ctx, struct wr_child *child)
{
    (void)ctx;
    if (child->fd < 0)
        return child->result;
    int status = 0;
    pid_t ended;
    do
        ended = waitpid(child->pid, &status, 0);
    while (ended < 0 && errno == EINTR);
    child->signal = ended == child->pid && WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    child->result = *child->shared;
    munmap(child->shared, sizeof *child->shared);
    close(child->fd);
    *child = (struct wr_child){.fd = -1, .signal = child->signal, .result = child->result};
    return child->result;
}
