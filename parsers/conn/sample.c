#include "base/ticks.h"
#include "parsers/conn/address.h"
#include "parsers/conn/table.h"

#include <string.h>

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

static void base64(const uint8_t *in, size_t n, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i;
        uint32_t v = (uint32_t)in[i] << 16 | (uint32_t)(left > 1 ? in[i + 1] : 0) << 8 |
                     (left > 2 ? in[i + 2] : 0);
        *out++ = digits[v >> 18];
        *out++ = digits[v >> 12 & 63];
        *out++ = left > 1 ? digits[v >> 6 & 63] : '=';
        *out++ = left > 2 ? digits[v & 63] : '=';
    }
    *out = '\0';
}

/* Community ID v1 with seed 0, by which Zeek, Suricata and packet stores name the same connection.
 * Of ICMP only one type is kept, and not whose it is, so there is none. */
static void put_community_id(struct wr_buf *out, const struct wr_conn_key *key)
{
    uint8_t in[40] = {0}, hash[20];
    char text[32];
    size_t n = 2, len = key->v6 ? 16 : 4;
    if (wr_is_icmp(key->proto))
        return;
    for (int s = 0; s < 2; s++, n += len)
        memcpy(in + n, key->addr[s], len);
    in[n] = key->proto;
    n += 2;
    for (int s = 0; s < 2; s++, n += 2) {
        in[n] = (uint8_t)(key->port[s] >> 8);
        in[n + 1] = (uint8_t)key->port[s];
    }
    wr_sha1(in, n, hash);
    base64(hash, sizeof hash, text);
    wr_json_key(out, "network.community_id");
    wr_buf_str(out, "\"1:");
    wr_buf_str(out, text);
    wr_buf_char(out, '"');
}

bool wr_conn_sample(const struct wr_conn *conn, uint64_t row_id, struct wr_buf *out)
{
    uint32_t r = wr_id_find(conn, row_id);
    if (r == WR_NONE || wr_crow_at(conn, r)->entry == WR_NONE)
        return false;
    const struct wr_crow *row = wr_crow_at(conn, r);
    const struct wr_entry *e = wr_entry_at(conn, row->entry);
    if (wr_key_is_host(&e->key))
        return false; /* its own end is not known */
    char local[WR_ADDRESS_TEXT], remote[WR_ADDRESS_TEXT], number[8];
    int64_t bytes[2];
    wr_address_text(e->key.addr[row->side], e->key.v6, local);
    wr_address_text(e->key.addr[!row->side], e->key.v6, remote);
    wr_row_bytes(conn, row, bytes);
    wr_buf_char(out, '{');
    put_text(out, "LocalIP", local);
    if (!wr_is_icmp(e->key.proto))
        put_number(out, "LocalPort", e->key.port[row->side]);
    put_text(out, "RemoteIP", remote);
    if (!wr_is_icmp(e->key.proto))
        put_number(out, "RemotePort", e->key.port[!row->side]);
    put_text(out, "Protocol", wr_protocol_text(e->key.proto, number));
    put_time(out, "Start", e->start);
    put_time(out, "End", e->last);
    put_number(out, "SentBytes", bytes[0]);
    put_number(out, "ReceivedBytes", bytes[1]);
    put_text(out, "MatchQuality", wr_quality_text(wr_row_quality(conn, row)));
    put_text(out, "DirectionSource", wr_why_text(row->why));
    put_community_id(out, &e->key);
    wr_buf_char(out, '}');
    return true;
}
