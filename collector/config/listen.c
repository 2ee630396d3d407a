#include "collector/config/config.h"

#include <arpa/inet.h>
#include <string.h>

/* 1..65535, all of `text`; 0 when it is no port. */
static uint16_t port_of(const char *text, size_t len)
{
    uint32_t port = 0;
    if (len == 0 || len > 5)
        return 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return 0;
        port = port * 10 + (uint32_t)(text[i] - '0');
    }
    return port <= UINT16_MAX ? (uint16_t)port : 0;
}

static bool set_v6(struct wr_listen *listen, const char *host, uint16_t port)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (inet_pton(AF_INET6, host, &v6.sin6_addr) != 1)
        return false;
    memcpy(&listen->addr, &v6, sizeof v6);
    listen->addr_len = sizeof v6;
    return true;
}

static bool set_v4(struct wr_listen *listen, const char *host, uint16_t port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, host, &v4.sin_addr) != 1)
        return false;
    memcpy(&listen->addr, &v4, sizeof v4);
    listen->addr_len = sizeof v4;
    return true;
}

const char *wr_listen_parse(struct wr_listen *listen, const char *text, uint16_t default_port)
{
    *listen = (struct wr_listen){.text = text};
    size_t len = strlen(text);
    uint16_t port = port_of(text, len);
    if (port) {
        listen->any = true;
        (void)set_v6(listen, "::", port); /* a literal that is right */
        return NULL;
    }
    char host[INET6_ADDRSTRLEN + 1];
    const char *begin = text, *end = text + len, *rest;
    if (*text == '[') {
        begin = text + 1;
        end = strchr(begin, ']');
        if (!end)
            return "']' is missing after the IPv6 address";
        rest = end + 1;
    } else {
        const char *colon = strchr(text, ':');
        if (colon && strchr(colon + 1, ':'))
            colon = NULL; /* a bare IPv6 address */
        end = colon ? colon : end;
        rest = end;
    }
    size_t n = (size_t)(end - begin);
    if (n == 0 || n >= sizeof host)
        return "not a port, ADDRESS:PORT or [IPV6]:PORT";
    memcpy(host, begin, n);
    host[n] = '\0';
    port = default_port;
    if (*rest == ':')
        port = port_of(rest + 1, strlen(rest + 1));
    else if (*rest)
        return "not a port, ADDRESS:PORT or [IPV6]:PORT";
    if (!port)
        return "the port is missing or not between 1 and 65535";
    if (*text == '[' || strchr(host, ':'))
        return set_v6(listen, host, port) ? NULL : "not an IPv6 address";
    return set_v4(listen, host, port) ? NULL : "not a port, ADDRESS:PORT or [IPV6]:PORT";
}
