/* Reference data: what queries read beside weir's tables.
 *
 * What      lists (externaldata's addresses, watchlists, tables of the user's own) and saved functions. They are defined once,
 *           then given their text, and given it again whenever the file changes.
 * Lifetime  counted; rule sets and queries hold it, since their plans point into it.
 * Threads   one: the one that runs the rules.
 * Failure   a text that is wrong adds errors with file and line and leaves the rows as they were.
 * Source    Kusto "externaldata operator", "Data formats supported for ingestion"; Sentinel "Watchlists". */
#ifndef WR_RULES_REFDATA_REFDATA_H
#define WR_RULES_REFDATA_REFDATA_H

#include "base/diag.h"
#include "base/schema.h"

struct wr_refdata;
struct wr_geo;
struct wr_plan_env;

struct wr_refdata *wr_refdata_new(void);
struct wr_refdata *wr_refdata_ref(struct wr_refdata *ref);
void wr_refdata_unref(struct wr_refdata *ref);

enum wr_list_kind {
    WR_LIST_ADDRESS,   /* what externaldata names */
    WR_LIST_WATCHLIST, /* what _GetWatchlist names */
    WR_LIST_TABLE      /* what a query names as it names weir's tables */
};

enum wr_list_format {
    WR_LIST_AUTO, /* by the suffix of the address or file; csv where there is none */
    WR_LIST_CSV,
    WR_LIST_TSV,
    WR_LIST_PSV,
    WR_LIST_SCSV,
    WR_LIST_TXT,      /* a line is a record of one column */
    WR_LIST_RAW,      /* the whole text is one */
    WR_LIST_JSON,     /* objects, one a line or one after the other */
    WR_LIST_MULTIJSON /* the same, or an array of them */
};
/* False: `name` (`len` bytes) is no format that is read here. */
bool wr_list_format_parse(const char *name, size_t len, enum wr_list_format *ret_format);

struct wr_list_col {
    const char *name;
    enum wr_type type;
};

struct wr_list_def {
    enum wr_list_kind kind;
    const char *name; /* address, alias or table */
    enum wr_list_format format;
    const char *key; /* watchlist: the column that is SearchKey too; NULL: one of that name, else the first */
    const struct wr_list_col *cols; /* table: NULL: those of the first line, as strings */
    uint32_t ncols;
    bool empty; /* there is no file: no rows (`missing: empty`) */
};

enum {
    WR_LIST_MAX_BYTES = 100 << 20,  /* of one text, as Kusto has it */
    WR_LIST_MAX_ROWS = 1000000,     /* of one list */
    WR_LIST_MAX_RECORD = 1 << 20,   /* bytes of one record */
    WR_LIST_MAX_LISTS = 1024
};

/* Columns of a table of Microsoft's that users have files for (threat intelligence); static. NULL and 0: not one of those. */
const struct wr_list_col *wr_refdata_known(const char *table, uint32_t *ret_n);

/* Makes a list known; the first definition of a kind and name counts, later ones change nothing. All is copied.
 * WR_ELIMIT, WR_ENOMEM. */
enum wr_err wr_refdata_define(struct wr_refdata *ref, const struct wr_list_def *def) WR_MUST_CHECK;
bool wr_refdata_defined(const struct wr_refdata *ref, enum wr_list_kind kind, const char *name);

/* The list's text, for the first time or anew; `file` names it in messages, `now` (ticks) is the time of loading: rows
 * whose column Expires lies before it are left out of a watchlist. WR_EINVAL with errors in `diags`. */
enum wr_err wr_refdata_load(struct wr_refdata *ref, enum wr_list_kind kind, const char *name, const char *file,
                            const char *text, size_t len, int64_t now, struct wr_diags *diags) WR_MUST_CHECK;
/* When the next row of any watchlist expires, so that it is to be loaded again; INT64_MAX: never. */
int64_t wr_refdata_expiry(const struct wr_refdata *ref);
/* Grows whenever rows changed. */
uint64_t wr_refdata_version(const struct wr_refdata *ref);

/* A saved function: `(a: long) { ... }`, or a query, which is a function without parameters. The first of a name counts.
 * Its text is compiled where it is used. */
enum wr_err wr_refdata_function(struct wr_refdata *ref, const char *name, const char *file, const char *text,
                                size_t len) WR_MUST_CHECK;
/* Where geo_info_from_ip_address() looks; borrowed, must outlive `ref`. NULL: nothing is known. */
void wr_refdata_geo(struct wr_refdata *ref, const struct wr_geo *geo);

/* For wr_plan_new_env; lives as long as `ref`. */
const struct wr_plan_env *wr_refdata_env(struct wr_refdata *ref);

#endif
