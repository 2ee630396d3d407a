/* What RFC 7011 and RFC 5103 recommend, a test for each; what they demand is in test_rfc.c. Section
 * numbers in the names. */
#include "message.h"

static struct message m;
#define SECONDS(n) ((n)*INT64_C(1000000000))

static const struct wr_flow_stats *stats(const struct bench *b)
{
    return wr_flow_decoder_stats(b->dec);
}

static void told(struct bench *b, uint16_t id)
{
    begin(&m, 10, 0, 1);
    TEMPLATE(&m, id, FLOW_FIELDS);
    cr_assert(bench_send(b, &m));
}

static uint32_t rows(struct bench *b, uint16_t id)
{
    uint32_t before = b->vec.n;
    begin(&m, 10, 0, 1);
    set(&m, id);
    add_flow(&m, 1, 2, 3, 25, 7);
    set_end(&m);
    cr_assert(bench_send(b, &m));
    return b->vec.n - before;
}

/* Every element that 3.4.2.1 names as a scope, alone and as the second of two, scopes a sampling
 * rate. */
Test(should, s3_4_2_1_scopes_of_every_kind)
{
    static const uint16_t scopes[][2] = {{141, 4}, {142, 4}, {143, 4}, {144, 4},  {145, 2},
                                         {148, 8}, {149, 4}, {130, 4}, {131, 16}, {138, 8},
                                         {173, 8}, {434, 1}, {303, 2}, {10, 4},   {302, 2}};
    for (size_t i = 0; i < sizeof scopes / sizeof *scopes; i++) {
        for (unsigned nscope = 1; nscope <= 2; nscope++) {
            struct bench b = bench_new();
            bool narrow = scopes[i][0] == 10 ||
                          scopes[i][0] == 302; /* an interface, a selector: of no row here */
            told(&b, 256);
            begin(&m, 10, 0, 1);
            set(&m, 3);
            put(&m, 300, 2), put(&m, nscope + 1, 2), put(&m, nscope, 2);
            if (nscope == 2)
                put(&m, 149, 2), put(&m, 4, 2);
            put(&m, scopes[i][0], 2), put(&m, scopes[i][1], 2);
            put(&m, 34, 2), put(&m, 4, 2);
            set_end(&m);
            set(&m, 300);
            if (nscope == 2)
                put(&m, 1, 4);
            for (uint16_t k = 0; k < scopes[i][1]; k++)
                put(&m, 1, 1);
            put(&m, 10, 4);
            set_end(&m);
            cr_assert(bench_send(&b, &m));
            cr_expect_eq(stats(&b)->options_records, 1, "scope %u", scopes[i][0]);
            cr_assert_eq(rows(&b, 256), 1);
            cr_expect_eq(b.vec.at[0].sampling, narrow ? 1 : 10, "scope %u", scopes[i][0]);
            bench_end(&b);
        }
    }
}

static struct wr_flow at_time(int64_t now_s, uint32_t export_s, uint16_t id, uint64_t value,
                              unsigned len)
{
    struct bench b = bench_new();
    b.now_ns = SECONDS(now_s);
    begin(&m, 10, 0, 1);
    TEMPLATE(&m, 256, FLOW_FIELDS, id, len);
    set(&m, 256);
    add_flow(&m, 1, 2, 3, 25, 7);
    put(&m, value, len);
    set_end(&m);
    for (int i = 0; i < 4; i++)
        m.at[4 + i] = (uint8_t)(export_s >> 8 * (3 - i));
    cr_assert(bench_send(&b, &m));
    cr_assert_eq(b.vec.n, 1);
    struct wr_flow f = b.vec.at[0];
    bench_end(&b);
    return f;
}

/* Export time and dateTimeSeconds begin anew on 2106-02-07, NTP's seconds on 2036-02-07. */
Test(should, s5_2_clocks_that_wrap_in_2036_and_2106)
{
    const int64_t wrap = INT64_C(1) << 32, ntp_wrap = INT64_C(2085978496);
    for (int64_t now = wrap - 100; now <= wrap + 100; now += 40) {
        struct wr_flow f = at_time(now, (uint32_t)now, 150, (uint32_t)(now - 30), 4);
        cr_expect_eq(f.export_ns, SECONDS(now));
        cr_expect_eq(f.start_ns, SECONDS(now - 30), "%lld", (long long)(now - wrap));
        f = at_time(now + 90, (uint32_t)now, 150, (uint32_t)(now - 30), 4);
        cr_expect_eq(f.export_ns, SECONDS(now), "sent before, arrived after");
    }
    for (int64_t now = ntp_wrap - 100; now <= ntp_wrap + 100; now += 40) {
        uint64_t ntp = (uint64_t)((now - 30 + INT64_C(2208988800)) & UINT32_MAX) << 32;
        struct wr_flow f = at_time(now, (uint32_t)now, 156, ntp, 8);
        cr_expect_eq(f.start_ns, SECONDS(now - 30), "%lld", (long long)(now - ntp_wrap));
    }
    cr_expect_eq(at_time(1800000000, 100, 150, 70, 4).export_ns, SECONDS(1800000000),
                 "a clock that was never set");
}

/* 6.1.6 says what is not UTF-8 should be refused; what can be read of it is worth more, so it is
 * repaired. */
Test(should, s6_1_6_text_that_is_no_utf8_stays_readable)
{
    struct bench b = bench_new();
    struct wr_buf out = {0};
    begin(&m, 10, 0, 1);
    TEMPLATE(&m, 256, FLOW_FIELDS, 371, 5);
    set(&m, 256);
    add_flow(&m, 1, 2, 3, 25, 7);
    put(&m, 0x61ff62c3, 4), put(&m, 0x28, 1);
    set_end(&m);
    cr_assert(wr_flow_decode_json(b.dec, &b.peer, m.at, m.len, b.now_ns, &out));
    cr_expect(wr_utf8_valid(out.data, out.len));
    wr_buf_char(&out, 0);
    cr_expect_not_null(strstr(out.data, "\"userName\":\"a\xef\xbf\xbd"), "%s", out.data);
    wr_buf_fini(&out);
    bench_end(&b);
}

/* 8.1: over TCP a template is not redefined without a withdrawal. Some exporters do; it counts, and
 * the new one holds. */
Test(should, s8_1_a_redefinition_over_tcp_is_counted)
{
    struct bench b = bench_new();
    b.peer.session = 1;
    told(&b, 256);
    begin(&m, 10, 0, 1);
    TEMPLATE(&m, 256, 210, 2, FLOW_FIELDS);
    set(&m, 256);
    put(&m, 0, 2);
    add_flow(&m, 9, 2, 3, 25, 7);
    set_end(&m);
    cr_assert(bench_send(&b, &m));
    cr_expect_eq(stats(&b)->templates_changed, 1);
    cr_assert_eq(b.vec.n, 1);
    cr_expect_eq(b.vec.at[0].src[3], 9);
    bench_end(&b);
}

static void untold_data(struct bench *b, uint32_t domain)
{
    begin(&m, 10, 0, domain);
    set(&m, 256);
    add_flow(&m, 9, 2, 3, 25, 7);
    set_end(&m);
    cr_assert(bench_send(b, &m));
}

/* RFC 5153 3.1: what sends data over TCP and tells no template is to be closed, after the minute that data wait; what
 * told one, in any domain, or sent no data, is not. */
Test(should, rfc5153_3_1_a_session_that_tells_no_template)
{
    struct bench b = bench_new();
    b.peer.session = 7;
    cr_expect_not(wr_flow_session_untold(b.dec, &b.peer, b.now_ns + SECONDS(3600)), "nothing was sent");
    untold_data(&b, 1);
    cr_expect_not(wr_flow_session_untold(b.dec, &b.peer, b.now_ns + SECONDS(60)));
    cr_expect(wr_flow_session_untold(b.dec, &b.peer, b.now_ns + SECONDS(61)));
    struct wr_flow_peer other = b.peer;
    other.session = 8;
    cr_expect_not(wr_flow_session_untold(b.dec, &other, b.now_ns + SECONDS(61)), "another connection");
    other.session = 0;
    cr_expect_not(wr_flow_session_untold(b.dec, &other, b.now_ns + SECONDS(61)), "datagrams have no session");
    told(&b, 300);
    cr_expect_not(wr_flow_session_untold(b.dec, &b.peer, b.now_ns + SECONDS(3600)), "it told another one");
    untold_data(&b, 2);
    cr_expect_not(wr_flow_session_untold(b.dec, &b.peer, b.now_ns + SECONDS(3600)), "in another domain");
    bench_end(&b);
}

/* 8.4, RFC 5153 6.2: until the refresh is known a template lives for ever, and never shorter than
 * an hour. */
Test(should, s8_4_a_lifetime_before_the_refresh_is_known)
{
    struct bench b = bench_new();
    told(&b, 256);
    b.now_ns += SECONDS(86400);
    cr_expect_eq(rows(&b, 256), 1);
    bench_end(&b);
}

/* 9.1: nonsense in a row costs its sender nothing but itself: whoever can forge an address must not
 * be able to mute it. */
Test(should, s9_1_an_exporter_is_not_muted_by_what_comes_under_its_address)
{
    struct bench b = bench_new();
    told(&b, 256);
    for (int i = 0; i < 1000; i++) {
        begin(&m, 10, 0, 1);
        set(&m, 256);
        put(&m, 0, 3);
        set_end(&m);
        m.at[m.set + 3] = 200;
        cr_expect_not(bench_send(&b, &m));
    }
    cr_expect_eq(rows(&b, 256), 1);
    cr_expect_eq(rejected(&b, WR_FLOW_REJECT_set_length), 1000);
    bench_end(&b);
}

/* 9.3: over UDP data may come before its template: see templates.data_wait_for_their_template; here
 * that what waits too long is given up. */
Test(should, s9_3_data_wait_a_minute_for_their_template)
{
    struct bench b = bench_new();
    cr_expect_eq(rows(&b, 256), 0);
    b.now_ns += SECONDS(30);
    cr_expect_eq(rows(&b, 256), 0);
    b.now_ns += SECONDS(31);
    told(&b, 256);
    cr_expect_eq(b.vec.n, 1);
    cr_expect_eq(stats(&b)->sets_dropped, 1);
    bench_end(&b);
}

/* RFC 5103 4: counters of the reverse direction in a record that has no direction - one end only,
 * or none. */
Test(should, B01_reverse_elements_without_a_directional_key_are_dropped)
{
    static const uint32_t keys[][2] = {{0, 0}, {4, 1}, {10, 4}, {80, 6}, {58, 2}};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct bench b = bench_new();
        uint32_t fields[] = {1, 4, VENDOR(29305, 1), 4, keys[i][0], keys[i][1]};
        begin(&m, 10, 0, 1);
        add_template(&m, 256, fields, keys[i][0] ? 3 : 2);
        set(&m, 256);
        put(&m, 10, 4), put(&m, 20, 4);
        for (uint32_t k = 0; k < keys[i][1]; k++)
            put(&m, 1, 1);
        set_end(&m);
        cr_assert(bench_send(&b, &m));
        cr_expect_eq(b.vec.n, 0, "key %u", keys[i][0]);
        cr_expect_eq(stats(&b)->not_flows, 1, "key %u: not counted", keys[i][0]);
        bench_end(&b);
    }
}
