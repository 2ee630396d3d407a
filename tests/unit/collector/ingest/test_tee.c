#include "collector/ingest/tee.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in v4(const char *addr, uint16_t port)
{
    struct sockaddr_in out = {.sin_family = AF_INET, .sin_port = htons(port)};
    cr_assert_eq(inet_pton(AF_INET, addr, &out.sin_addr), 1);
    return out;
}

/* The sum that a receiver forms: all ones when the checksum is right (RFC 1071). */
static uint32_t folded(const uint8_t *at, size_t len, uint32_t sum)
{
    for (size_t i = 0; i < len; i++)
        sum += i % 2 ? at[i] : (uint32_t)at[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

Test(tee, headers_of_a_known_datagram)
{
    /* 10.0.0.1:4660 to 10.0.0.2:2055, "abc": the sums were formed by hand. */
    static const uint8_t want[WR_TEE_HEAD_BYTES] = {
        0x45, 0, 0,  31, 0, 0, 0,    0,    64,   17,   0x66, 0xcc, 10,   0,
        0,    1, 10, 0,  0, 2, 0x12, 0x34, 0x08, 0x07, 0,    11,   0x0d, 0x38};
    uint8_t head[WR_TEE_HEAD_BYTES];
    struct sockaddr_in src = v4("10.0.0.1", 0x1234), dst = v4("10.0.0.2", 2055);
    wr_tee_head(head, &src, &dst, (const uint8_t *)"abc", 3);
    cr_assert_arr_eq(head, want, sizeof want);
}

Test(tee, checksums_hold_for_every_length_and_zero_is_written_as_ones)
{
    uint8_t data[1501], head[WR_TEE_HEAD_BYTES];
    struct sockaddr_in src = v4("192.0.2.7", 50000), dst = v4("198.51.100.9", 9995);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 151 + 7);
    for (uint32_t len = 0; len <= sizeof data; len++) {
        wr_tee_head(head, &src, &dst, data, len);
        cr_assert_eq(folded(head, 20, 0), 0xffff);
        uint32_t udp = folded(head + 12, 8, 17 + len + 8);
        cr_assert_eq(folded(data, len, folded(head + 20, 8, udp)), 0xffff, "%u", len);
    }
    wr_tee_head(head, &src, &dst, (const uint8_t[]){0, 0}, 2);
    uint8_t zero[2] = {head[26], head[27]}; /* adding what is missing makes the checksum 0 */
    wr_tee_head(head, &src, &dst, zero, 2);
    cr_assert(head[26] == 0xff && head[27] == 0xff);
}

static enum wr_err make(const char *listen, const char *to, struct wr_config *config,
                        struct wr_tee **tee)
{
    struct wr_buf error = {0};
    cr_assert(wr_config_init(config));
    for (int kind = 0; kind < WR_LISTEN_NKINDS; kind++)
        wr_config_unlisten(config, (enum wr_listen_kind)kind);
    cr_assert_null(wr_config_listen(config, WR_LISTEN_FLOW_UDP, listen));
    cr_assert_null(wr_config_tee(config, to));
    enum wr_err err = wr_tee_new(config, tee, &error);
    cr_assert_eq(err == WR_OK, error.len == 0);
    wr_buf_fini(&error);
    return err;
}

Test(tee, own_listeners_are_refused)
{
    static const struct {
        const char *listen, *to;
        enum wr_err err;
    } cases[] = {{"22055", "127.0.0.1:22055", WR_EINVAL},
                 {"22055", "127.0.0.9:22055", WR_EINVAL},
                 {"22055", "0.0.0.0:22055", WR_EINVAL},
                 {"0.0.0.0:22055", "[::ffff:127.0.0.1]:22055", WR_EINVAL},
                 {"127.0.0.1:22055", "127.0.0.1:22055", WR_EINVAL},
                 {"127.0.0.1:22055", "0.0.0.0:22055", WR_EINVAL},
                 {"127.0.0.1:22055", "127.0.0.2:22055", WR_OK},
                 {"22055", "127.0.0.1:22056", WR_OK},
                 {"0.0.0.0:22055", "[::1]:22055", WR_OK},
                 {"22055", "192.0.2.1:22055", WR_OK}}; /* TEST-NET-1 is nobody's */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct wr_config config;
        struct wr_tee *tee;
        cr_assert_eq(make(cases[i].listen, cases[i].to, &config, &tee), cases[i].err, "%zu", i);
        cr_assert_eq(tee != NULL, cases[i].err == WR_OK);
        wr_tee_free(tee);
        wr_config_fini(&config);
    }
}

/* A train is cut back into what was sent; the last is shorter, and an empty datagram is one. */
Test(tee, trains_arrive_as_datagrams)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in at = v4("127.0.0.1", 0), from;
    socklen_t len = sizeof at;
    cr_assert_eq(bind(fd, (const struct sockaddr *)&at, sizeof at), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    char to[32];
    snprintf(to, sizeof to, "127.0.0.1:%u", ntohs(at.sin_port));
    struct wr_config config;
    struct wr_tee *tee;
    cr_assert_eq(make("127.0.0.1:1", to, &config, &tee), WR_OK);

    static uint8_t bytes[100 * 10 + 3];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i / 10);
    struct wr_dgrams trains[2] = {{.data = bytes, .len = sizeof bytes, .segment = 10},
                                  {.data = bytes}};
    for (int i = 0; i < 2; i++) {
        trains[i].src = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(4242)};
        inet_pton(AF_INET6, "::ffff:127.0.0.7", &trains[i].src.sin6_addr);
    }
    wr_tee_send(tee, trains, 2);
    const struct wr_tee_stats *stats = wr_tee_stats(tee, 0);
    cr_assert_eq(stats->kept + stats->own, 102);
    cr_assert_eq(wr_tee_source_lost(tee, 0) == 0, stats->kept == 102);
    for (size_t i = 0; i < 102; i++) {
        uint8_t got[64];
        len = sizeof from;
        ssize_t n = recvfrom(fd, got, sizeof got, MSG_DONTWAIT, (struct sockaddr *)&from, &len);
        cr_assert_eq(n, i < 100 ? 10 : i == 100 ? 3 : 0, "%zu: %zd", i, n);
        for (ssize_t j = 0; j < n; j++)
            cr_assert_eq(got[j], i);
        cr_assert_eq(ntohl(from.sin_addr.s_addr), stats->kept ? 0x7f000007u : 0x7f000001u);
        if (stats->kept)
            cr_assert_eq(from.sin_port, htons(4242));
    }
    wr_tee_free(tee);
    wr_config_fini(&config);
    close(fd);
}

/* What the kernel refuses is counted, each one, and the next are tried. */
Test(tee, refused_datagrams_are_counted_by_reason)
{
    struct wr_config config;
    struct wr_tee *tee;
    cr_assert_eq(make("127.0.0.1:1", "255.255.255.255:9", &config, &tee),
                 WR_OK); /* broadcast was not asked for */
    static const uint8_t bytes[150];
    struct wr_dgrams train = {.data = bytes, .len = sizeof bytes, .segment = 1};
    train.src = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(4242)};
    inet_pton(AF_INET6, "::ffff:192.0.2.7", &train.src.sin6_addr);
    wr_tee_send(tee, &train, 1);
    const struct wr_tee_stats *stats = wr_tee_stats(tee, 0);
    cr_assert_eq(stats->kept + stats->own, 0);
    cr_assert_eq(
        stats->dropped[WR_TEE_DROP_not_permitted] + stats->dropped[WR_TEE_DROP_unreachable], 150);
    wr_tee_free(tee);
    wr_config_fini(&config);
}
