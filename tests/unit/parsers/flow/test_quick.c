/* Messages of which no record is wanted are taken short (quick.c): what is counted, and what the exporters' lines say,
 * is what a decoder counts and says that decodes every record. */
#include "message.h"

#include "parsers/flow/state.h"

#include <string.h>

static struct message m;

enum { ROUNDS = 4000, TEMPLATE_ID = 256 };

static uint32_t draw(uint32_t *state, uint32_t below)
{
    *state = *state * 1664525 + 1013904223;
    return (*state >> 8) % below;
}

static bool is_mail(const struct wr_flow *f)
{
    return f->sport == 25 || f->dport == 25;
}

/* Both decoders get the same; `by_ports` must keep those of `all` that have the port. */
struct pair {
    struct bench all, by_ports;
};

static void same_counts(const struct pair *p)
{
    const struct wr_flow_stats *a = wr_flow_decoder_stats(p->all.dec), *b = wr_flow_decoder_stats(p->by_ports.dec);
    cr_assert_eq(a->messages, b->messages);
    cr_assert_eq(a->ok, b->ok);
    cr_assert_eq(a->records, b->records);
    cr_assert_eq(a->rows, b->rows + b->filtered_early);
    cr_assert_eq(b->rows, p->by_ports.vec.n);
    cr_assert(a->seq_lost == b->seq_lost && a->seq_dup == b->seq_dup && a->seq_reset == b->seq_reset);
    cr_assert(a->set_no_record == b->set_no_record && a->clock_future == b->clock_future);
    cr_assert_eq(a->templates_expired, b->templates_expired);
}

static void same_rows(const struct pair *p)
{
    uint32_t k = 0;
    for (uint32_t i = 0; i < p->all.vec.n; i++)
        if (is_mail(&p->all.vec.at[i]))
            cr_assert(k < p->by_ports.vec.n && !memcmp(&p->all.vec.at[i], &p->by_ports.vec.at[k++], sizeof(struct wr_flow)));
    cr_assert_eq(k, p->by_ports.vec.n);
}

static void same_lines(const struct pair *p)
{
    struct wr_buf a = {0}, b = {0};
    wr_flow_decoder_exporters(p->all.dec, p->all.now_ns, &a);
    wr_flow_decoder_exporters(p->by_ports.dec, p->all.now_ns, &b);
    cr_assert(a.len == b.len && memcmp(a.data, b.data, a.len) == 0, "%.*s%.*s", (int)a.len, a.data, (int)b.len, b.data);
    wr_buf_fini(&a);
    wr_buf_fini(&b);
}

/* One exporter: what is counted for it is what is counted at all. */
static void same_as_exporter(const struct bench *b)
{
    const struct wr_exporter *x = wr_exporter_find(b->dec, b->peer.addr);
    const struct wr_flow_stats *s = wr_flow_decoder_stats(b->dec);
    struct wr_buf text = {0};
    wr_flow_decoder_metrics(b->dec, &text); /* adds up what was counted aside */
    cr_assert(x && memcmp(&x->stats, s, sizeof *s) == 0);
    wr_buf_fini(&text);
}

/* Templates of the shapes that are taken short. PLAIN has all that plain.c needs; NAMED has two fields of variable
 * length, one of them before the ports. */
#define PLAIN_FIELDS 8, 4, 12, 4, 7, 2, 11, 2, 4, 1, 6, 1, 1, 4, 2, 4, 152, 8, 153, 8
#define NAMED_FIELDS 8, 4, 371, 65535, 12, 4, 7, 2, 11, 2, 82, 65535, 4, 1, 1, 4
static enum shape { SIMPLE, PLAIN, NAMED } shape;

static void add_template_of_shape(void)
{
    if (shape == PLAIN)
        TEMPLATE(&m, TEMPLATE_ID, PLAIN_FIELDS);
    else if (shape == NAMED)
        TEMPLATE(&m, TEMPLATE_ID, NAMED_FIELDS);
    else
        TEMPLATE(&m, TEMPLATE_ID, FLOW_FIELDS);
}

static void add_text(uint32_t *rng)
{
    uint32_t n = draw(rng, 30) ? draw(rng, 12) : 300;
    if (n < 255) {
        put(&m, n, 1);
    } else {
        put(&m, 255, 1);
        put(&m, n, 2);
    }
    for (; n; n--)
        put(&m, 'a' + n % 26, 1);
}

static void add_record(uint32_t *rng)
{
    const uint16_t sport = draw(rng, 60) ? (uint16_t)(1024 + draw(rng, 60000)) : 25, dport = draw(rng, 40) ? 443 : 25;
    if (shape == SIMPLE) {
        add_flow(&m, 1, 2, sport, dport, 7);
        return;
    }
    put(&m, 0x0a000001, 4);
    if (shape == NAMED)
        add_text(rng);
    put(&m, 0x0a000002, 4);
    put(&m, sport, 2);
    put(&m, dport, 2);
    if (shape == NAMED)
        add_text(rng);
    put(&m, 6, 1);
    if (shape == PLAIN)
        put(&m, draw(rng, 64), 1);
    put(&m, draw(rng, 1000), 4);
    if (shape == NAMED)
        return;
    put(&m, draw(rng, 10), 4);
    put(&m, EXPORT_S * UINT64_C(1000) - draw(rng, 60000), 8);
    put(&m, draw(rng, 50) ? EXPORT_S * UINT64_C(1000) : 0, 8); /* a time that needs a second look */
}

/* One data set, now and then with something about it that the short way must leave alone. */
static void make(uint32_t *rng, uint32_t version, uint32_t domain, uint32_t *seq)
{
    const uint32_t n = draw(rng, 8) ? 4 + draw(rng, 20) : draw(rng, 4), odd = draw(rng, 24);
    begin(&m, (uint16_t)version, odd == 0 ? *seq + 7 : odd == 1 ? *seq - 1 : *seq, domain);
    if (odd == 2)
        memset(m.at + (version == 10 ? 4 : 8), 0, 4); /* a clock that was never set */
    set(&m, odd == 3 ? TEMPLATE_ID + 1 : TEMPLATE_ID); /* nobody told that one */
    for (uint32_t i = 0; i < n; i++)
        add_record(rng);
    set_end(&m);
    if (odd == 4) { /* a second set */
        set(&m, TEMPLATE_ID);
        add_record(rng);
        set_end(&m);
    }
    if (odd == 5 && m.len > 60) { /* its last field runs past the set, or there is an octet too many */
        m.at[m.len - (shape == PLAIN ? 9 : 5)] = 250;
        put(&m, 0, 1);
        set_end(&m);
    }
    if (odd != 3 || draw(rng, 2)) /* some do not count what nobody can read */
        *seq += version == 9 ? 1 : n + (odd == 4);
}

static bool send(struct pair *p)
{
    bool a = bench_send(&p->all, &m), b = bench_send(&p->by_ports, &m);
    cr_assert_eq(a, b);
    return a;
}

static struct pair pair_new(void)
{
    static const int64_t ports[] = {25};
    const struct wr_pred pred = {.col = WR_DNE_RemotePort, .op = WR_PRED_IN_INT, .n = 1, .ints = ports};
    const struct wr_branch branch = {.preds = &pred, .npreds = 1};
    const struct wr_scan scan = {.branches = &branch, .nbranches = 1};
    struct pair p = {.all = bench_new(), .by_ports = bench_new()};
    cr_assert_eq(wr_flow_decoder_scan(p.by_ports.dec, &scan), WR_OK);
    return p;
}

/* As it was received: alone, or in a train that has room for more. */
static void send_train(struct pair *p, bool foresee)
{
    const struct wr_flow_coming train = {.peer = p->all.peer, .data = m.at, .len = m.len, .segment = m.len};
    uint64_t by_reason[WR_FLOW_NREJECTS] = {0}, before = wr_flow_decoder_stats(p->by_ports.dec)->rejected_messages;
    const struct wr_flow_coming twice[2] = {train, train};
    if (foresee)
        wr_flow_foresee(p->by_ports.dec, twice, 2);
    const uint32_t ok = wr_flow_decode_train(p->by_ports.dec, &train, p->all.now_ns, &p->by_ports.vec, by_reason);
    cr_assert_eq(ok, bench_send(&p->all, &m));
    const uint64_t rejected = wr_flow_decoder_stats(p->by_ports.dec)->rejected_messages - before;
    cr_assert_eq(ok + rejected, 1);
    cr_assert(ok || by_reason[wr_flow_decoder_why(p->all.dec)] == 1);
}

static void many_messages(uint32_t version, enum shape with)
{
    struct pair p = pair_new();
    uint32_t rng = version, seq[2] = {0, 0};
    shape = with;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        const uint32_t domain = draw(&rng, 16) == 0;
        if (i % 500 < 2) {
            begin(&m, (uint16_t)version, seq[i % 2], i % 2);
            add_template_of_shape();
            seq[i % 2] += version == 9;
        } else {
            make(&rng, version, domain, &seq[domain]);
        }
        if (draw(&rng, 400) == 0) /* a quarter of an hour later */
            p.all.now_ns += INT64_C(900) * 1000000000;
        p.all.now_ns += 10000000;
        p.by_ports.now_ns = p.all.now_ns;
        send_train(&p, draw(&rng, 2));
        same_counts(&p);
    }
    same_rows(&p);
    same_lines(&p);
    same_as_exporter(&p.by_ports);
    same_as_exporter(&p.all);
    cr_assert_gt(p.by_ports.vec.n, 100);
    cr_assert_gt(wr_flow_decoder_stats(p.by_ports.dec)->filtered_early, 10000);
    bench_end(&p.all);
    bench_end(&p.by_ports);
}

Test(quick, ipfix_is_counted_as_if_it_were_decoded)
{
    many_messages(10, SIMPLE);
}

Test(quick, v9_is_counted_as_if_it_were_decoded)
{
    many_messages(9, SIMPLE);
}

Test(quick, rows_of_plain_records_are_those_of_the_long_way)
{
    many_messages(10, PLAIN);
    many_messages(9, PLAIN);
}

Test(quick, records_of_variable_length_are_counted_as_if_they_were_decoded)
{
    many_messages(10, NAMED);
}

/* NetFlow v5: `n` records, the count and the number of the first flow as given. */
static void make_v5(uint32_t *rng, uint32_t n, uint32_t count, uint32_t seq, uint32_t rate)
{
    m.len = 0;
    put(&m, 5, 2);
    put(&m, count, 2);
    put(&m, UPTIME_MS, 4);
    put(&m, draw(rng, 30) ? EXPORT_S : 0, 4);
    put(&m, draw(rng, 30) ? draw(rng, 1000000000) : 4000000000, 4);
    put(&m, seq, 4);
    put(&m, 0x0102, 2);
    put(&m, rate, 2);
    for (uint32_t i = 0; i < n; i++) {
        put(&m, 0x0a000001, 4);
        put(&m, 0x0a000002, 4);
        put(&m, 0, 8);
        put(&m, 1 + draw(rng, 9), 4);
        put(&m, 40 + draw(rng, 999), 4);
        put(&m, UPTIME_MS - 1000, 4);
        put(&m, draw(rng, 50) ? UPTIME_MS - draw(rng, 900) : 0, 4);
        put(&m, draw(rng, 60) ? 1024 + draw(rng, 60000) : 25, 2);
        put(&m, draw(rng, 40) ? 443 : 25, 2);
        put(&m, UINT64_C(0x00120600), 4);
        put(&m, 0, 8);
    }
}

Test(quick, v5_is_counted_as_if_it_were_decoded)
{
    struct pair p = pair_new();
    uint32_t rng = 5, seq = 0;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        const uint32_t n = draw(&rng, 10) ? 1 + draw(&rng, 30) : draw(&rng, 2), odd = draw(&rng, 24);
        const uint32_t count = odd == 0 ? n + 1 : odd == 1 && n ? n - 1 : n;
        make_v5(&rng, n, count, odd == 2 ? seq + 9 : odd == 3 ? seq - 1 : seq, odd == 4 ? 0x4064 : draw(&rng, 2));
        if (odd == 5)
            m.len -= 1 + draw(&rng, 30);
        seq += count;
        p.all.now_ns += draw(&rng, 400) ? 10000000 : INT64_C(900) * 1000000000;
        p.by_ports.now_ns = p.all.now_ns;
        send_train(&p, draw(&rng, 2));
        same_counts(&p);
    }
    same_rows(&p);
    same_lines(&p);
    same_as_exporter(&p.by_ports);
    cr_assert_gt(p.by_ports.vec.n, 100);
    cr_assert_gt(wr_flow_decoder_stats(p.by_ports.dec)->filtered_early, 10000);
    bench_end(&p.all);
    bench_end(&p.by_ports);
}

static void data(uint32_t seq, unsigned n)
{
    begin(&m, 10, seq, 1);
    set(&m, TEMPLATE_ID);
    for (unsigned i = 0; i < n; i++)
        add_flow(&m, 1, 2, 3, 443, 7);
    set_end(&m);
}

/* A set without template hides how many records it had, so the number after it says nothing; the one after that does,
 * also when the message between was taken short, which needs that the set found no room to wait. */
Test(quick, a_gap_counts_again_after_a_message_that_is_understood)
{
    struct pair p = pair_new();
    begin(&m, 10, 0, 1);
    TEMPLATE(&m, TEMPLATE_ID, FLOW_FIELDS);
    cr_assert(send(&p));
    data(0, 8);
    cr_assert(send(&p));
    p.all.dec->memory_bytes = p.all.dec->bytes + 8;
    p.by_ports.dec->memory_bytes = p.by_ports.dec->bytes + 8;
    begin(&m, 10, 8, 1);
    set(&m, TEMPLATE_ID + 1);
    put(&m, 0, 8);
    set_end(&m);
    cr_assert(send(&p));
    cr_assert_eq(wr_flow_decoder_stats(p.by_ports.dec)->sets_dropped, 1);
    const uint64_t filtered = wr_exporter_find(p.by_ports.dec, p.by_ports.peer.addr)->stats.filtered_early;
    data(8, 8);
    cr_assert(send(&p));
    cr_assert_eq(wr_exporter_find(p.by_ports.dec, p.by_ports.peer.addr)->stats.filtered_early, filtered,
                 "it went the long way: this tests nothing");
    data(16 + 5, 8);
    cr_assert(send(&p));
    cr_assert_eq(wr_flow_decoder_stats(p.by_ports.dec)->seq_lost, 5);
    same_counts(&p);
    bench_end(&p.all);
    bench_end(&p.by_ports);
}

/* Cut or grown anywhere, what is no message stays none. */
Test(quick, broken_messages_go_the_long_way)
{
    struct pair p = pair_new();
    begin(&m, 10, 0, 1);
    TEMPLATE(&m, TEMPLATE_ID, FLOW_FIELDS);
    cr_assert(send(&p));
    begin(&m, 10, 0, 1);
    set(&m, TEMPLATE_ID);
    for (int i = 0; i < 8; i++)
        add_flow(&m, 1, 2, 3, 443, 7);
    set_end(&m);
    cr_assert(send(&p));
    const size_t whole = m.len;
    for (size_t len = 0; len < whole; len++) {
        uint8_t *copy = malloc(len + !len); /* of that size, so that a read behind it is seen */
        memcpy(copy, m.at, len);
        bool a = wr_flow_decode(p.all.dec, &p.all.peer, copy, len, p.all.now_ns, &p.all.vec);
        bool b = wr_flow_decode(p.by_ports.dec, &p.by_ports.peer, copy, len, p.by_ports.now_ns, &p.by_ports.vec);
        cr_assert(!a && !b);
        free(copy);
        same_counts(&p);
    }
    bench_end(&p.all);
    bench_end(&p.by_ports);
}
