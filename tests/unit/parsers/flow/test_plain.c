/* The short way for plain templates gives the same rows, octet for octet, as the general one. The same record
 * is sent under two templates: the second has two more elements, of value 0, that only the general way reads. */
#include "message.h"

static uint64_t state = 42;
static uint64_t draw(void)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return state >> 17;
}

/* Mostly sane, now and then what the general rules are for. */
static uint64_t value_of(uint32_t id)
{
    uint64_t r = draw();
    bool odd = r % 8 == 0;
    switch (id) {
    case 21:
    case 22:
        return odd ? r : (uint32_t)(UPTIME_MS - r % 60000);
    case 152:
    case 153:
        return odd ? (r >> 8) % 3 ? r * (r >> 8 & 1) : (EXPORT_S + 400) * UINT64_C(1000)
                   : EXPORT_S * UINT64_C(1000) - r % 60000;
    case 61:
        return r % 4;
    default:
        return odd ? 0 : r * UINT64_C(0x9E3779B97F4A7C15);
    }
}

static struct message m;

static void send_templates(struct wr_flow_decoder *dec, const uint32_t *fields, unsigned n, uint16_t version,
                           struct wr_flow_vec *rows)
{
    uint32_t more[64];
    memcpy(more, fields, 2 * n * sizeof *fields);
    memcpy(more + 2 * n, (uint32_t[]){239, 1, 150, 4}, 4 * sizeof *more);
    struct wr_flow_peer peer = peer_of(1, 2055);
    begin(&m, version, 0, 1);
    add_template(&m, 256, fields, n);
    add_template(&m, 257, more, n + 2);
    cr_assert(wr_flow_decode(dec, &peer, m.at, m.len, NOW_NS, rows));
}

static void put_wide(uint64_t v, uint32_t len)
{
    for (; len > 8; len -= 8)
        put(&m, v ? draw() : 0, 8);
    put(&m, v, len);
}

static void compare(const uint32_t *fields, unsigned n, uint16_t version, unsigned records)
{
    struct wr_flow_decoder *dec = wr_flow_decoder_new(NULL);
    struct wr_flow_vec rows = {0};
    struct wr_flow_peer peer = peer_of(1, 2055);
    static struct message second;
    send_templates(dec, fields, n, version, &rows);
    begin(&m, version, 2, 1);
    begin(&second, version, 3, 1);
    set(&m, 256);
    set(&second, 257);
    for (unsigned r = 0; r < records; r++) {
        size_t at = m.len;
        for (unsigned i = 0; i < n; i++)
            put_wide(value_of(fields[2 * i]), fields[2 * i + 1]);
        memcpy(second.at + second.len, m.at + at, m.len - at);
        second.len += m.len - at;
        put(&second, 0, 5);
    }
    set_end(&m);
    set_end(&second);
    uint8_t *copy = malloc(m.len); /* its own block: a read past the message is seen */
    memcpy(copy, m.at, m.len);
    cr_assert(wr_flow_decode(dec, &peer, copy, m.len, NOW_NS, &rows));
    free(copy);
    cr_assert_eq(rows.n, records);
    cr_assert(wr_flow_decode(dec, &peer, second.at, second.len, NOW_NS, &rows));
    cr_assert_eq(rows.n, 2 * records);
    for (unsigned r = 0; r < records; r++)
        cr_assert_eq(memcmp(&rows.at[r], &rows.at[records + r], sizeof *rows.at), 0, "record %u differs", r);
    wr_flow_decoder_free(dec);
    wr_flow_vec_fini(&rows);
}
#define COMPARE(version, records, ...)                                                                       \
    compare((const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t) / 2,  \
            version, records)

Test(plain, rows_equal_the_general_way)
{
    for (unsigned k = 1; k < 70; k++) {
        COMPARE(10, k, 8, 4, 12, 4, 7, 2, 11, 2, 4, 1, 6, 1, 1, 8, 2, 8, 152, 8, 153, 8, 61, 1, 136, 1);
        COMPARE(10, k, 153, 8, 152, 8, 2, 3, 1, 5, 27, 16, 28, 16, 11, 2, 7, 2, 6, 2, 4, 1);
        COMPARE(9, k, 8, 4, 12, 4, 7, 2, 11, 2, 4, 1, 22, 4, 21, 4, 2, 4, 1, 4);
        COMPARE(9, k, 28, 16, 27, 16, 136, 1, 61, 1, 21, 4, 22, 4, 7, 2, 11, 2, 4, 1, 2, 1, 1, 7);
        COMPARE(9, k, 8, 4, 12, 4, 7, 2, 11, 2, 4, 1, 153, 8, 152, 8, 10, 4, 2, 8, 1, 2);
    }
}

/* A sampling table or an interval in the header leaves the short way, or scales after it. */
Test(plain, sampling_applies)
{
    struct wr_flow_decoder *dec = wr_flow_decoder_new(NULL);
    struct wr_flow_vec rows = {0};
    struct wr_flow_peer peer = peer_of(1, 2055);
    static const uint32_t fields[] = {8, 4, 12, 4, 7, 2, 11, 2, 4, 1, 1, 4, 2, 4, 22, 4, 21, 4};
    send_templates(dec, fields, 9, 9, &rows);
    begin(&m, 9, 1, 1);
    OPTIONS(&m, 300, 1, 4, 34, 4);
    set(&m, 300);
    put(&m, 1, 4);
    put(&m, 100, 4);
    set_end(&m);
    set(&m, 256);
    put(&m, 0x0a000001, 4), put(&m, 0x0a000002, 4), put(&m, 1234, 2), put(&m, 25, 2), put(&m, 6, 1);
    put(&m, 500, 4), put(&m, 5, 4), put(&m, UPTIME_MS - 2, 4), put(&m, UPTIME_MS - 1, 4);
    set_end(&m);
    cr_assert(wr_flow_decode(dec, &peer, m.at, m.len, NOW_NS, &rows));
    cr_assert_eq(rows.n, 1);
    cr_assert_eq(rows.at[0].octets[0], 50000);
    cr_assert_eq(rows.at[0].sampling, 100);
    wr_flow_decoder_free(dec);
    wr_flow_vec_fini(&rows);
}
