/* What strangers send: each reason to refuse, truncation anywhere, floods. */
#include "message.h"

static struct message m;

static void expect_whole(struct bench *b, enum wr_flow_reject why, const char *what)
{
    uint64_t was = rejected(b, why);
    const struct wr_flow_stats *s = wr_flow_decoder_stats(b->dec);
    uint64_t whole = s->rejected_messages;
    cr_expect_not(bench_send(b, &m), "%s was taken", what);
    cr_expect_eq(rejected(b, why), was + 1, "%s: not counted", what);
    cr_expect_eq(s->rejected_messages, whole + 1, "%s: not counted as a message", what);
}

/* Good message, but something in it is refused and counted. */
static void expect_part(struct bench *b, enum wr_flow_reject why, const char *what)
{
    uint64_t was = rejected(b, why);
    cr_expect(bench_send(b, &m), "%s refused the message", what);
    cr_expect_eq(rejected(b, why), was + 1, "%s: not counted", what);
}

Test(hostile, version_truncated_length)
{
    struct bench b = bench_new();
    begin(&m, 8, 0, 0);
    expect_whole(&b, WR_FLOW_REJECT_version, "version 8");
    begin(&m, 9, 0, 0);
    m.len = 19;
    expect_whole(&b, WR_FLOW_REJECT_truncated, "19 octets of v9");
    m.len = 1;
    expect_whole(&b, WR_FLOW_REJECT_truncated, "one octet");
    begin(&m, 10, 0, 0);
    m.at[3] = 17;
    expect_whole(&b, WR_FLOW_REJECT_truncated, "IPFIX longer than the datagram");
    m.at[3] = 15;
    expect_whole(&b, WR_FLOW_REJECT_length, "IPFIX length 15");
    m.at[3] = 16;
    put(&m, 0, 1);
    expect_whole(&b, WR_FLOW_REJECT_length, "IPFIX shorter than the datagram");
    bench_end(&b);
}

Test(hostile, set_length)
{
    struct bench b = bench_new();
    for (uint16_t version = 9; version <= 10; version++) {
        begin(&m, version, 0, 0);
        set(&m, 256);
        put(&m, 0, 4);
        set_end(&m);
        m.at[m.set + 3] = 3;
        expect_whole(&b, WR_FLOW_REJECT_set_length, "set of 3 octets");
        m.at[m.set + 3] = 9;
        expect_whole(&b, WR_FLOW_REJECT_set_length, "set past the message");
    }
    bench_end(&b);
}

Test(hostile, template_id_fields_empty)
{
    struct bench b = bench_new();
    begin(&m, 10, 0, 0);
    TEMPLATE(&m, 255, FLOW_FIELDS);
    expect_part(&b, WR_FLOW_REJECT_template_id, "id 255");
    begin(&m, 10, 0, 0);
    TEMPLATE(&m, 256, FLOW_FIELDS);
    m.at[m.set + 7] = 7;
    expect_part(&b, WR_FLOW_REJECT_template_fields, "7 fields in room for 6");
    begin(&m, 9, 0, 0);
    TEMPLATE(&m, 256, 8, 0, 12, 0);
    expect_part(&b, WR_FLOW_REJECT_template_empty, "records without length");
    begin(&m, 10, 0, 0);
    set(&m, 2);
    put(&m, 256, 2);
    put(&m, 1025, 2);
    for (int i = 0; i < 1025; i++)
        put(&m, 1 << 16 | 1, 4);
    set_end(&m);
    expect_part(&b, WR_FLOW_REJECT_template_fields, "1,025 fields");
    begin(&m, 10, 0, 0);
    TEMPLATE(&m, 256, 8, 65000, 12, 65000);
    expect_part(&b, WR_FLOW_REJECT_template_fields, "a record that fits no message");
    cr_expect_eq(wr_flow_decoder_stats(b.dec)->templates, 0);
    bench_end(&b);
}

Test(hostile, scope_count)
{
    struct bench b = bench_new();
    for (uint32_t scope = 0; scope <= 3; scope += 3) {
        begin(&m, 10, 0, 0);
        OPTIONS(&m, 256, 149, 4, 34, 4);
        m.at[m.set + 9] = (uint8_t)scope;
        expect_part(&b, WR_FLOW_REJECT_scope_count, "scope count 0 or 3 of 2");
    }
    begin(&m, 9, 0, 0);
    OPTIONS(&m, 256, 1, 4, 34, 4);
    m.at[m.set + 7] = 3;
    expect_part(&b, WR_FLOW_REJECT_scope_count, "v9 scope length 3");
    bench_end(&b);
}

Test(hostile, varlen_past_its_set_refuses_the_whole_message)
{
    struct bench b = bench_new();
    begin(&m, 10, 0, 0);
    TEMPLATE(&m, 256, FLOW_FIELDS);
    TEMPLATE(&m, 257, 8, 4, 12, 4, 371, 65535);
    set(&m, 256);
    add_flow(&m, 1, 2, 3, 4, 5);
    set_end(&m);
    set(&m, 257);
    put(&m, 1, 4);
    put(&m, 2, 4);
    put(&m, 200, 1); /* 200 octets follow, it says */
    set_end(&m);
    expect_whole(&b, WR_FLOW_REJECT_varlen, "varlen");
    cr_expect_eq(b.vec.n, 0);
    cr_expect_eq(wr_flow_decoder_stats(b.dec)->templates, 0, "nothing of it is kept");
    bench_end(&b);
}

static void list_message(unsigned depth)
{
    begin(&m, 10, 0, 0);
    TEMPLATE(&m, 256, 8, 4, 291, 65535);
    set(&m, 256);
    put(&m, 0x01020304, 4);
    unsigned inner = 4;
    for (unsigned i = 0; i < depth; i++)
        inner += 6;
    for (unsigned i = 0; i < depth; i++, inner -= 6) { /* basicList of basicLists */
        put(&m, inner - 1, 1);
        put(&m, 3, 1);
        put(&m, 291, 2);
        put(&m, 65535, 2);
    }
    put(&m, 3, 1);
    put(&m, 0, 3);
    set_end(&m);
}

Test(hostile, a_list_too_deep_or_broken_is_null_and_its_record_stays)
{
    struct bench b = bench_new();
    struct wr_buf out = {0};
    list_message(8);
    cr_expect(wr_flow_decode_json(b.dec, &b.peer, m.at, m.len, b.now_ns, &out));
    cr_expect_eq(rejected(&b, WR_FLOW_REJECT_list), 1);
    cr_assert(out.data);
    cr_expect(memmem(out.data, out.len, "\"basicList\":null}", 17), "%.*s", (int)out.len, out.data);
    cr_expect(memmem(out.data, out.len, "1.2.3.4", 7));
    wr_buf_fini(&out);
    bench_end(&b);
}

/* A record whose basicList holds a basicList ... holds `items` numbers, `depth` lists in all. */
static void add_lists(unsigned depth, uint32_t items)
{
    uint32_t left = 5 + items + (depth - 1) * (5 + 3); /* of the outermost */
    put(&m, 1, 4);
    for (; depth > 1; depth--, left -= 8)
        put(&m, 255, 1), put(&m, left, 2), put(&m, 3, 1), put(&m, 291, 2), put(&m, 65535, 2);
    put(&m, 255, 1), put(&m, left, 2), put(&m, 3, 1), put(&m, 4, 2), put(&m, 1, 2);
    while (items--)
        put(&m, 7, 1);
}

static uint64_t lists_refused(unsigned records, unsigned depth, uint32_t items, const char *text)
{
    struct bench b = bench_new();
    struct wr_buf out = {0};
    begin(&m, 10, 0, 0);
    TEMPLATE(&m, 256, 8, 4, 291, 65535);
    set(&m, 256);
    for (unsigned i = 0; i < records; i++)
        add_lists(depth, items);
    set_end(&m);
    cr_assert(wr_flow_decode_json(b.dec, &b.peer, m.at, m.len, b.now_ns, &out));
    wr_buf_char(&out, 0);
    cr_expect(strstr(out.data, text), "no %s", text);
    uint64_t n = rejected(&b, WR_FLOW_REJECT_list);
    wr_buf_fini(&out);
    bench_end(&b);
    return n;
}

Test(hostile, lists_go_four_deep_and_hold_1024_items_8192_a_message)
{
    cr_expect_eq(lists_refused(1, 4, 1, "\"basicList\":[[[[7]]]]"), 0);
    cr_expect_eq(lists_refused(1, 5, 1, "\"basicList\":null"), 1);
    cr_expect_eq(lists_refused(1, 1, 1024, "7,7,7"), 0);
    cr_expect_eq(lists_refused(1, 1, 1025, "\"basicList\":null"), 1);
    cr_expect_eq(lists_refused(8, 1, 1024, "7,7,7"), 0);
    cr_expect_eq(lists_refused(9, 1, 1024, "\"basicList\":null"), 1);
}

Test(hostile, exporters_are_capped_and_the_quiet_ones_make_room)
{
    struct wr_flow_decoder_opts opts = {.max_exporters = 2};
    struct bench b = {.dec = wr_flow_decoder_new(&opts), .now_ns = NOW_NS};
    begin(&m, 10, 0, 0);
    TEMPLATE(&m, 256, FLOW_FIELDS);
    for (uint8_t i = 1; i <= 2; i++) {
        b.peer = peer_of(i, 9);
        cr_expect(bench_send(&b, &m));
    }
    b.peer = peer_of(3, 9);
    expect_whole(&b, WR_FLOW_REJECT_exporter_cap, "a third exporter");
    b.now_ns += INT64_C(3600) * 1000000000;
    cr_expect(bench_send(&b, &m));
    bench_end(&b);
}

Test(hostile, templates_of_a_stream_are_capped)
{
    struct bench b = bench_new();
    for (unsigned id = 256; id < 256 + 1025; id++) {
        begin(&m, 10, 0, 0);
        TEMPLATE(&m, (uint16_t)id, 8, 4);
        cr_expect(bench_send(&b, &m));
    }
    cr_expect_gt(rejected(&b, WR_FLOW_REJECT_exporter_cap), 0);
    cr_expect_leq(wr_flow_decoder_stats(b.dec)->templates, 1024);
    bench_end(&b);
}

Test(hostile, memory_is_bounded_under_a_flood_of_templates)
{
    struct wr_flow_decoder_opts opts = {.memory_bytes = 200000};
    struct bench b = {.dec = wr_flow_decoder_new(&opts), .now_ns = NOW_NS};
    struct wr_buf out = {0};
    for (unsigned i = 0; i < 2000; i++) {
        b.peer = peer_of((uint8_t)(i % 50), 9);
        begin(&m, 9, i, i / 50);
        TEMPLATE(&m, (uint16_t)(256 + i), FLOW_FIELDS);
        set(&m, 999);
        put(&m, i, 4);
        set_end(&m);
        bench_send(&b, &m);
    }
    wr_flow_decoder_metrics(b.dec, &out);
    wr_buf_char(&out, 0);
    cr_assert_not(out.err);
    const char *at = strstr(out.data, "\nweir_flow_template_bytes ");
    cr_assert(at);
    cr_expect_leq(strtoul(at + 26, NULL, 10), 200000);
    wr_buf_fini(&out);
    bench_end(&b);
}

/* Everything is gathered: who did it, whole records, mail. */
static struct bench greedy_bench(void)
{
    struct bench b = bench_new();
    struct wr_colset mail = wr_colset_all(wr_schema_of(WR_TABLE_SMTP_MESSAGES));
    wr_flow_decoder_who(b.dec, UINT32_MAX);
    cr_assert_eq(wr_flow_decoder_mail(b.dec, &mail), WR_OK);
    return b;
}

/* What flows say of process and host is well formed, each kind once. */
static void check_who(const struct wr_flow_vec *rows)
{
    for (uint32_t i = 0; i < rows->n; i++) {
        struct wr_who who = wr_flow_who(rows, &rows->at[i]);
        enum wr_who_kind kind;
        const char *text;
        uint32_t len, seen = 0;
        while (wr_who_next(&who, &kind, &text, &len)) {
            cr_assert(!(seen & wr_who_bit(kind)) && len && wr_utf8_valid(text, len));
            seen |= wr_who_bit(kind);
        }
        cr_assert_eq(who.len, 0);
    }
}

/* Copies to the heap, so that a sanitizer sees any read past the end. */
static void decode_copy(struct bench *b, const uint8_t *data, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);
    struct wr_buf out = {0};
    memcpy(copy, data, len);
    wr_flow_decode(b->dec, &b->peer, copy, len, b->now_ns, &b->vec);
    wr_flow_decode_json(b->dec, &b->peer, copy, len, b->now_ns, &out);
    check_who(&b->vec);
    wr_flow_vec_reset(&b->vec);
    wr_buf_fini(&out);
    free(copy);
}

static const char *const cut[] = {
    "logstash-codec-netflow/netflow9_test_valid01.dat",
    "logstash-codec-netflow/netflow9_test_juniper_srx_tplopt.dat",
    "logstash-codec-netflow/ipfix_test_ixia_tpldata271.dat",
    "logstash-codec-netflow/netflow5_test_microtik.dat",
    "logstash-codec-netflow/ipfix_test_yaf_tpls_option_tpl.dat",
    "telegraf/ipfix_example/ipfix_4.bin",
    "logstash-codec-netflow/netflow9_test_nprobe_tpl.dat",
    "logstash-codec-netflow/netflow9_test_nprobe_data.dat",
    "telegraf/sflow_issue_15918/message.bin",
    "ona-nvzflow/template_message.ipfix",
    "ona-nvzflow/data_message_262.ipfix",
    "ona-nvzflow/data_message_267.ipfix",
};

Test(hostile, real_messages_cut_at_every_octet)
{
    struct bench b = greedy_bench();
    for (unsigned i = 0; i < sizeof cut / sizeof *cut; i++) {
        struct bytes file = slurp(cut[i]);
        for (size_t n = 0; n <= file.len; n++) {
            decode_copy(&b, file.at, n);
            if (n >= 4 && file.at[1] == 10) { /* and with a header that owns up to it */
                uint8_t keep[2] = {file.at[2], file.at[3]};
                file.at[2] = (uint8_t)(n >> 8);
                file.at[3] = (uint8_t)n;
                decode_copy(&b, file.at, n);
                memcpy(file.at + 2, keep, 2);
            }
        }
        free(file.at);
    }
    bench_end(&b);
}

Test(hostile, real_messages_with_every_octet_flipped)
{
    struct bench b = greedy_bench();
    for (unsigned i = 0; i < sizeof cut / sizeof *cut; i++) {
        struct bytes file = slurp(cut[i]);
        for (size_t at = 0; at < file.len; at++) {
            file.at[at] ^= 0xff;
            decode_copy(&b, file.at, file.len);
            file.at[at] ^= 0xff;
        }
        free(file.at);
    }
    bench_end(&b);
}

Test(hostile, frame_finds_messages_of_a_stream)
{
    begin(&m, 10, 0, 0);
    set(&m, 300);
    set_end(&m);
    for (size_t n = 0; n < m.len; n++)
        cr_expect_eq(wr_flow_frame(m.at, n), 0, "%zu octets", n);
    cr_expect_eq(wr_flow_frame(m.at, m.len + 9), (int32_t)m.len);
    m.at[3] = 15;
    cr_expect_eq(wr_flow_frame(m.at, m.len), -1);
    cr_expect_eq(wr_flow_frame((const uint8_t *)"GET ", 1), -1);
    cr_expect_eq(wr_flow_frame((const uint8_t[]){0, 9}, 2), -1);
}

Test(hostile, a_message_of_nothing_but_unknown_sets_is_bounded_work)
{
    struct bench b = bench_new();
    begin(&m, 10, 0, 0);
    for (unsigned id = 1000; m.len + 5 < 65500; id++) {
        set(&m, (uint16_t)(id % 60000 + 256));
        put(&m, 0, 1);
        set_end(&m);
    }
    cr_expect(bench_send(&b, &m));
    const struct wr_flow_stats *s = wr_flow_decoder_stats(b.dec);
    cr_expect_gt(s->sets_held, 13000);
    cr_expect_leq(s->sets_held - s->sets_dropped, 256, "few of one message wait");
    bench_end(&b);
}

Test(hostile, new_templates_of_one_message_are_bounded_and_a_refresh_brings_the_rest)
{
    struct bench b = bench_new();
    begin(&m, 10, 0, 0);
    for (uint16_t id = 256; id < 256 + 12; id++) {
        set(&m, 2);
        put(&m, id, 2);
        put(&m, 1024, 2);
        for (unsigned i = 0; i < 1024; i++)
            put(&m, (i + 1) << 16 | 1, 4);
        set_end(&m);
    }
    cr_expect(bench_send(&b, &m));
    cr_expect_eq(wr_flow_decoder_stats(b.dec)->templates, 7);
    cr_expect_eq(rejected(&b, WR_FLOW_REJECT_exporter_cap), 5);
    cr_expect(bench_send(&b, &m));
    cr_expect_eq(wr_flow_decoder_stats(b.dec)->templates, 12);
    bench_end(&b);
}
