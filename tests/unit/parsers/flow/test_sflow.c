/* sFlow v5, and the two fixed dialects besides v5: rows of real samples, and of records written by hand. */
#include "message.h"

#include <arpa/inet.h>

static struct message m;

static bool row_is(const struct wr_flow *r, const char *src, unsigned sport, const char *dst, unsigned dport,
                   unsigned proto, uint64_t octets)
{
    char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];
    int family = r->flags & WR_FLOW_V6 ? AF_INET6 : AF_INET;
    inet_ntop(family, r->src, from, sizeof from);
    inet_ntop(family, r->dst, to, sizeof to);
    return !strcmp(from, src) && !strcmp(to, dst) && r->sport == sport && r->dport == dport &&
           r->proto == proto && r->octets[0] == octets;
}

static void feed_bench(void *to, const struct wr_flow_peer *peer, const uint8_t *data, size_t len)
{
    struct bench *b = to;
    wr_flow_decode(b->dec, peer, data, len, b->now_ns, &b->vec);
}

/* Expected values are telegraf's: 802.1Q tags, IPv6 with a hop-by-hop header, rate 200. */
Test(sflow, samples_become_rows)
{
    struct bench b = bench_new();
    feed_file("telegraf/sflow_issue_15918/message.bin", 'd', feed_bench, &b);
    cr_assert_eq(b.vec.n, 6);
    const struct wr_flow *r = b.vec.at;
    cr_expect(row_is(&r[0], "192.168.227.2", 49469, "192.168.101.2", 2055, 17, 1286 * 200));
    cr_expect(row_is(&r[1], "142.250.200.99", 443, "192.168.100.104", 52851, 17, 563 * 200));
    cr_expect(row_is(&r[2], "fe80::f3a8:9738:cab4:2286", 0, "ff02::16", 143 << 8, 58, 114 * 200));
    cr_expect(row_is(&r[3], "192.168.153.106", 64969, "142.250.185.14", 443, 17, 77 * 200));
    cr_expect(row_is(&r[4], "142.250.185.14", 443, "192.168.153.106", 64969, 17, 719 * 200));
    cr_expect(row_is(&r[5], "fe80::f3a8:9738:cab4:2286", 49770, "ff02::1:3", 5355, 17, 93 * 200));
    cr_expect_eq(r[0].packets[0], 200);
    cr_expect_eq(r[0].sampling, 200);
    cr_expect_eq(r[0].start_ns, NOW_NS);
    cr_expect(r[0].flags & WR_FLOW_TIME_APPROX);
    cr_expect_eq(wr_flow_decoder_stats(b.dec)->counter_samples, 1);
    bench_end(&b);
}

Test(sflow, counters_and_drops_are_counted)
{
    struct bench b = bench_new();
    feed_file("telegraf/sflow_issue_18876/message.bin", 'd', feed_bench, &b);
    feed_file("telegraf/sflow_issue_15375/sflow_drop_1036.bin", 'd', feed_bench, &b);
    feed_file("tcpdump/sflow-print-v6.pcap", 'p', feed_bench, &b);
    cr_expect_eq(wr_flow_decoder_stats(b.dec)->counter_samples, 49);
    cr_expect_eq(wr_flow_decoder_stats(b.dec)->discards, 1);
    cr_expect_eq(wr_flow_decoder_stats(b.dec)->other_samples, 0);
    bench_end(&b);
}

Test(sflow, port_filter)
{
    const int64_t ports[] = {5355};
    const struct wr_pred pred = {.col = WR_DNE_RemotePort, .op = WR_PRED_IN_INT, .n = 1, .ints = ports};
    const struct wr_branch branch = {.preds = &pred, .npreds = 1};
    const struct wr_scan scan = {.branches = &branch, .nbranches = 1};
    struct bench b = bench_new();
    cr_assert_eq(wr_flow_decoder_scan(b.dec, &scan), WR_OK);
    feed_file("telegraf/sflow_issue_15918/message.bin", 'd', feed_bench, &b);
    cr_assert_eq(b.vec.n, 1);
    cr_expect_eq(b.vec.at[0].dport, 5355);
    cr_expect_eq(wr_flow_decoder_stats(b.dec)->filtered_early, 5);
    bench_end(&b);
}

/* An expanded flow sample with a sampled-IPv4 record, after a record that nobody knows. */
static void expanded_sample(uint32_t rate)
{
    m.len = 0;
    put(&m, 5, 4), put(&m, 1, 4), put(&m, 0xc0000201, 4), put(&m, 7, 4), put(&m, 1, 4), put(&m, 0, 4);
    put(&m, 1, 4);
    put(&m, 3, 4), put(&m, 44 + 12 + 40, 4);
    put(&m, 1, 4), put(&m, 0, 4), put(&m, 9, 4), put(&m, rate, 4), put(&m, 0, 8);
    put(&m, 0, 4), put(&m, 1, 4), put(&m, 0, 4), put(&m, 2, 4), put(&m, 2, 4);
    put(&m, 4096 << 4, 4), put(&m, 4, 4), put(&m, 0, 4);
    put(&m, 3, 4), put(&m, 32, 4);
    put(&m, 100, 4), put(&m, 6, 4), put(&m, 0x0a000001, 4), put(&m, 0x0a000002, 4);
    put(&m, 1234, 4), put(&m, 25, 4), put(&m, 0x12, 4), put(&m, 0, 4);
}

Test(sflow, expanded_sample)
{
    struct bench b = bench_new();
    expanded_sample(0);
    cr_assert(bench_send(&b, &m));
    cr_assert_eq(b.vec.n, 1);
    cr_expect(row_is(&b.vec.at[0], "10.0.0.1", 1234, "10.0.0.2", 25, 6, 100));
    cr_expect_eq(b.vec.at[0].tcp_flags, 0x12);
    cr_expect_eq(b.vec.at[0].domain, 7);
    cr_expect_eq(b.vec.at[0].sampling, 1);
    bench_end(&b);
}

/* Cut anywhere, or with a length that lies, the datagram is refused whole. */
Test(sflow, truncation_refuses_the_datagram)
{
    struct bench b = bench_new();
    expanded_sample(1);
    size_t whole = m.len;
    for (size_t n = 4; n < whole; n++) {
        uint8_t *copy = malloc(n);
        memcpy(copy, m.at, n);
        cr_expect_not(wr_flow_decode(b.dec, &b.peer, copy, n, NOW_NS, &b.vec), "%zu octets", n);
        free(copy);
    }
    m.at[27] = 2; /* two samples */
    cr_expect_not(bench_send(&b, &m));
    cr_expect_eq(b.vec.n, 0);
    cr_expect_eq(rejected(&b, WR_FLOW_REJECT_truncated), whole - 4 + 1);
    bench_end(&b);
}

/* A datagram with one flow sample: a raw header of `frame`, and an extended-user record when there is a name. */
static void raw_sample(const uint8_t *frame, unsigned len, const char *user)
{
    unsigned padded = (len + 3) & ~3u, name = user ? (unsigned)strlen(user) : 0, name_padded = (name + 3) & ~3u;
    unsigned user_len = user ? 8 + 16 + name_padded : 0;
    m.len = 0;
    put(&m, 5, 4), put(&m, 1, 4), put(&m, 0xc0000201, 4), put(&m, 7, 4), put(&m, 1, 4), put(&m, 0, 4);
    put(&m, 1, 4);
    put(&m, 1, 4), put(&m, 32 + 24 + padded + user_len, 4);
    put(&m, 1, 4), put(&m, 9, 4), put(&m, 10, 4), put(&m, 0, 8), put(&m, 3, 4), put(&m, 4, 4);
    put(&m, user ? 2 : 1, 4);
    put(&m, 1, 4), put(&m, 16 + padded, 4);
    put(&m, 1, 4), put(&m, 1000, 4), put(&m, 4, 4), put(&m, len, 4);
    for (unsigned i = 0; i < padded; i++)
        put(&m, i < len ? frame[i] : 0, 1);
    if (!user)
        return;
    put(&m, 1004, 4), put(&m, user_len - 8, 4);
    put(&m, 106, 4), put(&m, name, 4);
    for (unsigned i = 0; i < name_padded; i++)
        put(&m, i < name ? (uint8_t)user[i] : 0, 1);
    put(&m, 106, 4), put(&m, 0, 4);
}

#define ETHERNET(type) 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, (type) >> 8, (type)&255
#define IPV4(a, proto, len) 0x45, 0, 0, (len), 0, 0, 0, 0, 64, (proto), 0, 0, 10, 0, 0, (a), 10, 0, 0, (a) + 1
#define TCP_SYN 0x04, 0xd2, 0, 25, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0
#define SENT(...) raw_sample((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), NULL)

static void inner_is_seen(struct bench *b, unsigned last)
{
    char src[INET_ADDRSTRLEN];
    (void)snprintf(src, sizeof src, "10.0.0.%u", last);
    b->vec.n = 0;
    cr_assert(bench_send(b, &m));
    cr_assert_eq(b->vec.n, 1);
    const struct wr_flow *r = b->vec.at;
    cr_expect(r->src[3] == last && r->sport == 1234 && r->dport == 25 && r->proto == 6, "10.0.0.%u: %u:%u", last,
              r->src[3], r->dport);
    cr_expect_eq(r->octets[0], 10000);
    cr_expect_eq(r->tcp_flags, 2);
}

Test(sflow, what_tags_labels_and_tunnels_carry)
{
    struct bench b = bench_new();
    uint64_t rows = 0;
    SENT(ETHERNET(0x88a8), 0, 5, 0x81, 0, 0, 6, 8, 0, IPV4(1, 6, 40), TCP_SYN); /* QinQ */
    inner_is_seen(&b, 1), rows++;
    SENT(ETHERNET(0x8847), 0, 1, 0, 64, 0, 2, 1, 64, IPV4(3, 6, 40), TCP_SYN); /* two MPLS labels */
    inner_is_seen(&b, 3), rows++;
    SENT(ETHERNET(0x8864), 0x11, 0, 0, 1, 0, 42, 0, 0x21, IPV4(5, 6, 40), TCP_SYN); /* PPPoE */
    inner_is_seen(&b, 5), rows++;
    SENT(ETHERNET(0x0800), IPV4(100, 17, 110), 0xc0, 0, 0x12, 0xb5, 0, 62 + 28, 0, 0, 8, 0, 0, 0, 0, 0, 42, 0,
         ETHERNET(0x0800), IPV4(7, 6, 40), TCP_SYN); /* VXLAN */
    inner_is_seen(&b, 7), rows++;
    for (unsigned cut = 0; cut < 104; cut++) { /* a header cut anywhere: no row, or one with addresses */
        uint8_t frame[] = {ETHERNET(0x0800), IPV4(100, 17, 110), 0xc0, 0, 0x12, 0xb5, 0, 62 + 28, 0, 0, 8, 0, 0, 0, 0,
                           0, 42, 0, ETHERNET(0x0800), IPV4(7, 6, 40), TCP_SYN};
        raw_sample(frame, cut, NULL);
        b.vec.n = 0;
        cr_assert(bench_send(&b, &m));
        cr_expect(b.vec.n == 0 || b.vec.at[0].src[0] == 10);
    }
    SENT(ETHERNET(0x8847), 0, 1, 0, 64, 0, 2, 0, 64, 0, 2, 0, 64, 0, 2, 0, 64); /* labels without a bottom */
    b.vec.n = 0;
    cr_assert(bench_send(&b, &m));
    cr_expect_eq(b.vec.n, 0);
    bench_end(&b);
}

Test(sflow, extended_users_are_named)
{
    struct bench b = bench_new();
    static const uint8_t frame[] = {ETHERNET(0x0800), IPV4(1, 6, 40), TCP_SYN};
    wr_flow_decoder_who(b.dec, wr_who_bit(WR_WHO_USER) | wr_who_bit(WR_WHO_USER_DOMAIN));
    raw_sample(frame, sizeof frame, "CORP\\alice");
    cr_assert(bench_send(&b, &m));
    struct wr_who who = wr_flow_who(&b.vec, &b.vec.at[0]);
    enum wr_who_kind kind;
    const char *text;
    uint32_t len;
    cr_assert(wr_who_next(&who, &kind, &text, &len) && kind == WR_WHO_USER_DOMAIN && len == 4);
    cr_assert(wr_who_next(&who, &kind, &text, &len) && kind == WR_WHO_USER && len == 5);
    cr_expect_eq(memcmp(text, "alice", 5), 0);
    bench_end(&b);
}

Test(sflow, counters_are_rows_for_those_who_read_whole_records)
{
    struct bench b = bench_new();
    feed_file("telegraf/sflow_issue_18876/message.bin", 'd', feed_bench, &b);
    uint32_t flows = b.vec.n;
    cr_expect_eq(wr_flow_decoder_stats(b.dec)->counter_samples > 0, true);
    wr_flow_decoder_who(b.dec, wr_who_bit(WR_WHO_FIELDS));
    feed_file("telegraf/sflow_issue_18876/message.bin", 'd', feed_bench, &b);
    cr_expect_gt(b.vec.n, 2 * flows);
    unsigned rows = 0;
    for (uint32_t i = flows; i < b.vec.n; i++) {
        struct wr_who who = wr_flow_who(&b.vec, &b.vec.at[i]);
        enum wr_who_kind kind;
        const char *text;
        uint32_t len;
        cr_assert(wr_who_next(&who, &kind, &text, &len) && kind == WR_WHO_FIELDS);
        if (!(b.vec.at[i].flags & WR_FLOW_COUNTERS))
            continue;
        rows++;
        cr_expect(text[0] == '{' && memmem(text, len, "\"ifIndex\":", 10), "%.*s", (int)len, text);
        cr_expect(text[len - 1] == '}');
    }
    cr_expect_gt(rows, 0);
    bench_end(&b);
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

#define ICMP_UNREACHABLE 3, 13, 0, 0, 0, 0, 0, 0

/* A packet that the switch threw away, with its header and the queue it was meant for. */
static void discard_of(uint32_t reason, const uint8_t *frame, unsigned len)
{
    unsigned padded = (len + 3) & ~3u;
    m.len = 0;
    put(&m, 5, 4), put(&m, 1, 4), put(&m, 0xc0000201, 4), put(&m, 7, 4), put(&m, 1, 4), put(&m, 0, 4);
    put(&m, 1, 4);
    put(&m, 5, 4), put(&m, 32 + 24 + padded + 12, 4);
    put(&m, 1, 4), put(&m, 0, 4), put(&m, 9, 4), put(&m, 12, 4), put(&m, 3, 4), put(&m, 4, 4), put(&m, reason, 4);
    put(&m, 2, 4);
    put(&m, 1, 4), put(&m, 16 + padded, 4);
    put(&m, 1, 4), put(&m, 1000, 4), put(&m, 4, 4), put(&m, len, 4);
    for (unsigned i = 0; i < padded; i++)
        put(&m, i < len ? frame[i] : 0, 1);
    put(&m, 1036, 4), put(&m, 4, 4), put(&m, 42, 4);
}

static void discard(uint32_t reason)
{
    static const uint8_t frame[] = {ETHERNET(0x0800), IPV4(1, 6, 40), TCP_SYN};
    discard_of(reason, frame, sizeof frame);
}

/* What the switch dropped before it looked for an IP header: a row without ends, where all rows are read. */
Test(sflow, dropped_packets_without_an_ip_header_are_rows_too)
{
    static const uint8_t lldp[] = {1, 0x80, 0xc2, 0, 0, 14, 2, 0, 0, 0, 0, 9, 0x88, 0xcc, 2, 7, 4};
    const int64_t ports[] = {25, 0};
    const struct wr_pred pred = {.col = WR_DNE_RemotePort, .op = WR_PRED_IN_INT, .n = 2, .ints = ports};
    const struct wr_branch branch = {.preds = &pred, .npreds = 1};
    const struct wr_scan mail = {.branches = &branch, .nbranches = 1}, none = {0};
    struct bench b = bench_new();
    discard_of(284, lldp, sizeof lldp);
    cr_assert(bench_send(&b, &m));
    cr_assert_eq(b.vec.n, 1);
    const struct wr_flow *r = b.vec.at;
    cr_expect((r->flags & (WR_FLOW_DISCARD | WR_FLOW_NO_ENDS | WR_FLOW_NO_PORTS)) ==
              (WR_FLOW_DISCARD | WR_FLOW_NO_ENDS | WR_FLOW_NO_PORTS));
    cr_expect(r->octets[0] == 1000 && r->packets[0] == 1 && r->sampling == 1);
    cr_expect(json_has(&b, "\"destinationMacAddress\":\"01:80:c2:00:00:0e\",\"sourceMacAddress\":\"02:00:00:00:00:09\","
                           "\"ethernetType\":35020,\"dropReason\":\"unknown_l2\""));
    cr_assert_eq(wr_flow_decoder_scan(b.dec, &mail), WR_OK);
    cr_assert(bench_send(&b, &m));
    cr_assert_eq(wr_flow_decoder_scan(b.dec, &none), WR_OK);
    cr_assert(bench_send(&b, &m));
    cr_expect_eq(b.vec.n, 1, "rules on connections never see one");
    const struct wr_flow_stats *stats = wr_flow_decoder_stats(b.dec);
    cr_expect_eq(stats->records, stats->rows + stats->filtered_early + stats->not_flows);
    cr_expect_eq(stats->filtered_early, 2);
    cr_expect_eq(stats->discards, 4);
    for (unsigned n = 0; n < sizeof lldp; n++) { /* a header cut anywhere is a row, too */
        discard_of(284, lldp, n);
        cr_assert_eq(wr_flow_decoder_scan(b.dec, NULL), WR_OK);
        cr_assert(bench_send(&b, &m));
    }
    cr_expect_eq(b.vec.n, 1 + sizeof lldp);
    bench_end(&b);
}

Test(sflow, dropped_packets_are_rows_beside_the_connections)
{
    struct bench b = bench_new();
    discard(258);
    cr_assert(bench_send(&b, &m));
    cr_assert_eq(b.vec.n, 1);
    const struct wr_flow *r = b.vec.at;
    cr_expect(row_is(r, "10.0.0.1", 1234, "10.0.0.2", 25, 6, 1000));
    cr_expect(r->flags & WR_FLOW_DISCARD && r->flags & WR_FLOW_ASIDE);
    cr_expect(r->packets[0] == 1 && r->sampling == 1);
    cr_expect(json_has(&b, "\"_kind\":\"discard\""));
    cr_expect(json_has(&b, "\"dropReason\":\"acl\",\"dropsNotReported\":12,\"egressQueue\":42}"));
    discard(13);
    cr_expect(json_has(&b, "\"dropReason\":\"comm_admin_prohibited\""));
    discard(289);
    cr_expect(json_has(&b, "\"dropReason\":\"unknown_l4\""));
    for (uint32_t reason = 16; reason < 256; reason += 239) {
        discard(reason);
        cr_expect(json_has(&b, reason == 16 ? "\"dropReason\":16," : "\"dropReason\":255,"));
    }
    discard(290);
    cr_expect(json_has(&b, "\"dropReason\":290,"));
    size_t whole = m.len;
    for (size_t n = 28; n < whole; n++) { /* cut anywhere: refused whole */
        uint8_t *copy = malloc(n);
        memcpy(copy, m.at, n);
        cr_expect_not(wr_flow_decode(b.dec, &b.peer, copy, n, NOW_NS, &b.vec), "%zu octets", n);
        free(copy);
    }
    bench_end(&b);
}

Test(sflow, icmp_has_type_and_code)
{
    struct bench b = bench_new();
    SENT(ETHERNET(0x0800), IPV4(1, 1, 28), ICMP_UNREACHABLE);
    cr_assert(bench_send(&b, &m));
    cr_assert_eq(b.vec.n, 1);
    cr_expect(b.vec.at[0].proto == 1 && b.vec.at[0].dport == 0x030d && b.vec.at[0].sport == 0);
    cr_expect_not(b.vec.at[0].flags & WR_FLOW_NO_PORTS);
    cr_expect(json_has(&b, "\"icmpTypeCodeIPv4\":781,"));
    SENT(ETHERNET(0x0800), IPV4(1, 47, 28), 0, 0, 8, 0, 0, 0, 0, 0); /* GRE */
    cr_assert(bench_send(&b, &m));
    cr_expect(b.vec.at[1].flags & WR_FLOW_NO_PORTS);
    bench_end(&b);
}

/* Routing of a sample: next hop and prefixes, the BGP path, in a record of `extra` octets more than it needs. */
static void routed(uint32_t path)
{
    uint32_t len = 8 + 6 * 4 + 4 * path + 3 * 4;
    m.len = 0;
    put(&m, 5, 4), put(&m, 1, 4), put(&m, 0xc0000201, 4), put(&m, 7, 4), put(&m, 1, 4), put(&m, 0, 4);
    put(&m, 1, 4);
    put(&m, 1, 4), put(&m, 32 + 40 + 8 + 16 + 8 + len, 4);
    put(&m, 1, 4), put(&m, 9, 4), put(&m, 10, 4), put(&m, 0, 8), put(&m, 3, 4), put(&m, 4, 4), put(&m, 3, 4);
    put(&m, 3, 4), put(&m, 32, 4);
    put(&m, 100, 4), put(&m, 6, 4), put(&m, 0x0a000001, 4), put(&m, 0x0a000002, 4);
    put(&m, 1234, 4), put(&m, 25, 4), put(&m, 0x12, 4), put(&m, 0, 4);
    put(&m, 1002, 4), put(&m, 16, 4), put(&m, 1, 4), put(&m, 0xc0000209, 4), put(&m, 24, 4), put(&m, 16, 4);
    put(&m, 1003, 4), put(&m, len, 4);
    put(&m, 1, 4), put(&m, 0xc000020a, 4), put(&m, 64500, 4), put(&m, 64501, 4), put(&m, 64502, 4);
    put(&m, 1, 4), put(&m, 2, 4), put(&m, path, 4);
    for (uint32_t i = 0; i < path; i++)
        put(&m, 65000 + i, 4);
    put(&m, 1, 4), put(&m, 0xfde80001, 4), put(&m, 100, 4);
}

Test(sflow, routing_is_told)
{
    struct bench b = bench_new();
    routed(3);
    cr_expect(json_has(&b, "\"ipNextHopIPv4Address\":\"192.0.2.9\",\"sourceIPv4PrefixLength\":24,"
                           "\"destinationIPv4PrefixLength\":16,\"bgpNextHopIPv4Address\":\"192.0.2.10\","
                           "\"bgpRouterAsNumber\":64500,\"bgpSourceAsNumber\":64501,"
                           "\"bgpPrevAdjacentAsNumber\":64502,\"bgpNextAdjacentAsNumber\":65000,"
                           "\"bgpDestinationAsNumber\":65002,\"bgpAsPath\":[65000,65001,65002],"
                           "\"bgpLocalPreference\":100}"));
    routed(40);
    cr_expect(json_has(&b, "\"bgpDestinationAsNumber\":65039,"));
    routed(0);
    m.at[m.len - 13] = 9; /* a path of nine that is not there: the record tells nothing of BGP */
    cr_expect(json_has(&b, "\"destinationIPv4PrefixLength\":16}"));
    cr_expect_eq(rejected(&b, WR_FLOW_REJECT_truncated), 0);
    bench_end(&b);
}

Test(sflow, counters_of_ethernet_vlan_and_processor)
{
    struct bench b = bench_new();
    m.len = 0;
    put(&m, 5, 4), put(&m, 1, 4), put(&m, 0xc0000201, 4), put(&m, 7, 4), put(&m, 1, 4), put(&m, 0, 4), put(&m, 1, 4);
    put(&m, 2, 4), put(&m, 12 + 8 + 52 + 8 + 28 + 8 + 28 + 8 + 28, 4);
    put(&m, 1, 4), put(&m, 9, 4), put(&m, 4, 4);
    put(&m, 2, 4), put(&m, 52, 4);
    for (uint32_t i = 0; i < 13; i++)
        put(&m, 100 + i, 4);
    put(&m, 5, 4), put(&m, 28, 4), put(&m, 42, 4), put(&m, 1, 8), put(&m, 2, 4), put(&m, 3, 4), put(&m, 4, 4);
    put(&m, 5, 4);
    for (unsigned twice = 0; twice < 2; twice++) { /* the second says nothing new */
        put(&m, 1001, 4), put(&m, 28, 4);
        put(&m, 1000 + twice, 4), put(&m, 2000, 4), put(&m, 3000, 4), put(&m, 1u << 30, 8), put(&m, 1u << 29, 8);
    }
    cr_expect(json_has(&b, "\"dot3StatsAlignmentErrors\":100,\"dot3StatsFCSErrors\":101,"));
    cr_expect(json_has(&b, "\"dot3StatsSymbolErrors\":112,\"vlanId\":42,\"vlanOctets\":1,"));
    cr_expect(json_has(&b, "\"vlanDiscards\":5,\"cpu5sPercentage\":1000,\"cpu1mPercentage\":2000,"
                           "\"cpu5mPercentage\":3000,\"totalMemory\":1073741824,\"freeMemory\":536870912}"));
    bench_end(&b);
}

static void begin_fixed(uint16_t version, unsigned n)
{
    m.len = 0;
    put(&m, version, 2), put(&m, n, 2), put(&m, UPTIME_MS, 4), put(&m, EXPORT_S, 4), put(&m, 500000000, 4);
    if (version == 7)
        put(&m, 10, 4), put(&m, 0, 4);
}

static void put_common(void)
{
    put(&m, 0x0a000001, 4), put(&m, 0x0a000002, 4), put(&m, 0, 4), put(&m, 1, 2), put(&m, 2, 2);
    put(&m, 5, 4), put(&m, 600, 4), put(&m, UPTIME_MS - 3000, 4), put(&m, UPTIME_MS - 1000, 4);
    put(&m, 1234, 2), put(&m, 25, 2);
}

static void check_fixed(struct bench *b)
{
    cr_assert(bench_send(b, &m));
    cr_assert_eq(b->vec.n, 1);
    const struct wr_flow *r = b->vec.at;
    int64_t export_ns = EXPORT_S * INT64_C(1000000000) + 500000000;
    cr_expect(row_is(r, "10.0.0.1", 1234, "10.0.0.2", 25, 6, 600));
    cr_expect_eq(r->packets[0], 5);
    cr_expect_eq(r->tcp_flags, 0x1b);
    cr_expect_eq(r->start_ns, export_ns - INT64_C(3000000000));
    cr_expect_eq(r->end_ns, export_ns - INT64_C(1000000000));
}

Test(fixed, v1)
{
    struct bench b = bench_new();
    begin_fixed(1, 1);
    put_common();
    put(&m, 0, 2), put(&m, 6, 1), put(&m, 0, 1), put(&m, 0x1b, 1), put(&m, 0, 8), put(&m, 0, 3);
    check_fixed(&b);
    m.len--;
    cr_expect_not(bench_send(&b, &m));
    bench_end(&b);
}

Test(fixed, v7)
{
    struct bench b = bench_new();
    begin_fixed(7, 1);
    put_common();
    put(&m, 0, 1), put(&m, 0x1b, 1), put(&m, 6, 1), put(&m, 0, 1), put(&m, 0, 8), put(&m, 0xc0000209, 4);
    check_fixed(&b);
    m.at[19] = 12; /* flow 11 is missing */
    cr_assert(bench_send(&b, &m));
    cr_expect_eq(wr_flow_decoder_stats(b.dec)->seq_lost, 1);
    bench_end(&b);
}
