#include "collector/ingest/tail_trouble.h"

#include "collector/ops/oplog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILES = 1024 };

struct wr_tail_trouble_file {
    char *path;
    int why;
    uint64_t ino;
    bool seen;
    struct wr_tail_trouble_file *next;
};

static const char *reason(int why)
{
    switch (-why) {
    case EILSEQ:
        return "it is compressed: weir reads what grows";
    case EISDIR:
        return "it is a directory: write what is in it as DIRECTORY/*";
    case EINVAL:
        return "it is no plain file";
    default:
        return strerror(-why);
    }
}

void wr_tail_trouble_say(struct wr_tail_trouble *all, const char *path, uint64_t ino, int why)
{
    for (struct wr_tail_trouble_file *f = all->first; f; f = f->next) {
        if (strcmp(f->path, path) != 0 || f->why != why)
            continue;
        f->seen = true;
        f->ino = ino;
        return;
    }
    struct wr_tail_trouble_file *f = all->n < MAX_FILES ? calloc(1, sizeof *f) : NULL;
    if (!f || !(f->path = strdup(path))) {
        free(f);
        return;
    }
    f->why = why;
    f->ino = ino;
    f->seen = true;
    f->next = all->first;
    all->first = f;
    all->n++;
    wr_oplog(why == -EILSEQ ? WR_OPLOG_WARN : WR_OPLOG_ERROR, "a file of `files` is not read",
             "file", path, "why", reason(why), NULL);
}

bool wr_tail_trouble_useless(struct wr_tail_trouble *all, const char *path, uint64_t ino)
{
    for (struct wr_tail_trouble_file *f = all->first; f; f = f->next) {
        if (f->why == -EILSEQ && f->ino == ino && strcmp(f->path, path) == 0) {
            f->seen = true;
            return true;
        }
    }
    return false;
}

void wr_tail_trouble_over(struct wr_tail_trouble *all)
{
    for (struct wr_tail_trouble_file **at = &all->first; *at;) {
        struct wr_tail_trouble_file *f = *at;
        if (f->seen) {
            f->seen = false;
            at = &f->next;
            continue;
        }
        *at = f->next;
        all->n--;
        free(f->path);
        free(f);
    }
}

void wr_tail_trouble_fini(struct wr_tail_trouble *all)
{
    for (struct wr_tail_trouble_file *f = all->first; f; f = f->next)
        f->seen = false;
    wr_tail_trouble_over(all);
}
