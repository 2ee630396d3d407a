/* How far files were read, so that a start goes on where the rows in the log end.
 *
 * A file is known by device and inode, and by its first bytes: an inode comes again when its file
 * is deleted. Positions are part of the owner's state: they come with the rows in one input
 * (WR_INPUT_FILE), are in the log and in snapshots.
 *
 * Threads    one, or none while it is read. */
#ifndef WR_COLLECTOR_STATE_FILEPOS_H
#define WR_COLLECTOR_STATE_FILEPOS_H

#include "base/buf.h"

enum { WR_FILE_HEAD = 1024, WR_FILE_PATH_MAX = 4096, WR_FILES_MAX = 16384 };

struct wr_filepos {
    uint64_t dev, ino;
    uint64_t at;       /* bytes read, up to the begin of a message */
    uint64_t skip;     /* of an oversize message that are passed over from there; UINT64_MAX: to its
                          line's end */
    uint32_t head_len; /* first bytes of the file that `head_crc` is about, at most WR_FILE_HEAD */
    uint32_t head_crc;
    bool gone; /* not to be remembered any longer */
};

/* All that is known. Zero is empty. */
struct wr_filepos_known {
    struct wr_filepos pos;
    char *path; /* by which it was last seen; owned */
};
struct wr_fileposs {
    struct wr_filepos_known *at;
    uint32_t n, cap;
};

void wr_filepos_put(const struct wr_filepos *pos, const char *path, struct wr_buf *out);
/* Reads one back; the path is borrowed and not terminated. False: damaged. */
bool wr_filepos_get(struct wr_rd *rd, struct wr_filepos *ret_pos, const char **ret_path,
                    uint32_t *ret_len) WR_MUST_CHECK;

const struct wr_filepos_known *wr_fileposs_find(const struct wr_fileposs *all, uint64_t dev,
                                                uint64_t ino); /* or NULL */
/* Takes the place of what was known of that file, or makes it forgotten. WR_ELIMIT: WR_FILES_MAX
 * are known. */
enum wr_err wr_fileposs_set(struct wr_fileposs *all, const struct wr_filepos *pos, const char *path,
                            size_t path_len);
void wr_fileposs_save(const struct wr_fileposs *all, struct wr_buf *out);
enum wr_err wr_fileposs_load(struct wr_fileposs *all, const void *bytes,
                             size_t len) WR_MUST_CHECK; /* into an empty one */
void wr_fileposs_fini(struct wr_fileposs *all);

#endif
