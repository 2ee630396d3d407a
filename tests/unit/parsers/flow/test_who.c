/* Process, account, host and application of flow records, dialect by dialect. */
#include "message.h"

#include "base/str.h"
#include "parsers/flow/names.h"

static struct bench who_bench(void)
{
    struct bench b = bench_new();
    wr_flow_decoder_who(b.dec, UINT32_MAX & ~wr_who_bit(WR_WHO_FIELDS));
    return b;
}

static void send_file(struct bench *b, const char *name)
{
    struct bytes f = slurp(name);
    cr_assert(wr_flow_decode(b->dec, &b->peer, f.at, f.len, b->now_ns, &b->vec), "%s", name);
    free(f.at);
}

/* What flow `i` says of `kind`; "" for nothing. Valid until the next call. */
static const char *said(const struct bench *b, uint32_t i, enum wr_who_kind wanted)
{
    static char out[WR_WHO_MAX_FIELDS + 1];
    cr_assert_lt(i, b->vec.n, "no flow %u", i);
    struct wr_who who = wr_flow_who(&b->vec, &b->vec.at[i]);
    enum wr_who_kind kind;
    const char *text;
    uint32_t len;
    out[0] = 0;
    while (wr_who_next(&who, &kind, &text, &len)) {
        cr_assert(kind == WR_WHO_NAT || wr_utf8_valid(text, len));
        if (kind == wanted) {
            memcpy(out, text, len);
            out[len] = 0;
        }
    }
    return out;
}

static void text(struct message *m, const char *s)
{
    put(m, strlen(s), 1);
    for (; *s; s++)
        put(m, (uint8_t)*s, 1);
}

/* A string of a fixed length, filled up with NUL. */
static void fixed(struct message *m, const char *s, unsigned len)
{
    for (unsigned i = 0; i < len; i++)
        put(m, i < strlen(s) ? (uint8_t)s[i] : 0, 1);
}

#define NVM "ona-nvzflow/"
#define UDID "4ca7d9a79889dc4f18b4cd1b7e9f7e25d0c866a4"
Test(who, nvm_names_process_account_parent_and_device)
{
    struct bench b = who_bench();
    send_file(&b, NVM "template_message.ipfix");
    send_file(&b, NVM "data_message_262.ipfix");
    send_file(&b, NVM "data_message_267.ipfix");
    cr_assert_eq(b.vec.n, 1);
    cr_expect_str_eq(said(&b, 0, WR_WHO_DEVICE_NAME), "STATION-102010");
    cr_expect_str_eq(said(&b, 0, WR_WHO_DEVICE_ID), UDID);
    cr_expect_str_eq(said(&b, 0, WR_WHO_PROCESS), "svchost.exe");
    cr_expect_str_eq(said(&b, 0, WR_WHO_PROCESS_DOMAIN), "NT AUTHORITY");
    cr_expect_str_eq(said(&b, 0, WR_WHO_PROCESS_ACCOUNT), "NETWORK SERVICE");
    cr_expect_str_eq(said(&b, 0, WR_WHO_PROCESS_SHA256),
                     "740a46a0f5e0e8c933efd28c9901e54e42792619a8a3a6d11e1f0025a7324bc2");
    cr_expect_str_eq(said(&b, 0, WR_WHO_PARENT), "services.exe");
    cr_expect_str_eq(said(&b, 0, WR_WHO_USER_DOMAIN), "MYNVM");
    cr_expect_str_eq(said(&b, 0, WR_WHO_USER), "dummy11");
    cr_expect_str_eq(said(&b, 0, WR_WHO_URL), "", "Unknown is no host name");
    cr_expect_eq(b.vec.at[0].octets[0], 41);
    cr_expect_eq(b.vec.at[0].octets[1], 100);
    bench_end(&b);
}

Test(who, an_endpoint_that_moved_keeps_its_name_and_one_unknown_has_none)
{
    struct bench b = who_bench();
    send_file(&b, NVM "template_message.ipfix");
    send_file(&b, NVM "data_message_267.ipfix");
    cr_expect_str_eq(said(&b, 0, WR_WHO_DEVICE_NAME), "", "nobody has said it yet");
    cr_expect_str_eq(said(&b, 0, WR_WHO_DEVICE_ID), UDID);
    send_file(&b, NVM "data_message_262.ipfix");
    b.peer = peer_of(77, 9999); /* another network */
    send_file(&b, NVM "template_message.ipfix");
    send_file(&b, NVM "data_message_267.ipfix");
    cr_expect_str_eq(said(&b, 1, WR_WHO_DEVICE_NAME), "STATION-102010");
    bench_end(&b);
}

static struct bench bench_with(struct wr_flow_hosts *hosts)
{
    struct bench b = who_bench();
    wr_flow_decoder_free(b.dec);
    b.dec = wr_flow_decoder_new(&(struct wr_flow_decoder_opts){.hosts = hosts});
    cr_assert(b.dec);
    wr_flow_decoder_who(b.dec, UINT32_MAX);
    return b;
}

static const char *name_of_flow(struct bench *b)
{
    send_file(b, NVM "template_message.ipfix");
    send_file(b, NVM "data_message_267.ipfix");
    return said(b, 0, WR_WHO_DEVICE_NAME);
}

/* Two workers: the endpoint's own record came to one, its flows come to the other. */
Test(who, an_endpoint_told_to_one_decoder_names_the_flows_of_another)
{
    struct wr_flow_hosts *hosts = wr_flow_hosts_new(1 << 20);
    cr_assert(hosts);
    struct bench told = bench_with(hosts), flows = bench_with(hosts), loaded = bench_with(NULL), other = bench_with(NULL);
    send_file(&told, NVM "template_message.ipfix");
    send_file(&told, NVM "data_message_262.ipfix");
    cr_expect_str_eq(name_of_flow(&flows), "STATION-102010");

    struct wr_buf saved = {0}, own = {0};
    wr_flow_hosts_save(hosts, &saved);
    wr_flow_decoder_save(told.dec, &own);
    cr_assert_eq(wr_flow_decoder_load(loaded.dec, saved.data, saved.len), WR_OK);
    cr_assert_eq(wr_flow_decoder_load(other.dec, own.data, own.len), WR_OK);
    cr_expect_str_eq(name_of_flow(&loaded), "STATION-102010", "what was shared is known after a restart");
    cr_expect_str_eq(name_of_flow(&other), "", "it is saved once, not by each decoder");
    wr_buf_fini(&saved);
    wr_buf_fini(&own);
    bench_end(&told);
    bench_end(&flows);
    bench_end(&loaded);
    bench_end(&other);
    wr_flow_hosts_free(hosts);
}

Test(who, only_what_a_rule_can_see_is_gathered)
{
    struct bench b = bench_new();
    send_file(&b, NVM "template_message.ipfix");
    send_file(&b, NVM "data_message_267.ipfix");
    cr_expect_eq(b.vec.at[0].who, 0);
    cr_expect_eq(b.vec.who.len, 0);
    wr_flow_decoder_who(b.dec, wr_who_bit(WR_WHO_PARENT));
    send_file(&b, NVM "data_message_267.ipfix");
    cr_expect_str_eq(said(&b, 1, WR_WHO_PARENT), "services.exe");
    cr_expect_str_eq(said(&b, 1, WR_WHO_PROCESS), "");
    wr_flow_vec_reset(&b.vec);
    wr_flow_decoder_who(b.dec, wr_who_bit(WR_WHO_FIELDS));
    send_file(&b, NVM "data_message_267.ipfix");
    const char *fields = said(&b, 0, WR_WHO_FIELDS);
    cr_expect(strstr(fields, "{\"protocolIdentifier\":17,") == fields);
    cr_expect(strstr(fields, "\"nvzFlowModuleNameList\":[\"cryptsvc.dll\",\"dhcpcore.dll\""));
    bench_end(&b);
}

Test(who, asa_user_names)
{
    struct bench b = who_bench();
    struct message m;
    begin(&m, 9, 1, 0);
    TEMPLATE(&m, 260, FLOW_FIELDS, 40000, 20);
    set(&m, 260);
    add_flow(&m, 1, 2, 3, 25, 10);
    fixed(&m, "LOCAL\\alice", 20);
    add_flow(&m, 1, 2, 4, 25, 10);
    fixed(&m, "", 20);
    set_end(&m);
    cr_assert(bench_send(&b, &m));
    cr_expect_str_eq(said(&b, 0, WR_WHO_USER), "alice");
    cr_expect_str_eq(said(&b, 0, WR_WHO_USER_DOMAIN), "LOCAL");
    cr_expect_eq(b.vec.at[1].who, 0, "an empty name is none");
    bench_end(&b);
}

Test(who, palo_alto_app_and_user)
{
    struct bench b = who_bench();
    struct message m;
    begin(&m, 9, 1, 0);
    TEMPLATE(&m, 260, FLOW_FIELDS, 346, 4, 56701, 32, 56702, 64);
    set(&m, 260);
    add_flow(&m, 1, 2, 3, 25, 10);
    put(&m, 25461, 4);
    fixed(&m, "smtp-base", 32);
    fixed(&m, "corp\\bob", 64);
    set_end(&m);
    cr_assert(bench_send(&b, &m));
    cr_expect_str_eq(said(&b, 0, WR_WHO_APPLICATION), "smtp-base");
    cr_expect_str_eq(said(&b, 0, WR_WHO_USER), "bob");
    begin(&m, 10, 1, 0);
    TEMPLATE(&m, 260, FLOW_FIELDS, VENDOR(25461, 56701 & 0x7fff), 65535);
    set(&m, 260);
    add_flow(&m, 1, 2, 3, 25, 10);
    text(&m, "x");
    set_end(&m);
    cr_expect(bench_send(&b, &m));
    bench_end(&b);
}

Test(who, nprobe_process_in_both_number_spaces)
{
    struct bench b = who_bench();
    struct message m;
    begin(&m, 9, 1, 0);
    TEMPLATE(&m, 260, FLOW_FIELDS, 57472 + 169, 16, 57472 + 372, 16, 57472 + 168, 4);
    set(&m, 260);
    add_flow(&m, 1, 2, 3, 25, 10);
    fixed(&m, "/usr/bin/curl", 16);
    fixed(&m, "carol", 16);
    put(&m, 4711, 4);
    set_end(&m);
    cr_assert(bench_send(&b, &m));
    begin(&m, 10, 1, 0);
    TEMPLATE(&m, 261, FLOW_FIELDS, VENDOR(35632, 169), 65535, VENDOR(35632, 374), 65535);
    set(&m, 261);
    add_flow(&m, 1, 2, 3, 25, 10);
    text(&m, "C:\\Tools\\nc.exe");
    text(&m, "cmd.exe");
    set_end(&m);
    cr_assert(bench_send(&b, &m));
    cr_expect_str_eq(said(&b, 0, WR_WHO_PROCESS), "curl");
    cr_expect_str_eq(said(&b, 0, WR_WHO_PROCESS_ACCOUNT), "carol");
    cr_expect_str_eq(said(&b, 0, WR_WHO_PROCESS_ID), "4711");
    cr_expect_str_eq(said(&b, 1, WR_WHO_PROCESS), "nc.exe");
    cr_expect_str_eq(said(&b, 1, WR_WHO_PARENT), "cmd.exe");
    bench_end(&b);
}

Test(who, nvm_in_version_9)
{
    struct bench b = who_bench();
    struct message m;
    begin(&m, 9, 1, 0);
    TEMPLATE(&m, 260, FLOW_FIELDS, 32768 + 12340, 16);
    set(&m, 260);
    add_flow(&m, 1, 2, 3, 25, 10);
    fixed(&m, "powershell.exe", 16);
    set_end(&m);
    cr_assert(bench_send(&b, &m));
    cr_expect_str_eq(said(&b, 0, WR_WHO_PROCESS), "powershell.exe");
    bench_end(&b);
}

Test(who, citrix_user_host_and_application)
{
    struct bench b = who_bench();
    struct message m;
    begin(&m, 10, 1, 0);
    TEMPLATE(&m, 260, FLOW_FIELDS, VENDOR(5951, 205), 65535, VENDOR(5951, 204), 65535, VENDOR(5951, 152), 65535);
    set(&m, 260);
    add_flow(&m, 1, 2, 3, 25, 10);
    text(&m, "dave");
    text(&m, "thin-17");
    text(&m, "Outlook");
    set_end(&m);
    cr_assert(bench_send(&b, &m));
    cr_expect_str_eq(said(&b, 0, WR_WHO_USER), "dave");
    cr_expect_str_eq(said(&b, 0, WR_WHO_DEVICE_NAME), "thin-17");
    cr_expect_str_eq(said(&b, 0, WR_WHO_APPLICATION), "Outlook");
    bench_end(&b);
}

/* Whom a client asks for: in TLS and QUIC (CESNET), in HTTP (Flowmon, IANA's 460 before it). */
Test(who, destination_hosts_of_cesnet_and_flowmon)
{
    static const struct {
        uint32_t field;
        const char *host;
    } told[] = {{VENDOR(8057, 808), "tls.example"}, {VENDOR(8057, 890), "quic.example"}, {VENDOR(39499, 1), "http.example"}};
    struct bench b = who_bench();
    struct message m;
    for (unsigned i = 0; i < 3; i++) {
        begin(&m, 10, i, 0);
        TEMPLATE(&m, (uint16_t)(260 + i), FLOW_FIELDS, told[i].field, 65535);
        set(&m, (uint16_t)(260 + i));
        add_flow(&m, 1, 2, 3, 443, 10);
        text(&m, told[i].host);
        set_end(&m);
        cr_assert(bench_send(&b, &m));
        cr_expect_str_eq(said(&b, i, WR_WHO_URL), told[i].host);
    }
    begin(&m, 10, 3, 0);
    TEMPLATE(&m, 270, FLOW_FIELDS, 460, 65535, VENDOR(39499, 1), 65535);
    set(&m, 270);
    add_flow(&m, 1, 2, 3, 80, 10);
    text(&m, "better.example"), text(&m, "other.example");
    set_end(&m);
    cr_assert(bench_send(&b, &m));
    cr_expect_str_eq(said(&b, 3, WR_WHO_URL), "better.example");
    bench_end(&b);
}

/* One options row: applicationId (13, 56), its name. */
static void app_row(struct message *m, unsigned id_len, uint64_t selector, const char *name)
{
    put(m, 0, 4);
    put(m, 13, 1);
    put(m, selector, id_len - 1);
    fixed(m, name, 24);
}

static void app_flow(struct message *m, unsigned id_len, uint64_t selector)
{
    begin(m, 9, 2, 5);
    TEMPLATE(m, (uint16_t)(300 + id_len), FLOW_FIELDS, 95, id_len);
    set(m, (uint16_t)(300 + id_len));
    add_flow(m, 1, 2, 3, 25, 10);
    put(m, 13, 1);
    put(m, selector, id_len - 1);
    set_end(m);
}

Test(who, applications_are_named_by_options_of_another_port_whatever_the_ids_width)
{
    struct bench b = who_bench();
    struct message m;
    app_flow(&m, 4, 56);
    cr_assert(bench_send(&b, &m));
    cr_expect_str_eq(said(&b, 0, WR_WHO_APPLICATION), "13..56", "not yet named");
    begin(&m, 9, 1, 5);
    OPTIONS(&m, 400, 1, 4, 95, 4, 96, 24);
    set(&m, 400);
    app_row(&m, 4, 56, "ms-office-365");
    app_row(&m, 4, 57, "smtp");
    set_end(&m);
    b.peer.port = 50001;
    cr_assert(bench_send(&b, &m));
    b.peer.port = 2055;
    cr_assert((app_flow(&m, 4, 56), bench_send(&b, &m)));
    cr_assert((app_flow(&m, 9, 57), bench_send(&b, &m)));
    cr_expect_str_eq(said(&b, 1, WR_WHO_APPLICATION), "ms-office-365");
    cr_expect_str_eq(said(&b, 2, WR_WHO_APPLICATION), "smtp");
    b.peer = peer_of(9, 2055); /* another exporter's numbers are its own */
    cr_assert((app_flow(&m, 4, 56), bench_send(&b, &m)));
    cr_expect_str_eq(said(&b, 3, WR_WHO_APPLICATION), "13..56");
    bench_end(&b);
}

Test(who, interfaces_and_vrfs_are_named_by_options)
{
    struct bench b = who_bench();
    struct message m;
    begin(&m, 10, 1, 0);
    OPTIONS(&m, 400, 10, 4, 82, 8);
    OPTIONS(&m, 401, 234, 4, 236, 8);
    set(&m, 400);
    put(&m, 7, 4);
    fixed(&m, "ge-0/0/7", 8);
    put(&m, 8, 4);
    fixed(&m, "wan", 8);
    set_end(&m);
    set(&m, 401);
    put(&m, 3, 4);
    fixed(&m, "tenant-a", 8);
    set_end(&m);
    TEMPLATE(&m, 260, FLOW_FIELDS, 10, 2, 14, 4, 234, 4);
    set(&m, 260);
    add_flow(&m, 1, 2, 3, 25, 10);
    put(&m, 7, 2);
    put(&m, 8, 4);
    put(&m, 3, 4);
    set_end(&m);
    cr_assert(bench_send(&b, &m));
    cr_expect_str_eq(said(&b, 0, WR_WHO_IN_INTERFACE), "ge-0/0/7");
    cr_expect_str_eq(said(&b, 0, WR_WHO_OUT_INTERFACE), "wan");
    cr_expect_str_eq(said(&b, 0, WR_WHO_IN_VRF), "tenant-a");
    bench_end(&b);
}

Test(who, text_that_is_not_utf8_is_repaired_and_long_text_cut)
{
    struct bench b = who_bench();
    struct message m;
    begin(&m, 10, 1, 0);
    TEMPLATE(&m, 260, FLOW_FIELDS, 371, 65535);
    set(&m, 260);
    add_flow(&m, 1, 2, 3, 25, 10);
    text(&m, "a\xff" "b");
    add_flow(&m, 1, 2, 4, 25, 10);
    put(&m, 255, 1);
    put(&m, 5000, 2);
    for (int i = 0; i < 5000; i++)
        put(&m, 'x', 1);
    set_end(&m);
    cr_assert(bench_send(&b, &m));
    cr_expect_str_eq(said(&b, 0, WR_WHO_USER), "a\xef\xbf\xbd" "b");
    cr_expect_eq(strlen(said(&b, 1, WR_WHO_USER)), WR_WHO_MAX_TEXT);
    bench_end(&b);
}

Test(who, names_are_bounded_and_the_oldest_goes)
{
    size_t used = 0;
    struct wr_budget budget = {.used = &used, .limit = 1 << 20};
    struct wr_names names = {.max = 100, .max_bytes = 1 << 20};
    for (uint64_t i = 0; i < 1000; i++) {
        struct wr_name_key key = wr_name_key_int(WR_NAME_INTERFACE, 1, i);
        cr_assert(wr_names_put(&names, &key, "name", 4, (int64_t)i, &budget));
        key = wr_name_key_int(WR_NAME_INTERFACE, 1, 0); /* told again and again: stays */
        cr_assert(wr_names_put(&names, &key, "first", 5, (int64_t)i, &budget));
    }
    cr_expect_eq(names.n, 100);
    struct wr_name_key key = wr_name_key_int(WR_NAME_INTERFACE, 1, 500);
    cr_expect_null(wr_names_find(&names, &key));
    key = wr_name_key_int(WR_NAME_INTERFACE, 1, 999);
    cr_expect_not_null(wr_names_find(&names, &key));
    key = wr_name_key_int(WR_NAME_INTERFACE, 2, 0); /* a domain that told nothing: what any told last */
    cr_assert_not_null(wr_names_find(&names, &key));
    cr_expect_eq(memcmp(wr_name_text(wr_names_find(&names, &key)), "first", 5), 0);
    budget.limit = used;
    key = wr_name_key_int(WR_NAME_VRF, 1, 1);
    cr_expect_not(wr_names_put(&names, &key, "a longer name than any before", 29, 0, &budget) && used > budget.limit);
    wr_names_fini(&names, &used);
    cr_expect_eq(used, 0);
}
