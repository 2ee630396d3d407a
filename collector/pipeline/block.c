#include "collector/pipeline/block.h"

#include <string.h>

enum { HEAD = 4, PART_HEAD = 10 };

/* How a part lies in a record: as it is, or in network order. */
enum kind { U8, U16, U32, U64, BE32, BE64 };
static const struct {
    uint8_t off, kind;
} parts_at[WR_NPARTS] = {
    [WR_PART_FLAGS] = {offsetof(struct wr_flow, flags), U32},
    [WR_PART_START] = {offsetof(struct wr_flow, start_ns), U64},
    [WR_PART_END] = {offsetof(struct wr_flow, end_ns), U64},
    [WR_PART_EXPORTER_HI] = {offsetof(struct wr_flow, exporter), BE64},
    [WR_PART_EXPORTER_LO] = {offsetof(struct wr_flow, exporter) + 8, BE64},
    [WR_PART_DOMAIN] = {offsetof(struct wr_flow, domain), U32},
    [WR_PART_SRC] = {offsetof(struct wr_flow, src), BE32},
    [WR_PART_SRC_MID] = {offsetof(struct wr_flow, src) + 4, BE32},
    [WR_PART_SRC_LO] = {offsetof(struct wr_flow, src) + 8, BE64},
    [WR_PART_DST] = {offsetof(struct wr_flow, dst), BE32},
    [WR_PART_DST_MID] = {offsetof(struct wr_flow, dst) + 4, BE32},
    [WR_PART_DST_LO] = {offsetof(struct wr_flow, dst) + 8, BE64},
    [WR_PART_SPORT] = {offsetof(struct wr_flow, sport), U16},
    [WR_PART_DPORT] = {offsetof(struct wr_flow, dport), U16},
    [WR_PART_PROTO] = {offsetof(struct wr_flow, proto), U8},
    [WR_PART_TCP_FLAGS] = {offsetof(struct wr_flow, tcp_flags), U8},
    [WR_PART_END_REASON] = {offsetof(struct wr_flow, end_reason), U8},
    [WR_PART_DIRECTION] = {offsetof(struct wr_flow, direction), U8},
    [WR_PART_SAMPLING] = {offsetof(struct wr_flow, sampling), U32},
    [WR_PART_OCTETS] = {offsetof(struct wr_flow, octets), U64},
    [WR_PART_PACKETS] = {offsetof(struct wr_flow, packets), U64},
};

#define BIT(part) (1u << (part))
/* Zero in records of IPv4. */
static const uint32_t v6_parts =
    BIT(WR_PART_SRC_MID) | BIT(WR_PART_SRC_LO) | BIT(WR_PART_DST_MID) | BIT(WR_PART_DST_LO);

static inline __attribute__((always_inline)) uint64_t read_part(const uint8_t *p, enum kind kind)
{
    uint16_t h;
    uint32_t w;
    uint64_t d;
    switch (kind) {
    case U8:
        return *p;
    case U16:
        memcpy(&h, p, sizeof h);
        return h;
    case U32:
        memcpy(&w, p, sizeof w);
        return w;
    case BE32:
        return (uint64_t)p[0] << 24 | (uint64_t)p[1] << 16 | (uint64_t)p[2] << 8 | p[3];
    case BE64:
        return read_part(p, BE32) << 32 | read_part(p + 4, BE32);
    case U64:
        break;
    }
    memcpy(&d, p, sizeof d);
    return d;
}

struct span {
    uint64_t least, most;
};

static inline __attribute__((always_inline)) struct span
gather_as(const struct wr_flow *flows, uint32_t n, uint32_t off, enum kind kind, uint64_t *values)
{
    struct span s = {UINT64_MAX, 0};
#pragma GCC unroll 4
    for (uint32_t i = 0; i < n; i++) {
        const uint64_t v = values[i] = read_part((const uint8_t *)&flows[i] + off, kind);
        s.least = v < s.least ? v : s.least;
        s.most = v > s.most ? v : s.most;
    }
    return s;
}

static struct span gather(const struct wr_flow *flows, uint32_t n, enum wr_part part, uint64_t *values)
{
    const uint32_t off = parts_at[part].off;
    switch ((enum kind)parts_at[part].kind) {
    case U8:
        return gather_as(flows, n, off, U8, values);
    case U16:
        return gather_as(flows, n, off, U16, values);
    case U32:
        return gather_as(flows, n, off, U32, values);
    case BE32:
        return gather_as(flows, n, off, BE32, values);
    case BE64:
        return gather_as(flows, n, off, BE64, values);
    case U64:
        break;
    }
    return gather_as(flows, n, off, U64, values);
}

static uint32_t width_of(struct span s)
{
    const uint64_t far = s.most - s.least;
    return far == 0 ? 0 : far <= UINT8_MAX ? 1 : far <= UINT16_MAX ? 2 : far <= UINT32_MAX ? 4 : 8;
}

/* EACH(type) with the type of so many octets; none of 0. */
#define BY_WIDTH(width, EACH)                                                                                \
    switch (width) {                                                                                         \
    case 1:                                                                                                  \
        EACH(uint8_t) break;                                                                                 \
    case 2:                                                                                                  \
        EACH(uint16_t) break;                                                                                \
    case 4:                                                                                                  \
        EACH(uint32_t) break;                                                                                \
    case 8:                                                                                                  \
        EACH(uint64_t) break;                                                                                \
    default:                                                                                                 \
        break;                                                                                               \
    }

#define PUT_EACH(type)                                                                                       \
    _Pragma("GCC unroll 4")                                                                                  \
    for (uint32_t i = 0; i < n; i++) {                                                                       \
        const type v = (type)(values[i] - least);                                                            \
        memcpy(at + (size_t)i * sizeof v, &v, sizeof v);                                                     \
    }
static void put_values(uint8_t *at, const uint64_t *values, uint32_t n, uint64_t least, uint32_t width)
{
    BY_WIDTH(width, PUT_EACH)
}

bool wr_block_pack(const struct wr_flow *flows, uint32_t n, uint32_t parts, struct wr_buf *out)
{
    uint64_t values[WR_BLOCK_RECORDS];
    uint32_t any = 0;
    WR_ASSERT(n >= 1 && n <= WR_BLOCK_RECORDS);
    for (uint32_t i = 0; i < n; i++)
        any |= flows[i].flags;
    if (any & WR_FLOW_NAT_EVENT)
        return false;
    parts = (parts | BIT(WR_PART_FLAGS)) & ~(any & WR_FLOW_V6 ? 0 : v6_parts);
    const uint16_t head[2] = {(uint16_t)n, (uint16_t)__builtin_popcount(parts)};
    uint8_t *begin = (uint8_t *)wr_buf_room(out, HEAD + (size_t)head[1] * (PART_HEAD + 8 * (size_t)n)),
            *at = begin;
    if (!at)
        return false;
    memcpy(at, head, sizeof head);
    at += sizeof head;
    for (; parts; parts &= parts - 1) {
        const enum wr_part part = (enum wr_part)__builtin_ctz(parts);
        const struct span s = gather(flows, n, part, values);
        const uint32_t width = width_of(s);
        at[0] = (uint8_t)part;
        at[1] = (uint8_t)width;
        memcpy(at + 2, &s.least, sizeof s.least);
        put_values(at + PART_HEAD, values, n, s.least, width);
        at += PART_HEAD + (size_t)n * width;
    }
    out->len += (size_t)(at - begin);
    return true;
}

bool wr_block_open(const void *bytes, size_t len, struct wr_block *ret_block)
{
    const uint8_t *at = bytes;
    uint16_t head[2];
    if (len < HEAD)
        return false;
    memcpy(head, at, sizeof head);
    const uint8_t *const end = at + len;
    *ret_block = (struct wr_block){.n = head[0]};
    if (head[0] < 1 || head[0] > WR_BLOCK_RECORDS)
        return false;
    at += HEAD;
    for (uint32_t i = 0, before = 0; i < head[1]; i++) {
        if (end - at < PART_HEAD)
            return false;
        const uint32_t part = at[0], width = at[1];
        const bool ascends = i == 0 || part > before;
        if (part >= WR_NPARTS || !ascends || width > 8 || (width & (width - 1)) ||
            (size_t)(end - at - PART_HEAD) < (size_t)head[0] * width)
            return false;
        ret_block->parts |= BIT(part);
        ret_block->part[part].width = width;
        memcpy(&ret_block->part[part].least, at + 2, 8);
        ret_block->part[part].at = at + PART_HEAD;
        at += PART_HEAD + (size_t)head[0] * width;
        before = part;
    }
    return at == end && ret_block->parts & BIT(WR_PART_FLAGS);
}

#define READ_EACH(type)                                                                                      \
    _Pragma("GCC unroll 4")                                                                                  \
    for (uint32_t i = 0; i < n; i++) {                                                                       \
        type v;                                                                                              \
        memcpy(&v, at + (size_t)i * sizeof v, sizeof v);                                                     \
        ret_values[i] = least + v;                                                                           \
    }
void wr_block_values(const struct wr_block *block, enum wr_part part, uint32_t from, uint32_t n,
                     uint64_t *ret_values)
{
    const uint64_t least = block->part[part].least;
    const uint32_t width = block->part[part].width;
    const uint8_t *at = block->part[part].at + (size_t)from * width;
    if (!width)
        for (uint32_t i = 0; i < n; i++)
            ret_values[i] = least;
    BY_WIDTH(width, READ_EACH)
}
