#include "collector/ingest/tail_file.h"

#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_FRAME = 1 << 20 };

static bool is_compressed(const char *head, size_t len)
{
    static const char *const magic[] = {"\x1f\x8b", "\x28\xb5\x2f\xfd", "BZh",
                                        "\xfd"
                                        "7zXZ"};
    for (size_t i = 0; i < sizeof magic / sizeof *magic; i++)
        if (len >= strlen(magic[i]) && !memcmp(head, magic[i], strlen(magic[i])))
            return true;
    return false;
}

static ssize_t read_at(int fd, void *bytes, size_t n, uint64_t at)
{
    ssize_t got;
    do
        got = pread(fd, bytes, n, (off_t)at);
    while (got < 0 && errno == EINTR);
    return got;
}

/* Are the first bytes those of the position? More of them are taken when they have come. -1: errno.
 */
static int same_head(struct wr_tail_file *f)
{
    char head[WR_FILE_HEAD];
    ssize_t n = read_at(f->fd, head, sizeof head, 0);
    if (n < 0)
        return -1;
    if ((size_t)n < f->pos.head_len || wr_crc32c(0, head, f->pos.head_len) != f->pos.head_crc)
        return 0;
    if ((size_t)n > f->pos.head_len) {
        f->pos.head_len = (uint32_t)n;
        f->pos.head_crc = wr_crc32c(0, head, (size_t)n);
    }
    return 1;
}

static void begin_framing(struct wr_tail_file *f, uint64_t skip)
{
    struct wr_framing fresh = {.max_frame = MAX_FRAME, .no_counts = true, .skip = (size_t)skip};
    memcpy(&fresh.stats, &f->framing.stats, sizeof fresh.stats);
    f->framing = fresh;
}

int wr_tail_file_open(struct wr_tail_file *file, const char *path, const struct wr_filepos *known)
{
    char head[8];
    struct stat st;
    /* Not blocking: a pipe must not hold the worker up. */
    *file = (struct wr_tail_file){.fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)};
    int rc = file->fd < 0 || fstat(file->fd, &st) != 0 ? -errno : 0;
    if (!rc && !S_ISREG(st.st_mode))
        rc = S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
    ssize_t n = rc ? 0 : read_at(file->fd, head, sizeof head, 0);
    if (!rc && n < 0)
        rc = -errno;
    if (!rc && is_compressed(head, (size_t)n))
        rc = -EILSEQ;
    if (!rc && !(file->path = strdup(path)))
        rc = -ENOMEM;
    if (!rc) {
        bool same = known && known->dev == st.st_dev && known->ino == st.st_ino;
        file->pos = same ? *known : (struct wr_filepos){.dev = st.st_dev, .ino = st.st_ino};
        int head_is = same_head(file);
        if (head_is == 0 || (uint64_t)st.st_size < file->pos.at)
            file->pos = (struct wr_filepos){.dev = st.st_dev, .ino = st.st_ino};
        rc = head_is < 0 ? -errno : 0;
        begin_framing(file, file->pos.skip);
    }
    if (rc)
        wr_tail_file_close(file);
    return rc;
}

void wr_tail_file_close(struct wr_tail_file *file)
{
    if (file->fd >= 0)
        (void)close(file->fd);
    free(file->path);
    wr_buf_fini(&file->buf);
    *file = (struct wr_tail_file){.fd = -1};
}

int wr_tail_file_to_end(struct wr_tail_file *file)
{
    struct stat st;
    char last = '\n';
    if (fstat(file->fd, &st) != 0 ||
        (st.st_size && read_at(file->fd, &last, 1, (uint64_t)st.st_size - 1) < 0))
        return -errno;
    file->pos.at = (uint64_t)st.st_size;
    file->pos.skip = last == '\n' ? 0 : UINT64_MAX;
    begin_framing(file, file->pos.skip);
    return 0;
}

enum wr_tail_read wr_tail_file_read(struct wr_tail_file *file)
{
    struct stat st;
    uint64_t from = file->pos.at + file->buf.len;
    char *room = wr_buf_room(&file->buf, WR_TAIL_READ);
    if (!room || fstat(file->fd, &st) != 0) {
        errno = room ? errno : ENOMEM;
        wr_buf_fini(&file->buf); /* a failed buffer stays so until then; it is read again */
        return WR_TAIL_ERROR;
    }
    if ((uint64_t)st.st_size < from)
        return WR_TAIL_OVERWRITTEN;
    ssize_t n = read_at(file->fd, room, WR_TAIL_READ, from);
    /* Looked at behind the read: were they others before, the bytes that were read may be others,
     * too. */
    int head_is = n > 0 ? same_head(file) : 1;
    if (n < 0 || head_is < 0)
        return WR_TAIL_ERROR;
    if (!head_is)
        return WR_TAIL_OVERWRITTEN;
    file->buf.len += (size_t)n;
    return n ? WR_TAIL_BYTES : WR_TAIL_NOTHING;
}

void wr_tail_file_restart(struct wr_tail_file *file)
{
    wr_buf_fini(&file->buf);
    file->used = 0;
    file->pos = (struct wr_filepos){.dev = file->pos.dev, .ino = file->pos.ino};
    begin_framing(file, 0);
}

bool wr_tail_file_next(struct wr_tail_file *file, bool eof, const char **ret_frame, size_t *ret_len)
{
    while (file->used < file->buf.len) {
        size_t n = wr_framing_next(&file->framing, file->buf.data + file->used,
                                   file->buf.len - file->used, eof, ret_frame, ret_len);
        file->used += n;
        if (n && *ret_frame)
            return true;
        if (n == 0)
            return false;
    }
    return false;
}

void wr_tail_file_settle(struct wr_tail_file *file)
{
    file->pos.at += file->used;
    file->pos.skip = file->framing.skip;
    memmove(file->buf.data, file->buf.data + file->used, file->buf.len - file->used);
    file->buf.len -= file->used;
    file->used = 0;
    if (file->buf.len == 0)
        wr_buf_fini(&file->buf); /* thousands of files may be silent */
}

void wr_tail_file_unread(struct wr_tail_file *file, const struct wr_framing *before)
{
    file->framing = *before;
    file->used = 0;
}
