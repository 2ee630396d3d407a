/* What a record means: fields, times, volumes, sampling, verdicts, the port filter. Export time is EXPORT_S.
 */
#include "message.h"

#define MS INT64_C(1000000)
#define EXPORT_NS (EXPORT_S * INT64_C(1000000000))

static struct message m;

static const struct wr_flow *only(struct bench *b)
{
    cr_assert(bench_send(b, &m));
    cr_assert_eq(b->vec.n, 1, "%u rows", b->vec.n);
    return b->vec.at;
}

Test(decode, v5_record)
{
    struct bench b = bench_new();
    struct bytes file = slurp("telegraf/netflow_v5_example/netflow_v5.bin");
    cr_assert(wr_flow_decode(b.dec, &b.peer, file.at, file.len, b.now_ns, &b.vec));
    cr_assert_eq(b.vec.n, 8);
    const struct wr_flow *f = b.vec.at;
    cr_expect_eq(memcmp(f->src, file.at + 24, 4), 0);
    cr_expect_eq(f->sport, wr_be(file.at + 24 + 32, 2));
    cr_expect_eq(f->dport, wr_be(file.at + 24 + 34, 2));
    cr_expect_eq(f->octets[0], wr_be(file.at + 24 + 20, 4) * f->sampling);
    cr_expect_eq(f->flags & (WR_FLOW_V6 | WR_FLOW_HAS_BYTES | WR_FLOW_HAS_TCP_FLAGS),
                 WR_FLOW_HAS_BYTES | WR_FLOW_HAS_TCP_FLAGS);
    cr_expect_eq(f->exporter[15], 1);
    free(file.at);
    bench_end(&b);
}

Test(decode, v5_count_that_lies_gives_what_is_there)
{
    struct bench b = bench_new();
    struct bytes file = slurp("telegraf/netflow_v5_example/netflow_v5.bin");
    file.at[3] = 200;
    cr_expect(wr_flow_decode(b.dec, &b.peer, file.at, 24 + 2 * 48 + 7, b.now_ns, &b.vec));
    cr_expect_eq(b.vec.n, 2);
    cr_expect_eq(rejected(&b, WR_FLOW_REJECT_truncated), 1);
    file.at[3] = 3; /* one more than there is, in a block of its own: a read behind it is seen */
    uint8_t *copy = malloc(24 + 2 * 48);
    memcpy(copy, file.at, 24 + 2 * 48);
    cr_expect(wr_flow_decode(b.dec, &b.peer, copy, 24 + 2 * 48, b.now_ns, &b.vec));
    cr_expect_eq(b.vec.n, 4);
    cr_expect_eq(rejected(&b, WR_FLOW_REJECT_truncated), 2);
    free(copy);
    free(file.at);
    bench_end(&b);
}

Test(decode, fields_of_a_plain_flow)
{
    struct bench b = bench_new();
    begin(&m, 10, 7, 42);
    TEMPLATE(&m, 256, FLOW_FIELDS, 6, 2, 136, 1, 61, 1, 153, 8, 152, 8);
    set(&m, 256);
    add_flow(&m, 0x0a000001, 0xc0000201, 50000, 587, 1234);
    put(&m, 0x1b, 2);
    put(&m, 3, 1);
    put(&m, 1, 1);
    put(&m, EXPORT_S * UINT64_C(1000) - 10, 8);
    put(&m, EXPORT_S * UINT64_C(1000) - 900, 8);
    set_end(&m);
    const struct wr_flow *f = only(&b);
    cr_expect_eq(memcmp(f->src, (const uint8_t[16]){10, 0, 0, 1}, 16), 0);
    cr_expect_eq(memcmp(f->dst, (const uint8_t[16]){192, 0, 2, 1}, 16), 0);
    cr_expect_eq(f->sport, 50000);
    cr_expect_eq(f->dport, 587);
    cr_expect_eq(f->proto, 6);
    cr_expect_eq(f->tcp_flags, 0x1b);
    cr_expect_eq(f->end_reason, 3);
    cr_expect_eq(f->direction, 1);
    cr_expect_eq(f->octets[0], 1234);
    cr_expect_eq(f->domain, 42);
    cr_expect_eq(f->sampling, 1);
    cr_expect_eq(f->start_ns, EXPORT_NS - 900 * MS);
    cr_expect_eq(f->end_ns, EXPORT_NS - 10 * MS);
    cr_expect_eq(f->flags, WR_FLOW_HAS_BYTES | WR_FLOW_HAS_TCP_FLAGS);
    bench_end(&b);
}

Test(decode, integers_of_every_size_mean_the_same)
{
    for (unsigned n = 1; n <= 8; n++) {
        struct bench b = bench_new();
        begin(&m, 10, 0, 0);
        TEMPLATE(&m, 256, 8, 4, 1, n, 11, n);
        set(&m, 256);
        put(&m, 1, 4);
        put(&m, 200, n);
        put(&m, 25, n);
        set_end(&m);
        cr_expect_eq(only(&b)->octets[0], 200, "%u octets", n);
        cr_expect_eq(b.vec.at->dport, 25);
        bench_end(&b);
    }
}

Test(decode, a_field_of_impossible_length_is_skipped_and_the_rest_is_right)
{
    struct bench b = bench_new();
    begin(&m, 10, 0, 0);
    TEMPLATE(&m, 256, 8, 5, 1, 16, VENDOR(4321, 7), 3, 12, 4, 11, 2);
    set(&m, 256);
    for (int i = 0; i < 24; i++)
        put(&m, 0xee, 1);
    put(&m, 0x01020304, 4);
    put(&m, 25, 2);
    set_end(&m);
    const struct wr_flow *f = only(&b);
    cr_expect_eq(f->dst[3], 4);
    cr_expect_eq(f->dport, 25);
    cr_expect_eq(f->src[0], 0);
    cr_expect_not(f->flags & WR_FLOW_HAS_BYTES);
    cr_expect_eq(wr_flow_decoder_stats(b.dec)->field_len_illegal, 2);
    cr_expect_eq(wr_flow_decoder_stats(b.dec)->unknown_ie, 1);
    bench_end(&b);
}

Test(decode, fields_after_variable_lengths_are_found)
{
    struct bench b = bench_new();
    begin(&m, 10, 0, 0);
    TEMPLATE(&m, 256, 371, 65535, 8, 4, 460, 65535, 11, 2, 1, 4);
    set(&m, 256);
    for (unsigned n = 0; n <= 600; n += 300) {
        put(&m, 255, 1); /* the long form, also where the short one would do */
        put(&m, n, 2);
        for (unsigned i = 0; i < n; i++)
            put(&m, 'x', 1);
        put(&m, n + 1, 4);
        put(&m, 2, 1);
        put(&m, 0x6161, 2);
        put(&m, 25, 2);
        put(&m, 77, 4);
    }
    put(&m, 0, 3); /* padding */
    set_end(&m);
    cr_assert(bench_send(&b, &m));
    cr_assert_eq(b.vec.n, 3);
    for (unsigned i = 0; i < 3; i++) {
        cr_expect_eq(wr_be(b.vec.at[i].src, 4), i * 300 + 1);
        cr_expect_eq(b.vec.at[i].dport, 25);
        cr_expect_eq(b.vec.at[i].octets[0], 77);
    }
    bench_end(&b);
}

Test(decode, the_first_non_zero_of_equal_counters_counts)
{
    struct bench b = bench_new();
    begin(&m, 10, 0, 0);
    TEMPLATE(&m, 256, 8, 4, 1, 4, 1, 4, 23, 4);
    set(&m, 256);
    put(&m, 1, 4);
    put(&m, 0, 4);
    put(&m, 5, 4);
    put(&m, 9, 4);
    set_end(&m);
    cr_expect_eq(only(&b)->octets[0], 5);
    bench_end(&b);
}

Test(decode, both_directions_of_a_biflow)
{
    struct bench b = bench_new();
    begin(&m, 10, 0, 0);
    TEMPLATE(&m, 256, 8, 4, 12, 4, 7, 2, 11, 2, 85, 8, VENDOR(29305, 85), 8, 239, 1);
    set(&m, 256);
    put(&m, 1, 4);
    put(&m, 2, 4);
    put(&m, 25, 2);
    put(&m, 40000, 2);
    put(&m, 100, 8);
    put(&m, 900, 8);
    put(&m, 2, 1); /* it began at the other end */
    set_end(&m);
    const struct wr_flow *f = only(&b);
    cr_expect_eq(f->flags, WR_FLOW_HAS_BYTES | WR_FLOW_BIFLOW | WR_FLOW_TOTALS | WR_FLOW_INITIATOR_KNOWN |
                               WR_FLOW_TIME_APPROX);
    cr_expect_eq(f->src[3], 2);
    cr_expect_eq(f->dport, 25);
    cr_expect_eq(f->octets[0], 900);
    cr_expect_eq(f->octets[1], 100);
    bench_end(&b);
}

Test(decode, firewall_events)
{
    struct bench b = bench_new();
    begin(&m, 9, 0, 0);
    TEMPLATE(&m, 256, 8, 4, 12, 4, 233, 1, 231, 4, 232, 4, 323, 8);
    set(&m, 256);
    for (unsigned event = 2; event <= 3; event++) {
        put(&m, 1, 4);
        put(&m, 2, 4);
        put(&m, event, 1);
        put(&m, 10, 4);
        put(&m, 20, 4);
        put(&m, EXPORT_S * UINT64_C(1000) - 5, 8);
    }
    set_end(&m);
    cr_assert(bench_send(&b, &m));
    cr_assert_eq(b.vec.n, 2);
    cr_expect_eq(b.vec.at[0].flags, WR_FLOW_HAS_BYTES | WR_FLOW_BIFLOW | WR_FLOW_INITIATOR_KNOWN | WR_FLOW_NO_PORTS);
    cr_expect_eq(b.vec.at[1].flags, b.vec.at[0].flags | WR_FLOW_DENIED);
    cr_expect_eq(b.vec.at[0].octets[1], 20);
    cr_expect_eq(b.vec.at[0].start_ns, EXPORT_NS - 5 * MS);
    cr_expect_eq(b.vec.at[0].end_ns, EXPORT_NS - 5 * MS);
    bench_end(&b);
}

/* One row whose only time is in `field` pairs; values follow. */
static struct wr_flow timed(uint16_t version, uint32_t ie1, uint64_t v1, unsigned n1, uint32_t ie2,
                            uint64_t v2, unsigned n2)
{
    struct bench b = bench_new();
    begin(&m, version, 0, 0);
    TEMPLATE(&m, 256, 8, 4, ie1, n1, ie2, n2);
    set(&m, 256);
    put(&m, 1, 4);
    put(&m, v1, n1);
    put(&m, v2, n2);
    set_end(&m);
    struct wr_flow f = *only(&b);
    bench_end(&b);
    return f;
}

Test(decode, times_of_every_kind)
{
    const struct {
        uint16_t version;
        uint32_t ie1, n1, ie2, n2;
        uint64_t v1, v2;
        int64_t start, end; /* before the export, ms */
        bool approx;
    } cases[] = {
        {10, 150, 4, 151, 4, EXPORT_S - 9, EXPORT_S - 3, 9000, 3000, false},
        {10, 152, 8, 153, 8, EXPORT_S * UINT64_C(1000) - 77, EXPORT_S * UINT64_C(1000) - 7, 77, 7, false},
        {10, 154, 8, 155, 8, (EXPORT_S + UINT64_C(2208988800) - 2) << 32 | 0x800007ff,
         (EXPORT_S + UINT64_C(2208988800) - 1) << 32, 1500, 1000, false},
        {10, 156, 8, 157, 8, (EXPORT_S + UINT64_C(2208988800) - 2) << 32 | 0x80000000,
         (EXPORT_S + UINT64_C(2208988800) - 1) << 32, 1500, 1000, false},
        {10, 158, 4, 159, 4, 5000, 3000, 5, 3, false},
        {9, 22, 4, 21, 4, UPTIME_MS - 400, UPTIME_MS - 100, 400, 100, false},
        {9, 22, 4, 21, 4, UINT64_C(0x100000000) - 1000, UPTIME_MS, UPTIME_MS + 1000, 0, false}, /* wrapped */
        {9, 22, 4, 21, 4, UPTIME_MS - 100, UPTIME_MS - 400, 400, 100, false}, /* the wrong way round */
        {10, 22, 4, 21, 4, 1000, 3000, 2000, 0, true},                        /* nobody says when it booted */
        {10, 160, 8, 21, 4, EXPORT_S * UINT64_C(1000) - 9000, 4000, 5000, 5000, false},
        {10, 153, 8, 161, 4, EXPORT_S * UINT64_C(1000) - 50, 200, 250, 50, false},
        {10, 150, 4, 162, 4, EXPORT_S - 2, 500000, 2000, 1500, false},
        {10, 152, 8, 153, 8, 0, 0, 0, 0, true}, /* never 1970 */
        {10, 7, 2, 11, 2, 1, 2, 0, 0, true},
        {10, 152, 8, 153, 8, EXPORT_S * UINT64_C(1000) + 400000, EXPORT_S * UINT64_C(1000) + 400000, 0, 0,
         true},
        {10, 152, 8, 153, 8, UINT64_MAX, UINT64_MAX / 3, 0, 0, true},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct wr_flow f = timed(cases[i].version, cases[i].ie1, cases[i].v1, cases[i].n1, cases[i].ie2,
                                 cases[i].v2, cases[i].n2);
        cr_expect_eq((EXPORT_NS - f.start_ns) / MS, cases[i].start, "case %u: start %ld", i,
                     (long)((EXPORT_NS - f.start_ns) / MS));
        cr_expect_eq((EXPORT_NS - f.end_ns) / MS, cases[i].end, "case %u: end %ld", i,
                     (long)((EXPORT_NS - f.end_ns) / MS));
        cr_expect_eq(!!(f.flags & WR_FLOW_TIME_APPROX), cases[i].approx, "case %u", i);
    }
}

Test(decode, an_exporter_without_a_clock_exports_now)
{
    struct bench b = bench_new();
    begin(&m, 9, 0, 0);
    TEMPLATE(&m, 256, 8, 4, 22, 4, 21, 4);
    set(&m, 256);
    put(&m, 1, 4);
    put(&m, UPTIME_MS - 400, 4);
    put(&m, UPTIME_MS - 100, 4);
    set_end(&m);
    memset(m.at + 8, 0, 4);
    const struct wr_flow *f = only(&b);
    cr_expect_eq(f->export_ns, b.now_ns);
    cr_expect_eq(f->start_ns, b.now_ns - 400 * MS);
    bench_end(&b);
}

static uint64_t sampled(uint32_t ie1, uint64_t v1, unsigned n1, uint32_t ie2, uint64_t v2, unsigned n2)
{
    struct bench b = bench_new();
    begin(&m, 10, 0, 0);
    TEMPLATE(&m, 256, 8, 4, 1, 4, 2, 4, ie1, n1, ie2, n2);
    set(&m, 256);
    put(&m, 1, 4);
    put(&m, 100, 4);
    put(&m, 3, 4);
    put(&m, v1, n1);
    put(&m, v2, n2);
    set_end(&m);
    struct wr_flow f = *only(&b);
    cr_expect_eq(f.octets[0], 100 * (uint64_t)f.sampling);
    cr_expect_eq(f.packets[0], 3 * (uint64_t)f.sampling);
    bench_end(&b);
    return f.sampling;
}

Test(decode, sampling_that_the_record_states)
{
    cr_expect_eq(sampled(34, 1000, 4, 35, 1, 1), 1000);
    cr_expect_eq(sampled(50, 64, 2, 49, 1, 1), 64);
    cr_expect_eq(sampled(305, 1, 4, 306, 99, 4), 100);
    cr_expect_eq(sampled(309, 2, 4, 310, 512, 4), 256);
    cr_expect_eq(sampled(311, UINT64_C(0x3fa999999999999a), 8, 304, 1, 1), 20); /* 0.05 */
    cr_expect_eq(sampled(34, 0, 4, 35, 1, 1), 1);
}

static void options_rate(struct bench *b, uint16_t version, uint32_t scope_ie, uint32_t id_ie, uint64_t id,
                         uint32_t rate)
{
    begin(&m, version, 0, 5);
    OPTIONS(&m, 300, scope_ie, 4, id_ie, 2, 34, 4);
    set(&m, 300);
    put(&m, id, 4);
    put(&m, id, 2);
    put(&m, rate, 4);
    set_end(&m);
    cr_assert(bench_send(b, &m));
}

static uint32_t rate_of(struct bench *b, uint16_t version, uint8_t sampler, uint16_t interface)
{
    begin(&m, version, 0, 5);
    TEMPLATE(&m, 256, 8, 4, 1, 4, 48, 1, 10, 2);
    set(&m, 256);
    put(&m, 1, 4);
    put(&m, 100, 4);
    put(&m, sampler, 1);
    put(&m, interface, 2);
    set_end(&m);
    cr_assert(bench_send(b, &m));
    return b->vec.at[b->vec.n - 1].sampling;
}

Test(decode, sampling_that_options_state)
{
    struct bench b = bench_new();
    cr_expect_eq(rate_of(&b, 9, 3, 11), 1);
    cr_expect_eq(wr_flow_decoder_stats(b.dec)->sampling_unknown, 1);
    options_rate(&b, 9, 1, 82, 0, 10); /* whole system */
    cr_expect_eq(rate_of(&b, 9, 3, 11), 10);
    options_rate(&b, 9, 2, 82, 11, 20); /* scope: the interface */
    cr_expect_eq(rate_of(&b, 9, 3, 11), 20);
    b.peer.port = 999; /* another port of the exporter */
    options_rate(&b, 9, 1, 48, 3, 30);
    b.peer.port = 2055;
    cr_expect_eq(rate_of(&b, 9, 3, 11), 30);
    cr_expect_eq(rate_of(&b, 9, 4, 12), 10);
    b.peer = peer_of(2, 2055); /* another exporter */
    cr_expect_eq(rate_of(&b, 9, 3, 11), 1);
    bench_end(&b);
}

/* ICMP's type and code stand in dport as v5 has them, wherever the exporter puts them. */
static uint16_t icmp_of(uint16_t version, uint8_t proto, const uint32_t *fields, const uint32_t *values, unsigned n)
{
    uint32_t all[2 * 8] = {8, 4, 12, 4, 4, 1, 1, 4};
    struct bench b = bench_new();
    memcpy(all + 8, fields, 2 * n * sizeof *all);
    begin(&m, version, 0, 1);
    add_template(&m, 256, all, 4 + n);
    set(&m, 256);
    put(&m, 1, 4), put(&m, 2, 4), put(&m, proto, 1), put(&m, 84, 4);
    for (unsigned i = 0; i < n; i++)
        put(&m, values[i], fields[2 * i + 1]);
    set_end(&m);
    uint16_t dport = only(&b)->dport;
    dport = b.vec.at[0].flags & WR_FLOW_NO_PORTS ? UINT16_MAX : dport;
    bench_end(&b);
    return dport;
}
#define ICMP(version, proto, n, fields, ...) icmp_of(version, proto, fields, (const uint32_t[]){__VA_ARGS__}, n)

Test(decode, icmp_type_and_code_from_every_place)
{
    static const uint32_t ports[] = {7, 2, 11, 2}, both4[] = {32, 2}, both6[] = {139, 2};
    static const uint32_t apart4[] = {176, 1, 177, 1, 11, 2}, apart6[] = {11, 2, 178, 1, 179, 1};
    static const uint32_t ports_and_both[] = {7, 2, 11, 2, 32, 2};
    for (uint16_t version = 9; version <= 10; version++) {
        cr_expect_eq(ICMP(version, 1, 2, ports, 0, 0x0800), 0x0800);
        cr_expect_eq(ICMP(version, 1, 1, both4, 0x0301), 0x0301);
        cr_expect_eq(ICMP(version, 58, 1, both6, 0x8000), 0x8000);
        cr_expect_eq(ICMP(version, 1, 3, apart4, 3, 13, 4711), 0x030d, "the port is an identifier");
        cr_expect_eq(ICMP(version, 1, 3, apart4, 0, 0, 4711), 0, "an echo reply");
        cr_expect_eq(ICMP(version, 58, 3, apart6, 4711, 129, 0), 0x8100);
        cr_expect_eq(ICMP(version, 1, 3, ports_and_both, 0, 0, 0x0b00), 0x0b00);
        cr_expect_eq(ICMP(version, 1, 3, ports_and_both, 0, 0x0800, 0), 0x0800);
        cr_expect_eq(ICMP(version, 6, 3, ports_and_both, 3000, 25, 0x0b00), 25, "not of ICMP");
        cr_expect_eq(ICMP(version, 6, 1, both4, 0), UINT16_MAX, "neither ports nor ICMP");
        cr_expect_eq(ICMP(version, 1, 0, ports, 0), UINT16_MAX);
    }
}

Test(decode, a_scan_keeps_what_either_port_matches)
{
    const int64_t wanted[] = {25, 587, -1, 70000};
    struct wr_pred pred = {.col = WR_DNE_RemotePort, .op = WR_PRED_IN_INT, .n = 4, .ints = wanted};
    struct wr_branch branch = {.preds = &pred, .npreds = 1};
    struct wr_scan scan = {.branches = &branch, .nbranches = 1};
    struct bench b = bench_new();
    cr_assert_eq(wr_flow_decoder_scan(b.dec, &scan), WR_OK);
    begin(&m, 10, 0, 0);
    TEMPLATE(&m, 256, FLOW_FIELDS);
    set(&m, 256);
    add_flow(&m, 1, 2, 50000, 25, 5);
    add_flow(&m, 1, 2, 50000, 443, 5);
    add_flow(&m, 1, 2, 587, 50000, 5);
    add_flow(&m, 1, 2, 0, 0, 5);
    set_end(&m);
    cr_assert(bench_send(&b, &m));
    cr_expect_eq(b.vec.n, 2);
    cr_expect_eq(wr_flow_decoder_stats(b.dec)->filtered_early, 2);
    struct wr_branch both[] = {branch, {0}};
    scan = (struct wr_scan){.branches = both, .nbranches = 2};
    cr_assert_eq(wr_flow_decoder_scan(b.dec, &scan), WR_OK);
    cr_assert(bench_send(&b, &m));
    cr_expect_eq(b.vec.n, 6, "a branch without ports wants every record");
    scan.nbranches = 0;
    cr_assert_eq(wr_flow_decoder_scan(b.dec, &scan), WR_OK);
    cr_assert(bench_send(&b, &m));
    cr_expect_eq(b.vec.n, 6, "no rule reads the table");
    cr_assert_eq(wr_flow_decoder_scan(b.dec, NULL), WR_OK);
    cr_assert(bench_send(&b, &m));
    cr_expect_eq(b.vec.n, 10);
    bench_end(&b);
}

Test(decode, a_filter_never_changes_the_rows_it_keeps)
{
    static const char *const files[] = {"ipfixcol2/example_flows.ipfix", "ipfixcol/02-odid0.ipfix"};
    static int64_t wanted[] = {25, 53, 443};
    struct wr_pred pred = {.col = WR_DNE_RemotePort, .op = WR_PRED_IN_INT, .n = 3, .ints = wanted};
    struct wr_branch branch = {.preds = &pred, .npreds = 1};
    struct wr_scan scan = {.branches = &branch, .nbranches = 1};
    for (unsigned i = 0; i < 2; i++) {
        struct bench all = bench_new(), some = bench_new();
        cr_assert_eq(wr_flow_decoder_scan(some.dec, &scan), WR_OK);
        struct bytes file = slurp(files[i]);
        for (size_t at = 0; at < file.len;) {
            size_t n = (size_t)wr_flow_frame(file.at + at, file.len - at);
            wr_flow_decode(all.dec, &all.peer, file.at + at, n, NOW_NS, &all.vec);
            wr_flow_decode(some.dec, &some.peer, file.at + at, n, NOW_NS, &some.vec);
            at += n;
        }
        uint32_t k = 0;
        for (uint32_t r = 0; r < all.vec.n; r++) {
            const struct wr_flow *f = &all.vec.at[r];
            bool want = false;
            for (unsigned w = 0; w < 3; w++)
                want |= f->sport == wanted[w] || f->dport == wanted[w];
            if (!want)
                continue;
            cr_assert_lt(k, some.vec.n);
            cr_expect_eq(memcmp(f, &some.vec.at[k++], sizeof *f), 0);
        }
        cr_expect_eq(k, some.vec.n);
        cr_expect_gt(k, 0);
        free(file.at);
        bench_end(&all);
        bench_end(&some);
    }
}
