/* What the connection table's tests share: records and events by hand, and drained rows added up.
 */
#ifndef CONN_KIT_H
#define CONN_KIT_H

#include "base/ticks.h"
#include "parsers/conn/conn.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define SEC INT64_C(1000000000)
#define MS INT64_C(1000000)
#define T0 (INT64_C(1767600000) * SEC) /* 2026-01-05 */

enum { KIT_ROWS = 4096, FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, ALL = SYN | ACK | PSH | FIN };

/* A row as rules see it after all amendments so far. -1: null. */
struct seen {
    int64_t id, time, sent, received, lport, rport;
    char device[32], action[32], local[46], remote[46], process[32], account[32], protocol[16],
        rtype[16], quality[12], why[8];
    bool orphan, estimated, given_up;
    int amends;
};

struct kit {
    struct wr_conn *conn;
    struct wr_conn_opts opts;
    struct wr_batch *out;
    struct seen row[KIT_ROWS];
    uint32_t n;
};

static inline struct wr_colset kit_wanted(void)
{
    return wr_colset_all(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS));
}

static inline struct kit *kit_new(struct wr_conn_opts opts)
{
    struct kit *k = calloc(1, sizeof *k);
    opts.wanted = kit_wanted();
    k->opts = opts;
    k->conn = wr_conn_new(&opts);
    k->out =
        wr_batch_new(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS), &opts.wanted, WR_BATCH_ROWS);
    cr_assert(k->conn && k->out);
    return k;
}

static inline void kit_free(struct kit *k)
{
    wr_conn_free(k->conn);
    wr_batch_free(k->out);
    free(k);
}

/* 10.0.0.1:40000 -> 203.0.113.1:25 (or back), times in ms after T0. */
static inline struct wr_flow flow(bool up, int64_t start_ms, int64_t end_ms, uint8_t tcp,
                                  uint64_t octets)
{
    static const uint8_t client[4] = {10, 0, 0, 1}, server[4] = {203, 0, 113, 1};
    struct wr_flow f = {.proto = 6, .tcp_flags = tcp, .direction = 255, .point = 1, .sampling = 1};
    memcpy(f.src, up ? client : server, 4);
    memcpy(f.dst, up ? server : client, 4);
    f.sport = up ? 40000 : 25;
    f.dport = up ? 25 : 40000;
    f.flags = WR_FLOW_HAS_BYTES | WR_FLOW_HAS_TCP_FLAGS;
    f.start_ns = T0 + start_ms * MS;
    f.end_ns = f.export_ns = T0 + end_ms * MS;
    f.octets[0] = octets;
    f.packets[0] = octets / 100 + 1;
    return f;
}

static inline struct wr_flow biflow(int64_t start_ms, int64_t end_ms, uint8_t tcp, uint64_t up,
                                    uint64_t down)
{
    struct wr_flow f = flow(true, start_ms, end_ms, tcp, up);
    f.flags |= WR_FLOW_BIFLOW | WR_FLOW_INITIATOR_KNOWN;
    f.octets[1] = down;
    f.packets[1] = down / 100 + 1;
    return f;
}

static inline void copy_text(char *to, size_t n, const struct wr_batch *b, uint16_t col, uint32_t r)
{
    const struct wr_str *s = &b->col[col].s[r];
    (void)snprintf(to, n, "%.*s", (int)s->len, wr_str_data(s));
}

static inline int64_t number(const struct wr_batch *b, uint16_t col, uint32_t r)
{
    return wr_vec_valid(&b->col[col], r) ? b->col[col].i[r] : -1;
}

static inline struct seen *kit_row(struct kit *k, int64_t id)
{
    for (uint32_t i = 0; i < k->n; i++)
        if (k->row[i].id == id)
            return &k->row[i];
    return NULL;
}

/* Takes one drained row: an insert is new, an amendment changes only bytes and says what they were.
 */
static inline void kit_take(struct kit *k, const struct wr_batch *b, uint32_t r, bool orphan)
{
    int64_t id = number(b, WR_DNE__RowId, r);
    struct seen *s = kit_row(k, id), now = {.id = id, .orphan = orphan};
    now.time = number(b, WR_DNE_Timestamp, r);
    now.sent = number(b, WR_DNE_SentBytes, r);
    now.received = number(b, WR_DNE_ReceivedBytes, r);
    now.lport = number(b, WR_DNE_LocalPort, r);
    now.rport = number(b, WR_DNE_RemotePort, r);
    copy_text(now.device, sizeof now.device, b, WR_DNE_DeviceName, r);
    copy_text(now.action, sizeof now.action, b, WR_DNE_ActionType, r);
    copy_text(now.local, sizeof now.local, b, WR_DNE_LocalIP, r);
    copy_text(now.remote, sizeof now.remote, b, WR_DNE_RemoteIP, r);
    copy_text(now.process, sizeof now.process, b, WR_DNE_InitiatingProcessFileName, r);
    copy_text(now.account, sizeof now.account, b, WR_DNE_InitiatingProcessAccountName, r);
    copy_text(now.protocol, sizeof now.protocol, b, WR_DNE_Protocol, r);
    copy_text(now.quality, sizeof now.quality, b, WR_DNE_MatchQuality, r);
    copy_text(now.why, sizeof now.why, b, WR_DNE_DirectionSource, r);
    now.estimated = number(b, WR_DNE_BytesEstimated, r) == 1;
    copy_text(now.rtype, sizeof now.rtype, b, WR_DNE_RemoteIPType, r);
    bool given_up = b->col[WR_DNE__Amend].i[r] & WR_ROW_GIVEN_UP;
    now.given_up = given_up;
    if (b->col[WR_DNE__Amend].i[r] & WR_ROW_AMENDS) {
        cr_assert_not_null(s, "amended before it was inserted");
        cr_assert_eq(number(b, WR_DNE__PrevSentBytes, r), s->sent);
        cr_assert_eq(number(b, WR_DNE__PrevReceivedBytes, r), s->received);
        cr_assert(now.sent != s->sent || now.received != s->received || strcmp(now.quality, s->quality) || given_up,
                  "an amendment changes something");
        now.amends = s->amends + 1;
        int64_t sent = s->sent, received = s->received;
        s->sent = now.sent;
        s->received = now.received;
        s->amends = now.amends;
        s->estimated = now.estimated;
        s->given_up = now.given_up;
        memcpy(s->quality, now.quality, sizeof s->quality);
        cr_assert_arr_eq(s, &now, sizeof now, "keys and Timestamp never change");
        cr_assert(now.sent >= sent && now.received >= received);
        return;
    }
    cr_assert_null(s, "inserted twice");
    cr_assert_lt(k->n, KIT_ROWS);
    k->row[k->n++] = now;
}

static inline void kit_drain(struct kit *k)
{
    static const enum wr_table tables[] = {WR_TABLE_DEVICE_NETWORK_EVENTS, WR_TABLE_FLOW_ORPHANS};
    for (int t = 0; t < 2; t++)
        while (wr_conn_drain(k->conn, tables[t], k->out) > 0) {
            for (uint32_t r = 0; r < k->out->nrows; r++)
                kit_take(k, k->out, r, t == 1);
            cr_assert(wr_batch_reset(k->out));
        }
}

static inline void kit_flow(struct kit *k, struct wr_flow f)
{
    cr_assert_eq(wr_conn_flow(k->conn, &f, f.export_ns), WR_OK);
    kit_drain(k);
}

static inline void kit_advance(struct kit *k, int64_t ms)
{
    cr_assert_eq(wr_conn_advance(k->conn, T0 + ms * MS), WR_OK);
    kit_drain(k);
}

static inline void kit_flush(struct kit *k)
{
    cr_assert_eq(wr_conn_flush(k->conn), WR_OK);
    kit_drain(k);
}

struct event {
    const char *action, *local, *remote, *process;
    int64_t lport, rport, at_ms, report; /* ReportId; 0 none. Ports of TCP; -1: of ICMP, without */
};

static inline struct event opened(int64_t at_ms, const char *process)
{
    return (struct event){
        "ConnectionSuccess", "10.0.0.1", "203.0.113.1", process, 40000, 25, at_ms, 0};
}

static inline void set(struct wr_batch *b, uint16_t col, const char *text)
{
    cr_assert(wr_batch_set_str(b, col, 0, text, strlen(text)));
}

/* An event that arrives `now_ms` after T0. */
static inline void kit_event(struct kit *k, struct event e, int64_t now_ms)
{
    struct wr_colset all = kit_wanted();
    struct wr_batch *b = wr_batch_new(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS), &all, 1);
    (void)wr_batch_row(b);
    wr_batch_set_i64(b, WR_DNE_Timestamp, 0, wr_ticks_of_unix_ns(T0 + e.at_ms * MS));
    set(b, WR_DNE_DeviceName, "ws1");
    set(b, WR_DNE_ActionType, e.action);
    set(b, WR_DNE_LocalIP, e.local);
    set(b, WR_DNE_RemoteIP, e.remote);
    set(b, WR_DNE_Protocol, e.lport < 0 ? "Icmp" : "Tcp");
    set(b, WR_DNE_InitiatingProcessFileName, e.process);
    if (e.report)
        wr_batch_set_i64(b, WR_DNE_ReportId, 0, e.report);
    if (e.lport >= 0)
        wr_batch_set_i64(b, WR_DNE_LocalPort, 0, e.lport);
    if (e.rport >= 0)
        wr_batch_set_i64(b, WR_DNE_RemotePort, 0, e.rport);
    wr_batch_seal(b);
    cr_assert_eq(wr_conn_event(k->conn, b, 0, T0 + now_ms * MS), WR_OK);
    wr_batch_free(b);
    kit_drain(k);
}

static inline const struct wr_conn_stats *stats(const struct kit *k)
{
    return wr_conn_stats(k->conn);
}

static inline void expect_row(const struct kit *k, uint32_t i, int64_t sent, int64_t received, const char *action)
{
    cr_assert_lt(i, k->n, "only %u rows", k->n);
    const struct seen *s = &k->row[i];
    cr_expect_eq(s->sent, sent, "sent %ld", (long)s->sent);
    cr_expect_eq(s->received, received, "received %ld", (long)s->received);
    cr_expect_str_eq(s->action, action);
}

#endif
