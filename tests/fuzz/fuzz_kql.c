/* Any bytes as a query: read and printed, or refused with one error at least, but never a crash or a hang. */
#include "rules/kql/ast.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wr_source src = {.name = "fuzz.kql", .text = (const char *)data, .len = size, .line0 = 1};
    struct wr_diags diags;
    if (!wr_diags_init(&diags))
        return 0;
    struct wr_buf out = {0};
    struct wr_kql *kql = wr_kql_parse(&src, &diags);
    WR_ASSERT(kql || diags.nerrors);
    if (kql)
        wr_kql_dump(kql, &out);
    wr_kql_free(kql);
    wr_diags_print(&diags, &out);
    wr_buf_fini(&out);
    wr_diags_fini(&diags);
    return 0;
}
