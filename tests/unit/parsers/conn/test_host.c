/* Events that do not tell their own end (auditd's connect, sockets that are not bound yet). */
#include "base/buf.h"
#include "conn_kit.h"

#define ENDPOINTS (struct wr_conn_opts){.expect_endpoint = true, .hold_ns = 60 * SEC}

struct told {
    const char *device, *action, *local, *remote, *protocol, *process;
    int64_t rport, at_ms, now_ms;
};

/* The short wait, and the long one after it. */
static void wait_all(struct kit *k)
{
    kit_advance(k, 30000);
    kit_advance(k, 120000);
}

static struct told connected(int64_t at_ms, const char *process)
{
    return (struct told){"ws1", "ConnectionSuccess", "", "203.0.113.1", "", process, 25, at_ms, at_ms + 500};
}

static void put_event(struct kit *k, struct told t)
{
    struct wr_colset all = kit_wanted();
    struct wr_batch *b = wr_batch_new(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS), &all, 1);
    (void)wr_batch_row(b);
    wr_batch_set_i64(b, WR_DNE_Timestamp, 0, wr_ticks_of_unix_ns(T0 + t.at_ms * MS));
    set(b, WR_DNE_DeviceName, t.device);
    set(b, WR_DNE_ActionType, t.action);
    set(b, WR_DNE_LocalIP, t.local);
    set(b, WR_DNE_RemoteIP, t.remote);
    set(b, WR_DNE_Protocol, t.protocol);
    set(b, WR_DNE_InitiatingProcessFileName, t.process);
    wr_batch_set_i64(b, WR_DNE_RemotePort, 0, t.rport);
    wr_batch_seal(b);
    cr_assert_eq(wr_conn_event(k->conn, b, 0, T0 + t.now_ms * MS), WR_OK);
    wr_batch_free(b);
    kit_drain(k);
}

/* Another event of ws1 tells that 10.0.0.1 is its address. */
static struct kit *knows_the_host(struct wr_conn_opts opts)
{
    struct kit *k = kit_new(opts);
    struct event e = opened(-3600000, "sshd");
    e.rport = 22;
    kit_event(k, e, -3600000);
    return k;
}

static struct wr_flow sent(uint16_t sport, int64_t start_ms, uint64_t up, uint64_t down)
{
    struct wr_flow f = biflow(start_ms, start_ms + 900, ALL, up, down);
    f.sport = sport;
    return f;
}

Test(host, its_flow_comes_later_and_amends_the_bytes)
{
    struct kit *k = knows_the_host(ENDPOINTS);
    put_event(k, connected(0, "python3"));
    cr_assert_eq(k->n, 2, "rules see it at once");
    cr_expect_eq(k->row[1].sent, -1);
    struct wr_flow f = sent(40000, 100, 1200, 300);
    f.tcp_flags = SYN | ACK;
    kit_flow(k, f);
    kit_advance(k, 5000);
    cr_assert_eq(k->n, 2, "one connection, one row");
    cr_expect_eq(k->row[1].sent, 1200);
    cr_expect_eq(k->row[1].received, 300);
    cr_expect_str_eq(k->row[1].process, "python3");
    cr_expect_str_eq(k->row[1].local, "", "a key that rules have never changes");
    cr_expect_str_eq(k->row[1].quality, "host");
    f = sent(40000, 4000, 50, 0);
    f.tcp_flags = ACK | FIN;
    kit_flow(k, f);
    cr_expect_eq(k->row[1].sent, 1250, "later records are of the same row");
    cr_expect_eq(stats(k)->host, 1);
    cr_expect_eq(stats(k)->matched, 1);
    cr_expect_eq(stats(k)->connections, 2);
    kit_free(k);
}

Test(host, its_flow_may_have_come_first)
{
    struct kit *k = knows_the_host(ENDPOINTS);
    kit_flow(k, sent(40000, 100, 1200, 300));
    struct told t = connected(0, "python3");
    t.now_ms = 30000;
    put_event(k, t);
    kit_advance(k, 62000);
    cr_assert_eq(k->n, 2);
    cr_expect_eq(k->row[1].sent, 1200);
    cr_expect_str_eq(k->row[1].quality, "host");
    kit_free(k);
}

/* It waits as every request does, so its own end can be filled in, and it was a success. */
Test(host, a_request_gets_its_own_end_and_is_raised)
{
    struct kit *k = knows_the_host(ENDPOINTS);
    struct told t = connected(0, "python3");
    t.action = "ConnectionRequest";
    put_event(k, t);
    cr_assert_eq(k->n, 1);
    kit_flow(k, sent(40000, 100, 1200, 300));
    kit_advance(k, 5000);
    cr_assert_eq(k->n, 2);
    cr_expect_str_eq(k->row[1].action, "ConnectionSuccess");
    cr_expect_str_eq(k->row[1].local, "10.0.0.1");
    cr_expect_eq(k->row[1].lport, 40000);
    cr_expect_str_eq(k->row[1].protocol, "Tcp");
    cr_expect_eq(k->row[1].sent, 1200);
    kit_free(k);
}

Test(host, a_request_that_no_flow_answers_goes_after_its_wait)
{
    struct kit *k = knows_the_host(ENDPOINTS);
    struct told t = connected(0, "python3");
    t.action = "ConnectionRequest";
    put_event(k, t);
    kit_advance(k, 61000);
    cr_assert_eq(k->n, 2);
    cr_expect_str_eq(k->row[1].action, "ConnectionRequest");
    cr_expect_str_eq(k->row[1].local, "");
    kit_free(k);
}

Test(host, what_does_not_fit_is_left_alone)
{
    static const struct {
        const char *what;
        struct told t;
        int64_t start_ms;
    } cases[] = {
        {"another host", {"ws2", "ConnectionSuccess", "", "203.0.113.1", "", "python3", 25, 0, 500}, 100},
        {"another remote address", {"ws1", "ConnectionSuccess", "", "203.0.113.2", "", "python3", 25, 0, 500}, 100},
        {"another remote port", {"ws1", "ConnectionSuccess", "", "203.0.113.1", "", "python3", 26, 0, 500}, 100},
        {"another protocol", {"ws1", "ConnectionSuccess", "", "203.0.113.1", "udp", "python3", 25, 0, 500}, 100},
        {"another time", {"ws1", "ConnectionSuccess", "", "203.0.113.1", "", "python3", 25, 0, 500}, 5100},
        {"no host", {"", "ConnectionSuccess", "", "203.0.113.1", "", "python3", 25, 0, 500}, 100},
        {"something else", {"ws1", "ListeningConnectionCreated", "", "203.0.113.1", "", "python3", 25, 0, 500}, 100},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct kit *k = knows_the_host(ENDPOINTS);
        put_event(k, cases[i].t);
        kit_flow(k, sent(40000, cases[i].start_ms, 1200, 300));
        wait_all(k);
        cr_assert_eq(k->n, 3, "%s", cases[i].what);
        cr_expect_eq(k->row[1].sent, -1, "%s", cases[i].what);
        cr_expect(k->row[2].orphan, "%s", cases[i].what);
        cr_expect_eq(stats(k)->host + stats(k)->host_ambiguous, 0, "%s", cases[i].what);
        kit_free(k);
    }
}

Test(host, its_name_has_no_case_and_no_domain)
{
    struct kit *k = knows_the_host(ENDPOINTS);
    struct told t = connected(0, "python3");
    t.device = "WS1.corp.example";
    t.protocol = "tcp";
    t.local = "0.0.0.0"; /* not bound yet */
    put_event(k, t);
    kit_flow(k, sent(40000, 100, 1200, 300));
    kit_advance(k, 5000);
    cr_assert_eq(k->n, 2);
    cr_expect_str_eq(k->row[1].quality, "host");
    kit_free(k);
}

Test(host, that_is_called_by_its_address)
{
    struct kit *k = kit_new(ENDPOINTS);
    struct told t = connected(0, "python3");
    t.device = "10.0.0.1";
    put_event(k, t);
    kit_flow(k, sent(40000, 100, 1200, 300));
    kit_advance(k, 5000);
    cr_assert_eq(k->n, 1);
    cr_expect_eq(k->row[0].sent, 1200);
    kit_free(k);
}

/* accept(2) tells the client's address and port; the server is the flow's other end. */
Test(host, a_server_that_accepts)
{
    struct kit *k = kit_new(ENDPOINTS);
    struct told t = {"203.0.113.1", "InboundConnectionAccepted", "", "10.0.0.1", "", "master", 40000, 0, 500};
    put_event(k, t);
    kit_flow(k, sent(40000, 100, 1200, 300));
    kit_advance(k, 5000);
    cr_assert_eq(k->n, 1);
    cr_expect_eq(k->row[0].sent, 300, "from its side");
    cr_expect_eq(k->row[0].received, 1200);
    kit_free(k);
}

Test(host, two_processes_leave_the_flow_unexplained)
{
    struct kit *k = knows_the_host(ENDPOINTS);
    put_event(k, connected(0, "python3"));
    put_event(k, connected(1000, "curl"));
    kit_flow(k, sent(40000, 100, 1200, 300));
    wait_all(k);
    cr_assert_eq(k->n, 4);
    cr_expect_eq(k->row[1].sent, -1);
    cr_expect_eq(k->row[2].sent, -1);
    cr_expect(k->row[3].orphan);
    cr_expect_eq(k->row[3].sent, 1200);
    cr_expect_eq(stats(k)->host, 0);
    cr_expect_eq(stats(k)->host_ambiguous, 1);
    kit_free(k);
}

Test(host, one_process_twice_gets_two_flows)
{
    struct kit *k = knows_the_host(ENDPOINTS);
    put_event(k, connected(0, "python3"));
    put_event(k, connected(2000, "python3"));
    kit_flow(k, sent(40001, 2100, 50, 5));
    kit_flow(k, sent(40000, 100, 1200, 300));
    kit_advance(k, 10000);
    cr_assert_eq(k->n, 3);
    cr_expect_eq(k->row[1].sent, 1200, "the nearest in time");
    cr_expect_eq(k->row[2].sent, 50);
    cr_expect_eq(stats(k)->host, 2);
    cr_expect_eq(stats(k)->host_ambiguous, 0);
    kit_free(k);
}

Test(host, another_process_that_is_told_of_late_makes_it_ambiguous)
{
    struct kit *k = knows_the_host(ENDPOINTS);
    put_event(k, connected(0, "python3"));
    kit_flow(k, sent(40000, 100, 1200, 300));
    kit_advance(k, 5000);
    cr_assert_str_eq(k->row[1].quality, "host");
    struct told t = connected(1000, "curl");
    t.now_ms = 20000;
    put_event(k, t);
    cr_expect_str_eq(k->row[1].quality, "ambiguous");
    cr_expect_eq(stats(k)->host_ambiguous, 1);
    kit_free(k);
}

Test(host, two_flows_of_one_event_are_ambiguous)
{
    struct kit *k = knows_the_host(ENDPOINTS);
    put_event(k, connected(0, "python3"));
    kit_flow(k, sent(40000, 100, 1200, 300));
    kit_flow(k, sent(40001, 600, 50, 5));
    wait_all(k);
    cr_assert_eq(k->n, 3);
    cr_expect_eq(k->row[1].sent, 1200);
    cr_expect_str_eq(k->row[1].quality, "ambiguous");
    cr_expect(k->row[2].orphan);
    kit_free(k);
}

/* Of 2 s the newest 32 are found: what is lost may have been another process. */
Test(host, many_at_once_are_one_process_or_not)
{
    for (int mixed = 0; mixed < 2; mixed++) {
        struct kit *k = knows_the_host(ENDPOINTS);
        for (int i = 0; i < 60; i++)
            put_event(k, connected(i * 10, mixed && i == 3 ? "curl" : "python3"));
        kit_flow(k, sent(40000, 100, 1200, 300));
        wait_all(k);
        cr_expect_eq(stats(k)->host, mixed ? 0 : 1, "mixed %d", mixed);
        cr_expect_eq(stats(k)->host_ambiguous, mixed ? 1 : 0, "mixed %d", mixed);
        kit_free(k);
    }
}

/* A client that connects all the time; its flows come a minute later. */
Test(host, a_busy_process_finds_all_of_its_flows)
{
    struct kit *k = knows_the_host(ENDPOINTS);
    for (int i = 0; i < 300; i++)
        put_event(k, connected(i * 200, "python3"));
    for (int i = 0; i < 300; i++)
        kit_flow(k, sent((uint16_t)(40000 + i), i * 200 + 20, 1000 + (uint64_t)i, 300));
    wait_all(k);
    cr_expect_eq(stats(k)->host, 300);
    for (int i = 0; i < 300; i++)
        cr_expect_eq(k->row[1 + i].sent, 1000 + i, "each its own");
    kit_free(k);
}

Test(host, the_same_event_again_is_dropped)
{
    struct kit *k = knows_the_host(ENDPOINTS);
    put_event(k, connected(0, "python3"));
    put_event(k, connected(0, "python3"));
    kit_flow(k, sent(40000, 100, 1200, 300));
    kit_advance(k, 5000);
    put_event(k, connected(0, "python3"));
    cr_assert_eq(k->n, 2);
    cr_expect_eq(stats(k)->dup_record, 2);
    cr_expect_str_eq(k->row[1].quality, "host");
    kit_free(k);
}

/* A query has every row at its end, whatever came first; figures as live. */
Test(host, a_query_finds_the_same)
{
    for (int first = 0; first < 2; first++) {
        struct wr_conn_opts opts = ENDPOINTS;
        opts.final_only = true;
        struct kit *k = knows_the_host(opts);
        struct told t = connected(0, "python3");
        t.action = first ? "ConnectionRequest" : "ConnectionSuccess";
        if (first)
            kit_flow(k, sent(40000, 100, 1200, 300));
        t.now_ms = 30000;
        put_event(k, t);
        if (!first) {
            struct wr_flow f = sent(40000, 100, 1200, 300);
            f.export_ns = T0 + 40 * SEC;
            kit_flow(k, f);
        }
        kit_flush(k);
        cr_assert_eq(k->n, 2);
        const struct seen *s = &k->row[strcmp(k->row[0].process, "python3") ? 1 : 0];
        cr_expect_eq(s->sent, 1200);
        cr_expect_str_eq(s->action, "ConnectionSuccess");
        cr_expect_str_eq(s->quality, "host");
        cr_expect_str_eq(s->local, first ? "10.0.0.1" : "");
        kit_free(k);
    }
}

static void restart(struct kit *k)
{
    struct wr_buf out = {0}, again = {0};
    struct wr_conn *fresh = wr_conn_new(&k->opts);
    wr_conn_save(k->conn, &out);
    cr_assert(fresh && !out.err);
    cr_assert_eq(wr_conn_load(fresh, out.data, out.len), WR_OK);
    wr_conn_save(fresh, &again);
    cr_assert(again.len == out.len && memcmp(again.data, out.data, out.len) == 0);
    wr_conn_free(k->conn);
    k->conn = fresh;
    wr_buf_fini(&out);
    wr_buf_fini(&again);
}

Test(host, what_waits_and_what_was_taken_outlive_a_restart)
{
    struct kit *k = knows_the_host(ENDPOINTS);
    struct told request = connected(0, "python3");
    request.action = "ConnectionRequest";
    put_event(k, request);
    restart(k);
    kit_flow(k, sent(40000, 100, 1200, 300));
    restart(k);
    kit_advance(k, 5000);
    cr_assert_eq(k->n, 2);
    cr_expect_str_eq(k->row[1].quality, "host");
    restart(k);
    struct told late = connected(1000, "curl");
    late.now_ms = 20000;
    put_event(k, late);
    cr_expect_str_eq(k->row[1].quality, "ambiguous");
    kit_free(k);
}

Test(host, events_of_it_go_with_their_time_and_at_the_bound)
{
    struct wr_conn_opts opts = ENDPOINTS;
    opts.max_connections = 4;
    struct kit *k = knows_the_host(opts);
    for (int i = 0; i < 10; i++) {
        struct told t = connected(i * 1000, "python3");
        t.rport = 1000 + i;
        t.action = i % 2 ? "ConnectionRequest" : "ConnectionSuccess";
        put_event(k, t);
    }
    kit_advance(k, 3600 * 1000);
    cr_assert_eq(k->n, 11, "each is a row once");
    cr_expect_eq(stats(k)->live, 0);
    kit_free(k);
}
