/* Elements that an exporter explains itself (RFC 5610): options records with an enterprise and element number, a
 * name and a type. They count for the transport session that told them, add to the model and never replace
 * anything; a second, different telling is ignored. Bounded per exporter. */
#include "parsers/flow/state.h"

#include <stdlib.h>
#include <string.h>

enum { IE_ID = 303, IE_TYPE = 339, IE_NAME = 341, IE_SEMANTICS = 344, IE_PEN = 346 };

/* Data types of RFC 5610 3.1 (and RFC 6313 11.2). */
static const struct type {
    uint8_t type;
    uint16_t len;
} types[] = {
    {WR_IE_OCTETS, WR_VARLEN},       {WR_IE_UNSIGNED, 1},     {WR_IE_UNSIGNED, 2},
    {WR_IE_UNSIGNED, 4},             {WR_IE_UNSIGNED, 8},     {WR_IE_SIGNED, 1},
    {WR_IE_SIGNED, 2},               {WR_IE_SIGNED, 4},       {WR_IE_SIGNED, 8},
    {WR_IE_FLOAT, 4},                {WR_IE_FLOAT, 8},        {WR_IE_BOOL, 1},
    {WR_IE_MAC, 6},                  {WR_IE_STRING, WR_VARLEN}, {WR_IE_SECONDS, 4},
    {WR_IE_MILLISECONDS, 8},         {WR_IE_MICROSECONDS, 8}, {WR_IE_NANOSECONDS, 8},
    {WR_IE_IP4, 4},                  {WR_IE_IP6, 16},         {WR_IE_BASIC_LIST, WR_VARLEN},
    {WR_IE_TEMPLATE_LIST, WR_VARLEN}, {WR_IE_MULTI_LIST, WR_VARLEN},
};
enum { NTYPES = sizeof types / sizeof *types };

/* Which meaning goes with which type (RFC 7012 3.2, RFC 5610 3.6): counters and flags are unsigned, quantities
 * numbers, lists lists. */
bool wr_type_pair_good(uint8_t type, uint8_t semantics)
{
    bool unsigned_int = type >= 1 && type <= 4, number = type >= 1 && type <= 10, list = type >= 20;
    if (type >= NTYPES)
        return false;
    switch (semantics) {
    case 0: /* default */
        return true;
    case 1: /* quantity */
        return number;
    case 2: /* totalCounter */
    case 3: /* deltaCounter */
    case 5: /* flags */
    case 7: /* snmpCounter */
    case 8: /* snmpGauge */
        return unsigned_int;
    case 4: /* identifier */
        return type <= 8;
    case 6: /* list */
        return list;
    default:
        return false;
    }
}

struct told {
    uint64_t pen, id, type, semantics;
    const char *name;
    uint32_t name_len;
    unsigned have;
};

static bool gather(const struct wr_tmpl *tmpl, const uint8_t *rec, struct told *t)
{
    enum { PEN = 1, ID = 2, TYPE = 4, NAME = 8 };
    *t = (struct told){0};
    for (uint32_t i = 0, at = 0; i < tmpl->nfields; i++) {
        const struct wr_field *f = &tmpl->fields[i];
        uint32_t len = f->len;
        if (len == WR_VARLEN) {
            len = rec[at++];
            if (len == 255) {
                len = wr_be16(rec + at);
                at += 2;
            }
        }
        uint64_t n = len <= 8 ? wr_be(rec + at, len) : 0;
        if (f->pen == 0 && f->id == IE_PEN)
            t->pen = n, t->have |= PEN;
        else if (f->pen == 0 && f->id == IE_ID)
            t->id = n & 0x7fff, t->have |= ID; /* the enterprise bit says nothing here */
        else if (f->pen == 0 && f->id == IE_TYPE)
            t->type = n, t->have |= TYPE;
        else if (f->pen == 0 && f->id == IE_SEMANTICS)
            t->semantics = n;
        else if (f->pen == 0 && f->id == IE_NAME)
            t->name = (const char *)rec + at, t->name_len = len, t->have |= NAME;
        at += len;
    }
    return t->have == (PEN | ID | TYPE | NAME);
}

static bool is_sound(const struct wr_model *model, struct told *t)
{
    while (t->name_len && t->name[t->name_len - 1] == 0) /* a fixed-length string, filled up */
        t->name_len--;
    return t->pen != 0 && t->pen < WR_PEN_V9_SCOPE && t->pen != WR_PEN_REVERSE && t->id != 0 && t->type < NTYPES &&
           t->semantics < 256 && wr_type_pair_good((uint8_t)t->type, (uint8_t)t->semantics) && t->name_len &&
           t->name_len <= WR_NAME_MAX_TEXT && !memchr(t->name, 0, t->name_len) &&
           wr_utf8_valid(t->name, t->name_len) && !wr_model_find(model, (uint32_t)t->pen, (uint16_t)t->id).name;
}

static bool same_session(const struct wr_learned *l, const struct wr_stream_key *key)
{
    return l->session == key->session && l->port == key->port;
}

static const struct wr_learned *find(const struct wr_exporter *x, const struct wr_stream_key *key, uint32_t pen,
                                     uint16_t id)
{
    for (const struct wr_learned *l = x->learned; l; l = l->next)
        if (l->id == id && l->pen == pen && same_session(l, key))
            return l;
    return NULL;
}

static bool add(struct wr_msg *msg, const struct told *t)
{
    struct wr_exporter *x = msg->exporter;
    struct wr_flow_decoder *dec = msg->dec;
    size_t size = sizeof(struct wr_learned) + t->name_len + 1;
    if (x->nlearned >= WR_FLOW_LEARNED || !wr_exporter_room(dec, x, size))
        return false;
    struct wr_learned *l = calloc(1, size);
    if (!l)
        return false;
    *l = (struct wr_learned){.next = x->learned, .session = msg->stream->key.session, .port = msg->stream->key.port,
                             .pen = (uint32_t)t->pen, .id = (uint16_t)t->id, .bytes = (uint32_t)size};
    l->ie = (struct wr_ie){.name = l->name, .len = types[t->type].len, .type = types[t->type].type};
    memcpy(l->name, t->name, t->name_len);
    x->learned = l;
    x->nlearned++;
    dec->bytes += size;
    wr_exporter_charge(dec, x, (int64_t)size);
    return true;
}

void wr_learned_note(struct wr_msg *msg, const struct wr_tmpl *tmpl, const uint8_t *rec)
{
    struct told t;
    if (!gather(tmpl, rec, &t))
        return;
    const struct wr_learned *there =
        find(msg->exporter, &msg->stream->key, (uint32_t)t.pen, (uint16_t)t.id);
    bool same = there && t.type < NTYPES && there->ie.type == types[t.type].type && there->ie.len == types[t.type].len;
    if (same)
        return; /* told again */
    if (there || !is_sound(msg->dec->model, &t) || !add(msg, &t))
        WR_COUNT(msg, type_records_ignored, 1);
    else
        msg->learned = true;
}

void wr_learned_apply(const struct wr_stream *s, struct wr_tmpl *tmpl)
{
    for (uint32_t i = 0; s->exporter->learned && i < tmpl->nfields; i++) {
        struct wr_field *f = &tmpl->fields[i];
        const struct wr_learned *l = f->ie.name || !f->pen ? NULL : find(s->exporter, &s->key, f->pen, f->id);
        if (!l)
            continue;
        f->ie = l->ie;
        f->legal = f->len == 0 || f->len == WR_VARLEN || wr_ie_len_legal(&f->ie, f->len);
    }
}

/* Templates that came before. What was told names only what nobody knew: no plan reads such a field. */
void wr_learned_spread(struct wr_msg *msg)
{
    for (struct wr_stream *s = msg->exporter->streams; s; s = s->next_sibling)
        for (uint32_t i = 0; s->key.session == msg->stream->key.session && i < wr_stream_nslots(s); i++)
            if (wr_stream_at(s, i) && wr_stream_at(s, i)->plan->nunknown)
                wr_learned_apply(s, wr_stream_at(s, i));
}

/* Templates whose fields have these names must be gone. */
void wr_learned_forget(struct wr_flow_decoder *dec, struct wr_exporter *x, uint64_t session)
{
    for (struct wr_learned **at = &x->learned, *l; (l = *at);) {
        if (session && l->session != session) {
            at = &l->next;
            continue;
        }
        *at = l->next;
        dec->bytes -= l->bytes;
        wr_exporter_charge(dec, x, -(int64_t)l->bytes);
        x->nlearned--;
        free(l);
    }
}
