#ifndef WR_COLLECTOR_OPS_NOTIFY_H
#define WR_COLLECTOR_OPS_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

/* Messages to systemd over the datagram socket that $NOTIFY_SOCKET names ("@": abstract). Does nothing
 * without one. Source: sd_notify(3), "Standalone implementation". */
bool wr_notify(
    const char *state); /* "READY=1", "STATUS=...", several lines; false when it could not be sent */
/* How often "WATCHDOG=1" should be sent: half of $WATCHDOG_USEC when it is for this process; 0: never. */
uint64_t wr_notify_watchdog_ms(void);

#endif
