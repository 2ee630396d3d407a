/* Ten thousand exporters have tens of megabytes of state between them: every message of another one misses the cache and
 * the address translation some eight times, each time after the other: table, stream, its template slot, exporter,
 * counters. A batch of messages that was received together is looked through first, in three passes, and each pass asks
 * for what the next one reads: the misses of all messages of a pass are under way at once.
 *
 *   1  hash of the stream's key -> bucket    2  bucket -> stream    3  stream -> slot, exporter
 *
 * The streams that were found wait in `foreseen`, in order, so that decoding needs no second hash. Nothing depends on
 * them: what was not foreseen is looked up. */
#include "parsers/flow/state.h"

struct look {
    struct wr_stream_key key;
    uint32_t bucket;
    uint16_t set_at; /* of the first set; 0: none */
};

static uint32_t bucket_of(const struct wr_flow_decoder *dec, const struct wr_stream_key *key)
{
    return (uint32_t)wr_hash(&dec->hash_key, key, sizeof *key) & (dec->nbuckets - 1);
}

/* False: no message whose stream can be told. */
static bool read_key(const struct wr_flow_coming *c, struct look *look)
{
    enum { IPFIX_HEADER = 16, V9_HEADER = 20 };
    if (c->len < 24)
        return false;
    memset(&look->key, 0, sizeof look->key); /* it is hashed and compared as bytes */
    memcpy(look->key.addr, c->peer.addr, sizeof look->key.addr);
    look->key.port = c->peer.port;
    look->key.version = wr_be16(c->data);
    look->set_at = look->key.version == WR_FLOW_IPFIX ? IPFIX_HEADER : look->key.version == WR_FLOW_V9 ? V9_HEADER : 0;
    if (look->set_at)
        look->key.domain = wr_be32(c->data + look->set_at - 4);
    else if (look->key.version == WR_FLOW_V5)
        look->key.domain = wr_be16(c->data + 20);
    else
        return false;
    return true;
}

static void fetch(const void *from, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += 64)
        __builtin_prefetch((const uint8_t *)from + at, 1);
}

static struct wr_stream *find(struct wr_stream *s, const struct wr_stream_key *key)
{
    while (s && memcmp(&s->key, key, sizeof *key) != 0)
        s = s->next_hash;
    return s;
}

void wr_flow_foresee(struct wr_flow_decoder *dec, const struct wr_flow_coming *coming, uint32_t n)
{
    struct look looks[WR_FLOW_FORESEEN];
    uint8_t of[WR_FLOW_FORESEEN]; /* which message a look is of */
    uint32_t m = 0;
    dec->nforeseen = dec->foreseen_at = 0;
    for (uint32_t i = 0; i < n && i < WR_FLOW_FORESEEN; i++) {
        bool again = i && memcmp(&coming[i].peer, &coming[i - 1].peer, sizeof coming[i].peer) == 0;
        if (again || !read_key(&coming[i], &looks[m]))
            continue;
        looks[m].bucket = bucket_of(dec, &looks[m].key);
        __builtin_prefetch(&dec->streams[looks[m].bucket]);
        of[m++] = (uint8_t)i;
    }
    if (m < 2)
        return; /* one exporter's train: it is in the cache after its first message */
    for (uint32_t i = 0; i < m; i++)
        if (dec->streams[looks[i].bucket])
            fetch(dec->streams[looks[i].bucket], WR_FLOW_STREAM_HOT);
    for (uint32_t i = 0; i < m; i++) {
        struct wr_stream *s = find(dec->streams[looks[i].bucket], &looks[i].key);
        if (!s)
            continue;
        fetch(s->exporter, WR_FLOW_EXPORTER_HOT);
        if (s->nslots && looks[i].set_at)
            __builtin_prefetch(wr_stream_home(s, wr_be16(coming[of[i]].data + looks[i].set_at)));
        dec->foreseen[dec->nforeseen++] = s;
    }
}
