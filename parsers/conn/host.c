/* Events that do not tell their own end: an audited connect(2) says who connected where, not from which address and port; a
 * socket that was not bound yet has none. Of such an event the host is known by its name, so it stands in an entry
 *
 *      (name of the host, its time by 2 s) <-> (remote address, port)          of no protocol, marked in the key
 *
 * that no record can have; at most 32 of a key can be found. A flow that no event explains asks at the end of its wait which host has either of its addresses
 * (agent.c: its agent's other events, flow records, DHCP, the names file) and what that host told of the other end at about
 * the flow's begin. One process: its row becomes the flow's, MatchQuality "host". Several that differ in what rules read: none
 * is taken, counted host_ambiguous, and the flow is not called hidden. The entry stays until its time is over, without its row: another process that is told of
 * late, or a second flow for one event, make the match "ambiguous".
 *
 * The event's row does not wait for that: rules see it at once, and its bytes as an amendment. Its own end stays empty then, for keys
 * never change; a request, which has to wait anyway, gets it from the flow. */
#include "parsers/conn/table.h"

#include "parsers/conn/address.h"

#include <string.h>

/* Fields of such an entry that have another use: tcp[0] the protocol that was told (0: none), syn_start[0] the local port
 * (0: none), bytes_known and bytes[0] 1 and the id of the row that a flow took, initiator 1: others of its key, which its chain
 * may have lost, were another process. */
enum { TAKEN = 1, LABEL_MAX = 63 };
#define PIECE (2 * WR_SECOND)
enum { REACH = (WR_OPEN_SLACK + PIECE - 1) / PIECE }; /* so many pieces each way may hold what is within 5 s */

/* What a host is called by, whatever its case and domain. */
static uint32_t host_of(struct wr_who name)
{
    char text[LABEL_MAX + 1];
    uint8_t addr[16];
    bool v6;
    size_t n = name.len < sizeof text ? name.len : sizeof text;
    bool address = wr_address_parse((const char *)name.at, name.len, addr, &v6);
    for (size_t i = 0; i < n; i++) {
        if (name.at[i] == '.' && !address)
            n = i;
        else
            text[i] = wr_ascii_lower((char)name.at[i]);
    }
    return wr_clock_device(text, n);
}

struct place {
    uint32_t host;
    const uint8_t *addr; /* the other end */
    bool v6;
    uint16_t port;
};

static struct wr_conn_key key_of(const struct place *p, int64_t piece, uint8_t *ret_side)
{
    uint8_t own[16] = {0}, peer[16] = {[10] = 0xff, [11] = 0xff};
    struct wr_conn_key key;
    for (int i = 0; i < 4; i++)
        own[12 + i] = (uint8_t)(p->host >> (24 - 8 * i));
    memcpy(p->v6 ? peer : peer + 12, p->addr, p->v6 ? 16 : 4);
    *ret_side = wr_key_make(&key, own, (uint16_t)piece, peer, p->port, 0, true);
    key.pad[1] = 1;
    return key;
}

static bool is_taken(const struct wr_entry *e)
{
    return e->bytes_known;
}

/* The event's row, wherever it is now; NULL: it has gone, or its connection. */
static const struct wr_crow *row_of(const struct wr_conn *c, const struct wr_entry *e)
{
    uint32_t r = is_taken(e) ? wr_id_find(c, e->bytes[0]) : e->rows;
    const struct wr_crow *row = r == WR_NONE ? NULL : wr_crow_at(c, r);
    return row && row->packed && row->entry != WR_NONE ? row : NULL;
}

static int64_t apart(int64_t a, int64_t b)
{
    return a > b ? a - b : b - a;
}

/* ---- one process or several ---------------------------------------------------------------------
 */

/* What the event told, column by column: they stand in order. */
struct cols {
    const uint8_t *at, *end;
};

static struct cols cols_of(const struct wr_crow *row)
{
    const uint8_t *at = (const uint8_t *)row->packed;
    return (struct cols){at, at + (row->told_len <= row->len ? row->told_len : row->len)};
}

/* The next that two events of one process have in common; its length, or 0. */
static size_t next_col(const struct wr_conn *c, struct cols *cols, const uint8_t **ret_at)
{
    while (cols->end - cols->at >= 6) {
        uint16_t col = (uint16_t)(cols->at[0] | cols->at[1] << 8);
        size_t n = wr_told_is_text(c, col) ? 6 + (size_t)wr_le32(cols->at + 2) : 10;
        if (n > (size_t)(cols->end - cols->at))
            break;
        *ret_at = cols->at;
        cols->at += n;
        if (col != WR_DNE_Timestamp && col != WR_DNE_ReportId && col != WR_DNE_ActionType)
            return n;
    }
    return 0;
}

/* Two rows that say the same of who connected, as far as rules can see. */
static bool same_process(const struct wr_conn *c, const struct wr_crow *a, const struct wr_crow *b)
{
    struct cols x = cols_of(a), y = cols_of(b);
    const uint8_t *p = NULL, *q = NULL;
    size_t n;
    do {
        n = next_col(c, &x, &p);
        if (n != next_col(c, &y, &q) || (n && memcmp(p, q, n) != 0))
            return false;
    } while (n);
    return true;
}

/* ---- the event ----------------------------------------------------------------------------------
 */

/* The row that a flow took may be another process'. */
static enum wr_err doubt(struct wr_conn *c, const struct wr_entry *taken)
{
    const struct wr_crow *row = row_of(c, taken);
    if (!row)
        return WR_OK;
    struct wr_entry *e = wr_entry_at(c, row->entry);
    if (e->flags & WR_CONN_AMBIGUOUS)
        return WR_OK;
    e->flags |= WR_CONN_AMBIGUOUS;
    c->stats.host_ambiguous++;
    return wr_rows_changed(c, e);
}

/* Compares the new event with those of this host and remote end that are there. */
static enum wr_err look_back(struct wr_conn *c, const struct place *p, uint32_t i)
{
    struct wr_entry *e = wr_entry_at(c, i);
    const struct wr_crow *row = row_of(c, e);
    enum wr_err err = WR_OK;
    uint8_t side;
    for (int64_t piece = e->start / PIECE - 2 * REACH; !err && piece <= e->start / PIECE + 2 * REACH; piece++) {
        struct wr_conn_key key = key_of(p, piece, &side);
        bool same = wr_key_same(&key, &e->key);
        for (uint32_t k = wr_table_newest(c, &key); !err && k != WR_NONE; k = wr_entry_at(c, k)->older) {
            const struct wr_entry *other = wr_entry_at(c, k);
            const struct wr_crow *was = k == i ? NULL : row_of(c, other);
            bool differ = was && !same_process(c, row, was);
            if (same && k != i && (differ || other->initiator))
                e->initiator = 1;
            if (differ && is_taken(other) && apart(e->start, wr_entry_at(c, was->entry)->start) <= WR_OPEN_SLACK)
                err = doubt(c, other);
        }
    }
    return err;
}

static bool is_again(const struct wr_conn *c, const struct wr_entry *e, const struct wr_told *t, const char *kept)
{
    const struct wr_crow *row = row_of(c, e);
    return row && row->opened == t->when && row->told_len == t->len &&
           memcmp(row->packed, kept, t->len) == 0;
}

enum wr_err wr_host_event(struct wr_conn *c, const struct wr_told *t, const char *kept, size_t len)
{
    struct wr_who name = t->text[WR_TOLD_DEVICE];
    struct place place = {host_of(name), t->addr[1], t->v6, (uint16_t)t->number[WR_TOLD_REMOTE_PORT]};
    uint32_t i, r, device = wr_clock_device((const char *)name.at, name.len);
    int64_t skew = wr_clock_skew(c, device, &(uint32_t){WR_NONE});
    uint8_t side;
    struct wr_conn_key key = key_of(&place, (t->when - skew) / PIECE, &side);
    uint32_t hash = wr_table_hash(c, &key);
    for (i = wr_table_newest_of(c, &key, hash); i != WR_NONE; i = wr_entry_at(c, i)->older)
        if (is_again(c, wr_entry_at(c, i), t, kept)) {
            c->stats.dup_record++;
            return WR_OK;
        }
    enum wr_err err = wr_table_add(c, &key, hash, t->when - skew, false, &i);
    if (!err)
        err = wr_row_event(c, i, side, kept, len, &r);
    if (err)
        return err;
    struct wr_entry *e = wr_entry_at(c, i);
    e->tcp[0] = t->proto;
    e->syn_start[0] = t->local_port;
    struct wr_crow *row = wr_crow_at(c, r);
    row->action = t->action;
    row->reported[0] = wr_told_bytes(t, WR_TOLD_SENT);
    row->reported[1] = wr_told_bytes(t, WR_TOLD_RECEIVED);
    row->opened = t->when;
    row->skew = skew;
    row->device = device;
    row->told_len = t->len;
    row->via = WR_VIA_HOST;
    row->state = WR_ROW_HELD;
    c->hosts = true;
    err = look_back(c, &place, i);
    if (err || c->opts.final_only)
        return err;
    if (row->action == WR_ACTION_REQUEST)
        wr_table_wait(c, i, WR_WAIT_HOLD, c->now + c->opts.hold_ns);
    else if (c->opts.sessions_only)
        row->state = WR_ROW_OUT;
    else
        return wr_row_due(c, r, WR_ROW_DUE_INSERT);
    return WR_OK;
}

/* ---- the flow -----------------------------------------------------------------------------------
 */

struct found {
    uint32_t best, taken; /* WR_NONE: none */
    bool several;
};

/* Whether the event may be the flow's, and better than what was found. */
static void consider(const struct wr_conn *c, const struct wr_entry *e, uint8_t side, uint32_t k, struct found *f)
{
    const struct wr_entry *h = wr_entry_at(c, k);
    if (apart(h->start, e->start) > WR_OPEN_SLACK || (h->tcp[0] && h->tcp[0] != e->key.proto) ||
        (h->syn_start[0] && h->syn_start[0] != e->key.port[side]))
        return;
    if (is_taken(h)) {
        f->taken = k;
        return;
    }
    f->several |= f->best != WR_NONE && !same_process(c, row_of(c, h), row_of(c, wr_entry_at(c, f->best)));
    if (f->best == WR_NONE || apart(h->start, e->start) < apart(wr_entry_at(c, f->best)->start, e->start))
        f->best = k;
}

/* Events of the host at that end of the flow, of the other end, at about its begin. */
static struct found find(const struct wr_conn *c, const struct wr_entry *e, uint8_t side)
{
    struct found f = {WR_NONE, WR_NONE, false};
    struct wr_who name = wr_agent_name(c, e->key.addr[side], e->key.v6, e->start);
    char text[WR_ADDRESS_TEXT];
    uint8_t own;
    if (!name.len) {
        wr_address_text(e->key.addr[side], e->key.v6, text);
        name = (struct wr_who){(const uint8_t *)text, (uint32_t)strlen(text)};
    }
    struct place place = {host_of(name), e->key.addr[!side], e->key.v6, e->key.port[!side]};
    bool lost = false;
    for (int64_t piece = e->start / PIECE - REACH; piece <= e->start / PIECE + REACH; piece++) {
        struct wr_conn_key key = key_of(&place, piece, &own);
        uint32_t n = 0;
        bool mixed = false;
        for (uint32_t k = wr_table_newest(c, &key); k != WR_NONE; k = wr_entry_at(c, k)->older) {
            consider(c, e, side, k, &f);
            mixed |= wr_entry_at(c, k)->initiator;
            n++;
        }
        lost |= mixed && n == WR_HOST_CHAIN_MAX; /* what the chain has lost may be another process */
    }
    f.several |= f.best != WR_NONE && lost;
    return f;
}

bool wr_host_tells(const struct wr_conn *c, const struct wr_entry *e)
{
    return find(c, e, 0).best != WR_NONE || find(c, e, 1).best != WR_NONE;
}

static void put_text(struct wr_conn *c, uint16_t col, const char *text)
{
    if (!wr_colset_has(&c->kept, col))
        return;
    wr_buf_u16(&c->buf, col);
    wr_buf_blob(&c->buf, text, (uint32_t)strlen(text));
}

/* The event's own end, from the flow, behind what it told. */
static enum wr_err add_own_end(struct wr_conn *c, struct wr_crow *row, const struct wr_conn_key *key, uint8_t side)
{
    char local[WR_ADDRESS_TEXT], number[8];
    wr_address_text(key->addr[side], key->v6, local);
    wr_buf_reset(&c->buf);
    wr_buf_add(&c->buf, row->packed, row->len);
    put_text(c, WR_DNE_LocalIP, local);
    put_text(c, WR_DNE_LocalIPType, wr_address_type(key->addr[side], key->v6));
    put_text(c, WR_DNE_Protocol, wr_protocol_text(key->proto, number));
    if (wr_colset_has(&c->kept, WR_DNE_LocalPort)) {
        wr_buf_u16(&c->buf, WR_DNE_LocalPort);
        wr_buf_u64(&c->buf, key->port[side]);
    }
    char *packed = c->buf.err ? NULL : wr_slab_take(&c->pieces, c->buf.len);
    if (!packed)
        return WR_ENOMEM;
    memcpy(packed, c->buf.data, c->buf.len);
    wr_slab_give(&c->pieces, row->packed, row->len);
    row->packed = packed;
    row->len = (uint32_t)c->buf.len;
    return WR_OK;
}

/* The event's row becomes the flow's. */
static enum wr_err take(struct wr_conn *c, uint32_t i, uint8_t side, uint32_t k)
{
    struct wr_entry *e = wr_entry_at(c, i), *from = wr_entry_at(c, k);
    struct wr_crow *row = wr_crow_at(c, from->rows);
    enum wr_err err = WR_OK;
    if (row->state == WR_ROW_HELD && row->action == WR_ACTION_REQUEST)
        err = add_own_end(c, row, &e->key, side);
    if (!err)
        err = wr_agent_spoke(c, e->key.addr[side], e->key.v6, from->start);
    if (err)
        return err;
    wr_table_unwait(c, k);
    row->entry = i;
    row->side = side;
    row->next = e->rows;
    e->rows = from->rows;
    from->rows = WR_NONE;
    from->bytes_known = TAKEN;
    from->bytes[0] = row->id;
    c->stats.connections--;
    c->stats.matched++;
    c->stats.host++;
    return WR_OK;
}

enum wr_err wr_host_join(struct wr_conn *c, uint32_t i, bool *ret_joined, bool *ret_several)
{
    struct wr_entry *e = wr_entry_at(c, i);
    enum wr_err err = WR_OK;
    *ret_joined = *ret_several = false;
    for (uint8_t side = 0; side < 2 && !err; side++) {
        struct found f = find(c, e, side);
        *ret_several |= f.several;
        if (f.several)
            continue;
        if (f.best != WR_NONE) {
            err = take(c, i, side, f.best);
            *ret_joined |= !err;
        } else if (f.taken != WR_NONE) {
            err = doubt(c, wr_entry_at(c, f.taken));
        }
    }
    if (err || !*ret_joined)
        return err;
    wr_table_unwait(c, i);
    uint64_t before = c->next_id;
    err = wr_rows_release(c, i);
    if (!err && c->next_id == before)
        err = wr_session_add(c, i);
    return err ? err : wr_rows_changed(c, e);
}
