/* The whole message is looked at before any of it counts (RFC 7011 9.1): set chain, template
 * records, and the variable-length records of every data set against the template as it will stand
 * at that point. A fault of the message refuses it whole; a broken template refuses only itself.
 * Templates wait in dec->pends. */
#include "parsers/flow/state.h"

#include <stdlib.h>
#include <string.h>

struct scan {
    struct wr_msg *msg;
    bool gone[2];   /* all data, all options templates withdrawn so far */
    bool templates; /* a set of templates was met */
};

void wr_pends_drop(struct wr_flow_decoder *dec)
{
    for (uint32_t i = 0; i < dec->npends; i++) {
        dec->pend_of[dec->pends[i].id] = 0;
        wr_tmpl_unref(dec, dec->pends[i].tmpl);
    }
    dec->npends = 0;
}

static struct wr_pend *pend_add(struct wr_flow_decoder *dec, struct wr_pend pend)
{
    if (dec->npends == dec->cap_pends) {
        uint32_t cap = dec->cap_pends ? dec->cap_pends * 2 : 64;
        struct wr_pend *grown = realloc(dec->pends, cap * sizeof *grown);
        if (!grown)
            return NULL;
        dec->pends = grown;
        dec->cap_pends = cap;
    }
    dec->pends[dec->npends++] = pend;
    dec->pend_of[pend.id] = dec->npends;
    return &dec->pends[dec->npends - 1];
}

/* The template of the exporter's own as it stands here in the message. */
static const struct wr_tmpl *own_here(const struct scan *scan, uint16_t id, bool *ret_decided)
{
    const struct wr_flow_decoder *dec = scan->msg->dec;
    const struct wr_tmpl *stored = scan->msg->stream ? wr_stream_tmpl(scan->msg->stream, id) : NULL;
    if (stored && scan->gone[stored->options])
        stored = NULL;
    *ret_decided = dec->pend_of[id];
    if (!dec->pend_of[id])
        return stored;
    const struct wr_pend *pend = &dec->pends[dec->pend_of[id] - 1];
    return pend->kind == WR_PEND_NEW ? pend->tmpl : pend->kind == WR_PEND_SAME ? stored : NULL;
}

static void withdraw(struct scan *scan, uint16_t id, bool options, uint32_t set_at)
{
    struct wr_flow_decoder *dec = scan->msg->dec;
    struct wr_pend pend = {.kind = WR_PEND_WITHDRAWN, .id = id, .set_at = set_at, .options = options};
    if (!scan->msg->peer->session)
        return; /* over UDP they are ignored (RFC 7011 8.4) */
    if (id < 256) {
        pend.kind = WR_PEND_WITHDRAW_ALL;
        for (uint32_t i = 0; i < dec->npends; i++)
            if (dec->pends[i].options == options)
                dec->pend_of[dec->pends[i].id] = 0;
        scan->gone[options] = true;
    }
    pend_add(dec, pend);
}

static void define(struct scan *scan, struct wr_pend pend, const uint8_t *spec, uint32_t spec_len)
{
    struct wr_flow_decoder *dec = scan->msg->dec;
    bool decided;
    const struct wr_tmpl *now = own_here(scan, pend.id, &decided);
    if (now && now->options == pend.options && now->spec_len == spec_len &&
        memcmp(now->spec, spec, spec_len) == 0) {
        if (!decided) {
            pend.kind = WR_PEND_SAME;
            pend_add(dec, pend);
        }
        return;
    }
    pend.kind = WR_PEND_NEW;
    dec->new_bytes += spec_len;
    if (dec->new_bytes <= WR_FLOW_MAX_NEW_BYTES && dec->bytes < dec->memory_bytes)
        pend.tmpl = wr_tmpl_get(dec, scan->msg->version, pend.id, pend.options, spec, spec_len);
    if (!pend.tmpl) {
        pend.kind = WR_PEND_REFUSED;
        pend.why = WR_FLOW_REJECT_exporter_cap;
    }
    if (!pend_add(dec, pend))
        wr_tmpl_unref(dec, pend.tmpl);
}

static bool all_zero(const uint8_t *p, size_t len)
{
    return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

/* Template records of one set; what cannot be a record at its end is padding. */
static void scan_templates(struct scan *scan, bool options, uint32_t set_at, const uint8_t *p, size_t len)
{
    struct wr_flow_decoder *dec = scan->msg->dec;
    uint16_t version = scan->msg->version;
    for (size_t at = 0; len - at >= 4;) {
        uint16_t id = (uint16_t)wr_be(p + at, 2);
        if (id == 0 && all_zero(p + at, len - at))
            return;
        if (version == WR_FLOW_IPFIX && wr_be(p + at + 2, 2) == 0 && (id >= 256 || id == 2 + options)) {
            withdraw(scan, id, options, set_at);
            at += 4;
            continue;
        }
        struct wr_pend pend = {.kind = WR_PEND_REFUSED, .id = id, .set_at = set_at, .options = options};
        uint32_t n = wr_spec_check(version, options, p + at + 2, len - at - 2, &pend.why);
        if (id < 256)
            pend.why = WR_FLOW_REJECT_template_id;
        if (pend.why == WR_FLOW_NREJECTS)
            define(scan, pend, p + at + 2, n);
        else
            pend_add(dec, pend);
        if (!n)
            return; /* where the next record begins is not known */
        at += 2 + n;
    }
}

/* Most data sets: a template that has stood for long, records of one length. */
static inline bool all_is_settled(const struct scan *scan, uint16_t id)
{
    const struct wr_stream *stream = scan->msg->stream;
    const struct wr_tmpl *tmpl = stream && !scan->templates ? wr_stream_tmpl(stream, id) : NULL;
    return tmpl && tmpl->plan->stride;
}

static bool scan_data(struct scan *scan, uint16_t id, const uint8_t *body, size_t len)
{
    bool decided;
    const struct wr_tmpl *tmpl = own_here(scan, id, &decided);
    if (!tmpl && !decided) {
        struct wr_stream_key key = wr_stream_key_of(scan->msg);
        tmpl = wr_tmpl_for(scan->msg->dec, scan->msg->stream, &key, id, (uint32_t)len);
    }
    return !tmpl || wr_set_walk(scan->msg->dec, tmpl, body, len);
}

bool wr_preflight(struct wr_msg *msg, size_t at, enum wr_flow_reject *ret_why)
{
    struct scan scan = {.msg = msg};
    const uint16_t first_set = msg->version == WR_FLOW_IPFIX ? 2 : 0;
    const uint8_t *data = msg->data;
    size_t end = msg->len;
    msg->stream = wr_stream_of(msg);
    if (msg->stream && msg->stream->expires_ns <= msg->now_ns)
        wr_tmpl_expire(msg->dec, msg->stream, msg->now_ns);
    msg->dec->new_bytes = msg->dec->guesses = 0;
    while (end - at >= 4) {
        const uint8_t *p = data + at;
        size_t left = end - at, len = wr_be16(p + 2);
        uint16_t id = wr_be16(p);
        if (msg->version == WR_FLOW_V9 && id == 0 && len == 0 && all_zero(p, left)) {
            msg->len = at; /* zero fill to the end of the datagram */
            return true;
        }
        if (len < 4 || len > left) {
            *ret_why = WR_FLOW_REJECT_set_length;
            return false;
        }
        if (id >= 256) {
            if (!all_is_settled(&scan, id) && !scan_data(&scan, id, p + 4, len - 4)) {
                *ret_why = WR_FLOW_REJECT_varlen;
                return false;
            }
        } else if (id == first_set || id == first_set + 1) {
            scan.templates = true;
            scan_templates(&scan, id == first_set + 1, (uint32_t)at, p + 4, len - 4);
        }
        at += len;
    }
    *ret_why = WR_FLOW_REJECT_set_length;
    return at == end || msg->version == WR_FLOW_V9;
}
