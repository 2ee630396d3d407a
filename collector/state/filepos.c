#include "collector/state/filepos.h"

#include <stdlib.h>
#include <string.h>

void wr_filepos_put(const struct wr_filepos *pos, const char *path, struct wr_buf *out)
{
    wr_buf_u64(out, pos->dev);
    wr_buf_u64(out, pos->ino);
    wr_buf_u64(out, pos->at);
    wr_buf_u64(out, pos->skip);
    wr_buf_u32(out, pos->head_len);
    wr_buf_u32(out, pos->head_crc);
    wr_buf_u8(out, pos->gone);
    wr_buf_blob(out, path, (uint32_t)strlen(path));
}

bool wr_filepos_get(struct wr_rd *rd, struct wr_filepos *ret_pos, const char **ret_path,
                    uint32_t *ret_len)
{
    ret_pos->dev = wr_rd_u64(rd);
    ret_pos->ino = wr_rd_u64(rd);
    ret_pos->at = wr_rd_u64(rd);
    ret_pos->skip = wr_rd_u64(rd);
    ret_pos->head_len = wr_rd_u32(rd);
    ret_pos->head_crc = wr_rd_u32(rd);
    ret_pos->gone = wr_rd_u8(rd) != 0;
    *ret_path = (const char *)wr_rd_blob(rd, ret_len);
    return !rd->err && ret_pos->head_len <= WR_FILE_HEAD && *ret_len < WR_FILE_PATH_MAX &&
           !memchr(*ret_path, '\0', *ret_len);
}

static struct wr_filepos_known *find(const struct wr_fileposs *all, uint64_t dev, uint64_t ino)
{
    for (uint32_t i = 0; i < all->n; i++)
        if (all->at[i].pos.ino == ino && all->at[i].pos.dev == dev)
            return &all->at[i];
    return NULL;
}

const struct wr_filepos_known *wr_fileposs_find(const struct wr_fileposs *all, uint64_t dev,
                                                uint64_t ino)
{
    return find(all, dev, ino);
}

static struct wr_filepos_known *add(struct wr_fileposs *all)
{
    if (all->n == all->cap) {
        uint32_t cap = all->cap ? all->cap * 2 : 16;
        struct wr_filepos_known *more = realloc(all->at, cap * sizeof *more);
        if (!more)
            return NULL;
        all->at = more;
        all->cap = cap;
    }
    all->at[all->n] = (struct wr_filepos_known){0};
    return &all->at[all->n++];
}

enum wr_err wr_fileposs_set(struct wr_fileposs *all, const struct wr_filepos *pos, const char *path,
                            size_t path_len)
{
    struct wr_filepos_known *k = find(all, pos->dev, pos->ino);
    if (pos->gone) {
        if (k) {
            free(k->path);
            *k = all->at[--all->n];
        }
        return WR_OK;
    }
    if (!k && all->n == WR_FILES_MAX)
        return WR_ELIMIT;
    char *copy = k && strlen(k->path) == path_len && !memcmp(k->path, path, path_len)
                     ? k->path
                     : strndup(path, path_len);
    if (!copy || (!k && !(k = add(all)))) {
        free(copy);
        return WR_ENOMEM;
    }
    if (k->path != copy)
        free(k->path);
    *k = (struct wr_filepos_known){*pos, copy};
    return WR_OK;
}

void wr_fileposs_save(const struct wr_fileposs *all, struct wr_buf *out)
{
    for (uint32_t i = 0; i < all->n; i++)
        wr_filepos_put(&all->at[i].pos, all->at[i].path, out);
}

enum wr_err wr_fileposs_load(struct wr_fileposs *all, const void *bytes, size_t len)
{
    struct wr_rd rd = wr_rd_init(bytes, len);
    struct wr_fileposs fresh = {0};
    enum wr_err err = WR_OK;
    while (!err && rd.at < rd.end) {
        struct wr_filepos pos;
        const char *path;
        uint32_t path_len;
        err = wr_filepos_get(&rd, &pos, &path, &path_len)
                  ? wr_fileposs_set(&fresh, &pos, path, path_len)
                  : WR_ECORRUPT;
    }
    if (err)
        wr_fileposs_fini(&fresh);
    else
        *all = fresh;
    return err;
}

void wr_fileposs_fini(struct wr_fileposs *all)
{
    for (uint32_t i = 0; i < all->n; i++)
        free(all->at[i].path);
    free(all->at);
    *all = (struct wr_fileposs){0};
}
