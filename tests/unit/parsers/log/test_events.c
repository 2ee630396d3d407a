/* Endpoint events: every layout becomes the same row of DeviceNetworkEvents. */
#include "support.h"

#define DATA                                                                                                 \
    "\"UtcTime\":\"2023-11-14 22:13:20.123\",\"ProcessId\":\"4242\",\"Image\":\"C:\\\\Py\\\\python.exe\","   \
    "\"User\":\"CORP\\\\rkim\",\"Protocol\":\"tcp\",\"Initiated\":\"true\",\"SourceIp\":\"10.1.2.3\","       \
    "\"SourcePort\":\"51514\",\"DestinationIp\":\"203.0.113.25\",\"DestinationPort\":\"587\""
#define PROPERTIES                                                                                           \
    "\"Timestamp\":\"2023-11-14T22:13:20.1230000Z\",\"DeviceName\":\"mail-ws-7\",\"ActionType\":"            \
    "\"ConnectionSuccess\","                                                                                 \
    "\"RemoteIP\":\"203.0.113.25\",\"RemotePort\":587,\"LocalIP\":\"10.1.2.3\",\"LocalPort\":51514,"         \
    "\"Protocol\":\"Tcp\",\"InitiatingProcessFileName\":\"python.exe\",\"InitiatingProcessId\":4242,"        \
    "\"InitiatingProcessAccountDomain\":\"CORP\",\"InitiatingProcessAccountName\":\"rkim\""
#define STREAM                                                                                               \
    "{\"time\":\"2023-11-14T22:16:02.7649349Z\",\"category\":\"AdvancedHunting-DeviceNetworkEvents\","       \
    "\"properties\":{" PROPERTIES "}}"
#define XML(provider, data)                                                                                  \
    "<Event><System><Provider Name=\"" provider "\"/><EventID>3</EventID><Computer>mail-ws-7</Computer>"     \
    "</System><EventData>" data "</EventData></Event>"
#define XDATA                                                                                                \
    "<Data Name=\"UtcTime\">2023-11-14 22:13:20.123</Data><Data Name=\"ProcessId\">4242</Data>"              \
    "<Data Name=\"Image\">C:\\Py\\python.exe</Data><Data Name=\"User\">CORP\\rkim</Data>"                    \
    "<Data Name=\"Protocol\">tcp</Data><Data Name=\"Initiated\">true</Data>"                                 \
    "<Data Name=\"SourceIp\">10.1.2.3</Data><Data Name=\"SourcePort\">51514</Data>"                          \
    "<Data Name=\"DestinationIp\">203.0.113.25</Data><Data Name=\"DestinationPort\">587</Data>"

/* The connection of all layouts: what each one must say, seen from the device that began it. */
static const char *const layouts[] = {
    STREAM,
    "{\"records\":[" STREAM "]}",
    "[" STREAM "]",
    "{" PROPERTIES "}",
    "@cee: " STREAM,
    "<34>1 2023-11-14T22:16:02Z relay nxlog - - - " STREAM,
    "<34>Nov 14 22:16:02 relay nxlog: @cee:" STREAM,
    "{\"winlog\":{\"event_id\":\"3\",\"computer_name\":\"mail-ws-7\",\"event_data\":{" DATA "}}}",
    "{\"winlog\":{\"event_id\":3,\"provider_name\":\"Microsoft-Windows-Sysmon\",\"computer_name\":\"mail-ws-"
    "7\","
    "\"event_data\":{" DATA "}},\"host\":{\"name\":\"other\"},\"source\":{\"ip\":\"10.9.9.9\"},"
    "\"destination\":{\"ip\":\"10.9.9.8\"},\"process\":{\"pid\":1}}",
    "{\"winlog.event_id\":3,\"winlog.computer_name\":\"mail-ws-7\",\"winlog.event_data\":{" DATA "}}",
    "{\"EventID\":3,\"SourceName\":\"Microsoft-Windows-Sysmon\",\"Hostname\":\"mail-ws-7\","
    "\"EventTime\":\"2023-11-14 17:13:20\",\"AccountName\":\"SYSTEM\",\"ExecutionProcessID\":11," DATA "}",
    "<30>Nov 14 22:13:20 mail-ws-7 sysmon: " XML("Linux-Sysmon", XDATA),
    XML("Linux-Sysmon", XDATA),
    "{\"date\":1700000000.5,\"SYSLOG_IDENTIFIER\":\"sysmon\",\"MESSAGE\":\"<Event><System>"
    "<Provider "
    "Name=\\\"Linux-Sysmon\\\"/><EventID>3</EventID><Computer>mail-ws-7</Computer></System><EventData>"
    "<Data Name='UtcTime'>2023-11-14 22:13:20.123</Data><Data Name='ProcessId'>4242</Data>"
    "<Data Name='Image'>/usr/bin/python.exe</Data><Data Name='User'>CORP\\\\rkim</Data>"
    "<Data Name='Protocol'>tcp</Data><Data Name='Initiated'>true</Data><Data Name='SourceIp'>10.1.2.3</Data>"
    "<Data Name='SourcePort'>51514</Data><Data Name='DestinationIp'>203.0.113.25</Data>"
    "<Data Name='DestinationPort'>587</Data></EventData></Event>\"}",
    "{\"@timestamp\":\"2023-11-14T22:13:20.123Z\",\"host\":{\"name\":\"mail-ws-7\"},\"source\":{\"ip\":\"10."
    "1.2.3\","
    "\"port\":51514,\"bytes\":18432},\"destination\":{\"ip\":\"203.0.113.25\",\"port\":587,\"bytes\":5120},"
    "\"network\":{\"transport\":\"tcp\",\"direction\":\"egress\"},\"process\":{\"name\":\"python.exe\","
    "\"pid\":4242},\"user\":{\"domain\":\"CORP\",\"name\":\"rkim\"}}",
};

static void expect_outbound(const struct wr_batch *b, const char *what)
{
    static const struct {
        uint16_t col;
        const char *want;
    } cells[] = {{WR_DNE_Timestamp, "2023-11-14T22:13:20.1230000Z"},
                 {WR_DNE_DeviceName, "mail-ws-7"},
                 {WR_DNE_ActionType, "ConnectionSuccess"},
                 {WR_DNE_RemoteIP, "203.0.113.25"},
                 {WR_DNE_RemotePort, "587"},
                 {WR_DNE_LocalIP, "10.1.2.3"},
                 {WR_DNE_LocalPort, "51514"},
                 {WR_DNE_Protocol, "Tcp"},
                 {WR_DNE_InitiatingProcessFileName, "python.exe"},
                 {WR_DNE_InitiatingProcessId, "4242"},
                 {WR_DNE_InitiatingProcessAccountDomain, "CORP"},
                 {WR_DNE_InitiatingProcessAccountName, "rkim"},
                 {WR_DNE_Type, "DeviceNetworkEvents"}};
    cr_assert_eq(b->nrows, 1, "%s", what);
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++)
        cr_expect_str_eq(cell(b, cells[i].col, 0), cells[i].want, "%s\n  %s: '%s' is not '%s'", what,
                         b->schema->cols[cells[i].col].name, cell(b, cells[i].col, 0), cells[i].want);
}

Test(events, every_layout_gives_the_same_row)
{
    struct fixture f = open_rows(false, 1);
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        feed_alone(&f, layouts[i]);
        expect_outbound(f.events, layouts[i]);
    }
    cr_expect_eq(wr_log_stats(f.log)->parsed_defender, 7);
    cr_expect_eq(wr_log_stats(f.log)->parsed_sysmon, sizeof layouts / sizeof *layouts - 7);
    cr_expect_eq(wr_log_stats(f.log)->dup_key, 0);
    close_rows(&f);
}

Test(events, an_inbound_sysmon_event_swaps_the_ends_and_a_service_hides_no_account)
{
    struct fixture f = open_rows(false, 1);
    feed_alone(
        &f,
        XML("Linux-Sysmon",
            "<Data Name='UtcTime'>2023-11-14 22:13:20.123</Data><Data Name=\"Image\">/usr/sbin/a&amp;b</Data>"
            "<Data Name=\"User\">root</Data><Data Name=\"Protocol\">udp</Data>"
            "<Data Name=\"Initiated\">false</Data><Data Name=\"SourceIp\">2001:db8:0:0:0:0:0:7</Data>"
            "<Data Name=\"SourcePort\">40000</Data><Data Name=\"SourceHostname\">-</Data>"
            "<Data Name=\"DestinationIp\">0:0:0:0:0:0:0:1</Data><Data Name=\"DestinationPort\">25</Data>"
            "<Data Name=\"Hashes\">SHA1=AB0123456789012345678901234567890123456F,MD5=short</Data>"));
    cr_assert_eq(f.events->nrows, 1);
    EXPECT_CELL(f.events, WR_DNE_ActionType, 0, "InboundConnectionAccepted");
    EXPECT_CELL(f.events, WR_DNE_LocalIP, 0, "::1");
    EXPECT_CELL(f.events, WR_DNE_LocalIPType, 0, "Loopback");
    EXPECT_CELL(f.events, WR_DNE_LocalPort, 0, "25");
    EXPECT_CELL(f.events, WR_DNE_RemoteIP, 0, "2001:db8::7");
    EXPECT_CELL(f.events, WR_DNE_RemoteIPType, 0, "Public");
    EXPECT_CELL(f.events, WR_DNE_RemotePort, 0, "40000");
    EXPECT_CELL(f.events, WR_DNE_RemoteUrl, 0, "");
    EXPECT_CELL(f.events, WR_DNE_Protocol, 0, "Udp");
    EXPECT_CELL(f.events, WR_DNE_InitiatingProcessFolderPath, 0, "/usr/sbin/a&b");
    EXPECT_CELL(f.events, WR_DNE_InitiatingProcessFileName, 0, "a&b");
    EXPECT_CELL(f.events, WR_DNE_InitiatingProcessAccountName, 0, "root");
    EXPECT_CELL(f.events, WR_DNE_InitiatingProcessAccountDomain, 0, "");
    EXPECT_CELL(f.events, WR_DNE_InitiatingProcessSHA1, 0, "ab0123456789012345678901234567890123456f");
    EXPECT_CELL(f.events, WR_DNE_InitiatingProcessMD5, 0, "");
    close_rows(&f);
}

Test(events, ecs_bytes_follow_the_direction)
{
    struct fixture f = open_rows(false, 1);
    feed_alone(&f, layouts[sizeof layouts / sizeof *layouts - 1]);
    EXPECT_CELL(f.events, WR_DNE_SentBytes, 0, "18432");
    EXPECT_CELL(f.events, WR_DNE_ReceivedBytes, 0, "5120");
    feed_alone(&f,
               "{\"@timestamp\":1700000000123,\"source\":{\"ip\":\"10.1.2.3\",\"bytes\":1},\"destination\":{"
               "\"ip\":\"10.0.0.1\",\"bytes\":2},\"network\":{\"direction\":\"ingress\"},"
               "\"process\":{\"executable\":\"/bin/nc\"}}");
    EXPECT_CELL(f.events, WR_DNE_Timestamp, 0, "2023-11-14T22:13:20.1230000Z");
    EXPECT_CELL(f.events, WR_DNE_SentBytes, 0, "2");
    EXPECT_CELL(f.events, WR_DNE_ReceivedBytes, 0, "1");
    EXPECT_CELL(f.events, WR_DNE_InitiatingProcessFileName, 0, "nc");
    close_rows(&f);
}

Test(events, columns_take_what_their_types_hold)
{
    struct fixture f = open_rows(false, 1);
    feed_alone(
        &f,
        "{\"category\":\"AdvancedHunting-DeviceNetworkEvents\",\"tenantId\":\"t-1\",\"properties\":{"
        "\"Timestamp\":\"2023-11-14T22:13:20.1234567Z\",\"ActionType\":\"ConnectionFound\","
        "\"RemotePort\":70000,\"LocalPort\":\"51514\",\"ReportId\":12.0,\"RemoteUrl\":null,\"DeviceId\":17,"
        "\"InitiatingProcessId\":18446744073709551615,\"InitiatingProcessFileSize\":1.5,"
        "\"IsInitiatingProcessRemoteSession\":false,\"AccountName\":\"alias\",\"_RowId\":9,"
        "\"InitiatingProcessCreationTime\":\"2023-11-14T22:00:00Z\",\"SentBytes\":-5,"
        "\"AdditionalFields\":\"{\\\"a\\\": [1, 2]}\"}}");
    cr_assert_eq(f.events->nrows, 1);
    EXPECT_CELL(f.events, WR_DNE_Timestamp, 0, "2023-11-14T22:13:20.1234567Z");
    EXPECT_CELL(f.events, WR_DNE_RemotePort, 0, "null");
    EXPECT_CELL(f.events, WR_DNE_LocalPort, 0, "51514");
    EXPECT_CELL(f.events, WR_DNE_ReportId, 0, "12");
    EXPECT_CELL(f.events, WR_DNE_RemoteUrl, 0, "");
    EXPECT_CELL(f.events, WR_DNE_DeviceId, 0, "17");
    EXPECT_CELL(f.events, WR_DNE_InitiatingProcessId, 0, "null");
    EXPECT_CELL(f.events, WR_DNE_InitiatingProcessFileSize, 0, "null");
    EXPECT_CELL(f.events, WR_DNE_IsInitiatingProcessRemoteSession, 0, "0");
    EXPECT_CELL(f.events, WR_DNE_InitiatingProcessAccountName, 0, "alias");
    EXPECT_CELL(f.events, WR_DNE_InitiatingProcessCreationTime, 0, "2023-11-14T22:00:00.0000000Z");
    EXPECT_CELL(f.events, WR_DNE_SentBytes, 0, "null");
    EXPECT_CELL(f.events, WR_DNE_TenantId, 0, "t-1");
    EXPECT_CELL(f.events, WR_DNE_AdditionalFields, 0, "{\"a\":[1,2]}");
    EXPECT_CELL(f.events, WR_DNE__RowId, 0, "null");
    close_rows(&f);
}

Test(events, additional_fields_come_as_text_object_null_or_words)
{
    static const char *const given[] = {"{\"k\": 1}", "\"[]\"",        "null",
                                        "\"\"",       "\"two words\"", "\"{broken\""};
    static const char *const want[] = {"{\"k\":1}", "[]", "", "", "\"two words\"", "\"{broken\""};
    struct fixture f = open_rows(false, 1);
    for (size_t i = 0; i < 6; i++) {
        char line[300];
        snprintf(line, sizeof line,
                 "{\"Type\":\"DeviceNetworkEvents\",\"ActionType\":\"x\",\"Timestamp\":\"2023-11-14\","
                 "\"AdditionalFields\":%s}",
                 given[i]);
        feed_alone(&f, line);
        cr_assert_eq(f.events->nrows, 1);
        EXPECT_CELL(f.events, WR_DNE_AdditionalFields, 0, want[i]);
        cr_expect_eq(wr_vec_valid(&f.events->col[WR_DNE_AdditionalFields], 0), *want[i] != '\0');
    }
    close_rows(&f);
}

Test(events, live_an_impossible_timestamp_becomes_the_receipt_time)
{
    struct fixture f = open_rows(true, 1);
    feed_alone(&f, STREAM);
    EXPECT_CELL(f.events, WR_DNE_Timestamp, 0, "2026-11-24T08:00:00.0000000Z");
    cr_expect_eq(wr_log_stats(f.log)->clock_implausible, 1);
    close_rows(&f);
}

struct error_case {
    const char *line, *error;
};

static const struct error_case errors[] = {
    {"{\"broken\":", "json"},
    {"<13>su: {\"a\":NaN}", "json"},
    {"{\"a\":1e999}", "json"},
    {"{\"a\":123456789012345678901234567890}", "json"},
    {"{\"a\":\"b\"}", "no_mapping"},
    {"[{\"a\":\"b\"}]", "no_mapping"},
    {"{\"records\":[]}", "no_mapping"},
    {"[]", "no_mapping"},
    {"{}", "no_mapping"},
    {"{\"category\":\"AdvancedHunting-DeviceFileEvents\",\"properties\":{\"ActionType\":"
     "\"ProcessCreated\"}}",
     "no_mapping"},
    {"{\"category\":\"AdvancedHunting-DeviceNetworkEvents\"}", "missing_field"},
    {"{\"category\":\"AdvancedHunting-DeviceNetworkEvents\",\"properties\":{\"ActionType\":\"x\"}}",
     "missing_field"},
    {"{\"category\":\"AdvancedHunting-DeviceNetworkEvents\",\"properties\":{\"Timestamp\":\"2023-11-14\"}}",
     "missing_field"},
    {"{\"winlog\":{\"event_id\":5,\"provider_name\":\"Microsoft-Windows-Sysmon\",\"event_data\":{" DATA "}}}",
     "no_mapping"},
    {"{\"winlog\":{\"event_id\":3,\"provider_name\":\"Other\",\"event_data\":{" DATA "}}}", "no_mapping"},
    {"{\"winlog\":{\"event_id\":3,\"provider_name\":\"Microsoft-Windows-Sysmon\",\"event_data\":{}}}",
     "missing_field"},
    {"{\"EventID\":3,\"SourceName\":\"Microsoft-Windows-Sysmon\",\"SourceIp\":\"not an address\"}",
     "missing_field"},
    {"{\"source\":{\"ip\":\"10.0.0.1\"},\"destination\":{\"ip\":\"10.0.0.2\"},\"network\":{\"transport\":"
     "\"tcp\"}}",
     "no_mapping"}, /* a firewall's event: no process */
    {XML("Microsoft-Windows-Security-Auditing", XDATA), "no_mapping"},
    {"<Event>nothing", "no_mapping"},
    {"{\"Timestamp\":\"2023-11-14\",\"ActionType\":\"LogonSuccess\",\"Protocol\":\"NTLM\",\"LocalIP\":\"1.1."
     "1.1\","
     "\"LogonType\":\"Network\"}",
     "no_mapping"}, /* a row of DeviceLogonEvents */
    {XML("Linux-Sysmon", "<Data Name=\"SourceIp\">10.0.0.1</Data>"), "missing_field"},
};

Test(events, what_no_mapping_takes_is_a_line_with_the_reason)
{
    struct fixture f = open_rows(false, 1);
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        feed_alone(&f, errors[i].line);
        cr_assert_eq(f.lines->nrows, 1, "%s", errors[i].line);
        cr_expect_str_eq(cell(f.lines, WR_SYSLOG_ParseError, 0), errors[i].error, "%s: %s", errors[i].line,
                         cell(f.lines, WR_SYSLOG_ParseError, 0));
    }
    const struct wr_log_stats *s = wr_log_stats(f.log);
    cr_expect_eq(s->unparsed_json, 4);
    cr_expect_eq(s->unparsed_missing_field, 6);
    cr_expect_eq(s->mapped, 0);
    close_rows(&f);
}

Test(events, defenders_processes_are_rows_of_their_own_table)
{
    static const char *const lines[] = {
        "{\"time\":\"2023-11-14T22:16:02Z\",\"tenantId\":\"t-1\",\"category\":\"AdvancedHunting-DeviceProcessEvents\","
        "\"properties\":{\"Timestamp\":\"2023-11-14T22:13:20.1230000Z\",\"DeviceName\":\"mail-ws-7\",\"ActionType\":"
        "\"ProcessCreated\",\"FileName\":\"python.exe\",\"ProcessId\":4242,\"ProcessCommandLine\":\"python x.py\","
        "\"AccountName\":\"rkim\",\"InitiatingProcessFileName\":\"cmd.exe\",\"AdditionalFields\":\"{}\"}}",
        "{\"Type\":\"DeviceProcessEvents\",\"TenantId\":\"t-1\",\"Timestamp\":\"2023-11-14T22:13:20.1230000Z\","
        "\"DeviceName\":\"mail-ws-7\",\"ActionType\":\"ProcessCreated\",\"FileName\":\"python.exe\",\"ProcessId\":4242,"
        "\"ProcessCommandLine\":\"python x.py\",\"AccountName\":\"rkim\",\"InitiatingProcessFileName\":\"cmd.exe\"}"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct fixture f = open_rows(false, 1);
        const struct wr_batch *b = f.rows.of[WR_TABLE_DEVICE_PROCESS_EVENTS];
        feed_alone(&f, lines[i]);
        cr_assert_eq(b->nrows, 1, "%s", lines[i]);
        cr_expect_eq(wr_log_stats(f.log)->parsed_defender, 1);
        EXPECT_CELL(b, WR_DPE_Timestamp, 0, "2023-11-14T22:13:20.1230000Z");
        EXPECT_CELL(b, WR_DPE_DeviceName, 0, "mail-ws-7");
        EXPECT_CELL(b, WR_DPE_FileName, 0, "python.exe");
        EXPECT_CELL(b, WR_DPE_ProcessId, 0, "4242");
        EXPECT_CELL(b, WR_DPE_ProcessCommandLine, 0, "python x.py");
        EXPECT_CELL(b, WR_DPE_AccountName, 0, "rkim");
        EXPECT_CELL(b, WR_DPE_InitiatingProcessFileName, 0, "cmd.exe");
        EXPECT_CELL(b, WR_DPE_TenantId, 0, "t-1");
        EXPECT_CELL(b, WR_DPE_Type, 0, "DeviceProcessEvents");
        close_rows(&f);
    }
}

Test(events, times_come_as_text_and_as_numbers_of_any_unit)
{
    static const struct {
        const char *given, *want;
    } times[] = {
        {"1700000000", "2023-11-14T22:13:20.0000000Z"},
        {"1700000000123", "2023-11-14T22:13:20.1230000Z"},
        {"1700000000123456", "2023-11-14T22:13:20.1234560Z"},
        {"1700000000123456789", "2023-11-14T22:13:20.1234567Z"},
        {"1700000000.123", "2023-11-14T22:13:20.1230000Z"},
        {"1700000000123.0", "2023-11-14T22:13:20.1230000Z"},
        {"\"1700000000\"", "2023-11-14T22:13:20.0000000Z"},
        {"\"1700000000.123\"", "2023-11-14T22:13:20.1230000Z"},
        {"\"1700000000123456789\"", "2023-11-14T22:13:20.1234567Z"},
        {"\" 2023-11-14 22:13:20.123 \"", "2023-11-14T22:13:20.1230000Z"},
        {"\"2023-11-14T22:13:20.123000+0000\"", "2023-11-14T22:13:20.1230000Z"},
        {"-1", NULL},
        {"1e300", NULL},
        {"18446744073709551615", NULL},
        {"\"99999999999999999999\"", NULL},
        {"\"yesterday\"", NULL},
        {"\"\"", NULL},
        {"true", NULL},
        {"{}", NULL},
        {"9223372036854775807", "2262-04-11T23:47:16.8547758Z"},
    };
    struct fixture f = open_rows(false, 1);
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        char line[300];
        snprintf(line, sizeof line,
                 "{\"Type\":\"DeviceNetworkEvents\",\"ActionType\":\"x\",\"Timestamp\":%s}", times[i].given);
        feed_alone(&f, line);
        cr_assert_eq(f.events->nrows, times[i].want != NULL, "%s", times[i].given);
        if (times[i].want)
            cr_expect_str_eq(cell(f.events, WR_DNE_Timestamp, 0), times[i].want, "%s: %s", times[i].given,
                             cell(f.events, WR_DNE_Timestamp, 0));
    }
    close_rows(&f);
}

Test(events, a_text_column_takes_numbers_and_truth_values)
{
    static const char *const given[] = {
        "true", "false", "-5", "1.5", "18446744073709551615", "[1, {\"a\": null}]"};
    static const char *const want[] = {
        "true", "false", "-5", "1.5", "18446744073709551615", "[1,{\"a\":null}]"};
    struct fixture f = open_rows(false, 1);
    for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
        char line[300];
        snprintf(line, sizeof line,
                 "{\"Type\":\"DeviceNetworkEvents\",\"ActionType\":%s,\"Timestamp\":\"2026-11-24\","
                 "\"RemotePort\":%s}",
                 given[i], given[i]);
        feed_alone(&f, line);
        cr_assert_eq(f.events->nrows, 1);
        EXPECT_CELL(f.events, WR_DNE_ActionType, 0, want[i]);
        EXPECT_CELL(f.events, WR_DNE_RemotePort, 0, i == 0 ? "1" : i == 1 ? "0" : "null");
    }
    close_rows(&f);
}

Test(events, xml_references_become_characters_and_broken_ones_stay)
{
    static const struct {
        const char *given, *want;
    } texts[] = {
        {"&lt;&gt;&quot;&apos;&amp;", "<>\"'&"},
        {"&#65;&#x42;&#xe9;&#8364;&#128512;", "AB\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"a & b", "a & b"},
        {"&#;&#x;&#xzz;&nope;", "&#;&#x;&#xzz;&nope;"},
        {"&#xd800;&#0;&#x110000;", "&#xd800;&#0;&#x110000;"},
        {"&", "&"},
        {"&#99999999999999;", "&#99999999999999;"},
        {"&amp;lt;", "&lt;"},
    };
    struct fixture f = open_rows(false, 1);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char line[1500];
        snprintf(line, sizeof line, XML("Linux-Sysmon", XDATA "<Data Name=\"CommandLine\">%s</Data>"),
                 texts[i].given);
        feed_alone(&f, line);
        cr_assert_eq(f.events->nrows, 1, "%s", texts[i].given);
        EXPECT_CELL(f.events, WR_DNE_InitiatingProcessCommandLine, 0, texts[i].want);
    }
    close_rows(&f);
}

/* IPv4 over a socket of both families is IPv4. */
Test(events, addresses_are_written_in_one_way)
{
    static const char *const ips[][3] = {{"fe80:0:0:0:0:0:0:1", "fe80::1", "Private"},
                                         {"::ffff:10.0.0.1", "10.0.0.1", "Private"},
                                         {"0:0:0:0:0:ffff:cb00:7119", "203.0.113.25", "Public"}};
    struct fixture f = open_rows(false, 1);
    for (size_t i = 0; i < sizeof ips / sizeof *ips; i++) {
        char line[600];
        snprintf(line, sizeof line,
                 "{\"EventID\":3,\"SourceName\":\"Microsoft-Windows-Sysmon\",\"UtcTime\":\"2023-11-14\","
                 "\"Initiated\":true,\"SourceIp\":\"10.0.0.9\",\"DestinationIp\":\"%s\"}",
                 ips[i][0]);
        feed_alone(&f, line);
        cr_assert_eq(f.events->nrows, 1, "%s", ips[i][0]);
        EXPECT_CELL(f.events, WR_DNE_RemoteIP, 0, ips[i][1]);
        EXPECT_CELL(f.events, WR_DNE_RemoteIPType, 0, ips[i][2]);
    }
    close_rows(&f);
}

Test(events, addresses_have_their_kind)
{
    static const struct {
        const char *ip, *kind;
    } ips[] = {{"127.9.9.9", "Loopback"},        {"10.0.0.1", "Private"},
               {"172.31.0.1", "Private"},        {"172.32.0.1", "Public"},
               {"192.168.1.1", "Private"},       {"169.254.1.1", "Private"},
               {"0.0.0.0", "Reserved"},          {"239.1.1.1", "Reserved"},
               {"255.255.255.255", "Broadcast"}, {"::1", "Loopback"},
               {"fe80::1", "Private"},           {"fd00::1", "Private"},
               {"ff02::1", "Reserved"},                         {"2001:db8::1", "Public"}};
    struct fixture f = open_rows(false, 1);
    for (size_t i = 0; i < sizeof ips / sizeof *ips; i++) {
        char line[600];
        snprintf(line, sizeof line,
                 "{\"EventID\":3,\"SourceName\":\"Microsoft-Windows-Sysmon\",\"UtcTime\":\"2023-11-14\","
                 "\"Initiated\":true,\"SourceIp\":\"10.0.0.9\",\"DestinationIp\":\"%s\"}",
                 ips[i].ip);
        feed_alone(&f, line);
        cr_assert_eq(f.events->nrows, 1, "%s", ips[i].ip);
        EXPECT_CELL(f.events, WR_DNE_RemoteIP, 0, ips[i].ip);
        EXPECT_CELL(f.events, WR_DNE_RemoteIPType, 0, ips[i].kind);
    }
    close_rows(&f);
}
