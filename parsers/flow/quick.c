/* What nearly every message is where rules want a few ports: IPFIX or NetFlow v9, one data set of an exporter that is
 * known, under a template that has stood for long, with the sequence number that was expected, and no record in it that
 * any rule can want. All that such a message does is to be counted, so it is taken here before anything else is looked
 * at; of any other nothing is done, and wr_flow_decode goes the long way with the same result. */
#include "parsers/flow/state.h"

/* Two ports of two octets at fixed offsets: nearly every template there is. The last four of a set may hold some that
 * were passed over; fewer than four are not looked at. */
__attribute__((noinline)) const uint8_t *wr_rows_pass_over(const uint8_t *filter, const struct wr_plan *plan,
                                                           const uint8_t *at, uint32_t n)
{
    const size_t stride = plan->stride;
    if (n < 4)
        return at;
    const ptrdiff_t a = plan->ports[0].off, b = plan->ports[1].off;
    const uint8_t *const stop = at + n * stride, *const last = stop - 4 * stride + a;
    const size_t three = 3 * stride;
    for (const uint8_t *x = at + a, *y = at + b;;) {
        uint8_t any = wr_first_look(filter, x);
        any |= wr_first_look(filter, y);
        any |= wr_first_look(filter, x + stride);
        any |= wr_first_look(filter, y + stride);
        any |= wr_first_look(filter, x + 2 * stride);
        any |= wr_first_look(filter, y + 2 * stride);
        any |= wr_first_look(filter, x + three);
        any |= wr_first_look(filter, y + three);
        if (any)
            return x - a;
        x += 4 * stride;
        y += 4 * stride;
        if (x > last) {
            if (x - a >= stop)
                return stop;
            y -= x - last;
            x = last;
        }
    }
}

/* The expected number; a jump, and what the unit is, are for sequence.c to judge. */
static inline bool in_sequence(const struct wr_seq *seq, uint32_t number)
{
    return seq->started && seq->unit != WR_SEQ_LEARNING && number == seq->next;
}

static inline void count(struct wr_flow_stats *stats, uint32_t records)
{
    stats->messages++;
    stats->ok++;
    stats->records += records;
    stats->filtered_early += records;
}

bool wr_message_quick(struct wr_flow_decoder *dec, const struct wr_flow_peer *peer, const uint8_t *p, size_t len,
                      int64_t now_ns, const uint8_t **ret_from)
{
    enum { IPFIX_HEADER = 16, V9_HEADER = 20 };
    *ret_from = NULL;
    if (len < V9_HEADER + 4)
        return false;
    const uint16_t version = wr_be16(p), count_or_len = wr_be16(p + 2);
    const size_t header = version == WR_FLOW_IPFIX ? IPFIX_HEADER : V9_HEADER;
    const uint8_t *const set = p + header;
    if (wr_be16(set + 2) != len - header || (version == WR_FLOW_IPFIX ? count_or_len != len : version != WR_FLOW_V9))
        return false;
    struct wr_stream *s = wr_stream_for(dec, peer, wr_be32(set - 4), version);
    const struct wr_tmpl *tmpl = s ? wr_stream_tmpl(s, wr_be16(set)) : NULL;
    if (!tmpl || !tmpl->settled || !tmpl->plan->by_ports || s->expires_ns <= now_ns || s->exporter->held)
        return false;
    dec->last = s;
    const uint32_t secs = wr_be32(set - 12), n = wr_records_in(tmpl->plan, len - header - 4);
    const uint8_t *const body = set + 4;
    *ret_from = wr_rows_pass_over(dec->port_filter, tmpl->plan, body, n);
    if (!n || *ret_from != body + (size_t)n * tmpl->plan->stride || !in_sequence(&s->seq, wr_be32(set - 8)) ||
        secs < WR_FLOW_YEAR_2000 || now_ns >= WR_FLOW_LATE_S * WR_SECOND_NS ||
        now_ns - s->life.window_ns >= WR_RATE_WINDOW_NS)
        return false;
    s->used_ns = s->exporter->used_ns = now_ns;
    s->seq.next += s->seq.unit == WR_SEQ_RECORDS ? n : s->seq.unit == WR_SEQ_COUNT ? count_or_len : 1;
    s->seq.cand_n = 0;
    s->seq.gap_unknown = false;
    s->life.messages++;
    s->life.records += n;
    s->life.offset_ns = now_ns - secs * WR_SECOND_NS;
    count(&dec->stats, n);
    count(&s->exporter->stats, n);
    return true;
}
