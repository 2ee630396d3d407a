#include "base/hash.h"
#include "base/ticks.h"
#include "collector/sink/record.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void expect(const char *json, const char *hex)
{
    struct wr_buf b = {0};
    cr_expect_eq(wr_record_json(json, strlen(json), &b), WR_OK, "%s", json);
    char *got = malloc(2 * b.len + 1);
    wr_hex((const uint8_t *)b.data, b.len, got);
    cr_expect_str_eq(got, hex, "%s", json);
    free(got);
    wr_buf_fini(&b);
}

static void refused(const char *json, size_t len)
{
    /* in a block of its exact size, so that a read past the end is seen by the sanitizer */
    char *exact = malloc(len ? len : 1);
    memcpy(exact, json, len);
    struct wr_buf b = {0};
    wr_buf_str(&b, "x");
    cr_expect_eq(wr_record_json(exact, len, &b), WR_EINVAL, "%.*s", (int)len, json);
    cr_expect_eq(b.len, 1);
    wr_buf_fini(&b);
    free(exact);
}

Test(record, scalars)
{
    expect("null", "c0");
    expect(" true ", "c3");
    expect("false", "c2");
    expect("0", "00");
    expect("-1", "ff");
    expect("9223372036854775807", "cf7fffffffffffffff");
    expect("-9223372036854775808", "d38000000000000000");
    expect("9223372036854775808", "cb43e0000000000000"); /* above int64: real, never u64 */
    expect("1.0", "cb3ff0000000000000");
    expect("1e2", "cb4059000000000000");
    expect("\"\"", "a0");
}

Test(record, strings_lose_their_escapes)
{
    expect("\"a\\\"\\\\\\/\\n\\u00e9\"", "a7"
                                         "61225c2f0a"
                                         "c3a9");
    expect("\"\\ud83d\\ude00\"", "a4f09f9880");
    expect("\"\\ud83dx\"", "a4efbfbd78"); /* half a pair */
    expect("\"\\u0000\"", "a100");
}

Test(record, containers_know_their_size_first)
{
    expect("[]", "90");
    expect("{}", "80");
    expect("[1, [2, 3], {\"a\":\"],}\\\"\"}]", "9301"
                                               "920203"
                                               "81a161a45d2c7d22");
    expect("{\"rule\":\"T1071.003\",\"count\":3}", "82a472756c65a954313037312e303033a5636f756e7403");
}

Test(record, too_deep_is_kept_as_text)
{
    char json[2 * WR_RECORD_DEPTH + 8] = "";
    size_t depth = WR_RECORD_DEPTH + 2;
    memset(json, '[', depth);
    memset(json + depth, ']', depth);
    struct wr_buf b = {0};
    cr_assert_eq(wr_record_json(json, 2 * depth, &b), WR_OK);
    cr_expect_eq(b.len, WR_RECORD_DEPTH + 5); /* 91 x depth, a4 "[[]]" */
    cr_expect(memcmp(b.data + WR_RECORD_DEPTH, "\xa4[[]]", 5) == 0);
    wr_buf_fini(&b);
}

Test(record, every_prefix_and_each_nonsense_is_refused)
{
    const char *json = "{\"a\":[1,-2.5e1,\"x\\u00e9\\ud83d\\ude00\"],\"b\":{\"c\":null,\"d\":true}}";
    for (size_t n = 0; n < strlen(json); n++)
        refused(json, n);
    static const char *const bad[] = {"{\"a\" 1}", "[1 2]",   "[,]",         "[1,]", "{1:2}", "tru", "1-2",
                                      "--1",       "\"\\x\"", "\"\\u12g4\"", "[1]]", "}",     "[}",  "nan"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refused(bad[i], strlen(bad[i]));
}

Test(record, an_entry_is_event_time_and_record)
{
    struct wr_buf b = {0};
    const char *json = "{\"rule\":\"T1071.003\",\"count\":3}";
    cr_assert_eq(wr_record_entry(wr_ticks_of_unix_ns(1700000000123456700), json, strlen(json), &b), WR_OK);
    cr_expect_eq(b.len, 34);
    cr_expect(memcmp(b.data, "\x92\xd7\x00\x65\x53\xf1\x00\x07\x5b\xcc\xbc\x82", 12) == 0);
    wr_buf_reset(&b);
    cr_assert_eq(wr_record_entry(0, "{}", 2, &b), WR_OK); /* before 1970 */
    cr_expect(memcmp(b.data, "\x92\xd7\x00\0\0\0\0\0\0\0\0\x80", 12) == 0);
    wr_buf_reset(&b);
    cr_assert_eq(wr_record_entry(WR_TICKS_MAX, "{}", 2, &b), WR_OK); /* after 2106 */
    cr_expect(memcmp(b.data, "\x92\xd7\x00\xff\xff\xff\xff", 7) == 0);
    wr_buf_fini(&b);
}
