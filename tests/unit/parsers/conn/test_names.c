/* What devices are called: by their agents, flow records, DHCP and a file, each from its time on;
 * and what the far end of a connection was called by whoever asked for it. */
#include "conn_kit.h"

#include "parsers/conn/hostnames.h"

static void put_text(struct wr_batch *b, uint16_t col, const char *text)
{
    cr_assert(wr_batch_set_str(b, col, 0, text, strlen(text)));
}

static struct wr_batch *row_of(enum wr_table table)
{
    struct wr_colset all = wr_colset_all(wr_schema_of(table));
    struct wr_batch *b = wr_batch_new(wr_schema_of(table), &all, 1);
    (void)wr_batch_row(b);
    return b;
}

static void learn(struct kit *k, enum wr_table table, struct wr_batch *b, int64_t at_ms)
{
    wr_batch_set_i64(b, WR_TIME_COL, 0, wr_ticks_of_unix_ns(T0 + at_ms * MS));
    wr_batch_seal(b);
    cr_assert_eq(wr_conn_learn(k->conn, table, b, 0, T0 + at_ms * MS), WR_OK);
    wr_batch_free(b);
}

static void lease(struct kit *k, const char *process, const char *line, int64_t at_ms)
{
    struct wr_batch *b = row_of(WR_TABLE_SYSLOG);
    put_text(b, WR_SYSLOG_ProcessName, process);
    put_text(b, WR_SYSLOG_SyslogMessage, line);
    learn(k, WR_TABLE_SYSLOG, b, at_ms);
}

static void answer(struct kit *k, const char *client, const char *query, const char *answers,
                   int64_t at_ms)
{
    struct wr_batch *b = row_of(WR_TABLE_ASIM_DNS_ACTIVITY_LOGS);
    put_text(b, WR_DNS_SrcIpAddr, client);
    put_text(b, WR_DNS_DnsQuery, query);
    put_text(b, WR_DNS_DnsResponseName, answers);
    learn(k, WR_TABLE_ASIM_DNS_ACTIVITY_LOGS, b, at_ms);
}

static struct wr_flow flow_at(uint16_t sport, int64_t at_ms)
{
    struct wr_flow f = biflow(at_ms, at_ms + 100, ALL, 1200, 300);
    f.sport = sport;
    return f;
}

/* The name of the device in the row of a flow that begins then. */
static const char *called(struct kit *k, int64_t at_ms)
{
    static uint16_t sport = 1000;
    kit_flow(k, flow_at(sport++, at_ms));
    kit_advance(k, at_ms + 200000);
    return k->row[k->n - 1].device;
}

static void save_and_load(struct kit *k)
{
    struct wr_buf saved = {0}, again = {0};
    wr_conn_save(k->conn, &saved);
    wr_conn_free(k->conn);
    k->conn = wr_conn_new(&k->opts);
    cr_assert_eq(wr_conn_load(k->conn, saved.data, saved.len), WR_OK);
    wr_conn_save(k->conn, &again);
    cr_assert_eq(saved.len, again.len);
    cr_assert_arr_eq(saved.data, again.data, saved.len);
    wr_buf_fini(&saved);
    wr_buf_fini(&again);
}

#define FLOWS ((struct wr_conn_opts){.pair_ns = SEC})

Test(names, servers_lines_name_devices)
{
    static const char *const lines[][2] = {
        {"dhcpd", "DHCPACK on 10.0.0.1 to 02:00:00:00:00:01 (ws1) via eth0"},
        {"dnsmasq-dhcp", "DHCPACK(eth0) 10.0.0.1 02:00:00:00:00:01 ws1"},
    };
    static const char *const others[][2] = {
        {"dhcpd", "DHCPACK on 10.0.0.1 to 02:00:00:00:00:01 via eth0"}, /* no name */
        {"dhcpd", "DHCPOFFER on 10.0.0.1 to 02:00:00:00:00:01 (ws1) via eth0"},
        {"dhcpd", "DHCPACK on 10.0.0 to 02:00:00:00:00:01 (ws1) via eth0"},
        {"dnsmasq-dhcp", "DHCPACK(eth0) 10.0.0.1 02:00:00:00:00:01"},
        {"sshd", "DHCPACK(eth0) 10.0.0.1 02:00:00:00:00:01 ws1"},
        {"dhcpd", ""},
        {"dhcpd", "DHCPACK on"},
    };
    for (size_t i = 0; i < 2; i++) {
        struct kit *k = kit_new(FLOWS);
        lease(k, lines[i][0], lines[i][1], 0);
        cr_expect_str_eq(called(k, 1000), "ws1");
        cr_expect_eq(stats(k)->leases, 1);
        kit_free(k);
    }
    struct kit *k = kit_new(FLOWS);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        lease(k, others[i][0], others[i][1], 0);
    cr_expect_str_eq(called(k, 1000), "10.0.0.1");
    cr_expect_eq(stats(k)->leases, 0);
    kit_free(k);
}

Test(names, a_lease_that_a_mapping_read)
{
    struct kit *k = kit_new(FLOWS);
    struct wr_batch *b = row_of(WR_TABLE_COMMON_SECURITY_LOG);
    put_text(b, WR_CSL_DeviceEventClassID, "dhcp-lease");
    put_text(b, WR_CSL_SourceIP, "10.0.0.1");
    put_text(b, WR_CSL_SourceHostName, "ws9");
    learn(k, WR_TABLE_COMMON_SECURITY_LOG, b, 0);
    cr_expect_str_eq(called(k, 1000), "ws9");
    kit_free(k);
}

/* 3,600,000 ms: an hour. A late record of the first host's time keeps its name. */
Test(names, an_address_moves_to_another_device)
{
    struct kit *k = kit_new(FLOWS);
    lease(k, "dnsmasq-dhcp", "DHCPACK(eth0) 10.0.0.1 02:00:00:00:00:01 ws1", 0);
    cr_expect_str_eq(called(k, 1000), "ws1");
    lease(k, "dnsmasq-dhcp", "DHCPACK(eth0) 10.0.0.1 02:00:00:00:00:02 ws2", 3600000);
    save_and_load(k);
    cr_expect_str_eq(called(k, 3601000), "ws2");
    cr_expect_str_eq(called(k, 1800000), "ws1");
    cr_expect_str_eq(k->row[0].device, "ws1", "what rules have stays");
    kit_free(k);
}

Test(names, an_agent_knows_better_than_dhcp)
{
    struct wr_conn_opts opts = {.expect_endpoint = true, .hold_ns = SEC};
    struct kit *k = kit_new(opts);
    lease(k, "dnsmasq-dhcp", "DHCPACK(eth0) 10.0.0.1 02:00:00:00:00:01 WS1", 0);
    kit_event(k, opened(1000, "python.exe"), 1000); /* of ws1 */
    cr_expect_str_eq(called(k, 2000), "ws1");
    lease(k, "dnsmasq-dhcp", "DHCPACK(eth0) 10.0.0.1 02:00:00:00:00:01 johns-laptop", 10000);
    cr_expect_str_eq(called(k, 20000), "johns-laptop", "nobody says yet that it is the same");
    struct event e = opened(250000, "python.exe");
    e.lport = 40001;
    kit_event(k, e, 250000);
    lease(k, "dnsmasq-dhcp", "DHCPACK(eth0) 10.0.0.1 02:00:00:00:00:01 johns-laptop", 260000);
    save_and_load(k);
    cr_expect_str_eq(called(k, 270000), "ws1", "its agent went on to speak");
    kit_free(k);
}

Test(names, a_flow_record_names_its_address_for_all_records)
{
    struct kit *k = kit_new(FLOWS);
    struct wr_buf who = {0};
    wr_who_add(&who, WR_WHO_DEVICE_NAME, "STATION-1", 9);
    struct wr_flow f = flow_at(900, 0);
    struct wr_who list = {(const uint8_t *)who.data, (uint32_t)who.len};
    cr_assert_eq(wr_conn_flow_who(k->conn, &f, list, f.export_ns), WR_OK);
    wr_buf_fini(&who);
    kit_drain(k);
    cr_expect_str_eq(called(k, 10000), "STATION-1");
    kit_free(k);
}

Test(names, a_file_names_what_nobody_else_does)
{
    struct wr_hostnames *names = wr_hostnames_new();
    static const char text[] =
        "# ours\n10.0.0.1 ws1.file.example alias\n\n10.0.0.1 later\n2001:db8::1\tv6host # six\r\n";
    uint32_t line;
    uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
    cr_assert_eq(wr_hostnames_read(names, text, sizeof text - 1, &line), WR_OK);
    cr_expect_eq(wr_hostnames_count(names), 2);
    cr_expect_eq(wr_hostnames_find(names, v6, true).len, 6);
    cr_expect_eq(wr_hostnames_find(names, v6, false).len, 0);
    struct wr_conn_opts opts = FLOWS;
    opts.hostnames = names;
    struct kit *k = kit_new(opts);
    cr_expect_str_eq(called(k, 0), "ws1.file.example");
    static const char *const wrong[] = {"10.0.0.1 a\nws1 10.0.0.2\n", "10.0.0.1 a\n10.0.0.2\n",
                                        "10.0.0.1 a\n300.1.1.1 x\n"};
    for (int i = 0; i < 3; i++) {
        cr_expect_eq(wr_hostnames_read(names, wrong[i], strlen(wrong[i]), &line), WR_EINVAL);
        cr_expect_eq(line, 2);
    }
    cr_expect_str_eq(called(k, 300000), "ws1.file.example", "a wrong file changes nothing");
    cr_assert_eq(wr_hostnames_read(names, "10.0.0.1 ws2", 12, &line), WR_OK);
    cr_expect_str_eq(called(k, 600000), "ws2");
    lease(k, "dnsmasq-dhcp", "DHCPACK(eth0) 10.0.0.1 02:00:00:00:00:01 ws3", 900000);
    cr_expect_str_eq(called(k, 901000), "ws3");
    kit_free(k);
    wr_hostnames_free(names);
}

/* The last row's RemoteUrl. */
static void url_of(struct kit *k, struct wr_flow f, char out[64])
{
    out[0] = 0;
    cr_assert_eq(wr_conn_flow(k->conn, &f, f.export_ns), WR_OK);
    cr_assert_eq(wr_conn_advance(k->conn, f.export_ns + 100 * SEC), WR_OK);
    while (wr_conn_drain(k->conn, WR_TABLE_DEVICE_NETWORK_EVENTS, k->out)) {
        copy_text(out, 64, k->out, WR_DNE_RemoteUrl, k->out->nrows - 1);
        cr_assert(wr_batch_reset(k->out));
    }
}

Test(names, the_far_end_is_called_what_was_asked_for)
{
    struct kit *k = kit_new(FLOWS);
    char url[64];
    answer(k, "10.0.0.1", "mail.example", "[\"alias.example.net\",\"203.0.113.1\"]", 0);
    answer(k, "10.0.0.2", "other.example", "[{\"rrname\":\"x\",\"rdata\":\"203.0.113.1\"}]", 0);
    save_and_load(k);
    url_of(k, flow_at(1, 1000), url);
    cr_expect_str_eq(url, "mail.example", "by its own question");
    struct wr_flow f = flow_at(2, 200000);
    f.src[3] = 3;
    url_of(k, f, url);
    cr_expect_str_eq(url, "other.example", "a client that did not ask: the newest");
    answer(k, "10.0.0.1", "cut.example", "type:  5 a.b;::ffff:203.0.113.9;2001:db8::9;", 400000);
    f = flow_at(3, 401000);
    f.dst[3] = 9;
    url_of(k, f, url);
    cr_expect_str_eq(url, "cut.example", "Windows' text");
    url_of(k, flow_at(4, 2 * 86400 * INT64_C(1000)), url);
    cr_expect_str_eq(url, "", "two days later nobody knows");
    cr_expect_eq(stats(k)->answers, 4);
    kit_free(k);
}

Test(names, an_event_without_a_name_takes_it_too)
{
    struct kit *k = kit_new((struct wr_conn_opts){.expect_endpoint = true});
    char url[64] = "";
    answer(k, "10.0.0.1", "mail.example", "203.0.113.1", 0);
    struct wr_batch *b = row_of(WR_TABLE_DEVICE_NETWORK_EVENTS);
    for (int again = 0; again < 2; again++) {
        if (again)
            b = row_of(WR_TABLE_DEVICE_NETWORK_EVENTS);
        wr_batch_set_i64(b, WR_DNE_Timestamp, 0, wr_ticks_of_unix_ns(T0 + SEC));
        put_text(b, WR_DNE_ActionType, "ConnectionSuccess");
        put_text(b, WR_DNE_LocalIP, "10.0.0.1");
        put_text(b, WR_DNE_RemoteIP, "203.0.113.1");
        put_text(b, WR_DNE_Protocol, "Tcp");
        wr_batch_set_i64(b, WR_DNE_LocalPort, 0, 40000);
        wr_batch_set_i64(b, WR_DNE_RemotePort, 0, 25);
        wr_batch_seal(b);
        cr_assert_eq(wr_conn_event(k->conn, b, 0, T0 + 2 * SEC), WR_OK);
        wr_batch_free(b);
    }
    cr_expect_eq(stats(k)->dup_record, 1, "the same event is known again");
    cr_assert_eq(wr_conn_drain(k->conn, WR_TABLE_DEVICE_NETWORK_EVENTS, k->out), 1);
    copy_text(url, 64, k->out, WR_DNE_RemoteUrl, 0);
    cr_expect_str_eq(url, "mail.example");
    kit_free(k);
}

Test(names, what_the_bound_gives_up_is_counted)
{
    struct kit *k = kit_new(FLOWS);
    char client[32];
    for (int i = 0; i < 40000; i++) {
        (void)snprintf(client, sizeof client, "10.1.%d.%d", i >> 8, i & 255);
        struct wr_batch *b = row_of(WR_TABLE_ASIM_DNS_ACTIVITY_LOGS);
        put_text(b, WR_DNS_SrcIpAddr, "10.0.0.1");
        put_text(b, WR_DNS_DnsQuery, "x.example");
        put_text(b, WR_DNS_DnsResponseName, client);
        learn(k, WR_TABLE_ASIM_DNS_ACTIVITY_LOGS, b, i);
    }
    cr_expect_eq(stats(k)->answers, 40000);
    cr_expect_eq(stats(k)->answers_dropped, 2 * 40000 - 65536);
    save_and_load(k);
    kit_free(k);
}
