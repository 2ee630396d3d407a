/* Microsoft Defender XDR: records of the streaming API (Event Hub, storage) and rows of advanced
 * hunting. Their properties have the names of the table's columns, so the mapping is the schema
 * itself. Source: Microsoft Learn, "Streaming API", "DeviceNetworkEvents". */
#include "parsers/log/event.h"

#include <string.h>

static void add_columns(struct wr_map_columns *to, enum wr_table table)
{
    const struct wr_schema *schema = wr_schema_of(table);
    for (uint16_t c = 0; c < schema->ncols; c++) {
        if (schema->cols[c].hidden)
            continue;
        wr_keys_add(&to->keys, schema->cols[c].name, c);
        if (schema->cols[c].store == c)
            continue;
        WR_ASSERT(to->naliases < WR_MAX_ALIASES);
        to->alias[to->naliases].col = c;
        to->alias[to->naliases++].store = schema->cols[c].store;
    }
}

void wr_maps_init(struct wr_maps *maps)
{
    static const char *const envelope[WR_ENV_N] = {
        "category",   "properties", "time",    "tenantId",  "Type",
        "ActionType", "Protocol",   "LocalIP", "LogonType", "EventID"};
    *maps = (struct wr_maps){0};
    add_columns(&maps->network, WR_TABLE_DEVICE_NETWORK_EVENTS);
    add_columns(&maps->process, WR_TABLE_DEVICE_PROCESS_EVENTS);
    for (uint16_t i = 0; i < WR_ENV_N; i++)
        wr_keys_add(&maps->envelope, envelope[i], i);
    wr_map_sysmon_init(maps);
}

/* An alias fills its column when the column itself did not come. */
static void settle_aliases(const struct wr_map_columns *columns, struct wr_event *ev)
{
    for (uint32_t i = 0; i < columns->naliases; i++) {
        uint16_t col = columns->alias[i].col, store = columns->alias[i].store;
        if (wr_event_has(ev, col) && !wr_event_has(ev, store))
            wr_event_set(ev, store, wr_event_val(ev, col));
    }
}

/* Where the columns stand: as in a text of the same shape before, or by their names, which is
 * noted. */
static void find_columns(const struct wr_map_columns *columns, const struct wr_json_val *properties,
                         struct wr_layout *layout, struct wr_event *ev)
{
    struct wr_json_iter it = wr_json_begin(properties);
    const char *key;
    size_t len;
    uint32_t at;
    uint16_t col;
    if (layout->columns && layout->properties == properties->node.at &&
        layout->table == ev->table) {
        ev->dup_keys += layout->dup_keys;
        ev->have = ev->late = layout->have;
        memcpy(ev->mark, layout->mark, wr_schema_of(ev->table)->ncols * sizeof *ev->mark);
        return;
    }
    uint32_t dups = ev->dup_keys;
    for (uint32_t n = 0; wr_json_iter_key(&it, &key, &len, &at); n++) {
        if (!wr_keys_nth(&columns->keys, &ev->order, n, key, len, &col))
            continue;
        ev->dup_keys += wr_colset_has(&ev->have, col);
        wr_event_set_mark(ev, col, at);
    }
    layout->columns = layout->shape != 0;
    layout->properties = properties->node.at;
    layout->table = ev->table;
    layout->dup_keys = ev->dup_keys - dups;
    layout->have = ev->have;
    memcpy(layout->mark, ev->mark, wr_schema_of(ev->table)->ncols * sizeof *ev->mark);
}

/* `ev` is begun for the table of `columns`. Where the values stand is noted; most of them nobody
 * reads, and of a record that no rule wants only those that say so. */
static enum wr_map defender(const struct wr_map_columns *columns,
                            const struct wr_json_val *properties, const struct wr_json_val *time,
                            struct wr_layout *layout, struct wr_event *ev)
{
    if (properties->len > WR_JSON_MAX_KEYS)
        return WR_MAP_LIMIT;
    find_columns(columns, properties, layout, ev);
    settle_aliases(columns, ev);
    bool timed =
        wr_event_has(ev, WR_TIME_COL) && wr_val_time(wr_event_val(ev, WR_TIME_COL), &ev->time);
    if (!timed && !wr_val_time(time, &ev->time))
        return WR_MAP_MISSING;
    uint16_t action = ev->table == WR_TABLE_DEVICE_NETWORK_EVENTS ? (uint16_t)WR_DNE_ActionType
                                                                  : (uint16_t)WR_DPE_ActionType;
    return wr_event_has(ev, action) ? WR_MAP_DEFENDER : WR_MAP_MISSING;
}

static bool begins(const char *key, size_t len, const char *word)
{
    return len >= strlen(word) && !memcmp(key, word, strlen(word));
}

static void look_at(const struct wr_json_val *record, const struct wr_maps *maps,
                    struct wr_keys_order *order, struct wr_envelope *e)
{
    struct wr_json_iter it = wr_json_begin(record);
    const char *key;
    size_t len;
    uint32_t at;
    uint16_t id;
    for (uint32_t n = 0; wr_json_iter_key(&it, &key, &len, &at); n++) {
        if (!wr_keys_nth(&maps->envelope, order, n, key, len, &id))
            continue;
        e->twice |= e->at[id] != 0;
        e->dup += id <= WR_ENV_TYPE && e->at[id] && !wr_json_null_at(it.doc, e->at[id]);
        e->at[id] = at;
    }
}

/* A key that every layout of Sysmon's events has one of. */
static bool has_sysmon_key(const struct wr_json_val *record, const struct wr_envelope *e)
{
    struct wr_json_iter it = wr_json_begin(record);
    const char *key;
    size_t len;
    uint32_t at;
    bool has = e->at[WR_ENV_EVENT_ID] != 0;
    while (!has && wr_json_iter_key(&it, &key, &len, &at))
        has = begins(key, len, "winlog") || begins(key, len, "source");
    return has;
}

static bool has_xml(const struct wr_json_val *record)
{
    struct wr_json_iter it = wr_json_begin(record);
    const char *key;
    size_t len;
    uint32_t at;
    bool has = false;
    while (it.doc->tagged && !has && wr_json_iter_key(&it, &key, &len, &at))
        has = wr_event_xml_at(it.doc, at);
    return has;
}

/* A row of advanced hunting has no envelope. Other Device* tables share many names, not all of
 * these. */
static bool looks_like_row(const struct wr_envelope *e)
{
    return e->at[WR_ENV_ACTION] && e->at[WR_ENV_PROTOCOL] && e->at[WR_ENV_LOCAL] && !e->at[WR_ENV_LOGON];
}

/* Which keys the record has, as far as they say what it is; known for texts of one shape. */
static struct wr_layout *layout_of(const struct wr_maps *maps, const struct wr_json_val *record, struct wr_event *ev)
{
    const struct wr_json_doc *doc = record->node.doc;
    struct wr_layout *layout = &ev->layout[doc->shape % WR_LAYOUTS];
    struct wr_envelope *e = &layout->envelope;
    if (layout->shape && layout->shape == doc->shape && layout->record == record->node.at)
        return layout;
    *e = (struct wr_envelope){0};
    look_at(record, maps, &ev->envelope_order, e);
    layout->shape = e->twice ? 0 : doc->shape;
    layout->record = record->node.at;
    layout->columns = false;
    layout->sysmon = has_sysmon_key(record, e);
    layout->none = !e->at[WR_ENV_CATEGORY] && !e->at[WR_ENV_TYPE] && !looks_like_row(e) && !layout->sysmon;
    return layout;
}

/* The value of a key; null when it is not there. */
static struct wr_json_val member(const struct wr_json_doc *doc, const struct wr_envelope *e, int id)
{
    struct wr_json_val v = {.type = WR_JSON_NULL};
    if (e->at[id])
        wr_json_value_at(doc, e->at[id], &v);
    return v;
}

enum wr_map wr_map_json(const struct wr_maps *maps, const struct wr_json_val *record,
                        struct wr_event *ev)
{
    static const char hunting[] = "AdvancedHunting-";
    if (record->type != WR_JSON_OBJECT)
        return WR_MAP_NONE;
    if (record->len > WR_JSON_MAX_KEYS)
        return WR_MAP_LIMIT;
    const struct wr_json_doc *doc = record->node.doc;
    struct wr_layout *layout = layout_of(maps, record, ev);
    const struct wr_envelope *e = &layout->envelope;
    if (layout->none && !doc->tagged)
        return WR_MAP_NONE;
    struct wr_json_val category = member(doc, e, WR_ENV_CATEGORY),
                       type = member(doc, e, WR_ENV_TYPE), time = member(doc, e, WR_ENV_TIME);
    bool of_network = wr_val_is(&category, "AdvancedHunting-DeviceNetworkEvents");
    bool of_process = !of_network && wr_val_is(&category, "AdvancedHunting-DeviceProcessEvents");
    bool process = of_process || wr_val_is(&type, "DeviceProcessEvents");
    const struct wr_map_columns *columns = process ? &maps->process : &maps->network;
    wr_event_start(ev, process ? WR_TABLE_DEVICE_PROCESS_EVENTS : WR_TABLE_DEVICE_NETWORK_EVENTS);
    ev->doc = doc;
    if (of_network || of_process) {
        struct wr_json_val properties = member(doc, e, WR_ENV_PROPERTIES);
        if (properties.type != WR_JSON_OBJECT)
            return WR_MAP_MISSING;
        ev->dup_keys += e->dup;
        enum wr_map map = defender(columns, &properties, &time, layout, ev);
        uint16_t tenant = process ? (uint16_t)WR_DPE_TenantId : (uint16_t)WR_DNE_TenantId;
        if (e->at[WR_ENV_TENANT] && !wr_json_null_at(doc, e->at[WR_ENV_TENANT]) &&
            !wr_event_has(ev, tenant))
            wr_event_set_mark(ev, tenant, e->at[WR_ENV_TENANT]);
        return map;
    }
    if (category.type == WR_JSON_STR && category.len > sizeof hunting &&
        !memcmp(category.s, hunting, sizeof hunting - 1))
        return WR_MAP_NONE;
    if (process || wr_val_is(&type, "DeviceNetworkEvents") || looks_like_row(e))
        return defender(columns, record, &time, layout, ev);
    return layout->sysmon || has_xml(record) ? wr_map_sysmon_json(maps, record, ev) : WR_MAP_NONE;
}
