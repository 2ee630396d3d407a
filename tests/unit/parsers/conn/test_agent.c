/* What only the network saw: UnmanagedDevice, HiddenConnection, AgentSilent; and names that agents
 * give. */
#include "conn_kit.h"

#define HOUR INT64_C(3600000) /* ms */
#define OPTS ((struct wr_conn_opts){.expect_endpoint = true, .hold_ns = 60 * SEC, .one_sided = 7})

struct told {
    char table[20], local[46], device[32], confidence[8];
    int64_t connections, port, last, sent;
};

struct tale {
    struct told at[64];
    uint32_t n;
};

static void drain_told(struct kit *k, struct tale *tale)
{
    static const enum wr_table tables[] = {WR_TABLE_UNMANAGED_DEVICE, WR_TABLE_HIDDEN_CONNECTION,
                                           WR_TABLE_AGENT_SILENT};
    struct wr_colset all = wr_colset_all(wr_schema_of(WR_TABLE_HIDDEN_CONNECTION));
    for (int t = 0; t < 3; t++) {
        struct wr_batch *b = wr_batch_new(wr_schema_of(tables[t]), &all, 8);
        while (wr_conn_drain(k->conn, tables[t], b)) {
            for (uint32_t r = 0; r < b->nrows; r++) {
                cr_assert_lt(tale->n, 64);
                struct told *w = &tale->at[tale->n++];
                copy_text(w->table, sizeof w->table, b, WR_SIDE_Type, r);
                copy_text(w->local, sizeof w->local, b, WR_SIDE_LocalIP, r);
                copy_text(w->device, sizeof w->device, b, WR_SIDE_DeviceName, r);
                copy_text(w->confidence, sizeof w->confidence, b, WR_SIDE_Confidence, r);
                w->connections = number(b, WR_SIDE_Connections, r);
                w->port = number(b, WR_SIDE_LocalPort, r);
                w->last = number(b, WR_SIDE_LastAgentEvent, r);
                w->sent = number(b, WR_SIDE_SentBytes, r);
            }
            cr_assert(wr_batch_reset(b));
        }
        wr_batch_free(b);
    }
    kit_drain(k);
}

static struct wr_flow flow_at(uint8_t host, uint16_t sport, int64_t at_ms)
{
    struct wr_flow f = biflow(at_ms, at_ms + 100, ALL, 1000, 300);
    f.src[3] = host;
    f.sport = sport;
    return f;
}

static struct event event_at(uint16_t sport, int64_t at_ms)
{
    struct event e = opened(at_ms, "python.exe");
    e.lport = sport;
    return e;
}

/* Gives the flow, and lets its wait end. */
static void pass(struct kit *k, struct tale *tale, struct wr_flow f)
{
    kit_flow(k, f);
    cr_assert_eq(wr_conn_advance(k->conn, f.end_ns + 61 * SEC), WR_OK);
    drain_told(k, tale);
}

Test(agent, an_address_that_no_agent_speaks_for_is_told_once_a_day)
{
    struct kit *k = kit_new(OPTS);
    struct tale t = {0};
    kit_event(k, event_at(40000, 0), 10);
    pass(k, &t, flow_at(9, 40000, 1000));
    pass(k, &t, flow_at(9, 40001, 2000));
    cr_assert_eq(t.n, 1);
    cr_expect_str_eq(t.at[0].table, "UnmanagedDevice");
    cr_expect_str_eq(t.at[0].local, "10.0.0.9");
    cr_expect_str_eq(t.at[0].device, "10.0.0.9");
    cr_expect_str_eq(t.at[0].confidence, "low", "events have been seen for seconds only");
    cr_expect_eq(t.at[0].last, -1);
    cr_expect_eq(t.at[0].sent, 1000);
    pass(k, &t, flow_at(9, 40002, 25 * HOUR));
    pass(k, &t, flow_at(9, 40003, 26 * HOUR));
    cr_assert_eq(t.n, 2);
    cr_expect_str_eq(t.at[1].confidence, "high");
    cr_expect_eq(t.at[1].connections, 3);
    kit_free(k);
}

Test(agent, who_talks_to_a_server_from_outside_is_no_device_of_ours)
{
    struct kit *k = kit_new(OPTS);
    struct tale t = {0};
    kit_event(k, event_at(40000, 0), 10);
    struct wr_flow f = flow_at(9, 25, 1000); /* 203.0.113.1:50000 -> 10.0.0.9:25 */
    memcpy(f.dst, f.src, 4);
    memcpy(f.src, (uint8_t[4]){203, 0, 113, 1}, 4);
    f.sport = 50000;
    f.dport = 25;
    pass(k, &t, f);
    cr_expect_eq(t.n, 0);
    kit_free(k);
}

Test(agent, a_connection_that_a_present_agent_does_not_tell_is_hidden)
{
    static const char *const patterns[][2] = {{"db*", NULL}, {NULL, NULL}, {"db-*", "w*1"}}; /* the device is ws1 */
    for (int capped = 0; capped < 3; capped++) { /* not; it says so; the configuration does */
        struct wr_conn_opts opts = OPTS;
        opts.capped_devices = patterns[capped];
        opts.ncapped_devices = capped == 2 ? 2 : capped == 0;
        struct kit *k = kit_new(opts);
        struct tale t = {0};
        struct event e = event_at(40000, 0);
        e.report = capped == 1;
        kit_event(k, e, 10);
        pass(k, &t, flow_at(1, 40000, 0)); /* its own: explained */
        cr_expect_eq(t.n, 0);
        struct wr_flow f = flow_at(1, 40001, 70000);
        f.dport = 4444;
        pass(k, &t, f);
        cr_assert_eq(t.n, 1);
        cr_expect_str_eq(t.at[0].table, "HiddenConnection");
        cr_expect_str_eq(t.at[0].device, "ws1");
        cr_expect_str_eq(t.at[0].confidence, capped ? "low" : "high");
        cr_expect_eq(t.at[0].last, wr_ticks_of_unix_ns(T0));
        cr_expect_eq(t.at[0].port, 40001);
        pass(k, &t, flow_at(1, 40002, 140000)); /* as one that was told */
        cr_expect_eq(t.n, capped ? 1 : 2, "what a capping sensor told before explains it");
        kit_free(k);
    }
}

Test(agent, an_event_within_the_wait_explains)
{
    struct kit *k = kit_new(OPTS);
    struct tale t = {0};
    kit_event(k, event_at(40000, 0), 10);
    kit_flow(k, flow_at(1, 40001, 1000));
    kit_event(k, event_at(40001, 1000), 50000);
    kit_advance(k, 200000);
    drain_told(k, &t);
    cr_expect_eq(t.n, 0);
    kit_free(k);
}

Test(agent, silence_is_told_once_and_again_after_a_word)
{
    struct kit *k = kit_new(OPTS);
    struct tale t = {0};
    kit_event(k, event_at(40000, 0), 10);
    pass(k, &t, flow_at(1, 40001, 2 * HOUR));
    struct wr_buf saved = {0};
    wr_conn_save(k->conn, &saved);
    cr_assert_eq(wr_conn_load(k->conn, saved.data, saved.len), WR_OK);
    wr_buf_fini(&saved);
    pass(k, &t, flow_at(1, 40002, 3 * HOUR));
    cr_assert_eq(t.n, 1);
    cr_expect_str_eq(t.at[0].table, "AgentSilent");
    cr_expect_str_eq(t.at[0].confidence, "high");
    cr_expect_str_eq(t.at[0].device, "ws1");
    kit_event(k, event_at(40003, 4 * HOUR), 4 * HOUR);
    pass(k, &t, flow_at(1, 40004, 6 * HOUR));
    cr_assert_eq(t.n, 2);
    cr_expect_str_eq(t.at[1].table, "AgentSilent");
    cr_expect_eq(t.at[1].connections, 1);
    kit_free(k);
}

Test(agent, nothing_is_told_where_no_agent_ever_spoke)
{
    struct kit *k = kit_new(OPTS);
    struct tale t = {0};
    pass(k, &t, flow_at(1, 40001, 0));
    cr_expect_eq(t.n, 0);
    kit_free(k);
}

Test(agent, at_the_end_of_files_all_is_known)
{
    struct wr_conn_opts opts = OPTS;
    opts.final_only = true;
    struct kit *k = kit_new(opts);
    struct tale t = {0};
    kit_flow(k, flow_at(1, 40001, 0));
    kit_flow(k, flow_at(9, 40000, 0));
    kit_event(k, event_at(40000, 1000), 1000);
    cr_assert_eq(wr_conn_flush(k->conn), WR_OK);
    drain_told(k, &t);
    cr_assert_eq(t.n, 2);
    cr_expect_str_eq(t.at[0].table, "UnmanagedDevice");
    cr_expect_str_eq(t.at[1].table, "HiddenConnection");
    kit_free(k);
}

Test(agent, its_name_stands_for_its_address_in_the_rows_of_flows)
{
    struct kit *k = kit_new(OPTS);
    struct tale t = {0};
    kit_event(k, event_at(40000, 0), 10);
    struct wr_flow f = flow_at(1, 40001, 1000);
    pass(k, &t, f);
    cr_assert_eq(k->n, 2);
    cr_expect_str_eq(k->row[1].device, "ws1");
    struct wr_buf saved = {0};
    wr_conn_save(k->conn, &saved);
    cr_assert_eq(wr_conn_load(k->conn, saved.data, saved.len), WR_OK);
    wr_buf_fini(&saved);
    f.start_ns += 200 * MS;
    f.end_ns += 200 * MS;
    f.tcp_flags = ACK;
    kit_flow(k, f); /* kit_take: an amendment has the same name */
    cr_expect_eq(k->row[1].sent, 2000);
    kit_free(k);
}
