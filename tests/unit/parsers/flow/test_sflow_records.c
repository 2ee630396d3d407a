/* Records of sFlow's flow samples, each where a reader that was broken on purpose passed
 * test_sflow.c. */
#include "message.h"

static struct message m;
static size_t length_at;

/* A datagram with a flow sample, one in ten packets, of so many records. */
static void sample(uint32_t records)
{
    m.len = 0;
    put(&m, 5, 4), put(&m, 1, 4), put(&m, 0xc0000201, 4), put(&m, 7, 4), put(&m, 1, 4),
        put(&m, 0, 4), put(&m, 1, 4);
    put(&m, 1, 4);
    length_at = m.len;
    put(&m, 0, 4);
    put(&m, 1, 4), put(&m, 9, 4), put(&m, 10, 4), put(&m, 0, 8), put(&m, 3, 4), put(&m, 4, 4),
        put(&m, records, 4);
}

static void record(uint32_t kind, unsigned nwords, const uint32_t *words)
{
    put(&m, kind, 4), put(&m, 4 * nwords, 4);
    for (unsigned i = 0; i < nwords; i++)
        put(&m, words[i], 4);
    size_t n = m.len - length_at - 4;
    m.at[length_at + 2] = (uint8_t)(n >> 8), m.at[length_at + 3] = (uint8_t)n;
}
#define RECORD(kind, ...)                                                                          \
    record(kind, sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t),                       \
           (const uint32_t[]){__VA_ARGS__})
#define SAMPLED_IP(proto, sport, dport)                                                            \
    RECORD(3, 100, proto, 0x0a000001, 0x0a000002, sport, dport, 0x12, 0)
/* Protocol, octets of the frame, octets left out, of the header; IPv4 with the begin of TCP. */
#define RAW_IP4(last, dport)                                                                       \
    RECORD(1, 11, 60, 0, 40, 0x45000028, 0, 0x40060000, 0x0a000000 | (last), 0x0a0000ff,           \
           1234U << 16 | (dport), 1, 0, 0x50020000, 0)

static const struct wr_flow *row(struct bench *b)
{
    b->vec.n = 0;
    cr_assert(bench_send(b, &m));
    cr_assert_eq(b->vec.n, 1);
    return b->vec.at;
}

static bool json_has(struct bench *b, const char *text)
{
    struct wr_buf out = {0};
    cr_assert(wr_flow_decode_json(b->dec, &b->peer, m.at, m.len, b->now_ns, &out));
    wr_buf_char(&out, 0);
    bool has = strstr(out.data, text);
    cr_expect(has, "no %s in %s", text, out.data);
    wr_buf_fini(&out);
    return has;
}

Test(sflow_records, headers_of_ip_alone_and_the_first_of_several)
{
    struct bench b = bench_new();
    sample(2);
    RAW_IP4(1, 25);
    RAW_IP4(2, 80);
    cr_expect(row(&b)->src[3] == 1 && row(&b)->dport == 25, "the first one's");
    sample(1);
    RECORD(1, 12, 80, 0, 60, 0x60000000, 20 << 16 | 0x0640, 0x20010db8, 0, 0, 1, 0x20010db8, 0, 0,
           2, 1234U << 16 | 25, 1, 0, 0x50020000, 0);
    const struct wr_flow *f = row(&b);
    cr_expect(f->flags & WR_FLOW_V6 && f->src[15] == 1 && f->dst[15] == 2 && f->proto == 6);
    cr_expect_eq(f->dport, 25);
    bench_end(&b);
}

Test(sflow_records, a_record_past_its_sample_refuses_the_datagram)
{
    struct bench b = bench_new();
    sample(2);
    SAMPLED_IP(6, 1234, 25);
    SAMPLED_IP(6, 1234, 25);
    m.at[m.len - 33] = 36; /* of its length: four octets more than are there */
    cr_expect_not(bench_send(&b, &m));
    cr_expect_eq(rejected(&b, WR_FLOW_REJECT_truncated), 1);
    cr_expect_eq(b.vec.n, 0);
    bench_end(&b);
}

Test(sflow_records, a_tunnel_without_an_identifier_is_not_looked_into)
{
    for (uint32_t i = 0; i < 2; i++) {
        struct bench b = bench_new();
        sample(1); /* IPv4, UDP to 4789, VXLAN's flags, an Ethernet frame with IPv4 and TCP to 25 */
        RECORD(1, 11, 110, 0, 90, 0x4500006e, 0, 0x40110000, 0x0a000064, 0x0a000065, 0xc00012b5,
               90 << 16, i ? 0x08000000 : 0, 42 << 8, 0x02000000, 0x00010200, 0x00000002,
               0x08004500, 0x00280000, 0x00004006, 0x00000a00, 0x00070a00, 0x000804d2, 0x00190000,
               0x00010000, 0x00005002, 0, 0);
        cr_expect_eq(row(&b)->dport, i ? 25 : 4789);
        cr_expect_eq(b.vec.at[0].src[3], i ? 7 : 100);
        bench_end(&b);
    }
}

Test(sflow_records, the_destinations_user_counts_where_the_source_has_none)
{
    struct bench b = bench_new();
    wr_flow_decoder_who(b.dec, wr_who_bit(WR_WHO_USER));
    sample(2);
    SAMPLED_IP(6, 1234, 25);
    RECORD(1004, 106, 0, 106, 3, 0x626f6200); /* bob */
    const struct wr_flow *f = row(&b);
    struct wr_who who = wr_flow_who(&b.vec, f);
    enum wr_who_kind kind;
    const char *text;
    uint32_t len;
    cr_assert(wr_who_next(&who, &kind, &text, &len));
    cr_expect(kind == WR_WHO_USER && len == 3 && !memcmp(text, "bob", 3));
    bench_end(&b);
}

Test(sflow_records, vlans_on_both_sides_and_no_next_hop)
{
    struct bench b = bench_new();
    sample(3);
    SAMPLED_IP(6, 1234, 25);
    RECORD(1001, 5, 0, 7, 0);
    RECORD(1002, 0, 24, 16);
    (void)row(&b);
    cr_expect(json_has(&b, "\"vlanId\":5,\"postVlanId\":7"));
    cr_expect(json_has(&b, "\"sourceIPv4PrefixLength\":24,\"destinationIPv4PrefixLength\":16"));
    bench_end(&b);
}

/* Type and code of ICMP where a record of addresses has ports: one in each, the type in the second,
 * or both in it as NetFlow has them; the row has them as NetFlow does, IPv6 likewise. */
Test(sflow_records, icmp_of_sampled_addresses)
{
    static const struct {
        uint32_t sport, dport;
        uint16_t want;
    } said[] = {
        {3, 1, 0x0301},      {8, 0, 0x0800},     {0, 8, 0x0800},        {0, 0, 0},
        {0, 0x0b01, 0x0b01}, {255, 255, 0xffff}, {256, 0x0301, 0x0301}, {5, 0x0301, 0x0301}};
    struct bench b = bench_new();
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        char text[64];
        for (int v6 = 0; v6 < 2; v6++) {
            sample(1);
            if (v6)
                RECORD(4, 100, 58, 0x20010db8, 0, 0, 1, 0x20010db8, 0, 0, 2, said[i].sport,
                       said[i].dport, 0, 0);
            else
                SAMPLED_IP(1, said[i].sport, said[i].dport);
            const struct wr_flow *f = row(&b);
            cr_expect_eq(f->dport, said[i].want, "%u and %u: %u", said[i].sport, said[i].dport,
                         f->dport);
            cr_expect_eq(f->sport, 0);
            cr_expect_eq(!!(f->flags & WR_FLOW_V6), v6);
            snprintf(text, sizeof text, "\"icmpTypeCodeIPv%d\":%u,", v6 ? 6 : 4, said[i].want);
            cr_expect(json_has(&b, text));
        }
    }
    bench_end(&b);
}

/* What a header says beside its ends; cut anywhere it says less and nothing that is not there. */
Test(sflow_records, text_of_a_sampled_header)
{
    struct bench b = bench_new();
    sample(1);
    RECORD(1, 1, 100, 4, 38, 0x00010203, 0x04050607, 0x08090a0b, 0x8100a00c, 0x08004510, 0x0054abcd,
           0x40012006, 0, 0x0a000001, 0x0a000002);
    cr_expect(json_has(
        &b, "\"sampleSequence\":1,\"sampleSource\":9,\"samplePool\":0,\"sampleDrops\":0,"));
    cr_expect(json_has(
        &b,
        "\"destinationMacAddress\":\"00:01:02:03:04:05\",\"sourceMacAddress\":\"06:07:08:09:0a:"
        "0b\","
        "\"dot1qVlanId\":12,\"dot1qPriority\":5,\"ethernetType\":2048,\"ipVersion\":4,"
        "\"internetHeaderLengthIPv4\":5,\"ipClassOfService\":16,\"totalLengthIPv4\":84,"
        "\"fragmentIdentification\":43981,\"fragmentFlags\":64,\"fragmentOffset\":1,\"ipTTL\":32"));
    for (uint32_t n = 0; n < 38; n++) { /* an exact copy, so that a read behind it is seen */
        struct wr_buf out = {0};
        uint8_t *copy = malloc(m.len);
        memcpy(copy, m.at, m.len);
        memset(copy + m.len - 40 - 4, 0, 4);
        copy[m.len - 40 - 1] = (uint8_t)n;
        cr_assert(wr_flow_decode_json(b.dec, &b.peer, copy, m.len, b.now_ns, &out));
        wr_buf_char(&out, 0);
        cr_expect_eq(strstr(out.data, "MacAddress") != NULL, n >= 14, "%u octets: %s", n, out.data);
        cr_expect_null(strstr(out.data, "ipTTL"), "%u octets: %s", n, out.data);
        wr_buf_fini(&out);
        free(copy);
    }
    bench_end(&b);
}

Test(sflow_records, an_interface_has_its_name)
{
    struct bench b = bench_new();
    m.len = 0;
    put(&m, 5, 4), put(&m, 1, 4), put(&m, 0xc0000201, 4), put(&m, 7, 4), put(&m, 1, 4),
        put(&m, 0, 4), put(&m, 1, 4);
    put(&m, 2, 4), put(&m, 12 + 2 * 16, 4), put(&m, 77, 4), put(&m, 9, 4), put(&m, 2, 4);
    for (int i = 0; i < 2; i++) /* once */
        put(&m, 1005, 4), put(&m, 8, 4), put(&m, 4, 4), put(&m, 0x656e6f31, 4);
    cr_expect(json_has(&b, "\"sampleSequence\":77,\"sampleSource\":9,\"ifName\":\"eno1\"}"));
    m.at[m.len - 21] = m.at[m.len - 5] = 8; /* longer than their records: no name */
    cr_expect(json_has(&b, "\"sampleSource\":9}"));
    bench_end(&b);
}
