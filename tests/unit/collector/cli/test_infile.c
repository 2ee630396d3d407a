#include "collector/cli/infile.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum wr_err sniff(const void *data, size_t len, enum wr_infile_kind *kind, char *why, size_t size)
{
    struct wr_buf error = {0};
    enum wr_err err = wr_infile_sniff(data, len, kind, &error);
    snprintf(why, size, "%.*s", (int)error.len, error.len ? error.data : "");
    wr_buf_fini(&error);
    return err;
}

Test(infile, kind_is_found_by_content)
{
    static const struct {
        const char *bytes;
        size_t len;
        enum wr_infile_kind kind;
    } cases[] = {
        {"", 0, WR_INFILE_TEXT},
        {"{\"a\":1}\n", 8, WR_INFILE_TEXT},
        {"<34>Oct 11 22:14:15 mymachine su: x\n", 36, WR_INFILE_TEXT},
        {"\0\x0a\0\x10\0\0\0\0\0\0\0\0\0\0\0\0", 16, WR_INFILE_MESSAGE},
        {"\0\x0a\0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\x0a", 18, WR_INFILE_IPFIX},
        {"\0\x09\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24, WR_INFILE_MESSAGE},
        {"\0\x05\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24, WR_INFILE_MESSAGE},
    };
    char why[200];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum wr_infile_kind kind = WR_INFILE_TRAFFIC;
        cr_assert_eq(sniff(cases[i].bytes, cases[i].len, &kind, why, sizeof why), WR_OK, "case %zu: %s", i, why);
        cr_assert_eq(kind, cases[i].kind, "case %zu is %d", i, kind);
        cr_assert_str_eq(why, "");
    }
}

Test(infile, what_it_is_not_is_said)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *why;
    } cases[] = {
        {"\x1f\x8b\x08\0", 4, "compressed with gzip: give `zcat FILE |` and - as the file"},
        {"BZh9text", 8, "compressed with bzip2: give `bzcat FILE |` and - as the file"},
        {"\xff\xfe{\0", 4, "UTF-16 text: convert it with `iconv -f UTF-16 -t UTF-8`"},
        {"\0\1", 2, "not a capture, IPFIX file or text: first bytes 00 01"},
        {"\0\x05\0\x01", 4, "not a capture, IPFIX file or text: first bytes 00 05 00 01"},
    };
    char why[200];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum wr_infile_kind kind;
        cr_assert_eq(sniff(cases[i].bytes, cases[i].len, &kind, why, sizeof why), WR_EUNSUPPORTED, "case %zu", i);
        cr_assert_str_eq(why, cases[i].why);
    }
}

static void put(const char *path, const void *bytes, size_t len)
{
    FILE *f = fopen(path, "wb");
    cr_assert(f);
    cr_assert_eq(fwrite(bytes, 1, len, f), len);
    fclose(f);
}

static struct wr_infile opened(const char *path)
{
    struct wr_infile in;
    struct wr_buf error = {0};
    cr_assert_eq(wr_infile_open(&in, path, 7, &error), WR_OK);
    cr_assert_eq(error.len, 0);
    wr_buf_fini(&error);
    return in;
}

Test(infile, ipfix_file_is_cut_into_its_messages)
{
    char path[] = "/tmp/weir-infile-XXXXXX";
    close(mkstemp(path));
    static const char two[] = "\0\x0a\0\x10\x69\x5b\x74\0\0\0\0\0\0\0\0\1"
                              "\0\x0a\0\x10\x69\x5b\x74\x01\0\0\0\1\0\0\0\1"
                              "\0\x0a\0\x20";
    put(path, two, sizeof two - 1);
    struct wr_infile in = opened(path);
    struct wr_unit unit;
    cr_assert(wr_infile_next(&in, &unit));
    cr_assert_eq(unit.kind, WR_UNIT_MESSAGE);
    cr_assert_eq(unit.len, 16);
    cr_assert_eq(unit.time_ns, INT64_C(0x695b7400) * 1000000000);
    cr_assert_eq(unit.peer.session, 7);
    cr_assert(wr_infile_next(&in, &unit));
    cr_assert_eq(unit.time_ns, INT64_C(0x695b7401) * 1000000000);
    cr_assert_not(wr_infile_next(&in, &unit));
    wr_buf_char(&in.damage, '\0');
    cr_assert_str_eq(in.damage.data, "the file ends inside the message at byte 32");
    wr_infile_close(&in);
    unlink(path);
}

Test(infile, text_is_cut_into_lines_and_its_mark_left_out)
{
    char path[] = "/tmp/weir-infile-XXXXXX";
    close(mkstemp(path));
    static const char text[] = "\xef\xbb\xbf{\"a\":1}\n<13>two\nlast without an end";
    put(path, text, sizeof text - 1);
    struct wr_infile in = opened(path);
    static const char *const lines[] = {"{\"a\":1}", "<13>two", "last without an end"};
    struct wr_unit unit;
    for (size_t i = 0; i < 3; i++) {
        cr_assert(wr_infile_next(&in, &unit), "line %zu", i);
        cr_assert_eq(unit.len, strlen(lines[i]), "line %zu: '%.*s'", i, (int)unit.len, unit.data);
        cr_assert_arr_eq(unit.data, lines[i], unit.len);
    }
    cr_assert_not(wr_infile_next(&in, &unit));
    wr_infile_close(&in);
    unlink(path);
}

Test(infile, traffic_is_packets_with_their_times)
{
    struct wr_infile in = opened(WR_SOURCE_DIR "/tests/data/mail/lab.pcap");
    cr_assert_eq(in.kind, WR_INFILE_TRAFFIC);
    struct wr_unit unit;
    int64_t last = 0;
    uint32_t n = 0;
    for (; wr_infile_next(&in, &unit); n++) {
        cr_assert_eq(unit.kind, WR_UNIT_PACKET);
        cr_assert_geq(unit.time_ns, last);
        last = unit.time_ns;
    }
    cr_assert_gt(n, 1000);
    cr_assert_eq(in.units, n);
    wr_infile_close(&in);
}
