/* What nearly every message is where rules want a few ports: NetFlow v5, or v9 or IPFIX with one data set under a template
 * that has stood for long, of an exporter that is known, with the sequence number that was expected, and no record in it
 * that any rule can want. All that such a message does is to be counted, in two lines of the cache of its stream
 * (wr_stream_settle adds it to what else is counted), and so it is taken here before anything else is looked at. If some
 * of its records may be wanted and need no more than plain.c, those are decoded here, too. Of any other message nothing is
 * done, and wr_flow_decode goes the long way with the same result. */
#include "parsers/flow/state.h"

/* The only set of a message, and what of its header counts. */
struct only {
    struct wr_stream *stream;
    const struct wr_tmpl *tmpl;
    const uint8_t *body;
    uint32_t len, seq, secs, nsecs, domain;
    uint16_t version, count, rate;
};

/* The expected number; a jump, and what the unit is, are for sequence.c to judge. */
static inline bool in_sequence(const struct wr_seq *seq, uint32_t number)
{
    return seq->started && seq->unit != WR_SEQ_LEARNING && number == seq->next;
}

static bool read_v5(struct wr_flow_decoder *dec, const struct wr_flow_peer *peer, const uint8_t *p, size_t len,
                    struct only *m)
{
    enum { HEADER = 24, RECORD = 48, WHICH = 1 };
    m->count = wr_be16(p + 2);
    if (len < HEADER + (size_t)m->count * RECORD) /* octets after the last record are ignored */
        return false;
    m->secs = wr_be32(p + 8);
    m->nsecs = wr_be32(p + 12);
    m->seq = wr_be32(p + 16);
    m->domain = wr_be16(p + 20);
    m->rate = wr_be16(p + 22) & 0x3fff;
    m->body = p + HEADER;
    m->len = m->count * RECORD;
    m->tmpl = dec->fixed[WHICH];
    m->stream = wr_stream_for(dec, peer, m->domain, m->version);
    return m->stream;
}

static inline bool read_only(struct wr_flow_decoder *dec, const struct wr_flow_peer *peer, const uint8_t *p, size_t len,
                             struct only *m)
{
    enum { IPFIX_HEADER = 16, V9_HEADER = 20 };
    if (len < V9_HEADER + 4)
        return false;
    m->version = wr_be16(p);
    if (m->version == WR_FLOW_V5)
        return read_v5(dec, peer, p, len, m);
    const uint16_t count_or_len = wr_be16(p + 2);
    const size_t header = m->version == WR_FLOW_IPFIX ? IPFIX_HEADER : V9_HEADER;
    const uint8_t *const set = p + header;
    if (wr_be16(set + 2) != len - header ||
        (m->version == WR_FLOW_IPFIX ? count_or_len != len : m->version != WR_FLOW_V9))
        return false;
    m->count = count_or_len;
    m->secs = wr_be32(set - 12);
    m->nsecs = m->rate = 0;
    m->seq = wr_be32(set - 8);
    m->domain = wr_be32(set - 4);
    m->body = set + 4;
    m->len = (uint32_t)(len - header - 4);
    m->stream = wr_stream_for(dec, peer, m->domain, m->version);
    m->tmpl = m->stream ? wr_stream_tmpl(m->stream, wr_be16(set)) : NULL;
    return m->tmpl;
}

/* Records with variable-length fields: how many, if they all lie inside the set and no rule can want any; else 0. */
static __attribute__((noinline)) uint32_t walk_over(const struct wr_flow_decoder *dec, const struct only *m)
{
    enum { MAX_VARS = 31 };
    const struct wr_plan *plan = m->tmpl->plan;
    const struct wr_port_filter *filter = dec->port_filter;
    const struct wr_look look = m->tmpl->look;
    const uint8_t *const body = m->body, *const a = body + look.off[0], *const b = body + look.off[1];
    const uint32_t min_len = m->tmpl->min_len;
    uint32_t ends[MAX_VARS + 1], n = 0;
    if (plan->nvars > MAX_VARS)
        return 0;
    for (size_t at = 0; m->len - at >= min_len; n++) {
        at = wr_record_ends(plan, body, m->len, at, ends);
        if (!at || wr_first_look(filter, a + ends[look.anchor[0]]) | wr_first_look(filter, b + ends[look.anchor[1]]))
            return 0;
    }
    return n;
}

/* Rows from record `from` on; false: nothing was done, they need more than plain.c. */
static __attribute__((noinline)) bool keep(struct wr_msg *msg, const struct only *m, const uint8_t *from)
{
    struct wr_flow_decoder *dec = msg->dec;
    struct wr_stream *s = m->stream;
    msg->stream = s;
    msg->version = m->version;
    if (m->rate > 1 || dec->who_wanted & (m->tmpl->who_kinds | wr_who_bit(WR_WHO_FIELDS)) ||
        !wr_plain_applies(msg, m->tmpl->plan)) {
        msg->stream = NULL;
        return false;
    }
    msg->exporter = s->exporter;
    msg->count = m->count;
    msg->domain = m->domain;
    msg->seq = m->seq;
    msg->uptime_ms = m->version == WR_FLOW_IPFIX ? 0 : wr_be32(msg->data + 4);
    msg->export_ns = m->secs * WR_SECOND_NS + m->nsecs;
    const uint32_t before = msg->rows->n, no_memory = wr_rows_pick(msg, m->tmpl, m->body, m->len, from);
    const uint32_t kept = msg->rows->n - before;
    dec->stats.rows += kept;
    dec->stats.filtered_early -= kept + no_memory;
    dec->stats.no_memory += no_memory;
    s->quick.rows += kept;
    if (no_memory) { /* wr_stream_settle takes for filtered what is no row */
        s->exporter->stats.no_memory += no_memory;
        s->exporter->stats.filtered_early -= no_memory;
    }
    if (kept)
        s->rate = msg->rows->at[msg->rows->n - 1].sampling;
    return true;
}

bool wr_message_quick(struct wr_msg *msg)
{
    struct wr_flow_decoder *dec = msg->dec;
    const int64_t now_ns = msg->now_ns;
    struct only m;
    if (!read_only(dec, msg->peer, msg->data, msg->len, &m) || !m.tmpl->quick)
        return false;
    struct wr_stream *s = m.stream;
    if (s->expires_ns <= now_ns || s->held)
        return false;
    dec->last = s;
    const struct wr_look *look = &m.tmpl->look;
    const uint8_t *end = m.body, *from = m.body;
    uint32_t n;
    if (look->stride) {
        n = wr_records_in(look, m.len);
        end += (size_t)n * look->stride;
        from = msg->from = dec->pass_over(dec->port_filter, look, m.body, n);
    } else {
        n = walk_over(dec, &m);
    }
    if (!n || !in_sequence(&s->seq, m.seq) || m.secs < WR_FLOW_YEAR_2000 || m.nsecs >= WR_SECOND_NS ||
        now_ns >= WR_FLOW_LATE_S * WR_SECOND_NS || now_ns - s->window_ns >= WR_RATE_WINDOW_NS)
        return false;
    if (from != end && !keep(msg, &m, from))
        return false;
    s->used_ns = now_ns;
    s->seq.next += s->seq.unit == WR_SEQ_RECORDS ? n : s->seq.unit == WR_SEQ_COUNT ? m.count : 1;
    s->seq.cand_n = 0;
    s->seq.gap_unknown = false;
    s->offset_ns = now_ns - (m.secs * WR_SECOND_NS + m.nsecs);
    s->quick.records += n;
    s->rate = m.rate ? m.rate : s->rate;
    if (__builtin_expect(++s->quick.messages >= UINT16_MAX, 0)) /* a message has fewer records than 2^15 */
        wr_stream_settle(s);
    dec->stats.messages++;
    dec->stats.ok++;
    dec->stats.records += n;
    dec->stats.filtered_early += n;
    return true;
}
