/* A generated day with every complication at once: three exporters (kept starts and 30 min slices;
 * restarted starts and 5 min slices as biflows; 1:1000 sampled), records out of order and twice,
 * exporters that see one direction, ports used again, endpoint events that are late, never come,
 * come of clocks 90 s off, or of a sensor that caps; a third of the hosts behind a translation that two of the exporters
 * stand outside of, with ports of its pool used again, events of it late, and some of their ends never told. Whatever the order, sessions are as many as
 * connections were, and have their bytes.
 *
 * 10,000 connections; WR_DAY_CONNECTIONS=100000 for the full day. */
#include "conn_kit.h"

#include "parsers/flow/nat.h"

#include <stdlib.h>

enum { POOL = 2, POOL_PORT = 20000, POOL_REST_S = 20 };
enum { HOSTS = 2000, SERVERS = 50, EXPORTERS = 3, DAY_S = 86400 };
enum { SEES_UP = 1, SEES_DOWN = 2 };

struct truth {
    uint64_t key; /* of host, server and both ports */
    int64_t start, end;
    int64_t bytes[2]; /* -1: nobody saw that direction */
    uint16_t host, sport;
    uint8_t server, port;
    bool estimated, given_up;
    uint8_t pool;   /* outside address; 0: not translated */
    uint16_t nport; /* and port */
};

struct item {
    int64_t arrives;
    uint32_t conn;
    bool is_event, is_nat;
    uint8_t nat; /* enum wr_nat_event */
    struct wr_flow flow;
};

struct world {
    struct truth *conn;
    uint32_t n;
    struct item *item;
    size_t nitems, cap;
};

static uint64_t state;
static uint64_t rnd(uint64_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (state >> 11) % n;
}

static const uint16_t ports[] = {25, 587, 465, 993};

static uint64_t key_of(uint16_t host, uint8_t server, uint16_t sport, uint16_t dport)
{
    return (uint64_t)host << 48 | (uint64_t)server << 40 | (uint64_t)sport << 16 | dport;
}

static struct item *push(struct world *w)
{
    if (w->nitems == w->cap) {
        w->cap = w->cap ? w->cap * 2 : 4096;
        w->item = realloc(w->item, w->cap * sizeof *w->item);
        cr_assert(w->item);
    }
    memset(&w->item[w->nitems], 0, sizeof *w->item);
    return &w->item[w->nitems++];
}

static int64_t skew_of(uint16_t host)
{
    return host % 20 == 7 ? 90 * SEC : (host % 5 - 2) * 400 * MS;
}

static bool has_sensor(uint16_t host)
{
    return host % 5 != 0;
}

static bool is_capping(uint16_t host)
{
    return host % 5 == 1;
}

/* Exporters 2 and 3 stand outside. */
static void translate(const struct truth *t, int dir, struct wr_flow *f)
{
    const uint8_t outside[4] = {198, 51, 100, t->pool};
    memcpy(dir ? f->dst : f->src, outside, 4);
    *(dir ? &f->dport : &f->sport) = t->nport;
}

static struct wr_flow record(const struct truth *t, int dir, uint32_t point, int64_t start,
                             int64_t end)
{
    struct wr_flow f = {
        .proto = 6, .direction = 255, .point = point, .sampling = point == 3 ? 1000 : 1};
    uint8_t host[4] = {10, 0, (uint8_t)(t->host >> 8), (uint8_t)t->host},
            server[4] = {203, 0, 113, t->server};
    memcpy(f.src, dir ? server : host, 4);
    memcpy(f.dst, dir ? host : server, 4);
    f.sport = dir ? ports[t->port] : t->sport;
    f.dport = dir ? t->sport : ports[t->port];
    f.flags = WR_FLOW_HAS_BYTES | WR_FLOW_HAS_TCP_FLAGS;
    f.start_ns = start;
    f.end_ns = end;
    if (t->pool && point > 1)
        translate(t, dir, &f);
    return f;
}

/* One exporter's records of one connection; `bytes` of each direction in all. */
static void export_slices(struct world *w, uint32_t i, uint32_t point, int sees,
                          const int64_t bytes[2])
{
    const struct truth *t = &w->conn[i];
    int64_t slice = point == 2 ? 300 * SEC : 1800 * SEC, left[2] = {bytes[0], bytes[1]};
    for (int64_t at = t->start; at == t->start || at < t->end; at += slice) {
        bool first = at == t->start, last = at + slice >= t->end;
        int64_t end = last ? t->end : at + slice, from = point == 1 ? t->start : at;
        uint8_t flags = (uint8_t)(ACK | PSH | (first ? SYN : 0) | (last ? FIN : 0));
        int64_t part[2];
        for (int d = 0; d < 2; d++) {
            part[d] = last ? left[d] : (int64_t)rnd((uint64_t)left[d] / 2 + 1);
            left[d] -= part[d];
        }
        for (int d = 0; d < 2; d++) {
            bool both = point == 2 && sees == 3;
            if (!(sees >> d & 1) || (both && d))
                continue;
            struct wr_flow f = record(t, d, point, from + (d ? 2 * MS : 0), end);
            f.tcp_flags = flags;
            f.octets[0] = (uint64_t)part[d];
            f.packets[0] = f.octets[0] / 500 + 1;
            if (both) {
                f.flags |= WR_FLOW_BIFLOW | WR_FLOW_INITIATOR_KNOWN;
                f.octets[1] = (uint64_t)part[1];
                f.packets[1] = f.octets[1] / 500 + 1;
            }
            f.export_ns = end + (int64_t)rnd(15000) * MS;
            for (int again = rnd(50) == 0; again >= 0; again--) {
                struct item *it = push(w);
                it->conn = i;
                it->flow = f;
                it->arrives = f.export_ns + (int64_t)rnd(4000) * MS;
            }
        }
    }
}

static void export_conn(struct world *w, uint32_t i)
{
    struct truth *t = &w->conn[i];
    int64_t exact[2] = {1 + (int64_t)rnd(200000), 1 + (int64_t)rnd(50000)}, scaled[2];
    bool seen[2] = {false, false}, sampled = rnd(3) == 0;
    for (uint32_t point = 1; point <= 2; point++) {
        static const int views[] = {3, 3, 3, 3, SEES_UP, SEES_DOWN, 0};
        int sees = views[rnd(7)];
        if (point == 2 && sees != 3)
            sees = 0; /* it makes biflows */
        export_slices(w, i, point, sees, exact);
        for (int d = 0; d < 2; d++)
            seen[d] |= sees >> d & 1;
    }
    if (!seen[0] && !seen[1])
        sampled = true;
    for (int d = 0; d < 2; d++)
        scaled[d] = exact[d] / 1000 * 1000; /* not above: a figure that rules know never falls */
    if (sampled)
        export_slices(w, i, 3, 3, scaled);
    for (int d = 0; d < 2; d++)
        t->bytes[d] = seen[d] ? exact[d] : sampled ? scaled[d] : -1;
    t->estimated = sampled && !(seen[0] && seen[1]);
}

static void report(struct world *w, uint32_t i, const bool *told)
{
    const struct truth *t = &w->conn[i];
    if (!has_sensor(t->host) || rnd(20) == 0 || (is_capping(t->host) && *told))
        return;
    struct item *it = push(w);
    it->is_event = true;
    it->conn = i;
    it->arrives = t->start + (int64_t)(rnd(50) == 0 ? 900 + rnd(600) : rnd(300)) * SEC + 1;
}

/* A translation's begin and end as events, up to 20 s late; one in five ends is never told. */
static void tell_nat(struct world *w, uint32_t i)
{
    const struct truth *t = &w->conn[i];
    for (int end = 0; t->pool && end < 2; end++) {
        if (end && rnd(5) == 0)
            continue;
        struct item *it = push(w);
        it->is_nat = true;
        it->nat = end ? WR_NAT_DELETE : WR_NAT_CREATE;
        it->conn = i;
        it->flow = record(t, 0, 1, end ? t->end : t->start, end ? t->end : t->start);
        it->flow.flags |= WR_FLOW_NAT_EVENT;
        it->arrives = (end ? t->end : t->start) + (int64_t)rnd(20000) * MS;
    }
}

/* The lowest port of the pool that is free again. */
static void give_port(struct truth *t, int64_t free_at[POOL + 1][65536])
{
    t->pool = t->host % 3 == 2 ? (uint8_t)(1 + t->host % POOL) : 0;
    if (!t->pool)
        return;
    t->nport = POOL_PORT;
    while (free_at[t->pool][t->nport] > t->start)
        t->nport++;
    free_at[t->pool][t->nport] = t->end + POOL_REST_S * SEC;
}

static int by_start(const void *a, const void *b)
{
    const struct truth *x = a, *y = b;
    return x->start < y->start ? -1 : x->start > y->start;
}

static int by_arrival(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    return x->arrives < y->arrives ? -1 : x->arrives > y->arrives;
}

static int by_key(const void *a, const void *b)
{
    const struct truth *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    for (int d = 0; d < 2; d++)
        if (x->bytes[d] != y->bytes[d])
            return x->bytes[d] < y->bytes[d] ? -1 : 1;
    return 0;
}

static struct world make_day(uint32_t n)
{
    struct world w = {.conn = calloc(n, sizeof *w.conn), .n = n};
    bool *told = calloc((size_t)HOSTS * SERVERS * 4, sizeof *told);
    int64_t *free_at = calloc((size_t)HOSTS * 65536, sizeof *free_at);
    int64_t(*pool)[65536] = calloc(POOL + 1, sizeof *pool);
    cr_assert(w.conn && told && free_at && pool);
    for (uint32_t i = 0; i < n; i++) {
        struct truth *t = &w.conn[i];
        t->start = T0 + (int64_t)rnd(DAY_S * UINT64_C(1000)) * MS;
        int64_t length = rnd(40) ? (int64_t)rnd(60000) * MS : (int64_t)rnd(6 * 3600) * SEC;
        t->end = t->start + 10 * MS + length;
        t->host = (uint16_t)rnd(HOSTS);
        t->server = (uint8_t)(1 + rnd(SERVERS - 1));
        t->port = (uint8_t)rnd(4);
    }
    qsort(w.conn, n, sizeof *w.conn, by_start);
    for (uint32_t i = 0; i < n; i++) {
        struct truth *t = &w.conn[i];
        /* the lowest port that is free again: soon where the clock is right, later where it is not
         */
        int64_t rest = skew_of(t->host) > SEC ? 400 * SEC : 20 * SEC;
        t->sport = 40000;
        while (free_at[(size_t)t->host * 65536 + t->sport] > t->start)
            t->sport++;
        free_at[(size_t)t->host * 65536 + t->sport] = t->end + rest;
        t->key = key_of(t->host, t->server, t->sport, ports[t->port]);
        give_port(t, pool);
        tell_nat(&w, i);
        bool *was = &told[((size_t)t->host * SERVERS + t->server) * 4 + t->port];
        export_conn(&w, i);
        report(&w, i, was);
        *was = true;
    }
    qsort(w.item, w.nitems, sizeof *w.item, by_arrival);
    free(told);
    free(free_at);
    free(pool);
    return w;
}

static struct wr_batch *event_of(const struct truth *t, const struct wr_colset *cols)
{
    struct wr_batch *b = wr_batch_new(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS), cols, 1);
    char local[16], remote[16], device[16];
    (void)wr_batch_row(b);
    (void)snprintf(local, sizeof local, "10.0.%u.%u", t->host >> 8, t->host & 255);
    (void)snprintf(remote, sizeof remote, "203.0.113.%u", t->server);
    (void)snprintf(device, sizeof device, "ws%u", t->host);
    wr_batch_set_i64(b, WR_DNE_Timestamp, 0, wr_ticks_of_unix_ns(t->start + skew_of(t->host)));
    wr_batch_set_i64(b, WR_DNE_LocalPort, 0, t->sport);
    wr_batch_set_i64(b, WR_DNE_RemotePort, 0, ports[t->port]);
    if (is_capping(t->host))
        wr_batch_set_i64(b, WR_DNE_ReportId, 0, 1 + t->sport);
    set(b, WR_DNE_DeviceName, device);
    set(b, WR_DNE_ActionType, "ConnectionSuccess");
    set(b, WR_DNE_LocalIP, local);
    set(b, WR_DNE_RemoteIP, remote);
    set(b, WR_DNE_Protocol, "Tcp");
    set(b, WR_DNE_InitiatingProcessFileName, "mailer.exe");
    wr_batch_seal(b);
    return b;
}

/* Sessions by row id, as rules know them after all amendments. */
struct seen_day {
    struct truth *row;
    uint32_t n, cap;
    uint32_t *of_id; /* place + 1 */
    size_t nids;
    uint64_t named;
};

static uint64_t key_in(const struct wr_batch *b, uint32_t r)
{
    unsigned o[2][4];
    static const uint16_t ip[2] = {WR_NETSESSION_SrcIpAddr, WR_NETSESSION_DstIpAddr};
    for (int d = 0; d < 2; d++) {
        char text[46];
        copy_text(text, sizeof text, b, ip[d], r);
        cr_assert_eq(sscanf(text, "%u.%u.%u.%u", &o[d][0], &o[d][1], &o[d][2], &o[d][3]), 4);
    }
    return key_of((uint16_t)(o[0][2] << 8 | o[0][3]), (uint8_t)o[1][3],
                  (uint16_t)number(b, WR_NETSESSION_SrcPortNumber, r),
                  (uint16_t)number(b, WR_NETSESSION_DstPortNumber, r));
}

static void take_session(struct seen_day *s, const struct wr_batch *b, uint32_t r)
{
    size_t id = (size_t)number(b, WR_NETSESSION__RowId, r);
    if (id >= s->nids) {
        size_t n = id * 2 + 1024;
        s->of_id = realloc(s->of_id, n * sizeof *s->of_id);
        memset(s->of_id + s->nids, 0, (n - s->nids) * sizeof *s->of_id);
        s->nids = n;
    }
    int64_t marks = b->col[WR_NETSESSION__Amend].i[r];
    if (!(marks & WR_ROW_AMENDS)) {
        cr_assert_eq(s->of_id[id], 0);
        cr_assert_lt(s->n, s->cap);
        s->of_id[id] = ++s->n;
        s->row[s->n - 1].key = key_in(b, r);
        s->named += b->col[WR_NETSESSION_SrcProcessName].s[r].len > 0;
    }
    cr_assert(s->of_id[id]);
    struct truth *row = &s->row[s->of_id[id] - 1];
    row->bytes[0] = number(b, WR_NETSESSION_SrcBytes, r);
    row->bytes[1] = number(b, WR_NETSESSION_DstBytes, r);
    cr_assert(!row->given_up, "nothing comes after that");
    row->given_up = marks & WR_ROW_GIVEN_UP;
    row->estimated = number(b, WR_NETSESSION_BytesEstimated, r) == 1;
}

static void drain_day(struct wr_conn *c, struct wr_batch *b, struct wr_batch *rows,
                      struct seen_day *s)
{
    static const enum wr_table others[] = {WR_TABLE_DEVICE_NETWORK_EVENTS, WR_TABLE_FLOW_ORPHANS};
    while (wr_conn_drain(c, WR_TABLE_ASIM_NETWORK_SESSION_LOGS, b)) {
        for (uint32_t r = 0; r < b->nrows; r++)
            take_session(s, b, r);
        cr_assert(wr_batch_reset(b));
    }
    for (int t = 0; t < 2; t++)
        while (wr_conn_drain(c, others[t], rows))
            cr_assert(wr_batch_reset(rows));
}

static void give_nat(struct wr_conn *c, const struct world *w, const struct item *it)
{
    const struct truth *t = &w->conn[it->conn];
    struct wr_nat nat = {.event = it->nat, .addr = {{198, 51, 100, t->pool}}, .port = {t->nport}};
    struct wr_buf who = {0};
    wr_who_add(&who, WR_WHO_NAT, (const char *)&nat, sizeof nat);
    struct wr_who list = {.at = (const uint8_t *)who.data, .len = (uint32_t)who.len};
    cr_assert_eq(wr_conn_flow_who(c, &it->flow, list, it->arrives), WR_OK);
    wr_buf_fini(&who);
}

static struct seen_day run_day(const struct world *w, uint32_t max, struct wr_conn_stats *ret_stats)
{
    struct wr_conn_opts opts = {.expect_endpoint = true, .max_connections = max};
    opts.sessions = wr_colset_all(wr_schema_of(WR_TABLE_ASIM_NETWORK_SESSION_LOGS));
    wr_colset_add(&opts.wanted, WR_DNE_Timestamp);
    struct wr_colset cols = wr_conn_event_cols(&opts.wanted, &opts.sessions);
    struct wr_conn *c = wr_conn_new(&opts);
    struct wr_batch *b =
        wr_batch_new(wr_schema_of(WR_TABLE_ASIM_NETWORK_SESSION_LOGS), &opts.sessions, 1024);
    struct wr_batch *rows = wr_batch_new(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS), &cols, 1024);
    struct seen_day s = {.cap = 4 * w->n};
    s.row = calloc(s.cap, sizeof *s.row);
    for (size_t i = 0; i < w->nitems; i++) {
        const struct item *it = &w->item[i];
        if (it->is_event) {
            struct wr_batch *event = event_of(&w->conn[it->conn], &cols);
            cr_assert_eq(wr_conn_event(c, event, 0, it->arrives), WR_OK);
            wr_batch_free(event);
        } else if (it->is_nat) {
            give_nat(c, w, it);
        } else {
            cr_assert_eq(wr_conn_flow(c, &it->flow, it->arrives), WR_OK);
        }
        if (i % 500 == 0)
            drain_day(c, b, rows, &s);
    }
    cr_assert_eq(wr_conn_flush(c), WR_OK);
    drain_day(c, b, rows, &s);
    *ret_stats = *wr_conn_stats(c);
    wr_conn_free(c);
    wr_batch_free(b);
    wr_batch_free(rows);
    free(s.of_id);
    return s;
}

static uint32_t day_size(void)
{
    const char *n = getenv("WR_DAY_CONNECTIONS");
    return n ? (uint32_t)atoi(n) : 10000;
}

Test(day, counts_and_bytes_are_the_generators, .timeout = 600)
{
    state = 0x9e3779b97f4a7c15u;
    struct world w = make_day(day_size());
    struct wr_conn_stats stats;
    struct seen_day s = run_day(&w, 4 * w.n, &stats);
    cr_assert_eq(s.n, w.n, "%u sessions of %u connections", s.n, w.n);
    cr_expect_eq(stats.evicted, 0);
    cr_expect_gt(stats.dup_record, 0);
    cr_expect_gt(stats.late_bind, 0);
    cr_expect_gt(stats.remote, 0);
    cr_expect_gt(stats.clocks_off, 0);
    cr_expect_gt(stats.nat_moved, 0);
    cr_expect_eq(stats.nat_dropped, 0);
    cr_expect_gt(s.named, w.n / 2);
    qsort(s.row, s.n, sizeof *s.row, by_key);
    qsort(w.conn, w.n, sizeof *w.conn, by_key);
    uint32_t wrong = 0, marks = 0;
    for (uint32_t i = 0; i < w.n; i++) {
        wrong += by_key(&s.row[i], &w.conn[i]) != 0;
        marks += s.row[i].estimated != w.conn[i].estimated;
    }
    cr_expect_eq(wrong, 0, "%u of %u sessions have other bytes", wrong, w.n);
    cr_expect_eq(marks, 0, "%u of %u are wrong about an estimate", marks, w.n);
    free(s.row);
    free(w.conn);
    free(w.item);
}

Test(day, what_the_bound_gives_up_is_counted, .timeout = 600)
{
    state = 0x2545f4914f6cdd1du;
    struct world w = make_day(3000);
    struct wr_conn_stats stats;
    const uint32_t max = 40;
    struct seen_day s = run_day(&w, max, &stats);
    cr_expect_gt(stats.evicted, 0);
    cr_expect_eq(stats.evicted, stats.evicted_undecided + stats.evicted_open + stats.evicted_ended);
    cr_expect_geq(s.n, w.n, "none is lost");
    cr_expect_leq(s.n - w.n, stats.evicted, "only what was evicted can come twice");
    qsort(s.row, s.n, sizeof *s.row, by_key);
    qsort(w.conn, w.n, sizeof *w.conn, by_key);
    uint64_t marked = 0;
    uint32_t exact = 0, wrong = 0, apart = 0, foreign = 0, x = 0;
    for (uint32_t y = 0; y < w.n;) {
        uint32_t rows = 0, conns = 0, given_up = 0;
        for (; x < s.n && s.row[x].key < w.conn[y].key; x++, foreign++) /* of the other side of a translation that was given up, too */
            marked += s.row[x].given_up;
        for (; x + rows < s.n && s.row[x + rows].key == w.conn[y].key; rows++)
            given_up += s.row[x + rows].given_up;
        while (y + conns < w.n && w.conn[y + conns].key == w.conn[y].key)
            conns++;
        /* of these ends no row says that it was given up, and none came twice: each is the generator's */
        for (uint32_t k = 0; !given_up && rows == conns && k < conns; k++) {
            bool same = by_key(&s.row[x + k], &w.conn[y + k]) == 0 && s.row[x + k].estimated == w.conn[y + k].estimated;
            exact += same;
            wrong += !same && !w.conn[y + k].pool;
            apart += !same && w.conn[y + k].pool;
        }
        marked += given_up;
        x += rows;
        y += conns;
    }
    for (; x < s.n; x++, foreign++)
        marked += s.row[x].given_up;
    cr_expect_leq(foreign, stats.nat_dropped + stats.evicted, "%u", foreign);
    cr_expect_leq(apart, foreign, "what a connection lacks stands under the other side of a translation that was given up (nat_dropped)");
    cr_expect_eq(wrong, 0, "%u of %u that were not given up are wrong", wrong, wrong + exact);
    cr_expect_eq(marked, stats.evicted_undecided + stats.evicted_open, "%llu rows are marked, %llu were given up", (unsigned long long)marked,
                 (unsigned long long)(stats.evicted_undecided + stats.evicted_open));
    cr_expect_gt(exact, max / 10, "%u", exact);
    free(s.row);
    free(w.conn);
    free(w.item);
}
