/* Lines of the audit daemon -> events. Few events wait at a time: their keys stand in a row and are
 * looked through. */
#include "parsers/log/audit.h"

#include "base/hash.h"
#include "base/ticks.h"

#include <stdlib.h>
#include <string.h>

enum { KEEP_BYTES = 4096, MAX_NODE = 255 };

struct wr_audit {
    struct wr_hash_key hash;
    uint64_t order;
    uint32_t n;
    struct wr_audit_event event[WR_AUDIT_EVENTS];
    struct wr_audit_event over; /* given out */
};

struct wr_audit *wr_audit_new(void)
{
    struct wr_audit *a = calloc(1, sizeof *a);
    if (a)
        a->hash = wr_hash_key_random();
    return a;
}

void wr_audit_free(struct wr_audit *audit)
{
    if (!audit)
        return;
    for (uint32_t i = 0; i < WR_AUDIT_EVENTS; i++)
        wr_buf_fini(&audit->event[i].text);
    wr_buf_fini(&audit->over.text);
    free(audit);
}

bool wr_audit_waits(const struct wr_audit *audit)
{
    return audit->n > 0;
}

/* ---- a line ---- */

static bool eat(const char **at, const char *end, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(end - *at) < n || memcmp(*at, word, n) != 0)
        return false;
    *at += n;
    return true;
}

static struct wr_slice up_to(const char **at, const char *end, char stop)
{
    const char *p = memchr(*at, stop, (size_t)(end - *at));
    struct wr_slice s = {*at, (size_t)((p ? p : end) - *at)};
    *at = p ? p + 1 : end;
    return s;
}

/* A number of 1 to `most` digits. */
static bool number(const char **at, const char *end, int most, int64_t *ret)
{
    int64_t v = 0;
    int n = 0;
    for (; *at < end && **at >= '0' && **at <= '9' && n < most; n++, (*at)++)
        v = v * 10 + (**at - '0');
    *ret = v;
    return n > 0;
}

bool wr_audit_record(const char *text, size_t len, struct wr_audit_record *ret)
{
    const char *p = text, *end = text + len;
    int64_t seconds, ms, serial;
    *ret = (struct wr_audit_record){0};
    if (eat(&p, end, "node="))
        ret->node = up_to(&p, end, ' ');
    if (ret->node.len > MAX_NODE || !eat(&p, end, "type="))
        return false;
    ret->type = up_to(&p, end, ' ');
    if (!eat(&p, end, "msg=audit("))
        return false;
    ret->id.p = p;
    if (!number(&p, end, 11, &seconds) || !eat(&p, end, ".") || !number(&p, end, 3, &ms) ||
        !eat(&p, end, ":") || !number(&p, end, 18, &serial))
        return false;
    ret->id.len = (size_t)(p - ret->id.p);
    ret->ms = seconds * 1000 + ms;
    if (!eat(&p, end, "):"))
        return false;
    ret->fields = (struct wr_slice){p, (size_t)(end - p)};
    return true;
}

/* ---- events that wait ---- */

static uint64_t source_of(const struct wr_audit *a, const struct wr_audit_record *r,
                          const struct wr_slice *host)
{
    const struct wr_slice *s = r->node.len ? &r->node : host;
    return wr_hash(&a->hash, s->len ? s->p : "", s->len);
}

static void record_add(struct wr_audit_event *e, const struct wr_slice *s)
{
    if (s->len < WR_AUDIT_EVENT_BYTES && e->text.len + s->len + 4 <= WR_AUDIT_EVENT_BYTES)
        wr_buf_blob(&e->text, s->len ? s->p : "", (uint32_t)s->len);
}

/* Its place goes to the last one; the memory for text that it has goes back into the row. */
static const struct wr_audit_event *give(struct wr_audit *a, uint32_t i)
{
    struct wr_buf spare = a->over.text;
    a->over = a->event[i];
    a->event[i] = a->event[--a->n];
    if (spare.cap > KEEP_BYTES)
        wr_buf_fini(&spare);
    a->event[a->n].text = spare;
    return a->over.text.err ? NULL : &a->over;
}

static void begin(struct wr_audit *a, const struct wr_audit_record *r, const struct wr_slice *host,
                  int64_t arrived)
{
    struct wr_audit_event *e = &a->event[a->n++];
    struct wr_buf text = e->text;
    wr_buf_reset(&text);
    text.err = WR_OK;
    *e =
        (struct wr_audit_event){.ms = r->ms, .arrived = arrived, .order = a->order++, .text = text};
    e->source = source_of(a, r, host);
    e->key = e->source ^ wr_hash(&a->hash, r->id.p, r->id.len);
    record_add(e, r->node.len ? &r->node : host);
    record_add(e, &r->id);
}

static uint32_t find(const struct wr_audit *a, uint64_t key)
{
    uint32_t i = 0;
    while (i < a->n && a->event[i].key != key)
        i++;
    return i;
}

static uint32_t oldest(const struct wr_audit *a)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < a->n; i++)
        if (a->event[i].order < a->event[best].order)
            best = i;
    return best;
}

/* An event of the same host that has waited too long. */
static uint32_t late(const struct wr_audit *a, uint64_t source, int64_t ms)
{
    uint32_t i = 0;
    while (i < a->n && !(a->event[i].source == source && a->event[i].ms + WR_AUDIT_WAIT_MS < ms))
        i++;
    return i;
}

static bool is(const struct wr_slice *s, const char *word)
{
    return s->len == strlen(word) && !memcmp(s->p, word, s->len);
}

const struct wr_audit_event *wr_audit_take(struct wr_audit *audit, const struct wr_audit_record *r,
                                           const struct wr_slice *host, int64_t arrived)
{
    const struct wr_audit_event *gone = NULL;
    bool call = is(&r->type, "SYSCALL"), title = is(&r->type, "PROCTITLE"),
         end = is(&r->type, "EOE");
    if (!call &&
        (audit->n == 0 || (!title && !end && !is(&r->type, "SOCKADDR") && !is(&r->type, "EXECVE"))))
        return NULL;
    if (call && !wr_audit_call_of(&r->fields))
        return NULL;
    uint64_t source = source_of(audit, r, host);
    uint32_t i = find(audit, source ^ wr_hash(&audit->hash, r->id.p, r->id.len));
    if (call && i == audit->n) {
        uint32_t old = audit->n == WR_AUDIT_EVENTS ? oldest(audit) : late(audit, source, r->ms);
        gone = old < audit->n ? give(audit, old) : NULL;
        i = audit->n;
        begin(audit, r, host, arrived);
    }
    if (i == audit->n)
        return NULL;
    struct wr_audit_event *e = &audit->event[i];
    const char *from = r->type.p - strlen("type=");
    const struct wr_slice whole = {from, (size_t)(r->fields.p + r->fields.len - from)};
    if (!end)
        record_add(e, &whole);
    e->whole = title || end;
    return e->whole ? give(audit, i) : gone;
}

const struct wr_audit_event *wr_audit_idle(struct wr_audit *audit, int64_t before)
{
    const struct wr_audit_event *gone = NULL;
    while (audit->n && !gone) {
        uint32_t i = oldest(audit);
        if (audit->event[i].arrived >= before)
            return NULL;
        gone = give(audit, i);
    }
    return gone;
}
