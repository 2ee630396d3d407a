/* The calls: time moves, a record or an event comes, rows become due. */
#include "parsers/conn/conn.h"

#include "base/ticks.h"
#include "parsers/conn/address.h"
#include "parsers/conn/table.h"

#include <stdlib.h>
#include <string.h>

enum { DEFAULT_CONNECTIONS = 1000000 };
#define DEFAULT_HOLD (600 * WR_SECOND)
#define DEFAULT_PAIR (2 * WR_SECOND)
#define ACTIVE_TIMEOUT (1800 * WR_SECOND) /* the longest in common use */
#define HOUR (3600 * WR_SECOND)
#define TCP_IDLE (7200 * WR_SECOND)
#define OPT_MAX (WR_TIME_MAX / 4)

static const uint16_t key_cols[] = {WR_DNE_Timestamp,  WR_DNE_ActionType, WR_DNE_RemoteIP,
                                    WR_DNE_RemotePort, WR_DNE_LocalIP,    WR_DNE_LocalPort,
                                    WR_DNE_Protocol,  WR_DNE_SentBytes,  WR_DNE_ReceivedBytes,
                                    WR_DNE_DeviceName, WR_DNE_ReportId};

static struct wr_colset join(const struct wr_colset *a, const struct wr_colset *b)
{
    struct wr_colset set = *a;
    for (size_t i = 0; i < sizeof set.bits / sizeof *set.bits; i++)
        set.bits[i] |= b->bits[i];
    return set;
}

struct wr_colset wr_conn_event_cols(const struct wr_colset *wanted, const struct wr_colset *sessions)
{
    struct wr_colset sources = wr_session_sources(sessions), set = join(wanted, &sources);
    for (size_t i = 0; i < sizeof key_cols / sizeof *key_cols; i++)
        wr_colset_add(&set, key_cols[i]);
    return set;
}

static void add_hidden(struct wr_colset *set, enum wr_table table)
{
    const struct wr_schema *schema = wr_schema_of(table);
    for (uint16_t i = 0; i < schema->ncols; i++)
        if (schema->cols[i].hidden)
            wr_colset_add(set, i);
}

static void set_defaults(struct wr_conn_opts *o)
{
    if (!o->max_connections)
        o->max_connections = DEFAULT_CONNECTIONS;
    if (o->hold_ns <= 0)
        o->hold_ns = DEFAULT_HOLD;
    if (o->pair_ns <= 0)
        o->pair_ns = DEFAULT_PAIR;
    o->hold_ns = o->hold_ns < OPT_MAX ? o->hold_ns : OPT_MAX;
    o->pair_ns = o->pair_ns < OPT_MAX ? o->pair_ns : OPT_MAX;
    add_hidden(&o->wanted, WR_TABLE_DEVICE_NETWORK_EVENTS);
}

/* Batches of one row for rendering. Sessions have theirs even when nobody reads them: a state may hold some from before. */
static bool make_scratch(struct wr_conn *c)
{
    for (size_t i = 0; i < sizeof c->opts.sessions.bits / sizeof *c->opts.sessions.bits; i++)
        c->sessions |= c->opts.sessions.bits[i] != 0;
    const struct wr_schema *events = wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS);
    struct wr_colset sources = wr_session_sources(&c->opts.sessions);
    c->kept = join(&c->opts.wanted, &sources);
    c->scratch = wr_batch_new(events, &c->kept, 1);
    struct wr_colset rows = c->opts.sessions;
    add_hidden(&rows, WR_TABLE_ASIM_NETWORK_SESSION_LOGS);
    c->session = wr_batch_new(wr_schema_of(WR_TABLE_ASIM_NETWORK_SESSION_LOGS), &rows, 1);
    c->view = wr_batch_new(events, &c->kept, 1);
    const struct wr_schema *sided = wr_schema_of(WR_TABLE_HIDDEN_CONNECTION);
    struct wr_colset all = wr_colset_all(sided);
    c->one_sided = wr_batch_new(sided, &all, 1);
    return c->scratch && c->session && c->view && c->one_sided;
}

struct wr_conn *wr_conn_new(const struct wr_conn_opts *opts)
{
    struct wr_conn *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->opts = *opts;
    set_defaults(&c->opts);
    c->hash_key = wr_hash_key_random();
    c->entries = (struct wr_pool){.size = sizeof(struct wr_entry), .free = WR_NONE};
    c->rows = (struct wr_pool){.size = sizeof(struct wr_crow), .free = WR_NONE};
    c->points = (struct wr_pool){.size = sizeof(struct wr_point), .free = WR_NONE};
    c->totals = (struct wr_pool){.size = sizeof(struct wr_total), .free = WR_NONE};
    for (int i = 0; i < 2; i++)
        c->wait[i] = (struct wr_list){WR_NONE, WR_NONE};
    for (int i = 0; i < WR_NLRU; i++)
        c->lru[i] = (struct wr_list){WR_NONE, WR_NONE};
    for (int i = 0; i < WR_NDUE; i++)
        c->due[i] = (struct wr_list){WR_NONE, WR_NONE};
    c->clocks = (struct wr_pool){.size = sizeof(struct wr_clock), .free = WR_NONE};
    c->recents = (struct wr_pool){.size = sizeof(struct wr_recent), .free = WR_NONE};
    c->agents = (struct wr_pool){.size = sizeof(struct wr_agent), .free = WR_NONE};
    c->recent = c->agent = (struct wr_list){WR_NONE, WR_NONE};
    wr_nats_init(&c->nat);
    c->first_heard = -1;
    c->next_id = 1;
    if (!make_scratch(c)) {
        wr_conn_free(c);
        return NULL;
    }
    return c;
}

void wr_conn_free(struct wr_conn *conn)
{
    if (!conn)
        return;
    for (uint32_t i = 0; conn->by_id.slot && i <= conn->by_id.mask; i++)
        if (conn->by_id.slot[i].item != WR_NONE)
            free(wr_crow_at(conn, conn->by_id.slot[i].item)->packed);
    wr_whos_fini(&conn->whos);
    wr_pool_fini(&conn->entries);
    wr_pool_fini(&conn->rows);
    wr_pool_fini(&conn->points);
    wr_pool_fini(&conn->totals);
    free(conn->by_key.slot);
    free(conn->by_id.slot);
    wr_pool_fini(&conn->clocks);
    free(conn->by_device.slot);
    wr_recents_fini(conn);
    wr_agents_fini(conn);
    wr_batch_free(conn->one_sided);
    wr_observers_fini(&conn->observers);
    wr_labels_fini(&conn->labels);
    wr_nats_fini(&conn->nat);
    wr_batch_free(conn->scratch);
    wr_batch_free(conn->session);
    wr_batch_free(conn->view);
    wr_buf_fini(&conn->buf);
    free(conn);
}

const struct wr_conn_stats *wr_conn_stats(const struct wr_conn *conn)
{
    return &conn->stats;
}

static enum wr_err end_waits(struct wr_conn *c, uint8_t list, int64_t now)
{
    enum wr_err err = WR_OK;
    while (!err && c->wait[list].head != WR_NONE && wr_entry_at(c, c->wait[list].head)->due <= now)
        err = wr_row_settle(c, c->wait[list].head);
    return err;
}

static enum wr_err expire(struct wr_conn *c, uint8_t list, int64_t idle)
{
    enum wr_err err = WR_OK;
    while (!err && c->lru[list].head != WR_NONE &&
           c->now - wr_entry_at(c, c->lru[list].head)->touched > idle)
        err = wr_table_drop(c, c->lru[list].head);
    return err;
}

/* How long a connection that has ended stays, in case another exporter has yet to tell of it: as long as any record of
 * the last hours took, or as events may take. */
static int64_t longest(const struct wr_conn *c)
{
    int64_t lag = c->lag[0] > c->lag[1] ? c->lag[0] : c->lag[1];
    lag = lag + 60 * WR_SECOND < ACTIVE_TIMEOUT ? lag + 60 * WR_SECOND : ACTIVE_TIMEOUT;
    int64_t events = c->opts.hold_ns + 60 * WR_SECOND;
    return lag > events ? lag : events;
}

static void note_lag(struct wr_conn *c, int64_t start)
{
    int64_t lag = c->now - start;
    if (c->now - c->lag_since > HOUR) {
        c->lag[1] = c->lag[0];
        c->lag[0] = 0;
        c->lag_since = c->now;
    }
    lag = lag < ACTIVE_TIMEOUT ? lag : ACTIVE_TIMEOUT;
    c->lag[0] = lag > c->lag[0] ? lag : c->lag[0];
}

enum wr_err wr_conn_advance(struct wr_conn *conn, int64_t now_ns)
{
    if (now_ns > conn->now)
        conn->now = now_ns < WR_TIME_MAX ? now_ns : WR_TIME_MAX;
    if (conn->opts.final_only)
        return WR_OK;
    int64_t done = longest(conn), quick = done;
    if ((conn->opts.expect_endpoint || conn->seen_event) && quick < ACTIVE_TIMEOUT)
        quick = ACTIVE_TIMEOUT; /* an event that is later than it should be still finds it */
    wr_nats_expire(conn, quick);
    enum wr_err err = end_waits(conn, WR_WAIT_HOLD, conn->now);
    if (!err)
        err = end_waits(conn, WR_WAIT_PAIR, conn->now);
    if (!err)
        err = expire(conn, WR_LRU_DONE, done);
    if (!err)
        err = expire(conn, WR_LRU_QUICK, quick);
    return err ? err : expire(conn, WR_LRU_SLOW, TCP_IDLE + quick);
}

static enum wr_err learn(struct wr_conn *c, struct wr_entry *e, uint8_t side, struct wr_who who)
{
    enum wr_err err = wr_who_learn(c, e, side, who);
    enum wr_who_kind kind;
    const char *text;
    uint32_t len;
    while (!err && c->sessions && wr_who_next(&who, &kind, &text, &len))
        if (kind == WR_WHO_APPLICATION)
            err = wr_label_learn(c, e, text, len);
    return err;
}

enum wr_err wr_conn_flow(struct wr_conn *conn, const struct wr_flow *flow, int64_t now_ns)
{
    return wr_conn_flow_who(conn, flow, (struct wr_who){0}, now_ns);
}

enum wr_err wr_conn_flow_who(struct wr_conn *conn, const struct wr_flow *flow, struct wr_who who,
                             int64_t now_ns)
{
    struct wr_record rec;
    enum wr_err err = wr_conn_advance(conn, now_ns);
    if (err)
        return err;
    if (who.len && (err = wr_nat_told(conn, flow, who)))
        return err;
    if (flow->flags & WR_FLOW_NAT_EVENT)
        return WR_OK;
    conn->stats.flows++;
    wr_record_of(flow, &rec);
    note_lag(conn, rec.start);
    struct wr_flow moved;
    if (conn->nat.naliases || conn->nat.nblocks) {
        if ((err = wr_nat_record(conn, &rec, flow)))
            return err;
        if (rec.nat & WR_NAT_MOVED) {
            moved = *flow;
            moved.point ^= WR_NAT_POINT;
            flow = &moved;
        }
    }
    uint32_t second, i = wr_match_record(conn, &rec, flow, &second);
    if (i == WR_NONE) {
        err = wr_table_add(conn, &rec.key, rec.start, &i);
        if (!err && conn->sessions)
            err = wr_observer_note(conn, flow->point, flow->exporter);
        if (err)
            return err;
    }
    struct wr_entry *e = wr_entry_at(conn, i);
    bool first = !(e->flags & WR_CONN_FLOW), dup;
    int64_t start = e->start;
    wr_table_prefetch(conn, e);
    err = wr_count_record(conn, e, &rec, flow, &dup);
    if (err)
        return err;
    if (dup) {
        conn->stats.dup_record++;
        return WR_OK;
    }
    e->nat |= rec.nat;
    if ((rec.nat & (WR_NAT_OUTPORT * 3)) && (err = wr_wild_add(conn, i, rec.nat & WR_NAT_OUTPORT ? 0 : 1)))
        return err;
    if (first && e->rows != WR_NONE && (err = wr_join_matched(conn, i)))
        return err;
    if (who.len && (err = learn(conn, e, rec.src, who)))
        return err;
    if (second != WR_NONE && (err = wr_join_merge(conn, i, second, &i)))
        return err;
    if (second != WR_NONE || e->start != start)
        wr_table_rechain(conn, i);
    wr_table_touch(conn, i);
    return wr_join_react(conn, i);
}

static bool text_is(const struct wr_str *s, const char *text)
{
    return s->len == strlen(text) && memcmp(wr_str_data(s), text, s->len) == 0;
}

/* Event time in ns since 1970, within what ns can hold. */
static int64_t event_time(const struct wr_conn *c, const struct wr_batch *b, uint32_t row)
{
    const struct wr_vec *v = &b->col[WR_DNE_Timestamp];
    if (!v->i || !wr_vec_valid(v, row))
        return c->now;
    int64_t ticks = v->i[row] - WR_TICKS_UNIX_EPOCH;
    if (v->i[row] < WR_TICKS_UNIX_EPOCH)
        return 0;
    return ticks > WR_TIME_MAX / 100 ? WR_TIME_MAX : ticks * 100;
}

static bool port_of(const struct wr_batch *b, uint16_t col, uint32_t row, uint16_t *ret_port)
{
    const struct wr_vec *v = &b->col[col];
    if (!v->i || !wr_vec_valid(v, row) || v->i[row] < 0 || v->i[row] > UINT16_MAX)
        return false;
    *ret_port = (uint16_t)v->i[row];
    return true;
}

static bool address_of(const struct wr_batch *b, uint16_t col, uint32_t row, uint8_t addr[16],
                       bool *ret_v6)
{
    const struct wr_vec *v = &b->col[col];
    return v->s && wr_address_parse(wr_str_data(&v->s[row]), v->s[row].len, addr, ret_v6);
}

/* Does the event say that a connection began, and between which ends? Others (listening, inspected,
 * attempted before it succeeded) are rows of their own, without bytes. */
static bool opening_of(const struct wr_conn *c, const struct wr_batch *b, uint32_t row,
                       struct wr_opening *ret_o)
{
    static const char *const opening[] = {"ConnectionSuccess", "ConnectionFailed",
                                          "InboundConnectionAccepted", "ConnectionFound",
                                          "ConnectionRequest"};
    const struct wr_vec *action = &b->col[WR_DNE_ActionType], *proto = &b->col[WR_DNE_Protocol];
    uint8_t local[16], remote[16];
    uint16_t lport, rport;
    bool lv6, rv6, opens = false;
    *ret_o = (struct wr_opening){.opened = event_time(c, b, row)};
    for (size_t i = 0; action->s && i < sizeof opening / sizeof *opening; i++)
        opens |= text_is(&action->s[row], opening[i]);
    if (!opens || !proto->s || !port_of(b, WR_DNE_LocalPort, row, &lport) ||
        !port_of(b, WR_DNE_RemotePort, row, &rport) ||
        !address_of(b, WR_DNE_LocalIP, row, local, &lv6) ||
        !address_of(b, WR_DNE_RemoteIP, row, remote, &rv6) || lv6 != rv6 ||
        !wr_protocol_parse(wr_str_data(&proto->s[row]), proto->s[row].len, &ret_o->key.proto))
        return false;
    uint8_t proto_number = ret_o->key.proto;
    const struct wr_str *device = &b->col[WR_DNE_DeviceName].s[row];
    ret_o->device = device->len ? wr_clock_device(wr_str_data(device), device->len) : 0;
    ret_o->skew = wr_clock_skew(c, ret_o->device);
    ret_o->opened -= ret_o->skew;
    ret_o->side = wr_key_make(&ret_o->key, local, lport, remote, rport, proto_number, lv6);
    return true;
}

/* Packs the columns that rules want: an event is kept as long as its connection. */
static enum wr_err pack_event(struct wr_conn *c, const struct wr_batch *b, uint32_t row)
{
    wr_buf_reset(&c->buf);
    wr_row_pack(b, row, &c->buf);
    if (c->buf.err)
        return WR_ENOMEM;
    struct wr_rd rd = wr_rd_init(c->buf.data, c->buf.len);
    size_t kept = 0;
    while (rd.at < rd.end) {
        const char *from = (const char *)rd.at;
        uint16_t col = wr_rd_u16(&rd);
        uint32_t n;
        if (wr_type_is_str(b->schema->cols[col].type))
            (void)wr_rd_blob(&rd, &n);
        else
            (void)wr_rd_u64(&rd);
        size_t len = (size_t)((const char *)rd.at - from);
        if (!wr_colset_has(&c->kept, col) || b->schema->cols[col].hidden)
            continue;
        memmove(c->buf.data + kept, from, len);
        kept += len;
    }
    c->buf.len = kept;
    return WR_OK;
}

static uint8_t event_action(const struct wr_batch *b, uint32_t row)
{
    const struct wr_str *action = &b->col[WR_DNE_ActionType].s[row];
    return text_is(action, "InboundConnectionAccepted") ? WR_ACTION_INBOUND
           : text_is(action, "ConnectionFailed")        ? WR_ACTION_FAILED
           : text_is(action, "ConnectionRequest")       ? WR_ACTION_REQUEST
                                                        : WR_ACTION_SUCCESS;
}

static int64_t reported_bytes(const struct wr_batch *b, uint16_t col, uint32_t row)
{
    const struct wr_vec *v = &b->col[col];
    return v->i && wr_vec_valid(v, row) && v->i[row] >= 0 ? v->i[row] : -1;
}

/* The row of an event, packed in c->buf; of no entry for WR_NONE. */
static enum wr_err event_row(struct wr_conn *c, uint32_t i, uint8_t side, const struct wr_batch *b, uint32_t row,
                             uint32_t *ret_r)
{
    enum wr_err err = wr_row_event(c, i, side, ret_r);
    if (err)
        return err;
    struct wr_crow *r = wr_crow_at(c, *ret_r);
    r->action = event_action(b, row);
    r->reported[0] = reported_bytes(b, WR_DNE_SentBytes, row);
    r->reported[1] = reported_bytes(b, WR_DNE_ReceivedBytes, row);
    return WR_OK;
}

/* The rows that the entry has before an event joins it. */
struct has {
    bool session, event, orphan, taken; /* orphan: rules were given it without an event; taken: in the events' table */
};

static struct has rows_of(const struct wr_conn *c, const struct wr_entry *e)
{
    struct has has = {0};
    for (uint32_t r = e->rows; r != WR_NONE; r = wr_crow_at(c, r)->next) {
        const struct wr_crow *row = wr_crow_at(c, r);
        has.session |= row->table == WR_DUE_SESSIONS;
        has.event |= row->packed != NULL;
        has.orphan |= !row->packed && row->table != WR_DUE_SESSIONS;
        has.taken |= !row->packed && row->table == WR_DUE_EVENTS;
    }
    if (c->opts.sessions_only)
        has.orphan = has.taken = has.session && !has.event;
    return has;
}

/* A request that another event of its end overtakes is no row of its own. */
static void drop_request(struct wr_conn *c, struct wr_entry *e, uint8_t side)
{
    for (uint32_t *at = &e->rows; *at != WR_NONE; at = &wr_crow_at(c, *at)->next) {
        uint32_t r = *at;
        const struct wr_crow *row = wr_crow_at(c, r);
        if (!row->packed || row->side != side || row->action != WR_ACTION_REQUEST || row->state != WR_ROW_HELD)
            continue;
        *at = row->next;
        wr_row_free(c, r);
        return;
    }
}

static enum wr_err bind_event(struct wr_conn *c, uint32_t i, const struct wr_opening *open,
                              const struct wr_batch *b, uint32_t row)
{
    struct wr_entry *e = wr_entry_at(c, i);
    struct has has = rows_of(c, e);
    c->stats.matched += (e->flags & WR_CONN_FLOW) && !has.orphan;
    c->stats.late_bind += has.orphan;
    if (has.taken)
        return WR_OK; /* that row is this connection already; its keys cannot change any more */
    uint32_t r;
    drop_request(c, e, open->side);
    enum wr_err err = event_row(c, i, open->side, b, row, &r);
    if (err)
        return err;
    struct wr_crow *crow = wr_crow_at(c, r);
    crow->opened = open->opened + open->skew;
    crow->skew = open->skew;
    crow->device = open->device;
    crow->digest = open->digest;
    crow->via = open->moved ? WR_VIA_NAT : WR_VIA_TUPLE;
    wr_table_unwait(c, i);
    crow->state = WR_ROW_HELD;
    if (e->flags & WR_CONN_FLOW)
        wr_table_touch(c, i);
    if (c->opts.final_only)
        return WR_OK; /* the session, too, comes at the end */
    if (crow->action == WR_ACTION_REQUEST && !has.session && !wr_join_is_answered(c, e)) {
        e->due = c->now + c->opts.hold_ns;
        wr_table_wait(c, i, WR_WAIT_HOLD);
        return WR_OK;
    }
    if (crow->action == WR_ACTION_REQUEST)
        return wr_row_settle(c, i);
    if (c->opts.sessions_only)
        crow->state = WR_ROW_OUT; /* for its session alone */
    else
        wr_row_due(c, r, WR_ROW_DUE_INSERT);
    return has.session ? WR_OK : wr_session_add(c, i);
}

/* The event's sensor tells of some connections only. */
static bool is_capped(const struct wr_conn *c, const struct wr_batch *b, uint32_t row)
{
    const struct wr_vec *report = &b->col[WR_DNE_ReportId];
    bool has_report = report->i && wr_vec_valid(report, row);
    return c->opts.capped == WR_CAPPED_YES || (c->opts.capped == WR_CAPPED_AUTO && has_report);
}

/* Any event shows that its device's agent is there. */
static enum wr_err hear(struct wr_conn *c, const struct wr_batch *b, uint32_t row)
{
    const struct wr_str *device = &b->col[WR_DNE_DeviceName].s[row];
    struct wr_who name = {.at = (const uint8_t *)wr_str_data(device), .len = device->len};
    uint8_t addr[16];
    bool v6;
    if (!address_of(b, WR_DNE_LocalIP, row, addr, &v6))
        return WR_OK;
    return wr_agent_heard(c, addr, v6, name, event_time(c, b, row), is_capped(c, b, row));
}

enum wr_err wr_conn_event(struct wr_conn *conn, const struct wr_batch *batch, uint32_t row,
                          int64_t now_ns)
{
    static const struct wr_hash_key digest_key = {0x776569722d657665, 0x6e742d6469676573};
    struct wr_opening open;
    uint32_t i = WR_NONE;
    bool ambiguous = false;
    enum wr_err err = wr_conn_advance(conn, now_ns);
    if (!err)
        err = pack_event(conn, batch, row);
    if (err)
        return err;
    conn->stats.events++;
    conn->seen_event = true;
    if ((err = hear(conn, batch, row)))
        return err;
    if (!opening_of(conn, batch, row, &open)) {
        if (conn->opts.sessions_only)
            return WR_OK;
        err = event_row(conn, WR_NONE, 0, batch, row, &i);
        if (!err)
            wr_row_due(conn, i, WR_ROW_DUE_INSERT);
        return err;
    }
    open.digest = wr_hash(&digest_key, conn->buf.data, conn->buf.len);
    conn->stats.openings++;
    if (conn->nat.naliases || conn->nat.nblocks)
        wr_nat_opening(conn, &open);
    switch (wr_match_opening(conn, &open, &i, &ambiguous)) {
    case WR_OPEN_AGAIN:
        conn->stats.dup_record++;
        return WR_OK;
    case WR_OPEN_NEW:
        err = conn->nat.wild ? wr_nat_claim(conn, &open, &i) : WR_OK;
        if (!err && i == WR_NONE) {
            err = wr_table_add(conn, &open.key, open.opened, &i);
            if (!err && conn->nat.wild)
                err = wr_wild_add(conn, i, open.side);
        }
        break;
    case WR_OPEN_BIND:
        break;
    }
    if (err)
        return err;
    /* adding may have evicted, and that packs images with the same buffer */
    if ((err = pack_event(conn, batch, row)))
        return err;
    if (is_capped(conn, batch, row))
        err = wr_recent_note(conn, &open.key, open.side, open.opened);
    if (!err && wr_entry_at(conn, i)->flags & WR_CONN_FLOW)
        err = wr_join_clock(conn, i, open.device, open.opened + open.skew);
    if (err)
        return err;
    conn->stats.ambiguous += ambiguous;
    if (ambiguous)
        wr_entry_at(conn, i)->flags |= WR_CONN_AMBIGUOUS;
    return bind_event(conn, i, &open, batch, row);
}

static enum wr_err flush(struct wr_conn *conn)
{
    enum wr_err err = end_waits(conn, WR_WAIT_HOLD, INT64_MAX);
    if (!err)
        err = end_waits(conn, WR_WAIT_PAIR, INT64_MAX);
    if (!conn->opts.final_only)
        return err;
    bool nat = conn->nat.naliases || conn->nat.nblocks;
    for (uint32_t i = 0; nat && !err && i < conn->entries.n; i++)
        if (wr_entry_at(conn, i)->lru != WR_LRU_NOT && wr_entry_at(conn, i)->rows == WR_NONE)
            err = wr_nat_settle(conn, i, &(uint32_t){0});
    for (int list = 0; list < WR_NLRU; list++)
        for (uint32_t i = conn->lru[list].head; !err && i != WR_NONE;
             i = wr_entry_at(conn, i)->lru_next) {
            if (wr_entry_at(conn, i)->rows == WR_NONE)
                err = wr_row_orphan(conn, i);
            else
                err = wr_rows_release(conn, i);
        }
    return err;
}

enum wr_err wr_conn_flush(struct wr_conn *conn)
{
    conn->flushing = true;
    enum wr_err err = flush(conn);
    conn->flushing = false;
    return err;
}
