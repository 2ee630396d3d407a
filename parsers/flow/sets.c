/* Second pass over a message that passed preflight: sets in their order, templates take effect
 * where they stand (RFC 7011 8.1). */
#include "parsers/flow/state.h"

static void withdraw_all(struct wr_msg *msg, bool options)
{
    struct wr_stream *s = msg->stream;
    for (uint32_t i = 0; i < wr_stream_nslots(s);) {
        if (wr_stream_at(s, i) && wr_stream_at(s, i)->options == options)
            wr_stream_remove(msg->dec, s, wr_stream_at(s, i)->id); /* may move another here: look again */
        else
            i++;
    }
}

static void commit(struct wr_msg *msg, struct wr_pend *pend)
{
    struct wr_tmpl *now = wr_stream_tmpl(msg->stream, pend->id);
    switch (pend->kind) {
    case WR_PEND_NEW: {
        struct wr_tmpl *tmpl = pend->tmpl;
        bool known = now;
        wr_learned_apply(msg->stream, tmpl);
        uint32_t unknown = tmpl->plan->nunknown, illegal = tmpl->plan->nillegal;
        pend->tmpl = NULL;
        if (!wr_stream_put(msg->dec, msg->stream, tmpl, msg->now_ns)) {
            WR_REFUSED(msg, WR_FLOW_REJECT_exporter_cap);
            return;
        }
        WR_COUNT(msg, templates, 1);
        WR_COUNT(msg, templates_changed, known);
        WR_COUNT(msg, unknown_ie, unknown);
        WR_COUNT(msg, field_len_illegal, illegal);
        wr_held_release(msg, pend->id);
        return;
    }
    case WR_PEND_SAME:
        if (now)
            wr_tmpl_refresh(msg->stream, pend->id, msg->now_ns);
        return;
    case WR_PEND_REFUSED: /* the old one goes too: the data that follow are not its */
        WR_REFUSED(msg, pend->why);
        wr_stream_remove(msg->dec, msg->stream, pend->id);
        return;
    case WR_PEND_WITHDRAWN:
        wr_stream_remove(msg->dec, msg->stream, pend->id);
        return;
    case WR_PEND_WITHDRAW_ALL:
        withdraw_all(msg, pend->options);
        return;
    }
}

static void data_set(struct wr_msg *msg, uint16_t id, const uint8_t *body, uint32_t len)
{
    const struct wr_tmpl *tmpl = wr_stream_tmpl(msg->stream, id);
    if (!tmpl)
        tmpl = wr_tmpl_for(msg->dec, msg->stream, &msg->stream->key, id, len);
    if (tmpl) {
        wr_set_decode(msg, tmpl, body, len);
    } else {
        msg->unknown_sets = true;
        if (!msg->stream->untold_ns)
            msg->stream->untold_ns = msg->now_ns;
        wr_held_add(msg, id, body, len);
    }
}

/* Most messages are one data set of the stream that sent the last one, under a template that has
 * stood for long, with records of one length: nothing in it can be refused, and nothing has to be
 * looked for. False: nothing was done.
 */
bool wr_message_settled(struct wr_msg *msg, size_t at)
{
    const uint8_t *p = msg->data + at;
    if (msg->len - at < 4 || wr_be16(p + 2) != msg->len - at || msg->json)
        return false;
    struct wr_stream *stream = wr_stream_of(msg);
    const struct wr_tmpl *tmpl = stream ? wr_stream_tmpl(stream, wr_be16(p)) : NULL;
    if (!tmpl || !tmpl->settled || stream->expires_ns <= msg->now_ns || stream->held)
        return false;
    stream->used_ns = msg->now_ns;
    msg->stream = msg->dec->last = stream;
    msg->exporter = stream->exporter;
    wr_rows_decode(msg, tmpl, p + 4, msg->len - at - 4);
    return true;
}

void wr_sets_apply(struct wr_msg *msg, size_t at)
{
    struct wr_flow_decoder *dec = msg->dec;
    uint32_t next = 0;
    dec->guesses = 0;
    if (msg->exporter->held)
        wr_held_expire(dec, msg->exporter, msg->now_ns);
    while (msg->len - at >= 4) {
        const uint8_t *p = msg->data + at;
        uint16_t id = wr_be16(p);
        uint32_t len = wr_be16(p + 2);
        for (; next < dec->npends && dec->pends[next].set_at == at; next++)
            commit(msg, &dec->pends[next]);
        if (id >= 256)
            data_set(msg, id, p + 4, len - 4);
        at += len; /* ids that mean nothing are stepped over by their length (RFC 7011 3.3.2) */
    }
    if (dec->npends)
        wr_stream_share(dec, msg->stream);
}
