#include "base/alert.h"
#include "base/ticks.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static const char *text(struct wr_buf *buf)
{
    wr_buf_char(buf, '\0');
    return buf->data;
}

static struct wr_alert *alert_new(void)
{
    struct wr_arena *arena = wr_arena_new(4096);
    struct wr_alert *alert = wr_arena_alloc(arena, sizeof *alert);
    alert->arena = arena;
    memcpy(alert->id, "00112233445566778899aabbccddeeff", 33);
    alert->rule_id = "T1071.003";
    alert->rule_name = "Mail by \"odd\" process";
    alert->exact = true;
    return alert;
}

static void expect_cell(struct wr_alert_cell cell, const char *json)
{
    struct wr_buf b = {0};
    wr_cell_json(&cell, &b);
    cr_expect_str_eq(text(&b), json);
    wr_buf_fini(&b);
}

Test(alert, cells_are_coded_by_type)
{
    expect_cell((struct wr_alert_cell){.type = WR_BOOL, .i = 1}, "true");
    expect_cell((struct wr_alert_cell){.type = WR_INT, .i = -7}, "-7");
    expect_cell((struct wr_alert_cell){.type = WR_LONG, .i = INT64_MIN}, "-9223372036854775808");
    expect_cell((struct wr_alert_cell){.type = WR_REAL, .r = 0.1}, "0.1");
    expect_cell((struct wr_alert_cell){.type = WR_REAL, .r = (double)NAN}, "\"NaN\"");
    expect_cell((struct wr_alert_cell){.type = WR_DATETIME, .i = WR_TICKS_UNIX_EPOCH},
                "\"1970-01-01T00:00:00.0000000Z\"");
    expect_cell((struct wr_alert_cell){.type = WR_TIMESPAN, .i = 90 * WR_TICKS_SECOND}, "\"00:01:30\"");
    expect_cell((struct wr_alert_cell){.type = WR_STRING, .s = WR_STR_LIT("a\"\n\x1b")},
                "\"a\\\"\\n\\u001b\"");
    expect_cell((struct wr_alert_cell){.type = WR_DECIMAL, .s = WR_STR_LIT("1.50")}, "\"1.50\"");
    expect_cell((struct wr_alert_cell){.type = WR_DYNAMIC, .s = WR_STR_LIT("[\"a\",{\"b\":1}]")},
                "[\"a\",{\"b\":1}]");
}

Test(alert, null_is_null_but_a_string_is_empty)
{
    expect_cell((struct wr_alert_cell){.type = WR_LONG, .null = true, .i = 5}, "null");
    expect_cell((struct wr_alert_cell){.type = WR_DYNAMIC, .null = true}, "null");
    expect_cell((struct wr_alert_cell){.type = WR_DYNAMIC}, "null");
    expect_cell((struct wr_alert_cell){.type = WR_STRING, .null = true}, "\"\"");
}

Test(alert, an_empty_alert_has_every_member)
{
    struct wr_alert *alert = alert_new();
    struct wr_buf b = {0};
    wr_alert_json(alert, &b);
    cr_expect_str_eq(text(&b),
                     "{\"alert_id\":\"00112233445566778899aabbccddeeff\",\"seq\":0,\"kind\":\"raised\","
                     "\"message\":\"Mail by \\\"odd\\\" process\",\"rule_id\":\"T1071.003\","
                     "\"rule_name\":\"Mail by \\\"odd\\\" process\",\"rule_version\":null,"
                     "\"severity\":null,\"confidence\":null,\"description\":null,\"tactics\":[],"
                     "\"techniques\":[],\"raised_at\":null,\"window_start\":null,\"window_end\":null,"
                     "\"first_seen\":null,\"last_seen\":null,\"exact\":true,\"columns\":{},"
                     "\"entities\":[],\"details\":{},\"samples\":[]}");
    wr_buf_fini(&b);
    wr_alert_free(alert);
}

Test(alert, columns_entities_and_samples)
{
    struct wr_alert *alert = alert_new();
    static const char *const techniques[] = {"T1071.003", "T1048"};
    alert->techniques = techniques;
    alert->ntechniques = 2;
    alert->kind = WR_ALERT_RESOLVED;
    alert->seq = 3;
    alert->exact = false;
    alert->raised_at = WR_TICKS_UNIX_EPOCH + 1;
    alert->cells = wr_arena_alloc(alert->arena, 2 * sizeof *alert->cells);
    alert->ncells = 2;
    alert->cells[0] =
        (struct wr_alert_cell){.name = "DeviceName", .type = WR_STRING, .s = WR_STR_LIT("mail-ws-7")};
    alert->cells[1] = (struct wr_alert_cell){.name = "Connections", .type = WR_LONG, .i = 12};
    alert->entities = wr_arena_alloc(alert->arena, sizeof *alert->entities);
    alert->nentities = 1;
    alert->entities[0].type = "Host";
    alert->entities[0].identifier = "HostName";
    alert->samples_json = "[{\"RemotePort\":587}]";
    struct wr_buf b = {0};
    wr_alert_json(alert, &b);
    const char *json = text(&b);
    cr_expect(strstr(json, "\"seq\":3,\"kind\":\"resolved\""));
    cr_expect(strstr(json, "\"message\":\"Mail by \\\"odd\\\" process (resolved): mail-ws-7\""));
    cr_expect(strstr(json, "\"techniques\":[\"T1071.003\",\"T1048\"]"));
    cr_expect(strstr(json, "\"raised_at\":\"1970-01-01T00:00:00.0000001Z\""));
    cr_expect(strstr(json, "\"exact\":false,\"columns\":{\"DeviceName\":\"mail-ws-7\",\"Connections\":12}"));
    cr_expect(strstr(json, "\"entities\":[{\"type\":\"Host\",\"identifier\":\"HostName\","
                           "\"column\":\"DeviceName\",\"value\":\"mail-ws-7\"}]"));
    cr_expect(strstr(json, "\"samples\":[{\"RemotePort\":587}]}"));
    wr_buf_fini(&b);
    wr_alert_free(alert);
}

Test(alert, a_list_is_freed_whole)
{
    struct wr_alert *first = alert_new();
    first->next = alert_new(); /* a leak here fails under the sanitizers */
    wr_alerts_free(first);
    wr_alerts_free(NULL);
    wr_alert_free(NULL);
}
