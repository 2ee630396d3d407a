#include "parsers/log/line.h"

#include <string.h>

static bool put(struct wr_batch *b, uint32_t row, enum wr_syslog_col col, const char *text)
{
    return wr_batch_set_str(b, (uint16_t)col, row, text, strlen(text));
}

static bool put_slice(struct wr_batch *b, uint32_t row, enum wr_syslog_col col, const struct wr_slice *s)
{
    return wr_batch_set_str(b, (uint16_t)col, row, s->len ? s->p : "", s->len);
}

/* PROCID may be any text (RFC 5424 section 6.2.6); the column is a number. */
static void put_pid(struct wr_batch *b, uint32_t row, const struct wr_slice *s)
{
    int64_t v = 0;
    if (s->len == 0 || s->len > 10)
        return;
    for (size_t i = 0; i < s->len; i++) {
        if (s->p[i] < '0' || s->p[i] > '9')
            return;
        v = v * 10 + (s->p[i] - '0');
    }
    if (v <= INT32_MAX)
        wr_batch_set_i64(b, WR_SYSLOG_ProcessID, row, v);
}

bool wr_line_append(const struct wr_line *line, struct wr_batch *b)
{
    const struct wr_header *h = line->header;
    struct wr_slice host = h->host;
    if (!host.len)
        host = (struct wr_slice){line->peer, strlen(line->peer)};
    uint32_t row = wr_batch_row(b);
    wr_batch_set_i64(b, WR_SYSLOG_TimeGenerated, row, line->time);
    if (h->has_time)
        wr_batch_set_i64(b, WR_SYSLOG_EventTime, row, h->time);
    put_pid(b, row, &h->pid);
    bool ok = put_slice(b, row, WR_SYSLOG_Computer, &host) && put_slice(b, row, WR_SYSLOG_HostName, &host) &&
              put(b, row, WR_SYSLOG_HostIP, line->peer) &&
              put(b, row, WR_SYSLOG_Facility, wr_facility_name(h->facility)) &&
              put(b, row, WR_SYSLOG_SeverityLevel, wr_severity_name(h->severity)) &&
              put_slice(b, row, WR_SYSLOG_ProcessName, &h->process) &&
              wr_batch_set_str(b, WR_SYSLOG_SyslogMessage, row, line->text, line->len) &&
              put(b, row, WR_SYSLOG_SourceSystem, "Linux") && put(b, row, WR_SYSLOG_Type, "Syslog") &&
              put(b, row, WR_SYSLOG_ParseError, line->error);
    if (!ok)
        wr_batch_unrow(b);
    return ok;
}
