#ifndef WR_PARSERS_LOG_LINE_H
#define WR_PARSERS_LOG_LINE_H

#include "base/batch.h"
#include "parsers/log/header.h"

/* A line on its way to a row of Syslog. */
struct wr_line {
    const struct wr_header *header;
    const char *peer; /* text of the sender's address */
    const char *text;
    size_t len;
    const char *error; /* ParseError; "" */
    int64_t time;      /* ticks: TimeGenerated */
};

/* Appends one row; `lines` is not full. False: out of memory, nothing appended. */
bool wr_line_append(const struct wr_line *line, struct wr_batch *lines) WR_MUST_CHECK;

#endif
