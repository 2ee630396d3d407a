/* Exporters, their streams, the streams' templates. Both tables are hashed with a key per process,
 * since addresses and domains come from strangers. */
#include "parsers/flow/state.h"

#include <stdlib.h>
#include <string.h>

static uint32_t bucket_of(const struct wr_flow_decoder *dec, const void *key, size_t len)
{
    return (uint32_t)wr_hash(&dec->hash_key, key, len) & (dec->nbuckets - 1);
}

struct wr_exporter *wr_exporter_find(const struct wr_flow_decoder *dec, const uint8_t *addr)
{
    struct wr_exporter *x = dec->exporters[bucket_of(dec, addr, 16)];
    while (x && memcmp(x->addr, addr, 16) != 0)
        x = x->next_hash;
    return x;
}

struct wr_stream *wr_stream_find(const struct wr_flow_decoder *dec, const struct wr_stream_key *key)
{
    struct wr_stream *s = dec->streams[bucket_of(dec, key, sizeof *key)];
    while (s && memcmp(&s->key, key, sizeof *key) != 0)
        s = s->next_hash;
    return s;
}

static struct wr_stream_key key_of(const struct wr_flow_peer *peer, uint32_t domain, uint16_t version)
{
    struct wr_stream_key key;
    memset(&key, 0, sizeof key); /* it is hashed and compared as bytes */
    memcpy(key.addr, peer->addr, 16);
    key.session = peer->session;
    key.port = peer->session ? 0 : peer->port;
    key.domain = domain;
    key.version = version;
    return key;
}

struct wr_stream_key wr_stream_key_of(const struct wr_msg *msg)
{
    return key_of(msg->peer, msg->domain, msg->version);
}

struct wr_stream *wr_stream_look_up(struct wr_flow_decoder *dec, const struct wr_flow_peer *peer, uint32_t domain,
                                    uint16_t version)
{
    while (dec->foreseen_at < dec->nforeseen) {
        struct wr_stream *s = dec->foreseen[dec->foreseen_at++];
        if (wr_stream_is(s, peer, domain, version))
            return s;
    }
    struct wr_stream_key key = key_of(peer, domain, version);
    return wr_stream_find(dec, &key);
}

/* ---- who may have how much ---- */

/* Addresses that are not listed share a part, so that whoever makes them up cannot use up what the listed ones need. */
bool wr_exporter_room(const struct wr_flow_decoder *dec, const struct wr_exporter *x, size_t bytes)
{
    if (dec->bytes + bytes > dec->memory_bytes)
        return false;
    return x->listed || dec->other_bytes + bytes <= dec->memory_bytes / WR_FLOW_OTHERS_SHARE;
}

void wr_exporter_charge(struct wr_flow_decoder *dec, struct wr_exporter *x, int64_t bytes)
{
    x->bytes += (size_t)bytes;
    if (!x->listed)
        dec->other_bytes += (size_t)bytes;
}

static void charge(struct wr_flow_decoder *dec, struct wr_exporter *x, size_t bytes)
{
    dec->bytes += bytes;
    wr_exporter_charge(dec, x, (int64_t)bytes);
}

static void refund(struct wr_flow_decoder *dec, struct wr_exporter *x, size_t bytes)
{
    dec->bytes -= bytes;
    wr_exporter_charge(dec, x, -(int64_t)bytes);
}

static bool in_prefix(const struct wr_flow_prefix *p, const uint8_t *addr)
{
    uint32_t whole = p->bits / 8, rest = p->bits % 8;
    return memcmp(p->addr, addr, whole) == 0 && (!rest || !((p->addr[whole] ^ addr[whole]) >> (8 - rest)));
}

static bool is_listed(const struct wr_flow_decoder *dec, const uint8_t *addr)
{
    for (uint32_t i = 0; i < dec->nlisted; i++)
        if (in_prefix(&dec->listed[i], addr))
            return true;
    return dec->nlisted == 0;
}

const struct wr_slot *wr_stream_home(const struct wr_stream *stream, uint16_t id)
{
    return &stream->slots[wr_slot_home(stream, id)];
}

static uint32_t slot_of(const struct wr_stream *s, uint16_t id)
{
    uint32_t at = wr_slot_home(s, id);
    while (s->slots[at].tmpl && s->slots[at].tmpl->id != id)
        at = (at + 1) & (s->nslots - 1);
    return at;
}

struct wr_slot *wr_stream_slot(const struct wr_stream *stream, uint16_t id)
{
    struct wr_slot *slot = stream->nslots ? &stream->slots[slot_of(stream, id)] : NULL;
    return slot && slot->tmpl ? slot : NULL;
}

/* ---- templates that streams share
 *
 * Ten thousand routers of one make send the same hundred templates: fields, plan and specifiers stand once, a
 * stream has 16 octets of each. An exporter's own limit counts a template as if it were its own. */

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

static void let_go(struct wr_flow_decoder *dec, struct wr_exporter *x, struct wr_slot *slot)
{
    wr_exporter_charge(dec, x, -(int64_t)slot->tmpl->bytes);
    wr_tmpl_unref(dec, slot->tmpl);
    *slot = (struct wr_slot){0};
}

void wr_stream_remove(struct wr_flow_decoder *dec, struct wr_stream *s, uint16_t id)
{
    if (!wr_stream_tmpl(s, id))
        return;
    uint32_t hole = slot_of(s, id);
    let_go(dec, s->exporter, &s->slots[hole]);
    s->ntmpls--;
    for (uint32_t at = (hole + 1) & (s->nslots - 1); s->slots[at].tmpl; at = (at + 1) & (s->nslots - 1)) {
        struct wr_slot moved = s->slots[at]; /* later ones of the chain find their place anew */
        s->slots[at] = (struct wr_slot){0};
        s->slots[slot_of(s, moved.tmpl->id)] = moved;
    }
}

static bool grow_slots(struct wr_flow_decoder *dec, struct wr_stream *s)
{
    uint32_t nslots = s->nslots ? s->nslots * 2 : 8, old = s->nslots;
    struct wr_slot *slots = NULL;
    if (wr_exporter_room(dec, s->exporter, (nslots - old) * sizeof *slots))
        slots = calloc(nslots, sizeof *slots);
    if (!slots)
        return false;
    struct wr_slot *before = s->slots;
    charge(dec, s->exporter, (nslots - old) * sizeof *slots);
    s->slots = slots;
    s->nslots = nslots;
    for (uint32_t i = 0; i < old; i++)
        if (before[i].tmpl)
            slots[slot_of(s, before[i].tmpl->id)] = before[i];
    free(before);
    return true;
}

/* A stored template of the same id is history once the exporter sends its own. */
static void drop_provisional(struct wr_flow_decoder *dec, const struct wr_stream *s, uint16_t id)
{
    for (struct wr_stream *p = s->exporter->streams; p; p = p->next_sibling)
        if (p->provisional && p != s && p->key.domain == s->key.domain && p->key.version == s->key.version)
            wr_stream_remove(dec, p, id);
}

bool wr_stream_put(struct wr_flow_decoder *dec, struct wr_stream *s, struct wr_tmpl *tmpl, int64_t seen_ns)
{
    wr_stream_remove(dec, s, tmpl->id);
    if (s->ntmpls >= WR_FLOW_MAX_TEMPLATES || (s->ntmpls * 4 >= s->nslots * 3 && !grow_slots(dec, s)) ||
        dec->bytes > dec->memory_bytes || s->exporter->bytes + tmpl->bytes > WR_FLOW_EXPORTER_BYTES ||
        (!s->exporter->listed && !wr_exporter_room(dec, s->exporter, tmpl->bytes))) {
        wr_tmpl_unref(dec, tmpl);
        return false;
    }
    wr_exporter_charge(dec, s->exporter, (int64_t)tmpl->bytes);
    s->slots[slot_of(s, tmpl->id)] =
        (struct wr_slot){.tmpl = tmpl, .seen_s = (uint32_t)(seen_ns / WR_SECOND_NS)};
    s->ntmpls++;
    s->untold_ns = 0;
    if (!s->provisional)
        drop_provisional(dec, s, tmpl->id);
    return true;
}

static int64_t lifetime(const struct wr_slot *slot)
{
    int64_t thrice = 3 * slot->refresh_s * WR_SECOND_NS;
    return thrice > WR_FLOW_TMPL_NS ? thrice : WR_FLOW_TMPL_NS;
}

/* One that is told once and never again lives on: some exporters do no more than that (Calix). Over TCP all live as
 * long as the session (RFC 7011 8). */
void wr_slot_refresh(struct wr_stream *s, struct wr_slot *slot, int64_t now_ns)
{
    const int64_t day = 86400;
    int64_t since = now_ns / WR_SECOND_NS - slot->seen_s;
    since = since < 1 ? 1 : since > day ? day : since;
    if (since > slot->refresh_s)
        slot->refresh_s = (uint32_t)since & INT32_MAX;
    slot->seen_s = (uint32_t)(now_ns / WR_SECOND_NS);
    if (!s->key.session && now_ns + lifetime(slot) < s->expires_ns)
        s->expires_ns = now_ns + lifetime(slot);
}

void wr_tmpl_expire(struct wr_flow_decoder *dec, struct wr_stream *s, int64_t now_ns)
{
    int64_t next = INT64_MAX;
    for (uint32_t i = 0; i < s->nslots;) {
        const struct wr_slot *slot = &s->slots[i];
        bool ends = slot->tmpl && slot->refresh_s;
        int64_t end = ends ? slot->seen_s * WR_SECOND_NS + lifetime(slot) : INT64_MAX;
        if (end <= now_ns) {
            dec->stats.templates_expired++;
            s->exporter->stats.templates_expired++;
            wr_stream_remove(dec, s, slot->tmpl->id); /* may move another here: look again */
            continue;
        }
        next = end < next ? end : next;
        i++;
    }
    s->expires_ns = next;
}

/* Another stream's template is right only when its records fill this set: a guess must not make
 * garbage. */
static bool may_borrow(const struct wr_tmpl *tmpl, uint32_t body)
{
    if (tmpl->plan->nvars)
        return body >= tmpl->min_len;
    return body >= tmpl->min_len && body % tmpl->min_len < 4;
}

struct wr_tmpl *wr_tmpl_for(struct wr_flow_decoder *dec, const struct wr_stream *stream,
                            const struct wr_stream_key *key, uint16_t id, uint32_t body)
{
    struct wr_tmpl *own = stream ? wr_stream_tmpl(stream, id) : NULL;
    if (own || key->session || dec->guesses >= WR_FLOW_MAX_GUESSES)
        return own;
    dec->guesses++;
    const struct wr_exporter *x = wr_exporter_find(dec, key->addr);
    struct wr_tmpl *only = NULL;
    for (const struct wr_stream *s = x ? x->streams : NULL; s; s = s->next_sibling) {
        if ((s->key.session && !s->provisional) || s->key.domain != key->domain ||
            s->key.version != key->version || s == stream)
            continue;
        if (!s->provisional && stream && stream->ntmpls)
            continue; /* a port that sends templates sends its own */
        const struct wr_slot *slot = wr_stream_slot(s, id);
        if (!slot || slot->clash)
            continue;
        struct wr_tmpl *t = slot->tmpl;
        if (only && (only->options != t->options || only->spec_len != t->spec_len ||
                     memcmp(only->spec, t->spec, t->spec_len) != 0))
            return NULL;
        only = t;
    }
    return only && may_borrow(only, body) ? only : NULL;
}

static void free_slots(struct wr_flow_decoder *dec, struct wr_stream *s)
{
    for (uint32_t i = 0; i < s->nslots; i++)
        if (s->slots[i].tmpl)
            let_go(dec, s->exporter, &s->slots[i]);
    refund(dec, s->exporter, s->nslots * sizeof *s->slots);
    free(s->slots);
    s->slots = NULL;
    s->nslots = s->ntmpls = 0;
}

void wr_stream_drop(struct wr_flow_decoder *dec, struct wr_stream *stream)
{
    struct wr_exporter *x = stream->exporter;
    if (dec->last == stream)
        dec->last = NULL;
    dec->nforeseen = 0;
    wr_held_forget(dec, x, stream);
    free_slots(dec, stream);
    struct wr_stream **at = &dec->streams[bucket_of(dec, &stream->key, sizeof stream->key)];
    while (*at != stream)
        at = &(*at)->next_hash;
    *at = stream->next_hash;
    for (at = &x->streams; *at != stream;)
        at = &(*at)->next_sibling;
    *at = stream->next_sibling;
    x->nstreams--;
    refund(dec, x, sizeof *stream);
    free(stream);
}

void wr_exporter_drop(struct wr_flow_decoder *dec, struct wr_exporter *x)
{
    while (x->streams)
        wr_stream_drop(dec, x->streams);
    struct wr_exporter **at = &dec->exporters[bucket_of(dec, x->addr, 16)];
    while (*at != x)
        at = &(*at)->next_hash;
    *at = x->next_hash;
    wr_stranger_gone(dec, x);
    wr_learned_forget(dec, x, 0);
    wr_names_fini(&x->names, &dec->bytes);
    dec->bytes -= x->bytes;
    wr_exporter_charge(dec, x, -(int64_t)x->bytes);
    dec->nexporters--;
    dec->nothers -= !x->listed;
    free(x->samplers);
    free(x);
}

/* Room for one more exporter: the one that has been quiet longest goes, if it has been quiet for
 * half an hour. One that is not listed makes none of those go that are. */
static bool evict_exporter(struct wr_flow_decoder *dec, bool listed, int64_t now_ns)
{
    struct wr_exporter *oldest = NULL;
    for (uint32_t i = 0; i < dec->nbuckets; i++)
        for (struct wr_exporter *x = dec->exporters[i]; x; x = x->next_hash)
            if ((listed || !x->listed) && (!oldest || x->used_ns < oldest->used_ns))
                oldest = x;
    if (!oldest || now_ns - oldest->used_ns < WR_FLOW_IDLE_NS)
        return false;
    wr_exporter_drop(dec, oldest);
    return true;
}

/* Zeroed, whole lines of the cache. */
static void *new_lines(size_t bytes)
{
    size_t whole = (bytes + WR_FLOW_LINE - 1) / WR_FLOW_LINE * WR_FLOW_LINE;
    void *at = aligned_alloc(WR_FLOW_LINE, whole);
    return at ? memset(at, 0, whole) : NULL;
}

static struct wr_exporter *exporter_add(struct wr_flow_decoder *dec, const uint8_t *addr, int64_t now_ns)
{
    const bool listed = is_listed(dec, addr);
    if (dec->nexporters >= dec->max_exporters ||
        (!listed && dec->nothers >= dec->max_exporters / WR_FLOW_OTHERS_SHARE)) {
        /* a full scan: at most once a second, so a flood of new addresses cannot buy it with each
         * datagram */
        if (now_ns - dec->evicted_ns < WR_SECOND_NS)
            return NULL;
        dec->evicted_ns = now_ns;
        if (!evict_exporter(dec, listed, now_ns))
            return NULL;
    }
    struct wr_exporter *x = NULL;
    if (wr_exporter_room(dec, &(struct wr_exporter){.listed = listed}, sizeof *x))
        x = new_lines(sizeof *x);
    if (!x)
        return NULL;
    memcpy(x->addr, addr, 16);
    x->listed = listed;
    dec->nothers += !listed;
    x->held_end = &x->held;
    x->last_why = WR_FLOW_NREJECTS;
    x->used_ns = now_ns;
    charge(dec, x, sizeof *x);
    uint32_t b = bucket_of(dec, addr, 16);
    x->next_hash = dec->exporters[b];
    dec->exporters[b] = x;
    dec->nexporters++;
    wr_stranger_known(dec, x);
    return x;
}

static bool evict_stream(struct wr_flow_decoder *dec, struct wr_exporter *x, int64_t now_ns)
{
    struct wr_stream *oldest = x->streams;
    for (struct wr_stream *s = x->streams; s; s = s->next_sibling)
        if (s->used_ns < oldest->used_ns)
            oldest = s;
    if (!oldest || now_ns - oldest->used_ns < WR_FLOW_IDLE_NS)
        return false;
    wr_stream_drop(dec, oldest);
    return true;
}

/* Where the exporter stands (RFC 7011 "observation point" as far as it is known): the same on every
 * machine, since it is stored. */
static void set_points(struct wr_stream *s)
{
    for (uint32_t i = 0; i < 3; i++) {
        uint8_t id[21];
        memcpy(id, s->key.addr, 16);
        for (int k = 0; k < 4; k++)
            id[16 + k] = (uint8_t)(s->key.domain >> (24 - 8 * k));
        id[20] = (uint8_t)(i < 2 ? i : 255);
        s->point[i] = wr_crc32c(0, id, sizeof id);
    }
}

struct wr_exporter *wr_exporter_get(struct wr_flow_decoder *dec, const uint8_t *addr, int64_t now_ns)
{
    struct wr_exporter *x = wr_exporter_find(dec, addr);
    return x ? x : exporter_add(dec, addr, now_ns);
}

struct wr_stream *wr_stream_add(struct wr_flow_decoder *dec, const struct wr_stream_key *key, int64_t now_ns)
{
    struct wr_exporter *x = wr_exporter_get(dec, key->addr, now_ns);
    if (!x || (x->nstreams >= WR_FLOW_MAX_STREAMS && !evict_stream(dec, x, now_ns)))
        return NULL;
    struct wr_stream *s = NULL;
    if (wr_exporter_room(dec, x, sizeof *s))
        s = new_lines(sizeof *s);
    if (!s)
        return NULL;
    s->key = *key;
    s->exporter = x;
    s->expires_ns = INT64_MAX;
    s->used_ns = s->past.first_ns = s->life.window_ns = now_ns;
    set_points(s);
    charge(dec, x, sizeof *s);
    for (const struct wr_stream *other = x->streams; other && !s->init_ns; other = other->next_sibling)
        if (other->key.domain == key->domain && other->key.version == key->version)
            s->init_ns = other->init_ns; /* an exporter boots once, whatever its ports */
    s->next_sibling = x->streams;
    x->streams = s;
    x->nstreams++;
    uint32_t b = bucket_of(dec, key, sizeof *key);
    s->next_hash = dec->streams[b];
    dec->streams[b] = s;
    return s;
}

bool wr_stream_enter(struct wr_msg *msg)
{
    struct wr_stream *s = msg->stream ? msg->stream : wr_stream_of(msg);
    if (!s) {
        struct wr_stream_key key = wr_stream_key_of(msg);
        s = wr_stream_add(msg->dec, &key, msg->now_ns);
    }
    if (!s)
        return false;
    s->used_ns = s->exporter->used_ns = msg->now_ns;
    msg->stream = msg->dec->last = s;
    msg->exporter = s->exporter;
    return true;
}
