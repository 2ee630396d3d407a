#ifndef WR_PARSERS_FLOW_NAT_H
#define WR_PARSERS_FLOW_NAT_H

#include <stdint.h>

/* What a record says of a translation of addresses: its own ends are those before it, these are the
 * ends after it. Stands in who.h's list as WR_WHO_NAT, as it is in memory; no padding. */
enum wr_nat_event {
    WR_NAT_FLOW, /* a connection's record that has both sides: the translation holds as long as it
                    lasts */
    WR_NAT_CREATE,
    WR_NAT_DELETE,
    WR_NAT_WHOLE,     /* began and ended, at the flow's start and end */
    WR_NAT_EXHAUSTED, /* addresses, ports or a quota: nothing was translated */
    WR_NAT_NEVENTS
};

struct wr_nat {
    uint8_t addr[2][16]; /* source, destination after translation; all zero: as before */
    uint16_t port[2];    /* 0: as before */
    uint16_t first,
        last; /* of the ports that an inside address may use outside; `last` 0: no such block */
    uint8_t event; /* enum wr_nat_event */
    uint8_t v6;    /* addr[] are IPv6; else IPv4 in the first 4 bytes */
    uint8_t pad[2];
};

_Static_assert(sizeof(struct wr_nat) == 44, "in rings and in the log: no padding");

#endif
