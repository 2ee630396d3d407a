/* Endpoint events and the flows of the same connections: which takes which, in either order. */
#include "conn_kit.h"

#define NETWORK_ONLY ((struct wr_conn_opts){0})
#define ENDPOINTS ((struct wr_conn_opts){.expect_endpoint = true})

Test(bind, event_first_is_a_row_at_once_and_bytes_amend_it)
{
    struct kit *k = kit_new(ENDPOINTS);
    kit_event(k, opened(10, "python.exe"), 20);
    cr_assert_eq(k->n, 1);
    expect_row(k, 0, -1, -1, "ConnectionSuccess");
    kit_flow(k, biflow(0, 100, ALL, 1227, 708));
    expect_row(k, 0, 1227, 708, "ConnectionSuccess");
    cr_expect_eq(k->row[0].amends, 1);
    cr_expect_eq(k->row[0].time, wr_ticks_of_unix_ns(T0 + 10 * MS), "Timestamp is the event's");
    cr_expect_eq(stats(k)->matched, 1);
    kit_advance(k, 700000);
    cr_expect_eq(k->n, 1);
    kit_free(k);
}

Test(bind, event_within_the_hold_takes_the_flow)
{
    struct kit *k = kit_new(ENDPOINTS);
    kit_flow(k, biflow(0, 100, ALL, 1227, 708));
    kit_advance(k, 599999);
    cr_expect_eq(k->n, 0, "held");
    kit_event(k, opened(10, "python.exe"), 600000);
    cr_assert_eq(k->n, 1);
    expect_row(k, 0, 1227, 708, "ConnectionSuccess");
    cr_expect_str_eq(k->row[0].process, "python.exe");
    cr_expect_not(k->row[0].orphan);
    kit_flush(k);
    cr_expect_eq(k->n, 1);
    cr_expect_eq(stats(k)->orphans, 0);
    kit_free(k);
}

Test(bind, event_after_the_hold_is_late_and_a_row_beside_the_orphan)
{
    struct kit *k = kit_new(ENDPOINTS);
    kit_flow(k, biflow(0, 100, ALL, 1227, 708));
    kit_advance(k, 600100);
    cr_assert_eq(k->n, 1);
    cr_expect(k->row[0].orphan);
    kit_event(k, opened(10, "python.exe"), 700000);
    cr_assert_eq(k->n, 2);
    expect_row(k, 1, 1227, 708, "ConnectionSuccess");
    cr_expect_not(k->row[1].orphan);
    cr_expect_eq(stats(k)->late_bind, 1);
    kit_free(k);
}

Test(bind, a_late_event_does_not_count_a_connection_twice_in_one_table)
{
    struct kit *k = kit_new((struct wr_conn_opts){.orphans = WR_ORPHANS_EVENTS});
    kit_flow(k, biflow(0, 100, ALL, 1227, 708));
    cr_assert_eq(k->n, 1);
    kit_event(k, opened(10, "python.exe"), 1000);
    cr_expect_eq(k->n, 1);
    cr_expect_eq(stats(k)->late_bind, 1);
    kit_free(k);
}

Test(bind, the_same_event_again_is_dropped)
{
    struct kit *k = kit_new(ENDPOINTS);
    kit_event(k, opened(10, "python.exe"), 20);
    kit_event(k, opened(10, "python.exe"), 30000);
    cr_expect_eq(k->n, 1);
    cr_expect_eq(stats(k)->dup_record, 1);
    kit_free(k);
}

Test(bind, both_ends_report_and_each_row_has_its_own_side)
{
    struct kit *k = kit_new(ENDPOINTS);
    kit_flow(k, biflow(0, 100, ALL, 1227, 708));
    kit_event(k, opened(10, "python.exe"), 200);
    kit_event(k,
              (struct event){"InboundConnectionAccepted", "203.0.113.1", "10.0.0.1", "smtpd", 25,
                             40000, 11, 0},
              300);
    cr_assert_eq(k->n, 2);
    expect_row(k, 0, 1227, 708, "ConnectionSuccess");
    expect_row(k, 1, 708, 1227, "InboundConnectionAccepted");
    cr_expect_eq(stats(k)->connections, 1);
    kit_free(k);
}

Test(bind, two_processes_for_one_tuple_are_two_rows_and_ambiguous)
{
    struct kit *k = kit_new(ENDPOINTS);
    kit_event(k, opened(10, "python.exe"), 20);
    kit_event(k, opened(1010, "curl.exe"), 1020);
    kit_flow(k, biflow(1000, 1100, ALL, 1227, 708));
    cr_assert_eq(k->n, 2);
    expect_row(k, 0, -1, -1, "ConnectionSuccess");
    expect_row(k, 1, 1227, 708, "ConnectionSuccess");
    cr_expect_eq(stats(k)->ambiguous, 1);
    kit_free(k);
}

Test(bind, reuse_of_a_port_gives_each_opening_its_own_flow)
{
    struct kit *k = kit_new(ENDPOINTS);
    kit_event(k, opened(10, "a.exe"), 20);
    kit_event(k, opened(20010, "b.exe"), 20020);
    kit_flow(k, biflow(20000, 20100, ALL, 22, 2));
    kit_flow(k, biflow(0, 100, ALL, 11, 1));
    cr_assert_eq(k->n, 2);
    expect_row(k, 0, 11, 1, "ConnectionSuccess");
    expect_row(k, 1, 22, 2, "ConnectionSuccess");
    kit_free(k);
}

Test(bind, events_without_a_connection_pass_through)
{
    struct kit *k = kit_new(ENDPOINTS);
    struct event listening = {"ListeningConnectionCreated", "10.0.0.1", "", "sshd", 22, 0, 5, 0};
    struct event attempt = opened(6, "x.exe");
    attempt.action = "ConnectionAttempt";
    kit_event(k, listening, 5);
    kit_event(k, attempt, 6);
    cr_assert_eq(k->n, 2);
    cr_expect_eq(stats(k)->live, 0);
    cr_expect_eq(stats(k)->openings, 0);
    kit_free(k);
}

Test(bind, mapped_addresses_of_an_event_meet_the_flow)
{
    struct kit *k = kit_new(ENDPOINTS);
    struct event e = opened(10, "java");
    e.local = "::ffff:10.0.0.1";
    e.remote = "::ffff:203.0.113.1";
    kit_event(k, e, 20);
    kit_flow(k, biflow(0, 100, ALL, 1227, 708));
    cr_assert_eq(k->n, 1);
    expect_row(k, 0, 1227, 708, "ConnectionSuccess");
    kit_free(k);
}

Test(bind, auto_sends_orphans_apart_once_an_event_was_seen)
{
    struct kit *k = kit_new(NETWORK_ONLY);
    kit_flow(k, biflow(0, 100, ALL, 1227, 708));
    cr_expect_not(k->row[0].orphan);
    struct event e = opened(200, "a.exe");
    e.lport = 5;
    kit_event(k, e, 200);
    struct wr_flow f = biflow(300, 400, ALL, 9, 9);
    f.sport = 41000;
    kit_flow(k, f);
    cr_expect_eq(k->n, 2);
    kit_flush(k);
    cr_assert_eq(k->n, 3);
    cr_expect(k->row[2].orphan);
    kit_free(k);
}

Test(bind, a_clock_90_s_off_still_binds_and_is_marked)
{
    for (int early = 0; early < 2; early++) {
        struct kit *k = kit_new(ENDPOINTS);
        int64_t at = early ? -90000 : 90100;
        kit_event(k, opened(at, "python.exe"), 20);
        kit_flow(k, biflow(0, 100, ALL, 1227, 708));
        cr_assert_eq(k->n, 1);
        expect_row(k, 0, 1227, 708, "ConnectionSuccess");
        cr_expect_eq(stats(k)->ambiguous, 1);
        kit_free(k);
        k = kit_new(ENDPOINTS);
        kit_flow(k, biflow(0, 100, ALL, 1227, 708));
        kit_event(k, opened(at, "python.exe"), 20);
        cr_assert_eq(k->n, 1);
        expect_row(k, 0, 1227, 708, "ConnectionSuccess");
        cr_expect_eq(stats(k)->ambiguous, 1);
        kit_free(k);
    }
}

Test(bind, an_opening_takes_the_nearest_flow_of_its_tuple)
{
    struct kit *k = kit_new(ENDPOINTS);
    kit_flow(k, biflow(0, 100, ALL, 11, 1));
    kit_flow(k, biflow(60000, 60100, ALL, 22, 2));
    kit_event(k, opened(60010, "b.exe"), 60200);
    kit_event(k, opened(10, "a.exe"), 60300);
    cr_assert_eq(k->n, 2);
    expect_row(k, 0, 22, 2, "ConnectionSuccess");
    expect_row(k, 1, 11, 1, "ConnectionSuccess");
    cr_expect_eq(stats(k)->ambiguous, 0);
    kit_free(k);
}

/* Together or one by one: the same state. */
