/* Rows of SmtpMessages out of YAF's lists, both generations, and out of flat elements. */
#include "message.h"

#include "base/batch.h"
#include "base/ticks.h"
#include "parsers/flow/state.h"

static struct message m;
static struct wr_batch *rows;

#define YAF(id) (0x8000 | (id))
static size_t list_at, content_at; /* octets of a list's length; of what YAF's list holds */

static void begin_list(void) /* variable length, 3-octet form */
{
    put(&m, 255, 1);
    list_at = m.len;
    put(&m, 0, 2);
}

static void end_list(size_t at)
{
    size_t n = m.len - at - 2;
    m.at[at] = (uint8_t)(n >> 8);
    m.at[at + 1] = (uint8_t)n;
}

static void text(const char *s)
{
    put(&m, strlen(s), 1);
    for (; *s; s++)
        put(&m, (uint8_t)*s, 1);
}

static void field(uint16_t id, uint16_t len, uint32_t pen)
{
    put(&m, pen ? 0x8000u | id : id, 2);
    put(&m, len, 2);
    if (pen)
        put(&m, pen, 4);
}

static void basic_list(uint16_t id, const char *const *items)
{
    begin_list();
    size_t at = list_at;
    put(&m, 3, 1);
    put(&m, YAF(id), 2);
    put(&m, 65535, 2);
    put(&m, 6871, 4);
    for (; *items; items++)
        text(*items);
    end_list(at);
}
#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static void tmpl_begin(uint16_t id, unsigned n)
{
    set(&m, 2);
    put(&m, id, 2);
    put(&m, n, 2);
}

static void templates(void)
{
    begin(&m, 10, 0, 1);
    tmpl_begin(256, 7); /* the flow */
    field(8, 4, 0), field(12, 4, 0), field(7, 2, 0), field(11, 2, 0), field(4, 1, 0), field(152, 8, 0);
    field(293, 65535, 0);
    set_end(&m);
    tmpl_begin(300, 4); /* the session */
    field(162, 65535, 6871), field(336, 65535, 6871), field(331, 65535, 6871), field(326, 1, 6871);
    set_end(&m);
    tmpl_begin(301, 5); /* a message */
    field(166, 65535, 6871), field(332, 65535, 6871), field(333, 65535, 6871), field(334, 65535, 6871);
    field(337, 65535, 6871);
    set_end(&m);
    tmpl_begin(302, 2); /* a header */
    field(327, 65535, 6871), field(328, 65535, 6871);
    set_end(&m);
}

static void message_record(const char *subject, const char *const *to, const char *from)
{
    text(subject);
    basic_list(164, to);
    basic_list(163, LIST(from));
    basic_list(167, LIST("invoice.zip"));
    begin_list();
    size_t headers = list_at;
    put(&m, 3, 1);
    put(&m, 302, 2);
    text("From"), text("\"A\" <a@example.org>");
    text("X-Mailer"), text("PHPMailer");
    end_list(headers);
}

static void flow_head(void)
{
    set(&m, 256);
    put(&m, 0x0a000001, 4), put(&m, 0xc6336419, 4), put(&m, 40000, 2), put(&m, 25, 2), put(&m, 6, 1);
    put(&m, (EXPORT_S - 10) * UINT64_C(1000), 8);
}

/* Two messages in one session of YAF 3. */
static void yaf3(void)
{
    templates();
    flow_head();
    begin_list();
    size_t multi = list_at;
    content_at = m.len;
    put(&m, 3, 1);
    put(&m, 300, 2);
    size_t entry = m.len;
    put(&m, 0, 2);
    text("client.example.org");
    begin_list();
    size_t messages = list_at;
    put(&m, 3, 1);
    put(&m, 301, 2);
    message_record("one", LIST("x@example.net", "y@example.net"), "a@example.org");
    message_record("two", LIST("z@example.net"), "b@example.org");
    end_list(messages);
    basic_list(169, LIST("220 ready", "250 OK", "221 bye"));
    put(&m, 1, 1);
    m.at[entry] = (uint8_t)((m.len - entry + 2) >> 8);
    m.at[entry + 1] = (uint8_t)(m.len - entry + 2);
    end_list(multi);
    set_end(&m);
}

static struct bench mail_bench(void)
{
    struct bench b = bench_new();
    struct wr_colset all = wr_colset_all(wr_schema_of(WR_TABLE_SMTP_MESSAGES));
    cr_assert_eq(wr_flow_decoder_mail(b.dec, &all), WR_OK);
    rows = wr_batch_new(wr_schema_of(WR_TABLE_SMTP_MESSAGES), &all, 64);
    return b;
}

static void take_rows(struct bench *b)
{
    struct wr_rd rd = wr_rd_init(b->vec.mail.data, b->vec.mail.len);
    while (rd.at < rd.end) {
        uint32_t len;
        const uint8_t *row = wr_rd_blob(&rd, &len);
        cr_assert_not_null(row);
        cr_assert_eq(wr_row_unpack(rows, row, len), WR_OK);
    }
}

static void end(struct bench *b)
{
    wr_batch_free(rows);
    bench_end(b);
}

static void is(uint32_t row, uint16_t col, const char *want)
{
    const struct wr_str *s = &rows->col[col].s[row];
    cr_expect(s->len == strlen(want) && memcmp(wr_str_data(s), want, s->len) == 0, "row %u column %u: '%.*s', not '%s'",
              row, col, (int)s->len, wr_str_data(s), want);
}

static int64_t number(uint32_t row, uint16_t col)
{
    return wr_vec_valid(&rows->col[col], row) ? rows->col[col].i[row] : -1;
}

Test(mail, a_row_for_each_message_of_a_session)
{
    struct bench b = mail_bench();
    yaf3();
    cr_assert(bench_send(&b, &m));
    cr_expect_eq(b.vec.n, 1, "the flow itself");
    take_rows(&b);
    cr_assert_eq(rows->nrows, 2);
    for (uint32_t r = 0; r < 2; r++) {
        is(r, WR_SMTP_SrcIp, "10.0.0.1");
        is(r, WR_SMTP_DstIp, "198.51.100.25");
        is(r, WR_SMTP_Helo, "client.example.org");
        is(r, WR_SMTP_LastReply, "221 bye");
        is(r, WR_SMTP_FromHeader, "\"A\" <a@example.org>");
        is(r, WR_SMTP_XMailer, "PHPMailer");
        is(r, WR_SMTP_AttachmentName, "invoice.zip");
        is(r, WR_SMTP_Headers, "{\"From\":\"\\\"A\\\" <a@example.org>\",\"X-Mailer\":\"PHPMailer\"}");
        cr_expect_eq(number(r, WR_SMTP_SrcPort), 40000);
        cr_expect_eq(number(r, WR_SMTP_DstPort), 25);
        cr_expect_eq(number(r, WR_SMTP_Tls), 1);
        cr_expect_eq(number(r, WR_SMTP_Timestamp), wr_ticks_of_unix_ns((EXPORT_S - 10) * WR_SECOND_NS));
    }
    is(0, WR_SMTP_Subject, "one");
    is(0, WR_SMTP_RcptFirst, "x@example.net");
    is(0, WR_SMTP_MailFrom, "a@example.org");
    cr_expect_eq(number(0, WR_SMTP_RcptCount), 2);
    is(1, WR_SMTP_Subject, "two");
    is(1, WR_SMTP_MailFrom, "b@example.org");
    cr_expect_eq(number(1, WR_SMTP_RcptCount), 1);
    cr_expect_eq(wr_flow_decoder_stats(b.dec)->mail_rows, 2);
    end(&b);
}

/* YAF 2: every field is a basicList, and its element says what it is. */
Test(mail, the_older_form_gives_one_row)
{
    struct bench b = mail_bench();
    begin(&m, 10, 0, 1);
    tmpl_begin(256, 7);
    field(8, 4, 0), field(12, 4, 0), field(7, 2, 0), field(11, 2, 0), field(4, 1, 0), field(152, 8, 0);
    field(293, 65535, 0);
    set_end(&m);
    tmpl_begin(300, 4);
    field(291, 65535, 0), field(291, 65535, 0), field(291, 65535, 0), field(291, 65535, 0);
    set_end(&m);
    flow_head();
    begin_list();
    size_t multi = list_at;
    put(&m, 3, 1);
    put(&m, 300, 2);
    size_t entry = m.len;
    put(&m, 0, 2);
    basic_list(162, LIST("old.example.org"));
    basic_list(163, LIST("a@example.org"));
    basic_list(164, LIST("x@example.net", "y@example.net", "z@example.net"));
    basic_list(222, LIST("12345"));
    m.at[entry] = (uint8_t)((m.len - entry + 2) >> 8);
    m.at[entry + 1] = (uint8_t)(m.len - entry + 2);
    end_list(multi);
    set_end(&m);
    cr_assert(bench_send(&b, &m));
    take_rows(&b);
    cr_assert_eq(rows->nrows, 1);
    is(0, WR_SMTP_Helo, "old.example.org");
    is(0, WR_SMTP_RcptFirst, "x@example.net");
    cr_expect_eq(number(0, WR_SMTP_RcptCount), 3);
    cr_expect_eq(number(0, WR_SMTP_MessageBytes), 12345);
    cr_expect_eq(number(0, WR_SMTP_Tls), -1);
    end(&b);
}

Test(mail, flat_elements_of_nprobe)
{
    struct bench b = mail_bench();
    begin(&m, 10, 0, 1);
    TEMPLATE(&m, 256, FLOW_FIELDS, VENDOR(35632, 185), 65535, VENDOR(35632, 186), 65535);
    set(&m, 256);
    add_flow(&m, 0x0a000001, 2, 3, 25, 10);
    text("a@example.org"), text("x@example.net");
    add_flow(&m, 0x0a000001, 2, 3, 443, 10); /* no mail */
    text(""), text("");
    set_end(&m);
    cr_assert(bench_send(&b, &m));
    cr_expect_eq(b.vec.n, 2);
    take_rows(&b);
    cr_assert_eq(rows->nrows, 1);
    is(0, WR_SMTP_MailFrom, "a@example.org");
    is(0, WR_SMTP_RcptFirst, "x@example.net");
    end(&b);
}

/* L01: every octet flipped and every length cut: the flow is read whatever the lists say, and nothing runs past. */
Test(mail, L01_broken_lists_cost_only_themselves)
{
    struct bench b = mail_bench();
    yaf3();
    struct message whole = m;
    cr_assert(bench_send(&b, &m));
    for (size_t i = content_at; i < whole.len; i++) {
        for (int v = 0; v < 3; v++) {
            wr_flow_vec_reset(&b.vec);
            uint8_t *copy = malloc(whole.len);
            memcpy(copy, whole.at, whole.len);
            copy[i] = v == 0 ? 0 : v == 1 ? 255 : (uint8_t)(copy[i] ^ 1);
            cr_assert(wr_flow_decode(b.dec, &b.peer, copy, whole.len, NOW_NS, &b.vec));
            cr_expect_eq(b.vec.n, 1, "octet %zu", i);
            free(copy);
        }
    }
    end(&b);
}

/* A message in a list in `levels` lists, each a record of the one around it. */
static void mail_within(unsigned levels)
{
    size_t at[8];
    templates();
    tmpl_begin(257, 3);
    field(8, 4, 0), field(12, 4, 0), field(292, 65535, 0);
    set_end(&m);
    tmpl_begin(303, 1);
    field(292, 65535, 0);
    set_end(&m);
    set(&m, 257);
    put(&m, 0x0a000001, 4), put(&m, 0xc6336419, 4);
    for (unsigned i = 0; i <= levels; i++) {
        begin_list();
        at[i] = list_at;
        put(&m, 3, 1);
        put(&m, i == levels ? 301 : 303, 2);
    }
    message_record("deep", LIST("x@example.net"), "a@example.org");
    for (unsigned i = levels + 1; i-- > 0;)
        end_list(at[i]);
    set_end(&m);
}

/* Four lists in each other are read, five are not: the mail is no row then, and in JSON the field is null. */
Test(mail, L01_lists_are_read_to_a_depth)
{
    for (unsigned levels = 1; levels < 6; levels++) {
        bool within = levels + 2 <= 4;
        struct bench b = mail_bench();
        struct wr_buf json = {0};
        mail_within(levels);
        cr_assert(bench_send(&b, &m));
        take_rows(&b);
        cr_expect_eq(rows->nrows, within, "%u levels: %u rows", levels, rows->nrows);
        cr_expect_eq(b.vec.n, 1);
        m.at[11]++; /* sequence */
        cr_assert(wr_flow_decode_json(b.dec, &b.peer, m.at, m.len, b.now_ns, &json));
        wr_buf_add(&json, "", 1);
        cr_expect_eq(strstr((const char *)json.data, "x@example.net") != NULL, within, "%u levels: %s", levels,
                     (const char *)json.data);
        cr_expect_eq(strstr((const char *)json.data, "\"subTemplateList\":null") != NULL, !within);
        wr_buf_fini(&json);
        end(&b);
    }
}

/* Nested lists, each of its own template, deeper than allowed; and a list with more members than allowed. */
Test(mail, L01_depth_and_members_are_bounded)
{
    struct bench b = mail_bench();
    begin(&m, 10, 0, 1);
    tmpl_begin(256, 3);
    field(8, 4, 0), field(12, 4, 0), field(292, 65535, 0);
    set_end(&m);
    tmpl_begin(300, 1);
    field(292, 65535, 0); /* a list of itself */
    set_end(&m);
    set(&m, 256);
    put(&m, 1, 4), put(&m, 2, 4);
    size_t at[64];
    for (int i = 0; i < 60; i++) {
        begin_list();
        at[i] = list_at;
        put(&m, 3, 1);
        put(&m, 300, 2);
    }
    put(&m, 0, 1);
    for (int i = 59; i >= 0; i--)
        end_list(at[i]);
    set_end(&m);
    cr_assert(bench_send(&b, &m));
    cr_expect_eq(b.vec.n, 1);
    begin(&m, 10, 1, 1);
    set(&m, 256);
    put(&m, 1, 4), put(&m, 2, 4);
    begin_list();
    size_t list = list_at;
    put(&m, 3, 1);
    put(&m, 300, 2);
    for (int i = 0; i < 20000; i++)
        put(&m, 0, 1);
    end_list(list);
    set_end(&m);
    cr_assert(bench_send(&b, &m));
    cr_expect_eq(b.vec.n, 2);
    end(&b);
}

/* `lists` records of a flow, each with a list of `messages` short messages: how many of them are rows. */
static uint64_t rows_of(unsigned lists, unsigned messages)
{
    struct bench b = mail_bench();
    begin(&m, 10, 0, 1);
    tmpl_begin(257, 3);
    field(8, 4, 0), field(12, 4, 0), field(336, 65535, 6871);
    set_end(&m);
    tmpl_begin(310, 2);
    field(166, 65535, 6871), field(163, 65535, 6871);
    set_end(&m);
    set(&m, 257);
    for (unsigned i = 0; i < lists; i++) {
        put(&m, 0x0a000001, 4), put(&m, 0xc6336419, 4);
        begin_list();
        size_t at = list_at;
        put(&m, 3, 1);
        put(&m, 310, 2);
        for (unsigned k = 0; k < messages; k++)
            text("s"), text("a@b");
        end_list(at);
    }
    set_end(&m);
    cr_assert(bench_send(&b, &m));
    cr_expect_eq(b.vec.n, lists);
    uint64_t n = wr_flow_decoder_stats(b.dec)->mail_rows;
    end(&b);
    return n;
}

Test(mail, L01_1024_members_of_a_list_and_8192_of_a_message_are_read)
{
    cr_expect_eq(rows_of(1, 1024), 1024);
    cr_expect_eq(rows_of(1, 2000), 1024);
    cr_expect_eq(rows_of(8, 1024), 8192);
    cr_expect_eq(rows_of(9, 1024), 8192, "%lu", (unsigned long)rows_of(9, 1024));
}
