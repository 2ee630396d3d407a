#ifndef WR_TESTS_FUZZ_PICK_H
#define WR_TESTS_FUZZ_PICK_H

#include "base/hash.h"

/* One in `n` inputs, for what costs far more than the rest. By all of its bytes: most inputs of a
 * run are of one length. */
static inline bool one_in(uint32_t n, const uint8_t *data, size_t size)
{
    return wr_crc32c(n, data, size) % n == 0;
}

#endif
