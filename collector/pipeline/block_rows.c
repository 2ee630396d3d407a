/* Rows of Flows out of a block, a column at a time; collector/cli/flow_row.c says what they mean, one by one.
 */
#include "collector/pipeline/block.h"

#include "base/ticks.h"
#include "parsers/conn/address.h"

#include <netinet/in.h>

#define BIT(part) (1u << (part))
enum { DIRECTION_UNKNOWN = 255, NO_VALUE = -1, V4_TEXT = 16 };
/* Records without ends of a flow. */
static const uint32_t no_ends = WR_FLOW_COUNTERS | WR_FLOW_NO_ENDS;

/* Columns that are one number of a record: where `flags` have all of `need`, none of `never`, and the number
 * is not `none`. */
static const struct number {
    uint16_t col, part;
    uint32_t need, never;
    int none;
    bool is_time;
} numbers[] = {
    {WR_FLOWS_Timestamp, WR_PART_START, 0, 0, NO_VALUE, true},
    {WR_FLOWS_FlowEndTime, WR_PART_END, 0, 0, NO_VALUE, true},
    {WR_FLOWS_observationDomainId, WR_PART_DOMAIN, 0, 0, NO_VALUE, false},
    {WR_FLOWS_protocolIdentifier, WR_PART_PROTO, 0, WR_FLOW_COUNTERS | WR_FLOW_NO_ENDS, NO_VALUE, false},
    {WR_FLOWS_tcpControlBits, WR_PART_TCP_FLAGS, WR_FLOW_HAS_TCP_FLAGS, WR_FLOW_COUNTERS, NO_VALUE, false},
    {WR_FLOWS_octetDeltaCount, WR_PART_OCTETS, WR_FLOW_HAS_BYTES, WR_FLOW_COUNTERS, NO_VALUE, false},
    {WR_FLOWS_packetDeltaCount, WR_PART_PACKETS, WR_FLOW_HAS_BYTES, WR_FLOW_COUNTERS, NO_VALUE, false},
    {WR_FLOWS_flowEndReason, WR_PART_END_REASON, 0, WR_FLOW_COUNTERS, 0, false},
    {WR_FLOWS_flowDirection, WR_PART_DIRECTION, 0, WR_FLOW_COUNTERS, DIRECTION_UNKNOWN, false},
    {WR_FLOWS_samplingInterval, WR_PART_SAMPLING, 0, WR_FLOW_COUNTERS, NO_VALUE, false},
};
enum { NNUMBERS = sizeof numbers / sizeof *numbers };

static const struct {
    uint16_t col;
    uint32_t parts;
} others[] = {
    {WR_FLOWS_Exporter, BIT(WR_PART_EXPORTER_HI) | BIT(WR_PART_EXPORTER_LO)},
    {WR_FLOWS_sourceIPAddress, BIT(WR_PART_SRC) | BIT(WR_PART_SRC_MID) | BIT(WR_PART_SRC_LO)},
    {WR_FLOWS_destinationIPAddress, BIT(WR_PART_DST) | BIT(WR_PART_DST_MID) | BIT(WR_PART_DST_LO)},
    {WR_FLOWS_sourceTransportPort, BIT(WR_PART_SPORT) | BIT(WR_PART_PROTO)},
    {WR_FLOWS_destinationTransportPort, BIT(WR_PART_DPORT) | BIT(WR_PART_PROTO)},
    {WR_FLOWS_icmpType, BIT(WR_PART_DPORT) | BIT(WR_PART_PROTO)},
    {WR_FLOWS_icmpCode, BIT(WR_PART_DPORT) | BIT(WR_PART_PROTO)},
};

uint32_t wr_block_parts(const struct wr_colset *wanted)
{
    uint32_t parts = BIT(WR_PART_FLAGS);
    for (size_t i = 0; i < NNUMBERS; i++)
        if (wr_colset_has(wanted, numbers[i].col))
            parts |= BIT(numbers[i].part);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (wr_colset_has(wanted, others[i].col))
            parts |= others[i].parts;
    return parts;
}

struct fill {
    const struct wr_block *block;
    struct wr_batch *batch;
    uint32_t from, n, row; /* records of the block; where they go */
    uint32_t all, any;     /* flags that every record, that some record has */
    uint32_t flags[WR_BLOCK_RECORDS];
};

static bool has(const struct fill *f, uint32_t parts)
{
    return (f->block->parts & parts) == parts;
}

static void values(const struct fill *f, enum wr_part part, uint64_t *ret_values)
{
    wr_block_values(f->block, part, f->from, f->n, ret_values);
}

static void set_all_valid(const struct fill *f, struct wr_vec *vec)
{
    const uint32_t end = f->row + f->n;
    for (uint32_t r = f->row, to; r < end; r = to) {
        to = (r | 63) + 1 < end ? (r | 63) + 1 : end;
        const uint64_t some = to - r == 64 ? UINT64_MAX : (UINT64_C(1) << (to - r)) - 1;
        vec->valid[r / 64] |= some << (r % 64);
    }
}

static void fill_number(const struct fill *f, const struct number *c)
{
    struct wr_vec *vec = &f->batch->col[c->col];
    if (!vec->i || !has(f, BIT(c->part)))
        return;
    int64_t *to = vec->i + f->row;
    values(f, (enum wr_part)c->part, (uint64_t *)to);
    for (uint32_t i = 0; c->is_time && i < f->n; i++)
        to[i] = wr_ticks_of_unix_ns(to[i]);
    if ((f->all & c->need) == c->need && !(f->any & c->never) && c->none == NO_VALUE) {
        set_all_valid(f, vec);
        return;
    }
    for (uint32_t i = 0; i < f->n; i++)
        if ((f->flags[i] & c->need) == c->need && !(f->flags[i] & c->never) &&
            (c->none == NO_VALUE || to[i] != c->none))
            wr_vec_set_valid(vec, f->row + i);
        else
            to[i] = 0;
}

/* The ports' columns hold ICMP's type and code where they tell of ICMP. */
static void fill_ports(const struct fill *f)
{
    static const uint16_t cols[] = {WR_FLOWS_sourceTransportPort, WR_FLOWS_destinationTransportPort,
                                    WR_FLOWS_icmpType, WR_FLOWS_icmpCode};
    uint64_t sport[WR_BLOCK_RECORDS], dport[WR_BLOCK_RECORDS], proto[WR_BLOCK_RECORDS];
    struct wr_batch *b = f->batch;
    bool wanted = false;
    for (size_t i = 0; i < sizeof cols / sizeof *cols; i++)
        wanted |= b->col[cols[i]].i != NULL;
    const bool from = has(f, BIT(WR_PART_SPORT)), to = has(f, BIT(WR_PART_DPORT));
    if (!wanted || !has(f, BIT(WR_PART_PROTO)) || !(from || to))
        return;
    values(f, WR_PART_PROTO, proto);
    if (from)
        values(f, WR_PART_SPORT, sport);
    if (to)
        values(f, WR_PART_DPORT, dport);
    for (uint32_t i = 0; i < f->n; i++) {
        const uint32_t r = f->row + i;
        const bool icmp = proto[i] == IPPROTO_ICMP || proto[i] == IPPROTO_ICMPV6;
        if (f->flags[i] & (no_ends | WR_FLOW_NO_PORTS))
            continue;
        if (from && !icmp)
            wr_batch_set_i64(b, WR_FLOWS_sourceTransportPort, r, (int64_t)sport[i]);
        if (!to)
            continue;
        if (icmp)
            wr_batch_set_i64(b, WR_FLOWS_icmpType, r, (int64_t)(dport[i] >> 8));
        wr_batch_set_i64(b, icmp ? WR_FLOWS_icmpCode : WR_FLOWS_destinationTransportPort, r,
                         (int64_t)(icmp ? dport[i] & 255 : dport[i]));
    }
}

static void put_be(uint8_t *at, uint64_t v, int n)
{
    for (int i = n - 1; i >= 0; i--, v >>= 8)
        at[i] = (uint8_t)v;
}

static bool fill_text(const struct fill *f, uint16_t col, uint32_t i, const uint8_t *addr, bool v6)
{
    char text[WR_ADDRESS_TEXT];
    return wr_batch_set_str(f->batch, col, f->row + i, text, wr_address_text(addr, v6, text));
}

/* IPv4 in all of them: texts one behind the other, those that are short in the values themselves. */
static bool fill_v4(const struct fill *f, struct wr_vec *vec, const uint64_t *addrs)
{
    char *text = wr_arena_bytes_alloc(f->batch->arena, (size_t)f->n * V4_TEXT);
    if (!text)
        return false;
    struct wr_str *to = vec->s + f->row;
    for (uint32_t i = 0; i < f->n; i++) {
        const size_t len = wr_address_v4_text((uint32_t)addrs[i], text);
        to[i].len = (uint32_t)len;
        if (len <= WR_STR_INLINE) {
            memcpy(to[i].inl, text, WR_STR_INLINE); /* zero behind it */
            continue;
        }
        memcpy(to[i].prefix, text, sizeof to[i].prefix);
        memcpy(to[i].ptr_bytes, &text, sizeof text);
        text += len;
    }
    return true;
}

static bool fill_address(const struct fill *f, uint16_t col, enum wr_part part)
{
    uint64_t hi[WR_BLOCK_RECORDS], mid[WR_BLOCK_RECORDS], lo[WR_BLOCK_RECORDS];
    struct wr_vec *vec = &f->batch->col[col];
    if (!vec->s || !has(f, BIT(part)))
        return true;
    values(f, part, hi);
    if (!(f->any & (WR_FLOW_V6 | no_ends)))
        return fill_v4(f, vec, hi);
    const bool wide = has(f, BIT(part + 1) | BIT(part + 2));
    if (wide) {
        values(f, part + 1, mid);
        values(f, part + 2, lo);
    }
    for (uint32_t i = 0; i < f->n; i++) {
        uint8_t addr[16] = {0};
        if (f->flags[i] & no_ends)
            continue;
        put_be(addr, hi[i], 4);
        if (wide) {
            put_be(addr + 4, mid[i], 4);
            put_be(addr + 8, lo[i], 8);
        }
        if (!fill_text(f, col, i, addr, f->flags[i] & WR_FLOW_V6))
            return false;
    }
    return true;
}

/* An exporter is an IPv6 address, or an IPv4 one mapped into it (RFC 4291 section 2.5.5.2). */
static bool fill_exporter(const struct fill *f)
{
    uint64_t hi[WR_BLOCK_RECORDS], lo[WR_BLOCK_RECORDS];
    if (!f->batch->col[WR_FLOWS_Exporter].s || !has(f, BIT(WR_PART_EXPORTER_HI) | BIT(WR_PART_EXPORTER_LO)))
        return true;
    values(f, WR_PART_EXPORTER_HI, hi);
    values(f, WR_PART_EXPORTER_LO, lo);
    for (uint32_t i = 0; i < f->n; i++) {
        uint8_t addr[16];
        const bool v4 = hi[i] == 0 && lo[i] >> 32 == 0xffff;
        put_be(addr, hi[i], 8);
        put_be(addr + 8, lo[i], 8);
        if (!fill_text(f, WR_FLOWS_Exporter, i, v4 ? addr + 12 : addr, !v4))
            return false;
    }
    return true;
}

static void fill_kind(const struct fill *f)
{
    struct wr_vec *vec = &f->batch->col[WR_FLOWS_recordType];
    for (uint32_t i = 0; vec->s && i < f->n; i++)
        vec->s[f->row + i] = f->flags[i] & WR_FLOW_COUNTERS  ? WR_STR_LIT("counters")
                             : f->flags[i] & WR_FLOW_DISCARD ? WR_STR_LIT("discard")
                                                             : WR_STR_LIT("flow");
}

bool wr_block_rows(const struct wr_block *block, uint32_t from, uint32_t n, struct wr_batch *batch)
{
    struct fill f = {
        .block = block, .batch = batch, .from = from, .n = n, .row = batch->nrows, .all = UINT32_MAX};
    uint64_t flags[WR_BLOCK_RECORDS];
    WR_ASSERT(batch->cap - batch->nrows >= n && block->n - from >= n);
    values(&f, WR_PART_FLAGS, flags);
    for (uint32_t i = 0; i < n; i++) {
        f.flags[i] = (uint32_t)flags[i];
        f.all &= f.flags[i];
        f.any |= f.flags[i];
    }
    batch->nrows += n;
    if (!fill_address(&f, WR_FLOWS_sourceIPAddress, WR_PART_SRC) ||
        !fill_address(&f, WR_FLOWS_destinationIPAddress, WR_PART_DST) || !fill_exporter(&f)) {
        while (n--)
            wr_batch_unrow(batch);
        return false;
    }
    for (size_t i = 0; i < NNUMBERS; i++)
        fill_number(&f, &numbers[i]);
    fill_ports(&f);
    fill_kind(&f);
    return true;
}
