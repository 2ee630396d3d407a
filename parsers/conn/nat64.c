/* NAT64: an IPv4 address stands in an IPv6 one, behind a prefix (RFC 6052, 2.2). Octet 8 is never part of it.
 *
 *   /32   p p p p v v v v 0 . . .        /56   p p p p p p p v 0 v v v
 *   /40   p p p p p v v v 0 v            /64   p p p p p p p p 0 v v v v
 *   /48   p p p p p p v v 0 v v          /96   p p p p p p p p 0 p p p v v v v                                        */
#include "parsers/conn/table.h"

#include <string.h>

enum { OCTET_U = 8 };

static const struct wr_nat64_prefix well_known = {.addr = {0x00, 0x64, 0xff, 0x9b}, .bits = 96};

bool wr_nat64_prefix_good(const struct wr_nat64_prefix *prefix)
{
    uint8_t behind = 0;
    for (int i = prefix->bits / 8; i < 16; i++)
        behind |= prefix->addr[i];
    return (prefix->bits == 96 || (prefix->bits >= 32 && prefix->bits <= 64 && prefix->bits % 8 == 0)) && !behind &&
           !prefix->addr[OCTET_U];
}

static bool inside(const struct wr_nat64_prefix *prefix, const uint8_t v6[16], uint8_t ret_v4[16])
{
    size_t at = prefix->bits / 8;
    if (memcmp(v6, prefix->addr, at) != 0 || v6[OCTET_U])
        return false;
    memset(ret_v4, 0, 16);
    for (int i = 0; i < 4; i++, at++) {
        at += at == OCTET_U;
        ret_v4[i] = v6[at];
    }
    return true;
}

bool wr_nat64_inside(const struct wr_conn *c, const uint8_t v6[16], uint8_t ret_v4[16])
{
    for (uint32_t i = 0; i < c->opts.nnat64; i++)
        if (inside(&c->opts.nat64[i], v6, ret_v4))
            return true;
    return inside(&well_known, v6, ret_v4);
}
