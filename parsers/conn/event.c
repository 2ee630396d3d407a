/* An endpoint's event: which connection it tells of, and its row. */
#include "parsers/conn/conn.h"

#include "parsers/conn/foresee.h"

#include <string.h>

/* The columns of an event that stay with its row; borrowed. */
struct kept {
    const char *at;
    size_t len;
};

static struct kept kept_of(const struct wr_buf *read, const struct wr_told *t)
{
    return (struct kept){.at = t->len ? read->data + t->at : "", .len = t->len};
}

/* Whose event it is, and how far that device's clock is off. */
static enum wr_err opening_clock(struct wr_conn *c, const struct wr_told *t, struct wr_opening *o)
{
    o->opened = t->when - o->skew;
    return wr_clock_name(c, o->device, t->text[WR_TOLD_DEVICE]);
}

/* The name that was asked for, where the event has none. */
static enum wr_err add_asked(struct wr_conn *c, const struct wr_told *t, struct kept *kept)
{
    if (!c->nanswers || !wr_colset_has(&c->kept, WR_DNE_RemoteUrl) || t->text[WR_TOLD_URL].len)
        return WR_OK;
    struct wr_who name = wr_answer_find(c, t->addr[0], t->addr[1], t->v6, t->when);
    if (!name.len)
        return WR_OK;
    wr_buf_reset(&c->buf);
    wr_buf_add(&c->buf, kept->at, kept->len);
    wr_buf_u16(&c->buf, WR_DNE_RemoteUrl);
    wr_buf_blob(&c->buf, name.at, name.len);
    *kept = (struct kept){.at = c->buf.data, .len = c->buf.len};
    return c->buf.err ? WR_ENOMEM : WR_OK;
}

/* What a network sensor's event (Zeek, Suricata) says that the connection carries. */
static enum wr_err add_label(struct wr_conn *c, struct wr_entry *e, const struct wr_who *name)
{
    return c->sessions && name->len ? wr_label_learn(c, e, (const char *)name->at, name->len) : WR_OK;
}

/* The row of an event; of no entry for WR_NONE. */
static enum wr_err event_row(struct wr_conn *c, uint32_t i, uint8_t side, const struct wr_told *t, struct kept kept,
                             uint32_t *ret_r)
{
    enum wr_err err = wr_row_event(c, i, side, kept.at, kept.len, ret_r);
    if (err)
        return err;
    struct wr_crow *r = wr_crow_at(c, *ret_r);
    r->action = t->action;
    r->reported[0] = wr_told_bytes(t, WR_TOLD_SENT);
    r->reported[1] = wr_told_bytes(t, WR_TOLD_RECEIVED);
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

/* The event's row, as its connection's; held for now. */
static enum wr_err opening_row(struct wr_conn *c, uint32_t i, const struct wr_told *t, struct kept kept, uint32_t *ret_r)
{
    const struct wr_opening *open = &t->open;
    enum wr_err err = event_row(c, i, open->side, t, kept, ret_r);
    if (err)
        return err;
    struct wr_crow *crow = wr_crow_at(c, *ret_r);
    crow->opened = open->opened + open->skew;
    crow->skew = open->skew;
    crow->device = open->device;
    crow->told_len = open->len;
    crow->via = open->moved ? WR_VIA_NAT : WR_VIA_TUPLE;
    crow->state = WR_ROW_HELD;
    return WR_OK;
}

/* The row goes to rules, and the connection's session with it unless it is out. */
static enum wr_err release(struct wr_conn *c, uint32_t i, uint32_t r, bool session)
{
    enum wr_err err = WR_OK;
    if (c->opts.sessions_only)
        wr_crow_at(c, r)->state = WR_ROW_OUT; /* for its session alone */
    else
        err = wr_row_due(c, r, WR_ROW_DUE_INSERT);
    return err || session ? err : wr_session_add(c, i);
}

/* What bind_event() does for an entry that this event has made. */
static enum wr_err bind_fresh(struct wr_conn *c, uint32_t i, const struct wr_told *t, struct kept kept)
{
    uint32_t r;
    enum wr_err err = opening_row(c, i, t, kept, &r);
    if (err || c->opts.final_only)
        return err;
    if (t->action != WR_ACTION_REQUEST)
        return release(c, i, r, false);
    wr_table_wait(c, i, WR_WAIT_HOLD, c->now + c->opts.hold_ns);
    return WR_OK;
}

static enum wr_err bind_event(struct wr_conn *c, uint32_t i, const struct wr_told *t, struct kept kept)
{
    const struct wr_opening *open = &t->open;
    struct wr_entry *e = wr_entry_at(c, i);
    struct has has = rows_of(c, e);
    c->stats.matched += (e->flags & WR_CONN_FLOW) && !has.orphan;
    c->stats.late_bind += has.orphan;
    if (has.taken)
        return WR_OK; /* that row is this connection already; its keys cannot change any more */
    uint32_t r;
    drop_request(c, e, open->side);
    enum wr_err err = opening_row(c, i, t, kept, &r);
    if (err)
        return err;
    const struct wr_crow *crow = wr_crow_at(c, r);
    wr_table_unwait(c, i);
    if (e->flags & WR_CONN_FLOW)
        wr_table_touch(c, i);
    if (c->opts.final_only)
        return WR_OK; /* the session, too, comes at the end */
    if (crow->action == WR_ACTION_REQUEST && !has.session && !wr_join_is_answered(c, e)) {
        wr_table_wait(c, i, WR_WAIT_HOLD, c->now + c->opts.hold_ns);
        return WR_OK;
    }
    if (crow->action == WR_ACTION_REQUEST)
        return wr_row_settle(c, i);
    return release(c, i, r, has.session);
}

/* Of something else than a connection's begin: a row of its own. */
static enum wr_err aside(struct wr_conn *c, const struct wr_told *t, struct kept kept)
{
    uint32_t r;
    if (c->opts.sessions_only)
        return WR_OK;
    enum wr_err err = event_row(c, WR_NONE, 0, t, kept, &r);
    if (err)
        return err;
    if ((err = wr_row_due(c, r, WR_ROW_DUE_INSERT)))
        wr_row_free(c, r);
    return err;
}

/* The connection that the event opens; made when there is none (*ret_fresh). WR_NONE: the event was told before. */
static enum wr_err entry_of(struct wr_conn *c, struct wr_told *t, uint32_t *ret_i, bool *ret_ambiguous, bool *ret_fresh)
{
    struct wr_opening *open = &t->open;
    bool alone;
    *ret_fresh = false;
    switch (wr_match_opening(c, open, ret_i, ret_ambiguous, &alone)) {
    case WR_OPEN_AGAIN:
        c->stats.dup_record++;
        *ret_i = WR_NONE;
        return WR_OK;
    case WR_OPEN_BIND:
        return WR_OK;
    default:
        break;
    }
    *ret_fresh = !c->nat.wild;
    if (!c->nat.wild)
        return wr_table_add(c, &open->key, open->hash, open->opened, alone, ret_i);
    enum wr_err err = wr_nat_claim(c, open, ret_i);
    if (err || *ret_i != WR_NONE)
        return err;
    err = wr_table_add(c, &open->key, open->hash, open->opened, false, ret_i);
    return err ? err : wr_wild_add(c, *ret_i, open->side);
}

static enum wr_err take_event(struct wr_conn *c, struct wr_told *t, struct kept kept, int64_t now_ns)
{
    struct wr_opening *open = &t->open;
    uint32_t i;
    bool ambiguous = false, fresh;
    enum wr_err err = now_ns == c->advanced ? WR_OK : wr_conn_advance(c, now_ns);
    if (err)
        return err;
    t->when = wr_told_when(c, t);
    c->stats.events++;
    c->seen_event = true;
    if (t->local && (err = wr_agent_heard(c, t, &open->device, &open->skew)))
        return err;
    if (!t->opens)
        return t->host ? wr_host_event(c, t, kept.at, kept.len) : aside(c, t, kept);
    if ((err = opening_clock(c, t, open)))
        return err;
    open->packed = kept.at;
    open->len = (uint32_t)kept.len;
    c->stats.openings++;
    if (c->nat.naliases || c->nat.nblocks)
        wr_nat_opening(c, open);
    if ((err = entry_of(c, t, &i, &ambiguous, &fresh)) || i == WR_NONE)
        return err;
    if ((err = add_asked(c, t, &kept)) || (err = add_label(c, wr_entry_at(c, i), &t->text[WR_TOLD_APPLICATION])))
        return err;
    if (t->capped)
        err = wr_recent_note(c, &open->key, open->side, open->opened, kept.at, kept.len);
    if (!err && wr_entry_at(c, i)->flags & WR_CONN_FLOW)
        err = wr_join_clock(c, i, open->device, open->opened + open->skew);
    if (err)
        return err;
    c->stats.ambiguous += ambiguous;
    if (ambiguous)
        wr_entry_at(c, i)->flags |= WR_CONN_AMBIGUOUS;
    return fresh ? bind_fresh(c, i, t, kept) : bind_event(c, i, t, kept);
}

enum wr_err wr_conn_event(struct wr_conn *conn, const struct wr_batch *batch, uint32_t row, int64_t now_ns)
{
    struct wr_told told;
    struct wr_buf *kept = &conn->event[0];
    wr_buf_reset(kept);
    enum wr_err err = wr_told_of_row(conn, batch, row, kept, &told);
    if (err)
        return err;
    wr_foresee_told(conn, &told, 1);
    return take_event(conn, &told, kept_of(kept, &told), now_ns);
}

/* Some that are read and foreseen together. */
struct group {
    struct wr_told told[WR_FORESEEN];
    int64_t now[WR_FORESEEN];
    struct wr_foreseen foreseen;
    struct wr_buf *kept;
};

/* The next ones; what is no packed row is left out. */
static enum wr_err read_group(struct wr_conn *c, struct group *g, const struct wr_packed *rows, uint32_t n)
{
    enum wr_err first = WR_OK;
    uint32_t good = 0;
    wr_buf_reset(g->kept);
    for (uint32_t k = 0; k < n && k < WR_FORESEEN; k++) {
        enum wr_err err = wr_told_of_packed(c, &rows[k], g->kept, &g->told[good]);
        g->now[good] = rows[k].now_ns;
        good += !err;
        first = first ? first : err;
    }
    g->foreseen.n = good;
    g->foreseen.step = 0;
    wr_foresee_told(c, g->told, good);
    return first;
}

static enum wr_err take_group(struct wr_conn *c, struct group *g, struct group *next)
{
    enum wr_err first = WR_OK;
    for (uint32_t k = 0, n = g->foreseen.n; k < n; k++) {
        if (k % (WR_FORESEEN / (WR_TOLD_STEPS + 1)) == 0 && k)
            wr_foresee_told_step(c, next->told, &next->foreseen);
        enum wr_err err = take_event(c, &g->told[k], kept_of(g->kept, &g->told[k]), g->now[k]);
        first = first ? first : err;
    }
    return first;
}

enum wr_err wr_conn_events(struct wr_conn *conn, const struct wr_packed *rows, uint32_t n)
{
    struct group group[2], *at = &group[0], *next = &group[1], *swap;
    at->kept = &conn->event[0];
    next->kept = &conn->event[1];
    enum wr_err first = read_group(conn, at, rows, n), err;
    for (int k = 0; k < WR_TOLD_STEPS && n > 1; k++)
        wr_foresee_told_step(conn, at->told, &at->foreseen);
    for (uint32_t done = 0; done < n; done += WR_FORESEEN, swap = at, at = next, next = swap) {
        uint32_t some = n - done < WR_FORESEEN ? n - done : WR_FORESEEN;
        err = read_group(conn, next, rows + done + some, n - done - some);
        first = first ? first : err;
        err = take_group(conn, at, next);
        first = first ? first : err;
    }
    return first;
}
