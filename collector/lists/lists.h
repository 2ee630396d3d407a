/* The files behind reference data: watchlists, lists of externaldata, own tables, saved functions, the geo database, reverse names of devices.
 *
 * What      every file that the configuration names, and for each folder of rules: `tuning/NAME.csv` is the watchlist NAME,
 *           `functions/NAME.kql` the function NAME. Of two with one name the configuration's comes first, then the rules' in
 *           their order, then those that came with weir.
 * Threads   one: the rules'.
 * Failure   at the start a file that cannot be read is an error; later its old content stays. */
#ifndef WR_COLLECTOR_LISTS_LISTS_H
#define WR_COLLECTOR_LISTS_LISTS_H

#include "collector/config/config.h"
#include "rules/refdata/refdata.h"

struct wr_listfiles;

/* Reads all of it. `config` may be NULL; `rules` are files and directories of rules. Owned; NULL with errors in `diags`. */
struct wr_listfiles *wr_listfiles_new(const struct wr_config *config, const char *const *rules, uint32_t nrules,
                                      struct wr_diags *diags);
void wr_listfiles_free(struct wr_listfiles *files);
struct wr_refdata *wr_listfiles_refdata(const struct wr_listfiles *files); /* borrowed */
/* Of the file that `names:` says, borrowed; its content changes in wr_listfiles_check. NULL: none. */
const struct wr_hostnames *wr_listfiles_names(const struct wr_listfiles *files);
/* Reads files that changed since, and watchlists of which a row expired. True when rows are others than before; what is
 * wrong stands in `diags`, once for each change of a file. */
bool wr_listfiles_check(struct wr_listfiles *files, struct wr_diags *diags);

#endif
