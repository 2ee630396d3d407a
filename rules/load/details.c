/* customDetails and alertDetailsOverride of a Sentinel rule: which columns of the result an alert shows under names of their
 * own, and which replace its title, text, severity and tactics. Source: Microsoft Sentinel "Surface custom event details in
 * alerts", "Customize alert details". */
#include "base/nearest.h"
#include "rules/load/load.h"

#include <string.h>

enum { MAX_DETAILS = 20, MAX_PLACEHOLDERS = 3, MAX_PROPERTIES = 20 };

struct reader {
    const struct wr_yaml *file;
    struct wr_rule *rule;
};

uint16_t wr_load_column(const struct wr_yaml *file, const struct wr_rule *rule, const struct wr_yaml_node *at, const char *name,
                        size_t len)
{
    const struct wr_schema *schema = rule->plan->root->schema;
    uint16_t col = wr_schema_find(schema, name, len);
    if (col != WR_NO_COL)
        return col;
    struct wr_diag *d = wr_yaml_diag(file, at, WR_WARNING, "the query's result has no column '%.*s': alerts go without it", (int)len, name);
    struct wr_nearest near = wr_nearest_to(name, len);
    for (uint16_t i = 0; i < schema->ncols; i++)
        wr_nearest_try(&near, schema->cols[i].name, strlen(schema->cols[i].name));
    if (near.best)
        wr_diag_hint(file->diags, d, "did you mean '%s'?", near.best);
    return WR_NO_COL;
}

static bool add_detail(struct reader *r, const char *key, const struct wr_yaml_node *at, const char *name)
{
    bool ok = true;
    struct wr_rule_detail *d = &((struct wr_rule_detail *)r->rule->details)[r->rule->ndetails];
    d->col = wr_load_column(r->file, r->rule, at, name, strlen(name));
    if (d->col == WR_NO_COL)
        return true;
    d->key = wr_rule_text(r->rule, key, strlen(key), &ok);
    r->rule->ndetails += ok;
    return ok;
}

static bool custom(struct reader *r, const struct wr_yaml_node *map)
{
    bool ok = map->n <= MAX_DETAILS;
    if (!ok)
        wr_yaml_diag(r->file, map, WR_ERROR, "customDetails takes 20 at most");
    for (uint32_t i = 0; i < map->n && ok; i++) {
        const struct wr_yaml_node *value = map->pairs[i].value;
        ok = value->kind == WR_YAML_SCALAR && add_detail(r, map->pairs[i].key->text, value, value->text);
        if (value->kind != WR_YAML_SCALAR)
            wr_yaml_diag(r->file, value, WR_ERROR, "a custom detail is a column's name");
    }
    return ok;
}

/* Text with {{Column}} in it, cut into pieces. */
static bool format(struct reader *r, const struct wr_yaml_node *map, const char *key, struct wr_rule_format *ret)
{
    const char *text = NULL;
    bool ok = wr_yaml_str(r->file, map, key, &text);
    const struct wr_yaml_node *at = wr_yaml_get(map, key);
    if (!ok || !text || !*text)
        return ok;
    struct wr_rule_piece *pieces = wr_arena_alloc(r->rule->arena, (2 * MAX_PLACEHOLDERS + 1) * sizeof *pieces);
    bool whole = true;
    ok = pieces != NULL;
    for (const char *p = text; ok && *p;) {
        const char *open = strstr(p, "{{"), *close = open ? strstr(open, "}}") : NULL;
        size_t len = close ? (size_t)(open - p) : strlen(p);
        pieces[ret->n].col = WR_NO_COL;
        pieces[ret->n++].text = wr_arena_strndup(r->rule->arena, p, len);
        ok = pieces[ret->n - 1].text != NULL;
        if (!close)
            break;
        if (ret->n >= 2 * MAX_PLACEHOLDERS) {
            wr_yaml_diag(r->file, at, WR_ERROR, "'%s' takes three columns at most", key);
            return false;
        }
        for (open += 2; *open == ' '; open++)
            ;
        p = close + 2;
        while (close > open && close[-1] == ' ')
            close--;
        pieces[ret->n].col = wr_load_column(r->file, r->rule, at, open, (size_t)(close - open));
        whole &= pieces[ret->n++].col != WR_NO_COL;
    }
    ret->pieces = pieces;
    if (!whole)
        ret->n = 0; /* the rule's own stands, as where a value is empty */
    return ok;
}

bool wr_load_format(const struct wr_yaml *file, struct wr_rule *rule, const struct wr_yaml_node *map, const char *key,
                    struct wr_rule_format *ret)
{
    return format(&(struct reader){file, rule}, map, key, ret);
}

static bool one_column(struct reader *r, const struct wr_yaml_node *map, const char *key, uint16_t *ret)
{
    const char *name = NULL;
    if (!wr_yaml_str(r->file, map, key, &name))
        return false;
    if (name && *name)
        *ret = wr_load_column(r->file, r->rule, wr_yaml_get(map, key), name, strlen(name));
    return true;
}

static bool properties(struct reader *r, const struct wr_yaml_node *seq)
{
    for (uint32_t i = 0; i < seq->n; i++) {
        const char *property = NULL, *value = NULL;
        if (!wr_yaml_str(r->file, seq->items[i], "alertProperty", &property) ||
            !wr_yaml_str(r->file, seq->items[i], "value", &value))
            return false;
        if (!property || !value || i == MAX_PROPERTIES) {
            wr_yaml_diag(r->file, seq->items[i], WR_ERROR, "a dynamic property has 'alertProperty' and 'value'; 20 at most");
            return false;
        }
        if (!add_detail(r, property, seq->items[i], value))
            return false;
    }
    return true;
}

bool wr_load_details(const struct wr_yaml *file, const struct wr_yaml_node *map, struct wr_rule *rule)
{
    struct reader r = {file, rule};
    const struct wr_yaml_node *details = NULL, *override = NULL, *dynamic = NULL;
    rule->details = wr_arena_alloc(rule->arena, (MAX_DETAILS + MAX_PROPERTIES) * sizeof *rule->details);
    rule->severity_col = rule->tactics_col = WR_NO_COL;
    if (!rule->details || !wr_yaml_map(file, map, "customDetails", &details) ||
        !wr_yaml_map(file, map, "alertDetailsOverride", &override) || (details && !custom(&r, details)))
        return false;
    static const char *const known[] = {"alertDisplayNameFormat", "alertDescriptionFormat", "alertSeverityColumnName",
                                        "alertTacticsColumnName", "alertDynamicProperties", NULL};
    if (override)
        (void)wr_yaml_only(file, override, known, WR_WARNING);
    return !override || (format(&r, override, "alertDisplayNameFormat", &rule->title_format) &&
                         format(&r, override, "alertDescriptionFormat", &rule->description_format) &&
                         one_column(&r, override, "alertSeverityColumnName", &rule->severity_col) &&
                         one_column(&r, override, "alertTacticsColumnName", &rule->tactics_col) &&
                         wr_yaml_seq(file, override, "alertDynamicProperties", &dynamic) &&
                         (!dynamic || properties(&r, dynamic)));
}
