/* Translations of addresses in flow records: events (RFC 8158, Cisco NEL), and connections with
 * both sides. */
#include "message.h"

#include "parsers/flow/nat.h"

static struct bench nat_bench(void)
{
    struct bench b = bench_new();
    wr_flow_decoder_who(b.dec, wr_who_bit(WR_WHO_NAT));
    return b;
}

/* What flow `i` says of a translation; false: nothing. */
static bool nat_of(const struct bench *b, uint32_t i, struct wr_nat *ret)
{
    cr_assert_lt(i, b->vec.n, "no flow %u", i);
    struct wr_who who = wr_flow_who(&b->vec, &b->vec.at[i]);
    enum wr_who_kind kind;
    const char *text;
    uint32_t len;
    while (wr_who_next(&who, &kind, &text, &len))
        if (kind == WR_WHO_NAT) {
            cr_assert_eq(len, sizeof *ret);
            memcpy(ret, text, len);
            return true;
        }
    return false;
}

static bool is_ip(const uint8_t addr[16], uint32_t ip)
{
    return addr[0] == ip >> 24 && addr[1] == (ip >> 16 & 255) && addr[2] == (ip >> 8 & 255) &&
           addr[3] == (ip & 255);
}

enum { INSIDE = 0x0a000001, OUTSIDE = 0xc6336409, PEER = 0xcb007101 };

/* The template of Cisco's high-speed logging of NAT44, as IOS XE sends it. */
#define NEL                                                                                        \
    TEMPLATE(&m, 259, 323, 8, 8, 4, 225, 4, 12, 4, 226, 4, 7, 2, 227, 2, 11, 2, 228, 2, 234, 4, 4, \
             1, 230, 1)

static void nel(struct message *m, uint64_t ms, uint16_t outside_port, uint16_t peer_port,
                uint8_t event)
{
    put(m, ms, 8);
    put(m, INSIDE, 4);
    put(m, OUTSIDE, 4);
    put(m, PEER, 4);
    put(m, PEER, 4);
    put(m, 40000, 2);
    put(m, outside_port, 2);
    put(m, peer_port, 2);
    put(m, peer_port, 2);
    put(m, 7, 4);
    put(m, 6, 1);
    put(m, event, 1);
}

static void give(struct bench *b, const struct message *m)
{
    cr_assert(wr_flow_decode(b->dec, &b->peer, m->at, m->len, b->now_ns, &b->vec));
}

Test(nat, cisco_nel_creates_and_deletes)
{
    struct bench b = nat_bench();
    static struct message m;
    struct wr_nat nat;
    begin(&m, 9, 1, 0);
    NEL;
    set(&m, 259);
    nel(&m, UINT64_C(1700000000123), 61000, 25, 4);
    nel(&m, UINT64_C(1700000009456), 61000, 25, 2); /* of RFC 8158's forerunners */
    nel(&m, UINT64_C(1700000009456), 0, 25, 13);    /* a quota */
    set_end(&m);
    give(&b, &m);
    cr_assert_eq(b.vec.n, 3);
    const struct wr_flow *f = &b.vec.at[0];
    cr_expect(f->flags & WR_FLOW_NAT_EVENT);
    cr_expect(is_ip(f->src, INSIDE) && is_ip(f->dst, PEER));
    cr_expect(f->sport == 40000 && f->dport == 25 && f->proto == 6);
    cr_expect_eq(f->start_ns, INT64_C(1700000000123) * 1000000);
    cr_assert(nat_of(&b, 0, &nat));
    cr_expect_eq(nat.event, WR_NAT_CREATE);
    cr_expect(is_ip(nat.addr[0], OUTSIDE) && is_ip(nat.addr[1], PEER));
    cr_expect(nat.port[0] == 61000 && nat.port[1] == 25 && !nat.last && !nat.v6);
    cr_assert(nat_of(&b, 1, &nat));
    cr_expect_eq(nat.event, WR_NAT_DELETE);
    cr_assert(nat_of(&b, 2, &nat));
    cr_expect_eq(nat.event, WR_NAT_EXHAUSTED);
    bench_end(&b);
}

Test(nat, events_are_no_flows_where_nobody_wants_them)
{
    struct bench b = bench_new();
    static struct message m;
    begin(&m, 9, 1, 0);
    NEL;
    set(&m, 259);
    nel(&m, UINT64_C(1700000000123), 61000, 25, 4);
    set_end(&m);
    give(&b, &m);
    cr_expect_eq(b.vec.n, 0);
    cr_expect_eq(wr_flow_decoder_stats(b.dec)->not_flows, 1);
    bench_end(&b);
}

/* Rules that want port 25 get the events of that port on either side, and those that name no peer.
 */
Test(nat, the_port_filter_knows_both_sides)
{
    struct bench b = nat_bench();
    static struct message m;
    const int64_t port = 25;
    const struct wr_pred pred = {
        .col = WR_DNE_RemotePort, .op = WR_PRED_IN_INT, .n = 1, .ints = &port};
    const struct wr_branch branch = {&pred, 1};
    const struct wr_scan scan = {
        .table = WR_TABLE_DEVICE_NETWORK_EVENTS, .branches = &branch, .nbranches = 1};
    cr_assert_eq(wr_flow_decoder_scan(b.dec, &scan), WR_OK);
    begin(&m, 9, 1, 0);
    NEL;
    TEMPLATE(&m, 260, 323, 8, 8, 4, 225, 4, 361, 2, 362, 2, 230, 1);
    set(&m, 259);
    for (uint16_t p = 20; p < 30; p++)
        nel(&m, UINT64_C(1700000000123), 61000, p, 4);
    nel(&m, UINT64_C(1700000000123), 25, 443, 4);
    set_end(&m);
    set(&m, 260);
    put(&m, UINT64_C(1700000000123), 8);
    put(&m, INSIDE, 4);
    put(&m, OUTSIDE, 4);
    put(&m, 1024, 2);
    put(&m, 2047, 2);
    put(&m, 16, 1);
    set_end(&m);
    give(&b, &m);
    struct wr_nat nat;
    cr_assert_eq(b.vec.n, 3);
    cr_expect_eq(b.vec.at[0].dport, 25);
    cr_expect_eq(b.vec.at[1].dport, 443);
    cr_assert(nat_of(&b, 2, &nat));
    cr_expect(nat.first == 1024 && nat.last == 2047 && nat.event == WR_NAT_CREATE);
    bench_end(&b);
}

/* Nokia's: which of start and end is there says whether it begins or ends; a size instead of the
 * last port. */
Test(nat, without_nat_event_the_time_says_what_it_is)
{
    struct bench b = nat_bench();
    static struct message m;
    struct wr_nat nat;
    begin(&m, 10, 1, 0);
    TEMPLATE(&m, 300, 8, 4, 225, 4, 361, 2, 364, 2, 152, 8);
    TEMPLATE(&m, 301, 8, 4, 225, 4, 361, 2, 364, 2, 153, 8);
    TEMPLATE(&m, 302, 27, 16, 28, 16, 225, 4, 226, 4, 7, 2, 11, 2, 227, 2, 4, 1, 152, 8, 153, 8);
    for (uint16_t id = 300; id < 302; id++) {
        set(&m, id);
        put(&m, INSIDE, 4);
        put(&m, OUTSIDE, 4);
        put(&m, 4096, 2);
        put(&m, 512, 2);
        put(&m, UINT64_C(1700000000000) + id, 8);
        set_end(&m);
    }
    set(&m, 302);
    for (int i = 0; i < 32; i++)
        put(&m, i % 16 ? 0 : 0x20, 1);
    put(&m, OUTSIDE, 4);
    put(&m, PEER, 4);
    put(&m, 40000, 2);
    put(&m, 25, 2);
    put(&m, 61000, 2);
    put(&m, 6, 1);
    put(&m, UINT64_C(1700000000000), 8);
    put(&m, UINT64_C(1700000005000), 8);
    set_end(&m);
    give(&b, &m);
    cr_assert_eq(b.vec.n, 3);
    cr_assert(nat_of(&b, 0, &nat));
    cr_expect(nat.event == WR_NAT_CREATE && nat.first == 4096 && nat.last == 4607);
    cr_assert(nat_of(&b, 1, &nat));
    cr_expect_eq(nat.event, WR_NAT_DELETE);
    cr_expect_eq(b.vec.at[1].end_ns, INT64_C(1700000000301) * 1000000);
    cr_assert(nat_of(&b, 2, &nat));
    cr_expect(nat.event == WR_NAT_WHOLE && !nat.v6 && (b.vec.at[2].flags & WR_FLOW_V6));
    bench_end(&b);
}

/* A firewall's or router's flow record with both sides is a flow; nothing is said where both are
 * the same. */
Test(nat, a_flow_with_both_sides)
{
    struct bench b = nat_bench();
    static struct message m;
    struct wr_nat nat;
    begin(&m, 9, 1, 0);
    /* ASA's first numbers, and those of IANA that it and others use now */
    TEMPLATE(&m, 300, 8, 4, 12, 4, 7, 2, 11, 2, 4, 1, 40001, 4, 40002, 4, 40003, 2, 40004, 2, 85, 4,
             152, 8, 40005, 1);
    TEMPLATE(&m, 301, 8, 4, 12, 4, 7, 2, 11, 2, 4, 1, 225, 4, 226, 4, 227, 2, 228, 2, 1, 4, 152, 8);
    for (uint16_t id = 300; id < 302; id++) {
        set(&m, id);
        for (int same = 0; same < 2; same++) {
            put(&m, INSIDE, 4);
            put(&m, PEER, 4);
            put(&m, 40000, 2);
            put(&m, 25, 2);
            put(&m, 6, 1);
            put(&m, same ? INSIDE : OUTSIDE, 4);
            put(&m, PEER, 4);
            put(&m, same ? 40000 : 61000, 2);
            put(&m, same ? 25 : 0, 2);
            put(&m, 1234, 4);
            put(&m, UINT64_C(1700000000000), 8);
            if (id == 300)
                put(&m, 1, 1);
        }
        set_end(&m);
    }
    give(&b, &m);
    cr_assert_eq(b.vec.n, 4);
    for (uint32_t i = 0; i < 4; i++) {
        cr_expect(!(b.vec.at[i].flags & WR_FLOW_NAT_EVENT));
        cr_expect_eq(b.vec.at[i].octets[0], 1234);
        cr_expect_eq(nat_of(&b, i, &nat), i % 2 == 0);
        cr_expect(i % 2 || (nat.event == WR_NAT_FLOW && is_ip(nat.addr[0], OUTSIDE) &&
                            nat.port[0] == 61000));
    }
    bench_end(&b);
}

Test(nat, lengths_and_ranges_that_cannot_be)
{
    struct bench b = nat_bench();
    static struct message m;
    struct wr_nat nat;
    begin(&m, 10, 1, 0);
    TEMPLATE(&m, 300, 8, 4, 225, 4, 361, 2, 362, 2, 230, 1);
    TEMPLATE(&m, 301, 8, 4, 225, 4, 361, 2, 364, 2, 230, 1);
    TEMPLATE(&m, 302, 8, 4, 225, 3, 227, 65535, 230, 1);
    set(&m, 300);
    put(&m, INSIDE, 4);
    put(&m, OUTSIDE, 4);
    put(&m, 2000, 2);
    put(&m, 1000, 2);
    put(&m, 16, 1);
    set_end(&m);
    set(&m, 301);
    put(&m, INSIDE, 4);
    put(&m, OUTSIDE, 4);
    put(&m, 65000, 2);
    put(&m, 65000, 2);
    put(&m, 255, 1);
    set_end(&m);
    set(&m, 302);
    put(&m, INSIDE, 4);
    put(&m, 1, 3);
    put(&m, 0, 1);
    put(&m, 4, 1);
    set_end(&m);
    give(&b, &m);
    for (uint32_t i = 0; i < b.vec.n; i++)
        if (nat_of(&b, i, &nat))
            cr_expect(!nat.first && !nat.last);
    bench_end(&b);
}

/* natEvent's values as IANA has them (RFC 8158 4.3); 1 and 2 are its forerunners'. */
Test(nat, every_event_begins_ends_or_says_that_nothing_was_left)
{
    static const uint8_t means[] = {
        [1] = WR_NAT_CREATE,     [2] = WR_NAT_DELETE,  [3] = WR_NAT_EXHAUSTED,
        [4] = WR_NAT_CREATE,     [5] = WR_NAT_DELETE,  [6] = WR_NAT_CREATE,
        [7] = WR_NAT_DELETE,     [8] = WR_NAT_CREATE,  [9] = WR_NAT_DELETE,
        [10] = WR_NAT_CREATE,    [11] = WR_NAT_DELETE, [12] = WR_NAT_EXHAUSTED,
        [13] = WR_NAT_EXHAUSTED, [14] = WR_NAT_CREATE, [15] = WR_NAT_DELETE,
        [16] = WR_NAT_CREATE,    [17] = WR_NAT_DELETE, [18] = WR_NAT_EXHAUSTED};
    struct bench b = nat_bench();
    static struct message m;
    begin(&m, 9, 1, 0);
    NEL;
    set(&m, 259);
    for (uint8_t event = 1; event < sizeof means; event++)
        nel(&m, UINT64_C(1700000000123), 61000, 25, event);
    set_end(&m);
    give(&b, &m);
    cr_assert_eq(b.vec.n, sizeof means - 1);
    for (uint8_t event = 1; event < sizeof means; event++) {
        struct wr_nat nat;
        cr_assert(nat_of(&b, event - 1U, &nat));
        cr_expect_eq(nat.event, means[event], "event %u", event);
    }
    bench_end(&b);
}
