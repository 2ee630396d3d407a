#ifndef WR_PARSERS_FLOW_FLOW_H
#define WR_PARSERS_FLOW_FLOW_H

#include "parsers/flow/who.h"

#include <stddef.h>
#include <stdint.h>

/* One flow record, whatever dialect it came in. Times are ns since 1970 UTC, bytes and packets are
 * scaled by the sampling rate. Fixed size and pointer-free: it crosses rings and goes to the log as is. */
enum {
    WR_FLOW_V6 = 1 << 0,          /* addresses are IPv6; else IPv4 in the first 4 bytes */
    WR_FLOW_HAS_TCP_FLAGS = 1 << 1,
    WR_FLOW_HAS_BYTES = 1 << 2,   /* octets[0] is known; unknown is not 0 */
    WR_FLOW_BIFLOW = 1 << 3,      /* octets[1], packets[1] are the reverse direction (RFC 5103, NSEL) */
    WR_FLOW_TOTALS = 1 << 4,      /* counters are totals since the flow's start, not deltas */
    WR_FLOW_TIME_APPROX = 1 << 5, /* the record had no usable time: export time stands in */
    WR_FLOW_DENIED = 1 << 6,      /* firewall says dropped or denied */
    WR_FLOW_INITIATOR_KNOWN = 1 << 7, /* src is the initiator: the record says so (239, NSEL) */
    WR_FLOW_COUNTERS = 1 << 8, /* of an interface (sFlow): no flow at all, only what `who` says */
    WR_FLOW_NO_PORTS = 1 << 9, /* the record has neither ports nor ICMP's type: sport and dport mean nothing */
    WR_FLOW_DISCARD = 1 << 10, /* a packet that the exporter itself threw away (sFlow) */
    WR_FLOW_ASIDE = WR_FLOW_COUNTERS | WR_FLOW_DISCARD, /* no traffic of a connection */
    WR_FLOW_NAT_EVENT = 1 << 11, /* no flow at all: a translation began or ended (nat.h), `who` says which */
    WR_FLOW_NO_ENDS = 1 << 12 /* of a discarded packet without an IP header: addresses and protocol mean nothing */
};

struct wr_flow {
    uint8_t src[16], dst[16]; /* network order; an IPv4 address in the first 4 bytes, rest 0 */
    uint16_t sport, dport;    /* host order; of ICMP: 0 and type * 256 + code, as v5 has them */
    uint8_t proto, tcp_flags;
    uint8_t end_reason; /* element 136, 0 unknown */
    uint8_t direction;  /* element 61, 255 unknown */
    uint32_t flags;
    uint32_t point;           /* observation point: hash of exporter address, domain, direction */
    uint32_t sampling;        /* 1 = every packet */
    uint32_t domain;
    int64_t start_ns, end_ns, export_ns;
    uint64_t octets[2], packets[2];
    uint8_t exporter[16];     /* IPv6, or IPv4-mapped */
    uint64_t who;             /* 1 + offset of what the record says about process, user, host; 0 nothing.
                               * Means something only beside the vector it stands in. */
};

_Static_assert(sizeof(struct wr_flow) == 136, "on disk and in rings: no padding");

struct wr_flow_vec {
    struct wr_flow *at;
    uint32_t n, cap;
    struct wr_buf who; /* u32 length and list (who.h) of those flows that have one */
    struct wr_buf mail; /* u32 length and packed row (wr_row_pack) of SmtpMessages, one after another */
};
/* Room for one more, zeroed; NULL when out of memory. */
struct wr_flow *wr_flow_vec_push(struct wr_flow_vec *vec);
void wr_flow_vec_reset(struct wr_flow_vec *vec); /* empties, keeps the memory */
/* Borrowed until the vector changes. */
struct wr_who wr_flow_who(const struct wr_flow_vec *vec, const struct wr_flow *flow);
void wr_flow_vec_fini(struct wr_flow_vec *vec);

#endif
