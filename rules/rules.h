#ifndef WR_RULES_RULES_H
#define WR_RULES_RULES_H

#include "base/alert.h"
#include "base/batch.h"
#include "base/diag.h"
#include "base/scan.h"

/* The rule engine's whole surface: text in, plans, batches in, alerts or result rows out. It knows nothing of
 * sockets, packets, files' contents beyond what it is handed, or the clock: time is always an argument. */

/* ---- rules that run on streams ------------------------------------------------------------------ */

/* Compiled rules; immutable, counted. */
struct wr_ruleset;
struct wr_ruleset *wr_ruleset_new(void);
/* Adds the rule(s) in one file's text: Sentinel analytics-rule YAML (.yaml, .yml), exports of Sentinel and Defender
 * (.json, .yaml) or KQL (.kql; header comments
 * `// key: value` may give id, name, severity, confidence, tactics, techniques). A bad rule adds errors to `diags` and
 * nothing to the set. `name` decides the format by its suffix and is copied. */
enum wr_err wr_ruleset_add(struct wr_ruleset *set, const char *name, const char *text, size_t len,
                           struct wr_diags *diags) WR_MUST_CHECK;
struct wr_ruleset *wr_ruleset_ref(struct wr_ruleset *set);
void wr_ruleset_unref(struct wr_ruleset *set);
/* What rules added from here on may name beside weir's tables; referenced. Set once, before the first rule. */
struct wr_refdata;
void wr_ruleset_refdata(struct wr_ruleset *set, struct wr_refdata *refdata);
/* A table that weir has not, and the rules that were left out for it: a warning each, never an error. */
enum { WR_MAX_LEFT_OUT = 64 };
struct wr_left_out {
    char table[128];
    const char *why; /* static */
    uint32_t rules;
};
/* Borrowed until the set goes; *ret_n of them. */
const struct wr_left_out *wr_ruleset_left_out(const struct wr_ruleset *set, uint32_t *ret_n);
uint32_t wr_ruleset_count(const struct wr_ruleset *set);
/* Files in which something was wrong; their other rules are in the set. */
uint32_t wr_ruleset_refused(const struct wr_ruleset *set);
/* Rules that came from the file of this name. */
uint32_t wr_ruleset_from(const struct wr_ruleset *set, const char *name);
/* What all rules together want from a table; borrowed until the set goes. nbranches 0: nobody reads it. */
const struct wr_scan *wr_ruleset_scan(const struct wr_ruleset *set, enum wr_table table);
/* `weir explain`: plan, pushdown, window and where it came from, memory bound, exactness of every rule. */
void wr_ruleset_explain(const struct wr_ruleset *set, struct wr_buf *out);

/* State of a rule set's windows; one thread. */
struct wr_engine;
struct wr_engine_opts {
    size_t memory_bytes;    /* for groups; 0 = 256 MiB */
    int64_t realert_ticks;  /* longest gap between updates of an alert that grows; 0 = 1 h. Else half its age, at least 1 s */
    uint64_t (*clock_ns)(void); /* measures what each rule costs, and nothing else; NULL: it is not measured */
};
struct wr_engine *wr_engine_new(struct wr_ruleset *set, const struct wr_engine_opts *opts);
void wr_engine_free(struct wr_engine *engine);
/* Rows of a sealed batch of `table`, at query time `now` (ticks; now() in the rules; never steps back). */
enum wr_err wr_engine_consume(struct wr_engine *engine, enum wr_table table, struct wr_batch *batch,
                              int64_t now) WR_MUST_CHECK;
/* Reference data changed: rules that read it run again. */
void wr_engine_refdata_changed(struct wr_engine *engine);
/* Time passes: groups leave their windows, alerts resolve. */
enum wr_err wr_engine_advance(struct wr_engine *engine, int64_t now) WR_MUST_CHECK;
/* Alerts raised, updated or resolved since the last call, in order; caller owns the list (NULL = none). */
struct wr_alert *wr_engine_alerts(struct wr_engine *engine);
/* Current version of every alert that is firing (end of `weir replay`). Caller owns the list. */
struct wr_alert *wr_engine_firing(struct wr_engine *engine);
struct wr_engine_stats {
    uint64_t rows_in, rows_aggregated, late, future, groups, panes, evicted, raised, updated, resolved;
    uint64_t runs, rows_kept; /* of windowed rules */
    uint64_t memory_bytes;
};
struct wr_engine_stats wr_engine_stats(const struct wr_engine *engine);
/* What rule `i` of the set cost since the engine was made. */
struct wr_rule_cost {
    uint64_t ns;   /* by clock_ns; looking up which rules a row can matter to is nobody's */
    uint64_t rows; /* that it looked at */
    uint64_t runs, rows_kept, groups, memory_bytes;
};
struct wr_rule_cost wr_engine_cost(const struct wr_engine *engine, uint32_t rule);
void wr_engine_save(const struct wr_engine *engine, struct wr_buf *out);
/* Rules are matched by id, version and plan; state of a rule that is gone or changed is left out. */
enum wr_err wr_engine_load(struct wr_engine *engine, const void *bytes, size_t len) WR_MUST_CHECK;

/* ---- weir query: the same engine in batch --------------------------------------------------------- */

struct wr_query;
/* Compiles `text`; NULL with errors in `diags`. */
struct wr_query *wr_query_new(const char *name, const char *text, size_t len, uint32_t batch_rows,
                              struct wr_diags *diags);
/* The same; `refdata` (referenced, may be NULL) is what it may name beside weir's tables. */
struct wr_query *wr_query_new_with(struct wr_refdata *refdata, const char *name, const char *text, size_t len,
                                   uint32_t batch_rows, struct wr_diags *diags);
void wr_query_free(struct wr_query *query);
/* What it wants of a table; nbranches 0: does not read it. Borrowed. */
const struct wr_scan *wr_query_scan(const struct wr_query *query, enum wr_table table);
/* Before the first row: a query that is a chain over one table, and asks for no time unless `now` is given, keeps only what
 * its operators keep; each row goes through them as it is fed. False: rows are kept until the run. `now` NULL: not known yet. */
bool wr_query_stream(struct wr_query *query, const int64_t *now);
/* Takes the rows of a sealed batch of `table`. What goes wrong in a query that streams is told by wr_query_run. */
enum wr_err wr_query_feed(struct wr_query *query, enum wr_table table, struct wr_batch *batch) WR_MUST_CHECK;
/* Runs over what was fed (at the time given to wr_query_stream, when it streams; then once only). The result's columns and rows; borrowed until the query goes. Run-time errors (memory
 * bound) go to `diags`. */
struct wr_result {
    const struct wr_schema *schema;
    struct wr_batch *const *batches; /* sealed; only selected rows count */
    uint32_t nbatches;
};
enum wr_err wr_query_run(struct wr_query *query, int64_t now, struct wr_diags *diags,
                         struct wr_result *ret_result) WR_MUST_CHECK;

#endif
