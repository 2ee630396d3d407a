/* ASimNetworkSessionLogs: one row a connection, from its initiator's side. */
#include "conn_kit.h"

#include "parsers/flow/nat.h"

#define COL(name) WR_NETSESSION_##name

enum { NOTES = 64 };

/* Sessions as rules see them after all amendments so far, by row id. */
struct session {
    int64_t id, time, end, duration, bytes[3], packets[3]; /* Src, Dst, both */
    int amends;
    char label[32];
    char src[46], dst[46], host[64], dst_host[64], user[64], process[32], dvc[64], type[32],
        direction[16], result[16], action[16];
    char nat[2][46], icmp[4];
    int64_t sport, dport, nat_port[2], icmp_code;
    int tcp; /* S, A, F, R, P, U as bits 0 to 5; -1: null */
};

struct book {
    struct wr_conn *conn;
    struct wr_batch *out;
    struct session at[NOTES];
    uint32_t n;
};

static struct wr_colset session_cols(void)
{
    return wr_colset_all(wr_schema_of(WR_TABLE_ASIM_NETWORK_SESSION_LOGS));
}

static struct book *book_new(struct wr_conn_opts opts, struct kit *k)
{
    struct book *b = calloc(1, sizeof *b);
    struct wr_colset cols = session_cols();
    opts.sessions = cols;
    struct kit *made = kit_new(opts);
    *k = *made;
    free(made);
    b->conn = k->conn;
    b->out = wr_batch_new(wr_schema_of(WR_TABLE_ASIM_NETWORK_SESSION_LOGS), &cols, 3);
    cr_assert(b->out);
    return b;
}

static void book_free(struct book *b, struct kit *k)
{
    wr_batch_free(b->out);
    wr_conn_free(k->conn);
    wr_batch_free(k->out);
    free(b);
}

static void read_figures(const struct wr_batch *b, uint32_t r, struct session *s)
{
    static const uint16_t bytes[] = {COL(SrcBytes), COL(DstBytes), COL(NetworkBytes)};
    static const uint16_t packets[] = {COL(SrcPackets), COL(DstPackets), COL(NetworkPackets)};
    for (int i = 0; i < 3; i++) {
        s->bytes[i] = number(b, bytes[i], r);
        s->packets[i] = number(b, packets[i], r);
    }
    copy_text(s->label, sizeof s->label, b, COL(NetworkApplicationProtocol), r);
    s->end = number(b, COL(EventEndTime), r);
    s->duration = number(b, COL(NetworkDuration), r);
}

static void expect_previous(const struct wr_batch *b, uint32_t r, const struct session *s)
{
    static const uint16_t bytes[] = {COL(_PrevSrcBytes), COL(_PrevDstBytes),
                                     COL(_PrevNetworkBytes)};
    static const uint16_t packets[] = {COL(_PrevSrcPackets), COL(_PrevDstPackets),
                                       COL(_PrevNetworkPackets)};
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(number(b, bytes[i], r), s->bytes[i]);
        cr_assert_eq(number(b, packets[i], r), s->packets[i]);
    }
    cr_assert_eq(number(b, COL(_PrevNetworkDuration), r), s->duration);
}

static void take(struct book *book, const struct wr_batch *b, uint32_t r)
{
    struct session s = {.id = number(b, COL(_RowId), r)}, *old = NULL;
    for (uint32_t i = 0; i < book->n; i++)
        if (book->at[i].id == s.id)
            old = &book->at[i];
    s.time = number(b, COL(TimeGenerated), r);
    s.sport = number(b, COL(SrcPortNumber), r);
    s.dport = number(b, COL(DstPortNumber), r);
    static const uint16_t flags[] = {COL(TcpFlagsSyn), COL(TcpFlagsAck), COL(TcpFlagsFin),
                                     COL(TcpFlagsRst), COL(TcpFlagsPsh), COL(TcpFlagsUrg)};
    for (int i = 0; i < 6; i++)
        s.tcp = number(b, flags[i], r) < 0 ? -1 : s.tcp | (int)number(b, flags[i], r) << i;
    copy_text(s.nat[0], sizeof s.nat[0], b, COL(SrcNatIpAddr), r);
    copy_text(s.nat[1], sizeof s.nat[1], b, COL(DstNatIpAddr), r);
    copy_text(s.icmp, sizeof s.icmp, b, COL(NetworkIcmpType), r);
    s.nat_port[0] = number(b, COL(SrcNatPortNumber), r);
    s.nat_port[1] = number(b, COL(DstNatPortNumber), r);
    s.icmp_code = number(b, COL(NetworkIcmpCode), r);
    copy_text(s.src, sizeof s.src, b, COL(SrcIpAddr), r);
    copy_text(s.dst, sizeof s.dst, b, COL(DstIpAddr), r);
    copy_text(s.host, sizeof s.host, b, COL(SrcHostname), r);
    copy_text(s.dst_host, sizeof s.dst_host, b, COL(DstHostname), r);
    copy_text(s.user, sizeof s.user, b, COL(SrcUsername), r);
    copy_text(s.process, sizeof s.process, b, COL(SrcProcessName), r);
    copy_text(s.dvc, sizeof s.dvc, b, COL(Dvc), r);
    copy_text(s.type, sizeof s.type, b, COL(EventType), r);
    copy_text(s.direction, sizeof s.direction, b, COL(NetworkDirection), r);
    copy_text(s.result, sizeof s.result, b, COL(EventResult), r);
    copy_text(s.action, sizeof s.action, b, COL(DvcAction), r);
    cr_assert_eq((b->col[COL(_Amend)].i[r] != 0), (old != NULL),
                 "an insert is first, and comes once");
    cr_assert_eq(number(b, COL(EventStartTime), r), s.time);
    if (!old) {
        cr_assert_lt(book->n, NOTES);
        read_figures(b, r, &s);
        book->at[book->n++] = s;
        return;
    }
    expect_previous(b, r, old);
    struct session now = *old;
    read_figures(b, r, &now);
    cr_assert(memcmp(&now, old, sizeof now) != 0, "an amendment changes something");
    now.amends++;
    *old = now;
    read_figures(b, r, &s);
    s.amends = now.amends;
    cr_assert_arr_eq(&s, old, sizeof s, "keys and time never change");
}

static void read_book(struct book *b)
{
    while (wr_conn_drain(b->conn, WR_TABLE_ASIM_NETWORK_SESSION_LOGS, b->out) > 0) {
        for (uint32_t r = 0; r < b->out->nrows; r++)
            take(b, b->out, r);
        cr_assert(wr_batch_reset(b->out));
    }
}

Test(session, a_flow_is_a_session_of_its_initiator)
{
    struct kit k;
    struct book *b = book_new((struct wr_conn_opts){0}, &k);
    struct wr_flow up = flow(true, 0, 1000, ALL, 500), down = flow(false, 5, 1500, ALL, 900);
    static const uint8_t exporter[16] = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 9};
    memcpy(up.exporter, exporter, 16);
    memcpy(down.exporter, exporter, 16);
    kit_flow(&k, down);
    kit_flow(&k, up);
    read_book(b);
    cr_assert_eq(b->n, 1);
    const struct session *s = &b->at[0];
    cr_expect_str_eq(s->src, "10.0.0.1");
    cr_expect_str_eq(s->dst, "203.0.113.1");
    cr_expect_eq(s->sport, 40000);
    cr_expect_eq(s->dport, 25);
    cr_expect_eq(s->bytes[0], 500);
    cr_expect_eq(s->bytes[1], 900);
    cr_expect_eq(s->bytes[2], 1400);
    cr_expect_eq(s->packets[0], 6);
    cr_expect_eq(s->packets[1], 10);
    cr_expect_eq(s->packets[2], 16);
    cr_expect_eq(s->time, wr_ticks_of_unix_ns(T0));
    cr_expect_eq(s->end, wr_ticks_of_unix_ns(T0 + 1500 * MS));
    cr_expect_eq(s->duration, 1500);
    cr_expect_str_eq(s->host, "10.0.0.1");
    cr_expect_str_eq(s->dst_host, "203.0.113.1");
    cr_expect_str_eq(s->dvc, "192.0.2.9");
    cr_expect_str_eq(s->type, "NetworkSession");
    cr_expect_str_eq(s->direction, "Outbound");
    cr_expect_str_eq(s->result, "Success");
    cr_expect_str_eq(s->action, "Allow");
    book_free(b, &k);
}

Test(session, what_no_record_tells_is_null_and_later_amended)
{
    struct kit k;
    struct book *b = book_new((struct wr_conn_opts){.pair_ns = SEC}, &k);
    kit_flow(&k, flow(true, 0, 1000, ALL, 500));
    kit_advance(&k, 3000);
    read_book(b);
    cr_assert_eq(b->n, 1);
    cr_expect_eq(b->at[0].bytes[0], 500);
    cr_expect_eq(b->at[0].bytes[1], -1);
    cr_expect_eq(b->at[0].bytes[2], -1, "the sum of a known and an unknown is unknown");
    cr_expect_eq(b->at[0].packets[1], -1);
    struct wr_flow late = flow(false, 2, 4000, ALL, 70);
    kit_flow(&k, late);
    read_book(b);
    cr_assert_eq(b->n, 1);
    cr_expect_eq(b->at[0].amends, 1);
    cr_expect_eq(b->at[0].bytes[1], 70);
    cr_expect_eq(b->at[0].bytes[2], 570);
    cr_expect_eq(b->at[0].duration, 4000);
    kit_flow(&k, late);
    read_book(b);
    cr_expect_eq(b->at[0].amends, 1, "the same record again changes nothing");
    book_free(b, &k);
}

Test(session, an_event_names_its_end_and_the_flow_adds_bytes)
{
    struct kit k;
    struct book *b = book_new((struct wr_conn_opts){.expect_endpoint = true}, &k);
    kit_event(&k, opened(0, "python.exe"), 10);
    read_book(b);
    cr_assert_eq(b->n, 1);
    cr_expect_eq(b->at[0].bytes[0], -1);
    cr_expect_eq(b->at[0].duration, -1);
    kit_flow(&k, biflow(20, 2000, ALL, 1000, 300));
    read_book(b);
    cr_assert_eq(b->n, 1);
    const struct session *s = &b->at[0];
    cr_expect_str_eq(s->host, "ws1");
    cr_expect_str_eq(s->process, "python.exe");
    cr_expect_str_eq(s->dvc, "ws1");
    cr_expect_str_eq(s->type, "EndpointNetworkSession");
    cr_expect_eq(s->bytes[0], 1000);
    cr_expect_eq(s->bytes[1], 300);
    cr_expect_eq(s->duration, 2000);
    cr_expect_eq(k.n, 1, "and one row of DeviceNetworkEvents");
    book_free(b, &k);
}

Test(session, tcp_flags_are_those_known_when_it_was_made)
{
    struct kit k;
    struct book *b = book_new((struct wr_conn_opts){.expect_endpoint = true}, &k);
    kit_event(&k, opened(0, "python.exe"), 10); /* before any record: null */
    struct wr_flow f = biflow(0, 100, SYN | ACK | PSH, 500, 900);
    kit_flow(&k, f);
    read_book(b);
    cr_assert_eq(b->n, 1);
    cr_expect_eq(b->at[0].tcp, -1);
    f.sport = 40001;
    kit_flow(&k, f);
    kit_advance(&k, 700000);
    f.tcp_flags = ACK | FIN;
    f.start_ns += SEC;
    kit_flow(&k, f);
    read_book(b);
    cr_assert_eq(b->n, 2);
    cr_expect_eq(b->at[1].tcp, 1 | 2 | 16);
    book_free(b, &k);
}

Test(session, who_accepts_is_the_destination)
{
    struct kit k;
    struct book *b = book_new((struct wr_conn_opts){.expect_endpoint = true}, &k);
    struct event e = {
        "InboundConnectionAccepted", "203.0.113.1", "10.0.0.1", "postfix", 25, 40000, 0, 0};
    kit_event(&k, e, 10);
    read_book(b);
    cr_assert_eq(b->n, 1);
    cr_expect_str_eq(b->at[0].src, "10.0.0.1");
    cr_expect_eq(b->at[0].dport, 25);
    cr_expect_str_eq(b->at[0].dst_host, "ws1");
    cr_expect_str_eq(b->at[0].host, "10.0.0.1");
    cr_expect_str_eq(b->at[0].process, "", "the program that accepts is not the source's");
    book_free(b, &k);
}

Test(session, two_endpoints_on_one_connection_are_one_session)
{
    struct event in = {
        "InboundConnectionAccepted", "203.0.113.1", "10.0.0.1", "postfix", 25, 40000, 30, 0};
    for (int final = 0; final < 2; final++) {
        struct kit k;
        struct book *b =
            book_new((struct wr_conn_opts){.final_only = final, .expect_endpoint = true}, &k);
        kit_event(&k, opened(0, "swaks"), 10);
        kit_event(&k, in, 40);
        kit_flow(&k, biflow(0, 2000, ALL, 1000, 300));
        kit_flush(&k);
        read_book(b);
        cr_assert_eq(b->n, 1);
        cr_expect_eq(k.n, 2, "each endpoint has its own row of DeviceNetworkEvents");
        cr_expect_eq(b->at[0].bytes[2], 1300);
        cr_expect_str_eq(b->at[0].process, "swaks");
        cr_expect_str_eq(b->at[0].host, "ws1");
        cr_expect_str_eq(b->at[0].dst_host, final ? "ws1" : "203.0.113.1",
                         "what came after the row is no part of it");
        book_free(b, &k);
    }
}

Test(session, a_request_of_the_other_end_makes_no_second_session)
{
    struct event request = {"ConnectionRequest", "203.0.113.1", "10.0.0.1", "postfix", 25, 40000, 30, 0};
    struct kit k;
    struct book *b = book_new((struct wr_conn_opts){.expect_endpoint = true}, &k);
    kit_event(&k, opened(0, "swaks"), 10);
    kit_event(&k, request, 40);
    kit_flow(&k, biflow(0, 2000, ALL, 1000, 300));
    kit_flush(&k);
    read_book(b);
    cr_assert_eq(b->n, 1);
    cr_expect_eq(k.n, 2, "each endpoint has its own row of DeviceNetworkEvents");
    cr_expect_eq(b->at[0].bytes[2], 1300);
    book_free(b, &k);
}

Test(session, denied_and_failed_and_unanswered)
{
    struct kit k;
    struct book *b = book_new((struct wr_conn_opts){0}, &k);
    struct wr_flow denied = flow(true, 0, 0, 0, 0), failed = flow(true, 0, 0, SYN, 60),
                   udp = flow(true, 0, 0, 0, 60);
    denied.flags = WR_FLOW_DENIED;
    denied.packets[0] = 0;
    failed.sport = 40001;
    udp.sport = 40002;
    udp.proto = 17;
    kit_flow(&k, denied);
    kit_flow(&k, failed);
    kit_flow(&k, udp);
    kit_flush(&k);
    read_book(b);
    cr_assert_eq(b->n, 3);
    for (uint32_t i = 0; i < 3; i++) {
        const struct session *s = &b->at[i];
        bool is_denied = s->sport == 40000;
        cr_expect_str_eq(s->action, is_denied ? "Deny" : "Allow");
        cr_expect_str_eq(s->result, s->sport == 40002 ? "NA" : "Failure");
        cr_expect_eq(s->bytes[0], is_denied ? -1 : 60);
    }
    book_free(b, &k);
}

Test(session, alone_it_needs_no_other_rows)
{
    struct kit k;
    struct book *b = book_new(
        (struct wr_conn_opts){.sessions_only = true, .expect_endpoint = true, .hold_ns = SEC}, &k);
    kit_event(&k, opened(0, "python.exe"), 10);
    kit_flow(&k, biflow(0, 2000, ALL, 1000, 300));
    struct wr_flow other = biflow(0, 2000, ALL, 7, 8);
    other.sport = 40001;
    kit_flow(&k, other);
    kit_advance(&k, 10000);
    kit_event(&k,
              (struct event){"ConnectionSuccess", "10.0.0.1", "203.0.113.1", "late", 40001, 25, 0, 0},
              10000);
    read_book(b);
    cr_expect_eq(k.n, 0);
    cr_assert_eq(b->n, 2);
    cr_expect_str_eq(b->at[0].process, "python.exe");
    cr_expect_str_eq(b->at[1].process, "", "its event came after its row");
    cr_expect_eq(stats(&k)->late_bind, 1);
    cr_expect_eq(b->at[1].bytes[0], 7);
    book_free(b, &k);
}

Test(session, evicted_while_due_it_still_comes)
{
    struct kit k;
    struct book *b = book_new((struct wr_conn_opts){.max_connections = 2}, &k);
    for (uint16_t i = 0; i < 5; i++) {
        struct wr_flow f = biflow(0, 1000, ALL, 100, 200);
        f.sport = (uint16_t)(40000 + i);
        cr_assert_eq(wr_conn_flow(k.conn, &f, f.export_ns), WR_OK);
    }
    read_book(b);
    cr_expect_eq(b->n, 5);
    for (uint32_t i = 0; i < b->n; i++)
        cr_expect_eq(b->at[i].bytes[2], 300);
    book_free(b, &k);
}

Test(session, saved_and_loaded_it_goes_on)
{
    struct kit k;
    struct book *b = book_new((struct wr_conn_opts){.expect_endpoint = true}, &k);
    struct wr_buf saved = {0}, again = {0};
    kit_event(&k, opened(0, "python.exe"), 10);
    read_book(b);
    cr_assert_eq(wr_conn_flow(k.conn, &(struct wr_flow){0}, T0), WR_OK);
    kit_flow(&k, biflow(20, 2000, ALL, 1000, 300));
    wr_conn_save(k.conn, &saved);
    struct wr_conn_opts opts = k.opts;
    opts.sessions = session_cols();
    struct wr_conn *copy = wr_conn_new(&opts);
    cr_assert_eq(wr_conn_load(copy, saved.data, saved.len), WR_OK);
    wr_conn_save(copy, &again);
    cr_expect_eq(saved.len, again.len);
    cr_expect_arr_eq(saved.data, again.data, saved.len);
    b->conn = copy;
    read_book(b);
    cr_expect_eq(b->at[0].amends, 1);
    cr_expect_eq(b->at[0].bytes[0], 1000);
    /* under rules that read no sessions any more */
    struct wr_conn *none = wr_conn_new(&(struct wr_conn_opts){.wanted = kit_wanted()});
    cr_expect_eq(wr_conn_load(none, saved.data, saved.len), WR_OK);
    wr_conn_free(none);
    wr_conn_free(copy);
    wr_buf_fini(&saved);
    wr_buf_fini(&again);
    book_free(b, &k);
}

static void kit_who(struct kit *k, struct wr_flow f, enum wr_who_kind kind, const char *text)
{
    struct wr_buf list = {0};
    wr_who_add(&list, kind, text, (uint32_t)strlen(text));
    struct wr_who who = {.at = (const uint8_t *)list.data, .len = (uint32_t)list.len};
    cr_assert_eq(wr_conn_flow_who(k->conn, &f, who, f.export_ns), WR_OK);
    wr_buf_fini(&list);
    kit_drain(k);
}

Test(session, a_flow_that_names_process_and_user_tells_its_source)
{
    struct kit k;
    struct book *b = book_new((struct wr_conn_opts){0}, &k);
    kit_who(&k, flow(true, 0, 100, ALL, 10), WR_WHO_PROCESS, "evil.exe");
    kit_who(&k, flow(false, 0, 100, ALL, 20), WR_WHO_USER, "bob");
    read_book(b);
    cr_assert_eq(b->n, 1);
    cr_expect_str_eq(b->at[0].process, "evil.exe");
    cr_expect_str_eq(b->at[0].user, "bob");
    cr_expect_str_eq(b->at[0].type, "NetworkSession");
    book_free(b, &k);
}

Test(session, a_mail_protocol_is_the_label_whoever_said_it)
{
    struct kit k;
    struct book *b = book_new((struct wr_conn_opts){.expect_endpoint = true}, &k);
    struct wr_flow f = biflow(0, 100, ACK | PSH, 10, 20);
    kit_event(&k, opened(0, "python.exe"), 10);
    read_book(b);
    cr_expect_str_eq(b->at[0].label, "");
    kit_who(&k, f, WR_WHO_APPLICATION, "TLS");
    read_book(b);
    cr_expect_str_eq(b->at[0].label, "tls", "learned after the row, it is amended");
    f.start_ns += 200 * MS;
    f.end_ns += 200 * MS;
    kit_who(&k, f, WR_WHO_APPLICATION, "ssl,SMTP");
    read_book(b);
    cr_expect_str_eq(b->at[0].label, "smtp");
    f.start_ns += 200 * MS;
    f.end_ns += 200 * MS;
    kit_who(&k, f, WR_WHO_APPLICATION, "imap");
    read_book(b);
    cr_expect_str_eq(b->at[0].label, "smtp");
    cr_expect_eq(b->n, 1);
    book_free(b, &k);
}

static struct wr_flow icmp(bool up, int64_t at_ms, uint16_t type_code)
{
    struct wr_flow f = flow(up, at_ms, at_ms + 10, 0, 84);
    f.proto = 1;
    f.sport = 0;
    f.dport = type_code;
    return f;
}

Test(session, icmp_has_type_and_code_and_no_ports)
{
    static const struct {
        bool up;
        uint16_t first, second;
        const char *type;
        int64_t code;
    } cases[] = {{true, 8 << 8, 0, "8", 0}, {false, 0, 8 << 8, "8", 0}, {true, 3 << 8 | 13, 3 << 8 | 1, "3", 13}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct kit k;
        struct book *b = book_new((struct wr_conn_opts){0}, &k);
        kit_flow(&k, icmp(cases[i].up, 0, cases[i].first));
        kit_flow(&k, icmp(!cases[i].up, 5, cases[i].second));
        kit_advance(&k, 60000);
        read_book(b);
        kit_flow(&k, icmp(true, 20, 8 << 8)); /* what comes later changes counters only */
        kit_advance(&k, 90000);
        read_book(b);
        cr_assert_eq(b->n, 1, "case %zu", i);
        cr_expect_str_eq(b->at[0].icmp, cases[i].type, "case %zu: %s", i, b->at[0].icmp);
        cr_expect_eq(b->at[0].icmp_code, cases[i].code);
        cr_expect_eq(b->at[0].sport, -1);
        cr_expect_eq(b->at[0].dport, -1);
        cr_expect_eq(b->at[0].tcp, -1);
        book_free(b, &k);
    }
    struct kit k;
    struct book *b = book_new((struct wr_conn_opts){0}, &k);
    struct wr_flow none = icmp(true, 0, 0);
    none.flags |= WR_FLOW_NO_PORTS;
    kit_flow(&k, none);
    kit_advance(&k, 60000);
    read_book(b);
    cr_assert_eq(b->n, 1);
    cr_expect_str_eq(b->at[0].icmp, "");
    cr_expect_eq(b->at[0].icmp_code, -1);
    book_free(b, &k);
}

Test(session, icmp_of_an_endpoint_meets_its_flow)
{
    struct kit k;
    struct book *b = book_new((struct wr_conn_opts){.expect_endpoint = true}, &k);
    struct event e = opened(0, "ping");
    e.lport = e.rport = -1;
    kit_event(&k, e, 100);
    kit_flow(&k, icmp(true, 0, 8 << 8));
    kit_advance(&k, 1000000);
    read_book(b);
    cr_assert_eq(b->n, 1);
    cr_expect_str_eq(b->at[0].process, "ping");
    cr_expect_eq(b->at[0].bytes[0], 84);
    book_free(b, &k);
}

/* 10.0.0.1:40000 is 198.51.100.9:61000 outside; what the client calls 192.0.2.7:2525 is 203.0.113.1:25 behind. */
static void tell_nat(struct kit *k, int64_t at_ms)
{
    static const uint8_t client[16] = {10, 0, 0, 1}, called[16] = {192, 0, 2, 7};
    struct wr_flow f = {.proto = 6, .direction = 255, .point = 9, .sampling = 1, .sport = 40000, .dport = 2525};
    struct wr_nat nat = {.event = WR_NAT_CREATE, .port = {61000, 25}, .addr = {{198, 51, 100, 9}, {203, 0, 113, 1}}};
    struct wr_buf who = {0};
    memcpy(f.src, client, 16);
    memcpy(f.dst, called, 16);
    f.flags = WR_FLOW_NAT_EVENT;
    f.start_ns = f.end_ns = f.export_ns = T0 + at_ms * MS;
    wr_who_add(&who, WR_WHO_NAT, (const char *)&nat, sizeof nat);
    cr_assert_eq(wr_conn_flow_who(k->conn, &f, (struct wr_who){.at = (const uint8_t *)who.data, .len = (uint32_t)who.len},
                                  f.export_ns), WR_OK);
    wr_buf_fini(&who);
    kit_drain(k);
}

Test(session, the_other_sides_of_a_translation_are_columns)
{
    for (int late = 0; late < 3; late++) { /* told before the flow; before the row, which waits for an event; after the row */
        struct kit k;
        struct book *b = book_new((struct wr_conn_opts){.expect_endpoint = late == 1, .hold_ns = 20 * SEC}, &k);
        if (late == 0)
            tell_nat(&k, 0);
        kit_flow(&k, biflow(0, 100, ALL, 500, 900)); /* as it is inside: to its own server */
        if (late == 1)
            tell_nat(&k, 0);
        kit_advance(&k, 60000);
        read_book(b);
        if (late == 2)
            tell_nat(&k, 60000);
        struct wr_buf saved = {0};
        wr_conn_save(k.conn, &saved);
        cr_assert_eq(wr_conn_load(k.conn, saved.data, saved.len), WR_OK);
        wr_buf_fini(&saved);
        kit_flow(&k, biflow(60000, 60100, ALL & ~2, 500, 900)); /* an amendment: nothing but counters changes */
        kit_advance(&k, 120000);
        read_book(b);
        cr_assert_eq(b->n, 1);
        cr_expect_eq(b->at[0].amends, 1);
        cr_expect_str_eq(b->at[0].nat[0], late == 2 ? "" : "198.51.100.9", "%d: %s", late, b->at[0].nat[0]);
        cr_expect_eq(b->at[0].nat_port[0], late == 2 ? -1 : 61000);
        cr_expect_str_eq(b->at[0].nat[1], late == 2 ? "" : "192.0.2.7");
        cr_expect_eq(b->at[0].nat_port[1], late == 2 ? -1 : 2525);
        book_free(b, &k);
    }
}
