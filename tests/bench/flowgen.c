/* Load generator: NetFlow v5, v9 or IPFIX over UDP, with UDP GSO so that one core can outrun a collector.
 *
 *   flowgen --port 2055 --dialect ipfix --rate 1000000 --seconds 5 --mail-percent 1
 *
 * A pool of datagrams is built once; sequence numbers and times are patched as they are sent. Records look
 * like a router's: 20 elements, 71 bytes (IPFIX). Addresses are private to documentation ranges. Prints one line:
 * records, datagrams, seconds, records per second. Loopback addresses only. */
#include "base/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

enum dialect { V5, V9, IPFIX };
enum { POOL = 2048, MAX_DATAGRAM = 1472, MAX_TRAIN = 44, TEMPLATE_EVERY_NS = 1000000000 };

struct field {
    uint16_t id, len;
};
static const struct field ipfix_fields[] = {
    {8, 4},  {12, 4}, {1, 8},  {2, 8},  {152, 8}, {153, 8}, {7, 2},  {11, 2}, {10, 4}, {14, 4},
    {4, 1},  {6, 1},  {5, 1},  {16, 4}, {17, 4},  {9, 1},   {13, 1}, {15, 4}, {136, 1}, {61, 1}};
static const struct field v9_fields[] = {
    {8, 4}, {12, 4}, {1, 8},  {2, 8},  {22, 4}, {21, 4}, {7, 2},  {11, 2}, {10, 4}, {14, 4},
    {4, 1}, {6, 1},  {5, 1},  {16, 4}, {17, 4}, {9, 1},  {13, 1}, {15, 4}, {136, 1}, {61, 1}};
enum { NFIELDS = sizeof(ipfix_fields) / sizeof(ipfix_fields[0]) };

struct gen {
    enum dialect dialect;
    uint32_t per_datagram, datagram_len, next, sequence;
    double mail_percent;
    uint64_t rng, boot_ms;
    uint32_t flows; /* distinct connections among the mail records */
    uint8_t pool[POOL][MAX_DATAGRAM];
};

static uint64_t random64(struct gen *gen)
{
    gen->rng ^= gen->rng << 13;
    gen->rng ^= gen->rng >> 7;
    gen->rng ^= gen->rng << 17;
    return gen->rng * UINT64_C(0x2545F4914F6CDD1D);
}

static uint64_t now_ns(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

static void put(uint8_t *at, uint64_t v, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        at[i] = (uint8_t)(v >> (8 * (len - 1 - i)));
}

static uint64_t value_of(struct gen *gen, uint16_t id, uint64_t flow, bool mail)
{
    static const uint16_t mail_ports[] = {25, 465, 587, 110, 995, 143, 993};
    switch (id) {
    case 8: return 0x0a000000U | (uint32_t)(flow & 0xffff);
    case 12: return 0xcb007100U | (uint32_t)(flow >> 16 & 0xff);
    case 1: return 64 + random64(gen) % 100000;
    case 2: return 1 + random64(gen) % 100;
    case 7: return 1024 + flow % 60000;
    case 11: return mail ? mail_ports[flow % 7] : 10000 + flow % 50000;
    case 4: return 6;
    case 6: return 0x1b;
    case 136: return 3;
    case 10: return 1;
    case 14: return 2;
    default: return 0;
    }
}

static void fill_v5(struct gen *gen, uint8_t *at, uint64_t flow, bool mail)
{
    put(at, value_of(gen, 8, flow, mail), 4);
    put(at + 4, value_of(gen, 12, flow, mail), 4);
    put(at + 12, 1, 2);
    put(at + 14, 2, 2);
    put(at + 16, value_of(gen, 2, flow, mail), 4);
    put(at + 20, value_of(gen, 1, flow, mail), 4);
    put(at + 24, 1000, 4);
    put(at + 28, 2000, 4);
    put(at + 32, value_of(gen, 7, flow, mail), 2);
    put(at + 34, value_of(gen, 11, flow, mail), 2);
    at[37] = 0x1b;
    at[38] = 6;
}

static const struct field *fields_of(const struct gen *gen)
{
    return gen->dialect == V9 ? v9_fields : ipfix_fields;
}

static uint32_t record_len(const struct gen *gen)
{
    uint32_t len = 0;
    for (int i = 0; i < NFIELDS; i++)
        len += fields_of(gen)[i].len;
    return gen->dialect == V5 ? 48 : len;
}

static void build_pool(struct gen *gen, uint64_t now_ms)
{
    uint32_t header = gen->dialect == V5 ? 24 : gen->dialect == V9 ? 20 : 16, rec = record_len(gen);
    gen->per_datagram = gen->dialect == V5 ? 30 : (1420 - header - 4) / rec;
    uint32_t set_len = 4 + gen->per_datagram * rec;
    if (gen->dialect == V9)
        set_len = (set_len + 3) / 4 * 4;
    gen->datagram_len = gen->dialect == V5 ? 24 + 30 * 48 : header + set_len;
    for (int d = 0; d < POOL; d++) {
        uint8_t *msg = gen->pool[d];
        put(msg, gen->dialect == V5 ? 5 : gen->dialect == V9 ? 9 : 10, 2);
        put(msg + 2, gen->dialect == IPFIX ? gen->datagram_len : gen->per_datagram, 2);
        if (gen->dialect != V5) {
            put(msg + header, 256, 2);
            put(msg + header + 2, set_len, 2);
        }
        for (uint32_t r = 0; r < gen->per_datagram; r++) {
            bool mail = (double)(random64(gen) % 1000000) < gen->mail_percent * 10000;
            uint64_t flow = mail ? random64(gen) % gen->flows : random64(gen);
            uint8_t *at = msg + (gen->dialect == V5 ? 24 : header + 4) + r * rec;
            if (gen->dialect == V5) {
                fill_v5(gen, at, flow, mail);
                continue;
            }
            for (int i = 0; i < NFIELDS; i++) {
                struct field f = fields_of(gen)[i];
                uint64_t v = f.id == 152 ? now_ms - 1000 : f.id == 153 ? now_ms : f.id == 22 ? 1000
                             : f.id == 21 ? 2000 : value_of(gen, f.id, flow, mail);
                put(at, v, f.len);
                at += f.len;
            }
        }
    }
}

/* Writes times and the sequence number; v5 and IPFIX count records, v9 datagrams. */
static void stamp(struct gen *gen, uint8_t *msg, uint64_t now_s)
{
    if (gen->dialect == IPFIX) {
        put(msg + 4, now_s, 4);
        put(msg + 8, gen->sequence, 4);
        gen->sequence += gen->per_datagram;
        return;
    }
    put(msg + 4, 3000, 4);
    put(msg + 8, now_s, 4);
    if (gen->dialect == V5) {
        put(msg + 16, gen->sequence, 4);
        gen->sequence += gen->per_datagram;
    } else {
        put(msg + 12, gen->sequence++, 4);
    }
}

static size_t build_template(struct gen *gen, uint8_t *msg, uint64_t now_s)
{
    uint32_t header = gen->dialect == V9 ? 20 : 16, len = header + 8 + NFIELDS * 4;
    memset(msg, 0, len);
    put(msg, gen->dialect == V9 ? 9 : 10, 2);
    put(msg + 2, gen->dialect == V9 ? 1 : len, 2);
    uint32_t keep = gen->sequence;
    stamp(gen, msg, now_s);
    if (gen->dialect == IPFIX)
        gen->sequence = keep; /* templates are not counted */
    put(msg + header, gen->dialect == V9 ? 0 : 2, 2);
    put(msg + header + 2, 8 + NFIELDS * 4, 2);
    put(msg + header + 4, 256, 2);
    put(msg + header + 6, NFIELDS, 2);
    for (int i = 0; i < NFIELDS; i++) {
        put(msg + header + 8 + i * 4, fields_of(gen)[i].id, 2);
        put(msg + header + 10 + i * 4, fields_of(gen)[i].len, 2);
    }
    return len;
}

/* One sendmsg of `n` datagrams, cut up by the kernel. */
static bool send_train(struct gen *gen, int fd, uint32_t n, uint64_t now_s)
{
    struct iovec iov[MAX_TRAIN];
    for (uint32_t i = 0; i < n; i++) {
        uint8_t *msg = gen->pool[gen->next];
        gen->next = (gen->next + 1) % POOL;
        stamp(gen, msg, now_s);
        iov[i] = (struct iovec){msg, gen->datagram_len};
    }
    union {
        char bytes[CMSG_SPACE(sizeof(uint16_t))];
        struct cmsghdr align;
    } control = {0};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = n, .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    uint16_t segment = (uint16_t)gen->datagram_len;
    c->cmsg_level = SOL_UDP;
    c->cmsg_type = UDP_SEGMENT;
    c->cmsg_len = CMSG_LEN(sizeof(segment));
    memcpy(CMSG_DATA(c), &segment, sizeof(segment));
    while (sendmsg(fd, &msg, 0) < 0)
        if (errno != EINTR && errno != ENOBUFS && errno != ECONNREFUSED) {
            perror("flowgen: sendmsg");
            return false;
        }
    return true;
}

static int run(struct gen *gen, int fd, double rate, double seconds, uint32_t train)
{
    uint64_t start = now_ns(CLOCK_MONOTONIC), last_template = 0, datagrams = 0;
    uint64_t end = start + (uint64_t)(seconds * 1e9);
    for (uint64_t now = start; now < end; now = now_ns(CLOCK_MONOTONIC)) {
        uint64_t now_s = now_ns(CLOCK_REALTIME) / 1000000000U;
        if (gen->dialect != V5 && (!last_template || now - last_template > TEMPLATE_EVERY_NS)) {
            uint8_t msg[MAX_DATAGRAM];
            size_t len = build_template(gen, msg, now_s);
            if (send(fd, msg, len, 0) < 0)
                perror("flowgen: template");
            last_template = now;
        }
        double due = rate > 0 ? (double)(now - start) * rate / 1e9 : 1e18;
        if ((double)(datagrams * gen->per_datagram) >= due) {
            nanosleep(&(struct timespec){0, 20000}, NULL);
            continue;
        }
        if (!send_train(gen, fd, train, now_s))
            return 1;
        datagrams += train;
    }
    double took = (double)(now_ns(CLOCK_MONOTONIC) - start) / 1e9;
    uint64_t records = datagrams * gen->per_datagram;
    printf("records=%" PRIu64 " datagrams=%" PRIu64 " seconds=%.3f rate=%.0f\n", records, datagrams, took,
           (double)records / took);
    return 0;
}

static int usage(void)
{
    fputs("usage: flowgen [--host ADDR] --port N [--dialect v5|v9|ipfix] [--rate RECORDS_PER_S] [--seconds S]\n"
          "               [--mail-percent P] [--mail-flows N] [--train DATAGRAMS]\n"
          "Sends flow records to a collector on loopback. Rate 0: as fast as it goes.\n", stderr);
    return 2;
}

int main(int argc, char **argv)
{
    static struct gen gen = {.dialect = IPFIX, .mail_percent = 1, .rng = 0x9E3779B97F4A7C15, .flows = 100000};
    const char *host = "127.0.0.1";
    uint16_t port = 0;
    double rate = 0, seconds = 5;
    uint32_t train = 32;
    static const struct option options[] = {
        {"host", 1, 0, 'h'}, {"port", 1, 0, 'p'}, {"dialect", 1, 0, 'd'}, {"rate", 1, 0, 'r'},
        {"seconds", 1, 0, 's'}, {"mail-percent", 1, 0, 'm'}, {"mail-flows", 1, 0, 'f'}, {"train", 1, 0, 't'}, {0}};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (o) {
        case 'h': host = optarg; break;
        case 'p': port = (uint16_t)atoi(optarg); break;
        case 'd': gen.dialect = !strcmp(optarg, "v5") ? V5 : !strcmp(optarg, "v9") ? V9 : IPFIX; break;
        case 'r': rate = atof(optarg); break;
        case 's': seconds = atof(optarg); break;
        case 'm': gen.mail_percent = atof(optarg); break;
        case 'f': gen.flows = (uint32_t)atoi(optarg); break;
        case 't': train = (uint32_t)atoi(optarg); break;
        default: return usage();
        }
    }
    if (!port || !train || train > MAX_TRAIN || !gen.flows)
        return usage();
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, host, &to.sin_addr) != 1 || ntohl(to.sin_addr.s_addr) >> 24 != 127) {
        fprintf(stderr, "flowgen: %s: only loopback addresses (127.x.x.x)\n", host);
        return 2;
    }
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
        perror("flowgen: socket");
        return 1;
    }
    build_pool(&gen, now_ns(CLOCK_REALTIME) / 1000000U);
    int rc = run(&gen, fd, rate, seconds, train);
    close(fd);
    return rc;
}
