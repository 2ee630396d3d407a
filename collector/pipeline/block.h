/* Flow records as columns: of many records what rules on `Flows` read, for ring and log. A whole record
 * (struct wr_flow) is ten times as long.
 *
 *   u16 records, u16 parts; each part, ascending: u8 part, u8 width (0, 1, 2, 4 or 8), u64 least value, then
 * each record's value less the least, `width` octets
 *
 * Byte order is the machine's, as that of whole records in ring and log. A part that is not there was read by
 * nobody: its columns stay null. Values are on disk.
 *
 * Threads    any; nothing is shared. */
#ifndef WR_COLLECTOR_PIPELINE_BLOCK_H
#define WR_COLLECTOR_PIPELINE_BLOCK_H

#include "base/batch.h"
#include "base/buf.h"
#include "parsers/flow/flow.h"

enum wr_part {
    WR_PART_FLAGS, /* in every block */
    WR_PART_START,
    WR_PART_END,
    WR_PART_EXPORTER_HI,
    WR_PART_EXPORTER_LO,
    WR_PART_DOMAIN,
    WR_PART_SRC, /* an IPv4 address, or octets 0 to 3 of an IPv6 one; then octets 4 to 7, and 8 to 15 */
    WR_PART_SRC_MID,
    WR_PART_SRC_LO,
    WR_PART_DST,
    WR_PART_DST_MID,
    WR_PART_DST_LO,
    WR_PART_SPORT,
    WR_PART_DPORT,
    WR_PART_PROTO,
    WR_PART_TCP_FLAGS,
    WR_PART_END_REASON,
    WR_PART_DIRECTION,
    WR_PART_SAMPLING,
    WR_PART_OCTETS,
    WR_PART_PACKETS,
    WR_NPARTS
};

enum { WR_BLOCK_RECORDS = 256 };

/* What these columns of Flows are made of, a bit each (1 << enum wr_part). Those that `who` fills are in no
 * block. */
uint32_t wr_block_parts(const struct wr_colset *wanted);

/* Appends a block of 1 to WR_BLOCK_RECORDS records. False, and nothing appended: one of them is no record of
 * traffic (a translation that began or ended), or memory ran out, which `out->err` says. */
bool wr_block_pack(const struct wr_flow *flows, uint32_t n, uint32_t parts, struct wr_buf *out);

struct wr_block {
    uint32_t n, parts;
    struct {
        const uint8_t *at;
        uint64_t least;
        uint32_t width;
    } part[WR_NPARTS];
};

/* Reads one that lies in `bytes` whole; it borrows them. False: they are none. */
bool wr_block_open(const void *bytes, size_t len, struct wr_block *ret_block);
/* How many records it says it has; 0: it is none. */
static inline uint32_t wr_block_count(const void *bytes, size_t len)
{
    uint16_t n = 0;
    if (len >= sizeof n)
        memcpy(&n, bytes, sizeof n);
    return n;
}
/* Values of records from .. from + n - 1 of a part that is there. */
void wr_block_values(const struct wr_block *block, enum wr_part part, uint32_t from, uint32_t n,
                     uint64_t *ret_values);
/* Appends these records to a batch of Flows, as wr_flow_row does one by one. The batch has room. False: out
 * of memory, nothing appended. */
bool wr_block_rows(const struct wr_block *block, uint32_t from, uint32_t n, struct wr_batch *batch);

#endif
