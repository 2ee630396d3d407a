/* A loaded rule: its plan and what its file says about it. The loader (rules/load) makes it, the
 * engine (rules/exec) runs it. Immutable; lives as long as its rule set. */
#ifndef WR_RULES_LOAD_RULE_H
#define WR_RULES_LOAD_RULE_H

#include "rules/plan/plan.h"
#include "rules/rules.h"

/* Entity mapping: `col` is a column of plan->root->schema. */
struct wr_rule_entity {
    const char *type;       /* "Host", "IP", ... */
    const char *identifier; /* "HostName", "Address", ... */
    uint16_t col;
};

struct wr_rule {
    struct wr_arena *arena; /* owns everything below but the plan's own memory */
    struct wr_plan *plan;   /* owned; mode is never WR_MODE_BATCH in a rule set */
    const char *file;       /* name as given to wr_ruleset_add */
    /* Never NULL; "" where the file says nothing, except: id (derived from the file's name and
     * place, stable), name (the id), severity ("Medium"), version ("1.0.0"), confidence ("medium").
     */
    const char *id, *name, *version, *severity, *confidence, *description;
    const char *const *tactics;
    const char *const *techniques;
    uint32_t ntactics, ntechniques;
    const struct wr_rule_entity *entities;
    uint32_t nentities;
    int64_t frequency; /* queryFrequency in ticks, 0 = not given. The window is plan->window. */
};

uint32_t wr_ruleset_count(const struct wr_ruleset *set);
/* Rule `i` of wr_ruleset_count(); borrowed until the set goes. Order: as added. */
const struct wr_rule *wr_ruleset_rule(const struct wr_ruleset *set, uint32_t i);

#endif
