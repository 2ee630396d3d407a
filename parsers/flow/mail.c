/* Rows of SmtpMessages from flow records: YAF's deep packet inspection and the flat elements of nProbe, CESNET and
 * Flowmon. YAF puts what it saw into lists (RFC 6313) of the flow record:
 *
 *   YAF 3  subTemplateMultiList { smtpHello, smtpStartTLS, smtpResponseList, smtpMessageList [
 *            { smtpSubject, smtpToList, smtpFromList, smtpFilenameList, smtpHeaderList [{ smtpKey, smtpValue }] } ] }
 *   YAF 2  subTemplateMultiList { basicList of smtpHello, basicList of smtpFrom, basicList of smtpTo, ... }
 *
 * So a record is walked to its leaves, lists inside lists up to WR_FLOW_LIST_DEPTH, and each leaf that means
 * something goes to its column; a message list gives a row for each of its records, else the record gives one. A
 * list that is broken or too long is left out, the rest is read (RFC 6313 7). */
#include "base/batch.h"
#include "base/ticks.h"
#include "parsers/flow/state.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum { CERT = 6871, MESSAGE_LIST = 336, HEADER_LIST = 337, HEADER_KEY = 327, HEADER_VALUE = 328 };

enum part {
    HELO,
    MAIL_FROM,
    RCPT,
    SUBJECT,
    ATTACHMENT,
    REPLY, /* the last one counts */
    AUTH_USER,
    FROM_HEADER,
    X_MAILER,
    USER_AGENT,
    MESSAGE_ID,
    NTEXTS,
    MESSAGE_BYTES = NTEXTS,
    TLS,
    SRC,
    DST,
    SPORT,
    DPORT,
    START_MS,
    START_S
};

static const struct leaf {
    uint32_t pen;
    uint16_t id;
    uint8_t part;
} leaves[] = {
    {0, 7, SPORT},           {0, 8, SRC},           {0, 11, DPORT},         {0, 12, DST},
    {0, 27, SRC},            {0, 28, DST},          {0, 150, START_S},      {0, 152, START_MS},
    {6871, 162, HELO},       {6871, 163, MAIL_FROM}, {6871, 164, RCPT},     {6871, 166, SUBJECT},
    {6871, 167, ATTACHMENT}, {6871, 169, REPLY},    {6871, 222, MESSAGE_BYTES}, {6871, 326, TLS},
    {6871, 330, MESSAGE_BYTES}, {8057, 813, MAIL_FROM}, {8057, 814, RCPT},  {35632, 185, MAIL_FROM},
    {35632, 186, RCPT},      {39499, 250, HELO},    {39499, 251, MAIL_FROM}, {39499, 252, AUTH_USER},
    {39499, 254, TLS},
};

static const uint16_t columns[NTEXTS] = {
    [HELO] = WR_SMTP_Helo,
    [MAIL_FROM] = WR_SMTP_MailFrom,
    [RCPT] = WR_SMTP_RcptFirst,
    [SUBJECT] = WR_SMTP_Subject,
    [ATTACHMENT] = WR_SMTP_AttachmentName,
    [REPLY] = WR_SMTP_LastReply,
    [AUTH_USER] = WR_SMTP_AuthUser,
    [FROM_HEADER] = WR_SMTP_FromHeader,
    [X_MAILER] = WR_SMTP_XMailer,
    [USER_AGENT] = WR_SMTP_UserAgent,
    [MESSAGE_ID] = WR_SMTP_MessageId,
};

struct text {
    const char *at; /* of the record */
    uint32_t len;
};

/* What is known of a session, then of one message in it. */
struct mail {
    struct text text[NTEXTS], key;
    uint32_t nrcpt;
    int64_t bytes, start_ns; /* -1, 0 unknown */
    int tls;                 /* -1 unknown */
    uint8_t addr[2][16], addr_len[2];
    uint16_t port[2];
    bool any; /* something about mail was said */
    struct wr_buf *headers;
};

struct walk {
    struct wr_msg *msg;
    uint32_t rows;
};

static struct text trimmed(const uint8_t *p, uint32_t len)
{
    while (len && (p[len - 1] == 0 || p[len - 1] == '\r' || p[len - 1] == '\n'))
        len--;
    return (struct text){(const char *)p, len < WR_WHO_MAX_TEXT ? len : WR_WHO_MAX_TEXT};
}

static bool is_word(struct text t, const char *word)
{
    return t.len == strlen(word) && strncasecmp(t.at, word, t.len) == 0;
}

static int64_t number_in(struct text t)
{
    int64_t n = 0;
    uint32_t i = 0;
    while (i < t.len && t.at[i] >= '0' && t.at[i] <= '9' && n < INT64_MAX / 10 - 1)
        n = n * 10 + (t.at[i++] - '0');
    return i ? n : -1;
}

static void take_header(struct mail *m, struct text value)
{
    static const struct {
        const char *name;
        enum part part;
    } known[] = {{"from", FROM_HEADER}, {"subject", SUBJECT}, {"x-mailer", X_MAILER}, {"user-agent", USER_AGENT},
                 {"message-id", MESSAGE_ID}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (is_word(m->key, known[i].name) && !m->text[known[i].part].len)
            m->text[known[i].part] = value;
    if (!m->key.len)
        return;
    if (m->headers->len > 1)
        wr_buf_char(m->headers, ',');
    wr_json_str(m->headers, m->key.at, m->key.len);
    wr_buf_char(m->headers, ':');
    wr_json_str(m->headers, value.at, value.len);
    m->key.len = 0;
    m->any = true;
}

static void take_text(struct mail *m, enum part part, const uint8_t *p, uint32_t len)
{
    struct text t = trimmed(p, len);
    if (!t.len)
        return;
    m->any = true;
    m->nrcpt += part == RCPT;
    if (part == REPLY || !m->text[part].len)
        m->text[part] = t;
}

static void take_end(struct mail *m, int end, const uint8_t *p, uint32_t len)
{
    static const uint8_t zero[16];
    if ((len != 4 && len != 16) || memcmp(p, zero, len) == 0)
        return;
    memcpy(m->addr[end], p, len);
    m->addr_len[end] = (uint8_t)len;
}

static void take_leaf(struct mail *m, uint32_t pen, uint16_t id, const uint8_t *p, uint32_t len)
{
    if (pen == CERT && id == HEADER_KEY)
        m->key = trimmed(p, len);
    else if (pen == CERT && id == HEADER_VALUE)
        take_header(m, trimmed(p, len));
    for (size_t i = 0; i < sizeof leaves / sizeof *leaves; i++) {
        if (leaves[i].id != id || leaves[i].pen != pen || !len)
            continue;
        uint64_t n = len <= 8 ? wr_be(p, len) : 0;
        switch ((enum part)leaves[i].part) {
        case MESSAGE_BYTES: /* YAF 2 has it as text */
            m->bytes = id == 222 ? number_in(trimmed(p, len)) : (int64_t)(n & INT64_MAX);
            m->any = true;
            return;
        case TLS:
            m->tls = n != 0;
            m->any = true;
            return;
        case SRC:
        case DST:
            take_end(m, leaves[i].part == DST, p, len);
            return;
        case SPORT:
        case DPORT:
            m->port[leaves[i].part == DPORT] = (uint16_t)n;
            return;
        case START_MS:
            m->start_ns = n < (uint64_t)(INT64_MAX / 1000000) ? (int64_t)n * 1000000 : 0;
            return;
        case START_S:
            if (!m->start_ns && n <= UINT32_MAX)
                m->start_ns = (int64_t)n * WR_SECOND_NS;
            return;
        default:
            take_text(m, (enum part)leaves[i].part, p, len);
            return;
        }
    }
}

/* ---- a row ------------------------------------------------------------------------------------------- */

static bool set_text(struct wr_batch *b, uint16_t col, struct text t)
{
    char repaired[3 * WR_WHO_MAX_TEXT];
    size_t replaced, n = t.len;
    if (!n)
        return true;
    if (wr_utf8_valid(t.at, n))
        return wr_batch_set_str(b, col, 0, t.at, n);
    n = wr_utf8_repair(t.at, n, repaired, &replaced);
    return wr_batch_set_str(b, col, 0, repaired, n);
}

static bool set_addr(struct wr_batch *b, uint16_t col, const struct mail *m, int end)
{
    char text[INET6_ADDRSTRLEN];
    if (!m->addr_len[end])
        return true;
    inet_ntop(m->addr_len[end] == 4 ? AF_INET : AF_INET6, m->addr[end], text, sizeof text);
    return wr_batch_set_str(b, col, 0, text, strlen(text));
}

static bool fill(const struct wr_msg *msg, const struct mail *m, struct wr_batch *b)
{
    (void)wr_batch_row(b);
    bool ok = set_addr(b, WR_SMTP_SrcIp, m, 0) && set_addr(b, WR_SMTP_DstIp, m, 1);
    for (int i = 0; ok && i < NTEXTS; i++)
        ok = set_text(b, columns[i], m->text[i]);
    wr_batch_set_i64(b, WR_SMTP_Timestamp, 0, wr_ticks_of_unix_ns(m->start_ns ? m->start_ns : msg->export_ns));
    wr_batch_set_i64(b, WR_SMTP_SrcPort, 0, m->port[0]);
    wr_batch_set_i64(b, WR_SMTP_DstPort, 0, m->port[1]);
    if (m->nrcpt)
        wr_batch_set_i64(b, WR_SMTP_RcptCount, 0, m->nrcpt);
    if (m->bytes >= 0)
        wr_batch_set_i64(b, WR_SMTP_MessageBytes, 0, m->bytes);
    if (m->tls >= 0)
        wr_batch_set_i64(b, WR_SMTP_Tls, 0, m->tls);
    if (ok && m->headers->len > 1 && !m->headers->err) {
        wr_buf_char(m->headers, '}');
        ok = !m->headers->err && wr_batch_set_str(b, WR_SMTP_Headers, 0, m->headers->data, m->headers->len);
    }
    return ok;
}

static void emit(struct walk *w, const struct mail *m)
{
    struct wr_msg *msg = w->msg;
    struct wr_batch *b = msg->dec->mail;
    struct wr_buf *out = &msg->rows->mail;
    size_t at = out->len;
    w->rows++;
    wr_buf_u32(out, 0);
    bool ok = wr_batch_reset(b) && fill(msg, m, b);
    if (ok)
        wr_row_pack(b, 0, out);
    if (!ok || out->err) {
        out->len = out->err ? out->len : at;
        WR_COUNT(msg, no_memory_names, 1);
        return;
    }
    uint32_t len = (uint32_t)(out->len - at - 4);
    for (int i = 0; i < 4; i++)
        out->data[at + (size_t)i] = (char)(len >> 8 * i);
    WR_COUNT(msg, mail_rows, 1);
}

/* ---- the walk ---------------------------------------------------------------------------------------- */

static void walk_record(struct walk *w, const struct wr_tmpl *tmpl, const uint8_t *rec, struct mail *m, int depth);

static bool take_item(struct walk *w, uint32_t *items)
{
    return ++*items <= WR_FLOW_LIST_ITEMS && ++w->msg->list_items <= WR_FLOW_MESSAGE_ITEMS;
}

static void basic_list(struct walk *w, const uint8_t *p, uint32_t len, struct mail *m)
{
    struct wr_wire r = wr_wire_init(p, len);
    uint32_t items = 0;
    wr_wire_u8(&r);
    uint16_t id = wr_wire_u16(&r), each = wr_wire_u16(&r);
    uint32_t pen = id & 0x8000 ? wr_wire_u32(&r) : 0;
    while (!r.err && each && wr_wire_left(&r)) {
        uint32_t n = each;
        if (each == WR_VARLEN) {
            n = wr_wire_u8(&r);
            n = n == 255 ? wr_wire_u16(&r) : n;
        }
        const uint8_t *item = wr_wire_take(&r, n);
        if (r.err || !item || !take_item(w, &items))
            return;
        take_leaf(m, pen, id & 0x7fff, item, n);
    }
}

/* A message of its own for each record, that begins with what the session has. */
static void message_record(struct walk *w, const struct wr_tmpl *tmpl, const uint8_t *rec, const struct mail *m,
                           int depth)
{
    struct wr_buf headers = {0};
    struct mail own = *m;
    own.headers = &headers;
    own.any = false;
    wr_buf_char(&headers, '{');
    walk_record(w, tmpl, rec, &own, depth);
    if (own.any)
        emit(w, &own);
    wr_buf_fini(&headers);
}

static void sub_records(struct walk *w, uint16_t id, const uint8_t *p, size_t len, bool messages, struct mail *m,
                        int depth)
{
    struct wr_msg *msg = w->msg;
    uint32_t items = 0;
    const struct wr_tmpl *tmpl = wr_stream_tmpl(msg->stream, id);
    if (!tmpl)
        tmpl = wr_tmpl_for(msg->dec, msg->stream, &msg->stream->key, id, (uint32_t)len);
    while (tmpl && len >= tmpl->min_len) {
        uint32_t n = tmpl->plan->nvars ? wr_record_walk(tmpl->plan, p, len) : tmpl->plan->stride;
        if (!n || !take_item(w, &items))
            return;
        if (messages)
            message_record(w, tmpl, p, m, depth);
        else
            walk_record(w, tmpl, p, m, depth);
        p += n;
        len -= n;
    }
}

static void template_list(struct walk *w, const struct wr_field *f, const uint8_t *p, uint32_t len, struct mail *m,
                          int depth)
{
    struct wr_wire r = wr_wire_init(p, len);
    bool messages = f->pen == CERT && f->id == MESSAGE_LIST;
    wr_wire_u8(&r);
    if (f->ie.type == WR_IE_TEMPLATE_LIST) {
        uint16_t id = wr_wire_u16(&r);
        if (!r.err)
            sub_records(w, id, r.at, wr_wire_left(&r), messages, m, depth);
        return;
    }
    while (!r.err && wr_wire_left(&r)) {
        uint16_t id = wr_wire_u16(&r), n = wr_wire_u16(&r);
        const uint8_t *records = n >= 4 ? wr_wire_take(&r, n - 4u) : NULL;
        if (r.err || !records)
            return;
        sub_records(w, id, records, n - 4u, messages, m, depth);
    }
}

/* Leaves first: what stands in lists of records needs to know them. */
static void walk_record(struct walk *w, const struct wr_tmpl *tmpl, const uint8_t *rec, struct mail *m, int depth)
{
    for (int pass = 0; pass < 2 && depth < WR_FLOW_LIST_DEPTH; pass++) {
        const uint8_t *p = rec;
        for (uint32_t i = 0; i < tmpl->nfields; i++) {
            const struct wr_field *f = &tmpl->fields[i];
            uint32_t len = f->len;
            if (len == WR_VARLEN) {
                len = *p++;
                if (len == 255) {
                    len = wr_be16(p);
                    p += 2;
                }
            }
            bool of_records = f->ie.type == WR_IE_TEMPLATE_LIST || f->ie.type == WR_IE_MULTI_LIST;
            if (pass == 1 && of_records)
                template_list(w, f, p, len, m, depth + 1);
            else if (pass == 0 && f->ie.type == WR_IE_BASIC_LIST)
                basic_list(w, p, len, m);
            else if (pass == 0 && !of_records && f->legal)
                take_leaf(m, f->pen, f->id, p, len);
            p += len;
        }
    }
}

/* Lists, or a flat element about mail. */
bool wr_mail_may(const struct wr_tmpl *tmpl)
{
    for (uint32_t i = 0; !tmpl->options && i < tmpl->nfields; i++) {
        const struct wr_field *f = &tmpl->fields[i];
        if (f->ie.type >= WR_IE_TEMPLATE_LIST)
            return true;
        for (size_t k = 0; f->pen && k < sizeof leaves / sizeof *leaves; k++)
            if (leaves[k].pen == f->pen && leaves[k].id == f->id)
                return true;
    }
    return false;
}

void wr_mail_records(struct wr_msg *msg, const struct wr_tmpl *tmpl, const uint8_t *body, size_t len)
{
    const struct wr_plan *plan = tmpl->plan;
    struct wr_buf headers = {0};
    struct walk w = {.msg = msg};
    for (size_t at = 0; len - at >= tmpl->min_len;) {
        uint32_t n = plan->nvars ? wr_record_walk(plan, body + at, len - at) : plan->stride;
        if (!n)
            break;
        struct mail m = {.bytes = -1, .tls = -1, .headers = &headers};
        wr_buf_reset(&headers);
        wr_buf_char(&headers, '{');
        w.rows = 0;
        walk_record(&w, tmpl, body + at, &m, 0);
        if (!w.rows && m.any && m.addr_len[0])
            emit(&w, &m);
        at += n;
    }
    wr_buf_fini(&headers);
}
