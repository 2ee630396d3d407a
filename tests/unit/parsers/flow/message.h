/* Messages written by hand, big-endian. Sets and messages get their lengths when they are closed. */
#ifndef TESTS_FLOW_MESSAGE_H
#define TESTS_FLOW_MESSAGE_H

#include "captures.h"

struct message {
    uint8_t at[65535];
    size_t len, set;
    uint16_t version;
};

static inline void put(struct message *m, uint64_t v, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        m->at[m->len++] = (uint8_t)(v >> 8 * (n - 1 - i));
}

enum { EXPORT_S = 1700000000, UPTIME_MS = 5000000 };

static inline void begin(struct message *m, uint16_t version, uint32_t seq, uint32_t domain)
{
    m->len = 0;
    m->version = version;
    put(m, version, 2);
    put(m, version == 9 ? 1 : 0, 2);
    if (version == 9)
        put(m, UPTIME_MS, 4);
    put(m, EXPORT_S, 4);
    put(m, seq, 4);
    put(m, domain, 4);
}

static inline void set(struct message *m, uint16_t id)
{
    m->set = m->len;
    put(m, id, 2);
    put(m, 0, 2);
}

static inline void set_end(struct message *m)
{
    size_t n = m->len - m->set;
    m->at[m->set + 2] = (uint8_t)(n >> 8);
    m->at[m->set + 3] = (uint8_t)n;
    if (m->version == 10) {
        m->at[2] = (uint8_t)(m->len >> 8);
        m->at[3] = (uint8_t)m->len;
    }
}

/* A template set with one template: `fields` are id, length pairs; ids from 32768 up are followed by a PEN.
 */
static inline void add_template(struct message *m, uint16_t id, const uint32_t *fields, unsigned n)
{
    set(m, m->version == 9 ? 0 : 2);
    put(m, id, 2);
    put(m, n, 2);
    for (unsigned i = 0; i < n; i++) {
        put(m, fields[2 * i] & 0xffff, 2);
        put(m, fields[2 * i + 1], 2);
        if (m->version == 10 && fields[2 * i] & 0x8000)
            put(m, fields[2 * i] >> 16, 4);
    }
    set_end(m);
}
#define TEMPLATE(m, id, ...)                                                                                 \
    add_template(m, id, (const uint32_t[]){__VA_ARGS__},                                                     \
                 sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t) / 2)
#define VENDOR(pen, id) ((uint32_t)(pen) << 16 | 0x8000 | (id))

/* Options template with one scope field. */
static inline void add_options(struct message *m, uint16_t id, const uint32_t *fields, unsigned n)
{
    set(m, m->version == 9 ? 1 : 3);
    put(m, id, 2);
    put(m, m->version == 9 ? 4 : n, 2);
    put(m, m->version == 9 ? (n - 1) * 4 : 1, 2);
    for (unsigned i = 0; i < n; i++) {
        put(m, fields[2 * i], 2);
        put(m, fields[2 * i + 1], 2);
    }
    set_end(m);
}
#define OPTIONS(m, id, ...)                                                                                  \
    add_options(m, id, (const uint32_t[]){__VA_ARGS__},                                                      \
                sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t) / 2)

/* The usual flow: source, destination, ports, protocol, octets. 18 octets a record. */
#define FLOW_FIELDS 8, 4, 12, 4, 7, 2, 11, 2, 4, 1, 1, 4
enum { FLOW_LEN = 17 };
static inline void add_flow(struct message *m, uint32_t src, uint32_t dst, uint16_t sport, uint16_t dport,
                            uint32_t octets)
{
    put(m, src, 4);
    put(m, dst, 4);
    put(m, sport, 2);
    put(m, dport, 2);
    put(m, 6, 1);
    put(m, octets, 4);
}

/* One decoder, one exporter, what came out. */
struct bench {
    struct wr_flow_decoder *dec;
    struct wr_flow_peer peer;
    struct wr_flow_vec vec;
    int64_t now_ns;
};

static inline struct bench bench_new(void)
{
    struct bench b = {.dec = wr_flow_decoder_new(NULL), .peer = peer_of(1, 2055), .now_ns = NOW_NS};
    cr_assert(b.dec);
    return b;
}

static inline void bench_end(struct bench *b)
{
    stats_add_up(b->dec);
    wr_flow_decoder_free(b->dec);
    wr_flow_vec_fini(&b->vec);
}

static inline bool bench_send(struct bench *b, const struct message *m)
{
    return wr_flow_decode(b->dec, &b->peer, m->at, m->len, b->now_ns, &b->vec);
}

static inline uint64_t rejected(const struct bench *b, enum wr_flow_reject why)
{
    return wr_flow_decoder_stats(b->dec)->rejected[why];
}

#endif
