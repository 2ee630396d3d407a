#include "base/ticks.h"
#include "parsers/conn/address.h"
#include "parsers/conn/table.h"

static void put_text(struct wr_buf *out, const char *key, const char *text)
{
    wr_json_key(out, key);
    wr_json_cstr(out, text);
}

static void put_number(struct wr_buf *out, const char *key, int64_t v)
{
    wr_json_key(out, key);
    if (v < 0)
        wr_buf_str(out, "null");
    else
        wr_buf_i64(out, v);
}

static void put_time(struct wr_buf *out, const char *key, int64_t ns)
{
    wr_json_key(out, key);
    wr_buf_char(out, '"');
    wr_ticks_datetime(out, wr_ticks_of_unix_ns(ns));
    wr_buf_char(out, '"');
}

bool wr_conn_sample(const struct wr_conn *conn, uint64_t row_id, struct wr_buf *out)
{
    uint32_t r = wr_row_by_id(conn, row_id);
    if (r == WR_NONE || wr_crow_at(conn, r)->entry == WR_NONE)
        return false;
    const struct wr_crow *row = wr_crow_at(conn, r);
    const struct wr_entry *e = wr_entry_at(conn, row->entry);
    char local[WR_ADDRESS_TEXT], remote[WR_ADDRESS_TEXT], number[8];
    int64_t bytes[2];
    wr_address_text(e->key.addr[row->side], e->key.v6, local);
    wr_address_text(e->key.addr[!row->side], e->key.v6, remote);
    wr_row_bytes(conn, row, bytes);
    wr_buf_char(out, '{');
    put_text(out, "LocalIP", local);
    put_number(out, "LocalPort", e->key.port[row->side]);
    put_text(out, "RemoteIP", remote);
    put_number(out, "RemotePort", e->key.port[!row->side]);
    put_text(out, "Protocol", wr_protocol_text(e->key.proto, number));
    put_time(out, "Start", e->start);
    put_time(out, "End", e->last);
    put_number(out, "SentBytes", bytes[0]);
    put_number(out, "ReceivedBytes", bytes[1]);
    put_text(out, "MatchQuality", wr_quality_text(wr_row_quality(conn, row)));
    put_text(out, "DirectionSource", wr_why_text(row->why));
    wr_buf_char(out, '}');
    return true;
}
