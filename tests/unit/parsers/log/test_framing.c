/* Framing of byte streams: the same frames however the bytes arrive, and every byte counted. */
#include "support.h"

#include "base/buf.h"

static void check_bytes(const struct wr_framing *f, size_t consumed)
{
    cr_assert_eq(f->stats.bytes, consumed);
    cr_assert_eq(f->stats.bytes, f->stats.frame_bytes + f->stats.framing_bytes + f->stats.filler_bytes +
                                     f->stats.skipped_bytes);
}

/* Hands `data` over in pieces: first `first` bytes, then steps of `step`. Frames are joined with '|'. */
static void frames(struct wr_framing *f, const char *data, size_t len, size_t first, size_t step,
                   struct wr_buf *out)
{
    size_t at = 0, have = first < len ? first : len;
    for (;;) {
        const char *frame;
        size_t n, took = wr_framing_next(f, data + at, have - at, have == len, &frame, &n);
        at += took;
        if (frame) {
            wr_buf_add(out, frame, n);
            wr_buf_char(out, '|');
        }
        if (took)
            continue;
        if (have == len)
            break;
        have = len - have < step ? len : have + step;
    }
    cr_assert_eq(at, len);
    check_bytes(f, len);
    wr_buf_char(out, '\0');
}

struct stream_case {
    const char *bytes, *want;
    uint64_t octet, line, json, wrong;
};

static const struct stream_case streams[] = {
    {"<13>a\n<14>b\r\n<15>c", "<13>a|<14>b|<15>c|", 0, 3, 0, 0},
    {"5 <13>a7 <14>b\nc\n<15>d\n", "<13>a|<14>b\nc|<15>d|", 2, 1, 0, 0},
    {"6 <13>a\n6 <14>b\n", "<13>a\n|<14>b\n|", 2, 0, 0, 0},
    {"2026 Nov 23 text\n", "2026 Nov 23 text|", 0, 1, 0, 0},
    {"17 little piggies\n", "17 little piggies|", 0, 1, 0, 0},
    {"{\"a\":1}{\"a\":\"}\\\"{\"}\n[{\"b\":2}]", "{\"a\":1}|{\"a\":\"}\\\"{\"}|[{\"b\":2}]|", 0, 0, 3, 0},
    {"{\n  \"a\": [1,\n {}]\n}\n<13>x\n", "{\n  \"a\": [1,\n {}]\n}|<13>x|", 0, 1, 1, 0},
    {"7 {\"a\":1}8 CEF:0|a\n", "{\"a\":1}|CEF:0|a\n|", 2, 0, 0, 0},
    {"[error] disk\n{thread} x\n<13>y\n", "[error] disk|{thread} x|<13>y|", 0, 3, 0, 0},
    {"{\"cut\":\"str\n{\"a\":1}\n", "{\"cut\":\"str|{\"a\":1}|", 0, 1, 1, 0},
    {"{\"cut\":1,\n{\"a\":1}\n", "{\"cut\":1,|{\"a\":1}|", 0, 1, 1, 0},
    {"{\"cut\":\n<13>b\n", "{\"cut\":|<13>b|", 0, 2, 0, 0},
    {"<13>a\0<14>b\0\n  <15>c\n", "<13>a|<14>b|<15>c|", 0, 3, 0, 0},
    {"0 <13>a\n007 <13>b\n", "0 <13>a|007 <13>b|", 0, 2, 0, 0},
    {"12345678 <13>a\n", "12345678 <13>a|", 0, 1, 0, 0},
    /* lines and counts behind one relay */
    {"<13>a\n6 <14>bc<15>d\n7 <16>xyz<191>e\n", "<13>a|<14>bc|<15>d|<16>xyz|<191>e|", 2, 3, 0, 0},
};

Test(framing, a_stream_gives_the_same_frames_at_every_split)
{
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
        const struct stream_case *c = &streams[i];
        size_t len = strlen(c->bytes);
        if (i == 12)
            len = 22; /* holds NULs */
        for (size_t cut = 0; cut <= len + 1; cut++) {
            struct wr_framing f = {0};
            struct wr_buf out = {0};
            frames(&f, c->bytes, len, cut > len ? 1 : cut, cut > len ? 1 : len, &out);
            cr_expect_str_eq(out.data, c->want, "split at %zu: %s", cut, out.data);
            cr_expect_eq(f.stats.framed_octet, c->octet, "%s at %zu", c->bytes, cut);
            cr_expect_eq(f.stats.framed_line, c->line, "%s at %zu", c->bytes, cut);
            cr_expect_eq(f.stats.framed_json, c->json, "%s at %zu", c->bytes, cut);
            cr_expect_eq(f.stats.octet_count_wrong, c->wrong);
            wr_buf_fini(&out);
        }
    }
}

Test(framing, a_wrong_count_falls_back_to_the_line_and_three_make_it_text)
{
    static const char bytes[] = "3 <13>one\n41 <13>two\n<13>three and more than forty in all\n"
                                "4 <13>four\n5 <13>five\n6 <13>six\n";
    struct wr_framing f = {0};
    struct wr_buf out = {0};
    frames(&f, bytes, sizeof bytes - 1, sizeof bytes - 1, 1, &out);
    cr_expect_str_eq(out.data,
                     "<13>one|<13>two|<13>three and more than forty in all|<13>four|<13>five|<13>six|");
    cr_expect_eq(f.stats.octet_count_wrong, 3);
    cr_expect(f.text_only);
    cr_expect_eq(f.stats.framed_octet, 0);
    wr_buf_fini(&out);
}

Test(framing, a_wrong_count_loses_no_byte_at_any_split)
{
    static const char bytes[] = "3 <13>one\n400 <13>two\n5 <13>a{\"x\":1}\n";
    for (size_t cut = 0; cut < sizeof bytes; cut++) {
        struct wr_framing f = {0};
        struct wr_buf out = {0};
        frames(&f, bytes, sizeof bytes - 1, cut, 3, &out);
        cr_expect_eq(f.stats.skipped_bytes, 0);
        wr_buf_fini(&out);
    }
}

/* However slowly its line comes in, a wrong count is one, and wrong ones far from each other are
 * forgiven. */
Test(framing, a_wrong_count_counts_once_and_is_forgotten_after_64_frames)
{
    static const char slow[] = "5 <13>one and a half\n6 <14>ok\n";
    for (size_t cut = 8; cut < sizeof slow; cut++) { /* with the octet behind what it counts: before, it is a frame */
        struct wr_framing f = {0};
        struct wr_buf out = {0};
        frames(&f, slow, sizeof slow - 1, cut, 1, &out);
        cr_expect_eq(f.stats.octet_count_wrong, 1, "split at %zu: %lu", cut,
                     (unsigned long)f.stats.octet_count_wrong);
        cr_expect_eq(f.stats.framed_octet, 1);
        wr_buf_fini(&out);
    }
    struct wr_framing f = {0};
    struct wr_buf bytes = {0}, out = {0};
    for (int i = 0; i < 6; i++) {
        wr_buf_str(&bytes, "5 <13>one and a half\n");
        for (int k = 0; k < 64; k++)
            wr_buf_str(&bytes, "6 <14>ok");
    }
    frames(&f, bytes.data, bytes.len, bytes.len, 1, &out);
    cr_expect_eq(f.stats.octet_count_wrong, 6);
    cr_expect_eq(f.stats.framed_octet, 6 * 64);
    cr_expect_not(f.text_only);
    wr_buf_fini(&bytes);
    wr_buf_fini(&out);
}

Test(framing, an_oversize_frame_gives_its_beginning_and_the_next_frame_is_whole)
{
    static const char *const big[] = {"<13>0123456789abcdef\n<14>ok\n", "20 <13>0123456789abcdef<14>ok\n",
                                      "{\"a\":\"0123456789abcdef\"}\n<14>ok\n", "<13>012345\n<14>ok\n"};
    static const char *const want[] = {"<13>012345|<14>ok|", "<13>012345|<14>ok|", "{\"a\":\"0123|<14>ok|",
                                       "<13>012345|<14>ok|"};
    for (size_t i = 0; i < 4; i++)
        for (size_t cut = 0; cut < strlen(big[i]); cut++) {
            struct wr_framing f = {.max_frame = 10};
            struct wr_buf out = {0};
            frames(&f, big[i], strlen(big[i]), cut, 1, &out);
            cr_expect_str_eq(out.data, want[i], "%zu split at %zu: %s", i, cut, out.data);
            cr_expect_eq(f.stats.oversize_frames, 1);
            wr_buf_fini(&out);
        }
}

Test(framing, the_end_of_the_connection_delivers_what_came)
{
    static const char *const ends[] = {"40 <13>short", "<13>no newline", "{\"open\":", "12", "12 "};
    static const char *const want[] = {"<13>short|", "<13>no newline|", "{\"open\":|", "12|", "12 |"};
    for (size_t i = 0; i < 5; i++) {
        struct wr_framing f = {0};
        struct wr_buf out = {0};
        frames(&f, ends[i], strlen(ends[i]), 0, 1, &out);
        cr_expect_str_eq(out.data, want[i]);
        cr_expect_eq(f.stats.truncated_frames, i == 0);
        wr_buf_fini(&out);
    }
}

Test(framing, a_frame_of_a_megabyte_arrives_in_small_pieces_without_a_second_look)
{
    size_t len = 1024 * 1024 + 100;
    char *bytes = malloc(len);
    cr_assert(bytes);
    memset(bytes, 'x', len);
    memcpy(bytes, "<13>", 4);
    bytes[len - 50] = '\n';
    struct wr_framing f = {.max_frame = 2 * 1024 * 1024};
    struct wr_buf out = {0};
    frames(&f, bytes, len, 1, 100, &out);
    cr_expect_eq(f.stats.framed_line, 2);
    cr_expect_eq(f.stats.frame_bytes, len - 1);
    wr_buf_fini(&out);
    free(bytes);
}

Test(framing, a_datagram_splits_only_before_a_priority)
{
    static const char data[] = "<13>a\nmore\n<14>b\n\0";
    size_t pos = 0, n;
    const char *frame;
    cr_assert(wr_datagram_next(data, sizeof data - 1, &pos, &frame, &n));
    cr_expect_eq(n, 10);
    cr_assert(wr_datagram_next(data, sizeof data - 1, &pos, &frame, &n));
    cr_expect(n >= 5 && !memcmp(frame, "<14>b", 5));
    cr_expect_not(wr_datagram_next(data, sizeof data - 1, &pos, &frame, &n));
}

Test(framing, a_datagram_of_json_values_splits_between_them)
{
    static const char data[] = "{\"a\":\"\\n<1\"}\n{\"b\":1}\n";
    size_t pos = 0, n;
    const char *frame;
    cr_assert(wr_datagram_next(data, sizeof data - 1, &pos, &frame, &n));
    cr_expect_eq(n, 12);
    cr_assert(wr_datagram_next(data, sizeof data - 1, &pos, &frame, &n));
    cr_expect_eq(n, 7);
    cr_expect(!memcmp(frame, "{\"b\":1}", 7));
    static const char trailing[] = "{\"a\":1} and text";
    pos = 0;
    cr_assert(wr_datagram_next(trailing, sizeof trailing - 1, &pos, &frame, &n));
    cr_expect_eq(n, sizeof trailing - 1);
}
