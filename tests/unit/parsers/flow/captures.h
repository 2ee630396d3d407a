/* Reading of capture files for the tests of this folder. */
#ifndef TESTS_FLOW_CAPTURES_H
#define TESTS_FLOW_CAPTURES_H

#include "base/buf.h"
#include "base/wire.h"
#include "parsers/flow/decoder.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DATA_DIR WR_SOURCE_DIR "/tests/data/flow/"
#define NOW_NS (INT64_C(1790000000) * 1000000000)

struct bytes {
    uint8_t *at;
    size_t len;
};

static inline struct bytes slurp(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s%s", DATA_DIR, name);
    FILE *f = fopen(path, "rb");
    cr_assert(f, "no %s", path);
    fseek(f, 0, SEEK_END);
    struct bytes b = {.len = (size_t)ftell(f)};
    rewind(f);
    b.at = malloc(b.len + 1);
    cr_assert_eq(fread(b.at, 1, b.len, f), b.len);
    b.at[b.len] = 0;
    fclose(f);
    return b;
}

static inline struct wr_flow_peer peer_of(uint8_t last, uint16_t port)
{
    struct wr_flow_peer p = {.port = port};
    p.addr[10] = p.addr[11] = 0xff;
    p.addr[12] = 192;
    p.addr[14] = 2;
    p.addr[15] = last;
    return p;
}

/* Where one message goes: rows, JSON or both (two decoders). */
typedef void feed_fn(void *to, const struct wr_flow_peer *peer, const uint8_t *data, size_t len);

/* Classic little-endian pcap, Ethernet, IPv4 or IPv6, UDP: what the captures are. */
static inline void feed_pcap(struct bytes b, feed_fn *feed, void *to)
{
    for (size_t at = 24; at + 16 <= b.len;) {
        uint32_t n = b.at[at + 8] | (uint32_t)b.at[at + 9] << 8 | (uint32_t)b.at[at + 10] << 16;
        const uint8_t *p = b.at + at + 16;
        at += 16 + n;
        bool v6 = n >= 62 && wr_be(p + 12, 2) == 0x86dd && p[20] == 17;
        if (!v6 && (n < 42 || wr_be(p + 12, 2) != 0x0800 || p[23] != 17))
            continue;
        const uint8_t *udp = p + 14 + (v6 ? 40 : (p[14] & 15) * 4);
        struct wr_flow_peer peer = {.port = (uint16_t)wr_be(udp, 2)};
        peer.addr[10] = peer.addr[11] = 0xff;
        if (v6)
            memcpy(peer.addr, p + 22, 16);
        else
            memcpy(peer.addr + 12, p + 26, 4);
        size_t len = (size_t)wr_be(udp + 4, 2) - 8, room = (size_t)(p + n - udp) - 8;
        feed(to, &peer, udp + 8, len < room ? len : room);
    }
}

static inline void feed_file(const char *name, char framing, feed_fn *feed, void *to)
{
    struct bytes b = slurp(name);
    struct wr_flow_peer peer = peer_of(1, 2055);
    if (framing == 'p')
        feed_pcap(b, feed, to);
    else if (framing == 'd')
        feed(to, &peer, b.at, b.len);
    for (size_t at = 0; framing == 'f' && at < b.len;) {
        int32_t n = wr_flow_frame(b.at + at, b.len - at);
        cr_assert_gt(n, 0, "%s: bad frame at %zu", name, at);
        feed(to, &peer, b.at + at, (size_t)n);
        at += (size_t)n;
    }
    free(b.at);
}

/* Splits a tab- or comma-separated line in place. */
static inline unsigned split(char *line, char by, char **part, unsigned max)
{
    unsigned n = 0;
    line[strcspn(line, "\r\n")] = 0;
    while (line && n < max) {
        part[n++] = line;
        line = strchr(line, by);
        if (line)
            *line++ = 0;
    }
    return n;
}

static inline void stats_add_up(const struct wr_flow_decoder *dec)
{
    const struct wr_flow_stats *s = wr_flow_decoder_stats(dec);
    uint64_t whole = 0;
    for (int r = 0; r < WR_FLOW_NREJECTS; r++)
        whole += s->rejected_whole[r];
    cr_expect_eq(whole, s->rejected_messages);
    cr_expect_eq(s->messages, s->ok + s->rejected_messages);
    cr_expect_eq(s->records, s->rows + s->filtered_early + s->not_flows + s->no_memory);
    cr_expect_geq(s->sets_held, s->sets_released + s->sets_dropped);
}

#endif
