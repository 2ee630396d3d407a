/* What users of other collectors complained about, those that no other test covers; numbers are of
 * the table in tests/conformance.tsv. */
#include "complaints.h"

#include <malloc.h>
#include <time.h>

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

/* Ten thousand exporters behind one domain and template id, two layouts: enough that some share a
 * bucket. */
static struct wr_flow_peer one_of_many(uint32_t x)
{
    static const uint8_t at[] = {14, 12, 4, 0}; /* two octets, in turn: IPv4's last, IPv4's first, two of IPv6 */
    struct wr_flow_peer peer = peer_of(1, 2055);
    const uint8_t first = at[x % 4];
    peer.addr[first] = (uint8_t)(x >> 8);
    peer.addr[first + 1] = (uint8_t)x;
    return peer;
}

Test(complaints, c05_exporters_are_told_apart_by_every_octet_of_their_address)
{
    enum { EXPORTERS = 10000 };
    struct bench b = bench_new();
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t x = 0; x < EXPORTERS; x++) {
            b.peer = one_of_many(x);
            begin(&m, 10, 0, 1);
            if (pass == 0 && x / 4 % 2)
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
        struct wr_flow_peer peer = one_of_many(x);
        cr_assert_eq(b.vec.at[x].src[3], x / 4 % 2 ? 1 : 2, "exporter %u", x);
        cr_assert_eq(memcmp(b.vec.at[x].exporter, peer.addr, 16), 0, "exporter %u", x);
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

/* ---- 6, 9 to 12, 16: one complaint each, as it was reported ---- */

/* akvorado 89: the sampler's record stands before its own template, in one datagram with the flows
 * that need it. */
Test(complaints, c06_a_sampler_told_before_its_template_counts_in_its_own_datagram)
{
    for (uint16_t version = 9; version <= 10; version++) {
        struct bench b = bench_new();
        begin(&m, version, 0, 1);
        set(&m, 300);
        put(&m, 1, 4), put(&m, 7, 2), put(&m, 500, 4);
        set_end(&m);
        OPTIONS(&m, 300, version == 9 ? 1 : 144, 4, 48, 2, 34, 4);
        TEMPLATE(&m, 256, FLOW_FIELDS, 48, 1);
        set(&m, 256);
        add_flow(&m, 1, 2, 3, 25, 10);
        put(&m, 7, 1);
        set_end(&m);
        cr_assert(bench_send(&b, &m));
        cr_assert_eq(b.vec.n, 1);
        cr_expect(b.vec.at[0].sampling == 500 && b.vec.at[0].octets[0] == 5000, "v%u: one of %u",
                  version, b.vec.at[0].sampling);
        bench_end(&b);
    }
}

/* elastiflow 400 and 483 (v9's number 44999 of 32 octets, others of no octet), goflow2 444
 * (enterprise 9999, elements 1 to 4), telegraf 16169: the template stands, and what is known of it
 * is read. */
Test(complaints, c09_numbers_that_nobody_knows_cost_no_template)
{
    static const struct {
        uint16_t version;
        uint32_t fields[8];
        unsigned n, octets;
    } unknown[] = {
        {9, {44999, 32}, 1, 32},
        {9, {33002, 2, 57999, 0, 499, 3, 65000, 17}, 4, 22},
        {10,
         {VENDOR(9999, 1), 4, VENDOR(9999, 2), 4, VENDOR(9999, 3), 8, VENDOR(9999, 4), 1},
         4,
         17},
        {10, {511, 6, VENDOR(0xffffffff, 0x7fff), 1}, 2, 7}};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        for (unsigned first = 0; first < 2; first++) {
            const uint32_t known[] = {FLOW_FIELDS};
            uint32_t all[20];
            struct bench b = bench_new();
            memcpy(all + (first ? 0 : 12), unknown[i].fields, 2 * unknown[i].n * sizeof *all);
            memcpy(all + (first ? 2 * unknown[i].n : 0), known, sizeof known);
            begin(&m, unknown[i].version, 0, 1);
            add_template(&m, 256, all, 6 + unknown[i].n);
            set(&m, 256);
            for (unsigned k = 0; k < unknown[i].octets && first; k++)
                put(&m, 0xff, 1);
            add_flow(&m, 1, 2, 3, 25, 10);
            for (unsigned k = 0; k < unknown[i].octets && !first; k++)
                put(&m, 0xff, 1);
            set_end(&m);
            cr_assert(bench_send(&b, &m));
            cr_assert_eq(b.vec.n, 1, "template %zu", i);
            cr_expect(b.vec.at[0].dport == 25 && b.vec.at[0].octets[0] == 10 &&
                      b.vec.at[0].dst[3] == 2);
            cr_expect_eq(wr_flow_decoder_stats(b.dec)->templates, 1);
            bench_end(&b);
        }
}

/* nfdump 231, fastnetmon 141 and 695: an interval of the whole exporter, by options alone, that
 * names no sampler; flows that name none either. Scope as Junos and others have it: exporting
 * process, line card, system. */
Test(complaints, c10_an_interval_of_the_whole_exporter)
{
    static const struct {
        uint16_t version;
        uint32_t scope, element;
    } told[] = {{10, 144, 34}, {10, 141, 34}, {10, 149, 305}, {9, 1, 34}, {9, 3, 50}, {9, 1, 305}};
    for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
        struct bench b = bench_new();
        begin(&m, told[i].version, 0, 1);
        if (told[i].element == 305)
            OPTIONS(&m, 512, told[i].scope, 4, 305, 4, 306, 4);
        else
            OPTIONS(&m, 512, told[i].scope, 4, told[i].element, 4);
        set(&m, 512);
        put(&m, 3, 4), put(&m, told[i].element == 305 ? 1 : 1000, 4);
        if (told[i].element == 305)
            put(&m, 999, 4);
        set_end(&m);
        cr_assert(bench_send(&b, &m));
        begin(&m, told[i].version, 1, 1);
        TEMPLATE(&m, 256, FLOW_FIELDS, 10, 4);
        set(&m, 256);
        add_flow(&m, 1, 2, 3, 25, 752);
        put(&m, 77, 4);
        set_end(&m);
        cr_assert(bench_send(&b, &m));
        cr_assert_eq(b.vec.n, 1);
        cr_expect_eq(b.vec.at[0].octets[0], 752000, "statement %zu: %lu", i,
                     (unsigned long)b.vec.at[0].octets[0]);
        bench_end(&b);
    }
}

/* goflow 87: a rate of the configuration where the exporter tells none, by the longest prefix; what
 * it tells counts more. */
Test(complaints, c10_a_rate_of_the_configuration_where_none_is_told)
{
    const struct wr_flow_rate rates[] = {
        {{.addr = {[10] = 0xff, [11] = 0xff, [12] = 192}, .bits = 104}, 10},
        {{.addr = {[10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2}, .bits = 120}, 100}};
    struct wr_flow_decoder_opts opts = {.rates = rates, .nrates = 2};
    for (int listed = 0; listed < 3; listed++)
        for (int others = 0; others < 2;
             others++) { /* without and with what makes a template no plain one */
            struct bench b = {
                .dec = wr_flow_decoder_new(&opts), .peer = peer_of(1, 2055), .now_ns = NOW_NS};
            b.peer.addr[12] = listed ? 192 : 10;
            b.peer.addr[13] = listed == 1 ? 1 : 0;
            begin(&m, 10, 0, 1);
            if (others)
                TEMPLATE(&m, 256, FLOW_FIELDS, 61, 1);
            else
                TEMPLATE(&m, 256, FLOW_FIELDS, 210, 1);
            set(&m, 256);
            add_flow(&m, 1, 2, 3, 25, 7);
            put(&m, 0, 1);
            set_end(&m);
            cr_assert(bench_send(&b, &m));
            const uint32_t want = listed == 2 ? 100 : listed ? 10 : 1;
            cr_expect(b.vec.at[0].sampling == want && b.vec.at[0].octets[0] == 7 * want,
                      "%d: one of %u", listed, b.vec.at[0].sampling);
            begin(&m, 10, 1, 1);
            OPTIONS(&m, 512, 144, 4, 34, 4);
            set(&m, 512);
            put(&m, 1, 4), put(&m, 3, 4);
            set_end(&m);
            cr_assert(bench_send(&b, &m));
            begin(&m, 10, 2, 1);
            set(&m, 256);
            add_flow(&m, 1, 2, 3, 25, 7);
            put(&m, 0, 1);
            set_end(&m);
            cr_assert(bench_send(&b, &m));
            cr_assert_eq(b.vec.n, 2);
            cr_expect_eq(b.vec.at[1].sampling, 3, "told by the exporter");
            bench_end(&b);
        }
}

/* nfdump 22 and 356, calmh/ipfix 12, nProbe 202: counters of any length under either number, the
 * others absent or 0. */
Test(complaints, c11_bytes_under_every_number_that_exporters_send)
{
    static const uint32_t numbers[] = {1, 23, 85, 231};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        for (uint32_t len = 3; len <= 8; len++)
            for (uint16_t version = 9; version <= 10; version++) {
                struct bench b = bench_new();
                begin(&m, version, 0, 1);
                TEMPLATE(&m, 256, 8, 4, 12, 4, 7, 2, 11, 2, 4, 1, numbers[i], len);
                set(&m, 256);
                put(&m, 1, 4), put(&m, 2, 4), put(&m, 3, 2), put(&m, 25, 2), put(&m, 6, 1);
                put(&m, 752004, len);
                set_end(&m);
                cr_assert(bench_send(&b, &m));
                cr_assert_eq(b.vec.n, 1);
                cr_expect_eq(b.vec.at[0].octets[0], 752004, "%u of %u octets: %lu", numbers[i], len,
                             (unsigned long)b.vec.at[0].octets[0]);
                bench_end(&b);
            }
}

/* nfdump 14: v9 without any time is of the time of its export, not of 1970. */
Test(complaints, c12_flows_without_times_are_of_their_export)
{
    for (uint16_t version = 9; version <= 10; version++) {
        struct bench b = bench_new();
        begin(&m, version, 0, 1);
        TEMPLATE(&m, 256, FLOW_FIELDS);
        set(&m, 256);
        add_flow(&m, 1, 2, 3, 25, 10);
        set_end(&m);
        cr_assert(bench_send(&b, &m));
        cr_expect_eq(b.vec.at[0].start_ns, SECONDS(EXPORT_S));
        cr_expect_eq(b.vec.at[0].end_ns, SECONDS(EXPORT_S));
        cr_expect(b.vec.at[0].flags & WR_FLOW_TIME_APPROX);
        bench_end(&b);
    }
}

/* goflow2 305, 313 and 406, pmacct 432, softflowd 52: uptimes of v9 are milliseconds, before or
 * after the header's. */
Test(complaints, c12_uptimes_of_v9_are_milliseconds_around_the_headers)
{
    static const int32_t first_ms[] = {-31000, -1, 0, 400,
                                       -4000000}; /* before the header's uptime */
    for (size_t i = 0; i < sizeof first_ms / sizeof *first_ms; i++) {
        struct bench b = bench_new();
        begin(&m, 9, 0, 1);
        TEMPLATE(&m, 256, FLOW_FIELDS, 22, 4, 21, 4);
        set(&m, 256);
        add_flow(&m, 1, 2, 3, 25, 10);
        put(&m, (uint32_t)(UPTIME_MS + first_ms[i]), 4),
            put(&m, (uint32_t)(UPTIME_MS + first_ms[i] + 250), 4);
        set_end(&m);
        cr_assert(bench_send(&b, &m));
        cr_expect_eq(b.vec.at[0].start_ns, SECONDS(EXPORT_S) + first_ms[i] * INT64_C(1000000));
        cr_expect_eq(b.vec.at[0].end_ns - b.vec.at[0].start_ns, 250 * INT64_C(1000000));
        bench_end(&b);
    }
}

/* pmacct 934: a template gives an address, a port or a counter fifty octets; records are read by
 * the template's lengths, and what an element cannot be is nothing. */
Test(complaints, c16_lengths_that_no_element_has)
{
    static const uint32_t elements[] = {8, 12, 27, 28,  15, 7,   11,  4,   6,
                                        1, 2,  56, 152, 22, 225, 230, 233, 95};
    for (size_t i = 0; i < sizeof elements / sizeof *elements; i++)
        for (uint32_t len = 17; len <= 1000; len = len * 3 - 1) {
            struct bench b = bench_new();
            wr_flow_decoder_who(b.dec, UINT32_MAX);
            begin(&m, 10, 0, 1);
            TEMPLATE(&m, 256, elements[i], len, VENDOR(9, 12340), 3, 11, 2, 8, 4, 12, 4);
            set(&m, 256);
            for (int record = 0; record < 2; record++) {
                for (uint32_t k = 0; k < len + 3; k++)
                    put(&m, 0x41, 1);
                put(&m, 25, 2), put(&m, 1, 4), put(&m, 2, 4);
            }
            set_end(&m);
            cr_assert(bench_send(&b, &m));
            cr_expect_eq(b.vec.n, 2, "element %u of %u octets", elements[i], len);
            for (uint32_t r = 0; r < b.vec.n; r++)
                cr_expect(b.vec.at[r].dport == 25 && b.vec.at[r].dst[3] == 2 &&
                              b.vec.at[r].octets[0] == 0,
                          "element %u of %u octets", elements[i], len);
            bench_end(&b);
        }
}

/* CVE-2022-2529: sFlow that promises more samples, records, segments, strings than it has: nothing
 * is made of it, and no memory is taken for what is not there. */
Test(complaints, c16_counts_that_lie_in_sflow)
{
    static const uint32_t kinds[] = {1, 3, 4, 1001, 1002, 1003, 1004, 1036};
    const size_t heap = mallinfo2().uordblks;
    struct bench b = bench_new();
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (size_t at = 24; at < 200;
             at += 4) { /* one number after the other is as large as can be */
            m.len = 0;
            put(&m, 5, 4), put(&m, 1, 4), put(&m, 1, 4), put(&m, 0, 4), put(&m, 0, 4),
                put(&m, 0, 4), put(&m, 1, 4);
            put(&m, 1, 4), put(&m, 160, 4);
            put(&m, 1, 4), put(&m, 9, 4), put(&m, 10, 4), put(&m, 0, 8), put(&m, 3, 4),
                put(&m, 4, 4), put(&m, 1, 4);
            put(&m, kinds[k], 4), put(&m, 120, 4);
            for (int i = 0; i < 30; i++)
                put(&m, 1, 4);
            memset(m.at + at, 0xff, at < m.len ? 4 : 0);
            struct timespec t[2];
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t[0]);
            (void)bench_send(&b, &m);
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t[1]);
            cr_assert_lt(SECONDS(t[1].tv_sec - t[0].tv_sec) + t[1].tv_nsec - t[0].tv_nsec, SECONDS(1) / 20,
                         "record %u, number at %zu", kinds[k], at);
            cr_assert_leq(b.vec.n, 1);
            wr_flow_vec_reset(&b.vec);
        }
    cr_expect_lt(mallinfo2().uordblks, heap + ((size_t)4 << 20));
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
