#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>

const char *wr_strerror(enum wr_err err)
{
    switch (err) {
#define X(sym, val, text)                                                                          \
    case sym:                                                                                      \
        return text;
#include "base/errors.def"
#undef X
    }
    return "unknown error";
}

void wr_assert_failed(const char *expr, const char *file, int line)
{
    fprintf(stderr, "weir: %s:%d: internal error: expected %s\n", file, line, expr);
    abort();
}
