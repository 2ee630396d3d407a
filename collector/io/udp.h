#ifndef WR_COLLECTOR_IO_UDP_H
#define WR_COLLECTOR_IO_UDP_H

#include "collector/io/io.h"

/* The UDP part of wr_io_real(). */
int wr_udp_open(void *ctx, const struct sockaddr_storage *addr, socklen_t len, uint64_t receive_buffer,
                struct wr_udp *ret_udp);
void wr_udp_close(void *ctx, struct wr_udp *udp);
int wr_udp_steer(void *ctx, const struct wr_udp *first, uint32_t n, bool by_domain);
int wr_udp_recv(void *ctx, struct wr_udp *udp, struct wr_dgrams *ret, int max);
/* Non-blocking socket of `type` with SO_REUSEPORT, dual-stack when IPv6, bound; or -errno. */
int wr_socket_bound(int type, const struct sockaddr_storage *addr, socklen_t len);
/* Does any socket hold the address? SO_REUSEPORT alone would share it with another process of the same user,
 * and each of the two would silently get a part of what is sent. */
bool wr_socket_taken(int type, const struct sockaddr_storage *addr, socklen_t len);

#endif
