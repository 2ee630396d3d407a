/* Records as JSON lines, for people and for tests:
 *
 *   {"_exporter":"192.0.2.1","_version":9,"_domain":0,"_sequence":7,"_sysUptime":1000,"_template":256,
 *    "_kind":"flow","_exportTime":"...",
 *    "sourceIPv4Address":"...","_9_12399":"0a1b",...}
 *
 * A sampled packet of sFlow has the kind "sample". Elements have the information model's names. One that it does not know is `_<enterprise>_<id>`
 * (`_v9_<type>` for v9's own numbers) with its octets in hex. An element that occurs several times is an
 * array. Lists (RFC 6313): basicList is an array of values, the other two arrays of objects. A field of a
 * length that its type cannot have is null. Padding (210) is left out. */
#include "base/ticks.h"
#include "parsers/flow/state.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool write_fields(struct wr_msg *msg, const struct wr_tmpl *tmpl, const uint8_t *rec, int depth);

static void write_addr16(struct wr_buf *out, const uint8_t *addr)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    char text[INET6_ADDRSTRLEN];
    if (memcmp(addr, mapped, 12) == 0)
        inet_ntop(AF_INET, addr + 12, text, sizeof text);
    else
        inet_ntop(AF_INET6, addr, text, sizeof text);
    wr_buf_str(out, text);
}

static void write_hex(struct wr_buf *out, const uint8_t *p, uint32_t len)
{
    char *to = wr_buf_room(out, 2 * (size_t)len + 3);
    if (!to)
        return;
    to[0] = '"';
    wr_hex(p, len, to + 1);
    to[2 * (size_t)len + 1] = '"';
    out->len += 2 * (size_t)len + 2;
}

static void write_time(struct wr_buf *out, int64_t ticks)
{
    wr_buf_char(out, '"');
    wr_ticks_datetime(out, ticks);
    wr_buf_char(out, '"');
}

static void write_ntp(struct wr_buf *out, uint64_t t, bool micro)
{
    int64_t s = (int64_t)(t >> 32) - INT64_C(2208988800) + (t >> 63 ? 0 : INT64_C(1) << 32);
    uint64_t fraction = t & (micro ? UINT64_C(0xfffff800) : UINT64_C(0xffffffff));
    write_time(out, WR_TICKS_UNIX_EPOCH + s * WR_TICKS_SECOND + (int64_t)(fraction * 10000000 >> 32));
}

static void write_number(struct wr_buf *out, const struct wr_ie *ie, const uint8_t *p, uint32_t len)
{
    uint64_t x = wr_be(p, len);
    uint64_t sign = UINT64_C(1) << (8 * len - 1);
    switch ((enum wr_ie_type)ie->type) {
    case WR_IE_SIGNED:
        wr_buf_i64(out, (int64_t)((x ^ sign) - sign));
        break;
    case WR_IE_FLOAT: {
        double d;
        float f;
        uint32_t bits = (uint32_t)x;
        memcpy(&f, &bits, sizeof f);
        memcpy(&d, &x, sizeof d);
        wr_json_real(out, len == 4 ? (double)f : d);
        break;
    }
    case WR_IE_BOOL: /* 1 true, 2 false (RFC 7011 6.1.5) */
        wr_buf_str(out, x == 1 ? "true" : x == 2 ? "false" : "null");
        break;
    case WR_IE_SECONDS:
        write_time(out, WR_TICKS_UNIX_EPOCH + (int64_t)x * WR_TICKS_SECOND);
        break;
    case WR_IE_MILLISECONDS:
        if (x <= (uint64_t)(WR_TICKS_MAX - WR_TICKS_UNIX_EPOCH) / 10000)
            write_time(out, WR_TICKS_UNIX_EPOCH + (int64_t)x * 10000);
        else
            wr_buf_fmt(out, "%" PRIu64, x);
        break;
    case WR_IE_MICROSECONDS:
    case WR_IE_NANOSECONDS:
        write_ntp(out, x, ie->type == WR_IE_MICROSECONDS);
        break;
    default:
        wr_buf_fmt(out, "%" PRIu64, x);
    }
}

static void write_text(struct wr_buf *out, const uint8_t *p, uint32_t len)
{
    while (len && p[len - 1] == 0) /* fixed-length strings are filled up */
        len--;
    wr_json_str(out, (const char *)p, len);
}

static void write_plain(struct wr_buf *out, const struct wr_ie *ie, const uint8_t *p, uint32_t len)
{
    char text[INET6_ADDRSTRLEN + 2];
    if (len == 0 || len > WR_VARLEN || !wr_ie_len_legal(ie, (uint16_t)len)) {
        bool text_like = len == 0 && (ie->type == WR_IE_STRING || ie->type == WR_IE_OCTETS);
        wr_buf_str(out, text_like ? "\"\"" : "null");
        return;
    }
    switch ((enum wr_ie_type)ie->type) {
    case WR_IE_STRING:
        write_text(out, p, len);
        break;
    case WR_IE_IP4:
    case WR_IE_IP6:
        inet_ntop(len == 4 ? AF_INET : AF_INET6, p, text, sizeof text);
        wr_json_cstr(out, text);
        break;
    case WR_IE_MAC:
        wr_buf_fmt(out, "\"%02x:%02x:%02x:%02x:%02x:%02x\"", p[0], p[1], p[2], p[3], p[4], p[5]);
        break;
    case WR_IE_OCTETS:
        write_hex(out, p, len);
        break;
    default:
        write_number(out, ie, p, len);
    }
}

static void comma(struct wr_buf *out)
{
    if (out->len && out->data[out->len - 1] != '[')
        wr_buf_char(out, ',');
}

static bool take_item(struct wr_msg *msg, uint32_t *items)
{
    return ++*items <= WR_FLOW_LIST_ITEMS && ++msg->list_items <= WR_FLOW_MESSAGE_ITEMS;
}

static bool write_value(struct wr_msg *msg, const struct wr_ie *ie, const uint8_t *p, uint32_t len,
                        int depth);

/* Records of one template inside a list; `len` must hold whole records. */
static bool write_records(struct wr_msg *msg, uint16_t id, const uint8_t *p, uint32_t len, uint32_t *items,
                          int depth)
{
    const struct wr_tmpl *tmpl = wr_stream_tmpl(msg->stream, id);
    if (!tmpl)
        tmpl = wr_tmpl_for(msg->dec, msg->stream, &msg->stream->key, id, len);
    if (!tmpl)
        return false;
    while (len >= tmpl->min_len) {
        uint32_t n = tmpl->plan->nvars ? wr_record_walk(tmpl->plan, p, len) : tmpl->plan->stride;
        if (!n || !take_item(msg, items))
            return false;
        comma(msg->json);
        wr_buf_char(msg->json, '{');
        if (!write_fields(msg, tmpl, p, depth))
            return false;
        wr_buf_char(msg->json, '}');
        p += n;
        len -= n;
    }
    return len == 0;
}

/* RFC 6313 4.5.1: semantic 1, element 2 (+ enterprise 4), element length 2, elements. */
static bool write_basic_list(struct wr_msg *msg, const uint8_t *p, uint32_t len, int depth)
{
    struct wr_wire w = wr_wire_init(p, len);
    wr_wire_u8(&w);
    uint16_t id = wr_wire_u16(&w), each = wr_wire_u16(&w);
    uint32_t pen = id & 0x8000 ? wr_wire_u32(&w) : 0, items = 0;
    struct wr_ie ie = wr_model_find(msg->dec->model, pen, id & 0x7fff);
    if (w.err || each == 0)
        return false;
    while (wr_wire_left(&w)) {
        uint32_t n = each;
        if (each == WR_VARLEN) {
            n = wr_wire_u8(&w);
            if (n == 255)
                n = wr_wire_u16(&w);
        }
        const uint8_t *item = wr_wire_take(&w, n);
        if (w.err || !item || !take_item(msg, &items))
            return false;
        comma(msg->json);
        if (!write_value(msg, &ie, item, n, depth))
            return false;
    }
    return true;
}

/* RFC 6313 4.5.2, 4.5.3. */
static bool write_template_list(struct wr_msg *msg, bool multi, const uint8_t *p, uint32_t len, int depth)
{
    struct wr_wire w = wr_wire_init(p, len);
    uint32_t items = 0;
    wr_wire_u8(&w);
    if (!multi) {
        uint16_t id = wr_wire_u16(&w);
        return !w.err && write_records(msg, id, w.at, (uint32_t)wr_wire_left(&w), &items, depth);
    }
    while (wr_wire_left(&w)) {
        uint16_t id = wr_wire_u16(&w), n = wr_wire_u16(&w);
        const uint8_t *records = n >= 4 ? wr_wire_take(&w, n - 4u) : NULL;
        if (w.err || !records || !write_records(msg, id, records, n - 4u, &items, depth))
            return false;
    }
    return !w.err;
}

/* False: a list inside is broken, too deep or too long. */
static bool write_value(struct wr_msg *msg, const struct wr_ie *ie, const uint8_t *p, uint32_t len, int depth)
{
    if (ie->type < WR_IE_BASIC_LIST) {
        write_plain(msg->json, ie, p, len);
        return true;
    }
    if (depth >= WR_FLOW_LIST_DEPTH)
        return false;
    wr_buf_char(msg->json, '[');
    bool ok = ie->type == WR_IE_BASIC_LIST
                  ? write_basic_list(msg, p, len, depth + 1)
                  : write_template_list(msg, ie->type == WR_IE_MULTI_LIST, p, len, depth + 1);
    wr_buf_char(msg->json, ']');
    return ok;
}

/* A list that is refused is null; the rest of the record is read (RFC 6313 7). */
static bool write_field(struct wr_msg *msg, const struct wr_field *f, const uint8_t *p, uint32_t len,
                        int depth)
{
    size_t before = msg->json->len;
    if (write_value(msg, &f->ie, p, len, depth))
        return true;
    if (depth > 0)
        return false; /* the outermost list goes whole */
    if (!msg->json->err)
        msg->json->len = before;
    wr_buf_str(msg->json, "null");
    WR_REFUSED(msg, WR_FLOW_REJECT_list);
    return true;
}

static void write_key(struct wr_buf *out, const struct wr_field *f)
{
    char name[32];
    if (f->ie.name) {
        wr_json_key(out, f->ie.name);
        return;
    }
    if (f->pen == WR_PEN_V9)
        snprintf(name, sizeof name, "_v9_%u", f->id + 32768u);
    else
        snprintf(name, sizeof name, "_%" PRIu32 "_%u", f->pen, (unsigned)f->id);
    wr_json_key(out, name);
}

static bool write_fields(struct wr_msg *msg, const struct wr_tmpl *tmpl, const uint8_t *rec, int depth)
{
    enum { PADDING = 210 };
    uint32_t at[WR_FLOW_MAX_FIELDS];
    uint16_t len[WR_FLOW_MAX_FIELDS];
    uint32_t off = 0;
    for (uint32_t i = 0; i < tmpl->nfields; i++) {
        len[i] = tmpl->fields[i].len;
        if (len[i] == WR_VARLEN) {
            len[i] = rec[off++];
            if (len[i] == 255) {
                len[i] = (uint16_t)wr_be(rec + off, 2);
                off += 2;
            }
        }
        at[i] = off;
        off += len[i];
    }
    for (uint32_t i = 0; i < tmpl->nfields; i++) {
        const struct wr_field *f = &tmpl->fields[i];
        if (f->repeat || (f->pen == 0 && f->id == PADDING))
            continue;
        write_key(msg->json, f);
        if (f->same)
            wr_buf_char(msg->json, '[');
        for (uint32_t k = i;; k = tmpl->fields[k].same) {
            if (k != i)
                comma(msg->json);
            if (!write_field(msg, &tmpl->fields[k], rec + at[k], len[k], depth))
                return false;
            if (!tmpl->fields[k].same)
                break;
        }
        if (f->same)
            wr_buf_char(msg->json, ']');
    }
    return true;
}

/* What the message's header says beside: its number, the exporter's uptime, v5's engine and sampling, sFlow's agent. */
static void write_header(struct wr_msg *msg)
{
    struct wr_buf *out = msg->json;
    const uint8_t *p = msg->data;
    if (msg->version != WR_FLOW_V1)
        wr_buf_fmt(out, ",\"_sequence\":%" PRIu32, msg->seq);
    if (msg->version != WR_FLOW_IPFIX)
        wr_buf_fmt(out, ",\"_sysUptime\":%" PRIu32, msg->uptime_ms);
    if (msg->version == WR_FLOW_V5) {
        wr_buf_fmt(out, ",\"_count\":%u,\"_engineType\":%u,\"_engineId\":%u", msg->count, p[20], p[21]);
        wr_buf_fmt(out, ",\"_samplingMode\":%u,\"_samplingInterval\":%u", p[22] >> 6, wr_be16(p + 22) & 0x3fff);
    } else if (msg->version == WR_FLOW_SFLOW) {
        char agent[INET6_ADDRSTRLEN];
        inet_ntop(wr_be32(p + 4) == 2 ? AF_INET6 : AF_INET, p + 8, agent, sizeof agent);
        wr_buf_fmt(out, ",\"_agent\":\"%s\"", agent);
    }
}

void wr_json_open(struct wr_msg *msg, uint16_t tmpl, const char *kind)
{
    struct wr_buf *out = msg->json;
    wr_buf_str(out, "{\"_exporter\":\"");
    write_addr16(out, msg->exporter->addr);
    wr_buf_fmt(out, "\",\"_version\":%u,\"_domain\":%" PRIu32,
               msg->version == WR_FLOW_SFLOW ? 5u : (unsigned)msg->version, msg->domain);
    write_header(msg);
    if (tmpl)
        wr_buf_fmt(out, ",\"_template\":%u", (unsigned)tmpl);
    wr_buf_fmt(out, ",\"_kind\":\"%s\",\"_exportTime\":", kind);
    write_time(out, wr_ticks_of_unix_ns(msg->export_ns));
}

void wr_json_fields(struct wr_msg *msg, const struct wr_tmpl *tmpl, const uint8_t *rec)
{
    write_fields(msg, tmpl, rec, 0);
}

void wr_json_record(struct wr_msg *msg, const struct wr_tmpl *tmpl, const uint8_t *rec)
{
    wr_json_open(msg, tmpl->id, tmpl->options ? "options" : "flow");
    write_fields(msg, tmpl, rec, 0);
    wr_buf_str(msg->json, "}\n");
}
