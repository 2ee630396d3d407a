/* Mappings as data: each that comes with weir, on a record written from the source's documented field names,
 * and what is said about faulty ones. All the records are one connection. */
#include "support.h"

struct want {
    const char *layout, *time, *device, *action, *local_ip, *local_port, *protocol, *sent, *received;
    const char *file, *pid, *account;
};

static char *slurp(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/tests/data/log/%s", WR_SOURCE_DIR, name);
    FILE *f = fopen(path, "rb");
    cr_assert(f, "%s", path);
    char *text = calloc(1, 65536);
    cr_assert(text && fread(text, 1, 65535, f) > 0);
    fclose(f);
    return text;
}

static void expect(const char *file, const struct want *w)
{
    struct fixture f = open_rows(false, 3);
    char *text = slurp(file);
    feed_alone(&f, text);
    free(text);
    cr_assert_eq(f.events->nrows, 1, "%s is not mapped", file);
    cr_expect_str_eq(wr_log_layout(f.log), w->layout);
    cr_expect_eq(wr_log_stats(f.log)->parsed_mapping, 1);
    EXPECT_CELL(f.events, WR_DNE_Timestamp, 0, w->time);
    EXPECT_CELL(f.events, WR_DNE_DeviceName, 0, w->device);
    EXPECT_CELL(f.events, WR_DNE_ActionType, 0, w->action);
    EXPECT_CELL(f.events, WR_DNE_LocalIP, 0, w->local_ip);
    EXPECT_CELL(f.events, WR_DNE_LocalPort, 0, w->local_port);
    EXPECT_CELL(f.events, WR_DNE_RemoteIP, 0, "203.0.113.25");
    EXPECT_CELL(f.events, WR_DNE_RemoteIPType, 0, "Public"); /* 203.0.113.0/24 documents */
    EXPECT_CELL(f.events, WR_DNE_RemotePort, 0, "587");
    EXPECT_CELL(f.events, WR_DNE_Protocol, 0, w->protocol);
    EXPECT_CELL(f.events, WR_DNE_SentBytes, 0, w->sent);
    EXPECT_CELL(f.events, WR_DNE_ReceivedBytes, 0, w->received);
    EXPECT_CELL(f.events, WR_DNE_InitiatingProcessFileName, 0, w->file);
    EXPECT_CELL(f.events, WR_DNE_InitiatingProcessId, 0, w->pid);
    EXPECT_CELL(f.events, WR_DNE_InitiatingProcessAccountName, 0, w->account);
    close_rows(&f);
}

#define MS "2023-11-14T22:13:20.1230000Z"
#define S "2023-11-14T22:13:20.0000000Z"

Test(mapping, osquery_socket_events)
{
    expect("osquery-socket.json", &(struct want){"osquery", S, "mail-ws-7", "ConnectionSuccess", "10.1.2.3",
                                                 "51514", "Tcp", "null", "null", "python3", "4242", ""});
}

Test(mapping, auditd_by_laurel_has_no_local_side)
{
    expect("laurel-connect.json", &(struct want){"auditd", MS, "mail-ws-7", "ConnectionRequest", "",
                                                 "null", "", "null", "null", "python3", "4242", "rkim"});
}

Test(mapping, an_accept_by_laurel_is_the_other_way_round)
{
    expect("laurel-accept.json", &(struct want){"auditd-accept", MS, "mail-ws-7", "InboundConnectionAccepted", "",
                                                "null", "", "null", "null", "nginx", "4242", "www-data"});
}

Test(mapping, falco_takes_the_ends_from_the_tuple)
{
    expect("falco-connect.json", &(struct want){"falco", MS, "mail-ws-7", "ConnectionRequest", "10.1.2.3",
                                                "51514", "Tcp", "null", "null", "python3", "4242", "rkim"});
}

Test(mapping, tetragon_tcp_connect)
{
    expect("tetragon-connect.json", &(struct want){"tetragon", MS, "mail-ws-7", "ConnectionRequest",
                                                   "10.1.2.3", "51514", "Tcp", "null", "null", "python3",
                                                   "4242", ""});
}

Test(mapping, zeek_conn_counts_bytes_of_ip)
{
    expect("zeek-conn.json", &(struct want){"zeek-conn", MS, "", "ConnectionSuccess", "10.1.2.3", "51514",
                                            "Tcp", "18432", "5120", "", "null", ""});
}

Test(mapping, suricata_eve_flow)
{
    expect("suricata-flow.json", &(struct want){"suricata-flow", MS, "", "ConnectionSuccess", "10.1.2.3",
                                                "51514", "Tcp", "18432", "5120", "", "null", ""});
}

Test(mapping, crowdstrike_network_connect)
{
    expect("crowdstrike-connect.json", &(struct want){"crowdstrike", MS, "", "ConnectionSuccess", "10.1.2.3",
                                                      "51514", "Tcp", "null", "null", "", "null", ""});
}

Test(mapping, sentinelone_ip_connect)
{
    expect("sentinelone-connect.json",
           &(struct want){"sentinelone", MS, "mail-ws-7", "ConnectionSuccess", "10.1.2.3", "51514", "Tcp",
                          "null", "null", "python.exe", "4242", "rkim"});
}

Test(mapping, ecs_network_without_a_process)
{
    expect("ecs-network.json", &(struct want){"ecs", MS, "mail-ws-7", "InboundConnectionAccepted", "10.1.2.3",
                                              "51514", "Tcp", "18432", "5120", "", "null", "rkim"});
}

Test(mapping, ocsf_network_activity)
{
    expect("ocsf-network.json", &(struct want){"ocsf", MS, "mail-ws-7", "ConnectionSuccess", "10.1.2.3",
                                               "51514", "Tcp", "18432", "5120", "python3", "4242", "rkim"});
}

static void expect_reason(struct fixture *f, const char *text, const char *reason)
{
    feed_alone(f, text);
    cr_assert_eq(f->lines->nrows, 1, "%s", text);
    EXPECT_CELL(f->lines, WR_SYSLOG_ParseError, 0, reason);
    EXPECT_CELL(f->lines, WR_SYSLOG_SyslogMessage, 0, text);
}

Test(mapping, what_no_mapping_takes_goes_to_syslog_with_its_reason)
{
    struct fixture f = open_rows(false, 3);
    expect_reason(&f, "{\"event_type\":\"dns\",\"src_ip\":\"10.1.2.3\",\"dest_ip\":\"192.0.2.1\"}",
                  "no_mapping");
    expect_reason(&f, "{\"class_uid\":4001,"
                  "\"src_endpoint\":{\"ip\":\"10.1.2.3\"},\"dst_endpoint\":{\"ip\":\"x\"},"
                      "\"time\":1}",
                  "missing_field");
    expect_reason(&f, "{\"event_type\":\"flow\",\"src_ip\":\"10.1.2.3\",\"dest_ip\":\"192.0.2.1\"}",
                  "missing_field");
    close_rows(&f);
}

Test(mapping, a_list_of_records_is_mapped_one_by_one)
{
    struct fixture f = open_rows(false, 3);
    feed_alone(&f, "[{\"event_type\":\"flow\",\"src_ip\":\"10.1.2.3\",\"dest_ip\":\"192.0.2.1\","
                   "\"timestamp\":\"2023-11-14T22:13:20.123000+0000\"},{\"event_type\":\"stats\"}]");
    cr_expect_eq(f.events->nrows, 1);
    cr_expect_eq(f.lines->nrows, 1);
    close_rows(&f);
}

/* ---- own mappings ---- */

static const char own[] = "name: acme\n"
                          "when: {product: [acme, acme2], src: \"*\"}\n"
                          "columns:\n"
                          "  Timestamp: {from: t, as: milliseconds}\n"
                          "  ActionType: {value: ConnectionSuccess}\n"
                          "  LocalIP: src\n"
                          "  RemoteIP: [missing, dst]\n"
                          "  SentBytes: out\n"
                          "  InitiatingProcessFileName: {from: exe, as: lower-basename}\n"
                          "  User: who\n"
                          "swap: {dir: in}\n";

Test(mapping, one_of_a_users_own)
{
    struct wr_diags diags;
    struct wr_mappings *m = wr_mappings_new();
    cr_assert(m && wr_diags_init(&diags));
    uint32_t before = wr_mappings_count(m);
    cr_assert_eq(before, 46);
    cr_assert_eq(wr_mappings_add(m, "acme.yaml", own, sizeof own - 1, &diags), WR_OK);
    cr_assert_eq(wr_mappings_count(m), before + 1);
    cr_expect(wr_mappings_uses(m, "acme", "missing", 7) && wr_mappings_uses(m, "acme", "product", 7));
    cr_expect(!wr_mappings_uses(m, "acme", "nothing", 7) && !wr_mappings_uses(m, "zeek-conn", "dir", 3));
    struct fixture f = open_rows(false, 3);
    wr_log_free(f.log);
    f.log = wr_log_new(&(struct wr_log_opts){.mappings = m});
    feed_alone(&f, "{\"product\":\"acme2\",\"t\":1000,\"src\":\"10.0.0.1\",\"dst\":\"192.0.2.1\","
                   "\"out\":\"7\",\"exe\":\"C:\\\\X\\\\Mail.EXE\",\"who\":\"CORP\\\\rkim\",\"dir\":\"in\"}");
    cr_assert_eq(f.events->nrows, 1);
    EXPECT_CELL(f.events, WR_DNE_Timestamp, 0, "1970-01-01T00:00:01.0000000Z");
    EXPECT_CELL(f.events, WR_DNE_ActionType, 0, "InboundConnectionAccepted");
    EXPECT_CELL(f.events, WR_DNE_LocalIP, 0, "192.0.2.1");
    EXPECT_CELL(f.events, WR_DNE_RemoteIP, 0, "10.0.0.1");
    EXPECT_CELL(f.events, WR_DNE_SentBytes, 0, "null");
    EXPECT_CELL(f.events, WR_DNE_ReceivedBytes, 0, "7");
    EXPECT_CELL(f.events, WR_DNE_InitiatingProcessFileName, 0, "mail.exe");
    EXPECT_CELL(f.events, WR_DNE_InitiatingProcessAccountDomain, 0, "CORP");
    EXPECT_CELL(f.events, WR_DNE_InitiatingProcessAccountName, 0, "rkim");
    close_rows(&f);
    wr_mappings_free(m);
    wr_diags_fini(&diags);
}

static void expect_error(const char *text, const char *message)
{
    struct wr_diags diags;
    struct wr_buf out = {0};
    struct wr_mappings *m = wr_mappings_new();
    cr_assert(m && wr_diags_init(&diags));
    uint32_t before = wr_mappings_count(m);
    cr_expect_eq(wr_mappings_add(m, "m.yaml", text, strlen(text), &diags), WR_EINVAL);
    cr_expect_eq(wr_mappings_count(m), before);
    wr_diags_print(&diags, &out);
    wr_buf_char(&out, '\0');
    cr_expect(strstr(out.data, message), "'%s' is not in:\n%s", message, out.data);
    wr_buf_fini(&out);
    wr_diags_fini(&diags);
    wr_mappings_free(m);
}

#define REST "  Timestamp: t\n  ActionType: {value: x}\n"

Test(mapping, faulty_ones_are_refused_with_place_and_hint)
{
    expect_error("name: a\nwhen: {b: c}\ncolumns:\n  RemoteIp: r\n" REST,
                 "m.yaml:4:3: error: DeviceNetworkEvents has no column 'RemoteIp'");
    expect_error("name: a\nwhen: {b: c}\ncolumns:\n  RemoteIp: r\n" REST, "did you mean 'RemoteIP'?");
    expect_error("name: a\nwhen: {b: c}\ncolumns:\n  RemoteIP: r\n"
                 "  DeviceName: {from: d, as: bsename}\n" REST,
                 "did you mean 'basename'?");
    expect_error("name: a\ncolumns:\n  RemoteIP: r\n" REST, "a mapping needs `when`");
    expect_error("when: {b: c}\ncolumns:\n  RemoteIP: r\n" REST, "a mapping needs `name`");
    expect_error("name: a\nwhen: {b: c}\ncolumns:\n  RemoteIP: r\n  ActionType: a\n", "no column Timestamp");
    expect_error("name: a\nwhen: {b: c}\ncolumns:\n" REST, "no column RemoteIP");
    expect_error("name: a\nwhen: {b: []}\ncolumns:\n  RemoteIP: r\n" REST, "never holds");
    expect_error("name: a\nwhen: {b: c}\ncolums: {}\n", "did you mean 'columns'?");
    expect_error("- a\n", "a mapping of `name`, `when` and `columns` is expected");
}

static void expect_warning(const char *text, const char *message)
{
    struct wr_diags diags;
    struct wr_buf out = {0};
    struct wr_mappings *m = wr_mappings_new();
    cr_assert(m && wr_diags_init(&diags));
    cr_expect_eq(wr_mappings_add(m, "m.yaml", text, strlen(text), &diags), WR_OK);
    cr_expect_eq(diags.nwarnings, message ? 1 : 0, "%s", text);
    wr_diags_print(&diags, &out);
    wr_buf_char(&out, '\0');
    cr_expect(!message || strstr(out.data, message), "'%s' is not in:\n%s", message, out.data);
    wr_buf_fini(&out);
    wr_diags_fini(&diags);
    wr_mappings_free(m);
}

#define HEAD "name: a\nwhen: {b: c}\ncolumns:\n  RemoteIP: r\n"

/* Each mistake that can be made in a column: refused, with its line. */
Test(mapping, what_a_column_cannot_be_is_refused)
{
    static const struct {
        const char *line, *message;
    } cases[] = {
        {"  RemotePort: {value: smtp}\n", "m.yaml:7:23: error: RemotePort is of type int, which 'smtp' is not"},
        {"  RemotePort: {from: p, else: 4294967296}\n", "m.yaml:7:31: error: RemotePort is of type int, which '4294967296' is not"},
        {"  SentBytes: {from: p, map: {few: some}}\n", "m.yaml:7:35: error: SentBytes is of type long, which 'some' is not"},
        {"  BytesEstimated: {value: perhaps}\n", "BytesEstimated is of type bool, which 'perhaps' is not"},
        {"  InitiatingProcessCreationTime: {value: yesterday}\n", "InitiatingProcessCreationTime is of type datetime, which 'yesterday' is not"},
        {"  RemotePort: {from: p, as: seconds}\n", "'seconds' does not fit RemotePort, which is of type int"},
        {"  DeviceName: {from: p, as: milliseconds}\n", "'milliseconds' does not fit DeviceName, which is of type string"},
        {"  RemotePort: {from: p, as: basename}\n", "'basename' does not fit RemotePort, which is of type int"},
        {"  DeviceName: {from: p, as: count}\n", "'count' does not fit DeviceName, which is of type string"},
        {"  DeviceName: {from: p, else: [x]}\n", "`else` is a text"},
        {"  DeviceName: {value: {x: y}}\n", "`value` is a text"},
        {"  DeviceName: {from: p, value: x}\n", "`value` is for a column without `from`"},
        {"  DeviceName: {value: x, else: y}\n", "`else` is for a column with `from`"},
        {"  DeviceName: {from: p, map: [x]}\n", "m.yaml:7:30: error:"},
        {"  DeviceName: {from: p, map: {x: [y]}}\n", "a value is expected here"},
        {"  DeviceName: {as: lower}\n", "a column needs `from` (a path) or `value` (a constant)"},
        {"  DeviceName: {form: p}\n", "did you mean 'from'?"},
        {"  DeviceName: {from: p, until: ab}\n", "`until` is one ASCII character"},
        {"  DeviceName: {from: p, take: 1}\n", "`take` needs `split`"},
        {"  DeviceName: {from: p, split: \",\", take: 1000}\n", "m.yaml:7:"},
        {"  DeviceName: a..b\n", "m.yaml:7:15: error: 'a..b' is no path"},
        {"  DeviceName: .a\n", "'.a' is no path"},
        {"  DeviceName: [a, b.]\n", "'b.' is no path"},
        {"  DeviceName: \n", "a path is expected here"},
        {"  DeviceName: {from: {a: b}}\n", "a path is expected here"},
        {"  DeviceName: [[a]]\n", "a path is expected here"},
        {"  DeviceName: d\n  DeviceName: e\n", "m.yaml:8:3: error: key 'DeviceName' is given twice (first on line 7)"},
        {"  TimeGenerated: t\n", "m.yaml:7:3: error: Timestamp is filled twice: by `Timestamp` on line 5, too"},
        {"  AccountName: a\n  InitiatingProcessAccountName: b\n", "m.yaml:8:3: error: InitiatingProcessAccountName is filled twice: by `AccountName` on line 7, too"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct wr_buf text = {0};
        wr_buf_str(&text, HEAD REST);
        wr_buf_str(&text, cases[i].line);
        wr_buf_char(&text, '\0');
        expect_error(text.data, cases[i].message);
        wr_buf_fini(&text);
    }
    expect_warning(HEAD REST "  RemotePort: {from: p, map: {smtp: 25}, else: 0}\n  BytesEstimated: {value: true}\n"
                   "  InitiatingProcessCreationTime: {from: s, as: seconds}\n  SentBytes: {value: -1}\n", NULL);
}

Test(mapping, other_keys_of_the_wrong_kind_are_refused)
{
    expect_error("name: [a]\nwhen: {b: c}\ncolumns:\n  RemoteIP: r\n" REST, "m.yaml:1:7: error:");
    expect_error("name: a\nwhen: b\ncolumns:\n  RemoteIP: r\n" REST, "m.yaml:2:7: error:");
    expect_error("name: a\nwhen: {b: {c: d}}\ncolumns:\n  RemoteIP: r\n" REST, "a value, a list of values or \"*\" is expected here");
    expect_error("name: a\nwhen: {b: c}\ncolumns: [RemoteIP]\n", "m.yaml:3:10: error:");
    expect_error("name: a\nwhen: {b: c}\n", "no column Timestamp");
    expect_error("name: a\nwhen: {b: c}\ntable: DeviceNetworkEvent\ncolumns:\n  RemoteIP: r\n" REST, "did you mean 'DeviceNetworkEvents'?");
    expect_error("name: a\nwhen: {b: c}\ntable: Flows\ncolumns:\n  RemoteIP: r\n" REST, "a mapping cannot fill a table 'Flows'");
    expect_error(HEAD REST "tuple: [a]\n", "a path is expected here");
    expect_error(HEAD REST "swap: yes\n", "m.yaml:7:7: error:");
    expect_error(HEAD REST "remember: {lookup: x, key: k}\n", "`remember` needs `lookup` (a name), `key` and `fields`");
    expect_error(HEAD REST "recall: {lookup: x, key: k, fields: f}\n", "m.yaml:7:");
    expect_error("name: a\nwhen: {b: c\n", "m.yaml:");
    expect_warning("name: a\nwhen: {b: c}\ncolumns:\n  RemoteIP: $.net.ip\n" REST, "m.yaml:4:13: warning: keys of a path are written with points between");
    expect_warning("name: a\nwhen: {b: c}\ncolumns:\n  RemoteIP: net[0].ip\n" REST, "keys of a path are written with points between");
}

#define COLUMNS "columns: {RemoteIP: r, Timestamp: t, ActionType: {value: x}}\n"

/* What is tried first takes everything: what stands before it is never asked. */
Test(mapping, one_that_gets_no_record_is_told_of)
{
    static const char never[] = "mapping 'a' gets no record: 'b', which stands behind it and so is tried first, takes all that it would";
    expect_warning("name: a\nwhen: {p: x}\n" COLUMNS "---\nname: b\nwhen: {p: x}\n" COLUMNS, never);
    expect_warning("name: a\nwhen: {p: x, q: y}\n" COLUMNS "---\nname: b\nwhen: {p: [w, x]}\n" COLUMNS, never);
    expect_warning("name: a\nwhen: {p: x}\n" COLUMNS "---\nname: b\nwhen: {p: \"*\"}\n" COLUMNS, never);
    expect_warning("name: a\nwhen: {p: [fw-1, fw-2]}\n" COLUMNS "---\nname: b\nwhen: {p: \"fw-*\"}\n" COLUMNS, never);
    expect_warning("name: a\nwhen: {p: x}\n" COLUMNS "---\nname: b\nwhen: {p: x, q: y}\n" COLUMNS, NULL);
    expect_warning("name: a\nwhen: {p: \"*\"}\n" COLUMNS "---\nname: b\nwhen: {p: x}\n" COLUMNS, NULL);
    expect_warning("name: a\nwhen: {p: [x, z]}\n" COLUMNS "---\nname: b\nwhen: {p: [x, y]}\n" COLUMNS, NULL);
    expect_warning("name: a\nwhen: {p|q: x}\n" COLUMNS "---\nname: b\nwhen: {p: x}\n" COLUMNS, NULL);
    expect_warning("name: a\nwhen: {p: x}\n" COLUMNS "---\nname: b\ntable: DeviceProcessEvents\nwhen: {p: x}\ncolumns: {Timestamp: t}\n", NULL);
    expect_warning("name: a\nwhen: {p: x}\n" COLUMNS "---\nname: a\nwhen: {q: x}\n" COLUMNS, "another mapping to DeviceNetworkEvents is called 'a', too");
    expect_warning("name: zeek-conn\nwhen: {id.orig_h: \"*\"}\n" COLUMNS, NULL); /* in place of weir's own */
}

Test(mapping, a_star_in_a_condition_stands_for_any_text_and_in_a_map_for_any_other_value)
{
    static const struct {
        const char *pattern, *text;
        bool holds;
    } cases[] = {{"a*", "abc", true},     {"a*", "a", true},       {"a*", "ba", false},    {"*c", "abc", true},     {"*c", "cb", false},
                 {"a*c", "abc", true},    {"a*c", "ac", true},     {"a*c", "a", false},    {"aa*aa", "aaa", false}, {"*:*->*:*", "a:1->b:2", true},
                 {"*:*->*:*", "/etc", false}, {"*b*", "abc", true}, {"*b*b", "ab", false}, {"*b*b", "abab", true},  {"**", "", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char yaml[512], line[256];
        struct wr_diags diags;
        struct wr_mappings *m = wr_mappings_new();
        cr_assert(m && wr_diags_init(&diags));
        snprintf(yaml, sizeof yaml,
                 "name: x\nwhen: {k: [none, \"%s\"]}\ncolumns:\n  Timestamp: t\n  RemoteIP: r\n"
                 "  ActionType: {from: a, map: {up: ConnectionSuccess, \"*\": ConnectionFailed}, else: ConnectionFound}\n",
                 cases[i].pattern);
        cr_assert_eq(wr_mappings_add(m, "x", yaml, strlen(yaml), &diags), WR_OK);
        struct fixture f = open_rows(false, 2);
        wr_log_free(f.log);
        f.log = wr_log_new(&(struct wr_log_opts){.mappings = m});
        static const char *const actions[][2] = {{"\"up\"", "ConnectionSuccess"}, {"7", "ConnectionFailed"}, {"null", "ConnectionFound"}};
        for (size_t a = 0; a < 3; a++) {
            snprintf(line, sizeof line, "{\"k\":\"%s\",\"t\":1700000000,\"r\":\"192.0.2.1\",\"a\":%s}", cases[i].text, actions[a][0]);
            feed_alone(&f, line);
            cr_expect_eq(f.events->nrows, cases[i].holds, "%s %s", cases[i].pattern, cases[i].text);
            if (f.events->nrows)
                EXPECT_CELL(f.events, WR_DNE_ActionType, 0, actions[a][1]);
        }
        close_rows(&f);
        wr_mappings_free(m);
        wr_diags_fini(&diags);
    }
}
