/* Templates of UDP exporters across a restart. Stored without the port, so that an exporter that restarts too
 * is recognised; loaded ones are "provisional": used until the exporter sends its own.
 *
 *   "WFT1", u32 crc of the rest, u32 n, then n times
 *   16 address, u32 domain, u16 version, u16 id, u8 options, blob specifiers            (little-endian) */
#include "base/buf.h"
#include "parsers/flow/state.h"

#include <string.h>

static const char magic[4] = {'W', 'F', 'T', '1'};

static void save_stream(const struct wr_stream *s, struct wr_buf *out, uint32_t *n)
{
    for (uint32_t i = 0; i < s->nslots; i++) {
        const struct wr_tmpl *t = s->slots[i];
        if (!t || t->clash)
            continue;
        wr_buf_add(out, s->key.addr, 16);
        wr_buf_u32(out, s->key.domain);
        wr_buf_u16(out, s->key.version);
        wr_buf_u16(out, t->id);
        wr_buf_u8(out, t->options);
        wr_buf_blob(out, t->spec, t->spec_len);
        ++*n;
    }
}

void wr_flow_decoder_save(const struct wr_flow_decoder *dec, struct wr_buf *out)
{
    struct wr_buf body = {0};
    uint32_t n = 0;
    wr_buf_u32(&body, 0);
    for (uint32_t i = 0; i < dec->nbuckets; i++)
        for (const struct wr_exporter *x = dec->exporters[i]; x; x = x->next_hash)
            for (const struct wr_stream *s = x->streams; s; s = s->next_sibling)
                if (!s->key.session || s->provisional)
                    save_stream(s, &body, &n);
    struct wr_buf count = {0};
    wr_buf_u32(&count, n);
    if (!body.err && !count.err) {
        memcpy(body.data, count.data, 4);
        wr_buf_add(out, magic, sizeof magic);
        wr_buf_u32(out, wr_crc32c(0, body.data, body.len));
        wr_buf_add(out, body.data, body.len);
    } else {
        out->err = WR_ENOMEM;
    }
    wr_buf_fini(&count);
    wr_buf_fini(&body);
}

struct entry {
    struct wr_stream_key key;
    uint16_t id;
    bool options;
    const uint8_t *spec;
    uint32_t spec_len;
};

/* False: no such thing was ever saved. */
static bool read_entry(struct wr_rd *rd, struct entry *e)
{
    memset(e, 0, sizeof *e);
    const uint8_t *addr = wr_rd_take(rd, 16);
    if (addr)
        memcpy(e->key.addr, addr, 16);
    e->key.domain = wr_rd_u32(rd);
    e->key.version = wr_rd_u16(rd);
    e->id = wr_rd_u16(rd);
    e->options = wr_rd_u8(rd);
    e->spec = wr_rd_blob(rd, &e->spec_len);
    if (rd->err || e->id < 256 || (e->key.version != WR_FLOW_V9 && e->key.version != WR_FLOW_IPFIX))
        return false;
    enum wr_flow_reject why;
    uint32_t n = wr_spec_check(e->key.version, e->options, e->spec, e->spec_len, &why);
    return n == e->spec_len && why == WR_FLOW_NREJECTS;
}

/* The key of a loaded stream: no exporter's, since a session number marks TCP and there is no peer behind it.
 */
static void provisional_key(struct wr_stream_key *key)
{
    key->session = UINT64_MAX;
}

/* Two ports may have sent different templates of one id: then neither is used. */
static void put_entry(struct wr_flow_decoder *dec, const struct entry *e)
{
    struct wr_stream *s = wr_stream_find(dec, &e->key);
    if (!s) {
        s = wr_stream_add(dec, &e->key, 0);
        if (!s)
            return;
        s->provisional = true;
    }
    struct wr_tmpl *there = wr_stream_tmpl(s, e->id);
    if (there && there->options == e->options && there->spec_len == e->spec_len &&
        memcmp(there->spec, e->spec, e->spec_len) == 0)
        return;
    if (there) {
        there->clash = true;
        return;
    }
    struct wr_tmpl *t = wr_tmpl_new(dec->model, e->key.version, e->id, e->options, e->spec, e->spec_len);
    if (t)
        wr_stream_put(dec, s, t);
}

enum wr_err wr_flow_decoder_load(struct wr_flow_decoder *dec, const void *bytes, size_t len)
{
    struct wr_rd rd = wr_rd_init(bytes, len);
    const uint8_t *head = wr_rd_take(&rd, sizeof magic);
    uint32_t crc = wr_rd_u32(&rd);
    if (!head || rd.err || memcmp(head, magic, sizeof magic) != 0 ||
        wr_crc32c(0, rd.at, (size_t)(rd.end - rd.at)) != crc)
        return WR_ECORRUPT;
    uint32_t n = wr_rd_u32(&rd);
    struct wr_rd check = rd;
    struct entry e;
    for (uint32_t i = 0; i < n; i++) /* each takes octets, so a false n ends early */
        if (!read_entry(&check, &e))
            return WR_ECORRUPT;
    if (check.err || check.at != check.end)
        return WR_ECORRUPT;
    for (uint32_t i = 0; i < n; i++) {
        if (read_entry(&rd, &e)) {
            provisional_key(&e.key);
            put_entry(dec, &e);
        }
    }
    return WR_OK;
}
