/* `lists:` of the configuration: what rules read beside events. */
#include "base/ticks.h"
#include "base/yaml.h"
#include "collector/config/config.h"

#include <string.h>

struct reader {
    struct wr_config *config;
    const struct wr_yaml *file;
    bool failed;
};

static const char *keep(struct reader *r, const char *text)
{
    const char *own = text ? wr_arena_strndup(r->config->arena, text, strlen(text)) : NULL;
    r->failed |= text && !own;
    return own;
}

/* { name: type, ... } */
static void take_columns(struct reader *r, const struct wr_yaml_node *map, struct wr_list_def *def)
{
    struct wr_list_col *cols = wr_arena_alloc(r->config->arena, (map->n + 1) * sizeof *cols);
    r->failed |= !cols;
    for (uint32_t i = 0; cols && i < map->n; i++) {
        const struct wr_yaml_node *type = map->pairs[i].value;
        cols[i].name = keep(r, map->pairs[i].key->text);
        if (type->kind == WR_YAML_SCALAR && wr_type_parse(type->text, type->len, &cols[i].type))
            continue;
        struct wr_diag *d = wr_yaml_diag(r->file, type, WR_ERROR, "this is no type of a column");
        wr_diag_hint(r->file->diags, d, "bool, int, long, real, decimal, string, datetime, timespan, guid or dynamic");
    }
    def->cols = cols;
    def->ncols = cols ? map->n : 0;
}

static void take_properties(struct reader *r, const struct wr_yaml_node *map, struct wr_list_config *l)
{
    static const char *const known[] = {"file", "format", "key", "columns", "missing", NULL};
    const char *text = NULL, *format = NULL, *missing = NULL;
    const struct wr_yaml_node *columns = NULL;
    (void)wr_yaml_only(r->file, map, known, WR_ERROR); /* counted in the list of messages */
    if (wr_yaml_str(r->file, map, "file", &text))
        l->file = keep(r, text);
    if (wr_yaml_str(r->file, map, "key", &(l->def.key)))
        l->def.key = keep(r, l->def.key);
    if (wr_yaml_str(r->file, map, "format", &format) && format &&
        !wr_list_format_parse(format, strlen(format), &l->def.format)) {
        struct wr_diag *d = wr_yaml_diag(r->file, wr_yaml_get(map, "format"), WR_ERROR, "no format '%s'", format);
        wr_diag_hint(r->file->diags, d, "csv, tsv, psv, scsv, txt, raw, json or multijson");
    }
    if (wr_yaml_map(r->file, map, "columns", &columns) && columns)
        take_columns(r, columns, &l->def);
    if (wr_yaml_str(r->file, map, "missing", &missing) && missing) {
        l->def.empty = strcmp(missing, "empty") == 0;
        if (!l->def.empty)
            wr_yaml_diag(r->file, wr_yaml_get(map, "missing"), WR_ERROR, "missing is empty, or left out");
    }
}

/* name: file, or name: { file, ... } */
static void take_list(struct reader *r, const struct wr_yaml_pair *pair, enum wr_list_kind kind)
{
    struct wr_list_config *l = wr_arena_alloc(r->config->arena, sizeof *l);
    if (!l) {
        r->failed = true;
        return;
    }
    l->def = (struct wr_list_def){.kind = kind, .name = keep(r, pair->key->text)};
    if (pair->value->kind == WR_YAML_MAPPING)
        take_properties(r, pair->value, l);
    else if (pair->value->kind == WR_YAML_SCALAR && pair->value->len)
        l->file = keep(r, pair->value->text);
    if (!l->file && !l->def.empty) {
        struct wr_diag *d = wr_yaml_diag(r->file, pair->key, WR_ERROR, "the list '%s' has no file", pair->key->text);
        wr_diag_hint(r->file->diags, d, "name one, or write missing: empty");
    }
    if (kind == WR_LIST_TABLE && !l->def.ncols)
        l->def.cols = wr_refdata_known(pair->key->text, &l->def.ncols);
    if (!l->file && kind == WR_LIST_TABLE && !l->def.ncols)
        wr_yaml_diag(r->file, pair->key, WR_ERROR, "a table without a file needs `columns`");
    if (!r->config->lists_end)
        r->config->lists_end = &r->config->lists;
    *r->config->lists_end = l;
    r->config->lists_end = &l->next;
}

static void take_functions(struct reader *r, const struct wr_yaml_node *node)
{
    uint32_t n = node->kind == WR_YAML_SEQUENCE ? node->n : 1;
    for (uint32_t i = 0; i < n; i++) {
        const struct wr_yaml_node *item = node->kind == WR_YAML_SEQUENCE ? node->items[i] : node;
        if (item->kind != WR_YAML_SCALAR || r->config->nfunctions == WR_CONFIG_MAX_FUNCTIONS)
            wr_yaml_diag(r->file, item, WR_ERROR, "functions is a directory, or a list of at most 16");
        else
            r->config->functions[r->config->nfunctions++] = keep(r, item->text);
    }
}

bool wr_config_read_lists(struct wr_config *config, const struct wr_yaml *file, const struct wr_yaml_node *root)
{
    static const char *const known[] = {"watchlists", "externaldata", "tables", "functions", "geo", "check", NULL};
    static const struct {
        const char *key;
        enum wr_list_kind kind;
    } maps[] = {{"watchlists", WR_LIST_WATCHLIST}, {"externaldata", WR_LIST_ADDRESS}, {"tables", WR_LIST_TABLE}};
    struct reader r = {.config = config, .file = file};
    const struct wr_yaml_node *lists = NULL, *map;
    if (!wr_yaml_map(file, root, "lists", &lists) || !lists)
        return true;
    (void)wr_yaml_only(file, lists, known, WR_ERROR);
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
        map = NULL;
        if (wr_yaml_map(file, lists, maps[i].key, &map) && map)
            for (uint32_t k = 0; k < map->n; k++)
                take_list(&r, &map->pairs[k], maps[i].kind);
    }
    const struct wr_yaml_node *functions = wr_yaml_get(lists, "functions");
    if (functions && !wr_yaml_is_null(functions))
        take_functions(&r, functions);
    const char *geo = NULL;
    if (wr_yaml_str(file, lists, "geo", &geo))
        config->geo = keep(&r, geo);
    int64_t ticks = config->lists_check_ns / 100;
    if (wr_yaml_ticks(file, lists, "check", WR_TICKS_SECOND / 10, WR_TICKS_DAY, &ticks))
        config->lists_check_ns = ticks * 100;
    return !r.failed;
}
