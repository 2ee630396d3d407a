/* Each source that is not a network event of an endpoint: a record written from its documented field names, and what
 * becomes of it in its table. */
#include "support.h"

#include <glob.h>

enum { MOST = 14 };
struct source {
    const char *file, *layout;
    enum wr_table table;
    struct {
        const char *col, *want;
    } cells[MOST];
};

#define MS "2023-11-14T22:13:20.1230000Z"
#define S "2023-11-14T22:13:20.0000000Z"
#define PROCESS WR_TABLE_DEVICE_PROCESS_EVENTS
#define DNS WR_TABLE_ASIM_DNS_ACTIVITY_LOGS
#define CSL WR_TABLE_COMMON_SECURITY_LOG
#define MAIL WR_TABLE_SMTP_MESSAGES
#define NET WR_TABLE_DEVICE_NETWORK_EVENTS
#define ENDS(proto) {"LocalIP", "10.1.2.3"}, {"RemoteIP", "203.0.113.25"}, {"Protocol", proto}
#define PYTHON(time, name) \
    {"Timestamp", time}, {"DeviceName", "mail-ws-7"}, {"ActionType", "ProcessCreated"}, {"FileName", name}, {"ProcessId", "4242"}

static const struct source sources[] = {
    {"sysmon-1.json", "sysmon-process", PROCESS,
     {PYTHON(MS, "python.exe"), {"FolderPath", "C:\\Py\\python.exe"}, {"AccountDomain", "CORP"}, {"AccountName", "rkim"},
      {"SHA1", "ab12"}, {"SHA256", "ef56"}, {"MD5", "cd34"}, {"InitiatingProcessFileName", "cmd.exe"},
      {"InitiatingProcessId", "77"}, {"InitiatingProcessAccountName", "boss"}}},
    {"sysmon-1-nxlog.json", "sysmon-process", PROCESS,
     {PYTHON(MS, "python.exe"), {"AccountName", "rkim"}, {"SHA256", "ef56"}, {"InitiatingProcessFileName", "cmd.exe"}}},
    {"sysmon-1.xml", "sysmon-process", PROCESS,
     {PYTHON(MS, "python3"), {"AccountName", "rkim"}, {"ProcessCommandLine", "python x.py && true"},
      {"InitiatingProcessFileName", "sh"}}},
    {"sysmon-22.json", "sysmon-dns", DNS,
     {{"TimeGenerated", MS}, {"DnsQuery", "mail.example.org"}, {"DnsResponseCode", "3"}, {"DnsResponseCodeName", "NXDOMAIN"},
      {"EventResult", "Failure"}, {"DvcHostname", "mail-ws-7"}, {"SrcProcessId", "4242"}, {"SrcUsername", "CORP\\rkim"},
      {"DnsResponseName", ""}, {"Type", "ASimDnsActivityLogs"}}},
    {"suricata-smtp.json", "suricata-smtp", MAIL,
     {{"Timestamp", MS}, {"SrcIp", "10.1.2.3"}, {"DstPort", "587"}, {"Helo", "mail-ws-7"}, {"MailFrom", "Rkim@corp.example"},
      {"FromHeader", "R Kim <rkim@corp.example>"}, {"RcptFirst", "a@b.example"}, {"RcptCount", "2"}, {"Subject", "hello"},
      {"AttachmentName", "data.zip"}, {"XMailer", "python"}, {"MessageBytes", "null"}, {"Tls", "null"}}},
    {"suricata-dns.json", "suricata-dns", DNS,
     {{"TimeGenerated", MS}, {"DnsQuery", "mail.example.org"}, {"DnsQueryTypeName", "A"}, {"DnsResponseCode", "0"},
      {"DnsResponseCodeName", "NOERROR"}, {"EventSubType", "response"}, {"EventResult", "Success"}, {"SrcIpAddr", "10.1.2.3"},
      {"DstPortNumber", "53"}, {"NetworkProtocol", "UDP"}, {"DnsFlagsRecursionDesired", "1"},
      {"DnsResponseName", "[{\"rrname\":\"mail.example.org\",\"rrtype\":\"A\",\"ttl\":60,\"rdata\":\"203.0.113.25\"}]"}}},
    {"suricata-alert.json", "suricata-alert", CSL,
     {{"TimeGenerated", MS}, {"StartTime", "2023-11-14T22:13:19.0000000Z"}, {"DeviceProduct", "Suricata"},
      {"DeviceEventClassID", "2220000"}, {"Activity", "SURICATA SMTP invalid reply"}, {"DeviceAction", "allowed"},
      {"LogSeverity", "3"}, {"SourceIP", "10.1.2.3"}, {"DestinationPort", "587"}, {"ApplicationProtocol", "smtp"},
      {"SentBytes", "18432"}, {"ReceivedBytes", "5120"}}},
    {"suricata-tls.json", "suricata-tls", CSL,
     {{"TimeGenerated", MS}, {"ApplicationProtocol", "tls"}, {"DestinationHostName", "mail.example.org"},
      {"DeviceCustomString1", "e7d705a3286e19ea42f587b344ee6865"}, {"DeviceCustomString4", "TLS 1.3"}}},
    {"zeek-smtp.json", "zeek-smtp", MAIL,
     {{"Timestamp", MS}, {"SrcIp", "10.1.2.3"}, {"SrcPort", "51514"}, {"MailFrom", "rkim@corp.example"},
      {"RcptFirst", "a@b.example"}, {"RcptCount", "1"}, {"LastReply", "250 ok"}, {"UserAgent", "python"}, {"Tls", "0"}}},
    {"zeek-dns.json", "zeek-dns", DNS,
     {{"TimeGenerated", MS}, {"DnsQuery", "mail.example.org"}, {"DnsQueryType", "1"}, {"DnsQueryTypeName", "A"},
      {"DnsResponseCode", "0"}, {"DnsResponseName", "[\"203.0.113.25\"]"}, {"EventResult", "Success"},
      {"SrcIpAddr", "10.1.2.3"}, {"NetworkProtocol", "UDP"}, {"DnsSessionId", "7"}, {"DnsFlagsTruncated", "0"}}},
    {"zeek-ssl.json", "zeek-ssl", CSL,
     {{"TimeGenerated", MS}, {"DestinationHostName", "mail.example.org"}, {"EventOutcome", "Success"}, {"DestinationPort", "465"}}},
    {"crowdstrike-process.json", "crowdstrike-process", PROCESS,
     {PYTHON(MS, "python.exe"), {"DeviceId", "a7"}, {"AccountName", "rkim"}, {"AccountSid", "S-1-5-21"}, {"SHA256", "ef56"}}},
    {"crowdstrike-dns.json", "crowdstrike-dns", DNS,
     {{"TimeGenerated", MS}, {"DnsQuery", "mail.example.org"}, {"DnsQueryType", "1"}, {"SrcProcessName", ""}}},
    {"ecs-dns.json", "ecs-dns", DNS,
     {{"TimeGenerated", MS}, {"DnsQuery", "mail.example.org"}, {"DnsResponseCode", "3"}, {"SrcIpAddr", "10.1.2.3"},
      {"DstPortNumber", "53"}, {"DvcHostname", "mail-ws-7"}, {"EventProduct", "packetbeat"}}},
    {"ecs-process.json", "ecs-process", PROCESS, {PYTHON(MS, "python3"), {"AccountName", "rkim"}, {"InitiatingProcessFileName", "sh"}}},
    {"sentinelone-process.json", "sentinelone-process", PROCESS,
     {PYTHON(MS, "python.exe"), {"AccountDomain", "corp"}, {"AccountName", "rkim"}, {"InitiatingProcessFileName", "cmd.exe"}}},
    {"ocsf-dns.json", "ocsf-dns", DNS,
     {{"TimeGenerated", MS}, {"DnsQuery", "mail.example.org"}, {"DnsResponseCode", "3"}, {"DnsResponseCodeName", "NXDOMAIN"},
      {"EventVendor", "Acme"}, {"SrcPortNumber", "5353"}}},
    {"ocsf-process.json", "ocsf-process", PROCESS, {PYTHON(MS, "python3"), {"AccountName", "rkim"}, {"InitiatingProcessId", "77"}}},
    {"osquery-process.json", "osquery-process", PROCESS, {PYTHON(S, "python3"), {"ProcessCommandLine", "python x.py"}}},
    {"laurel-process.json", "auditd-process", PROCESS,
     {PYTHON(MS, "python3"), {"ProcessCommandLine", "python x.py"}, {"AccountName", "rkim"}, {"InitiatingProcessFileName", "sh"}}},
    {"falco-process.json", "falco-process", PROCESS, {PYTHON(MS, "python3"), {"AccountName", "rkim"}, {"InitiatingProcessId", "77"}}},
    {"tetragon-process.json", "tetragon-process", PROCESS,
     {PYTHON(MS, "python3"), {"ProcessCommandLine", "/usr/bin/python3 x.py"}, {"InitiatingProcessFileName", "sh"}}},
    /* forms of the same sources that differ from those that test_mapping.c reads */
    {"osquery-bpf.json", "osquery-bpf", NET,
     {ENDS("Tcp"), {"Timestamp", S}, {"DeviceName", "mail-ws-7"}, {"ActionType", "ConnectionRequest"}, {"LocalPort", "51514"},
      {"InitiatingProcessFileName", "python3"}, {"InitiatingProcessParentId", "77"}, {"AccountName", "root"}}},
    {"osquery-open.json", "osquery-open", NET, /* not bound: no address and no port */
     {{"Timestamp", S}, {"ActionType", "ConnectionFound"}, {"LocalIP", ""}, {"LocalPort", "null"}, {"RemotePort", "587"},
      {"Protocol", "Udp"}, {"InitiatingProcessFileName", "python3"}}},
    {"falco-name.json", "falco-name", NET,
     {ENDS(""), {"Timestamp", MS}, {"LocalPort", "51514"}, {"RemotePort", "587"}, {"AccountName", "rkim"}}},
    {"falco-ends.json", "falco-ends", NET, {ENDS(""), {"LocalPort", "51514"}, {"RemotePort", "587"}, {"AccountName", "rkim"}}},
    {"tetragon-network.json", "tetragon-connect", NET,
     {ENDS("Tcp"), {"Timestamp", MS}, {"DeviceName", "mail-ws-7"}, {"ActionType", "ConnectionSuccess"}, {"RemotePort", "587"},
      {"RemoteUrl", "mail.example.org"}, {"InitiatingProcessParentFileName", "sh"}, {"AccountName", "root"}}},
    {"crowdstrike-accept.json", "crowdstrike", NET, /* the local address is the device's whoever began */
     {ENDS("Tcp"), {"ActionType", "InboundConnectionAccepted"}, {"LocalPort", "22"}, {"RemotePort", "51514"}, {"DeviceId", "a7"}}},
    {"zeek-conn-icmp.json", "zeek-conn", NET, /* nested ids; type and code are no ports */
     {ENDS("Icmp"), {"ActionType", "ConnectionFound"}, {"LocalPort", "null"}, {"RemotePort", "null"}, {"SentBytes", "84"}}},
    /* what arrives in another dress: addresses of IPv4 over sockets of both families, ports as texts, no host but the header's */
    {"osquery-accept.json", "osquery-accept", NET,
     {ENDS("Tcp"), {"Timestamp", S}, {"ActionType", "InboundConnectionAccepted"}, {"LocalPort", "22"}, {"RemotePort", "51514"},
      {"LocalIPType", "Private"}, {"RemoteIPType", "Public"}, {"InitiatingProcessFileName", "sshd"}}},
    {"falco-accept.json", "falco-accept", NET, /* its tuple begins with the client */
     {ENDS("Tcp"), {"Timestamp", MS}, {"ActionType", "InboundConnectionAccepted"}, {"LocalPort", "22"}, {"RemotePort", "51514"}}},
    {"tetragon-sockaddr.json", "tetragon-sockaddr", NET,
     {{"Timestamp", MS}, {"DeviceName", "mail-ws-7"}, {"ActionType", "ConnectionRequest"}, {"LocalIP", ""}, {"RemoteIP", "203.0.113.25"},
      {"RemotePort", "587"}, {"Protocol", "Tcp"}, {"InitiatingProcessFileName", "python3"}, {"AccountName", "root"}}},
    {"laurel-header.json", "auditd", NET,
     {{"Timestamp", MS}, {"DeviceName", "mail-ws-7"}, {"ActionType", "ConnectionRequest"}, {"RemoteIP", "203.0.113.25"},
      {"RemotePort", "587"}, {"InitiatingProcessParentFileName", "sh"}, {"AccountName", "rkim"}}},
    {"zeek-conn-flat.json", "zeek-conn", NET,
     {ENDS("Tcp"), {"Timestamp", MS}, {"DeviceName", ""}, {"LocalPort", "51514"}, {"RemotePort", "587"}, {"SentBytes", "84"}}},
    {"crowdstrike-logscale.json", "crowdstrike", NET,
     {ENDS("Tcp"), {"Timestamp", MS}, {"ActionType", "InboundConnectionAccepted"}, {"LocalPort", "22"}, {"DeviceId", "a7"}}},
    {"sentinelone-blocked.json", "sentinelone", NET,
     {ENDS("Tcp"), {"Timestamp", MS}, {"ActionType", "ConnectionFailed"}, {"LocalPort", "51514"}, {"AccountName", "rkim"}}},
    {"ecs-ended.json", "sysmon", NET, {ENDS("Tcp"), {"ActionType", "ConnectionEnded"}, {"SentBytes", "18432"}}},
    {"ecs-process-denied.json", "sysmon", NET, {ENDS("Tcp"), {"ActionType", "ConnectionFailed"}, {"AccountName", "rkim"}}},
    {"suricata-flow-icmp6.json", "suricata-flow", NET,
     {{"Timestamp", MS}, {"LocalIP", "2001:db8::2"}, {"RemoteIP", "2001:db8::1"}, {"Protocol", "IcmpV6"}, {"SentBytes", "84"}}},
    {"ecs-denied.json", "ecs-denied", NET, {ENDS("Icmp"), {"ActionType", "ConnectionFailed"}, {"RemotePort", "null"}}},
    {"ecs-attempted.json", "sysmon", NET,
     {ENDS("Tcp"), {"Timestamp", "2023-11-14T22:13:20.1234567Z"}, {"ActionType", "ConnectionRequest"}, {"AccountName", "rkim"}}},
    {"ocsf-blocked.json", "ocsf-blocked", NET, /* inbound: the destination is the local end */
     {ENDS("Tcp"), {"ActionType", "ConnectionFailed"}, {"LocalPort", "51514"}, {"RemotePort", "587"}, {"SentBytes", "0"},
      {"ReceivedBytes", "60"}}},
    {"sentinelone-dns.json", "sentinelone-dns", DNS,
     {{"TimeGenerated", MS}, {"DnsQuery", "mail.example.org"}, {"EventResult", "Failure"}, {"SrcUsername", "corp\\rkim"}}},
    {"zeek-dns-unanswered.json", "zeek-dns", DNS, {{"EventSubType", "request"}, {"EventResult", "NA"}}},
    {"suricata-dns-request.json", "suricata-dns", DNS, {{"EventSubType", "request"}, {"EventResult", "NA"}}},
    {"ecs-dns-sysmon.json", "ecs-dns", DNS, {{"EventResult", "Success"}, {"EventResultDetails", "SUCCESS"}, {"SrcProcessId", "4242"}}},
};

static const char *cell_of(const struct wr_batch *b, const char *name)
{
    uint16_t col = wr_schema_find(b->schema, name, strlen(name));
    cr_assert_neq(col, WR_NO_COL, "%s", name);
    return cell(b, b->schema->cols[col].store, 0);
}

static void feed_file(struct fixture *f, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/tests/data/log/%s", WR_SOURCE_DIR, name);
    FILE *file = fopen(path, "rb");
    cr_assert(file, "%s", path);
    char *text = calloc(1, 65536);
    cr_assert(text && fread(text, 1, 65535, file) > 0);
    fclose(file);
    feed_alone(f, text);
    free(text);
}

Test(sources, each_becomes_a_row_of_its_table)
{
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        const struct source *s = &sources[i];
        struct fixture f = open_rows(false, 2);
        feed_file(&f, s->file);
        const struct wr_batch *b = f.rows.of[s->table];
        cr_assert_eq(b->nrows, 1, "%s: no row of %s", s->file, b->schema->name);
        cr_expect_eq(wr_rows_count(&f.rows), 1, "%s", s->file);
        cr_expect_str_eq(wr_log_layout(f.log), s->layout, "%s: %s", s->file, wr_log_layout(f.log));
        for (int c = 0; c < MOST && s->cells[c].col; c++)
            cr_expect_str_eq(cell_of(b, s->cells[c].col), s->cells[c].want, "%s: %s is '%s', not '%s'", s->file,
                             s->cells[c].col, cell_of(b, s->cells[c].col), s->cells[c].want);
        close_rows(&f);
    }
}

Test(sources, ecs_of_a_device_that_translates_is_also_a_firewalls_row)
{
    struct fixture f = open_rows(false, 2);
    feed_alone(&f, "{\"@timestamp\":\"2023-11-14T22:13:20.123Z\",\"event\":{\"category\":[\"network\"]},\"network\":{\"transport\":\"tcp\"},"
                   "\"source\":{\"ip\":\"10.1.2.3\",\"port\":51514,\"nat\":{\"ip\":\"198.51.100.9\",\"port\":61000}},"
                   "\"destination\":{\"ip\":\"203.0.113.25\",\"port\":587}}");
    const struct wr_batch *b = f.rows.of[CSL];
    cr_assert_eq(b->nrows, 1);
    cr_expect_str_eq(cell_of(b, "SourceTranslatedAddress"), "198.51.100.9");
    cr_expect_str_eq(cell_of(b, "SourceTranslatedPort"), "61000");
    cr_expect_str_eq(cell_of(b, "DestinationPort"), "587");
    cr_expect_eq(f.events->nrows, 1);
    close_rows(&f);
}

Test(sources, a_question_that_a_process_asked_is_a_connection_too)
{
    struct fixture f = open_rows(false, 2);
    feed_file(&f, "ecs-dns-process.json");
    cr_assert_eq(f.rows.of[DNS]->nrows, 1);
    cr_expect_str_eq(cell_of(f.rows.of[DNS], "DnsQuery"), "mail.example.org");
    cr_expect_str_eq(cell_of(f.rows.of[DNS], "SrcProcessId"), "4242");
    cr_assert_eq(f.events->nrows, 1);
    EXPECT_CELL(f.events, WR_DNE_Protocol, 0, "Udp");
    EXPECT_CELL(f.events, WR_DNE_InitiatingProcessFileName, 0, "python.exe");
    close_rows(&f);
}

/* The header's host is the sensor's where an event is a network's, and the sender of a process' event has a name of its own. */
Test(sources, the_headers_host_names_only_the_device_of_a_process)
{
    static const char *const lines[][2] = {
        {"<13>1 2023-11-14T22:13:20Z sensor app - - - {\"event_type\":\"flow\",\"src_ip\":\"10.1.2.3\",\"dest_ip\":\"203.0.113.25\",\"proto\":"
         "\"TCP\",\"flow\":{\"start\":\"2023-11-14T22:13:20.123000+0000\",\"state\":\"closed\"}}", ""},
        {"<13>Nov 14 22:13:20 relay falco: {\"hostname\":\"mail-ws-7\",\"rule\":\"r\",\"output_fields\":{\"evt.time\":1700000000123000000,"
         "\"fd.name\":\"10.1.2.3:5->203.0.113.25:25\",\"fd.l4proto\":\"tcp\",\"proc.name\":\"a\"}}", "mail-ws-7"},
        {"<13>Nov 14 22:13:20 mail-ws-8 falco: {\"rule\":\"r\",\"output_fields\":{\"evt.time\":1700000000123000000,"
         "\"fd.name\":\"10.1.2.3:5->203.0.113.25:25\",\"fd.l4proto\":\"tcp\",\"proc.name\":\"a\"}}", "mail-ws-8"}};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct fixture f = open_rows(false, 2);
        feed_alone(&f, lines[i][0]);
        cr_assert_eq(f.events->nrows, 1, "%s", lines[i][0]);
        EXPECT_CELL(f.events, WR_DNE_DeviceName, 0, lines[i][1]);
        close_rows(&f);
    }
}

Test(sources, a_list_in_aws_envelope_is_a_row_an_element)
{
    struct fixture f = open_rows(false, 4);
    feed_alone(&f, "{\"Records\":[{\"class_uid\":4001,\"activity_id\":6,\"time\":1700000000123,\"src_endpoint\":{\"ip\":\"10.1.2.3\"},"
                   "\"dst_endpoint\":{\"ip\":\"203.0.113.25\"}},{\"class_uid\":4001,\"activity_id\":4,\"time\":1700000000123,"
                   "\"src_endpoint\":{\"ip\":\"10.1.2.4\"},\"dst_endpoint\":{\"ip\":\"203.0.113.25\"}}]}");
    cr_assert_eq(f.events->nrows, 2);
    EXPECT_CELL(f.events, WR_DNE_LocalIP, 1, "10.1.2.4");
    close_rows(&f);
}

Test(sources, leases_of_dhcp_servers_are_rows_of_common_security_log)
{
    static const char *const lines[][3] = {
        {"{\"ts\":1700000000.1,\"uids\":[\"C\"],\"client_addr\":\"0.0.0.0\",\"mac\":\"02:00:00:00:00:01\",\"host_name\":\"ws1\","
         "\"assigned_addr\":\"10.0.0.1\",\"lease_time\":3600.0}", "10.0.0.1", "ws1"},
        {"{\"EventTime\":\"2023-11-14 22:13:20\",\"ID\":11,\"Description\":\"Renew\",\"IP Address\":\"10.0.0.2\","
         "\"Host Name\":\"ws2.corp.example\",\"MAC Address\":\"020000000002\"}", "10.0.0.2", "ws2.corp.example"},
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct fixture f = open_rows(false, 2);
        feed_alone(&f, lines[i][0]);
        const struct wr_batch *b = f.rows.of[CSL];
        cr_assert_eq(b->nrows, 1);
        cr_expect_str_eq(cell_of(b, "DeviceEventClassID"), "dhcp-lease");
        cr_expect_str_eq(cell_of(b, "SourceIP"), lines[i][1]);
        cr_expect_str_eq(cell_of(b, "SourceHostName"), lines[i][2]);
        close_rows(&f);
    }
}

Test(sources, crowdstrike_connections_know_the_process_that_was_told_of_before)
{
    struct fixture f = open_rows(false, 2);
    feed_file(&f, "crowdstrike-connect.json");
    EXPECT_CELL(f.events, WR_DNE_InitiatingProcessFileName, 0, "");
    cr_expect_eq(wr_log_stats(f.log)->lookup_missed, 1);
    feed_file(&f, "crowdstrike-process.json");
    feed_file(&f, "crowdstrike-connect.json");
    EXPECT_CELL(f.events, WR_DNE_InitiatingProcessFileName, 0, "python.exe");
    EXPECT_CELL(f.events, WR_DNE_InitiatingProcessAccountName, 0, "rkim");
    EXPECT_CELL(f.events, WR_DNE_InitiatingProcessId, 0, "4242");
    EXPECT_CELL(f.events, WR_DNE_DeviceName, 0, "mail-ws-7");
    cr_expect_eq(wr_log_stats(f.log)->lookup_missed, 1);
    feed_alone(&f, "{\"event_simpleName\":\"NetworkConnectIP4\",\"aid\":\"a8\",\"ContextProcessId\":\"1222\","
                   "\"ContextTimeStamp\":\"1700000000.123\",\"RemoteAddressIP4\":\"203.0.113.25\"}");
    EXPECT_CELL(f.events, WR_DNE_InitiatingProcessFileName, 0, ""); /* another sensor's process */
    close_rows(&f);
}

Test(sources, a_lookup_forgets_the_oldest_and_never_grows)
{
    struct fixture f = open_rows(false, 1);
    char line[512];
    enum { MANY = 100000 };
    for (int i = 0; i < MANY; i++) {
        snprintf(line, sizeof line,
                 "{\"event_simpleName\":\"ProcessRollup2\",\"aid\":\"a\",\"TargetProcessId\":\"%d\",\"ImageFileName\":\"p%d\","
                 "\"timestamp\":\"1700000001000\"}", i, i);
        feed_alone(&f, line);
    }
    snprintf(line, sizeof line,
             "{\"event_simpleName\":\"NetworkConnectIP4\",\"aid\":\"a\",\"ContextProcessId\":\"%d\",\"timestamp\":"
             "\"1700000001000\",\"RemoteAddressIP4\":\"203.0.113.25\"}", MANY - 1);
    feed_alone(&f, line);
    EXPECT_CELL(f.events, WR_DNE_InitiatingProcessFileName, 0, "p99999");
    cr_expect_eq(wr_log_stats(f.log)->lookup_missed, 0);
    close_rows(&f);
}

static const char connect_to[] = "{\"event_simpleName\":\"NetworkConnectIP4\",\"aid\":\"a\",\"ContextProcessId\":\"%d\",\"timestamp\":"
                                 "\"1700000001000\",\"RemoteAddressIP4\":\"203.0.113.25\"}";

static void say_process(struct wr_log *log, struct wr_rows *rows, int id)
{
    char line[512];
    snprintf(line, sizeof line, "{\"event_simpleName\":\"ProcessRollup2\",\"aid\":\"a\",\"TargetProcessId\":\"%d\",\"ImageFileName\":\"p%d\","
                                "\"timestamp\":\"1700000001000\"}", id, id);
    cr_assert_eq(wr_log_frame(log, "", line, strlen(line), INT64_C(1700000001000000000), rows), WR_OK);
}

static uint64_t missed(struct wr_log *log, struct wr_rows *rows, int id)
{
    char line[512];
    uint64_t was = wr_log_stats(log)->lookup_missed;
    snprintf(line, sizeof line, connect_to, id);
    cr_assert_eq(wr_log_frame(log, "", line, strlen(line), INT64_C(1700000001000000000), rows), WR_OK);
    return wr_log_stats(log)->lookup_missed - was;
}

Test(sources, what_one_worker_remembers_another_recalls_and_so_does_the_next_start)
{
    struct wr_rows nobody = {{0}};
    struct wr_mappings *m = wr_mappings_new();
    struct wr_lookups *shared = wr_lookups_new(m), *later = wr_lookups_new(m);
    struct wr_log *a = wr_log_new(&(struct wr_log_opts){.mappings = m, .lookups = shared}),
                  *b = wr_log_new(&(struct wr_log_opts){.mappings = m, .lookups = shared}),
                  *c = wr_log_new(&(struct wr_log_opts){.mappings = m, .lookups = later});
    struct wr_buf saved = {0};
    for (int i = 0; i < 100; i++)
        say_process(a, &nobody, i);
    cr_expect_eq(missed(b, &nobody, 77), 0);
    cr_expect_eq(missed(b, &nobody, 100), 1);
    wr_lookups_save(shared, &saved);
    cr_expect_eq(missed(c, &nobody, 77), 1);
    for (size_t len = 0; len < saved.len; len += len < 60 ? 1 : 97) { /* cut: between two entries it is whole */
        struct wr_lookups *cut = wr_lookups_new(m);
        enum wr_err err = wr_lookups_load(cut, saved.data, len);
        cr_expect(err == WR_ECORRUPT || (err == WR_OK && len >= 36), "%zu", len);
        wr_lookups_free(cut);
    }
    cr_assert_eq(wr_lookups_load(later, saved.data, saved.len), WR_OK);
    for (int i = 0; i < 100; i++)
        cr_expect_eq(missed(c, &nobody, i), 0, "%d", i);
    saved.data[0] ^= 1; /* other mappings */
    struct wr_lookups *other = wr_lookups_new(m);
    struct wr_log *d = wr_log_new(&(struct wr_log_opts){.mappings = m, .lookups = other});
    cr_assert_eq(wr_lookups_load(other, saved.data, saved.len), WR_OK);
    cr_expect_eq(missed(d, &nobody, 5), 1);
    struct wr_log *logs[] = {a, b, c, d};
    for (size_t i = 0; i < sizeof logs / sizeof *logs; i++)
        wr_log_free(logs[i]);
    wr_lookups_free(other);
    wr_lookups_free(shared);
    wr_lookups_free(later);
    wr_mappings_free(m);
    wr_buf_fini(&saved);
}

/* A source that is documented has a record in tests/data/log (or in the test of its own layout) that it takes. */
Test(sources, every_mapping_takes_a_record_of_the_fixtures)
{
    struct wr_mappings *m = wr_mappings_new();
    struct wr_log *log = wr_log_new(&(struct wr_log_opts){.mappings = m});
    struct wr_rows nobody = {{0}};
    static char taken[128][64];
    uint32_t ntaken = 0;
    glob_t g;
    cr_assert_eq(glob(WR_SOURCE_DIR "/tests/data/log/*.[jx]*", 0, NULL, &g), 0);
    for (size_t i = 0; i < g.gl_pathc; i++) {
        char line[65536];
        FILE *f = fopen(g.gl_pathv[i], "r");
        while (f && fgets(line, sizeof line, f)) {
            cr_assert_eq(wr_log_frame(log, "", line, strlen(line), INT64_C(1700000001000000000), &nobody), WR_OK);
            if (ntaken < 128)
                snprintf(taken[ntaken++], sizeof taken[0], "%s", wr_log_layout(log));
        }
        if (f)
            fclose(f);
    }
    globfree(&g);
    for (uint32_t i = 0; i < wr_mappings_count(m); i++) {
        enum wr_table table;
        struct wr_colset cols;
        const char *name = wr_mappings_fills(m, i, &table, &cols);
        bool found = false;
        for (uint32_t k = 0; k < ntaken && !found; k++)
            found = strcmp(taken[k], name) == 0;
        cr_expect(found, "no record of tests/data/log is taken by '%s'", name);
    }
    wr_log_free(log);
    wr_mappings_free(m);
}
