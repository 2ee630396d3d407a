/* One traffic, told in every dialect, gives the same rows: the fixed versions against v9, a sampled
 * header against sampled addresses and against IPFIX. Drawn at random; what differs by definition
 * (sFlow has no clock) is left out. */
#include "message.h"

static struct message m;
static uint64_t state;
static uint32_t draw(uint32_t below)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(state >> 33) % below;
}

enum { DOMAIN = 0x1356 };
struct flow {
    uint32_t src, dst, next_hop, packets, octets, first, last;
    uint16_t in, out, sport, dport, as[2];
    uint8_t flags, proto, tos, mask[2];
};

static struct flow draw_flow(void)
{
    static const uint8_t protocols[] = {1, 6, 6, 6, 17, 17, 47, 58, 132, 0};
    struct flow f = {.src = draw(1u << 31), .dst = draw(1u << 31), .next_hop = draw(1u << 31)};
    f.packets = draw(3) ? 1 + draw(1000) : draw(1u << 31);
    f.octets = draw(5) ? draw(1u << 31) : draw(2) ? 0 : UINT32_MAX;
    f.first = UPTIME_MS - draw(60000);
    f.last = draw(4) ? f.first + draw(1000) : f.first - draw(1000); /* sometimes before it began */
    f.first = draw(20) ? f.first : UINT32_MAX;
    f.in = (uint16_t)draw(65536), f.out = (uint16_t)draw(65536);
    f.sport = (uint16_t)draw(65536), f.dport = (uint16_t)(draw(3) ? draw(65536) : 25);
    f.as[0] = (uint16_t)draw(65536), f.as[1] = (uint16_t)draw(65536);
    f.flags = (uint8_t)draw(256), f.proto = protocols[draw(sizeof protocols)],
    f.tos = (uint8_t)draw(256);
    f.mask[0] = (uint8_t)draw(33), f.mask[1] = (uint8_t)draw(33);
    return f;
}

static void fixed_record(uint16_t version, const struct flow *f)
{
    put(&m, f->src, 4), put(&m, f->dst, 4), put(&m, f->next_hop, 4), put(&m, f->in, 2),
        put(&m, f->out, 2);
    put(&m, f->packets, 4), put(&m, f->octets, 4), put(&m, f->first, 4), put(&m, f->last, 4);
    put(&m, f->sport, 2), put(&m, f->dport, 2);
    if (version == 1) {
        put(&m, 0, 2), put(&m, f->proto, 1), put(&m, f->tos, 1), put(&m, f->flags, 1),
            put(&m, 0, 8), put(&m, 0, 3);
        return;
    }
    put(&m, draw(256), 1), put(&m, f->flags, 1), put(&m, f->proto, 1), put(&m, f->tos, 1);
    put(&m, f->as[0], 2), put(&m, f->as[1], 2), put(&m, f->mask[0], 1), put(&m, f->mask[1], 1),
        put(&m, 0, 2);
    if (version == 7)
        put(&m, 0x0a0a0a0a, 4);
}

static void send_fixed(struct bench *b, uint16_t version, const struct flow *f, unsigned n,
                       uint16_t sampling)
{
    m.len = 0;
    put(&m, version, 2), put(&m, n, 2), put(&m, UPTIME_MS, 4), put(&m, EXPORT_S, 4), put(&m, 0, 4);
    if (version != 1)
        put(&m, 0, 4), put(&m, version == 5 ? DOMAIN : 0, 2), put(&m, sampling, 2);
    for (unsigned i = 0; i < n; i++)
        fixed_record(version, &f[i]);
    cr_assert(bench_send(b, &m));
}

/* The same fields as a template of v9, in another order, with the interval as an element. */
static void send_v9(struct bench *b, uint32_t domain, const struct flow *f, unsigned n,
                    uint16_t interval)
{
    begin(&m, 9, 0, domain);
    TEMPLATE(&m, 256, 6, 1, 4, 1, 34, 2, 7, 2, 11, 2, 21, 4, 22, 4, 1, 4, 2, 4, 12, 4, 8, 4);
    set(&m, 256);
    for (unsigned i = 0; i < n; i++) {
        put(&m, f[i].flags, 1), put(&m, f[i].proto, 1), put(&m, interval, 2),
            put(&m, f[i].sport, 2);
        put(&m, f[i].dport, 2), put(&m, f[i].last, 4), put(&m, f[i].first, 4),
            put(&m, f[i].octets, 4);
        put(&m, f[i].packets, 4), put(&m, f[i].dst, 4), put(&m, f[i].src, 4);
    }
    set_end(&m);
    cr_assert(bench_send(b, &m));
}

Test(paths, v1_v5_and_v7_give_the_rows_of_v9)
{
    static const uint16_t versions[] = {1, 5, 7};
    struct bench b = bench_new(), general = bench_new();
    state = 20261127;
    for (unsigned trial = 0; trial < 600; trial++) {
        const uint16_t version = versions[trial % 3],
                       interval = version == 5 && draw(2) ? (uint16_t)draw(16384) : 0;
        struct flow f[30];
        unsigned n = 1 + draw(version == 5 ? 30 : 27);
        for (unsigned i = 0; i < n; i++)
            f[i] = draw_flow();
        send_fixed(&b, version, f, n, (uint16_t)(draw(4) << 14 | interval));
        send_v9(&general, version == 5 ? DOMAIN : 0, f, n, interval);
        cr_assert_eq(b.vec.n, general.vec.n, "v%u: %u rows, not %u", version, b.vec.n,
                     general.vec.n);
        for (uint32_t i = 0; i < b.vec.n; i++)
            cr_assert_eq(memcmp(&b.vec.at[i], &general.vec.at[i], sizeof *b.vec.at), 0,
                         "trial %u: v%u record %u of %u", trial, version, i, n);
        wr_flow_vec_reset(&b.vec);
        wr_flow_vec_reset(&general.vec);
    }
    bench_end(&b);
    bench_end(&general);
}

/* ---- sFlow ---- */

struct packet {
    bool v6, tagged;
    uint8_t src[16], dst[16], proto, flags;
    uint16_t sport, dport, frame;
    uint32_t rate;
};

static struct packet draw_packet(void)
{
    static const uint8_t protocols[] = {6, 17, 132, 1, 47};
    struct packet p = {.v6 = draw(2), .tagged = draw(2), .proto = protocols[draw(5)]};
    p.proto = p.proto == 1 && p.v6 ? 58 : p.proto;
    for (int i = 0; i < (p.v6 ? 16 : 4); i++)
        p.src[i] = (uint8_t)draw(256), p.dst[i] = (uint8_t)draw(256);
    const bool icmp = p.proto == 1 || p.proto == 58, ports = p.proto != 47;
    p.sport = (uint16_t)(ports ? draw(icmp ? 256 : 65536) : 0); /* of ICMP: type and code */
    p.dport = (uint16_t)(ports ? draw(icmp ? 256 : 4000) : 0);  /* not VXLAN's */
    if (icmp && p.sport == 0)
        p.dport = 0; /* the reply of an echo has no code */
    p.flags = p.proto == 6 ? (uint8_t)draw(256) : 0;
    p.frame = (uint16_t)(100 + draw(1400));
    p.rate = draw(4) ? 1 + draw(5000) : 0;
    return p;
}

static void put_bytes(const uint8_t *p, size_t n)
{
    memcpy(m.at + m.len, p, n);
    m.len += n;
}

static void length_here(size_t at)
{
    size_t n = m.len - at - 4;
    for (int i = 0; i < 4; i++)
        m.at[at + (size_t)i] = (uint8_t)(n >> (24 - 8 * i));
}

static void raw_header(const struct packet *p)
{
    const size_t start = m.len + 4;
    put(&m, 0, 4); /* its length, below */
    put(&m, 0x0a0b0c0d0e0f, 6), put(&m, 0x010203040506, 6);
    if (p->tagged)
        put(&m, 0x8100, 2), put(&m, draw(65536), 2);
    put(&m, p->v6 ? 0x86dd : 0x0800, 2);
    const uint32_t l3 = p->frame - (p->tagged ? 18u : 14u);
    if (p->v6) {
        put(&m, 0x60000000, 4), put(&m, l3 - 40, 2), put(&m, p->proto, 1), put(&m, 64, 1);
        put_bytes(p->src, 16), put_bytes(p->dst, 16);
    } else {
        put(&m, 0x4500, 2), put(&m, l3, 2), put(&m, draw(65536), 2), put(&m, 0x4000, 2),
            put(&m, 64, 1);
        put(&m, p->proto, 1), put(&m, 0, 2), put_bytes(p->src, 4), put_bytes(p->dst, 4);
    }
    if (p->proto == 1 || p->proto == 58)
        put(&m, p->sport, 1), put(&m, p->dport, 1), put(&m, 0, 6);
    else
        put(&m, p->sport, 2), put(&m, p->dport, 2);
    if (p->proto == 6)
        put(&m, 1, 8), put(&m, 0x50, 1), put(&m, p->flags, 1), put(&m, 0, 6);
    else if (p->proto == 17)
        put(&m, l3 - (p->v6 ? 40 : 20), 2), put(&m, 0, 2);
    else
        put(&m, 0, 8);
    uint32_t n = (uint32_t)(m.len - start);
    for (int i = 0; i < 4; i++)
        m.at[start - 4 + (size_t)i] = (uint8_t)(n >> (24 - 8 * i));
    while (m.len % 4)
        put(&m, 0, 1);
}

/* By the sampled header, or by its addresses; compact or expanded. */
static void send_sflow(struct bench *b, const struct packet *p, bool raw, bool expanded)
{
    m.len = 0;
    put(&m, 5, 4), put(&m, 1, 4), put(&m, 0xc0000201, 4), put(&m, 7, 4), put(&m, 1, 4),
        put(&m, 0, 4), put(&m, 1, 4);
    put(&m, expanded ? 3 : 1, 4);
    const size_t sample = m.len;
    put(&m, 0, 4), put(&m, 1, 4), put(&m, 0, expanded ? 8 : 4), put(&m, p->rate, 4), put(&m, 0, 8);
    put(&m, 3, expanded ? 8 : 4), put(&m, 4, expanded ? 8 : 4), put(&m, 1, 4);
    put(&m, raw ? 1 : p->v6 ? 4 : 3, 4);
    const size_t record = m.len;
    put(&m, 0, 4);
    if (raw) {
        put(&m, 1, 4), put(&m, p->frame, 4), put(&m, 4, 4);
        raw_header(p);
    } else {
        put(&m, p->frame, 4), put(&m, p->proto, 4), put_bytes(p->src, p->v6 ? 16 : 4),
            put_bytes(p->dst, p->v6 ? 16 : 4);
        put(&m, p->sport, 4), put(&m, p->dport, 4), put(&m, p->flags, 4), put(&m, 0, 4);
    }
    length_here(record), length_here(sample);
    uint8_t *copy = malloc(m.len); /* a read behind it is seen */
    memcpy(copy, m.at, m.len);
    cr_assert(wr_flow_decode(b->dec, &b->peer, copy, m.len, b->now_ns, &b->vec));
    free(copy);
}

/* A flow of one packet of IPFIX, with the rate as an element. */
static void send_ipfix(struct bench *b, const struct packet *p)
{
    const uint32_t dport =
        p->proto == 1 || p->proto == 58 ? (uint32_t)(p->sport << 8 | p->dport) : p->dport;
    begin(&m, 10, 0, 7);
    if (p->v6)
        TEMPLATE(&m, 257, 27, 16, 28, 16, 7, 2, 11, 2, 4, 1, 6, 1, 1, 4, 2, 4, 34, 4);
    else
        TEMPLATE(&m, 257, 8, 4, 12, 4, 7, 2, 11, 2, 4, 1, 6, 1, 1, 4, 2, 4, 34, 4);
    set(&m, 257);
    put_bytes(p->src, p->v6 ? 16 : 4), put_bytes(p->dst, p->v6 ? 16 : 4);
    put(&m, p->proto == 1 || p->proto == 58 ? 0 : p->sport, 2), put(&m, dport, 2),
        put(&m, p->proto, 1);
    put(&m, p->flags, 1), put(&m, p->frame, 4), put(&m, 1, 4), put(&m, p->rate, 4);
    set_end(&m);
    cr_assert(bench_send(b, &m));
}

static void same(unsigned trial, const char *what, const struct wr_flow *a, const struct wr_flow *b)
{
    cr_assert(memcmp(a->src, b->src, 32) == 0 && a->proto == b->proto, "trial %u, %s: ends", trial,
              what);
    cr_assert(a->sport == b->sport && a->dport == b->dport,
              "trial %u, %s: ports %u %u, not %u %u of %u", trial, what, a->sport, a->dport,
              b->sport, b->dport, a->proto);
    cr_assert(a->octets[0] == b->octets[0] && a->packets[0] == b->packets[0] &&
                  a->sampling == b->sampling,
              "trial %u, %s: volume", trial, what);
    cr_assert_eq(a->tcp_flags, b->tcp_flags, "trial %u, %s: flags", trial, what);
    cr_assert_eq(a->flags & WR_FLOW_V6, b->flags & WR_FLOW_V6);
}

Test(paths, sflow_gives_the_rows_of_ipfix_by_header_and_by_addresses)
{
    struct bench b = bench_new();
    state = 20261128;
    for (unsigned trial = 0; trial < 2000; trial++) {
        const struct packet p = draw_packet();
        send_ipfix(&b, &p);
        for (int k = 0; k < 4; k++)
            send_sflow(&b, &p, k & 1, k & 2);
        cr_assert_eq(b.vec.n, 5, "trial %u: %u rows", trial, b.vec.n);
        for (int k = 1; k < 5; k++)
            same(trial, (k - 1) & 1 ? "header" : "addresses", &b.vec.at[k], &b.vec.at[0]);
        wr_flow_vec_reset(&b.vec);
    }
    bench_end(&b);
}
