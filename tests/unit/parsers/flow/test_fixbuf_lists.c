/* Lists and options as libfixbuf's encoder writes them - the one that YAF sends with - read back:
 * values drawn at random, the JSON of `weir decode` and the rows of SmtpMessages that they must
 * give. */
#include "message.h"

#include "base/batch.h"

#include <fixbuf/public.h>
#include <inttypes.h>

/* As libfixbuf lays records out in memory; nothing is padded but where the templates say so. */
struct header {
    fbVarfield_t key, value;
};
struct mail {
    fbVarfield_t subject;
    fbBasicList_t to, from, file;
    fbSubTemplateList_t headers;
};
struct session {
    fbVarfield_t hello;
    fbSubTemplateList_t mails;
    fbBasicList_t replies;
    uint8_t tls, pad[7];
};
struct hop {
    uint32_t address, interface;
};
struct flow {
    uint64_t start;
    fbBasicList_t values;
    fbSubTemplateList_t hops;
    fbSubTemplateMultiList_t inside;
    uint32_t src, dst;
    uint16_t sport, dport;
    uint8_t proto, pad[3];
};
struct sampling {
    uint32_t process, interval;
};

#define SPEC(name, len)                                                                            \
    {                                                                                              \
        (char *)(name), len, 0                                                                     \
    }
static fbInfoElementSpec_t header_spec[] = {SPEC("smtpKey", FB_IE_VARLEN),
                                            SPEC("smtpValue", FB_IE_VARLEN), FB_IESPEC_NULL};
static fbInfoElementSpec_t mail_spec[] = {
    SPEC("smtpSubject", FB_IE_VARLEN),    SPEC("smtpToList", FB_IE_VARLEN),
    SPEC("smtpFromList", FB_IE_VARLEN),   SPEC("smtpFilenameList", FB_IE_VARLEN),
    SPEC("smtpHeaderList", FB_IE_VARLEN), FB_IESPEC_NULL};
static fbInfoElementSpec_t session_spec[] = {SPEC("smtpHello", FB_IE_VARLEN),
                                             SPEC("smtpMessageList", FB_IE_VARLEN),
                                             SPEC("smtpResponseList", FB_IE_VARLEN),
                                             SPEC("smtpStartTLS", 1),
                                             SPEC("paddingOctets", 7),
                                             FB_IESPEC_NULL};
static fbInfoElementSpec_t hop_spec[] = {SPEC("ipNextHopIPv4Address", 4),
                                         SPEC("ingressInterface", 4), FB_IESPEC_NULL};
static fbInfoElementSpec_t flow_spec[] = {SPEC("flowStartMilliseconds", 8),
                                          SPEC("basicList", FB_IE_VARLEN),
                                          SPEC("subTemplateList", FB_IE_VARLEN),
                                          SPEC("subTemplateMultiList", FB_IE_VARLEN),
                                          SPEC("sourceIPv4Address", 4),
                                          SPEC("destinationIPv4Address", 4),
                                          SPEC("sourceTransportPort", 2),
                                          SPEC("destinationTransportPort", 2),
                                          SPEC("protocolIdentifier", 1),
                                          SPEC("paddingOctets", 3),
                                          FB_IESPEC_NULL};
static fbInfoElementSpec_t sampling_spec[] = {SPEC("meteringProcessId", 4),
                                              SPEC("samplingInterval", 4), FB_IESPEC_NULL};
enum { HEADER = 302, MAIL = 301, SESSION = 300, HOP = 303, FLOW = 256, SAMPLING = 257 };

static uint64_t state;
static uint32_t draw(uint32_t below)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(state >> 33) % below;
}

static fbInfoModel_t *model;
static fbSession_t *session;
static fbExporter_t *exporter;
static fBuf_t *out;
static struct message m;
static struct wr_buf want;     /* what the JSON must hold */
static uint32_t mails, silent; /* silent: records with sessions and no mail, which may be a row */
static char subjects[64][64];
static fbTemplate_t *of[512];

static void add(uint16_t id, fbInfoElementSpec_t *spec, uint16_t scope)
{
    GError *err = NULL;
    of[id] = fbTemplateAlloc(model);
    cr_assert(fbTemplateAppendSpecArray(of[id], spec, 0, &err), "%s", err ? err->message : "");
    if (scope)
        fbTemplateSetOptionsScope(of[id], scope);
    cr_assert(fbSessionAddTemplate(session, TRUE, id, of[id], &err), "%s", err ? err->message : "");
    cr_assert(fbSessionAddTemplate(session, FALSE, id, of[id], &err), "%s",
              err ? err->message : "");
}

static void open_encoder(void)
{
    GError *err = NULL;
    model = fbInfoModelAlloc();
    cr_assert(fbInfoModelReadXMLFile(model, WR_SOURCE_DIR "/parsers/flow/model/cert.xml", &err),
              "%s", err ? err->message : "");
    session = fbSessionAlloc(model);
    fbSessionSetDomain(session, 1);
    add(HEADER, header_spec, 0), add(MAIL, mail_spec, 0), add(SESSION, session_spec, 0),
        add(HOP, hop_spec, 0);
    add(FLOW, flow_spec, 0), add(SAMPLING, sampling_spec, 1);
    exporter = fbExporterAllocBuffer(m.at, 65000);
    out = fBufAllocForExport(session, exporter);
    cr_assert(fbSessionExportTemplates(session, &err), "%s", err ? err->message : "");
}

static void close_encoder(void)
{
    fBufFree(out);
    fbInfoModelFree(model);
}

static void append(uint16_t id, void *rec, size_t len)
{
    GError *err = NULL;
    cr_assert(fBufSetInternalTemplate(out, id, &err), "%s", err ? err->message : "");
    cr_assert(fBufSetExportTemplate(out, id, &err), "%s", err ? err->message : "");
    cr_assert(fBufAppend(out, rec, len, &err), "%s", err ? err->message : "");
}

static void emit(void)
{
    GError *err = NULL;
    cr_assert(fBufEmit(out, &err), "%s", err ? err->message : "");
    m.len = fbExporterGetMsgLen(exporter);
    cr_assert(m.len > 16 && m.len == wr_be(m.at + 2, 2));
}

/* ---- what is drawn, and what it must read as ---- */

static char texts[256][64];
static unsigned ntexts;
static fbVarfield_t word(const char *key)
{
    char *to = texts[ntexts++ % 256];
    const bool subject = key && strcmp(key, "smtpSubject") == 0; /* a mail that says nothing at all is no row */
    uint32_t n = subject ? 1 + draw(19) : draw(4) ? draw(20) : 0;
    for (uint32_t i = 0; i < n; i++)
        to[i] = (char)('a' + draw(26));
    to[n] = 0;
    if (key)
        wr_buf_fmt(&want, "\"%s\":\"%s\"", key, to);
    return (fbVarfield_t){.buf = (uint8_t *)to, .len = n};
}

static void words(fbBasicList_t *list, const char *key, const char *element)
{
    uint16_t n = (uint16_t)draw(4);
    fbVarfield_t *v = fbBasicListInit(list, 3, fbInfoModelGetElementByName(model, element), n);
    wr_buf_fmt(&want, ",\"%s\":[", key);
    for (uint16_t i = 0; i < n; i++) {
        v[i] = word(NULL);
        wr_buf_fmt(&want, "%s\"%s\"", i ? "," : "", (char *)v[i].buf);
    }
    wr_buf_char(&want, ']');
}

static void values(fbBasicList_t *list)
{
    static const struct {
        const char *name;
        unsigned len;
    } kinds[] = {{"sourceTransportPort", 2},
                 {"octetDeltaCount", 8},
                 {"ingressInterface", 4},
                 {"userName", 0}};
    uint32_t kind = draw(4);
    if (kinds[kind].len == 0) {
        words(list, "basicList", "userName");
        return;
    }
    uint16_t n = (uint16_t)draw(6);
    uint8_t *p = fbBasicListInit(list, 3, fbInfoModelGetElementByName(model, kinds[kind].name), n);
    wr_buf_str(&want, ",\"basicList\":[");
    for (uint16_t i = 0; i < n; i++, p += kinds[kind].len) {
        uint64_t v = draw(60000);
        memcpy(p, &v, kinds[kind].len); /* little-endian: its low octets */
        wr_buf_fmt(&want, "%s%" PRIu64, i ? "," : "", v);
    }
    wr_buf_char(&want, ']');
}

static void hops(struct hop *hop, uint16_t n)
{
    for (uint16_t i = 0; i < n; i++) {
        hop[i] = (struct hop){0x0a000000 + draw(256), draw(1000)};
        wr_buf_fmt(&want, "%s{\"ipNextHopIPv4Address\":\"10.0.0.%u\",\"ingressInterface\":%u}",
                   want.data[want.len - 1] == '[' ? "" : ",", hop[i].address & 255,
                   hop[i].interface);
    }
}

static void draw_mail(struct mail *mail)
{
    wr_buf_char(&want, '{');
    mail->subject = word("smtpSubject");
    (void)snprintf(subjects[mails % 64], sizeof subjects[0], "%s", (char *)mail->subject.buf);
    words(&mail->to, "smtpToList", "smtpTo");
    words(&mail->from, "smtpFromList", "smtpFrom");
    words(&mail->file, "smtpFilenameList", "smtpFilename");
    uint16_t n = (uint16_t)draw(3);
    struct header *h = fbSubTemplateListInit(&mail->headers, 3, HEADER, of[HEADER], n);
    wr_buf_str(&want, ",\"smtpHeaderList\":[");
    for (uint16_t i = 0; i < n; i++) {
        wr_buf_str(&want, i ? ",{" : "{");
        h[i].key = word("smtpKey");
        wr_buf_char(&want, ',');
        h[i].value = word("smtpValue");
        wr_buf_char(&want, '}');
    }
    wr_buf_str(&want, "]}");
    mails++;
}

static void draw_session(struct session *s)
{
    *s = (struct session){0};
    wr_buf_str(&want, want.data[want.len - 1] == '[' ? "{" : ",{");
    s->hello = word("smtpHello");
    uint16_t n = (uint16_t)draw(3);
    struct mail *mail = fbSubTemplateListInit(&s->mails, 3, MAIL, of[MAIL], n);
    wr_buf_str(&want, ",\"smtpMessageList\":[");
    for (uint16_t i = 0; i < n; i++) {
        wr_buf_str(&want, i ? "," : "");
        draw_mail(&mail[i]);
    }
    wr_buf_char(&want, ']');
    words(&s->replies, "smtpResponseList", "smtpResponse");
    s->tls = (uint8_t)draw(2);
    wr_buf_fmt(&want, ",\"smtpStartTLS\":%u}", s->tls);
}

/* The record's lists, and its row as the JSON has it. */
static void draw_flow(struct flow *f)
{
    *f = (struct flow){
        .start = (EXPORT_S - 5) * UINT64_C(1000), .src = 0x0a000001, .dst = 0x0a000002, .proto = 6};
    f->sport = (uint16_t)(1024 + draw(60000));
    f->dport = 25;
    values(&f->values);
    uint16_t n = (uint16_t)draw(4);
    struct hop *hop = fbSubTemplateListInit(&f->hops, 3, HOP, of[HOP], n);
    wr_buf_str(&want, ",\"subTemplateList\":[");
    hops(hop, n);
    uint16_t entries = (uint16_t)draw(4);
    fbSubTemplateMultiListEntry_t *e = fbSubTemplateMultiListInit(&f->inside, 3, entries);
    wr_buf_str(&want, "],\"subTemplateMultiList\":[");
    uint32_t before = mails, sessions = 0;
    for (uint16_t i = 0; i < entries; i++, e++) {
        if (draw(2)) {
            draw_session(fbSubTemplateMultiListEntryInit(e, SESSION, of[SESSION], 1));
            sessions++;
            continue;
        }
        n = (uint16_t)(1 + draw(3));
        hops(fbSubTemplateMultiListEntryInit(e, HOP, of[HOP], n), n);
    }
    silent += sessions && mails == before;
    wr_buf_fmt(&want,
               "],\"sourceIPv4Address\":\"10.0.0.1\",\"destinationIPv4Address\":\"10.0.0.2\","
               "\"sourceTransportPort\":%u,",
               f->sport);
    wr_buf_char(&want, '\n');
}

/* A row for each mail, in order, with its subject. */
static void compare_mail(const struct wr_flow_vec *vec, const struct wr_colset *columns,
                         unsigned trial)
{
    struct wr_batch *rows = wr_batch_new(wr_schema_of(WR_TABLE_SMTP_MESSAGES), columns, 64);
    struct wr_rd rd = wr_rd_init(vec->mail.data, vec->mail.len);
    uint32_t met = 0;
    while (rd.at < rd.end) {
        uint32_t len, r = rows->nrows;
        const uint8_t *row = wr_rd_blob(&rd, &len);
        cr_assert(row && wr_row_unpack(rows, row, len) == WR_OK);
        const struct wr_str *subject = &rows->col[WR_SMTP_Subject].s[r];
        met += met < mails && subject->len == strlen(subjects[met]) &&
               memcmp(wr_str_data(subject), subjects[met], subject->len) == 0;
    }
    cr_assert(rows->nrows >= mails && rows->nrows <= mails + silent,
              "trial %u: %u rows of %u mails", trial, rows->nrows, mails);
    cr_assert_eq(met, mails, "trial %u: subject %u", trial, met);
    wr_batch_free(rows);
}

static void quiet(const gchar *domain, GLogLevelFlags level, const gchar *text, gpointer ctx)
{
    (void)domain, (void)level, (void)text, (void)ctx;
}

/* Each line of `want` stands in the JSON line of its record. */
static void compare(const struct wr_buf *json, unsigned trial)
{
    const char *line = strstr(json->data, "\"_kind\":\"flow\"");
    for (const char *at = want.data; at < want.data + want.len;) {
        const char *end = memchr(at, '\n', (size_t)(want.data + want.len - at));
        cr_assert(line && end, "trial %u: a record is missing", trial);
        const char *stop = strchr(line, '\n');
        cr_assert(memmem(line, (size_t)(stop - line), at, (size_t)(end - at)),
                  "trial %u: no %.*s in %.*s", trial, (int)(end - at), at, (int)(stop - line),
                  line);
        at = end + 1;
        line = strstr(stop, "\"_kind\":\"flow\"");
    }
    cr_assert_null(line, "trial %u: a record too many", trial);
}

Test(fixbuf_lists, what_its_encoder_writes_is_read_back)
{
    enum { TRIALS = 150, RECORDS = 4 };
    struct wr_colset columns = wr_colset_all(wr_schema_of(WR_TABLE_SMTP_MESSAGES));
    uint64_t lists = 0;
    g_log_set_default_handler(quiet, NULL);
    state = 20261127;
    for (unsigned trial = 0; trial < TRIALS; trial++) {
        struct bench b = bench_new(), json = bench_new();
        struct wr_buf text = {0};
        struct flow rec[RECORDS];
        struct sampling sampling = {7, 1 + draw(1000)};
        cr_assert_eq(wr_flow_decoder_mail(b.dec, &columns), WR_OK);
        wr_buf_reset(&want);
        mails = silent = 0;
        open_encoder();
        emit(); /* the templates */
        cr_assert(bench_send(&b, &m));
        cr_assert(wr_flow_decode_json(json.dec, &json.peer, m.at, m.len, json.now_ns, &text));
        append(SAMPLING, &sampling, sizeof sampling);
        for (unsigned r = 0; r < RECORDS; r++) {
            draw_flow(&rec[r]);
            append(FLOW, &rec[r], sizeof rec[r]);
        }
        emit();
        cr_assert(bench_send(&b, &m));
        cr_assert(wr_flow_decode_json(json.dec, &json.peer, m.at, m.len, json.now_ns, &text));
        wr_buf_char(&text, 0);
        compare(&text, trial);
        char interval[64];
        (void)snprintf(interval, sizeof interval,
                       "\"meteringProcessId\":7,\"samplingInterval\":%u}", sampling.interval);
        cr_assert_not_null(strstr(text.data, interval), "trial %u: no %s in %s", trial, interval,
                           text.data);
        cr_assert_eq(b.vec.n, RECORDS);
        const struct wr_flow_stats *s = wr_flow_decoder_stats(b.dec);
        cr_assert(s->options_records == 1 && s->rejected[WR_FLOW_REJECT_list] == 0);
        for (unsigned r = 0; r < RECORDS; r++) {
            cr_assert_eq(b.vec.at[r].sport, rec[r].sport);
            cr_assert_eq(b.vec.at[r].sampling, sampling.interval);
        }
        compare_mail(&b.vec, &columns, trial);
        lists += mails;
        for (unsigned r = 0; r < RECORDS; r++) {
            fBufListFree(of[FLOW], (uint8_t *)&rec[r]);
        }
        close_encoder();
        wr_buf_fini(&text);
        bench_end(&b);
        bench_end(&json);
    }
    cr_expect_gt(lists, TRIALS);
    wr_buf_fini(&want);
}
