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

/* Readers: hand each rule of the file to wr_ruleset_push. */
bool wr_load_sentinel(struct wr_ruleset *set, const char *name, const char *text, size_t len,
                      struct wr_diags *diags);
bool wr_load_kql(struct wr_ruleset *set, const char *name, const char *text, size_t len,
                 struct wr_diags *diags);
/* Takes the rule, also when it refuses it: an id that is already there. */
bool wr_ruleset_push(struct wr_ruleset *set, struct wr_rule *rule, struct wr_diags *diags);

#endif
