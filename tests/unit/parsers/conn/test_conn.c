#include "conn_kit.h"

#define NETWORK_ONLY ((struct wr_conn_opts){0})
#define ENDPOINTS ((struct wr_conn_opts){.expect_endpoint = true})

Test(conn, one_biflow_is_one_row_at_once)
{
    struct kit *k = kit_new(NETWORK_ONLY);
    kit_flow(k, biflow(0, 100, ALL, 1227, 708));
    cr_assert_eq(k->n, 1);
    expect_row(k, 0, 1227, 708, "ConnectionSuccess");
    cr_expect_str_eq(k->row[0].local, "10.0.0.1");
    cr_expect_str_eq(k->row[0].device, "10.0.0.1");
    cr_expect_str_eq(k->row[0].remote, "203.0.113.1");
    cr_expect_str_eq(k->row[0].rtype, "Public");
    cr_expect_str_eq(k->row[0].protocol, "Tcp");
    cr_expect_eq(k->row[0].rport, 25);
    cr_expect_eq(k->row[0].time, wr_ticks_of_unix_ns(T0));
    cr_expect_not(k->row[0].orphan);
    kit_free(k);
}

Test(conn, two_directions_in_either_order_are_one_connection)
{
    for (int first = 0; first < 2; first++) {
        struct kit *k = kit_new(NETWORK_ONLY);
        struct wr_flow up = flow(true, 0, 100, ALL, 1227), down = flow(false, 10, 110, ALL, 708);
        kit_flow(k, first ? up : down);
        cr_expect_eq(k->n, 0, "undecided: waits for the other direction");
        kit_flow(k, first ? down : up);
        cr_assert_eq(k->n, 1);
        expect_row(k, 0, 1227, 708, "ConnectionSuccess");
        cr_expect_str_eq(k->row[0].local, "10.0.0.1", "the earlier SYN began");
        cr_expect_eq(stats(k)->connections, 1);
        kit_free(k);
    }
}

Test(conn, one_direction_alone_is_a_row_after_the_pair_wait_and_amended_later)
{
    struct kit *k = kit_new(NETWORK_ONLY);
    kit_flow(k, flow(true, 0, 100, ALL, 1227));
    kit_advance(k, 2099);
    cr_expect_eq(k->n, 0);
    kit_advance(k, 2100);
    cr_assert_eq(k->n, 1);
    expect_row(k, 0, 1227, -1, "ConnectionSuccess");
    kit_flow(k, flow(false, 10, 3000, ALL, 708));
    cr_assert_eq(k->n, 1);
    expect_row(k, 0, 1227, 708, "ConnectionSuccess");
    cr_expect_eq(k->row[0].amends, 1);
    kit_free(k);
}

Test(conn, a_syn_alone_and_a_refusal_failed)
{
    struct kit *k = kit_new(NETWORK_ONLY);
    kit_flow(k, flow(true, 0, 0, SYN, 40));
    kit_flush(k);
    expect_row(k, 0, 40, -1, "ConnectionFailed");
    kit_free(k);
    k = kit_new(NETWORK_ONLY);
    kit_flow(k, flow(true, 0, 0, SYN, 40));
    kit_flow(k, flow(false, 1, 1, RST | ACK, 40));
    cr_assert_eq(k->n, 1);
    expect_row(k, 0, 40, 40, "ConnectionFailed");
    cr_expect_str_eq(k->row[0].local, "10.0.0.1");
    kit_free(k);
}

Test(conn, a_sampled_syn_proves_nothing)
{
    struct kit *k = kit_new(NETWORK_ONLY);
    struct wr_flow f = flow(true, 0, 0, SYN, 40);
    f.sampling = 1000;
    kit_flow(k, f);
    kit_flush(k);
    expect_row(k, 0, 40, -1, "ConnectionAttempt");
    kit_free(k);
}

Test(conn, a_denied_flow_failed)
{
    struct kit *k = kit_new(NETWORK_ONLY);
    struct wr_flow f = flow(true, 0, 0, 0, 0);
    f.flags = WR_FLOW_DENIED | WR_FLOW_INITIATOR_KNOWN;
    kit_flow(k, f);
    cr_assert_eq(k->n, 1);
    expect_row(k, 0, -1, -1, "ConnectionFailed");
    kit_free(k);
}

Test(conn, udp_needs_an_answer_or_three_packets)
{
    static const struct {
        uint32_t up, down;
        const char *action;
    } cases[] = {
        {1, 0, "ConnectionAttempt"}, {3, 0, "ConnectionSuccess"}, {1, 1, "ConnectionSuccess"}};
    for (size_t i = 0; i < 3; i++) {
        struct kit *k = kit_new(NETWORK_ONLY);
        struct wr_flow f = biflow(0, 10, 0, 100, cases[i].down * 100);
        f.proto = 17;
        f.packets[0] = cases[i].up;
        f.packets[1] = cases[i].down;
        kit_flow(k, f);
        kit_flush(k);
        cr_assert_eq(k->n, 1);
        cr_expect_str_eq(k->row[0].action, cases[i].action, "case %zu: %s", i, k->row[0].action);
        kit_free(k);
    }
}

Test(conn, without_flags_the_well_known_port_is_remote)
{
    struct kit *k = kit_new(NETWORK_ONLY);
    struct wr_flow f = flow(false, 0, 100, 0, 500);
    f.flags = WR_FLOW_HAS_BYTES;
    kit_flow(k, f);
    kit_flush(k);
    expect_row(k, 0, -1, 500, "ConnectionAttempt");
    cr_expect_eq(k->row[0].rport, 25);
    kit_free(k);
}

Test(conn, three_exporters_count_once_and_the_greatest_sum_wins)
{
    struct kit *k = kit_new(NETWORK_ONLY);
    static const uint64_t bytes[3] = {1200, 1227, 1100};
    for (uint32_t p = 0; p < 3; p++) {
        struct wr_flow f = biflow(p, 100 + p, ALL, bytes[p], 700 + p);
        f.point = p + 1;
        kit_flow(k, f);
    }
    cr_assert_eq(k->n, 1);
    expect_row(k, 0, 1227, 702, "ConnectionSuccess");
    cr_expect_eq(stats(k)->connections, 1);
    kit_free(k);
}

Test(conn, an_exact_exporter_beats_a_sampling_one)
{
    struct kit *k = kit_new(NETWORK_ONLY);
    struct wr_flow exact = biflow(0, 100, ALL, 1000, 500), rough = biflow(0, 100, ALL, 5000, 2000);
    rough.sampling = 1000;
    rough.point = 2;
    kit_flow(k, exact);
    kit_flow(k, rough);
    expect_row(k, 0, 1000, 500, "ConnectionSuccess");
    kit_free(k);
}

Test(conn, the_same_record_twice_counts_once)
{
    struct kit *k = kit_new(NETWORK_ONLY);
    kit_flow(k, biflow(0, 100, ALL, 1000, 500));
    kit_flow(k, biflow(0, 100, ALL, 1000, 500));
    expect_row(k, 0, 1000, 500, "ConnectionSuccess");
    cr_expect_eq(stats(k)->dup_record, 1);
    kit_free(k);
}

Test(conn, slices_of_a_long_connection_add_up_whether_start_is_kept_or_not)
{
    for (int kept = 0; kept < 2; kept++) {
        struct kit *k = kit_new(NETWORK_ONLY);
        for (int i = 0; i < 48; i++) {
            int64_t start = i * 1800000;
            uint8_t tcp = i == 0 ? SYN | ACK | PSH : i == 47 ? ACK | FIN : ACK | PSH;
            struct wr_flow f = biflow(kept ? 0 : start, start + 1790000, tcp, 1000, 10);
            kit_flow(k, f);
        }
        cr_assert_eq(k->n, 1, "kept %d: %u rows", kept, k->n);
        expect_row(k, 0, 48000, 480, "ConnectionSuccess");
        cr_expect_eq(k->row[0].amends, 47);
        kit_free(k);
    }
}

Test(conn, totals_replace_and_begin_again_with_a_new_start)
{
    struct kit *k = kit_new(NETWORK_ONLY);
    static const int64_t part[][3] = {
        {0, 100, 1000}, {0, 200, 1500}, {0, 150, 1200}, {300, 400, 50}};
    for (size_t i = 0; i < 4; i++) {
        struct wr_flow f = flow(true, part[i][0], part[i][1], ACK, (uint64_t)part[i][2]);
        f.flags |= WR_FLOW_TOTALS;
        kit_flow(k, f);
        f = flow(false, part[i][0] + 5, part[i][1] + 5, ACK, (uint64_t)part[i][2] * 2);
        f.flags |= WR_FLOW_TOTALS;
        kit_flow(k, f);
    }
    cr_assert_eq(k->n, 1);
    expect_row(k, 0, 1550, 3100, "ConnectionSuccess");
    kit_free(k);
}

Test(conn, port_reuse_after_the_end_is_another_connection)
{
    static const uint8_t ends[] = {SYN | ACK | FIN, SYN | ACK | RST};
    for (int i = 0; i < 2; i++) {
        struct kit *k = kit_new(NETWORK_ONLY);
        kit_flow(k, biflow(0, 500, ends[i], 1000, 500));
        kit_flow(k, biflow(1500, 1900, ALL, 70, 30));
        cr_assert_eq(k->n, 2);
        expect_row(k, 0, 1000, 500, "ConnectionSuccess");
        expect_row(k, 1, 70, 30, "ConnectionSuccess");
        struct wr_flow late = biflow(100, 480, ACK, 11, 11);
        kit_flow(k, late);
        cr_expect_eq(k->n, 2, "a late record of the previous one");
        cr_expect_eq(k->row[0].sent, 1011);
        kit_free(k);
    }
}

Test(conn, udp_silence_of_61_s_ends_59_s_does_not)
{
    struct kit *k = kit_new(NETWORK_ONLY);
    struct wr_flow f[3] = {biflow(0, 1000, 0, 10, 10), biflow(60000, 61000, 0, 10, 10),
                           biflow(122001, 123000, 0, 10, 10)};
    for (int i = 0; i < 3; i++) {
        f[i].proto = 17;
        kit_flow(k, f[i]);
    }
    cr_assert_eq(k->n, 2);
    expect_row(k, 0, 20, 20, "ConnectionSuccess");
    kit_free(k);
}

Test(conn, slices_out_of_order_become_one_when_the_gap_closes)
{
    struct kit *k = kit_new((struct wr_conn_opts){.final_only = true});
    static const int order[] = {0, 9, 5, 7, 1, 3, 8, 2, 6, 4};
    for (int i = 0; i < 10; i++) {
        int64_t start = order[i] * 1800000;
        kit_flow(k, biflow(start, start + 1790000, ACK | PSH, 1000, 10));
    }
    cr_expect_eq(k->n, 0);
    kit_flush(k);
    cr_assert_eq(k->n, 1, "%u rows", k->n);
    expect_row(k, 0, 10000, 100, "ConnectionSuccess");
    cr_expect_eq(stats(k)->connections, 1);
    kit_free(k);
}

Test(conn, beyond_the_bound_the_oldest_goes_with_its_row)
{
    struct kit *k = kit_new((struct wr_conn_opts){.max_connections = 10, .expect_endpoint = true});
    for (uint16_t i = 0; i < 25; i++) {
        struct wr_flow f = biflow(i, i + 1, ALL, 100u + i, 1);
        f.sport = (uint16_t)(40000 + i);
        kit_flow(k, f);
    }
    cr_expect_eq(stats(k)->evicted, 15);
    cr_expect_eq(stats(k)->live, 10);
    cr_expect_eq(k->n, 15, "evicted, not lost");
    cr_expect_eq(k->row[14].sent, 114);
    kit_flush(k);
    cr_expect_eq(k->n, 25);
    kit_free(k);
}

Test(conn, idle_connections_go)
{
    struct kit *k = kit_new(NETWORK_ONLY);
    kit_flow(k, biflow(0, 100, ALL, 1, 1));
    struct wr_flow open = biflow(0, 100, SYN | ACK, 1, 1);
    open.sport = 41000;
    kit_flow(k, open);
    kit_advance(k, 660000);
    cr_expect_eq(stats(k)->live, 2);
    kit_advance(k, 660200);
    cr_expect_eq(stats(k)->live, 1, "closed: once its event cannot come any more");
    kit_advance(k, 9001000);
    cr_expect_eq(stats(k)->live, 0);
    cr_expect_eq(k->n, 2);
    kit_free(k);
}

Test(conn, where_no_record_comes_late_what_has_ended_goes_sooner)
{
    struct kit *k = kit_new((struct wr_conn_opts){.hold_ns = 60 * SEC});
    for (int64_t minute = 0; minute < 150; minute++)
        kit_flow(k, biflow(minute * 60000, minute * 60000 + 100, ALL, 1, 1));
    cr_expect_leq(stats(k)->live, 4, "%lu", (unsigned long)stats(k)->live);
    kit_flow(k, biflow(149 * 60000 - 600000, 149 * 60000 + 30000, ACK, 1, 1)); /* one of ten minutes */
    kit_advance(k, 149 * 60000 + 30000);
    uint64_t live = stats(k)->live;
    kit_advance(k, 149 * 60000 + 600000);
    cr_expect_eq(stats(k)->live, live, "others may take as long");
    kit_free(k);
}

Test(conn, a_sample_names_the_connection_until_it_has_gone)
{
    struct kit *k = kit_new(ENDPOINTS);
    struct wr_buf out = {0};
    kit_flow(k, biflow(0, 100, ALL, 1227, 708));
    kit_event(k, opened(10, "python.exe"), 200);
    cr_assert(wr_conn_sample(k->conn, (uint64_t)k->row[0].id, &out));
    wr_buf_char(&out, '\0');
    cr_expect_str_eq(
        out.data,
        "{\"LocalIP\":\"10.0.0.1\",\"LocalPort\":40000,\"RemoteIP\":\"203.0.113.1\",\"RemotePort\":"
        "25,"
        "\"Protocol\":\"Tcp\",\"Start\":\"2026-01-05T08:00:00.0000000Z\","
        "\"End\":\"2026-01-05T08:00:00.1000000Z\",\"SentBytes\":1227,\"ReceivedBytes\":708,"
        "\"MatchQuality\":\"exact\",\"DirectionSource\":\"event\","
        "\"network.community_id\":\"1:2iYm+2g7HA5GZ3cVTq2G2Fx57Bo=\"}");
    cr_expect_not(wr_conn_sample(k->conn, 999, &out));
    kit_advance(k, 4000000);
    cr_expect_not(wr_conn_sample(k->conn, (uint64_t)k->row[0].id, &out));
    wr_buf_fini(&out);
    kit_free(k);
}

/* Baselines of the community id specification (seed 0), and one of a pair whose ends are the other way round. */
Test(conn, a_sample_has_the_community_id)
{
    static const struct {
        uint8_t proto, src[4], dst[4];
        uint16_t sport, dport;
        const char *id;
    } cases[] = {
        {6, {128, 232, 110, 120}, {66, 35, 250, 204}, 34855, 80, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
        {6, {66, 35, 250, 204}, {128, 232, 110, 120}, 80, 34855, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
        {17, {192, 168, 1, 52}, {8, 8, 8, 8}, 54585, 53, "1:d/FP5EW3wiY1vCndhwleRRKHowQ="},
        {6, {10, 1, 2, 3}, {203, 0, 113, 25}, 51514, 587, "1:KbBomPmvTaWIxpVCkBlRfBDjC/U="},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct kit *k = kit_new(NETWORK_ONLY);
        struct wr_buf out = {0};
        struct wr_flow f = biflow(0, 100, ALL, 10, 10);
        f.proto = cases[i].proto;
        memcpy(f.src, cases[i].src, 4);
        memcpy(f.dst, cases[i].dst, 4);
        f.sport = cases[i].sport;
        f.dport = cases[i].dport;
        kit_flow(k, f);
        cr_assert_eq(k->n, 1);
        cr_assert(wr_conn_sample(k->conn, (uint64_t)k->row[0].id, &out));
        wr_buf_char(&out, '\0');
        cr_expect_not_null(strstr(out.data, cases[i].id), "%s", out.data);
        wr_buf_fini(&out);
        kit_free(k);
    }
}

Test(conn, absurd_times_are_taken_as_they_can_be)
{
    static const int64_t times[] = {INT64_MIN, -1, 0, INT64_MAX};
    struct kit *k = kit_new(NETWORK_ONLY);
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) {
            struct wr_flow f = biflow(0, 0, ALL, UINT64_MAX, UINT64_MAX);
            f.start_ns = times[i];
            f.end_ns = times[j];
            f.sport = (uint16_t)(i * 4 + j + 1);
            cr_assert_eq(wr_conn_flow(k->conn, &f, times[j]), WR_OK);
        }
    kit_flush(k);
    cr_expect_eq(k->n, 16);
    cr_expect_eq(k->row[0].sent, INT64_MAX);
    kit_free(k);
}

Test(conn, an_icmp_request_and_its_reply_are_one_connection)
{
    struct kit *k = kit_new(NETWORK_ONLY);
    struct wr_flow up = flow(true, 0, 0, 0, 84), down = flow(false, 1, 1, 0, 84);
    up.proto = down.proto = 1;
    up.sport = down.sport = 0;
    up.dport = 0x0800;
    down.dport = 0;
    kit_flow(k, down);
    kit_flow(k, up);
    cr_assert_eq(k->n, 1);
    expect_row(k, 0, 84, 84, "ConnectionSuccess");
    cr_expect_str_eq(k->row[0].local, "10.0.0.1", "the earlier began");
    cr_expect_str_eq(k->row[0].protocol, "Icmp");
    kit_free(k);
}

Test(conn, flows_that_arrive_together_are_the_same_as_one_by_one)
{
    enum { N = 500 };
    struct wr_flow flows[N];
    struct wr_buf saved[2] = {{0}, {0}};
    for (int i = 0; i < N; i++) {
        flows[i] = flow(i % 3 != 0, i * 7 % 900, i * 7 % 900 + 50, ALL, (uint64_t)(100 + i));
        uint16_t port = (uint16_t)(40000 + i * 13 % 120); /* some share a connection */
        *(i % 3 != 0 ? &flows[i].sport : &flows[i].dport) = port;
    }
    for (int together = 0; together < 2; together++) {
        struct kit *k = kit_new((struct wr_conn_opts){.pair_ns = SEC});
        if (together)
            cr_assert_eq(wr_conn_flows(k->conn, flows, N, T0 + 2 * SEC), WR_OK);
        for (int i = 0; !together && i < N; i++)
            cr_assert_eq(wr_conn_flow(k->conn, &flows[i], T0 + 2 * SEC), WR_OK);
        wr_conn_save(k->conn, &saved[together]);
        cr_expect_eq(stats(k)->flows, N);
        kit_free(k);
    }
    cr_assert_eq(saved[0].len, saved[1].len);
    cr_expect_arr_eq(saved[0].data, saved[1].data, saved[0].len);
    wr_buf_fini(&saved[0]);
    wr_buf_fini(&saved[1]);
}

/* Rows that change in nothing that a rule reads are not told again. */
Test(conn, amended_for_what_rules_read_only)
{
    static const uint16_t reads[] = {WR_DNE_DeviceName, WR_DNE_SentBytes, WR_DNE_ReceivedBytes, WR_DNE_BytesEstimated};
    static const uint32_t amended[] = {0, 1, 0, 1}; /* by more that is sent */
    for (size_t i = 0; i < sizeof reads / sizeof *reads; i++) {
        struct wr_conn_opts opts = {.orphans = WR_ORPHANS_EVENTS};
        wr_colset_add(&opts.wanted, reads[i]);
        struct wr_conn *c = wr_conn_new(&opts);
        struct wr_batch *b = wr_batch_new(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS), &opts.wanted, 4);
        struct wr_flow first = biflow(0, 10, ALL, 100, 200), second = biflow(20, 30, ACK, 50, 0);
        cr_assert(c && b);
        cr_assert_eq(wr_conn_flow(c, &first, T0), WR_OK);
        cr_assert_eq(wr_conn_drain(c, WR_TABLE_DEVICE_NETWORK_EVENTS, b), 1);
        cr_assert(wr_batch_reset(b));
        cr_assert_eq(wr_conn_flow(c, &second, T0), WR_OK);
        cr_expect_eq(wr_conn_drain(c, WR_TABLE_DEVICE_NETWORK_EVENTS, b), amended[i], "column %u", reads[i]);
        wr_batch_free(b);
        wr_conn_free(c);
    }
}
