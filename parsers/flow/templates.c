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

struct wr_stream_key wr_stream_key_of(const struct wr_msg *msg)
{
    struct wr_stream_key key;
    memset(&key, 0, sizeof key); /* it is hashed and compared as bytes */
    memcpy(key.addr, msg->peer->addr, 16);
    key.session = msg->peer->session;
    key.port = msg->peer->session ? 0 : msg->peer->port;
    key.domain = msg->domain;
    key.version = msg->version;
    return key;
}

struct wr_stream *wr_stream_look_up(const struct wr_msg *msg)
{
    struct wr_stream_key key = wr_stream_key_of(msg);
    return wr_stream_find(msg->dec, &key);
}

static void charge(struct wr_flow_decoder *dec, struct wr_exporter *x, size_t bytes)
{
    dec->bytes += bytes;
    x->bytes += bytes;
}

static void refund(struct wr_flow_decoder *dec, struct wr_exporter *x, size_t bytes)
{
    dec->bytes -= bytes;
    x->bytes -= bytes;
}

static uint32_t slot_of(const struct wr_stream *s, uint16_t id)
{
    uint32_t at = (id * UINT32_C(2654435761) >> 12) & (s->nslots - 1);
    while (s->slots[at] && s->slots[at]->id != id)
        at = (at + 1) & (s->nslots - 1);
    return at;
}

struct wr_tmpl *wr_stream_tmpl(const struct wr_stream *stream, uint16_t id)
{
    return stream->nslots ? stream->slots[slot_of(stream, id)] : NULL;
}

void wr_stream_remove(struct wr_flow_decoder *dec, struct wr_stream *s, uint16_t id)
{
    if (!wr_stream_tmpl(s, id))
        return;
    uint32_t hole = slot_of(s, id);
    refund(dec, s->exporter, s->slots[hole]->bytes);
    wr_tmpl_free(s->slots[hole]);
    s->slots[hole] = NULL;
    s->ntmpls--;
    for (uint32_t at = (hole + 1) & (s->nslots - 1); s->slots[at]; at = (at + 1) & (s->nslots - 1)) {
        struct wr_tmpl *moved = s->slots[at]; /* later ones of the chain find their place anew */
        s->slots[at] = NULL;
        s->slots[slot_of(s, moved->id)] = moved;
    }
}

static bool grow_slots(struct wr_flow_decoder *dec, struct wr_stream *s)
{
    uint32_t nslots = s->nslots ? s->nslots * 2 : 8, old = s->nslots;
    struct wr_tmpl **slots = NULL;
    if (dec->bytes + (nslots - old) * sizeof *slots <= dec->memory_bytes)
        slots = calloc(nslots, sizeof *slots);
    if (!slots)
        return false;
    struct wr_tmpl **before = s->slots;
    charge(dec, s->exporter, (nslots - old) * sizeof *slots);
    s->slots = slots;
    s->nslots = nslots;
    for (uint32_t i = 0; i < old; i++)
        if (before[i])
            slots[slot_of(s, before[i]->id)] = before[i];
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

bool wr_stream_put(struct wr_flow_decoder *dec, struct wr_stream *s, struct wr_tmpl *tmpl)
{
    wr_stream_remove(dec, s, tmpl->id);
    if (s->ntmpls >= WR_FLOW_MAX_TEMPLATES || (s->ntmpls * 2 >= s->nslots && !grow_slots(dec, s)) ||
        dec->bytes + tmpl->bytes > dec->memory_bytes ||
        s->exporter->bytes + tmpl->bytes > WR_FLOW_EXPORTER_BYTES) {
        wr_tmpl_free(tmpl);
        return false;
    }
    charge(dec, s->exporter, tmpl->bytes);
    s->slots[slot_of(s, tmpl->id)] = tmpl;
    s->ntmpls++;
    if (!s->provisional)
        drop_provisional(dec, s, tmpl->id);
    return true;
}

static int64_t lifetime(const struct wr_tmpl *t)
{
    int64_t thrice = 3 * t->refresh_ns;
    return thrice > WR_FLOW_TMPL_NS ? thrice : WR_FLOW_TMPL_NS;
}

/* One that is told once and never again lives on: some exporters do no more than that (Calix). Over TCP all live as
 * long as the session (RFC 7011 8). */
void wr_tmpl_refresh(struct wr_stream *s, struct wr_tmpl *tmpl, int64_t now_ns)
{
    const int64_t day = 86400 * WR_SECOND_NS;
    int64_t since = now_ns - tmpl->seen_ns;
    since = since < 1 ? 1 : since > day ? day : since;
    tmpl->refresh_ns = since > tmpl->refresh_ns ? since : tmpl->refresh_ns;
    tmpl->seen_ns = now_ns;
    if (!s->key.session && now_ns + lifetime(tmpl) < s->expires_ns)
        s->expires_ns = now_ns + lifetime(tmpl);
}

void wr_tmpl_expire(struct wr_flow_decoder *dec, struct wr_stream *s, int64_t now_ns)
{
    int64_t next = INT64_MAX;
    for (uint32_t i = 0; i < s->nslots;) {
        const struct wr_tmpl *t = s->slots[i];
        int64_t end = t && t->refresh_ns ? t->seen_ns + lifetime(t) : INT64_MAX;
        if (end <= now_ns) {
            dec->stats.templates_expired++;
            s->exporter->stats.templates_expired++;
            wr_stream_remove(dec, s, t->id); /* may move another here: look again */
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
        struct wr_tmpl *t = wr_stream_tmpl(s, id);
        if (!t || t->clash)
            continue;
        if (only && (only->options != t->options || only->spec_len != t->spec_len ||
                     memcmp(only->spec, t->spec, t->spec_len) != 0))
            return NULL;
        only = t;
    }
    return only && may_borrow(only, body) ? only : NULL;
}

static void free_slots(struct wr_flow_decoder *dec, struct wr_stream *s)
{
    for (uint32_t i = 0; i < s->nslots; i++) {
        if (s->slots[i]) {
            refund(dec, s->exporter, s->slots[i]->bytes);
            wr_tmpl_free(s->slots[i]);
        }
    }
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
    dec->nexporters--;
    free(x->samplers);
    free(x);
}

/* Room for one more exporter: the one that has been quiet longest goes, if it has been quiet for
 * half an hour. */
static bool evict_exporter(struct wr_flow_decoder *dec, int64_t now_ns)
{
    struct wr_exporter *oldest = NULL;
    for (uint32_t i = 0; i < dec->nbuckets; i++)
        for (struct wr_exporter *x = dec->exporters[i]; x; x = x->next_hash)
            if (!oldest || x->used_ns < oldest->used_ns)
                oldest = x;
    if (!oldest || now_ns - oldest->used_ns < WR_FLOW_IDLE_NS)
        return false;
    wr_exporter_drop(dec, oldest);
    return true;
}

static struct wr_exporter *exporter_add(struct wr_flow_decoder *dec, const uint8_t *addr, int64_t now_ns)
{
    if (dec->nexporters >= dec->max_exporters) {
        /* a full scan: at most once a second, so a flood of new addresses cannot buy it with each
         * datagram */
        if (now_ns - dec->evicted_ns < WR_SECOND_NS)
            return NULL;
        dec->evicted_ns = now_ns;
        if (!evict_exporter(dec, now_ns))
            return NULL;
    }
    struct wr_exporter *x = NULL;
    if (dec->bytes + sizeof *x <= dec->memory_bytes)
        x = calloc(1, sizeof *x);
    if (!x)
        return NULL;
    memcpy(x->addr, addr, 16);
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
    if (dec->bytes + sizeof *s <= dec->memory_bytes)
        s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->key = *key;
    s->exporter = x;
    s->expires_ns = INT64_MAX;
    s->used_ns = s->life.first_ns = s->life.window_ns = now_ns;
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
