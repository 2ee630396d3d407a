/* Frames against batches: full batches, lists, predicates, hostile JSON, and real events end to end. */
#include "support.h"

#define EVENT(port, action) EVENT_OF(port, action, "d" port)
#define EVENT_OF(port, action, device)                                                                       \
    "{\"category\":\"AdvancedHunting-DeviceNetworkEvents\",\"properties\":{\"Timestamp\":\"2026-11-24T07:"   \
    "00:00Z\","                                                                                              \
    "\"ActionType\":\"" action "\",\"RemotePort\":" port ",\"DeviceName\":\"" device "\"}}"

static enum wr_err feed_some(struct fixture *f, const char *text, size_t len)
{
    uint32_t e = f->events->nrows, l = f->lines->nrows;
    enum wr_err err = wr_log_frame(f->log, "192.0.2.9", text, len, f->now_ns, &f->rows);
    f->event_rows += f->events->nrows - e;
    f->line_rows += f->lines->nrows - l;
    check_sums(f);
    return err;
}

Test(log, a_full_batch_leaves_no_trace_and_the_frame_works_again)
{
    struct fixture f = open_rows(false, 1);
    feed(&f, EVENT("1", "a"), strlen(EVENT("1", "a")));
    struct wr_log_stats before = *wr_log_stats(f.log);
    cr_expect_eq(feed_some(&f, EVENT("2", "a"), strlen(EVENT("2", "a"))), WR_EFULL);
    cr_expect_eq(feed_some(&f, "text", 4), WR_EFULL);
    cr_expect_eq(memcmp(&before, wr_log_stats(f.log), sizeof before), 0);
    cr_expect_eq(f.lines->nrows, 0);
    feed_alone(&f, EVENT("2", "a"));
    EXPECT_CELL(f.events, WR_DNE_DeviceName, 0, "d2");
    close_rows(&f);
}

Test(log, a_list_that_fits_an_empty_batch_goes_out_whole)
{
    static const char list[] = "{\"records\":[" EVENT("1", "a") ",{\"x\":1}," EVENT("2", "a") "]}";
    struct fixture f = open_rows(false, 3);
    feed(&f, EVENT("9", "a"), strlen(EVENT("9", "a")));
    struct wr_log_stats before = *wr_log_stats(f.log);
    cr_expect_eq(feed_some(&f, list, sizeof list - 1), WR_EFULL);
    cr_expect_eq(memcmp(&before, wr_log_stats(f.log), sizeof before), 0);
    cr_expect_eq(f.events->nrows, 1);
    take_rows(&f);
    cr_expect_eq(feed_some(&f, list, sizeof list - 1), WR_OK);
    cr_expect_eq(f.events->nrows, 2);
    cr_expect_eq(f.lines->nrows, 1);
    EXPECT_CELL(f.lines, WR_SYSLOG_SyslogMessage, 0, "{\"x\":1}");
    EXPECT_CELL(f.lines, WR_SYSLOG_ParseError, 0, "no_mapping");
    EXPECT_CELL(f.events, WR_DNE_DeviceName, 1, "d2");
    cr_expect_eq(wr_log_stats(f.log)->records, 4);
    cr_expect_eq(wr_log_stats(f.log)->frames, 2);
    close_rows(&f);
}

/* 1 event and 1 other record in turn, `n` in all. */
static size_t long_list(char *out, size_t cap, int n)
{
    size_t len = (size_t)snprintf(out, cap, "[");
    for (int i = 0; i < n; i++)
        len += (size_t)snprintf(out + len, cap - len, "%s%s", i ? "," : "",
                                i % 2 ? "{\"x\":1}" : EVENT("25", "ConnectionSuccess"));
    return len + (size_t)snprintf(out + len, cap - len, "]");
}

Test(log, a_list_longer_than_a_batch_comes_in_slices_each_record_once)
{
    static char list[64 * 1024];
    for (int n = 1; n < 40; n++)
        for (uint32_t rows = 1; rows < 8; rows++) {
            size_t len = long_list(list, sizeof list, n);
            struct fixture f = open_rows(false, rows);
            int calls = 0;
            while (feed_some(&f, list, len) == WR_EFULL && calls++ < 2 * n + 2)
                take_rows(&f);
            cr_assert_eq(f.event_rows, (uint64_t)(n + 1) / 2);
            cr_assert_eq(f.line_rows, (uint64_t)n / 2);
            cr_expect_eq(wr_log_stats(f.log)->frames, 1);
            cr_expect_eq(wr_log_stats(f.log)->frame_bytes, len);
            close_rows(&f);
        }
}

Test(log, a_caller_that_takes_only_the_full_batch_gets_every_record_too)
{
    static char list[64 * 1024];
    size_t len = long_list(list, sizeof list, 21);
    struct fixture f = open_rows(false, 4);
    feed(&f, "text", 4);
    int calls = 0;
    while (feed_some(&f, list, len) == WR_EFULL && calls++ < 60) {
        if (f.events->nrows == f.events->cap)
            cr_assert(wr_batch_reset(f.events));
        if (f.lines->nrows == f.lines->cap)
            cr_assert(wr_batch_reset(f.lines));
    }
    cr_expect_eq(f.event_rows, 11);
    cr_expect_eq(f.line_rows, 11);
    close_rows(&f);
}

Test(log, another_frame_between_two_slices_starts_the_list_anew)
{
    static char list[4096];
    size_t len = long_list(list, sizeof list, 9);
    struct fixture f = open_rows(false, 2);
    cr_assert_eq(feed_some(&f, list, len), WR_EFULL);
    take_rows(&f);
    feed_alone(&f, EVENT("1", "a"));
    take_rows(&f);
    int calls = 0;
    while (feed_some(&f, list, len) == WR_EFULL && calls++ < 20)
        take_rows(&f);
    cr_expect_eq(wr_log_stats(f.log)->frames, 3);
    close_rows(&f);
}

Test(log, nobody_reads_lines_but_all_are_counted)
{
    struct fixture f = open_rows(false, 1);
    struct wr_rows none = {{0}};
    static const char event[] = EVENT("25", "a");
    cr_assert_eq(wr_log_frame(f.log, NULL, event, sizeof event - 1, f.now_ns, &none), WR_OK);
    cr_expect_eq(wr_log_stats(f.log)->unread, 1);
    cr_assert_eq(wr_log_frame(f.log, NULL, "text", 4, f.now_ns, &none), WR_OK);
    cr_assert_eq(wr_log_frame(f.log, NULL, NULL, 0, f.now_ns, &none), WR_OK);
    cr_expect_eq(wr_log_stats(f.log)->plain, 2);
    close_rows(&f);
}

static struct wr_scan scan_of(const struct wr_branch *branches, uint32_t n)
{
    return (struct wr_scan){.table = WR_TABLE_DEVICE_NETWORK_EVENTS, .branches = branches, .nbranches = n};
}

Test(log, predicates_drop_events_before_their_columns_are_filled)
{
    int64_t ports[] = {587, 25, 465};
    struct wr_str success = WR_STR_LIT("ConnectionSuccess"), device = WR_STR_LIT("D443");
    struct wr_pred mail[] = {{WR_DNE_RemotePort, WR_PRED_IN_INT, 3, ports, NULL},
                             {WR_DNE_ActionType, WR_PRED_IN_STR, 1, NULL, &success},
                             {WR_DNE_SentBytes, WR_PRED_IN_INT, 1, ports, NULL}};
    struct wr_pred one[] = {{WR_DNE_DeviceName, WR_PRED_IN_STR_NOCASE, 1, NULL, &device}};
    struct wr_branch branches[] = {{mail, 3}, {one, 1}};
    struct wr_scan scan = scan_of(branches, 2);
    struct fixture f = open_rows(false, 1);
    cr_assert_eq(wr_log_scan(f.log, WR_TABLE_DEVICE_NETWORK_EVENTS, &scan), WR_OK);
    ports[0] = 1; /* the scan was copied */
    static const struct {
        const char *line;
        uint32_t rows;
    } events[] = {
        {EVENT("25", "ConnectionSuccess"), 1},
        {EVENT("587", "ConnectionSuccess"), 1},
        {EVENT_OF("\"465\"", "ConnectionSuccess", "d"), 1},
        {EVENT("25", "ConnectionFailed"), 0},
        {EVENT("443", "ConnectionFailed"), 1},
        {EVENT("80", "ConnectionSuccess"), 0},
        {EVENT("null", "ConnectionSuccess"), 0},
        {EVENT("25", "ConnectionRequest"), 1},
        {EVENT("25", "connectionsuccess"), 0},
    };
    uint64_t dropped = 0;
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        feed_alone(&f, events[i].line);
        dropped += !events[i].rows;
        cr_expect_eq(f.events->nrows, events[i].rows, "%s", events[i].line);
        cr_expect_eq(wr_log_stats(f.log)->filtered_early, dropped, "%s", events[i].line);
    }
    cr_assert_eq(wr_log_scan(f.log, WR_TABLE_DEVICE_NETWORK_EVENTS, NULL), WR_OK);
    feed_alone(&f, EVENT("80", "x"));
    cr_expect_eq(f.events->nrows, 1);
    close_rows(&f);
}

Test(log, a_scan_without_branches_wants_no_row_and_a_wrong_one_is_refused)
{
    struct fixture f = open_rows(false, 1);
    struct wr_scan none = scan_of(NULL, 0);
    cr_assert_eq(wr_log_scan(f.log, WR_TABLE_DEVICE_NETWORK_EVENTS, &none), WR_OK);
    feed_alone(&f, EVENT("80", "x"));
    cr_expect_eq(f.events->nrows, 0);
    none.table = WR_TABLE_SYSLOG;
    cr_expect_eq(wr_log_scan(f.log, WR_TABLE_DEVICE_NETWORK_EVENTS, &none), WR_EINVAL);
    struct wr_pred far = {WR_DNE_NCOLS, WR_PRED_IN_INT, 0, NULL, NULL};
    struct wr_branch branch = {&far, 1};
    struct wr_scan bad = scan_of(&branch, 1);
    cr_expect_eq(wr_log_scan(f.log, WR_TABLE_DEVICE_NETWORK_EVENTS, &bad), WR_EINVAL);
    close_rows(&f);
}

static const struct wr_log_stats *one_json(struct fixture *f, const char *prefix, char fill, size_t n,
                                           const char *suffix)
{
    size_t a = strlen(prefix), b = strlen(suffix);
    char *text = malloc(a + n + b);
    cr_assert(text);
    memcpy(text, prefix, a);
    memset(text + a, fill, n);
    memcpy(text + a + n, suffix, b);
    take_rows(f);
    feed(f, text, a + n + b);
    free(text);
    return wr_log_stats(f->log);
}

/* An object around `n` arrays. */
static const struct wr_log_stats *nested(struct fixture *f, size_t n)
{
    char *closing = malloc(n + 2);
    cr_assert(closing);
    memset(closing, ']', n);
    memcpy(closing + n, "}", 2);
    const struct wr_log_stats *s = one_json(f, "{\"a\":", '[', n, closing);
    free(closing);
    return s;
}

Test(log, deep_wide_and_long_json_meets_its_limits)
{
    struct fixture f = open_rows(false, 1);
    cr_expect_eq(nested(&f, 62)->unmapped, 1);
    cr_expect_eq(nested(&f, 64)->unparsed_limit, 1);
    cr_expect_eq(nested(&f, 100000)->unparsed_limit, 2);
    EXPECT_CELL(f.lines, WR_SYSLOG_ParseError, 0, "limit");
    cr_expect_eq(one_json(&f, "{\"a\":\"", 'x', 1024 * 1024, "\"}")->oversize, 1);
    EXPECT_CELL(f.lines, WR_SYSLOG_ParseError, 0, "oversize");
    cr_expect_eq(f.lines->col[WR_SYSLOG_SyslogMessage].s[0].len, 1024 * 1024);
    cr_expect_eq(one_json(&f, "{\"a\":\"", 'x', 1024 * 1024 - 9, "\"}")->unmapped, 2);
    cr_expect_eq(one_json(&f, "{\"a\":\"", '\xff', 1024 * 1024 - 9, "\"}")->bad_utf8, 1);
    cr_expect_eq(wr_log_stats(f.log)->unmapped, 3);

    struct wr_buf wide = {0};
    wr_buf_str(&wide, "{\"category\":\"AdvancedHunting-DeviceNetworkEvents\",\"properties\":{");
    for (int i = 0; i < 4097; i++)
        wr_buf_fmt(&wide, "\"k%d\":1,", i);
    wr_buf_str(&wide, "\"Timestamp\":\"2026-11-24\",\"ActionType\":\"x\"}}");
    take_rows(&f);
    feed(&f, wide.data, wide.len);
    cr_expect_eq(wr_log_stats(f.log)->unparsed_limit, 3);
    wr_buf_fini(&wide);
    close_rows(&f);
}

Test(log, duplicate_keys_are_counted_and_the_last_wins)
{
    struct fixture f = open_rows(false, 1);
    feed_alone(
        &f,
        "{\"category\":\"AdvancedHunting-DeviceNetworkEvents\",\"properties\":{\"ActionType\":\"a\","
        "\"Timestamp\":\"2026-11-24T07:00:00Z\",\"RemotePort\":1,\"RemotePort\":2,\"ActionType\":\"b\"}}");
    EXPECT_CELL(f.events, WR_DNE_RemotePort, 0, "2");
    EXPECT_CELL(f.events, WR_DNE_ActionType, 0, "b");
    cr_expect_eq(wr_log_stats(f.log)->dup_key, 2);
    close_rows(&f);
}

Test(log, odd_strings_become_valid_text)
{
    static const char *const given[] = {"\\ud800", "\\udc00x",  "\\ud800\\ud800", "\\ud83d\\ude00",
                                        "a\xff",   "\\\\ud800", "\\uD83Dx",       "\\udc00\\udc00"};
    static const char *const want[] = {
        "\xef\xbf\xbd", "\xef\xbf\xbdx", "\xef\xbf\xbd\xef\xbf\xbd", "\xf0\x9f\x98\x80", "a\xef\xbf\xbd",
        "\\ud800",      "\xef\xbf\xbdx", "\xef\xbf\xbd\xef\xbf\xbd"};
    struct fixture f = open_rows(false, 1);
    for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
        char line[300];
        snprintf(line, sizeof line,
                 "{\"Type\":\"DeviceNetworkEvents\",\"ActionType\":\"%s\",\"Timestamp\":"
                 "\"2026-11-24\"}",
                 given[i]);
        feed_alone(&f, line);
        cr_assert_eq(f.events->nrows, 1, "%s", given[i]);
        EXPECT_CELL(f.events, WR_DNE_ActionType, 0, want[i]);
    }
    cr_expect_eq(wr_log_stats(f.log)->bad_utf8, 6);
    feed_alone(
        &f, "{\"Type\":\"DeviceNetworkEvents\",\"ActionType\":\"a\\u0000b\",\"Timestamp\":\"2026-11-24\"}");
    cr_expect_eq(f.events->col[WR_DNE_ActionType].s[0].len, 3);
    close_rows(&f);
}

Test(log, bytes_behind_a_value_are_counted_and_the_row_is_kept)
{
    struct fixture f = open_rows(false, 1);
    feed_alone(&f, EVENT("25", "a") " trailing \"text}");
    cr_expect_eq(f.events->nrows, 1);
    cr_expect_eq(wr_log_stats(f.log)->trailing_bytes, 1);
    close_rows(&f);
}

static char *read_file(const char *path, size_t *ret_len)
{
    FILE *file = fopen(path, "rb");
    cr_assert(file, "%s", path);
    char *text = malloc(1 << 20);
    cr_assert(text);
    *ret_len = fread(text, 1, 1 << 20, file);
    fclose(file);
    return text;
}

Test(log, the_labs_events_all_become_rows)
{
    size_t len, at = 0, n;
    char *text = read_file(WR_SOURCE_DIR "/tests/data/mail/lab-endpoint.jsonl", &len);
    struct fixture f = open_rows(false, WR_BATCH_ROWS);
    struct wr_framing framing = {0};
    const char *frame;
    uint64_t mail = 0;
    while (at < len) {
        at += wr_framing_next(&framing, text + at, len - at, true, &frame, &n);
        if (!frame)
            continue;
        while (feed_some(&f, frame, n) == WR_EFULL)
            take_rows(&f);
        uint32_t row = f.events->nrows - 1;
        mail += f.events->col[WR_DNE_RemotePort].i[row] == 587;
        cr_expect(f.events->col[WR_DNE_DeviceName].s[row].len > 0);
        cr_expect(f.events->col[WR_DNE_InitiatingProcessSHA1].s[row].len == 40);
    }
    cr_expect_eq(f.event_rows, 101);
    cr_expect_eq(wr_log_stats(f.log)->parsed_defender, 101);
    cr_expect_eq(wr_log_stats(f.log)->dup_key, 0);
    cr_expect_eq(f.line_rows, 0);
    cr_expect_eq(mail, 46);
    close_rows(&f);
    free(text);
}

Test(log, what_rsyslog_sends_is_understood_in_each_of_its_forms)
{
    static const char *const names[] = {"rsyslog-octet.bin", "rsyslog-lines.bin", "rsyslog-5424.bin"};
    for (size_t i = 0; i < 3; i++) {
        char path[256];
        snprintf(path, sizeof path, WR_SOURCE_DIR "/tests/data/log/%s", names[i]);
        size_t len, at = 0, n;
        char *text = read_file(path, &len);
        struct fixture f = open_rows(false, 3);
        struct wr_framing framing = {0};
        const char *frame;
        while (at < len) {
            at += wr_framing_next(&framing, text + at, len - at, true, &frame, &n);
            if (frame)
                feed(&f, frame, n);
        }
        cr_expect_eq(framing.stats.framed_octet, i == 0 ? 4 : 0);
        cr_assert_eq(f.events->nrows, 2, "%s", names[i]);
        cr_assert_eq(f.lines->nrows, 2, "%s", names[i]);
        EXPECT_CELL(f.events, WR_DNE_Timestamp, 0, "2026-11-24T15:00:00.1230000Z");
        EXPECT_CELL(f.events, WR_DNE_DeviceName, 0, "lin1");
        EXPECT_CELL(f.events, WR_DNE_RemotePort, 0, "587");
        EXPECT_CELL(f.events, WR_DNE_DeviceName, 1, "lab-ws01.lab.example");
        EXPECT_CELL(f.lines, WR_SYSLOG_SyslogMessage, 0, "plain text \xc3\xa9");
        EXPECT_CELL(f.lines, WR_SYSLOG_HostName, 0, "vm");
        EXPECT_CELL(f.lines, WR_SYSLOG_ProcessName, 0, "su");
        EXPECT_CELL(f.lines, WR_SYSLOG_ParseError, 1, "no_mapping");
        close_rows(&f);
        free(text);
    }
}
