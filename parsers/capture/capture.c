/* The file formats: pcap (one global header, 16-byte record headers) and pcapng (blocks). Nothing
 * is trusted: a length that passes the end of the file ends the walk and counts malformed. */
#include "parsers/capture/capture.h"

#include "base/wire.h"
#include "parsers/capture/packet.h"

#include <string.h>

#define MAGIC_US 0xa1b2c3d4u
#define MAGIC_NS 0xa1b23c4du
#define MAGIC_ORDER 0x1a2b3c4du
enum {
    BLOCK_SECTION = 0x0a0d0d0a,
    BLOCK_IFACE = 1,
    BLOCK_PACKET_OLD = 2,
    BLOCK_SIMPLE = 3,
    BLOCK_PACKET = 6
};
enum { OPT_END = 0, OPT_TSRESOL = 9, OPT_TSOFFSET = 14 };
enum { PCAP_HEADER = 24, RECORD_HEADER = 16, EXPORT_SAMPLE = 1000 };
#define MAX_SECONDS INT64_C(9000000000) /* year 2255: later does not fit in ns */

static uint64_t le(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    while (n--)
        v = v << 8 | p[n];
    return v;
}

static uint64_t num(const struct wr_capture *cap, const uint8_t *p, size_t n)
{
    return cap->big ? wr_be(p, n) : le(p, n);
}

static size_t left(const struct wr_capture *cap)
{
    return (size_t)(cap->end - cap->at);
}

enum wr_err wr_capture_open(struct wr_capture *cap, const void *data, size_t len)
{
    *cap = (struct wr_capture){.at = data, .end = (const uint8_t *)data + len};
    if (len < PCAP_HEADER)
        return WR_EINVAL;
    if (wr_be(cap->at, 4) == BLOCK_SECTION) {
        uint64_t order = wr_be(cap->at + 8, 4);
        cap->ng = true;
        return order == MAGIC_ORDER || le(cap->at + 8, 4) == MAGIC_ORDER ? WR_OK : WR_EINVAL;
    }
    uint64_t big = wr_be(cap->at, 4), little = le(cap->at, 4);
    cap->big = big == MAGIC_US || big == MAGIC_NS;
    if (!cap->big && little != MAGIC_US && little != MAGIC_NS)
        return WR_EINVAL;
    cap->nanos = big == MAGIC_NS || little == MAGIC_NS;
    cap->link = (uint32_t)num(cap, cap->at + 20, 4) & 0xffff; /* above: FCS length, class */
    cap->at += PCAP_HEADER;
    return WR_OK;
}

/* A frame of the file, before anybody looked inside. */
struct frame {
    const uint8_t *data;
    size_t len, wire_len;
    uint32_t link;
    int64_t time_ns;
};

/* Ends the walk: what follows cannot be told apart any more. */
static bool give_up(struct wr_capture *cap)
{
    cap->malformed++;
    cap->at = cap->end;
    return false;
}

static bool next_pcap(struct wr_capture *cap, struct frame *f)
{
    if (cap->at == cap->end)
        return false;
    if (left(cap) < RECORD_HEADER)
        return give_up(cap);
    const uint8_t *h = cap->at;
    size_t len = num(cap, h + 8, 4);
    if (left(cap) - RECORD_HEADER < len)
        return give_up(cap);
    *f = (struct frame){
        .data = h + RECORD_HEADER, .len = len, .wire_len = num(cap, h + 12, 4), .link = cap->link};
    f->time_ns =
        (int64_t)(num(cap, h, 4) * 1000000000 + num(cap, h + 4, 4) * (cap->nanos ? 1 : 1000));
    cap->at += RECORD_HEADER + len;
    return true;
}

/* Options of an interface block. Resolution: power of ten, or of two when the high bit is set. */
static void read_iface_options(const struct wr_capture *cap, struct wr_capture_iface *iface,
                               const uint8_t *at, size_t len)
{
    while (len >= 4) {
        uint64_t code = num(cap, at, 2), n = num(cap, at + 2, 2), padded = (n + 3) & ~UINT64_C(3);
        if (code == OPT_END || len - 4 < padded)
            return;
        if (code == OPT_TSRESOL && n == 1) {
            unsigned exp = at[4] & 0x7f;
            bool binary = at[4] & 0x80;
            iface->ticks_per_s = exp <= (binary ? 63 : 19);
            for (unsigned i = 0; iface->ticks_per_s && i < exp; i++)
                iface->ticks_per_s *= binary ? 2 : 10;
        } else if (code == OPT_TSOFFSET && n == 8) {
            iface->offset_s = (int64_t)num(cap, at + 4, 8);
        }
        at += 4 + padded;
        len -= 4 + padded;
    }
}

static bool add_iface(struct wr_capture *cap, const uint8_t *body, size_t len)
{
    if (len < 8)
        return false;
    if (cap->nifaces == WR_CAPTURE_IFACES)
        return true;
    struct wr_capture_iface *iface = &cap->iface[cap->nifaces++];
    *iface = (struct wr_capture_iface){.link = (uint32_t)num(cap, body, 2),
                                       .snaplen = (uint32_t)num(cap, body + 4, 4),
                                       .ticks_per_s = 1000000};
    read_iface_options(cap, iface, body + 8, len - 8);
    return true;
}

static bool ticks_to_ns(const struct wr_capture_iface *iface, uint64_t ticks, int64_t *ret_ns)
{
    if (!iface->ticks_per_s)
        return false;
    uint64_t s = ticks / iface->ticks_per_s, part = ticks % iface->ticks_per_s;
    if (s > (uint64_t)MAX_SECONDS || iface->offset_s > MAX_SECONDS ||
        iface->offset_s < -MAX_SECONDS)
        return false;
    int64_t whole = (int64_t)s + iface->offset_s;
    if (whole < 0 || whole > MAX_SECONDS)
        return false;
    *ret_ns =
        whole * 1000000000 + (int64_t)((unsigned __int128)part * 1000000000 / iface->ticks_per_s);
    return true;
}

/* Enhanced and old packet blocks differ in their first word only. */
static bool packet_block(struct wr_capture *cap, bool old, const uint8_t *body, size_t len,
                         struct frame *f)
{
    if (len < 20)
        return false;
    uint64_t iface = num(cap, body, old ? 2 : 4), n = num(cap, body + 12, 4);
    if (iface >= cap->nifaces || n > len - 20)
        return false;
    uint64_t ticks = num(cap, body + 4, 4) << 32 | num(cap, body + 8, 4);
    *f = (struct frame){.data = body + 20,
                        .len = n,
                        .wire_len = num(cap, body + 16, 4),
                        .link = cap->iface[iface].link};
    return ticks_to_ns(&cap->iface[iface], ticks, &f->time_ns);
}

static bool simple_block(struct wr_capture *cap, const uint8_t *body, size_t len, struct frame *f)
{
    if (len < 4 || !cap->nifaces)
        return false;
    size_t wire = num(cap, body, 4), n = wire < len - 4 ? wire : len - 4;
    if (cap->iface[0].snaplen && n > cap->iface[0].snaplen)
        n = cap->iface[0].snaplen;
    *f = (struct frame){.data = body + 4,
                        .len = n,
                        .wire_len = wire,
                        .link = cap->iface[0].link,
                        .time_ns = cap->last_ns};
    return true;
}

/* Steps over one block; *ret_body is what is between its lengths. False: the file ends here. */
static bool next_block(struct wr_capture *cap, uint32_t *ret_type, const uint8_t **ret_body,
                       size_t *ret_len)
{
    if (cap->at == cap->end)
        return false;
    if (left(cap) < 12)
        return give_up(cap);
    bool section = wr_be(cap->at, 4) == BLOCK_SECTION; /* the same in both byte orders */
    if (section) {
        cap->big = wr_be(cap->at + 8, 4) == MAGIC_ORDER;
        cap->nifaces = 0;
        if (!cap->big && le(cap->at + 8, 4) != MAGIC_ORDER)
            return give_up(cap);
    }
    uint64_t total = num(cap, cap->at + 4, 4);
    if (total < (section ? 28 : 12) || total % 4 || total > left(cap) ||
        num(cap, cap->at + total - 4, 4) != total)
        return give_up(cap);
    *ret_type = (uint32_t)num(cap, cap->at, 4);
    *ret_body = cap->at + 8;
    *ret_len = total - 12;
    cap->at += total;
    return true;
}

static bool next_ng(struct wr_capture *cap, struct frame *f)
{
    uint32_t type;
    const uint8_t *body;
    size_t len;
    while (next_block(cap, &type, &body, &len)) {
        bool ok = true;
        switch (type) {
        case BLOCK_IFACE:
            ok = add_iface(cap, body, len);
            break;
        case BLOCK_PACKET:
        case BLOCK_PACKET_OLD:
            if (packet_block(cap, type == BLOCK_PACKET_OLD, body, len, f))
                return true;
            ok = false;
            break;
        case BLOCK_SIMPLE:
            if (simple_block(cap, body, len, f))
                return true;
            ok = false;
            break;
        default: /* names, statistics, secrets, blocks not invented yet */
            break;
        }
        cap->malformed += !ok;
    }
    return false;
}

bool wr_capture_next(struct wr_capture *cap, struct wr_packet *ret_packet)
{
    struct frame f;
    while (cap->ng ? next_ng(cap, &f) : next_pcap(cap, &f)) {
        cap->packets++;
        cap->last_ns = f.time_ns;
        enum wr_frame got = wr_packet_decode(f.link, f.data, f.len, f.wire_len, ret_packet);
        ret_packet->time_ns = f.time_ns;
        if (got == WR_FRAME_IP)
            return true;
        cap->malformed += got == WR_FRAME_BROKEN;
    }
    return false;
}

/* Does a UDP payload look like NetFlow, IPFIX, sFlow or syslog? Structure, not only the version:
 * DNS ids and the like are any 16 bits. */
static bool is_export(const struct wr_packet *p)
{
    const uint8_t *d = p->payload;
    size_t n = p->payload_len;
    if (p->proto != 17 || n < 5)
        return false;
    if (d[0] == '<') {
        size_t digits = 0;
        while (digits < 3 && d[1 + digits] >= '0' && d[1 + digits] <= '9')
            digits++;
        return digits > 0 && d[1 + digits] == '>';
    }
    if (n < 16)
        return false;
    uint64_t version = wr_be(d, 2), second = wr_be(d + 2, 2);
    if (version == 5 || version == 7)
        return second >= 1 && second <= 30 && n >= 24 + second * (version == 5 ? 48 : 52);
    if (version == 9)
        return n >= 24 && (wr_be(d + 20, 2) <= 1 || wr_be(d + 20, 2) >= 256) &&
               wr_be(d + 22, 2) >= 4;
    if (version == 10)
        return second >= 16 && second <= n;
    return wr_be(d, 4) == 5 && n >= 28 && (wr_be(d + 4, 4) == 1 || wr_be(d + 4, 4) == 2);
}

bool wr_capture_has_exports(const struct wr_capture *cap)
{
    struct wr_capture copy = *cap;
    struct wr_packet packet;
    uint32_t seen = 0, exports = 0;
    for (; seen < EXPORT_SAMPLE && wr_capture_next(&copy, &packet); seen++)
        exports += is_export(&packet);
    return exports && exports * 2 >= seen;
}
