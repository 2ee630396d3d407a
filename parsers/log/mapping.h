#ifndef WR_PARSERS_LOG_MAPPING_H
#define WR_PARSERS_LOG_MAPPING_H

#include "base/buf.h"
#include "base/diag.h"
#include "parsers/log/event.h"

/* Mappings as data: how a JSON record of some source becomes a row of a table. A file holds one mapping a YAML
 * document:
 *
 *     name: osquery
 *     table: DeviceNetworkEvents                                  this one when nothing is said
 *     when: {name: socket_events, columns.remote_address: "*"}    all of them; "*" is any value, "a*" one that begins so; a.b|c: either
 *     columns:
 *       Timestamp: columns.time                                   a path
 *       DeviceName: [hostIdentifier, decorations.host]            the first that is there
 *       ActionType: {from: columns.status, map: {failed: ConnectionFailed}, else: ConnectionSuccess}     map: {"*": X}: any other value
 *       Image: columns.path                                       stands for FolderPath and FileName
 *     tuple: fd.name                                              text `A:p->B:p`, fills what is missing
 *     swap: {columns.action: accept}                              any of them: local and remote change places
 *     remember: {lookup: processes, key: [aid, pid], fields: [exe]}   kept for later records, in bounded memory
 *     recall: {lookup: processes, key: [aid, pid]}                what was kept counts as fields of this record
 *
 * From a record at most one row a table is made, by the mapping of that table that is tried first.
 * A path names keys from the outside in, with points between; a key that holds points itself, or an index of
 * a list, is written the same way (`id.orig_h`, `args.0.saddr`). Compiled once into tables over all mappings,
 * so that a record is walked once. Read only after the last wr_mappings_add: threads may share it. */
struct wr_mappings;

/* The ones that come with weir; NULL: out of memory. */
struct wr_mappings *wr_mappings_new(void);
void wr_mappings_free(struct wr_mappings *mappings);

/* Adds a file's mappings; what is added later is tried first. WR_EINVAL with errors in `diags` (nothing of
 * the faulty mapping is used), WR_ENOMEM. `name` and `text` are not kept. */
enum wr_err wr_mappings_add(struct wr_mappings *mappings, const char *name, const char *text, size_t len,
                            struct wr_diags *diags) WR_MUST_CHECK;
uint32_t wr_mappings_count(const struct wr_mappings *mappings);

/* Mapping `i` of wr_mappings_count: its name (borrowed), its table, and the columns that it can fill. */
const char *wr_mappings_fills(const struct wr_mappings *mappings, uint32_t i, enum wr_table *ret_table,
                              struct wr_colset *ret_cols);

/* What records said that later ones need (`remember`, `recall`): bounded, 16,384 entries of at most 472 bytes, the oldest of its
 * set goes first. Threads may share it; it locks by itself. */
struct wr_lookups;
struct wr_lookups *wr_lookups_new(const struct wr_mappings *mappings); /* NULL: out of memory */
void wr_lookups_free(struct wr_lookups *lookups);
/* For the state directory, and back into an empty one before anybody uses it. What was saved under other mappings is left out.
 * WR_ECORRUPT: damaged, nothing was taken. */
void wr_lookups_save(struct wr_lookups *lookups, struct wr_buf *out);
enum wr_err wr_lookups_load(struct wr_lookups *lookups, const void *bytes, size_t len) WR_MUST_CHECK;

/* One thread's values of the record at hand, by field. */
struct wr_fields;
/* `lookups` is borrowed; NULL: nothing is remembered. NULL: out of memory. */
struct wr_fields *wr_fields_new(const struct wr_mappings *mappings, struct wr_lookups *lookups);
void wr_fields_free(struct wr_fields *fields);

/* Begins a record: its fields are noted. False: too many keys. The second takes an event in XML (sysmon.h).
 * The record and `scratch` must last until the last wr_mappings_next. */
bool wr_mappings_begin(const struct wr_mappings *mappings, struct wr_fields *fields, struct wr_arena *scratch,
                       const struct wr_json_val *record) WR_MUST_CHECK;
void wr_mappings_begin_xml(const struct wr_mappings *mappings, struct wr_fields *fields, struct wr_arena *scratch,
                           const char *text, size_t len);
/* An event of the audit daemon (audit.h), by laurel's paths. */
struct wr_audit_event;
void wr_mappings_begin_audit(const struct wr_mappings *mappings, struct wr_fields *fields, struct wr_arena *scratch,
                             const struct wr_audit_event *event);
/* The record's next row: DATA (`ev` holds it), MISSING (a mapping took it, a field that it needs is not there
 * or unreadable), NONE: no more. `ev` has json and scratch set. `*ret_name` is the mapping's, borrowed. */
enum wr_map wr_mappings_next(const struct wr_mappings *mappings, struct wr_fields *fields, struct wr_event *ev,
                             const char **ret_name);
/* Records that asked for a lookup's entry which was not there. */
/* True when some record was kept for later ones, or asked for an earlier one. */
bool wr_fields_remember(const struct wr_fields *fields);
uint64_t wr_fields_lookups_missed(const struct wr_fields *fields);
/* True when a mapping `name` reads the path. */
bool wr_mappings_uses(const struct wr_mappings *mappings, const char *name, const char *path, size_t len);

#endif
