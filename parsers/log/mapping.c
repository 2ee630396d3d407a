/* One record against all mappings. The record is walked once: each key's path is looked up in one table, and
 * what some mapping reads is noted by field number. Then the mappings' conditions are tried, the last added
 * first, and the first that holds fills the row. What no mapping reads is never looked into. */
#include "base/buf.h"
#include "base/ticks.h"
#include "parsers/log/mapping_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct wr_fields {
    uint32_t now, dup_keys;
    uint32_t seen[MAP_FIELDS]; /* == now: val is of this record */
    struct wr_json_val val[MAP_FIELDS];
};

struct wr_fields *wr_fields_new(const struct wr_mappings *mappings)
{
    (void)mappings;
    return calloc(1, sizeof(struct wr_fields));
}

void wr_fields_free(struct wr_fields *fields)
{
    free(fields);
}

uint32_t wr_map_path_hash(const char *path, size_t len)
{
    uint32_t h = 2166136261u; /* FNV-1a; the table is ours, strangers' paths only look up */
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)path[i]) * 16777619u;
    return h;
}

const struct map_slot *wr_map_path_find(const struct wr_mappings *m, const char *path, size_t len)
{
    uint32_t h = wr_map_path_hash(path, len);
    for (uint32_t i = h % MAP_SLOTS; m->slot[i].path; i = (i + 1) % MAP_SLOTS)
        if (m->slot[i].hash == h && m->slot[i].len == len && !memcmp(m->slot[i].path, path, len))
            return &m->slot[i];
    return NULL;
}

static bool one_uses(const struct map_one *one, uint16_t field)
{
    for (uint32_t i = 0; i < one->ntests; i++)
        if (one->tests[i].field == field)
            return true;
    for (uint32_t i = 0; i < one->nswaps; i++)
        if (one->swaps[i].field == field)
            return true;
    for (uint32_t i = 0; i < one->npicks; i++)
        for (uint32_t k = 0; k < one->picks[i].nfrom; k++)
            if (one->picks[i].from[k] == field)
                return true;
    return one->tuple == field;
}

bool wr_mappings_uses(const struct wr_mappings *mappings, const char *name, const char *path, size_t len)
{
    const struct map_slot *s = wr_map_path_find(mappings, path, len);
    if (!s || s->field == MAP_NO_FIELD)
        return false;
    for (uint32_t i = mappings->n; i-- > 0;)
        if (strcmp(mappings->one[i].name, name) == 0)
            return one_uses(&mappings->one[i], s->field);
    return false;
}

/* ---- the record by fields ---- */

/* Reads one object or list whose path is path[0..len); depth is bounded by the paths themselves and
 * MAP_DEPTH. False: too many keys. */
static bool flatten(const struct wr_mappings *m, struct wr_fields *f, const struct wr_json_val *container,
                    char *path, size_t len, int depth)
{
    struct wr_json_iter it = wr_json_begin(container);
    struct wr_json_val v;
    const char *key;
    size_t n;
    char index[16];
    bool list = container->type == WR_JSON_ARRAY;
    if (container->len > WR_JSON_MAX_KEYS)
        return list;
    for (int i = 0; (!list || i < MAP_LIST) && wr_json_iter_next(&it, &key, &n, &v); i++) {
        if (list) {
            n = (size_t)snprintf(index, sizeof index, "%d", i);
            key = index;
        }
        if (n == 0 || len + n + 1 >= MAP_PATH)
            continue;
        memcpy(path + len, key, n);
        const struct map_slot *s = wr_map_path_find(m, path, len + n);
        if (!s)
            continue;
        if (s->field != MAP_NO_FIELD) {
            f->dup_keys += f->seen[s->field] == f->now;
            f->seen[s->field] = f->now;
            f->val[s->field] = v;
        }
        if (s->branch && depth < MAP_DEPTH && (v.type == WR_JSON_OBJECT || v.type == WR_JSON_ARRAY)) {
            path[len + n] = '.';
            if (!flatten(m, f, &v, path, len + n + 1, depth + 1))
                return false;
        }
    }
    return true;
}

/* The value of a field; NULL when there is none, or one of the words that sources write for that. */
static const struct wr_json_val *value(const struct wr_fields *f, uint16_t field)
{
    const struct wr_json_val *v = &f->val[field];
    if (field == MAP_NO_FIELD || f->seen[field] != f->now || v->type == WR_JSON_NULL)
        return NULL;
    if (v->type == WR_JSON_STR && (v->len == 0 || wr_val_is(v, "-") || wr_val_is(v, "<NA>") ||
                                   wr_val_is(v, "(empty)") || wr_val_is(v, "n/a")))
        return NULL;
    return v;
}

static bool same(const struct wr_json_val *v, const struct map_text *t)
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

static bool is_one_of(const struct wr_json_val *v, const struct map_test *t)
{
    for (uint32_t i = 0; i < t->nvalues; i++)
        if (same(v, &t->values[i]))
            return true;
    return false;
}

/* A list meets a condition when one of its elements does. */
static bool holds(const struct wr_fields *f, const struct map_test *t)
{
    const struct wr_json_val *v = value(f, t->field);
    if (!v || t->nvalues == 0 || v->type != WR_JSON_ARRAY)
        return v && (t->nvalues == 0 || is_one_of(v, t));
    struct wr_json_iter it = wr_json_begin(v);
    struct wr_json_val e;
    const char *key;
    size_t n;
    for (int i = 0; i < MAP_LIST && wr_json_iter_next(&it, &key, &n, &e); i++)
        if (is_one_of(&e, t))
            return true;
    return false;
}

static bool takes(const struct map_one *one, const struct wr_fields *f)
{
    for (uint32_t i = 0; i < one->ntests; i++)
        if (!holds(f, &one->tests[i]))
            return false;
    return true;
}

static bool swapped(const struct map_one *one, const struct wr_fields *f)
{
    for (uint32_t i = 0; i < one->nswaps; i++)
        if (holds(f, &one->swaps[i]))
            return true;
    return false;
}

/* ---- the row ---- */

static void set_const(struct wr_event *ev, uint16_t col, const char *text)
{
    wr_event_set_text(ev, col, text, strlen(text));
}

/* IANA protocol numbers that have ports or are met all the same; others stay as they are. */
static void protocol(struct wr_event *ev, uint16_t col, const struct wr_json_val *v)
{
    static const struct {
        int number;
        const char *name;
    } names[] = {{1, "Icmp"}, {2, "Igmp"},    {6, "Tcp"},   {17, "Udp"},
                 {47, "Gre"}, {58, "IcmpV6"}, {132, "Sctp"}};
    int64_t n;
    struct wr_json_val word = *v;
    if (wr_val_i64(v, &n)) {
        wr_event_set(ev, col, v);
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            if (names[i].number == n)
                set_const(ev, col, names[i].name);
        return;
    }
    if (v->type != WR_JSON_STR)
        return;
    if (v->len > 8 && !memcmp(v->s, "IPPROTO_", 8)) {
        word.s += 8;
        word.len -= 8;
    }
    wr_event_take_protocol(ev, &word);
}

static void words(struct wr_event *ev, uint16_t col, const struct wr_json_val *v, bool base, bool lower)
{
    struct wr_json_val out = *v;
    if (v->type == WR_JSON_STR && base) {
        uint32_t cut = v->len;
        while (cut && v->s[cut - 1] != '\\' && v->s[cut - 1] != '/')
            cut--;
        out.s += cut;
        out.len -= cut;
    }
    if (v->type == WR_JSON_STR && lower) {
        char *copy = wr_arena_strndup(ev->scratch, out.s, out.len);
        if (!copy)
            return;
        for (uint32_t i = 0; i < out.len; i++)
            copy[i] = wr_ascii_lower(copy[i]);
        out.s = copy;
    }
    wr_event_set(ev, col, &out);
}

/* A time in a unit that its size does not tell: written out, as a number would be guessed at again. */
static void epoch(struct wr_event *ev, uint16_t col, const struct wr_json_val *v, int64_t unit_ns)
{
    int64_t n, ns;
    struct wr_buf text = {0};
    if (v->type == WR_JSON_REAL && v->r >= 0 && v->r < 9e18 / (double)unit_ns)
        ns = (int64_t)(v->r * (double)unit_ns);
    else if (!wr_val_i64(v, &n) || n < 0 || __builtin_mul_overflow(n, unit_ns, &ns))
        return;
    wr_ticks_datetime(&text, wr_ticks_of_unix_ns(ns));
    const char *copy = text.err ? NULL : wr_arena_strndup(ev->scratch, text.data, text.len);
    if (copy)
        wr_event_set_text(ev, col, copy, text.len);
    wr_buf_fini(&text);
}

/* NOLINTNEXTLINE(readability-function-size): one case a transform */
static void put(struct wr_event *ev, const struct map_pick *p, const struct wr_json_val *v)
{
    switch (p->as) {
    case AS_IP:
        if (p->col == WR_DNE_LocalIP && (wr_val_is(v, "0.0.0.0") || wr_val_is(v, "::")))
            break; /* not bound when the event was made */
        (void)wr_event_take_ip(ev, v, p->col,
                               p->col == WR_DNE_LocalIP ? WR_DNE_LocalIPType : WR_DNE_RemoteIPType);
        break;
    case AS_PROTOCOL:
        protocol(ev, p->col, v);
        break;
    case AS_IMAGE:
        if (v->type == WR_JSON_STR)
            wr_event_take_image(ev, v);
        break;
    case AS_USER:
        if (v->type == WR_JSON_STR)
            wr_event_take_user(ev, v);
        break;
    case AS_SECONDS:
        epoch(ev, p->col, v, 1000000000);
        break;
    case AS_MILLISECONDS:
        epoch(ev, p->col, v, 1000000);
        break;
    case AS_MICROSECONDS:
        epoch(ev, p->col, v, 1000);
        break;
    case AS_NANOSECONDS:
        epoch(ev, p->col, v, 1);
        break;
    default:
        words(ev, p->col, v, p->as == AS_BASENAME || p->as == AS_LOWER_BASENAME,
              p->as == AS_LOWER || p->as == AS_LOWER_BASENAME);
        break;
    }
}

static void fill(const struct map_pick *p, const struct wr_fields *f, struct wr_event *ev)
{
    const struct wr_json_val *v = NULL;
    const struct map_text *text = &p->other;
    for (uint32_t i = 0; i < p->nfrom && !v; i++)
        v = value(f, p->from[i]);
    struct wr_json_val cut;
    if (v && p->until && v->type == WR_JSON_STR) {
        const char *end = memchr(v->s, p->until, v->len);
        cut = *v;
        cut.len = end ? (uint32_t)(end - v->s) : v->len;
        v = &cut;
    }
    if (v && p->nchoices) {
        for (uint32_t i = 0; i < p->nchoices; i++)
            if (same(v, &p->choices[i].when)) {
                text = &p->choices[i].then;
                break;
            }
        v = NULL;
    }
    struct wr_json_val constant = {.type = WR_JSON_STR, .len = text->len, .s = text->s};
    if (!v && text->s)
        v = &constant;
    if (v)
        put(ev, p, v);
}

/* `10.1.2.3:51514->203.0.113.25:587`, local first; `[::1]:53`, `::1:53` too. */
static void end_of_tuple(struct wr_event *ev, const char *s, size_t len, uint16_t ip, uint16_t kind,
                         uint16_t port)
{
    const char *colon = memrchr(s, ':', len);
    if (!colon)
        return;
    struct wr_json_val addr = {.type = WR_JSON_STR, .len = (uint32_t)(colon - s), .s = s};
    if (addr.len > 2 && *s == '[') {
        addr.s++;
        addr.len -= 2;
    }
    if (!wr_event_has(ev, ip) && wr_event_take_ip(ev, &addr, ip, kind) && !wr_event_has(ev, port))
        wr_event_set_text(ev, port, colon + 1, (size_t)(s + len - colon) - 1);
}

static void tuple(struct wr_event *ev, const struct wr_json_val *v)
{
    const char *arrow = v && v->type == WR_JSON_STR ? memmem(v->s, v->len, "->", 2) : NULL;
    if (!arrow)
        return;
    size_t left = (size_t)(arrow - v->s);
    end_of_tuple(ev, v->s, left, WR_DNE_LocalIP, WR_DNE_LocalIPType, WR_DNE_LocalPort);
    end_of_tuple(ev, arrow + 2, v->len - left - 2, WR_DNE_RemoteIP, WR_DNE_RemoteIPType, WR_DNE_RemotePort);
}

/* The other end began the connection. A name of the remote end was one of the local end then. */
static void swap_ends(struct wr_event *ev)
{
    static const uint16_t pairs[][2] = {{WR_DNE_LocalIP, WR_DNE_RemoteIP},
                                        {WR_DNE_LocalIPType, WR_DNE_RemoteIPType},
                                        {WR_DNE_LocalPort, WR_DNE_RemotePort},
                                        {WR_DNE_SentBytes, WR_DNE_ReceivedBytes}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        uint64_t a = ev->have >> pairs[i][0] & 1, b = ev->have >> pairs[i][1] & 1;
        struct wr_json_val v = ev->val[pairs[i][0]];
        ev->val[pairs[i][0]] = ev->val[pairs[i][1]];
        ev->val[pairs[i][1]] = v;
        ev->have &= ~(UINT64_C(1) << pairs[i][0] | UINT64_C(1) << pairs[i][1]);
        ev->have |= b << pairs[i][0] | a << pairs[i][1];
    }
    ev->have &= ~(UINT64_C(1) << WR_DNE_RemoteUrl);
    if (wr_val_is(&ev->val[WR_DNE_ActionType], "ConnectionSuccess"))
        set_const(ev, WR_DNE_ActionType, "InboundConnectionAccepted");
}

static enum wr_map row(const struct map_one *one, const struct wr_fields *f, struct wr_event *ev)
{
    for (uint32_t i = 0; i < one->npicks; i++)
        fill(&one->picks[i], f, ev);
    if (one->tuple != MAP_NO_FIELD)
        tuple(ev, value(f, one->tuple));
    if (!wr_event_has(ev, WR_DNE_Timestamp) || !wr_val_time(&ev->val[WR_DNE_Timestamp], &ev->time) ||
        !wr_event_has(ev, WR_DNE_ActionType) || !wr_event_has(ev, WR_DNE_RemoteIP))
        return WR_MAP_MISSING;
    if (swapped(one, f))
        swap_ends(ev);
    if (!wr_event_has(ev, WR_DNE_RemoteIP))
        return WR_MAP_MISSING;
    ev->dup_keys += f->dup_keys;
    return WR_MAP_DATA;
}

enum wr_map wr_mappings_map(const struct wr_mappings *mappings, struct wr_fields *fields,
                            const struct wr_json_val *record, struct wr_event *ev, const char **ret_name)
{
    char path[MAP_PATH];
    if (record->type != WR_JSON_OBJECT)
        return WR_MAP_NONE;
    if (++fields->now == 0) { /* once in 4 billion records: no old mark may look new */
        memset(fields->seen, 0, sizeof fields->seen);
        fields->now = 1;
    }
    fields->dup_keys = 0;
    if (!flatten(mappings, fields, record, path, 0, 0))
        return WR_MAP_LIMIT;
    for (uint32_t i = mappings->n; i-- > 0;)
        if (takes(&mappings->one[i], fields)) {
            *ret_name = mappings->one[i].name;
            return row(&mappings->one[i], fields, ev);
        }
    return WR_MAP_NONE;
}
