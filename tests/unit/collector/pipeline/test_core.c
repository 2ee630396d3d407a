/* The owner's state alone: a fold over inputs, without loop, log or store. */
#include "collector/pipeline/core.h"

#include "collector/pipeline/block.h"
#include "collector/pipeline/owner_internal.h"

#include "base/buf.h"
#include "base/ticks.h"

#include <criterion/criterion.h>
#include <string.h>

static const int64_t T0 = INT64_C(1767600000000000000), SECOND = 1000000000;

static const char RULE[] = "// id: servers\n"
                           "DeviceNetworkEvents\n"
                           "| where Timestamp > ago(1h)\n"
                           "| where RemotePort == 25\n"
                           "| summarize Servers = dcount(RemoteIP) by LocalIP\n"
                           "| where Servers >= 3\n";

static struct wr_ruleset *rules_of(const char *text)
{
    struct wr_diags diags;
    struct wr_ruleset *rules = wr_ruleset_new();
    cr_assert(wr_diags_init(&diags));
    cr_assert_eq(wr_ruleset_add(rules, "servers.kql", text, strlen(text), &diags), WR_OK);
    wr_diags_fini(&diags);
    return rules;
}

static struct wr_core_opts opts_of(void)
{
    return (struct wr_core_opts){.batch_rows = 4,
                                 .memory_bytes = 64 << 20,
                                 .orphans = WR_ORPHANS_EVENTS,
                                 .hold_ns = 600 * SECOND,
                                 .realert_ns = 3600 * SECOND};
}

static struct wr_core *core_of(const char *text)
{
    struct wr_ruleset *rules = rules_of(text);
    struct wr_core_opts opts = opts_of();
    struct wr_core *core = wr_core_new(rules, &opts);
    wr_ruleset_unref(rules);
    cr_assert_not_null(core);
    return core;
}

static const char PROCESSES[] = "// id: shells\n"
                                "DeviceProcessEvents\n"
                                "| where Timestamp > ago(1h)\n"
                                "| where FileName == \"sh\"\n"
                                "| summarize n = count() by DeviceName\n"
                                "| where n >= 2\n";

Test(core, rows_of_any_table_reach_its_rules)
{
    struct wr_core *core = core_of(PROCESSES);
    const struct wr_wants *wants = wr_core_wants(core);
    cr_assert(wr_wants_rows(wants, WR_TABLE_DEVICE_PROCESS_EVENTS));
    cr_assert(!wr_wants_rows(wants, WR_TABLE_SYSLOG));
    struct wr_batch *b = wr_batch_new(wr_schema_of(WR_TABLE_DEVICE_PROCESS_EVENTS),
                                      &wants->scan[WR_TABLE_DEVICE_PROCESS_EVENTS].wanted, 8);
    struct wr_buf row = {0};
    for (uint32_t i = 0; i < 7; i++) { /* more than a batch of the core holds */
        cr_assert_eq(wr_batch_row(b), i);
        wr_batch_set_i64(b, WR_DPE_Timestamp, i, wr_ticks_of_unix_ns(T0));
        cr_assert(wr_batch_set_str(b, WR_DPE_DeviceName, i, "ws", 2));
        cr_assert(wr_batch_set_str(b, WR_DPE_FileName, i, i == 3 ? "ls" : "sh", 2));
        wr_buf_reset(&row);
        wr_row_pack(b, i, &row);
        struct wr_input in = {.type = wr_input_row(WR_TABLE_DEVICE_PROCESS_EVENTS),
                              .len = (uint32_t)row.len,
                              .arrival_ns = T0,
                              .bytes = row.data};
        cr_assert_eq(wr_core_apply(core, &in), WR_OK);
        in.type = wr_input_row(WR_TABLE_SYSLOG); /* logged under other rules: passed over */
        cr_assert_eq(wr_core_apply(core, &in), WR_OK);
        in.type = wr_input_row(WR_NTABLES);
        cr_assert_eq(wr_core_apply(core, &in), WR_ECORRUPT);
    }
    struct wr_input turn = {.type = WR_INPUT_TURN, .arrival_ns = T0 + SECOND};
    cr_assert_eq(wr_core_apply(core, &turn), WR_OK);
    struct wr_alert *a = wr_core_alerts(core);
    cr_assert_not_null(a);
    cr_expect_eq(wr_core_engine_stats(core).rows_aggregated, 6);
    wr_alerts_free(a);
    wr_buf_fini(&row);
    wr_batch_free(b);
    wr_core_free(core);
}

static enum wr_err give_flow(struct wr_core *core, uint8_t from, uint8_t to, uint16_t port, int64_t at, uint8_t tcp)
{
    struct wr_flow f = {.proto = 6, .tcp_flags = tcp, .sampling = 1, .point = 1, .sport = 40000, .dport = port};
    f.src[0] = 10;
    f.src[3] = from;
    f.dst[0] = 198;
    f.dst[1] = 51;
    f.dst[2] = 100;
    f.dst[3] = to;
    f.flags = WR_FLOW_HAS_BYTES | WR_FLOW_HAS_TCP_FLAGS | WR_FLOW_BIFLOW | WR_FLOW_INITIATOR_KNOWN;
    f.start_ns = f.end_ns = at;
    f.octets[0] = f.octets[1] = 100;
    f.packets[0] = f.packets[1] = 1;
    struct wr_input in = {.type = WR_INPUT_FLOWS, .len = sizeof f, .arrival_ns = at, .bytes = &f};
    return wr_core_apply(core, &in);
}

static enum wr_err give(struct wr_core *core, uint8_t from, uint8_t to, uint16_t port, int64_t at)
{
    return give_flow(core, from, to, port, at, 0x1b);
}

static void turn(struct wr_core *core, int64_t at)
{
    struct wr_input in = {.type = WR_INPUT_TURN, .arrival_ns = at};
    cr_assert_eq(wr_core_apply(core, &in), WR_OK);
}

/* Works `n` servers of host 1 through, then says how many alerts came and the first one's id. */
static int alerts_after(struct wr_core *core, uint8_t first, uint8_t n, int64_t at, char *ret_id)
{
    for (uint8_t i = 0; i < n; i++)
        cr_assert_eq(give(core, 1, (uint8_t)(first + i), 25, at), WR_OK);
    turn(core, at + 5 * SECOND);
    int count = 0;
    for (struct wr_alert *a = wr_core_alerts(core); a; count++) {
        struct wr_alert *next = a->next;
        if (count == 0 && ret_id)
            memcpy(ret_id, a->id, sizeof a->id);
        wr_alert_free(a);
        a = next;
    }
    return count;
}

Test(core, an_alert_comes_with_the_turn_in_which_its_group_crosses)
{
    struct wr_core *core = core_of(RULE);
    cr_assert_eq(alerts_after(core, 1, 2, T0, NULL), 0);
    cr_assert_eq(alerts_after(core, 2, 1, T0 + 10 * SECOND, NULL), 0, "the same server again");
    cr_assert_eq(alerts_after(core, 3, 1, T0 + 20 * SECOND, NULL), 1);
    wr_core_free(core);
}

Test(core, saved_and_loaded_it_goes_on_with_the_same_ids)
{
    char undisturbed[sizeof ((struct wr_alert *)0)->id], restored[sizeof undisturbed];
    struct wr_core *core = core_of(RULE), *copy = core_of(RULE);
    cr_assert_eq(alerts_after(core, 1, 2, T0, NULL), 0);
    struct wr_buf conn = {0}, engine = {0}, again_conn = {0}, again_engine = {0};
    wr_core_save(core, &conn, &engine);
    cr_assert_eq(wr_core_load(copy, wr_core_now(core), conn.data, conn.len, engine.data, engine.len), WR_OK);
    cr_assert_eq(wr_core_now(copy), wr_core_now(core));
    wr_core_save(copy, &again_conn, &again_engine);
    cr_assert_eq(conn.len, again_conn.len);
    cr_assert_arr_eq(conn.data, again_conn.data, conn.len);
    cr_assert_eq(alerts_after(core, 3, 1, T0 + 10 * SECOND, undisturbed), 1);
    cr_assert_eq(alerts_after(copy, 3, 1, T0 + 10 * SECOND, restored), 1);
    cr_assert_arr_eq(undisturbed, restored, sizeof restored);
    struct wr_buf *bufs[] = {&conn, &engine, &again_conn, &again_engine};
    for (int i = 0; i < 4; i++)
        wr_buf_fini(bufs[i]);
    wr_core_free(core);
    wr_core_free(copy);
}

Test(core, a_reload_keeps_windows_of_rules_that_stay_and_takes_options)
{
    struct wr_core *core = core_of(RULE);
    struct wr_ruleset *rules = rules_of(RULE);
    struct wr_core_opts opts = opts_of();
    opts.realert_ns = SECOND;
    cr_assert_eq(alerts_after(core, 1, 2, T0, NULL), 0);
    cr_assert_eq(wr_core_reload(core, rules, &opts), WR_OK);
    cr_assert_eq(alerts_after(core, 3, 1, T0 + 10 * SECOND, NULL), 1, "two servers were there already");
    cr_assert_gt(alerts_after(core, 4, 1, T0 + 60 * SECOND, NULL), 0, "updates come every second now");
    cr_assert_eq(wr_core_rules(core), rules);
    wr_ruleset_unref(rules);
    wr_core_free(core);
}

static const char TALKERS[] = "// id: talkers\n"
                              "Flows\n"
                              "| where Timestamp > ago(1h)\n"
                              "| summarize Octets = sum(octetDeltaCount), n = count() by sourceIPAddress\n"
                              "| where n >= 3\n";

/* The same records whole and as blocks: the same state, and the same after a restart from the log of either. */
Test(core, blocks_of_flows_are_worth_what_their_records_are)
{
    struct wr_core *whole = core_of(TALKERS), *packed = core_of(TALKERS), *other = core_of(RULE);
    uint32_t parts = wr_block_parts(&wr_core_wants(packed)->scan[WR_TABLE_FLOWS].wanted);
    cr_assert(!wr_core_wants(packed)->conn);
    struct wr_buf block = {0}, a = {0}, b = {0};
    struct wr_flow flows[7];
    for (int round = 0; round < 5; round++) {
        memset(flows, 0, sizeof flows);
        for (uint32_t i = 0; i < 7; i++) {
            flows[i].src[0] = 10;
            flows[i].src[3] = (uint8_t)(i * (unsigned)round % 5);
            flows[i].flags = i % 3 ? WR_FLOW_HAS_BYTES : WR_FLOW_V6;
            flows[i].octets[0] = 1000 * i;
            flows[i].start_ns = flows[i].end_ns = T0 + round * SECOND;
            flows[i].sampling = 1;
        }
        wr_buf_reset(&block);
        cr_assert(wr_block_pack(flows, 7, parts, &block));
        struct wr_input in = {WR_INPUT_FLOWS, sizeof flows, T0 + round * SECOND, flows};
        cr_assert_eq(wr_core_apply(whole, &in), WR_OK);
        in = (struct wr_input){WR_INPUT_FLOW_BLOCK, (uint32_t)block.len, T0 + round * SECOND, block.data};
        cr_assert_eq(wr_core_apply(packed, &in), WR_OK);
        cr_assert_eq(wr_core_apply(other, &in), WR_OK); /* logged under other rules: passed over */
        turn(whole, T0 + round * SECOND);
        turn(packed, T0 + round * SECOND);
    }
    struct wr_alert *x = wr_core_alerts(whole), *y = wr_core_alerts(packed);
    cr_assert_not_null(x);
    for (struct wr_alert *p = x, *q = y; p || q; p = p->next, q = q->next) {
        cr_assert(p && q);
        wr_buf_reset(&a);
        wr_buf_reset(&b);
        wr_alert_json(p, &a);
        wr_alert_json(q, &b);
        cr_expect(a.len == b.len && memcmp(a.data, b.data, a.len) == 0);
    }
    cr_expect_eq(wr_core_engine_stats(packed).rows_aggregated, 35);
    cr_expect_eq(wr_core_engine_stats(whole).groups, wr_core_engine_stats(packed).groups);
    wr_alerts_free(x);
    wr_alerts_free(y);
    wr_buf_fini(&block);
    wr_buf_fini(&a);
    wr_buf_fini(&b);
    wr_core_free(whole);
    wr_core_free(packed);
    wr_core_free(other);
}

static struct wr_core *core_of_both(void)
{
    struct wr_diags diags;
    struct wr_ruleset *rules = rules_of(RULE);
    struct wr_core_opts opts = opts_of();
    cr_assert(wr_diags_init(&diags));
    cr_assert_eq(wr_ruleset_add(rules, "talkers.kql", TALKERS, strlen(TALKERS), &diags), WR_OK);
    wr_diags_fini(&diags);
    struct wr_core *core = wr_core_new(rules, &opts);
    cr_assert_not_null(core);
    wr_ruleset_unref(rules);
    return core;
}

/* A rule that reads every record beside one that reads connections: those stay what they are without it. */
Test(core, records_of_rules_on_flows_are_no_connections)
{
    struct wr_core *one = core_of(RULE), *whole = core_of_both(), *packed = core_of_both();
    const uint64_t *ports = wr_core_wants(whole)->conn_ports;
    uint32_t parts = wr_block_parts(&wr_core_wants(packed)->scan[WR_TABLE_FLOWS].wanted);
    cr_assert(ports && !wr_core_wants(one)->conn_ports);
    struct wr_buf block = {0};
    struct wr_flow flows[30] = {{.proto = 6}}, mail[30];
    uint32_t nmail = 0;
    for (uint32_t i = 0; i < 30; i++) {
        flows[i] = (struct wr_flow){.proto = 6, .sampling = 1, .point = 1, .sport = 40000, .dport = i % 5 ? 443 : 25};
        flows[i].src[0] = 10;
        flows[i].dst[0] = 198;
        flows[i].dst[3] = (uint8_t)i;
        flows[i].flags = WR_FLOW_HAS_BYTES | WR_FLOW_INITIATOR_KNOWN;
        flows[i].start_ns = flows[i].end_ns = T0;
        cr_assert_eq(wr_wants_connection(ports, &flows[i]), i % 5 == 0);
        if (i % 5 == 0)
            mail[nmail++] = flows[i];
    }
    cr_assert(wr_block_pack(flows, 30, parts, &block));
    const struct wr_input all = {WR_INPUT_FLOWS, sizeof flows, T0, flows},
                          wanted = {WR_INPUT_FLOWS, nmail * (uint32_t)sizeof *mail, T0, mail},
                          rows = {WR_INPUT_FLOW_BLOCK, (uint32_t)block.len, T0, block.data},
                          beside = {WR_INPUT_CONN_FLOWS, nmail * (uint32_t)sizeof *mail, T0, mail};
    cr_assert_eq(wr_core_apply(one, &wanted), WR_OK);
    cr_assert_eq(wr_core_apply(whole, &all), WR_OK);
    cr_assert_eq(wr_core_apply(packed, &rows), WR_OK);
    cr_assert_eq(wr_core_apply(packed, &beside), WR_OK);
    struct wr_core *cores[] = {one, whole, packed};
    for (int i = 0; i < 3; i++) {
        turn(cores[i], T0 + 5 * SECOND);
        cr_expect_eq(wr_core_conn_stats(cores[i])->connections, nmail, "core %d", i);
        struct wr_alert *a = wr_core_alerts(cores[i]);
        uint32_t servers = 0, talkers = 0;
        for (struct wr_alert *p = a; p; p = p->next)
            *(strcmp(p->rule_id, "servers") == 0 ? &servers : &talkers) += 1;
        cr_expect_eq(servers, 1, "core %d", i);
        cr_expect_eq(talkers != 0, i > 0, "core %d", i);
        wr_alerts_free(a);
    }
    cr_expect_eq(wr_core_engine_stats(whole).rows_aggregated, wr_core_engine_stats(packed).rows_aggregated);
    cr_expect_eq(wr_core_engine_stats(whole).groups, wr_core_engine_stats(packed).groups);
    wr_buf_fini(&block);
    for (int i = 0; i < 3; i++)
        wr_core_free(cores[i]);
}

/* Branches of the scan of flow records that `text` gives; in *ret_ports the ports of all, 0: some branch takes any. */
static uint32_t records_of(const char *text, uint32_t *ret_ports)
{
    struct wr_core *core = core_of(text);
    const struct wr_scan *records = &wr_core_wants(core)->records;
    const uint32_t n = records->nbranches;
    bool any = false;
    *ret_ports = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct wr_branch *b = &records->branches[i];
        any |= b->npreds == 0;
        if (b->npreds && b->preds[0].col == WR_DNE_RemotePort && b->preds[0].op == WR_PRED_IN_INT)
            *ret_ports += b->preds[0].n;
    }
    if (any)
        *ret_ports = 0;
    wr_core_free(core);
    return n;
}

/* What the decoder may leave out: records without a port that a rule asks for. */
Test(core, rules_on_flows_push_their_ports_down)
{
    uint32_t ports;
    cr_expect_eq(records_of("Flows | where Timestamp > ago(1h) | where destinationTransportPort in (53, 853)"
                            " | summarize n = count() by sourceIPAddress | where n > 10", &ports), 1);
    cr_expect_eq(ports, 2);
    cr_expect_eq(records_of("Flows | where Timestamp > ago(1h) | where sourceTransportPort == 123 or destinationTransportPort == 161"
                            " | summarize n = count() by sourceIPAddress | where n > 10", &ports), 2);
    cr_expect_eq(ports, 2);
    cr_expect_gt(records_of(TALKERS, &ports), 0);
    cr_expect_eq(ports, 0, "all are read");
    cr_expect_gt(records_of("Flows | where Timestamp > ago(1h) | where destinationTransportPort == 53 or octetDeltaCount > 1000000"
                            " | summarize n = count() by sourceIPAddress | where n > 10", &ports), 0);
    cr_expect_eq(ports, 0, "a port is not all that it takes");
    cr_expect_gt(records_of(RULE, &ports), 0);
    cr_expect_eq(ports, 1, "connections alone");
}

Test(core, what_is_no_input_is_refused_and_changes_nothing)
{
    struct wr_core *core = core_of(RULE);
    cr_assert_eq(alerts_after(core, 1, 2, T0, NULL), 0);
    uint8_t bytes[64] = {0xff, 0xff, 0xff, 0xff, 0xff};
    const struct wr_input bad[] = {
        {.type = 0, .len = 0, .arrival_ns = T0, .bytes = bytes},
        {.type = 99, .len = 8, .arrival_ns = T0, .bytes = bytes},
        {.type = WR_INPUT_FLOWS, .len = sizeof(struct wr_flow) - 1, .arrival_ns = T0, .bytes = bytes},
        {.type = WR_INPUT_FLOW_BLOCK, .len = 32, .arrival_ns = T0, .bytes = bytes},
        {.type = wr_input_row(WR_TABLE_DEVICE_NETWORK_EVENTS), .len = 5, .arrival_ns = T0, .bytes = bytes},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_neq(wr_core_apply(core, &bad[i]), WR_OK, "input %zu", i);
    cr_assert_eq(alerts_after(core, 3, 1, T0 + 10 * SECOND, NULL), 1);
    wr_core_free(core);
}

/* A turn of the owner ends after about as much work whatever the inputs are: 4,096 blocks are a million rows. */
Test(core, an_input_weighs_what_it_costs)
{
    struct wr_flow flows[100] = {{.proto = 6}};
    struct wr_buf block = {0};
    cr_assert(wr_block_pack(flows, 100, 1, &block));
    struct wr_input in = {WR_INPUT_FLOW_BLOCK, (uint32_t)block.len, T0, block.data};
    cr_expect_eq(wr_core_weight(&in), 100);
    in = (struct wr_input){WR_INPUT_FLOWS, sizeof flows, T0, flows};
    cr_expect_eq(wr_core_weight(&in), 400);
    in = (struct wr_input){wr_input_row(WR_TABLE_SYSLOG), 300, T0, flows};
    cr_expect_eq(wr_core_weight(&in), 16);
    in = (struct wr_input){WR_INPUT_FILE, 1 << 20, T0, flows};
    cr_expect_gt(wr_core_weight(&in), 16 * 4096);
    for (uint32_t type = 0; type < 300; type++) { /* never nothing: a turn must end */
        in = (struct wr_input){type, 0, T0, flows};
        cr_expect_gt(wr_core_weight(&in), 0, "type %u", type);
    }
    wr_buf_fini(&block);
}

Test(core, time_never_steps_back)
{
    struct wr_core *core = core_of(RULE);
    turn(core, T0 + 100 * SECOND);
    turn(core, T0);
    cr_assert_eq(wr_core_now(core), T0 + 100 * SECOND);
    wr_core_free(core);
}

/* A bound of two connections: when one that is open goes, alerts of the next hour say that they are not exact. */
Test(core, alerts_are_not_exact_after_open_connections_were_given_up)
{
    for (int open = 0; open < 2; open++) {
        struct wr_ruleset *rules = rules_of(RULE);
        struct wr_core_opts opts = opts_of();
        opts.max_connections = 2;
        struct wr_core *core = wr_core_new(rules, &opts);
        wr_ruleset_unref(rules);
        for (uint8_t i = 1; i < 4; i++)
            cr_assert_eq(give_flow(core, 1, i, 25, T0 + i * SECOND, open ? 0x1a : 0x1b), WR_OK);
        turn(core, T0 + 10 * SECOND);
        struct wr_alert *a = wr_core_alerts(core);
        cr_assert(a && !a->next);
        cr_expect_eq(a->exact, !open);
        const struct wr_conn_stats *s = wr_core_conn_stats(core);
        cr_expect_eq(s->evicted, 1);
        cr_expect_eq(s->evicted_open, open);
        cr_expect_eq(s->evicted_ended, !open);
        wr_alerts_free(a);
        wr_core_free(core);
    }
}

/* One input of `n` rows behind the position of a file. */
static struct wr_buf file_input(const struct wr_wants *wants, uint64_t at, uint32_t n)
{
    struct wr_batch *b = wr_batch_new(wr_schema_of(WR_TABLE_DEVICE_PROCESS_EVENTS),
                                      &wants->scan[WR_TABLE_DEVICE_PROCESS_EVENTS].wanted, 8);
    struct wr_buf out = {0}, row = {0};
    struct wr_filepos pos = {.dev = 1, .ino = 2, .at = at};
    wr_filepos_put(&pos, "/var/log/x", &out);
    for (uint32_t i = 0; i < n; i++) {
        cr_assert_eq(wr_batch_row(b), i);
        wr_batch_set_i64(b, WR_DPE_Timestamp, i, wr_ticks_of_unix_ns(T0));
        cr_assert(wr_batch_set_str(b, WR_DPE_DeviceName, i, "ws", 2));
        cr_assert(wr_batch_set_str(b, WR_DPE_FileName, i, "sh", 2));
        wr_buf_reset(&row);
        wr_row_pack(b, i, &row);
        wr_buf_u32(&out, wr_input_row(WR_TABLE_DEVICE_PROCESS_EVENTS));
        wr_buf_blob(&out, row.data, (uint32_t)row.len);
    }
    wr_buf_fini(&row);
    wr_batch_free(b);
    return out;
}

static enum wr_err apply_file_input(struct wr_core *core, const struct wr_buf *bytes, size_t len)
{
    struct wr_input in = {.type = WR_INPUT_FILE, .len = (uint32_t)len, .arrival_ns = T0, .bytes = bytes->data};
    return wr_core_apply(core, &in);
}

Test(core, a_files_rows_and_its_position_come_together_or_not_at_all)
{
    struct wr_core *core = core_of(PROCESSES), *again = core_of(PROCESSES);
    struct wr_buf in = file_input(wr_core_wants(core), 500, 2), saved = {0};
    struct wr_input turn = {.type = WR_INPUT_TURN, .arrival_ns = T0};
    for (size_t len = 0; len < in.len; len++) { /* whole up to a row's end: a shorter input, which nobody makes */
        struct wr_core *cut = core_of(PROCESSES);
        if (apply_file_input(cut, &in, len) != WR_OK) {
            cr_assert_eq(wr_core_files(cut)->n, 0, "%zu", len);
            cr_assert_eq(wr_core_apply(cut, &turn), WR_OK);
            cr_assert_null(wr_core_alerts(cut), "%zu", len);
        }
        wr_core_free(cut);
    }
    cr_assert_eq(apply_file_input(core, &in, in.len), WR_OK);
    cr_assert_eq(wr_fileposs_find(wr_core_files(core), 1, 2)->pos.at, 500);
    cr_assert_eq(wr_core_apply(core, &turn), WR_OK);
    struct wr_alert *alert = wr_core_alerts(core);
    cr_assert_not_null(alert);
    wr_alert_free(alert);
    wr_fileposs_save(wr_core_files(core), &saved);
    cr_assert_eq(wr_core_load_files(again, saved.data, saved.len), WR_OK);
    cr_assert_eq(wr_fileposs_find(wr_core_files(again), 1, 2)->pos.at, 500);
    struct wr_ruleset *rules = rules_of(RULE);
    struct wr_core_opts opts = opts_of();
    cr_assert_eq(wr_core_reload(again, rules, &opts), WR_OK);
    cr_assert_eq(wr_core_files(again)->n, 1, "positions outlive other rules");
    wr_ruleset_unref(rules);
    wr_buf_fini(&saved);
    wr_buf_fini(&in);
    wr_core_free(core);
    wr_core_free(again);
}

Test(core, a_quarter_of_the_memory_is_for_connections)
{
    struct wr_config config;
    cr_assert(wr_config_init(&config));
    cr_expect_eq(wr_owner_core_opts(&config).max_connections, 356962);
    config.memory_bytes = UINT64_C(256) << 20; /* where 50,000 endpoints with the mail rules find room */
    cr_expect_eq(wr_owner_core_opts(&config).max_connections, 178481);
    config.memory_bytes = UINT64_C(1) << 42;
    cr_expect_eq(wr_owner_core_opts(&config).max_connections, UINT32_MAX / 4);
    wr_config_fini(&config);
}
