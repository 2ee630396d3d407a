/* `weir decode` against libfixbuf's transcoder, field by field, for every element of the registry
 * and of CERT: templates of 1 to 60 elements drawn from all of them, reverse ones too, integers of
 * any size, variable lengths in both forms. Lists are test_fixbuf_lists.c's. */
#include "message.h"

#include "base/ticks.h"

#include <arpa/inet.h>
#include <fixbuf/public.h>
#include <inttypes.h>
#include <math.h>

enum { MOST = 60, TRIALS = 400, PADDING = 210 };

static uint64_t state;
static uint32_t draw(uint32_t below)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(state >> 33) % below;
}

static const fbInfoElement_t *pool[4096];
static uint32_t npool;
static bool met[4096];
static uint32_t drawn[MOST]; /* of the pool */
static uint32_t fields[2 * MOST];
static unsigned n;
static struct message tmpl, data;

static int by_number(const void *a, const void *b)
{
    const fbInfoElement_t *x = *(const fbInfoElement_t *const *)a,
                          *y = *(const fbInfoElement_t *const *)b;
    return x->ent != y->ent ? (x->ent < y->ent ? -1 : 1) : (int)x->num - (int)y->num;
}

/* In one order, whatever the model's is: a seed means the same everywhere. */
static void fill_pool(fbInfoModel_t *model)
{
    fbInfoModelIter_t iter;
    const fbInfoElement_t *ie;
    npool = 0;
    fbInfoModelIterInit(&iter, model);
    while ((ie = fbInfoModelIterNext(&iter)) && npool < 4096)
        if (ie->type < FB_BASIC_LIST && ie->num != PADDING &&
            (!ie->ent || ie->ent == 29305 || ie->ent == 6871))
            pool[npool++] = ie;
    qsort(pool, npool, sizeof *pool, by_number);
}

static bool is_integer(const fbInfoElement_t *ie)
{
    return ie->type >= FB_UINT_8 && ie->type <= FB_INT_64;
}

static bool is_text(const fbInfoElement_t *ie)
{
    return ie->type == FB_OCTET_ARRAY || ie->type == FB_STRING;
}

static uint32_t draw_length(const fbInfoElement_t *ie)
{
    if (is_integer(ie))
        return draw(2) ? ie->len : 1 + draw(ie->len);
    if (is_text(ie))
        return draw(3) ? FB_IE_VARLEN : 1 + draw(40);
    return ie->len;
}

static void draw_template(void)
{
    n = 1 + draw(MOST);
    for (unsigned i = 0; i < n; i++) {
        bool again = true;
        while (again) {
            drawn[i] = draw(npool);
            again = false;
            for (unsigned k = 0; k < i; k++)
                again |= drawn[k] == drawn[i];
        }
        const fbInfoElement_t *ie = pool[drawn[i]];
        met[drawn[i]] = true;
        fields[2 * i] = ie->ent ? VENDOR(ie->ent, ie->num) : ie->num;
        fields[2 * i + 1] = draw_length(ie);
    }
    begin(&tmpl, 10, 0, 1);
    add_template(&tmpl, 256, fields, n);
}

static void put_text(const fbInfoElement_t *ie, uint32_t len)
{
    if (len == FB_IE_VARLEN) {
        len = draw(6) ? draw(50) : draw(400);
        bool shorter = len < 255 && draw(2);
        put(&data, shorter ? len : 255, 1);
        if (!shorter)
            put(&data, len, 2);
    }
    for (uint32_t i = 0; i < len; i++)
        put(&data, ie->type == FB_STRING ? 'a' + draw(26) : draw(256), 1);
}

static void put_value(const fbInfoElement_t *ie, uint32_t len)
{
    const float f = (float)((double)draw(1000000) / 7 - 50000);
    const double d = (double)draw(1000000) / 7 - 50000;
    uint64_t bits = 0;
    if (is_text(ie)) {
        put_text(ie, len);
    } else if (ie->type == FB_FLOAT_32 || ie->type == FB_FLOAT_64) {
        if (len == 4)
            memcpy(&bits, &f, 4);
        else
            memcpy(&bits, &d, 8);
        put(&data, bits, len);
    } else if (ie->type == FB_BOOL) {
        put(&data, 1 + draw(2), 1);
    } else if (ie->type == FB_DT_MILSEC) {
        put(&data, (uint64_t)draw(1000) << 31 | draw(1u << 31), 8);
    } else if (ie->type == FB_DT_MICROSEC || ie->type == FB_DT_NANOSEC) {
        put(&data, 0x80000000U | draw(1u << 31), 4); /* before 2036 */
        put(&data, draw(1u << 31) << 1, 4);
    } else {
        /* libfixbuf takes a shortened negative number (RFC 7011 6.2) for a positive one: not asked */
        const bool shortened = ie->type >= FB_INT_8 && ie->type <= FB_INT_64 && len < ie->len;
        for (uint32_t i = 0; i < len; i++)
            put(&data, draw(8) ? draw(shortened && i == 0 ? 128 : 256) : 0, 1);
    }
}

static void draw_data(unsigned records)
{
    begin(&data, 10, 0, 1);
    set(&data, 256);
    for (unsigned r = 0; r < records; r++)
        for (unsigned i = 0; i < n; i++)
            put_value(pool[drawn[i]], fields[2 * i + 1]);
    set_end(&data);
}

/* The drawn elements in full length, those of text as they are sent. */
static fBuf_t *open_fixbuf(fbInfoModel_t *model)
{
    GError *err = NULL;
    fbSession_t *session = fbSessionAlloc(model);
    fbTemplate_t *internal = fbTemplateAlloc(model);
    for (unsigned i = 0; i < n; i++) {
        const fbInfoElement_t *ie = pool[drawn[i]];
        fbInfoElementSpec_t spec = {(char *)(uintptr_t)ie->ref.name,
                                    (uint16_t)(is_text(ie) ? fields[2 * i + 1] : ie->len), 0};
        cr_assert(fbTemplateAppendSpec(internal, &spec, 0, &err), "%s: %s", ie->ref.name,
                  err ? err->message : "");
    }
    cr_assert(fbSessionAddTemplate(session, TRUE, 999, internal, &err));
    fBuf_t *buf = fBufAllocForCollection(session, NULL);
    fBufSetAutomaticMode(buf, TRUE);
    cr_assert(fBufSetInternalTemplate(buf, 999, &err));
    return buf;
}

static void text_of_time(struct wr_buf *out, int64_t ticks)
{
    wr_buf_char(out, '"');
    wr_ticks_datetime(out, ticks);
    wr_buf_char(out, '"');
}

static void text_of_octets(struct wr_buf *out, const fbInfoElement_t *ie, const uint8_t *p,
                           size_t len)
{
    wr_buf_char(out, '"');
    for (size_t i = 0; i < len; i++)
        wr_buf_fmt(out, ie->type == FB_STRING ? "%c" : "%02x", p[i]);
    wr_buf_char(out, '"');
}

/* An integer in this machine's order, of the element's full length. */
static uint64_t host(const uint8_t *p, uint32_t len)
{
    uint64_t v = 0;
    memcpy(&v, p, len); /* little-endian */
    return v;
}

static void text_of_number(struct wr_buf *out, const fbInfoElement_t *ie, const uint8_t *p)
{
    const uint64_t v = host(p, ie->len);
    const uint64_t micro = ie->type == FB_DT_MICROSEC ? UINT64_C(0xfffff800) : UINT64_C(0xffffffff);
    const unsigned up = 64 - 8U * ie->len;
    if (ie->type <= FB_UINT_64)
        wr_buf_fmt(out, "%" PRIu64, v);
    else if (ie->type <= FB_INT_64)
        wr_buf_fmt(out, "%" PRId64, (int64_t)(v << up) >> up);
    else if (ie->type == FB_DT_SEC)
        text_of_time(out, WR_TICKS_UNIX_EPOCH + (int64_t)v * WR_TICKS_SECOND);
    else if (ie->type == FB_DT_MILSEC)
        text_of_time(out, WR_TICKS_UNIX_EPOCH + (int64_t)v * 10000);
    else
        text_of_time(out, WR_TICKS_UNIX_EPOCH +
                              ((int64_t)(v >> 32) - INT64_C(2208988800)) * WR_TICKS_SECOND +
                              (int64_t)((v & micro) * 10000000 >> 32));
}

static void text_of(struct wr_buf *out, const fbInfoElement_t *ie, const uint8_t *p)
{
    char text[INET6_ADDRSTRLEN];
    if (ie->type == FB_BOOL) {
        wr_buf_str(out, *p == 1 ? "true" : "false");
    } else if (ie->type == FB_MAC_ADDR) {
        wr_buf_fmt(out, "\"%02x:%02x:%02x:%02x:%02x:%02x\"", p[0], p[1], p[2], p[3], p[4], p[5]);
    } else if (ie->type == FB_IP4_ADDR) {
        wr_buf_fmt(out, "\"%u.%u.%u.%u\"", p[3], p[2], p[1], p[0]);
    } else if (ie->type == FB_IP6_ADDR) {
        inet_ntop(AF_INET6, p, text, sizeof text);
        wr_buf_fmt(out, "\"%s\"", text);
    } else {
        text_of_number(out, ie, p);
    }
}

/* The field at `*p`, which steps over it, against the line's. */
static void compare_field(unsigned trial, unsigned i, const uint8_t **p, const char *line)
{
    const fbInfoElement_t *ie = pool[drawn[i]];
    struct wr_buf want = {0};
    wr_buf_fmt(&want, "\"%s\":", ie->ref.name);
    const uint32_t key = (uint32_t)want.len;
    if (is_text(ie) && fields[2 * i + 1] == FB_IE_VARLEN) {
        fbVarfield_t v;
        memcpy(&v, *p, sizeof v);
        *p += sizeof v;
        text_of_octets(&want, ie, v.buf, v.len);
    } else if (is_text(ie)) {
        text_of_octets(&want, ie, *p, fields[2 * i + 1]);
        *p += fields[2 * i + 1];
    } else {
        if (ie->type != FB_FLOAT_32 && ie->type != FB_FLOAT_64)
            text_of(&want, ie, *p);
        *p += ie->len;
    }
    wr_buf_char(&want, 0);
    const char *at = strstr(line, want.data);
    if (ie->type == FB_FLOAT_32 || ie->type == FB_FLOAT_64) {
        double d;
        float f;
        memcpy(&f, *p - ie->len, sizeof f);
        memcpy(&d, *p - ie->len, ie->len == 8 ? sizeof d : 0);
        const double value = ie->len == 8 ? d : (double)f;
        cr_assert(at && fabs(strtod(at + key, NULL) - value) <= fabs(value) * 1e-6,
                  "trial %u: %s in %s", trial, want.data, line);
    } else {
        cr_assert(at && strchr(",}", at[want.len - 1]), "trial %u: no %s (%u octets sent) in %s",
                  trial, want.data, fields[2 * i + 1], line);
    }
    wr_buf_fini(&want);
}

static void quiet(const gchar *domain, GLogLevelFlags level, const gchar *text, gpointer ctx)
{
    (void)domain, (void)level, (void)text, (void)ctx;
}

static uint64_t compare(unsigned trial, fBuf_t *buf, struct wr_buf *json, unsigned records)
{
    static uint8_t rec[MOST * 64];
    GError *err = NULL;
    uint64_t compared = 0;
    char *line = json->data;
    size_t len = sizeof rec;
    fBufSetBuffer(buf, tmpl.at, tmpl.len);
    cr_assert_not(fBufNext(buf, rec, &len, &err));
    g_clear_error(&err);
    fBufSetBuffer(buf, data.at, data.len);
    unsigned r = 0;
    for (; len = sizeof rec, fBufNext(buf, rec, &len, &err); r++) {
        char *end = strchr(line, '\n');
        const uint8_t *p = rec;
        cr_assert(end, "trial %u: record %u is missing", trial, r);
        *end = 0;
        for (unsigned i = 0; i < n; i++, compared++)
            compare_field(trial, i, &p, line);
        cr_assert_eq((size_t)(p - rec), len, "trial %u: %zu octets, not %zu", trial,
                     (size_t)(p - rec), len);
        line = end + 1;
    }
    cr_assert_eq(r, records, "trial %u: libfixbuf has %u of %u records: %s", trial, r, records,
                 err ? err->message : "");
    cr_assert_eq(*line, 0, "trial %u: a record too many", trial);
    g_clear_error(&err);
    return compared;
}

Test(fixbuf_every, elements_of_every_type_and_size_are_those_of_its_transcoder)
{
    GError *err = NULL;
    uint64_t compared = 0;
    uint32_t seen = 0;
    fbInfoModel_t *model = fbInfoModelAlloc();
    cr_assert(fbInfoModelReadXMLFile(model, WR_SOURCE_DIR "/parsers/flow/model/cert.xml", &err));
    g_log_set_default_handler(quiet, NULL);
    fill_pool(model);
    state = 20261129;
    for (unsigned trial = 0; trial < TRIALS; trial++) {
        struct bench b = bench_new();
        struct wr_buf json = {0};
        const unsigned records = 1 + draw(6);
        draw_template();
        draw_data(records);
        fBuf_t *buf = open_fixbuf(model);
        cr_assert(wr_flow_decode_json(b.dec, &b.peer, tmpl.at, tmpl.len, b.now_ns, &json));
        cr_assert(wr_flow_decode_json(b.dec, &b.peer, data.at, data.len, b.now_ns, &json));
        wr_buf_char(&json, 0);
        compared += compare(trial, buf, &json, records);
        fBufFree(buf);
        wr_buf_fini(&json);
        bench_end(&b);
    }
    for (uint32_t i = 0; i < npool; i++)
        seen += met[i];
    cr_expect_eq(seen, npool, "%u of %u elements", seen, npool);
    cr_log_info("%u elements, %lu fields", npool, (unsigned long)compared);
    cr_expect_gt(compared, TRIALS * 50, "%lu fields", (unsigned long)compared);
    fbInfoModelFree(model);
}
