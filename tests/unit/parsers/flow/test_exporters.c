/* What is known of each exporter: the listing, and what outlives a restart besides templates. */
#include "message.h"

#include "base/str.h"

static struct message m;

static void reload(const struct bench *from, struct bench *to)
{
    struct wr_buf saved = {0};
    wr_flow_decoder_save(from->dec, &saved);
    cr_assert_eq(wr_flow_decoder_load(to->dec, saved.data, saved.len), WR_OK);
    wr_buf_fini(&saved);
}

static void sampler_options(struct bench *b, uint32_t domain, uint32_t rate)
{
    begin(&m, 9, 1, domain);
    OPTIONS(&m, 400, 1, 4, 48, 1, 34, 4);
    set(&m, 400);
    put(&m, 0, 4);
    put(&m, 5, 1);
    put(&m, rate, 4);
    set_end(&m);
    cr_assert(bench_send(b, &m));
}

static uint32_t rate_in(struct bench *b, uint32_t domain)
{
    begin(&m, 9, 2, domain);
    TEMPLATE(&m, 260, FLOW_FIELDS, 48, 2);
    set(&m, 260);
    add_flow(&m, 1, 2, 3, 25, 10);
    put(&m, 5, 2);
    set_end(&m);
    cr_assert(bench_send(b, &m));
    return b->vec.at[b->vec.n - 1].sampling;
}

Test(exporters, a_sampler_told_by_another_domain_counts_where_none_is_told)
{
    struct bench b = bench_new();
    sampler_options(&b, 0, 1000);
    cr_expect_eq(rate_in(&b, 7), 1000);
    sampler_options(&b, 7, 64);
    cr_expect_eq(rate_in(&b, 7), 64);
    cr_expect_eq(rate_in(&b, 0), 1000);
    b.peer = peer_of(2, 2055);
    cr_expect_eq(rate_in(&b, 0), 1, "of another exporter");
    bench_end(&b);
}

Test(exporters, samplers_names_and_boot_time_survive_a_restart)
{
    struct bench b = bench_new(), after = bench_new();
    wr_flow_decoder_who(after.dec, UINT32_MAX);
    sampler_options(&b, 0, 1000);
    begin(&m, 10, 1, 3);
    OPTIONS(&m, 401, 10, 4, 82, 8);
    OPTIONS(&m, 402, 149, 4, 160, 8);
    set(&m, 401);
    put(&m, 7, 4);
    for (const char *s = "ge-0/0/7"; *s; s++)
        put(&m, (uint8_t)*s, 1);
    set_end(&m);
    set(&m, 402);
    put(&m, 3, 4);
    put(&m, (EXPORT_S - 1000) * UINT64_C(1000), 8);
    set_end(&m);
    cr_assert(bench_send(&b, &m));
    reload(&b, &after);
    after.peer.port = 999;
    cr_expect_eq(rate_in(&after, 0), 1000);
    begin(&m, 10, 1, 3);
    TEMPLATE(&m, 260, FLOW_FIELDS, 10, 4, 22, 4, 21, 4);
    set(&m, 260);
    add_flow(&m, 1, 2, 3, 25, 10);
    put(&m, 7, 4);
    put(&m, 400000, 4);
    put(&m, 500000, 4);
    set_end(&m);
    cr_assert(bench_send(&after, &m));
    const struct wr_flow *f = &after.vec.at[after.vec.n - 1];
    cr_expect_eq(f->end_ns, (EXPORT_S - 500) * INT64_C(1000000000));
    cr_expect_not(f->flags & WR_FLOW_TIME_APPROX);
    struct wr_who who = wr_flow_who(&after.vec, f);
    enum wr_who_kind kind;
    const char *text;
    uint32_t len;
    cr_assert(wr_who_next(&who, &kind, &text, &len));
    cr_expect_eq(kind, WR_WHO_IN_INTERFACE);
    cr_expect_eq(memcmp(text, "ge-0/0/7", 8), 0);
    bench_end(&b);
    bench_end(&after);
}

static bool has(const struct wr_buf *out, const char *text)
{
    return memmem(out->data, out->len, text, strlen(text)) != NULL;
}

Test(exporters, a_line_for_each_port_and_domain)
{
    struct bench b = bench_new();
    struct wr_buf out = {0};
    sampler_options(&b, 0, 1000);
    rate_in(&b, 0);
    b.now_ns += INT64_C(20000000000);
    rate_in(&b, 0);
    b.peer.port = 4000;
    begin(&m, 10, 1, 9);
    TEMPLATE(&m, 260, FLOW_FIELDS);
    TEMPLATE(&m, 261, 0, 0); /* records of no length */
    set(&m, 260);
    add_flow(&m, 1, 2, 3, 25, 10);
    set_end(&m);
    cr_assert(bench_send(&b, &m));
    wr_flow_decoder_exporters(b.dec, b.now_ns, &out);
    cr_expect(wr_utf8_valid(out.data, out.len));
    cr_expect(has(&out, "{\"exporter\":\"192.0.2.1\",\"port\":2055,\"domain\":0,\"protocol\":\"NetFlow v9\",\"state\":\"sending\","
                        "\"templates\":1,\"optionsTemplates\":1,"));
    cr_expect(has(&out, "\"messages\":3,\"records\":3,\"messagesPerSecond\":0.1,"));
    cr_expect(has(&out, "\"samplingInterval\":1000,"));
    cr_expect(has(&out, "\"lastSeenSeconds\":0.000,\"messages\":1,\"records\":1,\"messagesPerSecond\":1.0,\"recordsPerSecond\":1.0,"),
              "the first window is not over");
    cr_expect(has(&out, "\"port\":4000,\"domain\":9,\"protocol\":\"IPFIX\""));
    cr_expect(has(&out, "\"lastError\":\"template_empty\""));
    wr_buf_reset(&out);
    wr_flow_decoder_exporters(b.dec, b.now_ns + INT64_C(60000000000), &out);
    cr_expect(has(&out, "\"state\":\"quiet\"") && !has(&out, "\"state\":\"sending\""));
    cr_expect(has(&out, "\"lastSeenSeconds\":60.000,") && has(&out, "\"lastErrorSeconds\":60.000}"));
    struct bench after = bench_new();
    reload(&b, &after);
    wr_buf_reset(&out);
    wr_flow_decoder_exporters(after.dec, after.now_ns, &out);
    cr_expect(has(&out, "{\"exporter\":\"192.0.2.1\",\"domain\":9,\"protocol\":\"IPFIX\",\"state\":\"stored\",\"templates\":1,"
                        "\"optionsTemplates\":0,\"templateSeen\":\"2026-"));
    wr_buf_fini(&out);
    bench_end(&b);
    bench_end(&after);
}

/* What a rate will be, before any rule wanted a row of the exporter: rows alone would say 1. */
Test(exporters, the_listing_tells_the_rate_that_options_tell)
{
    const struct wr_flow_rate configured = {{.addr = {[10] = 0xff, [11] = 0xff}, .bits = 96}, 7};
    const struct wr_flow_decoder_opts opts = {.rates = &configured, .nrates = 1};
    static const struct {
        uint32_t scope, rate;
        const char *text;
    } told[] = {{0, 0, "\"samplingInterval\":1,"},
                {144, 1000, "\"samplingInterval\":1000,"},
                {48, 64, "\"samplingInterval\":64,"},
                {10, 32, "\"samplingInterval\":32,"}};
    for (unsigned i = 0; i < 8; i++) {
        struct bench b = bench_new();
        struct wr_buf out = {0};
        if (i >= 4) {
            wr_flow_decoder_free(b.dec);
            b.dec = wr_flow_decoder_new(&opts);
        }
        begin(&m, 10, 0, 1);
        TEMPLATE(&m, 256, FLOW_FIELDS);
        if (told[i % 4].rate) {
            OPTIONS(&m, 512, told[i % 4].scope, 4, 34, 4);
            set(&m, 512);
            put(&m, 5, 4), put(&m, told[i % 4].rate, 4);
            set_end(&m);
        }
        cr_assert(bench_send(&b, &m));
        wr_flow_decoder_exporters(b.dec, b.now_ns, &out);
        wr_buf_char(&out, 0);
        cr_expect(strstr(out.data, i == 4 ? "\"samplingInterval\":7," : told[i % 4].text), "%u: %s", i, out.data);
        wr_buf_fini(&out);
        bench_end(&b);
    }
}

/* Endpoints that do not exist, applications without end: templates still find room, and the newest names count. */
Test(exporters, floods_of_names_leave_room_for_templates)
{
    const struct wr_flow_decoder_opts opts = {.memory_bytes = 1 << 20};
    struct bench b = bench_new();
    wr_flow_decoder_free(b.dec);
    b.dec = wr_flow_decoder_new(&opts);
    begin(&m, 10, 0, 1);
    TEMPLATE(&m, 262, 350, 16, VENDOR(9, 12332), 20);
    OPTIONS(&m, 400, 10, 4, 82, 32);
    cr_assert(bench_send(&b, &m));
    for (uint32_t i = 0; i < 200; i++) {
        begin(&m, 10, 0, 1);
        set(&m, i % 2 ? 262 : 400);
        for (uint32_t k = 0; k < 200; k++) {
            put(&m, i % 2 ? 'h' : i * 1000 + k, i % 2 ? 1 : 4);
            for (unsigned n = 0; n < (i % 2 ? 15 : 32); n++)
                put(&m, 'x', 1);
            if (i % 2) {
                put(&m, i * 1000 + k, 8);
                put(&m, 1, 8), put(&m, 2, 4);
            }
        }
        set_end(&m);
        cr_assert(bench_send(&b, &m));
    }
    for (uint16_t id = 1000; id < 1200; id++) {
        begin(&m, 10, 0, 1);
        TEMPLATE(&m, id, FLOW_FIELDS);
        cr_assert(bench_send(&b, &m));
    }
    cr_expect_eq(rejected(&b, WR_FLOW_REJECT_exporter_cap), 0);
    bench_end(&b);
}
