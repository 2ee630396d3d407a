/* At a million connections whatever a record or an event touches is in no cache. What a group of
 * them will touch is asked for in steps: each reads what the one before asked for. Those of events
 * run while the group before is worked on. Nothing here changes anything, and what has moved
 * meanwhile only comes late. */
#include "parsers/conn/foresee.h"

void wr_foresee_told(const struct wr_conn *c, const struct wr_told *told, uint32_t n)
{
    for (uint32_t k = 0; k < n; k++) {
        if (told[k].opens)
            wr_index_foresee(&c->by_key, told[k].open.hash);
        if (told[k].local)
            wr_index_foresee(&c->by_addr, told[k].agent_hash);
    }
}

static uint32_t first_of(const struct wr_conn *c, uint32_t hash)
{
    uint32_t pos = hash;
    return wr_index_next(&c->by_key, hash, &pos);
}

static void told_entries(const struct wr_conn *c, const struct wr_told *told, struct wr_foreseen *f)
{
    for (uint32_t k = 0; k < f->n; k++) {
        f->entry[k] = told[k].opens ? first_of(c, told[k].open.hash) : WR_NONE;
        f->agent[k] = told[k].local ? wr_agent_first(c, told[k].agent_hash) : WR_NONE;
        if (f->entry[k] != WR_NONE)
            wr_foresee_entry(c, f->entry[k]);
        if (f->agent[k] != WR_NONE)
            __builtin_prefetch(wr_pool_at(&c->agents, f->agent[k]));
    }
}

static void foresee_row(const struct wr_conn *c, uint32_t i)
{
    if (i != WR_NONE && wr_entry_at(c, i)->rows != WR_NONE)
        wr_foresee_crow(c, wr_entry_at(c, i)->rows);
}

void wr_foresee_told_step(const struct wr_conn *c, const struct wr_told *told,
                          struct wr_foreseen *f)
{
    switch (f->step++) {
    case 0:
        told_entries(c, told, f);
        return;
    case 1:
        for (uint32_t k = 0; k < f->n; k++) {
            foresee_row(c, f->entry[k]);
            if (f->agent[k] != WR_NONE)
                wr_agent_foresee(c, f->agent[k]);
        }
        return;
    case 2:
        for (uint32_t k = 0; k < f->n; k++)
            if (f->agent[k] != WR_NONE)
                wr_agent_foresee_name(c, f->agent[k]);
        return;
    default:
        return;
    }
}

void wr_foresee_records(const struct wr_conn *c, const struct wr_record *rec, uint32_t n)
{
    uint32_t entry[WR_FORESEEN];
    for (uint32_t k = 0; k < n; k++)
        wr_index_foresee(&c->by_key, rec[k].hash);
    for (uint32_t k = 0; k < n; k++) {
        entry[k] = first_of(c, rec[k].hash);
        if (entry[k] != WR_NONE)
            wr_foresee_entry(c, entry[k]);
    }
    for (uint32_t k = 0; k < n; k++)
        foresee_row(c, entry[k]);
    for (uint32_t k = 0; k < n; k++)
        if (entry[k] != WR_NONE && wr_entry_at(c, entry[k])->rows != WR_NONE)
            wr_index_foresee(&c->by_device, wr_crow_at(c, wr_entry_at(c, entry[k])->rows)->device);
}
