#include "parsers/conn/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Each octet's digits and a dot, and how long they are. */
#define DIGITS(x)                                                                                            \
    {(x) >= 100  ? '0' + (x) / 100                                                                           \
     : (x) >= 10 ? '0' + (x) / 10                                                                            \
                 : '0' + (x),                                                                                \
     (x) >= 100 ? '0' + (x) / 10 % 10 : (x) >= 10 ? '0' + (x) % 10 : '.',                                    \
     (x) >= 100 ? '0' + (x) % 10 : (x) >= 10 ? '.' : 0, (x) >= 100 ? '.' : 0}
#define LENGTH(x) (x) >= 100 ? 4 : (x) >= 10 ? 3 : 2
#define FOUR(of, x) of(x), of((x) + 1), of((x) + 2), of((x) + 3)
#define SIXTEEN(of, x) FOUR(of, x), FOUR(of, (x) + 4), FOUR(of, (x) + 8), FOUR(of, (x) + 12)
#define MANY(of, x) SIXTEEN(of, x), SIXTEEN(of, (x) + 16), SIXTEEN(of, (x) + 32), SIXTEEN(of, (x) + 48)
static const char octet_text[256][4] = {MANY(DIGITS, 0), MANY(DIGITS, 64), MANY(DIGITS, 128), MANY(DIGITS, 192)};
static const uint8_t octet_len[256] = {MANY(LENGTH, 0), MANY(LENGTH, 64), MANY(LENGTH, 128), MANY(LENGTH, 192)};

/* By hand: two addresses in every row, and inet_ntop goes through sprintf. An octet is four bytes written, of which those
 * behind its dot are written again. */
size_t wr_address_v4_text(uint32_t addr, char ret_text[16])
{
    char *out = ret_text;
    memset(ret_text, 0, 16);
#pragma GCC unroll 4
    for (int i = 24; i >= 0; i -= 8) {
        const uint32_t octet = addr >> i & 255;
        memcpy(out, octet_text[octet], 4);
        out += octet_len[octet];
    }
    *--out = 0; /* the last dot */
    return (size_t)(out - ret_text);
}

size_t wr_address_text(const uint8_t addr[16], bool v6, char ret_text[WR_ADDRESS_TEXT])
{
    size_t len = 0;
    if (!v6)
        len = wr_address_v4_text((uint32_t)addr[0] << 24 | (uint32_t)addr[1] << 16 | (uint32_t)addr[2] << 8 | addr[3], ret_text);
    else if (inet_ntop(AF_INET6, addr, ret_text, WR_ADDRESS_TEXT))
        return strlen(ret_text);
    ret_text[len] = '\0';
    return len;
}

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

/* 1 to 3 digits, at most 255, no 0 before others; NULL: none such. */
static inline const uint8_t *parse_octet(const uint8_t *p, const uint8_t *end, uint32_t *ret_octet)
{
    uint32_t v, d;
    if (p == end || (v = *p++ - (uint32_t)'0') > 9)
        return NULL;
    *ret_octet = v;
    if (p == end || (d = *p - (uint32_t)'0') > 9)
        return p;
    if (v == 0)
        return NULL;
    *ret_octet = v = v * 10 + d;
    if (++p == end || (d = *p - (uint32_t)'0') > 9)
        return p;
    *ret_octet = v = v * 10 + d;
    return v > 255 ? NULL : p + 1;
}

/* Dotted quad, as inet_pton takes it: no octet begins with 0 but 0 itself. Most addresses are that. */
static bool parse_v4(const char *text, size_t len, uint8_t ret_addr[16])
{
    const uint8_t *p = (const uint8_t *)text, *end = len ? p + len : p;
    uint32_t octet[4];
    for (int i = 0; i < 4; i++) {
        if (!(p = parse_octet(p, end, &octet[i])))
            return false;
        if (i < 3 && (p == end || *p++ != '.'))
            return false;
    }
    if (p != end)
        return false;
    memset(ret_addr, 0, 16);
    for (int i = 0; i < 4; i++)
        ret_addr[i] = (uint8_t)octet[i];
    return true;
}

bool wr_address_parse(const char *text, size_t len, uint8_t ret_addr[16], bool *ret_v6)
{
    if (parse_v4(text, len, ret_addr)) {
        *ret_v6 = false;
        return true;
    }
    char copy[WR_ADDRESS_TEXT];
    const char *zone = memchr(text, '%', len);
    if (zone)
        len = (size_t)(zone - text);
    if (!len || len >= sizeof copy || memchr(text, '\0', len))
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    uint8_t addr[16] = {0};
    if (inet_pton(AF_INET, copy, addr) == 1) {
        *ret_v6 = false;
    } else if (inet_pton(AF_INET6, copy, addr) == 1) {
        *ret_v6 = memcmp(addr, mapped_prefix, 12) != 0;
        if (!*ret_v6) {
            memcpy(addr, addr + 12, 4);
            memset(addr + 4, 0, 12);
        }
    } else {
        return false;
    }
    memcpy(ret_addr, addr, 16);
    return true;
}

/* First match counts. IANA special-purpose registries (RFC 6890); `bits` of `net`. */
struct range {
    uint8_t net[4];
    uint8_t bits;
    const char *type;
};
static const struct range v4_ranges[] = {
    {{127}, 8, "Loopback"},      {{10}, 8, "Private"},
    {{172, 16}, 12, "Private"},  {{192, 168}, 16, "Private"},
    {{169, 254}, 16, "Private"}, {{255, 255, 255, 255}, 32, "Broadcast"},
    {{0}, 8, "Reserved"},        {{100, 64}, 10, "Reserved"},
    {{224}, 3, "Reserved"},
};
static const struct range v6_ranges[] = {
    {{0xfc}, 7, "Private"},
    {{0xfe, 0x80}, 10, "Private"},
    {{0xff}, 8, "Reserved"},
    {{0x20, 0x01}, 32, "Teredo"},
};

static bool in_range(const uint8_t *addr, const struct range *r)
{
    for (unsigned i = 0, bits = r->bits; bits; i++) {
        unsigned n = bits < 8 ? bits : 8;
        uint8_t mask = (uint8_t)(0xff00u >> n);
        if ((addr[i] ^ r->net[i]) & mask)
            return false;
        bits -= n;
    }
    return true;
}

static const char *lookup(const uint8_t *addr, const struct range *ranges, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (in_range(addr, &ranges[i]))
            return ranges[i].type;
    return "Public";
}

const char *wr_address_type(const uint8_t addr[16], bool v6)
{
    if (!v6)
        return lookup(addr, v4_ranges, sizeof v4_ranges / sizeof *v4_ranges);
    static const uint8_t zero[15];
    if (memcmp(addr, zero, 15) == 0 && addr[15] <= 1)
        return addr[15] ? "Loopback" : "Reserved";
    if (memcmp(addr, mapped_prefix, 12) == 0)
        return "FourToSixMapping";
    return lookup(addr, v6_ranges, sizeof v6_ranges / sizeof *v6_ranges);
}

static const struct {
    const char *name;
    uint8_t proto;
} protocols[] = {{"Tcp", 6},    {"Udp", 17},   {"Icmp", 1},  {"IcmpV6", 58},
                 {"Sctp", 132}, {"Gre", 47},   {"Esp", 50},  {"TcpV4", 6},
                 {"TcpV6", 6},  {"UdpV4", 17}, {"UdpV6", 17}};

const char *wr_protocol_text(uint8_t proto, char number[8])
{
    for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++)
        if (protocols[i].proto == proto)
            return protocols[i].name;
    (void)snprintf(number, 8, "%u", proto);
    return number;
}

bool wr_protocol_parse(const char *text, size_t len, uint8_t *ret_proto)
{
    if (len == 3 && (memcmp(text, "Tcp", 3) == 0 || memcmp(text, "Udp", 3) == 0)) { /* nearly all */
        *ret_proto = text[0] == 'T' ? 6 : 17;
        return true;
    }
    for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++)
        if (strlen(protocols[i].name) == len && strncasecmp(protocols[i].name, text, len) == 0) {
            *ret_proto = protocols[i].proto;
            return true;
        }
    unsigned v = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9' || (v = v * 10 + (unsigned)(text[i] - '0')) > 255)
            return false;
    }
    *ret_proto = (uint8_t)v;
    return len > 0;
}
