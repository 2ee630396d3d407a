#include "collector/state/log.h"

#include "base/hash.h"
#include "base/schema.h"
#include "collector/state/files.h"
#include "collector/state/log_format.h"
#include "parsers/flow/flow.h"

#include <errno.h>
#include <string.h>

static const char PREFIX[] = "log-";

static void segment_head(uint8_t out[WR_WAL_SEGMENT_HEAD], uint64_t segment, uint64_t first_lsn)
{
    memset(out, 0, WR_WAL_SEGMENT_HEAD);
    memcpy(out, WR_WAL_MAGIC, 8);
    wr_le_put(out + 8, segment, 8);
    wr_le_put(out + 16, first_lsn, 8);
    wr_le_put(out + 28, wr_wal_shape(), 4);
    wr_le_put(out + 24, wr_wal_head_crc(out), 4);
}

uint32_t wr_wal_shape(void)
{
    uint8_t flow[4];
    wr_le_put(flow, sizeof(struct wr_flow), 4);
    return wr_crc32c(wr_schema_fingerprint(), flow, sizeof flow);
}

uint32_t wr_wal_head_crc(const uint8_t *head)
{
    return wr_crc32c(wr_crc32c(0, head, 24), head + 28, 4);
}

uint32_t wr_wal_crc(uint64_t segment, const uint8_t *head, const void *bytes, size_t len)
{
    uint8_t seed[8];
    wr_le_put(seed, segment, 8);
    uint32_t crc = wr_crc32c(0, seed, sizeof seed);
    crc = wr_crc32c(crc, head + 4, 24); /* length, LSN, arrival, type */
    return len ? wr_crc32c(crc, bytes, len) : crc;
}

static int begin_segment(struct wr_wal *wal, uint64_t segment)
{
    char path[WR_PATH_MAX];
    if (!wr_files_path(path, wal->dir, PREFIX, segment))
        return -ENAMETOOLONG;
    int fd = wal->io->open(wal->io->ctx, path, WR_IO_CREATE);
    if (fd < 0)
        return fd;
    uint8_t head[WR_WAL_SEGMENT_HEAD];
    segment_head(head, segment, wal->lsn + 1);
    int rc = wr_io_write_all(wal->io, fd, head, sizeof head);
    if (rc == 0)
        rc = wal->io->datasync(wal->io->ctx, fd);
    if (rc == 0)
        rc = wal->io->sync_dir(wal->io->ctx, wal->dir);
    if (rc != 0) {
        (void)wal->io->close(wal->io->ctx, fd);
        (void)wal->io->unlink(wal->io->ctx, path);
        return rc;
    }
    wal->fd = fd;
    wal->segment = segment;
    wal->bytes = WR_WAL_SEGMENT_HEAD;
    wal->dirty = false;
    return 0;
}

int wr_wal_open(struct wr_wal *wal, const struct wr_io *io, const char *dir, uint64_t segment,
                uint64_t last_lsn)
{
    *wal = (struct wr_wal){.io = io, .dir = dir, .fd = -1, .lsn = last_lsn};
    return begin_segment(wal, segment);
}

void wr_wal_append(struct wr_wal *wal, const struct wr_input *input)
{
    wal->records++;
    if (wal->fd < 0) {
        wal->unlogged++;
        return;
    }
    uint8_t head[WR_WAL_HEAD] = {0};
    wr_le_put(head, WR_WAL_MARK, 4);
    wr_le_put(head + 4, input->len, 4);
    wr_le_put(head + 8, wal->lsn + 1, 8);
    wr_le_put(head + 16, (uint64_t)input->arrival_ns, 8);
    wr_le_put(head + 24, input->type, 4);
    wr_le_put(head + 28, wr_wal_crc(wal->segment, head, input->bytes, input->len), 4);
    size_t padded = ((size_t)input->len + 7) & ~(size_t)7;
    char *at = wr_buf_room(&wal->pending, WR_WAL_HEAD + padded);
    if (!at) {
        wal->unlogged++;
        wr_wal_failed(wal, -ENOMEM);
        return;
    }
    memcpy(at, head, WR_WAL_HEAD);
    if (input->len)
        memcpy(at + WR_WAL_HEAD, input->bytes, input->len);
    memset(at + WR_WAL_HEAD + input->len, 0, padded - input->len);
    wal->pending.len += WR_WAL_HEAD + padded;
    wal->bytes += WR_WAL_HEAD + padded;
    wal->pending_records++;
    wal->lsn++;
}

void wr_wal_failed(struct wr_wal *wal, int err)
{
    wal->errors++;
    wal->last_errno = -err;
    wal->unlogged += wal->pending_records;
    wr_buf_fini(&wal->pending);
    wal->pending_records = 0;
    wal->dirty = false;
    if (wal->fd >= 0)
        (void)wal->io->close(wal->io->ctx, wal->fd); /* already failed: nothing more to learn */
    wal->fd = -1;
}

int wr_wal_write(struct wr_wal *wal)
{
    if (wal->fd < 0 || wal->pending.len == 0)
        return 0;
    int rc = wr_io_write_all(wal->io, wal->fd, wal->pending.data, wal->pending.len);
    if (rc != 0) {
        wr_wal_failed(wal, rc);
        return rc;
    }
    wr_buf_reset(&wal->pending);
    wal->pending_records = 0;
    wal->dirty = true;
    return 0;
}

int wr_wal_sync(const struct wr_wal *wal, int fd)
{
    return fd < 0 ? 0 : wal->io->datasync(wal->io->ctx, fd);
}

int wr_wal_rotate(struct wr_wal *wal)
{
    int rc = wr_wal_write(wal);
    if (rc == 0 && wal->fd >= 0) {
        rc = wr_wal_sync(wal, wal->fd);
        if (rc != 0)
            wr_wal_failed(wal, rc);
    }
    int old = wal->fd;
    rc = begin_segment(wal, wal->segment + 1); /* after a failure too: a new file is the way out of it */
    if (rc != 0)
        return rc;
    if (old >= 0)
        (void)wal->io->close(wal->io->ctx, old); /* synced above */
    return 0;
}

int wr_wal_close(struct wr_wal *wal)
{
    int rc = wr_wal_write(wal);
    if (wal->fd >= 0) {
        if (rc == 0)
            rc = wr_wal_sync(wal, wal->fd);
        (void)wal->io->close(wal->io->ctx, wal->fd);
    }
    wr_buf_fini(&wal->pending);
    wal->fd = -1;
    return rc;
}
