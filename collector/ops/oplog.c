#include "collector/ops/oplog.h"

#include "base/ticks.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_PAIRS = 16, BURST = 20, PER_SECOND = 2, MESSAGES = 128 };

/* Tokens of one message text; found by the text's address, which is static. */
struct bucket {
    const char *msg;
    int64_t at_ns;
    double tokens;
    uint64_t suppressed;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct bucket buckets[MESSAGES];
static struct wr_oplog_stats stats;

static void value(struct wr_buf *out, const char *text)
{
    bool plain = *text != '\0';
    for (const char *c = text; *c && plain; c++)
        plain = (unsigned char)*c > ' ' && *c != '"' && *c != '=' && *c != '\\' && (unsigned char)*c < 0x7f;
    if (plain)
        wr_buf_str(out, text);
    else
        wr_json_str(out, text, strlen(text));
}

void wr_oplog_format(struct wr_buf *out, int64_t now_ns, enum wr_oplog_level level, const char *msg,
                     const char *const *pairs, uint64_t suppressed)
{
    static const char *const names[] = {"error", "warn", "info"};
    struct wr_civil t = wr_ticks_civil(wr_ticks_of_unix_ns(now_ns));
    wr_buf_fmt(out, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ level=%s msg=", t.year, t.month, t.day, t.hour,
               t.minute, t.second, t.fraction / 10000, names[level]);
    value(out, msg);
    for (; pairs[0]; pairs += 2) {
        wr_buf_fmt(out, " %s=", pairs[0]);
        value(out, pairs[1] ? pairs[1] : "");
    }
    if (suppressed)
        wr_buf_fmt(out, " suppressed=%llu", (unsigned long long)suppressed);
    wr_buf_char(out, '\n');
}

/* The bucket of a message; messages beyond the table share the last one. */
static struct bucket *bucket_of(const char *msg)
{
    struct bucket *b = buckets;
    while (b < buckets + MESSAGES - 1 && b->msg && b->msg != msg)
        b++;
    if (!b->msg) {
        b->msg = msg;
        b->tokens = BURST;
    }
    return b;
}

static bool take_token(struct bucket *b, int64_t mono_ns)
{
    b->tokens += (double)(mono_ns - b->at_ns) * PER_SECOND / 1e9;
    if (b->tokens > BURST)
        b->tokens = BURST;
    b->at_ns = mono_ns;
    if (b->tokens < 1)
        return false;
    b->tokens -= 1;
    return true;
}

static int64_t clock_ns(clockid_t id)
{
    struct timespec t = {0};
    (void)clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void wr_oplog(enum wr_oplog_level level, const char *msg, ...)
{
    const char *pairs[2 * MAX_PAIRS + 1] = {0};
    va_list ap;
    va_start(ap, msg);
    for (int i = 0; i < MAX_PAIRS; i++) {
        pairs[2 * i] = va_arg(ap, const char *);
        if (!pairs[2 * i])
            break;
        pairs[2 * i + 1] = va_arg(ap, const char *);
    }
    va_end(ap);
    struct wr_buf line = {0};
    pthread_mutex_lock(&lock);
    struct bucket *b = bucket_of(msg);
    if (take_token(b, clock_ns(CLOCK_MONOTONIC))) {
        wr_oplog_format(&line, clock_ns(CLOCK_REALTIME), level, msg, pairs, b->suppressed);
        b->suppressed = 0;
        stats.lines++;
        if (!line.err && write(STDERR_FILENO, line.data, line.len) < 0)
            stats.suppressed++; /* nowhere left to say it */
    } else {
        b->suppressed++;
        stats.suppressed++;
    }
    pthread_mutex_unlock(&lock);
    wr_buf_fini(&line);
}

const char *wr_fmt(struct wr_fmt *fmt, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(fmt->text, sizeof fmt->text, format, ap);
    va_end(ap);
    return fmt->text;
}

struct wr_oplog_stats wr_oplog_stats(void)
{
    pthread_mutex_lock(&lock);
    struct wr_oplog_stats out = stats;
    pthread_mutex_unlock(&lock);
    return out;
}
