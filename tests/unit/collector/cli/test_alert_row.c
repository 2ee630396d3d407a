#include "collector/cli/alert_row.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD                                                                                                 \
    "\"raised_at\":\"2026-01-05T08:12:13.6006160Z\",\"kind\":\"raised\",\"severity\":\"High\",\"message\":\"m\""
#define ROW "2026-01-05T08:12:13  raised    High           m\n"

static void expect_row(const char *json, const char *row)
{
    struct wr_buf out = {0};
    wr_alert_row(json, strlen(json), &out);
    wr_buf_char(&out, '\0');
    cr_expect_str_eq(out.data, row, "%s gives\n%s", json, out.data);
    wr_buf_fini(&out);
}

Test(alert_row, columns_stand_below_the_message)
{
    expect_row("{" HEAD ",\"exact\":true,\"columns\":{\"DeviceName\":\"ws 07\",\"File\":\"C:\\\\x\\\\y.exe\","
               "\"ConnectionCount\":31,\"SentBytes\":null,\"Ports\":[25,\"a,b\"]},\"entities\":[]}",
               ROW "    DeviceName=\"ws 07\" File=C:\\x\\y.exe ConnectionCount=31 SentBytes=null "
                   "Ports=[25,\"a,b\"]\n");
}

Test(alert_row, a_value_never_looks_like_two)
{
    expect_row("{" HEAD ",\"columns\":{\"A\":\"x B=1\",\"C\":\"y\\\"\",\"D\":\"\",\"E\":\"1\"}}",
               ROW "    A=\"x B=1\" C=\"y\\\"\" D=\"\" E=1\n");
}

Test(alert_row, nothing_acts_on_a_terminal)
{
    expect_row("{" HEAD ",\"columns\":{\"A\":\"\\u001b[2J\",\"B\x1b\":\"\x1b[31m\",\"C\":{\"d\":\n\t\"\xc2\x9b\"}}}",
               ROW "    A=\"\\u001b[2J\" B\\x1b=\\x1b[31m C={\"d\": \\x09\"\\xc2\\x9b\"}\n");
}

Test(alert_row, a_name_inside_a_value_is_not_taken_for_a_member)
{
    expect_row("{\"columns\":{\"message\":\"no\",\"a\":\"\\\"kind\\\":\"}," HEAD "}",
               ROW "    message=no a=\"\\\"kind\\\":\"\n");
}

Test(alert_row, long_values_are_cut_and_long_lines_wrapped)
{
    char json[2048], row[2048], x[301] = {0};
    memset(x, 'x', 300);
    snprintf(json, sizeof json, "{" HEAD ",\"columns\":{\"A\":1,\"B\":\"%s\",\"C\":2}}", x);
    snprintf(row, sizeof row, ROW "    A=1\n    B=%.240s...\n    C=2\n", x);
    expect_row(json, row);
}

Test(alert_row, any_prefix_of_an_alert_is_read_safely)
{
    const char json[] = "{" HEAD ",\"columns\":{\"A\":\"x\\\\\",\"B\":[{\"c\":\"\\\"\"}]}}";
    for (size_t n = 0; n < sizeof json; n++) {
        char *copy = malloc(n ? n : 1); /* so that a sanitizer sees a byte too many */
        memcpy(copy, json, n);
        struct wr_buf out = {0};
        wr_alert_row(copy, n, &out);
        cr_expect(out.len > 0 && out.data[out.len - 1] == '\n');
        wr_buf_fini(&out);
        free(copy);
    }
}
