#ifndef WR_COLLECTOR_INGEST_TAIL_TROUBLE_H
#define WR_COLLECTOR_INGEST_TAIL_TROUBLE_H

#include <stdbool.h>
#include <stdint.h>

/* Files that cannot be read: each is said once, and again when it was well in between. Zero is
 * empty. One thread. */
struct wr_tail_trouble {
    struct wr_tail_trouble_file *first;
    uint32_t n;
};

/* `why`: -errno; -EILSEQ: compressed. */
void wr_tail_trouble_say(struct wr_tail_trouble *all, const char *path, uint64_t ino, int why);
/* Compressed, and the same file still: it need not be opened to know. */
bool wr_tail_trouble_useless(struct wr_tail_trouble *all, const char *path, uint64_t ino);
/* After a look at all files: those that had no trouble since the last call are well. */
void wr_tail_trouble_over(struct wr_tail_trouble *all);
void wr_tail_trouble_fini(struct wr_tail_trouble *all);

#endif
