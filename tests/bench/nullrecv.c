/* The floor that a collector is measured against: receives datagrams with recvmmsg and UDP_GRO, counts
 * them and does nothing else. `nullrecv PORT`; SIGTERM prints datagrams, bytes and kernel drops. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/udp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum { BATCH = 64, ROOM = 65536 };

static volatile sig_atomic_t stop;
static uint8_t room[BATCH][ROOM];
static char control[BATCH][128];

static void on_stop(int sig)
{
    (void)sig;
    stop = 1;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fputs("usage: nullrecv PORT\n", stderr);
        return 2;
    }
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 1, bytes = 32 << 20;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
        perror("nullrecv: bind");
        return 1;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
    setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof(on));
    setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof(on));
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_stop}, NULL);

    uint64_t datagrams = 0, total = 0;
    uint32_t drops = 0;
    struct iovec iov[BATCH];
    struct mmsghdr msgs[BATCH];
    while (!stop) {
        for (int i = 0; i < BATCH; i++) {
            iov[i] = (struct iovec){room[i], ROOM};
            msgs[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1, .msg_control = control[i],
                                              .msg_controllen = sizeof(control[i])};
        }
        int n = recvmmsg(fd, msgs, BATCH, MSG_WAITFORONE, NULL);
        for (int i = 0; i < n; i++) {
            uint32_t len = msgs[i].msg_len, segment = len;
            for (struct cmsghdr *c = CMSG_FIRSTHDR(&msgs[i].msg_hdr); c; c = CMSG_NXTHDR(&msgs[i].msg_hdr, c)) {
                int v;
                memcpy(&v, CMSG_DATA(c), sizeof(v));
                if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO)
                    segment = (uint32_t)v;
                else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL)
                    drops = (uint32_t)v;
            }
            total += len;
            datagrams += segment ? (len + segment - 1) / segment : 1;
        }
    }
    printf("datagrams=%" PRIu64 " bytes=%" PRIu64 " dropped=%u\n", datagrams, total, drops);
    return 0;
}
