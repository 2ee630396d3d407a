/* A MaxMind-format database (libmaxminddb) behind geo_info_from_ip_address(). */
#ifndef WR_COLLECTOR_LISTS_GEO_H
#define WR_COLLECTOR_LISTS_GEO_H

#include "base/diag.h"
#include "rules/fn/geo.h"

struct wr_geofile;

/* Owned; NULL with an error in `diags`. The file stays mapped. */
struct wr_geofile *wr_geofile_new(const char *path, struct wr_diags *diags);
void wr_geofile_free(struct wr_geofile *file);
const struct wr_geo *wr_geofile_geo(const struct wr_geofile *file); /* as long as the file */
/* Opens the file anew when it changed; true when it did. A broken one is told, and the old one goes on. */
bool wr_geofile_check(struct wr_geofile *file, struct wr_diags *diags);

#endif
