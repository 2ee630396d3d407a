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

/* A column under a name of its own (customDetails, alertDynamicProperties). */
struct wr_rule_detail {
    const char *key;
    uint16_t col;
};

/* Text with columns in it, piece by piece: `text`, or where that is NULL a column. */
struct wr_rule_piece {
    const char *text;
    uint16_t col; /* WR_NO_COL: text */
};
struct wr_rule_format {
    const struct wr_rule_piece *pieces;
    uint32_t n; /* 0: none given */
};

enum wr_trigger { WR_TRIGGER_GT, WR_TRIGGER_LT, WR_TRIGGER_EQ, WR_TRIGGER_NE };

/* When a windowed rule runs and what its number of rows must be. All 0: after a change, an alert for
 * each row. */
struct wr_rule_schedule {
    int64_t frequency; /* ticks between runs; 0: after a change */
    enum wr_trigger op;
    int64_t threshold;
    bool single;         /* one alert for all rows of a run */
    int64_t suppression; /* ticks without a run after an alert */
    bool by_arrival;     /* the window is about arrival (NRT) */
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
    const struct wr_rule_detail *details;
    uint32_t ndetails;
    struct wr_rule_format title_format, description_format; /* alertDetailsOverride */
    uint16_t severity_col, tactics_col;                     /* WR_NO_COL: the rule's own */
    int64_t frequency; /* queryFrequency in ticks, 0 = not given. The window is plan->window. */
    bool left_out;     /* while loading: it reads a table that weir has not, which has been told */
    bool windowed;     /* kept rows are run again: the plan's mode says so, or the schedule does */
    struct wr_rule_schedule schedule;
};

uint32_t wr_ruleset_count(const struct wr_ruleset *set);
/* Rule `i` of wr_ruleset_count(); borrowed until the set goes. Order: as added. */
const struct wr_rule *wr_ruleset_rule(const struct wr_ruleset *set, uint32_t i);

/* High, Medium, Low or Informational for any spelling of case; NULL for another word. */
const char *wr_severity_of(const char *text, size_t len);

#endif
