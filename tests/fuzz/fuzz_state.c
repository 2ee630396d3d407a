/* The readers of the state directory under any bytes. First byte: bits 0-1 say what they are (log of one segment,
 * log of two, snapshot), bit 2 seals them: checksums are put right first, so that what lies behind them is reached.
 * A log must read the same a second time, its torn tail gone; a snapshot that is whole must go through in
 * sections that lie in it; blocks of flow records in a log give rows or are refused. */
#include "base/err.h"
#include "base/hash.h"
#include "collector/pipeline/block.h"
#include "collector/state/log.h"
#include "collector/state/log_format.h"
#include "collector/state/snapshot.h"
#include "tests/support/sim_disk.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SNAPSHOT_HEAD = 32, SNAPSHOT_TAIL = 8, FIRST = 3 };

struct seen {
    uint64_t records, bytes;
    uint32_t crc;
};

/* What a log says is a block of flow records has rows, or is refused. */
static void read_block(const struct wr_input *in)
{
    const struct wr_schema *schema = wr_schema_of(WR_TABLE_FLOWS);
    const struct wr_colset all = wr_colset_all(schema);
    struct wr_block block;
    if (!wr_block_open(in->bytes, in->len, &block))
        return;
    struct wr_batch *rows = wr_batch_new(schema, &all, block.n);
    WR_ASSERT(rows && wr_block_rows(&block, 0, block.n, rows) && rows->nrows == block.n);
    wr_batch_free(rows);
}

static bool each(void *arg, const struct wr_input *in)
{
    struct seen *seen = arg;
    WR_ASSERT(in->len <= WR_WAL_MAX_RECORD);
    seen->records++;
    seen->bytes += in->len;
    seen->crc = wr_crc32c(seen->crc, &in->type, sizeof in->type);
    if (in->len)
        seen->crc = wr_crc32c(seen->crc, in->bytes, in->len); /* reads every byte of it */
    if (in->type == WR_INPUT_FLOW_BLOCK)
        read_block(in);
    return true;
}

static void put_file(struct wr_io *io, const char *name, const void *bytes, size_t len)
{
    WR_ASSERT(wr_io_replace_file(io, "s", name, bytes, len) == 0);
}

/* Puts a segment's checksums right, as far as its records follow each other. */
static void seal_log(uint8_t *bytes, size_t len, uint64_t segment)
{
    if (len < WR_WAL_SEGMENT_HEAD)
        return;
    memcpy(bytes, WR_WAL_MAGIC, 8);
    wr_le_put(bytes + 8, segment, 8);
    wr_le_put(bytes + 28, wr_wal_shape(), 4);
    wr_le_put(bytes + 24, wr_wal_head_crc(bytes), 4);
    uint64_t lsn = 0;
    for (size_t at = WR_WAL_SEGMENT_HEAD; len - at >= WR_WAL_HEAD;) {
        uint8_t *head = bytes + at;
        size_t n = wr_le(head + 4, 4) % 64;
        size_t padded = (n + 7) & ~(size_t)7;
        if (len - at - WR_WAL_HEAD < padded)
            return;
        wr_le_put(head, WR_WAL_MARK, 4);
        wr_le_put(head + 4, n, 4);
        lsn += 1 + head[8] / 64; /* some are missing */
        wr_le_put(head + 8, lsn, 8);
        wr_le_put(head + 28, wr_wal_crc(segment, head, head + WR_WAL_HEAD, n), 4);
        at += WR_WAL_HEAD + padded;
    }
}

static void check_log(struct wr_io *io)
{
    struct seen first = {0}, second = {0};
    struct wr_wal_report report, again;
    WR_ASSERT(wr_wal_replay(io, "s", FIRST, each, &first, &report) == 0);
    WR_ASSERT(report.records == first.records);
    WR_ASSERT(report.first_damage || (report.damaged_bytes == 0));
    WR_ASSERT(wr_wal_replay(io, "s", FIRST, each, &second, &again) == 0);
    WR_ASSERT(again.records == report.records && second.crc == first.crc && second.bytes == first.bytes);
    WR_ASSERT(again.last_lsn == report.last_lsn && again.lost_records == report.lost_records);
}

/* What was read can be gone on with: the next segment is free and its records come after. */
static void check_goes_on(struct wr_io *io)
{
    struct seen seen = {0};
    struct wr_wal_report report, again;
    struct wr_wal wal;
    struct wr_input in = {.type = WR_INPUT_TURN, .arrival_ns = 1};
    WR_ASSERT(wr_wal_replay(io, "s", FIRST, each, &seen, &report) == 0);
    if (report.last_lsn == UINT64_MAX)
        return; /* no room for another: such a log was never written */
    WR_ASSERT(wr_wal_open(&wal, io, "s", report.next_segment, report.last_lsn) == 0);
    wr_wal_append(&wal, &in);
    WR_ASSERT(wr_wal_close(&wal) == 0);
    WR_ASSERT(wr_wal_replay(io, "s", FIRST, each, &seen, &again) == 0);
    WR_ASSERT(again.records == report.records + 1 && again.last_lsn == report.last_lsn + 1);
}

static void check_snapshot(struct wr_io *io)
{
    struct wr_snapshot s;
    struct wr_snapshot_report report = {0};
    if (wr_snapshot_find(io, "s", UINT64_MAX, &s, &report) != 1) {
        WR_ASSERT(report.damaged == report.found);
        return;
    }
    size_t at = 0, len;
    enum wr_section kind;
    const uint8_t *bytes;
    uint32_t crc = 0;
    while (wr_snapshot_next(&s, &at, &kind, &bytes, &len)) {
        WR_ASSERT(bytes >= (const uint8_t *)s.data && bytes + len <= (const uint8_t *)s.data + s.len);
        crc = wr_crc32c(crc, bytes, len);
    }
    (void)crc;
    wr_snapshot_fini(&s);
}

static void seal_snapshot(uint8_t *bytes, size_t len)
{
    if (len < SNAPSHOT_HEAD + SNAPSHOT_TAIL)
        return;
    memcpy(bytes, "WEIRSNP1", 8);
    wr_le_put(bytes + 8, FIRST, 8);
    wr_le_put(bytes + len - 8, 0, 4);
    wr_le_put(bytes + len - 4, wr_crc32c(0, bytes, len - 4), 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t copy[1 << 16];
    if (size < 1 || size > sizeof copy)
        return 0;
    size_t len = size - 1, half = len / 2 & ~(size_t)7;
    uint32_t what = data[0] & 3;
    bool sealed = data[0] & 4;
    memcpy(copy, data + 1, len);
    struct sim_disk disk = {0};
    struct wr_io io = sim_io(&disk);
    if (what == 2) {
        if (sealed)
            seal_snapshot(copy, len);
        put_file(&io, "snap-00000000000000000003", copy, len);
        check_snapshot(&io);
    } else {
        if (what == 0)
            half = len;
        if (sealed) {
            seal_log(copy, half, FIRST);
            seal_log(copy + half, len - half, FIRST + 1);
        }
        put_file(&io, "log-00000000000000000003", copy, half);
        if (what != 0)
            put_file(&io, "log-00000000000000000004", copy + half, len - half);
        check_log(&io);
        check_goes_on(&io);
    }
    sim_free(&disk);
    return 0;
}
