/* One record against all mappings. The record is walked once: each key's path is looked up in one table, and
 * what some mapping reads is noted by field number. Then the mappings' conditions are tried, the last added
 * first, and of each table the first that holds fills a row. What no mapping reads is never looked into. */
#include "parsers/log/audit.h"
#include "parsers/log/mapping_internal.h"
#include "parsers/log/rows.h"
#include "parsers/log/sysmon.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct wr_fields *wr_fields_new(const struct wr_mappings *mappings, struct wr_lookups *lookups)
{
    (void)mappings;
    struct wr_fields *f = calloc(1, sizeof *f);
    if (f)
        f->lookups = lookups;
    return f;
}

void wr_fields_free(struct wr_fields *fields)
{
    free(fields);
}

/* The table is ours, strangers' paths only look up. Eight bytes at a time; the last ones may come twice. */
uint32_t wr_map_path_hash(const char *path, size_t len)
{
    uint64_t h = len * UINT64_C(0x9e3779b97f4a7c15), w = 0;
    for (size_t i = 0; i + 8 <= len; i += 8) {
        memcpy(&w, path + i, 8);
        h = (h ^ w) * UINT64_C(0xff51afd7ed558ccd);
        h ^= h >> 32;
    }
    if (len >= 8)
        memcpy(&w, path + len - 8, 8);
    else
        for (size_t i = 0; i < len; i++)
            w = w << 8 | (unsigned char)path[i];
    h = (h ^ w) * UINT64_C(0xff51afd7ed558ccd);
    return (uint32_t)(h >> 32);
}

const struct map_slot *wr_map_path_find(const struct wr_mappings *m, const char *path, size_t len)
{
    uint32_t h = wr_map_path_hash(path, len);
    for (uint32_t i = h % MAP_SLOTS; m->slot[i].path; i = (i + 1) % MAP_SLOTS)
        if (m->slot[i].hash == h && m->slot[i].len == len && !memcmp(m->slot[i].path, path, len))
            return &m->slot[i];
    return NULL;
}

static bool among(const uint16_t *fields, uint32_t n, uint16_t field)
{
    for (uint32_t i = 0; i < n; i++)
        if (fields[i] == field)
            return true;
    return false;
}

static bool one_uses(const struct map_one *one, uint16_t field)
{
    const struct map_lookup *lookups[] = {&one->remember, &one->recall};
    for (uint32_t i = 0; i < one->ntests; i++)
        if (among(one->tests[i].fields, one->tests[i].nfields, field))
            return true;
    for (uint32_t i = 0; i < one->nswaps; i++)
        if (among(one->swaps[i].fields, one->swaps[i].nfields, field))
            return true;
    for (uint32_t i = 0; i < one->npicks; i++)
        if (among(one->picks[i].from, one->picks[i].nfrom, field))
            return true;
    for (int i = 0; i < 2; i++)
        if (among(lookups[i]->keys, lookups[i]->nkeys, field) ||
            among(lookups[i]->fields, lookups[i]->nfields, field))
            return true;
    return one->tuple == field;
}

bool wr_mappings_uses(const struct wr_mappings *mappings, const char *name, const char *path, size_t len)
{
    const struct map_slot *s = wr_map_path_find(mappings, path, len);
    if (!s || s->field == MAP_NO_FIELD)
        return false;
    for (uint32_t i = mappings->n; i-- > 0;) /* a name may stand for several: one a table */
        if (strcmp(mappings->one[i].name, name) == 0 && one_uses(&mappings->one[i], s->field))
            return true;
    return false;
}

const char *wr_mappings_fills(const struct wr_mappings *mappings, uint32_t i, enum wr_table *ret_table,
                              struct wr_colset *ret_cols)
{
    const struct map_one *one = &mappings->one[i];
    *ret_table = one->table;
    *ret_cols = (struct wr_colset){0};
    for (uint32_t k = 0; k < one->npicks; k++) {
        wr_colset_add(ret_cols, one->picks[k].col);
        if (one->picks[k].col2 != WR_NO_COL)
            wr_colset_add(ret_cols, one->picks[k].col2);
    }
    return one->name;
}

/* ---- the record by fields ---- */

static void seen(struct wr_fields *f, uint16_t field, uint32_t mark)
{
    f->dup_keys += f->seen[field] == f->now;
    f->seen[field] = f->now;
    f->mark[field] = mark;
}

static void note(struct wr_fields *f, uint16_t field, const struct wr_json_val *v)
{
    seen(f, field, 0);
    f->val[field] = *v;
}

/* A field of the record at a mark; what is found is kept for texts of the same shape, as far as there is room. */
static void note_mark(struct wr_fields *f, uint16_t field, uint32_t mark)
{
    struct map_layout *l = &f->making;
    seen(f, field, mark);
    if (l->nfields == MAP_LAYOUT_FIELDS)
        l->shape = 0;
    if (!l->shape)
        return;
    l->field[l->nfields] = field;
    l->mark[l->nfields++] = mark;
}

static void note_top(struct wr_fields *f, uint32_t mark)
{
    struct map_layout *l = &f->making;
    f->xml |= wr_event_xml_at(f->doc, mark);
    if (l->ntop == MAP_LAYOUT_TOP)
        l->shape = 0;
    else
        l->top[l->ntop++] = mark;
}

/* Reads one object or list whose path is path[0..len); depth is bounded by the paths themselves and
 * MAP_DEPTH. False: too many keys. */
static bool flatten(const struct wr_mappings *m, struct wr_fields *f, const struct wr_json_val *container,
                    char *path, size_t len, int depth)
{
    struct wr_json_iter it = wr_json_begin(container);
    struct wr_json_val v;
    const char *key;
    size_t n;
    uint32_t at;
    char index[16];
    bool list = container->type == WR_JSON_ARRAY;
    if (container->len > WR_JSON_MAX_KEYS)
        return list;
    for (int i = 0; (!list || i < MAP_LIST) && wr_json_iter_key(&it, &key, &n, &at); i++) {
        if (list) {
            n = (size_t)snprintf(index, sizeof index, "%d", i);
            key = index;
        }
        if (depth == 0)
            note_top(f, at);
        if (n == 0 || len + n + 1 >= MAP_PATH)
            continue;
        memcpy(path + len, key, n);
        const struct map_slot *s = wr_map_path_find(m, path, len + n);
        if (!s)
            continue;
        if (s->field != MAP_NO_FIELD)
            note_mark(f, s->field, at);
        char c = f->doc->text[f->doc->mark[at]];
        if (s->branch && depth < MAP_DEPTH && (c == '{' || c == '[')) {
            path[len + n] = '.';
            wr_json_value_at(f->doc, at, &v);
            if (!flatten(m, f, &v, path, len + n + 1, depth + 1))
                return false;
        }
    }
    return true;
}

/* Is the field in this record, with whatever value? */
static bool is_there(const struct wr_fields *f, uint16_t field)
{
    return field != MAP_NO_FIELD && (f->seen[field] == f->now || (f->known && f->known->of[field]));
}

/* One of the words that sources write for "none". */
static bool is_none(const struct wr_json_val *v)
{
    switch (v->type == WR_JSON_STR ? v->len : v->type == WR_JSON_NULL ? 0 : UINT32_MAX) {
    case 0:
        return true;
    case 1:
        return *v->s == '-';
    case 3:
        return wr_val_is(v, "n/a");
    case 4:
        return wr_val_is(v, "<NA>");
    case 7:
        return wr_val_is(v, "(empty)");
    default:
        return false;
    }
}

const struct wr_json_val *wr_map_value(struct wr_fields *f, uint16_t field)
{
    if (!is_there(f, field))
        return NULL;
    if (f->seen[field] != f->now) {
        f->seen[field] = f->now;
        f->mark[field] = f->known->of[field];
    }
    struct wr_json_val *v = &f->val[field];
    if (f->mark[field])
        wr_json_value_at(f->doc, f->mark[field], v);
    f->mark[field] = 0;
    return is_none(v) ? NULL : v;
}

uint32_t wr_map_mark(const struct wr_fields *f, uint16_t field)
{
    if (!f->known || field == MAP_NO_FIELD || f->seen[field] == f->now || !f->known->of[field])
        return 0;
    uint32_t mark = f->known->of[field];
    char c = f->doc->text[f->doc->mark[mark]];
    struct wr_json_val v = {.type = WR_JSON_STR};
    size_t len;
    if (c != '"')
        return c == 'n' ? 0 : mark;
    v.s = wr_json_str_at(f->doc, mark, &len);
    v.len = (uint32_t)len;
    return is_none(&v) ? 0 : mark;
}

static bool has_value(struct wr_fields *f, uint16_t field)
{
    return wr_map_mark(f, field) || wr_map_value(f, field) != NULL;
}

bool wr_map_same(const struct wr_json_val *v, const struct map_text *t)
{
    char num[32];
    switch (v->type) {
    case WR_JSON_STR:
        return v->len == t->len && !memcmp(v->s, t->s, t->len);
    case WR_JSON_BOOL:
        return t->len == (v->b ? 4 : 5) && !memcmp(t->s, v->b ? "true" : "false", t->len);
    case WR_JSON_INT:
        return snprintf(num, sizeof num, "%" PRId64, v->i) == (int)t->len && !memcmp(num, t->s, t->len);
    default:
        return false;
    }
}

/* `*` stands for any bytes, also none. Each one is met at its earliest place, which decides for all that follow. */
static bool is_like(const struct wr_json_val *v, const struct map_text *t)
{
    const char *p = t->s, *end = t->s + t->len;
    const char *s = v->s, *stop = v->type == WR_JSON_STR ? v->s + v->len : NULL;
    const char *star = memchr(p, '*', t->len);
    if (!star || !stop)
        return wr_map_same(v, t);
    for (bool first = true; star; first = false) {
        const size_t n = (size_t)(star - p);
        const char *at = first ? s : memmem(s, (size_t)(stop - s), p, n);
        if (!at || (size_t)(stop - at) < n || memcmp(at, p, n) != 0)
            return false;
        s = at + n;
        p = star + 1;
        star = memchr(p, '*', (size_t)(end - p));
    }
    return (stop - s) >= (end - p) && memcmp(stop - (end - p), p, (size_t)(end - p)) == 0;
}

static bool is_one_of(const struct wr_json_val *v, const struct map_test *t)
{
    for (uint32_t i = 0; i < t->nvalues; i++)
        if (t->patterns ? is_like(v, &t->values[i]) : wr_map_same(v, &t->values[i]))
            return true;
    return false;
}

/* A list meets a condition when one of its elements does. */
static bool holds(struct wr_fields *f, const struct map_test *t)
{
    const struct wr_json_val *v = NULL;
    for (uint32_t i = 0; i < t->nfields && t->nvalues == 0; i++)
        if (has_value(f, t->fields[i]))
            return true;
    for (uint32_t i = 0; i < t->nfields && t->nvalues && !v; i++)
        v = wr_map_value(f, t->fields[i]);
    if (!v || v->type != WR_JSON_ARRAY)
        return v && is_one_of(v, t);
    struct wr_json_iter it = wr_json_begin(v);
    struct wr_json_val e;
    const char *key;
    size_t n;
    for (int i = 0; i < MAP_LIST && wr_json_iter_next(&it, &key, &n, &e); i++)
        if (is_one_of(&e, t))
            return true;
    return false;
}

/* Some field of each test is there: tells most mappings apart at once. */
static bool may_take(const struct map_one *one, struct wr_fields *f)
{
    for (uint32_t i = 0; i < one->ntests; i++) {
        const struct map_test *t = &one->tests[i];
        bool any = false;
        for (uint32_t k = 0; k < t->nfields && !any; k++)
            any = is_there(f, t->fields[k]);
        if (!any)
            return false;
    }
    return true;
}

/* Which mappings that holds for. */
static void find_may(const struct wr_mappings *m, struct wr_fields *f, uint64_t may[MAP_MAX / 64])
{
    memset(may, 0, MAP_MAX / 8);
    for (uint32_t i = 0; i < m->n; i++)
        may[i / 64] |= (uint64_t)may_take(&m->one[i], f) << (i % 64);
}

/* A mapping whose conditions ask for fields that are there. */
static bool takes(const struct map_one *one, struct wr_fields *f)
{
    for (uint32_t i = 0; i < one->ntests; i++)
        if (!holds(f, &one->tests[i]))
            return false;
    return true;
}

bool wr_map_swapped(const struct map_one *one, struct wr_fields *f)
{
    for (uint32_t i = 0; i < one->nswaps; i++)
        if (holds(f, &one->swaps[i]))
            return true;
    return false;
}

void wr_map_more_fields(struct wr_fields *f)
{
    for (uint32_t i = 0; f->known && i < f->known->nfields; i++)
        if (f->seen[f->known->field[i]] != f->now) {
            f->seen[f->known->field[i]] = f->now;
            f->mark[f->known->field[i]] = f->known->of[f->known->field[i]];
        }
    f->known = NULL;
    f->may = NULL;
}

/* ---- a record ---- */

static void begin(const struct wr_mappings *m, struct wr_fields *f)
{
    if (++f->now == 0) { /* once in 4 billion records: no old mark may look new */
        memset(f->seen, 0, sizeof f->seen);
        f->now = 1;
    }
    f->dup_keys = 0;
    f->xml = false;
    f->may = NULL;
    f->known = NULL;
    f->tables = 0;
    f->next = m->n;
}

struct part_fields {
    const struct wr_mappings *m;
    struct wr_fields *f;
};

static void part_field(void *ctx, const char *path, size_t len, const struct wr_json_val *v)
{
    const struct part_fields *x = ctx;
    const struct map_slot *s = wr_map_path_find(x->m, path, len);
    if (s && s->field != MAP_NO_FIELD)
        note(x->f, s->field, v);
}

void wr_mappings_begin_xml(const struct wr_mappings *mappings, struct wr_fields *fields, struct wr_arena *scratch,
                           const char *text, size_t len)
{
    begin(mappings, fields);
    wr_xml_event(text, len, scratch, part_field, &(struct part_fields){mappings, fields});
}

void wr_mappings_begin_audit(const struct wr_mappings *mappings, struct wr_fields *fields, struct wr_arena *scratch,
                             const struct wr_audit_event *event)
{
    begin(mappings, fields);
    wr_audit_fields(event, scratch, part_field, &(struct part_fields){mappings, fields});
}

/* A Windows event as XML in a record of a shipper (journal, Fluent Bit). */
static void inner_xml(const struct wr_mappings *m, struct wr_fields *f, const struct wr_json_val *record,
                      struct wr_arena *scratch)
{
    static const char *const names[] = {"MESSAGE", "message", "log", "System"};
    struct wr_json_iter it = wr_json_begin(record);
    struct wr_json_val v;
    const char *key;
    size_t n;
    while (wr_json_iter_next(&it, &key, &n, &v)) {
        if (v.type != WR_JSON_STR || v.len < 7 || memcmp(v.s, "<Event", 6) != 0)
            continue;
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            if (n == strlen(names[i]) && !memcmp(key, names[i], n))
                wr_xml_event(v.s, v.len, scratch, part_field, &(struct part_fields){m, f});
    }
}

/* The fields of a record whose text has a shape that is known: looked up when they are asked for. */
static void known_fields(struct wr_fields *f, const struct map_layout *l)
{
    for (uint32_t i = 0; f->doc->tagged && i < l->ntop; i++)
        f->xml |= wr_event_xml_at(f->doc, l->top[i]);
    f->may = l->may;
    f->known = l;
    f->dup_keys = l->dup_keys;
}

/* The fields of any other. False: too many keys. */
static bool find_fields(const struct wr_mappings *m, struct wr_fields *f, const struct wr_json_val *record,
                        struct map_layout *ret_layout)
{
    char path[MAP_PATH];
    f->making.shape = f->doc->shape;
    f->making.record = record->node.at;
    f->making.nfields = f->making.ntop = 0;
    if (!flatten(m, f, record, path, 0, 0))
        return false;
    if (f->making.shape) {
        find_may(m, f, f->making.may);
        memset(f->making.of, 0, sizeof f->making.of);
        for (uint32_t i = 0; i < f->making.nfields; i++)
            f->making.of[f->making.field[i]] = (uint16_t)f->making.mark[i];
        f->making.dup_keys = f->dup_keys;
        *ret_layout = f->making;
        f->may = ret_layout->may;
    }
    return true;
}

bool wr_mappings_begin(const struct wr_mappings *mappings, struct wr_fields *fields, struct wr_arena *scratch,
                       const struct wr_json_val *record)
{
    begin(mappings, fields);
    if (record->type != WR_JSON_OBJECT)
        return true;
    fields->doc = record->node.doc;
    struct map_layout *layout = &fields->layout[fields->doc->shape % MAP_LAYOUTS];
    if (fields->doc->shape && layout->shape == fields->doc->shape && layout->record == record->node.at)
        known_fields(fields, layout);
    else if (!find_fields(mappings, fields, record, layout))
        return false;
    if (fields->xml) {
        wr_map_more_fields(fields);
        inner_xml(mappings, fields, record, scratch);
    }
    return true;
}

/* Of the mappings below `next`, the first to try that may take the record; it becomes `next`. False: there is none. */
static bool next_may(const struct wr_mappings *m, struct wr_fields *f)
{
    while (f->next > 0 && f->may) {
        uint32_t w = (f->next - 1) / 64, bits = (f->next - 1) % 64 + 1;
        uint64_t left = f->may[w] << (64 - bits);
        f->next = w * 64 + (left ? bits - 1 - (uint32_t)__builtin_clzll(left) : 0);
        if (left)
            return true;
    }
    while (!f->may && f->next > 0)
        if (may_take(&m->one[--f->next], f))
            return true;
    return false;
}

enum wr_map wr_mappings_next(const struct wr_mappings *mappings, struct wr_fields *fields, struct wr_event *ev,
                             const char **ret_name)
{
    while (next_may(mappings, fields)) {
        const struct map_one *one = &mappings->one[fields->next];
        if (fields->tables >> one->table & 1 || !takes(one, fields))
            continue;
        fields->tables |= 1u << one->table;
        *ret_name = one->name;
        return wr_map_row(one, fields, &fields->needed[fields->next], ev);
    }
    return WR_MAP_NONE;
}

bool wr_fields_remember(const struct wr_fields *fields)
{
    return fields->looked_up;
}

uint64_t wr_fields_lookups_missed(const struct wr_fields *fields)
{
    return fields->lookups_missed;
}
