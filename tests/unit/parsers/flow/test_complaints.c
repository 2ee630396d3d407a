/* What users of other collectors complained about, those that no other test covers; numbers are of
 * the table in tests/conformance.tsv. */
#include "message.h"

#include <malloc.h>
#include <time.h>

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { SLOWER = 10 };
#else
enum { SLOWER = 1 };
#endif

static struct message m;
#define SECONDS(n) ((n)*INT64_C(1000000000))

static void told(struct bench *b, uint32_t seq)
{
    begin(&m, 10, seq, 1);
    TEMPLATE(&m, 256, FLOW_FIELDS);
    cr_assert(bench_send(b, &m));
}

static uint32_t rows(struct bench *b, uint32_t seq)
{
    uint32_t before = b->vec.n;
    begin(&m, 10, seq, 1);
    set(&m, 256);
    add_flow(&m, 1, 2, 3, 25, 7);
    set_end(&m);
    cr_assert(bench_send(b, &m));
    return b->vec.n - before;
}

static bool exporter_has(struct bench *b, const char *address, const char *text)
{
    struct wr_buf out = {0};
    char key[64];
    (void)snprintf(key, sizeof key, "\"exporter\":\"%s\"", address);
    wr_flow_decoder_exporters(b->dec, b->now_ns, &out);
    wr_buf_char(&out, 0);
    const char *line = strstr(out.data, key), *end = line ? strchr(line, '\n') : NULL;
    const char *at = line ? strstr(line, text) : NULL;
    bool has = at && at < end;
    cr_expect(has, "%s of %s in %s", text, address, out.data);
    wr_buf_fini(&out);
    return has;
}

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

static size_t template_bytes(const struct wr_flow_decoder *dec)
{
    struct wr_buf out = {0};
    wr_flow_decoder_metrics(dec, &out);
    wr_buf_char(&out, 0);
    const char *at = strstr(out.data, "\nweir_flow_template_bytes ");
    size_t bytes = at ? strtoul(at + 26, NULL, 10) : 0;
    wr_buf_fini(&out);
    return bytes;
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

Test(complaints, c17_a_datagram_costs_less_than_a_millisecond_whatever_it_holds)
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
Test(complaints, c17_a_message_of_64_kb_costs_in_proportion)
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

Test(complaints, c16_listed_exporters_keep_decoding_in_every_flood)
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
