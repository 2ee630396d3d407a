#include "collector/ingest/worker.h"

#include <arpa/inet.h>
#include <string.h>

bool wr_ingest_peer(const uv_tcp_t *tcp, struct wr_flow_peer *ret_peer, char ret_text[INET6_ADDRSTRLEN])
{
    struct sockaddr_storage addr;
    int len = sizeof addr;
    if (uv_tcp_getpeername(tcp, (struct sockaddr *)&addr, &len) != 0)
        return false;
    struct sockaddr_in6 v6 = {0};
    if (addr.ss_family == AF_INET6) {
        memcpy(&v6, &addr, sizeof v6);
    } else {
        struct sockaddr_in v4;
        memcpy(&v4, &addr, sizeof v4);
        v6.sin6_port = v4.sin_port;
        v6.sin6_addr.s6_addr[10] = v6.sin6_addr.s6_addr[11] = 0xff;
        memcpy(&v6.sin6_addr.s6_addr[12], &v4.sin_addr, 4);
    }
    memcpy(ret_peer->addr, &v6.sin6_addr, 16);
    ret_peer->port = ntohs(v6.sin6_port);
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr))
        (void)inet_ntop(AF_INET, &v6.sin6_addr.s6_addr[12], ret_text, INET6_ADDRSTRLEN);
    else
        (void)inet_ntop(AF_INET6, &v6.sin6_addr, ret_text, INET6_ADDRSTRLEN);
    return true;
}
