/* The plan against libfixbuf's transcoder: random templates and records must give the same values and counts.
 */
#include "message.h"

#include <fixbuf/public.h>

/* What both sides are asked for, as libfixbuf lays it out: fields in this order, no padding. */
static fbInfoElementSpec_t wanted[] = {
    {(char *)"userName", FB_IE_VARLEN, 0},   {(char *)"httpRequestHost", FB_IE_VARLEN, 0},
    {(char *)"sourceIPv4Address", 4, 0},     {(char *)"destinationIPv4Address", 4, 0},
    {(char *)"sourceTransportPort", 2, 0},   {(char *)"destinationTransportPort", 2, 0},
    {(char *)"protocolIdentifier", 1, 0},    {(char *)"tcpControlBits", 1, 0},
    {(char *)"octetDeltaCount", 8, 0},       {(char *)"packetDeltaCount", 8, 0},
    {(char *)"flowStartMilliseconds", 8, 0}, {(char *)"flowEndMilliseconds", 8, 0},
    {(char *)"flowEndReason", 1, 0},         FB_IESPEC_NULL};

struct record {
    fbVarfield_t user, host;
    uint32_t src, dst;
    uint16_t sport, dport;
    uint8_t proto, flags;
    uint64_t octets, packets, start, end;
    uint8_t end_reason;
} __attribute__((packed));

/* Elements to draw from: id, full length, whether it may be shorter. The first 11 are the wanted ones. */
static const struct {
    uint16_t id, len;
    bool shrinks;
} pool[] = {{8, 4, false},       {12, 4, false},     {7, 2, true},        {11, 2, true},   {4, 1, false},
            {6, 2, true},        {1, 8, true},       {2, 8, true},        {152, 8, false}, {153, 8, false},
            {136, 1, false},     {5, 1, false},      {15, 4, false},      {56, 6, false},  {62, 16, false},
            {82, 9, false},      {82, 65535, false}, {371, 65535, false}, {210, 3, false}, {16, 4, true},
            {460, 65535, false}, {95, 65535, false}};
enum { POOL = sizeof pool / sizeof *pool, WANTED = 11, TRIALS = 400 };

static uint64_t state;
static uint32_t draw(uint32_t below)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(state >> 33) % below;
}

static struct message tmpl, data;
static uint32_t fields[2 * 2 * POOL];
static unsigned nfields;

/* Each element at most once: libfixbuf takes the first of several, weir the first that is not zero. */
static void draw_template(void)
{
    unsigned order[POOL];
    for (unsigned i = 0; i < POOL; i++)
        order[i] = i;
    for (unsigned i = POOL - 1; i > 0; i--) {
        unsigned k = draw(i + 1), t = order[i];
        order[i] = order[k];
        order[k] = t;
    }
    nfields = 0;
    bool interface_name = false;
    for (unsigned i = 0; i < POOL; i++) {
        unsigned e = order[i];
        if (draw(4) == 0 && e > 1) /* always the addresses: a row without is none */
            continue;
        if (pool[e].id == 82 && interface_name)
            continue;
        interface_name |= pool[e].id == 82;
        fields[2 * nfields] = pool[e].id;
        fields[2 * nfields + 1] = pool[e].shrinks ? 1 + draw(pool[e].len) : pool[e].len;
        nfields++;
    }
    begin(&tmpl, 10, 0, 1);
    add_template(&tmpl, 256, fields, nfields);
}

static void draw_value(uint32_t id, uint32_t len)
{
    if (len == 65535) {
        uint32_t n = draw(5) ? draw(40) : draw(400);
        put(&data, n < 255 && draw(2) ? n : 255, 1);
        if (data.at[data.len - 1] == 255)
            put(&data, n, 2);
        len = n;
    }
    if (id == 152 || id == 153) { /* times that stay as they are: not 0, not after the export, in order */
        put(&data, (uint64_t)(EXPORT_S - 100) * 1000 + draw(40000) + (id == 153 ? 50000 : 0), 8);
        return;
    }
    bool text = id == 371 || id == 460; /* letters: what weir does to other octets is its own */
    for (uint32_t i = 0; i < len; i++)
        put(&data, text ? 'a' + draw(26) : draw(6) ? draw(256) : 0, 1);
}

static void draw_data(unsigned records)
{
    begin(&data, 10, 0, 1);
    set(&data, 256);
    for (unsigned r = 0; r < records; r++)
        for (unsigned i = 0; i < nfields; i++)
            draw_value(fields[2 * i], fields[2 * i + 1]);
    set_end(&data);
}

static bool has(uint16_t id)
{
    for (unsigned i = 0; i < nfields; i++)
        if (fields[2 * i] == id)
            return true;
    return false;
}

static fBuf_t *open_fixbuf(fbInfoModel_t *model)
{
    GError *err = NULL;
    fbSession_t *session = fbSessionAlloc(model);
    fbTemplate_t *internal = fbTemplateAlloc(model);
    cr_assert(fbTemplateAppendSpecArray(internal, wanted, 0, &err));
    cr_assert(fbSessionAddTemplate(session, TRUE, 999, internal, &err));
    fBuf_t *buf = fBufAllocForCollection(session, NULL);
    fBufSetAutomaticMode(buf, TRUE);
    cr_assert(fBufSetInternalTemplate(buf, 999, &err));
    return buf;
}

static unsigned read_fixbuf(fBuf_t *buf, struct message *msg, struct record *out, unsigned max)
{
    unsigned n = 0;
    GError *err = NULL;
    size_t len = sizeof *out;
    fBufSetBuffer(buf, msg->at, msg->len);
    while (n < max && fBufNext(buf, (uint8_t *)&out[n], &len, &err)) {
        cr_assert_eq(len, sizeof *out);
        n++;
    }
    g_clear_error(&err);
    return n;
}

static void compare_text(unsigned trial, fbVarfield_t want, const struct wr_flow_vec *vec, uint32_t row,
                         enum wr_who_kind kind)
{
    struct wr_who who = wr_flow_who(vec, &vec->at[row]);
    enum wr_who_kind k = WR_WHO_NKINDS;
    const char *text = "";
    uint32_t len = 0;
    while (wr_who_next(&who, &k, &text, &len) && k != kind)
        ;
    len = k == kind ? len : 0;
    cr_assert_eq(len, want.len, "trial %u row %u: %u octets of text, not %zu", trial, row, len, want.len);
    cr_assert(!len || memcmp(text, want.buf, len) == 0, "trial %u: text", trial);
}

static void compare(unsigned trial, const struct record *want, const struct wr_flow *got)
{
    cr_assert_eq(wr_be(got->src, 4), want->src, "trial %u: source", trial);
    cr_assert_eq(wr_be(got->dst, 4), want->dst, "trial %u: destination", trial);
    cr_assert_eq(got->sport, want->sport, "trial %u: source port", trial);
    cr_assert_eq(got->dport, want->dport, "trial %u: destination port", trial);
    cr_assert_eq(got->proto, want->proto, "trial %u: protocol", trial);
    cr_assert_eq(got->tcp_flags, want->flags, "trial %u: flags", trial);
    cr_assert_eq(got->octets[0], want->octets, "trial %u: octets", trial);
    cr_assert_eq(got->packets[0], want->packets, "trial %u: packets", trial);
    cr_assert_eq(got->end_reason, want->end_reason, "trial %u: end reason", trial);
    if (has(152))
        cr_assert_eq((uint64_t)got->start_ns / 1000000, want->start, "trial %u: start", trial);
    if (has(153))
        cr_assert_eq((uint64_t)got->end_ns / 1000000, want->end, "trial %u: end", trial);
}

static void quiet(const gchar *domain, GLogLevelFlags level, const gchar *text, gpointer ctx)
{
    (void)domain, (void)level, (void)text, (void)ctx;
}

Test(fixbuf, random_templates_and_records_give_the_same_values)
{
    enum { MAX_RECORDS = 60 };
    static struct record want[MAX_RECORDS];
    fbInfoModel_t *model = fbInfoModelAlloc();
    g_log_set_default_handler(quiet, NULL);
    state = 20261124;
    uint64_t compared = 0;
    for (unsigned trial = 0; trial < TRIALS; trial++) {
        struct bench b = bench_new();
        wr_flow_decoder_who(b.dec, wr_who_bit(WR_WHO_USER) | wr_who_bit(WR_WHO_URL));
        unsigned records = 1 + draw(MAX_RECORDS);
        draw_template();
        draw_data(records);
        fBuf_t *buf = open_fixbuf(model);
        read_fixbuf(buf, &tmpl, want, MAX_RECORDS);
        unsigned n = read_fixbuf(buf, &data, want, MAX_RECORDS);
        cr_assert(bench_send(&b, &tmpl));
        cr_assert(bench_send(&b, &data));
        cr_assert_eq(n, records, "trial %u: libfixbuf has %u of %u", trial, n, records);
        cr_assert_eq(b.vec.n, n, "trial %u: %u rows of %u", trial, b.vec.n, n);
        for (unsigned r = 0; r < n; r++, compared++) {
            compare(trial, &want[r], &b.vec.at[r]);
            compare_text(trial, want[r].user, &b.vec, r, WR_WHO_USER);
            compare_text(trial, want[r].host, &b.vec, r, WR_WHO_URL);
        }
        fBufFree(buf);
        bench_end(&b);
    }
    cr_expect_gt(compared, TRIALS * 10);
    fbInfoModelFree(model);
}
