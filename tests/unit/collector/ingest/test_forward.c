/* A Forward client's bytes: the golden vectors in every split, the handshake, acknowledgements, what is broken. */
#include "collector/ingest/forward.h"

#include "collector/sink/forward_wire.h"
#include "parsers/log/forward.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <zlib.h>
#include <zstd.h>

struct kit {
    struct wr_forward_listen config;
    struct wr_forward_conn *conn;
    struct wr_buf out, frames; /* frames: a line each */
    uint32_t nframes, bad, chunks;
};

static void on_frame(void *ctx, const char *text, size_t len)
{
    struct kit *k = ctx;
    wr_buf_add(&k->frames, text, len);
    wr_buf_char(&k->frames, '\n');
    k->nframes++;
}

static void on_bad(void *ctx)
{
    ((struct kit *)ctx)->bad++;
}

static struct kit open_kit(const char *key)
{
    struct kit k = {.config = {.shared_key = key, .self_hostname = "agg-1"}};
    return k;
}

static void start(struct kit *k)
{
    k->conn = wr_forward_conn_new(&k->config, &k->out);
    cr_assert_not_null(k->conn);
}

static void close_kit(struct kit *k)
{
    wr_forward_conn_free(k->conn);
    wr_buf_fini(&k->out);
    wr_buf_fini(&k->frames);
}

/* Bytes as they come, in pieces of `piece`; each piece is seen at another address. The last step's result. */
static enum wr_forward_step feed(struct kit *k, const uint8_t *data, size_t len, size_t piece)
{
    struct wr_forward_take take = {on_frame, on_bad, k};
    size_t at = 0, have = 0;
    enum wr_forward_step step = WR_FORWARD_MORE;
    while (have < len || step == WR_FORWARD_WORKED) {
        have = have + piece < len ? have + piece : len;
        do {
            size_t used = 0, n = have - at;
            bool chunk = false;
            uint8_t *copy = malloc(n + 1); /* freed: whoever kept a pointer is seen by the sanitizer */
            memcpy(copy, data + at, n);
            step = wr_forward_conn_step(k->conn, copy, n, &take, &used, &chunk, &k->out);
            if (chunk) {
                wr_forward_conn_wait(k->conn, 100 + k->chunks++);
                cr_assert(wr_forward_conn_waits(k->conn));
            }
            at += used;
            free(copy);
        } while (step == WR_FORWARD_WORKED && at < have);
        if (step == WR_FORWARD_BROKEN || step == WR_FORWARD_WAIT || have == len)
            break;
    }
    return step;
}

static size_t vector(const char *name, uint8_t *out)
{
    char path[512], line[2048], found[64], hex[1600];
    snprintf(path, sizeof path, "%s/tests/data/forward/vectors.txt", WR_SOURCE_DIR);
    FILE *f = fopen(path, "r");
    cr_assert(f, "%s", path);
    size_t n = 0, want = 0;
    while (n == 0 && fgets(line, sizeof line, f))
        if (line[0] != '#' && sscanf(line, "%63s %zu %1599s", found, &want, hex) == 3 && strcmp(found, name) == 0)
            for (; hex[2 * n] && sscanf(hex + 2 * n, "%2hhx", &out[n]) == 1; n++)
                ;
    fclose(f);
    cr_assert(n > 0 && n == want, "%s", name);
    return n;
}

#define RECORD "{\"@timestamp\":\"2023-11-14T22:13:20.1234567Z\",\"_tag\":\"weir.alert\",\"rule\":\"T1071.003\",\"count\":3}\n"
#define WHOLE "{\"@timestamp\":\"2023-11-14T22:13:20.0000000Z\",\"_tag\":\"weir.alert\",\"rule\":\"T1071.003\",\"count\":3}\n"

Test(forward, the_golden_vectors_in_every_split_give_their_entries_and_chunks)
{
    static const struct {
        const char *name, *frames;
        uint32_t chunks;
    } want[] = {
        {"message_min", RECORD, 0},        {"message", RECORD, 1},
        {"forward", RECORD, 1},            {"forward_nil_option", RECORD, 0},
        {"packed_bin", RECORD, 1},         {"packed_str", RECORD, 1},
        {"packed_2_entries", RECORD WHOLE, 1}, {"packed_array_time", RECORD, 1},
        {"packed_gzip", RECORD, 1},        {"packed_gzip_2_members", RECORD WHOLE, 1},
        {"packed_fluentd_style", RECORD, 1}, {"keepalive_nil", "", 0},
    };
    uint8_t bytes[1024];
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        size_t n = vector(want[i].name, bytes);
        for (size_t piece = 1; piece <= n; piece = piece < 8 ? piece + 1 : piece * 2) {
            struct kit k = open_kit(NULL);
            start(&k);
            enum wr_forward_step step = feed(&k, bytes, n, piece);
            cr_assert_neq(step, WR_FORWARD_BROKEN, "%s by %zu", want[i].name, piece);
            wr_buf_char(&k.frames, '\0');
            cr_expect_str_eq(k.frames.data, want[i].frames, "%s by %zu: %s", want[i].name, piece, k.frames.data);
            cr_expect_eq(k.chunks, want[i].chunks, "%s", want[i].name);
            cr_expect_eq(k.bad, 0);
            close_kit(&k);
        }
    }
}

/* The two modes that both have an array behind the tag: one record whose time has metadata (v1.5),
 * and entries, of which there are just two here. */
Test(forward, a_time_with_metadata_and_two_entries_are_told_apart)
{
    static const uint8_t tag[] = "\xaaweir.alert";
    enum { TAG = 11, TIME = 10 }; /* octets; an entry is 0x92, time, record */
    uint8_t entry[64], whole[64], bytes[256];
    size_t nentry = vector("entry", entry), nwhole = vector("entry_int_time", whole), n = 0;
    const size_t nrecord = nentry - 1 - TIME;
    bytes[n++] = 0x93;
    memcpy(bytes + n, tag, TAG), n += TAG;
    bytes[n++] = 0x92;
    memcpy(bytes + n, entry + 1, TIME), n += TIME;
    bytes[n++] = 0x80;
    memcpy(bytes + n, entry + 1 + TIME, nrecord), n += nrecord;
    const size_t single = n;
    bytes[n++] = 0x92;
    memcpy(bytes + n, tag, TAG), n += TAG;
    bytes[n++] = 0x92;
    memcpy(bytes + n, entry, nentry), n += nentry;
    memcpy(bytes + n, whole, nwhole), n += nwhole;
    for (size_t piece = 1; piece <= n; piece = piece < 8 ? piece + 1 : piece * 2) {
        struct kit k = open_kit(NULL);
        start(&k);
        cr_assert_neq(feed(&k, bytes, single, piece), WR_FORWARD_BROKEN);
        cr_assert_neq(feed(&k, bytes + single, n - single, piece), WR_FORWARD_BROKEN);
        wr_buf_char(&k.frames, '\0');
        cr_expect_str_eq(k.frames.data, RECORD RECORD WHOLE, "by %zu: %s", piece, k.frames.data);
        cr_expect_eq(k.bad, 0);
        close_kit(&k);
    }
}

Test(forward, a_chunk_is_acknowledged_byte_for_byte_once_its_rows_are_safe_and_not_before)
{
    uint8_t bytes[2048], ack[64], odd[64];
    size_t one = vector("packed_bin", bytes), two = vector("packed_fluentd_style", bytes + one);
    size_t nack = vector("ack", ack), nodd = vector("ack_newline", odd);
    struct kit k = open_kit(NULL);
    start(&k);
    feed(&k, bytes, one + two, 7);
    cr_assert_eq(k.chunks, 2);
    wr_forward_conn_safe(k.conn, 99, &k.out);
    cr_expect_eq(k.out.len, 0);
    wr_forward_conn_safe(k.conn, 100, &k.out);
    cr_expect(k.out.len == nack && !memcmp(k.out.data, ack, nack));
    wr_forward_conn_safe(k.conn, 500, &k.out);
    cr_expect(k.out.len == nack + nodd && !memcmp(k.out.data + nack, odd, nodd));
    cr_expect(!wr_forward_conn_waits(k.conn));
    close_kit(&k);
}

Test(forward, chunks_without_end_are_not_taken_while_none_is_safe)
{
    uint8_t bytes[1024];
    size_t n = vector("packed_bin", bytes);
    struct kit k = open_kit(NULL);
    start(&k);
    for (int i = 0; i < WR_FORWARD_MAX_ACKS; i++)
        cr_assert_neq(feed(&k, bytes, n, n), WR_FORWARD_BROKEN);
    cr_expect_eq(feed(&k, bytes, n, n), WR_FORWARD_WAIT);
    cr_expect_eq(k.nframes, WR_FORWARD_MAX_ACKS);
    wr_forward_conn_safe(k.conn, 1000, &k.out);
    cr_expect_neq(feed(&k, bytes, n, n), WR_FORWARD_WAIT);
    close_kit(&k);
}

/* weir's own sink greets weir's own source. */
static void shake(const char *key, const char *user, const char *password, bool good)
{
    struct kit k = open_kit("secret");
    k.config.users[0].name = "bob";
    k.config.users[0].password = "pw";
    k.config.nusers = user ? 1 : 0;
    start(&k);
    struct wr_forward_helo helo;
    size_t used = 0;
    cr_assert_eq(wr_forward_read_helo(k.out.data, k.out.len, &used, &helo), WR_OK);
    cr_expect_eq(used, k.out.len);
    cr_expect(helo.keepalive);
    struct wr_forward_login login = {"weir-1", "00112233445566778899aabbccddeeff", key, user ? user : "",
                                     password ? password : ""};
    struct wr_buf ping = {0};
    wr_forward_pack_ping(&ping, &helo, &login);
    wr_buf_reset(&k.out);
    enum wr_forward_step step = feed(&k, (const uint8_t *)ping.data, ping.len, 5);
    cr_expect_eq(step == WR_FORWARD_BROKEN, !good, "key %s user %s", key, user ? user : "none");
    char refusal[WR_FORWARD_REASON];
    cr_assert_eq(wr_forward_read_pong(k.out.data, k.out.len, &helo, &login, &used, refusal), WR_OK);
    cr_expect_eq(refusal[0] == '\0', good, "%s", refusal);
    if (good) {
        uint8_t bytes[1024];
        size_t n = vector("packed_bin", bytes);
        feed(&k, bytes, n, 9);
        cr_expect_eq(k.nframes, 1);
    }
    wr_buf_fini(&ping);
    close_kit(&k);
}

Test(forward, only_who_knows_the_key_and_is_a_user_gets_in)
{
    shake("secret", NULL, NULL, true);
    shake("wrong", NULL, NULL, false);
    shake("secret", "bob", "pw", true);
    shake("secret", "bob", "no", false);
    shake("secret", "eve", "pw", false);
    shake("wrong", "bob", "pw", false);
}

Test(forward, data_before_the_ping_is_not_read)
{
    uint8_t bytes[1024];
    size_t n = vector("packed_bin", bytes);
    struct kit k = open_kit("secret");
    start(&k);
    cr_expect_eq(feed(&k, bytes, n, n), WR_FORWARD_BROKEN);
    cr_expect_eq(k.nframes, 0);
    close_kit(&k);
    uint8_t long_ping[WR_FORWARD_MAX_PING + 64] = {0xc6, 0, 1, 0, 0};
    k = open_kit("secret");
    start(&k);
    cr_expect_eq(feed(&k, long_ping, sizeof long_ping, sizeof long_ping), WR_FORWARD_BROKEN);
    close_kit(&k);
}

#define B(text) text, sizeof(text) - 1

Test(forward, what_is_no_message_ends_the_connection_and_a_bad_entry_is_passed_over)
{
    static const struct {
        const char *bytes;
        size_t len;
        uint32_t frames, bad;
        bool broken;
    } cases[] = {
        {B("\xc1"), 0, 1, true},
        {B("\x93\x01\x02\x03"), 0, 1, true},                            /* no tag */
        {B("\x93\xa1t\xa1x\x81\xaa""compressed\xa3lz4"), 0, 1, true},  /* another compression */
        {B("\x93\xa1t\xa1x\x81\xaa""compressed\xa4zstd"), 0, 1, true}, /* none of it */
        {B("\x93\xa1t\xa0\x81\xaa""compressed\xa4zstd"), 0, 0, false}, /* of nothing */
        {B("\x92\xa1t\xc4\x03\x92\x00\x81"), 0, 1, true},               /* an entry that is cut */
        {B("\x92\xa1t\xc4\x07\x01\x92\x00\x81\xa1k\x05"), 1, 1, false}, /* a number, then an entry */
        {B("\x92\xa1t\x92\x92\x00\x80\x92\xc0\x80"), 1, 1, false},      /* the second has no time */
        {B("\x92\xa1t\x91\x92\xcb\x41\xd9\x54\xfc\x40\x00\x00\x00\x81\xa1k\x05"), 1, 0, false}, /* seconds as a real number */
        {B("\x93\xa1t\x00\x05"), 0, 1, true},                           /* the record is no map */
        {B("\x93\xa1t\xc4\x03" "abc\x81\xaa" "compressed\xa4gzip"), 0, 1, true},
        {B("\x93\xa1t\x91\x92\x00\x80\x81\xaa" "compressed\xa4gzip"), 0, 1, true}, /* only packed entries are */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct kit k = open_kit(NULL);
        start(&k);
        enum wr_forward_step step = feed(&k, (const uint8_t *)cases[i].bytes, cases[i].len, 3);
        cr_expect_eq(step == WR_FORWARD_BROKEN, cases[i].broken, "case %zu", i);
        cr_expect_eq(k.nframes, cases[i].frames, "case %zu: %u", i, k.nframes);
        cr_expect_eq(k.bad, cases[i].bad, "case %zu: %u", i, k.bad);
        close_kit(&k);
    }
}

/* The id goes back byte for byte with its own head, so there is room for just so many. */
Test(forward, an_id_of_256_octets_is_acknowledged_and_a_longer_one_is_refused)
{
    for (unsigned len = 250; len <= 300; len++) {
        uint8_t bytes[400] = "\x93\xa1t\xc4\x00\x81\xa5" "chunk\xc5";
        size_t head = 13, n = head;
        bytes[n++] = (uint8_t)(len >> 8), bytes[n++] = (uint8_t)len;
        memset(bytes + n, 'i', len), n += len;
        struct kit k = open_kit(NULL);
        start(&k);
        const bool fits = 3 + len <= 256;
        cr_expect_eq(feed(&k, bytes, n, 7) == WR_FORWARD_BROKEN, !fits, "%u octets", len);
        cr_expect_eq(k.chunks, fits);
        cr_expect_eq(k.bad, !fits);
        wr_forward_conn_safe(k.conn, UINT64_MAX, &k.out);
        cr_expect(!fits || (k.out.len == 5 + 3 + len && memcmp(k.out.data + 5, bytes + head - 1, 3 + len) == 0));
        close_kit(&k);
    }
}

Test(forward, a_record_that_is_a_text_is_that_text)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *frame;
    } cases[] = {
        {B("\x93\xa1t\x00\x81\xa3log\xa4" "a \"b"), "a \"b\n"},
        {B("\x93\xa1t\x00\x82\xa7MESSAGE\xa5<13>x\xa1h\x01"), "<13>x\n"},
        {B("\x93\xa1t\x00\x84\xa3log\xa2{}\xa1" "a\x01\xa1" "b\x02\xa1" "c\xcb\x7f\xf0\0\0\0\0\0\0"), "NaN"},
        {B("\x93\xa1t\x00\x80"), "{\"@timestamp\":\"1970-01-01T00:00:00.0000000Z\",\"_tag\":\"t\"}\n"},
        {B("\x93\xa1t\x00\x84\xa1" "a\xd3\x80\0\0\0\0\0\0\0\x01\xc3\xa1" "b\x91\xc0\xa1" "c\xc4\x01\xff"),
         "{\"@timestamp\":\"1970-01-01T00:00:00.0000000Z\",\"_tag\":\"t\",\"a\":-9223372036854775808,\"1\":true,\"b\":[null],\"c\":\"\xef\xbf\xbd\"}\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct kit k = open_kit(NULL);
        start(&k);
        cr_assert_neq(feed(&k, (const uint8_t *)cases[i].bytes, cases[i].len, 64), WR_FORWARD_BROKEN, "case %zu", i);
        wr_buf_char(&k.frames, '\0');
        if (strcmp(cases[i].frame, "NaN"))
            cr_expect_str_eq(k.frames.data, cases[i].frame, "case %zu: %s", i, k.frames.data);
        else
            cr_expect_str_eq(k.frames.data, "{}\n"); /* the text is a message by itself */
        close_kit(&k);
    }
}

Test(forward, what_inflates_too_far_is_refused)
{
    static uint8_t zeros[1 << 20];
    uint8_t *packed = malloc(4 << 20);
    z_stream z = {.next_out = packed, .avail_out = 4 << 20};
    cr_assert_eq(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    for (int i = 0; i < 65; i++) {
        z.next_in = zeros;
        z.avail_in = sizeof zeros;
        cr_assert_eq(deflate(&z, i == 64 ? Z_FINISH : Z_NO_FLUSH), i == 64 ? Z_STREAM_END : Z_OK);
    }
    struct wr_buf out = {0};
    cr_expect_eq(wr_forward_inflate(WR_FORWARD_GZIP, packed, z.total_out, WR_FORWARD_MAX_INFLATED, &out), WR_ELIMIT);
    wr_buf_fini(&out);
    cr_expect_eq(wr_forward_inflate(WR_FORWARD_GZIP, packed, z.total_out / 2, WR_FORWARD_MAX_INFLATED, &out), WR_EINVAL);
    cr_expect_leq(out.len, WR_FORWARD_MAX_INFLATED);
    wr_buf_fini(&out);
    deflateEnd(&z);
    free(packed);
}

/* A packed message of `n` times one entry in each of `frames` frames of zstd. */
static size_t zstd_message(uint32_t n, uint32_t frames, int level, uint8_t *out, size_t cap)
{
    static const char entry[] = "\x92\x00\x81\xa1k\x05", option[] = "\x81\xaa" "compressed\xa4zstd";
    struct wr_buf plain = {0};
    size_t body = 0, head = 8;
    for (uint32_t i = 0; i < n; i++)
        wr_buf_add(&plain, entry, sizeof entry - 1);
    for (uint32_t f = 0; f < frames; f++)
        body += ZSTD_compress(out + head + body, cap - head - body - sizeof option, plain.data, plain.len, level);
    const uint8_t begin[] = {0x93, 0xa1, 't', 0xc6, (uint8_t)(body >> 24), (uint8_t)(body >> 16), (uint8_t)(body >> 8), (uint8_t)body};
    memcpy(out, begin, sizeof begin);
    memcpy(out + head + body, option, sizeof option - 1);
    wr_buf_fini(&plain);
    return head + body + sizeof option - 1;
}

static uint8_t zstd_bytes[1 << 20];

Test(forward, zstd_of_one_and_of_several_frames)
{
    for (uint32_t frames = 1; frames <= 3; frames++) {
        size_t n = zstd_message(70000, frames, 3, zstd_bytes, sizeof zstd_bytes); /* 420,000 bytes a frame: several steps */
        struct kit k = open_kit(NULL);
        start(&k);
        cr_assert_neq(feed(&k, zstd_bytes, n, 1000), WR_FORWARD_BROKEN);
        cr_expect_eq(k.nframes, 70000 * frames, "%u", k.nframes);
        close_kit(&k);
    }
}

Test(forward, zstd_that_is_cut_is_refused_whole)
{
    struct wr_buf out = {0};
    size_t n = zstd_message(70000, 1, 3, zstd_bytes, sizeof zstd_bytes) - 8 - 17;
    for (size_t len = 1; len < n; len += 7) {
        wr_buf_reset(&out);
        cr_expect_eq(wr_forward_inflate(WR_FORWARD_ZSTD, zstd_bytes + 8, len, WR_FORWARD_MAX_INFLATED, &out), WR_EINVAL, "%zu", len);
    }
    cr_expect_eq(wr_forward_inflate(WR_FORWARD_ZSTD, zstd_bytes + 8, n, 1000, &out), WR_ELIMIT);
    wr_buf_fini(&out);
}

Test(forward, zstd_that_grows_beyond_the_bound_is_refused)
{
    size_t n = zstd_message(12000000, 1, 1, zstd_bytes, sizeof zstd_bytes); /* 72 MB */
    cr_assert_lt(n, 100000);
    struct kit k = open_kit(NULL);
    start(&k);
    cr_expect_eq(feed(&k, zstd_bytes, n, 100000), WR_FORWARD_BROKEN);
    cr_expect_eq(k.nframes, 0);
    cr_expect_eq(k.bad, 1);
    close_kit(&k);
}
