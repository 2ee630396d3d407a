/* Records of one data set, found and handed on. */
#include "parsers/flow/state.h"

uint32_t wr_record_walk(const struct wr_plan *plan, const uint8_t *p, size_t left)
{
    size_t at = 0;
    for (uint32_t i = 0; i < plan->nvars; i++) {
        at += plan->gaps[i];
        if (at >= left) /* also when the field before ran past */
            return 0;
        size_t n = p[at++];
        if (n == 255) {
            if (left - at < 2)
                return 0;
            n = (size_t)wr_be(p + at, 2);
            at += 2;
        }
        at += n;
    }
    at += plan->gaps[plan->nvars];
    return at <= left ? (uint32_t)at : 0;
}

bool wr_set_fits(const struct wr_tmpl *tmpl, const uint8_t *body, size_t len)
{
    if (!tmpl->plan->nvars)
        return true;
    for (size_t at = 0; len - at >= tmpl->min_len;) {
        uint32_t n = wr_record_walk(tmpl->plan, body + at, len - at);
        if (!n)
            return false;
        at += n;
    }
    return true;
}

__attribute__((noinline)) bool wr_set_walk(struct wr_flow_decoder *dec, const struct wr_tmpl *tmpl,
                                           const uint8_t *body, size_t len)
{
    const struct wr_plan *plan = tmpl->plan;
    const uint32_t width = plan->nvars + 1, room = WR_FLOW_ANCHORS - dec->walked;
    if (!plan->nvars)
        return true;
    if (dec->nwalks == WR_FLOW_WALKS || len < tmpl->min_len)
        return wr_set_fits(tmpl, body, len);
    uint32_t *const first = dec->walk + dec->walked, *at = first;
    const uint32_t *const full = first + room / width * width;
    const size_t last = len - tmpl->min_len; /* where a record may still begin */
    for (size_t pos = 0; pos <= last; at += width) {
        if (at == full)
            return wr_set_fits(tmpl, body + pos, len - pos);
        pos = wr_record_ends(plan, body, len, pos, at);
        if (!pos)
            return false;
    }
    uint32_t n = (uint32_t)(at - first) / width;
    dec->walks[dec->nwalks++] = (struct wr_walk){.body = body, .plan = plan, .n = n, .first = dec->walked};
    dec->walked += n * width;
    return true;
}

/* Options, and everything when the output is JSON. */
static void decode_each(struct wr_msg *msg, const struct wr_tmpl *tmpl, const uint8_t *body, size_t len)
{
    const struct wr_plan *plan = tmpl->plan;
    uint32_t records = 0;
    for (size_t at = 0; len - at >= tmpl->min_len; records++) {
        uint32_t n = plan->nvars ? wr_record_walk(plan, body + at, len - at) : plan->stride;
        if (!n)
            break;
        if (tmpl->options)
            wr_options_record(msg, tmpl, body + at);
        if (tmpl->nteach)
            wr_names_learn(msg, tmpl, body + at);
        if (tmpl->explains)
            wr_learned_note(msg, tmpl, body + at);
        if (msg->json)
            wr_json_record(msg, tmpl, body + at);
        at += n;
    }
    msg->records += records;
    if (tmpl->options) {
        WR_COUNT(msg, options_records, records);
    } else {
        WR_COUNT(msg, records, records);
        WR_COUNT(msg, not_flows, records);
    }
    if (!records)
        WR_COUNT(msg, set_no_record, 1);
}

void wr_set_decode(struct wr_msg *msg, const struct wr_tmpl *tmpl, const uint8_t *body, size_t len)
{
    if (tmpl->may_mail && msg->dec->mail && msg->rows)
        wr_mail_records(msg, tmpl, body, len);
    if (tmpl->options || tmpl->nteach || msg->json)
        decode_each(msg, tmpl, body, len);
    else
        wr_rows_decode(msg, tmpl, body, len);
}
