/* Streams with the same templates hold one set of them (shared.c): what one tells, withdraws or lets expire is nothing to
 * the others. */
#include "message.h"

#include "parsers/flow/state.h"

#include <string.h>

static struct message m;

enum { EXPORTERS = 6, IDS = 40, ROUNDS = 6000 };

static uint32_t draw(uint32_t *state, uint32_t below)
{
    *state = *state * 1664525 + 1013904223;
    return (*state >> 8) % below;
}

/* The same fields; in another order, with other offsets; with an element that nobody knows. */
static void tell(uint16_t id, uint32_t how)
{
    if (how == 0)
        TEMPLATE(&m, id, FLOW_FIELDS);
    else if (how == 1)
        TEMPLATE(&m, id, 12, 4, 8, 4, 11, 2, 7, 2, 1, 4, 4, 1);
    else
        TEMPLATE(&m, id, 8, 4, 12, 4, VENDOR(54321, 77), 2, 7, 2, 11, 2, 4, 1, 1, 2);
}

static void withdraw(uint16_t id)
{
    set(&m, 2);
    put(&m, id, 2);
    put(&m, 0, 2);
    set_end(&m);
}

/* Some templates, some withdrawals, some data. */
static void make(uint32_t *rng, uint32_t seq)
{
    begin(&m, 10, seq, 1);
    for (uint32_t n = draw(rng, 5) ? draw(rng, 3) : draw(rng, 60); n; n--) {
        const uint16_t id = (uint16_t)(256 + draw(rng, IDS));
        if (draw(rng, 12))
            tell(id, draw(rng, 8) ? 0 : draw(rng, 3));
        else
            withdraw(draw(rng, 20) ? id : 2);
    }
    for (uint32_t n = draw(rng, 4); n; n--) {
        set(&m, (uint16_t)(256 + draw(rng, IDS)));
        for (uint32_t k = 1 + draw(rng, 6); k; k--)
            add_flow(&m, 0x0a000001, 0x0a000002 + draw(rng, 99), 3000, 25, 1 + draw(rng, 1000));
        set_end(&m);
    }
}

static bool same_rows(const struct wr_flow_vec *a, uint32_t from, const struct wr_flow_vec *b, uint32_t from_b)
{
    return a->n - from == b->n - from_b &&
           (a->n == from || memcmp(a->at + from, b->at + from_b, (a->n - from) * sizeof *a->at) == 0);
}

/* Exporters of one decoder against each in a decoder of its own; by TCP, in which templates can be withdrawn, and UDP. */
static void apart_and_together(bool tcp)
{
    struct bench apart[EXPORTERS], together = bench_new();
    uint32_t rng = tcp, rows = 0;
    for (unsigned i = 0; i < EXPORTERS; i++) {
        apart[i] = bench_new();
        apart[i].peer = peer_of((uint8_t)(1 + i), 2055);
        apart[i].peer.session = tcp ? 1 + i : 0;
    }
    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct bench *one = &apart[draw(&rng, EXPORTERS)];
        make(&rng, round);
        one->now_ns = together.now_ns += draw(&rng, 300) ? 10000000 : INT64_C(1800) * 1000000000;
        together.peer = one->peer;
        const uint32_t a = one->vec.n, b = together.vec.n;
        cr_assert_eq(bench_send(one, &m), bench_send(&together, &m));
        cr_assert(same_rows(&one->vec, a, &together.vec, b), "round %u", round);
        rows += one->vec.n - a;
        if (tcp && draw(&rng, 500) == 0) {
            wr_flow_session_end(one->dec, &one->peer);
            wr_flow_session_end(together.dec, &one->peer);
        }
    }
    cr_assert_gt(rows, 1000);
    uint64_t expired = 0, refused = 0;
    for (unsigned i = 0; i < EXPORTERS; i++) {
        expired += wr_flow_decoder_stats(apart[i].dec)->templates_expired;
        refused += wr_flow_decoder_stats(apart[i].dec)->rejected_messages;
        bench_end(&apart[i]);
    }
    cr_assert_eq(expired, wr_flow_decoder_stats(together.dec)->templates_expired);
    cr_assert_eq(refused, wr_flow_decoder_stats(together.dec)->rejected_messages);
    cr_assert(tcp || expired > 0);
    bench_end(&together);
}

Test(shared, exporters_with_the_same_templates_decode_as_if_each_were_alone)
{
    apart_and_together(false);
}

Test(shared, what_a_session_withdraws_others_keep)
{
    apart_and_together(true);
}

static const struct wr_stream *stream_of(const struct bench *b, uint8_t who)
{
    const struct wr_flow_peer peer = peer_of(who, 2055);
    return wr_exporter_find(b->dec, peer.addr)->streams;
}

static void send_templates(struct bench *b, uint8_t who, uint16_t first, int step, unsigned n)
{
    b->peer = peer_of(who, 2055);
    begin(&m, 10, 0, 1);
    for (unsigned i = 0; i < n; i++)
        tell((uint16_t)(first + step * (int)i), 0);
    cr_assert(bench_send(b, &m));
}

/* Ten thousand exporters of one make need the room of one set; in whatever order they tell it. */
Test(shared, the_same_templates_are_one_set)
{
    struct bench b = bench_new();
    send_templates(&b, 1, 256, 1, 30);
    const size_t first = b.dec->bytes;
    send_templates(&b, 2, 285, -1, 30);
    const struct wr_stream *x = stream_of(&b, 1), *y = stream_of(&b, 2);
    cr_assert(x->tmpls == y->tmpls && x->tmpls->n == 30);
    cr_assert_lt(b.dec->bytes - first, sizeof(struct wr_exporter) + sizeof(struct wr_stream) + 64 * sizeof(struct wr_age) + 1);
    send_templates(&b, 2, 300, 1, 1);
    cr_assert(x->tmpls != y->tmpls && x->tmpls->n == 30 && y->tmpls->n == 31);
    send_templates(&b, 1, 300, 1, 1);
    cr_assert(x->tmpls == y->tmpls && x->tmpls->n == 31);
    bench_end(&b);
}

/* What is freed is given back to the budget, whoever held it last. */
Test(shared, what_exporters_held_is_given_back)
{
    struct bench b = bench_new();
    const size_t none = b.dec->bytes;
    for (uint8_t who = 1; who < 9; who++)
        send_templates(&b, who, 256, 1, 20 + who % 3);
    for (uint8_t who = 1; who < 9; who++) {
        const struct wr_flow_peer peer = peer_of(who, 2055);
        wr_exporter_drop(b.dec, wr_exporter_find(b.dec, peer.addr));
    }
    cr_assert_eq(b.dec->bytes, none);
    for (uint32_t i = 0; i < b.dec->nbuckets; i++)
        cr_assert(!b.dec->sets[i] && !b.dec->shared[i] && !b.dec->streams[i]);
    b.dec->last = NULL;
    bench_end(&b);
}

/* A state directory brings back what ten thousand held together as one set, too. */
Test(shared, stored_templates_are_one_set_again)
{
    struct bench b = bench_new(), after = bench_new();
    struct wr_buf saved = {0};
    send_templates(&b, 1, 256, 1, 30);
    send_templates(&b, 2, 285, -1, 30);
    wr_flow_decoder_save(b.dec, &saved);
    cr_assert_eq(wr_flow_decoder_load(after.dec, saved.data, saved.len), WR_OK);
    cr_assert(stream_of(&after, 1)->tmpls && stream_of(&after, 1)->tmpls == stream_of(&after, 2)->tmpls);
    wr_buf_fini(&saved);
    bench_end(&b);
    bench_end(&after);
}
