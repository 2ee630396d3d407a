/* One text of a stranger: taken when simdjson's own parser takes it, with the same keys and values.
 */
#include "tests/support/json_same.h"

#include "base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct wr_json *json; /* one for all: what a text leaves behind must not show in the next */
    if (!json && !(json = wr_json_new()))
        return 0;
    WR_ASSERT(json_same(json, (const char *)data, size));
    return 0;
}
