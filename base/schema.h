#ifndef WR_BASE_SCHEMA_H
#define WR_BASE_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Kusto's scalar types, and how a column of each is stored in a batch. */
enum wr_type {
    WR_BOOL,     /* int64_t 0 or 1 */
    WR_INT,      /* int64_t, value in 32 bits */
    WR_LONG,     /* int64_t */
    WR_REAL,     /* double */
    WR_DATETIME, /* int64_t ticks since 0001-01-01 UTC */
    WR_TIMESPAN, /* int64_t ticks */
    WR_STRING,   /* struct wr_str; never null, missing is "" */
    WR_GUID,     /* struct wr_str, 36 characters, lower case */
    WR_DYNAMIC,  /* struct wr_str, compact JSON text; null by validity */
    WR_DECIMAL,  /* struct wr_str, decimal digits */
    WR_NTYPES
};

/* "long", "datetime", ...; never NULL. */
const char *wr_type_name(enum wr_type type);
/* False when `name` (`len` bytes) is no type. Also takes the synonyms double, date, time, boolean, uuid. */
bool wr_type_parse(const char *name, size_t len, enum wr_type *ret_type);

static inline bool wr_type_is_str(enum wr_type type)
{
    return type >= WR_STRING;
}

enum { WR_MAX_COLS = 256, WR_NO_COL = UINT16_MAX };

struct wr_coldef {
    const char *name;
    enum wr_type type;
    uint16_t store; /* the column that holds the values: itself, or an alias' target */
    bool own;       /* Microsoft's table has no such column: weir's addition */
    bool hidden;    /* no query can name it */
};

/* A table's shape. Built-in ones are static; a query's results have their own, owned by the plan. */
struct wr_schema {
    const char *name;
    const struct wr_coldef *cols;
    uint16_t ncols;
};

/* The tables that rules can read. */
enum wr_table {
    WR_TABLE_DEVICE_NETWORK_EVENTS,
    WR_TABLE_FLOW_ORPHANS, /* shape of DeviceNetworkEvents: flows that no endpoint event explains */
    WR_TABLE_SYSLOG,
    WR_TABLE_FLOWS,
    WR_TABLE_ASIM_NETWORK_SESSION_LOGS,
    WR_TABLE_ASIM_DNS_ACTIVITY_LOGS,
    WR_TABLE_COMMON_SECURITY_LOG,
    WR_TABLE_DEVICE_PROCESS_EVENTS,
    WR_TABLE_SMTP_MESSAGES,
    WR_TABLE_UNMANAGED_DEVICE, /* these three have one shape: what only the network saw */
    WR_TABLE_HIDDEN_CONNECTION,
    WR_TABLE_AGENT_SILENT,
    WR_NTABLES
};

const struct wr_schema *wr_schema_of(enum wr_table table);
/* By name, case-sensitive as in Kusto; false when weir has no such table. */
bool wr_table_find(const char *name, size_t len, enum wr_table *ret_table);
/* Index of a column that a query may name, or WR_NO_COL. */
uint16_t wr_schema_find(const struct wr_schema *schema, const char *name, size_t len);

/* Every table's first column is its time: what windows are about. */
enum { WR_TIME_COL = 0 };

/* Every table's last column is hidden: when the row came to the rules, for ingestion_time(). The engine fills it where a rule asks. */
uint16_t wr_ingestion_col(enum wr_table table);

/* Columns of rows that change after their insert: an amendment is a row with the same id, `amend` true, and in `prev` what
 * `col` held before. */
/* What the column `amend` says of a row, added up: it is the new version of one; its connection was given up before it had
 * ended, so that what would have come later is not in it. */
enum { WR_ROW_AMENDS = 1, WR_ROW_GIVEN_UP = 2 };
struct wr_amends {
    uint16_t row_id, amend, ncols;
    struct {
        uint16_t col, prev; /* prev WR_NO_COL: what it held is not told (no number: sum() takes none) */
    } cols[12];
};
/* NULL: rows of this table never change. */
const struct wr_amends *wr_table_amends(enum wr_table table);

/* Column numbers: WR_DNE_RemotePort, ... */
#define COL(name, type) WR_TABLE_PREFIX(name),
#define OWN(name, type) WR_TABLE_PREFIX(name),
#define HIDDEN(name, type) WR_TABLE_PREFIX(name),
#define ALIAS(name, type, of) WR_TABLE_PREFIX(name),
#define OWN_ALIAS(name, type, of) WR_TABLE_PREFIX(name),
#define WR_TABLE_PREFIX(name) WR_DNE_##name
enum wr_dne { /* DeviceNetworkEvents and FlowOrphans */
#include "base/tables/device_network_events.def"
    WR_DNE_NCOLS
};
#undef WR_TABLE_PREFIX
#define WR_TABLE_PREFIX(name) WR_SYSLOG_##name
enum wr_syslog_col {
#include "base/tables/syslog.def"
    WR_SYSLOG_NCOLS
};
#undef WR_TABLE_PREFIX
#define WR_TABLE_PREFIX(name) WR_FLOWS_##name
enum wr_flows_col {
#include "base/tables/flows.def"
    WR_FLOWS_NCOLS
};
#undef WR_TABLE_PREFIX
#define WR_TABLE_PREFIX(name) WR_NETSESSION_##name
enum wr_netsession_col { /* ASimNetworkSessionLogs */
#include "base/tables/asim_network_session_logs.def"
    WR_NETSESSION_NCOLS
};
#undef WR_TABLE_PREFIX
#define WR_TABLE_PREFIX(name) WR_DNS_##name
enum wr_dns_col { /* ASimDnsActivityLogs */
#include "base/tables/asim_dns_activity_logs.def"
    WR_DNS_NCOLS
};
#undef WR_TABLE_PREFIX
#define WR_TABLE_PREFIX(name) WR_CSL_##name
enum wr_csl_col { /* CommonSecurityLog */
#include "base/tables/common_security_log.def"
    WR_CSL_NCOLS
};
#undef WR_TABLE_PREFIX
#define WR_TABLE_PREFIX(name) WR_DPE_##name
enum wr_dpe_col { /* DeviceProcessEvents */
#include "base/tables/device_process_events.def"
    WR_DPE_NCOLS
};
#undef WR_TABLE_PREFIX
#define WR_TABLE_PREFIX(name) WR_SMTP_##name
enum wr_smtp_col { /* SmtpMessages */
#include "base/tables/smtp_messages.def"
    WR_SMTP_NCOLS
};
#undef WR_TABLE_PREFIX
#define WR_TABLE_PREFIX(name) WR_SIDE_##name
enum wr_side_col { /* UnmanagedDevice, HiddenConnection, AgentSilent */
#include "base/tables/one_sided.def"
    WR_SIDE_NCOLS
};
#undef WR_TABLE_PREFIX
#undef COL
#undef OWN
#undef HIDDEN
#undef ALIAS
#undef OWN_ALIAS

/* Changes whenever a table or a column is added, moved or gets another type: rows as bytes (wr_row_pack) mean the
 * same only where it is equal. */
uint32_t wr_schema_fingerprint(void);

/* A set of column numbers. */
struct wr_colset {
    uint64_t bits[WR_MAX_COLS / 64];
};

static inline void wr_colset_add(struct wr_colset *set, uint16_t col)
{
    set->bits[col / 64] |= UINT64_C(1) << (col % 64);
}

static inline void wr_colset_drop(struct wr_colset *set, uint16_t col)
{
    set->bits[col / 64] &= ~(UINT64_C(1) << (col % 64));
}

static inline bool wr_colset_has(const struct wr_colset *set, uint16_t col)
{
    return set->bits[col / 64] >> (col % 64) & 1;
}

/* Every column of a table that holds values (aliases excluded). */
struct wr_colset wr_colset_all(const struct wr_schema *schema);

#endif
