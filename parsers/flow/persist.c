/* What exporters said once and may not say again: templates, sampling rates, names, the time of boot. Stored
 * without the port, so that an exporter that restarts too is recognised; loaded templates are "provisional": used
 * until the exporter sends its own. Little-endian.
 *
 *   "WFT2", u32 crc of the rest, then items, each u8 kind and
 *   T  16 address, u32 domain, u16 version, u16 port, u16 id, u8 options, i64 seen, blob specifiers
 *   B  16 address, u32 domain, u16 version, i64 boot time
 *   S  16 address, u64 key, u64 id, u32 rate
 *   N  16 address (zero: of an endpoint), u8 kind, u32 domain, i64 told, blob key, blob text */
#include "base/buf.h"
#include "parsers/flow/state.h"

#include <string.h>

static const char magic[4] = {'W', 'F', 'T', '2'};

static void save_stream(const struct wr_stream *s, struct wr_buf *out)
{
    for (uint32_t i = 0; i < wr_stream_nslots(s); i++) {
        const struct wr_tmpl *t = wr_stream_at(s, i);
        if (!t || s->ages[i].clash)
            continue;
        wr_buf_u8(out, 'T');
        wr_buf_add(out, s->key.addr, 16);
        wr_buf_u32(out, s->key.domain);
        wr_buf_u16(out, s->key.version);
        wr_buf_u16(out, s->key.port);
        wr_buf_u16(out, t->id);
        wr_buf_u8(out, t->options);
        wr_buf_u64(out, (uint64_t)(s->ages[i].seen_s * WR_SECOND_NS));
        wr_buf_blob(out, t->spec, t->spec_len);
    }
    if (!s->init_ns)
        return;
    wr_buf_u8(out, 'B');
    wr_buf_add(out, s->key.addr, 16);
    wr_buf_u32(out, s->key.domain);
    wr_buf_u16(out, s->key.version);
    wr_buf_u64(out, (uint64_t)s->init_ns);
}

void wr_names_items(const struct wr_names *names, const uint8_t *addr, struct wr_buf *out)
{
    for (const struct wr_name *n = names->oldest; n; n = n->newer) {
        wr_buf_u8(out, 'N');
        wr_buf_add(out, addr, 16);
        wr_buf_u8(out, n->kind);
        wr_buf_u32(out, n->domain);
        wr_buf_u64(out, (uint64_t)n->told_ns);
        wr_buf_blob(out, n->bytes, n->key_len);
        wr_buf_blob(out, wr_name_text(n), n->text_len);
    }
}

static void save_exporter(const struct wr_exporter *x, struct wr_buf *out)
{
    for (const struct wr_stream *s = x->streams; s; s = s->next_sibling)
        if (!s->key.session || s->provisional)
            save_stream(s, out);
    for (uint32_t i = 0; i < x->nsamplers; i++) {
        wr_buf_u8(out, 'S');
        wr_buf_add(out, x->addr, 16);
        wr_buf_u64(out, x->samplers[i].key);
        wr_buf_u64(out, x->samplers[i].id);
        wr_buf_u32(out, x->samplers[i].rate);
    }
    wr_names_items(&x->names, x->addr, out);
}

/* Takes the body. */
static void close_items(struct wr_buf *body, struct wr_buf *out)
{
    if (!body->err) {
        wr_buf_add(out, magic, sizeof magic);
        wr_buf_u32(out, wr_crc32c(0, body->data ? body->data : "", body->len));
        wr_buf_add(out, body->data, body->len);
    } else {
        out->err = WR_ENOMEM;
    }
    wr_buf_fini(body);
}

void wr_flow_decoder_save(const struct wr_flow_decoder *dec, struct wr_buf *out)
{
    struct wr_buf body = {0};
    for (uint32_t i = 0; i < dec->nbuckets; i++)
        for (const struct wr_exporter *x = dec->exporters[i]; x; x = x->next_hash)
            save_exporter(x, &body);
    if (dec->own_hosts)
        wr_flow_hosts_items(dec->hosts, &body);
    close_items(&body, out);
}

void wr_flow_hosts_save(struct wr_flow_hosts *hosts, struct wr_buf *out)
{
    struct wr_buf body = {0};
    wr_flow_hosts_items(hosts, &body);
    close_items(&body, out);
}

/* One item of any kind; what its kind does not have is 0. */
struct item {
    uint8_t kind, name_kind;
    struct wr_stream_key key;
    uint16_t id;
    bool options;
    int64_t time_ns;
    uint64_t sampler_key, sampler_id;
    uint32_t rate, key_len, text_len;
    const uint8_t *bytes, *text; /* specifiers or a name's key; a name's text */
};

static bool read_template(struct wr_rd *rd, struct item *e)
{
    e->key.version = wr_rd_u16(rd);
    (void)wr_rd_u16(rd); /* the port is for people */
    e->id = wr_rd_u16(rd);
    e->options = wr_rd_u8(rd);
    e->time_ns = (int64_t)wr_rd_u64(rd);
    e->bytes = wr_rd_blob(rd, &e->key_len);
    if (rd->err || e->id < 256 || (e->key.version != WR_FLOW_V9 && e->key.version != WR_FLOW_IPFIX))
        return false;
    enum wr_flow_reject why;
    uint32_t n = wr_spec_check(e->key.version, e->options, e->bytes, e->key_len, &why);
    return n == e->key_len && why == WR_FLOW_NREJECTS;
}

/* False: no such thing was ever saved. */
static bool read_item(struct wr_rd *rd, struct item *e)
{
    memset(e, 0, sizeof *e);
    e->kind = wr_rd_u8(rd);
    const uint8_t *addr = wr_rd_take(rd, 16);
    if (addr)
        memcpy(e->key.addr, addr, 16);
    switch (e->kind) {
    case 'T':
        e->key.domain = wr_rd_u32(rd);
        return read_template(rd, e);
    case 'B':
        e->key.domain = wr_rd_u32(rd);
        e->key.version = wr_rd_u16(rd);
        e->time_ns = (int64_t)wr_rd_u64(rd);
        return !rd->err;
    case 'S':
        e->sampler_key = wr_rd_u64(rd);
        e->sampler_id = wr_rd_u64(rd);
        e->rate = wr_rd_u32(rd);
        return !rd->err && e->rate;
    case 'N':
        e->name_kind = wr_rd_u8(rd);
        e->key.domain = wr_rd_u32(rd);
        e->time_ns = (int64_t)wr_rd_u64(rd);
        e->bytes = wr_rd_blob(rd, &e->key_len);
        e->text = wr_rd_blob(rd, &e->text_len);
        return !rd->err && e->name_kind < WR_NAME_NKINDS && e->key_len && e->key_len <= WR_NAME_MAX_KEY &&
               e->text_len && e->text_len <= WR_NAME_MAX_TEXT && wr_utf8_valid((const char *)e->text, e->text_len);
    default:
        return false;
    }
}

/* The stream of a loaded item: no exporter's own, since a session number marks TCP and there is no peer behind
 * it. NULL: no room. */
static struct wr_stream *stored_stream(struct wr_flow_decoder *dec, struct item *e)
{
    e->key.session = UINT64_MAX;
    struct wr_stream *s = wr_stream_find(dec, &e->key);
    if (s)
        return s;
    s = wr_stream_add(dec, &e->key, 0);
    if (s)
        s->provisional = true;
    return s;
}

/* Two ports may have sent different templates of one id: then neither is used. */
static void put_template(struct wr_flow_decoder *dec, struct wr_stream *s, const struct item *e)
{
    struct wr_tmpl *there = wr_stream_tmpl(s, e->id);
    if (there && there->options == e->options && there->spec_len == e->key_len &&
        memcmp(there->spec, e->bytes, e->key_len) == 0)
        return;
    if (there) {
        wr_stream_age(s, e->id)->clash = true;
        return;
    }
    struct wr_tmpl *t = wr_tmpl_get(dec, e->key.version, e->id, e->options, e->bytes, e->key_len);
    if (t)
        wr_stream_put(dec, s, t, e->time_ns);
}

static void put_name(struct wr_flow_decoder *dec, const struct item *e)
{
    struct wr_exporter *x = e->name_kind == WR_NAME_HOST ? NULL : wr_exporter_get(dec, e->key.addr, 0);
    if (!x && e->name_kind != WR_NAME_HOST)
        return;
    struct wr_name_key key = wr_name_key_bytes((enum wr_name_kind)e->name_kind, e->bytes, e->key_len);
    key.domain = e->key.domain;
    wr_names_keep(dec, x, &key, (const char *)e->text, e->text_len, e->time_ns);
}

/* `at`: the stream whose templates come one after the other; NULL: none yet. */
static void put_item(struct wr_flow_decoder *dec, struct item *e, struct wr_stream **at)
{
    struct wr_exporter *x;
    struct wr_stream *s;
    switch (e->kind) {
    case 'T':
        s = stored_stream(dec, e);
        if (*at && *at != s)
            wr_stream_share(dec, *at);
        *at = s;
        if (s)
            put_template(dec, s, e);
        return;
    case 'B':
        s = stored_stream(dec, e);
        if (s)
            s->init_ns = e->time_ns;
        return;
    case 'S':
        x = wr_exporter_get(dec, e->key.addr, 0);
        if (x)
            wr_sampler_set(dec, x, e->sampler_key, e->sampler_id, e->rate);
        return;
    default:
        put_name(dec, e);
    }
}

enum wr_err wr_flow_decoder_load(struct wr_flow_decoder *dec, const void *bytes, size_t len)
{
    struct wr_rd rd = wr_rd_init(bytes, len);
    const uint8_t *head = wr_rd_take(&rd, sizeof magic);
    uint32_t crc = wr_rd_u32(&rd);
    if (!head || rd.err || memcmp(head, magic, sizeof magic) != 0 ||
        wr_crc32c(0, rd.at, (size_t)(rd.end - rd.at)) != crc)
        return WR_ECORRUPT;
    struct wr_rd check = rd;
    struct item e;
    struct wr_stream *at = NULL;
    while (check.at < check.end)
        if (!read_item(&check, &e))
            return WR_ECORRUPT;
    while (rd.at < rd.end && read_item(&rd, &e))
        put_item(dec, &e, &at);
    if (at)
        wr_stream_share(dec, at);
    return WR_OK;
}
