/* The owner's state: connection table and rule windows. A deterministic fold over inputs (input.h):
 * the same inputs give the same alerts, live, in recovery and in a simulation. No clock, no I/O.
 *
 *   flows, network events --> connection table --rows--> rules --> alerts
 *   rows of other tables ------------------------rows----> rules
 *
 * Flows, events and rows only gather; a turn works them through: time moves on, due rows go to the
 * rules, alerts come out. */
#ifndef WR_COLLECTOR_PIPELINE_CORE_H
#define WR_COLLECTOR_PIPELINE_CORE_H

#include "collector/pipeline/input.h"
#include "collector/pipeline/wants.h"
#include "collector/state/filepos.h"
#include "parsers/conn/conn.h"
#include "rules/rules.h"

struct wr_core;

struct wr_core_opts {
    uint32_t batch_rows;
    size_t memory_bytes; /* for windows */
    uint32_t max_connections; /* 0 = 1 M */
    enum wr_orphans orphans;
    enum wr_capped capped;
    const char *const *capped_devices; /* borrowed */
    uint32_t ncapped_devices;
    const struct wr_nat64_prefix *nat64; /* borrowed */
    uint32_t nnat64;
    const struct wr_hostnames *hostnames; /* borrowed; NULL: none */
    bool expect_endpoint;
    int64_t hold_ns, realert_ns;
};

/* Keeps a reference to `rules`. NULL when out of memory. */
struct wr_core *wr_core_new(struct wr_ruleset *rules, const struct wr_core_opts *opts) WR_MUST_CHECK;
void wr_core_free(struct wr_core *core);

/* One input. Its time never steps back: an earlier one counts as the newest so far. WR_ECORRUPT:
 * bytes that are no such input; nothing changed. */
enum wr_err wr_core_apply(struct wr_core *core, const struct wr_input *input) WR_MUST_CHECK;
/* About what an input costs, in rows of flows: so that a turn takes no more than it should. */
uint32_t wr_core_weight(const struct wr_input *input);
/* Alerts since the last call, in order, samples filled in; the caller owns the list. NULL: none. */
struct wr_alert *wr_core_alerts(struct wr_core *core);

/* Other rules and options, the same connections and the windows that the new rules still have. On
 * failure the old ones go on. */
enum wr_err wr_core_reload(struct wr_core *core, struct wr_ruleset *rules,
                           const struct wr_core_opts *opts) WR_MUST_CHECK;

/* What rules read beside events changed: they run again. */
void wr_core_refdata_changed(struct wr_core *core);
int64_t wr_core_now(const struct wr_core *core);
const struct wr_wants *wr_core_wants(const struct wr_core *core);
const struct wr_ruleset *wr_core_rules(const struct wr_core *core);
const struct wr_conn_stats *wr_core_conn_stats(const struct wr_core *core);
struct wr_conn *wr_core_conn(struct wr_core *core); /* borrowed until a reload: for what it says of devices' clocks */
struct wr_engine_stats wr_core_engine_stats(const struct wr_core *core);
/* Of rule `rule` of wr_core_rules, since the rules were loaded. */
struct wr_rule_cost wr_core_rule_cost(const struct wr_core *core, uint32_t rule);

/* Everything that is counted. A turn that leaves it as it was did nothing but move time on: the fold without it is the
 * same, since what comes due is worked through at its own time, whenever the next turn is. */
struct wr_core_counts {
    struct wr_conn_stats conn;
    struct wr_engine_stats engine;
};
struct wr_core_counts wr_core_counts(const struct wr_core *core);

/* State as bytes, appended, valid right after a turn; NULL leaves one out. WR_ECORRUPT: they are
 * damaged or another version's. Windows of rules that are gone or changed are left out. */
void wr_core_save(const struct wr_core *core, struct wr_buf *conn, struct wr_buf *engine);
/* How far files were read: part of the state. Borrowed. */
const struct wr_fileposs *wr_core_files(const struct wr_core *core);
enum wr_err wr_core_load_files(struct wr_core *core, const void *bytes, size_t len) WR_MUST_CHECK;
enum wr_err wr_core_load(struct wr_core *core, int64_t now_ns, const void *conn, size_t conn_len,
                         const void *engine, size_t engine_len) WR_MUST_CHECK;

#endif
