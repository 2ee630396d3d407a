#include "collector/ingest/tail.h"

#include "collector/ingest/tail_file.h"
#include "collector/ingest/tail_trouble.h"
#include "collector/ingest/worker.h"
#include "collector/ops/oplog.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOOK_MS = 1000,   /* where nobody tells of changes: network file systems */
    SOON_MS = 10,     /* after a change was told */
    LEAVE_MS = 30000, /* a renamed file: its writer may not have been told yet */
    MAX_FILES = 4096,
    MAX_DIRS = 256,
    UNIT_BYTES = 1 << 20,  /* rows of one input, about */
    RING_RESERVE = 3 << 20 /* as streams keep free */
};

struct file {
    struct wr_tail_file file;
    struct wr_listener *listener;
    struct file *next;
    uint64_t grew_ms;
    bool matched; /* a pattern names it */
    bool ready;   /* there may be something to read, */
    bool pending; /* or to work through of what was */
    bool failing; /* said */
};

struct watched { /* a directory */
    uv_fs_event_t event;
    char *path;
    struct watched *next;
};

struct wr_tail {
    struct wr_worker *worker;
    struct file *files;
    uint32_t nfiles, ndirs;
    struct watched *dirs;
    struct wr_tail_trouble trouble;
    struct wr_fileposs known; /* of the last run, until the files were found */
    uv_timer_t look;
    uv_idle_t work;
    struct wr_buf unit, input; /* rows of a piece; the same behind their position, */
    bool unsent;               /* which the ring had no room for */
    uint64_t scanned_ms;
    bool looked, scan, stopped, too_many;
    struct wr_framing closed; /* counters of files that are no longer open */
};

static void add_framing(struct wr_framing *sum, const struct wr_framing *f)
{
#define X(name) sum->stats.name += f->stats.name;
    WR_FRAMING_COUNTERS(X)
#undef X
}

/* ---- handing on ---- */

/* False: the ring has no room; it goes out first when there is some. */
static bool send_unit(struct wr_tail *t)
{
    t->unsent = !wr_worker_push(t->worker, WR_INPUT_FILE, t->input.data, t->input.len);
    return !t->unsent;
}

/* Rows beyond what one input may hold go before it: after a crash in between they come twice. No
 * message of 1 MiB has as many unless rules read everything of a long list. */
static void send_ahead(struct wr_tail *t)
{
    struct wr_rd rd = wr_rd_init(t->unit.data, t->unit.len);
    while (rd.at < rd.end) {
        uint32_t type = wr_rd_u32(&rd), len;
        const uint8_t *bytes = wr_rd_blob(&rd, &len);
        if (bytes && !wr_worker_push(t->worker, type, bytes, len))
            t->worker->rows_dropped++;
    }
    wr_buf_reset(&t->unit);
}

/* The position of the file with the rows up to it. Nothing may be unsent when there are rows. */
static void hand_on(struct wr_tail *t, const struct file *f)
{
    if (t->unsent && !send_unit(t))
        return;
    wr_buf_reset(&t->input);
    wr_filepos_put(&f->file.pos, f->file.path, &t->input);
    if (t->unit.len + t->input.len > wr_ring_max(t->worker->ring))
        send_ahead(t);
    wr_buf_add(&t->input, t->unit.data, t->unit.len);
    wr_buf_reset(&t->unit);
    if (t->input.err) {
        t->worker->rows_dropped++;
        wr_buf_fini(&t->input);
        return;
    }
    (void)send_unit(t);
}

/* ---- files ---- */

static void say(struct file *f, const char *msg, int err)
{
    if (!f->failing)
        wr_oplog(WR_OPLOG_ERROR, msg, "file", f->file.path, "error", strerror(err), NULL);
    f->failing = true;
}

/* A piece of a file: its messages as rows, all of them or none. True: there is more at once. */
static bool piece(struct wr_tail *t, struct file *f, bool eof)
{
    struct wr_worker *w = t->worker;
    struct wr_framing before = f->file.framing;
    int64_t now_ns = w->io->wall_ns(w->io->ctx);
    const char *frame;
    size_t len;
    bool more = true;
    WR_ASSERT(!t->unsent);
    wr_buf_reset(&t->unit);
    w->unit = &t->unit;
    while (t->unit.len < UNIT_BYTES && (more = wr_tail_file_next(&f->file, eof, &frame, &len)))
        wr_worker_line(f->listener, "", frame, len, now_ns);
    wr_worker_flush(w);
    w->unit = NULL;
    if (t->unit.err) {
        wr_buf_fini(&t->unit);
        wr_tail_file_unread(&f->file, &before);
        f->listener->stats.receive_errors++;
        return false; /* tried again at the next look */
    }
    bool moved = f->file.used > 0;
    wr_tail_file_settle(&f->file);
    if (moved)
        hand_on(t, f);
    f->pending = more && moved;
    return f->pending;
}

static void forget(struct wr_tail *t, struct file *f)
{
    f->file.pos.gone = true;
    wr_buf_reset(&t->unit);
    hand_on(t, f);
    add_framing(&t->closed, &f->file.framing);
    struct file **at = &t->files;
    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
    t->nfiles--;
    wr_tail_file_close(&f->file);
    free(f);
}

static bool has_room(struct wr_tail *t)
{
    struct wr_worker *w = t->worker;
    if (t->unsent && !send_unit(t))
        return false;
    wr_worker_flush(w);
    return !w->broken && wr_ring_room(w->ring) >= RING_RESERVE;
}

/* Pieces as long as there is room. True: all that is whole went out. */
static bool pieces(struct wr_tail *t, struct file *f, bool eof)
{
    while (has_room(t))
        if (!piece(t, f, eof))
            return true;
    return false;
}

/* Reads on. True: there may be more. */
static bool read_file(struct wr_tail *t, struct file *f)
{
    if (f->pending && !pieces(t, f, false))
        return true;
    switch (wr_tail_file_read(&f->file)) {
    case WR_TAIL_BYTES:
        f->grew_ms = uv_now(&t->worker->loop);
        f->failing = false;
        (void)pieces(t, f, false);
        return true;
    case WR_TAIL_OVERWRITTEN:
        if (!pieces(t, f, true))
            return true; /* found overwritten once more */
        f->listener->stats.overwritten++;
        wr_tail_file_restart(&f->file);
        return true;
    case WR_TAIL_ERROR:
        f->listener->stats.receive_errors++;
        say(f, "cannot read a file; tried again every second", errno);
        return false;
    default:
        return false;
    }
}

/* A piece of each file at each turn of the loop, between what sockets have. */
static void on_work(uv_idle_t *idle)
{
    struct wr_tail *t = idle->data;
    struct wr_worker *w = t->worker;
    bool any = false;
    pthread_mutex_lock(&w->lock);
    for (struct file *f = t->files; f; f = f->next) {
        if (!f->ready)
            continue;
        if (!has_room(t)) {
            f->listener->stats.paused++;
            uv_idle_stop(idle);
            wr_worker_resume_later(w);
            any = true;
            break;
        }
        f->ready = read_file(t, f);
        any |= f->ready;
    }
    if (!any)
        uv_idle_stop(idle);
    wr_worker_tell(w);
    pthread_mutex_unlock(&w->lock);
}

void wr_tail_resume(struct wr_tail *tail)
{
    if (!tail->stopped)
        uv_idle_start(&tail->work, on_work);
}

/* ---- looking ---- */

static void on_look(uv_timer_t *timer);

static void on_change(uv_fs_event_t *event, const char *name, int events, int status)
{
    struct wr_tail *t = event->data;
    (void)name;
    (void)status;
    pthread_mutex_lock(&t->worker->lock);
    t->scan |= (events & UV_RENAME) != 0;
    if (!t->stopped && uv_timer_get_due_in(&t->look) > SOON_MS)
        uv_timer_start(&t->look, on_look, SOON_MS, LOOK_MS);
    pthread_mutex_unlock(&t->worker->lock);
}

/* The directory of a path tells of changes. A failure only means that they are seen a second later.
 */
static void watch(struct wr_tail *t, const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash == path ? 1 : (size_t)(slash - path);
    for (const struct watched *d = t->dirs; d; d = d->next)
        if (strlen(d->path) == len && !memcmp(d->path, path, len))
            return;
    struct watched *d = t->ndirs < MAX_DIRS ? calloc(1, sizeof *d) : NULL;
    if (!d || !(d->path = strndup(path, len))) {
        free(d);
        return;
    }
    uv_fs_event_init(&t->worker->loop, &d->event);
    d->event.data = t;
    d->next = t->dirs;
    t->dirs = d;
    t->ndirs++;
    (void)uv_fs_event_start(&d->event, on_change, d->path, 0);
}

static void cannot_open(struct wr_tail *t, const struct wr_listener *l, const char *path,
                        uint64_t ino, int why)
{
    if ((why != -EISDIR && why != -EINVAL) ||
        !strpbrk(l->at->text, "*?[")) /* a pattern means the files */
        wr_tail_trouble_say(&t->trouble, path, ino, why);
}

static struct file *find_file(const struct wr_tail *t, uint64_t dev, uint64_t ino)
{
    for (struct file *f = t->files; f; f = f->next)
        if (f->file.pos.ino == ino && f->file.pos.dev == dev)
            return f;
    return NULL;
}

static void open_file(struct wr_tail *t, struct wr_listener *l, const char *path,
                      const struct stat *st, bool matched)
{
    const struct wr_filepos_known *known = wr_fileposs_find(&t->known, st->st_dev, st->st_ino);
    if (t->nfiles == MAX_FILES) {
        if (!t->too_many)
            wr_oplog(WR_OPLOG_ERROR, "too many files match `files`; those found last are not read",
                     "most", WR_FMT("%d", MAX_FILES), "file", path, NULL);
        t->too_many = true;
        return;
    }
    struct file *f = calloc(1, sizeof *f);
    int rc = f ? wr_tail_file_open(&f->file, path, known ? &known->pos : NULL) : -ENOMEM;
    if (rc == 0 && !known && !t->looked && t->worker->config->files_from_end && t->known.n == 0)
        rc = wr_tail_file_to_end(&f->file);
    if (rc != 0) {
        cannot_open(t, l, path, st->st_ino, rc);
        if (f)
            wr_tail_file_close(&f->file);
        free(f);
        return;
    }
    f->listener = l;
    f->matched = matched;
    f->ready = true;
    f->grew_ms = uv_now(&t->worker->loop);
    struct file **end = &t->files; /* older ones are read first */
    while (*end)
        end = &(*end)->next;
    *end = f;
    t->nfiles++;
    l->stats.connections++;
    if (f->file.pos.at) { /* from the end: so that the next start does not read what was there */
        wr_buf_reset(&t->unit);
        hand_on(t, f);
    }
}

static void found(struct wr_tail *t, struct wr_listener *l, const char *path)
{
    struct stat st;
    if (strlen(path) >= WR_FILE_PATH_MAX)
        return;
    watch(t, path);
    if (stat(path, &st) != 0) {
        if (errno != ENOENT)
            cannot_open(t, l, path, 0, -errno);
        return;
    }
    struct file *f = find_file(t, st.st_dev, st.st_ino);
    if (!f) {
        if (!wr_tail_trouble_useless(&t->trouble, path, st.st_ino))
            open_file(t, l, path, &st, true);
        return;
    }
    f->matched = true;
    if (strcmp(f->file.path, path) != 0) {
        char *copy = strdup(path);
        if (copy) {
            free(f->file.path);
            f->file.path = copy;
        }
    }
}

static void scan_pattern(struct wr_tail *t, struct wr_listener *l)
{
    glob_t g;
    const char *pattern = l->at->text;
    if (!strpbrk(pattern, "*?[")) {
        found(t, l, pattern);
        return;
    }
    if (strcspn(pattern, "*?[") > (size_t)(strrchr(pattern, '/') - pattern))
        watch(t, pattern);
    if (glob(pattern, 0, NULL, &g) == 0)
        for (size_t i = 0; i < g.gl_pathc; i++)
            found(t, l, g.gl_pathv[i]);
    globfree(&g);
}

/* A file that was known and is not where it was: renamed while weir was away. */
static bool find_renamed(struct wr_tail *t, struct wr_listener *l,
                         const struct wr_filepos_known *known)
{
    char path[WR_FILE_PATH_MAX];
    const char *slash = strrchr(known->path, '/');
    int dir_len = slash ? (int)(slash - known->path) + 1 : 0;
    if (snprintf(path, sizeof path, "%.*s", dir_len, known->path) >= (int)sizeof path)
        return false;
    DIR *dir = opendir(path);
    bool there = false;
    for (struct dirent *e; dir && !there && (e = readdir(dir));) {
        struct stat st;
        if (e->d_ino != known->pos.ino ||
            snprintf(path, sizeof path, "%.*s%s", dir_len, known->path, e->d_name) >=
                (int)sizeof path ||
            stat(path, &st) != 0)
            continue;
        there = st.st_dev == known->pos.dev && st.st_ino == known->pos.ino &&
                !find_file(t, st.st_dev, st.st_ino);
        if (there)
            open_file(t, l, path, &st, false);
    }
    if (dir)
        closedir(dir);
    return there;
}

static void forget_known(struct wr_tail *t, const struct wr_filepos_known *known)
{
    struct file gone = {.file = {.pos = known->pos, .path = known->path}};
    gone.file.pos.gone = true;
    wr_buf_reset(&t->unit);
    hand_on(t, &gone);
}

/* Once: whatever was known and is not found is deleted. */
static void first_look(struct wr_tail *t, struct wr_listener *any)
{
    for (uint32_t i = 0; i < t->known.n; i++) {
        const struct wr_filepos_known *k = &t->known.at[i];
        if (!find_file(t, k->pos.dev, k->pos.ino) && !find_renamed(t, any, k))
            forget_known(t, k);
    }
    wr_fileposs_fini(&t->known);
    t->looked = true;
}

static void scan(struct wr_tail *t)
{
    struct wr_worker *w = t->worker;
    struct wr_listener *any = NULL;
    for (struct file *f = t->files; f; f = f->next)
        f->matched = false;
    for (uint32_t i = 0; i < w->nlisteners; i++) {
        if (w->listeners[i].at->kind != WR_LISTEN_FILES)
            continue;
        any = any ? any : &w->listeners[i];
        scan_pattern(t, &w->listeners[i]);
    }
    wr_tail_trouble_over(&t->trouble);
    if (!t->looked)
        first_look(t, any);
}

/* Has it grown, was it cut, is it over? */
static void check_file(struct wr_tail *t, struct file *f)
{
    struct stat st;
    if (fstat(f->file.fd, &st) != 0)
        return;
    f->ready |= (uint64_t)st.st_size != f->file.pos.at + f->file.buf.len;
    if (!f->ready && !f->matched && uv_now(&t->worker->loop) - f->grew_ms >= LEAVE_MS &&
        pieces(t, f, true) && !t->unsent)
        forget(t, f);
}

static void on_look(uv_timer_t *timer)
{
    struct wr_tail *t = timer->data;
    bool ready = false;
    pthread_mutex_lock(&t->worker->lock);
    uv_update_time(&t->worker->loop);
    uint64_t now_ms = uv_now(&t->worker->loop);
    if (t->scan || !t->looked || now_ms - t->scanned_ms >= LOOK_MS) {
        t->scan = false;
        t->scanned_ms = now_ms;
        scan(t);
    }
    for (struct file *f = t->files, *next; f; f = next) {
        next = f->next;
        check_file(t, f);
    }
    for (const struct file *f = t->files; f; f = f->next)
        ready |= f->ready;
    if (ready)
        uv_idle_start(&t->work, on_work);
    wr_worker_tell(t->worker);
    pthread_mutex_unlock(&t->worker->lock);
}

/* ---- life ---- */

struct wr_tail *wr_tail_new(struct wr_worker *worker, const struct wr_fileposs *known)
{
    struct wr_tail *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->worker = worker;
    for (uint32_t i = 0; i < known->n; i++) {
        if (wr_fileposs_set(&t->known, &known->at[i].pos, known->at[i].path,
                            strlen(known->at[i].path))) {
            wr_fileposs_fini(&t->known);
            free(t);
            return NULL;
        }
    }
    uv_timer_init(&worker->loop, &t->look);
    uv_idle_init(&worker->loop, &t->work);
    t->look.data = t->work.data = t;
    uv_timer_start(&t->look, on_look, 0, LOOK_MS);
    return t;
}

void wr_tail_stop(struct wr_tail *tail)
{
    if (tail->stopped)
        return;
    tail->stopped = true;
    uv_close((uv_handle_t *)&tail->look, NULL);
    uv_close((uv_handle_t *)&tail->work, NULL);
    for (struct watched *d = tail->dirs; d; d = d->next)
        uv_close((uv_handle_t *)&d->event, NULL);
}

void wr_tail_free(struct wr_tail *tail)
{
    if (!tail)
        return;
    for (struct file *f = tail->files, *next; f; f = next) {
        next = f->next;
        wr_tail_file_close(&f->file);
        free(f);
    }
    for (struct watched *d = tail->dirs, *next; d; d = next) {
        next = d->next;
        free(d->path);
        free(d);
    }
    wr_tail_trouble_fini(&tail->trouble);
    wr_fileposs_fini(&tail->known);
    wr_buf_fini(&tail->unit);
    wr_buf_fini(&tail->input);
    free(tail);
}

void wr_tail_framing_sum(const struct wr_tail *tail, struct wr_framing *ret_sum)
{
    add_framing(ret_sum, &tail->closed);
    for (const struct file *f = tail->files; f; f = f->next)
        add_framing(ret_sum, &f->file.framing);
}

void wr_tail_behind(const struct wr_tail *tail, const struct wr_listen *at, uint64_t *ret_files,
                    uint64_t *ret_bytes)
{
    *ret_files = *ret_bytes = 0;
    for (const struct file *f = tail->files; f; f = f->next) {
        struct stat st;
        if (f->listener->at != at)
            continue;
        ++*ret_files;
        if (fstat(f->file.fd, &st) == 0 && (uint64_t)st.st_size > f->file.pos.at)
            *ret_bytes += (uint64_t)st.st_size - f->file.pos.at;
    }
}
