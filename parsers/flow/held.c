/* Data sets that came before their template (RFC 7011 9.3): kept as they are, oldest out first, and decoded
 * with the header of the message that brought them. */
#include "parsers/flow/state.h"

#include <stdlib.h>
#include <string.h>

static void unlink_held(struct wr_flow_decoder *dec, struct wr_exporter *x, struct wr_held **at)
{
    struct wr_held *h = *at;
    *at = h->next;
    if (x->held_end == &h->next)
        x->held_end = at;
    size_t size = sizeof *h + h->len;
    x->held_bytes -= size;
    x->nheld--;
    dec->held_bytes -= size;
    dec->other_held_bytes -= x->listed ? 0 : size;
    dec->bytes -= size;
    free(h);
    if (!x->held)
        wr_exporter_mark(x);
}

static void drop_oldest(struct wr_flow_decoder *dec, struct wr_exporter *x)
{
    unlink_held(dec, x, &x->held);
    dec->stats.sets_dropped++;
    x->stats.sets_dropped++;
}

void wr_held_expire(struct wr_flow_decoder *dec, struct wr_exporter *x, int64_t now_ns)
{
    while (x->held && now_ns - x->held->arrived_ns > WR_FLOW_HELD_NS)
        drop_oldest(dec, x);
}

/* Exporters that have fallen silent keep their share until someone needs it; looked for once a second. */
static void expire_all(struct wr_flow_decoder *dec, int64_t now_ns)
{
    if (now_ns - dec->swept_ns < WR_SECOND_NS)
        return;
    dec->swept_ns = now_ns;
    for (uint32_t i = 0; i < dec->nbuckets; i++)
        for (struct wr_exporter *x = dec->exporters[i]; x; x = x->next_hash)
            wr_held_expire(dec, x, now_ns);
}

void wr_held_forget(struct wr_flow_decoder *dec, struct wr_exporter *x, const struct wr_stream *stream)
{
    for (struct wr_held **at = &x->held; *at;) {
        if ((*at)->stream == stream) {
            unlink_held(dec, x, at);
            dec->stats.sets_dropped++;
            x->stats.sets_dropped++;
        } else {
            at = &(*at)->next;
        }
    }
}

/* The exporter's own oldest go; others' only when they are over their time. */
static bool make_room(struct wr_flow_decoder *dec, struct wr_exporter *x, size_t size, int64_t now_ns)
{
    while (x->held && (x->held_bytes + size > WR_FLOW_HELD_EXPORTER || x->nheld >= WR_FLOW_HELD_COUNT))
        drop_oldest(dec, x);
    if (dec->held_bytes + size > WR_FLOW_HELD_ALL)
        expire_all(dec, now_ns);
    if (!x->listed && dec->other_held_bytes + size > WR_FLOW_HELD_ALL / WR_FLOW_OTHERS_SHARE)
        return false;
    return dec->held_bytes + size <= WR_FLOW_HELD_ALL && dec->bytes + size <= dec->memory_bytes;
}

void wr_held_add(struct wr_msg *msg, uint16_t set_id, const uint8_t *body, uint32_t len)
{
    struct wr_flow_decoder *dec = msg->dec;
    struct wr_exporter *x = msg->exporter;
    size_t size = sizeof(struct wr_held) + len;
    WR_COUNT(msg, sets_held, 1);
    struct wr_held *h = NULL;
    if (msg->holds++ < WR_FLOW_MAX_HOLDS && make_room(dec, x, size, msg->now_ns))
        h = malloc(size);
    if (!h) {
        WR_COUNT(msg, sets_dropped, 1);
        return;
    }
    *h = (struct wr_held){.stream = msg->stream,
                          .arrived_ns = msg->now_ns,
                          .export_ns = msg->export_ns,
                          .seq = msg->seq,
                          .uptime_ms = msg->uptime_ms,
                          .len = len,
                          .set_id = set_id};
    memcpy(h->data, body, len);
    const bool first = !x->held;
    *x->held_end = h;
    x->held_end = &h->next;
    if (first)
        wr_exporter_mark(x);
    x->held_bytes += size;
    x->nheld++;
    dec->held_bytes += size;
    dec->other_held_bytes += x->listed ? 0 : size;
    dec->bytes += size;
}

void wr_held_release(struct wr_msg *msg, uint16_t id)
{
    struct wr_exporter *x = msg->exporter;
    for (struct wr_held **at = &x->held; *at;) {
        struct wr_held *h = *at;
        const struct wr_tmpl *tmpl = wr_stream_tmpl(msg->stream, id);
        if (!tmpl || h->stream != msg->stream || h->set_id != id) {
            at = &h->next;
            continue;
        }
        if (wr_set_fits(tmpl, h->data, h->len)) {
            struct wr_msg then = *msg; /* its own times; its records are not this message's */
            then.export_ns = h->export_ns;
            then.uptime_ms = h->uptime_ms;
            then.seq = h->seq;
            wr_set_decode(&then, tmpl, h->data, h->len);
            WR_COUNT(msg, sets_released, 1);
        } else {
            WR_REFUSED(msg, WR_FLOW_REJECT_varlen);
            WR_COUNT(msg, sets_dropped, 1);
        }
        unlink_held(msg->dec, x, at);
    }
}
