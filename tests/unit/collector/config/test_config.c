#include "collector/config/config.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct wr_config config;
static struct wr_diags diags;
static struct wr_buf printed;

static void setup(void)
{
    cr_assert(wr_config_init(&config));
    cr_assert(wr_diags_init(&diags));
}

static void teardown(void)
{
    wr_config_fini(&config);
    wr_diags_fini(&diags);
    wr_buf_fini(&printed);
}

TestSuite(config, .init = setup, .fini = teardown);

static enum wr_err load(const char *text)
{
    return wr_config_load(&config, "weir.yaml", text, strlen(text), &diags);
}

/* The messages as a person sees them. */
static const char *said(void)
{
    wr_buf_reset(&printed);
    wr_diags_print(&diags, &printed);
    wr_buf_char(&printed, '\0');
    return printed.data;
}

Test(config, without_a_file_every_default_listener_is_there)
{
    cr_assert_eq(config.nlisten, 6);
    cr_assert_eq(config.listen[0].kind, WR_LISTEN_FLOW_UDP);
    cr_assert_str_eq(config.listen[0].text, "2055");
    cr_assert(config.listen[0].any);
    cr_assert(config.http_on);
    cr_assert_eq(load(""), WR_OK);
    cr_assert_eq(config.nlisten, 6);
}

Test(config, reads_every_setting)
{
    cr_assert_eq(
        load("listen:\n"
             "  flow_udp: [\"127.0.0.1:9995\", 2056]\n"
             "  flow_tcp: off\n"
             "  syslog_udp: []\n"
             "http: 8080\n"
             "rules: [/etc/weir/rules, my.kql]\nmappings: /etc/weir/mappings\n"
             "state: /var/lib/w\nworkers: 3\nbatch_rows: 7\nmemory: 1 GiB\nreceive_buffer: 1MiB\n"
             "orphans: table\nendpoint: true\nendpoint_wait: 5m\nrealert: 2h\ncommit: 10ms\nsnapshot: "
             "30s\nsplit_exporters: yes\nnames: /etc/weir/hosts\ncapped: [auto, 'ws-*', db1]\n"
             "nat64: [2001:db8:64::/96, '2001:db8:100::/40']\n"
             "alerts:\n  stdout: false\n  files: a.jsonl\n  retention: 7d\n"
             "forward:\n  - host: siem\n    port: 24225\n    tls: true\n    ack_timeout: 5s\n  - host: "
             "other\n"),
        WR_OK, "%s", said());
    cr_assert_eq(config.nlisten, 3);
    cr_assert_eq(config.listen[0].kind, WR_LISTEN_SYSLOG_TCP);
    cr_assert_str_eq(config.listen[1].text, "127.0.0.1:9995");
    cr_assert_eq(config.nrules, 2);
    cr_assert_eq(config.nmapping_paths, 1);
    cr_assert_str_eq(config.mapping_paths[0], "/etc/weir/mappings");
    cr_assert_str_eq(config.state_dir, "/var/lib/w");
    cr_assert_eq(config.workers, 3);
    cr_assert(config.split_exporters);
    cr_assert_eq(config.batch_rows, 7);
    cr_assert_eq(config.memory_bytes, UINT64_C(1) << 30);
    cr_assert_eq(config.orphans, WR_CONFIG_ORPHANS_TABLE);
    cr_assert_str_eq(config.names, "/etc/weir/hosts");
    cr_assert_eq(config.capped, WR_CONFIG_CAPPED_AUTO);
    cr_assert_eq(config.ncapped_devices, 2);
    cr_assert_str_eq(config.capped_devices[0], "ws-*");
    cr_assert_eq(config.nnat64, 2);
    cr_assert_eq(config.nat64[0].bits, 96);
    cr_assert_eq(config.nat64[1].bits, 40);
    cr_assert_eq(config.nat64[1].addr[4], 1);
    cr_assert(config.endpoint);
    cr_assert_eq(config.endpoint_wait_ns, INT64_C(300000000000));
    cr_assert_eq(config.realert_ns, INT64_C(7200000000000));
    cr_assert_eq(config.commit_ns, INT64_C(10000000));
    cr_assert_not(config.stdout_alerts);
    cr_assert_eq(config.nfiles, 1);
    cr_assert_eq(config.nforward, 2);
    cr_assert_str_eq(config.forward[0].name, "siem:24225");
    cr_assert(config.forward[0].tls);
    cr_assert_eq(config.forward[0].ack_timeout_s, 5);
    cr_assert_eq(config.forward[1].port, 24224);
    cr_assert_str_eq(config.forward[1].tag, "weir.alert");
}

Test(config, unknown_key_names_its_place_and_the_nearest_known_one)
{
    cr_assert_eq(load("workers: 2\nlisten:\n  flow_upd: 2055\n"), WR_EINVAL);
    cr_assert_not_null(strstr(said(), "weir.yaml:3:3: error: "), "%s", said());
    cr_assert_not_null(strstr(said(), "did you mean 'flow_udp'?"), "%s", said());
}

struct wrong {
    const char *text, *place, *part;
};

Test(config, every_wrong_value_is_an_error_at_its_place)
{
    static const struct wrong cases[] = {
        {"workers: 0\n", "weir.yaml:1:", "workers"},
        {"workers: many\n", "weir.yaml:1:", "workers"},
        {"batch_rows: 65536\n", "weir.yaml:1:", "batch_rows"},
        {"orphans: sometimes\n", "weir.yaml:1:", "auto, events or table"},
        {"capped: {ws: 1}\n", "weir.yaml:1:", "a text or a list of texts"},
        {"capped: ['']\n", "weir.yaml:1:", "a pattern of devices' names"},
        {"nat64: 192.0.2.0/24\n", "weir.yaml:1:", "an IPv6 ADDRESS/BITS"},
        {"nat64: ['::ffff:192.0.2.0/120']\n", "weir.yaml:1:", "RFC 6052"},
        {"nat64: 2001:db8::1/96\n", "weir.yaml:1:", "without bits behind"},
        {"nat64: 2001:db8::/72\n", "weir.yaml:1:", "32, 40, 48, 56, 64 or 96 bits"},
        {"nat64: ['2001:db8:0:0:1ff::/96']\n", "weir.yaml:1:", "64 to 71 are zero"},
        {"realert: 10\n", "weir.yaml:1:", "realert"},
        {"memory: 1 elephant\n", "weir.yaml:1:", "memory"},
        {"listen:\n  flow_udp: 70000\n", "weir.yaml:2:", "port"},
        {"listen:\n  flow_udp: [2055, 2055]\n", "weir.yaml:2:", "another listener"},
        {"listen:\n  syslog_udp: 2055\n", "weir.yaml:2:", "another listener"},
        {"listen:\n  flow_udp: \"[::1:2055\"\n", "weir.yaml:2:", "']'"},
        {"listen:\n  flow_udp: \"host.example:2055\"\n", "weir.yaml:2:", "ADDRESS:PORT"},
        {"http: {}\n", "weir.yaml:1:", "off"},
        {"forward:\n  - port: 5\n", "weir.yaml:2:", "host"},
        {"forward:\n  - host: a\n  - host: a\n", "weir.yaml:3:", "two receivers"},
        {"forward:\n  - host: a\n    tls_ca: x\n", "weir.yaml:2:", "in clear"},
        {"forward:\n  - host: a\n    username: x\n", "weir.yaml:2:", "shared_key"},
        {"forward:\n  - host: a\n    shared_key_file: /nonexistent/key\n", "weir.yaml:3:", "cannot read"},
        {"forward:\n  - host: a\n    tls: true\n    tls_cert: x\n", "weir.yaml:2:", "go together"},
        {"- a\n", "weir.yaml:1:", "mapping"},
        {"workers: [\n", "weir.yaml:", "error"},
        {"workers: 1\n---\nworkers: 2\n", "weir.yaml:3:", "one YAML document"},
        {"alerts:\n  files: [a, a]\n", "weir.yaml:2:", "twice"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        teardown();
        setup();
        cr_assert_eq(load(cases[i].text), WR_EINVAL, "%s", cases[i].text);
        cr_assert_not_null(strstr(said(), cases[i].place), "%s says %s", cases[i].text, said());
        cr_assert_not_null(strstr(said(), cases[i].part), "%s says %s", cases[i].text, said());
    }
}

Test(config, listen_addresses)
{
    struct wr_listen l;
    cr_assert_null(wr_listen_parse(&l, "[::1]:2055", 0));
    cr_assert_eq(l.addr.ss_family, AF_INET6);
    cr_assert_not(l.any);
    cr_assert_null(wr_listen_parse(&l, "10.0.0.1:2055", 0));
    cr_assert_eq(l.addr.ss_family, AF_INET);
    cr_assert_null(wr_listen_parse(&l, "10.0.0.1", 8686));
    cr_assert_null(wr_listen_parse(&l, "::1", 8686));
    static const char *const bad[] = {
        "",          "0",          "65536",   "99999999999",
        ":",         ":5",         "1.2.3.4", "1.2.3.4:",
        "1.2.3.4:0", "1.2.3.4:5x", "[::1]",   "[::1]5",
        "[]:5",      "::1:2055x",  "a:b:c",   "1111111111111111111111111111111111111111111111111111111111:5"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_not_null(wr_listen_parse(&l, bad[i], 0), "'%s'", bad[i]);
}

Test(config, state_directory_from_the_environment)
{
    setenv("STATE_DIRECTORY", "/var/lib/one:/var/lib/two", 1);
    config.nrules = 1;
    config.rules[0] = "x";
    cr_assert_null(wr_config_settle(&config));
    cr_assert_str_eq(config.state_dir, "/var/lib/one");
    cr_assert_geq(config.workers, 1);
    cr_assert_leq(config.workers, 4);
}

/* The commented example must hold every setting with its default: without the comment marks it changes
 * nothing. */
Test(config, the_example_file_is_right_with_and_without_its_comment_marks)
{
    char path[4096], line[512];
    snprintf(path, sizeof path, "%s/deploy/weir.yaml", WR_SOURCE_DIR);
    FILE *f = fopen(path, "r");
    cr_assert_not_null(f);
    struct wr_buf bare = {0}, open = {0};
    while (fgets(line, sizeof line, f)) {
        wr_buf_str(&bare, line);
        wr_buf_str(&open, line[0] == '#' && (line[1] != ' ' || line[2] == ' ') ? line + 1 : line);
    }
    fclose(f);
    wr_buf_char(&bare, '\0');
    wr_buf_char(&open, '\0');
    cr_assert_eq(load(bare.data), WR_OK, "%s", said());
    struct wr_config before = config;
    cr_assert_eq(load(open.data), WR_OK, "%s", said());
    cr_assert_eq(config.nlisten, before.nlisten + 5, "those of TLS and files have no default");
    cr_assert_eq(config.memory_bytes, before.memory_bytes);
    cr_assert_eq(config.receive_buffer_bytes, before.receive_buffer_bytes);
    cr_assert_eq(config.max_connections, before.max_connections);
    cr_assert_eq(config.max_connections_per_peer, before.max_connections_per_peer);
    cr_assert_eq(config.batch_rows, before.batch_rows);
    cr_assert_eq(config.realert_ns, before.realert_ns);
    cr_assert_eq(config.endpoint_wait_ns, before.endpoint_wait_ns);
    cr_assert_eq(config.commit_ns, before.commit_ns);
    cr_assert_eq(config.snapshot_ns, before.snapshot_ns);
    cr_assert_eq(config.snapshot_log_bytes, before.snapshot_log_bytes);
    cr_assert_eq(config.retention_ns, before.retention_ns);
    cr_assert_eq(config.orphans, before.orphans);
    cr_assert_eq(config.endpoint, before.endpoint);
    cr_assert_eq(config.nforward, 1);
    wr_buf_fini(&bare);
    wr_buf_fini(&open);
}

Test(config, reads_files_that_grow)
{
    uint32_t before = config.nlisten;
    cr_assert_eq(load("files: [/var/log/a.log, \"/var/log/*/b.log\"]\nfiles_from: end\n"), WR_OK, "%s", said());
    cr_assert_eq(config.nlisten, before + 2);
    cr_assert_eq(config.listen[before + 1].kind, WR_LISTEN_FILES);
    cr_assert_str_eq(config.listen[before + 1].text, "/var/log/*/b.log");
    cr_assert(config.files_from_end);
    cr_assert_eq(load("files: /var/log/a.log\n"), WR_EINVAL);
    cr_assert(strstr(said(), "weir.yaml:1:8: error: this file is listed twice"), "%s", said());
    cr_assert_eq(load("files: log/x\n"), WR_EINVAL);
    cr_assert(strstr(said(), "whole path"), "%s", said());
    cr_assert_eq(load("files_from: middle\n"), WR_EINVAL);
    cr_assert_eq(load("files: off\n"), WR_OK);
}

Test(config, reads_the_sampling_of_exporters_that_do_not_tell_theirs)
{
    cr_assert_eq(load("sampling: {192.0.2.0/24: 1000, '2001:db8::1': 64}\n"), WR_OK, "%s", said());
    cr_assert_eq(config.nrates, 2);
    cr_assert(config.rates[0].rate == 1000 && config.rates[0].of.bits == 120 && config.rates[0].of.addr[12] == 192);
    cr_assert(config.rates[1].rate == 64 && config.rates[1].of.bits == 128);
    cr_assert_eq(load("sampling: {192.0.2.1/24: 10}\n"), WR_EINVAL);
    cr_assert(strstr(said(), "weir.yaml:1:12: error: sampling is of exporters"), "%s", said());
    cr_assert_eq(load("sampling: {192.0.2.0/24: 0}\n"), WR_EINVAL);
    cr_assert_eq(load("sampling: 1000\n"), WR_EINVAL);
}

Test(config, reads_the_exporters_that_always_have_room)
{
    cr_assert_eq(load("exporters: [192.0.2.0/24, 192.0.2.7, \"2001:db8::/33\", 0.0.0.0/0]\n"), WR_OK, "%s", said());
    cr_assert_eq(config.nexporters, 4);
    cr_expect_eq(config.exporters[0].bits, 96 + 24);
    cr_expect_eq(config.exporters[0].addr[11], 255);
    cr_expect_eq(config.exporters[1].bits, 128);
    cr_expect_eq(config.exporters[2].bits, 33);
    cr_expect_eq(config.exporters[2].addr[1], 1);
    cr_expect_eq(config.exporters[3].bits, 96);
    static const char *const wrong[] = {"192.0.2.1/24", "192.0.2.0/33", "2001:db8::/129", "router.example", "192.0.2.0/",
                                        "192.0.2.0/2x", "192.0.2.0/+4", "/24", "\"2001:db8::8/64\""};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[80];
        (void)snprintf(text, sizeof text, "exporters: %s\n", wrong[i]);
        cr_expect_eq(load(text), WR_EINVAL, "%s", wrong[i]);
        cr_expect(strstr(said(), "weir.yaml:1:12: error: an exporter is ADDRESS"), "%s: %s", wrong[i], said());
    }
}

Test(config, reads_the_collectors_that_flows_are_sent_on_to)
{
    cr_assert_eq(load("tee: [\"192.0.2.1:9995\", \"[2001:db8::1]:2055\", \"[::ffff:192.0.2.2]:9995\"]\n"), WR_OK);
    cr_assert_eq(config.ntee, 3);
    cr_assert_eq(config.tee[0].addr.ss_family, AF_INET);
    cr_assert_eq(config.tee[1].addr.ss_family, AF_INET6);
    cr_assert_eq(config.tee[2].addr.ss_family, AF_INET);
    cr_assert_eq(load("tee: \"192.0.2.1:9995\"\n"), WR_EINVAL);
    cr_assert(strstr(said(), "weir.yaml:1:6: error: this collector is listed twice"), "%s", said());
    cr_assert_eq(load("tee: 9995\n"), WR_EINVAL);
    cr_assert(strstr(said(), "ADDRESS:PORT"), "%s", said());
    cr_assert_eq(load("tee: old.example:9995\n"), WR_EINVAL);
    cr_assert_eq(load("tee: off\n"), WR_OK);
    cr_assert_eq(config.ntee, 3);
}
