/* Microsoft Defender XDR: records of the streaming API (Event Hub, storage) and rows of advanced hunting.
 * Their properties have the names of the table's columns, so the mapping is the schema itself. Source:
 * Microsoft Learn, "Streaming API", "DeviceNetworkEvents". */
#include "parsers/log/event.h"

#include <string.h>

static void add_columns(struct wr_keys *keys, enum wr_table table)
{
    const struct wr_schema *schema = wr_schema_of(table);
    for (uint16_t c = 0; c < schema->ncols; c++)
        if (!schema->cols[c].hidden)
            wr_keys_add(keys, schema->cols[c].name, c);
}

void wr_maps_init(struct wr_maps *maps)
{
    *maps = (struct wr_maps){0};
    add_columns(&maps->columns, WR_TABLE_DEVICE_NETWORK_EVENTS);
    add_columns(&maps->process_columns, WR_TABLE_DEVICE_PROCESS_EVENTS);
    wr_map_sysmon_init(maps);
}

/* An alias fills its column when the column itself did not come. */
static void settle_aliases(struct wr_event *ev)
{
    const struct wr_schema *schema = wr_schema_of(ev->table);
    for (uint16_t c = 0; c < schema->ncols; c++) {
        uint16_t store = schema->cols[c].store;
        if (store != c && wr_event_has(ev, c) && !wr_event_has(ev, store))
            wr_event_set(ev, store, &ev->val[c]);
    }
}

/* `ev` is begun for the table whose columns `keys` has. */
static enum wr_map defender(const struct wr_keys *keys, const struct wr_json_val *properties,
                            const struct wr_json_val *time, struct wr_event *ev)
{
    if (properties->len > WR_JSON_MAX_KEYS)
        return WR_MAP_LIMIT;
    struct wr_json_iter it = wr_json_begin(properties);
    struct wr_json_val v;
    const char *key;
    size_t len;
    uint16_t col;
    while (wr_json_iter_next(&it, &key, &len, &v)) {
        if (!wr_keys_find(keys, key, len, &col))
            continue;
        ev->dup_keys += wr_colset_has(&ev->have, col);
        wr_event_set(ev, col, &v);
    }
    settle_aliases(ev);
    bool timed = wr_event_has(ev, WR_TIME_COL) && wr_val_time(&ev->val[WR_TIME_COL], &ev->time);
    if (!timed && !wr_val_time(time, &ev->time))
        return WR_MAP_MISSING;
    uint16_t action = ev->table == WR_TABLE_DEVICE_NETWORK_EVENTS ? (uint16_t)WR_DNE_ActionType
                                                                  : (uint16_t)WR_DPE_ActionType;
    return wr_event_has(ev, action) ? WR_MAP_DEFENDER : WR_MAP_MISSING;
}

static bool key_is(const char *key, size_t len, const char *name)
{
    return len == strlen(name) && !memcmp(key, name, len);
}

/* What the outermost object says about its layout. */
struct envelope {
    struct wr_json_val category, properties, time, tenant, type;
    bool action, protocol, local, logon, sysmon; /* sysmon: a key that every layout of its events has one of */
    uint32_t dup;
};

static bool begins(const char *key, size_t len, const char *word)
{
    return len >= strlen(word) && !memcmp(key, word, strlen(word));
}

static void look_at(struct envelope *e, const char *key, size_t len, const struct wr_json_val *v)
{
    e->sysmon |= begins(key, len, "winlog") || begins(key, len, "source") || key_is(key, len, "EventID") ||
                 (v->type == WR_JSON_STR && v->len >= 7 && !memcmp(v->s, "<Event", 6));
    struct wr_json_val *slot = NULL;
    if (key_is(key, len, "properties"))
        slot = &e->properties;
    else if (key_is(key, len, "category"))
        slot = &e->category;
    else if (key_is(key, len, "time"))
        slot = &e->time;
    else if (key_is(key, len, "tenantId"))
        slot = &e->tenant;
    else if (key_is(key, len, "Type"))
        slot = &e->type;
    else if (key_is(key, len, "ActionType"))
        e->action = true;
    else if (key_is(key, len, "Protocol"))
        e->protocol = true;
    else if (key_is(key, len, "LocalIP"))
        e->local = true;
    else if (key_is(key, len, "LogonType"))
        e->logon = true;
    if (slot) {
        e->dup += slot->type != WR_JSON_NULL;
        *slot = *v;
    }
}

enum wr_map wr_map_json(const struct wr_maps *maps, const struct wr_json_val *record, struct wr_event *ev)
{
    if (record->type != WR_JSON_OBJECT)
        return WR_MAP_NONE;
    if (record->len > WR_JSON_MAX_KEYS)
        return WR_MAP_LIMIT;
    struct envelope e = {0};
    struct wr_json_iter it = wr_json_begin(record);
    struct wr_json_val v;
    const char *key;
    size_t len;
    while (wr_json_iter_next(&it, &key, &len, &v))
        look_at(&e, key, len, &v);
    static const char hunting[] = "AdvancedHunting-";
    bool process = wr_val_is(&e.category, "AdvancedHunting-DeviceProcessEvents") ||
                   wr_val_is(&e.type, "DeviceProcessEvents");
    const struct wr_keys *keys = process ? &maps->process_columns : &maps->columns;
    wr_event_start(ev, process ? WR_TABLE_DEVICE_PROCESS_EVENTS : WR_TABLE_DEVICE_NETWORK_EVENTS);
    if (wr_val_is(&e.category, "AdvancedHunting-DeviceNetworkEvents") ||
        wr_val_is(&e.category, "AdvancedHunting-DeviceProcessEvents")) {
        if (e.properties.type != WR_JSON_OBJECT)
            return WR_MAP_MISSING;
        ev->dup_keys += e.dup;
        enum wr_map map = defender(keys, &e.properties, &e.time, ev);
        uint16_t tenant = process ? (uint16_t)WR_DPE_TenantId : (uint16_t)WR_DNE_TenantId;
        if (e.tenant.type != WR_JSON_NULL && !wr_event_has(ev, tenant))
            wr_event_set(ev, tenant, &e.tenant);
        return map;
    }
    if (e.category.type == WR_JSON_STR && e.category.len > sizeof hunting &&
        !memcmp(e.category.s, hunting, sizeof hunting - 1))
        return WR_MAP_NONE;
    /* A row of advanced hunting has no envelope. Other Device* tables share many names, not all of these. */
    if (process || wr_val_is(&e.type, "DeviceNetworkEvents") || (e.action && e.protocol && e.local && !e.logon))
        return defender(keys, record, &e.time, ev);
    return e.sysmon ? wr_map_sysmon_json(maps, record, ev) : WR_MAP_NONE;
}
