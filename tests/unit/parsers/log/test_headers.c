/* Headers as devices send them: each line with the row of Syslog that it must become. */
#include "support.h"

struct header_case {
    const char *line;
    const char *facility, *severity, *event_time, *host, *process, *pid, *message;
};

static const struct header_case cases[] = {
    /* RFC 5424 */
    {"<165>1 2026-11-23T22:14:15.003Z fw1 app 111 ID47 [x@32473 k=\"a\\]b\"] text", "local4", "notice",
     "2026-11-23T22:14:15.0030000Z", "fw1", "app", "111", "text"},
    {"<34>1 2026-11-23T22:14:15.003+01:00 web1 su - ID47 - \xef\xbb\xbf'su root' failed", "auth", "crit",
     "2026-11-23T21:14:15.0030000Z", "web1", "su", "null", "'su root' failed"},
    {"<13>1 - - - - - - only text", "user", "notice", "null", "192.0.2.9", "", "null", "only text"},
    {"<13>1 2026-11-23t22:14:60z h a p m [a@1 x=\"1\"][b@1] two", "user", "notice",
     "2026-11-23T22:14:59.0000000Z", "h", "a", "null", "two"},
    {"<13>1 2026-11-23T22:14:15+0100 h a 1 m - zone without colon", "user", "notice",
     "2026-11-23T21:14:15.0000000Z", "h", "a", "1", "zone without colon"},
    {"<14>1 2026-11-23T22:14:15Z srx1 RT_FLOW - RT_FLOW_SESSION_CREATE [junos@2636.1.1 source-port=\"1\"]",
     "user", "info", "2026-11-23T22:14:15.0000000Z", "srx1", "RT_FLOW", "null",
     "[junos@2636.1.1 source-port=\"1\"]"},
    {"<14>1 2026-11-23T22:14:15Z h a 1 m [x@1 k=\"a\\b\"] other backslash", "user", "info",
     "2026-11-23T22:14:15.0000000Z", "h", "a", "1", "other backslash"},
    {"<134>1 1700000000.123456789 mx1 flows src=10.1.2.3", "local0", "info", "2023-11-14T22:13:20.1234567Z",
     "mx1", "flows", "null", "src=10.1.2.3"},
    {"<134>1 2026-11-23T22:14:15Z cp1 CheckPoint 1930 - [action:\"Accept\"; src:\"10.1.2.3\"; ]", "local0",
     "info", "2026-11-23T22:14:15.0000000Z", "cp1", "CheckPoint", "1930",
     "[action:\"Accept\"; src:\"10.1.2.3\"; ]"},
    /* RFC 3164 */
    {"<34>Nov  3 22:14:15 web1 su[230]: failed", "auth", "crit", "2026-11-03T22:14:15.0000000Z", "web1", "su",
     "230", "failed"},
    {"<34>Nov 23 22:14:15 web1 postfix/smtpd[7]: text", "auth", "crit", "2026-11-23T22:14:15.0000000Z",
     "web1", "postfix/smtpd", "7", "text"},
    {"<34>Nov 23 22:14:15 su[230]: no host", "auth", "crit", "2026-11-23T22:14:15.0000000Z", "192.0.2.9",
     "su", "230", "no host"},
    {"<34>Nov 23 22:14:15 su: no host", "auth", "crit", "2026-11-23T22:14:15.0000000Z", "192.0.2.9", "su",
     "null", "no host"},
    {"<34>2026-11-23T22:14:15.003+01:00 web1 sshd[7]: text", "auth", "crit", "2026-11-23T21:14:15.0030000Z",
     "web1", "sshd", "7", "text"},
    {"<166>Nov 23 2026 22:14:15 asa1 : %ASA-6-302013: Built outbound TCP", "local4", "info",
     "2026-11-23T22:14:15.0000000Z", "asa1", "%ASA-6-302013", "null", "%ASA-6-302013: Built outbound TCP"},
    {"<166>Nov 23 2026 22:14:15: %ASA-6-302013: Built", "local4", "info", "2026-11-23T22:14:15.0000000Z",
     "192.0.2.9", "%ASA-6-302013", "null", "%ASA-6-302013: Built"},
    {"<189>4217: rtr1: 004215: *Nov 23 22:14:15.123 UTC: %LINK-3-UPDOWN: text", "local7", "notice",
     "2026-11-23T22:14:15.1230000Z", "rtr1", "%LINK-3-UPDOWN", "null", "%LINK-3-UPDOWN: text"},
    {"<189>4217: .Nov 23 22:14:15.123: %LINK-3-UPDOWN: text", "local7", "notice",
     "2026-11-23T22:14:15.1230000Z", "192.0.2.9", "%LINK-3-UPDOWN", "null", "%LINK-3-UPDOWN: text"},
    {"<189>: 2026 Nov 23 22:14:15 UTC: %ETHPORT-5-IF_UP: text", "local7", "notice",
     "2026-11-23T22:14:15.0000000Z", "192.0.2.9", "%ETHPORT-5-IF_UP", "null", "%ETHPORT-5-IF_UP: text"},
    {"<166>2026-11-23T22:14:15.587Z esx1 Hostd[209]: [Originator@6876 sub=Vim opID=23d] Done", "local4",
     "info", "2026-11-23T22:14:15.5870000Z", "esx1", "Hostd", "209",
     "[Originator@6876 sub=Vim opID=23d] Done"},
    {"<189>date=2026-11-23 time=22:14:15 devname=\"fg1\" srcip=10.1.2.3", "local7", "notice", "null",
     "192.0.2.9", "", "null", "date=2026-11-23 time=22:14:15 devname=\"fg1\" srcip=10.1.2.3"},
    {"<14>Nov 23 22:14:15 pa1 1,2026/11/23 22:14:15,0009C1,TRAFFIC,end", "user", "info",
     "2026-11-23T22:14:15.0000000Z", "pa1", "", "null", "1,2026/11/23 22:14:15,0009C1,TRAFFIC,end"},
    {"<14>Nov 23 22:14:15 dc1 MSWinEventLog\t1\tSecurity", "user", "info", "2026-11-23T22:14:15.0000000Z",
     "dc1", "", "null", "MSWinEventLog\t1\tSecurity"},
    {"<38>Nov 23 22:14:15 Message forwarded from aix1: sshd[12]: text", "auth", "info",
     "2026-11-23T22:14:15.0000000Z", "aix1", "sshd", "12", "text"},
    {"<30>firewall,info forward: in:ether1 out:ether2", "daemon", "info", "null", "192.0.2.9", "", "null",
     "firewall,info forward: in:ether1 out:ether2"},
    {"<13>Nov 23 22:14:15 relay1 <34>Nov 23 22:14:14 web1 su: text", "auth", "crit",
     "2026-11-23T22:14:14.0000000Z", "web1", "su", "null", "text"},
    {"<13>Nov 23 22:14:15 relay1 <34>not a header", "user", "notice", "2026-11-23T22:14:15.0000000Z",
     "relay1", "", "null", "<34>not a header"},
    {"<13>Nov 23 22:14:15 last message repeated 3 times", "user", "notice", "2026-11-23T22:14:15.0000000Z",
     "192.0.2.9", "", "null", "last message repeated 3 times"},
    {"<34>Dec 31 23:59:59 web1 su: last year", "auth", "crit", "2026-12-31T23:59:59.0000000Z", "web1", "su",
     "null", "last year"},
    {"<13>Nov 23 22:14:15 fe80::1%eth0 cron[12]: v6 host", "user", "notice", "2026-11-23T22:14:15.0000000Z",
     "fe80::1%eth0", "cron", "12", "v6 host"},
    {"<166>2026-11-23T22:14:15Z: %ASA-6-302013: Built", "local4", "info", "2026-11-23T22:14:15.0000000Z",
     "192.0.2.9", "%ASA-6-302013", "null", "%ASA-6-302013: Built"},
    {"<13>1 2026-11-23T22:14:15Z h a 1 m [x@1 k=\"open] text", "user", "notice",
     "2026-11-23T22:14:15.0000000Z", "h", "a", "1", "[x@1 k=\"open] text"},
    {"<13>1 2026-11-23T22:14:15Z h a 99999999999 m -", "user", "notice", "2026-11-23T22:14:15.0000000Z", "h",
     "a", "null", ""},
    {"<13>1 2026-11-23T22:14:15Z h", "user", "notice", "2026-11-23T22:14:15.0000000Z", "h", "", "null", ""},
    {"<13>1 2026-13-99T22:14:15Z not a time", "user", "notice", "null", "192.0.2.9", "", "null",
     "1 2026-13-99T22:14:15Z not a time"},
    {"<13>Feb 30 22:14:15 h su: no such day", "user", "notice", "null", "192.0.2.9", "", "null",
     "Feb 30 22:14:15 h su: no such day"},
    {"<13>Nov 23 25:14:15 h su: no such hour", "user", "notice", "null", "192.0.2.9", "", "null",
     "Nov 23 25:14:15 h su: no such hour"},
    {"<13>Nov 23 22:14:15 h app[x]: odd pid", "user", "notice", "2026-11-23T22:14:15.0000000Z", "h", "app",
     "null", "odd pid"},
    {"<13>Nov 23 22:14:15 h http://example.org/ seen", "user", "notice", "2026-11-23T22:14:15.0000000Z", "h",
     "", "null", "http://example.org/ seen"},
    /* PRI */
    {"<0>Nov 23 22:14:15 h kernel: x", "kern", "emerg", "2026-11-23T22:14:15.0000000Z", "h", "kernel", "null",
     "x"},
    {"<191>x", "local7", "debug", "null", "192.0.2.9", "", "null", "x"},
    {"<192>su: x", "", "", "null", "192.0.2.9", "su", "null", "x"},
    {"<013>x", "user", "notice", "null", "192.0.2.9", "", "null", "x"},
    {"<>x", "user", "notice", "null", "192.0.2.9", "", "null", "<>x"},
    {"<1234>x", "user", "notice", "null", "192.0.2.9", "", "null", "<1234>x"},
    {"<a>x", "user", "notice", "null", "192.0.2.9", "", "null", "<a>x"},
    {"<13", "user", "notice", "null", "192.0.2.9", "", "null", "<13"},
    {"<13>", "user", "notice", "null", "192.0.2.9", "", "null", ""},
    {"\xef\xbb\xbf<14>x", "user", "info", "null", "192.0.2.9", "", "null", "x"},
    {"hello world", "user", "notice", "null", "192.0.2.9", "", "null", "hello world"},
    {"[error] disk full", "user", "notice", "null", "192.0.2.9", "", "null", "[error] disk full"},
    {"{thread-1} started", "user", "notice", "null", "192.0.2.9", "", "null", "{thread-1} started"},
    {"15 <13>su: counted", "user", "notice", "null", "192.0.2.9", "su", "null", "counted"},
    {"<13>x\r\n", "user", "notice", "null", "192.0.2.9", "", "null", "x"},
};

Test(headers, each_vendors_line_has_its_fields)
{
    struct fixture f = open_rows(false, 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct header_case *c = &cases[i];
        feed_alone(&f, c->line);
        const struct {
            uint16_t col;
            const char *want;
        } cells[] = {{WR_SYSLOG_Facility, c->facility},     {WR_SYSLOG_SeverityLevel, c->severity},
                     {WR_SYSLOG_EventTime, c->event_time},  {WR_SYSLOG_HostName, c->host},
                     {WR_SYSLOG_ProcessName, c->process},   {WR_SYSLOG_ProcessID, c->pid},
                     {WR_SYSLOG_SyslogMessage, c->message}, {WR_SYSLOG_ParseError, ""},
                     {WR_SYSLOG_HostIP, "192.0.2.9"}};
        cr_assert_eq(f.lines->nrows, 1, "%s", c->line);
        for (size_t k = 0; k < sizeof cells / sizeof *cells; k++)
            cr_expect_str_eq(cell(f.lines, cells[k].col, 0), cells[k].want, "%s\n  %s: '%s' is not '%s'",
                             c->line, f.lines->schema->cols[cells[k].col].name,
                             cell(f.lines, cells[k].col, 0), cells[k].want);
    }
    cr_expect_eq(wr_log_stats(f.log)->plain, sizeof cases / sizeof *cases);
    cr_expect_eq(wr_log_stats(f.log)->pri_range, 1);
    cr_expect_eq(wr_log_stats(f.log)->pri_noncanonical, 1);
    close_rows(&f);
}

Test(headers, a_line_without_a_year_is_of_the_nearest_year)
{
    struct fixture f = open_rows(true, 1);
    f.now_ns = wr_ticks_to_unix_ns(ticks_of("2027-01-01T00:00:30Z"));
    feed_alone(&f, "<34>Dec 31 23:59:58 web1 su: happy");
    EXPECT_CELL(f.lines, WR_SYSLOG_TimeGenerated, 0, "2026-12-31T23:59:58.0000000Z");
    f.now_ns = wr_ticks_to_unix_ns(ticks_of("2026-12-31T23:59:50Z"));
    feed_alone(&f, "<34>Jan  1 00:00:02 web1 su: early clock");
    EXPECT_CELL(f.lines, WR_SYSLOG_TimeGenerated, 0, "2027-01-01T00:00:02.0000000Z");
    f.now_ns = wr_ticks_to_unix_ns(ticks_of("2028-03-01T00:00:00Z"));
    feed_alone(&f, "<34>Feb 29 10:00:00 web1 su: leap");
    EXPECT_CELL(f.lines, WR_SYSLOG_TimeGenerated, 0, "2028-02-29T10:00:00.0000000Z");
    close_rows(&f);
}

Test(headers, live_an_impossible_clock_becomes_the_receipt_time)
{
    static const struct {
        const char *line, *generated;
        uint64_t counted;
    } clocks[] = {
        {"<13>1 1970-01-01T00:00:09Z h a - - - x", "2026-11-24T08:00:00.0000000Z", 1},
        {"<13>1 2026-11-24T08:09:59Z h a - - - x", "2026-11-24T08:09:59.0000000Z", 1},
        {"<13>1 2026-11-24T08:10:01Z h a - - - x", "2026-11-24T08:00:00.0000000Z", 2},
        {"<13>1 2026-11-17T08:00:01Z h a - - - x", "2026-11-17T08:00:01.0000000Z", 2},
        {"<13>1 2026-11-17T07:59:59Z h a - - - x", "2026-11-24T08:00:00.0000000Z", 3},
    };
    struct fixture f = open_rows(true, 1);
    for (size_t i = 0; i < sizeof clocks / sizeof *clocks; i++) {
        feed_alone(&f, clocks[i].line);
        EXPECT_CELL(f.lines, WR_SYSLOG_TimeGenerated, 0, clocks[i].generated);
        cr_expect_eq(wr_log_stats(f.log)->clock_implausible, clocks[i].counted);
    }
    EXPECT_CELL(f.lines, WR_SYSLOG_EventTime, 0, "2026-11-17T07:59:59.0000000Z");
    close_rows(&f);
}

Test(headers, invalid_utf8_is_replaced_and_counted_and_controls_stay)
{
    struct fixture f = open_rows(false, 1);
    feed(&f, "<13>su: a\0b\x1b[31m\xff\xc0", 19);
    cr_expect_eq(f.lines->col[WR_SYSLOG_SyslogMessage].s[0].len, 3 + 5 + 6);
    cr_expect_eq(wr_log_stats(f.log)->bad_utf8, 1);
    close_rows(&f);
}
