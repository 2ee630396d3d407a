/* The connection table under any sequence of calls (first byte odd: orders of 12 bytes), and its
 * loader under any bytes (even). Whatever it took, it must save, load and save the same.
 *
 * Making a table's batches takes longer than most inputs: they are kept, and a table begins as a
 * copy of one that has seen nothing. Some inputs run again on a table of their own, which must come
 * out the same. */
#include "base/err.h"
#include "parsers/conn/table.h"
#include "parsers/flow/nat.h"
#include "tests/fuzz/pick.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SECOND INT64_C(1000000000)
enum { ORDER = 12 };

/* A batch of every column set that is asked for, kept and emptied. */
static struct wr_batch *kept_batch(enum wr_table table, const struct wr_colset *cols, uint32_t rows)
{
    enum { KEPT = 64 };
    static struct wr_batch *kept[KEPT];
    const struct wr_schema *schema = wr_schema_of(table);
    int i = 0;
    while (i < KEPT && kept[i] &&
           (kept[i]->schema != schema || kept[i]->cap != rows ||
            memcmp(&kept[i]->wanted, cols, sizeof *cols) != 0))
        i++;
    WR_ASSERT(i < KEPT);
    if (!kept[i])
        kept[i] = wr_batch_new(schema, cols, rows);
    else if (kept[i]->nrows || kept[i]->sealed)
        WR_ASSERT(wr_batch_reset(kept[i]));
    WR_ASSERT(kept[i] != NULL);
    return kept[i];
}

static struct wr_batch *event_batch(const struct wr_colset *wanted, const uint8_t *o, int64_t now)
{
    static const char *const actions[] = {"ConnectionSuccess", "InboundConnectionAccepted",
                                          "ConnectionAttempt", "ConnectionRequest"};
    static const char *const ips[] = {"10.0.0.1", "10.0.0.2", "::1", "no address"};
    struct wr_batch *b = kept_batch(WR_TABLE_DEVICE_NETWORK_EVENTS, wanted, 1);
    const char *local = ips[o[1] % 4], *remote = ips[o[2] % 4], *action = actions[o[3] % 4];
    (void)wr_batch_row(b);
    wr_batch_set_i64(b, WR_DNE_Timestamp, 0,
                     (now + (o[4] - 128) * SECOND) / 100 + INT64_C(621355968000000000));
    wr_batch_set_i64(b, WR_DNE_LocalPort, 0, o[5] % 3);
    wr_batch_set_i64(b, WR_DNE_RemotePort, 0, o[6] % 3);
    if (o[8] & 1)
        wr_batch_set_i64(b, WR_DNE_ReportId, 0, o[9]);
    if (!wr_batch_set_str(b, WR_DNE_DeviceName, 0, o[8] & 2 ? "ws1" : "ws2", 3) ||
        !wr_batch_set_str(b, WR_DNE_LocalIP, 0, local, strlen(local)) ||
        !wr_batch_set_str(b, WR_DNE_RemoteIP, 0, remote, strlen(remote)) ||
        !wr_batch_set_str(b, WR_DNE_ActionType, 0, action, strlen(action)) ||
        !wr_batch_set_str(b, WR_DNE_Protocol, 0, o[7] & 1 ? "Tcp" : "Udp", 3))
        WR_ASSERT(b->nrows == 0); /* no memory */
    return b;
}

static struct wr_flow flow_of(const uint8_t *o, int64_t now)
{
    struct wr_flow f = {
        .proto = o[7] & 1 ? 6 : 17, .tcp_flags = o[8], .sampling = o[9] % 3, .point = o[9] / 3};
    f.src[0] = f.dst[0] = 10;
    f.src[3] = 1 + o[1] % 2;
    f.dst[3] = 1 + o[2] % 2;
    f.sport = o[5] % 3;
    f.dport = o[6] % 3;
    f.flags = (uint32_t)o[10] & 0xfe;
    f.start_ns = now + (o[3] - 200) * SECOND * (o[11] & 1 ? 1 : 100);
    f.end_ns = f.start_ns + o[4] * SECOND;
    f.octets[0] = o[11];
    f.octets[1] = o[4];
    f.packets[0] = o[11] % 7;
    f.packets[1] = o[4] % 7;
    return f;
}

/* The flow with both sides of a translation, or the event of one. */
static void give_nat(struct wr_conn *c, struct wr_flow *f, const uint8_t *o, int64_t now)
{
    struct wr_nat nat = {
        .event = o[11] % (WR_NAT_NEVENTS + 1), .first = o[4] & 3, .last = o[4] >> 2 & 3};
    struct wr_buf who = {0};
    nat.addr[0][0] = nat.addr[1][0] = o[3] & 64 ? 0 : 10;
    nat.addr[0][3] = o[3] & 1 ? 1 + o[3] / 2 % 3 : 0;
    nat.addr[1][3] = o[3] & 8 ? 1 + o[3] / 16 % 3 : 0;
    nat.v6 = o[3] >> 7;
    nat.port[0] = o[8] & 3;
    nat.port[1] = o[8] >> 2 & 3;
    f->flags |= o[10] & 2 ? WR_FLOW_NAT_EVENT : 0;
    if (o[8] & 128)
        memset(f->dst, 0, sizeof f->dst);
    wr_who_add(&who, WR_WHO_NAT, (const char *)&nat, o[8] & 64 ? sizeof nat - 1 : sizeof nat);
    struct wr_who list = {.at = (const uint8_t *)who.data, .len = (uint32_t)who.len};
    WR_ASSERT(wr_conn_flow_who(c, f, list, now) == WR_OK);
    wr_buf_fini(&who);
}

/* A row of a table that names and translations are learned from; its texts are made of the rest of
 * the input. */
static void give_row(struct wr_conn *c, const uint8_t *o, size_t n, int64_t now)
{
    static const enum wr_table tables[] = {WR_TABLE_SYSLOG, WR_TABLE_ASIM_DNS_ACTIVITY_LOGS,
                                           WR_TABLE_COMMON_SECURITY_LOG};
    static const char *const words[] = {"dhcpd",    "dnsmasq-dhcp", "dhcp-lease",
                                        "10.0.0.1", "10.0.0.2",     "10.0.0.3",
                                        "::1",      "tcp",          ""};
    enum wr_table table = tables[o[1] % 3];
    struct wr_colset all = wr_colset_all(wr_schema_of(table));
    struct wr_batch *b = kept_batch(table, &all, 1);
    (void)wr_batch_row(b);
    wr_batch_set_i64(b, WR_TIME_COL, 0,
                     (now + (o[4] - 128) * SECOND) / 100 + INT64_C(621355968000000000));
    for (uint16_t col = 1; col < b->schema->ncols; col++) {
        const struct wr_coldef *at = &b->schema->cols[col];
        uint8_t pick = o[2 + col % 10];
        const char *text = pick < 200 ? words[pick % 9] : (const char *)o;
        if (at->store != col || at->type == WR_REAL)
            continue;
        if (at->type == WR_STRING)
            WR_ASSERT(wr_batch_set_str(b, col, 0, text, pick < 200 ? strlen(text) : n));
        else if (!wr_type_is_str(at->type))
            wr_batch_set_i64(b, col, 0, pick * 300);
    }
    WR_ASSERT(wr_conn_learn(c, table, b, 0, now) == WR_OK);
}

static void drain(struct wr_conn *c, const struct wr_conn_opts *opts)
{
    for (int t = 0; t < WR_CONN_TABLES; t++) {
        enum wr_table table = wr_conn_tables[t];
        struct wr_colset all = wr_colset_all(wr_schema_of(table));
        const struct wr_colset *cols = table == WR_TABLE_ASIM_NETWORK_SESSION_LOGS ? &opts->sessions
                                       : table >= WR_TABLE_UNMANAGED_DEVICE        ? &all
                                                                                   : &opts->wanted;
        struct wr_batch *b = kept_batch(table, cols, 4);
        while (wr_conn_drain(c, table, b))
            WR_ASSERT(wr_batch_reset(b));
    }
}

/* Saved, loaded and saved again: the same bytes. */
static void roundtrip(const struct wr_conn *c, const struct wr_conn_opts *opts)
{
    struct wr_buf a = {0}, b = {0};
    struct wr_conn *copy = wr_conn_new(opts);
    wr_conn_save(c, &a);
    WR_ASSERT(wr_conn_load(copy, a.data, a.len) == WR_OK);
    wr_conn_save(copy, &b);
    WR_ASSERT(a.len == b.len && memcmp(a.data, b.data, a.len) == 0);
    wr_buf_fini(&a);
    wr_buf_fini(&b);
    wr_conn_free(copy);
}

/* An event as a batch's row, or packed with the order's own bytes before or after it: rows of any
 * bytes hurt no others. */
static void give_event(struct wr_conn *c, const struct wr_batch *b, const uint8_t *o, size_t n,
                       int64_t now)
{
    struct wr_buf good = {0};
    if (o[8] & 1) {
        WR_ASSERT(wr_conn_event(c, b, 0, now) == WR_OK);
        return;
    }
    wr_row_pack(b, 0, &good);
    struct wr_packed rows[3] = {{o + 2, (uint32_t)n - 2, now},
                                {good.data, (uint32_t)good.len, now},
                                {good.data, (uint32_t)(good.len * o[9] / 255), now}};
    uint64_t before = wr_conn_stats(c)->events;
    enum wr_err err = wr_conn_events(c, rows, 3);
    WR_ASSERT((err == WR_OK || err == WR_ECORRUPT) && wr_conn_stats(c)->events > before);
    wr_buf_fini(&good);
}

static void run_orders(struct wr_conn *c, const struct wr_conn_opts *opts, const uint8_t *o,
                       size_t n)
{
    int64_t now = 1767600000 * SECOND;
    struct wr_colset cols = wr_conn_event_cols(&opts->wanted, &opts->sessions);
    for (; n >= ORDER; o += ORDER, n -= ORDER) {
        now += o[0] / 8 * SECOND * (o[0] & 4 ? 100 : 1);
        struct wr_flow f = flow_of(o, now);
        struct wr_batch *b;
        switch (o[0] % 4) {
        case 0:
            if (o[8] & 4) {
                give_row(c, o, n, now);
                break;
            }
            b = event_batch(&cols, o, now);
            give_event(c, b, o, n, now);
            break;
        case 1:
            drain(c, opts);
            break;
        default:
            if (o[10] & 1)
                give_nat(c, &f, o, now);
            else
                WR_ASSERT(wr_conn_flow(c, &f, now) == WR_OK);
            break;
        }
    }
    WR_ASSERT(wr_conn_stats(c)->live <= opts->max_connections);
}

static struct wr_conn_opts opts_of(uint8_t first)
{
    struct wr_conn_opts opts = {.wanted =
                                    wr_colset_all(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS)),
                                .max_connections = 8,
                                .final_only = first & 2,
                                .expect_endpoint = first & 4,
                                .orphans = (enum wr_orphans)(first / 8 % 3)};
    if (first & 64)
        opts.sessions = wr_colset_all(wr_schema_of(WR_TABLE_ASIM_NETWORK_SESSION_LOGS));
    opts.sessions_only = (first & 192) == 192;
    opts.one_sided = first & 32 ? 7 : 0;
    return opts;
}

/* A table that has seen nothing; its batches are `blank`'s. Not for wr_conn_load, which frees what
 * it replaces. */
static struct wr_conn *borrow(const struct wr_conn *blank)
{
    struct wr_conn *c = malloc(sizeof *c);
    WR_ASSERT(c != NULL);
    *c = *blank;
    return c;
}

static void give_back(struct wr_conn *c)
{
    c->scratch = c->one_sided = c->session = c->view = NULL;
    wr_conn_free(c);
}

/* What came of the input: the counters, and the state where it was saved. */
static void run(struct wr_conn *c, const uint8_t *data, size_t size, bool save)
{
    const struct wr_conn_opts opts = opts_of(data[0]);
    if (data[0] & 1)
        run_orders(c, &opts, data + 1, size - 1);
    else if (wr_conn_load(c, data + 1, size - 1) != WR_OK)
        return;
    if (save)
        roundtrip(c, &opts);
    drain(c, &opts);
    WR_ASSERT(wr_conn_flush(c) == WR_OK);
    if (save)
        roundtrip(c, &opts);
    drain(c, &opts);
}

static void check_kept(const struct wr_conn *c, const struct wr_conn_opts *opts,
                       const uint8_t *data, size_t size)
{
    struct wr_buf a = {0}, b = {0};
    struct wr_conn *fresh = wr_conn_new(opts);
    WR_ASSERT(fresh != NULL);
    run(fresh, data, size, false);
    wr_conn_save(c, &a);
    wr_conn_save(fresh, &b);
    WR_ASSERT(memcmp(wr_conn_stats(c), wr_conn_stats(fresh), sizeof *wr_conn_stats(c)) == 0);
    WR_ASSERT(a.len == b.len && memcmp(a.data, b.data, a.len) == 0);
    wr_buf_fini(&a);
    wr_buf_fini(&b);
    wr_conn_free(fresh);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct wr_conn *blanks[256];
    if (size < 1)
        return 0;
    const struct wr_conn_opts opts = opts_of(data[0]);
    struct wr_conn **blank = &blanks[data[0]], *c;
    if (!(data[0] & 1)) {
        WR_ASSERT((c = wr_conn_new(&opts)) != NULL);
        run(c, data, size, one_in(8, data, size));
        wr_conn_free(c);
        return 0;
    }
    *blank = *blank ? *blank : wr_conn_new(&opts);
    WR_ASSERT(*blank != NULL);
    c = borrow(*blank);
    run(c, data, size, one_in(8, data, size));
    if (one_in(32, data, size))
        check_kept(c, &opts, data, size);
    give_back(c);
    return 0;
}
