/* Refused messages of addresses that are no exporters, so that every message is counted under some address: a
 * table of fixed size, searched in order (only garbage pays for it). What finds no place, and what exporters
 * counted that had to make room, stands in `others`. */
#include "parsers/flow/state.h"

#include <string.h>

static struct wr_stranger *find(struct wr_flow_decoder *dec, const uint8_t *addr)
{
    for (uint32_t i = 0; i < dec->nstrangers; i++)
        if (memcmp(dec->strangers[i].addr, addr, 16) == 0)
            return &dec->strangers[i];
    return NULL;
}

static void add(struct wr_flow_stats *stats, enum wr_flow_reject why, uint64_t n)
{
    stats->messages += n;
    stats->rejected_messages += n;
    stats->rejected_whole[why] += n;
    stats->rejected[why] += n;
}

void wr_stranger_refused(struct wr_flow_decoder *dec, const uint8_t *addr, enum wr_flow_reject why)
{
    struct wr_stranger *s = find(dec, addr);
    if (!s && dec->nstrangers < WR_FLOW_STRANGERS) {
        s = &dec->strangers[dec->nstrangers++];
        *s = (struct wr_stranger){0};
        memcpy(s->addr, addr, 16);
    }
    if (s)
        s->refused[why]++;
    else
        add(&dec->others, why, 1);
}

void wr_stranger_known(struct wr_flow_decoder *dec, struct wr_exporter *x)
{
    struct wr_stranger *s = find(dec, x->addr);
    if (!s)
        return;
    for (unsigned why = 0; why < WR_FLOW_NREJECTS; why++)
        add(&x->stats, (enum wr_flow_reject)why, s->refused[why]);
    *s = dec->strangers[--dec->nstrangers];
}

void wr_stranger_gone(struct wr_flow_decoder *dec, const struct wr_exporter *x)
{
    uint64_t sum[sizeof x->stats / sizeof(uint64_t)], part[sizeof x->stats / sizeof(uint64_t)];
    memcpy(sum, &dec->others, sizeof sum);
    memcpy(part, &x->stats, sizeof part);
    for (size_t i = 0; i < sizeof sum / sizeof *sum; i++)
        sum[i] += part[i];
    memcpy(&dec->others, sum, sizeof sum);
}
