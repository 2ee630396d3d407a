#ifndef WR_PARSERS_LOG_CEF_H
#define WR_PARSERS_LOG_CEF_H

#include "parsers/log/event.h"
#include "parsers/log/header.h"

/* CEF and LEEF -> rows of CommonSecurityLog, by Microsoft's CEF field mapping. What has no column stands in
 * AdditionalExtensions as `key=value;..`. Sources: ArcSight "Common Event Format" (versions 0 and 1), IBM "Log Event
 * Extended Format" 1.0 and 2.0, Azure Monitor "CEF and CommonSecurityLog field mapping". */
enum { WR_CEF_MAX_KEYS = 1024 };

struct wr_cef_names {
    struct wr_keys cef, custom, leef;
};
void wr_cef_init(struct wr_cef_names *names);

bool wr_cef_start(const char *text, size_t len); /* `CEF:` or `LEEF:` and a digit */

/* One message; `at` is its syslog header, `peer` the sender's address, `now` ticks for years that are missing. CEF (WR_MAP_DATA),
 * MISSING: the header is not whole; LIMIT: more than WR_CEF_MAX_KEYS keys. `*ret_leef` says which it was. */
enum wr_map wr_map_cef(const struct wr_cef_names *names, const struct wr_header *at, const char *peer, int64_t now,
                       struct wr_event *ev, bool *ret_leef);

/* The event, a row of CommonSecurityLog, made into one of ASimNetworkSessionLogs. False: it tells of no session that
 * passed, with both ends and bytes. */
bool wr_cef_session(struct wr_event *ev);

#endif
