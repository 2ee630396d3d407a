/* What the sequence numbers say about loss. v5 and v7 count flows, IPFIX data records, sFlow
 * datagrams; v9 should count datagrams, but exporters differ, so the unit of a v9 stream is
 * learned: over 64 messages, which of {one, header count, records} explains at least 90 % of the
 * steps. Until then nothing is reported. Sources: RFC 7011 3.1, RFC 3954 5.1. */
#include "parsers/flow/state.h"

enum { LEARN_OVER = 64, REORDER = 1024, JUMP = 1 << 20 };

static void learn(struct wr_seq *seq, const struct wr_msg *msg)
{
    uint32_t step = msg->seq - seq->prev;
    seq->hits[0] = (uint16_t)(seq->hits[0] + (step == 1));
    seq->hits[1] = (uint16_t)(seq->hits[1] + (step == seq->prev_count));
    seq->hits[2] = (uint16_t)(seq->hits[2] + (step == seq->prev_records));
    if (++seq->tried < LEARN_OVER)
        return;
    seq->unit = WR_SEQ_NONE;
    for (unsigned i = 0; i < 3; i++) {
        if (seq->hits[i] * 10 >= LEARN_OVER * 9) {
            seq->unit = (uint8_t)(WR_SEQ_MESSAGES + i);
            break;
        }
    }
}

/* A jump is believed only when two more messages continue from it: one forged number must not blind
 * us. */
static bool believe_jump(struct wr_seq *seq, const struct wr_msg *msg, uint32_t step)
{
    seq->cand_n = (uint8_t)(seq->cand_n && msg->seq == seq->cand ? seq->cand_n + 1 : 1);
    seq->cand = msg->seq + step;
    if (seq->cand_n < 3)
        return false;
    seq->cand_n = 0;
    return true;
}

static void compare(struct wr_msg *msg, struct wr_seq *seq, uint32_t step)
{
    int32_t gap = (int32_t)(msg->seq - seq->next);
    if (gap == 0 || seq->gap_unknown) {
        seq->cand_n = 0;
    } else if (gap < 0 && gap > -REORDER) {
        WR_COUNT(msg, seq_dup, 1);
        return; /* late or twice: what is expected next stays */
    } else if (gap > 0 && gap < JUMP) {
        WR_COUNT(msg, seq_lost, (uint32_t)gap);
        msg->stream->past.seq_lost += (uint32_t)gap;
        seq->cand_n = 0;
    } else if (believe_jump(seq, msg, step)) {
        WR_COUNT(msg, seq_reset, 1);
    } else {
        return;
    }
    seq->next = msg->seq + step;
}

static uint8_t unit_of(uint16_t version)
{
    switch (version) {
    case WR_FLOW_V1: /* has no sequence numbers */
        return WR_SEQ_NONE;
    case WR_FLOW_V5:
    case WR_FLOW_V7:
        return WR_SEQ_COUNT;
    case WR_FLOW_SFLOW:
        return WR_SEQ_MESSAGES;
    default:
        return WR_SEQ_RECORDS;
    }
}

void wr_seq_look(struct wr_msg *msg, struct wr_seq *seq)
{
    if (seq->unit == WR_SEQ_LEARNING && msg->version != WR_FLOW_V9)
        seq->unit = unit_of(msg->version);
    if (!seq->started) {
        seq->started = true;
        seq->next = msg->seq + wr_seq_step(seq, msg);
    } else if (seq->unit == WR_SEQ_LEARNING) {
        learn(seq, msg);
        seq->next = msg->seq + wr_seq_step(seq, msg);
    } else if (seq->unit != WR_SEQ_NONE) {
        compare(msg, seq, wr_seq_step(seq, msg));
    }
    seq->prev = msg->seq;
    seq->prev_count = msg->count;
    seq->prev_records = msg->records;
}
