/* What strangers send to hurt: messages that cost more than their length, floods of everything that
 * is kept. Complaints 16 and 17 of tests/conformance.tsv. */
#include "complaints.h"

#include <time.h>

#ifdef WR_SANITIZED
enum { SLOWER = 10 };
#else
enum { SLOWER = 1 };
#endif

/* ---- 17: what a datagram costs, whatever is in it ---- */

static int64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return SECONDS(t.tv_sec) + t.tv_nsec;
}

/* The best of a few tries: what else the machine does must not count. */
static int64_t cost(struct bench *b)
{
    int64_t best = INT64_MAX;
    for (int i = 0; i < 5; i++) {
        int64_t t = cpu_ns();
        (void)bench_send(b, &m);
        t = cpu_ns() - t;
        best = t < best ? t : best;
        wr_flow_vec_reset(&b->vec);
    }
    return best;
}

enum { MTU = 1472 };

static void bomb_lists(void) /* basicLists in basicLists, as deep as fits */
{
    begin(&m, 10, 0, 1);
    TEMPLATE(&m, 256, 8, 4, 12, 4, 291, 65535);
    set(&m, 256);
    put(&m, 1, 4), put(&m, 2, 4);
    uint32_t left = (uint32_t)(MTU - m.len - 3);
    put(&m, 255, 1), put(&m, left, 2);
    for (; left >= 8; left -= 8)
        put(&m, 3, 1), put(&m, 291, 2), put(&m, 65535, 2), put(&m, 255, 1), put(&m, left - 8, 2);
    put(&m, 0, left);
    set_end(&m);
}

static void bomb_items(void) /* a list of items without octets */
{
    begin(&m, 10, 0, 1);
    TEMPLATE(&m, 256, 8, 4, 12, 4, 291, 65535);
    set(&m, 256);
    put(&m, 1, 4), put(&m, 2, 4);
    uint32_t left = (uint32_t)(MTU - m.len - 3);
    put(&m, 255, 1), put(&m, left, 2);
    put(&m, 3, 1), put(&m, 371, 2), put(&m, 65535, 2);
    for (left -= 5; left; left--)
        put(&m, 0, 1);
    set_end(&m);
}

static void bomb_templates(void)
{
    begin(&m, 10, 0, 1);
    set(&m, 2);
    for (uint32_t id = 256; m.len + 8 <= MTU; id++)
        put(&m, id, 2), put(&m, 1, 2), put(&m, 8, 2), put(&m, 4, 2);
    set_end(&m);
}

static void bomb_fields(void) /* one template of as many fields as fit, all one element */
{
    begin(&m, 10, 0, 1);
    set(&m, 2);
    uint32_t n = (uint32_t)(MTU - m.len - 4) / 4;
    put(&m, 256, 2), put(&m, n, 2);
    for (uint32_t i = 0; i < n; i++)
        put(&m, 1, 2), put(&m, 1, 2);
    set_end(&m);
}

static void bomb_records(void) /* a flow of four octets */
{
    begin(&m, 10, 0, 1);
    TEMPLATE(&m, 256, 8, 4);
    set(&m, 256);
    while (m.len + 4 <= MTU)
        put(&m, 6, 4);
    set_end(&m);
}

static void bomb_sets(void) /* sets without template, one octet each */
{
    begin(&m, 10, 0, 1);
    for (uint32_t id = 1000; m.len + 5 <= MTU; id++) {
        set(&m, (uint16_t)id);
        put(&m, 0, 1);
        set_end(&m);
    }
}

static void bomb_sflow(void) /* samples and records without octets */
{
    m.len = 0;
    put(&m, 5, 4), put(&m, 1, 4), put(&m, 1, 4), put(&m, 0, 4), put(&m, 0, 4), put(&m, 0, 4);
    put(&m, (MTU - 28) / 8, 4);
    while (m.len + 8 <= MTU)
        put(&m, 99, 4), put(&m, 0, 4);
}

Test(floods, c17_a_datagram_costs_less_than_a_millisecond_whatever_it_holds)
{
    static const struct {
        const char *name;
        void (*make)(void);
    } bombs[] = {{"nested lists", bomb_lists},  {"items", bomb_items},
                 {"templates", bomb_templates}, {"fields", bomb_fields},
                 {"records", bomb_records},     {"sets", bomb_sets},
                 {"sFlow", bomb_sflow}};
    for (size_t i = 0; i < sizeof bombs / sizeof *bombs; i++) {
        struct bench b = bench_new();
        bombs[i].make();
        cr_assert_leq(m.len, MTU);
        int64_t few_ns = cost(&b);
        struct wr_colset mail = wr_colset_all(wr_schema_of(WR_TABLE_SMTP_MESSAGES));
        wr_flow_decoder_who(b.dec, UINT32_MAX); /* and with whole records, and mail */
        cr_assert_eq(wr_flow_decoder_mail(b.dec, &mail), WR_OK);
        int64_t all_ns = cost(&b);
        cr_log_info("%s: %.3f ms, all read %.3f ms", bombs[i].name, (double)few_ns / 1e6,
                    (double)all_ns / 1e6);
        cr_expect_lt(few_ns, SLOWER * INT64_C(1000000), "%s: %.2f ms", bombs[i].name,
                     (double)few_ns / 1e6);
        cr_expect_lt(all_ns, SLOWER * INT64_C(1000000), "%s: %.2f ms", bombs[i].name,
                     (double)all_ns / 1e6);
        bench_end(&b);
    }
}

/* The largest datagram there is, of sets that each search for their template. */
Test(floods, c17_a_message_of_64_kb_costs_in_proportion)
{
    struct bench b = bench_new();
    begin(&m, 10, 0, 1);
    for (uint32_t id = 256; m.len + 5 <= 65500; id++) {
        set(&m, (uint16_t)(256 + id % 60000));
        put(&m, 0, 1);
        set_end(&m);
    }
    int64_t ns = cost(&b);
    cr_expect_lt(ns, SLOWER * INT64_C(20000000), "%.2f ms", (double)ns / 1e6);
    bench_end(&b);
}

/* Each boot time that is told goes through all streams of its exporter: four of a message do, whatever it holds. */
Test(floods, c17_boot_times_of_a_message_are_bounded)
{
    enum { TOLD = 300, COUNT = 4 };
    const uint64_t first_ms = (EXPORT_S - 100000) * UINT64_C(1000);
    struct bench b = bench_new();
    begin(&m, 10, 0, 1);
    OPTIONS(&m, 300, 149, 4, 160, 8);
    TEMPLATE(&m, 256, FLOW_FIELDS, 22, 4, 21, 4);
    set(&m, 300);
    for (uint32_t i = 0; i < TOLD; i++)
        put(&m, 1, 4), put(&m, first_ms + i * 1000, 8);
    set_end(&m);
    cr_assert(bench_send(&b, &m));
    cr_assert_eq(wr_flow_decoder_stats(b.dec)->options_records, TOLD);
    begin(&m, 10, TOLD, 1);
    set(&m, 256);
    add_flow(&m, 1, 2, 3, 25, 7);
    put(&m, 5000, 4), put(&m, 9000, 4);
    set_end(&m);
    cr_assert(bench_send(&b, &m));
    cr_assert_eq(b.vec.n, 1);
    cr_expect_eq(b.vec.at[0].start_ns, (int64_t)(first_ms + (COUNT - 1) * 1000 + 5000) * 1000000,
                 "boot time %ld", (long)((b.vec.at[0].start_ns / 1000000 - 5000 - (int64_t)first_ms) / 1000));
    bench_end(&b);
}

/* What could cost more than a message's length is counted, and ends: time alone would show it on a
 * slow machine only. */
Test(floods, c17_searches_held_sets_and_new_templates_of_a_message_are_counted)
{
    enum { SETS = 400, TOLD = 100 };
    struct bench b = bench_new();
    const struct wr_flow_stats *st = wr_flow_decoder_stats(b.dec);
    begin(&m, 10, 0, 1);
    for (uint16_t id = 0; id < TOLD; id++)
        TEMPLATE(&m, (uint16_t)(256 + id), FLOW_FIELDS);
    cr_assert(bench_send(&b, &m));
    b.peer.port = 999; /* of another port, which tells nothing: each set is a search */
    begin(&m, 10, 0, 1);
    for (uint16_t id = 0; id < TOLD; id++) {
        set(&m, (uint16_t)(256 + id));
        add_flow(&m, 1, 2, 3, 25, 7);
        set_end(&m);
    }
    cr_assert(bench_send(&b, &m));
    cr_expect_eq(b.vec.n, 64, "%u searches", b.vec.n);
    cr_expect_eq(st->sets_held, TOLD - 64);

    b.peer = peer_of(2, 2055);
    begin(&m, 10, 0, 1);
    for (uint16_t id = 0; id < SETS; id++) {
        set(&m, (uint16_t)(1000 + id));
        put(&m, 0, 1);
        set_end(&m);
    }
    cr_assert(bench_send(&b, &m));
    cr_expect_eq(st->sets_held, TOLD - 64 + SETS);
    cr_expect_eq(st->sets_dropped, SETS - 256, "%lu", (unsigned long)st->sets_dropped);

    b.peer = peer_of(3, 2055);
    uint64_t before = st->templates;
    uint32_t fields[2 * 60];
    for (uint32_t k = 0; k < 60; k++)
        fields[2 * k] = 1 + k, fields[2 * k + 1] = 4;
    const uint64_t octets = 2 + sizeof fields / 2; /* of a template: four a field on the wire */
    begin(&m, 10, 0, 1);
    while (m.len < 60000)
        add_template(&m, (uint16_t)(256 + m.len), fields, 60);
    cr_assert(bench_send(&b, &m));
    cr_expect_leq((st->templates - before) * octets, 32768);
    cr_expect_gt((st->templates - before + 1) * octets, 32768);
    bench_end(&b);
}

/* ---- floods: exporters of the list keep decoding, and what they send anew finds room ---- */

enum flood { EXPORTERS, TEMPLATES, REDEFINITIONS, HELD, NAMES, TYPES, NFLOODS };

/* One datagram of an attack under the address of `x`. */
static void attack(struct bench *b, enum flood flood, uint32_t x)
{
    b->peer = peer_of(1, (uint16_t)(1024 + x % 7));
    b->peer.addr[12] = 10;
    if (flood == EXPORTERS || x % 2) {
        b->peer.addr[13] = (uint8_t)(x >> 8);
        b->peer.addr[14] = (uint8_t)x;
    }
    begin(&m, 10, 0, x % 50);
    if (flood == HELD) {
        set(&m, (uint16_t)(1000 + x));
        while (m.len < 1400)
            put(&m, x, 4);
        set_end(&m);
    } else if (flood == NAMES) {
        OPTIONS(&m, 300, 95, 4, 96, 60);
        set(&m, 300);
        for (uint32_t i = 0; m.len + 64 < 1400; i++) {
            put(&m, x * 20 + i, 4);
            for (int k = 0; k < 60; k++)
                put(&m, 'a' + (x + i) % 26, 1);
        }
        set_end(&m);
    } else if (flood == TYPES) {
        OPTIONS(&m, 301, 346, 4, 303, 2, 339, 1, 341, 40);
        set(&m, 301);
        for (uint32_t i = 0; m.len + 47 < 1400; i++) {
            put(&m, 4711, 4), put(&m, x * 20 + i, 2), put(&m, 3, 1);
            for (int k = 0; k < 40; k++)
                put(&m, 'a' + (x + i) % 26, 1);
        }
        set_end(&m);
    } else {
        for (uint32_t i = 0; m.len + 200 < 1400; i++) {
            uint32_t fields[2 * 30];
            for (uint32_t k = 0; k < 30; k++)
                fields[2 * k] = k + 1, fields[2 * k + 1] = 1 + (x * 31 + i + k) % 200;
            add_template(&m,
                         (uint16_t)(flood == REDEFINITIONS ? 256 + i : 256 + (x * 8 + i) % 60000),
                         fields, 30);
        }
    }
    (void)bench_send(b, &m);
}

Test(floods, c16_listed_exporters_keep_decoding_in_every_flood)
{
    static const struct wr_flow_prefix list[] = {
        {.addr = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 0}, .bits = 120}};
    for (enum flood flood = 0; flood < NFLOODS; flood++) {
        struct wr_flow_decoder_opts opts = {
            .memory_bytes = 4 << 20, .max_exporters = 800, .listed = list, .nlisted = 1};
        struct bench b = {.dec = wr_flow_decoder_new(&opts), .now_ns = NOW_NS};
        for (uint8_t i = 0; i < 50; i++) {
            b.peer = peer_of(i, 2055);
            told(&b, 0);
        }
        for (uint32_t x = 0; x < 3000; x++) {
            attack(&b, flood, x);
            b.now_ns += 1000000;
            b.peer = peer_of((uint8_t)(x % 50), 2055);
            cr_assert_eq(rows(&b, x / 50), 1, "flood %d after %u", (int)flood, x);
            b.vec.n = 0;
        }
        const struct wr_flow_stats *st = wr_flow_decoder_stats(b.dec);
        size_t bytes = template_bytes(b.dec);
        uint64_t refused = rejected(&b, WR_FLOW_REJECT_exporter_cap) + st->sets_dropped +
                           st->no_memory_names + st->type_records_ignored;
        uint64_t templates = st->templates + 1000;
        cr_expect_gt(refused, 100, "flood %d met no bound", (int)flood);
        cr_expect_leq(bytes, 4 << 20, "flood %d: %zu octets", (int)flood, bytes);
        for (uint8_t i = 50; i < 150;
             i++) { /* new ones of the list, with ten templates each, and a known one anew */
            b.peer = peer_of(i, 2055);
            for (uint16_t id = 256; id < 266; id++) {
                begin(&m, 10, 0, 1);
                TEMPLATE(&m, id, FLOW_FIELDS, 210, i);
                cr_assert(bench_send(&b, &m), "flood %d: exporter %u", (int)flood, i);
            }
        }
        cr_expect_eq(st->templates, templates, "flood %d", (int)flood);
        b.peer = peer_of(3, 2055);
        begin(&m, 10, 0, 1);
        TEMPLATE(&m, 256, 210, 2, FLOW_FIELDS);
        cr_assert(bench_send(&b, &m));
        cr_expect_eq(wr_flow_decoder_stats(b.dec)->templates, templates + 1, "flood %d",
                     (int)flood);
        bench_end(&b);
    }
}

Test(floods, c16_strangers_leave_seven_of_eight_places_to_the_list)
{
    static const struct wr_flow_prefix list[] = {
        {.addr = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 0}, .bits = 120}};
    struct wr_flow_decoder_opts opts = {.max_exporters = 80, .listed = list, .nlisted = 1};
    struct bench b = {.dec = wr_flow_decoder_new(&opts), .now_ns = NOW_NS};
    for (uint32_t x = 0; x < 1000; x++) {
        b.peer = peer_of(1, 2055);
        b.peer.addr[12] = 10;
        b.peer.addr[14] = (uint8_t)(x >> 8);
        b.peer.addr[15] = (uint8_t)x;
        begin(&m, 10, 0, 1);
        TEMPLATE(&m, 256, FLOW_FIELDS);
        (void)bench_send(&b, &m);
    }
    cr_expect_eq(wr_flow_decoder_stats(b.dec)->templates, 10);
    for (uint8_t i = 0; i < 70; i++) {
        b.peer = peer_of(i, 2055);
        told(&b, 0);
        cr_expect_eq(rows(&b, 0), 1, "exporter %u of the list", i);
    }
    bench_end(&b);
}

Test(floods, c16_data_that_strangers_send_without_templates_leave_room_for_the_lists)
{
    static const struct wr_flow_prefix list[] = {
        {.addr = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 0}, .bits = 120}};
    struct wr_flow_decoder_opts opts = {.listed = list, .nlisted = 1};
    struct bench b = {.dec = wr_flow_decoder_new(&opts), .now_ns = NOW_NS};
    for (uint32_t x = 0; x < 80; x++)
        for (uint32_t k = 0; k < 5; k++) { /* more than each may have, and than all may */
            b.peer = peer_of((uint8_t)x, 2055);
            b.peer.addr[12] = 10;
            begin(&m, 10, 0, k);
            set(&m, 1000);
            while (m.len < 60000)
                put(&m, x, 4);
            set_end(&m);
            (void)bench_send(&b, &m);
        }
    b.peer = peer_of(1, 2055);
    begin(&m, 10, 0, 1);
    set(&m, 256);
    for (int i = 0; i < 3000; i++) /* more than a stranger's last set that found no room */
        add_flow(&m, 1, 2, 3, 25, 7);
    set_end(&m);
    cr_assert(bench_send(&b, &m));
    cr_expect_eq(b.vec.n, 0);
    told(&b, 0);
    cr_expect_eq(b.vec.n, 3000, "held and decoded");
    bench_end(&b);
}
