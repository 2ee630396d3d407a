/* Rows: from an entry and, where an endpoint reported the connection, from its event. */
#include "parsers/conn/table.h"

#include "base/ticks.h"
#include "parsers/conn/address.h"

#include <stdlib.h>
#include <string.h>

enum { PORT_WELL_KNOWN = 1024 };
#define MILLISECOND INT64_C(1000000)

const char *wr_why_text(uint8_t why)
{
    static const char *const names[WR_NWHY] = {"event", "record", "syn", "time", "port", "first"};
    return names[why];
}

const char *wr_quality_text(uint8_t quality)
{
    static const char *const names[WR_NMATCH] = {"none", "exact", "nat", "remote", "ambiguous", "host"};
    return names[quality];
}

/* A session's quality is that of the first event that it is made of. */
uint8_t wr_row_quality(const struct wr_conn *c, const struct wr_crow *row)
{
    const struct wr_entry *e = wr_entry_at(c, row->entry);
    const struct wr_crow *event = row;
    while (!event->packed && event->next != WR_NONE && row->table == WR_DUE_SESSIONS)
        event = wr_crow_at(c, event->next);
    if (!event->packed || !(e->flags & WR_CONN_FLOW))
        return WR_MATCH_NONE;
    if (event->via == WR_VIA_NAT || event->via == WR_VIA_REMOTE)
        return event->via == WR_VIA_NAT ? WR_MATCH_NAT : WR_MATCH_REMOTE;
    if (e->flags & WR_CONN_AMBIGUOUS)
        return WR_MATCH_AMBIGUOUS;
    if (event->via == WR_VIA_HOST)
        return WR_MATCH_HOST;
    return (e->nat & (WR_NAT_MOVED | WR_NAT_DIRECT)) == WR_NAT_MOVED ? WR_MATCH_NAT : WR_MATCH_EXACT;
}

/* Who began, by the first rule that knows. */
uint8_t wr_entry_initiator(const struct wr_entry *e, uint8_t *ret_why)
{
    const uint16_t *port = e->key.port;
    int64_t a = e->syn_start[0], b = e->syn_start[1];
    *ret_why = WR_WHY_RECORD;
    if (e->flags & WR_CONN_KNOWN)
        return e->initiator;
    *ret_why = WR_WHY_SYN;
    if (e->lone_syn == 1 || e->lone_syn == 2)
        return e->lone_syn == 2;
    *ret_why = WR_WHY_TIME;
    if (a != WR_TIME_MAX && b != WR_TIME_MAX && (a > b ? a - b : b - a) >= MILLISECOND)
        return a > b;
    *ret_why = WR_WHY_PORT;
    if (port[0] != port[1])
        return port[0] < port[1];
    *ret_why = WR_WHY_FIRST;
    return e->first_src;
}

/* False while a record of the other direction could still turn the row round or change its
 * ActionType. */
bool wr_entry_decided(const struct wr_conn *c, const struct wr_entry *e)
{
    if (e->flags & (WR_CONN_BIFLOW | WR_CONN_DENIED))
        return true;
    return wr_count_packets(c, e, 0) && wr_count_packets(c, e, 1);
}

static bool sampled(const struct wr_conn *c, const struct wr_entry *e)
{
    for (const struct wr_point *p = &e->point;; p = wr_point_at(c, p->next)) {
        if (p->sampling <= 1)
            return false;
        if (p->next == WR_NONE)
            return true;
    }
}

/* What became of the connection that side `i` began. Flags are OR-ed over a record: SYN with ACK in
 * the initiator's own means that it answered the responder's SYN. */
uint8_t wr_row_action(const struct wr_conn *c, const struct wr_entry *e, uint8_t initiator)
{
    if (e->flags & WR_CONN_DENIED)
        return WR_ACTION_FAILED;
    uint8_t i = initiator, out = e->tcp[i], back = e->tcp[!i], any = out | back;
    if (e->key.proto == WR_TCP && (e->flags & WR_CONN_TCP_FLAGS)) {
        uint8_t both = WR_SYN | WR_ACK;
        if ((out & both) == both || (back & both) == both)
            return WR_ACTION_SUCCESS;
        if ((any & WR_ACK) && (!(any & WR_RST) || (any & (WR_PSH | WR_FIN))) && !(out & WR_SYN))
            return WR_ACTION_SUCCESS; /* seen from its middle on */
        if (!sampled(c, e))
            return WR_ACTION_FAILED;
    }
    uint64_t sent = wr_count_packets(c, e, i), received = wr_count_packets(c, e, !i);
    bool both = (sent && received) || (e->bytes[0] && e->bytes[1]); /* NVM counts no packets */
    return both || sent > 2 ? WR_ACTION_SUCCESS : WR_ACTION_ATTEMPT;
}

bool wr_queue_grow(struct wr_queue *queue)
{
    uint32_t cap = queue->cap ? queue->cap * 2 : 64;
    uint32_t *at = cap > queue->cap ? realloc(queue->at, cap * sizeof *at) : NULL;
    if (!at)
        return false;
    queue->at = at;
    queue->cap = cap;
    return true;
}

enum wr_err wr_row_add(struct wr_conn *c, uint32_t *ret_r)
{
    uint32_t r = wr_pool_take_raw(&c->rows);
    if (r == WR_NONE)
        return WR_ENOMEM;
    struct wr_crow *row = wr_crow_at(c, r);
    *row = (struct wr_crow){.id = c->next_id,
                            .name = {WR_NONE, WR_NONE},
                            .reported = {-1, -1},
                            .emitted = {-1, -1},
                            .entry = WR_NONE,
                            .next = WR_NONE};
    if (!wr_id_put(c, r)) {
        wr_pool_give(&c->rows, r);
        return WR_ENOMEM;
    }
    c->next_id++;
    *ret_r = r;
    return WR_OK;
}

/* Of the far end a session says its host's name, else what was asked for; a row of DeviceNetworkEvents only the latter. */
static struct wr_who far_name(const struct wr_conn *c, const struct wr_crow *row)
{
    const struct wr_entry *e = wr_entry_at(c, row->entry);
    const struct wr_conn_key *key = &e->key;
    struct wr_who name = {0};
    if (row->table == WR_DUE_SESSIONS)
        name = wr_agent_name(c, key->addr[!row->side], key->v6, e->start);
    return name.len ? name : wr_answer_find(c, key->addr[row->side], key->addr[!row->side], key->v6, e->start);
}

enum wr_err wr_row_name(struct wr_conn *c, struct wr_crow *row)
{
    const struct wr_entry *e = wr_entry_at(c, row->entry);
    row->name[0] = row->name[1] = WR_NONE;
    enum wr_err err = wr_who_take(c, wr_agent_name(c, e->key.addr[row->side], e->key.v6, e->start), &row->name[0]);
    return err ? err : wr_who_take(c, far_name(c, row), &row->name[1]);
}

static void unname(struct wr_conn *c, struct wr_crow *row)
{
    for (int d = 0; d < 2; d++)
        wr_who_give(c, row->name[d]);
}

struct wr_batch *wr_row_scratch(const struct wr_conn *c, uint8_t table)
{
    return table == WR_DUE_SESSIONS ? c->session : table > WR_DUE_SESSIONS ? c->one_sided : c->scratch;
}

void wr_row_free(struct wr_conn *c, uint32_t r)
{
    struct wr_crow *row = wr_crow_at(c, r);
    if (!row->packed)
        unname(c, row);
    else
        wr_slab_give(&c->pieces, row->packed, row->len);
    wr_id_del(c, r);
    wr_pool_give(&c->rows, r);
}

static enum wr_err add_flow_row(struct wr_conn *c, uint32_t i)
{
    struct wr_entry *e = wr_entry_at(c, i);
    uint32_t r;
    enum wr_err err = wr_row_add(c, &r);
    if (err)
        return err;
    struct wr_crow *row = wr_crow_at(c, r);
    row->side = wr_entry_initiator(e, &row->why);
    bool apart = c->opts.orphans == WR_ORPHANS_TABLE ||
                 (c->opts.orphans == WR_ORPHANS_AUTO && (c->opts.expect_endpoint || c->seen_event));
    apart &= !wr_who_tells_process(c, e, row->side);
    row->table = apart ? WR_DUE_ORPHANS : WR_DUE_EVENTS;
    row->action = wr_row_action(c, e, row->side);
    row->ticks = wr_ticks_of_unix_ns(e->start);
    row->entry = i;
    row->next = e->rows;
    e->rows = r;
    err = wr_row_due(c, r, WR_ROW_DUE_INSERT);
    return err ? err : wr_row_name(c, row);
}

enum wr_err wr_row_event(struct wr_conn *c, uint32_t i, uint8_t side, const char *bytes, size_t len, uint32_t *ret_r)
{
    char *packed = wr_slab_take(&c->pieces, len);
    if (!packed)
        return WR_ENOMEM;
    enum wr_err err = wr_row_add(c, ret_r);
    if (err) {
        wr_slab_give(&c->pieces, packed, len);
        return err;
    }
    struct wr_crow *row = wr_crow_at(c, *ret_r);
    if (len)
        memcpy(packed, bytes, len);
    row->packed = packed;
    row->opened = 0;
    row->told_len = WR_NONE;
    row->len = (uint32_t)len;
    row->table = WR_DUE_EVENTS;
    row->side = side;
    row->entry = i;
    if (i == WR_NONE)
        return WR_OK;
    row->next = wr_entry_at(c, i)->rows;
    wr_entry_at(c, i)->rows = *ret_r;
    return WR_OK;
}

/* The row of a connection that a capping sensor told of before. */
static enum wr_err add_remote_row(struct wr_conn *c, uint32_t i, bool *ret_found)
{
    struct wr_entry *e = wr_entry_at(c, i);
    uint8_t why;
    uint32_t r;
    enum wr_err err = wr_recent_event(c, e, wr_entry_initiator(e, &why), ret_found);
    if (err || !*ret_found)
        return err;
    err = wr_row_event(c, i, wr_entry_initiator(e, &why), c->buf.data, c->buf.len, &r);
    if (err)
        return err;
    struct wr_crow *row = wr_crow_at(c, r);
    row->why = why;
    row->via = WR_VIA_REMOTE;
    row->opened = e->start;
    c->stats.remote++;
    if (!c->opts.sessions_only)
        return wr_row_due(c, r, WR_ROW_DUE_INSERT);
    row->state = WR_ROW_OUT;
    return WR_OK;
}

/* The short wait is over of a flow that an event of its host may explain; where it does not, an event of its own may come. */
static enum wr_err settle_early(struct wr_conn *c, uint32_t i)
{
    bool joined, several;
    uint8_t why;
    enum wr_err err = wr_host_join(c, i, &joined, &several);
    if (err || joined)
        return err;
    const struct wr_entry *e = wr_entry_at(c, i);
    if (wr_who_tells_process(c, e, wr_entry_initiator(e, &why)))
        return wr_row_orphan(c, i);
    wr_table_unwait(c, i);
    wr_table_wait(c, i, WR_WAIT_HOLD, c->now + c->opts.hold_ns);
    return WR_OK;
}

enum wr_err wr_row_settle(struct wr_conn *c, uint32_t i)
{
    enum wr_err err = WR_OK;
    if (wr_entry_at(c, i)->rows == WR_NONE && (c->nat.naliases || c->nat.nblocks))
        err = wr_nat_settle(c, i, &i);
    if (err)
        return err;
    if (wr_entry_at(c, i)->rows == WR_NONE)
        return c->hosts && !c->flushing && wr_entry_at(c, i)->wait == WR_WAIT_PAIR ? settle_early(c, i) : wr_row_orphan(c, i);
    wr_table_unwait(c, i);
    return wr_rows_release(c, i);
}

enum wr_err wr_row_orphan(struct wr_conn *c, uint32_t i)
{
    bool remote = false, joined = false, several = false;
    enum wr_err err = c->hosts ? wr_host_join(c, i, &joined, &several) : WR_OK;
    if (err || joined)
        return err;
    c->stats.host_ambiguous += several;
    err = c->nrecent ? add_remote_row(c, i, &remote) : WR_OK;
    if (!err && remote) {
        wr_table_unwait(c, i);
        return wr_session_add(c, i);
    }
    if (err)
        return err;
    const struct wr_entry *e = wr_entry_at(c, i);
    uint8_t why, side = wr_entry_initiator(e, &why);
    bool waited = c->flushing || (e->wait == WR_WAIT_HOLD && wr_wait_at(c, i)->due <= c->now);
    if (waited && !several && !wr_who_tells_process(c, e, side))
        err = wr_agent_unexplained(c, e);
    if (!err && !c->opts.sessions_only)
        err = add_flow_row(c, i);
    if (!err)
        err = wr_session_add(c, i);
    if (err)
        return err;
    c->stats.orphans++;
    wr_table_unwait(c, i);
    return WR_OK;
}

/* A request that its flow shows to have been answered was a success. */
static void raise_request(struct wr_conn *c, struct wr_crow *row)
{
    const struct wr_entry *e = wr_entry_at(c, row->entry);
    if (row->action != WR_ACTION_REQUEST || !(e->flags & WR_CONN_FLOW) ||
        wr_row_action(c, e, row->side) != WR_ACTION_SUCCESS)
        return;
    row->action = WR_ACTION_RAISED;
    c->stats.raised++;
}

enum wr_err wr_rows_release(struct wr_conn *c, uint32_t i)
{
    bool held = false, session = false;
    enum wr_err err = WR_OK;
    for (uint32_t r = wr_entry_at(c, i)->rows; r != WR_NONE; r = wr_crow_at(c, r)->next) {
        struct wr_crow *row = wr_crow_at(c, r);
        session |= row->table == WR_DUE_SESSIONS; /* of the other end's event */
        if (row->state != WR_ROW_HELD)
            continue;
        held = true;
        raise_request(c, row);
        if (c->opts.sessions_only)
            row->state = WR_ROW_OUT;
        else if ((err = wr_row_due(c, r, WR_ROW_DUE_INSERT)))
            return err;
    }
    return held && !session ? wr_session_add(c, i) : WR_OK;
}

static bool is_changed(const struct wr_conn *c, const struct wr_crow *row)
{
    int64_t bytes[2];
    if (row->table == WR_DUE_SESSIONS)
        return wr_session_changed(c, row);
    if (c->opts.sessions_only)
        return false;
    wr_row_bytes(c, row, bytes);
    return (c->tells_bytes[0] && bytes[0] != row->emitted[0]) || (c->tells_bytes[1] && bytes[1] != row->emitted[1]) ||
           (c->tells_quality && wr_row_quality(c, row) != row->told_quality);
}

enum wr_err wr_rows_changed(struct wr_conn *c, const struct wr_entry *e)
{
    enum wr_err err = WR_OK;
    for (uint32_t r = e->rows; !err && r != WR_NONE; r = wr_crow_at(c, r)->next) {
        const struct wr_crow *row = wr_crow_at(c, r);
        if (row->state == WR_ROW_OUT && is_changed(c, row))
            err = wr_row_due(c, r, WR_ROW_DUE_AMEND);
    }
    return err;
}

enum wr_err wr_row_detach(struct wr_conn *c, uint32_t r)
{
    struct wr_crow *row = wr_crow_at(c, r);
    struct wr_batch *scratch = wr_row_scratch(c, row->table);
    if (!wr_batch_reset(scratch))
        return WR_ENOMEM;
    enum wr_err err = wr_row_render(c, row, scratch);
    if (err)
        return err;
    wr_buf_reset(&c->buf);
    wr_row_pack(scratch, 0, &c->buf);
    char *image = c->buf.err ? NULL : wr_slab_take(&c->pieces, c->buf.len);
    if (!image)
        return WR_ENOMEM;
    memcpy(image, c->buf.data, c->buf.len);
    c->stats.inserts += row->state == WR_ROW_DUE_INSERT;
    c->stats.amends += row->state == WR_ROW_DUE_AMEND;
    if (!row->packed)
        unname(c, row);
    row->opened = 0;
    wr_slab_give(&c->pieces, row->packed, row->len);
    row->packed = image;
    row->len = (uint32_t)c->buf.len;
    row->state = WR_ROW_IMAGE;
    row->entry = row->next = WR_NONE;
    return WR_OK;
}
