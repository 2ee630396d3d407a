/* Names of result columns, as Kusto's binder gives them. */
#include "rules/plan/bind.h"

#include <stdio.h>
#include <string.h>

uint32_t wr_cols_find(const struct wr_cols *cols, const char *name)
{
    for (uint32_t i = 0; i < cols->n; i++)
        if (strcmp(cols->def[i].name, name) == 0)
            return i;
    return UINT32_MAX;
}

static bool grow(struct wr_binder *b, struct wr_cols *cols)
{
    uint32_t cap = cols->cap ? 4 * cols->cap : 16;
    struct wr_coldef *def = wr_arena_alloc(b->arena, cap * sizeof *def);
    struct wr_ex **ex = wr_arena_alloc(b->arena, cap * sizeof *ex);
    bool *named = wr_arena_alloc(b->arena, cap * sizeof *named);
    if (!def || !ex || !named)
        return wr_bind_nomem(b);
    if (cols->n) {
        memcpy(def, cols->def, cols->n * sizeof *def);
        memcpy(ex, cols->ex, cols->n * sizeof *ex);
        memcpy(named, cols->named, cols->n * sizeof *named);
    }
    *cols = (struct wr_cols){def, ex, named, cols->n, cap, cols->numbers};
    return true;
}

void wr_name_numbered(char *out, size_t size, const char *name, uint32_t number)
{
    snprintf(out, size, "%.200s%u", name, number);
}

/* A generated name that is taken gets the least free number. */
static const char *free_name(struct wr_binder *b, const struct wr_cols *cols, const char *name)
{
    char buf[256];
    for (uint32_t i = 0; i <= cols->n; i++) {
        snprintf(buf, sizeof buf, i ? "%.200s%u" : "%.200s", name, i);
        if (wr_cols_find(cols, buf) == UINT32_MAX)
            break;
    }
    return wr_arena_strndup(b->arena, buf, strlen(buf));
}

bool wr_cols_add(struct wr_binder *b, struct wr_cols *cols, const char *name, bool named,
                 struct wr_ex *ex, struct wr_span span)
{
    char column[24];
    if (cols->n == WR_MAX_COLS) {
        wr_bind_error(b, span, "too many columns (256 are kept)");
        return false;
    }
    if (cols->n == cols->cap && !grow(b, cols))
        return false;
    uint32_t same = named ? wr_cols_find(cols, name) : UINT32_MAX;
    if (same != UINT32_MAX && (cols->named[same] || !cols->numbers)) {
        struct wr_diag *d = wr_bind_error(b, span, "a second column '%s'", name);
        wr_diag_hint(b->diags, d, "give each result a name of its own");
        return false;
    }
    for (uint32_t i = 1; !name; i++) {
        snprintf(column, sizeof column, "Column%u", i);
        if (wr_cols_find(cols, column) == UINT32_MAX)
            name = column;
    }
    const char *own = free_name(b, cols, name);
    if (!own)
        return wr_bind_nomem(b);
    cols->def[cols->n] =
        (struct wr_coldef){.name = own, .type = ex->type, .store = (uint16_t)cols->n};
    cols->ex[cols->n] = ex;
    cols->named[cols->n++] = named;
    return true;
}

const struct wr_schema *wr_cols_schema(struct wr_binder *b, const struct wr_cols *cols)
{
    struct wr_schema *schema = wr_arena_alloc(b->arena, sizeof *schema);
    if (!schema) {
        wr_bind_nomem(b);
        return NULL;
    }
    *schema = (struct wr_schema){.name = "", .cols = cols->def, .ncols = (uint16_t)cols->n};
    return schema;
}

static const char *join(struct wr_binder *b, const char *before, const char *after)
{
    char buf[256];
    int n = snprintf(buf, sizeof buf, "%.120s%.120s", before, after);
    return wr_arena_strndup(b->arena, buf, (size_t)n);
}

static bool one_of(const char *name, const char *words)
{
    char key[64];
    snprintf(key, sizeof key, " %.60s ", name);
    return strstr(words, key) != NULL;
}

/* A column or a path into one: y.k is y_k, y[0].q is y_0_q. */
static const char *path_name(struct wr_binder *b, const struct wr_kql_ex *ast)
{
    if (ast->kind == WR_KQL_NAME)
        return ast->name.text;
    if (ast->kind != WR_KQL_PATH && ast->kind != WR_KQL_INDEX)
        return NULL;
    const char *object = path_name(b, ast->args[0]);
    object = object ? join(b, object, "_") : NULL;
    if (!object || ast->kind == WR_KQL_PATH)
        return object ? join(b, object, ast->name.text) : NULL;
    const struct wr_value *index = &ast->args[1]->value;
    char text[64];
    if (ast->args[1]->kind != WR_KQL_LITERAL)
        return NULL;
    if (index->type == WR_STRING)
        snprintf(text, sizeof text, "%.*s", (int)(index->s.len < 60 ? index->s.len : 60),
                 wr_str_data(&index->s));
    else
        snprintf(text, sizeof text, "%lld", (long long)index->i);
    return join(b, object, text);
}

bool wr_names_agg(const struct wr_kql_ex *call)
{
    const char *name = call->name.text;
    return !call->is_op && wr_agg_find(name, call->name.len) &&
           (!wr_fn_find(name, call->name.len) || call->nargs == 1); /* hll_merge(x) and hll_merge(x, y) */
}

static const char *agg_prefix(const char *agg)
{
    static const struct {
        const char *agg, *prefix;
    } other[] = {{"make_set", "set_"},
                 {"make_list", "list_"},
                 {"make_bag", "bag_"},
                 {"make_bag_if", "bag_"},
                 {"take_anyif", ""},
                 {"make_list_with_nulls", "list_"},
                 {"make_dictionary", "dictionary_"},
                 {"buildschema", "schema_"},
                 {"tdigest_merge", "merge_tdigests_"},
                 {"merge_tdigest", "merge_tdigests_"},
                 {"percentilew", "percentile_"},
                 {"percentilesw", "percentiles_"},
                 {"percentiles_array", "percentiles_"},
                 {"percentilesw_array", "percentiles_"},
                 {"binary_all_and", ""},
                 {"binary_all_or", ""},
                 {"binary_all_xor", ""},
                 {"make_set_if", "set_"},
                 {"make_list_if", "list_"},
                 {"makeset", "set_"},
                 {"makelist", "list_"},
                 {"take_any", ""},
                 {"arg_max", "max_"},
                 {"arg_min", "min_"}};
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        if (strcmp(other[i].agg, agg) == 0)
            return other[i].prefix;
    return NULL;
}

const char *wr_name_of_column(struct wr_binder *b, const char *agg, const char *column)
{
    return column && strcmp(agg, "any") == 0 ? join(b, "any_", column) : column;
}

const char *wr_name_of_arg(struct wr_binder *b, const struct wr_kql_ex *call, uint32_t at)
{
    bool arg = strncmp(call->name.text, "arg_", 4) == 0;
    const char *key = arg ? wr_name_of(b, call->args[0]) : NULL;
    char name[256];
    snprintf(name, sizeof name, "%s%.200s", arg ? agg_prefix(call->name.text) : "any", key ? key : "");
    size_t n = strlen(name);
    if (!arg || at)
        snprintf(name + n, sizeof name - n, "_arg%u", at);
    return wr_arena_strndup(b->arena, name, strlen(name));
}

const struct wr_value *wr_bind_written(const struct wr_binder *b, const struct wr_kql_ex *ast)
{
    const struct wr_let *let = ast->kind == WR_KQL_NAME ? wr_let_find(b, ast->name.text) : NULL;
    if (ast->kind == WR_KQL_LITERAL)
        return &ast->value;
    return let && let->kind == WR_LET_CONST ? &let->value : NULL;
}

static const struct wr_value *written_number(const struct wr_binder *b, const struct wr_kql_ex *ast)
{
    const struct wr_value *value = wr_bind_written(b, ast);
    return value && (value->type == WR_LONG || value->type == WR_INT || value->type == WR_REAL) ? value : NULL;
}

static bool is_ifexists(const struct wr_kql_ex *ast)
{
    return ast->kind == WR_KQL_CALL && !ast->is_op && ast->nargs &&
           (strcmp(ast->name.text, "column_ifexists") == 0 || strcmp(ast->name.text, "columnifexists") == 0);
}

static const char *agg_name(struct wr_binder *b, const struct wr_kql_ex *ast)
{
    const char *prefix = agg_prefix(ast->name.text);
    if (strcmp(ast->name.text, "take_any") == 0 && ast->nargs && !wr_name_of(b, ast->args[0]))
        return wr_name_of_arg(b, ast, 0);
    if (!prefix)
        prefix = join(b, ast->name.text, "_");
    bool if_exists = ast->nargs && is_ifexists(ast->args[0]); /* names no aggregate: max_ */
    const char *arg = ast->nargs && !if_exists ? wr_name_of(b, ast->args[0]) : NULL;
    const char *name = prefix ? join(b, prefix, arg ? arg : "") : NULL;
    uint32_t at = strcmp(ast->name.text, "percentile") == 0    ? 1
                  : strcmp(ast->name.text, "percentilew") == 0 ? 2
                                                               : 0;
    if (!name || !at || ast->nargs <= at)
        return name;
    const struct wr_value *p = written_number(b, ast->args[at]); /* percentile_x_99_9 */
    char text[32] = "_";
    if (p)
        snprintf(text, sizeof text, "_%g", p->type == WR_REAL ? p->r : (double)p->i);
    for (char *dot = text; *dot; dot++)
        *dot = *dot == '.' ? '_' : *dot;
    return join(b, name, text);
}

const char *wr_name_of_sorted(struct wr_binder *b, const struct wr_kql_ex *call, uint32_t at)
{
    char none[24];
    const char *array = wr_name_of(b, call->args[at]);
    snprintf(none, sizeof none, "array%u", at);
    return join(b, array ? array : none, "_sorted");
}

/* Functions whose result is named after them: prefix_x, or a name of their own. */
static const char *function_name(struct wr_binder *b, const struct wr_kql_ex *ast)
{
    static const struct {
        const char *fn, *prefix, *fixed;
    } named[] = {
        {"strlen", "strlen_", NULL},
        {"string_size", "string_size_", NULL},
        {"gettype", "type_", NULL},
        {"repeat", "repeat_", NULL},
        {"treepath", "tree_", NULL},
        {"dcount_hll", "dcount_hll_", NULL},
        {"percentile_tdigest", "percentile_tdigest_", NULL},
        {"percentiles_array_tdigest", "percentile_tdigest_", NULL},
        {"hll_merge", NULL, "hll_merged_result"},
        {"tdigest_merge", NULL, "tdigests_merge_result"},
        {"merge_tdigest", NULL, "tdigests_merge_result"},
    };
    if (strcmp(ast->name.text, "array_sort_asc") == 0 || strcmp(ast->name.text, "array_sort_desc") == 0)
        return ast->nargs == 1 ? wr_name_of_sorted(b, ast, 0) : NULL;
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        if (strcmp(ast->name.text, named[i].fn) != 0)
            continue;
        const char *inner = named[i].fixed ? named[i].fixed : wr_name_of(b, ast->args[0]);
        return inner && named[i].prefix ? join(b, named[i].prefix, inner) : inner;
    }
    return NULL;
}

/* The column's own name where it is there; a default has none. */
static const char *name_if_exists(struct wr_binder *b, const struct wr_kql_ex *ast)
{
    const struct wr_value *name = wr_bind_written(b, ast);
    uint16_t col = name && name->type == WR_STRING && b->row
                       ? wr_schema_find(b->row, wr_str_data(&name->s), name->s.len)
                       : (uint16_t)WR_NO_COL;
    return col == WR_NO_COL ? NULL : b->row->cols[col].name;
}

const char *wr_name_of(struct wr_binder *b, const struct wr_kql_ex *ast)
{
    static const char takes_first[] =
        " abs acos asin atan atan2 bin bin_at bin_auto binary_and binary_not binary_or "
        "binary_shift_left binary_shift_right binary_xor bitset_count_ones ceiling cos erf "
        "erfc exp exp10 exp2 floor format_bytes format_datetime format_timespan gamma log "
        "log10 log2 loggamma parse_csv parse_json parse_xml parsejson pow rand round "
        "series_fill_backward series_fill_const series_fill_forward series_fill_linear "
        "series_fir series_iir series_outliers sin split sqrt startofday tan tobool toboolean "
        "todatetime todecimal todouble todynamic toguid tohex toint tolong toobject toreal "
        "tostring totime totimespan ";
    const char *path = path_name(b, ast);
    if (ast->kind == WR_KQL_INDEX && wr_is_sort(ast->args[0]) && ast->args[1]->kind == WR_KQL_LITERAL &&
        ast->args[1]->value.type == WR_LONG && ast->args[1]->value.i < ast->args[0]->nargs)
        return wr_name_of_sorted(b, ast->args[0], (uint32_t)ast->args[1]->value.i);
    if (path || ast->kind != WR_KQL_CALL || ast->is_op)
        return path;
    const char *name = ast->name.text;
    if (strcmp(name, "ingestion_time") == 0)
        return "$IngestionTime";
    if (wr_names_agg(ast))
        return agg_name(b, ast);
    if (!ast->nargs)
        return NULL;
    if (one_of(name, takes_first))
        return wr_name_of(b, ast->args[0]);
    if (is_ifexists(ast))
        return name_if_exists(b, ast->args[0]);
    return function_name(b, ast);
}
