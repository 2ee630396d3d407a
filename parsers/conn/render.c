/* Rows as rules are to see them now, and the drain that hands them out. */
#include "parsers/conn/table.h"

#include "base/str_short.h"
#include "base/ticks.h"
#include "parsers/conn/address.h"

#include <stdlib.h>
#include <string.h>

static const char *const action_names[] = {"ConnectionSuccess", "ConnectionFailed", "ConnectionAttempt"};

static inline void put_i64(struct wr_batch *b, uint16_t col, uint32_t r, int64_t v)
{
    struct wr_vec *vec = &b->col[col];
    if (!vec->i)
        return;
    vec->i[r] = v;
    wr_vec_set_valid(vec, r);
}

static bool set_text(struct wr_batch *b, uint16_t col, uint32_t r, const char *text)
{
    return wr_batch_set_str(b, col, r, text, strlen(text));
}

/* The columns of a flow-only row. The local side is the initiator. Where no record names the device its address
 * stands for it, so that rules that group by DeviceName keep hosts apart. */
static bool fill_flow_row(struct wr_conn *c, const struct wr_crow *row, struct wr_batch *b,
                          uint32_t r)
{
    const struct wr_conn_key *key = &wr_entry_at(c, row->entry)->key;
    uint8_t local = row->side, remote = !row->side;
    struct wr_who name = wr_who_at(c, row->name[0]), asked = wr_who_at(c, row->name[1]);
    char local_ip[WR_ADDRESS_TEXT], remote_ip[WR_ADDRESS_TEXT], number[8];
    wr_address_text(key->addr[local], key->v6, local_ip);
    wr_address_text(key->addr[remote], key->v6, remote_ip);
    wr_batch_set_i64(b, WR_DNE_Timestamp, r, row->ticks);
    if (!wr_is_icmp(key->proto)) {
        wr_batch_set_i64(b, WR_DNE_LocalPort, r, key->port[local]);
        wr_batch_set_i64(b, WR_DNE_RemotePort, r, key->port[remote]);
    }
    wr_batch_set_i64(b, WR_DNE_EventCount, r, 1);
    return set_text(b, WR_DNE_ActionType, r, action_names[row->action]) &&
           (name.len ? wr_batch_set_str(b, WR_DNE_DeviceName, r, (const char *)name.at, name.len)
                     : set_text(b, WR_DNE_DeviceName, r, local_ip)) &&
           (!asked.len || wr_batch_set_str(b, WR_DNE_RemoteUrl, r, (const char *)asked.at, asked.len)) &&
           set_text(b, WR_DNE_LocalIP, r, local_ip) && set_text(b, WR_DNE_RemoteIP, r, remote_ip) &&
           set_text(b, WR_DNE_LocalIPType, r, wr_address_type(key->addr[local], key->v6)) &&
           set_text(b, WR_DNE_RemoteIPType, r, wr_address_type(key->addr[remote], key->v6)) &&
           set_text(b, WR_DNE_Protocol, r, wr_protocol_text(key->proto, number)) &&
           set_text(b, WR_DNE_Type, r,
                    row->table == WR_DUE_ORPHANS ? "FlowOrphans" : "DeviceNetworkEvents") &&
           wr_who_fill(c, wr_entry_at(c, row->entry), local, b, r);
}

/* How far the row is to be trusted. */
static bool fill_marks(const struct wr_conn *c, const struct wr_crow *row, struct wr_batch *b, uint32_t r)
{
    if (b->col[WR_DNE_BytesEstimated].i)
        put_i64(b, WR_DNE_BytesEstimated, r, wr_count_estimated(c, wr_entry_at(c, row->entry)));
    return (!b->col[WR_DNE_MatchQuality].s || set_text(b, WR_DNE_MatchQuality, r, wr_quality_text(wr_row_quality(c, row)))) &&
           (!b->col[WR_DNE_DirectionSource].s || set_text(b, WR_DNE_DirectionSource, r, wr_why_text(row->why)));
}

/* Where a batch has the columns that events tell: looked up once a batch, not once a row. */
struct place {
    char *at;        /* values of 8 bytes, or struct wr_str; NULL: the batch does not have it */
    uint64_t *valid; /* NULL: never null */
    bool text;
};
struct places {
    struct place col[WR_DNE_NCOLS]; /* set for those of c->kept */
};

static void find_places(const struct wr_conn *c, const struct wr_batch *out, struct places *ret)
{
    for (size_t w = 0; w < sizeof c->kept.bits / sizeof *c->kept.bits; w++)
        for (uint64_t todo = c->kept.bits[w]; todo; todo &= todo - 1) {
            size_t col = w * 64 + (unsigned)__builtin_ctzll(todo);
            const struct wr_vec *v = &out->col[col];
            ret->col[col] = (struct place){.at = v->s ? (char *)v->s : v->i ? (char *)v->i : (char *)v->r,
                                           .valid = v->valid,
                                           .text = wr_told_is_text(c, (uint16_t)col)};
        }
}

/* What wr_row_unpack() does, for bytes that were checked when they came to stand here: columns of DeviceNetworkEvents. Texts are
 * borrowed from `packed`, of which WR_STR_INLINE bytes behind the end may be read. */
static void unpack(const struct places *places, const char *packed, size_t len, uint32_t r)
{
    const uint8_t *at = (const uint8_t *)packed, *end = at + len;
    while (at < end) {
        const struct place *p = &places->col[at[0] | at[1] << 8];
        if (p->text) {
            uint32_t n = wr_le32(at + 2);
            const char *text = (const char *)at + 6;
            at += 6 + n;
            if (!p->at)
                continue;
            struct wr_str *s = (struct wr_str *)p->at + r;
            *s = n <= WR_STR_INLINE ? wr_str_short(text, n) : wr_str_borrow(text, n);
        } else {
            uint64_t bits = wr_le64(at + 2);
            at += 10;
            if (!p->at)
                continue;
            memcpy(p->at + r * sizeof bits, &bits, sizeof bits);
        }
        if (p->valid)
            p->valid[r / 64] |= UINT64_C(1) << (r % 64);
    }
}

/* The columns that an event told, or an image has. A row that is gone when the batch is read leaves a copy of its texts. */
static enum wr_err render_packed(const struct wr_crow *row, struct wr_batch *out, const struct places *places)
{
    if (row->table > WR_DUE_ORPHANS)
        return wr_row_unpack(out, row->packed, row->len);
    const char *packed = row->packed;
    if (row->entry == WR_NONE && row->len) {
        char *copy = wr_arena_bytes_alloc(out->arena, row->len + WR_STR_INLINE);
        if (!copy)
            return WR_ENOMEM;
        packed = memcpy(copy, row->packed, row->len);
    }
    unpack(places, packed, row->len, wr_batch_row(out));
    return WR_OK;
}

/* What moves. */
static bool fill_now(const struct wr_conn *c, const struct wr_crow *row, struct wr_batch *out, uint32_t r, const int64_t bytes[2])
{
    static const uint16_t now_col[2] = {WR_DNE_SentBytes, WR_DNE_ReceivedBytes};
    static const uint16_t prev_col[2] = {WR_DNE__PrevSentBytes, WR_DNE__PrevReceivedBytes};
    bool amend = row->state == WR_ROW_DUE_AMEND;
    put_i64(out, WR_DNE__RowId, r, (int64_t)row->id);
    put_i64(out, WR_DNE__Amend, r, (amend ? WR_ROW_AMENDS : 0) | (c->giving_up ? WR_ROW_GIVEN_UP : 0));
    for (int d = 0; d < 2; d++) {
        if (bytes[d] >= 0)
            put_i64(out, now_col[d], r, bytes[d]);
        if (amend && row->emitted[d] >= 0)
            put_i64(out, prev_col[d], r, row->emitted[d]);
    }
    return row->entry == WR_NONE || fill_marks(c, row, out, r);
}

/* Appends the row, which has sent and received `bytes`. WR_ROW_IMAGE is complete as packed. */
static enum wr_err render(struct wr_conn *c, const struct wr_crow *row, struct wr_batch *out, const struct places *places,
                          const int64_t bytes[2])
{
    bool ok = true;
    if (row->table == WR_DUE_SESSIONS && !row->packed)
        return wr_session_render(c, row, out);
    if (row->packed) {
        enum wr_err err = render_packed(row, out, places);
        if (err || row->state == WR_ROW_IMAGE)
            return err;
        if (row->action == WR_ACTION_RAISED)
            ok = set_text(out, WR_DNE_ActionType, out->nrows - 1, action_names[WR_ACTION_SUCCESS]);
    } else {
        ok = fill_flow_row(c, row, out, wr_batch_row(out));
    }
    if (ok && fill_now(c, row, out, out->nrows - 1, bytes))
        return WR_OK;
    wr_batch_unrow(out);
    return WR_ENOMEM;
}

enum wr_err wr_row_render(struct wr_conn *c, const struct wr_crow *row, struct wr_batch *out)
{
    struct places places;
    int64_t bytes[2];
    if (row->table <= WR_DUE_ORPHANS)
        find_places(c, out, &places);
    wr_row_bytes(c, row, bytes);
    return render(c, row, out, &places, bytes);
}

/* After rules have taken a row: what they know from now on. */
static void settle(struct wr_conn *c, uint32_t r, const int64_t bytes[2])
{
    struct wr_crow *row = wr_crow_at(c, r);
    if (row->state == WR_ROW_IMAGE) {
        wr_row_free(c, r);
        return;
    }
    c->stats.inserts += row->state == WR_ROW_DUE_INSERT;
    c->stats.amends += row->state == WR_ROW_DUE_AMEND;
    if (row->table == WR_DUE_SESSIONS)
        wr_session_told(c, row);
    else
        memcpy(row->emitted, bytes, sizeof row->emitted);
    if (c->tells_quality && row->entry != WR_NONE)
        row->told_quality = wr_row_quality(c, row);
    row->state = WR_ROW_OUT;
    if (row->entry == WR_NONE)
        wr_row_free(c, r);
}

const enum wr_table wr_conn_tables[WR_CONN_TABLES] = {
    WR_TABLE_DEVICE_NETWORK_EVENTS, WR_TABLE_FLOW_ORPHANS,     WR_TABLE_ASIM_NETWORK_SESSION_LOGS,
    WR_TABLE_UNMANAGED_DEVICE,      WR_TABLE_HIDDEN_CONNECTION, WR_TABLE_AGENT_SILENT};

/* Rows are in no cache by the time rules get them: each is asked for in time, and what it tells once it is there. */
enum { ROW_AHEAD = 24, REST_AHEAD = 12 };

static inline void foresee_row(const struct wr_conn *c, const struct wr_queue *q, uint32_t k)
{
    if (k < q->n)
        wr_foresee_crow(c, q->at[k]);
}

static inline void foresee_rest(const struct wr_conn *c, const struct wr_queue *q, uint32_t k)
{
    if (k >= q->n)
        return;
    const struct wr_crow *row = wr_crow_at(c, q->at[k]);
    for (uint32_t at = 0; row->packed && at < row->len; at += 64)
        __builtin_prefetch(row->packed + at);
    if (row->entry == WR_NONE)
        return;
    const struct wr_entry *e = wr_entry_at(c, row->entry);
    __builtin_prefetch(&e->start);
    if (!row->packed || c->tells_quality)
        __builtin_prefetch(e);
}

/* A queue that was long once need not keep its memory. */
static void empty(struct wr_queue *q)
{
    enum { SMALL = 16384 };
    if (q->cap > SMALL) {
        free(q->at);
        *q = (struct wr_queue){0};
    }
    q->head = q->n = 0;
}

uint32_t wr_conn_drain(struct wr_conn *conn, enum wr_table table, struct wr_batch *out)
{
    static const uint8_t due[WR_NTABLES] = {[WR_TABLE_FLOW_ORPHANS] = WR_DUE_ORPHANS,
                                            [WR_TABLE_ASIM_NETWORK_SESSION_LOGS] = WR_DUE_SESSIONS,
                                            [WR_TABLE_UNMANAGED_DEVICE] = WR_DUE_UNMANAGED,
                                            [WR_TABLE_HIDDEN_CONNECTION] = WR_DUE_HIDDEN,
                                            [WR_TABLE_AGENT_SILENT] = WR_DUE_SILENT};
    struct wr_queue *q = &conn->due[due[table]]; /* 0 of all others is DeviceNetworkEvents */
    struct places places;
    uint32_t first = q->head;
    if (first == q->n)
        return 0;
    if (due[table] <= WR_DUE_ORPHANS)
        find_places(conn, out, &places);
    for (uint32_t k = 0; k < ROW_AHEAD; k++)
        foresee_row(conn, q, first + k);
    for (uint32_t k = 0; k < REST_AHEAD; k++)
        foresee_rest(conn, q, first + k);
    for (; out->nrows < out->cap && q->head < q->n; q->head++) {
        const uint32_t r = q->at[q->head];
        const struct wr_crow *row = wr_crow_at(conn, r);
        int64_t bytes[2];
        foresee_row(conn, q, q->head + ROW_AHEAD);
        foresee_rest(conn, q, q->head + REST_AHEAD);
        wr_row_bytes(conn, row, bytes);
        if (render(conn, row, out, &places, bytes))
            break;
        settle(conn, r, bytes);
    }
    uint32_t n = q->head - first;
    if (q->head == q->n)
        empty(q);
    return n;
}
