#ifndef WR_PARSERS_LOG_EVENT_H
#define WR_PARSERS_LOG_EVENT_H

#include "base/batch.h"
#include "base/scan.h"
#include "parsers/log/json.h"
#include "parsers/log/keys.h"

/* Keys of a record's outermost object that say something about its layout; how often the first five
 * came is counted. */
enum {
    WR_ENV_CATEGORY,
    WR_ENV_PROPERTIES,
    WR_ENV_TIME,
    WR_ENV_TENANT,
    WR_ENV_TYPE,
    WR_ENV_ACTION,
    WR_ENV_PROTOCOL,
    WR_ENV_LOCAL,
    WR_ENV_LOGON,
    WR_ENV_EVENT_ID,
    WR_ENV_N
};
struct wr_envelope {
    uint32_t at[WR_ENV_N]; /* mark of the value, 0: not there */
    uint32_t dup;          /* values that came before in vain, nulls aside */
    bool twice;            /* some key did */
};

/* Where the columns of a Defender record stand: the same in every text of one shape
 * (wr_json_doc.shape). */
enum { WR_LAYOUTS = 8 };
struct wr_layout {
    uint64_t shape;  /* 0: nothing is known */
    uint32_t record; /* mark of its bracket */
    struct wr_envelope envelope;
    bool sysmon;         /* a key that every layout of Sysmon's events has one of is there */
    bool none;           /* no record like it is Defender's, or Sysmon's unless a text of it is XML */
    bool columns;        /* what follows is known */
    uint32_t properties; /* mark of their bracket */
    enum wr_table table;
    uint32_t dup_keys;
    struct wr_colset have;
    uint32_t mark[WR_MAX_COLS];
};

/* One record on its way to a row of a table: for each column the value as it stands in the
 * document, or only where it stands there; read and converted when a predicate or a wanted column
 * needs it. Borrows from the JSON document, the frame and `scratch`. */
struct wr_rows;
struct wr_filter;
struct wr_event {
    enum wr_table table;
    struct wr_colset have; /* columns that have a value */
    struct wr_colset late; /* of them, those whose value is still a mark of `doc` */
    const struct wr_json_doc *doc;
    uint32_t mark[WR_MAX_COLS];
    struct wr_json_val val[WR_MAX_COLS];
    struct wr_keys_order envelope_order, order; /* of keys, from record to record */
    struct wr_layout layout[WR_LAYOUTS];
    int64_t time; /* ticks: column WR_TIME_COL */
    uint32_t dup_keys;
    const struct wr_rows *rows;   /* where rows go, with the filters before them: what nobody reads is not filled;
                                     NULL: everything is. DeviceNetworkEvents is filled whole */
    const struct wr_filter *filter;
    struct wr_json *json;
    struct wr_arena *scratch;
};

/* Begins a row of `table`: nothing is set. */
static inline void wr_event_start(struct wr_event *ev, enum wr_table table)
{
    ev->table = table;
    ev->have = ev->late = (struct wr_colset){0};
    ev->dup_keys = 0;
}

static inline bool wr_event_has(const struct wr_event *ev, uint16_t col)
{
    if (!wr_colset_has(&ev->have, col))
        return false;
    return wr_colset_has(&ev->late, col) ? !wr_json_null_at(ev->doc, ev->mark[col])
                                         : ev->val[col].type != WR_JSON_NULL;
}

/* The value of a column that has one. */
static inline const struct wr_json_val *wr_event_val(struct wr_event *ev, uint16_t col)
{
    if (wr_colset_has(&ev->late, col)) {
        wr_json_value_at(ev->doc, ev->mark[col], &ev->val[col]);
        wr_colset_drop(&ev->late, col);
    }
    return &ev->val[col];
}

static inline void wr_event_set(struct wr_event *ev, uint16_t col, const struct wr_json_val *v)
{
    wr_colset_add(&ev->have, col);
    wr_colset_drop(&ev->late, col);
    ev->val[col] = *v;
}

/* The value is at a mark of ev->doc. */
static inline void wr_event_set_mark(struct wr_event *ev, uint16_t col, uint32_t mark)
{
    wr_colset_add(&ev->have, col);
    wr_colset_add(&ev->late, col);
    ev->mark[col] = mark;
}

static inline void wr_event_unset(struct wr_event *ev, uint16_t col)
{
    wr_colset_drop(&ev->have, col);
    wr_colset_drop(&ev->late, col);
}

void wr_event_set_text(struct wr_event *ev, uint16_t col, const char *text, size_t len);

/* A value as a number or a time, and as text; false when it is none. Text is borrowed until the
 * next call. */
bool wr_val_i64(const struct wr_json_val *v, int64_t *ret);
bool wr_val_time(const struct wr_json_val *v, int64_t *ret_ticks);
bool wr_val_text(struct wr_json *json, struct wr_arena *scratch, const struct wr_json_val *v,
                 const char **ret, size_t *ret_len);
/* Equal to `text` without regard to the case of ASCII letters; numbers never are. */
bool wr_val_is(const struct wr_json_val *v, const char *text);

/* Fills the wanted columns of row `row` in a batch of its table. False: out of memory. */
bool wr_event_fill(struct wr_event *ev, struct wr_batch *batch, uint32_t row) WR_MUST_CHECK;
/* The column that names the row's own table; WR_NO_COL: it has none. */
uint16_t wr_event_type_col(enum wr_table table);

/* ---- what layouts share (convert.c) ---- */

/* An address in its shortest form (Sysmon writes fe80:0:0:0:..), and its kind as Defender names it
 * (WR_NO_COL: not wanted). False: no address. */
bool wr_event_take_ip(struct wr_event *ev, const struct wr_json_val *v, uint16_t col,
                      uint16_t kind_col);
/* A text at the mark that begins as a Windows event in XML does. */
bool wr_event_xml_at(const struct wr_json_doc *doc, uint32_t at);
/* `tcp` -> `Tcp`. */
void wr_event_take_protocol(struct wr_event *ev, uint16_t col, const struct wr_json_val *v);
/* `C:\Py\python.exe` -> path and name; `CORP\rkim` -> domain and name. Both take texts only. */
void wr_event_take_image(struct wr_event *ev, const struct wr_json_val *v, uint16_t path_col,
                         uint16_t name_col);
void wr_event_take_user(struct wr_event *ev, const struct wr_json_val *v, uint16_t domain_col,
                        uint16_t name_col);

/* ---- predicates (predicate.c) ---- */

/* An own copy of a scan's branches; all zero: every row is wanted. */
struct wr_filter {
    struct wr_arena *arena; /* NULL: no filter */
    struct wr_branch *branches;
    uint32_t nbranches;
    struct wr_colset cols; /* that they test */
};
enum wr_err wr_filter_init(struct wr_filter *filter, const struct wr_scan *scan) WR_MUST_CHECK;
void wr_filter_fini(struct wr_filter *filter);
/* False only when no branch can accept the row of the filter's table, whatever its flow adds to it
 * later. */
bool wr_filter_accepts(const struct wr_filter *filter, struct wr_event *ev);

/* ---- mappings ---- */

enum wr_map {
    WR_MAP_NONE,
    WR_MAP_DEFENDER,
    WR_MAP_SYSMON,
    WR_MAP_DATA,
    WR_MAP_CEF,
    WR_MAP_MISSING,
    WR_MAP_LIMIT
};
enum { WR_JSON_MAX_KEYS = 4096 };

/* A table's columns by name, and which of them stand for another. */
enum { WR_MAX_ALIASES = 16 };
struct wr_map_columns {
    struct wr_keys keys;
    uint32_t naliases;
    struct {
        uint16_t col, store;
    } alias[WR_MAX_ALIASES];
};

/* Names of the layouts; read only after init. */
struct wr_maps {
    struct wr_map_columns network, process; /* DeviceNetworkEvents, DeviceProcessEvents */
    struct wr_keys envelope; /* defender.c: keys of the outermost object that say what it is */
    struct wr_keys paths;    /* sysmon.c: dotted JSON paths */
    struct wr_keys data;     /* sysmon.c: names of Sysmon's event data */
};
void wr_maps_init(struct wr_maps *maps);

/* Which mapping takes the record, with `ev` filled for DEFENDER and SYSMON. `ev` has json and
 * scratch set; its table is begun by whoever takes it. MISSING: one took it, but a field that it
 * needs is not there or unreadable. */
enum wr_map wr_map_json(const struct wr_maps *maps, const struct wr_json_val *record,
                        struct wr_event *ev);
enum wr_map wr_map_sysmon_json(const struct wr_maps *maps, const struct wr_json_val *record,
                               struct wr_event *ev);
enum wr_map wr_map_sysmon_xml(const struct wr_maps *maps, const char *text, size_t len,
                              struct wr_event *ev);
void wr_map_sysmon_init(struct wr_maps *maps);

#endif
