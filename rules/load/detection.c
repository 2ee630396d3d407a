/* A custom detection of Defender XDR: where its fields stand, and what Sentinel's are called.
 * Source: Microsoft Graph detectionRule, alertTemplate, entityMappingConfiguration (2026-08);
 * "Custom detection rules" for how far a detection looks back. */
#include "base/ticks.h"
#include "rules/load/load.h"

#include <stdio.h>
#include <string.h>

enum { MAX_LIST = 64 };

static const struct wr_yaml_node *at(const struct wr_yaml_node *map, const char *a, const char *b)
{
    return wr_yaml_get(wr_yaml_get(map, a), b);
}

/* ---- when ---- */

/* How far a detection looks back, where its file does not say: by how often it runs. */
static int64_t look_back(int64_t every)
{
    static const struct {
        int64_t every, back;
    } table[] = {{WR_TICKS_HOUR, 4 * WR_TICKS_HOUR},
                 {3 * WR_TICKS_HOUR, 12 * WR_TICKS_HOUR},
                 {12 * WR_TICKS_HOUR, 2 * WR_TICKS_DAY},
                 {WR_TICKS_DAY, 30 * WR_TICKS_DAY}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (every <= table[i].every)
            return table[i].back;
    return 30 * WR_TICKS_DAY;
}

bool wr_detection_times(const struct wr_yaml *file, const struct wr_rule_form *form, int64_t *ret_every,
                        int64_t *ret_period)
{
    const struct wr_yaml_node *schedule = wr_yaml_get(form->map, "schedule");
    const struct wr_yaml_node *source = at(form->provenance, "source", "schedule");
    const char *zero = wr_yaml_text(schedule, "period");
    bool ok = true;
    if (strcmp(zero, "0") != 0)
        ok = wr_yaml_ticks(file, schedule, wr_yaml_get(schedule, "frequency") ? "frequency" : "period", 0,
                           30 * WR_TICKS_DAY, ret_every);
    ok = wr_yaml_ticks(file, schedule, "lookback", 0, 30 * WR_TICKS_DAY, ret_period) && ok;
    if (!*ret_period)
        ok = wr_yaml_ticks(file, source, "queryPeriod", 0, 30 * WR_TICKS_DAY, ret_period) && ok;
    if (!*ret_period && *ret_every)
        *ret_period = look_back(*ret_every);
    return ok;
}

const struct wr_yaml_node *wr_detection_query(const struct wr_rule_form *form)
{
    return at(form->map, "queryCondition", "queryText");
}

const struct wr_yaml_node *wr_detection_alert(const struct wr_rule_form *form)
{
    return at(form->map, "detectionAction", "alertTemplate");
}

/* ---- tactics and techniques ---- */

static void add(struct wr_rule *rule, const char **list, uint32_t *n, const struct wr_yaml_node *v, bool *ok)
{
    if (v && v->kind == WR_YAML_SCALAR && v->len && *n < MAX_LIST)
        list[(*n)++] = wr_rule_text(rule, v->text, v->len, ok);
}

static void add_all(struct wr_rule *rule, const char **list, uint32_t *n, const struct wr_yaml_node *seq,
                    bool *ok)
{
    for (uint32_t i = 0; seq && seq->kind == WR_YAML_SEQUENCE && i < seq->n; i++)
        add(rule, list, n, seq->items[i], ok);
}

bool wr_detection_tactics(const struct wr_rule_form *form, struct wr_rule *rule)
{
    const struct wr_yaml_node *alert = wr_detection_alert(form), *seq = wr_yaml_get(alert, "tactics");
    const char **tactics = wr_arena_alloc(rule->arena, MAX_LIST * sizeof *tactics);
    const char **techniques = wr_arena_alloc(rule->arena, MAX_LIST * sizeof *techniques);
    bool ok = tactics && techniques;
    if (!ok)
        return false;
    add(rule, tactics, &rule->ntactics, wr_yaml_get(alert, "category"), &ok);
    add_all(rule, techniques, &rule->ntechniques, wr_yaml_get(alert, "mitreTechniques"), &ok);
    for (uint32_t i = 0; seq && seq->kind == WR_YAML_SEQUENCE && i < seq->n; i++) {
        const struct wr_yaml_node *under = wr_yaml_get(seq->items[i], "techniques");
        add(rule, tactics, &rule->ntactics, wr_yaml_get(seq->items[i], "tactic"), &ok);
        for (uint32_t k = 0; under && under->kind == WR_YAML_SEQUENCE && k < under->n; k++) {
            add(rule, techniques, &rule->ntechniques, wr_yaml_get(under->items[k], "technique"), &ok);
            add_all(rule, techniques, &rule->ntechniques, wr_yaml_get(under->items[k], "subTechniques"), &ok);
        }
    }
    rule->tactics = tactics;
    rule->techniques = techniques;
    return ok;
}

/* ---- entities ---- */

/* What Sentinel calls a kind of entity. */
static const char *entity_type(const char *kind)
{
    static const char *const kinds[][2] = {
        {"ips", "IP"},          {"hosts", "Host"}, {"accounts", "Account"},  {"urls", "URL"},
        {"dns", "DNS"},         {"files", "File"}, {"processes", "Process"}, {"fileHashes", "FileHash"},
        {"malwares", "Malware"}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i][0], kind) == 0)
            return kinds[i][1];
    return NULL;
}

/* addressColumn is Address; a host's name is its HostName. */
static const char *identifier(struct wr_rule *rule, const char *type, const char *key, size_t len, bool *ok)
{
    char name[64];
    snprintf(name, sizeof name, "%s%.*s", strcmp(type, "Host") == 0 && len == 4 ? "Host" : "",
             (int)(len < 50 ? len : 50), key);
    size_t first = strcmp(name, "Hostname") == 0 ? 4 : 0;
    if (name[first] >= 'a' && name[first] <= 'z')
        name[first] = (char)(name[first] - 'a' + 'A');
    return wr_rule_text(rule, name, strlen(name), ok);
}

/* Every key that ends in Column names a column of the result. */
static bool one_entity(const struct wr_yaml *file, struct wr_rule *rule, const char *type,
                       const struct wr_yaml_node *map, struct wr_rule_entity *list)
{
    bool ok = true;
    for (uint32_t i = 0; ok && map->kind == WR_YAML_MAPPING && i < map->n && rule->nentities < MAX_LIST;
         i++) {
        const struct wr_yaml_node *key = map->pairs[i].key, *value = map->pairs[i].value;
        if (key->len <= 6 || strcmp(key->text + key->len - 6, "Column") != 0 ||
            value->kind != WR_YAML_SCALAR || wr_yaml_is_null(value) || !value->len)
            continue;
        struct wr_rule_entity *e = &list[rule->nentities];
        e->col = wr_load_column(file, rule, value, value->text, value->len);
        e->type = type;
        e->identifier = identifier(rule, type, key->text, key->len - 6, &ok);
        rule->nentities += e->col != WR_NO_COL;
    }
    return ok;
}

bool wr_detection_entities(const struct wr_yaml *file, const struct wr_rule_form *form, struct wr_rule *rule)
{
    const struct wr_yaml_node *map = wr_yaml_get(wr_detection_alert(form), "entityMappings");
    struct wr_rule_entity *list = wr_arena_alloc(rule->arena, MAX_LIST * sizeof *list);
    bool ok = list != NULL;
    rule->entities = list;
    for (uint32_t i = 0; ok && map && map->kind == WR_YAML_MAPPING && i < map->n; i++) {
        const struct wr_yaml_node *seq = map->pairs[i].value;
        const char *type = entity_type(map->pairs[i].key->text);
        for (uint32_t k = 0; ok && type && seq->kind == WR_YAML_SEQUENCE && k < seq->n; k++)
            ok = one_entity(file, rule, type, seq->items[k], list);
    }
    return ok && (rule->nentities || wr_rule_custom_entities(rule));
}
