#ifndef WR_PARSERS_LOG_AUDIT_H
#define WR_PARSERS_LOG_AUDIT_H

#include "base/buf.h"
#include "parsers/log/event.h"
#include "parsers/log/header.h"

/* Records of the Linux audit daemon as it writes them and as audisp-syslog and rsyslog's imfile
 * ship them. One event is several lines, told together by `msg=audit(TIME:SERIAL)`, and lines of
 * several events mix:
 *
 *     type=SYSCALL msg=audit(1700000000.123:4711): arch=c000003e syscall=42 success=yes exit=0 ...
 *     type=SOCKADDR msg=audit(1700000000.123:4711): saddr=0200024BCB0071190000000000000000
 *     type=PROCTITLE msg=audit(1700000000.123:4711): proctitle=6375726C002D73
 *     type=EOE msg=audit(1700000000.123:4711):
 *
 * `node=web1 ` stands before them where the daemon's name_format says so.
 *
 * Kept are the events whose system call begins a connection or a process, until PROCTITLE or EOE.
 * An event whose end does not come goes when one of the same host is WR_AUDIT_WAIT_MS younger, when
 * the 257th waits, or at wr_audit_idle, with what it has. Sources: linux kernel/auditsc.c (order of
 * the records), audit's tables of system calls, auditd.conf(5) (log_format ENRICHED). One thread.
 */
enum { WR_AUDIT_WAIT_MS = 2000, WR_AUDIT_EVENTS = 256, WR_AUDIT_EVENT_BYTES = 16384 };
struct wr_audit;

/* One line, borrowed. */
struct wr_audit_record {
    struct wr_slice node, type, id, fields; /* node: empty when there is none; id: `TIME:SERIAL` */
    int64_t ms;                             /* since 1970 */
};

/* An event that is over. */
struct wr_audit_event {
    uint64_t key, source, order;
    int64_t ms, arrived; /* arrived: ticks */
    bool whole;          /* its end came */
    struct wr_buf text;  /* node, id, and each record: u32 length, bytes */
};

struct wr_audit *wr_audit_new(void); /* NULL: out of memory */
void wr_audit_free(struct wr_audit *audit);

/* False: the text is no such line. */
bool wr_audit_record(const char *text, size_t len, struct wr_audit_record *ret);
/* Takes a line's record; `host` names the sender of lines without `node=`. Returns an event that is
 * over, this record's or one that waited too long, borrowed until the next call; NULL: none. What
 * has no memory is no event. */
const struct wr_audit_event *wr_audit_take(struct wr_audit *audit,
                                           const struct wr_audit_record *record,
                                           const struct wr_slice *host, int64_t arrived);
/* The next event whose first line arrived before `before` (ticks); NULL: none. */
const struct wr_audit_event *wr_audit_idle(struct wr_audit *audit, int64_t before);
bool wr_audit_waits(const struct wr_audit *audit);

/* The call of a SYSCALL record among those that are kept (connect, accept, accept4, execve,
 * execveat); NULL: another. */
const char *wr_audit_call_of(const struct wr_slice *fields);

/* The event by the paths that laurel gives its parts: ID, NODE, SYSCALL.exe, SOCKADDR.0.SADDR.addr,
 * EXECVE.ARGV, ... Texts are valid UTF-8 and live in `scratch` or the event. */
typedef void wr_audit_each(void *ctx, const char *path, size_t len, const struct wr_json_val *v);
void wr_audit_fields(const struct wr_audit_event *event, struct wr_arena *scratch,
                     wr_audit_each *each, void *ctx);

#endif
