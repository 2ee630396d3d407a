/* CEF and LEEF: headers, escapes, values with blanks, delimiters, Microsoft's columns, sessions. */
#include "support.h"

static const struct wr_batch *csl(struct fixture *f, const char *line)
{
    const struct wr_batch *b = f->rows.of[WR_TABLE_COMMON_SECURITY_LOG];
    feed_alone(f, line);
    cr_assert_eq(b->nrows, 1, "%s", line);
    return b;
}

#define CONN "rt=1700000000123 src=10.1.2.3 spt=51514 dst=203.0.113.25 dpt=587 proto=tcp suser=rkim out=18432 in=5120"

Test(cef, the_header_and_the_fields_are_microsofts_columns)
{
    static const char *const before[] = {"", "<14>Nov 14 22:13:20 fw1 ", "<14>1 2023-11-14T22:13:20Z fw1 cef - - - "};
    for (size_t i = 0; i < 3; i++) {
        struct fixture f = open_rows(false, 2);
        char line[1024];
        snprintf(line, sizeof line, "%sCEF:0|Acme|FW|1.2|10|conn open|3|" CONN " cs1=a b cs1Label=rule act=Allow cfp1=1.5 newKey=x y",
                 before[i]);
        const struct wr_batch *b = csl(&f, line);
        EXPECT_CELL(b, WR_CSL_TimeGenerated, 0, "2023-11-14T22:13:20.1230000Z");
        EXPECT_CELL(b, WR_CSL_Computer, 0, i ? "fw1" : "192.0.2.9");
        EXPECT_CELL(b, WR_CSL_DeviceVendor, 0, "Acme");
        EXPECT_CELL(b, WR_CSL_DeviceProduct, 0, "FW");
        EXPECT_CELL(b, WR_CSL_DeviceVersion, 0, "1.2");
        EXPECT_CELL(b, WR_CSL_DeviceEventClassID, 0, "10");
        EXPECT_CELL(b, WR_CSL_Activity, 0, "conn open");
        EXPECT_CELL(b, WR_CSL_LogSeverity, 0, "3");
        EXPECT_CELL(b, WR_CSL_ReceiptTime, 0, "1700000000123");
        EXPECT_CELL(b, WR_CSL_SourceIP, 0, "10.1.2.3");
        EXPECT_CELL(b, WR_CSL_SourcePort, 0, "51514");
        EXPECT_CELL(b, WR_CSL_DestinationPort, 0, "587");
        EXPECT_CELL(b, WR_CSL_SourceUserName, 0, "rkim");
        EXPECT_CELL(b, WR_CSL_SentBytes, 0, "18432");
        EXPECT_CELL(b, WR_CSL_ReceivedBytes, 0, "5120");
        EXPECT_CELL(b, WR_CSL_DeviceCustomString1, 0, "a b");
        EXPECT_CELL(b, WR_CSL_DeviceCustomString1Label, 0, "rule");
        EXPECT_CELL(b, WR_CSL_SimplifiedDeviceAction, 0, "Allow");
        EXPECT_CELL(b, WR_CSL_AdditionalExtensions, 0, "newKey=x y");
        EXPECT_CELL(b, WR_CSL_Type, 0, "CommonSecurityLog");
        cr_expect_eq(b->col[WR_CSL_DeviceCustomFloatingPoint1].r[0], 1.5);
        cr_expect_eq(wr_log_stats(f.log)->parsed_cef, 1);
        close_rows(&f);
    }
}

static const struct {
    const char *ext, *message, *url, *rest;
} values[] = {
    {"msg=a\\=b c\\\\d\\ne request=http://x/?a=1&b=2", "a=b c\\d\ne", "http://x/?a=1&b=2", ""},
    {"msg=  two  blanks  act=x", "  two  blanks", "", ""},
    {"msg= act=x", "", "", ""},
    {"request=a=b=c", "", "a=b=c", ""},
    {"msg=50% = half act=x", "50% = half", "", ""},
    {"msg=bar\\|pipe", "bar|pipe", "", ""},
    {"x.y-z[0]=1 msg=m a_b=2", "m", "", "x.y-z[0]=1;a_b=2"},
    {"no pairs at all", "", "", ""},
    {"", "", "", ""},
    {"msg=first msg=last", "last", "", ""},
    {"=x msg=m", "m", "", ""},
    {"msg=trailing\\", "trailing\\", "", ""},
};

Test(cef, values_hold_blanks_escapes_and_equals_signs)
{
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct fixture f = open_rows(false, 1);
        char line[512];
        snprintf(line, sizeof line, "CEF:1|V\\|W|P\\\\|1|id|name|Low|%s", values[i].ext);
        const struct wr_batch *b = csl(&f, line);
        EXPECT_CELL(b, WR_CSL_DeviceVendor, 0, "V|W");
        EXPECT_CELL(b, WR_CSL_DeviceProduct, 0, "P\\");
        cr_expect_str_eq(cell(b, WR_CSL_Message, 0), values[i].message, "%s: '%s'", values[i].ext, cell(b, WR_CSL_Message, 0));
        cr_expect_str_eq(cell(b, WR_CSL_RequestURL, 0), values[i].url, "%s", values[i].ext);
        cr_expect_str_eq(cell(b, WR_CSL_AdditionalExtensions, 0), values[i].rest, "%s: '%s'", values[i].ext,
                         cell(b, WR_CSL_AdditionalExtensions, 0));
        close_rows(&f);
    }
}

Test(cef, times_are_read_in_every_form_of_the_standard)
{
    static const char *const forms[] = {"1700000000123", "Nov 14 2023 22:13:20.123", "Nov 14 2023 22:13:20.123 UTC",
                                        "2023-11-14T22:13:20.123Z", "Nov 15 2023 00:13:20.123 GMT+02:00",
                                        "Nov 14 2023 17:13:20.123 -0500", "Nov 15 2023 03:43:20.123 UTC+5:30"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct fixture f = open_rows(false, 1);
        char line[256];
        snprintf(line, sizeof line, "CEF:0|V|P|1|id|n|3|start=%s end=1700000060000 msg=x", forms[i]);
        const struct wr_batch *b = csl(&f, line);
        EXPECT_CELL(b, WR_CSL_StartTime, 0, "2023-11-14T22:13:20.1230000Z");
        EXPECT_CELL(b, WR_CSL_TimeGenerated, 0, "2023-11-14T22:14:20.0000000Z");
        close_rows(&f);
    }
}

Test(cef, leef_of_both_versions_with_any_delimiter)
{
    static const char *const lines[] = {
        "<13>Nov 14 22:13:20 fw1 LEEF:1.0|Acme|FW|1.2|conn|src=10.1.2.3\tdst=203.0.113.25\tdstPort=587\tproto=TCP\tusrName=rkim\tsrcBytes=18432\tmine=a b",
        "LEEF:2.0|Acme|FW|1.2|conn|^|src=10.1.2.3^dst=203.0.113.25^dstPort=587^proto=TCP^usrName=rkim^srcBytes=18432^mine=a b",
        "LEEF:2.0|Acme|FW|1.2|conn|x5E|src=10.1.2.3^dst=203.0.113.25^dstPort=587^proto=TCP^usrName=rkim^srcBytes=18432^mine=a b",
        "LEEF:2.0|Acme|FW|1.2|conn|0x5E|src=10.1.2.3^dst=203.0.113.25^dstPort=587^proto=TCP^usrName=rkim^srcBytes=18432^mine=a b",
        "LEEF:2.0|Acme|FW|1.2|conn||src=10.1.2.3\tdst=203.0.113.25\tdstPort=587\tproto=TCP\tusrName=rkim\tsrcBytes=18432\tmine=a b"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct fixture f = open_rows(false, 2);
        const struct wr_batch *b = csl(&f, lines[i]);
        EXPECT_CELL(b, WR_CSL_DeviceVendor, 0, "Acme");
        EXPECT_CELL(b, WR_CSL_DeviceEventClassID, 0, "conn");
        EXPECT_CELL(b, WR_CSL_SourceIP, 0, "10.1.2.3");
        EXPECT_CELL(b, WR_CSL_DestinationPort, 0, "587");
        EXPECT_CELL(b, WR_CSL_SourceUserName, 0, "rkim");
        EXPECT_CELL(b, WR_CSL_SentBytes, 0, "18432");
        EXPECT_CELL(b, WR_CSL_AdditionalExtensions, 0, "mine=a b");
        cr_expect_str_eq(wr_log_layout(f.log), "leef");
        close_rows(&f);
    }
}

Test(cef, a_session_with_both_ends_and_bytes_is_a_network_session_too)
{
    struct fixture f = open_rows(false, 2);
    const struct wr_batch *b = f.rows.of[WR_TABLE_ASIM_NETWORK_SESSION_LOGS];
    feed_alone(&f, "CEF:0|Acme|FW|1|10|conn|3|" CONN);
    cr_assert_eq(b->nrows, 1);
    EXPECT_CELL(b, WR_NETSESSION_TimeGenerated, 0, "2023-11-14T22:13:20.1230000Z");
    EXPECT_CELL(b, WR_NETSESSION_SrcIpAddr, 0, "10.1.2.3");
    EXPECT_CELL(b, WR_NETSESSION_DstPortNumber, 0, "587");
    EXPECT_CELL(b, WR_NETSESSION_NetworkProtocol, 0, "TCP");
    EXPECT_CELL(b, WR_NETSESSION_SrcBytes, 0, "18432");
    EXPECT_CELL(b, WR_NETSESSION_DstBytes, 0, "5120");
    EXPECT_CELL(b, WR_NETSESSION_NetworkBytes, 0, "23552");
    EXPECT_CELL(b, WR_NETSESSION_SrcUsername, 0, "rkim");
    EXPECT_CELL(b, WR_NETSESSION_NetworkDirection, 0, "Outbound");
    static const char *const none[] = {"CEF:0|A|F|1|1|c|3|src=10.1.2.3 dst=10.1.2.4 proto=TCP",
                                       "CEF:0|A|F|1|1|c|3|src=x dst=10.1.2.4 proto=TCP out=1", "CEF:0|A|F|1|1|c|3|src=10.1.2.3 out=1"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        feed_alone(&f, none[i]);
        cr_expect_eq(b->nrows, 0, "%s", none[i]);
    }
    close_rows(&f);
}

Test(cef, what_a_firewall_refused_is_a_session_that_failed)
{
    static const struct {
        const char *line, *action, *direction;
    } refused[] = {{CONN " act=Deny", "Deny", "Outbound"},
                   {"src=203.0.113.9 dst=10.1.2.4 dpt=23 proto=6 act=blocked", "Deny", "Inbound"},
                   {"src=203.0.113.9 dst=10.1.2.4 proto=6 act=drop deviceDirection=1", "Drop", "Outbound"},
                   {"src=10.1.2.4 dst=10.9.2.4 proto=6 act=reset-both", "Reset", "Local"},
                   {"src=203.0.113.9 dst=203.0.113.4 proto=6 act=reset-server deviceDirection=0", "Reset Destination", "Inbound"},
                   {"src=203.0.113.9 dst=203.0.113.4 proto=6 act=reset-client", "Reset Source", "External"}};
    struct fixture f = open_rows(false, 2);
    const struct wr_batch *b = f.rows.of[WR_TABLE_ASIM_NETWORK_SESSION_LOGS];
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        char line[512];
        snprintf(line, sizeof line, "CEF:0|A|F|1|1|c|3|%s", refused[i].line);
        feed_alone(&f, line);
        cr_assert_eq(b->nrows, 1, "%s", line);
        EXPECT_CELL(b, WR_NETSESSION_EventResult, 0, "Failure");
        EXPECT_CELL(b, WR_NETSESSION_DvcAction, 0, refused[i].action);
        EXPECT_CELL(b, WR_NETSESSION_NetworkDirection, 0, refused[i].direction);
        EXPECT_CELL(b, WR_NETSESSION_NetworkBytes, 0, i ? "null" : "23552");
    }
    close_rows(&f);
}

Test(cef, a_session_says_protocol_translation_and_icmp_as_asim_does)
{
    struct fixture f = open_rows(false, 2);
    const struct wr_batch *b = f.rows.of[WR_TABLE_ASIM_NETWORK_SESSION_LOGS];
    feed_alone(&f, "CEF:0|Check Point|VPN-1 & FireWall-1|Check Point|Log|https|Unknown|rt=1700000000123 proto=6 src=10.1.2.3 spt=49363 "
                   "dst=203.0.113.25 dpt=443 sourceTranslatedAddress=198.51.100.1 sourceTranslatedPort=35398 "
                   "destinationTranslatedAddress=0.0.0.0 destinationTranslatedPort=0 out=1 in=2");
    cr_assert_eq(b->nrows, 1);
    EXPECT_CELL(b, WR_NETSESSION_NetworkProtocol, 0, "TCP");
    EXPECT_CELL(b, WR_NETSESSION_SrcNatIpAddr, 0, "198.51.100.1");
    EXPECT_CELL(b, WR_NETSESSION_SrcNatPortNumber, 0, "35398");
    EXPECT_CELL(b, WR_NETSESSION_DstNatIpAddr, 0, "");
    EXPECT_CELL(b, WR_NETSESSION_DstNatPortNumber, 0, "null");
    EXPECT_CELL(b, WR_NETSESSION_NetworkIcmpType, 0, "");
    static const char *const protos[] = {"1", "icmp", "IPv6-ICMP"};
    for (size_t i = 0; i < 3; i++) {
        char line[512];
        snprintf(line, sizeof line, "CEF:0|A|F|1|1|c|3|src=10.1.2.3 spt=7 dst=203.0.113.25 dpt=8 proto=%s cn2Label=ICMP Type cn2=3 "
                                    "cn3Label=ICMP Code cn3=13 out=84 in=0", protos[i]);
        feed_alone(&f, line);
        cr_assert_eq(b->nrows, 1);
        EXPECT_CELL(b, WR_NETSESSION_SrcPortNumber, 0, "null");
        EXPECT_CELL(b, WR_NETSESSION_DstPortNumber, 0, "null");
        EXPECT_CELL(b, WR_NETSESSION_NetworkIcmpType, 0, "3");
        EXPECT_CELL(b, WR_NETSESSION_NetworkIcmpCode, 0, "13");
    }
    close_rows(&f);
}

Test(cef, a_relay_that_took_the_name_for_a_tag_put_a_blank_behind_it)
{
    struct fixture f = open_rows(false, 2);
    const struct wr_batch *b = csl(&f, "<14>Nov 14 22:13:20 fw1 CEF: 0|Acme|FW|1.2|10|conn|3|" CONN);
    EXPECT_CELL(b, WR_CSL_DeviceVendor, 0, "Acme");
    EXPECT_CELL(b, WR_CSL_Computer, 0, "fw1");
    b = csl(&f, "<14>Nov 14 22:13:20 fw1 LEEF: 2.0|Acme|FW|1.2|10|^|src=10.1.2.3^dst=10.1.2.4");
    EXPECT_CELL(b, WR_CSL_DestinationIP, 0, "10.1.2.4");
    feed_alone(&f, "<14>Nov 14 22:13:20 fw1 CEF: no event");
    EXPECT_CELL(f.lines, WR_SYSLOG_ParseError, 0, "");
    close_rows(&f);
}

Test(cef, a_broken_header_is_a_line_with_the_reason)
{
    struct fixture f = open_rows(false, 1);
    static const char *const lines[] = {"CEF:0|V|P|1|id|name", "LEEF:2.0|V|P|1", "CEF:0"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        feed_alone(&f, lines[i]);
        cr_assert_eq(f.lines->nrows, 1, "%s", lines[i]);
        EXPECT_CELL(f.lines, WR_SYSLOG_ParseError, 0, "missing_field");
    }
    feed_alone(&f, "<13>Nov 14 22:13:20 web1 CEFx: no event");
    EXPECT_CELL(f.lines, WR_SYSLOG_ParseError, 0, "");
    char *many = malloc(16384);
    size_t n = (size_t)snprintf(many, 64, "CEF:0|V|P|1|id|n|3|");
    for (int i = 0; i < 1100; i++)
        n += (size_t)snprintf(many + n, 16, "k%d=1 ", i);
    feed_alone(&f, many);
    EXPECT_CELL(f.lines, WR_SYSLOG_ParseError, 0, "limit");
    free(many);
    close_rows(&f);
}
