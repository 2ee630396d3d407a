/* Sysmon's network event (event 3) as shippers hand it on: Winlogbeat with the raw event data or, after its
 * pipeline, in ECS; NXLog's flat JSON; Sysmon for Linux' XML. Tables say which name feeds which field, the
 * code below what the fields mean for a row. Sources: Sysmon "Event ID 3", Elastic Common Schema 8,
 * Winlogbeat's Sysmon module. */
#include "parsers/log/event.h"

#include "parsers/log/sysmon.h"

#include <string.h>

/* Names of Sysmon's own event data: under winlog.event_data, flat (NXLog) and as <Data Name="..">. NXLog's
 * AccountName, EventTime and ExecutionProcessID are the Sysmon service's own and are left alone. */
static const struct {
    const char *name;
    enum wr_sysmon_field field;
} data_names[] = {
    {"UtcTime", SM_TIME},
    {"ProcessId", SM_PID},
    {"Image", SM_IMAGE},
    {"User", SM_USER},
    {"Protocol", SM_PROTOCOL},
    {"Initiated", SM_INITIATED},
    {"SourceIp", SM_SRC_IP},
    {"SourcePort", SM_SRC_PORT},
    {"SourceHostname", SM_SRC_HOST},
    {"DestinationIp", SM_DST_IP},
    {"DestinationPort", SM_DST_PORT},
    {"DestinationHostname", SM_DST_HOST},
    {"Hashes", SM_HASHES},
    {"CommandLine", SM_CMDLINE},
};

static const struct {
    const char *name;
    enum wr_sysmon_field field;
} json_paths[] = {
    {"winlog.event_id", SM_EVENT_ID},
    {"EventID", SM_EVENT_ID},
    {"winlog.provider_name", SM_PROVIDER},
    {"SourceName", SM_PROVIDER},
    {"ProviderName", SM_PROVIDER},
    {"winlog.computer_name", SM_COMPUTER},
    {"Hostname", SM_COMPUTER},
    {"Computer", SM_COMPUTER},
    {"MESSAGE", SM_XML},
    {"message", SM_XML},
    {"log", SM_XML},
    {"System", SM_XML}, /* journal, Fluent Bit */
    {"@timestamp", ECS_TIME},
    {"host.name", ECS_HOST},
    {"host.hostname", ECS_HOSTNAME},
    {"source.ip", ECS_SRC_IP},
    {"source.port", ECS_SRC_PORT},
    {"source.domain", ECS_SRC_HOST},
    {"source.bytes", ECS_SRC_BYTES},
    {"destination.ip", ECS_DST_IP},
    {"destination.port", ECS_DST_PORT},
    {"destination.domain", ECS_DST_HOST},
    {"destination.bytes", ECS_DST_BYTES},
    {"network.transport", ECS_TRANSPORT},
    {"network.direction", ECS_DIRECTION},
    {"event.outcome", ECS_OUTCOME},
    {"event.action", ECS_ACTION},
    {"event.type", ECS_TYPE},
    {"network.iana_number", ECS_IANA},
    {"dns.question.name", ECS_DNS},
    {"process.name", ECS_PROCESS},
    {"process.executable", ECS_EXECUTABLE},
    {"process.pid", ECS_PID},
    {"process.command_line", ECS_CMDLINE},
    {"process.hash.sha1", ECS_SHA1},
    {"process.hash.sha256", ECS_SHA256},
    {"process.hash.md5", ECS_MD5},
    {"process.parent.name", ECS_PARENT},
    {"process.parent.pid", ECS_PARENT_PID},
    {"user.name", ECS_USER},
    {"user.domain", ECS_USER_DOMAIN},
};

/* Objects that hold one of the paths. */
static const char *const branches[] = {"winlog",       "winlog.event_data", "host",  "source",
                                       "destination",  "network",           "event", "process",
                                       "process.hash", "process.parent",    "user",  "dns",
                                       "dns.question"};
enum { BRANCH = 0xffff, DATA_PREFIX = sizeof "winlog.event_data." - 1, MAX_PATH = 64 };

void wr_map_sysmon_init(struct wr_maps *maps)
{
    for (size_t i = 0; i < sizeof data_names / sizeof *data_names; i++)
        wr_keys_add(&maps->data, data_names[i].name, (uint16_t)data_names[i].field);
    for (size_t i = 0; i < sizeof json_paths / sizeof *json_paths; i++)
        wr_keys_add(&maps->paths, json_paths[i].name, (uint16_t)json_paths[i].field);
    for (size_t i = 0; i < sizeof branches / sizeof *branches; i++)
        wr_keys_add(&maps->paths, branches[i], BRANCH);
}

/* Windows writes "-" for what it does not know. */
static bool has(const struct wr_sysmon *sm, enum wr_sysmon_field f)
{
    const struct wr_json_val *v = &sm->val[f];
    return v->type != WR_JSON_NULL &&
           !(v->type == WR_JSON_STR && (v->len == 0 || (v->len == 1 && *v->s == '-')));
}

void wr_sysmon_set(struct wr_sysmon *sm, enum wr_sysmon_field f, const struct wr_json_val *v)
{
    if (f == SM_XML && (v->type != WR_JSON_STR || v->len < 7 || memcmp(v->s, "<Event", 6) != 0))
        return; /* a message of another kind */
    sm->dup_keys += sm->val[f].type != WR_JSON_NULL;
    sm->val[f] = *v;
}

/* Reads one object whose path is path[0..len); nested and dotted keys meet in the same path. False: too many
 * keys. */
static bool flatten(const struct wr_maps *maps, struct wr_sysmon *sm, const struct wr_json_val *object,
                    char *path, size_t len, int depth)
{
    if (object->len > WR_JSON_MAX_KEYS)
        return false;
    struct wr_json_iter it = wr_json_begin(object);
    struct wr_json_val v;
    const char *key;
    size_t n;
    uint16_t id;
    while (wr_json_iter_next(&it, &key, &n, &v)) {
        if (n + len + 1 >= MAX_PATH)
            continue;
        memcpy(path + len, key, n);
        bool data = len + n > DATA_PREFIX && !memcmp(path, "winlog.event_data.", DATA_PREFIX);
        if (data || len == 0) {
            size_t cut = data ? DATA_PREFIX : 0;
            if (wr_keys_find(&maps->data, path + cut, len + n - cut, &id))
                wr_sysmon_set(sm, (enum wr_sysmon_field)id, &v);
        }
        if (!wr_keys_find(&maps->paths, path, len + n, &id))
            continue;
        if (id != BRANCH) {
            wr_sysmon_set(sm, (enum wr_sysmon_field)id, &v);
        } else if (v.type == WR_JSON_OBJECT && depth < 4) {
            path[len + n] = '.';
            if (!flatten(maps, sm, &v, path, len + n + 1, depth + 1))
                return false;
        }
    }
    return true;
}

static void take(const struct wr_sysmon *sm, enum wr_sysmon_field f, struct wr_event *ev, uint16_t col)
{
    if (has(sm, f))
        wr_event_set(ev, col, &sm->val[f]);
}

static bool take_ip(const struct wr_sysmon *sm, enum wr_sysmon_field f, struct wr_event *ev, uint16_t col,
                    uint16_t kind_col)
{
    return wr_event_take_ip(ev, &sm->val[f], col, kind_col);
}

/* `SHA1=AB..,MD5=..,SHA256=..,IMPHASH=..`; Defender writes hashes in lower case. */
static void take_hashes(const struct wr_json_val *v, struct wr_event *ev)
{
    static const struct {
        const char *name;
        size_t len, digits;
        uint16_t col;
    } kinds[] = {{"SHA1=", 5, 40, WR_DNE_InitiatingProcessSHA1},
                 {"SHA256=", 7, 64, WR_DNE_InitiatingProcessSHA256},
                 {"MD5=", 4, 32, WR_DNE_InitiatingProcessMD5}};
    for (const char *p = v->s, *end = v->s + v->len; p < end;) {
        const char *comma = memchr(p, ',', (size_t)(end - p));
        size_t n = (size_t)((comma ? comma : end) - p);
        for (size_t k = 0; k < 3; k++) {
            if (n != kinds[k].len + kinds[k].digits || memcmp(p, kinds[k].name, kinds[k].len) != 0)
                continue;
            char *hex = wr_arena_strndup(ev->scratch, p + kinds[k].len, kinds[k].digits);
            for (size_t i = 0; hex && i < kinds[k].digits; i++)
                hex[i] = wr_ascii_lower(hex[i]);
            if (hex)
                wr_event_set_text(ev, kinds[k].col, hex, kinds[k].digits);
        }
        p += n + 1;
    }
}

/* The two ends of a connection, by who began it. */
static bool take_ends(const struct wr_sysmon *sm, struct wr_event *ev, bool inbound,
                      enum wr_sysmon_field src_ip, enum wr_sysmon_field dst_ip)
{
    enum wr_sysmon_field local = inbound ? dst_ip : src_ip, remote = inbound ? src_ip : dst_ip;
    /* ip, port, host, bytes follow each other in the enum */
    take(sm, local + 1, ev, WR_DNE_LocalPort);
    take(sm, remote + 1, ev, WR_DNE_RemotePort);
    take(sm, remote + 2, ev, WR_DNE_RemoteUrl);
    return take_ip(sm, local, ev, WR_DNE_LocalIP, WR_DNE_LocalIPType) &&
           take_ip(sm, remote, ev, WR_DNE_RemoteIP, WR_DNE_RemoteIPType);
}

static enum wr_map map_raw(const struct wr_sysmon *sm, struct wr_event *ev)
{
    const struct wr_json_val *time = has(sm, SM_TIME) ? &sm->val[SM_TIME] : &sm->val[ECS_TIME];
    int64_t initiated;
    if (!wr_val_time(time, &ev->time) || !wr_val_i64(&sm->val[SM_INITIATED], &initiated) ||
        !take_ends(sm, ev, !initiated, SM_SRC_IP, SM_DST_IP))
        return WR_MAP_MISSING;
    if (initiated)
        wr_event_set_text(ev, WR_DNE_ActionType, "ConnectionSuccess", 17);
    else
        wr_event_set_text(ev, WR_DNE_ActionType, "InboundConnectionAccepted", 25);
    take(sm, has(sm, SM_COMPUTER) ? SM_COMPUTER : ECS_HOST, ev, WR_DNE_DeviceName);
    take(sm, SM_PID, ev, WR_DNE_InitiatingProcessId);
    take(sm, SM_CMDLINE, ev, WR_DNE_InitiatingProcessCommandLine);
    wr_event_take_protocol(ev, WR_DNE_Protocol, &sm->val[SM_PROTOCOL]);
    if (has(sm, SM_IMAGE) && sm->val[SM_IMAGE].type == WR_JSON_STR)
        wr_event_take_image(ev, &sm->val[SM_IMAGE], WR_DNE_InitiatingProcessFolderPath,
                            WR_DNE_InitiatingProcessFileName);
    if (has(sm, SM_USER) && sm->val[SM_USER].type == WR_JSON_STR)
        wr_event_take_user(ev, &sm->val[SM_USER], WR_DNE_InitiatingProcessAccountDomain,
                           WR_DNE_InitiatingProcessAccountName);
    if (has(sm, SM_HASHES) && sm->val[SM_HASHES].type == WR_JSON_STR)
        take_hashes(&sm->val[SM_HASHES], ev);
    return WR_MAP_SYSMON;
}

/* One of the texts that a field, or a list, holds. */
static bool holds(const struct wr_json_val *v, const char *text)
{
    struct wr_json_val e;
    const char *key;
    size_t n;
    if (v->type != WR_JSON_ARRAY)
        return wr_val_is(v, text);
    struct wr_json_iter it = wr_json_begin(v);
    while (wr_json_iter_next(&it, &key, &n, &e))
        if (wr_val_is(&e, text))
            return true;
    return false;
}

static const char *ecs_action(const struct wr_sysmon *sm, bool inbound)
{
    const struct wr_json_val *action = &sm->val[ECS_ACTION];
    if (wr_val_is(&sm->val[ECS_OUTCOME], "failure") || holds(&sm->val[ECS_TYPE], "denied"))
        return "ConnectionFailed";
    if (wr_val_is(action, "disconnect_received")) /* of Elastic's own sensor, as is the next: it told of the begin, too */
        return "ConnectionEnded";
    if (wr_val_is(action, "connection_attempted")) /* without an outcome */
        return "ConnectionRequest";
    return inbound ? "InboundConnectionAccepted" : "ConnectionSuccess";
}

static enum wr_map map_ecs(const struct wr_sysmon *sm, struct wr_event *ev)
{
    const struct wr_json_val *dir = &sm->val[ECS_DIRECTION];
    bool inbound = wr_val_is(dir, "ingress") || wr_val_is(dir, "inbound");
    if (!wr_val_time(&sm->val[ECS_TIME], &ev->time) || !take_ends(sm, ev, inbound, ECS_SRC_IP, ECS_DST_IP))
        return WR_MAP_MISSING;
    const char *action = ecs_action(sm, inbound);
    wr_event_set_text(ev, WR_DNE_ActionType, action, strlen(action));
    take(sm, inbound ? ECS_DST_BYTES : ECS_SRC_BYTES, ev, WR_DNE_SentBytes);
    take(sm, inbound ? ECS_SRC_BYTES : ECS_DST_BYTES, ev, WR_DNE_ReceivedBytes);
    enum wr_sysmon_field host = has(sm, ECS_HOST)       ? ECS_HOST
                                : has(sm, ECS_HOSTNAME) ? ECS_HOSTNAME
                                                        : SM_COMPUTER;
    take(sm, host, ev, WR_DNE_DeviceName);
    wr_event_take_protocol(ev, WR_DNE_Protocol, &sm->val[has(sm, ECS_TRANSPORT) ? ECS_TRANSPORT : ECS_IANA]);
    if (has(sm, ECS_EXECUTABLE) && sm->val[ECS_EXECUTABLE].type == WR_JSON_STR)
        wr_event_take_image(ev, &sm->val[ECS_EXECUTABLE], WR_DNE_InitiatingProcessFolderPath,
                            WR_DNE_InitiatingProcessFileName);
    take(sm, ECS_PROCESS, ev, WR_DNE_InitiatingProcessFileName);
    take(sm, ECS_PID, ev, WR_DNE_InitiatingProcessId);
    take(sm, ECS_CMDLINE, ev, WR_DNE_InitiatingProcessCommandLine);
    take(sm, ECS_SHA1, ev, WR_DNE_InitiatingProcessSHA1);
    take(sm, ECS_SHA256, ev, WR_DNE_InitiatingProcessSHA256);
    take(sm, ECS_MD5, ev, WR_DNE_InitiatingProcessMD5);
    take(sm, ECS_PARENT, ev, WR_DNE_InitiatingProcessParentFileName);
    take(sm, ECS_PARENT_PID, ev, WR_DNE_InitiatingProcessParentId);
    take(sm, ECS_USER_DOMAIN, ev, WR_DNE_InitiatingProcessAccountDomain);
    take(sm, ECS_USER, ev, WR_DNE_InitiatingProcessAccountName);
    return WR_MAP_SYSMON;
}

enum wr_map wr_sysmon_map(const struct wr_sysmon *sm, struct wr_event *ev)
{
    int64_t id = 0;
    const struct wr_json_val *provider = &sm->val[SM_PROVIDER];
    if (wr_val_i64(&sm->val[SM_EVENT_ID], &id) && id != 3)
        return WR_MAP_NONE;
    if (provider->type == WR_JSON_STR && !memmem(provider->s, provider->len, "Sysmon", 6))
        return WR_MAP_NONE;
    wr_event_start(ev, WR_TABLE_DEVICE_NETWORK_EVENTS);
    ev->dup_keys += sm->dup_keys;
    if (id == 3 && has(sm, SM_SRC_IP))
        return map_raw(sm, ev);
    if (has(sm, ECS_SRC_IP) && has(sm, ECS_DST_IP) && !has(sm, ECS_DNS) && /* a question is a row of DNS, too */
        (has(sm, ECS_PROCESS) || has(sm, ECS_EXECUTABLE) || has(sm, ECS_PID)))
        return map_ecs(sm, ev);
    return id == 3 && provider->type == WR_JSON_STR ? WR_MAP_MISSING : WR_MAP_NONE;
}

struct xml_part {
    const struct wr_maps *maps;
    struct wr_sysmon *sm;
};

static void xml_part(void *ctx, const char *path, size_t len, const struct wr_json_val *v)
{
    const struct xml_part *x = ctx;
    uint16_t id;
    bool data = len > DATA_PREFIX && !memcmp(path, "winlog.event_data.", DATA_PREFIX);
    const struct wr_keys *keys = data ? &x->maps->data : &x->maps->paths;
    size_t cut = data ? DATA_PREFIX : 0;
    if (wr_keys_find(keys, path + cut, len - cut, &id) && id != BRANCH)
        wr_sysmon_set(x->sm, (enum wr_sysmon_field)id, v);
}

enum wr_map wr_map_sysmon_xml(const struct wr_maps *maps, const char *text, size_t len, struct wr_event *ev)
{
    struct wr_sysmon sm = {0};
    wr_xml_event(text, len, ev->scratch, xml_part, &(struct xml_part){maps, &sm});
    return wr_sysmon_map(&sm, ev);
}

enum wr_map wr_map_sysmon_json(const struct wr_maps *maps, const struct wr_json_val *record,
                               struct wr_event *ev)
{
    struct wr_sysmon sm = {0};
    char path[MAX_PATH];
    if (!flatten(maps, &sm, record, path, 0, 0))
        return WR_MAP_LIMIT;
    const struct wr_json_val *xml = &sm.val[SM_XML];
    enum wr_map map = wr_sysmon_map(&sm, ev);
    if (map == WR_MAP_NONE && xml->type == WR_JSON_STR)
        return wr_map_sysmon_xml(maps, xml->s, xml->len, ev);
    return map;
}
