/* What a row says of itself: how sure the match is, who says who began, whether bytes are an
 * estimate; and what makes a match surer: a clock that was learned, a handshake, what a capping
 * sensor told before. */
#include "conn_kit.h"

#define ENDPOINTS ((struct wr_conn_opts){.expect_endpoint = true, .hold_ns = 60 * SEC})

static struct wr_flow flow_from(uint16_t sport, int64_t start_ms)
{
    struct wr_flow f = biflow(start_ms, start_ms + 100, ALL, 1000, 300);
    f.sport = sport;
    return f;
}

static struct event event_from(uint16_t sport, int64_t at_ms)
{
    struct event e = opened(at_ms, "python.exe");
    e.lport = sport;
    return e;
}

static void reload(struct kit *k)
{
    struct wr_buf saved = {0};
    wr_conn_save(k->conn, &saved);
    wr_conn_free(k->conn);
    k->conn = wr_conn_new(&k->opts);
    cr_assert_eq(wr_conn_load(k->conn, saved.data, saved.len), WR_OK);
    wr_buf_fini(&saved);
}

Test(trust, a_clock_90_s_off_is_learned_and_matches_become_exact)
{
    struct kit *k = kit_new(ENDPOINTS);
    for (uint16_t i = 0; i < 6; i++) {
        int64_t at = i * 200000;
        if (i % 2) { /* either may come first */
            kit_flow(k, flow_from((uint16_t)(40000 + i), at));
            kit_event(k, event_from((uint16_t)(40000 + i), at + 90000), at + 200);
        } else {
            kit_event(k, event_from((uint16_t)(40000 + i), at + 90000), at + 50);
            kit_flow(k, flow_from((uint16_t)(40000 + i), at));
        }
        cr_assert_eq(k->n, i + 1u);
        cr_expect_str_eq(k->row[i].quality, i < 3 ? "ambiguous" : "exact", "connection %u: %s", i,
                         k->row[i].quality);
        cr_expect_eq(k->row[i].time, wr_ticks_of_unix_ns(T0 + (at + 90000) * MS),
                     "rows keep the time that was told");
        cr_expect_eq(k->row[i].sent, 1000);
        if (i == 3)
            reload(k);
    }
    cr_expect_eq(stats(k)->clocks_off, 1);
    cr_expect_eq(stats(k)->ambiguous, 3);
    struct wr_who name;
    int32_t ms;
    cr_assert(wr_conn_clock_news(k->conn, &name, &ms), "one device is told of");
    cr_expect(name.len == 3 && memcmp(name.at, "ws1", 3) == 0 && ms > 89000 && ms <= 90000, "%d", ms);
    cr_expect(!wr_conn_clock_news(k->conn, &name, &ms), "once");
    struct wr_buf text = {0};
    reload(k);
    wr_conn_clocks(k->conn, &text);
    wr_buf_char(&text, '\0');
    static const char told[] = "{\"device\":\"ws1\",\"clock_ahead_ms\":";
    cr_expect_eq(strncmp(text.data, told, sizeof told - 1), 0, "%s", text.data);
    wr_buf_fini(&text);
    for (uint16_t i = 6; i < 14; i++) { /* set right again */
        kit_flow(k, flow_from((uint16_t)(40000 + i), i * 200000));
        kit_event(k, event_from((uint16_t)(40000 + i), i * 200000), i * 200000 + 200);
    }
    cr_expect_eq(stats(k)->clocks_off, 0);
    cr_expect(!wr_conn_clock_news(k->conn, &name, &ms), "it is right");
    cr_expect_str_eq(k->row[13].quality, "exact");
    kit_free(k);
}

Test(trust, a_request_is_a_success_when_its_flow_shows_the_handshake)
{
    struct kit *k = kit_new(ENDPOINTS);
    struct event e = event_from(40000, 0);
    e.action = "ConnectionRequest";
    kit_event(k, e, 10);
    cr_expect_eq(k->n, 0, "waits for its flow");
    reload(k);
    kit_flow(k, flow_from(40000, 20));
    cr_assert_eq(k->n, 1);
    cr_expect_str_eq(k->row[0].action, "ConnectionSuccess");
    cr_expect_str_eq(k->row[0].quality, "exact");
    cr_expect_eq(k->row[0].sent, 1000);
    /* the flow was there first */
    kit_flow(k, flow_from(40001, 1000));
    e.lport = 40001;
    e.at_ms = 1000;
    kit_event(k, e, 1300);
    cr_assert_eq(k->n, 2);
    cr_expect_str_eq(k->row[1].action, "ConnectionSuccess");
    /* no flow, a refused one */
    e.lport = 40002;
    kit_event(k, e, 1400);
    struct wr_flow refused = flow(true, 1500, 1500, SYN, 60);
    refused.sport = 40003;
    e.lport = 40003;
    kit_event(k, e, 1500);
    kit_flow(k, refused);
    cr_expect_eq(k->n, 2);
    kit_advance(k, 62000);
    cr_assert_eq(k->n, 4);
    cr_expect_str_eq(k->row[2].action, "ConnectionRequest");
    cr_expect_str_eq(k->row[3].action, "ConnectionRequest");
    cr_expect_eq(stats(k)->raised, 2);
    kit_free(k);
}

Test(trust, a_request_that_its_success_overtakes_is_no_row)
{
    for (int final = 0; final < 2; final++) {
        struct kit *k =
            kit_new((struct wr_conn_opts){.final_only = final, .expect_endpoint = true});
        struct event e = event_from(40000, 0);
        e.action = "ConnectionRequest";
        kit_event(k, e, 10);
        kit_event(k, event_from(40000, 30), 40);
        kit_flush(k);
        cr_assert_eq(k->n, 1);
        cr_expect_str_eq(k->row[0].action, "ConnectionSuccess");
        kit_free(k);
    }
}

Test(trust, what_a_capping_sensor_told_stands_for_the_next_connections_of_a_day)
{
    static const enum wr_capped modes[] = {WR_CAPPED_AUTO, WR_CAPPED_NO};
    for (int m = 0; m < 2; m++) {
        struct wr_conn_opts opts = ENDPOINTS;
        opts.capped = modes[m];
        struct kit *k = kit_new(opts);
        struct event e = event_from(40000, 0);
        e.report = 17;
        kit_event(k, e, 10);
        kit_flow(k, flow_from(40000, 0));
        reload(k);
        kit_flow(k, flow_from(40001, 3600000));
        struct wr_flow other = flow_from(40002, 3600000); /* to another port */
        other.dport = 26;
        kit_flow(k, other);
        kit_advance(k, 3700000);
        cr_assert_eq(k->n, 3);
        for (uint32_t i = 1; i < 3; i++) {
            const struct seen *s = &k->row[i];
            bool told = s->lport == 40001 && modes[m] == WR_CAPPED_AUTO;
            cr_expect_str_eq(s->process, told ? "python.exe" : "");
            cr_expect_str_eq(s->device, "ws1", "the address is that agent's");
            cr_expect_str_eq(s->quality, told ? "remote" : "none");
            cr_expect_eq(s->orphan, !told);
            cr_expect_eq(s->time, wr_ticks_of_unix_ns(T0 + 3600 * SEC));
            cr_expect_eq(s->sent, 1000);
        }
        cr_expect_eq(stats(k)->remote, modes[m] == WR_CAPPED_AUTO);
        kit_flow(k, flow_from(40003, 90000000)); /* 25 h */
        kit_advance(k, 90100000);
        cr_expect_str_eq(k->row[3].process, "", "told more than a day ago");
        kit_free(k);
    }
}

Test(trust, a_sampled_figure_is_an_estimate_until_an_exact_one_comes)
{
    struct kit *k = kit_new((struct wr_conn_opts){0});
    struct wr_flow sampled = flow_from(40000, 0), exact = flow_from(40000, 0);
    sampled.sampling = 1000;
    sampled.octets[0] = 900000; /* scaled */
    exact.point = 2;
    exact.octets[0] = 910000;
    kit_flow(k, sampled);
    cr_assert_eq(k->n, 1);
    cr_expect(k->row[0].estimated);
    cr_expect_eq(k->row[0].sent, 900000);
    kit_flow(k, exact);
    cr_expect_not(k->row[0].estimated);
    cr_expect_eq(k->row[0].sent, 910000);
    kit_free(k);
}

Test(trust, an_asymmetric_path_and_both_sides_of_a_router_count_once)
{
    struct kit *k = kit_new((struct wr_conn_opts){0});
    for (uint32_t hop = 0; hop < 2;
         hop++) { /* ingress and egress of the routers that saw this direction only */
        struct wr_flow up = flow(true, 0, 100, ALL, 700), down = flow(false, 3, 110, ALL, 900);
        up.point = 1 + hop;
        down.point = 11 + hop;
        kit_flow(k, up);
        kit_flow(k, down);
    }
    kit_flush(k);
    cr_assert_eq(k->n, 1);
    cr_expect_eq(k->row[0].sent, 700);
    cr_expect_eq(k->row[0].received, 900);
    kit_free(k);
}

Test(trust, a_row_tells_who_says_who_began)
{
    static const struct {
        uint8_t up, down;
        bool known;
        const char *why;
    } cases[] = {{ALL, ALL, true, "record"},
                 {SYN, SYN | ACK, false, "syn"},
                 {ALL, ALL, false, "time"},
                 {ACK, ACK, false, "port"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct kit *k = kit_new((struct wr_conn_opts){0});
        struct wr_flow up = flow(true, 0, 100, cases[i].up, 700),
                       down = flow(false, 2, 100, cases[i].down, 900);
        if (cases[i].known)
            up.flags |= WR_FLOW_INITIATOR_KNOWN;
        kit_flow(k, up);
        kit_flow(k, down);
        cr_assert_eq(k->n, 1);
        cr_expect_str_eq(k->row[0].why, cases[i].why, "case %zu: %s", i, k->row[0].why);
        kit_free(k);
    }
    struct kit *k = kit_new(ENDPOINTS);
    kit_event(k, event_from(40000, 0), 10);
    cr_expect_str_eq(k->row[0].why, "event");
    cr_expect_str_eq(k->row[0].quality, "none", "no flow yet");
    kit_free(k);
}
