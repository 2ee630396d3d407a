#include "collector/state/snapshot.h"

#include "base/hash.h"
#include "collector/state/files.h"
#include "collector/state/log.h"
#include "collector/state/log_format.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char PREFIX[] = "snap-";
static const char MAGIC[] = "WEIRSNP1";
enum { HEAD = 32, SECTION_HEAD = 12, TAIL = 8 };
static const size_t SNAPSHOT_MAX = (size_t)8 << 30;

void wr_snapshot_begin(struct wr_buf *out, uint64_t segment, uint64_t lsn, int64_t now_ns)
{
    wr_buf_reset(out);
    wr_buf_add(out, MAGIC, 8);
    wr_buf_u64(out, segment);
    wr_buf_u64(out, lsn);
    wr_buf_u64(out, (uint64_t)now_ns);
}

size_t wr_snapshot_open(struct wr_buf *out, enum wr_section kind)
{
    wr_buf_u32(out, kind);
    wr_buf_u64(out, 0);
    return out->len;
}

void wr_snapshot_close(struct wr_buf *out, size_t section)
{
    if (!out->err)
        wr_le_put((uint8_t *)out->data + section - 8, out->len - section, 8);
}

/* Keeps the two newest snapshots and the log from the older one on. Failures leave a file for the
 * next time.
 */
static void remove_old(const struct wr_io *io, const char *dir)
{
    uint64_t *numbers;
    size_t n;
    if (wr_files_list(io, dir, PREFIX, &numbers, &n) != 0)
        return;
    for (size_t i = 0; i + 2 < n; i++) {
        char path[WR_PATH_MAX];
        if (wr_files_path(path, dir, PREFIX, numbers[i]))
            (void)io->unlink(io->ctx, path);
    }
    if (n >= 2)
        wr_wal_trim(io, dir, numbers[n - 2]);
    free(numbers);
}

int wr_snapshot_store(const struct wr_io *io, const char *dir, uint64_t segment, struct wr_buf *out)
{
    wr_buf_u32(out, 0);
    if (out->err)
        return -ENOMEM;
    wr_buf_u32(out, wr_crc32c(0, out->data, out->len));
    if (out->err)
        return -ENOMEM;
    char name[64];
    snprintf(name, sizeof name, "%s%020" PRIu64, PREFIX, segment);
    int rc = wr_io_replace_file(io, dir, name, out->data, out->len);
    if (rc == 0)
        remove_old(io, dir);
    return rc;
}

static void sweep_one(void *arg, const char *name)
{
    size_t len = strlen(name);
    char *found = arg; /* one a pass: the directory must not change while it is listed */
    if (len < 64 && len > 4 && strncmp(name, ".snap-", 6) == 0 && strcmp(name + len - 4, ".tmp") == 0)
        memcpy(found, name, len + 1);
}

void wr_snapshot_sweep(const struct wr_io *io, const char *dir)
{
    for (int pass = 0; pass < 100; pass++) {
        char name[64] = "", path[WR_PATH_MAX];
        if (io->list(io->ctx, dir, sweep_one, name) != 0 || !*name)
            return;
        if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path ||
            io->unlink(io->ctx, path) != 0)
            return; /* it only takes room: the next start tries again */
    }
}

static bool whole(const struct wr_snapshot *s, uint64_t number)
{
    const uint8_t *data = (const uint8_t *)s->data;
    if (s->len < HEAD + TAIL || memcmp(data, MAGIC, 8) != 0 || wr_le(data + 8, 8) != number)
        return false;
    if (wr_le(data + s->len - 4, 4) != wr_crc32c(0, data, s->len - 4))
        return false;
    size_t at = 0, len;
    enum wr_section kind;
    const uint8_t *bytes;
    while (wr_snapshot_next(s, &at, &kind, &bytes, &len))
        ;
    return at == s->len - TAIL; /* the sections end where the file does */
}

int wr_snapshot_find(const struct wr_io *io, const char *dir, uint64_t before, struct wr_snapshot *ret,
                     struct wr_snapshot_report *report)
{
    uint64_t *numbers;
    size_t n;
    int rc = wr_files_list(io, dir, PREFIX, &numbers, &n);
    if (rc != 0)
        return rc;
    rc = 0;
    while (n-- > 0 && rc == 0) {
        if (numbers[n] >= before)
            continue;
        char path[WR_PATH_MAX];
        struct wr_snapshot s = {.segment = numbers[n]};
        report->found++;
        if (!wr_files_path(path, dir, PREFIX, numbers[n]) ||
            wr_io_read_file(io, path, SNAPSHOT_MAX, &s.data, &s.len) != 0 || !whole(&s, numbers[n])) {
            report->damaged++;
            free(s.data);
            continue;
        }
        s.lsn = wr_le((const uint8_t *)s.data + 16, 8);
        s.now_ns = (int64_t)wr_le((const uint8_t *)s.data + 24, 8);
        *ret = s;
        rc = 1;
    }
    free(numbers);
    return rc;
}

void wr_snapshot_fini(struct wr_snapshot *snapshot)
{
    free(snapshot->data);
    *snapshot = (struct wr_snapshot){0};
}

bool wr_snapshot_next(const struct wr_snapshot *snapshot, size_t *at, enum wr_section *ret_kind,
                      const uint8_t **ret_bytes, size_t *ret_len)
{
    const uint8_t *data = (const uint8_t *)snapshot->data;
    size_t end = snapshot->len - TAIL;
    if (*at == 0)
        *at = HEAD;
    if (*at > end || end - *at < SECTION_HEAD)
        return false;
    uint64_t len = wr_le(data + *at + 4, 8);
    if (len > end - *at - SECTION_HEAD)
        return false;
    *ret_kind = (enum wr_section)wr_le(data + *at, 4);
    *ret_bytes = data + *at + SECTION_HEAD;
    *ret_len = len;
    *at += SECTION_HEAD + len;
    return true;
}
