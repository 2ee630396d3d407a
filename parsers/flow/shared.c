/* Templates that streams share. Ten thousand routers of one make send the same hundred templates: fields, plan and
 * specifiers of each stand once, and so does the table in which a stream finds them by their ids. A stream has 8 octets
 * of its own for each.
 *
 * A set that is shared never changes. Who changes his takes a copy first (change), and at the end of the message looks
 * whether there is one like it (wr_stream_share): once a message, however many templates it brought.
 *
 * An exporter's own limit counts templates and sets as if they were its own; the decoder's counts what there is. */
#include "parsers/flow/state.h"

#include <stdlib.h>
#include <string.h>

/* ---- single templates ---- */

static uint32_t shared_hash(const struct wr_flow_decoder *dec, uint16_t version, uint16_t id, bool options,
                            const uint8_t *spec, uint32_t spec_len)
{
    uint32_t head = (uint32_t)id << 16 | (uint32_t)version << 1 | options;
    return (uint32_t)wr_hash(&dec->hash_key, spec, spec_len) ^ head * UINT32_C(2654435761);
}

struct wr_tmpl *wr_tmpl_get(struct wr_flow_decoder *dec, uint16_t version, uint16_t id, bool options,
                            const uint8_t *spec, uint32_t spec_len)
{
    uint32_t hash = shared_hash(dec, version, id, options, spec, spec_len);
    struct wr_tmpl **bucket = &dec->shared[hash & (dec->nbuckets - 1)];
    for (struct wr_tmpl *t = *bucket; t; t = t->next_shared)
        if (t->hash == hash && t->id == id && t->version == version && t->options == options &&
            t->spec_len == spec_len && memcmp(t->spec, spec, spec_len) == 0) {
            t->refs++;
            return t;
        }
    struct wr_tmpl *t = wr_tmpl_new(dec->model, version, id, options, spec, spec_len);
    if (!t)
        return NULL;
    t->refs = 1;
    t->hash = hash;
    t->version = version;
    dec->bytes += t->bytes;
    if (t->plan->nunknown) /* its exporter may say what they are, for itself */
        return t;
    t->shared = true;
    t->next_shared = *bucket;
    *bucket = t;
    return t;
}

void wr_tmpl_unref(struct wr_flow_decoder *dec, struct wr_tmpl *tmpl)
{
    if (!tmpl || --tmpl->refs)
        return;
    struct wr_tmpl **at = &dec->shared[tmpl->hash & (dec->nbuckets - 1)];
    while (tmpl->shared && *at != tmpl)
        at = &(*at)->next_shared;
    if (tmpl->shared)
        *at = tmpl->next_shared;
    dec->bytes -= tmpl->bytes;
    wr_tmpl_free(tmpl);
}

/* ---- sets ---- */

static size_t set_bytes(uint32_t nslots)
{
    return sizeof(struct wr_tmpls) + nslots * sizeof(struct wr_tmpl *);
}

static size_t ages_bytes(uint32_t nslots)
{
    return nslots * sizeof(struct wr_age);
}

static struct wr_tmpls *set_new(struct wr_flow_decoder *dec, uint32_t nslots)
{
    struct wr_tmpls *set = calloc(1, set_bytes(nslots));
    if (!set)
        return NULL;
    set->refs = 1;
    set->nslots = nslots;
    dec->bytes += set_bytes(nslots);
    return set;
}

static void unshare(struct wr_flow_decoder *dec, struct wr_tmpls *set)
{
    struct wr_tmpls **at = &dec->sets[set->hash & (dec->nbuckets - 1)];
    while (set->shared && *at != set)
        at = &(*at)->next;
    if (set->shared)
        *at = set->next;
    set->shared = false;
}

static void set_unref(struct wr_flow_decoder *dec, struct wr_tmpls *set)
{
    if (!set || --set->refs)
        return;
    unshare(dec, set);
    for (uint32_t i = 0; i < set->nslots; i++)
        wr_tmpl_unref(dec, set->at[i]);
    dec->bytes -= set_bytes(set->nslots);
    free(set);
}

/* Where the template of that id is, or would be. */
static uint32_t slot_of(const struct wr_tmpls *set, uint16_t id)
{
    uint32_t at = wr_slot_home(set, id);
    while (set->at[at] && set->at[at]->id != id)
        at = (at + 1) & (set->nslots - 1);
    return at;
}

struct wr_age *wr_stream_age(const struct wr_stream *s, uint16_t id)
{
    uint32_t at = s->tmpls ? slot_of(s->tmpls, id) : 0;
    return s->tmpls && s->tmpls->at[at] ? &s->ages[at] : NULL;
}

/* What an exporter is charged for its stream's slots. */
static void charge_slots(struct wr_flow_decoder *dec, const struct wr_stream *s, uint32_t before, uint32_t after)
{
    dec->bytes += ages_bytes(after);
    dec->bytes -= ages_bytes(before);
    wr_exporter_charge(dec, s->exporter, (int64_t)(after * (sizeof(struct wr_age) + sizeof(struct wr_tmpl *))) -
                                             (int64_t)(before * (sizeof(struct wr_age) + sizeof(struct wr_tmpl *))));
}

/* The stream's set with so many slots, to be changed: a copy, if others hold it or there are not as many. False: no
 * memory. */
static bool change(struct wr_flow_decoder *dec, struct wr_stream *s, uint32_t nslots)
{
    struct wr_tmpls *old = s->tmpls;
    if (old && old->refs == 1 && old->nslots == nslots) {
        unshare(dec, old);
        return true;
    }
    struct wr_tmpls *set = set_new(dec, nslots);
    struct wr_age *ages = set ? calloc(nslots, sizeof *ages) : NULL;
    if (!ages) {
        set_unref(dec, set);
        return false;
    }
    for (uint32_t i = 0; old && i < old->nslots; i++) {
        if (!old->at[i])
            continue;
        uint32_t at = slot_of(set, old->at[i]->id);
        set->at[at] = old->at[i];
        set->at[at]->refs++;
        ages[at] = s->ages[i];
    }
    set->n = old ? old->n : 0;
    charge_slots(dec, s, wr_stream_nslots(s), nslots);
    set_unref(dec, old);
    free(s->ages);
    s->tmpls = set;
    s->ages = ages;
    return true;
}

void wr_stream_remove_all(struct wr_flow_decoder *dec, struct wr_stream *s)
{
    for (uint32_t i = 0; i < wr_stream_nslots(s); i++)
        if (wr_stream_at(s, i))
            wr_exporter_charge(dec, s->exporter, -(int64_t)wr_stream_at(s, i)->bytes);
    charge_slots(dec, s, wr_stream_nslots(s), 0);
    set_unref(dec, s->tmpls);
    free(s->ages);
    s->tmpls = NULL;
    s->ages = NULL;
}

void wr_stream_remove(struct wr_flow_decoder *dec, struct wr_stream *s, uint16_t id)
{
    struct wr_tmpl *gone = wr_stream_tmpl(s, id);
    if (!gone)
        return;
    if (s->tmpls->n == 1 || !change(dec, s, s->tmpls->nslots)) { /* without memory all go: they are told again */
        wr_stream_remove_all(dec, s);
        return;
    }
    struct wr_tmpls *set = s->tmpls;
    const uint32_t mask = set->nslots - 1, hole = slot_of(set, id);
    wr_exporter_charge(dec, s->exporter, -(int64_t)gone->bytes);
    set->at[hole] = NULL;
    set->n--;
    for (uint32_t at = (hole + 1) & mask; set->at[at]; at = (at + 1) & mask) {
        struct wr_tmpl *moved = set->at[at]; /* later ones of the chain find their place anew */
        struct wr_age age = s->ages[at];
        set->at[at] = NULL;
        uint32_t to = slot_of(set, moved->id);
        set->at[to] = moved;
        s->ages[to] = age;
    }
    wr_tmpl_unref(dec, gone);
}

/* A stored template of the same id is history once the exporter sends its own. */
static void drop_provisional(struct wr_flow_decoder *dec, const struct wr_stream *s, uint16_t id)
{
    for (struct wr_stream *p = s->exporter->streams; p; p = p->next_sibling)
        if (p->provisional && p != s && p->key.domain == s->key.domain && p->key.version == s->key.version)
            wr_stream_remove(dec, p, id);
}

/* Room in the stream's set for one more. */
static bool make_room(struct wr_flow_decoder *dec, struct wr_stream *s)
{
    const uint32_t nslots = wr_stream_nslots(s), n = s->tmpls ? s->tmpls->n : 0;
    const uint32_t want = n * 4 < nslots * 3 ? nslots : nslots ? nslots * 2 : 8;
    const size_t more = want == nslots ? 0 : set_bytes(want) + ages_bytes(want) - ages_bytes(nslots);
    return n < WR_FLOW_MAX_TEMPLATES && wr_exporter_room(dec, s->exporter, more) && change(dec, s, want);
}

bool wr_stream_put(struct wr_flow_decoder *dec, struct wr_stream *s, struct wr_tmpl *tmpl, int64_t seen_ns)
{
    wr_stream_remove(dec, s, tmpl->id);
    if (dec->bytes > dec->memory_bytes || s->exporter->bytes + tmpl->bytes > WR_FLOW_EXPORTER_BYTES ||
        (!s->exporter->listed && !wr_exporter_room(dec, s->exporter, tmpl->bytes)) || !make_room(dec, s)) {
        wr_tmpl_unref(dec, tmpl);
        return false;
    }
    wr_exporter_charge(dec, s->exporter, (int64_t)tmpl->bytes);
    const uint32_t at = slot_of(s->tmpls, tmpl->id);
    s->tmpls->at[at] = tmpl;
    s->tmpls->n++;
    s->ages[at] = (struct wr_age){.seen_s = (uint32_t)(seen_ns / WR_SECOND_NS)};
    s->untold_ns = 0;
    if (!s->provisional)
        drop_provisional(dec, s, tmpl->id);
    return true;
}

/* Of the templates, whatever their order. */
static uint32_t hash_of(const struct wr_tmpls *set)
{
    uint64_t sum = set->n;
    for (uint32_t i = 0; i < set->nslots; i++)
        sum += ((uint64_t)(uintptr_t)set->at[i] ^ (uintptr_t)set->at[i] >> 7) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(sum >> 32);
}

static bool same(const struct wr_tmpls *a, const struct wr_tmpls *b)
{
    if (a->hash != b->hash || a->n != b->n || a->nslots != b->nslots)
        return false;
    for (uint32_t i = 0; i < a->nslots; i++)
        if (a->at[i] && b->at[slot_of(b, a->at[i]->id)] != a->at[i])
            return false;
    return true;
}

/* The stream takes `set` for its own, which has the same templates, maybe elsewhere. */
static void adopt(struct wr_flow_decoder *dec, struct wr_stream *s, struct wr_tmpls *set)
{
    struct wr_tmpls *own = s->tmpls;
    if (memcmp(own->at, set->at, set->nslots * sizeof *set->at) != 0) {
        struct wr_age *ages = calloc(set->nslots, sizeof *ages);
        if (!ages)
            return; /* it keeps its own */
        for (uint32_t i = 0; i < own->nslots; i++)
            if (own->at[i])
                ages[slot_of(set, own->at[i]->id)] = s->ages[i];
        free(s->ages);
        s->ages = ages;
    }
    set->refs++;
    s->tmpls = set;
    set_unref(dec, own);
}

void wr_stream_share(struct wr_flow_decoder *dec, struct wr_stream *s)
{
    struct wr_tmpls *own = s->tmpls;
    if (!own || own->shared)
        return;
    own->hash = hash_of(own);
    struct wr_tmpls **bucket = &dec->sets[own->hash & (dec->nbuckets - 1)];
    for (struct wr_tmpls *set = *bucket; set; set = set->next)
        if (same(own, set)) {
            adopt(dec, s, set);
            return;
        }
    own->shared = true;
    own->next = *bucket;
    *bucket = own;
}

/* ---- how long they live ---- */

static int64_t lifetime(const struct wr_age *age)
{
    int64_t thrice = 3 * age->refresh_s * WR_SECOND_NS;
    return thrice > WR_FLOW_TMPL_NS ? thrice : WR_FLOW_TMPL_NS;
}

/* One that is told once and never again lives on: some exporters do no more than that (Calix). Over TCP all live as
 * long as the session (RFC 7011 8). */
void wr_tmpl_refresh(struct wr_stream *s, uint16_t id, int64_t now_ns)
{
    const int64_t day = 86400;
    struct wr_age *age = wr_stream_age(s, id);
    if (!age)
        return;
    int64_t since = now_ns / WR_SECOND_NS - age->seen_s;
    since = since < 1 ? 1 : since > day ? day : since;
    if (since > age->refresh_s)
        age->refresh_s = (uint32_t)since & INT32_MAX;
    age->seen_s = (uint32_t)(now_ns / WR_SECOND_NS);
    if (!s->key.session && now_ns + lifetime(age) < s->expires_ns)
        s->expires_ns = now_ns + lifetime(age);
}

void wr_tmpl_expire(struct wr_flow_decoder *dec, struct wr_stream *s, int64_t now_ns)
{
    int64_t next = INT64_MAX;
    for (uint32_t i = 0; i < wr_stream_nslots(s);) {
        const struct wr_age *age = &s->ages[i];
        bool ends = wr_stream_at(s, i) && age->refresh_s;
        int64_t end = ends ? age->seen_s * WR_SECOND_NS + lifetime(age) : INT64_MAX;
        if (end <= now_ns) {
            dec->stats.templates_expired++;
            s->exporter->stats.templates_expired++;
            wr_stream_remove(dec, s, wr_stream_at(s, i)->id); /* may move another here: look again */
            continue;
        }
        next = end < next ? end : next;
        i++;
    }
    s->expires_ns = next;
    wr_stream_share(dec, s);
}
