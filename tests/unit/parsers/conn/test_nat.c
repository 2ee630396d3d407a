/* A connection that is translated on its way: inside 10.0.0.1:40000, outside 198.51.100.9:61000, to
 * 203.0.113.1:25. Whatever is told first, its event and its flows are one row with its bytes. */
#include "conn_kit.h"

#include "parsers/conn/address.h"
#include "parsers/flow/nat.h"

#define ENDPOINTS ((struct wr_conn_opts){.expect_endpoint = true, .hold_ns = 60 * SEC})

struct told {
    const char *src, *dst, *post_src, *post_dst; /* NULL: as before, or none */
    uint16_t sport, dport, post_sport, post_dport, first, last;
    enum wr_nat_event event;
    int64_t at_ms, end_ms;
};

static const struct told pat = {
    "10.0.0.1", "203.0.113.1", "198.51.100.9", NULL, 40000, 25, 61000, 0, 0, 0, WR_NAT_CREATE, 0,
    0};

static void put_addr(uint8_t to[16], const char *text)
{
    if (text)
        cr_assert_eq(inet_pton(strchr(text, ':') ? AF_INET6 : AF_INET, text, to), 1);
}

static void tell(struct kit *k, struct told t)
{
    struct wr_flow f = {.proto = 6, .direction = 255, .point = 9, .sampling = 1};
    struct wr_nat nat = {.event = (uint8_t)t.event,
                         .first = t.first,
                         .last = t.last,
                         .port = {t.post_sport, t.post_dport}};
    struct wr_buf who = {0};
    put_addr(f.src, t.src);
    put_addr(f.dst, t.dst);
    put_addr(nat.addr[0], t.post_src);
    put_addr(nat.addr[1], t.post_dst);
    nat.v6 = t.post_src && strchr(t.post_src, ':');
    f.flags = WR_FLOW_NAT_EVENT | (strchr(t.src, ':') ? WR_FLOW_V6 : 0);
    f.sport = t.sport;
    f.dport = t.dport;
    f.start_ns = T0 + t.at_ms * MS;
    f.end_ns = f.export_ns = T0 + (t.end_ms ? t.end_ms : t.at_ms) * MS;
    wr_who_add(&who, WR_WHO_NAT, (const char *)&nat, sizeof nat);
    struct wr_who list = {.at = (const uint8_t *)who.data, .len = (uint32_t)who.len};
    cr_assert_eq(wr_conn_flow_who(k->conn, &f, list, f.export_ns), WR_OK);
    wr_buf_fini(&who);
    kit_drain(k);
}

/* The connection as an exporter outside sees it, both directions in one. */
static struct wr_flow outside(int64_t start_ms, int64_t end_ms, uint64_t up, uint64_t down)
{
    struct wr_flow f = biflow(start_ms, end_ms, ALL, up, down);
    put_addr(f.src, "198.51.100.9");
    f.sport = 61000;
    f.point = 7;
    return f;
}

static void save_and_load(struct kit *k)
{
    struct wr_buf saved = {0}, again = {0};
    wr_conn_save(k->conn, &saved);
    wr_conn_free(k->conn);
    k->conn = wr_conn_new(&k->opts);
    cr_assert_eq(wr_conn_load(k->conn, saved.data, saved.len), WR_OK);
    wr_conn_save(k->conn, &again);
    cr_assert_eq(saved.len, again.len);
    cr_assert_arr_eq(saved.data, again.data, saved.len);
    wr_buf_fini(&saved);
    wr_buf_fini(&again);
}

static void expect_one(struct kit *k, const char *quality, int64_t sent, int64_t received)
{
    cr_assert_eq(k->n, 1, "%u rows", k->n);
    cr_expect_str_eq(k->row[0].process, "python.exe");
    cr_expect_str_eq(k->row[0].local, "10.0.0.1");
    cr_expect_eq(k->row[0].lport, 40000);
    cr_expect_str_eq(k->row[0].quality, quality);
    cr_expect_eq(k->row[0].sent, sent);
    cr_expect_eq(k->row[0].received, received);
    cr_expect_eq(stats(k)->matched, 1);
    cr_expect_eq(stats(k)->connections, 1);
}

/* The three in any order, with the state saved and loaded between. */
Test(nat, event_translation_and_flow_meet_in_any_order)
{
    static const uint8_t orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                         {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (int o = 0; o < 6; o++) {
        struct kit *k = kit_new(ENDPOINTS);
        for (int step = 0; step < 3; step++) {
            if (orders[o][step] == 0)
                kit_event(k, opened(0, "python.exe"), 5000);
            else if (orders[o][step] == 1)
                tell(k, pat);
            else
                kit_flow(k, outside(1, 900, 1200, 300));
            save_and_load(k);
        }
        kit_advance(k, 100000);
        expect_one(k, "nat", 1200, 300);
        kit_flow(k, outside(1, 90000, 7200, 900)); /* a later slice */
        cr_expect_eq(k->row[0].sent, 8400, "order %d", o);
        kit_free(k);
    }
}

Test(nat, both_views_of_one_exporter_are_not_added_up)
{
    struct kit *k = kit_new(ENDPOINTS);
    kit_event(k, opened(0, "python.exe"), 10);
    tell(k, pat);
    struct wr_flow in = biflow(1, 900, ALL, 1200, 300);
    in.point = 7;
    kit_flow(k, in);
    kit_flow(k, outside(1, 901, 1200, 300));
    expect_one(k, "exact", 1200, 300);
    kit_free(k);
}

Test(nat, the_port_is_used_again_by_another_host)
{
    struct kit *k = kit_new(ENDPOINTS);
    tell(k, pat);
    struct told end = pat;
    end.event = WR_NAT_DELETE;
    end.at_ms = 2000;
    tell(k, end);
    struct told next = pat;
    next.src = "10.0.0.2";
    next.at_ms = 20000;
    tell(k, next);
    kit_event(k, opened(0, "python.exe"), 21000);
    struct event e = opened(20000, "other.exe");
    e.local = "10.0.0.2";
    kit_event(k, e, 21000);
    kit_flow(k, outside(20001, 20900, 500, 50));
    kit_flow(k, outside(1, 900, 1200, 300)); /* late */
    cr_assert_eq(k->n, 2);
    cr_expect_eq(k->row[0].sent, 1200);
    cr_expect_eq(k->row[1].sent, 500);
    cr_expect_str_eq(k->row[1].process, "other.exe");
    kit_free(k);
}

Test(nat, a_create_without_a_delete_ends_what_held_before)
{
    struct kit *k = kit_new(ENDPOINTS);
    tell(k, pat);
    struct told next = pat;
    next.src = "10.0.0.2";
    next.at_ms = 600000;
    tell(k, next);
    kit_flow(k, outside(300000, 300500, 700, 70)); /* between: the first host's */
    kit_flow(k, outside(600001, 600500, 500, 50));
    kit_advance(k, 800000);
    cr_assert_eq(k->n, 2);
    cr_expect_str_eq(k->row[0].local, "10.0.0.1");
    cr_expect_str_eq(k->row[1].local, "10.0.0.2");
    kit_free(k);
}

Test(nat, long_after_its_end_a_translation_says_nothing)
{
    struct kit *k = kit_new(ENDPOINTS);
    struct told whole = pat;
    whole.event = WR_NAT_WHOLE;
    whole.end_ms = 2000;
    tell(k, whole);
    kit_flow(k, outside(30000, 30900, 1200, 300));
    kit_advance(k, 100000);
    cr_assert_eq(k->n, 1);
    cr_expect_str_eq(k->row[0].local, "198.51.100.9");
    kit_advance(k, 3 * 3600 * 1000);
    cr_expect_eq(stats(k)->nat_live, 0, "and is forgotten");
    kit_free(k);
}

Test(nat, a_port_for_a_port_whoever_the_peer_is)
{
    struct kit *k = kit_new(ENDPOINTS);
    struct told bib = pat;
    bib.dst = NULL;
    bib.dport = 0;
    tell(k, bib);
    kit_event(k, opened(0, "python.exe"), 10);
    save_and_load(k);
    kit_flow(k, outside(1, 900, 1200, 300));
    expect_one(k, "nat", 1200, 300);
    kit_free(k);
}

static struct told block(const char *inside, uint16_t first, uint16_t last, int64_t at_ms)
{
    return (struct told){inside, NULL,  "198.51.100.9", NULL,          0,     0, 0,
                         0,      first, last,           WR_NAT_CREATE, at_ms, 0};
}

Test(nat, a_block_of_ports_and_the_time_find_the_event)
{
    for (int order = 0; order < 3; order++) {
        struct kit *k = kit_new(ENDPOINTS);
        if (order < 2)
            tell(k, block("10.0.0.1", 60928, 61439, -3600000));
        if (order == 1)
            kit_flow(k, outside(1, 900, 1200, 300));
        kit_event(k, opened(0, "python.exe"), 2000);
        if (order == 2)
            tell(k, block("10.0.0.1", 60928, 61439, -3600000));
        save_and_load(k);
        if (order != 1)
            kit_flow(k, outside(1, 900, 1200, 300));
        expect_one(k, "nat", 1200, 300);
        kit_flow(k, outside(1, 90000, 100, 10));
        cr_expect_eq(k->row[0].sent, 1300, "the next slice finds it again");
        kit_free(k);
    }
}

Test(nat, of_a_block_the_nearest_in_time_and_doubt_is_said)
{
    struct kit *k = kit_new(ENDPOINTS);
    tell(k, block("10.0.0.1", 60928, 61439, -3600000));
    kit_event(k, opened(0, "python.exe"), 10);
    struct event e = opened(3000, "other.exe");
    e.lport = 40001;
    kit_event(k, e, 3010);
    kit_flow(k, outside(2900, 3900, 1200, 300));
    cr_assert_eq(k->n, 2);
    cr_expect_eq(k->row[0].sent, -1);
    cr_expect_eq(k->row[1].sent, 1200);
    cr_expect_str_eq(k->row[1].quality, "ambiguous");
    kit_free(k);
}

Test(nat, without_an_agent_the_row_shows_the_inside_address)
{
    struct kit *k = kit_new(ENDPOINTS);
    kit_flow(k, outside(1, 900, 1200, 300));
    tell(k, block("10.0.0.1", 60928, 61439, -3600000));
    kit_advance(k, 100000);
    cr_assert_eq(k->n, 1);
    cr_expect_str_eq(k->row[0].local, "10.0.0.1");
    cr_expect_str_eq(k->row[0].quality, "none");
    kit_free(k);
}

Test(nat, a_shared_address_says_nothing_about_a_port)
{
    struct kit *k = kit_new(ENDPOINTS);
    tell(k, block("10.0.0.1", 0, 0, 0));
    tell(k, block("10.0.0.2", 0, 0, 0));
    kit_flow(k, outside(1, 900, 1200, 300));
    kit_advance(k, 100000);
    cr_expect_str_eq(k->row[0].local, "198.51.100.9");
    kit_free(k);
}

/* A server behind a forwarded port: its own agent, and the client's, which only knows the outside
 * address. */
Test(nat, a_forwarded_port_joins_both_agents)
{
    struct kit *k = kit_new(ENDPOINTS);
    struct told t = {"203.0.113.7",
                     "198.51.100.9",
                     NULL,
                     "10.0.0.25",
                     50000,
                     25,
                     0,
                     2525,
                     0,
                     0,
                     WR_NAT_CREATE,
                     0,
                     0};
    tell(k, t);
    struct event server = {
        "InboundConnectionAccepted", "10.0.0.25", "203.0.113.7", "postfix", 2525, 50000, 10, 0};
    struct event client = {
        "ConnectionSuccess", "203.0.113.7", "198.51.100.9", "mutt", 50000, 25, 5, 0};
    kit_event(k, server, 20);
    kit_event(k, client, 20);
    struct wr_flow f = biflow(6, 900, ALL, 1200, 300);
    put_addr(f.src, "203.0.113.7");
    put_addr(f.dst, "198.51.100.9");
    f.sport = 50000;
    kit_flow(k, f);
    cr_assert_eq(k->n, 2);
    cr_expect_eq(stats(k)->connections, 1);
    cr_expect_eq(k->row[0].received, 1200);
    cr_expect_eq(k->row[1].sent, 1200);
    cr_expect_str_eq(k->row[1].remote, "198.51.100.9", "as its agent told it");
    cr_expect_str_eq(k->row[1].quality, "nat");
    kit_free(k);
}

Test(nat, from_one_family_to_the_other)
{
    struct kit *k = kit_new(ENDPOINTS);
    struct told t = {"2001:db8::1",
                     "64:ff9b::cb00:7101",
                     "198.51.100.9",
                     "203.0.113.1",
                     40000,
                     25,
                     61000,
                     25,
                     0,
                     0,
                     WR_NAT_CREATE,
                     0,
                     0};
    tell(k, t);
    struct event e = opened(0, "python.exe");
    e.local = "2001:db8::1";
    e.remote = "64:ff9b::cb00:7101";
    kit_event(k, e, 10);
    kit_flow(k, outside(1, 900, 1200, 300));
    cr_assert_eq(k->n, 1);
    cr_expect_eq(k->row[0].sent, 1200);
    cr_expect_str_eq(k->row[0].quality, "nat");
    kit_free(k);
}

/* Translators may leave the peer's IPv4 address out: in the well-known prefix it stands in the IPv6 one. */
Test(nat, the_well_known_prefix_holds_the_peers_other_address)
{
    static const struct {
        const char *peer;
        bool one;
    } cases[] = {{"64:ff9b::cb00:7101", true}, {"64:ff9b::cb00:7102", false}, {"64:ff9b:1::cb00:7101", false}, {"2001:db8::cb00:7101", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct kit *k = kit_new(ENDPOINTS);
        struct told t = {.src = "2001:db8::1", .dst = cases[i].peer, .post_src = "198.51.100.9", .sport = 40000, .dport = 25, .post_sport = 61000,
                         .event = WR_NAT_CREATE};
        tell(k, t);
        struct event e = opened(0, "python.exe");
        e.local = "2001:db8::1";
        e.remote = cases[i].peer;
        kit_event(k, e, 10);
        kit_flow(k, outside(1, 900, 1200, 300));
        cr_assert_eq(k->n, 1, "the event's row: %s", cases[i].peer);
        cr_expect_str_eq(k->row[0].remote, cases[i].peer, "as its agent told it");
        cr_expect_eq(k->row[0].sent == 1200 && k->row[0].received == 300, cases[i].one, "%s", cases[i].peer);
        cr_expect_eq(strcmp(k->row[0].quality, "nat") == 0, cases[i].one, "%s", cases[i].peer);
        kit_free(k);
    }
}

/* RFC 6052, 2.4: 192.0.2.33 behind prefixes of every length; and what is none of them. */
Test(nat, a_configured_prefix_holds_the_peers_other_address)
{
    static const struct {
        const char *prefix;
        uint8_t bits;
        const char *peer;
        bool one;
    } cases[] = {{"2001:db8::", 32, "2001:db8:c000:221::", true},
                 {"2001:db8:100::", 40, "2001:db8:1c0:2:21::", true},
                 {"2001:db8:122::", 48, "2001:db8:122:c000:2:2100::", true},
                 {"2001:db8:122:300::", 56, "2001:db8:122:3c0:0:221::", true},
                 {"2001:db8:122:344::", 64, "2001:db8:122:344:c0:2:2100::", true},
                 {"2001:db8:122:344::", 96, "2001:db8:122:344::c000:221", true},
                 {"2001:db8:122:345::", 96, "2001:db8:122:344::c000:221", false},
                 {"2001:db8:122:344::", 64, "2001:db8:122:344:1c0:2:2100::", false},
                 {"2001:db8:122:344::", 64, "2001:db8:122:344:c0:2:2200::", false},
                 {"2001:db8:122:344::", 96, "64:ff9b::c000:221", true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct wr_nat64_prefix prefix = {.bits = cases[i].bits};
        bool v6;
        cr_assert(wr_address_parse(cases[i].prefix, strlen(cases[i].prefix), prefix.addr, &v6) && v6);
        cr_assert(wr_nat64_prefix_good(&prefix), "%s", cases[i].prefix);
        struct wr_conn_opts opts = ENDPOINTS;
        opts.nat64 = &prefix;
        opts.nnat64 = 1;
        struct kit *k = kit_new(opts);
        struct told t = {.src = "2001:db8:9::1", .dst = cases[i].peer, .post_src = "198.51.100.9", .sport = 40000, .dport = 25, .post_sport = 61000,
                         .event = WR_NAT_CREATE};
        tell(k, t);
        struct event e = opened(0, "python.exe");
        e.local = "2001:db8:9::1";
        e.remote = cases[i].peer;
        kit_event(k, e, 10);
        struct wr_flow f = outside(1, 900, 1200, 300);
        put_addr(f.dst, "192.0.2.33");
        kit_flow(k, f);
        cr_assert_eq(k->n, 1, "the event's row: %s", cases[i].peer);
        cr_expect_eq(k->row[0].sent == 1200 && k->row[0].received == 300, cases[i].one, "%s/%u %s", cases[i].prefix, cases[i].bits, cases[i].peer);
        kit_free(k);
    }
}

Test(nat, a_row_that_rules_have_stays_as_it_is)
{
    struct kit *k = kit_new((struct wr_conn_opts){.pair_ns = SEC});
    kit_flow(k, outside(1, 900, 1200, 300));
    cr_assert_eq(k->n, 1);
    tell(k, pat);
    kit_flow(k, outside(1, 90000, 100, 10));
    kit_advance(k, 100000);
    cr_assert_eq(k->n, 1, "never counted twice");
    cr_expect_eq(k->row[0].sent, 1300);
    cr_expect_str_eq(k->row[0].local, "198.51.100.9");
    cr_expect_eq(stats(k)->nat_late, 1);
    kit_free(k);
}

Test(nat, what_the_bound_gives_up_is_counted)
{
    struct wr_conn_opts opts = ENDPOINTS;
    opts.max_connections = 100;
    struct kit *k = kit_new(opts);
    for (uint16_t i = 0; i < 250; i++) {
        struct told t = pat;
        t.post_sport = (uint16_t)(50000 + i);
        tell(k, t);
    }
    cr_expect_eq(stats(k)->nat_live, 100);
    cr_expect_eq(stats(k)->nat_dropped, 150);
    for (uint16_t i = 0; i < 50; i++) { /* one tuple over and over */
        struct told t = pat;
        t.sport = (uint16_t)(1000 + i);
        t.at_ms = i * 60000;
        tell(k, t);
    }
    save_and_load(k);
    cr_expect_leq(stats(k)->nat_live, 100);
    cr_expect_eq(stats(k)->nat_told, 300);
    kit_free(k);
}

Test(nat, used_up_ports_are_counted_and_odd_events_do_nothing)
{
    struct kit *k = kit_new(ENDPOINTS);
    struct told t = pat;
    t.event = WR_NAT_EXHAUSTED;
    tell(k, t);
    cr_expect_eq(stats(k)->nat_exhausted, 1);
    t = pat;
    t.post_src = "10.0.0.1";
    t.post_sport = 40000;
    tell(k, t); /* nothing is translated */
    cr_expect_eq(stats(k)->nat_live, 0);
    t = pat;
    t.event = WR_NAT_DELETE; /* its begin was lost */
    t.at_ms = 5000;
    tell(k, t);
    kit_event(k, opened(0, "python.exe"), 6000);
    kit_flow(k, outside(1, 900, 1200, 300));
    expect_one(k, "nat", 1200, 300);
    kit_free(k);
}
