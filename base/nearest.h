#ifndef WR_BASE_NEAREST_H
#define WR_BASE_NEAREST_H

#include <stddef.h>

/* "did you mean": the candidate that is the fewest edits (insert, delete, change, swap of
 * neighbours; case counts as less than any of them) from a misspelt name. Candidates are borrowed
 * until the end of the search.
 *
 *     struct wr_nearest n = wr_nearest_to(name, len);
 *     for (each known name) wr_nearest_try(&n, known, strlen(known));
 *     if (n.best) ... */
struct wr_nearest {
    const char *name;
    size_t len;
    const char *best; /* NULL: nothing is near enough to suggest */
    size_t best_len;
    unsigned cost;
};

struct wr_nearest wr_nearest_to(const char *name, size_t len);
void wr_nearest_try(struct wr_nearest *search, const char *candidate, size_t len);

#endif
