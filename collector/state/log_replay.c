#include "base/hash.h"
#include "collector/state/files.h"
#include "collector/state/log.h"
#include "collector/state/log_format.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char PREFIX[] = "log-";
/* A segment is rotated long before this; a larger file is not one of ours. */
static const size_t SEGMENT_MAX = (size_t)4 << 30;

struct reader {
    const struct wr_io *io;
    const char *dir;
    bool (*each)(void *arg, const struct wr_input *input);
    void *arg;
    struct wr_wal_report report;
    bool stopped;
};

/* Length of the whole record at `at`, 0 when there is none. */
static size_t record_at(uint64_t segment, const uint8_t *data, size_t len, size_t at)
{
    if (len - at < WR_WAL_HEAD || wr_le(data + at, 4) != WR_WAL_MARK)
        return 0;
    const uint8_t *head = data + at;
    size_t n = wr_le(head + 4, 4);
    size_t padded = (n + 7) & ~(size_t)7;
    if (n > WR_WAL_MAX_RECORD || len - at - WR_WAL_HEAD < padded)
        return 0;
    if (wr_le(head + 28, 4) != wr_wal_crc(segment, head, head + WR_WAL_HEAD, n))
        return 0;
    return WR_WAL_HEAD + padded;
}

static void note_damage(struct reader *r, const char *what, uint64_t segment, uint64_t at)
{
    if (r->report.first_damage)
        return;
    r->report.first_damage = what;
    r->report.damage_segment = segment;
    r->report.damage_at = at;
}

static void give(struct reader *r, const uint8_t *head)
{
    uint64_t lsn = wr_le(head + 8, 8);
    if (r->report.last_lsn && lsn > r->report.last_lsn + 1)
        r->report.lost_records += lsn - r->report.last_lsn - 1;
    if (lsn <= r->report.last_lsn) {
        note_damage(r, "a record comes twice", 0, 0);
        return;
    }
    r->report.last_lsn = lsn;
    r->report.records++;
    struct wr_input input = {.type = (uint32_t)wr_le(head + 24, 4),
                             .len = (uint32_t)wr_le(head + 4, 4),
                             .arrival_ns = (int64_t)wr_le(head + 16, 8),
                             .bytes = head + WR_WAL_HEAD};
    if (!r->each(r->arg, &input))
        r->stopped = true;
}

static int cut(struct reader *r, const char *path, size_t at)
{
    int fd = r->io->open(r->io->ctx, path, WR_IO_RDWR);
    if (fd < 0)
        return fd;
    int rc = r->io->truncate(r->io->ctx, fd, at);
    if (rc == 0)
        rc = r->io->datasync(r->io->ctx, fd);
    (void)r->io->close(r->io->ctx, fd);
    return rc;
}

static bool head_ok(uint64_t segment, const uint8_t *data, size_t len)
{
    return len >= WR_WAL_SEGMENT_HEAD && memcmp(data, WR_WAL_MAGIC, 8) == 0 &&
           wr_le(data + 8, 8) == segment && wr_le(data + 24, 4) == wr_wal_head_crc(data);
}

/* A whole header of this weir's with other tables, or of the version before. */
static bool other_shape(const uint8_t *data, size_t len)
{
    if (len < WR_WAL_SEGMENT_HEAD)
        return false;
    if (memcmp(data, "WEIRLOG1", 8) == 0)
        return wr_le(data + 24, 4) == wr_crc32c(0, data, 24);
    return memcmp(data, WR_WAL_MAGIC, 8) == 0 && wr_le(data + 24, 4) == wr_wal_head_crc(data) &&
           wr_le(data + 28, 4) != wr_wal_shape();
}

/* Its records are counted, not read. */
static void pass_over(struct reader *r, uint64_t segment, const uint8_t *data, size_t len)
{
    uint64_t lost = 0;
    for (size_t at = WR_WAL_SEGMENT_HEAD, n; at < len && (n = record_at(segment, data, len, at)) != 0; at += n) {
        lost++;
        r->report.last_lsn = wr_le(data + at + 8, 8);
    }
    r->report.lost_records += lost;
    if (lost)
        note_damage(r, "written by another version of weir", segment, 0);
}

/* Records are aligned to 8 bytes, so after broken bytes the next one is looked for at such places only. */
static size_t next_record(uint64_t segment, const uint8_t *data, size_t len, size_t at)
{
    for (at = (at + 7) & ~(size_t)7; at + WR_WAL_HEAD <= len; at += 8)
        if (record_at(segment, data, len, at))
            return at;
    return 0;
}

static int read_segment(struct reader *r, uint64_t segment, bool last)
{
    char path[WR_PATH_MAX];
    char *raw;
    size_t len;
    if (!wr_files_path(path, r->dir, PREFIX, segment))
        return -ENAMETOOLONG;
    int rc = wr_io_read_file(r->io, path, SEGMENT_MAX, &raw, &len);
    if (rc != 0)
        return rc;
    const uint8_t *data = (const uint8_t *)raw;
    r->report.segments++;
    size_t at = WR_WAL_SEGMENT_HEAD;
    if (other_shape(data, len)) {
        pass_over(r, segment, data, len);
        free(raw);
        return 0;
    }
    if (!head_ok(segment, data, len)) {
        if (len > WR_WAL_SEGMENT_HEAD || !last)
            note_damage(r, "segment header is broken", segment, 0);
        at = len < WR_WAL_SEGMENT_HEAD ? len : WR_WAL_SEGMENT_HEAD;
        if (len < WR_WAL_SEGMENT_HEAD) /* the crash came before the header was whole */
            r->report.torn_bytes += len;
    }
    while (at < len && !r->stopped) {
        size_t n = record_at(segment, data, len, at);
        if (n) {
            give(r, data + at);
            at += n;
            continue;
        }
        size_t next = next_record(segment, data, len, at + 1);
        if (!next) {
            if (last) {
                r->report.torn_bytes += len - at;
                rc = cut(r, path, at);
            } else {
                r->report.damaged_bytes += len - at;
                note_damage(r, "segment ends in broken bytes", segment, at);
            }
            break;
        }
        r->report.damaged_bytes += next - at;
        note_damage(r, "broken bytes between records", segment, at);
        at = next;
    }
    free(raw);
    return rc;
}

int wr_wal_replay(const struct wr_io *io, const char *dir, uint64_t first_segment,
                  bool (*each)(void *arg, const struct wr_input *input), void *arg, struct wr_wal_report *ret)
{
    struct reader r = {
        .io = io, .dir = dir, .each = each, .arg = arg, .report = {.next_segment = first_segment}};
    uint64_t *numbers;
    size_t n;
    int rc = wr_files_list(io, dir, PREFIX, &numbers, &n);
    if (rc != 0)
        return rc;
    uint64_t expected = 0;
    for (size_t i = 0; i < n && rc == 0 && !r.stopped; i++) {
        r.report.next_segment = numbers[i] + 1 > first_segment ? numbers[i] + 1 : first_segment;
        if (numbers[i] < first_segment)
            continue;
        if (expected && numbers[i] != expected)
            note_damage(&r, "a segment is missing", expected, 0);
        expected = numbers[i] + 1;
        rc = read_segment(&r, numbers[i], i + 1 == n);
    }
    free(numbers);
    *ret = r.report;
    return rc;
}

void wr_wal_trim(const struct wr_io *io, const char *dir, uint64_t segment)
{
    uint64_t *numbers;
    size_t n;
    if (wr_files_list(io, dir, PREFIX, &numbers, &n) != 0)
        return; /* tried again after the next snapshot */
    for (size_t i = 0; i < n && numbers[i] < segment; i++) {
        char path[WR_PATH_MAX];
        if (wr_files_path(path, dir, PREFIX, numbers[i]))
            (void)io->unlink(io->ctx, path);
    }
    free(numbers);
}
