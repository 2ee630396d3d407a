/* Demands of RFC 7011 again, each where a decoder that was broken on purpose passed the test of its
 * number in test_rfc.c. */
#include "complaints.h"

static const struct wr_flow_stats *stats(const struct bench *b)
{
    return wr_flow_decoder_stats(b->dec);
}

static void withdraw(uint16_t id, bool options)
{
    set(&m, options ? 3 : 2);
    put(&m, id, 2), put(&m, 0, 2);
    set_end(&m);
}

/* Also where records are walked one by one: as JSON, and in sets that waited. */
Test(rfc_strict, X11_variable_lengths_in_both_forms_in_json_and_in_held_sets)
{
    static const uint32_t lengths[] = {0, 1, 254, 255, 256, 65000};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (int longer = lengths[i] > 254; longer < 2; longer++) {
            struct bench b = bench_new();
            struct wr_buf out = {0};
            static struct message tmpl;
            begin(&tmpl, 10, 0, 1);
            TEMPLATE(&tmpl, 256, 371, 65535, FLOW_FIELDS);
            begin(&m, 10, 0, 1);
            set(&m, 256);
            put(&m, longer ? 255 : lengths[i], 1);
            if (longer)
                put(&m, lengths[i], 2);
            for (uint32_t k = 0; k < lengths[i]; k++)
                put(&m, 'x', 1);
            add_flow(&m, 1, 2, 3, 25, 7);
            set_end(&m);
            cr_assert(bench_send(&b, &m)); /* waits */
            cr_assert(bench_send(&b, &tmpl));
            cr_assert_eq(b.vec.n, 1, "length %u", lengths[i]);
            cr_expect_eq(b.vec.at[0].octets[0], 7);
            cr_assert(wr_flow_decode_json(b.dec, &b.peer, m.at, m.len, b.now_ns, &out));
            wr_buf_char(&out, 0);
            cr_expect(strstr(out.data, "\"octetDeltaCount\":7"), "length %u: %.200s", lengths[i],
                      out.data);
            wr_buf_fini(&out);
            bench_end(&b);
        }
}

Test(rfc_strict, X13_what_a_closed_session_had_is_freed)
{
    struct bench b = bench_new();
    size_t bytes = 0;
    for (uint64_t session = 1; session <= 1000; session++) {
        b.peer.session = session;
        told(&b, 0);
        cr_expect_eq(rows(&b, 0), 1);
        begin(&m, 10, 1, 1);
        set(&m, 300); /* waits for ever */
        put(&m, 1, 4);
        set_end(&m);
        cr_assert(bench_send(&b, &m));
        wr_flow_session_end(b.dec, &b.peer);
        bytes = bytes ? bytes : template_bytes(b.dec);
    }
    cr_expect_eq(template_bytes(b.dec), bytes);
    cr_expect_eq(stats(&b)->sets_dropped, 1000);
    bench_end(&b);
}

Test(rfc_strict, X16_a_withdrawal_ends_its_template_alone_and_an_all_withdrawal_its_kind_alone)
{
    struct bench b = bench_new();
    b.peer.session = 1;
    told(&b, 0);
    begin(&m, 10, 0, 1);
    TEMPLATE(&m, 257, FLOW_FIELDS);
    OPTIONS(&m, 300, 149, 4, 41, 8); /* exportedMessageTotalCount */
    cr_assert(bench_send(&b, &m));
    begin(&m, 10, 0, 1);
    withdraw(256, false);
    cr_assert(bench_send(&b, &m));
    cr_expect_eq(rows(&b, 0), 0, "withdrawn");
    for (int all = 0; all < 2; all++) {
        begin(&m, 10, 0, 1);
        set(&m, 257);
        add_flow(&m, 1, 2, 3, 25, 7);
        set_end(&m);
        set(&m, 300);
        put(&m, 1, 4), put(&m, 2, 8);
        set_end(&m);
        uint32_t before = b.vec.n;
        uint64_t options = stats(&b)->options_records;
        cr_assert(bench_send(&b, &m));
        cr_expect_eq(b.vec.n - before, all == 0);
        cr_expect_eq(stats(&b)->options_records - options, 1);
        begin(&m, 10, 0, 1);
        withdraw(2, false); /* the other kind stays */
        cr_assert(bench_send(&b, &m));
    }
    bench_end(&b);
}

/* Octets at a set's end that are no record are padding, whatever they hold: nothing is refused for
 * them. */
Test(rfc_strict, X24_padding_of_template_sets_is_no_broken_template)
{
    for (uint16_t version = 9; version <= 10; version++)
        for (unsigned pad = 1; pad <= 16; pad++)
            for (int ones = 0; ones < (pad < 4 ? 2 : 1); ones++) {
                struct bench b = bench_new();
                begin(&m, version, 0, 1);
                set(&m, version == 9 ? 0 : 2);
                put(&m, 256, 2), put(&m, 1, 2), put(&m, 8, 2), put(&m, 4, 2);
                for (unsigned i = 0; i < pad; i++)
                    put(&m, ones ? 0xff : 0, 1);
                set_end(&m);
                cr_assert(bench_send(&b, &m));
                cr_expect_eq(stats(&b)->templates, 1);
                for (int why = 0; why < WR_FLOW_NREJECTS; why++)
                    cr_expect_eq(rejected(&b, (enum wr_flow_reject)why), 0, "v%u, %u octets: %s",
                                 version, pad, wr_flow_reject_name((enum wr_flow_reject)why));
                bench_end(&b);
            }
}

Test(rfc_strict, X25_late_and_doubled_messages_are_no_loss)
{
    static const uint32_t seq[] = {0, 1, 3, 2, 4, 4, 5, 1, 6};
    struct bench b = bench_new();
    told(&b, 0);
    for (size_t i = 0; i < sizeof seq / sizeof *seq; i++)
        cr_expect_eq(rows(&b, seq[i]), 1);
    cr_expect_eq(stats(&b)->seq_lost, 1, "2 was missing when 3 came");
    cr_expect_eq(stats(&b)->seq_dup, 3, "2, 4 and 1 came late or twice");
    cr_expect_eq(stats(&b)->seq_reset, 0);
    bench_end(&b);
}

Test(rfc_strict, X26_octets_behind_the_last_set_discard_the_message)
{
    for (unsigned more = 1; more < 4; more++) {
        struct bench b = bench_new();
        begin(&m, 10, 0, 1);
        TEMPLATE(&m, 256, FLOW_FIELDS);
        put(&m, 0, more);
        m.at[3] = (uint8_t)m.len;
        cr_expect_not(bench_send(&b, &m), "%u octets", more);
        cr_expect_eq(rejected(&b, WR_FLOW_REJECT_set_length), 1);
        cr_expect_eq(stats(&b)->templates, 0);
        bench_end(&b);
    }
}

/* A stream is cut into messages of any length that a header may say, and waits for the rest. */
Test(rfc_strict, X29_frames_up_to_65535_octets)
{
    static const uint16_t lengths[] = {16, 17, 256, 65534, 65535};
    static uint8_t bytes[65536] = {0, 10};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        bytes[2] = (uint8_t)(lengths[i] >> 8), bytes[3] = (uint8_t)lengths[i];
        cr_expect_eq(wr_flow_frame(bytes, lengths[i]), lengths[i]);
        cr_expect_eq(wr_flow_frame(bytes, sizeof bytes), lengths[i]);
        cr_expect_eq(wr_flow_frame(bytes, lengths[i] - 1U), 0, "one octet is to come");
    }
    bytes[2] = 0, bytes[3] = 15;
    cr_expect_eq(wr_flow_frame(bytes, sizeof bytes), -1);
}

Test(rfc_strict, X30_no_state_moves_from_udp_to_a_session_either)
{
    struct bench b = bench_new();
    told(&b, 0);
    b.peer.session = 4;
    cr_expect_eq(rows(&b, 0), 0);
    cr_expect_eq(stats(&b)->sets_held, 1);
    bench_end(&b);
}
