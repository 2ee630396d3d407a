/* Lines of the audit daemon: rows of Syslog, and rows of the events that they are parts of. */
#include "base/ticks.h"
#include "parsers/log/log_internal.h"

#include <string.h>

static enum wr_err audit_rows(struct frame *f, const struct wr_audit_event *event)
{
    struct wr_log *log = f->log;
    enum wr_map map = WR_MAP_NONE;
    wr_mappings_begin_audit(log->mappings, log->fields, log->scratch, event);
    enum wr_err err = wr_frame_rows(f, &map);
    f->n.audit_events++;
    f->n.audit_incomplete += !event->whole || map == WR_MAP_MISSING;
    return err;
}

/* A line is a row of Syslog in any case; with it rows of an event that is over. */
enum wr_err wr_frame_audit(struct frame *f, const struct wr_audit_record *r)
{
    struct wr_log *log = f->log;
    const struct wr_slice *whole = &f->header.message;
    struct wr_slice host = f->header.host;
    if (!host.len)
        host = (struct wr_slice){f->peer, strlen(f->peer)};
    if (!log->audit && !(log->audit = wr_audit_new()))
        return WR_ENOMEM;
    const struct wr_audit_event *over = wr_audit_take(log->audit, r, &host, f->now);
    enum wr_err err = over ? audit_rows(f, over) : WR_OK;
    if (err)
        return err;
    log->layout = "auditd";
    f->n.plain++;
    return wr_frame_finish(f, wr_frame_text(f, whole->p, whole->len, ""));
}

/* A header's parser may take its first words for a host and a tag. */
bool wr_frame_audit_at(struct frame *f, struct wr_audit_record *ret)
{
    struct wr_header *h = &f->header;
    const char *end = h->message.p + h->message.len;
    struct wr_slice *const at[] = {&h->message, &h->process, &h->host};
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        if (at[i]->len < 5 || at[i]->p > h->message.p || (*at[i]->p != 't' && *at[i]->p != 'n') ||
            !wr_audit_record(at[i]->p, (size_t)(end - at[i]->p), ret))
            continue;
        h->message = (struct wr_slice){at[i]->p, (size_t)(end - at[i]->p)};
        for (size_t k = 1; k <= i; k++)
            *at[k] = (struct wr_slice){0};
        return true;
    }
    return false;
}

enum wr_err wr_log_idle(struct wr_log *log, int64_t now_ns, struct wr_rows *rows)
{
    const int64_t now = now_ns == INT64_MAX ? INT64_MAX : wr_ticks_of_unix_ns(now_ns);
    const int64_t before =
        now == INT64_MAX ? now : now - WR_AUDIT_WAIT_MS * (WR_TICKS_SECOND / 1000);
    while (log->audit && wr_audit_waits(log->audit)) {
        if (wr_rows_full(rows))
            return WR_EFULL;
        wr_arena_reset(log->scratch);
        const struct wr_audit_event *over = wr_audit_idle(log->audit, before);
        if (!over)
            return WR_OK;
        struct frame f = {
            .log = log, .peer = "", .now = now == INT64_MAX ? over->arrived : now, .rows = rows};
        enum wr_err err = wr_frame_finish(&f, audit_rows(&f, over));
        if (err)
            return err;
    }
    return WR_OK;
}
