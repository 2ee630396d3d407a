#include "collector/ingest/tee.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCH = 64, TTL = 64 };

/* What goes out with one call; headers and addresses are here, the payload stays where it was
 * received. */
struct batch {
    struct mmsghdr msgs[BATCH];
    struct iovec iov[BATCH][2];
    uint8_t heads[BATCH][WR_TEE_HEAD_BYTES];
    unsigned n;
    bool kept;
};

struct wr_tee {
    const struct wr_config *config;
    int raw, raw_errno; /* sends IPv4 with any source; -1 and why not */
    int v4, v6;         /* from the own address; -1: no receiver needs it */
    struct wr_tee_stats stats[WR_CONFIG_MAX_TEE];
    struct batch batch;
};

static uint64_t sum_words(uint64_t sum, const uint8_t *at, size_t len)
{
    for (; len > 1; at += 2, len -= 2)
        sum += (uint32_t)at[0] << 8 | at[1];
    return len ? sum + ((uint32_t)at[0] << 8) : sum;
}

static uint16_t checksum(uint64_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static void put16(uint8_t *to, uint32_t v)
{
    to[0] = (uint8_t)(v >> 8);
    to[1] = (uint8_t)v;
}

void wr_tee_head(uint8_t head[WR_TEE_HEAD_BYTES], const struct sockaddr_in *src,
                 const struct sockaddr_in *dst, const uint8_t *data, uint32_t len)
{
    uint8_t *ip = head, *udp = head + 20;
    memset(head, 0, WR_TEE_HEAD_BYTES);
    ip[0] = 0x45;
    put16(ip + 2, len + WR_TEE_HEAD_BYTES);
    ip[8] = TTL; /* identification 0: the kernel chooses one */
    ip[9] = IPPROTO_UDP;
    memcpy(ip + 12, &src->sin_addr, 4);
    memcpy(ip + 16, &dst->sin_addr, 4);
    put16(ip + 10, checksum(sum_words(0, ip, 20)));
    memcpy(udp, &src->sin_port, 2);
    memcpy(udp + 2, &dst->sin_port, 2);
    put16(udp + 4, len + 8);
    uint64_t sum = sum_words(IPPROTO_UDP + len + 8, ip + 12, 8); /* the pseudo header */
    uint16_t check = checksum(sum_words(sum_words(sum, udp, 8), data, len));
    put16(udp + 6, check ? check : 0xffff); /* 0 would say: none */
}

static enum wr_tee_drop reason(int err)
{
    switch (err) {
    case EAGAIN:
    case ENOBUFS:
    case ENOMEM:
        return WR_TEE_DROP_full;
    case EMSGSIZE:
        return WR_TEE_DROP_too_long;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case ECONNREFUSED:
        return WR_TEE_DROP_unreachable;
    case EPERM:
    case EACCES:
        return WR_TEE_DROP_not_permitted;
    default:
        return WR_TEE_DROP_other;
    }
}

/* Each round sends some, or drops the first, or all when there is no room. */
static void flush(struct wr_tee *tee, uint32_t to)
{
    struct batch *b = &tee->batch;
    struct wr_tee_stats *stats = &tee->stats[to];
    bool v4 = tee->config->tee[to].addr.ss_family == AF_INET;
    int fd = b->kept ? tee->raw : v4 ? tee->v4 : tee->v6;
    for (unsigned at = 0; at < b->n;) {
        int sent = sendmmsg(fd, b->msgs + at, b->n - at, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent > 0) {
            *(b->kept ? &stats->kept : &stats->own) += (unsigned)sent;
            at += (unsigned)sent;
            continue;
        }
        enum wr_tee_drop why = reason(sent < 0 ? errno : EAGAIN);
        unsigned gone = why == WR_TEE_DROP_full ? b->n - at : 1;
        stats->dropped[why] += gone;
        at += gone;
    }
    b->n = 0;
}

static bool is_loopback(const struct in_addr *addr)
{
    return (ntohl(addr->s_addr) >> 24) == 127;
}

static bool keeps(const struct wr_tee *tee, const struct wr_listen *to,
                  const struct sockaddr_in6 *from, struct sockaddr_in *ret_src)
{
    if (tee->raw < 0 || to->addr.ss_family != AF_INET || !IN6_IS_ADDR_V4MAPPED(&from->sin6_addr))
        return false;
    *ret_src = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = from->sin6_port};
    memcpy(&ret_src->sin_addr, &from->sin6_addr.s6_addr[12], 4);
    return !is_loopback(&ret_src->sin_addr) ||
           is_loopback(&((const struct sockaddr_in *)&to->addr)->sin_addr);
}

static void add(struct wr_tee *tee, uint32_t to, const struct sockaddr_in *src, const uint8_t *data,
                uint32_t len)
{
    struct batch *b = &tee->batch;
    const struct wr_listen *at = &tee->config->tee[to];
    bool kept = src != NULL;
    if (b->n == BATCH || (b->n && b->kept != kept))
        flush(tee, to);
    b->kept = kept;
    struct iovec *iov = b->iov[b->n];
    iov[0] = (struct iovec){b->heads[b->n], kept ? WR_TEE_HEAD_BYTES : 0};
    iov[1] = (struct iovec){(void *)(uintptr_t)data, len}; /* only read */
    if (kept)
        wr_tee_head(b->heads[b->n], src, (const struct sockaddr_in *)&at->addr, data, len);
    b->msgs[b->n++].msg_hdr = (struct msghdr){.msg_name = (void *)(uintptr_t)&at->addr,
                                              .msg_namelen = at->addr_len,
                                              .msg_iov = iov,
                                              .msg_iovlen = 2};
}

void wr_tee_send(struct wr_tee *tee, const struct wr_dgrams *trains, int n)
{
    for (uint32_t to = 0; to < tee->config->ntee; to++) {
        for (int i = 0; i < n; i++) {
            const struct wr_dgrams *train = &trains[i];
            struct sockaddr_in src;
            bool kept = keeps(tee, &tee->config->tee[to], &train->src, &src);
            uint32_t at = 0;
            do {
                uint32_t left = train->len - at,
                         len = left < train->segment ? left : train->segment;
                add(tee, to, kept ? &src : NULL, train->data + at, len);
                at += len;
            } while (at < train->len);
        }
        flush(tee, to);
    }
}

/* ---- life ---- */

/* Only an own address can be bound to; the wildcard is one. */
static bool is_own(const struct wr_listen *to)
{
    struct sockaddr_storage addr = to->addr;
    if (addr.ss_family == AF_INET)
        ((struct sockaddr_in *)&addr)->sin_port = 0;
    else
        ((struct sockaddr_in6 *)&addr)->sin6_port = 0;
    int fd = socket(addr.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool own = fd >= 0 && bind(fd, (const struct sockaddr *)&addr, to->addr_len) == 0;
    if (fd >= 0)
        close(fd);
    return own;
}

static uint16_t port_of(const struct wr_listen *at)
{
    if (at->addr.ss_family == AF_INET)
        return ((const struct sockaddr_in *)&at->addr)->sin_port;
    return ((const struct sockaddr_in6 *)&at->addr)->sin6_port;
}

static bool is_wildcard(const struct wr_listen *at)
{
    if (at->addr.ss_family == AF_INET)
        return ((const struct sockaddr_in *)&at->addr)->sin_addr.s_addr == htonl(INADDR_ANY);
    return IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)&at->addr)->sin6_addr);
}

static bool reaches(const struct wr_listen *to, const struct wr_listen *listener)
{
    if (!wr_listen_is_udp(listener->kind) || port_of(to) != port_of(listener))
        return false;
    if (listener->addr.ss_family == AF_INET && to->addr.ss_family == AF_INET6)
        return false;
    if (is_wildcard(to) || is_wildcard(listener))
        return is_own(to);
    return to->addr_len == listener->addr_len &&
           memcmp(&to->addr, &listener->addr, to->addr_len) == 0;
}

static enum wr_err check_loops(const struct wr_config *config, struct wr_buf *error)
{
    for (uint32_t i = 0; i < config->ntee; i++)
        for (uint32_t j = 0; j < config->nlisten; j++)
            if (reaches(&config->tee[i], &config->listen[j])) {
                wr_buf_fmt(
                    error,
                    "tee: %s is weir's own listener %s %s: what arrives would go round for ever",
                    config->tee[i].text, wr_listen_kind_name(config->listen[j].kind),
                    config->listen[j].text);
                return WR_EINVAL;
            }
    return WR_OK;
}

static int open_sockets(struct wr_tee *tee)
{
    tee->raw = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
                      IPPROTO_RAW); /* implies IP_HDRINCL */
    tee->raw_errno = tee->raw < 0 ? errno : 0;
    for (uint32_t i = 0; i < tee->config->ntee; i++) {
        int family = tee->config->tee[i].addr.ss_family;
        int *fd = family == AF_INET ? &tee->v4 : &tee->v6;
        if (*fd < 0)
            *fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (*fd < 0)
            return -errno;
    }
    return 0;
}

enum wr_err wr_tee_new(const struct wr_config *config, struct wr_tee **ret_tee,
                       struct wr_buf *error)
{
    *ret_tee = NULL;
    if (config->ntee == 0)
        return WR_OK;
    enum wr_err err = check_loops(config, error);
    if (err)
        return err;
    struct wr_tee *tee = calloc(1, sizeof *tee);
    if (!tee) {
        wr_buf_str(error, "tee: out of memory");
        return WR_ENOMEM;
    }
    tee->config = config;
    tee->raw = tee->v4 = tee->v6 = -1;
    int rc = open_sockets(tee);
    if (rc != 0) {
        wr_buf_fmt(error, "tee: no socket to send from: %s", strerror(-rc));
        wr_tee_free(tee);
        return WR_EIO;
    }
    *ret_tee = tee;
    return WR_OK;
}

void wr_tee_free(struct wr_tee *tee)
{
    if (!tee)
        return;
    const int fds[] = {tee->raw, tee->v4, tee->v6};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    free(tee);
}

int wr_tee_source_lost(const struct wr_tee *tee, uint32_t receiver)
{
    return tee->config->tee[receiver].addr.ss_family == AF_INET ? tee->raw_errno : EAFNOSUPPORT;
}

const struct wr_tee_stats *wr_tee_stats(const struct wr_tee *tee, uint32_t receiver)
{
    return &tee->stats[receiver];
}
