/* Load generator: NetFlow v5, v9 or IPFIX over UDP, with UDP GSO so that one core can outrun a collector.
 *
 *   flowgen --port 2055 --dialect ipfix --rate 1000000 --seconds 5 --mail-percent 1
 *   flowgen --port 2055 --exporters 10000 --templates 100      from 127.1.0.0 on, each with its own templates
 *   flowgen --port 2055 --no-gso                               one datagram at a time, as a router sends
 *   flowgen --port 2055 --sources 1000000                      every record from the next of as many addresses
 *
 * A pool of datagrams is built once; sequence numbers, times and set ids are patched as they are sent.
 * Records look like a router's: 20 elements, 71 bytes (IPFIX). Addresses are private to documentation ranges.
 * Templates of one exporter differ in the order of their elements. Prints one line: records, datagrams,
 * seconds, records per second, template datagrams. Loopback addresses only. */
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
enum {
    POOL = 2048,
    MAX_DATAGRAM = 1472,
    MAX_TRAIN = 44,
    TEMPLATE_EVERY_NS = 1000000000,
    MAX_EXPORTERS = 65536,
    MAX_TEMPLATES = 120, /* orders of five elements */
    EACH_SECOND = 2000   /* as many templates are sent again every second, more only once */
};

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
    uint32_t per_datagram, datagram_len, next;
    uint32_t exporters, exporter, templates, template; /* how many; in hand */
    uint32_t train, record_at, record_len;
    uint32_t sources, source;
    bool gso;
    uint32_t sequence[MAX_EXPORTERS];
    uint64_t template_datagrams;
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
    uint32_t fit = gen->dialect == V5 ? 30 : (1420 - header - 4) / rec;
    if (!gen->per_datagram || gen->per_datagram > fit)
        gen->per_datagram = fit;
    gen->record_at = gen->dialect == V5 ? 24 : header + 4;
    gen->record_len = rec;
    uint32_t set_len = 4 + gen->per_datagram * rec;
    if (gen->dialect == V9)
        set_len = (set_len + 3) / 4 * 4;
    gen->datagram_len = gen->dialect == V5 ? 24 + gen->per_datagram * 48 : header + set_len;
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
static void stamp(struct gen *gen, uint8_t *msg, uint64_t now_s, uint32_t records)
{
    uint32_t *sequence = &gen->sequence[gen->exporter];
    if (gen->dialect == IPFIX) {
        put(msg + 4, now_s, 4);
        put(msg + 8, *sequence, 4);
        *sequence += records;
        return;
    }
    put(msg + 4, 3000, 4);
    put(msg + 8, now_s, 4);
    put(msg + (gen->dialect == V5 ? 16 : 12), *sequence, 4);
    *sequence += gen->dialect == V5 ? records : 1;
}

/* The k-th order of the elements of four octets that nobody reads: another template of the same length. */
static uint16_t element_of(const struct gen *gen, uint32_t k, int field)
{
    static const uint16_t same[5] = {10, 14, 16, 17, 15};
    uint16_t left[5], id = fields_of(gen)[field].id;
    int place = 0;
    while (place < 5 && same[place] != id)
        place++;
    if (place == 5)
        return id;
    memcpy(left, same, sizeof left);
    for (int i = 0;; i++) {
        uint32_t choices = (uint32_t)(5 - i), which = k % choices;
        k /= choices;
        id = left[which];
        if (i == place)
            return id;
        memmove(left + which, left + which + 1, (choices - which - 1) * sizeof *left);
    }
}

/* As many templates as fit, from `first` on; returns the next. */
static uint32_t build_templates(struct gen *gen, uint8_t *msg, uint64_t now_s, uint32_t first,
                                size_t *ret_len)
{
    uint32_t header = gen->dialect == V9 ? 20 : 16, each = 4 + NFIELDS * 4;
    size_t len = header + 4;
    memset(msg, 0, len);
    for (; first < gen->templates && len + each <= 1420; first++) {
        put(msg + len, 256 + first, 2);
        put(msg + len + 2, NFIELDS, 2);
        for (int i = 0; i < NFIELDS; i++) {
            put(msg + len + 4 + i * 4, element_of(gen, first, i), 2);
            put(msg + len + 6 + i * 4, fields_of(gen)[i].len, 2);
        }
        len += each;
    }
    put(msg, gen->dialect == V9 ? 9 : 10, 2);
    put(msg + 2, gen->dialect == V9 ? 1 : len, 2);
    stamp(gen, msg, now_s, 0); /* IPFIX does not count templates */
    put(msg + header, gen->dialect == V9 ? 0 : 2, 2);
    put(msg + header + 2, len - header, 2);
    *ret_len = len;
    return first;
}

/* Where the exporter in hand stands: one socket sends for all of them. */
union control {
    char bytes[CMSG_SPACE(sizeof(uint16_t)) + CMSG_SPACE(sizeof(struct in_pktinfo))];
    struct cmsghdr align;
};

static void address(const struct gen *gen, struct msghdr *msg, union control *control, uint16_t segment)
{
    memset(control, 0, sizeof *control);
    msg->msg_control = control->bytes;
    msg->msg_controllen = sizeof control->bytes;
    struct cmsghdr *c = CMSG_FIRSTHDR(msg);
    struct in_pktinfo from = {.ipi_spec_dst.s_addr = htonl(0x7f010000U + gen->exporter)};
    size_t used = 0;
    if (gen->exporters > 1) {
        c->cmsg_level = IPPROTO_IP;
        c->cmsg_type = IP_PKTINFO;
        c->cmsg_len = CMSG_LEN(sizeof from);
        memcpy(CMSG_DATA(c), &from, sizeof from);
        used += CMSG_SPACE(sizeof from);
        c = CMSG_NXTHDR(msg, c);
    }
    if (segment) {
        c->cmsg_level = SOL_UDP;
        c->cmsg_type = UDP_SEGMENT;
        c->cmsg_len = CMSG_LEN(sizeof segment);
        memcpy(CMSG_DATA(c), &segment, sizeof segment);
        used += CMSG_SPACE(sizeof segment);
    }
    msg->msg_controllen = used;
    if (!used)
        msg->msg_control = NULL;
}

static bool may_retry(void)
{
    return errno == EINTR || errno == ENOBUFS || errno == ECONNREFUSED;
}

static bool send_templates(struct gen *gen, int fd, uint64_t now_s)
{
    for (gen->exporter = 0; gen->exporter < gen->exporters; gen->exporter++) {
        for (uint32_t next = 0; next < gen->templates; gen->template_datagrams++) {
            uint8_t bytes[MAX_DATAGRAM];
            union control control;
            struct iovec iov = {.iov_base = bytes};
            struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
            next = build_templates(gen, bytes, now_s, next, &iov.iov_len);
            address(gen, &msg, &control, 0);
            while (sendmsg(fd, &msg, 0) < 0)
                if (!may_retry()) {
                    perror("flowgen: template");
                    return false;
                }
            if (gen->template_datagrams % 64 == 63)
                nanosleep(&(struct timespec){0, 1000000}, NULL); /* the collector compiles them */
        }
    }
    gen->exporter = 0;
    return true;
}

static void next_sources(struct gen *gen, uint8_t *msg)
{
    for (uint32_t r = 0; gen->sources && r < gen->per_datagram; r++) {
        put(msg + gen->record_at + r * gen->record_len, 0x0a000000U + gen->source, 4); /* the first element */
        gen->source = (gen->source + 1) % gen->sources;
    }
}

/* One sendmsg of `n` datagrams that the kernel cuts up, or one sendmmsg. */
static bool send_train(struct gen *gen, int fd, uint32_t n, uint64_t now_s)
{
    struct iovec iov[MAX_TRAIN];
    struct mmsghdr msgs[MAX_TRAIN] = {0};
    union control control;
    for (uint32_t i = 0; i < n; i++) {
        uint8_t *msg = gen->pool[gen->next];
        gen->next = (gen->next + 1) % POOL;
        stamp(gen, msg, now_s, gen->per_datagram);
        next_sources(gen, msg);
        if (gen->dialect != V5)
            put(msg + (gen->dialect == V9 ? 20 : 16), 256 + gen->template, 2);
        gen->template = (gen->template + 1) % gen->templates;
        iov[i] = (struct iovec){msg, gen->datagram_len};
    }
    struct msghdr *first = &msgs[0].msg_hdr;
    address(gen, first, &control, gen->gso ? (uint16_t)gen->datagram_len : 0);
    gen->exporter = (gen->exporter + 1) % gen->exporters;
    first->msg_iov = iov;
    first->msg_iovlen = gen->gso ? n : 1;
    for (uint32_t i = 1; i < n; i++) {
        msgs[i].msg_hdr = *first;
        msgs[i].msg_hdr.msg_iov = &iov[i];
    }
    for (uint32_t sent = 0, all = gen->gso ? 1 : n; sent < all;) {
        int rc = sendmmsg(fd, msgs + sent, all - sent, 0);
        if (rc < 0 && !may_retry()) {
            perror("flowgen: sendmmsg");
            return false;
        }
        sent += rc > 0 ? (uint32_t)rc : 0;
    }
    return true;
}

static int run(struct gen *gen, int fd, double rate, double seconds, double rest)
{
    uint64_t now_s = now_ns(CLOCK_REALTIME) / 1000000000U;
    if (gen->dialect != V5 && !send_templates(gen, fd, now_s))
        return 1;
    uint64_t start = now_ns(CLOCK_MONOTONIC), last_template = start, datagrams = 0;
    uint64_t end = start + (uint64_t)(seconds * 1e9);
    for (uint64_t now = start; now < end; now = now_ns(CLOCK_MONOTONIC)) {
        now_s = now_ns(CLOCK_REALTIME) / 1000000000U;
        bool again =
            gen->exporters * gen->templates <= EACH_SECOND && now - last_template > TEMPLATE_EVERY_NS;
        if (gen->dialect != V5 && again) {
            if (!send_templates(gen, fd, now_s))
                return 1;
            last_template = now;
        }
        double due = rate > 0 ? (double)(now - start) * rate / 1e9 : 1e18;
        if ((double)(datagrams * gen->per_datagram) >= due) {
            nanosleep(&(struct timespec){0, 20000}, NULL);
            continue;
        }
        if (!send_train(gen, fd, gen->train, now_s))
            return 1;
        datagrams += gen->train;
    }
    double took = (double)(now_ns(CLOCK_MONOTONIC) - start) / 1e9;
    uint64_t records = datagrams * gen->per_datagram;
    /* What is lost at the end shows in the counters of what comes after it. */
    if (rest > 0) {
        nanosleep(&(struct timespec){(time_t)rest, (long)((rest - (double)(time_t)rest) * 1e9)}, NULL);
        for (uint32_t x = 0; x < gen->exporters; x++, datagrams++, records += gen->per_datagram) {
            gen->exporter = x;
            if (!send_train(gen, fd, 1, now_ns(CLOCK_REALTIME) / 1000000000U))
                return 1;
        }
    }
    printf("records=%" PRIu64 " datagrams=%" PRIu64 " seconds=%.3f rate=%.0f templates=%" PRIu64 "\n",
           records, datagrams, took, (double)records / took, gen->template_datagrams);
    return 0;
}

static int usage(void)
{
    fputs(
        "usage: flowgen [--host ADDR] --port N [--dialect v5|v9|ipfix] [--rate RECORDS_PER_S] [--seconds S]\n"
        "               [--mail-percent P] [--mail-flows N] [--train DATAGRAMS] [--no-gso] [--records "
        "PER_DATAGRAM]\n"
        "               [--exporters N] [--templates N] [--sources N] [--rest S]\n"
        "Sends flow records to a collector on loopback. Rate 0: as fast as it goes. --rest: after a pause "
        "one more\n"
        "datagram from each exporter, so that the collector notices what it lost.\n",
        stderr);
    return 2;
}

struct args {
    const char *host;
    uint16_t port;
    double rate, seconds, rest;
};

static bool read_args(struct gen *gen, struct args *args, int argc, char **argv)
{
    static const struct option options[] = {{"host", 1, 0, 'h'},         {"port", 1, 0, 'p'},
                                            {"dialect", 1, 0, 'd'},      {"rate", 1, 0, 'r'},
                                            {"seconds", 1, 0, 's'},      {"train", 1, 0, 't'},
                                            {"mail-percent", 1, 0, 'm'}, {"mail-flows", 1, 0, 'f'},
                                            {"exporters", 1, 0, 'e'},    {"templates", 1, 0, 'T'},
                                            {"rest", 1, 0, 'R'},         {"records", 1, 0, 'n'},
                                            {"no-gso", 0, 0, 'g'},     {"sources", 1, 0, 'S'},       {0}};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (o) {
        case 'h':
            args->host = optarg;
            break;
        case 'p':
            args->port = (uint16_t)atoi(optarg);
            break;
        case 'd':
            gen->dialect = !strcmp(optarg, "v5") ? V5 : !strcmp(optarg, "v9") ? V9 : IPFIX;
            break;
        case 'r':
            args->rate = atof(optarg);
            break;
        case 's':
            args->seconds = atof(optarg);
            break;
        case 'R':
            args->rest = atof(optarg);
            break;
        case 'm':
            gen->mail_percent = atof(optarg);
            break;
        case 'f':
            gen->flows = (uint32_t)atoi(optarg);
            break;
        case 't':
            gen->train = (uint32_t)atoi(optarg);
            break;
        case 'n':
            gen->per_datagram = (uint32_t)atoi(optarg);
            break;
        case 'e':
            gen->exporters = (uint32_t)atoi(optarg);
            break;
        case 'T':
            gen->templates = (uint32_t)atoi(optarg);
            break;
        case 'S':
            gen->sources = (uint32_t)atoi(optarg);
            break;
        case 'g':
            gen->gso = false;
            break;
        default:
            return false;
        }
    }
    return args->port && gen->train && gen->train <= MAX_TRAIN && gen->flows && gen->exporters &&
           gen->exporters <= MAX_EXPORTERS && gen->templates && gen->templates <= MAX_TEMPLATES;
}

int main(int argc, char **argv)
{
    static struct gen gen = {.dialect = IPFIX,
                             .mail_percent = 1,
                             .rng = 0x9E3779B97F4A7C15,
                             .flows = 100000,
                             .train = 32,
                             .gso = true,
                             .exporters = 1,
                             .templates = 1};
    struct args args = {.host = "127.0.0.1", .seconds = 5};
    if (!read_args(&gen, &args, argc, argv))
        return usage();
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(args.port)};
    if (inet_pton(AF_INET, args.host, &to.sin_addr) != 1 || ntohl(to.sin_addr.s_addr) >> 24 != 127) {
        fprintf(stderr, "flowgen: %s: only loopback addresses (127.x.x.x)\n", args.host);
        return 2;
    }
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
        perror("flowgen: socket");
        return 1;
    }
    build_pool(&gen, now_ns(CLOCK_REALTIME) / 1000000U);
    int rc = run(&gen, fd, args.rate, args.seconds, args.rest);
    close(fd);
    return rc;
}
