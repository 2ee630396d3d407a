/* Sentinel analytics rules: in YAML as repositories have them, and exported (exported.c finds those). Source: Azure-Sentinel's validator of detection templates,
 * 2022-08, and "Create scheduled analytics rules", 2025-01. `confidence` is weir's addition;
 * Sentinel ignores it. */
#include "base/ticks.h"
#include "rules/load/load.h"

#include <stdio.h>
#include <string.h>

enum { MAX_LIST = 64 };

#define PERIOD_MAX (14 * WR_TICKS_DAY)

struct reader {
    struct wr_ruleset *set;
    const struct wr_yaml *file;
    const struct wr_yaml_node *map;
    const struct wr_rule_form *form;
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

/* `subTechniques` of an export stand beside its `techniques`. */
static void add_sub_techniques(struct reader *r)
{
    const char *const *own = r->rule->techniques, *const *sub = NULL;
    uint32_t nown = r->rule->ntechniques, nsub = 0;
    take_list(r, "subTechniques", &sub, &nsub);
    const char **all = nsub ? wr_arena_alloc(r->rule->arena, (nown + nsub) * sizeof *all) : NULL;
    if (!all)
        return;
    if (nown)
        memcpy(all, own, nown * sizeof *all);
    memcpy(all + nown, sub, nsub * sizeof *all);
    r->rule->techniques = all;
    r->rule->ntechniques = nown + nsub;
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
    if (r->form->exported)
        add_sub_techniques(r);
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
    if (!r->form->exported)
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
    const char *kind = *r->form->kind ? r->form->kind : "Scheduled";
    const struct wr_yaml_node *summary = wr_yaml_get(r->map, "destinationTable");
    if (summary) {
        wr_yaml_diag(r->file, summary, WR_ERROR, "summary rules are not supported yet");
        return false;
    }
    if (r->form->detection)
        return true;
    if (!*r->form->kind && !wr_yaml_str(r->file, r->map, "kind", &kind))
        return false;
    if (word_in(kind, kinds))
        return true;
    const struct wr_yaml_node *at = wr_yaml_get(r->map, "kind");
    wr_yaml_diag(r->file, at ? at : r->map, WR_ERROR, "rules of kind '%s' are not supported yet", kind);
    return false;
}

/* ---- entities ---- */

static bool take_field(struct reader *r, const char *type, const struct wr_yaml_node *field,
                       struct wr_rule_entity *ret)
{
    const char *identifier = NULL, *column = NULL;
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
    ret->col = wr_load_column(r->file, r->rule, wr_yaml_get(field, "columnName"), column, strlen(column));
    return ok;
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
    for (uint32_t i = 0; ok && i < fields->n && r->rule->nentities < MAX_LIST; i++) {
        struct wr_rule_entity *entity = &entities[r->rule->nentities];
        ok = take_field(r, own, fields->items[i], entity);
        r->rule->nentities += ok && entity->col != WR_NO_COL;
    }
    return ok;
}

static bool take_entities(struct reader *r)
{
    const struct wr_yaml_node *seq;
    if (r->form->detection)
        return wr_detection_entities(r->file, r->form, r->rule);
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

static void take_detection(struct reader *r)
{
    const struct wr_yaml_node *own = r->map;
    r->map = wr_detection_alert(r->form);
    take_text(r, "description", &r->rule->description);
    take_severity(r);
    r->map = own;
    r->ok = wr_detection_tactics(r->form, r->rule) && r->ok;
}

static void take_meta(struct reader *r)
{
    struct wr_rule *rule = r->rule;
    bool exported = r->form->exported;
    if (!exported) {
        need(r, "id");
        need(r, "query");
        take_text(r, "id", &rule->id);
    } else {
        rule->id = wr_rule_text(rule, r->form->id, r->form->id_len, &r->ok);
    }
    need(r, exported ? "displayName" : "name");
    take_text(r, exported ? "displayName" : "name", &rule->name);
    if (r->form->detection) {
        take_detection(r);
        return;
    }
    take_text(r, exported ? "templateVersion" : "version", &rule->version);
    take_text(r, "description", &rule->description);
    take_text(r, "confidence", &rule->confidence);
    take_severity(r);
    take_list(r, "tactics", &rule->tactics, &rule->ntactics);
    take_techniques(r);
    check_rest(r);
}

static int64_t take_times(struct reader *r)
{
    static const char *const nrt[] = {"NRT", NULL};
    struct wr_rule *rule = r->rule;
    const char *kind = *r->form->kind ? r->form->kind : "Scheduled";
    int64_t period = 0;
    if (r->form->detection) {
        r->ok = wr_detection_times(r->file, r->form, &rule->frequency, &period) && r->ok;
    } else {
        r->ok = wr_yaml_ticks(r->file, r->map, "queryPeriod", WR_TICKS_SECOND, PERIOD_MAX, &period) && r->ok;
        r->ok = wr_yaml_ticks(r->file, r->map, "queryFrequency", WR_TICKS_SECOND, PERIOD_MAX, &rule->frequency) && r->ok;
        r->ok = (*r->form->kind || wr_yaml_str(r->file, r->map, "kind", &kind)) && r->ok;
    }
    if (word_in(kind, nrt) || (r->form->detection && !rule->frequency)) {
        rule->frequency = WR_TICKS_MINUTE;
        rule->schedule.by_arrival = true;
    } else if (!rule->frequency && rule->windowed) {
        rule->frequency = 5 * WR_TICKS_HOUR; /* Sentinel's default */
    }
    rule->schedule.frequency = rule->frequency;
    return period;
}

/* The query's text, its places those of the file; in an export, where it is one long line, those of the query. */
static bool take_query(struct reader *r, struct wr_source *ret)
{
    const struct wr_yaml_node *query = r->form->detection ? wr_detection_query(r->form) : wr_yaml_get(r->map, "query");
    if (!query || query->kind != WR_YAML_SCALAR) {
        wr_yaml_diag(r->file, query ? query : r->map, WR_ERROR, "'query' must be a text");
        return false;
    }
    *ret = (struct wr_source){.name = r->file->source->name,
                              .text = query->text,
                              .len = query->len,
                              .line0 = query->text_line,
                              .indent = query->text_indent};
    if (!r->form->exported || query->plain || query->text_line != query->line)
        return true;
    size_t size = strlen(ret->name) + strlen(r->rule->name) + 4;
    char *name = wr_arena_alloc(r->rule->arena, size);
    if (!name)
        return false;
    snprintf(name, size, "%s (%s)", ret->name, r->rule->name);
    ret->name = name;
    ret->line0 = 1;
    ret->indent = 0;
    bool doubled = query->len > 1 && query->text[0] == '[' && query->text[1] == '['; /* ARM's way to write one */
    ret->text += doubled;
    ret->len -= doubled;
    if (query->text[0] == '[' && !doubled && query->text[query->len - 1] == ']') {
        struct wr_diag *d = wr_yaml_diag(r->file, query, WR_ERROR, "the query of '%s' is an expression of ARM", r->rule->name);
        wr_diag_hint(r->file->diags, d, "export the rule from Sentinel's Analytics page: its query is then plain text");
        return false;
    }
    return true;
}

static bool compile(struct reader *r)
{
    struct wr_source src;
    int64_t period = take_times(r);
    if (!r->ok || !take_query(r, &src) || !wr_rule_compile(r->set, r->rule, &src, period, r->file->diags) ||
        !take_entities(r))
        return false;
    return r->form->detection
               ? wr_load_format(r->file, r->rule, wr_detection_alert(r->form), "title", &r->rule->title_format)
               : wr_load_details(r->file, r->map, r->rule);
}

/* False: switched off in its file, which has been told, or an error. */
static bool is_on(struct reader *r)
{
    const struct wr_yaml_node *status = wr_yaml_get(r->map, "status");
    const char *key = r->form->detection ? "isEnabled" : "enabled";
    static const char *const off[] = {"disabled", NULL};
    bool on = true;
    r->ok = r->form->is_template || wr_yaml_bool(r->file, r->map, key, &on);
    const struct wr_yaml_node *at = wr_yaml_get(r->map, key);
    if (r->form->detection && status && status->kind == WR_YAML_SCALAR && word_in(status->text, off)) {
        on = false;
        at = status;
    }
    if (r->ok && !on) {
        struct wr_diag *d = wr_yaml_diag(r->file, at, WR_NOTE, "this rule is switched off in its file");
        wr_diag_hint(r->file->diags, d, at == status ? "`status: enabled` switches it on" : "`%s: true` switches it on", key);
    }
    return r->ok && on;
}

/* What repositories leave behind where a rule went elsewhere: a name, a description with the new place, no query. */
static bool is_moved(struct reader *r)
{
    const struct wr_yaml_node *text = wr_yaml_get(r->map, "description");
    if (r->form->exported || wr_yaml_get(r->map, "query") || !text || text->kind != WR_YAML_SCALAR ||
        !strstr(text->text, "moved to"))
        return false;
    wr_yaml_diag(r->file, text, WR_NOTE, "no rule is here: it was moved elsewhere");
    return true;
}

bool wr_load_form(struct wr_ruleset *set, const struct wr_yaml *file, const struct wr_rule_form *form)
{
    struct reader r = {.set = set, .file = file, .map = form->map, .form = form, .ok = true};
    if (is_moved(&r))
        return true;
    if (!is_analytics_rule(&r))
        return false;
    if (!is_on(&r))
        return r.ok;
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

static bool read_document(struct wr_ruleset *set, const struct wr_yaml *file, const struct wr_yaml_node *root)
{
    if (wr_load_is_export(root))
        return wr_load_export(set, file, root);
    if (root->kind != WR_YAML_MAPPING) {
        wr_yaml_diag(file, root, WR_ERROR, "a rule is a mapping: id, name, query, ...");
        return false;
    }
    return wr_load_form(set, file, &(struct wr_rule_form){.map = root, .kind = ""});
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
        ok = read_document(set, file, file->docs[i]) && ok;
    wr_yaml_free(file);
    return ok;
}
