#include "collector/ingest/tail_file.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[64];
static int out;

static void setup(void)
{
    strcpy(path, "/tmp/weir-tail-XXXXXX");
    out = mkstemp(path);
    cr_assert(out >= 0);
}

static void teardown(void)
{
    close(out);
    unlink(path);
}

static void put(const char *text)
{
    cr_assert_eq(write(out, text, strlen(text)), (ssize_t)strlen(text));
}

/* What comes next, as "a|b|": read until there is nothing. */
static const char *all(struct wr_tail_file *f, bool eof)
{
    static char text[4096];
    const char *frame;
    size_t len;
    *text = '\0';
    do
        while (wr_tail_file_next(f, eof, &frame, &len))
            snprintf(text + strlen(text), sizeof text - strlen(text), "%.*s|",
                     (int)(len > 100 ? 100 : len), frame);
    while (wr_tail_file_read(f) == WR_TAIL_BYTES);
    wr_tail_file_settle(f);
    return text;
}

static struct wr_tail_file opened(const struct wr_filepos *known)
{
    struct wr_tail_file f;
    cr_assert_eq(wr_tail_file_open(&f, path, known), 0);
    return f;
}

TestSuite(tail_file, .init = setup, .fini = teardown);

Test(tail_file, last_line_waits_for_its_end)
{
    put("one\ntw");
    struct wr_tail_file f = opened(NULL);
    cr_assert_str_eq(all(&f, false), "one|");
    cr_assert_eq(f.pos.at, 4, "the position is where the unfinished line begins");
    put("o\nthree");
    cr_assert_str_eq(all(&f, false), "two|");
    cr_assert_str_eq(all(&f, true), "three|");
    wr_tail_file_close(&f);
}

Test(tail_file, goes_on_where_it_was_settled)
{
    put("one\ntwo\nthr");
    struct wr_tail_file f = opened(NULL);
    (void)all(&f, false);
    struct wr_filepos known = f.pos;
    wr_tail_file_close(&f);
    put("ee\nfour\n");
    f = opened(&known);
    cr_assert_str_eq(all(&f, false), "three|four|");
    wr_tail_file_close(&f);
}

Test(tail_file, another_file_with_the_same_inode_is_read_from_its_begin)
{
    put("one\ntwo\n");
    struct wr_tail_file f = opened(NULL);
    (void)all(&f, false);
    struct wr_filepos known = f.pos;
    wr_tail_file_close(&f);
    cr_assert_eq(ftruncate(out, 0), 0);
    lseek(out, 0, SEEK_SET);
    put("an other, and longer than the first\n");
    f = opened(&known);
    cr_assert_str_eq(all(&f, false), "an other, and longer than the first|");
    wr_tail_file_close(&f);
}

Test(tail_file, sees_that_it_was_cut_even_when_it_is_longer_again)
{
    put("one\ntwo\nhal");
    struct wr_tail_file f = opened(NULL);
    (void)all(&f, false);
    cr_assert_eq(ftruncate(out, 0), 0);
    cr_assert_eq(wr_tail_file_read(&f), WR_TAIL_OVERWRITTEN);
    lseek(out, 0, SEEK_SET);
    put("ONE\nTWO\nTHREE\nFOUR\n");
    cr_assert_eq(wr_tail_file_read(&f), WR_TAIL_OVERWRITTEN, "by its first bytes");
    const char *frame;
    size_t len;
    cr_assert(wr_tail_file_next(&f, true, &frame, &len), "what was pending is a message");
    cr_assert_eq(len, 3);
    wr_tail_file_restart(&f);
    cr_assert_str_eq(all(&f, false), "ONE|TWO|THREE|FOUR|");
    cr_assert_eq(f.pos.at, 19);
    wr_tail_file_close(&f);
}

Test(tail_file, passes_over_the_holes_that_copytruncate_leaves)
{
    struct wr_tail_file f = opened(NULL);
    cr_assert_eq(ftruncate(out, 100000),
                 0); /* the writer did not append: it went on at its old place */
    lseek(out, 0, SEEK_END);
    put("after the hole\n");
    cr_assert_str_eq(all(&f, false), "after the hole|");
    cr_assert_eq(f.framing.stats.filler_bytes, 100000);
    wr_tail_file_close(&f);
}

Test(tail_file, a_line_without_end_is_cut_and_its_rest_passed_over_after_a_restart_too)
{
    char *big = malloc(1200001);
    memset(big, 'x', 1200000);
    big[1200000] = '\0';
    put(big);
    struct wr_tail_file f = opened(NULL);
    const char *frame;
    size_t len = 0;
    while (wr_tail_file_read(&f) == WR_TAIL_BYTES)
        ;
    cr_assert(wr_tail_file_next(&f, false, &frame, &len));
    cr_assert_eq(len, 1 << 20);
    wr_tail_file_settle(&f);
    struct wr_filepos known = f.pos;
    cr_assert_eq(known.skip, UINT64_MAX);
    wr_tail_file_close(&f);
    put("still it\nnext\n");
    f = opened(&known);
    cr_assert_str_eq(all(&f, false), "next|");
    wr_tail_file_close(&f);
    free(big);
}

Test(tail_file, digits_at_the_begin_are_no_octet_count)
{
    put("5 <abc> and more\n2026 [error] full\n");
    struct wr_tail_file f = opened(NULL);
    cr_assert_str_eq(all(&f, false), "5 <abc> and more|2026 [error] full|");
    wr_tail_file_close(&f);
}

Test(tail_file, from_the_end_begins_with_the_next_line)
{
    put("old\nhalf a line");
    struct wr_tail_file f = opened(NULL);
    cr_assert_eq(wr_tail_file_to_end(&f), 0);
    put(" and its rest\nnew\n");
    cr_assert_str_eq(all(&f, false), "new|");
    wr_tail_file_close(&f);
}

Test(tail_file, unread_gives_the_same_again)
{
    put("one\n{\"a\":1}\nthree\n");
    struct wr_tail_file f = opened(NULL);
    const char *frame;
    size_t len;
    cr_assert_eq(wr_tail_file_read(&f), WR_TAIL_BYTES);
    struct wr_framing before = f.framing;
    while (wr_tail_file_next(&f, false, &frame, &len))
        ;
    wr_tail_file_unread(&f, &before);
    cr_assert_str_eq(all(&f, false), "one|{\"a\":1}|three|");
    wr_tail_file_close(&f);
}

Test(tail_file, what_is_no_growing_file_is_refused)
{
    struct wr_tail_file f;
    cr_assert_eq(wr_tail_file_open(&f, "/tmp", NULL), -EISDIR);
    cr_assert_eq(wr_tail_file_open(&f, "/dev/null", NULL), -EINVAL);
    cr_assert_eq(wr_tail_file_open(&f, "/nowhere/x", NULL), -ENOENT);
    put("\x1f\x8b\x08 gzip");
    cr_assert_eq(wr_tail_file_open(&f, path, NULL), -EILSEQ);
    cr_assert_eq(f.fd, -1);
}
