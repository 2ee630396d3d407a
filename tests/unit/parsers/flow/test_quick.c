/* Messages of which no record is wanted are taken short (quick.c): what is counted, and what the exporters' lines say,
 * is what a decoder counts and says that decodes every record. */
#include "message.h"

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

/* One data set, now and then with something about it that the short way must leave alone. */
static void make(uint32_t *rng, uint32_t version, uint32_t domain, uint32_t *seq)
{
    const uint32_t n = draw(rng, 8) ? 4 + draw(rng, 20) : draw(rng, 4), odd = draw(rng, 24);
    begin(&m, (uint16_t)version, odd == 0 ? *seq + 7 : odd == 1 ? *seq - 1 : *seq, domain);
    if (odd == 2)
        memset(m.at + (version == 10 ? 4 : 8), 0, 4); /* a clock that was never set */
    set(&m, odd == 3 ? TEMPLATE_ID + 1 : TEMPLATE_ID); /* nobody told that one */
    for (uint32_t i = 0; i < n; i++)
        add_flow(&m, 1, 2, (uint16_t)(1024 + draw(rng, 60000)), draw(rng, 40) ? 443 : 25, 7);
    set_end(&m);
    if (odd == 4) { /* a second set */
        set(&m, TEMPLATE_ID);
        add_flow(&m, 1, 2, 3, 25, 7);
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

static void many_messages(uint32_t version)
{
    struct pair p = pair_new();
    uint32_t rng = version, seq[2] = {0, 0};
    for (uint32_t i = 0; i < ROUNDS; i++) {
        const uint32_t domain = draw(&rng, 16) == 0;
        if (i % 500 < 2) {
            begin(&m, (uint16_t)version, seq[i % 2], i % 2);
            TEMPLATE(&m, TEMPLATE_ID, FLOW_FIELDS);
            seq[i % 2] += version == 9;
        } else {
            make(&rng, version, domain, &seq[domain]);
        }
        if (draw(&rng, 400) == 0) /* a quarter of an hour later */
            p.all.now_ns += INT64_C(900) * 1000000000;
        p.all.now_ns += 10000000;
        p.by_ports.now_ns = p.all.now_ns;
        const struct wr_flow_coming coming[2] = {{p.all.peer, m.at, m.len}, {p.all.peer, m.at, m.len}};
        wr_flow_foresee(p.by_ports.dec, coming, 2);
        (void)send(&p);
        same_counts(&p);
    }
    same_rows(&p);
    same_lines(&p);
    cr_assert_gt(p.by_ports.vec.n, 100);
    cr_assert_gt(wr_flow_decoder_stats(p.by_ports.dec)->filtered_early, 10000);
    bench_end(&p.all);
    bench_end(&p.by_ports);
}

Test(quick, ipfix_is_counted_as_if_it_were_decoded)
{
    many_messages(10);
}

Test(quick, v9_is_counted_as_if_it_were_decoded)
{
    many_messages(9);
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
