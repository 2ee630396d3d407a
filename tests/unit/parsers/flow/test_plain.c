/* The short way for plain templates gives the same rows, octet for octet, as the general one. The
 * same record is sent under two templates: the second has two more elements, of value 0, that only
 * the general way reads. */
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
    compare((const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t) / 2, \
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

/* ---- random templates: order, lengths, variable-length fields, padding, several sets ---- */

struct sent {
    uint16_t sport, dport;
    uint64_t octets;
};

enum { VAR = 65535, MAX_SENT = 4096 };
static struct sent sent[MAX_SENT];

static unsigned pick(unsigned below)
{
    return (unsigned)(draw() % below);
}

static unsigned draw_template(uint32_t *fields, uint16_t version)
{
    static const uint32_t times[3][2] = {{152, 153}, {150, 151}, {22, 21}};
    unsigned n = 0, pair = pick(version == 9 ? 3 : 2);
    bool v6 = draw() % 2;
#define FIELD(id, len) fields[2 * n] = (id), fields[2 * n + 1] = (uint32_t)(len), n++
    FIELD(v6 ? 27 : 8, v6 ? 16 : 4);
    FIELD(v6 ? 28 : 12, v6 ? 16 : 4);
    FIELD(7, 2);
    FIELD(11, 2);
    FIELD(4, 1);
    FIELD(1, 1 + draw() % 8);
    FIELD(2, 1 + draw() % 8);
    FIELD(times[pair][0], pair ? 4 : 8);
    FIELD(times[pair][1], pair ? 4 : 8);
    if (draw() % 2)
        FIELD(6, 1 + draw() % 2);
    if (draw() % 2)
        FIELD(61, 1);
    if (draw() % 2)
        FIELD(136, 1);
    for (unsigned k = pick(4); k; k--)
        FIELD(210, 1 + draw() % 20); /* padding */
    for (unsigned k = version == 10 ? pick(6) : 0; k; k--)
        FIELD(k % 2 ? 82 : 371, VAR);
#undef FIELD
    for (unsigned i = n - 1; i > 0; i--) {
        unsigned j = pick(i + 1);
        for (unsigned k = 0; k < 2; k++) {
            uint32_t t = fields[2 * i + k];
            fields[2 * i + k] = fields[2 * j + k];
            fields[2 * j + k] = t;
        }
    }
    return n;
}

static void put_field(uint32_t id, uint32_t len, struct sent *to)
{
    if (len == VAR) {
        unsigned content = pick(16) ? pick(12) : 200 + pick(80);
        bool wide = content >= 255 || draw() % 8 == 0;
        put(&m, wide ? 255 : content, 1);
        if (wide)
            put(&m, content, 2);
        for (unsigned k = 0; k < content; k++)
            put(&m, draw(), 1);
        return;
    }
    uint64_t v = id == 150 || id == 151 ? EXPORT_S - draw() % 100 + 50 * (draw() % 9) : value_of(id);
    if (id == 7 || id == 11)
        v = draw() % 3 ? draw() % 65536 : draw() % 64; /* some are wanted */
    if (len < 8)
        v &= (UINT64_C(1) << 8 * len) - 1;
    if (id == 7)
        to->sport = (uint16_t)v;
    if (id == 11)
        to->dport = (uint16_t)v;
    if (id == 1)
        to->octets = v;
    put_wide(v, len);
}

/* One message under both templates, in sets of random sizes with padding; returns its records. */
static unsigned draw_message(const uint32_t *fields, unsigned n, uint16_t version, struct message *second)
{
    unsigned records = 0;
    begin(&m, version, 2, 1);
    begin(second, version, 3, 1);
    for (unsigned sets = 1 + pick(12); sets && m.len < 40000; sets--) {
        set(&m, 256);
        set(second, 257);
        for (unsigned k = 1 + pick(pick(4) ? 40 : 200); k && m.len < 50000; k--) {
            size_t at = m.len;
            for (unsigned i = 0; i < n; i++)
                put_field(fields[2 * i], fields[2 * i + 1], &sent[records]);
            memcpy(second->at + second->len, m.at + at, m.len - at);
            second->len += m.len - at;
            put(second, 0, 1);
            records++;
        }
        put(&m, 0, draw() % 4);
        set_end(&m);
        set_end(second);
    }
    return records;
}

static void decode_copy(struct wr_flow_decoder *dec, const struct message *msg, struct wr_flow_vec *rows)
{
    struct wr_flow_peer peer = peer_of(1, 2055);
    uint8_t *copy = malloc(msg->len); /* its own block: a read past the message is seen */
    memcpy(copy, msg->at, msg->len);
    cr_assert(wr_flow_decode(dec, &peer, copy, msg->len, NOW_NS, rows));
    free(copy);
}

static void want_ports(struct wr_flow_decoder *dec, bool *wanted)
{
    int64_t ports[20];
    uint32_t n = 1 + (uint32_t)(draw() % 20);
    memset(wanted, 0, 65536);
    for (uint32_t i = 0; i < n; i++) {
        ports[i] = (int64_t)(draw() % 2 ? draw() % 64 : draw() % 65536);
        wanted[ports[i]] = true;
    }
    struct wr_pred pred = {.col = WR_DNE_RemotePort, .op = WR_PRED_IN_INT, .n = n, .ints = ports};
    struct wr_branch branch = {.preds = &pred, .npreds = 1};
    struct wr_scan scan = {.branches = &branch, .nbranches = 1};
    cr_assert_eq(wr_flow_decoder_scan(dec, &scan), WR_OK);
}

static void one_random_template(uint16_t version)
{
    static struct message second;
    static bool wanted[65536];
    uint32_t fields[64], more[64];
    unsigned n = draw_template(fields, version);
    struct wr_flow_decoder *all = wr_flow_decoder_new(NULL), *some = wr_flow_decoder_new(NULL);
    struct wr_flow_vec rows = {0}, kept = {0};
    memcpy(more, fields, 2 * n * sizeof *fields);
    memcpy(more + 2 * n, (uint32_t[]){239, 1}, 2 * sizeof *more); /* leaves the short way */
    begin(&m, version, 0, 1);
    add_template(&m, 256, fields, n);
    add_template(&m, 257, more, n + 1);
    decode_copy(all, &m, &rows);
    decode_copy(some, &m, &kept);
    want_ports(some, wanted);

    unsigned records = draw_message(fields, n, version, &second);
    decode_copy(all, &m, &rows);
    decode_copy(some, &m, &kept);
    cr_assert_eq(rows.n, records, "%u rows of %u records", rows.n, records);
    decode_copy(all, &second, &rows);
    cr_assert_eq(rows.n, 2 * records);
    uint32_t k = 0;
    for (unsigned r = 0; r < records; r++) {
        cr_assert_eq(rows.at[r].sport, sent[r].sport);
        cr_assert_eq(rows.at[r].dport, sent[r].dport);
        cr_assert_eq(rows.at[r].octets[0], sent[r].octets);
        cr_assert_eq(memcmp(&rows.at[r], &rows.at[records + r], sizeof *rows.at), 0, "record %u differs", r);
        if (!wanted[sent[r].sport] && !wanted[sent[r].dport])
            continue;
        cr_assert_lt(k, kept.n, "record %u is wanted and was not kept", r);
        cr_assert_eq(memcmp(&rows.at[r], &kept.at[k++], sizeof *rows.at), 0, "kept record %u differs", r);
    }
    cr_assert_eq(k, kept.n);
    const struct wr_flow_stats *stats = wr_flow_decoder_stats(some);
    cr_assert_eq(stats->records, records);
    cr_assert_eq(stats->filtered_early, records - kept.n);
    wr_flow_decoder_free(all);
    wr_flow_decoder_free(some);
    wr_flow_vec_fini(&rows);
    wr_flow_vec_fini(&kept);
}

Test(plain, random_templates_give_the_rows_of_the_general_way_and_of_a_port_filter_those_it_wants)
{
    for (unsigned k = 0; k < 60; k++)
        one_random_template(k % 3 ? 10 : 9);
}
