#include "collector/cli/ahead.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

enum { SLICE = 256 * 1024, MAX_THREADS = 8, SLOTS = 3 * MAX_THREADS };

/* A piece of the file and its rows. */
struct slice {
    size_t from, to;
    struct wr_rows *sets; /* one after the other */
    uint32_t nsets, csets, given;
    uint64_t lines, rejected;
    enum wr_err err;
    bool clean, done;
};

struct wr_ahead {
    struct wr_ahead_opts opts;
    pthread_mutex_t lock;
    pthread_cond_t taken, parsed; /* room for a slice; a slice is done */
    pthread_t thread[MAX_THREADS];
    struct wr_log *log[MAX_THREADS];
    uint32_t nthreads, nslots;
    struct slice slot[SLOTS];
    uint64_t next, out; /* slices begun, slices handed on whole */
    size_t cut;         /* where the next slice begins */
    size_t at;          /* what is handed on */
    uint64_t lines, rejected;
    bool stop, ended;
};

struct worker {
    struct wr_ahead *ahead;
    struct wr_log *log;
};

static uint64_t rejected(const struct wr_log *log)
{
    const struct wr_log_stats *st = wr_log_stats(log);
    return st->unparsed_json + st->unparsed_limit + st->unparsed_missing_field;
}

/* An empty set of batches after the last one. */
static struct wr_rows *set_new(const struct wr_ahead *a, struct slice *s)
{
    if (s->nsets == s->csets) {
        struct wr_rows *sets = realloc(s->sets, (s->csets + 1) * sizeof *sets);
        if (!sets)
            return NULL;
        s->sets = sets;
        s->sets[s->csets] = (struct wr_rows){{0}};
        s->csets++;
        if (!a->opts.rows(a->opts.ctx, &s->sets[s->nsets]))
            return NULL;
    } else if (!wr_rows_reset(&s->sets[s->nsets])) {
        return NULL;
    }
    return &s->sets[s->nsets++];
}

static enum wr_err parse_frame(const struct wr_ahead *a, struct slice *s, struct wr_log *log, const char *frame,
                               size_t len)
{
    for (;;) {
        struct wr_rows *rows = &s->sets[s->nsets - 1];
        enum wr_err err = wr_log_frame(log, "", frame, len, a->opts.time_ns, rows);
        if (err != WR_EFULL)
            return err;
        if (!wr_rows_count(rows)) { /* more rows than a batch holds: left to the caller */
            s->clean = false;
            return WR_OK;
        }
        if (!set_new(a, s))
            return WR_ENOMEM;
    }
}

/* The line at data[at]: its bytes before the line end. One that is like those before is known by its bytes, and parsed with that. */
static size_t line_at(const struct wr_ahead *a, const struct slice *s, size_t at, struct wr_log *log)
{
    const char *p = (const char *)a->opts.data + at;
    bool room = a->opts.len - s->to >= WR_JSON_BEHIND;
    size_t n = room ? wr_log_known(log, p, s->to - at) : 0;
    if (n && p[n] == '\n')
        return n;
    const char *lf = memchr(p, '\n', s->to - at);
    return lf ? (size_t)(lf - p) : s->to - at;
}

/* Lines that begin and end as an object does, without a framing's look at each byte. False: some line does not, or was no
 * valid JSON by itself: the slice is to be framed. */
static bool whole_lines(const struct wr_ahead *a, struct slice *s, struct wr_log *log, enum wr_err *ret_err)
{
    const struct wr_log_stats *st = wr_log_stats(log);
    uint64_t odd = st->unparsed_json + st->unparsed_limit + st->trailing_bytes + st->oversize;
    size_t max = a->opts.framing.max_frame ? a->opts.framing.max_frame : 1 << 20;
    for (size_t at = s->from; at < s->to; s->lines++) {
        const char *p = (const char *)a->opts.data + at;
        size_t n = line_at(a, s, at, log);
        at += n + (n < s->to - at);
        if (n < 4 || n >= max || p[0] != '{' || p[1] != '"' || p[n - 1] != '}')
            return false;
        *ret_err = parse_frame(a, s, log, p, n);
        if (*ret_err)
            return true;
        if (st->unparsed_json + st->unparsed_limit + st->trailing_bytes + st->oversize != odd)
            return false;
    }
    return true;
}

static enum wr_err framed(const struct wr_ahead *a, struct slice *s, struct wr_log *log)
{
    const char *data = (const char *)a->opts.data;
    struct wr_framing framing = a->opts.framing;
    enum wr_err err = WR_OK;
    size_t at = s->from;
    memset(&framing.stats, 0, sizeof framing.stats);
    while (at < s->to && !err && s->clean) {
        const char *frame;
        size_t len, n = wr_framing_next(&framing, data + at, s->to - at, s->to == a->opts.len, &frame, &len);
        if (!n)
            break;
        at += n;
        if (frame) {
            s->lines++;
            err = parse_frame(a, s, log, frame, len);
        }
    }
    s->clean &= at == s->to && !framing.skip && !framing.stats.framed_octet && !framing.stats.octet_count_wrong;
    return err;
}

static enum wr_err parse_slice(const struct wr_ahead *a, struct slice *s, struct wr_log *log)
{
    enum wr_err err = WR_OK;
    uint64_t before = 0;
    for (int way = 0; way < 2; way++) {
        before = rejected(log);
        s->nsets = 0;
        s->lines = 0;
        s->clean = true;
        if (!set_new(a, s))
            return WR_ENOMEM;
        if (way == 0 && whole_lines(a, s, log, &err))
            break;
        if (way == 1)
            err = framed(a, s, log);
    }
    s->rejected = rejected(log) - before;
    s->clean &= wr_log_alone(log);
    return err;
}

/* The next slice for a worker; NULL: there is none any more. The lock is held. */
static struct slice *take(struct wr_ahead *a)
{
    while (!a->stop && a->cut < a->opts.len && a->next - a->out == a->nslots)
        pthread_cond_wait(&a->taken, &a->lock);
    if (a->stop || a->cut >= a->opts.len)
        return NULL;
    struct slice *s = &a->slot[a->next++ % a->nslots];
    size_t end = a->cut + SLICE < a->opts.len ? a->cut + SLICE : a->opts.len;
    const uint8_t *lf = end < a->opts.len ? memchr(a->opts.data + end, '\n', a->opts.len - end) : NULL;
    s->from = a->cut;
    s->to = lf ? (size_t)(lf - a->opts.data) + 1 : a->opts.len;
    s->done = false;
    a->cut = s->to;
    return s;
}

static void *work(void *arg)
{
    struct worker w = *(struct worker *)arg;
    struct wr_ahead *a = w.ahead;
    free(arg);
    pthread_mutex_lock(&a->lock);
    for (struct slice *s; (s = take(a)) != NULL;) {
        pthread_mutex_unlock(&a->lock);
        enum wr_err err = parse_slice(a, s, w.log);
        pthread_mutex_lock(&a->lock);
        s->err = err;
        s->given = 0;
        s->done = true;
        pthread_cond_broadcast(&a->parsed);
    }
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

static bool start(struct wr_ahead *a, uint32_t threads)
{
    for (; a->nthreads < threads; a->nthreads++) {
        struct worker *w = malloc(sizeof *w);
        struct wr_log *log = w ? a->opts.log(a->opts.ctx) : NULL;
        a->log[a->nthreads] = log;
        if (log)
            *w = (struct worker){a, log};
        if (!log || pthread_create(&a->thread[a->nthreads], NULL, work, w) != 0) {
            wr_log_free(log);
            free(w);
            return a->nthreads > 0;
        }
    }
    return true;
}

struct wr_ahead *wr_ahead_new(const struct wr_ahead_opts *opts)
{
    cpu_set_t set;
    int cpus = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    struct wr_ahead *a = cpus > 1 ? calloc(1, sizeof *a) : NULL;
    if (!a)
        return NULL;
    a->opts = *opts;
    a->cut = a->at = opts->at;
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->taken, NULL);
    pthread_cond_init(&a->parsed, NULL);
    a->nslots = 3u * (uint32_t)(cpus < MAX_THREADS ? cpus : MAX_THREADS);
    if (!start(a, a->nslots / 3)) {
        wr_ahead_free(a);
        return NULL;
    }
    return a;
}

void wr_ahead_free(struct wr_ahead *ahead)
{
    if (!ahead)
        return;
    pthread_mutex_lock(&ahead->lock);
    ahead->stop = true;
    pthread_cond_broadcast(&ahead->taken);
    pthread_mutex_unlock(&ahead->lock);
    for (uint32_t i = 0; i < ahead->nthreads; i++) {
        pthread_join(ahead->thread[i], NULL);
        wr_log_free(ahead->log[i]);
    }
    for (uint32_t i = 0; i < SLOTS; i++) {
        for (uint32_t k = 0; k < ahead->slot[i].csets; k++)
            wr_rows_free(&ahead->slot[i].sets[k]);
        free(ahead->slot[i].sets);
    }
    pthread_cond_destroy(&ahead->parsed);
    pthread_cond_destroy(&ahead->taken);
    pthread_mutex_destroy(&ahead->lock);
    free(ahead);
}

/* The slice that is handed on next, parsed; NULL: there is none, or not one that stands alone. */
static struct slice *current(struct wr_ahead *a)
{
    pthread_mutex_lock(&a->lock);
    struct slice *s = &a->slot[a->out % a->nslots];
    bool any = a->out < a->next || a->cut < a->opts.len;
    while (any && !(a->out < a->next && s->done))
        pthread_cond_wait(&a->parsed, &a->lock);
    pthread_mutex_unlock(&a->lock);
    return any && (s->clean || s->err) ? s : NULL;
}

static void hand_back(struct wr_ahead *a, struct slice *s)
{
    pthread_mutex_lock(&a->lock);
    s->done = false;
    a->out++;
    pthread_cond_signal(&a->taken);
    pthread_mutex_unlock(&a->lock);
}

bool wr_ahead_next(struct wr_ahead *ahead, struct wr_rows *rows, enum wr_err *ret_err)
{
    *ret_err = WR_OK;
    while (!ahead->ended) {
        struct slice *s = current(ahead);
        if (!s || s->err) {
            ahead->ended = true;
            *ret_err = s ? s->err : WR_OK;
            break;
        }
        if (s->given == 0) {
            ahead->lines += s->lines;
            ahead->rejected += s->rejected;
            ahead->at = s->to;
        }
        if (s->given < s->nsets) {
            struct wr_rows next = s->sets[s->given];
            s->sets[s->given++] = *rows;
            *rows = next;
            return true;
        }
        hand_back(ahead, s);
    }
    return false;
}

size_t wr_ahead_at(const struct wr_ahead *ahead)
{
    return ahead->at;
}

uint64_t wr_ahead_lines(const struct wr_ahead *ahead)
{
    return ahead->lines;
}

uint64_t wr_ahead_rejected(const struct wr_ahead *ahead)
{
    return ahead->rejected;
}
