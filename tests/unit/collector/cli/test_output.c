#include "collector/cli/output.h"

#include "base/ticks.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <unistd.h>

static const struct wr_coldef cols[] = {
    {"Name", WR_STRING, 0, false, false},   {"Port", WR_INT, 1, false, false},
    {"Ratio", WR_REAL, 2, false, false},    {"Seen", WR_DATETIME, 3, false, false},
    {"For", WR_TIMESPAN, 4, false, false},  {"Bag", WR_DYNAMIC, 5, false, false},
    {"Ok", WR_BOOL, 6, false, false},       {"Same", WR_INT, 1, false, false},
};
static const struct wr_schema schema = {"result", cols, 8};

static struct wr_batch *two_rows(const char *name)
{
    struct wr_colset all = wr_colset_all(&schema);
    struct wr_batch *b = wr_batch_new(&schema, &all, 3);
    uint32_t r = wr_batch_row(b);
    cr_assert(wr_batch_set_str(b, 0, r, name, strlen(name)));
    wr_batch_set_i64(b, 1, r, -587);
    wr_batch_set_real(b, 2, r, 0.1);
    wr_batch_set_i64(b, 3, r, WR_TICKS_UNIX_EPOCH + 5);
    wr_batch_set_i64(b, 4, r, -(WR_TICKS_DAY + WR_TICKS_SECOND));
    cr_assert(wr_batch_set_str(b, 5, r, "{\"a\":1}", 7));
    wr_batch_set_i64(b, 6, r, 1);
    r = wr_batch_row(b); /* not selected */
    wr_batch_set_i64(b, 1, r, 1);
    r = wr_batch_row(b); /* every cell null but the real */
    wr_batch_set_real(b, 2, r, NAN);
    wr_batch_seal(b);
    b->sel.row[1] = 2;
    b->sel.n = 2;
    return b;
}

static struct wr_buf formatted(const char *name, enum wr_format format)
{
    struct wr_batch *b = two_rows(name);
    struct wr_result result = {&schema, &b, 1};
    struct wr_out out;
    wr_out_init(&out, -1);
    cr_assert_eq(wr_output_result(&result, format, &out), WR_OK);
    wr_batch_free(b);
    wr_buf_char(&out.buf, '\0');
    return out.buf;
}

Test(output, json_has_typed_columns_and_cells_in_order)
{
    struct wr_buf got = formatted("a \"b\"\n", WR_FORMAT_JSON);
    cr_assert_str_eq(got.data,
                     "{\"columns\":[{\"name\":\"Name\",\"type\":\"string\"},{\"name\":\"Port\",\"type\":\"int\"},"
                     "{\"name\":\"Ratio\",\"type\":\"real\"},{\"name\":\"Seen\",\"type\":\"datetime\"},"
                     "{\"name\":\"For\",\"type\":\"timespan\"},{\"name\":\"Bag\",\"type\":\"dynamic\"},"
                     "{\"name\":\"Ok\",\"type\":\"bool\"},{\"name\":\"Same\",\"type\":\"int\"}],\"rows\":[\n"
                     "[\"a \\\"b\\\"\\n\",-587,0.1,\"1970-01-01T00:00:00.0000005Z\",\"-1.00:00:01\",{\"a\":1},true,-587],\n"
                     "[\"\",null,\"NaN\",null,null,null,null,null]]}\n");
    wr_buf_fini(&got);
}

Test(output, jsonl_is_an_object_a_row)
{
    struct wr_buf got = formatted("x", WR_FORMAT_JSONL);
    cr_assert_str_eq(got.data, "{\"Name\":\"x\",\"Port\":-587,\"Ratio\":0.1,\"Seen\":\"1970-01-01T00:00:00.0000005Z\","
                               "\"For\":\"-1.00:00:01\",\"Bag\":{\"a\":1},\"Ok\":true,\"Same\":-587}\n"
                               "{\"Name\":\"\",\"Port\":null,\"Ratio\":\"NaN\",\"Seen\":null,\"For\":null,\"Bag\":null,"
                               "\"Ok\":null,\"Same\":null}\n");
    wr_buf_fini(&got);
}

Test(output, csv_quotes_what_rfc_4180_asks_for)
{
    struct wr_buf got = formatted("say \"hi\", you\r\n", WR_FORMAT_CSV);
    cr_assert_str_eq(got.data, "Name,Port,Ratio,Seen,For,Bag,Ok,Same\r\n"
                               "\"say \"\"hi\"\", you\r\n\",-587,0.1,1970-01-01T00:00:00.0000005Z,-1.00:00:01,"
                               "\"{\"\"a\"\":1}\",true,-587\r\n"
                               ",,NaN,,,,,\r\n");
    wr_buf_fini(&got);
}

Test(output, table_aligns_and_lets_nothing_act_on_a_terminal)
{
    struct wr_buf got = formatted("\x1b[2Jo\nk", WR_FORMAT_TABLE);
    cr_assert_str_eq(got.data,
                     "Name           Port  Ratio  Seen                          For          Bag      Ok    Same\n"
                     "-------------  ----  -----  ----------------------------  -----------  -------  ----  ----\n"
                     "\\x1b[2Jo\\x0ak  -587    0.1  1970-01-01T00:00:00.0000005Z  -1.00:00:01  {\"a\":1}  true  -587\n"
                     "                       NaN                                                                \n");
    wr_buf_fini(&got);
}

Test(output, no_rows_is_still_a_result)
{
    struct wr_result result = {&schema, NULL, 0};
    struct wr_out out;
    wr_out_init(&out, -1);
    cr_assert_eq(wr_output_result(&result, WR_FORMAT_JSON, &out), WR_OK);
    wr_buf_char(&out.buf, '\0');
    cr_assert(strstr(out.buf.data, "\"rows\":[]}\n"));
    wr_buf_fini(&out.buf);
}

Test(out, reader_that_has_gone_is_no_error)
{
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    signal(SIGPIPE, SIG_IGN);
    close(ends[0]);
    struct wr_out out;
    wr_out_init(&out, ends[1]);
    wr_buf_str(&out.buf, "text");
    cr_assert_not(wr_out_flush(&out));
    cr_assert_eq(wr_out_fini(&out, 0), 0);
    close(ends[1]);
}

Test(out, full_disk_is_told)
{
    int full = open("/dev/full", O_WRONLY);
    cr_assert_geq(full, 0);
    struct wr_out out;
    wr_out_init(&out, full);
    wr_buf_str(&out.buf, "text");
    cr_assert_eq(wr_out_fini(&out, 0), 1);
    close(full);
}
