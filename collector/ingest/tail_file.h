#ifndef WR_COLLECTOR_INGEST_TAIL_FILE_H
#define WR_COLLECTOR_INGEST_TAIL_FILE_H

#include "collector/state/filepos.h"
#include "parsers/log/log.h"

#include <sys/stat.h>

/* One file that grows, as messages: what was not read before, from a position on. A message whose
 * end has not been written waits, until the caller says that nothing follows.
 *
 * Overwritten in place (copytruncate): seen by a size below the position or by other first bytes;
 * then it is read from its begin. One thread. */
struct wr_tail_file {
    int fd;                /* -1: closed */
    char *path;            /* owned; for messages and for the next start */
    struct wr_filepos pos; /* up to what wr_tail_file_next gave */
    struct wr_framing framing;
    struct wr_buf buf; /* the bytes from pos.at on, of which `used` are given */
    size_t used;
};

enum { WR_TAIL_READ = 1 << 18 };

/* `known`: where an earlier run was, of this device and inode; NULL: none. 0, or -errno: -EISDIR
 * and -EINVAL no plain file, -EILSEQ compressed. */
int wr_tail_file_open(struct wr_tail_file *file, const char *path, const struct wr_filepos *known);
void wr_tail_file_close(struct wr_tail_file *file);
/* Passes over what is there now, up to a line's end. 0 or -errno. */
int wr_tail_file_to_end(struct wr_tail_file *file);

enum wr_tail_read { WR_TAIL_NOTHING, WR_TAIL_BYTES, WR_TAIL_OVERWRITTEN, WR_TAIL_ERROR };
/* Reads up to WR_TAIL_READ more bytes. OVERWRITTEN: what was pending is gone from the file; take it
 * with `eof`, then call wr_tail_file_restart. ERROR: errno. */
enum wr_tail_read wr_tail_file_read(struct wr_tail_file *file);
void wr_tail_file_restart(struct wr_tail_file *file);

/* The next message; false: more bytes are needed. Borrowed until the next read. */
bool wr_tail_file_next(struct wr_tail_file *file, bool eof, const char **ret_frame,
                       size_t *ret_len);
/* The position moves behind what was given. */
void wr_tail_file_settle(struct wr_tail_file *file);
/* The position is again where it was settled: what was given since comes again. `before` is the
 * framing of that moment. */
void wr_tail_file_unread(struct wr_tail_file *file, const struct wr_framing *before);

#endif
