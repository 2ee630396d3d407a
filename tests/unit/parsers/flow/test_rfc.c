/* What the RFCs demand of a collector of flows, a test for each demand by the number it has in the project's
 * list: X RFC 7011, N RFC 3954, B RFC 5103; RFC 5610 (E) is in test_model.c, RFC 6313 (L) in test_mail.c and
 * test_hostile.c, and RFC 5471's test list is woven in. */
#include "message.h"

#include "parsers/flow/state.h"

static struct message m;

static const struct wr_flow_stats *stats(const struct bench *b)
{
    return wr_flow_decoder_stats(b->dec);
}

/* The usual template, and its data, in domain 1. */
static void told(struct bench *b, uint16_t version, uint32_t domain, uint16_t id)
{
    begin(&m, version, 0, domain);
    TEMPLATE(&m, id, FLOW_FIELDS);
    cr_assert(bench_send(b, &m));
}

static uint32_t rows(struct bench *b, uint16_t version, uint32_t domain, uint16_t id)
{
    uint32_t before = b->vec.n;
    begin(&m, version, 0, domain);
    set(&m, id);
    add_flow(&m, 1, 2, 3, 25, 7);
    set_end(&m);
    cr_assert(bench_send(b, &m));
    return b->vec.n - before;
}

static void data(uint16_t id)
{
    set(&m, id);
    add_flow(&m, 1, 2, 3, 25, 7);
    set_end(&m);
}

Test(rfc, X02_the_next_set_is_found_by_length_whatever_a_set_holds)
{
    struct bench b = bench_new();
    told(&b, 10, 1, 256);
    for (uint16_t id = 4; id < 256; id++) {
        uint32_t before = b.vec.n;
        begin(&m, 10, 0, 1);
        set(&m, id);
        put(&m, 0xffffff, 3);
        set_end(&m);
        data(256);
        cr_assert(bench_send(&b, &m));
        cr_expect_eq(b.vec.n, before + 1, "set %u", id);
    }
    bench_end(&b);
}

Test(rfc, X03_ids_in_any_order_and_one_space_for_both_kinds)
{
    struct bench b = bench_new();
    told(&b, 10, 1, 65535);
    told(&b, 10, 1, 256);
    cr_expect_eq(rows(&b, 10, 1, 65535), 1);
    cr_expect_eq(rows(&b, 10, 1, 256), 1);
    begin(&m, 10, 0, 1);
    OPTIONS(&m, 256, 10, 4, 82, 13); /* takes the id over */
    cr_assert(bench_send(&b, &m));
    cr_expect_eq(rows(&b, 10, 1, 256), 0);
    cr_expect_eq(stats(&b)->options_records, 1);
    bench_end(&b);
}

static void options_head(uint16_t fields, uint16_t scope)
{
    begin(&m, 10, 0, 1);
    set(&m, 3);
    put(&m, 300, 2), put(&m, fields, 2), put(&m, scope, 2);
    for (unsigned i = 0; i < fields; i++)
        put(&m, 10, 2), put(&m, 4, 2);
    set_end(&m);
    data(256);
}

Test(rfc, X04_a_scope_count_of_0_or_beyond_the_fields_refuses_the_template)
{
    struct bench b = bench_new();
    told(&b, 10, 1, 256);
    options_head(2, 0);
    cr_expect(bench_send(&b, &m));
    options_head(2, 3);
    cr_expect(bench_send(&b, &m));
    cr_expect_eq(rejected(&b, WR_FLOW_REJECT_scope_count), 2);
    cr_expect_eq(b.vec.n, 2, "the rest of the message is read");
    options_head(2, 2);
    cr_expect(bench_send(&b, &m));
    cr_expect_eq(rejected(&b, WR_FLOW_REJECT_scope_count), 2);
    bench_end(&b);
}

/* An exporter's own account of what it lost (RFC 7011 4.1, 4.2), found by its elements wherever they stand. */
Test(rfc, X06_statistics_are_known_by_elements)
{
    for (int turned = 0; turned < 2; turned++) {
        struct bench b = bench_new();
        struct wr_buf out = {0};
        begin(&m, 10, 0, 1);
        if (turned)
            OPTIONS(&m, 999, 149, 4, 164, 8, 166, 8);
        else
            OPTIONS(&m, 300, 149, 4, 166, 4, 164, 2);
        set(&m, turned ? 999 : 300);
        put(&m, 1, 4);
        put(&m, turned ? 7 : 12, turned ? 8 : 4);
        put(&m, turned ? 12 : 7, turned ? 8 : 2);
        set_end(&m);
        cr_assert(bench_send(&b, &m));
        wr_flow_decoder_exporters(b.dec, b.now_ns, &out);
        wr_buf_char(&out, 0);
        cr_expect_not_null(strstr(out.data, "\"flowsNotSent\":12,\"packetsIgnored\":7,"), "%s", out.data);
        wr_buf_fini(&out);
        bench_end(&b);
    }
}

static int64_t start_of(struct bench *b, uint64_t ntp)
{
    begin(&m, 10, 0, 1);
    TEMPLATE(&m, 256, FLOW_FIELDS, 154, 8);
    set(&m, 256);
    add_flow(&m, 1, 2, 3, 25, 7);
    put(&m, ntp, 8);
    set_end(&m);
    cr_assert(bench_send(b, &m));
    return b->vec.at[b->vec.n - 1].start_ns;
}

Test(rfc, X09_the_low_11_bits_of_a_microsecond_fraction_mean_nothing)
{
    struct bench b = bench_new();
    uint64_t ntp = (uint64_t)(EXPORT_S - 10 + INT64_C(2208988800)) << 32 | 0x12345000;
    for (unsigned bit = 0; bit < 11; bit++)
        cr_expect_eq(start_of(&b, ntp), start_of(&b, ntp | 1u << bit), "bit %u", bit);
    cr_expect_neq(start_of(&b, ntp), start_of(&b, ntp | 1u << 13));
    bench_end(&b);
}

Test(rfc, X10_integers_shrink_and_nothing_else_does)
{
    static const struct {
        uint16_t id;
        bool shrinks;
        uint16_t full;
    } some[] = {{1, true, 8}, {7, true, 2}, {152, false, 8}, {8, false, 4}, {27, false, 16}, {56, false, 6},
                {150, false, 4}, {311, true, 8}};
    for (size_t e = 0; e < sizeof some / sizeof *some; e++) {
        for (uint16_t len = 1; len <= 17; len++) {
            struct bench b = bench_new();
            begin(&m, 10, 0, 1);
            TEMPLATE(&m, 256, 12, 4, some[e].id, len, 2, 4);
            set(&m, 256);
            put(&m, 5, 4);
            for (uint16_t i = 0; i < len; i++)
                put(&m, i + 1u == len ? 9 : 0, 1);
            put(&m, 3, 4);
            set_end(&m);
            cr_assert(bench_send(&b, &m));
            bool legal = some[e].id == 311 ? len == 4 || len == 8 : some[e].shrinks ? len <= 8 : len == some[e].full; /* 8: exporters send counters wider */
            cr_expect_eq(stats(&b)->field_len_illegal, !legal, "element %u length %u", some[e].id, len);
            cr_assert_eq(b.vec.n, 1);
            cr_expect_eq(b.vec.at[0].packets[0], 3, "the field behind it is where it is");
            if (some[e].id == 1)
                cr_expect_eq(b.vec.at[0].octets[0], legal ? 9 : 0);
            bench_end(&b);
        }
    }
}

Test(rfc, X11_variable_lengths_in_both_forms)
{
    static const uint32_t lengths[] = {0, 1, 2, 100, 253, 254, 255, 256, 1000, 65000};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (int longer = 0; longer < 2; longer++) {
            if (!longer && lengths[i] > 254)
                continue;
            struct bench b = bench_new();
            begin(&m, 10, 0, 1);
            TEMPLATE(&m, 256, 371, 65535, FLOW_FIELDS);
            set(&m, 256);
            if (longer)
                put(&m, 255, 1), put(&m, lengths[i], 2);
            else
                put(&m, lengths[i], 1);
            for (uint32_t k = 0; k < lengths[i]; k++)
                put(&m, 'x', 1);
            add_flow(&m, 1, 2, 3, 25, 7);
            set_end(&m);
            cr_expect(bench_send(&b, &m));
            cr_expect(b.vec.n == 1 && b.vec.at[0].octets[0] == 7, "length %u", lengths[i]);
            bench_end(&b);
        }
}

#define SECONDS(n) ((n) * INT64_C(1000000000))
Test(rfc, X12_over_udp_a_template_lives_three_times_its_refresh)
{
    struct bench b = bench_new();
    told(&b, 10, 1, 256);
    b.now_ns += SECONDS(1800); /* the refresh: half an hour */
    told(&b, 10, 1, 256);
    b.now_ns += SECONDS(5399);
    cr_expect_eq(rows(&b, 10, 1, 256), 1, "a second before");
    b.now_ns += SECONDS(2);
    cr_expect_eq(rows(&b, 10, 1, 256), 0, "a second after");
    cr_expect_eq(stats(&b)->templates_expired, 1);
    cr_expect_eq(stats(&b)->sets_held, 1);
    told(&b, 10, 1, 256);
    cr_expect_eq(stats(&b)->sets_released, 1);
    b.now_ns += SECONDS(60); /* a short refresh: an hour all the same */
    told(&b, 10, 1, 256);
    b.now_ns += SECONDS(3599);
    cr_expect_eq(rows(&b, 10, 1, 256), 1);
    b.now_ns += SECONDS(2);
    cr_expect_eq(rows(&b, 10, 1, 256), 0);
    b.peer.session = 9; /* over TCP it lives as long as the session */
    told(&b, 10, 1, 256);
    b.now_ns += SECONDS(60);
    told(&b, 10, 1, 256);
    b.now_ns += SECONDS(86400);
    cr_expect_eq(rows(&b, 10, 1, 256), 1);
    bench_end(&b);
}

Test(rfc, X13_templates_of_a_closed_session_never_decode_the_next)
{
    struct bench b = bench_new();
    b.peer.session = 1;
    told(&b, 10, 1, 256);
    cr_expect_eq(rows(&b, 10, 1, 256), 1);
    wr_flow_session_end(b.dec, &b.peer);
    b.peer.session = 2;
    cr_expect_eq(rows(&b, 10, 1, 256), 0);
    bench_end(&b);
}

Test(rfc, X14_repeated_elements_are_all_decoded_in_order)
{
    struct bench b = bench_new();
    struct wr_buf out = {0};
    begin(&m, 10, 0, 1);
    TEMPLATE(&m, 256, 8, 4, 8, 4, 8, 4, 1, 4);
    set(&m, 256);
    put(&m, 0x0a000001, 4), put(&m, 0x0a000002, 4), put(&m, 0x0a000003, 4), put(&m, 7, 4);
    set_end(&m);
    cr_assert(wr_flow_decode_json(b.dec, &b.peer, m.at, m.len, b.now_ns, &out));
    wr_buf_char(&out, 0);
    cr_expect_not_null(strstr(out.data, "\"sourceIPv4Address\":[\"10.0.0.1\",\"10.0.0.2\",\"10.0.0.3\"]"));
    wr_buf_fini(&out);
    bench_end(&b);
}

Test(rfc, X15_ids_belong_to_a_domain_and_session)
{
    struct bench b = bench_new();
    uint64_t want = 0;
    for (unsigned i = 0; i < 4; i++) { /* 2 domains x 2 sessions, 4 layouts of one id */
        b.peer.session = 1 + i / 2;
        begin(&m, 10, 0, i % 2);
        TEMPLATE(&m, 256, 210, i + 1, FLOW_FIELDS);
        cr_assert(bench_send(&b, &m));
    }
    for (unsigned i = 0; i < 4; i++) {
        b.peer.session = 1 + i / 2;
        begin(&m, 10, 0, i % 2);
        set(&m, 256);
        put(&m, 0xffffffff, i + 1);
        add_flow(&m, 100 + i, 2, 3, 25, 7);
        set_end(&m);
        cr_assert(bench_send(&b, &m));
        cr_assert_eq(b.vec.n, ++want);
        cr_expect_eq(b.vec.at[i].src[3], 100 + i);
    }
    bench_end(&b);
}

static void withdraw(uint16_t id, bool options)
{
    set(&m, options ? 3 : 2);
    put(&m, id, 2), put(&m, 0, 2);
    set_end(&m);
}

Test(rfc, X16_X17_X18_withdrawals_count_over_tcp_in_message_order)
{
    struct bench b = bench_new();
    b.peer.session = 1;
    told(&b, 10, 1, 256);
    told(&b, 10, 1, 257);
    begin(&m, 10, 0, 1);
    data(256);
    withdraw(256, false);
    withdraw(999, false); /* X17: unknown */
    data(257);
    TEMPLATE(&m, 256, 210, 3, FLOW_FIELDS);
    set(&m, 256);
    put(&m, 0, 3);
    add_flow(&m, 1, 2, 3, 25, 8);
    set_end(&m);
    cr_assert(bench_send(&b, &m));
    cr_assert_eq(b.vec.n, 3);
    cr_expect_eq(b.vec.at[2].octets[0], 8);
    begin(&m, 10, 0, 1);
    withdraw(2, false); /* all data templates */
    cr_assert(bench_send(&b, &m));
    cr_expect_eq(rows(&b, 10, 1, 256), 0);
    cr_expect_eq(rows(&b, 10, 1, 257), 0);
    bench_end(&b);
}

Test(rfc, X19_withdrawals_over_udp_are_ignored)
{
    struct bench b = bench_new();
    told(&b, 10, 1, 256);
    begin(&m, 10, 0, 1);
    withdraw(256, false);
    withdraw(2, false);
    cr_assert(bench_send(&b, &m));
    cr_expect_eq(rows(&b, 10, 1, 256), 1);
    bench_end(&b);
}

Test(rfc, X20_N04_a_new_definition_replaces_at_once)
{
    for (uint16_t version = 9; version <= 10; version++) {
        struct bench b = bench_new();
        told(&b, version, 1, 256);
        begin(&m, version, 0, 1);
        TEMPLATE(&m, 256, 210, 2, FLOW_FIELDS);
        set(&m, 256);
        put(&m, 0, 2);
        add_flow(&m, 9, 2, 3, 25, 7);
        set_end(&m);
        cr_assert(bench_send(&b, &m));
        cr_assert_eq(b.vec.n, 1);
        cr_expect_eq(b.vec.at[0].src[3], 9);
        cr_expect_eq(stats(&b)->templates_changed, 1);
        bench_end(&b);
    }
}

Test(rfc, X23_unknown_elements_are_noted_and_stepped_over)
{
    struct bench b = bench_new();
    begin(&m, 10, 0, 1);
    TEMPLATE(&m, 256, VENDOR(4711, 1), 5, FLOW_FIELDS, VENDOR(4711, 2), 65535, 2, 4);
    set(&m, 256);
    put(&m, 0xffffffffff, 5);
    add_flow(&m, 1, 2, 3, 25, 7);
    put(&m, 2, 1), put(&m, 0xffff, 2), put(&m, 3, 4);
    set_end(&m);
    cr_assert(bench_send(&b, &m));
    cr_assert_eq(b.vec.n, 1);
    cr_expect(b.vec.at[0].octets[0] == 7 && b.vec.at[0].packets[0] == 3);
    cr_expect_eq(stats(&b)->unknown_ie, 2);
    bench_end(&b);
}

Test(rfc, X24_N07_padding_of_any_octets_in_data_and_template_sets)
{
    for (uint16_t version = 9; version <= 10; version++)
        for (unsigned pad = 1; pad < FLOW_LEN; pad++)
            for (int ones = 0; ones < 2; ones++) {
                struct bench b = bench_new();
                told(&b, version, 1, 256);
                begin(&m, version, 0, 1);
                set(&m, 256);
                add_flow(&m, 1, 2, 3, 25, 7);
                for (unsigned i = 0; i < pad; i++)
                    put(&m, ones ? 0xff : 0, 1);
                set_end(&m);
                cr_assert(bench_send(&b, &m));
                cr_expect_eq(b.vec.n, 1, "%u octets", pad);
                begin(&m, version, 0, 1);
                set(&m, version == 9 ? 0 : 2);
                put(&m, 257, 2), put(&m, 1, 2), put(&m, 8, 2), put(&m, 4, 2);
                for (unsigned i = 0; i < pad && i < 3; i++)
                    put(&m, ones ? 0xff : 0, 1);
                set_end(&m);
                data(256);
                cr_assert(bench_send(&b, &m));
                cr_expect_eq(b.vec.n, 2);
                cr_expect_eq(stats(&b)->templates, 2);
                bench_end(&b);
            }
}

Test(rfc, X25_sequence_numbers_tell_loss_and_one_forged_number_does_not_blind)
{
    struct bench b = bench_new();
    told(&b, 10, 1, 256);
    static const uint32_t seq[] = {0, 1, 2, 5, 6, 1u << 30, 7, 8};
    for (size_t i = 0; i < sizeof seq / sizeof *seq; i++) {
        begin(&m, 10, seq[i], 1);
        data(256);
        cr_assert(bench_send(&b, &m));
    }
    cr_expect_eq(stats(&b)->seq_lost, 2);
    cr_expect_eq(stats(&b)->seq_reset, 0);
    for (uint32_t i = 0; i < 4; i++) { /* a restart is believed when it goes on */
        begin(&m, 10, (1u << 30) + i, 1);
        data(256);
        cr_assert(bench_send(&b, &m));
    }
    cr_expect_eq(stats(&b)->seq_reset, 1);
    bench_end(&b);
}

static void good_then(void)
{
    begin(&m, 10, 0, 1);
    TEMPLATE(&m, 256, FLOW_FIELDS);
    data(256);
}

static void nothing_kept(struct bench *b, enum wr_flow_reject why)
{
    uint64_t before = rejected(b, why);
    cr_expect_not(bench_send(b, &m));
    cr_expect_eq(rejected(b, why), before + 1, "%s", wr_flow_reject_name(why));
    cr_expect_eq(b->vec.n, 0);
    cr_expect_eq(stats(b)->templates, 0);
}

Test(rfc, X26_a_malformed_message_is_discarded_whole)
{
    struct bench b = bench_new();
    good_then();
    set(&m, 256); /* a set past the message */
    set_end(&m);
    m.at[m.len - 1] = 5;
    nothing_kept(&b, WR_FLOW_REJECT_set_length);
    good_then();
    set(&m, 256);
    set_end(&m);
    m.at[m.len - 1] = 3; /* and one shorter than its header */
    nothing_kept(&b, WR_FLOW_REJECT_set_length);
    begin(&m, 10, 0, 1);
    TEMPLATE(&m, 256, FLOW_FIELDS, 371, 65535);
    set(&m, 256);
    add_flow(&m, 1, 2, 3, 25, 7);
    put(&m, 9, 1); /* nine octets that are not there */
    set_end(&m);
    nothing_kept(&b, WR_FLOW_REJECT_varlen);
    good_then();
    m.at[1] = 11;
    nothing_kept(&b, WR_FLOW_REJECT_version);
    good_then();
    m.at[2] = 0, m.at[3] = 15;
    nothing_kept(&b, WR_FLOW_REJECT_length);
    good_then();
    m.len -= 3;
    nothing_kept(&b, WR_FLOW_REJECT_truncated);
    bench_end(&b);
}

Test(rfc, X29_messages_up_to_65535_octets)
{
    struct bench b = bench_new();
    told(&b, 10, 1, 256);
    begin(&m, 10, 0, 1);
    set(&m, 256);
    while (m.len + FLOW_LEN <= 65535)
        add_flow(&m, 1, 2, 3, 25, 7);
    while (m.len < 65535)
        put(&m, 0, 1);
    set_end(&m);
    cr_assert(bench_send(&b, &m));
    cr_expect_eq(b.vec.n, (65535 - 20) / FLOW_LEN);
    bench_end(&b);
}

Test(rfc, X30_no_state_moves_between_transports)
{
    struct bench b = bench_new();
    b.peer.session = 4;
    told(&b, 10, 1, 256);
    b.peer.session = 0;
    cr_expect_eq(rows(&b, 10, 1, 256), 0);
    bench_end(&b);
}

Test(rfc, N02_N03_the_flowset_id_selects_the_template_of_its_source_id)
{
    struct bench b = bench_new();
    told(&b, 9, 1, 256);
    begin(&m, 9, 0, 2); /* another source, another layout of the same id */
    TEMPLATE(&m, 256, 210, 4, FLOW_FIELDS);
    cr_assert(bench_send(&b, &m));
    cr_expect_eq(rows(&b, 9, 1, 256), 1, "kept for later packets");
    begin(&m, 9, 0, 2);
    set(&m, 256);
    put(&m, 0, 4);
    add_flow(&m, 9, 2, 3, 25, 7);
    set_end(&m);
    cr_assert(bench_send(&b, &m));
    cr_assert_eq(b.vec.n, 2);
    cr_expect_eq(b.vec.at[1].src[3], 9);
    bench_end(&b);
}

/* N06: three packets - template A, template B, data of both - in every order. */
Test(rfc, N06_templates_and_data_apart_in_any_order)
{
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (int o = 0; o < 6; o++) {
        struct bench b = bench_new();
        for (int i = 0; i < 3; i++) {
            begin(&m, 9, (uint32_t)i, 1);
            if (orders[o][i] == 0)
                TEMPLATE(&m, 256, FLOW_FIELDS);
            else if (orders[o][i] == 1)
                TEMPLATE(&m, 257, FLOW_FIELDS);
            else
                data(256), data(257);
            cr_assert(bench_send(&b, &m));
        }
        cr_expect_eq(b.vec.n, 2, "order %d", o);
        bench_end(&b);
    }
}

Test(rfc, N10_records_without_octets_are_refused_and_uptime_wraps)
{
    struct bench b = bench_new();
    begin(&m, 9, 0, 1);
    TEMPLATE(&m, 256, 8, 0, 12, 0);
    cr_assert(bench_send(&b, &m));
    cr_expect_eq(rejected(&b, WR_FLOW_REJECT_template_empty), 1);
    begin(&m, 9, 0, 1);
    TEMPLATE(&m, 256, FLOW_FIELDS, 22, 4, 21, 4);
    set(&m, 256);
    add_flow(&m, 1, 2, 3, 25, 7);
    put(&m, UINT32_MAX - 999, 4); /* a second before the clock of 49.7 days began anew */
    put(&m, 1000, 4);
    set_end(&m);
    m.at[4] = m.at[5] = 0, m.at[6] = 0x13, m.at[7] = 0x88; /* uptime 5 s */
    cr_assert(bench_send(&b, &m));
    cr_assert_eq(b.vec.n, 1);
    cr_expect_eq(b.vec.at[0].start_ns, SECONDS((int64_t)EXPORT_S) - SECONDS(6));
    cr_expect_eq(b.vec.at[0].end_ns, SECONDS((int64_t)EXPORT_S) - SECONDS(4));
    bench_end(&b);
}

Test(rfc, B01_reverse_elements_give_the_other_direction)
{
    struct bench b = bench_new();
    begin(&m, 10, 0, 1);
    TEMPLATE(&m, 256, FLOW_FIELDS, VENDOR(29305, 1), 4, VENDOR(29305, 2), 4);
    TEMPLATE(&m, 257, VENDOR(29305, 8), 4, VENDOR(29305, 1), 4); /* nothing forward: no flow */
    set(&m, 256);
    add_flow(&m, 1, 2, 3, 25, 7);
    put(&m, 70, 4), put(&m, 8, 4);
    set_end(&m);
    set(&m, 257);
    put(&m, 1, 4), put(&m, 2, 4);
    set_end(&m);
    cr_assert(bench_send(&b, &m));
    cr_assert_eq(b.vec.n, 1);
    cr_expect(b.vec.at[0].flags & WR_FLOW_BIFLOW);
    cr_expect(b.vec.at[0].octets[1] == 70 && b.vec.at[0].packets[1] == 8);
    bench_end(&b);
}

/* RFC 5471 3.6.4: template 257 with field count 2 and one specifier, at every length of its set. */
Test(rfc, X26_a_template_that_promises_more_fields_than_its_set_holds)
{
    for (unsigned cut = 0; cut < 4; cut++) {
        struct bench b = bench_new();
        begin(&m, 10, 0, 1);
        set(&m, 2);
        put(&m, 257, 2), put(&m, 2, 2), put(&m, 8, 2), put(&m, 4, 2);
        for (unsigned i = 0; i < cut; i++)
            put(&m, 0, 1);
        set_end(&m);
        (void)bench_send(&b, &m);
        cr_expect_eq(stats(&b)->templates, 0);
        cr_expect_eq(rejected(&b, WR_FLOW_REJECT_template_fields), 1);
        bench_end(&b);
    }
}
