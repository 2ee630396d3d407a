/* Events that no rule wants are refused before their values are read. Whatever a text holds, a
 * parser with a filter gives those rows of one without that meet it, and counts the same; so does
 * one that meets the text behind a blank, where it is not taken for JSON at its first byte. */
#include "support.h"

static const int64_t ports[] = {25, 587};

struct side {
    struct wr_log *log;
    struct wr_rows rows;
};

static struct side side_new(bool filter)
{
    static const uint16_t cols[] = {WR_DNE_Timestamp, WR_DNE_ActionType, WR_DNE_RemotePort,
                                    WR_DNE_DeviceName, WR_DNE_AdditionalFields};
    const struct wr_schema *dne = wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS),
                           *sys = wr_schema_of(WR_TABLE_SYSLOG);
    struct wr_colset some = {0}, all = wr_colset_all(sys);
    struct wr_str action = WR_STR_LIT("ConnectionSuccess");
    struct wr_pred preds[] = {{WR_DNE_RemotePort, WR_PRED_IN_INT, 2, ports, NULL},
                              {WR_DNE_ActionType, WR_PRED_IN_STR, 1, NULL, &action}};
    struct wr_branch branch = {preds, 2};
    struct wr_scan scan = {
        .table = WR_TABLE_DEVICE_NETWORK_EVENTS, .branches = &branch, .nbranches = 1};
    struct side s = {.log = wr_log_new(&(struct wr_log_opts){.live = true})};
    for (size_t i = 0; i < sizeof cols / sizeof *cols; i++)
        wr_colset_add(&some, cols[i]);
    s.rows.of[WR_TABLE_DEVICE_NETWORK_EVENTS] = wr_batch_new(dne, &some, 64);
    s.rows.of[WR_TABLE_SYSLOG] = wr_batch_new(sys, &all, 64);
    cr_assert(s.log && s.rows.of[WR_TABLE_DEVICE_NETWORK_EVENTS] && s.rows.of[WR_TABLE_SYSLOG]);
    cr_assert_eq(wr_log_scan(s.log, WR_TABLE_DEVICE_NETWORK_EVENTS, filter ? &scan : NULL), WR_OK);
    return s;
}

static void side_free(struct side *s)
{
    wr_log_free(s->log);
    wr_rows_free(&s->rows);
}

static void side_feed(struct side *s, const char *text, size_t len)
{
    cr_assert(wr_rows_reset(&s->rows));
    cr_assert_eq(
        wr_log_frame(s->log, "192.0.2.9", text, len, INT64_C(1700000000000000000), &s->rows),
        WR_OK);
}

static bool meets(const struct wr_batch *b, uint32_t row)
{
    const struct wr_str *action = &b->col[WR_DNE_ActionType].s[row];
    struct wr_str wanted = WR_STR_LIT("ConnectionSuccess"),
                  request = WR_STR_LIT("ConnectionRequest");
    const struct wr_vec *port = &b->col[WR_DNE_RemotePort];
    return wr_vec_valid(port, row) && (port->i[row] == ports[0] || port->i[row] == ports[1]) &&
           (wr_str_eq(action, &wanted) ||
            wr_str_eq_nocase(action, &request)); /* which its flow may show to be a success */
}

/* The rows of `all` that pass are those of `some`, in order. */
static void same_rows(const struct wr_batch *all, const struct wr_batch *some, bool filtered,
                      const char *text)
{
    struct wr_buf a = {0}, b = {0};
    uint32_t n = 0;
    for (uint32_t r = 0; r < all->nrows; r++) {
        if (filtered && !meets(all, r))
            continue;
        cr_assert_lt(n, some->nrows, "%s", text);
        wr_buf_reset(&a);
        wr_buf_reset(&b);
        wr_row_pack(all, r, &a);
        wr_row_pack(some, n++, &b);
        cr_assert(a.len == b.len && !memcmp(a.data, b.data, a.len), "%s", text);
    }
    cr_assert_eq(n, some->nrows, "%s", text);
    wr_buf_fini(&a);
    wr_buf_fini(&b);
}

static void same_counts(const struct side *all, const struct side *some, uint64_t blanks,
                        const char *text)
{
    struct wr_log_stats a = *wr_log_stats(all->log), b = *wr_log_stats(some->log);
    a.filtered_early = b.filtered_early = 0;
    b.frame_bytes -= blanks;
    cr_assert(!memcmp(&a, &b, sizeof a), "%s", text);
}

static void put_member(struct wr_buf *b, unsigned *seed)
{
    static const char *const keys[] = {"RemotePort",
                                       "RemotePort",
                                       "Remote\\u0050ort",
                                       "ActionType",
                                       "Timestamp",
                                       "TimeGenerated",
                                       "DeviceName",
                                       "LocalIP",
                                       "Protocol",
                                       "AdditionalFields",
                                       "properties",
                                       "category",
                                       "Type",
                                       "TenantId",
                                       "ReportId",
                                       "LogonType",
                                       "AccountName",
                                       "unknown",
                                       ""};
    static const char *const values[] = {"587",
                                         "25",
                                         "443",
                                         "\"587\"",
                                         "587.0",
                                         "5.87e2",
                                         "-587",
                                         "70000",
                                         "null",
                                         "true",
                                         "\"ConnectionSuccess\"",
                                         "\"ConnectionSuccess\"",
                                         "\"ConnectionRe\\u0071uest\"",
                                         "\"ConnectionFailed\"",
                                         "\"2023-11-14T22:13:20Z\"",
                                         "\"2031-01-01T00:00:00Z\"",
                                         "1700000000",
                                         "\"\"",
                                         "\"a\\\\\\\"b\"",
                                         "\"\\ud800\"",
                                         "{\"RemotePort\":587}",
                                         "[587,\"}\"]",
                                         "\"{\\\"a\\\":1}\"",
                                         "\"\xc3\"",
                                         "01",
                                         "\"AdvancedHunting-DeviceNetworkEvents\"",
                                         "\"DeviceNetworkEvents\""};
    wr_buf_fmt(b, "\"%s\":", keys[(unsigned)rand_r(seed) % (sizeof keys / sizeof *keys)]);
    wr_buf_str(b, values[(unsigned)rand_r(seed) % (sizeof values / sizeof *values)]);
}

/* A record as Defender streams it, with members that are there too often, elsewhere, or are
 * something else. */
static void put_event(struct wr_buf *b, unsigned *seed)
{
    bool flat = rand_r(seed) % 4 == 0;
    unsigned n = (unsigned)rand_r(seed) % 6;
    wr_buf_str(b, flat ? "{"
                       : "{\"category\":\"AdvancedHunting-DeviceNetworkEvents\",\"properties\":{");
    wr_buf_fmt(b,
               "\"Timestamp\":\"2023-11-14T22:%02d:20Z\",\"ActionType\":\"%s\",\"Protocol\":"
               "\"Tcp\",\"LocalIP\":\"10.1.2.3\",\"RemotePort\":%d",
               rand_r(seed) % 60, rand_r(seed) % 4 ? "ConnectionSuccess" : "ConnectionFailed",
               rand_r(seed) % 3 ? 443 : 587);
    for (unsigned i = 0; i < n; i++) {
        wr_buf_char(b, ',');
        put_member(b, seed);
    }
    wr_buf_str(b, flat ? "" : "}");
    if (rand_r(seed) % 4 == 0) {
        wr_buf_char(b, ',');
        put_member(b, seed);
    }
    wr_buf_char(b, '}');
}

Test(early, a_filter_takes_rows_away_and_changes_nothing_else)
{
    struct side all = side_new(false), some = side_new(true), late = side_new(false);
    struct wr_buf b = {0};
    unsigned seed = 3, kept = 0;
    for (int i = 0; i < 20000; i++) {
        wr_buf_reset(&b);
        wr_buf_char(&b, ' ');
        unsigned form = (unsigned)rand_r(&seed) % 8;
        wr_buf_str(&b, form == 0 ? "{\"records\":[" : "");
        put_event(&b, &seed);
        if (form == 0) {
            wr_buf_char(&b, ',');
            put_event(&b, &seed);
        }
        wr_buf_str(&b, form == 0 ? "]}" : form == 1 ? "}" : "");
        if (rand_r(&seed) % 8 == 0)
            b.data[1 + (unsigned)rand_r(&seed) % (b.len - 1)] =
                "{}[]:,\"\\ 1e\x01\xff"[rand_r(&seed) % 13];
        wr_buf_char(&b, '\0');
        side_feed(&all, b.data + 1, b.len - 2);
        side_feed(&some, b.data + 1, b.len - 2);
        side_feed(&late, b.data, b.len - 1);
        for (int t = 0; t < WR_NTABLES; t++) {
            if (!all.rows.of[t])
                continue;
            same_rows(all.rows.of[t], some.rows.of[t], t == WR_TABLE_DEVICE_NETWORK_EVENTS, b.data);
            if (t == WR_TABLE_DEVICE_NETWORK_EVENTS)
                same_rows(all.rows.of[t], late.rows.of[t], false, b.data);
        }
        same_counts(&all, &some, 0, b.data);
        same_counts(&all, &late, (uint64_t)i + 1, b.data);
        kept += some.rows.of[WR_TABLE_DEVICE_NETWORK_EVENTS]->nrows;
    }
    const struct wr_log_stats *n = wr_log_stats(all.log);
    cr_expect(kept > 1000 && n->unparsed_json > 500 && n->dup_key > 1000 && n->bad_utf8 > 100 &&
                  n->clock_implausible > 100 && n->unparsed_missing_field > 10,
              "%u %lu %lu %lu %lu %lu", kept, n->unparsed_json, n->dup_key, n->bad_utf8,
              n->clock_implausible, n->unparsed_missing_field);
    wr_buf_fini(&b);
    side_free(&all);
    side_free(&some);
    side_free(&late);
}

/* The frames of a stream, with and without the parser being asked for those that it knows: their rows, and how many it knew. */
static unsigned stream(struct side *s, const char *text, size_t len, bool ask, struct wr_framing *f, struct wr_buf *out)
{
    unsigned known = 0;
    *f = (struct wr_framing){.log = ask ? s->log : NULL};
    for (size_t at = 0; at < len;) {
        const char *frame;
        known += ask && wr_log_known(s->log, text + at, len - at) > 0;
        size_t n, used = wr_framing_next(f, text + at, len - at, true, &frame, &n);
        cr_assert_gt(used, 0);
        at += used;
        if (!frame)
            continue;
        side_feed(s, frame, n);
        for (int t = 0; t < WR_NTABLES; t++)
            for (uint32_t r = 0; s->rows.of[t] && r < s->rows.of[t]->nrows; r++)
                wr_row_pack(s->rows.of[t], r, out);
    }
    return known;
}

Test(early, a_stream_whose_frames_are_known_gives_the_same_rows_and_counts)
{
    static const char *const ends[] = {"\n", "\n", "\n", "\r\n", "\r\r\n", "", " \n", "x\n"};
    struct side plain = side_new(true), asked = side_new(true);
    struct wr_framing f, g;
    struct wr_buf b = {0}, rows = {0}, same = {0};
    unsigned seed = 11;
    for (int i = 0; i < 6000; i++) {
        size_t from = b.len;
        put_event(&b, &seed);
        if (rand_r(&seed) % 8 == 0)
            b.data[from + (unsigned)rand_r(&seed) % (b.len - from)] = "{}[]:,\"\\ 1e\x01\xff\n"[rand_r(&seed) % 14];
        wr_buf_str(&b, ends[rand_r(&seed) % 8]);
    }
    memset(wr_buf_room(&b, WR_JSON_ZEROS), 0, WR_JSON_ZEROS);
    stream(&plain, b.data, b.len, false, &f, &rows);
    unsigned known = stream(&asked, b.data, b.len, true, &g, &same);
    cr_expect(rows.len == same.len && !memcmp(rows.data, same.data, rows.len));
    cr_expect(!memcmp(wr_log_stats(plain.log), wr_log_stats(asked.log), sizeof(struct wr_log_stats)));
    cr_expect(!memcmp(&f.stats, &g.stats, sizeof f.stats));
    cr_expect(wr_log_stats(plain.log)->filtered_early > 500 && wr_log_stats(plain.log)->unparsed_json > 100 && rows.len > 50000);
    cr_expect_gt(known, 200, "%u", known);
    wr_buf_fini(&b);
    wr_buf_fini(&rows);
    wr_buf_fini(&same);
    side_free(&plain);
    side_free(&asked);
}

/* Lists, most of whose records are like each other: as behind a blank, where none is met by its bytes. */
Test(early, lists_of_records_of_known_shapes_give_the_rows_of_lists_read_as_a_whole)
{
    static const char *const odd[] = {"null", "{}", "{\"category\":1}", "[1]", "{\"a\":\"\xff\"}", "{\"a\":\"\\q\"}", "{\"a\":\"\\ud800\"}"};
    struct side met = side_new(true), read = side_new(true);
    struct wr_buf b = {0};
    unsigned seed = 5, kept = 0;
    for (int i = 0; i < 4000; i++) {
        wr_buf_reset(&b);
        wr_buf_char(&b, ' ');
        bool bare = rand_r(&seed) % 4 == 0;
        unsigned n = 1 + (unsigned)rand_r(&seed) % 12;
        wr_buf_str(&b, bare ? "[" : rand_r(&seed) % 8 ? "{\"records\":[" : "{ \"records\" : [ ");
        for (unsigned k = 0; k < n; k++) {
            wr_buf_str(&b, k ? rand_r(&seed) % 8 ? "," : " ,\n" : "");
            if (rand_r(&seed) % 40 == 0)
                wr_buf_str(&b, odd[(unsigned)rand_r(&seed) % (sizeof odd / sizeof *odd)]);
            else
                wr_buf_fmt(&b, "{\"category\":\"AdvancedHunting-DeviceNetworkEvents\",\"properties\":{\"Timestamp\":\"2023-11-14T22:%02d:20Z\",\"ActionType\":"
                               "\"ConnectionSuccess\",\"RemotePort\":%d,\"DeviceName\":\"ws-%u\\u0041\"}}", rand_r(&seed) % 60, rand_r(&seed) % 3 ? 443 : 587, k);
        }
        wr_buf_str(&b, bare ? "]" : rand_r(&seed) % 8 ? "]}" : "] }");
        if (rand_r(&seed) % 8 == 0)
            b.data[1 + (unsigned)rand_r(&seed) % (b.len - 1)] = "{}[]:,\"\\ 1e\x01\xff"[rand_r(&seed) % 13];
        wr_buf_char(&b, '\0');
        side_feed(&met, b.data + 1, b.len - 2);
        side_feed(&read, b.data, b.len - 1);
        const struct wr_batch *events = met.rows.of[WR_TABLE_DEVICE_NETWORK_EVENTS];
        same_rows(events, read.rows.of[WR_TABLE_DEVICE_NETWORK_EVENTS], false, b.data);
        cr_assert_eq(met.rows.of[WR_TABLE_SYSLOG]->nrows, read.rows.of[WR_TABLE_SYSLOG]->nrows); /* of a list, with the blank or without */
        same_counts(&met, &read, (uint64_t)i + 1, b.data);
        kept += events->nrows;
    }
    const struct wr_log_stats *n = wr_log_stats(met.log);
    cr_expect(kept > 4000 && n->unparsed_json > 200 && n->unmapped > 100 && n->filtered_early > 4000, "%u %lu %lu %lu", kept, n->unparsed_json, n->unmapped, n->filtered_early);
    wr_buf_fini(&b);
    side_free(&met);
    side_free(&read);
}

Test(early, a_list_teaches_its_shapes_and_waits_for_room)
{
    static const char one[] = "{\"Timestamp\":\"2023-11-14T22:13:20Z\",\"ActionType\":\"ConnectionSuccess\",\"Protocol\":\"Tcp\",\"LocalIP\":\"10.1.2.3\",\"RemotePort\":587}";
    struct side s = side_new(true);
    struct wr_buf list = {0}, text = {0};
    struct wr_batch *events = s.rows.of[WR_TABLE_DEVICE_NETWORK_EVENTS];
    for (int i = 0; i < 64; i++)
        wr_buf_fmt(&list, "%s%s", i ? "," : "[", one);
    wr_buf_char(&list, ']');
    wr_buf_str(&text, one);
    memset(wr_buf_room(&text, WR_JSON_ZEROS), 0, WR_JSON_ZEROS);
    cr_expect_eq(wr_log_known(s.log, text.data, text.len), 0);
    side_feed(&s, list.data, list.len);
    cr_expect_eq(events->nrows, 64);
    cr_expect_eq(wr_log_known(s.log, text.data, text.len), text.len, "the list left the shape of its records behind");
    side_feed(&s, one, sizeof one - 1);
    for (int again = 0; again < 2; again++) {
        enum wr_err err = wr_log_frame(s.log, "192.0.2.9", list.data, list.len, INT64_C(1700000000000000000), &s.rows);
        cr_expect_eq(err, again ? WR_OK : WR_EFULL);
        cr_expect_eq(events->nrows, again ? 64 : 1);
        if (err)
            cr_assert(wr_rows_reset(&s.rows));
    }
    cr_expect_eq(wr_log_stats(s.log)->records, 64 + 1 + 64);
    wr_buf_fini(&list);
    wr_buf_fini(&text);
    side_free(&s);
}

static const char *const sources[] = {
    "{\"ts\":1764000000.5,\"uid\":\"C1\",\"id.orig_h\":\"10.1.0.1\",\"id.orig_p\":5353,\"id.resp_"
    "h\":\"192.0.2.1\",\"id.resp_p\":53,\"proto\":\"udp\",\"query\":\"a.example\","
    "\"qtype\":1,\"qtype_name\":\"A\",\"rcode\":3,\"rcode_name\":\"NXDOMAIN\",\"AA\":false,"
    "\"answers\":[\"192.0.2.7\",\"b\"]}",
    "{\"event_type\":\"flow\",\"src_ip\":\"10.1.2.3\",\"src_port\":51514,\"dest_ip\":\"203.0.113."
    "25\",\"dest_port\":587,\"proto\":\"TCP\",\"flow\":{\"bytes_toserver\":18432,"
    "\"bytes_toclient\":5120,\"start\":\"2023-11-14T22:13:20.123000+0000\",\"state\":\"closed\"}}",
    "{\"@timestamp\":\"2023-11-14T22:13:20.123Z\",\"host\":{\"name\":\"ws\"},\"source\":{\"ip\":"
    "\"10.1.2.3\",\"port\":51514},\"destination\":{\"ip\":\"203.0.113.25\",\"port\":587},"
    "\"network\":{\"transport\":\"tcp\",\"direction\":\"egress\"},\"process\":{\"name\":\"python."
    "exe\",\"pid\":4242}}",
    "{\"hostname\":\"ws\",\"output_fields\":{\"evt.time\":1700000000123000000,\"fd.name\":\"10.1.2."
    "3:51514->203.0.113.25:587\",\"fd.l4proto\":\"tcp\",\"proc.name\":\"python3\"}}",
    "{\"MESSAGE\":\"<Event><System><Provider "
    "Name=\\\"Linux-Sysmon\\\"/><EventID>3</EventID></System></Event>\",\"_HOSTNAME\":\"ws\"}",
};

static struct side side_all(const struct wr_mappings *mappings)
{
    struct side s = {.log = wr_log_new(&(struct wr_log_opts){.live = true, .mappings = mappings})};
    cr_assert(s.log);
    for (int t = 0; t < WR_NTABLES; t++) {
        struct wr_colset all = wr_colset_all(wr_schema_of((enum wr_table)t));
        s.rows.of[t] = wr_batch_new(wr_schema_of((enum wr_table)t), &all, 8);
        cr_assert(s.rows.of[t]);
    }
    return s;
}

/* What it knows of texts before never shows in a row: one parser for all texts gives what a new one
 * gives. */
Test(early, a_parser_that_has_seen_others_gives_the_rows_of_a_new_one)
{
    struct wr_mappings *mappings = wr_mappings_new();
    struct side old = side_all(mappings);
    unsigned seed = 5;
    uint64_t mapped = 0;
    for (int i = 0; i < 800; i++) {
        char text[1024];
        size_t len =
            (size_t)snprintf(text, sizeof text, "%s",
                             sources[(unsigned)rand_r(&seed) % (sizeof sources / sizeof *sources)]);
        for (int k = rand_r(&seed) % 3; k > 0; k--)
            text[(unsigned)rand_r(&seed) % len] = "0123456789abcAB-{}[]:,\"\\ "[rand_r(&seed) % 25];
        struct wr_log_stats was = *wr_log_stats(old.log);
        struct side fresh = side_all(mappings);
        side_feed(&old, text, len);
        side_feed(&fresh, text, len);
        for (int t = 0; t < WR_NTABLES; t++)
            same_rows(fresh.rows.of[t], old.rows.of[t], false, text);
        const struct wr_log_stats *is = wr_log_stats(old.log), *alone = wr_log_stats(fresh.log);
#define X(name) cr_assert_eq(is->name - was.name, alone->name, "%s: %s", #name, text);
        WR_LOG_COUNTERS(X)
#undef X
        mapped += alone->mapped;
        side_free(&fresh);
    }
    cr_expect(mapped > 200 && mapped < 800, "%lu", mapped);
    side_free(&old);
    wr_mappings_free(mappings);
}

/* What is read may change from one frame to the next: other batches, other columns. */
Test(early, columns_are_those_of_the_batch_at_hand)
{
    static const uint16_t cols[] = {WR_DNS_DnsQuery, WR_DNS_SrcIpAddr, WR_DNS_SrcPortNumber, WR_DNS_DnsQueryTypeName};
    struct wr_log *log = wr_log_new(&(struct wr_log_opts){.live = false});
    const struct wr_schema *schema = wr_schema_of(WR_TABLE_ASIM_DNS_ACTIVITY_LOGS);
    for (unsigned round = 0; round < 12; round++) {
        struct wr_colset some = {0};
        wr_colset_add(&some, WR_TIME_COL);
        for (unsigned i = 0; i < 4; i++)
            if ((round * 7 + 1) >> i & 1)
                wr_colset_add(&some, cols[i]);
        struct wr_rows rows = {{0}};
        rows.of[WR_TABLE_ASIM_DNS_ACTIVITY_LOGS] = wr_batch_new(schema, &some, 4);
        cr_assert_eq(wr_log_frame(log, "", sources[0], strlen(sources[0]), 0, &rows), WR_OK);
        const struct wr_batch *b = rows.of[WR_TABLE_ASIM_DNS_ACTIVITY_LOGS];
        cr_assert_eq(b->nrows, 1);
        if (wr_colset_has(&some, cols[0]))
            EXPECT_CELL(b, WR_DNS_DnsQuery, 0, "a.example");
        if (wr_colset_has(&some, cols[1]))
            EXPECT_CELL(b, WR_DNS_SrcIpAddr, 0, "10.1.0.1");
        if (wr_colset_has(&some, cols[2]))
            cr_expect_eq(b->col[cols[2]].i[0], 5353);
        if (wr_colset_has(&some, cols[3]))
            EXPECT_CELL(b, WR_DNS_DnsQueryTypeName, 0, "A");
        wr_rows_free(&rows);
    }
    wr_log_free(log);
}
