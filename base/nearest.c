#include "base/nearest.h"

#include "base/str.h"

/* Longer names are neither suggested nor helped: the rows below stand on the stack. */
enum { MAX_NAME = 63, EDIT = 4 };

struct wr_nearest wr_nearest_to(const char *name, size_t len)
{
    /* A third of the letters may be wrong; of very short names one. */
    unsigned limit = EDIT * (unsigned)(len < 6 ? 1 : len / 3 < 4 ? len / 3 : 4);
    return (struct wr_nearest){.name = name, .len = len, .cost = limit + 1};
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned m = a < b ? a : b;
    return m < c ? m : c;
}

static unsigned letter_cost(char a, char b)
{
    if (a == b)
        return 0;
    return wr_ascii_lower(a) == wr_ascii_lower(b) ? 1 : EDIT;
}

/* Optimal string alignment, three rows. */
static unsigned distance(const char *a, size_t na, const char *b, size_t nb)
{
    unsigned rows[3][MAX_NAME + 1];
    unsigned *before = rows[0], *prev = rows[1], *row = rows[2];
    for (size_t j = 0; j <= nb; j++)
        prev[j] = EDIT * (unsigned)j;
    for (size_t i = 1; i <= na; i++) {
        row[0] = EDIT * (unsigned)i;
        for (size_t j = 1; j <= nb; j++) {
            row[j] = min3(prev[j] + EDIT, row[j - 1] + EDIT,
                          prev[j - 1] + letter_cost(a[i - 1], b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + EDIT < row[j])
                row[j] = before[j - 2] + EDIT;
        }
        unsigned *last = before;
        before = prev;
        prev = row;
        row = last;
    }
    return prev[nb];
}

void wr_nearest_try(struct wr_nearest *search, const char *candidate, size_t len)
{
    if (search->len > MAX_NAME || len > MAX_NAME || !len)
        return;
    unsigned d = distance(search->name, search->len, candidate, len);
    if (d < search->cost) {
        search->cost = d;
        search->best = candidate;
        search->best_len = len;
    }
}
