/* What the loader's files share. Private to rules/load. */
#ifndef WR_RULES_LOAD_LOAD_H
#define WR_RULES_LOAD_LOAD_H

#include "base/yaml.h"
#include "rules/load/rule.h"

struct wr_ruleset {
    uint32_t refs;
    struct wr_refdata *refdata; /* or NULL */
    struct wr_left_out left[WR_MAX_LEFT_OUT];
    uint32_t nleft;
    uint32_t refused; /* files with an error */
    struct wr_rule **rules;
    uint32_t n, cap;
    struct wr_scan scans[WR_NTABLES]; /* branches on the heap */
};

/* A rule with its arena and defaults; NULL when out of memory. `id` and `name` are set by the
 * reader. */
struct wr_rule *wr_rule_new(const char *file);
void wr_rule_free(struct wr_rule *rule);
/* Copies into the rule's arena; "" when out of memory, which `ok` remembers. */
const char *wr_rule_text(struct wr_rule *rule, const char *text, size_t len, bool *ok);

/* Compiles the query and checks that it can run on a stream. `period`: 0 = none given. Errors in
 * `diags`. */
bool wr_rule_compile(struct wr_ruleset *set, struct wr_rule *rule, const struct wr_source *query,
                     int64_t period, struct wr_diags *diags);
/* Entities from columns that older rules name for them (IPCustomEntity, ...), when there are no
 * others. */
bool wr_rule_custom_entities(struct wr_rule *rule);

/* customDetails and alertDetailsOverride; the plan is there. False with errors in the file's diags. */
bool wr_load_details(const struct wr_yaml *file, const struct wr_yaml_node *map, struct wr_rule *rule);

/* Where a file has a rule, and in which form. */
struct wr_rule_form {
    const struct wr_yaml_node *map;        /* what says how severe, how often, which entities */
    const struct wr_yaml_node *provenance; /* a detection that was made from an analytics rule; or NULL */
    const char *kind;                      /* "" : the map says it */
    const char *id;                        /* exported: id_len bytes of it */
    size_t id_len;
    bool exported;    /* names as in Azure: displayName, templateVersion; expressions of ARM in texts */
    bool is_template; /* of a solution: never switched on in its file */
    bool detection;   /* of Defender XDR */
};
bool wr_load_form(struct wr_ruleset *set, const struct wr_yaml *file, const struct wr_rule_form *form);
/* exported.c: a document that holds rules in exported form, and its rules. */
bool wr_load_is_export(const struct wr_yaml_node *root);
bool wr_load_export(struct wr_ruleset *set, const struct wr_yaml *file, const struct wr_yaml_node *root);
/* detection.c: fields of a detection; false after an error. */
const struct wr_yaml_node *wr_detection_query(const struct wr_rule_form *form);
const struct wr_yaml_node *wr_detection_alert(const struct wr_rule_form *form);
bool wr_detection_times(const struct wr_yaml *file, const struct wr_rule_form *form, int64_t *ret_every, int64_t *ret_period);
bool wr_detection_tactics(const struct wr_rule_form *form, struct wr_rule *rule);
bool wr_detection_entities(const struct wr_yaml *file, const struct wr_rule_form *form, struct wr_rule *rule);

/* A column of the result by its name; WR_NO_COL with a warning at the node, for rules that ship with Sentinel name columns
 * that their queries do not have. */
uint16_t wr_load_column(const struct wr_yaml *file, const struct wr_rule *rule, const struct wr_yaml_node *at, const char *name,
                        size_t len);
/* Text with {{Column}} in it. */
bool wr_load_format(const struct wr_yaml *file, struct wr_rule *rule, const struct wr_yaml_node *map, const char *key,
                    struct wr_rule_format *ret);

/* Readers: hand each rule of the file to wr_ruleset_push. */
bool wr_load_sentinel(struct wr_ruleset *set, const char *name, const char *text, size_t len,
                      struct wr_diags *diags);
bool wr_load_kql(struct wr_ruleset *set, const char *name, const char *text, size_t len,
                 struct wr_diags *diags);
/* Takes the rule, also when it refuses it: an id that is already there. */
bool wr_ruleset_push(struct wr_ruleset *set, struct wr_rule *rule, struct wr_diags *diags);

#endif
