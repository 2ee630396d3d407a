/* File formats, link types and headers, each built by hand; and cuts of every length. */
#include "parsers/capture/capture.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

struct bytes {
    uint8_t at[4096];
    size_t n;
    bool big;
};

static void num(struct bytes *b, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t shift = 8 * (b->big ? n - 1 - i : i);
        b->at[b->n++] = (uint8_t)(shift < 64 ? v >> shift : 0);
    }
}

static void raw(struct bytes *b, const void *data, size_t n)
{
    if (n)
        memcpy(b->at + b->n, data, n);
    b->n += n;
}

/* IPv4 + UDP 1000 -> 2055, 4 bytes of payload; big-endian as on the wire. */
static const uint8_t ipv4_udp[] = {0x45, 0,    0, 32, 0, 1,  0,   0,   64,  17,   0,
                                   0,    10,   0, 0,  1, 10, 0,   0,   2,   0x03, 0xe8,
                                   0x08, 0x07, 0, 12, 0, 0,  'a', 'b', 'c', 'd'};
static const uint8_t ethernet[] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};

static void pcap_header(struct bytes *b, bool nanos, uint32_t link)
{
    num(b, nanos ? 0xa1b23c4d : 0xa1b2c3d4, 4);
    num(b, 2, 2);
    num(b, 4, 2);
    num(b, 0, 8);
    num(b, 65535, 4);
    num(b, link, 4);
}

static void pcap_record(struct bytes *b, uint32_t s, uint32_t part, const void *data, size_t n)
{
    num(b, s, 4);
    num(b, part, 4);
    num(b, n, 4);
    num(b, n, 4);
    raw(b, data, n);
}

static struct wr_packet first(const struct bytes *b)
{
    struct wr_capture cap;
    struct wr_packet p;
    cr_assert_eq(wr_capture_open(&cap, b->at, b->n), WR_OK);
    cr_assert(wr_capture_next(&cap, &p));
    return p;
}

static void expect_udp(const struct wr_packet *p)
{
    static const uint8_t src[16] = {10, 0, 0, 1};
    cr_expect_eq(p->proto, 17);
    cr_expect_arr_eq(p->src, src, 16);
    cr_expect_eq(p->sport, 1000);
    cr_expect_eq(p->dport, 2055);
    cr_expect_eq(p->ip_octets, 32);
    cr_assert_eq(p->payload_len, 4);
    cr_expect_arr_eq(p->payload, "abcd", 4);
}

Test(capture, pcap_in_both_byte_orders_and_both_resolutions)
{
    for (int v = 0; v < 4; v++) {
        struct bytes b = {.big = v & 1};
        pcap_header(&b, v & 2, 101);
        pcap_record(&b, 1700000000, 5, ipv4_udp, sizeof ipv4_udp);
        struct wr_packet p = first(&b);
        expect_udp(&p);
        cr_expect_eq(p.time_ns, INT64_C(1700000000000000000) + (v & 2 ? 5 : 5000));
    }
}

/* A frame of each link type around the same packet; `head` bytes, its type at `type_at` (-1: none).
 */
Test(capture, link_types)
{
    static const struct {
        uint32_t link;
        uint8_t head[24];
        size_t n;
    } links[] = {{1, {[12] = 8}, 14},
                 {1, {[12] = 0x81, [15] = 7, [16] = 8}, 18},
                 {1, {[12] = 0x88, 0xa8, 0, 7, 0x81, 0, 0, 9, 8}, 22},
                 {113, {[14] = 8}, 16},
                 {276, {8}, 20},
                 {0, {2}, 4},
                 {0, {0, 0, 0, 2}, 4},
                 {108, {0, 0, 0, 2}, 4},
                 {12, {0}, 0},
                 {14, {0}, 0},
                 {101, {0}, 0},
                 {228, {0}, 0}};
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        struct bytes b = {0}, frame = {0};
        raw(&frame, links[i].head, links[i].n);
        raw(&frame, ipv4_udp, sizeof ipv4_udp);
        num(&frame, 0, 6); /* link padding is not payload */
        pcap_header(&b, false, links[i].link);
        pcap_record(&b, 1, 0, frame.at, frame.n);
        struct wr_packet p = first(&b);
        expect_udp(&p);
    }
}

static void block(struct bytes *b, uint32_t type, const struct bytes *body)
{
    size_t pad = (4 - body->n % 4) % 4, total = 12 + body->n + pad;
    num(b, type, 4);
    num(b, total, 4);
    raw(b, body->at, body->n);
    num(b, 0, pad);
    num(b, total, 4);
}

static void section(struct bytes *b)
{
    struct bytes body = {.big = b->big};
    num(&body, 0x1a2b3c4d, 4);
    num(&body, 1, 2);
    num(&body, 0, 2);
    num(&body, UINT64_MAX, 8);
    block(b, 0x0a0d0d0a, &body);
}

/* tsresol 0xff: no option. */
static void iface(struct bytes *b, uint16_t link, uint8_t tsresol, uint64_t offset_s)
{
    struct bytes body = {.big = b->big};
    num(&body, link, 2);
    num(&body, 0, 2);
    num(&body, 0, 4);
    if (tsresol != 0xff) {
        num(&body, 9, 2);
        num(&body, 1, 2);
        body.at[body.n] = tsresol;
        body.n += 4;
    }
    if (offset_s) {
        num(&body, 14, 2);
        num(&body, 8, 2);
        num(&body, offset_s, 8);
    }
    num(&body, 0, 4);
    block(b, 1, &body);
}

static void enhanced(struct bytes *b, uint32_t which, uint64_t ticks, const void *data, size_t n)
{
    struct bytes body = {.big = b->big};
    num(&body, which, 4);
    num(&body, ticks >> 32, 4);
    num(&body, ticks & 0xffffffff, 4);
    num(&body, n, 4);
    num(&body, n, 4);
    raw(&body, data, n);
    block(b, 6, &body);
}

Test(capture, pcapng_sections_interfaces_and_resolutions)
{
    static const struct {
        uint8_t tsresol;
        uint64_t offset, ticks;
        int64_t ns;
    } cases[] = {{0xff, 0, 1700000000123456, INT64_C(1700000000123456000)},
                 {9, 0, 1700000000123456789, INT64_C(1700000000123456789)},
                 {3, 100, 5500, INT64_C(105500000000)},
                 {0x80 | 10, 0, 1024 * 7 + 512, INT64_C(7500000000)},
                 {0, 0, 42, INT64_C(42000000000)}};
    struct bytes b = {0};
    struct wr_capture cap;
    struct wr_packet p;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        b.big = i & 1;
        section(&b); /* interfaces are counted anew in each section, byte order too */
        iface(&b, 1, 6, 0);
        iface(&b, 101, cases[i].tsresol, cases[i].offset);
        enhanced(&b, 1, cases[i].ticks, ipv4_udp, sizeof ipv4_udp);
    }
    cr_assert_eq(wr_capture_open(&cap, b.at, b.n), WR_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_assert(wr_capture_next(&cap, &p));
        expect_udp(&p);
        cr_expect_eq(p.time_ns, cases[i].ns, "case %zu: %ld", i, (long)p.time_ns);
    }
    cr_expect_not(wr_capture_next(&cap, &p));
    cr_expect_eq(cap.malformed, 0);
}

Test(capture, pcapng_simple_blocks_and_unknown_blocks)
{
    struct bytes b = {0}, body = {0};
    struct wr_capture cap;
    struct wr_packet p;
    section(&b);
    iface(&b, 101, 0xff, 0);
    num(&body, 1234, 4);
    block(&b, 0x0bad, &body);
    body.n = 0;
    num(&body, sizeof ipv4_udp, 4);
    raw(&body, ipv4_udp, sizeof ipv4_udp);
    enhanced(&b, 0, 7000000, ipv4_udp, sizeof ipv4_udp);
    block(&b, 3, &body);
    enhanced(&b, 5, 0, ipv4_udp, sizeof ipv4_udp); /* no such interface */
    cr_assert_eq(wr_capture_open(&cap, b.at, b.n), WR_OK);
    cr_assert(wr_capture_next(&cap, &p));
    cr_assert(wr_capture_next(&cap, &p));
    expect_udp(&p);
    cr_expect_eq(p.time_ns, INT64_C(7000000000), "no time of its own: the last one's");
    cr_expect_not(wr_capture_next(&cap, &p));
    cr_expect_eq(cap.malformed, 1);
    cr_expect_eq(cap.packets, 2);
}

/* IPv6 header, then `n` bytes of what follows it. */
static struct bytes ipv6(uint8_t next, const uint8_t *rest, size_t n)
{
    struct bytes b = {.big = true}, file = {.big = true};
    num(&b, 0x60000000, 4);
    num(&b, n, 2);
    num(&b, next, 1);
    num(&b, 64, 1);
    num(&b, 0, 15);
    num(&b, 1, 1);
    num(&b, 0, 15);
    num(&b, 2, 1);
    raw(&b, rest, n);
    pcap_header(&file, false, 101);
    pcap_record(&file, 1, 0, b.at, b.n);
    return file;
}

Test(capture, ipv6_extension_headers_are_taken_off)
{
    static const uint8_t rest[] = {
        43,   0,    0, 0,  0, 0, 0, 0,                               /* hop by hop, then routing */
        51,   1,    0, 0,  0, 0, 0, 0, 0, 0, 0, 0, 0,    0,    0, 0, /* 16 bytes, then AH */
        44,   4,    0, 0,  0, 0, 0, 0, 0, 0, 0, 0, 0,    0,    0, 0, 0, 0, 0, 0,
        0,    0,    0, 0,              /* 24 bytes, then fragment */
        6,    0,    0, 1,  0, 0, 0, 9, /* first fragment, then TCP */
        0x9c, 0x40, 0, 25, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x02, 0, 0, 0, 0, 0, 0};
    struct bytes b = ipv6(0, rest, sizeof rest);
    struct wr_packet p = first(&b);
    cr_expect(p.v6);
    cr_expect_eq(p.src[15], 1);
    cr_expect_eq(p.proto, 6);
    cr_expect_eq(p.sport, 40000);
    cr_expect_eq(p.tcp_flags, 2);
    cr_expect_eq(p.ip_octets, 40 + sizeof rest);
}

static void expect_none(const void *packet, size_t n, uint64_t malformed, const char *why)
{
    struct bytes b = {0};
    struct wr_capture cap;
    struct wr_packet p;
    pcap_header(&b, false, 101);
    pcap_record(&b, 1, 0, packet, n);
    cr_assert_eq(wr_capture_open(&cap, b.at, b.n), WR_OK);
    cr_expect_not(wr_capture_next(&cap, &p), "%s", why);
    cr_expect_eq(cap.malformed, malformed, "%s: %lu", why, (unsigned long)cap.malformed);
}

Test(capture, what_contradicts_itself_is_counted_and_later_fragments_are_not)
{
    uint8_t p[sizeof ipv4_udp];
#define CHANGED(at, v, malformed)                                                                  \
    memcpy(p, ipv4_udp, sizeof p);                                                                 \
    p[at] = v;                                                                                     \
    expect_none(p, sizeof p, malformed, #at " = " #v)
    CHANGED(0, 0x44, 1); /* header of 16 bytes */
    CHANGED(0, 0x4f, 1); /* header of 60 bytes in 32 */
    CHANGED(3, 19, 1);   /* total below the header */
    CHANGED(3, 27, 1);   /* half a UDP header */
    CHANGED(25, 7, 1);   /* UDP length below its header */
    CHANGED(7, 2, 0);    /* fragment offset 16 */
    CHANGED(0, 0x95, 0); /* version 9: not IP */
#undef CHANGED
    for (size_t n = 0; n < 28; n++)
        expect_none(ipv4_udp, n, 1, "cut before the end of the ports");
}

Test(capture, a_snapped_packet_keeps_its_octets)
{
    struct bytes b = {0};
    pcap_header(&b, false, 101);
    pcap_record(&b, 1, 0, ipv4_udp, 30);
    struct wr_packet p = first(&b);
    cr_expect_eq(p.ip_octets, 32);
    cr_expect_eq(p.payload_len, 2);
}

Test(capture, a_length_past_the_end_ends_the_file)
{
    struct bytes b = {0};
    struct wr_capture cap;
    struct wr_packet p;
    pcap_header(&b, false, 101);
    pcap_record(&b, 1, 0, ipv4_udp, sizeof ipv4_udp);
    pcap_record(&b, 1, 0, ipv4_udp, sizeof ipv4_udp);
    b.at[24 + 16 + sizeof ipv4_udp + 11] = 0xff;
    cr_assert_eq(wr_capture_open(&cap, b.at, b.n), WR_OK);
    cr_expect(wr_capture_next(&cap, &p));
    cr_expect_not(wr_capture_next(&cap, &p));
    cr_expect_not(wr_capture_next(&cap, &p));
    cr_expect_eq(cap.malformed, 1);
}

Test(capture, other_files_are_refused)
{
    struct wr_capture cap;
    uint8_t zeros[64] = {0};
    cr_expect_eq(wr_capture_open(&cap, zeros, sizeof zeros), WR_EINVAL);
    cr_expect_eq(wr_capture_open(&cap, "\xd4\xc3\xb2\xa1", 4), WR_EINVAL);
    cr_expect_eq(wr_capture_open(&cap, "\x0a\x0d\x0d\x0a\x1c\0\0\0nonsense, no order mark", 30),
                 WR_EINVAL);
}

/* A UDP payload in a capture of `copies` packets, among `others` that are none. */
static bool exports(const void *payload, size_t n, int copies, int others)
{
    struct bytes b = {0};
    struct wr_capture cap;
    uint8_t p[256];
    memcpy(p, ipv4_udp, 28);
    memcpy(p + 28, payload, n);
    p[3] = (uint8_t)(28 + n);
    p[25] = (uint8_t)(8 + n);
    pcap_header(&b, false, 101);
    for (int i = 0; i < copies; i++)
        pcap_record(&b, 1, 0, p, 28 + n);
    for (int i = 0; i < others; i++)
        pcap_record(&b, 1, 0, ipv4_udp, sizeof ipv4_udp);
    cr_assert_eq(wr_capture_open(&cap, b.at, b.n), WR_OK);
    return wr_capture_has_exports(&cap);
}

Test(capture, export_packets_are_known_by_their_structure)
{
    uint8_t v5[72] = {0, 5, 0, 1}, v9[24] = {0, 9, 0, 1, [21] = 0, 0, 4},
            ipfix[16] = {0, 10, 0, 16};
    uint8_t sflow[28] = {0, 0, 0, 5, 0, 0, 0, 1}, dns[30] = {0, 5, 1, 0, 0, 1};
    cr_expect(exports(v5, sizeof v5, 1, 0));
    cr_expect_not(exports(v5, sizeof v5 - 1, 1, 0), "a record cut");
    cr_expect(exports(v9, sizeof v9, 1, 0));
    cr_expect(exports(ipfix, sizeof ipfix, 1, 0));
    cr_expect(exports(sflow, sizeof sflow, 1, 0));
    cr_expect(exports("<13>hello", 9, 1, 0));
    cr_expect_not(exports("<html>", 6, 1, 0));
    cr_expect_not(exports(dns, sizeof dns, 1, 0));
    cr_expect(exports("<13>hello", 9, 2, 2));
    cr_expect_not(exports("<13>hello", 9, 2, 3), "ordinary traffic with a little syslog");
}

Test(capture, ethernet_needs_its_whole_header)
{
    struct bytes b = {0};
    struct wr_capture cap;
    struct wr_packet p;
    pcap_header(&b, false, 1);
    pcap_record(&b, 1, 0, ethernet, sizeof ethernet);
    cr_assert_eq(wr_capture_open(&cap, b.at, b.n), WR_OK);
    cr_expect_not(wr_capture_next(&cap, &p));
    cr_expect_eq(cap.malformed, 1);
}
