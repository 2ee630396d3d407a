#include "collector/state/files.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct list {
    const char *prefix;
    uint64_t *numbers;
    size_t n, cap;
    bool failed;
};

static void each_name(void *arg, const char *name)
{
    struct list *list = arg;
    size_t len = strlen(list->prefix);
    if (strncmp(name, list->prefix, len) != 0 || strlen(name) != len + 20)
        return;
    uint64_t number = 0;
    for (const char *c = name + len; *c; c++) {
        if (*c < '0' || *c > '9' || number > (UINT64_MAX - 9) / 10)
            return;
        number = number * 10 + (uint64_t)(*c - '0');
    }
    if (list->n == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 16;
        uint64_t *more = realloc(list->numbers, cap * sizeof *more);
        if (!more) {
            list->failed = true;
            return;
        }
        list->numbers = more;
        list->cap = cap;
    }
    list->numbers[list->n++] = number;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

int wr_files_list(const struct wr_io *io, const char *dir, const char *prefix, uint64_t **ret_numbers,
                  size_t *ret_n)
{
    struct list list = {.prefix = prefix};
    int rc = io->list(io->ctx, dir, each_name, &list);
    if (rc == 0 && list.failed)
        rc = -ENOMEM;
    if (rc != 0) {
        free(list.numbers);
        return rc;
    }
    if (list.n)
        qsort(list.numbers, list.n, sizeof *list.numbers, by_number);
    *ret_numbers = list.numbers;
    *ret_n = list.n;
    return 0;
}

bool wr_files_path(char *out, const char *dir, const char *prefix, uint64_t number)
{
    return snprintf(out, WR_PATH_MAX, "%s/%s%020" PRIu64, dir, prefix, number) < WR_PATH_MAX;
}
