#include "base/ticks.h"
#include "rules/exec/rows.h"
#include "rules/exec/run.h"
#include "rules/load/load.h"
#include "rules/refdata/refdata.h"
#include "rules/stream/stream.h"
#include "rules/stream/window.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_RULES = 4096, MAX_BRANCHES = 64 };

#define DEFAULT_WINDOW WR_TICKS_DAY

struct wr_ruleset *wr_ruleset_new(void)
{
    struct wr_ruleset *set = calloc(1, sizeof *set);
    if (set) {
        set->refs = 1;
        for (int t = 0; t < WR_NTABLES; t++)
            set->scans[t].table = (enum wr_table)t;
    }
    return set;
}

struct wr_ruleset *wr_ruleset_ref(struct wr_ruleset *set)
{
    set->refs++;
    return set;
}

void wr_ruleset_unref(struct wr_ruleset *set)
{
    if (!set || --set->refs)
        return;
    for (uint32_t i = 0; i < set->n; i++)
        wr_rule_free(set->rules[i]);
    for (int t = 0; t < WR_NTABLES; t++)
        free((void *)set->scans[t].branches);
    free(set->rules);
    wr_refdata_unref(set->refdata);
    free(set);
}

void wr_ruleset_refdata(struct wr_ruleset *set, struct wr_refdata *refdata)
{
    wr_refdata_unref(set->refdata);
    set->refdata = wr_refdata_ref(refdata);
}

uint32_t wr_ruleset_count(const struct wr_ruleset *set)
{
    return set->n;
}

uint32_t wr_ruleset_refused(const struct wr_ruleset *set)
{
    return set->refused;
}

uint32_t wr_ruleset_from(const struct wr_ruleset *set, const char *name)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < set->n; i++)
        n += strcmp(set->rules[i]->file, name) == 0;
    return n;
}

const struct wr_rule *wr_ruleset_rule(const struct wr_ruleset *set, uint32_t i)
{
    return set->rules[i];
}

const struct wr_scan *wr_ruleset_scan(const struct wr_ruleset *set, enum wr_table table)
{
    return &set->scans[table];
}

struct wr_rule *wr_rule_new(const char *file)
{
    struct wr_arena *arena = wr_arena_new(4096);
    struct wr_rule *rule = arena ? wr_arena_alloc(arena, sizeof *rule) : NULL;
    if (!rule) {
        wr_arena_free(arena);
        return NULL;
    }
    *rule = (struct wr_rule){.arena = arena,
                             .id = "",
                             .name = "",
                             .severity = "Medium",
                             .version = "1.0.0",
                             .confidence = "medium",
                             .description = "",
                             .severity_col = WR_NO_COL,
                             .tactics_col = WR_NO_COL};
    rule->file = wr_arena_strndup(arena, file, strlen(file));
    if (!rule->file)
        wr_arena_free(arena);
    return rule->file ? rule : NULL;
}

void wr_rule_free(struct wr_rule *rule)
{
    if (!rule)
        return;
    wr_plan_free(rule->plan);
    wr_arena_free(rule->arena);
}

const char *wr_rule_text(struct wr_rule *rule, const char *text, size_t len, bool *ok)
{
    while (len && (text[len - 1] == ' ' || text[len - 1] == '\t'))
        len--;
    const char *copy = wr_arena_strndup(rule->arena, text, len);
    *ok = *ok && copy;
    return copy ? copy : "";
}

const char *wr_severity_of(const char *text, size_t len)
{
    static const char *const names[] = {"High", "Medium", "Low", "Informational"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct wr_str a = wr_str_borrow(names[i], strlen(names[i])), b = wr_str_borrow(text, len);
        if (wr_str_eq_nocase(&a, &b))
            return names[i];
    }
    return NULL;
}

bool wr_rule_custom_entities(struct wr_rule *rule)
{
    static const struct {
        const char *column, *type, *identifier;
    } customs[] = {{"IPCustomEntity", "IP", "Address"},
                   {"HostCustomEntity", "Host", "FullName"},
                   {"AccountCustomEntity", "Account", "FullName"},
                   {"URLCustomEntity", "URL", "Url"}};
    enum { N = sizeof customs / sizeof *customs };
    struct wr_rule_entity *entities = wr_arena_alloc(rule->arena, N * sizeof *entities);
    if (!entities)
        return false;
    for (size_t i = 0; i < N; i++) {
        uint16_t col =
            wr_schema_find(rule->plan->root->schema, customs[i].column, strlen(customs[i].column));
        if (col != WR_NO_COL)
            entities[rule->nentities++] =
                (struct wr_rule_entity){customs[i].type, customs[i].identifier, col};
    }
    rule->entities = entities;
    return true;
}

/* The window: the query's, but no more than the file's period; else the period; else a day. */
static bool give_window(struct wr_rule *rule, int64_t period)
{
    struct wr_plan *plan = rule->plan;
    if (period && (!plan->window || period < plan->window || plan->mode == WR_MODE_WINDOWED))
        return wr_plan_set_window(plan, period, "queryPeriod");
    if (!plan->window && (plan->mode == WR_MODE_INCREMENTAL || rule->windowed))
        return wr_plan_set_window(plan, DEFAULT_WINDOW,
                                  "the default: the query has no time filter");
    return true;
}

/* A summarize without `by` has a row even when nothing came; `| where count_ == 0` (a source that went silent) is written for
 * that row. Panes begin with the first row, kept rows run again when the last one leaves. False: no memory. */
static bool look_at_nothing(struct wr_rule *rule, const struct wr_source *query, struct wr_diags *diags)
{
    struct wr_plan *plan = rule->plan;
    if (plan->mode != WR_MODE_INCREMENTAL || plan->summarize->nkeys)
        return true;
    struct wr_run *run = wr_run_new(plan->root, NULL);
    const struct wr_rows *rows;
    const char *why;
    struct wr_span span;
    enum wr_err err = run ? wr_run_go(run, WR_TICKS_UNIX_EPOCH, &rows, &why, &span) : WR_ENOMEM;
    bool fires = !err && rows->nrows > 0;
    wr_run_free(run);
    if (!fires)
        return err != WR_ENOMEM;
    plan->mode = WR_MODE_WINDOWED;
    plan->why = "without 'by' its result has a row even when nothing came";
    const struct wr_source *copy = wr_diags_source(diags, query);
    if (!copy)
        return false;
    struct wr_diag *d =
        wr_diag_add(diags, WR_WARNING, copy, plan->summarize->span,
                    "a summarize without 'by' has a row even when nothing came, and this rule fires on it");
    wr_diag_hint(diags, d, "if that is not meant, filter its result, as in | where count_ > 10");
    return true;
}

/* Said in full for the first rule of a table, in short for the others. */
static void leave_out(struct wr_ruleset *set, const struct wr_rule *rule, const struct wr_source *query,
                      const struct wr_missing *missing, struct wr_diags *diags)
{
    uint32_t i = 0;
    while (i < set->nleft && strcmp(set->left[i].table, missing->table) != 0)
        i++;
    bool first = i == set->nleft;
    if (first && set->nleft < WR_MAX_LEFT_OUT) {
        memcpy(set->left[i].table, missing->table, sizeof missing->table);
        set->left[i].why = missing->why;
        set->nleft++;
    }
    if (i < set->nleft)
        set->left[i].rules++;
    const struct wr_source *copy = wr_diags_source(diags, query);
    if (!copy)
        return;
    struct wr_diag *d = wr_diag_add(diags, first ? WR_WARNING : WR_NOTE, copy, missing->span,
                                    first ? "rule '%s' is left out: no table '%s' here: %s" : "rule '%s' is left out: no table '%s' here",
                                    rule->name, missing->table, missing->why);
    if (first)
        wr_diag_hint(diags, d, "`lists: tables:` in the configuration gives it a file, or `missing: empty`");
}

const struct wr_left_out *wr_ruleset_left_out(const struct wr_ruleset *set, uint32_t *ret_n)
{
    *ret_n = set->nleft;
    return set->left;
}

bool wr_rule_compile(struct wr_ruleset *set, struct wr_rule *rule, const struct wr_source *query, int64_t period,
                     struct wr_diags *diags)
{
    struct wr_missing missing = {0};
    struct wr_plan_env env = {0};
    if (set->refdata)
        env = *wr_refdata_env(set->refdata);
    env.missing = &missing;
    uint32_t errors = diags->nerrors;
    rule->plan = wr_plan_new_env(query, &env, diags);
    if (!rule->plan) {
        rule->left_out = *missing.table && diags->nerrors == errors;
        if (rule->left_out)
            leave_out(set, rule, query, &missing, diags);
        return false;
    }
    if (rule->plan->mode == WR_MODE_BATCH) {
        const struct wr_source *copy = wr_diags_source(diags, query);
        if (copy) {
            struct wr_diag *d = wr_diag_add(diags, WR_ERROR, copy, rule->plan->root->span,
                                            "this rule cannot run on a stream: %s",
                                            rule->plan->why ? rule->plan->why : "its shape");
            wr_diag_hint(diags, d, "`weir query` runs it over stored events");
        }
        return false;
    }
    if (!look_at_nothing(rule, query, diags))
        return false;
    rule->windowed |= rule->plan->mode == WR_MODE_WINDOWED;
    if (rule->schedule.by_arrival && rule->plan->mode != WR_MODE_STATELESS)
        rule->windowed = true; /* NRT: what came in the minute before */
    if (rule->schedule.by_arrival && rule->windowed && !period)
        return wr_plan_set_window(rule->plan, WR_TICKS_MINUTE, "NRT: rows of the last minute");
    return give_window(rule, period);
}

/* ---- the set ---- */

/* Adds what one plan wants of a table. More branches than a decoder should test become one that
 * takes all. */
static bool add_scan(struct wr_scan *to, const struct wr_scan *from)
{
    static const struct wr_branch all;
    if (!from->nbranches)
        return true;
    struct wr_branch *branches = malloc((to->nbranches + from->nbranches) * sizeof *branches);
    if (!branches)
        return false;
    if (to->nbranches)
        memcpy(branches, to->branches, to->nbranches * sizeof *branches);
    memcpy(branches + to->nbranches, from->branches, from->nbranches * sizeof *branches);
    uint32_t n = to->nbranches + from->nbranches;
    for (uint32_t i = 0; i < n; i++)
        if (!branches[i].npreds || n > MAX_BRANCHES) {
            branches[0] = all;
            n = 1;
        }
    free((void *)to->branches);
    to->branches = branches;
    to->nbranches = n;
    for (size_t i = 0; i < sizeof to->wanted.bits / sizeof *to->wanted.bits; i++)
        to->wanted.bits[i] |= from->wanted.bits[i];
    return true;
}

/* Takes every row where anything was wanted: nothing may point into a rule that goes. */
static void forget_scans(struct wr_ruleset *set)
{
    for (int t = 0; t < WR_NTABLES; t++)
        if (set->scans[t].nbranches) {
            *(struct wr_branch *)set->scans[t].branches = (struct wr_branch){0};
            set->scans[t].nbranches = 1;
        }
}

static bool id_is_free(const struct wr_ruleset *set, const struct wr_rule *rule,
                       struct wr_diags *diags)
{
    for (uint32_t i = 0; i < set->n; i++)
        if (strcmp(set->rules[i]->id, rule->id) == 0) {
            wr_diag_file(diags, WR_ERROR, rule->file, 0, "rule id '%s' is already that of %s",
                         rule->id, set->rules[i]->file);
            return false;
        }
    return true;
}

bool wr_ruleset_push(struct wr_ruleset *set, struct wr_rule *rule, struct wr_diags *diags)
{
    if (!id_is_free(set, rule, diags) || set->n == MAX_RULES) {
        if (set->n == MAX_RULES)
            wr_diag_file(diags, WR_ERROR, rule->file, 0, "too many rules (%d are loaded)",
                         MAX_RULES);
        wr_rule_free(rule);
        return false;
    }
    bool ok = true;
    if (set->n == set->cap) {
        uint32_t cap = set->cap ? 2 * set->cap : 16;
        struct wr_rule **rules = realloc(set->rules, cap * sizeof *rules);
        ok = rules != NULL;
        if (ok) {
            set->rules = rules;
            set->cap = cap;
        }
    }
    for (int t = 0; ok && t < WR_NTABLES; t++)
        ok = add_scan(&set->scans[t], &rule->plan->scans[t]);
    if (ok) {
        set->rules[set->n++] = rule;
        return true;
    }
    forget_scans(set);
    wr_rule_free(rule);
    return false;
}

static bool ends_with(const char *name, const char *suffix)
{
    size_t n = strlen(name), s = strlen(suffix);
    return n >= s && strcmp(name + n - s, suffix) == 0;
}

static bool is_utf16(const char *text, size_t len)
{
    return len >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0);
}

static void add_utf8(struct wr_buf *out, uint32_t c)
{
    char utf8[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char heads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n; i-- > 1; c >>= 6)
        utf8[i] = (char)(0x80 | (c & 0x3f));
    utf8[0] = (char)(heads[n] | c);
    wr_buf_add(out, utf8, n);
}

/* What Windows' tools write unless asked for another encoding. Half a pair becomes U+FFFD. */
static void from_utf16(const char *text, size_t len, struct wr_buf *out)
{
    const unsigned char *p = (const unsigned char *)text;
    int low = p[0] == 0xff ? 0 : 1;
    for (size_t i = 2; i + 1 < len; i += 2) {
        uint32_t c = p[i + (size_t)low] | (uint32_t)p[i + 1 - (size_t)low] << 8;
        if (c >= 0xd800 && c < 0xdc00 && i + 3 < len) {
            uint32_t d = p[i + 2 + (size_t)low] | (uint32_t)p[i + 3 - (size_t)low] << 8;
            if (d >= 0xdc00 && d < 0xe000) {
                c = 0x10000 + ((c - 0xd800) << 10) + (d - 0xdc00);
                i += 2;
            }
        }
        add_utf8(out, c >= 0xd800 && c < 0xe000 ? 0xfffd : c);
    }
}

enum wr_err wr_ruleset_add(struct wr_ruleset *set, const char *name, const char *text, size_t len,
                           struct wr_diags *diags)
{
    uint32_t errors = diags->nerrors;
    bool ok;
    if (is_utf16(text, len)) {
        struct wr_buf utf8 = {0};
        from_utf16(text, len, &utf8);
        enum wr_err err = utf8.err ? utf8.err : wr_ruleset_add(set, name, utf8.data ? utf8.data : "", utf8.len, diags);
        wr_buf_fini(&utf8);
        return err;
    }
    if (ends_with(name, ".yaml") || ends_with(name, ".yml") || ends_with(name, ".json")) {
        ok = wr_load_sentinel(set, name, text, len, diags);
    } else if (ends_with(name, ".kql")) {
        ok = wr_load_kql(set, name, text, len, diags);
    } else {
        wr_diag_file(diags, WR_ERROR, name, 0,
                     "not a rule file: its name ends in none of .yaml .yml .json .kql");
        return WR_EINVAL;
    }
    if (!ok && diags->nerrors == errors)
        wr_diag_file(diags, WR_ERROR, name, 0, "%s", wr_strerror(WR_ENOMEM));
    set->refused += diags->nerrors > errors;
    return ok ? WR_OK : WR_EINVAL;
}

/* Which of the kept rows a run goes over: as wr_parts_init (rules/stream/window_parts.c) has it. */
static void explain_parts(const struct wr_rule *rule, struct wr_buf *out)
{
    const struct wr_rule_schedule *s = &rule->schedule;
    const struct wr_parts *p = rule->plan->parts;
    wr_buf_str(out, "\neach run: over ");
    if (!p || s->frequency || s->single || s->op != WR_TRIGGER_GT || s->threshold) {
        wr_buf_str(out, "all kept rows");
        return;
    }
    for (uint32_t i = 0; i < p->ncols; i++)
        wr_buf_fmt(out, "%s%s", i ? ", " : "the kept rows with the same ", rule->plan->root->schema->cols[p->out[i]].name);
    wr_buf_str(out, " as one that came or left; over all of them after a list changed");
}

static void explain_newest(const struct wr_rule *rule, struct wr_buf *out)
{
    struct wr_window_opts opts = {.rule_id = rule->id, .rule_version = "", .memory_bytes = 1 << 20, .schedule = rule->schedule};
    struct wr_window *w = wr_window_new(rule->plan, &opts);
    for (int t = 0; w && t < WR_NTABLES; t++)
        if (wr_window_keeps_newest(w, (enum wr_table)t))
            wr_buf_fmt(out, "        of %s only the newest row with each key that the rule asks for\n", wr_schema_of((enum wr_table)t)->name);
    wr_window_free(w);
}

static void explain_windowed(const struct wr_rule *rule, struct wr_buf *out)
{
    static const char *const ops[] = {"more than", "fewer than", "exactly", "other than"};
    const struct wr_rule_schedule *s = &rule->schedule;
    wr_buf_str(out, "schedule: ");
    if (s->frequency) {
        wr_buf_str(out, "every ");
        wr_ticks_timespan(out, s->frequency);
    } else {
        wr_buf_str(out, "at most once a second, after a change");
    }
    wr_buf_fmt(out, "; %s when it has %s %lld rows", s->single ? "one alert" : "an alert for each row",
               ops[s->op], (long long)s->threshold);
    if (s->suppression) {
        wr_buf_str(out, "; then quiet for ");
        wr_ticks_timespan(out, s->suppression);
    }
    explain_parts(rule, out);
    wr_buf_str(out, "\nmemory: rows that pass the filters are kept for the window, within the rules' memory; "
                    "past it the oldest go, and are counted\n");
    explain_newest(rule, out);
    wr_buf_str(out,
                    "exact: at each run, unless that bound was met; alerts say so\n");
}

static void explain_groups(const struct wr_rule *rule, struct wr_buf *out)
{
    enum { KEY = 64 }; /* packed: two addresses, a host's name and a number, say */
    struct wr_stream_opts opts = {.rule_id = rule->id, .rule_version = "", .memory_bytes = 1 << 20};
    struct wr_stream *s = wr_stream_new(rule->plan, &opts);
    if (s)
        wr_buf_fmt(out,
                   "memory: a group with a key of %d bytes takes %zu bytes with one row, %zu KiB at most, when all that it keeps is full%s\n", KEY,
                   wr_stream_group_least(s, KEY), (wr_stream_group_most(s, KEY) + 1023) / 1024,
                   rule->plan->window ? "" : ", of 5 minutes");
    wr_stream_free(s);
    wr_buf_str(out, "        groups of all rules share one bound, `memory` of the configuration; past it the oldest go, and are counted\n"
                    "exact: yes, unless that bound or a sampling exporter touched the group; alerts say so\n");
}

void wr_ruleset_explain(const struct wr_ruleset *set, struct wr_buf *out)
{
    for (uint32_t i = 0; i < set->n; i++) {
        const struct wr_rule *rule = set->rules[i];
        wr_buf_str(out, i ? "\n" : "");
        wr_buf_fmt(out, "rule %s: %s\n", rule->id, rule->name);
        wr_buf_fmt(out, "from %s, severity %s, confidence %s", rule->file, rule->severity,
                   rule->confidence);
        for (uint32_t t = 0; t < rule->ntechniques; t++)
            wr_buf_fmt(out, "%s%s", t ? ", " : ", technique ", rule->techniques[t]);
        wr_buf_char(out, '\n');
        wr_plan_explain(rule->plan, out);
        if (rule->windowed)
            explain_windowed(rule, out);
        else if (rule->plan->mode == WR_MODE_INCREMENTAL)
            explain_groups(rule, out);
        else
            wr_buf_str(out, "memory: none is kept between rows\nexact: yes\n");
    }
}
