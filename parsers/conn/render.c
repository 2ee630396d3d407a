/* Rows as rules are to see them now, and the drain that hands them out. */
#include "parsers/conn/table.h"

#include "base/str_short.h"
#include "base/ticks.h"
#include "parsers/conn/address.h"

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

/* A copy of `n` bytes that lives as long as the batch; NULL when out of memory. */
static const char *copy_of(struct wr_batch *b, const char *bytes, size_t n)
{
    char *copy = wr_arena_bytes_alloc(b->arena, n);
    if (copy)
        memcpy(copy, bytes, n);
    return copy;
}

/* What wr_row_unpack() does, for bytes that were checked when they came to stand here: columns of DeviceNetworkEvents. */
static bool unpack(const struct wr_conn *c, const struct wr_crow *row, struct wr_batch *out, uint32_t r)
{
    const uint8_t *at = (const uint8_t *)row->packed, *end = at + row->len;
    ptrdiff_t moved = 0; /* from there to the copy */
    bool copied = false;
    while (at < end) {
        uint16_t col = (uint16_t)(at[0] | at[1] << 8);
        struct wr_vec *v = &out->col[col];
        if (!wr_told_is_text(c, col)) {
            uint64_t bits = wr_le64(at + 2);
            at += 10;
            if (v->i) {
                memcpy(&v->i[r], &bits, sizeof bits);
                wr_vec_set_valid(v, r);
            } else if (v->r) {
                memcpy(&v->r[r], &bits, sizeof bits);
                wr_vec_set_valid(v, r);
            }
            continue;
        }
        uint32_t len = wr_le32(at + 2);
        const uint8_t *text = at + 6;
        at = text + len;
        if (!v->s)
            continue;
        wr_vec_set_valid(v, r);
        if (len <= WR_STR_INLINE) {
            v->s[r] = end - text >= WR_STR_INLINE ? wr_str_short((const char *)text, len) : wr_str_borrow((const char *)text, len);
            continue;
        }
        if (!copied) {
            const char *copy = copy_of(out, (const char *)text, (size_t)(end - text));
            if (!copy)
                return false;
            moved = copy - (const char *)text;
            copied = true;
        }
        v->s[r] = wr_str_borrow((const char *)text + moved, len);
    }
    return true;
}

/* The columns that an event told, or an image has. */
static enum wr_err render_packed(const struct wr_conn *c, const struct wr_crow *row, struct wr_batch *out)
{
    if (row->table > WR_DUE_ORPHANS)
        return wr_row_unpack(out, row->packed, row->len);
    if (unpack(c, row, out, wr_batch_row(out)))
        return WR_OK;
    wr_batch_unrow(out);
    return WR_ENOMEM;
}

/* What moves. */
static bool fill_now(const struct wr_conn *c, const struct wr_crow *row, struct wr_batch *out, uint32_t r)
{
    static const uint16_t now_col[2] = {WR_DNE_SentBytes, WR_DNE_ReceivedBytes};
    static const uint16_t prev_col[2] = {WR_DNE__PrevSentBytes, WR_DNE__PrevReceivedBytes};
    bool amend = row->state == WR_ROW_DUE_AMEND;
    int64_t bytes[2];
    wr_row_bytes(c, row, bytes);
    put_i64(out, WR_DNE__RowId, r, (int64_t)row->id);
    put_i64(out, WR_DNE__Amend, r, amend);
    for (int d = 0; d < 2; d++) {
        if (bytes[d] >= 0)
            put_i64(out, now_col[d], r, bytes[d]);
        if (amend && row->emitted[d] >= 0)
            put_i64(out, prev_col[d], r, row->emitted[d]);
    }
    return row->entry == WR_NONE || fill_marks(c, row, out, r);
}

/* Appends the row as rules are to see it now. WR_ROW_IMAGE is complete as packed. */
enum wr_err wr_row_render(struct wr_conn *c, const struct wr_crow *row, struct wr_batch *out)
{
    bool ok = true;
    if (row->table == WR_DUE_SESSIONS && !row->packed)
        return wr_session_render(c, row, out);
    if (row->packed) {
        enum wr_err err = render_packed(c, row, out);
        if (err || row->state == WR_ROW_IMAGE)
            return err;
        if (row->action == WR_ACTION_RAISED)
            ok = set_text(out, WR_DNE_ActionType, out->nrows - 1, action_names[WR_ACTION_SUCCESS]);
    } else {
        ok = fill_flow_row(c, row, out, wr_batch_row(out));
    }
    if (ok && fill_now(c, row, out, out->nrows - 1))
        return WR_OK;
    wr_batch_unrow(out);
    return WR_ENOMEM;
}

/* After rules have taken a row: what they know from now on. */
static void settle(struct wr_conn *c, uint32_t r)
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
        wr_row_bytes(c, row, row->emitted);
    row->told_quality = row->entry == WR_NONE ? WR_MATCH_NONE : wr_row_quality(c, row);
    row->state = WR_ROW_OUT;
    if (row->entry == WR_NONE)
        wr_row_free(c, r);
}

const enum wr_table wr_conn_tables[WR_CONN_TABLES] = {
    WR_TABLE_DEVICE_NETWORK_EVENTS, WR_TABLE_FLOW_ORPHANS,     WR_TABLE_ASIM_NETWORK_SESSION_LOGS,
    WR_TABLE_UNMANAGED_DEVICE,      WR_TABLE_HIDDEN_CONNECTION, WR_TABLE_AGENT_SILENT};

/* Asks for what rendering this row will read. Returns the one after it. */
static inline uint32_t foresee(const struct wr_conn *c, uint32_t r)
{
    if (r == WR_NONE)
        return WR_NONE;
    const struct wr_crow *row = wr_crow_at(c, r);
    for (uint32_t at = 0; row->packed && at < row->len; at += 64)
        __builtin_prefetch(row->packed + at);
    if (row->entry != WR_NONE)
        wr_foresee_bytes(wr_entry_at(c, row->entry), 128);
    return row->due_next;
}

enum { AHEAD = 8 };

uint32_t wr_conn_drain(struct wr_conn *conn, enum wr_table table, struct wr_batch *out)
{
    static const uint8_t due[WR_NTABLES] = {[WR_TABLE_FLOW_ORPHANS] = WR_DUE_ORPHANS,
                                            [WR_TABLE_ASIM_NETWORK_SESSION_LOGS] = WR_DUE_SESSIONS,
                                            [WR_TABLE_UNMANAGED_DEVICE] = WR_DUE_UNMANAGED,
                                            [WR_TABLE_HIDDEN_CONNECTION] = WR_DUE_HIDDEN,
                                            [WR_TABLE_AGENT_SILENT] = WR_DUE_SILENT};
    struct wr_list *l = &conn->due[due[table]]; /* 0 of all others is DeviceNetworkEvents */
    uint32_t n = 0, ahead = l->head;
    for (int k = 0; k < AHEAD; k++)
        ahead = foresee(conn, ahead);
    while (out->nrows < out->cap && l->head != WR_NONE) {
        uint32_t r = l->head, next = wr_crow_at(conn, r)->due_next;
        ahead = foresee(conn, ahead);
        if (wr_row_render(conn, wr_crow_at(conn, r), out))
            break;
        l->head = next;
        if (next == WR_NONE)
            l->tail = WR_NONE;
        settle(conn, r);
        n++;
    }
    return n;
}
