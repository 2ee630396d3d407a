/* Templates over time: who owns them, when they change, what waits for them, what a restart keeps. */
#include "message.h"

static struct message m;

static const struct wr_flow_stats *stats(const struct bench *b)
{
    return wr_flow_decoder_stats(b->dec);
}

static void send_template(struct bench *b, uint16_t version, uint16_t id)
{
    begin(&m, version, 0, 0);
    TEMPLATE(&m, id, FLOW_FIELDS);
    cr_assert(bench_send(b, &m));
}

/* The same length with the fields in another order. */
static void send_other_template(struct bench *b, uint16_t version, uint16_t id)
{
    begin(&m, version, 0, 0);
    TEMPLATE(&m, id, 12, 4, 8, 4, 11, 2, 7, 2, 4, 1, 1, 4);
    cr_assert(bench_send(b, &m));
}

/* Rows that one data record gives. */
static uint32_t send_data(struct bench *b, uint16_t version, uint16_t id)
{
    uint32_t was = b->vec.n;
    begin(&m, version, 0, 0);
    set(&m, id);
    add_flow(&m, 0x0a000001, 0x0a000002, 1000, 25, 5);
    set_end(&m);
    cr_assert(bench_send(b, &m));
    return b->vec.n - was;
}

Test(templates, a_new_definition_replaces_at_once)
{
    for (uint16_t version = 9; version <= 10; version++) {
        struct bench b = bench_new();
        send_template(&b, version, 256);
        send_template(&b, version, 256);
        cr_expect_eq(stats(&b)->templates, 1, "the same again is no new one");
        cr_expect_eq(send_data(&b, version, 256), 1);
        send_other_template(&b, version, 256);
        cr_expect_eq(stats(&b)->templates_changed, 1);
        cr_expect_eq(send_data(&b, version, 256), 1);
        cr_expect_eq(b.vec.at[0].dport, 25);
        cr_expect_eq(b.vec.at[1].dport, 1000);
        bench_end(&b);
    }
}

Test(templates, act_in_the_order_of_the_message)
{
    struct bench b = bench_new();
    begin(&m, 10, 0, 0);
    TEMPLATE(&m, 256, FLOW_FIELDS);
    set(&m, 256);
    add_flow(&m, 1, 2, 1000, 25, 5);
    set_end(&m);
    TEMPLATE(&m, 256, 12, 4, 8, 4, 11, 2, 7, 2, 4, 1, 1, 4);
    set(&m, 256);
    add_flow(&m, 1, 2, 1000, 25, 5);
    set_end(&m);
    cr_assert(bench_send(&b, &m));
    cr_assert_eq(b.vec.n, 2);
    cr_expect_eq(b.vec.at[0].dport, 25);
    cr_expect_eq(b.vec.at[1].dport, 1000);
    bench_end(&b);
}

Test(templates, a_broken_definition_ends_the_old_one)
{
    struct bench b = bench_new();
    send_template(&b, 10, 256);
    begin(&m, 10, 0, 0);
    TEMPLATE(&m, 256, 8, 0);
    cr_assert(bench_send(&b, &m));
    cr_expect_eq(send_data(&b, 10, 256), 0);
    cr_expect_eq(stats(&b)->sets_held, 1);
    bench_end(&b);
}

static void send_withdrawal(struct bench *b, uint16_t set_id, uint16_t id)
{
    begin(&m, 10, 0, 0);
    set(&m, set_id);
    put(&m, id, 2);
    put(&m, 0, 2);
    set_end(&m);
    cr_assert(bench_send(b, &m));
}

Test(templates, withdrawal_counts_on_tcp_and_is_ignored_on_udp)
{
    struct bench b = bench_new();
    send_withdrawal(&b, 2, 300); /* of one that nobody knows */
    send_template(&b, 10, 256);
    send_withdrawal(&b, 2, 256);
    cr_expect_eq(send_data(&b, 10, 256), 1, "UDP");
    b.peer.session = 77;
    send_template(&b, 10, 256);
    send_template(&b, 10, 257);
    send_withdrawal(&b, 2, 256);
    cr_expect_eq(send_data(&b, 10, 256), 0, "TCP");
    cr_expect_eq(send_data(&b, 10, 257), 1);
    send_withdrawal(&b, 2, 2);
    cr_expect_eq(send_data(&b, 10, 257), 0, "all of them");
    cr_expect_eq(rejected(&b, WR_FLOW_REJECT_template_id), 0);
    bench_end(&b);
}

Test(templates, of_a_session_die_with_it)
{
    struct bench b = bench_new();
    b.peer.session = 1;
    send_template(&b, 10, 256);
    cr_expect_eq(send_data(&b, 10, 256), 1);
    wr_flow_session_end(b.dec, &b.peer);
    cr_expect_eq(send_data(&b, 10, 256), 0);
    b.peer.session = 2;
    cr_expect_eq(send_data(&b, 10, 256), 0);
    b.peer.session = 0;
    cr_expect_eq(send_data(&b, 10, 256), 0, "no state moves between transports");
    bench_end(&b);
}

Test(templates, exporters_domains_ports_and_versions_do_not_clobber_each_other)
{
    struct bench b = bench_new();
    const struct wr_flow_peer one = peer_of(1, 100), two = peer_of(2, 100), port = peer_of(1, 200);
    b.peer = one;
    send_template(&b, 10, 256);
    b.peer = two;
    send_other_template(&b, 10, 256);
    b.peer = port;
    send_other_template(&b, 10, 256);
    b.peer = one;
    send_other_template(&b, 9, 256);
    begin(&m, 10, 0, 9);
    TEMPLATE(&m, 256, 8, 4, 12, 4);
    cr_assert(bench_send(&b, &m));
    cr_expect_eq(send_data(&b, 10, 256), 1);
    cr_expect_eq(b.vec.at[0].dport, 25);
    b.peer = two;
    cr_expect_eq(send_data(&b, 10, 256), 1);
    cr_expect_eq(b.vec.at[1].dport, 1000);
    cr_expect_eq(stats(&b)->templates_changed, 0);
    bench_end(&b);
}

Test(templates, a_port_that_sends_only_data_uses_the_only_definition)
{
    struct bench b = bench_new();
    b.peer = peer_of(1, 100);
    send_template(&b, 9, 256);
    b.peer = peer_of(1, 200);
    cr_expect_eq(send_data(&b, 9, 256), 1);
    b.peer = peer_of(1, 300);
    send_other_template(&b, 9, 256);
    b.peer = peer_of(1, 200);
    cr_expect_eq(send_data(&b, 9, 256), 0, "two definitions: none");
    b.peer = peer_of(2, 200);
    cr_expect_eq(send_data(&b, 9, 256), 0, "another exporter");
    bench_end(&b);
}

/* Whose records do not fill the set is another definition of that number: a guess makes no garbage. */
Test(templates, a_definition_of_another_port_must_fill_the_set)
{
    struct bench b = bench_new();
    b.peer = peer_of(1, 100);
    begin(&m, 10, 0, 1);
    TEMPLATE(&m, 256, FLOW_FIELDS);
    cr_assert(bench_send(&b, &m));
    b.peer = peer_of(1, 200);
    begin(&m, 10, 0, 1);
    set(&m, 256);
    add_flow(&m, 1, 2, 3, 25, 10);
    put(&m, 0, 5);
    set_end(&m);
    cr_assert(bench_send(&b, &m));
    cr_expect_eq(b.vec.n, 0);
    bench_end(&b);
}

Test(templates, data_wait_for_their_template)
{
    struct bench b = bench_new();
    cr_expect_eq(send_data(&b, 9, 256), 0);
    cr_expect_eq(send_data(&b, 9, 257), 0);
    send_template(&b, 9, 256);
    cr_expect_eq(b.vec.n, 1);
    cr_expect_eq(b.vec.at[0].dport, 25);
    cr_expect_eq(stats(&b)->sets_released, 1);
    b.now_ns += INT64_C(61) * 1000000000;
    send_template(&b, 9, 257);
    cr_expect_eq(b.vec.n, 1, "too late");
    cr_expect_eq(stats(&b)->sets_dropped, 1);
    bench_end(&b);
}

Test(templates, data_in_the_message_of_their_template_may_come_first)
{
    struct bench b = bench_new();
    begin(&m, 10, 0, 0);
    set(&m, 256);
    add_flow(&m, 1, 2, 1000, 25, 5);
    set_end(&m);
    TEMPLATE(&m, 256, FLOW_FIELDS);
    cr_assert(bench_send(&b, &m));
    cr_expect_eq(b.vec.n, 1);
    bench_end(&b);
}

Test(templates, waiting_data_are_bounded_and_the_oldest_go)
{
    struct bench b = bench_new();
    for (unsigned i = 0; i < 300; i++) {
        begin(&m, 9, i, 0);
        set(&m, 256);
        add_flow(&m, i, 2, 1000, 25, 5);
        for (int k = 0; k < 1500; k++)
            put(&m, 0, 1);
        set_end(&m);
        cr_assert(bench_send(&b, &m));
    }
    cr_expect_eq(stats(&b)->sets_held, 300);
    cr_expect_gt(stats(&b)->sets_dropped, 100);
    uint64_t waiting = 300 - stats(&b)->sets_dropped;
    begin(&m, 9, 0, 0);
    TEMPLATE(&m, 256, FLOW_FIELDS, 371, 1500);
    cr_assert(bench_send(&b, &m));
    cr_expect_eq(b.vec.n, waiting);
    cr_expect_eq(wr_be(b.vec.at[0].src, 4), 300 - waiting, "the newest are kept");
    bench_end(&b);
}

Test(templates, padding_may_follow_everywhere)
{
    struct bench b = bench_new();
    for (unsigned fill = 0; fill <= 255; fill += 255) {
        begin(&m, 10, 0, 0);
        TEMPLATE(&m, 256, FLOW_FIELDS);
        for (int i = 0; i < 3; i++)
            put(&m, fill, 1);
        set_end(&m);
        set(&m, 256);
        add_flow(&m, 1, 2, 3, 4, 5);
        for (int i = 0; i < FLOW_LEN - 1; i++)
            put(&m, fill, 1);
        set_end(&m);
        set(&m, 77); /* a set id that means nothing */
        put(&m, fill, 4);
        set_end(&m);
        cr_assert(bench_send(&b, &m));
    }
    begin(&m, 9, 0, 0);
    TEMPLATE(&m, 256, FLOW_FIELDS);
    set(&m, 256);
    add_flow(&m, 1, 2, 3, 4, 5);
    set_end(&m);
    for (int i = 0; i < 200; i++)
        put(&m, 0, 1); /* zero fill to the end of a large datagram */
    cr_assert(bench_send(&b, &m));
    cr_expect_eq(b.vec.n, 3);
    bench_end(&b);
}

static void save_and_load(struct bench *from, struct bench *to)
{
    struct wr_buf saved = {0};
    wr_flow_decoder_save(from->dec, &saved);
    cr_assert_not(saved.err);
    for (size_t i = 0; i < saved.len; i++) { /* damage anywhere is found, and changes nothing */
        saved.data[i] ^= 1;
        cr_assert_eq(wr_flow_decoder_load(to->dec, saved.data, saved.len), WR_ECORRUPT);
        saved.data[i] ^= 1;
        cr_assert_eq(wr_flow_decoder_load(to->dec, saved.data, i), WR_ECORRUPT);
    }
    cr_expect_eq(wr_flow_decoder_load(to->dec, saved.data, saved.len), WR_OK);
    wr_buf_fini(&saved);
}

Test(templates, survive_a_restart_until_the_exporter_sends_its_own)
{
    struct bench b = bench_new(), after = bench_new(), third = bench_new();
    send_template(&b, 9, 256);
    send_template(&b, 10, 256);
    b.peer.session = 5;
    send_template(&b, 10, 300); /* TCP: not kept */
    save_and_load(&b, &after);
    after.peer = peer_of(1, 31337); /* the exporter has restarted too */
    cr_expect_eq(send_data(&after, 9, 256), 1);
    cr_expect_eq(send_data(&after, 10, 256), 1);
    cr_expect_eq(send_data(&after, 10, 300), 0);
    save_and_load(&after, &third);
    cr_expect_eq(send_data(&third, 9, 256), 1, "and another restart");
    send_other_template(&after, 9, 256);
    cr_expect_eq(send_data(&after, 9, 256), 1);
    cr_expect_eq(after.vec.at[2].dport, 1000);
    bench_end(&b);
    bench_end(&after);
    bench_end(&third);
}

Test(templates, two_definitions_of_one_key_are_not_used_after_a_restart)
{
    struct bench b = bench_new(), after = bench_new();
    for (uint16_t port = 1; port <= 3; port++) {
        b.peer.port = port;
        if (port == 2)
            send_other_template(&b, 9, 256);
        else
            send_template(&b, 9, 256);
    }
    save_and_load(&b, &after);
    after.peer.port = 4;
    cr_expect_eq(send_data(&after, 9, 256), 0);
    bench_end(&b);
    bench_end(&after);
}

/* Messages of two records each. */
static void send_seq(struct bench *b, uint16_t version, uint32_t seq)
{
    begin(&m, version, seq, 0);
    m.at[3] = version == 9 ? 7 : m.at[3]; /* a v9 count that means nothing */
    set(&m, 256);
    add_flow(&m, 1, 2, 3, 4, 5);
    add_flow(&m, 1, 2, 3, 4, 5);
    set_end(&m);
    cr_assert(bench_send(b, &m));
}

Test(templates, ipfix_sequence_counts_records)
{
    struct bench b = bench_new();
    send_template(&b, 10, 256);
    for (uint32_t i = 0; i < 10; i++)
        send_seq(&b, 10, 2 * i);
    cr_expect_eq(stats(&b)->seq_lost, 0);
    send_seq(&b, 10, 26);
    cr_expect_eq(stats(&b)->seq_lost, 6);
    send_seq(&b, 10, 24);
    cr_expect_eq(stats(&b)->seq_dup, 1);
    send_seq(&b, 10, 1u << 30); /* one that is far off does not blind */
    send_seq(&b, 10, 28);
    cr_expect_eq(stats(&b)->seq_lost, 6);
    cr_expect_eq(stats(&b)->seq_reset, 0);
    for (uint32_t i = 0; i < 4; i++)
        send_seq(&b, 10, (1u << 30) + 2 * i);
    cr_expect_eq(stats(&b)->seq_reset, 1);
    cr_expect_eq(stats(&b)->seq_lost, 6);
    bench_end(&b);
}

Test(templates, v9_sequence_unit_is_learned)
{
    for (uint32_t unit = 1; unit <= 2; unit++) { /* datagrams, records */
        struct bench b = bench_new();
        send_template(&b, 9, 256);
        uint32_t seq = 1000;
        for (uint32_t i = 0; i < 80; i++, seq += unit)
            send_seq(&b, 9, seq);
        cr_expect_eq(stats(&b)->seq_lost, 0);
        send_seq(&b, 9, seq + 5 * unit);
        cr_expect_eq(stats(&b)->seq_lost, 5 * unit);
        bench_end(&b);
    }
    struct bench b = bench_new(); /* an exporter that counts something else reports nothing */
    send_template(&b, 9, 256);
    for (uint32_t i = 0; i < 200; i++)
        send_seq(&b, 9, i * 17);
    cr_expect_eq(stats(&b)->seq_lost, 0);
    bench_end(&b);
}

Test(templates, metrics_name_every_exporter)
{
    struct bench b = bench_new();
    struct wr_buf out = {0};
    send_template(&b, 9, 256);
    send_data(&b, 9, 256);
    m.len = 19;
    bench_send(&b, &m);
    b.peer = peer_of(99, 1);
    bench_send(&b, &m); /* a stranger's garbage */
    wr_flow_decoder_metrics(b.dec, &out);
    wr_buf_char(&out, 0);
    cr_assert_not(out.err);
    cr_expect(strstr(out.data, "weir_flow_messages_total{exporter=\"192.0.2.1\"} 3\n"));
    static const char rejected[] = "weir_flow_messages_rejected_total";
    for (int i = 0; i < 2; i++) {
        char line[128];
        snprintf(line, sizeof line, "%s{exporter=\"192.0.2.%d\",reason=\"truncated\"} 1\n", rejected, i ? 99 : 1);
        cr_expect(strstr(out.data, line), "%s", line);
    }
    cr_expect(strstr(out.data, "weir_flow_messages_total{exporter=\"192.0.2.99\"} 1\n"));
    cr_expect(strstr(out.data, "weir_flow_messages_total{exporter=\"other\"} 0\n"));
    wr_buf_fini(&out);
    bench_end(&b);
}

/* Sum of a family in Prometheus text. */
static uint64_t sum_of(const struct wr_buf *text, const char *family)
{
    uint64_t sum = 0;
    size_t n = strlen(family);
    for (const char *at = text->data; (at = strstr(at, family)) != NULL; at += n)
        if (at[n] == '{' && (at == text->data || at[-1] == '\n'))
            sum += strtoull(strchr(at, '}') + 2, NULL, 10);
    return sum;
}

/* Garbage from more addresses than there is room for, then templates from some of them, some of which have to go again. */
Test(templates, every_message_is_counted_under_some_address)
{
    struct bench b = bench_new();
    wr_flow_decoder_free(b.dec);
    b.dec = wr_flow_decoder_new(&(struct wr_flow_decoder_opts){.max_exporters = 8});
    struct wr_buf out = {0};
    for (int round = 0; round < 3; round++) {
        for (uint8_t i = 0; i < 200; i++) {
            b.peer = peer_of(i, 1);
            begin(&m, 9, 0, 0);
            m.len = 19;
            bench_send(&b, &m);
            b.now_ns += INT64_C(2000000000); /* room is made once a second */
            if (i % 40 == round)
                send_template(&b, 9, 256);
        }
        b.now_ns += INT64_C(7200) * 1000000000;
    }
    wr_flow_decoder_metrics(b.dec, &out);
    wr_buf_char(&out, 0);
    cr_assert_not(out.err);
    const struct wr_flow_stats *s = stats(&b);
    cr_expect_eq(sum_of(&out, "weir_flow_messages_total"), s->messages);
    cr_expect_eq(sum_of(&out, "weir_flow_messages_ok_total"), s->ok);
    cr_expect_eq(sum_of(&out, "weir_flow_messages_rejected_total"), s->rejected_messages);
    cr_expect_eq(sum_of(&out, "weir_flow_templates_total"), s->templates);
    cr_expect_gt(s->ok, 8, "some exporters had to go");
    wr_buf_fini(&out);
    bench_end(&b);
}

Test(templates, json_has_every_element)
{
    struct bench b = bench_new();
    struct wr_buf out = {0};
    begin(&m, 10, 0, 3);
    TEMPLATE(&m, 256, 8, 4, VENDOR(4321, 7), 2, 15, 4, 15, 4, 56, 6, 82, 4, 276, 1, 210, 3);
    set(&m, 256);
    put(&m, 0x0a000001, 4);
    put(&m, 0xbeef, 2);
    put(&m, 1, 4);
    put(&m, 2, 4);
    put(&m, 0x0123456789ab, 6);
    put(&m, 0x61226200, 4);
    put(&m, 2, 1);
    put(&m, 0, 3);
    set_end(&m);
    cr_assert(wr_flow_decode_json(b.dec, &b.peer, m.at, m.len, b.now_ns, &out));
    wr_buf_char(&out, 0);
    cr_expect_str_eq(
        out.data,
        "{\"_exporter\":\"192.0.2.1\",\"_version\":10,\"_domain\":3,\"_sequence\":0,\"_template\":256,\"_kind\":\"flow\","
        "\"_exportTime\":\"2023-11-14T22:13:20.0000000Z\",\"sourceIPv4Address\":\"10.0.0.1\","
        "\"_4321_7\":\"beef\",\"ipNextHopIPv4Address\":[\"0.0.0.1\",\"0.0.0.2\"],"
        "\"sourceMacAddress\":\"01:23:45:67:89:ab\",\"interfaceName\":\"a\\\"b\","
        "\"dataRecordsReliability\":false}\n");
    wr_buf_fini(&out);
    bench_end(&b);
}

static double template_bytes(const struct wr_flow_decoder *dec)
{
    struct wr_buf text = {0};
    wr_flow_decoder_metrics(dec, &text);
    wr_buf_char(&text, '\0');
    const char *at = strstr((const char *)text.data, "\nweir_flow_template_bytes ");
    cr_assert_not_null(at);
    double bytes = strtod(at + strlen("\nweir_flow_template_bytes "), NULL);
    wr_buf_fini(&text);
    return bytes;
}

/* 500 exporters with the same 50 templates cost little more than one; what one of them changes is its own. */
Test(templates, equal_ones_of_many_exporters_are_kept_once)
{
    struct bench b = bench_new();
    double one = 0;
    for (uint32_t x = 0; x < 500; x++) {
        b.peer = peer_of((uint8_t)(1 + x % 250), (uint16_t)(2055 + x / 250));
        begin(&m, 10, 0, x);
        for (uint16_t id = 256; id < 306; id++)
            TEMPLATE(&m, id, FLOW_FIELDS, 210, id - 250);
        cr_assert(bench_send(&b, &m));
        one = x ? one : template_bytes(b.dec);
    }
    cr_assert_eq(wr_flow_decoder_stats(b.dec)->templates, 25000);
    cr_assert_lt(template_bytes(b.dec), 500 * one / 10);

    /* Exporter 7 redefines template 256; exporter 8 still decodes by the old one. */
    b.peer = peer_of(8, 2055);
    begin(&m, 10, 0, 7);
    TEMPLATE(&m, 256, 7, 2, 11, 2, FLOW_FIELDS);
    cr_assert(bench_send(&b, &m));
    for (uint32_t x = 7; x < 9; x++) {
        b.peer = peer_of((uint8_t)(1 + x), 2055);
        begin(&m, 10, 0, x);
        set(&m, 256);
        if (x == 7)
            put(&m, 1000, 2), put(&m, 2000, 2);
        add_flow(&m, 0x0a000001, 0x0a000002, 3000, 4000, 77);
        if (x == 8)
            put(&m, 0, 6);
        set_end(&m);
        cr_assert(bench_send(&b, &m));
    }
    cr_assert_eq(b.vec.n, 2);
    cr_assert_eq(b.vec.at[0].sport, 1000);
    cr_assert_eq(b.vec.at[1].sport, 3000);
    cr_assert_eq(b.vec.at[1].octets[0], 77);
    bench_end(&b);
}

/* What is foreseen changes nothing: messages in that order, in another, others, or streams that went
 * meanwhile. */
Test(templates, foreseen_messages_decode_as_others)
{
    enum { N = 40 };
    static struct message each[N];
    struct wr_flow_decoder_opts few = {.max_exporters = N / 2};
    struct wr_flow_decoder *with = wr_flow_decoder_new(&few), *without = wr_flow_decoder_new(&few);
    struct wr_flow_vec a = {0}, b = {0};
    uint64_t random = 7;
    for (unsigned round = 0; round < 60; round++) {
        struct wr_flow_coming coming[N];
        int64_t now_ns = NOW_NS + round * INT64_C(700000000000); /* quiet exporters make room for others */
        for (unsigned i = 0; i < N; i++) {
            random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            unsigned who = (unsigned)(random >> 33) % N;
            begin(&each[i], who % 3 ? 10 : 9, round, who % 5);
            if (random >> 60 < 4)
                TEMPLATE(&each[i], 256, FLOW_FIELDS);
            set(&each[i], 256);
            add_flow(&each[i], 0x0a000001 + who, 0x0a000002, 3000, 25, round);
            set_end(&each[i]);
            coming[i] = (struct wr_flow_coming){.peer = peer_of((uint8_t)(1 + who), 2055),
                                                .data = each[i].at,
                                                .len = random >> 61 ? each[i].len : random % 30};
        }
        wr_flow_foresee(with, coming, N);
        for (unsigned i = 0; i < N; i++) {
            unsigned k = round % 2 ? i : (i * 7 + round) % N; /* in order, and not */
            now_ns += 2000000000; /* no two are equally old */
            bool ok = wr_flow_decode(with, &coming[k].peer, coming[k].data, coming[k].len, now_ns, &a);
            cr_assert_eq(ok,
                         wr_flow_decode(without, &coming[k].peer, coming[k].data, coming[k].len, now_ns, &b));
        }
    }
    cr_assert_gt(a.n, 500);
    cr_assert_eq(a.n, b.n);
    cr_assert_eq(memcmp(a.at, b.at, a.n * sizeof *a.at), 0);
    cr_assert_eq(
        memcmp(wr_flow_decoder_stats(with), wr_flow_decoder_stats(without), sizeof(struct wr_flow_stats)), 0);
    wr_flow_decoder_free(with);
    wr_flow_decoder_free(without);
    wr_flow_vec_fini(&a);
    wr_flow_vec_fini(&b);
}
