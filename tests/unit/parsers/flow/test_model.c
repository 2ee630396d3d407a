/* The information model: the vendors' files, files of the user's own, and what exporters explain (RFC 5610). */
#include "message.h"

#include "parsers/flow/elements.h"
#include "parsers/flow/model.h"
#include "parsers/flow/state.h"

static struct message m;

Test(model, every_vendor_file_is_read_whole)
{
    struct wr_model *all = wr_model_new();
    unsigned elements = 0;
    cr_assert_gt(wr_element_nfiles, 15);
    for (size_t i = 0; i < wr_element_nfiles; i++) {
        struct wr_buf error = {0};
        const char *text = wr_element_files[i].text;
        cr_expect_eq(wr_model_add(all, text, wr_element_files[i].len, &error), WR_OK, "%.*s", (int)error.len, error.data);
        wr_buf_fini(&error);
        while ((text = strstr(text, "<cert:enterpriseId>"))) {
            unsigned long pen = strtoul(text + 19, NULL, 10), id = strtoul(strstr(text, "<elementId>") + 11, NULL, 10);
            cr_expect_not_null(wr_model_find(all, (uint32_t)pen, (uint16_t)id).name, "%lu/%lu", pen, id);
            text += 19;
            elements++;
        }
    }
    cr_expect_geq(elements, 409);
    wr_model_free(all);
}

/* Every element that is known to name a user, process or host is in the model, with its type. */
Test(model, attribution_elements_have_names)
{
    struct wr_model *model = wr_model_new();
    static const struct {
        uint32_t pen;
        uint16_t id;
        enum wr_ie_type type;
    } some[] = {{9, 12340, WR_IE_STRING},    {9, 12332, WR_IE_OCTETS},    {9, 12352, WR_IE_BASIC_LIST},
                {5951, 205, WR_IE_STRING},   {6871, 336, WR_IE_TEMPLATE_LIST}, {25461, 56702, WR_IE_STRING},
                {35632, 169, WR_IE_STRING},  {0, 371, WR_IE_STRING},      {WR_PEN_V9, 7232, WR_IE_STRING},
                {WR_PEN_REVERSE, 1, WR_IE_UNSIGNED}};
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        struct wr_ie ie = wr_model_find(model, some[i].pen, some[i].id);
        cr_expect_not_null(ie.name, "%u/%u", some[i].pen, some[i].id);
        cr_expect_eq(ie.type, some[i].type, "%s", ie.name);
    }
    wr_model_free(model);
}

#define XML(records)                                                                                         \
    "<registry xmlns=\"a\" xmlns:cert=\"b\"><registry id=\"ipfix-information-elements\">" records            \
    "</registry></registry>"
#define RECORD(pen, id, name, type)                                                                          \
    "<record><cert:enterpriseId>" #pen "</cert:enterpriseId><elementId>" #id "</elementId><name>" name      \
    "</name><dataType>" type "</dataType></record>"

static enum wr_err add(struct wr_model *model, const char *xml, const char *says)
{
    struct wr_buf error = {0};
    enum wr_err err = wr_model_add(model, xml, strlen(xml), &error);
    wr_buf_char(&error, 0);
    cr_expect(strstr(error.data, says), "'%s' says '%s'", says, error.data);
    wr_buf_fini(&error);
    return err;
}

Test(model, files_of_the_users_own_add_and_never_replace)
{
    struct wr_model *model = wr_model_new();
    cr_expect_eq(add(model, XML(RECORD(4711, 1, "acmeUser", "string")), ""), WR_OK);
    cr_expect_str_eq(wr_model_find(model, 4711, 1).name, "acmeUser");
    cr_expect_eq(add(model, XML(RECORD(4711, 2, "acmeAge", "unsigned8") RECORD(0, 8, "sourceIPv4Address", "string")),
                     "element 0/8 (sourceIPv4Address) is known, and of another type"),
                 WR_EINVAL);
    cr_expect_null(wr_model_find(model, 4711, 2).name, "none of a file that is refused");
    cr_expect_eq(add(model, XML(RECORD(9, 12340, "mine", "unsigned8")), "element 9/12340"), WR_EINVAL);
    cr_expect_eq(add(model, "<registry><record>", "Error on line 1"), WR_EINVAL);
    cr_expect_eq(add(model, "", ""), WR_EINVAL);
    cr_expect_eq(wr_model_find(model, 0, 8).type, WR_IE_IP4);
    wr_model_free(model);
}

/* ---- RFC 5610 ---------------------------------------------------------------------------------------- */

static struct wr_buf out;

static bool has(const char *text)
{
    return out.len && memmem(out.data, out.len, text, strlen(text));
}

static void type_options(void)
{
    begin(&m, 10, 0, 1);
    set(&m, 3);
    put(&m, 400, 2);
    put(&m, 5, 2);
    put(&m, 2, 2);
    const uint16_t fields[] = {346, 4, 303, 2, 339, 1, 344, 1, 341, 65535};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        put(&m, fields[i], 2);
    set_end(&m);
}

static void type_record(uint32_t pen, uint16_t id, uint8_t type, uint8_t semantics, const char *name, unsigned len)
{
    set(&m, 400);
    put(&m, pen, 4);
    put(&m, id, 2);
    put(&m, type, 1);
    put(&m, semantics, 1);
    put(&m, len, 1);
    for (unsigned i = 0; i < len; i++)
        put(&m, (uint8_t)name[i], 1);
    set_end(&m);
}

static void acme_data(bool with_template, uint16_t id)
{
    begin(&m, 10, 0, 1);
    if (with_template)
        TEMPLATE(&m, 260, FLOW_FIELDS, VENDOR(4711, id), 4);
    set(&m, 260);
    add_flow(&m, 1, 2, 3, 4, 5);
    put(&m, 77, 4);
    set_end(&m);
}

static bool send_json(struct bench *b)
{
    wr_buf_reset(&out);
    return wr_flow_decode_json(b->dec, &b->peer, m.at, m.len, b->now_ns, &out);
}

Test(model, an_exporter_explains_its_elements_before_or_after_their_template)
{
    struct bench b = bench_new();
    acme_data(true, 7);
    cr_assert(send_json(&b));
    cr_expect(has("\"_4711_7\":\"0000004d\""));
    type_options();
    type_record(4711, 0x8007, 3, 4, "acmeSession", 11); /* the enterprise bit says nothing (RFC 5610 3.8) */
    cr_assert(send_json(&b));
    acme_data(false, 7);
    cr_assert(send_json(&b));
    cr_expect(has("\"acmeSession\":77"), "%.*s", (int)out.len, out.data);
    acme_data(true, 7);
    cr_assert(send_json(&b));
    cr_expect(has("\"acmeSession\":77"));
    wr_buf_fini(&out);
    bench_end(&b);
}

Test(model, E01_what_one_session_explains_counts_for_no_other)
{
    struct bench b = bench_new();
    b.peer.session = 1;
    type_options();
    type_record(4711, 7, 3, 0, "acmeSession", 11);
    cr_assert(send_json(&b));
    acme_data(true, 7);
    cr_assert(send_json(&b));
    cr_expect(has("\"acmeSession\":77"));
    b.peer.session = 2;
    cr_assert(send_json(&b));
    cr_expect(has("\"_4711_7\":\"0000004d\""), "the second session still sees octets");
    b.peer.session = 1;
    wr_flow_session_end(b.dec, &b.peer);
    cr_assert(send_json(&b));
    cr_expect(has("\"_4711_7\":\"0000004d\""), "and so does the first, begun again");
    wr_buf_fini(&out);
    bench_end(&b);
}

Test(model, E02_nothing_known_is_replaced_and_a_contradiction_ignored)
{
    struct bench b = bench_new();
    type_options();
    type_record(0, 1, 13, 0, "octetDeltaCount", 15);
    type_record(9, 12340, 1, 0, "mine", 4);
    type_record(4711, 7, 3, 0, "acmeSession", 11);
    type_record(4711, 7, 13, 0, "acmeOther", 9);
    type_record(4711, 7, 3, 0, "acmeSession", 11); /* told again: nothing new */
    cr_assert(send_json(&b));
    cr_expect_eq(wr_flow_decoder_stats(b.dec)->type_records_ignored, 3);
    acme_data(true, 7);
    cr_assert(send_json(&b));
    cr_expect(has("\"acmeSession\":77") && has("\"octetDeltaCount\":5"));
    wr_buf_fini(&out);
    bench_end(&b);
}

Test(model, E03_unsound_explanations_are_ignored)
{
    uint64_t good = 0;
    for (unsigned type = 0; type < 256; type++)
        for (unsigned semantics = 0; semantics < 256; semantics++) {
            bool number = type >= 1 && type <= 10, natural = type >= 1 && type <= 4;
            bool want = type <= 22 && (semantics == 0 || (semantics == 1 && number) ||
                                       ((semantics == 2 || semantics == 3 || semantics == 5 || semantics == 7 ||
                                         semantics == 8) && natural) ||
                                       (semantics == 4 && type <= 8) || (semantics == 6 && type >= 20));
            cr_expect_eq(wr_type_pair_good((uint8_t)type, (uint8_t)semantics), want, "%u %u", type, semantics);
            good += want;
        }
    cr_expect_eq(good, 23 + 10 + 5 * 4 + 9 + 3);
    struct bench b = bench_new();
    type_options();
    type_record(4711, 7, 23, 0, "acmeSession", 11);
    type_record(4711, 7, 13, 2, "acmeSession", 11);
    type_record(4711, 7, 3, 0, "acme\0ession", 11);
    type_record(4711, 7, 3, 0, "acme\xff", 5);
    type_record(4711, 7, 3, 0, "", 0);
    type_record(4711, 0, 3, 0, "acmeSession", 11);
    cr_assert(send_json(&b));
    cr_expect_eq(wr_flow_decoder_stats(b.dec)->type_records_ignored, 6);
    acme_data(true, 7);
    cr_assert(send_json(&b));
    cr_expect(has("\"_4711_7\":\"0000004d\""));
    wr_buf_fini(&out);
    bench_end(&b);
}

Test(model, explanations_are_bounded)
{
    struct bench b = bench_new();
    type_options();
    for (uint16_t id = 1; id <= 500; id++)
        type_record(4711, id, 3, 0, "acmeSession", 11);
    cr_assert(send_json(&b));
    cr_expect_eq(wr_flow_decoder_stats(b.dec)->type_records_ignored, 500 - WR_FLOW_LEARNED);
    wr_buf_fini(&out);
    bench_end(&b);
}
