/* Rows that get process, account and device from flow records. */
#include "conn_kit.h"

#define NETWORK_ONLY ((struct wr_conn_opts){0})
#define ENDPOINTS ((struct wr_conn_opts){.expect_endpoint = true})

static void flow_who(struct kit *k, struct wr_flow f, const char *process, const char *user, const char *device)
{
    struct wr_buf list = {0};
    if (process)
        wr_who_add(&list, WR_WHO_PROCESS, process, (uint32_t)strlen(process));
    if (user)
        wr_who_add(&list, WR_WHO_USER, user, (uint32_t)strlen(user));
    if (device)
        wr_who_add(&list, WR_WHO_DEVICE_NAME, device, (uint32_t)strlen(device));
    struct wr_who who = {.at = (const uint8_t *)list.data, .len = (uint32_t)list.len};
    cr_assert_eq(wr_conn_flow_who(k->conn, &f, who, f.export_ns), WR_OK);
    wr_buf_fini(&list);
    kit_drain(k);
}

Test(who, a_record_fills_the_row_of_its_end)
{
    struct kit *k = kit_new(NETWORK_ONLY);
    flow_who(k, biflow(0, 100, ALL, 1227, 708), "evil.exe", "bob", "ws-7");
    cr_assert_eq(k->n, 1);
    cr_expect_str_eq(k->row[0].process, "evil.exe");
    cr_expect_str_eq(k->row[0].account, "bob");
    cr_expect_str_eq(k->row[0].device, "ws-7");
    kit_free(k);
}

Test(who, what_is_said_of_the_responder_is_not_the_initiators)
{
    struct kit *k = kit_new(NETWORK_ONLY);
    flow_who(k, flow(false, 10, 100, ALL, 708), "sshd", "bob", "server");
    flow_who(k, flow(true, 0, 110, ALL, 1227), NULL, NULL, NULL);
    cr_assert_eq(k->n, 1);
    cr_expect_str_eq(k->row[0].local, "10.0.0.1");
    cr_expect_str_eq(k->row[0].process, "");
    cr_expect_str_eq(k->row[0].device, "10.0.0.1");
    cr_expect_str_eq(k->row[0].account, "bob", "the flow's user is nobody's end");
    kit_free(k);
}

Test(who, records_add_what_is_missing_until_rules_have_the_row)
{
    struct kit *k = kit_new(NETWORK_ONLY);
    flow_who(k, flow(true, 0, 100, ALL, 1227), "evil.exe", NULL, NULL);
    flow_who(k, flow(false, 1, 101, ALL, 700), NULL, "bob", NULL);
    cr_assert_eq(k->n, 1);
    cr_expect_str_eq(k->row[0].process, "evil.exe");
    cr_expect_str_eq(k->row[0].account, "bob");
    flow_who(k, flow(true, 100, 300, ALL, 100), "other.exe", "eve", "ws-9"); /* kit_take: keys must not change */
    cr_expect_eq(k->row[0].sent, 1327);
    cr_expect_str_eq(k->row[0].process, "evil.exe");
    kit_free(k);
}

Test(who, a_flow_that_names_its_process_waits_for_no_endpoint)
{
    struct kit *k = kit_new(ENDPOINTS);
    flow_who(k, biflow(0, 100, ALL, 1227, 708), NULL, "bob", "ws-7");
    cr_expect_eq(k->n, 0, "a user alone is no endpoint's event");
    struct wr_flow f = biflow(0, 100, ALL, 1227, 708);
    f.sport++;
    flow_who(k, f, "evil.exe", "bob", "ws-7");
    cr_assert_eq(k->n, 1);
    cr_expect_not(k->row[0].orphan);
    kit_flush(k);
    cr_assert_eq(k->n, 2);
    cr_expect(k->row[1].orphan);
    cr_expect_str_eq(k->row[1].account, "bob");
    kit_free(k);
}

Test(who, it_survives_a_save_and_is_shared)
{
    struct kit *k = kit_new(NETWORK_ONLY);
    for (int i = 0; i < 100; i++) {
        struct wr_flow f = flow(true, 0, 100, ALL, 1000);
        f.sport = (uint16_t)(1000 + i);
        flow_who(k, f, "evil.exe", "bob", "ws-7");
    }
    cr_expect_eq(k->n, 0, "undecided");
    struct wr_buf saved = {0}, again = {0};
    wr_conn_save(k->conn, &saved);
    cr_assert_eq(wr_conn_load(k->conn, saved.data, saved.len), WR_OK);
    wr_conn_save(k->conn, &again);
    cr_expect_eq(saved.len, again.len);
    cr_expect_eq(memcmp(saved.data, again.data, saved.len), 0);
    for (size_t cut = 0; cut < saved.len; cut += 97)
        cr_expect_neq(wr_conn_load(k->conn, saved.data, cut), WR_OK);
    kit_flush(k);
    cr_assert_eq(k->n, 100);
    for (uint32_t i = 0; i < k->n; i++)
        cr_expect_str_eq(k->row[i].process, "evil.exe");
    wr_buf_fini(&saved);
    wr_buf_fini(&again);
    kit_free(k);
}

Test(who, broken_lists_say_what_precedes_the_break)
{
    struct kit *k = kit_new(NETWORK_ONLY);
    struct wr_buf list = {0};
    wr_who_add(&list, WR_WHO_PROCESS, "evil.exe", 8);
    wr_buf_u8(&list, 200);
    wr_buf_u32(&list, 0xffffffff);
    struct wr_flow f = biflow(0, 100, ALL, 1227, 708);
    struct wr_who who = {.at = (const uint8_t *)list.data, .len = (uint32_t)list.len};
    cr_assert_eq(wr_conn_flow_who(k->conn, &f, who, f.export_ns), WR_OK);
    kit_drain(k);
    cr_assert_eq(k->n, 1);
    cr_expect_str_eq(k->row[0].process, "evil.exe");
    wr_buf_fini(&list);
    kit_free(k);
}
