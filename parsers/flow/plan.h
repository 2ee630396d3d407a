/* A template compiled once: what to load from a record, from where, into what. */
#ifndef WR_PARSERS_FLOW_PLAN_H
#define WR_PARSERS_FLOW_PLAN_H

#include <stdbool.h>
#include <stdint.h>

struct wr_tmpl;

/* Values that need more than a copy; loaded into an array, then put together by records.c. */
enum wr_target {
    WR_T_OCTETS,       /* 1 */
    WR_T_POST_OCTETS,  /* 23 */
    WR_T_TOTAL_OCTETS, /* 85 */
    WR_T_L2_OCTETS,    /* 352 */
    WR_T_INIT_OCTETS,  /* 231, 9/8338, 9/12347 */
    WR_T_RESP_OCTETS,  /* 232, 9/8337, 9/12346 */
    WR_T_REV_OCTETS,   /* 29305/1 */
    WR_T_REV_TOTAL_OCTETS,
    WR_T_PACKETS,
    WR_T_POST_PACKETS,
    WR_T_TOTAL_PACKETS,
    WR_T_INIT_PACKETS,
    WR_T_RESP_PACKETS,
    WR_T_REV_PACKETS,
    WR_T_REV_TOTAL_PACKETS,
    WR_T_START_S, /* 150 */
    WR_T_END_S,
    WR_T_START_MS,
    WR_T_END_MS,
    WR_T_START_US,
    WR_T_END_US,
    WR_T_START_NS,
    WR_T_END_NS,
    WR_T_START_UP, /* 22 */
    WR_T_END_UP,
    WR_T_START_DELTA, /* 158 */
    WR_T_END_DELTA,
    WR_T_DURATION_MS, /* 161 */
    WR_T_DURATION_US,
    WR_T_INIT_MS,  /* 160 */
    WR_T_EVENT_S,  /* 322 */
    WR_T_EVENT_MS, /* 323 */
    WR_T_EVENT_US,
    WR_T_EVENT_NS,
    WR_T_RATE,             /* 34, 50 */
    WR_T_INTERVAL,         /* 305 */
    WR_T_SPACE,            /* 306 */
    WR_T_SIZE,             /* 309 */
    WR_T_POPULATION,       /* 310 */
    WR_T_PROBABILITY,      /* 311, as the bits of a double */
    WR_T_SAMPLER,          /* 48, 302 */
    WR_T_INTERFACE,        /* 10 */
    WR_T_FW_EVENT,         /* 233, v9 40005 */
    WR_T_FORWARDING,       /* 89 */
    WR_T_BIFLOW_DIRECTION, /* 239 */
    WR_T_TCP_FLAGS,        /* 6 */
    WR_T_ICMP,             /* 32, 139: type * 256 + code */
    WR_T_ICMP_TYPE,        /* 176, 178 */
    WR_T_ICMP_CODE,        /* 177, 179 */
    WR_NTARGETS
};
#define WR_T(t) (UINT64_C(1) << WR_T_##t)

enum wr_op {
    WR_OP_ADDR4, /* when not all zero, into the flow at `dst` */
    WR_OP_ADDR6,
    WR_OP_PORT, /* when not zero, u16 of the flow at `dst` */
    WR_OP_U8,   /* low octet, into the flow at `dst` */
    WR_OP_V4,   /* 4 octets into v[dst] */
    WR_OP_V8,
    WR_OP_VN,  /* 1 to 8 octets into v[dst] */
    WR_OP_F,   /* float of 4 or 8 octets, as a double, into v[dst] */
    WR_OP_MORE /* as VN, but only when v[dst] is still 0: the element came before */
};

/* Reads `len` octets at `off` from the anchor: the record's start (0) or the end of its anchor-th
 * variable-length field. */
struct wr_step {
    uint8_t op, dst;
    uint16_t anchor;
    uint16_t off, len;
};

enum { WR_PLAN_PORTS = 8 };

/* Where plain.c reads. An integer is the last of 8 octets read at `off` and masked; a single octet
 * or an address stands at `off`; what a template lacks is read from octet 0 and masked. Offsets
 * count from the anchor. */
enum {
    WR_AT_SRC,
    WR_AT_DST,
    WR_AT_SPORT,
    WR_AT_DPORT,
    WR_AT_PROTO,
    WR_AT_FLAGS,
    WR_AT_DIRECTION,
    WR_AT_REASON,
    WR_AT_OCTETS,
    WR_AT_PACKETS,
    WR_AT_START,
    WR_AT_END,
    WR_NPLACES
};
struct wr_plain {
    int32_t off[WR_NPLACES];
    uint16_t anchor[WR_NPLACES];
    uint64_t octets_and, packets_and, start_and, end_and;
    uint8_t flags_and, reason_and, direction_or;
    bool usual; /* fixed places, TCP flags and no end reason, the ports beside each other: what most send */
};
enum wr_plain_kind { WR_PLAIN_NONE, WR_PLAIN_V4, WR_PLAIN_V6 };

/* Where rows that no rule wants are told by two ports of two octets each. */
struct wr_look {
    uint64_t inverse;  /* 2^32 / stride, rounded up */
    uint32_t stride;   /* record length; 0 when it has variable-length fields */
    uint16_t off[2];   /* of the ports, from their anchors */
    uint16_t anchor[2];
};

struct wr_plan {
    uint64_t have;   /* targets that the template fills */
    struct wr_look look;
    uint32_t stride; /* as look's */
    uint32_t nsteps, nvars, nports;
    uint32_t nillegal, nunknown; /* fields whose length the type cannot have; fields nobody knows */
    bool is_flow;                /* has an address, and is no mere NAT mapping */
    bool is_nat;                 /* a NAT mapping: events of translations, without traffic (nat.c) */
    bool ports_exact;            /* ports[] are all there is to test */
    bool two_ports;              /* ports[] are two, of two octets each */
    bool by_ports;               /* and with them it is known of any record whether rules may want it */
    bool has_flags, client_server, has_dport;
    /* What most templates are, so that their records need no questions: */
    bool delta_only;  /* 1 and 2, no other counters */
    bool no_verdict;  /* nothing about initiator, firewall, forwarding */
    bool no_rate;     /* nothing about sampling */
    bool no_icmp;     /* ICMP's type, if there is one, is in the port */
    uint8_t times;    /* enum wr_plan_times */
    uint8_t is_plain; /* enum wr_plain_kind: `plain` says all there is to read */
    struct wr_plain plain;
    struct wr_step ports[WR_PLAN_PORTS];
    uint16_t *gaps; /* nvars + 1: fixed octets before each variable-length field, and after the last */
    struct wr_step steps[];
};

/* A template whose only times are one pair; 0: look at each record. */
enum wr_plan_times { WR_TIMES_ANY, WR_TIMES_MS, WR_TIMES_UPTIME, WR_TIMES_S };

/* From the template's fields; NULL when out of memory. Freed with free(). */
struct wr_plan *wr_plan_compile(const struct wr_tmpl *tmpl);

#endif
