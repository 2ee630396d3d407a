/* Addresses of observation points. A point is a hash (flow.h) of 4 bytes, which every connection
 * has; its exporter's 16 are kept once. */
#include "parsers/conn/table.h"

#include <stdlib.h>
#include <string.h>

static uint32_t hash_of(uint32_t point)
{
    return point * UINT32_C(0x9e3779b1);
}

const uint8_t *wr_observer_find(const struct wr_conn *c, uint32_t point)
{
    uint32_t hash = hash_of(point), pos = hash, i;
    while ((i = wr_index_next(&c->observers.index, hash, &pos)) != WR_NONE)
        if (c->observers.at[i].point == point)
            return c->observers.at[i].addr;
    return NULL;
}

enum wr_err wr_observer_note(struct wr_conn *c, uint32_t point, const uint8_t addr[16])
{
    static const uint8_t none[16];
    struct wr_observers *x = &c->observers;
    if (x->n == WR_OBSERVERS_MAX || memcmp(addr, none, 16) == 0 || wr_observer_find(c, point))
        return WR_OK;
    if (x->n == x->cap) {
        uint32_t cap = x->cap ? x->cap * 2 : 16;
        struct wr_observer *at = realloc(x->at, cap * sizeof *at);
        if (!at)
            return WR_ENOMEM;
        x->at = at;
        x->cap = cap;
    }
    if (!wr_index_put(&x->index, hash_of(point), x->n))
        return WR_ENOMEM;
    struct wr_observer *new = &x->at[x->n++];
    new->point = point;
    memcpy(new->addr, addr, 16);
    return WR_OK;
}

void wr_observers_fini(struct wr_observers *observers)
{
    free(observers->at);
    free(observers->index.slot);
    *observers = (struct wr_observers){0};
}
