#ifndef WR_PARSERS_LOG_SYSMON_H
#define WR_PARSERS_LOG_SYSMON_H

#include "parsers/log/event.h"

/* Fields that the layouts of Sysmon's event 3 have, before they are put together to a row. Of each end ip,
 * port and host follow each other. */
enum wr_sysmon_field {
    SM_EVENT_ID,
    SM_PROVIDER,
    SM_COMPUTER,
    SM_TIME,
    SM_PID,
    SM_IMAGE,
    SM_USER,
    SM_PROTOCOL,
    SM_INITIATED,
    SM_SRC_IP,
    SM_SRC_PORT,
    SM_SRC_HOST,
    SM_DST_IP,
    SM_DST_PORT,
    SM_DST_HOST,
    SM_HASHES,
    SM_CMDLINE,
    SM_XML, /* the event as XML text inside a JSON record */
    ECS_TIME,
    ECS_HOST,
    ECS_HOSTNAME,
    ECS_SRC_IP,
    ECS_SRC_PORT,
    ECS_SRC_HOST,
    ECS_SRC_BYTES,
    ECS_DST_IP,
    ECS_DST_PORT,
    ECS_DST_HOST,
    ECS_DST_BYTES,
    ECS_TRANSPORT,
    ECS_DIRECTION,
    ECS_OUTCOME,
    ECS_ACTION,
    ECS_TYPE,
    ECS_IANA,
    ECS_DNS,
    ECS_PROCESS,
    ECS_EXECUTABLE,
    ECS_PID,
    ECS_CMDLINE,
    ECS_SHA1,
    ECS_SHA256,
    ECS_MD5,
    ECS_PARENT,
    ECS_PARENT_PID,
    ECS_USER,
    ECS_USER_DOMAIN,
    SYSMON_NFIELDS
};

struct wr_sysmon {
    struct wr_json_val val[SYSMON_NFIELDS]; /* type NULL: not there */
    uint32_t dup_keys;
};

/* What a Windows event in XML says, part by part, under Winlogbeat's paths: winlog.event_id,
 * winlog.event_data.Image, ... `path` and text are borrowed during the call; at most WR_JSON_MAX_KEYS parts. */
typedef void wr_xml_each(void *ctx, const char *path, size_t len, const struct wr_json_val *v);
void wr_xml_event(const char *text, size_t len, struct wr_arena *scratch, wr_xml_each *each, void *ctx);

/* Fields may come twice; the last wins, counted. */
void wr_sysmon_set(struct wr_sysmon *sm, enum wr_sysmon_field field, const struct wr_json_val *v);
enum wr_map wr_sysmon_map(const struct wr_sysmon *sm, struct wr_event *ev);

#endif
