#include "collector/io/io.h"
#include "collector/io/udp.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

static struct sockaddr_storage loopback(void)
{
    struct sockaddr_storage out = {0};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    memcpy(&out, &v4, sizeof v4);
    return out;
}

/* A receiving socket on a free port and a sender connected to it. */
static int open_pair(const struct wr_io *io, struct wr_udp *udp, uint64_t buffer)
{
    struct sockaddr_storage addr = loopback();
    cr_assert_eq(io->udp_open(io->ctx, &addr, sizeof(struct sockaddr_in), buffer, udp), 0);
    socklen_t len = sizeof addr;
    cr_assert_eq(getsockname(udp->fd, (struct sockaddr *)&addr, &len), 0);
    int tx = socket(AF_INET, SOCK_DGRAM, 0);
    cr_assert_eq(connect(tx, (struct sockaddr *)&addr, len), 0);
    return tx;
}

/* Receives until `want` datagrams came or nothing comes for a second; checks each one's first byte and
 * length. */
static uint32_t receive(const struct wr_io *io, struct wr_udp *udp, uint32_t want, uint32_t size)
{
    static struct wr_dgrams trains[WR_UDP_BATCH];
    uint32_t seen = 0;
    struct pollfd p = {.fd = udp->fd, .events = POLLIN};
    while (seen < want && poll(&p, 1, 1000) == 1) {
        int n = io->udp_recv(io->ctx, udp, trains, WR_UDP_BATCH);
        cr_assert_geq(n, 0);
        for (int i = 0; i < n; i++) {
            cr_assert_gt(trains[i].src.sin6_port, 0);
            cr_assert_eq(trains[i].src.sin6_addr.s6_addr[12], 127);
            for (uint32_t at = 0; at < trains[i].len; at += trains[i].segment) {
                cr_assert_eq(trains[i].data[at], (uint8_t)seen);
                seen++;
            }
            cr_assert_eq(trains[i].len % size, 0);
        }
    }
    return seen;
}

Test(udp, a_port_that_is_shared_is_seen_as_taken)
{
    for (int type = 1; type <= 2; type++) { /* SOCK_STREAM, SOCK_DGRAM */
        struct sockaddr_storage addr = loopback();
        socklen_t len = sizeof(struct sockaddr_in);
        int fd = wr_socket_bound(type, &addr, len);
        cr_assert_geq(fd, 0);
        cr_assert_eq(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
        if (type == SOCK_STREAM)
            cr_assert_eq(listen(fd, 1), 0);
        int other = wr_socket_bound(type, &addr, len); /* as another worker, or another weir */
        cr_expect_geq(other, 0);
        cr_expect(wr_socket_taken(type, &addr, len));
        close(other);
        close(fd);
        cr_expect_not(wr_socket_taken(type, &addr, len));
    }
}

Test(udp, timers_of_several_threads_may_run_together)
{
    cr_assert_lt(prctl(PR_GET_TIMERSLACK), 2000000);
    wr_io_timers_together();
    cr_assert_eq(prctl(PR_GET_TIMERSLACK), 2000000);
}

Test(udp, trains_of_equal_datagrams_come_apart_again)
{
    const struct wr_io *io = wr_io_real();
    struct wr_udp udp;
    int tx = open_pair(io, &udp, 4 << 20);
    int segment = 1000;
    bool gso = setsockopt(tx, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment) == 0;
    static uint8_t bytes[40000];
    for (int i = 0; i < 40; i++)
        bytes[i * 1000] = (uint8_t)i;
    if (gso && send(tx, bytes, sizeof bytes, 0) == (ssize_t)sizeof bytes) {
        cr_assert_eq(receive(io, &udp, 40, 1000), 40);
    } else {
        for (int i = 0; i < 40; i++)
            cr_assert_eq(send(tx, bytes + i * 1000, 1000, 0), 1000);
        cr_assert_eq(receive(io, &udp, 40, 1000), 40);
    }
    close(tx);
    io->udp_close(io->ctx, &udp);
}

Test(udp, single_datagrams_and_empty_socket)
{
    const struct wr_io *io = wr_io_real();
    struct wr_udp udp;
    int tx = open_pair(io, &udp, 1 << 20);
    struct wr_dgrams one;
    cr_assert_eq(io->udp_recv(io->ctx, &udp, &one, 1), 0);
    for (int i = 0; i < 200; i++) {
        uint8_t b[10] = {(uint8_t)i};
        cr_assert_eq(send(tx, b, sizeof b, 0), 10);
    }
    cr_assert_eq(receive(io, &udp, 200, 10), 200);
    close(tx);
    io->udp_close(io->ctx, &udp);
}

/* Also a second and a third time: the kernel's counter never begins anew. */
Test(udp, what_the_kernel_drops_is_counted)
{
    const struct wr_io *io = wr_io_real();
    struct wr_udp udp;
    int tx = open_pair(io, &udp, 8192);
    cr_assert_eq(udp.receive_buffer, 2 * 8192, "the kernel doubles what it is asked for");
    enum { SENT = 500 };
    uint8_t b[1200] = {0};
    static struct wr_dgrams trains[WR_UDP_BATCH];
    uint64_t got = 0;
    for (uint64_t burst = 1; burst <= 3; burst++) {
        for (int i = 0; i < SENT; i++)
            cr_assert_eq(send(tx, b, sizeof b, 0), (ssize_t)sizeof b);
        for (int n; (n = io->udp_recv(io->ctx, &udp, trains, WR_UDP_BATCH)) > 0;)
            for (int i = 0; i < n; i++)
                got += (trains[i].len + trains[i].segment - 1) / trains[i].segment;
        /* The drop counter travels with the next datagram that has room. */
        cr_assert_eq(send(tx, b, sizeof b, 0), (ssize_t)sizeof b);
        cr_assert_eq(io->udp_recv(io->ctx, &udp, trains, WR_UDP_BATCH), 1);
        got++;
        cr_assert_lt(got, burst * (SENT + 1));
        cr_assert_eq(got + udp.dropped, burst * (SENT + 1), "burst %lu", (unsigned long)burst);
    }
    close(tx);
    io->udp_close(io->ctx, &udp);
}

Test(io, a_replaced_file_reads_back_and_leaves_no_temporary)
{
    const struct wr_io *io = wr_io_real();
    char dir[] = "io-test-XXXXXX";
    cr_assert_not_null(mkdtemp(dir));
    cr_assert_eq(wr_io_replace_file(io, dir, "a", "first", 5), 0);
    cr_assert_eq(wr_io_replace_file(io, dir, "a", "second", 6), 0);
    char path[64], *data;
    size_t len;
    snprintf(path, sizeof path, "%s/a", dir);
    cr_assert_eq(wr_io_read_file(io, path, 100, &data, &len), 0);
    cr_assert_str_eq(data, "second");
    free(data);
    cr_assert_lt(wr_io_read_file(io, path, 5, &data, &len), 0);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(rmdir(dir), 0, "only the file itself was there");
}

/* ---- steering ---- */

enum { GROUP = 4 };
static struct wr_udp group[GROUP];
static struct sockaddr_storage group_at;

static void open_group(bool by_domain)
{
    const struct wr_io *io = wr_io_real();
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_addr = in6addr_any};
    socklen_t len = sizeof any;
    memcpy(&group_at, &any, sizeof any);
    for (int i = 0; i < GROUP; i++) {
        cr_assert_eq(io->udp_open(io->ctx, &group_at, sizeof any, 1 << 20, &group[i]), 0);
        len = sizeof group_at;
        cr_assert_eq(getsockname(group[i].fd, (struct sockaddr *)&group_at, &len), 0);
    }
    cr_assert_eq(io->udp_steer(io->ctx, &group[0], GROUP, by_domain), 0);
}

static void close_group(void)
{
    for (int i = 0; i < GROUP; i++)
        wr_io_real()->udp_close(NULL, &group[i]);
}

/* A flow header that the program looks into, from 127.1.0.<host>; returns the socket that got it. */
static int sent_to(uint8_t host, uint8_t version, uint32_t domain, size_t len)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f010000u + host)};
    struct sockaddr_in6 at;
    memcpy(&at, &group_at, sizeof at);
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = at.sin6_port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    uint8_t b[24] = {0, version};
    uint32_t d = htonl(domain);
    memcpy(b + (version == 10 ? 12 : 16), &d, sizeof d);
    cr_assert_eq(bind(fd, (struct sockaddr *)&from, sizeof from), 0);
    cr_assert_eq(sendto(fd, b, len, 0, (struct sockaddr *)&to, sizeof to), (ssize_t)len);
    close(fd);
    int got = -1;
    for (int i = 0; i < GROUP; i++) {
        struct wr_dgrams one;
        int n = wr_io_real()->udp_recv(NULL, &group[i], &one, 1);
        cr_assert(n == 0 || got < 0, "two sockets got it");
        got = n == 1 ? i : got;
    }
    cr_assert_geq(got, 0, "none got it");
    return got;
}

/* Every worker has its share, give or take: 64 things over 4 sockets. */
static void check_spread(const int *per_socket)
{
    for (int i = 0; i < GROUP; i++)
        cr_expect(per_socket[i] >= 4 && per_socket[i] <= 32, "socket %d got %d of 64", i, per_socket[i]);
}

Test(udp, an_exporter_stays_on_one_socket_whatever_port_and_domain_it_sends_from)
{
    int per_socket[GROUP] = {0};
    open_group(false);
    for (uint8_t host = 1; host <= 64; host++) {
        int first = sent_to(host, 10, 0, 24);
        per_socket[first]++;
        for (uint32_t k = 1; k < 8; k++)
            cr_assert_eq(sent_to(host, k % 2 ? 9 : 10, k, 24), first);
    }
    check_spread(per_socket);
    close_group();
}

Test(udp, domains_of_one_exporter_are_spread_when_asked_for)
{
    for (int version = 9; version <= 10; version++) {
        int per_socket[GROUP] = {0};
        open_group(true);
        for (uint32_t domain = 0; domain < 64; domain++) {
            int first = sent_to(1, (uint8_t)version, domain, 24);
            per_socket[first]++;
            cr_assert_eq(sent_to(1, (uint8_t)version, domain, 24), first, "from another port");
        }
        check_spread(per_socket);
        int by_address = sent_to(1, 5, 0, 24);
        for (uint32_t k = 1; k < 16; k++) {
            cr_assert_eq(sent_to(1, 5, k, 24), by_address, "v5 has no domain there");
            cr_assert_eq(sent_to(1, (uint8_t)version, k, 19), by_address, "too short to have one");
        }
        close_group();
    }
}
