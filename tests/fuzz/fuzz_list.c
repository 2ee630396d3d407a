/* Texts of lists: the first byte picks the format, the second says how it is read (watchlist, own table, externaldata). Rows
 * that come out are as many as the list says, their dynamic values JSON. */
#include "rules/exec/rows.h"
#include "rules/fn/json.h"
#include "rules/plan/external.h"
#include "rules/refdata/refdata.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct wr_list_col cols[] = {{"TimeGenerated", WR_DATETIME}, {"b", WR_BOOL},   {"i", WR_INT},
                                          {"l", WR_LONG},                 {"r", WR_REAL},   {"t", WR_TIMESPAN},
                                          {"s", WR_STRING},               {"g", WR_GUID},   {"d", WR_DYNAMIC},
                                          {"c", WR_DECIMAL}};

static void walk(const struct wr_external_table *table)
{
    const struct wr_rows *rows = table->acquire(table);
    uint64_t n = 0;
    for (uint32_t b = 0; b < rows->nbatches; b++) {
        n += rows->batch[b]->nrows;
        for (uint16_t c = 0; c < rows->schema->ncols; c++)
            for (uint32_t r = 0; r < rows->batch[b]->nrows && rows->schema->cols[c].type == WR_DYNAMIC; r++) {
                const struct wr_vec *v = &rows->batch[b]->col[c];
                if (wr_vec_valid(v, r)) {
                    const char *p = wr_str_data(&v->s[r]);
                    WR_ASSERT(wr_json_end(p, p + v->s[r].len, 0) == p + v->s[r].len);
                }
            }
    }
    WR_ASSERT(n == rows->nrows);
    table->release(table, rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 65536)
        return 0;
    struct wr_refdata *ref = wr_refdata_new();
    struct wr_diags diags;
    struct wr_arena *arena = wr_arena_new(4096);
    if (!ref || !arena || !wr_diags_init(&diags))
        __builtin_trap();
    enum wr_list_kind kind = (enum wr_list_kind)(data[1] % 3);
    struct wr_list_def def = {.kind = kind, .name = "L", .format = (enum wr_list_format)(1 + data[0] % WR_LIST_MULTIJSON)};
    struct wr_external_request req = {.function = "L"};
    struct wr_value name = {.type = WR_STRING, .s = wr_str_borrow("L", 1)};
    struct wr_kql_col declared[10];
    const char *why, *hint;
    if (kind == WR_LIST_TABLE && data[1] & 0x80) {
        def.cols = cols;
        def.ncols = 10;
    }
    for (int i = 0; i < 10; i++)
        declared[i] = (struct wr_kql_col){.name = {.text = cols[i].name, .len = (uint32_t)strlen(cols[i].name)}, .type = cols[i].type};
    if (kind != WR_LIST_TABLE) {
        req.function = kind == WR_LIST_ADDRESS ? "externaldata" : "_GetWatchlist";
        req.args = &name;
        req.nargs = 1;
        req.cols = declared;
        req.ncols = kind == WR_LIST_ADDRESS ? 10 : 0;
    }
    const char *text = (const char *)data + 2;
    if (wr_refdata_define(ref, &def) == WR_OK)
        for (int turn = 0; turn < 2; turn++) { /* the second time over what is there */
            if (wr_refdata_load(ref, kind, "L", "L", text, size - 2, INT64_C(638000000000000000), &diags) != WR_OK)
                continue;
            const struct wr_plan_env *env = wr_refdata_env(ref);
            const struct wr_external_table *table = env->lists->find(env->lists, &req, arena, &why, &hint);
            if (table)
                walk(table);
        }
    wr_arena_free(arena);
    wr_diags_fini(&diags);
    wr_refdata_unref(ref);
    return 0;
}
