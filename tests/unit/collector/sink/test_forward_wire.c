#include "base/ticks.h"
#include "collector/sink/forward_wire.h"
#include "collector/sink/record.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t vec[1024];
static size_t vec_len;

/* Loads one vector of tests/data/forward/vectors.txt. */
static void load(const char *name)
{
    FILE *f = fopen(WR_SOURCE_DIR "/tests/data/forward/vectors.txt", "r");
    cr_assert(f);
    static char line[4096], hex[2048];
    char got[64];
    size_t n;
    vec_len = 0;
    while (!vec_len && fgets(line, sizeof line, f))
        if (line[0] != '#' && sscanf(line, "%63s %zu %2047s", got, &n, hex) == 3 && strcmp(got, name) == 0)
            vec_len = n;
    fclose(f);
    cr_assert(vec_len && strlen(hex) == 2 * vec_len, "vector %s", name);
    for (size_t i = 0; i < vec_len; i++)
        sscanf(hex + 2 * i, "%2hhx", &vec[i]);
}

static void expect_vector(const struct wr_buf *b, const char *name)
{
    load(name);
    cr_expect_eq(b->len, vec_len, "%s: %zu bytes instead of %zu", name, b->len, vec_len);
    cr_expect(b->len == vec_len && memcmp(b->data, vec, vec_len) == 0, "%s", name);
}

static const char RECORD[] = "{\"rule\":\"T1071.003\",\"count\":3}";
static const char CHUNK[] = "AAECAwQFBgcICQoLDA0ODw==";
static const struct wr_forward_login ALICE = {"weir-1", "00112233445566778899aabbccddeeff", "secret", "", ""};
static const struct wr_forward_login BOB = {"weir-1", "00112233445566778899aabbccddeeff", "secret", "bob",
                                            "pw"};

/* The entry of the vectors; their time has a nanosecond more than ticks can say. */
static void add_entry(struct wr_buf *out)
{
    size_t at = out->len;
    cr_assert_eq(wr_record_entry(wr_ticks_of_unix_ns(1700000000123456700), RECORD, strlen(RECORD), out),
                 WR_OK);
    cr_assert(memcmp(out->data + at + 7, "\x07\x5b\xcc\xbc", 4) == 0); /* .123456700 */
    memcpy(out->data + at + 9, "\xcd\x15", 2);                         /* .123456789 */
}

Test(forward_wire, an_entry_is_the_vectors)
{
    struct wr_buf b = {0};
    add_entry(&b);
    expect_vector(&b, "entry");
    wr_buf_fini(&b);
}

Test(forward_wire, the_default_message_is_the_vectors)
{
    struct wr_buf entries = {0}, b = {0};
    add_entry(&entries);
    wr_forward_pack(&b, "weir.alert", entries.data, entries.len, 1, CHUNK);
    expect_vector(&b, "packed_bin");
    wr_buf_reset(&b);
    load("entry_int_time"); /* written by hand: weir never sends it */
    wr_buf_add(&entries, vec, vec_len);
    wr_forward_pack(&b, "weir.alert", entries.data, entries.len, 2, CHUNK);
    expect_vector(&b, "packed_2_entries");
    wr_buf_fini(&b);
    wr_buf_fini(&entries);
}

Test(forward_wire, without_acknowledgement_there_is_no_chunk_id)
{
    struct wr_buf b = {0};
    wr_forward_pack(&b, "t", "x", 1, 1, NULL);
    cr_expect_eq(b.len, 13);
    cr_expect(memcmp(b.data, "\x93\xa1t\xc4\x01x\x81\xa4size\x01", 13) == 0);
    wr_buf_fini(&b);
}

Test(forward_wire, a_chunk_id_is_of_its_content)
{
    char a[WR_FORWARD_ID + 1], b[WR_FORWARD_ID + 1];
    wr_forward_id("abc", 3, a); /* SHA-256 of "abc" starts ba7816bf 8f01cfea 414140de 5dae2223 */
    cr_expect_str_eq(a, "ungWv48Bz+pBQUDeXa4iIw==");
    wr_forward_id("abd", 3, b);
    cr_expect_str_neq(a, b);
}

static void expect_helo(const char *name, bool auth)
{
    struct wr_forward_helo helo;
    size_t used = 0;
    load(name);
    for (size_t n = 0; n < vec_len; n++)
        cr_assert_eq(wr_forward_read_helo(vec, n, &used, &helo), WR_ETRUNC, "%s at %zu", name, n);
    cr_assert_eq(wr_forward_read_helo(vec, vec_len, &used, &helo), WR_OK, "%s", name);
    cr_expect_eq(used, vec_len);
    cr_expect_eq(helo.nonce_len, 16);
    cr_expect_eq(helo.nonce[15], 0x0f);
    cr_expect_eq(helo.auth_len, auth ? 16 : 0);
    cr_expect(helo.keepalive);
    struct wr_buf b = {0};
    wr_forward_pack_ping(&b, &helo, &BOB);
    expect_vector(&b, auth ? "ping_user" : "ping_no_user"); /* who is not asked does not say */
    wr_buf_reset(&b);
    wr_forward_pack_ping(&b, &helo, &ALICE);
    expect_vector(&b, "ping_no_user");
    wr_buf_fini(&b);
}

Test(forward_wire, both_forms_of_helo_get_the_vectors_ping)
{
    expect_helo("helo_bin", true);
    expect_helo("helo_str", true);
    expect_helo("helo_no_auth", false);
}

static void pong(const char *name, const struct wr_forward_login *login, char *refusal)
{
    struct wr_forward_helo helo;
    size_t used;
    load("helo_bin");
    cr_assert_eq(wr_forward_read_helo(vec, vec_len, &used, &helo), WR_OK);
    load(name);
    for (size_t n = 0; n < vec_len; n++)
        cr_assert_eq(wr_forward_read_pong(vec, n, &helo, login, &used, refusal), WR_ETRUNC);
    cr_assert_eq(wr_forward_read_pong(vec, vec_len, &helo, login, &used, refusal), WR_OK);
    cr_expect_eq(used, vec_len);
}

Test(forward_wire, a_pong_is_believed_only_with_the_right_digest)
{
    char refusal[WR_FORWARD_REASON];
    pong("pong_ok", &ALICE, refusal);
    cr_expect_str_eq(refusal, "");
    struct wr_forward_login other = ALICE;
    other.shared_key = "Secret";
    pong("pong_ok", &other, refusal);
    cr_expect_str_eq(refusal, "the receiver does not know the shared key");
    other = ALICE;
    other.self = "agg-1";
    pong("pong_ok", &other, refusal);
    cr_expect(strstr(refusal, "self_hostname"));
    pong("pong_bad_key", &ALICE, refusal);
    cr_expect_str_eq(refusal, "shared_key mismatch");
}

Test(forward_wire, acknowledgements_may_come_in_one_read)
{
    char id[WR_FORWARD_ID + 1];
    size_t used;
    bool refused;
    load("ack_pair");
    cr_assert_eq(wr_forward_read_ack(vec, vec_len, &used, id, &refused), WR_OK);
    cr_expect_str_eq(id, CHUNK);
    cr_expect_not(refused);
    cr_assert_eq(wr_forward_read_ack(vec + used, vec_len - used, &used, id, &refused), WR_OK);
    cr_expect_str_eq(id, "EBESExQVFhcYGRobHB0eHw==");
    load("ack");
    for (size_t n = 0; n < vec_len; n++)
        cr_assert_eq(wr_forward_read_ack(vec, n, &used, id, &refused), WR_ETRUNC);
    load("ack_newline"); /* an id of 25 characters is not ours */
    cr_assert_eq(wr_forward_read_ack(vec, vec_len, &used, id, &refused), WR_OK);
    cr_expect_str_eq(id, "");
    load("nack_empty_map");
    cr_assert_eq(wr_forward_read_ack(vec, vec_len, &used, id, &refused), WR_OK);
    cr_expect(refused);
}

Test(forward_wire, answers_that_are_none_are_refused_at_once)
{
    struct wr_forward_helo helo;
    char id[WR_FORWARD_ID + 1];
    size_t used;
    bool refused;
    load("helo_bin");
    cr_expect_eq(wr_forward_read_ack(vec, vec_len, &used, id, &refused), WR_EINVAL);
    load("ack");
    cr_expect_eq(wr_forward_read_helo(vec, vec_len, &used, &helo), WR_EINVAL);
    /* a length that nobody could wait for: str32 of 4 GiB, array32, map32 of 2^32 - 1 */
    cr_expect_eq(wr_forward_read_ack("\x81\xdb\xff\xff\xff\xff", 6, &used, id, &refused), WR_EINVAL);
    cr_expect_eq(wr_forward_read_ack("\xdf\xff\xff\xff\xff", 5, &used, id, &refused), WR_EINVAL);
    cr_expect_eq(wr_forward_read_ack("\x81\xa1x\xdd\xff\xff\xff\xff", 8, &used, id, &refused), WR_EINVAL);
    cr_expect_eq(wr_forward_read_ack("\xc1", 1, &used, id, &refused), WR_EINVAL);
    uint8_t deep[3000];
    memset(deep, 0x91, sizeof deep); /* nesting costs no stack */
    memcpy(deep, "\x81\xa1x", 3);
    cr_expect_eq(wr_forward_read_ack(deep, sizeof deep, &used, id, &refused), WR_ETRUNC);
}
