/* Which worker's socket a datagram goes to: a classic BPF program on the SO_REUSEPORT group returns its index. Left to
 * itself the kernel hashes ports too, and an exporter that sends templates from one port and data from another, or
 * restarts, would meet workers that know nothing of its templates. Needs no privilege.
 *
 *   IPv4: source address;  IPv6: its four words folded by xor;  by domain: xor domain * 0x85EBCA6B
 *   index = (address * 0x9E3779B1 >> 16) mod n
 *
 * Offsets from NET count from the IP header, others from the UDP payload. The observation domain stands at 12 in IPFIX, at
 * 16 in NetFlow v9; what is neither, or shorter, goes by its address.
 *
 * Closing a socket moves the last of the group into its index: all of them close together or none. An index that no
 * socket has falls back to the kernel's hash. */
#include "collector/io/udp.h"

#include <errno.h>
#include <linux/filter.h>
#include <sys/socket.h>

#ifndef SO_ATTACH_REUSEPORT_CBPF
#define SO_ATTACH_REUSEPORT_CBPF 51
#endif

#define NET ((uint32_t)SKF_NET_OFF)
#define LOAD(size, from) BPF_STMT(BPF_LD | (size) | BPF_ABS, (from))
#define XOR_X BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0)
#define TO_X BPF_STMT(BPF_MISC | BPF_TAX, 0)
#define MUL(k) BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, (k))

/* The source address, in one word: 15 steps. */
#define ADDRESS                                                                                              \
    LOAD(BPF_B, NET), BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xf0),                                             \
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x40, 0, 2), LOAD(BPF_W, NET + 12),                              \
        BPF_STMT(BPF_JMP | BPF_JA, 10), LOAD(BPF_W, NET + 8), TO_X, LOAD(BPF_W, NET + 12), XOR_X, TO_X,      \
        LOAD(BPF_W, NET + 16), XOR_X, TO_X, LOAD(BPF_W, NET + 20), XOR_X
/* ... and the domain with it: 15 more. */
#define DOMAIN                                                                                               \
    BPF_STMT(BPF_ST, 0), BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),                                              \
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 20, 0, 11), LOAD(BPF_H, 0),                                      \
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 10, 1, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 9, 2, 8),         \
        LOAD(BPF_W, 12), BPF_STMT(BPF_JMP | BPF_JA, 1), LOAD(BPF_W, 16), MUL(0x85EBCA6B), TO_X,              \
        BPF_STMT(BPF_LD | BPF_MEM, 0), XOR_X, BPF_STMT(BPF_JMP | BPF_JA, 1), BPF_STMT(BPF_LD | BPF_MEM, 0)
#define INDEX(n)                                                                                             \
    MUL(0x9E3779B1), BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 16), BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, (n)),      \
        BPF_STMT(BPF_RET | BPF_A, 0)

int wr_udp_steer(void *ctx, const struct wr_udp *first, uint32_t n, bool by_domain)
{
    (void)ctx;
    struct sock_filter address[] = {ADDRESS, INDEX(n)};
    struct sock_filter domain[] = {ADDRESS, DOMAIN, INDEX(n)};
    struct sock_fprog program = {.len = sizeof address / sizeof *address, .filter = address};
    if (by_domain)
        program = (struct sock_fprog){.len = sizeof domain / sizeof *domain, .filter = domain};
    return setsockopt(first->fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program) == 0 ? 0 : -errno;
}
