#ifndef WR_PARSERS_CAPTURE_CAPTURE_H
#define WR_PARSERS_CAPTURE_CAPTURE_H

#include "base/err.h"
#include "parsers/flow/flow.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Packets of a pcap or pcapng file that is in memory: classic pcap in both byte orders, µs and ns;
 * pcapng with section, interface, enhanced, simple and (obsolete) packet blocks; link types
 * Ethernet (802.1Q/ad), raw IP, Linux cooked v1/v2, null/loop. No allocation. Sources:
 * draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng, tcpdump.org/linktypes.html. */
enum { WR_CAPTURE_IFACES = 16 };

struct wr_capture_iface {
    uint32_t link;
    uint32_t snaplen;     /* 0 = no limit */
    uint64_t ticks_per_s; /* 0 = a resolution that 64 bits cannot hold: its packets are malformed */
    int64_t offset_s;     /* if_tsoffset */
};

struct wr_capture {
    const uint8_t *at, *end;
    bool big, ng, nanos;
    uint32_t link;
    struct wr_capture_iface
        iface[WR_CAPTURE_IFACES]; /* of the section; packets of later ones are malformed */
    uint32_t nifaces;
    int64_t last_ns;  /* stands in where a block has no time (simple packet block) */
    uint64_t packets; /* frames in the file, IP or not */
    uint64_t
        malformed; /* frames or blocks that contradict themselves, or are cut before the ports */
};

struct wr_packet {
    int64_t time_ns; /* since 1970 */
    bool v6;
    uint8_t src[16], dst[16]; /* as in struct wr_flow */
    uint8_t proto, tcp_flags;
    uint16_t sport, dport;  /* of ICMP 0: it has none */
    bool has_ports;         /* or, of ICMP, `icmp` */
    uint16_t icmp;          /* type * 256 + code */
    uint32_t ip_octets;     /* IP total length, as exporters count */
    const uint8_t *payload; /* borrowed; TCP or UDP payload, may be cut by the snap length */
    size_t payload_len;
};

/* WR_EINVAL when the bytes are no capture file. */
enum wr_err wr_capture_open(struct wr_capture *cap, const void *data, size_t len) WR_MUST_CHECK;
/* Next IP packet; false at the end. Frames that are not IP, and fragments after the first, are
 * passed over (counted malformed when broken). A record or block that does not fit in the file ends
 * it. */
bool wr_capture_next(struct wr_capture *cap, struct wr_packet *ret_packet);
/* True when the capture holds export packets (NetFlow, IPFIX, syslog over UDP) rather than ordinary
 * traffic: they are at least half of the first 1,000 IP packets from where `cap` stands. `cap` does
 * not move. */
bool wr_capture_has_exports(const struct wr_capture *cap);

/* Packets -> connections, as an exporter with both directions in one record (biflow): active
 * timeout 30 min, idle 15 s for UDP and others, TCP ends on FIN both ways or RST (15 s later, for
 * what still arrives; at once for a new SYN), else 2 h idle. `src` is the sender of a SYN without
 * ACK (WR_FLOW_INITIATOR_KNOWN), else the receiver of a SYN with ACK (the same), else the sender of
 * the first packet. `tcp_flags` are those of `src`. At most 262,144 flows at a time; beyond, the
 * one that is silent longest is exported (end reason 5). Packets should come in order of time; one
 * from the past counts as now. */
struct wr_meter;
struct wr_meter *wr_meter_new(void); /* owned; NULL when out of memory */
void wr_meter_free(struct wr_meter *meter);
/* Appends the flows that ended before this packet. */
enum wr_err wr_meter_packet(struct wr_meter *meter, const struct wr_packet *packet,
                            struct wr_flow_vec *out) WR_MUST_CHECK;
/* End of the capture: appends every flow (end reason 4), the longest silent first; the meter is as new. */
enum wr_err wr_meter_flush(struct wr_meter *meter, struct wr_flow_vec *out) WR_MUST_CHECK;

#endif
