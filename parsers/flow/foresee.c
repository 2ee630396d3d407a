/* Ten thousand exporters have megabytes of state between them: every message of another one misses the cache some three
 * times, each time after the other: table, two lines of the stream. (Templates do not: streams share them.) A batch of
 * messages that was received together is looked through first, in three passes, and each pass asks for what the next one
 * reads: the misses of all messages of a pass are under way at once.
 *
 *   1  hash of the stream's key -> bucket    2  bucket -> stream    3  which stream of the bucket
 *
 * The streams that were found wait in `foreseen`, in order, so that decoding needs no second hash. So much state pushes
 * the messages themselves out of the second cache: each is asked for two before its turn. Nothing depends on any of it:
 * what was not foreseen is looked up. */
#include "parsers/flow/state.h"

enum { AHEAD = 2, DATAGRAM = 1472 };

struct look {
    struct wr_stream_key key;
    uint32_t bucket, of; /* which message it is of */
};

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
    if (look->key.version == WR_FLOW_IPFIX)
        look->key.domain = wr_be32(c->data + IPFIX_HEADER - 4);
    else if (look->key.version == WR_FLOW_V9)
        look->key.domain = wr_be32(c->data + V9_HEADER - 4);
    else if (look->key.version == WR_FLOW_V5)
        look->key.domain = wr_be16(c->data + 20);
    else
        return false;
    return true;
}

static void fetch(const void *from, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += WR_FLOW_LINE)
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
    uint32_t m = 0;
    dec->nforeseen = dec->foreseen_at = 0;
    for (uint32_t i = 0; i < n && i < WR_FLOW_FORESEEN; i++) {
        bool again = i && memcmp(&coming[i].peer, &coming[i - 1].peer, sizeof coming[i].peer) == 0;
        if (again || !read_key(&coming[i], &looks[m]))
            continue;
        looks[m].bucket = wr_stream_bucket(dec, &looks[m].key);
        looks[m].of = i;
        __builtin_prefetch(&dec->streams[looks[m++].bucket]);
    }
    if (m < 2)
        return; /* one exporter's train: it is in the cache after its first message */
    for (uint32_t i = 0; i < m; i++)
        if (dec->streams[looks[i].bucket])
            fetch(dec->streams[looks[i].bucket], WR_FLOW_STREAM_HOT);
    for (uint32_t i = 0; i < m; i++) {
        struct wr_stream *s = find(dec->streams[looks[i].bucket], &looks[i].key);
        const struct wr_flow_coming *c = &coming[looks[i].of];
        const uint32_t len = c->len < DATAGRAM ? (uint32_t)c->len : DATAGRAM;
        if (s)
            dec->foreseen[dec->nforeseen++] = (struct wr_foreseen){s, c->data, len};
    }
    for (uint32_t i = 0; i < AHEAD && i < dec->nforeseen; i++)
        fetch(dec->foreseen[i].data, dec->foreseen[i].len);
}

struct wr_stream *wr_foreseen_next(struct wr_flow_decoder *dec)
{
    const uint32_t at = dec->foreseen_at++;
    if (at + AHEAD < dec->nforeseen)
        fetch(dec->foreseen[at + AHEAD].data, dec->foreseen[at + AHEAD].len);
    return dec->foreseen[at].stream;
}
