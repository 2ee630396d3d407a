#include "rules/fn/fn.h"

#include "rules/fn/kernel.h"

#include <stdio.h>

static const struct wr_fn fns[] = {
#define FN(name_, sig, kernel, prepare_, flags_, page_)                                                      \
    {.name = (name_),                                                                                        \
     .signature = (sig),                                                                                     \
     .eval = wr_k_##kernel,                                                                                  \
     .prepare = (prepare_),                                                                                  \
     .flags = (flags_),                                                                                      \
     .page = (page_)},
#include "rules/fn/functions.def"
#undef FN
};

static const struct wr_agg aggs[] = {
#define AGG(name_, sig, kind_, inc, page_)                                                                   \
    {.name = (name_), .signature = (sig), .kind = WR_AGG_##kind_, .incremental = (inc), .page = (page_)},
#include "rules/fn/aggregates.def"
#undef AGG
};

enum { NFNS = sizeof fns / sizeof *fns, NAGGS = sizeof aggs / sizeof *aggs };

static bool is_name(const char *have, const char *name, size_t len)
{
    return strlen(have) == len && memcmp(have, name, len) == 0;
}

const struct wr_fn *wr_fn_find(const char *name, size_t len)
{
    for (size_t i = 0; i < NFNS; i++)
        if (is_name(fns[i].name, name, len))
            return &fns[i];
    return NULL;
}

const struct wr_fn *wr_fn_next(const struct wr_fn *fn)
{
    const struct wr_fn *next = fn + 1;
    return next < fns + NFNS && strcmp(next->name, fn->name) == 0 ? next : NULL;
}

const struct wr_fn *wr_fn_all(uint32_t *ret_n)
{
    *ret_n = NFNS;
    return fns;
}

const struct wr_agg *wr_agg_find(const char *name, size_t len)
{
    for (size_t i = 0; i < NAGGS; i++)
        if (is_name(aggs[i].name, name, len))
            return &aggs[i];
    return NULL;
}

const struct wr_agg *wr_agg_next(const struct wr_agg *agg)
{
    const struct wr_agg *next = agg + 1;
    return next < aggs + NAGGS && strcmp(next->name, agg->name) == 0 ? next : NULL;
}

const struct wr_agg *wr_agg_all(uint32_t *ret_n)
{
    *ret_n = NAGGS;
    return aggs;
}

static const struct {
    const char *name, *why;
} refused[] = {
#define REFUSED(name, why) {name, why},
#include "rules/fn/refused.def"
#undef REFUSED
};

/* `*` at one end or at both stands for any text. */
static bool fits(const char *pattern, const char *name)
{
    size_t n = strlen(pattern), len = strlen(name);
    bool front = *pattern == '*', back = n && pattern[n - 1] == '*';
    if (front && back) {
        char middle[32];
        snprintf(middle, sizeof middle, "%.*s", (int)(n - 2), pattern + 1);
        return strstr(name, middle) != NULL;
    }
    return back ? len >= n - 1 && memcmp(pattern, name, n - 1) == 0 : strcmp(pattern, name) == 0;
}

const char *wr_fn_refused(const char *name)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (fits(refused[i].name, name))
            return refused[i].why;
    return NULL;
}
