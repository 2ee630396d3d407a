/* Sentinel analytics rules in YAML. Source: Azure-Sentinel's validator of detection templates,
 * 2022-08, and "Create scheduled analytics rules", 2025-01. `confidence` is weir's addition;
 * Sentinel ignores it. */
#include "base/nearest.h"
#include "base/ticks.h"
#include "rules/load/load.h"

#include <string.h>

enum { MAX_LIST = 64 };

#define PERIOD_MAX (14 * WR_TICKS_DAY)

struct reader {
    struct wr_ruleset *set;
    const struct wr_yaml *file;
    const struct wr_yaml_node *map;
    struct wr_rule *rule;
    bool ok;
};

static void take_text(struct reader *r, const char *key, const char **ret)
{
    const char *text = NULL;
    r->ok = wr_yaml_str(r->file, r->map, key, &text) && r->ok;
    if (text && *text)
        *ret = wr_rule_text(r->rule, text, strlen(text), &r->ok);
}

static void need(struct reader *r, const char *key)
{
    const struct wr_yaml_node *v = wr_yaml_get(r->map, key);
    if (v && !wr_yaml_is_null(v) && (v->kind != WR_YAML_SCALAR || v->len))
        return;
    wr_yaml_diag(r->file, v ? v : r->map, WR_ERROR, "a rule needs '%s'", key);
    r->ok = false;
}

static void take_severity(struct reader *r)
{
    const struct wr_yaml_node *v = wr_yaml_get(r->map, "severity");
    const char *text = "Medium";
    r->ok = wr_yaml_str(r->file, r->map, "severity", &text) && r->ok;
    size_t n = strlen(text);
    while (n && text[n - 1] == ' ')
        n--;
    const char *severity = wr_severity_of(text, n);
    if (severity) {
        r->rule->severity = severity;
        return;
    }
    struct wr_diag *d = wr_yaml_diag(r->file, v, WR_ERROR, "severity '%s' is not known", text);
    wr_diag_hint(r->file->diags, d, "write High, Medium, Low or Informational");
    r->ok = false;
}

static void take_list(struct reader *r, const char *key, const char *const **ret, uint32_t *ret_n)
{
    const struct wr_yaml_node *seq;
    if (!wr_yaml_seq(r->file, r->map, key, &seq) || (seq && seq->n > MAX_LIST)) {
        if (seq && seq->n > MAX_LIST)
            wr_yaml_diag(r->file, seq, WR_ERROR, "'%s' has too many entries (64 are read)", key);
        r->ok = false;
        return;
    }
    if (!seq)
        return;
    const char **list = wr_arena_alloc(r->rule->arena, (seq->n + 1) * sizeof *list);
    r->ok = r->ok && list;
    for (uint32_t i = 0; list && i < seq->n; i++) {
        if (seq->items[i]->kind != WR_YAML_SCALAR) {
            wr_yaml_diag(r->file, seq->items[i], WR_ERROR, "'%s' takes texts", key);
            r->ok = false;
            return;
        }
        list[i] = wr_rule_text(r->rule, seq->items[i]->text, seq->items[i]->len, &r->ok);
    }
    *ret = list;
    *ret_n = seq->n;
}

/* T1071 or T1071.003 */
static bool is_technique(const char *t)
{
    size_t n = strlen(t);
    return *t == 'T' && (n == 5 || (n == 9 && t[5] == '.')) &&
           strspn(t + 1, "0123456789.") == n - 1;
}

static void take_techniques(struct reader *r)
{
    struct wr_rule *rule = r->rule;
    const char *key =
        wr_yaml_get(r->map, "relevantTechniques") ? "relevantTechniques" : "techniques";
    take_list(r, key, &rule->techniques, &rule->ntechniques);
    for (uint32_t i = 0; i < rule->ntechniques; i++)
        if (!is_technique(rule->techniques[i]))
            wr_yaml_diag(r->file, wr_yaml_get(r->map, key)->items[i], WR_WARNING,
                         "'%s' does not look like a technique (T1071 or T1071.003)",
                         rule->techniques[i]);
}

/* ---- when it runs ---- */

static bool word_in(const char *text, const char *const *words)
{
    for (; *words; words++) {
        struct wr_str a = wr_str_borrow(text, strlen(text)),
                      b = wr_str_borrow(*words, strlen(*words));
        if (wr_str_eq_nocase(&a, &b))
            return true;
    }
    return false;
}

static void check_trigger(struct reader *r)
{
    static const char *const known[] = {"gt",       "lt",    "eq",       "ne", "GreaterThan",
                                        "LessThan", "Equal", "NotEqual", NULL};
    const char *op = "gt";
    int64_t threshold = 0;
    r->ok = wr_yaml_str(r->file, r->map, "triggerOperator", &op) && r->ok;
    r->ok = wr_yaml_int(r->file, r->map, "triggerThreshold", 0, 10000, &threshold) && r->ok;
    if (!word_in(op, known)) {
        wr_yaml_diag(r->file, wr_yaml_get(r->map, "triggerOperator"), WR_ERROR,
                     "triggerOperator '%s' is none of gt, lt, eq, ne", op);
        r->ok = false;
        return;
    }
    for (int i = 0; i < 8; i++)
        if (word_in(op, (const char *const[]){known[i], NULL}))
            r->rule->schedule.op = (enum wr_trigger)(i % 4);
    r->rule->schedule.threshold = threshold;
    r->rule->windowed |= r->rule->schedule.op != WR_TRIGGER_GT || threshold;
}

static void check_rest(struct reader *r)
{
    static const char *const known[] = {"id",
                                        "name",
                                        "version",
                                        "kind",
                                        "description",
                                        "severity",
                                        "confidence",
                                        "query",
                                        "queryFrequency",
                                        "queryPeriod",
                                        "triggerOperator",
                                        "triggerThreshold",
                                        "tactics",
                                        "relevantTechniques",
                                        "techniques",
                                        "requiredDataConnectors",
                                        "entityMappings",
                                        "customDetails",
                                        "alertDetailsOverride",
                                        "eventGroupingSettings",
                                        "suppressionEnabled",
                                        "suppressionDuration",
                                        "status",
                                        "enabled",
                                        "tags",
                                        "incidentConfiguration",
                                        "sentinelEntitiesMappings",
                                        "alertRuleTemplateName",
                                        "metadata",
                                        NULL};
    const struct wr_yaml_node *grouping;
    const char *kind = "AlertPerResult";
    bool suppressed = false;
    wr_yaml_only(r->file, r->map, known, WR_WARNING);
    check_trigger(r);
    r->ok = wr_yaml_map(r->file, r->map, "eventGroupingSettings", &grouping) && r->ok;
    r->ok = wr_yaml_str(r->file, grouping, "aggregationKind", &kind) && r->ok;
    static const char *const single[] = {"SingleAlert", NULL};
    r->rule->schedule.single = word_in(kind, single);
    r->rule->windowed |= r->rule->schedule.single;
    r->ok = wr_yaml_bool(r->file, r->map, "suppressionEnabled", &suppressed) && r->ok;
    int64_t quiet = 5 * WR_TICKS_HOUR; /* Sentinel's default */
    r->ok = wr_yaml_ticks(r->file, r->map, "suppressionDuration", WR_TICKS_SECOND, WR_TICKS_DAY, &quiet) &&
            r->ok;
    r->rule->schedule.suppression = suppressed ? quiet : 0;
    r->rule->windowed |= suppressed;
}

/* Other kinds of rule that share the file format. */
static bool is_analytics_rule(struct reader *r)
{
    static const char *const kinds[] = {"Scheduled", "NRT", NULL};
    const char *kind = "Scheduled";
    const struct wr_yaml_node *summary = wr_yaml_get(r->map, "destinationTable");
    if (summary) {
        wr_yaml_diag(r->file, summary, WR_ERROR, "summary rules are not supported yet");
        return false;
    }
    if (!wr_yaml_str(r->file, r->map, "kind", &kind))
        return false;
    if (word_in(kind, kinds))
        return true;
    wr_yaml_diag(r->file, wr_yaml_get(r->map, "kind"), WR_ERROR,
                 "rules of kind '%s' are not supported yet", kind);
    return false;
}

/* ---- entities ---- */

static bool take_field(struct reader *r, const char *type, const struct wr_yaml_node *field,
                       struct wr_rule_entity *ret)
{
    const char *identifier = NULL, *column = NULL;
    const struct wr_schema *schema = r->rule->plan->root->schema;
    if (!wr_yaml_str(r->file, field, "identifier", &identifier) ||
        !wr_yaml_str(r->file, field, "columnName", &column))
        return false;
    if (!identifier || !column) {
        wr_yaml_diag(r->file, field, WR_ERROR,
                     "a field mapping needs 'identifier' and 'columnName'");
        return false;
    }
    bool ok = true;
    ret->type = type;
    ret->identifier = wr_rule_text(r->rule, identifier, strlen(identifier), &ok);
    ret->col = wr_schema_find(schema, column, strlen(column));
    if (ret->col != WR_NO_COL)
        return ok;
    struct wr_diag *d = wr_yaml_diag(r->file, wr_yaml_get(field, "columnName"), WR_ERROR,
                                     "the query's result has no column '%s'", column);
    struct wr_nearest near = wr_nearest_to(column, strlen(column));
    for (uint16_t i = 0; i < schema->ncols; i++)
        wr_nearest_try(&near, schema->cols[i].name, strlen(schema->cols[i].name));
    if (near.best)
        wr_diag_hint(r->file->diags, d, "did you mean '%s'?", near.best);
    return false;
}

static bool take_mapping(struct reader *r, const struct wr_yaml_node *mapping,
                         struct wr_rule_entity *entities)
{
    const char *type = NULL;
    const struct wr_yaml_node *fields;
    if (!wr_yaml_str(r->file, mapping, "entityType", &type) ||
        !wr_yaml_seq(r->file, mapping, "fieldMappings", &fields))
        return false;
    if (!type || !fields) {
        wr_yaml_diag(r->file, mapping, WR_ERROR,
                     "an entity mapping needs 'entityType' and 'fieldMappings'");
        return false;
    }
    bool ok = true;
    const char *own = wr_rule_text(r->rule, type, strlen(type), &ok);
    for (uint32_t i = 0; ok && i < fields->n && r->rule->nentities < MAX_LIST; i++)
        ok = take_field(r, own, fields->items[i], &entities[r->rule->nentities++]);
    return ok;
}

static bool take_entities(struct reader *r)
{
    const struct wr_yaml_node *seq;
    if (!wr_yaml_seq(r->file, r->map, "entityMappings", &seq))
        return false;
    if (!seq)
        return wr_rule_custom_entities(r->rule);
    struct wr_rule_entity *entities = wr_arena_alloc(r->rule->arena, MAX_LIST * sizeof *entities);
    bool ok = entities != NULL;
    for (uint32_t i = 0; ok && i < seq->n; i++)
        ok = take_mapping(r, seq->items[i], entities);
    r->rule->entities = entities;
    return ok;
}

/* ---- one rule ---- */

static void take_meta(struct reader *r)
{
    struct wr_rule *rule = r->rule;
    need(r, "id");
    need(r, "name");
    need(r, "query");
    take_text(r, "id", &rule->id);
    take_text(r, "name", &rule->name);
    take_text(r, "version", &rule->version);
    take_text(r, "description", &rule->description);
    take_text(r, "confidence", &rule->confidence);
    take_severity(r);
    take_list(r, "tactics", &rule->tactics, &rule->ntactics);
    take_techniques(r);
    check_rest(r);
}

static bool compile(struct reader *r)
{
    int64_t period = 0;
    r->ok = wr_yaml_ticks(r->file, r->map, "queryPeriod", WR_TICKS_SECOND, PERIOD_MAX, &period) &&
            r->ok;
    r->ok = wr_yaml_ticks(r->file, r->map, "queryFrequency", WR_TICKS_SECOND, PERIOD_MAX,
                          &r->rule->frequency) &&
            r->ok;
    const char *kind = "Scheduled";
    r->ok = wr_yaml_str(r->file, r->map, "kind", &kind) && r->ok;
    static const char *const nrt[] = {"NRT", NULL};
    if (word_in(kind, nrt)) {
        r->rule->frequency = WR_TICKS_MINUTE;
        r->rule->schedule.by_arrival = true;
    } else if (!r->rule->frequency && r->rule->windowed) {
        r->rule->frequency = 5 * WR_TICKS_HOUR; /* Sentinel's default */
    }
    r->rule->schedule.frequency = r->rule->frequency;
    const struct wr_yaml_node *query = wr_yaml_get(r->map, "query");
    if (!r->ok || query->kind != WR_YAML_SCALAR) {
        if (r->ok)
            wr_yaml_diag(r->file, query, WR_ERROR, "'query' must be a text");
        return false;
    }
    struct wr_source src = {.name = r->file->source->name,
                            .text = query->text,
                            .len = query->len,
                            .line0 = query->text_line,
                            .indent = query->text_indent};
    return wr_rule_compile(r->set, r->rule, &src, period, r->file->diags) && take_entities(r) &&
           wr_load_details(r->file, r->map, r->rule);
}

static bool read_rule(struct wr_ruleset *set, const struct wr_yaml *file,
                      const struct wr_yaml_node *map)
{
    struct reader r = {.set = set, .file = file, .map = map, .ok = true};
    bool enabled = true;
    if (map->kind != WR_YAML_MAPPING) {
        wr_yaml_diag(file, map, WR_ERROR, "a rule is a mapping: id, name, query, ...");
        return false;
    }
    if (!is_analytics_rule(&r) || !wr_yaml_bool(file, map, "enabled", &enabled))
        return false;
    if (!enabled) {
        wr_yaml_diag(file, wr_yaml_get(map, "enabled"), WR_NOTE,
                     "this rule is switched off in its file");
        return true;
    }
    r.rule = wr_rule_new(file->source->name);
    if (!r.rule)
        return false;
    take_meta(&r);
    if (r.ok && compile(&r))
        return wr_ruleset_push(set, r.rule, file->diags);
    bool left_out = r.rule->left_out;
    wr_rule_free(r.rule);
    return left_out;
}

bool wr_load_sentinel(struct wr_ruleset *set, const char *name, const char *text, size_t len,
                      struct wr_diags *diags)
{
    struct wr_yaml *file = wr_yaml_new(name, text, len, diags);
    if (!file)
        return false;
    bool ok = true;
    if (!file->ndocs) {
        wr_diag_file(diags, WR_ERROR, name, 0, "the file is empty");
        ok = false;
    }
    for (uint32_t i = 0; i < file->ndocs; i++)
        ok = read_rule(set, file, file->docs[i]) && ok;
    wr_yaml_free(file);
    return ok;
}
