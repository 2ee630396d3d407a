/* Rules in what Sentinel and Defender export, JSON or YAML: ARM templates (the portal's "Export",
 * the templates of solutions), lists of the REST interfaces, custom detections of Defender XDR.
 * Finds each rule and hands it on; resources of other kinds are passed over. Source:
 * Microsoft.SecurityInsights/alertRules and Microsoft Graph detectionRule, resource references,
 * 2026-08. */
#include "rules/load/load.h"

#include <stdio.h>
#include <string.h>

enum { MAX_DEPTH = 24, GUID = 36 };

struct walk {
    struct wr_ruleset *set;
    const struct wr_yaml *file;
    uint32_t found;
    bool ok;
};

static bool is_guid(const char *p)
{
    for (int i = 0; i < GUID; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? p[i] != '-' : !strchr("0123456789abcdefABCDEF", p[i]) || !p[i])
            return false;
    }
    return true;
}

/* The last GUID of `[concat(..., '/alertRules/GUID')]`; NULL: none is in it. */
static const char *last_guid(const char *text)
{
    const char *found = NULL;
    for (size_t n = strlen(text), i = 0; i + GUID <= n; i++)
        if (is_guid(text + i))
            found = text + i;
    return found;
}

/* The rule's id: a GUID of its own, a plain id, else its name, which is as stable as the file is.
 */
static void give_id(struct wr_rule_form *form, const struct wr_yaml_node *outer,
                    const struct wr_yaml_node *inner)
{
    const char *texts[] = {wr_yaml_text(inner, "id"), wr_yaml_text(outer, "detectorId"),
                           wr_yaml_text(outer, "name"), wr_yaml_text(outer, "id")};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const char *guid = last_guid(texts[i]);
        bool plain = *texts[i] && *texts[i] != '[' && !strchr(texts[i], '/');
        if (!guid && !(plain && i != 2))
            continue;
        form->id = guid ? guid : texts[i];
        form->id_len = guid ? GUID : strlen(texts[i]);
        return;
    }
    form->id = wr_yaml_text(inner, "displayName");
    form->id_len = strlen(form->id);
}

/* Kinds that Sentinel computes itself. */
static bool has_no_query(struct walk *w, const struct wr_yaml_node *node, const char *type)
{
    const char *kind = wr_yaml_text(node, "kind");
    if (!strcasestr(type, "alertRules") && !strcasestr(type, "AlertRuleTemplates"))
        return false;
    wr_yaml_diag(w->file, node, WR_NOTE, "a rule of kind '%s' has no query: it is passed over",
                 *kind ? kind : "?");
    return true;
}

static bool take(struct walk *w, const struct wr_yaml_node *outer, const struct wr_yaml_node *inner)
{
    const char *type = wr_yaml_text(outer, "type");
    struct wr_rule_form form = {.map = inner, .kind = wr_yaml_text(outer, "kind"), .exported = true};
    if (*type && !strcasestr(type, "alertRule") && !wr_yaml_get(inner, "queryCondition"))
        return false; /* a hunting query, a parser */
    form.is_template = strcasestr(type, "AlertRuleTemplates") != NULL;
    form.detection = wr_yaml_get(inner, "queryCondition") != NULL;
    form.provenance = wr_yaml_get(outer, "contentProvenance");
    give_id(&form, outer, inner);
    w->found++;
    w->ok = wr_load_form(w->set, w->file, &form) && w->ok;
    return true;
}

static bool is_rule(const struct wr_yaml_node *map)
{
    return wr_yaml_get(map, "queryCondition") ||
           (wr_yaml_get(map, "query") && wr_yaml_get(map, "displayName"));
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by MAX_DEPTH */
static void visit(struct walk *w, const struct wr_yaml_node *node, int depth)
{
    static const char *const inside[] = {"resources",    "value",     "properties",
                                         "mainTemplate", "Scheduled", "NRT"};
    if (!node || depth == MAX_DEPTH)
        return;
    if (node->kind == WR_YAML_SEQUENCE)
        for (uint32_t i = 0; i < node->n; i++)
            visit(w, node->items[i], depth + 1);
    if (node->kind != WR_YAML_MAPPING)
        return;
    const struct wr_yaml_node *properties = wr_yaml_get(node, "properties");
    if (is_rule(properties) || is_rule(node)) {
        (void)take(w, node, is_rule(properties) ? properties : node);
        return;
    }
    if (has_no_query(w, node, wr_yaml_text(node, "type")))
        return;
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++)
        visit(w, wr_yaml_get(node, inside[i]), depth + 1);
}

bool wr_load_is_export(const struct wr_yaml_node *root)
{
    static const char *const keys[] = {"resources",   "value",     "properties", "queryCondition",
                                       "displayName", "Scheduled", "NRT"};
    bool any = root->kind == WR_YAML_SEQUENCE && root->n && root->items[0]->kind == WR_YAML_MAPPING;
    for (size_t i = 0; root->kind == WR_YAML_MAPPING && i < sizeof keys / sizeof *keys; i++)
        any |= wr_yaml_get(root, keys[i]) != NULL;
    return any && !wr_yaml_get(root, "name") && !wr_yaml_get(root, "destinationTable");
}

bool wr_load_export(struct wr_ruleset *set, const struct wr_yaml *file, const struct wr_yaml_node *root)
{
    struct walk w = {.set = set, .file = file, .ok = true};
    visit(&w, root, 0);
    if (!w.found) {
        struct wr_diag *d = wr_yaml_diag(file, root, WR_WARNING, "no rule with a query in this file");
        wr_diag_hint(file->diags, d,
                     "exports of Sentinel's analytics rules and of Defender's custom detections are read");
    }
    return w.ok;
}
