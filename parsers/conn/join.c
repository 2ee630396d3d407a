/* Records and events come together in one entry: by the same key, by entries that turn out to be
 * one, or because an entry's key was that of another side of a translation. */
#include "parsers/conn/table.h"

#include <string.h>

bool wr_join_is_answered(const struct wr_conn *c, const struct wr_entry *e)
{
    for (uint32_t r = e->rows; r != WR_NONE; r = wr_crow_at(c, r)->next) {
        const struct wr_crow *row = wr_crow_at(c, r);
        if (row->packed && row->action == WR_ACTION_REQUEST && row->state == WR_ROW_HELD)
            return (e->flags & WR_CONN_FLOW) && wr_row_action(c, e, row->side) == WR_ACTION_SUCCESS;
    }
    return false;
}

enum wr_err wr_join_react(struct wr_conn *c, uint32_t i)
{
    struct wr_entry *e = wr_entry_at(c, i);
    if (e->rows != WR_NONE) {
        if (!c->opts.final_only && wr_join_is_answered(c, e))
            return wr_row_settle(c, i);
        return wr_rows_changed(c, e);
    }
    if (c->opts.final_only)
        return WR_OK;
    uint8_t why;
    bool hold = (c->opts.expect_endpoint || c->seen_event) &&
                !wr_who_tells_process(c, e, wr_entry_initiator(e, &why));
    if (!hold && wr_entry_decided(c, e))
        return wr_row_orphan(c, i);
    if (e->wait != WR_WAIT_NOT)
        return WR_OK;
    if (hold && c->hosts && wr_host_tells(c, e))
        hold = false; /* others of that host that are as old are here soon */
    wr_table_wait(c, i, hold ? WR_WAIT_HOLD : WR_WAIT_PAIR, c->now + (hold ? c->opts.hold_ns : c->opts.pair_ns));
    return WR_OK;
}

enum wr_err wr_join_merge(struct wr_conn *c, uint32_t i, uint32_t k, uint32_t *ret_i)
{
    uint32_t into = wr_entry_at(c, k)->rows != WR_NONE ? k : i, from = into == i ? k : i;
    struct wr_entry *e = wr_entry_at(c, from);
    enum wr_err err = wr_count_merge(c, wr_entry_at(c, into), e);
    if (!err && e->label)
        err = wr_label_learn(c, wr_entry_at(c, into), wr_label_text(c, e->label),
                             strlen(wr_label_text(c, e->label)));
    if (!err && e->who != WR_NONE)
        err = wr_who_learn(c, wr_entry_at(c, into), e->who_side, wr_who_at(c, e->who));
    if (err)
        return err;
    e->flags &= (uint8_t)~WR_CONN_FLOW; /* nothing left that would need a row */
    c->stats.connections--;
    *ret_i = into;
    return wr_table_drop(c, from);
}

enum wr_err wr_join_clock(struct wr_conn *c, uint32_t i, uint32_t device, int64_t told)
{
    const struct wr_entry *e = wr_entry_at(c, i);
    bool begins = e->key.proto != WR_TCP || !(e->flags & WR_CONN_TCP_FLAGS) || (e->flags & WR_CONN_SYN);
    return begins && wr_match_is_alone(c, i) ? wr_clock_learn(c, device, told - e->start) : WR_OK;
}

enum wr_err wr_join_matched(struct wr_conn *c, uint32_t i)
{
    struct wr_entry *e = wr_entry_at(c, i);
    uint32_t r = e->rows; /* an event's, at most a session's before it */
    while (!wr_crow_at(c, r)->packed)
        r = wr_crow_at(c, r)->next;
    const struct wr_crow *row = wr_crow_at(c, r);
    int64_t opened = row->opened - row->skew;
    c->stats.matched++;
    if (opened - e->start > WR_OPEN_SLACK ||
        (e->start - opened > WR_OPEN_SLACK && (e->flags & WR_CONN_SYN))) {
        c->stats.ambiguous++;
        e->flags |= WR_CONN_AMBIGUOUS;
    }
    return wr_join_clock(c, i, row->device, row->opened);
}

/* How near `k` is to an entry of flows that has come to its key: 0 not at all, 1 for want of a
 * nearer one, 2. */
static int nearness(const struct wr_entry *e, const struct wr_entry *k, int64_t *ret_apart)
{
    int64_t gap = k->start > e->last   ? k->start - e->last
                  : e->start > k->last ? e->start - k->last
                                       : 0;
    *ret_apart = e->start > k->start ? e->start - k->start : k->start - e->start;
    if (k->flags & WR_CONN_FLOW)
        return gap <= WR_SKEW ? 2 : 0;
    return gap <= WR_OPEN_SLACK ? 2 : gap <= WR_OPEN_FAR ? 1 : 0;
}

static uint32_t partner(const struct wr_conn *c, uint32_t i)
{
    const struct wr_entry *e = wr_entry_at(c, i);
    uint32_t found = WR_NONE;
    int best = 0;
    int64_t distance = 0, apart;
    for (uint32_t k = wr_table_newest(c, &e->key); k != WR_NONE; k = wr_entry_at(c, k)->older) {
        int near = k == i ? 0 : nearness(e, wr_entry_at(c, k), &apart);
        if (near < best || !near || (near == best && apart >= distance))
            continue;
        best = near;
        distance = apart;
        found = k;
    }
    return found;
}

enum wr_err wr_join_move(struct wr_conn *c, uint32_t i, const struct wr_conn_key *key, bool swap,
                         uint32_t *ret_i)
{
    enum wr_err err = wr_table_rekey(c, i, key, swap);
    *ret_i = i;
    if (err)
        return err;
    c->stats.nat_moved++;
    uint32_t k = partner(c, i);
    if (k == WR_NONE)
        return WR_OK;
    struct wr_entry *e = wr_entry_at(c, i), *with = wr_entry_at(c, k);
    bool first = !(with->flags & WR_CONN_FLOW);
    if (first) {
        with->start = e->start;
        with->last = e->last;
        with->first_src = e->first_src;
        memcpy(with->syn_start, e->syn_start, sizeof with->syn_start);
    }
    with->nat |= e->nat & WR_NAT_SAVED;
    e->nat |= with->nat & WR_NAT_SAVED;
    err = wr_join_merge(c, i, k, ret_i);
    if (!err && first)
        err = wr_join_matched(c, *ret_i);
    if (err)
        return err;
    wr_table_rechain(c, *ret_i);
    wr_table_touch(c, *ret_i);
    return wr_join_react(c, *ret_i);
}
