/* A tape of choices: a query, rows, and every way to run it must give the same (tests/support/query_diff.h). */
#include "tests/support/query_diff.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct diff_tally tally = {0};
    query_diff(data, size, &tally);
    return 0;
}
