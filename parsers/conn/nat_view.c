/* What a session's ends are on the other side of translations: its row shows them where rules read these columns. Kept for
 * that is an index of aliases by the connection's own tuple. A row shows what was told before it was made, and goes on to. */
#include "base/ticks.h"
#include "parsers/conn/table.h"

#include <string.h>

bool wr_alias_show(struct wr_conn *c, uint32_t i)
{
    return !c->nat.inside || wr_index_put(&c->nat.by_inside, wr_table_hash(c, &wr_alias_at(c, i)->inside), i);
}

void wr_alias_hide(struct wr_conn *c, uint32_t i)
{
    if (c->nat.inside)
        wr_index_del(&c->nat.by_inside, wr_table_hash(c, &wr_alias_at(c, i)->inside), i);
}

/* Held at `when`, but for the slack of clocks. */
static bool held(const struct wr_alias *a, int64_t when)
{
    return when >= a->from - WR_OPEN_SLACK && (a->to == WR_TIME_MAX || when <= a->to + WR_OPEN_SLACK);
}

void wr_nat_ends(const struct wr_conn *c, const struct wr_crow *row, const struct wr_conn_key *key,
                 struct wr_nat_end ret_ends[2])
{
    const int64_t when = (row->ticks - WR_TICKS_UNIX_EPOCH) * 100;
    const struct wr_alias *best[2] = {NULL, NULL};
    uint32_t hash = wr_table_hash(c, key), pos = hash, i;
    ret_ends[0] = ret_ends[1] = (struct wr_nat_end){0};
    while (c->nat.inside && c->nat.naliases && (i = wr_index_next(&c->nat.by_inside, hash, &pos)) != WR_NONE) {
        const struct wr_alias *a = wr_alias_at(c, i);
        if (a->since > row->id || !held(a, when) || memcmp(&a->inside, key, sizeof *key) != 0)
            continue;
        for (int d = 0; d < 2; d++) {
            int end = d ? !row->side : row->side, seen = a->swap ? !end : end;
            bool same = a->seen.v6 == key->v6 && a->seen.port[seen] == key->port[end] &&
                        memcmp(a->seen.addr[seen], key->addr[end], 16) == 0;
            if (same || (best[d] && best[d]->from >= a->from))
                continue;
            best[d] = a;
            ret_ends[d] = (struct wr_nat_end){true, a->seen.v6, a->seen.port[seen], {0}};
            memcpy(ret_ends[d].addr, a->seen.addr[seen], 16);
        }
    }
}
