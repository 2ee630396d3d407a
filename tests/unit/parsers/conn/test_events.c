/* Events in packed rows, many at once: the same state as one by one from batches. */
#include "base/buf.h"
#include "conn_kit.h"

enum { ROUNDS = 40, SOME = 50 };

static uint64_t state;

static uint32_t any(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 11) % below);
}

static struct wr_colset wanted(void)
{
    static const uint16_t cols[] = {WR_DNE_Timestamp, WR_DNE_DeviceName,
                                    WR_DNE_RemoteIP,  WR_DNE_RemoteUrl,
                                    WR_DNE_SentBytes, WR_DNE_InitiatingProcessFileName};
    struct wr_colset set = {{0}};
    for (size_t i = 0; i < sizeof cols / sizeof *cols; i++)
        wr_colset_add(&set, cols[i]);
    return set;
}

static void put(struct wr_batch *b, uint16_t col, uint32_t r, const char *text)
{
    cr_assert(wr_batch_set_str(b, col, r, text, strlen(text)));
}

/* Openings and others, good and bad, of few tuples: repeated, of reused ports, by two names of one
 * device. */
static void add_event(struct wr_batch *b, int64_t at_ms)
{
    static const char *const actions[] = {"ConnectionSuccess",
                                          "ConnectionFailed",
                                          "InboundConnectionAccepted",
                                          "ConnectionFound",
                                          "ConnectionRequest",
                                          "ListeningConnectionCreated",
                                          ""};
    static const char *const locals[] = {"10.0.0.1",        "10.0.0.2", "fd00::1",
                                         "::ffff:10.0.0.1", "10.0.0",   ""};
    static const char *const remotes[] = {"203.0.113.1", "fd00::2", "10.0.0.1"};
    static const char *const protocols[] = {"Tcp", "TCP", "UdpV4", "17", "no protocol at all"};
    static const char *const names[] = {"ws1", "WS1.corp.example", "ws2.corp.example", ""};
    uint32_t r = wr_batch_row(b);
    if (any(20))
        wr_batch_set_i64(b, WR_DNE_Timestamp, r, wr_ticks_of_unix_ns(T0 + at_ms * MS));
    put(b, WR_DNE_ActionType, r, actions[any(7)]);
    put(b, WR_DNE_LocalIP, r, locals[any(6)]);
    put(b, WR_DNE_RemoteIP, r, remotes[any(3)]);
    put(b, WR_DNE_Protocol, r, protocols[any(5)]);
    put(b, WR_DNE_DeviceName, r, names[any(4)]);
    put(b, WR_DNE_InitiatingProcessFileName, r, any(2) ? "outlook.exe" : "");
    put(b, WR_DNE_RemoteUrl, r, any(3) ? "" : "mail.example");
    wr_batch_set_i64(b, WR_DNE_LocalPort, r, any(30) ? 40000 + any(3) : 70000);
    wr_batch_set_i64(b, WR_DNE_RemotePort, r, 25);
    if (any(4) == 0)
        wr_batch_set_i64(b, WR_DNE_ReportId, r, 7);
    if (any(4) == 0)
        wr_batch_set_i64(b, WR_DNE_SentBytes, r, (int64_t)any(1000) - 10);
}

static void expect_same_state(const struct wr_conn *a, const struct wr_conn *b, int round)
{
    struct wr_buf x = {0}, y = {0};
    wr_conn_save(a, &x);
    wr_conn_save(b, &y);
    cr_assert(!x.err && !y.err);
    cr_assert(x.len == y.len && memcmp(x.data, y.data, x.len) == 0, "round %d: the states differ",
              round);
    wr_buf_fini(&x);
    wr_buf_fini(&y);
}

static void drain_all(struct wr_conn *c, struct wr_batch *out)
{
    while (wr_conn_drain(c, WR_TABLE_DEVICE_NETWORK_EVENTS, out))
        cr_assert(wr_batch_reset(out));
}

Test(conn_events, packed_and_many_are_as_one_by_one)
{
    struct wr_conn_opts opts = {.wanted = wanted(), .max_connections = 8, .expect_endpoint = true};
    struct wr_colset cols = wr_conn_event_cols(&opts.wanted, &opts.sessions);
    const struct wr_schema *schema = wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS);
    struct wr_conn *one = wr_conn_new(&opts), *many = wr_conn_new(&opts);
    struct wr_batch *b = wr_batch_new(schema, &cols, SOME),
                    *out = wr_batch_new(schema, &opts.wanted, 64);
    struct wr_buf bytes = {0};
    struct wr_packed packed[SOME];
    size_t at[SOME];
    uint32_t row[SOME];
    state = 20261127;
    for (int round = 0; round < ROUNDS; round++) {
        cr_assert(wr_batch_reset(b));
        wr_buf_reset(&bytes);
        for (uint32_t i = 0; i < SOME; i++) {
            int64_t now = round * 20000 + (int64_t)i * 7;
            add_event(b, now - (int64_t)any(3000));
            row[i] = i;
            at[i] = bytes.len;
            wr_row_pack(b, i, &bytes);
            packed[i] =
                (struct wr_packed){.len = (uint32_t)(bytes.len - at[i]), .now_ns = T0 + now * MS};
        }
        for (uint32_t i = 0; i < SOME; i++) {
            uint32_t from = i && any(5) == 0 ? i - 1 : i; /* told twice */
            packed[i].len = packed[from].len;
            at[i] = at[from];
            row[i] = row[from];
            packed[i].bytes = bytes.data + at[i];
            cr_assert_eq(wr_conn_event(one, b, row[i], packed[i].now_ns), WR_OK);
        }
        cr_assert_eq(wr_conn_events(many, packed, SOME), WR_OK);
        expect_same_state(one, many, round);
        struct wr_flow f = flow(any(2), round * 20000, round * 20000 + 10, ALL, 100);
        cr_assert_eq(wr_conn_flow(one, &f, packed[SOME - 1].now_ns), WR_OK);
        cr_assert_eq(wr_conn_flow(many, &f, packed[SOME - 1].now_ns), WR_OK);
        drain_all(one, out);
        drain_all(many, out);
    }
    const struct wr_conn_stats *s = wr_conn_stats(many);
    cr_expect(s->dup_record && s->matched && s->evicted && s->ambiguous && s->openings < s->events,
              "the mix has every kind: %lu %lu %lu %lu", (unsigned long)s->dup_record,
              (unsigned long)s->matched, (unsigned long)s->evicted, (unsigned long)s->ambiguous);
    wr_buf_fini(&bytes);
    wr_batch_free(b);
    wr_batch_free(out);
    wr_conn_free(one);
    wr_conn_free(many);
}

Test(conn_events, what_is_no_packed_row_is_left_out_and_the_others_are_taken)
{
    struct kit *k = kit_new((struct wr_conn_opts){.expect_endpoint = true});
    struct wr_colset all = kit_wanted();
    struct wr_batch *b = wr_batch_new(wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS), &all, 1);
    struct wr_buf good = {0};
    (void)wr_batch_row(b);
    put(b, WR_DNE_ActionType, 0, "ConnectionSuccess");
    put(b, WR_DNE_LocalIP, 0, "10.0.0.1");
    put(b, WR_DNE_RemoteIP, 0, "203.0.113.1");
    put(b, WR_DNE_Protocol, 0, "Tcp");
    wr_batch_set_i64(b, WR_DNE_LocalPort, 0, 40000);
    wr_batch_set_i64(b, WR_DNE_RemotePort, 0, 25);
    wr_row_pack(b, 0, &good);
    static const uint8_t no_column[] = {0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0};
    struct wr_packed rows[] = {
        {good.data, (uint32_t)good.len, T0},       {good.data, (uint32_t)good.len - 1, T0},
        {no_column, sizeof no_column, T0},         {good.data, 3, T0},
        {good.data, (uint32_t)good.len, T0 + SEC}, {NULL, 0, T0 + SEC}};
    cr_expect_eq(wr_conn_events(k->conn, rows, sizeof rows / sizeof *rows), WR_ECORRUPT);
    cr_expect_eq(stats(k)->events, 3);
    cr_expect_eq(stats(k)->openings, 2);
    for (size_t i = 1; i < 4; i++)
        cr_expect_not(wr_row_is_sound(b->schema, rows[i].bytes, rows[i].len));
    cr_expect(wr_row_is_sound(b->schema, rows[0].bytes, rows[0].len) &&
              wr_row_is_sound(b->schema, NULL, 0));
    wr_buf_fini(&good);
    wr_batch_free(b);
    kit_free(k);
}
