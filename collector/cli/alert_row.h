#ifndef WR_COLLECTOR_CLI_ALERT_ROW_H
#define WR_COLLECTOR_CLI_ALERT_ROW_H

#include "base/buf.h"

/* Appends the heading of the table of alerts. */
void wr_alert_row_head(struct wr_buf *out);
/* Appends an alert for people, from the JSON text that wr_alert_json made (any text is safe): time, kind,
 * severity and message, then the rule's own columns as indented NAME=VALUE words, wrapped. A value that is
 * not one plain word stays in its JSON quotes, so that no value looks like two; long ones are cut. No byte of
 * the alert acts on a terminal. */
void wr_alert_row(const char *json, size_t len, struct wr_buf *out);

#endif
