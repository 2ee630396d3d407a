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
    struct wr_stream *s = dec->streams[wr_stream_bucket(dec, key)];
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
        struct wr_stream *s = wr_foreseen_next(dec);
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

static uint32_t default_rate(const struct wr_flow_decoder *dec, const uint8_t *addr)
{
    const struct wr_flow_rate *best = NULL;
    for (uint32_t i = 0; i < dec->nrates; i++)
        if (in_prefix(&dec->rates[i].of, addr) && (!best || dec->rates[i].of.bits > best->of.bits))
            best = &dec->rates[i];
    return best ? best->rate : 0;
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
        if (!s->provisional && stream && stream->tmpls)
            continue; /* a port that sends templates sends its own */
        const struct wr_age *age = wr_stream_age(s, id);
        if (!age || age->clash)
            continue;
        struct wr_tmpl *t = wr_stream_tmpl(s, id);
        if (only && (only->options != t->options || only->spec_len != t->spec_len ||
                     memcmp(only->spec, t->spec, t->spec_len) != 0))
            return NULL;
        only = t;
    }
    return only && may_borrow(only, body) ? only : NULL;
}

void wr_stream_drop(struct wr_flow_decoder *dec, struct wr_stream *stream)
{
    struct wr_exporter *x = stream->exporter;
    if (dec->last == stream)
        dec->last = NULL;
    dec->nforeseen = 0;
    wr_held_forget(dec, x, stream);
    wr_stream_settle(stream);
    wr_stream_remove_all(dec, stream);
    struct wr_stream **at = &dec->streams[wr_stream_bucket(dec, &stream->key)];
    while (*at != stream)
        at = &(*at)->next_hash;
    *at = stream->next_hash;
    for (at = &x->streams; *at != stream;)
        at = &(*at)->next_sibling;
    *at = stream->next_sibling;
    x->nstreams--;
    refund(dec, x, sizeof *stream);
    wr_stream_block_give(&dec->pool, stream);
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
            if (listed || !x->listed) {
                wr_exporter_settle(x);
                oldest = !oldest || x->used_ns < oldest->used_ns ? x : oldest;
            }
    if (!oldest || now_ns - oldest->used_ns < WR_FLOW_IDLE_NS)
        return false;
    wr_exporter_drop(dec, oldest);
    return true;
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
        x = calloc(1, sizeof *x);
    if (!x)
        return NULL;
    memcpy(x->addr, addr, 16);
    x->listed = listed;
    x->default_rate = default_rate(dec, addr);
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

void wr_exporter_mark(struct wr_exporter *x)
{
    for (struct wr_stream *s = x->streams; s; s = s->next_sibling) {
        s->held = x->held;
        s->sampled = x->nsamplers || x->default_rate;
    }
}

void wr_stream_settle(struct wr_stream *s)
{
    const struct wr_quick q = s->quick;
    struct wr_exporter *x = s->exporter;
    x->used_ns = s->used_ns > x->used_ns ? s->used_ns : x->used_ns;
    if (!q.messages)
        return;
    s->quick = (struct wr_quick){0};
    s->past.messages += q.messages;
    s->past.records += q.records;
    x->stats.messages += q.messages;
    x->stats.ok += q.messages;
    x->stats.records += q.records;
    x->stats.rows += q.rows;
    x->stats.filtered_early += q.records - q.rows;
}

void wr_exporter_settle(struct wr_exporter *x)
{
    for (struct wr_stream *s = x->streams; s; s = s->next_sibling)
        wr_stream_settle(s);
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
        s = wr_stream_block_take(&dec->pool);
    if (!s)
        return NULL;
    s->key = *key;
    s->exporter = x;
    s->expires_ns = INT64_MAX;
    s->used_ns = s->past.first_ns = s->window_ns = now_ns;
    s->held = x->held;
    s->sampled = x->nsamplers || x->default_rate;
    set_points(s);
    charge(dec, x, sizeof *s);
    for (const struct wr_stream *other = x->streams; other && !s->init_ns; other = other->next_sibling)
        if (other->key.domain == key->domain && other->key.version == key->version)
            s->init_ns = other->init_ns; /* an exporter boots once, whatever its ports */
    s->next_sibling = x->streams;
    x->streams = s;
    x->nstreams++;
    uint32_t b = wr_stream_bucket(dec, key);
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
    s->used_ns = msg->now_ns;
    msg->stream = msg->dec->last = s;
    msg->exporter = s->exporter;
    return true;
}
