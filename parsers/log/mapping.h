#ifndef WR_PARSERS_LOG_MAPPING_H
#define WR_PARSERS_LOG_MAPPING_H

#include "base/diag.h"
#include "parsers/log/event.h"

/* Mappings as data: how a JSON record of some source becomes a row of DeviceNetworkEvents. A file holds one
 * mapping a YAML document:
 *
 *     name: osquery
 *     when: {name: socket_events, columns.remote_address: "*"}    all of them; "*" is any value
 *     columns:
 *       Timestamp: columns.time                                   a path
 *       DeviceName: [hostIdentifier, decorations.host]            the first that is there
 *       ActionType: {from: columns.status, map: {failed: ConnectionFailed}, else: ConnectionSuccess}
 *       Image: columns.path                                       stands for FolderPath and FileName
 *     tuple: fd.name                                              text `A:p->B:p`, fills what is missing
 *     swap: {columns.action: accept}                              any of them: local and remote change places
 *
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

/* One thread's values of the record at hand, by field. */
struct wr_fields;
struct wr_fields *wr_fields_new(const struct wr_mappings *mappings); /* NULL: out of memory */
void wr_fields_free(struct wr_fields *fields);

/* DATA, MISSING, LIMIT or NONE, as wr_map_json. `ev` has json and scratch set, the rest zero. `*ret_name`
 * (for DATA and MISSING) is the mapping's, borrowed from `mappings`. */
enum wr_map wr_mappings_map(const struct wr_mappings *mappings, struct wr_fields *fields,
                            const struct wr_json_val *record, struct wr_event *ev, const char **ret_name);
/* True when the mapping `name` reads the path. */
bool wr_mappings_uses(const struct wr_mappings *mappings, const char *name, const char *path, size_t len);

#endif
