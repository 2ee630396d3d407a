#ifndef WR_BASE_ALERT_H
#define WR_BASE_ALERT_H

#include "base/buf.h"
#include "base/schema.h"
#include "base/str.h"

#include <stdbool.h>

enum wr_alert_kind { WR_ALERT_RAISED, WR_ALERT_UPDATED, WR_ALERT_RESOLVED };

struct wr_alert_cell {
    const char *name;
    enum wr_type type;
    bool null;
    int64_t i;
    double r;
    struct wr_str s;
};

/* One version of an alert. Owned as one block (its arena); wr_alert_free releases all of it.
 * `id` is stable: SHA-256(rule id, rule version, group key, crossing time) cut to 128 bits; (id, seq) de-duplicates. */
struct wr_alert {
    struct wr_arena *arena;
    char id[33];
    uint32_t seq;
    enum wr_alert_kind kind;
    const char *title; /* the rule's name, or what it makes of the row; NULL: the rule's name */
    const char *rule_id, *rule_name, *rule_version, *severity, *confidence, *description;
    const char *const *tactics;
    const char *const *techniques;
    uint32_t ntactics, ntechniques;
    int64_t window_start, window_end; /* ticks; 0 when the rule has no window */
    int64_t first_seen, last_seen;    /* ticks, of the rows in the group; 0 unknown */
    int64_t raised_at;                /* ticks: when the group crossed */
    bool exact;                       /* false: memory bound touched it, or sampled */
    bool final;                       /* no later version of it comes */
    struct wr_alert_cell *cells;      /* the columns the rule projects */
    uint32_t ncells;
    struct { const char *type, *identifier; uint32_t cell; } *entities; /* cell: index into cells */
    uint32_t nentities;
    struct { const char *key; uint32_t cell; } *details; /* columns under names of the rule's */
    uint32_t ndetails;
    uint64_t sample_rows[5]; /* _RowId of the newest connections; ask wr_conn_sample */
    uint32_t nsamples;
    const char *samples_json; /* filled by the collector: JSON array text, or NULL */
    struct wr_alert *next;
};

/* Frees one alert, not those after it; NULL is allowed. */
void wr_alert_free(struct wr_alert *alert);
/* Frees every alert of the list. */
void wr_alerts_free(struct wr_alert *list);
/* The alert as one JSON object (docs/alerts.md), no line end; out->err says when memory ran out. Cells are
 * coded as `weir query` codes them. */
void wr_alert_json(const struct wr_alert *alert, struct wr_buf *out);
/* One cell as JSON: null, number, "text"; datetime and timespan as text; dynamic as the JSON it is. */
void wr_cell_json(const struct wr_alert_cell *cell, struct wr_buf *out);

#endif
