#include "base/diag.h"
#include "base/hash.h"
#include "base/str.h"
#include "base/ticks.h"

#include <criterion/criterion.h>

static const char *text(struct wr_buf *buf)
{
    wr_buf_char(buf, '\0');
    return buf->data;
}

Test(ticks, a_datetime_prints_seven_digits_and_reads_back)
{
    int64_t t;
    const char *iso = "2026-01-05T08:12:13.600616Z";
    cr_assert(wr_ticks_parse_iso(iso, strlen(iso), &t));
    struct wr_buf b = {0};
    wr_ticks_datetime(&b, t);
    cr_expect_str_eq(text(&b), "2026-01-05T08:12:13.6006160Z");
    wr_buf_fini(&b);
}

Test(ticks, zone_is_applied_and_nonsense_refused)
{
    int64_t a, b;
    cr_assert(wr_ticks_parse_iso("2026-11-23T22:14:15+01:00", 25, &a));
    cr_assert(wr_ticks_parse_iso("2026-11-23T21:14:15Z", 20, &b));
    cr_expect_eq(a, b);
    cr_expect_not(wr_ticks_parse_iso("2026-02-30", 10, &a));
    cr_expect_not(wr_ticks_parse_iso("2026-11-23T25:00", 16, &a));
    cr_expect_not(wr_ticks_parse_iso("", 0, &a));
}

Test(ticks, last_tick_of_the_calendar)
{
    struct wr_civil c = wr_ticks_civil(WR_TICKS_MAX);
    cr_expect_eq(c.year, 9999);
    cr_expect_eq(c.month, 12);
    cr_expect_eq(c.day, 31);
    cr_expect_eq(c.fraction, 9999999);
}

Test(ticks, timespan_as_kusto_prints_it)
{
    struct wr_buf b = {0};
    wr_ticks_timespan(&b, -(WR_TICKS_DAY + 2 * WR_TICKS_HOUR + 5));
    cr_expect_str_eq(text(&b), "-1.02:00:00.0000005");
    wr_buf_fini(&b);
}

Test(str, short_and_long_compare_by_bytes)
{
    struct wr_str a = WR_STR_LIT("outlook.exe"), b = WR_STR_LIT("OUTLOOK.EXE");
    struct wr_str c = WR_STR_LIT("a string over twelve"), d = WR_STR_LIT("a string over twelvf");
    cr_expect_not(wr_str_eq(&a, &b));
    cr_expect(wr_str_eq_nocase(&a, &b));
    cr_expect(wr_str_eq(&c, &c));
    cr_expect_not(wr_str_eq(&c, &d));
    cr_expect_lt(wr_str_cmp(&c, &d), 0);
}

Test(utf8, overlong_surrogate_and_cut_are_invalid)
{
    cr_expect(wr_utf8_valid("gr\xc3\xbc\xc3\x9f", 6));
    cr_expect_not(wr_utf8_valid("\xc0\xaf", 2));
    cr_expect_not(wr_utf8_valid("\xed\xa0\x80", 3));
    cr_expect_not(wr_utf8_valid("\xe2\x82", 2));
    char out[9];
    size_t replaced;
    cr_expect_eq(wr_utf8_repair("a\xff", 2, out, &replaced), 4);
    cr_expect_eq(replaced, 1);
}

Test(json, nothing_reaches_a_terminal_unescaped)
{
    struct wr_buf b = {0};
    wr_json_str(&b, "a\"\x1b[2J\n\xc2\x9b\xff", 10);
    cr_expect_str_eq(text(&b), "\"a\\\"\\u001b[2J\\n\\u009b\xef\xbf\xbd\"");
    wr_buf_fini(&b);
}

Test(hash, published_vectors)
{
    uint8_t d[32];
    char hex[65];
    wr_sha256("abc", 3, d);
    wr_hex(d, 32, hex);
    cr_expect_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    cr_expect_eq(wr_crc32c(0, "123456789", 9), 0xe3069283u);
    cr_expect_eq(wr_crc32c(wr_crc32c(0, "1234", 4), "56789", 5), 0xe3069283u);
}

Test(rd, first_short_read_is_sticky)
{
    struct wr_buf b = {0};
    wr_buf_u16(&b, 0xbeef);
    wr_buf_u8(&b, 7);
    struct wr_rd rd = wr_rd_init(b.data, b.len);
    cr_expect_eq(wr_rd_u16(&rd), 0xbeef);
    cr_expect_eq(wr_rd_u32(&rd), 0);
    cr_expect_eq(wr_rd_u8(&rd), 0);
    cr_expect_eq(rd.err, WR_ETRUNC);
    wr_buf_fini(&b);
}

Test(diag, points_at_the_word_and_hints)
{
    static const char kql[] = "T\n| where AcountName == 1\n";
    struct wr_source src = {.name = "mail.kql", .text = kql, .len = sizeof kql - 1, .line0 = 1};
    struct wr_diags ds;
    cr_assert(wr_diags_init(&ds));
    struct wr_diag *d = wr_diag_add(&ds, WR_ERROR, &src, (struct wr_span){10, 10}, "no column '%s'", "AcountName");
    wr_diag_hint(&ds, d, "did you mean 'AccountName'?");
    struct wr_buf b = {0};
    wr_diags_print(&ds, &b);
    cr_expect_str_eq(text(&b), "mail.kql:2:9: error: no column 'AcountName'\n"
                               "    | where AcountName == 1\n"
                               "            ^~~~~~~~~~ did you mean 'AccountName'?\n");
    wr_buf_fini(&b);
    wr_diags_fini(&ds);
}

Test(buf, json_that_is_made_already_keeps_its_meaning_and_reaches_no_terminal)
{
    static const char in[] = "{\"a\":\"\x7f\xc2\x9b[31m\xe2\x80\xa8\xc3\xa4\",\n\"b\":\"\\u001b\\\"\"}", *const want =
        "{\"a\":\"\\u007f\\u009b[31m\\u2028\xc3\xa4\", \"b\":\"\\u001b\\\"\"}";
    struct wr_buf out = {0};
    wr_json_raw(&out, in, sizeof in - 1);
    wr_buf_char(&out, '\0');
    cr_assert_str_eq(out.data, want);
    wr_buf_fini(&out);
}
