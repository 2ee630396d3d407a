#ifndef WR_PARSERS_CAPTURE_CAPTURE_H
#define WR_PARSERS_CAPTURE_CAPTURE_H

#include "base/err.h"
#include "parsers/flow/flow.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Packets of a pcap or pcapng file that is in memory: classic pcap in both byte orders, µs and ns; pcapng
 * with section, interface, enhanced and simple packet blocks; link types Ethernet (802.1Q/ad), raw IP, Linux
 * cooked v1/v2, null/loop. No allocation. */
struct wr_capture {
    const uint8_t *at, *end;
    bool big, ng, nanos;
    uint32_t link;
    struct { uint32_t link; uint64_t ticks_per_s; } iface[16];
    uint32_t nifaces;
    uint64_t packets, malformed;
};

struct wr_packet {
    int64_t time_ns; /* since 1970 */
    bool v6;
    uint8_t src[16], dst[16]; /* as in struct wr_flow */
    uint8_t proto, tcp_flags;
    uint16_t sport, dport;
    uint32_t ip_octets;       /* IP total length, as exporters count */
    const uint8_t *payload;   /* borrowed; TCP or UDP payload, may be cut by the snap length */
    size_t payload_len;
};

/* WR_EINVAL when the bytes are no capture file. */
enum wr_err wr_capture_open(struct wr_capture *cap, const void *data, size_t len) WR_MUST_CHECK;
/* Next IP packet; false at the end. Frames that are not IP, and fragments after the first, are passed over
 * (counted malformed when broken). */
bool wr_capture_next(struct wr_capture *cap, struct wr_packet *ret_packet);
/* True when the capture holds export packets (NetFlow, IPFIX, syslog over UDP) rather than ordinary traffic: looks
 * at the first 1,000 packets; the file is rewound. */
bool wr_capture_has_exports(const struct wr_capture *cap);

/* Packets -> connections, as an exporter with both directions in one record (biflow): active timeout 30 min,
 * idle 15 s for UDP and others, TCP ends on FIN both ways or RST, else 2 h idle. */
struct wr_meter;
struct wr_meter *wr_meter_new(void);
void wr_meter_free(struct wr_meter *meter);
enum wr_err wr_meter_packet(struct wr_meter *meter, const struct wr_packet *packet,
                            struct wr_flow_vec *out) WR_MUST_CHECK;
enum wr_err wr_meter_flush(struct wr_meter *meter, struct wr_flow_vec *out) WR_MUST_CHECK;

#endif
