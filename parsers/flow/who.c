/* Who did it: process, account, host, application, as far as a record's elements tell. A template that has such
 * elements gets steps, worst element first: a later one that is not empty takes the place of an earlier one.
 * Sources of the elements: IANA's registry and the vendors' lists, docs/exporters.md. */
#include "parsers/flow/nat.h"
#include "parsers/flow/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum how { TEXT, BASENAME, ACCOUNT /* DOMAIN\name: the kind before gets the domain */, HEX, SHA256, NUMBER, LABEL,
           JOIN_APP, JOIN_INTERFACE, JOIN_VRF, JOIN_USER, JOIN_VENDOR_APP, JOIN_HOST };

struct element {
    uint32_t pen;
    uint16_t id;
    uint8_t kind, how, rank; /* a greater rank wins */
};

/* By (pen, id): searched. */
static const struct element elements[] = {
    {0, 10, WR_WHO_IN_INTERFACE, JOIN_INTERFACE, 1},
    {0, 14, WR_WHO_OUT_INTERFACE, JOIN_INTERFACE, 1},
    {0, 95, WR_WHO_APPLICATION, JOIN_APP, 5},
    {0, 96, WR_WHO_APPLICATION, TEXT, 9},
    {0, 234, WR_WHO_IN_VRF, JOIN_VRF, 1},
    {0, 235, WR_WHO_OUT_VRF, JOIN_VRF, 1},
    {0, 252, WR_WHO_IN_INTERFACE, JOIN_INTERFACE, 2},
    {0, 253, WR_WHO_OUT_INTERFACE, JOIN_INTERFACE, 2},
    {0, 350, WR_WHO_DEVICE_NAME, TEXT, 8},
    {0, 371, WR_WHO_USER, ACCOUNT, 8},
    {0, 460, WR_WHO_URL, TEXT, 7},
    {9, 12235, WR_WHO_URL, TEXT, 6},
    {9, 12332, WR_WHO_DEVICE_ID, HEX, 9},
    {9, 12333, WR_WHO_USER, ACCOUNT, 9},
    {9, 12338, WR_WHO_PROCESS_ACCOUNT, ACCOUNT, 9},
    {9, 12340, WR_WHO_PROCESS, BASENAME, 9},
    {9, 12341, WR_WHO_PROCESS_SHA256, SHA256, 9},
    {9, 12342, WR_WHO_PARENT, BASENAME, 9},
    {9, 12345, WR_WHO_URL, TEXT, 9},
    {9, 29844, WR_WHO_PROCESS_ACCOUNT, ACCOUNT, 3},
    {9, 29845, WR_WHO_PROCESS, BASENAME, 7},
    {9, 29846, WR_WHO_PROCESS_SHA256, TEXT, 3},
    {9, 29848, WR_WHO_PARENT, BASENAME, 3},
    {3054, 111, WR_WHO_APPLICATION, TEXT, 7},
    {5951, 142, WR_WHO_URL, TEXT, 5},
    {5951, 152, WR_WHO_APPLICATION, TEXT, 7},
    {5951, 204, WR_WHO_DEVICE_NAME, TEXT, 7},
    {5951, 205, WR_WHO_USER, ACCOUNT, 3},
    {5951, 207, WR_WHO_PROCESS_DOMAIN, TEXT, 1},
    {5951, 238, WR_WHO_PROCESS, BASENAME, 1},
    {5951, 245, WR_WHO_PROCESS_ID, NUMBER, 1},
    {5951, 246, WR_WHO_PROCESS_PATH, TEXT, 1},
    {5951, 250, WR_WHO_USER, ACCOUNT, 2},
    {6871, 33, WR_WHO_APPLICATION, LABEL, 1},
    {8057, 808, WR_WHO_URL, TEXT, 4}, /* what the client asks for in TLS, */
    {8057, 852, WR_WHO_PROCESS, BASENAME, 6},
    {8057, 853, WR_WHO_PROCESS_ACCOUNT, ACCOUNT, 7},
    {8057, 862, WR_WHO_DEVICE_NAME, TEXT, 6},
    {8057, 890, WR_WHO_URL, TEXT, 4}, /* in QUIC */
    {8741, 35, WR_WHO_USER, ACCOUNT, 5},
    {8741, 36, WR_WHO_USER, JOIN_USER, 4},
    {8741, 37, WR_WHO_USER_DOMAIN, TEXT, 1},
    {8741, 40, WR_WHO_APPLICATION, JOIN_VENDOR_APP, 2},
    {8741, 41, WR_WHO_APPLICATION, TEXT, 7},
    {10704, 5, WR_WHO_APPLICATION, TEXT, 7},
    {12276, 93, WR_WHO_USER, ACCOUNT, 4},
    {15397, 1, WR_WHO_APPLICATION, TEXT, 7},
    {16982, 200, WR_WHO_PROCESS_ID, NUMBER, 2},
    {16982, 201, WR_WHO_PROCESS, BASENAME, 4},
    {25461, 56701, WR_WHO_APPLICATION, TEXT, 8},
    {25461, 56702, WR_WHO_USER, ACCOUNT, 6},
    {32622, 9, WR_WHO_PROCESS_ID, NUMBER, 3},
    {32622, 10, WR_WHO_PROCESS_ACCOUNT, ACCOUNT, 2},
    {32622, 11, WR_WHO_PROCESS_COMMAND, TEXT, 2},
    {35632, 118, WR_WHO_APPLICATION, LABEL, 1},
    {35632, 119, WR_WHO_APPLICATION, TEXT, 7},
    {35632, 121, WR_WHO_USER, ACCOUNT, 7},
    {35632, 168, WR_WHO_PROCESS_ID, NUMBER, 4},
    {35632, 169, WR_WHO_PROCESS, BASENAME, 8},
    {35632, 372, WR_WHO_PROCESS_ACCOUNT, ACCOUNT, 8},
    {35632, 373, WR_WHO_PARENT_ID, NUMBER, 4},
    {35632, 374, WR_WHO_PARENT, BASENAME, 8},
    {35632, 427, WR_WHO_APPLICATION, TEXT, 6},
    {35632, 428, WR_WHO_USER, ACCOUNT, 7},
    {39499, 1, WR_WHO_URL, TEXT, 5},
    {39499, 7232, WR_WHO_USER, ACCOUNT, 5},
    {44619, 258, WR_WHO_PROCESS_ID, NUMBER, 5},
    {44619, 259, WR_WHO_PARENT_ID, NUMBER, 5},
    {44619, 261, WR_WHO_PROCESS_PATH, TEXT, 5},
    {44619, 263, WR_WHO_PROCESS, BASENAME, 3},
    {44619, 267, WR_WHO_DEVICE_NAME, TEXT, 5},
    {44619, 296, WR_WHO_PROCESS_SID, TEXT, 5},
    {44619, 301, WR_WHO_PROCESS_COMMAND, TEXT, 5},
    {WR_PEN_V9, 7232, WR_WHO_USER, ACCOUNT, 7},  /* 40000, ASA */
    {WR_PEN_V9, 23933, WR_WHO_APPLICATION, TEXT, 8}, /* 56701, Palo Alto */
    {WR_PEN_V9, 23934, WR_WHO_USER, ACCOUNT, 6},
    {WR_PEN_V9, 24822, WR_WHO_APPLICATION, LABEL, 1}, /* nProbe's 57590 */
};
enum { NELEMENTS = sizeof elements / sizeof *elements };

static const struct element *element_of(const struct wr_field *f)
{
    uint32_t lo = 0, hi = NELEMENTS;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        const struct element *e = &elements[mid];
        if (e->pen < f->pen || (e->pen == f->pen && e->id < f->id))
            lo = mid + 1;
        else
            hi = mid;
    }
    bool found = lo < NELEMENTS && elements[lo].pen == f->pen && elements[lo].id == f->id;
    return found && f->legal && f->len ? &elements[lo] : NULL;
}

static int worse_first(const void *a, const void *b)
{
    const struct wr_who_step *x = a, *y = b;
    return x->rank != y->rank ? (int)x->rank - (int)y->rank : (int)x->order - (int)y->order;
}

static uint32_t kinds_of(const struct element *e)
{
    uint32_t kinds = wr_who_bit(e->kind);
    if (e->how == ACCOUNT)
        kinds |= kinds >> 1;
    if (e->kind == WR_WHO_DEVICE_ID) /* whose name another record tells */
        kinds |= wr_who_bit(WR_WHO_DEVICE_NAME);
    return kinds;
}

bool wr_who_compile(struct wr_tmpl *t)
{
    for (uint32_t i = 0; i < t->nfields; i++)
        t->nwho = (uint16_t)(t->nwho + (element_of(&t->fields[i]) != NULL));
    if (!t->nwho)
        return true;
    t->who = calloc(2u * t->nwho, sizeof *t->who);
    if (!t->who)
        return false;
    uint16_t anchor = 0, n = 0;
    uint32_t off = 0;
    for (uint32_t i = 0; i < t->nfields; i++) {
        const struct wr_field *f = &t->fields[i];
        const struct element *e = element_of(f);
        if (e) {
            t->who_kinds |= kinds_of(e);
            t->who[n] = (struct wr_who_step){.kind = e->kind, .how = e->how, .rank = e->rank, .order = n,
                                             .dashes = e->pen == 9, .anchor = anchor, .off = (uint16_t)off,
                                             .len = f->len};
            n++;
            if (e->kind == WR_WHO_DEVICE_ID) {
                t->who[n] = t->who[n - 1];
                t->who[n].kind = WR_WHO_DEVICE_NAME;
                t->who[n].how = JOIN_HOST;
                t->who[n].order = n;
                n++;
            }
        }
        if (f->len == WR_VARLEN) {
            anchor++;
            off = 0;
        } else {
            off += f->len;
        }
    }
    t->nwho = n;
    qsort(t->who, n, sizeof *t->who, worse_first);
    return true;
}

/* ---- one record ---------------------------------------------------------------------------------- */

struct slice {
    size_t at;
    uint32_t len;
};

struct gather {
    struct wr_msg *msg;
    struct wr_buf *text; /* of all kinds, one after another */
    struct slice got[WR_WHO_NKINDS];
    uint32_t wanted;
};

static void keep(struct gather *g, enum wr_who_kind kind, const char *text, size_t len)
{
    if (!len || !(g->wanted >> kind & 1))
        return;
    len = len < WR_WHO_MAX_TEXT ? len : WR_WHO_MAX_TEXT;
    size_t at = g->text->len;
    if (wr_utf8_valid(text, len)) {
        wr_buf_add(g->text, text, len);
    } else {
        size_t replaced;
        char *to = wr_buf_room(g->text, 3 * len);
        if (to)
            g->text->len += wr_utf8_repair(text, len, to, &replaced);
    }
    if (!g->text->err)
        g->got[kind] = (struct slice){.at = at, .len = (uint32_t)(g->text->len - at)};
}

static void keep_name(struct gather *g, enum wr_who_kind kind, const struct wr_names *names,
                      const struct wr_name_key *key)
{
    const struct wr_name *name = wr_names_find(names, key);
    if (name && g->msg->now_ns - name->told_ns <= WR_FLOW_NAME_NS)
        keep(g, kind, wr_name_text(name), name->text_len);
}

static void keep_host(struct gather *g, enum wr_who_kind kind, const uint8_t *id, uint32_t len)
{
    struct wr_name_key key = wr_name_key_bytes(WR_NAME_HOST, id, len);
    char text[WR_NAME_MAX_TEXT];
    key.domain = WR_NAME_ANY;
    if (g->wanted >> kind & 1)
        keep(g, kind, text, wr_flow_hosts_find(g->msg->dec->hosts, &key, g->msg->now_ns - WR_FLOW_NAME_NS, text));
}

static void keep_number(struct gather *g, enum wr_who_kind kind, const uint8_t *p, uint32_t len)
{
    char text[24];
    if (len > 8)
        return;
    int n = snprintf(text, sizeof text, "%" PRIu64, wr_be(p, len));
    keep(g, kind, text, (size_t)n);
}

static void keep_hex(struct gather *g, enum wr_who_kind kind, const uint8_t *p, uint32_t len)
{
    char text[2 * 64 + 1];
    if (len > 64)
        return;
    wr_hex(p, len, text);
    keep(g, kind, text, 2 * (size_t)len);
}

/* An application that nobody has named: "engine..selector", as exporters' own tools write it. */
static void keep_app(struct gather *g, const uint8_t *p, uint32_t len)
{
    struct wr_name_key key = wr_name_key_app(g->msg->domain, p, len);
    const struct wr_name *name = wr_names_find(&g->msg->exporter->names, &key);
    uint64_t selector = 0;
    char text[40];
    if (name && g->msg->now_ns - name->told_ns <= WR_FLOW_NAME_NS) {
        keep(g, WR_WHO_APPLICATION, wr_name_text(name), name->text_len);
        return;
    }
    for (uint32_t i = 1; i < len; i++)
        selector = selector << 8 | p[i];
    if (len < 2 || len > 9 || !selector)
        return;
    int n = snprintf(text, sizeof text, "%u..%" PRIu64, p[0], selector);
    keep(g, WR_WHO_APPLICATION, text, (size_t)n);
}

static void keep_account(struct gather *g, enum wr_who_kind kind, const char *text, uint32_t len)
{
    if (!len)
        return;
    const char *slash = memchr(text, '\\', len);
    uint32_t domain = slash ? (uint32_t)(slash - text) : 0;
    if (slash) {
        keep(g, kind - 1, text, domain);
        text += domain + 1;
        len -= domain + 1;
    }
    keep(g, kind, text, len);
}

static void keep_basename(struct gather *g, enum wr_who_kind kind, const char *text, uint32_t len)
{
    uint32_t at = len;
    while (at && text[at - 1] != '/' && text[at - 1] != '\\')
        at--;
    keep(g, kind, text + at, len - at);
}

static bool is_placeholder(const char *text, uint32_t len)
{
    return (len == 1 && *text == '-') || (len == 7 && memcmp(text, "Unknown", 7) == 0);
}

static void take_text(struct gather *g, const struct wr_who_step *s, const uint8_t *p, uint32_t len)
{
    const char *text = (const char *)p;
    while (len && text[len - 1] == 0) /* fixed-length strings are filled up */
        len--;
    if (!len || (s->dashes && is_placeholder(text, len)))
        return;
    if (s->how == BASENAME)
        keep_basename(g, s->kind, text, len);
    else if (s->how == ACCOUNT)
        keep_account(g, s->kind, text, len);
    else
        keep(g, s->kind, text, len);
}

static void take(struct gather *g, const struct wr_who_step *s, const uint8_t *p, uint32_t len)
{
    const struct wr_msg *msg = g->msg;
    const struct wr_names *names = &msg->exporter->names;
    uint64_t n = len <= 8 ? wr_be(p, len) : 0;
    struct wr_name_key key;
    switch ((enum how)s->how) {
    case TEXT:
    case BASENAME:
    case ACCOUNT:
        take_text(g, s, p, len);
        return;
    case SHA256:
        if (len == 32)
            keep_hex(g, s->kind, p, len);
        return;
    case HEX:
        keep_hex(g, s->kind, p, len);
        return;
    case LABEL:
        if (n)
            keep_number(g, s->kind, p, len);
        return;
    case NUMBER:
        keep_number(g, s->kind, p, len);
        return;
    case JOIN_APP:
        keep_app(g, p, len);
        return;
    case JOIN_HOST:
        keep_host(g, s->kind, p, len);
        return;
    case JOIN_INTERFACE:
        key = wr_name_key_int(WR_NAME_INTERFACE, msg->domain, n);
        break;
    case JOIN_VRF:
        key = wr_name_key_int(WR_NAME_VRF, msg->domain, n);
        break;
    case JOIN_USER:
        key = wr_name_key_int(WR_NAME_USER, msg->domain, n);
        break;
    case JOIN_VENDOR_APP:
        key = wr_name_key_int(WR_NAME_VENDOR_APP, msg->domain, n);
        break;
    default:
        return;
    }
    keep_name(g, s->kind, names, &key);
}

static void take_fields(struct gather *g, const struct wr_tmpl *tmpl, const uint8_t *rec)
{
    size_t at = g->text->len;
    struct wr_msg *msg = g->msg;
    msg->json = g->text;
    wr_buf_char(g->text, '{');
    wr_json_fields(msg, tmpl, rec);
    wr_buf_char(g->text, '}');
    msg->json = NULL;
    if (g->text->err)
        return;
    if (g->text->len - at <= WR_WHO_MAX_FIELDS)
        g->got[WR_WHO_FIELDS] = (struct slice){.at = at, .len = (uint32_t)(g->text->len - at)};
    else
        g->text->len = at;
}

static void take_nat(struct gather *g, const struct wr_tmpl *tmpl, const uint8_t *rec, const uint32_t *anchors,
                     const struct wr_flow *flow)
{
    struct wr_nat nat;
    if (!wr_nat_read(tmpl, rec, anchors, flow, &nat))
        return;
    g->got[WR_WHO_NAT] = (struct slice){.at = g->text->len, .len = sizeof nat};
    wr_buf_add(g->text, &nat, sizeof nat);
}

/* Writes what was gathered; what memory has no room for is not said. */
static void write_list(const struct gather *g, struct wr_flow *flow, struct wr_buf *out)
{
    size_t at = out->len;
    wr_buf_u32(out, 0);
    for (uint32_t kind = 0; kind < WR_WHO_NKINDS; kind++)
        if (g->got[kind].len)
            wr_who_add(out, (enum wr_who_kind)kind, g->text->data + g->got[kind].at, g->got[kind].len);
    if (out->err)
        return;
    uint32_t len = (uint32_t)(out->len - at - 4);
    for (int i = 0; i < 4; i++)
        out->data[at + (size_t)i] = (char)(len >> 8 * i);
    if (len)
        flow->who = at + 1;
    else
        out->len = at;
}

void wr_who_note(struct wr_msg *msg, const struct wr_tmpl *tmpl, const uint8_t *rec, const uint32_t *anchors,
                 struct wr_flow *flow)
{
    struct gather g = {.msg = msg, .text = &msg->dec->who_text, .wanted = msg->dec->who_wanted};
    wr_buf_reset(g.text);
    for (uint32_t i = 0; i < tmpl->nwho; i++) {
        const struct wr_who_step *s = &tmpl->who[i];
        const uint8_t *p = rec + (s->anchor ? anchors[s->anchor] - anchors[0] : 0) + s->off;
        uint32_t len = s->len;
        if (len == WR_VARLEN) {
            len = *p++;
            if (len == 255) {
                len = (uint32_t)wr_be(p, 2);
                p += 2;
            }
        }
        if (len)
            take(&g, s, p, len);
    }
    if (tmpl->nnat && (g.wanted & wr_who_bit(WR_WHO_NAT)))
        take_nat(&g, tmpl, rec, anchors, flow);
    if (g.wanted & wr_who_bit(WR_WHO_FIELDS))
        take_fields(&g, tmpl, rec);
    if (g.text->err)
        wr_buf_fini(g.text);
    else
        write_list(&g, flow, &msg->rows->who);
}

static void keep_json(struct gather *g, const char *text, size_t len)
{
    if (!len || len > WR_WHO_MAX_FIELDS)
        return;
    g->got[WR_WHO_FIELDS] = (struct slice){.at = g->text->len, .len = (uint32_t)len};
    wr_buf_add(g->text, text, len);
}

void wr_who_sample(struct wr_msg *msg, struct wr_flow *flow, const uint8_t *user, uint32_t len,
                   const struct wr_buf *fields)
{
    struct gather g = {.msg = msg, .text = &msg->dec->who_text, .wanted = msg->dec->who_wanted};
    wr_buf_reset(g.text);
    keep_account(&g, WR_WHO_USER, (const char *)user, len);
    if (!fields->err)
        keep_json(&g, fields->data, fields->len);
    if (g.text->err)
        wr_buf_fini(g.text);
    else
        write_list(&g, flow, &msg->rows->who);
}

void wr_who_fields(struct wr_msg *msg, struct wr_flow *flow, const char *json, uint32_t len)
{
    struct wr_buf *out = &msg->rows->who;
    size_t at = out->len;
    wr_buf_u32(out, len + 5); /* kind and length before the text */
    wr_who_add(out, WR_WHO_FIELDS, json, len);
    if (!out->err)
        flow->who = at + 1;
}

/* ---- records that tell names --------------------------------------------------------------------- */

/* Which element names what: the first of `texts` that is there. */
static const struct teach {
    uint8_t kind;
    struct {
        uint32_t pen;
        uint16_t id;
    } keys[5], texts[2];
} teaches[] = {
    {WR_NAME_APPLICATION, {{0, 95}}, {{0, 96}, {0, 94}}},
    {WR_NAME_INTERFACE, {{0, 10}, {0, 14}, {0, 252}, {0, 253}, {WR_PEN_V9_SCOPE, 2}}, {{0, 82}, {0, 83}}},
    {WR_NAME_VRF, {{0, 234}, {0, 235}}, {{0, 236}}},
    {WR_NAME_USER, {{8741, 36}}, {{8741, 35}}},
    {WR_NAME_VENDOR_APP, {{8741, 40}}, {{8741, 41}}},
    {WR_NAME_HOST, {{9, 12332}}, {{0, 350}}},
};
enum { NTEACHES = sizeof teaches / sizeof *teaches };
_Static_assert((int)NTEACHES <= (int)WR_FLOW_TEACHES, "room in a template");

static int field_of(const struct wr_tmpl *t, uint32_t pen, uint16_t id)
{
    for (uint32_t i = 0; id && i < t->nfields; i++)
        if (t->fields[i].pen == pen && t->fields[i].id == id && t->fields[i].legal && t->fields[i].len)
            return (int)i;
    return -1;
}

void wr_names_compile(struct wr_tmpl *t)
{
    for (uint32_t k = 0; k < NTEACHES; k++) {
        const struct teach *teach = &teaches[k];
        int key = -1, text = -1;
        for (unsigned i = 0; key < 0 && i < sizeof teach->keys / sizeof *teach->keys; i++)
            key = field_of(t, teach->keys[i].pen, teach->keys[i].id);
        for (unsigned i = 0; key >= 0 && text < 0 && i < 2; i++)
            text = field_of(t, teach->texts[i].pen, teach->texts[i].id);
        if (text >= 0)
            t->teach[t->nteach++] =
                (struct wr_teach){.kind = teach->kind, .key = (uint16_t)key, .text = (uint16_t)text};
    }
}

/* Where field `index` of a record lies; the record was walked before. */
static const uint8_t *field_at(const struct wr_tmpl *t, const uint8_t *rec, uint32_t index, uint32_t *ret_len)
{
    for (uint32_t i = 0;; i++) {
        uint32_t len = t->fields[i].len;
        if (len == WR_VARLEN) {
            len = *rec++;
            if (len == 255) {
                len = (uint32_t)wr_be(rec, 2);
                rec += 2;
            }
        }
        if (i == index) {
            *ret_len = len;
            return rec;
        }
        rec += len;
    }
}

bool wr_names_keep(struct wr_flow_decoder *dec, struct wr_exporter *x, const struct wr_name_key *key, const char *text,
                   uint32_t len, int64_t told_ns)
{
    /* The last quarter of the memory is for templates: names, which strangers can make up, never crowd them out; the
     * quarter before it for names of listed exporters. */
    const size_t quarter = dec->memory_bytes / 4;
    struct wr_budget budget = {.used = &dec->bytes, .limit = dec->memory_bytes - (x && x->listed ? 1 : 2) * quarter};
    if (!x)
        return wr_flow_hosts_put(dec->hosts, key, text, len, told_ns);
    struct wr_names *names = &x->names;
    if (!names->max) { /* first use */
        size_t share = dec->memory_bytes / 16;
        names->hash_key = dec->hash_key;
        names->max = WR_FLOW_NAMES;
        names->max_bytes = share < WR_FLOW_NAMES_BYTES ? share : WR_FLOW_NAMES_BYTES;
    }
    return wr_names_put(names, key, text, len, told_ns, &budget);
}

static void learn(struct wr_msg *msg, enum wr_name_kind kind, const uint8_t *key_at, uint32_t key_len,
                  const char *text, uint32_t len)
{
    bool host = kind == WR_NAME_HOST;
    struct wr_name_key key;
    char repaired[3 * WR_NAME_MAX_TEXT];
    if (len > WR_NAME_MAX_TEXT)
        len = WR_NAME_MAX_TEXT;
    if (kind == WR_NAME_APPLICATION)
        key = wr_name_key_app(msg->domain, key_at, key_len);
    else if (host)
        key = wr_name_key_bytes(kind, key_at, key_len);
    else if (key_len <= 8)
        key = wr_name_key_int(kind, msg->domain, wr_be(key_at, key_len));
    else
        return;
    if (host)
        key.domain = WR_NAME_ANY;
    if (!wr_utf8_valid(text, len)) {
        size_t replaced;
        len = (uint32_t)wr_utf8_repair(text, len, repaired, &replaced);
        text = repaired;
    }
    if (!wr_names_keep(msg->dec, host ? NULL : msg->exporter, &key, text, len, msg->now_ns))
        WR_COUNT(msg, no_memory_names, 1);
}

void wr_names_learn(struct wr_msg *msg, const struct wr_tmpl *tmpl, const uint8_t *rec)
{
    for (uint32_t k = 0; k < tmpl->nteach; k++) {
        const struct wr_teach *teach = &tmpl->teach[k];
        uint32_t key_len, len;
        const uint8_t *key = field_at(tmpl, rec, teach->key, &key_len);
        const char *text = (const char *)field_at(tmpl, rec, teach->text, &len);
        while (len && text[len - 1] == 0)
            len--;
        if (key_len && len && !is_placeholder(text, len))
            learn(msg, (enum wr_name_kind)teach->kind, key, key_len, text, len);
    }
}
