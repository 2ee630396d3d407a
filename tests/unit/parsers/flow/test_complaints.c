/* What users of other collectors complained about, those that no other test covers; numbers are of
 * the table in tests/conformance.tsv. */
#include "complaints.h"

#include <malloc.h>

Test(complaints, c07_restart_and_expiry_of_one_exporter_touch_no_other)
{
    struct bench b = bench_new();
    struct wr_flow_peer one = peer_of(1, 2055), two = peer_of(2, 2055);
    b.peer = one;
    told(&b, 0);
    b.peer = two;
    told(&b, 0);
    for (uint32_t i = 0; i < 10; i++) {
        b.peer = one;
        cr_expect_eq(rows(&b, i), 1);
        b.peer = two;
        cr_expect_eq(rows(&b, i), 1);
    }
    b.peer = one; /* a restart: its numbers begin anew */
    for (uint32_t i = 0; i < 5; i++)
        cr_expect_eq(rows(&b, UINT32_C(3000000000) + i), 1);
    b.peer = two;
    cr_expect_eq(rows(&b, 10), 1);
    cr_expect_eq(wr_flow_decoder_stats(b.dec)->seq_reset, 1);
    cr_expect_eq(wr_flow_decoder_stats(b.dec)->seq_lost, 0);
    for (int refresh = 0; refresh < 2;
         refresh++) { /* the first one's template has a lifetime and ends, the other's goes on */
        b.now_ns += SECONDS(60);
        b.peer = one;
        told(&b, UINT32_C(3000000005));
    }
    for (int hour = 0; hour < 2; hour++) {
        b.now_ns += SECONDS(3000);
        b.peer = two;
        told(&b, 11);
    }
    b.peer = one;
    cr_expect_eq(rows(&b, UINT32_C(3000000005)), 0);
    b.peer = two;
    cr_expect_eq(rows(&b, 11), 1);
    cr_expect_eq(wr_flow_decoder_stats(b.dec)->templates_expired, 1);
    cr_expect(exporter_has(&b, "192.0.2.2", "\"sequenceLost\":0,"));
    bench_end(&b);
}

/* Five thousand exporters behind one domain and template id, two layouts: enough that some share a
 * bucket. */
Test(complaints, c05_exporters_are_told_apart_by_every_octet_of_their_address)
{
    enum { EXPORTERS = 5000 };
    struct bench b = bench_new();
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t x = 0; x < EXPORTERS; x++) {
            b.peer = peer_of(1, 2055);
            b.peer.addr[14] = (uint8_t)(x >> 8);
            b.peer.addr[15] = (uint8_t)x;
            begin(&m, 10, 0, 1);
            if (pass == 0 && x % 2)
                TEMPLATE(&m, 256, FLOW_FIELDS);
            else if (pass == 0)
                TEMPLATE(&m, 256, 12, 4, 8, 4, 7, 2, 11, 2, 4, 1, 1, 4);
            else {
                set(&m, 256);
                add_flow(&m, 1, 2, 3, 25, 7);
                set_end(&m);
            }
            cr_assert(bench_send(&b, &m));
        }
    cr_assert_eq(b.vec.n, EXPORTERS);
    for (uint32_t x = 0; x < EXPORTERS; x++) {
        cr_assert_eq(b.vec.at[x].src[3], x % 2 ? 1 : 2, "exporter %u", x);
        cr_assert_eq(b.vec.at[x].exporter[15], (uint8_t)x);
    }
    cr_expect_eq(wr_flow_decoder_stats(b.dec)->templates_changed, 0);
    bench_end(&b);
}

/* A template in a message of IPFIX or v9 that was sent `later` seconds after the usual time. */
static void at_time(struct bench *b, uint16_t version, uint32_t later)
{
    const size_t secs = version == 9 ? 8 : 4;
    for (int i = 0; i < 4; i++) {
        m.at[secs + (size_t)i] = (uint8_t)((EXPORT_S + later) >> (24 - 8 * i));
        if (version == 9)
            m.at[4 + i] = (uint8_t)((UPTIME_MS + later * 1000) >> (24 - 8 * i));
    }
    cr_assert(bench_send(b, &m));
}

Test(complaints, c06_held_data_keep_the_time_of_their_own_message)
{
    for (uint16_t version = 9; version <= 10; version++) {
        struct bench b = bench_new();
        begin(&m, version, 0, 1);
        set(&m, 256);
        add_flow(&m, 1, 2, 3, 25, 7);
        put(&m, version == 9 ? UPTIME_MS - 400 : 400000,
            4); /* uptime, or microseconds before the export */
        set_end(&m);
        at_time(&b, version, 0);
        cr_assert_eq(b.vec.n, 0);
        begin(&m, version, 1, 1);
        TEMPLATE(&m, 256, FLOW_FIELDS, version == 9 ? 22 : 158, 4);
        b.now_ns += SECONDS(30);
        at_time(&b, version, 30);
        cr_assert_eq(b.vec.n, 1);
        cr_expect_eq(b.vec.at[0].start_ns, SECONDS(EXPORT_S) - 400 * INT64_C(1000000),
                     "v%u: %ld ms off", version,
                     (long)((b.vec.at[0].start_ns - SECONDS(EXPORT_S)) / 1000000 + 400));
        cr_expect_eq(b.vec.at[0].export_ns, SECONDS(EXPORT_S));
        bench_end(&b);
    }
}

/* What was stored at the last stop is history once the exporter has sent its own, for its other
 * ports too. */
Test(complaints, c04_a_stored_template_goes_when_the_exporter_sends_another)
{
    struct bench b = bench_new(), after = bench_new();
    struct wr_buf saved = {0};
    told(&b, 0);
    wr_flow_decoder_save(b.dec, &saved);
    cr_assert_eq(wr_flow_decoder_load(after.dec, saved.data, saved.len), WR_OK);
    wr_buf_fini(&saved);
    cr_expect_eq(rows(&after, 0), 1);
    begin(&m, 10, 1, 1);
    TEMPLATE(&m, 256, 12, 4, 8, 4, 7, 2, 11, 2, 4, 1, 1, 4);
    cr_assert(bench_send(&after, &m));
    after.peer.port = 999; /* a line card that sends data alone */
    cr_expect_eq(rows(&after, 0), 1);
    cr_expect_eq(after.vec.at[after.vec.n - 1].src[3], 2, "by the new template");
    bench_end(&b);
    bench_end(&after);
}

/* A definition of another port whose fields vary in length is used only when a record fits; else
 * the data wait. */
Test(complaints, c08_too_few_octets_for_another_ports_template_wait)
{
    struct bench b = bench_new();
    begin(&m, 10, 0, 1);
    TEMPLATE(&m, 256, 8, 4, 12, 4, 96, 65535);
    cr_assert(bench_send(&b, &m));
    b.peer.port = 999;
    begin(&m, 10, 0, 1);
    set(&m, 256);
    put(&m, 1, 4);
    set_end(&m);
    cr_assert(bench_send(&b, &m));
    cr_expect_eq(wr_flow_decoder_stats(b.dec)->sets_held, 1);
    cr_expect_eq(wr_flow_decoder_stats(b.dec)->set_no_record, 0);
    cr_expect_eq(b.vec.n, 0);
    bench_end(&b);
}

/* IPFIX with the boot time, 60 days ago: the uptime of 32 bits has wrapped since, once. */
Test(complaints, c12_an_uptime_that_wrapped_since_boot)
{
    const uint64_t up_ms = UINT64_C(60) * 86400 * 1000;
    struct bench b = bench_new();
    begin(&m, 10, 0, 1);
    TEMPLATE(&m, 256, FLOW_FIELDS, 160, 8, 22, 4, 21, 4);
    set(&m, 256);
    add_flow(&m, 1, 2, 3, 25, 7);
    put(&m, EXPORT_S * UINT64_C(1000) - up_ms, 8);
    put(&m, (up_ms - 9000) & UINT32_MAX, 4);
    put(&m, (up_ms - 5000) & UINT32_MAX, 4);
    set_end(&m);
    cr_assert(bench_send(&b, &m));
    cr_assert_eq(b.vec.n, 1);
    cr_expect_eq(b.vec.at[0].start_ns, SECONDS(EXPORT_S - 9));
    cr_expect_eq(b.vec.at[0].end_ns, SECONDS(EXPORT_S - 5));
    cr_expect_not(b.vec.at[0].flags & WR_FLOW_TIME_APPROX);
    bench_end(&b);
}

/* A day of 10,000 exporters with 20 templates each, told anew every two hours, in virtual time. */
Test(complaints, c15_memory_is_flat_over_a_day_of_ten_thousand_exporters)
{
    enum { EXPORTERS = 10000, TEMPLATES = 20, HOURS = 24 };
    struct wr_flow_decoder_opts opts = {.memory_bytes = (size_t)256 << 20};
    struct bench b = {.dec = wr_flow_decoder_new(&opts), .now_ns = NOW_NS};
    size_t bytes = 0, heap = 0;
    begin(&m, 10, 0, 1);
    for (uint16_t k = 0; k < TEMPLATES; k++)
        TEMPLATE(&m, (uint16_t)(256 + k), FLOW_FIELDS, 210, 1 + k);
    for (unsigned hour = 0; hour < HOURS; hour += 2, b.now_ns += SECONDS(7200)) {
        for (uint32_t x = 0; x < EXPORTERS; x++) {
            b.peer = peer_of(1, 2055);
            b.peer.addr[13] = (uint8_t)(x >> 8);
            b.peer.addr[14] = (uint8_t)x;
            cr_assert(bench_send(&b, &m));
        }
        if (hour == 0) {
            bytes = template_bytes(b.dec);
            heap = mallinfo2().uordblks;
        }
    }
    cr_expect_eq(wr_flow_decoder_stats(b.dec)->templates, EXPORTERS * TEMPLATES);
    cr_expect_eq(rejected(&b, WR_FLOW_REJECT_exporter_cap), 0);
    cr_expect_eq(template_bytes(b.dec), bytes);
    cr_expect_leq(mallinfo2().uordblks, heap + (64 << 10), "%zu octets more",
                  mallinfo2().uordblks - heap);
    bench_end(&b);
}

/* Ten thousand definitions of one template, no two alike, and of one that is withdrawn. */
Test(complaints, c15_what_is_replaced_or_withdrawn_is_freed)
{
    enum { TIMES = 10000 };
    struct bench b = bench_new();
    b.peer.session = 1;
    size_t bytes = 0, heap = 0;
    for (uint32_t i = 0; i <= TIMES; i++) {
        begin(&m, 10, 0, 1);
        TEMPLATE(&m, 256, FLOW_FIELDS, 210, i % TIMES == 0 ? 1 : 2 + i);
        cr_assert(bench_send(&b, &m));
        begin(&m, 10, 0, 1);
        TEMPLATE(&m, 257, FLOW_FIELDS, 210, 2 + i);
        set(&m, 2); /* and withdrawn */
        put(&m, 257, 2), put(&m, 0, 2);
        set_end(&m);
        cr_assert(bench_send(&b, &m));
        if (i == 0) {
            bytes = template_bytes(b.dec);
            heap = mallinfo2().uordblks;
        }
    }
    cr_expect_eq(wr_flow_decoder_stats(b.dec)->templates, 2 * (TIMES + 1));
    cr_expect_eq(template_bytes(b.dec), bytes);
    cr_expect_leq(mallinfo2().uordblks, heap + 4096, "%zu octets more",
                  mallinfo2().uordblks - heap);
    bench_end(&b);
}

/* ---- 18: loss and refusals, exporter by exporter ---- */

Test(complaints, c18_the_listing_says_how_many_records_were_lost)
{
    struct bench b = bench_new();
    told(&b, 0);
    for (uint32_t i = 0; i < 4; i++)
        cr_expect_eq(rows(&b, i), 1);
    b.peer = peer_of(2, 2055);
    told(&b, 0);
    cr_expect_eq(rows(&b, 0), 1);
    b.peer = peer_of(1, 2055);
    cr_expect_eq(rows(&b, 9), 1); /* 4 to 8 are missing */
    cr_expect(exporter_has(&b, "192.0.2.1", "\"sequenceLost\":5,"));
    cr_expect(exporter_has(&b, "192.0.2.2", "\"sequenceLost\":0,"));
    bench_end(&b);
}
