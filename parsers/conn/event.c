/* An endpoint's event: which connection it tells of, and its row. */
#include "parsers/conn/conn.h"

#include "base/ticks.h"
#include "parsers/conn/address.h"
#include "parsers/conn/table.h"

#include <string.h>

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
    uint16_t lport = 0, rport = 0;
    bool lv6, rv6, opens = false;
    *ret_o = (struct wr_opening){.opened = event_time(c, b, row)};
    for (size_t i = 0; action->s && i < sizeof opening / sizeof *opening; i++)
        opens |= text_is(&action->s[row], opening[i]);
    if (!opens || !proto->s || !address_of(b, WR_DNE_LocalIP, row, local, &lv6) ||
        !address_of(b, WR_DNE_RemoteIP, row, remote, &rv6) || lv6 != rv6 ||
        !wr_protocol_parse(wr_str_data(&proto->s[row]), proto->s[row].len, &ret_o->key.proto))
        return false;
    if (!wr_is_icmp(ret_o->key.proto) &&
        (!port_of(b, WR_DNE_LocalPort, row, &lport) || !port_of(b, WR_DNE_RemotePort, row, &rport)))
        return false;
    uint8_t proto_number = ret_o->key.proto;
    ret_o->side = wr_key_make(&ret_o->key, local, lport, remote, rport, proto_number, lv6);
    return true;
}

/* Whose event it is, and how far that device's clock is off. */
static enum wr_err opening_clock(struct wr_conn *c, const struct wr_batch *b, uint32_t row, struct wr_opening *o)
{
    const struct wr_str *device = &b->col[WR_DNE_DeviceName].s[row];
    o->device = device->len ? wr_clock_device(wr_str_data(device), device->len) : 0;
    o->skew = wr_clock_skew(c, o->device);
    o->opened -= o->skew;
    return wr_clock_name(c, o->device, (struct wr_who){(const uint8_t *)wr_str_data(device), device->len});
}

/* Packs the columns that rules want: an event is kept as long as its connection. */
static enum wr_err pack_event(struct wr_conn *c, const struct wr_batch *b, uint32_t row)
{
    wr_buf_reset(&c->event);
    wr_row_pack_some(b, row, &c->kept_seen, &c->event);
    return c->event.err ? WR_ENOMEM : WR_OK;
}

/* What makes rows takes them from c->buf. */
static void hand_over(struct wr_conn *c)
{
    struct wr_buf t = c->buf;
    c->buf = c->event;
    c->event = t;
}

/* The name that was asked for, where the event has none. */
static enum wr_err add_asked(struct wr_conn *c, const struct wr_batch *b, uint32_t row)
{
    const struct wr_vec *url = &b->col[WR_DNE_RemoteUrl];
    uint8_t local[16], remote[16];
    bool lv6, rv6;
    if (!c->nanswers || !wr_colset_has(&c->kept, WR_DNE_RemoteUrl) || (url->s && url->s[row].len) ||
        !address_of(b, WR_DNE_LocalIP, row, local, &lv6) || !address_of(b, WR_DNE_RemoteIP, row, remote, &rv6))
        return WR_OK;
    struct wr_who name = wr_answer_find(c, local, remote, rv6, event_time(c, b, row));
    if (name.len) {
        wr_buf_u16(&c->buf, WR_DNE_RemoteUrl);
        wr_buf_blob(&c->buf, name.at, name.len);
    }
    return c->buf.err ? WR_ENOMEM : WR_OK;
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

/* `*` in the pattern stands for any text; case does not matter. */
static bool matches(const char *pattern, const char *text, size_t len)
{
    const char *star = NULL, *end = text + len, *resume = NULL;
    while (text < end) {
        char p = *pattern, t = *text;
        p = p >= 'A' && p <= 'Z' ? (char)(p + 32) : p;
        t = t >= 'A' && t <= 'Z' ? (char)(t + 32) : t;
        if (p == '*') {
            star = ++pattern;
            resume = text;
        } else if (p && p == t) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = ++resume;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

/* The event's sensor tells of some connections only. */
static bool is_capped(const struct wr_conn *c, const struct wr_batch *b, uint32_t row)
{
    const struct wr_vec *report = &b->col[WR_DNE_ReportId];
    bool has_report = report->i && wr_vec_valid(report, row);
    const struct wr_str *device = &b->col[WR_DNE_DeviceName].s[row];
    for (uint32_t i = 0; i < c->opts.ncapped_devices; i++)
        if (matches(c->opts.capped_devices[i], wr_str_data(device), device->len))
            return true;
    return c->opts.capped == WR_CAPPED_YES || (c->opts.capped == WR_CAPPED_AUTO && has_report);
}

/* Any event shows that its device's agent is there. */
static enum wr_err hear(struct wr_conn *c, const struct wr_batch *b, uint32_t row, const struct wr_opening *open)
{
    const struct wr_str *device = &b->col[WR_DNE_DeviceName].s[row];
    struct wr_who name = {.at = (const uint8_t *)wr_str_data(device), .len = device->len};
    uint8_t addr[16];
    bool v6, capped = is_capped(c, b, row);
    if (open)
        return wr_agent_heard(c, open->key.addr[open->side], open->key.v6, name, event_time(c, b, row), capped);
    if (!address_of(b, WR_DNE_LocalIP, row, addr, &v6))
        return WR_OK;
    return wr_agent_heard(c, addr, v6, name, event_time(c, b, row), capped);
}

/* Of something else than a connection's begin: a row of its own. */
static enum wr_err aside(struct wr_conn *c, const struct wr_batch *b, uint32_t row)
{
    uint32_t r;
    if (c->opts.sessions_only)
        return WR_OK;
    hand_over(c);
    enum wr_err err = event_row(c, WR_NONE, 0, b, row, &r);
    if (!err)
        wr_row_due(c, r, WR_ROW_DUE_INSERT);
    return err;
}

enum wr_err wr_conn_event(struct wr_conn *conn, const struct wr_batch *batch, uint32_t row,
                          int64_t now_ns)
{
    struct wr_opening open;
    uint32_t i = WR_NONE;
    bool ambiguous = false;
    enum wr_err err = wr_conn_advance(conn, now_ns);
    bool opens = !err && opening_of(conn, batch, row, &open);
    if (opens) { /* by the time that it is packed these are there */
        wr_table_foresee_key(conn, &open.key);
        wr_agent_foresee(conn, open.key.addr[open.side]);
    }
    if (!err)
        err = pack_event(conn, batch, row);
    if (err)
        return err;
    conn->stats.events++;
    conn->seen_event = true;
    if ((err = hear(conn, batch, row, opens ? &open : NULL)))
        return err;
    if (!opens)
        return aside(conn, batch, row);
    if ((err = opening_clock(conn, batch, row, &open)))
        return err;
    open.digest = wr_xxh64(0, conn->event.data, conn->event.len); /* only knows the same event again */
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
    hand_over(conn); /* not before: adding may have evicted, and that packs images */
    if ((err = add_asked(conn, batch, row)))
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
