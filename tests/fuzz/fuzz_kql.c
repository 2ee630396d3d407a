/* Any bytes as a query: read and printed, or refused with one error at least, but never a crash or a hang. What binds
 * runs, over small tables and within bounds, in batches of three rows. */
#include "rules/exec/run.h"
#include "rules/kql/ast.h"
#include "rules/plan/plan.h"

#include <stdint.h>

enum { TEXT_MAX = 4096, WORK_MAX = 20000, MEMORY_MAX = 8 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Rows of a table: texts, numbers and nulls that conditions may meet. */
static bool feed(struct wr_run *run, enum wr_table table, const struct wr_scan *scan)
{
    static const char *const texts[] = {"", "10.0.0.1", "user=root failed", "{\"k\": [1, null, \"x\"]}", "x"};
    const struct wr_schema *schema = wr_schema_of(table);
    struct wr_batch *b = wr_batch_new(schema, &scan->wanted, 8);
    bool ok = b != NULL;
    for (uint32_t r = 0; ok && r < 5; r++) {
        uint32_t row = wr_batch_row(b);
        for (uint16_t c = 0; ok && c < schema->ncols; c++) {
            enum wr_type type = schema->cols[c].type;
            if (schema->cols[c].store != c || (r + c) % 4 == 0)
                continue;
            if (type == WR_STRING)
                ok = wr_batch_set_str(b, c, row, texts[(r + c) % 5], strlen(texts[(r + c) % 5]));
            else if (type == WR_DYNAMIC)
                ok = wr_batch_set_str(b, c, row, "{\"k\":[1,null,\"x\"]}", 18);
            else if (type == WR_REAL)
                wr_batch_set_real(b, c, row, (double)r / 2);
            else if (type != WR_GUID && type != WR_DECIMAL)
                wr_batch_set_i64(b, c, row, type == WR_DATETIME ? (int64_t)r * 36000000000 : (int64_t)(r * 21 + c) % 3);
        }
    }
    if (ok)
        wr_batch_seal(b);
    ok = ok && wr_run_feed(run, table, b) == WR_OK;
    wr_batch_free(b);
    return ok;
}

static void execute(const struct wr_plan *plan)
{
    struct wr_run_opts opts = {.batch_rows = 3,
                               .scans = plan->scans,
                               .subs = plan->subs,
                               .nsubs = plan->nsubs,
                               .memory_bytes = MEMORY_MAX,
                               .work_rows = WORK_MAX};
    struct wr_run *run = wr_run_new(plan->root, &opts);
    const struct wr_rows *rows;
    const char *why;
    struct wr_span span;
    bool ok = run != NULL;
    for (int t = 0; ok && t < WR_NTABLES; t++)
        ok = !plan->scans[t].nbranches || feed(run, (enum wr_table)t, &plan->scans[t]);
    if (ok && wr_run_go(run, 5 * INT64_C(36000000000), &rows, &why, &span) == WR_OK)
        WR_ASSERT(rows->schema->ncols == plan->root->schema->ncols);
    wr_run_free(run);
}

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
    struct wr_plan *plan = kql && size <= TEXT_MAX ? wr_plan_new(&src, &diags) : NULL;
    WR_ASSERT(plan || diags.nerrors || size > TEXT_MAX);
    if (plan) {
        wr_plan_explain(plan, &out);
        execute(plan);
    }
    wr_plan_free(plan);
    wr_diags_print(&diags, &out);
    wr_buf_fini(&out);
    wr_diags_fini(&diags);
    return 0;
}
